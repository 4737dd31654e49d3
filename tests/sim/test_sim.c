/* Virtual time itself: it jumps, it is exact, it is the same every time. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tenon/sim.h"

#define PATH TN_TEST_PLUGINS "/first:" TN_TEST_PLUGIN_DIR

static const char form[] =
    "stack: { name: s%d }\n"
    "interfaces:\n"
    "  w0: { driver: wire, delay: 5ms, jitter: 3ms, loss: 5%%, addresses: [10.0.0.%d/24] }\n"
    "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {}, tcp: {} }\n"
    "services:\n"
    "  echo: { listen: [tcp/7, udp/7] }\n"
    "  probe: { listen: [tcp/70] }\n";

struct pair {
    struct tn_sim *sim;
    struct tn_stack *a, *b;
};

static struct pair make_pair(uint64_t seed)
{
    struct pair p = {.sim = tn_sim_create(seed)};
    struct tn_stack **stacks[] = {&p.a, &p.b};
    struct tn_error error;
    char yaml[1024];
    tn_sim_plugin_path(p.sim, PATH);
    for (int i = 0; i < 2; i++) {
        snprintf(yaml, sizeof(yaml), form, i + 1, i + 1);
        if (tn_sim_add(p.sim, yaml, stacks[i], &error) < 0)
            fail_msg("%s", error.text);
    }
    assert_int_equal(tn_stack_join(p.a, "w0", p.b, "w0"), 0);
    return p;
}

/* A minute of datagrams, a connection and lost frames between the two. */
static uint64_t trace_of_a_minute(uint64_t seed)
{
    struct pair p = make_pair(seed);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7)};
    to.sin_addr.s_addr = htonl(0x0a000002);
    int udp = tn_socket(p.a, AF_INET, SOCK_DGRAM, 0);
    int tcp = tn_socket(p.a, AF_INET, SOCK_STREAM, 0);
    (void)tn_connect(p.a, tcp, (struct sockaddr *)&to, sizeof(to));
    for (int i = 0; i < 60; i++) {
        (void)tn_sendto(p.a, udp, "datagram", 8, 0, (struct sockaddr *)&to, sizeof(to));
        (void)tn_send(p.a, tcp, "stream", 6, 0);
        tn_sim_run(p.sim, TN_SEC);
    }
    uint64_t hash = tn_sim_trace_hash(p.sim);
    tn_sim_destroy(p.sim);
    return hash;
}

/* Design rule 5. */
static void same_seed_gives_the_same_packets(void **state)
{
    (void)state;
    uint64_t first = trace_of_a_minute(17);
    assert_true(first != 0);
    assert_true(trace_of_a_minute(17) == first);
    assert_true(trace_of_a_minute(17) == first);
}

static void another_seed_gives_other_packets(void **state)
{
    (void)state;
    assert_true(trace_of_a_minute(17) != trace_of_a_minute(18));
}

/* The probe counts seconds: an hour holds 3600 of them, and takes no hour. */
static void hour_passes_second_by_second(void **state)
{
    (void)state;
    struct pair p = make_pair(1);
    tn_time start = tn_sim_now(p.sim);
    tn_sim_run(p.sim, 3600 * TN_SEC);
    assert_true(tn_sim_now(p.sim) == start + 3600 * TN_SEC);
    assert_int_equal(tn_stack_counter(p.a, "probe", "seconds"), 3600);
    assert_int_equal(tn_stack_counter(p.b, "probe", "seconds"), 3600);
    tn_sim_destroy(p.sim);
}

static void clock_stands_still_but_when_it_is_let_go(void **state)
{
    (void)state;
    struct pair p = make_pair(1);
    tn_sim_settle(p.sim);
    tn_time now = tn_sim_now(p.sim);
    tn_sim_settle(p.sim);
    assert_true(tn_sim_now(p.sim) == now);
    assert_true(tn_stack_now(p.a) == now && tn_stack_now(p.b) == now);
    assert_true(tn_sim_deadline(p.sim) > now);
    /* Never beyond what was allowed, nor beyond the next deadline. */
    tn_time until = now + TN_USEC;
    assert_false(tn_sim_advance(p.sim, until));
    assert_true(tn_sim_now(p.sim) == until);
    assert_true(tn_sim_advance(p.sim, TN_NEVER));
    assert_true(tn_sim_now(p.sim) > until);
    tn_sim_destroy(p.sim);
}

static void wrong_configuration_adds_nothing(void **state)
{
    (void)state;
    struct pair p = make_pair(1);
    struct tn_stack *stack;
    struct tn_error error;
    assert_true(tn_sim_add(p.sim, "nonsense: {}\n", &stack, &error) < 0);
    assert_non_null(strstr(error.text, "stack.yaml:1:1"));
    tn_sim_run(p.sim, TN_SEC);
    tn_sim_destroy(p.sim);
}

static void join_refuses_what_cannot_be_joined(void **state)
{
    (void)state;
    struct pair p = make_pair(1);
    assert_int_equal(tn_stack_join(p.a, "w0", p.b, "w0"), -EBUSY);
    assert_int_equal(tn_stack_join(p.a, "w9", p.b, "w0"), -ENODEV);
    tn_sim_destroy(p.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_gives_the_same_packets),
        cmocka_unit_test(another_seed_gives_other_packets),
        cmocka_unit_test(hour_passes_second_by_second),
        cmocka_unit_test(clock_stands_still_but_when_it_is_let_go),
        cmocka_unit_test(wrong_configuration_adds_nothing),
        cmocka_unit_test(join_refuses_what_cannot_be_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
