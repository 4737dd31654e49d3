/* Sockets as a program sees them: wrong calls, descriptors, ports, connecting, options, callbacks. */
#include "words.h"

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

/* conformance: 9293 MUST-46 */
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

/* ---- Other families ---- */

static struct sockaddr_in6 addr6(uint16_t port)
{
    return (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
}

/* Nothing here knows more of a family than the form of its addresses: a network plugin is all that is missing. */
static void family_with_a_network_protocol_has_sockets(void **state)
{
    static const struct tn_network_ops network = {.address_size = 16, .header_size = 40, .default_ttl = 33};
    static const struct tn_plugin plugin = {TN_PLUGIN_HEADER, .name = "mock6", .network = &network};
    struct tn_slot slot = {.self = {.plugin = &plugin}};
    stack->dispatch.family[AF_INET6].slot = &slot;
    struct sockaddr_in6 sa = addr6(5000);
    socklen_t len = sizeof(sa);
    int fd = tn_socket(stack, AF_INET6, SOCK_DGRAM, 0), other = open_datagram(), v = 0;
    assert_int_equal(bind_to(fd, "0.0.0.0", 5000), -EINVAL);
    assert_int_equal(tn_bind(stack, fd, (struct sockaddr *)&sa, 20), -EINVAL);
    assert_int_equal(tn_bind(stack, fd, (struct sockaddr *)&sa, 24), 0); /* the form without a scope */
    assert_int_equal(bind_to(other, "0.0.0.0", 5000), 0);                /* its ports are its own */
    memset(&sa, 0xee, sizeof(sa));
    assert_int_equal(tn_getsockname(stack, fd, (struct sockaddr *)&sa, &len), 0);
    assert_int_equal(len, sizeof(sa));
    assert_int_equal(sa.sin6_family, AF_INET6);
    assert_int_equal(ntohs(sa.sin6_port), 5000);
    assert_true(IN6_IS_ADDR_UNSPECIFIED(&sa.sin6_addr));
    len = sizeof(v);
    assert_int_equal(tn_getsockopt(stack, fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &v, &len), 0);
    assert_int_equal(v, 33);
    assert_int_equal(tn_getsockopt(stack, fd, IPPROTO_IP, IP_TTL, &v, &len), -EOPNOTSUPP);
    assert_int_equal(option(fd, SO_DOMAIN), AF_INET6);
    tn_close(stack, fd);
    tn_close(stack, other);
    stack->dispatch.family[AF_INET6].slot = NULL;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORDS_TEST(unknown_descriptor_is_ebadf),
        WORDS_TEST(socket_refuses_what_is_not_there),
        WORDS_TEST(null_pointers_are_efault),
        WORDS_TEST(bad_addresses_are_refused),
        WORDS_TEST(stream_operations_on_datagrams_are_eopnotsupp),
        WORDS_TEST(unconnected_stream_refuses),
        WORDS_TEST(unknown_flags_are_eopnotsupp),
        WORDS_TEST(lowest_free_descriptor_is_taken),
        WORDS_TEST(socket_limit_is_enfile_and_counted),
        WORDS_TEST(port_in_use_is_eaddrinuse),
        WORDS_TEST(bind_to_port_0_takes_an_ephemeral_port),
        WORDS_TEST(listen_without_bind_takes_an_ephemeral_port),
        WORDS_TEST(second_listener_is_eaddrinuse),
        WORDS_TEST(connect_chooses_source_and_port),
        WORDS_TEST(bound_address_is_the_source),
        WORDS_TEST(streams_refuse_addresses_of_many_and_none),
        WORDS_TEST(same_four_tuple_is_eaddrnotavail),
        WORDS_TEST(refused_connect_is_told_by_so_error_once),
        WORDS_TEST(refusing_transport_leaves_the_socket_as_it_was),
        WORDS_TEST(soft_error_explains_a_timeout),
        WORDS_TEST(options_are_kept),
        WORDS_TEST(names_are_cut_at_their_room),
        WORDS_TEST(poll_tells_of_bad_and_ignored_descriptors),
        WORDS_TEST(family_with_a_network_protocol_has_sockets),
        WORDS_TEST(callback_tells_what_is_new),
        WORDS_TEST(callback_may_close_anything),
        WORDS_TEST(callbacks_that_cause_callbacks_do_not_hold_the_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
