/* Which way a service's answers go (kernel/socket_send.c): the last one's is remembered, and must not be taken by those that go
 * elsewhere, nor when the routes have changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "net.h"
#include "route.h"
#include "stack.h"

static struct net net;
static struct net_seen seen;

#define FAR "192.0.2.9" /* by way of a router */

static int setup(void **state)
{
    net_start(
        &net,
        NET_YAML(
            "  ether: {}\n  arp: {}\n  ipv4: {}\n  udp: {}\n") "services: { echo: { listen: [udp/7] } }\n");
    net_send_arp(&net, &(struct net_arp){NET_OWN, NET_OTHER, 1, NET_OTHER, "10.0.7.2", NET_NONE, "10.0.7.7"});
    (void)net_take_all(&net);
    net_meet(&net);
    return 0;
}

static int teardown(void **state)
{
    net_stop(&net);
    return 0;
}

/* ---- Helpers ---- */

/* From port 4000 to echo, without a checksum. */
static void ask(const char *src, const char *dst)
{
    static const uint8_t datagram[] = {4000 >> 8, 4000 & 0xff, 0, 7, 0, 12, 0, 0, 'r', 'o', 's', 'e'};
    net_send_ip(&net, &(struct net_ip){.src = src, .dst = dst, .protocol = 17}, datagram, sizeof(datagram));
}

static void expect_answer(const char *src, const char *dst, const char *station)
{
    net_expect_ip(&net, &seen);
    assert_string_equal(seen.src, src);
    assert_string_equal(seen.dst, dst);
    assert_string_equal(seen.to, station);
    assert_int_equal(seen.len, 12);
    assert_memory_equal(seen.payload + 8, "rose", 4);
}

static void ask_and_expect(const char *src, const char *dst, const char *station)
{
    for (int i = 0; i < 2; i++) {
        ask(src, dst);
        expect_answer(dst, src, station);
    }
}

static struct tn_route default_route(const char *via, uint32_t metric)
{
    struct tn_route route = {.ifindex = 1, .family = AF_INET, .metric = metric};
    assert_int_equal(inet_pton(AF_INET, via, route.via.bytes), 1);
    return route;
}

/* ---- Tests ---- */

static void each_gets_its_own_answer(void **state)
{
    ask_and_expect("10.0.7.1", "10.0.7.7", NET_PEER);
    ask_and_expect("10.0.7.2", "10.0.7.7", NET_OTHER);
    ask_and_expect("10.0.7.1", "10.0.7.7", NET_PEER);
}

static void answer_comes_from_the_address_that_was_asked(void **state)
{
    ask_and_expect("10.0.7.1", "10.0.7.7", NET_PEER);
    ask_and_expect("10.0.7.1", "10.0.7.8", NET_PEER);
    ask_and_expect("10.0.7.1", "10.0.7.7", NET_PEER);
}

static void answer_takes_the_way_that_the_routes_say_now(void **state)
{
    ask_and_expect(FAR, "10.0.7.7", NET_PEER);
    const struct tn_route old = default_route("10.0.7.1", 0), new = default_route("10.0.7.2", 0);
    assert_int_equal(tn_route_remove(net.stack, &old), 0);
    assert_int_equal(tn_route_add(net.stack, &new), 0);
    ask_and_expect(FAR, "10.0.7.7", NET_OTHER);
    assert_int_equal(tn_route_remove(net.stack, &new), 0);
    ask(FAR, "10.0.7.7");
    net_expect_nothing(&net);
    assert_int_equal(tn_route_add(net.stack, &old), 0);
    ask_and_expect(FAR, "10.0.7.7", NET_PEER);
}

/* Swapped code is called from the next datagram on, and remembers the way. */
static void answers_go_on_when_plugins_are_swapped(void **state)
{
    static const char *const plugins[] = {"udp", "ipv4", "ether", "echo"};
    struct tn_error error;
    ask_and_expect("10.0.7.1", "10.0.7.7", NET_PEER);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(tn_stack_swap(net.stack, plugins[i], NULL, &error), 0);
        ask_and_expect("10.0.7.1", "10.0.7.7", NET_PEER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_gets_its_own_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(answer_comes_from_the_address_that_was_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(answer_takes_the_way_that_the_routes_say_now, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_go_on_when_plugins_are_swapped, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
