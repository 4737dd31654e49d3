/* The socket layer between users and transports, with a transport and a service whose every step is the test's. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mock.h"
#include "socket_table.h"

static struct mock mock;
static struct tn_stack *stack;
static struct tn_self *stream;

static int start(void **state)
{
    mock_start(&mock, "");
    stack = mock.stack;
    stream = &mock.stream.slot.self;
    return 0;
}

static int end(void **state)
{
    mock_end(&mock);
    return 0;
}

/* ---- Words for the dialogues ---- */

static int open_stream(void)
{
    return tn_socket(stack, AF_INET, SOCK_STREAM, 0);
}

static int open_datagram(void)
{
    return tn_socket(stack, AF_INET, SOCK_DGRAM, 0);
}

static int bind_to(int fd, const char *addr, uint16_t port)
{
    struct sockaddr_in sa = mock_addr(addr, port);
    return tn_bind(stack, fd, (struct sockaddr *)&sa, sizeof(sa));
}

static int connect_to(int fd, const char *addr, uint16_t port)
{
    struct sockaddr_in sa = mock_addr(addr, port);
    return tn_connect(stack, fd, (struct sockaddr *)&sa, sizeof(sa));
}

static ssize_t send_to(int fd, const char *text, const char *addr, uint16_t port)
{
    struct sockaddr_in sa = mock_addr(addr, port);
    return tn_sendto(stack, fd, text, strlen(text), 0, (struct sockaddr *)&sa, sizeof(sa));
}

static int option(int fd, int name)
{
    int v = -12345;
    socklen_t len = sizeof(v);
    int error = tn_getsockopt(stack, fd, SOL_SOCKET, name, &v, &len);
    return error < 0 ? error : v;
}

static int set_option(int fd, int name, int v)
{
    return tn_setsockopt(stack, fd, SOL_SOCKET, name, &v, sizeof(v));
}

static short ready(int fd)
{
    struct tn_pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
    (void)tn_poll(stack, &p, 1);
    return p.revents;
}

static uint16_t local_port(int fd)
{
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    assert_int_equal(tn_getsockname(stack, fd, (struct sockaddr *)&sa, &len), 0);
    return ntohs(sa.sin_port);
}

static void expect_local(int fd, const char *addr)
{
    struct sockaddr_in sa;
    char text[INET_ADDRSTRLEN];
    socklen_t len = sizeof(sa);
    assert_int_equal(tn_getsockname(stack, fd, (struct sockaddr *)&sa, &len), 0);
    assert_string_equal(inet_ntop(AF_INET, &sa.sin_addr, text, sizeof(text)), addr);
}

static void expect_received(int fd, const char *text)
{
    char buf[256] = {0};
    assert_int_equal(tn_recv(stack, fd, buf, sizeof(buf), 0), strlen(text));
    assert_string_equal(buf, text);
}

static int listener_on(uint16_t port, int backlog)
{
    int fd = open_stream();
    assert_int_equal(bind_to(fd, "0.0.0.0", port), 0);
    assert_int_equal(tn_listen(stack, fd, backlog), 0);
    return fd;
}

static void step(void)
{
    (void)tn_stack_step(stack);
}

/* ---- Wrong calls ---- */

static void unknown_descriptor_is_ebadf(void **state)
{
    char c = 0;
    struct sockaddr_in sa = mock_addr("10.0.0.9", 80);
    socklen_t len = sizeof(sa);
    static const int bad[] = {-1, 0, 5, 1 << 30};
    for (unsigned i = 0; i < TN_ARRAY_SIZE(bad); i++) {
        int fd = bad[i];
        assert_int_equal(tn_bind(stack, fd, (struct sockaddr *)&sa, len), -EBADF);
        assert_int_equal(tn_listen(stack, fd, 1), -EBADF);
        assert_int_equal(tn_accept(stack, fd, NULL, NULL), -EBADF);
        assert_int_equal(tn_connect(stack, fd, (struct sockaddr *)&sa, len), -EBADF);
        assert_int_equal(tn_send(stack, fd, &c, 1, 0), -EBADF);
        assert_int_equal(tn_recv(stack, fd, &c, 1, 0), -EBADF);
        assert_int_equal(tn_shutdown(stack, fd, SHUT_WR), -EBADF);
        assert_int_equal(tn_close(stack, fd), -EBADF);
        assert_int_equal(tn_getsockname(stack, fd, (struct sockaddr *)&sa, &len), -EBADF);
        assert_int_equal(tn_getpeername(stack, fd, (struct sockaddr *)&sa, &len), -EBADF);
        assert_int_equal(option(fd, SO_TYPE), -EBADF);
        assert_int_equal(set_option(fd, SO_REUSEADDR, 1), -EBADF);
        assert_int_equal(tn_on_ready(stack, fd, NULL, NULL), -EBADF);
    }
}

static void socket_refuses_what_is_not_there(void **state)
{
    assert_int_equal(tn_socket(stack, AF_INET6, SOCK_STREAM, 0), -EAFNOSUPPORT);
    assert_int_equal(tn_socket(stack, AF_UNIX, SOCK_STREAM, 0), -EAFNOSUPPORT);
    assert_int_equal(tn_socket(stack, -1, SOCK_STREAM, 0), -EAFNOSUPPORT);
    assert_int_equal(tn_socket(stack, 4711, SOCK_STREAM, 0), -EAFNOSUPPORT);
    assert_int_equal(tn_socket(stack, AF_INET, SOCK_SEQPACKET, 0), -ESOCKTNOSUPPORT);
    assert_int_equal(tn_socket(stack, AF_INET, SOCK_STREAM, 6), -EPROTONOSUPPORT);
    assert_int_equal(tn_socket(stack, AF_INET, SOCK_STREAM, MOCK_DATAGRAM), -EPROTONOSUPPORT);
    assert_int_equal(tn_socket(stack, AF_INET, SOCK_STREAM, 256), -EINVAL);
    assert_int_equal(tn_socket(stack, AF_INET, SOCK_STREAM, -1), -EINVAL);
}

static void null_pointers_are_efault(void **state)
{
    int fd = open_datagram();
    socklen_t len = 16;
    assert_int_equal(tn_bind(stack, fd, NULL, 16), -EFAULT);
    assert_int_equal(tn_connect(stack, fd, NULL, 16), -EFAULT);
    assert_int_equal(tn_send(stack, fd, NULL, 1, 0), -EFAULT);
    assert_int_equal(tn_recv(stack, fd, NULL, 1, 0), -EFAULT);
    assert_int_equal(tn_getsockname(stack, fd, NULL, &len), -EFAULT);
    assert_int_equal(tn_setsockopt(stack, fd, SOL_SOCKET, SO_RCVBUF, NULL, 4), -EFAULT);
    assert_int_equal(tn_getsockopt(stack, fd, SOL_SOCKET, SO_RCVBUF, NULL, &len), -EFAULT);
    assert_int_equal(tn_poll(stack, NULL, 1), -EFAULT);
    tn_close(stack, fd);
}

static void bad_addresses_are_refused(void **state)
{
    int fd = open_stream();
    struct sockaddr_in sa = mock_addr("10.0.0.1", 80);
    assert_int_equal(tn_bind(stack, fd, (struct sockaddr *)&sa, sizeof(sa) - 1), -EINVAL);
    assert_int_equal(tn_bind(stack, fd, (struct sockaddr *)&sa, 1), -EINVAL);
    assert_int_equal(tn_bind(stack, fd, (struct sockaddr *)&sa, (socklen_t)-1), -EINVAL);
    sa.sin_family = AF_INET6;
    assert_int_equal(tn_bind(stack, fd, (struct sockaddr *)&sa, sizeof(sa)), -EAFNOSUPPORT);
    assert_int_equal(tn_connect(stack, fd, (struct sockaddr *)&sa, sizeof(sa)), -EAFNOSUPPORT);
    assert_int_equal(bind_to(fd, "10.0.0.77", 80), -EADDRNOTAVAIL);
    assert_int_equal(bind_to(fd, "10.0.0.255", 80), -EADDRNOTAVAIL);
    assert_int_equal(bind_to(fd, "224.0.0.1", 80), -EADDRNOTAVAIL);
    tn_close(stack, fd);
}

