/* What ipv4 remembers of addresses that passed (plugins/ipv4/input.c), and when it must not: each of these fails if the verdict
 * on a pair of addresses outlives its reasons. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "address.h"
#include "net.h"
#include "stack.h"

static struct net net;

#define YAML(addresses)                                                                           \
    "stack: { name: recent }\n"                                                                   \
    "interfaces:\n"                                                                               \
    "  h0: { driver: host, mac: \"02:00:00:00:07:07\", addresses: [" addresses "] }\n"            \
    "  h1: { driver: host, mac: \"02:00:00:00:08:07\", addresses: [10.0.8.7/24] }\n"              \
    "protocols: { ether: {}, arp: { conflict-detection: off }, ipv4: {}, icmp: { rate: 1000000, " \
    "burst: 1000000 } }\n"
#define BOTH YAML("10.0.7.7/24, 10.0.7.8/24")
#define ONE  YAML("10.0.7.7/24")

static int setup(void **state)
{
    net_start(&net, BOTH);
    return 0;
}

static int teardown(void **state)
{
    net_stop(&net);
    return 0;
}

/* ---- Helpers ---- */

static void ask_as(const struct net_ip *ip)
{
    static uint8_t message[64];
    struct net_ip with = *ip;
    with.protocol = 1;
    net_send_ip(&net, &with, message, net_icmp(message, 8, 0, 0x12340001, "rose", 4));
}

static void ask(const char *dst)
{
    ask_as(&(struct net_ip){.dst = dst});
}

static void expect_answer(const char *from)
{
    struct net_seen seen;
    net_expect_ip(&net, &seen);
    assert_string_equal(seen.src, from);
    assert_string_equal(seen.dst, "10.0.7.1");
}

/* Asks twice, so that the second passes by what the first left. */
static void begin(const char *dst)
{
    net_meet(&net);
    for (int i = 0; i < 2; i++) {
        ask(dst);
        expect_answer(dst);
    }
}

static void assert_dropped(const char *reason)
{
    net_expect_nothing(&net);
    assert_int_equal(net_drops(&net, "ipv4", reason), 1);
}

static struct tn_address address(const char *text, uint16_t vrf)
{
    struct tn_address a = {.prefix_len = 24, .ifindex = 1, .vrf = vrf, .family = AF_INET};
    assert_int_equal(inet_pton(AF_INET, text, a.addr.bytes), 1);
    return a;
}

/* The resolver keeps a record of each address; what is there in the end is no leak. */
static void change(int (*what)(struct tn_stack *stack, const struct tn_address *a), const char *text,
                   uint16_t vrf)
{
    struct tn_usage before, after;
    const struct tn_address a = address(text, vrf);
    tn_stack_usage(net.stack, &before);
    assert_int_equal(what(net.stack, &a), 0);
    tn_stack_usage(net.stack, &after);
    net.start.plugin_bytes += after.plugin_bytes - before.plugin_bytes;
    (void)net_take_all(&net);
}

static void reload(const char *yaml)
{
    char report[1024];
    struct tn_error error;
    assert_int_equal(tn_stack_reload(net.stack, yaml, "net.yaml", &error, report, sizeof(report)), 0);
    (void)net_take_all(&net);
}

/* ---- The stack's addresses ---- */

static void removed_address_is_nobodys(void **state)
{
    begin("10.0.7.8");
    change(tn_address_remove, "10.0.7.8", 0);
    ask("10.0.7.8");
    assert_dropped("not-for-us");
    change(tn_address_add, "10.0.7.8", 0);
    ask("10.0.7.8");
    expect_answer("10.0.7.8");
}

static void address_that_a_reload_removed_is_nobodys(void **state)
{
    begin("10.0.7.8");
    reload(ONE);
    ask("10.0.7.8");
    assert_dropped("not-for-us");
    reload(BOTH);
    ask("10.0.7.8");
    expect_answer("10.0.7.8");
}

static void address_that_another_station_has_is_nobodys(void **state)
{
    begin("10.0.7.8");
    const struct tn_address lost = address("10.0.7.8", 0);
    tn_address_lose(net.stack, &lost, (const uint8_t *)"\2\0\0\0\7\2", 6);
    ask("10.0.7.8");
    assert_dropped("not-for-us");
}

