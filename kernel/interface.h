/* interface.h: interfaces: from stack.yaml to an open device and back. */
#ifndef TENON_KERNEL_INTERFACE_H
#define TENON_KERNEL_INTERFACE_H

#include "stack.h"

/* Makes the interface of the plan, whose driver runs in `driver`, and opens its device. 0, or -errno with a
 * sentence that names the interface. Addresses and routes are the caller's business. */
int tn_interface_open(struct tn_stack *stack, const struct tn_plan_interface *plan, struct tn_slot *driver,
                      struct tn_error *error);
/* Closes the device and forgets the interface; frames that waited are dropped. */
void tn_interface_close(struct tn_stack *stack, struct tn_ifc *ifc);
struct tn_ifc *tn_interface_by_name(struct tn_stack *stack, const char *name);

/* port.c: the interface's outside end. */
/* Queues a frame that is to come in at `ifc`; it is worked on in the next step. Consumes it. 0 or -ENOBUFS. */
int tn_port_enter(struct tn_stack *stack, struct tn_ifc *ifc, struct tn_packet *packet);
/* Frees what waits there and parts it from a joined stack. */
void tn_port_close(struct tn_stack *stack, struct tn_ifc *ifc);

#endif
