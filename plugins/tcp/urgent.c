/* urgent.c: urgent data (§3.8.5).
 *
 * Urgent data is data like all other, only that a pointer runs before it: "hurry to here". New programs should not use it
 * (SHLD-13). Each side remembers one pointer, the latest: to the octet after the last urgent one (MUST-62). The user is told
 * when it comes and when it moves on (MUST-32), reads up to the last urgent octet and no further in one call (MUST-33), and gets
 * that one by MSG_OOB, or among the others where SO_OOBINLINE is set, as BSD made it and everybody has it. */
#include "urgent.h"

/* ---- Sending ---- */

bool tcp_urgent_pending(struct tcp_conn *conn)
{
    struct tcp_rare *rare = conn->rare;
    if (!rare || !rare->sends_urgent)
        return false;
    rare->sends_urgent = tcp_lt(conn->snd_una, rare->snd_up);
    return rare->sends_urgent;
}

void tcp_urgent_send(struct tcp_conn *conn, struct tcp_header *header)
{
    if (!tcp_urgent_pending(conn) || !tcp_lt(header->seq, conn->rare->snd_up))
        return;
    header->flags |= TN_TCP_URG;
    /* Of more than the field can tell, it tells as much as it can; the pointer moves on with the segments (MUST-31). */
    header->urgent = (uint16_t)tcp_min32(conn->rare->snd_up - header->seq, UINT16_MAX);
}

void tcp_urgent_sent(struct tn_self *self, struct tn_socket *sock)
{
    struct tcp_conn *conn = tn_socket_state(sock);
    struct tcp_rare *rare = tcp_rare(self, conn);
    if (!rare)
        return; /* it goes as data like all other */
    rare->snd_up = tcp_data_end(conn);
    rare->sends_urgent = true;
    if (conn->snd_wnd == 0) /* the peer is to hear of it all the same: it is what may open the window */
        tcp_ack_now(self, conn);
}

/* ---- Receiving ---- */

/* Sequence number of what the user reads next. */
static uint32_t user_seq(struct tcp_conn *conn)
{
    bool fin = conn->flags & TCP_FIN_HELD && tcp_lt(conn->rcv_fin, conn->rcv_nxt);
    return conn->rcv_nxt - (fin ? 1 : 0) - tcp_socket(conn)->rx.bytes;
}

void tcp_urgent_received(struct tn_self *self, struct tcp_conn *conn, uint32_t up)
{
    struct tn_socket *sock = tcp_socket(conn);
    if (!tcp_lt(user_seq(conn), up) || sock->flags & TN_SOCK_CLOSED)
        return; /* behind what was read */
    if (conn->rare && conn->rare->hears_urgent && tcp_le(up, conn->rare->rcv_up))
        return;
    struct tcp_rare *rare = tcp_rare(self, conn);
    if (!rare)
        return;
    rare->rcv_up = up;
    rare->hears_urgent = true;
    rare->octet_known = false;
    rare->octet_taken = false;
    tn_count(self, TCP_URGENT_IN);
    self->core->socket_urgent(self, sock);
}

int64_t tcp_urgent_mark(struct tn_self *self, struct tn_socket *sock)
{
    struct tcp_conn *conn = tn_socket_state(sock);
    struct tcp_rare *rare = conn->rare;
    if (!rare || !rare->hears_urgent)
        return -1;
    int32_t ahead = (int32_t)(rare->rcv_up - 1 - user_seq(conn));
    if (ahead < 0)
        rare->hears_urgent = false;
    return ahead;
}

/* The octet at `offset` of the receive queue; false if it has not come yet. */
static bool octet_at(struct tn_self *self, const struct tn_socket *sock, uint32_t offset, uint8_t *octet)
{
    const struct tn_packet *packet = sock->rx.head;
    while (packet && offset >= packet->total) {
        offset -= packet->total;
        packet = packet->next;
    }
    return packet && self->core->packet_read(packet, offset, octet, 1) == 1;
}

int tcp_urgent_take(struct tn_self *self, struct tn_socket *sock, enum tn_urgent how, uint8_t *octet)
{
    struct tcp_conn *conn = tn_socket_state(sock);
    struct tcp_rare *rare = conn->rare;
    int64_t mark = tcp_urgent_mark(self, sock);
    if (!rare || (mark < 0 && !rare->octet_known) || (rare->octet_taken && how != TN_URGENT_PASS))
        return -EINVAL;
    if (mark >= 0 && !octet_at(self, sock, (uint32_t)mark, &rare->octet))
        return sock->flags & TN_SOCK_EOF ? 0 : -EAGAIN;
    rare->octet_known = how == TN_URGENT_PASS;
    if (how == TN_URGENT_PASS)
        return 0;
    *octet = rare->octet;
    rare->octet_taken = how == TN_URGENT_TAKE;
    rare->octet_known = mark < 0 && how == TN_URGENT_PEEK;
    return 1;
}
