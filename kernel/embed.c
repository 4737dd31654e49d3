/* embed.c: BSD-like sockets for embedding programs (tenon/stack.h): descriptors, addresses as struct
 * sockaddr, and readiness. What is done with a socket is socket_user.c's business; here a call's arguments
 * are checked and turned into the core's terms. */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>

#include "socket_table.h"

/* ---- Descriptors ---- */

/* Gives the socket the lowest free descriptor, as POSIX wants it. */
static int fd_open(struct tn_stack *stack, struct tn_socket *sock)
{
    struct tn_sockets *s = stack->sockets;
    int32_t fd = s->fd_hint;
    while ((size_t)fd < s->limit && s->fds[fd].sock)
        fd++;
    s->fd_hint = fd;
    if ((size_t)fd >= s->limit)
        return -EMFILE;
    s->fds[fd] = (struct tn_descriptor){.sock = sock};
    sock->fd = fd;
    return fd;
}

static void fd_close(struct tn_stack *stack, int fd)
{
    stack->sockets->fds[fd] = (struct tn_descriptor){0};
    if (fd < stack->sockets->fd_hint)
        stack->sockets->fd_hint = fd;
}

static struct tn_descriptor *fd_find(struct tn_stack *stack, int fd)
{
    struct tn_sockets *s = stack->sockets;
    if (fd < 0 || (size_t)fd >= s->limit || !s->fds[fd].sock)
        return NULL;
    return &s->fds[fd];
}

/* The socket of a call. A call may come long after the last batch: it and the timers that it starts live in
 * the present. */
static struct tn_socket *enter(struct tn_stack *stack, int fd)
{
    struct tn_descriptor *d = fd_find(stack, fd);
    tn_time now = stack->env.now(stack->env.context);
    if (now > stack->now)
        stack->now = now;
    return d ? d->sock : NULL;
}

/* After a call that may have given plugins, interfaces or users something to do. */
static void wake(struct tn_stack *stack)
{
    stack->work_pending = true;
}

/* ---- Addresses ---- */

/* Reads an address of the socket's family. */
static int from_sockaddr(const struct tn_socket *sock, const struct sockaddr *sa, socklen_t len,
                         struct tn_origin *out)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (!sa)
        return -EFAULT;
    if (len < sizeof(sa->sa_family) || len > INT_MAX)
        return -EINVAL;
    memset(out, 0, sizeof(*out));
    sa_family_t family;
    memcpy(&family, &sa->sa_family, sizeof(family));
    if (family != sock->family)
        return -EAFNOSUPPORT;
    if (family == AF_INET) {
        if (len < sizeof(in))
            return -EINVAL;
        memcpy(&in, sa, sizeof(in));
        out->addr = tn_addr_from(&in.sin_addr, sizeof(in.sin_addr));
        out->port = tn_load16(&in.sin_port);
        return 0;
    }
    if (len < offsetof(struct sockaddr_in6, sin6_scope_id)) /* RFC 2133's had no scope */
        return -EINVAL;
    memset(&in6, 0, sizeof(in6));
    memcpy(&in6, sa, tn_min(len, sizeof(in6)));
    out->addr = tn_addr_from(&in6.sin6_addr, sizeof(in6.sin6_addr));
    out->port = tn_load16(&in6.sin6_port);
    return 0;
}

