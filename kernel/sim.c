/* sim.c: stacks in virtual time. */
#include "tenon/sim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "rng.h"
#include "tenon/text.h"

#define SIM_STACKS_MAX 64

/* A stack that never comes to rest would keep virtual time from passing. */
#define SIM_SETTLE_MAX 10000000

struct tn_sim {
    tn_time now;
    struct tn_rng rng;
    struct tn_siphash_key trace_key;
    uint64_t trace_hash;
    const char *plugin_path;
    const char *state_directory;
    void (*log)(void *context, enum tn_level level, const char *who, const char *text);
    void *log_context;
    struct tn_stack *stacks[SIM_STACKS_MAX];
    size_t count;
};

/* ---- The environment ---- */

static tn_time sim_env_now(void *context)
{
    return ((const struct tn_sim *)context)->now;
}

/* Virtual time starts on the first of January 2026. */
static int64_t sim_env_wall(void *context)
{
    return INT64_C(1767225600) * (int64_t)TN_SEC + (int64_t)((const struct tn_sim *)context)->now;
}

static void sim_env_random(void *context, void *bytes, size_t len)
{
    struct tn_sim *sim = context;
    uint8_t *at = bytes;
    while (len) {
        uint64_t r = tn_rng_next(&sim->rng);
        size_t n = tn_min(len, sizeof(r));
        memcpy(at, &r, n);
        at += n;
        len -= n;
    }
}

static void sim_env_log(void *context, enum tn_level level, const char *who, const char *text)
{
    const struct tn_sim *sim = context;
    if (sim->log)
        sim->log(sim->log_context, level, who, text);
    else if (level <= TN_LOG_WARNING)
        fprintf(stderr, "[%llu.%06llu] %s: %s\n", (unsigned long long)(sim->now / TN_SEC),
                (unsigned long long)(sim->now % TN_SEC / TN_USEC), who, text);
}

static void hash_frame(void *context, tn_time now, const char *interface, bool out, const void *frame,
                       size_t len)
{
    struct tn_sim *sim = context;
    if (!out)
        return;
    const uint64_t head[3] = {sim->trace_hash, now,
                              tn_siphash(&sim->trace_key, interface, strlen(interface))};
    sim->trace_hash =
        tn_siphash(&sim->trace_key, head, sizeof(head)) ^ tn_siphash(&sim->trace_key, frame, len);
}

/* ---- Making ---- */

struct tn_sim *tn_sim_create(uint64_t seed)
{
    struct tn_sim *sim = calloc(1, sizeof(*sim));
    if (!sim)
        return NULL;
    uint8_t key[16] = "tenon sim";
    memcpy(key + 8, &seed, sizeof(seed));
    tn_rng_init(&sim->rng, key);
    sim->now = TN_SEC;
    return sim;
}

void tn_sim_destroy(struct tn_sim *sim)
{
    if (!sim)
        return;
    for (size_t i = sim->count; i-- > 0;)
        tn_stack_destroy(sim->stacks[i]);
    free(sim);
}

void tn_sim_plugin_path(struct tn_sim *sim, const char *path)
{
    sim->plugin_path = path;
}

void tn_sim_state_directory(struct tn_sim *sim, const char *path)
{
    sim->state_directory = path;
}

void tn_sim_log(struct tn_sim *sim,
                void (*log)(void *context, enum tn_level, const char *who, const char *text), void *context)
{
    sim->log = log;
    sim->log_context = context;
}

int tn_sim_add(struct tn_sim *sim, const char *yaml, struct tn_stack **stack, struct tn_error *error)
{
    const struct tn_env env = {.context = sim,
                               .now = sim_env_now,
                               .wall = sim_env_wall,
                               .random = sim_env_random,
                               .log = sim_env_log,
                               .plugin_path = sim->plugin_path,
                               .state_directory = sim->state_directory};
    if (sim->count == SIM_STACKS_MAX) {
        snprintf(error->text, sizeof(error->text), "a simulation holds at most %d stacks", SIM_STACKS_MAX);
        return -ENOSPC;
    }
    int err = tn_stack_create(&env, yaml, "stack.yaml", stack, error);
    if (err < 0)
        return err;
    tn_stack_observe(*stack, hash_frame, sim);
    sim->stacks[sim->count++] = *stack;
    return 0;
}

/* ---- Running ---- */

tn_time tn_sim_now(const struct tn_sim *sim)
{
    return sim->now;
}

tn_time tn_sim_deadline(const struct tn_sim *sim)
{
    tn_time first = TN_NEVER;
    for (size_t i = 0; i < sim->count; i++) {
        tn_time deadline = tn_stack_deadline(sim->stacks[i]);
        if (deadline < first)
            first = deadline;
    }
    return first < sim->now ? sim->now : first;
}

void tn_sim_settle(struct tn_sim *sim)
{
    for (unsigned rounds = 0; tn_sim_deadline(sim) <= sim->now; rounds++) {
        if (rounds == SIM_SETTLE_MAX) {
            fprintf(stderr, "sim: the stacks do not come to rest at %llu ns\n", (unsigned long long)sim->now);
            abort();
        }
        for (size_t i = 0; i < sim->count; i++)
            if (tn_stack_deadline(sim->stacks[i]) <= sim->now)
                (void)tn_stack_step(sim->stacks[i]);
    }
}

bool tn_sim_advance(struct tn_sim *sim, tn_time until)
{
    tn_sim_settle(sim); /* what was asked for since then is done now, and does not keep time from passing */
    tn_time deadline = tn_sim_deadline(sim);
    if (deadline > until) {
        if (sim->now < until)
            sim->now = until;
        return false;
    }
    sim->now = deadline;
    tn_sim_settle(sim);
    return true;
}

void tn_sim_run(struct tn_sim *sim, tn_time span)
{
    tn_time until = sim->now + span;
    tn_sim_settle(sim);
    while (tn_sim_advance(sim, until))
        ;
}

uint64_t tn_sim_trace_hash(const struct tn_sim *sim)
{
    return sim->trace_hash;
}
