/* listen.c: LISTEN, and SYN-RECEIVED of connections that the other side began (§3.10.7.2, §3.10.7.4).
 *
 * A SYN makes a small record (syn_queue.c) or, when there are too many of those, none at all (syn_cookie.c). Only the ACK that
 * completes the handshake makes a socket, which waits to be accepted. While the accept queue is full, SYNs are dropped, and
 * so is that ACK: the SYN-ACK is repeated, and the ACK with it, until there is room or the peer gives up.
 *
 * A listener may wait for data before it takes a connection (TCP_DEFER_ACCEPT); one that a cookie has made never waits.
 *
 * The checks of §3.10.7.4 apply to a record as to any connection. Whatever returns it to LISTEN ends it without a word. */
#include "listen.h"
#include "congestion.h"
#include "input.h"
#include "output.h"
#include "reply.h"
#include "user_timeout.h"
#include "window.h"

#define COOKIE_LIFE (2 * 60 * 1000u) /* milliseconds that any cookie is good at most */

static uint16_t window_of(const struct tn_socket *listener)
{
    return (uint16_t)tcp_min32(listener->rcvbuf, UINT16_MAX); /* never scaled (RFC 7323 §2.2) */
}

/* ---- SYN-ACK ---- */

/* `ts_value`: without the connection's offset. */
static void send_syn_ack(struct tn_self *self, const struct tcp_half_open *half, const struct tcp_ends *ends,
                         uint32_t ts_value, uint32_t serial)
{
    const struct tn_socket *listener = half->listener;
    struct tcp_reply reply = {.ends = *ends, .ttl = listener->ttl, .tos = listener->tos, .serial = serial};
    if (!tcp_reply_route(self, &reply))
        return;
    uint8_t options[TN_TCP_OPTIONS_MAX];
    size_t len =
        tcp_write_syn_options(options, half->flags, tcp_path_mss(self, ends->family, &reply.path),
                              half->rcv_scale, ts_value + tcp_timestamp_offset(self, ends), half->ts_recent);
    if (half->tries == 0)
        len += tcp_uto_write_syn(self, tn_socket_state(half->listener), options + len);
    tcp_reply_send(self, &reply,
                   &(struct tcp_header){
                       .seq = half->iss,
                       .ack = half->irs + 1,
                       .window = window_of(listener),
                       .flags = TN_TCP_SYN | TN_TCP_ACK | (half->flags & TCP_ECN ? TN_TCP_ECE : 0),
                       .options = options,
                       .options_len = len,
                   });
}

static void answer_syn(struct tn_self *self, const struct tcp_half_open *half, uint32_t serial)
{
    const struct tcp_ends ends = tcp_flow_ends(self, &half->flow);
    send_syn_ack(self, half, &ends, tcp_clock(self), serial);
}

static void start_timer(struct tn_self *self, struct tcp_half_open *half)
{
    tn_time wait = tcp_options(self)->initial_rto << tcp_min32(half->tries, 10);
    wait = tn_min(wait, tcp_options(self)->maximum_rto);
    tn_time age = (tn_time)(tcp_microseconds(self) - half->flow.time) * TN_USEC;
    tn_time limit = tcp_options(self)->syn_timeout;
    self->core->timer_start(self, &half->timer, tn_min(wait, limit > age ? limit - age : 0),
                            TCP_TIMER_HALF_OPEN);
}

/* The SYN-ACK, or what answers it, was lost; or there never was a peer. */
void tcp_half_open_timer(struct tn_self *self, struct tn_timer *timer)
{
    struct tcp_half_open *half = tn_container(timer, struct tcp_half_open, timer);
    tn_time age = (tn_time)(tcp_microseconds(self) - half->flow.time) * TN_USEC;
    bool in_the_way = half->tries >= 2 && tcp_syn_queue_crowded(self, half);
    if (age >= tcp_options(self)->syn_timeout || in_the_way) {
        tn_count(self, in_the_way ? TCP_HALF_OPEN_EVICTED : TCP_TIMEOUTS);
        tcp_half_open_free(self, half);
        return;
    }
    if (half->tries < UINT8_MAX)
        half->tries++;
    half->answers = 0;
    tn_count(self, TCP_RETRANSMITS);
    answer_syn(self, half, 0);
    start_timer(self, half);
}

