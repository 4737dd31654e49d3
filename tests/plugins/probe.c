/* probe.c: a service for tests of the loader and of swaps. It answers whatever it gets on a connection with its own word and the
 * number of the message, and counts the seconds. Built in many variants, some of them broken on purpose (CMakeLists.txt). */
#include "tenon/plugin.h"

#ifndef PROBE_WORD
#define PROBE_WORD "one"
#endif
#ifndef PROBE_STEP
#define PROBE_STEP 1
#endif
#ifndef PROBE_NAME
#define PROBE_NAME "probe"
#endif
#ifndef PROBE_VERSION
#define PROBE_VERSION "0.1.0"
#endif
#ifndef PROBE_SCHEMA
#define PROBE_SCHEMA "probe/1"
#endif
#ifndef PROBE_MAGIC
#define PROBE_MAGIC TN_PLUGIN_MAGIC
#endif
#ifndef PROBE_MAJOR
#define PROBE_MAJOR TN_ABI_MAJOR
#endif
#ifndef PROBE_MINOR
#define PROBE_MINOR TN_ABI_MINOR
#endif

#ifdef PROBE_EXTRA_COUNTER
#define PROBE_COUNTERS(X)                         \
    X(EXTRA, "extra", "Only in the second build") \
    X(SECONDS, "seconds", "Seconds since the start")
#else
#define PROBE_COUNTERS(X) X(SECONDS, "seconds", "Seconds since the start")
#endif

#define PROBE_ID(id, name, help) PROBE_##id,
enum {
    PROBE_COUNTERS(PROBE_ID)
};

enum {
    PROBE_TIMER_SECOND
};

struct probe_state {
    struct tn_timer second;
#ifdef PROBE_BIGGER_STATE
    uint64_t more;
#endif
};

struct probe_options {
    int64_t limit;
};

struct probe_connection {
    unsigned messages;
};

#ifdef PROBE_UNDEFINED
extern void probe_nobody_defines_this(void);
#endif

#ifdef PROBE_CRASH
__attribute__((constructor)) static void crash(void)
{
    __builtin_trap();
}
#endif

static int probe_begin(struct tn_self *self, struct tn_text *why)
{
#ifdef PROBE_FAIL
    tn_text_add(why, "it was built to fail");
    return -5; /* EIO */
#else
    struct probe_state *state = self->state;
#ifdef PROBE_UNDEFINED
    probe_nobody_defines_this();
#endif
    (void)why;
    self->core->timer_start(self, &state->second, TN_SEC, PROBE_TIMER_SECOND);
    return 0;
#endif
}

static void probe_end(struct tn_self *self)
{
    struct probe_state *state = self->state;
    self->core->timer_stop(self, &state->second);
}

static void probe_second(struct tn_self *self, struct tn_timer *timer)
{
    tn_count_add(self, PROBE_SECONDS, PROBE_STEP);
    self->core->timer_start(self, timer, TN_SEC, PROBE_TIMER_SECOND);
}

static void probe_accepted(struct tn_self *self, struct tn_socket *sock)
{
    sock->user = self->core->alloc(self, sizeof(struct probe_connection));
}

static void probe_readable(struct tn_self *self, struct tn_socket *sock)
{
    struct probe_connection *connection = sock->user;
    char text[64];
    ssize_t n = self->core->socket_receive(self, sock, text, sizeof(text));
    if (n <= 0 || !connection) {
        if (n == 0) {
            self->core->free(self, connection);
            self->core->socket_close(self, sock);
        }
        return;
    }
    struct tn_text out = tn_text_init(text, sizeof(text));
    tn_text_add(&out, "%s %u\n", PROBE_WORD, ++connection->messages);
    (void)self->core->socket_send(self, sock, text, strlen(text));
}

static void probe_writable(struct tn_self *self, struct tn_socket *sock)
{
    (void)self;
    (void)sock;
}

static void probe_closed(struct tn_self *self, struct tn_socket *sock, int error)
{
    (void)error;
    self->core->free(self, sock->user);
}

static const struct tn_service_ops probe_service = {
#ifndef PROBE_NO_ACCEPTED
    .accepted = probe_accepted,
#endif
    .readable = probe_readable,
    .writable = probe_writable,
    .closed = probe_closed,
};

static tn_timer_fn *const probe_timers[] = {[PROBE_TIMER_SECOND] = probe_second};
static const struct tn_name probe_counters[] = {PROBE_COUNTERS(TN_NAME_ENTRY)};
static const struct tn_option probe_options[] = {
    {"limit", TN_OPTION_INT, offsetof(struct probe_options, limit)},
};

static const struct tn_plugin probe_plugin = {
    .magic = PROBE_MAGIC,
    .abi_major = PROBE_MAJOR,
    .abi_minor = PROBE_MINOR,
    .size = sizeof(struct tn_plugin),
    .name = PROBE_NAME,
    .version = PROBE_VERSION,
    .kind = "service",
    .schema = PROBE_SCHEMA,
    .state_size = sizeof(struct probe_state),
    .options_size = sizeof(struct probe_options),
    .counters = probe_counters,
    .counter_count = TN_ARRAY_SIZE(probe_counters),
    .timers = probe_timers,
    .timer_count = TN_ARRAY_SIZE(probe_timers),
#ifndef PROBE_NO_OPTION
    .options = probe_options,
    .option_count = TN_ARRAY_SIZE(probe_options),
#endif
    .start = probe_begin,
    .stop = probe_end,
    .service = &probe_service,
};

#ifndef PROBE_NO_ENTRY
const struct tn_plugin *tn_plugin_entry(void)
{
#ifdef PROBE_NO_DESCRIPTOR
    (void)probe_plugin;
    return NULL;
#else
    return &probe_plugin;
#endif
}
#endif
