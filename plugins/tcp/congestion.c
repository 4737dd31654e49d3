/* congestion.c: between a connection and its congestion control.
 *
 * How large the window is, is decided by a plugin of kind `congestion` (tenon/congestion.h): the one that the option
 * names, or that the user has chosen. It is known by its slot, so it can be swapped under the connection. What it remembers
 * lies in a record of this plugin's (struct tcp_cc) that a connection has only while it sends: an idle one has none, and
 * when it sends again, the algorithm begins anew with the window as it stands.
 *
 * Acknowledgements are added up in the record and told once a batch, before anything is sent (tcp_cc_decide). Signs of
 * congestion are told at once; what was acknowledged before them goes first. Nobody else writes ssthresh; cwnd is also
 * recovery's. */
#include "congestion.h"

#define NON_VALIDATED_PERIOD (5u * 60 * 1000) /* milliseconds: NVP of RFC 7661 §4.4 */

/* One call of the algorithm. */
struct call {
    struct tn_self *plugin;
    struct tn_congestion c;
    uint64_t scratch[TN_CONGESTION_RECORD / 8]; /* instead of a record, if there was no memory */
};

static const struct tn_congestion_ops *operations(const struct call *call)
{
    return call->plugin->plugin->congestion;
}

static uint32_t flight_size(const struct tcp_conn *conn)
{
    return conn->snd_nxt - conn->snd_una;
}

struct tcp_cc *tcp_cc_record(struct tn_self *self, struct tcp_conn *conn)
{
    if (conn->cc)
        return conn->cc;
    conn->cc = self->core->slab_alloc(tcp_state(self)->congestion_records);
    if (conn->cc)
        conn->cc->used_at = tcp_clock(self);
    return conn->cc;
}

/* False: there is no algorithm, because its plugin was disabled. */
static bool prepare(struct tn_self *self, struct tcp_conn *conn, struct call *call)
{
    if (!conn->congestion)
        return false;
    struct tcp_cc *cc = tcp_cc_record(self, conn);
    if (!cc)
        memset(call->scratch, 0, sizeof(call->scratch));
    call->plugin = self->core->plugin_at(self, conn->congestion);
    call->c = (struct tn_congestion){
        .cwnd = conn->cwnd,
        .ssthresh = conn->ssthresh,
        .mss = conn->mss,
        .flight = flight_size(conn),
        .srtt = conn->srtt,
        .now = tn_now(self),
        .record = cc ? cc->record : call->scratch,
    };
    return true;
}

static void take(struct tcp_conn *conn, const struct call *call)
{
    conn->cwnd = tcp_max32(call->c.cwnd, conn->mss);
    conn->ssthresh = call->c.ssthresh;
}

/* ---- Beginning and end ---- */

/* RFC 6928: min(10 MSS, max(2 MSS, 14600)), with another number for 10 if the option says so. */
uint32_t tcp_initial_window(struct tn_self *self, const struct tcp_conn *conn)
{
    uint32_t segments = (uint32_t)tcp_options(self)->initial_window;
    uint32_t mss = conn->mss;
    return tcp_min32(segments * mss, tcp_max32(2 * mss, segments * 1460));
}

void tcp_cc_init(struct tn_self *self, struct tcp_conn *conn)
{
    if (!conn->congestion)
        conn->congestion = tcp_state(self)->congestion;
    conn->ssthresh = TN_CONGESTION_WINDOW_MAX;
    conn->cwnd = tcp_initial_window(self, conn);
    if (conn->flags & TCP_SYN_REPEATED) /* RFC 5681 §3.1: a SYN or SYN-ACK was lost */
        conn->cwnd = conn->mss;
}

static void forget_saved(struct tn_self *self, struct tcp_cc *cc)
{
    if (cc->saved)
        self->core->slab_free(tcp_state(self)->congestion_records, cc->saved);
    cc->saved = NULL;
}

void tcp_cc_free(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_cc *cc = conn->cc;
    if (!cc)
        return;
    forget_saved(self, cc);
    if (cc->pmtu) {
        *cc = (struct tcp_cc){.pmtu = cc->pmtu, .used_at = tcp_clock(self)};
        return;
    }
    self->core->slab_free(tcp_state(self)->congestion_records, cc);
    conn->cc = NULL;
}

