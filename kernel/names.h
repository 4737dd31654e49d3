/* names.h: who answers DNS queries, as the plugins that asked the network told (core->name_servers). */
#ifndef TENON_KERNEL_NAMES_H
#define TENON_KERNEL_NAMES_H

#include "tenon/types.h"

struct tn_interface;
struct tn_self;
struct tn_slot;
struct tn_stack;

#define TN_DOMAIN_MAX 255 /* RFC 1035 §2.3.4 */

/* What one plugin learnt on one interface. */
struct tn_name_servers {
    uint16_t slot;
    uint16_t ifindex;
    uint8_t family;
    uint8_t count;
    struct tn_addr servers[4];
    char domain[TN_DOMAIN_MAX + 1];
};

int tn_core_name_servers(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                         const struct tn_addr *servers, size_t count, const char *domain);
/* The record at place `n`; NULL beyond the last. */
const struct tn_name_servers *tn_name_servers_at(const struct tn_stack *stack, size_t n);
/* The plugin has ended. */
void tn_name_servers_forget(struct tn_stack *stack, const struct tn_slot *slot);
void tn_name_servers_destroy(struct tn_stack *stack);

#endif
