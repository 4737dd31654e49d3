/* test_wheel.c: the timing wheel: single behaviours, random use against a list, and what a million timers
 * cost. */
#include "wheel.h"

#include <stdlib.h>

#include "cmocka_all.h"
#include "random.h"

#define TICK TN_TIMER_TICK
#define ALL  SIZE_MAX

/* What fired, in order. */
struct record {
    struct tn_wheel *wheel;
    struct tn_timer *fired[64];
    size_t count;
};

static void note(void *context, struct tn_timer *timer)
{
    struct record *record = context;
    assert_false(tn_timer_running(timer));
    assert_true(record->count < TN_ARRAY_SIZE(record->fired));
    record->fired[record->count++] = timer;
}

static struct tn_wheel wheel_at(tn_time now)
{
    struct tn_wheel wheel;
    tn_wheel_init(&wheel, now);
    return wheel;
}

static size_t run(struct tn_wheel *wheel, tn_time now, struct record *record)
{
    *record = (struct record){.wheel = wheel};
    return tn_wheel_run(wheel, now, ALL, note, record);
}

/* ---- One timer ---- */

static void an_empty_wheel_waits_for_nothing(void **state)
{
    (void)state;
    struct record record;
    struct tn_wheel wheel = wheel_at(123 * TN_SEC);
    assert_true(tn_wheel_deadline(&wheel) == TN_NEVER);
    assert_int_equal(run(&wheel, 1000000 * TN_SEC, &record), 0);
    assert_true(tn_wheel_deadline(&wheel) == TN_NEVER);
}

static void fires_at_its_time_and_not_before(void **state)
{
    (void)state;
    struct record record;
    struct tn_wheel wheel = wheel_at(0);
    struct tn_timer timer = {0};
    tn_wheel_start(&wheel, &timer, 5 * TICK);
    assert_true(tn_timer_running(&timer));
    assert_true(tn_timer_due(&timer) == 5 * TICK);
    assert_int_equal(run(&wheel, 5 * TICK - 1, &record), 0);
    assert_int_equal(run(&wheel, 5 * TICK, &record), 1);
    assert_ptr_equal(record.fired[0], &timer);
    assert_int_equal(wheel.running, 0);
    assert_int_equal(run(&wheel, 500 * TICK, &record), 0);
}

static void times_are_rounded_up_to_a_tick(void **state)
{
    (void)state;
    struct record record;
    struct tn_wheel wheel = wheel_at(0);
    struct tn_timer timer = {0};
    tn_wheel_start(&wheel, &timer, 3 * TICK + 1);
    assert_int_equal(run(&wheel, 3 * TICK + 1, &record), 0);
    assert_int_equal(run(&wheel, 4 * TICK - 1, &record), 0);
    assert_int_equal(run(&wheel, 4 * TICK, &record), 1);
}

static void a_stopped_timer_does_not_fire(void **state)
{
    (void)state;
    struct record record;
    struct tn_wheel wheel = wheel_at(0);
    struct tn_timer timer = {0}, late = {0};
    tn_wheel_start(&wheel, &timer, 5 * TICK);
    tn_wheel_start(&wheel, &late, 0);
    tn_wheel_stop(&wheel, &timer);
    tn_wheel_stop(&wheel, &timer);
    tn_wheel_stop(&wheel, &late);
    assert_false(tn_timer_running(&timer));
    assert_int_equal(wheel.running, 0);
    assert_true(tn_wheel_deadline(&wheel) == TN_NEVER);
    assert_int_equal(run(&wheel, TN_SEC, &record), 0);
}

static void a_restarted_timer_fires_once_at_its_new_time(void **state)
{
    (void)state;
    struct record record;
    struct tn_wheel wheel = wheel_at(0);
    struct tn_timer timer = {0};
    tn_wheel_start(&wheel, &timer, 5 * TICK);
    tn_wheel_start(&wheel, &timer, 900 * TICK);
    tn_wheel_start(&wheel, &timer, 9 * TICK);
    assert_int_equal(wheel.running, 1);
    assert_int_equal(run(&wheel, 8 * TICK, &record), 0);
    assert_int_equal(run(&wheel, 2000 * TICK, &record), 1);
}

