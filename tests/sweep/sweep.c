/* sweep: transfers over TCP between two stacks in virtual time, each with a path, options, buffers and users by chance.
 *
 *     sweep [COUNT [FIRST]]    COUNT seeds from FIRST on (1000 from 1)
 *     sweep --seed SEED        one, and what it was
 *
 * Every transfer must end: with all bytes, or with ETIMEDOUT if the connection was allowed to lose patience, and by its bound;
 * what was read must be what was written, and nothing may leak. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "path.h"

#define PORT 7

/* ---- What is tried ---- */

struct trial {
    uint64_t seed, random;
    struct path_harm harm;
    char tcp[2][400]; /* options of each side */
    bool patient;     /* never gives up */
    uint32_t octets[2];
    uint32_t write_size[2];
    tn_time read_pause[2]; /* at most so long between two reads; 0: reads at once */
    bool nodelay;
    tn_time bound;
};

static uint32_t below(struct trial *t, uint32_t limit)
{
    return (uint32_t)(path_random(&t->random) % limit);
}

/* 2^n with n from `least` to `most`, and a bit. */
static uint32_t power(struct trial *t, unsigned least, unsigned most)
{
    uint32_t n = 1u << (least + below(t, most - least + 1));
    return n + below(t, n);
}

/* Something in half of all trials, else nothing. */
static uint32_t perhaps(struct trial *t, uint32_t limit)
{
    return below(t, 2) ? below(t, limit) : 0;
}

static const char *yes(struct trial *t)
{
    return below(t, 4) ? "yes" : "no";
}

static void choose_path(struct trial *t)
{
    struct path_harm *h = &t->harm;
    h->loss = perhaps(t, 301);
    h->duplicate = perhaps(t, 100);
    h->reorder = perhaps(t, 300);
    h->corrupt = perhaps(t, 50);
    h->delay = (1 + below(t, 500)) * TN_MSEC;
    h->jitter = perhaps(t, 50) * TN_MSEC;
    if (below(t, 4) == 0) {
        h->shrink = (1 + below(t, 20)) * 100 * TN_MSEC;
        h->shrink_by = below(t, 3) ? 1 + below(t, 4) : 16;
    }
}

static void choose_options(struct trial *t, unsigned side)
{
    const char *patience = t->patient ? "24h" : "5m";
    const char *sack = yes(t), *timestamps = yes(t), *scaling = yes(t);
    const char *congestion = below(t, 2) ? "cubic" : "newreno";
    uint32_t receive = power(t, 11, 19), send = power(t, 11, 19), reassembly = below(t, 100);
    uint32_t window = 1 + below(t, 16), delay = below(t, 200);
    snprintf(t->tcp[side], sizeof(t->tcp[side]),
             "{ user-timeout: %s, sack: %s, timestamps: %s, window-scaling: %s, congestion: %s, "
             "receive-buffer: %u, "
             "send-buffer: %u, reassembly-limit: %u, initial-window: %u, delayed-ack: %ums, time-wait: 1s }",
             patience, sack, timestamps, scaling, congestion, receive, send, reassembly, window, delay);
}

static void choose_users(struct trial *t, unsigned side)
{
    t->octets[side] = below(t, 4) ? power(t, 8, 16) : 0;
    t->write_size[side] = below(t, 3) ? 16384 : power(t, 0, 11);
    if (below(t, 3) == 0)
        t->read_pause[side] = (1 + below(t, 2000)) * TN_MSEC;
}

/* How long it may take: patience is not in it below a loss of 10 %, where timeouts in a row are rare. */
static tn_time bound(const struct trial *t)
{
    tn_time pauses = tn_max(t->read_pause[0], t->read_pause[1]) * 300 + t->harm.shrink * 300;
    unsigned harm = t->harm.loss + t->harm.corrupt;
    return pauses + (harm <= 100 ? 2 * 3600 * TN_SEC : 24 * 3600 * TN_SEC);
}

