/* compare: makes the same socket calls, wrong ones above all, of the kernel and of a stack, and compares what they return.
 *
 *     compare      prints each call whose result differs, and is not among those that docs/sockets.md names; exit status 1
 *     compare -v   prints all
 *
 * Both talk to themselves over 127.0.0.1, so it is run in a network namespace of its own. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/sockios.h>

#include "tenon/sim.h"

#define CALLS_MAX 600

static bool by_kernel;
static struct tn_sim *sim;
static struct tn_stack *stack;

/* ---- The calls, of one or of the other ---- */

static long result(long n)
{
    return n < 0 ? -errno : n;
}

#define CALL(name, ...) (by_kernel ? result(name(__VA_ARGS__)) : (long)tn_##name(stack, __VA_ARGS__))

/* Lets what was begun happen. */
static void settle(void)
{
    if (by_kernel)
        usleep(1000);
    else
        tn_sim_run(sim, TN_MSEC);
}

static int open_socket(int type)
{
    return (int)CALL(socket, AF_INET, type | SOCK_NONBLOCK, 0);
}

static void shut(int fd)
{
    if (by_kernel)
        close(fd);
    else
        tn_close(stack, fd);
}

static long control(int fd, unsigned long request, int *value)
{
    return by_kernel ? result(ioctl(fd, request, value)) : tn_ioctl(stack, fd, request, value);
}

/* ---- What they returned ---- */

struct call {
    char what[120];
    long results[2];
};

static struct call calls[CALLS_MAX];
static size_t at, count;

static long note(const char *what, long value)
{
    struct call *c = &calls[at++];
    snprintf(c->what, sizeof(c->what), "%s", what);
    c->results[!by_kernel] = value;
    count = at > count ? at : count;
    return value;
}

#define NOTE(what, ...) note(what ": " #__VA_ARGS__, CALL(__VA_ARGS__))

/* Where Tenon differs, as docs/sockets.md says: beginnings of `what`. */
static const char *const known[] = {
    "socket: socket, AF_INET, 77",        /* no type at all: EINVAL */
    "unconnected stream: send",           /* POSIX: ENOTCONN; Linux: EPIPE */
    "listener: accept, fd, (struct sock", /* EFAULT before a connection is taken; Linux looks for one first */
    "option: IP_TOS, short",              /* of no octets, Linux takes 0 */
    "option: IP_MTU_DISCOVER, short",
};

static bool is_known(const struct call *c)
{
    for (size_t i = 0; i < TN_ARRAY_SIZE(known); i++)
        if (!strncmp(c->what, known[i], strlen(known[i])))
            return true;
    return false;
}

/* ---- Sockets to begin with ---- */

static struct sockaddr_in end(const char *address, uint16_t port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &sa.sin_addr);
    return sa;
}

#define SA(address, port) \
    (const struct sockaddr *)&(struct sockaddr_in[1]){end(address, port)}, sizeof(struct sockaddr_in)

static uint16_t port_of(int fd)
{
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    (void)CALL(getsockname, fd, (struct sockaddr *)&sa, &len);
    return ntohs(sa.sin_port);
}

static int listener(uint16_t *port)
{
    int fd = open_socket(SOCK_STREAM);
    (void)CALL(bind, fd, SA("127.0.0.1", 0));
    (void)CALL(listen, fd, 5);
    *port = port_of(fd);
    return fd;
}

static void pair(int *client, int *server)
{
    uint16_t port;
    int l = listener(&port);
    *client = open_socket(SOCK_STREAM);
    (void)CALL(connect, *client, SA("127.0.0.1", port));
    settle();
    *server = (int)CALL(accept, l, NULL, NULL);
    settle();
    shut(l);
}

static int bound_datagrams(uint16_t *port)
{
    int fd = open_socket(SOCK_DGRAM);
    (void)CALL(bind, fd, SA("127.0.0.1", 0));
    *port = port_of(fd);
    return fd;
}

/* ---- Wrong calls ---- */

static char bytes[100000];

