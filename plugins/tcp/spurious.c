/* spurious.c: recovery that was not needed: finding it.
 *
 * What was thought to be lost has arrived by itself, because it was late or overtaken. Three things tell:
 *     the echoed timestamp of the first acknowledgement that goes on is older than the first retransmission (the Eifel
 *     detection algorithm, RFC 3522);
 *     the peer reports everything that was sent again as duplicates (RFC 2883, as in RFC 3708);
 *     after a timeout, the second acknowledgement is for what was not sent again (F-RTO, RFC 5682); to see it, new data
 *     is sent between the two and nothing again.
 * recovery.c undoes then what it has done (RFC 4015). */
#include "congestion.h"
#include "recovery.h"

/* ---- What is remembered ---- */

void tcp_spurious_begin(struct tn_self *self, struct tcp_conn *conn, bool timeout)
{
    struct tcp_flight *flight = conn->flight;
    flight->undo = true;
    flight->undo_timeout = timeout;
    flight->undo_by_echo = conn->flags & TCP_TIMESTAMPS;
    flight->undo_start = conn->snd_una;
    flight->undo_end = conn->snd_una;
    flight->undo_again = 0;
    tcp_cc_save(self, conn);
}

/* RFC 5682 §2.1 step 1: not if other data was sent again before. A second timeout for the same may also have been early. */
void tcp_spurious_timeout(struct tcp_conn *conn, bool fresh)
{
    struct tcp_flight *flight = conn->flight;
    bool same = flight->undo && flight->undo_timeout && conn->snd_una == flight->undo_start;
    flight->frto = fresh || same ? TCP_FRTO_FIRST : TCP_FRTO_OFF;
}

void tcp_spurious_resent(struct tn_self *self, struct tcp_conn *conn, uint32_t start, uint32_t end)
{
    struct tcp_flight *flight = conn->flight;
    if (!flight->undo || conn->phase == TCP_PHASE_OPEN)
        return;
    if (flight->undo_again == 0 && flight->undo_end == flight->undo_start)
        flight->undo_stamp = tcp_clock(self) + conn->ts_offset;
    flight->undo_again += end - start;
    flight->undo_end = tcp_seq_max(flight->undo_end, end);
}

void tcp_spurious_sent_new(struct tcp_conn *conn, bool sent)
{
    conn->flight->frto = sent ? TCP_FRTO_SECOND : TCP_FRTO_OFF;
}

/* ---- What acknowledgements tell ---- */

/* RFC 3522 §3.2 steps (4) and (5). */
static bool by_echo(struct tcp_conn *conn, const struct tcp_delivery *delivery)
{
    struct tcp_flight *flight = conn->flight;
    if (!flight->undo_by_echo || delivery->acked == 0 || flight->undo_again == 0)
        return false;
    flight->undo_by_echo = false;
    if (!delivery->has_echo || !tcp_lt(delivery->echo, flight->undo_stamp) || delivery->has_dsack)
        return false;
    return conn->flags & TCP_DSACK_SEEN || conn->snd_una != conn->snd_nxt;
}

/* All that was sent again came twice. */
static bool by_dsack(struct tcp_conn *conn, const struct tcp_delivery *delivery)
{
    struct tcp_flight *flight = conn->flight;
    bool counts = delivery->has_dsack && flight->undo_again > 0 &&
                  tcp_le(flight->undo_start, delivery->dsack_start) &&
                  tcp_le(delivery->dsack_end, flight->undo_end);
    if (!counts)
        return false;
    flight->undo_again -= tcp_min32(flight->undo_again, delivery->dsack_end - delivery->dsack_start);
    return flight->undo_again == 0;
}

/* RFC 5682 §2.1 and §3.1, steps 2 and 3. */
static bool by_order(struct tcp_conn *conn, const struct tcp_delivery *delivery)
{
    struct tcp_flight *flight = conn->flight;
    bool goes_on = delivery->acked > 0;
    if (flight->frto == TCP_FRTO_OFF || (!goes_on && !delivery->duplicate))
        return false;
    if (flight->frto == TCP_FRTO_FIRST) {
        bool all = tcp_le(conn->recover, conn->snd_una);
        flight->frto = goes_on && !all ? TCP_FRTO_NEW : TCP_FRTO_OFF;
        return false;
    }
    if (flight->frto == TCP_FRTO_NEW)
        return false; /* in one batch with the first */
    flight->frto = TCP_FRTO_OFF;
    return delivery->once > 0;
}

bool tcp_spurious_acked(struct tcp_conn *conn, const struct tcp_delivery *delivery)
{
    struct tcp_flight *flight = conn->flight;
    if (!flight || !flight->undo)
        return false;
    bool dsack = by_dsack(conn, delivery);
    bool echo = conn->phase != TCP_PHASE_OPEN && by_echo(conn, delivery);
    bool order = conn->phase == TCP_PHASE_LOSS && by_order(conn, delivery);
    return dsack || echo || order;
}
