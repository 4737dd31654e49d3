/* TCP: how connections end (RFC 9293 §3.6, §3.10.4 to §3.10.8), and what cannot end them (RFC 5961, RFC 1337). */
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

/* ---- FIN ---- */

/* conformance: 9293 MUST-12; 9293 3.10.7.4 eighth; 9293 3.10.7.4 fifth LAST-ACK; 9293 3.10.7.4 eighth ESTABLISHED */
static void fin_of_the_peer_is_the_end_of_data(void **state)
{
    established(&d, "{}", "mss 1460");
    peer(&d, "F. 1:11 ack 1");
    stack(&d, ". 1 ack 12");
    assert_string_equal(stack_state(&d), "CLOSE-WAIT");
    user_reads(&d, 10);
    user_reads_nothing(&d, 0);
    user_closes(&d);
    stack(&d, "F. 1 ack 12"); /* LAST-ACK */
    peer(&d, ". 12 ack 2");
    peer(&d, ". 12 ack 2"); /* CLOSED: nobody there */
    stack(&d, "R 2");
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-13; 9293 3.10.7.4 fifth TIME-WAIT; 9293 3.10.8 time-wait */
static void close_goes_through_time_wait(void **state)
{
    established(&d, "{ time-wait: 10s }", "mss 1460");
    user_closes(&d);
    stack(&d, "F. 1 ack 1"); /* FIN-WAIT-1 */
    peer(&d, ". 1 ack 2");   /* FIN-WAIT-2 */
    stack_silent_for(&d, TN_SEC);
    peer(&d, "F. 1 ack 2");
    stack(&d, ". 2 ack 2"); /* TIME-WAIT */
    stack_silent_for(&d, 9 * TN_SEC);
    peer(&d, "F. 1 ack 2"); /* MUST-13: again; 2 MSL begins again */
    stack(&d, ". 2 ack 2");
    stack_silent_for(&d, 9900 * TN_MSEC);
    peer(&d, ". 2 ack 2");
    stack_silent_for(&d, 200 * TN_MSEC);
    peer(&d, ". 2 ack 2");
    stack(&d, "R 2");
    assert_int_equal(tcp_counter(&d, "time-waits"), 1);
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.4 fifth FIN-WAIT-1; 9293 3.10.7.4 eighth FIN-WAIT-2 */
static void states_of_an_active_close(void **state)
{
    established(&d, "{ time-wait: 10s }", "mss 1460");
    user_shuts_down(&d);
    stack(&d, "F. 1 ack 1");
    assert_string_equal(stack_state(&d), "FIN-WAIT-1");
    peer(&d, ". 1 ack 2");
    assert_string_equal(stack_state(&d), "FIN-WAIT-2");
    peer(&d, "F. 1 ack 2");
    stack(&d, ". 2 ack 2");
    assert_string_equal(stack_state(&d), "TIME-WAIT");
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.4 eighth FIN-WAIT-1; 9293 3.10.7.4 fifth CLOSING */
static void simultaneous_close(void **state)
{
    established(&d, "{ time-wait: 10s }", "mss 1460");
    user_shuts_down(&d);
    stack(&d, "F. 1 ack 1");
    peer(&d, "F. 1 ack 1"); /* before our FIN came */
    stack(&d, ". 2 ack 2");
    assert_string_equal(stack_state(&d), "CLOSING");
    peer(&d, ". 2 ack 2");
    assert_string_equal(stack_state(&d), "TIME-WAIT");
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.4 eighth FIN-WAIT-1 */
static void fin_with_the_acknowledgement_of_ours_leads_to_time_wait(void **state)
{
    established(&d, "{ time-wait: 10s }", "mss 1460");
    user_shuts_down(&d);
    stack(&d, "F. 1 ack 1");
    peer(&d, "F. 1 ack 2");
    stack(&d, ". 2 ack 2");
    assert_string_equal(stack_state(&d), "TIME-WAIT");
    dialogue_stop(&d);
}

static void half_closed_connection_still_receives(void **state)
{
    established(&d, "{}", "mss 1460");
    user_writes(&d, 10);
    user_shuts_down(&d);
    stack(&d, "P. 1:11 ack 1");
    stack(&d, "F. 11 ack 1");
    peer(&d, ". 1 ack 12");
    peer(&d, "P. 1:101 ack 12");
    stack(&d, ". 12 ack 101");
    peer(&d, "P. 101:201 ack 12");
    user_reads(&d, 200);
    stack_after(&d, 40 * TN_MSEC, ". 12 ack 201");
    peer(&d, "F. 201 ack 12");
    stack(&d, ". 12 ack 202");
    user_reads_nothing(&d, 0);
    dialogue_stop(&d);
}

static void half_closed_peer_still_gets_data(void **state)
{
    established(&d, "{}", "mss 1460");
    peer(&d, "F. 1 ack 1");
    stack(&d, ". 1 ack 2");
    user_writes(&d, 100);
    stack(&d, "P. 1:101 ack 2");
    peer(&d, ". 2 ack 101");
    user_closes(&d);
    stack(&d, "F. 101 ack 2");
    peer(&d, ". 2 ack 102");
    dialogue_stop(&d);
}

static void fin_rides_on_the_last_data(void **state)
{
    established(&d, "{}", "mss 1000");
    peer(&d, ". 1 ack 1 win 0");
    user_writes(&d, 1500);
    user_shuts_down(&d);
    peer(&d, ". 1 ack 1 win 5000");
    stack(&d, ". 1:1001 ack 1");
    stack(&d, "FP. 1001:1501 ack 1");
    peer(&d, ". 1 ack 1502");
    assert_string_equal(stack_state(&d), "FIN-WAIT-2");
    dialogue_stop(&d);
}

static void fin_is_repeated(void **state)
{
    established(&d, "{ minimum-rto: 1s }", "mss 1000");
    user_shuts_down(&d);
    stack(&d, "F. 1 ack 1");
    stack_after(&d, 1 * TN_SEC, "F. 1 ack 1");
    stack_after(&d, 2 * TN_SEC, "F. 1 ack 1");
    peer(&d, ". 1 ack 2");
    stack_silent_for(&d, 10 * TN_SEC);
    dialogue_stop(&d);
}

static void fin_out_of_order_is_remembered(void **state)
{
    established(&d, "{}", "mss 1460");
    peer(&d, "F. 11:21 ack 1");
    stack(&d, ". 1 ack 1");
    assert_string_equal(stack_state(&d), "ESTABLISHED");
    peer(&d, ". 1:11 ack 1");
    stack(&d, ". 1 ack 22");
    assert_string_equal(stack_state(&d), "CLOSE-WAIT");
    user_reads(&d, 20);
    user_reads_nothing(&d, 0);
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.4 seventh after FIN */
static void data_after_the_fin_is_not_taken(void **state)
{
    established(&d, "{}", "mss 1460");
    peer(&d, "F. 11:21 ack 1");
    stack(&d, ". 1 ack 1");
    peer(&d, ". 21:31 ack 1");
    peer(&d, ". 1:11 ack 1");
    stack(&d, ". 1 ack 22");
    user_reads(&d, 20);
    user_reads_nothing(&d, 0);
    assert_int_equal(tcp_drops(&d, "beyond-fin"), 1);
    dialogue_stop(&d);
}

static void closed_socket_does_not_wait_for_ever_in_fin_wait_2(void **state)
{
    established(&d, "{ fin-wait: 30s }", "mss 1460");
    user_closes(&d);
    stack(&d, "F. 1 ack 1");
    peer(&d, ". 1 ack 2");
    stack_silent_for(&d, 31 * TN_SEC);
    peer(&d, "F. 1 ack 2");
    stack(&d, "R 2");
    dialogue_stop(&d);
}

static void socket_that_is_only_shut_down_waits(void **state)
{
    established(&d, "{ fin-wait: 30s }", "mss 1460");
    user_shuts_down(&d);
    stack(&d, "F. 1 ack 1");
    peer(&d, ". 1 ack 2");
    stack_silent_for(&d, 3600 * TN_SEC);
    assert_string_equal(stack_state(&d), "FIN-WAIT-2");
    dialogue_stop(&d);
}

/* ---- TIME-WAIT ---- */

static void in_time_wait(const char *options, uint32_t ts)
{
    char text[128];
    dialogue_start(&d, "{ time-wait: 60s }");
    user_listens(&d);
    d.ts_said = ts;
    snprintf(text, sizeof(text), "S 0 <%s>", options);
    peer(&d, text);
    stack(&d, "S. 0 ack 1");
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
    user_closes(&d);
    stack(&d, "F. 1 ack 1");
    peer(&d, "F. 1 ack 2");
    stack(&d, ". 2 ack 2");
}

/* RFC 1337 */
/* conformance: 1337 3 F1 */
static void reset_does_not_end_time_wait(void **state)
{
    in_time_wait("mss 1460", 0);
    peer(&d, "R 2");
    peer(&d, ". 2 ack 2"); /* still known: no reset */
    stack_silent(&d);
    assert_int_equal(tcp_drops(&d, "reset-in-time-wait"), 1);
    dialogue_stop(&d);
}

/* RFC 6191 */
/* conformance: 6191 2 no timestamps */
static void later_syn_ends_time_wait(void **state)
{
    in_time_wait("mss 1460", 0);
    d.iss_known = false;
    peer(&d, "S 100000 <mss 1460>");
    stack(&d, "S. 0 ack 100001");
    assert_int_equal(tcp_counter(&d, "time-waits-reused"), 1);
    dialogue_stop(&d);
}

static void earlier_syn_does_not_end_time_wait(void **state)
{
    in_time_wait("mss 1460", 0);
    peer(&d, "S -100000 <mss 1460>");
    stack(&d, ". 2 ack 2");
    assert_int_equal(tcp_counter(&d, "time-waits-reused"), 0);
    dialogue_stop(&d);
}

/* conformance: 9293 SHLD-4; 6191 2 timestamps */
static void syn_with_a_later_timestamp_ends_time_wait(void **state)
{
    in_time_wait("mss 1460,nop,nop,TS val 1000 ecr 0", 1000);
    peer(&d, "S -100000 <mss 1460,nop,nop,TS val 999 ecr 0>");
    stack(&d, ". 2 ack 2");
    d.iss_known = false;
    peer(&d, "S -100000 <mss 1460,nop,nop,TS val 1001 ecr 0>");
    stack(&d, "S. 0");
    dialogue_stop(&d);
}

/* ---- RST ---- */

/* conformance: 9293 MUST-12; 9293 3.10.7.4 second; 5961 3.2 exact */
static void reset_at_the_edge_ends_the_connection(void **state)
{
    established(&d, "{}", "mss 1460");
    peer(&d, "R 1");
    stack_silent(&d);
    user_reads_nothing(&d, -ECONNRESET);
    dialogue_stop(&d);
}

/* conformance: 9293 SHLD-2 */
static void reset_may_carry_text(void **state)
{
    established(&d, "{}", "mss 1460");
    peer(&d, "R. 1:21 ack 1");
    assert_int_equal(user_error(&d), ECONNRESET);
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.4 second */
/* RFC 5961 §3 */
/* conformance: 5961 3.2 window */
static void reset_in_the_window_is_challenged(void **state)
{
    established(&d, "{}", "mss 1460");
    peer(&d, "R 2");
    stack(&d, ". 1 ack 1");
    peer(&d, "R 65535");
    stack(&d, ". 1 ack 1");
    assert_string_equal(stack_state(&d), "ESTABLISHED");
    assert_int_equal(tcp_drops(&d, "reset-challenged"), 2);
    assert_int_equal(tcp_counter(&d, "challenge-acks"), 2);
    dialogue_stop(&d);
}

/* conformance: 5961 3.2 outside */
static void reset_outside_the_window_is_ignored(void **state)
{
    established(&d, "{}", "mss 1460");
    peer(&d, "R 0");
    peer(&d, "R 70000");
    stack_silent(&d);
    assert_string_equal(stack_state(&d), "ESTABLISHED");
    assert_int_equal(tcp_drops(&d, "reset-out-of-window"), 2);
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.4 fourth */
/* RFC 5961 §4 */
/* conformance: 5961 4.2 */
static void syn_in_an_open_connection_is_challenged(void **state)
{
    established(&d, "{}", "mss 1460");
    peer(&d, "S 1");
    stack(&d, ". 1 ack 1");
    peer(&d, "S 90000");
    stack(&d, ". 1 ack 1");
    assert_string_equal(stack_state(&d), "ESTABLISHED");
    dialogue_stop(&d);
}

/* RFC 5961 §5 */
/* conformance: 5961 5.2 */
static void very_old_acknowledgement_is_challenged(void **state)
{
    established(&d, "{}", "mss 1460");
    peer(&d, "P. 1:11 ack -65000");
    user_reads(&d, 10);
    (void)stack_said(&d);
    peer(&d, "P. 11:21 ack -70000");
    stack(&d, ". 1 ack 11");
    user_reads_nothing(&d, -EAGAIN);
    dialogue_stop(&d);
}

/* RFC 5961 §7, §10 */
/* conformance: 5961 7 */
static void challenges_are_limited(void **state)
{
    established(&d, "{}", "mss 1460");
    for (int i = 0; i < 50; i++)
        peer(&d, "R 2");
    assert_int_equal(stack_said(&d), 10);
    assert_int_equal(tcp_counter(&d, "acks-limited"), 40);
    tn_sim_run(d.sim, 5 * TN_SEC);
    peer(&d, "R 2");
    stack(&d, ". 1 ack 1");
    dialogue_stop(&d);
}

/* conformance: 9293 SHLD-3 */
static void close_with_unread_data_resets(void **state)
{
    established(&d, "{}", "mss 1460");
    peer(&d, "P. 1:11 ack 1");
    stack(&d, ". 1 ack 11");
    user_closes(&d);
    stack(&d, "R. 1 ack 11");
    stack_silent_for(&d, 10 * TN_SEC);
    dialogue_stop(&d);
}

/* conformance: 9293 SHLD-3 */
static void data_after_close_resets(void **state)
{
    established(&d, "{}", "mss 1460");
    user_closes(&d);
    stack(&d, "F. 1 ack 1");
    peer(&d, "P. 1:11 ack 2");
    stack(&d, "R. 2");
    dialogue_stop(&d);
}

static void linger_of_zero_resets(void **state)
{
    established(&d, "{}", "mss 1460");
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(tn_setsockopt(d.stack, d.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    user_closes(&d);
    stack(&d, "R. 1 ack 1");
    dialogue_stop(&d);
}

static void closing_a_listener_resets_what_nobody_accepted(void **state)
{
    dialogue_start(&d, "{}");
    user_listens(&d);
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    peer(&d, ". 1 ack 1");
    assert_int_equal(tn_close(d.stack, d.listener), 0);
    d.listener = -1;
    tn_sim_settle(d.sim);
    stack(&d, "R. 1 ack 1");
    peer(&d, "S 100");
    stack(&d, "R. *:0 ack 101");
    dialogue_stop(&d);
}

/* ---- ICMP ---- */

/* conformance: 9293 MUST-56 */
/* RFC 5461: what would end an attempt to connect does not end a connection. */
/* conformance: 5927 5.2; 5927 6 */
static void icmp_errors_do_not_end_a_connection(void **state)
{
    established(&d, "{}", "mss 1460");
    user_writes(&d, 10);
    (void)stack_said(&d);
    for (uint8_t code = 0; code <= 5; code++)
        if (code != 4)
            icmp(&d, 3, code, 0, ". 1:11");
    icmp(&d, 11, 0, 0, ". 1:11");
    icmp(&d, 12, 0, 0, ". 1:11");
    icmp(&d, 4, 0, 0, ". 1:11"); /* MUST-55 */
    assert_string_equal(stack_state(&d), "ESTABLISHED");
    peer(&d, ". 1 ack 11");
    dialogue_stop(&d);
}

/* RFC 1191 */
/* conformance: 5927 4.1 */
static void fragmentation_needed_lowers_the_segment_size(void **state)
{
    established(&d, "{}", "mss 1460");
    user_writes(&d, 2920);
    stack(&d, ". 1:1461 ack 1");
    stack(&d, "P. 1461:2921 ack 1");
    icmp(&d, 3, 4, 1000, ". 2921:2922"); /* not in flight: ignored (RFC 5927) */
    stack_silent(&d);
    icmp(&d, 3, 4, 1000, ". 1:1461");
    stack(&d, ". 1:961 ack 1");
    stack(&d, ". 961:1921 ack 1");
    stack(&d, ". 1921:2881 ack 1");
    stack(&d, "P. 2881:2921 ack 1");
    dialogue_stop(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fin_of_the_peer_is_the_end_of_data),
        cmocka_unit_test(close_goes_through_time_wait),
        cmocka_unit_test(states_of_an_active_close),
        cmocka_unit_test(simultaneous_close),
        cmocka_unit_test(fin_with_the_acknowledgement_of_ours_leads_to_time_wait),
        cmocka_unit_test(half_closed_connection_still_receives),
        cmocka_unit_test(half_closed_peer_still_gets_data),
        cmocka_unit_test(fin_rides_on_the_last_data),
        cmocka_unit_test(fin_is_repeated),
        cmocka_unit_test(fin_out_of_order_is_remembered),
        cmocka_unit_test(data_after_the_fin_is_not_taken),
        cmocka_unit_test(closed_socket_does_not_wait_for_ever_in_fin_wait_2),
        cmocka_unit_test(socket_that_is_only_shut_down_waits),
        cmocka_unit_test(reset_does_not_end_time_wait),
        cmocka_unit_test(later_syn_ends_time_wait),
        cmocka_unit_test(earlier_syn_does_not_end_time_wait),
        cmocka_unit_test(syn_with_a_later_timestamp_ends_time_wait),
        cmocka_unit_test(reset_at_the_edge_ends_the_connection),
        cmocka_unit_test(reset_may_carry_text),
        cmocka_unit_test(reset_in_the_window_is_challenged),
        cmocka_unit_test(reset_outside_the_window_is_ignored),
        cmocka_unit_test(syn_in_an_open_connection_is_challenged),
        cmocka_unit_test(very_old_acknowledgement_is_challenged),
        cmocka_unit_test(challenges_are_limited),
        cmocka_unit_test(close_with_unread_data_resets),
        cmocka_unit_test(data_after_close_resets),
        cmocka_unit_test(linger_of_zero_resets),
        cmocka_unit_test(closing_a_listener_resets_what_nobody_accepted),
        cmocka_unit_test(icmp_errors_do_not_end_a_connection),
        cmocka_unit_test(fragmentation_needed_lowers_the_segment_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
