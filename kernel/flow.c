/* flow.c: the life of flows.
 *
 * One table for all kinds, beside that of the sockets: a packet of an open connection never comes here. A kind has two slabs,
 * for addresses of 4 and of 16 bytes, so that a flow of IPv4 does not pay for IPv6. Behind the transport's record lies the
 * local address, then the remote one.
 *
 * A flow that takes the place of a socket holds the socket's local port (ports.c): ephemeral ports avoid it, and bind() sees
 * it. One that comes from a packet has no port to hold: its listener has it. */
#include "flow.h"

#include <errno.h>
#include <stdlib.h>

/* ---- Kinds ---- */

int tn_flows_init(struct tn_stack *stack)
{
    struct tn_flows *flows = calloc(1, sizeof(*flows));
    if (!flows)
        return -ENOMEM;
    int error = tn_htab_init(&flows->table);
    if (error < 0) {
        free(flows);
        return error;
    }
    stack->sockets->flows = flows;
    return 0;
}

static void kind_free(struct tn_flow_kind *kind)
{
    tn_slab_destroy(&kind->narrow);
    tn_slab_destroy(&kind->wide);
    free(kind);
}

void tn_flows_destroy(struct tn_stack *stack)
{
    struct tn_flows *flows = stack->sockets->flows;
    if (!flows)
        return;
    for (unsigned i = 0; i < TN_FLOW_KINDS; i++)
        if (flows->kinds[i])
            kind_free(flows->kinds[i]);
    tn_htab_destroy(&flows->table);
    free(flows);
    stack->sockets->flows = NULL;
}

int tn_core_flows_create(struct tn_self *self, const char *name, size_t size, size_t limit)
{
    struct tn_flows *flows = self->stack->sockets->flows;
    unsigned number = 0;
    while (number < TN_FLOW_KINDS && flows->kinds[number])
        number++;
    struct tn_flow_kind *kind = number < TN_FLOW_KINDS ? calloc(1, sizeof(*kind)) : NULL;
    if (!kind)
        return -ENOMEM;
    if (tn_slab_init(&kind->narrow, name, size + 2 * TN_FLOW_NARROW, limit) < 0 ||
        tn_slab_init(&kind->wide, name, size + 2 * TN_FLOW_WIDE, limit) < 0) {
        kind_free(kind);
        return -ENOMEM;
    }
    kind->size = size;
    kind->limit = (uint32_t)limit;
    kind->transport = self->slot;
    flows->kinds[number] = kind;
    return (int)number;
}

/* ---- Life ---- */

static struct tn_flow *flow_make(struct tn_self *self, unsigned number, const struct tn_tuple *tuple)
{
    struct tn_stack *stack = self->stack;
    struct tn_flow_kind *kind = stack->sockets->flows->kinds[number];
    unsigned size = tn_flow_address_size(tuple->family);
    struct tn_slab *slab = size == TN_FLOW_NARROW ? &kind->narrow : &kind->wide;
    struct tn_flow *flow = kind->used < kind->limit ? tn_slab_alloc(slab) : NULL;
    if (!flow)
        return NULL;
    kind->used++;
    flow->kind = (uint8_t)number;
    flow->family = tuple->family & 0xf;
    flow->vrf = tuple->vrf;
    flow->local_port = tuple->local_port;
    flow->remote_port = tuple->remote_port;
    memcpy(tn_flow_addresses(kind, flow), tuple->local.bytes, size);
    memcpy(tn_flow_addresses(kind, flow) + size, tuple->remote.bytes, size);
    tn_htab_insert(&stack->sockets->flows->table, tn_flow_node(flow), tn_tuple_hash(stack, tuple));
    flow->found = 1;
    return flow;
}

struct tn_flow *tn_core_flow_new(struct tn_self *self, unsigned kind, const struct tn_packet *packet)
{
    const struct tn_tuple tuple = tn_packet_tuple(self, packet);
    return flow_make(self, kind, &tuple);
}

struct tn_flow *tn_core_flow_of_socket(struct tn_self *self, unsigned kind, struct tn_socket *sock)
{
    const struct tn_tuple tuple = tn_socket_tuple(sock);
    struct tn_flow *flow = flow_make(self, kind, &tuple);
    if (flow && sock->port) {
        flow->held = 1;
        flow->shared = (sock->flags & TN_SOCK_REUSEADDR) != 0;
        tn_port_lend(sock);
    }
    return flow;
}

