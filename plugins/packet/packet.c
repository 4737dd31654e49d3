/* packet: frames over a network interface of the kernel, through a packet socket (packet(7)).
 *
 * The stack is one more station on the interface's network. It shares the interface with the kernel, which
 * goes on to send and receive there as it did; the two do not hear each other. Where stack.yaml says no
 * `mac:`, the stack has the interface's own link address: no device and no network refuses it, but what is
 * sent to the stack the kernel receives, too, so that the kernel should have no address of its own there
 * and forward nothing. With a `mac:` of its own the kernel lets alone what is sent to it, and the device
 * is told to hear it.
 *
 * In: as in the TAP driver, a frame is read into a spare packet that is large enough for a super-frame; a
 * long frame goes up as it is, and a short one is copied to a packet of its size. The tag of a VLAN, which
 * the kernel takes off and hands over beside the frame, is put back.
 *
 * Out: one sendmsg() a frame, gathered from its pieces. The kernel counts what the device has not sent yet
 * against the socket, and says EAGAIN when that is enough; the frame then waits in the core.
 *
 * A virtio-net header stands before each frame (tenon/vnet.h) whatever the options say: what comes in may
 * be without checksum or a super-frame by the interface's settings (ethtool -K), which are not the stack's.
 *
 * What can happen to the interface while it is in use:
 *     it is down         one read says so (ENETDOWN), writes fail; it is looked at every second until it is up
 *     it is deleted      the same, and the socket is attached to nothing (ENXIO): an interface of the same
 *                        name is looked for every second, and attached to; that takes no rights
 *     a read fails       for any other reason: the socket rests for a second, or the stack would spin
 *     no packet is free  the frame is read and forgotten, or the stack would spin; the spare one is kept */
#include <errno.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "device.h"
#include "tenon/plugin.h"
#include "tenon/vnet.h"

#define PACKET_LINK_HEADER 18 /* Ethernet header and a VLAN tag: what a frame may be longer than the MTU */
#define PACKET_SUPER_FRAME (65535 + PACKET_LINK_HEADER)
#define PACKET_IOV_MAX     64   /* pieces of a packet that are gathered; a packet in more pieces is copied */
#define PACKET_COPY_MAX    1856 /* longest frame that is copied out of the spare packet: fits a medium buffer */
#define PACKET_BATCH_BYTES (512 * 1024) /* read at one go, lest what is first falls out of the cache */
#define PACKET_LOOK        TN_SEC

#define PACKET_COUNTERS(X)                                                                  \
    X(READ_ERRORS, "read-errors", "Reads that failed and let the socket rest for a second") \
    X(GATHERED, "gathered", "Frames that were sent from several pieces")                    \
    X(TAGS, "tags-in", "VLAN tags that the kernel had taken off, and were put back")

#define PACKET_DROPS(X)                                                                                   \
    X(TOO_LONG, "too-long", "In: longer than the MTU of the interface and of the device allow")           \
    X(NO_MEMORY, "no-memory",                                                                             \
      "In: no packet was free; out: none for a copy of a packet in very many pieces")                     \
    X(BAD_CHECKSUM_OFFSET, "bad-checksum-offset",                                                         \
      "In: the device left a checksum to us that would lie outside of the frame")                         \
    X(BAD_GSO, "bad-gso",                                                                                 \
      "In: a super-frame of an unknown kind, or with fields of segmentation that are wrong")              \
    X(BUFFER_FULL, "buffer-full",                                                                         \
      "In: the kernel had no room for it, as the stack was slow to take what was there (receive-buffer)") \
    X(DEVICE_DOWN, "device-down", "Out: the device is down (ip link set dev NAME up)")                    \
    X(DEVICE_GONE, "device-gone", "Out: the device was deleted")                                          \
    X(QUEUE_FULL, "queue-full", "Out: the queue of the device was full (tc -s qdisc show dev NAME)")      \
    X(REFUSED, "refused", "Out: the kernel did not take the frame")

