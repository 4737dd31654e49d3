/* path.h: a path between the host links ("h0", raw IP) of two simulated stacks, that does harm to what travels on it. */
#ifndef TENON_TESTS_PATH_H
#define TENON_TESTS_PATH_H

#include "tenon/sim.h"

/* Chances are in a thousand. */
struct path_harm {
    unsigned loss;
    unsigned duplicate;
    unsigned reorder; /* travels up to a whole delay longer, and others overtake it */
    unsigned corrupt; /* one bit */
    tn_time delay;
    tn_time jitter;     /* at most this is added to the delay; nothing overtakes by it */
    tn_time shrink;     /* every third such span, offered windows are made smaller on the way; 0: never */
    unsigned shrink_by; /* … shifted right by this; 16: to nothing */
};

struct path;

struct path *path_create(struct tn_sim *sim, struct tn_stack *a, struct tn_stack *b,
                         const struct path_harm *harm, uint64_t seed);
void path_destroy(struct path *path);
/* Takes what the stacks have sent onto the path. */
void path_take(struct path *path);
/* When the next packet arrives; TN_NEVER: none is on its way. */
tn_time path_due(const struct path *path);
/* Hands over what has arrived by now. */
void path_deliver(struct path *path);

/* The next of a row of random numbers. */
uint64_t path_random(uint64_t *state);

#endif
