/* names.c: who answers DNS queries, as plugins were told by the network. A record an interface and plugin, so few that they
 * lie in an array. */
#include "names.h"

#include <errno.h>
#include <stdlib.h>

#include "stack.h"

#define RECORDS_MAX 64

struct tn_names {
    size_t count;
    struct tn_name_servers records[RECORDS_MAX];
};

static struct tn_name_servers *find(struct tn_names *names, uint16_t slot, uint16_t ifindex, uint8_t family)
{
    for (size_t i = 0; i < names->count; i++) {
        struct tn_name_servers *r = &names->records[i];
        if (r->slot == slot && r->ifindex == ifindex && r->family == family)
            return r;
    }
    return NULL;
}

static void drop_record(struct tn_names *names, struct tn_name_servers *r)
{
    *r = names->records[--names->count];
}

static struct tn_name_servers *add_record(struct tn_stack *stack)
{
    if (!stack->names)
        stack->names = calloc(1, sizeof(*stack->names));
    if (!stack->names || stack->names->count == RECORDS_MAX)
        return NULL;
    return &stack->names->records[stack->names->count++];
}

int tn_core_name_servers(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                         const struct tn_addr *servers, size_t count, const char *domain)
{
    struct tn_stack *stack = self->stack;
    struct tn_name_servers *r = stack->names ? find(stack->names, self->slot, ifc->index, family) : NULL;
    if (count == 0) {
        if (r)
            drop_record(stack->names, r);
        return 0;
    }
    if (!r)
        r = add_record(stack);
    if (!r)
        return -ENOSPC;
    *r = (struct tn_name_servers){.slot = self->slot, .ifindex = ifc->index, .family = family};
    r->count = (uint8_t)tn_min(count, TN_NAME_SERVERS_MAX);
    memcpy(r->servers, servers, r->count * sizeof(*servers));
    snprintf(r->domain, sizeof(r->domain), "%s", domain);
    return 0;
}

const struct tn_name_servers *tn_name_servers_at(const struct tn_stack *stack, size_t n)
{
    return stack->names && n < stack->names->count ? &stack->names->records[n] : NULL;
}

void tn_name_servers_forget(struct tn_stack *stack, const struct tn_slot *slot)
{
    size_t i = 0;
    while (stack->names && i < stack->names->count)
        if (stack->names->records[i].slot == slot->self.slot)
            drop_record(stack->names, &stack->names->records[i]);
        else
            i++;
}

void tn_name_servers_destroy(struct tn_stack *stack)
{
    free(stack->names);
}
