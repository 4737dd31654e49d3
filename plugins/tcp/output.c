/* output.c: what to send now.
 *
 * tcp_output() runs once a batch for each connection on the list, after all segments of the batch were looked at and the
 * users have read and written: so one acknowledgement answers many segments (MUST-58, MUST-59), and rides on data if
 * there is some. In order:
 *     acknowledgements that report a gap, alone, because with data they would not count as duplicates (RFC 5681 §2)
 *     what was lost, then new data and FIN, as far as the congestion window, the peer's window, silly-window avoidance
 *     and Nagle let them
 *     an acknowledgement, if one is due and none was sent
 * If nothing is in flight then and something waits, the persist timer starts. */
#include "output.h"
#include "pmtu.h"
#include "recovery.h"
#include "urgent.h"
#include "window.h"

/* §3.8.6.2.1: the override timeout of silly-window avoidance. */
#define OVERRIDE_LEAST (100 * TN_MSEC)
#define OVERRIDE_MOST  (1 * TN_SEC)

static bool fin_due(const struct tcp_conn *conn)
{
    return (conn->flags & (TCP_FIN_QUEUED | TCP_FIN_SENT)) == TCP_FIN_QUEUED;
}

/* Octets that wait to be sent for the first time. */
static uint32_t unsent(struct tcp_conn *conn)
{
    return conn->flags & TCP_FIN_SENT ? 0 : tcp_data_end(conn) - conn->snd_nxt;
}

/* Octets that the peer's window lets go from `seq` on. A peer may have taken window back: then there are none (MUST-34),
 * and what is beyond the edge waits (SHLD-15, SHLD-16). */
static uint32_t window_from(const struct tcp_conn *conn, uint32_t seq)
{
    uint32_t edge = conn->snd_una + conn->snd_wnd;
    return tcp_lt(seq, edge) ? edge - seq : 0;
}

/* U of §3.8.6.2.1 */
static uint32_t usable_window(const struct tcp_conn *conn)
{
    return window_from(conn, conn->snd_nxt);
}

/* Whether the congestion window holds `len` octets back. One segment may always be on its way. */
static bool pipe_full(struct tcp_conn *conn, uint32_t len)
{
    uint32_t pipe = tcp_pipe(conn);
    if (pipe == 0 || pipe + len <= conn->cwnd)
        return false;
    conn->flags |= TCP_CWND_LIMITED;
    return true;
}

/* Whether the device has so much to send that data had better wait (tcp_flush); those that wait already come first. Data that is
 * made into segments too early would be there long before it can be sent, or be thrown away. */
static bool device_full(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_state *state = tcp_state(self);
    const struct tcp_link *held = tcp_held(self, conn);
    if (state->full || (!state->in_turn && held->next != held) ||
        self->core->path_full(self, &tcp_socket(conn)->path))
        state->full = true;
    return state->full;
}

/* How much of `len` octets may go in one packet: a segment, or as many full ones as the congestion window lets go. */
static uint32_t super_frame(struct tcp_conn *conn, uint32_t len)
{
    uint32_t mss = conn->mss;
    if (len <= mss)
        return len;
    uint32_t pipe = tcp_pipe(conn);
    if (conn->cwnd <= pipe + mss || (conn->rare && tcp_urgent_pending(conn)))
        return tcp_min32(len, mss);
    len = tcp_min32(tcp_min32(len, conn->cwnd - pipe), tcp_super_max(conn));
    return len - len % mss;
}

/* ---- Again ---- */

static bool resend(struct tn_self *self, struct tcp_conn *conn, const struct tcp_run *run, uint32_t len)
{
    bool fin = conn->flags & TCP_FIN_SENT && run->start + len == conn->snd_nxt;
    if (!tcp_send_segment(self, conn, run->start, len - fin, fin ? TN_TCP_FIN : 0))
        return false;
    uint32_t segments = (len - 1) / conn->mss + 1;
    tn_count_add(self, TCP_RETRANSMITS, segments);
    conn->retransmits += segments;
    tcp_prr_sent(conn, len);
    tcp_spurious_resent(self, conn, run->start, run->start + len);
    return true;
}

