/* Sockets in any order of what users and transports may do: nothing is used after it went, nothing stays, and what one
 * side put in comes out at the other in its order. Run under AddressSanitizer, this is the test of who frees what. */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "mock.h"
#include "socket_table.h"

#define FDS    32
#define ROUNDS 30000

static struct mock mock;
static struct tn_stack *stack;
static struct tn_self *stream;
static struct tn_rng rng;

static uint64_t below(uint64_t limit)
{
    return tn_rng_next(&rng) % limit;
}

static int start(void **state)
{
    const char *text = getenv("TENON_SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
    fprintf(stderr, "TENON_SEED=%llu repeats this run\n", (unsigned long long)seed);
    uint8_t bytes[16] = {0};
    memcpy(bytes, &seed, sizeof(seed));
    tn_rng_init(&rng, bytes);
    mock_start(&mock, "{ sockets: 64 }");
    stack = mock.stack;
    stream = &mock.stream.slot.self;
    return 0;
}

static int end(void **state)
{
    mock_end(&mock);
    return 0;
}

/* ---- Picking ---- */

struct pick {
    uint32_t with, without; /* flags */
    unsigned seen;
    struct tn_socket *sock;
};

static void pick_each(void *context, struct tn_socket *sock)
{
    struct pick *p = context;
    if (sock->type != SOCK_STREAM || (sock->flags & p->with) != p->with || (sock->flags & p->without))
        return;
    if (below(++p->seen) == 0)
        p->sock = sock;
}

/* Some socket that the transport still has, with these flags and without those. */
static struct tn_socket *pick(uint32_t with, uint32_t without)
{
    struct pick p = {.with = with, .without = without | TN_SOCK_FREED};
    tn_sockets_each(stack, pick_each, &p);
    return p.sock;
}

/* ---- What users do ---- */

static void any_callback(void *context, int fd, short events)
{
    char buf[64];
    switch (below(6)) {
    case 0:
        (void)tn_close(stack, fd);
        break;
    case 1:
        (void)tn_close(stack, (int)below(FDS));
        break;
    case 2:
        (void)tn_recv(stack, fd, buf, sizeof(buf), 0);
        break;
    case 3:
        (void)tn_accept(stack, fd, NULL, NULL);
        break;
    case 4:
        (void)tn_send(stack, fd, buf, 1 + below(sizeof(buf)), 0);
        break;
    default:
        break;
    }
}

static void service_does_something(struct tn_self *self, struct tn_socket *sock)
{
    if (below(3) == 0) {
        self->core->socket_close(self, sock);
        return;
    }
    struct tn_packet *packet;
    while (below(8) && (packet = self->core->socket_take(self, sock)))
        if (self->core->socket_give(self, sock, packet) == -EAGAIN)
            self->core->packet_free(self, packet);
}

static void user_step(void)
{
    static char bytes[3000];
    int fd = (int)below(FDS), v = (int)below(100000);
    struct sockaddr_in to = mock_addr("10.0.0.9", (uint16_t)(1 + below(3)));
    struct sockaddr_in at = mock_addr(below(2) ? "10.0.0.1" : "0.0.0.0", (uint16_t)(8000 + below(4)));
    switch (below(13)) {
    case 0:
        (void)tn_socket(stack, AF_INET, SOCK_STREAM, 0);
        break;
    case 1:
        (void)tn_bind(stack, fd, (struct sockaddr *)&at, sizeof(at));
        break;
    case 2:
        (void)tn_listen(stack, fd, (int)below(6));
        break;
    case 3:
        (void)tn_connect(stack, fd, (struct sockaddr *)&to, sizeof(to));
        break;
    case 4:
        (void)tn_accept(stack, fd, NULL, NULL);
        break;
    case 5:
        (void)tn_send(stack, fd, bytes, below(sizeof(bytes)), 0);
        break;
    case 6:
        (void)tn_recv(stack, fd, bytes, below(sizeof(bytes)), below(4) ? 0 : MSG_PEEK);
        break;
    case 7:
        (void)tn_shutdown(stack, fd, (int)below(3));
        break;
    case 8:
        (void)tn_close(stack, fd);
        break;
    case 9:
        (void)tn_setsockopt(stack, fd, SOL_SOCKET, below(2) ? SO_SNDBUF : SO_RCVBUF, &v, sizeof(v));
        break;
    case 10:
        v &= 1;
        (void)tn_setsockopt(stack, fd, SOL_SOCKET, SO_REUSEADDR, &v, sizeof(v));
        break;
    case 11:
        (void)tn_on_ready(stack, fd, below(4) ? any_callback : NULL, NULL);
        break;
    default: {
        struct tn_pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
        (void)tn_poll(stack, &p, 1);
    }
    }
}

static void service_step(void)
{
    struct tn_plan_listen listen = {.protocol = MOCK_STREAM, .port = (uint16_t)(8000 + below(4))};
    switch (below(8)) {
    case 0:
        (void)tn_service_listen(stack, &mock.service.slot, &listen);
        break;
    case 1:
        (void)tn_service_unlisten(stack, &mock.service.slot, &listen);
        break;
    case 2:
        if (below(20) == 0)
            tn_sockets_close_owner(stack, &mock.service.slot);
        break;
    default:
        break;
    }
}

/* ---- What the transport does ---- */

static void transport_step(void)
{
    static const char bytes[1400];
    struct tn_socket *sock;
    mock.stream.keeps = below(2);
    switch (below(9)) {
    case 0:
        sock = pick(TN_SOCK_LISTENING, TN_SOCK_ABORTED);
        if (sock)
            (void)mock_child(&mock, sock, (uint16_t)below(60000));
        break;
    case 2:
        sock = pick(TN_SOCK_CONNECTING, TN_SOCK_ABORTED);
        if (sock)
            tn_core_socket_connected(stream, sock);
        break;
    case 3:
        sock = pick(TN_SOCK_CONNECTED, TN_SOCK_ABORTED);
        if (sock)
            mock_deliver(&mock, sock, bytes, below(sizeof(bytes)));
        break;
    case 4:
        sock = pick(TN_SOCK_CONNECTED, TN_SOCK_ABORTED);
        if (sock)
            tn_core_socket_acked(stream, sock, (uint32_t)below(sock->tx.bytes + 1));
        break;
    case 5:
        sock = pick(TN_SOCK_CONNECTED, TN_SOCK_ABORTED);
        if (sock)
            tn_core_socket_eof(stream, sock);
        break;
    case 6:
        sock = pick(0, TN_SOCK_ABORTED | TN_SOCK_LISTENING);
        if (sock && sock->port)
            tn_core_socket_fail(stream, sock, below(3) ? ECONNRESET : 0);
        break;
    case 7:
        sock = pick(TN_SOCK_CLOSED, 0);
        if (sock)
            tn_core_socket_free(stream, sock);
        break;
    default:
        sock = pick(TN_SOCK_ABORTED, 0);
        if (sock)
            tn_core_socket_free(stream, sock);
    }
}

static void free_all(void *context, struct tn_socket *sock)
{
    tn_core_socket_free(stream, sock);
}

static void any_order_of_events_is_survived(void **state)
{
    mock.service.on_accepted = service_does_something;
    mock.service.on_readable = service_does_something;
    for (unsigned round = 0; round < ROUNDS; round++) {
        user_step();
        service_step();
        transport_step();
        if (below(4) == 0)
            (void)tn_stack_step(stack);
        if (below(5000) == 0)
            tn_sockets_close_transport(stack, &mock.stream.slot);
    }
    assert_true(mock.service.accepted > 0);
    assert_true(mock.service.readable > 0);
    assert_true(mock.service.closed > 0);
    assert_true(mock.stream.aborts > 0);
    mock.service.on_accepted = mock.service.on_readable = NULL;
    for (int fd = 0; fd < 64; fd++)
        (void)tn_close(stack, fd);
    tn_sockets_close_owner(stack, &mock.service.slot);
    tn_sim_settle(mock.sim);
    tn_sockets_each(stack, free_all, NULL);
}

/* ---- Bytes ---- */

/* Writes of any size, packets given and taken, acknowledgements of any size: the queue holds what was written and not
 * acknowledged, and nothing else. */
static void send_queue_keeps_every_byte_in_order(void **state)
{
    static uint8_t out[8192], in[300000];
    int fd = mock_connected(&mock), limit = 250000;
    struct tn_socket *sock = mock_socket(&mock, fd);
    uint32_t written = 0, acked = 0;
    tn_setsockopt(stack, fd, SOL_SOCKET, SO_SNDBUF, &limit, sizeof(limit));
    struct tn_packet *clones[16] = {0};
    for (unsigned round = 0; round < 5000; round++) {
        size_t len = below(below(2) ? 8192 : 50);
        for (size_t i = 0; i < len; i++)
            out[i] = (uint8_t)((written + i) * 2654435761u >> 24);
        if (below(2)) {
            ssize_t n = tn_send(stack, fd, out, len, 0);
            written += n > 0 ? (uint32_t)n : 0;
        } else {
            struct tn_packet *packet = mock_packet(&mock, out, tn_min(len, 1500));
            if (tn_core_socket_give(stream, sock, packet) == 0)
                written += (uint32_t)tn_min(len, 1500);
            else
                tn_packet_free(&stack->pool, packet);
        }
        /* Segments on their way hold on to the bytes. */
        unsigned which = (unsigned)below(16);
        if (clones[which])
            tn_packet_free(&stack->pool, clones[which]);
        clones[which] = sock->tx.tail ? tn_packet_clone(&stack->pool, sock->tx.tail) : NULL;
        uint32_t more = (uint32_t)below(below(3) ? 2000 : sock->tx.bytes + 1);
        more = (uint32_t)tn_min(more, sock->tx.bytes);
        tn_core_socket_acked(stream, sock, more);
        acked += more;
        assert_int_equal(sock->tx.bytes, written - acked);
        size_t total = 0;
        for (const struct tn_packet *p = sock->tx.head; p; p = p->next)
            total += tn_packet_read(p, 0, in + total, p->total);
        assert_int_equal(total, written - acked);
        for (size_t i = 0; i < total; i++)
            if (in[i] != (uint8_t)((acked + i) * 2654435761u >> 24))
                fail_msg("byte %zu of %zu is wrong in round %u", i, total, round);
    }
    for (unsigned i = 0; i < 16; i++)
        tn_packet_free(&stack->pool, clones[i]);
    tn_close(stack, fd);
}

static void receive_queue_keeps_every_byte_in_order(void **state)
{
    static uint8_t bytes[5000];
    int fd = mock_connected(&mock);
    struct tn_socket *sock = mock_socket(&mock, fd);
    uint32_t delivered = 0, read = 0;
    for (unsigned round = 0; round < 20000; round++) {
        size_t len = below(below(3) ? 100 : 1500);
        if (below(2) && delivered - read < 100000) {
            for (size_t i = 0; i < len; i++)
                bytes[i] = (uint8_t)((delivered + i) * 2654435761u >> 24);
            mock_deliver(&mock, sock, bytes, len);
            delivered += (uint32_t)len;
            continue;
        }
        bool peek = below(4) == 0;
        ssize_t n = tn_recv(stack, fd, bytes, len, peek ? MSG_PEEK : 0);
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal(bytes[i], (uint8_t)((read + (size_t)i) * 2654435761u >> 24));
        if (n > 0 && !peek)
            read += (uint32_t)n;
        assert_int_equal(sock->rx.bytes, delivered - read);
    }
    tn_close(stack, fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(any_order_of_events_is_survived),
        TEST(send_queue_keeps_every_byte_in_order),
        TEST(receive_queue_keeps_every_byte_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
