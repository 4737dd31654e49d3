/* segment.h: segments as they are read and written (options.c, describe.c, segment.c). */
#ifndef TENON_TCP_SEGMENT_H
#define TENON_TCP_SEGMENT_H

#include "sequence.h"
#include "tcp.h"

/* ---- options.c ---- */

/* A segment that has come, checked and taken apart. */
struct tcp_segment {
    struct tn_packet *packet; /* data: the payload */
    uint32_t seq;
    uint32_t ack;
    uint32_t len;        /* octets of payload; SEG.LEN also counts SYN and FIN: tcp_segment_end() */
    uint32_t urgent_end; /* with URG: sequence number after the last urgent octet */
    uint32_t ts_value;
    uint32_t ts_echo;
    uint16_t window; /* as it stands in the header */
    uint16_t mss;    /* 0: no option */
    uint8_t flags;   /* TN_TCP_… */
    uint8_t scale;   /* shift + 1; 0: no option */
    bool has_timestamps;
    bool sack_permitted;
    uint16_t user_timeout; /* as on the wire; 0: no option, or the value that is reserved */
    uint8_t sack_count;
    const uint8_t *sack; /* blocks as on the wire */
};

/* SEG.SEQ + SEG.LEN */
static inline uint32_t tcp_segment_end(const struct tcp_segment *seg)
{
    return seg->seq + seg->len + (seg->flags & TN_TCP_SYN ? 1 : 0) + (seg->flags & TN_TCP_FIN ? 1 : 0);
}

/* Table 6: whether any of the segment lies in the window. */
static inline bool tcp_acceptable(uint32_t rcv_nxt, uint32_t window, const struct tcp_segment *seg)
{
    uint32_t length = tcp_segment_end(seg) - seg->seq;
    bool starts_inside = seg->seq - rcv_nxt < window;
    if (length == 0)
        return window == 0 ? seg->seq == rcv_nxt : starts_inside;
    return window > 0 && (starts_inside || seg->seq + length - 1 - rcv_nxt < window);
}

/* Reads the options at the cursor into `seg`; false if a length is wrong. */
bool tcp_read_options(struct tn_cursor *options, struct tcp_segment *seg);
/* Writes the options of a SYN or SYN-ACK (flags: TCP_TIMESTAMPS, TCP_SACK, TCP_SCALE say which); returns their length. */
size_t tcp_write_syn_options(uint8_t *to, uint32_t flags, uint16_t mss, uint8_t scale, uint32_t ts_value,
                             uint32_t ts_echo);
size_t tcp_write_timestamps(uint8_t *to, uint32_t ts_value, uint32_t ts_echo);
/* `blocks`: pairs of sequence numbers. */
size_t tcp_write_sack(uint8_t *to, const uint32_t (*blocks)[2], size_t count);

/* ---- describe.c ---- */

void tcp_describe(const struct tn_packet *packet, struct tn_cursor *cursor, struct tn_text *out,
                  struct tn_next *next);

/* ---- segment.c ---- */

/* What a header holds besides the ports. */
struct tcp_header {
    uint32_t seq;
    uint32_t ack;
    uint16_t window;
    uint8_t flags;
    uint8_t ecn; /* of the IP header */
    uint16_t urgent;
    const uint8_t *options;
    size_t options_len; /* a multiple of 4 */
};

/* Puts the header before the packet's data. Addresses, ports and family of the packet are set. */
void tcp_push_header(struct tn_packet *packet, const struct tcp_header *from);

#endif
