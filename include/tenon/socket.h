/* socket.h: the socket record, which the core owns and transports and services work on.
 *
 * A socket sits between a transport (which moves its bytes) and its user (a service plugin or an embedding
 * program). It outlives the code of both: it names them by slot. Behind the record lies the transport's own
 * record for this socket (tn_socket_state()), zeroed when the socket is made.
 *
 * Life of a socket:
 *     1. made: by core->socket_open (a user), which calls transport->open; or by core->socket_child (a
 *        transport, for a listener, when a handshake is complete), which does not: that transport sets up its record
 *        itself
 *     2. used by both sides
 *     3. closed by the user (TN_SOCK_CLOSED: no more events), which calls transport->close; the transport may
 *        still work, as a stream's does until its last segments have arrived
 *     4. let go by the transport with core->socket_free()
 * The record goes when both have let go of it, in either order. A child that no user has accepted yet has none to
 * wait for: core->socket_free() ends it at once.
 *
 * Events are edges: a user is told when something new has come, once for all that came in one batch. A user
 * that leaves data in the queue is told again when more comes; until then it remembers. A callback may close
 * its socket, and any other; the record of its own stays until it returns. */
#ifndef TENON_SOCKET_H
#define TENON_SOCKET_H

#include "tenon/packet.h"

struct tn_port;
struct tn_socket_slab;
struct tn_waiting;
struct tn_accepting;

/* tn_socket.flags */
#define TN_SOCK_BOUND       0x0001u /* has a local port (and perhaps address) of its own in the port table */
#define TN_SOCK_CONNECTED   0x0002u /* has a remote address; for streams: the handshake is complete */
#define TN_SOCK_LISTENING   0x0004u
#define TN_SOCK_EOF         0x0008u /* the peer will send no more */
#define TN_SOCK_SHUT_RECV   0x0010u /* the user will receive no more */
#define TN_SOCK_SHUT_SEND   0x0020u /* the user will send no more (a FIN follows the queue) */
#define TN_SOCK_CLOSED      0x0040u /* the user has closed it */
#define TN_SOCK_CONNECTING  0x0080u /* a connect is on its way */
#define TN_SOCK_HASHED      0x0100u /* is found by its four-tuple */
#define TN_SOCK_PENDING     0x0200u /* child of a listener, not yet accepted */
#define TN_SOCK_REUSEADDR   0x0400u
#define TN_SOCK_BROADCAST   0x0800u
#define TN_SOCK_KEEPALIVE   0x1000u
#define TN_SOCK_LINGER0     0x2000u /* SO_LINGER with time 0: close resets */
#define TN_SOCK_ABORTED     0x4000u /* the transport has given it up (reset, timeout); only close is left */
#define TN_SOCK_WANT_WRITE  0x8000u /* the user met a full send queue and waits for TN_EVENT_WRITABLE */
#define TN_SOCK_NODELAY     0x10000u
#define TN_SOCK_QUEUED      0x20000u /* on the core's list of sockets with events */
#define TN_SOCK_FREED       0x40000u /* the transport is done with it */
#define TN_SOCK_URGENT      0x80000u /* streams: urgent data was told of that the user has not read past yet */
#define TN_SOCK_URGENT_NEWS 0x100000u /* … nor taken with MSG_OOB */
#define TN_SOCK_OOBINLINE   0x200000u
#define TN_SOCK_CORK        0x400000u   /* TCP_CORK: what does not fill a segment waits */
#define TN_SOCK_MORE        0x800000u   /* the last data was sent with MSG_MORE: the same */
#define TN_SOCK_RCVBUF_SET  0x10000000u /* the user set rcvbuf (SO_RCVBUF): a transport leaves it alone */
#define TN_SOCK_SNDBUF_SET  0x20000000u /* … sndbuf */

#define TN_SOCK_TAKES 0x80000000u /* takes what is sent to its port and to no connection */

/* What a user is told; a set. */
#define TN_EVENT_READABLE 0x01u /* data, or the end of data */
#define TN_EVENT_WRITABLE 0x02u /* there is room to send again; also: connected */
#define TN_EVENT_ACCEPT   0x04u /* a listener has a connection to accept */
#define TN_EVENT_ERROR    0x08u /* see SO_ERROR */
#define TN_EVENT_HANGUP   0x10u /* both directions have ended, or it was aborted */
#define TN_EVENT_URGENT   0x20u /* streams: urgent data is on its way, or more of it */

/* How a datagram socket heeds the path MTU (IP_MTU_DISCOVER). */
enum tn_mtu_discover {
    TN_MTU_WANT, /* what is longer goes in fragments, what is not must not be fragmented on the way; the default */
    TN_MTU_DONT,  /* what is longer goes in fragments, and routers may fragment too */
    TN_MTU_DO,    /* what is longer is refused, and nothing may be fragmented */
    TN_MTU_PROBE, /* as that, but only the interface's MTU counts */
};

