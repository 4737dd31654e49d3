/* IPv4 on the wire: which packets are taken, fragments in and out, and which way packets go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>

#include "../unit/random.h"
#include "net.h"
#include "route.h"
#include "stack.h"

static struct net net;
static struct net_seen seen;
static struct net_frame frame;

#define PROTOCOLS "  ether: {}\n  arp: {}\n  ipv4: {}\n  icmp: { rate: 1000000, burst: 1000000 }\n"

static int setup(void **state)
{
    net_start(&net, NET_YAML(PROTOCOLS));
    return 0;
}

static int teardown(void **state)
{
    net_stop(&net);
    return 0;
}

/* ---- Helpers ---- */

#define ECHO_ID 0x1234

/* An echo request with `len` bytes of data, at `out`. */
static size_t echo(uint8_t *out, size_t len)
{
    static uint8_t data[65536];
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(i * 5 + i / 256);
    return net_icmp(out, 8, 0, (uint32_t)ECHO_ID << 16 | 1, data, len);
}

static void build_echo(const struct net_ip *ip, size_t len)
{
    static uint8_t message[65600];
    struct net_ip with = *ip;
    with.protocol = 1;
    net_build_ip(&with, message, echo(message, len), &frame);
}

static void send_echo(const struct net_ip *ip, size_t len)
{
    build_echo(ip, len);
    net_send_frame(&net, &frame);
}

static void expect_echo_reply(size_t len)
{
    net_expect_ip(&net, &seen);
    assert_int_equal(seen.protocol, 1);
    assert_int_equal(seen.payload[0], 0);
    assert_int_equal(seen.len, 8 + len);
    assert_int_equal(net_sum(seen.payload, seen.len), 0);
}

static void assert_dropped(const char *reason)
{
    net_expect_nothing(&net);
    assert_int_equal(net_drops(&net, "ipv4", reason), 1);
}

/* An ICMP error of `type` and `code` that quotes what is in `frame` from its IP header on. */
static void expect_error(uint8_t type, uint8_t code)
{
    net_expect_ip(&net, &seen);
    assert_int_equal(seen.protocol, 1);
    assert_int_equal(seen.payload[0], type);
    assert_int_equal(seen.payload[1], code);
    assert_int_equal(net_sum(seen.payload, seen.len), 0);
    size_t quoted = seen.len - 8;
    assert_in_range(quoted, 28, 548);
    assert_memory_equal(seen.payload + 8, frame.bytes + 14, quoted);
}

/* ---- The header ---- */

/* conformance: 1122 3.2.2.6-echo */
static void echo_is_answered_from_the_address_that_was_asked(void **state)
{
    net_meet(&net);
    send_echo(&(struct net_ip){.dst = "10.0.7.8"}, 56);
    expect_echo_reply(56);
    assert_string_equal(seen.to, NET_PEER);
    assert_string_equal(seen.src, "10.0.7.8");
    assert_string_equal(seen.dst, "10.0.7.1");
    assert_int_equal(seen.ttl, 64);
    assert_int_equal(seen.header_len, 20);
}

/* conformance: 791 3.1-length */
static void padding_of_the_link_is_cut_off(void **state)
{
    net_meet(&net);
    build_echo(&(struct net_ip){0}, 1);
    memset(frame.bytes + frame.len, 0xee, 60 - frame.len);
    frame.len = 60;
    net_send_frame(&net, &frame);
    expect_echo_reply(1);
}

static void headers_cut_short_anywhere_are_dropped(void **state)
{
    for (size_t len = 14; len < 14 + 20; len++) {
        build_echo(&(struct net_ip){0}, 0);
        frame.len = len;
        net_send_frame(&net, &frame);
    }
    net_expect_nothing(&net);
    assert_int_equal(net_drops(&net, "ipv4", "truncated"), 20);
}

/* conformance: 791 3.1-length */
static void datagrams_cut_short_anywhere_are_dropped(void **state)
{
    for (size_t len = 14 + 20; len < 14 + 48; len++) {
        build_echo(&(struct net_ip){0}, 20);
        frame.len = len;
        net_send_frame(&net, &frame);
    }
    net_expect_nothing(&net);
    assert_int_equal(net_drops(&net, "ipv4", "bad-length"), 28);
}

static void echo_with(size_t offset, uint8_t value)
{
    build_echo(&(struct net_ip){0}, 40);
    frame.bytes[14 + offset] = value;
    net_fix_ip(&frame);
    net_send_frame(&net, &frame);
}

/* conformance: 791 3.1-version; 1122 3.2.1.1 */
static void other_version_is_dropped(void **state)
{
    echo_with(0, 0x65);
    assert_dropped("bad-version");
}

/* conformance: 791 3.1-ihl */
static void header_below_20_bytes_is_dropped(void **state)
{
    echo_with(0, 0x44);
    assert_dropped("bad-header-length");
}

/* conformance: 791 3.1-ihl */
static void header_beyond_the_packet_is_dropped(void **state)
{
    build_echo(&(struct net_ip){0}, 0);
    frame.bytes[14] = 0x4f;
    net_send_frame(&net, &frame);
    assert_dropped("bad-header-length");
}

/* conformance: 791 3.1-length */
static void total_length_below_the_header_is_dropped(void **state)
{
    build_echo(&(struct net_ip){0}, 40);
    tn_store16(frame.bytes + 16, 19);
    net_fix_ip(&frame);
    net_send_frame(&net, &frame);
    assert_dropped("bad-length");
}