static void send_lost(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_flight *flight = conn->flight;
    struct tcp_run *run = flight && flight->lost ? tcp_runs_next_lost(flight->head) : NULL;
    while (run) {
        uint32_t len = super_frame(conn, tcp_min32(run->end - run->start, window_from(conn, run->start)));
        bool first = run == flight->head;
        if (len == 0 || (!(conn->flags & TCP_FAST_SEND) && pipe_full(conn, len)))
            return;
        if (device_full(self, conn) || !resend(self, conn, run, len))
            return;
        conn->flags &= ~TCP_FAST_SEND;
        if (first)
            tcp_start_retransmit(self, conn);
        run = tcp_runs_next_lost(tcp_runs_resent(self, conn, run, len));
    }
}

/* ---- New ---- */

/* Something is in flight from now on: the retransmission timer runs (RFC 6298 (5.1)) when all of it is sent. */
static void note_flight(struct tn_self *self, struct tcp_conn *conn)
{
    bool persist = conn->flags & TCP_PERSIST;
    if (conn->retransmit_at != TN_NEVER && !persist)
        return;
    if (persist) {
        conn->flags &= ~TCP_PERSIST;
        conn->backoff = 0;
    }
    conn->progress_at = tn_now(self);
    tcp_set_timeout(self, conn);
}

/* Sends the next `len` octets, and the FIN if `fin`. False: it was not possible now. */
static bool send_next(struct tn_self *self, struct tcp_conn *conn, uint32_t len, bool fin)
{
    uint32_t seq = conn->snd_nxt;
    if (!tcp_runs_append(self, conn, seq + len + fin))
        return false;
    bool sent = tcp_send_segment(self, conn, seq, len, fin ? TN_TCP_FIN : 0);
    conn->snd_nxt = seq + len + fin; /* if there was no packet for it, it counts as lost on the way */
    if (fin)
        conn->flags |= TCP_FIN_SENT;
    if (len < conn->mss)
        conn->small_end = conn->snd_nxt;
    conn->flags &= ~TCP_PROBED;
    tcp_prr_sent(conn, len);
    conn->last_sent = tcp_clock(self);
    note_flight(self, conn);
    tn_count_add(self, TCP_DATA_OUT, len);
    return sent;
}

/* Whether a segment that is not full may go: §3.8.6.2.1, rules (2) and (3), with Nagle's algorithm as A.3 modifies it:
 * data waits only while another segment that was not full is unacknowledged. A user who has said that more follows lets it
 * wait (until the override timeout of rule (4)), and one in a hurry does not. */
static bool worth_sending(struct tcp_conn *conn, uint32_t len)
{
    if (len < unsent(conn))
        return len >= conn->max_snd_wnd / 2;
    if (conn->rare && tcp_urgent_pending(conn))
        return true;
    if (tcp_socket(conn)->flags & (TN_SOCK_CORK | TN_SOCK_MORE))
        return false;
    bool none_small = conn->snd_una == conn->snd_nxt || !tcp_lt(conn->snd_una, conn->small_end);
    return none_small || tcp_socket(conn)->flags & TN_SOCK_NODELAY;
}

/* A segment that is larger than others, to see whether it passes (pmtu.c). */
static void send_mtu_probe(struct tn_self *self, struct tcp_conn *conn)
{
    uint32_t len = tcp_pmtu_probe_due(self, conn, unsent(conn), usable_window(conn));
    if (len == 0 || pipe_full(conn, len) || device_full(self, conn))
        return;
    uint32_t seq = conn->snd_nxt;
    uint16_t mss = conn->mss;
    conn->mss = (uint16_t)len; /* or it would be cut */
    if (send_next(self, conn, len, false))
        tcp_pmtu_probe_sent(self, conn, seq, seq + len);
    conn->mss = mss;
}

static void send_new(struct tn_self *self, struct tcp_conn *conn)
{
    if (tcp_pmtu(conn))
        send_mtu_probe(self, conn);
    for (;;) {
        uint32_t queued = unsent(conn);
        if (queued == 0 && !fin_due(conn))
            return;
        uint32_t window = usable_window(conn);
        uint32_t len = super_frame(conn, tcp_min32(queued, window));
        bool fin = fin_due(conn) && len == queued && len < window;
        if ((len == 0 && !fin) || pipe_full(conn, len + fin))
            return;
        if (len < conn->mss && !fin && !worth_sending(conn, len))
            return;
        if (device_full(self, conn) || !send_next(self, conn, len, fin))
            return;
    }
}

/* RFC 5682 §2.1 step 2: up to two segments of new data, whatever cwnd says; what comes back for them tells whether the
 * timeout was needed. */
