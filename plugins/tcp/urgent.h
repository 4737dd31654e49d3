/* urgent.h: urgent data (urgent.c). */
#ifndef TENON_TCP_URGENT_H
#define TENON_TCP_URGENT_H

#include "connection.h"
#include "segment.h"

/* Whether urgent data is not acknowledged yet. */
bool tcp_urgent_pending(struct tcp_conn *conn);
/* The urgent pointer of a segment that is being sent, if there is one. */
void tcp_urgent_send(struct tcp_conn *conn, struct tcp_header *header);
/* A segment in the window tells of urgent data that ends before `up`. */
void tcp_urgent_received(struct tn_self *self, struct tcp_conn *conn, uint32_t up);
/* transport->urgent_sent, urgent_mark, urgent_take */
void tcp_urgent_sent(struct tn_self *self, struct tn_socket *sock);
int64_t tcp_urgent_mark(struct tn_self *self, struct tn_socket *sock);
int tcp_urgent_take(struct tn_self *self, struct tn_socket *sock, enum tn_urgent how, uint8_t *octet);

#endif
