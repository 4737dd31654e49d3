/* close.h: FIN, reset, abort (close.c). */
#ifndef TENON_TCP_CLOSE_H
#define TENON_TCP_CLOSE_H

#include "connection.h"

/* The user will send no more: a FIN follows what is queued (§3.10.4). */
void tcp_close_send(struct tn_self *self, struct tcp_conn *conn);
/* transport->close: the user is done with the socket. The record may be gone afterwards. */
void tcp_close(struct tn_self *self, struct tn_socket *sock, bool abort);
/* Resets the connection and ends it with `error`. The record is gone afterwards. */
void tcp_abort(struct tn_self *self, struct tcp_conn *conn, int error);
/* Our FIN was acknowledged. False: the connection has ended, the record is gone. */
bool tcp_fin_acked(struct tn_self *self, struct tcp_conn *conn);
/* The peer's FIN is next in order: moves beyond it. */
void tcp_fin_received(struct tn_self *self, struct tcp_conn *conn);

#endif