/* conformance: 791 3.1-checksum; 1122 3.2.1.2 */
static void wrong_header_checksum_is_dropped(void **state)
{
    build_echo(&(struct net_ip){0}, 40);
    frame.bytes[14 + 11] ^= 1;
    net_send_frame(&net, &frame);
    assert_dropped("bad-checksum");
}

/* RFC 1122 §3.2.1.7 */
/* conformance: 1122 3.2.1.7 */
static void ttl_of_what_has_arrived_does_not_matter(void **state)
{
    net_meet(&net);
    echo_with(8, 0);
    expect_echo_reply(40);
    echo_with(8, 1);
    expect_echo_reply(40);
}

static void dscp_is_kept_in_the_answer_and_ecn_is_not(void **state)
{
    net_meet(&net);
    send_echo(&(struct net_ip){.tos = 0xbb}, 8);
    expect_echo_reply(8);
    assert_int_equal(seen.tos, 0xb8);
}

/* ---- Options ---- */

/* conformance: 791 3.1-unknown-options; 1122 3.2.1.8 */
static void options_that_mean_nothing_are_passed_over(void **state)
{
    static const uint8_t options[] = {1, 1, 0x9e, 6, 1, 2, 3, 4, 7, 3, 4, 0};
    net_meet(&net);
    send_echo(&(struct net_ip){.options = options, .options_len = sizeof(options)}, 8);
    expect_echo_reply(8);
    assert_int_equal(net_counter(&net, "ipv4", "options-in"), 1);
}

/* conformance: 1122 3.2.2.5 */
static void option_that_ends_beyond_the_header_is_a_parameter_problem(void **state)
{
    static const uint8_t options[] = {1, 7, 4, 0};
    net_meet(&net);
    send_echo(&(struct net_ip){.options = options, .options_len = sizeof(options)}, 24);
    expect_error(12, 0);
    assert_int_equal(seen.payload[4], 21);
    assert_dropped("bad-option");
}

/* conformance: 1122 3.2.2.5 */
static void option_with_length_one_is_a_parameter_problem(void **state)
{
    static const uint8_t options[] = {7, 1, 0, 0};
    net_meet(&net);
    send_echo(&(struct net_ip){.options = options, .options_len = sizeof(options)}, 24);
    expect_error(12, 0);
    assert_int_equal(seen.payload[4], 20);
    assert_dropped("bad-option");
}

/* conformance: 1122 3.2.1.8-c */
static void source_route_is_refused_in_silence(void **state)
{
    static const uint8_t options[] = {131, 7, 8, 10, 0, 7, 9, 0};
    send_echo(&(struct net_ip){.options = options, .options_len = sizeof(options)}, 8);
    assert_dropped("source-route");
}

/* ---- Addresses: RFC 1122 §3.2.1.3 ---- */

/* conformance: 1122 3.2.1.3-destination */
static void packet_for_another_host_is_dropped(void **state)
{
    send_echo(&(struct net_ip){.dst = "10.0.7.9"}, 8);
    assert_dropped("not-for-us");
}

/* conformance: 1122 3.2.1.3-destination; 1122 3.2.1.3-loopback */
static void destination_that_cannot_be_is_dropped(void **state)
{
    static const char *const bad[] = {"127.0.0.1", "0.0.0.0", "0.1.2.3", "240.0.0.1", "255.255.255.254"};
    for (unsigned i = 0; i < 5; i++)
        send_echo(&(struct net_ip){.dst = bad[i]}, 8);
    net_expect_nothing(&net);
    assert_int_equal(net_drops(&net, "ipv4", "bad-destination"), 5);
}

/* conformance: 1122 3.2.1.3-source */
static void source_that_is_no_host_is_dropped(void **state)
{
    static const char *const bad[] = {"0.0.0.0",   "0.1.2.3",         "127.0.0.1", "224.0.0.1",
                                      "240.0.0.1", "255.255.255.255", "10.0.7.255"};
    for (unsigned i = 0; i < 7; i++)
        send_echo(&(struct net_ip){.src = bad[i]}, 8);
    net_expect_nothing(&net);
    assert_int_equal(net_drops(&net, "ipv4", "bad-source"), 7);
}

static void own_address_as_source_from_outside_is_dropped(void **state)
{
    send_echo(&(struct net_ip){.src = "10.0.7.7"}, 8);
    assert_dropped("own-source");
}

/* RFC 1122 §3.3.6 */
/* conformance: 1122 3.3.6-link */
static void unicast_destination_in_a_broadcast_frame_is_dropped(void **state)
{
    send_echo(&(struct net_ip){.to = NET_ALL}, 8);
    assert_dropped("link-broadcast");
}

/* conformance: 919 7; 1122 3.2.2.6-broadcast; 1122 3.3.6-receive */
static void broadcasts_reach_the_transport_and_are_not_answered(void **state)
{
    send_echo(&(struct net_ip){.to = NET_ALL, .dst = "255.255.255.255"}, 8);
    send_echo(&(struct net_ip){.to = NET_ALL, .dst = "10.0.7.255"}, 8);
    net_expect_nothing(&net);
    assert_int_equal(net_counter(&net, "ipv4", "broadcasts-in"), 2);
    assert_int_equal(net_drops(&net, "icmp", "broadcast-echo"), 2);
}

