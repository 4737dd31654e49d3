/* acknowledge.c: the peer's acknowledgement: §3.10.7.4, fifth, from ESTABLISHED on. */
#include "close.h"
#include "input.h"
#include "pmtu.h"
#include "recovery.h"

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

struct sack_block {
    uint32_t start;
    uint32_t end;
};

static struct sack_block read_block(struct tn_cursor *c)
{
    uint32_t start = tn_read32(c);
    return (struct sack_block){start, tn_read32(c)};
}

static bool lies_in(const struct sack_block *inner, const struct sack_block *outer)
{
    return tcp_le(outer->start, inner->start) && tcp_le(inner->end, outer->end);
}

/* RFC 2883 §5: the first block is of what came twice if it is acknowledged already, or lies in the second. */
static bool is_dsack(const struct tcp_conn *conn, const struct tcp_segment *seg,
                     const struct sack_block *first, struct tn_cursor rest)
{
    if (!tcp_lt(first->start, first->end) || tcp_lt(conn->snd_nxt, first->end) ||
        tcp_lt(first->start, conn->snd_una - conn->max_snd_wnd))
        return false; /* nonsense, or so old that the numbers may have wrapped */
    if (tcp_lt(first->start, seg->ack))
        return true;
    if (tn_left(&rest) == 0)
        return false;
    struct sack_block second = read_block(&rest);
    return lies_in(first, &second);
}

static void take_block(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg,
                       const struct sack_block *block, struct tcp_delivery *delivery)
{
    bool above = tcp_lt(conn->snd_una, block->start) && tcp_lt(seg->ack, block->start);
    if (conn->flight && above && tcp_lt(block->start, block->end) && tcp_le(block->end, conn->snd_nxt))
        tcp_runs_sacked(self, conn, block->start, block->end, delivery);
}

static void take_sack(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg,
                      struct tcp_delivery *delivery)
{
    if (!(conn->flags & TCP_SACK) || seg->sack_count == 0)
        return;
    struct tn_cursor c = tn_cursor(seg->sack, (size_t)seg->sack_count * TN_TCP_OPTLEN_SACK_BLOCK);
    struct sack_block block = read_block(&c);
    if (is_dsack(conn, seg, &block, c)) {
        delivery->has_dsack = true;
        delivery->dsack_start = block.start;
        delivery->dsack_end = block.end;
    } else {
        take_block(self, conn, seg, &block, delivery);
    }
    while (tn_left(&c) > 0) {
        block = read_block(&c);
        take_block(self, conn, seg, &block, delivery);
    }
}

/* ---- Progress ---- */

/* What was sent more than once is measured by the echoed timestamp (RFC 7323 §4). One from before the last copy may mean
 * that the first copy was on its way longer than the timeout; or that it had arrived and its acknowledgement got lost, and
 * then the time of waiting for the timer is in it. Unbounded, a few of those would stretch the timeout to minutes. */
static void measure_by_timestamp(struct tn_self *self, struct tcp_conn *conn, uint32_t echo, tn_time resent)
{
    uint32_t age = tcp_clock(self) + conn->ts_offset - echo;
    if (age >= INT32_MAX)
        return;
    tn_time since_last = tn_now(self) - resent, rtt = age * TN_MSEC;
    if (rtt > since_last + TN_MSEC) {
        if (tcp_rtt_unmeasured(self, conn, resent))
            return;
        rtt = tn_max(since_last, tn_min(rtt, conn->rto * TN_USEC));
    }
    tcp_rtt_sample(self, conn, rtt);
}

/* RFC 6298 §3: from when the latest of what was sent but once was sent; but not if something that was sent again is with it:
 * what lay behind a gap has waited for that. */
static void measure(struct tn_self *self, struct tcp_conn *conn, const struct tcp_delivery *delivery)
{
    if (delivery->sent && !delivery->resent) {
        tcp_rtt_sample(self, conn, tn_now(self) - delivery->sent);
        tcp_cc_rtt(self, conn, tn_now(self) - delivery->sent);
    } else if (delivery->acked == 0 || !delivery->resent) {
        return; /* the timestamp echoed is that of something before (RFC 7323 §4.3) */
    } else if (delivery->has_echo) {
        measure_by_timestamp(self, conn, delivery->echo, delivery->resent);
    } else {
        tcp_rtt_unmeasured(self, conn, delivery->resent);
    }
}

/* The octet that was sent to probe a closed window has been taken: it counts as sent from now on. */
static void take_probe(struct tn_self *self, struct tcp_conn *conn)
{
    if (conn->snd_nxt == tcp_data_end(conn))
        conn->flags |= TCP_FIN_SENT;
    if (tcp_runs_append(self, conn, conn->snd_nxt + 1))
        conn->flight->tail->repeated = true; /* it was sent some time ago: not to be measured */
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
    conn->progress_at = tn_now(self);
    if (tcp_pmtu(conn))
        tcp_pmtu_acked(self, conn);
    delivery->acked = acked;
    measure(self, conn, delivery);
    bool restart = tcp_recovery_acked(self, conn, delivery);
    if (conn->snd_una == conn->snd_nxt) { /* RFC 6298 (5.2) */
        tcp_stop_retransmit(conn);
        tcp_flight_reset(self, conn); /* tcp_output() frees it, unless it sends what needs one again */
        conn->flags &= ~TCP_PERSIST;
    } else if (restart) { /* (5.3) */
        tcp_start_retransmit(self, conn);
    }
    return !fin || tcp_fin_acked(self, conn);
}

