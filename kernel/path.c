/* path.c: the way to a destination, and onto it.
 *
 * A path is found once and remembered by whoever sends (struct tn_path); it is valid as long as nothing in
 * the tables that it came from has changed, which one number says: stack->path_generation. So a packet of an
 * open connection looks nothing up: the path is there, its neighbour is there.
 *
 * Finding one (RFC 1122 §3.3.1): is the destination this stack itself, a broadcast, a multicast group? Else
 * the longest prefix with the lowest metric gives interface and next hop, and the next hop its neighbour
 * entry. */
#include <errno.h>

#include "address.h"
#include "dispatch.h"
#include "group.h"
#include "neighbour.h"
#include "pmtu.h"
#include "route.h"
#include "stack.h"

#define LOCAL_MTU 65535

/* What is being looked for. */
struct path_query {
    struct tn_stack *stack;
    uint8_t family;
    uint16_t vrf;
    const struct tn_addr *dst;
    struct tn_addr src;   /* all zero: to be chosen */
    uint16_t src_ifindex; /* whose address it is; 0: not known */
};

/* ---- Finding ---- */

/* RFC 1122 §3.2.1.3: only an address of this stack's may be a source. */
static int check_source(struct path_query *q)
{
    if (tn_addr_is_zero(&q->src))
        return 0;
    if (tn_address_kind_in(q->stack, q->family, q->vrf, &q->src, &q->src_ifindex) == TN_LOCAL_UNICAST)
        return 0;
    struct tn_self *core = tn_core_self(q->stack);
    return tn_core_address_class(core, q->family, &q->src) == TN_ADDR_LOOPBACK ? 0 : -EADDRNOTAVAIL;
}

/* The path leaves by `ifindex`; `near` is where its packets go first. */
static int choose_source(struct path_query *q, uint16_t ifindex, const struct tn_addr *near)
{
    if (!tn_addr_is_zero(&q->src))
        return q->src_ifindex ? 0 : -EADDRNOTAVAIL; /* loopback addresses never leave (§3.2.1.3 (g)) */
    if (tn_address_source(q->stack, q->family, q->vrf, ifindex, near, &q->src))
        return 0;
    /* An interface without addresses of its own speaks with another's. */
    uint16_t other = tn_address_first_interface(q->stack, q->family, q->vrf);
    return other && tn_address_source(q->stack, q->family, q->vrf, other, near, &q->src) ? 0 : -EADDRNOTAVAIL;
}

static void set_link(const struct path_query *q, struct tn_path *path, enum tn_path_kind kind,
                     uint16_t ifindex)
{
    path->kind = kind & 7u;
    path->ifindex = ifindex & 0x1fffu;
    path->mtu = (uint16_t)tn_min(q->stack->interfaces[ifindex]->pub.mtu, UINT16_MAX);
}

static int find_local(struct path_query *q, uint16_t ifindex, struct tn_path *path)
{
    if (tn_addr_is_zero(&q->src))
        q->src = *q->dst;
    *path = (struct tn_path){.kind = TN_PATH_LOCAL, .ifindex = ifindex, .mtu = LOCAL_MTU};
    return 0;
}

/* Broadcasts and, without a route, multicasts: the source's interface, else the first that speaks the family.
 */
static uint16_t default_interface(const struct path_query *q)
{
    const struct tn_ifc *ifc = tn_interface_at(q->stack, q->src_ifindex);
    return ifc && ifc->pub.up ? q->src_ifindex : tn_address_first_interface(q->stack, q->family, q->vrf);
}

static int find_broadcast(struct path_query *q, uint16_t ifindex, struct tn_path *path)
{
    const struct tn_ifc *ifc = tn_interface_at(q->stack, ifindex);
    if (!ifc || !ifc->pub.up)
        return -ENETUNREACH;
    set_link(q, path, TN_PATH_BROADCAST, ifindex);
    return choose_source(q, ifindex, q->dst);
}

static int find_multicast(struct path_query *q, struct tn_path *path)
{
    uint16_t ifindex = q->src_ifindex;
    if (!ifindex) {
        const struct tn_route *route = tn_route_find(q->stack, q->family, q->vrf, q->dst, 0);
        ifindex = route ? route->ifindex : default_interface(q);
    }
    const struct tn_ifc *ifc = tn_interface_at(q->stack, ifindex);
    if (!ifc || !ifc->pub.up)
        return -ENETUNREACH;
    set_link(q, path, TN_PATH_MULTICAST, ifindex);
    return choose_source(q, ifindex, q->dst);
}

