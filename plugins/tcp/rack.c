/* rack.c: finding what is lost by time (RFC 8985 §6), for peers with SACK.
 *
 * A segment is lost if one sent after it has arrived, and it has still not when a round-trip time and a while more (the
 * reordering window) have passed since it was sent. That holds for retransmissions as for anything else. The while is nothing
 * as long as the path was not seen to reorder and three segments above a gap say that it is one, which is what RFC 6675
 * asks; it grows with each round trip in which the peer reports that something came twice. */
#include "recovery.h"

#define DUP_THRESH 3 /* RFC 6675 §2 */

/* §6.2 step 4 */
#define REORDER_STEPS_MAX 250
#define REORDER_PERSIST   16

/* Acknowledgements and timers are no more exact. */
#define REORDER_LEAST TN_TIMER_TICK

/* ---- Acknowledgements ---- */

static bool sent_after(tn_time sent, uint32_t end, tn_time other_sent, uint32_t other_end)
{
    return sent > other_sent || (sent == other_sent && tcp_lt(other_end, end));
}

/* Step 4: a report of what came twice, that may be due to a retransmission, widens the window once a round trip. */
static void adapt_to_dsack(struct tcp_conn *conn, const struct tcp_delivery *delivery)
{
    if (conn->flags & TCP_DSACK_ROUND && tcp_le(conn->dsack_round, conn->snd_una))
        conn->flags &= ~TCP_DSACK_ROUND;
    if (!delivery->has_dsack || conn->dsacks >= conn->retransmits)
        return; /* the network has doubled it, not this side */
    conn->dsacks++;
    if (conn->flags & TCP_DSACK_ROUND)
        return;
    conn->flags |= TCP_DSACK_ROUND;
    conn->dsack_round = conn->snd_nxt;
    conn->reorder_steps = (uint8_t)tn_min(tn_max(conn->reorder_steps, 1) + 1u, REORDER_STEPS_MAX);
    conn->reorder_persist = REORDER_PERSIST;
}

void tcp_rack_acked(struct tn_self *self, struct tcp_conn *conn, const struct tcp_delivery *delivery)
{
    struct tcp_flight *flight = conn->flight;
    adapt_to_dsack(conn, delivery);
    if (!flight || delivery->octets == 0)
        return;
    if (delivery->rack_sent) { /* step 2 */
        flight->rack_rtt = tn_now(self) - delivery->rack_sent;
        if (sent_after(delivery->rack_sent, delivery->rack_end, flight->rack_sent, flight->rack_end)) {
            flight->rack_sent = delivery->rack_sent;
            flight->rack_end = delivery->rack_end;
        }
    }
    if (delivery->reordered) /* step 3 */
        conn->flags |= TCP_REORDERING;
    flight->highest = tcp_seq_max(flight->highest, delivery->highest);
}

void tcp_rack_recovered(struct tcp_conn *conn)
{
    if (conn->reorder_persist == 0)
        return;
    if (--conn->reorder_persist == 0)
        conn->reorder_steps = 1;
}

/* ---- Loss ---- */

/* Step 4 */
static tn_time reordering_window(const struct tcp_conn *conn)
{
    const struct tcp_flight *flight = conn->flight;
    bool enough = flight->dupacks >= DUP_THRESH || flight->sacked > (DUP_THRESH - 1) * (uint32_t)conn->mss;
    if (!(conn->flags & TCP_REORDERING) && (conn->phase != TCP_PHASE_OPEN || enough))
        return 0;
    tn_time window = tn_max(conn->reorder_steps, 1) * (conn->min_rtt * TN_USEC) / 4;
    return tn_max(tn_min(window, conn->srtt * TN_USEC), REORDER_LEAST);
}

static bool overtaken(const struct tcp_flight *flight, const struct tcp_run *run)
{
    return sent_after(flight->rack_sent, flight->rack_end, run->sent, run->end);
}

/* What was sent again gets a tick of the clock at least: acknowledgements that come before may be of what was sent before it. */
static tn_time time_allowed(const struct tcp_run *run, tn_time window)
{
    return run->fate == TCP_FATE_RESENT ? tn_max(window, REORDER_LEAST) : window;
}

/* Step 5. Those on their way are in the order of sending, so nothing behind the first that has time left need be looked at;
 * the timer runs for that one (the RFC would wait for the last, and lose it later). */
bool tcp_rack_find_lost(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_flight *flight = conn->flight;
    tn_time now = tn_now(self), window = flight->rack_rtt + reordering_window(conn);
    bool again = false;
    struct tcp_run *run;
    flight->reorder_at = TN_NEVER;
    while ((run = flight->earliest) != NULL && overtaken(flight, run)) {
        tn_time due = run->sent + time_allowed(run, window);
        if (due > now) {
            flight->reorder_at = due;
            break;
        }
        again = again || run->fate == TCP_FATE_RESENT;
        tcp_runs_lose(self, conn, run);
    }
    tcp_arm_flight(self, conn);
    return again;
}

/* §6.3 */
void tcp_rack_timeout(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_flight *flight = conn->flight;
    tn_time rtt = flight->rack_rtt ? flight->rack_rtt : conn->srtt * TN_USEC;
    tn_time now = tn_now(self), window = rtt + reordering_window(conn);
    while (flight->earliest && flight->earliest->sent + window <= now)
        tcp_runs_lose(self, conn, flight->earliest);
    tcp_runs_lose_first(self, conn, conn->mss, true);
}
