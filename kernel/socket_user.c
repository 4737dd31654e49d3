/* socket_user.c: what users do with sockets, services and embedders alike.
 *
 * Errors are those of Linux, and where Linux and POSIX agree on the meaning, in the order in which Linux
 * looks for them: a pending error first (told once), then the state, then the arguments.
 *
 * Appending to the send queue. Small writes go behind the bytes of the last packet, so that many of them
 * share a buffer. The transport has clones of that packet on their way out, which refer to the same buffer;
 * that is harmless, because a clone covers a range of earlier bytes, and bytes behind it are nobody's until
 * they are appended here. It would not be harmless if two packets could append to one buffer. So a packet is
 * appendable (sock->tx_appendable) only if its buffer was its alone when it entered the queue; clones made
 * since then belong to the transport and to those below, who write into a buffer only when no other packet
 * refers to it (tn_packet_writable). */
#include <errno.h>

#include "address.h"
#include "route.h"
#include "socket_table.h"

/* Data of a buffer of an Ethernet frame's size; writes are stored in such pieces. */
#define TN_SEND_PIECE 1500

static const struct tn_addr any_address;

/* ---- Opening
 * -------------------------------------------------------------------------------------------------- */

/* The transport for new sockets. Protocol 0 is the first transport of that type. */
static int find_transport(struct tn_stack *stack, uint8_t family, uint8_t type, uint8_t *protocol,
                          struct tn_slot **found)
{
    unsigned first = *protocol, last = *protocol ? *protocol : 255;
    for (unsigned p = first; p <= last; p++) {
        struct tn_slot *slot = tn_transport_find(stack, family, (uint8_t)p);
        if (slot && slot->self.plugin->transport->type == type) {
            *protocol = (uint8_t)p;
            *found = slot;
            return 0;
        }
    }
    return -EPROTONOSUPPORT;
}

int tn_socket_create(struct tn_stack *stack, uint16_t owner, uint8_t family, uint8_t type, uint8_t protocol,
                     struct tn_socket **out)
{
    struct tn_slot *transport;
    int error = find_transport(stack, family, type, &protocol, &transport);
    if (error < 0)
        return error;
    struct tn_socket *sock = tn_socket_new(stack, transport, family, protocol);
    if (!sock)
        return -ENFILE;
    sock->owner = owner;
    const struct tn_transport_ops *ops = transport->self.plugin->transport;
    error = ops->open ? ops->open(&transport->self, sock) : 0;
    if (error < 0) {
        sock->flags |= TN_SOCK_CLOSED;
        tn_core_socket_free(&transport->self, sock);
        return error;
    }
    *out = sock;
    return 0;
}

struct tn_socket *tn_core_socket_open(struct tn_self *self, uint8_t family, uint8_t type, uint8_t protocol)
{
    struct tn_socket *sock;
    return tn_socket_create(self->stack, self->slot, family, type, protocol, &sock) < 0 ? NULL : sock;
}

int tn_socket_take_error(struct tn_socket *sock)
{
    int error = sock->error;
    sock->error = 0;
    return -error;
}

/* ---- Binding and listening
 * ------------------------------------------------------------------------------------ */

static bool may_bind(struct tn_stack *stack, const struct tn_socket *sock, const struct tn_addr *addr)
{
    uint16_t ifindex;
    if (tn_addr_is_zero(addr))
        return true;
    enum tn_local kind = tn_address_kind_in(stack, sock->family, sock->vrf, addr, &ifindex);
    if (kind == TN_LOCAL_UNICAST || sock->type != SOCK_DGRAM)
        return kind == TN_LOCAL_UNICAST;
    enum tn_addr_class class = tn_core_address_class(tn_core_self(stack), sock->family, addr);
    return kind != TN_LOCAL_NONE || class == TN_ADDR_BROADCAST || class == TN_ADDR_MULTICAST;
}

int tn_socket_bind(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *addr, uint16_t port)
{
    if (sock->port || (sock->flags & (TN_SOCK_ABORTED | TN_SOCK_FREED)))
        return -EINVAL;
    int error = tn_port_bind(stack, sock, addr, port);
    if (error == 0 && sock->type == SOCK_DGRAM) {
        sock->bound = *addr;
        tn_port_take(sock);
    }
    return error;
}

