/* socket_table.h: what the files of the socket layer share, and nobody else sees.
 *
 * They stand in this order, each calling only those before it:
 *     socket_table.c      the table of four-tuples
 *     flow_table.c        flows (flow.h): what is found by its four-tuple and is no socket
 *     ports.c             who has which port
 *     flow.c              their life
 *     sockets.c           life of a socket, look-up, the list of sockets with events
 *     socket_transport.c  what transports do (plugin.h, "Sockets, for transports")
 *     socket_path.c       which way packets go
 *     socket_multicast.c  groups and who hears them
 *     socket_receive.c    what users do: services, and embedders through embed.c
 *     socket_send.c
 *     socket_user.c
 *     socket_events.c     telling users; services' listeners; the end of a service or a transport
 *     socket_option.c, embed*.c  the embedding API (tenon/stack.h; embed.h) */
#ifndef TENON_KERNEL_SOCKET_TABLE_H
#define TENON_KERNEL_SOCKET_TABLE_H

#include <sys/uio.h>

#include "htab.h"
#include "sockets.h"
#include "stack.h"

/* Queue limits of a new socket, where the transport does not set its own. */
#define TN_SOCKET_QUEUE_DEFAULT (208 * 1024)

/* Range of ephemeral ports (RFC 6056 §3.2 asks for a large one; this is Linux's). */
#define TN_EPHEMERAL_FIRST 32768u
#define TN_EPHEMERAL_LAST  60999u

/* The sockets of one transport. Kept after the transport has gone until its last socket's user has closed it.
 */
struct tn_socket_slab {
    struct tn_slab slab; /* records of sizeof(struct tn_socket) + the transport's socket_size */
    struct tn_socket_slab *next;
    uint16_t transport; /* slot; TN_SLOT_NONE: gone */
    size_t datagram_at; /* where in a record its struct tn_datagram lies; 0: it has none */
};

/* What a datagram socket has besides, behind the transport's record. */
struct tn_datagram {
    struct tn_addr bound;     /* what the user bound it to, while it is connected */
    struct tn_addr path_to;   /* where `path` leads */
    struct tn_addr path_from; /* the source that goes with it */
    bool path_chosen;         /* … which was left to the route */
    bool multicast_silent;    /* what it sends to a group is not for this stack's own members */
    uint8_t multicast_ttl;    /* 0: the default */
    uint16_t path_vrf;
    uint16_t multicast_ifindex; /* where what it sends to groups goes; 0: where the route leads */
    struct tn_membership *memberships;
};

static inline struct tn_datagram *tn_socket_datagram(struct tn_socket *sock)
{
    return (struct tn_datagram *)(void *)((char *)sock + sock->slab->datagram_at);
}

/* The groups that a socket is in (group.c). */
static inline struct tn_membership *tn_socket_memberships(const struct tn_socket *sock)
{
    struct tn_socket *s = (struct tn_socket *)(uintptr_t)sock;
    return s->slab->datagram_at ? tn_socket_datagram(s)->memberships : NULL;
}

/* Who holds a port with an address, or (`whole`) with any address at all. Sockets are counted in both. */
struct tn_port {
    struct tn_hnode node;
    struct tn_addr addr; /* all zero: sockets that are bound to no address */
    uint16_t port;
    uint16_t vrf;
    uint16_t transport; /* slot */
    uint8_t family;
    bool whole;
    uint32_t holders;         /* sockets that hold the port */
    uint32_t unshared;        /* … without TN_SOCK_REUSEADDR */
    uint32_t bound;           /* … with TN_SOCK_BOUND */
    uint32_t listeners;       /* … with TN_SOCK_LISTENING */
    struct tn_port *all;      /* the record of the whole port; NULL in that record itself */
    struct tn_socket *takers; /* sockets that take what is sent to no connection, last comer first */
};

/* A connection that waits to be accepted. */
struct tn_waiting {
    struct tn_socket *child;
    struct tn_socket *listener;
    struct tn_waiting *next; /* the next younger one */
    struct tn_waiting **link;
};

