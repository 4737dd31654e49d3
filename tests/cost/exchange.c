/* A stack that is asked and answers, one request a step, for counting instructions (count.py): the frames come from here, so
 * nothing but the stack's own work lies in counted_step().
 *
 *     exchange tcp|udp REQUESTS [IDLE]     REQUESTS of 64 octets to echo, with so many idle TCP connections beside
 *     exchange connect REQUESTS            REQUESTS times: connect, read what daytime says, close */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "tenon/checksum.h"
#include "tenon/proto/ether.h"
#include "tenon/proto/ipv4.h"
#include "tenon/proto/tcp.h"
#include "tenon/proto/udp.h"
#include "tenon/stack.h"

#define PAYLOAD   64
#define FRAME_MAX 2000

static const char yaml[] =
    "stack: { name: cost, limits: { sockets: 1000000 } }\n"
    "interfaces: { h0: { driver: host, mac: \"02:00:00:00:07:07\", addresses: [10.0.0.7/8] } }\n"
    "protocols: { ether: {}, arp: {}, ipv4: {}, udp: {}, tcp: {} }\n"
    "services: { echo: { listen: [tcp/7, udp/7] }, daytime: { listen: [tcp/13] } }\n";

static const uint8_t own[] = {2, 0, 0, 0, 7, 7}, peer[] = {2, 0, 0, 0, 7, 1};

struct flow {
    uint8_t address[4];
    uint16_t port, service;
    uint32_t seq, ack;
};

static tn_time clock_now = 1000 * TN_SEC;
static struct tn_stack *stack;

static tn_time now(void *context)
{
    return clock_now;
}

static int64_t wall(void *context)
{
    return (int64_t)clock_now;
}

static void chance(void *context, void *bytes, size_t len)
{
    memset(bytes, 7, len);
}

static void forget(void *context, enum tn_level level, const char *who, const char *text)
{
}

static void fail(const char *what)
{
    fprintf(stderr, "exchange: %s\n", what);
    exit(1);
}

/* What is counted. */
__attribute__((noinline)) static void counted_step(void)
{
    while (tn_stack_step(stack))
        ;
}

static void step(void)
{
    while (tn_stack_step(stack))
        ;
}

/* ---- Frames ---- */

static void put_sum(uint8_t *field, tn_sum sum)
{
    uint16_t check = tn_sum_finish(sum);
    memcpy(field, &check, sizeof(check));
}

/* Link and network header before the `len` octets at frame + 34; returns the frame's length. */
static size_t finish(const struct flow *flow, uint8_t *frame, uint8_t protocol, size_t len, size_t checksum)
{
    static const uint8_t dst[] = {10, 0, 0, 7};
    uint8_t *ip = frame + 14;
    memcpy(frame, own, 6);
    memcpy(frame + 6, peer, 6);
    tn_store16(frame + 12, TN_ETHERTYPE_IPV4);
    memset(ip, 0, 20);
    ip[0] = 0x45;
    tn_store16(ip + 2, (uint16_t)(20 + len));
    ip[6] = 0x40;
    ip[8] = 64;
    ip[9] = protocol;
    memcpy(ip + 12, flow->address, 4);
    memcpy(ip + 16, dst, 4);
    put_sum(ip + 10, tn_sum_add(0, ip, 20));
    struct tn_addr from = tn_addr_from(flow->address, 4), to = tn_addr_from(dst, 4);
    put_sum(ip + 20 + checksum, tn_sum_add(tn_sum_pseudo(&from, &to, protocol, (uint32_t)len), ip + 20, len));
    return 34 + len;
}

static void send_tcp(const struct flow *flow, uint8_t flags, size_t payload)
{
    static uint8_t frame[FRAME_MAX];
    struct tn_tcp_header tcp = {
        .src_port = tn_to_be16(flow->port),
        .dst_port = tn_to_be16(flow->service),
        .seq = tn_to_be32(flow->seq),
        .ack = tn_to_be32(flow->ack),
        .offset = 5 << 4,
        .flags = flags,
        .window = tn_to_be16(65535),
    };
    memcpy(frame + 34, &tcp, sizeof(tcp));
    if (tn_host_send(stack, "h0", frame, finish(flow, frame, IPPROTO_TCP, 20 + payload, 16)) < 0)
        fail("the stack took no frame");
}

static size_t receive(uint8_t frame[FRAME_MAX])
{
    ssize_t n = tn_host_receive(stack, "h0", frame, FRAME_MAX);
    if (n < 34)
        fail("no answer");
    return (size_t)n;
}

/* The stack asks for the peer's address, which is every address but its own. */
static void answer_arp(const uint8_t *question)
{
    uint8_t frame[60] = {0};
    memcpy(frame, question, 42);
    memcpy(frame, own, 6);
    memcpy(frame + 6, peer, 6);
    frame[21] = 2;
    memcpy(frame + 22, peer, 6);
    memcpy(frame + 28, question + 38, 4);
    memcpy(frame + 32, own, 6);
    memcpy(frame + 38, question + 28, 4);
    (void)tn_host_send(stack, "h0", frame, sizeof(frame));
    step();
}

