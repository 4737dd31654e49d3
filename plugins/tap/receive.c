/* receive.c: frames from the TAP device.
 *
 * The core watches the descriptor and calls receive(). Frames are read into spare packets, each large enough for the longest frame
 * and one byte more, by which a frame that was cut is told from one that just fits. A long frame goes up as it is, and another
 * packet becomes the spare; a short one is copied to a packet of its size, which costs little beside the system call, and keeps
 * small frames from holding large buffers. The last spare packet is never given away.
 *
 * How many frames are asked for at once (the window) follows how many there were: twice as many when all were there, else one
 * more than were, and at least half as many as before. A read that finds nothing costs little in a batch, and a system call
 * alone. */
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "link.h"
#include "tenon/vnet.h"

/* Read at one go, lest what is at its beginning is out of the cache at its end. */
#define TAP_BATCH_BYTES (512 * 1024)
/* After so many wake-ups in a row that found one frame, no second one is asked for but every so many wake-ups. */
#define TAP_LONE_MANY  4
#define TAP_LONE_PROBE 16

/* Reads for one batch. */
struct tap_reads {
    struct iovec iov[TAP_WINDOW_MAX];
    struct tn_io ios[TAP_WINDOW_MAX];
};

/* ---- Spare packets ---- */

static void tap_trim_spares(struct tn_self *self, struct tap_link *link, unsigned count)
{
    while (link->spare_count > count)
        self->core->packet_free(self, link->spares[--link->spare_count]);
}

/* Provides as many as `count` if there are. Where there are not, others need them, too: half of them go back. How many there
 * are, at most `count`. */
static unsigned tap_fill_spares(struct tn_self *self, struct tap_link *link, unsigned count)
{
    while (link->spare_count < count) {
        struct tn_packet *packet = self->core->packet_new(self, link->spare_size);
        if (!packet) {
            tap_trim_spares(self, link, (link->spare_count + 1) / 2);
            break;
        }
        link->spares[link->spare_count++] = packet;
    }
    return tn_min(count, link->spare_count);
}

/* Closes the gap that a spare packet without a successor left. */
static void tap_close_gaps(struct tap_link *link)
{
    unsigned to = 0;
    for (unsigned from = 0; to < link->spare_count; from++)
        if (link->spares[from])
            link->spares[to++] = link->spares[from];
}

void tap_free_spares(struct tn_self *self, struct tap_link *link)
{
    tap_trim_spares(self, link, 0);
}

/* ---- One frame ---- */

/* Takes the next frame from the device and forgets it; whether there was one. A read must have room for the virtio-net header,
 * or it fails. */
static bool tap_discard_one(struct tn_self *self, struct tn_interface *ifc)
{
    const struct tap_link *link = ifc->link;
    uint8_t bytes[sizeof(struct tn_vnet_header) + 1];
    if (read(link->fd, bytes, sizeof(bytes)) < 0) {
        tap_read_failed(self, ifc, errno);
        return false;
    }
    self->drops[TAP_DROP_NO_MEMORY]++;
    return true;
}

/* A packet with the `len` bytes that were read into spare packet `i`: a copy of a short frame, or the spare itself if there is
 * another. NULL: there is none; the last one stays, so that acknowledgements, which free others, are still heard. */
static struct tn_packet *tap_take_frame(struct tn_self *self, struct tap_link *link, unsigned i, size_t len)
{
    bool copied = len <= link->copy_max;
    struct tn_packet *spare = link->spares[i];
    struct tn_packet *packet = self->core->packet_new(self, copied ? len : link->spare_size);
    if (copied) {
        if (packet)
            memcpy(packet->data, spare->data, len);
        return packet;
    }
    if (!packet && link->spare_count == 1)
        return NULL;
    link->spares[i] = packet;
    if (!packet)
        link->spare_count--;
    tn_packet_trim(spare, len);
    return spare;
}

