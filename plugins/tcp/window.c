/* window.c: the window that is offered to the peer.
 *
 * The right edge (rcv_adv) never recedes (SHLD-14), and moves only by steps worth a segment (MUST-39). The field of the
 * header counts in units of 2^rcv_scale octets, so the edge lands on the unit: rounded down where it advances, up where
 * it stays. A peer that sends octet by octet could push it out by rounding; beyond an eighth of the buffer it is
 * rounded down then, which RFC 7323 §2.4 allows.
 *
 * Buffers grow while they are what limits a transfer, from receive-buffer and send-buffer to receive-buffer-max and
 * send-buffer-max, unless the user set them. Receiving: a sender can send a buffer's worth in a round-trip time; if the user
 * takes more than half of the buffer in one, it is (nearly) the buffer that holds the sender back. Sending: the queue must hold
 * what is in flight, and as much again to follow it. Where half of the stack's packets are in use, buffers that grew are
 * halved, step by step, so that many connections share what there is. Where packets are scarce, a peer whose data lies
 * unread is not offered more; what was offered before cannot be taken back, so more of it may be dropped (receive.c). */
#include "window.h"
#include "segment.h"

#define FIELD_MAX 65535u

/* What the receive buffer may grow to. */
static uint32_t receive_most(const struct tn_self *self, const struct tn_socket *sock)
{
    uint32_t most = (uint32_t)tcp_options(self)->receive_buffer_max;
    return sock->flags & TN_SOCK_RCVBUF_SET ? sock->rcvbuf : tcp_max32(sock->rcvbuf, most);
}

uint8_t tcp_window_shift(const struct tn_self *self, const struct tn_socket *sock)
{
    uint8_t shift = 0;
    uint32_t most = receive_most(self, sock);
    while (shift < TN_TCP_WINDOW_SCALE_MAX && FIELD_MAX << shift < most)
        shift++;
    return shift;
}

/* The edge that the room in the buffer allows, and that in the stack. */
static uint32_t room_edge(struct tn_self *self, const struct tcp_conn *conn)
{
    const struct tn_socket *sock = tn_socket_of((void *)conn);
    if (sock->rx.bytes > 0 && self->core->packets_scarce(self))
        return conn->rcv_adv;
    return conn->rcv_nxt + tcp_min32(tn_socket_rx_room(sock), FIELD_MAX << conn->rcv_scale);
}

/* §3.8.6.2.2: what the edge must move by at least. */
static uint32_t least_step(const struct tcp_conn *conn)
{
    const struct tn_socket *sock = tn_socket_of((void *)conn);
    return tcp_max32(1, tcp_min32(sock->rcvbuf / 2, conn->mss));
}

static bool advances(const struct tcp_conn *conn, uint32_t edge)
{
    return tcp_le(conn->rcv_adv + least_step(conn), edge);
}

/* `edge`: the one that there is room for. */
static bool edge_is_far_out(const struct tcp_conn *conn, uint32_t edge)
{
    const struct tn_socket *sock = tn_socket_of((void *)conn);
    return tcp_lt(edge + sock->rcvbuf / 8, conn->rcv_adv);
}

static uint32_t window_units(struct tn_self *self, const struct tcp_conn *conn)
{
    uint32_t unit = 1u << conn->rcv_scale;
    uint32_t edge = room_edge(self, conn);
    if (advances(conn, edge)) {
        uint32_t units = (edge - conn->rcv_nxt) >> conn->rcv_scale;
        if (tcp_le(conn->rcv_adv, conn->rcv_nxt + units * unit))
            return units;
    }
    uint32_t rounding = edge_is_far_out(conn, edge) ? 0 : unit - 1;
    return (tcp_rcv_wnd(conn) + rounding) >> conn->rcv_scale;
}

uint16_t tcp_window_offer(struct tn_self *self, struct tcp_conn *conn, bool syn)
{
    if (syn) { /* never scaled (RFC 7323 §2.2) */
        uint32_t window = tcp_min32(tn_socket_rx_room(tcp_socket(conn)), FIELD_MAX);
        conn->rcv_adv = conn->rcv_nxt + window;
        return (uint16_t)window;
    }
    uint32_t units = tcp_min32(window_units(self, conn), FIELD_MAX);
    conn->rcv_adv = tcp_seq_max(conn->rcv_adv, conn->rcv_nxt + (units << conn->rcv_scale));
    return (uint16_t)units;
}

