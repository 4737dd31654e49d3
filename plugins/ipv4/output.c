/* output.c: a packet from a transport gets its header and goes out along its path. */
#include <errno.h>

#include "ipv4.h"

/* A copy of the packet in its stead, where the header cannot be put before its own bytes. NULL: dropped. */
TN_RARE static struct tn_packet *ipv4_make_room(struct tn_self *self, struct tn_packet *packet)
{
    struct tn_packet *copy = self->core->packet_copy(self, packet);
    if (!copy) {
        tn_drop(self, packet, IPV4_DROP_NO_MEMORY);
        return NULL;
    }
    self->core->packet_free(self, packet);
    return copy;
}

/* It is too long, or will be cut on the way out. *sent: it went in fragments, or was dropped, with that result. */
TN_APART static int ipv4_output_long(struct tn_self *self, struct tn_packet *packet,
                                     const struct tn_path *path, size_t total, bool dont_fragment, bool *sent)
{
    *sent = true;
    if (total > TN_IPV4_TOTAL_MAX) {
        tn_drop(self, packet, IPV4_DROP_TOO_LONG);
        return -EMSGSIZE;
    }
    if (ipv4_header_len_out(packet) + self->core->packet_segment(self, packet) > path->mtu) {
        if (!dont_fragment && packet->gso == TN_GSO_NONE)
            return ipv4_output_fragments(self, packet, path);
        tn_drop(self, packet, IPV4_DROP_TOO_BIG);
        return -EMSGSIZE;
    }
    *sent = false;
    return 0;
}

int ipv4_output(struct tn_self *self, struct tn_packet *packet, const struct tn_path *path)
{
    packet->transport = tn_packet_offset(packet);
    packet->family = AF_INET;
    size_t header_len = ipv4_header_len_out(packet), total = packet->total + header_len;
    bool dont_fragment = (packet->flags & TN_PKT_DONT_FRAGMENT) && !path->mtu_floor;
    if (tn_unlikely(total > path->mtu)) {
        bool sent;
        int err = ipv4_output_long(self, packet, path, total, dont_fragment, &sent);
        if (sent)
            return err;
    }
    if (tn_unlikely(!tn_packet_writable(packet) || tn_packet_headroom(packet) < TN_IPV4_HEADER_MAX)) {
        packet = ipv4_make_room(self, packet);
        if (!packet)
            return -ENOBUFS;
    }
    /* RFC 6864 §4.1: the identification of what is never fragmented means nothing. */
    uint16_t id = dont_fragment ? 0 : ipv4_next_id(self, packet);
    ipv4_push_header(self, packet, header_len, id, dont_fragment ? TN_IPV4_DF : 0);
    tn_count(self, IPV4_PACKETS_OUT);
    return self->core->path_output(self, packet, path, TN_ETHERTYPE_IPV4);
}
