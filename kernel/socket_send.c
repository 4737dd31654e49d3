/* socket_send.c: putting data into a stream's send queue, and sending datagrams.
 *
 * Small writes go behind the bytes of the last packet in the queue, so that many of them share a buffer. The
 * transport has clones of that packet on their way out, which refer to the same buffer; that is harmless,
 * because a clone covers a range of earlier bytes, and bytes behind it are nobody's until they are appended
 * here. It would not be harmless if two packets could append to one buffer. So a packet is appendable
 * (sock->tx_appendable) only if its buffer was its alone when it entered the queue; clones made since then
 * belong to the transport and to those below, who write into a buffer only when no other packet refers to it
 * (tn_packet_writable). */
#include <errno.h>

#include "socket_table.h"

/* Writes are stored in pieces: large ones in buffers of a super-frame's size, so that a super-frame has few pieces; others in
 * buffers of an Ethernet frame's. */
#define SEND_PIECE       1500
#define SEND_LARGE_PIECE 65536
#define SEND_LARGE_LEAST (SEND_LARGE_PIECE / 4) /* less would leave most of a large buffer empty */

static const struct tn_addr any_address;

/* ---- Streams ---- */

/* 0, or why this stream takes no data. */
static int stream_may_send(const struct tn_stack *stack, struct tn_socket *sock)
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
    if (tn_socket_tx_room(sock) == 0 || tn_socket_must_wait(stack, sock)) {
        sock->flags |= TN_SOCK_WANT_WRITE;
        return -EAGAIN;
    }
    return 0;
}

