/* input.c: a segment arrives (§3.10.7). The steps are taken in the order in which the RFC has them. */
#include "input.h"
#include "congestion.h"
#include "listen.h"
#include "reply.h"
#include "time_wait.h"
#include "urgent.h"
#include "user_timeout.h"
#include "window.h"

/* ---- Taking it apart ---- */

static bool checksum_right(const struct tn_packet *packet)
{
    if (packet->checksum != TN_CHECKSUM_UNKNOWN)
        return true; /* verified, or (looped back) never on a wire */
    tn_sum sum = tn_sum_pseudo(&packet->src, &packet->dst, IPPROTO_TCP, packet->total);
    return tn_sum_finish(tn_sum_add(sum, packet->data, packet->len)) == 0;
}

/* Who may send TCP segments, and to what kind of address: §3.9.2.3. */
static int check_addresses(struct tn_self *self, const struct tn_packet *packet)
{
    const unsigned group =
        TN_PKT_BROADCAST | TN_PKT_MULTICAST | TN_PKT_LINK_BROADCAST | TN_PKT_LINK_MULTICAST;
    if (packet->flags & group)
        return TCP_DROP_NOT_UNICAST; /* MUST-57 */
    enum tn_addr_class class = self->core->address_class(self, packet->family, &packet->src);
    bool local = class == TN_ADDR_LOOPBACK && packet->flags & TN_PKT_LOOPED;
    return class == TN_ADDR_UNICAST || local ? -1 : TCP_DROP_BAD_SOURCE; /* MUST-63 */
}

/* Fills `seg` from the packet, whose data becomes the payload. -1, or the reason to drop it. */
static int take_apart(struct tn_self *self, struct tn_packet *packet, struct tcp_segment *seg)
{
    struct tn_cursor c = tn_packet_cursor(packet);
    const struct tn_tcp_header *header = tn_read_header(&c, struct tn_tcp_header);
    if (!header)
        return TCP_DROP_TOO_SHORT;
    size_t length = tn_tcp_header_length(header);
    if (length < sizeof(*header) || length > packet->len)
        return TCP_DROP_BAD_OFFSET;
    if (!checksum_right(packet))
        return TCP_DROP_BAD_CHECKSUM;
    packet->src_port = tn_be16(header->src_port);
    packet->dst_port = tn_be16(header->dst_port);
    if (packet->src_port == 0 || packet->dst_port == 0)
        return TCP_DROP_BAD_PORT;
    seg->packet = packet;
    seg->seq = tn_be32(header->seq);
    seg->ack = tn_be32(header->ack);
    seg->flags = header->flags;
    seg->window = tn_be16(header->window);
    seg->urgent_end = seg->seq + tn_be16(header->urgent);
    struct tn_cursor options = tn_sub_cursor(&c, length - sizeof(*header));
    if (!tcp_read_options(&options, seg))
        return TCP_DROP_BAD_OPTION;
    tn_packet_pull(packet, length);
    seg->len = packet->total;
    return -1;
}

/* What may be acknowledged at most: a probe of a closed window was sent, but does not count as such. */
static uint32_t highest_sent(const struct tcp_conn *conn)
{
    return conn->snd_nxt + (conn->flags & TCP_PROBED ? 1 : 0);
}

/* RFC 5961 §5 */
static bool ack_in_range(const struct tcp_conn *conn, uint32_t ack)
{
    return tcp_le(conn->snd_una - conn->max_snd_wnd, ack) && tcp_le(ack, highest_sent(conn));
}

/* ---- §3.10.7.4, first: sequence number ---- */

/* RFC 7323 §5.5: there was none for so long that the peer's clock may have wrapped. */
static bool is_outdated(struct tn_self *self, const struct tcp_conn *conn)
{
    const uint32_t idle = 24u * 24 * 3600 * 1000; /* 24 days of milliseconds */
    return tcp_clock(self) - conn->ts_recent_at >= idle;
}

/* RFC 7323 §5.3 R1: a timestamp from the past. */
static bool is_old_timestamp(struct tn_self *self, const struct tcp_conn *conn, const struct tcp_segment *seg)
{
    return conn->flags & TCP_TS_RECENT && seg->has_timestamps && tcp_lt(seg->ts_value, conn->ts_recent) &&
           !is_outdated(self, conn);
}

/* RFC 7323 §4.3 (2) */
static void note_timestamp(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg)
{
    bool newer = tcp_le(conn->ts_recent, seg->ts_value) || is_outdated(self, conn);
    if (!seg->has_timestamps || !newer || !tcp_le(seg->seq, conn->last_ack_sent))
        return;
    conn->ts_recent = seg->ts_value;
    conn->ts_recent_at = tcp_clock(self);
}

