/* timer.h: timers, which live inside the records of whoever needs them.
 *
 * A timer names its handler by plugin slot and index into the plugin's timer table, never by address, so it
 * survives a swap of the plugin (docs/architecture.md, "Swap"). Starting, stopping and firing cost O(1),
 * however many timers there are. A timer fires once, not before its time and at most TN_TIMER_TICK after it
 * (as long as the stack is being stepped). The memory of a running timer must stay; stop it before freeing.
 */
#ifndef TENON_TIMER_H
#define TENON_TIMER_H

#include "tenon/types.h"

/* Expiry times are rounded up to this; a multiple of it is met exactly in virtual time. */
#define TN_TIMER_TICK (100 * TN_USEC)

/* All zero = a stopped timer; no other initialisation is needed. */
struct tn_timer {
    struct tn_timer *next;
    struct tn_timer **link; /* what points at this timer; NULL when stopped */
    uint64_t expires;       /* in ticks */
    uint16_t bucket;        /* the wheel's own */
    uint16_t slot;          /* whose timer table */
    uint16_t handler;       /* index into it */
};

static inline bool tn_timer_running(const struct tn_timer *t)
{
    return t->link != NULL;
}

/* When a running timer is due. */
static inline tn_time tn_timer_due(const struct tn_timer *t)
{
    return t->expires * TN_TIMER_TICK;
}

#endif
