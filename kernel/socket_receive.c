/* socket_receive.c: taking data out of a socket's receive queue. */
#include <errno.h>

#include "socket_table.h"

/* Why there is nothing to read: 0 at the end of data, else a negative errno. */
static int nothing_to_read(struct tn_socket *sock)
{
    int error = tn_socket_take_error(sock);
    if (error < 0)
        return error;
    if (sock->flags & (TN_SOCK_EOF | TN_SOCK_SHUT_RECV | TN_SOCK_ABORTED))
        return 0;
    const uint32_t open = TN_SOCK_CONNECTED | TN_SOCK_CONNECTING;
    if (sock->type == SOCK_STREAM && !(sock->flags & open))
        return -ENOTCONN;
    return -EAGAIN;
}

static void tell_received(struct tn_stack *stack, struct tn_socket *sock)
{
    struct tn_self *transport = tn_socket_transport(stack, sock);
    if (transport && transport->plugin->transport->received)
        transport->plugin->transport->received(transport, sock);
}

static struct tn_packet *take_packet(struct tn_socket *sock)
{
    struct tn_packet *packet = tn_queue_take(&sock->rx);
    if (packet && sock->type == SOCK_DGRAM)
        sock->rx_memory -= tn_datagram_memory(packet);
    return packet;
}

/* ---- Pieces ---- */

void *tn_pieces_first(struct tn_pieces *pieces, size_t *len)
{
    while (pieces->rest_len == 0) {
        pieces->rest = pieces->next->iov_base;
        pieces->rest_len = pieces->next->iov_len;
        pieces->next++;
    }
    *len = tn_min(pieces->rest_len, pieces->left);
    return pieces->rest;
}

void tn_pieces_advance(struct tn_pieces *pieces, size_t len)
{
    pieces->rest += len;
    pieces->rest_len -= len;
    pieces->left -= len;
}

void tn_pieces_gather(struct tn_pieces *from, void *to)
{
    uint8_t *at = to;
    while (from->left > 0) {
        size_t len;
        const void *bytes = tn_pieces_first(from, &len);
        memcpy(at, bytes, len);
        at += len;
        tn_pieces_advance(from, len);
    }
}

size_t tn_pieces_scatter(struct tn_pieces *to, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    size_t done = 0;
    while (done < len && to->left > 0) {
        size_t room;
        void *memory = tn_pieces_first(to, &room);
        size_t part = tn_min(room, len - done);
        memcpy(memory, at + done, part);
        done += part;
        tn_pieces_advance(to, part);
    }
    return done;
}

/* ---- Streams ---- */

/* Copies as much of bytes [from, to) of the queue as there is room for. */
static size_t stream_copy(const struct tn_socket *sock, struct tn_pieces *out, size_t from, size_t to)
{
    size_t done = 0, start = 0;
    for (const struct tn_packet *p = sock->rx.head; p && start < to && out->left > 0; p = p->next) {
        size_t skip = from > start ? tn_min(from - start, p->len) : 0;
        size_t end = tn_min(p->len, to - start);
        if (skip < end)
            done += tn_pieces_scatter(out, p->data + skip, end - skip);
        start += p->len;
    }
    return done;
}

/* A program's read stops before the last urgent octet. The next one passes over it, unless it is to be among the others. What
 * may be read is [*from, result) of the queue. */
static size_t urgent_end(struct tn_stack *stack, struct tn_socket *sock, size_t *from)
{
    struct tn_self *transport = tn_socket_transport(stack, sock);
    if (!transport || sock->owner != TN_SLOT_NONE)
        return sock->rx.bytes;
    int64_t mark = transport->plugin->transport->urgent_mark(transport, sock);
    if (mark < 0)
        sock->flags &= ~(TN_SOCK_URGENT | TN_SOCK_URGENT_NEWS);
    if (mark > 0)
        return tn_min(sock->rx.bytes, (size_t)mark);
    *from = mark == 0 && !(sock->flags & TN_SOCK_OOBINLINE);
    return sock->rx.bytes;
}

/* Takes bytes out of the queue. `passes`: the first is the last urgent one, which the transport keeps. */
static void stream_consume(struct tn_stack *stack, struct tn_socket *sock, size_t len, bool passes)
{
    struct tn_self *transport = tn_socket_transport(stack, sock);
    if (passes)
        (void)transport->plugin->transport->urgent_take(transport, sock, TN_URGENT_PASS, NULL);
    tn_queue_consume(stack, &sock->rx, len);
    tell_received(stack, sock);
}

