/* timers.c: what happens when nothing happens: retransmission (RFC 6298 §5), window probes, delayed acknowledgements,
 * keep-alive (§3.8.4), the end of FIN-WAIT-2, and giving up (§3.8.3).
 *
 * Giving up: R1 is reached with the third retransmission: the path is looked up anew and the user is told that there is
 * trouble. R2 is a time, not a number: so long may nothing be acknowledged. */
#include "timers.h"
#include "close.h"
#include "output.h"
#include "pmtu.h"
#include "recovery.h"

#define R1 3 /* retransmissions (SHLD-10) */

static bool out_of_patience(struct tn_self *self, const struct tcp_conn *conn)
{
    return tn_now(self) >= conn->progress_at + tcp_patience(self, conn);
}

static void advise(struct tn_self *self, struct tcp_conn *conn)
{
    struct tn_socket *sock = tcp_socket(conn);
    self->core->neighbour_doubt(self, &sock->path);
    sock->path = (struct tn_path){.kind = TN_PATH_NONE};  /* MUST-20: found anew */
    self->core->socket_soft_error(self, sock, ETIMEDOUT); /* SHLD-9 */
}

/* ---- Retransmission ---- */

static void back_off(struct tn_self *self, struct tcp_conn *conn)
{
    if (conn->backoff < UINT8_MAX)
        conn->backoff++;
    if (conn->backoff == R1 && !(conn->flags & TCP_PERSIST))
        advise(self, conn);
}

static void resend_syn(struct tn_self *self, struct tcp_conn *conn)
{
    tn_count(self, TCP_RETRANSMITS);
    conn->retransmits++;
    conn->flags |= TCP_SYN_DUE | TCP_SYN_REPEATED;
    back_off(self, conn);
    tcp_schedule(self, conn); /* which starts the timer again */
}

/* The window is closed, or too small for what waits. */
static void persist(struct tn_self *self, struct tcp_conn *conn)
{
    back_off(self, conn); /* SHLD-30 */
    tcp_output_probe(self, conn);
    tcp_start_retransmit(self, conn);
}

/* One of the deadlines of what is in flight has come, but not the timeout. */
static bool before_timeout(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_flight *flight = conn->flight;
    tn_time now = tn_now(self);
    if (!flight || conn->flags & TCP_PERSIST || conn->state < TCP_ST_ESTABLISHED)
        return false;
    if (flight->reorder_at <= now) {
        tcp_recovery_reordered(self, conn);
        tcp_schedule(self, conn);
    } else if (flight->probe_at <= now) {
        tcp_output_tail(self, conn);
    } else {
        return false;
    }
    return true;
}

static void retransmit(struct tn_self *self, struct tcp_conn *conn)
{
    if (before_timeout(self, conn))
        return;
    if (conn->state < TCP_ST_ESTABLISHED) {
        resend_syn(self, conn);
    } else if (conn->flags & TCP_PERSIST || conn->snd_wnd == 0) { /* MUST-35: shrunk to nothing, too */
        persist(self, conn);
    } else if (conn->snd_una != conn->snd_nxt) {
        if (conn->flight && conn->flight->head)
            tcp_pmtu_timeout(self, conn, conn->flight->head->end - conn->flight->head->start);
        tcp_recovery_timeout(self, conn);
        back_off(self, conn);
        tcp_start_retransmit(self, conn);
        tcp_schedule(self, conn);
    }
}

/* ---- Keep-alive ---- */

static tn_time keepalive_idle(struct tn_self *self, const struct tcp_conn *conn)
{
    uint16_t own = tcp_rare_of(conn)->keepalive_idle;
    tn_time idle = own ? own * TN_SEC : tcp_options(self)->keepalive_time;
    return tn_max(idle, tcp_adopted_timeout(self, conn) + TN_SEC); /* RFC 5482 §4.2: more than that */
}

