/* pmtu.h: the search for the MTU of the path (pmtu.c). */
#ifndef TENON_TCP_PMTU_H
#define TENON_TCP_PMTU_H

#include "congestion.h"

/* The search for the path's MTU, where it is less than the interface's (pmtu.c). MTUs are sizes of IP packets. */
struct tcp_pmtu {
    uint32_t at;    /* tcp_clock() from which a probe may be sent */
    uint32_t seq;   /* the probe's octets … */
    uint32_t end;   /* … and what follows them */
    uint16_t low;   /* passes */
    uint16_t high;  /* may pass; nothing larger does */
    uint16_t size;  /* of the probe that is due */
    uint16_t probe; /* … that is in flight; 0: none */
    bool whole;     /* the next probe is of `high` itself */
};

static inline struct tcp_pmtu *tcp_pmtu(const struct tcp_conn *conn)
{
    return conn->cc ? conn->cc->pmtu : NULL;
}

/* A router says that a packet whose segment began with `seq` is too big. */
void tcp_pmtu_too_big(struct tn_self *self, struct tcp_conn *conn, uint32_t seq,
                      const struct tn_net_error *error);
/* The retransmission timer has run out, for the (conn->backoff + 1)th time in a row; first in flight is a run of `len` octets.
 * Before the timeout is taken for congestion. */
void tcp_pmtu_timeout(struct tn_self *self, struct tcp_conn *conn, uint32_t len);
/* Octets were found lost while none had been: whether they are a probe's alone, which is no sign of congestion. */
bool tcp_pmtu_probe_lost(struct tn_self *self, struct tcp_conn *conn);
/* snd_una has moved. There is a record. */
void tcp_pmtu_acked(struct tn_self *self, struct tcp_conn *conn);
/* How many octets the next segment should have to be a probe, of `queued` that wait and a usable window; 0: no probe now. */
uint32_t tcp_pmtu_probe_due(struct tn_self *self, struct tcp_conn *conn, uint32_t queued, uint32_t window);
/* It was sent. */
void tcp_pmtu_probe_sent(struct tn_self *self, struct tcp_conn *conn, uint32_t seq, uint32_t end);

#endif