static void started_in_the_past_fires_at_the_next_run_of_the_same_time(void **state)
{
    (void)state;
    struct record record;
    struct tn_wheel wheel = wheel_at(10 * TN_SEC);
    struct tn_timer now = {0}, past = {0};
    tn_wheel_start(&wheel, &now, 10 * TN_SEC);
    tn_wheel_start(&wheel, &past, 3);
    assert_true(tn_wheel_deadline(&wheel) <= 10 * TN_SEC);
    assert_int_equal(run(&wheel, 10 * TN_SEC, &record), 2);
    assert_ptr_equal(record.fired[0], &now);
    assert_ptr_equal(record.fired[1], &past);
}

static void a_clock_that_goes_back_fires_nothing_early(void **state)
{
    (void)state;
    struct record record;
    struct tn_wheel wheel = wheel_at(100 * TICK);
    struct tn_timer timer = {0}, late = {0};
    tn_wheel_start(&wheel, &timer, 101 * TICK);
    assert_int_equal(run(&wheel, 7 * TICK, &record), 0);
    tn_wheel_start(&wheel, &late, 8 * TICK);
    assert_int_equal(run(&wheel, 9 * TICK, &record), 1);
    assert_ptr_equal(record.fired[0], &late);
    assert_int_equal(run(&wheel, 101 * TICK, &record), 1);
}

/* Steps from deadline to deadline until the timer fires; returns when, and how many steps it took. */
static tn_time steps_to_fire(struct tn_wheel *wheel, unsigned *steps)
{
    for (*steps = 1;; ++*steps) {
        struct record record;
        tn_time deadline = tn_wheel_deadline(wheel);
        assert_true(deadline != TN_NEVER && *steps <= TN_WHEEL_LEVELS);
        if (run(wheel, deadline, &record) > 0)
            return deadline;
        assert_true(tn_wheel_deadline(wheel) > deadline);
    }
}

static void fires_exactly_at_every_boundary_of_every_level(void **state)
{
    (void)state;
    for (unsigned level = 0; level < TN_WHEEL_LEVELS; level++) {
        for (int from = -1; from <= 1; from++) {
            for (int to = -1; to <= 1; to++) {
                uint64_t turn = (uint64_t)1 << 6 * level;
                uint64_t start = 2 * turn + (uint64_t)from, end = 3 * turn + (uint64_t)to;
                if (end <= start || end > UINT64_MAX / TICK)
                    continue;
                unsigned steps;
                struct tn_wheel wheel = wheel_at(start * TICK);
                struct tn_timer timer = {0};
                tn_wheel_start(&wheel, &timer, end * TICK);
                assert_true(steps_to_fire(&wheel, &steps) == end * TICK);
            }
        }
    }
}

static void a_deadline_within_the_same_64_ticks_is_exact(void **state)
{
    (void)state;
    struct tn_wheel wheel = wheel_at(640 * TICK);
    struct tn_timer near = {0}, far = {0};
    tn_wheel_start(&wheel, &far, 9000 * TICK);
    tn_wheel_start(&wheel, &near, 703 * TICK);
    assert_true(tn_wheel_deadline(&wheel) == 703 * TICK);
    tn_wheel_stop(&wheel, &near);
    assert_true(tn_wheel_deadline(&wheel) > 703 * TICK);
    assert_true(tn_wheel_deadline(&wheel) <= 9000 * TICK);
}

static void the_last_moment_of_the_clock_is_a_time_like_others(void **state)
{
    (void)state;
    struct record record;
    struct tn_wheel wheel = wheel_at(0);
    struct tn_timer never = {0};
    tn_wheel_start(&wheel, &never, TN_NEVER);
    assert_true(tn_timer_due(&never) <= TN_NEVER);
    assert_true(tn_timer_due(&never) > TN_NEVER - TICK);
    assert_int_equal(run(&wheel, TN_NEVER / 2, &record), 0);
    assert_int_equal(run(&wheel, TN_NEVER, &record), 1);
}

