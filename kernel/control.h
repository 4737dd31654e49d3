/* control.h: the control socket: one JSON object a line in, one or more out (docs/control.md). tn_stack_control() of
 * tenon/stack.h opens it. */
#ifndef TENON_KERNEL_CONTROL_H
#define TENON_KERNEL_CONTROL_H

#include "tenon/plugin.h"
#include "tenon/stack.h"

struct tn_slot;

/* Closes clients and the socket, and removes it from the file system. */
void tn_control_close(struct tn_stack *stack);
/* The plugin is being disabled: its jobs are cancelled and their clients told. */
void tn_control_cancel_jobs(struct tn_stack *stack, struct tn_slot *slot);

/* ABI functions (plugin.h); job.c. */
const char *tn_core_job_text(struct tn_job *job, const char *name);
int64_t tn_core_job_number(struct tn_job *job, const char *name, int64_t otherwise);
bool tn_core_job_address(struct tn_job *job, const char *name, uint8_t *family, struct tn_addr *out);
void tn_core_job_put_text(struct tn_job *job, const char *name, const char *value);
void tn_core_job_put_number(struct tn_job *job, const char *name, int64_t value);
void tn_core_job_end(struct tn_job *job, bool last);
TN_PRINTF(2, 3) void tn_core_job_fail(struct tn_job *job, const char *fmt, ...);
void **tn_core_job_data(struct tn_job *job);

#endif
