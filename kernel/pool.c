/* pool.c: packets and their buffers, from slabs. A buffer goes back when the last packet that points into it
 * is freed.
 *
 * Most packets are freed together with their buffer, and the next one wants the same again: a few such pairs of each size are
 * kept as they are, the buffer's `refs` 0, and handed out again before the slabs are asked. For the slabs they are in use; they
 * go back when records run out. Under AddressSanitizer nothing is kept, so that whatever is freed is poisoned. */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>

#include "tenon/checksum.h"

#ifdef TN_SLAB_ASAN
#define SPARE_MAX 0
#else
#define SPARE_MAX 64 /* of each size */
#endif

static const struct {
    const char *name;
    size_t size; /* of the record, struct tn_buffer included */
} pool_sizes[TN_POOL_COUNT] = {
    [TN_POOL_SMALL] = {"small buffers", 512},
    [TN_POOL_MEDIUM] = {"medium buffers", 2048},
    [TN_POOL_LARGE] = {"large buffers", 66 * 1024},
};

/* ---- The pool ---- */

int tn_pool_init(struct tn_pool *pool, size_t packets, size_t large)
{
    memset(pool, 0, sizeof(*pool));
    int error = tn_slab_init(&pool->packets, "packets", sizeof(struct tn_packet), packets);
    for (unsigned i = 0; i < TN_POOL_COUNT && error == 0; i++) {
        size_t limit = i == TN_POOL_LARGE ? large : packets;
        error = tn_slab_init(&pool->buffers[i], pool_sizes[i].name, pool_sizes[i].size, limit);
    }
    if (error < 0)
        tn_pool_destroy(pool);
    return error;
}

/* Gives back to the slabs what is kept. */
static void drain(struct tn_pool *pool)
{
    for (unsigned i = 0; i < TN_POOL_COUNT; i++) {
        while (pool->spare[i].first) {
            struct tn_packet *packet = pool->spare[i].first;
            pool->spare[i].first = packet->next;
            tn_slab_free(&pool->buffers[i], packet->buffer);
            tn_slab_free(&pool->packets, packet);
        }
        pool->spare[i].count = 0;
    }
}

void tn_pool_destroy(struct tn_pool *pool)
{
    drain(pool);
    for (unsigned i = 0; i < TN_POOL_COUNT; i++)
        tn_slab_destroy(&pool->buffers[i]);
    tn_slab_destroy(&pool->packets);
}

/* A record of the slab; what is kept goes back first if there is no other. */
static void *record_new(struct tn_pool *pool, struct tn_slab *slab)
{
    if (slab->used == slab->limit)
        drain(pool);
    return tn_slab_alloc_raw(slab);
}

/* ---- Packets ---- */

/* The smallest size of buffer that has room for `len` bytes after TN_HEADROOM; TN_POOL_COUNT: none. */
static unsigned size_for(size_t len)
{
    unsigned i = 0;
    while (i < TN_POOL_COUNT && len > pool_sizes[i].size - sizeof(struct tn_buffer) - TN_HEADROOM)
        i++;
    return i;
}

/* A packet with a buffer of that size, of which `buffer` and nothing else is set; NULL: there are no more. */
TN_RARE static struct tn_packet *pair_new(struct tn_pool *pool, unsigned size)
{
    struct tn_buffer *buffer = record_new(pool, &pool->buffers[size]);
    if (!buffer)
        return NULL;
    struct tn_packet *packet = record_new(pool, &pool->packets);
    if (!packet) {
        tn_slab_free(&pool->buffers[size], buffer);
        return NULL;
    }
    buffer->size = (uint32_t)(pool_sizes[size].size - sizeof(struct tn_buffer));
    buffer->pool = (uint8_t)size;
    packet->buffer = buffer;
    return packet;
}

static struct tn_packet *take_spare(struct tn_pool *pool, unsigned size)
{
    struct tn_packet *packet = pool->spare[size].first;
    pool->spare[size].first = packet->next;
    pool->spare[size].count--;
    return packet;
}

static void keep(struct tn_pool *pool, struct tn_packet *packet, unsigned size)
{
    packet->next = pool->spare[size].first;
    pool->spare[size].first = packet;
    pool->spare[size].count++;
}

TN_RARE static void give_back(struct tn_pool *pool, struct tn_packet *packet)
{
    struct tn_buffer *buffer = packet->buffer;
    if (buffer->refs == 0)
        tn_slab_free(&pool->buffers[buffer->pool], buffer);
    tn_slab_free(&pool->packets, packet);
}

struct tn_packet *tn_packet_new(struct tn_pool *pool, size_t len)
{
    unsigned size = size_for(len);
    if (size == TN_POOL_COUNT)
        return NULL;
    struct tn_packet *packet = pool->spare[size].first ? take_spare(pool, size) : pair_new(pool, size);
    if (!packet)
        return NULL;
    struct tn_buffer *buffer = packet->buffer;
    buffer->refs = 1;
    *packet = (struct tn_packet){
        .buffer = buffer,
        .data = buffer->bytes + TN_HEADROOM,
        .len = (uint32_t)len,
        .total = (uint32_t)len,
    };
    return packet;
}

void tn_packet_free(struct tn_pool *pool, struct tn_packet *packet)
{
    while (packet) {
        struct tn_packet *more = packet->more;
        struct tn_buffer *buffer = packet->buffer;
        if (buffer->refs == 0) /* freed twice */
            abort();
        buffer->refs--;
        if (tn_likely(buffer->refs == 0 && pool->spare[buffer->pool].count < SPARE_MAX))
            keep(pool, packet, buffer->pool);
        else
            give_back(pool, packet);
        packet = more;
    }
}