static void a_jump_of_years_touches_only_timers(void **state)
{
    (void)state;
    struct record record;
    tn_time year = 365 * 24 * 3600 * TN_SEC;
    struct tn_wheel wheel = wheel_at(0);
    struct tn_timer timers[3] = {{0}};
    tn_wheel_start(&wheel, &timers[0], 2 * TN_SEC);
    tn_wheel_start(&wheel, &timers[1], 3 * year);
    tn_wheel_start(&wheel, &timers[2], 30 * year);
    assert_int_equal(run(&wheel, 29 * year, &record), 2);
    assert_ptr_equal(record.fired[0], &timers[0]);
    assert_ptr_equal(record.fired[1], &timers[1]);
    assert_in_range(wheel.moves, 1, 3 * (TN_WHEEL_LEVELS - 1));
    assert_int_equal(run(&wheel, 30 * year, &record), 1);
}

static void all_timers_of_a_slot_stop_and_no_others(void **state)
{
    (void)state;
    static const tn_time at[] = {0, 5 * TICK, 5 * TICK, 5 * TICK, 700 * TICK, 10 * TN_SEC, 3600 * TN_SEC};
    struct record record;
    struct tn_wheel wheel = wheel_at(100);
    struct tn_timer mine[TN_ARRAY_SIZE(at)] = {{0}}, others[TN_ARRAY_SIZE(at)] = {{0}};
    for (unsigned i = 0; i < TN_ARRAY_SIZE(at); i++) {
        mine[i].slot = 3;
        others[i].slot = 4;
        tn_wheel_start(&wheel, &mine[i], at[i]);
        tn_wheel_start(&wheel, &others[i], at[i]);
    }
    tn_wheel_stop_slot(&wheel, 3);
    assert_int_equal(wheel.running, TN_ARRAY_SIZE(at));
    assert_int_equal(run(&wheel, 3600 * TN_SEC, &record), TN_ARRAY_SIZE(at));
    for (unsigned i = 0; i < TN_ARRAY_SIZE(at); i++) {
        assert_false(tn_timer_running(&mine[i]));
        assert_ptr_equal(record.fired[i], &others[i]);
    }
}

/* ---- Order ---- */

static void fires_in_order_of_expiry(void **state)
{
    (void)state;
    static const unsigned at[] = {4097, 1, 65, 64, 300000, 63, 2, 4096, 5000, 128};
    static const unsigned order[] = {1, 6, 5, 3, 2, 9, 7, 0, 8, 4};
    struct record record;
    struct tn_wheel wheel = wheel_at(0);
    struct tn_timer timers[TN_ARRAY_SIZE(at)] = {{0}};
    for (unsigned i = 0; i < TN_ARRAY_SIZE(at); i++)
        tn_wheel_start(&wheel, &timers[i], at[i] * TICK);
    assert_int_equal(run(&wheel, 300000 * TICK, &record), TN_ARRAY_SIZE(at));
    for (unsigned i = 0; i < TN_ARRAY_SIZE(at); i++)
        assert_ptr_equal(record.fired[i], &timers[order[i]]);
}

/* Timers for one tick, each started nearer to it, so on another level. */
static void same_tick_fires_in_order_of_start_across_levels(void **state)
{
    (void)state;
    static const uint64_t before[] = {70000000, 300000, 299999, 5000, 4096, 4095, 100, 65, 64, 63, 2, 1};
    struct record record;
    uint64_t due = 1u << 30 | 12345;
    struct tn_wheel wheel = wheel_at((due - 80000000) * TICK);
    struct tn_timer timers[TN_ARRAY_SIZE(before)] = {{0}};
    for (unsigned i = 0; i < TN_ARRAY_SIZE(before); i++) {
        assert_int_equal(run(&wheel, (due - before[i]) * TICK, &record), 0);
        tn_wheel_start(&wheel, &timers[i], due * TICK);
    }
    assert_int_equal(run(&wheel, due * TICK, &record), TN_ARRAY_SIZE(before));
    for (unsigned i = 0; i < TN_ARRAY_SIZE(before); i++)
        assert_ptr_equal(record.fired[i], &timers[i]);
}

