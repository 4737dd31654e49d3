/* serve.c: tenon-serve: echo, discard, daytime and chargen on kernel sockets: what a user would run instead, and the
 * measure of `./dev bench`. One thread around epoll. Says "ready" when it listens. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK       (256 * 1024)
#define EVENTS      256
#define BATCH       64
#define SOURCES_MAX 65536

enum kind {
    ECHO = 7,
    DISCARD = 9,
    DAYTIME = 13,
    CHARGEN = 19,
};

struct source {
    int fd;
    uint16_t kind;
    bool listens;
    bool datagrams;
    size_t waiting; /* echo: bytes that the peer has not taken yet, in `held` */
    char *held;
};

static int epoll;
static char chunk[CHUNK];
static struct source sources[SOURCES_MAX]; /* by descriptor */

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "tenon-serve: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (!memory)
        die("memory");
    return memory;
}

static void watch(struct source *s, uint32_t events, int op)
{
    struct epoll_event event = {.events = events, .data.fd = s->fd};
    if (epoll_ctl(epoll, op, s->fd, &event) < 0)
        die("epoll_ctl");
}

static void end(struct source *s)
{
    close(s->fd);
    free(s->held);
    s->held = NULL;
}

/* ---- Streams ---- */

/* Keeps what the peer does not take now, and reads no more until it has. */
static void hold(struct source *s, const char *bytes, size_t len)
{
    if (!s->held)
        s->held = allocate(CHUNK);
    memmove(s->held, bytes, len);
    s->waiting = len;
    watch(s, EPOLLOUT, EPOLL_CTL_MOD);
}

static void echo_send(struct source *s, const char *bytes, size_t len)
{
    ssize_t n = send(s->fd, bytes, len, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        return; /* the next recv tells */
    size_t sent = n > 0 ? (size_t)n : 0;
    if (sent < len)
        hold(s, bytes + sent, len - sent);
}

static bool echo(struct source *s)
{
    if (s->held && s->waiting > 0) {
        size_t len = s->waiting;
        s->waiting = 0;
        echo_send(s, s->held, len);
        if (s->waiting == 0)
            watch(s, EPOLLIN, EPOLL_CTL_MOD);
        return true;
    }
    ssize_t n = recv(s->fd, chunk, sizeof(chunk), 0);
    if (n > 0)
        echo_send(s, chunk, (size_t)n);
    return n > 0 || (n < 0 && errno == EAGAIN);
}

static bool discard(const struct source *s)
{
    ssize_t n = recv(s->fd, chunk, sizeof(chunk), 0);
    return n > 0 || (n < 0 && errno == EAGAIN);
}

static bool chargen(const struct source *s)
{
    static char pattern[CHUNK];
    if (pattern[0] == 0)
        for (size_t i = 0; i < sizeof(pattern); i++)
            pattern[i] = (char)(' ' + i % 95);
    ssize_t n = send(s->fd, pattern, sizeof(pattern), MSG_NOSIGNAL);
    return n > 0 || (n < 0 && errno == EAGAIN);
}

static void daytime(int fd)
{
    char line[64];
    time_t now = time(NULL);
    struct tm tm;
    size_t len = strftime(line, sizeof(line), "%A, %B %d, %Y %H:%M:%S-UTC\r\n", gmtime_r(&now, &tm));
    (void)!send(fd, line, len, MSG_NOSIGNAL);
    close(fd);
}

static struct source *source_of(int fd, enum kind kind)
{
    if (fd < 0 || fd >= SOURCES_MAX)
        die("descriptors");
    sources[fd] = (struct source){.fd = fd, .kind = (uint16_t)kind};
    return &sources[fd];
}

static void accept_one(const struct source *listener)
{
    static const int on = 1;
    int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (listener->kind == DAYTIME) {
        daytime(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    struct source *s = source_of(fd, listener->kind);
    watch(s, s->kind == CHARGEN ? EPOLLOUT : EPOLLIN, EPOLL_CTL_ADD);
}

/* ---- Datagrams ---- */

static void echo_datagrams(const struct source *s)
{
    static char bytes[BATCH][2048];
    static struct sockaddr_in from[BATCH];
    struct mmsghdr messages[BATCH] = {0};
    struct iovec pieces[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        pieces[i] = (struct iovec){bytes[i], sizeof(bytes[i])};
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &from[i], .msg_namelen = sizeof(from[i]), .msg_iov = &pieces[i], .msg_iovlen = 1};
    }
    int n = recvmmsg(s->fd, messages, BATCH, MSG_DONTWAIT, NULL);
    for (int i = 0; i < n; i++)
        pieces[i].iov_len = messages[i].msg_len;
    for (int sent = 0; sent < n;) {
        int done = sendmmsg(s->fd, messages + sent, (unsigned)(n - sent), 0);
        if (done <= 0)
            return;
        sent += done;
    }
}

/* ---- All ---- */

static void serve(struct source *s)
{
    bool alive = true;
    if (s->listens)
        accept_one(s);
    else if (s->datagrams)
        echo_datagrams(s);
    else if (s->kind == ECHO)
        alive = echo(s);
    else if (s->kind == DISCARD)
        alive = discard(s);
    else
        alive = chargen(s);
    if (!alive)
        end(s);
}

static void open_source(enum kind kind, int type)
{
    static const int on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)kind)};
    struct source *s = source_of(socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), kind);
    s->listens = type == SOCK_STREAM;
    s->datagrams = type == SOCK_DGRAM;
    setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (s->listens) /* whatever the machine's default is */
        (void)setsockopt(s->fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
    if (bind(s->fd, (struct sockaddr *)&at, sizeof(at)) < 0 || (s->listens && listen(s->fd, 1024) < 0))
        die("bind");
    watch(s, EPOLLIN, EPOLL_CTL_ADD);
}

int main(void)
{
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0)
        die("epoll");
    signal(SIGPIPE, SIG_IGN);
    open_source(ECHO, SOCK_STREAM);
    open_source(DISCARD, SOCK_STREAM);
    open_source(DAYTIME, SOCK_STREAM);
    open_source(CHARGEN, SOCK_STREAM);
    open_source(ECHO, SOCK_DGRAM);
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++)
            serve(&sources[events[i].data.fd]);
    }
}
