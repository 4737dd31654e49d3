/* ports.c: who has which port.
 *
 * Whether a port may be taken depends on who else has it: with the same address, with none (a socket bound to
 * no address answers for all), or with whatever address (if the new one wants all). So each socket is counted
 * in two records: that of its (port, address) and that of the whole port. A question is answered from at most
 * two records, and no list of sockets is ever walked, however many connections share a listener's port.
 *
 * The rules are those of Linux. A port that is taken is refused, unless the newcomer and every holder say
 * SO_REUSEADDR and none of them listens: that lets a server start again while its old connections are in
 * TIME-WAIT. Two sockets never listen at the same address.
 *
 * Each VRF has ports of its own. A socket in TN_VRF_ANY wants its port in all of them: it is refused where any of
 * them has given the port away, and while it has the port, nobody gets it anywhere.
 *
 * Ephemeral ports are chosen by RFC 6056 §3.3.3: a counter, displaced by a keyed hash of the destination, so
 * that ports are not reused early and nobody outside can foretell the next one. */
#include <errno.h>

#include "flow.h"

int tn_ports_init(struct tn_sockets *sockets, size_t limit)
{
    int error = tn_htab_init(&sockets->ports);
    if (error < 0)
        return error;
    /* Two a socket, and two while one moves; flows may keep as many for a while. */
    error = tn_slab_init(&sockets->port_slab, "ports", sizeof(struct tn_port), 4 * limit + 2);
    if (error < 0)
        tn_htab_destroy(&sockets->ports);
    return error;
}

void tn_ports_destroy(struct tn_sockets *sockets)
{
    tn_slab_destroy(&sockets->port_slab);
    tn_htab_destroy(&sockets->ports);
}

/* ---- Records ---- */

static const struct tn_addr any_address;

static struct tn_port port_key(const struct tn_socket *sock, const struct tn_addr *addr, uint16_t port)
{
    return (struct tn_port){
        .addr = *addr,
        .port = port,
        .vrf = sock->vrf,
        .transport = sock->transport,
        .family = sock->family,
    };
}

/* Not keyed: what is in this table was put there by this stack's own sockets. */
static uint32_t port_hash(const struct tn_port *key)
{
    uint64_t h = key->addr.half[0] ^ (key->addr.half[1] * 0x9e3779b97f4a7c15u);
    h ^= (uint64_t)key->port << 32 | (uint64_t)key->vrf << 48 | (uint64_t)key->transport << 16 |
         (uint64_t)key->family << 1 | key->whole;
    h *= 0xff51afd7ed558ccdu;
    h ^= h >> 32;
    return (uint32_t)(h ^ h >> 15);
}

static struct tn_port *port_find(const struct tn_sockets *sockets, const struct tn_port *key)
{
    uint32_t hash = port_hash(key);
    for (struct tn_hnode *n = tn_htab_first(&sockets->ports, hash); n; n = n->next) {
        struct tn_port *p = tn_container(n, struct tn_port, node);
        if (n->hash == hash && p->port == key->port && p->whole == key->whole && p->family == key->family &&
            p->transport == key->transport && p->vrf == key->vrf && tn_addr_equal(&p->addr, &key->addr))
            return p;
    }
    return NULL;
}

static struct tn_port *port_get(struct tn_sockets *sockets, const struct tn_port *key)
{
    struct tn_port *p = port_find(sockets, key);
    if (p)
        return p;
    p = tn_slab_alloc(&sockets->port_slab);
    if (!p)
        return NULL;
    *p = *key;
    tn_htab_insert(&sockets->ports, &p->node, port_hash(key));
    return p;
}

static void port_put(struct tn_sockets *sockets, struct tn_port *p)
{
    if (p->holders > 0)
        return;
    tn_htab_remove(&sockets->ports, &p->node);
    tn_slab_free(&sockets->port_slab, p);
}

/* The record of (port, addr), with that of the whole port; both may have no holders yet. */
static struct tn_port *port_get_both(struct tn_sockets *sockets, const struct tn_port *key)
{
    struct tn_port whole_key = *key;
    whole_key.whole = true;
    whole_key.addr = any_address;
    struct tn_port *whole = port_get(sockets, &whole_key);
    if (!whole)
        return NULL;
    struct tn_port *p = port_get(sockets, key);
    if (!p) {
        port_put(sockets, whole);
        return NULL;
    }
    p->all = whole;
    return p;
}

static void port_count(struct tn_port *p, const struct tn_socket *sock, uint32_t by)
{
    p->holders += by;
    if (!(sock->flags & TN_SOCK_REUSEADDR))
        p->unshared += by;
    if (sock->flags & TN_SOCK_BOUND)
        p->bound += by;
    if (sock->flags & TN_SOCK_LISTENING)
        p->listeners += by;
}

