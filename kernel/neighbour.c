/* neighbour.c: link addresses of neighbours.
 *
 * The state machine of RFC 4861 §7.3.2 serves every family; who asks, and in what words, is the family's
 * resolver.
 *
 *     INCOMPLETE --answer--> REACHABLE --time--> STALE --packet sent--> DELAY --time--> PROBE --answer-->
 * REACHABLE |                                                                              |
 *          +--3 questions without an answer--> FAILED <-----------------------------------+
 *
 * Packets wait in INCOMPLETE; in all states after it they go out at once to the link address that is known.
 * Which of the states an entry is in also says how much it would be missed: when the table is full, the entry
 * that goes is the oldest of the lowest rank (enum rank), so that noise pushes out noise. REACHABLE entries
 * are never pushed out.
 *
 * An entry that goes may still be named by a remembered path. It is retired: out of the table, but its memory
 * is not used again before all remembered paths have been declared invalid, which happens once for many
 * retired entries. */
#include "neighbour.h"

#include <errno.h>
#include <stdlib.h>

#include "address.h"
#include "dispatch.h"
#include "htab.h"
#include "stack.h"

/* RFC 4861 §10. */
#define REACHABLE_TIME    (30 * TN_SEC)
#define RETRANS_TIME      (1 * TN_SEC)
#define DELAY_FIRST_PROBE (5 * TN_SEC)
#define MAX_SOLICITS      3

#define FAILED_HOLD  TN_SEC         /* RFC 1122 §2.3.2.1: at most one question a second */
#define IDLE_TIME    (600 * TN_SEC) /* an entry that nobody uses is forgotten */
#define FAILED_TIME  (60 * TN_SEC)
#define UNASKED_TIME (10 * TN_SEC) /* made for a path on which nothing was ever sent */

#define RETIRED_MAX   256
#define STATE_RETIRED 0xff

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

struct tn_neighbour {
    uint8_t state; /* enum tn_neighbour_state, or STATE_RETIRED */
    uint8_t family;
    uint16_t ifindex;
    uint8_t lladdr_len; /* 0: not known */
    uint8_t lladdr[TN_LLADDR_MAX];
    uint8_t solicits; /* questions sent in this state */
    uint8_t rank;
    bool asked; /* a question is out that nobody has answered */
    bool used;  /* something was sent to it */
    uint16_t ethertype;
    struct tn_hnode node;
    struct tn_addr addr;
    struct tn_addr source; /* of the packet that made us ask */
    tn_time confirmed;     /* last sign that it hears us */
    tn_time reachable;     /* how long that is good for */
    tn_time retry;         /* FAILED: no question before this */
    struct tn_timer timer;
    struct tn_packet_queue waiting;
    struct tn_neighbour *older, *newer; /* of its rank; `older` also links the retired */
};

struct rank_list {
    struct tn_neighbour *oldest, *newest;
};

struct tn_neighbours {
    struct tn_htab table;
    struct tn_slab slab;
    struct rank_list ranks[RANK_COUNT];
    struct tn_neighbour *retired;
    size_t count; /* in the table */
};

static void count_event(struct tn_stack *stack, unsigned counter)
{
    tn_core_self(stack)->counters[counter]++;
}

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

/* ---- The table ---- */

static uint32_t key_hash(const struct tn_stack *stack, uint16_t ifindex, uint8_t family,
                         const struct tn_addr *addr)
{
    const uint64_t words[5] = {addr->half[0], addr->half[1], (uint64_t)ifindex << 8 | family};
    return (uint32_t)tn_siphash13_5(&stack->hash_key, words);
}

static struct tn_neighbour *find(const struct tn_stack *stack, uint16_t ifindex, uint8_t family,
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
    struct tn_packet *packet;
    while ((packet = tn_queue_take(&n->waiting)))
        tn_core_drop_packet(stack, packet, reason);
}