struct tn_packet *tn_packet_clone(struct tn_pool *pool, const struct tn_packet *packet)
{
    struct tn_packet *first = NULL;
    struct tn_packet **link = &first;
    for (const struct tn_packet *piece = packet; piece; piece = piece->more) {
        struct tn_packet *clone = record_new(pool, &pool->packets);
        if (!clone) {
            tn_packet_free(pool, first);
            return NULL;
        }
        *clone = *piece;
        clone->next = NULL;
        clone->more = NULL;
        clone->buffer->refs++;
        *link = clone;
        link = &clone->more;
    }
    return first;
}

/* One piece that shares `len` bytes of `of` from `offset` on. */
static struct tn_packet *piece_share(struct tn_pool *pool, const struct tn_packet *of, size_t offset,
                                     size_t len)
{
    struct tn_packet *piece = record_new(pool, &pool->packets);
    if (!piece)
        return NULL;
    *piece = (struct tn_packet){
        .buffer = of->buffer,
        .data = of->data + offset,
        .len = (uint32_t)len,
    };
    piece->buffer->refs++;
    return piece;
}

struct tn_packet *tn_packet_clone_range(struct tn_pool *pool, const struct tn_packet *packet, size_t offset,
                                        size_t len)
{
    if (offset > packet->total || len > packet->total - offset)
        return NULL;
    const struct tn_packet *piece = packet;
    for (; offset >= piece->len && piece->more; piece = piece->more)
        offset -= piece->len;

    struct tn_packet *first = NULL;
    struct tn_packet **link = &first;
    size_t left = len;
    do {
        size_t here = tn_min(left, piece->len - offset);
        if (here > 0 || len == 0) {
            *link = piece_share(pool, piece, offset, here);
            if (!*link) {
                tn_packet_free(pool, first);
                return NULL;
            }
            link = &(*link)->more;
        }
        left -= here;
        offset = 0;
        piece = piece->more;
    } while (left > 0 && piece);
    if (first)
        first->total = (uint32_t)len;
    return first;
}

/* Where `offset` of a header in the old buffer lies in the new one, of which the first byte is the old one's
 * `lost`. */
static uint16_t offset_moved(uint16_t offset, ptrdiff_t lost)
{
    return offset != 0 && offset >= lost ? (uint16_t)(offset - lost) : 0;
}

struct tn_packet *tn_packet_copy(struct tn_pool *pool, const struct tn_packet *packet)
{
    struct tn_packet *copy = tn_packet_new(pool, packet->total);
    if (!copy)
        return NULL;
    struct tn_buffer *buffer = copy->buffer;
    uint8_t *data = copy->data;
    *copy = *packet;
    copy->next = NULL;
    copy->more = NULL;
    copy->buffer = buffer;
    copy->data = data;
    copy->len = copy->total;

    size_t before = tn_min(tn_packet_headroom(packet), TN_HEADROOM);
    memcpy(data - before, packet->data - before, before);
    tn_packet_read(packet, 0, data, packet->total);

    ptrdiff_t lost = (ptrdiff_t)tn_packet_headroom(packet) - TN_HEADROOM;
    copy->link = offset_moved(packet->link, lost);
    copy->network = offset_moved(packet->network, lost);
    copy->transport = offset_moved(packet->transport, lost);
    copy->csum_start = offset_moved(packet->csum_start, lost);
    return copy;
}

size_t tn_packet_read(const struct tn_packet *packet, size_t offset, void *to, size_t len)
{
    uint8_t *at = to;
    size_t left = len;
    for (const struct tn_packet *piece = packet; piece && left > 0; piece = piece->more) {
        if (offset >= piece->len) {
            offset -= piece->len;
            continue;
        }
        size_t here = tn_min(left, piece->len - offset);
        memcpy(at, piece->data + offset, here);
        at += here;
        left -= here;
        offset = 0;
    }
    return len - left;
}

/* ---- Checksum ---- */

static uint16_t swap16(uint16_t v)
{
    return (uint16_t)(v << 8 | v >> 8);
}

/* `sum`, of `done` bytes, and that of the pieces that follow them. Bytes that follow an odd number of others stand in the other
 * half of their words (RFC 1071 §2 (B)). */
TN_APART static tn_sum sum_pieces(tn_sum sum, size_t done, const struct tn_packet *piece)
{
    sum = tn_sum_fold(sum);
    for (; piece; piece = piece->more) {
        uint16_t part = tn_sum_fold(tn_sum_add(0, piece->data, piece->len));
        sum += done % 2 ? swap16(part) : part;
        done += piece->len;
    }
    return sum;
}

void tn_packet_complete_checksum(struct tn_packet *packet)
{
    if (packet->checksum != TN_CHECKSUM_PARTIAL)
        return;
    packet->checksum = TN_CHECKSUM_UNKNOWN;
    uint8_t *start = packet->buffer->bytes + packet->csum_start, *end = packet->data + packet->len;
    uint8_t *field = start + packet->csum_offset;
    assert(field + 2 <= end);
    if (tn_unlikely(field + 2 > end))
        return;
    tn_sum sum = tn_sum_add(0, start, (size_t)(end - start));
    if (tn_unlikely(packet->more != NULL))
        sum = sum_pieces(sum, (size_t)(end - start), packet->more);
    uint16_t check = tn_sum_finish(sum);
    if (check == 0)
        check = 0xffff;
    memcpy(field, &check, sizeof(check));
}
