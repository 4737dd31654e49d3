/* siphash.h: SipHash-2-4, a keyed hash that an attacker who lacks the key can't steer. */
#ifndef TENON_KERNEL_SIPHASH_H
#define TENON_KERNEL_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct tn_siphash_key {
    uint64_t k0, k1;
};

uint64_t tn_siphash(const struct tn_siphash_key *key, const void *bytes, size_t len);

/* SipHash-1-3 of exactly three or five 64-bit words: a socket's four-tuple. Faster, for hash tables alone. */
uint64_t tn_siphash13_3(const struct tn_siphash_key *key, const uint64_t words[3]);
uint64_t tn_siphash13_5(const struct tn_siphash_key *key, const uint64_t words[5]);

#endif
