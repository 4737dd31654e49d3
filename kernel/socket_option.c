/* socket_option.c: socket options, by the names and meanings of POSIX and Linux.
 *
 * One difference: SO_RCVBUF and SO_SNDBUF are kept and read back as they were set; Linux doubles them to make
 * room for its bookkeeping, which a stream's limit here does not include. */
#include <errno.h>
#include <netinet/in.h>

#include "route.h"
#include "socket_table.h"

#define BUFFER_LEAST 2048
#define BUFFER_MOST  (64 * 1024 * 1024)

static int get_int(const void *value, socklen_t len, int *out)
{
    if (len < sizeof(*out))
        return -EINVAL;
    memcpy(out, value, sizeof(*out));
    return 0;
}

static int put_bytes(void *value, socklen_t *len, const void *bytes, size_t size)
{
    size_t part = tn_min(*len, size);
    memcpy(value, bytes, part);
    *len = (socklen_t)part;
    return 0;
}

static int put_int(void *value, socklen_t *len, int v)
{
    return put_bytes(value, len, &v, sizeof(v));
}

static void set_flag(struct tn_socket *sock, uint32_t flag, bool on)
{
    sock->flags = on ? sock->flags | flag : sock->flags & ~flag;
}

static uint32_t buffer_size(int v)
{
    if (v < BUFFER_LEAST)
        return BUFFER_LEAST;
    return v > BUFFER_MOST ? BUFFER_MOST : (uint32_t)v;
}

/* ---- SOL_SOCKET ---- */

static int set_linger(struct tn_socket *sock, const void *value, socklen_t len)
{
    struct linger l;
    if (len < sizeof(l))
        return -EINVAL;
    memcpy(&l, value, sizeof(l));
    int seconds = l.l_linger < 0 ? 0 : l.l_linger > 65534 ? 65534 : l.l_linger;
    sock->linger = l.l_onoff ? (uint16_t)(seconds + 1) : 0;
    set_flag(sock, TN_SOCK_LINGER0, l.l_onoff && seconds == 0);
    return 0;
}

/* A port belongs to the VRF in which it was taken. */
static int set_vrf(struct tn_socket *sock, int v)
{
    if (v < 0 || v > (int)TN_VRF_ANY || sock->port)
        return -EINVAL;
    sock->vrf = (uint16_t)v;
    return 0;
}

static int set_socket_option(struct tn_socket *sock, int name, const void *value, socklen_t len)
{
    int v;
    if (name == SO_LINGER)
        return set_linger(sock, value, len);
    if (name == SO_TYPE || name == SO_PROTOCOL || name == SO_DOMAIN || name == SO_ERROR ||
        name == SO_ACCEPTCONN)
        return -ENOPROTOOPT; /* can only be read */
    int error = get_int(value, len, &v);
    if (error < 0)
        return error;
    switch (name) {
    case SO_REUSEADDR:
        tn_port_share(sock, v != 0);
        return 0;
    case SO_BROADCAST:
        set_flag(sock, TN_SOCK_BROADCAST, v != 0);
        return 0;
    case SO_KEEPALIVE:
        set_flag(sock, TN_SOCK_KEEPALIVE, v != 0);
        return 0;
    case SO_OOBINLINE:
        set_flag(sock, TN_SOCK_OOBINLINE, v != 0);
        return 0;
    case SO_RCVBUF:
        sock->rcvbuf = buffer_size(v);
        sock->flags |= TN_SOCK_RCVBUF_SET;
        return 0;
    case SO_SNDBUF:
        sock->sndbuf = buffer_size(v);
        sock->flags |= TN_SOCK_SNDBUF_SET;
        return 0;
    case TN_SO_VRF:
        return set_vrf(sock, v);
    default:
        return -ENOPROTOOPT;
    }
}

/* The error that ended the connection, or else the last news of trouble on the way of one that is open, each once. (While
 * it connects, the option tells how that ended, and nothing else.) */
static int take_any_error(struct tn_socket *sock)
{
    int error = -tn_socket_take_error(sock);
    if (error == 0 && sock->flags & TN_SOCK_CONNECTED) {
        error = sock->soft_error;
        sock->soft_error = 0;
    }
    return error;
}

