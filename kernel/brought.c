/* brought.c: addresses and routes that plugins bring, and what resolvers say of addresses. They lie in the same tables as those of stack.yaml, under the slot of
 * the plugin, and go with it or with the interface. */
#include "brought.h"

#include <errno.h>

#include "address.h"
#include "route.h"
#include "sockets.h"
#include "stack.h"

int tn_core_address_add(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                        const struct tn_addr *addr, uint8_t prefix_len)
{
    const struct tn_address address = {.addr = *addr,
                                       .ifindex = ifc->index,
                                       .family = family,
                                       .prefix_len = prefix_len,
                                       .owner = self->slot};
    if (tn_core_address_class(self, family, addr) != TN_ADDR_UNICAST)
        return -EINVAL;
    struct tn_address added;
    int err = tn_address_add(self->stack, &address);
    bool usable = err == 0 && tn_address_find(self->stack, ifc->index, family, addr, &added) &&
                  added.state == TN_ADDRESS_IN_USE;
    if (usable && self->plugin->address_event)
        self->plugin->address_event(self, ifc, family, addr, TN_ADDRESS_USABLE);
    return err;
}

/* Connections from it would only wait for their end. */
static int end_address(struct tn_stack *stack, const struct tn_address *address)
{
    struct tn_address found;
    if (tn_address_find(stack, address->ifindex, address->family, &address->addr, &found) &&
        found.owner == address->owner && found.state == TN_ADDRESS_IN_USE)
        tn_sockets_abort_local(stack, found.family, found.vrf, &found.addr);
    return tn_address_remove(stack, address);
}

int tn_core_address_remove(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                           const struct tn_addr *addr)
{
    const struct tn_address address = {
        .addr = *addr, .ifindex = ifc->index, .family = family, .owner = self->slot};
    return end_address(self->stack, &address);
}

static struct tn_route route_of(const struct tn_self *self, const struct tn_interface *ifc, uint8_t family,
                                const struct tn_addr *to, uint8_t prefix_len, const struct tn_addr *via,
                                uint32_t metric)
{
    return (struct tn_route){.to = *to,
                             .via = *via,
                             .metric = metric,
                             .ifindex = ifc->index,
                             .family = family,
                             .prefix_len = prefix_len,
                             .owner = self->slot};
}

int tn_core_route_add(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                      const struct tn_addr *to, uint8_t prefix_len, const struct tn_addr *via,
                      uint32_t metric)
{
    const struct tn_route route = route_of(self, ifc, family, to, prefix_len, via, metric);
    return tn_route_add(self->stack, &route);
}

int tn_core_route_remove(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                         const struct tn_addr *to, uint8_t prefix_len, const struct tn_addr *via,
                         uint32_t metric)
{
    const struct tn_route route = route_of(self, ifc, family, to, prefix_len, via, metric);
    return tn_route_remove(self->stack, &route);
}

/* ---- What resolvers say ---- */

/* Who brought the address is told; stack.yaml has nobody to tell. */
static void tell_owner(struct tn_stack *stack, struct tn_interface *ifc, const struct tn_address *a,
                       enum tn_address_event event)
{
    struct tn_slot *slot = a->owner != TN_SLOT_CORE ? stack->slots[a->owner] : NULL;
    if (slot && slot->self.plugin->address_event)
        slot->self.plugin->address_event(&slot->self, ifc, a->family, &a->addr, event);
}

/* RFC 5227 §2.4: connections are reset before the address goes. */
static void address_lost(struct tn_stack *stack, struct tn_interface *ifc, const struct tn_address *a,
                         const uint8_t *lladdr)
{
    if (a->state == TN_ADDRESS_IN_USE)
        tn_sockets_abort_local(stack, a->family, a->vrf, &a->addr);
    tn_address_lose(stack, a, lladdr, ifc->lladdr_len);
    tell_owner(stack, ifc, a, TN_ADDRESS_CONFLICT);
    if (a->owner != TN_SLOT_CORE)
        (void)tn_address_remove(stack, a);
}

void tn_core_address_verdict(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                             const struct tn_addr *addr, enum tn_address_event event, const uint8_t *lladdr)
{
    struct tn_stack *stack = self->stack;
    struct tn_address a;
    if (!tn_address_find(stack, ifc->index, family, addr, &a))
        return;
    if (event == TN_ADDRESS_CONFLICT)
        address_lost(stack, ifc, &a, lladdr);
    else if (a.state != TN_ADDRESS_IN_USE && tn_address_use(stack, &a) == 0)
        tell_owner(stack, ifc, &a, TN_ADDRESS_USABLE);
}

/* ---- The end ---- */

/* What is looked for, and the first that was found. */
struct search {
    uint16_t owner, ifindex;
    bool found;
    union {
        struct tn_address address;
        struct tn_route route;
    };
};

static bool matches(const struct search *s, uint16_t owner, uint16_t ifindex)
{
    return !s->found && owner != TN_SLOT_CORE && (s->owner == TN_SLOT_CORE || owner == s->owner) &&
           (s->ifindex == 0 || ifindex == s->ifindex);
}

static void find_address(void *context, const struct tn_address *address)
{
    struct search *s = context;
    if (!matches(s, address->owner, address->ifindex))
        return;
    s->address = *address;
    s->found = true;
}

static void find_route(void *context, const struct tn_route *route)
{
    struct search *s = context;
    if (route->connected || !matches(s, route->owner, route->ifindex))
        return;
    s->route = *route;
    s->found = true;
}

void tn_brought_forget(struct tn_stack *stack, uint16_t owner, uint16_t ifindex)
{
    struct search s;
    do {
        s = (struct search){.owner = owner, .ifindex = ifindex};
        tn_route_each(stack, find_route, &s);
    } while (s.found && tn_route_remove(stack, &s.route) == 0);
    do {
        s = (struct search){.owner = owner, .ifindex = ifindex};
        tn_address_each(stack, find_address, &s);
    } while (s.found && end_address(stack, &s.address) == 0);
}
