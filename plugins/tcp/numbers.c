/* numbers.c: numbers that nobody outside can foretell: initial sequence numbers (RFC 6528) and offsets of timestamps. */
#include "numbers.h"

/* What a number depends on: the ends of the connection, and what it is for. No padding: it is hashed. */
struct subject {
    struct tn_addr local;
    struct tn_addr remote;
    uint16_t local_port;
    uint16_t remote_port;
    uint16_t vrf;
    uint16_t use;
};

enum {
    USE_ISN,
    USE_TIMESTAMP,
};

struct tcp_ends tcp_socket_ends(const struct tn_socket *sock)
{
    return (struct tcp_ends){
        .local = sock->local,
        .remote = sock->remote,
        .local_port = sock->local_port,
        .remote_port = sock->remote_port,
        .vrf = sock->vrf,
        .family = sock->family,
    };
}

struct tcp_ends tcp_packet_ends(const struct tn_packet *packet)
{
    return (struct tcp_ends){
        .local = packet->dst,
        .remote = packet->src,
        .local_port = packet->dst_port,
        .remote_port = packet->src_port,
        .vrf = packet->vrf,
        .family = packet->family,
    };
}

struct tcp_ends tcp_flow_ends(struct tn_self *self, const struct tn_flow *flow)
{
    struct tcp_ends ends = {
        .local_port = flow->local_port,
        .remote_port = flow->remote_port,
        .vrf = flow->vrf,
        .family = flow->family,
    };
    self->core->flow_ends(self, flow, &ends.local, &ends.remote);
    return ends;
}

static uint32_t number_of(struct tn_self *self, const struct tcp_ends *ends, uint16_t use)
{
    const struct subject subject = {
        .local = ends->local,
        .remote = ends->remote,
        .local_port = ends->local_port,
        .remote_port = ends->remote_port,
        .vrf = ends->vrf,
        .use = use,
    };
    return (uint32_t)self->core->keyed_hash(self, &subject, sizeof(subject));
}

uint32_t tcp_initial_sequence(struct tn_self *self, const struct tcp_ends *ends)
{
    return (uint32_t)(tn_now(self) / (4 * TN_USEC)) + number_of(self, ends, USE_ISN);
}

uint32_t tcp_timestamp_offset(struct tn_self *self, const struct tcp_ends *ends)
{
    return number_of(self, ends, USE_TIMESTAMP);
}
