/* sendmsg, recvmsg, ioctl, time-outs: messages in pieces, and what is told with them. */
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "words.h"

/* ---- Wrong calls ---- */

static void wrong_messages_are_refused(void **state)
{
    int fd = open_datagram(), stranger = 99;
    char byte;
    struct sockaddr_in to = mock_addr("10.0.0.9", 53);
    struct iovec good = {&byte, 1}, null = {NULL, 1}, huge[] = {{&byte, SIZE_MAX / 2}, {&byte, 2}};
    struct iovec none = {NULL, 0};
    const struct {
        struct msghdr msg;
        int flags, error;
    } sends[] = {
        {{.msg_iov = &null, .msg_iovlen = 1, .msg_name = &to, .msg_namelen = sizeof(to)}, 0, -EFAULT},
        {{.msg_iov = NULL, .msg_iovlen = 1, .msg_name = &to, .msg_namelen = sizeof(to)}, 0, -EFAULT},
        {{.msg_iov = huge, .msg_iovlen = 2, .msg_name = &to, .msg_namelen = sizeof(to)}, 0, -EINVAL},
        {{.msg_iov = &good, .msg_iovlen = 1025, .msg_name = &to, .msg_namelen = sizeof(to)}, 0, -EMSGSIZE},
        {{.msg_iov = &good, .msg_iovlen = 1, .msg_name = &to, .msg_namelen = 3}, 0, -EINVAL},
        {{.msg_iov = &good, .msg_iovlen = 1}, 0, -EDESTADDRREQ},
        {{.msg_iov = &good, .msg_iovlen = 1, .msg_name = &to, .msg_namelen = sizeof(to)},
         MSG_ERRQUEUE,
         -EOPNOTSUPP},
        {{.msg_iov = &good,
          .msg_iovlen = 1,
          .msg_name = &to,
          .msg_namelen = sizeof(to),
          .msg_controllen = sizeof(struct cmsghdr)},
         0,
         -EFAULT},
        {{.msg_iov = &none, .msg_iovlen = 1, .msg_name = &to, .msg_namelen = sizeof(to)}, 0, 0},
    };
    for (size_t i = 0; i < TN_ARRAY_SIZE(sends); i++)
        assert_int_equal(tn_sendmsg(stack, fd, &sends[i].msg, sends[i].flags), sends[i].error);
    struct msghdr msg = {.msg_iov = &good, .msg_iovlen = 1};
    assert_int_equal(tn_sendmsg(stack, stranger, &msg, 0), -EBADF);
    assert_int_equal(tn_sendmsg(stack, fd, NULL, 0), -EFAULT);
    assert_int_equal(tn_recvmsg(stack, stranger, &msg, 0), -EBADF);
    assert_int_equal(tn_recvmsg(stack, fd, NULL, 0), -EFAULT);
    assert_int_equal(tn_recvmsg(stack, fd, &msg, MSG_ERRQUEUE), -EOPNOTSUPP);
    msg.msg_iov = &null;
    assert_int_equal(tn_recvmsg(stack, fd, &msg, 0), -EFAULT);
    tn_close(stack, fd);
}

