/* embed_address.c: struct sockaddr to the core's addresses, and back. */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>

#include "embed.h"

int tn_embed_read_address(const struct tn_socket *sock, const struct sockaddr *sa, socklen_t len,
                          struct tn_origin *out)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    /* RFC 2133's sockaddr_in6 had no scope. */
    socklen_t least = sock->family == AF_INET ? sizeof(in) : offsetof(struct sockaddr_in6, sin6_scope_id);
    if (!sa)
        return -EFAULT;
    if (len < least || len > INT_MAX)
        return -EINVAL;
    memset(out, 0, sizeof(*out));
    sa_family_t family;
    memcpy(&family, &sa->sa_family, sizeof(family));
    if (family != sock->family)
        return -EAFNOSUPPORT;
    if (family == AF_INET) {
        memcpy(&in, sa, sizeof(in));
        out->addr = tn_addr_from(&in.sin_addr, sizeof(in.sin_addr));
        out->port = tn_load16(&in.sin_port);
        return 0;
    }
    memset(&in6, 0, sizeof(in6));
    memcpy(&in6, sa, tn_min(len, sizeof(in6)));
    out->addr = tn_addr_from(&in6.sin6_addr, sizeof(in6.sin6_addr));
    out->port = tn_load16(&in6.sin6_port);
    return 0;
}

int tn_embed_write_address(uint8_t family, const struct tn_addr *addr, uint16_t port, struct sockaddr *sa,
                           socklen_t *len)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (*len > INT_MAX)
        return -EINVAL;
    const void *from = &in;
    size_t size = sizeof(in);
    if (family == AF_INET) {
        memcpy(&in.sin_addr, addr->bytes, sizeof(in.sin_addr));
        tn_store16(&in.sin_port, port);
    } else {
        memcpy(&in6.sin6_addr, addr->bytes, sizeof(in6.sin6_addr));
        tn_store16(&in6.sin6_port, port);
        from = &in6;
        size = sizeof(in6);
    }
    memcpy(sa, from, tn_min(*len, size));
    *len = (socklen_t)size;
    return 0;
}

int tn_embed_write_address_if(uint8_t family, const struct tn_addr *addr, uint16_t port, struct sockaddr *sa,
                              socklen_t *len)
{
    if (!sa)
        return 0;
    return len ? tn_embed_write_address(family, addr, port, sa, len) : -EFAULT;
}
