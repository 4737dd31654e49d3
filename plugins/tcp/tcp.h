/* tcp.h: what the files of the plugin share: the record of a connection, and the files' functions.
 *
 * The files stand in this order, each calling only those before it:
 *     options.c         options of a segment, read and written
 *     describe.c        a segment as a line of text
 *     rtt.c             round-trip time and the retransmission timeout (RFC 6298)
 *     congestion.c      the congestion window: what the connection tells its congestion control, and takes from it
 *     scoreboard.c      what is in flight, and what became of it
 *     reassembly.c      what came out of order
 *     window.c          the window that is offered to the peer
 *     connection.c      states, the list of connections with something to send, deadlines, the end
 *     urgent.c          urgent data
 *     ecn.c             explicit congestion notification (RFC 3168)
 *     numbers.c         initial sequence numbers (RFC 6528)
 *     pmtu.c            the path's MTU (RFC 1191, RFC 4821)
 *     segment.c         making segments and sending them
 *     reply.c           segments that no socket sends
 *     syn_queue.c       half-open connections: their records
 *     time_wait.c       connections in TIME-WAIT: their records, and what they answer
 *     close.c           FIN, reset, abort
 *     rack.c            finding what is lost by time (RFC 8985)
 *     prr.c             what may be sent in fast recovery (RFC 6937)
 *     spurious.c        recovery that was not needed: finding it, undoing it (RFC 5682, RFC 3522, RFC 2883)
 *     tail.c            probes for a lost tail (RFC 8985 §7)
 *     recovery.c        loss, and the phases that follow (RFC 6675, RFC 6582)
 *     output.c          what to send now
 *     timers.c          what happens when nothing happens
 *     error.c           news from the network (ICMP)
 *     acknowledge.c     the peer's acknowledgement (§3.10.7.4, fifth)
 *     receive.c         the peer's data and FIN (§3.10.7.4, seventh and eighth)
 *     handshake.c       SYN-SENT, and becoming ESTABLISHED
 *     syn_cookie.c      answering a SYN without remembering it (RFC 4987)
 *     listen.c          LISTEN, and SYN-RECEIVED of connections that the other side began
 *     input.c           a segment arrives (§3.10.7)
 *     socket_options.c  TCP_NODELAY, TCP_INFO …
 *     tcp.c             theory of operation, and the descriptor
 * Sections without the number of an RFC are RFC 9293's. */
#ifndef TENON_TCP_H
#define TENON_TCP_H

#include <errno.h>
#include <netinet/in.h>

#include "counters.h"
#include "tenon/plugin.h"
#include "tenon/proto/tcp.h"

/* ---- Options, state of the plugin ---- */

struct tcp_options {
    int64_t receive_buffer;
    int64_t receive_buffer_max;
    int64_t send_buffer;
    int64_t send_buffer_max;
    int64_t initial_window;
    int64_t reassembly_limit;
    int64_t challenge_limit;
    int64_t keepalive_probes;
    int64_t syn_backlog;
    int64_t syn_cookies; /* enum tcp_cookies */
    int64_t half_open_limit;
    int64_t time_wait_limit;
    tn_time time_wait;
    tn_time fin_wait;
    tn_time delayed_ack;
    tn_time initial_rto;
    tn_time minimum_rto;
    tn_time maximum_rto;
    tn_time syn_timeout;
    tn_time user_timeout;
    tn_time keepalive_time;
    tn_time keepalive_interval;
    bool window_scaling;
    bool timestamps;
    bool sack;
    int64_t ecn; /* TCP_ECN_OFF … */
    char congestion[TN_OPTION_STRING_MAX];
};

/* Choices of the option ecn. */
enum {
    TCP_ECN_OFF,
    TCP_ECN_PASSIVE,
    TCP_ECN_ON,
};

/* In the order of the manifest's choices. */
enum tcp_cookies {
    TCP_COOKIES_AUTO, /* when a SYN queue is full */
    TCP_COOKIES_ALWAYS,
    TCP_COOKIES_NEVER,
};

