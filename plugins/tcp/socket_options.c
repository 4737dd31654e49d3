/* socket_options.c: options at level IPPROTO_TCP, with the names, types and values that Linux has. */
#include <netinet/tcp.h>

#include "congestion.h"
#include "output.h"
#include "scoreboard.h"
#include "socket_options.h"
#include "tenon/tcp.h"
#include "timers.h"
#include "user_timeout.h"

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

/* TCP_NODELAY, TCP_CORK: what waited may go now. */
static void set_flag(struct tn_self *self, struct tn_socket *sock, uint32_t flag, bool on)
{
    struct tcp_conn *conn = tn_socket_state(sock);
    sock->flags = on ? sock->flags | flag : sock->flags & ~flag;
    if (flag == TN_SOCK_CORK && !on)
        sock->flags &= ~TN_SOCK_MORE;
    if (conn->state >= TCP_ST_ESTABLISHED)
        tcp_schedule(self, conn);
}

/* Holds until the next data comes, as Linux's. */
static void quick_ack(struct tn_self *self, struct tcp_conn *conn, bool on)
{
    if (!on || conn->state < TCP_ST_ESTABLISHED)
        return;
    conn->flags &= ~TCP_DATA_ACKED;
    if (conn->flags & TCP_ACK_LATER)
        tcp_ack_now(self, conn);
}

static void restart_keepalive(struct tn_self *self, struct tcp_conn *conn)
{
    conn->probes_sent = 0;
    if (conn->state == TCP_ST_ESTABLISHED || conn->state == TCP_ST_CLOSE_WAIT)
        tcp_start_keepalive(self, conn);
}

/* Options that are kept in the record for what is rare. */
static int set_rare(struct tn_self *self, struct tcp_conn *conn, int name, int n)
{
    struct tcp_rare *rare = tcp_rare(self, conn);
    if (!rare)
        return -ENOBUFS;
    switch (name) {
    case TCP_LINGER2:
        rare->fin_wait = n < 0 ? -1 : n;
        return 0;
    case TCP_MAXSEG:
        rare->max_segment = (uint16_t)n;
        if (conn->state >= TCP_ST_ESTABLISHED)
            tcp_update_mss(self, conn);
        return 0;
    case TCP_DEFER_ACCEPT:
        rare->defer_accept = (uint16_t)tn_min(n, UINT16_MAX);
        return 0;
    case TCP_USER_TIMEOUT:
    case TN_TCP_UTO:
    case TN_TCP_UTO_ADVERTISED:
    case TN_TCP_UTO_CHANGEABLE:
        tcp_uto_set(self, conn, name, n);
        return 0;
    case TCP_KEEPIDLE:
        rare->keepalive_idle = (uint16_t)n;
        break;
    case TCP_KEEPINTVL:
        rare->keepalive_interval = (uint16_t)n;
        break;
    default:
        rare->keepalive_probes = (uint8_t)n;
        break;
    }
    restart_keepalive(self, conn);
    return 0;
}

static int set_congestion(struct tn_self *self, struct tcp_conn *conn, const void *value, socklen_t len)
{
    char name[CONGESTION_NAME_SIZE] = "";
    if (len == 0)
        return -EINVAL;
    memcpy(name, value, tn_min(len, sizeof(name) - 1));
    return tcp_cc_choose(self, conn, name);
}

/* Options that are a number, and what it may be. */
static const struct number_option {
    int name, least, most;
} number_options[] = {
    {TCP_NODELAY, INT32_MIN, INT32_MAX},
    {TCP_CORK, INT32_MIN, INT32_MAX},
    {TCP_QUICKACK, INT32_MIN, INT32_MAX},
    {TCP_MAXSEG, 88, 32767}, /* Linux's least and most */
    {TCP_LINGER2, INT32_MIN, 3600},
    {TCP_USER_TIMEOUT, 0, INT32_MAX},
    {TN_TCP_UTO, INT32_MIN, INT32_MAX},
    {TN_TCP_UTO_ADVERTISED, 0, INT32_MAX},
    {TN_TCP_UTO_CHANGEABLE, INT32_MIN, INT32_MAX},
    {TCP_DEFER_ACCEPT, 0, INT32_MAX},
    {TCP_KEEPIDLE, 1, 32767},
    {TCP_KEEPINTVL, 1, 32767},
    {TCP_KEEPCNT, 1, 127},
};