static void stream_operations_on_datagrams_are_eopnotsupp(void **state)
{
    int fd = open_datagram();
    assert_int_equal(tn_listen(stack, fd, 1), -EOPNOTSUPP);
    assert_int_equal(tn_accept(stack, fd, NULL, NULL), -EOPNOTSUPP);
    tn_close(stack, fd);
}

static void unconnected_stream_refuses(void **state)
{
    char c;
    int fd = open_stream();
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), -ENOTCONN);
    assert_int_equal(tn_recv(stack, fd, &c, 1, 0), -ENOTCONN);
    assert_int_equal(tn_shutdown(stack, fd, SHUT_WR), -ENOTCONN);
    assert_int_equal(tn_getpeername(stack, fd, (struct sockaddr *)&sa, &len), -ENOTCONN);
    assert_int_equal(tn_accept(stack, fd, NULL, NULL), -EINVAL);
    assert_int_equal(ready(fd), POLLOUT | POLLHUP);
    tn_close(stack, fd);
}

static void unknown_flags_are_eopnotsupp(void **state)
{
    char c;
    int fd = mock_connected(&mock);
    assert_int_equal(tn_send(stack, fd, "x", 1, MSG_OOB), -EOPNOTSUPP);
    assert_int_equal(tn_recv(stack, fd, &c, 1, MSG_OOB), -EOPNOTSUPP);
    assert_int_equal(tn_shutdown(stack, fd, 3), -EINVAL);
    tn_close(stack, fd);
}

/* ---- Descriptors ---- */

static void lowest_free_descriptor_is_taken(void **state)
{
    assert_int_equal(open_stream(), 0);
    assert_int_equal(open_stream(), 1);
    assert_int_equal(open_datagram(), 2);
    assert_int_equal(tn_close(stack, 1), 0);
    assert_int_equal(tn_close(stack, 1), -EBADF);
    assert_int_equal(tn_close(stack, 0), 0);
    assert_int_equal(open_stream(), 0);
    assert_int_equal(open_stream(), 1);
    assert_int_equal(open_stream(), 3);
    for (int fd = 0; fd < 4; fd++)
        assert_int_equal(tn_close(stack, fd), 0);
}

static void socket_limit_is_enfile_and_counted(void **state)
{
    mock_end(&mock);
    mock_start(&mock, "{ sockets: 16 }");
    stack = mock.stack;
    for (int i = 0; i < 16; i++)
        assert_int_equal(open_stream(), i);
    assert_int_equal(open_stream(), -ENFILE);
    assert_int_equal(tn_stack_counter(stack, "core", "socket-limit"), 1);
    assert_int_equal(tn_close(stack, 7), 0);
    assert_int_equal(open_datagram(), 7);
    for (int i = 0; i < 16; i++)
        tn_close(stack, i);
}

/* ---- Binding ---- */

static void port_in_use_is_eaddrinuse(void **state)
{
    int a = open_datagram(), b = open_datagram(), c = open_stream();
    assert_int_equal(bind_to(a, "10.0.0.1", 53), 0);
    assert_int_equal(bind_to(b, "0.0.0.0", 53), -EADDRINUSE);
    assert_int_equal(bind_to(c, "0.0.0.0", 53), 0); /* another transport */
    assert_int_equal(bind_to(b, "10.0.0.2", 53), 0);
    assert_int_equal(bind_to(b, "10.0.0.2", 54), -EINVAL); /* it has one */
    tn_close(stack, a);
    tn_close(stack, b);
    tn_close(stack, c);
}

static void bind_to_port_0_takes_an_ephemeral_port(void **state)
{
    int fd = open_datagram();
    assert_int_equal(local_port(fd), 0);
    assert_int_equal(bind_to(fd, "10.0.0.2", 0), 0);
    assert_in_range(local_port(fd), 32768, 60999);
    expect_local(fd, "10.0.0.2");
    tn_close(stack, fd);
}

static void listen_without_bind_takes_an_ephemeral_port(void **state)
{
    int fd = open_stream();
    assert_int_equal(tn_listen(stack, fd, 5), 0);
    assert_in_range(local_port(fd), 32768, 60999);
    assert_int_equal(option(fd, SO_ACCEPTCONN), 1);
    tn_close(stack, fd);
}

static void second_listener_is_eaddrinuse(void **state)
{
    int a = open_stream(), b = open_stream();
    set_option(a, SO_REUSEADDR, 1);
    set_option(b, SO_REUSEADDR, 1);
    assert_int_equal(bind_to(a, "0.0.0.0", 80), 0);
    assert_int_equal(bind_to(b, "0.0.0.0", 80), 0);
    assert_int_equal(tn_listen(stack, a, 5), 0);
    assert_int_equal(tn_listen(stack, b, 5), -EADDRINUSE);
    assert_int_equal(tn_listen(stack, a, 9), 0); /* a new backlog */
    tn_close(stack, a);
    assert_int_equal(tn_listen(stack, b, 5), 0);
    tn_close(stack, b);
}

/* ---- Connecting ---- */

static void connect_chooses_source_and_port(void **state)
{
    int fd = open_stream();
    assert_int_equal(connect_to(fd, "10.0.0.9", 80), -EINPROGRESS);
    assert_int_equal(mock.stream.connects, 1);
    expect_local(fd, "10.0.0.1");
    assert_in_range(local_port(fd), 32768, 60999);
    assert_int_equal(connect_to(fd, "10.0.0.9", 80), -EALREADY);
    assert_int_equal(ready(fd), 0);
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), -EAGAIN);
    tn_core_socket_connected(stream, mock.stream.last);
    assert_int_equal(ready(fd), POLLOUT);
    assert_int_equal(connect_to(fd, "10.0.0.9", 80), -EISCONN);
    assert_int_equal(option(fd, SO_ERROR), 0);
    tn_close(stack, fd);
}

static void bound_address_is_the_source(void **state)
{
    int fd = open_stream();
    assert_int_equal(bind_to(fd, "10.0.0.2", 7777), 0);
    assert_int_equal(connect_to(fd, "10.0.0.9", 80), -EINPROGRESS);
    expect_local(fd, "10.0.0.2");
    assert_int_equal(local_port(fd), 7777);
    tn_close(stack, fd);
}

/* RFC 9293 MUST-46 */
static void streams_refuse_addresses_of_many_and_none(void **state)
{
    int fd = open_stream();
    assert_int_equal(connect_to(fd, "255.255.255.255", 80), -ENETUNREACH);
    assert_int_equal(connect_to(fd, "10.0.0.255", 80), -ENETUNREACH);
    assert_int_equal(connect_to(fd, "224.0.0.1", 80), -ENETUNREACH);
    assert_int_equal(connect_to(fd, "0.0.0.0", 80), -ENETUNREACH);
    assert_int_equal(connect_to(fd, "192.0.2.1", 80), -ENETUNREACH); /* no route */
    assert_int_equal(mock.stream.connects, 0);
    assert_int_equal(local_port(fd), 0);
    tn_close(stack, fd);
}

static void same_four_tuple_is_eaddrnotavail(void **state)
{
    int a = open_stream(), b = open_stream();
    set_option(a, SO_REUSEADDR, 1);
    set_option(b, SO_REUSEADDR, 1);
    assert_int_equal(bind_to(a, "10.0.0.1", 5000), 0);
    assert_int_equal(bind_to(b, "10.0.0.1", 5000), 0);
    assert_int_equal(connect_to(a, "10.0.0.9", 80), -EINPROGRESS);
    assert_int_equal(connect_to(b, "10.0.0.9", 80), -EADDRNOTAVAIL);
    assert_int_equal(connect_to(b, "10.0.0.9", 81), -EINPROGRESS);
    tn_close(stack, a);
    tn_close(stack, b);
}

