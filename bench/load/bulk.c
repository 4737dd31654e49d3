/* bulk.c: as many bytes as go. What was sent counts when the peer has acknowledged it. */
#include <errno.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#define CHUNK  (256 * 1024)
#define EVENTS 64
#define TURNS  8 /* reads or writes on one connection before the others have theirs */

struct stream {
    int fd;
    bool sends;
    uint64_t received;
};

struct bulk {
    struct stream *streams;
    unsigned count;
    int epoll;
    char *chunk;
};

static void open_streams(struct bulk *bulk, const struct load *load, unsigned sending)
{
    bulk->count = load->connections;
    bulk->streams = load_alloc(bulk->count * sizeof(*bulk->streams));
    bulk->chunk = load_alloc(CHUNK);
    bulk->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (bulk->epoll < 0)
        load_die("epoll");
    memset(bulk->chunk, 'x', CHUNK);
    for (unsigned i = 0; i < bulk->count; i++) {
        struct stream *s = &bulk->streams[i];
        s->sends = i < sending;
        s->fd = load_connect(load, s->sends ? LOAD_PORT_DISCARD : LOAD_PORT_CHARGEN, true);
        struct epoll_event event = {.events = s->sends ? EPOLLOUT : EPOLLIN, .data.ptr = s};
        if (epoll_ctl(bulk->epoll, EPOLL_CTL_ADD, s->fd, &event) < 0)
            load_die("epoll_ctl");
    }
}

static void close_streams(struct bulk *bulk)
{
    static const struct linger reset = {.l_onoff = 1};
    for (unsigned i = 0; i < bulk->count; i++) {
        setsockopt(bulk->streams[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(bulk->streams[i].fd);
    }
    close(bulk->epoll);
    free(bulk->streams);
    free(bulk->chunk);
}

static void work_on(const struct bulk *bulk, struct stream *s)
{
    for (int i = 0; i < TURNS; i++) {
        ssize_t n = s->sends ? send(s->fd, bulk->chunk, CHUNK, 0) : recv(s->fd, bulk->chunk, CHUNK, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            load_die(s->sends ? "send" : "the connection ended");
        if (!s->sends)
            s->received += (uint64_t)n;
    }
}

static void run_until(struct bulk *bulk, int64_t end)
{
    struct epoll_event events[EVENTS];
    while (load_now() < end) {
        int n = epoll_wait(bulk->epoll, events, EVENTS, 100);
        for (int i = 0; i < n; i++)
            work_on(bulk, events[i].data.ptr);
    }
}

static uint64_t bytes_so_far(const struct bulk *bulk)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < bulk->count; i++) {
        const struct stream *s = &bulk->streams[i];
        struct tcp_info info = {0};
        socklen_t len = sizeof(info);
        if (s->sends && getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
            load_die("TCP_INFO");
        sum += s->sends ? info.tcpi_bytes_acked : s->received;
    }
    return sum;
}

static void run_bulk(const struct load *load, unsigned sending, struct load_result *result)
{
    struct bulk bulk;
    open_streams(&bulk, load, sending);
    run_until(&bulk, load_now() + load->warm_up);
    uint64_t before = bytes_so_far(&bulk);
    int64_t start = load_now();
    run_until(&bulk, start + load->duration);
    result->bytes = bytes_so_far(&bulk) - before;
    result->seconds = (double)(load_now() - start) / 1e9;
    close_streams(&bulk);
}

void load_bulk_in(const struct load *load, struct load_result *result)
{
    run_bulk(load, load->connections, result);
}

void load_bulk_out(const struct load *load, struct load_result *result)
{
    run_bulk(load, 0, result);
}

void load_bulk_both(const struct load *load, struct load_result *result)
{
    run_bulk(load, load->connections / 2, result);
}
