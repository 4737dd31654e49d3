/* gateway.c: whether the gateways of the routing table are alive (RFC 1122 §3.3.1.4, RFC 816).
 *
 * A gateway is dead from when its neighbour entry becomes FAILED until the entry is REACHABLE again. The routing table passes
 * over the routes by a dead gateway while their prefix has another (route.c). Who notices is the neighbour's state machine: by its
 * own questions, and sooner when a transport has doubts (RFC 1122 §3.3.1.4: "advice").
 *
 * Nothing is sent to a dead gateway that was passed over, so nothing would ever find out that it is back: it is asked for
 * its link address now and then (gateway_probe.c), which costs at most three small frames a minute. */
#include "gateway.h"

#include <errno.h>
#include <stdlib.h>

#include "stack.h"

#define WAIT_FIRST (10 * TN_SEC)
#define WAIT_LONG  (60 * TN_SEC)

struct tn_gateways {
    struct tn_htab table;
    uint32_t dead;
};

static uint32_t hash_of(const struct tn_stack *stack, uint16_t ifindex, uint8_t family,
                        const struct tn_addr *addr)
{
    const uint64_t words[5] = {addr->half[0], addr->half[1], (uint64_t)ifindex << 8 | family};
    return (uint32_t)tn_siphash13_5(&stack->hash_key, words);
}

static struct tn_gateway *find(const struct tn_stack *stack, uint16_t ifindex, uint8_t family,
                               const struct tn_addr *addr)
{
    uint32_t hash = hash_of(stack, ifindex, family, addr);
    for (struct tn_hnode *h = tn_htab_first(&stack->gateways->table, hash); h; h = h->next) {
        struct tn_gateway *g = tn_container(h, struct tn_gateway, node);
        if (h->hash == hash && g->ifindex == ifindex && g->family == family && tn_addr_equal(&g->addr, addr))
            return g;
    }
    return NULL;
}

/* ---- Routes come and go ---- */

struct tn_gateway *tn_gateway_use(struct tn_stack *stack, uint16_t ifindex, uint8_t family,
                                  const struct tn_addr *addr)
{
    struct tn_gateway *g = find(stack, ifindex, family, addr);
    if (!g) {
        g = calloc(1, sizeof(*g));
        if (!g)
            return NULL;
        g->addr = *addr;
        g->ifindex = ifindex;
        g->family = family;
        tn_htab_insert(&stack->gateways->table, &g->node, hash_of(stack, ifindex, family, addr));
    }
    g->uses++;
    return g;
}

void tn_gateway_release(struct tn_stack *stack, struct tn_gateway *g)
{
    if (!g || --g->uses > 0)
        return;
    stack->gateways->dead -= g->dead;
    tn_wheel_stop(&stack->wheel, &g->timer);
    tn_htab_remove(&stack->gateways->table, &g->node);
    free(g);
}

/* ---- Alive or dead ---- */

void tn_gateway_wait(struct tn_stack *stack, struct tn_gateway *g)
{
    g->timer.slot = TN_SLOT_CORE;
    g->timer.handler = TN_CORE_TIMER_GATEWAY;
    tn_wheel_start(&stack->wheel, &g->timer, stack->now + g->wait);
    g->wait = tn_min(2 * g->wait, WAIT_LONG);
}

void tn_gateway_miss(struct tn_stack *stack, struct tn_gateway *g)
{
    if (g->missed)
        return;
    g->missed = true;
    g->wait = WAIT_FIRST;
    tn_gateway_wait(stack, g);
}

/* For all who remember a path by it, or one that avoids it. */
static void turn(struct tn_stack *stack, struct tn_gateway *g, bool dead)
{
    if (g->dead == dead)
        return;
    g->dead = dead;
    g->missed = false;
    stack->gateways->dead += dead ? 1u : -1u;
    tn_wheel_stop(&stack->wheel, &g->timer);
    if (dead)
        tn_core_self(stack)->counters[TN_CORE_GATEWAYS_DEAD]++;
    tn_paths_changed(stack);
}

void tn_gateway_silent(struct tn_stack *stack, uint16_t ifindex, uint8_t family, const struct tn_addr *addr)
{
    struct tn_gateway *g = find(stack, ifindex, family, addr);
    if (g)
        turn(stack, g, true);
}

void tn_gateway_heard(struct tn_stack *stack, uint16_t ifindex, uint8_t family, const struct tn_addr *addr)
{
    struct tn_gateway *g = stack->gateways->dead ? find(stack, ifindex, family, addr) : NULL;
    if (g)
        turn(stack, g, false);
}

/* ---- All ---- */

int tn_gateways_init(struct tn_stack *stack)
{
    stack->gateways = calloc(1, sizeof(*stack->gateways));
    if (!stack->gateways)
        return -ENOMEM;
    int err = tn_htab_init(&stack->gateways->table);
    if (err < 0) {
        free(stack->gateways);
        stack->gateways = NULL;
    }
    return err;
}

void tn_gateways_destroy(struct tn_stack *stack)
{
    if (!stack->gateways)
        return;
    tn_htab_destroy(&stack->gateways->table);
    free(stack->gateways);
    stack->gateways = NULL;
}
