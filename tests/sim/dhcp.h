/* dhcp.h: tests of the DHCP client: the test is the server, on the host link of a stack whose interface has no address. What it
 * says and hears is written and read here byte by byte; nothing of the stack's own code makes or reads the messages. */
#ifndef TENON_TESTS_DHCP_H
#define TENON_TESTS_DHCP_H

#include "net.h"

/* h0 without addresses; `options` of the service follow "interface: h0", beginning with a comma. */
#define DHCP_YAML(options)                                                      \
    "stack: { name: net }\n"                                                    \
    "interfaces: { h0: { driver: host, mac: \"02:00:00:00:07:07\" } }\n"        \
    "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {}, tcp: {} }\n" \
    "services: { dhcp: { interface: h0" options " } }\n"

#define DHCP_SERVER "10.0.7.1"

enum {
    DISCOVER = 1,
    OFFER,
    REQUEST,
    DECLINE,
    ACK,
    NAK,
    RELEASE,
    INFORM,
};

/* ---- What the client says ---- */

struct dhcp_seen {
    tn_time at;
    char to[18];           /* of the frame */
    char src[16], dst[16]; /* of the IPv4 header */
    uint16_t src_port, dst_port;
    uint32_t xid;
    uint16_t secs, flags;
    char ciaddr[16], yiaddr[16];
    uint8_t type;
    size_t len;
    uint8_t bytes[1500]; /* the whole message */
};

/* Lets time pass until the client sends a message, at most `most`; fails the test if it does not. ARP for the server's address is
 * answered in the meantime, other frames are passed over. */
void dhcp_hear(struct net *net, tn_time most, struct dhcp_seen *seen);
/* … and it is of this type. */
void dhcp_expect(struct net *net, tn_time most, uint8_t type, struct dhcp_seen *seen);
/* No message comes for so long. */
void dhcp_silent_for(struct net *net, tn_time span);
/* The bytes of an option of the message, and how many; NULL if it is not there. */
const uint8_t *dhcp_option(const struct dhcp_seen *seen, uint8_t code, size_t *len);
/* An option that is an address, as text; "" if it is not there. */
const char *dhcp_option_addr(const struct dhcp_seen *seen, uint8_t code);

/* ---- What the server says ---- */

struct dhcp_said {
    size_t len;
    uint8_t bytes[1472];
};

/* Begins an answer to `to`: a type, an address ("0.0.0.0" for none), the server identifier. */
void dhcp_answer(struct dhcp_said *said, const struct dhcp_seen *to, uint8_t type, const char *address);
void dhcp_add(struct dhcp_said *said, uint8_t code, const void *bytes, size_t len);
void dhcp_add_addr(struct dhcp_said *said, uint8_t code, const char *address);
void dhcp_add32(struct dhcp_said *said, uint8_t code, uint32_t value);
/* Mask /24, router 10.0.7.1, DNS 10.0.7.53, a lease of so many seconds. */
void dhcp_add_usual(struct dhcp_said *said, uint32_t lease);
/* By broadcast from 10.0.7.1, with the end option. */
void dhcp_say(struct net *net, struct dhcp_said *said);
/* The message as it is: no end option is put. */
void dhcp_say_raw(struct net *net, const void *bytes, size_t len);

/* ---- Both ---- */

/* From DISCOVER to the ACK of `address`, with dhcp_add_usual. The address is not yet used then. `request` gets the REQUEST. */
void dhcp_grant(struct net *net, const char *address, uint32_t lease, struct dhcp_seen *request);
/* The same, and the address is in use. */
void dhcp_bind(struct net *net, const char *address, uint32_t lease, struct dhcp_seen *request);
/* The field of the row of `tenon show dhcp`, as text. */
const char *dhcp_shown(struct net *net, const char *field);
/* Whether the text occurs in `tenon show TABLE --json`. */
bool dhcp_table_has(struct net *net, const char *table, const char *text);

#endif