bool tcp_window_update_due(struct tn_self *self, const struct tcp_conn *conn)
{
    const struct tn_socket *sock = tn_socket_of((void *)conn);
    uint32_t edge = room_edge(self, conn);
    if (!advances(conn, edge))
        return false;
    /* A peer that has window left will be told with the next acknowledgement; one that waits for it must be told. */
    return tcp_rcv_wnd(conn) < 2u * conn->mss || edge - conn->rcv_adv >= sock->rcvbuf / 4;
}

/* ---- Buffers that grow ---- */

static uint32_t microseconds(struct tn_self *self)
{
    return (uint32_t)(tn_now(self) / TN_USEC);
}

void tcp_measure_data(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg)
{
    uint32_t rtt = conn->srtt; /* of the handshake, or of what we sent lately */
    if (conn->flags & TCP_TIMESTAMPS && seg->has_timestamps) {
        uint32_t ms = tcp_clock(self) + conn->ts_offset - seg->ts_echo;
        if (ms > 0 && ms < 60000) /* below the clock's tick, srtt knows better */
            rtt = ms * 1000;
    }
    rtt = tcp_max32(rtt, 1);
    if (conn->rcv_rtt == 0) { /* the first data */
        conn->taken_seq = seg->seq;
        conn->taken_at = microseconds(self);
    }
    /* The least counts: a peer that had nothing to send echoes an old timestamp. But paths change. */
    if (conn->rcv_rtt == 0 || rtt < conn->rcv_rtt)
        conn->rcv_rtt = rtt;
    else
        conn->rcv_rtt += (tcp_min32(rtt, 2 * conn->rcv_rtt) - conn->rcv_rtt) / 8;
}

/* What a buffer should be that is `size` now, began with `least`, and would grow to `wanted` for the connection's sake. */
static uint32_t tuned(struct tn_self *self, uint32_t size, int64_t least, uint32_t wanted)
{
    bool grown = size > (uint32_t)least;
    if (!grown && wanted <= size)
        return size; /* as it is for most: nobody need be asked */
    if (!self->core->packets_pressed(self))
        return tcp_max32(size, wanted);
    return grown ? tcp_max32(size / 2, (uint32_t)least) : size;
}

void tcp_tune_receive(struct tn_self *self, struct tcp_conn *conn)
{
    struct tn_socket *sock = tcp_socket(conn);
    uint32_t now = microseconds(self), elapsed = now - conn->taken_at;
    if (sock->flags & TN_SOCK_RCVBUF_SET || conn->rcv_rtt == 0 || elapsed < conn->rcv_rtt)
        return;
    uint32_t seq = conn->rcv_nxt - sock->rx.bytes;
    uint64_t taken = (uint64_t)(seq - conn->taken_seq) * conn->rcv_rtt / elapsed;
    conn->taken_seq = seq;
    conn->taken_at = now;
    uint32_t wanted = 0;
    if (2 * taken > sock->rcvbuf) /* four times that: the sender may double its window in each round trip */
        wanted = (uint32_t)tn_min(receive_most(self, sock), 4 * taken);
    sock->rcvbuf = tuned(self, sock->rcvbuf, tcp_options(self)->receive_buffer, wanted);
}

void tcp_tune_send(struct tn_self *self, struct tcp_conn *conn)
{
    struct tn_socket *sock = tcp_socket(conn);
    uint32_t most = (uint32_t)tcp_options(self)->send_buffer_max;
    if (sock->flags & TN_SOCK_SNDBUF_SET)
        return;
    uint32_t wanted = 0;
    if (conn->cwnd > sock->sndbuf / 2 && sock->sndbuf < most && conn->cwnd < conn->snd_wnd * 2)
        wanted = tcp_min32(most, tcp_min32(conn->cwnd, most / 2) * 2);
    sock->sndbuf = tuned(self, sock->sndbuf, tcp_options(self)->send_buffer, wanted);
}
