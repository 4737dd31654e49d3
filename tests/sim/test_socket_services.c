/* What a service is told, when, and what becomes of its sockets. */
#include "words.h"

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
    struct tn_socket *child = mock_child(&mock, service_listener(MOCK_STREAM, 7), 1001);
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
    struct tn_socket *child = mock_child(&mock, service_listener(MOCK_STREAM, 7), 1001);
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
        struct tn_socket *early = mock_child(&mock, listener, (uint16_t)(1001 + i));
        if (i % 2)
            mock_deliver(&mock, early, "x", 1);
    }
    step();
    assert_string_equal(mock.service.calls, "AAAAA");
    mock.service.on_accepted = NULL;
    mock.service.on_readable = close_now;
    struct tn_socket *child = mock_child(&mock, listener, 2000);
    mock_deliver(&mock, child, "x", 1);
    tn_core_socket_fail(stream, child, ECONNRESET);
    step();
    assert_string_equal(mock.service.calls, "AAAAAAR");
    assert_int_equal(tn_sockets_count(stack), 1);
    unlisten(MOCK_STREAM, 7);
}

static void connections_outlive_their_listener(void **state)
{
    struct tn_socket *child = mock_child(&mock, service_listener(MOCK_STREAM, 7), 1001);
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
    mock_child(&mock, listener, 1002);
    step();
    mock_child(&mock, listener, 1003); /* the service has not been told yet, and never will be */
    tn_sockets_close_owner(stack, &mock.service.slot);
    step();
    assert_int_equal(mock.service.accepted, 2);
    assert_int_equal(tn_sockets_count(stack), 0);
}

static void removed_transport_is_told_to_the_service(void **state)
{
    struct tn_socket *listener = service_listener(MOCK_STREAM, 7);
    mock_child(&mock, listener, 1001);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORDS_TEST(service_is_told_of_connection_data_and_end),
        WORDS_TEST(service_is_told_when_there_is_room_again),
        WORDS_TEST(service_is_told_of_an_orderly_end),
        WORDS_TEST(service_may_close_while_accepting_and_reading),
        WORDS_TEST(connections_outlive_their_listener),
        WORDS_TEST(disabled_service_leaves_nothing),
        WORDS_TEST(removed_transport_is_told_to_the_service),
        WORDS_TEST(two_services_cannot_have_one_port),
        WORDS_TEST(reply_comes_from_the_address_that_was_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
