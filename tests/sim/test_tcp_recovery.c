/* TCP: loss found by time (RFC 8985), what is sent in recovery (RFC 6937), and recovery that was not needed (RFC 2883,
 * RFC 3522, RFC 4015, RFC 5682). The round-trip time is 100 ms. */
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

#define RTT       (100 * TN_MSEC)
#define WITH_SACK "mss 1000,nop,nop,sackOK"

static struct dialogue d;

/* A connection whose first round trip was measured, so that the timeout is 300 ms. */
static void opened(const char *tcp, const char *options)
{
    char text[200];
    dialogue_start(&d, tcp);
    user_listens(&d);
    snprintf(text, sizeof(text), "S 0 <%s>", options);
    peer(&d, text);
    stack(&d, "S. 0 ack 1");
    tn_sim_run(d.sim, RTT);
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
}

/* `count` segments are in flight since just now. */
static void in_flight(int count)
{
    for (int i = 0; i < count; i++) {
        char text[60];
        snprintf(text, sizeof(text), "%s %d:%d ack 1", "*", 1 + i * 1000, 1001 + i * 1000);
        memcpy(text, ".", 1);
        stack(&d, text);
    }
    stack_silent(&d);
}

static void ten_of_thirty(const char *tcp, const char *options)
{
    opened(tcp, options);
    user_writes(&d, 30000);
    in_flight(10);
    tn_sim_run(d.sim, RTT);
}

