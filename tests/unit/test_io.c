/* test_io.c: reads and writes in batches, with the ring and without: the same results. */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "stack.h"

#define MANY 150 /* more than the ring has room for */

struct fixture {
    struct tn_plan plan;
    struct tn_stack *stack;
    struct tn_self self;
    int ends[2]; /* datagrams go from the first to the second */
};

static struct fixture *fixture_new(bool ring)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->stack = calloc(1, sizeof(*f->stack));
    assert_non_null(f->stack);
    f->plan.io_uring = ring;
    f->stack->plan = &f->plan;
    f->self.stack = f->stack;
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, f->ends), 0);
    int size = 1 << 20;
    (void)setsockopt(f->ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return f;
}

static int setup_ring(void **state)
{
    *state = fixture_new(true);
    return 0;
}

static int setup_plain(void **state)
{
    *state = fixture_new(false);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    tn_io_close(f->stack);
    close(f->ends[0]);
    close(f->ends[1]);
    free(f->stack);
    free(f);
    return 0;
}

/* Datagram `i` in one piece if it is even, else in two. */
static void prepare_write(struct tn_io *io, struct iovec iov[2], unsigned *number, int fd)
{
    iov[0] = (struct iovec){.iov_base = number, .iov_len = *number % 2 ? 1 : sizeof(*number)};
    iov[1] = (struct iovec){.iov_base = (char *)number + 1, .iov_len = sizeof(*number) - 1};
    *io = (struct tn_io){.fd = fd, .write = true, .count = *number % 2 ? 2 : 1, .iov = iov};
}

static void write_numbers(struct fixture *f, unsigned first, unsigned count)
{
    struct tn_io ios[MANY];
    struct iovec iov[MANY][2];
    unsigned numbers[MANY];
    for (unsigned i = 0; i < count; i++) {
        numbers[i] = first + i;
        prepare_write(&ios[i], iov[i], &numbers[i], f->ends[0]);
    }
    tn_core_io(&f->self, ios, count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(ios[i].result, sizeof(unsigned));
}

/* Reads `count` times; the first `there` find the numbers from `first` on, the others nothing. */
static void read_numbers(struct fixture *f, unsigned first, unsigned there, unsigned count)
{
    struct tn_io ios[MANY];
    struct iovec iov[MANY];
    unsigned numbers[MANY];
    for (unsigned i = 0; i < count; i++) {
        iov[i] = (struct iovec){.iov_base = &numbers[i], .iov_len = sizeof(numbers[i])};
        ios[i] = (struct tn_io){.fd = f->ends[1], .count = 1, .iov = &iov[i]};
    }
    tn_core_io(&f->self, ios, count);
    for (unsigned i = 0; i < there; i++) {
        assert_int_equal(ios[i].result, sizeof(unsigned));
        assert_int_equal(numbers[i], first + i);
    }
    for (unsigned i = there; i < count; i++)
        assert_int_equal(ios[i].result, -EAGAIN);
}

static void batches_keep_their_order(void **state)
{
    struct fixture *f = *state;
    for (unsigned round = 0; round < 20; round++) {
        write_numbers(f, round * 10, 10); /* an AF_UNIX datagram socket has a queue of ten or so */
        read_numbers(f, round * 10, 10, 12);
    }
    read_numbers(f, 0, 0, MANY);
    write_numbers(f, 7, 1);
    read_numbers(f, 7, 1, 1);
    read_numbers(f, 7, 0, 1);
}

static void full_queue_is_no_room(void **state)
{
    struct fixture *f = *state;
    struct tn_io ios[MANY];
    struct iovec iov[MANY][2];
    unsigned number = 2, sent = 0;
    for (unsigned i = 0; i < MANY; i++)
        prepare_write(&ios[i], iov[i], &number, f->ends[0]);
    tn_core_io(&f->self, ios, MANY);
    while (sent < MANY && ios[sent].result == sizeof(number))
        sent++;
    assert_in_range(sent, 1, MANY); /* net.unix.max_dgram_qlen */
    for (unsigned i = sent; i < MANY; i++)
        assert_int_equal(ios[i].result, -EAGAIN);
}

static void one_failure_does_not_stop_the_others(void **state)
{
    struct fixture *f = *state;
    struct tn_io ios[3];
    struct iovec iov[3][2];
    unsigned numbers[] = {4, 6, 8};
    for (unsigned i = 0; i < 3; i++)
        prepare_write(&ios[i], iov[i], &numbers[i], i == 1 ? -1 : f->ends[0]);
    tn_core_io(&f->self, ios, 3);
    assert_int_equal(ios[0].result, sizeof(unsigned));
    assert_int_equal(ios[1].result, -EBADF);
    assert_int_equal(ios[2].result, sizeof(unsigned));
}

/* Not every descriptor knows "do not wait": such a one is read and written one by one. */
static void descriptors_without_nowait_work(void **state)
{
    struct fixture *f = *state;
    int fd = open("/proc/self/comm", O_WRONLY | O_NONBLOCK);
    assert_true(fd >= 0);
    unsigned number = 42;
    struct tn_io ios[2];
    struct iovec iov[2][2];
    for (unsigned i = 0; i < 2; i++)
        prepare_write(&ios[i], iov[i], &number, fd);
    tn_core_io(&f->self, ios, 2);
    assert_int_equal(ios[0].result, sizeof(number));
    assert_int_equal(ios[1].result, sizeof(number));
    close(fd);
}

/* Switched off while it is in use, and on again. */
static void switch_takes_effect_at_once(void **state)
{
    struct fixture *f = *state;
    write_numbers(f, 0, 4);
    bool had_ring = f->stack->ring != NULL;
    assert_true(had_ring || f->stack->ring_refused);
    f->plan.io_uring = false;
    assert_string_equal(tn_io_kind(f->stack), "read and write");
    read_numbers(f, 0, 4, 6);
    f->plan.io_uring = true;
    write_numbers(f, 0, 4);
    read_numbers(f, 0, 4, 6);
    assert_string_equal(tn_io_kind(f->stack), had_ring ? "io_uring" : "read and write");
}

#define BOTH_WAYS(test)                                          \
    cmocka_unit_test_setup_teardown(test, setup_ring, teardown), \
        cmocka_unit_test_setup_teardown(test, setup_plain, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH_WAYS(batches_keep_their_order),
        BOTH_WAYS(full_queue_is_no_room),
        BOTH_WAYS(one_failure_does_not_stop_the_others),
        BOTH_WAYS(descriptors_without_nowait_work),
        cmocka_unit_test_setup_teardown(switch_takes_effect_at_once, setup_ring, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
