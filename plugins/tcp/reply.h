/* reply.h: segments that no socket sends (reply.c). */
#ifndef TENON_TCP_REPLY_H
#define TENON_TCP_REPLY_H

#include "numbers.h"
#include "segment.h"

/* Where a segment without a socket goes. */
struct tcp_reply {
    struct tcp_ends ends;
    struct tn_path path; /* by tcp_reply_route() */
    uint32_t serial;     /* of the frame that caused it, for the trace; 0: none */
    uint8_t ttl;
    uint8_t tos;
};

/* False: there is no way to the remote end. */
bool tcp_reply_route(struct tn_self *self, struct tcp_reply *reply);
void tcp_reply_send(struct tn_self *self, const struct tcp_reply *reply, const struct tcp_header *header);
/* Answers a segment of no connection with a reset (§3.10.7.1). Does not consume it. */
void tcp_reply_reset(struct tn_self *self, const struct tcp_segment *seg);
/* … with an acknowledgement, with a timestamp that echoes ts_recent if `timestamps`. Sets header->flags and options. */
void tcp_reply_ack(struct tn_self *self, const struct tcp_segment *seg, struct tcp_header *header,
                   bool timestamps, uint32_t ts_recent);

#endif
