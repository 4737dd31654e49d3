/* transmit.c: frames to the TAP device: one write a frame, gathered from its pieces, and as many writes as there are frames for
 * one system call (core->io). */
#include <errno.h>
#include <sys/uio.h>

#include "link.h"
#include "tenon/vnet.h"

#define TAP_WRITES_MAX 32
#define TAP_IOV_MAX    64  /* pieces of a packet that are gathered; a packet in more pieces is copied */
#define TAP_PIECES_MAX 256 /* … of all packets of a batch */

/* Writes for one batch. */
struct tap_writes {
    unsigned count;
    unsigned pieces;
    struct tn_io ios[TAP_WRITES_MAX];
    struct tn_vnet_header headers[TAP_WRITES_MAX];
    struct iovec iov[TAP_PIECES_MAX];
};

/* The virtio-net header goes before the frame: into the packet's own headroom where nobody else can have use for that, for one
 * piece is written faster than two. */
static unsigned tap_put_header(struct tap_writes *writes, const struct tn_packet *packet, struct iovec *iov)
{
    struct tn_vnet_header *header = &writes->headers[writes->count];
    tn_vnet_write(header, packet);
    if (!packet->more && tn_packet_writable(packet) && tn_packet_headroom(packet) >= sizeof(*header)) {
        iov[0] = (struct iovec){.iov_base = packet->data - sizeof(*header),
                                .iov_len = packet->len + sizeof(*header)};
        memcpy(iov[0].iov_base, header, sizeof(*header));
        return 1;
    }
    iov[0] = (struct iovec){.iov_base = header, .iov_len = sizeof(*header)};
    return 0;
}

/* Adds the write of a frame; false: it has more pieces than there is room for. */
static bool tap_add_write(const struct tap_link *link, struct tap_writes *writes,
                          const struct tn_packet *packet)
{
    struct iovec *iov = &writes->iov[writes->pieces];
    unsigned room = tn_min(TAP_PIECES_MAX - writes->pieces, TAP_IOV_MAX), count = 0;
    const struct tn_packet *piece = packet;
    if (room < 2)
        return false;
    if (link->vnet) {
        count = 1;
        if (tap_put_header(writes, packet, iov))
            piece = NULL;
    }
    for (; piece; piece = piece->more) {
        if (count == room)
            return false;
        iov[count++] = (struct iovec){.iov_base = piece->data, .iov_len = piece->len};
    }
    writes->ios[writes->count++] =
        (struct tn_io){.fd = link->fd, .write = true, .count = (int)count, .iov = iov};
    writes->pieces += count;
    return true;
}

/* What a write has come to; as transmit() has it. */
static int tap_written(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet,
                       ssize_t result)
{
    if (result == -EAGAIN)
        return -EAGAIN;
    if (tn_unlikely(result < 0)) {
        tn_drop(self, packet, tap_write_failed(self, ifc, (int)-result));
        return (int)result;
    }
    tap_write_done(self, ifc);
    if (packet->more)
        tn_count(self, TAP_GATHERED);
    self->core->packet_free(self, packet);
    return 0;
}

/* Writes a copy, for a frame of very many pieces. Bytes, or a negative errno. */
static ssize_t tap_write_copy(struct tn_self *self, const struct tap_link *link, struct tap_writes *writes,
                              const struct tn_packet *packet)
{
    struct tn_packet *copy = self->core->packet_copy(self, packet);
    if (!copy)
        return -ENOMEM;
    (void)tap_add_write(link, writes, copy); /* it has one piece */
    self->core->io(self, writes->ios, 1);
    self->core->packet_free(self, copy);
    return writes->ios[0].result;
}

int tap_transmit(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet)
{
    const struct tap_link *link = ifc->link;
    struct tap_writes writes;
    writes.count = writes.pieces = 0;
    if (link->gone)
        return tap_written(self, ifc, packet, -EBADFD);
    if (!tap_add_write(link, &writes, packet))
        return tap_written(self, ifc, packet, tap_write_copy(self, link, &writes, packet));
    self->core->io(self, writes.ios, 1);
    return tap_written(self, ifc, packet, writes.ios[0].result);
}

void tap_transmit_batch(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *const *packets,
                        int *results, unsigned count)
{
    const struct tap_link *link = ifc->link;
    struct tap_writes writes;
    for (unsigned done = 0; done < count;) {
        writes.count = writes.pieces = 0;
        while (done + writes.count < count && writes.count < TAP_WRITES_MAX && !link->gone &&
               tap_add_write(link, &writes, packets[done + writes.count]))
            ;
        if (writes.count == 0) {
            results[done] = tap_transmit(self, ifc, packets[done]);
            done++;
            continue;
        }
        self->core->io(self, writes.ios, writes.count);
        for (unsigned i = 0; i < writes.count; i++, done++)
            results[done] = tap_written(self, ifc, packets[done], writes.ios[i].result);
    }
    /* The device may have gone in the middle: then nothing that it had no room for will ever be asked for again. */
    for (unsigned i = 0; i < count && link->gone; i++)
        if (results[i] == -EAGAIN)
            results[i] = tap_written(self, ifc, packets[i], -EBADFD);
}
