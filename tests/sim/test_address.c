/* Addresses and paths: what is local, which address speaks, which way packets go (RFC 1122 §3.2.1.3, §3.3.1, §3.3.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>

#include "address.h"
#include "net.h"
#include "route.h"
#include "stack.h"

static struct net net;

/* h0 with two addresses, h1 with one, h2 with none. */
static int setup(void **state)
{
    net_start(&net, "stack: { name: a, limits: { addresses: 8 } }\n"
                    "interfaces:\n"
                    "  h0: { driver: host, addresses: [10.0.7.7/24, 10.0.8.7/24],\n"
                    "        routes: [{ to: default, via: 10.0.7.1 }] }\n"
                    "  h1: { driver: host, mtu: 9000, addresses: [10.0.9.7/24] }\n"
                    "  h2: { driver: host }\n"
                    "protocols: { ether: {}, arp: { conflict-detection: off }, ipv4: {}, icmp: {} }\n");
    return 0;
}

static int teardown(void **state)
{
    net_stop(&net);
    return 0;
}

/* ---- Helpers ---- */

static struct tn_addr addr(const char *text)
{
    struct tn_addr a = {.half = {0, 0}};
    assert_int_equal(inet_pton(AF_INET, text, a.bytes), 1);
    return a;
}

static struct tn_address address(const char *text, uint8_t len, uint16_t ifindex, uint16_t vrf)
{
    return (struct tn_address){
        .addr = addr(text), .prefix_len = len, .ifindex = ifindex, .vrf = vrf, .family = AF_INET};
}

/* The resolver keeps a record of each address; what is there in the end is no leak. */
static int change(int (*what)(struct tn_stack *stack, const struct tn_address *a), const struct tn_address *a)
{
    struct tn_usage before, after;
    tn_stack_usage(net.stack, &before);
    int err = what(net.stack, a);
    tn_stack_usage(net.stack, &after);
    net.start.plugin_bytes += after.plugin_bytes - before.plugin_bytes;
    return err;
}

static int add(const char *text, uint8_t len, uint16_t ifindex, uint16_t vrf)
{
    struct tn_address a = address(text, len, ifindex, vrf);
    return change(tn_address_add, &a);
}

static int del(const char *text, uint8_t len, uint16_t ifindex, uint16_t vrf)
{
    struct tn_address a = address(text, len, ifindex, vrf);
    return change(tn_address_remove, &a);
}

static enum tn_local kind(const char *text, uint16_t ifindex)
{
    struct tn_addr a = addr(text);
    const struct tn_interface *ifc = ifindex ? &net.stack->interfaces[ifindex]->pub : NULL;
    return tn_core_address_kind(tn_core_self(net.stack), AF_INET, ifc, &a, NULL);
}

static char source[16];
static struct tn_path path;

/* The path from `src` ("": to be chosen); the source that was chosen is in `source`. */
static int find(const char *src, const char *dst, uint16_t vrf)
{
    struct tn_addr s = {.half = {0, 0}}, d = addr(dst);
    if (src[0])
        s = addr(src);
    memset(&path, 0, sizeof(path));
    int err = tn_core_path_find(tn_core_self(net.stack), AF_INET, vrf, &s, &d, &path);
    inet_ntop(AF_INET, s.bytes, source, sizeof(source));
    return err;
}

static void assert_path(enum tn_path_kind expected, uint16_t ifindex, const char *src)
{
    assert_int_equal(path.kind, expected);
    assert_int_equal(path.ifindex, ifindex);
    assert_string_equal(source, src);
    assert_int_equal(path.neighbour != NULL, expected == TN_PATH_UNICAST);
}

/* ---- What is local ---- */

static void own_addresses_are_local_on_their_interface(void **state)
{
    assert_int_equal(kind("10.0.7.7", 1), TN_LOCAL_UNICAST);
    assert_int_equal(kind("10.0.8.7", 1), TN_LOCAL_UNICAST);
    assert_int_equal(kind("10.0.7.7", 2), TN_LOCAL_NONE);
    assert_int_equal(kind("10.0.9.7", 0), TN_LOCAL_UNICAST);
    assert_int_equal(kind("10.0.7.6", 0), TN_LOCAL_NONE);
}