static void send_two_new(struct tn_self *self, struct tcp_conn *conn)
{
    bool sent = false;
    for (int i = 0; i < 2; i++) {
        uint32_t len = tcp_min32(tcp_min32(unsent(conn), usable_window(conn)), conn->mss);
        if (len == 0 || !send_next(self, conn, len, false))
            break;
        sent = true;
    }
    tcp_spurious_sent_new(conn, sent);
}

/* RFC 5681 §4.1: after a pause longer than the timeout the old window says little. */
static void restart_after_idle(struct tn_self *self, struct tcp_conn *conn)
{
    if (conn->snd_una != conn->snd_nxt || (unsent(conn) == 0 && !fin_due(conn)))
        return;
    if ((tcp_clock(self) - conn->last_sent) * TN_MSEC > tcp_rto(self, conn))
        tcp_cc_idle(self, conn);
}

/* ---- A closed window ---- */

/* Nothing is in flight: if something waits, only a timer can get it going. */
static void wait_for_window(struct tn_self *self, struct tcp_conn *conn)
{
    if (conn->snd_una != conn->snd_nxt)
        return;
    bool waits = (unsent(conn) > 0 || fin_due(conn)) && !tcp_state(self)->full;
    bool persist = conn->flags & TCP_PERSIST;
    if (waits == persist)
        return;
    conn->flags ^= TCP_PERSIST;
    conn->backoff = 0;
    if (!waits) {
        tcp_stop_retransmit(conn);
        return;
    }
    conn->progress_at = tn_now(self);
    tn_time delay = tcp_rto(self, conn); /* SHLD-29 */
    if (usable_window(conn) > 0)
        delay = tn_min(tn_max(delay, OVERRIDE_LEAST), OVERRIDE_MOST);
    tcp_deadline(self, conn, &conn->retransmit_at, tn_now(self) + delay);
}

/* Sends the first octet that is not acknowledged, without counting it as sent: MUST-36. A FIN is such an octet. */
static void probe(struct tn_self *self, struct tcp_conn *conn)
{
    bool fin = tcp_data_end(conn) == conn->snd_una;
    tn_count(self, TCP_WINDOW_PROBES);
    tcp_send_segment(self, conn, conn->snd_una, fin ? 0 : 1, fin ? TN_TCP_FIN : 0);
    if (conn->snd_una == conn->snd_nxt)
        conn->flags |= TCP_PROBED;
    else
        conn->flight->head->repeated = true; /* beyond a window that has shrunk: not to be measured */
}

void tcp_output_probe(struct tn_self *self, struct tcp_conn *conn)
{
    if (tcp_find_path(self, conn) < 0)
        return;
    uint32_t window = usable_window(conn);
    if (window == 0 || conn->snd_una != conn->snd_nxt) {
        probe(self, conn);
        return;
    }
    uint32_t queued = unsent(conn); /* rule (4) of §3.8.6.2.1 */
    uint32_t len = tcp_min32(tcp_min32(queued, window), conn->mss);
    send_next(self, conn, len, fin_due(conn) && len == queued && len < window);
}

/* ---- The tail ---- */

/* RFC 8985 §7.3: the segment that ends with snd_nxt, or as much of it as was sent at one time. */
static bool resend_last(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_run *run = tcp_runs_last(self, conn, conn->mss);
    if (!run)
        return false;
    uint32_t len = tcp_min32(tcp_min32(run->end - run->start, conn->mss), window_from(conn, run->start));
    if (len < run->end - run->start || !resend(self, conn, run, len))
        return false;
    tcp_runs_resent(self, conn, run, len);
    return true;
}

void tcp_output_tail(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_flight *flight = conn->flight;
    if (tcp_find_path(self, conn) == 0 && !self->core->path_full(self, &tcp_socket(conn)->path)) {
        uint32_t queued = unsent(conn), window = usable_window(conn);
        uint32_t len = tcp_min32(tcp_min32(queued, window), conn->mss);
        bool fin = fin_due(conn) && len == queued && len < window;
        bool fresh = (len > 0 || fin) && send_next(self, conn, len, fin);
        if (fresh || resend_last(self, conn))
            tcp_tail_sent(self, conn, !fresh);
    }
    flight->probe_at = TN_NEVER;
    flight->timeout_at = tn_now(self) + tcp_rto(self, conn);
    tcp_arm_flight(self, conn);
}

/* ---- All of it ---- */

/* Peers without SACK count duplicate acknowledgements, so each segment above a gap gets its own (RFC 5681 §4.2). */
static void report_gaps(struct tn_self *self, struct tcp_conn *conn)
{
    bool gap = conn->reassembly || conn->flags & TCP_DSACK;
    if (!(conn->flags & TCP_ACK_NOW) || !gap)
        return;
    unsigned acks = conn->flags & TCP_SACK ? 1 : (unsigned)tn_max(conn->dup_acks_due, 1);
    while (acks-- > 0)
        tcp_send_ack(self, conn);
}

