/* gateway.h: whether the gateways of the routing table are alive (RFC 1122 §3.3.1.4, RFC 816). */
#ifndef TENON_KERNEL_GATEWAY_H
#define TENON_KERNEL_GATEWAY_H

#include "htab.h"
#include "tenon/plugin.h"

struct tn_stack;

/* One for all routes by the same neighbour. */
struct tn_gateway {
    struct tn_hnode node;
    struct tn_addr addr;
    uint16_t ifindex;
    uint8_t family;
    bool dead;     /* it was asked and did not answer; since then it has not been reached */
    bool missed;   /* a route by it would have been taken */
    uint32_t uses; /* routes */
    tn_time wait;  /* between the last question and the next */
    struct tn_timer timer;
};

int tn_gateways_init(struct tn_stack *stack);
void tn_gateways_destroy(struct tn_stack *stack);
/* The gateway, for one route more; NULL: no memory. release: for one less. */
struct tn_gateway *tn_gateway_use(struct tn_stack *stack, uint16_t ifindex, uint8_t family,
                                  const struct tn_addr *addr);
void tn_gateway_release(struct tn_stack *stack, struct tn_gateway *gateway);
/* A route by it was passed over because it is dead: from now on it is asked now and then. */
void tn_gateway_miss(struct tn_stack *stack, struct tn_gateway *gateway);
/* Starts the timer for the next question, which is twice as far away as the last. */
void tn_gateway_wait(struct tn_stack *stack, struct tn_gateway *gateway);

/* A neighbour did not answer, or did: whether or not it is a gateway. */
void tn_gateway_silent(struct tn_stack *stack, uint16_t ifindex, uint8_t family, const struct tn_addr *addr);
void tn_gateway_heard(struct tn_stack *stack, uint16_t ifindex, uint8_t family, const struct tn_addr *addr);

#endif
