/* sim.h: stacks in virtual time.
 *
 * A simulation owns a clock that jumps from one stack's next deadline to the next, and a seed from which
 * every stack's randomness comes. Same seed, same configuration, same calls: the same packets, byte for byte.
 *
 *     struct tn_sim *sim = tn_sim_create(seed);
 *     tn_sim_add(sim, yaml_a, &a, &error); tn_sim_add(sim, yaml_b, &b, &error);
 *     tn_stack_join(a, "w0", b, "w0");
 *     tn_sim_run(sim, 10 * TN_SEC); */
#ifndef TENON_SIM_H
#define TENON_SIM_H

#include "tenon/stack.h"

/* libtenon is built with hidden visibility: what this header declares is what it exports. */
#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

struct tn_sim;

/* NULL when there is no memory. The clock starts at 1 s (so that 0 is always in the past). */
struct tn_sim *tn_sim_create(uint64_t seed);
/* Destroys the stacks too. */
void tn_sim_destroy(struct tn_sim *sim);

/* Where stacks added from now on look for plugins (see tn_env.plugin_path; kept by reference), and who gets
 * their log (NULL: warnings and errors go to stderr). */
void tn_sim_plugin_path(struct tn_sim *sim, const char *path);
void tn_sim_log(struct tn_sim *sim,
                void (*log)(void *context, enum tn_level, const char *who, const char *text), void *context);

/* Where stacks added from now on keep what is to outlive them (see tn_env.state_directory; kept by reference). */
void tn_sim_state_directory(struct tn_sim *sim, const char *path);

/* Makes a stack in this simulation. The simulation owns it. */
int tn_sim_add(struct tn_sim *sim, const char *yaml, struct tn_stack **stack, struct tn_error *error);

tn_time tn_sim_now(const struct tn_sim *sim);
/* The next time at which any stack has something to do; now if one has at once. */
tn_time tn_sim_deadline(const struct tn_sim *sim);
/* Steps until nothing more is to be done now; the clock stays. */
void tn_sim_settle(struct tn_sim *sim);
/* Lets `span` of virtual time pass. */
void tn_sim_run(struct tn_sim *sim, tn_time span);
/* Jumps to the next deadline, but not beyond `until`, and settles; false when `until` is reached. */
bool tn_sim_advance(struct tn_sim *sim, tn_time until);

/* A hash over every frame (time, interface, bytes) that any stack has sent so far. */
uint64_t tn_sim_trace_hash(const struct tn_sim *sim);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop

#endif
