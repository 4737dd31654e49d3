/* fuzz_dns.c: hostile answers to the resolver's questions: c-ares reads them, on what the stack's own sockets make of the datagrams.
 *
 * An input is a list of records, each an answer: one byte of what to do, two of length (big-endian), and as many of a message:
 *
 *     0  the message as it is
 *     1  with the question's identifier
 *     2  the same, and behind the question's own header and question: what comes is records
 *
 * For each input a name is asked for. In the end the last question is answered with "no such name", so that it ends; connections
 * that c-ares opens because it was told to (the truncation bit) are refused. One stack serves all inputs. */
#include <stdio.h>
#include <stdlib.h>

#include <sys/socket.h>

#include "tenon/checksum.h"
#include "tenon/cursor.h"
#include "tenon/sim.h"
#include "tenon/stack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    FRAME_MAX = 9000,
    IP_HEADER = 20,
    UDP_HEADER = 8,
    DNS_HEADER = 12,
    TCP_HEADER = 20,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
    ROUNDS_MAX = 64, /* until a question must have ended */
};

static const char yaml[] = "stack: { name: fuzz, name-servers: [10.0.7.1] }\n"
                           "interfaces: { h0: { driver: host, mode: ip, addresses: [10.0.7.7/24] } }\n"
                           "protocols: { rawip: {}, ipv4: {}, icmp: {}, udp: {}, tcp: {} }\n";

static struct tn_sim *sim;
static struct tn_stack *stack;
static uint8_t question[FRAME_MAX]; /* the last that was sent, from its IP header on */
static size_t question_len;
static unsigned open_questions;

static void forget_log(void *context, enum tn_level level, const char *who, const char *text)
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
}

static void resolved(void *context, int error, const struct tn_resolved *found, size_t count)
{
    if (count > TN_RESOLVED_MAX || (error == 0) != (count > 0))
        abort();
    for (size_t i = 0; i < count; i++)
        if (found[i].family != AF_INET)
            abort();
    open_questions--;
}

/* ---- Packets ---- */

static void send_packet(uint8_t *packet, size_t len, uint8_t protocol)
{
    static const uint8_t ends[] = {10, 0, 7, 1, 10, 0, 7, 7};
    struct tn_addr src = tn_addr_from(ends, 4), dst = tn_addr_from(ends + 4, 4);
    uint8_t *field = packet + IP_HEADER + (protocol == PROTOCOL_TCP ? 16 : 6);
    memset(packet, 0, IP_HEADER);
    packet[0] = 0x45;
    tn_store16(packet + 2, (uint16_t)len);
    packet[8] = 64;
    packet[9] = protocol;
    memcpy(packet + 12, ends, sizeof(ends));
    uint16_t sum = tn_sum_finish(tn_sum_add(0, packet, IP_HEADER));
    memcpy(packet + 10, &sum, sizeof(sum));
    tn_sum pseudo = tn_sum_pseudo(&src, &dst, protocol, (uint32_t)(len - IP_HEADER));
    memset(field, 0, 2);
    sum = tn_sum_finish(tn_sum_add(pseudo, packet + IP_HEADER, len - IP_HEADER));
    memcpy(field, &sum, sizeof(sum));
    tn_host_send(stack, "h0", packet, len);
    tn_sim_settle(sim);
}

/* A SYN is refused. */
static void refuse(const uint8_t *packet, size_t len)
{
    const uint8_t *tcp = packet + IP_HEADER;
    uint8_t answer[IP_HEADER + TCP_HEADER] = {0};
    if (len < IP_HEADER + TCP_HEADER || !(tcp[13] & 2))
        return;
    memcpy(answer + IP_HEADER, tcp + 2, 2);
    memcpy(answer + IP_HEADER + 2, tcp, 2);
    tn_store32(answer + IP_HEADER + 8, tn_load32(tcp + 4) + 1);
    answer[IP_HEADER + 12] = 5 << 4;
    answer[IP_HEADER + 13] = 0x14; /* RST, ACK */
    send_packet(answer, sizeof(answer), PROTOCOL_TCP);
}

/* Whether the stack has sent anything. */
static bool take_packets(void)
{
    static uint8_t packet[FRAME_MAX];
    ssize_t len;
    bool any = false;
    while ((len = tn_host_receive(stack, "h0", packet, sizeof(packet))) > 0) {
        any = true;
        if (packet[9] == PROTOCOL_TCP) {
            refuse(packet, (size_t)len);
        } else if (packet[9] == PROTOCOL_UDP && (size_t)len >= IP_HEADER + UDP_HEADER + DNS_HEADER) {
            memcpy(question, packet, (size_t)len);
            question_len = (size_t)len;
        }
    }
    return any;
}

/* The message stands behind the headers of `packet`. */
static void send_answer(uint8_t *packet, size_t len)
{
    uint8_t *udp = packet + IP_HEADER;
    memcpy(udp, question + IP_HEADER + 2, 2);
    memcpy(udp + 2, question + IP_HEADER, 2);
    tn_store16(udp + 4, (uint16_t)(UDP_HEADER + len));
    send_packet(packet, IP_HEADER + UDP_HEADER + len, PROTOCOL_UDP);
    (void)take_packets();
}

static void answer(unsigned what, const uint8_t *bytes, size_t len)
{
    static uint8_t packet[2 * FRAME_MAX];
    uint8_t *dns = packet + IP_HEADER + UDP_HEADER;
    const uint8_t *asked = question + IP_HEADER + UDP_HEADER;
    size_t asked_len = question_len - IP_HEADER - UDP_HEADER, used = 0;
    if (what == 2) {
        memcpy(dns, asked, asked_len);
        size_t flags = tn_min(len, 8u); /* flags, and how many records there are said to be */
        memcpy(dns + 2, bytes, tn_min(flags, 2u));
        if (flags == 8)
            memcpy(dns + 6, bytes + 2, 6);
        used = asked_len;
        bytes += flags;
        len -= flags;
    }
    memcpy(dns + used, bytes, len);
    if (what == 1 && len >= 2)
        memcpy(dns, asked, 2);
    send_answer(packet, used + len);
}

static void answer_no_such_name(void)
{
    static const uint8_t nothing[8] = {0x81, 0x83};
    answer(2, nothing, sizeof(nothing));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!sim)
        start();
    question_len = 0;
    open_questions = 1;
    if (tn_resolve(stack, "name.example", AF_INET, resolved, NULL) < 0)
        abort();
    tn_sim_settle(sim);
    (void)take_packets();
    struct tn_cursor c = tn_cursor(data, size);
    while (tn_left(&c) >= 3 && open_questions && question_len) {
        unsigned what = tn_read8(&c) % 3;
        size_t len = tn_read16(&c);
        len = tn_min(tn_min(len, tn_left(&c)), 1400u);
        answer(what, tn_read_bytes(&c, len), len);
    }
    for (unsigned round = 0; open_questions && round < ROUNDS_MAX; round++) {
        answer_no_such_name();
        tn_sim_run(sim, 10 * TN_SEC);
        (void)take_packets();
    }
    if (open_questions) {
        fprintf(stderr, "the question does not end\n");
        abort();
    }
    tn_sim_run(sim, 300 * TN_SEC);
    (void)take_packets();
    return 0;
}