static void wrong_ancillary_data_is_refused(void **state)
{
    int fd = open_datagram();
    struct sockaddr_in to = mock_addr("10.0.0.9", 53);
    char byte = 'x';
    struct iovec piece = {&byte, 1};
    const struct {
        int level, type, value;
        size_t len, size; /* of the data; what cmsg_len says */
        int error;
    } rows[] = {
        {IPPROTO_IP, IP_TTL, 0, 4, CMSG_LEN(4), -EINVAL},
        {IPPROTO_IP, IP_TTL, 256, 4, CMSG_LEN(4), -EINVAL},
        {IPPROTO_IP, IP_TTL, 7, 4, CMSG_LEN(4) - 1, -EINVAL},
        {IPPROTO_IP, IP_TTL, 7, 4, CMSG_LEN(4) + 100, -EINVAL},
        {IPPROTO_IP, IP_TTL, 7, 4, 1, -EINVAL},
        {IPPROTO_IP, IP_TOS, -1, 4, CMSG_LEN(4), -EINVAL},
        {IPPROTO_IP, IP_PKTINFO, 1, 4, CMSG_LEN(4), -EINVAL},
        {IPPROTO_IP, IP_MTU, 1, 4, CMSG_LEN(4), -EINVAL},
        {SOL_SOCKET, SCM_RIGHTS, 1, 4, CMSG_LEN(4), -EINVAL},
        {IPPROTO_IPV6, IPV6_HOPLIMIT, 1, 4, CMSG_LEN(4), 1}, /* another protocol's is passed over */
        {IPPROTO_IP, IP_TTL, 7, 4, CMSG_LEN(4), 1},
    };
    for (size_t i = 0; i < TN_ARRAY_SIZE(rows); i++) {
        union {
            struct cmsghdr header;
            char bytes[CMSG_SPACE(sizeof(int))];
        } control = {
            .header = {.cmsg_level = rows[i].level, .cmsg_type = rows[i].type, .cmsg_len = rows[i].size}};
        memcpy(CMSG_DATA(&control.header), &rows[i].value, sizeof(int));
        struct msghdr msg = {.msg_iov = &piece,
                             .msg_iovlen = 1,
                             .msg_name = &to,
                             .msg_namelen = sizeof(to),
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
        assert_int_equal(tn_sendmsg(stack, fd, &msg, 0), rows[i].error);
    }
    assert_int_equal(mock.datagram.ttl, 7);
    tn_close(stack, fd);
}

/* ---- Pieces ---- */

static void datagram_is_gathered_from_pieces(void **state)
{
    int fd = open_datagram();
    struct sockaddr_in to = mock_addr("10.0.0.9", 53);
    char a[] = "ab", b[] = "cde", c[] = "f";
    struct iovec pieces[] = {{a, 2}, {NULL, 0}, {b, 3}, {c, 1}};
    struct msghdr msg = {.msg_iov = pieces, .msg_iovlen = 4, .msg_name = &to, .msg_namelen = sizeof(to)};
    assert_int_equal(tn_sendmsg(stack, fd, &msg, 0), 6);
    assert_int_equal(mock.datagram.sends, 1);
    assert_int_equal(mock.datagram.len, 6);
    assert_memory_equal(mock.datagram.data, "abcdef", 6);
    tn_close(stack, fd);
}

static void datagram_is_scattered_to_pieces(void **state)
{
    int fd = open_datagram();
    char a[2], b[3], c[9] = "", name[64];
    struct iovec pieces[] = {{a, 2}, {NULL, 0}, {b, 3}, {c, 9}};
    struct msghdr msg = {.msg_iov = pieces, .msg_iovlen = 4, .msg_name = name, .msg_namelen = sizeof(name)};
    bind_to(fd, "10.0.0.1", 1000);
    mock_deliver(&mock, mock_socket(&mock, fd), "abcdefg", 7);
    assert_int_equal(tn_recvmsg(stack, fd, &msg, 0), 7);
    assert_memory_equal(a, "ab", 2);
    assert_memory_equal(b, "cde", 3);
    assert_string_equal(c, "fg");
    assert_int_equal(msg.msg_flags, 0);
    assert_int_equal(msg.msg_namelen, sizeof(struct sockaddr_in));
    tn_close(stack, fd);
}

static void datagram_that_is_cut_says_so(void **state)
{
    int fd = open_datagram();
    char a[4];
    struct iovec piece = {a, 4};
    struct msghdr msg = {.msg_iov = &piece, .msg_iovlen = 1};
    bind_to(fd, "10.0.0.1", 1000);
    mock_deliver(&mock, mock_socket(&mock, fd), "abcdefg", 7);
    assert_int_equal(tn_recvmsg(stack, fd, &msg, MSG_PEEK | MSG_TRUNC), 7);
    assert_int_equal(msg.msg_flags, MSG_TRUNC);
    assert_int_equal(tn_recvmsg(stack, fd, &msg, 0), 4);
    assert_int_equal(msg.msg_flags, MSG_TRUNC);
    assert_int_equal(tn_recvmsg(stack, fd, &msg, 0), -EAGAIN); /* the rest is gone */
    tn_close(stack, fd);
}

static void stream_is_gathered_and_scattered(void **state)
{
    int fd = mock_connected(&mock);
    char a[2], b[9] = "", first[] = "ab", second[] = "cde";
    struct iovec out[] = {{first, 2}, {second, 3}}, in[] = {{a, 2}, {b, 8}};
    struct msghdr msg = {.msg_iov = out, .msg_iovlen = 2};
    assert_int_equal(tn_sendmsg(stack, fd, &msg, MSG_NOSIGNAL), 5);
    assert_int_equal(mock_socket(&mock, fd)->tx.bytes, 5);
    assert_int_equal(mock.stream.sends, 1); /* the transport is told once */
    mock_deliver(&mock, mock_socket(&mock, fd), "vw", 2);
    mock_deliver(&mock, mock_socket(&mock, fd), "xyz", 3);
    msg = (struct msghdr){.msg_iov = in, .msg_iovlen = 2, .msg_name = a, .msg_namelen = 2};
    assert_int_equal(tn_recvmsg(stack, fd, &msg, 0), 5);
    assert_memory_equal(a, "vw", 2);
    assert_string_equal(b, "xyz");
    assert_int_equal(msg.msg_namelen, 0);
    tn_close(stack, fd);
}

static void stream_takes_what_there_is_room_for(void **state)
{
    int fd = mock_connected(&mock);
    static char bytes[4000];
    struct iovec out[] = {{bytes, 1500}, {bytes, 4000}};
    struct msghdr msg = {.msg_iov = out, .msg_iovlen = 2};
    set_option(fd, SO_SNDBUF, 4096);
    assert_int_equal(tn_sendmsg(stack, fd, &msg, 0), 4096);
    assert_int_equal(tn_sendmsg(stack, fd, &msg, 0), -EAGAIN);
    tn_close(stack, fd);
}

static void receive_of_nothing_is_nothing(void **state)
{
    int fd = mock_connected(&mock);
    assert_int_equal(tn_recv(stack, fd, NULL, 0, 0), 0);
    tn_close(stack, fd);
}

/* ---- What is told with a datagram ---- */

static const struct cmsghdr *find(const struct msghdr *msg, int type)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)msg, c))
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == type)
            return c;
    return NULL;
}

