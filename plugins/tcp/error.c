/* error.c: news from the network about segments that this side sent (ICMP; §3.9.2.2).
 *
 * Anybody can send such news: it counts only if the sequence number that it quotes is in flight (RFC 5927 §4.1). Hard
 * errors end a connection that is being opened; an open one survives all of them (RFC 5461 §4.1; 9293 SHLD-26 would end
 * it). */
#include "input.h"
#include "listen.h"
#include "pmtu.h"

static bool in_flight(const struct tcp_conn *conn, uint32_t seq)
{
    return tcp_le(conn->snd_una, seq) && tcp_lt(seq, conn->snd_nxt);
}

static bool is_being_opened(const struct tcp_conn *conn)
{
    return conn->state == TCP_ST_SYN_SENT || conn->state == TCP_ST_SYN_RECEIVED;
}

/* A hard error about a SYN-ACK, whose number nobody else can know, ends a half-open connection without a word. */
static void flow_error(struct tn_self *self, struct tn_flow *flow, const struct tn_net_error *error,
                       uint32_t seq)
{
    struct tcp_half_open *half = (struct tcp_half_open *)(void *)flow;
    if (flow->kind == tcp_state(self)->half_open_kind && error->hard && error->error != EMSGSIZE &&
        seq == half->iss)
        tcp_half_open_free(self, half);
}

void tcp_error(struct tn_self *self, const struct tn_net_error *error)
{
    struct tn_cursor quote = error->quote;
    uint16_t src_port = tn_read16(&quote);
    uint16_t dst_port = tn_read16(&quote);
    uint32_t seq = tn_read32(&quote);
    if (quote.failed)
        return;
    struct tn_socket *sock = self->core->socket_lookup_tuple(self, error->family, error->vrf, &error->src,
                                                             src_port, &error->dst, dst_port);
    if (!sock) {
        struct tn_flow *flow = self->core->flow_find_tuple(self, error->family, error->vrf, &error->src,
                                                           src_port, &error->dst, dst_port);
        if (flow)
            flow_error(self, flow, error, seq);
        return;
    }
    struct tcp_conn *conn = tn_socket_state(sock);
    if (conn->state < TCP_ST_SYN_SENT || !in_flight(conn, seq))
        return;
    if (error->error == EMSGSIZE) {
        tcp_pmtu_too_big(self, conn, seq, error);
        self->core->path_mtu(self, error); /* others that send there need not lose a packet to learn it */
    } else if (error->hard && is_being_opened(conn)) {
        tcp_finish(self, conn, error->error);
    } else {
        tn_count(self, TCP_SOFT_ERRORS);
        self->core->socket_soft_error(self, sock, error->error);
    }
}
