/* socket_user.c: opening, binding, listening, connecting and closing, for services and embedders alike.
 *
 * Errors are those of Linux, in the order in which Linux looks for them: a pending error first (told once),
 * then the state, then the arguments. */
#include <errno.h>

#include "address.h"
#include "flow.h"
#include "group.h"

static const struct tn_addr any_address;

/* ---- Opening ---- */

/* The transport for new sockets. Protocol 0 is the first transport of that type. */
static int find_transport(struct tn_stack *stack, uint8_t family, uint8_t type, uint8_t *protocol,
                          struct tn_slot **found)
{
    bool any = *protocol == 0;
    for (unsigned p = any ? 1 : *protocol, last = any ? 255 : *protocol; p <= last; p++) {
        struct tn_slot *slot = tn_transport_find(stack, family, (uint8_t)p);
        const struct tn_transport_ops *ops = slot ? slot->self.plugin->transport : NULL;
        if (ops && ops->type == type && !(any && ops->by_number_only)) {
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

/* ---- Binding and listening ---- */

static bool may_bind(struct tn_stack *stack, const struct tn_socket *sock, const struct tn_addr *addr)
{
    uint16_t ifindex;
    if (tn_addr_is_zero(addr))
        return true;
    enum tn_local kind = tn_address_kind_in(stack, sock->family, sock->vrf, addr, &ifindex);
    enum tn_addr_class class = tn_core_address_class(tn_core_self(stack), sock->family, addr);
    if (kind == TN_LOCAL_UNICAST || class == TN_ADDR_LOOPBACK)
        return true;
    bool many = kind != TN_LOCAL_NONE || class == TN_ADDR_BROADCAST || class == TN_ADDR_MULTICAST;
    return many && sock->type == SOCK_DGRAM; /* to receive what is sent there */
}

int tn_socket_bind(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *addr, uint16_t port)
{
    if (sock->port || (sock->flags & (TN_SOCK_ABORTED | TN_SOCK_FREED)))
        return -EINVAL;
    int error = tn_port_bind(stack, sock, addr, port);
    if (error == 0 && sock->type == SOCK_DGRAM) {
        tn_socket_datagram(sock)->bound = *addr;
        tn_port_take(stack, sock);
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

/* The port's part, and the accept queue. */
static int begin_to_listen(struct tn_stack *stack, struct tn_socket *sock, uint32_t backlog)
{
    struct tn_accepting *accepts = tn_slab_alloc(&stack->sockets->accepting);
    if (!accepts)
        return -ENOBUFS;
    int error = tn_port_listen(stack, sock);
    if (error < 0) {
        tn_slab_free(&stack->sockets->accepting, accepts);
        return error;
    }
    accepts->end = &accepts->first;
    accepts->backlog = backlog;
    sock->accepts = accepts;
    return 0;
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
    uint32_t length = backlog < 0 || (uint32_t)backlog >= most ? most : (uint32_t)backlog + 1;
    if (sock->flags & TN_SOCK_LISTENING) {
        sock->accepts->backlog = length;
        return 0;
    }
    int error = sock->port ? 0 : tn_port_bind(stack, sock, &sock->local, 0);
    if (error == 0)
        error = begin_to_listen(stack, sock, length);
    if (error < 0)
        return error;
    const struct tn_transport_ops *ops = transport->plugin->transport;
    error = ops->listen ? ops->listen(transport, sock) : -EOPNOTSUPP;
    if (error < 0) {
        tn_port_unlisten(stack, sock);
        tn_slab_free(&stack->sockets->accepting, sock->accepts);
        sock->accepts = NULL;
    }
    return error;
}

struct tn_socket *tn_socket_accept(struct tn_stack *stack, struct tn_socket *listener)
{
    struct tn_socket *child = listener->accepts->first ? listener->accepts->first->child : NULL;
    if (!child)
        return NULL;
    tn_socket_unparent(stack, child);
    unsigned events = 0;
    if (child->rx.packets > 0 || (child->flags & TN_SOCK_EOF))
        events |= TN_EVENT_READABLE;
    if (child->flags & TN_SOCK_ABORTED)
        events |= TN_EVENT_HANGUP | (child->error ? TN_EVENT_ERROR : 0);
    if (events)
        tn_socket_raise(stack, child, events);
    return child;
}

/* ---- Connecting ---- */

/* Whether there is no flow of this tuple, or one that makes room for the socket. */
static bool flow_yields(struct tn_stack *stack, const struct tn_socket *sock, const struct tn_tuple *tuple)
{
    const struct tn_flow *flow = tn_flow_find(stack, tuple);
    struct tn_self *transport = tn_socket_transport(stack, sock);
    const struct tn_transport_ops *ops = transport->plugin->transport;
    return !flow || (ops->flow_yields && ops->flow_yields(transport, flow));
}

/* Takes the local end `src` for the connection to the remote end that is set: a port of its own if none is
 * bound. */
static int take_local_end(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *src)
{
    if (!sock->port)
        return tn_port_connect(stack, sock, src);
    struct tn_tuple tuple = tn_socket_tuple(sock);
    tuple.local = *src;
    if (sock->type == SOCK_STREAM && (tn_tuple_find(stack, &tuple) || !flow_yields(stack, sock, &tuple)))
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
    struct tn_addr src = tn_socket_source(stack, sock);
    bool bound = sock->port != NULL, chosen = tn_addr_is_zero(&src);
    if (sock->vrf == TN_VRF_ANY && bound) /* a connection is in one */
        return -EINVAL;
    sock->vrf = tn_socket_vrf(sock);
    int error = tn_socket_find_path(stack, sock, sock->vrf, &src, addr);
    if (error < 0)
        return error;
    if (sock->type == SOCK_DGRAM)
        tn_socket_remember_path(sock, sock->vrf, &src, addr, chosen);
    sock->remote = *addr;
    sock->remote_port = port;
    error = take_local_end(stack, sock, &src);
    if (error == 0) {
        tn_port_untake(stack, sock); /* from now on it takes what comes from there alone */
        tn_tuple_insert(stack, sock);
        sock->flags |= sock->type == SOCK_STREAM ? TN_SOCK_CONNECTING : TN_SOCK_CONNECTED;
        const struct tn_transport_ops *ops = transport->plugin->transport;
        error = ops->connect ? ops->connect(transport, sock) : 0;
    }
    if (error < 0) {
        give_local_end_back(stack, sock, &old, bound);
        if (sock->type == SOCK_DGRAM && sock->port)
            tn_port_take(stack, sock);
    }
    return error;
}

void tn_socket_disconnect(struct tn_stack *stack, struct tn_socket *sock)
{
    if (!(sock->flags & TN_SOCK_CONNECTED))
        return;
    bool bound = (sock->flags & TN_SOCK_BOUND) != 0;
    give_local_end_back(stack, sock, bound ? &tn_socket_datagram(sock)->bound : &any_address, bound);
    if (sock->port)
        tn_port_take(stack, sock);
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

/* ---- Ending ---- */

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
            tn_socket_send_ready(stack, sock);
        if ((sock->flags & TN_SOCK_EOF) && sock->tx.bytes == 0)
            tn_socket_raise(stack, sock, TN_EVENT_HANGUP);
    }
    return 0;
}

/* Connections that nobody will accept are reset. */
static void abort_children(struct tn_stack *stack, struct tn_socket *listener)
{
    while (listener->accepts->first) {
        struct tn_socket *child = listener->accepts->first->child;
        tn_socket_unparent(stack, child);
        tn_socket_end(stack, child, true);
    }
}

void tn_socket_end(struct tn_stack *stack, struct tn_socket *sock, bool abort)
{
    if (sock->flags & TN_SOCK_CLOSED)
        return;
    sock->flags |= TN_SOCK_CLOSED;
    sock->events = 0;
    if (!(sock->flags & TN_SOCK_LISTENING))
        sock->user = NULL;
    sock->owner = TN_SLOT_NONE;
    sock->fd = -1;
    tn_port_untake(stack, sock);
    tn_group_leave_all(stack, sock);
    if (sock->flags & TN_SOCK_LISTENING)
        abort_children(stack, sock);
    bool queued = (sock->flags & TN_SOCK_QUEUED) != 0;
    sock->flags |= TN_SOCK_QUEUED; /* holds the record while the transport closes it */
    struct tn_self *transport = tn_socket_transport(stack, sock);
    if (transport)
        transport->plugin->transport->close(transport, sock, abort || (sock->flags & TN_SOCK_LINGER0));
    tn_queue_purge(stack, &sock->rx); /* only now: unread data matters to it (RFC 9293 SHLD-3) */
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