static void tap_carry_up(struct tn_self *self, struct tn_interface *ifc, const struct tn_vnet_header *header,
                         struct tn_packet *packet)
{
    const struct tap_link *link = ifc->link;
    enum tn_vnet_fault fault = link->vnet ? tn_vnet_read(header, packet) : TN_VNET_OK;
    size_t longest = packet->gso == TN_GSO_NONE ? link->frame_max : TAP_SUPER_FRAME;
    if (tn_unlikely(packet->len > longest))
        tn_drop(self, packet, TAP_DROP_TOO_LONG);
    else if (tn_unlikely(fault != TN_VNET_OK))
        tn_drop(self, packet, fault == TN_VNET_BAD_GSO ? TAP_DROP_BAD_GSO : TAP_DROP_BAD_CHECKSUM_OFFSET);
    else
        self->core->input(self, ifc, packet);
}

/* ---- A batch ---- */

/* Each frame with its header in one piece, which costs less than two: the header comes to lie in the spare packet's headroom. */
static void tap_read(struct tn_self *self, const struct tap_link *link, struct tap_reads *reads,
                     unsigned count)
{
    size_t header = link->vnet ? sizeof(struct tn_vnet_header) : 0;
    for (unsigned i = 0; i < count; i++) {
        const struct tn_packet *spare = link->spares[i];
        reads->iov[i] = (struct iovec){.iov_base = spare->data - header, .iov_len = spare->len + header};
        reads->ios[i] = (struct tn_io){.fd = link->fd, .count = 1, .iov = &reads->iov[i]};
    }
    self->core->io(self, reads->ios, count);
}

/* Carries up to `count` frames from the device up. How many there were; their bytes are added to `bytes`. */
static unsigned tap_receive_some(struct tn_self *self, struct tn_interface *ifc, unsigned count,
                                 size_t *bytes)
{
    struct tap_link *link = ifc->link;
    struct tap_reads reads;
    ssize_t header = link->vnet ? (ssize_t)sizeof(struct tn_vnet_header) : 0;
    int error = 0;
    unsigned found = 0;
    count = tap_fill_spares(self, link, count);
    if (count == 0)
        return tap_discard_one(self, ifc);
    tap_read(self, link, &reads, count);
    for (unsigned i = 0; i < count; i++) {
        ssize_t len = reads.ios[i].result - header;
        if (len <= 0) {
            error = reads.ios[i].result < 0 ? (int)-reads.ios[i].result : EIO;
            continue;
        }
        found++;
        *bytes += (size_t)len;
        struct tn_vnet_header vnet;
        memcpy(&vnet, reads.iov[i].iov_base, sizeof(vnet));
        struct tn_packet *packet = tap_take_frame(self, link, i, (size_t)len);
        if (packet)
            tap_carry_up(self, ifc, &vnet, packet);
        else
            self->drops[TAP_DROP_NO_MEMORY]++;
    }
    tap_close_gaps(link);
    if (error)
        tap_read_failed(self, ifc, error);
    return found;
}

/* A peer that waits for an answer before it sends the next frame: a read that finds nothing would be a system call in four.
 * If there is a frame all the same, the descriptor is readable, and the next step comes at once. */
static bool tap_expects_one(const struct tap_link *link)
{
    return link->lone >= TAP_LONE_MANY && link->lone % TAP_LONE_PROBE != 0;
}

/* `found` of the `asked` frames were there. */
static void tap_resize_window(struct tap_link *link, unsigned asked, unsigned found)
{
    unsigned window = found == asked ? 2 * asked : tn_max(found + 1, asked / 2);
    link->window = (uint8_t)tn_min(window, link->window_max);
}

unsigned tap_receive(struct tn_self *self, struct tn_interface *ifc, unsigned budget)
{
    struct tap_link *link = ifc->link;
    bool lone = tap_expects_one(link);
    unsigned count = 0;
    size_t bytes = 0;
    while (count < budget && bytes < TAP_BATCH_BYTES && !link->gone) {
        unsigned window = lone ? 1 : tn_min(link->window, budget - count);
        unsigned found = tap_receive_some(self, ifc, window, &bytes);
        count += found;
        tap_resize_window(link, window, found);
        if (found < window || lone) {
            if (count > 0)
                link->lone = count == 1 ? (uint8_t)(link->lone + 1) : 0;
            tap_trim_spares(self, link, 2 * link->window); /* more will not be needed soon */
            return count;
        }
    }
    link->lone = 0;
    return budget;
}
