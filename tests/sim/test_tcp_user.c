/* What the user can set on a TCP socket, and what it does on the wire. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dialogue.h"

static struct dialogue d;

static int option(int name)
{
    int v = -12345;
    socklen_t len = sizeof(v);
    int error = tn_getsockopt(d.stack, d.fd, IPPROTO_TCP, name, &v, &len);
    return error < 0 ? error : v;
}

static void wrong_values_are_refused(void **state)
{
    established(&d, "{}", "mss 1000");
    const struct {
        int name, value, error;
    } rows[] = {
        {TCP_MAXSEG, 87, -EINVAL},
        {TCP_MAXSEG, 32768, -EINVAL},
        {TCP_KEEPIDLE, 0, -EINVAL},
        {TCP_KEEPIDLE, 32768, -EINVAL},
        {TCP_KEEPINTVL, 0, -EINVAL},
        {TCP_KEEPCNT, 0, -EINVAL},
        {TCP_KEEPCNT, 128, -EINVAL},
        {TCP_USER_TIMEOUT, -1, -EINVAL},
        {TCP_LINGER2, 3601, -EINVAL},
        {TCP_INFO, 1, -ENOPROTOOPT},
        {TCP_DEFER_ACCEPT, -1, -EINVAL},
        {TCP_FASTOPEN, 1, -ENOPROTOOPT},
        {4711, 1, -ENOPROTOOPT},
        {TCP_NODELAY, -1, 0},
        {TCP_CORK, 0, 0},
        {TCP_LINGER2, -7, 0},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(tn_setsockopt(d.stack, d.fd, IPPROTO_TCP, rows[i].name, &rows[i].value, sizeof(int)),
                         rows[i].error);
    assert_int_equal(tn_setsockopt(d.stack, d.fd, IPPROTO_TCP, TCP_CORK, &(int){1}, 3), -EINVAL);
    assert_int_equal(option(TCP_NODELAY), 1);
    assert_int_equal(option(TCP_CORK), 0);
    assert_int_equal(option(TCP_LINGER2), -1);
    assert_int_equal(option(TCP_DEFER_ACCEPT), 0);
    assert_int_equal(option(TCP_FASTOPEN), -ENOPROTOOPT);
    dialogue_stop(&d);
}

static void cork_holds_back_what_does_not_fill_a_segment(void **state)
{
    established(&d, "{}", "mss 1000");
    user_sets(&d, IPPROTO_TCP, TCP_NODELAY, 1); /* cork is stronger */
    user_sets(&d, IPPROTO_TCP, TCP_CORK, 1);
    user_writes(&d, 600);
    stack_silent(&d);
    user_writes(&d, 600);
    stack(&d, ". 1:1001 ack 1");
    peer(&d, ". 1 ack 1001");
    stack_silent(&d);
    user_sets(&d, IPPROTO_TCP, TCP_CORK, 0);
    stack(&d, "P. 1001:1201 ack 1");
    peer(&d, ". 1 ack 1201");
    dialogue_stop(&d);
}

/* As on Linux no cork holds for long: the override timeout of §3.8.6.2.1. */
static void cork_does_not_hold_for_ever(void **state)
{
    established(&d, "{}", "mss 1000");
    user_sets(&d, IPPROTO_TCP, TCP_CORK, 1);
    user_writes(&d, 600);
    stack_after(&d, 200 * TN_MSEC, "P. 1:601 ack 1");
    peer(&d, ". 1 ack 601");
    dialogue_stop(&d);
}

static void end_pulls_the_cork(void **state)
{
    established(&d, "{}", "mss 1000");
    user_sets(&d, IPPROTO_TCP, TCP_CORK, 1);
    user_writes(&d, 600);
    stack_silent(&d);
    user_shuts_down(&d);
    stack(&d, "FP. 1:601 ack 1");
    peer(&d, ". 1 ack 602");
    dialogue_stop(&d);
}

