/* timestamp.c: timestamp requests (RFC 792, RFC 1122 §3.2.2.8).
 *
 * A plugin has no clock but one that only goes forward, from an unknown beginning. So its times do not count from midnight, and
 * say so by their highest bit, as RFC 792 has it; from two of them an asker learns how much time has passed. */
#include "icmp.h"

struct icmp_timestamps {
    be32 originate, receive, transmit;
};

static uint32_t icmp_clock(struct tn_self *self)
{
    uint32_t ms = (uint32_t)(self->core->now(self) / TN_MSEC) + (uint32_t)icmp_state(self)->salt;
    return ms | 0x80000000u;
}

/* As with echo, the request becomes the reply; what is behind the times goes with it. */
int icmp_timestamp_input(struct tn_self *self, struct tn_packet *request)
{
    const size_t least = sizeof(struct tn_icmp_header) + sizeof(struct icmp_timestamps);
    if (request->flags & (TN_PKT_BROADCAST | TN_PKT_MULTICAST))
        return ICMP_DROP_BROADCAST_ECHO;
    if (request->len < least)
        return ICMP_DROP_TRUNCATED;
    struct tn_packet *reply = self->core->packet_new(self, least);
    if (!reply)
        return ICMP_DROP_NO_MEMORY;
    memcpy(reply->data, request->data, least);
    struct tn_icmp_header *header = (struct tn_icmp_header *)(void *)reply->data;
    struct icmp_timestamps *times = (struct icmp_timestamps *)(void *)(header + 1);
    header->type = TN_ICMP_TIMESTAMP_REPLY;
    times->receive = times->transmit = tn_to_be32(icmp_clock(self));
    icmp_set_checksum(reply);
    reply->serial = request->serial;
    reply->family = AF_INET;
    reply->protocol = TN_IPPROTO_ICMP;
    reply->vrf = request->vrf;
    reply->src = request->dst;
    reply->dst = request->src;
    tn_count(self, ICMP_TIMESTAMPS_IN);
    icmp_send_answer(self, reply);
    return ICMP_OK;
}