static struct tcp_info info(void)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    assert_int_equal(tn_getsockopt(d.stack, d.fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return info;
}

/* ---- RACK ---- */

/* conformance: 8985 6.2-4 */
static void gap_is_repeated_when_the_reordering_window_ends(void **state)
{
    ten_of_thirty("{}", WITH_SACK);
    peer(&d, ". 1 ack 1 <nop,nop,sack 1001:2001>");
    stack(&d, ". 10001:11001 ack 1"); /* RFC 3042 */
    stack_after(&d, RTT / 4, ". 1:1001 ack 1");
    assert_int_equal(tcp_counter(&d, "fast-recoveries"), 1);
    assert_int_equal(tcp_counter(&d, "retransmit-timeouts"), 0);
    dialogue_stop(&d);
}

/* conformance: 8985 3.3.2; 6675 5 */
static void three_segments_above_end_the_wait(void **state)
{
    ten_of_thirty("{}", WITH_SACK);
    peer(&d, ". 1 ack 1 <nop,nop,sack 1001:2001>");
    stack(&d, ". 10001:11001 ack 1");
    peer(&d, ". 1 ack 1 <nop,nop,sack 1001:3001>");
    stack(&d, ". 11001:12001 ack 1");
    peer(&d, ". 1 ack 1 <nop,nop,sack 1001:4001>");
    stack(&d, ". 1:1001 ack 1");
    dialogue_stop(&d);
}

/* conformance: 8985 6.2-3 */
static void path_that_reorders_is_waited_for(void **state)
{
    ten_of_thirty("{}", WITH_SACK);
    peer(&d, ". 1 ack 1 <nop,nop,sack 2001:3001>");
    peer(&d, ". 1 ack 1 <nop,nop,sack 1001:3001>"); /* came after what was sent after it */
    peer(&d, ". 1 ack 1 <nop,nop,sack 1001:9001>");
    assert_int_equal(stack_said(&d), 8); /* new data */
    stack_after(&d, RTT / 4, ". 1:1001 ack 1");
    dialogue_stop(&d);
}

/* Once in a round trip each, and no wider than srtt. */
/* conformance: 8985 6.2-4-dsack; 2883 5 */
static void report_of_duplicates_widens_the_reordering_window(void **state)
{
    ten_of_thirty("{}", WITH_SACK);
    peer(&d, ". 1 ack 1 <nop,nop,sack 1001:4001>");
    stack(&d, ". 1:1001 ack 1");
    (void)stack_said(&d);
    peer(&d, ". 1 ack 4001");                       /* it was late */
    peer(&d, ". 1 ack 4001 <nop,nop,sack 1:1001>"); /* and came twice */
    (void)stack_said(&d);
    assert_int_equal(tcp_counter(&d, "dsacks-in"), 1);
    assert_int_equal(tcp_counter(&d, "spurious-recoveries"), 1);
    tn_sim_run(d.sim, RTT);
    char text[80];
    unsigned all = 1 + (unsigned)tcp_counter(&d, "data-bytes-out");
    snprintf(text, sizeof(text), ". 1 ack %u", all);
    peer(&d, text);
    assert_true(stack_said(&d) >= 10);
    tn_sim_run(d.sim, RTT);
    snprintf(text, sizeof(text), ". 1 ack %u <nop,nop,sack %u:%u>", all, all + 1000, all + 2000);
    peer(&d, text);
    (void)stack_said(&d);
    snprintf(text, sizeof(text), ". %u:%u ack 1", all, all + 1000);
    stack_after(&d, RTT / 2, text);
    dialogue_stop(&d);
}

/* conformance: 8985 3.1; 5681 4.3 */
static void lost_retransmission_is_repeated(void **state)
{
    ten_of_thirty("{ congestion: newreno }", WITH_SACK);
    peer(&d, ". 1 ack 1 <nop,nop,sack 1001:4001>");
    stack(&d, ". 1:1001 ack 1");
    stack(&d, ". 10001:11001 ack 1");
    assert_int_equal(info().tcpi_snd_ssthresh, 5);
    tn_sim_run(d.sim, RTT);
    peer(&d, ". 1 ack 1 <nop,nop,sack 10001:11001 1001:4001>"); /* was sent after it */
    stack(&d, ". 1:1001 ack 1");
    assert_int_equal(tcp_counter(&d, "lost-retransmits"), 1);
    assert_int_equal(info().tcpi_snd_ssthresh, 4); /* another sign of congestion */
    dialogue_stop(&d);
}

/* conformance: 8985 6.3 */
static void timeout_takes_only_the_old_for_lost(void **state)
{
    opened("{ minimum-rto: 1s }", "mss 1000,nop,nop,sackOK");
    user_sets(&d, IPPROTO_TCP, TCP_NODELAY, 1);
    user_writes(&d, 1000);
    stack(&d, "P. 1:1001 ack 1");
    stack_after(&d, 400 * TN_MSEC, "P. 1:1001 ack 1"); /* a probe (RFC 8985 §7) */
    stack_silent_for(&d, 950 * TN_MSEC);
    user_writes(&d, 2000);
    stack(&d, ". 1001:2001 ack 1");
    stack(&d, "P. 2001:3001 ack 1");
    stack_after(&d, 50 * TN_MSEC, ". 1:1001 ack 1");
    assert_int_equal(tcp_counter(&d, "retransmit-timeouts"), 1);
    tn_sim_run(d.sim, 60 * TN_MSEC);
    peer(&d, ". 1 ack 1001");
    stack_silent(&d); /* the others are on their way */
    tn_sim_run(d.sim, 30 * TN_MSEC);
    peer(&d, ". 1 ack 3001");
    stack_silent(&d);
    assert_int_equal(tcp_counter(&d, "retransmits"), 2);
    dialogue_stop(&d);
}

/* ---- The tail ---- */

/* conformance: 8985 7.2; 8985 7.3; 8985 7.4.1 */
static void lost_tail_is_probed_after_two_round_trips(void **state)
{
    opened("{}", WITH_SACK);
    user_writes(&d, 3000);
    stack(&d, ". 1:1001 ack 1");
    stack(&d, ". 1001:2001 ack 1");
    stack(&d, "P. 2001:3001 ack 1");
    stack_after(&d, 2 * RTT + 2 * TN_MSEC, "P. 2001:3001 ack 1");
    assert_int_equal(tcp_counter(&d, "tail-probes"), 1);
    tn_sim_run(d.sim, RTT);
    peer(&d, ". 1 ack 1 <nop,nop,sack 2001:3001>");
    stack_after(&d, 0, ". 1:1001 ack 1"); /* more than enough time has passed */
    tn_sim_run(d.sim, RTT);
    peer(&d, ". 1 ack 1001 <nop,nop,sack 2001:3001>");
    stack(&d, ". 1001:2001 ack 1");
    peer(&d, ". 1 ack 3001");
    assert_int_equal(tcp_counter(&d, "retransmit-timeouts"), 0);
    dialogue_stop(&d);
}

/* conformance: 8985 7.3 */
static void probe_is_new_data_if_there_is_some(void **state)
{
    opened("{}", WITH_SACK);
    user_writes(&d, 30000);
    in_flight(10);
    stack_after(&d, 2 * RTT + 2 * TN_MSEC, ". 10001:11001 ack 1"); /* beyond cwnd */
    stack_after(&d, 300 * TN_MSEC, ". 1:1001 ack 1");              /* one only; then the timeout */
    assert_int_equal(tcp_counter(&d, "tail-probes"), 1);
    assert_int_equal(tcp_counter(&d, "retransmit-timeouts"), 1);
    dialogue_stop(&d);
}

/* 2 RTT and 200 ms would be later than the timeout: the probe takes its place. */
/* conformance: 8985 7.2-rto */
static void probe_takes_the_place_of_an_earlier_timeout(void **state)
{
    opened("{}", WITH_SACK);
    user_writes(&d, 500);
    stack(&d, "P. 1:501 ack 1");
    stack_after(&d, 300 * TN_MSEC, "P. 1:501 ack 1");
    assert_int_equal(tcp_counter(&d, "tail-probes"), 1);
    assert_int_equal(tcp_counter(&d, "retransmit-timeouts"), 0);
    stack_after(&d, 300 * TN_MSEC, "P. 1:501 ack 1");
    assert_int_equal(tcp_counter(&d, "retransmit-timeouts"), 1);
    dialogue_stop(&d);
}

static void probed_tail(void)
{
    opened("{ congestion: newreno }", WITH_SACK);
    user_writes(&d, 2000);
    (void)stack_said(&d);
    stack_after(&d, 2 * RTT + 2 * TN_MSEC, "P. 1001:2001 ack 1");
    tn_sim_run(d.sim, RTT);
}

/* conformance: 8985 7.4.2 */
static void tail_that_a_probe_has_repaired_was_lost(void **state)
{
    probed_tail();
    peer(&d, ". 1 ack 2001");
    assert_int_equal(info().tcpi_snd_cwnd, 10); /* it may have come twice */
    user_writes(&d, 1000);
    stack(&d, "P. 2001:3001 ack 1");
    tn_sim_run(d.sim, RTT);
    peer(&d, ". 1 ack 3001");
    assert_int_equal(tcp_counter(&d, "tail-losses"), 1);
    assert_true(info().tcpi_snd_cwnd < 10);
    dialogue_stop(&d);
}

/* conformance: 8985 7.4.2-dsack */
static void probe_that_came_twice_was_no_loss(void **state)
{
    probed_tail();
    peer(&d, ". 1 ack 2001");
    peer(&d, ". 1 ack 2001 <nop,nop,sack 1001:2001>");
    user_writes(&d, 1000);
    stack(&d, "P. 2001:3001 ack 1");
    tn_sim_run(d.sim, RTT);
    peer(&d, ". 1 ack 3001");
    assert_int_equal(tcp_counter(&d, "tail-losses"), 0);
    assert_int_equal(info().tcpi_snd_cwnd, 10);
    dialogue_stop(&d);
}

/* conformance: 8985 4-1 */
static void without_sack_there_is_no_probe(void **state)
{
    opened("{}", "mss 1000");
    user_writes(&d, 3000);
    (void)stack_said(&d);
    stack_after(&d, 300 * TN_MSEC, ". 1:1001 ack 1");
    assert_int_equal(tcp_counter(&d, "tail-probes"), 0);
    dialogue_stop(&d);
}

/* ---- Proportional rate reduction ---- */

/* RFC 6937 §3.1, the first example: 20 segments in flight, one lost; ssthresh is 10. */
/* conformance: 6937 3; 3042 2 */
static void one_segment_goes_for_two_that_arrive(void **state)
{
    opened("{ congestion: newreno, initial-window: 20 }", WITH_SACK);
    user_writes(&d, 60000);
    in_flight(20);
    tn_sim_run(d.sim, RTT);
    char sent[32] = "";
    for (int i = 1; i < 20; i++) {
        char text[80];
        snprintf(text, sizeof(text), ". 1 ack 1 <nop,nop,sack 1001:%d>", 1001 + i * 1000);
        uint64_t again = tcp_counter(&d, "retransmits");
        peer(&d, text);
        unsigned n = stack_said(&d);
        assert_true(n <= 1);
        sent[i - 1] = n == 0 ? '-' : tcp_counter(&d, "retransmits") > again ? 'R' : 'N';
    }
    assert_string_equal(sent, "NNR-N-N-N-N-N-N-N--");
    tn_sim_run(d.sim, RTT);
    peer(&d, ". 1 ack 29001"); /* all that was outstanding */
    assert_int_equal(info().tcpi_ca_state, TCP_CA_Open);
    dialogue_stop(&d);
}

/* RFC 6937 §3.1, the second: 15 of 20 lost. What arrives lets as much go again. */
/* conformance: 6937 3-crb */
static void heavy_loss_is_repaired_as_fast_as_data_arrives(void **state)
{
    opened("{ congestion: newreno, initial-window: 20 }", WITH_SACK);
    user_writes(&d, 60000);
    in_flight(20);
    tn_sim_run(d.sim, RTT);
    unsigned said[5];
    for (int i = 0; i < 5; i++) {
        char text[80];
        snprintf(text, sizeof(text), ". 1 ack 1 <nop,nop,sack 15001:%d>", 16001 + i * 1000);
        peer(&d, text);
        said[i] = stack_said(&d);
    }
    assert_int_equal(said[0], 1);
    assert_int_equal(said[1], 1);
    assert_int_equal(said[2], 1);
    assert_int_equal(said[3], 1);
    assert_int_equal(said[4], 1);
    assert_int_equal(tcp_counter(&d, "retransmits"), 3);
    dialogue_stop(&d);
}

/* ---- Recovery that was not needed ---- */

/* conformance: 5682 2.1 */
static void early_timeout_is_found_by_the_order_of_acknowledgements(void **state)
{
    opened("{}", "mss 1000");
    user_writes(&d, 30000);
    in_flight(10);
    stack_after(&d, 300 * TN_MSEC, ". 1:1001 ack 1");
    assert_int_equal(info().tcpi_snd_cwnd, 1);
    peer(&d, ". 1 ack 1001"); /* of the first copy */
    stack(&d, ". 10001:11001 ack 1");
    stack(&d, ". 11001:12001 ack 1");
    stack_silent(&d);
    peer(&d, ". 1 ack 2001"); /* it was not sent again */
    assert_int_equal(tcp_counter(&d, "spurious-timeouts"), 1);
    assert_int_equal(info().tcpi_snd_cwnd, 10);
    assert_int_equal(info().tcpi_backoff, 0);
    assert_int_equal(tcp_counter(&d, "retransmits"), 1);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* conformance: 5682 2.1-3a */
static void needed_timeout_goes_on_in_slow_start(void **state)
{
    opened("{}", "mss 1000");
    user_writes(&d, 30000);
    in_flight(10);
    stack_after(&d, 300 * TN_MSEC, ". 1:1001 ack 1");
    peer(&d, ". 1 ack 1001");
    stack(&d, ". 10001:11001 ack 1");
    stack(&d, ". 11001:12001 ack 1");
    peer(&d, ". 1 ack 1001"); /* 1001 is missing */
    stack(&d, ". 1001:2001 ack 1");
    assert_int_equal(tcp_counter(&d, "spurious-timeouts"), 0);
    dialogue_stop(&d);
}

/* conformance: 5682 3.1 */
static void early_timeout_is_found_by_selective_acknowledgements(void **state)
{
    opened("{}", WITH_SACK);
    user_writes(&d, 30000);
    in_flight(10);
    stack_after(&d, 2 * RTT + 2 * TN_MSEC, ". 10001:11001 ack 1");
    stack_after(&d, 300 * TN_MSEC, ". 1:1001 ack 1");
    peer(&d, ". 1 ack 1001");
    stack(&d, ". 11001:12001 ack 1");
    stack(&d, ". 12001:13001 ack 1");
    peer(&d, ". 1 ack 1001 <nop,nop,sack 2001:3001>"); /* of the first copies */
    assert_int_equal(tcp_counter(&d, "spurious-timeouts"), 1);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

static void timed_out_with_timestamps(uint32_t *first)
{
    dialogue_start(&d, "{}");
    user_listens(&d);
    d.ts_said = 1;
    peer(&d, "S 0 <mss 1012,nop,nop,TS val 1 ecr 0>");
    stack(&d, "S. 0 ack 1");
    tn_sim_run(d.sim, RTT);
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
    user_writes(&d, 30000);
    in_flight(10);
    *first = d.ts_heard;
    stack_after(&d, 300 * TN_MSEC, ". 1:1001 ack 1");
}

/* conformance: 3522 3.2; 4015 3 */
static void early_timeout_is_found_by_the_echoed_timestamp(void **state)
{
    uint32_t first;
    timed_out_with_timestamps(&first);
    char text[80];
    snprintf(text, sizeof(text), ". 1 ack 1001 <nop,nop,TS val 2 ecr %u>", first);
    peer(&d, text);
    assert_int_equal(tcp_counter(&d, "spurious-timeouts"), 1);
    assert_int_equal(info().tcpi_snd_cwnd, 10);
    assert_int_equal(info().tcpi_backoff, 0);
    stack(&d, ". 10001:11001 ack 1"); /* not 1001:2001 */
    assert_int_equal(tcp_counter(&d, "retransmits"), 1);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* RFC 3522 §3.3: the acknowledgements got lost, perhaps. */
/* conformance: 3522 3.2-5 */
static void timeout_that_all_is_acknowledged_after_counts(void **state)
{
    uint32_t first;
    timed_out_with_timestamps(&first);
    char text[80];
    snprintf(text, sizeof(text), ". 1 ack 10001 <nop,nop,TS val 2 ecr %u>", first);
    peer(&d, text);
    assert_int_equal(tcp_counter(&d, "spurious-timeouts"), 0);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* Even when recovery is over already. */
/* conformance: 2883 5-undo */
static void recovery_is_undone_if_all_came_twice(void **state)
{
    ten_of_thirty("{ congestion: newreno }", WITH_SACK);
    peer(&d, ". 1 ack 1 <nop,nop,sack 2001:10001>");
    assert_int_equal(info().tcpi_snd_ssthresh, 5);
    (void)stack_said(&d);
    tn_sim_run(d.sim, RTT);
    peer(&d, ". 1 ack 12001");
    assert_int_equal(tcp_counter(&d, "retransmits"), 2);
    peer(&d, ". 1 ack 12001 <nop,nop,sack 1:1001>");
    assert_int_equal(tcp_counter(&d, "spurious-recoveries"), 0);
    peer(&d, ". 1 ack 12001 <nop,nop,sack 1001:2001>");
    assert_int_equal(tcp_counter(&d, "spurious-recoveries"), 1);
    assert_true(info().tcpi_snd_ssthresh > 1000);
    assert_true(info().tcpi_snd_cwnd >= 10);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* What is remembered of a recovery that is over has no timers, and does not stop others. */
static void late_report_of_duplicates_leaves_the_persist_timer_alone(void **state)
{
    ten_of_thirty("{}", WITH_SACK);
    peer(&d, ". 1 ack 1 <nop,nop,sack 2001:10001>");
    (void)stack_said(&d);
    tn_sim_run(d.sim, RTT);
    char text[80];
    unsigned all = 1 + (unsigned)tcp_counter(&d, "data-bytes-out");
    snprintf(text, sizeof(text), ". 1 ack %u win 0", all);
    peer(&d, text);
    snprintf(text, sizeof(text), ". 1 ack %u win 0 <nop,nop,sack 1:1001>", all);
    peer(&d, text);
    stack_silent(&d);
    tn_sim_run(d.sim, 400 * TN_MSEC);
    snprintf(text, sizeof(text), ". %u:%u ack 1", all, all + 1);
    stack(&d, text); /* a probe of the window */
    dialogue_stop(&d);
}

/* A duplicate that this side has not made says nothing about what it has sent again. */
static void duplicates_of_the_network_undo_nothing(void **state)
{
    ten_of_thirty("{ congestion: newreno }", WITH_SACK);
    peer(&d, ". 1 ack 1 <nop,nop,sack 1001:10001>");
    (void)stack_said(&d);
    tn_sim_run(d.sim, RTT);
    peer(&d, ". 1 ack 12001 <nop,nop,sack 5001:6001>");
    assert_int_equal(tcp_counter(&d, "dsacks-in"), 1);
    assert_int_equal(tcp_counter(&d, "spurious-recoveries"), 0);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(gap_is_repeated_when_the_reordering_window_ends),
        T(three_segments_above_end_the_wait),
        T(path_that_reorders_is_waited_for),
        T(report_of_duplicates_widens_the_reordering_window),
        T(lost_retransmission_is_repeated),
        T(timeout_takes_only_the_old_for_lost),
        T(lost_tail_is_probed_after_two_round_trips),
        T(probe_is_new_data_if_there_is_some),
        T(probe_takes_the_place_of_an_earlier_timeout),
        T(tail_that_a_probe_has_repaired_was_lost),
        T(probe_that_came_twice_was_no_loss),
        T(without_sack_there_is_no_probe),
        T(one_segment_goes_for_two_that_arrive),
        T(heavy_loss_is_repaired_as_fast_as_data_arrives),
        T(early_timeout_is_found_by_the_order_of_acknowledgements),
        T(needed_timeout_goes_on_in_slow_start),
        T(early_timeout_is_found_by_selective_acknowledgements),
        T(early_timeout_is_found_by_the_echoed_timestamp),
        T(timeout_that_all_is_acknowledged_after_counts),
        T(recovery_is_undone_if_all_came_twice),
        T(late_report_of_duplicates_leaves_the_persist_timer_alone),
        T(duplicates_of_the_network_undo_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
