/* tap: frames to and from the Linux kernel through a TAP device.
 *
 * A TAP device is a network interface of the kernel whose cable ends in a descriptor: what the kernel sends
 * on the interface can be read there, one frame a read(), and what is written there the kernel receives. So
 * the stack and the kernel are two stations on one Ethernet, with an address each: the stack's is
 * ifc->lladdr, the kernel's that of the device.
 *
 * In: the core watches the descriptor and calls receive(). A frame is read into a spare packet that is large enough for
 * the longest one and one byte more, by which a frame that was cut is told from one that just fits. A long frame goes up
 * as it is, and another packet becomes the spare; a short one is copied to a packet of its size, which costs little beside
 * the system call, and keeps small frames from holding large buffers. The last spare packet is never given away.
 *
 * Out: one write a frame; a packet in pieces is gathered with writev().
 *
 * Offloads (on unless switched off): a virtio-net header goes before each frame (tenon/vnet.h), and checksums and the cutting of
 * super-frames are left to whom they matter, which between two stacks on one machine is nobody.
 *
 * What can happen to the device while it is in use:
 *     it is down         writes fail (EIO), reads find nothing; frames are dropped until it is up again
 *     it is deleted      the descriptor is dead (EBADFD) and always readable: it is watched no more
 *     a read fails       for any other reason: the descriptor rests for a second, or the stack would spin
 *     no packet is free  the frame is read and forgotten, or the stack would spin */
#include <errno.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tap.h"
#include "tenon/plugin.h"
#include "tenon/vnet.h"

#define TAP_MTU         1500 /* of a device that cannot be asked */
#define TAP_LINK_HEADER 18   /* Ethernet header and a VLAN tag: what a frame may be longer than the MTU */
#define TAP_SUPER_FRAME (65535 + TAP_LINK_HEADER) /* a super-frame */
#define TAP_IOV_MAX     64   /* pieces of a packet that are gathered; a packet in more pieces is copied */
#define TAP_COPY_SHORT  256  /* what is at most copied out of a spare packet of an Ethernet frame's size */
#define TAP_COPY_LONG   1856 /* … of a large one: fits a medium buffer */
#define TAP_BATCH_BYTES \
    (512 * 1024) /* read at one go, lest what is at its beginning is out of the cache at its end */
#define TAP_REST TN_SEC
/* After so many wake-ups in a row that found one frame, no second one is asked for but every so many wake-ups. */
#define TAP_LONE_MANY  4
#define TAP_LONE_PROBE 16

#define TAP_COUNTERS(X)                                                                     \
    X(READ_ERRORS, "read-errors", "Reads that failed and let the device rest for a second") \
    X(GATHERED, "gathered", "Frames that were written from several pieces")

#define TAP_DROPS(X)                                                                              \
    X(TOO_LONG, "too-long", "In: longer than the MTU of the interface and of the device allow")   \
    X(NO_MEMORY, "no-memory",                                                                     \
      "In: no packet was free; out: none for a copy of a packet in very many pieces")             \
    X(BAD_CHECKSUM_OFFSET, "bad-checksum-offset",                                                 \
      "In: the device left a checksum to us that would lie outside of the frame")                 \
    X(BAD_GSO, "bad-gso",                                                                         \
      "In: a super-frame with fields of segmentation that are wrong or not those of its headers") \
    X(DEVICE_DOWN, "device-down", "Out: the TAP device is down (ip link set dev NAME up)")        \
    X(DEVICE_GONE, "device-gone", "Out: the TAP device was deleted")                              \
    X(REFUSED, "refused", "Out: the device did not take the frame")

#define TAP_COUNTER_ID(id, name, help) TAP_##id,
#define TAP_DROP_ID(id, name, help)    TAP_DROP_##id,
enum {
    TAP_COUNTERS(TAP_COUNTER_ID) TAP_COUNTER_COUNT
};
enum {
    TAP_DROPS(TAP_DROP_ID) TAP_DROP_COUNT
};

enum tap_timer {
    TAP_TIMER_REST,
};

