/* htab.h: an intrusive hash table that grows and shrinks one bucket at a time (linear hashing), so no
 * insertion ever pauses to rehash. Buckets lie in segments of doubling size that never move.
 *
 * Entries embed a struct tn_hnode; hashes are the caller's (keyed, where the key comes from outside). */
#ifndef TENON_KERNEL_HTAB_H
#define TENON_KERNEL_HTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tn_hnode {
    struct tn_hnode *next;
    uint32_t hash;
};

#define TN_HTAB_SEGMENTS 32

struct tn_htab {
    struct tn_hnode **segments[TN_HTAB_SEGMENTS];
    uint32_t buckets; /* in use */
    uint32_t count;   /* entries */
};

/* 0 or -ENOMEM. */
int tn_htab_init(struct tn_htab *table);
void tn_htab_destroy(struct tn_htab *table); /* does not touch the entries */
/* Never fails: if no memory is to be had for another bucket, chains grow instead. */
void tn_htab_insert(struct tn_htab *table, struct tn_hnode *node, uint32_t hash);
/* The node must be in the table. */
void tn_htab_remove(struct tn_htab *table, struct tn_hnode *node);
/* First entry of the chain where `hash` would be; follow ->next and compare hash and key. */
struct tn_hnode *tn_htab_first(const struct tn_htab *table, uint32_t hash);

#endif