static void refused_connect_is_told_by_so_error_once(void **state)
{
    int fd = open_stream();
    assert_int_equal(connect_to(fd, "10.0.0.9", 80), -EINPROGRESS);
    tn_core_socket_fail(stream, mock.stream.last, ECONNREFUSED);
    assert_int_equal(ready(fd), POLLIN | POLLOUT | POLLERR | POLLHUP);
    assert_int_equal(option(fd, SO_ERROR), ECONNREFUSED);
    assert_int_equal(option(fd, SO_ERROR), 0);
    assert_int_equal(connect_to(fd, "10.0.0.9", 80), -ECONNABORTED);
    assert_int_equal(ready(fd), POLLIN | POLLOUT | POLLHUP);
    tn_close(stack, fd);
}

static void refusing_transport_leaves_the_socket_as_it_was(void **state)
{
    int fd = open_stream();
    mock.stream.connect_error = -ENOBUFS;
    assert_int_equal(connect_to(fd, "10.0.0.9", 80), -ENOBUFS);
    assert_int_equal(local_port(fd), 0);
    assert_int_equal(stack->sockets->connections.count, 0);
    assert_int_equal(stack->sockets->port_slab.used, 0);
    mock.stream.connect_error = 0;
    assert_int_equal(connect_to(fd, "10.0.0.9", 80), -EINPROGRESS);
    tn_close(stack, fd);
}

/* A timeout is told as what was heard on the way (RFC 1122 §4.2.3.9); news alone ends nothing (RFC 9293 MUST-56). */
static void soft_error_explains_a_timeout(void **state)
{
    int fd = mock_connected(&mock);
    struct tn_socket *sock = mock_socket(&mock, fd);
    tn_core_socket_soft_error(stream, sock, EHOSTUNREACH);
    assert_int_equal(ready(fd), POLLOUT);
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), 1);
    tn_core_socket_fail(stream, sock, ETIMEDOUT);
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), -EHOSTUNREACH);
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), -EPIPE);
    tn_close(stack, fd);
}

/* ---- Sending on streams ---- */

static void expect_queue(const struct tn_packet_queue *queue, const char *text)
{
    char all[4096];
    size_t len = 0;
    for (const struct tn_packet *p = queue->head; p; p = p->next)
        len += tn_packet_read(p, 0, all + len, sizeof(all) - len);
    assert_int_equal(len, strlen(text));
    assert_int_equal(queue->bytes, len);
    assert_memory_equal(all, text, len);
}

static void small_writes_share_a_buffer(void **state)
{
    int fd = mock_connected(&mock);
    struct tn_socket *sock = mock_socket(&mock, fd);
    for (int i = 0; i < 20; i++)
        assert_int_equal(tn_send(stack, fd, "0123456789", 10, 0), 10);
    assert_int_equal(sock->tx.bytes, 200);
    assert_int_equal(sock->tx.packets, 1);
    assert_int_equal(mock.stream.sends, 20);
    tn_close(stack, fd);
}

static void appending_leaves_clones_on_their_way_alone(void **state)
{
    int fd = mock_connected(&mock);
    struct tn_socket *sock = mock_socket(&mock, fd);
    tn_send(stack, fd, "first", 5, 0);
    struct tn_packet *segment = tn_packet_clone(&stack->pool, sock->tx.head);
    tn_send(stack, fd, "second", 6, 0);
    assert_int_equal(segment->total, 5);
    assert_memory_equal(segment->data, "first", 5);
    expect_queue(&sock->tx, "firstsecond");
    assert_int_equal(sock->tx.packets, 1);
    tn_packet_free(&stack->pool, segment);
    tn_close(stack, fd);
}

static void full_queue_takes_a_part_and_then_nothing(void **state)
{
    static char big[100000];
    int fd = mock_connected(&mock);
    struct tn_socket *sock = mock_socket(&mock, fd);
    assert_int_equal(set_option(fd, SO_SNDBUF, 60000), 0);
    assert_int_equal(tn_send(stack, fd, big, sizeof(big), 0), 60000);
    assert_int_equal(tn_send(stack, fd, big, sizeof(big), 0), -EAGAIN);
    assert_int_equal(ready(fd), 0);
    tn_core_socket_acked(stream, sock, 19999);
    assert_int_equal(ready(fd), 0);
    tn_core_socket_acked(stream, sock, 1);
    assert_int_equal(ready(fd), POLLOUT);
    assert_int_equal(sock->tx.bytes, 40000);
    tn_close(stack, fd);
}

static void acked_frees_parts_of_packets(void **state)
{
    int fd = mock_connected(&mock);
    struct tn_socket *sock = mock_socket(&mock, fd);
    tn_send(stack, fd, "abcdef", 6, 0);
    tn_core_socket_acked(stream, sock, 2);
    expect_queue(&sock->tx, "cdef");
    tn_send(stack, fd, "gh", 2, 0);
    tn_core_socket_acked(stream, sock, 5);
    expect_queue(&sock->tx, "h");
    tn_core_socket_acked(stream, sock, 1);
    assert_int_equal(sock->tx.packets, 0);
    tn_send(stack, fd, "i", 1, 0);
    expect_queue(&sock->tx, "i");
    tn_close(stack, fd);
}

static void given_packets_are_not_copied(void **state)
{
    int fd = mock_connected(&mock);
    struct tn_socket *sock = mock_socket(&mock, fd);
    static char bytes[1400] = "whole";
    struct tn_packet *packet = mock_packet(&mock, bytes, sizeof(bytes));
    const uint8_t *data = packet->data;
    assert_int_equal(tn_core_socket_give(&mock.service.slot.self, sock, packet), 0);
    assert_ptr_equal(sock->tx.head->data, data);
    tn_send(stack, fd, "tail", 4, 0); /* goes into the same buffer */
    assert_int_equal(sock->tx.packets, 1);
    assert_int_equal(sock->tx.bytes, 1404);
    tn_close(stack, fd);
}

static void small_given_packets_are_copied_behind_the_last(void **state)
{
    int fd = mock_connected(&mock);
    struct tn_socket *sock = mock_socket(&mock, fd);
    for (int i = 0; i < 100; i++)
        assert_int_equal(tn_core_socket_give(&mock.service.slot.self, sock, mock_packet(&mock, "x", 1)), 0);
    assert_int_equal(sock->tx.packets, 1);
    assert_int_equal(sock->tx.bytes, 100);
    assert_true(sock->tx.head->buffer->size < 512);
    tn_close(stack, fd);
}

/* Two packets over the same bytes: nothing may be written behind either. */
static void shared_packets_are_not_appended_to(void **state)
{
    int fd = mock_connected(&mock);
    struct tn_socket *sock = mock_socket(&mock, fd);
    static char bytes[1200] = "shared";
    struct tn_packet *one = mock_packet(&mock, bytes, sizeof(bytes));
    struct tn_packet *two = tn_packet_clone(&stack->pool, one);
    tn_core_socket_give(&mock.service.slot.self, sock, one);
    tn_send(stack, fd, "1", 1, 0);
    tn_core_socket_give(&mock.service.slot.self, sock, two);
    tn_send(stack, fd, "2", 1, 0);
    assert_int_equal(sock->tx.packets, 4);
    assert_memory_equal(sock->tx.head->next->data, "1", 1);
    assert_memory_equal(sock->tx.tail->data, "2", 1);
    tn_close(stack, fd);
}

static void give_to_a_full_queue_is_not_consumed(void **state)
{
    static char big[4096];
    int fd = mock_connected(&mock);
    set_option(fd, SO_SNDBUF, 4096);
    assert_int_equal(tn_send(stack, fd, big, sizeof(big), 0), 4096);
    struct tn_packet *packet = mock_packet(&mock, "x", 1);
    assert_int_equal(tn_core_socket_give(&mock.service.slot.self, mock_socket(&mock, fd), packet), -EAGAIN);
    assert_memory_equal(packet->data, "x", 1);
    tn_packet_free(&stack->pool, packet);
    tn_close(stack, fd);
}

