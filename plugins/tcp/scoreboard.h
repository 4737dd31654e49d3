/* scoreboard.h: what is in flight, and what became of it (scoreboard.c). */
#ifndef TENON_TCP_SCOREBOARD_H
#define TENON_TCP_SCOREBOARD_H

#include "connection.h"

/* A run of octets in flight that were sent at one time and share one fate (scoreboard.c). */
enum tcp_fate {
    TCP_FATE_SENT,   /* in flight */
    TCP_FATE_RESENT, /* … for the second time at least */
    TCP_FATE_LOST,   /* to be sent again */
    TCP_FATE_SACKED, /* the peer has it */
};

struct tcp_run {
    struct tcp_run *next; /* in order of sequence numbers */
    struct tcp_run *prev;
    struct tcp_run *later; /* those on their way, in the order in which they were sent */
    struct tcp_run *earlier;
    tn_time sent; /* when last */
    uint32_t start;
    uint32_t end;  /* the sequence number after the last */
    uint8_t fate;  /* enum tcp_fate */
    bool repeated; /* was sent more than once: no round-trip time can be told (Karn, RFC 6298 §3) */
};

/* Finding out whether a timeout was needed (spurious.c, RFC 5682 §2.1, §3.1). */
enum tcp_frto {
    TCP_FRTO_OFF,
    TCP_FRTO_FIRST,  /* the first acknowledgement after the timeout is awaited */
    TCP_FRTO_NEW,    /* it has come: new data goes now, nothing again */
    TCP_FRTO_SECOND, /* the second is awaited */
};

/* What a connection remembers while something is in flight; there is no such record while nothing is. */
struct tcp_flight {
    struct tcp_run *head; /* all of [snd_una, snd_nxt) in order, but for a SYN */
    struct tcp_run *tail;
    struct tcp_run *earliest; /* TCP_FATE_SENT and TCP_FATE_RESENT by time */
    struct tcp_run *latest;
    tn_time timeout_at; /* deadlines, TN_NEVER: none. conn->retransmit_at is the earliest of them */
    tn_time probe_at;   /* a tail probe (RFC 8985 §7.2) */
    tn_time reorder_at; /* what has been overtaken counts as lost then (RFC 8985 §6.2) */

    /* RACK: the segment sent last of those that the peer has: when it was sent, its end, its round-trip time */
    tn_time rack_sent; /* 0: none */
    tn_time rack_rtt;
    uint32_t rack_end;
    uint32_t highest; /* sequence number after the last octet that the peer has (RACK.fack) */

    uint32_t sacked; /* octets in flight that the peer has; without SACK: an estimate from duplicate ACKs */
    uint32_t lost;   /* octets in runs of TCP_FATE_LOST */
    uint16_t run_count;
    uint8_t dupacks;
    uint8_t frto; /* enum tcp_frto */

    /* Proportional rate reduction */
    uint32_t recover_flight; /* RecoverFS */
    uint32_t prr_delivered;
    uint32_t prr_out;

    /* An episode of recovery that can be undone; it may be over. */
    bool undo;
    bool undo_by_echo;   /* the next echoed timestamp tells (RFC 3522) */
    bool undo_timeout;   /* it began with a timeout */
    uint32_t undo_start; /* snd_una when it began */
    uint32_t undo_end;   /* sequence number after the highest octet sent again in it */
    uint32_t
        undo_again; /* octets sent again in it, less those of which the peer reported that they came twice */
    uint32_t undo_stamp; /* timestamp of the first that was sent again */

    bool own_in_use;
    struct tcp_run own; /* most flights have no other */
};

/* Octets sent and neither acknowledged, selectively acknowledged nor lost: `pipe` of RFC 6675. */
static inline uint32_t tcp_pipe(const struct tcp_conn *conn)
{
    uint32_t flight = conn->snd_nxt - conn->snd_una;
    uint32_t gone = conn->flight ? conn->flight->sacked + conn->flight->lost : 0;
    return flight > gone ? flight - gone : 0;
}

/* What an acknowledgement told. */
struct tcp_delivery {
    uint32_t octets;   /* newly acknowledged or selectively acknowledged */
    uint32_t acked;    /* … of them cumulatively */
    uint32_t once;     /* … sent only once, and before the timeout if there was one */
    tn_time sent;      /* when the latest of those that were sent once was sent; 0: none */
    tn_time resent;    /* when the latest of the others was sent last */
    tn_time rack_sent; /* when the latest of both was sent, as far as that is known for sure; 0: none */
    uint32_t rack_end; /* … and the end of it */
    uint32_t highest;  /* end of the highest (with octets > 0) */
    bool reordered;    /* one that was sent once came later than one above it */
    bool duplicate;    /* it is a duplicate acknowledgement (RFC 5681 §2, RFC 6675 §2) */
    bool plain;        /* … without a SACK option */
    bool has_dsack;    /* [dsack_start, dsack_end) came twice */
    bool has_echo;     /* of timestamps */
    uint32_t echo;
    uint32_t dsack_start, dsack_end;
};

/* The record of what is in flight, made if there is none; NULL if there is no memory. */
struct tcp_flight *tcp_flight_get(struct tn_self *self, struct tcp_conn *conn);
/* Nothing is in flight any more: as if it were a new record, unless something can be undone. */
void tcp_flight_reset(struct tn_self *self, struct tcp_conn *conn);
/* Frees it if nothing is in flight and nothing can be undone, or (`all`) in any case with all that lies in it. */
void tcp_flight_release(struct tn_self *self, struct tcp_conn *conn, bool all);
/* [snd_nxt, end) is being sent: notes it; snd_nxt is the caller's. False if there is no record to be had. */
bool tcp_runs_append(struct tn_self *self, struct tcp_conn *conn, uint32_t end);
/* Everything before `ack` is acknowledged (snd_una is the caller's). */
void tcp_runs_acked(struct tn_self *self, struct tcp_conn *conn, uint32_t ack, struct tcp_delivery *delivery);
/* The peer has [start, end), which lies within what is in flight. */
void tcp_runs_sacked(struct tn_self *self, struct tcp_conn *conn, uint32_t start, uint32_t end,
                     struct tcp_delivery *delivery);
/* The run, which is on its way, is lost. */
void tcp_runs_lose(struct tn_self *self, struct tcp_conn *conn, struct tcp_run *run);
/* Marks the first `octets` in flight as lost, unless they have been sent again (`again`: even then). */
void tcp_runs_lose_first(struct tn_self *self, struct tcp_conn *conn, uint32_t octets, bool again);
/* Marks as lost all that the peer is not known to have. */
void tcp_runs_lose_all(struct tn_self *self, struct tcp_conn *conn);
/* Nothing is lost after all: it is on its way. */
void tcp_runs_lose_none(struct tn_self *self, struct tcp_conn *conn);
/* Forgets all selective acknowledgements. */
void tcp_runs_forget_sacks(struct tn_self *self, struct tcp_conn *conn);
/* The first run that is to be sent again, from `run` on; NULL if there is none. */
struct tcp_run *tcp_runs_next_lost(struct tcp_run *run);
/* The first `octets` of the run are being sent again; returns the run that follows them. */
struct tcp_run *tcp_runs_resent(struct tn_self *self, struct tcp_conn *conn, struct tcp_run *run,
                                uint32_t octets);
/* The last `octets` in flight at most, as a run of their own if that can be. */
struct tcp_run *tcp_runs_last(struct tn_self *self, struct tcp_conn *conn, uint32_t octets);

#endif
