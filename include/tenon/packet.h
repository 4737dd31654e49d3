/* packet.h: packets, the bytes they carry and what the stack knows about them.
 *
 * A packet is a small record (struct tn_packet) that points at a range of a reference-counted buffer. Headers
 * are pushed into the room before the data and pulled off it without a copy. A packet may be a chain of
 * pieces (`more`): the first piece holds the headers, the others payload, for instance the clones of a send
 * queue. A received packet is always one piece.
 *
 * Ownership: a function that takes a packet consumes it, whatever it returns, unless it says otherwise.
 * Packets and buffers come from the stack's pools; packets are freed with core->packet_free(), or, where the
 * packet is refused, dropped with tn_drop(), which counts the reason. A buffer that more than one packet
 * refers to must not be written (tn_packet_writable()). */
#ifndef TENON_PACKET_H
#define TENON_PACKET_H

#include <assert.h>

#include "tenon/cursor.h"
#include "tenon/types.h"

/* Room that every new packet has before its data: virtio-net header (12) + Ethernet with a tag (18) + IPv4
 * (60) + TCP (60), rounded up. */
#define TN_HEADROOM 160

struct tn_neighbour;

/* A block of packet bytes. `refs` packets point into it. */
struct tn_buffer {
    uint32_t refs;
    uint32_t size; /* bytes at `bytes` */
    uint8_t pool;  /* which of the core's pools it returns to */
    uint8_t reserved[7];
    uint8_t bytes[]; /* 16 bytes from the start, so aligned as the buffer is */
};

/* tn_packet.flags */
#define TN_PKT_LINK_BROADCAST 0x0001u /* the frame was sent to the link's broadcast address */
#define TN_PKT_LINK_MULTICAST 0x0002u /* … to a link multicast address */
#define TN_PKT_BROADCAST      0x0004u /* the network destination is a broadcast address */
#define TN_PKT_MULTICAST      0x0008u /* … a multicast address */
#define TN_PKT_DONT_FRAGMENT  0x0010u /* out: must not be fragmented (IPv4 DF) */
#define TN_PKT_LOOPED         0x0020u /* sent by this stack to one of its own addresses */
#define TN_PKT_FRAGMENT       0x0040u /* in: was reassembled; out: is a fragment */
#define TN_PKT_ROUTER_ALERT   0x0080u /* out: carries the router alert option */
#define TN_PKT_NO_LOOP        0x0100u /* out, to a group: not for this stack's own members */

/* What is known of the transport checksum. */
enum tn_checksum {
    TN_CHECKSUM_UNKNOWN,  /* in: not looked at yet; out: complete */
    TN_CHECKSUM_VERIFIED, /* in: right, somebody has checked it */
    TN_CHECKSUM_PARTIAL,  /* the field at csum_start + csum_offset holds the (folded, not complemented)
                             pseudo-header sum: to be completed over the bytes from csum_start on, by the
                             device  or by the core before the device */
};

/* A packet of more than one wire segment (a super-frame), which the device or the core cuts into segments of
 * `gso_size` bytes of payload. */
enum tn_gso {
    TN_GSO_NONE,
    TN_GSO_TCP4,
    TN_GSO_TCP6,
    TN_GSO_UDP,
};

struct tn_packet {
    struct tn_packet *next; /* in a queue; meaningless outside one */
    struct tn_packet *more; /* the next piece of this packet, or NULL */
    struct tn_buffer *buffer;
    uint8_t *data;  /* this piece's bytes: first byte of the current layer (first piece) */
    uint32_t len;   /* bytes in this piece */
    uint32_t total; /* bytes in all pieces; kept in the first piece */

    tn_time time; /* in: when it was received */
    uint32_t
        serial; /* in: number of the frame, as in the trace; out: number of the frame that caused it or 0 */
    uint16_t ifindex; /* the interface it came in by or goes out by */
    uint16_t flags;   /* TN_PKT_… */

    uint16_t link;      /* offset of the link header from buffer->bytes, once known (else 0) */
    uint16_t network;   /* … of the network header */
    uint16_t transport; /* … of the transport header */