int tn_core_socket_bind(struct tn_self *self, struct tn_socket *sock, const struct tn_addr *addr,
                        uint16_t port)
{
    if (!addr)
        addr = &any_address;
    if (!may_bind(self->stack, sock, addr))
        return -EADDRNOTAVAIL;
    return tn_socket_bind(self->stack, sock, addr, port);
}

int tn_socket_listen(struct tn_stack *stack, struct tn_socket *sock, int backlog)
{
    uint32_t most = stack->plan->limits.backlog;
    struct tn_self *transport = tn_socket_transport(stack, sock);
    if (sock->type != SOCK_STREAM)
        return -EOPNOTSUPP;
    if (!transport || (sock->flags & (TN_SOCK_CONNECTED | TN_SOCK_CONNECTING | TN_SOCK_ABORTED)))
        return -EINVAL;
    /* Negative means as many as possible, and 0 still means one (listen(2)). */
    sock->backlog = backlog < 0 || (uint32_t)backlog >= most ? most : (uint32_t)backlog + 1;
    if (sock->flags & TN_SOCK_LISTENING)
        return 0;
    int error = sock->port ? 0 : tn_port_bind(stack, sock, &sock->local, 0);
    if (error == 0)
        error = tn_port_listen(stack, sock);
    if (error < 0)
        return error;
    sock->accept_end = &sock->accept_queue;
    const struct tn_transport_ops *ops = transport->plugin->transport;
    error = ops->listen ? ops->listen(transport, sock) : -EOPNOTSUPP;
    if (error < 0)
        tn_port_unlisten(sock);
    return error;
}

struct tn_socket *tn_socket_accept(struct tn_stack *stack, struct tn_socket *listener)
{
    struct tn_socket *child = listener->accept_queue;
    if (!child)
        return NULL;
    tn_socket_unparent(child);
    unsigned events = 0;
    if (child->rx.packets > 0 || (child->flags & TN_SOCK_EOF))
        events |= TN_EVENT_READABLE;
    if (child->flags & TN_SOCK_ABORTED)
        events |= TN_EVENT_HANGUP | (child->error ? TN_EVENT_ERROR : 0);
    if (events)
        tn_socket_raise(stack, child, events);
    return child;
}

/* ---- Connecting
 * ----------------------------------------------------------------------------------------------- */

/* Whether a path may be used by this socket (RFC 9293 MUST-46; Linux's errors). */
static int path_allowed(const struct tn_socket *sock, const struct tn_path *path)
{
    bool many = path->kind == TN_PATH_BROADCAST || path->kind == TN_PATH_MULTICAST;
    if (many && sock->type == SOCK_STREAM)
        return -ENETUNREACH;
    if (path->kind == TN_PATH_BROADCAST && !(sock->flags & TN_SOCK_BROADCAST))
        return -EACCES;
    return 0;
}

/* The address to speak from: the bound one, unless that is not one to speak from. */
static struct tn_addr source_of(struct tn_stack *stack, const struct tn_socket *sock)
{
    if (sock->type == SOCK_STREAM || tn_addr_is_zero(&sock->local))
        return sock->local;
    uint16_t ifindex;
    enum tn_local kind = tn_address_kind_in(stack, sock->family, sock->vrf, &sock->local, &ifindex);
    return kind == TN_LOCAL_UNICAST ? sock->local : any_address;
}

/* Finds the socket's path to `dst`, and the source if `src` is zero. */
static int find_path(struct tn_stack *stack, struct tn_socket *sock, struct tn_addr *src,
                     const struct tn_addr *dst)
{
    sock->path = (struct tn_path){0};
    if (tn_addr_is_zero(dst))
        return -ENETUNREACH;
    int error = tn_core_path_find(tn_core_self(stack), sock->family, sock->vrf, src, dst, &sock->path);
    if (error == 0)
        error = path_allowed(sock, &sock->path);
    if (error < 0)
        sock->path = (struct tn_path){0};
    return error;
}

static void remember_path(struct tn_socket *sock, const struct tn_addr *src, const struct tn_addr *dst,
                          bool chosen)
{
    sock->path_to = *dst;
    sock->path_from = *src;
    sock->path_chosen = chosen;
}

