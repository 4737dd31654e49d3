/* The virtio-net header and the frame behind it, both the device's: what is noted of a frame lies inside it, and reading again
 * what was written of it changes nothing. Input: the header's 10 bytes, then the frame. */
#include <stdlib.h>
#include <string.h>

#include "pool.h"

#include "../../plugins/tap/vnet.c" /* NOLINT(bugprone-suspicious-include): the driver's file under test */

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
    if (size < TAP_VNET_LEN || size > TAP_VNET_LEN + 65553 || tn_pool_init(&pool, 4, 2) < 0)
        return 0;
    struct tn_packet *first = frame(&pool, bytes + TAP_VNET_LEN, size - TAP_VNET_LEN);
    struct tn_packet *second = frame(&pool, bytes + TAP_VNET_LEN, size - TAP_VNET_LEN);
    uint8_t written[TAP_VNET_LEN];
    if (first && second && tap_vnet_read(bytes, first) == TAP_VNET_OK) {
        check(first);
        tap_vnet_write(written, first);
        if (tap_vnet_read(written, second) != TAP_VNET_OK || first->gso != second->gso ||
            first->gso_size != second->gso_size || first->csum_start != second->csum_start)
            abort();
    }
    tn_packet_free(&pool, first);
    tn_packet_free(&pool, second);
    tn_pool_destroy(&pool);
    return 0;
}