static void subnets_have_a_broadcast_address(void **state)
{
    assert_int_equal(kind("10.0.7.255", 1), TN_LOCAL_BROADCAST);
    assert_int_equal(kind("10.0.7.255", 2), TN_LOCAL_NONE);
    assert_int_equal(kind("10.0.7.0", 1), TN_LOCAL_NONE);
    assert_int_equal(add("172.16.0.1", 12, 3, 0), 0);
    assert_int_equal(kind("172.31.255.255", 3), TN_LOCAL_BROADCAST);
    assert_int_equal(kind("172.16.0.255", 3), TN_LOCAL_NONE);
    assert_int_equal(add("192.0.2.1", 30, 3, 0), 0);
    assert_int_equal(kind("192.0.2.3", 3), TN_LOCAL_BROADCAST);
}

/* RFC 3021 */
static void point_to_point_subnets_have_none(void **state)
{
    assert_int_equal(add("192.0.2.0", 31, 3, 0), 0);
    assert_int_equal(kind("192.0.2.1", 3), TN_LOCAL_NONE);
    assert_int_equal(add("192.0.2.9", 32, 3, 0), 0);
    assert_int_equal(kind("192.0.2.9", 3), TN_LOCAL_UNICAST);
}

static void broadcast_stays_while_another_address_has_it(void **state)
{
    assert_int_equal(add("10.0.7.8", 24, 1, 0), 0);
    assert_int_equal(del("10.0.7.7", 24, 1, 0), 0);
    assert_int_equal(kind("10.0.7.255", 1), TN_LOCAL_BROADCAST);
    assert_int_equal(del("10.0.7.8", 24, 1, 0), 0);
    assert_int_equal(kind("10.0.7.255", 1), TN_LOCAL_NONE);
    (void)net_take_all(&net);
}

/* ---- Adding and removing ---- */

static void address_is_one_interfaces_in_a_vrf_and_one_vrfs_on_an_interface(void **state)
{
    assert_int_equal(add("10.0.7.7", 24, 1, 0), -EEXIST);
    assert_int_equal(add("10.0.7.7", 16, 1, 0), -EEXIST);
    assert_int_equal(add("10.0.7.7", 24, 2, 0), -EEXIST);
    assert_int_equal(add("10.0.7.7", 24, 1, 5), -EEXIST);
    assert_int_equal(add("10.0.7.7", 24, 2, 5), 0);
}

static void limit_of_addresses_is_kept(void **state)
{
    for (unsigned i = 0; i < 5; i++) {
        char text[16];
        snprintf(text, sizeof(text), "10.3.%u.1", i);
        assert_int_equal(add(text, 24, 3, 0), 0);
    }
    assert_int_equal(add("10.4.0.1", 24, 3, 0), -ENOSPC);
    assert_int_equal(del("10.3.0.1", 24, 3, 0), 0);
    assert_int_equal(add("10.4.0.1", 24, 3, 0), 0);
}

static void unknown_address_cannot_be_removed(void **state)
{
    assert_int_equal(del("10.0.7.9", 24, 1, 0), -ENOENT);
    assert_int_equal(del("10.0.7.7", 24, 2, 0), -ENOENT);
}

static void new_address_is_announced_and_answered_for_and_a_removed_one_is_not(void **state)
{
    const struct net_arp question = {NET_ALL, NET_PEER, 1, NET_PEER, "10.0.7.1", NET_NONE, "10.0.7.99"};
    assert_int_equal(add("10.0.7.99", 24, 1, 0), 0);
    net.stack->work_pending = true;
    tn_sim_settle(net.sim);
    assert_int_equal(net_take_all(&net), 1);
    net_send_arp(&net, &question);
    assert_int_equal(net_take_all(&net), 1);
    assert_int_equal(del("10.0.7.99", 24, 1, 0), 0);
    net_send_arp(&net, &question);
    net_expect_nothing(&net);
}

static void connected_route_comes_and_goes_with_the_subnets_addresses(void **state)
{
    assert_int_equal(add("192.0.2.1", 24, 3, 0), 0);
    assert_int_equal(add("192.0.2.2", 24, 3, 0), 0);
    assert_int_equal(find("", "192.0.2.9", 0), 0);
    assert_path(TN_PATH_UNICAST, 3, "192.0.2.1");
    assert_int_equal(del("192.0.2.1", 24, 3, 0), 0);
    assert_int_equal(find("", "192.0.2.9", 0), 0);
    assert_path(TN_PATH_UNICAST, 3, "192.0.2.2");
    assert_int_equal(del("192.0.2.2", 24, 3, 0), 0);
    assert_int_equal(find("", "192.0.2.9", 0), 0);
    assert_path(TN_PATH_UNICAST, 1, "10.0.7.7"); /* by the default route */
}