static void a_restarted_timer_goes_behind_the_others(void **state)
{
    (void)state;
    struct record record;
    struct tn_wheel wheel = wheel_at(0);
    struct tn_timer a = {0}, b = {0}, c = {0};
    tn_wheel_start(&wheel, &a, 9 * TICK);
    tn_wheel_start(&wheel, &b, 9 * TICK);
    tn_wheel_start(&wheel, &c, 9 * TICK);
    tn_wheel_start(&wheel, &a, 9 * TICK);
    tn_wheel_stop(&wheel, &c);
    tn_wheel_start(&wheel, &c, 9 * TICK);
    assert_int_equal(run(&wheel, 9 * TICK, &record), 3);
    assert_ptr_equal(record.fired[0], &b);
    assert_ptr_equal(record.fired[1], &a);
    assert_ptr_equal(record.fired[2], &c);
}

/* ---- From inside fire ---- */

struct restart {
    struct tn_wheel *wheel;
    struct tn_timer *other;
    tn_time at;
    unsigned fired;
};

static void start_again(void *context, struct tn_timer *timer)
{
    struct restart *restart = context;
    restart->fired++;
    tn_wheel_start(restart->wheel, timer, restart->at);
}

static void a_timer_that_restarts_at_once_fires_once_a_run(void **state)
{
    (void)state;
    struct tn_wheel wheel = wheel_at(0);
    struct tn_timer timer = {0};
    struct restart restart = {.wheel = &wheel, .at = 5 * TICK};
    tn_wheel_start(&wheel, &timer, 5 * TICK);
    assert_int_equal(tn_wheel_run(&wheel, 5 * TICK, ALL, start_again, &restart), 1);
    assert_true(tn_wheel_deadline(&wheel) <= 5 * TICK);
    assert_int_equal(tn_wheel_run(&wheel, 5 * TICK, ALL, start_again, &restart), 1);
    assert_int_equal(restart.fired, 2);
    tn_wheel_stop(&wheel, &timer);
    assert_int_equal(wheel.running, 0);
}

static void start_other(void *context, struct tn_timer *timer)
{
    struct restart *restart = context;
    if (timer != restart->other)
        tn_wheel_start(restart->wheel, restart->other, restart->at);
    restart->fired++;
}

static void one_started_for_a_time_still_to_be_reached_fires_in_this_run(void **state)
{
    (void)state;
    struct tn_wheel wheel = wheel_at(0);
    struct tn_timer timer = {0}, other = {0};
    struct restart restart = {.wheel = &wheel, .other = &other, .at = 70 * TICK};
    tn_wheel_start(&wheel, &timer, 5 * TICK);
    assert_int_equal(tn_wheel_run(&wheel, 100 * TICK, ALL, start_other, &restart), 2);
    assert_int_equal(wheel.running, 0);
}

static void stop_other(void *context, struct tn_timer *timer)
{
    struct restart *restart = context;
    assert_ptr_not_equal(timer, restart->other);
    tn_wheel_stop(restart->wheel, restart->other);
    restart->fired++;
}

static void the_next_timer_of_the_tick_may_be_stopped(void **state)
{
    (void)state;
    struct tn_wheel wheel = wheel_at(0);
    struct tn_timer first = {0}, second = {0}, third = {0};
    struct restart restart = {.wheel = &wheel, .other = &second};
    tn_wheel_start(&wheel, &first, 5 * TICK);
    tn_wheel_start(&wheel, &second, 5 * TICK);
    tn_wheel_start(&wheel, &third, 5 * TICK);
    assert_int_equal(tn_wheel_run(&wheel, 5 * TICK, ALL, stop_other, &restart), 2);
    assert_int_equal(wheel.running, 0);
}

static void move_other(void *context, struct tn_timer *timer)
{
    struct restart *restart = context;
    if (restart->fired++ == 0)
        tn_wheel_start(restart->wheel, restart->other, restart->at);
    (void)timer;
}

