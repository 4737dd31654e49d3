/* sockets.c: the life of sockets, and how packets find them.
 *
 * A record has two holders: the user, until TN_SOCK_CLOSED, and the transport, until TN_SOCK_FREED. Whoever
 * lets go last frees it. While a socket is on the list of those with events (TN_SOCK_QUEUED), which it also
 * is while its user's callbacks run, the record stays, so a callback may close any socket, its own included.
 */
#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>

#include "dispatch.h"
#include "flow.h"

int tn_sockets_init(struct tn_stack *stack)
{
    struct tn_sockets *sockets = calloc(1, sizeof(*sockets));
    if (!sockets)
        return -ENOMEM;
    sockets->limit = stack->plan->limits.sockets;
    sockets->next_ephemeral = (uint32_t)tn_rng_next(&stack->rng);
    sockets->fds = calloc(sockets->limit, sizeof(*sockets->fds)); /* touched only as descriptors are opened */
    int error = sockets->fds ? tn_htab_init(&sockets->connections) : -ENOMEM;
    if (error == 0) {
        error = tn_ports_init(sockets, sockets->limit);
        if (error < 0)
            tn_htab_destroy(&sockets->connections);
    }
    if (error < 0) {
        free(sockets->fds);
        free(sockets);
        return error;
    }
    stack->sockets = sockets;
    error = tn_flows_init(stack);
    if (error == 0)
        error = tn_slab_init(&sockets->accepting, "listeners", sizeof(struct tn_accepting), sockets->limit);
    if (error == 0)
        error = tn_slab_init(&sockets->waiting, "waiting", sizeof(struct tn_waiting), sockets->limit);
    if (error < 0)
        tn_sockets_destroy(stack);
    return error;
}

void tn_sockets_destroy(struct tn_stack *stack)
{
    struct tn_sockets *sockets = stack->sockets;
    if (!sockets)
        return;
    for (struct tn_socket_slab *s = sockets->slabs, *next; s; s = next) {
        next = s->next;
        for (void *record = NULL; (record = tn_slab_next(&s->slab, record));) {
            struct tn_socket *sock = record;
            tn_queue_purge(stack, &sock->rx);
            tn_queue_purge(stack, &sock->tx);
        }
        tn_slab_destroy(&s->slab);
        free(s);
    }
    tn_flows_destroy(stack);
    tn_slab_destroy(&sockets->accepting);
    tn_slab_destroy(&sockets->waiting);
    tn_ports_destroy(sockets);
    tn_htab_destroy(&sockets->connections);
    free(sockets->fds);
    free(sockets);
    stack->sockets = NULL;
}

/* ---- Queues ---- */

void tn_queue_purge(struct tn_stack *stack, struct tn_packet_queue *queue)
{
    struct tn_packet *packet;
    while ((packet = tn_queue_take(queue)))
        tn_packet_free(&stack->pool, packet);
}

void tn_queue_consume(struct tn_stack *stack, struct tn_packet_queue *queue, size_t bytes)
{
    while (bytes > 0 && queue->head) {
        struct tn_packet *head = queue->head;
        if (head->len > bytes) {
            tn_packet_pull(head, bytes);
            queue->bytes -= (uint32_t)bytes;
            return;
        }
        bytes -= head->len;
        tn_packet_free(&stack->pool, tn_queue_take(queue));
    }
}

/* ---- Birth ---- */

struct tn_slot *tn_transport_find(struct tn_stack *stack, uint8_t family, uint8_t protocol)
{
    const struct tn_dispatch_entry *entry = tn_dispatch_find(stack, TN_TABLE_IPPROTO, family, protocol);
    return entry && entry->slot && entry->slot->self.plugin->transport ? entry->slot : NULL;
}

/* The slab of a transport, made when its first socket is. */
static struct tn_socket_slab *slab_of(struct tn_sockets *sockets, struct tn_slot *transport)
{
    for (struct tn_socket_slab *s = sockets->slabs; s; s = s->next)
        if (s->transport == transport->self.slot)
            return s;
    struct tn_socket_slab *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    const struct tn_transport_ops *ops = transport->self.plugin->transport;
    size_t size = sizeof(struct tn_socket) + ops->socket_size;
    if (ops->type == SOCK_DGRAM) {
        s->datagram_at = (size + alignof(struct tn_datagram) - 1) / alignof(struct tn_datagram) *
                         alignof(struct tn_datagram);
        size = s->datagram_at + sizeof(struct tn_datagram);
    }
    if (tn_slab_init(&s->slab, transport->name, size, sockets->limit) < 0) {
        free(s);
        return NULL;
    }
    s->transport = transport->self.slot;
    s->next = sockets->slabs;
    sockets->slabs = s;
    return s;
}

