/* checksum.h: the Internet checksum (RFC 1071), and its update when a field changes (RFC 1624). */
#ifndef TENON_CHECKSUM_H
#define TENON_CHECKSUM_H

#include "tenon/types.h"

/* A partial sum: 64 bits wide, so that no carry is lost before tn_sum_finish() folds it. To sum several
 * pieces, hand the sum of one on to the next; each but the last must have an even length. (Two sums may be
 * added only when both are folded: a carry out of 64 bits would be lost.) */
typedef uint64_t tn_sum;

/* `sum` plus the `len` bytes at `bytes`, as 16-bit words in memory order (an odd last byte is padded). */
static inline tn_sum tn_sum_add(tn_sum sum, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    tn_sum high = 0; /* carries of the 64-bit additions */
    while (len >= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        sum += w;
        high += sum < w;
        p += 8;
        len -= 8;
    }
    uint64_t tail = 0;
    memcpy(&tail, p, len);
    sum += tail;
    high += sum < tail;
    sum += high;
    return sum + (sum < high);
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
    tn_store16(b, host);
    return tn_sum_add(sum, b, 2);
}

/* The sum of the pseudo-header of RFC 9293 §3.1 / RFC 768 (and RFC 8200 §8.1, which gives the same sum):
 * both addresses, the protocol and the length of the transport header and its data. Because addresses are
 * padded with zeros, this serves every family. */
static inline tn_sum tn_sum_pseudo(const struct tn_addr *src, const struct tn_addr *dst, uint8_t proto,
                                   uint32_t len)
{
    tn_sum sum = tn_sum_add(0, src->bytes, sizeof(src->bytes));
    sum = tn_sum_add(sum, dst->bytes, sizeof(dst->bytes));
    sum = tn_sum_add16(sum, proto);
    sum = tn_sum_add16(sum, (uint16_t)(len >> 16));
    return tn_sum_add16(sum, (uint16_t)len);
}

/* The checksum field `old_check` (memory order) after a 16-bit word of the data changed (RFC 1624 eqn. 3). */
static inline uint16_t tn_sum_update(uint16_t old_check, uint16_t old_word, uint16_t new_word)
{
    return (uint16_t)~tn_sum_fold((tn_sum)(uint16_t)~old_check + (uint16_t)~old_word + new_word);
}

#endif