/* A datagram to 10.0.0.1, with time to live 9 and type of service 0xb8. */
static void deliver_marked(int fd)
{
    struct tn_packet *packet = mock_packet(&mock, "hi", 2);
    const uint8_t here[] = {10, 0, 0, 1};
    packet->dst = tn_addr_from(here, 4);
    packet->ifindex = 1;
    packet->ttl = 9;
    packet->tos = 0xb8;
    assert_true(tn_core_socket_deliver(&mock.datagram.slot.self, mock_socket(&mock, fd), packet));
}

static int told_socket(void)
{
    int fd = open_datagram(), on = 1;
    bind_to(fd, "0.0.0.0", 1000);
    assert_int_equal(tn_setsockopt(stack, fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)), 0);
    assert_int_equal(tn_setsockopt(stack, fd, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on)), 0);
    assert_int_equal(tn_setsockopt(stack, fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)), 0);
    return fd;
}

static void ancillary_data_tells_where_a_datagram_was_sent(void **state)
{
    int fd = told_socket(), ttl;
    char bytes[8], room[200];
    struct iovec piece = {bytes, 8};
    struct msghdr msg = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
    deliver_marked(fd);
    assert_int_equal(tn_recvmsg(stack, fd, &msg, 0), 2);
    assert_int_equal(msg.msg_flags, 0);
    struct in_pktinfo info;
    memcpy(&info, CMSG_DATA(find(&msg, IP_PKTINFO)), sizeof(info));
    assert_int_equal(info.ipi_ifindex, 1);
    assert_int_equal(ntohl(info.ipi_addr.s_addr), 0x0a000001);
    memcpy(&ttl, CMSG_DATA(find(&msg, IP_TTL)), sizeof(ttl));
    assert_int_equal(ttl, 9);
    assert_int_equal(*CMSG_DATA(find(&msg, IP_TOS)), 0xb8);
    tn_close(stack, fd);
}

static void ancillary_data_that_does_not_fit_is_cut(void **state)
{
    int fd = told_socket();
    char bytes[8];
    _Alignas(struct cmsghdr) char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct iovec piece = {bytes, 8};
    for (size_t size = 0; size <= sizeof(room); size++) {
        struct msghdr msg = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = room, .msg_controllen = size};
        deliver_marked(fd);
        assert_int_equal(tn_recvmsg(stack, fd, &msg, 0), 2);
        assert_int_equal(msg.msg_flags, MSG_CTRUNC);
        assert_true(msg.msg_controllen <= size);
    }
    tn_close(stack, fd);
}