static void send_after_shutdown_is_epipe(void **state)
{
    int fd = mock_connected(&mock);
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), 1);
    assert_int_equal(tn_shutdown(stack, fd, SHUT_WR), 0);
    assert_int_equal(mock.stream.sends, 2);
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), -EPIPE);
    assert_int_equal(ready(fd), POLLOUT);
    tn_close(stack, fd);
}

/* ---- Receiving on streams ---- */

static void bytes_come_in_order_in_whatever_portions(void **state)
{
    char buf[4] = {0};
    int fd = mock_connected(&mock);
    struct tn_socket *sock = mock_socket(&mock, fd);
    assert_int_equal(tn_recv(stack, fd, buf, 3, 0), -EAGAIN);
    mock_deliver(&mock, sock, "abcd", 4);
    mock_deliver(&mock, sock, "ef", 2);
    assert_int_equal(ready(fd), POLLIN | POLLOUT);
    assert_int_equal(tn_recv(stack, fd, buf, 3, MSG_PEEK), 3);
    assert_string_equal(buf, "abc");
    assert_int_equal(mock.stream.received, 0);
    assert_int_equal(tn_recv(stack, fd, buf, 3, 0), 3);
    assert_int_equal(mock.stream.received, 1);
    assert_int_equal(tn_recv(stack, fd, NULL, 1, MSG_TRUNC), 1);
    expect_received(fd, "ef");
    assert_int_equal(tn_recv(stack, fd, buf, 3, 0), -EAGAIN);
    tn_close(stack, fd);
}

static void tiny_segments_share_buffers(void **state)
{
    int fd = mock_connected(&mock);
    struct tn_socket *sock = mock_socket(&mock, fd);
    for (int i = 0; i < 10000; i++)
        mock_deliver(&mock, sock, "x", 1);
    assert_int_equal(sock->rx.bytes, 10000);
    assert_in_range(sock->rx.packets, 1, 10);
    tn_close(stack, fd);
}

static void end_of_data_comes_after_the_data(void **state)
{
    int fd = mock_connected(&mock);
    struct tn_socket *sock = mock_socket(&mock, fd);
    char c;
    mock_deliver(&mock, sock, "last", 4);
    tn_core_socket_eof(stream, sock);
    expect_received(fd, "last");
    assert_int_equal(tn_recv(stack, fd, &c, 1, 0), 0);
    assert_int_equal(tn_recv(stack, fd, &c, 1, 0), 0);
    assert_int_equal(ready(fd), POLLIN | POLLOUT);
    tn_shutdown(stack, fd, SHUT_WR);
    assert_int_equal(ready(fd), POLLIN | POLLOUT | POLLHUP);
    tn_close(stack, fd);
}

/* RFC 9293 MUST-12: what came before the reset can be read; then the error, once. */
static void reset_is_told_after_the_data_and_once(void **state)
{
    int fd = mock_connected(&mock);
    struct tn_socket *sock = mock_socket(&mock, fd);
    char c;
    mock_deliver(&mock, sock, "data", 4);
    tn_core_socket_fail(stream, sock, ECONNRESET);
    expect_received(fd, "data");
    assert_int_equal(tn_recv(stack, fd, &c, 1, 0), -ECONNRESET);
    assert_int_equal(tn_recv(stack, fd, &c, 1, 0), 0);
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), -EPIPE);
    assert_int_equal(stack->sockets->connections.count, 0); /* the four-tuple is free at once */
    tn_close(stack, fd);
}

static void shutdown_for_reading_ends_data(void **state)
{
    int fd = mock_connected(&mock);
    struct tn_socket *sock = mock_socket(&mock, fd);
    char c;
    assert_int_equal(tn_shutdown(stack, fd, SHUT_RD), 0);
    assert_int_equal(tn_recv(stack, fd, &c, 1, 0), 0);
    mock_deliver(&mock, sock, "late", 4);
    assert_int_equal(sock->rx.bytes, 0);
    tn_close(stack, fd);
}

/* ---- Listeners ---- */

static void connections_are_accepted_in_order(void **state)
{
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    int fd = listener_on(80, 5);
    assert_int_equal(tn_accept(stack, fd, NULL, NULL), -EAGAIN);
    mock_ready_child(&mock, mock_socket(&mock, fd), 1001);
    struct tn_socket *slow = mock_child(&mock, mock_socket(&mock, fd), 1002);
    mock_ready_child(&mock, mock_socket(&mock, fd), 1003);
    assert_int_equal(ready(fd), POLLIN);
    int one = tn_accept(stack, fd, (struct sockaddr *)&sa, &len);
    assert_int_equal(ntohs(sa.sin_port), 1001);
    assert_int_equal(sa.sin_addr.s_addr, inet_addr("10.0.0.9"));
    int two = tn_accept(stack, fd, (struct sockaddr *)&sa, &len);
    assert_int_equal(ntohs(sa.sin_port), 1003);
    assert_int_equal(tn_accept(stack, fd, NULL, NULL), -EAGAIN);
    tn_core_socket_ready(stream, slow);
    int three = tn_accept(stack, fd, (struct sockaddr *)&sa, &len);
    assert_int_equal(ntohs(sa.sin_port), 1002);
    assert_int_equal(ready(fd), 0);
    assert_int_equal(ready(one), POLLOUT);
    expect_local(two, "10.0.0.1");
    tn_close(stack, one);
    tn_close(stack, two);
    tn_close(stack, three);
    tn_close(stack, fd);
}

static void what_came_before_accept_is_there(void **state)
{
    int fd = listener_on(80, 5);
    struct tn_socket *child = mock_ready_child(&mock, mock_socket(&mock, fd), 1001);
    mock_deliver(&mock, child, "early", 5);
    tn_core_socket_eof(stream, child);
    int conn = tn_accept(stack, fd, NULL, NULL);
    assert_int_equal(ready(conn), POLLIN | POLLOUT);
    expect_received(conn, "early");
    tn_close(stack, conn);
    tn_close(stack, fd);
}

static void backlog_counts_handshakes_and_is_limited(void **state)
{
    int fd = listener_on(80, 2);
    struct tn_socket *listener = mock_socket(&mock, fd);
    struct tn_socket *first = mock_child(&mock, listener, 1001);
    assert_non_null(mock_child(&mock, listener, 1002));
    assert_non_null(mock_ready_child(&mock, listener, 1003));
    assert_null(mock_child(&mock, listener, 1004));
    assert_int_equal(tn_stack_counter(stack, "core", "backlog-limit"), 1);
    tn_core_socket_free(stream, first); /* it gave up in its handshake */
    assert_non_null(mock_child(&mock, listener, 1004));
    tn_close(stack, fd);
}

static void closing_a_listener_resets_who_waits(void **state)
{
    int fd = listener_on(80, 10);
    struct tn_socket *listener = mock_socket(&mock, fd);
    mock_child(&mock, listener, 1001);
    mock_ready_child(&mock, listener, 1002);
    mock_ready_child(&mock, listener, 1003);
    int conn = tn_accept(stack, fd, NULL, NULL);
    mock.stream.keeps = true;
    tn_close(stack, fd);
    assert_int_equal(mock.stream.aborts, 2);
    assert_int_equal(mock.stream.closes, 3);
    assert_int_equal(tn_send(stack, conn, "still here", 10, 0), 10);
    mock.stream.keeps = false;
    tn_core_socket_free(stream, listener);
    tn_close(stack, conn);
}

/* As on Linux: it is accepted, and then its error is told. */
static void connection_reset_while_waiting_is_accepted_and_fails(void **state)
{
    char c;
    int fd = listener_on(80, 5);
    struct tn_socket *child = mock_ready_child(&mock, mock_socket(&mock, fd), 1001);
    tn_core_socket_fail(stream, child, ECONNRESET);
    int conn = tn_accept(stack, fd, NULL, NULL);
    assert_true(conn >= 0);
    assert_int_equal(tn_recv(stack, conn, &c, 1, 0), -ECONNRESET);
    tn_close(stack, conn);
    tn_close(stack, fd);
}

