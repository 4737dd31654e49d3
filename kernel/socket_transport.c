/* socket_transport.c: what transports do with sockets (plugin.h, "Sockets, for transports").
 *
 * Nothing here calls a user: news is noted on the socket, which is put on the list of sockets with events,
 * and told when the batch is over.
 *
 * Memory. A byte that waits in a queue may pin a buffer of 2 KiB, so counting bytes alone would let a sender
 * of tiny segments or datagrams hold a hundred times the limit. Small stream segments are therefore copied
 * behind the bytes that already wait; datagrams, which must stay apart, are charged for all of their buffer, and move
 * to the smallest one that holds them unless they are likely to be read soon. */
#include <errno.h>

#include "socket_table.h"

/* ---- Children of listeners ---- */

static void child_inherit(struct tn_socket *child, const struct tn_socket *listener)
{
    const uint32_t inherited = TN_SOCK_REUSEADDR | TN_SOCK_KEEPALIVE | TN_SOCK_LINGER0 | TN_SOCK_NODELAY |
                               TN_SOCK_BROADCAST | TN_SOCK_OOBINLINE | TN_SOCK_CORK | TN_SOCK_RCVBUF_SET |
                               TN_SOCK_SNDBUF_SET;
    child->flags |= listener->flags & inherited;
    child->linger = listener->linger;
    child->rcvbuf = listener->rcvbuf;
    child->sndbuf = listener->sndbuf;
    child->ttl = listener->ttl;
    child->tos = listener->tos;
    child->ifindex = listener->ifindex;
    child->owner = listener->owner;
}

struct tn_socket *tn_core_socket_child(struct tn_self *self, struct tn_socket *listener,
                                       const struct tn_packet *packet)
{
    struct tn_stack *stack = self->stack;
    if (!(listener->flags & TN_SOCK_LISTENING) || (listener->flags & TN_SOCK_CLOSED))
        return NULL;
    if (tn_accept_queue_full(listener)) {
        tn_core_self(stack)->counters[TN_CORE_BACKLOG_LIMIT]++;
        return NULL;
    }
    struct tn_socket *child = tn_socket_new(stack, tn_slot_of(self), listener->family, listener->protocol);
    if (!child)
        return NULL;
    child_inherit(child, listener);
    child->vrf = packet->vrf;
    child->local = packet->dst;
    child->remote = packet->src;
    child->local_port = packet->dst_port;
    child->remote_port = packet->src_port;
    if (tn_port_hold(stack, child) < 0 || !tn_socket_wait(stack, child, listener)) {
        child->flags |= TN_SOCK_CLOSED;
        tn_core_socket_free(self, child);
        return NULL;
    }
    tn_tuple_insert(stack, child);
    child->flags |= TN_SOCK_CONNECTED;
    tn_socket_raise(stack, listener, TN_EVENT_ACCEPT);
    return child;
}

/* ---- Data in ---- */

/* Whether the piece uses so little of its buffer that its bytes are better moved. */
static bool wasteful(const struct tn_packet *packet)
{
    return packet->len < packet->buffer->size / 4;
}

/* Appends one piece of a stream. The tail's buffer may be written behind its bytes when no other packet
 * refers to it. */
static void stream_append(struct tn_stack *stack, struct tn_socket *sock, struct tn_packet *piece)
{
    struct tn_packet *tail = sock->rx.tail;
    if (piece->len == 0) {
        tn_packet_free(&stack->pool, piece);
        return;
    }
    if (tail && wasteful(piece) && tn_packet_writable(tail) && tn_packet_tailroom(tail) >= piece->len) {
        memcpy(tn_packet_put(tail, piece->len), piece->data, piece->len);
        sock->rx.bytes += piece->len;
        tn_packet_free(&stack->pool, piece);
        return;
    }
    tn_queue_append(&sock->rx, piece);
}

TN_APART static void stream_deliver(struct tn_stack *stack, struct tn_socket *sock, struct tn_packet *packet)
{
    while (packet) {
        struct tn_packet *more = packet->more;
        packet->more = NULL;
        packet->total = packet->len;
        stream_append(stack, sock, packet);
        packet = more;
    }
    tn_socket_raise(stack, sock, TN_EVENT_READABLE);
}

/* A socket that is read pins little, and not for long: half of its limit may be wasted. */
static bool worth_moving(const struct tn_stack *stack, const struct tn_socket *sock,
                         const struct tn_packet *packet)
{
    return wasteful(packet) && (sock->rx_memory + packet->buffer->size > sock->rcvbuf / 2 ||
                                tn_pool_buffers_beyond(&stack->pool, packet->buffer->pool, 1));
}

/* A datagram of several pieces, or one that wastes memory, becomes one that does not. NULL (packet untouched): it must, and there
 * is no memory. */
