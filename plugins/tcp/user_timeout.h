/* user_timeout.h: what the two ends tell each other of their patience (user_timeout.c). */
#ifndef TENON_TCP_USER_TIMEOUT_H
#define TENON_TCP_USER_TIMEOUT_H

#include "connection.h"
#include "segment.h"

/* Writes the option into a SYN of the connection's or, of a listener, into a SYN-ACK; returns its length, or 0. */
size_t tcp_uto_write_syn(struct tn_self *self, const struct tcp_conn *conn, uint8_t *to);
/* … into another segment, if it is due. There is a record (conn->rare). */
size_t tcp_uto_write(struct tn_self *self, struct tcp_conn *conn, uint8_t *to);
/* The handshake is complete. */
void tcp_uto_established(struct tn_self *self, struct tcp_conn *conn);
/* An acceptable segment carries the option. */
void tcp_uto_received(struct tn_self *self, struct tcp_conn *conn, uint16_t value);
/* The user sets one of TN_TCP_UTO…, or TCP_USER_TIMEOUT. There is a record. */
void tcp_uto_set(struct tn_self *self, struct tcp_conn *conn, int name, int n);
/* … asks for one; -ENOPROTOOPT: there is no such option. */
int tcp_uto_get(struct tn_self *self, const struct tcp_conn *conn, int name, int *n);

#endif
