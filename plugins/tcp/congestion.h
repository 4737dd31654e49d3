/* congestion.h: how fast a connection may send: what it measures, and what it is told (rtt.c, congestion.c, ecn.c). */
#ifndef TENON_TCP_CONGESTION_H
#define TENON_TCP_CONGESTION_H

#include "connection.h"

struct tcp_pmtu;
struct tcp_segment;

/* What congestion control remembers of a connection that sends (congestion.c), or that knows a smaller path MTU. */
struct tcp_cc {
    struct tcp_pmtu *pmtu; /* NULL: the interface's MTU is the path's, for all that is known */
    struct tcp_cc *saved;  /* as it was before the last reduction; NULL: it can't be undone */
    uint32_t cwnd;         /* in a saved one: of the connection, then */
    uint32_t ssthresh;
    uint32_t acked;      /* told of in this batch: octets … */
    uint32_t count;      /* … and acknowledgements */
    uint32_t used_at;    /* tcp_clock() when at least half of the window was in use */
    uint32_t reduced_at; /* with TCP_ECN_REDUCED: snd_nxt then */
    uint32_t rtt;        /* least round-trip time measured in this batch, microseconds; 0: none */
    uint64_t record[TN_CONGESTION_RECORD / 8];
};

/* ---- rtt.c ---- */

void tcp_rtt_init(struct tn_self *self, struct tcp_conn *conn);
/* Takes a measurement into account, and undoes the back-off (Karn). */
void tcp_rtt_sample(struct tn_self *self, struct tcp_conn *conn, tn_time rtt);
/* What was sent again, last at `sent`, is acknowledged, and nothing measured it. Returns whether that came when an
 * acknowledgement of the last copy was to be expected; the timeout is not backed off then. */
bool tcp_rtt_unmeasured(struct tn_self *self, struct tcp_conn *conn, tn_time sent);
/* The retransmission timeout, backed off. */
tn_time tcp_rto(const struct tn_self *self, const struct tcp_conn *conn);

/* ---- congestion.c ---- */

/* The connection's record, made if there is none; NULL if there is no memory. */
struct tcp_cc *tcp_cc_record(struct tn_self *self, struct tcp_conn *conn);
/* The handshake is complete; mss is known. */
void tcp_cc_init(struct tn_self *self, struct tcp_conn *conn);
/* Forgets what congestion control knows; the record goes, unless a smaller path MTU is known. */
void tcp_cc_free(struct tn_self *self, struct tcp_conn *conn);
/* New data was acknowledged, not in fast recovery. */
void tcp_cc_acked(struct tn_self *self, struct tcp_conn *conn, uint32_t octets);
/* The round-trip time was measured. */
void tcp_cc_rtt(struct tn_self *self, struct tcp_conn *conn, tn_time rtt);
/* What was acknowledged in this batch makes the window grow: before data is sent. */
void tcp_cc_decide(struct tn_self *self, struct tcp_conn *conn);
/* Loss was found by acknowledgements: lowers ssthresh, and cwnd to it. */
void tcp_cc_loss(struct tn_self *self, struct tcp_conn *conn);
/* … by a timeout: cwnd is one segment, and ssthresh lowered if it is the first for this data (conn->backoff). */
void tcp_cc_timeout(struct tn_self *self, struct tcp_conn *conn);
/* … by a router that marked a packet: the same, once in a round-trip time. Returns whether it did. */
bool tcp_cc_marked(struct tn_self *self, struct tcp_conn *conn);
/* Fast recovery is over. */
void tcp_cc_recovered(struct tn_self *self, struct tcp_conn *conn);
/* Remembers the window, and what the algorithm knows: before the first reduction of an episode. */
void tcp_cc_save(struct tn_self *self, struct tcp_conn *conn);
/* The reductions since were wrong: back to what was saved. False if there is nothing, or it was undone already. */
bool tcp_cc_undo(struct tn_self *self, struct tcp_conn *conn);
/* Data is to be sent after a pause (RFC 5681 §4.1). */
void tcp_cc_idle(struct tn_self *self, struct tcp_conn *conn);
/* Octets that the window after idleness or a lost SYN may not exceed. */
uint32_t tcp_initial_window(struct tn_self *self, const struct tcp_conn *conn);
/* Finds the algorithm that the option names. */
void tcp_cc_default(struct tn_self *self);
/* The user's choice: 0, or -ENOENT. */
int tcp_cc_choose(struct tn_self *self, struct tcp_conn *conn, const char *name);
/* The name of the connection's algorithm, or of what it will be; "": none. */
const char *tcp_cc_name(struct tn_self *self, const struct tcp_conn *conn);
/* transport->forget */
void tcp_cc_forget(struct tn_self *self, uint16_t slot);

/* ---- ecn.c ---- */

/* What this side wants of a connection that it begins. */
void tcp_ecn_begin(struct tn_self *self, struct tcp_conn *conn);
/* TCP_ECN if this side agrees with the peer's SYN, else 0. */
uint32_t tcp_ecn_agree(struct tn_self *self, const struct tcp_segment *syn);
/* The peer's SYN or SYN-ACK says whether it agrees. */
void tcp_ecn_take_syn(struct tcp_conn *conn, const struct tcp_segment *seg);
/* Flags of the SYN or SYN-ACK that is being sent. */
uint8_t tcp_ecn_syn_flags(struct tcp_conn *conn);
/* An acceptable segment has come, which may be marked or tell that the peer has slowed down. */
void tcp_ecn_receive(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg);
/* An acknowledgement has come, which may echo a mark. */
void tcp_ecn_acknowledged(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg);
/* A segment is being sent: adds to its flags, and returns the ECN field of its packet. */
uint8_t tcp_ecn_send(struct tcp_conn *conn, uint32_t seq, uint32_t len, uint8_t *flags);

#endif