#define PACKET_COUNTER_ID(id, name, help) PACKET_##id,
#define PACKET_DROP_ID(id, name, help)    PACKET_DROP_##id,
enum {
    PACKET_COUNTERS(PACKET_COUNTER_ID) PACKET_COUNTER_COUNT
};
enum {
    PACKET_DROPS(PACKET_DROP_ID) PACKET_DROP_COUNT
};

enum packet_timer {
    PACKET_TIMER_LOOK,
    PACKET_TIMER_LOST,
};

struct packet_options {
    char device[TN_OPTION_STRING_MAX];
    int64_t receive_buffer;
    bool checksum_offload;
    bool segmentation_offload;
    bool datagram_offload;
};

/* What is known of the device. */
enum packet_state {
    PACKET_UP,
    PACKET_DOWN,
    PACKET_GONE, /* deleted: the socket is attached to nothing */
};

/* The driver's record of an interface. */
struct packet_link {
    struct tn_timer look;    /* while the device is not up or not watched */
    struct tn_timer lost;    /* the kernel is asked what it lost: runs only while frames come */
    struct tn_packet *spare; /* the next frame is read into it; NULL: none was free yet */
    uint32_t frame_max;      /* longest frame that is taken, but for a super-frame */
    int fd;
    uint16_t ifindex; /* of the stack's interface */
    uint8_t state;    /* enum packet_state */
    bool resting;     /* a read failed: the socket is not watched */
    char device[IFNAMSIZ];
};

/* ---- Opening ---- */

/* Tells people what they may have to do about the device, or beside it. */
static void packet_advise(struct tn_self *self, const struct tn_interface *ifc,
                          const struct packet_device *device, int64_t wanted_buffer, int64_t buffer)
{
    const struct tn_core *core = self->core;
    if (device->mtu < ifc->mtu)
        core->log(self, TN_LOG_WARNING, "%s: the MTU of %s is %u, that of the interface %u", ifc->name,
                  device->name, device->mtu, ifc->mtu);
    if (!device->up)
        core->log(self, TN_LOG_WARNING, "%s: %s is down; bring it up with: ip link set dev %s up", ifc->name,
                  device->name, device->name);
    if (memcmp(ifc->lladdr, device->lladdr, PACKET_LLADDR_LEN) == 0 && packet_device_forwards(device->name))
        core->log(
            self, TN_LOG_WARNING,
            "%s: the kernel forwards what comes in by %s, and has the same link address: it would send on "
            "what is for the stack. Give the interface a mac: of its own, or: sysctl "
            "net.ipv4.conf.%s.forwarding=0",
            ifc->name, device->name, device->name);
    if (buffer < wanted_buffer)
        core->log(self, TN_LOG_INFO,
                  "%s: the receive buffer is %lld bytes, not %lld: sysctl net.core.rmem_max allows no more",
                  ifc->name, (long long)buffer, (long long)wanted_buffer);
}

/* What the stack may leave to the device, or to the kernel on the way to it. */
static void packet_offer(struct tn_interface *ifc, const struct packet_options *options)
{
    ifc->checksum_offload = options->checksum_offload;
    if (options->checksum_offload && options->segmentation_offload)
        ifc->gso_kinds |= 1u << TN_GSO_TCP4 | 1u << TN_GSO_TCP6;
    if (options->checksum_offload && options->datagram_offload)
        ifc->gso_kinds |= 1u << TN_GSO_UDP;
    ifc->gso_max = ifc->gso_kinds ? 65535 : 0;
}

/* Attaches the socket. Without a `mac:` the interface has the device's link address. */
static int packet_attach(struct tn_self *self, struct tn_interface *ifc, int fd, struct packet_device *device,
                         struct tn_text *why)
{
    const struct packet_options *options = ifc->options;
    int err = packet_device_find(fd, options->device[0] ? options->device : ifc->name, device, why);
    if (err < 0)
        return err;
    if (!ifc->own_lladdr)
        memcpy(ifc->lladdr, device->lladdr, PACKET_LLADDR_LEN);
    if (ifc->mtu == 0)
        ifc->mtu = device->mtu;
    err = packet_device_attach(fd, device, ifc->lladdr, why);
    if (err == 0 && (err = self->core->watch(self, ifc, fd)) < 0)
        tn_text_add(why, "cannot watch the packet socket");
    return err;
}

