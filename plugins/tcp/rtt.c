/* rtt.c: the round-trip time and the retransmission timeout (RFC 6298).
 *
 * Kept in microseconds. The floor of the timeout is an option: 1 s is what the RFC advises, 200 ms what is usual. */
#include "congestion.h"

/* G of RFC 6298: what the time of an acknowledgement is rounded to. */
#define CLOCK_GRANULARITY (TN_TIMER_TICK / TN_USEC)

/* The least round-trip time is that of the last minutes: the path may change (RFC 8985 §6.2 step 1). */
#define MIN_RTT_SPAN 300000 /* milliseconds */

/* Back-offs that are undone without a measurement, in a row. */
#define UNMEASURED_MAX 2

/* So that what is shifted and added below stays within 32 bits. */
#define RTT_MAX (100 * TN_SEC / TN_USEC)

static uint32_t clamp_rto(const struct tn_self *self, uint64_t rto)
{
    uint64_t least = tcp_options(self)->minimum_rto / TN_USEC;
    uint64_t most = tcp_options(self)->maximum_rto / TN_USEC;
    return (uint32_t)tn_min(tn_max(rto, least), most);
}

void tcp_rtt_init(struct tn_self *self, struct tcp_conn *conn)
{
    conn->rto = clamp_rto(self, tcp_options(self)->initial_rto / TN_USEC); /* (2.1) */
}

static void note_least(struct tn_self *self, struct tcp_conn *conn, uint32_t r)
{
    uint32_t now = tcp_clock(self);
    bool known = conn->flags & TCP_RTT_KNOWN && now - conn->min_rtt_at < MIN_RTT_SPAN;
    if (known && conn->min_rtt < r)
        return;
    conn->min_rtt = r;
    conn->min_rtt_at = now;
}

void tcp_rtt_sample(struct tn_self *self, struct tcp_conn *conn, tn_time rtt)
{
    uint32_t r = (uint32_t)tn_min(rtt / TN_USEC, RTT_MAX);
    note_least(self, conn, r);
    if (!(conn->flags & TCP_RTT_KNOWN)) { /* (2.2) */
        conn->flags |= TCP_RTT_KNOWN;
        conn->srtt = r;
        conn->rttvar = r / 2;
    } else { /* (2.3): alpha 1/8, beta 1/4, the variation first */
        uint32_t off = conn->srtt > r ? conn->srtt - r : r - conn->srtt;
        conn->rttvar += off / 4 - conn->rttvar / 4;
        conn->srtt += r / 8 - conn->srtt / 8;
    }
    conn->rto = clamp_rto(self, conn->srtt + tn_max(CLOCK_GRANULARITY, 4 * (uint64_t)conn->rttvar));
    conn->backoff = 0;
    conn->unmeasured = 0;
    conn->flags &= ~TCP_PROBE_SPENT;
}

/* How much the timeout must be backed off for an answer that took `span` to come well in time. */
static uint8_t backoff_for(const struct tcp_conn *conn, tn_time span)
{
    uint8_t backoff = 0;
    while (backoff < conn->backoff && conn->rto * TN_USEC << backoff < 2 * span)
        backoff++;
    return backoff;
}

/* Karn's algorithm keeps the timeout backed off until something that was sent once is acknowledged: else a round-trip time
 * that has grown beyond the timeout would never be measured. On a path that loses much and a connection without timestamps,
 * that makes minutes of waiting out of a few losses in a row. So an acknowledgement counts as that of the last copy if it
 * comes when one is to be expected, or much sooner after it than the last copy was sent after the one before; and the
 * timeout is backed off as far only as that asks for. But only twice in a row, for it may be chance that one to an earlier
 * copy comes just then. */
bool tcp_rtt_unmeasured(struct tn_self *self, struct tcp_conn *conn, tn_time sent)
{
    if (!(conn->flags & TCP_RTT_KNOWN) || conn->unmeasured >= UNMEASURED_MAX)
        return false;
    tn_time span = tn_now(self) - sent;
    tn_time expected = (conn->srtt + 4 * (tn_time)conn->rttvar) * TN_USEC;
    if (span < conn->min_rtt * TN_USEC || span > tn_max(expected, tcp_rto(self, conn) / 8))
        return false;
    if (conn->backoff > 0)
        conn->unmeasured++;
    conn->backoff = backoff_for(conn, span);
    return true;
}

tn_time tcp_rto(const struct tn_self *self, const struct tcp_conn *conn)
{
    uint64_t rto = (uint64_t)conn->rto << tn_min(conn->backoff, 20); /* (5.5) */
    return tn_min(rto * TN_USEC, tcp_options(self)->maximum_rto);
}
