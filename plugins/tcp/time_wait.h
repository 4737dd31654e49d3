/* time_wait.h: connections in TIME-WAIT (time_wait.c). */
#ifndef TENON_TCP_TIME_WAIT_H
#define TENON_TCP_TIME_WAIT_H

#include "connection.h"
#include "segment.h"

/* TIME-WAIT (time_wait.c). */
#define TCP_TIME_WAIT_NUMBER_MASK 0xffffffu

struct tcp_time_wait {
    struct tn_flow flow; /* mark: timestamps were agreed; time: when it ends (tcp_clock()) */
    uint32_t rcv_nxt;
    uint32_t snd_nxt;
    uint32_t ts_recent;
    uint32_t younger : 24; /* number of the next in the queue, + 1; 0: none */
    uint32_t renewed : 1;  /* `time` was moved since it was queued */
    uint32_t answers : 7;
};
static_assert(sizeof(struct tcp_time_wait) == 40, "with IPv4 addresses and its share of the table 56 bytes");

/* The connection goes on as a record without a socket. Its own record may be gone afterwards. */
void tcp_enter_time_wait(struct tn_self *self, struct tcp_conn *conn);
void tcp_time_wait_timer(struct tn_self *self, struct tn_timer *timer);
/* A segment for it. Consumes it. */
void tcp_input_time_wait(struct tn_self *self, struct tcp_time_wait *record, struct tcp_segment *seg);
/* RFC 6191 §2: whether the segment is a SYN that cannot be an old one, so that a new connection may begin. */
bool tcp_time_wait_begins_anew(struct tn_self *self, const struct tcp_time_wait *record,
                               const struct tcp_segment *seg);
/* A new connection takes the place of the record, which is found no more; returns the least ISN that it must have. */
uint32_t tcp_time_wait_replace(struct tn_self *self, struct tcp_time_wait *record);
/* Whether this side may begin a new connection in its place. */
bool tcp_time_wait_yields(struct tn_self *self, const struct tcp_time_wait *record);

#endif
