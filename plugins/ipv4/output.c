/* output.c: a packet from a transport gets its header and goes out along its path. */
#include <errno.h>

#include "ipv4.h"

/* RFC 2113. */
static const uint8_t ipv4_router_alert[] = {TN_IPV4_OPTION_ROUTER_ALERT, 4, 0, 0};

size_t ipv4_header_len_out(const struct tn_packet *packet)
{
    return sizeof(struct tn_ipv4_header) +
           (packet->flags & TN_PKT_ROUTER_ALERT ? sizeof(ipv4_router_alert) : 0);
}

/* RFC 1112 §6.1: multicasts stay on the link unless their sender says otherwise. */
static uint8_t ipv4_ttl(struct tn_self *self, const struct tn_packet *packet)
{
    if (packet->ttl)
        return packet->ttl;
    return ipv4_classify(self, &packet->dst) == TN_ADDR_MULTICAST ? 1 : (uint8_t)ipv4_options(self)->ttl;
}

void ipv4_push_header(struct tn_self *self, struct tn_packet *packet, uint16_t id, uint16_t fragment)
{
    size_t len = ipv4_header_len_out(packet);
    struct tn_ipv4_header *header = tn_packet_push(packet, len);
    header->version_ihl = (uint8_t)(4 << 4 | len / 4);
    header->tos = packet->tos;
    header->total_len = tn_to_be16((uint16_t)packet->total);
    header->id = tn_to_be16(id);
    header->fragment = tn_to_be16(fragment);
    header->ttl = ipv4_ttl(self, packet);
    header->protocol = packet->protocol;
    memcpy(header->src, packet->src.bytes, TN_IPV4_ADDR_LEN);
    memcpy(header->dst, packet->dst.bytes, TN_IPV4_ADDR_LEN);
    if (len > sizeof(*header))
        memcpy(header + 1, ipv4_router_alert, sizeof(ipv4_router_alert));
    ipv4_set_checksum(header, len);
    packet->network = tn_packet_offset(packet);
}

uint16_t ipv4_next_id(struct tn_self *self, const struct tn_packet *packet)
{
    uint8_t key[2 * TN_IPV4_ADDR_LEN + 1];
    memcpy(key, packet->src.bytes, TN_IPV4_ADDR_LEN);
    memcpy(key + TN_IPV4_ADDR_LEN, packet->dst.bytes, TN_IPV4_ADDR_LEN);
    key[2 * TN_IPV4_ADDR_LEN] = packet->protocol;
    return ipv4_state(self)->ids[self->core->keyed_hash(self, key, sizeof(key)) % IPV4_IDS]++;
}

/* The packet, or a copy of it in its stead where the header cannot be put before its own bytes. NULL:
 * dropped. */
static struct tn_packet *ipv4_make_room(struct tn_self *self, struct tn_packet *packet)
{
    if (tn_likely(tn_packet_writable(packet) && tn_packet_headroom(packet) >= TN_IPV4_HEADER_MAX))
        return packet;
    struct tn_packet *copy = self->core->packet_copy(self, packet);
    if (!copy) {
        tn_drop(self, packet, IPV4_DROP_NO_MEMORY);
        return NULL;
    }
    self->core->packet_free(self, packet);
    return copy;
}

int ipv4_output(struct tn_self *self, struct tn_packet *packet, const struct tn_path *path)
{
    packet->transport = tn_packet_offset(packet);
    packet->family = AF_INET;
    size_t total = packet->total + ipv4_header_len_out(packet);
    bool dont_fragment = packet->flags & TN_PKT_DONT_FRAGMENT;
    if (tn_unlikely(total > TN_IPV4_TOTAL_MAX)) {
        tn_drop(self, packet, IPV4_DROP_TOO_LONG);
        return -EMSGSIZE;
    }
    if (tn_unlikely(total > path->mtu && packet->gso == TN_GSO_NONE)) {
        if (!dont_fragment)
            return ipv4_output_fragments(self, packet, path);
        tn_drop(self, packet, IPV4_DROP_TOO_BIG);
        return -EMSGSIZE;
    }
    packet = ipv4_make_room(self, packet);
    if (!packet)
        return -ENOBUFS;
    /* RFC 6864 §4.1: the identification of what is never fragmented means nothing. */
    uint16_t id = dont_fragment ? 0 : ipv4_next_id(self, packet);
    ipv4_push_header(self, packet, id, dont_fragment ? TN_IPV4_DF : 0);
    tn_count(self, IPV4_PACKETS_OUT);
    return self->core->path_output(self, packet, path, TN_ETHERTYPE_IPV4);
}
