/* datagram.c: question and answer over UDP, so many in flight; each question carries its number and when it was asked. A
 * question without an answer is asked again after a while, and counted as lost. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#define BATCH      64
#define ANSWER_MAX 1400
#define PATIENCE   (20 * INT64_C(1000000))

struct question {
    uint32_t number;
    uint32_t turn; /* an answer to an earlier turn is late */
};

struct flight {
    const struct load *load;
    struct load_histogram *histogram;
    int64_t *asked;
    uint32_t *turn;
    uint64_t lost;
    int fd;
    struct mmsghdr messages[BATCH];
    struct iovec pieces[BATCH];
    char bytes[BATCH][ANSWER_MAX];
};

static void send_batch(struct flight *f, unsigned count)
{
    unsigned done = 0;
    while (done < count) {
        int n = sendmmsg(f->fd, f->messages + done, count - done, 0);
        if (n < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED)
            load_die("sendmmsg");
        if (n > 0)
            done += (unsigned)n;
    }
}

/* Puts question `number` into place `at` of the batch. */
static void put(struct flight *f, unsigned at, uint32_t number, int64_t now)
{
    struct question q = {.number = number, .turn = ++f->turn[number]};
    memcpy(f->bytes[at], &q, sizeof(q));
    f->pieces[at].iov_len = f->load->size;
    f->asked[number] = now;
}

static void ask_stale(struct flight *f, int64_t now, int64_t patience)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < f->load->connections; i++) {
        if (now - f->asked[i] < patience)
            continue;
        f->lost += f->turn[i] > 0;
        put(f, n++, i, now);
        if (n == BATCH) {
            send_batch(f, n);
            n = 0;
        }
    }
    send_batch(f, n);
}

/* Answers that came, each followed by the next question in its place. */
static void hear(struct flight *f)
{
    for (unsigned i = 0; i < BATCH; i++)
        f->pieces[i].iov_len = ANSWER_MAX;
    int n = recvmmsg(f->fd, f->messages, BATCH, MSG_DONTWAIT, NULL);
    int64_t now = load_now();
    unsigned next = 0;
    for (int i = 0; i < n; i++) {
        struct question q;
        memcpy(&q, f->bytes[i], sizeof(q));
        if (f->messages[i].msg_len != f->load->size || q.number >= f->load->connections ||
            q.turn != f->turn[q.number])
            continue;
        load_histogram_add(f->histogram, now - f->asked[q.number]);
        put(f, next++, q.number, now);
    }
    for (unsigned i = 0; i < next; i++)
        f->pieces[i].iov_len = f->load->size;
    send_batch(f, next);
}

static void run_until(struct flight *f, int64_t end)
{
    int64_t now;
    while ((now = load_now()) < end) {
        struct pollfd p = {.fd = f->fd, .events = POLLIN};
        if (poll(&p, 1, 20) > 0)
            hear(f);
        else
            ask_stale(f, now, PATIENCE);
    }
}

static void open_flight(struct flight *f)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(LOAD_PORT_ECHO), .sin_addr = f->load->to};
    f->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    f->histogram = load_alloc(sizeof(*f->histogram));
    f->asked = load_alloc(f->load->connections * sizeof(*f->asked));
    f->turn = load_alloc(f->load->connections * sizeof(*f->turn));
    if (f->fd < 0 || connect(f->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        load_die("datagram socket");
    for (unsigned i = 0; i < BATCH; i++) {
        f->pieces[i].iov_base = f->bytes[i];
        f->messages[i].msg_hdr.msg_iov = &f->pieces[i];
        f->messages[i].msg_hdr.msg_iovlen = 1;
    }
}

void load_datagrams(const struct load *load, struct load_result *result)
{
    struct flight *f = load_alloc(sizeof(*f));
    f->load = load;
    open_flight(f);
    ask_stale(f, load_now(), 0);
    run_until(f, load_now() + load->warm_up);
    memset(f->histogram, 0, sizeof(*f->histogram));
    f->lost = 0;
    int64_t start = load_now();
    run_until(f, start + load->duration);
    result->seconds = (double)(load_now() - start) / 1e9;
    result->count = f->histogram->count;
    result->lost = f->lost;
    result->p50 = load_histogram_share(f->histogram, 0.50);
    result->p99 = load_histogram_share(f->histogram, 0.99);
    close(f->fd);
    free(f->histogram);
    free(f->asked);
    free(f->turn);
    free(f);
}
