/* window.h: the window that is offered to the peer (window.c). */
#ifndef TENON_TCP_WINDOW_H
#define TENON_TCP_WINDOW_H

#include "connection.h"

struct tcp_segment;

/* Octets of window offered now. */
static inline uint32_t tcp_rcv_wnd(const struct tcp_conn *conn)
{
    return tcp_lt(conn->rcv_nxt, conn->rcv_adv) ? conn->rcv_adv - conn->rcv_nxt : 0;
}

/* The shift that this side asks for (RFC 7323 §2.2). */
uint8_t tcp_window_shift(const struct tn_self *self, const struct tn_socket *sock);
/* The window field of a segment that is being sent; moves rcv_adv. */
uint16_t tcp_window_offer(struct tn_self *self, struct tcp_conn *conn, bool syn);
/* Whether the window has grown so much that the peer should be told. */
bool tcp_window_update_due(struct tn_self *self, const struct tcp_conn *conn);
/* A segment with data came in order: measures the round-trip time by it. */
void tcp_measure_data(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg);
/* The user took data: perhaps the receive buffer grows. */
void tcp_tune_receive(struct tn_self *self, struct tcp_conn *conn);
/* Data is about to be sent: perhaps the send buffer grows. */
void tcp_tune_send(struct tn_self *self, struct tcp_conn *conn);

#endif