static void retire(struct tn_stack *stack, struct tn_neighbour *n, unsigned reason)
{
    struct tn_neighbours *t = stack->neighbours;
    drop_waiting(stack, n, reason);
    tn_wheel_stop(&stack->wheel, &n->timer);
    tn_htab_remove(&t->table, &n->node);
    rank_leave(t, n);
    t->count--;
    n->state = STATE_RETIRED;
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
            retire(stack, stack->neighbours->ranks[rank].oldest, TN_CORE_DROP_NEIGHBOUR_TABLE_FULL);
            return true;
        }
    return false;
}

static void start_timer(struct tn_stack *stack, struct tn_neighbour *n, tn_time delay)
{
    n->timer.slot = TN_SLOT_CORE;
    n->timer.handler = TN_CORE_TIMER_NEIGHBOUR;
    tn_wheel_start(&stack->wheel, &n->timer, stack->now + delay);
}

static struct tn_neighbour *make(struct tn_stack *stack, uint16_t ifindex, uint8_t family,
                                 const struct tn_addr *addr)
{
    struct tn_neighbours *t = stack->neighbours;
    if (t->count >= stack->plan->limits.neighbours) {
        count_event(stack, TN_CORE_NEIGHBOUR_LIMIT);
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
    start_timer(stack, n, UNASKED_TIME);
    return n;
}

struct tn_neighbour *tn_neighbour_get(struct tn_stack *stack, uint16_t ifindex, uint8_t family,
                                      const struct tn_addr *addr)
{
    struct tn_neighbour *n = find(stack, ifindex, family, addr);
    return n ? n : make(stack, ifindex, family, addr);
}

/* ---- Asking ---- */

/* From the address that the packet comes from, if it is one of this interface, else from one near the target.
 */
static struct tn_addr question_source(struct tn_stack *stack, const struct tn_neighbour *n,
                                      struct tn_interface *ifc)
{
    struct tn_addr source = n->source;
    if (tn_core_address_kind(tn_core_self(stack), n->family, ifc, &source, NULL) == TN_LOCAL_UNICAST)
        return source;
    source = (struct tn_addr){{{0}}};
    (void)tn_address_source(stack, n->family, -1, n->ifindex, &n->addr, &source);
    return source;
}

static void ask(struct tn_stack *stack, struct tn_neighbour *n)
{
    const struct tn_dispatch_entry *entry = tn_dispatch_find(stack, TN_TABLE_RESOLVER, 0, n->family);
    struct tn_ifc *ifc = tn_interface_at(stack, n->ifindex);
    n->solicits++;
    n->asked = true;
    start_timer(stack, n, RETRANS_TIME);
    if (!entry->slot || !ifc)
        return;
    count_event(stack, TN_CORE_NEIGHBOUR_SOLICITS);
    struct tn_addr source = question_source(stack, n, &ifc->pub);
    struct tn_self *resolver = &entry->slot->self;
    resolver->plugin->resolver->solicit(resolver, &ifc->pub, &n->addr, &source,
                                        n->lladdr_len ? n->lladdr : NULL);
}

void tn_neighbour_announce(struct tn_stack *stack, uint16_t ifindex, uint8_t family,
                           const struct tn_addr *addr)
{
    const struct tn_dispatch_entry *entry = tn_dispatch_find(stack, TN_TABLE_RESOLVER, 0, family);
    struct tn_ifc *ifc = tn_interface_at(stack, ifindex);
    if (!entry->slot || !ifc || !ifc->pub.up || ifc->pub.lladdr_len == 0)
        return;
    struct tn_self *resolver = &entry->slot->self;
    resolver->plugin->resolver->solicit(resolver, &ifc->pub, addr, addr, NULL);
}

/* ---- States ---- */

static void enter_state(struct tn_stack *stack, struct tn_neighbour *n, enum tn_neighbour_state state)
{
    rank_leave(stack->neighbours, n);
    n->state = (uint8_t)state;
    n->solicits = 0;
    rank_enter(stack->neighbours, n);
}

/* RFC 4861 §6.3.2: uniformly between 0.5 and 1.5 times the base, so that hosts do not ask in step. */
static void become_reachable(struct tn_stack *stack, struct tn_neighbour *n)
{
    n->asked = false;
    n->used = true;
    n->confirmed = stack->now;
    n->reachable = REACHABLE_TIME / 2 + tn_rng_next(&stack->rng) % REACHABLE_TIME;
    enter_state(stack, n, TN_NEIGHBOUR_REACHABLE);
    start_timer(stack, n, n->reachable);
}

static void become_stale(struct tn_stack *stack, struct tn_neighbour *n)
{
    enter_state(stack, n, TN_NEIGHBOUR_STALE);
    start_timer(stack, n, IDLE_TIME);
}

static void become_incomplete(struct tn_stack *stack, struct tn_neighbour *n)
{
    enter_state(stack, n, TN_NEIGHBOUR_INCOMPLETE);
    ask(stack, n);
}

static void become_delayed(struct tn_stack *stack, struct tn_neighbour *n, const struct tn_packet *packet)
{
    n->source = packet->src;
    n->used = true;
    enter_state(stack, n, TN_NEIGHBOUR_DELAY);
    start_timer(stack, n, DELAY_FIRST_PROBE);
}

/* A packet that will never arrive: its transport is told, with the packet's own transport header for a quote.
 * The link itself said so, not some stranger's message, so what is being opened may give up (hard). */
static void tell_sender(struct tn_stack *stack, const struct tn_packet *packet)
{
    size_t end = tn_packet_headroom(packet) + packet->len;
    if (packet->transport == 0 || packet->transport > end || packet->transport < tn_packet_headroom(packet))
        return;
    struct tn_net_error error = {
        .family = packet->family,
        .protocol = packet->protocol,
        .hard = true,
        .error = EHOSTUNREACH,
        .vrf = packet->vrf,
        .src = packet->src,
        .dst = packet->dst,
        .quote = tn_cursor(packet->buffer->bytes + packet->transport, end - packet->transport),
    };
    tn_core_net_error(tn_core_self(stack), &error);
}

/* Transports that are told may send, and so change this table: the entry is not touched after its queue was
 * taken. */
static void become_failed(struct tn_stack *stack, struct tn_neighbour *n)
{
    struct tn_packet_queue waiting = n->waiting;
    n->waiting = (struct tn_packet_queue){0};
    n->lladdr_len = 0;
    n->retry = stack->now + FAILED_HOLD;
    enter_state(stack, n, TN_NEIGHBOUR_FAILED);
    start_timer(stack, n, FAILED_TIME);
    struct tn_packet *packet;
    while ((packet = tn_queue_take(&waiting))) {
        tell_sender(stack, packet);
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_NEIGHBOUR_UNREACHABLE);
    }
}