static int packet_open(struct tn_self *self, struct tn_interface *ifc, struct tn_text *why)
{
    const struct packet_options *options = ifc->options;
    struct packet_link *link = ifc->link;
    struct packet_device device;
    int fd = packet_socket_open(options->receive_buffer, why);
    if (fd < 0)
        return fd;
    int err = packet_attach(self, ifc, fd, &device, why);
    if (err < 0) {
        close(fd);
        return err;
    }
    link->fd = fd;
    link->ifindex = ifc->index;
    link->frame_max = (uint32_t)tn_max(ifc->mtu, device.mtu) + PACKET_LINK_HEADER;
    memcpy(link->device, device.name, sizeof(link->device));
    packet_offer(ifc, options);
    packet_advise(self, ifc, &device, options->receive_buffer, packet_receive_buffer(fd));
    if (!device.up) {
        link->state = PACKET_DOWN;
        self->core->timer_start(self, &link->look, PACKET_LOOK, PACKET_TIMER_LOOK);
    }
    self->core->log(self, TN_LOG_INFO, "%s: attached to %s", ifc->name, device.name);
    return 0;
}

static void packet_close(struct tn_self *self, struct tn_interface *ifc)
{
    struct packet_link *link = ifc->link;
    self->core->timer_stop(self, &link->look);
    self->core->timer_stop(self, &link->lost);
    (void)self->core->watch(self, ifc, -1);
    if (link->spare)
        self->core->packet_free(self, link->spare);
    close(link->fd);
}

/* ---- Trouble with the device ---- */

/* The device is not usable: from now on it is looked at once a second. */
static void packet_lose(struct tn_self *self, struct tn_interface *ifc)
{
    struct packet_link *link = ifc->link;
    enum packet_state state = packet_device_there(link->fd) ? PACKET_DOWN : PACKET_GONE;
    if (link->state == state)
        return;
    link->state = (uint8_t)state;
    self->core->timer_start(self, &link->look, PACKET_LOOK, PACKET_TIMER_LOOK);
    if (state == PACKET_GONE)
        self->core->log(self, TN_LOG_ERROR, "%s: %s has gone", ifc->name, link->device);
    else
        self->core->log(self, TN_LOG_WARNING, "%s: %s is down", ifc->name, link->device);
    self->core->link_writable(self, ifc); /* what waits for the device is not to wait for ever */
}

static void packet_regain(struct tn_self *self, const struct tn_interface *ifc, const char *how)
{
    struct packet_link *link = ifc->link;
    link->state = PACKET_UP;
    self->core->log(self, TN_LOG_INFO, "%s: %s is %s", ifc->name, link->device, how);
}

/* An interface of the same name, which may be another one, is taken for the one that has gone. */
static bool packet_find_again(const struct tn_interface *ifc, struct packet_device *device)
{
    const struct packet_link *link = ifc->link;
    char room[256];
    struct tn_text why = tn_text_init(room, sizeof(room));
    return packet_device_find(link->fd, link->device, device, &why) == 0 &&
           packet_device_attach(link->fd, device, ifc->lladdr, &why) == 0;
}

static void packet_look_at_device(struct tn_self *self, struct tn_interface *ifc)
{
    const struct packet_link *link = ifc->link;
    struct packet_device device;
    char room[256];
    struct tn_text why = tn_text_init(room, sizeof(room));
    if (packet_device_there(link->fd)) {
        if (packet_device_find(link->fd, link->device, &device, &why) == 0 && device.up)
            packet_regain(self, ifc, "up again");
    } else if (link->state == PACKET_DOWN) {
        packet_lose(self, ifc);
    } else if (packet_find_again(ifc, &device)) {
        packet_regain(self, ifc, "there again");
    }
}