static void address_in_another_vrf_is_answered_there(void **state)
{
    begin("10.0.7.8");
    change(tn_address_remove, "10.0.7.8", 0);
    change(tn_address_add, "10.0.7.8", 5);
    ask("10.0.7.8");
    expect_answer("10.0.7.8");
}

/* ---- The others' ---- */

static void source_that_has_become_ours_is_refused(void **state)
{
    begin("10.0.7.7");
    change(tn_address_add, "10.0.7.1", 0);
    ask("10.0.7.7");
    assert_dropped("own-source");
    change(tn_address_remove, "10.0.7.1", 0);
    ask("10.0.7.7");
    expect_answer("10.0.7.7");
}

static void source_that_has_become_a_broadcast_is_refused(void **state)
{
    begin("10.0.7.7");
    struct tn_address a = address("10.0.7.2", 0); /* 10.0.7.3 is the last of 10.0.7.0/30 */
    a.prefix_len = 30;
    ask_as(&(struct net_ip){.src = "10.0.7.3", .dst = "10.0.7.7"});
    (void)net_take_all(&net); /* the question for 10.0.7.3 */
    assert_int_equal(tn_address_add(net.stack, &a), 0);
    (void)net_take_all(&net);
    ask_as(&(struct net_ip){.src = "10.0.7.3", .dst = "10.0.7.7"});
    assert_int_equal(net_drops(&net, "ipv4", "bad-source"), 1);
    assert_int_equal(tn_address_remove(net.stack, &a), 0);
    (void)net_take_all(&net);
}

/* ---- What a pair of addresses says nothing about ---- */

static void remembered_addresses_in_a_broadcast_frame_are_refused(void **state)
{
    begin("10.0.7.7");
    ask_as(&(struct net_ip){.to = NET_ALL});
    assert_dropped("link-broadcast");
}

static void remembered_addresses_on_another_interface_are_refused(void **state)
{
    static struct net_frame frame;
    uint8_t message[64];
    begin("10.0.7.7");
    net_build_ip(&(struct net_ip){.to = "02:00:00:00:08:07", .dst = "10.0.7.7", .protocol = 1}, message,
                 net_icmp(message, 8, 0, 0x12340001, "rose", 4), &frame);
    assert_int_equal(tn_host_send(net.stack, "h1", frame.bytes, frame.len), 0);
    net_pass(&net, TN_MSEC);
    assert_dropped("not-for-us");
}

static void remembered_addresses_with_a_source_route_are_refused(void **state)
{
    static const uint8_t route[] = {131, 7, 4, 10, 0, 7, 9, 0};
    begin("10.0.7.7");
    ask_as(&(struct net_ip){.options = route, .options_len = sizeof(route)});
    assert_dropped("source-route");
}

static void fragment_between_remembered_addresses_waits_for_the_others(void **state)
{
    begin("10.0.7.7");
    ask_as(&(struct net_ip){.id = 7, .fragment = 0x2000});
    net_expect_nothing(&net);
}

static void swapped_plugin_forgets_as_well(void **state)
{
    struct tn_error error;
    begin("10.0.7.8");
    assert_int_equal(tn_stack_swap(net.stack, "ipv4", NULL, &error), 0);
    ask("10.0.7.8");
    expect_answer("10.0.7.8");
    change(tn_address_remove, "10.0.7.8", 0);
    ask("10.0.7.8");
    assert_dropped("not-for-us");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(removed_address_is_nobodys, setup, teardown),
        cmocka_unit_test_setup_teardown(address_that_a_reload_removed_is_nobodys, setup, teardown),
        cmocka_unit_test_setup_teardown(address_that_another_station_has_is_nobodys, setup, teardown),
        cmocka_unit_test_setup_teardown(address_in_another_vrf_is_answered_there, setup, teardown),
        cmocka_unit_test_setup_teardown(source_that_has_become_ours_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(source_that_has_become_a_broadcast_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(remembered_addresses_in_a_broadcast_frame_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(remembered_addresses_on_another_interface_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(remembered_addresses_with_a_source_route_are_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(fragment_between_remembered_addresses_waits_for_the_others, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(swapped_plugin_forgets_as_well, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
