/* embed_option.c: options of descriptors rather than of sockets: how long their calls wait, and what recvmsg tells besides. All
 * others are socket_option.c's. And ioctl(). */
#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include "embed.h"

#define TIMEOUT_MAX ((1u << 28) - 1) /* milliseconds: three days */

/* ---- Time ---- */

/* A time that is 0 means none. */
static int read_timeout(const void *value, socklen_t len, uint32_t *out)
{
    struct timeval t;
    if (len < sizeof(t))
        return -EINVAL;
    memcpy(&t, value, sizeof(t));
    if (t.tv_usec < 0 || t.tv_usec >= 1000000)
        return -EDOM;
    if (t.tv_sec >= TIMEOUT_MAX / 1000)
        *out = TIMEOUT_MAX;
    else if (t.tv_sec < 0)
        *out = 1; /* it is over at once */
    else
        *out = (uint32_t)(t.tv_sec * 1000 + (t.tv_usec + 999) / 1000);
    return 0;
}

static int write_timeout(void *value, socklen_t *len, uint32_t timeout)
{
    struct timeval t = {.tv_sec = timeout / 1000, .tv_usec = timeout % 1000 * 1000};
    *len = (socklen_t)tn_min(*len, sizeof(t));
    memcpy(value, &t, *len);
    return 0;
}

/* ---- What recvmsg tells ---- */

enum telling {
    TELL_NOTHING,
    TELL_ADDRESS,
    TELL_TTL,
    TELL_TOS,
};

static enum telling what_to_tell(const struct tn_socket *sock, int level, int name)
{
    if (sock->type != SOCK_DGRAM || sock->family != AF_INET || level != IPPROTO_IP)
        return TELL_NOTHING;
    return name == IP_PKTINFO   ? TELL_ADDRESS
           : name == IP_RECVTTL ? TELL_TTL
           : name == IP_RECVTOS ? TELL_TOS
                                : TELL_NOTHING;
}

static bool is_told(const struct tn_descriptor *d, enum telling what)
{
    return what == TELL_ADDRESS ? d->tell_address : what == TELL_TTL ? d->tell_ttl : d->tell_tos;
}

static int set_told(struct tn_descriptor *d, enum telling what, const void *value, socklen_t len)
{
    int on = 0;
    if (len == 0)
        return -EINVAL;
    if (len < sizeof(on))
        on = *(const unsigned char *)value;
    else
        memcpy(&on, value, sizeof(on));
    if (what == TELL_ADDRESS)
        d->tell_address = on != 0;
    else if (what == TELL_TTL)
        d->tell_ttl = on != 0;
    else
        d->tell_tos = on != 0;
    return 0;
}

/* ---- Options ---- */

int tn_setsockopt(struct tn_stack *stack, int fd, int level, int name, const void *value, socklen_t len)
{
    struct tn_descriptor *d = tn_embed_enter(stack, fd);
    if (!d)
        return -EBADF;
    if (len > INT_MAX)
        return -EINVAL;
    if (!value && len > 0)
        return -EFAULT;
    if (level == SOL_SOCKET && (name == SO_RCVTIMEO || name == SO_SNDTIMEO)) {
        uint32_t timeout;
        int error = read_timeout(value, len, &timeout);
        if (error == 0 && name == SO_RCVTIMEO)
            d->receive_timeout = timeout & TIMEOUT_MAX;
        else if (error == 0)
            d->send_timeout = timeout & TIMEOUT_MAX;
        return error;
    }
    enum telling what = what_to_tell(d->sock, level, name);
    if (what != TELL_NOTHING)
        return set_told(d, what, value, len);
    tn_embed_wake(stack);
    return tn_socket_set_option(stack, d->sock, level, name, value, len);
}

int tn_getsockopt(struct tn_stack *stack, int fd, int level, int name, void *value, socklen_t *len)
{
    const struct tn_descriptor *d = tn_embed_enter(stack, fd);
    if (!d)
        return -EBADF;
    if (!value || !len)
        return -EFAULT;
    if (*len > INT_MAX)
        return -EINVAL;
    if (level == SOL_SOCKET && name == SO_RCVTIMEO)
        return write_timeout(value, len, d->receive_timeout);
    if (level == SOL_SOCKET && name == SO_SNDTIMEO)
        return write_timeout(value, len, d->send_timeout);
    enum telling what = what_to_tell(d->sock, level, name);
    if (what != TELL_NOTHING) {
        int on = is_told(d, what);
        *len = (socklen_t)tn_min(*len, sizeof(on));
        memcpy(value, &on, *len);
        return 0;
    }
    return tn_socket_get_option(stack, d->sock, level, name, value, len);
}

/* ---- ioctl() ---- */

/* Bytes that the next receive could return. */
static int unread(const struct tn_socket *sock)
{
    if (sock->type == SOCK_STREAM)
        return (int)tn_min(sock->rx.bytes, INT_MAX);
    return sock->rx.head ? (int)sock->rx.head->total : 0;
}

/* Whether the next octet to be read is the last urgent one. */
static int at_mark(struct tn_stack *stack, struct tn_socket *sock)
{
    struct tn_self *transport = tn_socket_transport(stack, sock);
    if (!(sock->flags & TN_SOCK_URGENT) || !transport)
        return 0;
    return transport->plugin->transport->urgent_mark(transport, sock) == 0;
}

int tn_ioctl(struct tn_stack *stack, int fd, unsigned long request, int *value)
{
    const struct tn_descriptor *d = tn_embed_enter(stack, fd);
    if (!d)
        return -EBADF;
    if (!value)
        return -EFAULT;
    bool listening = d->sock->flags & TN_SOCK_LISTENING;
    switch (request) {
    case FIONBIO:
        return tn_set_blocking(stack, fd, *value == 0);
    case SIOCATMARK:
        *value = at_mark(stack, d->sock);
        return d->sock->type == SOCK_STREAM ? 0 : -ENOTTY;
    case FIONREAD:
        *value = listening ? 0 : unread(d->sock);
        return listening ? -EINVAL : 0;
    case SIOCOUTQ:
        *value = listening ? 0 : (int)tn_min(d->sock->tx.bytes, INT_MAX);
        return listening ? -EINVAL : 0;
    default:
        return -ENOTTY;
    }
}
