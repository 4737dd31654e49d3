/* congestion.h: congestion control: what a plugin of kind `congestion` gives, and what transports ask of it.
 *
 * A transport finds an algorithm by its plugin's name (core->plugin_find), keeps its slot number with the connection, and
 * goes to it through the core (core->plugin_at) for each call. The algorithm decides how large the congestion window is and
 * nothing else: what was lost, and what is sent when, is the transport's. Octets everywhere, unless said otherwise. */
#ifndef TENON_CONGESTION_H
#define TENON_CONGESTION_H

#include "tenon/types.h"

struct tn_self;

/* An algorithm's own record of a connection has at most so many bytes. */
#define TN_CONGESTION_RECORD 40

/* Windows are kept below this, so that sums of two cannot wrap. */
#define TN_CONGESTION_WINDOW_MAX (1u << 30)

/* A connection, as its congestion control sees it. The transport fills all of it in for each call, and takes the first two
 * back. */
struct tn_congestion {
    uint32_t cwnd;
    uint32_t
        ssthresh; /* in slow start while cwnd is below it; at first TN_CONGESTION_WINDOW_MAX: never lowered yet */
    uint32_t mss;    /* payload of a full segment (SMSS of RFC 5681) */
    uint32_t flight; /* sent and not acknowledged (FlightSize of RFC 5681) */
    uint32_t srtt;   /* smoothed round-trip time, microseconds; 0: not known yet */
    tn_time now;
    /* The algorithm's own, record_size bytes. Zeroed when the connection begins, when it changes to this algorithm, and after
     * it was idle for long; else as the algorithm left it. After a reduction that proves to have been wrong it is what it
     * was before that. */
    void *record;
};

/* What the acknowledgements of a batch told. */
struct tn_congestion_ack {
    uint32_t octets; /* newly acknowledged */
    uint32_t count;  /* acknowledgements that did it; one for a super-frame counts as those of its segments */
    uint32_t rtt;    /* least round-trip time measured by them, microseconds; 0: none */
    uint32_t acked_to;  /* sequence number after the last octet acknowledged, modulo 2^32 … */
    uint32_t sent_to;   /* … and sent: when acked_to gets there, a round-trip time is over */
    bool limited;       /* the window was all in use; if not, its size has not been put to the test */
    bool after_timeout; /* what a timeout called lost is being sent again */
};

/* Signs of congestion. */
enum tn_congestion_sign {
    TN_CONGESTION_LOSS,    /* acknowledgements told of a loss; the first of this window */
    TN_CONGESTION_TIMEOUT, /* a timeout did; the first for this data */
    TN_CONGESTION_ECN,     /* a router marked a packet (RFC 3168); the first of this window */
};

struct tn_congestion_ops {
    size_t record_size; /* at most TN_CONGESTION_RECORD */
    /* New data was acknowledged, once a batch: may raise cwnd, and end slow start by lowering ssthresh. Not called in fast
     * recovery. */
    void (*acked)(struct tn_self *self, struct tn_congestion *c, const struct tn_congestion_ack *ack);
    /* Congestion: lowers ssthresh. What becomes of cwnd, now (RFC 6937) and after recovery, is up to the transport. */
    void (*reduce)(struct tn_self *self, struct tn_congestion *c, enum tn_congestion_sign sign);
    /* Data is sent again after nothing was for `idle`, longer than the retransmission timeout; cwnd is already what it will
     * be. May be NULL. */
    void (*restarted)(struct tn_self *self, struct tn_congestion *c, tn_time idle);
};

/* ---- For algorithms ---- */

static inline bool tn_congestion_in_slow_start(const struct tn_congestion *c)
{
    return c->cwnd < c->ssthresh;
}

/* Raises cwnd by `octets`. */
static inline void tn_congestion_grow(struct tn_congestion *c, uint32_t octets)
{
    uint32_t room = c->cwnd < TN_CONGESTION_WINDOW_MAX ? TN_CONGESTION_WINDOW_MAX - c->cwnd : 0;
    c->cwnd += octets < room ? octets : room;
}

/* Slow start, counting octets (RFC 3465 §2.2, §2.3): an acknowledgement raises cwnd by as much as it acknowledges, but by
 * `limit` segments at most (L), after a timeout by one. Stops at ssthresh; returns the octets that this left over. */
static inline uint32_t tn_congestion_slow_start(struct tn_congestion *c, const struct tn_congestion_ack *ack,
                                                uint32_t limit)
{
    uint64_t most = (uint64_t)ack->count * c->mss * (ack->after_timeout ? 1 : limit);
    uint32_t growth = ack->octets < most ? ack->octets : (uint32_t)most;
    uint32_t room = c->ssthresh - c->cwnd;
    if (growth > room)
        growth = room;
    tn_congestion_grow(c, growth);
    return tn_congestion_in_slow_start(c) ? 0 : ack->octets - growth;
}

#endif
