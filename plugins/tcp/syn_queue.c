/* syn_queue.c: the records of half-open connections, a queue for each listener, oldest first.
 *
 * A SYN costs its sender nothing, so what it costs here is small: a flow of the core (flow.h), no socket. A listener has at
 * most syn-backlog of them. When its queue is full, the next SYN is answered with a cookie (syn_cookie.c); without
 * cookies, the oldest one that has had a second to complete gives way (RFC 4987 §3.5), and if there is none such, the SYN
 * is dropped: whoever sent it will send it again. */
#include "listen.h"

#define PATIENCE 1000000u /* microseconds that a handshake has for itself */

static struct tcp_half_open *half_open_of(struct tn_flow *flow)
{
    return (struct tcp_half_open *)(void *)flow;
}

static bool is_full(struct tn_self *self, const struct tcp_conn *listener)
{
    return listener->half_open_count >= tcp_options(self)->syn_backlog;
}

bool tcp_syn_queue_crowded(struct tn_self *self, const struct tcp_half_open *half)
{
    const struct tcp_conn *listener = tn_socket_state(half->listener);
    return listener->half_open_count > tcp_options(self)->syn_backlog / 4 * 3;
}

static void unlink_half(struct tcp_half_open *half)
{
    struct tcp_conn *listener = tn_socket_state(half->listener);
    *half->link = half->next;
    *(half->next ? &half->next->link : &listener->half_open_end) = half->link;
    listener->half_open_count--;
}

void tcp_half_open_free(struct tn_self *self, struct tcp_half_open *half)
{
    self->core->timer_stop(self, &half->timer);
    unlink_half(half);
    self->core->flow_free(self, &half->flow);
}

void tcp_half_open_free_all(struct tn_self *self, struct tcp_conn *listener)
{
    while (listener->half_open)
        tcp_half_open_free(self, listener->half_open);
}

static bool make_room(struct tn_self *self, const struct tcp_conn *listener)
{
    struct tcp_half_open *oldest = listener->half_open;
    bool give_way = tcp_options(self)->syn_cookies == TCP_COOKIES_NEVER;
    if (!give_way || !oldest || tcp_microseconds(self) - oldest->flow.time < PATIENCE)
        return false;
    tn_count(self, TCP_HALF_OPEN_EVICTED);
    tcp_half_open_free(self, oldest);
    return true;
}

struct tcp_half_open *tcp_half_open_new(struct tn_self *self, struct tn_socket *listener,
                                        const struct tn_packet *packet)
{
    struct tcp_conn *conn = tn_socket_state(listener);
    if (is_full(self, conn) && !make_room(self, conn))
        return NULL;
    struct tn_flow *flow = self->core->flow_new(self, tcp_state(self)->half_open_kind, packet);
    if (!flow)
        return NULL;
    struct tcp_half_open *half = half_open_of(flow);
    half->flow.time = tcp_microseconds(self);
    half->listener = listener;
    half->link = conn->half_open_end;
    *conn->half_open_end = half;
    conn->half_open_end = &half->next;
    conn->half_open_count++;
    return half;
}
