/* connection.h: the record of a connection, and what all that happens to it needs (connection.c). */
#ifndef TENON_TCP_CONNECTION_H
#define TENON_TCP_CONNECTION_H

#include "sequence.h"
#include "tcp.h"

struct tcp_cc;
struct tcp_ends;
struct tcp_flight;
struct tcp_half_open;
struct tcp_reassembly;

/* States of §3.3.2. From ESTABLISHED on both SYNs are acknowledged; order matters to the functions below. */
enum tcp_conn_state {
    TCP_ST_CLOSED,
    TCP_ST_LISTEN,
    TCP_ST_SYN_SENT,
    TCP_ST_SYN_RECEIVED,
    TCP_ST_ESTABLISHED,
    TCP_ST_FIN_WAIT_1,
    TCP_ST_FIN_WAIT_2,
    TCP_ST_CLOSE_WAIT,
    TCP_ST_CLOSING,
    TCP_ST_LAST_ACK,
    TCP_ST_TIME_WAIT,
};

/* Phases of loss recovery (recovery.c). */
enum tcp_phase {
    TCP_PHASE_OPEN,     /* nothing is known to be lost */
    TCP_PHASE_RECOVERY, /* acknowledgements told of a loss: fast recovery (RFC 5681 §3.2, RFC 6675) */
    TCP_PHASE_LOSS,     /* a timeout told of it: slow start over what was outstanding (RFC 5681 §3.1) */
};

/* tcp_conn.flags */
#define TCP_PASSIVE      0x000001u /* came from LISTEN */
#define TCP_ACK_NOW      0x000002u /* an acknowledgement is due in this batch */
#define TCP_ACK_LATER    0x000004u /* … or when the delay ends */
#define TCP_SYN_DUE      0x000008u /* the SYN or SYN-ACK is to be sent (again) */
#define TCP_SYN_REPEATED 0x000010u /* … was sent more than once */
#define TCP_FIN_QUEUED   0x000020u /* a FIN follows what is queued */
#define TCP_FIN_SENT     0x000040u /* snd_nxt is beyond it */
#define TCP_FIN_HELD     0x000080u /* the peer's FIN came; it lies at rcv_fin */
#define TCP_PROBED       0x000100u /* the octet at snd_nxt was sent as a probe and may be acknowledged */
#define TCP_PERSIST      0x000200u /* retransmit_at is the persist timer: nothing in flight, nothing may be sent */
#define TCP_TIMESTAMPS   0x000400u /* agreed in the handshake */
#define TCP_SACK         0x000800u
#define TCP_SCALE        0x001000u
#define TCP_CWND_LIMITED 0x002000u /* the congestion window held something back since it last grew */
#define TCP_FAST_SEND    0x004000u /* the first retransmission of a recovery, which cwnd does not hold back */
#define TCP_PARTIAL_ACK  0x008000u /* a partial acknowledgement came in this recovery (RFC 6582 §3.2) */
#define TCP_RTT_KNOWN    0x010000u
#define TCP_DSACK        0x020000u   /* dsack_start, dsack_end are to be reported (RFC 2883) */
#define TCP_DATA_ACKED   0x040000u   /* the first data has come, and was acknowledged without delay */
#define TCP_PROGRESS     0x080000u   /* the peer acknowledged something new in this batch */
#define TCP_TS_RECENT    0x100000u   /* ts_recent is valid */
#define TCP_CWND_HALVED  0x200000u   /* a retransmission was lost in this recovery: cwnd was lowered again */
#define TCP_REORDERING   0x01000000u /* the path was seen to reorder (RACK.reordering_seen) */
#define TCP_DSACK_SEEN   0x02000000u /* the peer reports duplicates */
#define TCP_DSACK_ROUND  0x04000000u /* … and did in this round trip, which ends with dsack_round */
#define TCP_PROBE_OUT    0x08000000u /* a tail probe that ends at probe_end is not accounted for (TLP.end_seq) */
#define TCP_PROBE_AGAIN  0x00400000u /* … and was a retransmission (TLP.is_retrans) */
#define TCP_PROBE_SPENT  0x00800000u /* no round-trip time was measured since the last one */

