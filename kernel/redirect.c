/* redirect.c: routes to single hosts that gateways have told of.
 *
 * They lie in the routing table under the slot of the plugin that heard of them, and here in the order in which they end. There are
 * at most REDIRECTS_MAX; the next takes the place of the oldest, so nobody can fill the routing table with them. */
#include "redirect.h"

#include <errno.h>
#include <stdlib.h>

#include "address.h"
#include "dispatch.h"
#include "route.h"
#include "stack.h"

#define REDIRECTS_MAX 256

struct redirect {
    struct tn_route route;
    tn_time until;
};

struct tn_redirects {
    struct tn_timer timer;
    uint32_t first, count; /* in the ring, oldest first */
    struct redirect ring[REDIRECTS_MAX];
};

static struct redirect *at(struct tn_redirects *r, uint32_t i)
{
    return &r->ring[(r->first + i) % REDIRECTS_MAX];
}

/* ---- The end ---- */

/* The route may have gone with its interface or its plugin. */
static void forget_first(struct tn_stack *stack)
{
    struct tn_redirects *r = stack->redirects;
    (void)tn_route_remove(stack, &at(r, 0)->route);
    r->first = (r->first + 1) % REDIRECTS_MAX;
    r->count--;
}

static void set_timer(struct tn_stack *stack)
{
    struct tn_redirects *r = stack->redirects;
    r->timer.slot = TN_SLOT_CORE;
    r->timer.handler = TN_CORE_TIMER_REDIRECT;
    if (r->count == 0)
        tn_wheel_stop(&stack->wheel, &r->timer);
    else
        tn_wheel_start(&stack->wheel, &r->timer, at(r, 0)->until);
}

void tn_redirect_timer(struct tn_self *core, struct tn_timer *timer)
{
    struct tn_stack *stack = core->stack;
    struct tn_redirects *r = stack->redirects;
    while (r->count && at(r, 0)->until <= stack->now)
        forget_first(stack);
    set_timer(stack);
}

/* ---- What is believed ---- */

static bool is_gateway_of(const struct tn_route *route, uint16_t ifindex, const struct tn_addr *gateway)
{
    return route && route->ifindex == ifindex && tn_addr_equal(&route->via, gateway);
}

/* RFC 1122 §3.2.2.2: the sender is the gateway that is used, and the new one is on the subnet from which the message came. */
static bool is_believed(struct tn_self *self, const struct tn_route *told, const struct tn_addr *from)
{
    static const struct tn_addr no_gateway;
    struct tn_stack *stack = self->stack;
    uint16_t unused;
    if (tn_core_address_class(self, told->family, &told->to) != TN_ADDR_UNICAST ||
        tn_core_address_class(self, told->family, &told->via) != TN_ADDR_UNICAST ||
        tn_address_kind_in(stack, told->family, TN_VRF_ANY, &told->via, &unused) != TN_LOCAL_NONE ||
        tn_address_kind_in(stack, told->family, told->vrf, &told->to, &unused) != TN_LOCAL_NONE ||
        tn_addr_is_zero(from) || tn_addr_equal(from, &told->via))
        return false;
    return is_gateway_of(tn_route_find(stack, told->family, told->vrf, &told->to, told->ifindex),
                         told->ifindex, from) &&
           is_gateway_of(tn_route_find(stack, told->family, told->vrf, &told->via, told->ifindex),
                         told->ifindex, &no_gateway);
}

/* The length of a single host's prefix. */
static uint8_t whole_address(const struct tn_stack *stack, uint8_t family)
{
    const struct tn_dispatch_entry *entry = tn_dispatch_find(stack, TN_TABLE_FAMILY, 0, family);
    return entry->slot ? (uint8_t)(entry->slot->self.plugin->network->address_size * 8u) : 0;
}

/* An older redirect of the same host. */
static void forget_older(struct tn_stack *stack, const struct tn_route *told)
{
    struct tn_redirects *r = stack->redirects;
    for (uint32_t i = 0; i < r->count; i++) {
        struct tn_route *route = &at(r, i)->route;
        if (route->family == told->family && route->vrf == told->vrf && tn_addr_equal(&route->to, &told->to))
            (void)tn_route_remove(stack, route);
    }
}

int tn_core_redirect(struct tn_self *self, struct tn_interface *ifc, uint8_t family, uint16_t vrf,
                     const struct tn_addr *from, const struct tn_addr *to, const struct tn_addr *via,
                     tn_time lifetime)
{
    struct tn_stack *stack = self->stack;
    struct tn_redirects *r = stack->redirects;
    const struct tn_route told = {.to = *to,
                                  .via = *via,
                                  .ifindex = ifc->index,
                                  .vrf = vrf,
                                  .family = family,
                                  .prefix_len = whole_address(stack, family),
                                  .owner = self->slot,
                                  .redirected = true};
    if (!is_believed(self, &told, from))
        return -EPERM;
    forget_older(stack, &told);
    int err = tn_route_add(stack, &told);
    if (err < 0)
        return err;
    if (r->count == REDIRECTS_MAX)
        forget_first(stack);
    tn_time until = stack->now + lifetime;
    if (r->count) /* the order is that of arrival, also where the lifetime was changed meanwhile */
        until = tn_max(until, at(r, r->count - 1)->until);
    *at(r, r->count++) = (struct redirect){.route = told, .until = until};
    set_timer(stack);
    return 0;
}

/* ---- All ---- */

int tn_redirects_init(struct tn_stack *stack)
{
    stack->redirects = calloc(1, sizeof(*stack->redirects));
    return stack->redirects ? 0 : -ENOMEM;
}

void tn_redirects_destroy(struct tn_stack *stack)
{
    free(stack->redirects);
    stack->redirects = NULL;
}
