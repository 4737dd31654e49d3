/* TCP and its congestion control: which algorithm a connection has, and how it comes and goes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "dialogue.h"

static struct dialogue d;

static int choose(int fd, const char *name)
{
    return tn_setsockopt(d.stack, fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name));
}

static const char *chosen(int fd)
{
    static char name[64];
    socklen_t len = sizeof(name);
    assert_int_equal(tn_getsockopt(d.stack, fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    return name;
}

static void socket_has_the_algorithm_of_the_option(void **state)
{
    established(&d, "{ congestion: newreno }", "mss 1000");
    assert_string_equal(chosen(d.fd), "newreno");
    assert_string_equal(chosen(d.listener), "newreno");
    dialogue_stop(&d);
}

static void unknown_algorithm_is_not_there(void **state)
{
    established(&d, "{ congestion: newreno }", "mss 1000");
    assert_int_equal(choose(d.fd, "vegas"), -ENOENT);
    assert_int_equal(choose(d.fd, "tcp"), -ENOENT); /* a plugin, but not of this kind */
    assert_int_equal(tn_setsockopt(d.stack, d.fd, IPPROTO_TCP, TCP_CONGESTION, "", 0), -EINVAL);
    assert_int_equal(choose(d.fd, "newreno"), 0);
    assert_string_equal(chosen(d.fd), "newreno");
    dialogue_stop(&d);
}

static size_t plugin_bytes(void)
{
    struct tn_usage usage;
    tn_stack_usage(d.stack, &usage);
    return usage.plugin_bytes;
}

/* What congestion control remembers is not for idle connections. */
static void idle_connection_has_no_record(void **state)
{
    established(&d, "{ minimum-rto: 1s }", "mss 1000");
    size_t before = plugin_bytes();
    user_writes(&d, 1000);
    stack(&d, "P. 1:1001 ack 1");
    peer(&d, ". 1 ack 1001");
    assert_true(plugin_bytes() > before);
    tn_sim_run(d.sim, 2 * TN_SEC);
    assert_int_equal(plugin_bytes(), before);
    dialogue_stop(&d);
}

/* ---- Windows that are not used ---- */

static struct tcp_info info(void)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    assert_int_equal(tn_getsockopt(d.stack, d.fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return info;
}

/* The peer acknowledges all that was sent. */
static void acknowledge_all(void)
{
    char text[40];
    (void)stack_said(&d);
    snprintf(text, sizeof(text), ". 1 ack %u", 1 + (uint32_t)tcp_counter(&d, "data-bytes-out"));
    peer(&d, text);
    (void)stack_said(&d);
}

/* Writes and is acknowledged until the window is `segments`. */
static void grow_to(uint32_t segments)
{
    while (info().tcpi_snd_cwnd < segments) {
        user_writes(&d, 20000);
        acknowledge_all();
    }
    while (info().tcpi_unacked)
        acknowledge_all();
}

/* conformance: 7661 4.4; 7661 4.4.3 */
static void window_that_is_not_used_is_kept_for_five_minutes(void **state)
{
    established(&d, "{ congestion: newreno, minimum-rto: 1s }", "mss 1000");
    grow_to(40);
    uint32_t cwnd = info().tcpi_snd_cwnd;
    for (unsigned second = 0; second < 630; second++) {
        if (second == 290)
            assert_int_equal(info().tcpi_snd_cwnd, cwnd);
        if (second == 320)
            assert_in_range(info().tcpi_snd_cwnd, cwnd / 2, cwnd / 2 + 1);
        for (int half = 0; half < 2; half++) {
            user_writes(&d, 500);
            acknowledge_all();
            tn_sim_run(d.sim, 500 * TN_MSEC);
        }
    }
    assert_in_range(info().tcpi_snd_cwnd, 10, cwnd / 4 + 1);
    dialogue_stop(&d);
}

/* conformance: 5681 4.1; 7661 4.4.3-ssthresh */
static void window_begins_anew_after_a_pause_and_comes_back_soon(void **state)
{
    established(&d, "{ congestion: newreno, minimum-rto: 1s }", "mss 1000");
    user_writes(&d, 10000);
    (void)stack_said(&d);
    for (int i = 0; i < 3; i++)
        peer(&d, ". 1 ack 1"); /* a loss: the threshold is low */
    assert_int_equal(info().tcpi_snd_ssthresh, 5);
    acknowledge_all();
    grow_to(16);
    uint32_t cwnd = info().tcpi_snd_cwnd;
    assert_int_equal(info().tcpi_snd_ssthresh, 5);
    tn_sim_run(d.sim, 10 * TN_SEC);
    user_writes(&d, 20000);
    assert_int_equal(stack_said(&d), 10);
    assert_in_range(info().tcpi_snd_ssthresh, cwnd * 3 / 4 - 1, cwnd * 3 / 4 + 1);
    dialogue_stop(&d);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(socket_has_the_algorithm_of_the_option),
        T(unknown_algorithm_is_not_there),
        T(idle_connection_has_no_record),
        T(window_that_is_not_used_is_kept_for_five_minutes),
        T(window_begins_anew_after_a_pause_and_comes_back_soon),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
