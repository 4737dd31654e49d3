/* hash.h: FNV-1a over 64 bits, by which bulk transfers are compared. Not for anything an adversary may choose. */
#ifndef TENON_BENCH_HASH_H
#define TENON_BENCH_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t hash_add(uint64_t hash, const void *bytes, size_t len)
{
    const uint8_t *b = bytes;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ b[i]) * UINT64_C(0x100000001b3);
    return hash;
}

#endif
