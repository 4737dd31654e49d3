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
    uint32_t mtu;
    uint8_t lladdr[6]; /* the kernel's own address on the link, always known */
};

/* Attaches to the TAP device `name`, which is made if there is none. 0, or a negative errno with a sentence
 * for people. */
int tap_device_attach(struct tap_device *device, const char *name, struct tn_text *why);

/* Takes a duplicate of `fd`, which must be attached to a TAP device (called `name`, unless that is ""). The
 * original stays its owner's. 0, or a negative errno with a sentence for people. */
int tap_device_inherit(struct tap_device *device, int fd, const char *name, struct tn_text *why);

/* For a device that was made: sets its MTU (0: leaves it) and brings it up. 0, or a negative errno with a
 * sentence. */
int tap_device_bring_up(struct tap_device *device, uint32_t mtu, struct tn_text *why);

#endif