#define TCP_ECN         0x10000000u /* agreed in the handshake (RFC 3168) */
#define TCP_ECN_ECHO    0x20000000u /* marked data has come: ECE until the peer answers */
#define TCP_ECN_CWR     0x40000000u /* the window was lowered: CWR with the next new data */
#define TCP_ECN_REDUCED 0x80000000u /* … for a mark, and cc->reduced_at is not acknowledged yet */

/* What the user says of a switch. */
enum tcp_choice {
    TCP_CHOICE_NONE,
    TCP_CHOICE_NO,
    TCP_CHOICE_YES,
};

/* What few connections need: made when the first of it is. */
struct tcp_rare {
    uint32_t snd_up;       /* SND.UP: sequence number after the last urgent octet that the user gave */
    uint32_t rcv_up;       /* RCV.UP: … that the peer told of */
    bool sends_urgent : 1; /* snd_up is beyond snd_una */
    bool hears_urgent : 1; /* rcv_up is beyond what the user has read */
    bool octet_known : 1;  /* the user has read past the last urgent octet, which was kept */
    bool octet_taken : 1;  /* … by MSG_OOB */
    uint8_t octet;
    uint8_t keepalive_probes;    /* 0: the option */
    uint16_t keepalive_idle;     /* seconds; 0: the option */
    uint16_t keepalive_interval; /* seconds; 0: the option */
    uint16_t max_segment;        /* TCP_MAXSEG; 0: none */
    uint16_t defer_accept;       /* TCP_DEFER_ACCEPT, seconds; 0: not */
    uint32_t user_timeout;       /* milliseconds; 0: the option */
    uint32_t uto_advertised;     /* ADV_UTO, milliseconds; 0: user_timeout, or the option */
    uint32_t uto_received;       /* REMOTE_UTO, seconds; 0: none */
    bool uto_due : 1;            /* the next segment carries the option */
    uint8_t uto : 2;             /* enum tcp_choice: ENABLED */
    uint8_t uto_changeable : 2;  /* enum tcp_choice: CHANGEABLE */
    int32_t fin_wait;            /* TCP_LINGER2, seconds; 0: the option; negative: none */
};

/* The record behind a socket (tn_socket_state()). Octets of the stream lie in the socket's queues: tx.head's first
 * octet is the one at snd_una (once the SYN is acknowledged). */
struct tcp_conn {
    struct tn_timer timer;

    struct tcp_link link; /* in tcp_state.ready or held */

    union {
        struct {
            tn_time retransmit_at; /* deadlines, TN_NEVER: none. Retransmission, or persist (TCP_PERSIST) */
            tn_time ack_at;        /* a delayed acknowledgement */
            tn_time wait_at;       /* FIN-WAIT-2; keep-alive in states before it */
        };
        struct {                             /* LISTEN */
            struct tcp_half_open *half_open; /* its half-open connections, oldest first */
            struct tcp_half_open **half_open_end;
            uint32_t half_open_count : 31;
            uint32_t cookies_sent : 1; /* at least one, the last one at cookies_at (tcp_clock()) */
            uint32_t cookies_at;
        };
    };
    tn_time progress_at; /* when the peer last acknowledged something, or the first unacknowledged was sent */

    struct tcp_flight *flight;         /* NULL: nothing is in flight, and no recovery can be undone */
    struct tn_packet *tx_packet;       /* where new data was last taken from; NULL: from the head of tx */
    struct tcp_reassembly *reassembly; /* NULL: no data is out of order */
    struct tcp_cc *cc;                 /* NULL: idle */
    struct tcp_rare *rare;             /* NULL: nothing rare */

    uint32_t flags;          /* TCP_… */
    uint8_t state;           /* enum tcp_conn_state */
    uint8_t phase : 6;       /* enum tcp_phase */
    uint8_t held : 1;        /* link is in tcp_state.held */
    uint8_t is_attended : 1; /* held, and in tcp_state.attended */
    uint8_t snd_scale;
    uint8_t rcv_scale;

