/* embed.c: BSD-like sockets for embedding programs (tenon/stack.h): opening, closing, connecting, names. What is done with a
 * socket is socket_user.c's business; here and in the other embed files a call's arguments are checked and turned into the
 * core's terms. */
#include <errno.h>
#include <poll.h>

#include "embed.h"

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

/* The socket of a call. */
static struct tn_socket *enter(struct tn_stack *stack, int fd)
{
    struct tn_descriptor *d = tn_embed_enter(stack, fd);
    return d ? d->sock : NULL;
}

/* ---- Opening and closing ---- */

int tn_socket(struct tn_stack *stack, int domain, int type, int protocol)
{
    struct tn_socket *sock;
    type &= ~(SOCK_NONBLOCK | SOCK_CLOEXEC); /* none blocks before tn_set_blocking() */
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
    tn_embed_linger(stack, fd);
    if (enter(stack, fd) != sock)
        return -EBADF; /* a callback closed it meanwhile */
    fd_close(stack, fd);
    tn_socket_end(stack, sock, false);
    tn_embed_wake(stack);
    return 0;
}

int tn_shutdown(struct tn_stack *stack, int fd, int how)
{
    struct tn_socket *sock = enter(stack, fd);
    if (!sock)
        return -EBADF;
    int error = tn_core_socket_shutdown(tn_core_self(stack), sock, how);
    tn_embed_wake(stack);
    return error;
}

/* ---- Binding, listening, connecting ---- */

int tn_bind(struct tn_stack *stack, int fd, const struct sockaddr *addr, socklen_t len)
{
    struct tn_socket *sock = enter(stack, fd);
    struct tn_origin to;
    if (!sock)
        return -EBADF;
    int error = tn_embed_read_address(sock, addr, len, &to);
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

/* 0, or why there is nothing to accept. */
static int may_accept(struct tn_socket *sock)
{
    if (sock->type != SOCK_STREAM)
        return -EOPNOTSUPP;
    if (!(sock->flags & TN_SOCK_LISTENING))
        return -EINVAL;
    if (sock->flags & TN_SOCK_ABORTED) {
        int error = tn_socket_take_error(sock);
        return error < 0 ? error : -EINVAL;
    }
    return 0;
}

/* The next connection that waits at the listener; waits for one if the call may. */
static int take_connection(struct tn_stack *stack, int fd, struct tn_socket **child)
{
    const struct tn_descriptor *d = tn_embed_find(stack, fd);
    tn_time until = tn_embed_patience(stack, d, 0, d->receive_timeout);
    int error;
    do {
        struct tn_socket *listener = tn_embed_find(stack, fd)->sock;
        error = may_accept(listener);
        if (error < 0)
            return error;
        *child = tn_socket_accept(stack, listener);
        if (*child)
            return 0;
        error = until ? tn_embed_wait(stack, fd, POLLIN | POLLERR | POLLHUP, until) : -EAGAIN;
    } while (error == 0);
    return error;
}

int tn_accept(struct tn_stack *stack, int fd, struct sockaddr *addr, socklen_t *len)
{
    struct tn_socket *child, *sock = enter(stack, fd);
    if (!sock)
        return -EBADF;
    int error = may_accept(sock);
    if (error == 0 && addr && !len)
        error = -EFAULT;
    if (error == 0)
        error = take_connection(stack, fd, &child);
    if (error < 0)
        return error;
    int child_fd = fd_open(stack, child);
    if (child_fd < 0) {
        tn_socket_end(stack, child, true);
        return child_fd;
    }
    stack->sockets->fds[child_fd].blocking = stack->sockets->fds[fd].blocking;
    tn_embed_wake(stack);
    error = tn_embed_write_address_if(child->family, &child->remote, child->remote_port, addr, len);
    return error < 0 ? error : child_fd;
}

/* The handshake is on its way: its end, if the call may wait for it. */
static int connected(struct tn_stack *stack, int fd)
{
    const struct tn_descriptor *d = tn_embed_find(stack, fd);
    tn_time until = tn_embed_patience(stack, d, 0, d->send_timeout);
    if (!until)
        return -EINPROGRESS;
    int error = tn_embed_wait(stack, fd, POLLOUT | POLLERR | POLLHUP, until);
    if (error < 0)
        return error == -EAGAIN ? -EINPROGRESS : error;
    return tn_socket_take_error(tn_embed_find(stack, fd)->sock);
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
    int error = tn_embed_read_address(sock, addr, len, &to);
    if (error < 0)
        return error;
    error = tn_core_socket_connect(tn_core_self(stack), sock, &to.addr, to.port);
    tn_embed_wake(stack);
    return error == 0 && sock->type == SOCK_STREAM ? connected(stack, fd) : error;
}

/* ---- Names ---- */

int tn_getsockname(struct tn_stack *stack, int fd, struct sockaddr *addr, socklen_t *len)
{
    struct tn_socket *sock = enter(stack, fd);
    if (!sock)
        return -EBADF;
    if (!addr || !len)
        return -EFAULT;
    return tn_embed_write_address(sock->family, &sock->local, sock->local_port, addr, len);
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
    return tn_embed_write_address(sock->family, &sock->remote, sock->remote_port, addr, len);
}