/* Writes an address, cut at *len; *len becomes its whole length. */
static int to_sockaddr(uint8_t family, const struct tn_addr *addr, uint16_t port, struct sockaddr *sa,
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

/* The same for a peer's address that the caller may not want. */
static int to_sockaddr_if(uint8_t family, const struct tn_addr *addr, uint16_t port, struct sockaddr *sa,
                          socklen_t *len)
{
    if (!sa)
        return 0;
    return len ? to_sockaddr(family, addr, port, sa, len) : -EFAULT;
}

/* ---- Opening and closing ---- */

int tn_socket(struct tn_stack *stack, int domain, int type, int protocol)
{
    struct tn_socket *sock;
    type &= ~(SOCK_NONBLOCK | SOCK_CLOEXEC); /* all are non-blocking */
    if (domain < 0 || domain >= TN_FAMILY_MAX || !stack->dispatch.family[domain].slot)
        return -EAFNOSUPPORT;
    if (type != SOCK_STREAM && type != SOCK_DGRAM)
        return -ESOCKTNOSUPPORT;
    if (protocol < 0 || protocol > 255)
        return -EINVAL;
    int error =
        tn_socket_create(stack, TN_SLOT_NONE, (uint8_t)domain, (uint8_t)type, (uint8_t)protocol, &sock);
    if (error < 0)
        return error;
    int fd = fd_open(stack, sock);
    if (fd < 0)
        tn_socket_end(stack, sock, true);
    return fd;
}

int tn_close(struct tn_stack *stack, int fd)
{
    struct tn_socket *sock = enter(stack, fd);
    if (!sock)
        return -EBADF;
    fd_close(stack, fd);
    tn_socket_end(stack, sock, false);
    wake(stack);
    return 0;
}

int tn_shutdown(struct tn_stack *stack, int fd, int how)
{
    struct tn_socket *sock = enter(stack, fd);
    if (!sock)
        return -EBADF;
    int error = tn_core_socket_shutdown(tn_core_self(stack), sock, how);
    wake(stack);
    return error;
}

/* ---- Binding, listening, connecting ---- */

int tn_bind(struct tn_stack *stack, int fd, const struct sockaddr *addr, socklen_t len)
{
    struct tn_socket *sock = enter(stack, fd);
    struct tn_origin to;
    if (!sock)
        return -EBADF;
    int error = from_sockaddr(sock, addr, len, &to);
    if (error < 0)
        return error;
    if (sock->port)
        return -EINVAL;
    return tn_core_socket_bind(tn_core_self(stack), sock, &to.addr, to.port);
}

int tn_listen(struct tn_stack *stack, int fd, int backlog)
{
    struct tn_socket *sock = enter(stack, fd);
    return sock ? tn_socket_listen(stack, sock, backlog) : -EBADF;
}

int tn_accept(struct tn_stack *stack, int fd, struct sockaddr *addr, socklen_t *len)
{
    struct tn_socket *sock = enter(stack, fd);
    if (!sock)
        return -EBADF;
    if (sock->type != SOCK_STREAM)
        return -EOPNOTSUPP;
    if (!(sock->flags & TN_SOCK_LISTENING))
        return -EINVAL;
    if (addr && !len)
        return -EFAULT;
    if (sock->flags & TN_SOCK_ABORTED) {
        int error = tn_socket_take_error(sock);
        return error < 0 ? error : -EINVAL;
    }
    struct tn_socket *child = tn_socket_accept(stack, sock);
    if (!child)
        return -EAGAIN;
    int child_fd = fd_open(stack, child);
    if (child_fd < 0) {
        tn_socket_end(stack, child, true);
        return child_fd;
    }
    wake(stack);
    int error = to_sockaddr_if(child->family, &child->remote, child->remote_port, addr, len);
    return error < 0 ? error : child_fd;
}

int tn_connect(struct tn_stack *stack, int fd, const struct sockaddr *addr, socklen_t len)
{
    struct tn_socket *sock = enter(stack, fd);
    struct tn_origin to;
    if (!sock)
        return -EBADF;
    if (addr && len >= sizeof(addr->sa_family) && addr->sa_family == AF_UNSPEC && sock->type == SOCK_DGRAM) {
        tn_socket_disconnect(stack, sock);
        return 0;
    }
    int error = from_sockaddr(sock, addr, len, &to);
    if (error < 0)
        return error;
    error = tn_core_socket_connect(tn_core_self(stack), sock, &to.addr, to.port);
    wake(stack);
    return error == 0 && sock->type == SOCK_STREAM ? -EINPROGRESS : error;
}

/* ---- Sending and receiving ---- */

ssize_t tn_sendto(struct tn_stack *stack, int fd, const void *bytes, size_t len, int flags,
                  const struct sockaddr *addr, socklen_t addr_len)
{
    struct tn_socket *sock = enter(stack, fd);
    struct tn_origin to;
    if (!sock)
        return -EBADF;
    if (flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE))
        return -EOPNOTSUPP;
    if (!bytes && len > 0)
        return -EFAULT;
    wake(stack);
    if (sock->type == SOCK_STREAM) /* an address is ignored (send(2)) */
        return tn_core_socket_send(tn_core_self(stack), sock, bytes, tn_min(len, INT_MAX));
    if (!addr)
        return tn_socket_send_to(stack, sock, bytes, len, NULL);
    int error = from_sockaddr(sock, addr, addr_len, &to);
    return error < 0 ? error : tn_socket_send_to(stack, sock, bytes, len, &to);
}

