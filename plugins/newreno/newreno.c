/* newreno: the standard congestion control (RFC 5681), counting octets (RFC 3465).
 *
 * Slow start raises the window by what is acknowledged, congestion avoidance by one segment for each window that is
 * acknowledged; a sign of congestion halves what was in flight. What makes it NewReno (RFC 6582) is in the transport's
 * recovery. */
#include "tenon/plugin.h"

#define SLOW_START_LIMIT 2 /* segments an acknowledgement: L of RFC 3465 §2.2 */

struct newreno {
    uint32_t acked; /* octets acknowledged since cwnd last grew in congestion avoidance */
};

/* RFC 3465 §2.1 */
static void avoid_congestion(struct tn_congestion *c, uint32_t octets)
{
    struct newreno *n = c->record;
    n->acked += octets;
    while (n->acked >= c->cwnd && c->cwnd < TN_CONGESTION_WINDOW_MAX) {
        n->acked -= c->cwnd;
        tn_congestion_grow(c, c->mss);
    }
}

static void newreno_acked(struct tn_self *self, struct tn_congestion *c, const struct tn_congestion_ack *ack)
{
    uint32_t octets = ack->octets;
    if (!ack->limited) /* what the network has not been asked to carry, its silence says nothing about */
        return;
    if (tn_congestion_in_slow_start(c))
        octets = tn_congestion_slow_start(c, ack, SLOW_START_LIMIT);
    if (octets > 0)
        avoid_congestion(c, octets);
}

/* RFC 5681 eqn. (4). Octets that limited transmit sent beyond cwnd don't count (§3.2). */
static void newreno_reduce(struct tn_self *self, struct tn_congestion *c, enum tn_congestion_sign sign)
{
    struct newreno *n = c->record;
    uint32_t least = 2 * c->mss;
    uint32_t window = c->cwnd > least ? c->cwnd : least;
    uint32_t flight = c->flight < window ? c->flight : window;
    c->ssthresh = flight / 2 > least ? flight / 2 : least;
    n->acked = 0;
}

static const struct tn_congestion_ops newreno_congestion = {
    .record_size = sizeof(struct newreno),
    .acked = newreno_acked,
    .reduce = newreno_reduce,
};

static const struct tn_plugin newreno_plugin = {
    TN_PLUGIN_HEADER,     .name = "newreno",     .version = "0.1.0",
    .kind = "congestion", .schema = "newreno/1", .congestion = &newreno_congestion,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &newreno_plugin;
}
