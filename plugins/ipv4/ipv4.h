/* ipv4.h (private): what the parts of the ipv4 plugin share. */
#ifndef IPV4_H
#define IPV4_H

#include "tenon/checksum.h"
#include "tenon/plugin.h"
#include "tenon/proto/ipv4.h"

#define IPV4_COUNTERS(X)                                                                        \
    X(PACKETS_IN, "packets-in", "Packets received, fragments counted one by one")               \
    X(DELIVERED, "delivered", "Datagrams handed to a transport")                                \
    X(PACKETS_OUT, "packets-out", "Packets sent, fragments counted one by one")                 \
    X(BROADCASTS_IN, "broadcasts-in", "Packets received that were sent to a broadcast address") \
    X(MULTICASTS_IN, "multicasts-in", "Packets received that were sent to a multicast group")   \
    X(OPTIONS_IN, "options-in", "Packets received with options")                                \
    X(FRAGMENTS_IN, "fragments-in", "Fragments received")                                       \
    X(FRAGMENT_DUPLICATES, "fragment-duplicates", "Fragments that had been received before")    \
    X(REASSEMBLED, "reassembled", "Datagrams put together from fragments")                      \
    X(FRAGMENTED, "fragmented", "Datagrams sent in fragments")                                  \
    X(FRAGMENTS_OUT, "fragments-out", "Fragments sent")                                         \
    X(FORWARDED, "forwarded", "Packets for others that were passed on")

#define IPV4_DROPS(X)                                                                                        \
    X(TRUNCATED, "truncated", "Shorter than an IPv4 header")                                                 \
    X(BAD_VERSION, "bad-version", "The version is not 4")                                                    \
    X(BAD_HEADER_LENGTH, "bad-header-length", "The header length is below 20 or beyond the packet")          \
    X(BAD_LENGTH, "bad-length", "The total length is below the header's or beyond the packet")               \
    X(BAD_CHECKSUM, "bad-checksum", "The header checksum is wrong")                                          \
    X(BAD_SOURCE, "bad-source", "The source is not the address of a host")                                   \
    X(OWN_SOURCE, "own-source", "The source is an address of this stack, but it came from outside")          \
    X(BAD_DESTINATION, "bad-destination", "The destination is reserved, or a loopback address from outside") \
    X(NOT_FOR_US, "not-for-us", "The destination is not this stack ")                                        \
    X(NO_ROUTE, "no-route", "To be passed on, and there is no route to its destination")                     \
    X(TTL, "ttl", "To be passed on, and its time to live ended here")                                        \
    X(NOT_JOINED, "not-joined", "The destination is a multicast group that nobody here has joined")          \
    X(LINK_BROADCAST, "link-broadcast", "A unicast destination in a broadcast frame")                        \
    X(SOURCE_ROUTE, "source-route", "Carries a source route, which is refused")                              \
    X(BAD_OPTION, "bad-option", "An option's length is wrong")                                               \
    X(NO_PROTOCOL, "no-protocol", "No plugin takes this protocol")                                           \
    X(FRAGMENT_LENGTH, "fragment-length", "A fragment is empty, or not the last and no multiple of 8 bytes") \
    X(FRAGMENT_TINY, "fragment-tiny", "Fragments that cut a TCP header apart (RFC 1858, RFC 3128)")          \
    X(FRAGMENT_TOO_LONG, "fragment-too-long", "The datagram would be longer than 65535 bytes")               \
    X(FRAGMENT_OVERLAP, "fragment-overlap", "Fragments of a datagram contradict each other")                 \
    X(FRAGMENT_ECN, "fragment-ecn", "Fragments say both: congestion met, and not ECN-capable")               \
    X(REASSEMBLY_TIMEOUT, "reassembly-timeout", "The missing fragments did not come in time")                \
    X(REASSEMBLY_LIMIT, "reassembly-limit", "Too many incomplete datagrams, or too many bytes in them")      \
    X(REASSEMBLY_SOURCE_LIMIT, "reassembly-source-limit", "Too many incomplete datagrams of one source")     \
    X(TOO_LONG, "too-long", "Longer than an IPv4 packet can be")                                             \
    X(TOO_BIG, "too-big", "Longer than the path's MTU, and not to be fragmented")                            \
    X(NO_MEMORY, "no-memory", "The packet pool was exhausted")