static void no_descriptor(void)
{
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    struct msghdr msg = {.msg_name = NULL};
    int v = 0;
    NOTE("EBADF", bind, 999, SA("127.0.0.1", 0));
    NOTE("EBADF", listen, 999, 5);
    NOTE("EBADF", accept, 999, NULL, NULL);
    NOTE("EBADF", connect, 999, SA("127.0.0.1", 1));
    NOTE("EBADF", send, 999, bytes, 1, 0);
    NOTE("EBADF", recv, -1, bytes, 1, 0);
    NOTE("EBADF", sendmsg, 999, &msg, 0);
    NOTE("EBADF", recvmsg, 999, &msg, 0);
    NOTE("EBADF", shutdown, 999, SHUT_WR);
    NOTE("EBADF", getsockname, 999, (struct sockaddr *)&sa, &len);
    NOTE("EBADF", getpeername, 999, (struct sockaddr *)&sa, &len);
    NOTE("EBADF", setsockopt, 999, SOL_SOCKET, SO_KEEPALIVE, &v, sizeof(v));
    NOTE("EBADF", getsockopt, 999, SOL_SOCKET, SO_KEEPALIVE, &v, &(socklen_t){sizeof(v)});
    note("EBADF: ioctl", control(999, FIONREAD, &v));
}

static void no_socket(void)
{
    NOTE("socket", socket, AF_INET, 77, 0);
    NOTE("socket", socket, AF_INET, SOCK_SEQPACKET, 0);
    NOTE("socket", socket, 77, SOCK_STREAM, 0);
    NOTE("socket", socket, AF_INET, SOCK_STREAM, IPPROTO_UDP);
    NOTE("socket", socket, AF_INET, SOCK_DGRAM, IPPROTO_TCP);
}

static void addresses(int type)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    int fd = open_socket(type), other = open_socket(type);
    NOTE("bind", bind, fd, NULL, sizeof(struct sockaddr_in));
    NOTE("bind", bind, fd, (const struct sockaddr *)&six, 2);
    NOTE("bind", bind, fd, (const struct sockaddr *)&six, sizeof(six));
    NOTE("bind", bind, fd, SA("192.0.2.1", 0));
    NOTE("bind", bind, fd, SA("127.0.0.1", 0));
    NOTE("bind", bind, fd, SA("127.0.0.1", 0));
    uint16_t port = port_of(fd);
    NOTE("bind", bind, other, SA("127.0.0.1", port));
    NOTE("bind", bind, other, SA("0.0.0.0", port));
    NOTE("connect", connect, other, NULL, sizeof(struct sockaddr_in));
    NOTE("connect", connect, other, (const struct sockaddr *)&six, 2);
    NOTE("connect", connect, other, (const struct sockaddr *)&six, sizeof(six));
    shut(other);
    shut(fd);
}

static void streams_of_many(void)
{
    int fd = open_socket(SOCK_STREAM);
    NOTE("connect", connect, fd, SA("255.255.255.255", 7));
    shut(fd);
    fd = open_socket(SOCK_STREAM);
    NOTE("connect", connect, fd, SA("224.0.0.1", 7));
    shut(fd);
}

static void unconnected_stream(void)
{
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    int v = 0, fd = open_socket(SOCK_STREAM);
    NOTE("unconnected stream", send, fd, bytes, 1, 0);
    NOTE("unconnected stream", recv, fd, bytes, 1, 0);
    NOTE("unconnected stream", recv, fd, bytes, 0, 0);
    NOTE("unconnected stream", accept, fd, NULL, NULL);
    NOTE("unconnected stream", shutdown, fd, SHUT_WR);
    NOTE("unconnected stream", shutdown, fd, 77);
    NOTE("unconnected stream", getpeername, fd, (struct sockaddr *)&sa, &len);
    NOTE("unconnected stream", getsockname, fd, NULL, &len);
    NOTE("unconnected stream", getsockname, fd, (struct sockaddr *)&sa, NULL);
    note("unconnected stream: SIOCATMARK", control(fd, SIOCATMARK, &v));
    note("unconnected stream: FIONREAD", control(fd, FIONREAD, &v));
    note("unconnected stream: SIOCOUTQ", control(fd, SIOCOUTQ, &v));
    note("unconnected stream: no such request", control(fd, 0x5678, &v));
    shut(fd);
}

