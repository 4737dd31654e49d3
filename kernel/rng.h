/* rng.h: the stack's seeded generator: SipHash of a counter under a 128-bit seed. Not predictable without the
 * seed; the same seed gives the same numbers. */
#ifndef TENON_KERNEL_RNG_H
#define TENON_KERNEL_RNG_H

#include "siphash.h"

struct tn_rng {
    struct tn_siphash_key seed;
    uint64_t counter;
};

void tn_rng_init(struct tn_rng *rng, const uint8_t seed[16]);
uint64_t tn_rng_next(struct tn_rng *rng);

#endif
