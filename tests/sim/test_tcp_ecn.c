/* TCP and explicit congestion notification (RFC 3168). */
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

static struct tcp_info info(void)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    assert_int_equal(tn_getsockopt(d.stack, d.fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return info;
}

static bool agreed(void)
{
    return info().tcpi_options & TCPI_OPT_ECN;
}

/* The peer connects with ECN. */
static void passive(const char *tcp)
{
    dialogue_start(&d, tcp);
    user_listens(&d);
    peer(&d, "SEW 0 win 65535 <mss 1000>");
    stack(&d, "S.E 0 ack 1 ecn 0");
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
    assert_true(agreed());
}

/* ---- The handshake ---- */

/* conformance: 3168 6.1.1; 9293 SHLD-8 */
static void connection_of_ones_own_asks_for_ecn(void **state)
{
    dialogue_start(&d, "{ ecn: on }");
    user_connects(&d);
    stack(&d, "SEW 0 ecn 0");
    peer(&d, "S.E 0 ack 1 <mss 1000>");
    stack(&d, ". 1 ack 1 ecn 0");
    assert_true(agreed());
    user_writes(&d, 10);
    stack(&d, "P. 1:11 ack 1 ecn 2");
    dialogue_stop(&d);
}

static void it_is_off_unless_asked_for(void **state)
{
    dialogue_start(&d, "{}");
    user_listens(&d);
    peer(&d, "SEW 0 win 65535 <mss 1000>");
    stack(&d, "S. 0 ack 1");
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
    user_writes(&d, 10);
    stack(&d, "P. 1:11 ack 1 ecn 0");
    dialogue_stop(&d);
}

static void passive_agrees_but_does_not_ask(void **state)
{
    passive("{ ecn: passive }");
    dialogue_stop(&d);
    dialogue_start(&d, "{ ecn: passive }");
    user_connects(&d);
    stack(&d, "S 0");
    peer(&d, "S. 0 ack 1 <mss 1000>");
    stack(&d, ". 1 ack 1");
    dialogue_stop(&d);
}

/* conformance: 3168 6.1.1 */
static void peer_that_does_not_agree_gets_no_ecn(void **state)
{
    static const char *const answers[] = {"S. 0 ack 1 <mss 1000>",
                                          "S.EW 0 ack 1 <mss 1000>"}; /* the second: a mirror */
    for (size_t i = 0; i < TN_ARRAY_SIZE(answers); i++) {
        dialogue_start(&d, "{ ecn: on }");
        user_connects(&d);
        stack(&d, "SEW 0");
        peer(&d, answers[i]);
        stack(&d, ". 1 ack 1");
        assert_false(agreed());
        user_writes(&d, 10);
        stack(&d, "P. 1:11 ack 1 ecn 0");
        dialogue_stop(&d);
    }
    established(&d, "{ ecn: on }", "mss 1000"); /* a plain SYN */
    assert_false(agreed());
    dialogue_stop(&d);
}

/* conformance: 3168 6.1.1.1 */
static void syn_that_is_not_answered_is_repeated_without_ecn(void **state)
{
    dialogue_start(&d, "{ ecn: on }");
    user_connects(&d);
    stack(&d, "SEW 0");
    stack_after(&d, 1 * TN_SEC, "S 0");
    peer(&d, "S.E 0 ack 1 <mss 1000>"); /* to the first: too late */
    stack(&d, ". 1 ack 1");
    assert_false(agreed());
    dialogue_stop(&d);
}

/* conformance: 3168 6.1.1.1 */
static void peer_that_falls_back_is_followed(void **state)
{
    dialogue_start(&d, "{ ecn: on }");
    user_listens(&d);
    peer(&d, "SEW 0 win 65535 <mss 1000>");
    stack(&d, "S.E 0 ack 1");
    peer(&d, "S 0 win 65535 <mss 1000>");
    stack(&d, "S. 0 ack 1");
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
    assert_false(agreed());
    dialogue_stop(&d);
}

/* ---- The receiver ---- */

/* conformance: 3168 6.1.3 */
static void mark_is_echoed_until_the_peer_has_slowed_down(void **state)
{
    passive("{ ecn: on }");
    peer(&d, ". 1:1001 ack 1 ecn 2");
    stack(&d, ". 1 ack 1001 ecn 0");
    peer(&d, ". 1001:2001 ack 1 ecn 3");
    stack(&d, ".E 1 ack 2001 ecn 0"); /* at once */
    peer(&d, ". 2001:3001 ack 1 ecn 2");
    peer(&d, ". 3001:4001 ack 1 ecn 2");
    stack(&d, ".E 1 ack 4001");
    user_writes(&d, 10);
    stack(&d, "P.E 1:11 ack 4001 ecn 2"); /* on data, too */
    peer(&d, ".W 4001:5001 ack 11 ecn 2");
    peer(&d, ". 5001:6001 ack 11 ecn 2");
    stack(&d, ". 11 ack 6001");
    assert_int_equal(tcp_counter(&d, "ecn-marks-in"), 1);
    user_reads(&d, 6000);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* conformance: 3168 6.1.3-cwr */
static void mark_on_the_segment_that_says_slowed_down_is_echoed(void **state)
{
    passive("{ ecn: on }");
    peer(&d, ". 1:1001 ack 1 ecn 3");
    stack(&d, ".E 1 ack 1001");
    peer(&d, ".W 1001:2001 ack 1 ecn 3");
    stack(&d, ".E 1 ack 2001");
    user_reads(&d, 2000);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* conformance: 3168 6.1.5 */
static void mark_outside_the_window_is_ignored(void **state)
{
    passive("{ ecn: on }");
    peer(&d, ". 1:1001 ack 1 ecn 2");
    stack(&d, ". 1 ack 1001");
    peer(&d, ". 1:1001 ack 1 ecn 3"); /* old */
    stack(&d, ". 1 ack 1001");
    user_reads(&d, 1000);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* ---- The sender ---- */

static void send_window(void)
{
    passive("{ ecn: on, congestion: newreno, minimum-rto: 1s }");
    user_writes(&d, 30000);
    for (int i = 0; i < 10; i++) {
        char text[40];
        snprintf(text, sizeof(text), ". %d:%d ack 1 ecn 2", 1 + i * 1000, 1001 + i * 1000);
        stack(&d, text);
    }
    stack_silent(&d);
}

/* conformance: 3168 6.1.2; 3168 6.1.2-once; 3168 6.1.2-cwr */
static void echo_halves_the_window_once_a_round_trip(void **state)
{
    send_window();
    peer(&d, ".E 1 ack 1001");
    assert_int_equal(info().tcpi_snd_cwnd, 5);
    for (int i = 2; i <= 5; i++) {
        char text[40];
        snprintf(text, sizeof(text), ".E 1 ack %d", i * 1000 + 1);
        peer(&d, text);
        assert_int_equal(info().tcpi_snd_cwnd, 5); /* neither less nor more */
    }
    stack_silent(&d);
    peer(&d, ".E 1 ack 6001");
    stack(&d, ".W 10001:11001 ack 1 ecn 2"); /* the first new data */
    peer(&d, ".E 1 ack 7001");
    stack(&d, ". 11001:12001 ack 1 ecn 2");
    assert_int_equal(tcp_counter(&d, "ecn-reductions"), 1);
    peer(&d, ".E 1 ack 10001");
    (void)stack_said(&d);
    peer(&d, ".E 1 ack 11001"); /* marked again, after it had slowed down */
    assert_int_equal(tcp_counter(&d, "ecn-reductions"), 2);
    assert_true(info().tcpi_snd_cwnd < 5);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* conformance: 3168 6.1.2-any; 3168 6.1.5-retransmission */
static void what_is_sent_again_is_not_ecn_capable(void **state)
{
    passive("{ ecn: on, minimum-rto: 1s }");
    user_writes(&d, 10);
    stack(&d, "P. 1:11 ack 1 ecn 2");
    stack_after(&d, 1 * TN_SEC, "P. 1:11 ack 1 ecn 0");
    peer(&d, ". 1 ack 11");
    user_writes(&d, 10);
    stack(&d, "P.W 11:21 ack 1 ecn 2"); /* the timeout lowered the window */
    user_writes(&d, 10);
    peer(&d, ". 1 ack 21");
    stack(&d, "P. 21:31 ack 1 ecn 2");
    dialogue_stop(&d);
}

/* conformance: 3168 6.1.6 */
static void window_probe_is_not_ecn_capable(void **state)
{
    passive("{ ecn: on, minimum-rto: 1s }");
    peer(&d, ". 1 ack 1 win 0");
    user_writes(&d, 10);
    stack_after(&d, 1 * TN_SEC, ". 1:2 ack 1 ecn 0");
    peer(&d, ". 1 ack 1 win 1000");
    stack(&d, "P. 1:11 ack 1 ecn 2");
    dialogue_stop(&d);
}

static void window_shrinks_to_one_segment_by_marks(void **state)
{
    send_window();
    uint32_t acked = 1;
    for (unsigned round = 0; round < 5; round++) {
        char text[40];
        acked += 1000 * info().tcpi_unacked;
        snprintf(text, sizeof(text), ".E 1 ack %u", acked);
        peer(&d, text);
        (void)stack_said(&d);
    }
    assert_int_equal(info().tcpi_snd_cwnd, 1);
    dialogue_stop(&d);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(connection_of_ones_own_asks_for_ecn),
        T(it_is_off_unless_asked_for),
        T(passive_agrees_but_does_not_ask),
        T(peer_that_does_not_agree_gets_no_ecn),
        T(syn_that_is_not_answered_is_repeated_without_ecn),
        T(peer_that_falls_back_is_followed),
        T(mark_is_echoed_until_the_peer_has_slowed_down),
        T(mark_on_the_segment_that_says_slowed_down_is_echoed),
        T(mark_outside_the_window_is_ignored),
        T(echo_halves_the_window_once_a_round_trip),
        T(what_is_sent_again_is_not_ecn_capable),
        T(window_probe_is_not_ecn_capable),
        T(window_shrinks_to_one_segment_by_marks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
