/* TCP: data in both directions: acknowledgements, windows, Nagle, order (RFC 9293 §3.7, §3.8, §3.10.7.4). */
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
#include "stack.h"

static struct dialogue d;

/* The first data is acknowledged at once; from then on the delay is seen. */
static void first_data(void)
{
    peer(&d, "P. 1:11 ack 1");
    stack(&d, ". 1 ack 11");
    user_reads(&d, 10);
}

/* ---- Acknowledging ---- */

static void first_data_is_acknowledged_at_once(void **state)
{
    established(&d, "{}", "mss 1460");
    first_data();
    dialogue_stop(&d);
}

/* conformance: 9293 SHLD-18; 9293 MUST-40 */
static void small_segment_is_acknowledged_after_a_delay(void **state)
{
    established(&d, "{}", "mss 1460");
    first_data();
    peer(&d, "P. 11:21 ack 1");
    stack_after(&d, 40 * TN_MSEC, ". 1 ack 21");
    assert_int_equal(tcp_counter(&d, "delayed-acks"), 1);
    dialogue_stop(&d);
}

/* conformance: 9293 SHLD-19 */
static void second_full_segment_is_acknowledged_at_once(void **state)
{
    established(&d, "{}", "mss 1460");
    first_data();
    peer(&d, ". 11:1471 ack 1");
    stack_silent(&d);
    peer(&d, ". 1471:2931 ack 1");
    stack(&d, ". 1 ack 2931");
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-58; 9293 MUST-59 */
static void batch_of_segments_gets_one_acknowledgement(void **state)
{
    established(&d, "{}", "mss 1460");
    for (int i = 0; i < 10; i++) {
        char text[40];
        snprintf(text, sizeof(text), ". %d:%d ack 1", 1 + i * 1000, 1001 + i * 1000);
        peer_at_once(&d, text);
    }
    tn_sim_settle(d.sim);
    stack(&d, ". 1 ack 10001");
    stack_silent_for(&d, TN_SEC);
    dialogue_stop(&d);
}

static void acknowledgement_rides_on_data(void **state)
{
    established(&d, "{}", "mss 1460");
    first_data();
    peer(&d, "P. 11:21 ack 1");
    user_writes(&d, 5);
    stack(&d, "P. 1:6 ack 21");
    peer(&d, ". 21 ack 6");
    stack_silent_for(&d, TN_SEC);
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.4 first */
static void old_data_is_acknowledged_and_not_delivered_again(void **state)
{
    established(&d, "{}", "mss 1460");
    first_data();
    peer(&d, "P. 1:11 ack 1");
    stack(&d, ". 1 ack 11");
    peer(&d, "P. 1:21 ack 1"); /* ten new octets behind ten old */
    user_reads(&d, 10);
    user_reads_nothing(&d, -EAGAIN);
    assert_int_equal(tcp_drops(&d, "old-data"), 1);
    dialogue_stop(&d);
}

/* conformance: 2883 4.1 */
static void duplicate_is_reported_by_dsack(void **state)
{
    established(&d, "{}", "mss 1460,nop,nop,sackOK");
    first_data();
    peer(&d, "P. 1:11 ack 1");
    stack(&d, ". 1 ack 11 <nop,nop,sack 1:11>");
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.4 fifth */
static void segment_without_ack_is_dropped(void **state)
{
    established(&d, "{}", "mss 1460");
    peer(&d, "P 1:11");
    stack_silent_for(&d, TN_SEC);
    assert_int_equal(tcp_drops(&d, "no-ack"), 1);
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.4 fifth ESTABLISHED */
static void acknowledgement_of_what_was_not_sent_gets_an_ack(void **state)
{
    established(&d, "{}", "mss 1460");
    peer(&d, "P. 1:11 ack 2");
    stack(&d, ". 1 ack 1");
    user_reads_nothing(&d, -EAGAIN);
    assert_int_equal(tcp_drops(&d, "ack-out-of-range"), 1);
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.4 first */
static void data_beyond_the_window_is_refused_with_an_ack(void **state)
{
    established(&d, "{}", "mss 1460");
    peer(&d, "P. 70001:70011 ack 1");
    stack(&d, ". 1 ack 1 win 65535");
    assert_int_equal(tcp_drops(&d, "out-of-window"), 1);
    dialogue_stop(&d);
}

/* ---- Order ---- */

/* conformance: 9293 SHLD-31 */
static void out_of_order_data_is_kept(void **state)
{
    established(&d, "{}", "mss 1460");
    peer(&d, ". 101:201 ack 1");
    stack(&d, ". 1 ack 1");
    user_reads_nothing(&d, -EAGAIN);
    peer(&d, ". 1:101 ack 1");
    stack(&d, ". 1 ack 201"); /* at once: it fills a gap */
    user_reads(&d, 200);
    dialogue_stop(&d);
}

/* conformance: 2018 3 first */
static void gaps_are_reported_newest_first(void **state)
{
    established(&d, "{}", "mss 1460,nop,nop,sackOK");
    peer(&d, ". 101:201 ack 1");
    stack(&d, ". 1 ack 1 <nop,nop,sack 101:201>");
    peer(&d, ". 301:401 ack 1");
    stack(&d, ". 1 ack 1 <nop,nop,sack 301:401 101:201>");
    peer(&d, ". 501:601 ack 1");
    peer(&d, ". 701:801 ack 1");
    peer(&d, ". 901:1001 ack 1");
    stack(&d, ". 1 ack 1 <nop,nop,sack 501:601 301:401 101:201>");
    stack(&d, ". 1 ack 1 <nop,nop,sack 701:801 501:601 301:401 101:201>");
    stack(&d, ". 1 ack 1 <nop,nop,sack 901:1001 701:801 501:601 301:401>");
    peer(&d, ". 201:301 ack 1"); /* joins two */
    stack(&d, ". 1 ack 1 <nop,nop,sack 101:401 901:1001 701:801 501:601>");
    peer(&d, ". 1:101 ack 1");
    stack(&d, ". 1 ack 401 <nop,nop,sack 901:1001 701:801 501:601>");
    peer(&d, ". 401:1001 ack 1"); /* covers all */
    stack(&d, ". 1 ack 1001 <>");
    user_reads(&d, 1000);
    dialogue_stop(&d);
}

static void overlapping_segments_are_cut_to_fit(void **state)
{
    established(&d, "{}", "mss 1460,nop,nop,sackOK");
    peer(&d, ". 101:201 ack 1");
    peer(&d, ". 301:401 ack 1");
    peer(&d, ". 151:351 ack 1"); /* over both */
    (void)stack_said(&d);
    peer(&d, ". 51:451 ack 1"); /* around all */
    stack(&d, ". 1 ack 1 <nop,nop,sack 51:451>");
    peer(&d, ". 1:101 ack 1");
    stack(&d, ". 1 ack 451 <>");
    user_reads(&d, 450);
    dialogue_stop(&d);
}

/* conformance: 2883 4.2 */
static void duplicate_out_of_order_is_reported_by_dsack(void **state)
{
    established(&d, "{}", "mss 1460,nop,nop,sackOK");
    peer(&d, ". 101:201 ack 1");
    stack(&d, ". 1 ack 1 <nop,nop,sack 101:201>");
    peer(&d, ". 121:141 ack 1");
    stack(&d, ". 1 ack 1 <nop,nop,sack 121:141 101:201>");
    dialogue_stop(&d);
}

static void each_out_of_order_segment_of_a_batch_counts_without_sack(void **state)
{
    established(&d, "{}", "mss 1460");
    peer_at_once(&d, ". 101:201 ack 1");
    peer_at_once(&d, ". 201:301 ack 1");
    peer(&d, ". 301:401 ack 1");
    for (int i = 0; i < 3; i++)
        stack(&d, ". 1 ack 1");
    stack_silent(&d);
    dialogue_stop(&d);
}

static void reassembly_is_limited(void **state)
{
    established(&d, "{ reassembly-limit: 3 }", "mss 1460,nop,nop,sackOK");
    peer(&d, ". 101:201 ack 1");
    peer(&d, ". 301:401 ack 1");
    peer(&d, ". 501:601 ack 1");
    (void)stack_said(&d);
    peer(&d, ". 701:801 ack 1");
    stack(&d, ". 1 ack 1 <nop,nop,sack 501:601 301:401 101:201>");
    assert_int_equal(tcp_drops(&d, "reassembly-full"), 1);
    peer(&d, ". 1:901 ack 1"); /* in order data always finds room */
    stack(&d, ". 1 ack 901");
    user_reads(&d, 900);
    dialogue_stop(&d);
}

/* ---- Sending ---- */

/* conformance: 9293 SHLD-28; 9293 MUST-61 */
/* Full segments, PSH on the last. */
static void large_write_is_sent_in_full_segments(void **state)
{
    established(&d, "{}", "mss 1000");
    user_writes(&d, 3500);
    stack(&d, ". 1:1001 ack 1");
    stack(&d, ". 1001:2001 ack 1");
    stack(&d, ". 2001:3001 ack 1");
    stack(&d, "P. 3001:3501 ack 1");
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-14; 9293 MUST-15; 9293 MUST-16 */
static void segments_fit_mss_and_options(void **state)
{
    established(&d, "{}", "mss 100");
    user_writes(&d, 100);
    stack(&d, "P. 1:101 ack 1");
    dialogue_stop(&d);
    established(&d, "{}", "nop");
    user_writes(&d, 600);
    stack(&d, ". 1:537 ack 1");
    dialogue_stop(&d);
    established(&d, "{}", "mss 9000");
    user_writes(&d, 2000);
    stack(&d, ". 1:1461 ack 1");
    dialogue_stop(&d);
}

/* conformance: 7323 A */
static void timestamps_leave_less_room(void **state)
{
    dialogue_start(&d, "{}");
    user_listens(&d);
    d.ts_said = 1;
    peer(&d, "S 0 <mss 1460,nop,nop,TS val 1 ecr 0>");
    stack(&d, "S. 0 ack 1");
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
    user_writes(&d, 2000);
    stack(&d, ". 1:1449 ack 1 <nop,nop,TS val * ecr 1>");
    dialogue_stop(&d);
}

/* conformance: 9293 SHLD-7 */
static void second_small_write_waits_for_the_acknowledgement(void **state)
{
    established(&d, "{}", "mss 1460");
    user_writes(&d, 10);
    stack(&d, "P. 1:11 ack 1");
    user_writes(&d, 10);
    user_writes(&d, 10);
    stack_silent(&d);
    peer(&d, ". 1 ack 11");
    stack(&d, "P. 11:31 ack 1");
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-17 */
static void nodelay_sends_small_writes_at_once(void **state)
{
    established(&d, "{}", "mss 1460");
    user_sets(&d, IPPROTO_TCP, TCP_NODELAY, 1);
    user_writes(&d, 10);
    user_writes(&d, 10);
    stack(&d, "P. 1:11 ack 1");
    stack(&d, "P. 11:21 ack 1");
    dialogue_stop(&d);
}

static void nodelay_releases_what_waited(void **state)
{
    established(&d, "{}", "mss 1460");
    user_writes(&d, 10);
    stack(&d, "P. 1:11 ack 1");
    user_writes(&d, 10);
    stack_silent(&d);
    user_sets(&d, IPPROTO_TCP, TCP_NODELAY, 1);
    stack(&d, "P. 11:21 ack 1");
    dialogue_stop(&d);
}

/* conformance: 6928 2 */
/* RFC 6928 */
static void initial_window_is_ten_segments(void **state)
{
    established(&d, "{}", "mss 1460");
    user_writes(&d, 50000);
    for (int i = 0; i < 10; i++) {
        char text[40];
        snprintf(text, sizeof(text), ". %d:%d ack 1", 1 + i * 1460, 1 + (i + 1) * 1460);
        stack(&d, text);
    }
    stack_silent(&d);
    peer(&d, ". 1 ack 2921"); /* two acknowledged: two more, and two that the window grew by */
    assert_int_equal(stack_said(&d), 4);
    dialogue_stop(&d);
}

/* ---- The peer's window ---- */

/* conformance: 9293 MUST-1 */
static void window_is_unsigned(void **state)
{
    established(&d, "{ initial-window: 100 }", "mss 1460");
    user_writes(&d, 70000);
    unsigned octets = stack_said(&d) * 1460;
    assert_true(octets > 32767 && octets <= 65535 + 1460);
    dialogue_stop(&d);
}

static void data_stops_at_the_window(void **state)
{
    established(&d, "{}", "mss 1000");
    peer(&d, ". 1 ack 1 win 2500");
    user_writes(&d, 5000);
    stack(&d, ". 1:1001 ack 1");
    stack(&d, ". 1001:2001 ack 1"); /* the rest is less than a segment: MUST-38 */
    stack_silent(&d);
    peer(&d, ". 1 ack 2001 win 2500");
    stack(&d, ". 2001:3001 ack 1");
    stack(&d, ". 3001:4001 ack 1");
    dialogue_stop(&d);
}

static void window_is_scaled(void **state)
{
    established(&d, "{}", "mss 1000,nop,wscale 2");
    peer(&d, ". 1 ack 1 win 500"); /* 2000 */
    user_writes(&d, 5000);
    stack(&d, ". 1:1001 ack 1");
    stack(&d, ". 1001:2001 ack 1");
    stack_silent(&d);
    dialogue_stop(&d);
}

static void old_segment_does_not_change_the_window(void **state)
{
    established(&d, "{}", "mss 1000");
    first_data();
    peer(&d, ". 11 ack 1 win 1000");
    peer(&d, ". 1:11 ack 1 win 60000"); /* SEG.SEQ < SND.WL1 */
    (void)stack_said(&d);
    user_writes(&d, 5000);
    stack(&d, ". 1:1001 ack 11");
    stack_silent(&d);
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-36; 9293 SHLD-29; 9293 SHLD-30 */
static void closed_window_is_probed_with_backoff(void **state)
{
    established(&d, "{ minimum-rto: 1s }", "mss 1000");
    peer(&d, ". 1 ack 1 win 0");
    user_writes(&d, 2000);
    stack_silent(&d);
    stack_after(&d, 1 * TN_SEC, ". 1:2 ack 1");
    peer(&d, ". 1 ack 1 win 0");
    stack_after(&d, 2 * TN_SEC, ". 1:2 ack 1");
    peer(&d, ". 1 ack 1 win 0");
    stack_after(&d, 4 * TN_SEC, ". 1:2 ack 1");
    peer(&d, ". 1 ack 1 win 1000");
    stack(&d, ". 1:1001 ack 1");
    dialogue_stop(&d);
}

static void probe_that_is_taken_counts(void **state)
{
    established(&d, "{ minimum-rto: 1s }", "mss 1000");
    peer(&d, ". 1 ack 1 win 0");
    user_writes(&d, 2000);
    stack_after(&d, 1 * TN_SEC, ". 1:2 ack 1");
    peer(&d, ". 1 ack 2 win 0");
    stack_silent(&d);
    stack_after(&d, 1 * TN_SEC, ". 2:3 ack 1");
    peer(&d, ". 1 ack 3 win 5000");
    stack(&d, ". 3:1003 ack 1");
    stack(&d, "P. 1003:2001 ack 1");
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-37 */
static void connection_stays_open_while_probes_are_answered(void **state)
{
    established(&d, "{ minimum-rto: 1s, maximum-rto: 60s, user-timeout: 5m }", "mss 1000");
    peer(&d, ". 1 ack 1 win 0");
    user_writes(&d, 1000);
    for (tn_time end = tn_sim_now(d.sim) + 3600 * TN_SEC; tn_sim_advance(d.sim, end);)
        if (stack_said(&d) > 0)
            peer(&d, ". 1 ack 1 win 0");
    assert_string_equal(stack_state(&d), "ESTABLISHED");
    peer(&d, ". 1 ack 1 win 1000");
    stack(&d, "P. 1:1001 ack 1");
    dialogue_stop(&d);
}

/* A peer that takes nothing and answers for ever must not keep what nobody else would end (RFC 6429 §3). */
static void answered_probes_do_not_keep_what_its_user_has_closed(void **state)
{
    established(&d, "{ minimum-rto: 1s, user-timeout: 5m }", "mss 1000");
    peer(&d, ". 1 ack 1 win 0");
    user_writes(&d, 1000);
    user_closes(&d);
    for (tn_time end = tn_sim_now(d.sim) + 290 * TN_SEC; tn_sim_advance(d.sim, end);)
        if (stack_said(&d) > 0)
            peer(&d, ". 1 ack 1 win 0");
    assert_int_equal(tcp_counter(&d, "timeouts"), 0);
    for (tn_time end = tn_sim_now(d.sim) + 20 * TN_SEC; tn_sim_advance(d.sim, end);)
        if (stack_said(&d) > 0)
            peer(&d, ". 1 ack 1 win 0");
    assert_int_equal(tcp_counter(&d, "timeouts"), 1);
    dialogue_stop(&d);
}

static void unanswered_probes_end_the_connection(void **state)
{
    established(&d, "{ user-timeout: 100s }", "mss 1000");
    peer(&d, ". 1 ack 1 win 0");
    user_writes(&d, 1000);
    tn_sim_run(d.sim, 99 * TN_SEC);
    assert_int_equal(user_error(&d), 0);
    tn_sim_run(d.sim, 2 * TN_SEC);
    assert_int_equal(user_error(&d), ETIMEDOUT);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-38 */
/* §3.8.6.2.1: the override timeout is at most a second. */
static void small_window_is_used_when_the_override_timer_ends(void **state)
{
    established(&d, "{ minimum-rto: 2s }", "mss 1000");
    peer(&d, ". 1 ack 1 win 300");
    user_writes(&d, 2000);
    stack_silent(&d);
    stack_after(&d, 1 * TN_SEC, ". 1:301 ack 1");
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-34; 9293 MUST-35; 9293 SHLD-15; 9293 SHLD-16 */
static void shrunk_window_is_survived(void **state)
{
    established(&d, "{ minimum-rto: 1s }", "mss 1000");
    user_writes(&d, 20000);
    assert_int_equal(stack_said(&d), 10);
    peer(&d, ". 1 ack 1001 win 2000"); /* 3001 to 10001 are beyond it now */
    stack_silent(&d);
    stack_after(&d, 1 * TN_SEC, ". 1001:2001 ack 1");
    peer(&d, ". 1 ack 2001 win 0");
    stack_after(&d, 1 * TN_SEC, ". 2001:2002 ack 1"); /* a probe, not a segment */
    peer(&d, ". 1 ack 2001 win 60000");
    stack(&d, ". 2001:3001 ack 1");
    dialogue_stop(&d);
}

static void fin_waits_for_the_window(void **state)
{
    established(&d, "{ minimum-rto: 1s }", "mss 1000");
    peer(&d, ". 1 ack 1 win 0");
    user_shuts_down(&d);
    stack_silent(&d);
    stack_after(&d, 1 * TN_SEC, "F. 1:1 ack 1");
    peer(&d, ". 1 ack 2 win 0");
    assert_string_equal(stack_state(&d), "FIN-WAIT-2");
    dialogue_stop(&d);
}

/* ---- The stack's own window ---- */

/* conformance: 9293 MUST-39 */
static void window_closes_and_opens_by_segments(void **state)
{
    established(&d, "{ receive-buffer: 4000, window-scaling: no }", "mss 1000");
    peer(&d, ". 1:1001 ack 1");
    stack(&d, ". 1 ack 1001 win 3000");
    peer(&d, ". 1001:2001 ack 1");
    peer(&d, ". 2001:3001 ack 1");
    stack(&d, ". 1 ack 3001 win 1000");
    peer(&d, "P. 3001:4001 ack 1");
    stack_after(&d, 40 * TN_MSEC, ". 1 ack 4001 win 0");
    for (int i = 0; i < 999; i++)
        user_reads(&d, 1);
    stack_silent(&d); /* MUST-39: not before a segment fits */
    user_reads(&d, 1);
    stack(&d, ". 1 ack 4001 win 1000");
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-66 */
/* And what lies beyond the edge is not taken. */
static void closed_window_takes_acknowledgements_and_resets(void **state)
{
    established(&d, "{ receive-buffer: 2048, window-scaling: no }", "mss 1000");
    peer(&d, ". 1:2049 ack 1");
    stack(&d, ". 1 ack 2049 win 0");
    user_writes(&d, 10);
    stack(&d, "P. 1:11 ack 2049");
    peer(&d, ". 2049:2050 ack 11"); /* a probe, with an acknowledgement */
    stack(&d, ". 11 ack 2049 win 0");
    stack_silent_for(&d, 5 * TN_SEC); /* which was taken: no retransmission */
    peer(&d, "R 2049");
    assert_int_equal(user_error(&d), ECONNRESET);
    dialogue_stop(&d);
}

/* Nothing that was offered is taken back, but a user who does not read gets no more of what all need. */
static void scarce_packets_hold_the_window(void **state)
{
    struct tn_packet *hoard = NULL, *packet;
    established(&d, "{ delayed-ack: 40ms }", "mss 1000");
    peer(&d, "P. 1:1001 ack 1");
    stack(&d, ". 1 ack 1001 win 65535");
    peer(&d, "P. 1001:2001 ack 1");
    while (!tn_pool_beyond(&d.stack->pool, 3) && (packet = tn_packet_new(&d.stack->pool, 1))) {
        packet->next = hoard;
        hoard = packet;
    }
    stack_after(&d, 40 * TN_MSEC, ". 1 ack 2001 win 64535");
    peer(&d, "P. 2001:3001 ack 1");
    stack(&d, ". 1 ack 2001 win 64535");
    assert_int_equal(tcp_drops(&d, "no-packets"), 1);
    while ((packet = hoard)) {
        hoard = packet->next;
        tn_packet_free(&d.stack->pool, packet);
    }
    user_reads(&d, 2000);
    peer(&d, "P. 2001:3001 ack 1");
    stack_after(&d, 40 * TN_MSEC, ". 1 ack 3001 win 65535");
    dialogue_stop(&d);
}

/* conformance: 9293 SHLD-14 */
static void right_edge_never_recedes(void **state)
{
    established(&d, "{ receive-buffer: 300000 }", "mss 1460,nop,wscale 7");
    uint32_t edge = 0, seq = 1;
    for (int i = 0; i < 400; i++) {
        char text[40];
        uint32_t end = seq + 7 + (uint32_t)i % 701;
        snprintf(text, sizeof(text), ". %u:%u ack 1", seq, end);
        peer(&d, text);
        seq = end;
        tn_sim_run(d.sim, 50 * TN_MSEC);
        uint8_t p[2000];
        while (tn_host_receive(d.stack, "h0", p, sizeof(p)) > 0) {
            uint32_t now = tn_load32(p + 28) - d.isn + ((uint32_t)tn_load16(p + 34) << 3);
            assert_true((int32_t)(now - edge) >= 0);
            edge = now;
        }
    }
    assert_true(edge <= 300001 + 300000 / 8 + 8);
    dialogue_stop(&d);
}

/* ---- Timestamps ---- */

static void established_with_timestamps(void)
{
    dialogue_start(&d, "{}");
    user_listens(&d);
    d.ts_said = 1000;
    peer(&d, "S 0 <mss 1460,nop,nop,TS val 1000 ecr 0>");
    stack(&d, "S. 0 ack 1");
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
}

/* RFC 7323 §5.3 */
static void old_timestamp_is_refused_with_an_ack(void **state)
{
    established_with_timestamps();
    peer(&d, "P. 1:11 ack 1 <nop,nop,TS val 999 ecr 0>");
    stack(&d, ". 1 ack 1");
    user_reads_nothing(&d, -EAGAIN);
    assert_int_equal(tcp_drops(&d, "paws"), 1);
    dialogue_stop(&d);
}

static void segment_without_the_agreed_timestamp_is_dropped(void **state)
{
    established_with_timestamps();
    peer(&d, "P. 1:11 ack 1 <nop>");
    stack_silent_for(&d, TN_SEC);
    assert_int_equal(tcp_drops(&d, "no-timestamp"), 1);
    peer(&d, "R 1 <>"); /* a reset needs none */
    assert_int_equal(user_error(&d), ECONNRESET);
    dialogue_stop(&d);
}

/* conformance: 7323 4.3 */
static void timestamp_is_echoed_of_the_segment_that_is_acknowledged(void **state)
{
    established_with_timestamps();
    peer(&d, "P. 1:11 ack 1 <nop,nop,TS val 1010 ecr 0>");
    stack(&d, ". 1 ack 11 <nop,nop,TS val * ecr 1010>");
    peer(&d, "P. 21:31 ack 1 <nop,nop,TS val 1030 ecr 0>"); /* out of order: not that */
    stack(&d, ". 1 ack 11 <nop,nop,TS val * ecr 1010>");
    peer(&d, "P. 11:21 ack 1 <nop,nop,TS val 1020 ecr 0>");
    stack(&d, ". 1 ack 31 <nop,nop,TS val * ecr 1020>");
    dialogue_stop(&d);
}

/* Its acknowledgement was lost: by the old timestamp the peer would measure how long it waited. */
static void timestamp_of_repeated_data_is_echoed(void **state)
{
    established_with_timestamps();
    peer(&d, "P. 1:11 ack 1 <nop,nop,TS val 1010 ecr 0>");
    stack(&d, ". 1 ack 11 <nop,nop,TS val * ecr 1010>");
    peer(&d, "P. 1:11 ack 1 <nop,nop,TS val 3010 ecr 0>");
    stack(&d, ". 1 ack 11 <nop,nop,TS val * ecr 3010>");
    peer(&d, "P. 1:11 ack 9 <nop,nop,TS val 5010 ecr 0>"); /* which nobody of this connection would send */
    stack(&d, ". 1 ack 11 <nop,nop,TS val * ecr 3010>");
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-64 */
static void timestamp_is_found_at_any_alignment(void **state)
{
    established_with_timestamps();
    peer(&d, "P. 1:11 ack 1 <nop,TS val 1010 ecr 0,nop>");
    stack(&d, ". 1 ack 11 <nop,nop,TS val * ecr 1010>");
    dialogue_stop(&d);
}

/* conformance: 7323 5.4 clock */
static void clock_of_timestamps_ticks_in_milliseconds(void **state)
{
    established_with_timestamps();
    peer(&d, "P. 1:11 ack 1");
    stack(&d, ". 1 ack 11");
    uint32_t before = d.ts_heard;
    tn_sim_run(d.sim, 1500 * TN_MSEC);
    peer(&d, "P. 1:11 ack 1"); /* again: acknowledged at once */
    stack(&d, ". 1 ack 11");
    assert_int_equal(d.ts_heard - before, 1500);
    dialogue_stop(&d);
}

/* conformance: 7323 5.4 offset */
static void timestamps_begin_with_an_offset_of_each_connection(void **state)
{
    uint32_t first[2];
    dialogue_start(&d, "{}");
    user_listens(&d);
    for (int i = 0; i < 2; i++, d.peer_port++) {
        d.iss_known = false;
        peer(&d, "S 0 <mss 1460,nop,nop,TS val 1000 ecr 0>");
        stack(&d, "S. 0 ack 1");
        first[i] = d.ts_heard;
    }
    uint32_t apart = first[0] - first[1];
    assert_true(apart > 1000 && apart < UINT32_MAX - 1000); /* at the same time */
    dialogue_stop(&d);
}

/* ---- The trace ---- */

static char traced[8192];

static void keep_line(void *context, const char *line)
{
    size_t used = strlen(traced);
    snprintf(traced + used, sizeof(traced) - used, "%s\n", line);
}

static void assert_traced(const char *text)
{
    if (!strstr(traced, text))
        fail_msg("not in the trace: %s\n%s", text, traced);
}

static void trace_describes_segments_and_states(void **state)
{
    char text[80];
    traced[0] = '\0';
    dialogue_start(&d, "{}");
    user_listens(&d);
    tn_stack_trace(d.stack, keep_line, NULL, false);
    peer(&d, "S 0 <mss 1460,sackOK,TS val 7 ecr 0,nop,wscale 7>");
    stack(&d, "S. 0 ack 1");
    assert_traced(
        "tcp 40000 > 7 [S] seq 5000 ack 0 win 65535 <mss 1460,sackOK,TS val 7 ecr 0,nop,wscale 7> len 0\n");
    assert_traced("10.0.7.7:7 LISTEN -> SYN-RECEIVED\n");
    peer(&d, ". 1 ack 1 <nop,nop,TS val 8 ecr *>");
    assert_traced("10.0.7.7:7 SYN-RECEIVED -> ESTABLISHED\n");
    user_accepts(&d);
    user_writes(&d, 1448); /* a header and views of the send queue */
    snprintf(text, sizeof(text), "tcp 7 > 40000 [P.] seq %u ack 5001 win 512 <nop,nop,TS val ", d.iss + 1);
    assert_traced(text);
    assert_traced(" ecr 8> len 1448");
    peer(&d, ". 2 ack 1 <hex 0500>"); /* options that end too early */
    assert_traced("<bad length 0 of option 5> len 0");
    tn_stack_trace(d.stack, NULL, NULL, false);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* ---- Keep-alive ---- */

/* conformance: 9293 MUST-25 */
static void nothing_is_sent_while_idle(void **state)
{
    established(&d, "{}", "mss 1460");
    stack_silent_for(&d, 3 * 3600 * TN_SEC);
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-27; 9293 MUST-29; 9293 SHLD-12 */
static void keepalive_probes_an_idle_peer(void **state)
{
    established(&d, "{}", "mss 1460");
    user_sets(&d, SOL_SOCKET, SO_KEEPALIVE, 1);
    user_sets(&d, IPPROTO_TCP, TCP_KEEPIDLE, 10);
    user_sets(&d, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    user_sets(&d, IPPROTO_TCP, TCP_KEEPCNT, 3);
    stack_after(&d, 10 * TN_SEC, ". 0:0 ack 1");
    peer(&d, ". 1 ack 1");
    stack_after(&d, 10 * TN_SEC, ". 0:0 ack 1");
    stack_after(&d, 5 * TN_SEC, ". 0:0 ack 1");
    stack_after(&d, 5 * TN_SEC, ". 0:0 ack 1");
    assert_int_equal(user_error(&d), 0);
    stack_after(&d, 5 * TN_SEC, "R. 1 ack 1");
    assert_int_equal(user_error(&d), ETIMEDOUT);
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-28 */
static void keepalive_waits_two_hours(void **state)
{
    established(&d, "{}", "mss 1460");
    user_sets(&d, SOL_SOCKET, SO_KEEPALIVE, 1);
    stack_after(&d, 7200 * TN_SEC, ". 0:0 ack 1");
    dialogue_stop(&d);
}

static void keepalive_of_the_peer_is_answered(void **state)
{
    established(&d, "{}", "mss 1460");
    peer(&d, ". 0 ack 1");
    stack(&d, ". 1 ack 1");
    peer(&d, ". 0:1 ack 1"); /* with a garbage octet */
    stack(&d, ". 1 ack 1");
    user_reads_nothing(&d, -EAGAIN);
    dialogue_stop(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scarce_packets_hold_the_window),
        cmocka_unit_test(first_data_is_acknowledged_at_once),
        cmocka_unit_test(small_segment_is_acknowledged_after_a_delay),
        cmocka_unit_test(second_full_segment_is_acknowledged_at_once),
        cmocka_unit_test(batch_of_segments_gets_one_acknowledgement),
        cmocka_unit_test(acknowledgement_rides_on_data),
        cmocka_unit_test(old_data_is_acknowledged_and_not_delivered_again),
        cmocka_unit_test(duplicate_is_reported_by_dsack),
        cmocka_unit_test(segment_without_ack_is_dropped),
        cmocka_unit_test(acknowledgement_of_what_was_not_sent_gets_an_ack),
        cmocka_unit_test(data_beyond_the_window_is_refused_with_an_ack),
        cmocka_unit_test(out_of_order_data_is_kept),
        cmocka_unit_test(gaps_are_reported_newest_first),
        cmocka_unit_test(overlapping_segments_are_cut_to_fit),
        cmocka_unit_test(duplicate_out_of_order_is_reported_by_dsack),
        cmocka_unit_test(each_out_of_order_segment_of_a_batch_counts_without_sack),
        cmocka_unit_test(reassembly_is_limited),
        cmocka_unit_test(large_write_is_sent_in_full_segments),
        cmocka_unit_test(segments_fit_mss_and_options),
        cmocka_unit_test(timestamps_leave_less_room),
        cmocka_unit_test(second_small_write_waits_for_the_acknowledgement),
        cmocka_unit_test(nodelay_sends_small_writes_at_once),
        cmocka_unit_test(nodelay_releases_what_waited),
        cmocka_unit_test(initial_window_is_ten_segments),
        cmocka_unit_test(window_is_unsigned),
        cmocka_unit_test(data_stops_at_the_window),
        cmocka_unit_test(window_is_scaled),
        cmocka_unit_test(old_segment_does_not_change_the_window),
        cmocka_unit_test(closed_window_is_probed_with_backoff),
        cmocka_unit_test(probe_that_is_taken_counts),
        cmocka_unit_test(connection_stays_open_while_probes_are_answered),
        cmocka_unit_test(answered_probes_do_not_keep_what_its_user_has_closed),
        cmocka_unit_test(unanswered_probes_end_the_connection),
        cmocka_unit_test(small_window_is_used_when_the_override_timer_ends),
        cmocka_unit_test(shrunk_window_is_survived),
        cmocka_unit_test(fin_waits_for_the_window),
        cmocka_unit_test(window_closes_and_opens_by_segments),
        cmocka_unit_test(closed_window_takes_acknowledgements_and_resets),
        cmocka_unit_test(right_edge_never_recedes),
        cmocka_unit_test(old_timestamp_is_refused_with_an_ack),
        cmocka_unit_test(segment_without_the_agreed_timestamp_is_dropped),
        cmocka_unit_test(timestamp_is_echoed_of_the_segment_that_is_acknowledged),
        cmocka_unit_test(timestamp_of_repeated_data_is_echoed),
        cmocka_unit_test(timestamp_is_found_at_any_alignment),
        cmocka_unit_test(clock_of_timestamps_ticks_in_milliseconds),
        cmocka_unit_test(timestamps_begin_with_an_offset_of_each_connection),
        cmocka_unit_test(trace_describes_segments_and_states),
        cmocka_unit_test(nothing_is_sent_while_idle),
        cmocka_unit_test(keepalive_probes_an_idle_peer),
        cmocka_unit_test(keepalive_waits_two_hours),
        cmocka_unit_test(keepalive_of_the_peer_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
