/* run.c: runs a script on a stack behind a host link that carries IP packets.
 *
 * Everything that it takes for this is in tenon/stack.h: an environment whose clock is a variable, which moves only here;
 * the host link's two calls; and the sockets. Nothing happens between two moves of the clock but what tn_stack_step() does, so
 * a packet that is there after a step was sent at that time exactly. */
#include "run.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* More rounds at one point in time: the stack doesn't come to rest. */
#define ROUNDS_MAX 1000000
/* Longer than any timeout that may be set: what is left then is a leak. */
#define END_SPAN (26 * 3600 * TN_SEC)

bool run_fail(struct run *run, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (!run->why[0])
        snprintf(run->why, run->why_size, "%s:%u: at %.6f s: %s", run->script->name,
                 run->step ? run->step->line : 0, run_seconds(run, run->now), text);
    return false;
}

double run_seconds(const struct run *run, tn_time time)
{
    return (double)(time - run->start) / 1e9;
}

/* ---- The environment ---- */

static tn_time env_now(void *context)
{
    return ((const struct run *)context)->now;
}

/* The first of January 2026. */
static int64_t env_wall(void *context)
{
    return INT64_C(1767225600) * (int64_t)TN_SEC + (int64_t)((const struct run *)context)->now;
}

/* xorshift64*, so that a seed gives the same run each time. */
static void env_random(void *context, void *bytes, size_t len)
{
    struct run *run = context;
    for (size_t i = 0; i < len; i++) {
        run->random ^= run->random >> 12;
        run->random ^= run->random << 25;
        run->random ^= run->random >> 27;
        ((uint8_t *)bytes)[i] = (uint8_t)((run->random * UINT64_C(0x2545f4914f6cdd1d)) >> 56);
    }
}

static void env_log(void *context, enum tn_level level, const char *who, const char *text)
{
    if (((const struct run *)context)->trace || level == TN_LOG_ERROR)
        fprintf(stderr, "%s: %s\n", who, text);
}

/* ---- The clock ---- */

void run_settle(struct run *run)
{
    for (unsigned rounds = 0; rounds < ROUNDS_MAX; rounds++)
        if (!tn_stack_step(run->stack) && tn_stack_deadline(run->stack) > run->now)
            return;
    run_fail(run, "the stack does not come to rest");
}

bool run_pending(struct run *run)
{
    if (run->packet_len)
        return true;
    ssize_t len = tn_host_receive(run->stack, RUN_INTERFACE, run->packet, sizeof(run->packet));
    run->packet_len = len > 0 ? (size_t)len : 0;
    return run->packet_len > 0;
}

void run_advance(struct run *run, tn_time until)
{
    while (!run_pending(run) && run->now < until) {
        tn_time deadline = tn_stack_deadline(run->stack);
        run->now = deadline < until ? deadline : until;
        run_settle(run);
    }
}

/* ---- Steps ---- */

/* Nothing may be sent before `until`; and the clock may not leave behind what nobody has heard. */
static bool wait_until(struct run *run, tn_time until)
{
    tn_time from = run->now;
    if (until < from)
        return run_fail(run, "it is later than that already");
    if (until > from && run_pending(run))
        return run_unexpected(run);
    run_advance(run, until);
    return run->now >= until || run_unexpected(run);
}

static bool pass_over(struct run *run, tn_time until)
{
    do {
        while (run_pending(run))
            run->packet_len = 0;
        run_advance(run, until);
    } while (run->now < until || run_pending(run));
    return true;
}

static bool do_at(struct run *run, tn_time from, tn_time to)
{
    switch (run->step->kind) {
    case STEP_HEAR:
        return run_hear(run, from, to);
    case STEP_ANYTHING:
        return pass_over(run, to);
    case STEP_SILENT:
        return wait_until(run, to) && (!run_pending(run) || run_unexpected(run));
    default:
        break;
    }
    if (!wait_until(run, from))
        return false;
    switch (run->step->kind) {
    case STEP_SAY:
        return run_say(run);
    case STEP_ICMP:
        return run_icmp(run);
    default:
        return run_call(run);
    }
}

static bool do_step(struct run *run)
{
    const struct step *step = run->step;
    tn_time base = step->when == WHEN_NOW ? run->now : step->when == WHEN_AFTER ? run->last : run->start;
    tn_time from = base + (step->when == WHEN_NOW ? 0 : step->from);
    tn_time to = base + (step->when == WHEN_NOW ? 0 : step->to);
    bool done = do_at(run, from, to) && !run->why[0];
    run->last = run->now;
    return done;
}

/* ---- Beginning and end ---- */