static void ask_again(struct tn_stack *stack, struct tn_neighbour *n)
{
    if (n->solicits < MAX_SOLICITS)
        ask(stack, n);
    else
        become_failed(stack, n);
}

static void reachable_timer(struct tn_stack *stack, struct tn_neighbour *n)
{
    tn_time until = n->confirmed + n->reachable;
    if (until > stack->now)
        start_timer(stack, n, until - stack->now);
    else
        become_stale(stack, n);
}

void tn_neighbour_timer(struct tn_self *core, struct tn_timer *timer)
{
    struct tn_stack *stack = core->stack;
    struct tn_neighbour *n = tn_container(timer, struct tn_neighbour, timer);
    switch ((enum tn_neighbour_state)n->state) {
    case TN_NEIGHBOUR_INCOMPLETE:
        if (n->solicits == 0)
            retire(stack, n, TN_CORE_DROP_NEIGHBOUR_UNREACHABLE);
        else
            ask_again(stack, n);
        break;
    case TN_NEIGHBOUR_REACHABLE:
        reachable_timer(stack, n);
        break;
    case TN_NEIGHBOUR_DELAY:
        enter_state(stack, n, TN_NEIGHBOUR_PROBE);
        ask(stack, n);
        break;
    case TN_NEIGHBOUR_PROBE:
        ask_again(stack, n);
        break;
    case TN_NEIGHBOUR_STALE:
    case TN_NEIGHBOUR_FAILED:
        retire(stack, n, TN_CORE_DROP_NEIGHBOUR_UNREACHABLE);
        break;
    }
}

