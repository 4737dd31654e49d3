/* neighbour_table.c: where neighbour entries are kept.
 *
 * The state an entry is in says how much it would be missed. When the table is full, the entry that goes is the oldest of the
 * lowest rank (enum rank), so that noise pushes out noise. REACHABLE entries are never pushed out.
 *
 * An entry that goes may still be named by a remembered path. It is retired: out of the table, but its memory is not used
 * again before all remembered paths have been declared invalid, which happens once for many retired entries.
 *
 * Packets that wait for answers are limited for each entry, and together to a part of the packet pool: whoever makes this
 * stack send to a thousand silent hosts does not get all its memory. */
#include "neighbour_table.h"

#include <errno.h>
#include <stdlib.h>

#define RETIRED_MAX  256
#define UNASKED_TIME (10 * TN_SEC) /* made for a path on which nothing was ever sent */
#define WAITING_PART 4             /* packets that wait: at most this part of the pool */

/* How much an entry would be missed, least first. */
enum rank {
    RANK_FAILED,
    RANK_HEARSAY, /* STALE, and nothing was ever sent to it */
    RANK_ASKING,
    RANK_STALE,
    RANK_DOUBTED, /* DELAY, PROBE */
    RANK_LIVE,
    RANK_COUNT,
};

struct rank_list {
    struct tn_neighbour *oldest, *newest;
};

struct tn_neighbours {
    struct tn_htab table;
    struct tn_slab slab;
    struct rank_list ranks[RANK_COUNT];
    struct tn_neighbour *retired;
    size_t count;   /* in the table */
    size_t waiting; /* packets, of all entries */
};

/* ---- Ranks ---- */

static enum rank rank_of(const struct tn_neighbour *n)
{
    switch ((enum tn_neighbour_state)n->state) {
    case TN_NEIGHBOUR_FAILED:
        return RANK_FAILED;
    case TN_NEIGHBOUR_INCOMPLETE:
        return RANK_ASKING;
    case TN_NEIGHBOUR_STALE:
        return n->used ? RANK_STALE : RANK_HEARSAY;
    case TN_NEIGHBOUR_DELAY:
    case TN_NEIGHBOUR_PROBE:
        return RANK_DOUBTED;
    case TN_NEIGHBOUR_REACHABLE:
        break;
    }
    return RANK_LIVE;
}

static void rank_enter(struct tn_neighbours *t, struct tn_neighbour *n)
{
    n->rank = (uint8_t)rank_of(n);
    struct rank_list *list = &t->ranks[n->rank];
    n->newer = NULL;
    n->older = list->newest;
    if (list->newest)
        list->newest->newer = n;
    else
        list->oldest = n;
    list->newest = n;
}

static void rank_leave(struct tn_neighbours *t, struct tn_neighbour *n)
{
    struct rank_list *list = &t->ranks[n->rank];
    if (n->older)
        n->older->newer = n->newer;
    else
        list->oldest = n->newer;
    if (n->newer)
        n->newer->older = n->older;
    else
        list->newest = n->older;
}

void tn_neighbour_enter_state(struct tn_stack *stack, struct tn_neighbour *n, enum tn_neighbour_state state)
{
    rank_leave(stack->neighbours, n);
    n->state = (uint8_t)state;
    n->solicits = 0;
    rank_enter(stack->neighbours, n);
}

/* ---- Packets that wait ---- */

struct tn_packet_queue tn_neighbour_take_waiting(struct tn_stack *stack, struct tn_neighbour *n)
{
    struct tn_packet_queue all = n->waiting;
    n->waiting = (struct tn_packet_queue){0};
    stack->neighbours->waiting -= all.packets;
    return all;
}

static void drop_oldest(struct tn_stack *stack, struct tn_neighbour *n)
{
    stack->neighbours->waiting--;
    tn_core_drop_packet(stack, tn_queue_take(&n->waiting), TN_CORE_DROP_NEIGHBOUR_QUEUE_FULL);
}

