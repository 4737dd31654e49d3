/* chargen: sends a pattern of characters without end (RFC 864).
 *
 * The pattern is the usual one: lines of 72 printable characters, each line beginning one character later in
 * the list of all 95:
 *      !"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefg
 *     !"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefgh
 *
 * A connection's send queue is filled as often as it has room; the peer's window and the network set the
 * pace. What must be remembered of a connection is how far it has come, in a record from a slab, which
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
    struct tn_slab *progress; /* of struct chargen_progress */
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

static char pattern_at(uint32_t at)
{
    uint32_t line = at / LINE_BYTES, column = at % LINE_BYTES;
    if (column >= LINE_CHARS)
        return column == LINE_CHARS ? '\r' : '\n';
    return (char)(' ' + (line + column) % PRINTABLE);
}

static void pattern_write(void *to, size_t len, uint32_t at)
{
    char *c = to;
    for (size_t i = 0; i < len; i++)
        c[i] = pattern_at((at + (uint32_t)i) % PATTERN_LEN);
}

/* ---- Streams ---- */

/* Fills the send queue. */
static void chargen_fill(struct tn_self *self, struct tn_socket *sock)
{
    struct chargen_progress *progress = sock->user;
    char piece[LINE_BYTES * 8];
    ssize_t sent;
    do {
        pattern_write(piece, sizeof(piece), progress->at);
        sent = self->core->socket_send(self, sock, piece, sizeof(piece));
        if (sent > 0) {
            progress->at = (progress->at + (uint32_t)sent) % PATTERN_LEN;
            tn_count_add(self, CHARGEN_BYTES, (uint64_t)sent);
        }
    } while (sent == (ssize_t)sizeof(piece));
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
    struct tn_packet *answer = self->core->packet_new(self, len);
    if (!answer)
        return; /* counted by the pool; who asked will ask again */
    pattern_write(answer->data, len, 0);
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
    if (state->progress)
        return 0;
    tn_text_add(why, "no memory for %lld connections", (long long)options->connections);
    return -ENOMEM;
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
    .schema = "chargen/1",
    .state_size = sizeof(struct chargen_state),
    .options_size = sizeof(struct chargen_options),
    .options = chargen_option_list,
    .option_count = TN_ARRAY_SIZE(chargen_option_list),
    .counters = chargen_counters,
    .counter_count = TN_ARRAY_SIZE(chargen_counters),
    .drops = chargen_drops,
    .drop_count = TN_ARRAY_SIZE(chargen_drops),
    .start = chargen_start,
    .service = &chargen_service,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &chargen_plugin;
}
