/* socket_path.c: which way a socket's packets go, and which address they come from. */
#include <errno.h>

#include "address.h"
#include "route.h"
#include "socket_table.h"

static const struct tn_addr any_address;

/* Whether a path may be used by this socket (RFC 9293 MUST-46; Linux's errors). */
static int path_allowed(const struct tn_socket *sock, const struct tn_path *path)
{
    bool many = path->kind == TN_PATH_BROADCAST || path->kind == TN_PATH_MULTICAST;
    if (many && sock->type == SOCK_STREAM)
        return -ENETUNREACH;
    if (path->kind == TN_PATH_BROADCAST && !(sock->flags & TN_SOCK_BROADCAST))
        return -EACCES;
    return 0;
}

/* The address to speak from: the bound one, unless that is not one to speak from. */
struct tn_addr tn_socket_source(struct tn_stack *stack, const struct tn_socket *sock)
{
    if (sock->type == SOCK_STREAM || tn_addr_is_zero(&sock->local))
        return sock->local;
    uint16_t ifindex;
    enum tn_local kind = tn_address_kind_in(stack, sock->family, sock->vrf, &sock->local, &ifindex);
    if (kind == TN_LOCAL_UNICAST)
        return sock->local;
    enum tn_addr_class class = tn_core_address_class(tn_core_self(stack), sock->family, &sock->local);
    return class == TN_ADDR_LOOPBACK ? sock->local : any_address;
}

/* IP_MULTICAST_IF: what is sent to a group leaves by that interface, that is, from one of its addresses. */
static void set_multicast_source(struct tn_stack *stack, struct tn_socket *sock, uint16_t vrf,
                                 struct tn_addr *src, const struct tn_addr *dst)
{
    uint16_t ifindex = sock->slab->datagram_at ? tn_socket_datagram(sock)->multicast_ifindex : 0;
    if (ifindex != 0 && tn_addr_is_zero(src) &&
        tn_core_address_class(tn_core_self(stack), sock->family, dst) == TN_ADDR_MULTICAST)
        (void)tn_address_source(stack, sock->family, vrf, ifindex, dst, src);
}

int tn_socket_find_path(struct tn_stack *stack, struct tn_socket *sock, uint16_t vrf, struct tn_addr *src,
                        const struct tn_addr *dst)
{
    sock->path = (struct tn_path){0};
    if (tn_addr_is_zero(dst))
        return -ENETUNREACH;
    set_multicast_source(stack, sock, vrf, src, dst);
    int error = tn_core_path_find(tn_core_self(stack), sock->family, vrf, src, dst, &sock->path);
    if (error == 0)
        error = path_allowed(sock, &sock->path);
    if (error < 0)
        sock->path = (struct tn_path){0};
    return error;
}

void tn_socket_remember_path(struct tn_socket *sock, uint16_t vrf, const struct tn_addr *src,
                             const struct tn_addr *dst, bool chosen)
{
    struct tn_datagram *d = tn_socket_datagram(sock);
    d->path_vrf = vrf;
    d->path_to = *dst;
    d->path_from = *src;
    d->path_chosen = chosen;
}

TN_APART static int find_and_remember(struct tn_stack *stack, struct tn_socket *sock, uint16_t vrf,
                                      struct tn_addr *src, const struct tn_addr *dst)
{
    bool chosen = tn_addr_is_zero(src);
    int error = tn_socket_find_path(stack, sock, vrf, src, dst);
    if (error == 0)
        tn_socket_remember_path(sock, vrf, src, dst, chosen);
    return error;
}

/* The path to `dst`, and the source that goes with it; remembered for the next datagram to the same
 * destination. */
int tn_socket_path_to(struct tn_stack *stack, struct tn_socket *sock, uint16_t vrf, struct tn_addr *src,
                      const struct tn_addr *dst)
{
    const struct tn_datagram *d = tn_socket_datagram(sock);
    bool chosen = tn_addr_is_zero(src);
    if (tn_unlikely(sock->path.generation != stack->path_generation || d->path_vrf != vrf ||
                    !tn_addr_equal(&d->path_to, dst) ||
                    (chosen ? !d->path_chosen : !tn_addr_equal(src, &d->path_from))))
        return find_and_remember(stack, sock, vrf, src, dst);
    *src = d->path_from;
    return path_allowed(sock, &sock->path);
}
