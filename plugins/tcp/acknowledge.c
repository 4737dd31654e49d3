/* acknowledge.c: the peer's acknowledgement: §3.10.7.4, fifth, from ESTABLISHED on. */
#include "tcp.h"

/* ---- The window ---- */

void tcp_take_window(struct tcp_conn *conn, const struct tcp_segment *seg)
{
    bool scaled = !(seg->flags & TN_TCP_SYN); /* RFC 7323 §2.2 */
    conn->snd_wnd = scaled ? (uint32_t)seg->window << conn->snd_scale : seg->window;
    conn->snd_wl1 = seg->seq;
    conn->snd_wl2 = seg->ack;
    conn->max_snd_wnd = tcp_max32(conn->max_snd_wnd, conn->snd_wnd);
}

/* Not from a segment older than that which told the window now in force. Returns whether it changed. */
static bool update_window(struct tcp_conn *conn, const struct tcp_segment *seg)
{
    bool newer =
        tcp_lt(conn->snd_wl1, seg->seq) || (conn->snd_wl1 == seg->seq && tcp_le(conn->snd_wl2, seg->ack));
    if (!newer)
        return false;
    uint32_t before = conn->snd_wnd;
    tcp_take_window(conn, seg);
    return conn->snd_wnd != before;
}

/* ---- SACK ---- */

/* Blocks that lie in what is in flight; others are duplicates (RFC 2883), old, or nonsense. */
static void take_sack(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg,
                      struct tcp_delivery *delivery)
{
    struct tn_cursor c = tn_cursor(seg->sack, (size_t)seg->sack_count * TN_TCP_OPTLEN_SACK_BLOCK);
    while (tn_left(&c) > 0) {
        uint32_t start = tn_read32(&c);
        uint32_t end = tn_read32(&c);
        if (!tcp_lt(start, end) || !tcp_lt(conn->snd_una, start) || !tcp_lt(seg->ack, start) ||
            !tcp_le(end, conn->snd_nxt))
            continue;
        tcp_runs_sacked(self, conn, start, end, delivery);
    }
}

/* ---- Progress ---- */

/* What was sent more than once is measured by the echoed timestamp (RFC 7323 §4). One from before the last copy may mean
 * that the first copy was on its way longer than the timeout; or that its acknowledgement got lost, and then the time of
 * waiting for the timer is in it. Unbounded, a few of those would stretch the timeout to minutes. */
static void measure_by_timestamp(struct tn_self *self, struct tcp_conn *conn, uint32_t echo, tn_time resent)
{
    uint32_t age = tcp_clock(self) + conn->ts_offset - echo;
    if (age >= INT32_MAX)
        return;
    tn_time since_last = self->core->now(self) - resent, rtt = age * TN_MSEC;
    if (rtt > since_last + TN_MSEC)
        rtt = tn_max(since_last, tn_min(rtt, conn->rto * TN_USEC));
    tcp_rtt_sample(self, conn, rtt);
}

/* RFC 6298 §3: from when the latest of what was sent but once was sent. */
static void measure(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg,
                    const struct tcp_delivery *delivery)
{
    if (delivery->sent) {
        tcp_rtt_sample(self, conn, self->core->now(self) - delivery->sent);
        tcp_cc_rtt(self, conn, self->core->now(self) - delivery->sent);
    } else if (delivery->resent && conn->flags & TCP_TIMESTAMPS && seg->has_timestamps) {
        measure_by_timestamp(self, conn, seg->ts_echo, delivery->resent);
    }
}

/* The octet that was sent to probe a closed window has been taken: it counts as sent from now on. */
static void take_probe(struct tn_self *self, struct tcp_conn *conn)
{
    if (conn->snd_nxt == tcp_data_end(conn))
        conn->flags |= TCP_FIN_SENT;
    if (tcp_runs_append(self, conn, conn->snd_nxt + 1))
        conn->run_tail->repeated = true; /* it was sent some time ago: not to be measured */
    conn->snd_nxt++;
    conn->flags &= ~TCP_PROBED;
}

/* SND.UNA < SEG.ACK =< SND.NXT */
static bool advance(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg,
                    struct tcp_delivery *delivery)
{
    uint32_t acked = seg->ack - conn->snd_una;
    bool fin = conn->flags & TCP_FIN_SENT && seg->ack == conn->snd_nxt;
    tcp_runs_acked(self, conn, seg->ack, delivery);
    conn->snd_una = seg->ack;
    self->core->socket_acked(self, tcp_socket(conn), acked - fin);
    conn->flags |= TCP_PROGRESS;
    conn->progress_at = self->core->now(self);
    measure(self, conn, seg, delivery);
    bool restart = tcp_recovery_acked(self, conn, acked);
    if (conn->snd_una == conn->snd_nxt) { /* RFC 6298 (5.2) */
        conn->retransmit_at = TN_NEVER;
        conn->flags &= ~TCP_PERSIST;
    } else if (restart) { /* (5.3) */
        tcp_start_retransmit(self, conn);
    }
    return !fin || tcp_fin_acked(self, conn);
}

/* RFC 5681 §2; with SACK, RFC 6675 §2: it tells something new. */
static bool is_duplicate(const struct tcp_conn *conn, const struct tcp_segment *seg, bool window_changed,
                         const struct tcp_delivery *delivery)
{
    if (conn->snd_una == conn->snd_nxt || seg->ack != conn->snd_una)
        return false;
    if (conn->flags & TCP_SACK)
        return delivery->octets > 0;
    return seg->len == 0 && !(seg->flags & (TN_TCP_SYN | TN_TCP_FIN)) && !window_changed;
}

/* The window was closed, and the peer has answered: it lives, so the connection stays open (MUST-37). */
static void note_probe_answered(struct tn_self *self, struct tcp_conn *conn)
{
    conn->progress_at = self->core->now(self);
    if (conn->snd_wnd == 0 || conn->flags & TCP_PERSIST)
        return;
    conn->backoff = 0; /* it has opened: what is in flight need not wait as long as a probe */
    if (conn->snd_una != conn->snd_nxt)
        tcp_start_retransmit(self, conn);
}

bool tcp_acknowledge(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg)
{
    struct tcp_delivery delivery = {.octets = 0};
    if (conn->flags & TCP_PROBED && seg->ack == conn->snd_nxt + 1)
        take_probe(self, conn);
    if (tcp_lt(seg->ack, conn->snd_una))
        return true; /* old */
    bool was_closed = conn->flags & TCP_PERSIST || conn->snd_wnd == 0;
    bool window_changed = update_window(conn, seg);
    if (was_closed)
        note_probe_answered(self, conn);
    if (seg->sack_count > 0 && conn->flags & TCP_SACK && conn->run_head)
        take_sack(self, conn, seg, &delivery);
    tcp_ecn_acknowledged(self, conn, seg);
    bool alive = true;
    if (tcp_lt(conn->snd_una, seg->ack)) {
        alive = advance(self, conn, seg, &delivery);
    } else if (is_duplicate(conn, seg, window_changed, &delivery)) {
        tn_count(self, TCP_DUPLICATE_ACKS_IN);
        tcp_recovery_duplicate(self, conn);
    } else if (!window_changed) {
        return true; /* nothing that would let anything be sent */
    }
    if (alive)
        tcp_schedule(self, conn);
    return alive;
}