static void connection_that_fails_in_its_handshake_goes(void **state)
{
    int fd = listener_on(80, 1);
    struct tn_socket *child = mock_child(&mock, mock_socket(&mock, fd), 1001);
    tn_core_socket_fail(stream, child, ECONNRESET);
    step();
    assert_int_equal(mock.stream.aborts, 1);
    assert_int_equal(tn_sockets_count(stack), 1);
    assert_int_equal(tn_accept(stack, fd, NULL, NULL), -EAGAIN);
    tn_close(stack, fd);
}

static void child_inherits_options(void **state)
{
    int fd = open_stream();
    set_option(fd, SO_RCVBUF, 11111);
    set_option(fd, SO_KEEPALIVE, 1);
    set_option(fd, SO_REUSEADDR, 1);
    bind_to(fd, "0.0.0.0", 80);
    tn_listen(stack, fd, 1);
    mock_ready_child(&mock, mock_socket(&mock, fd), 1001);
    int conn = tn_accept(stack, fd, NULL, NULL);
    assert_int_equal(option(conn, SO_RCVBUF), 11111);
    assert_int_equal(option(conn, SO_KEEPALIVE), 1);
    assert_int_equal(option(conn, SO_REUSEADDR), 1);
    assert_int_equal(option(conn, SO_ACCEPTCONN), 0);
    tn_close(stack, conn);
    tn_close(stack, fd);
}

static void lookup_prefers_connection_then_address_then_any(void **state)
{
    int any = listener_on(80, 5), one = open_stream();
    set_option(any, SO_REUSEADDR, 1);
    struct tn_socket *listener = mock_socket(&mock, any);
    struct tn_socket *child = mock_child(&mock, listener, 1001);
    struct tn_packet *packet = mock_packet(&mock, "", 0);
    packet->dst_port = 80;
    packet->src_port = 1001;
    assert_ptr_equal(tn_core_socket_lookup(stream, packet), child);
    packet->src_port = 1002;
    assert_ptr_equal(tn_core_socket_lookup(stream, packet), listener);
    packet->dst_port = 81;
    assert_null(tn_core_socket_lookup(stream, packet));
    assert_int_equal(bind_to(one, "10.0.0.1", 81), 0);
    assert_null(tn_core_socket_lookup(stream, packet)); /* bound, but does not listen */
    tn_listen(stack, one, 1);
    assert_ptr_equal(tn_core_socket_lookup(stream, packet), mock_socket(&mock, one));
    packet->vrf = 1;
    assert_null(tn_core_socket_lookup(stream, packet));
    assert_null(tn_core_socket_lookup(&mock.datagram.slot.self, packet));
    tn_packet_free(&stack->pool, packet);
    tn_close(stack, any);
    tn_close(stack, one);
}

/* ---- Closing ---- */

static void closed_socket_lives_until_its_transport_is_done(void **state)
{
    int fd = mock_connected(&mock);
    struct tn_socket *sock = mock_socket(&mock, fd);
    mock.stream.keeps = true;
    tn_send(stack, fd, "rest", 4, 0);
    mock_deliver(&mock, sock, "unread", 6);
    assert_int_equal(tn_close(stack, fd), 0);
    step();
    assert_int_equal(tn_sockets_count(stack), 1);
    expect_queue(&sock->tx, "rest");
    assert_int_equal(sock->rx.packets, 0);
    assert_true(sock->flags & TN_SOCK_CLOSED);
    assert_int_equal(stack->sockets->connections.count, 1); /* still found */
    tn_core_socket_acked(stream, sock, 4);
    tn_core_socket_eof(stream, sock);
    tn_core_socket_free(stream, sock);
    assert_int_equal(tn_sockets_count(stack), 0);
}

static void transport_may_let_go_first(void **state)
{
    char c;
    int fd = mock_connected(&mock);
    struct tn_socket *sock = mock_socket(&mock, fd);
    tn_core_socket_fail(stream, sock, ECONNRESET);
    tn_core_socket_free(stream, sock);
    step();
    assert_int_equal(tn_recv(stack, fd, &c, 1, 0), -ECONNRESET);
    assert_int_equal(tn_close(stack, fd), 0);
    assert_int_equal(mock.stream.closes, 0);
    assert_int_equal(tn_sockets_count(stack), 0);
}

static void linger_0_aborts(void **state)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0}, got;
    socklen_t len = sizeof(got);
    int fd = mock_connected(&mock);
    assert_int_equal(tn_setsockopt(stack, fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    assert_int_equal(tn_getsockopt(stack, fd, SOL_SOCKET, SO_LINGER, &got, &len), 0);
    assert_int_equal(got.l_onoff, 1);
    assert_int_equal(got.l_linger, 0);
    tn_close(stack, fd);
    assert_int_equal(mock.stream.aborts, 1);
}

static void removed_transport_is_enetdown(void **state)
{
    char c;
    int fd = mock_connected(&mock), listener = listener_on(80, 5), datagram = open_datagram();
    struct tn_socket *waiting = mock_ready_child(&mock, mock_socket(&mock, listener), 1001);
    assert_non_null(waiting);
    tn_sockets_close_transport(stack, &mock.stream.slot);
    step();
    assert_int_equal(tn_sockets_count(stack), 3);
    assert_int_equal(ready(fd), POLLIN | POLLOUT | POLLERR | POLLHUP);
    assert_int_equal(tn_recv(stack, fd, &c, 1, 0), -ENETDOWN);
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), -EPIPE);
    assert_int_equal(tn_accept(stack, listener, NULL, NULL), -ENETDOWN);
    assert_int_equal(option(fd, SO_PROTOCOL), MOCK_STREAM);
    assert_int_equal(bind_to(datagram, "0.0.0.0", 80), 0);
    tn_close(stack, fd);
    tn_close(stack, listener);
    tn_close(stack, datagram);
    assert_null(stack->sockets->slabs->next); /* the transport's slab went with its last socket */
}

/* ---- Datagrams ---- */

static void datagram_goes_where_it_is_sent(void **state)
{
    int fd = open_datagram();
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), -EDESTADDRREQ);
    assert_int_equal(send_to(fd, "hello", "10.0.0.9", 53), 5);
    assert_int_equal(mock.datagram.dst_port, 53);
    assert_int_equal(mock.datagram.src_port, local_port(fd));
    assert_in_range(local_port(fd), 32768, 60999);
    assert_int_equal(mock.datagram.dst.bytes[3], 9);
    assert_int_equal(mock.datagram.src.bytes[3], 1);
    assert_int_equal(mock.datagram.len, 5);
    assert_memory_equal(mock.datagram.data, "hello", 5);
    expect_local(fd, "0.0.0.0");
    assert_int_equal(send_to(fd, "", "10.0.0.9", 53), 0); /* an empty datagram is one */
    assert_int_equal(mock.datagram.sends, 2);
    assert_int_equal(mock.datagram.len, 0);
    tn_close(stack, fd);
}

static void path_to_the_last_destination_is_remembered(void **state)
{
    int fd = open_datagram();
    send_to(fd, "x", "10.0.0.9", 53);
    uint64_t lookups = tn_stack_counter(stack, "core", "path-lookups");
    send_to(fd, "x", "10.0.0.9", 54);
    assert_int_equal(tn_stack_counter(stack, "core", "path-lookups"), lookups);
    send_to(fd, "x", "10.0.0.8", 53);
    assert_int_equal(tn_stack_counter(stack, "core", "path-lookups"), lookups + 1);
    tn_close(stack, fd);
}

static void broadcast_needs_so_broadcast(void **state)
{
    int fd = open_datagram();
    assert_int_equal(send_to(fd, "x", "255.255.255.255", 67), -EACCES);
    assert_int_equal(send_to(fd, "x", "10.0.0.255", 67), -EACCES);
    assert_int_equal(connect_to(fd, "10.0.0.255", 67), -EACCES);
    assert_int_equal(set_option(fd, SO_BROADCAST, 1), 0);
    assert_int_equal(send_to(fd, "x", "255.255.255.255", 67), 1);
    assert_int_equal(send_to(fd, "x", "10.0.0.255", 67), 1);
    assert_int_equal(set_option(fd, SO_BROADCAST, 0), 0);
    assert_int_equal(send_to(fd, "x", "10.0.0.255", 67), -EACCES); /* though the path is known */
    tn_close(stack, fd);
}

