/* daytime: tells date and time in a line of text (RFC 867), in UTC:
 *     Monday, February 22, 1982 17:37:43-UTC
 *
 * A connection gets the line as soon as it is accepted, and then the end of data; what the peer sends is
 * thrown away until it has finished too, when the core closes the connection. A datagram, whatever it says,
 * gets the line in a datagram. */
#include "tenon/plugin.h"
#include "tenon/proto/services.h"

#define DAYTIME_COUNTERS(X)                               \
    X(CONNECTIONS, "connections", "Connections answered") \
    X(DATAGRAMS, "datagrams", "Datagrams answered")

#define DAYTIME_DROPS(X) \
    X(NO_ANSWER, "no-answer", "A datagram that must not be answered: from another service, or to everybody")

#define DAYTIME_COUNTER_ID(id, name, help) DAYTIME_##id,
#define DAYTIME_DROP_ID(id, name, help)    DAYTIME_DROP_##id,
enum {
    DAYTIME_COUNTERS(DAYTIME_COUNTER_ID) DAYTIME_COUNTER_COUNT
};
enum {
    DAYTIME_DROPS(DAYTIME_DROP_ID) DAYTIME_DROP_COUNT
};

#define LINE_MAX 80

/* The line of the second that it was last asked for: writing it takes longer than all else that a question takes. */
struct daytime_state {
    uint64_t second;
    size_t len; /* 0: there is none yet */
    char line[LINE_MAX];
};

/* ---- The line ---- */

static const char weekdays[][10] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                    "Thursday", "Friday", "Saturday"};
static const char months[][10] = {"January", "February", "March",     "April",   "May",      "June",
                                  "July",    "August",   "September", "October", "November", "December"};

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned days_of_month(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month] + (month == 1 && is_leap(year));
}

struct date {
    unsigned year, month, day; /* month and day from 0 */
};

/* The date `days` days after January 1, 1970. The calendar repeats every 400 years, which are 146097 days. */
static struct date date_of(uint64_t days)
{
    struct date d = {.year = 1970 + (unsigned)(days / 146097) * 400};
    days %= 146097;
    while (days >= 365u + is_leap(d.year))
        days -= 365u + is_leap(d.year++);
    while (days >= days_of_month(d.year, d.month))
        days -= days_of_month(d.year, d.month++);
    d.day = (unsigned)days;
    return d;
}

static void daytime_write(struct daytime_state *state, uint64_t second)
{
    unsigned s = (unsigned)(second % 86400);
    uint64_t days = second / 86400;
    struct date d = date_of(days);
    struct tn_text text = tn_text_init(state->line, LINE_MAX);
    tn_text_add(&text, "%s, %s %u, %u %02u:%02u:%02u-UTC\r\n", weekdays[(days + 4) % 7], months[d.month],
                d.day + 1, d.year, s / 3600, s / 60 % 60, s % 60); /* 1970 began on a Thursday */
    state->second = second;
    state->len = (size_t)(text.at - state->line);
}

static uint64_t daytime_second(int64_t wall)
{
    return wall > 0 ? (uint64_t)wall / TN_SEC : 0;
}

/* The line for now. */
static const struct daytime_state *daytime_now(struct tn_self *self)
{
    struct daytime_state *state = self->state;
    uint64_t second = daytime_second(self->core->wall(self));
    if (state->len == 0 || state->second != second)
        daytime_write(state, second);
    return state;
}

/* ---- Streams ---- */

static void daytime_accepted(struct tn_self *self, struct tn_socket *sock)
{
    const struct daytime_state *now = daytime_now(self);
    tn_count(self, DAYTIME_CONNECTIONS);
    self->core->socket_send(self, sock, now->line, now->len); /* a new connection's send queue has room */
    self->core->socket_shutdown(self, sock, SHUT_WR);
}

static void daytime_discard(struct tn_self *self, struct tn_socket *sock)
{
    struct tn_packet *packet;
    while ((packet = self->core->socket_take(self, sock)))
        self->core->packet_free(self, packet);
}

/* ---- Datagrams ---- */

static void daytime_answer(struct tn_self *self, struct tn_socket *sock, const struct tn_packet *question)
{
    const struct daytime_state *now = daytime_now(self);
    struct tn_packet *answer = self->core->packet_new(self, now->len);
    if (!answer)
        return; /* counted by the pool; who asked will ask again */
    memcpy(answer->data, now->line, now->len);
    tn_count(self, DAYTIME_DATAGRAMS);
    self->core->socket_reply(self, sock, question, answer);
}

static void daytime_datagrams(struct tn_self *self, struct tn_socket *sock)
{
    struct tn_packet *question;
    while ((question = self->core->socket_take(self, sock))) {
        if (tn_must_not_answer(sock, question)) {
            tn_drop(self, question, DAYTIME_DROP_NO_ANSWER);
            continue;
        }
        daytime_answer(self, sock, question);
        self->core->packet_free(self, question);
    }
}

static void daytime_readable(struct tn_self *self, struct tn_socket *sock)
{
    if (sock->type == SOCK_STREAM)
        daytime_discard(self, sock);
    else
        daytime_datagrams(self, sock);
}

/* ---- The plugin ---- */

static const struct tn_name daytime_counters[] = {DAYTIME_COUNTERS(TN_NAME_ENTRY)};
static const struct tn_name daytime_drops[] = {DAYTIME_DROPS(TN_NAME_ENTRY)};
static const struct tn_service_ops daytime_service = {
    .accepted = daytime_accepted,
    .readable = daytime_readable,
};

static const struct tn_plugin daytime_plugin = {
    TN_PLUGIN_HEADER,
    .name = "daytime",
    .version = "0.1.0",
    .kind = "service",
    .schema = "daytime/2",
    .state_size = sizeof(struct daytime_state),
    .counters = daytime_counters,
    .counter_count = TN_ARRAY_SIZE(daytime_counters),
    .drops = daytime_drops,
    .drop_count = TN_ARRAY_SIZE(daytime_drops),
    .service = &daytime_service,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &daytime_plugin;
}
