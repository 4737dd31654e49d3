/* Forwarding (RFC 1812 §4.3, §5): from h0 (10.0.7.0/24) to h1 (10.0.9.0/24, whose MTU is 1000). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net.h"

#define DF 0x4000
#define MF 0x2000

static struct net net;
static struct net_seen seen;

#define YAML(ipv4)                                                                   \
    "stack: { name: router }\n"                                                      \
    "interfaces:\n"                                                                  \
    "  h0: { driver: host, mac: \"02:00:00:00:07:07\", addresses: [10.0.7.7/24] }\n" \
    "  h1: { driver: host, mode: ip, mtu: 1000, addresses: [10.0.9.7/24] }\n"        \
    "protocols: { ether: {}, rawip: {}, arp: {}, ipv4: " ipv4                        \
    ", icmp: { rate: 1000000, burst: 1000000 } }\n"

static int setup(void **state)
{
    net_start(&net, YAML("{ forward: yes }"));
    net_meet(&net);
    return 0;
}

static int teardown(void **state)
{
    net_stop(&net);
    return 0;
}

/* From 10.0.7.1, by protocol 253. */
static void send_on(const char *dst, uint8_t ttl, uint16_t fragment, size_t len)
{
    static uint8_t payload[1480];
    for (size_t i = 0; i < len; i++)
        payload[i] = (uint8_t)(i * 7);
    net_send_ip(&net,
                &(struct net_ip){.dst = dst, .protocol = 253, .ttl = ttl, .id = 5, .fragment = fragment},
                payload, len);
}

/* The next packet on h1, its length; 0: there is none. */
static size_t take_h1(uint8_t *packet, size_t size)
{
    ssize_t len = tn_host_receive(net.stack, "h1", packet, size);
    return len < 0 ? 0 : (size_t)len;
}

static void expect_error(uint8_t type, uint8_t code)
{
    net_expect_ip(&net, &seen);
    assert_string_equal(seen.src, "10.0.7.7");
    assert_string_equal(seen.dst, "10.0.7.1");
    assert_int_equal(seen.payload[0], type);
    assert_int_equal(seen.payload[1], code);
}

/* conformance: 1122 3.3.1-forward */
static void a_host_does_not_forward(void **state)
{
    struct net host;
    uint8_t p[64];
    net_start(&host, YAML("{}"));
    net_send_ip(&host, &(struct net_ip){.dst = "10.0.9.9", .protocol = 253}, "x", 1);
    assert_int_equal(net_drops(&host, "ipv4", "not-for-us"), 1);
    assert_true(tn_host_receive(host.stack, "h1", p, sizeof(p)) < 0);
    net_stop(&host);
}

/* conformance: 1812 5.3.1; 1812 4.2.2.5 */
static void packet_goes_on_with_a_lower_time_to_live_and_a_right_checksum(void **state)
{
    uint8_t p[1500];
    send_on("10.0.9.9", 9, DF, 100);
    assert_int_equal(take_h1(p, sizeof(p)), 120);
    assert_int_equal(p[8], 8);
    assert_int_equal(net_sum(p, 20), 0);
    assert_int_equal(tn_load16(p + 4), 5);
    assert_int_equal(tn_load16(p + 6), DF);
    assert_int_equal(p[20 + 99], (uint8_t)(99 * 7));
    assert_int_equal(net_counter(&net, "ipv4", "forwarded"), 1);
    net_expect_nothing(&net);
}

/* conformance: 1812 5.3.1-expired */
static void time_to_live_that_ends_is_reported(void **state)
{
    uint8_t p[64];
    send_on("10.0.9.9", 1, 0, 8);
    expect_error(11, 0);
    assert_int_equal(take_h1(p, sizeof(p)), 0);
    assert_int_equal(net_drops(&net, "ipv4", "ttl"), 1);
}

