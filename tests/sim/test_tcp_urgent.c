/* Urgent data (RFC 9293 §3.8.5), as MSG_OOB, SO_OOBINLINE, SIOCATMARK and POLLPRI give it to programs. */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include <cmocka.h>

#include "dialogue.h"

static struct dialogue d;

static ssize_t receive(char *bytes, size_t size, int flags)
{
    ssize_t n = tn_recv(d.stack, d.fd, bytes, size, flags);
    tn_sim_settle(d.sim);
    return n;
}

/* One read of any length returns `octets`. */
static void reads_up_to(ssize_t octets)
{
    char bytes[4096];
    assert_int_equal(receive(bytes, sizeof(bytes), 0), octets);
}

static int at_mark(void)
{
    int mark = -1;
    assert_int_equal(tn_ioctl(d.stack, d.fd, SIOCATMARK, &mark), 0);
    return mark;
}

static short ready(void)
{
    struct tn_pollfd p = {.fd = d.fd, .events = POLLIN | POLLPRI};
    tn_poll(d.stack, &p, 1);
    return p.revents;
}

static void count(void *context, int fd, short events)
{
    if (events & POLLPRI)
        ++*(unsigned *)context;
}

/* Octet `n` of the peer's stream, as the dialogue has it. */
static char octet(uint32_t n)
{
    return (char)(n * 31 + (n >> 8) * 7 + (n >> 16));
}

/* ---- Sending ---- */

