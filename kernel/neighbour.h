/* neighbour.h: link addresses of neighbours: the state machine of RFC 4861 §7.3 for every family. */
#ifndef TENON_KERNEL_NEIGHBOUR_H
#define TENON_KERNEL_NEIGHBOUR_H

#include "tenon/plugin.h"

struct tn_stack;

enum tn_neighbour_state {
    TN_NEIGHBOUR_INCOMPLETE, /* asked, packets wait */
    TN_NEIGHBOUR_REACHABLE,
    TN_NEIGHBOUR_STALE,
    TN_NEIGHBOUR_DELAY,
    TN_NEIGHBOUR_PROBE,
    TN_NEIGHBOUR_FAILED, /* did not answer; refused until the next second */
};

/* A row for people. */
struct tn_neighbour_info {
    struct tn_addr addr;
    uint8_t family;
    uint16_t ifindex;
    enum tn_neighbour_state state;
    uint8_t lladdr[TN_LLADDR_MAX];
    uint8_t lladdr_len; /* 0: not known */
    uint32_t waiting;   /* packets */
};

int tn_neighbours_init(struct tn_stack *stack);
void tn_neighbours_destroy(struct tn_stack *stack);
/* The entry for `addr`, made (INCOMPLETE, nothing asked yet) if need be; NULL when the table is full of
 * entries in use. */
struct tn_neighbour *tn_neighbour_get(struct tn_stack *stack, uint16_t ifindex, uint8_t family,
                                      const struct tn_addr *addr);
/* Sends a network packet to the neighbour: at once, or when its address is known. Consumes it. */
int tn_neighbour_output(struct tn_stack *stack, struct tn_neighbour *neighbour, struct tn_packet *packet,
                        uint16_t ethertype);
/* Asks whether the neighbour is there, though there is nothing to send to it. */
void tn_neighbour_question(struct tn_stack *stack, uint16_t ifindex, uint8_t family,
                           const struct tn_addr *addr);
/* Forgets the entries of an interface (of all: 0); packets that waited are dropped. */
void tn_neighbours_flush(struct tn_stack *stack, uint16_t ifindex);
void tn_neighbour_each(struct tn_stack *stack,
                       void (*each)(void *context, const struct tn_neighbour_info *info), void *context);
size_t tn_neighbour_count(const struct tn_stack *stack);
const char *tn_neighbour_state_name(enum tn_neighbour_state state);
/* TN_CORE_TIMER_NEIGHBOUR */
void tn_neighbour_timer(struct tn_self *core, struct tn_timer *timer);

/* ABI functions (plugin.h). */
void tn_core_neighbour_learn(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                             const struct tn_addr *addr, const uint8_t *lladdr, unsigned flags);
void tn_core_neighbour_confirm(struct tn_self *self, struct tn_path *path);
void tn_core_neighbour_doubt(struct tn_self *self, struct tn_path *path);
bool tn_core_neighbour_known(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                             const struct tn_addr *addr);

#endif
