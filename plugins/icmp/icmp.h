/* icmp.h (private): what the parts of the icmp plugin share. */
#ifndef ICMP_H
#define ICMP_H

#include "tenon/plugin.h"
#include "tenon/proto/icmp.h"
#include "tenon/proto/ipv4.h"

#define ICMP_COUNTERS(X)                                                             \
    X(MESSAGES_IN, "messages-in", "Messages received")                               \
    X(ECHOS_IN, "echos-in", "Echo requests received and answered")                   \
    X(ECHO_REPLIES_IN, "echo-replies-in", "Echo replies received")                   \
    X(ECHOS_OUT, "echos-out", "Echo requests sent")                                  \
    X(ERRORS_IN, "errors-in", "Errors received about packets that this stack sent")  \
    X(ERRORS_OUT, "errors-out", "Errors sent about packets that were refused")       \
    X(TIMESTAMPS_IN, "timestamps-in", "Timestamp requests received and answered")    \
    X(REDIRECTS_IN, "redirects-in", "Redirects received and followed")               \
    X(ERRORS_LIMITED, "errors-limited", "Errors not sent because of the rate limit") \
    X(ERRORS_FORBIDDEN, "errors-forbidden", "Errors not sent because nobody may be told (RFC 1122 §3.2.2)")

#define ICMP_DROPS(X)                                                                                       \
    X(TRUNCATED, "truncated", "Shorter than an ICMP header")                                                \
    X(BAD_CHECKSUM, "bad-checksum", "The checksum is wrong")                                                \
    X(BROADCAST_ECHO, "broadcast-echo", "An echo or timestamp request to a broadcast or multicast address") \
    X(BROADCAST_ERROR, "broadcast-error", "An error message to a broadcast or multicast address")           \
    X(NO_SOCKET, "no-socket", "An echo reply that nobody waits for")                                        \
    X(SOCKET_FULL, "socket-full", "The ping socket's receive queue was full")                               \
    X(BAD_QUOTE, "bad-quote", "An error message whose quoted packet is cut short or malformed")             \
    X(NOT_OURS, "not-ours", "An error message about a packet that this stack did not send")                 \
    X(BAD_CODE, "bad-code", "An error message with a code that means nothing")                              \
    X(SOURCE_QUENCH, "source-quench", "A source quench, which is ignored (RFC 6633)")                       \
    X(REDIRECT, "redirect", "A redirect that is ignored, as all are unless the option says otherwise")      \
    X(UNKNOWN_TYPE, "unknown-type", "A type that means nothing here")                                       \
    X(NO_PATH, "no-path", "There is no way back to the sender")                                             \
    X(NO_MEMORY, "no-memory", "The packet pool was exhausted")                                              \
    X(BAD_REQUEST, "bad-request", "A ping socket was to send what is no echo request")

#define ICMP_COUNTER_ID(id, name, help) ICMP_##id,
#define ICMP_DROP_ID(id, name, help)    ICMP_DROP_##id,
enum {
    ICMP_COUNTERS(ICMP_COUNTER_ID) ICMP_COUNTER_COUNT
};
enum {
    ICMP_DROPS(ICMP_DROP_ID) ICMP_DROP_COUNT,
    ICMP_OK = -1 /* no reason to drop */
};

/* Index into the plugin's timers. */
enum {
    ICMP_TIMER_PING,
    ICMP_TIMER_COUNT,
};

struct icmp_options {
    int64_t rate;
    int64_t burst;
    int64_t rate_each;
    int64_t burst_each;
    int64_t path_mtu_least;
    tn_time path_mtu_lifetime;
    bool redirects;
    tn_time redirect_lifetime;
    bool timestamps;
};

#define ICMP_PINGS_MAX 64 /* `ping` commands at a time; a power of 2 */

struct icmp_ping;

#define ICMP_BUCKETS 256

struct icmp_state {
    uint64_t salt;
    tn_time reported_until;                  /* limit.c: the time that errors sent so far are worth */
    tn_time told_until[ICMP_BUCKETS];        /* the same, by destination */
    struct tn_slab *ping_slab;               /* ping.c */
    struct icmp_ping *pings[ICMP_PINGS_MAX]; /* by the low bits of their identifier */
};

static inline struct icmp_state *icmp_state(struct tn_self *self)
{
    return self->state;
}

static inline const struct icmp_options *icmp_options(const struct tn_self *self)
{
    return self->options;
}

/* message.c. Sets the checksum of the message, which is one writable piece. */
void icmp_set_checksum(struct tn_packet *packet);
/* Sends the message (one piece, src and dst set), which answers something that was received. Consumes it. */
void icmp_send_answer(struct tn_self *self, struct tn_packet *packet);

/* limit.c: whether one more error may be sent to `dst`, which is then counted as sent. */
bool icmp_may_tell(struct tn_self *self, const struct tn_addr *dst);

/* report.c: the family's reporter. */
void icmp_report(struct tn_self *self, const struct tn_packet *packet, enum tn_reject why, uint32_t info);

/* error.c. An error message that was received: passes it on. What is wrong with it, or ICMP_OK; does not
 * consume it. */
int icmp_error_input(struct tn_self *self, const struct tn_packet *packet);

/* timestamp.c, redirect.c. The same for these. */
int icmp_timestamp_input(struct tn_self *self, struct tn_packet *request);
int icmp_redirect_input(struct tn_self *self, const struct tn_packet *packet);

/* socket.c. An echo reply (at the ICMP header): to the ping socket that asked. Consumes it. */
void icmp_socket_input(struct tn_self *self, struct tn_packet *packet, uint16_t id);
int icmp_send_datagram(struct tn_self *self, struct tn_socket *sock, struct tn_packet *packet,
                       const struct tn_path *path);
void icmp_close(struct tn_self *self, struct tn_socket *sock, bool abort);
/* News about an echo request of ours: for a `ping` command, or for a socket. */
void icmp_net_error(struct tn_self *self, const struct tn_net_error *error);
/* ping.c: the command `ping`. */
int icmp_ping_init(struct tn_self *self);
int icmp_ping_start(struct tn_self *self, struct tn_job *job);
void icmp_ping_cancel(struct tn_self *self, struct tn_job *job);
void icmp_ping_timer(struct tn_self *self, struct tn_timer *timer);
/* Whether the reply (at the ICMP header) answers a `ping` command, which then has it. Does not consume it. */
bool icmp_ping_reply(struct tn_self *self, const struct tn_packet *packet,
                     const struct tn_icmp_header *header);
/* Whether the error is about a `ping` command's request, which then knows. */
bool icmp_ping_error(struct tn_self *self, const struct tn_net_error *error, uint16_t id, uint16_t seq);

#endif
