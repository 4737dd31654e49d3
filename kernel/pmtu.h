/* pmtu.h: what the network said of the largest packet on the way to a destination (RFC 1191). */
#ifndef TENON_KERNEL_PMTU_H
#define TENON_KERNEL_PMTU_H

#include "tenon/plugin.h"

struct tn_stack;

struct tn_pmtu_info {
    struct tn_addr dst;
    uint16_t vrf;
    uint16_t mtu;
    uint8_t family;
    bool floor;      /* the way may take less still: packets on it may be fragmented */
    tn_time expires; /* when more is tried again */
};

int tn_pmtus_init(struct tn_stack *stack);
void tn_pmtus_destroy(struct tn_stack *stack);
/* Lowers the path's MTU to what is known of the way to `dst`. */
void tn_pmtu_apply(const struct tn_stack *stack, uint8_t family, uint16_t vrf, const struct tn_addr *dst,
                   struct tn_path *path);
void tn_pmtu_each(struct tn_stack *stack, void (*each)(void *context, const struct tn_pmtu_info *info),
                  void *context);
/* The core's timer. */
void tn_pmtu_timer(struct tn_self *core, struct tn_timer *timer);

/* ABI function (plugin.h). */
void tn_core_path_mtu(struct tn_self *self, const struct tn_net_error *error);

#endif
