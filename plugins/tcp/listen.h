/* listen.h: connections that others begin (syn_queue.c, syn_cookie.c, listen.c). */
#ifndef TENON_TCP_LISTEN_H
#define TENON_TCP_LISTEN_H

#include "connection.h"
#include "numbers.h"
#include "segment.h"

/* SYN-RECEIVED after a SYN to a listener (syn_queue.c, listen.c). */
struct tcp_half_open {
    struct tn_flow flow; /* time: tcp_microseconds() of the SYN */
    struct tn_timer timer;
    struct tn_socket *listener;
    struct tcp_half_open *next; /* of the same listener: the next younger one */
    struct tcp_half_open **link;
    uint32_t iss;
    uint32_t irs; /* the SYN's own number */
    uint32_t ts_recent;
    uint32_t flags;  /* TCP_TIMESTAMPS, TCP_SACK, TCP_SCALE, TCP_ECN: agreed */
    uint16_t mss;    /* the peer's; 0: it told none */
    uint16_t window; /* … as in its SYN */
    uint8_t snd_scale;
    uint8_t rcv_scale;
    uint8_t tries;        /* times the SYN-ACK was sent again */
    uint8_t answers : 7;  /* to what was refused, since it was sent last */
    uint8_t deferred : 1; /* the peer has acknowledged the SYN-ACK, but sent no data (TCP_DEFER_ACCEPT) */
};
static_assert(sizeof(struct tcp_half_open) == 104,
              "with IPv4 addresses and its share of the table 120 bytes");

/* ---- syn_queue.c ---- */

/* A new record, queued at the listener, for the sender of the packet; its numbers are the caller's. NULL: no room. */
struct tcp_half_open *tcp_half_open_new(struct tn_self *self, struct tn_socket *listener,
                                        const struct tn_packet *packet);
void tcp_half_open_free(struct tn_self *self, struct tcp_half_open *half);
void tcp_half_open_free_all(struct tn_self *self, struct tcp_conn *listener);
/* Whether most of the listener's places are taken. */
bool tcp_syn_queue_crowded(struct tn_self *self, const struct tcp_half_open *half);

/* ---- syn_cookie.c ---- */

/* The initial sequence number with which a SYN is answered without remembering it. */
uint32_t tcp_cookie_make(struct tn_self *self, const struct tcp_ends *ends, uint32_t irs, uint16_t mss);
/* The peer's MSS, if the number is a cookie that was made for it less than two minutes ago; else 0. */
uint16_t tcp_cookie_check(struct tn_self *self, const struct tcp_ends *ends, uint32_t irs, uint32_t cookie);
/* A timestamp (before the connection's offset is added) that carries the agreed options; and these options of one. */
uint32_t tcp_cookie_stamp(struct tn_self *self, uint32_t flags, uint8_t snd_scale);
uint32_t tcp_cookie_flags(uint32_t stamp, uint8_t *snd_scale);

/* ---- listen.c ---- */

void tcp_half_open_timer(struct tn_self *self, struct tn_timer *timer);
/* A segment for a listener, for a half-open connection. Consume it and return NULL, or return the connection that it has
 * established, which takes the rest of it. `least_iss`: what a new ISN must not be below, or NULL. */
struct tcp_conn *tcp_input_listen(struct tn_self *self, struct tn_socket *listener, struct tcp_segment *seg,
                                  const uint32_t *least_iss);
struct tcp_conn *tcp_input_half_open(struct tn_self *self, struct tcp_half_open *half,
                                     struct tcp_segment *seg);

#endif