static void only_the_all_hosts_group_is_joined(void **state)
{
    send_echo(&(struct net_ip){.to = "01:00:5e:00:00:01", .dst = "224.0.0.1"}, 8);
    assert_int_equal(net_drops(&net, "icmp", "broadcast-echo"), 1);
    send_echo(&(struct net_ip){.to = "01:00:5e:00:00:02", .dst = "224.0.0.2"}, 8);
    assert_dropped("not-joined");
}

/* ---- Protocols ---- */

/* conformance: 1122 3.2.2.1-protocol */
static void unknown_protocol_is_reported(void **state)
{
    static const uint8_t payload[40] = {1, 2, 3};
    net_meet(&net);
    net_build_ip(&(struct net_ip){.protocol = 99}, payload, sizeof(payload), &frame);
    net_send_frame(&net, &frame);
    expect_error(3, 2);
    assert_string_equal(seen.src, "10.0.7.7");
    assert_string_equal(seen.dst, "10.0.7.1");
    assert_dropped("no-protocol");
}

/* conformance: 919 7 */
static void unknown_protocol_in_a_broadcast_is_not_reported(void **state)
{
    net_send_ip(&net, &(struct net_ip){.protocol = 99, .dst = "10.0.7.255"}, "12345678", 8);
    assert_dropped("no-protocol");
    assert_int_equal(net_counter(&net, "icmp", "errors-forbidden"), 1);
}

/* ---- Fragments in ---- */

#define MF 0x2000

static uint8_t whole[65600];
static size_t whole_len;

static void begin_datagram(size_t data)
{
    whole_len = echo(whole, data);
}

/* Bytes [from, to) of the datagram; `more` fragments follow. */
static void send_piece(size_t from, size_t to, bool more)
{
    net_send_ip(&net,
                &(struct net_ip){.protocol = 1, .id = 7, .fragment = (uint16_t)(from / 8 | (more ? MF : 0))},
                whole + from, to - from);
}

static void two_fragments_make_a_datagram(void **state)
{
    net_meet(&net);
    begin_datagram(100);
    send_piece(0, 64, true);
    net_expect_nothing(&net);
    send_piece(64, 108, false);
    expect_echo_reply(100);
    assert_memory_equal(seen.payload + 8, whole + 8, 100);
    assert_int_equal(net_counter(&net, "ipv4", "fragments-in"), 2);
    assert_int_equal(net_counter(&net, "ipv4", "reassembled"), 1);
}

/* conformance: 815 3 */
static void three_fragments_come_in_any_order(void **state)
{
    static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static const size_t at[4] = {0, 48, 96, 133};
    net_meet(&net);
    begin_datagram(125);
    for (unsigned o = 0; o < 6; o++) {
        for (unsigned i = 0; i < 3; i++) {
            net_expect_nothing(&net);
            send_piece(at[orders[o][i]], at[orders[o][i] + 1], orders[o][i] < 2);
        }
        expect_echo_reply(125);
        assert_memory_equal(seen.payload + 8, whole + 8, 125);
    }
}

/* conformance: 791 3.2-65535; 1122 3.2.2.6-fragments; 1122 3.3.2-size */
static void largest_datagram_comes_and_goes_in_fragments(void **state)
{
    static uint8_t back[65536];
    net_meet(&net);
    begin_datagram(65507);
    for (size_t from = 0; from < whole_len; from += 1480)
        send_piece(from, tn_min(from + 1480, whole_len), from + 1480 < whole_len);
    size_t got = 0;
    uint16_t id = 0;
    while (got < whole_len) {
        net_expect_ip(&net, &seen);
        assert_int_equal((seen.fragment & 0x1fff) * 8, got);
        assert_true(seen.frame.len <= 1514);
        if (got == 0)
            id = seen.id;
        assert_int_equal(seen.id, id);
        memcpy(back + got, seen.payload, seen.len);
        got += seen.len;
        assert_int_equal(seen.fragment & ~0x1fff, got < whole_len ? MF : 0);
    }
    assert_int_equal(got, whole_len);
    assert_int_equal(back[0], 0);
    assert_int_equal(net_sum(back, got), 0);
    assert_memory_equal(back + 8, whole + 8, got - 8);
    net_expect_nothing(&net);
    assert_int_equal(net_counter(&net, "ipv4", "fragmented"), 1);
    assert_int_equal(net_counter(&net, "ipv4", "fragments-out"), 45);
}

/* conformance: 815 3 */
static void random_fragments_in_random_order_with_duplicates(void **state)
{
    unsigned datagrams = 0;
    struct tn_rng rng = random_start("random_fragments_in_random_order_with_duplicates");
    net_meet(&net);
    for (unsigned round = 0; round < 50; round++) {
        size_t from[400], to[400];
        unsigned n = 0;
        begin_datagram(random_below(&rng, 20000));
        for (size_t at = 0; at < whole_len; at = to[n - 1]) {
            from[n] = at;
            to[n] = tn_min(at + 8 * (1 + random_below(&rng, 180)), whole_len);
            if (n == 398)
                to[n] = whole_len;
            n++;
        }
        if (n < 2)
            continue;
        datagrams++;
        for (unsigned i = n; i > 1; i--) {
            unsigned j = (unsigned)random_below(&rng, i);
            size_t f = from[i - 1], t = to[i - 1];
            from[i - 1] = from[j], to[i - 1] = to[j];
            from[j] = f, to[j] = t;
        }
        for (unsigned i = 0; i < n; i++) {
            if (i && random_below(&rng, 4) == 0)
                send_piece(from[i - 1], to[i - 1], to[i - 1] < whole_len);
            send_piece(from[i], to[i], to[i] < whole_len);
        }
        assert_int_equal(net_counter(&net, "ipv4", "reassembled"), datagrams);
        assert_true(net_take_all(&net) > 0);
    }
}