/* Way to a destination, as far as it can be remembered. Valid while `generation` is the stack's; all zero =
 * nothing known. Filled by core->path_find(). */
struct tn_path {
    struct tn_neighbour *neighbour; /* next hop; NULL when none is needed (broadcast, no link addresses) */
    uint32_t generation;
    uint16_t mtu;          /* largest network packet, in bytes (65535 at most) */
    uint16_t ifindex : 12; /* narrow: each socket has such a path */
    uint16_t kind : 3;     /* enum tn_path_kind */
    uint16_t
        mtu_floor : 1; /* `mtu` is more than the network said it takes: packets may be fragmented on the way */
};

enum tn_path_kind {
    TN_PATH_NONE,
    TN_PATH_UNICAST,   /* through `neighbour` */
    TN_PATH_BROADCAST, /* to the link's broadcast address */
    TN_PATH_MULTICAST, /* to a link multicast address that the network protocol derives */
    TN_PATH_LOCAL,     /* to this stack itself */
};

struct tn_socket {
    /* demultiplexing; the links, `port` and `slab` are the core's alone */
    union {
        void *node_next;              /* TN_SOCK_HASHED: in the table of four-tuples (as a tn_hnode) */
        struct tn_socket *taker_next; /* TN_SOCK_TAKES: in the port's list */
    };
    uint32_t node_hash;
    uint32_t id;                 /* unique in the stack's life, for people */
    struct tn_port *port;        /* the local port that it holds, or NULL */
    struct tn_socket_slab *slab; /* where the record lies */
    uint32_t flags;              /* TN_SOCK_… */
    uint32_t rx_memory;          /* datagrams: what rx really occupies, in bytes; rcvbuf limits this */
    struct tn_addr local;        /* all zero: any */
    struct tn_addr remote;       /* all zero: none */
    uint16_t local_port;
    uint16_t remote_port;
    uint16_t vrf;     /* TN_VRF_ANY: takes what comes in any, and sends in 0 what is no answer */
    uint16_t ifindex; /* bound to this interface; 0: any */
    uint8_t family;   /* AF_… */
    uint8_t type;     /* SOCK_STREAM, SOCK_DGRAM */
    uint8_t protocol; /* IP protocol number */
    uint8_t ttl;      /* 0: default */
    uint8_t tos;
    uint8_t mtu_discover; /* enum tn_mtu_discover */

    /* who */
    uint8_t events;      /* TN_EVENT_… not yet told */
    bool tx_appendable;  /* bytes may be put behind tx.tail's (the core's) */
    uint16_t transport;  /* slot */
    uint16_t owner;      /* slot of the service, or TN_SLOT_NONE: an embedder */
    uint16_t error;      /* pending SO_ERROR (an errno) */
    uint16_t soft_error; /* streams: the last news of trouble on the way (an errno), which did not end it */
    uint16_t linger;     /* SO_LINGER's seconds, + 1; 0: off */
    int32_t fd;          /* the embedder's descriptor; -1: none */
    union {
        void *user;                   /* the owner's: a record in core memory, or NULL */
        struct tn_accepting *accepts; /* TN_SOCK_LISTENING: its accept queue; NULL: not yet */
        struct tn_waiting *waits;     /* TN_SOCK_PENDING: its place in one (the core's) */
    };

    /* queues */
    struct tn_packet_queue rx; /* received, in order, waiting for the user; datagrams: one packet each */
    struct tn_packet_queue tx; /* streams: accepted from the user, not yet acknowledged by the peer */
    uint32_t rcvbuf;           /* limit of rx.bytes (datagrams: of rx_memory) */
    uint32_t sndbuf;           /* limit of tx.bytes */

    struct tn_path path;

    struct tn_socket *event_next; /* in the core's list of sockets with events */
};

/* A listener's connections that wait to be accepted, oldest first. */
struct tn_accepting {
    struct tn_waiting *first;
    struct tn_waiting **end;
    uint32_t backlog; /* at most this many */
    uint32_t count;
};

static inline bool tn_accept_queue_full(const struct tn_socket *listener)
{
    return listener->accepts->count >= listener->accepts->backlog;
}

/* The transport's record for this socket: tn_transport_ops.socket_size bytes. */
static inline void *tn_socket_state(struct tn_socket *s)
{
    return s + 1;
}

static inline struct tn_socket *tn_socket_of(void *state)
{
    return (struct tn_socket *)state - 1;
}

/* Room in the receive and send queue, in bytes. */
static inline uint32_t tn_socket_rx_room(const struct tn_socket *s)
{
    return s->rx.bytes < s->rcvbuf ? s->rcvbuf - s->rx.bytes : 0;
}

static inline uint32_t tn_socket_tx_room(const struct tn_socket *s)
{
    return s->tx.bytes < s->sndbuf ? s->sndbuf - s->tx.bytes : 0;
}

#endif