/* All queues together are full: a packet of the entry that has been asking longest makes room, and once it has none left,
 * one of the next. False: it had none. */
static bool drop_elsewhere(struct tn_stack *stack)
{
    struct tn_neighbours *t = stack->neighbours;
    struct tn_neighbour *n = t->ranks[RANK_ASKING].oldest;
    if (!n)
        return false;
    bool had = n->waiting.head != NULL;
    if (had)
        drop_oldest(stack, n);
    if (!n->waiting.head) {
        rank_leave(t, n);
        rank_enter(t, n);
    }
    return had;
}

/* RFC 4861 §7.2.2: when the queue overflows, the new packet replaces the oldest. */
void tn_neighbour_wait(struct tn_stack *stack, struct tn_neighbour *n, struct tn_packet *packet)
{
    struct tn_neighbours *t = stack->neighbours;
    const struct tn_limits *limits = &stack->plan->limits;
    if (n->waiting.packets >= limits->neighbour_queue) {
        drop_oldest(stack, n);
    } else if (t->waiting >= limits->packets / WAITING_PART && !drop_elsewhere(stack)) {
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_NEIGHBOUR_QUEUE_FULL);
        return;
    }
    tn_queue_append(&n->waiting, packet);
    t->waiting++;
}

/* ---- The table ---- */

static uint32_t key_hash(const struct tn_stack *stack, uint16_t ifindex, uint8_t family,
                         const struct tn_addr *addr)
{
    const uint64_t words[5] = {addr->half[0], addr->half[1], (uint64_t)ifindex << 8 | family};
    return (uint32_t)tn_siphash13_5(&stack->hash_key, words);
}

struct tn_neighbour *tn_neighbour_find(const struct tn_stack *stack, uint16_t ifindex, uint8_t family,
                                       const struct tn_addr *addr)
{
    uint32_t hash = key_hash(stack, ifindex, family, addr);
    for (struct tn_hnode *h = tn_htab_first(&stack->neighbours->table, hash); h; h = h->next) {
        struct tn_neighbour *n = tn_container(h, struct tn_neighbour, node);
        if (h->hash == hash && n->ifindex == ifindex && n->family == family && tn_addr_equal(&n->addr, addr))
            return n;
    }
    return NULL;
}

static void drop_waiting(struct tn_stack *stack, struct tn_neighbour *n, unsigned reason)
{
    struct tn_packet_queue waiting = tn_neighbour_take_waiting(stack, n);
    struct tn_packet *packet;
    while ((packet = tn_queue_take(&waiting)))
        tn_core_drop_packet(stack, packet, reason);
}

void tn_neighbour_retire(struct tn_stack *stack, struct tn_neighbour *n, unsigned reason)
{
    struct tn_neighbours *t = stack->neighbours;
    drop_waiting(stack, n, reason);
    tn_wheel_stop(&stack->wheel, &n->timer);
    tn_htab_remove(&t->table, &n->node);
    rank_leave(t, n);
    t->count--;
    n->state = TN_NEIGHBOUR_RETIRED;
    n->older = t->retired;
    t->retired = n;
}

/* Nobody may remember the retired any longer: their memory is free. */
static void bury_retired(struct tn_stack *stack)
{
    struct tn_neighbours *t = stack->neighbours;
    tn_paths_changed(stack);
    while (t->retired) {
        struct tn_neighbour *n = t->retired;
        t->retired = n->older;
        tn_slab_free(&t->slab, n);
    }
}

static bool evict_one(struct tn_stack *stack)
{
    for (unsigned rank = 0; rank < RANK_LIVE; rank++)
        if (stack->neighbours->ranks[rank].oldest) {
            tn_neighbour_retire(stack, stack->neighbours->ranks[rank].oldest,
                                TN_CORE_DROP_NEIGHBOUR_TABLE_FULL);
            return true;
        }
    return false;
}

