/* slot.h: slots: where enabled plugins live, and what they own. */
#ifndef TENON_KERNEL_SLOT_H
#define TENON_KERNEL_SLOT_H

#include "loader.h"
#include "stack.h"
#include "values.h"

/* Slot 0. */
int tn_slot_create_core(struct tn_stack *stack);
/* Loads the plugin that `plan` names into a free slot; its code is not called yet and its claims are not
 * made. */
int tn_slot_create(struct tn_stack *stack, const struct tn_plan_plugin *plan, struct tn_slot **out,
                   struct tn_error *error);
/* Makes its claims and starts it. On failure it is as before. */
int tn_slot_start(struct tn_stack *stack, struct tn_slot *slot, struct tn_error *error);
/* Ends a slot: its sockets, jobs, claims, timers, memory and code. */
void tn_slot_destroy(struct tn_stack *stack, struct tn_slot *slot);
/* The slot of plugin `name`, or NULL. */
struct tn_slot *tn_slot_by_name(const struct tn_stack *stack, const char *name);
/* Tells the plugin that its options have changed to `values` (copied). On failure the old ones are back. */
int tn_slot_reconfigure(struct tn_stack *stack, struct tn_slot *slot, const struct tn_value *values,
                        struct tn_error *error);

#endif
