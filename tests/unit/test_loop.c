/* The event loop: who is called, when, and what a callback may do. */
#include "cmocka_all.h"
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "loop.h"

struct probe {
    struct tn_watch watch;
    struct tn_loop *loop;
    unsigned calls;
    uint32_t events;
    struct probe *remove; /* taken out of the loop by the callback */
};

static void called(struct tn_watch *watch, uint32_t events)
{
    struct probe *p = tn_container(watch, struct probe, watch);
    p->calls++;
    p->events = events;
    if (p->remove)
        tn_loop_remove(p->loop, &p->remove->watch);
}

static void probe_open(struct probe *p, struct tn_loop *loop, unsigned value)
{
    *p = (struct probe){.loop = loop};
    p->watch.fd = eventfd(value, EFD_NONBLOCK | EFD_CLOEXEC);
    p->watch.ready = called;
    assert_true(p->watch.fd >= 0);
    assert_int_equal(tn_loop_add(loop, &p->watch, EPOLLIN), 0);
}

static int setup(void **state)
{
    return tn_loop_create((struct tn_loop **)state);
}

static int teardown(void **state)
{
    tn_loop_destroy(*state);
    return 0;
}

static void empty_loop_has_no_descriptor_and_waits_for_nothing(void **state)
{
    assert_int_equal(tn_loop_fd(*state), -1);
    assert_int_equal(tn_loop_wait(*state, 0), 0);
    assert_int_equal(tn_loop_wait(*state, TN_MSEC), 0);
}

static void ready_descriptor_is_called_others_are_not(void **state)
{
    struct probe ready, idle;
    probe_open(&ready, *state, 1);
    probe_open(&idle, *state, 0);
    assert_true(tn_loop_fd(*state) >= 0);
    assert_int_equal(tn_loop_wait(*state, TN_NEVER), 1);
    assert_int_equal(ready.calls, 1);
    assert_int_equal(ready.events, EPOLLIN);
    assert_int_equal(idle.calls, 0);
    close(ready.watch.fd);
    close(idle.watch.fd);
}

static void removed_watch_is_not_called(void **state)
{
    struct probe p;
    probe_open(&p, *state, 1);
    tn_loop_remove(*state, &p.watch);
    assert_int_equal(tn_loop_wait(*state, 0), 0);
    assert_int_equal(p.calls, 0);
    close(p.watch.fd);
}

/* Both are ready; whichever comes first removes the other, which must not be called then. */
static void callback_may_remove_a_watch_that_is_ready_too(void **state)
{
    struct probe a, b;
    probe_open(&a, *state, 1);
    probe_open(&b, *state, 1);
    a.remove = &b;
    b.remove = &a;
    assert_int_equal(tn_loop_wait(*state, 0), 2);
    assert_int_equal(a.calls + b.calls, 1);
    close(a.watch.fd);
    close(b.watch.fd);
}

static void callback_may_remove_itself(void **state)
{
    struct probe p;
    probe_open(&p, *state, 1);
    p.remove = &p;
    assert_int_equal(tn_loop_wait(*state, 0), 1);
    assert_int_equal(tn_loop_wait(*state, 0), 0);
    assert_int_equal(p.calls, 1);
    close(p.watch.fd);
}

static void changed_events_are_the_ones_waited_for(void **state)
{
    struct probe p;
    probe_open(&p, *state, 0);
    assert_int_equal(tn_loop_wait(*state, 0), 0);
    assert_int_equal(tn_loop_change(*state, &p.watch, EPOLLIN | EPOLLOUT), 0);
    assert_int_equal(tn_loop_wait(*state, 0), 1);
    assert_int_equal(p.events, EPOLLOUT);
    close(p.watch.fd);
}

static void bad_descriptor_is_refused(void **state)
{
    struct probe p = {.watch = {.fd = 999999, .ready = called}};
    assert_int_equal(tn_loop_add(*state, &p.watch, EPOLLIN), -EBADF);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(empty_loop_has_no_descriptor_and_waits_for_nothing),
        TEST(ready_descriptor_is_called_others_are_not),
        TEST(removed_watch_is_not_called),
        TEST(callback_may_remove_a_watch_that_is_ready_too),
        TEST(callback_may_remove_itself),
        TEST(changed_events_are_the_ones_waited_for),
        TEST(bad_descriptor_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
