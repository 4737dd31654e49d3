/* segment.c: super-frames: how long their segments are, and cutting them for links that do not.
 *
 * A super-frame looks like one long segment: one set of headers, then the payload of many. Cut here, each segment gets a
 * copy of the headers and a view of its part of the payload; what differs between the segments' headers is for the
 * protocols to say, the network's and the transport's (fix_segment). */
#include "segment.h"

#include <errno.h>

#include "dispatch.h"

static struct tn_self *transport_of(const struct tn_stack *stack, const struct tn_packet *packet)
{
    struct tn_slot *slot = tn_dispatch_find(stack, TN_TABLE_IPPROTO, packet->family, packet->protocol)->slot;
    return slot && slot->self.plugin->transport && slot->self.plugin->transport->fix_segment ? &slot->self
                                                                                             : NULL;
}

static struct tn_self *network_of(const struct tn_stack *stack, const struct tn_packet *packet)
{
    struct tn_slot *slot = tn_dispatch_find(stack, TN_TABLE_FAMILY, 0, packet->family)->slot;
    return slot && slot->self.plugin->network && slot->self.plugin->network->fix_segment ? &slot->self : NULL;
}

/* From the transport header's first byte to the payload; 0: nobody knows. */
static size_t transport_header_len(const struct tn_stack *stack, const struct tn_packet *packet)
{
    struct tn_self *transport = transport_of(stack, packet);
    size_t at = packet->transport, end = tn_packet_headroom(packet) + packet->len;
    if (!transport || at >= end)
        return 0;
    size_t len = transport->plugin->transport->header_length(transport,
                                                             tn_cursor(packet->buffer->bytes + at, end - at));
    return len <= end - at ? len : 0;
}

size_t tn_core_packet_segment(struct tn_self *self, const struct tn_packet *packet)
{
    if (packet->gso == TN_GSO_NONE)
        return packet->total;
    return tn_min(packet->total, transport_header_len(self->stack, packet) + packet->gso_size);
}

/* What all the segments of a super-frame share. */
struct cut {
    struct tn_stack *stack;
    struct tn_self *network, *transport;
    const struct tn_packet *whole; /* from its link header on */
    size_t headers;                /* bytes of all of them */
};

static void copy_metadata(struct tn_packet *segment, const struct tn_packet *whole)
{
    ptrdiff_t moved = (ptrdiff_t)tn_packet_headroom(segment) - (ptrdiff_t)tn_packet_headroom(whole);
    segment->time = whole->time;
    segment->serial = whole->serial;
    segment->ifindex = whole->ifindex;
    segment->flags = whole->flags;
    segment->link = (uint16_t)(whole->link + moved);
    segment->network = (uint16_t)(whole->network + moved);
    segment->transport = (uint16_t)(whole->transport + moved);
    segment->checksum = TN_CHECKSUM_PARTIAL;
    segment->csum_start = (uint16_t)(whole->csum_start + moved);
    segment->csum_offset = whole->csum_offset;
    segment->src = whole->src;
    segment->dst = whole->dst;
    segment->src_port = whole->src_port;
    segment->dst_port = whole->dst_port;
    segment->vrf = whole->vrf;
    segment->family = whole->family;
    segment->protocol = whole->protocol;
    segment->ttl = whole->ttl;
    segment->tos = whole->tos;
}

/* The segment with payload [offset, offset + len); NULL: no memory. */
static struct tn_packet *cut_one(const struct cut *cut, uint32_t index, uint32_t offset, uint32_t len)
{
    const struct tn_packet *whole = cut->whole;
    struct tn_pool *pool = &cut->stack->pool;
    struct tn_packet *segment = tn_packet_new(pool, cut->headers);
    if (!segment)
        return NULL;
    memcpy(segment->data, whole->data, cut->headers);
    copy_metadata(segment, whole);
    segment->more = tn_packet_clone_range(pool, whole, cut->headers + offset, len);
    if (!segment->more) {
        tn_packet_free(pool, segment);
        return NULL;
    }
    segment->total += len;

    /* The layers are lifted off for their owners, and put back. */
    size_t to_transport = segment->transport - tn_packet_headroom(segment);
    size_t to_network = segment->network - tn_packet_headroom(segment);
    bool last = cut->headers + offset + len == whole->total;
    tn_packet_pull(segment, to_transport);
    cut->transport->plugin->transport->fix_segment(cut->transport, segment, offset, last);
    (void)tn_packet_push(segment, to_transport - to_network);
    cut->network->plugin->network->fix_segment(cut->network, segment, index);
    (void)tn_packet_push(segment, to_network);
    return segment;
}

int tn_segment(struct tn_stack *stack, struct tn_packet *packet, struct tn_packet_queue *out)
{
    struct cut cut = {.stack = stack,
                      .network = network_of(stack, packet),
                      .transport = transport_of(stack, packet),
                      .whole = packet};
    size_t transport_len = transport_header_len(stack, packet);
    cut.headers = packet->transport - tn_packet_headroom(packet) + transport_len;
    int err =
        cut.network && transport_len && packet->gso_size && cut.headers < packet->total ? 0 : -EOPNOTSUPP;
    uint32_t index = 0;
    for (uint32_t offset = 0; err == 0 && cut.headers + offset < packet->total; offset += packet->gso_size) {
        uint32_t len = (uint32_t)tn_min(packet->gso_size, packet->total - cut.headers - offset);
        struct tn_packet *segment = cut_one(&cut, index++, offset, len);
        if (segment)
            tn_queue_append(out, segment);
        else
            err = -ENOBUFS;
    }
    tn_packet_free(&stack->pool, packet);
    return err;
}
