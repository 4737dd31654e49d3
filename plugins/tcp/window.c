/* window.c: the window that is offered to the peer.
 *
 * The right edge (rcv_adv) never recedes (SHLD-14), and moves only by steps worth a segment (MUST-39). The field of the
 * header counts in units of 2^rcv_scale octets, so the edge lands on the unit: rounded down where it advances, up where
 * it stays. A peer that sends octet by octet could push it out by rounding; beyond an eighth of the buffer it is
 * rounded down then, which RFC 7323 §2.4 allows. */
#include "tcp.h"

#define FIELD_MAX 65535u

uint8_t tcp_window_shift(const struct tn_socket *sock)
{
    uint8_t shift = 0;
    while (shift < TN_TCP_WINDOW_SCALE_MAX && FIELD_MAX << shift < sock->rcvbuf)
        shift++;
    return shift;
}

/* The edge that the room in the buffer allows. */
static uint32_t room_edge(const struct tcp_conn *conn)
{
    const struct tn_socket *sock = tn_socket_of((void *)conn);
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

static bool edge_is_far_out(const struct tcp_conn *conn)
{
    const struct tn_socket *sock = tn_socket_of((void *)conn);
    return tcp_lt(room_edge(conn) + sock->rcvbuf / 8, conn->rcv_adv);
}

static uint32_t window_units(const struct tcp_conn *conn)
{
    uint32_t unit = 1u << conn->rcv_scale;
    uint32_t edge = room_edge(conn);
    if (advances(conn, edge)) {
        uint32_t units = (edge - conn->rcv_nxt) >> conn->rcv_scale;
        if (tcp_le(conn->rcv_adv, conn->rcv_nxt + units * unit))
            return units;
    }
    uint32_t rounding = edge_is_far_out(conn) ? 0 : unit - 1;
    return (tcp_rcv_wnd(conn) + rounding) >> conn->rcv_scale;
}

uint16_t tcp_window_offer(struct tcp_conn *conn, bool syn)
{
    if (syn) { /* never scaled (RFC 7323 §2.2) */
        uint32_t window = tcp_min32(tn_socket_rx_room(tcp_socket(conn)), FIELD_MAX);
        conn->rcv_adv = conn->rcv_nxt + window;
        return (uint16_t)window;
    }
    uint32_t units = tcp_min32(window_units(conn), FIELD_MAX);
    conn->rcv_adv = tcp_seq_max(conn->rcv_adv, conn->rcv_nxt + (units << conn->rcv_scale));
    return (uint16_t)units;
}

bool tcp_window_update_due(const struct tcp_conn *conn)
{
    const struct tn_socket *sock = tn_socket_of((void *)conn);
    uint32_t edge = room_edge(conn);
    if (!advances(conn, edge))
        return false;
    /* A peer that has window left will be told with the next acknowledgement; one that waits for it must be told. */
    return tcp_rcv_wnd(conn) < 2u * conn->mss || edge - conn->rcv_adv >= sock->rcvbuf / 4;
}
