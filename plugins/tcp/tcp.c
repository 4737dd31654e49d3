/* tcp: the Transmission Control Protocol (RFC 9293), for every address family.
 *
 * Theory of operation
 *
 * A connection is a struct tcp_conn behind a socket of the core. Octets lie in the socket's two queues; this plugin says
 * when they move. A batch of segments goes through four doors:
 *
 *     tcp_input()    each segment, in the order of §3.10.7. State changes at once, data goes to the socket's receive
 *                    queue, but nothing is sent (but resets to strangers): the connection is put on a list instead.
 *     tcp_timer()    the connection's timer, which serves all its deadlines (connection.c).
 *     send_ready(), received(), close()   the user wrote, read or closed; onto the list, too.
 *     tcp_flush()    at the end of the batch: tcp_output() for each connection on the list sends what may be sent, once
 *                    for all that the batch has brought, and the one acknowledgement that answers it. Whose device is full
 *                    goes to a list of those that wait for it; when path_free() says so they send in turn.
 *
 * What is in flight is a list of runs (scoreboard.c), each with the time at which it was sent and its fate. From it come
 * round-trip times, the amount that is on its way, what is lost (recovery.c) and what is sent next (output.c). snd_nxt
 * never goes back: what is lost is marked, and sent again as the congestion window lets it.
 *
 * A probe of a closed window sends an octet that does not count as sent (TCP_PROBED), so nothing that measures what is
 * in flight need know of it.
 *
 * Swap: nothing here is held by address but core memory, so new code of the same schema goes on with every connection
 * where the old one stood. The schema names the layout of tcp_conn and of all records in the headers, and the order of
 * counters and drops: it changes with them. */
#include "close.h"
#include "input.h"
#include "listen.h"
#include "output.h"
#include "pmtu.h"
#include "reassembly.h"
#include "scoreboard.h"
#include "socket_options.h"
#include "time_wait.h"
#include "timers.h"
#include "urgent.h"

/* At most, in all connections: as many batches in flight, as many connections that have some, and as many gaps. */
#define RUNS_LIMIT    (4u << 20)
#define FLIGHTS_LIMIT (1u << 20)
#define BLOCKS_LIMIT  (1u << 20)

/* Connections whose path has a smaller MTU than their interface. */
#define PMTU_LIMIT (1u << 20)

/* Connections that send at a time, twice: what was before a reduction is kept, too. */
#define CONGESTION_LIMIT (1u << 20)

#define RARE_LIMIT (1u << 20)

static int tcp_start(struct tn_self *self, struct tn_text *why)
{
    struct tcp_state *state = tcp_state(self);
    state->ready = (struct tcp_link){&state->ready, &state->ready};
    for (size_t i = 0; i < TCP_INTERFACES; i++)
        state->held[i] = (struct tcp_link){&state->held[i], &state->held[i]};
    state->runs = self->core->slab_create(self, "tcp-runs", sizeof(struct tcp_run), RUNS_LIMIT);
    state->flights = self->core->slab_create(self, "tcp-flights", sizeof(struct tcp_flight), FLIGHTS_LIMIT);
    state->blocks = self->core->slab_create(self, "tcp-blocks", sizeof(struct tcp_block), BLOCKS_LIMIT);
    state->reassemblies =
        self->core->slab_create(self, "tcp-reassembly", sizeof(struct tcp_reassembly), BLOCKS_LIMIT);
    state->congestion_records =
        self->core->slab_create(self, "tcp-congestion", sizeof(struct tcp_cc), CONGESTION_LIMIT);
    state->pmtu_records = self->core->slab_create(self, "tcp-path-mtus", sizeof(struct tcp_pmtu), PMTU_LIMIT);
    state->rare = self->core->slab_create(self, "tcp-rare", sizeof(struct tcp_rare), RARE_LIMIT);
    tcp_cc_default(self);
    int half_open = self->core->flows_create(self, "tcp-half-open", sizeof(struct tcp_half_open),
                                             (size_t)tcp_options(self)->half_open_limit);
    int time_wait = self->core->flows_create(self, "tcp-time-wait", sizeof(struct tcp_time_wait),
                                             (size_t)tcp_options(self)->time_wait_limit);
    state->half_open_kind = (uint16_t)half_open;
    state->time_wait_kind = (uint16_t)time_wait;
    if (half_open >= 0 && time_wait >= 0 && state->runs && state->flights && state->blocks &&
        state->reassemblies && state->congestion_records && state->pmtu_records && state->rare)
        return 0;
    tn_text_add(why, "no memory for the records of what is in flight, half open and waiting");
    return -ENOMEM;
}

static int tcp_reconfigure(struct tn_self *self, struct tn_text *why)
{
    tcp_cc_default(self);
    return 0;
}