/* conformance: 815 3 */
static void duplicate_fragment_is_passed_over(void **state)
{
    net_meet(&net);
    begin_datagram(100);
    send_piece(0, 64, true);
    send_piece(0, 64, true);
    send_piece(64, 108, false);
    expect_echo_reply(100);
    assert_int_equal(net_counter(&net, "ipv4", "fragment-duplicates"), 1);
}

/* What is asked for an overlap: the whole datagram goes, and its other pieces with it. */
static void assert_overlap(void)
{
    assert_dropped("fragment-overlap");
    struct tn_usage usage;
    tn_stack_usage(net.stack, &usage);
    assert_int_equal(usage.packets, 0);
}

/* conformance: 815 3-overlap */
static void overlapping_fragment_drops_the_datagram(void **state)
{
    begin_datagram(100);
    send_piece(0, 64, true);
    send_piece(56, 108, false);
    assert_overlap();
}

static void duplicate_with_other_bytes_drops_the_datagram(void **state)
{
    begin_datagram(100);
    send_piece(0, 64, true);
    whole[20] ^= 1;
    send_piece(0, 64, true);
    assert_overlap();
}

static void fragment_beyond_the_end_drops_the_datagram(void **state)
{
    begin_datagram(100);
    send_piece(64, 108, false);
    send_piece(112, 120, true);
    assert_overlap();
}

static void last_fragment_before_the_end_drops_the_datagram(void **state)
{
    begin_datagram(100);
    send_piece(64, 72, true);
    send_piece(32, 40, false);
    assert_overlap();
}

static void second_last_fragment_drops_the_datagram(void **state)
{
    begin_datagram(100);
    send_piece(64, 72, false);
    send_piece(72, 80, false);
    assert_overlap();
}

static void empty_fragment_is_dropped(void **state)
{
    send_piece(64, 64, true);
    assert_dropped("fragment-length");
}

static void fragment_in_the_middle_has_a_multiple_of_eight_bytes(void **state)
{
    begin_datagram(100);
    send_piece(0, 63, true);
    assert_dropped("fragment-length");
}

/* conformance: 1858 3.2.1; 1858 3.2.2; 3128 4 */
static void fragments_that_cut_a_tcp_header_apart_are_dropped(void **state)
{
    static const uint8_t segment[64];
    net_send_ip(&net, &(struct net_ip){.protocol = 6, .id = 7, .fragment = MF}, segment, 8);
    net_send_ip(&net, &(struct net_ip){.protocol = 6, .id = 8, .fragment = 1}, segment, 40);
    net_send_ip(&net, &(struct net_ip){.protocol = 6, .id = 9, .fragment = MF | 1}, segment, 40);
    net_expect_nothing(&net);
    assert_int_equal(net_drops(&net, "ipv4", "fragment-tiny"), 3);
}

/* "Ping of death" */
/* conformance: 791 3.2-65535 */
static void datagram_beyond_65535_bytes_is_dropped(void **state)
{
    begin_datagram(1000);
    net_send_ip(&net, &(struct net_ip){.protocol = 1, .fragment = 65528 / 8}, whole, 100);
    assert_dropped("fragment-too-long");
}

/* conformance: 791 3.2-65535 */
static void header_with_options_counts_for_the_65535_bytes(void **state)
{
    static const uint8_t nops[40] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                     1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    begin_datagram(65507);
    for (size_t from = 1480; from < whole_len; from += 1480)
        send_piece(from, tn_min(from + 1480, whole_len), from + 1480 < whole_len);
    net_send_ip(&net,
                &(struct net_ip){
                    .protocol = 1, .id = 7, .fragment = MF, .options = nops, .options_len = sizeof(nops)},
                whole, 1480);
    assert_dropped("fragment-too-long");
}

/* conformance: 791 3.2-key */
static void datagrams_are_told_apart_by_id_protocol_and_addresses(void **state)
{
    net_meet(&net);
    begin_datagram(100);
    send_piece(0, 64, true);
    net_send_ip(&net, &(struct net_ip){.protocol = 1, .id = 8, .fragment = 8}, whole + 64, 44);
    net_send_ip(&net, &(struct net_ip){.protocol = 2, .id = 7, .fragment = 8}, whole + 64, 44);
    net_send_ip(&net, &(struct net_ip){.protocol = 1, .id = 7, .fragment = 8, .src = "10.0.7.2"}, whole + 64,
                44);
    net_send_ip(&net, &(struct net_ip){.protocol = 1, .id = 7, .fragment = 8, .dst = "10.0.7.8"}, whole + 64,
                44);
    net_expect_nothing(&net);
    send_piece(64, 108, false);
    expect_echo_reply(100);
}