/* An embedder's descriptor. */
struct tn_descriptor {
    struct tn_socket *sock; /* NULL: free */
    tn_ready_fn *ready;
    void *context;
    uint32_t receive_timeout : 28; /* SO_RCVTIMEO, milliseconds; 0: none */
    uint32_t blocking : 1;
    uint32_t tell_address : 1;  /* with each datagram recvmsg tells: IP_PKTINFO, */
    uint32_t tell_ttl : 1;      /* IP_RECVTTL, */
    uint32_t tell_tos : 1;      /* IP_RECVTOS */
    uint32_t send_timeout : 28; /* SO_SNDTIMEO */
};

/* A tuple's words and their hash (tn_tuple_hash). */
struct tn_hashed_tuple {
    uint64_t words[5];
    uint32_t hash;
};

struct tn_sockets {
    struct tn_htab connections; /* by four-tuple: tn_socket.node */
    struct tn_socket *recent;   /* the one of them that was found last, or NULL */
    struct tn_hashed_tuple last_hashed;
    struct tn_htab ports;
    struct tn_flows *flows; /* flow.h */
    struct tn_slab port_slab;
    struct tn_slab accepting; /* struct tn_accepting */
    struct tn_slab waiting;   /* struct tn_waiting */
    struct tn_socket_slab *slabs;
    struct tn_socket *event_head; /* sockets with events to be told */
    struct tn_socket *event_tail; /* … the last of them, if there are some */
    size_t count;
    size_t limit;
    uint16_t vrf_most; /* the highest VRF in which a port was ever held */
    size_t
        takers_in_any; /* takers in TN_VRF_ANY, and the others: what there is none of need not be looked for */
    size_t takers_in_one;
    uint32_t tuples[TN_SLOTS_MAX]; /* sockets of each transport in the table of four-tuples */
    struct {                       /* who was found last, and for what; no socket: nobody */
        struct tn_addr local;
        struct tn_socket *sock;
        uint16_t port, vrf, transport, ifindex;
        uint8_t family;
    } recent_taker;
    unsigned walkers; /* walks over all sockets that are under way: slabs stay */
    uint32_t last_id;
    uint32_t next_ephemeral;   /* RFC 6056 §3.3.3 */
    struct tn_descriptor *fds; /* `limit` of them */
    int32_t fd_hint;           /* no descriptor below it is free */
};

/* A local and a remote end. */
struct tn_tuple {
    struct tn_addr local;
    struct tn_addr remote;
    uint16_t local_port;
    uint16_t remote_port;
    uint16_t vrf;
    uint16_t transport; /* slot */
    uint8_t family;
};

/* ---- socket_table.c ---- */

struct tn_tuple tn_socket_tuple(const struct tn_socket *sock);
uint32_t tn_tuple_hash(const struct tn_stack *stack, const struct tn_tuple *tuple);
struct tn_socket *tn_tuple_find(const struct tn_stack *stack, const struct tn_tuple *tuple);
/* Whether a packet that was received belongs to the connection. */
static inline bool tn_tuple_is(const struct tn_socket *sock, uint16_t transport,
                               const struct tn_packet *packet)
{
    return sock->remote_port == packet->src_port && sock->local_port == packet->dst_port &&
           tn_addr_equal(&sock->remote, &packet->src) && tn_addr_equal(&sock->local, &packet->dst) &&
           sock->transport == transport && sock->family == packet->family && sock->vrf == packet->vrf;
}

/* Enters the socket under its addresses and ports (TN_SOCK_HASHED); taking out an absent one is allowed. */
void tn_tuple_insert(struct tn_stack *stack, struct tn_socket *sock);
void tn_tuple_remove(struct tn_stack *stack, struct tn_socket *sock);

/* ---- ports.c: all on the sockets' own family, vrf and transport ---- */

int tn_ports_init(struct tn_sockets *sockets, size_t limit);
void tn_ports_destroy(struct tn_sockets *sockets);
/* Binds the socket: sets local and local_port and TN_SOCK_BOUND, and takes the port. Port 0: an ephemeral
 * one. -EADDRINUSE, -ENOBUFS. */
