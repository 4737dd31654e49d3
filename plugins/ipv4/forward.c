/* forward.c: packets for others, when `forward` is on: passed on as a router does (RFC 1812 §5), as far as a host with
 * several interfaces needs it. No redirects are sent, no source routes followed, no broadcasts passed on.
 *
 * The header is kept as it came, its options too, but for the time to live. What is too long for the next link goes in
 * fragments, or, where it must not, back to its sender as "fragmentation needed" (RFC 1191 §4). */
#include <errno.h>

#include "ipv4.h"

static int ipv4_refuse(struct tn_self *self, struct tn_packet *packet, enum tn_reject why, uint32_t info,
                       unsigned drop)
{
    self->core->reject(self, packet, why, info);
    return (int)drop;
}

/* RFC 1812 §5.3.1, by RFC 1624: the checksum is adjusted, not computed. */
static void ipv4_lower_ttl(struct tn_ipv4_header *header)
{
    uint16_t old_word, new_word, sum;
    memcpy(&old_word, &header->ttl, sizeof(old_word)); /* with the protocol behind it */
    header->ttl--;
    memcpy(&new_word, &header->ttl, sizeof(new_word));
    memcpy(&sum, &header->checksum, sizeof(sum));
    sum = tn_sum_update(sum, old_word, new_word);
    memcpy(&header->checksum, &sum, sizeof(sum));
}

/* The data at [from, from + len) behind the packet's header, as a fragment of its own. */
static struct tn_packet *ipv4_forward_piece(struct tn_self *self, const struct tn_packet *packet, size_t from,
                                            size_t len)
{
    const struct tn_ipv4_header *whole = (const struct tn_ipv4_header *)(const void *)packet->data;
    struct tn_packet *piece = self->core->packet_new(self, sizeof(*whole) + len);
    if (!piece)
        return NULL;
    struct tn_ipv4_header *header = (struct tn_ipv4_header *)(void *)piece->data;
    uint16_t field = tn_be16(whole->fragment);
    bool more = (field & TN_IPV4_MF) || from + len < packet->len - sizeof(*whole);
    *header = *whole;
    memcpy(header + 1, packet->data + sizeof(*whole) + from, len);
    header->total_len = tn_to_be16((uint16_t)(sizeof(*whole) + len));
    header->fragment =
        tn_to_be16((uint16_t)(((field & TN_IPV4_OFFSET) + from / 8) | (more ? TN_IPV4_MF : 0)));
    ipv4_set_checksum(header, sizeof(*header));
    piece->serial = packet->serial;
    piece->family = packet->family;
    piece->protocol = packet->protocol;
    piece->vrf = packet->vrf;
    piece->src = packet->src;
    piece->dst = packet->dst;
    piece->network = tn_packet_offset(piece);
    return piece;
}

/* Consumes the packet. */
static void ipv4_forward_fragments(struct tn_self *self, struct tn_packet *packet, const struct tn_path *path)
{
    size_t header_len = sizeof(struct tn_ipv4_header), data = packet->len - header_len;
    size_t most = (path->mtu - header_len) & ~(size_t)7;
    self->core->packet_checksum(packet);
    tn_count(self, IPV4_FRAGMENTED);
    for (size_t from = 0; from < data; from += most) {
        struct tn_packet *piece = ipv4_forward_piece(self, packet, from, tn_min(most, data - from));
        if (!piece) {
            tn_drop(self, packet, IPV4_DROP_NO_MEMORY);
            return;
        }
        tn_count(self, IPV4_FRAGMENTS_OUT);
        (void)self->core->path_output(self, piece, path, TN_ETHERTYPE_IPV4);
    }
    self->core->packet_free(self, packet);
}

/* Whether the packet may be passed on, and which way. A reason to drop, IPV4_OK, or IPV4_LOCAL. */
static int ipv4_forward_check(struct tn_self *self, struct tn_packet *packet, struct tn_path *path)
{
    struct tn_addr unused = {.half = {0, 0}};
    if (packet->flags & (TN_PKT_LINK_BROADCAST | TN_PKT_LINK_MULTICAST))
        return IPV4_DROP_LINK_BROADCAST; /* RFC 1812 §5.3.4 */
    if (tn_ipv4_is_link_local(packet->src.bytes) || tn_ipv4_is_link_local(packet->dst.bytes))
        return IPV4_DROP_NOT_FOR_US;
    int err = self->core->path_find(self, AF_INET, packet->vrf, &unused, &packet->dst, path);
    if (err < 0)
        return ipv4_refuse(self, packet, err == -ENETUNREACH ? TN_REJECT_NETWORK : TN_REJECT_HOST, 0,
                           IPV4_DROP_NO_ROUTE);
    if (path->kind == TN_PATH_LOCAL) /* an address of another interface */
        return IPV4_LOCAL;
    if (path->kind != TN_PATH_UNICAST)
        return IPV4_DROP_NOT_FOR_US;
    if (packet->ttl <= 1)
        return ipv4_refuse(self, packet, TN_REJECT_TIME, 0, IPV4_DROP_TTL);
    return IPV4_OK;
}

bool ipv4_forward(struct tn_self *self, struct tn_packet *packet)
{
    struct tn_path path = {0};
    int drop = ipv4_forward_check(self, packet, &path);
    if (drop == IPV4_LOCAL)
        return false;
    const struct tn_ipv4_header *header = (const struct tn_ipv4_header *)(const void *)packet->data;
    packet->transport = (uint16_t)(packet->network + tn_ipv4_header_len(header));
    size_t size = packet->gso == TN_GSO_NONE
                      ? packet->total
                      : tn_ipv4_header_len(header) + self->core->packet_segment(self, packet);
    bool too_long = drop == IPV4_OK && size > path.mtu;
    bool whole = (tn_be16(header->fragment) & TN_IPV4_DF) || tn_ipv4_header_len(header) > sizeof(*header);
    if (too_long && (whole || packet->gso != TN_GSO_NONE))
        drop = ipv4_refuse(self, packet, TN_REJECT_FRAGMENTATION, path.mtu, IPV4_DROP_TOO_BIG);
    struct tn_packet *mine = packet;
    if (drop == IPV4_OK && !tn_packet_writable(packet)) {
        mine = self->core->packet_copy(self, packet);
        drop = mine ? IPV4_OK : IPV4_DROP_NO_MEMORY;
        if (mine)
            self->core->packet_free(self, packet);
    }
    if (drop != IPV4_OK) {
        tn_drop(self, packet, (unsigned)drop);
        return true;
    }
    ipv4_lower_ttl((struct tn_ipv4_header *)(void *)mine->data);
    tn_count(self, IPV4_FORWARDED);
    if (too_long)
        ipv4_forward_fragments(self, mine, &path);
    else
        (void)self->core->path_output(self, mine, &path, TN_ETHERTYPE_IPV4);
    return true;
}
