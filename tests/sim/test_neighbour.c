/* The neighbour table: the states of RFC 4861 §7.3.2, what is believed of what is said, and what happens when there is no
 * room. The resolver's words are test_arp.c's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>

#include "neighbour.h"
#include "net.h"
#include "route.h"
#include "stack.h"

static struct net net;

static int start(const char *limits)
{
    char yaml[1024];
    snprintf(yaml, sizeof(yaml),
             "stack: { name: n, limits: %s }\n"
             "interfaces:\n"
             "  h0: { driver: host, mac: \"02:00:00:00:07:07\", addresses: [10.0.7.7/16] }\n"
             "protocols: { ether: {}, arp: { conflict-detection: off }, ipv4: {}, icmp: {} }\n",
             limits);
    net_begin(&net, yaml);
    tn_sim_settle(net.sim);
    (void)net_take_all(&net);
    tn_stack_usage(net.stack, &net.start);
    return 0;
}

static int setup(void **state)
{
    return start("{}");
}

/* Room for 16 neighbours; 64 packets, so 16 that wait. */
static int setup_small(void **state)
{
    return start("{ neighbours: 16, packets: 64 }");
}

static int teardown(void **state)
{
    net_stop(&net);
    return 0;
}

/* ---- Helpers ---- */

static const uint8_t lladdr_a[6] = {2, 0, 0, 0, 0, 0xa};
static const uint8_t lladdr_b[6] = {2, 0, 0, 0, 0, 0xb};

static struct tn_addr host(unsigned n)
{
    uint8_t bytes[4] = {10, 0, (uint8_t)(n / 200), (uint8_t)(1 + n % 200)};
    return tn_addr_from(bytes, 4);
}

static void learn(unsigned n, const uint8_t *lladdr, unsigned flags)
{
    struct tn_addr addr = host(n);
    tn_core_neighbour_learn(tn_core_self(net.stack), &net.stack->interfaces[1]->pub, AF_INET, &addr, lladdr,
                            flags);
    tn_sim_settle(net.sim);
}

/* The stack looks at its clock when it works, and not when the test calls into it. */
static void look_at_clock(void)
{
    net.stack->now = tn_stack_now(net.stack);
}

static int find_path(unsigned n, struct tn_path *path)
{
    look_at_clock();
    struct tn_addr src = {.half = {0, 0}}, dst = host(n);
    return tn_core_path_find(tn_core_self(net.stack), AF_INET, 0, &src, &dst, path);
}

static int send_on(unsigned n, const struct tn_path *path)
{
    struct tn_packet *packet = tn_packet_new(&net.stack->pool, 8);
    assert_non_null(packet);
    memset(packet->data, 0, 8);
    packet->family = AF_INET;
    packet->protocol = 253;
    packet->dst = host(n);
    packet->src = tn_addr_from("\x0a\0\7\7", 4);
    int err = tn_core_network_output(tn_core_self(net.stack), packet, path);
    net.stack->work_pending = true;
    tn_sim_settle(net.sim);
    return err;
}

static int send_to(unsigned n)
{
    struct tn_path path = {0};
    int err = find_path(n, &path);
    return err < 0 ? err : send_on(n, &path);
}

struct sought {
    struct tn_addr addr;
    struct tn_neighbour_info info;
    bool found;
};

static void look_at(void *context, const struct tn_neighbour_info *info)
{
    struct sought *s = context;
    if (!tn_addr_equal(&info->addr, &s->addr))
        return;
    s->info = *info;
    s->found = true;
}

static bool known(unsigned n)
{
    struct sought s = {.addr = host(n)};
    tn_neighbour_each(net.stack, look_at, &s);
    return s.found;
}

static void assert_state(unsigned n, enum tn_neighbour_state state, const uint8_t *lladdr)
{
    struct sought s = {.addr = host(n)};
    tn_neighbour_each(net.stack, look_at, &s);
    assert_true(s.found);
    assert_string_equal(tn_neighbour_state_name(s.info.state), tn_neighbour_state_name(state));
    assert_int_equal(s.info.lladdr_len, lladdr ? 6 : 0);
    if (lladdr)
        assert_memory_equal(s.info.lladdr, lladdr, 6);
}

/* A neighbour that was asked for and has answered. */
static void befriend(unsigned n)
{
    assert_int_equal(send_to(n), 0);
    learn(n, lladdr_a, TN_LEARN_SOLICITED | TN_LEARN_OVERRIDE);
    assert_state(n, TN_NEIGHBOUR_REACHABLE, lladdr_a);
    (void)net_take_all(&net);
}

/* ---- What is believed: RFC 4861 §7.2.5 ---- */

static void what_nobody_asked_for_makes_a_stale_entry_at_most(void **state)
{
    learn(1, lladdr_a, TN_LEARN_OVERRIDE);
    assert_false(known(1));
    learn(1, lladdr_a, TN_LEARN_CREATE | TN_LEARN_SOLICITED | TN_LEARN_OVERRIDE);
    assert_state(1, TN_NEIGHBOUR_STALE, lladdr_a);
}

