/* lifecycle.h: from a plan to running plugins, and the single steps by which a running stack is changed. */
#ifndef TENON_KERNEL_LIFECYCLE_H
#define TENON_KERNEL_LIFECYCLE_H

#include "interface.h"
#include "slot.h"

/* Starts everything that the plan says, in its order. On failure everything is ended again. */
int tn_plan_start(struct tn_stack *stack, const struct tn_plan *plan, struct tn_error *error);
/* Ends everything, last started first. */
void tn_plan_stop(struct tn_stack *stack);

/* The steps. Each is undone by its opposite. */
int tn_start_plugin(struct tn_stack *stack, const struct tn_plan_plugin *plugin, struct tn_error *error);
int tn_start_interface(struct tn_stack *stack, const struct tn_plan_interface *ifc, struct tn_error *error);
int tn_start_address(struct tn_stack *stack, const struct tn_plan_interface *ifc,
                     const struct tn_plan_address *address, struct tn_error *error);
int tn_start_route(struct tn_stack *stack, const struct tn_plan_interface *ifc,
                   const struct tn_plan_route *route, struct tn_error *error);
int tn_start_listen(struct tn_stack *stack, const struct tn_plan_plugin *service,
                    const struct tn_plan_listen *listen, struct tn_error *error);
/* Closes an interface; what is known of its neighbours goes with it. */
void tn_stop_interface(struct tn_stack *stack, struct tn_ifc *ifc);
void tn_stop_address(struct tn_stack *stack, const struct tn_plan_interface *ifc,
                     const struct tn_plan_address *address);
/* The same for good: connections from it are reset (tn_sockets_abort_local) while they can be told. */
void tn_end_address(struct tn_stack *stack, const struct tn_plan_interface *ifc,
                    const struct tn_plan_address *address);
void tn_stop_route(struct tn_stack *stack, const struct tn_plan_interface *ifc,
                   const struct tn_plan_route *route);
void tn_stop_listen(struct tn_stack *stack, const struct tn_plan_plugin *service,
                    const struct tn_plan_listen *listen);

#endif