static void the_next_timer_of_the_tick_may_be_moved(void **state)
{
    (void)state;
    struct tn_wheel wheel = wheel_at(0);
    struct tn_timer first = {0}, second = {0};
    struct restart restart = {.wheel = &wheel, .other = &second, .at = 0};
    tn_wheel_start(&wheel, &first, 5 * TICK);
    tn_wheel_start(&wheel, &second, 5 * TICK);
    assert_int_equal(tn_wheel_run(&wheel, 6 * TICK, ALL, move_other, &restart), 1);
    assert_int_equal(tn_wheel_run(&wheel, 6 * TICK, ALL, move_other, &restart), 1);
    assert_int_equal(wheel.running, 0);
}

/* ---- Budget ---- */

static void a_budget_stops_in_the_middle_of_a_tick_and_goes_on_there(void **state)
{
    (void)state;
    struct tn_wheel wheel = wheel_at(0);
    struct tn_timer timers[5] = {{0}}, added = {0}, later = {0};
    struct record record = {.wheel = &wheel};
    for (unsigned i = 0; i < 5; i++)
        tn_wheel_start(&wheel, &timers[i], 100 * TICK);
    tn_wheel_start(&wheel, &later, 101 * TICK);
    assert_int_equal(tn_wheel_run(&wheel, 200 * TICK, 3, note, &record), 3);
    assert_true(tn_wheel_deadline(&wheel) <= 200 * TICK);
    tn_wheel_start(&wheel, &added, 100 * TICK);
    assert_int_equal(tn_wheel_run(&wheel, 200 * TICK, 0, note, &record), 0);
    assert_int_equal(tn_wheel_run(&wheel, 200 * TICK, ALL, note, &record), 4);
    struct tn_timer *expected[] = {&timers[0], &timers[1], &timers[2], &timers[3],
                                   &timers[4], &added,     &later};
    for (unsigned i = 0; i < TN_ARRAY_SIZE(expected); i++)
        assert_ptr_equal(record.fired[i], expected[i]);
}

static void a_budget_used_up_exactly_leaves_no_time_behind(void **state)
{
    (void)state;
    struct tn_wheel wheel = wheel_at(0);
    struct tn_timer timers[2] = {{0}};
    struct record record = {.wheel = &wheel};
    tn_wheel_start(&wheel, &timers[0], 100 * TICK);
    tn_wheel_start(&wheel, &timers[1], 5000 * TICK);
    assert_int_equal(tn_wheel_run(&wheel, 200 * TICK, 1, note, &record), 1);
    assert_int_equal(wheel.tick, 200);
    assert_true(tn_wheel_deadline(&wheel) > 200 * TICK);
}

/* ---- Against a list ---- */

#define MODEL_TIMERS 300

struct model_timer {
    struct tn_timer timer; /* first */
    uint64_t expires;
    uint64_t order; /* of starting */
    bool running;
    bool late;     /* waits for the next run */
    bool was_late; /* came behind those that a budget had left */
};

struct model {
    struct tn_wheel wheel;
    struct tn_rng rng;
    struct model_timer timers[MODEL_TIMERS];
    uint64_t order;
    uint64_t reached; /* as wheel.tick */
    uint64_t target;  /* of the run going on */
    unsigned fired;
};

static bool model_before(const struct model_timer *a, const struct model_timer *b)
{
    if (a->expires != b->expires)
        return a->expires < b->expires;
    if (a->was_late != b->was_late)
        return b->was_late;
    return a->order < b->order;
}

/* The one that must fire next: the earliest, and of those the one started first. */
static struct model_timer *model_next(struct model *model)
{
    struct model_timer *next = NULL;
    for (unsigned i = 0; i < MODEL_TIMERS; i++) {
        struct model_timer *t = &model->timers[i];
        if (t->running && !t->late && t->expires <= model->target && (!next || model_before(t, next)))
            next = t;
    }
    return next;
}

static void model_start(struct model *model, struct model_timer *t, tn_time at)
{
    tn_wheel_start(&model->wheel, &t->timer, at);
    t->running = true;
    t->order = model->order++;
    t->expires = (at + TICK - 1) / TICK;
    t->late = t->expires <= model->reached;
    t->was_late = false;
}