static void port_attach(struct tn_socket *sock, struct tn_port *p)
{
    port_count(p, sock, 1);
    port_count(p->all, sock, 1);
    sock->port = p;
}

static void port_detach(struct tn_sockets *sockets, struct tn_socket *sock)
{
    struct tn_port *p = sock->port;
    struct tn_port *all = p->all;
    port_count(p, sock, (uint32_t)-1);
    port_count(all, sock, (uint32_t)-1);
    sock->port = NULL;
    port_put(sockets, p);
    port_put(sockets, all);
}

/* ---- Rules ---- */

static bool holders_conflict(const struct tn_port *p, const struct tn_socket *sock)
{
    if (!p)
        return false;
    if (sock->flags & TN_SOCK_REUSEADDR)
        return p->unshared > 0 || p->listeners > 0;
    return p->holders > 0;
}

static bool bind_conflicts_in(const struct tn_sockets *sockets, const struct tn_socket *sock, uint16_t vrf,
                              const struct tn_addr *addr, uint16_t port)
{
    struct tn_port key = port_key(sock, &any_address, port);
    key.vrf = vrf;
    if (tn_addr_is_zero(addr)) {
        key.whole = true;
        return holders_conflict(port_find(sockets, &key), sock);
    }
    if (holders_conflict(port_find(sockets, &key), sock))
        return true;
    key.addr = *addr;
    return holders_conflict(port_find(sockets, &key), sock);
}

static bool bind_conflicts(const struct tn_sockets *sockets, const struct tn_socket *sock,
                           const struct tn_addr *addr, uint16_t port)
{
    if (bind_conflicts_in(sockets, sock, TN_VRF_ANY, addr, port))
        return true;
    if (sock->vrf != TN_VRF_ANY)
        return bind_conflicts_in(sockets, sock, sock->vrf, addr, port);
    for (unsigned vrf = 0; vrf <= sockets->vrf_most; vrf++)
        if (bind_conflicts_in(sockets, sock, (uint16_t)vrf, addr, port))
            return true;
    return false;
}

/* Whether a socket that hears in every VRF is bound to the port with this address or with all. */
static bool bound_everywhere(const struct tn_sockets *sockets, const struct tn_socket *sock,
                             const struct tn_addr *local, uint16_t port)
{
    struct tn_port key = port_key(sock, &any_address, port);
    key.vrf = TN_VRF_ANY;
    const struct tn_port *p = port_find(sockets, &key);
    if (p && p->bound > 0)
        return true;
    key.addr = *local;
    p = port_find(sockets, &key);
    return p && p->bound > 0;
}

/* A connection may share its local port with other connections, but not with somebody's bound one. */
static bool connect_conflicts(struct tn_stack *stack, const struct tn_socket *sock,
                              const struct tn_addr *local, uint16_t port)
{
    struct tn_port key = port_key(sock, &any_address, port);
    const struct tn_port *p = port_find(stack->sockets, &key);
    if ((p && p->bound > 0) || bound_everywhere(stack->sockets, sock, local, port))
        return true;
    key.addr = *local;
    p = port_find(stack->sockets, &key);
    if (!p)
        return false; /* and so no connection is from there */
    if (p->bound > 0)
        return true;
    struct tn_tuple tuple = tn_socket_tuple(sock);
    tuple.local = *local;
    tuple.local_port = port;
    return tn_tuple_find(stack, &tuple) || tn_flow_find(stack, &tuple);
}

/* ---- Ephemeral ports ---- */

/* RFC 6056 §3.3.3, Algorithm 3. 0: none is free. */
static uint16_t ephemeral_port(struct tn_stack *stack, const struct tn_socket *sock,
                               const struct tn_addr *local, bool connecting)
{
    struct tn_sockets *sockets = stack->sockets;
    const uint32_t range = TN_EPHEMERAL_LAST - TN_EPHEMERAL_FIRST + 1;
    struct {
        struct tn_addr local, remote;
        uint16_t remote_port, vrf, transport, family;
    } in = {*local, sock->remote, sock->remote_port, sock->vrf, sock->transport, sock->family};
    uint32_t offset = (uint32_t)tn_siphash(&stack->hash_key, &in, sizeof(in));
    for (uint32_t i = 0; i < range; i++) {
        uint16_t port = (uint16_t)(TN_EPHEMERAL_FIRST + (sockets->next_ephemeral + (uint64_t)offset) % range);
        sockets->next_ephemeral++;
        if (connecting ? !connect_conflicts(stack, sock, local, port)
                       : !bind_conflicts(sockets, sock, local, port))
            return port;
    }
    return 0;
}

