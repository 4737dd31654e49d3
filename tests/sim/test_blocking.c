/* Sockets that wait, on the real clock: a program's own stack, whose services it talks to. Short times only. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include <cmocka.h>

#include "mock.h"

static struct tn_stack *stack;

static int start(void **state)
{
    struct tn_env env = *tn_env_real();
    struct tn_error error;
    env.plugin_path = TN_TEST_PLUGIN_DIR;
    static const char yaml[] = "interfaces: { h0: { driver: host, mode: ip, addresses: [10.0.0.1/24] } }\n"
                               "protocols: { rawip: {}, ipv4: {}, icmp: {}, udp: {}, tcp: {} }\n"
                               "services: { echo: { listen: [tcp/7, udp/7] } }\n"
                               "stack: { busy-poll: 10ms }\n";
    if (tn_stack_create(&env, yaml, "stack.yaml", &stack, &error) < 0)
        fail_msg("%s", error.text);
    return 0;
}

static int end(void **state)
{
    tn_stack_destroy(stack);
    return 0;
}

static int blocking_socket(int type)
{
    int fd = tn_socket(stack, AF_INET, type, 0);
    assert_true(fd >= 0);
    assert_int_equal(tn_set_blocking(stack, fd, true), 0);
    return fd;
}

static int connect_to(int fd, const char *addr, uint16_t port)
{
    struct sockaddr_in sa = mock_addr(addr, port);
    return tn_connect(stack, fd, (struct sockaddr *)&sa, sizeof(sa));
}

static void set_timeout(int fd, int name, unsigned milliseconds)
{
    struct timeval t = {.tv_usec = milliseconds * 1000};
    assert_int_equal(tn_setsockopt(stack, fd, SOL_SOCKET, name, &t, sizeof(t)), 0);
}

/* Milliseconds since the last call. */
static unsigned lap(void)
{
    static tn_time last;
    tn_time now = tn_stack_now(stack), before = last;
    last = now;
    return (unsigned)((now - before) / TN_MSEC);
}

static void stream_is_used_as_any_other(void **state)
{
    char buf[32] = "";
    int fd = blocking_socket(SOCK_STREAM);
    assert_int_equal(connect_to(fd, "10.0.0.1", 7), 0);
    assert_int_equal(tn_send(stack, fd, "hello", 5, 0), 5);
    assert_int_equal(tn_recv(stack, fd, buf, 5, MSG_WAITALL), 5);
    assert_string_equal(buf, "hello");
    assert_int_equal(tn_shutdown(stack, fd, SHUT_WR), 0);
    assert_int_equal(tn_recv(stack, fd, buf, sizeof(buf), 0), 0);
    assert_int_equal(tn_close(stack, fd), 0);
}

static void waitall_fills_the_buffer(void **state)
{
    char buf[10] = "";
    struct iovec pieces[] = {{buf, 3}, {buf + 3, 5}};
    struct msghdr msg = {.msg_iov = pieces, .msg_iovlen = 2};
    int fd = blocking_socket(SOCK_STREAM);
    connect_to(fd, "10.0.0.1", 7);
    tn_send(stack, fd, "abcd", 4, 0);
    assert_int_equal(tn_recv(stack, fd, buf, 4, MSG_PEEK), 4); /* it has come back */
    set_timeout(fd, SO_RCVTIMEO, 10);
    assert_int_equal(tn_recvmsg(stack, fd, &msg, MSG_WAITALL),
                     4); /* what there was until the time was over */
    tn_send(stack, fd, "abcd", 4, 0);
    tn_send(stack, fd, "efgh", 4, 0);
    assert_int_equal(tn_recvmsg(stack, fd, &msg, MSG_WAITALL), 8);
    assert_string_equal(buf, "abcdefgh");
    tn_close(stack, fd);
}