/* Takes the local end `src` for the connection to the remote end that is set: a port of its own if none is
 * bound. */
static int take_local_end(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *src)
{
    if (!sock->port)
        return tn_port_connect(stack, sock, src);
    struct tn_tuple tuple = tn_socket_tuple(sock);
    tuple.local = *src;
    if (sock->type == SOCK_STREAM && tn_tuple_find(stack, &tuple))
        return -EADDRNOTAVAIL;
    return tn_port_move(stack, sock, src);
}

/* Undoes take_local_end() for a socket whose local end was `local`, with a port of its own if `bound`. */
static void give_local_end_back(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *local,
                                bool bound)
{
    tn_tuple_remove(stack, sock);
    sock->flags &= ~(TN_SOCK_CONNECTED | TN_SOCK_CONNECTING);
    sock->remote = any_address;
    sock->remote_port = 0;
    if (bound) {
        if (sock->port)
            (void)tn_port_move(stack, sock, local);
        return;
    }
    tn_port_release(stack, sock);
    sock->local = *local;
    sock->local_port = 0;
}

static int connect_to(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *addr,
                      uint16_t port)
{
    struct tn_self *transport = tn_socket_transport(stack, sock);
    struct tn_addr old = sock->local;
    struct tn_addr src = source_of(stack, sock);
    bool bound = sock->port != NULL;
    int error = find_path(stack, sock, &src, addr);
    if (error < 0)
        return error;
    if (sock->type == SOCK_DGRAM)
        remember_path(sock, &src, addr, tn_addr_is_zero(&old));
    sock->remote = *addr;
    sock->remote_port = port;
    error = take_local_end(stack, sock, &src);
    if (error == 0) {
        tn_port_untake(sock); /* from now on it takes what comes from there alone */
        tn_tuple_insert(stack, sock);
        sock->flags |= sock->type == SOCK_STREAM ? TN_SOCK_CONNECTING : TN_SOCK_CONNECTED;
        const struct tn_transport_ops *ops = transport->plugin->transport;
        error = ops->connect ? ops->connect(transport, sock) : 0;
    }
    if (error < 0) {
        give_local_end_back(stack, sock, &old, bound);
        if (sock->type == SOCK_DGRAM && sock->port)
            tn_port_take(sock);
    }
    return error;
}

void tn_socket_disconnect(struct tn_stack *stack, struct tn_socket *sock)
{
    if (!(sock->flags & TN_SOCK_CONNECTED))
        return;
    bool bound = (sock->flags & TN_SOCK_BOUND) != 0;
    give_local_end_back(stack, sock, bound ? &sock->bound : &any_address, bound);
    if (sock->port)
        tn_port_take(sock);
}

int tn_core_socket_connect(struct tn_self *self, struct tn_socket *sock, const struct tn_addr *addr,
                           uint16_t port)
{
    struct tn_stack *stack = self->stack;
    if (sock->flags & TN_SOCK_LISTENING)
        return -EISCONN;
    if (!tn_socket_transport(stack, sock) || (sock->flags & TN_SOCK_ABORTED)) {
        int error = tn_socket_take_error(sock);
        return error < 0 ? error : -ECONNABORTED;
    }
    if (sock->type == SOCK_DGRAM)
        tn_socket_disconnect(stack, sock);
    if (sock->flags & TN_SOCK_CONNECTED)
        return -EISCONN;
    if (sock->flags & TN_SOCK_CONNECTING)
        return -EALREADY;
    return connect_to(stack, sock, addr, port);
}

/* ---- Receiving
 * ------------------------------------------------------------------------------------------------ */

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
        *from = (struct tn_origin){.addr = packet->src, .port = packet->src_port, .truncated = whole > len};
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

/* ---- Sending on streams
 * --------------------------------------------------------------------------------------- */

bool tn_socket_writable(const struct tn_socket *sock)
{
    return sock->tx.bytes <= sock->sndbuf / 3 * 2;
}

