/* loop.h: the event loop: descriptors that the stack waits on (epoll). */
#ifndef TENON_KERNEL_LOOP_H
#define TENON_KERNEL_LOOP_H

#include <stdint.h>

#include "tenon/types.h"

struct tn_loop;

/* A watched descriptor; embedded in its owner. */
struct tn_watch {
    int fd;
    uint32_t events; /* EPOLL… as registered */
    void (*ready)(struct tn_watch *watch, uint32_t events);
};

/* 0 or -errno. The epoll descriptor is made when the first watch is added. */
int tn_loop_create(struct tn_loop **loop);
void tn_loop_destroy(struct tn_loop *loop);
int tn_loop_fd(const struct tn_loop *loop); /* -1: nothing is watched */
int tn_loop_add(struct tn_loop *loop, struct tn_watch *watch, uint32_t events);
int tn_loop_change(struct tn_loop *loop, struct tn_watch *watch, uint32_t events);
void tn_loop_remove(struct tn_loop *loop, struct tn_watch *watch);
/* Waits at most `timeout` (0: looks once; TN_NEVER: until something comes), then calls ready() of each. Returns how many
 * were ready, or -errno (-EINTR). A ready() may remove any watch, its own included. */
int tn_loop_wait(struct tn_loop *loop, tn_time timeout);

#endif
