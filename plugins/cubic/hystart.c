/* hystart.c: the first slow start, as HyStart++ has it (RFC 9406).
 *
 * A queue that builds up at the bottleneck shows in the round-trip time. When the least of a round is larger than that of the
 * round before by a threshold, slow start goes on conservatively, at a quarter of its pace: for five rounds, after which
 * congestion avoidance begins; or until the round-trip time falls again, and it was nothing. */
#include "cubic.h"

/* §4.3. Times in microseconds. */
#define MIN_RTT_THRESH     4000u
#define MAX_RTT_THRESH     16000u
#define MIN_RTT_DIVISOR    8
#define N_RTT_SAMPLE       8
#define CSS_GROWTH_DIVISOR 4
#define CSS_ROUNDS         5
#define LIMIT              8 /* segments an acknowledgement: L, not paced */

static void grow(const struct cubic_hystart *h, struct tn_congestion *c, const struct tn_congestion_ack *ack)
{
    uint64_t octets = tn_min(ack->octets, (uint64_t)ack->count * LIMIT * c->mss);
    if (h->baseline)
        octets /= CSS_GROWTH_DIVISOR;
    tn_congestion_grow(c, (uint32_t)octets);
}

static void take_sample(struct cubic_hystart *h, const struct tn_congestion_ack *ack)
{
    if (!ack->rtt)
        return;
    if (!h->current_min || ack->rtt < h->current_min)
        h->current_min = ack->rtt;
    h->samples = (uint8_t)tn_min(h->samples + ack->count, N_RTT_SAMPLE);
}

/* Whether the round-trip time has grown in this round, or fallen again in conservative slow start. */
static void judge(struct cubic_hystart *h)
{
    if (h->samples < N_RTT_SAMPLE || !h->last_min)
        return;
    if (h->baseline) {
        if (h->current_min < h->baseline) {
            h->baseline = 0;
            h->rounds = 0;
        }
        return;
    }
    uint32_t threshold = h->last_min / MIN_RTT_DIVISOR;
    threshold = threshold > MAX_RTT_THRESH ? MAX_RTT_THRESH : threshold;
    threshold = threshold < MIN_RTT_THRESH ? MIN_RTT_THRESH : threshold;
    if (h->current_min >= h->last_min + threshold)
        h->baseline = h->current_min;
}

static void begin_round(struct cubic_hystart *h, const struct tn_congestion_ack *ack)
{
    h->last_min = h->current_min;
    h->current_min = 0;
    h->samples = 0;
    h->window_end = ack->sent_to;
    h->begun = ack->acked_to != ack->sent_to; /* else it ends with what is sent next */
}

void cubic_hystart_acked(struct cubic_hystart *h, struct tn_congestion *c,
                         const struct tn_congestion_ack *ack)
{
    if (!h->begun) {
        h->begun = true;
        h->window_end = ack->sent_to;
    }
    if (ack->limited)
        grow(h, c, ack);
    take_sample(h, ack);
    judge(h);
    if ((int32_t)(ack->acked_to - h->window_end) < 0)
        return;
    begin_round(h, ack);
    if (h->baseline && ++h->rounds >= CSS_ROUNDS)
        c->ssthresh = c->cwnd;
}
