/* embed_wait.c: calls that wait.
 *
 * A call on a blocking socket steps the stack until the socket is ready, its patience (SO_RCVTIMEO, SO_SNDTIMEO) is over, or a
 * signal comes. Everything else that the stack has to do is done meanwhile: other connections, services, callbacks. Inside a
 * callback nothing waits, because the step that called it is not over yet. */
#include <errno.h>
#include <poll.h>

#include "embed.h"

static bool may_wait(const struct tn_stack *stack)
{
    return stack->env.real_time && !stack->stepping;
}

tn_time tn_embed_patience(struct tn_stack *stack, const struct tn_descriptor *d, int flags, uint32_t timeout)
{
    if (!d->blocking || (flags & MSG_DONTWAIT) || !may_wait(stack))
        return 0;
    return timeout ? tn_stack_now(stack) + timeout * TN_MSEC : TN_NEVER;
}

/* The socket of `fd` is still the one that it was. */
static struct tn_socket *same_socket(const struct tn_stack *stack, int fd, uint32_t id)
{
    const struct tn_descriptor *d = tn_embed_find(stack, fd);
    return d && d->sock->id == id ? d->sock : NULL;
}

int tn_embed_wait(struct tn_stack *stack, int fd, short events, tn_time until)
{
    const uint32_t id = stack->sockets->fds[fd].sock->id;
    struct tn_socket *sock;
    while ((sock = same_socket(stack, fd, id))) {
        if (tn_embed_ready(stack, sock) & events)
            return 0;
        if (tn_stack_now(stack) >= until)
            return -EAGAIN;
        if (events & POLLOUT)
            sock->flags |= TN_SOCK_WANT_WRITE;
        int error = tn_stack_wait(stack, until);
        if (error < 0)
            return error;
    }
    return -EBADF;
}

/* Whether the connection still has something to bring to the peer. */
static bool lingers(const struct tn_socket *sock)
{
    return (sock->flags & TN_SOCK_CONNECTED) && !(sock->flags & TN_SOCK_ABORTED) && sock->tx.bytes > 0;
}

void tn_embed_linger(struct tn_stack *stack, int fd)
{
    const struct tn_descriptor *d = tn_embed_find(stack, fd);
    struct tn_socket *sock = d->sock;
    uint32_t id = sock->id;
    /* Unread data turns the close into a reset, for which nothing needs to wait (RFC 9293 SHLD-3). */
    if (sock->type != SOCK_STREAM || sock->linger <= 1 || sock->rx.bytes > 0 || !lingers(sock))
        return;
    tn_time until = tn_embed_patience(stack, d, 0, (sock->linger - 1u) * 1000);
    if (until && !(sock->flags & TN_SOCK_SHUT_SEND))
        (void)tn_core_socket_shutdown(tn_core_self(stack), sock, SHUT_WR);
    while ((sock = same_socket(stack, fd, id)) && lingers(sock) && tn_stack_now(stack) < until)
        if (tn_stack_wait(stack, until) < 0)
            return;
}

/* ---- For programs ---- */

int tn_set_blocking(struct tn_stack *stack, int fd, bool on)
{
    struct tn_descriptor *d = tn_embed_find(stack, fd);
    if (!d)
        return -EBADF;
    if (on && !stack->env.real_time)
        return -EOPNOTSUPP;
    d->blocking = on;
    return 0;
}

int tn_poll_wait(struct tn_stack *stack, struct tn_pollfd *fds, size_t count, tn_time timeout)
{
    tn_time now = tn_stack_now(stack);
    tn_time until = timeout < TN_NEVER - now ? now + timeout : TN_NEVER;
    for (;;) {
        int ready = tn_poll(stack, fds, count);
        if (ready != 0 || timeout == 0 || tn_stack_now(stack) >= until)
            return ready;
        if (!may_wait(stack))
            return -EOPNOTSUPP;
        int error = tn_stack_wait(stack, until);
        if (error < 0)
            return error;
    }
}
