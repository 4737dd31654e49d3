/* socket_options.h: TCP_NODELAY, TCP_INFO … (socket_options.c). */
#ifndef TENON_TCP_SOCKET_OPTIONS_H
#define TENON_TCP_SOCKET_OPTIONS_H

#include "tcp.h"

int tcp_set_option(struct tn_self *self, struct tn_socket *sock, int name, const void *value, socklen_t len);
int tcp_get_option(struct tn_self *self, struct tn_socket *sock, int name, void *value, socklen_t *len);

#endif