static void listening_stream(void)
{
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    uint16_t port;
    int v = 0, fd = listener(&port), other = open_socket(SOCK_STREAM);
    NOTE("listener", accept, fd, NULL, NULL);
    NOTE("listener", accept, fd, (struct sockaddr *)&sa, NULL);
    NOTE("listener", connect, fd, SA("127.0.0.1", port));
    NOTE("listener", recv, fd, bytes, 1, 0);
    NOTE("listener", getpeername, fd, (struct sockaddr *)&sa, &len);
    NOTE("listener", shutdown, other, SHUT_RDWR);
    NOTE("listener", listen, fd, 7);
    NOTE("listener", bind, fd, SA("127.0.0.1", 0));
    note("listener: FIONREAD", control(fd, FIONREAD, &v));
    note("listener: SIOCOUTQ", control(fd, SIOCOUTQ, &v));
    NOTE("listener", bind, other, SA("127.0.0.1", port));
    shut(other);
    shut(fd);
}

static void connected_stream(void)
{
    struct msghdr msg = {.msg_iovlen = 1025}, none = {.msg_iovlen = 1};
    int client, server, v = 0;
    pair(&client, &server);
    (void)CALL(connect, client, SA("127.0.0.1", 1)); /* of Linux, tells that the first one is through */
    NOTE("connected stream", connect, client, SA("127.0.0.1", 1));
    NOTE("connected stream", listen, client, 5);
    NOTE("connected stream", bind, client, SA("127.0.0.1", 0));
    NOTE("connected stream", recv, client, bytes, 1, 0);
    NOTE("connected stream", recv, client, bytes, 1, MSG_OOB);
    NOTE("connected stream", send, client, NULL, 5, 0);
    NOTE("connected stream", send, client, bytes, 0, 0);
    NOTE("connected stream", sendmsg, client, NULL, 0);
    NOTE("connected stream", sendmsg, client, &msg, 0);
    NOTE("connected stream", recvmsg, client, &msg, 0);
    NOTE("connected stream", sendmsg, client, &none, 0);
    NOTE("connected stream", sendto, client, bytes, 5, 0, SA("127.0.0.1", 1));
    settle();
    note("connected stream: FIONREAD", control(server, FIONREAD, &v));
    note("connected stream: FIONREAD is", v);
    note("connected stream: FIONREAD NULL", control(server, FIONREAD, NULL));
    NOTE("connected stream", recv, server, NULL, 5, 0);
    NOTE("connected stream", recv, server, bytes, 3, MSG_PEEK);
    NOTE("connected stream", recv, server, bytes, 9, MSG_PEEK | MSG_DONTWAIT);
    NOTE("connected stream", recv, server, bytes, 2, MSG_TRUNC);
    NOTE("connected stream", recv, server, bytes, 9, 0);
    NOTE("connected stream", shutdown, client, SHUT_WR);
    settle();
    NOTE("stream after shutdown", send, client, bytes, 1, 0);
    NOTE("stream after shutdown", shutdown, client, SHUT_WR);
    NOTE("stream after the end", recv, server, bytes, 1, 0);
    NOTE("stream after the end", recv, server, bytes, 1, 0);
    NOTE("stream after the end", send, server, bytes, 1, 0);
    settle();
    NOTE("stream after the end", recv, client, bytes, 1, 0);
    shut(server);
    settle();
    NOTE("stream after the end", recv, client, bytes, 1, 0);
    shut(client);
}

static void reset_stream(void)
{
    struct linger now = {.l_onoff = 1};
    int client, server, error = -1;
    pair(&client, &server);
    NOTE("reset", setsockopt, server, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    shut(server);
    settle();
    NOTE("reset", recv, client, bytes, 1, 0);
    NOTE("reset", recv, client, bytes, 1, 0);
    NOTE("reset", send, client, bytes, 1, 0);
    NOTE("reset", shutdown, client, SHUT_WR);
    NOTE("reset", getsockopt, client, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)});
    note("reset: SO_ERROR is", error);
    shut(client);
    pair(&client, &server);
    (void)CALL(setsockopt, server, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    shut(server);
    settle();
    NOTE("reset, writing first", send, client, bytes, 1, 0);
    NOTE("reset, writing first", send, client, bytes, 1, 0);
    NOTE("reset, writing first", recv, client, bytes, 1, 0);
    shut(client);
}

static void refused_stream(void)
{
    uint16_t port;
    int error = 0, fd = listener(&port);
    shut(fd);
    settle();
    fd = open_socket(SOCK_STREAM);
    long first = CALL(connect, fd, SA("127.0.0.1", port)); /* the kernel's may know at once */
    settle();
    (void)CALL(getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)});
    note("refused: the error", first == -EINPROGRESS ? -error : first);
    shut(fd);
}

