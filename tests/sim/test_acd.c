/* Address conflict detection (RFC 5227): what is said on the link before an address is used and afterwards, at which times, and what
 * others can do about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net.h"

#define YAML(arp)                                                                                            \
    "stack: { name: net }\n"                                                                                 \
    "interfaces: { h0: { driver: host, mac: \"02:00:00:00:07:07\", addresses: [10.0.7.7/24, 10.0.7.8/24] } " \
    "}\n"                                                                                                    \
    "protocols: { ether: {}, arp: " arp ", ipv4: {}, icmp: {}, udp: {}, tcp: {} }\n"                         \
    "services: { echo: { listen: [tcp/7] } }\n"

static struct net net;

static void finish(void)
{
    tn_sim_destroy(net.sim);
}

/* ---- What is said ---- */

static struct net_arp probe(const char *lladdr, const char *address)
{
    return (struct net_arp){.to = NET_ALL,
                            .from = lladdr,
                            .op = 1,
                            .sha = lladdr,
                            .spa = "0.0.0.0",
                            .tha = NET_NONE,
                            .tpa = address};
}

static struct net_arp announcement(const char *lladdr, const char *address)
{
    return (struct net_arp){.to = NET_ALL,
                            .from = lladdr,
                            .op = 1,
                            .sha = lladdr,
                            .spa = address,
                            .tha = NET_NONE,
                            .tpa = address};
}

static void say(struct net_arp arp)
{
    net_send_arp(&net, &arp);
}

/* Lets time pass until the stack sends an ARP packet that is exactly this one; others before it are passed over. Returns when. */
static tn_time wait_for(tn_time most, struct net_arp arp)
{
    static struct net_frame expected, frame;
    tn_time end = tn_sim_now(net.sim) + most;
    net_build_arp(&arp, &expected);
    for (bool more = true; more;) {
        tn_sim_settle(net.sim);
        while (net_take_frame(&net, &frame))
            if (frame.len == expected.len && memcmp(frame.bytes, expected.bytes, frame.len) == 0)
                return tn_sim_now(net.sim);
        more = tn_sim_advance(net.sim, end);
    }
    fail_msg("%s to %s was not said within %llu ms; log:\n%s", arp.spa, arp.tpa,
             (unsigned long long)(most / TN_MSEC), net.log);
    return 0;
}

static void expect_span(tn_time span, unsigned least, unsigned most)
{
    if (span < least * TN_MSEC || span > (most + 1) * TN_MSEC)
        fail_msg("%llu ms, expected %u to %u", (unsigned long long)(span / TN_MSEC), least, most);
}

/* Whether a request for the address is answered. */
static bool answers(const char *address)
{
    static struct net_frame expected, frame;
    bool answered = false;
    (void)net_take_all(&net);
    say((struct net_arp){.to = NET_ALL,
                         .from = NET_PEER,
                         .op = 1,
                         .sha = NET_PEER,
                         .spa = "10.0.7.1",
                         .tha = NET_NONE,
                         .tpa = address});
    net_build_arp(&(struct net_arp){.to = NET_PEER,
                                    .from = NET_OWN,
                                    .op = 2,
                                    .sha = NET_OWN,
                                    .spa = address,
                                    .tha = NET_PEER,
                                    .tpa = "10.0.7.1"},
                  &expected);
    while (net_take_frame(&net, &frame))
        answered |= memcmp(frame.bytes, expected.bytes, expected.len) == 0;
    return answered;
}

static bool shown(const char *text)
{
    char *json;
    struct tn_error error;
    assert_int_equal(tn_stack_show(net.stack, "addresses", &json, &error), 0);
    bool has = strstr(json, text) != NULL;
    free(json);
    return has;
}

/* ---- Looking ---- */

/* conformance: 5227 2.1.1; 5227 2.3 */
static void address_is_probed_three_times_then_announced_twice(void **state)
{
    tn_time at[5];
    net_begin(&net, YAML("{ conflict-detection: strict }"));
    tn_time start = tn_sim_now(net.sim);
    for (int i = 0; i < 3; i++)
        at[i] = wait_for(3 * TN_SEC, probe(NET_OWN, "10.0.7.7"));
    for (int i = 3; i < 5; i++)
        at[i] = wait_for(3 * TN_SEC, announcement(NET_OWN, "10.0.7.7"));
    expect_span(at[0] - start, 0, 1000);    /* PROBE_WAIT */
    expect_span(at[1] - at[0], 1000, 2000); /* PROBE_MIN, PROBE_MAX */
    expect_span(at[2] - at[1], 1000, 2000);
    expect_span(at[3] - at[2], 2000, 2000); /* ANNOUNCE_WAIT */
    expect_span(at[4] - at[3], 2000, 2000); /* ANNOUNCE_INTERVAL */
    net_pass(&net, 60 * TN_SEC);            /* and no more: §2.1 */
    (void)net_take_all(&net);
    net_pass(&net, 3600 * TN_SEC);
    net_expect_nothing(&net);
    finish();
}

