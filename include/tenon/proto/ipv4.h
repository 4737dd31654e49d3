/* ipv4.h: the Internet Protocol, version 4, as it is on the wire (RFC 791). */
#ifndef TENON_PROTO_IPV4_H
#define TENON_PROTO_IPV4_H

#include "tenon/types.h"

#define TN_ETHERTYPE_IPV4 0x0800

#define TN_IPV4_ADDR_LEN   4
#define TN_IPV4_HEADER_MAX 60
#define TN_IPV4_TOTAL_MAX  65535

struct tn_ipv4_header {
    uint8_t version_ihl;
    uint8_t tos; /* DSCP and ECN (RFC 2474, RFC 3168) */
    be16 total_len;
    be16 id;
    be16 fragment; /* flags and offset, see below */
    uint8_t ttl;
    uint8_t protocol;
    be16 checksum;
    uint8_t src[TN_IPV4_ADDR_LEN];
    uint8_t dst[TN_IPV4_ADDR_LEN];
};

/* tn_ipv4_header.version_ihl of a header without options */
#define TN_IPV4_PLAIN 0x45

/* tn_ipv4_header.fragment */
#define TN_IPV4_DF     0x4000
#define TN_IPV4_MF     0x2000
#define TN_IPV4_OFFSET 0x1fff /* in units of 8 octets */

/* Types of options (RFC 791 §3.1, RFC 2113). */
#define TN_IPV4_OPTION_END          0
#define TN_IPV4_OPTION_NOP          1
#define TN_IPV4_OPTION_LOOSE_ROUTE  131
#define TN_IPV4_OPTION_STRICT_ROUTE 137
#define TN_IPV4_OPTION_ROUTER_ALERT 148

/* Bytes of the header, options included; less than sizeof(struct tn_ipv4_header) if it lies. */
static inline size_t tn_ipv4_header_len(const struct tn_ipv4_header *h)
{
    return (size_t)(h->version_ihl & 0x0f) * 4;
}

static inline unsigned tn_ipv4_version(const struct tn_ipv4_header *h)
{
    return h->version_ihl >> 4;
}

/* Where the fragment's data starts in its datagram, in bytes. */
static inline uint32_t tn_ipv4_fragment_offset(const struct tn_ipv4_header *h)
{
    return (tn_be16(h->fragment) & TN_IPV4_OFFSET) * 8u;
}

/* 224/4 (RFC 1112 §4). */
static inline bool tn_ipv4_is_multicast(const uint8_t *addr)
{
    return (addr[0] & 0xf0) == 0xe0;
}

/* 169.254/16 (RFC 3927). */
static inline bool tn_ipv4_is_link_local(const uint8_t *addr)
{
    return addr[0] == 169 && addr[1] == 254;
}

#endif