/* ---- Urgent data ---- */

static void urgent(void)
{
    int client, server, v = -1;
    pair(&client, &server);
    NOTE("urgent", recv, server, bytes, 1, MSG_OOB);
    NOTE("urgent", send, client, "ab!", 3, MSG_OOB);
    NOTE("urgent", send, client, "cd", 2, 0);
    settle();
    NOTE("urgent", recv, server, bytes, 9, 0);
    note("urgent: SIOCATMARK", control(server, SIOCATMARK, &v));
    note("urgent: SIOCATMARK is", v);
    NOTE("urgent", recv, server, bytes, 9, MSG_OOB | MSG_PEEK);
    NOTE("urgent", recv, server, bytes, 9, MSG_OOB);
    NOTE("urgent", recv, server, bytes, 9, MSG_OOB);
    NOTE("urgent", recv, server, bytes, 9, 0);
    shut(client);
    shut(server);
}

/* ---- Datagrams ---- */

static void datagrams(void)
{
    struct sockaddr_in sa;
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    socklen_t len = sizeof(sa);
    uint16_t port, gone;
    int v = 0, fd = bound_datagrams(&port), other = open_socket(SOCK_DGRAM), lone = open_socket(SOCK_DGRAM);
    NOTE("datagrams", listen, fd, 5);
    NOTE("datagrams", accept, fd, NULL, NULL);
    NOTE("datagrams", send, other, bytes, 1, 0);
    NOTE("datagrams", recv, fd, bytes, 1, 0);
    NOTE("datagrams", shutdown, lone, SHUT_WR);
    shut(lone);
    NOTE("datagrams", getpeername, fd, (struct sockaddr *)&sa, &len);
    NOTE("datagrams", sendto, other, bytes, 1, 0, NULL, 0);
    NOTE("datagrams", sendto, other, bytes, 1, 0, SA("127.0.0.1", 0));
    NOTE("datagrams", sendto, other, bytes, 1, 0, (const struct sockaddr *)&six, sizeof(six));
    NOTE("datagrams", sendto, other, bytes, 1, 0, (const struct sockaddr *)&six, 2);
    NOTE("datagrams", sendto, other, bytes, 65508, 0, SA("127.0.0.1", port));
    NOTE("datagrams", sendto, other, NULL, 5, 0, SA("127.0.0.1", port));
    NOTE("datagrams", sendto, other, bytes, 1, MSG_OOB, SA("127.0.0.1", port));
    NOTE("datagrams", sendto, other, bytes, 5, 0, SA("127.0.0.1", port));
    NOTE("datagrams", sendto, other, bytes, 0, 0, SA("127.0.0.1", port));
    NOTE("datagrams", sendto, other, bytes, 7, 0, SA("127.0.0.1", port));
    settle();
    note("datagrams: FIONREAD", control(fd, FIONREAD, &v));
    note("datagrams: FIONREAD is", v);
    note("datagrams: SIOCATMARK", control(fd, SIOCATMARK, &v));
    NOTE("datagrams", recv, fd, bytes, 2, MSG_PEEK);
    NOTE("datagrams", recv, fd, bytes, 2, MSG_PEEK | MSG_TRUNC);
    NOTE("datagrams", recv, fd, bytes, 2, 0);
    NOTE("datagrams", recv, fd, bytes, 2, 0);
    NOTE("datagrams", recvfrom, fd, bytes, 9, 0, (struct sockaddr *)&sa, &len);
    NOTE("datagrams", recv, fd, bytes, 9, MSG_DONTWAIT);
    NOTE("connected datagrams", connect, other, SA("127.0.0.1", port));
    NOTE("connected datagrams", connect, other, SA("127.0.0.1", port));
    NOTE("connected datagrams", send, other, bytes, 4, 0);
    NOTE("connected datagrams", shutdown, other, SHUT_WR);
    NOTE("connected datagrams", send, other, bytes, 4, 0);
    NOTE("connected datagrams", connect, fd, &none, sizeof(none));
    NOTE("connected datagrams", getpeername, fd, (struct sockaddr *)&sa, &len);
    shut(other);
    shut(fd);
    fd = bound_datagrams(&gone);
    shut(fd);
    fd = open_socket(SOCK_DGRAM);
    NOTE("nobody there", connect, fd, SA("127.0.0.1", gone));
    NOTE("nobody there", send, fd, bytes, 1, 0);
    settle();
    NOTE("nobody there", recv, fd, bytes, 1, 0);
    NOTE("nobody there", recv, fd, bytes, 1, 0);
    NOTE("nobody there", send, fd, bytes, 1, 0);
    settle();
    NOTE("nobody there", send, fd, bytes, 1, 0);
    NOTE("nobody there", getsockopt, fd, SOL_SOCKET, SO_ERROR, &v, &(socklen_t){sizeof(v)});
    shut(fd);
}

