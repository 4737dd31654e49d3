/* io.h: core->io, many reads and writes for one system call. */
#ifndef TENON_KERNEL_IO_H
#define TENON_KERNEL_IO_H

#include "tenon/io.h"

struct tn_self;
struct tn_stack;

/* core->io (plugin.h). */
void tn_core_io(struct tn_self *self, struct tn_io *ios, unsigned count);

/* How it is done: "io_uring", or "read and write". */
const char *tn_io_kind(const struct tn_stack *stack);

/* Gives the ring back, if there is one; the next batch makes another. */
void tn_io_close(struct tn_stack *stack);

#endif
