/* recovery.c: loss, and the phases that follow.
 *
 * With SACK: what is lost is told by time (rack.c). Without: the third duplicate acknowledgement says that the first
 * segment is lost, each partial acknowledgement that the next one is (RFC 6582). Either way the lost octets are marked;
 * output.c sends them again as far as pipe < cwnd, which in fast recovery prr.c sets. Without SACK, flight->sacked counts a
 * segment a duplicate acknowledgement, so the pipe shrinks as RFC 6582's inflated window grows. Limited transmit (RFC 3042)
 * follows from the same: a duplicate acknowledgement lets one more segment go, under an unchanged cwnd.
 *
 * OPEN -> RECOVERY when something is found lost; OPEN, RECOVERY -> LOSS at a timeout; back to OPEN when all that was
 * outstanding then (conn->recover) is acknowledged, or when it turns out that nothing was lost (spurious.c). */
#include "recovery.h"
#include "pmtu.h"

#define DUP_THRESH 3

static bool with_sack(const struct tcp_conn *conn)
{
    return conn->flags & TCP_SACK;
}

static void set_phase(struct tcp_conn *conn, enum tcp_phase phase)
{
    conn->phase = (uint8_t)phase;
    conn->flags &= ~(TCP_FAST_SEND | TCP_PARTIAL_ACK | TCP_CWND_HALVED);
    if (phase != TCP_PHASE_OPEN)
        conn->flags &= ~TCP_PROBE_OUT; /* RFC 8985 §7.1 */
    conn->flight->dupacks = 0;
    conn->flight->frto = TCP_FRTO_OFF;
}

/* The first loss of this window, or (RFC 5681 §4.3) the loss of a retransmission, which is another sign of congestion. */
static void reduce(struct tn_self *self, struct tcp_conn *conn, uint32_t octets)
{
    conn->flags |= TCP_FAST_SEND;
    conn->recover = conn->snd_nxt;
    tcp_cc_loss(self, conn);
    tcp_prr_begin(conn, octets);
}

static void enter_recovery(struct tn_self *self, struct tcp_conn *conn, uint32_t octets)
{
    tn_count(self, TCP_FAST_RECOVERIES);
    tcp_spurious_begin(self, conn, false);
    set_phase(conn, TCP_PHASE_RECOVERY);
    conn->flight->probe_at = TN_NEVER;
    reduce(self, conn, octets);
}

/* ---- With SACK ---- */

/* `octets` were delivered by what led to this. */
static void find_lost(struct tn_self *self, struct tcp_conn *conn, uint32_t octets)
{
    uint32_t before = conn->flight->lost;
    bool again = tcp_rack_find_lost(self, conn);
    if (again)
        tn_count(self, TCP_LOST_RETRANSMITS);
    if (conn->phase == TCP_PHASE_OPEN && conn->flight->lost > before) {
        if (!tcp_pmtu_probe_lost(self, conn))

            enter_recovery(self, conn, octets);
    } else if (again && conn->phase == TCP_PHASE_RECOVERY && !(conn->flags & TCP_CWND_HALVED)) {
        conn->flags |= TCP_CWND_HALVED;
        reduce(self, conn, octets);
    }
}

/* ---- Without ---- */

static void clamp_estimate(struct tcp_conn *conn)
{
    struct tcp_flight *flight = conn->flight;
    flight->sacked = tcp_min32(flight->sacked, conn->snd_nxt - conn->snd_una - flight->lost);
}

/* The hole that a partial acknowledgement uncovers is lost too; the window deflates by what was acknowledged, less the
 * segment that is sent again (RFC 6582 §3.2 step 3). */
static void partial_ack(struct tn_self *self, struct tcp_conn *conn, uint32_t acked)
{
    struct tcp_flight *flight = conn->flight;
    flight->sacked -= tcp_min32(flight->sacked, acked - tcp_min32(acked, conn->mss));
    tcp_runs_lose_first(self, conn, conn->mss, false);
    conn->flags |= TCP_FAST_SEND;
}

/* Says in `delivery` how much was delivered, as far as that can be guessed. */
static void estimate(struct tn_self *self, struct tcp_conn *conn, struct tcp_delivery *delivery)
{
    struct tcp_flight *flight = conn->flight;
    uint32_t before = flight->sacked;
    if (delivery->acked == 0)
        flight->sacked += delivery->duplicate ? conn->mss : 0u;
    else if (conn->phase == TCP_PHASE_RECOVERY)
        partial_ack(self, conn, delivery->acked);
    else
        flight->sacked = 0;
    clamp_estimate(conn);
    uint32_t delivered = delivery->acked + flight->sacked;
    delivery->octets = delivered > before ? delivered - before : 0;
}

static void count_duplicates(struct tn_self *self, struct tcp_conn *conn, uint32_t octets)
{
    /* RFC 6582 §3.2 step 2: not for what a timeout has sent again already. */
    bool enough = conn->flight->dupacks >= DUP_THRESH && tcp_lt(conn->recover, conn->snd_una);
    if (conn->phase != TCP_PHASE_OPEN || !enough)
        return;
    enter_recovery(self, conn, octets);
    tcp_runs_lose_first(self, conn, conn->mss, false);
    clamp_estimate(conn);
}

/* ---- Acknowledgements ---- */

static void leave(struct tn_self *self, struct tcp_conn *conn)
{
    if (conn->phase == TCP_PHASE_RECOVERY)
        tcp_cc_recovered(self, conn);
    set_phase(conn, TCP_PHASE_OPEN);
    tcp_rack_recovered(conn);
    if (!with_sack(conn))
        conn->flight->undo = false; /* nothing more will be heard of it */
}