/* conformance: 9293 MUST-30; 9293 MUST-62 */
static void pointer_shows_the_octet_behind_the_urgent_data(void **state)
{
    established(&d, "{}", "mss 1000");
    user_sends(&d, 3, MSG_OOB);
    stack(&d, "P.U 1:4 ack 1 urg 3");
    user_sends(&d, 1, MSG_OOB); /* no waiting for an acknowledgement */
    stack(&d, "P.U 4:5 ack 1 urg 1");
    peer(&d, ". 1 ack 5");
    user_writes(&d, 2);
    stack(&d, "P. 5:7 ack 1 urg 0"); /* it has been acknowledged */
    peer(&d, ". 1 ack 7");
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-31 */
static void urgent_data_may_be_longer_than_the_pointer_can_tell(void **state)
{
    established(&d, "{}", "mss 1000");
    user_sends(&d, 70000, MSG_OOB);
    for (uint32_t seq = 1; seq < 10001; seq += 1000) {
        char text[64];
        uint32_t left = 70001 - seq;
        snprintf(text, sizeof(text), ".U %u:%u ack 1 urg %u", seq, seq + 1000, left < 65535 ? left : 65535);
        stack(&d, text);
    }
    dialogue_stop(&d);
}

/* A retransmission tells of it again. */
static void urgent_data_is_urgent_again_when_sent_again(void **state)
{
    established(&d, "{}", "mss 1000");
    user_sends(&d, 5, MSG_OOB);
    stack(&d, "P.U 1:6 ack 1 urg 5");
    tn_sim_run(d.sim, 3 * TN_SEC);
    stack(&d, "P.U 1:6 ack 1 urg 5");
    stack_said(&d);
    peer(&d, ". 1 ack 6");
    dialogue_stop(&d);
}

/* The peer's program may have to hear of it to read what keeps the window closed. */
static void closed_window_lets_the_pointer_through(void **state)
{
    established(&d, "{}", "mss 1000");
    peer(&d, ". 1 ack 1 win 0");
    user_sends(&d, 5, MSG_OOB);
    stack(&d, ".U 1 ack 1 urg 5");
    peer(&d, ". 1 ack 1 win 1000");
    stack(&d, "P.U 1:6 ack 1 urg 5");
    peer(&d, ". 1 ack 6");
    dialogue_stop(&d);
}

/* ---- Receiving ---- */

/* conformance: 9293 MUST-32 */
static void user_is_told_of_urgent_data_and_of_more(void **state)
{
    unsigned notices = 0;
    established(&d, "{}", "mss 1000");
    tn_on_ready(d.stack, d.fd, count, &notices);
    peer(&d, "U. 1:11 ack 1 urg 5");
    assert_int_equal(notices, 1);
    assert_int_equal(ready(), POLLIN | POLLPRI);
    peer(&d, "U. 11:21 ack 1 urg 30"); /* its end has not come yet */
    assert_int_equal(notices, 2);
    peer(&d, "U. 21:31 ack 1 urg 20"); /* nothing new */
    assert_int_equal(notices, 2);
    assert_int_equal(tcp_counter(&d, "urgent-in"), 2);
    tn_on_ready(d.stack, d.fd, NULL, NULL);
    stack_said(&d);
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-33 */
static void reads_stop_at_the_mark(void **state)
{
    char c;
    established(&d, "{}", "mss 1000");
    peer(&d, "U. 1:21 ack 1 urg 10");
    assert_int_equal(at_mark(), 0);
    reads_up_to(9);
    assert_int_equal(at_mark(), 1);
    assert_int_equal(receive(&c, 1, MSG_OOB), 1);
    assert_int_equal(c, octet(10));
    assert_int_equal(ready(), POLLIN);
    assert_int_equal(receive(&c, 1, MSG_OOB), -EINVAL); /* it was taken */
    assert_int_equal(receive(&c, 1, 0), 1);             /* the urgent octet is passed over */
    assert_int_equal(c, octet(11));
    assert_int_equal(at_mark(), 0);
    reads_up_to(9);
    stack_said(&d);
    dialogue_stop(&d);
}

static void urgent_octet_is_kept_when_reads_pass_it(void **state)
{
    char c;
    established(&d, "{}", "mss 1000");
    peer(&d, "U. 1:6 ack 1 urg 1");
    assert_int_equal(receive(&c, 1, MSG_PEEK), 1);
    assert_int_equal(c, octet(2));
    reads_up_to(4);
    assert_int_equal(receive(&c, 1, MSG_OOB | MSG_PEEK), 1);
    assert_int_equal(receive(&c, 1, MSG_OOB), 1);
    assert_int_equal(c, octet(1));
    assert_int_equal(receive(&c, 1, MSG_OOB), -EINVAL);
    stack_said(&d);
    dialogue_stop(&d);
}

static void urgent_octet_alone_leaves_nothing_to_read(void **state)
{
    char c;
    established(&d, "{}", "mss 1000");
    peer(&d, "U. 1:2 ack 1 urg 1");
    assert_int_equal(receive(&c, 1, 0), -EAGAIN);
    assert_int_equal(receive(&c, 1, MSG_OOB), 1);
    assert_int_equal(c, octet(1));
    peer(&d, "F. 2 ack 1");
    assert_int_equal(receive(&c, 1, 0), 0);
    stack_said(&d);
    dialogue_stop(&d);
}

static void inline_urgent_data_is_read_like_all_other(void **state)
{
    char c;
    established(&d, "{}", "mss 1000");
    user_sets(&d, SOL_SOCKET, SO_OOBINLINE, 1);
    peer(&d, "U. 1:21 ack 1 urg 10");
    reads_up_to(9);
    assert_int_equal(at_mark(), 1);
    assert_int_equal(receive(&c, 1, MSG_OOB), -EINVAL);
    assert_int_equal(receive(&c, 1, 0), 1);
    assert_int_equal(c, octet(10));
    assert_int_equal(at_mark(), 0);
    reads_up_to(10);
    stack_said(&d);
    dialogue_stop(&d);
}

static void urgent_octet_may_come_later_than_its_pointer(void **state)
{
    char c;
    established(&d, "{}", "mss 1000");
    assert_int_equal(receive(&c, 1, MSG_OOB), -EINVAL);
    peer(&d, "U. 1:6 ack 1 urg 8");
    assert_int_equal(ready(), POLLIN | POLLPRI);
    assert_int_equal(receive(&c, 1, MSG_OOB), -EAGAIN);
    reads_up_to(5);
    assert_int_equal(at_mark(), 0);
    peer(&d, ". 6:11 ack 1");
    assert_int_equal(receive(&c, 1, MSG_OOB), 1);
    assert_int_equal(c, octet(8));
    reads_up_to(2);
    reads_up_to(2);
    stack_said(&d);
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-66 */
static void closed_window_hears_of_urgent_data(void **state)
{
    unsigned notices = 0;
    established(&d, "{ receive-buffer: 2048, window-scaling: no }", "mss 1000");
    tn_on_ready(d.stack, d.fd, count, &notices);
    peer(&d, ". 1:2049 ack 1");
    stack(&d, ". 1 ack 2049 win 0");
    peer(&d, "U. 2049 ack 1 urg 7");
    assert_int_equal(notices, 1);
    peer(&d, "U. 2049:2050 ack 1 urg 9"); /* a probe, of which nothing else is taken */
    assert_int_equal(notices, 2);
    tn_on_ready(d.stack, d.fd, NULL, NULL);
    stack_said(&d);
    dialogue_stop(&d);
}

/* Data of services has no marks: they take it as it comes. And without URG the field means nothing. */
static void pointer_without_the_flag_means_nothing(void **state)
{
    established(&d, "{}", "mss 1000");
    peer(&d, ". 1:21 ack 1 urg 10");
    assert_int_equal(ready(), POLLIN);
    reads_up_to(20);
    peer(&d, "U. 21:31 ack 1 urg 0"); /* before the segment: it was read */
    assert_int_equal(ready(), POLLIN);
    reads_up_to(10);
    stack_said(&d);
    dialogue_stop(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pointer_shows_the_octet_behind_the_urgent_data),
        cmocka_unit_test(urgent_data_may_be_longer_than_the_pointer_can_tell),
        cmocka_unit_test(urgent_data_is_urgent_again_when_sent_again),
        cmocka_unit_test(closed_window_lets_the_pointer_through),
        cmocka_unit_test(user_is_told_of_urgent_data_and_of_more),
        cmocka_unit_test(reads_stop_at_the_mark),
        cmocka_unit_test(urgent_octet_is_kept_when_reads_pass_it),
        cmocka_unit_test(urgent_octet_alone_leaves_nothing_to_read),
        cmocka_unit_test(inline_urgent_data_is_read_like_all_other),
        cmocka_unit_test(urgent_octet_may_come_later_than_its_pointer),
        cmocka_unit_test(closed_window_hears_of_urgent_data),
        cmocka_unit_test(pointer_without_the_flag_means_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