static ssize_t stream_read(struct tn_stack *stack, struct tn_socket *sock, struct tn_pieces *to, int flags)
{
    size_t from = 0, end = sock->rx.bytes, done = 0;
    if (end > 0 && (sock->flags & TN_SOCK_URGENT))
        end = urgent_end(stack, sock, &from);
    if (flags & MSG_TRUNC) { /* discards (tcp(7)) */
        done = tn_min(to->left, end - from);
        to->left -= done;
    } else if (from < end) {
        done = stream_copy(sock, to, from, end);
    }
    if (!(flags & MSG_PEEK) && (done > 0 || (from == 1 && end == 1)))
        stream_consume(stack, sock, from + done, from > 0);
    if (done > 0 || (from < end && to->left == 0))
        return (ssize_t)done;
    int error = nothing_to_read(sock);
    return error == -EAGAIN && to->left == 0 ? 0 : error;
}

/* MSG_OOB: the last urgent octet. */
static ssize_t stream_read_urgent(struct tn_stack *stack, struct tn_socket *sock, struct tn_pieces *to,
                                  int flags)
{
    struct tn_self *transport = tn_socket_transport(stack, sock);
    const struct tn_transport_ops *ops = transport ? transport->plugin->transport : NULL;
    uint8_t octet;
    if (ops && !ops->urgent_take)
        return -EOPNOTSUPP;
    if (!ops || (sock->flags & TN_SOCK_OOBINLINE))
        return -EINVAL;
    if (!(sock->flags & (TN_SOCK_CONNECTED | TN_SOCK_ABORTED)))
        return -ENOTCONN;
    if (to->left == 0)
        return 0;
    bool peeks = flags & MSG_PEEK;
    int result = ops->urgent_take(transport, sock, peeks ? TN_URGENT_PEEK : TN_URGENT_TAKE, &octet);
    if (result <= 0)
        return result;
    if (!peeks)
        sock->flags &= ~TN_SOCK_URGENT_NEWS;
    return (ssize_t)tn_pieces_scatter(to, &octet, 1);
}

/* ---- Datagrams ---- */

static ssize_t datagram_read(struct tn_stack *stack, struct tn_socket *sock, struct tn_pieces *to, int flags,
                             struct tn_arrival *arrival)
{
    int error = tn_socket_take_error(sock);
    if (error < 0)
        return error;
    const struct tn_packet *packet = sock->rx.head;
    if (!packet)
        return nothing_to_read(sock);
    size_t part = tn_pieces_scatter(to, packet->data, packet->len);
    if (arrival)
        *arrival = (struct tn_arrival){.from = {.addr = packet->src, .port = packet->src_port},
                                       .to = packet->dst,
                                       .whole = packet->total,
                                       .ifindex = packet->ifindex,
                                       .ttl = packet->ttl,
                                       .tos = packet->tos};
    if (!(flags & MSG_PEEK)) {
        tn_packet_free(&stack->pool, take_packet(sock));
        tell_received(stack, sock);
    }
    return (ssize_t)part;
}

/* ---- Both ---- */

ssize_t tn_socket_read(struct tn_stack *stack, struct tn_socket *sock, struct tn_pieces *to, int flags,
                       struct tn_arrival *arrival)
{
    if (sock->flags & TN_SOCK_LISTENING)
        return -ENOTCONN;
    if (sock->type == SOCK_DGRAM)
        return datagram_read(stack, sock, to, flags, arrival);
    if (flags & MSG_OOB)
        return stream_read_urgent(stack, sock, to, flags);
    return stream_read(stack, sock, to, flags);
}

ssize_t tn_core_socket_receive(struct tn_self *self, struct tn_socket *sock, void *bytes, size_t len)
{
    const struct iovec one = {.iov_base = bytes, .iov_len = len};
    struct tn_pieces to = {.next = &one, .left = len};
    return tn_socket_read(self->stack, sock, &to, 0, NULL);
}

struct tn_packet *tn_core_socket_take(struct tn_self *self, struct tn_socket *sock)
{
    struct tn_packet *packet = take_packet(sock);
    if (packet)
        tell_received(self->stack, sock);
    return packet;
}