/* RFC 1112 §6.1 */
static void multicast_stays_on_the_link_unless_told(void **state)
{
    int fd = open_datagram(), ttl = 9;
    assert_int_equal(send_to(fd, "x", "224.0.0.251", 5353), 1);
    assert_int_equal(mock.datagram.ttl, 1);
    assert_int_equal(tn_setsockopt(stack, fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)), 0);
    assert_int_equal(send_to(fd, "x", "224.0.0.251", 5353), 1);
    assert_int_equal(mock.datagram.ttl, 9);
    tn_close(stack, fd);
}

static void too_long_a_datagram_is_emsgsize(void **state)
{
    static char big[65536];
    int fd = open_datagram();
    struct sockaddr_in sa = mock_addr("10.0.0.9", 53);
    assert_int_equal(tn_sendto(stack, fd, big, 65508, 0, (struct sockaddr *)&sa, sizeof(sa)), -EMSGSIZE);
    assert_int_equal(tn_sendto(stack, fd, big, 65507, 0, (struct sockaddr *)&sa, sizeof(sa)), 65507);
    assert_int_equal(mock.datagram.len, 65507);
    tn_close(stack, fd);
}

static void connected_datagram_socket_takes_from_its_peer_alone(void **state)
{
    int fd = open_datagram();
    assert_int_equal(bind_to(fd, "0.0.0.0", 5000), 0);
    struct tn_self *datagram = &mock.datagram.slot.self;
    struct tn_packet *packet = mock_packet(&mock, "", 0);
    packet->dst_port = 5000;
    assert_ptr_equal(tn_core_socket_lookup(datagram, packet), mock_socket(&mock, fd));
    assert_int_equal(connect_to(fd, "10.0.0.9", 53), 0);
    expect_local(fd, "10.0.0.1");
    assert_null(tn_core_socket_lookup(datagram, packet));
    packet->src_port = 53;
    assert_ptr_equal(tn_core_socket_lookup(datagram, packet), mock_socket(&mock, fd));
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), 1);
    assert_int_equal(mock.datagram.dst_port, 53);
    assert_int_equal(connect_to(fd, "10.0.0.9", 54), 0); /* another peer */
    assert_null(tn_core_socket_lookup(datagram, packet));
    struct sockaddr unspec = {.sa_family = AF_UNSPEC};
    assert_int_equal(tn_connect(stack, fd, &unspec, sizeof(unspec)), 0);
    assert_ptr_equal(tn_core_socket_lookup(datagram, packet), mock_socket(&mock, fd));
    expect_local(fd, "0.0.0.0");
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), -EDESTADDRREQ);
    tn_packet_free(&stack->pool, packet);
    tn_close(stack, fd);
}

static void datagrams_keep_their_edges(void **state)
{
    char buf[8] = {0};
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    int fd = open_datagram();
    bind_to(fd, "0.0.0.0", 5000);
    struct tn_socket *sock = mock_socket(&mock, fd);
    mock_deliver(&mock, sock, "abcdef", 6);
    mock_deliver(&mock, sock, "", 0);
    mock_deliver(&mock, sock, "gh", 2);
    assert_int_equal(tn_recv(stack, fd, buf, 3, MSG_PEEK | MSG_TRUNC), 6);
    assert_int_equal(tn_recvfrom(stack, fd, buf, 3, 0, (struct sockaddr *)&sa, &len),
                     3); /* the rest is lost */
    assert_string_equal(buf, "abc");
    assert_int_equal(ntohs(sa.sin_port), 999);
    assert_int_equal(len, sizeof(sa));
    assert_int_equal(tn_recv(stack, fd, buf, 3, 0), 0);
    expect_received(fd, "gh");
    assert_int_equal(tn_recv(stack, fd, buf, 3, 0), -EAGAIN);
    tn_close(stack, fd);
}

/* What waits is charged with the memory that it occupies. */
static void receive_limit_counts_memory(void **state)
{
    int fd = open_datagram();
    bind_to(fd, "0.0.0.0", 5000);
    struct tn_socket *sock = mock_socket(&mock, fd);
    set_option(fd, SO_RCVBUF, 100000);
    unsigned taken = 0;
    while (mock_deliver(&mock, sock, "x", 1))
        taken++;
    assert_in_range(taken, 100, 200); /* 512 bytes of buffer and a packet record each */
    assert_in_range(sock->rx_memory, 100000, 101000);
    expect_received(fd, "x");
    assert_true(mock_deliver(&mock, sock, "x", 1));
    assert_false(mock_deliver(&mock, sock, "x", 1));
    tn_close(stack, fd);
}

static void error_of_a_connected_datagram_socket_is_told_once(void **state)
{
    char c;
    int fd = open_datagram();
    connect_to(fd, "10.0.0.9", 53);
    struct tn_socket *sock = mock_socket(&mock, fd);
    tn_core_socket_soft_error(&mock.datagram.slot.self, sock, ECONNREFUSED);
    assert_int_equal(ready(fd), POLLOUT | POLLERR);
    assert_int_equal(tn_recv(stack, fd, &c, 1, 0), -ECONNREFUSED);
    assert_int_equal(tn_recv(stack, fd, &c, 1, 0), -EAGAIN);
    tn_core_socket_soft_error(&mock.datagram.slot.self, sock, ECONNREFUSED);
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), -ECONNREFUSED);
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), 1);
    tn_close(stack, fd);
}

/* ---- Options ---- */

static void options_are_kept(void **state)
{
    int fd = open_datagram(), v = 7;
    socklen_t len = sizeof(v);
    assert_int_equal(option(fd, SO_TYPE), SOCK_DGRAM);
    assert_int_equal(option(fd, SO_DOMAIN), AF_INET);
    assert_int_equal(option(fd, SO_PROTOCOL), MOCK_DATAGRAM);
    assert_int_equal(option(fd, SO_ACCEPTCONN), 0);
    assert_int_equal(set_option(fd, SO_TYPE, 1), -ENOPROTOOPT);
    assert_int_equal(set_option(fd, SO_RCVBUF, 5000), 0);
    assert_int_equal(option(fd, SO_RCVBUF), 5000);
    assert_int_equal(set_option(fd, SO_SNDBUF, 1), 0);
    assert_int_equal(option(fd, SO_SNDBUF), 2048); /* the least */
    assert_int_equal(set_option(fd, 12345, 1), -ENOPROTOOPT);
    assert_int_equal(option(fd, 12345), -ENOPROTOOPT);
    assert_int_equal(tn_setsockopt(stack, fd, SOL_SOCKET, SO_RCVBUF, &v, 3), -EINVAL);
    assert_int_equal(tn_getsockopt(stack, fd, IPPROTO_IP, IP_TTL, &v, &len), 0);
    assert_int_equal(v, 64);
    v = 256;
    assert_int_equal(tn_setsockopt(stack, fd, IPPROTO_IP, IP_TTL, &v, sizeof(v)), -EINVAL);
    v = 0xb8;
    assert_int_equal(tn_setsockopt(stack, fd, IPPROTO_IP, IP_TOS, &v, sizeof(v)), 0);
    v = 0;
    assert_int_equal(tn_getsockopt(stack, fd, IPPROTO_IP, IP_TOS, &v, &len), 0);
    assert_int_equal(v, 0xb8);
    assert_int_equal(tn_setsockopt(stack, fd, MOCK_DATAGRAM, 1, &v, sizeof(v)), -ENOPROTOOPT);
    assert_int_equal(tn_setsockopt(stack, fd, 99, 1, &v, sizeof(v)), -ENOPROTOOPT);
    tn_close(stack, fd);
}