TN_RARE static void refuse(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg,
                           enum tcp_drop reason)
{
    /* Data tells that the peer missed an acknowledgement, so it gets one; without data, peers could answer one another
     * for ever. */
    if (seg->len > 0)
        tcp_ack_now(self, conn);
    else
        tcp_ack_limited(self, conn);
    tn_drop(self, seg->packet, reason);
}

/* Timestamps come before sequence numbers (RFC 7323 §5.3). False: the segment is used up. */
static bool check_timestamps(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    if (!(conn->flags & TCP_TIMESTAMPS) || seg->flags & TN_TCP_RST)
        return true;
    if (!seg->has_timestamps && !(seg->flags & TN_TCP_SYN)) {
        tn_drop(self, seg->packet, TCP_DROP_NO_TIMESTAMP);
        return false;
    }
    if (is_old_timestamp(self, conn, seg)) {
        refuse(self, conn, seg, TCP_DROP_PAWS);
        return false;
    }
    return true;
}

/* RFC 2883 §4: what came again is reported. */
static void note_old_data(struct tcp_conn *conn, const struct tcp_segment *seg)
{
    if (!(conn->flags & TCP_SACK) || seg->len == 0 || !tcp_lt(seg->seq, conn->rcv_nxt))
        return;
    conn->dsack_start = seg->seq;
    conn->dsack_end = tcp_seq_min(seg->seq + seg->len, conn->rcv_nxt);
    conn->flags |= TCP_DSACK;
}

/* Data that came again because our acknowledgement got lost is not acceptable, but the peer measures its round-trip time by
 * the timestamp that the next acknowledgement echoes; the old one would be as old as its timeout. Its numbers must be as
 * near the right ones as those of a segment that is accepted (RFC 7323 §5.3 is wary of others' timestamps). */
static void note_old_timestamp(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg)
{
    bool near = seg->len > 0 && conn->rcv_nxt - seg->seq <= 0xffff;
    if (near && seg->flags & TN_TCP_ACK && ack_in_range(conn, seg->ack))
        note_timestamp(self, conn, seg);
}

/* The SYN that began this connection, again: our answer to it was lost. The RFC would have an ACK, which a peer in SYN-SENT
 * does not understand. */
static bool is_syn_again(const struct tcp_conn *conn, const struct tcp_segment *seg)
{
    return conn->state == TCP_ST_SYN_RECEIVED && seg->seq == conn->rcv_nxt - 1 &&
           (seg->flags & (TN_TCP_SYN | TN_TCP_ACK | TN_TCP_RST)) == TN_TCP_SYN;
}

static void answer_syn_again(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    tcp_ecn_take_syn(conn, seg); /* the peer may have fallen back (RFC 3168 §6.1.1.1) */
    if (tcp_ack_limited(self, conn)) {
        conn->flags &= ~TCP_ACK_NOW;
        conn->flags |= TCP_SYN_DUE | TCP_SYN_REPEATED;
    }
    tn_drop(self, seg->packet, TCP_DROP_SYN_AGAIN);
}

static void refuse_sequence(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    if (seg->flags & TN_TCP_RST) {
        tn_drop(self, seg->packet, TCP_DROP_RESET_OUT_OF_WINDOW);
        return;
    }
    note_old_data(conn, seg);
    note_old_timestamp(self, conn, seg);
    bool old = seg->len > 0 && tcp_le(seg->seq + seg->len, conn->rcv_nxt);
    refuse(self, conn, seg, old ? TCP_DROP_OLD_DATA : TCP_DROP_OUT_OF_WINDOW);
}

/* In a simultaneous open the peer's SYN-ACK repeats the SYN that we know: only its acknowledgement is new (A.2). */
static void strip_known_syn(const struct tcp_conn *conn, struct tcp_segment *seg)
{
    const uint8_t both = TN_TCP_SYN | TN_TCP_ACK;
    if (conn->state == TCP_ST_SYN_RECEIVED && (seg->flags & both) == both && seg->seq == conn->rcv_nxt - 1) {
        seg->seq++;
        seg->flags &= (uint8_t)~TN_TCP_SYN;
    }
}

/* Both sides probe a window at a time that is open after all: each has taken the other's octet, which neither counts as sent
 * (TCP_PROBED). So what acknowledges ours comes from one octet before the window, and so does what acknowledges the peer's:
 * if such segments were refused, that would go on for ever. */
static void advance_crossed_probe(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    const uint8_t others = TN_TCP_SYN | TN_TCP_FIN | TN_TCP_RST;
    if (!(conn->flags & TCP_PROBED) || seg->seq != conn->rcv_nxt - 1 || seg->ack != conn->snd_nxt + 1 ||
        seg->len > 1 || (seg->flags & (TN_TCP_ACK | others)) != TN_TCP_ACK)
        return;
    if (seg->len > 0) { /* the probe again: its answer has not been heard */
        tn_packet_trim(seg->packet, 0);
        seg->len = 0;
        tcp_ack_now(self, conn);
    }
    seg->seq++;
}

