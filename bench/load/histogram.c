/* histogram.c: latencies. */
#include "load.h"

void load_histogram_add(struct load_histogram *h, int64_t nanoseconds)
{
    int64_t at = nanoseconds / LOAD_STEP;
    h->bucket[at < LOAD_BUCKETS ? at : LOAD_BUCKETS]++;
    h->count++;
}

double load_histogram_share(const struct load_histogram *h, double share)
{
    uint64_t wanted = (uint64_t)((double)h->count * share), seen = 0;
    for (size_t i = 0; i < LOAD_BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen > wanted)
            return (double)(i * LOAD_STEP) / 1e3;
    }
    return LOAD_BUCKETS * LOAD_STEP / 1e3;
}
