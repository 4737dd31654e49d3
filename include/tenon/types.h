/* types.h: the few types that every part of Tenon shares.
 *
 * Byte order: values are in host order everywhere except inside wire structs (include/tenon/proto/), whose
 * fields are of type be16/be32 and are read and written through the functions below. Addresses are byte
 * strings and have no host order. */
#ifndef TENON_TYPES_H
#define TENON_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A point in time or a span of it, in nanoseconds, on the clock of the stack's environment. */
typedef uint64_t tn_time;
#define TN_USEC  ((tn_time)1000)
#define TN_MSEC  ((tn_time)1000000)
#define TN_SEC   ((tn_time)1000000000)
#define TN_NEVER UINT64_MAX

/* Values in network byte order; only ever fields of wire structs. */
typedef struct {
    uint8_t b[2];
} be16;
typedef struct {
    uint8_t b[4];
} be32;

static inline uint16_t tn_load16(const void *p)
{
    const uint8_t *b = (const uint8_t *)p;
    return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t tn_load32(const void *p)
{
    const uint8_t *b = (const uint8_t *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline void tn_store16(void *p, uint16_t v)
{
    uint8_t *b = (uint8_t *)p;
    b[0] = (uint8_t)(v >> 8);
    b[1] = (uint8_t)v;
}

static inline void tn_store32(void *p, uint32_t v)
{
    uint8_t *b = (uint8_t *)p;
    b[0] = (uint8_t)(v >> 24);
    b[1] = (uint8_t)(v >> 16);
    b[2] = (uint8_t)(v >> 8);
    b[3] = (uint8_t)v;
}

static inline uint16_t tn_be16(be16 v)
{
    return tn_load16(v.b);
}

static inline uint32_t tn_be32(be32 v)
{
    return tn_load32(v.b);
}

/* The value whose bytes in memory are `v` in network order; its own inverse. */
static inline uint16_t tn_swap16(uint16_t v)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return v;
#else
    return (uint16_t)(v << 8 | v >> 8);
#endif
}

static inline uint32_t tn_swap32(uint32_t v)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return v;
#else
    return v << 24 | (v & 0xff00) << 8 | (v >> 8 & 0xff00) | v >> 24;
#endif
}

/* As one store: compilers do not put single bytes together. */
static inline be16 tn_to_be16(uint16_t v)
{
    be16 r;
    v = tn_swap16(v);
    memcpy(r.b, &v, sizeof(v));
    return r;
}

static inline be32 tn_to_be32(uint32_t v)
{
    be32 r;
    v = tn_swap32(v);
    memcpy(r.b, &v, sizeof(v));
    return r;
}

/* A network address of any family: network order, left-aligned, the rest zero. The family (AF_INET,
 * AF_INET6) is carried beside it. The all-zero address is "unspecified" in every family. */
struct tn_addr {
    union {
        uint8_t bytes[16];
        uint64_t half[2];
    };
};

/* VRFs are numbered; addresses, routes and sockets are each in one, 0 where nothing else is said. A socket may also
 * take what comes in any of them. */
#define TN_VRF_ANY 0xffffu
#define TN_VRF_MAX 0xfffeu

/* Families are the system's AF_ numbers; tables over families have this many entries. */
#define TN_FAMILY_MAX 16

static inline bool tn_addr_equal(const struct tn_addr *a, const struct tn_addr *b)
{
    return a->half[0] == b->half[0] && a->half[1] == b->half[1];
}

static inline bool tn_addr_is_zero(const struct tn_addr *a)
{
    return (a->half[0] | a->half[1]) == 0;
}

/* An address from the 4 bytes at `bytes`; as two words, which is how addresses are compared. */
static inline struct tn_addr tn_addr_from4(const void *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof(word));
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return (struct tn_addr){.half = {(uint64_t)word << 32, 0}};
#else
    return (struct tn_addr){.half = {word, 0}};
#endif
}

/* An address from the `len` (4 or 16) bytes at `bytes`. */
static inline struct tn_addr tn_addr_from(const void *bytes, size_t len)
{
    struct tn_addr a = {{{0}}};
    if (len == 4)
        return tn_addr_from4(bytes);
    memcpy(a.bytes, bytes, len <= sizeof(a.bytes) ? len : sizeof(a.bytes));
    return a;
}

/* Room for the text of any address, with its '\0'. */
#define TN_ADDR_TEXT 46

/* Link-layer addresses are at most this long. */
#define TN_LLADDR_MAX 8

#define TN_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The record of type `type` whose member `member` is at `ptr`. */
#define tn_container(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline size_t tn_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t tn_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

#if defined(__GNUC__)
#define TN_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define TN_EXPORT            __attribute__((visibility("default")))
#define tn_likely(x)         __builtin_expect(!!(x), 1)
#define tn_unlikely(x)       __builtin_expect(!!(x), 0)
/* What is known here, and compilers cannot see. */
#define tn_assume(x) ((x) ? (void)0 : __builtin_unreachable())
/* A function that is called from one that is often, kept apart, so that the latter need save no registers for it. Where it is
 * called rarely (TN_RARE), it is made small rather than fast. */
#define TN_APART __attribute__((noinline))
#define TN_RARE  __attribute__((noinline, cold))
/* One that is called so often that all that it calls is worth a copy in it, but for what is kept apart. */
#define TN_FLAT __attribute__((flatten))
#else
#define TN_APART
#define TN_RARE
#define TN_FLAT
#define TN_PRINTF(fmt, args)
#define TN_EXPORT
#define tn_likely(x)   (x)
#define tn_unlikely(x) (x)
#define tn_assume(x)   ((void)0)
#endif

/* Severity of a log line. */
enum tn_level {
    TN_LOG_ERROR,
    TN_LOG_WARNING,
    TN_LOG_INFO,
    TN_LOG_DEBUG,
};

#endif
