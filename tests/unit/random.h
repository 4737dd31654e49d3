/* random.h: seeds for random tests. A test prints its seed; TENON_SEED=… repeats the run. */
#ifndef TENON_TESTS_UNIT_RANDOM_H
#define TENON_TESTS_UNIT_RANDOM_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "rng.h"

/* A generator with the seed from the environment, or else from the clock. */
static inline struct tn_rng random_start(const char *test)
{
    const char *text = getenv("TENON_SEED");
    uint64_t seed;
    if (text) {
        seed = strtoull(text, NULL, 0);
    } else {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        seed = (uint64_t)now.tv_sec * 1000003 + (uint64_t)now.tv_nsec;
    }
    fprintf(stderr, "%s: TENON_SEED=0x%llx repeats this run\n", test, (unsigned long long)seed);
    uint8_t bytes[16] = {0};
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(seed >> 8 * i);
    struct tn_rng rng;
    tn_rng_init(&rng, bytes);
    return rng;
}

/* A number below `limit`. */
static inline uint64_t random_below(struct tn_rng *rng, uint64_t limit)
{
    return tn_rng_next(rng) % limit;
}

static inline void random_fill(struct tn_rng *rng, void *bytes, size_t len)
{
    uint8_t *p = bytes;
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)tn_rng_next(rng);
}

#endif
