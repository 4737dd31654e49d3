/* tap: frames to and from the Linux kernel through a TAP device.
 *
 * A TAP device is a network interface of the kernel whose cable ends in a descriptor: what the kernel sends
 * on the interface can be read there, one frame a read(), and what is written there the kernel receives. So
 * the stack and the kernel are two stations on one Ethernet, with an address each: the stack's is
 * ifc->lladdr, the kernel's that of the device.
 *
 * Frames are read and written in batches where the kernel can (core->io): receive.c, transmit.c.
 *
 * Offloads (on unless switched off): a virtio-net header goes before each frame (tenon/vnet.h), and checksums and the cutting of
 * super-frames are left to whom they matter, which between two stacks on one machine is nobody. */
#include <errno.h>
#include <unistd.h>

#include "link.h"

#define TAP_MTU 1500 /* of a device that cannot be asked */

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
    bool is_long = link->spare_size > TAP_COPY_LONG;
    link->copy_max = is_long ? TAP_COPY_LONG : TAP_COPY_SHORT;
    link->window_max = is_long ? TAP_WINDOW_LONG : TAP_WINDOW_MAX;
    link->window = 1;
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
    tap_free_spares(self, link);
    close(link->fd);
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
    .transmit_batch = tap_transmit_batch,
};

static const struct tn_plugin tap_plugin = {
    TN_PLUGIN_HEADER,         .name = "tap",
    .version = "0.1.0",       .kind = "link",
    .schema = "tap/4",        .options_size = sizeof(struct tap_options),
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