/* conformance: 1812 5.2.7.1 */
static void destination_without_a_route_is_reported(void **state)
{
    send_on("192.0.2.9", 64, 0, 8);
    expect_error(3, 0);
    assert_int_equal(net_drops(&net, "ipv4", "no-route"), 1);
}

/* conformance: 1812 5.2.7.1 */
static void next_hop_that_does_not_answer_is_reported(void **state)
{
    send_on("10.0.7.99", 64, 0, 8);
    net_pass(&net, 4 * TN_SEC);
    for (unsigned i = 0; i < 3; i++) {
        static struct net_frame question;
        assert_true(net_take_frame(&net, &question));
        assert_int_equal(tn_load16(question.bytes + 12), 0x0806);
    }
    expect_error(3, 1);
    assert_string_equal(seen.src, "10.0.7.7");
    assert_memory_equal(seen.payload + 8 + 16, "\x0a\0\7\x63", 4);
    assert_int_equal(net_drops(&net, "core", "neighbour-unreachable"), 1);
}

/* conformance: 1191 4 */
static void what_must_not_be_fragmented_goes_back_with_what_fits(void **state)
{
    send_on("10.0.9.9", 64, DF, 1200);
    expect_error(3, 4);
    assert_int_equal(tn_load16(seen.payload + 6), 1000);
}

/* conformance: 1812 4.2.2.7 */
static void what_may_be_is_fragmented(void **state)
{
    uint8_t p[1500];
    send_on("10.0.9.9", 64, MF | 10, 1200); /* itself a fragment */
    assert_int_equal(take_h1(p, sizeof(p)), 996);
    assert_int_equal(tn_load16(p + 6), MF | 10);
    assert_int_equal(p[8], 63);
    assert_int_equal(net_sum(p, 20), 0);
    assert_int_equal(take_h1(p, sizeof(p)), 20 + 1200 - 976);
    assert_int_equal(tn_load16(p + 6), MF | (10 + 976 / 8));
    assert_int_equal(tn_load16(p + 4), 5);
    assert_int_equal(p[20], (uint8_t)(976 * 7));
    assert_int_equal(take_h1(p, sizeof(p)), 0);
}

/* conformance: 1812 5.3.7 */
static void martians_are_not_passed_on(void **state)
{
    static const char *const sources[] = {"127.0.0.1", "10.0.7.255",  "224.0.0.9",
                                          "0.0.0.0",   "169.254.1.1", "10.0.9.7"};
    uint8_t p[64];
    for (unsigned i = 0; i < TN_ARRAY_SIZE(sources); i++)
        net_send_ip(&net, &(struct net_ip){.src = sources[i], .dst = "10.0.9.9", .protocol = 253}, "x", 1);
    net_send_ip(&net, &(struct net_ip){.to = NET_ALL, .dst = "10.0.9.9", .protocol = 253}, "x", 1);
    net_send_ip(&net, &(struct net_ip){.dst = "10.0.9.255", .protocol = 253}, "x", 1);
    assert_int_equal(take_h1(p, sizeof(p)), 0);
    assert_int_equal(net_counter(&net, "ipv4", "forwarded"), 0);
    net_expect_nothing(&net);
}

static void address_of_the_other_interface_is_its_own(void **state)
{
    uint8_t message[64];
    size_t len = net_icmp(message, 8, 0, 1, "data", 4);
    net_send_ip(&net, &(struct net_ip){.dst = "10.0.9.7", .protocol = 1}, message, len);
    net_expect_ip(&net, &seen);
    assert_string_equal(seen.src, "10.0.9.7");
    assert_int_equal(seen.payload[0], 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_does_not_forward),
        T(packet_goes_on_with_a_lower_time_to_live_and_a_right_checksum),
        T(time_to_live_that_ends_is_reported),
        T(destination_without_a_route_is_reported),
        T(next_hop_that_does_not_answer_is_reported),
        T(what_must_not_be_fragmented_goes_back_with_what_fits),
        T(what_may_be_is_fragmented),
        T(martians_are_not_passed_on),
        T(address_of_the_other_interface_is_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
