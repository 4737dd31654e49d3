/* socket_events.c: telling users what happened, and what the core does with sockets for services.
 *
 * Sockets with events stand in a list. Once a batch it is worked off: services are called back, embedders'
 * callbacks run. What a callback causes (it writes, it closes, it accepts) may put further sockets, or the
 * same one, on the list: these get a second pass; what comes after that waits for the next batch, which then
 * follows at once, so that users who keep each other busy do not keep the stack from its packets.
 *
 * A callback may close any socket. The one being told stays on the list in name (TN_SOCK_QUEUED), so its
 * record stays; the others are looked at only when their own turn comes. */
#include <errno.h>
#include <poll.h>

#include "address.h"
#include "socket_table.h"

#define EVENT_PASSES 2

/* ---- Services ---- */

static bool is_open(const struct tn_socket *sock)
{
    return !(sock->flags & TN_SOCK_CLOSED);
}

/* Hands waiting connections over. Each is put on the list, so that its record outlives accepted(): a service
 * may look at a socket that it has just closed. */
TN_APART static void service_accept(struct tn_stack *stack, struct tn_self *service,
                                    struct tn_socket *listener)
{
    const struct tn_service_ops *ops = service->plugin->service;
    struct tn_socket *child;
    while (is_open(listener) && (child = tn_socket_accept(stack, listener))) {
        tn_socket_enqueue(stack, child);
        if (ops->accepted)
            ops->accepted(service, child);
    }
}

/* Both directions of a stream have ended and all that came was read. */
static bool is_finished(const struct tn_socket *sock)
{
    const uint32_t ended = TN_SOCK_EOF | TN_SOCK_SHUT_SEND;
    return (sock->flags & ended) == ended && sock->rx.bytes == 0 && sock->tx.bytes == 0;
}

TN_APART static void service_closed(struct tn_stack *stack, struct tn_self *service, struct tn_socket *sock)
{
    const struct tn_service_ops *ops = service->plugin->service;
    int error = -tn_socket_take_error(sock);
    if (ops->closed && !(sock->flags & TN_SOCK_LISTENING))
        ops->closed(service, sock, error);
    tn_socket_end(stack, sock, false);
}

static void tell_service(struct tn_stack *stack, struct tn_socket *sock, unsigned events)
{
    struct tn_self *service = &stack->slots[sock->owner]->self;
    const struct tn_service_ops *ops = service->plugin->service;
    if (!ops)
        return;
    if (tn_unlikely(events & TN_EVENT_ACCEPT))
        service_accept(stack, service, sock);
    if ((events & TN_EVENT_READABLE) && is_open(sock) && ops->readable)
        ops->readable(service, sock);
    if ((events & TN_EVENT_WRITABLE) && is_open(sock) && ops->writable)
        ops->writable(service, sock);
    if (tn_likely(!(events & TN_EVENT_HANGUP)) || !is_open(sock))
        return;
    if ((sock->flags & TN_SOCK_ABORTED) || is_finished(sock))
        service_closed(stack, service, sock);
}

/* ---- Embedders ---- */

TN_APART static void tell_embedder(struct tn_stack *stack, struct tn_socket *sock, unsigned events)
{
    const struct tn_descriptor *d = &stack->sockets->fds[sock->fd];
    short poll = 0;
    if (events & (TN_EVENT_READABLE | TN_EVENT_ACCEPT))
        poll |= POLLIN;
    if (events & TN_EVENT_WRITABLE)
        poll |= POLLOUT;
    if (events & TN_EVENT_ERROR)
        poll |= POLLERR;
    if (events & TN_EVENT_URGENT)
        poll |= POLLPRI;
    if (events & TN_EVENT_HANGUP)
        poll |= POLLHUP | POLLIN | POLLOUT; /* neither would block */
    if (d->ready && poll)
        d->ready(d->context, sock->fd, poll);
}

/* ---- Delivery ---- */

