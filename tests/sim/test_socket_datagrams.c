/* Datagrams between users and a transport whose every step is the test's. */
#include "words.h"

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
    assert_int_equal(tn_setsockopt(stack, fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)), 0);
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
    assert_in_range(taken, 70, 200); /* 512 or 2048 bytes of buffer and a packet record each */
    assert_in_range(sock->rx_memory, 100000, 103000);
    expect_received(fd, "x");
    for (taken = 0; mock_deliver(&mock, sock, "x", 1);)
        taken++;
    assert_in_range(taken, 1, 5);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORDS_TEST(datagram_goes_where_it_is_sent),
        WORDS_TEST(path_to_the_last_destination_is_remembered),
        WORDS_TEST(broadcast_needs_so_broadcast),
        WORDS_TEST(multicast_stays_on_the_link_unless_told),
        WORDS_TEST(too_long_a_datagram_is_emsgsize),
        WORDS_TEST(connected_datagram_socket_takes_from_its_peer_alone),
        WORDS_TEST(datagrams_keep_their_edges),
        WORDS_TEST(receive_limit_counts_memory),
        WORDS_TEST(error_of_a_connected_datagram_socket_is_told_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