static void packet_look(struct tn_self *self, struct tn_timer *timer)
{
    struct packet_link *link = tn_container(timer, struct packet_link, look);
    struct tn_interface *ifc = self->core->interface(self, link->ifindex);
    if (link->resting && self->core->watch(self, ifc, link->fd) == 0) {
        link->resting = false;
        self->core->link_writable(self, ifc);
    }
    if (link->state != PACKET_UP)
        packet_look_at_device(self, ifc);
    if (link->resting || link->state != PACKET_UP)
        self->core->timer_start(self, timer, PACKET_LOOK, PACKET_TIMER_LOOK);
}

static void packet_read_failed(struct tn_self *self, struct tn_interface *ifc, int err)
{
    struct packet_link *link = ifc->link;
    if (err == EAGAIN || err == EINTR)
        return;
    if (err == ENETDOWN || err == ENXIO || err == ENODEV) {
        packet_lose(self, ifc);
        return;
    }
    tn_count(self, PACKET_READ_ERRORS);
    self->core->log(self, TN_LOG_WARNING, "%s: cannot read from %s (errno %d)", ifc->name, link->device, err);
    link->resting = true;
    (void)self->core->watch(self, ifc, -1);
    self->core->timer_start(self, &link->look, PACKET_LOOK, PACKET_TIMER_LOOK);
}

/* Kernels before 6.2 cannot send UDP super-frames, and say so only when they get one. */
static bool packet_gives_up_datagrams(struct tn_self *self, struct tn_interface *ifc, int err,
                                      const struct tn_packet *packet)
{
    const struct packet_link *link = ifc->link;
    if (err != EINVAL || packet->gso != TN_GSO_UDP || !(ifc->gso_kinds & 1u << TN_GSO_UDP))
        return false;
    ifc->gso_kinds &= ~(1u << TN_GSO_UDP);
    self->core->log(self, TN_LOG_INFO, "%s: %s does without: datagram-offload", ifc->name, link->device);
    return true;
}

/* Which reason a failed write is. */
static unsigned packet_write_failed(struct tn_self *self, struct tn_interface *ifc, int err)
{
    const struct packet_link *link = ifc->link;
    switch (err) {
    case ENETDOWN:
    case ENXIO:
    case ENODEV:
        packet_lose(self, ifc);
        return link->state == PACKET_GONE ? PACKET_DROP_DEVICE_GONE : PACKET_DROP_DEVICE_DOWN;
    case ENOBUFS:
        return PACKET_DROP_QUEUE_FULL;
    case ENOMEM:
        return PACKET_DROP_NO_MEMORY;
    default:
        return PACKET_DROP_REFUSED;
    }
}

static void packet_count_lost(struct tn_self *self, struct tn_timer *timer)
{
    const struct packet_link *link = tn_container(timer, struct packet_link, lost);
    self->drops[PACKET_DROP_BUFFER_FULL] += packet_device_lost(link->fd);
}

/* ---- In ---- */

/* What comes with a frame. */
struct packet_beside {
    struct tn_vnet_header vnet;
    bool tagged;
    be16 tag[2]; /* of a VLAN, as on the wire */
};

/* The control message with the tag, if there is one. */
static void packet_read_tag(struct msghdr *msg, struct packet_beside *beside)
{
    const struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    struct tpacket_auxdata aux;
    beside->tagged = false;
    if (!c || c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA ||
        c->cmsg_len < CMSG_LEN(sizeof(aux)))
        return;
    memcpy(&aux, CMSG_DATA(c), sizeof(aux));
    if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
        return;
    beside->tagged = true;
    beside->tag[0] =
        tn_to_be16(aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid : TN_ETHERTYPE_VLAN);
    beside->tag[1] = tn_to_be16(aux.tp_vlan_tci);
}