static void nothing_is_told_that_was_not_asked_for(void **state)
{
    int fd = open_datagram();
    char bytes[8], room[200];
    struct iovec piece = {bytes, 8};
    struct msghdr msg = {
        .msg_iov = &piece, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
    bind_to(fd, "0.0.0.0", 1000);
    deliver_marked(fd);
    assert_int_equal(tn_recvmsg(stack, fd, &msg, 0), 2);
    assert_int_equal(msg.msg_controllen, 0);
    assert_int_equal(msg.msg_flags, 0);
    tn_close(stack, fd);
}

static ssize_t send_from(int fd, const char *src, int ifindex)
{
    struct sockaddr_in to = mock_addr("10.0.0.9", 53), from = mock_addr(src, 0);
    struct in_pktinfo info = {.ipi_spec_dst = from.sin_addr, .ipi_ifindex = ifindex};
    char byte = 'x';
    struct iovec piece = {&byte, 1};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(info))];
    } control = {
        .header = {.cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof(info))}};
    memcpy(CMSG_DATA(&control.header), &info, sizeof(info));
    struct msghdr msg = {.msg_iov = &piece,
                         .msg_iovlen = 1,
                         .msg_name = &to,
                         .msg_namelen = sizeof(to),
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    return tn_sendmsg(stack, fd, &msg, 0);
}

static void pktinfo_chooses_the_source(void **state)
{
    int fd = open_datagram();
    assert_int_equal(send_from(fd, "10.0.0.2", 0), 1);
    assert_int_equal(mock.datagram.src.bytes[3], 2);
    assert_int_equal(send_from(fd, "0.0.0.0", 1), 1);
    assert_int_equal(mock.datagram.src.bytes[3], 1);
    assert_int_equal(send_from(fd, "10.0.0.77", 0), -EINVAL);
    assert_int_equal(send_from(fd, "10.0.0.2", 77), -ENODEV);
    assert_int_equal(send_from(fd, "10.0.0.2", -1), -ENODEV);
    tn_close(stack, fd);
}

/* ---- ioctl and time-outs ---- */

static void ioctl_tells_queues(void **state)
{
    int fd = open_datagram(), stream_fd = mock_connected(&mock), n = -1, listener = listener_on(80, 5);
    bind_to(fd, "10.0.0.1", 1000);
    assert_int_equal(tn_ioctl(stack, fd, FIONREAD, &n), 0);
    assert_int_equal(n, 0);
    mock_deliver(&mock, mock_socket(&mock, fd), "abc", 3);
    mock_deliver(&mock, mock_socket(&mock, fd), "defgh", 5);
    assert_int_equal(tn_ioctl(stack, fd, FIONREAD, &n), 0);
    assert_int_equal(n, 3); /* the next datagram's */
    mock_deliver(&mock, mock_socket(&mock, stream_fd), "abc", 3);
    mock_deliver(&mock, mock_socket(&mock, stream_fd), "defgh", 5);
    tn_send(stack, stream_fd, "12", 2, 0);
    assert_int_equal(tn_ioctl(stack, stream_fd, FIONREAD, &n), 0);
    assert_int_equal(n, 8);
    assert_int_equal(tn_ioctl(stack, stream_fd, SIOCOUTQ, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(tn_ioctl(stack, listener, FIONREAD, &n), -EINVAL);
    assert_int_equal(tn_ioctl(stack, fd, FIONREAD, NULL), -EFAULT);
    assert_int_equal(tn_ioctl(stack, fd, FIOASYNC, &n), -ENOTTY);
    assert_int_equal(tn_ioctl(stack, 77, FIONREAD, &n), -EBADF);
    tn_close(stack, fd);
    tn_close(stack, stream_fd);
    tn_close(stack, listener);
}

static void timeouts_are_kept(void **state)
{
    int fd = open_datagram();
    struct timeval t = {.tv_sec = 1, .tv_usec = 500500}, got = {.tv_sec = -1};
    socklen_t len = sizeof(got);
    assert_int_equal(tn_setsockopt(stack, fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)), 0);
    assert_int_equal(tn_getsockopt(stack, fd, SOL_SOCKET, SO_RCVTIMEO, &got, &len), 0);
    assert_int_equal(got.tv_sec, 1);
    assert_int_equal(got.tv_usec, 501000); /* in milliseconds, rounded up */
    assert_int_equal(tn_getsockopt(stack, fd, SOL_SOCKET, SO_SNDTIMEO, &got, &len), 0);
    assert_int_equal(got.tv_sec + got.tv_usec, 0);
    assert_int_equal(tn_setsockopt(stack, fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t) - 1), -EINVAL);
    t.tv_usec = 1000000;
    assert_int_equal(tn_setsockopt(stack, fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t)), -EDOM);
    tn_close(stack, fd);
}

