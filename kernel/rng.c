/* rng.c: the stack's seeded generator. */
#include "rng.h"

#include <string.h>

void tn_rng_init(struct tn_rng *rng, const uint8_t seed[16])
{
    memcpy(&rng->seed.k0, seed, 8);
    memcpy(&rng->seed.k1, seed + 8, 8);
    rng->counter = 0;
}

uint64_t tn_rng_next(struct tn_rng *rng)
{
    uint64_t number = rng->counter++;
    return tn_siphash(&rng->seed, &number, sizeof(number));
}