struct tap_options {
    char device[TN_OPTION_STRING_MAX];
    int64_t fd;
    bool checksum_offload;
    bool segmentation_offload;
    bool datagram_offload;
};

/* The driver's record of an interface. */
struct tap_link {
    struct tn_timer rest;    /* until the descriptor is watched again */
    struct tn_packet *spare; /* the next frame is read into it; NULL: none was free yet */
    uint32_t frame_max;      /* longest frame that is taken, but for a super-frame */
    uint32_t spare_size;     /* … that is read at all, and one byte more */
    uint32_t copy_max;       /* longest frame that is copied out of the spare packet */
    int fd;
    uint16_t ifindex;
    uint8_t lone; /* wake-ups in a row that found one frame */
    bool vnet;    /* frames have a virtio-net header */
    bool down;    /* the last write found the device down */
    bool gone;    /* the device was deleted */
    char device[IFNAMSIZ];
};

/* ---- Opening ---- */

/* Two stations with one address would not hear each other. */
static int tap_check_lladdr(const struct tn_interface *ifc, const struct tap_device *device,
                            struct tn_text *why)
{
    if (memcmp(ifc->lladdr, device->lladdr, sizeof(device->lladdr)) != 0)
        return 0;
    tn_text_add(why, "the kernel has the link address ");
    tn_text_lladdr(why, device->lladdr, sizeof(device->lladdr));
    tn_text_add(why, " on %s already; give the interface another with mac:", device->name);
    return -EADDRINUSE;
}

/* Settles the MTU, and tells people what they may have to do about the device. */
static int tap_configure(struct tn_self *self, struct tn_interface *ifc, struct tap_device *device,
                         struct tn_text *why)
{
    int err = tap_check_lladdr(ifc, device, why);
    if (err == 0 && device->created)
        err = tap_device_bring_up(device, ifc->mtu, why);
    if (err < 0)
        return err;
    if (ifc->mtu == 0)
        ifc->mtu = device->mtu ? device->mtu : TAP_MTU;
    if (device->visible && device->mtu != ifc->mtu)
        self->core->log(self, TN_LOG_WARNING,
                        "%s: the MTU of the TAP device %s is %u, that of the interface %u", ifc->name,
                        device->name, device->mtu, ifc->mtu);
    if (device->visible && !device->up)
        self->core->log(self, TN_LOG_WARNING,
                        "%s: the TAP device %s is down; bring it up with: ip link set dev %s up", ifc->name,
                        device->name, device->name);
    return 0;
}

static unsigned tap_wanted_offloads(const struct tap_options *options)
{
    if (!options->checksum_offload)
        return 0; /* segments need checksums, so the others make no sense without */
    return TAP_OFFLOAD_CHECKSUM | (options->segmentation_offload ? TAP_OFFLOAD_SEGMENTS : 0) |
           (options->datagram_offload ? TAP_OFFLOAD_DATAGRAMS : 0);
}

/* What the stack may leave to the device. */
static void tap_offer(struct tn_interface *ifc, const struct tap_device *device)
{
    ifc->checksum_offload = device->offloads & TAP_OFFLOAD_CHECKSUM;
    if (device->offloads & TAP_OFFLOAD_SEGMENTS)
        ifc->gso_kinds |= 1u << TN_GSO_TCP4 | 1u << TN_GSO_TCP6;
    if (device->offloads & TAP_OFFLOAD_DATAGRAMS)
        ifc->gso_kinds |= 1u << TN_GSO_UDP;
    ifc->gso_max = ifc->gso_kinds ? 65535 : 0;
}