static void deliver_one(struct tn_stack *stack, struct tn_socket *sock)
{
    unsigned events = sock->events;
    sock->events = 0;
    if (!is_open(sock))
        return;
    if (sock->owner != TN_SLOT_NONE)
        tell_service(stack, sock, events);
    else if (sock->fd >= 0)
        tell_embedder(stack, sock, events);
    else
        tn_socket_end(stack, sock, true); /* it has no user */
}

/* The list as it is now; those that get events meanwhile begin a new one. */
static void deliver_pass(struct tn_stack *stack)
{
    struct tn_socket *sock = stack->sockets->event_head, *next;
    stack->sockets->event_head = NULL;
    for (; sock; sock = next) {
        deliver_one(stack, sock);
        next = sock->event_next;
        sock->flags &= ~TN_SOCK_QUEUED;
        if (tn_unlikely(sock->events) && is_open(sock))
            tn_socket_enqueue(stack, sock);
        else if (tn_unlikely(sock->flags & TN_SOCK_FREED))
            tn_socket_release(stack, sock);
    }
}

void tn_sockets_deliver_events(struct tn_stack *stack)
{
    for (int pass = 0; pass < EVENT_PASSES && stack->sockets->event_head; pass++)
        deliver_pass(stack);
}

bool tn_sockets_pending(const struct tn_stack *stack)
{
    return stack->sockets->event_head != NULL;
}

/* ---- Listeners of services ---- */

static int listen_in(struct tn_stack *stack, struct tn_slot *service, const struct tn_slot *transport,
                     uint8_t family, const struct tn_plan_listen *listen)
{
    struct tn_socket *sock;
    uint8_t type = transport->self.plugin->transport->type;
    int error = tn_socket_create(stack, service->self.slot, family, type, listen->protocol, &sock);
    if (error < 0)
        return error;
    /* A service that is started again must not wait for its old connections to leave TIME-WAIT. The address
     * need not be there yet: a reload may add it later. */
    if (type == SOCK_STREAM)
        tn_port_share(sock, true);
    sock->vrf = listen->vrf;
    error = tn_socket_bind(stack, sock, &listen->addr, listen->port);
    if (error == 0 && type == SOCK_STREAM)
        error = tn_socket_listen(stack, sock, -1);
    bool group = tn_core_address_class(tn_core_self(stack), family, &listen->addr) == TN_ADDR_MULTICAST;
    if (error == 0 && group)
        error = tn_socket_join_everywhere(stack, sock, &listen->addr);
    if (error < 0)
        tn_socket_end(stack, sock, true);
    return error;
}

/* A listener for an unspecified address is one socket in each family that there is. */
int tn_service_listen(struct tn_stack *stack, struct tn_slot *service, const struct tn_plan_listen *listen)
{
    int error = -EPROTONOSUPPORT;
    unsigned opened = 0;
    for (unsigned family = 1; family < TN_FAMILY_MAX; family++) {
        struct tn_slot *transport = tn_transport_find(stack, (uint8_t)family, listen->protocol);
        bool wanted = listen->family == 0 || listen->family == family;
        if (!wanted || !transport || !stack->dispatch.family[family].slot)
            continue;
        error = listen_in(stack, service, transport, (uint8_t)family, listen);
        if (error < 0)
            break;
        opened++;
    }
    if (error < 0 && opened > 0)
        (void)tn_service_unlisten(stack, service, listen);
    return error;
}

struct unlisten {
    struct tn_stack *stack;
    const struct tn_slot *service;
    const struct tn_plan_listen *listen;
    bool found;
};

static void unlisten_each(void *context, struct tn_socket *sock)
{
    struct unlisten *u = context;
    const struct tn_plan_listen *l = u->listen;
    bool waits = (sock->flags & TN_SOCK_LISTENING) || sock->type == SOCK_DGRAM;
    if (sock->owner != u->service->self.slot || !waits || sock->protocol != l->protocol ||
        sock->local_port != l->port || sock->vrf != l->vrf || !tn_addr_equal(&sock->local, &l->addr) ||
        (l->family != 0 && sock->family != l->family))
        return;
    u->found = true;
    tn_socket_end(u->stack, sock, false);
}

