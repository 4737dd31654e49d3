/* values.h: from option values, as configured, to the options block that a plugin reads. */
#ifndef TENON_KERNEL_VALUES_H
#define TENON_KERNEL_VALUES_H

#include "plan.h"

/* A copy of one value an option of the manifest (at least one byte even if there are none); NULL without
 * memory. */
struct tn_value *tn_values_copy(const struct tn_manifest *manifest, const struct tn_value *values);
/* Writes the values into an options block where the plugin's descriptor says. */
void tn_values_write(const struct tn_manifest *manifest, const struct tn_value *values,
                     const struct tn_plugin *plugin, void *block);

#endif