void tn_neighbour_start_timer(struct tn_stack *stack, struct tn_neighbour *n, tn_time delay)
{
    n->timer.slot = TN_SLOT_CORE;
    n->timer.handler = TN_CORE_TIMER_NEIGHBOUR;
    tn_wheel_start(&stack->wheel, &n->timer, stack->now + delay);
}

struct tn_neighbour *tn_neighbour_make(struct tn_stack *stack, uint16_t ifindex, uint8_t family,
                                       const struct tn_addr *addr)
{
    struct tn_neighbours *t = stack->neighbours;
    if (t->count >= stack->plan->limits.neighbours) {
        tn_core_self(stack)->counters[TN_CORE_NEIGHBOUR_LIMIT]++;
        if (!evict_one(stack))
            return NULL;
    }
    struct tn_neighbour *n = tn_slab_alloc(&t->slab);
    if (!n) {
        bury_retired(stack);
        n = tn_slab_alloc(&t->slab);
        if (!n)
            return NULL;
    }
    n->state = TN_NEIGHBOUR_INCOMPLETE;
    n->family = family;
    n->ifindex = ifindex;
    n->addr = *addr;
    tn_htab_insert(&t->table, &n->node, key_hash(stack, ifindex, family, addr));
    rank_enter(t, n);
    t->count++;
    tn_neighbour_start_timer(stack, n, UNASKED_TIME);
    return n;
}

struct tn_neighbour *tn_neighbour_get(struct tn_stack *stack, uint16_t ifindex, uint8_t family,
                                      const struct tn_addr *addr)
{
    struct tn_neighbour *n = tn_neighbour_find(stack, ifindex, family, addr);
    return n ? n : tn_neighbour_make(stack, ifindex, family, addr);
}

/* ---- The whole table ---- */

void tn_neighbours_flush(struct tn_stack *stack, uint16_t ifindex)
{
    struct tn_neighbours *t = stack->neighbours;
    for (struct tn_neighbour *n = tn_slab_next(&t->slab, NULL); n; n = tn_slab_next(&t->slab, n))
        if (n->state != TN_NEIGHBOUR_RETIRED && (ifindex == 0 || n->ifindex == ifindex))
            tn_neighbour_retire(stack, n, TN_CORE_DROP_INTERFACE_DOWN);
    bury_retired(stack);
}

void tn_neighbour_each(struct tn_stack *stack,
                       void (*each)(void *context, const struct tn_neighbour_info *info), void *context)
{
    struct tn_neighbours *t = stack->neighbours;
    for (struct tn_neighbour *n = tn_slab_next(&t->slab, NULL); n; n = tn_slab_next(&t->slab, n)) {
        if (n->state == TN_NEIGHBOUR_RETIRED)
            continue;
        struct tn_neighbour_info info = {.addr = n->addr,
                                         .family = n->family,
                                         .ifindex = n->ifindex,
                                         .state = (enum tn_neighbour_state)n->state,
                                         .lladdr_len = n->lladdr_len,
                                         .waiting = n->waiting.packets};
        memcpy(info.lladdr, n->lladdr, n->lladdr_len);
        each(context, &info);
    }
}

size_t tn_neighbour_count(const struct tn_stack *stack)
{
    return stack->neighbours->count;
}

int tn_neighbours_init(struct tn_stack *stack)
{
    struct tn_neighbours *t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    int err = tn_htab_init(&t->table);
    if (err == 0) {
        err = tn_slab_init(&t->slab, "neighbours", sizeof(struct tn_neighbour),
                           stack->plan->limits.neighbours + RETIRED_MAX);
        if (err < 0)
            tn_htab_destroy(&t->table);
    }
    if (err < 0) {
        free(t);
        return err;
    }
    stack->neighbours = t;
    return 0;
}

void tn_neighbours_destroy(struct tn_stack *stack)
{
    struct tn_neighbours *t = stack->neighbours;
    if (!t)
        return;
    tn_neighbours_flush(stack, 0);
    tn_htab_destroy(&t->table);
    tn_slab_destroy(&t->slab);
    free(t);
    stack->neighbours = NULL;
}
