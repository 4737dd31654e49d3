/* group.c: what is kept: groups that were joined, and what is known of the routers on each interface. */
#include "igmp.h"

/* ---- Records ---- */

struct igmp_link *igmp_link_of(struct tn_self *self, uint16_t ifindex)
{
    return ifindex <= IGMP_LINKS_MAX ? &igmp_state(self)->links[ifindex] : NULL;
}

struct igmp_group *igmp_group_find(struct tn_self *self, uint16_t ifindex, const struct tn_addr *addr)
{
    struct igmp_group *g = igmp_state(self)->groups;
    while (g && !(g->ifindex == ifindex && tn_addr_equal(&g->addr, addr)))
        g = g->next;
    return g;
}

struct igmp_group *igmp_group_make(struct tn_self *self, uint16_t ifindex, const struct tn_addr *addr)
{
    struct igmp_state *state = igmp_state(self);
    struct igmp_group *g = self->core->slab_alloc(state->group_slab);
    if (!g) {
        tn_count(self, IGMP_GROUP_LIMIT);
        return NULL;
    }
    g->ifindex = ifindex;
    g->addr = *addr;
    g->answer_due = TN_NEVER;
    g->next = state->groups;
    state->groups = g;
    return g;
}

void igmp_group_free(struct tn_self *self, struct igmp_group *group)
{
    struct igmp_group **at = &igmp_state(self)->groups;
    while (*at != group)
        at = &(*at)->next;
    *at = group->next;
    self->core->timer_stop(self, &group->timer);
    self->core->slab_free(igmp_state(self)->group_slab, group);
}

/* ---- What holds now ---- */

unsigned igmp_version(struct tn_self *self, const struct igmp_link *link)
{
    tn_time now = self->core->now(self);
    return now < link->v1_until ? 1 : now < link->v2_until ? 2 : 3;
}

uint8_t igmp_robustness(const struct tn_self *self, const struct igmp_link *link)
{
    return link->robustness ? link->robustness : (uint8_t)igmp_options(self)->robustness;
}

tn_time igmp_within(struct tn_self *self, tn_time most)
{
    return most ? self->core->random(self) % most + 1 : 0;
}

void igmp_group_schedule(struct tn_self *self, struct igmp_group *group)
{
    tn_time now = self->core->now(self);
    tn_time due = group->changes > 0 ? group->change_due : TN_NEVER;
    due = group->answer_due < due ? group->answer_due : due;
    if (due == TN_NEVER)
        self->core->timer_stop(self, &group->timer);
    else
        self->core->timer_start(self, &group->timer, due > now ? due - now : 0, IGMP_TIMER_GROUP);
}
