/* vnet.h: the virtio-net header before each frame of a device: what was left undone of the frame (its checksum, its
 * segmentation), in either direction. Virtio 1.2 §5.1.6. For link drivers: TAP devices with IFF_VNET_HDR and packet sockets
 * with PACKET_VNET_HDR have it.
 *
 * In: a frame whose checksum is not complete came from this machine, over no wire; there is nothing to check, but where the
 * checksum would go is noted, for whoever sends the frame on. What the device says of a super-frame is believed only as far
 * as the frame's own headers agree: whoever segments it later relies on them. hdr_len is a hint by the specification, so it
 * is not used. */
#ifndef TENON_VNET_H
#define TENON_VNET_H

#include <netinet/in.h>

#include "tenon/checksum.h"
#include "tenon/packet.h"
#include "tenon/proto/ether.h"
#include "tenon/proto/ipv4.h"
#include "tenon/proto/tcp.h"
#include "tenon/proto/udp.h"

/* As it lies before the frame, in the byte order of the machine. */
struct tn_vnet_header {
    uint8_t flags;        /* TN_VNET_… */
    uint8_t gso_type;     /* TN_VNET_GSO_… */
    uint16_t hdr_len;     /* of all headers, a hint */
    uint16_t gso_size;    /* payload bytes a segment */
    uint16_t csum_start;  /* from the frame's first byte */
    uint16_t csum_offset; /* from csum_start */
};
static_assert(sizeof(struct tn_vnet_header) == 10, "as virtio has it");

/* flags */
#define TN_VNET_NEEDS_CHECKSUM 0x01u /* the checksum is to be completed */
#define TN_VNET_CHECKED        0x02u /* it was found right */

/* gso_type */
#define TN_VNET_GSO_NONE 0u
#define TN_VNET_GSO_TCP4 1u
#define TN_VNET_GSO_TCP6 4u
#define TN_VNET_GSO_UDP  5u
#define TN_VNET_GSO_ECN  0x80u /* with one of TCP: CWR is set in the first segment alone (RFC 3168 §6.1.2) */

/* Why a frame with its header is refused. */
enum tn_vnet_fault {
    TN_VNET_OK,
    TN_VNET_BAD_CHECKSUM, /* what is to be checksummed lies outside of the frame */
    TN_VNET_BAD_GSO, /* not what a device may leave unsegmented, or not in accord with the frame's own headers */
};

#define TN_VNET_ETHERTYPE_IPV6 0x86dd
#define TN_VNET_IPV6_LEN       40
#define TN_VNET_IPV6_NEXT      6 /* offset of the next-header field */
#define TN_VNET_IPV6_ADDRESSES 8 /* … of both addresses */
#define TN_VNET_IPV4_ADDRESSES 12

/* ---- In ---- */

/* Where the network header begins, and its ethertype; false: there is none. */
static inline bool tn_vnet_find_network(struct tn_cursor *c, uint16_t *type)
{
    const struct tn_ether_header *ether = tn_read_header(c, struct tn_ether_header);
    if (!ether)
        return false;
    *type = tn_be16(ether->type);
    if (*type == TN_ETHERTYPE_VLAN) {
        tn_skip(c, offsetof(struct tn_ether_tag, type));
        *type = tn_read16(c);
    }
    return !c->failed;
}

/* Passes the network header; the protocol number that follows it, or -1. IPv6 extension headers are not passed: a super-frame
 * with some is refused. */
static inline int tn_vnet_pass_network(struct tn_cursor *c, uint16_t type)
{
    if (type == TN_ETHERTYPE_IPV4) {
        const struct tn_ipv4_header *ip = tn_read_header(c, struct tn_ipv4_header);
        size_t len = ip ? tn_ipv4_header_len(ip) : 0;
        if (len < sizeof(*ip) || tn_be16(ip->fragment) & (TN_IPV4_MF | TN_IPV4_OFFSET))
            return -1;
        tn_skip(c, len - sizeof(*ip));
        return c->failed ? -1 : ip->protocol;
    }
    const uint8_t *ip = tn_read_bytes(c, TN_VNET_IPV6_LEN);
    return ip && type == TN_VNET_ETHERTYPE_IPV6 ? ip[TN_VNET_IPV6_NEXT] : -1;
}

static inline size_t tn_vnet_transport_header_len(const struct tn_cursor *at, int protocol)
{
    struct tn_cursor c = *at;
    if (protocol == IPPROTO_UDP)
        return sizeof(struct tn_udp_header);
    const struct tn_tcp_header *tcp = tn_read_header(&c, struct tn_tcp_header);
    size_t len = tcp ? tn_tcp_header_length(tcp) : 0;
    return len < sizeof(*tcp) ? SIZE_MAX : len;
}

/* Which kind of super-frame the device says it is; TN_GSO_NONE: one that nobody asked for. */
static inline enum tn_gso tn_vnet_gso_kind(uint8_t type)
{
    switch (type & ~TN_VNET_GSO_ECN) {
    case TN_VNET_GSO_TCP4:
        return TN_GSO_TCP4;
    case TN_VNET_GSO_TCP6:
        return TN_GSO_TCP6;
    case TN_VNET_GSO_UDP:
        return TN_GSO_UDP;
    default:
        return TN_GSO_NONE;
    }
}

static inline bool tn_vnet_agrees(enum tn_gso kind, uint16_t type, int protocol)
{
    if (kind == TN_GSO_UDP)
        return protocol == IPPROTO_UDP;
    return protocol == IPPROTO_TCP &&
           type == (kind == TN_GSO_TCP4 ? TN_ETHERTYPE_IPV4 : TN_VNET_ETHERTYPE_IPV6);
}