/* Here nobody but the caller lets time pass. */
static void virtual_clock_lets_nothing_wait(void **state)
{
    int fd = open_datagram(), off = 0, on = 1;
    struct tn_pollfd p = {.fd = fd, .events = POLLIN};
    assert_int_equal(tn_set_blocking(stack, fd, true), -EOPNOTSUPP);
    assert_int_equal(tn_ioctl(stack, fd, FIONBIO, &off), -EOPNOTSUPP);
    assert_int_equal(tn_set_blocking(stack, fd, false), 0);
    assert_int_equal(tn_ioctl(stack, fd, FIONBIO, &on), 0);
    assert_int_equal(tn_set_blocking(stack, 77, true), -EBADF);
    assert_int_equal(tn_stack_wait(stack, TN_NEVER), -EOPNOTSUPP);
    assert_int_equal(tn_poll_wait(stack, &p, 1, 0), 0);
    assert_int_equal(tn_poll_wait(stack, &p, 1, TN_SEC), -EOPNOTSUPP);
    tn_close(stack, fd);
}

/* ---- Progress ---- */

/* A loop that asks again and again must not keep virtual time from passing. */
static void asking_in_vain_does_not_stop_time(void **state)
{
    int fd = mock_connected(&mock);
    char byte;
    tn_time start = tn_sim_now(mock.sim), end = start + TN_SEC;
    unsigned asked = 0;
    while (tn_recv(stack, fd, &byte, 1, 0) == -EAGAIN && tn_sim_advance(mock.sim, end))
        assert_true(++asked < 1000);
    assert_int_equal(tn_sim_now(mock.sim), end);
    end += TN_SEC;
    while (tn_send(stack, fd, "", 0, 0) == 0 &&
           tn_sim_advance(mock.sim, end)) /* nor one that does something */
        assert_true(++asked < 1000);
    assert_int_equal(tn_sim_now(mock.sim), end);
    tn_close(stack, fd);
}

/* While packets are scarce, what is not empty takes no more, and does not say that it would. */
static void pollout_means_that_a_send_is_taken(void **state)
{
    int fd = mock_connected(&mock);
    struct tn_packet *hoard = NULL, *packet;
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), 1);
    while (!tn_pool_beyond(&stack->pool, 2) && (packet = tn_packet_new(&stack->pool, 1))) {
        packet->next = hoard;
        hoard = packet;
    }
    assert_int_equal(ready(fd), 0);
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), -EAGAIN);
    while ((packet = hoard)) {
        hoard = packet->next;
        tn_packet_free(&stack->pool, packet);
    }
    assert_int_equal(ready(fd), POLLOUT);
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), 1);
    tn_close(stack, fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORDS_TEST(wrong_messages_are_refused),
        WORDS_TEST(wrong_ancillary_data_is_refused),
        WORDS_TEST(datagram_is_gathered_from_pieces),
        WORDS_TEST(datagram_is_scattered_to_pieces),
        WORDS_TEST(datagram_that_is_cut_says_so),
        WORDS_TEST(stream_is_gathered_and_scattered),
        WORDS_TEST(stream_takes_what_there_is_room_for),
        WORDS_TEST(receive_of_nothing_is_nothing),
        WORDS_TEST(ancillary_data_tells_where_a_datagram_was_sent),
        WORDS_TEST(ancillary_data_that_does_not_fit_is_cut),
        WORDS_TEST(nothing_is_told_that_was_not_asked_for),
        WORDS_TEST(pktinfo_chooses_the_source),
        WORDS_TEST(ioctl_tells_queues),
        WORDS_TEST(timeouts_are_kept),
        WORDS_TEST(virtual_clock_lets_nothing_wait),
        WORDS_TEST(asking_in_vain_does_not_stop_time),
        WORDS_TEST(pollout_means_that_a_send_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
