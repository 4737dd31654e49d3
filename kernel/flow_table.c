/* flow_table.c: how flows are found by their four-tuple. */
#include "flow.h"

static_assert(offsetof(struct tn_flow, next) == offsetof(struct tn_hnode, next),
              "a tn_flow begins as a tn_hnode");
static_assert(offsetof(struct tn_flow, hash) == offsetof(struct tn_hnode, hash),
              "a tn_flow begins as a tn_hnode");

static struct tn_flow *flow_of(struct tn_hnode *node)
{
    return (struct tn_flow *)(void *)node;
}

struct tn_tuple tn_flow_tuple(const struct tn_stack *stack, const struct tn_flow *flow)
{
    const struct tn_flow_kind *kind = tn_flow_kind_of(stack, flow);
    const uint8_t *addresses = tn_flow_addresses(kind, flow);
    unsigned size = tn_flow_address_size(flow->family);
    return (struct tn_tuple){
        .local = tn_addr_from(addresses, size),
        .remote = tn_addr_from(addresses + size, size),
        .local_port = flow->local_port,
        .remote_port = flow->remote_port,
        .vrf = flow->vrf,
        .transport = kind->transport,
        .family = flow->family,
    };
}

struct tn_flow *tn_flow_find(const struct tn_stack *stack, const struct tn_tuple *tuple)
{
    const struct tn_flows *flows = stack->sockets->flows;
    if (flows->table.count == 0)
        return NULL;
    uint32_t hash = tn_tuple_hash(stack, tuple);
    for (struct tn_hnode *n = tn_htab_first(&flows->table, hash); n; n = n->next) {
        struct tn_flow *flow = flow_of(n);
        if (n->hash != hash || flow->remote_port != tuple->remote_port ||
            flow->local_port != tuple->local_port || flow->family != tuple->family || flow->vrf != tuple->vrf)
            continue;
        const struct tn_tuple whole = tn_flow_tuple(stack, flow);
        if (tn_addr_equal(&whole.remote, &tuple->remote) && tn_addr_equal(&whole.local, &tuple->local) &&
            whole.transport == tuple->transport)
            return flow;
    }
    return NULL;
}

struct tn_flow *tn_core_flow_find(struct tn_self *self, const struct tn_packet *packet)
{
    const struct tn_tuple tuple = tn_packet_tuple(self, packet);
    return tn_flow_find(self->stack, &tuple);
}

struct tn_flow *tn_core_flow_find_tuple(struct tn_self *self, uint8_t family, uint16_t vrf,
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
    return tn_flow_find(self->stack, &tuple);
}