static int tap_open(struct tn_self *self, struct tn_interface *ifc, struct tn_text *why)
{
    const struct tap_options *options = ifc->options;
    struct tap_link *link = ifc->link;
    struct tap_device device;
    unsigned wanted = tap_wanted_offloads(options);
    int err = options->fd >= 0
                  ? tap_device_inherit(&device, (int)options->fd, options->device, wanted, why)
                  : tap_device_attach(&device, options->device[0] ? options->device : ifc->name, wanted, why);
    if (err < 0)
        return err;
    err = tap_configure(self, ifc, &device, why);
    if (err == 0 && (err = self->core->watch(self, ifc, device.fd)) < 0)
        tn_text_add(why, "cannot watch the TAP device %s", device.name);
    if (err < 0) {
        close(device.fd);
        return err;
    }
    link->fd = device.fd;
    link->ifindex = ifc->index;
    link->vnet = device.vnet;
    tap_offer(ifc, &device);
    link->frame_max = (uint32_t)tn_max(ifc->mtu, device.mtu) + TAP_LINK_HEADER;
    link->spare_size = (ifc->gso_max ? TAP_SUPER_FRAME : link->frame_max) + 1;
    link->copy_max = link->spare_size <= TAP_COPY_LONG ? TAP_COPY_SHORT : TAP_COPY_LONG;
    memcpy(link->device, device.name, sizeof(link->device));
    self->core->log(self, TN_LOG_INFO, "%s: attached to the TAP device %s%s", ifc->name, device.name,
                    device.created ? ", which was made for it" : "");
    if (device.offloads != wanted)
        self->core->log(self, TN_LOG_INFO, "%s: the TAP device %s does without:%s%s%s", ifc->name,
                        device.name,
                        wanted & ~device.offloads & TAP_OFFLOAD_CHECKSUM ? " checksum-offload" : "",
                        wanted & ~device.offloads & TAP_OFFLOAD_SEGMENTS ? " segmentation-offload" : "",
                        wanted & ~device.offloads & TAP_OFFLOAD_DATAGRAMS ? " datagram-offload" : "");
    return 0;
}

static void tap_close(struct tn_self *self, struct tn_interface *ifc)
{
    struct tap_link *link = ifc->link;
    self->core->timer_stop(self, &link->rest);
    (void)self->core->watch(self, ifc, -1);
    if (link->spare)
        self->core->packet_free(self, link->spare);
    close(link->fd);
}

/* ---- Trouble with the device ---- */

/* The device was deleted: nothing comes and nothing can be sent any more. */
static void tap_gone(struct tn_self *self, struct tn_interface *ifc)
{
    struct tap_link *link = ifc->link;
    if (link->gone)
        return;
    link->gone = true;
    (void)self->core->watch(self, ifc, -1);
    self->core->link_writable(self, ifc); /* what waits for the device is not to wait for ever */
    self->core->log(self, TN_LOG_ERROR, "%s: the TAP device %s has gone", ifc->name, link->device);
}

static bool tap_means_gone(int err)
{
    return err == EBADFD || err == EBADF || err == ENODEV;
}

static void tap_read_failed(struct tn_self *self, struct tn_interface *ifc, int err)
{
    struct tap_link *link = ifc->link;
    if (err == EAGAIN || err == EINTR)
        return;
    if (tap_means_gone(err)) {
        tap_gone(self, ifc);
        return;
    }
    tn_count(self, TAP_READ_ERRORS);
    self->core->log(self, TN_LOG_WARNING, "%s: cannot read from the TAP device %s (errno %d)", ifc->name,
                    link->device, err);
    (void)self->core->watch(self, ifc, -1);
    self->core->timer_start(self, &link->rest, TAP_REST, TAP_TIMER_REST);
}

static void tap_rest_timer(struct tn_self *self, struct tn_timer *timer)
{
    struct tap_link *link = tn_container(timer, struct tap_link, rest);
    struct tn_interface *ifc = self->core->interface(self, link->ifindex);
    if (self->core->watch(self, ifc, link->fd) < 0)
        self->core->timer_start(self, timer, TAP_REST, TAP_TIMER_REST);
    else
        self->core->link_writable(self, ifc);
}

