/* run.h: a script that is running: the stack, its clock, and those who talk to it. */
#ifndef TENON_SCRIPT_RUN_H
#define TENON_SCRIPT_RUN_H

#include "script.h"
#include "tenon/stack.h"

#define RUN_INTERFACE "h0"
#define RUN_PACKET    (SEGMENT_LEN_MAX + 600)
#define RUN_TICK      (100 * TN_USEC) /* of the stack's timers: it may be that much late */
#define RUN_LISTENERS 8

struct talk {
    struct segment_ends ends;
    int fd;               /* -1: none */
    bool bound;           /* it was given a port */
    bool has_peer;        /* the script said who the peer is */
    uint32_t stamp_heard; /* the last TSval of the stack's */
    uint32_t stamp;       /* the TSval of what the peer says without options of its own; 0: none */
    uint32_t window;
    uint32_t written, read; /* octets by the user */
};

struct run {
    const struct script *script;
    const struct step *step; /* the one that is done now */
    struct tn_stack *stack;
    tn_time now, start, last; /* last: when the step before was done */
    uint64_t random;
    bool trace;
    struct talk talks[SCRIPT_TALKS_MAX];
    struct {
        int fd;
        uint16_t port;
    } listeners[RUN_LISTENERS];
    size_t listener_count;
    struct tn_usage usage;      /* in use before the script began */
    uint8_t packet[RUN_PACKET]; /* that the stack has sent and nobody has heard yet */
    size_t packet_len;          /* 0: none */
    char *why;
    size_t why_size;
};

/* Says what is wrong, with the line. Always false. */
__attribute__((format(printf, 2, 3))) bool run_fail(struct run *run, const char *format, ...);
/* Seconds since the script began. */
double run_seconds(const struct run *run, tn_time time);

/* ---- The clock ---- */

/* What is to do now is done. */
void run_settle(struct run *run);
/* Whether the stack has sent something that nobody has heard yet. */
bool run_pending(struct run *run);
/* The clock goes to `until`, or to where the stack sends something. */
void run_advance(struct run *run, tn_time until);

/* ---- Steps ---- */

bool run_say(struct run *run);
bool run_hear(struct run *run, tn_time from, tn_time to);
bool run_icmp(struct run *run);
/* The stack has sent something that nobody expects. */
bool run_unexpected(struct run *run);
/* Every step that is a socket call or looks at something. */
bool run_call(struct run *run);

static inline struct talk *run_talk(struct run *run)
{
    return &run->talks[run->step->talk];
}

#endif
