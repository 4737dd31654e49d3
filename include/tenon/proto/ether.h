/* ether.h: Ethernet frames as they are on the wire (RFC 894, IEEE 802.3, RFC 1042, IEEE 802.1Q). */
#ifndef TENON_PROTO_ETHER_H
#define TENON_PROTO_ETHER_H

#include "tenon/types.h"

#define TN_ETHER_ADDR_LEN  6
#define TN_ETHER_FRAME_MIN 60 /* without the FCS, which devices append and remove */

/* A value of `type` up to LENGTH_MAX is the length of an IEEE 802.3 frame's data, one from TYPE_MIN on an
 * ethertype; those between mean nothing. */
#define TN_ETHER_LENGTH_MAX 0x05dc
#define TN_ETHER_TYPE_MIN   0x0600

/* The I/G bit in the first octet of an address: a group (multicast or broadcast) address. */
#define TN_ETHER_GROUP_BIT 0x01

struct tn_ether_header {
    uint8_t dst[TN_ETHER_ADDR_LEN];
    uint8_t src[TN_ETHER_ADDR_LEN];
    be16 type; /* ethertype, or length of the data */
};

/* IEEE 802.1Q: TN_ETHERTYPE_VLAN in the header, then this. */
#define TN_ETHERTYPE_VLAN  0x8100
#define TN_ETHER_VLAN_MASK 0x0fff /* of tci: the VLAN, 0: none, there is only a priority */

struct tn_ether_tag {
    be16 tci;
    be16 type; /* as in the header */
};

/* What follows the header of an IEEE 802.3 frame that carries an ethertype (RFC 1042). */
struct tn_ether_snap {
    uint8_t dsap;    /* TN_ETHER_SAP_SNAP */
    uint8_t ssap;    /* TN_ETHER_SAP_SNAP */
    uint8_t control; /* TN_ETHER_LLC_UI */
    uint8_t oui[3];  /* zero: `type` is an ethertype */
    be16 type;
};

#define TN_ETHER_SAP_SNAP 0xaa
#define TN_ETHER_LLC_UI   0x03 /* unnumbered information */

static inline bool tn_ether_is_group(const uint8_t *addr)
{
    return addr[0] & TN_ETHER_GROUP_BIT;
}

#endif
