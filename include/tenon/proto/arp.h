/* arp.h: the Address Resolution Protocol for IPv4 on Ethernet, as it is on the wire (RFC 826). */
#ifndef TENON_PROTO_ARP_H
#define TENON_PROTO_ARP_H

#include "tenon/types.h"

#define TN_ETHERTYPE_ARP 0x0806

#define TN_ARP_HARDWARE_ETHERNET 1
#define TN_ARP_HARDWARE_IEEE802  6 /* the same link addresses (RFC 1042) */

enum tn_arp_op {
    TN_ARP_REQUEST = 1,
    TN_ARP_REPLY = 2,
};

struct tn_arp_packet {
    be16 hardware;        /* ar$hrd */
    be16 protocol;        /* ar$pro: an ethertype */
    uint8_t hardware_len; /* ar$hln */
    uint8_t protocol_len; /* ar$pln */
    be16 op;              /* ar$op */
    uint8_t sender_lladdr[6];
    uint8_t sender[4];
    uint8_t target_lladdr[6];
    uint8_t target[4];
};

#endif
