/* prr.c: what may be sent in fast recovery: proportional rate reduction (RFC 6937, with the bounds of RFC 9937).
 *
 * While more is on its way than ssthresh, so much is sent for what arrives that the window has shrunk to ssthresh after one
 * round trip, evenly. When losses have made it less, as much is sent as arrives, and a segment more for each acknowledgement
 * that tells of no further loss, until it is ssthresh. It is said by cwnd: the pipe, and what may be added to it now. */
#include "recovery.h"

/* By how much the pipe may grow. */
static uint32_t allowance(const struct tcp_conn *conn, uint32_t pipe, uint32_t octets, bool safe)
{
    const struct tcp_flight *f = conn->flight;
    if (pipe > conn->ssthresh) {
        uint64_t due = (uint64_t)f->prr_delivered * conn->ssthresh / f->recover_flight;
        uint64_t segments = (due + conn->mss - 1) / conn->mss; /* rounded up, as in the RFC's examples */
        due = segments * conn->mss;
        return due > f->prr_out ? (uint32_t)due - f->prr_out : 0;
    }
    uint32_t owed = f->prr_delivered > f->prr_out ? f->prr_delivered - f->prr_out : 0;
    uint32_t bound = tcp_max32(owed, octets) + (safe ? conn->mss : 0u);
    return tcp_min32(conn->ssthresh - pipe, bound);
}

void tcp_prr_delivered(struct tcp_conn *conn, uint32_t octets, bool safe)
{
    struct tcp_flight *f = conn->flight;
    f->prr_delivered += octets;
    uint32_t pipe = tcp_pipe(conn);
    uint32_t more = allowance(conn, pipe, octets, safe);
    if (f->prr_out == 0 && more == 0)
        more = conn->mss; /* the fast retransmission */
    conn->cwnd = tcp_max32(pipe + more, conn->mss);
}

/* RecoverFS leaves out what had been delivered before, and counts what has been by this acknowledgement. */
void tcp_prr_begin(struct tcp_conn *conn, uint32_t octets)
{
    struct tcp_flight *f = conn->flight;
    uint32_t flight = conn->snd_nxt - conn->snd_una;
    uint32_t before = tcp_min32(f->sacked, flight);
    f->recover_flight = tcp_max32(flight - before + octets, conn->mss);
    f->prr_delivered = 0;
    f->prr_out = 0;
}

void tcp_prr_sent(struct tcp_conn *conn, uint32_t octets)
{
    if (conn->flight && conn->phase == TCP_PHASE_RECOVERY)
        conn->flight->prr_out += octets;
}
