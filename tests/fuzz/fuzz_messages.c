/* ICMP and IGMP messages and IPv4 options, with all checksums right, so that it is the parsers behind them that are
 * tried. The input is a list of steps: an octet that says what, one that says how long, and the bytes; a stack with a
 * ping, a connected UDP socket and a member of a group gets them, in virtual time. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stack.h"
#include "tenon/checksum.h"
#include "tenon/sim.h"

static const char yaml[] = "stack: { name: fuzz }\n"
                           "interfaces: { h0: { driver: host, mode: ip, addresses: [10.0.7.7/24], routes: [{ "
                           "to: default, via: 10.0.7.1 }] } }\n"
                           "protocols: { rawip: {}, ipv4: {}, icmp: {}, igmp: {}, udp: {} }\n";

enum {
    STEP_ICMP,
    STEP_IGMP_ALL,   /* to 224.0.0.1 */
    STEP_IGMP_GROUP, /* to 239.1.2.3 */
    STEP_OPTIONS,    /* of an echo request's header */
    STEP_ERROR,      /* an ICMP error that quotes a datagram of the connected socket, then the bytes */
    STEP_TIME,
    STEP_LEAVE, /* the group, or join it */
    STEP_COUNT,
};

static struct tn_sim *sim;
static struct tn_stack *stack;
static struct tn_usage at_start;

static void forget_log(void *context, enum tn_level level, const char *who, const char *text)
{
}

static void forget(void *context, const char *line)
{
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
    tn_sim_run(sim, 60 * TN_SEC);
    tn_stack_usage(stack, &at_start);
}

static void put_sum(uint8_t *at, const uint8_t *bytes, size_t len)
{
    at[0] = at[1] = 0;
    uint16_t sum = tn_sum_finish(tn_sum_add(0, bytes, len));
    memcpy(at, &sum, sizeof(sum));
}

/* A packet to `dst` with `options_len` (a multiple of 4, at most 40) bytes of options. */
static void send_packet(uint8_t protocol, const uint8_t *dst, const uint8_t *options, size_t options_len,
                        const uint8_t *payload, size_t len)
{
    uint8_t p[1500] = {
        (uint8_t)(0x45 + options_len / 4), 0, 0, 0, 0, 1, 0, 0, 1, protocol, 0, 0, 10, 0, 7, 1};
    size_t header = 20 + options_len;
    tn_store16(p + 2, (uint16_t)(header + len));
    memcpy(p + 16, dst, 4);
    if (options_len > 0)
        memcpy(p + 20, options, options_len);
    memcpy(p + header, payload, len);
    if (len >= 4)
        put_sum(p + header + 2, p + header, len);
    put_sum(p + 10, p, header);
    (void)tn_host_send(stack, "h0", p, header + len);
    tn_sim_settle(sim);
}

static const uint8_t own[] = {10, 0, 7, 7}, all_hosts[] = {224, 0, 0, 1}, group[] = {239, 1, 2, 3};

static void send_options(const uint8_t *bytes, size_t len)
{
    static const uint8_t echo[8] = {8};
    uint8_t options[40] = {0};
    memcpy(options, bytes, tn_min(len, sizeof(options)));
    send_packet(1, own, options, (tn_min(len, sizeof(options)) + 3) / 4 * 4, echo, sizeof(echo));
}

static void send_error(const uint8_t *bytes, size_t len)
{
    uint8_t message[300] = {3, 4, 0,  0, 0, 0, 2,   0, 0x45, 0, 0x10, 0,  0,    0,    0x40, 0, 1, 17,
                            0, 0, 10, 0, 7, 7, 192, 0, 2,    9, 0,    99, 0x0f, 0xa0, 0,    9, 0, 0};
    size_t head = tn_min(len, 8);
    for (size_t i = 0; i < head; i++)
        message[i] ^= bytes[i];
    memcpy(message + 36, bytes + head, len - head);
    send_packet(1, own, NULL, 0, message, 36 + len - head);
}

static void change_membership(int fd, bool *joined)
{
    struct ip_mreqn m = {.imr_ifindex = 1};
    memcpy(&m.imr_multiaddr, group, sizeof(group));
    (void)tn_setsockopt(stack, fd, IPPROTO_IP, *joined ? IP_DROP_MEMBERSHIP : IP_ADD_MEMBERSHIP, &m,
                        sizeof(m));
    *joined = !*joined;
}

static void step(uint8_t what, const uint8_t *bytes, size_t len, int fd, bool *joined)
{
    static const uint8_t alert[] = {148, 4, 0, 0};
    switch (what % STEP_COUNT) {
    case STEP_ICMP:
        send_packet(1, own, NULL, 0, bytes, len);
        break;
    case STEP_IGMP_ALL:
        send_packet(2, all_hosts, alert, sizeof(alert), bytes, len);
        break;
    case STEP_IGMP_GROUP:
        send_packet(2, group, alert, sizeof(alert), bytes, len);
        break;
    case STEP_OPTIONS:
        send_options(bytes, len);
        break;
    case STEP_ERROR:
        send_error(bytes, len);
        break;
    case STEP_TIME:
        tn_sim_run(sim, len * TN_SEC / 10);
        break;
    default:
        change_membership(fd, joined);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!sim)
        start();
    static uint8_t out[65536];
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(99)},
                       far = {
                           .sin_family = AF_INET, .sin_port = htons(4000), .sin_addr = {htonl(0xc0000209)}};
    bool joined = false;
    int fd = tn_socket(stack, AF_INET, SOCK_DGRAM, 0), member = tn_socket(stack, AF_INET, SOCK_DGRAM, 0);
    if (tn_bind(stack, fd, (struct sockaddr *)&here, sizeof(here)) < 0 ||
        tn_connect(stack, fd, (struct sockaddr *)&far, sizeof(far)) < 0)
        abort();
    change_membership(member, &joined);
    while (size >= 2) {
        size_t len = tn_min(data[1], size - 2);
        step(data[0], data + 2, len, member, &joined);
        data += 2 + len;
        size -= 2 + len;
        while (tn_host_receive(stack, "h0", out, sizeof(out)) > 0)
            ;
    }
    tn_close(stack, fd);
    tn_close(stack, member);
    /* Path MTUs and older routers are forgotten, and a query answered that leaves most time for it (RFC 3376 4.1.1). */
    for (unsigned minute = 0; minute < 54; minute++) {
        tn_sim_run(sim, 60 * TN_SEC);
        while (tn_host_receive(stack, "h0", out, sizeof(out)) > 0)
            ;
    }
    struct tn_usage end;
    tn_stack_usage(stack, &end);
    if (end.packets != at_start.packets || end.buffers != at_start.buffers ||
        end.sockets != at_start.sockets || end.timers != at_start.timers ||
        end.plugin_bytes != at_start.plugin_bytes)
        abort();
    return 0;
}
