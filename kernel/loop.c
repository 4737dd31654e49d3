/* loop.c: the event loop over epoll. */
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define LOOP_BATCH 64

struct tn_loop {
    int fd; /* epoll; -1 until the first watch */
    /* While events are being handed out, a watch that is removed must not be called any more. */
    struct epoll_event events[LOOP_BATCH];
    int event_count;
};

int tn_loop_create(struct tn_loop **out)
{
    struct tn_loop *loop = calloc(1, sizeof(*loop));
    if (!loop)
        return -ENOMEM;
    loop->fd = -1;
    *out = loop;
    return 0;
}

void tn_loop_destroy(struct tn_loop *loop)
{
    if (!loop)
        return;
    if (loop->fd >= 0)
        close(loop->fd);
    free(loop);
}

int tn_loop_fd(const struct tn_loop *loop)
{
    return loop->fd;
}

static int control(struct tn_loop *loop, int operation, struct tn_watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->fd, operation, watch->fd, &event) < 0)
        return -errno;
    watch->events = events;
    return 0;
}

int tn_loop_add(struct tn_loop *loop, struct tn_watch *watch, uint32_t events)
{
    if (loop->fd < 0) {
        loop->fd = epoll_create1(EPOLL_CLOEXEC);
        if (loop->fd < 0)
            return -errno;
    }
    return control(loop, EPOLL_CTL_ADD, watch, events);
}

int tn_loop_change(struct tn_loop *loop, struct tn_watch *watch, uint32_t events)
{
    if (watch->events == events)
        return 0;
    return control(loop, EPOLL_CTL_MOD, watch, events);
}

void tn_loop_remove(struct tn_loop *loop, struct tn_watch *watch)
{
    if (loop->fd >= 0)
        (void)control(loop, EPOLL_CTL_DEL, watch, 0);
    for (int i = 0; i < loop->event_count; i++)
        if (loop->events[i].data.ptr == watch)
            loop->events[i].data.ptr = NULL;
}

static int wait_for_events(struct tn_loop *loop, tn_time timeout)
{
    struct timespec ts = {.tv_sec = (time_t)(timeout / TN_SEC), .tv_nsec = (long)(timeout % TN_SEC)};
    if (loop->fd < 0)
        return timeout && nanosleep(&ts, NULL) < 0 ? -errno : 0;
    int n = epoll_pwait2(loop->fd, loop->events, LOOP_BATCH, timeout == TN_NEVER ? NULL : &ts, NULL);
    return n < 0 ? -errno : n;
}

int tn_loop_wait(struct tn_loop *loop, tn_time timeout)
{
    int n = wait_for_events(loop, timeout);
    if (n <= 0)
        return n;
    loop->event_count = n;
    for (int i = 0; i < n; i++) {
        struct tn_watch *watch = loop->events[i].data.ptr;
        if (watch)
            watch->ready(watch, loop->events[i].events);
    }
    loop->event_count = 0;
    return n;
}
