/* fuzz_frames.c: hostile frames into a whole stack, every protocol and service enabled, with the trace on (so that the
 * plugins' descriptions read them too), in virtual time.
 *
 * An input is a list of records: one byte of what to do, two of length (big-endian), and as many of a frame:
 *
 *     0  the frame as it is
 *     1  with right checksums (IPv4, ICMP, IGMP, UDP, TCP), or nothing behind them would ever be reached
 *     2  the same, and with the acknowledgement that the stack expects after what it sent last
 *     3  no frame: so many milliseconds pass
 *
 * One stack serves all inputs: a fuzzer cannot bear that code which it has counted is unloaded. After each input an hour passes,
 * in which all that waits is given up, connections that are still there are reset, and another hour passes. No packet and no
 * socket but the services' may then be in use. */
#include <stdio.h>
#include <stdlib.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tenon/checksum.h"
#include "tenon/cursor.h"
#include "tenon/proto/ether.h"
#include "tenon/proto/ipv4.h"
#include "tenon/sim.h"
#include "tenon/stack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    FRAME_MAX = 9000,
    PROTOCOL_ICMP = 1,
    PROTOCOL_IGMP = 2,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    HEADERS = 14 + 20 + 20, /* Ethernet, IPv4, TCP, without options */
    CONNECTIONS_MAX = 256,
};

static const char yaml[] =
    "stack: { name: fuzz, limits: { sockets: 2000 } }\n"
    "interfaces:\n"
    "  h0:\n"
    "    driver: host\n"
    "    mac: \"02:00:00:00:07:07\"\n"
    "    addresses: [10.0.7.7/24, 10.0.7.8/24]\n"
    "    routes: [ { to: default, via: 10.0.7.1 } ]\n"
    "protocols: { ether: {}, arp: {}, ipv4: { forward: yes }, icmp: { redirects: yes },\n"
    "             igmp: {}, udp: {}, tcp: {} }\n"
    "services:\n"
    "  echo: { listen: [tcp/7, udp/7] }\n"
    "  discard: { listen: [tcp/9, udp/9] }\n"
    "  daytime: { listen: [tcp/13, udp/13] }\n"
    "  chargen: { listen: [tcp/19, udp/19] }\n";

static struct tn_sim *sim;
static struct tn_stack *stack;
#define PATTERN_PACKETS 1 /* chargen's */

static size_t sockets_at_start;
static uint32_t expected_ack; /* by the stack, after its last TCP segment */

/* The headers of the last segment that the stack sent on each connection. */
static uint8_t connections[CONNECTIONS_MAX][HEADERS];
static size_t connection_count;

static void forget(void *context, const char *line)
{
}

static void forget_log(void *context, enum tn_level level, const char *who, const char *text)
{
}

/* Queries are answered where there is something to say. */
static void join_group(void)
{
    const struct ip_mreq group = {.imr_multiaddr.s_addr = htonl(0xef010203),
                                  .imr_interface.s_addr = htonl(0x0a000707)};
    int fd = tn_socket(stack, AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || tn_setsockopt(stack, fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)) < 0)
        abort();
}

