/* TCP: two stacks with a wire between them that loses, doubles, reorders and delays. Every transfer ends with the same
 * bytes, and the same seed gives the same packets. TCP_SEED=N repeats the runs of one seed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include "tenon/sim.h"

#define MEGABYTE 1000000u

/* One side of the connection: what it has written and read, and a hash of each. */
struct side {
    struct tn_stack *stack;
    struct tn_usage start;
    int fd;
    uint64_t seed; /* of what it writes */
    uint64_t to_write, written, read;
    uint64_t write_hash, read_hash;
    bool eof;
    int error;
};

struct run {
    uint64_t seed;
    const char *wire; /* options */
    const char *tcp;
    unsigned packets; /* limit of the pool; 0: plenty */
    unsigned swap;    /* tcp is swapped after every so many steps; 0: never */
    uint64_t octets;
    struct tn_sim *sim;
    struct side a, b;
    int listener;
};

/* ---- The users ---- */

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= 0x9e3779b97f4a7c15u;
    return x ^ x >> 29;
}

static uint8_t octet(const struct side *s, uint64_t n)
{
    return (uint8_t)(mix(s->seed + (n >> 3)) >> (n & 7) * 8);
}

static uint64_t hash(uint64_t h, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        h = (h ^ bytes[i]) * 0x100000001b3u;
    return h;
}

static void writes(struct side *s)
{
    uint8_t bytes[16384];
    while (s->written < s->to_write) {
        size_t len = tn_min(sizeof(bytes), s->to_write - s->written);
        for (size_t i = 0; i < len; i++)
            bytes[i] = octet(s, s->written + i);
        ssize_t n = tn_send(s->stack, s->fd, bytes, len, 0);
        if (n <= 0)
            return;
        s->write_hash = hash(s->write_hash, bytes, (size_t)n);
        s->written += (uint64_t)n;
        if (s->written == s->to_write)
            assert_int_equal(tn_shutdown(s->stack, s->fd, SHUT_WR), 0);
    }
}

static void reads(struct side *s)
{
    uint8_t bytes[65536];
    ssize_t n;
    while (!s->eof && (n = tn_recv(s->stack, s->fd, bytes, sizeof(bytes), 0)) != -EAGAIN) {
        if (n < 0)
            s->error = (int)-n;
        s->eof = n <= 0;
        if (n > 0) {
            s->read_hash = hash(s->read_hash, bytes, (size_t)n);
            s->read += (uint64_t)n;
        }
    }
}

/* ---- A run ---- */

static struct tn_stack *add(struct run *run, const char *address)
{
    char yaml[1024];
    struct tn_error error;
    struct tn_stack *stack;
    snprintf(yaml, sizeof(yaml),
             "stack: { name: side, limits: { packets: %u } }\n"
             "interfaces: { w0: { driver: wire, mac: \"02:00:00:00:07:0%c\", addresses: [%s/24], %s } }\n"
             "protocols: { ether: {}, arp: {}, ipv4: {}, tcp: %s }\n",
             run->packets ? run->packets : 65536, address[strlen(address) - 1], address, run->wire, run->tcp);
    if (tn_sim_add(run->sim, yaml, &stack, &error) < 0)
        fail_msg("%s", error.text);
    return stack;
}

static void start(struct run *run)
{
    run->sim = tn_sim_create(run->seed);
    tn_sim_plugin_path(run->sim, TN_TEST_PLUGIN_DIR);
    run->a =
        (struct side){.stack = add(run, "10.0.7.1"), .fd = -1, .seed = run->seed, .to_write = run->octets};
    run->b =
        (struct side){.stack = add(run, "10.0.7.7"), .fd = -1, .seed = ~run->seed, .to_write = run->octets};
    assert_int_equal(tn_stack_join(run->a.stack, "w0", run->b.stack, "w0"), 0);
    tn_sim_run(run->sim, 20 * TN_SEC); /* announcements of addresses */
    tn_stack_usage(run->a.stack, &run->a.start);
    tn_stack_usage(run->b.stack, &run->b.start);
}

/* 10.0.7.7:7, in memory order */
static const struct sockaddr_in server = {
    .sin_family = AF_INET, .sin_port = 0x0700, .sin_addr.s_addr = 0x0707000a};