/* 0, or why this stream takes no data. */
static int stream_may_send(struct tn_socket *sock)
{
    int error = tn_socket_take_error(sock);
    if (error < 0)
        return error;
    if (sock->flags & (TN_SOCK_SHUT_SEND | TN_SOCK_ABORTED | TN_SOCK_FREED))
        return -EPIPE;
    if (sock->flags & TN_SOCK_CONNECTING) {
        sock->flags |= TN_SOCK_WANT_WRITE;
        return -EAGAIN;
    }
    if (!(sock->flags & TN_SOCK_CONNECTED))
        return -ENOTCONN;
    if (tn_socket_tx_room(sock) == 0) {
        sock->flags |= TN_SOCK_WANT_WRITE;
        return -EAGAIN;
    }
    return 0;
}

/* Room behind the last packet's bytes (see the top of this file). */
static size_t tail_room(const struct tn_socket *sock)
{
    return sock->tx_appendable && sock->tx.tail ? tn_packet_tailroom(sock->tx.tail) : 0;
}

static void tail_append(struct tn_socket *sock, const void *bytes, size_t len)
{
    memcpy(tn_packet_put(sock->tx.tail, len), bytes, len);
    sock->tx.bytes += (uint32_t)len;
}

/* Copies bytes to the end of the send queue; how many, less than `len` only when the pool is exhausted. */
static size_t stream_append(struct tn_stack *stack, struct tn_socket *sock, const uint8_t *bytes, size_t len)
{
    size_t done = 0;
    while (done < len) {
        if (tail_room(sock) == 0) {
            struct tn_packet *packet = tn_packet_new(&stack->pool, tn_min(len - done, TN_SEND_PIECE));
            if (!packet)
                break;
            tn_packet_trim(packet, 0);
            tn_queue_append(&sock->tx, packet);
            sock->tx_appendable = true;
        }
        size_t part = tn_min(len - done, tail_room(sock));
        tail_append(sock, bytes + done, part);
        done += part;
    }
    return done;
}

static void tell_send_ready(struct tn_stack *stack, struct tn_socket *sock)
{
    struct tn_self *transport = tn_socket_transport(stack, sock);
    if (transport && transport->plugin->transport->send_ready)
        transport->plugin->transport->send_ready(transport, sock);
}

static ssize_t stream_send(struct tn_stack *stack, struct tn_socket *sock, const void *bytes, size_t len)
{
    int error = stream_may_send(sock);
    if (error < 0)
        return error;
    if (len == 0)
        return 0;
    size_t room = tn_socket_tx_room(sock);
    if (len > room)
        sock->flags |= TN_SOCK_WANT_WRITE;
    size_t done = stream_append(stack, sock, bytes, tn_min(len, room));
    if (done == 0)
        return -ENOBUFS;
    tell_send_ready(stack, sock);
    return (ssize_t)done;
}

/* One piece becomes the end of the send queue: as it is, or by copying if its buffer would be mostly empty.
 */
static void stream_give_piece(struct tn_stack *stack, struct tn_socket *sock, struct tn_packet *piece)
{
    size_t len = piece->len, size = piece->buffer->size;
    struct tn_packet *packet = piece;
    if (len < size / 2 && len <= tail_room(sock)) {
        tail_append(sock, piece->data, len);
        tn_packet_free(&stack->pool, piece);
        return;
    }
    if (len < size / 4 && (packet = tn_packet_new(&stack->pool, len))) {
        memcpy(packet->data, piece->data, len);
        tn_packet_free(&stack->pool, piece);
    } else {
        packet = piece;
        *packet = (struct tn_packet){.buffer = piece->buffer,
                                     .data = piece->data,
                                     .len = piece->len,
                                     .total = piece->len,
                                     .time = piece->time};
    }
    sock->tx_appendable = tn_packet_writable(packet);
    tn_queue_append(&sock->tx, packet);
}

static int stream_give(struct tn_stack *stack, struct tn_socket *sock, struct tn_packet *packet)
{
    int error = stream_may_send(sock);
    if (error == -EAGAIN)
        return error;
    if (error < 0) {
        tn_packet_free(&stack->pool, packet);
        return error;
    }
    while (packet) {
        struct tn_packet *more = packet->more;
        packet->more = NULL;
        if (packet->len > 0)
            stream_give_piece(stack, sock, packet);
        else
            tn_packet_free(&stack->pool, packet);
        packet = more;
    }
    tell_send_ready(stack, sock);
    return 0;
}

/* ---- Sending datagrams
 * ---------------------------------------------------------------------------------------- */