static void names_are_cut_at_their_room(void **state)
{
    struct sockaddr_in sa;
    socklen_t len = 4;
    int fd = open_datagram();
    bind_to(fd, "10.0.0.1", 5000);
    memset(&sa, 0xee, sizeof(sa));
    assert_int_equal(tn_getsockname(stack, fd, (struct sockaddr *)&sa, &len), 0);
    assert_int_equal(len, sizeof(sa));
    assert_int_equal(ntohs(sa.sin_port), 5000);
    assert_int_equal(sa.sin_addr.s_addr, 0xeeeeeeee);
    tn_close(stack, fd);
}

static void poll_tells_of_bad_and_ignored_descriptors(void **state)
{
    int fd = open_datagram();
    struct tn_pollfd p[] = {
        {.fd = 77, .events = POLLIN}, {.fd = -1, .events = POLLIN}, {.fd = fd, .events = POLLOUT}};
    assert_int_equal(tn_poll(stack, p, 3), 2);
    assert_int_equal(p[0].revents, POLLNVAL);
    assert_int_equal(p[1].revents, 0);
    assert_int_equal(p[2].revents, POLLOUT);
    tn_close(stack, fd);
}

/* ---- Callbacks of embedders ---- */

struct calls {
    unsigned count;
    short events; /* all together */
    int fds[8];
};

static void note_ready(void *context, int fd, short events)
{
    struct calls *calls = context;
    calls->fds[calls->count++ % 8] = fd;
    calls->events |= events;
}

static void callback_tells_what_is_new(void **state)
{
    struct calls calls = {0};
    int fd = mock_connected(&mock);
    step();
    assert_int_equal(tn_on_ready(stack, fd, note_ready, &calls), 0);
    step();
    assert_int_equal(calls.count, 1); /* it was writable already */
    assert_int_equal(calls.events, POLLOUT);
    step();
    assert_int_equal(calls.count, 1);
    calls.events = 0;
    mock_deliver(&mock, mock_socket(&mock, fd), "x", 1);
    mock_deliver(&mock, mock_socket(&mock, fd), "y", 1);
    step();
    assert_int_equal(calls.count, 2); /* once a batch */
    assert_int_equal(calls.events, POLLIN);
    tn_on_ready(stack, fd, NULL, NULL);
    mock_deliver(&mock, mock_socket(&mock, fd), "z", 1);
    step();
    assert_int_equal(calls.count, 2);
    tn_close(stack, fd);
}

static void close_all(void *context, int fd, short events)
{
    const struct calls *calls = context;
    for (unsigned i = 0; i < calls->count; i++)
        (void)tn_close(stack, calls->fds[i]);
}

/* Three sockets have news; the first that is told closes all, itself included. */
static void callback_may_close_anything(void **state)
{
    struct calls calls = {.count = 3};
    for (unsigned i = 0; i < 3; i++) {
        calls.fds[i] = mock_connected(&mock);
        tn_on_ready(stack, calls.fds[i], close_all, &calls);
    }
    for (unsigned i = 0; i < 3; i++)
        mock_deliver(&mock, mock_socket(&mock, calls.fds[i]), "x", 1);
    step();
    assert_int_equal(tn_sockets_count(stack), 0);
}

static void reopen(void *context, int fd, short events)
{
    unsigned *count = context;
    ++*count;
    assert_int_equal(tn_close(stack, fd), 0);
    assert_int_equal(mock_connected(&mock), fd);
    tn_on_ready(stack, fd, reopen, context);
}

/* Each call makes a socket with news of its own: a batch ends all the same. */
static void callbacks_that_cause_callbacks_do_not_hold_the_batch(void **state)
{
    unsigned count = 0;
    int fd = mock_connected(&mock);
    tn_on_ready(stack, fd, reopen, &count);
    assert_true(tn_stack_step(stack));
    assert_in_range(count, 1, 2);
    assert_true(tn_stack_step(stack));
    assert_in_range(count, 2, 4);
    tn_close(stack, fd);
}

/* ---- Services ---- */

static struct tn_socket *service_listener(uint8_t protocol, uint16_t port)
{
    struct tn_plan_listen listen = {.protocol = protocol, .port = port};
    assert_int_equal(tn_service_listen(stack, &mock.service.slot, &listen), 0);
    struct tn_addr any = {{{0}}};
    const struct tn_tuple tuple = {.local = any,
                                   .local_port = port,
                                   .family = AF_INET,
                                   .transport = protocol == MOCK_STREAM ? mock.stream.slot.self.slot
                                                                        : mock.datagram.slot.self.slot};
    return tn_port_taker(stack, &tuple, 0);
}

static void unlisten(uint8_t protocol, uint16_t port)
{
    struct tn_plan_listen listen = {.protocol = protocol, .port = port};
    assert_int_equal(tn_service_unlisten(stack, &mock.service.slot, &listen), 0);
    assert_int_equal(tn_service_unlisten(stack, &mock.service.slot, &listen), -ENOENT);
}

static void service_is_told_of_connection_data_and_end(void **state)
{
    struct tn_socket *listener = service_listener(MOCK_STREAM, 7);
    struct tn_socket *child = mock_child(&mock, listener, 1001);
    step();
    assert_string_equal(mock.service.calls, "");
    tn_core_socket_ready(stream, child);
    mock_deliver(&mock, child, "early", 5);
    step();
    assert_string_equal(mock.service.calls, "AR");
    assert_ptr_equal(mock.service.last, child);
    mock_deliver(&mock, child, "more", 4);
    step();
    tn_core_socket_eof(stream, child);
    step();
    assert_string_equal(mock.service.calls, "ARRR");
    tn_core_socket_fail(stream, child, ECONNRESET);
    step();
    assert_string_equal(mock.service.calls, "ARRRC");
    assert_int_equal(mock.service.error, ECONNRESET);
    assert_int_equal(mock.stream.closes, 1); /* by the core */
    unlisten(MOCK_STREAM, 7);
}

static void service_is_told_when_there_is_room_again(void **state)
{
    static char big[300000];
    struct tn_socket *child = mock_ready_child(&mock, service_listener(MOCK_STREAM, 7), 1001);
    step();
    struct tn_self *service = &mock.service.slot.self;
    assert_int_equal(tn_core_socket_send(service, child, big, sizeof(big)), child->sndbuf);
    tn_core_socket_acked(stream, child, 1000);
    step();
    assert_int_equal(mock.service.writable, 0);
    tn_core_socket_acked(stream, child, child->sndbuf / 2);
    step();
    assert_int_equal(mock.service.writable, 1);
    tn_core_socket_acked(stream, child, 1000);
    step();
    assert_int_equal(mock.service.writable, 1);
    tn_core_socket_close(service, child);
    unlisten(MOCK_STREAM, 7);
}

/* Both sides have finished and all is acknowledged. */
static void service_is_told_of_an_orderly_end(void **state)
{
    struct tn_socket *child = mock_ready_child(&mock, service_listener(MOCK_STREAM, 7), 1001);
    struct tn_self *service = &mock.service.slot.self;
    step();
    assert_int_equal(tn_core_socket_send(service, child, "bye", 3), 3);
    assert_int_equal(tn_core_socket_shutdown(service, child, SHUT_WR), 0);
    tn_core_socket_eof(stream, child);
    step();
    assert_string_equal(mock.service.calls, "AR");
    tn_core_socket_acked(stream, child, 3);
    step();
    assert_string_equal(mock.service.calls, "ARC");
    assert_int_equal(mock.service.error, 0);
    unlisten(MOCK_STREAM, 7);
}

static void close_now(struct tn_self *self, struct tn_socket *sock)
{
    self->core->socket_close(self, sock);
    assert_true(sock->flags & TN_SOCK_FREED); /* the record is still there */
}

