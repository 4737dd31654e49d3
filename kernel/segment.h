/* segment.h: super-frames (tn_packet.gso). */
#ifndef TENON_KERNEL_SEGMENT_H
#define TENON_KERNEL_SEGMENT_H

#include "stack.h"

/* Cuts a finished super-frame into its segments, which are appended to `out` with checksums to be completed. Consumes it.
 * 0; -ENOBUFS when memory ended (the segments before are in `out`), -EOPNOTSUPP when its protocols cannot. */
int tn_segment(struct tn_stack *stack, struct tn_packet *packet, struct tn_packet_queue *out);

/* As in struct tn_core (plugin.h). */
size_t tn_core_packet_segment(struct tn_self *self, const struct tn_packet *packet);

#endif