static void connects(struct side *s)
{
    s->fd = tn_socket(s->stack, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(tn_connect(s->stack, s->fd, (const struct sockaddr *)&server, sizeof(server)),
                     -EINPROGRESS);
}

/* Even ARP's questions get lost; who is told that there is nobody asks again. */
static void connects_again(struct side *s)
{
    assert_int_equal(tn_close(s->stack, s->fd), 0);
    s->error = 0;
    s->eof = false;
    connects(s);
}

static void meet(struct run *run)
{
    run->listener = tn_socket(run->b.stack, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(tn_bind(run->b.stack, run->listener, (const struct sockaddr *)&server, sizeof(server)),
                     0);
    assert_int_equal(tn_listen(run->b.stack, run->listener, 1), 0);
    connects(&run->a);
}

static bool ended(const struct run *run)
{
    return run->a.eof && run->b.eof && run->a.written == run->octets && run->b.written == run->octets;
}

static void pump(struct run *run)
{
    if (run->b.fd < 0)
        run->b.fd = tn_accept(run->b.stack, run->listener, NULL, NULL);
    for (struct side *s = &run->a; s; s = s == &run->a ? &run->b : NULL) {
        if (s->fd < 0)
            continue;
        reads(s);
        writes(s);
    }
    if (run->a.error == EHOSTUNREACH && run->a.written == 0)
        connects_again(&run->a);
    tn_sim_settle(run->sim);
}

/* Even the last FIN and its acknowledgement may get lost, many times. */
static void rest(struct run *run)
{
    struct tn_usage a, b;
    for (int i = 0; i < 1000; i++) {
        tn_sim_run(run->sim, 100 * TN_SEC);
        tn_stack_usage(run->a.stack, &a);
        tn_stack_usage(run->b.stack, &b);
        if (a.packets == run->a.start.packets && a.sockets == run->a.start.sockets &&
            b.packets == run->b.start.packets && b.sockets == run->b.start.sockets)
            return;
    }
}

static void check_no_leak(const struct side *s)
{
    struct tn_usage end;
    tn_stack_usage(s->stack, &end);
    assert_int_equal(end.packets, s->start.packets);
    assert_int_equal(end.buffers, s->start.buffers);
    assert_int_equal(end.sockets, s->start.sockets);
    assert_int_equal(end.plugin_bytes, s->start.plugin_bytes);
}

static void check(struct run *run)
{
    if (!ended(run) || run->a.error || run->b.error || run->a.read_hash != run->b.write_hash ||
        run->b.read_hash != run->a.write_hash || run->a.read != run->octets || run->b.read != run->octets)
        fail_msg("seed %llu, %s, %s: a wrote %llu read %llu (error %d), b wrote %llu read %llu (error %d) "
                 "after %.1f s; "
                 "repeat with TCP_SEED=%llu",
                 (unsigned long long)run->seed, run->wire, run->tcp, (unsigned long long)run->a.written,
                 (unsigned long long)run->a.read, run->a.error, (unsigned long long)run->b.written,
                 (unsigned long long)run->b.read, run->b.error, (double)tn_sim_now(run->sim) / 1e9,
                 (unsigned long long)run->seed);
}

static uint64_t seed_or(uint64_t seed)
{
    const char *given = getenv("TCP_SEED");
    return given ? strtoull(given, NULL, 0) : seed;
}

static void report(const struct run *run, tn_time span)
{
    uint64_t sent = tn_stack_counter(run->a.stack, "tcp", "segments-out");
    uint64_t again = tn_stack_counter(run->a.stack, "tcp", "retransmits");
    uint64_t timeouts = tn_stack_counter(run->a.stack, "tcp", "retransmit-timeouts");
    printf("    seed %llu, %s, %s: %.1f s, %.0f kB/s each way; %llu segments, %llu again, %llu timeouts\n",
           (unsigned long long)run->seed, run->wire, run->tcp, (double)span / 1e9,
           (double)run->octets / 1e3 / ((double)span / 1e9), (unsigned long long)sent,
           (unsigned long long)again, (unsigned long long)timeouts);
}

static void swap(struct run *run, unsigned step)
{
    struct tn_error error;
    if (run->swap == 0 || step % run->swap != 0)
        return;
    if (tn_stack_swap(step / run->swap % 2 ? run->a.stack : run->b.stack, "tcp", NULL, &error) < 0)
        fail_msg("%s", error.text);
}

/* Both sides write all and read all, within `limit`, in `took`; returns the hash over all packets. */
static uint64_t timed_transfer(struct run run, tn_time limit, tn_time *took)
{
    start(&run);
    meet(&run);
    tn_time from = tn_sim_now(run.sim), until = from + limit;
    unsigned step = 0;
    do {
        pump(&run);
        swap(&run, ++step);
    } while (!ended(&run) && tn_sim_advance(run.sim, until));
    check(&run);
    *took = tn_sim_now(run.sim) - from;
    report(&run, *took);
    tn_close(run.a.stack, run.a.fd);
    tn_close(run.b.stack, run.b.fd);
    tn_close(run.b.stack, run.listener);
    rest(&run);
    check_no_leak(&run.a);
    check_no_leak(&run.b);
    uint64_t packets = tn_sim_trace_hash(run.sim);
    tn_sim_destroy(run.sim);
    return packets;
}

static uint64_t transfer(struct run run, tn_time limit)
{
    tn_time took;
    return timed_transfer(run, limit, &took);
}

/* ---- Tests ---- */

#define BAD_WIRE "loss: 10%, duplicate: 1%, reorder: 5%, delay: 50ms"

static void clean_wire(void **state)
{
    struct run run = {.seed = seed_or(1), .wire = "delay: 1ms", .tcp = "{}", .octets = 10 * MEGABYTE};
    transfer(run, 60 * TN_SEC);
}

static void ten_megabytes_both_ways_over_a_bad_wire(void **state)
{
    for (uint64_t seed = 1; seed <= 2; seed++) {
        struct run run = {.seed = seed_or(seed), .wire = BAD_WIRE, .tcp = "{}", .octets = 10 * MEGABYTE};
        transfer(run, 3600 * TN_SEC);
    }
}

static void over_a_bad_wire_without_any_options(void **state)
{
    struct run run = {.seed = seed_or(4),
                      .wire = BAD_WIRE,
                      .tcp = "{ sack: no, timestamps: no, window-scaling: no }",
                      .octets = 1 * MEGABYTE};
    transfer(run, 3600 * TN_SEC);
}

static void over_a_corrupting_wire(void **state)
{
    struct run run = {.seed = seed_or(5),
                      .wire = "corrupt: 5%, loss: 2%, delay: 10ms",
                      .tcp = "{}",
                      .octets = 2 * MEGABYTE};
    transfer(run, 3600 * TN_SEC);
}

static void through_small_buffers(void **state)
{
    struct run run = {.seed = seed_or(6),
                      .wire = "loss: 3%, reorder: 5%, delay: 5ms",
                      .tcp = "{ receive-buffer: 4k, send-buffer: 6k }",
                      .octets = MEGABYTE / 2};
    transfer(run, 3600 * TN_SEC);
}

/* The send queue alone could take all packets there are: then there would be none to send it with. */
static void through_a_small_pool(void **state)
{
    struct run run = {
        .seed = seed_or(9), .wire = "delay: 5ms", .tcp = "{}", .packets = 1024, .octets = 5 * MEGABYTE};
    transfer(run, 600 * TN_SEC);
}

static void over_a_slow_wire_with_a_short_queue(void **state)
{
    struct run run = {
        .seed = seed_or(7), .wire = "delay: 20ms, rate: 10M, queue: 50", .tcp = "{}", .octets = 5 * MEGABYTE};
    transfer(run, 600 * TN_SEC);
}

/* Larger packets vanish without a word (RFC 4821 §7.7): both sides find out, and what fits in the end. */
static void through_a_black_hole(void **state)
{
    struct run run = {
        .seed = seed_or(8), .wire = "delay: 10ms, path-mtu: 1300", .tcp = "{}", .octets = 5 * MEGABYTE};
    transfer(run, 60 * TN_SEC);
    run.wire = "delay: 10ms, path-mtu: 1300, loss: 2%, gso: on";
    transfer(run, 600 * TN_SEC);
    run.wire = "delay: 10ms, path-mtu: 600";
    run.tcp = "{ sack: no, timestamps: no, congestion: newreno }";
    run.octets = MEGABYTE;
    transfer(run, 600 * TN_SEC);
}

/* Super-frames are lost and sent again as super-frames: corruption is found although no checksum was completed. */
static void super_frames_over_a_bad_wire(void **state)
{
    struct run run = {.seed = seed_or(11),
                      .wire = "gso: on, loss: 3%, duplicate: 1%, reorder: 3%, corrupt: 1%, delay: 10ms",
                      .tcp = "{}",
                      .octets = 10 * MEGABYTE};
    transfer(run, 3600 * TN_SEC);
    run.tcp = "{ sack: no, timestamps: no }";
    run.octets = 2 * MEGABYTE;
    transfer(run, 3600 * TN_SEC);
}

static void super_frames_over_a_clean_wire(void **state)
{
    struct run run = {
        .seed = seed_or(12), .wire = "gso: on, delay: 1ms", .tcp = "{}", .octets = 50 * MEGABYTE};
    transfer(run, 60 * TN_SEC);
}

/* 256 KiB a round trip would take 8 s. */
static void buffers_grow_to_fill_a_long_path(void **state)
{
    struct run run = {
        .seed = seed_or(13), .wire = "gso: on, delay: 50ms", .tcp = "{}", .octets = 20 * MEGABYTE};
    transfer(run, 3 * TN_SEC);
}

static void buffers_do_not_grow_beyond_their_limit(void **state)
{
    struct run run = {.seed = seed_or(14),
                      .wire = "gso: on, delay: 50ms",
                      .tcp = "{ receive-buffer-max: 256k, send-buffer-max: 256k }",
                      .octets = 5 * MEGABYTE};
    tn_time took;
    timed_transfer(run, 60 * TN_SEC, &took);
    assert_true(took > 19 * 100 * TN_MSEC);
}

static void same_seed_gives_the_same_packets(void **state)
{
    struct run run = {.seed = seed_or(8), .wire = BAD_WIRE, .tcp = "{}", .octets = MEGABYTE};
    uint64_t first = transfer(run, 3600 * TN_SEC);
    assert_true(transfer(run, 3600 * TN_SEC) == first);
    run.seed++;
    assert_true(transfer(run, 3600 * TN_SEC) != first);
}

/* The code is replaced again and again, in the middle of everything; the packets are those of a run without. */
static void swaps_change_nothing(void **state)
{
    struct run run = {.seed = seed_or(10), .wire = BAD_WIRE, .tcp = "{}", .octets = MEGABYTE / 4};
    uint64_t without = transfer(run, 3600 * TN_SEC);
    run.swap = 20;
    assert_true(transfer(run, 3600 * TN_SEC) == without);
}

/* A wire and options by chance. TCP_SWEEP=N tries N of them instead of a few. */
static void over_wires_of_all_kinds(void **state)
{
    const char *given = getenv("TCP_SWEEP");
    uint64_t count = given ? strtoull(given, NULL, 0) : 12, first = seed_or(1000);
    for (uint64_t seed = first; seed < first + (getenv("TCP_SEED") ? 1 : count); seed++) {
        uint64_t r = mix(mix(seed) + 1), q = mix(mix(seed) + 2);
        char wire[256], tcp[256];
        snprintf(
            wire, sizeof(wire),
            "loss: %u%%, duplicate: %u%%, reorder: %u%%, corrupt: %u%%, delay: %ums, jitter: %ums, rate: %s",
            (unsigned)(r % 31), (unsigned)(r >> 8) % 10, (unsigned)(r >> 16) % 30, (unsigned)(r >> 24) % 6,
            1 + (unsigned)(r >> 32) % 500, (unsigned)(r >> 44) % 50, r >> 60 ? "0" : "1M");
        snprintf(tcp, sizeof(tcp),
                 "{ user-timeout: 24h, sack: %s, timestamps: %s, window-scaling: %s, receive-buffer: %u, "
                 "send-buffer: %u, reassembly-limit: %u }",
                 q & 1 ? "yes" : "no", q & 2 ? "yes" : "no", q & 4 ? "yes" : "no", 2048u << ((q >> 8) % 11),
                 2048u << ((q >> 16) % 11), (unsigned)(q >> 24) % 100);
        struct run run = {.seed = seed, .wire = wire, .tcp = tcp, .octets = 100000};
        transfer(run, 12 * 3600 * TN_SEC);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_wire),
        cmocka_unit_test(ten_megabytes_both_ways_over_a_bad_wire),
        cmocka_unit_test(over_a_bad_wire_without_any_options),
        cmocka_unit_test(over_a_corrupting_wire),
        cmocka_unit_test(through_small_buffers),
        cmocka_unit_test(through_a_small_pool),
        cmocka_unit_test(over_a_slow_wire_with_a_short_queue),
        cmocka_unit_test(through_a_black_hole),
        cmocka_unit_test(super_frames_over_a_bad_wire),
        cmocka_unit_test(super_frames_over_a_clean_wire),
        cmocka_unit_test(buffers_grow_to_fill_a_long_path),
        cmocka_unit_test(buffers_do_not_grow_beyond_their_limit),
        cmocka_unit_test(same_seed_gives_the_same_packets),
        cmocka_unit_test(swaps_change_nothing),
        cmocka_unit_test(over_wires_of_all_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
