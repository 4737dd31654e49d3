/* chargen: sends a pattern of characters without end (RFC 864).
 *
 * The pattern is the usual one: lines of 72 printable characters, each line beginning one character later in
 * the list of all 95:
 *      !"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefg
 *     !"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefgh
 *
 * The pattern stands in one packet, as often as it fits; what is sent are views of that. A connection's send queue is filled
 * as often as it has room; the peer's window and the network set the pace. What must be remembered of a connection is how far it has come, in a record from a slab, which
 * sock->user points at. The stream goes on after the peer has finished sending: it ends when the peer has
 * really gone, which a reset tells (`closed`). A datagram, whatever it says, gets one with up to 512
 * characters. */
#include <errno.h>

#include "tenon/plugin.h"
#include "tenon/proto/services.h"

#define CHARGEN_COUNTERS(X)                                                                  \
    X(CONNECTIONS, "connections", "Connections served")                                      \
    X(CONNECTION_LIMIT, "connection-limit", "Connections reset because there were too many") \
    X(BYTES, "bytes", "Characters sent on connections")                                      \
    X(DATAGRAMS, "datagrams", "Datagrams answered")

#define CHARGEN_DROPS(X) \
    X(NO_ANSWER, "no-answer", "A datagram that must not be answered: from another service, or to everybody")

#define CHARGEN_COUNTER_ID(id, name, help) CHARGEN_##id,
#define CHARGEN_DROP_ID(id, name, help)    CHARGEN_DROP_##id,
enum {
    CHARGEN_COUNTERS(CHARGEN_COUNTER_ID) CHARGEN_COUNTER_COUNT
};
enum {
    CHARGEN_DROPS(CHARGEN_DROP_ID) CHARGEN_DROP_COUNT
};

struct chargen_options {
    int64_t connections;
};

struct chargen_state {
    struct tn_slab *progress;  /* of struct chargen_progress */
    struct tn_packet *pattern; /* PATTERN_REPEATS times */
};

/* How far a connection has come. */
struct chargen_progress {
    uint32_t at; /* position in the pattern */
};

/* ---- The pattern ---- */

#define PRINTABLE   95
#define LINE_CHARS  72
#define LINE_BYTES  (LINE_CHARS + 2)
#define PATTERN_LEN (PRINTABLE * LINE_BYTES) /* then it begins again */

#define PATTERN_REPEATS (65535 / PATTERN_LEN)

static char pattern_at(uint32_t at)
{
    uint32_t line = at / LINE_BYTES, column = at % LINE_BYTES;
    if (column >= LINE_CHARS)
        return column == LINE_CHARS ? '\r' : '\n';
    return (char)(' ' + (line + column) % PRINTABLE);
}

/* The packet with the pattern in it; NULL: no memory. */
static struct tn_packet *pattern_new(struct tn_self *self)
{
    struct tn_packet *packet = self->core->packet_new(self, (size_t)PATTERN_REPEATS * PATTERN_LEN);
    for (uint32_t i = 0; packet && i < packet->len; i++)
        packet->data[i] = (uint8_t)pattern_at(i % PATTERN_LEN);
    return packet;
}

/* ---- Streams ---- */

/* A view of the pattern from `at` on, of at most `most` characters; NULL: no memory. */
static struct tn_packet *chargen_view(struct tn_self *self, uint32_t at, uint32_t most)
{
    const struct chargen_state *state = self->state;
    struct tn_packet *view = self->core->packet_clone(self, state->pattern);
    if (view) {
        tn_packet_pull(view, at);
        tn_packet_trim(view, most);
    }
    return view;
}

/* Fills the send queue. */
static void chargen_fill(struct tn_self *self, struct tn_socket *sock)
{
    struct chargen_progress *progress = sock->user;
    uint32_t room;
    while ((room = self->core->socket_room(self, sock)) > 0) {
        struct tn_packet *view = chargen_view(self, progress->at, room);
        if (!view) {
            sock->flags |= TN_SOCK_WANT_WRITE; /* when what is queued has gone, there will be memory */
            return;
        }
        uint32_t len = view->len;
        int err = self->core->socket_give(self, sock, view);
        if (err == -EAGAIN)
            self->core->packet_free(self, view);
        if (err < 0)
            return;
        progress->at = (progress->at + len) % PATTERN_LEN;
        tn_count_add(self, CHARGEN_BYTES, len);
    }
}