static bool is_link_local(const struct path_query *q, const struct tn_addr *addr)
{
    return !tn_addr_is_zero(addr) && tn_address_is_link_local(q->stack, q->family, addr);
}

/* Packets from or to an address of one link alone go straight to their destination, whatever the routes say, on the link of the
 * source if that is known (RFC 3927 §2.6.2). */
static int find_unicast(struct path_query *q, struct tn_path *path)
{
    const struct tn_route *route = tn_route_find(q->stack, q->family, q->vrf, q->dst, q->src_ifindex);
    bool direct = is_link_local(q, q->dst) || is_link_local(q, &q->src);
    if (!route && !direct)
        return -ENETUNREACH;
    uint16_t ifindex = route && !(direct && q->src_ifindex) ? route->ifindex : default_interface(q);
    const struct tn_ifc *ifc = tn_interface_at(q->stack, ifindex);
    if (!ifc || !ifc->pub.up)
        return -ENETUNREACH;
    const struct tn_addr *hop = direct || tn_addr_is_zero(&route->via) ? q->dst : &route->via;
    set_link(q, path, TN_PATH_UNICAST, ifindex);
    tn_pmtu_apply(q->stack, q->family, q->vrf, q->dst, path);
    int err = choose_source(q, ifindex, hop);
    if (err < 0)
        return err;
    if (is_link_local(q, &q->src))
        hop = q->dst; /* there was no other source */
    if (ifc->pub.lladdr_len == 0)
        return 0;
    path->neighbour = tn_neighbour_get(q->stack, ifindex, q->family, hop);
    return path->neighbour ? 0 : -ENOBUFS;
}

static int find_by_class(struct path_query *q, struct tn_path *path)
{
    struct tn_self *core = tn_core_self(q->stack);
    uint16_t ifindex;
    switch (tn_core_address_class(core, q->family, q->dst)) {
    case TN_ADDR_UNICAST:
        break;
    case TN_ADDR_LOOPBACK:
        return find_local(q, q->src_ifindex, path);
    case TN_ADDR_BROADCAST:
        return find_broadcast(q, default_interface(q), path);
    case TN_ADDR_MULTICAST:
        return find_multicast(q, path);
    case TN_ADDR_UNSPECIFIED:
    case TN_ADDR_INVALID:
        return -ENETUNREACH;
    }
    switch (tn_address_kind_in(q->stack, q->family, q->vrf, q->dst, &ifindex)) {
    case TN_LOCAL_UNICAST:
        return find_local(q, ifindex, path);
    case TN_LOCAL_BROADCAST:
        return find_broadcast(q, ifindex, path);
    case TN_LOCAL_MULTICAST:
    case TN_LOCAL_NONE:
        break;
    }
    return find_unicast(q, path);
}

TN_APART static int find_anew(struct path_query *q, struct tn_path *path)
{
    tn_core_self(q->stack)->counters[TN_CORE_PATH_LOOKUPS]++;
    *path = (struct tn_path){.kind = TN_PATH_NONE};
    int err = check_source(q);
    if (err == 0)
        err = find_by_class(q, path);
    if (err < 0) {
        *path = (struct tn_path){.kind = TN_PATH_NONE};
        return err;
    }
    path->generation = q->stack->path_generation;
    return 0;
}

int tn_core_path_find(struct tn_self *self, uint8_t family, uint16_t vrf, struct tn_addr *src,
                      const struct tn_addr *dst, struct tn_path *path)
{
    struct tn_stack *stack = self->stack;
    if (tn_likely(tn_path_valid(self, path)))
        return 0;
    struct path_query q = {.stack = stack, .family = family, .vrf = vrf, .dst = dst, .src = *src};
    int err = find_anew(&q, path);
    if (err == 0)
        *src = q.src;
    return err;
}

int tn_core_path_broadcast(struct tn_self *self, struct tn_interface *ifc, struct tn_path *path)
{
    const struct path_query q = {.stack = self->stack};
    *path = (struct tn_path){.kind = TN_PATH_NONE};
    if (!ifc->up)
        return -ENETDOWN;
    set_link(&q, path, TN_PATH_BROADCAST, ifc->index);
    path->generation = self->stack->path_generation;
    return 0;
}

/* ---- Sending ---- */

int tn_core_network_output(struct tn_self *self, struct tn_packet *packet, const struct tn_path *path)
{
    struct tn_stack *stack = self->stack;
    const struct tn_dispatch_entry *entry = tn_dispatch_find(stack, TN_TABLE_FAMILY, 0, packet->family);
    if (tn_unlikely(!entry->slot)) {
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_NO_NETWORK);
        return -ENETDOWN;
    }
    struct tn_self *network = &entry->slot->self;
    return network->plugin->network->output(network, packet, path);
}

