/* tcp.h: what all files of the plugin share: its options, its state, its clock.
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
 *     user_timeout.c    what the two ends tell each other of their patience (RFC 5482)
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
 * What a file offers is declared in the header of its name, or else of what it is a part of: congestion.h (rtt.c, ecn.c),
 * input.h (acknowledge.c, receive.c, handshake.c, error.c), listen.h (syn_queue.c, syn_cookie.c), recovery.h (rack.c, prr.c,
 * spurious.c, tail.c), segment.h (options.c, describe.c, and what segment.c reads and writes; output.h has what it sends).
 *
 * Sections without the number of an RFC are RFC 9293's. */
#ifndef TENON_TCP_H
#define TENON_TCP_H

#include <errno.h>
#include <netinet/in.h>

#include "counters.h"
#include "tenon/plugin.h"
#include "tenon/proto/tcp.h"

/* Nearly all segments are the next ones of a connection to which nothing special happens. Where that can be told by a few
 * comparisons, the steps that would find nothing to do are left out (Van Jacobson's header prediction). What is left out must make
 * no difference: a test runs the plugin beside one that is built without (TCP_GENERAL_ONLY). */
#ifdef TCP_GENERAL_ONLY
#define tcp_usual(condition) ((condition) && false)
#else
#define tcp_usual(condition) tn_likely(condition)
#endif

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
    tn_time user_timeout_least;
    tn_time user_timeout_most;
    tn_time keepalive_time;
    tn_time keepalive_interval;
    bool window_scaling;
    bool timestamps;
    bool sack;
    bool user_timeout_option;
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

/* In a circle of connections that begins and ends with the list's own link. */
struct tcp_link {
    struct tcp_link *next, *prev; /* NULL: in none */
};

#define TCP_ATTENDED_MAX 256

#define TCP_INTERFACES 257 /* by index; 0 is this stack itself */

struct tcp_state {
    struct tcp_link ready; /* connections with something to send, in the order in which they asked */
    struct tcp_link held[TCP_INTERFACES]; /* … that wait for a device that is full */
    struct tcp_conn
        *attended[TCP_ATTENDED_MAX]; /* of those, to which something happened: they keep their turn */
    uint32_t attended_count;
    uint64_t freed[TCP_INTERFACES / 64 + 1]; /* a bit an interface: its device has room again */
    bool any_freed;
    bool in_turn; /* it is the turn of the one that tcp_output looks at, of those that wait for its device */
    bool full;    /* … which found it full (again) */
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

/* For times of which only the difference counts: microseconds, modulo 2^32 (71 minutes). */
static inline uint32_t tcp_microseconds(struct tn_self *self)
{
    return (uint32_t)(tn_now(self) / TN_USEC);
}

/* The clock of timestamps and of what needs no more: milliseconds, modulo 2^32 (RFC 7323 §5.4 allows 1 ms to 1 s). */
static inline uint32_t tcp_clock(struct tn_self *self)
{
    return (uint32_t)(tn_now(self) / TN_MSEC);
}

#endif
