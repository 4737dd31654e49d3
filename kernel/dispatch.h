/* dispatch.h: frames between interfaces and plugins: the dispatch tables, and the way in and out. */
#ifndef TENON_KERNEL_DISPATCH_H
#define TENON_KERNEL_DISPATCH_H

#include "tenon/plugin.h"

struct tn_stack;
struct tn_slot;
struct tn_ifc;

/* dispatch.c: enters all claims of the slot's plugin, or none: -EEXIST names the other plugin in `why`. */
int tn_dispatch_claim(struct tn_stack *stack, struct tn_slot *slot, struct tn_text *why);
void tn_dispatch_release(struct tn_stack *stack, struct tn_slot *slot);
/* Who has `key`; slot NULL: nobody. */
const struct tn_dispatch_entry *tn_dispatch_find(const struct tn_stack *stack, enum tn_table table,
                                                 uint8_t family, uint32_t key);

/* interface.c: interfaces, their queues and ports. */
void tn_interfaces_receive(struct tn_stack *stack); /* a budget of frames from each that has some */
/* Busy polling: every device that had frames since the last calm is taken to have some. */
void tn_interfaces_look(struct tn_stack *stack);
void tn_interfaces_calm(struct tn_stack *stack);
void tn_interfaces_transmit(struct tn_stack *stack); /* what waits for devices */

/* ABI functions (plugin.h). */
void tn_core_input(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet);
bool tn_core_dispatch(struct tn_self *self, enum tn_table table, uint32_t key, struct tn_packet *packet);
void tn_core_reject(struct tn_self *self, const struct tn_packet *packet, enum tn_reject why, uint32_t info);
void tn_core_net_error(struct tn_self *self, const struct tn_net_error *error);
void tn_core_frame_output(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet,
                          const uint8_t *dst, uint16_t ethertype);
void tn_core_transmit(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet);
int tn_core_interface_mtu(struct tn_self *self, struct tn_interface *ifc, uint32_t mtu);
int tn_core_watch(struct tn_self *self, struct tn_interface *ifc, int fd);
void tn_core_port_give(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet);
struct tn_packet *tn_core_port_take(struct tn_self *self, struct tn_interface *ifc);
bool tn_core_port_full(struct tn_self *self, struct tn_interface *ifc);
bool tn_core_path_full(struct tn_self *self, const struct tn_path *path);
void tn_core_link_writable(struct tn_self *self, struct tn_interface *ifc);

#endif