struct tcp_state {
    struct tcp_conn *ready; /* connections with something to send, in the order in which they asked */
    struct tcp_conn **ready_end;
    struct tn_slab *runs;               /* struct tcp_run */
    struct tn_slab *flights;            /* struct tcp_flight */
    struct tn_slab *blocks;             /* struct tcp_block */
    struct tn_slab *reassemblies;       /* struct tcp_reassembly */
    struct tn_slab *congestion_records; /* struct tcp_cc */
    struct tn_slab *pmtu_records;       /* struct tcp_pmtu */
    struct tn_slab *rare;               /* struct tcp_rare */
    uint16_t congestion;                /* slot of the algorithm that the option names; 0: it is not there */

    uint16_t half_open_kind; /* of flows */
    uint16_t time_wait_kind;
    uint32_t time_wait_oldest; /* number + 1; 0: none */
    uint32_t time_wait_youngest;
    struct tn_timer time_wait_timer;
};

static inline struct tcp_state *tcp_state(struct tn_self *self)
{
    return self->state;
}

static inline const struct tcp_options *tcp_options(const struct tn_self *self)
{
    return self->options;
}

/* Timers: one a connection (connection.c says why), one a half-open connection, and one for all in TIME-WAIT. */
enum tcp_timer {
    TCP_TIMER_CONNECTION,
    TCP_TIMER_HALF_OPEN,
    TCP_TIMER_TIME_WAIT,
    TCP_TIMER_COUNT,
};

/* ---- Sequence numbers (§3.4): compared modulo 2^32 ---- */

static inline bool tcp_lt(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool tcp_le(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) <= 0;
}

static inline uint32_t tcp_seq_max(uint32_t a, uint32_t b)
{
    return tcp_lt(a, b) ? b : a;
}

static inline uint32_t tcp_seq_min(uint32_t a, uint32_t b)
{
    return tcp_lt(a, b) ? a : b;
}

static inline uint32_t tcp_min32(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static inline uint32_t tcp_max32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* ---- A connection ---- */

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
};

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

/* The search for the path's MTU, where it is less than the interface's (pmtu.c). MTUs are sizes of IP packets. */
struct tcp_pmtu {
    uint32_t at;    /* tcp_clock() from which a probe may be sent */
    uint32_t seq;   /* the probe's octets … */
    uint32_t end;   /* … and what follows them */
    uint16_t low;   /* passes */
    uint16_t high;  /* may pass; nothing larger does */
    uint16_t size;  /* of the probe that is due */
    uint16_t probe; /* … that is in flight; 0: none */
    bool whole;     /* the next probe is of `high` itself */
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
    uint32_t user_timeout;       /* milliseconds; 0: the option */
    int32_t fin_wait;            /* TCP_LINGER2, seconds; 0: the option; negative: none */
};

/* The record behind a socket (tn_socket_state()). Octets of the stream lie in the socket's queues: tx.head's first
 * octet is the one at snd_una (once the SYN is acknowledged). */
struct tcp_conn {
    struct tn_timer timer;

    struct tcp_conn *ready_next; /* in tcp_state.ready */
    struct tcp_conn **ready_link;

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

