/* brought.h: addresses and routes that plugins bring (core->address_add and its like), and what resolvers say of addresses. */
#ifndef TENON_KERNEL_BROUGHT_H
#define TENON_KERNEL_BROUGHT_H

#include "tenon/plugin.h"

struct tn_slot;

int tn_core_address_add(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                        const struct tn_addr *addr, uint8_t prefix_len);
int tn_core_address_remove(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                           const struct tn_addr *addr);
int tn_core_route_add(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                      const struct tn_addr *to, uint8_t prefix_len, const struct tn_addr *via,
                      uint32_t metric);
int tn_core_route_remove(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                         const struct tn_addr *to, uint8_t prefix_len, const struct tn_addr *via,
                         uint32_t metric);

void tn_core_address_verdict(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                             const struct tn_addr *addr, enum tn_address_event event, const uint8_t *lladdr);

/* Takes away what a plugin brought, or with an `ifindex` what plugins brought there; 0 and TN_SLOT_CORE: no matter. */
void tn_brought_forget(struct tn_stack *stack, uint16_t owner, uint16_t ifindex);

#endif
