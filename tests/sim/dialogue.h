/* dialogue.h: tests of TCP that read like a dialogue. The test is the peer: it says segments to a stack behind a host link
 * (IP packets, no Ethernet) and hears what the stack answers, in virtual time. Nothing of the stack's own code makes or
 * reads the segments.
 *
 *     dialogue_listen(&d);
 *     peer(&d, "S 0 win 65535 <mss 1460>");
 *     stack(&d, "S. 0 ack 1 <mss 1460>");
 *     peer(&d, ". 1 ack 1");
 *     user_accepts(&d);
 *     peer(&d, "P. 1:101 ack 1");
 *     stack_after(&d, 40 * TN_MSEC, ". 1 ack 101");
 *
 * A segment is written as
 *     FLAGS SEQ[:END] [ack N] [win N] [urg N] [ecn N] [<OPTIONS>] [!WHAT]
 * FLAGS are tcpdump's letters (S, F, R, P, U, E, W and '.' for ACK, '-' for none); numbers are relative to the initial
 * sequence numbers, so that 0 is the SYN; END - SEQ octets of data follow, which are the same for the same number in every
 * segment; `urg` is the urgent pointer, `ecn` the field of the IP header. OPTIONS are
 * "mss 1460,sackOK,TS val 1 ecr 2,nop,wscale 7,sack 3:4 5:6,eol", or "hex 0a0b" for bytes as they are. In a segment that is expected, what is not written is not looked at, and a number may be '*'. `!` does harm to one
 * that is sent: !checksum, !short (cut within the header), !offset N (of the header's length field). */
#ifndef TENON_TESTS_DIALOGUE_H
#define TENON_TESTS_DIALOGUE_H

#include "tenon/sim.h"

struct dialogue {
    struct tn_sim *sim;
    struct tn_stack *stack;
    struct tn_usage start; /* in use before anything happened */
    int listener, fd;      /* -1: none */
    uint16_t port;         /* the stack's */
    uint16_t peer_port;
    uint32_t iss; /* the stack's initial sequence number, once heard */
    bool iss_known;
    uint32_t isn;      /* the peer's own */
    uint32_t ts_heard; /* the last TSval of the stack's */
    uint32_t ts_said;  /* the TSval that `peer` puts into segments without options of their own; 0: none */
    uint16_t window;   /* … and their window */
    tn_time heard_at;  /* when the last segment came from the stack */
    uint8_t own[4], other[4]; /* addresses */
    uint32_t written, read;   /* octets by the user, for their contents */
};

/* A stack at 10.0.7.7 with these options of tcp ("{ time-wait: 2s }", or "{}"); the peer is 10.0.7.1. */
void dialogue_start(struct dialogue *d, const char *tcp);
/* Closes what is open, lets it end, and checks that nothing leaked. */
void dialogue_stop(struct dialogue *d);

/* ---- The peer ---- */

void peer(struct dialogue *d, const char *segment);
/* The same, but the stack gets it together with the next one: both are in one batch. */
void peer_at_once(struct dialogue *d, const char *segment);
/* The network tells the stack that this segment of its own could not be delivered: an ICMP message. */
void icmp(struct dialogue *d, uint8_t type, uint8_t code, uint16_t mtu, const char *segment);

/* ---- The stack ---- */

/* The next segment that the stack has sent is this one. */
void stack(struct dialogue *d, const char *segment);
/* It has sent nothing yet, and sends this one when `span` has passed (to a tick). */
void stack_after(struct dialogue *d, tn_time span, const char *segment);
/* It has sent nothing. */
void stack_silent(struct dialogue *d);
/* It sends nothing while `span` passes. */
void stack_silent_for(struct dialogue *d, tn_time span);
/* The next segment that it has sent, in words: FLAGS SEQ:END ack N … (overwritten by the next call); NULL if there is none. */
const char *stack_says(struct dialogue *d);
/* Takes whatever it has sent; how many segments. */
unsigned stack_said(struct dialogue *d);
/* "ESTABLISHED" of the dialogue's connection; "" if there is none. */
const char *stack_state(struct dialogue *d);
uint64_t tcp_counter(struct dialogue *d, const char *name);
uint64_t tcp_drops(struct dialogue *d, const char *reason);

/* ---- The user ---- */

void user_listens(struct dialogue *d);
void user_accepts(struct dialogue *d);
void user_connects(struct dialogue *d);
/* Writes so many octets; they must all be taken. */
void user_writes(struct dialogue *d, size_t octets);
/* The same with MSG_… flags. */
void user_sends(struct dialogue *d, size_t octets, int flags);
/* Reads exactly so many octets (as many as there are must be no fewer), and checks them. */
void user_reads(struct dialogue *d, size_t octets);
/* A read returns this: 0 at the end, or a negative errno. */
void user_reads_nothing(struct dialogue *d, int result);
void user_shuts_down(struct dialogue *d);
void user_closes(struct dialogue *d);
int user_error(struct dialogue *d); /* SO_ERROR */
void user_sets(struct dialogue *d, int level, int name, int value);

/* ---- Beginnings ---- */

/* The peer connects to the stack, which offers only the MSS option in its answer if `options` of the peer are "mss 1460",
 * and so on; the user has accepted. */
void established(struct dialogue *d, const char *tcp, const char *options);
/* The user connects to the peer. */
void connected(struct dialogue *d, const char *tcp, const char *options);

#endif
