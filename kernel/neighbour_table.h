/* neighbour_table.h: where neighbour entries are kept; for neighbour.c alone. */
#ifndef TENON_KERNEL_NEIGHBOUR_TABLE_H
#define TENON_KERNEL_NEIGHBOUR_TABLE_H

#include "htab.h"
#include "neighbour.h"
#include "stack.h"

#define TN_NEIGHBOUR_RETIRED 0xff /* a state: out of the table */

struct tn_neighbour {
    uint8_t state; /* enum tn_neighbour_state, or STATE_RETIRED */
    uint8_t family;
    uint16_t ifindex;
    uint8_t lladdr_len; /* 0: not known */
    uint8_t lladdr[TN_LLADDR_MAX];
    uint8_t solicits; /* questions sent in this state */
    uint8_t rank;
    bool asked; /* a question is out that nobody has answered */
    bool used;  /* something was sent to it */
    uint16_t ethertype;
    struct tn_hnode node;
    struct tn_addr addr;
    struct tn_addr source; /* of the packet that made us ask */
    tn_time confirmed;     /* last sign that it hears us */
    tn_time reachable;     /* how long that is good for */
    tn_time retry;         /* FAILED: no question before this */
    struct tn_timer timer;
    struct tn_packet_queue waiting;
    struct tn_neighbour *older, *newer; /* of its rank; `older` also links the retired */
};

/* The entry, or NULL. */
struct tn_neighbour *tn_neighbour_find(const struct tn_stack *stack, uint16_t ifindex, uint8_t family,
                                       const struct tn_addr *addr);
/* A new entry, INCOMPLETE; at the limit in the place of the one that will be missed least. NULL: all are live. */
struct tn_neighbour *tn_neighbour_make(struct tn_stack *stack, uint16_t ifindex, uint8_t family,
                                       const struct tn_addr *addr);
/* Takes it out of the table; packets that wait are dropped for `reason`. */
void tn_neighbour_retire(struct tn_stack *stack, struct tn_neighbour *n, unsigned reason);
void tn_neighbour_enter_state(struct tn_stack *stack, struct tn_neighbour *n, enum tn_neighbour_state state);
void tn_neighbour_start_timer(struct tn_stack *stack, struct tn_neighbour *n, tn_time delay);
/* Has the packet wait for an answer, dropping an older one if too many wait. Consumes it. */
void tn_neighbour_wait(struct tn_stack *stack, struct tn_neighbour *n, struct tn_packet *packet);
/* All packets that wait; they wait no more. */
struct tn_packet_queue tn_neighbour_take_waiting(struct tn_stack *stack, struct tn_neighbour *n);

#endif