int tn_port_bind(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *addr, uint16_t port);
/* Takes an ephemeral port for a connection from `local` to the socket's remote end. -EADDRNOTAVAIL when none
 * is free. */
int tn_port_connect(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *local);
/* Takes the port of sock->local and local_port without asking who else has it. -ENOBUFS. */
int tn_port_hold(struct tn_stack *stack, struct tn_socket *sock);
/* The port that the socket holds is held once more, by a flow; and the flow at `tuple` lets it go (`shared`: the socket had
 * TN_SOCK_REUSEADDR). */
void tn_port_lend(struct tn_socket *sock);
void tn_port_give_back(struct tn_stack *stack, const struct tn_tuple *tuple, bool shared);
/* Moves a socket that holds a port to another local address. -ENOBUFS. */
int tn_port_move(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *addr);
/* Lets the port go; nothing if none is held. */
void tn_port_release(struct tn_stack *stack, struct tn_socket *sock);
/* Marks the socket as a listener (TN_SOCK_LISTENING). -EADDRINUSE if another one listens where it would. */
int tn_port_listen(struct tn_stack *stack, struct tn_socket *sock);
void tn_port_unlisten(struct tn_stack *stack, struct tn_socket *sock);
/* Sets or clears TN_SOCK_REUSEADDR. */
void tn_port_share(struct tn_socket *sock, bool on);
/* The socket takes (no longer takes) what is sent to its port and to no connection. */
void tn_port_take(struct tn_stack *stack, struct tn_socket *sock);
void tn_port_untake(struct tn_stack *stack, struct tn_socket *sock);
/* The best taker for what is sent to the tuple's local end, received on interface `ifindex`. */
struct tn_socket *tn_port_taker(const struct tn_stack *stack, const struct tn_tuple *tuple, uint16_t ifindex);

/* Whether sockets->recent_taker is the taker of a packet that was received and belongs to no connection. */
static inline bool tn_port_is_recent(const struct tn_sockets *sockets, uint16_t transport,
                                     const struct tn_packet *packet)
{
    return sockets->recent_taker.port == packet->dst_port && sockets->recent_taker.sock &&
           tn_addr_equal(&sockets->recent_taker.local, &packet->dst) &&
           sockets->recent_taker.transport == transport && sockets->recent_taker.vrf == packet->vrf &&
           sockets->recent_taker.family == packet->family && sockets->recent_taker.ifindex == packet->ifindex;
}

/* The records whose takers may take what `packet` brings for many: at its address and at any, in its VRF and in all. */
void tn_port_ends(const struct tn_stack *stack, uint16_t transport, const struct tn_packet *packet,
                  const struct tn_port *ends[4]);

/* ---- sockets.c ---- */

/* The transport of (family, protocol): its slot, or NULL. */
struct tn_slot *tn_transport_find(struct tn_stack *stack, uint8_t family, uint8_t protocol);
/* A new socket without an owner; transport->open is not called. NULL at the limit (counted). */
struct tn_socket *tn_socket_new(struct tn_stack *stack, struct tn_slot *transport, uint8_t family,
                                uint8_t protocol);
/* Frees the record if both sides have let go of it and nothing else holds it. */
void tn_socket_release(struct tn_stack *stack, struct tn_socket *sock);
/* Notes events for the user, who is told in tn_sockets_deliver_events(). */
void tn_socket_raise(struct tn_stack *stack, struct tn_socket *sock, unsigned events);
/* Puts the socket on the list of those with events, whether it has some or not. */
void tn_socket_enqueue(struct tn_stack *stack, struct tn_socket *sock);
/* Frees all packets of a queue. */
void tn_queue_purge(struct tn_stack *stack, struct tn_packet_queue *queue);
/* Frees `bytes` from the front of a queue of packets of one piece. */
void tn_queue_consume(struct tn_stack *stack, struct tn_packet_queue *queue, size_t bytes);
/* Puts a child at the end of its listener's accept queue (TN_SOCK_PENDING). False: there is no record to be had. */
bool tn_socket_wait(struct tn_stack *stack, struct tn_socket *child, struct tn_socket *listener);
/* Takes a child off its listener's queue: it is TN_SOCK_PENDING no longer. */
void tn_socket_unparent(struct tn_stack *stack, struct tn_socket *child);
/* Whether the socket's path leads from `src` to `dst` (as it did for the last datagram). */
static inline bool tn_socket_path_is(const struct tn_stack *stack, struct tn_socket *sock, uint16_t vrf,
                                     const struct tn_addr *src, const struct tn_addr *dst)
{
    const struct tn_datagram *d = tn_socket_datagram(sock);
    return sock->path.generation == stack->path_generation && d->path_vrf == vrf &&
           tn_addr_equal(&d->path_to, dst) && tn_addr_equal(&d->path_from, src);
}