/* A window of zero takes no data, but acknowledgements of segments with data (§3.10.7.4: "special allowance"). */
static void strip_for_zero_window(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    bool carries = seg->len > 0 || seg->flags & TN_TCP_FIN;
    if (tcp_rcv_wnd(conn) > 0 || seg->seq != conn->rcv_nxt || !carries || seg->flags & TN_TCP_SYN)
        return;
    seg->len = 0;
    seg->flags &= (uint8_t)~TN_TCP_FIN;
    tn_packet_trim(seg->packet, 0);
    tcp_ack_now(self, conn);
}

/* Cuts off what lies outside the window: old data in front, too much behind, a FIN with it. */
static void trim_to_window(struct tcp_conn *conn, struct tcp_segment *seg)
{
    note_old_data(conn, seg);
    if (tcp_lt(seg->seq, conn->rcv_nxt)) {
        uint32_t old = tcp_min32(conn->rcv_nxt - seg->seq, seg->len);
        tn_packet_pull(seg->packet, old);
        seg->len -= old;
        seg->seq = conn->rcv_nxt;
    }
    if (tcp_lt(conn->rcv_adv, seg->seq + seg->len)) {
        seg->len = tcp_lt(seg->seq, conn->rcv_adv) ? conn->rcv_adv - seg->seq : 0;
        tn_packet_trim(seg->packet, seg->len);
        seg->flags &= (uint8_t)~TN_TCP_FIN;
    }
}

/* False: the segment is used up. */
static bool check_sequence(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    if (!check_timestamps(self, conn, seg))
        return false;
    strip_known_syn(conn, seg);
    advance_crossed_probe(self, conn, seg);
    strip_for_zero_window(self, conn, seg);
    if (is_syn_again(conn, seg)) {
        answer_syn_again(self, conn, seg);
        return false;
    }
    if (!tcp_acceptable(conn->rcv_nxt, tcp_rcv_wnd(conn), seg)) {
        refuse_sequence(self, conn, seg);
        return false;
    }
    note_timestamp(self, conn, seg);
    return true;
}

/* ---- Second: RST ---- */

TN_RARE static void challenge(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg,
                              enum tcp_drop reason)
{
    if (tcp_ack_limited(self, conn))
        tn_count(self, TCP_CHALLENGE_ACKS);
    tn_drop(self, seg->packet, reason);
}

/* RFC 5961 §3.2: only the exact sequence number resets. */
static void take_reset(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    if (seg->seq != conn->rcv_nxt) {
        challenge(self, conn, seg, TCP_DROP_RESET_CHALLENGED);
        return;
    }
    self->core->packet_free(self, seg->packet);
    tn_count(self, TCP_RESETS_IN);
    /* In CLOSING and LAST-ACK all had been said; nobody needs to be told of an error. */
    bool said = conn->state == TCP_ST_CLOSING || conn->state == TCP_ST_LAST_ACK;
    tcp_finish(self, conn, conn->state == TCP_ST_SYN_RECEIVED ? ECONNREFUSED : said ? 0 : ECONNRESET);
}

/* ---- Fourth: SYN ---- */

static void take_syn(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    challenge(self, conn, seg, TCP_DROP_SYN_CHALLENGED); /* RFC 5961 §4 */
}

/* ---- Fifth: ACK ---- */

/* False: the segment is used up, and perhaps the connection has ended. */
TN_APART static bool complete_handshake(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    if (!tcp_lt(conn->snd_una, seg->ack) || tcp_lt(conn->snd_nxt, seg->ack)) {
        tcp_reply_reset(self, seg);
        tn_drop(self, seg->packet, TCP_DROP_SYN_RECEIVED_ACK);
        return false;
    }
    conn->snd_una = seg->ack;
    tcp_establish(self, conn, seg);
    return true;
}

static bool take_ack(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    if (!(seg->flags & TN_TCP_ACK)) {
        tn_drop(self, seg->packet, TCP_DROP_NO_ACK);
        return false;
    }
    if (conn->state == TCP_ST_SYN_RECEIVED)
        return complete_handshake(self, conn, seg);
    if (!ack_in_range(conn, seg->ack)) {
        challenge(self, conn, seg, TCP_DROP_ACK_OUT_OF_RANGE);
        return false;
    }
    struct tn_packet *packet = seg->packet;
    if (!tcp_acknowledge(self, conn, seg)) {
        self->core->packet_free(self, packet);
        return false;
    }
    return true;
}

/* ---- The steps ---- */

