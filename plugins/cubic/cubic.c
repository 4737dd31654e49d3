/* cubic: CUBIC congestion control (RFC 9438), with HyStart++ (RFC 9406) for the first slow start.
 *
 * After congestion at a window of W_max, the window comes back along a cubic function of time, however long the round trips:
 *     W_cubic(t) = C (t - K)^3 + W_max        C = 0.4 segments/s^3, K such that W_cubic(0) is the window then
 * flat around W_max, and probing beyond it faster and faster. Where that is less than what Reno would do (short round
 * trips, small windows), W_est says what Reno would do, and the window follows that.
 *
 * All is done in integers: octets, milliseconds. Time in which the window was not all in use does not count (§5.8). What
 * the letters mean is in RFC 9438 §4.1; sections without the number of an RFC are of that one. */
#include "cubic.h"

#define BETA(w) ((uint32_t)((uint64_t)(w)*7 / 10)) /* §4.6: 0.7 */

/* §4.3: 3 (1 - beta) / (1 + beta) */
#define ALPHA_NUMERATOR   9
#define ALPHA_DENOMINATOR 17

#define CUBIC_EST_ONE 1024 /* unit of w_est */

#define SLOW_START_LIMIT 8 /* segments an acknowledgement: L of RFC 9406 §4.3, not paced */

/* Milliseconds from W_max after which the function is not looked at any more: the window is huge by then, and numbers
 * would overflow. */
#define TIME_MAX 131072

static uint32_t milliseconds(tn_time time)
{
    return (uint32_t)(time / TN_MSEC);
}

/* The largest n with n^3 <= x. */
static uint32_t cube_root(uint64_t x)
{
    uint64_t root = 0;
    for (uint64_t bit = 1u << 20; bit; bit >>= 1) {
        uint64_t n = root | bit;
        if (n * n * n <= x)
            root = n;
    }
    return (uint32_t)root;
}

/* ---- Congestion avoidance ---- */

/* Figure 2; also §4.8 and §4.10: K is 0, and W_max the window now, after a timeout and where W_max is not known. */
static void begin_epoch(struct cubic *q, const struct tn_congestion *c)
{
    q->avoiding = true;
    q->epoch = (struct cubic_epoch){
        .w_est = (uint64_t)c->cwnd * CUBIC_EST_ONE,
        .start = milliseconds(c->now),
        .last = milliseconds(c->now),
    };
    if (q->cwnd_prior == 0)
        q->cwnd_prior = c->cwnd;
    if (q->w_max > c->cwnd)
        q->epoch.k = cube_root((q->w_max - c->cwnd) * 2500000000ull / c->mss);
    else
        q->w_max = c->cwnd;
}

/* Figure 1, `t` milliseconds after the beginning of the stage. */
static uint32_t w_cubic(const struct cubic *q, const struct tn_congestion *c, uint32_t t)
{
    int64_t d = (int64_t)t - q->epoch.k;
    d = d > TIME_MAX ? TIME_MAX : d < -TIME_MAX ? -TIME_MAX : d;
    int64_t w = q->w_max + d * d * d / 1000 * c->mss * 4 / 10000000;
    return w < 0 ? 0 : w > TN_CONGESTION_WINDOW_MAX ? TN_CONGESTION_WINDOW_MAX : (uint32_t)w;
}

/* Figure 4 */
static void estimate_reno(struct cubic *q, const struct tn_congestion *c, uint32_t octets)
{
    bool caught_up = q->epoch.w_est / CUBIC_EST_ONE >= q->cwnd_prior;
    uint64_t growth = (uint64_t)octets * c->mss * CUBIC_EST_ONE / c->cwnd;
    q->epoch.w_est += caught_up ? growth : growth * ALPHA_NUMERATOR / ALPHA_DENOMINATOR;
    if (q->epoch.w_est > (uint64_t)TN_CONGESTION_WINDOW_MAX * CUBIC_EST_ONE)
        q->epoch.w_est = (uint64_t)TN_CONGESTION_WINDOW_MAX * CUBIC_EST_ONE;
}

