/* link.h: what the driver keeps of an interface, and its parts: tap.c opens and closes, receive.c and transmit.c move
 * frames, trouble.c is for what fails. */
#ifndef TENON_TAP_LINK_H
#define TENON_TAP_LINK_H

#include "tap.h"
#include "tenon/plugin.h"

#define TAP_LINK_HEADER 18 /* Ethernet header and a VLAN tag: what a frame may be longer than the MTU */
#define TAP_SUPER_FRAME (65535 + TAP_LINK_HEADER) /* a super-frame */
#define TAP_COPY_SHORT  256  /* what is at most copied out of a spare packet of an Ethernet frame's size */
#define TAP_COPY_LONG   1856 /* … of a large one: fits a medium buffer */
#define TAP_WINDOW_MAX  32   /* frames that are asked for at once */
#define TAP_WINDOW_LONG 16   /* … where each needs a large buffer */

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
    struct tn_timer rest; /* until the descriptor is watched again */
    struct tn_packet
        *spares[TAP_WINDOW_MAX]; /* the next frames are read into them; the first spare_count are there */
    uint32_t frame_max;          /* longest frame that is taken, but for a super-frame */
    uint32_t spare_size;         /* … that is read at all, and one byte more */
    uint32_t copy_max;           /* longest frame that is copied out of a spare packet */
    int fd;
    uint16_t ifindex;
    uint8_t spare_count;
    uint8_t window;     /* frames that will be asked for at once */
    uint8_t window_max; /* … at most */
    uint8_t lone;       /* wake-ups in a row that found one frame */
    bool vnet;          /* frames have a virtio-net header */
    bool down;          /* the last write found the device down */
    bool gone;          /* the device was deleted */
    char device[IFNAMSIZ];
};

/* receive.c: link->receive(). */
unsigned tap_receive(struct tn_self *self, struct tn_interface *ifc, unsigned budget);

/* receive.c: the spare packets go back. */
void tap_free_spares(struct tn_self *self, struct tap_link *link);

/* transmit.c: link->transmit() and link->transmit_batch(). */
int tap_transmit(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet);
void tap_transmit_batch(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *const *packets,
                        int *results, unsigned count);

/* trouble.c: a read failed (`err` is an errno): takes care of the device. */
void tap_read_failed(struct tn_self *self, struct tn_interface *ifc, int err);

/* trouble.c: the same of a write, says it to people when it begins, and returns the drop reason. */
unsigned tap_write_failed(struct tn_self *self, struct tn_interface *ifc, int err);

/* trouble.c: a write was done: the device is up. */
void tap_write_done(struct tn_self *self, struct tn_interface *ifc);

/* trouble.c: TAP_TIMER_REST: the descriptor is watched again. */
tn_timer_fn tap_rest_timer;

#endif
