/* option.h: the types of options, for those who read manifests. Values are in plan.h. */
#ifndef TENON_KERNEL_OPTION_H
#define TENON_KERNEL_OPTION_H

#include "plan.h"

/* Type by its name in a manifest ("size"); -1: there is none such. */
int tn_option_type_find(const char *name);
const char *tn_option_type_name(uint8_t type);
/* Whether options of the type may have a range (numbers do). */
bool tn_option_type_ordered(uint8_t type);
/* The value as a number in the type's unit, to compare with a range. */
double tn_value_number(const struct tn_manifest_option *option, const struct tn_value *value);
/* ", from 1k to 64M", ", at least 1k", or nothing. */
void tn_option_range_text(const struct tn_manifest_option *option, struct tn_text *out);

#endif
