/* io.c: many reads and writes for one system call, by io_uring(7).
 *
 * The ring is used for nothing but this: a batch goes in, all of it is done when the call returns. Nothing stays under way in the
 * kernel, no memory is lent to it for longer, and nothing comes by itself, so that drivers need not know that there is a ring.
 * RWF_NOWAIT says that nothing is to wait: what would is not done, and says EAGAIN.
 *
 * The ring is made with the first batch of two. Where the kernel has none, does not let this process have one
 * (kernel.io_uring_disabled, a container's seccomp filter) or the ring fails, it is one system call for each. */
#include "io.h"

#include <errno.h>
#include <liburing.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "log.h"
#include "stack.h"

#define RING_SIZE 64u

struct tn_ring {
    struct io_uring uring;
};

/* A result that has not come. */
#define UNDONE INT_MIN

/* ---- One by one ---- */

static ssize_t transfer(const struct tn_io *io)
{
    ssize_t n;
    if (io->count == 1)
        n = io->write ? write(io->fd, io->iov->iov_base, io->iov->iov_len)
                      : read(io->fd, io->iov->iov_base, io->iov->iov_len);
    else
        n = io->write ? writev(io->fd, io->iov, io->count) : readv(io->fd, io->iov, io->count);
    return n < 0 ? -errno : n;
}

/* ---- The ring ---- */

/* NULL where there is none. */
static struct tn_ring *ring_of(struct tn_stack *stack)
{
    if (!stack->plan->io_uring || stack->ring_refused)
        return NULL;
    if (tn_likely(stack->ring != NULL))
        return stack->ring;
    struct tn_ring *ring = calloc(1, sizeof(*ring));
    int err = ring ? io_uring_queue_init(RING_SIZE, &ring->uring, 0) : -ENOMEM;
    if (err == 0) {
        stack->ring = ring;
        return ring;
    }
    free(ring);
    stack->ring_refused = true;
    tn_log(stack, TN_LOG_INFO, "core", "io_uring cannot be used (errno %d): a system call for every frame",
           -err);
    return NULL;
}

static void prepare(struct tn_ring *ring, struct tn_io *io)
{
    struct io_uring_sqe *sqe =
        io_uring_get_sqe(&ring->uring); /* there is one: all are free between batches */
    const struct iovec *iov = io->iov;
    if (io->count > 1)
        (io->write ? io_uring_prep_writev : io_uring_prep_readv)(sqe, io->fd, iov, (unsigned)io->count, 0);
    else if (io->write)
        io_uring_prep_write(sqe, io->fd, iov->iov_base, (unsigned)iov->iov_len, 0);
    else
        io_uring_prep_read(sqe, io->fd, iov->iov_base, (unsigned)iov->iov_len, 0);
    sqe->rw_flags = RWF_NOWAIT;
    io_uring_sqe_set_data(sqe, io);
    io->result = UNDONE;
}

/* Takes the results that are there. How many. */
static unsigned collect(struct tn_ring *ring)
{
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;
    io_uring_for_each_cqe(&ring->uring, head, cqe)
    {
        struct tn_io *io = io_uring_cqe_get_data(cqe);
        io->result = cqe->res;
        count++;
    }
    io_uring_cq_advance(&ring->uring, count);
    return count;
}

/* At most RING_SIZE. 0, or a negative errno: the ring is of no use any more, and some may be undone. */
static int transfer_batch(struct tn_ring *ring, struct tn_io *ios, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        prepare(ring, &ios[i]);
    for (unsigned done = 0; done < count; done += collect(ring)) {
        int err = io_uring_submit_and_wait(&ring->uring, count - done);
        if (err < 0 && err != -EINTR)
            return err;
    }
    return 0;
}

static void give_up(struct tn_stack *stack, int err)
{
    tn_io_close(stack);
    stack->ring_refused = true;
    tn_log(stack, TN_LOG_WARNING, "core", "io_uring failed (errno %d): a system call for every frame", -err);
}

/* ---- core->io ---- */

/* What the ring has not done, or cannot do with this kind of descriptor. */
static bool is_left(const struct tn_io *io)
{
    return io->result == UNDONE || io->result == -EOPNOTSUPP;
}

void tn_core_io(struct tn_self *self, struct tn_io *ios, unsigned count)
{
    struct tn_stack *stack = self->stack;
    struct tn_ring *ring;
    unsigned done = 0;
    while (count - done > 1 && (ring = ring_of(stack))) {
        unsigned part = tn_min(count - done, RING_SIZE);
        int err = transfer_batch(ring, ios + done, part);
        if (err < 0)
            give_up(stack, err);
        for (unsigned end = done + part; done < end; done++)
            if (tn_unlikely(is_left(&ios[done])))
                ios[done].result = transfer(&ios[done]);
    }
    for (; done < count; done++)
        ios[done].result = transfer(&ios[done]);
}

const char *tn_io_kind(const struct tn_stack *stack)
{
    return stack->ring && stack->plan->io_uring ? "io_uring" : "read and write";
}

void tn_io_close(struct tn_stack *stack)
{
    if (!stack->ring)
        return;
    io_uring_queue_exit(&stack->ring->uring);
    free(stack->ring);
    stack->ring = NULL;
}
