/* names.c: errno values, socket options, fields of TCP_INFO and states by their names. */
#include <errno.h>
#include <linux/tcp.h> /* the whole of struct tcp_info */
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "script.h"
#include "tenon/tcp.h"

struct named {
    const char *name;
    int number;
};

static int find(const struct named *table, size_t count, const char *name, int otherwise)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(table[i].name, name))
            return table[i].number;
    return otherwise;
}

#define FIND(table, name, otherwise) find(table, TN_ARRAY_SIZE(table), name, otherwise)
#define NAMED(constant)     \
    {                       \
#constant, constant \
    }

/* ---- errno ---- */

static const struct named errors[] = {
    NAMED(EACCES),   NAMED(EADDRINUSE),  NAMED(EADDRNOTAVAIL), NAMED(EAFNOSUPPORT), NAMED(EAGAIN),
    NAMED(EALREADY), NAMED(EBADF),       NAMED(ECONNABORTED),  NAMED(ECONNREFUSED), NAMED(ECONNRESET),
    NAMED(EFAULT),   NAMED(EHOSTDOWN),   NAMED(EHOSTUNREACH),  NAMED(EINPROGRESS),  NAMED(EINVAL),
    NAMED(EISCONN),  NAMED(EMSGSIZE),    NAMED(ENETUNREACH),   NAMED(ENOBUFS),      NAMED(ENOENT),
    NAMED(ENOMEM),   NAMED(ENOPROTOOPT), NAMED(ENOTCONN),      NAMED(EOPNOTSUPP),   NAMED(EPIPE),
    NAMED(EPROTO),   NAMED(ETIMEDOUT),   NAMED(EDOM),          NAMED(EPERM),        NAMED(ENETDOWN),
};

int name_errno(const char *name)
{
    return FIND(errors, name, 0);
}

const char *name_of_errno(int number)
{
    for (size_t i = 0; i < TN_ARRAY_SIZE(errors); i++)
        if (errors[i].number == number)
            return errors[i].name;
    return "?";
}

/* ---- Socket options ---- */

static const struct {
    const char *name;
    int level, option;
} options[] = {
#define SOCKET_OPTION(o)  \
    {                     \
#o, SOL_SOCKET, o \
    }
#define TCP_OPTION(o)      \
    {                      \
#o, IPPROTO_TCP, o \
    }
#define IP_OPTION(o)      \
    {                     \
#o, IPPROTO_IP, o \
    }
    SOCKET_OPTION(SO_ERROR),
    SOCKET_OPTION(SO_KEEPALIVE),
    SOCKET_OPTION(SO_LINGER),
    SOCKET_OPTION(SO_OOBINLINE),
    SOCKET_OPTION(SO_RCVBUF),
    SOCKET_OPTION(SO_REUSEADDR),
    SOCKET_OPTION(SO_SNDBUF),
    SOCKET_OPTION(SO_ACCEPTCONN),
    SOCKET_OPTION(SO_TYPE),
    SOCKET_OPTION(SO_RCVLOWAT),
    TCP_OPTION(TCP_CONGESTION),
    TCP_OPTION(TCP_CORK),
    TCP_OPTION(TCP_DEFER_ACCEPT),
    TCP_OPTION(TCP_KEEPCNT),
    TCP_OPTION(TCP_KEEPIDLE),
    TCP_OPTION(TCP_KEEPINTVL),
    TCP_OPTION(TCP_LINGER2),
    TCP_OPTION(TCP_MAXSEG),
    TCP_OPTION(TCP_NODELAY),
    TCP_OPTION(TCP_QUICKACK),
    TCP_OPTION(TCP_SYNCNT),
    TCP_OPTION(TCP_USER_TIMEOUT),
    TCP_OPTION(TCP_WINDOW_CLAMP),
    TCP_OPTION(TN_TCP_UTO),
    TCP_OPTION(TN_TCP_UTO_ADVERTISED),
    TCP_OPTION(TN_TCP_UTO_CHANGEABLE),
    TCP_OPTION(TN_TCP_UTO_RECEIVED),
    IP_OPTION(IP_TTL),
    IP_OPTION(IP_TOS),
    IP_OPTION(IP_RECVERR),
    IP_OPTION(IP_MTU_DISCOVER),
    IP_OPTION(IP_MTU),
};