/* The path to `dst`, and the source that goes with it; remembered for the next datagram to the same
 * destination. */
static int datagram_path(struct tn_stack *stack, struct tn_socket *sock, struct tn_addr *src,
                         const struct tn_addr *dst)
{
    bool chosen = tn_addr_is_zero(src);
    if (sock->path.generation == stack->path_generation && tn_addr_equal(&sock->path_to, dst) &&
        (chosen ? sock->path_chosen : tn_addr_equal(src, &sock->path_from))) {
        *src = sock->path_from;
        return path_allowed(sock, &sock->path);
    }
    int error = find_path(stack, sock, src, dst);
    if (error == 0)
        remember_path(sock, src, dst, chosen);
    return error;
}

/* Sends the payload to (dst, port). Consumes it. */
static int datagram_output(struct tn_stack *stack, struct tn_socket *sock, struct tn_packet *packet,
                           struct tn_addr src, const struct tn_addr *dst, uint16_t port)
{
    struct tn_self *transport = tn_socket_transport(stack, sock);
    int error = !transport ? -ENETDOWN : port == 0 ? -EINVAL : datagram_path(stack, sock, &src, dst);
    if (error == 0 && !sock->port) {
        error = tn_port_bind(stack, sock, &any_address, 0);
        if (error == 0)
            tn_port_take(sock);
    }
    if (error < 0) {
        tn_packet_free(&stack->pool, packet);
        return error;
    }
    packet->flags = 0;
    packet->checksum = TN_CHECKSUM_UNKNOWN;
    packet->gso = TN_GSO_NONE;
    packet->family = sock->family;
    packet->protocol = sock->protocol;
    packet->vrf = sock->vrf;
    packet->tos = sock->tos;
    packet->ttl = sock->ttl;
    if (packet->ttl == 0 && sock->path.kind == TN_PATH_MULTICAST)
        packet->ttl = 1; /* RFC 1112 §6.1 */
    packet->src = src;
    packet->dst = *dst;
    packet->src_port = sock->local_port;
    packet->dst_port = port;
    return transport->plugin->transport->send_datagram(transport, sock, packet, &sock->path);
}

/* Bytes that a datagram may carry. */
static size_t datagram_limit(struct tn_stack *stack, const struct tn_socket *sock)
{
    const struct tn_self *transport = tn_socket_transport(stack, sock);
    const struct tn_slot *network = stack->dispatch.family[sock->family].slot;
    size_t headers = (transport ? transport->plugin->transport->header_size : 0u) +
                     (network ? network->self.plugin->network->header_size : 0u);
    return 65535 - headers;
}

/* 0, or why nothing can be sent on this datagram socket. */
static int datagram_may_send(struct tn_socket *sock)
{
    int error = tn_socket_take_error(sock);
    if (error < 0)
        return error;
    return sock->flags & (TN_SOCK_SHUT_SEND | TN_SOCK_ABORTED | TN_SOCK_FREED) ? -EPIPE : 0;
}

ssize_t tn_socket_send_to(struct tn_stack *stack, struct tn_socket *sock, const void *bytes, size_t len,
                          const struct tn_origin *to)
{
    const struct tn_origin remote = {.addr = sock->remote, .port = sock->remote_port};
    if (len > datagram_limit(stack, sock))
        return -EMSGSIZE;
    int error = datagram_may_send(sock);
    if (error < 0)
        return error;
    if (!to && !(sock->flags & TN_SOCK_CONNECTED))
        return -EDESTADDRREQ;
    if (!to)
        to = &remote;
    struct tn_packet *packet = tn_packet_new(&stack->pool, len);
    if (!packet)
        return -ENOBUFS;
    if (len > 0)
        memcpy(packet->data, bytes, len);
    packet->serial = stack->trace_cause;
    error = datagram_output(stack, sock, packet, source_of(stack, sock), &to->addr, to->port);
    return error < 0 ? error : (ssize_t)len;
}

