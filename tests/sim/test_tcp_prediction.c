/* TCP: what the plugin leaves out for the usual segment (header prediction, plugins/tcp/tcp.h) makes no difference. Two stacks with
 * the same seed, one of them with a build of the plugin that leaves nothing out, get the same segments by chance, at the same
 * times, and their users do the same: they must send the same, octet for octet, and tell the same of the connection. */
#include <errno.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "../unit/random.h"
#include "tenon/checksum.h"
#include "tenon/proto/ipv4.h"
#include "tenon/proto/tcp.h"
#include "tenon/sim.h"

#define CONVERSATIONS 30
#define STEPS         200
#define PACKET_MAX    2000
#define PORT          7

static const uint8_t own[4] = {10, 0, 7, 7}, other[4] = {10, 0, 7, 1};

struct side {
    struct tn_sim *sim;
    struct tn_stack *stack;
    int listener, fd;
};

struct conversation {
    struct tn_rng rng;
    struct side sides[2]; /* with and without */
    bool sack, timestamps, ecn;
    bool echoes, sleeps; /* the user answers at once, or hardly ever reads */
    uint16_t port, window;
    uint32_t seq;                  /* the peer's next octet */
    uint32_t heard;                /* it has heard everything before this */
    uint32_t una;                  /* … and acknowledged what is before this */
    uint32_t ts_heard, tos_marked; /* TSval of the stack's last segment; whether the next packet is marked */
    uint8_t packet[PACKET_MAX];
};

static uint32_t below(struct conversation *c, uint32_t limit)
{
    return (uint32_t)random_below(&c->rng, limit);
}

static bool one_in(struct conversation *c, uint32_t n)
{
    return below(c, n) == 0;
}

/* ---- Two stacks ---- */

