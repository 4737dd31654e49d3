/* echo.c: question and answer over TCP, one at a time on each connection. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#define EVENTS 256

struct asker {
    int fd;
    int64_t asked;
    size_t answered; /* bytes of the answer so far */
};

struct echo {
    const struct load *load;
    struct load_histogram *histogram;
    struct asker *askers;
    int epoll;
};

static void ask(const struct echo *echo, struct asker *a)
{
    static const char question[1400];
    a->asked = load_now();
    a->answered = 0;
    if (send(a->fd, question, echo->load->size, 0) != (ssize_t)echo->load->size)
        load_die("send");
}

static void hear(const struct echo *echo, struct asker *a)
{
    char answer[1400];
    ssize_t n = recv(a->fd, answer, echo->load->size - a->answered, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        load_die("the connection ended");
    a->answered += (size_t)n;
    if (a->answered < echo->load->size)
        return;
    load_histogram_add(echo->histogram, load_now() - a->asked);
    ask(echo, a);
}

static void run_until(const struct echo *echo, int64_t end)
{
    struct epoll_event events[EVENTS];
    while (load_now() < end) {
        int n = epoll_wait(echo->epoll, events, EVENTS, 100);
        for (int i = 0; i < n; i++)
            hear(echo, events[i].data.ptr);
    }
}

static void open_askers(struct echo *echo)
{
    echo->epoll = epoll_create1(EPOLL_CLOEXEC);
    echo->askers = load_alloc(echo->load->connections * sizeof(*echo->askers));
    echo->histogram = load_alloc(sizeof(*echo->histogram));
    if (echo->epoll < 0)
        load_die("epoll");
    for (unsigned i = 0; i < echo->load->connections; i++) {
        struct asker *a = &echo->askers[i];
        a->fd = load_connect(echo->load, LOAD_PORT_ECHO, false);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = a};
        if (epoll_ctl(echo->epoll, EPOLL_CTL_ADD, a->fd, &event) < 0)
            load_die("epoll_ctl");
    }
}

void load_echo(const struct load *load, struct load_result *result)
{
    struct echo echo = {.load = load};
    open_askers(&echo);
    for (unsigned i = 0; i < load->connections; i++)
        ask(&echo, &echo.askers[i]);
    run_until(&echo, load_now() + load->warm_up);
    memset(echo.histogram, 0, sizeof(*echo.histogram));
    int64_t start = load_now();
    run_until(&echo, start + load->duration);
    result->seconds = (double)(load_now() - start) / 1e9;
    result->count = echo.histogram->count;
    result->p50 = load_histogram_share(echo.histogram, 0.50);
    result->p99 = load_histogram_share(echo.histogram, 0.99);
    for (unsigned i = 0; i < load->connections; i++)
        close(echo.askers[i].fd);
    close(echo.epoll);
    free(echo.askers);
    free(echo.histogram);
}
