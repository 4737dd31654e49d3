/* address.h: the addresses of this stack's interfaces. */
#ifndef TENON_KERNEL_ADDRESS_H
#define TENON_KERNEL_ADDRESS_H

#include "tenon/plugin.h"

struct tn_stack;
struct tn_ifc;

struct tn_address {
    struct tn_addr addr;
    uint16_t ifindex;
    uint16_t vrf;
    uint8_t family;
    uint8_t prefix_len;
    uint16_t owner; /* slot of the plugin that brought it; TN_SLOT_CORE: stack.yaml */
};

int tn_addresses_init(struct tn_stack *stack);
void tn_addresses_destroy(struct tn_stack *stack);
/* Adds the address with its connected route and its subnet's directed broadcast, and tells the network
 * plugin. -EEXIST, -ENOSPC (the limit), -ENOMEM. */
int tn_address_add(struct tn_stack *stack, const struct tn_address *address);
/* Takes it away again, with its route; connections that use it are left to fail. -ENOENT. */
int tn_address_remove(struct tn_stack *stack, const struct tn_address *address);
/* All of them, in order of interface and addition; `each` must not change the table. */
void tn_address_each(struct tn_stack *stack, void (*each)(void *context, const struct tn_address *address),
                     void *context);

/* For paths. What `addr` is in `vrf` (TN_VRF_ANY: in any), and on which interface; the address to speak from on an interface to
 * next hop `near` (vrf -1: of any); the first interface that is up and has an address, 0 if there is none. */
enum tn_local tn_address_kind_in(const struct tn_stack *stack, uint8_t family, uint16_t vrf,
                                 const struct tn_addr *addr, uint16_t *ifindex);
bool tn_address_source(const struct tn_stack *stack, uint8_t family, int vrf, uint16_t ifindex,
                       const struct tn_addr *near, struct tn_addr *out);
uint16_t tn_address_first_interface(struct tn_stack *stack, uint8_t family, uint16_t vrf);

/* ABI functions (plugin.h). */
enum tn_local tn_core_address_kind(struct tn_self *self, uint8_t family, const struct tn_interface *ifc,
                                   const struct tn_addr *addr, uint16_t *vrf);
bool tn_core_address_of(struct tn_self *self, uint8_t family, const struct tn_interface *ifc,
                        const struct tn_addr *near, struct tn_addr *out);
enum tn_addr_class tn_core_address_class(struct tn_self *self, uint8_t family, const struct tn_addr *addr);

#endif
