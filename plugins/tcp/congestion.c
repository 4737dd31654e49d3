/* congestion.c: the congestion window by NewReno (RFC 5681), counting octets (RFC 3465).
 *
 * Only the window is decided here; what was lost and what to send is not. The functions see nothing but the
 * connection's congestion state, and nobody else writes cwnd and ssthresh. */
#include "tcp.h"

static uint32_t flight_size(const struct tcp_conn *conn)
{
    return conn->snd_nxt - conn->snd_una;
}

/* RFC 5681 eqn. (4). Octets that limited transmit sent beyond cwnd don't count (§3.2). */
static uint32_t half_flight(const struct tcp_conn *conn)
{
    uint32_t flight = tcp_min32(flight_size(conn), tcp_max32(conn->cwnd, 2u * conn->mss));
    return tcp_max32(flight / 2, 2u * conn->mss);
}

/* RFC 6928: min(10 MSS, max(2 MSS, 14600)), with another number for 10 if the option says so. */
uint32_t tcp_initial_window(struct tn_self *self, const struct tcp_conn *conn)
{
    uint32_t segments = (uint32_t)tcp_options(self)->initial_window;
    uint32_t mss = conn->mss;
    return tcp_min32(segments * mss, tcp_max32(2 * mss, segments * 1460));
}

void tcp_cc_init(struct tn_self *self, struct tcp_conn *conn)
{
    conn->ssthresh = UINT32_MAX / 2;
    conn->cwnd = tcp_initial_window(self, conn);
    if (conn->flags & TCP_SYN_REPEATED) /* RFC 5681 §3.1: a SYN or SYN-ACK was lost */
        conn->cwnd = conn->mss;
}

void tcp_cc_acked(struct tcp_conn *conn, uint32_t octets)
{
    /* What the network has not been asked to carry, its silence says nothing about. */
    if (!(conn->flags & TCP_CWND_LIMITED))
        return;
    uint32_t mss = conn->mss;
    uint32_t growth;
    if (conn->cwnd < conn->ssthresh) /* RFC 3465 §2.2: at most two segments, one after a timeout */
        growth = tcp_min32(octets, conn->phase == TCP_PHASE_LOSS ? mss : 2 * mss);
    else
        growth = (uint32_t)tn_max(1, (uint64_t)mss * tcp_min32(octets, conn->cwnd) / conn->cwnd);
    if (conn->cwnd < UINT32_MAX / 2)
        conn->cwnd += growth;
}

void tcp_cc_loss(struct tcp_conn *conn)
{
    conn->ssthresh = half_flight(conn);
    conn->cwnd = conn->ssthresh; /* RFC 6675 (4.2): the pipe says what may be sent under it */
}

void tcp_cc_timeout(struct tcp_conn *conn)
{
    if (conn->backoff == 0) /* the same data again does not halve again (RFC 5681 §3.1) */
        conn->ssthresh = half_flight(conn);
    conn->cwnd = conn->mss;
}

void tcp_cc_recovered(struct tcp_conn *conn)
{
    /* RFC 6582 §3.2 (1): no burst if little is in flight. */
    uint32_t flight = tcp_max32(tcp_pipe(conn), conn->mss) + conn->mss;
    conn->cwnd = tcp_min32(conn->ssthresh, flight);
}

void tcp_cc_idle(struct tn_self *self, struct tcp_conn *conn)
{
    conn->cwnd = tcp_min32(conn->cwnd, tcp_initial_window(self, conn));
}
