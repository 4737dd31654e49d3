/* dhcp.h: the Dynamic Host Configuration Protocol, as it is on the wire (RFC 2131 §2, RFC 2132). */
#ifndef TENON_PROTO_DHCP_H
#define TENON_PROTO_DHCP_H

#include "tenon/types.h"

#define TN_DHCP_SERVER_PORT 67
#define TN_DHCP_CLIENT_PORT 68

#define TN_DHCP_REQUEST_OP 1 /* from clients */
#define TN_DHCP_REPLY_OP   2

#define TN_DHCP_BROADCAST 0x8000 /* flags: answer by broadcast */
#define TN_DHCP_COOKIE    0x63825363

struct tn_dhcp_header {
    uint8_t op;
    uint8_t htype; /* 1: Ethernet */
    uint8_t hlen;
    uint8_t hops;
    be32 xid;
    be16 secs;
    be16 flags;
    uint8_t ciaddr[4]; /* the client's address, if it can be reached by it */
    uint8_t yiaddr[4]; /* … that it is given */
    uint8_t siaddr[4];
    uint8_t giaddr[4];
    uint8_t chaddr[16];
    uint8_t sname[64];
    uint8_t file[128];
    be32 cookie; /* options follow */
};

/* Every client takes messages up to this (§2: 312 bytes of options), and relays may pad to it what is shorter. */
#define TN_DHCP_MESSAGE_MIN 300
#define TN_DHCP_MESSAGE_MAX 1472 /* UDP payload of an Ethernet frame */

/* Option codes (RFC 2132 unless noted). */
enum tn_dhcp_option {
    TN_DHCP_PAD = 0,
    TN_DHCP_MASK = 1,
    TN_DHCP_ROUTER = 3,
    TN_DHCP_DNS = 6,
    TN_DHCP_HOST_NAME = 12,
    TN_DHCP_DOMAIN = 15,
    TN_DHCP_MTU = 26,
    TN_DHCP_NTP = 42,
    TN_DHCP_REQUESTED_ADDRESS = 50,
    TN_DHCP_LEASE = 51,
    TN_DHCP_OVERLOAD = 52, /* file (1) and sname (2) hold options too */
    TN_DHCP_TYPE = 53,
    TN_DHCP_SERVER_ID = 54,
    TN_DHCP_PARAMETERS = 55,
    TN_DHCP_TEXT = 56,
    TN_DHCP_MAX_SIZE = 57,
    TN_DHCP_T1 = 58,
    TN_DHCP_T2 = 59,
    TN_DHCP_VENDOR_CLASS = 60,
    TN_DHCP_CLIENT_ID = 61,
    TN_DHCP_ROUTES = 121, /* classless static routes (RFC 3442) */
    TN_DHCP_END = 255,
};

enum tn_dhcp_type {
    TN_DHCP_DISCOVER = 1,
    TN_DHCP_OFFER,
    TN_DHCP_REQUEST,
    TN_DHCP_DECLINE,
    TN_DHCP_ACK,
    TN_DHCP_NAK,
    TN_DHCP_RELEASE,
    TN_DHCP_INFORM,
};

#define TN_DHCP_FOREVER 0xffffffffu /* a lease without end */

#endif
