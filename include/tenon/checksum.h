/* checksum.h: the Internet checksum (RFC 1071), and its update when a field changes (RFC 1624). */
#ifndef TENON_CHECKSUM_H
#define TENON_CHECKSUM_H

#include "tenon/types.h"

/* A partial sum: 64 bits wide, so that no carry is lost before tn_sum_finish() folds it. To sum several
 * pieces, hand the sum of one on to the next; each but the last must have an even length. (Two sums may be
 * added only when both are folded: a carry out of 64 bits would be lost.) */
typedef uint64_t tn_sum;

/* Adds a word; what is carried out of 64 bits is counted. */
static inline void tn_sum_word(tn_sum *sum, tn_sum *carries, uint64_t word)
{
    *sum += word;
    *carries += *sum < word;
}

static inline uint64_t tn_sum_load64(const uint8_t *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof(w));
    return w;
}

static inline uint32_t tn_sum_load32(const uint8_t *p)
{
    uint32_t w;
    memcpy(&w, p, sizeof(w));
    return w;
}

static inline uint16_t tn_sum_load16(const uint8_t *p)
{
    uint16_t w;
    memcpy(&w, p, sizeof(w));
    return w;
}

/* The sum of the at most 7 bytes at `p`: it does not matter where in a sum a 16-bit word is added. */
static inline uint64_t tn_sum_tail(const uint8_t *p, size_t len)
{
    uint64_t sum = 0;
    if (len & 4) {
        sum += tn_sum_load32(p);
        p += 4;
    }
    if (len & 2) {
        sum += tn_sum_load16(p);
        p += 2;
    }
    if (len & 1) {
        const uint8_t last[2] = {*p, 0};
        sum += tn_sum_load16(last);
    }
    return sum;
}

/* `sum` plus the `len` bytes at `bytes`, as 16-bit words in memory order (an odd last byte is padded). */
static inline tn_sum tn_sum_add(tn_sum sum, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    tn_sum carries = 0;
    for (size_t n = len / 32; n > 0; n--, p += 32) {
        /* four at a time: an addition, an addition of the carry, no more */
        tn_sum_word(&sum, &carries, tn_sum_load64(p));
        tn_sum_word(&sum, &carries, tn_sum_load64(p + 8));
        tn_sum_word(&sum, &carries, tn_sum_load64(p + 16));
        tn_sum_word(&sum, &carries, tn_sum_load64(p + 24));
    }
    for (size_t n = len / 8 % 4; n > 0; n--, p += 8)
        tn_sum_word(&sum, &carries, tn_sum_load64(p));
    if (len % 8 > 0)
        carries += tn_sum_tail(p, len % 8);
    sum += carries;
    return sum + (sum < carries);
}

/* The sum folded to 16 bits, not complemented, in memory order. A word plus itself with its halves exchanged holds, in its upper
 * half, the sum of the halves with what was carried out of it. */
static inline uint16_t tn_sum_fold(tn_sum sum)
{
    uint32_t word = (uint32_t)((sum + (sum << 32 | sum >> 32)) >> 32);
    return (uint16_t)((word + (word << 16 | word >> 16)) >> 16);
}

/* The checksum field for this sum: memcpy it into the packet as it is (it is in memory order). */
static inline uint16_t tn_sum_finish(tn_sum sum)
{
    return (uint16_t)~tn_sum_fold(sum);
}

/* `sum` plus one 16-bit value in host order. */
static inline tn_sum tn_sum_add16(tn_sum sum, uint16_t host)
{
    uint8_t b[2];
    uint16_t memory;
    tn_store16(b, host);
    memcpy(&memory, b, sizeof(memory));
    sum += memory;
    return sum + (sum < memory);
}

/* The sum of the pseudo-header of RFC 9293 §3.1 / RFC 768 (and RFC 8200 §8.1, which gives the same sum):
 * both addresses, the protocol and the length (below 2^31) of the transport header and its data. Because addresses are
 * padded with zeros, this serves every family. */
static inline tn_sum tn_sum_pseudo(const struct tn_addr *src, const struct tn_addr *dst, uint8_t proto,
                                   uint32_t len)
{
    tn_sum sum = src->half[0], carries = tn_swap32(proto + len); /* two 16-bit words at once */
    tn_sum_word(&sum, &carries, src->half[1]);
    tn_sum_word(&sum, &carries, dst->half[0]);
    tn_sum_word(&sum, &carries, dst->half[1]);
    sum += carries;
    return sum + (sum < carries);
}

/* The checksum field `old_check` (memory order) after a 16-bit word of the data changed (RFC 1624 eqn. 3). */
static inline uint16_t tn_sum_update(uint16_t old_check, uint16_t old_word, uint16_t new_word)
{
    return (uint16_t)~tn_sum_fold((tn_sum)(uint16_t)~old_check + (uint16_t)~old_word + new_word);
}

#endif
