/* pmtu.c: what the network said of the largest packet on the way to a destination (RFC 1191).
 *
 * A router that cannot pass a packet on says so, and how much would fit. The transport whose packet it was judges
 * whether to believe it; then it is kept here for all that go to the same destination. Nothing ever raises an entry
 * (§3): it is forgotten when its time is over, and then the full size is tried again (§6.3). Entries lie in the order in
 * which they were made or last lowered, which is that in which they expire; at the limit the first one goes.
 *
 * An entry is looked for when a path is found, so the remembered paths of all are made invalid by a change. */
#include "pmtu.h"

#include <errno.h>
#include <stdlib.h>

#include "htab.h"
#include "stack.h"

struct entry {
    struct tn_hnode node;
    struct entry *older, *newer;
    struct tn_pmtu_info info;
};

struct tn_pmtus {
    struct tn_htab table;
    struct tn_slab slab;
    struct tn_timer timer; /* for the oldest */
    struct entry *oldest, *newest;
};

/* Keyed: the other side may choose its addresses. */
static uint32_t hash_of(const struct tn_stack *stack, uint8_t family, uint16_t vrf, const struct tn_addr *dst)
{
    const uint64_t words[5] = {dst->half[0], dst->half[1], (uint64_t)vrf << 8 | family};
    return (uint32_t)tn_siphash13_5(&stack->hash_key, words);
}

static struct entry *find(const struct tn_stack *stack, uint8_t family, uint16_t vrf,
                          const struct tn_addr *dst)
{
    uint32_t hash = hash_of(stack, family, vrf, dst);
    for (struct tn_hnode *n = tn_htab_first(&stack->pmtus->table, hash); n; n = n->next) {
        struct entry *e = tn_container(n, struct entry, node);
        if (n->hash == hash && e->info.family == family && e->info.vrf == vrf &&
            tn_addr_equal(&e->info.dst, dst))
            return e;
    }
    return NULL;
}

void tn_pmtu_apply(const struct tn_stack *stack, uint8_t family, uint16_t vrf, const struct tn_addr *dst,
                   struct tn_path *path)
{
    const struct entry *e = stack->pmtus->oldest ? find(stack, family, vrf, dst) : NULL;
    if (!e || e->info.mtu >= path->mtu)
        return;
    path->mtu = e->info.mtu;
    path->mtu_floor = e->info.floor;
}

/* ---- Order ---- */

static void append(struct tn_pmtus *p, struct entry *e)
{
    e->older = p->newest;
    e->newer = NULL;
    *(p->newest ? &p->newest->newer : &p->oldest) = e;
    p->newest = e;
}

static void take_out(struct tn_pmtus *p, struct entry *e)
{
    *(e->older ? &e->older->newer : &p->oldest) = e->newer;
    *(e->newer ? &e->newer->older : &p->newest) = e->older;
}

static void forget(struct tn_stack *stack, struct entry *e)
{
    struct tn_pmtus *p = stack->pmtus;
    take_out(p, e);
    tn_htab_remove(&p->table, &e->node);
    tn_slab_free(&p->slab, e);
}

static void set_timer(struct tn_stack *stack)
{
    struct tn_pmtus *p = stack->pmtus;
    struct tn_self *core = tn_core_self(stack);
    if (!p->oldest) {
        core->core->timer_stop(core, &p->timer);
        return;
    }
    tn_time due = p->oldest->info.expires;
    core->core->timer_start(core, &p->timer, due > stack->now ? due - stack->now : 0, TN_CORE_TIMER_PMTU);
}

void tn_pmtu_timer(struct tn_self *core, struct tn_timer *timer)
{
    struct tn_stack *stack = core->stack;
    struct tn_pmtus *p = stack->pmtus;
    while (p->oldest && p->oldest->info.expires <= stack->now)
        forget(stack, p->oldest);
    tn_paths_changed(stack);
    set_timer(stack);
}

/* ---- Learning ---- */

static struct entry *make(struct tn_stack *stack, const struct tn_net_error *error)
{
    struct tn_pmtus *p = stack->pmtus;
    if (p->slab.used >= stack->plan->limits.path_mtus) {
        tn_core_self(stack)->counters[TN_CORE_PATH_MTU_LIMIT]++;
        forget(stack, p->oldest);
    }
    struct entry *e = tn_slab_alloc(&p->slab);
    if (!e)
        return NULL;
    e->info = (struct tn_pmtu_info){
        .dst = error->dst, .vrf = error->vrf, .family = error->family, .mtu = UINT16_MAX};
    tn_htab_insert(&p->table, &e->node, hash_of(stack, error->family, error->vrf, &error->dst));
    append(p, e);
    return e;
}

void tn_core_path_mtu(struct tn_self *self, const struct tn_net_error *error)
{
    struct tn_stack *stack = self->stack;
    struct tn_pmtus *p = stack->pmtus;
    if (error->mtu == 0 || error->mtu >= UINT16_MAX)
        return;
    struct entry *e = find(stack, error->family, error->vrf, &error->dst);
    uint32_t mtu = error->mtu < error->mtu_least ? error->mtu_least : error->mtu;
    if ((e && mtu >= e->info.mtu) || !(e || (e = make(stack, error))))
        return;
    e->info.mtu = (uint16_t)mtu;
    e->info.floor = error->mtu < error->mtu_least;
    e->info.expires = stack->now + error->mtu_lifetime;
    take_out(p, e);
    append(p, e);
    tn_core_self(stack)->counters[TN_CORE_PATH_MTU_LOWERED]++;
    tn_paths_changed(stack);
    set_timer(stack);
}

/* ---- All of them ---- */

void tn_pmtu_each(struct tn_stack *stack, void (*each)(void *context, const struct tn_pmtu_info *info),
                  void *context)
{
    for (const struct entry *e = stack->pmtus->oldest; e; e = e->newer)
        each(context, &e->info);
}

int tn_pmtus_init(struct tn_stack *stack)
{
    struct tn_pmtus *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    int error = tn_htab_init(&p->table);
    if (error == 0) {
        error = tn_slab_init(&p->slab, "path-mtus", sizeof(struct entry), stack->plan->limits.path_mtus);
        if (error < 0)
            tn_htab_destroy(&p->table);
    }
    if (error < 0) {
        free(p);
        return error;
    }
    stack->pmtus = p;
    return 0;
}

void tn_pmtus_destroy(struct tn_stack *stack)
{
    if (!stack->pmtus)
        return;
    tn_slab_destroy(&stack->pmtus->slab);
    tn_htab_destroy(&stack->pmtus->table);
    free(stack->pmtus);
    stack->pmtus = NULL;
}
