/* store.h: what plugins keep beyond the life of the process: see store_write and store_read in tenon/plugin.h. */
#ifndef TENON_KERNEL_STORE_H
#define TENON_KERNEL_STORE_H

#include "stack.h"

int tn_core_store_write(struct tn_self *self, const char *name, const void *bytes, size_t len);
ssize_t tn_core_store_read(struct tn_self *self, const char *name, void *bytes, size_t size);

#endif