static void large_send_takes_it_all(void **state)
{
    static char bytes[200000], back[200000];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)(i * 7 >> 3);
    int fd = blocking_socket(SOCK_STREAM), small = 70000; /* less than is sent at once */
    tn_setsockopt(stack, fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    connect_to(fd, "10.0.0.1", 7);
    assert_int_equal(tn_send(stack, fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    assert_int_equal(tn_recv(stack, fd, back, sizeof(back), MSG_WAITALL), sizeof(back));
    assert_memory_equal(bytes, back, sizeof(bytes));
    tn_close(stack, fd);
}

static void receive_ends_with_its_time(void **state)
{
    char c;
    int fd = blocking_socket(SOCK_DGRAM);
    connect_to(fd, "10.0.0.9", 9);
    set_timeout(fd, SO_RCVTIMEO, 30);
    lap();
    assert_int_equal(tn_recv(stack, fd, &c, 1, 0), -EAGAIN);
    assert_in_range(lap(), 30, 500);
    assert_int_equal(tn_recv(stack, fd, &c, 1, MSG_DONTWAIT), -EAGAIN);
    assert_in_range(lap(), 0, 20);
    tn_close(stack, fd);
}

static void accept_and_connect_end_with_their_time(void **state)
{
    int listener = blocking_socket(SOCK_STREAM), fd = blocking_socket(SOCK_STREAM);
    assert_int_equal(tn_listen(stack, listener, 5), 0);
    set_timeout(listener, SO_RCVTIMEO, 20);
    assert_int_equal(tn_accept(stack, listener, NULL, NULL), -EAGAIN);
    set_timeout(fd, SO_SNDTIMEO, 20);
    lap();
    assert_int_equal(connect_to(fd, "10.0.0.9", 7), -EINPROGRESS); /* nobody answers there */
    assert_in_range(lap(), 20, 500);
    assert_int_equal(connect_to(fd, "10.0.0.9", 7), -EALREADY);
    tn_close(stack, listener);
    tn_close(stack, fd);
}

static void refused_connect_says_so(void **state)
{
    int fd = blocking_socket(SOCK_STREAM);
    assert_int_equal(connect_to(fd, "10.0.0.1", 8), -ECONNREFUSED);
    tn_close(stack, fd);
}

static void accepted_connections_block_as_their_listener(void **state)
{
    char c;
    struct sockaddr_in here = mock_addr("10.0.0.1", 1234);
    int listener = blocking_socket(SOCK_STREAM), fd = tn_socket(stack, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(tn_bind(stack, listener, (struct sockaddr *)&here, sizeof(here)), 0);
    assert_int_equal(tn_listen(stack, listener, 5), 0);
    assert_int_equal(connect_to(fd, "10.0.0.1", 1234), -EINPROGRESS);
    int far = tn_accept(stack, listener, NULL, NULL);
    assert_true(far >= 0);
    tn_send(stack, fd, "x", 1, 0);
    assert_int_equal(tn_recv(stack, far, &c, 1, 0), 1);
    assert_int_equal(tn_recv(stack, fd, &c, 1, 0), -EAGAIN);
    tn_close(stack, listener);
    tn_close(stack, fd);
    tn_close(stack, far);
}

static void poll_waits(void **state)
{
    int fd = tn_socket(stack, AF_INET, SOCK_DGRAM, 0);
    struct tn_pollfd p = {.fd = fd, .events = POLLIN};
    lap();
    assert_int_equal(tn_poll_wait(stack, &p, 1, 20 * TN_MSEC), 0);
    assert_in_range(lap(), 20, 500);
    connect_to(fd, "10.0.0.1", 7);
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), 1);
    assert_int_equal(tn_poll_wait(stack, &p, 1, TN_NEVER), 1);
    assert_int_equal(p.revents, POLLIN);
    tn_close(stack, fd);
}

/* Also where it is due while the stack still looks at its devices before it sleeps. */
static void wait_ends_with_a_timer(void **state)
{
    int fd = tn_socket(stack, AF_INET, SOCK_STREAM, 0);
    tn_time timeout = tn_stack_now(stack) + TN_SEC; /* (or one of those that follow) */
    assert_int_equal(connect_to(fd, "10.0.0.2", 7),
                     -EINPROGRESS); /* where nobody is: it asks again and again */
    while (tn_stack_step(stack) || tn_stack_deadline(stack) < timeout - TN_MSEC / 2 ||
           tn_stack_deadline(stack) > tn_stack_now(stack) + 2 * TN_MSEC)
        ;
    tn_time late = tn_stack_now(stack) + 900 * TN_MSEC; /* but before the timeout that comes next */
    assert_int_equal(tn_stack_wait(stack, late), 0);
    assert_true(tn_stack_now(stack) < late);
    tn_close(stack, fd);
}

static void stop_it(int signal)
{
    tn_stack_stop(stack);
}

static void signal_ends_the_wait(void **state)
{
    char c;
    int fd = blocking_socket(SOCK_DGRAM);
    struct itimerval soon = {.it_value = {.tv_usec = 20000}};
    struct sigaction action = {.sa_handler = stop_it, .sa_flags = SA_RESTART};
    connect_to(fd, "10.0.0.1", 9);
    assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
    assert_int_equal(tn_recv(stack, fd, &c, 1, 0), -EINTR);
    set_timeout(fd, SO_RCVTIMEO, 10);
    assert_int_equal(tn_recv(stack, fd, &c, 1, 0), -EAGAIN); /* the stop is over */
    tn_close(stack, fd);
}

static void try_to_wait(void *context, int fd, short events)
{
    char c;
    ssize_t *result = context;
    *result = tn_recv(stack, fd, &c, 1, 0);
}

static void callback_does_not_wait(void **state)
{
    ssize_t result = 1;
    int fd = blocking_socket(SOCK_DGRAM);
    assert_int_equal(tn_on_ready(stack, fd, try_to_wait, &result), 0); /* it can be written to */
    while (tn_stack_step(stack))
        ;
    assert_int_equal(result, -EAGAIN);
    tn_close(stack, fd);
}

static void close_it(void *context, int fd, short events)
{
    if (events & POLLIN)
        tn_close(stack, *(int *)context);
}

static void socket_closed_while_it_waits_is_ebadf(void **state)
{
    char c;
    int waiting = blocking_socket(SOCK_DGRAM), other = tn_socket(stack, AF_INET, SOCK_DGRAM, 0);
    tn_on_ready(stack, other, close_it, &waiting);
    connect_to(other, "10.0.0.1", 7);
    tn_send(stack, other, "x", 1, 0);
    assert_int_equal(tn_recv(stack, waiting, &c, 1, 0), -EBADF);
    tn_close(stack, other);
}

static void lingering_close_waits_for_its_data(void **state)
{
    static char bytes[100000];
    struct linger linger = {.l_onoff = 1, .l_linger = 5};
    int fd = blocking_socket(SOCK_STREAM);
    connect_to(fd, "10.0.0.1", 7);
    tn_setsockopt(stack, fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    assert_int_equal(tn_send(stack, fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    uint64_t in = tn_stack_counter(stack, "tcp", "data-in");
    assert_int_equal(tn_close(stack, fd), 0);
    assert_true(tn_stack_counter(stack, "tcp", "data-in") >= in + sizeof(bytes) - 65536);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)
        TEST(stream_is_used_as_any_other),
        TEST(waitall_fills_the_buffer),
        TEST(large_send_takes_it_all),
        TEST(receive_ends_with_its_time),
        TEST(accept_and_connect_end_with_their_time),
        TEST(refused_connect_says_so),
        TEST(accepted_connections_block_as_their_listener),
        TEST(poll_waits),
        TEST(wait_ends_with_a_timer),
        TEST(signal_ends_the_wait),
        TEST(callback_does_not_wait),
        TEST(socket_closed_while_it_waits_is_ebadf),
        TEST(lingering_close_waits_for_its_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
