/* sequence.h: sequence numbers, which are compared modulo 2^32 (§3.4). */
#ifndef TENON_TCP_SEQUENCE_H
#define TENON_TCP_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>

static inline bool tcp_lt(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool tcp_le(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) <= 0;
}

static inline uint32_t tcp_seq_max(uint32_t a, uint32_t b)
{
    return tcp_lt(a, b) ? b : a;
}

static inline uint32_t tcp_seq_min(uint32_t a, uint32_t b)
{
    return tcp_lt(a, b) ? a : b;
}

static inline uint32_t tcp_min32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t tcp_max32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

#endif
