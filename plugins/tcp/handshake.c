/* handshake.c: how connections begin: active and passive OPEN, simultaneous too (§3.5, §3.10.7.2, §3.10.7.3). */
#include "tcp.h"

/* ---- Numbers ---- */

/* What numbers of a connection depend on: its ends, and what the number is for. */
struct tuple {
    struct tn_addr local;
    struct tn_addr remote;
    uint16_t local_port;
    uint16_t remote_port;
    uint16_t vrf;
    uint16_t use;
};

enum {
    USE_ISN,
    USE_TIMESTAMP,
};

static uint32_t tuple_hash(struct tn_self *self, const struct tn_socket *sock, uint16_t use)
{
    struct tuple tuple = {
        .local = sock->local,
        .remote = sock->remote,
        .local_port = sock->local_port,
        .remote_port = sock->remote_port,
        .vrf = sock->vrf,
        .use = use,
    };
    return (uint32_t)self->core->keyed_hash(self, &tuple, sizeof(tuple));
}

/* RFC 6528 §3: ISN = M + F(localip, localport, remoteip, remoteport, secretkey), M a clock of 4 microseconds. */
static uint32_t initial_sequence_number(struct tn_self *self, const struct tn_socket *sock)
{
    return (uint32_t)(self->core->now(self) / (4 * TN_USEC)) + tuple_hash(self, sock, USE_ISN);
}

/* What an active and a passive OPEN have in common. The socket's addresses and ports are set. */
static void begin(struct tn_self *self, struct tcp_conn *conn)
{
    struct tn_socket *sock = tcp_socket(conn);
    tcp_conn_init(conn);
    tcp_rtt_init(self, conn);
    conn->iss = initial_sequence_number(self, sock);
    conn->snd_una = conn->iss;
    conn->snd_nxt = conn->iss + 1;
    conn->recover = conn->iss;
    conn->small_end = conn->iss;
    conn->ts_offset = tuple_hash(self, sock, USE_TIMESTAMP); /* RFC 7323 §5.4: not the same for all */
    conn->progress_at = self->core->now(self);
    conn->last_heard = tcp_clock(self);
    conn->last_sent = tcp_clock(self);
    conn->rcv_scale = tcp_window_shift(sock);
    conn->flags |= TCP_SYN_DUE;
    if (tcp_options(self)->timestamps)
        conn->flags |= TCP_TIMESTAMPS;
    if (tcp_options(self)->sack)
        conn->flags |= TCP_SACK;
    if (tcp_options(self)->window_scaling)
        conn->flags |= TCP_SCALE;
    tcp_ecn_begin(self, conn);
    tcp_schedule(self, conn);
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
    conn->cause = seg->packet->serial;
    tcp_take_window(conn, seg);
}

/* ---- Established ---- */

static void measure_handshake(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg)
{
    if (!(conn->flags & TCP_SYN_REPEATED))
        tcp_rtt_sample(self, conn, self->core->now(self) - conn->progress_at);
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
    conn->retransmit_at = TN_NEVER;
    conn->progress_at = self->core->now(self);
    conn->flags &= ~TCP_SYN_DUE;
    conn->flags |= TCP_PROGRESS;
    tcp_take_window(conn, seg);
    tcp_update_mss(self, conn);
    tcp_cc_init(self, conn);
    tcp_set_state(self, conn, TCP_ST_ESTABLISHED);
    if (conn->flags & TCP_PASSIVE)
        self->core->socket_ready(self, tcp_socket(conn));
    else
        self->core->socket_connected(self, tcp_socket(conn));
    tcp_start_keepalive(self, conn);
    if (conn->flags & TCP_FIN_QUEUED) /* the user did not wait */
        tcp_close_send(self, conn);
    tcp_schedule(self, conn);
}

/* ---- Active ---- */

int tcp_connect(struct tn_self *self, struct tn_socket *sock)
{
    struct tcp_conn *conn = tn_socket_state(sock);
    if (sock->path.kind != TN_PATH_UNICAST && sock->path.kind != TN_PATH_LOCAL)
        return -ENETUNREACH; /* MUST-46 */
    begin(self, conn);
    tn_count(self, TCP_ACTIVE_OPENS);
    tcp_set_state(self, conn, TCP_ST_SYN_SENT);
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

/* ---- Passive ---- */

static bool is_own_address(struct tn_self *self, const struct tn_packet *packet)
{
    uint16_t vrf;
    return self->core->address_kind(self, packet->family, NULL, &packet->src, &vrf) == TN_LOCAL_UNICAST;
}

static void accept_syn(struct tn_self *self, struct tn_socket *listener, struct tcp_segment *seg)
{
    struct tn_socket *child = self->core->socket_child(self, listener, seg->packet);
    if (!child) {
        tn_drop(self, seg->packet, TCP_DROP_BACKLOG_FULL);
        return;
    }
    struct tcp_conn *conn = tn_socket_state(child);
    conn->flags |= TCP_PASSIVE;
    conn->congestion = ((const struct tcp_conn *)tn_socket_state(listener))->congestion;
    begin(self, conn);
    take_syn(self, conn, seg);
    tn_count(self, TCP_PASSIVE_OPENS);
    if (seg->len > 0)
        tn_count(self, TCP_SYN_DATA); /* not acknowledged: the peer sends it again */
    tcp_set_state(self, conn, TCP_ST_SYN_RECEIVED);
    self->core->packet_free(self, seg->packet);
}

void tcp_input_listen(struct tn_self *self, struct tn_socket *listener, struct tcp_segment *seg)
{
    bool looped = seg->packet->flags & TN_PKT_LOOPED;
    if (seg->flags & TN_TCP_RST) {
        tn_drop(self, seg->packet, TCP_DROP_LISTEN_RESET);
    } else if (seg->flags & TN_TCP_ACK) {
        tcp_reply_reset(self, seg);
        tn_drop(self, seg->packet, TCP_DROP_LISTEN_ACK);
    } else if (!(seg->flags & TN_TCP_SYN)) {
        tn_drop(self, seg->packet, TCP_DROP_LISTEN_NO_SYN);
    } else if (!looped && is_own_address(self, seg->packet)) { /* MUST-63 */
        tn_drop(self, seg->packet, TCP_DROP_BAD_SOURCE);
    } else {
        accept_syn(self, listener, seg);
    }
}
