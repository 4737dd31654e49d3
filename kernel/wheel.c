/* wheel.c: a hierarchical timing wheel.
 *
 * Read a tick number as digits of six bits. A timer lies in the level of the highest digit in which its
 * expiry differs from the present tick, in the bucket of its own digit there; in level 0 if they are equal.
 * So
 *
 * (1) All timers of a level share the higher digits with the present, and their digit is greater than the
 *     present's (or equal in level 0: due now). Hence a lower level's timers all come before a higher
 * level's, and within a level the lowest bucket comes first: two look-ups of a lowest set bit find the first
 * timers.
 *
 * (2) Where a timer lies follows from its expiry and the present alone. Two timers for the same tick always
 * lie in the same bucket, and buckets keep their order when they move down: first started, first fired.
 *
 * (3) Time may jump up to the start of the first bucket without touching a timer. Entering that bucket (its
 *     lower digits are zero) moves its timers to lower levels; an empty stretch costs nothing, however long.
 *
 * A timer whose time has come when it is started goes to a list of its own (`late`), and only the next run
 * takes it from there: a timer that restarts itself without delay can't keep a run from ending. */
#include "wheel.h"

#define LEVEL_BITS  6
#define SLOT_MASK   (TN_WHEEL_SLOTS - 1u)
#define LATE_BUCKET (TN_WHEEL_LEVELS * TN_WHEEL_SLOTS)
#define LAST_TICK   (UINT64_MAX / TN_TIMER_TICK)

static unsigned digit_of(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> (level * LEVEL_BITS)) & SLOT_MASK;
}

static unsigned level_of(uint64_t tick, uint64_t expires)
{
    uint64_t differ = tick ^ expires;
    return differ ? (63 - (unsigned)__builtin_clzll(differ)) / LEVEL_BITS : 0;
}

static struct tn_timer_list *list_of(struct tn_wheel *wheel, unsigned bucket)
{
    return bucket == LATE_BUCKET ? &wheel->late : &wheel->buckets[bucket];
}

static void bucket_append(struct tn_wheel *wheel, unsigned bucket, struct tn_timer *timer)
{
    struct tn_timer_list *list = list_of(wheel, bucket);
    if (!list->head)
        list->tail = &list->head;
    timer->bucket = (uint16_t)bucket;
    timer->next = NULL;
    timer->link = list->tail;
    *list->tail = timer;
    list->tail = &timer->next;
    if (bucket != LATE_BUCKET)
        wheel->occupied[bucket / TN_WHEEL_SLOTS] |= (uint64_t)1 << bucket % TN_WHEEL_SLOTS;
}

static void bucket_remove(struct tn_wheel *wheel, struct tn_timer *timer)
{
    struct tn_timer_list *list = list_of(wheel, timer->bucket);
    *timer->link = timer->next;
    if (timer->next)
        timer->next->link = timer->link;
    else
        list->tail = timer->link;
    if (!list->head && timer->bucket != LATE_BUCKET)
        wheel->occupied[timer->bucket / TN_WHEEL_SLOTS] &= ~((uint64_t)1 << timer->bucket % TN_WHEEL_SLOTS);
    timer->next = NULL;
    timer->link = NULL;
}

/* Puts a timer (not before the present) where its expiry says. */
static void place(struct tn_wheel *wheel, struct tn_timer *timer)
{
    unsigned level = level_of(wheel->tick, timer->expires);
    bucket_append(wheel, level * TN_WHEEL_SLOTS + digit_of(timer->expires, level), timer);
}

/* The first bucket that holds timers and the tick at which it begins; false if there are none. */
static bool first_bucket(const struct tn_wheel *wheel, unsigned *bucket, uint64_t *start)
{
    for (unsigned level = 0; level < TN_WHEEL_LEVELS; level++) {
        if (!wheel->occupied[level])
            continue;
        unsigned slot = (unsigned)__builtin_ctzll(wheel->occupied[level]);
        unsigned shift = level * LEVEL_BITS;
        *bucket = level * TN_WHEEL_SLOTS + slot;
        *start = ((wheel->tick >> shift & ~(uint64_t)SLOT_MASK) | slot) << shift;
        return true;
    }
    return false;
}