/* A user that has filled the queue is told when there is room again, whether it tries to write more or not. */
static void want_write_if_full(const struct tn_stack *stack, struct tn_socket *sock)
{
    if (tn_socket_tx_room(sock) == 0 || tn_socket_must_wait(stack, sock))
        sock->flags |= TN_SOCK_WANT_WRITE;
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

/* An empty packet for some of the `len` bytes that are to be stored. */
static struct tn_packet *new_piece(struct tn_stack *stack, size_t len)
{
    struct tn_packet *packet = NULL;
    if (len >= SEND_LARGE_LEAST)
        packet = tn_packet_new(&stack->pool, tn_min(len, SEND_LARGE_PIECE));
    if (!packet)
        packet = tn_packet_new(&stack->pool, tn_min(len, SEND_PIECE));
    if (packet)
        tn_packet_trim(packet, 0);
    return packet;
}

/* Copies bytes to the end of the send queue; how many, less than `len` only when the pool is exhausted. */
static size_t stream_append(struct tn_stack *stack, struct tn_socket *sock, const uint8_t *bytes, size_t len)
{
    size_t done = 0;
    while (done < len) {
        if (tail_room(sock) == 0) {
            if (tn_socket_must_wait(stack, sock))
                break;
            struct tn_packet *packet = new_piece(stack, len - done);
            if (!packet)
                break;
            tn_queue_append(&sock->tx, packet);
            sock->tx_appendable = true;
        }
        size_t part = tn_min(len - done, tail_room(sock));
        tail_append(sock, bytes + done, part);
        done += part;
    }
    return done;
}

void tn_socket_send_ready(struct tn_stack *stack, struct tn_socket *sock)
{
    struct tn_self *transport = tn_socket_transport(stack, sock);
    if (transport && transport->plugin->transport->send_ready)
        transport->plugin->transport->send_ready(transport, sock);
}

/* What the user has said of the data that was appended. */
static void stream_mark(struct tn_stack *stack, struct tn_socket *sock, bool all, int flags)
{
    struct tn_self *transport = tn_socket_transport(stack, sock);
    sock->flags = flags & MSG_MORE ? sock->flags | TN_SOCK_MORE : sock->flags & ~TN_SOCK_MORE;
    if ((flags & MSG_OOB) && all && transport->plugin->transport->urgent_sent)
        transport->plugin->transport->urgent_sent(transport, sock);
}

ssize_t tn_socket_send_stream(struct tn_stack *stack, struct tn_socket *sock, struct tn_pieces *from,
                              int flags)
{
    int error = stream_may_send(stack, sock);
    if (error < 0)
        return error;
    if (from->left == 0)
        return 0;
    size_t room = tn_socket_tx_room(sock), done = 0;
    while (from->left > 0 && done < room) {
        size_t len;
        const void *bytes = tn_pieces_first(from, &len);
        len = tn_min(len, room - done);
        size_t part = stream_append(stack, sock, bytes, len);
        tn_pieces_advance(from, part);
        done += part;
        if (part < len)
            break;
    }
    if (done == 0)
        return -ENOBUFS;
    want_write_if_full(stack, sock);
    stream_mark(stack, sock, from->left == 0, flags);
    tn_socket_send_ready(stack, sock);
    return (ssize_t)done;
}

/* One piece becomes the end of the send queue: as it is, or by copying if its buffer would be mostly empty. One whose buffer
 * others hold too (a pattern that is sent again and again) is copied only where that is cheap: nothing is freed by it. */
static void stream_give_piece(struct tn_stack *stack, struct tn_socket *sock, struct tn_packet *piece)
{
    size_t len = piece->len, size = piece->buffer->size;
    struct tn_packet *packet = piece;
    if (!tn_packet_writable(piece))
        size = tn_min(size, SEND_PIECE);
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
    int error = stream_may_send(stack, sock);
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
    want_write_if_full(stack, sock);
    tn_socket_send_ready(stack, sock);
    return 0;
}

/* ---- Datagrams ---- */

/* Bytes of headers that go before a datagram. */
static size_t datagram_headers(const struct tn_stack *stack, const struct tn_socket *sock)
{
    const struct tn_self *transport = tn_socket_transport(stack, sock);
    const struct tn_slot *network = stack->dispatch.family[sock->family].slot;
    return (transport ? transport->plugin->transport->header_size : 0u) +
           (network ? network->self.plugin->network->header_size : 0u);
}

/* Whether it fits the path with its headers; for most, one look at the most that there can be is enough. */
static bool datagram_fits(const struct tn_stack *stack, const struct tn_socket *sock,
                          const struct tn_packet *packet, const struct tn_path *path)
{
    return tn_likely(packet->total + TN_HEADROOM <= path->mtu) ||
           packet->total + datagram_headers(stack, sock) <= path->mtu;
}

/* Whether it may be fragmented (IP_MTU_DISCOVER), where the socket has a will of its own. The path that it takes: *own where the
 * socket heeds the interface's MTU alone. */
TN_APART static const struct tn_path *obey_socket(struct tn_stack *stack, const struct tn_socket *sock,
                                                  struct tn_packet *packet, const struct tn_path *path,
                                                  struct tn_path *own)
{
    const struct tn_ifc *ifc = tn_interface_at(stack, path->ifindex);
    if (sock->mtu_discover >= TN_MTU_DO)
        packet->flags |= TN_PKT_DONT_FRAGMENT;
    if (sock->mtu_discover != TN_MTU_PROBE || path->kind == TN_PATH_LOCAL || !ifc)
        return path;
    *own = *path;
    own->mtu = (uint16_t)tn_min(ifc->pub.mtu, UINT16_MAX);
    own->mtu_floor = false;
    return own;
}

/* RFC 1112 §6.1: multicasts stay on the link unless their sender says otherwise. */
TN_APART static void set_multicast(struct tn_socket *sock, struct tn_packet *packet)
{
    const struct tn_datagram *d = tn_socket_datagram(sock);
    packet->ttl = d->multicast_ttl ? d->multicast_ttl : 1;
    if (d->multicast_silent)
        packet->flags |= TN_PKT_NO_LOOP;
}

/* Where a datagram comes from and goes to. */
struct ends {
    const struct tn_addr *src, *dst; /* not in the packet itself */
    uint16_t port;                   /* of dst */
    uint16_t vrf;
};

/* Hands the payload, with the socket's settings, to the transport. Consumes it. */
static inline int datagram_along(struct tn_stack *stack, struct tn_self *transport, struct tn_socket *sock,
                                 struct tn_packet *packet, struct ends ends, const struct tn_path *path)
{
    struct tn_path own;
    packet->flags = 0;
    packet->checksum = TN_CHECKSUM_UNKNOWN;
    packet->gso = TN_GSO_NONE;
    packet->family = sock->family;
    packet->protocol = sock->protocol;
    packet->vrf = ends.vrf;
    packet->tos = sock->tos;
    packet->ttl = sock->ttl;
    packet->src = *ends.src;
    packet->dst = *ends.dst;
    packet->src_port = sock->local_port;
    packet->dst_port = ends.port;
    if (tn_unlikely(path->kind == TN_PATH_MULTICAST))
        set_multicast(sock, packet);
    if (tn_unlikely(sock->mtu_discover != TN_MTU_WANT))
        path = obey_socket(stack, sock, packet, path, &own);
    else if (datagram_fits(stack, sock, packet, path))
        packet->flags |= TN_PKT_DONT_FRAGMENT;
    return transport->plugin->transport->send_datagram(transport, sock, packet, path);
}

TN_RARE static int refuse_datagram(struct tn_stack *stack, struct tn_packet *packet, int error)
{
    tn_packet_free(&stack->pool, packet);
    return error;
}

int tn_core_socket_send_along(struct tn_self *self, struct tn_socket *sock, struct tn_packet *packet,
                              const struct tn_addr *src, const struct tn_addr *dst, uint16_t port,
                              const struct tn_path *path)
{
    const struct ends ends = {.src = src, .dst = dst, .port = port, .vrf = tn_socket_vrf(sock)};
    struct tn_self *transport = tn_socket_transport(self->stack, sock);
    if (!transport)
        return refuse_datagram(self->stack, packet, -ENETDOWN);
    return datagram_along(self->stack, transport, sock, packet, ends, path);
}

/* A port for a socket that sends before it was bound. */
TN_APART static int bind_to_send(struct tn_stack *stack, struct tn_socket *sock)
{
    int error = tn_port_bind(stack, sock, &any_address, 0);
    if (error == 0)
        tn_port_take(stack, sock);
    return error;
}

/* Sends the payload in `vrf` to (dst, port), from `src` or, if that is no address, from where the path begins. Consumes it. */
TN_APART static int datagram_output(struct tn_stack *stack, struct tn_socket *sock, struct tn_packet *packet,
                                    uint16_t vrf, struct tn_addr src, const struct tn_addr *dst,
                                    uint16_t port)
{
    struct tn_self *transport = tn_socket_transport(stack, sock);
    const struct tn_addr to = *dst;
    int error = transport ? tn_socket_path_to(stack, sock, vrf, &src, &to) : -ENETDOWN;
    if (!sock->port && error == 0)
        error = bind_to_send(stack, sock);
    if (error < 0)
        return refuse_datagram(stack, packet, error);
    const struct ends ends = {.src = &src, .dst = &to, .port = port, .vrf = vrf};
    return datagram_along(stack, transport, sock, packet, ends, &sock->path);
}

/* 0, or why nothing can be sent on this datagram socket. */
static int datagram_may_send(struct tn_socket *sock)
{
    int error = tn_socket_take_error(sock);
    if (error < 0)
        return error;
    return sock->flags & (TN_SOCK_SHUT_SEND | TN_SOCK_ABORTED | TN_SOCK_FREED) ? -EPIPE : 0;
}

/* Sends with the message's own time to live and type of service, if it has them. */
static int departure_output(struct tn_stack *stack, struct tn_socket *sock, struct tn_packet *packet,
                            const struct tn_departure *departure)
{
    const uint8_t ttl = sock->ttl, tos = sock->tos;
    struct tn_addr src = tn_addr_is_zero(&departure->src) ? tn_socket_source(stack, sock) : departure->src;
    if (departure->ttl)
        sock->ttl = departure->ttl;
    if (departure->has_tos)
        sock->tos = departure->tos;
    int error = datagram_output(stack, sock, packet, tn_socket_vrf(sock), src, &departure->to.addr,
                                departure->to.port);
    sock->ttl = ttl;
    sock->tos = tos;
    return error;
}

ssize_t tn_socket_send_to(struct tn_stack *stack, struct tn_socket *sock, struct tn_pieces *from,
                          const struct tn_departure *departure)
{
    struct tn_departure to = *departure;
    size_t len = from->left;
    if (len > 65535 - datagram_headers(stack, sock))
        return -EMSGSIZE;
    int error = datagram_may_send(sock);
    if (error < 0)
        return error;
    if (!to.named && !(sock->flags & TN_SOCK_CONNECTED))
        return -EDESTADDRREQ;
    if (!to.named)
        to.to = (struct tn_origin){.addr = sock->remote, .port = sock->remote_port};
    struct tn_packet *packet = tn_packet_new(&stack->pool, len);
    if (!packet)
        return -ENOBUFS;
    tn_pieces_gather(from, packet->data);
    packet->serial = stack->trace_cause;
    error = departure_output(stack, sock, packet, &to);
    return error < 0 ? error : (ssize_t)len;
}

/* From the address that was asked, unless that is not one to speak from (RFC 1122 §4.1.3.5). */
TN_APART static int answer_anew(struct tn_stack *stack, struct tn_socket *sock, const struct tn_packet *to,
                                struct tn_packet *packet)
{
    bool many = (to->flags & (TN_PKT_BROADCAST | TN_PKT_MULTICAST)) != 0;
    struct tn_addr src = many ? tn_socket_source(stack, sock) : to->dst;
    return datagram_output(stack, sock, packet, to->vrf, src, &to->src, to->src_port);
}

/* Most answers go the way of the last one. */
int tn_core_socket_reply(struct tn_self *self, struct tn_socket *sock, const struct tn_packet *to,
                         struct tn_packet *packet)
{
    struct tn_stack *stack = self->stack;
    struct tn_self *transport = tn_socket_transport(stack, sock);
    int error = sock->type == SOCK_DGRAM ? datagram_may_send(sock) : -EOPNOTSUPP;
    if (tn_unlikely(error < 0))
        return refuse_datagram(stack, packet, error);
    if (tn_unlikely((to->flags & (TN_PKT_BROADCAST | TN_PKT_MULTICAST)) || !transport || !sock->port ||
                    sock->path.kind != TN_PATH_UNICAST ||
                    !tn_socket_path_is(stack, sock, to->vrf, &to->dst, &to->src)))
        return answer_anew(stack, sock, to, packet);
    const struct tn_datagram *d = tn_socket_datagram(sock);
    const struct ends ends = {.src = &d->path_from, .dst = &d->path_to, .port = to->src_port, .vrf = to->vrf};
    return datagram_along(stack, transport, sock, packet, ends, &sock->path);
}

/* ---- Both ---- */

ssize_t tn_core_socket_send(struct tn_self *self, struct tn_socket *sock, const void *bytes, size_t len)
{
    struct iovec one = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct tn_pieces from = {.next = &one, .left = len};
    if (sock->type == SOCK_STREAM)
        return tn_socket_send_stream(self->stack, sock, &from, 0);
    return tn_socket_send_to(self->stack, sock, &from, &(struct tn_departure){.named = false});
}

uint32_t tn_core_socket_room(struct tn_self *self, struct tn_socket *sock)
{
    want_write_if_full(self->stack, sock);
    return tn_socket_must_wait(self->stack, sock) ? 0 : tn_socket_tx_room(sock);
}

int tn_core_socket_give(struct tn_self *self, struct tn_socket *sock, struct tn_packet *packet)
{
    struct tn_stack *stack = self->stack;
    if (sock->type == SOCK_STREAM)
        return stream_give(stack, sock, packet);
    int error = datagram_may_send(sock);
    if (error == 0 && !(sock->flags & TN_SOCK_CONNECTED))
        error = -EDESTADDRREQ;
    if (error < 0)
        return refuse_datagram(stack, packet, error);
    return datagram_output(stack, sock, packet, tn_socket_vrf(sock), tn_socket_source(stack, sock),
                           &sock->remote, sock->remote_port);
}