static void acknowledge(struct tn_self *self, struct tcp_conn *conn)
{
    if (conn->flags & TCP_ACK_NOW)
        tcp_send_ack(self, conn);
    else if (conn->flags & TCP_ACK_LATER && conn->ack_at == TN_NEVER)
        tcp_deadline(self, conn, &conn->ack_at, tn_now(self) + tcp_options(self)->delayed_ack);
}

TN_APART static void output_handshake(struct tn_self *self, struct tcp_conn *conn)
{
    if (conn->flags & TCP_SYN_DUE) {
        conn->flags &= ~TCP_SYN_DUE;
        tcp_send_syn(self, conn);
        tcp_start_retransmit(self, conn);
    } else if (conn->flags & TCP_ACK_NOW && conn->state == TCP_ST_SYN_RECEIVED) {
        tcp_send_ack(self, conn);
    }
}

TN_APART static void send_data(struct tn_self *self, struct tcp_conn *conn)
{
    uint32_t before = conn->snd_nxt;
    report_gaps(self, conn);
    if (conn->flight && conn->flight->frto == TCP_FRTO_NEW)
        send_two_new(self, conn);
    if (!conn->flight || conn->flight->frto != TCP_FRTO_SECOND) {
        send_lost(self, conn);
        send_new(self, conn);
    }
    if (conn->snd_nxt != before)
        tcp_restart_probe(self, conn);
}

/* All that waits fits one segment, and nothing else is in flight or to be said: there is nothing that would keep it back but the
 * device. */
static bool is_lone(struct tcp_conn *conn)
{
    const uint32_t special = TCP_PERSIST | TCP_PROBED | TCP_DSACK | TCP_FIN_QUEUED;
    const struct tn_socket *sock = tcp_socket(conn);
    uint32_t queued = sock->tx.bytes;
    return conn->snd_una == conn->snd_nxt && queued > 0 && queued <= conn->mss && queued <= conn->snd_wnd &&
           conn->phase == TCP_PHASE_OPEN && !(conn->flags & special) && !conn->rare && !conn->reassembly &&
           !(sock->flags & (TN_SOCK_CORK | TN_SOCK_MORE)) && !(conn->flight && conn->flight->undo) &&
           !tcp_pmtu(conn);
}

static void send_lone(struct tn_self *self, struct tcp_conn *conn)
{
    if (device_full(self, conn))
        return;
    send_next(self, conn, tcp_socket(conn)->tx.bytes, false);
    if (conn->snd_nxt != conn->snd_una)
        tcp_restart_probe(self, conn);
}

static void output_data(struct tn_self *self, struct tcp_conn *conn)
{
    tcp_cc_decide(self, conn);
    restart_after_idle(self, conn);
    tcp_tune_send(self, conn);
    conn->flags &= ~TCP_CWND_LIMITED;
    if (tcp_usual(is_lone(conn)))
        send_lone(self, conn);
    else
        send_data(self, conn);
    acknowledge(self, conn);
    wait_for_window(self, conn);
    if (conn->snd_una == conn->snd_nxt)
        tcp_flight_release(self, conn, false);
}

/* No way to the peer at this moment: timers will try again. */
TN_RARE static void unreachable(struct tn_self *self, struct tcp_conn *conn, int error)
{
    self->core->socket_soft_error(self, tcp_socket(conn), -error);
    if (conn->flags & TCP_SYN_DUE)
        tcp_start_retransmit(self, conn);
    else if (conn->state >= TCP_ST_ESTABLISHED)
        wait_for_window(self, conn);
}

void tcp_output(struct tn_self *self, struct tcp_conn *conn)
{
    if (conn->state <= TCP_ST_LISTEN)
        return;
    int error = tcp_find_path(self, conn);
    if (error < 0) {
        unreachable(self, conn, error);
        return;
    }
    if (conn->flags & TCP_PROGRESS) { /* RFC 4861 §7.3.1: the neighbour is reachable */
        conn->flags &= ~TCP_PROGRESS;
        self->core->neighbour_confirm(self, &tcp_socket(conn)->path);
    }
    if (conn->state < TCP_ST_ESTABLISHED)
        output_handshake(self, conn);
    else
        output_data(self, conn);
    conn->cause = 0;
}