int tn_core_socket_reply(struct tn_self *self, struct tn_socket *sock, const struct tn_packet *to,
                         struct tn_packet *packet)
{
    struct tn_stack *stack = self->stack;
    int error = sock->type == SOCK_DGRAM ? datagram_may_send(sock) : -EOPNOTSUPP;
    if (error < 0) {
        tn_packet_free(&stack->pool, packet);
        return error;
    }
    /* From the address that was asked, unless that is not one to speak from (RFC 1122 §4.1.3.5). */
    bool many = (to->flags & (TN_PKT_BROADCAST | TN_PKT_MULTICAST)) != 0;
    struct tn_addr src = many ? source_of(stack, sock) : to->dst;
    struct tn_addr dst = to->src;
    return datagram_output(stack, sock, packet, src, &dst, to->src_port);
}

/* ---- Sending
 * -------------------------------------------------------------------------------------------------- */

ssize_t tn_core_socket_send(struct tn_self *self, struct tn_socket *sock, const void *bytes, size_t len)
{
    if (sock->type == SOCK_DGRAM)
        return tn_socket_send_to(self->stack, sock, bytes, len, NULL);
    return stream_send(self->stack, sock, bytes, len);
}

int tn_core_socket_give(struct tn_self *self, struct tn_socket *sock, struct tn_packet *packet)
{
    struct tn_stack *stack = self->stack;
    if (sock->type == SOCK_STREAM)
        return stream_give(stack, sock, packet);
    int error = datagram_may_send(sock);
    if (error == 0 && !(sock->flags & TN_SOCK_CONNECTED))
        error = -EDESTADDRREQ;
    if (error < 0) {
        tn_packet_free(&stack->pool, packet);
        return error;
    }
    return datagram_output(stack, sock, packet, source_of(stack, sock), &sock->remote, sock->remote_port);
}

/* ---- Ending
 * --------------------------------------------------------------------------------------------------- */

int tn_core_socket_shutdown(struct tn_self *self, struct tn_socket *sock, int how)
{
    struct tn_stack *stack = self->stack;
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    if (!(sock->flags & TN_SOCK_CONNECTED))
        return -ENOTCONN;
    if (how != SHUT_WR && !(sock->flags & TN_SOCK_SHUT_RECV)) {
        sock->flags |= TN_SOCK_SHUT_RECV;
        tn_socket_raise(stack, sock, TN_EVENT_READABLE);
    }
    if (how != SHUT_RD && !(sock->flags & TN_SOCK_SHUT_SEND)) {
        sock->flags |= TN_SOCK_SHUT_SEND;
        if (sock->type == SOCK_STREAM)
            tell_send_ready(stack, sock);
        if ((sock->flags & TN_SOCK_EOF) && sock->tx.bytes == 0)
            tn_socket_raise(stack, sock, TN_EVENT_HANGUP);
    }
    return 0;
}

/* Connections that nobody will accept are reset. */
static void abort_children(struct tn_stack *stack, struct tn_socket *listener)
{
    struct tn_socket *child;
    while ((child = listener->accept_queue ? listener->accept_queue : listener->child_list)) {
        tn_socket_unparent(child);
        tn_socket_end(stack, child, true);
    }
}

void tn_socket_end(struct tn_stack *stack, struct tn_socket *sock, bool abort)
{
    if (sock->flags & TN_SOCK_CLOSED)
        return;
    sock->flags |= TN_SOCK_CLOSED;
    sock->events = 0;
    sock->user = NULL;
    sock->owner = TN_SLOT_NONE;
    sock->fd = -1;
    tn_port_untake(sock);
    if (sock->flags & TN_SOCK_LISTENING)
        abort_children(stack, sock);
    bool queued = (sock->flags & TN_SOCK_QUEUED) != 0;
    sock->flags |= TN_SOCK_QUEUED; /* holds the record while the transport closes it */
    struct tn_self *transport = tn_socket_transport(stack, sock);
    if (transport)
        transport->plugin->transport->close(transport, sock, abort || (sock->flags & TN_SOCK_LINGER0));
    tn_queue_purge(stack,
                   &sock->rx); /* after: whether there was unread data matters to it (RFC 9293 SHLD-3) */
    sock->rx_memory = 0;
    if (queued)
        return;
    sock->flags &= ~TN_SOCK_QUEUED;
    tn_socket_release(stack, sock);
}

void tn_core_socket_close(struct tn_self *self, struct tn_socket *sock)
{
    tn_socket_end(self->stack, sock, false);
}