static void service_may_close_while_accepting_and_reading(void **state)
{
    struct tn_socket *listener = service_listener(MOCK_STREAM, 7);
    mock.service.on_accepted = close_now;
    for (uint16_t i = 0; i < 5; i++) {
        struct tn_socket *early = mock_ready_child(&mock, listener, (uint16_t)(1001 + i));
        if (i % 2)
            mock_deliver(&mock, early, "x", 1);
    }
    step();
    assert_string_equal(mock.service.calls, "AAAAA");
    mock.service.on_accepted = NULL;
    mock.service.on_readable = close_now;
    struct tn_socket *child = mock_ready_child(&mock, listener, 2000);
    mock_deliver(&mock, child, "x", 1);
    tn_core_socket_fail(stream, child, ECONNRESET);
    step();
    assert_string_equal(mock.service.calls, "AAAAAAR");
    assert_int_equal(tn_sockets_count(stack), 1);
    unlisten(MOCK_STREAM, 7);
}

static void connections_outlive_their_listener(void **state)
{
    struct tn_socket *child = mock_ready_child(&mock, service_listener(MOCK_STREAM, 7), 1001);
    step();
    unlisten(MOCK_STREAM, 7);
    mock_deliver(&mock, child, "x", 1);
    step();
    assert_string_equal(mock.service.calls, "AR");
    /* The service can listen there again, though the connection is still there. */
    assert_non_null(service_listener(MOCK_STREAM, 7));
    tn_sockets_close_owner(stack, &mock.service.slot);
    assert_int_equal(mock.stream.aborts, 2);
    step();
    assert_int_equal(tn_sockets_count(stack), 0);
    assert_string_equal(mock.service.calls, "AR");
}

static void disabled_service_leaves_nothing(void **state)
{
    struct tn_socket *listener = service_listener(MOCK_STREAM, 7);
    assert_non_null(service_listener(MOCK_DATAGRAM, 7));
    mock_child(&mock, listener, 1001);
    mock_ready_child(&mock, listener, 1002);
    step();
    mock_ready_child(&mock, listener, 1003); /* the service has not been told yet, and never will be */
    tn_sockets_close_owner(stack, &mock.service.slot);
    step();
    assert_int_equal(mock.service.accepted, 1);
    assert_int_equal(tn_sockets_count(stack), 0);
}

static void removed_transport_is_told_to_the_service(void **state)
{
    struct tn_socket *listener = service_listener(MOCK_STREAM, 7);
    mock_ready_child(&mock, listener, 1001);
    step();
    tn_sockets_close_transport(stack, &mock.stream.slot);
    step();
    assert_string_equal(mock.service.calls, "AC");
    assert_int_equal(mock.service.error, ENETDOWN);
    assert_int_equal(tn_sockets_count(stack), 0);
}

static void two_services_cannot_have_one_port(void **state)
{
    struct tn_plan_listen listen = {.protocol = MOCK_STREAM, .port = 7};
    int fd = open_stream();
    bind_to(fd, "0.0.0.0", 7);
    tn_listen(stack, fd, 1);
    assert_int_equal(tn_service_listen(stack, &mock.service.slot, &listen), -EADDRINUSE);
    listen.protocol = 99;
    assert_int_equal(tn_service_listen(stack, &mock.service.slot, &listen), -EPROTONOSUPPORT);
    assert_int_equal(tn_sockets_count(stack), 1);
    tn_close(stack, fd);
}

/* RFC 1122 §4.1.3.5: the answer comes from the address that was asked; not from one of many. */
static void reply_comes_from_the_address_that_was_asked(void **state)
{
    struct tn_self *service = &mock.service.slot.self;
    struct tn_socket *sock = service_listener(MOCK_DATAGRAM, 7);
    struct tn_packet *question = mock_packet(&mock, "?", 1);
    question->dst.bytes[3] = 2;
    assert_int_equal(tn_core_socket_reply(service, sock, question, mock_packet(&mock, "!", 1)), 0);
    assert_int_equal(mock.datagram.src.bytes[3], 2);
    assert_int_equal(mock.datagram.dst.bytes[3], 9);
    assert_int_equal(mock.datagram.src_port, 7);
    assert_int_equal(mock.datagram.dst_port, 999);
    question->dst.bytes[3] = 255;
    question->flags = TN_PKT_BROADCAST;
    assert_int_equal(tn_core_socket_reply(service, sock, question, question),
                     0); /* the packet itself will do */
    assert_int_equal(mock.datagram.src.bytes[3], 1);
    assert_memory_equal(mock.datagram.data, "?", 1);
    unlisten(MOCK_DATAGRAM, 7);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(unknown_descriptor_is_ebadf),
        TEST(socket_refuses_what_is_not_there),
        TEST(null_pointers_are_efault),
        TEST(bad_addresses_are_refused),
        TEST(stream_operations_on_datagrams_are_eopnotsupp),
        TEST(unconnected_stream_refuses),
        TEST(unknown_flags_are_eopnotsupp),
        TEST(lowest_free_descriptor_is_taken),
        TEST(socket_limit_is_enfile_and_counted),
        TEST(port_in_use_is_eaddrinuse),
        TEST(bind_to_port_0_takes_an_ephemeral_port),
        TEST(listen_without_bind_takes_an_ephemeral_port),
        TEST(second_listener_is_eaddrinuse),
        TEST(connect_chooses_source_and_port),
        TEST(bound_address_is_the_source),
        TEST(streams_refuse_addresses_of_many_and_none),
        TEST(same_four_tuple_is_eaddrnotavail),
        TEST(refused_connect_is_told_by_so_error_once),
        TEST(refusing_transport_leaves_the_socket_as_it_was),
        TEST(soft_error_explains_a_timeout),
        TEST(small_writes_share_a_buffer),
        TEST(appending_leaves_clones_on_their_way_alone),
        TEST(full_queue_takes_a_part_and_then_nothing),
        TEST(acked_frees_parts_of_packets),
        TEST(given_packets_are_not_copied),
        TEST(small_given_packets_are_copied_behind_the_last),
        TEST(shared_packets_are_not_appended_to),
        TEST(give_to_a_full_queue_is_not_consumed),
        TEST(send_after_shutdown_is_epipe),
        TEST(bytes_come_in_order_in_whatever_portions),
        TEST(tiny_segments_share_buffers),
        TEST(end_of_data_comes_after_the_data),
        TEST(reset_is_told_after_the_data_and_once),
        TEST(shutdown_for_reading_ends_data),
        TEST(connections_are_accepted_in_order),
        TEST(what_came_before_accept_is_there),
        TEST(backlog_counts_handshakes_and_is_limited),
        TEST(closing_a_listener_resets_who_waits),
        TEST(connection_reset_while_waiting_is_accepted_and_fails),
        TEST(connection_that_fails_in_its_handshake_goes),
        TEST(child_inherits_options),
        TEST(lookup_prefers_connection_then_address_then_any),
        TEST(closed_socket_lives_until_its_transport_is_done),
        TEST(transport_may_let_go_first),
        TEST(linger_0_aborts),
        TEST(removed_transport_is_enetdown),
        TEST(datagram_goes_where_it_is_sent),
        TEST(path_to_the_last_destination_is_remembered),
        TEST(broadcast_needs_so_broadcast),
        TEST(multicast_stays_on_the_link_unless_told),
        TEST(too_long_a_datagram_is_emsgsize),
        TEST(connected_datagram_socket_takes_from_its_peer_alone),
        TEST(datagrams_keep_their_edges),
        TEST(receive_limit_counts_memory),
        TEST(error_of_a_connected_datagram_socket_is_told_once),
        TEST(options_are_kept),
        TEST(names_are_cut_at_their_room),
        TEST(poll_tells_of_bad_and_ignored_descriptors),
        TEST(callback_tells_what_is_new),
        TEST(callback_may_close_anything),
        TEST(callbacks_that_cause_callbacks_do_not_hold_the_batch),
        TEST(service_is_told_of_connection_data_and_end),
        TEST(service_is_told_when_there_is_room_again),
        TEST(service_is_told_of_an_orderly_end),
        TEST(service_may_close_while_accepting_and_reading),
        TEST(connections_outlive_their_listener),
        TEST(disabled_service_leaves_nothing),
        TEST(removed_transport_is_told_to_the_service),
        TEST(two_services_cannot_have_one_port),
        TEST(reply_comes_from_the_address_that_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