/* What the window was, it may be again soon: slow start goes up to three quarters of it (RFC 7661 §4.4.3). */
static void remember_window(struct tcp_conn *conn)
{
    conn->ssthresh = tcp_max32(conn->ssthresh, conn->cwnd - conn->cwnd / 4);
}

/* RFC 5681 §4.1 */
TN_RARE void tcp_cc_idle(struct tn_self *self, struct tcp_conn *conn)
{
    remember_window(conn);
    conn->cwnd = tcp_min32(conn->cwnd, tcp_initial_window(self, conn));
    tcp_cc_free(self, conn);
}

/* ---- Acknowledgements ---- */

static void tell_acked(struct tn_self *self, struct tcp_conn *conn, const struct tn_congestion_ack *what)
{
    struct call call;
    struct tn_congestion_ack ack = *what;
    if (!prepare(self, conn, &call))
        return;
    ack.acked_to = conn->snd_una;
    ack.sent_to = conn->snd_nxt;
    ack.limited = conn->flags & TCP_CWND_LIMITED;
    ack.after_timeout = conn->phase == TCP_PHASE_LOSS;
    operations(&call)->acked(call.plugin, &call.c, &ack);
    take(conn, &call);
}

/* RFC 7661 §4.4: a window of which less than half is used says little of the path any more. It stays for five minutes;
 * then it is halved, and so every five minutes. What is in flight before the acknowledgement stands for pipeACK. */
static void validate(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_cc *cc = conn->cc;
    uint32_t now = tcp_clock(self);
    if (conn->flags & TCP_CWND_LIMITED || flight_size(conn) + cc->acked > conn->cwnd / 2) {
        cc->used_at = now;
    } else if (now - cc->used_at >= NON_VALIDATED_PERIOD) {
        cc->used_at = now;
        remember_window(conn);
        uint32_t least = tcp_min32(conn->cwnd, tcp_initial_window(self, conn));
        conn->cwnd = tcp_max32(conn->cwnd / 2, least);
    }
}

void tcp_cc_decide(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_cc *cc = conn->cc;
    if (!cc || cc->count == 0)
        return;
    validate(self, conn);
    struct tn_congestion_ack ack = {.octets = cc->acked, .count = cc->count, .rtt = cc->rtt};
    cc->acked = 0;
    cc->count = 0;
    cc->rtt = 0;
    tell_acked(self, conn, &ack);
}

/* One acknowledgement for a super-frame stands for those that its segments would have had, one for every second (RFC 5681
 * §4.2). Counted as one, it would have slow start begin over and over (L of RFC 3465). */
static uint32_t acknowledgements(const struct tcp_conn *conn, uint32_t octets)
{
    return tcp_max32(octets / (2u * conn->mss), 1);
}

void tcp_cc_acked(struct tn_self *self, struct tcp_conn *conn, uint32_t octets)
{
    struct tcp_cc *cc = tcp_cc_record(self, conn);
    if (conn->flags & TCP_ECN_REDUCED) { /* RFC 3168 §6.1.2: no growth in the same round-trip time */
        if (cc && tcp_le(conn->snd_una, cc->reduced_at))
            return;
        conn->flags &= ~TCP_ECN_REDUCED;
    }
    if (cc) {
        cc->acked += octets;
        cc->count += acknowledgements(conn, octets);
    } else {
        tell_acked(self, conn,
                   &(struct tn_congestion_ack){.octets = octets, .count = acknowledgements(conn, octets)});
    }
}

void tcp_cc_rtt(struct tn_self *self, struct tcp_conn *conn, tn_time rtt)
{
    struct tcp_cc *cc = tcp_cc_record(self, conn);
    uint32_t microseconds = (uint32_t)tn_min(rtt / TN_USEC, UINT32_MAX);
    if (cc && (!cc->rtt || microseconds < cc->rtt))
        cc->rtt = tcp_max32(microseconds, 1);
}

/* ---- Congestion ---- */

static void reduce(struct tn_self *self, struct tcp_conn *conn, enum tn_congestion_sign sign)
{
    struct call call;
    tcp_cc_decide(self, conn);
    if (conn->flags & TCP_ECN)
        conn->flags |= TCP_ECN_CWR;
    if (prepare(self, conn, &call)) {
        operations(&call)->reduce(call.plugin, &call.c, sign);
        take(conn, &call);
    } else {
        conn->ssthresh = tcp_max32(flight_size(conn) / 2, 2u * conn->mss);
    }
}