static void start(void)
{
    struct tn_error error;
    sim = tn_sim_create(1);
    tn_sim_plugin_path(sim, TN_TEST_PLUGIN_DIR);
    tn_sim_log(sim, forget_log, NULL);
    if (tn_sim_add(sim, yaml, &stack, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    tn_stack_trace(stack, forget, NULL, false);
    join_group();
    struct tn_usage usage;
    tn_stack_usage(stack, &usage);
    sockets_at_start = usage.sockets;
}

/* ---- Frames ---- */

/* Where the transport header of the IPv4 frame lies and how long it and its data are; NULL if it is no such frame. */
static uint8_t *transport_of(uint8_t *frame, size_t len, size_t *transport_len)
{
    struct tn_ether_header *ether = (void *)frame;
    struct tn_ipv4_header *ip = (void *)(frame + sizeof(*ether));
    if (len < sizeof(*ether) + sizeof(*ip) || tn_be16(ether->type) != TN_ETHERTYPE_IPV4)
        return NULL;
    size_t header = (frame[sizeof(*ether)] & 0xfu) * 4u, total = tn_load16(frame + sizeof(*ether) + 2);
    if (header < sizeof(*ip) || total < header || total > len - sizeof(*ether))
        return NULL;
    *transport_len = total - header;
    return frame + sizeof(*ether) + header;
}

static void set_checksum(uint8_t *field, tn_sum sum)
{
    uint16_t checksum = tn_sum_finish(sum);
    memcpy(field, &checksum, sizeof(checksum));
}

static void fix_transport(const uint8_t *ip, uint8_t *transport, size_t len)
{
    static const struct {
        uint8_t protocol, field, pseudo;
    } known[] = {{PROTOCOL_ICMP, 2, false},
                 {PROTOCOL_IGMP, 2, false},
                 {PROTOCOL_UDP, 6, true},
                 {PROTOCOL_TCP, 16, true}};
    struct tn_addr src = tn_addr_from(ip + 12, 4), dst = tn_addr_from(ip + 16, 4);
    for (size_t i = 0; i < TN_ARRAY_SIZE(known); i++) {
        if (ip[9] != known[i].protocol || len < known[i].field + 2u)
            continue;
        memset(transport + known[i].field, 0, 2);
        tn_sum sum = known[i].pseudo ? tn_sum_pseudo(&src, &dst, ip[9], (uint32_t)len) : 0;
        set_checksum(transport + known[i].field, tn_sum_add(sum, transport, len));
    }
}

static void fix_checksums(uint8_t *frame, size_t len, bool with_ack)
{
    size_t transport_len;
    uint8_t *transport = transport_of(frame, len, &transport_len);
    if (!transport)
        return;
    uint8_t *ip = frame + sizeof(struct tn_ether_header);
    memset(ip + 10, 0, 2);
    set_checksum(ip + 10, tn_sum_add(0, ip, (size_t)(transport - ip)));
    if (with_ack && ip[9] == PROTOCOL_TCP && transport_len >= 12)
        tn_store32(transport + 8, expected_ack);
    fix_transport(ip, transport, transport_len);
}

/* Both addresses and both ports of a segment that the stack sent. */
static bool same_connection(const uint8_t *a, const uint8_t *b)
{
    return memcmp(a + 26, b + 26, 12) == 0;
}

static void remember_connection(const uint8_t *frame)
{
    size_t i = 0;
    while (i < connection_count && !same_connection(connections[i], frame))
        i++;
    if (i == CONNECTIONS_MAX)
        return;
    if (i == connection_count)
        connection_count++;
    memcpy(connections[i], frame, HEADERS);
}

static void take_answer(uint8_t *frame, size_t len)
{
    size_t transport_len;
    uint8_t *tcp = transport_of(frame, len, &transport_len);
    if (tcp != frame + 34 || frame[14 + 9] != PROTOCOL_TCP || transport_len < 20)
        return;
    size_t header = (tcp[12] >> 4) * 4u;
    uint32_t syn_and_fin = (tcp[13] & 1u) + (tcp[13] >> 1 & 1u);
    expected_ack = tn_load32(tcp + 4) + (uint32_t)(transport_len - header) + syn_and_fin;
    remember_connection(frame);
}

static void take_answers(void)
{
    static uint8_t frame[FRAME_MAX];
    ssize_t len;
    while ((len = tn_host_receive(stack, "h0", frame, sizeof(frame))) >= 0)
        take_answer(frame, (size_t)len);
}

/* The peer resets the connection, at the number that the stack said it expects (RFC 5961 §3.2). */
static void reset_connection(const uint8_t *last)
{
    uint8_t frame[HEADERS];
    memcpy(frame, last, HEADERS);
    memcpy(frame, last + 6, 6);
    memcpy(frame + 6, last, 6);
    tn_store16(frame + 16, HEADERS - 14);
    memcpy(frame + 26, last + 30, 4);
    memcpy(frame + 30, last + 26, 4);
    memcpy(frame + 34, last + 36, 2);
    memcpy(frame + 36, last + 34, 2);
    memcpy(frame + 38, last + 42, 4);
    frame[46] = 5 << 4;
    frame[47] = 4; /* RST */
    fix_checksums(frame, sizeof(frame), false);
    tn_host_send(stack, "h0", frame, sizeof(frame));
    tn_sim_settle(sim);
}

static void send_frame(const uint8_t *bytes, size_t len, unsigned what)
{
    uint8_t *frame = malloc(len ? len : 1);
    memcpy(frame, bytes, len);
    if (what > 0)
        fix_checksums(frame, len, what == 2);
    tn_host_send(stack, "h0", frame, len);
    free(frame);
    tn_sim_settle(sim);
    take_answers();
}

static void fall_silent(void)
{
    struct tn_usage usage;
    tn_sim_run(sim, 3600 * TN_SEC);
    take_answers();
    for (size_t i = 0; i < connection_count; i++)
        reset_connection(connections[i]);
    tn_sim_run(sim, 3600 * TN_SEC);
    take_answers();
    tn_stack_usage(stack, &usage);
    if (connection_count < CONNECTIONS_MAX &&
        (usage.packets != PATTERN_PACKETS || usage.sockets != sockets_at_start)) {
        fprintf(stderr, "still in use after hours of silence: %zu packets, %zu sockets of %zu at the start\n",
                usage.packets, usage.sockets, sockets_at_start);
        abort();
    }
    connection_count = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!sim)
        start();
    struct tn_cursor c = tn_cursor(data, size);
    while (tn_left(&c) >= 3) {
        unsigned what = tn_read8(&c) & 3;
        size_t len = tn_read16(&c);
        if (what == 3) {
            tn_sim_run(sim, len * TN_MSEC);
            take_answers();
            continue;
        }
        len = tn_min(tn_min(len, tn_left(&c)), FRAME_MAX);
        send_frame(tn_read_bytes(&c, len), len, what);
    }
    fall_silent();
    return 0;
}