/* ---- What sockets do ---- */

int tn_port_hold(struct tn_stack *stack, struct tn_socket *sock)
{
    struct tn_port key = port_key(sock, &sock->local, sock->local_port);
    struct tn_port *p = port_get_both(stack->sockets, &key);
    if (!p)
        return -ENOBUFS;
    port_attach(sock, p);
    if (sock->vrf != TN_VRF_ANY && sock->vrf > stack->sockets->vrf_most)
        stack->sockets->vrf_most = sock->vrf;
    return 0;
}

static int port_hold_at(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *addr,
                        uint16_t port)
{
    struct tn_addr old = sock->local;
    sock->local = *addr;
    sock->local_port = port;
    int error = tn_port_hold(stack, sock);
    if (error < 0) {
        sock->local = old;
        sock->local_port = 0;
    }
    return error;
}

int tn_port_bind(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *addr, uint16_t port)
{
    if (port == 0)
        port = ephemeral_port(stack, sock, addr, false);
    else if (bind_conflicts(stack->sockets, sock, addr, port))
        port = 0;
    if (port == 0)
        return -EADDRINUSE;
    sock->flags |= TN_SOCK_BOUND;
    int error = port_hold_at(stack, sock, addr, port);
    if (error < 0)
        sock->flags &= ~TN_SOCK_BOUND;
    return error;
}

int tn_port_connect(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *local)
{
    uint16_t port = ephemeral_port(stack, sock, local, true);
    if (port == 0)
        return -EADDRNOTAVAIL;
    return port_hold_at(stack, sock, local, port);
}

static bool port_takes(const struct tn_socket *sock)
{
    return (sock->flags & TN_SOCK_TAKES) != 0;
}

int tn_port_move(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *addr)
{
    if (tn_addr_equal(&sock->local, addr))
        return 0;
    struct tn_port key = port_key(sock, addr, sock->local_port);
    struct tn_port *p = port_get_both(stack->sockets, &key);
    if (!p)
        return -ENOBUFS;
    struct tn_port *old = sock->port;
    bool takes = port_takes(sock);
    tn_port_untake(stack, sock);
    port_attach(sock, p); /* before the old one goes: they share the whole port's record */
    port_count(old, sock, (uint32_t)-1);
    port_count(old->all, sock, (uint32_t)-1);
    port_put(stack->sockets, old);
    sock->local = *addr;
    if (takes)
        tn_port_take(stack, sock);
    return 0;
}

void tn_port_release(struct tn_stack *stack, struct tn_socket *sock)
{
    if (!sock->port)
        return;
    tn_port_untake(stack, sock);
    port_detach(stack->sockets, sock);
}

static void port_count_flow(struct tn_port *p, bool shared, uint32_t by)
{
    p->holders += by;
    if (!shared)
        p->unshared += by;
}

void tn_port_lend(struct tn_socket *sock)
{
    bool shared = (sock->flags & TN_SOCK_REUSEADDR) != 0;
    port_count_flow(sock->port, shared, 1);
    port_count_flow(sock->port->all, shared, 1);
}

void tn_port_give_back(struct tn_stack *stack, const struct tn_tuple *tuple, bool shared)
{
    const struct tn_port key = {
        .addr = tuple->local,
        .port = tuple->local_port,
        .vrf = tuple->vrf,
        .transport = tuple->transport,
        .family = tuple->family,
    };
    struct tn_port *p = port_find(stack->sockets, &key);
    struct tn_port *all = p->all;
    port_count_flow(p, shared, (uint32_t)-1);
    port_count_flow(all, shared, (uint32_t)-1);
    port_put(stack->sockets, p);
    port_put(stack->sockets, all);
}

int tn_port_listen(struct tn_stack *stack, struct tn_socket *sock)
{
    const struct tn_sockets *sockets = stack->sockets;
    struct tn_port key = port_key(sock, &any_address, sock->local_port);
    key.whole = tn_addr_is_zero(&sock->local);
    const struct tn_port *others = port_find(sockets, &key);
    if ((others && others->listeners > 0) || sock->port->listeners > 0)
        return -EADDRINUSE;
    sock->flags |= TN_SOCK_LISTENING;
    sock->port->listeners++;
    sock->port->all->listeners++;
    tn_port_take(stack, sock);
    return 0;
}

void tn_port_unlisten(struct tn_stack *stack, struct tn_socket *sock)
{
    tn_port_untake(stack, sock);
    sock->flags &= ~TN_SOCK_LISTENING;
    sock->port->listeners--;
    sock->port->all->listeners--;
}

