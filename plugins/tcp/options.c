/* options.c: the options of a segment.
 *
 * Options come in any order and at any alignment (MUST-64), in any segment (MUST-5); unknown ones are passed over
 * by their length (MUST-6). What follows an end-of-options octet is not looked at. */
#include "connection.h"
#include "segment.h"

/* ---- Reading ---- */

/* An option of a wrong length for its kind is passed over like an unknown one. */
static void read_option(struct tcp_segment *seg, uint8_t kind, struct tn_cursor *body)
{
    size_t len = tn_left(body) + 2;
    switch (kind) {
    case TN_TCP_OPT_MSS:
        if (len == TN_TCP_OPTLEN_MSS)
            seg->mss = tn_read16(body);
        break;
    case TN_TCP_OPT_WINDOW_SCALE:
        if (len == TN_TCP_OPTLEN_WINDOW_SCALE) /* more than 14 counts as 14 (RFC 7323 §2.3) */
            seg->scale = (uint8_t)(1 + tn_min(tn_read8(body), TN_TCP_WINDOW_SCALE_MAX));
        break;
    case TN_TCP_OPT_SACK_PERMITTED:
        seg->sack_permitted = len == TN_TCP_OPTLEN_SACK_PERMITTED || seg->sack_permitted;
        break;
    case TN_TCP_OPT_SACK:
        if (len > 2 && (len - 2) % TN_TCP_OPTLEN_SACK_BLOCK == 0) {
            seg->sack_count = (uint8_t)((len - 2) / TN_TCP_OPTLEN_SACK_BLOCK);
            seg->sack = body->at;
        }
        break;
    case TN_TCP_OPT_TIMESTAMPS:
        if (len == TN_TCP_OPTLEN_TIMESTAMPS) {
            seg->has_timestamps = true;
            seg->ts_value = tn_read32(body);
            seg->ts_echo = tn_read32(body);
        }
        break;
    case TN_TCP_OPT_USER_TIMEOUT:
        if (len == TN_TCP_OPTLEN_USER_TIMEOUT)
            seg->user_timeout = tn_read16(body);
        break;
    default:
        break;
    }
}

/* The layout that nearly every segment has (RFC 7323 appendix A): NOP, NOP, timestamps. */
static bool read_usual(struct tn_cursor *c, struct tcp_segment *seg)
{
    if (tn_left(c) != 12 || tn_load32(c->at) != 0x0101080au)
        return false;
    tn_skip(c, 4);
    seg->has_timestamps = true;
    seg->ts_value = tn_read32(c);
    seg->ts_echo = tn_read32(c);
    return true;
}

bool tcp_read_options(struct tn_cursor *options, struct tcp_segment *seg)
{
    if (read_usual(options, seg))
        return true;
    while (tn_left(options) > 0) {
        uint8_t kind = tn_read8(options);
        if (kind == TN_TCP_OPT_END)
            break;
        if (kind == TN_TCP_OPT_NOP)
            continue;
        uint8_t len = tn_read8(options);
        if (len < 2)
            return false; /* also where the length is missing (MUST-7) */
        struct tn_cursor body = tn_sub_cursor(options, len - 2u);
        if (body.failed)
            return false;
        read_option(seg, kind, &body);
    }
    return true;
}

/* ---- Writing: laid out as Linux does ---- */

size_t tcp_write_timestamps(uint8_t *to, uint32_t ts_value, uint32_t ts_echo)
{
    to[0] = TN_TCP_OPT_NOP;
    to[1] = TN_TCP_OPT_NOP;
    to[2] = TN_TCP_OPT_TIMESTAMPS;
    to[3] = TN_TCP_OPTLEN_TIMESTAMPS;
    tn_store32(to + 4, ts_value);
    tn_store32(to + 8, ts_echo);
    return 12;
}

size_t tcp_write_sack(uint8_t *to, const uint32_t (*blocks)[2], size_t count)
{
    to[0] = TN_TCP_OPT_NOP;
    to[1] = TN_TCP_OPT_NOP;
    to[2] = TN_TCP_OPT_SACK;
    to[3] = (uint8_t)(2 + count * TN_TCP_OPTLEN_SACK_BLOCK);
    for (size_t i = 0; i < count; i++) {
        tn_store32(to + 4 + i * 8, blocks[i][0]);
        tn_store32(to + 8 + i * 8, blocks[i][1]);
    }
    return 4 + count * TN_TCP_OPTLEN_SACK_BLOCK;
}

size_t tcp_write_syn_options(uint8_t *to, uint32_t flags, uint16_t mss, uint8_t scale, uint32_t ts_value,
                             uint32_t ts_echo)
{
    uint8_t *at = to;
    *at++ = TN_TCP_OPT_MSS;
    *at++ = TN_TCP_OPTLEN_MSS;
    tn_store16(at, mss);
    at += 2;
    if (flags & TCP_TIMESTAMPS) {
        tcp_write_timestamps(at, ts_value, ts_echo);
        if (flags & TCP_SACK) { /* takes the place of the two NOPs */
            at[0] = TN_TCP_OPT_SACK_PERMITTED;
            at[1] = TN_TCP_OPTLEN_SACK_PERMITTED;
        }
        at += 12;
    } else if (flags & TCP_SACK) {
        *at++ = TN_TCP_OPT_NOP;
        *at++ = TN_TCP_OPT_NOP;
        *at++ = TN_TCP_OPT_SACK_PERMITTED;
        *at++ = TN_TCP_OPTLEN_SACK_PERMITTED;
    }
    if (flags & TCP_SCALE) {
        *at++ = TN_TCP_OPT_NOP;
        *at++ = TN_TCP_OPT_WINDOW_SCALE;
        *at++ = TN_TCP_OPTLEN_WINDOW_SCALE;
        *at++ = scale;
    }
    return (size_t)(at - to);
}