/* False: the segment is used up, and perhaps the connection has ended. */
TN_APART static bool first_to_fourth(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    if (!check_sequence(self, conn, seg))
        return false;
    if (seg->flags & TN_TCP_RST) {
        take_reset(self, conn, seg);
        return false;
    }
    if (seg->flags & TN_TCP_SYN) {
        take_syn(self, conn, seg);
        return false;
    }
    trim_to_window(conn, seg);
    return true;
}

/* The next segment of an open connection, and all of it in the window: of the first four steps, only that for timestamps does
 * anything with it. */
static bool is_next(const struct tcp_conn *conn, const struct tcp_segment *seg)
{
    return conn->state == TCP_ST_ESTABLISHED && (seg->flags & ~TN_TCP_PSH) == TN_TCP_ACK &&
           seg->seq == conn->rcv_nxt && seg->len <= tcp_rcv_wnd(conn);
}

TN_FLAT static void input_synchronized(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    if (tcp_usual(is_next(conn, seg))) {
        if (!check_timestamps(self, conn, seg))
            return;
        note_timestamp(self, conn, seg);
    } else if (!first_to_fourth(self, conn, seg)) {
        return;
    }
    conn->probes_sent = 0; /* it has shown to be alive (§3.8.4) */
    tcp_ecn_receive(self, conn, seg);
    if (!take_ack(self, conn, seg))
        return;
    if (seg->user_timeout)
        tcp_uto_received(self, conn, seg->user_timeout);
    if (seg->flags & TN_TCP_URG) /* sixth */
        tcp_urgent_received(self, conn, seg->urgent_end);
    tcp_receive(self, conn, seg); /* seventh and eighth */
}

/* §3.10.7.1 */
static void input_closed(struct tn_self *self, struct tcp_segment *seg)
{
    if (seg->flags & TN_TCP_RST) {
        tn_drop(self, seg->packet, TCP_DROP_STRAY_RESET);
        return;
    }
    tcp_reply_reset(self, seg);
    tn_drop(self, seg->packet, TCP_DROP_NO_CONNECTION);
}

/* What is found by its four-tuple, but is no socket. Returns the connection that takes the segment, or NULL: it is used up. */
static struct tcp_conn *input_flow(struct tn_self *self, struct tn_flow *flow, struct tn_socket *listener,
                                   struct tcp_segment *seg)
{
    if (flow->kind == tcp_state(self)->half_open_kind)
        return tcp_input_half_open(self, (struct tcp_half_open *)(void *)flow, seg);
    struct tcp_time_wait *record = (struct tcp_time_wait *)(void *)flow;
    if (!listener || !tcp_time_wait_begins_anew(self, record, seg)) {
        tcp_input_time_wait(self, record, seg);
        return NULL;
    }
    uint32_t least_iss = tcp_time_wait_replace(self, record);
    return tcp_input_listen(self, listener, seg, &least_iss);
}

/* For no connection: perhaps for half of one, for what is left of one, or for a listener. */
static struct tcp_conn *input_unconnected(struct tn_self *self, struct tn_socket *listener,
                                          struct tcp_segment *seg)
{
    struct tn_flow *flow = self->core->flow_find(self, seg->packet);
    if (flow)
        return input_flow(self, flow, listener, seg);
    if (listener)
        return tcp_input_listen(self, listener, seg, NULL);
    input_closed(self, seg);
    return NULL;
}

static bool is_connection(struct tn_socket *sock)
{
    const struct tcp_conn *conn = sock ? tn_socket_state(sock) : NULL;
    return conn && conn->state > TCP_ST_LISTEN;
}

static void input_segment(struct tn_self *self, struct tcp_segment *seg)
{
    struct tn_socket *sock = self->core->socket_lookup(self, seg->packet);
    struct tcp_conn *conn = is_connection(sock) ? tn_socket_state(sock) : NULL;
    if (!conn) {
        bool listens = sock && ((struct tcp_conn *)tn_socket_state(sock))->state == TCP_ST_LISTEN;
        conn = input_unconnected(self, listens ? sock : NULL, seg);
        if (!conn)
            return;
    }
    conn->last_heard = tcp_clock(self);
    conn->cause = seg->packet->serial;
    if (conn->state == TCP_ST_SYN_SENT)
        tcp_input_syn_sent(self, conn, seg);
    else
        input_synchronized(self, conn, seg);
}

void tcp_input(struct tn_self *self, struct tn_packet *packet)
{
    tn_count(self, TCP_SEGMENTS_IN);
    struct tcp_segment seg = {.packet = packet};
    int reason = check_addresses(self, packet);
    if (reason < 0)
        reason = take_apart(self, packet, &seg);
    if (reason >= 0)
        tn_drop(self, packet, (unsigned)reason);
    else
        input_segment(self, &seg);
}
