/* Streams between users and a transport whose every step is the test's: queues, listeners, ends. */
#include "words.h"

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

/* conformance: 9293 MUST-12 */
/* What came before the reset can be read; then the error, once. */
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
    mock_child(&mock, mock_socket(&mock, fd), 1001);
    mock_child(&mock, mock_socket(&mock, fd), 1003);
    assert_int_equal(ready(fd), POLLIN);
    int one = tn_accept(stack, fd, (struct sockaddr *)&sa, &len);
    assert_int_equal(ntohs(sa.sin_port), 1001);
    assert_int_equal(sa.sin_addr.s_addr, inet_addr("10.0.0.9"));
    int two = tn_accept(stack, fd, (struct sockaddr *)&sa, &len);
    assert_int_equal(ntohs(sa.sin_port), 1003);
    assert_int_equal(tn_accept(stack, fd, NULL, NULL), -EAGAIN);
    mock_child(&mock, mock_socket(&mock, fd), 1002);
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
    struct tn_socket *child = mock_child(&mock, mock_socket(&mock, fd), 1001);
    mock_deliver(&mock, child, "early", 5);
    tn_core_socket_eof(stream, child);
    int conn = tn_accept(stack, fd, NULL, NULL);
    assert_int_equal(ready(conn), POLLIN | POLLOUT);
    expect_received(conn, "early");
    tn_close(stack, conn);
    tn_close(stack, fd);
}

static void accept_queue_is_limited(void **state)
{
    int fd = listener_on(80, 2); /* one more (listen(2)) */
    struct tn_socket *listener = mock_socket(&mock, fd);
    struct tn_socket *first = mock_child(&mock, listener, 1001);
    assert_non_null(mock_child(&mock, listener, 1002));
    assert_non_null(mock_child(&mock, listener, 1003));
    assert_null(mock_child(&mock, listener, 1004));
    assert_int_equal(tn_stack_counter(stack, "core", "backlog-limit"), 1);
    tn_core_socket_free(stream, first); /* it was reset while it waited */
    assert_non_null(mock_child(&mock, listener, 1004));
    assert_null(mock_child(&mock, listener, 1005));
    tn_close(stack, fd);
}

static void closing_a_listener_resets_who_waits(void **state)
{
    int fd = listener_on(80, 10);
    struct tn_socket *listener = mock_socket(&mock, fd);
    mock_child(&mock, listener, 1001);
    mock_child(&mock, listener, 1002);
    mock_child(&mock, listener, 1003);
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
    struct tn_socket *child = mock_child(&mock, mock_socket(&mock, fd), 1001);
    tn_core_socket_fail(stream, child, ECONNRESET);
    int conn = tn_accept(stack, fd, NULL, NULL);
    assert_true(conn >= 0);
    assert_int_equal(tn_recv(stack, conn, &c, 1, 0), -ECONNRESET);
    tn_close(stack, conn);
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
    mock_child(&mock, mock_socket(&mock, fd), 1001);
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
    struct tn_socket *waiting = mock_child(&mock, mock_socket(&mock, listener), 1001);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORDS_TEST(small_writes_share_a_buffer),
        WORDS_TEST(appending_leaves_clones_on_their_way_alone),
        WORDS_TEST(full_queue_takes_a_part_and_then_nothing),
        WORDS_TEST(acked_frees_parts_of_packets),
        WORDS_TEST(given_packets_are_not_copied),
        WORDS_TEST(small_given_packets_are_copied_behind_the_last),
        WORDS_TEST(shared_packets_are_not_appended_to),
        WORDS_TEST(give_to_a_full_queue_is_not_consumed),
        WORDS_TEST(send_after_shutdown_is_epipe),
        WORDS_TEST(bytes_come_in_order_in_whatever_portions),
        WORDS_TEST(tiny_segments_share_buffers),
        WORDS_TEST(end_of_data_comes_after_the_data),
        WORDS_TEST(reset_is_told_after_the_data_and_once),
        WORDS_TEST(shutdown_for_reading_ends_data),
        WORDS_TEST(connections_are_accepted_in_order),
        WORDS_TEST(what_came_before_accept_is_there),
        WORDS_TEST(accept_queue_is_limited),
        WORDS_TEST(closing_a_listener_resets_who_waits),
        WORDS_TEST(connection_reset_while_waiting_is_accepted_and_fails),
        WORDS_TEST(child_inherits_options),
        WORDS_TEST(lookup_prefers_connection_then_address_then_any),
        WORDS_TEST(closed_socket_lives_until_its_transport_is_done),
        WORDS_TEST(transport_may_let_go_first),
        WORDS_TEST(linger_0_aborts),
        WORDS_TEST(removed_transport_is_enetdown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
