/* socket_multicast.c: socket options of multicast, by the names and meanings of Linux, and who gets what was sent to
 * many.
 *
 * A datagram socket hears a group when it has joined it (on the interface where the packet came in), or when it is bound
 * to the group's address. Which groups others have joined is not its business; on Linux, IP_MULTICAST_ALL says so. */
#include <errno.h>
#include <netinet/in.h>

#include "address.h"
#include "group.h"
#include "route.h"
#include "socket_table.h"

/* ---- Options ---- */

/* The interface that the program means: by number, by one of its addresses, or the one to which the route to `group`
 * leads. 0: none. */
static uint16_t interface_of(struct tn_stack *stack, struct tn_socket *sock, const struct ip_mreqn *m,
                             const struct tn_addr *group)
{
    uint16_t ifindex = 0, vrf = tn_socket_vrf(sock);
    struct tn_addr address = tn_addr_from(&m->imr_address, sizeof(m->imr_address)), src = {.half = {0, 0}};
    struct tn_path path = {0};
    if (m->imr_ifindex > 0)
        return m->imr_ifindex <= UINT16_MAX && tn_interface_at(stack, (uint16_t)m->imr_ifindex)
                   ? (uint16_t)m->imr_ifindex
                   : 0;
    if (!tn_addr_is_zero(&address))
        return tn_address_kind_in(stack, sock->family, vrf, &address, &ifindex) == TN_LOCAL_UNICAST ? ifindex
                                                                                                    : 0;
    if (!group)
        return 0;
    if (sock->ifindex != 0)
        return sock->ifindex;
    return tn_core_path_find(tn_core_self(stack), sock->family, vrf, &src, group, &path) == 0 ? path.ifindex
                                                                                              : 0;
}

/* struct ip_mreqn, or the shorter struct ip_mreq. */
static int read_request(const void *value, socklen_t len, struct ip_mreqn *m)
{
    *m = (struct ip_mreqn){.imr_ifindex = 0};
    if (len < sizeof(struct ip_mreq))
        return -EINVAL;
    memcpy(m, value, len >= sizeof(*m) ? sizeof(*m) : sizeof(struct ip_mreq));
    return 0;
}

static int set_membership(struct tn_stack *stack, struct tn_socket *sock, bool join, const void *value,
                          socklen_t len)
{
    struct ip_mreqn m;
    int error = read_request(value, len, &m);
    if (error < 0)
        return error;
    struct tn_addr group = tn_addr_from(&m.imr_multiaddr, sizeof(m.imr_multiaddr));
    if (tn_core_address_class(tn_core_self(stack), sock->family, &group) != TN_ADDR_MULTICAST)
        return -EINVAL;
    uint16_t ifindex = interface_of(stack, sock, &m, &group);
    if (ifindex == 0)
        return -ENODEV;
    return join ? tn_group_join(stack, sock, &group, ifindex) : tn_group_leave(stack, sock, &group, ifindex);
}

/* An address, or either of the structures. */
static int set_interface(struct tn_stack *stack, struct tn_socket *sock, const void *value, socklen_t len)
{
    struct ip_mreqn m = {.imr_ifindex = 0};
    if (len >= sizeof(struct ip_mreq))
        (void)read_request(value, len, &m);
    else if (len >= sizeof(m.imr_address))
        memcpy(&m.imr_address, value, sizeof(m.imr_address));
    else
        return -EINVAL;
    bool none = m.imr_ifindex == 0 && m.imr_address.s_addr == 0;
    uint16_t ifindex = none ? 0 : interface_of(stack, sock, &m, NULL);
    if (!none && ifindex == 0)
        return -EADDRNOTAVAIL;
    tn_socket_datagram(sock)->multicast_ifindex = ifindex;
    sock->path = (struct tn_path){0};
    return 0;
}

/* A byte or an int, as on Linux. */
static int read_small(const void *value, socklen_t len)
{
    int v;
    if (len >= sizeof(v))
        memcpy(&v, value, sizeof(v));
    else if (len >= 1)
        v = *(const uint8_t *)value;
    else
        return -EINVAL;
    return v < -1 || v > 255 ? -EINVAL : v == -1 ? 1 : v;
}

int tn_socket_set_multicast(struct tn_stack *stack, struct tn_socket *sock, int name, const void *value,
                            socklen_t len)
{
    if (sock->family != AF_INET || sock->slab->datagram_at == 0)
        return -ENOPROTOOPT;
    struct tn_datagram *d = tn_socket_datagram(sock);
    int v;
    switch (name) {
    case IP_ADD_MEMBERSHIP:
    case IP_DROP_MEMBERSHIP:
        return set_membership(stack, sock, name == IP_ADD_MEMBERSHIP, value, len);
    case IP_MULTICAST_IF:
        return set_interface(stack, sock, value, len);
    case IP_MULTICAST_TTL:
        v = read_small(value, len);
        if (v <= 0) /* what is not to leave needs no network */
            return -EINVAL;
        d->multicast_ttl = (uint8_t)v;
        return 0;
    case IP_MULTICAST_LOOP:
        v = read_small(value, len);
        if (v < 0)
            return -EINVAL;
        d->multicast_silent = v == 0;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

/* *out: its value, for those that are numbers. */
int tn_socket_get_multicast(struct tn_stack *stack, struct tn_socket *sock, int name, int *out)
{
    if (sock->family != AF_INET || sock->slab->datagram_at == 0)
        return -ENOPROTOOPT;
    const struct tn_datagram *d = tn_socket_datagram(sock);
    struct tn_addr addr = {.half = {0, 0}};
    switch (name) {
    case IP_MULTICAST_TTL:
        *out = d->multicast_ttl ? d->multicast_ttl : 1;
        return 0;
    case IP_MULTICAST_LOOP:
        *out = !d->multicast_silent;
        return 0;
    case IP_MULTICAST_IF: /* as an address */
        if (d->multicast_ifindex)
            (void)tn_address_source(stack, sock->family, tn_socket_vrf(sock), d->multicast_ifindex, NULL,
                                    &addr);
        memcpy(out, addr.bytes, sizeof(*out));
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

/* ---- Services ---- */

int tn_socket_join_everywhere(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *group)
{
    int error = 0;
    for (uint16_t i = 1; i <= stack->interface_count && error == 0; i++)
        if (stack->interfaces[i])
            error = tn_group_join(stack, sock, group, i);
    return error;
}

/* ---- Receiving ---- */

static bool hears(const struct tn_socket *sock, const struct tn_packet *packet)
{
    if (sock->ifindex != 0 && sock->ifindex != packet->ifindex)
        return false;
    if (!(packet->flags & TN_PKT_MULTICAST) || tn_addr_equal(&sock->local, &packet->dst))
        return true;
    return tn_group_has(sock, packet->ifindex, &packet->dst);
}

struct tn_socket *tn_core_socket_next(struct tn_self *self, const struct tn_packet *packet,
                                      struct tn_socket *after)
{
    const struct tn_port *ends[4];
    tn_port_ends(self->stack, self->slot, packet, ends);
    for (unsigned i = 0; i < TN_ARRAY_SIZE(ends); i++) {
        if (!ends[i] || (after && after->port != ends[i]))
            continue;
        struct tn_socket *s = after ? after->taker_next : ends[i]->takers;
        after = NULL;
        for (; s; s = s->taker_next)
            if (hears(s, packet))
                return s;
    }
    return NULL;
}
