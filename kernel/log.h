/* log.h: log lines: a level a plugin, and each place in the code at most once a second. */
#ifndef TENON_KERNEL_LOG_H
#define TENON_KERNEL_LOG_H

#include <stdarg.h>

#include "tenon/types.h"

struct tn_stack;
struct tn_plan;
struct tn_slot;

int tn_logger_init(struct tn_stack *stack);
void tn_logger_destroy(struct tn_stack *stack);
/* Takes the levels of the plan. */
void tn_logger_configure(struct tn_stack *stack, const struct tn_plan *plan);
/* `who`: "core" or a plugin's name. Lines of the same who and format are passed on once a second; what was
 * left out is said with the next one ("… (12 like it left out)"). */
TN_PRINTF(4, 5)
void tn_log(struct tn_stack *stack, enum tn_level level, const char *who, const char *fmt, ...);
/* Each line of the text as a line of its own, none of them left out: what somebody asked for and is done once. */
void tn_log_lines(struct tn_stack *stack, enum tn_level level, const char *who, const char *text);
TN_PRINTF(4, 0)
void tn_vlog(struct tn_stack *stack, enum tn_level level, const char *who, const char *fmt, va_list ap);

#endif