static bool is_plain(const struct tcp_segment *seg, bool window_changed)
{
    return seg->len == 0 && !(seg->flags & (TN_TCP_SYN | TN_TCP_FIN)) && !window_changed;
}

/* RFC 5681 §2; with SACK, RFC 6675 §2: it tells something new. */
static bool is_duplicate(const struct tcp_conn *conn, const struct tcp_segment *seg, bool window_changed,
                         const struct tcp_delivery *delivery)
{
    if (conn->snd_una == conn->snd_nxt)
        return false;
    if (conn->flags & TCP_SACK)
        return delivery->octets > 0;
    return is_plain(seg, window_changed);
}

/* An acknowledgement that does not go on. Returns whether it tells something all the same. */
static bool take_duplicate(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg,
                           bool window_changed, struct tcp_delivery *delivery)
{
    delivery->duplicate = is_duplicate(conn, seg, window_changed, delivery);
    delivery->plain = seg->sack_count == 0 && is_plain(seg, window_changed);
    if (delivery->duplicate)
        tn_count(self, TCP_DUPLICATE_ACKS_IN);
    return delivery->duplicate || delivery->has_dsack || (delivery->plain && conn->flags & TCP_PROBE_OUT);
}

/* The window was closed, and the peer has answered: it lives, so the connection stays open (MUST-37); but not for ever when
 * its user has gone, for then nobody else would end it (RFC 6429 §3). */
static void note_probe_answered(struct tn_self *self, struct tcp_conn *conn)
{
    if (!(tcp_socket(conn)->flags & TN_SOCK_CLOSED))
        conn->progress_at = tn_now(self);
    if (conn->snd_wnd == 0 || conn->flags & TCP_PERSIST)
        return;
    conn->backoff = 0; /* it has opened: what is in flight need not wait as long as a probe */
    if (conn->snd_una != conn->snd_nxt)
        tcp_start_retransmit(self, conn);
}

/* The acknowledgement of all that is in flight, which was sent once and at one time, on a connection without trouble. */
static bool is_of_all(const struct tcp_conn *conn, const struct tcp_segment *seg)
{
    const uint32_t special =
        TCP_PERSIST | TCP_PROBED | TCP_FIN_SENT | TCP_PROBE_OUT | TCP_DSACK_ROUND | TCP_ECN;
    const struct tcp_flight *flight = conn->flight;
    return seg->ack == conn->snd_nxt && flight && flight->head && !flight->head->next && !flight->undo &&
           flight->head->fate == TCP_FATE_SENT && !flight->head->repeated && flight->head->sent > 0 &&
           conn->phase == TCP_PHASE_OPEN && !(conn->flags & special) && conn->snd_wnd > 0 &&
           seg->sack_count == 0 && !tcp_pmtu(conn);
}

/* As advance() would: what the scoreboard and the detection of losses learn from such an acknowledgement is forgotten with the last
 * octet in flight. */
static void advance_all(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg)
{
    uint32_t acked = seg->ack - conn->snd_una;
    tn_time rtt = tn_now(self) - conn->flight->head->sent;
    update_window(conn, seg);
    conn->snd_una = seg->ack;
    tcp_flight_reset(self, conn);
    tcp_stop_retransmit(conn);
    self->core->socket_acked(self, tcp_socket(conn), acked);
    conn->flags |= TCP_PROGRESS;
    conn->progress_at = tn_now(self);
    tcp_rtt_sample(self, conn, rtt);
    tcp_cc_rtt(self, conn, rtt);
    tcp_cc_acked(self, conn, acked);
    tcp_schedule(self, conn);
}

TN_APART static bool acknowledge_other(struct tn_self *self, struct tcp_conn *conn,
                                       const struct tcp_segment *seg)
{
    struct tcp_delivery delivery = {
        .has_echo = conn->flags & TCP_TIMESTAMPS && seg->has_timestamps,
        .echo = seg->ts_echo,
    };
    if (conn->flags & TCP_PROBED && seg->ack == conn->snd_nxt + 1)
        take_probe(self, conn);
    if (tcp_lt(seg->ack, conn->snd_una))
        return true; /* old */
    bool was_closed = conn->flags & TCP_PERSIST || conn->snd_wnd == 0;
    bool window_changed = update_window(conn, seg);
    if (was_closed)
        note_probe_answered(self, conn);
    take_sack(self, conn, seg, &delivery);
    tcp_ecn_acknowledged(self, conn, seg);
    bool alive = true;
    if (tcp_lt(conn->snd_una, seg->ack)) {
        alive = advance(self, conn, seg, &delivery);
    } else if (take_duplicate(self, conn, seg, window_changed, &delivery)) {
        measure(self, conn, &delivery);
        tcp_recovery_acked(self, conn, &delivery);
    } else if (!window_changed) {
        return true; /* nothing that would let anything be sent */
    }
    if (alive)
        tcp_schedule(self, conn);
    return alive;
}

bool tcp_acknowledge(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg)
{
    if (!tcp_usual(is_of_all(conn, seg)))
        return acknowledge_other(self, conn, seg);
    advance_all(self, conn, seg);
    return true;
}
