/* connection.c: what every file needs of a connection: its state, its place in the list of those with something to send,
 * its deadlines, its path, its end.
 *
 * A connection has one timer for three deadlines, of which that of retransmission is the earliest of three again while
 * something is in flight. Most deadlines move away before they are met (each acknowledgement
 * moves the retransmission's), so moving one later leaves the timer alone: it fires, finds nothing due and is started
 * for the earliest deadline then (tcp_rearm). */
#include "numbers.h"
#include "pmtu.h"
#include "reassembly.h"
#include "scoreboard.h"

/* §3.7.1, MUST-15: what is sent to a peer that told no MSS. */
#define DEFAULT_MSS_IPV4 536
#define DEFAULT_MSS_IPV6 1220

/* A peer that tells less gets this much in a segment all the same, lest a tiny MSS makes a flood of tiny segments. */
#define LEAST_MSS 64

/* RFC 8985 §7.2: before a round-trip time is known; what a lone segment's acknowledgement may be delayed by
 * (TLP.max_ack_delay); and what timers on both sides round to, which counts where the round-trip time is next to nothing. */
#define PROBE_TIMEOUT_UNKNOWN (1 * TN_SEC)
#define PEER_ACK_DELAY        (200 * TN_MSEC)
#define PROBE_LEAST           (2 * TN_MSEC)

#define CHALLENGE_SPAN 5000 /* milliseconds (RFC 5961 §7) */

uint16_t tcp_default_mss(uint8_t family)
{
    return family == AF_INET ? DEFAULT_MSS_IPV4 : DEFAULT_MSS_IPV6;
}

void tcp_conn_init(struct tcp_conn *conn)
{
    conn->retransmit_at = TN_NEVER;
    conn->ack_at = TN_NEVER;
    conn->wait_at = TN_NEVER;
    conn->peer_mss = tcp_default_mss(tcp_socket(conn)->family);
    conn->rcv_mss = conn->peer_mss;
}

/* ---- States ---- */

const char *tcp_state_name(uint8_t state)
{
    static const char names[][16] = {
        [TCP_ST_CLOSED] = "CLOSED",           [TCP_ST_LISTEN] = "LISTEN",
        [TCP_ST_SYN_SENT] = "SYN-SENT",       [TCP_ST_SYN_RECEIVED] = "SYN-RECEIVED",
        [TCP_ST_ESTABLISHED] = "ESTABLISHED", [TCP_ST_FIN_WAIT_1] = "FIN-WAIT-1",
        [TCP_ST_FIN_WAIT_2] = "FIN-WAIT-2",   [TCP_ST_CLOSE_WAIT] = "CLOSE-WAIT",
        [TCP_ST_CLOSING] = "CLOSING",         [TCP_ST_LAST_ACK] = "LAST-ACK",
        [TCP_ST_TIME_WAIT] = "TIME-WAIT",
    };
    return names[state];
}

void tcp_trace_state(struct tn_self *self, const struct tcp_ends *ends, const char *from, const char *to)
{
    const uint8_t *a = ends->local.bytes;
    if (ends->family == AF_INET)
        self->core->trace(self, "%u.%u.%u.%u:%u %s -> %s", a[0], a[1], a[2], a[3], ends->local_port, from,
                          to);
    else
        self->core->trace(self, "port %u %s -> %s", ends->local_port, from, to);
}

void tcp_set_state(struct tn_self *self, struct tcp_conn *conn, enum tcp_conn_state state)
{
    if (conn->state == state)
        return;
    const struct tcp_ends ends = tcp_socket_ends(tcp_socket(conn));
    tcp_trace_state(self, &ends, tcp_state_name(conn->state), tcp_state_name((uint8_t)state));
    conn->state = (uint8_t)state;
}

/* ---- The list ---- */

static void link_append(struct tcp_link *list, struct tcp_conn *conn)
{
    conn->link = (struct tcp_link){.next = list, .prev = list->prev};
    list->prev->next = &conn->link;
    list->prev = &conn->link;
}