static void chargen_accepted(struct tn_self *self, struct tn_socket *sock)
{
    const struct chargen_state *state = self->state;
    sock->user = self->core->slab_alloc(state->progress);
    if (!sock->user) {
        tn_count(self, CHARGEN_CONNECTION_LIMIT);
        sock->flags |= TN_SOCK_LINGER0; /* reset: there is nothing to say goodbye to */
        self->core->socket_close(self, sock);
        return;
    }
    tn_count(self, CHARGEN_CONNECTIONS);
    chargen_fill(self, sock);
}

static void chargen_discard(struct tn_self *self, struct tn_socket *sock)
{
    struct tn_packet *packet;
    while ((packet = self->core->socket_take(self, sock)))
        self->core->packet_free(self, packet);
}

static void chargen_closed(struct tn_self *self, struct tn_socket *sock, int error)
{
    const struct chargen_state *state = self->state;
    if (sock->user)
        self->core->slab_free(state->progress, sock->user);
}

/* ---- Datagrams ---- */

static void chargen_answer(struct tn_self *self, struct tn_socket *sock, const struct tn_packet *question)
{
    size_t len = self->core->random(self) % 513; /* "between 0 and 512" */
    const struct chargen_state *state = self->state;
    struct tn_packet *answer = self->core->packet_new(self, len);
    if (!answer)
        return; /* counted by the pool; who asked will ask again */
    memcpy(answer->data, state->pattern->data, len);
    tn_count(self, CHARGEN_DATAGRAMS);
    self->core->socket_reply(self, sock, question, answer);
}

static void chargen_datagrams(struct tn_self *self, struct tn_socket *sock)
{
    struct tn_packet *question;
    while ((question = self->core->socket_take(self, sock))) {
        if (tn_must_not_answer(sock, question)) {
            tn_drop(self, question, CHARGEN_DROP_NO_ANSWER);
            continue;
        }
        chargen_answer(self, sock, question);
        self->core->packet_free(self, question);
    }
}

static void chargen_readable(struct tn_self *self, struct tn_socket *sock)
{
    if (sock->type == SOCK_STREAM)
        chargen_discard(self, sock);
    else
        chargen_datagrams(self, sock);
}

/* ---- The plugin ---- */

static int chargen_start(struct tn_self *self, struct tn_text *why)
{
    const struct chargen_options *options = self->options;
    struct chargen_state *state = self->state;
    state->progress = self->core->slab_create(self, "connections", sizeof(struct chargen_progress),
                                              (size_t)options->connections);
    state->pattern = pattern_new(self);
    if (state->progress && state->pattern)
        return 0;
    if (state->pattern)
        self->core->packet_free(self, state->pattern);
    tn_text_add(why, "no memory for %lld connections and the pattern", (long long)options->connections);
    return -ENOMEM;
}

static void chargen_stop(struct tn_self *self)
{
    const struct chargen_state *state = self->state;
    self->core->packet_free(self, state->pattern);
}

static const struct tn_option chargen_option_list[] = {
    {"connections", TN_OPTION_INT, offsetof(struct chargen_options, connections)},
};
static const struct tn_name chargen_counters[] = {CHARGEN_COUNTERS(TN_NAME_ENTRY)};
static const struct tn_name chargen_drops[] = {CHARGEN_DROPS(TN_NAME_ENTRY)};
static const struct tn_service_ops chargen_service = {
    .accepted = chargen_accepted,
    .readable = chargen_readable,
    .writable = chargen_fill,
    .closed = chargen_closed,
};

static const struct tn_plugin chargen_plugin = {
    TN_PLUGIN_HEADER,
    .name = "chargen",
    .version = "0.1.0",
    .kind = "service",
    .schema = "chargen/2",
    .state_size = sizeof(struct chargen_state),
    .options_size = sizeof(struct chargen_options),
    .options = chargen_option_list,
    .option_count = TN_ARRAY_SIZE(chargen_option_list),
    .counters = chargen_counters,
    .counter_count = TN_ARRAY_SIZE(chargen_counters),
    .drops = chargen_drops,
    .drop_count = TN_ARRAY_SIZE(chargen_drops),
    .start = chargen_start,
    .stop = chargen_stop,
    .service = &chargen_service,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &chargen_plugin;
}
