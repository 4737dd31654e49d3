/* env.c: the real environment: the system's clocks, its randomness, a log on stderr. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "tenon/stack.h"

static tn_time real_now(void *context)
{
    (void)context;
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (tn_time)ts.tv_sec * TN_SEC + (tn_time)ts.tv_nsec;
}

static int64_t real_wall(void *context)
{
    (void)context;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * (int64_t)TN_SEC + ts.tv_nsec;
}

static void real_random(void *context, void *bytes, size_t len)
{
    (void)context;
    uint8_t *at = bytes;
    while (len) {
        ssize_t n = getrandom(at, len, 0);
        if (n < 0)
            continue; /* EINTR; with flags 0 there is no other lasting failure */
        at += n;
        len -= (size_t)n;
    }
}

static void real_log(void *context, enum tn_level level, const char *who, const char *text)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    (void)context;
    fprintf(stderr, "tenon: %s: %s: %s\n", names[level], who, text);
}

static const struct tn_env real_env = {
    .now = real_now,
    .wall = real_wall,
    .random = real_random,
    .log = real_log,
    .real_time = true,
};

const struct tn_env *tn_env_real(void)
{
    return &real_env;
}
