/* congestion.h: a connection as a plugin for congestion control sees it, for tests that compile one into themselves. */
#ifndef TENON_TESTS_CONGESTION_H
#define TENON_TESTS_CONGESTION_H

#include "cmocka_all.h"
#include "tenon/plugin.h"

#define MSS 1000

struct flow {
    struct tn_self self;
    const struct tn_congestion_ops *ops;
    struct tn_congestion c;
    uint64_t record[TN_CONGESTION_RECORD / 8];
    uint32_t una; /* sequence numbers */
    uint32_t rtt; /* microseconds, of what is acknowledged next */
    bool limited;
};

/* A flow with a window of so many segments, all of them in flight, and a round-trip time in milliseconds. */
static inline void flow_start(struct flow *f, const struct tn_plugin *plugin, const void *options,
                              uint32_t segments, uint32_t rtt)
{
    *f = (struct flow){
        .self = {.plugin = plugin, .options = options}, .ops = plugin->congestion, .limited = true};
    f->c = (struct tn_congestion){
        .cwnd = segments * MSS,
        .ssthresh = TN_CONGESTION_WINDOW_MAX,
        .mss = MSS,
        .flight = segments * MSS,
        .srtt = rtt * 1000,
        .now = 1000 * TN_SEC,
        .record = f->record,
    };
    f->una = 0xffff0000u; /* soon to wrap */
    f->rtt = rtt * 1000;
}

/* `count` acknowledgements in a batch, of so many octets in all; what is in flight fills the window again. */
static inline void flow_acked(struct flow *f, uint32_t octets, uint32_t count)
{
    f->una += octets;
    struct tn_congestion_ack ack = {
        .octets = octets,
        .count = count,
        .rtt = f->rtt,
        .acked_to = f->una,
        .sent_to = f->una + f->c.flight - octets,
        .limited = f->limited,
    };
    f->ops->acked(&f->self, &f->c, &ack);
    f->c.flight = f->limited ? f->c.cwnd : f->c.flight;
}

/* A round trip: each segment of the window is acknowledged, evenly over its time. */
static inline void flow_round(struct flow *f)
{
    uint32_t segments = f->c.cwnd / MSS;
    for (uint32_t i = 0; i < segments; i++) {
        f->c.now += f->c.srtt * TN_USEC / segments;
        flow_acked(f, MSS, 1);
    }
}

static inline void flow_reduce(struct flow *f, enum tn_congestion_sign sign)
{
    f->ops->reduce(&f->self, &f->c, sign);
    f->c.cwnd = sign == TN_CONGESTION_TIMEOUT ? MSS : f->c.ssthresh;
    f->c.flight = f->c.cwnd;
}

#endif
