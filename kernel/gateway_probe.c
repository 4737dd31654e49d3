/* gateway_probe.c: asks whether dead gateways are back. */
#include "gateway_probe.h"

#include "gateway.h"
#include "neighbour.h"
#include "stack.h"

void tn_gateway_timer(struct tn_self *core, struct tn_timer *timer)
{
    struct tn_stack *stack = core->stack;
    struct tn_gateway *g = tn_container(timer, struct tn_gateway, timer);
    tn_neighbour_question(stack, g->ifindex, g->family, &g->addr);
    tn_gateway_wait(stack, g);
}
