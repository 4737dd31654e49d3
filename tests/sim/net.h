/* net.h: for tests of the network layer: a stack behind a host link, and the test itself as everybody else on that
 * link. What is sent and expected is written as in a dialogue; nothing of the stack's own code makes or reads the
 * frames. */
#ifndef TENON_TESTS_NET_H
#define TENON_TESTS_NET_H

#include "tenon/sim.h"

/* 10.0.7.7/24 and 10.0.7.8/24 on h0, default route by 10.0.7.1. `protocols` follows "protocols:\n". */
#define NET_YAML(protocols)                       \
    "stack: { name: net }\n"                      \
    "interfaces:\n"                               \
    "  h0:\n"                                     \
    "    driver: host\n"                          \
    "    mac: \"02:00:00:00:07:07\"\n"            \
    "    addresses: [10.0.7.7/24, 10.0.7.8/24]\n" \
    "    routes:\n"                               \
    "      - { to: default, via: 10.0.7.1 }\n"    \
    "protocols:\n" protocols

#define NET_OWN   "02:00:00:00:07:07" /* the stack's link address in NET_YAML */
#define NET_PEER  "02:00:00:00:07:01" /* 10.0.7.1 */
#define NET_OTHER "02:00:00:00:07:02" /* 10.0.7.2 */
#define NET_ALL   "ff:ff:ff:ff:ff:ff"
#define NET_NONE  "00:00:00:00:00:00"

struct net {
    struct tn_sim *sim;
    struct tn_stack *stack;
    struct tn_usage start; /* what was in use before anything happened */
    char log[4096];        /* what it logged */
};

/* Starts the stack and lets 10 s pass, until its addresses have been looked for and announced, whose frames are taken off the link. Fails the test with the reason if it cannot
 * be. net_stop lets 20 minutes pass, in which all that was remembered is forgotten, and checks that nothing leaked. */
void net_start(struct net *net, const char *yaml);
/* The same, but the stack's first frame is still to come. */
void net_begin(struct net *net, const char *yaml);
void net_stop(struct net *net);
void net_pass(struct net *net, tn_time span);
uint64_t net_counter(const struct net *net, const char *plugin, const char *counter);
uint64_t net_drops(const struct net *net, const char *plugin, const char *reason);

/* ---- Frames ---- */

#define NET_FRAME_MAX 65600

struct net_frame {
    size_t len;
    uint8_t bytes[NET_FRAME_MAX];
};

void net_mac(const char *text, uint8_t mac[6]);
void net_send_frame(struct net *net, const struct net_frame *frame);
/* The next frame that the stack sent; false if there is none. */
bool net_take_frame(struct net *net, struct net_frame *frame);
void net_expect_nothing(struct net *net);
/* How many frames wait; takes them all. */
unsigned net_take_all(struct net *net);

/* ---- ARP ---- */

struct net_arp {
    const char *to, *from; /* of the frame */
    uint16_t op;           /* 1 request, 2 reply */
    const char *sha, *spa, *tha, *tpa;
};

void net_build_arp(const struct net_arp *arp, struct net_frame *frame);
void net_send_arp(struct net *net, const struct net_arp *arp);
/* The next frame is exactly this one, padded with zeros to 60 bytes. */
void net_expect_arp(struct net *net, const struct net_arp *arp);
/* 10.0.7.1 asks for 10.0.7.7 and is answered: both know each other now. */
void net_meet(struct net *net);

/* ---- IPv4 ---- */

struct net_ip {
    const char *to, *from; /* of the frame; NULL: to the stack, from 10.0.7.1 */
    const char *src, *dst; /* NULL: 10.0.7.1 to 10.0.7.7 */
    uint8_t protocol, ttl, tos;
    uint16_t id, fragment; /* the two header fields */
    const void *options;
    size_t options_len;
};

void net_build_ip(const struct net_ip *ip, const void *payload, size_t len, struct net_frame *frame);
void net_send_ip(struct net *net, const struct net_ip *ip, const void *payload, size_t len);
/* Sets the header checksum of the IPv4 frame anew. */
void net_fix_ip(struct net_frame *frame);

/* A packet that the stack sent, its header checked. */
struct net_seen {
    struct net_frame frame;
    char to[18], from[18];
    char src[16], dst[16];
    uint8_t protocol, ttl, tos;
    uint16_t id, fragment;
    size_t header_len;
    const uint8_t *payload;
    size_t len;
};

void net_expect_ip(struct net *net, struct net_seen *seen);

/* Sum over the bytes, as in every Internet checksum; 0 over a message that carries its own. */
uint16_t net_sum(const void *bytes, size_t len);

/* ---- ICMP ---- */

/* An ICMP message at `out`: header and data; returns its length. */
size_t net_icmp(uint8_t *out, uint8_t type, uint8_t code, uint32_t rest, const void *data, size_t len);
/* A ping socket's echo request to `dst` with `len` bytes of data; what the call returned. */
int net_ping_socket(struct net *net);
ssize_t net_ping_to(struct net *net, int fd, const char *dst, uint16_t seq, size_t len);

#endif
