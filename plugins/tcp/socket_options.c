/* socket_options.c: options at level IPPROTO_TCP, with the names, types and values that Linux has. */
#include <netinet/tcp.h>

#include "tcp.h"

#define CONGESTION_NAME_SIZE 32 /* Linux: TCP_CA_NAME_MAX, 16; names of plugins may be longer */

/* ---- Setting ---- */

/* An int in [least, most] from the option's value. */
static int read_int(const void *value, socklen_t len, int least, int most, int *out)
{
    if (len < sizeof(*out))
        return -EINVAL;
    memcpy(out, value, sizeof(*out));
    return *out < least || *out > most ? -EINVAL : 0;
}

static void set_nodelay(struct tn_self *self, struct tn_socket *sock, bool on)
{
    struct tcp_conn *conn = tn_socket_state(sock);
    if (!on) {
        sock->flags &= ~TN_SOCK_NODELAY;
        return;
    }
    sock->flags |= TN_SOCK_NODELAY;
    if (conn->state >= TCP_ST_ESTABLISHED)
        tcp_schedule(self, conn); /* what waited for Nagle goes now */
}

static void restart_keepalive(struct tn_self *self, struct tcp_conn *conn)
{
    conn->probes_sent = 0;
    if (conn->state == TCP_ST_ESTABLISHED || conn->state == TCP_ST_CLOSE_WAIT)
        tcp_start_keepalive(self, conn);
}

static int set_congestion(struct tn_self *self, struct tcp_conn *conn, const void *value, socklen_t len)
{
    char name[CONGESTION_NAME_SIZE] = "";
    if (len == 0)
        return -EINVAL;
    memcpy(name, value, tn_min(len, sizeof(name) - 1));
    return tcp_cc_choose(self, conn, name);
}

int tcp_set_option(struct tn_self *self, struct tn_socket *sock, int name, const void *value, socklen_t len)
{
    struct tcp_conn *conn = tn_socket_state(sock);
    if (name == TCP_CONGESTION)
        return set_congestion(self, conn, value, len);
    bool known = name == TCP_NODELAY || name == TCP_KEEPIDLE || name == TCP_KEEPINTVL ||
                 name == TCP_KEEPCNT || name == TCP_USER_TIMEOUT;
    if (!known)
        return -ENOPROTOOPT;
    int n;
    int least = name == TCP_NODELAY ? INT32_MIN : name == TCP_USER_TIMEOUT ? 0 : 1;
    int most = name == TCP_NODELAY || name == TCP_USER_TIMEOUT ? INT32_MAX
               : name == TCP_KEEPCNT                           ? 127
                                                               : 32767;
    int error = read_int(value, len, least, most, &n);
    if (error < 0)
        return error;
    switch (name) {
    case TCP_NODELAY:
        set_nodelay(self, sock, n != 0);
        return 0;
    case TCP_USER_TIMEOUT:
        conn->user_timeout = (uint32_t)n;
        return 0;
    case TCP_KEEPIDLE:
        conn->keepalive_idle = (uint16_t)n;
        break;
    case TCP_KEEPINTVL:
        conn->keepalive_interval = (uint16_t)n;
        break;
    default:
        conn->keepalive_probes = (uint8_t)n;
        break;
    }
    restart_keepalive(self, conn);
    return 0;
}

/* ---- Getting ---- */

/* States as Linux numbers them. */
static uint8_t linux_state(uint8_t state)
{
    static const uint8_t numbers[] = {
        [TCP_ST_CLOSED] = TCP_CLOSE,
        [TCP_ST_LISTEN] = TCP_LISTEN,
        [TCP_ST_SYN_SENT] = TCP_SYN_SENT,
        [TCP_ST_SYN_RECEIVED] = TCP_SYN_RECV,
        [TCP_ST_ESTABLISHED] = TCP_ESTABLISHED,
        [TCP_ST_FIN_WAIT_1] = TCP_FIN_WAIT1,
        [TCP_ST_FIN_WAIT_2] = TCP_FIN_WAIT2,
        [TCP_ST_CLOSE_WAIT] = TCP_CLOSE_WAIT,
        [TCP_ST_CLOSING] = TCP_CLOSING,
        [TCP_ST_LAST_ACK] = TCP_LAST_ACK,
        [TCP_ST_TIME_WAIT] = TCP_TIME_WAIT,
    };
    return numbers[state];
}

static uint8_t linux_phase(const struct tcp_conn *conn)
{
    if (conn->phase == TCP_PHASE_LOSS)
        return TCP_CA_Loss;
    if (conn->phase == TCP_PHASE_RECOVERY)
        return TCP_CA_Recovery;
    return conn->flight && (conn->flight->dupacks || conn->flight->sacked) ? TCP_CA_Disorder : TCP_CA_Open;
}

