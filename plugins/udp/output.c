/* output.c: datagrams on their way out.
 *
 * A device that cuts super-frames of datagrams (TN_GSO_UDP) takes several of one size, from one end to another, as one frame, which
 * costs little more than one of them. Where such a device is on the way, a datagram is held until the batch ends, or something else
 * is to be sent: those that go the same way and are no longer than it join it, up to UDP_JOIN_MOST. A shorter one is the last. On
 * the wire they are what they would have been without. */
#include <errno.h>

#include "tenon/proto/udp.h"
#include "udp.h"

/* More would keep the other side waiting for the first of them longer than it saves. */
#define UDP_JOIN_MOST 16
/* Payload bytes of a super-frame: what is left of an IP packet's 65535 by its headers. */
#define UDP_JOIN_BYTES 65000

static void udp_push_header(struct tn_packet *packet)
{
    struct tn_udp_header *udp = tn_packet_push(packet, sizeof(*udp));
    uint16_t len = (uint16_t)packet->total;
    /* To be completed over the datagram; a sum of zero then becomes 0xffff, which is the same in ones'
     * complement and does not say "none" (RFC 768). */
    uint16_t sum = tn_sum_fold(tn_sum_pseudo(&packet->src, &packet->dst, TN_IPPROTO_UDP, len));
    udp->src_port = tn_to_be16(packet->src_port);
    udp->dst_port = tn_to_be16(packet->dst_port);
    udp->len = tn_to_be16(len);
    memcpy(&udp->checksum, &sum, sizeof(sum));
    packet->transport = tn_packet_offset(packet);
    packet->checksum = TN_CHECKSUM_PARTIAL;
    packet->csum_start = packet->transport;
    packet->csum_offset = offsetof(struct tn_udp_header, checksum);
}

/* A copy in the packet's stead, whose bytes are shared or which has too little room for headers. NULL: dropped. */
TN_APART static struct tn_packet *udp_own(struct tn_self *self, struct tn_packet *packet)
{
    struct tn_packet *copy = self->core->packet_copy(self, packet);
    if (copy)
        self->core->packet_free(self, packet);
    else
        tn_drop(self, packet, UDP_DROP_NO_MEMORY);
    return copy;
}

/* Sends it as it is, be it one or many. Consumes it. 0 or a negative errno. */
static int udp_send_now(struct tn_self *self, struct tn_packet *packet, const struct tn_path *path)
{
    if (tn_unlikely(!tn_packet_writable(packet) || tn_packet_headroom(packet) < TN_HEADROOM)) {
        packet = udp_own(self, packet);
        if (!packet)
            return -ENOBUFS;
    }
    udp_push_header(packet);
    return self->core->network_output(self, packet, path);
}

/* ---- Joining ---- */

void udp_drop_held(struct tn_self *self)
{
    struct udp_state *state = self->state;
    if (state->held)
        self->core->packet_free(self, state->held);
    state->held = NULL;
}

void udp_send_held(struct tn_self *self)
{
    struct udp_state *state = self->state;
    struct tn_packet *packet = state->held;
    if (!packet)
        return;
    state->held = NULL;
    if (state->count > 1) {
        packet->gso = TN_GSO_UDP;
        packet->gso_size = (uint16_t)state->size;
        tn_count_add(self, UDP_JOINED_OUT, state->count - 1);
    }
    /* Routes and addresses may have changed since it was held. */
    if (tn_unlikely(!tn_path_valid(self, &state->path)) &&
        self->core->path_find(self, packet->family, packet->vrf, &packet->src, &packet->dst, &state->path) <
            0)
        tn_drop(self, packet, UDP_DROP_NO_PATH);
    else
        (void)udp_send_now(self, packet, &state->path); /* whoever sent it was told that it is on its way */
}

/* Whether others may join it. A super-frame is never fragmented, so each datagram must fit the path. */
static bool udp_is_joinable(struct tn_self *self, const struct tn_packet *packet, const struct tn_path *path)
{
    if (path->kind != TN_PATH_UNICAST || !(packet->flags & TN_PKT_DONT_FRAGMENT) || packet->total == 0)
        return false;
    const struct tn_interface *ifc = self->core->interface(self, path->ifindex);
    return ifc && ifc->gso_kinds & 1u << TN_GSO_UDP;
}

/* Whether it may join those that are held. */
static bool udp_joins(const struct udp_state *state, const struct tn_packet *packet,
                      const struct tn_path *path)
{
    const struct tn_packet *held = state->held;
    return packet->total <= state->size && held->total + packet->total <= UDP_JOIN_BYTES &&
           packet->src_port == held->src_port && packet->dst_port == held->dst_port &&
           tn_addr_equal(&packet->dst, &held->dst) && tn_addr_equal(&packet->src, &held->src) &&
           packet->family == held->family && packet->vrf == held->vrf && packet->ttl == held->ttl &&
           packet->tos == held->tos && packet->flags == held->flags && path->ifindex == state->path.ifindex &&
           path->neighbour == state->path.neighbour && path->generation == state->path.generation;
}

static struct tn_packet *udp_last_piece(struct tn_packet *packet)
{
    while (packet->more)
        packet = packet->more;
    return packet;
}

static void udp_hold(struct tn_self *self, struct tn_packet *packet, const struct tn_path *path)
{
    struct udp_state *state = self->state;
    udp_send_held(self);
    state->held = packet;
    state->tail = udp_last_piece(packet);
    state->path = *path;
    state->size = packet->total;
    state->count = 1;
    self->core->request_flush(self);
}

static void udp_join(struct tn_self *self, struct tn_packet *packet)
{
    struct udp_state *state = self->state;
    bool last = packet->total < state->size;
    state->held->total += packet->total;
    state->tail->more = packet;
    state->tail = udp_last_piece(packet);
    if (++state->count == UDP_JOIN_MOST || last)
        udp_send_held(self);
}

int udp_output(struct tn_self *self, struct tn_packet *packet, const struct tn_path *path)
{
    struct udp_state *state = self->state;
    tn_count(self, UDP_DATAGRAMS_OUT);
    if (tn_likely(!udp_is_joinable(self, packet, path))) {
        udp_send_held(self); /* it was sent before */
        return udp_send_now(self, packet, path);
    }
    if (state->held && udp_joins(state, packet, path))
        udp_join(self, packet);
    else
        udp_hold(self, packet, path);
    return 0;
}