struct tn_socket *tn_socket_new(struct tn_stack *stack, struct tn_slot *transport, uint8_t family,
                                uint8_t protocol)
{
    struct tn_sockets *sockets = stack->sockets;
    struct tn_socket_slab *slab = slab_of(sockets, transport);
    struct tn_socket *sock = slab && sockets->count < sockets->limit ? tn_slab_alloc(&slab->slab) : NULL;
    if (!sock) {
        tn_core_self(stack)->counters[TN_CORE_SOCKET_LIMIT]++;
        return NULL;
    }
    sockets->count++;
    sock->slab = slab;
    sock->family = family;
    sock->protocol = protocol;
    sock->type = transport->self.plugin->transport->type;
    sock->transport = transport->self.slot;
    sock->owner = TN_SLOT_NONE;
    sock->fd = -1;
    sock->id = ++sockets->last_id;
    sock->rcvbuf = TN_SOCKET_QUEUE_DEFAULT;
    sock->sndbuf = TN_SOCKET_QUEUE_DEFAULT;
    return sock;
}

/* ---- Death ---- */

static void slab_put(struct tn_sockets *sockets, struct tn_socket_slab *slab)
{
    if (slab->transport != TN_SLOT_NONE || slab->slab.used > 0 || sockets->walkers > 0)
        return;
    struct tn_socket_slab **link = &sockets->slabs;
    while (*link != slab)
        link = &(*link)->next;
    *link = slab->next;
    tn_slab_destroy(&slab->slab);
    free(slab);
}

bool tn_socket_wait(struct tn_stack *stack, struct tn_socket *child, struct tn_socket *listener)
{
    struct tn_accepting *queue = listener->accepts;
    struct tn_waiting *waiting = tn_slab_alloc(&stack->sockets->waiting);
    if (!waiting)
        return false;
    *waiting = (struct tn_waiting){.child = child, .listener = listener, .link = queue->end};
    *queue->end = waiting;
    queue->end = &waiting->next;
    queue->count++;
    child->waits = waiting;
    child->flags |= TN_SOCK_PENDING;
    return true;
}

void tn_socket_unparent(struct tn_stack *stack, struct tn_socket *child)
{
    if (!(child->flags & TN_SOCK_PENDING))
        return;
    struct tn_waiting *waiting = child->waits;
    struct tn_accepting *queue = waiting->listener->accepts;
    *waiting->link = waiting->next;
    *(waiting->next ? &waiting->next->link : &queue->end) = waiting->link;
    queue->count--;
    tn_slab_free(&stack->sockets->waiting, waiting);
    child->user = NULL;
    child->flags &= ~TN_SOCK_PENDING;
}

void tn_socket_release(struct tn_stack *stack, struct tn_socket *sock)
{
    const uint32_t both = TN_SOCK_CLOSED | TN_SOCK_FREED;
    if ((sock->flags & both) != both || (sock->flags & TN_SOCK_QUEUED))
        return;
    struct tn_socket_slab *slab = sock->slab;
    if ((sock->flags & TN_SOCK_LISTENING) && sock->accepts)
        tn_slab_free(&stack->sockets->accepting, sock->accepts);
    tn_queue_purge(stack, &sock->rx);
    stack->sockets->count--;
    tn_slab_free(&slab->slab, sock);
    slab_put(stack->sockets, slab);
}

void tn_core_socket_free(struct tn_self *self, struct tn_socket *sock)
{
    struct tn_stack *stack = self->stack;
    if (sock->flags & TN_SOCK_FREED)
        return;
    tn_tuple_remove(stack, sock);
    tn_port_release(stack, sock);
    tn_queue_purge(stack, &sock->tx);
    sock->flags |= TN_SOCK_FREED;
    if (sock->flags & TN_SOCK_PENDING) { /* no user has seen it */
        tn_socket_unparent(stack, sock);
        sock->flags |= TN_SOCK_CLOSED;
    }
    tn_socket_release(stack, sock);
}

/* ---- Events ---- */