void tn_core_flow_hide(struct tn_self *self, struct tn_flow *flow)
{
    struct tn_stack *stack = self->stack;
    if (flow->found)
        tn_htab_remove(&stack->sockets->flows->table, tn_flow_node(flow));
    flow->found = 0;
    if (flow->held) {
        const struct tn_tuple tuple = tn_flow_tuple(stack, flow);
        tn_port_give_back(stack, &tuple, flow->shared);
    }
    flow->held = 0;
}

void tn_core_flow_free(struct tn_self *self, struct tn_flow *flow)
{
    struct tn_flow_kind *kind = tn_flow_kind_of(self->stack, flow);
    tn_core_flow_hide(self, flow);
    kind->used--;
    tn_slab_free(tn_flow_address_size(flow->family) == TN_FLOW_NARROW ? &kind->narrow : &kind->wide, flow);
}

static void free_all(struct tn_self *self, struct tn_slab *slab)
{
    for (void *record = NULL; (record = tn_slab_next(slab, record));)
        tn_core_flow_hide(self, record);
}

void tn_flows_close_transport(struct tn_stack *stack, const struct tn_slot *transport)
{
    struct tn_flows *flows = stack->sockets ? stack->sockets->flows : NULL;
    for (unsigned i = 0; flows && i < TN_FLOW_KINDS; i++) {
        struct tn_flow_kind *kind = flows->kinds[i];
        if (!kind || kind->transport != transport->self.slot)
            continue;
        free_all(tn_core_self(stack), &kind->narrow);
        free_all(tn_core_self(stack), &kind->wide);
        flows->kinds[i] = NULL;
        kind_free(kind);
    }
}

/* ---- What is known of one ---- */

void tn_core_flow_ends(struct tn_self *self, const struct tn_flow *flow, struct tn_addr *local,
                       struct tn_addr *remote)
{
    const struct tn_tuple tuple = tn_flow_tuple(self->stack, flow);
    *local = tuple.local;
    *remote = tuple.remote;
}

/* The lowest bit says which slab. */
uint32_t tn_core_flow_number(struct tn_self *self, const struct tn_flow *flow)
{
    const struct tn_flow_kind *kind = tn_flow_kind_of(self->stack, flow);
    bool wide = tn_flow_address_size(flow->family) == TN_FLOW_WIDE;
    const struct tn_slab *slab = wide ? &kind->wide : &kind->narrow;
    return (uint32_t)((size_t)((const uint8_t *)flow - slab->base) / slab->size * 2 + wide);
}

struct tn_flow *tn_core_flow_numbered(struct tn_self *self, unsigned kind, uint32_t number)
{
    const struct tn_flow_kind *k = self->stack->sockets->flows->kinds[kind];
    const struct tn_slab *slab = number & 1 ? &k->wide : &k->narrow;
    return (struct tn_flow *)(void *)(slab->base + (size_t)(number / 2) * slab->size);
}

/* ---- All of them ---- */

void tn_flows_each_while(struct tn_stack *stack,
                         bool (*each)(void *context, struct tn_slot *transport, struct tn_flow *flow),
                         void *context)
{
    struct tn_flows *flows = stack->sockets->flows;
    for (unsigned i = 0; i < TN_FLOW_KINDS; i++) {
        struct tn_flow_kind *kind = flows->kinds[i];
        if (!kind)
            continue;
        struct tn_slab *slabs[] = {&kind->narrow, &kind->wide};
        for (unsigned s = 0; s < TN_ARRAY_SIZE(slabs); s++)
            for (void *record = NULL; (record = tn_slab_next(slabs[s], record));) {
                struct tn_flow *flow = record;
                if (flow->found && !each(context, stack->slots[kind->transport], flow))
                    return;
            }
    }
}

size_t tn_flows_count(const struct tn_stack *stack)
{
    return stack->sockets->flows->table.count;
}

size_t tn_flows_bytes(const struct tn_stack *stack)
{
    const struct tn_flows *flows = stack->sockets->flows;
    size_t bytes = 0;
    for (unsigned i = 0; i < TN_FLOW_KINDS; i++) {
        const struct tn_flow_kind *kind = flows->kinds[i];
        if (kind)
            bytes +=
                (size_t)kind->narrow.used * kind->narrow.size + (size_t)kind->wide.used * kind->wide.size;
    }
    return bytes;
}
