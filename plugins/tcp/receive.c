/* receive.c: the peer's data and its FIN: §3.10.7.4, seventh and eighth; when to acknowledge them (§3.8.6.3). */
#include "close.h"
#include "input.h"
#include "reassembly.h"
#include "window.h"

static bool takes_data(uint8_t state)
{
    return state == TCP_ST_ESTABLISHED || state == TCP_ST_FIN_WAIT_1 || state == TCP_ST_FIN_WAIT_2;
}

/* RFC 5681 §4.2: at least every second full-sized segment, and at once where data fills a gap. The first data of a
 * connection too: a sender in slow start waits for it. */
static void owe_ack(struct tn_self *self, struct tcp_conn *conn, uint32_t octets, bool filled_gap)
{
    conn->unacked += octets;
    if (filled_gap || !(conn->flags & TCP_DATA_ACKED) || conn->unacked >= 2u * conn->rcv_mss)
        conn->flags |= TCP_ACK_NOW;
    else
        conn->flags |= TCP_ACK_LATER;
    conn->flags |= TCP_DATA_ACKED;
    tcp_schedule(self, conn);
}

/* While packets are scarce, a queue that its user does not empty must not grow. */
static bool must_wait(struct tn_self *self, struct tcp_conn *conn)
{
    return tcp_socket(conn)->rx.bytes > 0 && self->core->packets_scarce(self);
}

/* Payload of each of the segments that came as one packet. */
static uint32_t segment_size(const struct tcp_segment *seg)
{
    return seg->packet->gso == TN_GSO_NONE ? seg->len : tcp_min32(seg->len, seg->packet->gso_size);
}

static void take_in_order(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    if (must_wait(self, conn)) {
        tn_drop(self, seg->packet, TCP_DROP_NO_PACKETS);
        tcp_ack_now(self, conn);
        return;
    }
    uint32_t octets = seg->len, size = segment_size(seg);
    conn->rcv_mss = (uint16_t)tn_min(tn_max(conn->rcv_mss, size), UINT16_MAX);
    tcp_measure_data(self, conn, seg);
    tcp_deliver(self, conn, seg->packet);
    bool filled_gap = conn->reassembly != NULL;
    if (filled_gap)
        octets += tcp_reassembly_deliver(self, conn);
    owe_ack(self, conn, octets, filled_gap);
}

static void take_out_of_order(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    uint32_t segments = (seg->len - 1) / segment_size(seg) + 1;
    if (tcp_reassembly_keep(self, conn, seg))
        tn_count(self, TCP_OUT_OF_ORDER);
    conn->dup_acks_due = (uint16_t)tcp_min32(conn->dup_acks_due + segments, UINT8_MAX);
    tcp_ack_now(self, conn);
}

/* Cuts off what lies beyond the peer's own FIN; false if that is all of it. */
static bool trim_to_fin(struct tcp_conn *conn, struct tcp_segment *seg)
{
    if (!(conn->flags & TCP_FIN_HELD) || tcp_le(seg->seq + seg->len, conn->rcv_fin))
        return true;
    if (tcp_le(conn->rcv_fin, seg->seq))
        return false;
    seg->len = conn->rcv_fin - seg->seq;
    tn_packet_trim(seg->packet, seg->len);
    return true;
}

static void take_data(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    if (seg->len == 0 || !takes_data(conn->state))
        self->core->packet_free(self, seg->packet);
    else if (!trim_to_fin(conn, seg))
        tn_drop(self, seg->packet, TCP_DROP_BEYOND_FIN);
    else if (seg->seq == conn->rcv_nxt)
        take_in_order(self, conn, seg);
    else
        take_out_of_order(self, conn, seg);
}

/* A FIN may come before data that it follows: it is remembered. One before data that has come is nonsense. */
static void hold_fin(struct tcp_conn *conn, const struct tcp_segment *seg)
{
    if (!(seg->flags & TN_TCP_FIN) || conn->flags & TCP_FIN_HELD || !takes_data(conn->state))
        return;
    uint32_t at = seg->seq + seg->len;
    if (tcp_lt(at, tcp_reassembly_end(conn)))
        return;
    conn->flags |= TCP_FIN_HELD;
    conn->rcv_fin = at;
}

/* Data that comes next, without a FIN, for a user who is there. */
static bool is_next_data(struct tcp_conn *conn, const struct tcp_segment *seg)
{
    return seg->len > 0 && conn->state == TCP_ST_ESTABLISHED && seg->seq == conn->rcv_nxt &&
           !(seg->flags & TN_TCP_FIN) && !(conn->flags & TCP_FIN_HELD) &&
           !(tcp_socket(conn)->flags & TN_SOCK_CLOSED);
}

TN_APART static void receive_other(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    /* SHLD-3: data for a user who will not read it. */
    if (seg->len > 0 && takes_data(conn->state) && tcp_socket(conn)->flags & TN_SOCK_CLOSED) {
        tn_drop(self, seg->packet, TCP_DROP_AFTER_CLOSE);
        tcp_abort(self, conn, ECONNRESET);
        return;
    }
    hold_fin(conn, seg);
    bool fin_only = seg->flags & TN_TCP_FIN && seg->len == 0;
    take_data(self, conn, seg);
    if (!(conn->flags & TCP_FIN_HELD) || !takes_data(conn->state))
        return;
    if (conn->rcv_nxt == conn->rcv_fin)
        tcp_fin_received(self, conn);
    else if (fin_only)
        tcp_ack_now(self, conn); /* out of order */
}

void tcp_receive(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    if (tcp_usual(is_next_data(conn, seg)))
        take_in_order(self, conn, seg);
    else
        receive_other(self, conn, seg);
}

void tcp_user_received(struct tn_self *self, struct tn_socket *sock)
{
    struct tcp_conn *conn = tn_socket_state(sock);
    tcp_tune_receive(self, conn);
    if (takes_data(conn->state) && tcp_window_update_due(self, conn))
        tcp_ack_now(self, conn);
}
