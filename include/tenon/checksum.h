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

/* The at most 7 bytes at `p`, as the beginning of a word that ends in zeros. */
static inline uint64_t tn_sum_load_tail(const uint8_t *p, size_t len)
{
    uint8_t word[8] = {0};
    size_t at = len & 4;
    if (len & 4)
        memcpy(word, p, 4);
    if (len & 2)
        memcpy(word + at, p + at, 2);
    at += len & 2;
    if (len & 1)
        word[at] = p[at];
    return tn_sum_load64(word);
}

/* `sum` plus the `len` bytes at `bytes`, as 16-bit words in memory order (an odd last byte is padded). */
static inline tn_sum tn_sum_add(tn_sum sum, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    tn_sum carries = 0;
    for (; len >= 32;
         len -= 32, p += 32) { /* four at a time: an addition, an addition of the carry, no more */
        tn_sum_word(&sum, &carries, tn_sum_load64(p));
        tn_sum_word(&sum, &carries, tn_sum_load64(p + 8));
        tn_sum_word(&sum, &carries, tn_sum_load64(p + 16));
        tn_sum_word(&sum, &carries, tn_sum_load64(p + 24));
    }
    for (; len >= 8; len -= 8, p += 8)
        tn_sum_word(&sum, &carries, tn_sum_load64(p));
    if (len > 0)
        tn_sum_word(&sum, &carries, tn_sum_load_tail(p, len));
    sum += carries;
    return sum + (sum < carries);
}

/* The sum folded to 16 bits, not complemented, in memory order. */
static inline uint16_t tn_sum_fold(tn_sum sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
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
 * both addresses, the protocol and the length of the transport header and its data. Because addresses are
 * padded with zeros, this serves every family. */
static inline tn_sum tn_sum_pseudo(const struct tn_addr *src, const struct tn_addr *dst, uint8_t proto,
                                   uint32_t len)
{
    tn_sum sum = tn_sum_add(0, src->bytes, sizeof(src->bytes));
    sum = tn_sum_add(sum, dst->bytes, sizeof(dst->bytes));
    uint32_t rest =
        proto + (len >> 16) + (len & 0xffff); /* which way round it is added is the same (RFC 1071 §2) */
    return tn_sum_add16(sum, (uint16_t)((rest & 0xffff) + (rest >> 16)));
}

/* The checksum field `old_check` (memory order) after a 16-bit word of the data changed (RFC 1624 eqn. 3). */
static inline uint16_t tn_sum_update(uint16_t old_check, uint16_t old_word, uint16_t new_word)
{
    return (uint16_t)~tn_sum_fold((tn_sum)(uint16_t)~old_check + (uint16_t)~old_word + new_word);
}

#endif