TN_APART static struct tn_packet *datagram_move(struct tn_stack *stack, struct tn_packet *packet)
{
    struct tn_packet *copy = tn_packet_copy(&stack->pool, packet);
    if (!copy)
        return packet->more ? NULL : packet;
    tn_packet_free(&stack->pool, packet);
    return copy;
}

static bool datagram_deliver(struct tn_stack *stack, struct tn_socket *sock, struct tn_packet *packet)
{
    if (sock->rx_memory >= sock->rcvbuf)
        return false; /* below the limit one more is taken, whatever its size: a small limit must not shut out
                         all */
    if (tn_unlikely(packet->more || worth_moving(stack, sock, packet))) {
        packet = datagram_move(stack, packet);
        if (!packet)
            return false;
    }
    sock->rx_memory += tn_datagram_memory(packet);
    tn_queue_append(&sock->rx, packet);
    tn_socket_raise(stack, sock, TN_EVENT_READABLE);
    return true;
}

bool tn_core_socket_deliver(struct tn_self *self, struct tn_socket *sock, struct tn_packet *packet)
{
    struct tn_stack *stack = self->stack;
    if (sock->flags & (TN_SOCK_CLOSED | TN_SOCK_SHUT_RECV)) { /* nobody will read it */
        tn_packet_free(&stack->pool, packet);
        return true;
    }
    if (sock->type == SOCK_DGRAM)
        return datagram_deliver(stack, sock, packet);
    stream_deliver(stack, sock, packet);
    return true;
}

void tn_core_socket_eof(struct tn_self *self, struct tn_socket *sock)
{
    if (sock->flags & TN_SOCK_EOF)
        return;
    sock->flags |= TN_SOCK_EOF;
    bool both = (sock->flags & TN_SOCK_SHUT_SEND) && sock->tx.bytes == 0;
    tn_socket_raise(self->stack, sock, TN_EVENT_READABLE | (both ? TN_EVENT_HANGUP : 0));
}

void tn_core_socket_urgent(struct tn_self *self, struct tn_socket *sock)
{
    sock->flags |= TN_SOCK_URGENT | TN_SOCK_URGENT_NEWS;
    tn_socket_raise(self->stack, sock, TN_EVENT_URGENT);
}

/* ---- Data out ---- */

void tn_core_socket_acked(struct tn_self *self, struct tn_socket *sock, uint32_t bytes)
{
    tn_queue_consume(self->stack, &sock->tx, bytes);
    /* Room is told when a third is free, not at every byte, so that the user writes in useful amounts. */
    if ((sock->flags & TN_SOCK_WANT_WRITE) && tn_socket_writable(self->stack, sock)) {
        sock->flags &= ~TN_SOCK_WANT_WRITE;
        tn_socket_raise(self->stack, sock, TN_EVENT_WRITABLE);
    }
    const uint32_t ended = TN_SOCK_EOF | TN_SOCK_SHUT_SEND;
    if (sock->tx.bytes == 0 && (sock->flags & ended) == ended)
        tn_socket_raise(self->stack, sock, TN_EVENT_HANGUP);
}

/* ---- State ---- */

void tn_core_socket_connected(struct tn_self *self, struct tn_socket *sock)
{
    sock->flags &= ~(TN_SOCK_CONNECTING | TN_SOCK_WANT_WRITE);
    sock->flags |= TN_SOCK_CONNECTED;
    sock->soft_error = 0;
    tn_socket_raise(self->stack, sock, TN_EVENT_WRITABLE);
}

void tn_core_socket_fail(struct tn_self *self, struct tn_socket *sock, int error)
{
    struct tn_stack *stack = self->stack;
    if (sock->flags & TN_SOCK_ABORTED)
        return;
    /* What was heard of trouble on the way explains a timeout better than "timed out" (RFC 1122 §4.2.3.9). */
    if (error == ETIMEDOUT && sock->soft_error != 0)
        error = sock->soft_error;
    sock->error = (uint16_t)error;
    sock->flags |= TN_SOCK_ABORTED;
    sock->flags &= ~(TN_SOCK_CONNECTED | TN_SOCK_CONNECTING);
    tn_tuple_remove(stack, sock);
    tn_port_release(stack, sock);
    tn_queue_purge(stack, &sock->tx);
    tn_socket_raise(stack, sock, TN_EVENT_HANGUP | (error ? TN_EVENT_ERROR : 0));
}

void tn_core_socket_soft_error(struct tn_self *self, struct tn_socket *sock, int error)
{
    if (sock->type == SOCK_STREAM) { /* goes on trying (RFC 9293 MUST-56) */
        sock->soft_error = (uint16_t)error;
        return;
    }
    sock->error = (uint16_t)error; /* the next operation reports it */
    tn_socket_raise(self->stack, sock, TN_EVENT_ERROR);
}