void tcp_unschedule(struct tcp_conn *conn)
{
    if (!conn->link.next)
        return;
    conn->link.prev->next = conn->link.next;
    conn->link.next->prev = conn->link.prev;
    conn->link = (struct tcp_link){.next = NULL};
    conn->held = false;
}

static void forget_attended(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_state *state = tcp_state(self);
    uint32_t i = 0;
    if (!conn->is_attended)
        return;
    while (state->attended[i] != conn)
        i++;
    state->attended[i] = state->attended[--state->attended_count];
    conn->is_attended = false;
}

struct tcp_conn *tcp_take_attended(struct tn_self *self)
{
    struct tcp_state *state = tcp_state(self);
    if (state->attended_count == 0)
        return NULL;
    struct tcp_conn *conn = state->attended[--state->attended_count];
    conn->is_attended = false;
    return conn;
}

void tcp_put_on_list(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_state *state = tcp_state(self);
    self->core->request_flush(self);
    if (conn->held && state->attended_count < TCP_ATTENDED_MAX) {
        conn->is_attended = true;
        state->attended[state->attended_count++] = conn;
    } else { /* or it loses its turn: too much happens */
        tcp_unschedule(conn);
        link_append(&state->ready, conn);
    }
}

struct tcp_link *tcp_held(struct tn_self *self, struct tcp_conn *conn)
{
    const struct tn_path *path = &tcp_socket(conn)->path;
    return &tcp_state(self)->held[path->kind == TN_PATH_LOCAL ? 0 : path->ifindex];
}

void tcp_hold(struct tn_self *self, struct tcp_conn *conn)
{
    tcp_unschedule(conn);
    link_append(tcp_held(self, conn), conn);
    conn->held = true;
}

struct tcp_conn *tcp_take_first(struct tcp_link *list)
{
    if (list->next == list)
        return NULL;
    struct tcp_conn *conn = tn_container(list->next, struct tcp_conn, link);
    tcp_unschedule(conn);
    return conn;
}

void tcp_ack_now(struct tn_self *self, struct tcp_conn *conn)
{
    conn->flags |= TCP_ACK_NOW;
    tcp_schedule(self, conn);
}

bool tcp_ack_limited(struct tn_self *self, struct tcp_conn *conn)
{
    uint32_t now = tcp_clock(self);
    if (now - conn->challenge_since >= CHALLENGE_SPAN) {
        conn->challenge_since = now;
        conn->challenges = 0;
    }
    if (conn->challenges >= tcp_options(self)->challenge_limit) {
        tn_count(self, TCP_ACKS_LIMITED);
        return false;
    }
    conn->challenges++;
    tcp_ack_now(self, conn);
    return true;
}

/* ---- Deadlines ---- */

/* Whether the timer would fire in time for `at`. */
static bool timer_serves(const struct tn_timer *timer, tn_time at)
{
    return tn_timer_running(timer) && tn_timer_due(timer) < at + TN_TIMER_TICK;
}

static void run_timer(struct tn_self *self, struct tcp_conn *conn, tn_time at)
{
    if (at == TN_NEVER || timer_serves(&conn->timer, at))
        return;
    tn_time now = tn_now(self);
    self->core->timer_start(self, &conn->timer, at > now ? at - now : 0, TCP_TIMER_CONNECTION);
}

void tcp_deadline(struct tn_self *self, struct tcp_conn *conn, tn_time *deadline, tn_time at)
{
    *deadline = at;
    run_timer(self, conn, at);
}

void tcp_rearm(struct tn_self *self, struct tcp_conn *conn)
{
    run_timer(self, conn, tn_min(conn->retransmit_at, tn_min(conn->ack_at, conn->wait_at)));
}

/* ---- Patience ---- */

