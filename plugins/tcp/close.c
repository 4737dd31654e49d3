/* close.c: how connections end: FIN in either direction, reset (§3.6, §3.10.4, §3.10.5). */
#include "close.h"
#include "listen.h"
#include "output.h"
#include "time_wait.h"

void tcp_close_send(struct tn_self *self, struct tcp_conn *conn)
{
    switch (conn->state) {
    case TCP_ST_SYN_SENT:
    case TCP_ST_SYN_RECEIVED: /* takes effect when ESTABLISHED is reached */
        break;
    case TCP_ST_ESTABLISHED:
        tcp_set_state(self, conn, TCP_ST_FIN_WAIT_1);
        break;
    case TCP_ST_CLOSE_WAIT:
        tcp_set_state(self, conn, TCP_ST_LAST_ACK);
        break;
    default:
        return;
    }
    conn->flags |= TCP_FIN_QUEUED;
    tcp_schedule(self, conn);
}

/* States in which an abort is told to the peer (§3.10.5). */
static bool abort_sends_reset(uint8_t state)
{
    return state >= TCP_ST_SYN_RECEIVED && state <= TCP_ST_CLOSE_WAIT;
}

void tcp_abort(struct tn_self *self, struct tcp_conn *conn, int error)
{
    if (abort_sends_reset(conn->state))
        tcp_send_reset(self, conn);
    tcp_finish(self, conn, error);
}

/* A peer may keep FIN-WAIT-2 open forever; a closed socket does not wait that long. */
static void wait_for_fin(struct tn_self *self, struct tcp_conn *conn)
{
    if (!(tcp_socket(conn)->flags & TN_SOCK_CLOSED))
        return;
    int32_t own = tcp_rare_of(conn)->fin_wait; /* TCP_LINGER2 */
    tn_time wait = own > 0 ? (tn_time)own * TN_SEC : own < 0 ? 0 : tcp_options(self)->fin_wait;
    tcp_deadline(self, conn, &conn->wait_at, tn_now(self) + wait);
}

void tcp_close(struct tn_self *self, struct tn_socket *sock, bool abort)
{
    struct tcp_conn *conn = tn_socket_state(sock);
    switch (conn->state) {
    case TCP_ST_LISTEN:
        tcp_half_open_free_all(self, conn);
        tcp_release(self, conn);
        return;
    case TCP_ST_CLOSED:
    case TCP_ST_SYN_SENT:
        tcp_release(self, conn);
        return;
    case TCP_ST_CLOSING:
    case TCP_ST_LAST_ACK:
        if (abort)
            tcp_release(self, conn);
        return;
    default:
        break;
    }
    /* §3.6.1, SHLD-3: what has come and will not be read is lost, and the peer must know. */
    if (abort || sock->rx.bytes > 0) {
        tcp_send_reset(self, conn);
        tcp_release(self, conn);
    } else if (conn->state == TCP_ST_FIN_WAIT_2) {
        wait_for_fin(self, conn);
    } else {
        tcp_close_send(self, conn);
    }
}

bool tcp_fin_acked(struct tn_self *self, struct tcp_conn *conn)
{
    switch (conn->state) {
    case TCP_ST_FIN_WAIT_1:
        tcp_set_state(self, conn, TCP_ST_FIN_WAIT_2);
        wait_for_fin(self, conn);
        break;
    case TCP_ST_CLOSING:
        tcp_enter_time_wait(self, conn);
        return false;
    case TCP_ST_LAST_ACK:
        tcp_finish(self, conn, 0);
        return false;
    default:
        break;
    }
    return true;
}

void tcp_fin_received(struct tn_self *self, struct tcp_conn *conn)
{
    conn->rcv_nxt++;
    conn->rcv_adv = tcp_seq_max(conn->rcv_adv, conn->rcv_nxt);
    tcp_ack_now(self, conn);
    self->core->socket_eof(self, tcp_socket(conn));
    switch (conn->state) {
    case TCP_ST_ESTABLISHED:
        tcp_set_state(self, conn, TCP_ST_CLOSE_WAIT);
        break;
    case TCP_ST_FIN_WAIT_1: /* had our FIN been acknowledged, this were FIN-WAIT-2 */
        tcp_set_state(self, conn, TCP_ST_CLOSING);
        break;
    case TCP_ST_FIN_WAIT_2:
        tcp_enter_time_wait(self, conn);
        break;
    default:
        break;
    }
}
