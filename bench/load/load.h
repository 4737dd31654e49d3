/* load.h: a load generator on kernel sockets: what its files share.
 *
 *     load.c        arguments, the clock, the result as JSON
 *     histogram.c   latencies
 *     bulk.c        as many bytes as go: to discard, from chargen, both
 *     echo.c        question and answer over TCP
 *     connect.c     connect, read what daytime says, close
 *     datagram.c    question and answer over UDP, so many in flight
 *     verify.c      bytes that are known, through echo, from chargen and to a digest */
#ifndef TENON_LOAD_H
#define TENON_LOAD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    LOAD_PORT_ECHO = 7,
    LOAD_PORT_DISCARD = 9,
    LOAD_PORT_DAYTIME = 13,
    LOAD_PORT_CHARGEN = 19,
    LOAD_PORT_DIGEST = 1009, /* bench/digest: answers with the hash of what it got */
};

struct load {
    struct in_addr to;
    unsigned connections; /* or datagrams in flight */
    size_t size;          /* bytes of a question */
    int64_t warm_up;      /* nanoseconds before measuring begins */
    int64_t duration;     /* … of measuring */
    uint64_t bytes;       /* verify: how many */
};

/* What was measured; what does not apply is 0. */
struct load_result {
    uint64_t count; /* answers, connections */
    uint64_t bytes;
    double seconds;
    double p50; /* microseconds */
    double p99;
    uint64_t lost; /* datagrams without an answer */
};

/* Latencies, counted in steps of 100 ns up to 100 ms. */
#define LOAD_STEP    100
#define LOAD_BUCKETS 1000000

struct load_histogram {
    uint64_t count;
    uint32_t bucket[LOAD_BUCKETS + 1]; /* the last: longer */
};

void load_histogram_add(struct load_histogram *h, int64_t nanoseconds);
/* The latency that `share` (0 to 1) of all do not exceed, in microseconds. */
double load_histogram_share(const struct load_histogram *h, double share);

/* Nanoseconds on CLOCK_MONOTONIC. */
int64_t load_now(void);
/* Says what could not be done (with errno) and ends the program. */
_Noreturn void load_die(const char *what);
/* The kernel's default differs from machine to machine; the measure is CUBIC, where the kernel has it. */
void load_use_cubic(int fd);
/* Zeroed memory; ends the program where there is none. */
void *load_alloc(size_t size);
/* A connection to a port of the address under load, not blocking if `nonblocking`. */
int load_connect(const struct load *load, uint16_t port, bool nonblocking);

void load_bulk_in(const struct load *load, struct load_result *result);
void load_bulk_out(const struct load *load, struct load_result *result);
void load_bulk_both(const struct load *load, struct load_result *result);
void load_echo(const struct load *load, struct load_result *result);
void load_connects(const struct load *load, struct load_result *result);
void load_datagrams(const struct load *load, struct load_result *result);
void load_verify_in(const struct load *load, struct load_result *result);
void load_verify_out(const struct load *load, struct load_result *result);
void load_verify_both(const struct load *load, struct load_result *result);

#endif