bool name_option(const char *name, int *level, int *option)
{
    for (size_t i = 0; i < TN_ARRAY_SIZE(options); i++) {
        if (strcmp(options[i].name, name) != 0)
            continue;
        *level = options[i].level;
        *option = options[i].option;
        return true;
    }
    return false;
}

bool name_option_is_text(int level, int option)
{
    return level == IPPROTO_TCP && option == TCP_CONGESTION;
}

bool name_option_is_linger(int level, int option)
{
    return level == SOL_SOCKET && option == SO_LINGER;
}

/* ---- TCP_INFO ---- */

static const struct {
    const char *name;
    size_t at, size;
} fields[] = {
#define FIELD(f)                                                                          \
    {                                                                                     \
#f, offsetof(struct tcp_info, tcpi_##f), sizeof(((struct tcp_info *)0)->tcpi_##f) \
    }
    FIELD(state),
    FIELD(ca_state),
    FIELD(retransmits),
    FIELD(probes),
    FIELD(backoff),
    FIELD(options),
    FIELD(rto),
    FIELD(ato),
    FIELD(snd_mss),
    FIELD(rcv_mss),
    FIELD(unacked),
    FIELD(sacked),
    FIELD(lost),
    FIELD(retrans),
    FIELD(fackets),
    FIELD(last_data_sent),
    FIELD(last_data_recv),
    FIELD(last_ack_recv),
    FIELD(pmtu),
    FIELD(rcv_ssthresh),
    FIELD(rtt),
    FIELD(rttvar),
    FIELD(snd_ssthresh),
    FIELD(snd_cwnd),
    FIELD(advmss),
    FIELD(reordering),
    FIELD(rcv_rtt),
    FIELD(rcv_space),
    FIELD(total_retrans),
    FIELD(bytes_acked),
    FIELD(bytes_received),
    FIELD(segs_out),
    FIELD(segs_in),
    FIELD(notsent_bytes),
    FIELD(min_rtt),
    FIELD(data_segs_in),
    FIELD(data_segs_out),
    FIELD(bytes_sent),
    FIELD(bytes_retrans),
    FIELD(dsack_dups),
    FIELD(reord_seen),
    FIELD(rcv_ooopack),
    FIELD(snd_wnd),
};

/* The scale factors are bit fields, which have no offset. */
bool name_field(const char *name)
{
    for (size_t i = 0; i < TN_ARRAY_SIZE(fields); i++)
        if (!strcmp(fields[i].name, name))
            return true;
    return !strcmp(name, "snd_wscale") || !strcmp(name, "rcv_wscale");
}

/* A field's value, which has 1, 4 or 8 bytes. */
static int64_t load(const char *at, size_t size)
{
    uint8_t byte;
    uint32_t word;
    uint64_t both;
    memcpy(&byte, at, sizeof(byte));
    if (size == sizeof(byte))
        return byte;
    memcpy(&word, at, sizeof(word));
    if (size == sizeof(word))
        return word;
    memcpy(&both, at, sizeof(both));
    return (int64_t)both;
}

int64_t name_field_value(const struct tcp_info *info, const char *name)
{
    for (size_t i = 0; i < TN_ARRAY_SIZE(fields); i++)
        if (!strcmp(fields[i].name, name))
            return load((const char *)info + fields[i].at, fields[i].size);
    return !strcmp(name, "snd_wscale") ? info->tcpi_snd_wscale : info->tcpi_rcv_wscale;
}

static const struct named states[] = {
    {"ESTABLISHED", 1}, {"SYN-SENT", 2},  {"SYN-RECEIVED", 3}, {"FIN-WAIT-1", 4},
    {"FIN-WAIT-2", 5},  {"TIME-WAIT", 6}, {"CLOSED", 7},       {"CLOSE-WAIT", 8},
    {"LAST-ACK", 9},    {"LISTEN", 10},   {"CLOSING", 11},
};

int name_state(const char *name)
{
    return FIND(states, name, -1);
}

/* ---- Events ---- */

static const struct named events[] = {
    {"in", POLLIN},   {"out", POLLOUT},     {"pri", POLLPRI}, {"err", POLLERR},
    {"hup", POLLHUP}, {"rdhup", POLLRDHUP}, {"none", 0},
};

int name_events(char *names)
{
    char *save = NULL;
    int all = 0;
    for (char *name = strtok_r(names, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
        int one = FIND(events, name, -1);
        if (one < 0)
            return -1;
        all |= one;
    }
    return all;
}
