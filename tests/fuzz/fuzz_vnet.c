/* The virtio-net header and the frame behind it, both the device's: what is noted of a frame lies inside it, and reading again
 * what was written of it changes nothing. Input: the header's 10 bytes, then the frame. */
#include <stdlib.h>
#include <string.h>

#include "pool.h"
#include "tenon/vnet.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct tn_packet *frame(struct tn_pool *pool, const uint8_t *bytes, size_t len)
{
    struct tn_packet *packet = tn_packet_new(pool, len);
    if (packet)
        memcpy(packet->data, bytes, len);
    return packet;
}

static void check(const struct tn_packet *p)
{
    size_t start = p->csum_start - tn_packet_headroom(p);
    if (p->checksum == TN_CHECKSUM_PARTIAL && start + p->csum_offset + 2 > p->len)
        abort();
    if (p->gso != TN_GSO_NONE &&
        (p->checksum != TN_CHECKSUM_PARTIAL || p->gso_size == 0 || p->gso_size >= p->len))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct tn_pool pool;
    struct tn_vnet_header header, written;
    if (size < sizeof(header) || size > sizeof(header) + 65553 || tn_pool_init(&pool, 4, 2) < 0)
        return 0;
    memcpy(&header, bytes, sizeof(header));
    struct tn_packet *first = frame(&pool, bytes + sizeof(header), size - sizeof(header));
    struct tn_packet *second = frame(&pool, bytes + sizeof(header), size - sizeof(header));
    if (first && second && tn_vnet_read(&header, first) == TN_VNET_OK) {
        check(first);
        tn_vnet_write(&written, first);
        if (tn_vnet_read(&written, second) != TN_VNET_OK || first->gso != second->gso ||
            first->gso_size != second->gso_size || first->csum_start != second->csum_start)
            abort();
    }
    tn_packet_free(&pool, first);
    tn_packet_free(&pool, second);
    tn_pool_destroy(&pool);
    return 0;
}