    /* sending */
    uint32_t iss;
    uint32_t snd_una;
    uint32_t snd_nxt;
    uint32_t snd_wnd; /* scaled up */
    uint32_t snd_wl1;
    uint32_t snd_wl2;
    uint32_t max_snd_wnd; /* largest snd_wnd so far */
    uint32_t tx_seq;      /* sequence number of tx_packet's first octet */
    uint32_t small_end;   /* sequence number after the last segment sent that was not full (Nagle, A.3) */
    uint16_t peer_mss;    /* SendMSS of §3.7.1 */
    uint16_t mss;         /* payload of a full segment: Eff.snd.MSS */
    uint16_t mtu;         /* what mss was computed for */
    uint16_t path_mtu;    /* learnt from the network (RFC 1191); 0: nothing */

    /* congestion and loss */
    uint32_t cwnd;
    uint32_t ssthresh;
    uint32_t recover;        /* recovery ends when this is acknowledged (RecoveryPoint) */
    uint32_t last_sent;      /* tcp_clock() of the last segment with data */
    uint32_t probe_end;      /* with TCP_PROBE_OUT (TLP.end_seq) */
    uint32_t dsack_round;    /* with TCP_DSACK_ROUND */
    uint32_t dsacks;         /* segments that were sent again and reported as duplicates */
    uint8_t reorder_steps;   /* the reordering window is so many quarters of min_rtt; 0 counts as 1 */
    uint8_t reorder_persist; /* recoveries until it is one again */
    uint8_t backoff;         /* times the timeout was doubled */
    uint8_t unmeasured;      /* back-offs undone since the last measurement (rtt.c) */
    uint16_t congestion;     /* slot of the algorithm; 0: not chosen */

    /* round-trip time, in microseconds */
    uint32_t srtt;
    uint32_t rttvar;
    uint32_t rto;        /* without back-off */
    uint32_t min_rtt;    /* the least of the last minutes */
    uint32_t min_rtt_at; /* tcp_clock() */

    /* receiving */
    uint32_t rcv_nxt;
    uint32_t rcv_adv;       /* right edge of the offered window, as on the wire; never recedes */
    uint32_t rcv_fin;       /* with TCP_FIN_HELD: the FIN's sequence number */
    uint32_t unacked;       /* octets received in order since the last acknowledgement was sent */
    uint32_t last_ack_sent; /* RFC 7323 §4.3 */
    uint32_t dsack_start;
    uint32_t dsack_end;
    uint32_t ts_recent;
    uint32_t ts_recent_at; /* tcp_clock() when ts_recent was set */
    uint32_t ts_offset;    /* added to tcp_clock() in TSval */
    uint32_t last_heard;   /* tcp_clock() of the last segment received */
    uint32_t taken_seq; /* sequence number of what the user took next when the measurement began (window.c) */
    uint32_t taken_at;  /* … in microseconds, modulo 2^32 */
    uint32_t rcv_rtt;   /* round-trip time as the peer's data shows it, in microseconds; 0: not known */
    uint16_t rcv_mss;   /* largest payload received: what counts as full-sized */
    uint16_t dup_acks_due;

    /* limits of what the peer may provoke (RFC 5961 §10), and of patience */
    uint32_t challenge_since; /* tcp_clock() */
    uint16_t challenges;
    uint8_t probes_sent;  /* keep-alive probes without an answer */
    uint32_t retransmits; /* segments sent again, for TCP_INFO */
    uint32_t cause;       /* serial of the last frame of this batch, for the trace; 0: none */
};

/* To read what few connections have. */
static inline const struct tcp_rare *tcp_rare_of(const struct tcp_conn *conn)
{
    static const struct tcp_rare nothing = {.snd_up = 0};
    return conn->rare ? conn->rare : &nothing;
}

static inline struct tn_socket *tcp_socket(struct tcp_conn *conn)
{
    return tn_socket_of(conn);
}

/* Sequence number after the last octet that the user gave: where a FIN goes. Both SYNs are acknowledged. */
static inline uint32_t tcp_data_end(struct tcp_conn *conn)
{
    return conn->snd_una + tcp_socket(conn)->tx.bytes;
}

