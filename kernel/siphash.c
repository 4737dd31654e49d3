/* siphash.c: SipHash (Aumasson and Bernstein, "SipHash: a fast short-input PRF"), with 2 and 4 rounds as
 * published, and with 1 and 3 for hash tables. */
#include "siphash.h"

struct siphash_state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

/* Little-endian, whatever the machine is; compilers make one load of it. */
static inline uint64_t load_le64(const uint8_t *p)
{
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24 |
           (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 | (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
}

static inline void siphash_start(struct siphash_state *s, const struct tn_siphash_key *key)
{
    /* The constants spell "somepseudorandomlygeneratedbytes". */
    s->v0 = key->k0 ^ 0x736f6d6570736575u;
    s->v1 = key->k1 ^ 0x646f72616e646f6du;
    s->v2 = key->k0 ^ 0x6c7967656e657261u;
    s->v3 = key->k1 ^ 0x7465646279746573u;
}

static inline void siphash_rounds(struct siphash_state *s, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotate_left(s->v1, 13) ^ s->v0;
        s->v3 = rotate_left(s->v3, 16) ^ s->v2;
        s->v0 = rotate_left(s->v0, 32);
        s->v2 += s->v1;
        s->v0 += s->v3;
        s->v1 = rotate_left(s->v1, 17) ^ s->v2;
        s->v3 = rotate_left(s->v3, 21) ^ s->v0;
        s->v2 = rotate_left(s->v2, 32);
    }
}

static inline void siphash_word(struct siphash_state *s, uint64_t word, unsigned rounds)
{
    s->v3 ^= word;
    siphash_rounds(s, rounds);
    s->v0 ^= word;
}

static inline uint64_t siphash_finish(struct siphash_state *s, unsigned rounds)
{
    s->v2 ^= 0xff;
    siphash_rounds(s, rounds);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

uint64_t tn_siphash(const struct tn_siphash_key *key, const void *bytes, size_t len)
{
    struct siphash_state s;
    siphash_start(&s, key);
    const uint8_t *p = bytes;
    size_t left = len;
    for (; left >= 8; left -= 8, p += 8)
        siphash_word(&s, load_le64(p), 2);
    /* The last word: what is left over, and the length's low byte on top. */
    uint64_t last = (uint64_t)(len & 0xff) << 56;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)p[i] << (8 * i);
    siphash_word(&s, last, 2);
    return siphash_finish(&s, 4);
}

/* `count` is known where this is inlined. */
static inline uint64_t siphash13_words(const struct tn_siphash_key *key, const uint64_t *words,
                                       unsigned count)
{
    struct siphash_state s;
    siphash_start(&s, key);
    for (unsigned i = 0; i < count; i++)
        siphash_word(&s, words[i], 1);
    siphash_word(&s, (uint64_t)(count * sizeof(words[0])) << 56, 1);
    return siphash_finish(&s, 3);
}

uint64_t tn_siphash13_3(const struct tn_siphash_key *key, const uint64_t words[3])
{
    return siphash13_words(key, words, 3);
}

uint64_t tn_siphash13_5(const struct tn_siphash_key *key, const uint64_t words[5])
{
    return siphash13_words(key, words, 5);
}