    uint32_t flags; /* TCP_… */
    uint8_t state;  /* enum tcp_conn_state */
    uint8_t phase;  /* enum tcp_phase */
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

/* ---- Connections without a socket ---- */

/* SYN-RECEIVED after a SYN to a listener (syn_queue.c, listen.c). */
struct tcp_half_open {
    struct tn_flow flow; /* time: tcp_microseconds() of the SYN */
    struct tn_timer timer;
    struct tn_socket *listener;
    struct tcp_half_open *next; /* of the same listener: the next younger one */
    struct tcp_half_open **link;
    uint32_t iss;
    uint32_t irs; /* the SYN's own number */
    uint32_t ts_recent;
    uint32_t flags;  /* TCP_TIMESTAMPS, TCP_SACK, TCP_SCALE, TCP_ECN: agreed */
    uint16_t mss;    /* the peer's; 0: it told none */
    uint16_t window; /* … as in its SYN */
    uint8_t snd_scale;
    uint8_t rcv_scale;
    uint8_t tries;   /* times the SYN-ACK was sent again */
    uint8_t answers; /* to what was refused, since it was sent last */
};
static_assert(sizeof(struct tcp_half_open) == 104,
              "with IPv4 addresses and its share of the table 120 bytes");

/* TIME-WAIT (time_wait.c). */
#define TCP_TIME_WAIT_NUMBER_MASK 0xffffffu

struct tcp_time_wait {
    struct tn_flow flow; /* mark: timestamps were agreed; time: when it ends (tcp_clock()) */
    uint32_t rcv_nxt;
    uint32_t snd_nxt;
    uint32_t ts_recent;
    uint32_t younger : 24; /* number of the next in the queue, + 1; 0: none */
    uint32_t renewed : 1;  /* `time` was moved since it was queued */
    uint32_t answers : 7;
};
static_assert(sizeof(struct tcp_time_wait) == 40, "with IPv4 addresses and its share of the table 56 bytes");

static inline struct tcp_pmtu *tcp_pmtu(const struct tcp_conn *conn)
{
    return conn->cc ? conn->cc->pmtu : NULL;
}

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

/* For times of which only the difference counts: microseconds, modulo 2^32 (71 minutes). */
static inline uint32_t tcp_microseconds(struct tn_self *self)
{
    return (uint32_t)(self->core->now(self) / TN_USEC);
}

/* The clock of timestamps and of what needs no more: milliseconds, modulo 2^32 (RFC 7323 §5.4 allows 1 ms to 1 s). */
static inline uint32_t tcp_clock(struct tn_self *self)
{
    return (uint32_t)(self->core->now(self) / TN_MSEC);
}

/* Sequence number after the last octet that the user gave: where a FIN goes. Both SYNs are acknowledged. */
static inline uint32_t tcp_data_end(struct tcp_conn *conn)
{
    return conn->snd_una + tcp_socket(conn)->tx.bytes;
}

/* Octets sent and neither acknowledged, selectively acknowledged nor lost: `pipe` of RFC 6675. */
static inline uint32_t tcp_pipe(const struct tcp_conn *conn)
{
    uint32_t flight = conn->snd_nxt - conn->snd_una;
    uint32_t gone = conn->flight ? conn->flight->sacked + conn->flight->lost : 0;
    return flight > gone ? flight - gone : 0;
}

/* ---- options.c ---- */

/* A segment that has come, checked and taken apart. */
struct tcp_segment {
    struct tn_packet *packet; /* data: the payload */
    uint32_t seq;
    uint32_t ack;
    uint32_t len;        /* octets of payload; SEG.LEN also counts SYN and FIN: tcp_segment_end() */
    uint32_t urgent_end; /* with URG: sequence number after the last urgent octet */
    uint32_t ts_value;
    uint32_t ts_echo;
    uint16_t window; /* as it stands in the header */
    uint16_t mss;    /* 0: no option */
    uint8_t flags;   /* TN_TCP_… */
    uint8_t scale;   /* shift + 1; 0: no option */
    bool has_timestamps;
    bool sack_permitted;
    uint8_t sack_count;
    const uint8_t *sack; /* blocks as on the wire */
};

/* SEG.SEQ + SEG.LEN */
static inline uint32_t tcp_segment_end(const struct tcp_segment *seg)
{
    return seg->seq + seg->len + (seg->flags & TN_TCP_SYN ? 1 : 0) + (seg->flags & TN_TCP_FIN ? 1 : 0);
}

/* Table 6: whether any of the segment lies in the window. */
static inline bool tcp_acceptable(uint32_t rcv_nxt, uint32_t window, const struct tcp_segment *seg)
{
    uint32_t length = tcp_segment_end(seg) - seg->seq;
    bool starts_inside = seg->seq - rcv_nxt < window;
    if (length == 0)
        return window == 0 ? seg->seq == rcv_nxt : starts_inside;
    return window > 0 && (starts_inside || seg->seq + length - 1 - rcv_nxt < window);
}

/* Reads the options at the cursor into `seg`; false if a length is wrong. */
bool tcp_read_options(struct tn_cursor *options, struct tcp_segment *seg);
/* Writes the options of a SYN or SYN-ACK (flags: TCP_TIMESTAMPS, TCP_SACK, TCP_SCALE say which); returns their length. */
size_t tcp_write_syn_options(uint8_t *to, uint32_t flags, uint16_t mss, uint8_t scale, uint32_t ts_value,
                             uint32_t ts_echo);
size_t tcp_write_timestamps(uint8_t *to, uint32_t ts_value, uint32_t ts_echo);
/* `blocks`: pairs of sequence numbers. */
size_t tcp_write_sack(uint8_t *to, const uint32_t (*blocks)[2], size_t count);

/* ---- describe.c ---- */

void tcp_describe(const struct tn_packet *packet, struct tn_cursor *cursor, struct tn_text *out,
                  struct tn_next *next);

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

/* ---- scoreboard.c ---- */

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

/* ---- reassembly.c ---- */

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

/* ---- window.c ---- */

/* Octets of window offered now. */
static inline uint32_t tcp_rcv_wnd(const struct tcp_conn *conn)
{
    return tcp_lt(conn->rcv_nxt, conn->rcv_adv) ? conn->rcv_adv - conn->rcv_nxt : 0;
}

/* The shift that this side asks for (RFC 7323 §2.2). */
uint8_t tcp_window_shift(const struct tn_self *self, const struct tn_socket *sock);
/* The window field of a segment that is being sent; moves rcv_adv. */
uint16_t tcp_window_offer(struct tcp_conn *conn, bool syn);
/* Whether the window has grown so much that the peer should be told. */
bool tcp_window_update_due(const struct tcp_conn *conn);
/* A segment with data came in order: measures the round-trip time by it. */
void tcp_measure_data(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg);
/* The user took data: perhaps the receive buffer grows. */
void tcp_tune_receive(struct tn_self *self, struct tcp_conn *conn);
/* Data is about to be sent: perhaps the send buffer grows. */
void tcp_tune_send(struct tn_self *self, struct tcp_conn *conn);

/* ---- connection.c ---- */

void tcp_conn_init(struct tcp_conn *conn);
/* A line in the trace: the connection goes from one state to another. */
struct tcp_ends;
void tcp_trace_state(struct tn_self *self, const struct tcp_ends *ends, const char *from, const char *to);
/* What is sent to a peer that told no MSS (§3.7.1, MUST-15). */
uint16_t tcp_default_mss(uint8_t family);
const char *tcp_state_name(uint8_t state);
void tcp_set_state(struct tn_self *self, struct tcp_conn *conn, enum tcp_conn_state state);
/* The connection is looked at (tcp_output) when this batch ends. */
void tcp_schedule(struct tn_self *self, struct tcp_conn *conn);
void tcp_unschedule(struct tn_self *self, struct tcp_conn *conn);
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
/* New data was sent: a tail probe is due later (RFC 8985 §7.2). */
void tcp_restart_probe(struct tn_self *self, struct tcp_conn *conn);
/* Has the timer run for the earliest of conn->flight's deadlines. */
void tcp_arm_flight(struct tn_self *self, struct tcp_conn *conn);
/* How long nothing may be heard before the connection is given up: R2 (§3.8.3), which the user sets. */
tn_time tcp_patience(struct tn_self *self, const struct tcp_conn *conn);
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

/* ---- numbers.c ---- */

/* A connection's two ends. */
struct tcp_ends {
    struct tn_addr local;
    struct tn_addr remote;
    uint16_t local_port;
    uint16_t remote_port;
    uint16_t vrf;
    uint8_t family;
};

struct tcp_ends tcp_socket_ends(const struct tn_socket *sock);
struct tcp_ends tcp_packet_ends(const struct tn_packet *packet); /* of one that was received */
struct tcp_ends tcp_flow_ends(struct tn_self *self, const struct tn_flow *flow);
/* RFC 6528 §3: ISN = M + F(localip, localport, remoteip, remoteport, secretkey), M a clock of 4 microseconds. */
uint32_t tcp_initial_sequence(struct tn_self *self, const struct tcp_ends *ends);
/* What is added to tcp_clock() in timestamps, not the same for all connections (RFC 7323 §5.4). */
uint32_t tcp_timestamp_offset(struct tn_self *self, const struct tcp_ends *ends);

/* ---- pmtu.c ---- */

/* A router says that a packet whose segment began with `seq` is too big. */
void tcp_pmtu_too_big(struct tn_self *self, struct tcp_conn *conn, uint32_t seq,
                      const struct tn_net_error *error);
/* The retransmission timer has run out, for the (conn->backoff + 1)th time in a row; first in flight is a run of `len` octets.
 * Before the timeout is taken for congestion. */
void tcp_pmtu_timeout(struct tn_self *self, struct tcp_conn *conn, uint32_t len);
/* Octets were found lost while none had been: whether they are a probe's alone, which is no sign of congestion. */
bool tcp_pmtu_probe_lost(struct tn_self *self, struct tcp_conn *conn);
/* snd_una has moved. There is a record. */
void tcp_pmtu_acked(struct tn_self *self, struct tcp_conn *conn);
/* How many octets the next segment should have to be a probe, of `queued` that wait and a usable window; 0: no probe now. */
uint32_t tcp_pmtu_probe_due(struct tn_self *self, struct tcp_conn *conn, uint32_t queued, uint32_t window);
/* It was sent. */
void tcp_pmtu_probe_sent(struct tn_self *self, struct tcp_conn *conn, uint32_t seq, uint32_t end);

/* ---- segment.c ---- */

/* What a header holds besides the ports. */
struct tcp_header {
    uint32_t seq;
    uint32_t ack;
    uint16_t window;
    uint8_t flags;
    uint8_t ecn; /* of the IP header */
    uint16_t urgent;
    const uint8_t *options;
    size_t options_len; /* a multiple of 4 */
};

/* ---- urgent.c ---- */

/* Whether urgent data is not acknowledged yet. */
bool tcp_urgent_pending(struct tcp_conn *conn);
/* The urgent pointer of a segment that is being sent, if there is one. */
void tcp_urgent_send(struct tcp_conn *conn, struct tcp_header *header);
/* A segment in the window tells of urgent data that ends before `up`. */
void tcp_urgent_received(struct tn_self *self, struct tcp_conn *conn, uint32_t up);
/* transport->urgent_sent, urgent_mark, urgent_take */
void tcp_urgent_sent(struct tn_self *self, struct tn_socket *sock);
int64_t tcp_urgent_mark(struct tn_self *self, struct tn_socket *sock);
int tcp_urgent_take(struct tn_self *self, struct tn_socket *sock, enum tn_urgent how, uint8_t *octet);

/* Puts the header before the packet's data. Addresses, ports and family of the packet are set. */
void tcp_push_header(struct tn_packet *packet, const struct tcp_header *from);

#define TCP_SUPER_OCTETS \
    (65535 - 120) /* of a network packet, less the longest headers of network and transport */

/* Most octets that one packet carries: a super-frame's, whole segments all. */
static inline uint32_t tcp_super_max(const struct tcp_conn *conn)
{
    return (uint32_t)(TCP_SUPER_OCTETS / conn->mss) * conn->mss;
}
/* transport->header_length, fix_segment */
size_t tcp_header_length(struct tn_self *self, struct tn_cursor header);
void tcp_fix_segment(struct tn_self *self, struct tn_packet *segment, uint32_t offset, bool last);
/* Sends octets [seq, seq + len) of the stream with `flags`; ACK is added. With more than a segment's octets (at most
 * tcp_super_max()) it is a super-frame. False if there was no packet to be had. */
bool tcp_send_segment(struct tn_self *self, struct tcp_conn *conn, uint32_t seq, uint32_t len, uint8_t flags);
/* Sends <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, with what there is to report. */
void tcp_send_ack(struct tn_self *self, struct tcp_conn *conn);
/* The same at a sequence number of the past (a keep-alive). */
void tcp_send_ack_at(struct tn_self *self, struct tcp_conn *conn, uint32_t seq);
/* Sends the SYN, or in SYN-RECEIVED the SYN-ACK. */
void tcp_send_syn(struct tn_self *self, struct tcp_conn *conn);
/* Sends <SEQ=SND.NXT><CTL=RST,ACK>. */
void tcp_send_reset(struct tn_self *self, struct tcp_conn *conn);
/* The MSS that this side tells to who is reached by this path (§3.7.1). */
uint16_t tcp_path_mss(struct tn_self *self, uint8_t family, const struct tn_path *path);

/* ---- reply.c ---- */

/* Where a segment without a socket goes. */
struct tcp_reply {
    struct tcp_ends ends;
    struct tn_path path; /* by tcp_reply_route() */
    uint32_t serial;     /* of the frame that caused it, for the trace; 0: none */
    uint8_t ttl;
    uint8_t tos;
};

/* False: there is no way to the remote end. */
bool tcp_reply_route(struct tn_self *self, struct tcp_reply *reply);
void tcp_reply_send(struct tn_self *self, const struct tcp_reply *reply, const struct tcp_header *header);
/* Answers a segment of no connection with a reset (§3.10.7.1). Does not consume it. */
void tcp_reply_reset(struct tn_self *self, const struct tcp_segment *seg);
/* … with an acknowledgement, with a timestamp that echoes ts_recent if `timestamps`. Sets header->flags and options. */
void tcp_reply_ack(struct tn_self *self, const struct tcp_segment *seg, struct tcp_header *header,
                   bool timestamps, uint32_t ts_recent);

/* ---- syn_queue.c ---- */

/* A new record, queued at the listener, for the sender of the packet; its numbers are the caller's. NULL: no room. */
struct tcp_half_open *tcp_half_open_new(struct tn_self *self, struct tn_socket *listener,
                                        const struct tn_packet *packet);
void tcp_half_open_free(struct tn_self *self, struct tcp_half_open *half);
void tcp_half_open_free_all(struct tn_self *self, struct tcp_conn *listener);
/* Whether most of the listener's places are taken. */
bool tcp_syn_queue_crowded(struct tn_self *self, const struct tcp_half_open *half);

/* ---- time_wait.c ---- */

/* The connection goes on as a record without a socket. Its own record may be gone afterwards. */
void tcp_enter_time_wait(struct tn_self *self, struct tcp_conn *conn);
void tcp_time_wait_timer(struct tn_self *self, struct tn_timer *timer);
/* A segment for it. Consumes it. */
void tcp_input_time_wait(struct tn_self *self, struct tcp_time_wait *record, struct tcp_segment *seg);
/* RFC 6191 §2: whether the segment is a SYN that cannot be an old one, so that a new connection may begin. */
bool tcp_time_wait_begins_anew(struct tn_self *self, const struct tcp_time_wait *record,
                               const struct tcp_segment *seg);
/* A new connection takes the place of the record, which is found no more; returns the least ISN that it must have. */
uint32_t tcp_time_wait_replace(struct tn_self *self, struct tcp_time_wait *record);
/* Whether this side may begin a new connection in its place. */
bool tcp_time_wait_yields(struct tn_self *self, const struct tcp_time_wait *record);

/* ---- close.c ---- */

/* The user will send no more: a FIN follows what is queued (§3.10.4). */
void tcp_close_send(struct tn_self *self, struct tcp_conn *conn);
/* transport->close: the user is done with the socket. The record may be gone afterwards. */
void tcp_close(struct tn_self *self, struct tn_socket *sock, bool abort);
/* Resets the connection and ends it with `error`. The record is gone afterwards. */
void tcp_abort(struct tn_self *self, struct tcp_conn *conn, int error);
/* Our FIN was acknowledged. False: the connection has ended, the record is gone. */
bool tcp_fin_acked(struct tn_self *self, struct tcp_conn *conn);
/* The peer's FIN is next in order: moves beyond it. */
void tcp_fin_received(struct tn_self *self, struct tcp_conn *conn);

/* ---- rack.c ---- */

/* Takes an acknowledgement into account, before anything is found lost by it. */
void tcp_rack_acked(struct tn_self *self, struct tcp_conn *conn, const struct tcp_delivery *delivery);
/* Marks as lost what was overtaken long enough ago, and has the timer run for what will be. Returns whether a
 * retransmission was lost. */
bool tcp_rack_find_lost(struct tn_self *self, struct tcp_conn *conn);
/* The retransmission timer ran out: marks the first segment as lost, and all that was sent a round trip ago. */
void tcp_rack_timeout(struct tn_self *self, struct tcp_conn *conn);
/* A recovery is over. */
void tcp_rack_recovered(struct tcp_conn *conn);

/* ---- prr.c ---- */

/* Fast recovery begins, by an acknowledgement that delivered `octets` (0: by a timer); ssthresh is set. */
void tcp_prr_begin(struct tcp_conn *conn, uint32_t octets);
/* `octets` more were delivered in fast recovery: sets cwnd. `safe`: snd_una has moved and nothing more was lost. */
void tcp_prr_delivered(struct tcp_conn *conn, uint32_t octets, bool safe);
/* So many octets are being sent. */
void tcp_prr_sent(struct tcp_conn *conn, uint32_t octets);

/* ---- spurious.c ---- */

/* A recovery begins: from here on it can be undone. Before anything is lowered. */
void tcp_spurious_begin(struct tn_self *self, struct tcp_conn *conn, bool timeout);
/* The retransmission timer ran out: the next acknowledgements will tell whether it was too early, unless other data was
 * sent again before (`fresh`: it was not). */
void tcp_spurious_timeout(struct tcp_conn *conn, bool fresh);
/* [start, end) is being sent again. */
void tcp_spurious_resent(struct tn_self *self, struct tcp_conn *conn, uint32_t start, uint32_t end);
/* Whether the acknowledgement shows that recovery was not needed. */
bool tcp_spurious_acked(struct tcp_conn *conn, const struct tcp_delivery *delivery);
/* The two segments of new data of TCP_FRTO_NEW were sent, or there were none. */
void tcp_spurious_sent_new(struct tcp_conn *conn, bool sent);

/* ---- tail.c ---- */

/* A tail probe was sent; `again`: it was a retransmission. */
void tcp_tail_sent(struct tn_self *self, struct tcp_conn *conn, bool again);
/* Whether the acknowledgement shows that a probe has repaired a loss. */
bool tcp_tail_acked(struct tcp_conn *conn, const struct tcp_delivery *delivery);

/* ---- recovery.c ---- */

/* An acknowledgement told something; the scoreboard and snd_una are up to date. Returns whether the retransmission timer
 * starts again. */
bool tcp_recovery_acked(struct tn_self *self, struct tcp_conn *conn, struct tcp_delivery *delivery);
/* The reordering timer ran out. */
void tcp_recovery_reordered(struct tn_self *self, struct tcp_conn *conn);
/* The retransmission timer ran out with data in flight. */
void tcp_recovery_timeout(struct tn_self *self, struct tcp_conn *conn);

/* ---- output.c ---- */

/* Sends what may be sent now, and the acknowledgement if one is due. */
void tcp_output(struct tn_self *self, struct tcp_conn *conn);
/* The persist timer ran out: probes the window, or overrides silly-window avoidance. */
void tcp_output_probe(struct tn_self *self, struct tcp_conn *conn);

/* The time for a tail probe has come: sends the next new segment whatever cwnd says, or else the last one again. */
void tcp_output_tail(struct tn_self *self, struct tcp_conn *conn);

/* ---- timers.c ---- */

void tcp_timer(struct tn_self *self, struct tn_timer *timer);
/* Keep-alive (re)starts: the connection is established, or its options were changed. */
void tcp_start_keepalive(struct tn_self *self, struct tcp_conn *conn);

/* ---- error.c ---- */

void tcp_error(struct tn_self *self, const struct tn_net_error *error);

/* ---- acknowledge.c ---- */

/* The segment's acknowledgement, SACK blocks and window, in a state from ESTABLISHED on. False: the connection has ended,
 * the record is gone. */
bool tcp_acknowledge(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg);
/* Takes the window that the segment offers. */
void tcp_take_window(struct tcp_conn *conn, const struct tcp_segment *seg);

/* ---- receive.c ---- */

/* The segment's data and FIN. Consumes the packet. The record may be gone afterwards. */
void tcp_receive(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg);
/* transport->received: the user took data. */
void tcp_user_received(struct tn_self *self, struct tn_socket *sock);

/* ---- handshake.c ---- */

/* transport->connect: an active OPEN. */
int tcp_connect(struct tn_self *self, struct tn_socket *sock);
/* What an active and a passive OPEN have in common. The socket's addresses and ports are set. */
void tcp_begin(struct tn_self *self, struct tcp_conn *conn, uint32_t iss);
/* A segment for a connection in SYN-SENT. Consumes it. */
void tcp_input_syn_sent(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg);
/* The handshake is complete: ESTABLISHED. `seg` acknowledged our SYN; snd_una has moved. */
void tcp_establish(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg);

/* ---- syn_cookie.c ---- */

/* The initial sequence number with which a SYN is answered without remembering it. */
uint32_t tcp_cookie_make(struct tn_self *self, const struct tcp_ends *ends, uint32_t irs, uint16_t mss);
/* The peer's MSS, if the number is a cookie that was made for it less than two minutes ago; else 0. */
uint16_t tcp_cookie_check(struct tn_self *self, const struct tcp_ends *ends, uint32_t irs, uint32_t cookie);
/* A timestamp (before the connection's offset is added) that carries the agreed options; and these options of one. */
uint32_t tcp_cookie_stamp(struct tn_self *self, uint32_t flags, uint8_t snd_scale);
uint32_t tcp_cookie_flags(uint32_t stamp, uint8_t *snd_scale);

/* ---- listen.c ---- */

void tcp_half_open_timer(struct tn_self *self, struct tn_timer *timer);
/* A segment for a listener, for a half-open connection. Consume it and return NULL, or return the connection that it has
 * established, which takes the rest of it. `least_iss`: what a new ISN must not be below, or NULL. */
struct tcp_conn *tcp_input_listen(struct tn_self *self, struct tn_socket *listener, struct tcp_segment *seg,
                                  const uint32_t *least_iss);
struct tcp_conn *tcp_input_half_open(struct tn_self *self, struct tcp_half_open *half,
                                     struct tcp_segment *seg);

/* ---- input.c ---- */

/* The input for IP protocol 6. */
void tcp_input(struct tn_self *self, struct tn_packet *packet);

/* ---- socket_options.c ---- */

int tcp_set_option(struct tn_self *self, struct tn_socket *sock, int name, const void *value, socklen_t len);
int tcp_get_option(struct tn_self *self, struct tn_socket *sock, int name, void *value, socklen_t *len);

#endif