/* What a datagram (of one piece) really occupies, in bytes. */
static inline uint32_t tn_datagram_memory(const struct tn_packet *packet)
{
    return (uint32_t)sizeof(*packet) + (uint32_t)sizeof(struct tn_buffer) + packet->buffer->size;
}

/* The transport's own `self` and operations; NULL when it has gone. */
static inline struct tn_self *tn_socket_transport(const struct tn_stack *stack, const struct tn_socket *sock)
{
    if (sock->transport == TN_SLOT_NONE || (sock->flags & TN_SOCK_FREED))
        return NULL;
    return &stack->slots[sock->transport]->self;
}

/* Queues must not take the packets that are needed to empty them: while less than half of them are left, a send queue grows
 * only from nothing. */
static inline bool tn_socket_must_wait(const struct tn_stack *stack, const struct tn_socket *sock)
{
    return sock->tx.bytes > 0 && tn_pool_beyond(&stack->pool, 2);
}

/* Whether a stream's send queue has enough room to say so, and packets are to be had for it. */
static inline bool tn_socket_writable(const struct tn_stack *stack, const struct tn_socket *sock)
{
    return sock->tx.bytes <= sock->sndbuf / 3 * 2 && !tn_socket_must_wait(stack, sock);
}

/* The pending error as a negative errno, which is thereby told and cleared; 0: none. */
int tn_socket_take_error(struct tn_socket *sock);

/* ---- socket_path.c ---- */

/* The address to speak from: the bound one, unless that is not one to speak from (all zero: the path's choice). */
struct tn_addr tn_socket_source(struct tn_stack *stack, const struct tn_socket *sock);
/* The VRF in which the socket sends what is no answer. */
static inline uint16_t tn_socket_vrf(const struct tn_socket *sock)
{
    return sock->vrf == TN_VRF_ANY ? 0 : sock->vrf;
}
/* Finds the socket's path in `vrf` to `dst`, and the source if `src` is zero. -ENETUNREACH, -EACCES (SO_BROADCAST), ... */
int tn_socket_find_path(struct tn_stack *stack, struct tn_socket *sock, uint16_t vrf, struct tn_addr *src,
                        const struct tn_addr *dst);
/* Datagrams: the path that was found leads from `src` (`chosen` by it) to `dst`. */
void tn_socket_remember_path(struct tn_socket *sock, uint16_t vrf, const struct tn_addr *src,
                             const struct tn_addr *dst, bool chosen);
/* Datagrams: as tn_socket_find_path, but the path to the last destination is remembered. */
int tn_socket_path_to(struct tn_stack *stack, struct tn_socket *sock, uint16_t vrf, struct tn_addr *src,
                      const struct tn_addr *dst);

/* ---- socket_receive.c ---- */

/* Where a datagram came from or goes. */
struct tn_origin {
    struct tn_addr addr;
    uint16_t port;
};

/* What else is known of a datagram that was read. */
struct tn_arrival {
    struct tn_origin from;
    struct tn_addr to;
    size_t whole; /* its length */
    uint16_t ifindex;
    uint8_t ttl;
    uint8_t tos;
};

/* Memory in pieces, as of readv(2), that are worked off from the front. */
struct tn_pieces {
    const struct iovec *next; /* the first that was not begun */
    char *rest;               /* of the one before it */
    size_t rest_len;
    size_t left; /* bytes in all that are not done */
};

