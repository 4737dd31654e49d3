/* arp.h: what the files of the plugin share.
 *
 * The files stand in this order, each calling only those before it:
 *     send.c      packets to the link
 *     conflict.c  own addresses: looked for, announced, defended (RFC 5227)
 *     arp.c       packets from the link, and the descriptor */
#ifndef TENON_ARP_H
#define TENON_ARP_H

#include <sys/socket.h>

#include "tenon/plugin.h"
#include "tenon/proto/arp.h"
#include "tenon/proto/ipv4.h"

#define ARP_COUNTERS(X)                                                                              \
    X(REQUESTS_IN, "requests-in", "Requests received")                                               \
    X(REPLIES_IN, "replies-in", "Replies received")                                                  \
    X(REQUESTS_OUT, "requests-out", "Requests sent by broadcast")                                    \
    X(PROBES_OUT, "probes-out", "Requests sent to one station, to see whether it is still there")    \
    X(REPLIES_OUT, "replies-out", "Replies sent")                                                    \
    X(ANNOUNCEMENTS_IN, "announcements-in", "Stations that told their own address (gratuitous ARP)") \
    X(ANNOUNCEMENTS_OUT, "announcements-out", "Own addresses told to the link")                      \
    X(CONFLICTS, "conflicts", "Another station used an address of this stack, or wanted to")         \
    X(LOOKS_OUT, "looks-out", "Questions whether an address is free (RFC 5227)")                     \
    X(DEFENCES, "defences", "Addresses told again because another station used them")                \
    X(LOST_ADDRESSES, "lost", "Addresses given up because another station has them")

#define ARP_DROPS(X)                                                                             \
    X(TRUNCATED, "truncated", "Shorter than an ARP packet")                                      \
    X(BAD_HARDWARE, "bad-hardware", "Not for Ethernet addresses of 6 bytes")                     \
    X(BAD_PROTOCOL, "bad-protocol", "Not for IPv4 addresses of 4 bytes")                         \
    X(BAD_OPERATION, "bad-operation", "Neither request nor reply")                               \
    X(BAD_SENDER_LLADDR, "bad-sender-lladdr", "The sender's link address is a group's, or zero") \
    X(BAD_SENDER, "bad-sender", "The sender's IPv4 address is not one of a host")                \
    X(OWN_ECHO, "own-echo", "Sent by this stack itself, and came back")

#define ARP_COUNTER_ID(id, name, help) ARP_##id,
#define ARP_DROP_ID(id, name, help)    ARP_DROP_##id,
enum {
    ARP_COUNTERS(ARP_COUNTER_ID) ARP_COUNTER_COUNT
};
enum {
    ARP_DROPS(ARP_DROP_ID) ARP_DROP_COUNT,
    ARP_OK = -1 /* no reason to drop */
};

#define ARP_LLADDR_LEN 6

/* ---- Options ---- */

enum arp_detection {
    ARP_DETECTION_OPTIMISTIC, /* addresses of stack.yaml are used while they are looked for */
    ARP_DETECTION_STRICT,     /* no address is used before it was looked for (RFC 5227 §2.1) */
    ARP_DETECTION_OFF,
};

enum arp_defence {      /* RFC 5227 §2.4 */
    ARP_DEFENCE_ONCE,   /* (b): the second time within the interval the address is given up */
    ARP_DEFENCE_NEVER,  /* (a): it is given up at once */
    ARP_DEFENCE_ALWAYS, /* (c): it is never given up */
};

struct arp_options {
    int64_t detection; /* enum arp_detection */
    int64_t defence;   /* enum arp_defence */
    int64_t probe_num;
    int64_t announce_num;
    int64_t max_conflicts;
    tn_time probe_wait;
    tn_time probe_min;
    tn_time probe_max;
    tn_time announce_wait;
    tn_time announce_interval;
    tn_time rate_limit_interval;
    tn_time defend_interval;
};

static inline const struct arp_options *arp_options(const struct tn_self *self)
{
    return self->options;
}

/* ---- State ---- */

enum arp_phase {
    ARP_LOOKING,
    ARP_ANNOUNCING,
    ARP_HELD,
    ARP_TAKEN,
    ARP_LOST,
};

struct arp_claim {
    struct tn_timer timer;
    struct arp_claim *next; /* in its bucket */
    struct tn_addr addr;
    tn_time defended; /* when another station last spoke with it; 0: never */
    uint16_t ifindex;
    uint8_t phase; /* enum arp_phase */
    uint8_t sent;  /* packets of this phase */
    bool used;     /* by the core */
};

#define ARP_INTERFACES_MAX 64
#define ARP_CLAIMS_MAX     4096
#define ARP_BUCKETS        256 /* by the address's last octet */

struct arp_state {
    struct tn_slab *claims; /* struct arp_claim */
    struct arp_claim *bucket[ARP_BUCKETS];
    struct arp_trouble {
        tn_time last;                  /* conflict */
        uint16_t conflicts;            /* before it, each not long after the one before, and itself */
    } trouble[ARP_INTERFACES_MAX + 1]; /* by interface */
};

static inline struct arp_state *arp_state(struct tn_self *self)
{
    return self->state;
}

enum arp_timer {
    ARP_TIMER_CLAIM,
};

/* ---- send.c ---- */

extern const uint8_t arp_no_lladdr[ARP_LLADDR_LEN];

/* Sends `op` on `ifc` to link address `to`; the sender is this interface, as `sender`. */
void arp_send(struct tn_self *self, struct tn_interface *ifc, enum tn_arp_op op, const uint8_t *to,
              const uint8_t *sender, const uint8_t *target_lladdr, const uint8_t *target);
/* "Is anybody using it?" (an ARP Probe), and "I am" (an ARP Announcement): RFC 5227 §1.1. */
void arp_send_probe(struct tn_self *self, struct tn_interface *ifc, const struct tn_addr *addr);
void arp_send_announcement(struct tn_self *self, struct tn_interface *ifc, const struct tn_addr *addr);

/* ---- conflict.c ---- */

/* struct tn_resolver_ops */
bool arp_claim(struct tn_self *self, struct tn_interface *ifc, const struct tn_addr *addr, bool brought);
void arp_release(struct tn_self *self, struct tn_interface *ifc, const struct tn_addr *addr);
void arp_look_for_taken(struct tn_self *self);
void arp_claim_timer(struct tn_self *self, struct tn_timer *timer);
/* Whether the packet, which another station sent, says that it uses or wants an address that is claimed here. If so, what is to be
 * done about it is done, and nothing is to be learned from the packet. */
bool arp_conflict(struct tn_self *self, struct tn_interface *ifc, const struct tn_arp_packet *arp);

#endif
