/* io.h: reads and writes of descriptors in batches, for link drivers (core->io).
 *
 * A system call costs more than most of what a stack does for a small frame. Linux takes many reads and writes in one
 * (io_uring(7)); where it does not, or is told not to (`stack: { io-uring: no }`), the same is done one by one. */
#ifndef TENON_IO_H
#define TENON_IO_H

#include <stdbool.h>
#include <sys/types.h>

struct iovec;

/* One read or write, as by readv() or writev(). */
struct tn_io {
    int fd; /* does not block (O_NONBLOCK) */
    bool write;
    int count;               /* pieces: 1 to IOV_MAX */
    const struct iovec *iov; /* the caller's until io() returns */
    ssize_t result; /* out: bytes, or a negative errno (-EAGAIN: nothing is there; there is no room) */
};

#endif