/* A super-frame that the device has put together itself (LRO) comes with a complete checksum, which it has checked. It is left undone
 * again: the field gets the sum of the pseudo-header. `network` and `transport`: offsets of those headers, in the frame. */
static inline void tn_vnet_undo_checksum(struct tn_packet *packet, size_t network, size_t transport,
                                         uint8_t protocol, uint16_t field)
{
    const uint8_t *ip = packet->data + network;
    size_t len = packet->len - transport;
    tn_sum sum = ip[0] >> 4 == 4 ? tn_sum_add(0, ip + TN_VNET_IPV4_ADDRESSES, 8)
                                 : tn_sum_add(0, ip + TN_VNET_IPV6_ADDRESSES, 32);
    sum = tn_sum_add16(tn_sum_add16(sum, protocol), (uint16_t)(len + (len >> 16)));
    uint16_t pseudo = tn_sum_fold(sum);
    memcpy(packet->data + transport + field, &pseudo, sizeof(pseudo));
    packet->checksum = TN_CHECKSUM_PARTIAL;
    packet->csum_start = (uint16_t)(tn_packet_headroom(packet) + transport);
    packet->csum_offset = field;
}

static inline bool tn_vnet_read_gso(const struct tn_vnet_header *header, struct tn_packet *packet)
{
    struct tn_cursor c = tn_packet_cursor(packet);
    uint16_t type, size = header->gso_size;
    enum tn_gso kind = tn_vnet_gso_kind(header->gso_type);
    if (kind == TN_GSO_NONE || size == 0 || !tn_vnet_find_network(&c, &type))
        return false;
    size_t network = packet->len - tn_left(&c);
    int protocol = tn_vnet_pass_network(&c, type);
    if (protocol < 0 || !tn_vnet_agrees(kind, type, protocol))
        return false;
    size_t start = packet->len - tn_left(&c), len = tn_vnet_transport_header_len(&c, protocol);
    if (len > tn_left(&c))
        return false;
    /* Segments of a super-frame need a checksum each, so it must be said where. */
    uint16_t field = kind == TN_GSO_UDP ? offsetof(struct tn_udp_header, checksum)
                                        : offsetof(struct tn_tcp_header, checksum);
    if (packet->checksum == TN_CHECKSUM_UNKNOWN ||
        (packet->checksum == TN_CHECKSUM_PARTIAL &&
         (header->csum_start != start || header->csum_offset != field)))
        return false;
    if (tn_left(&c) - len <= size)
        return true; /* one segment after all */
    if (packet->checksum == TN_CHECKSUM_VERIFIED)
        tn_vnet_undo_checksum(packet, network, start, (uint8_t)protocol, field);
    packet->gso = (uint8_t)kind;
    packet->gso_size = size;
    return true;
}

/* Notes in the packet (a frame, of one piece, from its Ethernet header on) what the `header` says. The bytes of both are
 * anybody's. */
static inline enum tn_vnet_fault tn_vnet_read(const struct tn_vnet_header *header, struct tn_packet *packet)
{
    if (header->flags & TN_VNET_NEEDS_CHECKSUM) {
        size_t start = header->csum_start, offset = header->csum_offset;
        if (start + offset + 2 > packet->len || tn_packet_headroom(packet) + start > UINT16_MAX)
            return TN_VNET_BAD_CHECKSUM;
        packet->checksum = TN_CHECKSUM_PARTIAL;
        packet->csum_start = (uint16_t)(tn_packet_offset(packet) + start);
        packet->csum_offset = (uint16_t)offset;
    } else if (header->flags & TN_VNET_CHECKED) {
        packet->checksum = TN_CHECKSUM_VERIFIED;
    }
    return header->gso_type == TN_VNET_GSO_NONE || tn_vnet_read_gso(header, packet) ? TN_VNET_OK
                                                                                    : TN_VNET_BAD_GSO;
}

/* ---- Out ---- */

/* The frame's headers, and the kind of super-frame with what the kind alone does not say. */
static inline void tn_vnet_write_gso(struct tn_vnet_header *header, const struct tn_packet *packet,
                                     size_t start)
{
    const uint8_t *transport = packet->data + start;
    size_t len = sizeof(struct tn_udp_header);
    if (packet->gso == TN_GSO_UDP) {
        header->gso_type = TN_VNET_GSO_UDP;
    } else {
        const struct tn_tcp_header *tcp = (const void *)transport;
        header->gso_type = packet->gso == TN_GSO_TCP4 ? TN_VNET_GSO_TCP4 : TN_VNET_GSO_TCP6;
        if (tcp->flags & TN_TCP_CWR)
            header->gso_type |= TN_VNET_GSO_ECN;
        len = tn_tcp_header_length(tcp);
    }
    header->hdr_len = (uint16_t)(start + len);
    header->gso_size = packet->gso_size;
}

/* Writes the header for a finished frame. */
static inline void tn_vnet_write(struct tn_vnet_header *header, const struct tn_packet *packet)
{
    memset(header, 0, sizeof(*header));
    if (packet->checksum != TN_CHECKSUM_PARTIAL)
        return;
    size_t start = packet->csum_start - tn_packet_headroom(packet);
    header->flags = TN_VNET_NEEDS_CHECKSUM;
    header->csum_start = (uint16_t)start;
    header->csum_offset = packet->csum_offset;
    if (packet->gso != TN_GSO_NONE)
        tn_vnet_write_gso(header, packet, start);
}

#endif