ssize_t tn_send(struct tn_stack *stack, int fd, const void *bytes, size_t len, int flags)
{
    return tn_sendto(stack, fd, bytes, len, flags, NULL, 0);
}

ssize_t tn_recvfrom(struct tn_stack *stack, int fd, void *bytes, size_t len, int flags, struct sockaddr *addr,
                    socklen_t *addr_len)
{
    struct tn_socket *sock = enter(stack, fd);
    if (!sock)
        return -EBADF;
    if (flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_PEEK | MSG_TRUNC | MSG_WAITALL))
        return -EOPNOTSUPP;
    bool discards = sock->type == SOCK_STREAM && (flags & MSG_TRUNC);
    if ((!bytes && len > 0 && !discards) || (addr && !addr_len))
        return -EFAULT;
    struct tn_origin from = {.addr = sock->remote, .port = sock->remote_port};
    ssize_t done = tn_socket_read(stack, sock, bytes, len, flags, &from);
    wake(stack);
    if (done < 0)
        return done;
    if (sock->type == SOCK_STREAM) { /* the address is not written for streams (recv(2)) */
        if (addr)
            *addr_len = 0;
        return done;
    }
    int error = to_sockaddr_if(sock->family, &from.addr, from.port, addr, addr_len);
    return error < 0 ? error : done;
}

ssize_t tn_recv(struct tn_stack *stack, int fd, void *bytes, size_t len, int flags)
{
    return tn_recvfrom(stack, fd, bytes, len, flags, NULL, NULL);
}

/* ---- Names and options ---- */

int tn_getsockname(struct tn_stack *stack, int fd, struct sockaddr *addr, socklen_t *len)
{
    struct tn_socket *sock = enter(stack, fd);
    if (!sock)
        return -EBADF;
    if (!addr || !len)
        return -EFAULT;
    return to_sockaddr(sock->family, &sock->local, sock->local_port, addr, len);
}

int tn_getpeername(struct tn_stack *stack, int fd, struct sockaddr *addr, socklen_t *len)
{
    struct tn_socket *sock = enter(stack, fd);
    if (!sock)
        return -EBADF;
    if (!(sock->flags & TN_SOCK_CONNECTED))
        return -ENOTCONN;
    if (!addr || !len)
        return -EFAULT;
    return to_sockaddr(sock->family, &sock->remote, sock->remote_port, addr, len);
}

int tn_setsockopt(struct tn_stack *stack, int fd, int level, int name, const void *value, socklen_t len)
{
    struct tn_socket *sock = enter(stack, fd);
    if (!sock)
        return -EBADF;
    if (len > INT_MAX)
        return -EINVAL;
    if (!value && len > 0)
        return -EFAULT;
    wake(stack);
    return tn_socket_set_option(stack, sock, level, name, value, len);
}

