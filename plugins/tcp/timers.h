/* timers.h: what happens when nothing happens (timers.c). */
#ifndef TENON_TCP_TIMERS_H
#define TENON_TCP_TIMERS_H

#include "connection.h"

void tcp_timer(struct tn_self *self, struct tn_timer *timer);
/* Keep-alive (re)starts: the connection is established, or its options were changed. */
void tcp_start_keepalive(struct tn_self *self, struct tcp_conn *conn);

#endif
