/* route.h: the routing table (longest prefix match, then lowest metric, by VRF), and paths to destinations.
 */
#ifndef TENON_KERNEL_ROUTE_H
#define TENON_KERNEL_ROUTE_H

#include "tenon/plugin.h"

struct tn_stack;

struct tn_route {
    struct tn_addr to;
    struct tn_addr via; /* all zero: on-link */
    uint32_t metric;
    uint16_t ifindex;
    uint16_t vrf;
    uint8_t family;
    uint8_t prefix_len;
    bool connected;             /* came with an address, goes with it */
    bool redirected;            /* by a gateway; when that is dead, a shorter prefix serves */
    uint16_t owner;             /* slot of the plugin that brought it; TN_SLOT_CORE: stack.yaml */
    struct tn_gateway *gateway; /* the table's: of `via`; NULL: on-link */
};

int tn_routes_init(struct tn_stack *stack);
void tn_routes_destroy(struct tn_stack *stack);
int tn_route_add(struct tn_stack *stack,
                 const struct tn_route *route); /* -EEXIST, -ENOSPC, -ENOMEM, -EINVAL */
int tn_route_remove(struct tn_stack *stack, const struct tn_route *route); /* -ENOENT */
/* The best route to `to` whose interface is up, or NULL; one by a dead gateway only if its prefix has no other. Among equally good
 * ones, one by interface `prefer` (0: no matter). */
const struct tn_route *tn_route_find(struct tn_stack *stack, uint8_t family, uint16_t vrf,
                                     const struct tn_addr *to, uint16_t prefer);
void tn_route_each(struct tn_stack *stack, void (*each)(void *context, const struct tn_route *route),
                   void *context);

/* ABI functions (plugin.h); implemented in path.c. */
int tn_core_path_broadcast(struct tn_self *self, struct tn_interface *ifc, struct tn_path *path);
int tn_core_path_find(struct tn_self *self, uint8_t family, uint16_t vrf, struct tn_addr *src,
                      const struct tn_addr *dst, struct tn_path *path);
int tn_core_network_output(struct tn_self *self, struct tn_packet *packet, const struct tn_path *path);
int tn_core_path_output(struct tn_self *self, struct tn_packet *packet, const struct tn_path *path,
                        uint16_t ethertype);

#endif