/* ---- Paths ---- */

static void source_is_the_address_near_the_next_hop(void **state)
{
    assert_int_equal(find("", "10.0.8.1", 0), 0);
    assert_path(TN_PATH_UNICAST, 1, "10.0.8.7");
    assert_int_equal(find("", "203.0.113.1", 0), 0);
    assert_path(TN_PATH_UNICAST, 1, "10.0.7.7");
    assert_int_equal(find("", "10.0.9.1", 0), 0);
    assert_path(TN_PATH_UNICAST, 2, "10.0.9.7");
    assert_int_equal(path.mtu, 9000);
}

static void given_source_must_be_ours(void **state)
{
    assert_int_equal(find("10.0.8.7", "203.0.113.1", 0), 0);
    assert_path(TN_PATH_UNICAST, 1, "10.0.8.7");
    assert_int_equal(find("10.0.8.9", "203.0.113.1", 0), -EADDRNOTAVAIL);
    assert_int_equal(find("10.0.8.255", "203.0.113.1", 0), -EADDRNOTAVAIL);
    assert_int_equal(find("10.0.8.7", "203.0.113.1", 5), -EADDRNOTAVAIL);
}

/* RFC 1122 §3.2.1.3 (g) */
static void loopback_addresses_stay_inside(void **state)
{
    assert_int_equal(find("127.0.0.1", "203.0.113.1", 0), -EADDRNOTAVAIL);
    assert_int_equal(find("127.0.0.1", "10.0.7.255", 0), -EADDRNOTAVAIL);
    assert_int_equal(find("", "127.0.0.1", 0), 0);
    assert_int_equal(path.kind, TN_PATH_LOCAL);
    assert_string_equal(source, "127.0.0.1");
    assert_int_equal(find("127.0.0.1", "10.0.7.7", 0), 0);
    assert_path(TN_PATH_LOCAL, 1, "127.0.0.1");
}

static void own_address_is_a_local_path_from_itself(void **state)
{
    assert_int_equal(find("", "10.0.9.7", 0), 0);
    assert_path(TN_PATH_LOCAL, 2, "10.0.9.7");
    assert_int_equal(path.mtu, 65535);
    assert_int_equal(find("10.0.7.7", "10.0.9.7", 0), 0);
    assert_path(TN_PATH_LOCAL, 2, "10.0.7.7");
}

static void own_address_of_another_vrf_is_another_host(void **state)
{
    assert_int_equal(add("10.0.7.50", 24, 1, 5), 0);
    assert_int_equal(find("", "10.0.7.50", 0), 0);
    assert_path(TN_PATH_UNICAST, 1, "10.0.7.7");
    assert_int_equal(find("", "10.0.7.7", 5), 0);
    assert_path(TN_PATH_UNICAST, 1, "10.0.7.50");
    (void)net_take_all(&net);
}

static void broadcasts_leave_by_their_subnets_interface(void **state)
{
    assert_int_equal(find("", "10.0.9.255", 0), 0);
    assert_path(TN_PATH_BROADCAST, 2, "10.0.9.7");
    assert_int_equal(find("", "255.255.255.255", 0), 0);
    assert_path(TN_PATH_BROADCAST, 1, "10.0.7.7");
    assert_int_equal(find("10.0.9.7", "255.255.255.255", 0), 0);
    assert_path(TN_PATH_BROADCAST, 2, "10.0.9.7");
}

static void multicasts_leave_by_route_or_by_their_sources_interface(void **state)
{
    assert_int_equal(find("", "224.0.0.5", 0), 0);
    assert_path(TN_PATH_MULTICAST, 1, "10.0.7.7");
    assert_int_equal(find("10.0.9.7", "224.0.0.5", 0), 0);
    assert_path(TN_PATH_MULTICAST, 2, "10.0.9.7");
    struct tn_route r = {.to = addr("224.0.0.0"), .prefix_len = 4, .ifindex = 2, .family = AF_INET};
    assert_int_equal(tn_route_add(net.stack, &r), 0);
    assert_int_equal(find("", "224.0.0.5", 0), 0);
    assert_path(TN_PATH_MULTICAST, 2, "10.0.9.7");
}

