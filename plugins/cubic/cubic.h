/* cubic.h: what the files of the plugin share: the record of a connection.
 *
 *     hystart.c    the first slow start (RFC 9406)
 *     cubic.c      congestion avoidance and the answer to congestion (RFC 9438), and the descriptor */
#ifndef TENON_CUBIC_H
#define TENON_CUBIC_H

#include "tenon/plugin.h"

struct cubic_options {
    bool fast_convergence;
    bool hystart;
};

/* In the first slow start. */
struct cubic_hystart {
    uint32_t last_min;    /* lastRoundMinRTT, microseconds; 0: infinite */
    uint32_t current_min; /* currentRoundMinRTT */
    uint32_t baseline;    /* cssBaselineMinRtt; 0: not in conservative slow start */
    uint32_t window_end;  /* sequence number that ends the round */
    uint8_t samples;      /* in this round; more than are needed don't count */
    uint8_t rounds;       /* of conservative slow start that are over */
    bool begun;           /* window_end is known */
};

/* In a stage of congestion avoidance. */
struct cubic_epoch {
    uint64_t w_est; /* octets * CUBIC_EST_ONE */
    uint32_t k;     /* milliseconds */
    uint32_t start; /* t_epoch, milliseconds modulo 2^32; moved over times that don't count */
    uint32_t last;  /* when acknowledgements were last told of */
    uint32_t rest;  /* of the division by cwnd, for the next growth */
};

/* A connection's record, all zeros at first. Octets, milliseconds. */
struct cubic {
    uint32_t w_max;
    uint32_t cwnd_prior;
    union {
        struct cubic_hystart hystart;
        struct cubic_epoch epoch; /* if `avoiding` */
    };
    bool avoiding;
    bool idle; /* nothing was in flight when acknowledgements were last told of */
};

static_assert(sizeof(struct cubic) <= TN_CONGESTION_RECORD, "the record has its place in the transport's");

/* hystart.c: acknowledgements in the first slow start: raises cwnd, or ends it by ssthresh. */
void cubic_hystart_acked(struct cubic_hystart *h, struct tn_congestion *c,
                         const struct tn_congestion_ack *ack);

#endif