static void model_stop(struct model *model, struct model_timer *t)
{
    tn_wheel_stop(&model->wheel, &t->timer);
    t->running = false;
}

/* Times near and far, on and around the boundaries of levels. */
static tn_time model_time(struct model *model)
{
    uint64_t span = (uint64_t)1 << random_below(&model->rng, 30);
    uint64_t tick = model->reached + random_below(&model->rng, span);
    if (random_below(&model->rng, 4) == 0)
        tick &= ~(uint64_t)(random_below(&model->rng, 2) ? 63 : 4095);
    if (random_below(&model->rng, 8) == 0)
        tick -= random_below(&model->rng, tick + 1) % 100;
    return tick * TICK - (tick > 0 ? random_below(&model->rng, TICK) : 0);
}

static void model_act(struct model *model)
{
    struct model_timer *t = &model->timers[random_below(&model->rng, MODEL_TIMERS)];
    if (random_below(&model->rng, 4) == 0)
        model_stop(model, t);
    else
        model_start(model, t, model_time(model));
}

static void model_fire(void *context, struct tn_timer *timer)
{
    struct model *model = context;
    struct model_timer *t = (struct model_timer *)(void *)timer;
    assert_ptr_equal(t, model_next(model));
    assert_false(tn_timer_running(timer));
    t->running = false;
    model->reached = t->expires;
    model->fired++;
    while (random_below(&model->rng, 2))
        model_act(model);
}

static void model_check(struct model *model)
{
    size_t running = 0;
    tn_time first = TN_NEVER;
    for (unsigned i = 0; i < MODEL_TIMERS; i++) {
        struct model_timer *t = &model->timers[i];
        assert_int_equal(t->running, tn_timer_running(&t->timer));
        running += t->running;
        if (t->running)
            first = tn_min(first, (t->late ? model->reached : t->expires) * TICK);
    }
    assert_int_equal(model->wheel.running, running);
    tn_time deadline = tn_wheel_deadline(&model->wheel);
    assert_true(deadline <= first);
    if (first / TICK / 64 == model->wheel.tick / 64)
        assert_true(deadline == first);
}

static void model_run(struct model *model, tn_time now, size_t budget)
{
    uint64_t reached = model->reached;
    model->target = tn_max(now / TICK, reached);
    for (unsigned i = 0; i < MODEL_TIMERS; i++) {
        struct model_timer *t = &model->timers[i];
        if (t->running && t->late) {
            t->late = false;
            t->was_late = true;
            t->expires = reached;
        }
    }
    unsigned before = model->fired;
    size_t fired = tn_wheel_run(&model->wheel, now, budget, model_fire, model);
    assert_int_equal(fired, model->fired - before);
    assert_true(fired <= budget);
    struct model_timer *left = model_next(model);
    assert_true(!left || fired == budget);
    /* A run that is cut short stands at the tick of the last timer that it fired; one whose budget was just
     * enough may also have come to its end. */
    if (!left && (fired < budget || model->wheel.tick != model->reached))
        model->reached = model->target;
    assert_true(model->wheel.tick == model->reached);
}

static void random_use_agrees_with_a_list(void **state)
{
    (void)state;
    struct tn_rng rng = random_start("wheel");
    struct model *model = calloc(1, sizeof(*model));
    assert_non_null(model);
    unsigned fired = 0;
    for (unsigned round = 0; round < 20; round++) {
        memset(model, 0, sizeof(*model));
        model->rng = rng;
        model->reached = random_below(&model->rng, (uint64_t)1 << random_below(&model->rng, 40));
        tn_wheel_init(&model->wheel, model->reached * TICK);
        for (unsigned step = 0; step < 400; step++) {
            for (uint64_t acts = random_below(&model->rng, 12); acts > 0; acts--)
                model_act(model);
            model_check(model);
            tn_time now = model_time(model);
            tn_time deadline = tn_wheel_deadline(&model->wheel);
            if (deadline != TN_NEVER && random_below(&model->rng, 2))
                now = deadline;
            model_run(model, now, random_below(&model->rng, 3) ? ALL : random_below(&model->rng, 5));
            model_check(model);
        }
        fired += model->fired;
        rng = model->rng;
    }
    free(model);
    assert_true(fired > 1000);
}