/* The rest of the first piece that is not empty. There is something left. */
void *tn_pieces_first(struct tn_pieces *pieces, size_t *len);
void tn_pieces_advance(struct tn_pieces *pieces, size_t len);
/* Copies all that is left, to `to`. */
void tn_pieces_gather(struct tn_pieces *from, void *to);
/* Copies as many of the bytes as there is room for; returns how many. */
size_t tn_pieces_scatter(struct tn_pieces *to, const void *bytes, size_t len);

/* Copies from the receive queue and moves `to` on; `flags`: MSG_PEEK, MSG_TRUNC (streams: bytes are discarded), MSG_OOB (streams). `arrival`, if
 * not NULL, is filled in for a datagram. */
ssize_t tn_socket_read(struct tn_stack *stack, struct tn_socket *sock, struct tn_pieces *to, int flags,
                       struct tn_arrival *arrival);

/* ---- socket_send.c ---- */

/* Where a datagram is to go, and how. */
struct tn_departure {
    struct tn_origin to;
    struct tn_addr src; /* all zero: the socket's */
    uint8_t ttl;        /* 0: the socket's */
    uint8_t tos;
    bool named;   /* `to` is given; else it goes to the connected address */
    bool has_tos; /* `tos` is, too */
};

/* Sends all of `from` as one datagram. */
ssize_t tn_socket_send_to(struct tn_stack *stack, struct tn_socket *sock, struct tn_pieces *from,
                          const struct tn_departure *departure);
/* Tells a stream's transport that there is something to send. */
void tn_socket_send_ready(struct tn_stack *stack, struct tn_socket *sock);
/* A stream: appends what there is room for to the send queue, and moves `from` on. `flags`: MSG_MORE, MSG_OOB. */
ssize_t tn_socket_send_stream(struct tn_stack *stack, struct tn_socket *sock, struct tn_pieces *from,
                              int flags);

/* ---- socket_user.c ---- */

/* A new socket, opened by its transport. `owner`: slot of a service, or TN_SLOT_NONE. `protocol` 0: the first
 * transport of this type. -EPROTONOSUPPORT, -ENFILE. */
int tn_socket_create(struct tn_stack *stack, uint16_t owner, uint8_t family, uint8_t type, uint8_t protocol,
                     struct tn_socket **sock);
/* Binds without asking whether the address is this stack's. -EINVAL if it is bound, -EADDRINUSE. */
int tn_socket_bind(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *addr, uint16_t port);
/* As listen(2). */
int tn_socket_listen(struct tn_stack *stack, struct tn_socket *sock, int backlog);
/* The oldest connection that waits at the listener, no longer its child; NULL if there is none. Its events,
 * if it has any by now, are raised. */
struct tn_socket *tn_socket_accept(struct tn_stack *stack, struct tn_socket *listener);
/* Dissolves a datagram socket's connection. */
void tn_socket_disconnect(struct tn_stack *stack, struct tn_socket *sock);
/* Closes: as core->socket_close, or, with `abort`, without lingering. */
void tn_socket_end(struct tn_stack *stack, struct tn_socket *sock, bool abort);

/* ---- socket_multicast.c ---- */

/* The family's options of multicast; -ENOPROTOOPT for any other. */
int tn_socket_set_multicast(struct tn_stack *stack, struct tn_socket *sock, int name, const void *value,
                            socklen_t len);
int tn_socket_get_multicast(struct tn_stack *stack, struct tn_socket *sock, int name, int *out);
/* Joins the group on every interface that there is. */
int tn_socket_join_everywhere(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *group);

/* ---- socket_option.c ---- */

/* Level SOL_SOCKET, the family's level and the transport's own. */
int tn_socket_set_option(struct tn_stack *stack, struct tn_socket *sock, int level, int name,
                         const void *value, socklen_t len);
int tn_socket_get_option(struct tn_stack *stack, struct tn_socket *sock, int level, int name, void *value,
                         socklen_t *len);

#endif