#define IPV4_COUNTER_ID(id, name, help) IPV4_##id,
#define IPV4_DROP_ID(id, name, help)    IPV4_DROP_##id,
enum {
    IPV4_COUNTERS(IPV4_COUNTER_ID) IPV4_COUNTER_COUNT
};
enum {
    IPV4_DROPS(IPV4_DROP_ID) IPV4_DROP_COUNT,
    IPV4_OK = -1,   /* no reason to drop */
    IPV4_LOCAL = -2 /* forward.c: it is for this stack after all */
};

/* Index into the plugin's timers. */
enum {
    IPV4_TIMER_REASSEMBLY,
    IPV4_TIMER_COUNT,
};

struct ipv4_options {
    int64_t ttl;
    tn_time reassembly_timeout;
    int64_t reassembly_memory;
    int64_t reassembly_datagrams;
    int64_t reassembly_per_source;
    bool forward;
};

#define IPV4_IDS                2048
#define IPV4_REASSEMBLY_MAX     4096 /* of option reassembly-datagrams */
#define IPV4_REASSEMBLY_BUCKETS 512
#define IPV4_REASSEMBLY_SOURCES 256

struct ipv4_datagram;

/* Incomplete datagrams (reassembly.c). */
struct ipv4_reassembly {
    struct tn_slab *slab;
    struct ipv4_datagram *buckets[IPV4_REASSEMBLY_BUCKETS];
    struct ipv4_datagram *oldest, *newest;
    uint32_t count;
    uint64_t bytes;
    uint16_t of_source[IPV4_REASSEMBLY_SOURCES]; /* datagrams, by a hash of the source */
};

/* A source and a destination that passed the checks of addresses lately (input.c). */
#define IPV4_RECENT_MAX 256 /* a power of two */

struct ipv4_recent {
    uint64_t pair;    /* both, as they stand in the header */
    uint16_t ifindex; /* where the packet came in; 0: none has */
    uint16_t vrf;     /* … of the destination */
};

struct ipv4_state {
    uint16_t ids[IPV4_IDS]; /* next identification, by a keyed hash of source, destination and protocol */
    struct ipv4_reassembly reassembly;
    struct ipv4_recent recent[IPV4_RECENT_MAX];
};

static inline struct ipv4_state *ipv4_state(struct tn_self *self)
{
    return self->state;
}

static inline const struct ipv4_options *ipv4_options(const struct tn_self *self)
{
    return self->options;
}

/* header.c. What kind of address it is in general (RFC 1122 §3.2.1.3, RFC 6890). */
enum tn_addr_class ipv4_classify(struct tn_self *self, const struct tn_addr *addr);
bool ipv4_link_local(struct tn_self *self, const struct tn_addr *addr);
tn_sum ipv4_long_header_sum(const struct tn_ipv4_header *header, size_t len);
/* The sum over the header, whose length with options is `len`; most have none. */
static inline tn_sum ipv4_header_sum(const struct tn_ipv4_header *header, size_t len)
{
    const uint8_t *p = (const uint8_t *)header;
    if (tn_unlikely(len != sizeof(*header)))
        return ipv4_long_header_sum(header, len);
    return (tn_sum)tn_sum_load32(p) + tn_sum_load32(p + 4) + tn_sum_load32(p + 8) + tn_sum_load32(p + 12) +
           tn_sum_load32(p + 16);
}
/* Sets the header's checksum; `len` is its length with options. */
void ipv4_set_checksum(struct tn_ipv4_header *header, size_t len);
/* Bytes of the header that ipv4_push_header will put. */
#define IPV4_ROUTER_ALERT_LEN 4
static inline size_t ipv4_header_len_out(const struct tn_packet *packet)
{
    return sizeof(struct tn_ipv4_header) + (packet->flags & TN_PKT_ROUTER_ALERT ? IPV4_ROUTER_ALERT_LEN : 0);
}
/* Puts the option at `at`; the sum over it. */
TN_RARE tn_sum ipv4_put_router_alert(uint8_t *at);