/* Moves all timers of a list to where they belong at the present tick, in their order. Late ones are due now.
 */
static void redistribute(struct tn_wheel *wheel, unsigned bucket)
{
    struct tn_timer_list *list = list_of(wheel, bucket);
    struct tn_timer *timer = list->head;
    list->head = NULL;
    list->tail = NULL;
    if (bucket != LATE_BUCKET)
        wheel->occupied[bucket / TN_WHEEL_SLOTS] &= ~((uint64_t)1 << bucket % TN_WHEEL_SLOTS);
    while (timer) {
        struct tn_timer *next = timer->next;
        if (timer->expires < wheel->tick)
            timer->expires = wheel->tick;
        place(wheel, timer);
        wheel->moves++;
        timer = next;
    }
}

static void set_tick(struct tn_wheel *wheel, uint64_t tick)
{
    wheel->tick = tick;
    wheel->next = tick < LAST_TICK ? (tick + 1) * TN_TIMER_TICK : TN_NEVER;
}

void tn_wheel_init(struct tn_wheel *wheel, tn_time now)
{
    memset(wheel, 0, sizeof(*wheel));
    set_tick(wheel, now / TN_TIMER_TICK);
}

void tn_wheel_start(struct tn_wheel *wheel, struct tn_timer *timer, tn_time at)
{
    tn_wheel_stop(wheel, timer);
    uint64_t expires = at / TN_TIMER_TICK + (at % TN_TIMER_TICK != 0);
    if (expires > LAST_TICK)
        expires = LAST_TICK;
    wheel->running++;
    if (expires > wheel->tick) {
        timer->expires = expires;
        place(wheel, timer);
    } else {
        timer->expires = wheel->tick;
        bucket_append(wheel, LATE_BUCKET, timer);
    }
}

void tn_wheel_stop(struct tn_wheel *wheel, struct tn_timer *timer)
{
    if (!tn_timer_running(timer))
        return;
    bucket_remove(wheel, timer);
    wheel->running--;
}

void tn_wheel_stop_slot(struct tn_wheel *wheel, uint16_t slot)
{
    for (unsigned bucket = 0; bucket <= LATE_BUCKET; bucket++)
        for (struct tn_timer *timer = list_of(wheel, bucket)->head, *next; timer; timer = next) {
            next = timer->next;
            if (timer->slot == slot)
                tn_wheel_stop(wheel, timer);
        }
}

tn_time tn_wheel_deadline(const struct tn_wheel *wheel)
{
    unsigned bucket;
    uint64_t start;
    if (wheel->late.head)
        return wheel->tick * TN_TIMER_TICK;
    return first_bucket(wheel, &bucket, &start) ? start * TN_TIMER_TICK : TN_NEVER;
}

TN_APART size_t tn_wheel_run(struct tn_wheel *wheel, tn_time now, size_t budget,
                             void (*fire)(void *context, struct tn_timer *timer), void *context)
{
    uint64_t target = now / TN_TIMER_TICK;
    if (target < wheel->tick)
        target = wheel->tick;
    if (!tn_wheel_turns(wheel, now))
        return 0;
    /* What a budget left of the present tick was started before these. */
    redistribute(wheel, LATE_BUCKET);

    size_t fired = 0;
    unsigned bucket;
    uint64_t start;
    while (first_bucket(wheel, &bucket, &start) && start <= target) {
        /* Not a tick further: what was started late at this one still comes before. */
        if (fired == budget)
            return fired;
        set_tick(wheel, start);
        if (bucket >= TN_WHEEL_SLOTS) {
            redistribute(wheel, bucket);
            continue;
        }
        struct tn_timer *timer = wheel->buckets[bucket].head;
        tn_wheel_stop(wheel, timer);
        fire(context, timer);
        fired++;
    }
    set_tick(wheel, target);
    return fired;
}