static void answer_to_a_question_makes_it_reachable(void **state)
{
    assert_int_equal(send_to(1), 0);
    assert_state(1, TN_NEIGHBOUR_INCOMPLETE, NULL);
    learn(1, lladdr_a, TN_LEARN_SOLICITED | TN_LEARN_OVERRIDE);
    assert_state(1, TN_NEIGHBOUR_REACHABLE, lladdr_a);
}

static void news_while_asking_lets_packets_go_but_confirms_nothing(void **state)
{
    assert_int_equal(send_to(1), 0);
    (void)net_take_all(&net);
    learn(1, lladdr_a, TN_LEARN_OVERRIDE);
    assert_int_equal(net_take_all(&net), 1);
    assert_state(1, TN_NEIGHBOUR_DELAY, lladdr_a);
}

static void second_answer_is_no_answer(void **state)
{
    befriend(1);
    learn(1, lladdr_b, TN_LEARN_SOLICITED | TN_LEARN_OVERRIDE);
    assert_state(1, TN_NEIGHBOUR_STALE, lladdr_b);
}

static void same_address_without_a_question_changes_nothing(void **state)
{
    befriend(1);
    learn(1, lladdr_a, TN_LEARN_OVERRIDE);
    assert_state(1, TN_NEIGHBOUR_REACHABLE, lladdr_a);
}

static void other_address_without_override_only_makes_it_doubtful(void **state)
{
    befriend(1);
    learn(1, lladdr_b, 0);
    assert_state(1, TN_NEIGHBOUR_STALE, lladdr_a);
    learn(1, lladdr_b, 0);
    assert_state(1, TN_NEIGHBOUR_STALE, lladdr_a);
}

/* ---- Time ---- */

static void used_entry_goes_through_doubt_to_failure_when_nobody_answers(void **state)
{
    befriend(1);
    net_pass(&net, 46 * TN_SEC);
    assert_state(1, TN_NEIGHBOUR_STALE, lladdr_a);
    assert_int_equal(send_to(1), 0);
    assert_state(1, TN_NEIGHBOUR_DELAY, lladdr_a);
    net_pass(&net, 5 * TN_SEC);
    assert_state(1, TN_NEIGHBOUR_PROBE, lladdr_a);
    assert_int_equal(send_to(1), 0);
    net_pass(&net, 3 * TN_SEC);
    assert_state(1, TN_NEIGHBOUR_FAILED, NULL);
    assert_int_equal(send_to(1), -EHOSTUNREACH);
    net_pass(&net, TN_SEC);
    assert_int_equal(send_to(1), 0);
    assert_state(1, TN_NEIGHBOUR_INCOMPLETE, NULL);
    (void)net_take_all(&net);
}

static void unused_entry_is_forgotten_after_ten_minutes(void **state)
{
    learn(1, lladdr_a, TN_LEARN_CREATE);
    net_pass(&net, 599 * TN_SEC);
    assert_true(known(1));
    net_pass(&net, TN_SEC);
    assert_false(known(1));
    net_expect_nothing(&net);
}

/* RFC 4861 §7.3.1: what a transport sees arrive needs no question. */
static void confirmation_from_above_keeps_it_reachable(void **state)
{
    struct tn_path path = {0};
    befriend(1);
    for (unsigned i = 0; i < 30; i++) {
        net_pass(&net, 10 * TN_SEC);
        assert_state(1, TN_NEIGHBOUR_REACHABLE, lladdr_a);
        assert_int_equal(find_path(1, &path), 0);
        tn_core_neighbour_confirm(tn_core_self(net.stack), &path);
        assert_int_equal(send_on(1, &path), 0);
        assert_state(1, TN_NEIGHBOUR_REACHABLE, lladdr_a);
    }
    assert_int_equal(net_take_all(&net), 30);
    assert_int_equal(net_counter(&net, "core", "neighbour-solicits"), 1);
}

static void confirmation_from_above_ends_doubt(void **state)
{
    struct tn_path path = {0};
    learn(1, lladdr_a, TN_LEARN_CREATE);
    assert_int_equal(find_path(1, &path), 0);
    assert_int_equal(send_on(1, &path), 0);
    assert_state(1, TN_NEIGHBOUR_DELAY, lladdr_a);
    tn_core_neighbour_confirm(tn_core_self(net.stack), &path);
    assert_state(1, TN_NEIGHBOUR_REACHABLE, lladdr_a);
}

/* ---- No room ---- */

static void full_table_forgets_hearsay_first_and_the_oldest_of_it(void **state)
{
    befriend(0);
    for (unsigned n = 1; n <= 15; n++)
        learn(n, lladdr_a, TN_LEARN_CREATE);
    assert_int_equal(tn_neighbour_count(net.stack), 16);
    learn(20, lladdr_a, TN_LEARN_CREATE);
    assert_int_equal(tn_neighbour_count(net.stack), 16);
    assert_false(known(1));
    assert_true(known(0) && known(2) && known(20));
}