/* RFC 1122 §3.3.2 */
/* conformance: 792 time-exceeded; 1122 3.3.2-timeout */
static void incomplete_datagram_is_reported_after_60_seconds(void **state)
{
    net_meet(&net);
    begin_datagram(100);
    send_piece(0, 64, true);
    net_build_ip(&(struct net_ip){.protocol = 1, .id = 7, .fragment = MF}, whole, 64, &frame);
    net_pass(&net, 30 * TN_SEC);
    send_piece(80, 108, false); /* does not prolong it */
    net_pass(&net, 29999 * TN_MSEC);
    net_expect_nothing(&net);
    net_pass(&net, TN_MSEC);
    expect_error(11, 1);
    assert_int_equal(seen.len, 8 + 20 + 64);
    assert_int_equal(net_drops(&net, "ipv4", "reassembly-timeout"), 1);
}

/* conformance: 792 time-exceeded */
static void incomplete_datagram_without_its_first_fragment_is_not_reported(void **state)
{
    begin_datagram(100);
    send_piece(64, 108, false);
    net_pass(&net, 61 * TN_SEC);
    assert_dropped("reassembly-timeout");
}

static void incomplete_datagrams_survive_a_swap(void **state)
{
    struct tn_error error;
    net_meet(&net);
    begin_datagram(100);
    net_send_ip(&net, &(struct net_ip){.protocol = 1, .id = 8, .fragment = MF}, whole, 64);
    send_piece(0, 64, true);
    assert_int_equal(tn_stack_swap(net.stack, "ipv4", NULL, &error), 0);
    send_piece(64, 108, false);
    expect_echo_reply(100);
    net_pass(&net, 60 * TN_SEC);
    assert_int_equal(net_drops(&net, "ipv4", "reassembly-timeout"), 1);
    (void)net_take_all(&net);
}

/* Each has a large buffer, whatever its own size: the last quarter of those is for what passes. */
static void incomplete_datagrams_leave_large_buffers_to_others(void **state)
{
    struct net small;
    net_start(&small,
              "stack: { name: net, limits: { large-buffers: 16 } }\n"
              "interfaces: { h0: { driver: host, mac: \"02:00:00:00:07:07\", addresses: [10.0.7.7/24] } }\n"
              "protocols:\n" PROTOCOLS);
    begin_datagram(100);
    for (uint16_t id = 0; id < 40; id++)
        net_send_ip(&small, &(struct net_ip){.protocol = 1, .id = id, .fragment = MF}, whole, 64);
    assert_true(net_drops(&small, "ipv4", "reassembly-limit") >= 40 - 13);
    struct tn_packet *packet = tn_packet_new(&small.stack->pool, 60000);
    assert_non_null(packet);
    tn_packet_free(&small.stack->pool, packet);
    net_send_ip(&small, &(struct net_ip){.protocol = 1, .id = 39, .fragment = 8}, whole + 64, 44);
    assert_int_equal(net_counter(&small, "ipv4", "reassembled"), 1);
    net_stop(&small);
}

/* conformance: 3168 5.3 */
static void congestion_met_by_one_fragment_is_the_datagrams(void **state)
{
    net_meet(&net);
    begin_datagram(100);
    net_send_ip(&net, &(struct net_ip){.protocol = 99, .tos = 2, .fragment = MF}, whole, 64);
    net_send_ip(&net, &(struct net_ip){.protocol = 99, .tos = 3, .fragment = 8}, whole + 64, 44);
    net_expect_ip(&net, &seen);
    assert_int_equal(seen.payload[8 + 1], 3); /* the quoted header */
    assert_int_equal(net_sum(seen.payload + 8, 20), 0);
    assert_int_equal(tn_load16(seen.payload + 8 + 2), 128);
}

/* conformance: 3168 5.3 */
static void congestion_met_and_not_ecn_capable_cannot_be(void **state)
{
    begin_datagram(100);
    net_send_ip(&net, &(struct net_ip){.protocol = 1, .tos = 0, .fragment = MF}, whole, 64);
    net_send_ip(&net, &(struct net_ip){.protocol = 1, .tos = 3, .fragment = 8}, whole + 64, 44);
    assert_dropped("fragment-ecn");
}

/* conformance: 815 7 */
static void one_source_cannot_take_all_places(void **state)
{
    net_meet(&net);
    begin_datagram(100);
    for (uint16_t id = 0; id < 100; id++)
        net_send_ip(&net, &(struct net_ip){.protocol = 1, .src = "10.0.9.9", .id = id, .fragment = MF}, whole,
                    64);
    assert_int_equal(net_drops(&net, "ipv4", "reassembly-source-limit"), 36);
    send_piece(0, 64, true);
    send_piece(64, 108, false);
    expect_echo_reply(100);
}

/* conformance: 815 7 */
static void oldest_datagrams_make_room_for_new_ones(void **state)
{
    net_meet(&net);
    begin_datagram(100);
    for (unsigned i = 0; i < 1000; i++) {
        char src[16];
        snprintf(src, sizeof(src), "10.1.%u.%u", i / 250, 1 + i % 250);
        net_send_ip(&net, &(struct net_ip){.protocol = 1, .src = src, .fragment = MF}, whole, 64);
    }
    struct tn_usage usage;
    tn_stack_usage(net.stack, &usage);
    assert_true(usage.packets <= 256);
    assert_int_equal(net_drops(&net, "ipv4", "reassembly-limit") + usage.packets +
                         net_drops(&net, "ipv4", "reassembly-source-limit"),
                     1000);
    send_piece(0, 64, true);
    send_piece(64, 108, false);
    expect_echo_reply(100);
}