tn_time tcp_advertised_timeout(struct tn_self *self, const struct tcp_conn *conn)
{
    const struct tcp_rare *rare = tcp_rare_of(conn);
    uint32_t own = rare->uto_advertised ? rare->uto_advertised : rare->user_timeout;
    return own ? own * TN_MSEC : tcp_options(self)->user_timeout;
}

static bool is_changeable(const struct tcp_rare *rare)
{
    return rare->uto_changeable == TCP_CHOICE_NONE ? rare->user_timeout == 0
                                                   : rare->uto_changeable == TCP_CHOICE_YES;
}

/* min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT)), where L_LIMIT is more than the retransmission timeout. */
tn_time tcp_adopted_timeout(struct tn_self *self, const struct tcp_conn *conn)
{
    const struct tcp_rare *rare = tcp_rare_of(conn);
    if (rare->uto_received == 0 || !is_changeable(rare) || conn->state < TCP_ST_ESTABLISHED)
        return 0;
    tn_time least = tn_max(tcp_options(self)->user_timeout_least, tcp_rto(self, conn) + TN_SEC);
    tn_time longer = tn_max(tcp_advertised_timeout(self, conn), rare->uto_received * TN_SEC);
    return tn_min(tcp_options(self)->user_timeout_most, tn_max(longer, least));
}

tn_time tcp_patience(struct tn_self *self, const struct tcp_conn *conn)
{
    tn_time adopted = tcp_adopted_timeout(self, conn);
    uint32_t own = tcp_rare_of(conn)->user_timeout;
    if (adopted)
        return adopted;
    if (own)
        return own * TN_MSEC;
    if (conn->state == TCP_ST_SYN_SENT || conn->state == TCP_ST_SYN_RECEIVED)
        return tcp_options(self)->syn_timeout;
    return tcp_options(self)->user_timeout;
}

/* ---- What is in flight ---- */

/* RFC 8985 §7.2: nothing else is going to find a lost tail, and no probe is out. */
static bool probe_helps(const struct tcp_conn *conn)
{
    const struct tcp_flight *flight = conn->flight;
    return conn->flags & TCP_SACK && conn->phase == TCP_PHASE_OPEN && flight->head && flight->sacked == 0 &&
           flight->lost == 0 && conn->snd_wnd > 0 && !(conn->flags & (TCP_PROBE_OUT | TCP_PROBE_SPENT));
}

/* TLP_calc_PTO() */
static tn_time probe_timeout(const struct tcp_conn *conn)
{
    if (!(conn->flags & TCP_RTT_KNOWN))
        return PROBE_TIMEOUT_UNKNOWN;
    bool one = conn->snd_nxt - conn->snd_una <= conn->mss;
    return 2 * conn->srtt * TN_USEC + (one ? PEER_ACK_DELAY : PROBE_LEAST);
}

void tcp_arm_flight(struct tn_self *self, struct tcp_conn *conn)
{
    const struct tcp_flight *f = conn->flight;
    if (!f->head || conn->flags & TCP_PERSIST)
        return; /* a recovery that is over, but can be undone, has no deadlines */
    tcp_deadline(self, conn, &conn->retransmit_at, tn_min(f->timeout_at, tn_min(f->probe_at, f->reorder_at)));
}

void tcp_restart_probe(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_flight *flight = conn->flight;
    flight->probe_at = TN_NEVER;
    if (probe_helps(conn))
        flight->probe_at = tn_min(tn_now(self) + probe_timeout(conn), flight->timeout_at);
    tcp_arm_flight(self, conn);
}

static tn_time timeout_due(struct tn_self *self, const struct tcp_conn *conn)
{
    tn_time at = tn_now(self) + tcp_rto(self, conn);
    tn_time end = conn->progress_at + tcp_patience(self, conn);
    return tn_min(at, end);
}

void tcp_set_timeout(struct tn_self *self, struct tcp_conn *conn)
{
    conn->flight->timeout_at = timeout_due(self, conn);
}