    uint8_t checksum;     /* enum tn_checksum */
    uint8_t gso;          /* enum tn_gso */
    uint16_t gso_size;    /* payload bytes a segment */
    uint16_t csum_start;  /* offset from buffer->bytes of the first byte that the checksum covers */
    uint16_t csum_offset; /* offset of the checksum field from there */

    /* Network layer, set by the network protocol on input and by the transport for output. */
    struct tn_addr src;
    struct tn_addr dst;
    uint16_t src_port;
    uint16_t dst_port;
    uint16_t vrf;
    uint8_t family;   /* AF_… */
    uint8_t protocol; /* IP protocol number */
    uint8_t ttl;      /* out: 0 means the default */
    uint8_t tos;      /* traffic class: DSCP and ECN */

    uint32_t scratch[4]; /* for whoever holds the packet (TCP: sequence numbers) */
};

/* A first-in-first-out queue of packets; counts bytes and packets. */
struct tn_packet_queue {
    struct tn_packet *head;
    struct tn_packet *tail;
    uint32_t bytes;
    uint32_t packets;
};

static inline void tn_queue_append(struct tn_packet_queue *q, struct tn_packet *p)
{
    p->next = NULL;
    if (q->tail)
        q->tail->next = p;
    else
        q->head = p;
    q->tail = p;
    q->bytes += p->total;
    q->packets++;
}

/* The oldest packet, taken out, or NULL. */
static inline struct tn_packet *tn_queue_take(struct tn_packet_queue *q)
{
    struct tn_packet *p = q->head;
    if (!p)
        return NULL;
    q->head = p->next;
    if (!q->head)
        q->tail = NULL;
    p->next = NULL;
    q->bytes -= p->total;
    q->packets--;
    return p;
}

/* Before all others. */
static inline void tn_queue_put_back(struct tn_packet_queue *q, struct tn_packet *p)
{
    p->next = q->head;
    q->head = p;
    if (!q->tail)
        q->tail = p;
    q->bytes += p->total;
    q->packets++;
}

/* Bytes free before / after the data of this piece. */
static inline size_t tn_packet_headroom(const struct tn_packet *p)
{
    return (size_t)(p->data - p->buffer->bytes);
}

static inline size_t tn_packet_tailroom(const struct tn_packet *p)
{
    return p->buffer->size - tn_packet_headroom(p) - p->len;
}

/* Whether the bytes may be written: no other packet refers to the buffer. */
static inline bool tn_packet_writable(const struct tn_packet *p)
{
    return p->buffer->refs == 1;
}

/* Lengthens the first piece by `len` bytes at its front and returns them (uninitialised). The packet must
 * have the headroom: every packet from core->packet_new() has TN_HEADROOM. */
static inline void *tn_packet_push(struct tn_packet *p, size_t len)
{
    assert(len <= tn_packet_headroom(p));
    p->data -= len;
    p->len += (uint32_t)len;
    p->total += (uint32_t)len;
    return p->data;
}

/* Removes `len` bytes, at most p->len, from the front of the first piece. */
static inline void tn_packet_pull(struct tn_packet *p, size_t len)
{
    assert(len <= p->len);
    p->data += len;
    p->len -= (uint32_t)len;
    p->total -= (uint32_t)len;
}

/* Lengthens a packet of one piece by `len` bytes at its end and returns them; the tailroom must suffice. */
static inline void *tn_packet_put(struct tn_packet *p, size_t len)
{
    assert(len <= tn_packet_tailroom(p) && !p->more);
    void *at = p->data + p->len;
    p->len += (uint32_t)len;
    p->total += (uint32_t)len;
    return at;
}

/* Cuts a packet of one piece to `len` bytes (link padding after an IP datagram, say); longer is no change. */
static inline void tn_packet_trim(struct tn_packet *p, size_t len)
{
    assert(!p->more);
    if (len < p->len) {
        p->len = (uint32_t)len;
        p->total = (uint32_t)len;
    }
}

/* A cursor over the first piece (for a received packet: over all of it). */
static inline struct tn_cursor tn_packet_cursor(const struct tn_packet *p)
{
    return (struct tn_cursor){.at = p->data, .end = p->data + p->len};
}

/* Notes where the current layer starts: p->network = tn_packet_offset(p). */
static inline uint16_t tn_packet_offset(const struct tn_packet *p)
{
    return (uint16_t)tn_packet_headroom(p);
}

#endif