static uint8_t agreed_options(const struct tcp_conn *conn)
{
    return (uint8_t)((conn->flags & TCP_TIMESTAMPS ? TCPI_OPT_TIMESTAMPS : 0) |
                     (conn->flags & TCP_SACK ? TCPI_OPT_SACK : 0) |
                     (conn->flags & TCP_SCALE ? TCPI_OPT_WSCALE : 0) |
                     (conn->flags & TCP_ECN ? TCPI_OPT_ECN : 0));
}

static uint32_t in_segments(const struct tcp_conn *conn, uint32_t octets)
{
    return conn->mss ? (octets + conn->mss - 1) / conn->mss : 0;
}

static void fill_info(struct tn_self *self, struct tn_socket *sock, struct tcp_info *info)
{
    struct tcp_conn *conn = tn_socket_state(sock);
    info->tcpi_state = linux_state(conn->state);
    info->tcpi_ca_state = linux_phase(conn);
    info->tcpi_options = agreed_options(conn);
    info->tcpi_probes = conn->probes_sent;
    info->tcpi_backoff = conn->backoff;
    if (conn->flags & TCP_SCALE) {
        info->tcpi_snd_wscale = conn->snd_scale & 15;
        info->tcpi_rcv_wscale = conn->rcv_scale & 15;
    }
    info->tcpi_rto = (uint32_t)(tcp_rto(self, conn) / TN_USEC);
    info->tcpi_ato = (uint32_t)(tcp_options(self)->delayed_ack / TN_USEC);
    info->tcpi_snd_mss = conn->mss;
    info->tcpi_rcv_mss = conn->rcv_mss;
    info->tcpi_advmss = sock->path.kind ? tcp_path_mss(self, sock->family, &sock->path) : 0;
    info->tcpi_pmtu = conn->path_mtu ? conn->path_mtu : conn->mtu;
    info->tcpi_unacked = in_segments(conn, conn->snd_nxt - conn->snd_una);
    info->tcpi_sacked = in_segments(conn, conn->flight ? conn->flight->sacked : 0);
    info->tcpi_lost = in_segments(conn, conn->flight ? conn->flight->lost : 0);
    info->tcpi_rtt = conn->srtt;
    info->tcpi_rttvar = conn->rttvar;
    info->tcpi_snd_ssthresh = in_segments(conn, conn->ssthresh);
    info->tcpi_snd_cwnd = in_segments(conn, conn->cwnd);
    info->tcpi_rcv_space = sock->rcvbuf;
    info->tcpi_last_data_sent = tcp_clock(self) - conn->last_sent;
    info->tcpi_last_data_recv = tcp_clock(self) - conn->last_heard;
    info->tcpi_last_ack_recv = tcp_clock(self) - conn->last_heard;
    info->tcpi_total_retrans = conn->retransmits;
}

static int give(void *value, socklen_t *len, const void *from, size_t size)
{
    *len = (socklen_t)tn_min(*len, size);
    memcpy(value, from, *len);
    return 0;
}

static int give_int(void *value, socklen_t *len, int n)
{
    return give(value, len, &n, sizeof(n));
}

int tcp_get_option(struct tn_self *self, struct tn_socket *sock, int name, void *value, socklen_t *len)
{
    const struct tcp_options *options = tcp_options(self);
    const struct tcp_conn *conn = tn_socket_state(sock);
    struct tcp_info info = {.tcpi_state = 0};
    char algorithm[CONGESTION_NAME_SIZE] = "";
    switch (name) {
    case TCP_NODELAY:
        return give_int(value, len, sock->flags & TN_SOCK_NODELAY ? 1 : 0);
    case TCP_MAXSEG:
        return give_int(value, len, conn->state >= TCP_ST_ESTABLISHED ? conn->mss : conn->peer_mss);
    case TCP_KEEPIDLE:
        return give_int(value, len,
                        conn->keepalive_idle ? conn->keepalive_idle
                                             : (int)(options->keepalive_time / TN_SEC));
    case TCP_KEEPINTVL:
        return give_int(value, len,
                        conn->keepalive_interval ? conn->keepalive_interval
                                                 : (int)(options->keepalive_interval / TN_SEC));
    case TCP_KEEPCNT:
        return give_int(value, len,
                        conn->keepalive_probes ? conn->keepalive_probes : (int)options->keepalive_probes);
    case TCP_USER_TIMEOUT:
        return give_int(value, len, (int)conn->user_timeout);
    case TCP_CONGESTION:
        snprintf(algorithm, sizeof(algorithm), "%s", tcp_cc_name(self, conn));
        return give(value, len, algorithm, sizeof(algorithm));
    case TCP_INFO:
        fill_info(self, sock, &info);
        return give(value, len, &info, sizeof(info));
    default:
        return -ENOPROTOOPT;
    }
}