/* conformance: 5227 2.1 */
static void strict_address_is_not_used_before_it_was_looked_for(void **state)
{
    net_begin(&net, YAML("{ conflict-detection: strict }"));
    assert_false(answers("10.0.7.7"));
    assert_true(shown("looked for"));
    (void)wait_for(10 * TN_SEC, announcement(NET_OWN, "10.0.7.7"));
    net_pass(&net, TN_SEC);
    assert_true(answers("10.0.7.7"));
    assert_true(shown("in use"));
    finish();
}

static void optimistic_address_is_used_while_it_is_looked_for(void **state)
{
    net_begin(&net, YAML("{}"));
    assert_true(answers("10.0.7.7"));
    (void)wait_for(2 * TN_SEC, probe(NET_OWN, "10.0.7.7"));
    (void)wait_for(10 * TN_SEC, announcement(NET_OWN, "10.0.7.7"));
    finish();
}

static void nothing_is_looked_for_when_it_is_off(void **state)
{
    net_begin(&net, YAML("{ conflict-detection: off }"));
    tn_sim_settle(net.sim);
    struct net_arp first = announcement(NET_OWN, "10.0.7.7"), second = announcement(NET_OWN, "10.0.7.8");
    net_expect_arp(&net, &first);
    net_expect_arp(&net, &second);
    net_pass(&net, 60 * TN_SEC);
    net_expect_nothing(&net);
    finish();
}

/* conformance: 5227 2.1.1-answer */
static void answer_to_a_probe_takes_the_address_away(void **state)
{
    net_begin(&net, YAML("{ conflict-detection: strict }"));
    (void)wait_for(2 * TN_SEC, probe(NET_OWN, "10.0.7.7"));
    say((struct net_arp){.to = NET_OWN,
                         .from = NET_OTHER,
                         .op = 2,
                         .sha = NET_OTHER,
                         .spa = "10.0.7.7",
                         .tha = NET_OWN,
                         .tpa = "0.0.0.0"});
    net_pass(&net, 10 * TN_SEC);
    assert_false(answers("10.0.7.7"));
    assert_true(answers("10.0.7.8")); /* the other is used */
    assert_true(shown("\"conflict\""));
    assert_true(shown("02:00:00:00:07:02"));
    assert_non_null(strstr(net.log, "10.0.7.7 is also used by 02:00:00:00:07:02"));
    assert_int_equal(net_counter(&net, "arp", "lost"), 1);
    finish();
}

/* conformance: 5227 2.1.1-probe */
static void probe_of_another_for_the_same_address_is_a_conflict(void **state)
{
    net_begin(&net, YAML("{ conflict-detection: strict }"));
    (void)wait_for(2 * TN_SEC, probe(NET_OWN, "10.0.7.7"));
    say(probe(NET_OTHER, "10.0.7.7"));
    assert_true(shown("\"conflict\""));
    finish();
}

/* conformance: 5227 2.1.1-echo */
/* As `arping -D` does. */
static void probe_of_another_for_an_address_in_use_is_answered(void **state)
{
    net_begin(&net, YAML("{}"));
    (void)wait_for(2 * TN_SEC, probe(NET_OWN, "10.0.7.7"));
    say(probe(NET_OTHER, "10.0.7.7"));
    net_expect_arp(&net, &(struct net_arp){NET_OTHER, NET_OWN, 2, NET_OWN, "10.0.7.7", NET_OTHER, "0.0.0.0"});
    assert_true(shown("\"in use\""));
    assert_false(shown("\"conflict\""));
    assert_int_equal(net_counter(&net, "arp", "conflicts"), 0);
    finish();
}

static void own_probe_that_comes_back_is_no_conflict(void **state)
{
    net_begin(&net, YAML("{ conflict-detection: strict }"));
    (void)wait_for(2 * TN_SEC, probe(NET_OWN, "10.0.7.7"));
    say(probe(NET_OWN, "10.0.7.7"));
    say(announcement(NET_OWN, "10.0.7.7"));
    assert_false(shown("\"conflict\""));
    assert_int_equal(net_counter(&net, "arp", "conflicts"), 0);
    finish();
}