/* ---- A SYN comes ---- */

/* What the SYN offers and this side wants. */
static void take_syn(struct tn_self *self, struct tcp_half_open *half, const struct tcp_segment *seg)
{
    const struct tcp_options *options = tcp_options(self);
    half->irs = seg->seq;
    half->ts_recent = seg->ts_value;
    half->mss = seg->mss;
    half->window = seg->window;
    half->flags = (options->timestamps && seg->has_timestamps ? TCP_TIMESTAMPS : 0) |
                  (options->sack && seg->sack_permitted ? TCP_SACK : 0) |
                  (options->window_scaling && seg->scale ? TCP_SCALE : 0) | tcp_ecn_agree(self, seg);
    if (half->flags & TCP_SCALE) {
        half->snd_scale = (uint8_t)(seg->scale - 1);
        half->rcv_scale = tcp_window_shift(self, half->listener);
    }
}

static void answer_with_cookie(struct tn_self *self, struct tn_socket *listener, struct tcp_segment *seg)
{
    struct tcp_conn *conn = tn_socket_state(listener);
    const struct tcp_ends ends = tcp_packet_ends(seg->packet);
    struct tcp_half_open half = {.listener = listener};
    take_syn(self, &half, seg);
    if (!(half.flags & TCP_TIMESTAMPS))
        half.flags = 0; /* there is nowhere to put them */
    half.iss = tcp_cookie_make(self, &ends, seg->seq, half.mss ? half.mss : tcp_default_mss(ends.family));
    conn->cookies_at = tcp_clock(self);
    conn->cookies_sent = true;
    tn_count(self, TCP_COOKIES_SENT);
    send_syn_ack(self, &half, &ends, tcp_cookie_stamp(self, half.flags, half.snd_scale), seg->packet->serial);
    self->core->packet_free(self, seg->packet);
}

static void trace_begin(struct tn_self *self, const struct tcp_segment *seg)
{
    const struct tcp_ends ends = tcp_packet_ends(seg->packet);
    tcp_trace_state(self, &ends, "LISTEN", "SYN-RECEIVED");
}

static void accept_syn(struct tn_self *self, struct tn_socket *listener, struct tcp_segment *seg,
                       const uint32_t *least_iss)
{
    int64_t cookies = tcp_options(self)->syn_cookies;
    if (tn_accept_queue_full(listener)) {
        tn_drop(self, seg->packet, TCP_DROP_BACKLOG_FULL);
        return;
    }
    tn_count(self, TCP_PASSIVE_OPENS);
    if (seg->len > 0)
        tn_count(self, TCP_SYN_DATA); /* not acknowledged: the peer sends it again */
    struct tcp_half_open *half =
        cookies == TCP_COOKIES_ALWAYS ? NULL : tcp_half_open_new(self, listener, seg->packet);
    if (!half && cookies == TCP_COOKIES_NEVER) {
        tn_drop(self, seg->packet, TCP_DROP_SYN_QUEUE_FULL);
        return;
    }
    if (!half) {
        answer_with_cookie(self, listener, seg);
        return;
    }
    trace_begin(self, seg);
    take_syn(self, half, seg);
    const struct tcp_ends ends = tcp_packet_ends(seg->packet);
    half->iss = tcp_initial_sequence(self, &ends);
    if (least_iss && tcp_lt(half->iss, *least_iss))
        half->iss = *least_iss;
    send_syn_ack(self, half, &ends, tcp_clock(self), seg->packet->serial);
    start_timer(self, half);
    self->core->packet_free(self, seg->packet);
}

