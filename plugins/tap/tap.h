/* tap.h: the TAP device as the driver sees it: device.c gets one, tap.c moves frames. */
#ifndef TENON_TAP_H
#define TENON_TAP_H

#include <net/if.h>

#include "tenon/text.h"

/* An attached device and what the kernel says of it. */
struct tap_device {
    int fd; /* non-blocking, closed on exec */
    char name[IFNAMSIZ];
    bool created; /* it did not exist before */
    bool visible; /* it is in this process's network namespace, so that the following is known */
    bool up;
    bool vnet;         /* frames have a virtio-net header before them */
    unsigned offloads; /* TAP_OFFLOAD_… that are in force */
    uint32_t mtu;
    uint8_t lladdr[6]; /* the kernel's own address on the link, always known */
};

/* What may be left to the kernel (and by it to the stack). The later ones need the first. */
#define TAP_OFFLOAD_CHECKSUM  0x1u
#define TAP_OFFLOAD_SEGMENTS  0x2u /* TCP super-frames */
#define TAP_OFFLOAD_DATAGRAMS 0x4u /* UDP super-frames */

/* Attaches to the TAP device `name`, which is made if there is none. 0, or a negative errno with a sentence
 * for people. `offloads` (TAP_OFFLOAD_…) are asked for; device->offloads is what the kernel agreed to. */
int tap_device_attach(struct tap_device *device, const char *name, unsigned offloads, struct tn_text *why);

/* Takes a duplicate of `fd`, which must be attached to a TAP device (called `name`, unless that is ""). The
 * original stays its owner's. Offloads need a descriptor that was attached with IFF_VNET_HDR. 0, or a negative errno with a
 * sentence for people. */
int tap_device_inherit(struct tap_device *device, int fd, const char *name, unsigned offloads,
                       struct tn_text *why);

/* For a device that was made: sets its MTU (0: leaves it) and brings it up. 0, or a negative errno with a
 * sentence. */
int tap_device_bring_up(struct tap_device *device, uint32_t mtu, struct tn_text *why);

#endif