/* The next frame that is no question of ARP's. */
static size_t receive_ip(uint8_t frame[FRAME_MAX])
{
    size_t len = receive(frame);
    while (tn_load16(frame + 12) != TN_ETHERTYPE_IPV4) {
        answer_arp(frame);
        len = receive(frame);
    }
    return len;
}

#define ANY_PAYLOAD SIZE_MAX

static void receive_tcp(struct flow *flow, uint8_t expected, size_t payload)
{
    static uint8_t frame[FRAME_MAX];
    size_t len = receive_ip(frame);
    const struct tn_tcp_header *tcp = (const void *)(frame + 34);
    size_t octets = tn_load16(frame + 16) - 20 - tn_tcp_header_length(tcp);
    if ((tcp->flags & ~TN_TCP_PSH) != expected || (payload != ANY_PAYLOAD && octets != payload) || len < 54)
        fail("not the answer that was expected");
    flow->ack = tn_be32(tcp->seq) + (uint32_t)octets + (expected & (TN_TCP_SYN | TN_TCP_FIN) ? 1 : 0);
}

static void handshake(struct flow *flow)
{
    send_tcp(flow, TN_TCP_SYN, 0);
    step();
    receive_tcp(flow, TN_TCP_SYN | TN_TCP_ACK, 0);
    flow->seq++;
    send_tcp(flow, TN_TCP_ACK, 0);
    step();
}

/* ---- Requests ---- */

static void ask_tcp(struct flow *flow)
{
    send_tcp(flow, TN_TCP_PSH | TN_TCP_ACK, PAYLOAD);
    flow->seq += PAYLOAD;
    counted_step();
    receive_tcp(flow, TN_TCP_ACK, PAYLOAD);
}

/* A whole connection from a port of its own: six frames, half of them in. */
static void ask_connect(struct flow *flow)
{
    flow->service = 13;
    flow->port = (uint16_t)(flow->port < 60000 ? flow->port + 1 : 1024);
    flow->seq += 1000;
    flow->ack = 0;
    send_tcp(flow, TN_TCP_SYN, 0);
    counted_step();
    receive_tcp(flow, TN_TCP_SYN | TN_TCP_ACK, 0);
    flow->seq++;
    send_tcp(flow, TN_TCP_ACK, 0);
    counted_step();
    receive_tcp(flow, TN_TCP_ACK | TN_TCP_FIN, ANY_PAYLOAD);
    send_tcp(flow, TN_TCP_ACK | TN_TCP_FIN, 0);
    flow->seq++;
    counted_step();
    receive_tcp(flow, TN_TCP_ACK, 0);
}

static void ask_udp(struct flow *flow)
{
    static uint8_t frame[FRAME_MAX];
    struct tn_udp_header udp = {
        .src_port = tn_to_be16(flow->port), .dst_port = tn_to_be16(7), .len = tn_to_be16(8 + PAYLOAD)};
    memcpy(frame + 34, &udp, sizeof(udp));
    (void)tn_host_send(stack, "h0", frame, finish(flow, frame, IPPROTO_UDP, 8 + PAYLOAD, 6));
    counted_step();
    if (receive_ip(frame) != 14 + 20 + 8 + PAYLOAD)
        fail("not the answer that was expected");
}

static void start(void)
{
    const struct tn_env env = {
        .now = now, .wall = wall, .random = chance, .log = forget, .plugin_path = TN_TEST_PLUGIN_DIR};
    struct tn_error error;
    static uint8_t frame[FRAME_MAX];
    if (tn_stack_create(&env, yaml, "cost.yaml", &stack, &error) < 0)
        fail(error.text);
    for (unsigned i = 0; i < 100; i++, clock_now += TN_SEC) /* announcements */
        step();
    while (tn_host_receive(stack, "h0", frame, sizeof(frame)) > 0)
        ;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        fail("usage: exchange tcp|udp|connect REQUESTS [IDLE]");
    char kind = argv[1][0];
    unsigned long requests = strtoul(argv[2], NULL, 10), idle = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
    struct flow flow = {.address = {10, 0, 0, 1}, .port = 1024, .service = 7, .seq = 1000};
    start();
    struct flow other = {.address = {10, 0, 0, 1}, .port = 2000, .service = 7, .seq = 1};
    for (unsigned long i = 0; i < idle; i++) {
        other.port = (uint16_t)(2000 + i % 50000);
        other.address[2] = (uint8_t)(1 + i / 50000);
        clock_now += 100 * TN_USEC;
        handshake(&other);
    }
    if (kind == 't')
        handshake(&flow);
    for (unsigned long i = 0; i < requests; i++) {
        clock_now += 20 * TN_USEC;
        if (kind == 't')
            ask_tcp(&flow);
        else if (kind == 'u')
            ask_udp(&flow);
        else
            ask_connect(&flow);
    }
    return 0; /* the stack stays: callgrind names functions of plugins that are still mapped */
}