static void put_protocols(const struct script *script, char *yaml, size_t size)
{
    static const char *const usual[] = {"rawip", "ipv4", "icmp", "tcp"};
    size_t n = 0;
    for (size_t i = 0; i < TN_ARRAY_SIZE(usual); i++) {
        bool given = false;
        for (size_t k = 0; k < script->with_count; k++)
            given |= !strcmp(script->with[k].protocol, usual[i]);
        if (!given)
            n += (size_t)snprintf(yaml + n, size - n, "  %s: {}\n", usual[i]);
    }
    for (size_t k = 0; k < script->with_count; k++)
        n += (size_t)snprintf(yaml + n, size - n, "  %s: %s\n", script->with[k].protocol,
                              script->with[k].options);
}

static bool start(struct run *run, const char *plugin_path)
{
    const struct script *script = run->script;
    const struct tn_env env = {.context = run,
                               .now = env_now,
                               .wall = env_wall,
                               .random = env_random,
                               .log = env_log,
                               .plugin_path = plugin_path};
    struct tn_error error;
    char protocols[SCRIPT_WITH_MAX * 200], yaml[SCRIPT_WITH_MAX * 200 + 512];
    put_protocols(script, protocols, sizeof(protocols));
    snprintf(yaml, sizeof(yaml),
             "stack: { name: script }\n"
             "interfaces:\n"
             "  " RUN_INTERFACE ":\n"
             "    { driver: host, mode: ip, mtu: %u, addresses: [10.0.7.7/24%s],\n"
             "      routes: [{ to: default, via: 10.0.7.1 }] }\n"
             "protocols:\n%s",
             script->mtu, script->addresses, protocols);
    if (tn_stack_create(&env, yaml, script->name, &run->stack, &error) < 0)
        return run_fail(run, "%s", error.text);
    run_settle(run);
    tn_stack_usage(run->stack, &run->usage);
    return true;
}

static void start_talks(struct run *run)
{
    for (size_t i = 0; i < run->script->talk_count; i++) {
        struct talk *talk = &run->talks[i];
        *talk = (struct talk){.fd = -1, .window = 65535};
        talk->ends.isn = 5000;
        talk->ends.own_port = 7;
        talk->ends.peer_port = (uint16_t)(40000 + i);
        inet_pton(AF_INET, "10.0.7.7", &talk->ends.own);
        inet_pton(AF_INET, "10.0.7.1", &talk->ends.other);
    }
}

/* Sockets are closed, time passes, and then nothing is in use that was not before. */
static bool end(struct run *run)
{
    struct tn_usage now, *before = &run->usage;
    run->step = NULL;
    for (size_t i = 0; i < run->script->talk_count; i++)
        if (run->talks[i].fd >= 0)
            tn_close(run->stack, run->talks[i].fd);
    for (size_t i = 0; i < run->listener_count; i++)
        tn_close(run->stack, run->listeners[i].fd);
    run_settle(run);
    pass_over(run, run->now + END_SPAN);
    tn_stack_usage(run->stack, &now);
    return (now.packets == before->packets && now.buffers == before->buffers &&
            now.sockets == before->sockets && now.timers == before->timers &&
            now.plugin_bytes == before->plugin_bytes) ||
           run_fail(run,
                    "something is left after the end: %zu packets, %zu buffers, %zu sockets, %zu timers, %zu "
                    "bytes "
                    "of plugins; before: %zu, %zu, %zu, %zu, %zu",
                    now.packets, now.buffers, now.sockets, now.timers, now.plugin_bytes, before->packets,
                    before->buffers, before->sockets, before->timers, before->plugin_bytes);
}

static bool run_steps(struct run *run)
{
    for (size_t i = 0; i < run->script->step_count; i++) {
        run->step = &run->script->steps[i];
        if (!do_step(run))
            return false;
    }
    return !run_pending(run) || run_unexpected(run);
}

int script_run(const struct script *script, const char *plugin_path, bool trace, char *why, size_t size)
{
    struct run *run = calloc(1, sizeof(*run));
    if (!run) {
        snprintf(why, size, "out of memory");
        return -ENOMEM;
    }
    why[0] = '\0';
    run->script = script;
    run->trace = trace;
    run->why = why;
    run->why_size = size;
    run->now = run->start = run->last = TN_SEC; /* so that 0 is always in the past */
    run->random = (uint64_t)script->seed << 32 | 0x9e3779b9;
    start_talks(run);
    bool done = start(run, plugin_path) && run_steps(run) && end(run);
    tn_stack_destroy(run->stack);
    free(run);
    return done ? 0 : -EINVAL;
}
