/* text.h: building a line of text in a fixed buffer, and addresses as text.
 *
 * Text that does not fit is cut, never overrun; the buffer always ends with '\0'. */
#ifndef TENON_TEXT_H
#define TENON_TEXT_H

#include <stdarg.h>
#include <stdio.h>

#include "tenon/types.h"

struct tn_text {
    char *at;    /* the '\0' */
    size_t room; /* bytes left, the '\0' not counted */
};

/* A builder over `buf`, whose size must be at least 1. */
static inline struct tn_text tn_text_init(char *buf, size_t size)
{
    buf[0] = '\0';
    return (struct tn_text){.at = buf, .room = size - 1};
}

TN_PRINTF(2, 3) static inline void tn_text_add(struct tn_text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(t->at, t->room + 1, fmt, ap);
    va_end(ap);
    if (n > 0) {
        size_t used = tn_min((size_t)n, t->room);
        t->at += used;
        t->room -= used;
    }
}

/* "10.0.7.7" from the 4 bytes at `a`. */
static inline void tn_text_ipv4(struct tn_text *t, const uint8_t *a)
{
    tn_text_add(t, "%u.%u.%u.%u", a[0], a[1], a[2], a[3]);
}

/* "02:00:00:00:07:07" from `len` bytes. */
static inline void tn_text_lladdr(struct tn_text *t, const uint8_t *a, size_t len)
{
    for (size_t i = 0; i < len; i++)
        tn_text_add(t, i ? ":%02x" : "%02x", a[i]);
}

#endif