static void msg_more_joins_writes(void **state)
{
    established(&d, "{}", "mss 1000");
    user_sends(&d, 100, MSG_MORE);
    stack_silent(&d);
    user_sends(&d, 100, MSG_MORE);
    stack_silent(&d);
    user_writes(&d, 100);
    stack(&d, "P. 1:301 ack 1");
    peer(&d, ". 1 ack 301");
    dialogue_stop(&d);
}

static void largest_segment_can_be_lowered(void **state)
{
    established(&d, "{}", "mss 1460");
    user_sets(&d, IPPROTO_TCP, TCP_MAXSEG, 500);
    assert_int_equal(option(TCP_MAXSEG), 500);
    user_writes(&d, 1100);
    stack(&d, ". 1:501 ack 1");
    stack(&d, ". 501:1001 ack 1");
    peer(&d, ". 1 ack 1001");
    stack(&d, "P. 1001:1101 ack 1");
    peer(&d, ". 1 ack 1101");
    dialogue_stop(&d);
}

static void quick_acknowledgement_does_not_wait(void **state)
{
    established(&d, "{}", "mss 1000");
    peer(&d, ". 1:101 ack 1");
    stack(&d, ". 1 ack 101"); /* the first data */
    peer(&d, ". 101:201 ack 1");
    stack_silent(&d);
    user_sets(&d, IPPROTO_TCP, TCP_QUICKACK, 1); /* what waits goes now */
    stack(&d, ". 1 ack 201");
    assert_int_equal(option(TCP_QUICKACK), 1);
    peer(&d, ". 201:301 ack 1");
    stack(&d, ". 1 ack 301");
    peer(&d, ". 301:401 ack 1"); /* it does not last */
    assert_int_equal(option(TCP_QUICKACK), 0);
    stack_after(&d, 40 * TN_MSEC, ". 1 ack 401");
    dialogue_stop(&d);
}

/* The peer's end comes so long after ours; what it is answered. */
static void end_comes_after(tn_time span, const char *answer)
{
    established(&d, "{ fin-wait: 60s }", "mss 1000");
    user_sets(&d, IPPROTO_TCP, TCP_LINGER2, 2);
    user_closes(&d);
    stack(&d, "F. 1 ack 1");
    peer(&d, ". 1 ack 2");
    stack_silent_for(&d, span);
    peer(&d, "F. 1 ack 2");
    stack(&d, answer);
    dialogue_stop(&d);
}

static void closed_connection_waits_as_long_as_it_was_told(void **state)
{
    end_comes_after(1900 * TN_MSEC, ". 2 ack 2");
    end_comes_after(2100 * TN_MSEC, "R 2"); /* nobody knows of it any more */
}

/* As on Linux, what is set for the listener holds for what it accepts. */
static void connections_inherit_from_their_listener(void **state)
{
    dialogue_start(&d, "{}");
    user_listens(&d);
    const struct {
        int name, value;
    } rows[] = {{TCP_NODELAY, 1},  {TCP_CORK, 1},          {TCP_KEEPIDLE, 11}, {TCP_KEEPINTVL, 12},
                {TCP_KEEPCNT, 13}, {TCP_USER_TIMEOUT, 14}, {TCP_LINGER2, 15},  {TCP_MAXSEG, 516}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(
            tn_setsockopt(d.stack, d.listener, IPPROTO_TCP, rows[i].name, &rows[i].value, sizeof(int)), 0);
    peer(&d, "S 0 <mss 1460>");
    stack(&d, "S. 0 ack 1");
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_int_equal(option(rows[i].name), rows[i].value);
    dialogue_stop(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_values_are_refused),
        cmocka_unit_test(cork_holds_back_what_does_not_fill_a_segment),
        cmocka_unit_test(cork_does_not_hold_for_ever),
        cmocka_unit_test(end_pulls_the_cork),
        cmocka_unit_test(msg_more_joins_writes),
        cmocka_unit_test(largest_segment_can_be_lowered),
        cmocka_unit_test(quick_acknowledgement_does_not_wait),
        cmocka_unit_test(closed_connection_waits_as_long_as_it_was_told),
        cmocka_unit_test(connections_inherit_from_their_listener),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
