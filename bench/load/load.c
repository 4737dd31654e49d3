/* load.c: tenon-load: puts one kind of load on a server for a while and prints what was reached, as one line of JSON. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const struct mode {
    const char *name;
    const char *help;
    void (*run)(const struct load *load, struct load_result *result);
} modes[] = {
    {"bulk-in", "as many bytes as go to discard (tcp/9), on -c connections", load_bulk_in},
    {"bulk-out", "… from chargen (tcp/19)", load_bulk_out},
    {"bulk-both", "… half of the connections this way, half that", load_bulk_both},
    {"echo", "question and answer with echo (tcp/7), one at a time on each of -c connections", load_echo},
    {"connect", "connect, read what daytime (tcp/13) says, close; one after the other", load_connects},
    {"datagram", "question and answer with echo (udp/7), -c in flight", load_datagrams},
    {"verify-in", "-b bytes that are known to a digest (tcp/1009); the hashes must agree", load_verify_in},
    {"verify-out", "-b bytes of chargen; they must be RFC 864's", load_verify_out},
    {"verify-both", "-b bytes through echo; the hashes must agree", load_verify_both},
};

enum {
    MODE_COUNT = sizeof(modes) / sizeof(modes[0])
};

static const char usage[] =
    "usage: tenon-load MODE ADDRESS [-c CONNECTIONS] [-s BYTES] [-t SECONDS] [-w SECONDS] [-b BYTES]\n";

int64_t load_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

void load_die(const char *what)
{
    fprintf(stderr, "tenon-load: %s: %s\n", what, strerror(errno));
    exit(1);
}

void *load_alloc(size_t size)
{
    void *memory = calloc(1, size);
    if (!memory)
        load_die("memory");
    return memory;
}

void load_use_cubic(int fd)
{
    (void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5);
}

int load_connect(const struct load *load, uint16_t port, bool nonblocking)
{
    static const int on = 1;
    static const struct timeval patience = {.tv_sec = 5};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = load->to};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        load_die("socket");
    load_use_cubic(fd);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        load_die("connect");
    if (nonblocking && fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        load_die("O_NONBLOCK");
    return fd;
}

static void print_result(const char *mode, const struct load_result *r)
{
    printf("{\"mode\": \"%s\", \"seconds\": %.6f, \"count\": %llu, \"bytes\": %llu, \"per_second\": %.1f, "
           "\"gbit_per_second\": %.4f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"lost\": %llu}\n",
           mode, r->seconds, (unsigned long long)r->count, (unsigned long long)r->bytes,
           (double)r->count / r->seconds, (double)r->bytes * 8 / r->seconds / 1e9, r->p50, r->p99,
           (unsigned long long)r->lost);
}

static const struct mode *find_mode(const char *name)
{
    for (size_t i = 0; i < MODE_COUNT; i++)
        if (strcmp(modes[i].name, name) == 0)
            return &modes[i];
    return NULL;
}

static void help(FILE *to)
{
    fputs(usage, to);
    for (size_t i = 0; i < MODE_COUNT; i++)
        fprintf(to, "    %-12s %s\n", modes[i].name, modes[i].help);
}

static int wrong_usage(const char *what)
{
    fprintf(stderr, "tenon-load: %s\n", what);
    help(stderr);
    return 2;
}

/* 0, or 2 after saying what is wrong. */
static int read_arguments(int argc, char **argv, struct load *load)
{
    int c;
    while ((c = getopt(argc, argv, "c:s:t:w:b:h")) != -1) {
        double value = optarg ? strtod(optarg, NULL) : 0;
        switch (c) {
        case 'c':
            load->connections = (unsigned)value;
            break;
        case 's':
            load->size = (size_t)value;
            break;
        case 't':
            load->duration = (int64_t)(value * 1e9);
            break;
        case 'w':
            load->warm_up = (int64_t)(value * 1e9);
            break;
        case 'b':
            load->bytes = (uint64_t)value;
            break;
        case 'h':
            help(stdout);
            exit(0);
        default:
            help(stderr);
            return 2;
        }
    }
    if (argc - optind != 2)
        return wrong_usage("a mode and an address are needed");
    if (load->connections < 1 || load->connections > 10000 || load->size < 8 || load->size > 1400 ||
        load->duration <= 0)
        return wrong_usage("1 to 10000 connections, questions of 8 to 1400 bytes, and some time");
    if (inet_pton(AF_INET, argv[optind + 1], &load->to) != 1)
        return wrong_usage("the address is not an IPv4 address");
    return 0;
}

int main(int argc, char **argv)
{
    struct load load = {.connections = 1,
                        .size = 64,
                        .warm_up = 200 * INT64_C(1000000),
                        .duration = 2 * INT64_C(1000000000),
                        .bytes = 1u << 30};
    int error = read_arguments(argc, argv, &load);
    if (error)
        return error;
    const struct mode *mode = find_mode(argv[optind]);
    if (!mode)
        return wrong_usage("there is no such mode");
    signal(SIGPIPE, SIG_IGN);
    struct load_result result = {.seconds = (double)load.duration / 1e9};
    mode->run(&load, &result);
    print_result(mode->name, &result);
    return 0;
}