/* conformance: 5227 2.1.1-wait */
static void conflict_within_announce_wait_counts(void **state)
{
    net_begin(&net, YAML("{ conflict-detection: strict }"));
    for (int i = 0; i < 3; i++)
        (void)wait_for(3 * TN_SEC, probe(NET_OWN, "10.0.7.7"));
    net_pass(&net, 1900 * TN_MSEC);
    say(announcement(NET_OTHER, "10.0.7.7"));
    assert_true(shown("\"conflict\""));
    finish();
}

static void lost_address_of_the_configuration_is_looked_for_again(void **state)
{
    net_begin(&net, YAML("{ conflict-detection: strict }"));
    (void)wait_for(2 * TN_SEC, probe(NET_OWN, "10.0.7.7"));
    say(announcement(NET_OTHER, "10.0.7.7"));
    net_pass(&net, 50 * TN_SEC);
    assert_false(answers("10.0.7.7"));
    net_pass(&net, 25 * TN_SEC);
    assert_true(answers("10.0.7.7"));
    assert_false(shown("\"conflict\""));
    finish();
}

/* conformance: 5227 2.1.1-rate */
static void looks_are_a_minute_apart_after_ten_conflicts(void **state)
{
    tn_time lost = 0;
    net_begin(&net, YAML("{ conflict-detection: strict, rate-limit-interval: 1s }"));
    for (int i = 0; i < 10; i++) {
        (void)wait_for(5 * TN_SEC, probe(NET_OWN, "10.0.7.7"));
        say(announcement(NET_OTHER, "10.0.7.7"));
        lost = tn_sim_now(net.sim);
    }
    expect_span(wait_for(10 * TN_SEC, probe(NET_OWN, "10.0.7.7")) - lost, 2000,
                3000); /* the interval, twice */
    finish();
}

static void conflicts_are_forgotten_after_a_quiet_time(void **state)
{
    net_begin(&net, YAML("{ conflict-detection: strict, rate-limit-interval: 1s }"));
    for (int i = 0; i < 10; i++) {
        (void)wait_for(5 * TN_SEC, probe(NET_OWN, "10.0.7.7"));
        say(announcement(NET_OTHER, "10.0.7.7"));
    }
    net_pass(&net, 11 * TN_SEC); /* ten intervals */
    (void)net_take_all(&net);
    assert_true(answers("10.0.7.7"));
    for (int i = 0; i < 2; i++) /* lost again */
        say(announcement(NET_OTHER, "10.0.7.7"));
    tn_time lost = tn_sim_now(net.sim);
    expect_span(wait_for(10 * TN_SEC, probe(NET_OWN, "10.0.7.7")) - lost, 1000,
                2000); /* the interval, once */
    finish();
}

/* ---- Detection that comes later ---- */

static void reload(const char *yaml)
{
    struct tn_error error;
    if (tn_stack_reload(net.stack, yaml, "stack.yaml", &error, NULL, 0) < 0)
        fail_msg("%s", error.text);
}

/* conformance: 5227 2.1 */
static void detection_that_a_reload_switches_on_looks_for_the_addresses_that_are_there(void **state)
{
    net_start(&net, YAML("{ conflict-detection: off }"));
    say(announcement(NET_OTHER, "10.0.7.7"));
    assert_int_equal(net_counter(&net, "arp", "defences"), 0);
    reload(YAML("{ conflict-detection: strict }"));
    assert_true(answers("10.0.7.7"));
    (void)wait_for(2 * TN_SEC, probe(NET_OWN, "10.0.7.7"));
    (void)wait_for(8 * TN_SEC, announcement(NET_OWN, "10.0.7.7"));
    net_pass(&net, 3 * TN_SEC);
    say(announcement(NET_OTHER, "10.0.7.7"));
    assert_int_equal(net_counter(&net, "arp", "defences"), 1);
    assert_true(answers("10.0.7.7"));
    finish();
}

static void detection_that_a_reload_switches_on_finds_a_conflict(void **state)
{
    net_start(&net, YAML("{ conflict-detection: off }"));
    reload(YAML("{}"));
    (void)wait_for(2 * TN_SEC, probe(NET_OWN, "10.0.7.7"));
    say(announcement(NET_OTHER, "10.0.7.7"));
    assert_true(shown("\"conflict\""));
    assert_false(answers("10.0.7.7"));
    finish();
}

/* ---- Defending ---- */