/* §4.4, §4.5: by (target - cwnd) / cwnd for each octet acknowledged, so that cwnd is `target` in a round-trip time. */
static void approach(struct cubic *q, struct tn_congestion *c, uint32_t target, uint32_t octets)
{
    if (target <= c->cwnd)
        return;
    target = (uint32_t)tn_min(target, c->cwnd + c->cwnd / 2);
    uint64_t product = (uint64_t)(target - c->cwnd) * octets + q->epoch.rest;
    uint32_t cwnd = c->cwnd;
    tn_congestion_grow(c, (uint32_t)(product / cwnd));
    q->epoch.rest = (uint32_t)(product % cwnd);
}

/* The time since the last acknowledgements counts if the window was in use, but for a pause in which nothing was in
 * flight: what is acknowledged now was sent one round-trip time ago. */
static void pass_time(struct cubic *q, const struct tn_congestion *c, const struct tn_congestion_ack *ack)
{
    uint32_t now = milliseconds(c->now), passed = now - q->epoch.last;
    uint32_t round = (ack->rtt ? ack->rtt : c->srtt) / 1000;
    if (!ack->limited)
        q->epoch.start += passed;
    else if (q->idle && passed > round)
        q->epoch.start += passed - round;
    q->epoch.last = now;
}

static void avoid_congestion(struct cubic *q, struct tn_congestion *c, const struct tn_congestion_ack *ack,
                             uint32_t octets)
{
    if (!q->avoiding)
        begin_epoch(q, c);
    pass_time(q, c, ack);
    if (!ack->limited)
        return;
    uint32_t t = q->epoch.last - q->epoch.start;
    estimate_reno(q, c, octets);
    uint32_t reno = (uint32_t)(q->epoch.w_est / CUBIC_EST_ONE);
    if (w_cubic(q, c, t) < reno)
        c->cwnd = c->cwnd > reno ? c->cwnd : reno;
    else
        approach(q, c, w_cubic(q, c, t + c->srtt / 1000), octets);
}

/* ---- Operations ---- */

static void cubic_acked(struct tn_self *self, struct tn_congestion *c, const struct tn_congestion_ack *ack)
{
    const struct cubic_options *options = self->options;
    struct cubic *q = c->record;
    uint32_t octets = ack->octets;
    bool first = c->ssthresh >= TN_CONGESTION_WINDOW_MAX;
    if (first && options->hystart) {
        cubic_hystart_acked(&q->hystart, c, ack);
        return;
    }
    if (tn_congestion_in_slow_start(c))
        octets = ack->limited ? tn_congestion_slow_start(c, ack, SLOW_START_LIMIT) : 0;
    if (octets > 0 && !tn_congestion_in_slow_start(c))
        avoid_congestion(q, c, ack, octets);
    q->idle = ack->acked_to == ack->sent_to;
}

static void cubic_reduce(struct tn_self *self, struct tn_congestion *c, enum tn_congestion_sign sign)
{
    const struct cubic_options *options = self->options;
    struct cubic *q = c->record;
    uint32_t least = 2 * c->mss;
    bool shrinking = c->cwnd < q->w_max && options->fast_convergence;
    uint32_t w_max = shrinking ? (uint32_t)((uint64_t)c->cwnd * 17 / 20) : c->cwnd; /* §4.7: (1 + beta) / 2 */
    /* Octets that limited transmit sent beyond cwnd don't count (RFC 5681 §3.2). */
    uint32_t flight = c->flight < c->cwnd || c->cwnd < least ? c->flight : c->cwnd;
    *q = (struct cubic){.cwnd_prior = c->cwnd};
    if (sign != TN_CONGESTION_TIMEOUT)
        q->w_max = w_max;
    c->ssthresh = BETA(flight) > least ? BETA(flight) : least;
}

static const struct tn_congestion_ops cubic_congestion = {
    .record_size = sizeof(struct cubic),
    .acked = cubic_acked,
    .reduce = cubic_reduce,
};

static const struct tn_option cubic_option_list[] = {
    {"fast-convergence", TN_OPTION_BOOL, offsetof(struct cubic_options, fast_convergence)},
    {"hystart", TN_OPTION_BOOL, offsetof(struct cubic_options, hystart)},
};

static const struct tn_plugin cubic_plugin = {
    TN_PLUGIN_HEADER,
    .name = "cubic",
    .version = "0.1.0",
    .kind = "congestion",
    .schema = "cubic/1",
    .options_size = sizeof(struct cubic_options),
    .options = cubic_option_list,
    .option_count = TN_ARRAY_SIZE(cubic_option_list),
    .congestion = &cubic_congestion,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &cubic_plugin;
}