static int get_socket_option(struct tn_socket *sock, int name, void *value, socklen_t *len)
{
    const struct linger linger = {.l_onoff = sock->linger != 0,
                                  .l_linger = sock->linger ? sock->linger - 1 : 0};
    switch (name) {
    case SO_REUSEADDR:
        return put_int(value, len, (sock->flags & TN_SOCK_REUSEADDR) != 0);
    case SO_BROADCAST:
        return put_int(value, len, (sock->flags & TN_SOCK_BROADCAST) != 0);
    case SO_KEEPALIVE:
        return put_int(value, len, (sock->flags & TN_SOCK_KEEPALIVE) != 0);
    case SO_OOBINLINE:
        return put_int(value, len, (sock->flags & TN_SOCK_OOBINLINE) != 0);
    case SO_RCVBUF:
        return put_int(value, len, (int)sock->rcvbuf);
    case SO_SNDBUF:
        return put_int(value, len, (int)sock->sndbuf);
    case SO_ERROR:
        return put_int(value, len, take_any_error(sock));
    case SO_TYPE:
        return put_int(value, len, sock->type);
    case SO_PROTOCOL:
        return put_int(value, len, sock->protocol);
    case SO_DOMAIN:
        return put_int(value, len, sock->family);
    case SO_ACCEPTCONN:
        return put_int(value, len, (sock->flags & TN_SOCK_LISTENING) != 0);
    case TN_SO_VRF:
        return put_int(value, len, sock->vrf);
    case SO_LINGER:
        return put_bytes(value, len, &linger, sizeof(linger));
    default:
        return -ENOPROTOOPT;
    }
}

/* ---- The family's level: time to live and type of service, whatever they are called there ---- */

enum network_option {
    NETWORK_UNKNOWN,
    NETWORK_TTL,
    NETWORK_TOS,
    NETWORK_MTU_DISCOVER,
    NETWORK_MTU,
};

/* The numbers are the same in both families. */
static_assert(IP_PMTUDISC_DONT == IPV6_PMTUDISC_DONT && IP_PMTUDISC_PROBE == IPV6_PMTUDISC_PROBE,
              "one table does");
static const uint8_t mtu_discover[] = {[IP_PMTUDISC_DONT] = TN_MTU_DONT,
                                       [IP_PMTUDISC_WANT] = TN_MTU_WANT,
                                       [IP_PMTUDISC_DO] = TN_MTU_DO,
                                       [IP_PMTUDISC_PROBE] = TN_MTU_PROBE};

static enum network_option network_option(const struct tn_socket *sock, int name)
{
    static const struct {
        uint8_t family;
        int name;
        enum network_option option;
    } names[] = {
        {AF_INET, IP_TTL, NETWORK_TTL},
        {AF_INET, IP_TOS, NETWORK_TOS},
        {AF_INET, IP_MTU_DISCOVER, NETWORK_MTU_DISCOVER},
        {AF_INET, IP_MTU, NETWORK_MTU},
        {AF_INET6, IPV6_UNICAST_HOPS, NETWORK_TTL},
        {AF_INET6, IPV6_TCLASS, NETWORK_TOS},
        {AF_INET6, IPV6_MTU_DISCOVER, NETWORK_MTU_DISCOVER},
        {AF_INET6, IPV6_MTU, NETWORK_MTU},
    };
    for (size_t i = 0; i < TN_ARRAY_SIZE(names); i++)
        if (names[i].family == sock->family && names[i].name == name)
            return names[i].option;
    return NETWORK_UNKNOWN;
}

static bool is_network_level(const struct tn_socket *sock, int level)
{
    return level == (sock->family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP);
}

/* At IPv4's level Linux takes an octet, too, as BSD does. */
static int get_small(const struct tn_socket *sock, const void *value, socklen_t len, int *out)
{
    uint8_t octet;
    if (sock->family != AF_INET || len == 0 || len >= sizeof(*out))
        return get_int(value, len, out);
    memcpy(&octet, value, sizeof(octet));
    *out = octet;
    return 0;
}

