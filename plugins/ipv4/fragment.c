/* fragment.c: a datagram that is longer than the path's MTU goes out in fragments (RFC 791 §3.2).
 *
 * All but the last carry a multiple of 8 bytes, as many as fit. The data is copied: fragments are for the
 * rare datagram whose sender knows of no MTU; what is to be fast is sized to the path by its transport. */
#include <errno.h>

#include "ipv4.h"

/* One fragment: the data at [offset, offset + len) of the datagram. NULL: no memory. */
static struct tn_packet *ipv4_make_fragment(struct tn_self *self, const struct tn_packet *datagram,
                                            size_t offset, size_t len)
{
    struct tn_packet *fragment = self->core->packet_new(self, len);
    if (!fragment)
        return NULL;
    self->core->packet_read(datagram, offset, fragment->data, len);
    fragment->serial = datagram->serial;
    fragment->family = datagram->family;
    fragment->protocol = datagram->protocol;
    fragment->vrf = datagram->vrf;
    fragment->ttl = datagram->ttl;
    fragment->tos = datagram->tos;
    fragment->src = datagram->src;
    fragment->dst = datagram->dst;
    fragment->flags = datagram->flags | TN_PKT_FRAGMENT;
    fragment->transport =
        offset == 0 ? tn_packet_offset(fragment) : 0; /* no transport header in the others */
    return fragment;
}

int ipv4_output_fragments(struct tn_self *self, struct tn_packet *packet, const struct tn_path *path)
{
    size_t header_len = ipv4_header_len_out(packet);
    size_t most = path->mtu > header_len ? (path->mtu - header_len) & ~(size_t)7 : 0;
    if (most == 0) {
        tn_drop(self, packet, IPV4_DROP_TOO_BIG);
        return -EMSGSIZE;
    }
    self->core->packet_checksum(packet); /* it covers the whole datagram */
    tn_count(self, IPV4_FRAGMENTED);
    uint16_t id = ipv4_next_id(self, packet);
    int err = 0;
    for (size_t offset = 0; offset < packet->total && err == 0; offset += most) {
        size_t len = tn_min(most, packet->total - offset);
        bool last = offset + len == packet->total;
        struct tn_packet *fragment = ipv4_make_fragment(self, packet, offset, len);
        if (!fragment) {
            tn_drop(self, packet, IPV4_DROP_NO_MEMORY);
            return -ENOBUFS;
        }
        ipv4_push_header(self, fragment, header_len, id, (uint16_t)(offset / 8 | (last ? 0 : TN_IPV4_MF)));
        tn_count(self, IPV4_PACKETS_OUT);
        tn_count(self, IPV4_FRAGMENTS_OUT);
        err = self->core->path_output(self, fragment, path, TN_ETHERTYPE_IPV4);
    }
    self->core->packet_free(self, packet);
    return err;
}
