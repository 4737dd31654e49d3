/* htab.c: linear hashing.
 *
 * With n buckets in use and 2^k the power of two with 2^k < n <= 2^(k+1), an entry lies in bucket hash mod
 * 2^(k+1), or, while that bucket does not exist yet, in hash mod 2^k. Adding bucket n therefore takes entries
 * from one bucket alone, its parent n - 2^k, and taking the last bucket away gives them back. An insertion
 * splits at most one bucket, a removal merges at most MERGES_PER_REMOVAL.
 *
 * Segment 0 holds the first FIRST_BUCKETS buckets, segment k > 0 the next FIRST_BUCKETS * 2^(k-1). A segment
 * that is no longer used is kept until the one before it is unused too, so that a count that swings around a
 * boundary does not allocate each time. */
#include "htab.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BITS         4
#define FIRST_BUCKETS      (1u << FIRST_BITS)
#define MAX_BUCKETS        (1u << 31)
#define MERGES_PER_REMOVAL 4

static unsigned segment_of(uint32_t bucket)
{
    return bucket < FIRST_BUCKETS ? 0 : 32 - FIRST_BITS - (unsigned)__builtin_clz(bucket);
}

static uint32_t segment_start(unsigned segment)
{
    return segment ? FIRST_BUCKETS << (segment - 1) : 0;
}

static uint32_t segment_size(unsigned segment)
{
    return segment ? FIRST_BUCKETS << (segment - 1) : FIRST_BUCKETS;
}

static struct tn_hnode **bucket_at(const struct tn_htab *table, uint32_t bucket)
{
    unsigned segment = segment_of(bucket);
    return &table->segments[segment][bucket - segment_start(segment)];
}

static uint32_t bucket_of(const struct tn_htab *table, uint32_t hash)
{
    uint32_t mask = UINT32_MAX >> __builtin_clz(table->buckets - 1);
    uint32_t bucket = hash & mask;
    return bucket < table->buckets ? bucket : hash & mask >> 1;
}

/* The bucket that shares its entries with `bucket` (at least FIRST_BUCKETS): without the highest bit. */
static uint32_t parent_of(uint32_t bucket)
{
    return bucket & UINT32_MAX >> __builtin_clz(bucket) >> 1;
}

int tn_htab_init(struct tn_htab *table)
{
    memset(table, 0, sizeof(*table));
    table->segments[0] = calloc(FIRST_BUCKETS, sizeof(struct tn_hnode *));
    if (!table->segments[0])
        return -ENOMEM;
    table->buckets = FIRST_BUCKETS;
    return 0;
}

void tn_htab_destroy(struct tn_htab *table)
{
    for (unsigned i = 0; i < TN_HTAB_SEGMENTS; i++)
        free(table->segments[i]);
    memset(table, 0, sizeof(*table));
}

/* Adds a bucket and moves to it what belongs there; does nothing if there is no memory for it. */
static void split_one(struct tn_htab *table)
{
    uint32_t added = table->buckets;
    if (added == MAX_BUCKETS)
        return;
    unsigned segment = segment_of(added);
    if (!table->segments[segment]) {
        table->segments[segment] = calloc(segment_size(segment), sizeof(struct tn_hnode *));
        if (!table->segments[segment])
            return;
    }
    table->buckets++;
    struct tn_hnode **to = bucket_at(table, added);
    struct tn_hnode **link = bucket_at(table, parent_of(added));
    while (*link) {
        struct tn_hnode *node = *link;
        if (bucket_of(table, node->hash) == added) {
            *link = node->next;
            *to = node;
            to = &node->next;
        } else {
            link = &node->next;
        }
    }
    *to = NULL;
}

/* Takes the last bucket away; its entries go to the end of its parent's chain. */
static void merge_one(struct tn_htab *table)
{
    uint32_t last = --table->buckets;
    unsigned segment = segment_of(last);
    struct tn_hnode **from = bucket_at(table, last);
    struct tn_hnode **to = bucket_at(table, parent_of(last));
    while (*to)
        to = &(*to)->next;
    *to = *from;
    *from = NULL;
    if (last == segment_start(segment) && segment + 1 < TN_HTAB_SEGMENTS) {
        free(table->segments[segment + 1]);
        table->segments[segment + 1] = NULL;
    }
}

void tn_htab_insert(struct tn_htab *table, struct tn_hnode *node, uint32_t hash)
{
    if (table->count >= table->buckets)
        split_one(table);
    struct tn_hnode **head = bucket_at(table, bucket_of(table, hash));
    node->hash = hash;
    node->next = *head;
    *head = node;
    table->count++;
}

void tn_htab_remove(struct tn_htab *table, struct tn_hnode *node)
{
    struct tn_hnode **link = bucket_at(table, bucket_of(table, node->hash));
    while (*link != node) {
        assert(*link);
        link = &(*link)->next;
    }
    *link = node->next;
    table->count--;
    for (unsigned i = 0; i < MERGES_PER_REMOVAL && table->count < table->buckets / 4; i++) {
        if (table->buckets == FIRST_BUCKETS)
            break;
        merge_one(table);
    }
}

struct tn_hnode *tn_htab_first(const struct tn_htab *table, uint32_t hash)
{
    return *bucket_at(table, bucket_of(table, hash));
}