void tcp_cc_loss(struct tn_self *self, struct tcp_conn *conn)
{
    reduce(self, conn, TN_CONGESTION_LOSS);
    conn->cwnd = conn->ssthresh; /* RFC 6675 (4.2): the pipe says what may be sent under it */
}

void tcp_cc_timeout(struct tn_self *self, struct tcp_conn *conn)
{
    if (conn->backoff == 0) /* the same data again does not halve again (RFC 5681 §3.1) */
        reduce(self, conn, TN_CONGESTION_TIMEOUT);
    conn->cwnd = conn->mss;
}

bool tcp_cc_marked(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_cc *cc = tcp_cc_record(self, conn);
    bool again = conn->flags & TCP_ECN_REDUCED && cc && tcp_lt(conn->snd_una, cc->reduced_at);
    if (again || !cc)
        return false;
    reduce(self, conn, TN_CONGESTION_ECN);
    /* RFC 9438 §4.6: down to one segment, but ssthresh is two at least. */
    conn->cwnd = conn->cwnd > conn->ssthresh ? conn->ssthresh : conn->mss;
    cc->reduced_at = conn->snd_nxt;
    forget_saved(self, cc); /* this reduction is right, whatever was before it */
    conn->flags |= TCP_ECN_REDUCED;
    return true;
}

void tcp_cc_recovered(struct tn_self *self, struct tcp_conn *conn)
{
    conn->cwnd = tcp_max32(conn->ssthresh, conn->mss); /* RFC 9937: what the reduction led to */
}

/* ---- Undoing ---- */

void tcp_cc_save(struct tn_self *self, struct tcp_conn *conn)
{
    tcp_cc_decide(self, conn);
    struct tcp_cc *cc = tcp_cc_record(self, conn);
    if (!cc)
        return;
    if (!cc->saved)
        cc->saved = self->core->slab_alloc(tcp_state(self)->congestion_records);
    if (!cc->saved)
        return;
    cc->saved->cwnd = conn->cwnd;
    cc->saved->ssthresh = conn->ssthresh;
    memcpy(cc->saved->record, cc->record, sizeof(cc->record));
}

bool tcp_cc_undo(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_cc *cc = conn->cc, *saved = cc ? cc->saved : NULL;
    if (!saved)
        return false;
    conn->cwnd = tcp_max32(conn->cwnd, saved->cwnd);
    conn->ssthresh = saved->ssthresh;
    memcpy(cc->record, saved->record, sizeof(cc->record));
    forget_saved(self, cc);
    return true;
}

/* ---- Which algorithm ---- */

void tcp_cc_default(struct tn_self *self)
{
    struct tcp_state *state = tcp_state(self);
    state->congestion = self->core->plugin_find(self, "congestion", tcp_options(self)->congestion);
    if (state->congestion == TN_SLOT_NONE)
        state->congestion = 0;
}

static void set_algorithm(struct tn_self *self, struct tcp_conn *conn, uint16_t slot)
{
    if (conn->congestion == slot)
        return;
    tcp_cc_decide(self, conn);
    tcp_cc_free(self, conn);
    conn->congestion = slot;
}

int tcp_cc_choose(struct tn_self *self, struct tcp_conn *conn, const char *name)
{
    uint16_t slot = self->core->plugin_find(self, "congestion", name);
    if (slot == TN_SLOT_NONE)
        return -ENOENT;
    set_algorithm(self, conn, slot);
    return 0;
}

const char *tcp_cc_name(struct tn_self *self, const struct tcp_conn *conn)
{
    uint16_t slot = conn->congestion ? conn->congestion : tcp_state(self)->congestion;
    return slot ? self->core->plugin_at(self, slot)->plugin->name : "";
}

static void forget_one(struct tn_self *self, struct tn_socket *sock, void *arg)
{
    struct tcp_conn *conn = tn_socket_state(sock);
    if (conn->congestion == *(const uint16_t *)arg)
        set_algorithm(self, conn, tcp_state(self)->congestion);
}

void tcp_cc_forget(struct tn_self *self, uint16_t slot)
{
    if (tcp_state(self)->congestion == slot)
        tcp_state(self)->congestion = 0;
    self->core->socket_each(self, forget_one, &slot);
}