/* conformance: 815 7 */
static void endless_fragments_take_no_more_than_the_memory_limit(void **state)
{
    begin_datagram(2000);
    for (unsigned i = 0; i < 200; i++) {
        char src[16];
        snprintf(src, sizeof(src), "10.2.0.%u", 1 + i);
        net_send_ip(&net, &(struct net_ip){.protocol = 1, .src = src, .fragment = (60000 / 8) | MF}, whole,
                    1480);
    }
    struct tn_usage usage;
    tn_stack_usage(net.stack, &usage);
    assert_true(usage.packets * 61480 <= 4u << 20);
    assert_int_equal(usage.packets, (4u << 20) / 61480);
}

/* ---- Out ---- */

/* Sends `len` bytes of payload by protocol 253 (RFC 3692) with these packet flags; what came back. */
static int output(uint16_t flags, size_t len, const char *dst)
{
    struct tn_self *core = tn_core_self(net.stack);
    struct tn_path path = {0};
    struct tn_packet *packet = tn_packet_new(&net.stack->pool, len);
    assert_non_null(packet);
    memset(packet->data, 0x5a, len);
    packet->family = AF_INET;
    packet->protocol = 253;
    packet->flags = flags;
    assert_int_equal(sscanf(dst, "%hhu.%hhu.%hhu.%hhu", &packet->dst.bytes[0], &packet->dst.bytes[1],
                            &packet->dst.bytes[2], &packet->dst.bytes[3]),
                     4);
    int err = tn_core_path_find(core, AF_INET, 0, &packet->src, &packet->dst, &path);
    if (err < 0) {
        tn_packet_free(&net.stack->pool, packet);
        return err;
    }
    err = tn_core_network_output(core, packet, &path);
    net.stack->work_pending = true;
    tn_sim_settle(net.sim);
    return err;
}

static void packet_that_just_fits_is_not_fragmented(void **state)
{
    net_meet(&net);
    assert_int_equal(output(0, 1480, "10.0.7.1"), 0);
    net_expect_ip(&net, &seen);
    assert_int_equal(seen.len, 1480);
    assert_int_equal(seen.fragment, 0);
    net_expect_nothing(&net);
}

/* conformance: 791 3.2-fragment */
static void packet_one_byte_too_long_goes_in_two_fragments(void **state)
{
    net_meet(&net);
    assert_int_equal(output(0, 1481, "10.0.7.1"), 0);
    net_expect_ip(&net, &seen);
    assert_int_equal(seen.len, 1480);
    assert_int_equal(seen.fragment, MF);
    uint16_t id = seen.id;
    net_expect_ip(&net, &seen);
    assert_int_equal(seen.len, 1);
    assert_int_equal(seen.fragment, 1480 / 8);
    assert_int_equal(seen.id, id);
    net_expect_nothing(&net);
}

/* conformance: 791 3.2-fragment */
static void fragments_carry_multiples_of_eight_bytes_whatever_the_mtu(void **state)
{
    net_meet(&net);
    for (uint32_t mtu = 68; mtu < 600; mtu += 53) {
        net.stack->interfaces[1]->pub.mtu = mtu;
        tn_paths_changed(net.stack);
        assert_int_equal(output(0, 1500, "10.0.7.1"), 0);
        for (size_t got = 0; got < 1500; got += seen.len) {
            net_expect_ip(&net, &seen);
            assert_int_equal((seen.fragment & 0x1fff) * 8, got);
            assert_in_range(20 + seen.len, got + seen.len < 1500 ? mtu - 7 : 21, mtu);
        }
        net_expect_nothing(&net);
    }
}

/* conformance: 791 3.2-df */
static void packet_not_to_be_fragmented_is_refused(void **state)
{
    net_meet(&net);
    assert_int_equal(output(TN_PKT_DONT_FRAGMENT, 1481, "10.0.7.1"), -EMSGSIZE);
    assert_dropped("too-big");
}

static void packet_longer_than_ip_can_be_is_refused(void **state)
{
    net_meet(&net);
    assert_int_equal(output(0, 65516, "10.0.7.1"), -EMSGSIZE);
    assert_dropped("too-long");
}

/* RFC 6864 §4.1, §4.3 */
/* conformance: 6864 4.1 */
static void only_what_may_be_fragmented_has_an_identification(void **state)
{
    net_meet(&net);
    assert_int_equal(output(TN_PKT_DONT_FRAGMENT, 8, "10.0.7.1"), 0);
    net_expect_ip(&net, &seen);
    assert_int_equal(seen.fragment, 0x4000);
    assert_int_equal(seen.id, 0);
    assert_int_equal(output(0, 8, "10.0.7.1"), 0);
    net_expect_ip(&net, &seen);
    uint16_t first = seen.id;
    for (uint16_t i = 1; i < 1000; i++) {
        assert_int_equal(output(0, 8, "10.0.7.1"), 0);
        net_expect_ip(&net, &seen);
        assert_int_equal(seen.id, (uint16_t)(first + i));
    }
}

/* RFC 7739 §5.3 */
/* conformance: 6864 4.3-shared */
static void identifications_to_different_hosts_tell_nothing_of_each_other(void **state)
{
    uint16_t ids[20];
    unsigned near = 0;
    net_meet(&net);
    for (unsigned i = 0; i < 20; i++) {
        char dst[16];
        snprintf(dst, sizeof(dst), "192.0.2.%u", 1 + i);
        assert_int_equal(output(0, 8, dst), 0);
        net_expect_ip(&net, &seen);
        ids[i] = seen.id;
        near += i && (uint16_t)(ids[i] - ids[i - 1] + 16) < 32;
    }
    assert_true(near < 3);
}