static void add(struct side *side, uint64_t seed, const char *plugins, const char *tcp)
{
    char yaml[1024];
    struct tn_error error;
    side->sim = tn_sim_create(seed);
    tn_sim_plugin_path(side->sim, plugins);
    snprintf(yaml, sizeof(yaml),
             "stack: { name: prediction }\n"
             "interfaces: { h0: { driver: host, mode: ip, addresses: [10.0.7.7/24] } }\n"
             "protocols: { rawip: {}, ipv4: {}, icmp: {}, tcp: %s }\n",
             tcp);
    if (tn_sim_add(side->sim, yaml, &side->stack, &error) < 0)
        fail_msg("%s", error.text);
    tn_sim_settle(side->sim);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    side->fd = -1;
    side->listener = tn_socket(side->stack, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(tn_bind(side->stack, side->listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(tn_listen(side->stack, side->listener, 8), 0);
}

static void start(struct conversation *c)
{
    static const char *const options[] = {
        "{}",
        "{ congestion: newreno, initial-window: 2 }",
        "{ receive-buffer: 4k, receive-buffer-max: 8k, send-buffer: 4k, send-buffer-max: 16k }",
        "{ ecn: on, user-timeout: 20s, minimum-rto: 20ms }",
    };
    uint64_t seed = tn_rng_next(&c->rng);
    const char *tcp = options[below(c, TN_ARRAY_SIZE(options))];
    add(&c->sides[0], seed, TN_TEST_PLUGIN_DIR, tcp);
    add(&c->sides[1], seed, TN_TEST_PLUGINS "/general:" TN_TEST_PLUGIN_DIR, tcp);
}

static void pass(struct conversation *c, tn_time span)
{
    for (unsigned i = 0; i < 2; i++)
        tn_sim_run(c->sides[i].sim, span);
}

/* ---- The peer ---- */

static void put_sum(uint8_t *field, tn_sum sum)
{
    uint16_t check = tn_sum_finish(sum);
    memcpy(field, &check, sizeof(check));
}

/* Puts headers around options and payload, which are there, and hands the packet to both stacks. */
static void say(struct conversation *c, struct tn_tcp_header tcp, size_t options, size_t payload)
{
    uint8_t *ip = c->packet;
    size_t len = sizeof(tcp) + options + payload;
    memset(ip, 0, 20);
    ip[0] = 0x45;
    ip[1] = c->tos_marked ? 3 : c->ecn ? 2 : 0;
    tn_store16(ip + 2, (uint16_t)(20 + len));
    ip[8] = 64;
    ip[9] = IPPROTO_TCP;
    memcpy(ip + 12, other, 4);
    memcpy(ip + 16, own, 4);
    put_sum(ip + 10, tn_sum_add(0, ip, 20));
    tcp.src_port = tn_to_be16(c->port);
    tcp.dst_port = tn_to_be16(PORT);
    tcp.offset = (uint8_t)((sizeof(tcp) + options) / 4 << 4);
    memcpy(ip + 20, &tcp, sizeof(tcp));
    struct tn_addr from = tn_addr_from(other, 4), to = tn_addr_from(own, 4);
    put_sum(ip + 36, tn_sum_add(tn_sum_pseudo(&from, &to, IPPROTO_TCP, (uint32_t)len), ip + 20, len));
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(tn_host_send(c->sides[i].stack, "h0", ip, 20 + len), 0);
    c->tos_marked = 0;
}

/* NOP, NOP, timestamps: as the stack expects, or (rarely) too old, or of another layout. */
static size_t put_timestamps(struct conversation *c, uint8_t *at)
{
    if (!c->timestamps || one_in(c, 100))
        return 0;
    uint32_t now = (uint32_t)(tn_sim_now(c->sides[0].sim) / TN_MSEC);
    memcpy(at, "\1\1\10\12", 4);
    if (one_in(c, 50))
        memcpy(at, "\10\12", 2);
    uint8_t *value = at[0] == 1 ? at + 4 : at + 2;
    tn_store32(value, one_in(c, 50) ? now - below(c, 5000) : now);
    tn_store32(value + 4, one_in(c, 20) ? c->ts_heard - below(c, 500) : c->ts_heard);
    if (at[0] != 1)
        memcpy(at + 10, "\1\1", 2);
    return 12;
}

static size_t put_sack(struct conversation *c, uint8_t *at, uint32_t ack)
{
    if (!c->sack || !one_in(c, 6))
        return 0;
    uint32_t start = one_in(c, 4) ? ack - below(c, 3000) : ack + below(c, 3000);
    at[0] = at[1] = TN_TCP_OPT_NOP;
    at[2] = TN_TCP_OPT_SACK;
    at[3] = 10;
    tn_store32(at + 4, start);
    tn_store32(at + 8, start + 1 + below(c, 1500));
    return 12;
}

static uint32_t choose_ack(struct conversation *c)
{
    if (!one_in(c, 5))
        c->una = c->heard;
    else if (c->heard != c->una)
        c->una += below(c, c->heard - c->una);
    return one_in(c, 40) ? c->una + below(c, 4000) - 2000 : c->una;
}

static uint16_t choose_window(struct conversation *c)
{
    if (one_in(c, 12))
        c->window = one_in(c, 4) ? 0 : (uint16_t)below(c, 65536);
    else if (one_in(c, 4))
        c->window = 60000;
    return c->window;
}

static void say_by_chance(struct conversation *c)
{
    static const uint8_t odd[] = {TN_TCP_URG, TN_TCP_CWR, TN_TCP_ECE,
                                  TN_TCP_SYN, TN_TCP_PSH, TN_TCP_ECE | TN_TCP_CWR};
    struct tn_tcp_header tcp = {.flags = TN_TCP_ACK};
    size_t payload = one_in(c, 3) ? 0 : one_in(c, 4) ? below(c, 1400) : 64;
    uint32_t seq = c->seq;
    if (one_in(c, 12))
        seq += below(c, 3000) - 1500;
    if (payload > 0 && !one_in(c, 4))
        tcp.flags |= TN_TCP_PSH;
    if (one_in(c, 15))
        tcp.flags |= odd[below(c, TN_ARRAY_SIZE(odd))];
    if (one_in(c, 200)) { /* perhaps before data that it follows */
        tcp.flags |= TN_TCP_FIN;
        seq += one_in(c, 2) ? below(c, 500) : 0;
    }
    if (one_in(c, 1500))
        tcp.flags |= TN_TCP_RST;
    if (one_in(c, 200))
        tcp.flags &= (uint8_t)~TN_TCP_ACK;
    uint32_t ack = choose_ack(c);
    tcp.seq = tn_to_be32(seq);
    tcp.ack = tn_to_be32(ack);
    tcp.window = tn_to_be16(choose_window(c));
    tcp.urgent = tn_to_be16((uint16_t)(tcp.flags & TN_TCP_URG ? below(c, 200) : 0));
    c->tos_marked = c->ecn && one_in(c, 20);
    uint8_t *options = c->packet + 40;
    size_t len = put_timestamps(c, options);
    len += put_sack(c, options + len, ack);
    for (size_t i = 0; i < payload; i++)
        options[len + i] = (uint8_t)(seq + i);
    if (seq == c->seq && !one_in(c, 30)) /* else it is lost in the peer's memory, and comes again */
        c->seq += (uint32_t)payload;
    say(c, tcp, len, payload);
}

static void hear(struct conversation *c, const uint8_t *packet)
{
    const struct tn_tcp_header *tcp = (const void *)(packet + 20);
    if (packet[9] != IPPROTO_TCP || tcp->flags & TN_TCP_RST)
        return;
    size_t header = tn_tcp_header_length(tcp);
    uint32_t end = tn_be32(tcp->seq) + tn_load16(packet + 2) - 20 - (uint32_t)header;
    end += (tcp->flags & TN_TCP_SYN ? 1 : 0) + (tcp->flags & TN_TCP_FIN ? 1 : 0);
    if (tcp->flags & TN_TCP_SYN)
        c->heard = c->una = end;
    else if (!one_in(c, 12) && (int32_t)(end - c->heard) > 0) /* else it was lost */
        c->heard = end;
    if (header >= 32 && tn_load32(packet + 40) == 0x0101080a)
        c->ts_heard = tn_load32(packet + 44);
}

/* ---- What both do ---- */

/* Both have sent the same. */
static void compare_frames(struct conversation *c)
{
    static uint8_t packets[2][PACKET_MAX];
    for (;;) {
        ssize_t n[2];
        for (unsigned i = 0; i < 2; i++)
            n[i] = tn_host_receive(c->sides[i].stack, "h0", packets[i], PACKET_MAX);
        assert_int_equal(n[0], n[1]);
        if (n[0] < 0)
            return;
        assert_memory_equal(packets[0], packets[1], (size_t)n[0]);
        hear(c, packets[0]);
    }
}

static void compare_states(struct conversation *c)
{
    struct tcp_info info[2];
    int error[2];
    for (unsigned i = 0; i < 2; i++) {
        socklen_t len = sizeof(info[i]);
        memset(&info[i], 0, sizeof(info[i]));
        error[i] = tn_getsockopt(c->sides[i].stack, c->sides[i].fd, IPPROTO_TCP, TCP_INFO, &info[i], &len);
    }
    assert_int_equal(error[0], error[1]);
    assert_memory_equal(&info[0], &info[1], sizeof(info[0]));
    assert_true(tn_sim_deadline(c->sides[0].sim) == tn_sim_deadline(c->sides[1].sim));
}

static void users_read(struct conversation *c, size_t most)
{
    static uint8_t bytes[2][70000];
    ssize_t n[2];
    for (unsigned i = 0; i < 2; i++)
        n[i] = tn_recv(c->sides[i].stack, c->sides[i].fd, bytes[i], most, 0);
    assert_int_equal(n[0], n[1]);
    if (n[0] > 0)
        assert_memory_equal(bytes[0], bytes[1], (size_t)n[0]);
}

static void users_write(struct conversation *c, size_t len)
{
    static const uint8_t bytes[20000] = {1, 2, 3};
    ssize_t n[2];
    for (unsigned i = 0; i < 2; i++)
        n[i] = tn_send(c->sides[i].stack, c->sides[i].fd, bytes, len, 0);
    assert_int_equal(n[0], n[1]);
}

static void step(struct conversation *c)
{
    for (uint32_t i = one_in(c, 4) ? 1 + below(c, 4) : 1; i > 0; i--) /* in one batch */
        say_by_chance(c);
    pass(c, 0);
    if (c->echoes || one_in(c, c->sleeps ? 50 : 3))
        users_read(c, one_in(c, 5) ? 1 + below(c, 200) : 65536);
    if (c->echoes || one_in(c, 5))
        users_write(c, one_in(c, 5) ? 1 + below(c, 20000) : 64);
    if (one_in(c, 300))
        for (unsigned i = 0; i < 2; i++)
            (void)tn_shutdown(c->sides[i].stack, c->sides[i].fd, SHUT_WR);
    pass(c, one_in(c, 25)  ? below(c, 3000) * TN_MSEC
            : one_in(c, 3) ? below(c, 60) * TN_MSEC
                           : below(c, 200) * TN_USEC);
    compare_frames(c);
    compare_states(c);
}

static void shake_hands(struct conversation *c)
{
    struct tn_tcp_header tcp = {.seq = tn_to_be32(c->seq), .flags = TN_TCP_SYN, .window = tn_to_be16(60000)};
    uint8_t *at = c->packet + 40;
    size_t len = 4;
    memcpy(at, "\2\4\5\264", 4);
    if (c->sack) {
        memcpy(at + len, "\1\1\4\2", 4);
        len += 4;
    }
    if (c->timestamps) {
        memcpy(at + len, "\1\1\10\12", 4);
        tn_store32(at + len + 4, (uint32_t)(tn_sim_now(c->sides[0].sim) / TN_MSEC));
        tn_store32(at + len + 8, 0);
        len += 12;
    }
    if (one_in(c, 2)) {
        memcpy(at + len, "\1\3\3\2", 4);
        len += 4;
    }
    if (c->ecn)
        tcp.flags |= TN_TCP_ECE | TN_TCP_CWR;
    say(c, tcp, len, 0);
    pass(c, below(c, 30) * TN_MSEC);
    compare_frames(c);
    c->seq++;
    tcp = (struct tn_tcp_header){.seq = tn_to_be32(c->seq),
                                 .ack = tn_to_be32(c->heard),
                                 .flags = TN_TCP_ACK,
                                 .window = tn_to_be16(60000)};
    len = c->timestamps ? 12 : 0;
    memcpy(at, "\1\1\10\12", 4);
    tn_store32(at + 4, (uint32_t)(tn_sim_now(c->sides[0].sim) / TN_MSEC));
    tn_store32(at + 8, c->ts_heard);
    say(c, tcp, len, 0);
    pass(c, 0);
    for (unsigned i = 0; i < 2; i++) {
        c->sides[i].fd = tn_accept(c->sides[i].stack, c->sides[i].listener, NULL, NULL);
        assert_true(c->sides[i].fd >= 0);
    }
}

static void the_short_way_makes_no_difference(void **state)
{
    (void)state;
    static struct conversation c;
    c.rng = random_start("the short way");
    for (unsigned n = 0; n < CONVERSATIONS; n++) {
        c.sack = !one_in(&c, 4);
        c.timestamps = one_in(&c, 2);
        c.ecn = one_in(&c, 5);
        c.echoes = one_in(&c, 2);
        c.sleeps = one_in(&c, 3);
        c.port = (uint16_t)(1024 + below(&c, 60000));
        c.window = 60000;
        c.seq = one_in(&c, 3) ? 0u - below(&c, 5000) : below(&c, UINT32_MAX);
        start(&c);
        shake_hands(&c);
        for (unsigned i = 0; i < STEPS; i++)
            step(&c);
        pass(&c, 60 * TN_SEC);
        compare_frames(&c);
        assert_true(tn_sim_trace_hash(c.sides[0].sim) == tn_sim_trace_hash(c.sides[1].sim));
        for (unsigned i = 0; i < 2; i++)
            tn_sim_destroy(c.sides[i].sim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_short_way_makes_no_difference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