/* What the user set for the listener holds for its connections. */
static void inherit(struct tn_self *self, struct tcp_conn *conn, const struct tcp_conn *listener)
{
    conn->congestion = listener->congestion;
    if (listener->rare && tcp_rare(self, conn))
        *conn->rare = *listener->rare; /* a listener has no urgent data */
}

/* ---- The handshake is complete ---- */

/* `seg` acknowledges our SYN, which was sent at `sent` (0: not known). NULL: there was no room for another socket. */
static struct tcp_conn *establish(struct tn_self *self, const struct tcp_half_open *half, tn_time sent,
                                  const struct tcp_segment *seg)
{
    struct tn_socket *child = self->core->socket_child(self, half->listener, seg->packet);
    if (!child)
        return NULL;
    struct tcp_conn *conn = tn_socket_state(child);
    inherit(self, conn, tn_socket_state(half->listener));
    tcp_begin(self, conn, half->iss);
    conn->flags = TCP_PASSIVE | half->flags | (half->tries ? TCP_SYN_REPEATED : 0) |
                  (half->flags & TCP_TIMESTAMPS ? TCP_TS_RECENT : 0);
    conn->ts_recent = half->ts_recent;
    conn->ts_recent_at = tcp_clock(self);
    conn->rcv_nxt = half->irs + 1;
    conn->rcv_adv = conn->rcv_nxt + window_of(half->listener);
    conn->last_ack_sent = conn->rcv_nxt;
    conn->snd_scale = half->snd_scale;
    conn->rcv_scale = half->rcv_scale;
    conn->max_snd_wnd = half->window;
    if (half->mss)
        conn->peer_mss = half->mss;
    conn->progress_at = sent;
    conn->state = TCP_ST_SYN_RECEIVED;
    conn->cause = seg->packet->serial;
    (void)tcp_find_path(self, conn);
    conn->snd_una = seg->ack;
    tcp_establish(self, conn, seg);
    return conn;
}

static bool cookies_are_out(struct tn_self *self, const struct tn_socket *listener)
{
    const struct tcp_conn *conn = tn_socket_state((struct tn_socket *)(uintptr_t)listener);
    return conn->cookies_sent && tcp_clock(self) - conn->cookies_at < COOKIE_LIFE;
}

/* An ACK to a listener: whether it brings a cookie back. The segment is still to be worked on then, by *conn if that is not NULL. */
static bool take_cookie(struct tn_self *self, struct tn_socket *listener, struct tcp_segment *seg,
                        struct tcp_conn **conn)
{
    *conn = NULL;
    if (seg->flags & (TN_TCP_SYN | TN_TCP_RST) || !cookies_are_out(self, listener))
        return false;
    const struct tcp_ends ends = tcp_packet_ends(seg->packet);
    uint16_t mss = tcp_cookie_check(self, &ends, seg->seq - 1, seg->ack - 1);
    if (mss == 0) {
        tn_count(self, TCP_COOKIES_WRONG);
        return false;
    }
    tn_count(self, TCP_COOKIES_TAKEN);
    struct tcp_half_open half = {
        .listener = listener,
        .iss = seg->ack - 1,
        .irs = seg->seq - 1,
        .mss = mss,
        .window = seg->window,
    };
    if (seg->has_timestamps && tcp_options(self)->timestamps) {
        half.flags = tcp_cookie_flags(seg->ts_echo - tcp_timestamp_offset(self, &ends), &half.snd_scale);
        half.ts_recent = seg->ts_value;
    }
    if (half.flags & TCP_SCALE)
        half.rcv_scale = tcp_window_shift(self, listener);
    *conn = establish(self, &half, 0, seg);
    return true;
}

/* ---- LISTEN ---- */

