/* flow.h (private): the table of flows (tenon/flow.h). flow_table.c finds them, flow.c says how they are kept. */
#ifndef TENON_KERNEL_FLOW_H
#define TENON_KERNEL_FLOW_H

#include "socket_table.h"
#include "tenon/flow.h"

/* Kinds of flows in a stack, of all transports together. */
#define TN_FLOW_KINDS 16

#define TN_FLOW_NARROW 4u /* bytes of an address */
#define TN_FLOW_WIDE   16u

/* A kind: records of one use of one transport. */
struct tn_flow_kind {
    struct tn_slab narrow; /* … with addresses of 4 bytes, */
    struct tn_slab wide;   /* of 16 */
    size_t size;           /* without addresses */
    uint32_t limit;
    uint32_t used;
    uint16_t transport; /* slot */
};

struct tn_flows {
    struct tn_htab table;
    struct tn_flow_kind *kinds[TN_FLOW_KINDS];
};

static inline struct tn_flow_kind *tn_flow_kind_of(const struct tn_stack *stack, const struct tn_flow *flow)
{
    return stack->sockets->flows->kinds[flow->kind];
}

static inline struct tn_hnode *tn_flow_node(struct tn_flow *flow)
{
    return (struct tn_hnode *)(void *)flow;
}

/* Where the two addresses lie. */
static inline uint8_t *tn_flow_addresses(const struct tn_flow_kind *kind, const struct tn_flow *flow)
{
    return (uint8_t *)(uintptr_t)flow + kind->size;
}

static inline unsigned tn_flow_address_size(uint8_t family)
{
    return family == AF_INET ? TN_FLOW_NARROW : TN_FLOW_WIDE;
}

/* What a packet that was received belongs to. */
static inline struct tn_tuple tn_packet_tuple(const struct tn_self *self, const struct tn_packet *packet)
{
    return (struct tn_tuple){
        .local = packet->dst,
        .remote = packet->src,
        .local_port = packet->dst_port,
        .remote_port = packet->src_port,
        .vrf = packet->vrf,
        .transport = self->slot,
        .family = packet->family,
    };
}

/* ---- flow_table.c ---- */

/* The flow of this tuple, or NULL. */
struct tn_flow *tn_flow_find(const struct tn_stack *stack, const struct tn_tuple *tuple);
struct tn_tuple tn_flow_tuple(const struct tn_stack *stack, const struct tn_flow *flow);

/* ---- flow.c ---- */

int tn_flows_init(struct tn_stack *stack);
void tn_flows_destroy(struct tn_stack *stack);
/* Frees all flows of a transport that is being disabled, with their kinds. Their timers are stopped already. */
void tn_flows_close_transport(struct tn_stack *stack, const struct tn_slot *transport);
/* Calls `each` for every flow until it returns false. */
void tn_flows_each_while(struct tn_stack *stack,
                         bool (*each)(void *context, struct tn_slot *transport, struct tn_flow *flow),
                         void *context);
size_t tn_flows_count(const struct tn_stack *stack);
/* Bytes of the records of a kind that are in use. */
size_t tn_flows_bytes(const struct tn_stack *stack);

/* ABI functions (plugin.h). */
int tn_core_flows_create(struct tn_self *self, const char *name, size_t size, size_t limit);
struct tn_flow *tn_core_flow_find(struct tn_self *self, const struct tn_packet *packet);
struct tn_flow *tn_core_flow_find_tuple(struct tn_self *self, uint8_t family, uint16_t vrf,
                                        const struct tn_addr *local, uint16_t local_port,
                                        const struct tn_addr *remote, uint16_t remote_port);
struct tn_flow *tn_core_flow_new(struct tn_self *self, unsigned kind, const struct tn_packet *packet);
struct tn_flow *tn_core_flow_of_socket(struct tn_self *self, unsigned kind, struct tn_socket *sock);
void tn_core_flow_hide(struct tn_self *self, struct tn_flow *flow);
void tn_core_flow_free(struct tn_self *self, struct tn_flow *flow);
void tn_core_flow_ends(struct tn_self *self, const struct tn_flow *flow, struct tn_addr *local,
                       struct tn_addr *remote);
uint32_t tn_core_flow_number(struct tn_self *self, const struct tn_flow *flow);
struct tn_flow *tn_core_flow_numbered(struct tn_self *self, unsigned kind, uint32_t number);

#endif
