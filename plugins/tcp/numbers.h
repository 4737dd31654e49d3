/* numbers.h: the ends of a connection, and the numbers that only they and a secret tell (numbers.c). */
#ifndef TENON_TCP_NUMBERS_H
#define TENON_TCP_NUMBERS_H

#include "tcp.h"

/* A connection's two ends. */
struct tcp_ends {
    struct tn_addr local;
    struct tn_addr remote;
    uint16_t local_port;
    uint16_t remote_port;
    uint16_t vrf;
    uint8_t family;
};

struct tcp_ends tcp_socket_ends(const struct tn_socket *sock);
struct tcp_ends tcp_packet_ends(const struct tn_packet *packet); /* of one that was received */
struct tcp_ends tcp_flow_ends(struct tn_self *self, const struct tn_flow *flow);
/* RFC 6528 §3: ISN = M + F(localip, localport, remoteip, remoteport, secretkey), M a clock of 4 microseconds. */
uint32_t tcp_initial_sequence(struct tn_self *self, const struct tcp_ends *ends);
/* What is added to tcp_clock() in timestamps, not the same for all connections (RFC 7323 §5.4). */
uint32_t tcp_timestamp_offset(struct tn_self *self, const struct tcp_ends *ends);

#endif
