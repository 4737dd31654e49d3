/* core.h: the table that plugins are handed, and the core's own descriptor. */
#ifndef TENON_KERNEL_CORE_H
#define TENON_KERNEL_CORE_H

#include "tenon/plugin.h"

/* What self->core points at, in every stack. */
extern const struct tn_core tn_core_table;

/* Descriptor of slot 0, the core itself: its timers, counters and drop reasons. */
extern const struct tn_plugin tn_core_plugin;

#endif
