/* cursor.h: the one way to read bytes that came from outside.
 *
 * A cursor walks over bytes and never past their end. Every read is checked; a read that does not fit yields
 * zeros, leaves the cursor at its end and marks it failed. So a parser reads all it needs and asks once:
 *
 *     uint16_t port = tn_read16(&c);
 *     uint32_t seq = tn_read32(&c);
 *     if (c.failed)
 *         return drop;
 *
 * For headers of fixed layout, tn_read_header() returns a pointer to the whole wire struct or NULL. */
#ifndef TENON_CURSOR_H
#define TENON_CURSOR_H

#include "tenon/types.h"

struct tn_cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
};

/* Over the `len` bytes at `bytes`, which may be NULL when there are none. */
static inline struct tn_cursor tn_cursor(const void *bytes, size_t len)
{
    const uint8_t *at = bytes ? bytes : (const uint8_t *)"";
    return (struct tn_cursor){.at = at, .end = at + len, .failed = false};
}

/* Bytes left to read. */
static inline size_t tn_left(const struct tn_cursor *c)
{
    return (size_t)(c->end - c->at);
}

/* The next `len` bytes, which the cursor then has passed; NULL (and failed) if there are fewer. */
static inline const uint8_t *tn_read_bytes(struct tn_cursor *c, size_t len)
{
    if (tn_unlikely(tn_left(c) < len)) {
        c->at = c->end;
        c->failed = true;
        return NULL;
    }
    const uint8_t *p = c->at;
    c->at += len;
    tn_assume(p || len == 0);
    return p;
}

static inline uint8_t tn_read8(struct tn_cursor *c)
{
    const uint8_t *p = tn_read_bytes(c, 1);
    return p ? *p : 0;
}

static inline uint16_t tn_read16(struct tn_cursor *c)
{
    const uint8_t *p = tn_read_bytes(c, 2);
    return p ? tn_load16(p) : 0;
}

static inline uint32_t tn_read32(struct tn_cursor *c)
{
    const uint8_t *p = tn_read_bytes(c, 4);
    return p ? tn_load32(p) : 0;
}

static inline void tn_skip(struct tn_cursor *c, size_t len)
{
    (void)tn_read_bytes(c, len);
}

/* The wire struct `type` (alignment 1) at the cursor, passed over; NULL if it is cut short. */
#define tn_read_header(c, type) ((const type *)(const void *)tn_read_bytes((c), sizeof(type)))

/* A cursor over the next `len` bytes alone, which `c` passes; a failed, empty one if there are fewer. */
static inline struct tn_cursor tn_sub_cursor(struct tn_cursor *c, size_t len)
{
    const uint8_t *p = tn_read_bytes(c, len);
    struct tn_cursor sub = {.at = p ? p : c->end, .end = p ? p + len : c->end, .failed = p == NULL};
    return sub;
}

#endif