static int set_network_option(struct tn_socket *sock, enum network_option option, const void *value,
                              socklen_t len)
{
    int v;
    int error = get_small(sock, value, len, &v);
    if (error < 0)
        return error;
    switch (option) {
    case NETWORK_TTL: /* -1: the default again */
        if (v == 0 || v < -1 || v > 255)
            return -EINVAL;
        sock->ttl = (uint8_t)(v == -1 ? 0 : v);
        return 0;
    case NETWORK_TOS:
        if (v < -1 || v > 255)
            return -EINVAL;
        /* A stream's ECN bits are its transport's (RFC 3168 §6.1). */
        sock->tos = (uint8_t)(v == -1 ? 0 : sock->type == SOCK_STREAM ? v & ~3 : v);
        return 0;
    case NETWORK_MTU_DISCOVER:
        if (v < 0 || (size_t)v >= TN_ARRAY_SIZE(mtu_discover))
            return -EINVAL;
        sock->mtu_discover = mtu_discover[v];
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

static int get_mtu_discover(const struct tn_socket *sock, void *value, socklen_t *len)
{
    int v = 0;
    while (mtu_discover[v] != sock->mtu_discover)
        v++;
    return put_int(value, len, v);
}

/* Of the way to the connected destination. */
static int get_mtu(struct tn_stack *stack, struct tn_socket *sock, void *value, socklen_t *len)
{
    if (!(sock->flags & TN_SOCK_CONNECTED))
        return -ENOTCONN;
    struct tn_addr src = sock->local;
    int error =
        tn_core_path_find(tn_core_self(stack), sock->family, sock->vrf, &src, &sock->remote, &sock->path);
    return error < 0 ? error : put_int(value, len, sock->path.mtu);
}

static int get_network_option(struct tn_stack *stack, struct tn_socket *sock, enum network_option option,
                              void *value, socklen_t *len)
{
    const struct tn_slot *network = stack->dispatch.family[sock->family].slot;
    int default_ttl = network ? network->self.plugin->network->default_ttl : 64;
    switch (option) {
    case NETWORK_TTL:
        return put_int(value, len, sock->ttl ? sock->ttl : default_ttl);
    case NETWORK_TOS:
        return put_int(value, len, sock->tos);
    case NETWORK_MTU_DISCOVER:
        return get_mtu_discover(sock, value, len);
    case NETWORK_MTU:
        return get_mtu(stack, sock, value, len);
    default:
        return -ENOPROTOOPT;
    }
}

/* ---- All levels ---- */

int tn_socket_set_option(struct tn_stack *stack, struct tn_socket *sock, int level, int name,
                         const void *value, socklen_t len)
{
    struct tn_self *transport = tn_socket_transport(stack, sock);
    if (level == SOL_SOCKET)
        return set_socket_option(sock, name, value, len);
    if (is_network_level(sock, level) && network_option(sock, name) == NETWORK_UNKNOWN)
        return tn_socket_set_multicast(stack, sock, name, value, len);
    if (is_network_level(sock, level))
        return set_network_option(sock, network_option(sock, name), value, len);
    if (level != sock->protocol)
        return -ENOPROTOOPT;
    if (!transport)
        return -EINVAL;
    const struct tn_transport_ops *ops = transport->plugin->transport;
    return ops->set_option ? ops->set_option(transport, sock, name, value, len) : -ENOPROTOOPT;
}

int tn_socket_get_option(struct tn_stack *stack, struct tn_socket *sock, int level, int name, void *value,
                         socklen_t *len)
{
    struct tn_self *transport = tn_socket_transport(stack, sock);
    if (level == SOL_SOCKET)
        return get_socket_option(sock, name, value, len);
    if (is_network_level(sock, level) && network_option(sock, name) == NETWORK_UNKNOWN) {
        int v, error = tn_socket_get_multicast(stack, sock, name, &v);
        return error < 0 ? error : put_int(value, len, v);
    }
    if (is_network_level(sock, level))
        return get_network_option(stack, sock, network_option(sock, name), value, len);
    if (level != sock->protocol)
        return -EOPNOTSUPP;
    if (!transport)
        return -EINVAL;
    const struct tn_transport_ops *ops = transport->plugin->transport;
    return ops->get_option ? ops->get_option(transport, sock, name, value, len) : -ENOPROTOOPT;
}
