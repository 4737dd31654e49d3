/* handshake.c: how connections begin: active OPEN, and simultaneous (§3.5, §3.10.7.3); what both kinds have in common. */
#include "close.h"
#include "congestion.h"
#include "input.h"
#include "reply.h"
#include "time_wait.h"
#include "timers.h"
#include "user_timeout.h"
#include "window.h"

void tcp_begin(struct tn_self *self, struct tcp_conn *conn, uint32_t iss)
{
    const struct tcp_ends ends = tcp_socket_ends(tcp_socket(conn));
    tcp_conn_init(conn);
    tcp_rtt_init(self, conn);
    conn->iss = iss;
    conn->snd_una = conn->iss;
    conn->snd_nxt = conn->iss + 1;
    conn->recover = conn->iss;
    conn->small_end = conn->iss;
    conn->ts_offset = tcp_timestamp_offset(self, &ends);
    conn->progress_at = tn_now(self);
    conn->last_heard = tcp_clock(self);
    conn->last_sent = tcp_clock(self);
}

/* The peer's SYN has come: its numbers and options. What it did not offer, is not used. */
static void take_syn(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg)
{
    uint32_t offered = conn->rcv_adv - conn->rcv_nxt; /* in SYN-SENT: the window of our SYN */
    conn->rcv_nxt = seg->seq + 1;
    conn->rcv_adv = conn->rcv_nxt + offered;
    conn->last_ack_sent = conn->rcv_nxt;
    if (seg->mss)
        conn->peer_mss = seg->mss;
    if (!seg->has_timestamps)
        conn->flags &= ~TCP_TIMESTAMPS;
    if (!seg->sack_permitted)
        conn->flags &= ~TCP_SACK;
    if (!seg->scale)
        conn->flags &= ~TCP_SCALE;
    tcp_ecn_take_syn(conn, seg);
    if (conn->flags & TCP_TIMESTAMPS) {
        conn->ts_recent = seg->ts_value;
        conn->ts_recent_at = tcp_clock(self);
        conn->flags |= TCP_TS_RECENT;
    }
    if (conn->flags & TCP_SCALE)
        conn->snd_scale = (uint8_t)(seg->scale - 1);
    else
        conn->rcv_scale = 0;
    if (seg->user_timeout)
        tcp_uto_received(self, conn, seg->user_timeout);
    conn->cause = seg->packet->serial;
    tcp_take_window(conn, seg);
}

/* ---- Established ---- */

static void measure_handshake(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg)
{
    if (conn->progress_at == 0) /* nobody knows when it began (syn_cookie.c) */
        return;
    if (!(conn->flags & TCP_SYN_REPEATED))
        tcp_rtt_sample(self, conn, tn_now(self) - conn->progress_at);
    else if (conn->flags & TCP_TIMESTAMPS && seg->has_timestamps)
        tcp_rtt_sample(self, conn, (tcp_clock(self) + conn->ts_offset - seg->ts_echo) * TN_MSEC);
    else
        conn->rto = 3 * TN_SEC / TN_USEC; /* RFC 6298 (5.7) */
    conn->backoff = 0;
}

void tcp_establish(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg)
{
    tn_count(self, TCP_HANDSHAKES);
    measure_handshake(self, conn, seg);
    tcp_stop_retransmit(conn);
    conn->progress_at = tn_now(self);
    conn->flags &= ~TCP_SYN_DUE;
    conn->flags |= TCP_PROGRESS;
    tcp_take_window(conn, seg);
    tcp_update_mss(self, conn);
    tcp_cc_init(self, conn);
    tcp_set_state(self, conn, TCP_ST_ESTABLISHED);
    if (!(conn->flags & TCP_PASSIVE))
        self->core->socket_connected(self, tcp_socket(conn));
    tcp_uto_established(self, conn);
    tcp_start_keepalive(self, conn);
    if (conn->flags & TCP_FIN_QUEUED) /* the user did not wait */
        tcp_close_send(self, conn);
    tcp_schedule(self, conn);
}

/* ---- Active ---- */

/* If a connection between the same ends is in TIME-WAIT, and the core has asked whether it yields, this one takes its place. */
static uint32_t first_number(struct tn_self *self, const struct tn_socket *sock)
{
    const struct tcp_ends ends = tcp_socket_ends(sock);
    uint32_t iss = tcp_initial_sequence(self, &ends);
    struct tn_flow *old = self->core->flow_find_tuple(self, ends.family, ends.vrf, &ends.local,
                                                      ends.local_port, &ends.remote, ends.remote_port);
    if (!old)
        return iss;
    uint32_t least = tcp_time_wait_replace(self, (struct tcp_time_wait *)(void *)old);
    return tcp_lt(iss, least) ? least : iss;
}

int tcp_connect(struct tn_self *self, struct tn_socket *sock)
{
    struct tcp_conn *conn = tn_socket_state(sock);
    if (sock->path.kind != TN_PATH_UNICAST && sock->path.kind != TN_PATH_LOCAL)
        return -ENETUNREACH; /* MUST-46 */
    tcp_begin(self, conn, first_number(self, sock));
    conn->rcv_scale = tcp_window_shift(self, sock);
    conn->flags |= TCP_SYN_DUE;
    if (tcp_options(self)->timestamps)
        conn->flags |= TCP_TIMESTAMPS;
    if (tcp_options(self)->sack)
        conn->flags |= TCP_SACK;
    if (tcp_options(self)->window_scaling)
        conn->flags |= TCP_SCALE;
    tcp_ecn_begin(self, conn);
    tn_count(self, TCP_ACTIVE_OPENS);
    tcp_set_state(self, conn, TCP_ST_SYN_SENT);
    tcp_schedule(self, conn);
    return 0;
}

/* Our SYN is acknowledged, by a SYN. What else is in the segment is taken as in ESTABLISHED. */
static void syn_sent_established(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    conn->snd_una = seg->ack;
    tcp_establish(self, conn, seg);
    tcp_ack_now(self, conn);
    seg->seq++;
    seg->flags &= (uint8_t)~TN_TCP_SYN;
    tcp_receive(self, conn, seg);
}

/* Both sides have sent a SYN (MUST-10). */
static void simultaneous_open(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    tcp_set_state(self, conn, TCP_ST_SYN_RECEIVED);
    conn->flags |= TCP_SYN_DUE;
    tcp_schedule(self, conn);
    self->core->packet_free(self, seg->packet);
}

void tcp_input_syn_sent(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    bool has_ack = seg->flags & TN_TCP_ACK;
    /* First: the ACK. */
    if (has_ack && (tcp_le(seg->ack, conn->iss) || tcp_lt(conn->snd_nxt, seg->ack))) {
        if (!(seg->flags & TN_TCP_RST))
            tcp_reply_reset(self, seg);
        tn_drop(self, seg->packet, TCP_DROP_SYN_SENT_ACK);
        return;
    }
    /* Second: RST. */
    if (seg->flags & TN_TCP_RST) {
        if (!has_ack) {
            tn_drop(self, seg->packet, TCP_DROP_SYN_SENT_RESET);
            return;
        }
        self->core->packet_free(self, seg->packet);
        tn_count(self, TCP_RESETS_IN);
        tcp_finish(self, conn, ECONNREFUSED);
        return;
    }
    /* Fourth: SYN; fifth: neither. */
    if (!(seg->flags & TN_TCP_SYN)) {
        tn_drop(self, seg->packet, TCP_DROP_SYN_SENT_NO_SYN);
        return;
    }
    take_syn(self, conn, seg);
    if (has_ack)
        syn_sent_established(self, conn, seg);
    else
        simultaneous_open(self, conn, seg);
}
