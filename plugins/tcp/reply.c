/* reply.c: segments that no socket sends: resets to strangers, and what half-open and waiting connections say. */
#include "reply.h"

bool tcp_reply_route(struct tn_self *self, struct tcp_reply *reply)
{
    reply->path = (struct tn_path){.kind = TN_PATH_NONE};
    return self->core->path_find(self, reply->ends.family, reply->ends.vrf, &reply->ends.local,
                                 &reply->ends.remote, &reply->path) == 0;
}

void tcp_reply_send(struct tn_self *self, const struct tcp_reply *reply, const struct tcp_header *header)
{
    struct tn_packet *packet = self->core->packet_new(self, 0);
    if (!packet)
        return;
    packet->src = reply->ends.local;
    packet->dst = reply->ends.remote;
    packet->src_port = reply->ends.local_port;
    packet->dst_port = reply->ends.remote_port;
    packet->vrf = reply->ends.vrf;
    packet->family = reply->ends.family;
    packet->ttl = reply->ttl;
    packet->tos = reply->tos;
    packet->serial = reply->serial;
    tcp_push_header(packet, header);
    tn_count(self, TCP_SEGMENTS_OUT);
    self->core->network_output(self, packet, &reply->path);
}

/* To the sender of the segment. */
static struct tcp_reply reply_to(const struct tcp_segment *seg)
{
    return (struct tcp_reply){.ends = tcp_packet_ends(seg->packet), .serial = seg->packet->serial};
}

void tcp_reply_reset(struct tn_self *self, const struct tcp_segment *seg)
{
    struct tcp_reply reply = reply_to(seg);
    if (!tcp_reply_route(self, &reply))
        return;
    bool has_ack = seg->flags & TN_TCP_ACK;
    tn_count(self, TCP_RESETS_OUT);
    tcp_reply_send(self, &reply,
                   &(struct tcp_header){
                       .seq = has_ack ? seg->ack : 0,
                       .ack = has_ack ? 0 : tcp_segment_end(seg),
                       .flags = has_ack ? TN_TCP_RST : TN_TCP_RST | TN_TCP_ACK,
                   });
}

void tcp_reply_ack(struct tn_self *self, const struct tcp_segment *seg, struct tcp_header *header,
                   bool timestamps, uint32_t ts_recent)
{
    struct tcp_reply reply = reply_to(seg);
    if (!tcp_reply_route(self, &reply))
        return;
    uint8_t options[TN_TCP_OPTIONS_MAX];
    if (timestamps) {
        uint32_t now = tcp_clock(self) + tcp_timestamp_offset(self, &reply.ends);
        header->options = options;
        header->options_len = tcp_write_timestamps(options, now, ts_recent);
    }
    header->flags = TN_TCP_ACK;
    tn_count(self, TCP_ACKS_OUT);
    tcp_reply_send(self, &reply, header);
}
