/* solicit.c: from the core to the family's resolver. */
#include "solicit.h"

#include "dispatch.h"
#include "stack.h"

static struct tn_self *resolver_of(const struct tn_stack *stack, uint8_t family)
{
    const struct tn_dispatch_entry *entry = tn_dispatch_find(stack, TN_TABLE_RESOLVER, 0, family);
    return entry->slot ? &entry->slot->self : NULL;
}

bool tn_solicit_possible(const struct tn_stack *stack, uint8_t family)
{
    return resolver_of(stack, family) != NULL;
}

void tn_solicit(struct tn_stack *stack, uint16_t ifindex, uint8_t family, const struct tn_addr *target,
                const struct tn_addr *source, const uint8_t *lladdr)
{
    struct tn_self *resolver = resolver_of(stack, family);
    struct tn_ifc *ifc = tn_interface_at(stack, ifindex);
    if (!resolver || !ifc || !ifc->pub.up || ifc->pub.lladdr_len == 0)
        return;
    resolver->plugin->resolver->solicit(resolver, &ifc->pub, target, source, lladdr);
}

bool tn_solicit_claim(struct tn_stack *stack, uint16_t ifindex, uint8_t family, const struct tn_addr *addr,
                      bool brought)
{
    struct tn_self *resolver = resolver_of(stack, family);
    struct tn_ifc *ifc = tn_interface_at(stack, ifindex);
    if (!resolver || !ifc || ifc->pub.lladdr_len == 0 || !resolver->plugin->resolver->claim)
        return true;
    return resolver->plugin->resolver->claim(resolver, &ifc->pub, addr, brought);
}

void tn_solicit_release(struct tn_stack *stack, uint16_t ifindex, uint8_t family, const struct tn_addr *addr)
{
    struct tn_self *resolver = resolver_of(stack, family);
    struct tn_ifc *ifc = tn_interface_at(stack, ifindex);
    if (resolver && ifc && resolver->plugin->resolver->release)
        resolver->plugin->resolver->release(resolver, &ifc->pub, addr);
}
