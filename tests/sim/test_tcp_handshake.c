/* TCP: how connections begin (RFC 9293 §3.5, §3.10.7.1 to §3.10.7.4). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dialogue.h"

static struct dialogue d;

static void listening(const char *tcp)
{
    dialogue_start(&d, tcp);
    user_listens(&d);
}

/* ---- CLOSED ---- */

/* conformance: 9293 3.10.7.1 reset */
static void closed_port_answers_syn_with_reset(void **state)
{
    dialogue_start(&d, "{}");
    peer(&d, "S 0");
    stack(&d, "R. 0:0 ack 1");
    peer(&d, "S 0:10"); /* SEG.LEN counts data and SYN */
    stack(&d, "R. 0 ack 11");
    peer(&d, "SF 0:10");
    stack(&d, "R. 0 ack 12");
    assert_int_equal(tcp_drops(&d, "no-connection"), 3);
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.1 reset */
static void closed_port_answers_ack_with_reset_at_its_number(void **state)
{
    dialogue_start(&d, "{}");
    peer(&d, ". 0 ack 777");
    stack(&d, "R 777:777 ack 0");
    peer(&d, "F. 10:20 ack 999");
    stack(&d, "R 999");
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.1 silence */
static void closed_port_never_answers_a_reset(void **state)
{
    dialogue_start(&d, "{}");
    peer(&d, "R 0");
    peer(&d, "R. 0 ack 1");
    stack_silent(&d);
    assert_int_equal(tcp_drops(&d, "stray-reset"), 2);
    dialogue_stop(&d);
}

/* ---- LISTEN ---- */

/* conformance: 9293 3.10.7.2 SYN */
static void syn_to_a_listener_gets_a_syn_ack(void **state)
{
    listening("{}");
    peer(&d, "S 0 win 65535 <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>");
    stack(&d, "S. 0 ack 1 win 65535 <mss 1460,sackOK,TS val * ecr 100,nop,wscale 9>");
    peer(&d, ". 1 ack 1 <nop,nop,TS val 101 ecr *>");
    user_accepts(&d);
    assert_string_equal(stack_state(&d), "ESTABLISHED");
    assert_int_equal(tcp_counter(&d, "handshakes"), 1);
    dialogue_stop(&d);
}

static void only_offered_options_are_answered(void **state)
{
    listening("{}");
    peer(&d, "S 0 <mss 1460>");
    stack(&d, "S. 0 ack 1 <mss 1460>");
    d.peer_port++;
    d.iss_known = false;
    peer(&d, "S 0 <mss 1460,nop,nop,sackOK>");
    stack(&d, "S. 0 ack 1 <mss 1460,nop,nop,sackOK>");
    d.peer_port++;
    d.iss_known = false;
    peer(&d, "S 0 <mss 1460,nop,wscale 3>");
    stack(&d, "S. 0 ack 1 <mss 1460,nop,wscale 9>");
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-4; 9293 MUST-6 */
static void unknown_options_are_passed_over(void **state)
{
    listening("{}");
    peer(&d, "S 0 <hex c806aabbccdd,nop,nop,mss 500,eol>");
    stack(&d, "S. 0 ack 1 <mss 1460>");
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-7 */
static void bad_option_lengths_are_dropped_and_the_next_syn_is_served(void **state)
{
    listening("{}");
    peer(&d, "S 0 <hex 02000101>"); /* length 0 */
    peer(&d, "S 0 <hex 02010101>"); /* 1 */
    peer(&d, "S 0 <hex 01010209>"); /* past the end */
    peer(&d, "S 0 <hex 01010102>"); /* none */
    stack_silent(&d);
    assert_int_equal(tcp_drops(&d, "bad-option"), 4);
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-3 */
static void bad_checksums_are_met_with_silence(void **state)
{
    listening("{}");
    peer(&d, "S 0 !checksum");
    peer(&d, ". 0 ack 5 !checksum");
    stack_silent(&d);
    assert_int_equal(tcp_drops(&d, "bad-checksum"), 2);
    dialogue_stop(&d);
}

static void broken_headers_are_dropped(void **state)
{
    listening("{}");
    peer(&d, "S 0 !short");
    peer(&d, "S 0 !offset 4");
    peer(&d, "S 0 !offset 6"); /* beyond the end */
    stack_silent(&d);
    assert_int_equal(tcp_drops(&d, "too-short"), 1);
    assert_int_equal(tcp_drops(&d, "bad-offset"), 2);
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.2 RST */
static void listener_ignores_a_reset(void **state)
{
    listening("{}");
    peer(&d, "R 0");
    stack_silent(&d);
    assert_int_equal(tcp_drops(&d, "listen-reset"), 1);
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.2 ACK */
static void listener_resets_an_ack(void **state)
{
    listening("{}");
    peer(&d, ". 0 ack 4711");
    stack(&d, "R 4711");
    peer(&d, "S. 0 ack 4712");
    stack(&d, "R 4712");
    assert_int_equal(tcp_drops(&d, "listen-ack"), 2);
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.2 other */
static void listener_drops_what_is_nothing(void **state)
{
    listening("{}");
    peer(&d, "F 0");
    peer(&d, "- 0:10");
    stack_silent(&d);
    assert_int_equal(tcp_drops(&d, "listen-no-syn"), 2);
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.2 SYN */
static void data_on_the_syn_is_not_acknowledged(void **state)
{
    listening("{}");
    peer(&d, "S 0:10");
    stack(&d, "S. 0 ack 1");
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-63 */
static void syn_from_an_impossible_source_is_ignored(void **state)
{
    static const uint8_t sources[][4] = {{0, 0, 0, 0},         {127, 0, 0, 1},  {224, 0, 0, 5},
                                         {255, 255, 255, 255}, {10, 0, 7, 255}, {10, 0, 7, 7}};
    listening("{}");
    for (size_t i = 0; i < TN_ARRAY_SIZE(sources); i++) {
        memcpy(d.other, sources[i], 4);
        peer(&d, "S 0");
        stack_silent(&d);
    }
    assert_int_equal(tcp_counter(&d, "passive-opens"), 0);
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-57 */
static void syn_to_a_group_is_ignored(void **state)
{
    static const uint8_t groups[][4] = {{10, 0, 7, 255}, {255, 255, 255, 255}, {224, 0, 0, 1}};
    listening("{}");
    for (size_t i = 0; i < TN_ARRAY_SIZE(groups); i++) {
        memcpy(d.own, groups[i], 4);
        peer(&d, "S 0");
        stack_silent(&d);
    }
    assert_int_equal(tcp_counter(&d, "passive-opens"), 0);
    dialogue_stop(&d);
}

/* ---- SYN-RECEIVED ---- */

static void syn_ack_is_repeated_with_backoff(void **state)
{
    listening("{}");
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    stack_after(&d, 1 * TN_SEC, "S. 0 ack 1");
    stack_after(&d, 2 * TN_SEC, "S. 0 ack 1");
    stack_after(&d, 4 * TN_SEC, "S. 0 ack 1");
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
    dialogue_stop(&d);
}

static void syn_again_gets_the_syn_ack_again(void **state)
{
    listening("{}");
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    stack_silent(&d);
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.4 fifth SYN-RECEIVED */
static void syn_received_resets_a_wrong_ack(void **state)
{
    listening("{}");
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    peer(&d, ". 1 ack 2");
    stack(&d, "R 2");
    peer(&d, ". 1 ack 0");
    stack(&d, "R 0");
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-11; 9293 3.10.7.4 second */
static void reset_returns_a_passive_open_to_listen(void **state)
{
    listening("{}");
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    peer(&d, "R 1");
    stack_silent_for(&d, 10 * TN_SEC);
    assert_int_equal(tn_accept(d.stack, d.listener, NULL, NULL), -EAGAIN);
    peer(&d, ". 1 ack 1"); /* that connection is gone */
    stack(&d, "R 1");
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.4 fourth */
static void new_syn_in_the_window_returns_a_passive_open_to_listen(void **state)
{
    listening("{}");
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    peer(&d, "S 100");
    stack_silent_for(&d, 10 * TN_SEC);
    assert_int_equal(tcp_drops(&d, "syn-received-syn"), 1);
    dialogue_stop(&d);
}

static void data_with_the_last_ack_is_taken(void **state)
{
    listening("{}");
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    peer(&d, "P. 1:101 ack 1");
    user_accepts(&d);
    user_reads(&d, 100);
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.4 eighth ESTABLISHED */
static void fin_with_the_last_ack_is_taken(void **state)
{
    listening("{}");
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    peer(&d, "F. 1:11 ack 1");
    stack(&d, ". 1 ack 12");
    user_accepts(&d);
    user_reads(&d, 10);
    user_reads_nothing(&d, 0);
    assert_string_equal(stack_state(&d), "CLOSE-WAIT");
    dialogue_stop(&d);
}

/* ---- SYN-SENT ---- */

static void connect_sends_a_syn_with_all_options(void **state)
{
    dialogue_start(&d, "{}");
    user_connects(&d);
    stack(&d, "S 0 win 65535 <mss 1460,sackOK,TS val * ecr 0,nop,wscale 9>");
    peer(&d, "S. 0 ack 1 <mss 1460,sackOK,TS val 9 ecr *,nop,wscale 7>");
    stack(&d, ". 1 ack 1 <nop,nop,TS val * ecr 9>");
    assert_int_equal(user_error(&d), 0);
    dialogue_stop(&d);
}

static void options_that_are_off_are_not_offered(void **state)
{
    dialogue_start(&d, "{ timestamps: no, sack: no, window-scaling: no }");
    user_connects(&d);
    stack(&d, "S 0 win 65535 <mss 1460>");
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-22; 9293 MUST-23; 9293 SHLD-5 */
/* 1 s, doubling; not given up before 180 s. */
static void syn_is_repeated_with_backoff_for_three_minutes(void **state)
{
    dialogue_start(&d, "{}");
    user_connects(&d);
    stack(&d, "S 0 <mss 1460,sackOK,TS val * ecr 0,nop,wscale 9>");
    for (unsigned gap = 1; gap <= 64; gap *= 2) /* SHLD-5: with its options each time */
        stack_after(&d, gap * TN_SEC, "S 0 <mss 1460,sackOK,TS val * ecr 0,nop,wscale 9>");
    stack_silent_for(&d, 52 * TN_SEC);
    assert_int_equal(user_error(&d), 0);
    stack_silent_for(&d, 2 * TN_SEC);
    assert_int_equal(user_error(&d), ETIMEDOUT);
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.3 RST */
static void reset_refuses_a_connect(void **state)
{
    dialogue_start(&d, "{}");
    user_connects(&d);
    stack(&d, "S 0");
    peer(&d, "R. 0 ack 1");
    stack_silent_for(&d, 5 * TN_SEC);
    assert_int_equal(user_error(&d), ECONNREFUSED);
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.3 ACK */
static void syn_sent_resets_a_wrong_ack(void **state)
{
    dialogue_start(&d, "{}");
    user_connects(&d);
    stack(&d, "S 0");
    peer(&d, "S. 0 ack 0");
    stack(&d, "R 0");
    peer(&d, ". 0 ack 2");
    stack(&d, "R 2");
    peer(&d, "R. 0 ack 2"); /* unless it is a reset */
    peer(&d, "R 0");
    stack_silent(&d);
    assert_string_equal(stack_state(&d), "SYN-SENT");
    assert_int_equal(tcp_drops(&d, "syn-sent-ack"), 3);
    assert_int_equal(tcp_drops(&d, "syn-sent-reset"), 1);
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.3 other */
static void syn_sent_drops_what_is_no_syn(void **state)
{
    dialogue_start(&d, "{}");
    user_connects(&d);
    stack(&d, "S 0");
    peer(&d, ". 0 ack 1");
    peer(&d, "F 0");
    stack_silent(&d);
    assert_string_equal(stack_state(&d), "SYN-SENT");
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.3 SYN */
static void data_with_the_syn_ack_is_taken(void **state)
{
    dialogue_start(&d, "{}");
    user_connects(&d);
    stack(&d, "S 0");
    peer(&d, "SP. 0:10 ack 1");
    stack(&d, ". 1 ack 11");
    user_reads(&d, 10);
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-10; 9293 3.10.7.3 SYN */
static void simultaneous_open(void **state)
{
    dialogue_start(&d, "{}");
    user_connects(&d);
    stack(&d, "S 0");
    peer(&d, "S 0 <mss 1460>");
    stack(&d, "S. 0 ack 1 <mss 1460>");
    assert_string_equal(stack_state(&d), "SYN-RECEIVED");
    peer(&d, "S. 0 ack 1");
    assert_string_equal(stack_state(&d), "ESTABLISHED");
    stack_silent(&d);
    user_writes(&d, 10);
    stack(&d, "P. 1:11 ack 1");
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-11 */
static void reset_in_a_simultaneous_open_is_refusal(void **state)
{
    dialogue_start(&d, "{}");
    user_connects(&d);
    stack(&d, "S 0");
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    peer(&d, "R 1");
    assert_int_equal(user_error(&d), ECONNREFUSED);
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-8; 9293 SHLD-1 */
/* The clock of the initial sequence number ticks every 4 microseconds. */
static void isn_follows_its_clock(void **state)
{
    listening("{}");
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    uint32_t first = d.iss;
    peer(&d, "R 1");
    tn_sim_run(d.sim, 10 * TN_SEC);
    d.iss_known = false;
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    assert_int_equal(d.iss - first, 10 * TN_SEC / (4 * TN_USEC));
    d.peer_port++; /* SHLD-1: another tuple, another number */
    d.iss_known = false;
    first = d.iss;
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    assert_true(d.iss - first > 1000 && first - d.iss > 1000);
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-46 */
static void connect_to_a_group_is_refused(void **state)
{
    dialogue_start(&d, "{}");
    static const uint8_t groups[][4] = {{10, 0, 7, 255}, {255, 255, 255, 255}, {224, 0, 0, 1}};
    for (size_t i = 0; i < TN_ARRAY_SIZE(groups); i++) {
        int fd = tn_socket(d.stack, AF_INET, SOCK_STREAM, 0);
        uint8_t sa[16] = {AF_INET, 0, 0, 80};
        memcpy(sa + 4, groups[i], 4);
        assert_true(tn_connect(d.stack, fd, (struct sockaddr *)sa, sizeof(sa)) < 0);
        assert_int_equal(tn_close(d.stack, fd), 0);
        stack_silent(&d);
    }
    dialogue_stop(&d);
}

/* conformance: 9293 SHLD-26 */
/* Destination unreachable, code 3, ends an attempt. */
static void hard_icmp_error_ends_a_connect(void **state)
{
    dialogue_start(&d, "{}");
    user_connects(&d);
    stack(&d, "S 0");
    icmp(&d, 3, 3, 0, "S 7"); /* not in flight (RFC 5927) */
    assert_string_equal(stack_state(&d), "SYN-SENT");
    icmp(&d, 3, 3, 0, "S 0");
    assert_int_equal(user_error(&d), ECONNREFUSED);
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-56 */
static void soft_icmp_error_does_not_end_a_connect(void **state)
{
    dialogue_start(&d, "{}");
    user_connects(&d);
    stack(&d, "S 0");
    icmp(&d, 3, 1, 0, "S 0");
    assert_string_equal(stack_state(&d), "SYN-SENT");
    assert_int_equal(tcp_counter(&d, "soft-errors"), 1);
    stack_after(&d, TN_SEC, "S 0");
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-45 */
static void address_stays_when_a_better_one_comes(void **state)
{
    struct tn_error error;
    connected(&d, "{}", "mss 1460");
    assert_int_equal(
        tn_stack_reload(d.stack,
                        "stack: { name: dialogue }\n"
                        "interfaces:\n"
                        "  h0: { driver: host, mode: ip, addresses: [10.0.7.6/30, 10.0.7.7/24] }\n"
                        "protocols: { rawip: {}, ipv4: {}, icmp: {}, tcp: {} }\n",
                        "stack.yaml", &error, NULL, 0),
        0);
    user_writes(&d, 10);
    stack(&d, "P. 1:11 ack 1"); /* from the address that it has had */
    dialogue_stop(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_port_answers_syn_with_reset),
        cmocka_unit_test(closed_port_answers_ack_with_reset_at_its_number),
        cmocka_unit_test(closed_port_never_answers_a_reset),
        cmocka_unit_test(syn_to_a_listener_gets_a_syn_ack),
        cmocka_unit_test(only_offered_options_are_answered),
        cmocka_unit_test(unknown_options_are_passed_over),
        cmocka_unit_test(bad_option_lengths_are_dropped_and_the_next_syn_is_served),
        cmocka_unit_test(bad_checksums_are_met_with_silence),
        cmocka_unit_test(broken_headers_are_dropped),
        cmocka_unit_test(listener_ignores_a_reset),
        cmocka_unit_test(listener_resets_an_ack),
        cmocka_unit_test(listener_drops_what_is_nothing),
        cmocka_unit_test(data_on_the_syn_is_not_acknowledged),
        cmocka_unit_test(syn_from_an_impossible_source_is_ignored),
        cmocka_unit_test(syn_to_a_group_is_ignored),
        cmocka_unit_test(syn_ack_is_repeated_with_backoff),
        cmocka_unit_test(syn_again_gets_the_syn_ack_again),
        cmocka_unit_test(syn_received_resets_a_wrong_ack),
        cmocka_unit_test(reset_returns_a_passive_open_to_listen),
        cmocka_unit_test(new_syn_in_the_window_returns_a_passive_open_to_listen),
        cmocka_unit_test(data_with_the_last_ack_is_taken),
        cmocka_unit_test(fin_with_the_last_ack_is_taken),
        cmocka_unit_test(connect_sends_a_syn_with_all_options),
        cmocka_unit_test(options_that_are_off_are_not_offered),
        cmocka_unit_test(syn_is_repeated_with_backoff_for_three_minutes),
        cmocka_unit_test(reset_refuses_a_connect),
        cmocka_unit_test(syn_sent_resets_a_wrong_ack),
        cmocka_unit_test(syn_sent_drops_what_is_no_syn),
        cmocka_unit_test(data_with_the_syn_ack_is_taken),
        cmocka_unit_test(simultaneous_open),
        cmocka_unit_test(reset_in_a_simultaneous_open_is_refusal),
        cmocka_unit_test(isn_follows_its_clock),
        cmocka_unit_test(connect_to_a_group_is_refused),
        cmocka_unit_test(hard_icmp_error_ends_a_connect),
        cmocka_unit_test(soft_icmp_error_does_not_end_a_connect),
        cmocka_unit_test(address_stays_when_a_better_one_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
