/* resolver.h: names to addresses: tn_resolve() of tenon/stack.h, and the command `resolve` by which `tenon ping` asks. */
#ifndef TENON_KERNEL_RESOLVER_H
#define TENON_KERNEL_RESOLVER_H

#include "tenon/plugin.h"

struct tn_stack;

/* What is still asked for ends with -ECANCELED. */
void tn_resolver_destroy(struct tn_stack *stack);
/* The timer of the core's by which unanswered questions are asked again. */
void tn_resolver_timer(struct tn_self *self, struct tn_timer *timer);
/* struct tn_command of the core: resolve name. */
int tn_resolve_command_start(struct tn_self *self, struct tn_job *job);
void tn_resolve_command_cancel(struct tn_self *self, struct tn_job *job);

#endif