/* ---- Cost ---- */

#define MILLION 1000000

struct count {
    struct tn_wheel *wheel;
    uint64_t fired;
    uint64_t last; /* tick */
};

static void count_in_order(void *context, struct tn_timer *timer)
{
    struct count *count = context;
    if (timer->expires < count->last)
        fail();
    count->last = timer->expires;
    count->fired++;
}

/* A million timers within the hour: none is moved more than once a level (an hour is within five), and none
 * is looked at by a run that has nothing to fire. */
static void a_million_timers_cost_a_few_moves_each(void **state)
{
    (void)state;
    struct tn_rng rng = random_start("wheel");
    struct tn_wheel wheel = wheel_at(77 * TN_SEC);
    struct tn_timer *timers = calloc(MILLION, sizeof(*timers));
    struct count count = {.wheel = &wheel};
    assert_non_null(timers);
    for (unsigned i = 0; i < MILLION; i++)
        tn_wheel_start(&wheel, &timers[i], 78 * TN_SEC + random_below(&rng, 3600 * TN_SEC));
    assert_int_equal(wheel.moves, 0);
    assert_int_equal(wheel.running, MILLION);
    for (unsigned i = 0; i < MILLION; i += 2)
        tn_wheel_stop(&wheel, &timers[i]);
    assert_int_equal(wheel.moves, 0);
    assert_int_equal(tn_wheel_run(&wheel, 77 * TN_SEC + TICK, ALL, count_in_order, &count), 0);
    assert_int_equal(wheel.moves, 0);

    unsigned runs = 0;
    for (tn_time now; (now = tn_wheel_deadline(&wheel)) != TN_NEVER; runs++)
        tn_wheel_run(&wheel, now, 1000, count_in_order, &count);
    assert_int_equal(count.fired, MILLION / 2);
    assert_int_equal(wheel.running, 0);
    assert_in_range(wheel.moves, 1, 5 * (MILLION / 2));
    /* One run a tick that has timers, and one a bucket that was opened: a 64th and less. */
    assert_in_range(runs, 1, MILLION / 2 + (36000000 + 1000000) / 64 * 2);
    free(timers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_wheel_waits_for_nothing),
        cmocka_unit_test(fires_at_its_time_and_not_before),
        cmocka_unit_test(times_are_rounded_up_to_a_tick),
        cmocka_unit_test(a_stopped_timer_does_not_fire),
        cmocka_unit_test(a_restarted_timer_fires_once_at_its_new_time),
        cmocka_unit_test(started_in_the_past_fires_at_the_next_run_of_the_same_time),
        cmocka_unit_test(a_clock_that_goes_back_fires_nothing_early),
        cmocka_unit_test(fires_exactly_at_every_boundary_of_every_level),
        cmocka_unit_test(a_deadline_within_the_same_64_ticks_is_exact),
        cmocka_unit_test(the_last_moment_of_the_clock_is_a_time_like_others),
        cmocka_unit_test(a_jump_of_years_touches_only_timers),
        cmocka_unit_test(all_timers_of_a_slot_stop_and_no_others),
        cmocka_unit_test(fires_in_order_of_expiry),
        cmocka_unit_test(same_tick_fires_in_order_of_start_across_levels),
        cmocka_unit_test(a_restarted_timer_goes_behind_the_others),
        cmocka_unit_test(a_timer_that_restarts_at_once_fires_once_a_run),
        cmocka_unit_test(one_started_for_a_time_still_to_be_reached_fires_in_this_run),
        cmocka_unit_test(the_next_timer_of_the_tick_may_be_stopped),
        cmocka_unit_test(the_next_timer_of_the_tick_may_be_moved),
        cmocka_unit_test(a_budget_stops_in_the_middle_of_a_tick_and_goes_on_there),
        cmocka_unit_test(a_budget_used_up_exactly_leaves_no_time_behind),
        cmocka_unit_test(random_use_agrees_with_a_list),
        cmocka_unit_test(a_million_timers_cost_a_few_moves_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