/* ---- Sending ---- */

static void send_now(struct tn_stack *stack, const struct tn_neighbour *n, struct tn_packet *packet,
                     uint16_t ethertype)
{
    struct tn_ifc *ifc = stack->interfaces[n->ifindex];
    if (tn_unlikely(!ifc)) {
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_INTERFACE_DOWN);
        return;
    }
    tn_core_frame_output(tn_core_self(stack), &ifc->pub, packet, n->lladdr, ethertype);
}

/* RFC 4861 §7.2.2: when the queue overflows, the new packet replaces the oldest. */
static int wait_for_answer(struct tn_stack *stack, struct tn_neighbour *n, struct tn_packet *packet,
                           uint16_t ethertype)
{
    if (!tn_dispatch_find(stack, TN_TABLE_RESOLVER, 0, n->family)->slot) {
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_NO_RESOLVER);
        return -EHOSTUNREACH;
    }
    if (n->waiting.packets >= stack->plan->limits.neighbour_queue)
        tn_core_drop_packet(stack, tn_queue_take(&n->waiting), TN_CORE_DROP_NEIGHBOUR_QUEUE_FULL);
    n->source = packet->src;
    n->ethertype = ethertype;
    tn_queue_append(&n->waiting, packet);
    if (n->state != TN_NEIGHBOUR_INCOMPLETE || n->solicits == 0)
        become_incomplete(stack, n);
    return 0;
}

static int send_by_state(struct tn_stack *stack, struct tn_neighbour *n, struct tn_packet *packet,
                         uint16_t ethertype)
{
    switch (n->state) {
    case TN_NEIGHBOUR_STALE:
        become_delayed(stack, n, packet);
        send_now(stack, n, packet, ethertype);
        return 0;
    case TN_NEIGHBOUR_DELAY:
    case TN_NEIGHBOUR_PROBE:
        send_now(stack, n, packet, ethertype);
        return 0;
    case TN_NEIGHBOUR_FAILED:
        if (stack->now < n->retry) {
            tn_core_drop_packet(stack, packet, TN_CORE_DROP_NEIGHBOUR_UNREACHABLE);
            return -EHOSTUNREACH;
        }
        return wait_for_answer(stack, n, packet, ethertype);
    case TN_NEIGHBOUR_INCOMPLETE:
        return wait_for_answer(stack, n, packet, ethertype);
    default: /* retired: the next look-up of the path makes a new one */
        tn_paths_changed(stack);
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_NO_PATH);
        return -ENETUNREACH;
    }
}

int tn_neighbour_output(struct tn_stack *stack, struct tn_neighbour *n, struct tn_packet *packet,
                        uint16_t ethertype)
{
    if (tn_unlikely(n->state != TN_NEIGHBOUR_REACHABLE))
        return send_by_state(stack, n, packet, ethertype);
    send_now(stack, n, packet, ethertype);
    return 0;
}

static void send_waiting(struct tn_stack *stack, struct tn_neighbour *n)
{
    struct tn_packet *packet;
    while ((packet = tn_queue_take(&n->waiting)))
        (void)tn_neighbour_output(stack, n, packet, n->ethertype);
}

/* ---- Learning ---- */