int tn_service_unlisten(struct tn_stack *stack, struct tn_slot *service, const struct tn_plan_listen *listen)
{
    struct unlisten u = {.stack = stack, .service = service, .listen = listen};
    tn_sockets_each(stack, unlisten_each, &u);
    return u.found ? 0 : -ENOENT;
}

/* ---- The end of a service or a transport ---- */

struct closing {
    struct tn_stack *stack;
    uint16_t slot;
};

static void close_owned(void *context, struct tn_socket *sock)
{
    const struct closing *c = context;
    if (sock->owner == c->slot && !(sock->flags & TN_SOCK_PENDING))
        tn_socket_end(c->stack, sock, true);
}

void tn_sockets_close_owner(struct tn_stack *stack, struct tn_slot *service)
{
    struct closing c = {.stack = stack, .slot = service->self.slot};
    tn_sockets_each(stack, close_owned, &c);
}

/* The socket's transport has ended it while its record was held by TN_SOCK_QUEUED, which it had of itself if `queued`. */
static void tell_end(struct tn_stack *stack, struct tn_socket *sock, bool queued)
{
    if (queued)
        return;
    sock->flags &= ~TN_SOCK_QUEUED;
    if (is_open(sock))
        tn_socket_raise(stack, sock, TN_EVENT_HANGUP | TN_EVENT_ERROR);
    else
        tn_socket_release(stack, sock);
}

static void end_transport(void *context, struct tn_socket *sock)
{
    const struct closing *c = context;
    if (sock->transport != c->slot)
        return;
    struct tn_self *transport = tn_socket_transport(c->stack, sock);
    bool pending = (sock->flags & TN_SOCK_PENDING) != 0;
    if (pending) { /* nobody has it: it goes as if its listener were closed */
        tn_socket_unparent(c->stack, sock);
        tn_socket_end(c->stack, sock, true);
        return;
    }
    bool queued = (sock->flags & TN_SOCK_QUEUED) != 0;
    sock->flags |= TN_SOCK_QUEUED;
    if (transport) {
        transport->plugin->transport->close(transport, sock, true);
        tn_core_socket_fail(transport, sock, ENETDOWN);
        tn_core_socket_free(transport, sock);
    }
    sock->transport = TN_SLOT_NONE;
    tell_end(c->stack, sock, queued);
}

/* ---- A lost address ---- */

struct lost {
    struct tn_stack *stack;
    struct tn_addr local;
    uint16_t vrf;
    uint8_t family;
};

static void abort_if_local(void *context, struct tn_socket *sock)
{
    const struct lost *lost = context;
    struct tn_self *transport = tn_socket_transport(lost->stack, sock);
    if (!transport || sock->type != SOCK_STREAM ||
        !(sock->flags & (TN_SOCK_CONNECTED | TN_SOCK_CONNECTING)) || sock->family != lost->family ||
        sock->vrf != lost->vrf || !tn_addr_equal(&sock->local, &lost->local))
        return;
    if (sock->flags & TN_SOCK_PENDING) {
        tn_socket_unparent(lost->stack, sock);
        tn_socket_end(lost->stack, sock, true);
        return;
    }
    bool queued = (sock->flags & TN_SOCK_QUEUED) != 0;
    sock->flags |= TN_SOCK_QUEUED; /* holds the record */
    transport->plugin->transport->close(transport, sock, true);
    tn_core_socket_fail(transport, sock, ECONNABORTED);
    tell_end(lost->stack, sock, queued);
}

void tn_sockets_abort_local(struct tn_stack *stack, uint8_t family, uint16_t vrf, const struct tn_addr *local)
{
    struct lost lost = {.stack = stack, .local = *local, .vrf = vrf, .family = family};
    tn_sockets_each(stack, abort_if_local, &lost);
}

void tn_sockets_close_transport(struct tn_stack *stack, struct tn_slot *transport)
{
    struct closing c = {.stack = stack, .slot = transport->self.slot};
    tn_sockets_each(stack, end_transport, &c);
    for (struct tn_socket_slab *s = stack->sockets->slabs; s; s = s->next)
        if (s->transport == c.slot)
            s->transport = TN_SLOT_NONE;
}
