/* vnet.c: the virtio-net header before each frame.
 *
 *     0 flags   1 gso_type   2 hdr_len   4 gso_size   6 csum_start   8 csum_offset
 *
 * In: a frame whose checksum is not complete came from this machine, over no wire; there is nothing to check, but where the
 * checksum would go is noted, for whoever sends the frame on. What the device says of a super-frame is believed only as far
 * as the frame's own headers agree: whoever segments it later relies on them. hdr_len is a hint by the specification, so it
 * is not used. */
#include "vnet.h"

#include <linux/virtio_net.h>
#include <netinet/in.h>

#include "tenon/proto/ether.h"
#include "tenon/proto/ipv4.h"
#include "tenon/proto/tcp.h"
#include "tenon/proto/udp.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

#define ETHERTYPE_VLAN  0x8100
#define ETHERTYPE_IPV6  0x86dd
#define IPV6_HEADER_LEN 40
#define VLAN_TAG_LEN    4
#define NEXT_IPV6       6 /* offset of the next-header field */

static uint16_t load_le16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static void store_le16(uint8_t *p, size_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

/* ---- In ---- */

/* Where the network header begins, and its ethertype; false: there is none. */
static bool find_network(struct tn_cursor *c, uint16_t *type)
{
    const struct tn_ether_header *ether = tn_read_header(c, struct tn_ether_header);
    if (!ether)
        return false;
    *type = tn_be16(ether->type);
    if (*type == ETHERTYPE_VLAN) {
        tn_skip(c, VLAN_TAG_LEN - 2);
        *type = tn_read16(c);
    }
    return !c->failed;
}

/* Passes the network header; the protocol number that follows it, or -1. IPv6 extension headers are not passed: a super-frame
 * with some is refused. */
static int pass_network(struct tn_cursor *c, uint16_t type)
{
    if (type == TN_ETHERTYPE_IPV4) {
        const struct tn_ipv4_header *ip = tn_read_header(c, struct tn_ipv4_header);
        size_t len = ip ? tn_ipv4_header_len(ip) : 0;
        if (len < sizeof(*ip) || tn_be16(ip->fragment) & (TN_IPV4_MF | TN_IPV4_OFFSET))
            return -1;
        tn_skip(c, len - sizeof(*ip));
        return c->failed ? -1 : ip->protocol;
    }
    const uint8_t *ip = tn_read_bytes(c, IPV6_HEADER_LEN);
    return ip && type == ETHERTYPE_IPV6 ? ip[NEXT_IPV6] : -1;
}

static size_t transport_header_len(const struct tn_cursor *at, int protocol)
{
    struct tn_cursor c = *at;
    if (protocol == IPPROTO_UDP)
        return sizeof(struct tn_udp_header);
    const struct tn_tcp_header *tcp = tn_read_header(&c, struct tn_tcp_header);
    size_t len = tcp ? tn_tcp_header_length(tcp) : 0;
    return len < sizeof(*tcp) ? SIZE_MAX : len;
}

/* Which kind of super-frame the device says it is; TN_GSO_NONE: one that nobody asked for. */
static enum tn_gso gso_kind(uint8_t type)
{
    switch (type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
        return TN_GSO_TCP4;
    case VIRTIO_NET_HDR_GSO_TCPV6:
        return TN_GSO_TCP6;
    case VIRTIO_NET_HDR_GSO_UDP_L4:
        return TN_GSO_UDP;
    default:
        return TN_GSO_NONE;
    }
}

static bool agrees(enum tn_gso kind, uint16_t type, int protocol)
{
    if (kind == TN_GSO_UDP)
        return protocol == IPPROTO_UDP;
    return protocol == IPPROTO_TCP && type == (kind == TN_GSO_TCP4 ? TN_ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
}

static bool read_gso(const uint8_t header[TAP_VNET_LEN], struct tn_packet *packet)
{
    struct tn_cursor c = tn_packet_cursor(packet);
    uint16_t type, size = load_le16(header + 4);
    enum tn_gso kind = gso_kind(header[1]);
    if (kind == TN_GSO_NONE || size == 0 || !find_network(&c, &type))
        return false;
    int protocol = pass_network(&c, type);
    if (protocol < 0 || !agrees(kind, type, protocol))
        return false;
    size_t start = packet->len - tn_left(&c), len = transport_header_len(&c, protocol);
    if (len > tn_left(&c))
        return false;
    /* Segments of a super-frame need a checksum each, so it must be said where. */
    size_t field = kind == TN_GSO_UDP ? offsetof(struct tn_udp_header, checksum)
                                      : offsetof(struct tn_tcp_header, checksum);
    if (packet->checksum != TN_CHECKSUM_PARTIAL || load_le16(header + 6) != start ||
        load_le16(header + 8) != field)
        return false;
    if (tn_left(&c) - len <= size)
        return true; /* one segment after all */
    packet->gso = (uint8_t)kind;
    packet->gso_size = size;
    return true;
}

enum tap_vnet_fault tap_vnet_read(const uint8_t header[TAP_VNET_LEN], struct tn_packet *packet)
{
    if (header[0] & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
        size_t start = load_le16(header + 6), offset = load_le16(header + 8);
        if (start + offset + 2 > packet->len)
            return TAP_VNET_BAD_CHECKSUM;
        packet->checksum = TN_CHECKSUM_PARTIAL;
        packet->csum_start = (uint16_t)(tn_packet_offset(packet) + start);
        packet->csum_offset = (uint16_t)offset;
    } else if (header[0] & VIRTIO_NET_HDR_F_DATA_VALID) {
        packet->checksum = TN_CHECKSUM_VERIFIED;
    }
    return header[1] == VIRTIO_NET_HDR_GSO_NONE || read_gso(header, packet) ? TAP_VNET_OK : TAP_VNET_BAD_GSO;
}

/* ---- Out ---- */

/* The frame's headers, and the kind of super-frame with what the kind alone does not say. */
static void write_gso(uint8_t header[TAP_VNET_LEN], const struct tn_packet *packet, size_t start)
{
    const uint8_t *transport = packet->data + start;
    size_t len = sizeof(struct tn_udp_header);
    if (packet->gso == TN_GSO_UDP) {
        header[1] = VIRTIO_NET_HDR_GSO_UDP_L4;
    } else {
        const struct tn_tcp_header *tcp = (const void *)transport;
        header[1] = packet->gso == TN_GSO_TCP4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
        if (tcp->flags & TN_TCP_CWR) /* in the first segment alone (RFC 3168 §6.1.2) */
            header[1] |= VIRTIO_NET_HDR_GSO_ECN;
        len = tn_tcp_header_length(tcp);
    }
    store_le16(header + 2, start + len);
    store_le16(header + 4, packet->gso_size);
}

void tap_vnet_write(uint8_t header[TAP_VNET_LEN], const struct tn_packet *packet)
{
    memset(header, 0, TAP_VNET_LEN);
    if (packet->checksum != TN_CHECKSUM_PARTIAL)
        return;
    size_t start = packet->csum_start - tn_packet_headroom(packet);
    header[0] = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    store_le16(header + 6, start);
    store_le16(header + 8, packet->csum_offset);
    if (packet->gso != TN_GSO_NONE)
        write_gso(header, packet, start);
}