/* Which reason a failed write is, said to people when it begins. */
static unsigned tap_write_failed(struct tn_self *self, struct tn_interface *ifc, int err)
{
    struct tap_link *link = ifc->link;
    if (tap_means_gone(err)) {
        tap_gone(self, ifc);
        return TAP_DROP_DEVICE_GONE;
    }
    if (err == EIO || err == ENETDOWN) {
        if (!link->down)
            self->core->log(self, TN_LOG_WARNING, "%s: the TAP device %s is down", ifc->name, link->device);
        link->down = true;
        return TAP_DROP_DEVICE_DOWN;
    }
    return err == ENOMEM ? TAP_DROP_NO_MEMORY : TAP_DROP_REFUSED;
}

/* ---- In ---- */

/* Takes the next frame from the device and forgets it. 0 when there is none. A read must have room for the virtio-net header, or
 * it fails. */
static size_t tap_discard_one(struct tn_self *self, struct tn_interface *ifc)
{
    const struct tap_link *link = ifc->link;
    uint8_t bytes[sizeof(struct tn_vnet_header) + 1];
    if (read(link->fd, bytes, sizeof(bytes)) < 0) {
        tap_read_failed(self, ifc, errno);
        return 0;
    }
    self->drops[TAP_DROP_NO_MEMORY]++;
    return sizeof(bytes);
}

/* A packet with the `len` bytes that were read into the spare one: a copy of a short frame, or the spare itself if there is
 * another. NULL: there is none; the last one stays, so that acknowledgements, which free others, are still heard. */
