/* embed_ready.c: descriptors, and what their sockets are ready for (tenon/stack.h). */
#include <errno.h>
#include <poll.h>

#include "embed.h"

/* ---- Descriptors ---- */

struct tn_descriptor *tn_embed_find(const struct tn_stack *stack, int fd)
{
    struct tn_sockets *s = stack->sockets;
    if (fd < 0 || (size_t)fd >= s->limit || !s->fds[fd].sock)
        return NULL;
    return &s->fds[fd];
}

struct tn_descriptor *tn_embed_enter(struct tn_stack *stack, int fd)
{
    tn_time now = stack->env.now(stack->env.context);
    if (now > stack->now)
        stack->now = now;
    return tn_embed_find(stack, fd);
}

/* ---- Readiness ---- */

static short poll_stream(const struct tn_stack *stack, const struct tn_socket *sock)
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
    if (no_more_out || tn_socket_writable(stack, sock))
        events |= POLLOUT;
    if (sock->flags & TN_SOCK_URGENT_NEWS)
        events |= POLLPRI;
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

short tn_embed_ready(const struct tn_stack *stack, const struct tn_socket *sock)
{
    short events = sock->type == SOCK_STREAM ? poll_stream(stack, sock) : poll_datagram(sock);
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
        struct tn_descriptor *d = tn_embed_find(stack, fds[i].fd);
        if (!d) {
            fds[i].revents = POLLNVAL;
        } else {
            short now = tn_embed_ready(stack, d->sock);
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
    short now = tn_embed_ready(stack, sock);
    unsigned events = 0;
    if (now & POLLIN)
        events |= sock->flags & TN_SOCK_LISTENING ? TN_EVENT_ACCEPT : TN_EVENT_READABLE;
    if (now & POLLOUT)
        events |= TN_EVENT_WRITABLE;
    else
        sock->flags |= TN_SOCK_WANT_WRITE;
    if (now & POLLERR)
        events |= TN_EVENT_ERROR;
    if (now & POLLPRI)
        events |= TN_EVENT_URGENT;
    if (now & POLLHUP)
        events |= TN_EVENT_HANGUP;
    if (events)
        tn_socket_raise(stack, sock, events);
    tn_embed_wake(stack);
}

int tn_on_ready(struct tn_stack *stack, int fd, tn_ready_fn *fn, void *context)
{
    struct tn_descriptor *d = tn_embed_find(stack, fd);
    if (!d)
        return -EBADF;
    d->ready = fn;
    d->context = context;
    if (fn)
        raise_what_is(stack, d->sock);
    return 0;
}