void tn_port_share(struct tn_socket *sock, bool on)
{
    bool was = (sock->flags & TN_SOCK_REUSEADDR) != 0;
    if (was == on)
        return;
    sock->flags ^= TN_SOCK_REUSEADDR;
    if (!sock->port)
        return;
    uint32_t by = on ? (uint32_t)-1 : 1;
    sock->port->unshared += by;
    sock->port->all->unshared += by;
}

/* ---- Who takes what is sent to no connection ---- */

static size_t *takers_like(struct tn_stack *stack, const struct tn_socket *sock)
{
    return sock->vrf == TN_VRF_ANY ? &stack->sockets->takers_in_any : &stack->sockets->takers_in_one;
}

void tn_port_take(struct tn_stack *stack, struct tn_socket *sock)
{
    if (port_takes(sock))
        return;
    ++*takers_like(stack, sock);
    stack->sockets->recent_taker.sock = NULL;
    struct tn_socket **list = &sock->port->takers;
    sock->taker_next = *list;
    sock->flags |= TN_SOCK_TAKES;
    *list = sock;
}

void tn_port_untake(struct tn_stack *stack, struct tn_socket *sock)
{
    if (!port_takes(sock))
        return;
    --*takers_like(stack, sock);
    stack->sockets->recent_taker.sock = NULL;
    struct tn_socket **link =
        &sock->port->takers; /* one, as a rule: no link back is worth its place in each socket */
    while (*link != sock)
        link = &(*link)->taker_next;
    *link = sock->taker_next;
    sock->taker_next = NULL;
    sock->flags &= ~TN_SOCK_TAKES;
}

/* Of the takers of one record (one, as a rule), the one bound to the interface, else one bound to none. */
static struct tn_socket *best_taker(const struct tn_port *p, uint16_t ifindex)
{
    struct tn_socket *best = NULL;
    for (struct tn_socket *s = p ? p->takers : NULL; s; s = s->taker_next) {
        if (s->ifindex != 0 && s->ifindex == ifindex)
            return s;
        if (s->ifindex == 0 && !best)
            best = s;
    }
    return best;
}

static struct tn_socket *taker_in(const struct tn_stack *stack, const struct tn_tuple *tuple, uint16_t vrf,
                                  uint16_t ifindex)
{
    struct tn_port key = {
        .addr = tuple->local,
        .port = tuple->local_port,
        .vrf = vrf,
        .transport = tuple->transport,
        .family = tuple->family,
    };
    struct tn_socket *taker = best_taker(port_find(stack->sockets, &key), ifindex);
    if (taker)
        return taker;
    key.addr = any_address;
    return best_taker(port_find(stack->sockets, &key), ifindex);
}

static bool is_recent(const struct tn_sockets *sockets, const struct tn_tuple *tuple, uint16_t ifindex)
{
    return sockets->recent_taker.sock && sockets->recent_taker.port == tuple->local_port &&
           tn_addr_equal(&sockets->recent_taker.local, &tuple->local) &&
           sockets->recent_taker.transport == tuple->transport && sockets->recent_taker.vrf == tuple->vrf &&
           sockets->recent_taker.family == tuple->family && sockets->recent_taker.ifindex == ifindex;
}

struct tn_socket *tn_port_taker(const struct tn_stack *stack, const struct tn_tuple *tuple, uint16_t ifindex)
{
    struct tn_sockets *sockets = stack->sockets;
    struct tn_socket *taker = NULL;
    if (is_recent(sockets, tuple, ifindex))
        return sockets->recent_taker.sock;
    if (sockets->takers_in_one > 0)
        taker = taker_in(stack, tuple, tuple->vrf, ifindex);
    if (!taker && sockets->takers_in_any > 0)
        taker = taker_in(stack, tuple, TN_VRF_ANY, ifindex);
    sockets->recent_taker.local = tuple->local;
    sockets->recent_taker.sock = taker;
    sockets->recent_taker.port = tuple->local_port;
    sockets->recent_taker.vrf = tuple->vrf;
    sockets->recent_taker.transport = tuple->transport;
    sockets->recent_taker.ifindex = ifindex;
    sockets->recent_taker.family = tuple->family;
    return taker;
}

void tn_port_ends(const struct tn_stack *stack, uint16_t transport, const struct tn_packet *packet,
                  const struct tn_port *ends[4])
{
    for (unsigned i = 0; i < 4; i++) {
        const struct tn_port key = {
            .addr = i % 2 ? any_address : packet->dst,
            .port = packet->dst_port,
            .vrf = i / 2 ? TN_VRF_ANY : packet->vrf,
            .transport = transport,
            .family = packet->family,
        };
        ends[i] = port_find(stack->sockets, &key);
    }
}