void tcp_start_retransmit(struct tn_self *self, struct tcp_conn *conn)
{
    if (!conn->flight || conn->flags & TCP_PERSIST) {
        tcp_deadline(self, conn, &conn->retransmit_at, timeout_due(self, conn));
        return;
    }
    tcp_set_timeout(self, conn);
    tcp_restart_probe(self, conn);
}

void tcp_stop_retransmit(struct tcp_conn *conn)
{
    conn->retransmit_at = TN_NEVER;
    if (!conn->flight)
        return;
    conn->flight->timeout_at = TN_NEVER;
    conn->flight->probe_at = TN_NEVER;
    conn->flight->reorder_at = TN_NEVER;
}

/* ---- The path ---- */

void tcp_update_mss(struct tn_self *self, struct tcp_conn *conn)
{
    const struct tn_socket *sock = tcp_socket(conn);
    conn->mtu = sock->path.mtu;
    uint32_t mtu = conn->path_mtu ? tcp_min32(conn->path_mtu, conn->mtu) : conn->mtu;
    uint32_t header = self->core->header_size(self, sock->family) + (uint32_t)sizeof(struct tn_tcp_header);
    uint32_t most = mtu > header ? mtu - header : 0;
    /* §3.7.1, MUST-16: min(SendMSS + 20, MMS_S) - TCPhdrsize - IPoptionsize */
    if (tcp_rare_of(conn)->max_segment)
        most = tcp_min32(most, tcp_rare_of(conn)->max_segment);
    uint32_t mss = tcp_max32(tcp_min32(conn->peer_mss, most), LEAST_MSS);
    conn->mss = (uint16_t)(mss - (conn->flags & TCP_TIMESTAMPS ? 12u : 0u));
}

int tcp_find_path(struct tn_self *self, struct tcp_conn *conn)
{
    struct tn_socket *sock = tcp_socket(conn);
    if (tn_likely(tn_path_valid(self, &sock->path) && sock->path.mtu == conn->mtu))
        return 0;
    int error =
        self->core->path_find(self, sock->family, sock->vrf, &sock->local, &sock->remote, &sock->path);
    if (error < 0)
        return error;
    if (sock->path.mtu != conn->mtu)
        tcp_update_mss(self, conn);
    return 0;
}

void tcp_pmtu_free(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_pmtu *p = tcp_pmtu(conn);
    if (!p)
        return;
    self->core->slab_free(tcp_state(self)->pmtu_records, p);
    conn->cc->pmtu = NULL;
}

/* ---- What is rare ---- */

struct tcp_rare *tcp_rare(struct tn_self *self, struct tcp_conn *conn)
{
    if (!conn->rare)
        conn->rare = self->core->slab_alloc(tcp_state(self)->rare);
    return conn->rare;
}

void tcp_rare_free(struct tn_self *self, struct tcp_conn *conn)
{
    if (conn->rare)
        self->core->slab_free(tcp_state(self)->rare, conn->rare);
    conn->rare = NULL;
}

/* ---- The end ---- */

void tcp_release(struct tn_self *self, struct tcp_conn *conn)
{
    tcp_set_state(self, conn, TCP_ST_CLOSED);
    self->core->timer_stop(self, &conn->timer);
    forget_attended(self, conn);
    tcp_unschedule(conn);
    tcp_flight_release(self, conn, true);
    tcp_reassembly_free(self, conn);
    tcp_pmtu_free(self, conn);
    tcp_cc_free(self, conn);
    tcp_rare_free(self, conn);
    self->core->socket_free(self, tcp_socket(conn));
}

void tcp_finish(struct tn_self *self, struct tcp_conn *conn, int error)
{
    struct tn_socket *sock = tcp_socket(conn);
    if (!(sock->flags & TN_SOCK_CLOSED))
        self->core->socket_fail(self, sock, error);
    tcp_release(self, conn);
}
