/* vnet.h: the virtio-net header that stands before each frame of a TAP device with IFF_VNET_HDR: what was left undone of the
 * frame (its checksum, its segmentation), in either direction. Virtio 1.2 §5.1.6; always little-endian here (TUNSETVNETLE).
 */
#ifndef TENON_TAP_VNET_H
#define TENON_TAP_VNET_H

#include "tenon/packet.h"

#define TAP_VNET_LEN 10 /* struct virtio_net_hdr */

/* Why a frame with its header is refused. */
enum tap_vnet_fault {
    TAP_VNET_OK,
    TAP_VNET_BAD_CHECKSUM, /* what is to be checksummed lies outside of the frame */
    TAP_VNET_BAD_GSO, /* not what a device may leave unsegmented, or not in accord with the frame's own headers */
};

/* Notes in the packet (a frame, of one piece, from its Ethernet header on) what the `header` says. The bytes of both are
 * anybody's. */
enum tap_vnet_fault tap_vnet_read(const uint8_t header[TAP_VNET_LEN], struct tn_packet *packet);

/* Writes the header for a finished frame. */
void tap_vnet_write(uint8_t header[TAP_VNET_LEN], const struct tn_packet *packet);

#endif