/* To this stack itself: the packet is worked on in the next batch, as if it had come in. Its bytes are copied
 * where somebody else holds them too (a send queue), because those above write into what they receive. */
static int loop_back(struct tn_stack *stack, struct tn_packet *packet, const struct tn_path *path,
                     uint16_t ethertype)
{
    if (stack->looped.packets >= stack->plan->limits.transmit_queue) {
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_TRANSMIT_QUEUE_FULL);
        return -ENOBUFS;
    }
    if (packet->more || !tn_packet_writable(packet)) {
        struct tn_packet *copy = tn_packet_copy(&stack->pool, packet);
        if (!copy) {
            tn_core_drop_packet(stack, packet, TN_CORE_DROP_NO_MEMORY);
            return -ENOBUFS;
        }
        tn_packet_free(&stack->pool, packet);
        packet = copy;
    }
    packet->time = stack->now;
    packet->ifindex = path->ifindex;
    packet->flags = TN_PKT_LOOPED;
    packet->link = 0;
    /* It never left this machine's memory: a checksum that a device would have completed needs no check. */
    if (packet->checksum == TN_CHECKSUM_PARTIAL)
        packet->checksum = TN_CHECKSUM_VERIFIED;
    packet->scratch[3] = ethertype;
    tn_queue_append(&stack->looped, packet);
    stack->work_pending = true;
    return 0;
}

/* What is sent to a group is for its members here, too (RFC 1112 §6.1). */
static void loop_copy(struct tn_stack *stack, uint16_t ifindex, const struct tn_packet *packet,
                      uint16_t ethertype)
{
    const struct tn_path here = {.kind = TN_PATH_LOCAL, .ifindex = ifindex};
    struct tn_packet *copy = tn_packet_copy(&stack->pool, packet);
    if (copy)
        (void)loop_back(stack, copy, &here, ethertype);
    else
        tn_core_self(stack)->drops[TN_CORE_DROP_NO_MEMORY]++;
}

static int send_multicast(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet,
                          uint16_t ethertype)
{
    struct tn_stack *stack = self->stack;
    const struct tn_dispatch_entry *entry = tn_dispatch_find(stack, TN_TABLE_FAMILY, 0, packet->family);
    uint8_t lladdr[TN_LLADDR_MAX] = {0};
    if (!entry->slot) {
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_NO_NETWORK);
        return -ENETDOWN;
    }
    if (!(packet->flags & TN_PKT_NO_LOOP) && tn_group_joined(stack, packet->family, ifc->index, &packet->dst))
        loop_copy(stack, ifc->index, packet, ethertype);
    struct tn_self *network = &entry->slot->self;
    network->plugin->network->map_multicast(network, &packet->dst, lladdr);
    tn_core_frame_output(self, ifc, packet, lladdr, ethertype);
    return 0;
}

TN_RARE static int no_path(struct tn_stack *stack, struct tn_packet *packet)
{
    tn_core_drop_packet(stack, packet, TN_CORE_DROP_NO_PATH);
    return -ENETUNREACH;
}

TN_APART static int output_without_neighbour(struct tn_self *self, struct tn_packet *packet,
                                             const struct tn_path *path, uint16_t ethertype)
{
    struct tn_stack *stack = self->stack;
    if (path->kind == TN_PATH_LOCAL)
        return loop_back(stack, packet, path, ethertype);
    struct tn_ifc *ifc = tn_interface_at(stack, path->ifindex);
    if (!ifc)
        return no_path(stack, packet);
    switch (path->kind) {
    case TN_PATH_UNICAST: /* a link without addresses */
    case TN_PATH_BROADCAST:
        tn_core_frame_output(self, &ifc->pub, packet, ifc->pub.broadcast, ethertype);
        return 0;
    case TN_PATH_MULTICAST:
        return send_multicast(self, &ifc->pub, packet, ethertype);
    default:
        return no_path(stack, packet);
    }
}

int tn_core_path_output(struct tn_self *self, struct tn_packet *packet, const struct tn_path *path,
                        uint16_t ethertype)
{
    struct tn_stack *stack = self->stack;
    if (tn_unlikely(path->generation != stack->path_generation))
        return no_path(stack, packet);
    packet->ifindex = path->ifindex;
    if (tn_likely(path->neighbour != NULL))
        return tn_neighbour_output(stack, path->neighbour, packet, ethertype);
    return output_without_neighbour(self, packet, path, ethertype);
}