int tn_getsockopt(struct tn_stack *stack, int fd, int level, int name, void *value, socklen_t *len)
{
    struct tn_socket *sock = enter(stack, fd);
    if (!sock)
        return -EBADF;
    if (!value || !len)
        return -EFAULT;
    if (*len > INT_MAX)
        return -EINVAL;
    return tn_socket_get_option(stack, sock, level, name, value, len);
}

/* ---- Readiness ---- */

static short poll_stream(const struct tn_socket *sock)
{
    if (sock->flags & TN_SOCK_LISTENING)
        return sock->accepts->first ? POLLIN : 0;
    if (sock->flags & TN_SOCK_ABORTED)
        return POLLIN | POLLOUT | POLLHUP;
    if (sock->flags & TN_SOCK_CONNECTING)
        return 0;
    if (!(sock->flags & TN_SOCK_CONNECTED))
        return POLLOUT | POLLHUP; /* as on Linux: nothing would block */
    bool no_more_in = (sock->flags & (TN_SOCK_EOF | TN_SOCK_SHUT_RECV)) != 0;
    bool no_more_out = (sock->flags & TN_SOCK_SHUT_SEND) != 0;
    short events = 0;
    if (sock->rx.bytes > 0 || no_more_in)
        events |= POLLIN;
    if (no_more_out || tn_socket_writable(sock))
        events |= POLLOUT;
    if (no_more_in && no_more_out)
        events |= POLLHUP;
    return events;
}

static short poll_datagram(const struct tn_socket *sock)
{
    short events = POLLOUT;
    if (sock->rx.packets > 0 || (sock->flags & TN_SOCK_SHUT_RECV))
        events |= POLLIN;
    if (sock->flags & TN_SOCK_ABORTED)
        events |= POLLIN | POLLHUP;
    return events;
}

static short poll_now(const struct tn_socket *sock)
{
    short events = sock->type == SOCK_STREAM ? poll_stream(sock) : poll_datagram(sock);
    return sock->error ? events | POLLERR : events;
}

int tn_poll(struct tn_stack *stack, struct tn_pollfd *fds, size_t count)
{
    int ready = 0;
    if (!fds && count > 0)
        return -EFAULT;
    for (size_t i = 0; i < count; i++) {
        fds[i].revents = 0;
        if (fds[i].fd < 0)
            continue;
        struct tn_descriptor *d = fd_find(stack, fds[i].fd);
        if (!d) {
            fds[i].revents = POLLNVAL;
        } else {
            short now = poll_now(d->sock);
            fds[i].revents = now & (short)(fds[i].events | POLLERR | POLLHUP);
            if ((fds[i].events & POLLOUT) && !(now & POLLOUT))
                d->sock->flags |= TN_SOCK_WANT_WRITE;
        }
        if (fds[i].revents)
            ready++;
    }
    return ready;
}

/* What is there already is told too, in the next batch, so that nothing is missed between looking and asking.
 */
static void raise_what_is(struct tn_stack *stack, struct tn_socket *sock)
{
    short now = poll_now(sock);
    unsigned events = 0;
    if (now & POLLIN)
        events |= sock->flags & TN_SOCK_LISTENING ? TN_EVENT_ACCEPT : TN_EVENT_READABLE;
    if (now & POLLOUT)
        events |= TN_EVENT_WRITABLE;
    else
        sock->flags |= TN_SOCK_WANT_WRITE;
    if (now & POLLERR)
        events |= TN_EVENT_ERROR;
    if (now & POLLHUP)
        events |= TN_EVENT_HANGUP;
    if (events)
        tn_socket_raise(stack, sock, events);
    wake(stack);
}

int tn_on_ready(struct tn_stack *stack, int fd, tn_ready_fn *fn, void *context)
{
    struct tn_descriptor *d = fd_find(stack, fd);
    if (!d)
        return -EBADF;
    d->ready = fn;
    d->context = context;
    if (fn)
        raise_what_is(stack, d->sock);
    return 0;
}