static struct trial choose(uint64_t seed)
{
    struct trial t = {.seed = seed, .random = ~seed};
    t.random = path_random(&t.random); /* rows of neighbouring seeds have nothing in common */
    t.patient = below(&t, 2);
    t.nodelay = below(&t, 2);
    choose_path(&t);
    for (unsigned side = 0; side < 2; side++) {
        choose_options(&t, side);
        choose_users(&t, side);
    }
    t.bound = bound(&t);
    return t;
}

static void describe(const struct trial *t)
{
    const struct path_harm *h = &t->harm;
    printf("    loss %u, duplicate %u, reorder %u, corrupt %u in 1000; delay %" PRIu64 " ms, jitter %" PRIu64
           " ms; windows shrink by %u every %" PRIu64 " ms\n",
           h->loss, h->duplicate, h->reorder, h->corrupt, h->delay / TN_MSEC, h->jitter / TN_MSEC,
           h->shrink_by, h->shrink / TN_MSEC);
    for (unsigned i = 0; i < 2; i++)
        printf("    %s: %u octets, %u at a time, reads every %" PRIu64 " ms, tcp %s\n",
               i ? "server" : "client", t->octets[i], t->write_size[i], t->read_pause[i] / TN_MSEC,
               t->tcp[i]);
}

/* ---- Users ---- */

struct side {
    struct tn_stack *stack;
    struct tn_usage start;
    const struct trial *trial;
    unsigned number;
    int fd;
    uint32_t written, read;
    tn_time read_at;
    bool eof, wrong;
    int error;
};

static uint8_t octet(const struct trial *t, unsigned side, uint32_t n)
{
    uint64_t state = t->seed * 2 + side + (uint64_t)(n >> 3) * 0x9e3779b9u;
    return (uint8_t)(path_random(&state) >> (n & 7) * 8);
}

static void writes(struct side *s)
{
    uint8_t bytes[16384];
    uint32_t all = s->trial->octets[s->number], most = s->trial->write_size[s->number];
    while (s->written <= all) {
        uint32_t len = all - s->written < most ? all - s->written : most;
        if (len == 0) {
            if (tn_shutdown(s->stack, s->fd, SHUT_WR) == 0) /* it is connected */
                s->written = all + 1;                       /* done */
            return;
        }
        for (uint32_t i = 0; i < len; i++)
            bytes[i] = octet(s->trial, s->number, s->written + i);
        ssize_t n = tn_send(s->stack, s->fd, bytes, len, 0);
        if (n < 0 && n != -EAGAIN && !s->error)
            s->error = (int)-n;
        if (n <= 0)
            return;
        s->written += (uint32_t)n;
    }
}

static void reads(struct side *s, tn_time now, uint64_t *random)
{
    uint8_t bytes[8192];
    ssize_t n = 0;
    if (s->eof || now < s->read_at)
        return;
    tn_time pause = s->trial->read_pause[s->number];
    do {
        n = tn_recv(s->stack, s->fd, bytes, sizeof(bytes), 0);
        for (ssize_t i = 0; i < n; i++)
            s->wrong = s->wrong || bytes[i] != octet(s->trial, !s->number, s->read + (uint32_t)i);
        s->read += n > 0 ? (uint32_t)n : 0;
    } while (n > 0 && pause == 0);
    if (pause)
        s->read_at = now + path_random(random) % pause;
    s->eof = n == 0 || (n < 0 && n != -EAGAIN);
    if (n < 0 && n != -EAGAIN)
        s->error = (int)-n;
}

/* Who neither reads nor writes any more learns of the end in another way. */
static void look(struct side *s)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    bool open = tn_getsockopt(s->stack, s->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0;
    if (!open || info.tcpi_state == TCP_CLOSE) {
        len = sizeof(s->error);
        tn_getsockopt(s->stack, s->fd, SOL_SOCKET, SO_ERROR, &s->error, &len);
    }
}

static bool side_done(const struct side *s)
{
    return s->eof && !s->error && s->written > s->trial->octets[s->number] &&
           s->read == s->trial->octets[!s->number];
}

/* ---- One trial ---- */

struct run {
    struct trial trial;
    struct tn_sim *sim;
    struct path *path;
    struct side sides[2]; /* client, server */
    int listener;
    tn_time begin;
    char failure[200];
};

