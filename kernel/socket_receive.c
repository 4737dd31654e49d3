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

static size_t stream_copy(const struct tn_socket *sock, uint8_t *to, size_t len)
{
    size_t done = 0;
    for (const struct tn_packet *p = sock->rx.head; p && done < len; p = p->next) {
        size_t part = tn_min(p->len, len - done);
        memcpy(to + done, p->data, part);
        done += part;
    }
    return done;
}

static ssize_t stream_read(struct tn_stack *stack, struct tn_socket *sock, void *bytes, size_t len, int flags)
{
    if (sock->rx.bytes == 0)
        return nothing_to_read(sock);
    size_t done;
    if (flags & MSG_TRUNC) /* discards (tcp(7)) */
        done = tn_min(len, sock->rx.bytes);
    else
        done = stream_copy(sock, bytes, len);
    if (!(flags & MSG_PEEK) && done > 0) {
        tn_queue_consume(stack, &sock->rx, done);
        tell_received(stack, sock);
    }
    return (ssize_t)done;
}

static ssize_t datagram_read(struct tn_stack *stack, struct tn_socket *sock, void *bytes, size_t len,
                             int flags, struct tn_origin *from)
{
    int error = tn_socket_take_error(sock);
    if (error < 0)
        return error;
    struct tn_packet *packet = sock->rx.head;
    if (!packet)
        return nothing_to_read(sock);
    size_t whole = packet->total;
    size_t part = tn_min(whole, len);
    if (part > 0)
        memcpy(bytes, packet->data, part);
    if (from)
        *from = (struct tn_origin){.addr = packet->src, .port = packet->src_port};
    if (!(flags & MSG_PEEK)) {
        tn_packet_free(&stack->pool, take_packet(sock));
        tell_received(stack, sock);
    }
    return (ssize_t)(flags & MSG_TRUNC ? whole : part);
}

ssize_t tn_socket_read(struct tn_stack *stack, struct tn_socket *sock, void *bytes, size_t len, int flags,
                       struct tn_origin *from)
{
    if (sock->flags & TN_SOCK_LISTENING)
        return -ENOTCONN;
    if (sock->type == SOCK_DGRAM)
        return datagram_read(stack, sock, bytes, len, flags, from);
    return stream_read(stack, sock, bytes, len, flags);
}

ssize_t tn_core_socket_receive(struct tn_self *self, struct tn_socket *sock, void *bytes, size_t len)
{
    return tn_socket_read(self->stack, sock, bytes, len, 0, NULL);
}

struct tn_packet *tn_core_socket_take(struct tn_self *self, struct tn_socket *sock)
{
    struct tn_packet *packet = take_packet(sock);
    if (packet)
        tell_received(self->stack, sock);
    return packet;
}