/* conformance: 5227 2.4-b */
static void address_is_defended_once_and_given_up_the_second_time(void **state)
{
    net_start(&net, YAML("{}"));
    say(announcement(NET_OTHER, "10.0.7.7"));
    struct net_arp defence = announcement(NET_OWN, "10.0.7.7");
    net_expect_arp(&net, &defence);
    assert_true(answers("10.0.7.7"));
    net_pass(&net, 9 * TN_SEC);
    say(announcement(NET_OTHER, "10.0.7.7"));
    assert_false(answers("10.0.7.7"));
    assert_true(shown("\"conflict\""));
    assert_int_equal(net_counter(&net, "arp", "defences"), 1);
    finish();
}

/* However soon the second conflict follows the first: the log tells both. */
static void log_tells_that_an_address_was_lost(void **state)
{
    net_start(&net, YAML("{}"));
    say(announcement(NET_OTHER, "10.0.7.7"));
    say(announcement(NET_OTHER, "10.0.7.7"));
    assert_non_null(strstr(net.log, "it is defended"));
    assert_non_null(strstr(net.log, "it is not used any more"));
    finish();
}

/* conformance: 5227 2.4-interval */
static void conflicts_more_than_ten_seconds_apart_are_each_defended(void **state)
{
    net_start(&net, YAML("{}"));
    for (int i = 0; i < 5; i++) {
        say(announcement(NET_OTHER, "10.0.7.7"));
        struct net_arp defence = announcement(NET_OWN, "10.0.7.7");
        net_expect_arp(&net, &defence);
        net_pass(&net, 11 * TN_SEC);
    }
    assert_true(answers("10.0.7.7"));
    finish();
}

/* conformance: 5227 2.4-a */
static void address_can_be_given_up_at_once(void **state)
{
    net_start(&net, YAML("{ defend: never }"));
    say(announcement(NET_OTHER, "10.0.7.7"));
    net_expect_nothing(&net);
    assert_false(answers("10.0.7.7"));
    finish();
}

/* conformance: 5227 2.4-c */
static void address_can_be_kept_for_ever_with_one_defence_an_interval(void **state)
{
    net_start(&net, YAML("{ defend: always }"));
    for (int i = 0; i < 9; i++) {
        say(announcement(NET_OTHER, "10.0.7.7"));
        net_pass(&net, TN_SEC);
    }
    assert_int_equal(net_counter(&net, "arp", "defences"), 1);
    net_pass(&net, 2 * TN_SEC);
    say(announcement(NET_OTHER, "10.0.7.7"));
    assert_int_equal(net_counter(&net, "arp", "defences"), 2);
    assert_true(answers("10.0.7.7"));
    finish();
}

/* A SYN or what follows, from 10.0.7.1:1000 to 10.0.7.7:7. */
static void say_segment(uint32_t seq, uint32_t ack, uint8_t flags)
{
    uint8_t tcp[20] = {1000 >> 8, 1000 & 0xff, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, flags, 0xff, 0xff};
    uint8_t whole[32] = {10, 0, 7, 1, 10, 0, 7, 7, 0, 6, 0, 20};
    tn_store32(tcp + 4, seq);
    tn_store32(tcp + 8, ack);
    memcpy(whole + 12, tcp, 20);
    uint16_t check = net_sum(whole, sizeof(whole));
    tn_store16(tcp + 16, check);
    net_send_ip(&net, &(struct net_ip){.protocol = 6, .ttl = 64}, tcp, sizeof(tcp));
}

/* conformance: 5227 2.4-reset */
static void connections_from_a_lost_address_are_reset(void **state)
{
    struct net_seen seen;
    net_start(&net, YAML("{ defend: never }"));
    net_meet(&net);
    say_segment(100, 0, 0x02);
    net_expect_ip(&net, &seen);
    assert_int_equal(seen.payload[13], 0x12);
    uint32_t ack = tn_load32(seen.payload + 4) + 1;
    say_segment(101, ack, 0x10);
    net_expect_nothing(&net);
    say(announcement(NET_OTHER, "10.0.7.7"));
    net_expect_ip(&net, &seen);
    assert_string_equal(seen.src, "10.0.7.7");
    assert_int_equal(seen.payload[13] & 0x04, 0x04); /* RST */
    assert_int_equal(tn_load32(seen.payload + 4), ack);
    net_pass(&net, TN_SEC);
    struct tn_usage usage;
    tn_stack_usage(net.stack, &usage);
    assert_int_equal(usage.sockets, net.start.sockets);
    finish();
}

