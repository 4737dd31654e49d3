/* slab.h: records of one size, allocated and freed in O(1) without a system call.
 *
 * A slab reserves address space for all the records that it may ever hold (mmap, MAP_NORESERVE) and takes
 * pages only as records are first used; freed records are used again, last freed first. Records do not move.
 * Under AddressSanitizer free records are poisoned. */
#ifndef TENON_KERNEL_SLAB_H
#define TENON_KERNEL_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_ADDRESS__)
#define TN_SLAB_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TN_SLAB_ASAN 1
#endif
#endif

struct tn_slab {
    char name[32];
    uint8_t *base;        /* the reserved range */
    size_t reserved;      /* bytes */
    uint64_t *in_use;     /* a bit a record */
    void *free_list;      /* linked through the records' first word */
    uint64_t inverse;     /* 2^64 / size, rounded up: to divide by it */
    uint32_t size;        /* bytes a record, multiple of 8 */
    uint32_t limit;       /* records at most */
    uint32_t fresh;       /* records ever touched: [0, fresh) */
    uint32_t used;        /* records handed out now */
    uint64_t failures;    /* allocations refused at the limit */
    struct tn_slab *next; /* the owner's list */
};

/* 0 or -ENOMEM. */
int tn_slab_init(struct tn_slab *slab, const char *name, size_t size, size_t limit);
void tn_slab_destroy(struct tn_slab *slab);

/* A record, its first `size` bytes zero; NULL at the limit (counted). */
void *tn_slab_alloc(struct tn_slab *slab);
/* The same without zeroing. */
void *tn_slab_alloc_raw(struct tn_slab *slab);
void tn_slab_free(struct tn_slab *slab, void *record);

/* The records in use, in order of address: tn_slab_next(slab, NULL) is the first, NULL the end. The current
 * one may be freed before the next is asked for. */
void *tn_slab_next(const struct tn_slab *slab, const void *record);

#endif