static void router_alert_is_an_option_of_the_header(void **state)
{
    net_meet(&net);
    assert_int_equal(output(TN_PKT_ROUTER_ALERT, 8, "10.0.7.1"), 0);
    net_expect_ip(&net, &seen);
    assert_int_equal(seen.header_len, 24);
    assert_memory_equal(seen.frame.bytes + 34, "\x94\x04\0\0", 4);
}

/* conformance: 922 7 */
static void broadcast_goes_to_everybody_on_the_link(void **state)
{
    assert_int_equal(output(0, 8, "10.0.7.255"), 0);
    net_expect_ip(&net, &seen);
    assert_string_equal(seen.to, NET_ALL);
    assert_string_equal(seen.src, "10.0.7.7");
    assert_int_equal(output(0, 8, "255.255.255.255"), 0);
    net_expect_ip(&net, &seen);
    assert_string_equal(seen.to, NET_ALL);
    assert_string_equal(seen.dst, "255.255.255.255");
}

/* RFC 1112 §6.1, §6.4 */
static void multicast_goes_to_the_groups_link_address_with_ttl_one(void **state)
{
    assert_int_equal(output(0, 8, "239.129.3.4"), 0);
    net_expect_ip(&net, &seen);
    assert_string_equal(seen.to, "01:00:5e:01:03:04");
    assert_int_equal(seen.ttl, 1);
    assert_string_equal(seen.src, "10.0.7.7");
}

static void destination_that_cannot_be_is_unreachable(void **state)
{
    assert_int_equal(output(0, 8, "0.0.0.0"), -ENETUNREACH);
    assert_int_equal(output(0, 8, "240.0.0.1"), -ENETUNREACH);
    net_expect_nothing(&net);
}

/* ---- This stack itself ---- */

static void assert_ping_returns(const char *dst)
{
    uint8_t reply[256];
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    int fd = net_ping_socket(&net);
    assert_int_equal(net_ping_to(&net, fd, dst, 3, 56), 64);
    assert_int_equal(tn_recvfrom(net.stack, fd, reply, sizeof(reply), 0, (struct sockaddr *)&from, &len), 64);
    assert_int_equal(reply[0], 0);
    assert_int_equal(tn_load16(reply + 6), 3);
    net_expect_nothing(&net);
    tn_close(net.stack, fd);
}

static void own_address_is_reached_without_the_link(void **state)
{
    assert_ping_returns("10.0.7.7");
    assert_ping_returns("10.0.7.8");
}

/* conformance: 1122 3.2.1.3-loopback */
static void loopback_address_is_this_stack(void **state)
{
    assert_ping_returns("127.0.0.1");
    assert_ping_returns("127.3.2.1");
}

/* ---- VRFs ---- */

static void each_vrf_goes_its_own_way(void **state)
{
    struct net two;
    net_start(&two, "stack: { name: vrf }\n"
                    "interfaces:\n"
                    "  h0:\n"
                    "    driver: host\n"
                    "    mac: \"02:00:00:00:07:07\"\n"
                    "    addresses: [10.0.7.7/24, { address: 10.0.7.8/24, vrf: 5 }]\n"
                    "    routes:\n"
                    "      - { to: default, via: 10.0.7.1 }\n"
                    "      - { to: default, via: 10.0.7.2, vrf: 5 }\n"
                    "protocols:\n" PROTOCOLS);
    net_send_arp(&two, &(struct net_arp){NET_OWN, NET_PEER, 1, NET_PEER, "10.0.7.1", NET_NONE, "10.0.7.7"});
    net_send_arp(&two, &(struct net_arp){NET_OWN, NET_OTHER, 1, NET_OTHER, "10.0.7.2", NET_NONE, "10.0.7.8"});
    assert_int_equal(net_take_all(&two), 2);
    build_echo(&(struct net_ip){.src = "192.0.2.9", .dst = "10.0.7.7"}, 8);
    net_send_frame(&two, &frame);
    net_expect_ip(&two, &seen);
    assert_string_equal(seen.src, "10.0.7.7");
    assert_string_equal(seen.to, NET_PEER);
    build_echo(&(struct net_ip){.src = "192.0.2.9", .dst = "10.0.7.8"}, 8);
    net_send_frame(&two, &frame);
    net_expect_ip(&two, &seen);
    assert_string_equal(seen.src, "10.0.7.8");
    assert_string_equal(seen.to, NET_OTHER);
    net_stop(&two);
}

/* ---- Two stacks ---- */

#define STACK_A                                                                    \
    "stack: { name: a }\n"                                                         \
    "interfaces: { w0: { driver: wire, addresses: [10.1.0.1/30], delay: 5ms } }\n" \
    "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {} }\n"
#define STACK_B                                                                    \
    "stack: { name: b }\n"                                                         \
    "interfaces: { w0: { driver: wire, addresses: [10.1.0.2/30], delay: 5ms } }\n" \
    "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {} }\n"

