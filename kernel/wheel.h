/* wheel.h: the timing wheel: all timers of a stack.
 *
 * Eight levels of 64 buckets; a tick is TN_TIMER_TICK. A timer is put in the level whose span holds its
 * distance and moves down as its time comes near, at most once a level, so start, stop and fire are O(1). A
 * bitmap a level says which buckets hold timers: the next deadline is found with a few bit operations, never
 * by walking timers. */
#ifndef TENON_KERNEL_WHEEL_H
#define TENON_KERNEL_WHEEL_H

#include "tenon/timer.h"

#define TN_WHEEL_LEVELS 8
#define TN_WHEEL_SLOTS  64

/* Timers in the order in which they were put there. */
struct tn_timer_list {
    struct tn_timer *head;
    struct tn_timer **tail; /* the link to put the next one at; NULL: the list is empty */
};

/* Eight levels of six bits count 2^48 ticks, more than tn_time can. */
struct tn_wheel {
    struct tn_timer_list buckets[TN_WHEEL_LEVELS * TN_WHEEL_SLOTS];
    struct tn_timer_list late; /* started when already due: fire at the next run */
    uint64_t occupied[TN_WHEEL_LEVELS];
    uint64_t tick;  /* all timers before this tick have fired, and those of this tick but for the ones that a
                       budget left */
    tn_time next;   /* when the tick after it begins */
    size_t running; /* timers */
    uint64_t moves; /* timers moved down a level so far: what the wheel costs beyond start, stop and fire */
};

/* `now` is the present on the stack's clock. */
void tn_wheel_init(struct tn_wheel *wheel, tn_time now);
/* Due at `at` (rounded up to a tick; in the past: at the next tn_wheel_run). A running timer is moved. */
void tn_wheel_start(struct tn_wheel *wheel, struct tn_timer *timer, tn_time at);
/* Stopping a stopped timer is allowed. */
void tn_wheel_stop(struct tn_wheel *wheel, struct tn_timer *timer);
/* Stops every timer of a plugin's slot. Walks all timers: for when a plugin is disabled. */
void tn_wheel_stop_slot(struct tn_wheel *wheel, uint16_t slot);
/* A time not later than the first expiry, and equal to it when both lie in the same 6.4 ms (level 0);
 * TN_NEVER when there are no timers. Calling tn_wheel_run() at that time always makes progress: it fires, or
 * moves timers down a level. */
tn_time tn_wheel_deadline(const struct tn_wheel *wheel);
/* Whether tn_wheel_run() has anything to do: often no tick has passed, and what was due at this one has fired. */
static inline bool tn_wheel_turns(const struct tn_wheel *wheel, tn_time now)
{
    return now >= wheel->next || wheel->late.head || (wheel->occupied[0] >> wheel->tick % TN_WHEEL_SLOTS & 1);
}
/* Fires what is due at `now`, in order of expiry; timers due at the same tick fire in the order in which they
 * were started. `fire` may start and stop any timer; one that it starts for a time that this run has already
 * reached fires at the next run, first of all but those that a budget left. At most `budget` timers fire;
 * returns how many did. */
size_t tn_wheel_run(struct tn_wheel *wheel, tn_time now, size_t budget,
                    void (*fire)(void *context, struct tn_timer *timer), void *context);

#endif
