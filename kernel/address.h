/* address.h: the addresses of this stack's interfaces. */
#ifndef TENON_KERNEL_ADDRESS_H
#define TENON_KERNEL_ADDRESS_H

#include "tenon/plugin.h"

struct tn_stack;
struct tn_ifc;

/* What an address is good for. */
enum tn_address_state {
    TN_ADDRESS_TENTATIVE, /* being looked for on the link: not used yet */
    TN_ADDRESS_IN_USE,
    TN_ADDRESS_LOST, /* another station has it: not used */
};

struct tn_address {
    struct tn_addr addr;
    uint16_t ifindex;
    uint16_t vrf;
    uint8_t family;
    uint8_t prefix_len;
    uint16_t owner;               /* slot of the plugin that brought it; TN_SLOT_CORE: stack.yaml */
    uint8_t state;                /* enum tn_address_state; set by this file alone */
    uint8_t other[TN_LLADDR_MAX]; /* TN_ADDRESS_LOST: who has it */
};

int tn_addresses_init(struct tn_stack *stack);
void tn_addresses_destroy(struct tn_stack *stack);
/* Adds the address: as soon as the family's resolver lets it be used, with its connected route and its subnet's directed broadcast,
 * and told to the network plugin. -EEXIST, -ENOSPC (the limit), -ENOMEM. */
int tn_address_add(struct tn_stack *stack, const struct tn_address *address);
/* Takes it away again, with its route; connections that use it are left to fail. -ENOENT. */
int tn_address_remove(struct tn_stack *stack, const struct tn_address *address);
/* The address on the interface, whatever its state; false if it is not there. */
bool tn_address_find(struct tn_stack *stack, uint16_t ifindex, uint8_t family, const struct tn_addr *addr,
                     struct tn_address *out);
/* Nobody else has it: it is in use from now on (0 if it is already). -ENOENT, -ENOSPC (routes), -ENOMEM. */
int tn_address_use(struct tn_stack *stack, const struct tn_address *address);
/* Station `lladdr` has it: it is not in use any more, but still there. */
void tn_address_lose(struct tn_stack *stack, const struct tn_address *address, const uint8_t *lladdr,
                     size_t len);
/* All of them, in order of interface and addition; `each` must not change the table. */
void tn_address_each(struct tn_stack *stack, void (*each)(void *context, const struct tn_address *address),
                     void *context);

/* For paths. What `addr` is in `vrf` (TN_VRF_ANY: in any), and on which interface; the address to speak from on an interface to
 * next hop `near` (vrf -1: of any); the first interface that is up and has an address, 0 if there is none. */
enum tn_local tn_address_kind_in(const struct tn_stack *stack, uint8_t family, uint16_t vrf,
                                 const struct tn_addr *addr, uint16_t *ifindex);
bool tn_address_source(const struct tn_stack *stack, uint8_t family, int vrf, uint16_t ifindex,
                       const struct tn_addr *near, struct tn_addr *out);
/* Whether it is of one link alone (tn_network_ops.link_local). */
bool tn_address_is_link_local(const struct tn_stack *stack, uint8_t family, const struct tn_addr *addr);
uint16_t tn_address_first_interface(struct tn_stack *stack, uint8_t family, uint16_t vrf);

/* ABI functions (plugin.h). */
enum tn_local tn_core_address_kind(struct tn_self *self, uint8_t family, const struct tn_interface *ifc,
                                   const struct tn_addr *addr, uint16_t *vrf);
bool tn_core_address_of(struct tn_self *self, uint8_t family, const struct tn_interface *ifc,
                        const struct tn_addr *near, struct tn_addr *out);
enum tn_addr_class tn_core_address_class(struct tn_self *self, uint8_t family, const struct tn_addr *addr);

#endif