static void set_lladdr(struct tn_neighbour *n, const struct tn_interface *ifc, const uint8_t *lladdr)
{
    n->lladdr_len = ifc->lladdr_len;
    memcpy(n->lladdr, lladdr, ifc->lladdr_len);
}

/* RFC 4861 §7.2.5, for an entry that has a link address. */
static void learn_more(struct tn_stack *stack, struct tn_neighbour *n, const struct tn_interface *ifc,
                       const uint8_t *lladdr, unsigned flags, bool answer)
{
    bool same = memcmp(n->lladdr, lladdr, ifc->lladdr_len) == 0;
    if (!same && !(flags & TN_LEARN_OVERRIDE)) {
        if (n->state == TN_NEIGHBOUR_REACHABLE)
            become_stale(stack, n);
        return;
    }
    set_lladdr(n, ifc, lladdr);
    if (answer)
        become_reachable(stack, n);
    else if (!same)
        become_stale(stack, n);
}

void tn_core_neighbour_learn(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                             const struct tn_addr *addr, const uint8_t *lladdr, unsigned flags)
{
    struct tn_stack *stack = self->stack;
    struct tn_neighbour *n = find(stack, ifc->index, family, addr);
    if (!n && (flags & TN_LEARN_CREATE))
        n = make(stack, ifc->index, family, addr);
    if (!n)
        return;
    /* What claims to be an answer is one only while a question is out. */
    bool answer = (flags & TN_LEARN_SOLICITED) && n->asked;
    if (n->lladdr_len) {
        learn_more(stack, n, ifc, lladdr, flags, answer);
        return;
    }
    set_lladdr(n, ifc, lladdr);
    if (answer)
        become_reachable(stack, n);
    else
        become_stale(stack, n);
    send_waiting(stack, n);
}

void tn_core_neighbour_confirm(struct tn_self *self, struct tn_path *path)
{
    struct tn_stack *stack = self->stack;
    struct tn_neighbour *n = path->neighbour;
    if (!n || path->generation != stack->path_generation)
        return;
    if (tn_likely(n->state == TN_NEIGHBOUR_REACHABLE))
        n->confirmed = stack->now;
    else if (n->lladdr_len && n->state != STATE_RETIRED)
        become_reachable(stack, n);
}

bool tn_core_neighbour_known(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                             const struct tn_addr *addr)
{
    return find(self->stack, ifc->index, family, addr) != NULL;
}

/* ---- The whole table ---- */

void tn_neighbours_flush(struct tn_stack *stack, uint16_t ifindex)
{
    struct tn_neighbours *t = stack->neighbours;
    for (struct tn_neighbour *n = tn_slab_next(&t->slab, NULL); n; n = tn_slab_next(&t->slab, n))
        if (n->state != STATE_RETIRED && (ifindex == 0 || n->ifindex == ifindex))
            retire(stack, n, TN_CORE_DROP_INTERFACE_DOWN);
    bury_retired(stack);
}

void tn_neighbour_each(struct tn_stack *stack,
                       void (*each)(void *context, const struct tn_neighbour_info *info), void *context)
{
    struct tn_neighbours *t = stack->neighbours;
    for (struct tn_neighbour *n = tn_slab_next(&t->slab, NULL); n; n = tn_slab_next(&t->slab, n)) {
        if (n->state == STATE_RETIRED)
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

const char *tn_neighbour_state_name(enum tn_neighbour_state state)
{
    static const char *const names[] = {
        [TN_NEIGHBOUR_INCOMPLETE] = "INCOMPLETE", [TN_NEIGHBOUR_REACHABLE] = "REACHABLE",
        [TN_NEIGHBOUR_STALE] = "STALE",           [TN_NEIGHBOUR_DELAY] = "DELAY",
        [TN_NEIGHBOUR_PROBE] = "PROBE",           [TN_NEIGHBOUR_FAILED] = "FAILED",
    };
    return state < TN_ARRAY_SIZE(names) ? names[state] : "?";
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