static bool is_own_address(struct tn_self *self, const struct tn_packet *packet)
{
    uint16_t vrf;
    return self->core->address_kind(self, packet->family, NULL, &packet->src, &vrf) == TN_LOCAL_UNICAST;
}

static struct tcp_conn *listen_ack(struct tn_self *self, struct tn_socket *listener, struct tcp_segment *seg)
{
    struct tcp_conn *conn;
    if (!take_cookie(self, listener, seg, &conn)) {
        tcp_reply_reset(self, seg);
        tn_drop(self, seg->packet, TCP_DROP_LISTEN_ACK);
    } else if (!conn) {
        tn_drop(self, seg->packet, TCP_DROP_BACKLOG_FULL);
    }
    return conn;
}

struct tcp_conn *tcp_input_listen(struct tn_self *self, struct tn_socket *listener, struct tcp_segment *seg,
                                  const uint32_t *least_iss)
{
    bool looped = seg->packet->flags & TN_PKT_LOOPED;
    if (seg->flags & TN_TCP_RST)
        tn_drop(self, seg->packet, TCP_DROP_LISTEN_RESET);
    else if (seg->flags & TN_TCP_ACK)
        return listen_ack(self, listener, seg);
    else if (!(seg->flags & TN_TCP_SYN))
        tn_drop(self, seg->packet, TCP_DROP_LISTEN_NO_SYN);
    else if (!looped && is_own_address(self, seg->packet)) /* MUST-63 */
        tn_drop(self, seg->packet, TCP_DROP_BAD_SOURCE);
    else
        accept_syn(self, listener, seg, least_iss);
    return NULL;
}

/* ---- SYN-RECEIVED ---- */

/* So many answers a record may be made to give between two repetitions of the SYN-ACK (RFC 5961 §10). */
static bool may_answer(struct tn_self *self, struct tcp_half_open *half)
{
    if (half->answers >= tcp_min32((uint32_t)tcp_options(self)->challenge_limit, INT8_MAX)) {
        tn_count(self, TCP_ACKS_LIMITED);
        return false;
    }
    half->answers++;
    return true;
}

static void refuse(struct tn_self *self, struct tcp_half_open *half, struct tcp_segment *seg,
                   enum tcp_drop reason)
{
    if (may_answer(self, half)) {
        struct tcp_header header = {
            .seq = half->iss + 1, .ack = half->irs + 1, .window = window_of(half->listener)};
        tcp_reply_ack(self, seg, &header, half->flags & TCP_TIMESTAMPS, half->ts_recent);
        if (seg->flags & TN_TCP_RST)
            tn_count(self, TCP_CHALLENGE_ACKS);
    }
    tn_drop(self, seg->packet, reason);
}

/* The SYN that began it, again: our answer was lost. The RFC would have an ACK, which a peer in SYN-SENT does not understand. */
static void take_syn_again(struct tn_self *self, struct tcp_half_open *half, struct tcp_segment *seg)
{
    if (!tcp_ecn_agree(self, seg))
        half->flags &= ~TCP_ECN; /* it has fallen back (RFC 3168 §6.1.1.1) */
    if (may_answer(self, half)) {
        answer_syn(self, half, seg->packet->serial);
        if (half->tries == 0)
            half->tries = 1; /* Karn: which of the two will be acknowledged can't be told */
    }
    tn_drop(self, seg->packet, TCP_DROP_SYN_AGAIN);
}