static const struct sockaddr_in server = {
    .sin_family = AF_INET, .sin_port = PORT << 8, .sin_addr.s_addr = 0x0707000a}; /* 10.0.7.7 */

static void add(struct run *run, unsigned side)
{
    char yaml[1024];
    struct tn_error error;
    struct side *s = &run->sides[side];
    *s = (struct side){.trial = &run->trial, .number = side, .fd = -1};
    snprintf(yaml, sizeof(yaml),
             "stack: { name: side }\n"
             "interfaces: { h0: { driver: host, mode: ip, addresses: [10.0.7.%d/24] } }\n"
             "protocols: { rawip: {}, ipv4: {}, icmp: {}, tcp: %s }\n",
             side ? 7 : 1, run->trial.tcp[side]);
    if (tn_sim_add(run->sim, yaml, &s->stack, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        exit(2);
    }
}

static void begin(struct run *run)
{
    struct side *client = &run->sides[0], *host = &run->sides[1];
    run->sim = tn_sim_create(run->trial.seed);
    tn_sim_plugin_path(run->sim, TN_TEST_PLUGIN_DIR);
    add(run, 0);
    add(run, 1);
    run->path =
        path_create(run->sim, client->stack, host->stack, &run->trial.harm, path_random(&run->trial.random));
    tn_sim_settle(run->sim);
    tn_stack_usage(client->stack, &client->start);
    tn_stack_usage(host->stack, &host->start);
    run->begin = tn_sim_now(run->sim);
    run->listener = tn_socket(host->stack, AF_INET, SOCK_STREAM, 0);
    tn_bind(host->stack, run->listener, (const struct sockaddr *)&server, sizeof(server));
    tn_listen(host->stack, run->listener, 5);
    client->fd = tn_socket(client->stack, AF_INET, SOCK_STREAM, 0);
    int on = run->trial.nodelay;
    tn_setsockopt(client->stack, client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    tn_connect(client->stack, client->fd, (const struct sockaddr *)&server, sizeof(server));
}

static void pump(struct run *run)
{
    struct side *host = &run->sides[1];
    if (host->fd < 0)
        host->fd = tn_accept(host->stack, run->listener, NULL, NULL);
    for (struct side *s = run->sides; s < run->sides + 2; s++) {
        if (s->fd < 0)
            continue;
        reads(s, tn_sim_now(run->sim), &run->trial.random);
        writes(s);
        if (!s->error && s->eof && !run->trial.patient)
            look(s);
    }
    tn_sim_settle(run->sim);
    path_take(run->path);
}

/* Lets time pass until something can happen, but not beyond `until`. */
static bool wait(struct run *run, tn_time until)
{
    tn_time next = tn_min(path_due(run->path), until);
    for (struct side *s = run->sides; s < run->sides + 2; s++)
        if (!s->eof && s->read_at > tn_sim_now(run->sim))
            next = tn_min(next, s->read_at);
    tn_sim_advance(run->sim, next);
    path_take(run->path);
    path_deliver(run->path);
    tn_sim_settle(run->sim);
    return tn_sim_now(run->sim) < until;
}

static bool is_over(const struct run *run)
{
    const struct side *a = &run->sides[0], *b = &run->sides[1];
    return (side_done(a) && side_done(b)) || a->error || b->error || a->wrong || b->wrong;
}

static void fail(struct run *run, const char *what)
{
    const struct side *a = &run->sides[0], *b = &run->sides[1];
    if (run->failure[0])
        return;
    snprintf(run->failure, sizeof(run->failure),
             "%s; client read %u of %u (error %d), server %u of %u (error %d)", what, a->read,
             run->trial.octets[1], a->error, b->read, run->trial.octets[0], b->error);
}

static void judge(struct run *run)
{
    const struct side *a = &run->sides[0], *b = &run->sides[1];
    int error = a->error ? a->error : b->error;
    if (a->wrong || b->wrong)
        fail(run, "other bytes than were written");
    else if (error && (error != ETIMEDOUT || run->trial.patient))
        fail(run, "an error that should not be");
    else if (!error && !(side_done(a) && side_done(b)))
        fail(run, "not done by its bound");
}

/* Closes both; what is left ends by itself. */
static void end(struct run *run)
{
    for (struct side *s = run->sides; s < run->sides + 2; s++)
        if (s->fd >= 0)
            tn_close(s->stack, s->fd);
    tn_close(run->sides[1].stack, run->listener);
    tn_time until = tn_sim_now(run->sim) + 48 * 3600 * TN_SEC;
    do
        path_take(run->path); /* what is in a stack's queue is a packet of its */
    while ((tn_sim_deadline(run->sim) != TN_NEVER || path_due(run->path) != TN_NEVER) && wait(run, until));
    for (struct side *s = run->sides; s < run->sides + 2; s++) {
        struct tn_usage usage;
        tn_stack_usage(s->stack, &usage);
        if (usage.packets != s->start.packets || usage.sockets != s->start.sockets ||
            usage.plugin_bytes != s->start.plugin_bytes)
            fail(run, "something leaked");
    }
    path_destroy(run->path);
}

struct totals {
    unsigned done, timed_out, failed;
    uint64_t again, timeouts, early, probes;
    tn_time longest;
    uint64_t longest_seed;
};

static void count(struct run *run, struct totals *totals)
{
    tn_time span = tn_sim_now(run->sim) - run->begin;
    if (run->failure[0])
        totals->failed++;
    else if (run->sides[0].error || run->sides[1].error)
        totals->timed_out++;
    else
        totals->done++;
    if (span > totals->longest) {
        totals->longest = span;
        totals->longest_seed = run->trial.seed;
    }
    for (struct side *s = run->sides; s < run->sides + 2; s++) {
        totals->again += tn_stack_counter(s->stack, "tcp", "retransmits");
        totals->timeouts += tn_stack_counter(s->stack, "tcp", "retransmit-timeouts");
        totals->early += tn_stack_counter(s->stack, "tcp", "spurious-timeouts");
        totals->probes += tn_stack_counter(s->stack, "tcp", "tail-probes");
    }
}

static void try_seed(uint64_t seed, struct totals *totals, bool verbose)
{
    struct run run = {.trial = choose(seed)};
    begin(&run);
    do
        pump(&run);
    while (!is_over(&run) && wait(&run, run.begin + run.trial.bound));
    judge(&run);
    tn_time span = tn_sim_now(run.sim) - run.begin;
    struct totals before = *totals;
    count(&run, totals);
    end(&run);
    if (run.failure[0] && totals->failed == before.failed)
        totals->failed++;
    if (run.failure[0])
        printf("seed %" PRIu64 ": %s after %.1f s\n    again with: ./dev sweep --seed %" PRIu64 "\n", seed,
               run.failure, (double)span / 1e9, seed);
    else if (verbose)
        printf("seed %" PRIu64 ": %.1f s, error %d\n", seed, (double)span / 1e9, run.sides[0].error);
    if (run.failure[0] || verbose)
        describe(&run.trial);
    tn_sim_destroy(run.sim);
}

int main(int argc, char **argv)
{
    struct totals totals = {.done = 0};
    if (argc == 3 && !strcmp(argv[1], "--seed")) {
        try_seed(strtoull(argv[2], NULL, 0), &totals, true);
        return totals.failed > 0;
    }
    uint64_t number = argc > 1 ? strtoull(argv[1], NULL, 0) : 1000;
    uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
    for (uint64_t seed = first; seed < first + number; seed++)
        try_seed(seed, &totals, false);
    printf("%u transfers: %u with all bytes, %u timed out as they may, %u failed; %" PRIu64
           " segments again, %" PRIu64 " timeouts (%" PRIu64 " found needless), %" PRIu64
           " tail probes; the longest took %.0f s (seed %" PRIu64 ")\n",
           (unsigned)number, totals.done, totals.timed_out, totals.failed, totals.again, totals.timeouts,
           totals.early, totals.probes, (double)totals.longest / 1e9, totals.longest_seed);
    return totals.failed > 0;
}