static tn_time keepalive_interval(struct tn_self *self, const struct tcp_conn *conn)
{
    uint16_t own = tcp_rare_of(conn)->keepalive_interval;
    return own ? own * TN_SEC : tcp_options(self)->keepalive_interval;
}

static int64_t keepalive_probes(struct tn_self *self, const struct tcp_conn *conn)
{
    uint8_t own = tcp_rare_of(conn)->keepalive_probes;
    return own ? own : tcp_options(self)->keepalive_probes;
}

/* The timer runs for every connection, and looks: the switch is a flag of the socket (MUST-24, MUST-25). */
void tcp_start_keepalive(struct tn_self *self, struct tcp_conn *conn)
{
    tn_time idle = (tcp_clock(self) - conn->last_heard) * TN_MSEC;
    tn_time wait = keepalive_idle(self, conn);
    tcp_deadline(self, conn, &conn->wait_at, tn_now(self) + (idle < wait ? wait - idle : wait));
}

/* False: the connection has ended, the record is gone. */
static bool keepalive(struct tn_self *self, struct tcp_conn *conn)
{
    tn_time idle = (tcp_clock(self) - conn->last_heard) * TN_MSEC;
    bool due = tcp_socket(conn)->flags & TN_SOCK_KEEPALIVE && conn->snd_una == conn->snd_nxt &&
               idle >= keepalive_idle(self, conn); /* MUST-26 */
    if (!due) {
        tcp_start_keepalive(self, conn);
        return true;
    }
    if (conn->probes_sent >= keepalive_probes(self, conn)) { /* MUST-29: more than one */
        tn_count(self, TCP_TIMEOUTS);
        tcp_abort(self, conn, ETIMEDOUT);
        return false;
    }
    conn->probes_sent++;
    tn_count(self, TCP_KEEPALIVES);
    if (tcp_find_path(self, conn) == 0)
        tcp_send_ack_at(self, conn, conn->snd_nxt - 1); /* SHLD-12 */
    tcp_deadline(self, conn, &conn->wait_at, tn_now(self) + keepalive_interval(self, conn));
    return true;
}

/* ---- Rest ---- */

/* The last timer of what was in flight has run out, and nothing is in flight or waits: what is for that is forgotten. */
static void rest(struct tn_self *self, struct tcp_conn *conn)
{
    bool idle = conn->snd_una == conn->snd_nxt && tcp_socket(conn)->tx.bytes == 0;
    if (idle && (tcp_clock(self) - conn->last_sent) * TN_MSEC >= tcp_rto(self, conn)) {
        tcp_cc_free(self, conn);
        tcp_flight_release(self, conn, true);
    }
}

/* ---- The timer ---- */

/* False: the connection has ended, the record is gone. */
static bool wait_over(struct tn_self *self, struct tcp_conn *conn)
{
    conn->wait_at = TN_NEVER;
    if (conn->state == TCP_ST_FIN_WAIT_2 && tcp_socket(conn)->flags & TN_SOCK_CLOSED) {
        tcp_finish(self, conn, 0);
        return false;
    }
    return keepalive(self, conn);
}

static bool retransmit_due(struct tn_self *self, struct tcp_conn *conn)
{
    conn->retransmit_at = TN_NEVER;
    if (out_of_patience(self, conn)) {
        tn_count(self, TCP_TIMEOUTS);
        tcp_finish(self, conn, ETIMEDOUT);
        return false;
    }
    retransmit(self, conn);
    return true;
}

void tcp_timer(struct tn_self *self, struct tn_timer *timer)
{
    struct tcp_conn *conn = tn_container(timer, struct tcp_conn, timer);
    tn_time now = tn_now(self);
    if (conn->ack_at <= now) {
        conn->ack_at = TN_NEVER;
        tn_count(self, TCP_DELAYED_ACKS);
        tcp_ack_now(self, conn);
    }
    if (conn->retransmit_at <= now && !retransmit_due(self, conn))
        return;
    if (conn->wait_at <= now && !wait_over(self, conn))
        return;
    rest(self, conn);
    tcp_rearm(self, conn);
}