/* RFC 4015 §3: on from where it was. What was late is no sign that the next will be, so the timeout is what it was; a
 * measurement of the late one, if there are timestamps, raises it. */
static void undo(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_flight *flight = conn->flight;
    tn_count(self, flight->undo_timeout ? TCP_SPURIOUS_TIMEOUTS : TCP_SPURIOUS_RECOVERIES);
    flight->undo = false;
    tcp_cc_undo(self, conn);
    if (flight->undo_timeout)
        conn->backoff = 0;
    else
        conn->flags |= TCP_REORDERING;
    if (conn->phase == TCP_PHASE_OPEN)
        return;
    set_phase(conn, TCP_PHASE_OPEN);
    tcp_runs_lose_none(self, conn);
}

/* A loss that a tail probe has repaired counts as one that fast recovery would have (RFC 8985 §7.4.2). */
static void note_tail_loss(struct tn_self *self, struct tcp_conn *conn)
{
    tn_count(self, TCP_TAIL_LOSSES);
    if (conn->phase == TCP_PHASE_OPEN)
        tcp_cc_loss(self, conn);
}

static void note_dsack(struct tn_self *self, struct tcp_conn *conn, const struct tcp_delivery *delivery)
{
    if (!delivery->has_dsack)
        return;
    tn_count(self, TCP_DSACKS_IN);
    conn->flags |= TCP_DSACK_SEEN;
}

/* What the acknowledgement means for the phase. */
static void take_phase(struct tn_self *self, struct tcp_conn *conn, const struct tcp_delivery *delivery)
{
    if (delivery->acked > 0)
        conn->flight->dupacks = 0;
    else if (delivery->duplicate && conn->flight->dupacks < UINT8_MAX)
        conn->flight->dupacks++;
    if (tcp_spurious_acked(conn, delivery))
        undo(self, conn);
    else if (delivery->acked > 0 && conn->phase != TCP_PHASE_OPEN && tcp_le(conn->recover, conn->snd_una))
        leave(self, conn);
    else if (delivery->acked > 0 && conn->phase != TCP_PHASE_RECOVERY)
        tcp_cc_acked(self, conn, delivery->acked);
}

static void take_losses(struct tn_self *self, struct tcp_conn *conn, struct tcp_delivery *delivery)
{
    uint32_t before = conn->flight->lost;
    if (with_sack(conn)) {
        find_lost(self, conn, delivery->octets);
    } else {
        estimate(self, conn, delivery);
        count_duplicates(self, conn, delivery->octets);
    }
    if (conn->phase == TCP_PHASE_RECOVERY && delivery->octets > 0)
        tcp_prr_delivered(conn, delivery->octets, delivery->acked > 0 && conn->flight->lost <= before);
}

bool tcp_recovery_acked(struct tn_self *self, struct tcp_conn *conn, struct tcp_delivery *delivery)
{
    note_dsack(self, conn, delivery);
    tcp_rack_acked(self, conn, delivery);
    if (tcp_tail_acked(conn, delivery))
        note_tail_loss(self, conn);
    if (!conn->flight)
        return true;
    take_phase(self, conn, delivery);
    take_losses(self, conn, delivery);
    if (delivery->acked == 0 || conn->phase != TCP_PHASE_RECOVERY || with_sack(conn))
        return true;
    bool first = !(conn->flags & TCP_PARTIAL_ACK); /* RFC 6582 §3.2 step 3 */
    conn->flags |= TCP_PARTIAL_ACK;
    return first;
}

/* ---- Timers ---- */

void tcp_recovery_reordered(struct tn_self *self, struct tcp_conn *conn)
{
    bool was_open = conn->phase == TCP_PHASE_OPEN;
    find_lost(self, conn, 0);
    if (conn->phase == TCP_PHASE_RECOVERY)
        tcp_prr_delivered(conn, was_open ? conn->mss : 0, false);
    conn->flight->timeout_at = tn_now(self) + tcp_rto(self, conn);
    tcp_arm_flight(self, conn);
}

/* RFC 2018 §8: the peer may have discarded what it had acknowledged selectively. It certainly has if the first octet in
 * flight is one of those; else what it told is still used. */
static void check_reneging(struct tn_self *self, struct tcp_conn *conn)
{
    if (!conn->flight->head || conn->flight->head->fate != TCP_FATE_SACKED)
        return;
    tn_count(self, TCP_SACK_RENEGED);
    tcp_runs_forget_sacks(self, conn);
    tcp_runs_lose_all(self, conn);
}

void tcp_recovery_timeout(struct tn_self *self, struct tcp_conn *conn)
{
    bool fresh = conn->phase == TCP_PHASE_OPEN;
    tn_count(self, TCP_RETRANSMIT_TIMEOUTS);
    check_reneging(self, conn);
    if (fresh)
        tcp_spurious_begin(self, conn, true);
    tcp_cc_timeout(self, conn);
    if (with_sack(conn)) {
        tcp_rack_timeout(self, conn);
    } else {
        tcp_runs_lose_all(self, conn);
        conn->flight->sacked = 0;
    }
    set_phase(conn, TCP_PHASE_LOSS);
    conn->flags |= TCP_FAST_SEND;
    conn->recover = conn->snd_nxt;
    conn->flight->reorder_at = TN_NEVER;
    tcp_spurious_timeout(conn, fresh);
}
