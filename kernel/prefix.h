/* prefix.h: the first bits of an address. */
#ifndef TENON_KERNEL_PREFIX_H
#define TENON_KERNEL_PREFIX_H

#include "tenon/types.h"

/* Clears all bits of `addr` after the first `len`. */
static inline void tn_prefix_mask(struct tn_addr *addr, unsigned len)
{
    for (unsigned i = len / 8; i < sizeof(addr->bytes); i++)
        addr->bytes[i] = i == len / 8 ? addr->bytes[i] & (uint8_t)(0xff00u >> len % 8) : 0;
}

/* Whether the first `len` bits of both are the same. */
static inline bool tn_prefix_holds(const struct tn_addr *prefix, unsigned len, const struct tn_addr *addr)
{
    unsigned whole = len / 8;
    if (memcmp(prefix->bytes, addr->bytes, whole) != 0)
        return false;
    return len % 8 == 0 || (prefix->bytes[whole] ^ addr->bytes[whole]) >> (8 - len % 8) == 0;
}

#endif
