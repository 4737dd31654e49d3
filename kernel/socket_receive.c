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
        sock->rx_memory -= tn_packet_memory(packet);
    return packet;
}

/* ---- Pieces ---- */

void *tn_pieces_first(struct tn_pieces *pieces, size_t *len)
{
    while (pieces->skip == pieces->at->iov_len) {
        pieces->at++;
        pieces->skip = 0;
    }
    *len = tn_min(pieces->at->iov_len - pieces->skip, pieces->left);
    return (char *)pieces->at->iov_base + pieces->skip;
}

void tn_pieces_advance(struct tn_pieces *pieces, size_t len)
{
    pieces->skip += len;
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

static size_t stream_copy(const struct tn_socket *sock, struct tn_pieces *to)
{
    size_t done = 0;
    for (const struct tn_packet *p = sock->rx.head; p && to->left > 0; p = p->next)
        done += tn_pieces_scatter(to, p->data, p->len);
    return done;
}

static ssize_t stream_read(struct tn_stack *stack, struct tn_socket *sock, struct tn_pieces *to, int flags)
{
    if (sock->rx.bytes == 0) {
        int error = nothing_to_read(sock);
        return error == -EAGAIN && to->left == 0 ? 0 : error;
    }
    size_t done;
    if (flags & MSG_TRUNC) { /* discards (tcp(7)) */
        done = tn_min(to->left, sock->rx.bytes);
        to->left -= done;
    } else {
        done = stream_copy(sock, to);
    }
    if (!(flags & MSG_PEEK) && done > 0) {
        tn_queue_consume(stack, &sock->rx, done);
        tell_received(stack, sock);
    }
    return (ssize_t)done;
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
    return stream_read(stack, sock, to, flags);
}

ssize_t tn_core_socket_receive(struct tn_self *self, struct tn_socket *sock, void *bytes, size_t len)
{
    const struct iovec one = {.iov_base = bytes, .iov_len = len};
    struct tn_pieces to = {.at = &one, .left = len};
    return tn_socket_read(self->stack, sock, &to, 0, NULL);
}

struct tn_packet *tn_core_socket_take(struct tn_self *self, struct tn_socket *sock)
{
    struct tn_packet *packet = take_packet(sock);
    if (packet)
        tell_received(self->stack, sock);
    return packet;
}