static struct tn_packet *tap_take_frame(struct tn_self *self, struct tap_link *link, size_t len)
{
    bool copied = len <= link->copy_max;
    struct tn_packet *packet = self->core->packet_new(self, copied ? len : link->spare_size);
    if (!packet)
        return NULL;
    if (copied) {
        memcpy(packet->data, link->spare->data, len);
        return packet;
    }
    struct tn_packet *taken = link->spare;
    link->spare = packet;
    tn_packet_trim(taken, len);
    return taken;
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

/* Reads one frame into the spare packet, and its header. Its length, or less than 1. */
static ssize_t tap_read(const struct tap_link *link, struct tn_vnet_header *header)
{
    struct iovec iov[] = {{.iov_base = header, .iov_len = sizeof(*header)},
                          {.iov_base = link->spare->data, .iov_len = link->spare->len}};
    if (!link->vnet)
        return read(link->fd, link->spare->data, link->spare->len);
    ssize_t n = readv(link->fd, iov, 2);
    return n < 0 ? n : n - (ssize_t)sizeof(*header);
}

/* Carries one frame from the device up. Its length; 0 when there is none. */
static size_t tap_receive_one(struct tn_self *self, struct tn_interface *ifc)
{
    struct tap_link *link = ifc->link;
    if (!link->spare)
        link->spare = self->core->packet_new(self, link->spare_size);
    if (!link->spare)
        return tap_discard_one(self, ifc);
    struct tn_vnet_header header;
    ssize_t n = tap_read(link, &header);
    if (n <= 0) {
        tap_read_failed(self, ifc, n < 0 ? errno : EIO);
        return 0;
    }
    struct tn_packet *packet = tap_take_frame(self, link, (size_t)n);
    if (packet)
        tap_carry_up(self, ifc, &header, packet);
    else
        self->drops[TAP_DROP_NO_MEMORY]++;
    return (size_t)n;
}

/* A peer that waits for an answer before it sends the next frame: a read that finds nothing would be a system call in four.
 * If there is a frame all the same, the descriptor is readable, and the next step comes at once. */
static bool tap_expects_one(const struct tap_link *link)
{
    return link->lone >= TAP_LONE_MANY && link->lone % TAP_LONE_PROBE != 0;
}

static unsigned tap_receive(struct tn_self *self, struct tn_interface *ifc, unsigned budget)
{
    struct tap_link *link = ifc->link;
    size_t len, bytes = 0;
    for (unsigned count = 0; count < budget; count++) {
        bool enough = count == 1 && tap_expects_one(link);
        if (link->gone || enough || (len = tap_receive_one(self, ifc)) == 0) {
            link->lone = count == 1 ? (uint8_t)(link->lone + 1) : 0;
            return count;
        }
        bytes += len;
        if (bytes >= TAP_BATCH_BYTES)
            break;
    }
    link->lone = 0;
    return budget;
}

/* ---- Out ---- */

/* Writes the frame, gathered from its pieces. 0 or an errno. */
static int tap_write_pieces(const struct tap_link *link, const struct tn_packet *packet)
{
    struct iovec iov[TAP_IOV_MAX];
    struct tn_vnet_header header;
    int count = 0;
    if (link->vnet) {
        tn_vnet_write(&header, packet);
        iov[count++] = (struct iovec){.iov_base = &header, .iov_len = sizeof(header)};
    }
    for (const struct tn_packet *piece = packet; piece; piece = piece->more) {
        if (count == TAP_IOV_MAX)
            return E2BIG;
        iov[count++] = (struct iovec){.iov_base = piece->data, .iov_len = piece->len};
    }
    return writev(link->fd, iov, count) < 0 ? errno : 0;
}

/* Writes a frame of any number of pieces. 0 or an errno. */
static int tap_write(struct tn_self *self, const struct tap_link *link, const struct tn_packet *packet)
{
    if (!packet->more && !link->vnet)
        return write(link->fd, packet->data, packet->len) < 0 ? errno : 0;
    if (packet->more)
        tn_count(self, TAP_GATHERED);
    int err = tap_write_pieces(link, packet);
    if (err != E2BIG)
        return err;
    struct tn_packet *copy = self->core->packet_copy(self, packet);
    if (!copy)
        return ENOMEM;
    err = tap_write_pieces(link, copy);
    self->core->packet_free(self, copy);
    return err;
}

static int tap_transmit(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet)
{
    struct tap_link *link = ifc->link;
    int err = link->gone ? EBADFD : tap_write(self, link, packet);
    if (err == EAGAIN)
        return -EAGAIN;
    if (err) {
        tn_drop(self, packet, tap_write_failed(self, ifc, err));
        return -err;
    }
    if (link->down)
        self->core->log(self, TN_LOG_INFO, "%s: the TAP device %s is up again", ifc->name, link->device);
    link->down = false;
    self->core->packet_free(self, packet);
    return 0;
}

/* ---- The plugin ---- */

static const struct tn_option tap_options[] = {
    {"device", TN_OPTION_STRING, offsetof(struct tap_options, device)},
    {"fd", TN_OPTION_INT, offsetof(struct tap_options, fd)},
    {"checksum-offload", TN_OPTION_BOOL, offsetof(struct tap_options, checksum_offload)},
    {"segmentation-offload", TN_OPTION_BOOL, offsetof(struct tap_options, segmentation_offload)},
    {"datagram-offload", TN_OPTION_BOOL, offsetof(struct tap_options, datagram_offload)},
};
static tn_timer_fn *const tap_timers[] = {
    [TAP_TIMER_REST] = tap_rest_timer,
};
static const struct tn_name tap_counters[] = {TAP_COUNTERS(TN_NAME_ENTRY)};
static const struct tn_name tap_drops[] = {TAP_DROPS(TN_NAME_ENTRY)};

static const struct tn_link_ops tap_link = {
    .interface_size = sizeof(struct tap_link),
    .open = tap_open,
    .close = tap_close,
    .receive = tap_receive,
    .transmit = tap_transmit,
};

static const struct tn_plugin tap_plugin = {
    TN_PLUGIN_HEADER,         .name = "tap",
    .version = "0.1.0",       .kind = "link",
    .schema = "tap/3",        .options_size = sizeof(struct tap_options),
    .options = tap_options,   .option_count = TN_ARRAY_SIZE(tap_options),
    .timers = tap_timers,     .timer_count = TN_ARRAY_SIZE(tap_timers),
    .counters = tap_counters, .counter_count = TN_ARRAY_SIZE(tap_counters),
    .drops = tap_drops,       .drop_count = TN_ARRAY_SIZE(tap_drops),
    .link = &tap_link,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &tap_plugin;
}
