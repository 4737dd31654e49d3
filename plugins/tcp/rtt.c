/* rtt.c: the round-trip time and the retransmission timeout (RFC 6298).
 *
 * Kept in microseconds. The floor of the timeout is an option: 1 s is what the RFC advises, 200 ms what is usual. */
#include "tcp.h"

/* G of RFC 6298: what the time of an acknowledgement is rounded to. */
#define CLOCK_GRANULARITY (TN_TIMER_TICK / TN_USEC)

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

void tcp_rtt_sample(struct tn_self *self, struct tcp_conn *conn, tn_time rtt)
{
    uint32_t r = (uint32_t)tn_min(rtt / TN_USEC, RTT_MAX);
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
}

tn_time tcp_rto(const struct tn_self *self, const struct tcp_conn *conn)
{
    uint64_t rto = (uint64_t)conn->rto << tn_min(conn->backoff, 20); /* (5.5) */
    return tn_min(rto * TN_USEC, tcp_options(self)->maximum_rto);
}