/* Has the connection send. False: its device is full, so it waits for its turn. */
TN_FLAT TN_APART static bool output_one(struct tn_self *self, struct tcp_conn *conn, bool in_turn)
{
    struct tcp_state *state = tcp_state(self);
    state->in_turn = in_turn;
    state->full = false;
    tcp_output(self, conn);
    if (tn_likely(!state->full))
        return true;
    tn_count(self, TCP_HELD_BACK);
    tcp_hold(self, conn);
    return false;
}

/* A device has room: who waits for it goes on, one after the other, until it is full again. */
static void output_held(struct tn_self *self, struct tcp_link *held)
{
    struct tcp_conn *conn;
    while ((conn = tcp_take_first(held)) && output_one(self, conn, true))
        ;
}

static void output_freed(struct tn_self *self)
{
    struct tcp_state *state = tcp_state(self);
    state->any_freed = false;
    for (size_t i = 0; i < TN_ARRAY_SIZE(state->freed); i++)
        for (; state->freed[i]; state->freed[i] &= state->freed[i] - 1)
            output_held(self, &state->held[64 * i + (size_t)__builtin_ctzll(state->freed[i])]);
}

static void tcp_flush(struct tn_self *self)
{
    struct tcp_state *state = tcp_state(self);
    struct tcp_conn *conn;
    if (tn_unlikely(state->any_freed))
        output_freed(self);
    while ((conn = tcp_take_first(&state->ready)) != NULL)
        output_one(self, conn, false);
    while (tn_unlikely((conn = tcp_take_attended(self)) != NULL))
        if (conn->held) {
            state->full = true;
            tcp_output(self, conn); /* what needs no turn: acknowledgements */
        } else {
            output_one(self, conn, false);
        }
}

static void tcp_path_free(struct tn_self *self, uint16_t ifindex)
{
    struct tcp_state *state = tcp_state(self);
    state->freed[ifindex / 64] |= (uint64_t)1 << ifindex % 64;
    state->any_freed = true;
    self->core->request_flush(self);
}

/* ---- Operations of a transport ---- */

static int tcp_open(struct tn_self *self, struct tn_socket *sock)
{
    sock->rcvbuf = (uint32_t)tcp_options(self)->receive_buffer;
    sock->sndbuf = (uint32_t)tcp_options(self)->send_buffer;
    tcp_conn_init(tn_socket_state(sock));
    return 0;
}

static int tcp_listen(struct tn_self *self, struct tn_socket *sock)
{
    struct tcp_conn *conn = tn_socket_state(sock);
    if (conn->state == TCP_ST_LISTEN)
        return 0;
    if (conn->state != TCP_ST_CLOSED)
        return -EISCONN;
    tcp_set_state(self, conn, TCP_ST_LISTEN);
    conn->half_open = NULL;
    conn->half_open_end = &conn->half_open;
    conn->half_open_count = 0;
    conn->cookies_sent = false;
    return 0;
}

static void tcp_send_ready(struct tn_self *self, struct tn_socket *sock)
{
    struct tcp_conn *conn = tn_socket_state(sock);
    if (conn->state < TCP_ST_SYN_SENT)
        return;
    if (sock->flags & TN_SOCK_SHUT_SEND)
        tcp_close_send(self, conn);
    tcp_schedule(self, conn);
}

static void tcp_show(struct tn_self *self, struct tn_socket *sock, struct tn_rows *rows)
{
    const struct tcp_conn *conn = tn_socket_state(sock);
    if (conn->state < TCP_ST_ESTABLISHED || conn->state == TCP_ST_TIME_WAIT)
        return;
    self->core->row_text(rows, "congestion", tcp_cc_name(self, conn));
    self->core->row_number(rows, "cwnd", conn->cwnd);
    if (conn->ssthresh < TN_CONGESTION_WINDOW_MAX)
        self->core->row_number(rows, "ssthresh", conn->ssthresh);
    self->core->row_number(rows, "mss", conn->mss);
    self->core->row_number(rows, "rtt", conn->srtt);
    self->core->row_number(rows, "retransmits", conn->retransmits);
}

static const char *tcp_socket_state_name(struct tn_self *self, const struct tn_socket *sock)
{
    const struct tcp_conn *conn = (const void *)(sock + 1);
    return tcp_state_name(conn->state);
}

static const char *tcp_flow_state_name(struct tn_self *self, const struct tn_flow *flow)
{
    bool half_open = flow->kind == tcp_state(self)->half_open_kind;
    return tcp_state_name(half_open ? TCP_ST_SYN_RECEIVED : TCP_ST_TIME_WAIT);
}

static bool tcp_flow_yields(struct tn_self *self, const struct tn_flow *flow)
{
    return flow->kind == tcp_state(self)->time_wait_kind &&
           tcp_time_wait_yields(self, (const struct tcp_time_wait *)(const void *)flow);
}

/* ---- The descriptor ---- */

static const struct tn_claim tcp_claims[] = {
    {.table = TN_TABLE_IPPROTO, .family = 0, .input = 0, .key = IPPROTO_TCP},
};

