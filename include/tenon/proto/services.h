/* services.h: well-known ports of the small services (RFC 862 to 868), and how they keep from answering each
 * other. */
#ifndef TENON_PROTO_SERVICES_H
#define TENON_PROTO_SERVICES_H

#include "tenon/packet.h"
#include "tenon/socket.h"

#define TN_PORT_ECHO    7
#define TN_PORT_DISCARD 9
#define TN_PORT_DAYTIME 13
#define TN_PORT_QUOTE   17
#define TN_PORT_CHARGEN 19
#define TN_PORT_TIME    37

/* Whether a datagram from this port may come from a service that answers whatever it is sent. */
static inline bool tn_port_answers(uint16_t port)
{
    return port == TN_PORT_ECHO || port == TN_PORT_DAYTIME || port == TN_PORT_QUOTE ||
           port == TN_PORT_CHARGEN || port == TN_PORT_TIME;
}

/* Whether a service that answers every datagram should leave `packet`, received on `sock`, alone:
 *   - it comes from a service that would answer the answer, and so on without end: two such services need one
 *     forged datagram to keep each other busy;
 *   - it was sent to everybody: one datagram would call forth a hundred;
 *   - it comes from port 0: no answer is wanted (RFC 768). */
static inline bool tn_must_not_answer(const struct tn_socket *sock, const struct tn_packet *packet)
{
    return (packet->flags & (TN_PKT_BROADCAST | TN_PKT_MULTICAST)) || packet->src_port == 0 ||
           packet->src_port == sock->local_port || tn_port_answers(packet->src_port);
}

#endif
