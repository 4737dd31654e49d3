/* input.h: what arrives (acknowledge.c, receive.c, handshake.c, error.c, input.c). */
#ifndef TENON_TCP_INPUT_H
#define TENON_TCP_INPUT_H

#include "connection.h"
#include "segment.h"

/* ---- acknowledge.c ---- */

/* The segment's acknowledgement, SACK blocks and window, in a state from ESTABLISHED on. False: the connection has ended,
 * the record is gone. */
bool tcp_acknowledge(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg);
/* Takes the window that the segment offers. */
void tcp_take_window(struct tcp_conn *conn, const struct tcp_segment *seg);

/* ---- receive.c ---- */

/* The segment's data and FIN. Consumes the packet. The record may be gone afterwards. */
void tcp_receive(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg);
/* transport->received: the user took data. */
void tcp_user_received(struct tn_self *self, struct tn_socket *sock);

/* ---- handshake.c ---- */

/* transport->connect: an active OPEN. */
int tcp_connect(struct tn_self *self, struct tn_socket *sock);
/* What an active and a passive OPEN have in common. The socket's addresses and ports are set. */
void tcp_begin(struct tn_self *self, struct tcp_conn *conn, uint32_t iss);
/* A segment for a connection in SYN-SENT. Consumes it. */
void tcp_input_syn_sent(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg);
/* The handshake is complete: ESTABLISHED. `seg` acknowledged our SYN; snd_una has moved. */
void tcp_establish(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg);

/* ---- error.c ---- */

void tcp_error(struct tn_self *self, const struct tn_net_error *error);

/* ---- input.c ---- */

/* The input for IP protocol 6. */
void tcp_input(struct tn_self *self, struct tn_packet *packet);

#endif