/* First: timestamps and sequence number. False: the segment is used up. */
static bool check_sequence(struct tn_self *self, struct tcp_half_open *half, struct tcp_segment *seg)
{
    bool reset = seg->flags & TN_TCP_RST;
    bool timestamps = half->flags & TCP_TIMESTAMPS && !reset;
    if ((seg->flags & (TN_TCP_SYN | TN_TCP_ACK | TN_TCP_RST)) == TN_TCP_SYN && seg->seq == half->irs) {
        take_syn_again(self, half, seg);
        return false;
    }
    if (timestamps && !seg->has_timestamps && !(seg->flags & TN_TCP_SYN)) {
        tn_drop(self, seg->packet, TCP_DROP_NO_TIMESTAMP);
        return false;
    }
    if (timestamps && seg->has_timestamps && tcp_lt(seg->ts_value, half->ts_recent)) {
        refuse(self, half, seg, TCP_DROP_PAWS);
        return false;
    }
    if (tcp_acceptable(half->irs + 1, window_of(half->listener), seg))
        return true;
    if (reset)
        tn_drop(self, seg->packet, TCP_DROP_RESET_OUT_OF_WINDOW);
    else
        refuse(self, half, seg, TCP_DROP_OUT_OF_WINDOW);
    return false;
}

/* Second and fourth: RST, SYN. False: the segment is used up, and perhaps the record. */
static bool check_flags(struct tn_self *self, struct tcp_half_open *half, struct tcp_segment *seg)
{
    if (seg->flags & TN_TCP_RST) {
        if (seg->seq != half->irs + 1) {
            refuse(self, half, seg, TCP_DROP_RESET_CHALLENGED); /* RFC 5961 §3 */
            return false;
        }
        self->core->packet_free(self, seg->packet);
        tn_count(self, TCP_RESETS_IN);
        tcp_half_open_free(self, half); /* back to LISTEN */
        return false;
    }
    if (seg->flags & TN_TCP_SYN) {
        tn_drop(self, seg->packet, TCP_DROP_SYN_RECEIVED_SYN);
        tcp_half_open_free(self, half);
        return false;
    }
    return true;
}

/* TCP_DEFER_ACCEPT: until data comes, the peer's ACK counts as not heard, for so long. Then the SYN-ACK is sent again, and the
 * ACK that answers it does. */
static bool is_deferred(struct tn_self *self, struct tcp_half_open *half, const struct tcp_segment *seg)
{
    tn_time patience = tcp_rare_of(tn_socket_state(half->listener))->defer_accept * TN_SEC;
    tn_time age = (tn_time)(tcp_microseconds(self) - half->flow.time) * TN_USEC;
    patience = tn_min(patience, tcp_options(self)->syn_timeout / 2);
    if (seg->len > 0 || seg->flags & TN_TCP_FIN || age >= patience)
        return false;
    half->deferred = 1;
    self->core->timer_start(self, &half->timer, patience - age, TCP_TIMER_HALF_OPEN);
    return true;
}

/* When its SYN-ACK was sent; 0: that tells nothing of the round-trip time. */
static tn_time sent_at(struct tn_self *self, const struct tcp_half_open *half)
{
    tn_time age = (tn_time)(tcp_microseconds(self) - half->flow.time) * TN_USEC;
    return half->deferred ? 0 : tn_now(self) - age;
}

struct tcp_conn *tcp_input_half_open(struct tn_self *self, struct tcp_half_open *half,
                                     struct tcp_segment *seg)
{
    if (!check_sequence(self, half, seg) || !check_flags(self, half, seg))
        return NULL;
    if (!(seg->flags & TN_TCP_ACK)) {
        tn_drop(self, seg->packet, TCP_DROP_NO_ACK);
        return NULL;
    }
    if (seg->ack != half->iss + 1) { /* SND.UNA < SEG.ACK =< SND.NXT */
        tcp_reply_reset(self, seg);
        tn_drop(self, seg->packet, TCP_DROP_SYN_RECEIVED_ACK);
        return NULL;
    }
    if (is_deferred(self, half, seg)) {
        tn_drop(self, seg->packet, TCP_DROP_ACCEPT_DEFERRED);
        return NULL;
    }
    struct tcp_conn *conn = establish(self, half, sent_at(self, half), seg);
    if (conn)
        tcp_half_open_free(self, half);
    else
        tn_drop(self, seg->packet, TCP_DROP_BACKLOG_FULL);
    return conn;
}