/* ---- Options ---- */

/* Sets the option to values, and reads it back. */
static void try_option(int fd, const char *name, int level, int option, const int *values, size_t number)
{
    char what[80];
    for (size_t i = 0; i < number; i++) {
        int v = -77;
        socklen_t len = sizeof(v);
        snprintf(what, sizeof(what), "option: %s = %d", name, values[i]);
        long done = note(what, CALL(setsockopt, fd, level, option, &values[i], sizeof(int)));
        long got = CALL(getsockopt, fd, level, option, &v, &len);
        snprintf(what, sizeof(what), "option: %s after %d", name, values[i]);
        note(what, done < 0 || got < 0 ? got : v);
    }
    snprintf(what, sizeof(what), "option: %s, short", name);
    note(what, CALL(setsockopt, fd, level, option, &values[0], 0));
    snprintf(what, sizeof(what), "option: %s, no value", name);
    note(what, CALL(setsockopt, fd, level, option, NULL, sizeof(int)));
    snprintf(what, sizeof(what), "option: %s, no length", name);
    int v;
    note(what, CALL(getsockopt, fd, level, option, &v, NULL));
}

#define TRY(fd, level, option, ...)                                    \
    try_option(fd, #option, level, option, (const int[]){__VA_ARGS__}, \
               sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void options(void)
{
    struct timeval wrong = {.tv_usec = 1000000}, right = {.tv_sec = 2};
    int client, server, v = 1, u = open_socket(SOCK_DGRAM);
    pair(&client, &server);
    TRY(client, SOL_SOCKET, SO_REUSEADDR, 1, 0, 7);
    TRY(client, SOL_SOCKET, SO_KEEPALIVE, 1, 0, -1);
    TRY(client, SOL_SOCKET, SO_OOBINLINE, 1, 0);
    TRY(u, SOL_SOCKET, SO_BROADCAST, 1, 0);
    TRY(client, IPPROTO_TCP, TCP_NODELAY, 1, 0, -1);
    TRY(client, IPPROTO_TCP, TCP_CORK, 1, 0, 5);
    TRY(client, IPPROTO_TCP, TCP_KEEPIDLE, 1, 32767, 0, 32768, -1);
    TRY(client, IPPROTO_TCP, TCP_KEEPINTVL, 1, 32767, 0, 32768);
    TRY(client, IPPROTO_TCP, TCP_KEEPCNT, 1, 127, 0, 128);
    TRY(client, IPPROTO_TCP, TCP_USER_TIMEOUT, 0, 5000, -1);
    TRY(client, IPPROTO_TCP, TCP_LINGER2, 5, -1);
    TRY(client, IPPROTO_IP, IP_TTL, 1, 255, -1, 0, 256);
    TRY(client, IPPROTO_IP, IP_TOS, 0x10, 0);
    NOTE("option", setsockopt, client, IPPROTO_IP, IP_TTL, "\x20", 1);
    NOTE("option", getsockopt, client, IPPROTO_IP, IP_TTL, &v, &(socklen_t){sizeof(v)});
    note("option: IP_TTL of an octet", v);
    TRY(u, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_PMTUDISC_WANT, -1, 77);
    int fresh = open_socket(SOCK_STREAM);
    TRY(fresh, IPPROTO_TCP, TCP_MAXSEG, 87, 88, 32767, 32768);
    NOTE("option", getsockopt, fresh, IPPROTO_TCP, TCP_DEFER_ACCEPT, &v, &(socklen_t){sizeof(v)});
    NOTE("option", setsockopt, client, SOL_SOCKET, SO_ERROR, &v, sizeof(v));
    NOTE("option", setsockopt, client, SOL_SOCKET, SO_TYPE, &v, sizeof(v));
    NOTE("option", setsockopt, client, SOL_SOCKET, SO_ACCEPTCONN, &v, sizeof(v));
    NOTE("option", setsockopt, client, SOL_SOCKET, SO_RCVTIMEO, &wrong, sizeof(wrong));
    NOTE("option", setsockopt, client, SOL_SOCKET, SO_SNDTIMEO, &wrong, sizeof(wrong));
    NOTE("option", setsockopt, client, SOL_SOCKET, SO_RCVTIMEO, &right, 3);
    NOTE("option", setsockopt, client, SOL_SOCKET, SO_RCVTIMEO, &right, sizeof(right));
    NOTE("option", setsockopt, client, SOL_SOCKET, SO_LINGER, &v, sizeof(v));
    NOTE("option", setsockopt, client, SOL_SOCKET, 7777, &v, sizeof(v));
    NOTE("option", getsockopt, client, SOL_SOCKET, 7777, &v, &(socklen_t){sizeof(v)});
    NOTE("option", setsockopt, client, IPPROTO_TCP, 7777, &v, sizeof(v));
    NOTE("option", getsockopt, client, IPPROTO_TCP, 7777, &v, &(socklen_t){sizeof(v)});
    NOTE("option", setsockopt, client, 250, 1, &v, sizeof(v));
    NOTE("option", setsockopt, client, IPPROTO_TCP, TCP_INFO, &v, sizeof(v));
    NOTE("option", setsockopt, client, IPPROTO_TCP, TCP_CONGESTION, "nosuch", 6);
    NOTE("option", setsockopt, client, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
    NOTE("option", setsockopt, client, IPPROTO_TCP, TCP_CONGESTION, "", 0);
    NOTE("option", setsockopt, u, IPPROTO_TCP, TCP_NODELAY, &v, sizeof(v));
    NOTE("option", getsockopt, u, IPPROTO_TCP, TCP_NODELAY, &v, &(socklen_t){sizeof(v)});
    NOTE("option", getsockopt, client, SOL_SOCKET, SO_KEEPALIVE, NULL, &(socklen_t){sizeof(v)});
    shut(fresh);
    shut(u);
    shut(client);
    shut(server);
}

/* ---- All ---- */

static void all(void)
{
    at = 0;
    no_descriptor();
    no_socket();
    addresses(SOCK_STREAM);
    addresses(SOCK_DGRAM);
    streams_of_many();
    unconnected_stream();
    listening_stream();
    connected_stream();
    reset_stream();
    refused_stream();
    urgent();
    datagrams();
    options();
}

static void start(void)
{
    struct tn_error error;
    sim = tn_sim_create(1);
    tn_sim_plugin_path(sim, TN_TEST_PLUGIN_DIR);
    if (tn_sim_add(sim,
                   "interfaces: { h0: { driver: host, mode: ip, addresses: [10.0.7.7/24], routes: [{ to: "
                   "default, via: 10.0.7.1 }] } }\n"
                   "protocols: { rawip: {}, ipv4: {}, icmp: {}, udp: {}, tcp: {} }\n",
                   &stack, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        exit(2);
    }
    tn_sim_run(sim, TN_SEC);
}

static const char *text(long value, char *to, size_t size)
{
    if (value < 0 && value > -200)
        snprintf(to, size, "-%s", strerrorname_np((int)-value));
    else
        snprintf(to, size, "%ld", value);
    return to;
}

int main(int argc, char **argv)
{
    bool verbose = argc > 1 && !strcmp(argv[1], "-v");
    unsigned wrong = 0;
    char a[40], b[40];
    signal(SIGPIPE, SIG_IGN);
    start();
    for (by_kernel = true;; by_kernel = false) {
        all();
        if (!by_kernel)
            break;
    }
    for (size_t i = 0; i < count; i++) {
        const struct call *c = &calls[i];
        bool same = c->results[0] == c->results[1];
        wrong += !same && !is_known(c);
        if (verbose || (!same && !is_known(c)))
            printf("%s%-72s kernel %s, Tenon %s\n",
                   same          ? ""
                   : is_known(c) ? "KNOWN "
                                 : "DIFFERS ",
                   c->what, text(c->results[0], a, sizeof(a)), text(c->results[1], b, sizeof(b)));
    }
    printf("%zu calls, %u results differ\n", count, wrong);
    tn_sim_destroy(sim);
    return wrong > 0;
}