void tcp_conn_init(struct tcp_conn *conn);
/* A line in the trace: the connection goes from one state to another. */
void tcp_trace_state(struct tn_self *self, const struct tcp_ends *ends, const char *from, const char *to);
/* What is sent to a peer that told no MSS (§3.7.1, MUST-15). */
uint16_t tcp_default_mss(uint8_t family);
const char *tcp_state_name(uint8_t state);
void tcp_set_state(struct tn_self *self, struct tcp_conn *conn, enum tcp_conn_state state);
void tcp_put_on_list(struct tn_self *self, struct tcp_conn *conn);
/* The connection is looked at (tcp_output) when this batch ends. */
static inline void tcp_schedule(struct tn_self *self, struct tcp_conn *conn)
{
    if (!conn->is_attended && (!conn->link.next || conn->held))
        tcp_put_on_list(self, conn);
}
void tcp_unschedule(struct tcp_conn *conn);
/* The next connection on the list, taken out of it; NULL: none. */
struct tcp_conn *tcp_take_first(struct tcp_link *list);
/* One that waits for its device, and to which something happened; NULL: none. */
struct tcp_conn *tcp_take_attended(struct tn_self *self);
/* The connection waits for its device: it sends when it is its turn there. */
void tcp_hold(struct tn_self *self, struct tcp_conn *conn);
/* Those that wait for the device of the connection's path. */
struct tcp_link *tcp_held(struct tn_self *self, struct tcp_conn *conn);
/* An acknowledgement is due when this batch ends. */
void tcp_ack_now(struct tn_self *self, struct tcp_conn *conn);
/* The same in answer to a segment that is refused: only so many in a time (RFC 5961 §10). Returns whether it will be sent. */
bool tcp_ack_limited(struct tn_self *self, struct tcp_conn *conn);
/* Sets one of the three deadlines. */
void tcp_deadline(struct tn_self *self, struct tcp_conn *conn, tn_time *deadline, tn_time at);
/* Has the timer run for the earliest deadline, if there is one. */
void tcp_rearm(struct tn_self *self, struct tcp_conn *conn);
/* (Re)starts the retransmission timer, and before it that of a tail probe. */
void tcp_start_retransmit(struct tn_self *self, struct tcp_conn *conn);
void tcp_stop_retransmit(struct tcp_conn *conn);
/* Sets the retransmission's deadline alone, with something in flight; tcp_restart_probe() follows. */
void tcp_set_timeout(struct tn_self *self, struct tcp_conn *conn);
/* New data was sent: a tail probe is due later (RFC 8985 §7.2). */
void tcp_restart_probe(struct tn_self *self, struct tcp_conn *conn);
/* Has the timer run for the earliest of conn->flight's deadlines. */
void tcp_arm_flight(struct tn_self *self, struct tcp_conn *conn);
/* How long nothing may be heard before the connection is given up: R2 (§3.8.3), which the user sets. */
tn_time tcp_patience(struct tn_self *self, const struct tcp_conn *conn);
/* The user timeout that is told to the peer. */
tn_time tcp_advertised_timeout(struct tn_self *self, const struct tcp_conn *conn);
/* The one that the peer's advice has led to (RFC 5482 §3.1); 0: none. */
tn_time tcp_adopted_timeout(struct tn_self *self, const struct tcp_conn *conn);
/* The path is found (again) if need be, and mss follows it. 0 or a negative errno. */
int tcp_find_path(struct tn_self *self, struct tcp_conn *conn);
/* Forgets what was learnt in the search for the path's MTU (pmtu.c). */
void tcp_pmtu_free(struct tn_self *self, struct tcp_conn *conn);
/* Recomputes mss from the path's MTU and the peer's MSS. */
void tcp_update_mss(struct tn_self *self, struct tcp_conn *conn);
/* The connection's record for what is rare, made if need be; NULL: no memory. */
struct tcp_rare *tcp_rare(struct tn_self *self, struct tcp_conn *conn);
void tcp_rare_free(struct tn_self *self, struct tcp_conn *conn);
/* Lets go of everything, and of the socket. The record may be gone afterwards. */
void tcp_release(struct tn_self *self, struct tcp_conn *conn);
/* The connection has ended: tells the user `error` (0: an orderly end), unless there is none to tell, and lets go of
 * everything. The record may be gone afterwards. */
void tcp_finish(struct tn_self *self, struct tcp_conn *conn, int error);

#endif
