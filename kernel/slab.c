/* slab.c: records of one size from one reserved range of addresses.
 *
 * Records are handed out from the list of freed ones, and when that is empty from the part of the range that
 * was never touched ([fresh, limit)). A bit a record says whether it is in use: it catches a second free and
 * a foreign pointer, and lets the records be walked.
 *
 * Under AddressSanitizer a freed record is poisoned, and so is the first untouched one, so that running over
 * the end of the newest record is seen too. (Poisoning the whole range would fill shadow memory for records
 * that may never be used.) */
#include "slab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef TN_SLAB_ASAN
#include <sanitizer/asan_interface.h>
#define slab_poison(at, len)   ASAN_POISON_MEMORY_REGION(at, len)
#define slab_unpoison(at, len) ASAN_UNPOISON_MEMORY_REGION(at, len)
#else
#define slab_poison(at, len)   ((void)(at), (void)(len))
#define slab_unpoison(at, len) ((void)(at), (void)(len))
#endif

#define SLAB_ALIGN 8

static size_t bitmap_bytes(uint32_t limit)
{
    return ((size_t)limit + 63) / 64 * sizeof(uint64_t);
}

static uint8_t *record_at(const struct tn_slab *slab, uint32_t index)
{
    return slab->base + (size_t)index * slab->size;
}

/* offset / size, without the processor's slow division: exact as long as offset * size < 2^64, which init makes sure of. */
static size_t index_of(const struct tn_slab *slab, size_t offset)
{
    return (size_t)((unsigned __int128)offset * slab->inverse >> 64);
}

static void *reserve(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

int tn_slab_init(struct tn_slab *slab, const char *name, size_t size, size_t limit)
{
    memset(slab, 0, sizeof(*slab));
    if (limit == 0)
        limit = 1;
    if (size < sizeof(void *))
        size = sizeof(void *);
    if (limit > UINT32_MAX || size > UINT32_MAX - SLAB_ALIGN)
        return -ENOMEM;
    size = (size + SLAB_ALIGN - 1) / SLAB_ALIGN * SLAB_ALIGN;
    if (limit > SIZE_MAX / size / size)
        return -ENOMEM;

    slab->reserved = size * limit;
    slab->size = (uint32_t)size;
    slab->inverse = UINT64_MAX / size + 1;
    slab->limit = (uint32_t)limit;
    slab->base = reserve(slab->reserved);
    if (!slab->base)
        return -ENOMEM;
    slab->in_use = reserve(bitmap_bytes(slab->limit));
    if (!slab->in_use) {
        munmap(slab->base, slab->reserved);
        slab->base = NULL;
        return -ENOMEM;
    }
    size_t len = strlen(name);
    memcpy(slab->name, name, len < sizeof(slab->name) ? len : sizeof(slab->name) - 1);
    slab_poison(slab->base, slab->size);
    return 0;
}

void tn_slab_destroy(struct tn_slab *slab)
{
    if (!slab->base)
        return;
    uint32_t touched = slab->fresh < slab->limit ? slab->fresh + 1 : slab->limit;
    slab_unpoison(slab->base, (size_t)touched * slab->size);
    (void)touched;
    munmap(slab->base, slab->reserved);
    munmap(slab->in_use, bitmap_bytes(slab->limit));
    memset(slab, 0, sizeof(*slab));
}

/* The first record that was never used; its pages come into being as it is written. */
static uint8_t *take_fresh(struct tn_slab *slab)
{
    uint8_t *record = record_at(slab, slab->fresh++);
    if (slab->fresh < slab->limit)
        slab_poison(record + slab->size, slab->size);
    slab_unpoison(record, slab->size);
    return record;
}

static uint8_t *take_freed(struct tn_slab *slab)
{
    uint8_t *record = slab->free_list;
    slab_unpoison(record, slab->size);
    memcpy(&slab->free_list, record, sizeof(slab->free_list));
    return record;
}

void *tn_slab_alloc_raw(struct tn_slab *slab)
{
    if (slab->used == slab->limit) {
        slab->failures++;
        return NULL;
    }
    uint8_t *record = slab->free_list ? take_freed(slab) : take_fresh(slab);
    size_t index = index_of(slab, (size_t)(record - slab->base));
    slab->in_use[index / 64] |= (uint64_t)1 << index % 64;
    slab->used++;
    return record;
}

void *tn_slab_alloc(struct tn_slab *slab)
{
    void *record = tn_slab_alloc_raw(slab);
    if (record)
        memset(record, 0, slab->size);
    return record;
}

void tn_slab_free(struct tn_slab *slab, void *record)
{
    size_t offset = (size_t)((uint8_t *)record - slab->base);
    size_t index = index_of(slab, offset);
    uint64_t bit = (uint64_t)1 << index % 64;
    /* Not a record of this slab, or freed twice: going on would corrupt somebody else's record. */
    if (index >= slab->fresh || offset != index * slab->size || !(slab->in_use[index / 64] & bit))
        abort();
    slab->in_use[index / 64] &= ~bit;
    slab->used--;
    memcpy(record, &slab->free_list, sizeof(slab->free_list));
    slab->free_list = record;
    slab_poison(record, slab->size);
}

void *tn_slab_next(const struct tn_slab *slab, const void *record)
{
    size_t index = record ? index_of(slab, (size_t)((const uint8_t *)record - slab->base)) + 1 : 0;
    while (index < slab->fresh) {
        uint64_t word = slab->in_use[index / 64] >> index % 64;
        if (word)
            return record_at(slab, (uint32_t)index + (uint32_t)__builtin_ctzll(word));
        index = (index / 64 + 1) * 64;
    }
    return NULL;
}
