/* pool.h: packets and their buffers. Sizes of buffers: small (a header or a short message), medium (an
 * Ethernet frame), large (a 64 KiB super-frame). */
#ifndef TENON_KERNEL_POOL_H
#define TENON_KERNEL_POOL_H

#include "slab.h"
#include "tenon/packet.h"

enum tn_pool_size {
    TN_POOL_SMALL,  /* 512 bytes of buffer, header included */
    TN_POOL_MEDIUM, /* 2048 */
    TN_POOL_LARGE,  /* 66 KiB: TN_HEADROOM + 65535 and a little more */
    TN_POOL_COUNT,
};

struct tn_pool {
    struct tn_slab packets;
    struct tn_slab buffers[TN_POOL_COUNT];
    struct {
        struct tn_packet *first;
        uint32_t count;
    } spare
        [TN_POOL_COUNT]; /* packets that nobody has, each with a buffer of that size, for the next time (pool.c) */
};

/* `packets`: limit of packet records and of small and of medium buffers; `large`: of large buffers. */
int tn_pool_init(struct tn_pool *pool, size_t packets, size_t large);
void tn_pool_destroy(struct tn_pool *pool);

/* Buffers of that size, and packets, that somebody has. */
static inline uint32_t tn_pool_buffers_used(const struct tn_pool *pool, unsigned size)
{
    return pool->buffers[size].used - pool->spare[size].count;
}

static inline uint32_t tn_pool_packets_used(const struct tn_pool *pool)
{
    uint32_t used = pool->packets.used;
    for (unsigned i = 0; i < TN_POOL_COUNT; i++)
        used -= pool->spare[i].count;
    return used;
}

/* Whether more than so many quarters of the buffers of that size are in use. */
static inline bool tn_pool_buffers_beyond(const struct tn_pool *pool, unsigned size, uint32_t quarters)
{
    return tn_pool_buffers_used(pool, size) > pool->buffers[size].limit / 4 * quarters;
}

/* Whether more than so many quarters of the packets, or of large buffers, are in use. (The other buffers are as many as packets,
 * and each that is in use has one.) Queues that wait for a peer to acknowledge stop growing
 * at a half, those that wait for a user to read at three quarters; the last quarter is for packets that pass. Without it
 * nothing could be received or sent that would empty the queues. */
static inline bool tn_pool_beyond(const struct tn_pool *pool, uint32_t quarters)
{
    const uint32_t limit = pool->packets.limit / 4 * quarters;
    return (tn_unlikely(pool->packets.used > limit) && tn_pool_packets_used(pool) > limit) ||
           tn_pool_buffers_beyond(pool, TN_POOL_LARGE, quarters);
}

/* As in struct tn_core (plugin.h). */
struct tn_packet *tn_packet_new(struct tn_pool *pool, size_t len);
struct tn_packet *tn_packet_clone(struct tn_pool *pool, const struct tn_packet *packet);
/* A clone of bytes [offset, offset + len) alone, metadata not included; NULL if the packet has not that many
 * bytes, or no record is left. */
struct tn_packet *tn_packet_clone_range(struct tn_pool *pool, const struct tn_packet *packet, size_t offset,
                                        size_t len);
/* Takes the bytes before the data along (headers that were pulled off), as far back as the metadata points
 * and TN_HEADROOM reaches; what lies further back is forgotten (its offset 0). */
struct tn_packet *tn_packet_copy(struct tn_pool *pool, const struct tn_packet *packet);
void tn_packet_free(struct tn_pool *pool, struct tn_packet *packet); /* all pieces; NULL is allowed */
size_t tn_packet_read(const struct tn_packet *packet, size_t offset, void *to, size_t len);
/* The first piece must be writable. A sum of 0 is stored as 0xffff: equal in ones' complement, and in UDP 0
 * would mean that there is none (RFC 768). */
void tn_packet_complete_checksum(struct tn_packet *packet);

#endif