/* RFC 1112 §6.1: multicasts stay on the link unless their sender says otherwise. */
static inline uint8_t ipv4_ttl(struct tn_self *self, const struct tn_packet *packet)
{
    if (packet->ttl)
        return packet->ttl;
    return tn_ipv4_is_multicast(packet->dst.bytes) ? 1 : (uint8_t)ipv4_options(self)->ttl;
}

/* Puts one of the five words of 32 bits that a header is made of; the sum over it. */
static inline tn_sum ipv4_put_word(uint8_t *at, uint32_t word)
{
    memcpy(at, &word, sizeof(word));
    return word;
}

/* Puts the header of `len` bytes (ipv4_header_len_out()) before the packet; `fragment` is that field of it. Its first piece is writable
 * and has the room. The checksum is that of the words as they are put: reading the header again, in other pieces than it was just
 * written in, would take longer than all of this. */
static inline void ipv4_push_header(struct tn_self *self, struct tn_packet *packet, size_t len, uint16_t id,
                                    uint16_t fragment)
{
    uint8_t *at = tn_packet_push(packet, len);
    uint32_t first =
        4u << 28 | (uint32_t)len / 4 << 24 | (uint32_t)packet->tos << 16 | (uint16_t)packet->total;
    uint32_t third = (uint32_t)ipv4_ttl(self, packet) << 24 | (uint32_t)packet->protocol << 16;
    tn_sum sum = ipv4_put_word(at, tn_swap32(first));
    sum += ipv4_put_word(at + 4, tn_swap32((uint32_t)id << 16 | fragment));
    sum += ipv4_put_word(at + 8, tn_swap32(third));
    sum += ipv4_put_word(at + 12, tn_sum_load32(packet->src.bytes));
    sum += ipv4_put_word(at + 16, tn_sum_load32(packet->dst.bytes));
    if (tn_unlikely(len > sizeof(struct tn_ipv4_header)))
        sum += ipv4_put_router_alert(at + sizeof(struct tn_ipv4_header));
    uint16_t check = tn_sum_finish(sum);
    memcpy(at + offsetof(struct tn_ipv4_header, checksum), &check, sizeof(check));
    packet->network = tn_packet_offset(packet);
}

/* network->fix_segment */
void ipv4_fix_segment(struct tn_self *self, struct tn_packet *segment, uint32_t index);
/* An identification that the same source, destination and protocol have not used lately (RFC 6864 §4.3). */
uint16_t ipv4_next_id(struct tn_self *self, const struct tn_packet *packet);

/* input.c */
void ipv4_input(struct tn_self *self, struct tn_packet *packet);
/* plugin->addresses_changed */
void ipv4_forget_recent(struct tn_self *self, struct tn_interface *ifc, uint8_t family);

/* forward.c. Passes the packet, header first, on, or drops it; false (not consumed): it is for this stack. */
bool ipv4_forward(struct tn_self *self, struct tn_packet *packet);

/* output.c */
int ipv4_output(struct tn_self *self, struct tn_packet *packet, const struct tn_path *path);

/* fragment.c. Sends the datagram in fragments. Consumes it. */
int ipv4_output_fragments(struct tn_self *self, struct tn_packet *packet, const struct tn_path *path);

/* reassembly.c. Takes a fragment, header first. Returns the whole datagram when it completes one (header
 * first, its header saying so), else NULL. Consumes the fragment. */
struct tn_packet *ipv4_reassemble(struct tn_self *self, struct tn_packet *packet);
void ipv4_reassembly_timer(struct tn_self *self, struct tn_timer *timer);
int ipv4_reassembly_start(struct tn_self *self);
void ipv4_reassembly_stop(struct tn_self *self);

#endif
