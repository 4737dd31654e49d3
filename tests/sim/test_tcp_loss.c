/* TCP: what is lost is sent again (RFC 6298, RFC 5681, RFC 6582, RFC 6675, RFC 3042), and when it is given up. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "dialogue.h"

static struct dialogue d;

/* Ten segments of 1000 octets are in flight, and more wait. */
static void ten_in_flight(const char *options)
{
    established(&d, "{ minimum-rto: 1s, congestion: newreno }",
                options); /* a window of 5 after a loss, not 7 */
    user_writes(&d, 30000);
    for (int i = 0; i < 10; i++) {
        char text[40];
        snprintf(text, sizeof(text), ". %d:%d ack 1", 1 + i * 1000, 1001 + i * 1000);
        stack(&d, text);
    }
    stack_silent(&d);
}

static uint32_t info_cwnd(void)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    assert_int_equal(tn_getsockopt(d.stack, d.fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return info.tcpi_snd_cwnd;
}

/* ---- Timeouts ---- */

/* conformance: 9293 MUST-18; 9293 MUST-19 */
/* R, 2R, 4R; afterwards one segment. */
/* conformance: 6298 2.1; 6298 5.5; 5681 3.1-rto */
static void lost_data_is_repeated_with_backoff(void **state)
{
    ten_in_flight("mss 1000");
    stack_after(&d, 1 * TN_SEC, ". 1:1001 ack 1");
    assert_int_equal(info_cwnd(), 1);
    stack_after(&d, 2 * TN_SEC, ". 1:1001 ack 1");
    stack_after(&d, 4 * TN_SEC, ". 1:1001 ack 1");
    stack_after(&d, 8 * TN_SEC, ". 1:1001 ack 1");
    tn_sim_run(d.sim, 500 * TN_MSEC);
    peer(&d, ". 1 ack 1001"); /* first new data, to find out whether the timeout was needed (RFC 5682) */
    stack(&d, ". 10001:11001 ack 1");
    stack(&d, ". 11001:12001 ack 1");
    stack_silent(&d);
    peer(&d, ". 1 ack 1001"); /* it was: slow start over what was outstanding */
    stack(&d, ". 1001:2001 ack 1");
    peer(&d, ". 1 ack 2001");
    stack(&d, ". 2001:3001 ack 1");
    stack_silent(&d);
    dialogue_stop(&d);
}

/* Karn's algorithm (RFC 6298 §3, §5): no measurement of what was repeated; the timeout stays backed off until there is
 * one. */
/* conformance: 6298 3 */
static void backoff_stays_until_there_is_a_measurement(void **state)
{
    established(&d, "{ minimum-rto: 1s }", "mss 1000");
    user_writes(&d, 10);
    stack(&d, "P. 1:11 ack 1");
    stack_after(&d, 1 * TN_SEC, "P. 1:11 ack 1");
    tn_sim_run(d.sim, 500 * TN_MSEC);
    peer(&d, ". 1 ack 11"); /* of which copy? */
    user_writes(&d, 10);
    stack(&d, "P. 11:21 ack 1");
    stack_after(&d, 2 * TN_SEC, "P. 11:21 ack 1");
    tn_sim_run(d.sim, 500 * TN_MSEC);
    peer(&d, ". 1 ack 21");
    user_writes(&d, 10);
    stack(&d, "P. 21:31 ack 1");
    peer(&d, ". 1 ack 31"); /* a measurement */
    user_writes(&d, 10);
    stack(&d, "P. 31:41 ack 1");
    stack_after(&d, 1 * TN_SEC, "P. 31:41 ack 1");
    dialogue_stop(&d);
}

/* An acknowledgement that comes just when one to the last copy is expected counts as that, but only twice. */
static void backoff_is_undone_by_an_answer_in_time(void **state)
{
    established(&d, "{ minimum-rto: 1s }", "mss 1000");
    for (int i = 0; i < 3; i++) {
        char out[40], back[40];
        snprintf(out, sizeof(out), "P. %d:%d ack 1", 1 + i * 10, 11 + i * 10);
        snprintf(back, sizeof(back), ". 1 ack %d", 11 + i * 10);
        user_writes(&d, 10);
        stack(&d, out);
        stack_after(&d, 1 * TN_SEC, out); /* not 2 s, 4 s */
        peer(&d, back);                   /* a round-trip time (of nothing) after the second copy */
    }
    user_writes(&d, 10);
    stack(&d, "P. 31:41 ack 1");
    stack_after(&d, 2 * TN_SEC, "P. 31:41 ack 1"); /* Karn's algorithm after all */
    dialogue_stop(&d);
}

/* What lay behind a gap was acknowledged late, but has not been on its way for so long. */
static void what_waited_behind_a_gap_is_not_measured(void **state)
{
    established(&d, "{ minimum-rto: 1s }", "mss 1000");
    user_writes(&d, 3000);
    (void)stack_said(&d);
    stack_after(&d, 1 * TN_SEC, ". 1:1001 ack 1"); /* the others have arrived */
    tn_sim_run(d.sim, 500 * TN_MSEC);
    peer(&d, ". 1 ack 3001");
    struct tcp_info info;
    socklen_t len = sizeof(info);
    assert_int_equal(tn_getsockopt(d.stack, d.fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    assert_int_equal(info.tcpi_rtt, 0);
    dialogue_stop(&d);
}

/* RFC 6298 (2.2), (2.3) */
/* conformance: 6298 2.3 */
static void timeout_follows_the_round_trip_time(void **state)
{
    established(&d, "{ minimum-rto: 301ms }", "mss 1000");
    for (int i = 0; i < 40; i++) {
        user_writes(&d, 10);
        (void)stack_said(&d);
        tn_sim_run(d.sim, 300 * TN_MSEC);
        char text[40];
        snprintf(text, sizeof(text), ". 1 ack %d", 11 + i * 10);
        peer(&d, text);
        (void)stack_said(&d);
    }
    struct tcp_info info;
    socklen_t len = sizeof(info);
    assert_int_equal(tn_getsockopt(d.stack, d.fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    assert_in_range(info.tcpi_rtt, 290000, 300000);
    assert_in_range(info.tcpi_rto, 301000, 330000);
    dialogue_stop(&d);
}

/* RFC 7323 §4 measures what was sent twice; waiting for the timer must not count. */
static void timestamps_do_not_stretch_the_timeout_by_waiting(void **state)
{
    dialogue_start(&d, "{ minimum-rto: 1s }");
    user_listens(&d);
    d.ts_said = 1;
    peer(&d, "S 0 <mss 1000,nop,nop,TS val 1 ecr 0>");
    stack(&d, "S. 0 ack 1");
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
    user_writes(&d, 10);
    stack(&d, "P. 1:11 ack 1");
    uint32_t first = d.ts_heard;
    for (unsigned gap = 1; gap <= 16; gap *= 2)
        stack_after(&d, gap * TN_SEC, "P. 1:11 ack 1");
    char text[80];
    snprintf(text, sizeof(text), ". 1 ack 11 <nop,nop,TS val 2 ecr %u>", first);
    peer(&d, text);
    user_writes(&d, 10);
    stack(&d, "P. 11:21 ack 1");
    tn_sim_run(d.sim, 3 * TN_SEC); /* not 31 */
    assert_true(stack_said(&d) >= 1);
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-21; 9293 3.10.8 user timeout */
static void blackhole_ends_the_connection_at_the_user_timeout(void **state)
{
    established(&d, "{}", "mss 1000");
    user_sets(&d, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
    user_writes(&d, 10);
    tn_sim_run(d.sim, 4900 * TN_MSEC);
    assert_string_equal(stack_state(&d), "ESTABLISHED");
    tn_sim_run(d.sim, 200 * TN_MSEC);
    user_reads_nothing(&d, -ETIMEDOUT);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* conformance: 9293 SHLD-11 */
static void blackhole_is_endured_for_five_minutes(void **state)
{
    established(&d, "{}", "mss 1000");
    user_writes(&d, 10);
    tn_sim_run(d.sim, 299 * TN_SEC);
    assert_string_equal(stack_state(&d), "ESTABLISHED");
    tn_sim_run(d.sim, 2 * TN_SEC);
    user_reads_nothing(&d, -ETIMEDOUT);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* RFC 6298 (5.7) */
/* conformance: 6298 5.7 */
static void timeout_after_a_lost_syn_is_three_seconds(void **state)
{
    dialogue_start(&d, "{}");
    user_connects(&d);
    stack(&d, "S 0");
    stack_after(&d, 1 * TN_SEC, "S 0");
    peer(&d, "S. 0 ack 1 <mss 1000>");
    stack(&d, ". 1 ack 1");
    user_writes(&d, 5000);
    stack(&d, ". 1:1001 ack 1"); /* RFC 5681 §3.1: one segment then */
    stack_after(&d, 3 * TN_SEC, ". 1:1001 ack 1");
    dialogue_stop(&d);
}

/* ---- Duplicate acknowledgements, without SACK ---- */

/* RFC 5681 §3.2, RFC 3042 */
/* conformance: 3042 2; 5681 3.2 */
static void third_duplicate_repeats_the_first_segment(void **state)
{
    ten_in_flight("mss 1000");
    peer(&d, ". 1 ack 1");
    stack(&d, ". 10001:11001 ack 1"); /* limited transmit */
    peer(&d, ". 1 ack 1");
    stack(&d, ". 11001:12001 ack 1");
    stack_silent(&d);
    peer(&d, ". 1 ack 1");
    stack(&d, ". 1:1001 ack 1");
    stack_silent(&d);
    assert_int_equal(tcp_counter(&d, "fast-recoveries"), 1);
    dialogue_stop(&d);
}

/* RFC 6582 §3.2 */
/* conformance: 6582 3.2-3 */
static void partial_acknowledgement_repeats_the_next_hole(void **state)
{
    ten_in_flight("mss 1000");
    for (int i = 0; i < 3; i++)
        peer(&d, ". 1 ack 1");
    (void)stack_said(&d);
    peer(&d, ". 1 ack 3001");
    stack(&d, ". 3001:4001 ack 1");
    stack_silent(&d);
    peer(&d, ". 1 ack 12001"); /* all that was outstanding: recovery is over */
    assert_true(stack_said(&d) > 0);
    assert_int_equal(tcp_counter(&d, "retransmits"), 2);
    dialogue_stop(&d);
}

/* conformance: 5681 2 */
static void what_is_no_duplicate_does_not_count(void **state)
{
    ten_in_flight("mss 1000");
    peer(&d, "P. 1:11 ack 1");        /* has data */
    peer(&d, "P. 11:21 ack 1");       /* … */
    peer(&d, ". 21 ack 1 win 60000"); /* another window */
    peer(&d, ". 21 ack 1 win 60000");
    peer(&d, ". 21 ack 1 win 60000");
    (void)stack_said(&d);
    assert_int_equal(tcp_counter(&d, "retransmits"), 0);
    peer(&d, ". 21 ack 1 win 60000");
    assert_int_equal(tcp_counter(&d, "retransmits"), 1);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* RFC 6582 §3.2 step 2 */
/* conformance: 6582 3.2-2 */
static void duplicates_after_a_timeout_do_not_begin_a_recovery(void **state)
{
    ten_in_flight("mss 1000");
    stack_after(&d, 1 * TN_SEC, ". 1:1001 ack 1");
    for (int i = 0; i < 5; i++)
        peer(&d, ". 1 ack 1");
    assert_int_equal(tcp_counter(&d, "fast-recoveries"), 0);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* ---- With SACK ---- */

#define SACK_OPTIONS "mss 1000,nop,nop,sackOK"

static void three_segments_above_a_hole_repeat_it(void **state)
{
    ten_in_flight(SACK_OPTIONS);
    peer(&d, ". 1 ack 1 <nop,nop,sack 1001:2001>");
    stack(&d, ". 10001:11001 ack 1");
    peer(&d, ". 1 ack 1 <nop,nop,sack 1001:3001>");
    stack(&d, ". 11001:12001 ack 1");
    peer(&d, ". 1 ack 1 <nop,nop,sack 1001:4001>");
    stack(&d, ". 1:1001 ack 1");
    stack_silent(&d);
    peer(&d, ". 1 ack 12001");
    assert_int_equal(tcp_counter(&d, "retransmits"), 1);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* conformance: 6675 2; 3042 2-sack */
static void duplicate_without_news_does_not_count_with_sack(void **state)
{
    ten_in_flight(SACK_OPTIONS);
    for (int i = 0; i < 10; i++)
        peer(&d, ". 1 ack 1");
    for (int i = 0; i < 10; i++)
        peer(&d, ". 1 ack 1 <nop,nop,sack 1001:2001>");
    stack(&d, ". 10001:11001 ack 1");
    stack_silent(&d);
    assert_int_equal(tcp_counter(&d, "fast-recoveries"), 0);
    dialogue_stop(&d);
}

/* conformance: 6675 4 */
static void all_holes_are_repeated_and_nothing_else(void **state)
{
    ten_in_flight(SACK_OPTIONS);
    /* 1, 3 and 5 are lost. */
    peer(&d, ". 1 ack 1 <nop,nop,sack 1001:2001>");
    peer(&d, ". 1 ack 1 <nop,nop,sack 3001:4001 1001:2001>");
    peer(&d, ". 1 ack 1 <nop,nop,sack 5001:10001 3001:4001 1001:2001>");
    stack(&d, ". 10001:11001 ack 1");
    stack(&d, ". 11001:12001 ack 1");
    stack(&d, ". 1:1001 ack 1");
    stack(&d, ". 2001:3001 ack 1");
    stack(&d, ". 4001:5001 ack 1");
    peer(&d, ". 1 ack 12001");
    assert_int_equal(tcp_counter(&d, "retransmits"), 3);
    assert_int_equal(tcp_counter(&d, "fast-recoveries"), 1);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

static void nonsense_in_sack_blocks_is_ignored(void **state)
{
    ten_in_flight(SACK_OPTIONS);
    peer(&d, ". 1 ack 1 <nop,nop,sack 20001:30001>"); /* not sent */
    peer(&d, ". 1 ack 1 <nop,nop,sack 5001:4001>");   /* ends before it begins */
    peer(&d, ". 1 ack 1 <nop,nop,sack 1:1>");         /* empty */
    peer(&d, ". 1 ack 1 <nop,nop,sack -5000:1>");     /* old */
    peer(&d, ". 1 ack 1 <hex 0506000000010101>");     /* no whole block */
    stack_silent(&d);
    peer(&d, ". 1 ack 1 <nop,nop,sack 1001:4001>");
    stack(&d, ". 1:1001 ack 1");
    dialogue_stop(&d);
}

/* RFC 2018 §8: what was acknowledged selectively may be discarded; after a timeout it is sent again if need be. */
/* conformance: 2018 8 */
static void peer_that_forgot_gets_everything_again(void **state)
{
    ten_in_flight(SACK_OPTIONS);
    peer(&d, ". 1 ack 1 <nop,nop,sack 1001:10001>");
    (void)stack_said(&d);
    peer(&d, ". 1 ack 1001"); /* it has not 1001:2001 any more */
    (void)stack_said(&d);
    tn_sim_run(d.sim, 1100 * TN_MSEC);
    stack(&d, ". 1001:2001 ack 1");
    assert_int_equal(tcp_counter(&d, "sack-reneged"), 1);
    peer(&d, ". 1 ack 2001");
    stack(&d, ". 2001:3001 ack 1");
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* After a timeout, what the peer has is not sent again. */
static void timeout_repeats_only_holes(void **state)
{
    ten_in_flight(SACK_OPTIONS);
    peer(&d, ". 1 ack 1 <nop,nop,sack 1001:3001>");
    stack(&d, ". 10001:11001 ack 1");
    stack(&d, ". 11001:12001 ack 1");
    stack_after(&d, 100 * TN_USEC, ". 1:1001 ack 1"); /* of a round-trip time that is nothing */
    stack_after(&d, 1 * TN_SEC, ". 1:1001 ack 1");
    tn_sim_run(d.sim, 500 * TN_MSEC);
    peer(&d, ". 1 ack 3001");
    stack(&d, ". 3001:4001 ack 1");
    dialogue_stop(&d);
}

/* conformance: 5681 4.1 */
/* RFC 5681 §4.1 */
static void window_starts_again_after_a_pause(void **state)
{
    established(&d, "{}", "mss 1000");
    user_writes(&d, 200000);
    for (uint32_t ack = 1; ack < 200001;) { /* slow start */
        ack = tcp_counter(&d, "data-bytes-out") + 1;
        char text[40];
        snprintf(text, sizeof(text), ". 1 ack %u", ack);
        peer(&d, text);
        if (stack_said(&d) == 0)
            break;
    }
    assert_true(info_cwnd() > 15);
    tn_sim_run(d.sim, 10 * TN_SEC);
    user_writes(&d, 100000);
    assert_int_equal(stack_said(&d), 10);
    dialogue_stop(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_data_is_repeated_with_backoff),
        cmocka_unit_test(backoff_stays_until_there_is_a_measurement),
        cmocka_unit_test(backoff_is_undone_by_an_answer_in_time),
        cmocka_unit_test(what_waited_behind_a_gap_is_not_measured),
        cmocka_unit_test(timeout_follows_the_round_trip_time),
        cmocka_unit_test(timestamps_do_not_stretch_the_timeout_by_waiting),
        cmocka_unit_test(blackhole_ends_the_connection_at_the_user_timeout),
        cmocka_unit_test(blackhole_is_endured_for_five_minutes),
        cmocka_unit_test(timeout_after_a_lost_syn_is_three_seconds),
        cmocka_unit_test(third_duplicate_repeats_the_first_segment),
        cmocka_unit_test(partial_acknowledgement_repeats_the_next_hole),
        cmocka_unit_test(what_is_no_duplicate_does_not_count),
        cmocka_unit_test(duplicates_after_a_timeout_do_not_begin_a_recovery),
        cmocka_unit_test(three_segments_above_a_hole_repeat_it),
        cmocka_unit_test(duplicate_without_news_does_not_count_with_sack),
        cmocka_unit_test(all_holes_are_repeated_and_nothing_else),
        cmocka_unit_test(nonsense_in_sack_blocks_is_ignored),
        cmocka_unit_test(peer_that_forgot_gets_everything_again),
        cmocka_unit_test(timeout_repeats_only_holes),
        cmocka_unit_test(window_starts_again_after_a_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