#define OPTION(text, kind, member)                                   \
    {                                                                \
        text, TN_OPTION_##kind, offsetof(struct tcp_options, member) \
    }
static const struct tn_option tcp_option_list[] = {
    OPTION("receive-buffer", SIZE, receive_buffer),
    OPTION("receive-buffer-max", SIZE, receive_buffer_max),
    OPTION("send-buffer", SIZE, send_buffer),
    OPTION("send-buffer-max", SIZE, send_buffer_max),
    OPTION("initial-window", INT, initial_window),
    OPTION("reassembly-limit", INT, reassembly_limit),
    OPTION("challenge-limit", INT, challenge_limit),
    OPTION("time-wait", DURATION, time_wait),
    OPTION("fin-wait", DURATION, fin_wait),
    OPTION("delayed-ack", DURATION, delayed_ack),
    OPTION("initial-rto", DURATION, initial_rto),
    OPTION("minimum-rto", DURATION, minimum_rto),
    OPTION("maximum-rto", DURATION, maximum_rto),
    OPTION("syn-timeout", DURATION, syn_timeout),
    OPTION("user-timeout", DURATION, user_timeout),
    OPTION("user-timeout-option", BOOL, user_timeout_option),
    OPTION("user-timeout-least", DURATION, user_timeout_least),
    OPTION("user-timeout-most", DURATION, user_timeout_most),
    OPTION("keepalive-time", DURATION, keepalive_time),
    OPTION("keepalive-interval", DURATION, keepalive_interval),
    OPTION("keepalive-probes", INT, keepalive_probes),
    OPTION("syn-backlog", INT, syn_backlog),
    OPTION("syn-cookies", CHOICE, syn_cookies),
    OPTION("half-open-limit", INT, half_open_limit),
    OPTION("time-wait-limit", INT, time_wait_limit),
    OPTION("window-scaling", BOOL, window_scaling),
    OPTION("timestamps", BOOL, timestamps),
    OPTION("sack", BOOL, sack),
    OPTION("ecn", CHOICE, ecn),
    OPTION("congestion", PLUGIN, congestion),
};

static const struct tn_name tcp_counters[] = {TCP_COUNTERS(TN_NAME_ENTRY)};
static const struct tn_name tcp_drops[] = {TCP_DROPS(TN_NAME_ENTRY)};

static tn_input_fn *const tcp_inputs[] = {tcp_input};
static tn_timer_fn *const tcp_timers[TCP_TIMER_COUNT] = {
    [TCP_TIMER_CONNECTION] = tcp_timer,
    [TCP_TIMER_HALF_OPEN] = tcp_half_open_timer,
    [TCP_TIMER_TIME_WAIT] = tcp_time_wait_timer,
};

static const struct tn_transport_ops tcp_transport = {
    .type = SOCK_STREAM,
    .header_size = sizeof(struct tn_tcp_header),
    .socket_size = sizeof(struct tcp_conn),
    .open = tcp_open,
    .listen = tcp_listen,
    .connect = tcp_connect,
    .send_ready = tcp_send_ready,
    .path_free = tcp_path_free,
    .received = tcp_user_received,
    .close = tcp_close,
    .set_option = tcp_set_option,
    .get_option = tcp_get_option,
    .error = tcp_error,
    .state_name = tcp_socket_state_name,
    .flow_state_name = tcp_flow_state_name,
    .flow_yields = tcp_flow_yields,
    .header_length = tcp_header_length,
    .fix_segment = tcp_fix_segment,
    .urgent_sent = tcp_urgent_sent,
    .urgent_mark = tcp_urgent_mark,
    .urgent_take = tcp_urgent_take,
    .forget = tcp_cc_forget,
    .show = tcp_show,
};

static const struct tn_plugin tcp_plugin = {
    TN_PLUGIN_HEADER,
    .name = "tcp",
    .version = "0.1.0",
    .kind = "transport",
    .schema = "tcp/6",
    .state_size = sizeof(struct tcp_state),
    .options_size = sizeof(struct tcp_options),
    .claims = tcp_claims,
    .claim_count = TN_ARRAY_SIZE(tcp_claims),
    .options = tcp_option_list,
    .option_count = TN_ARRAY_SIZE(tcp_option_list),
    .counters = tcp_counters,
    .counter_count = TCP_COUNTER_COUNT,
    .drops = tcp_drops,
    .drop_count = TCP_DROP_COUNT,
    .inputs = tcp_inputs,
    .input_count = TN_ARRAY_SIZE(tcp_inputs),
    .timers = tcp_timers,
    .timer_count = TCP_TIMER_COUNT,
    .start = tcp_start,
    .reconfigure = tcp_reconfigure,
    .flush = tcp_flush,
    .describe = tcp_describe,
    .transport = &tcp_transport,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &tcp_plugin;
}