/* A question from 0.0.0.0 would be a probe: it would say that this station wants the neighbour's address. */
static void nobody_is_asked_for_without_an_address(void **state)
{
    static struct net_frame frame;
    net_start(&net, YAML("{ defend: never }"));
    net_meet(&net);
    int fd = net_ping_socket(&net);
    assert_int_equal(net_ping_to(&net, fd, "10.0.7.1", 1, 8),
                     16); /* is doubted now, and would be probed in 5 s */
    assert_int_equal(tn_close(net.stack, fd), 0);
    say(announcement(NET_OTHER, "10.0.7.7"));
    say(announcement(NET_OTHER, "10.0.7.8"));
    (void)net_take_all(&net);
    net_pass(&net, 20 * TN_SEC);
    assert_false(net_take_frame(&net, &frame));
    finish();
}

/* ---- Two stacks ---- */

static struct tn_stack *wired(struct tn_sim *sim, const char *name, const char *arp)
{
    char yaml[400];
    struct tn_stack *stack;
    struct tn_error error;
    snprintf(yaml, sizeof(yaml),
             "stack: { name: %s }\n"
             "interfaces: { w0: { driver: wire, delay: 1ms, addresses: [10.0.7.7/24] } }\n"
             "protocols: { ether: {}, arp: %s, ipv4: {}, icmp: {} }\n",
             name, arp);
    if (tn_sim_add(sim, yaml, &stack, &error) < 0)
        fail_msg("%s", error.text);
    return stack;
}

static bool has_address(const struct tn_stack *stack)
{
    char *json;
    struct tn_error error;
    assert_int_equal(tn_stack_show((struct tn_stack *)stack, "addresses", &json, &error), 0);
    bool in_use = strstr(json, "in use") != NULL;
    free(json);
    return in_use;
}

/* Two stations with the same address; lets time pass, and tells how many have it. */
static int survivors(const char *arp_a, const char *arp_b, tn_time span)
{
    struct tn_sim *sim = tn_sim_create(3);
    tn_sim_plugin_path(sim, TN_TEST_PLUGIN_DIR);
    tn_sim_log(sim, NULL, NULL);
    struct tn_stack *a = wired(sim, "a", arp_a), *b = wired(sim, "b", arp_b);
    assert_int_equal(tn_stack_join(a, "w0", b, "w0"), 0);
    tn_sim_run(sim, span);
    int count = has_address(a) + has_address(b);
    tn_sim_destroy(sim);
    return count;
}

static void of_two_that_look_at_once_the_later_steps_back(void **state)
{
    assert_int_equal(
        survivors("{ conflict-detection: strict }", "{ conflict-detection: strict }", 10 * TN_SEC), 1);
}

static void who_gives_up_leaves_the_address_to_who_does_not(void **state)
{
    assert_int_equal(survivors("{ conflict-detection: off }", "{ conflict-detection: strict }", 10 * TN_SEC),
                     1);
    assert_int_equal(survivors("{ defend: never }", "{ conflict-detection: off }", 10 * TN_SEC), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_is_probed_three_times_then_announced_twice),
        cmocka_unit_test(strict_address_is_not_used_before_it_was_looked_for),
        cmocka_unit_test(optimistic_address_is_used_while_it_is_looked_for),
        cmocka_unit_test(nothing_is_looked_for_when_it_is_off),
        cmocka_unit_test(answer_to_a_probe_takes_the_address_away),
        cmocka_unit_test(probe_of_another_for_the_same_address_is_a_conflict),
        cmocka_unit_test(probe_of_another_for_an_address_in_use_is_answered),
        cmocka_unit_test(own_probe_that_comes_back_is_no_conflict),
        cmocka_unit_test(conflict_within_announce_wait_counts),
        cmocka_unit_test(lost_address_of_the_configuration_is_looked_for_again),
        cmocka_unit_test(looks_are_a_minute_apart_after_ten_conflicts),
        cmocka_unit_test(conflicts_are_forgotten_after_a_quiet_time),
        cmocka_unit_test(detection_that_a_reload_switches_on_looks_for_the_addresses_that_are_there),
        cmocka_unit_test(detection_that_a_reload_switches_on_finds_a_conflict),
        cmocka_unit_test(address_is_defended_once_and_given_up_the_second_time),
        cmocka_unit_test(log_tells_that_an_address_was_lost),
        cmocka_unit_test(conflicts_more_than_ten_seconds_apart_are_each_defended),
        cmocka_unit_test(address_can_be_given_up_at_once),
        cmocka_unit_test(address_can_be_kept_for_ever_with_one_defence_an_interval),
        cmocka_unit_test(nobody_is_asked_for_without_an_address),
        cmocka_unit_test(connections_from_a_lost_address_are_reset),
        cmocka_unit_test(of_two_that_look_at_once_the_later_steps_back),
        cmocka_unit_test(who_gives_up_leaves_the_address_to_who_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
