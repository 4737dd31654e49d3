/* words.h: what the tests of the socket layer say to one stack with mock transports (mock.h). All of it is static, so that
 * each test file has its own. */
#ifndef TENON_TESTS_WORDS_H
#define TENON_TESTS_WORDS_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* after those */
#include <cmocka.h>

#include "mock.h"
#include "socket_table.h"

#define WORD __attribute__((unused)) static

/* Of the test that is running: words_start() makes them, words_end() sees that nothing is left. */
WORD struct mock mock;
WORD struct tn_stack *stack;
WORD struct tn_self *stream;

#define WORDS_TEST(name) cmocka_unit_test_setup_teardown(name, words_start, words_end)

WORD int words_start(void **state)
{
    mock_start(&mock, "");
    stack = mock.stack;
    stream = &mock.stream.slot.self;
    return 0;
}

WORD int words_end(void **state)
{
    mock_end(&mock);
    return 0;
}

WORD int open_stream(void)
{
    return tn_socket(stack, AF_INET, SOCK_STREAM, 0);
}

WORD int open_datagram(void)
{
    return tn_socket(stack, AF_INET, SOCK_DGRAM, 0);
}

WORD int bind_to(int fd, const char *addr, uint16_t port)
{
    struct sockaddr_in sa = mock_addr(addr, port);
    return tn_bind(stack, fd, (struct sockaddr *)&sa, sizeof(sa));
}

WORD int connect_to(int fd, const char *addr, uint16_t port)
{
    struct sockaddr_in sa = mock_addr(addr, port);
    return tn_connect(stack, fd, (struct sockaddr *)&sa, sizeof(sa));
}

WORD ssize_t send_to(int fd, const char *text, const char *addr, uint16_t port)
{
    struct sockaddr_in sa = mock_addr(addr, port);
    return tn_sendto(stack, fd, text, strlen(text), 0, (struct sockaddr *)&sa, sizeof(sa));
}

WORD int option(int fd, int name)
{
    int v = -12345;
    socklen_t len = sizeof(v);
    int error = tn_getsockopt(stack, fd, SOL_SOCKET, name, &v, &len);
    return error < 0 ? error : v;
}

WORD int set_option(int fd, int name, int v)
{
    return tn_setsockopt(stack, fd, SOL_SOCKET, name, &v, sizeof(v));
}

WORD short ready(int fd)
{
    struct tn_pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
    (void)tn_poll(stack, &p, 1);
    return p.revents;
}

WORD uint16_t local_port(int fd)
{
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    assert_int_equal(tn_getsockname(stack, fd, (struct sockaddr *)&sa, &len), 0);
    return ntohs(sa.sin_port);
}

WORD void expect_local(int fd, const char *addr)
{
    struct sockaddr_in sa;
    char text[INET_ADDRSTRLEN];
    socklen_t len = sizeof(sa);
    assert_int_equal(tn_getsockname(stack, fd, (struct sockaddr *)&sa, &len), 0);
    assert_string_equal(inet_ntop(AF_INET, &sa.sin_addr, text, sizeof(text)), addr);
}

WORD void expect_received(int fd, const char *text)
{
    char buf[256] = {0};
    assert_int_equal(tn_recv(stack, fd, buf, sizeof(buf), 0), strlen(text));
    assert_string_equal(buf, text);
}

WORD int listener_on(uint16_t port, int backlog)
{
    int fd = open_stream();
    assert_int_equal(bind_to(fd, "0.0.0.0", port), 0);
    assert_int_equal(tn_listen(stack, fd, backlog), 0);
    return fd;
}

WORD void step(void)
{
    (void)tn_stack_step(stack);
}

#endif