void tn_socket_enqueue(struct tn_stack *stack, struct tn_socket *sock)
{
    struct tn_sockets *sockets = stack->sockets;
    if (sock->flags & TN_SOCK_QUEUED)
        return;
    sock->flags |= TN_SOCK_QUEUED;
    sock->event_next = NULL;
    if (sockets->event_head)
        sockets->event_tail->event_next = sock;
    else
        sockets->event_head = sock;
    sockets->event_tail = sock;
}

void tn_socket_raise(struct tn_stack *stack, struct tn_socket *sock, unsigned events)
{
    if (sock->flags & (TN_SOCK_CLOSED | TN_SOCK_PENDING))
        return; /* nobody to tell; what a child has is looked up when it is accepted */
    sock->events |= (uint8_t)events;
    tn_socket_enqueue(stack, sock);
}

int tn_socket_take_error(struct tn_socket *sock)
{
    int error = sock->error;
    sock->error = 0;
    return -error;
}

/* ---- Look-up ---- */

TN_APART static struct tn_socket *look_up(struct tn_self *self, const struct tn_packet *packet)
{
    const struct tn_tuple tuple = tn_packet_tuple(self, packet);
    struct tn_socket *sock = tn_tuple_find(self->stack, &tuple);
    return sock ? sock : tn_port_taker(self->stack, &tuple, packet->ifindex);
}

/* The two that were found last are looked at before a tuple is made: packets often come for the same socket in a row. */
struct tn_socket *tn_core_socket_lookup(struct tn_self *self, const struct tn_packet *packet)
{
    const struct tn_sockets *sockets = self->stack->sockets;
    if (sockets->tuples[self->slot] == 0) {
        if (tn_likely(tn_port_is_recent(sockets, self->slot, packet)))
            return sockets->recent_taker.sock;
    } else if (sockets->recent && tn_tuple_is(sockets->recent, self->slot, packet)) {
        return sockets->recent;
    }
    return look_up(self, packet);
}

struct tn_socket *tn_core_socket_lookup_tuple(struct tn_self *self, uint8_t family, uint16_t vrf,
                                              const struct tn_addr *local, uint16_t local_port,
                                              const struct tn_addr *remote, uint16_t remote_port)
{
    const struct tn_tuple tuple = {
        .local = *local,
        .remote = *remote,
        .local_port = local_port,
        .remote_port = remote_port,
        .vrf = vrf,
        .transport = self->slot,
        .family = family,
    };
    return tn_tuple_find(self->stack, &tuple);
}

/* ---- All of them ---- */

void tn_core_socket_each(struct tn_self *self,
                         void (*each)(struct tn_self *self, struct tn_socket *sock, void *arg), void *arg)
{
    struct tn_socket_slab *s = self->stack->sockets->slabs;
    while (s && s->transport != self->slot)
        s = s->next;
    if (!s)
        return;
    for (void *record = NULL; (record = tn_slab_next(&s->slab, record));) {
        struct tn_socket *sock = record;
        if (!(sock->flags & TN_SOCK_FREED))
            each(self, sock, arg);
    }
}

void tn_sockets_each_while(struct tn_stack *stack, bool (*each)(void *context, struct tn_socket *sock),
                           void *context)
{
    struct tn_sockets *sockets = stack->sockets;
    const uint32_t both = TN_SOCK_CLOSED | TN_SOCK_FREED;
    bool going = true;
    sockets->walkers++;
    for (struct tn_socket_slab *s = sockets->slabs; s && going; s = s->next) {
        for (void *record = NULL; going && (record = tn_slab_next(&s->slab, record));) {
            struct tn_socket *sock = record;
            if ((sock->flags & both) != both)
                going = each(context, sock);
        }
    }
    sockets->walkers--;
    for (struct tn_socket_slab *s = sockets->slabs, *next; s; s = next) {
        next = s->next;
        slab_put(sockets, s);
    }
}

struct each_call {
    void (*each)(void *context, struct tn_socket *sock);
    void *context;
};

static bool call_each(void *context, struct tn_socket *sock)
{
    const struct each_call *call = context;
    call->each(call->context, sock);
    return true;
}

void tn_sockets_each(struct tn_stack *stack, void (*each)(void *context, struct tn_socket *sock),
                     void *context)
{
    struct each_call call = {.each = each, .context = context};
    tn_sockets_each_while(stack, call_each, &call);
}

size_t tn_sockets_count(const struct tn_stack *stack)
{
    return stack->sockets->count;
}