/* Reads one frame into the spare packet, or its first byte alone if there is none. Its length, or less than 1. */
static ssize_t packet_read(const struct packet_link *link, struct packet_beside *beside)
{
    uint8_t byte;
    struct iovec iov[] = {{.iov_base = &beside->vnet, .iov_len = sizeof(beside->vnet)},
                          {.iov_base = &byte, .iov_len = 1}};
    union {
        struct cmsghdr align;
        uint8_t room[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
    } control;
    struct msghdr msg = {
        .msg_iov = iov, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof(control)};
    if (link->spare)
        iov[1] = (struct iovec){.iov_base = link->spare->data, .iov_len = link->spare->len};
    ssize_t n = recvmsg(link->fd, &msg, 0);
    if (n < 0)
        return n;
    packet_read_tag(&msg, beside);
    return n - (ssize_t)sizeof(beside->vnet);
}

/* A packet with the `len` bytes that were read into the spare one: a copy of a short frame, or the spare itself if there is
 * another. NULL: there is none; the last one stays, so that acknowledgements, which free others, are still heard. */
static struct tn_packet *packet_take_frame(struct tn_self *self, struct packet_link *link, size_t len)
{
    bool copied = len <= PACKET_COPY_MAX;
    struct tn_packet *packet = self->core->packet_new(self, copied ? len : PACKET_SUPER_FRAME + 1);
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

/* Puts the tag back where it was on the wire. */
static void packet_put_tag(struct tn_self *self, struct tn_packet *packet, const be16 tag[2])
{
    const size_t addresses = offsetof(struct tn_ether_header, type);
    if (packet->len < addresses)
        return;
    uint8_t *frame = tn_packet_push(packet, 2 * sizeof(*tag));
    memmove(frame, frame + 2 * sizeof(*tag), addresses);
    memcpy(frame + addresses, tag, 2 * sizeof(*tag));
    tn_count(self, PACKET_TAGS);
}

static void packet_carry_up(struct tn_self *self, struct tn_interface *ifc,
                            const struct packet_beside *beside, struct tn_packet *packet)
{
    const struct packet_link *link = ifc->link;
    enum tn_vnet_fault fault = tn_vnet_read(&beside->vnet, packet);
    size_t longest = packet->gso == TN_GSO_NONE ? link->frame_max : PACKET_SUPER_FRAME;
    if (tn_unlikely(beside->tagged))
        packet_put_tag(self, packet, beside->tag);
    if (tn_unlikely(packet->len > longest))
        tn_drop(self, packet, PACKET_DROP_TOO_LONG);
    else if (tn_unlikely(fault != TN_VNET_OK))
        tn_drop(self, packet,
                fault == TN_VNET_BAD_GSO ? PACKET_DROP_BAD_GSO : PACKET_DROP_BAD_CHECKSUM_OFFSET);
    else
        self->core->input(self, ifc, packet);
}

/* Carries one frame from the device up. Its length; 0 when there is none. */
static size_t packet_receive_one(struct tn_self *self, struct tn_interface *ifc)
{
    struct packet_link *link = ifc->link;
    struct packet_beside beside;
    if (!link->spare)
        link->spare = self->core->packet_new(self, PACKET_SUPER_FRAME + 1);
    ssize_t n = packet_read(link, &beside);
    if (n < 0 && errno == EINVAL) { /* the kernel dropped one that its header cannot describe */
        self->drops[PACKET_DROP_BAD_GSO]++;
        return 1;
    }
    if (n <= 0) {
        packet_read_failed(self, ifc, n < 0 ? errno : EIO);
        return 0;
    }
    struct tn_packet *packet = link->spare ? packet_take_frame(self, link, (size_t)n) : NULL;
    if (packet)
        packet_carry_up(self, ifc, &beside, packet);
    else
        self->drops[PACKET_DROP_NO_MEMORY]++;
    return (size_t)n;
}

static unsigned packet_receive(struct tn_self *self, struct tn_interface *ifc, unsigned budget)
{
    struct packet_link *link = ifc->link;
    size_t len, bytes = 0;
    if (!tn_timer_running(&link->lost))
        self->core->timer_start(self, &link->lost, PACKET_LOOK, PACKET_TIMER_LOST);
    for (unsigned count = 0; count < budget; count++) {
        if (link->resting || (len = packet_receive_one(self, ifc)) == 0)
            return count;
        bytes += len;
        if (bytes >= PACKET_BATCH_BYTES)
            break;
    }
    return budget;
}

/* ---- Out ---- */

/* Sends the frame, gathered from its pieces. 0 or an errno. */
static int packet_write_pieces(const struct packet_link *link, const struct tn_packet *packet)
{
    struct iovec iov[PACKET_IOV_MAX];
    struct tn_vnet_header header;
    size_t count = 0;
    tn_vnet_write(&header, packet);
    iov[count++] = (struct iovec){.iov_base = &header, .iov_len = sizeof(header)};
    for (const struct tn_packet *piece = packet; piece; piece = piece->more) {
        if (count == PACKET_IOV_MAX)
            return E2BIG;
        iov[count++] = (struct iovec){.iov_base = piece->data, .iov_len = piece->len};
    }
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = count};
    return sendmsg(link->fd, &msg, 0) < 0 ? errno : 0;
}

/* Sends a frame of any number of pieces. 0 or an errno. */
static int packet_write(struct tn_self *self, const struct packet_link *link, const struct tn_packet *packet)
{
    if (packet->more)
        tn_count(self, PACKET_GATHERED);
    int err = packet_write_pieces(link, packet);
    if (err != E2BIG)
        return err;
    struct tn_packet *copy = self->core->packet_copy(self, packet);
    if (!copy)
        return ENOMEM;
    err = packet_write_pieces(link, copy);
    self->core->packet_free(self, copy);
    return err;
}

static int packet_transmit(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet)
{
    const struct packet_link *link = ifc->link;
    int err = link->state == PACKET_GONE ? ENXIO : packet_write(self, link, packet);
    if (err == EAGAIN)
        return -EAGAIN;
    if (err) {
        (void)packet_gives_up_datagrams(self, ifc, err, packet);
        tn_drop(self, packet, packet_write_failed(self, ifc, err));
        return -err;
    }
    if (tn_unlikely(link->state == PACKET_DOWN))
        packet_regain(self, ifc, "up again");
    self->core->packet_free(self, packet);
    return 0;
}

/* ---- The plugin ---- */

static const struct tn_option packet_options[] = {
    {"device", TN_OPTION_STRING, offsetof(struct packet_options, device)},
    {"checksum-offload", TN_OPTION_BOOL, offsetof(struct packet_options, checksum_offload)},
    {"segmentation-offload", TN_OPTION_BOOL, offsetof(struct packet_options, segmentation_offload)},
    {"datagram-offload", TN_OPTION_BOOL, offsetof(struct packet_options, datagram_offload)},
    {"receive-buffer", TN_OPTION_SIZE, offsetof(struct packet_options, receive_buffer)},
};
static tn_timer_fn *const packet_timers[] = {
    [PACKET_TIMER_LOOK] = packet_look,
    [PACKET_TIMER_LOST] = packet_count_lost,
};
static const struct tn_name packet_counters[] = {PACKET_COUNTERS(TN_NAME_ENTRY)};
static const struct tn_name packet_drops[] = {PACKET_DROPS(TN_NAME_ENTRY)};

static const struct tn_link_ops packet_link = {
    .interface_size = sizeof(struct packet_link),
    .open = packet_open,
    .close = packet_close,
    .receive = packet_receive,
    .transmit = packet_transmit,
};

static const struct tn_plugin packet_plugin = {
    TN_PLUGIN_HEADER,
    .name = "packet",
    .version = "0.1.0",
    .kind = "link",
    .schema = "packet/1",
    .options_size = sizeof(struct packet_options),
    .options = packet_options,
    .option_count = TN_ARRAY_SIZE(packet_options),
    .timers = packet_timers,
    .timer_count = TN_ARRAY_SIZE(packet_timers),
    .counters = packet_counters,
    .counter_count = TN_ARRAY_SIZE(packet_counters),
    .drops = packet_drops,
    .drop_count = TN_ARRAY_SIZE(packet_drops),
    .link = &packet_link,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &packet_plugin;
}