static const struct number_option *find_number_option(int name)
{
    for (size_t i = 0; i < TN_ARRAY_SIZE(number_options); i++)
        if (number_options[i].name == name)
            return &number_options[i];
    return NULL;
}

static int set_number(struct tn_self *self, struct tn_socket *sock, int name, int n)
{
    struct tcp_conn *conn = tn_socket_state(sock);
    switch (name) {
    case TCP_NODELAY:
    case TCP_CORK:
        set_flag(self, sock, name == TCP_CORK ? TN_SOCK_CORK : TN_SOCK_NODELAY, n != 0);
        return 0;
    case TCP_QUICKACK:
        quick_ack(self, conn, n != 0);
        return 0;
    default:
        return set_rare(self, conn, name, n);
    }
}

int tcp_set_option(struct tn_self *self, struct tn_socket *sock, int name, const void *value, socklen_t len)
{
    const struct number_option *option = find_number_option(name);
    int n;
    if (name == TCP_CONGESTION)
        return set_congestion(self, tn_socket_state(sock), value, len);
    if (!option)
        return -ENOPROTOOPT;
    int error = read_int(value, len, option->least, option->most, &n);
    return error < 0 ? error : set_number(self, sock, name, n);
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
    info->tcpi_retransmits = conn->backoff;
    info->tcpi_rcv_rtt = conn->rcv_rtt;
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

static int max_segment(const struct tcp_conn *conn)
{
    if (conn->state >= TCP_ST_ESTABLISHED)
        return conn->mss;
    return tcp_rare_of(conn)->max_segment ? tcp_rare_of(conn)->max_segment : conn->peer_mss;
}

int tcp_get_option(struct tn_self *self, struct tn_socket *sock, int name, void *value, socklen_t *len)
{
    const struct tcp_options *options = tcp_options(self);
    const struct tcp_conn *conn = tn_socket_state(sock);
    const struct tcp_rare *rare = tcp_rare_of(conn);
    struct tcp_info info = {.tcpi_state = 0};
    char algorithm[CONGESTION_NAME_SIZE] = "";
    switch (name) {
    case TCP_NODELAY:
        return give_int(value, len, sock->flags & TN_SOCK_NODELAY ? 1 : 0);
    case TCP_CORK:
        return give_int(value, len, sock->flags & TN_SOCK_CORK ? 1 : 0);
    case TCP_QUICKACK:
        return give_int(value, len, conn->flags & TCP_DATA_ACKED ? 0 : 1);
    case TCP_LINGER2:
        return give_int(value, len, rare->fin_wait ? rare->fin_wait : (int)(options->fin_wait / TN_SEC));
    case TCP_MAXSEG:
        return give_int(value, len, max_segment(conn));
    case TCP_DEFER_ACCEPT:
        return give_int(value, len, rare->defer_accept);
    case TCP_KEEPIDLE:
        return give_int(value, len,
                        rare->keepalive_idle ? rare->keepalive_idle
                                             : (int)(options->keepalive_time / TN_SEC));
    case TCP_KEEPINTVL:
        return give_int(value, len,
                        rare->keepalive_interval ? rare->keepalive_interval
                                                 : (int)(options->keepalive_interval / TN_SEC));
    case TCP_KEEPCNT:
        return give_int(value, len,
                        rare->keepalive_probes ? rare->keepalive_probes : (int)options->keepalive_probes);
    case TCP_CONGESTION:
        snprintf(algorithm, sizeof(algorithm), "%s", tcp_cc_name(self, conn));
        return give(value, len, algorithm, sizeof(algorithm));
    case TCP_INFO:
        fill_info(self, sock, &info);
        return give(value, len, &info, sizeof(info));
    default:
        break;
    }
    int number;
    int error = tcp_uto_get(self, conn, name, &number);
    return error < 0 ? error : give_int(value, len, number);
}