static void two_stacks_find_each_other_and_exchange_fragments(void **state)
{
    static uint8_t message[65515], reply[65536];
    struct tn_stack *a, *b;
    struct tn_error error;
    struct tn_sim *sim = tn_sim_create(3);
    tn_sim_plugin_path(sim, TN_TEST_PLUGIN_DIR);
    assert_int_equal(tn_sim_add(sim, STACK_A, &a, &error), 0);
    assert_int_equal(tn_sim_add(sim, STACK_B, &b, &error), 0);
    assert_int_equal(tn_stack_join(a, "w0", b, "w0"), 0);
    int fd = tn_socket(a, AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(1)};
    memcpy(&to.sin_addr, "\x0a\1\0\2", 4);
    message[0] = 8;
    assert_int_equal(tn_sendto(a, fd, message, 1000, 0, (struct sockaddr *)&to, sizeof(to)), 1000);
    tn_sim_run(sim, 100 * TN_MSEC);
    assert_int_equal(tn_recv(a, fd, reply, sizeof(reply), 0), 1000);
    for (size_t i = 8; i < sizeof(message); i++)
        message[i] = (uint8_t)(i ^ i >> 8);
    assert_int_equal(tn_sendto(a, fd, message, sizeof(message), 0, (struct sockaddr *)&to, sizeof(to)),
                     sizeof(message));
    tn_sim_run(sim, TN_SEC);
    assert_int_equal(tn_recv(a, fd, reply, sizeof(reply), 0), sizeof(message));
    assert_memory_equal(reply + 8, message + 8, sizeof(message) - 8);
    assert_int_equal(tn_stack_counter(b, "ipv4", "reassembled"), 1);
    tn_close(a, fd);
    tn_sim_destroy(sim);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(echo_is_answered_from_the_address_that_was_asked),
        T(padding_of_the_link_is_cut_off),
        T(headers_cut_short_anywhere_are_dropped),
        T(datagrams_cut_short_anywhere_are_dropped),
        T(other_version_is_dropped),
        T(header_below_20_bytes_is_dropped),
        T(header_beyond_the_packet_is_dropped),
        T(total_length_below_the_header_is_dropped),
        T(wrong_header_checksum_is_dropped),
        T(ttl_of_what_has_arrived_does_not_matter),
        T(dscp_is_kept_in_the_answer_and_ecn_is_not),
        T(options_that_mean_nothing_are_passed_over),
        T(option_that_ends_beyond_the_header_is_a_parameter_problem),
        T(option_with_length_one_is_a_parameter_problem),
        T(source_route_is_refused_in_silence),
        T(packet_for_another_host_is_dropped),
        T(destination_that_cannot_be_is_dropped),
        T(source_that_is_no_host_is_dropped),
        T(own_address_as_source_from_outside_is_dropped),
        T(unicast_destination_in_a_broadcast_frame_is_dropped),
        T(broadcasts_reach_the_transport_and_are_not_answered),
        T(only_the_all_hosts_group_is_joined),
        T(unknown_protocol_is_reported),
        T(unknown_protocol_in_a_broadcast_is_not_reported),
        T(two_fragments_make_a_datagram),
        T(three_fragments_come_in_any_order),
        T(largest_datagram_comes_and_goes_in_fragments),
        T(random_fragments_in_random_order_with_duplicates),
        T(duplicate_fragment_is_passed_over),
        T(overlapping_fragment_drops_the_datagram),
        T(duplicate_with_other_bytes_drops_the_datagram),
        T(fragment_beyond_the_end_drops_the_datagram),
        T(last_fragment_before_the_end_drops_the_datagram),
        T(second_last_fragment_drops_the_datagram),
        T(empty_fragment_is_dropped),
        T(fragment_in_the_middle_has_a_multiple_of_eight_bytes),
        T(fragments_that_cut_a_tcp_header_apart_are_dropped),
        T(datagram_beyond_65535_bytes_is_dropped),
        T(header_with_options_counts_for_the_65535_bytes),
        T(datagrams_are_told_apart_by_id_protocol_and_addresses),
        T(incomplete_datagram_is_reported_after_60_seconds),
        T(incomplete_datagram_without_its_first_fragment_is_not_reported),
        T(incomplete_datagrams_survive_a_swap),
        T(incomplete_datagrams_leave_large_buffers_to_others),
        T(congestion_met_by_one_fragment_is_the_datagrams),
        T(congestion_met_and_not_ecn_capable_cannot_be),
        T(one_source_cannot_take_all_places),
        T(oldest_datagrams_make_room_for_new_ones),
        T(endless_fragments_take_no_more_than_the_memory_limit),
        T(packet_that_just_fits_is_not_fragmented),
        T(packet_one_byte_too_long_goes_in_two_fragments),
        T(fragments_carry_multiples_of_eight_bytes_whatever_the_mtu),
        T(packet_not_to_be_fragmented_is_refused),
        T(packet_longer_than_ip_can_be_is_refused),
        T(only_what_may_be_fragmented_has_an_identification),
        T(identifications_to_different_hosts_tell_nothing_of_each_other),
        T(router_alert_is_an_option_of_the_header),
        T(broadcast_goes_to_everybody_on_the_link),
        T(multicast_goes_to_the_groups_link_address_with_ttl_one),
        T(destination_that_cannot_be_is_unreachable),
        T(own_address_is_reached_without_the_link),
        T(loopback_address_is_this_stack),
        cmocka_unit_test(each_vrf_goes_its_own_way),
        cmocka_unit_test(two_stacks_find_each_other_and_exchange_fragments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