static void full_table_forgets_who_failed_before_hearsay(void **state)
{
    assert_int_equal(send_to(0), 0);
    net_pass(&net, 4 * TN_SEC);
    assert_state(0, TN_NEIGHBOUR_FAILED, NULL);
    for (unsigned n = 1; n <= 15; n++)
        learn(n, lladdr_a, TN_LEARN_CREATE);
    learn(20, lladdr_a, TN_LEARN_CREATE);
    assert_false(known(0));
    assert_true(known(1) && known(20));
    (void)net_take_all(&net);
}

static void full_table_of_live_entries_refuses_new_ones(void **state)
{
    for (unsigned n = 0; n < 16; n++)
        befriend(n);
    assert_int_equal(send_to(20), -ENOBUFS);
    learn(20, lladdr_a, TN_LEARN_CREATE);
    assert_false(known(20));
    for (unsigned n = 0; n < 16; n++)
        assert_state(n, TN_NEIGHBOUR_REACHABLE, lladdr_a);
    assert_int_equal(net_counter(&net, "core", "neighbour-limit"), 2);
}

static void flood_of_questions_leaves_live_entries_alone(void **state)
{
    befriend(0);
    for (unsigned n = 1; n < 2000; n++) {
        (void)send_to(n);
        (void)net_take_all(&net);
    }
    assert_state(0, TN_NEIGHBOUR_REACHABLE, lladdr_a);
    assert_int_equal(tn_neighbour_count(net.stack), 16);
    (void)net_take_all(&net);
    assert_int_equal(send_to(0), 0);
    assert_int_equal(net_take_all(&net), 1);
}

/* A path may name an entry that is gone; its memory is not another entry's before the path is invalid. */
static void path_to_a_forgotten_entry_sends_nothing_to_another(void **state)
{
    struct tn_path path = {0};
    learn(0, lladdr_a, TN_LEARN_CREATE);
    assert_int_equal(find_path(0, &path), 0);
    for (unsigned n = 1; n < 2000; n++) {
        learn(n, lladdr_b, TN_LEARN_CREATE);
        if (n == 16)
            assert_false(known(0));
    }
    assert_int_equal(send_on(0, &path), -ENETUNREACH);
    assert_int_equal(net_drops(&net, "core", "no-path"), 1);
    net_expect_nothing(&net);
}

static void path_to_an_entry_just_forgotten_is_found_anew(void **state)
{
    struct tn_path path = {0};
    learn(0, lladdr_a, TN_LEARN_CREATE);
    assert_int_equal(find_path(0, &path), 0);
    for (unsigned n = 1; n <= 16; n++)
        learn(n, lladdr_b, TN_LEARN_CREATE);
    assert_int_equal(find_path(0, &path), 0); /* still the old one */
    assert_int_equal(send_on(0, &path), -ENETUNREACH);
    assert_int_equal(find_path(0, &path), 0);
    assert_int_equal(send_on(0, &path), 0);
    assert_state(0, TN_NEIGHBOUR_INCOMPLETE, NULL);
    (void)net_take_all(&net);
}

static void packets_for_silent_hosts_take_a_quarter_of_the_pool_at_most(void **state)
{
    for (unsigned round = 0; round < 10; round++)
        for (unsigned n = 0; n < 15; n++)
            assert_int_equal(send_to(n), 0);
    (void)net_take_all(&net);
    struct tn_usage usage;
    tn_stack_usage(net.stack, &usage);
    assert_int_equal(usage.packets, 16);
    assert_int_equal(net_drops(&net, "core", "neighbour-queue-full"), 150 - 16);
    net_pass(&net, 4 * TN_SEC);
    assert_int_equal(net_drops(&net, "core", "neighbour-unreachable"), 16);
    (void)net_take_all(&net);
}

static void flush_forgets_all_and_drops_what_waits(void **state)
{
    befriend(0);
    assert_int_equal(send_to(1), 0);
    tn_neighbours_flush(net.stack, 0);
    assert_int_equal(tn_neighbour_count(net.stack), 0);
    assert_int_equal(net_drops(&net, "core", "interface-down"), 1);
    (void)net_take_all(&net);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define S(f) cmocka_unit_test_setup_teardown(f, setup_small, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_nobody_asked_for_makes_a_stale_entry_at_most),
        T(answer_to_a_question_makes_it_reachable),
        T(news_while_asking_lets_packets_go_but_confirms_nothing),
        T(second_answer_is_no_answer),
        T(same_address_without_a_question_changes_nothing),
        T(other_address_without_override_only_makes_it_doubtful),
        T(used_entry_goes_through_doubt_to_failure_when_nobody_answers),
        T(unused_entry_is_forgotten_after_ten_minutes),
        T(confirmation_from_above_keeps_it_reachable),
        T(confirmation_from_above_ends_doubt),
        S(full_table_forgets_hearsay_first_and_the_oldest_of_it),
        S(full_table_forgets_who_failed_before_hearsay),
        S(full_table_of_live_entries_refuses_new_ones),
        S(flood_of_questions_leaves_live_entries_alone),
        S(path_to_a_forgotten_entry_sends_nothing_to_another),
        S(path_to_an_entry_just_forgotten_is_found_anew),
        S(packets_for_silent_hosts_take_a_quarter_of_the_pool_at_most),
        T(flush_forgets_all_and_drops_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
