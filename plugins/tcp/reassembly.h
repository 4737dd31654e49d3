/* reassembly.h: data that came out of order (reassembly.c). */
#ifndef TENON_TCP_REASSEMBLY_H
#define TENON_TCP_REASSEMBLY_H

#include "connection.h"
#include "segment.h"

/* Octets without a gap that wait for those before them (reassembly.c). */
struct tcp_block {
    struct tcp_block *prev; /* in order of sequence numbers */
    struct tcp_block *next;
    struct tcp_block *left; /* in the tree */
    struct tcp_block *right;
    struct tcp_block *newer; /* in the order in which they last grew */
    struct tcp_block *older;
    struct tn_packet *head; /* packets in order, linked through ->next; scratch[0] is where each starts */
    struct tn_packet *tail;
    uint32_t start;
    uint32_t end;
    uint32_t priority; /* random: no block's is larger than that of the one above it in the tree */
};

/* What a connection has of them; it has this only while there are some. */
struct tcp_reassembly {
    struct tcp_block *root;
    struct tcp_block *first;
    struct tcp_block *last;
    struct tcp_block *newest;
    uint32_t held; /* packets */
};

/* Keeps the segment's payload, which begins beyond rcv_nxt. Consumes the packet. Returns whether something new was in
 * it. */
bool tcp_reassembly_keep(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg);
/* Hands a packet, which is next in order, to the socket. Consumes it. */
void tcp_deliver(struct tn_self *self, struct tcp_conn *conn, struct tn_packet *packet);
/* Hands to the socket what now is in order, moving rcv_nxt; returns how many octets. */
uint32_t tcp_reassembly_deliver(struct tn_self *self, struct tcp_conn *conn);
/* SACK blocks to report, the newest first (RFC 2018 §4); returns how many, at most `max`. */
size_t tcp_reassembly_blocks(const struct tcp_conn *conn, uint32_t (*blocks)[2], size_t max);
/* The sequence number after the last octet that has come. */
uint32_t tcp_reassembly_end(const struct tcp_conn *conn);
void tcp_reassembly_free(struct tn_self *self, struct tcp_conn *conn);

#endif