static void interface_without_addresses_speaks_with_anothers(void **state)
{
    struct tn_route r = {.to = addr("198.51.100.0"), .prefix_len = 24, .ifindex = 3, .family = AF_INET};
    assert_int_equal(tn_route_add(net.stack, &r), 0);
    assert_int_equal(find("", "198.51.100.1", 0), 0);
    assert_path(TN_PATH_UNICAST, 3, "10.0.7.7");
}

static void source_decides_between_equal_routes(void **state)
{
    struct tn_route r = {.to = addr("198.51.100.0"), .prefix_len = 24, .family = AF_INET};
    r.ifindex = 1;
    assert_int_equal(tn_route_add(net.stack, &r), 0);
    r.ifindex = 2;
    assert_int_equal(tn_route_add(net.stack, &r), 0);
    assert_int_equal(find("", "198.51.100.1", 0), 0);
    assert_path(TN_PATH_UNICAST, 1, "10.0.7.7");
    assert_int_equal(find("10.0.9.7", "198.51.100.1", 0), 0);
    assert_path(TN_PATH_UNICAST, 2, "10.0.9.7");
}

static void interface_that_is_down_carries_nothing(void **state)
{
    net.stack->interfaces[2]->pub.up = false;
    tn_paths_changed(net.stack);
    assert_int_equal(find("", "10.0.9.1", 0), 0);
    assert_path(TN_PATH_UNICAST, 1, "10.0.7.7");
    assert_int_equal(find("", "10.0.9.255", 0), -ENETUNREACH);
    net.stack->interfaces[1]->pub.up = false;
    tn_paths_changed(net.stack);
    assert_int_equal(find("", "203.0.113.1", 0), -ENETUNREACH);
    net.stack->interfaces[1]->pub.up = net.stack->interfaces[2]->pub.up = true;
}

static void no_route_is_unreachable(void **state)
{
    struct tn_route r = {.to = addr("0.0.0.0"), .via = addr("10.0.7.1"), .ifindex = 1, .family = AF_INET};
    assert_int_equal(tn_route_remove(net.stack, &r), 0);
    assert_int_equal(find("", "203.0.113.1", 0), -ENETUNREACH);
    assert_int_equal(path.kind, TN_PATH_NONE);
}

static void remembered_path_is_not_looked_up_again_until_something_changes(void **state)
{
    struct tn_addr src = {.half = {0, 0}}, dst = addr("10.0.7.1");
    struct tn_self *core = tn_core_self(net.stack);
    memset(&path, 0, sizeof(path));
    uint64_t before = net_counter(&net, "core", "path-lookups");
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(tn_core_path_find(core, AF_INET, 0, &src, &dst, &path), 0);
    assert_int_equal(net_counter(&net, "core", "path-lookups"), before + 1);
    assert_int_equal(add("192.0.2.1", 24, 3, 0), 0);
    assert_int_equal(tn_core_path_find(core, AF_INET, 0, &src, &dst, &path), 0);
    assert_int_equal(net_counter(&net, "core", "path-lookups"), before + 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(own_addresses_are_local_on_their_interface),
        T(subnets_have_a_broadcast_address),
        T(point_to_point_subnets_have_none),
        T(broadcast_stays_while_another_address_has_it),
        T(address_is_one_interfaces_in_a_vrf_and_one_vrfs_on_an_interface),
        T(limit_of_addresses_is_kept),
        T(unknown_address_cannot_be_removed),
        T(new_address_is_announced_and_answered_for_and_a_removed_one_is_not),
        T(connected_route_comes_and_goes_with_the_subnets_addresses),
        T(source_is_the_address_near_the_next_hop),
        T(given_source_must_be_ours),
        T(loopback_addresses_stay_inside),
        T(own_address_is_a_local_path_from_itself),
        T(own_address_of_another_vrf_is_another_host),
        T(broadcasts_leave_by_their_subnets_interface),
        T(multicasts_leave_by_route_or_by_their_sources_interface),
        T(interface_without_addresses_speaks_with_anothers),
        T(source_decides_between_equal_routes),
        T(interface_that_is_down_carries_nothing),
        T(no_route_is_unreachable),
        T(remembered_path_is_not_looked_up_again_until_something_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
