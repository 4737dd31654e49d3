/* recovery.c: loss: finding it, and the phases that follow.
 *
 * With SACK: what is lost is told by the scoreboard (RFC 6675 §4, IsLost; and retransmissions by the time at which they
 * were sent, as in RFC 8985). Without: the third duplicate acknowledgement says that the first segment is lost, each
 * partial acknowledgement that the next one is (RFC 6582). Either way the lost octets are marked; output.c sends them
 * again as far as pipe < cwnd. Without SACK, conn->sacked counts a segment a duplicate acknowledgement, so the pipe
 * shrinks as RFC 6582's inflated window grows. Limited transmit (RFC 3042) follows from the same: a duplicate
 * acknowledgement lets one more segment go, under an unchanged cwnd.
 *
 * OPEN -> RECOVERY when something is found lost; OPEN, RECOVERY -> LOSS at a timeout; back to OPEN when all that was
 * outstanding then (conn->recover) is acknowledged. */
#include "tcp.h"

#define DUP_THRESH 3

static bool with_sack(const struct tcp_conn *conn)
{
    return conn->flags & TCP_SACK;
}

static void set_phase(struct tcp_conn *conn, enum tcp_phase phase)
{
    conn->phase = (uint8_t)phase;
    conn->flags &= ~(TCP_FAST_SEND | TCP_PARTIAL_ACK | TCP_CWND_HALVED);
    conn->dupacks = 0;
}

static void enter_recovery(struct tn_self *self, struct tcp_conn *conn)
{
    tn_count(self, TCP_FAST_RECOVERIES);
    set_phase(conn, TCP_PHASE_RECOVERY);
    conn->flags |= TCP_FAST_SEND;
    conn->recover = conn->snd_nxt;
    tcp_cc_save(self, conn);
    tcp_cc_loss(self, conn);
}

/* ---- With SACK ---- */

/* RFC 8985 §6.2 step 4 takes a quarter of the least round-trip time. */
static tn_time reordering_window(const struct tcp_conn *conn)
{
    return tn_max(conn->srtt / 4 * TN_USEC, TN_MSEC);
}

static void find_lost(struct tn_self *self, struct tcp_conn *conn)
{
    bool again = tcp_runs_find_lost(self, conn, reordering_window(conn));
    if (conn->phase == TCP_PHASE_OPEN && conn->lost > 0)
        enter_recovery(self, conn);
    if (!again)
        return;
    /* RFC 5681 §4.3: the loss of a retransmission is another sign of congestion. */
    tn_count(self, TCP_LOST_RETRANSMITS);
    if (conn->phase == TCP_PHASE_RECOVERY && !(conn->flags & TCP_CWND_HALVED)) {
        conn->flags |= TCP_CWND_HALVED | TCP_FAST_SEND;
        conn->recover = conn->snd_nxt;
        tcp_cc_loss(self, conn);
    }
}

/* ---- Without ---- */

static void clamp_estimate(struct tcp_conn *conn)
{
    conn->sacked = tcp_min32(conn->sacked, conn->snd_nxt - conn->snd_una - conn->lost);
}

/* The hole that a partial acknowledgement uncovers is lost too; the window deflates by what was acknowledged, less the
 * segment that is sent again (RFC 6582 §3.2 step 3). */
static void partial_ack(struct tn_self *self, struct tcp_conn *conn, uint32_t acked)
{
    conn->sacked -= tcp_min32(conn->sacked, acked - tcp_min32(acked, conn->mss));
    tcp_runs_lose_first(self, conn, conn->mss);
    conn->flags |= TCP_FAST_SEND;
}

/* ---- Events ---- */

static void leave(struct tn_self *self, struct tcp_conn *conn)
{
    if (conn->phase == TCP_PHASE_RECOVERY)
        tcp_cc_recovered(self, conn);
    set_phase(conn, TCP_PHASE_OPEN);
}

bool tcp_recovery_acked(struct tn_self *self, struct tcp_conn *conn, uint32_t acked)
{
    bool restart = true;
    conn->dupacks = 0;
    if (conn->phase != TCP_PHASE_OPEN && tcp_le(conn->recover, conn->snd_una)) {
        leave(self, conn);
    } else if (conn->phase != TCP_PHASE_RECOVERY) {
        tcp_cc_acked(self, conn, acked);
    } else if (!with_sack(conn)) {
        restart = !(conn->flags & TCP_PARTIAL_ACK); /* step 3: only the first time */
        conn->flags |= TCP_PARTIAL_ACK;
        partial_ack(self, conn, acked);
    }
    if (with_sack(conn)) {
        if (conn->sacked > 0)
            find_lost(self, conn);
    } else {
        if (conn->phase != TCP_PHASE_RECOVERY)
            conn->sacked = 0;
        clamp_estimate(conn);
    }
    return restart;
}

void tcp_recovery_duplicate(struct tn_self *self, struct tcp_conn *conn)
{
    if (conn->dupacks < UINT8_MAX)
        conn->dupacks++;
    bool may_enter = conn->phase == TCP_PHASE_OPEN && conn->dupacks >= DUP_THRESH;
    if (with_sack(conn)) {
        find_lost(self, conn);
        may_enter = may_enter && conn->phase == TCP_PHASE_OPEN;
    } else {
        conn->sacked += conn->mss;
        /* RFC 6582 §3.2 step 2: not for what a timeout has sent again already. */
        may_enter = may_enter && tcp_lt(conn->recover, conn->snd_una);
    }
    if (may_enter) {
        enter_recovery(self, conn);
        tcp_runs_lose_first(self, conn, conn->mss);
    }
    if (!with_sack(conn))
        clamp_estimate(conn);
}

void tcp_recovery_timeout(struct tn_self *self, struct tcp_conn *conn)
{
    tn_count(self, TCP_RETRANSMIT_TIMEOUTS);
    /* RFC 2018 §8: the peer may have discarded what it had acknowledged selectively. It certainly has if the first octet
     * in flight is one of those; else what it told is still used. */
    if (conn->run_head && conn->run_head->fate == TCP_FATE_SACKED) {
        tn_count(self, TCP_SACK_RENEGED);
        tcp_runs_forget_sacks(conn);
    }
    if (conn->phase == TCP_PHASE_OPEN)
        tcp_cc_save(self, conn);
    tcp_cc_timeout(self, conn);
    tcp_runs_lose_all(self, conn);
    if (!with_sack(conn))
        conn->sacked = 0;
    set_phase(conn, TCP_PHASE_LOSS);
    conn->recover = conn->snd_nxt;
}
