/* A TCP connection driven through its life by segments near what would be right, and by its user, in virtual time. The
 * input is a list of steps. After each step what must always hold is checked: sequence numbers in order, every queue's
 * sums right, the window's edge never receding, and each octet that a user reads or the stack sends the right one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../../plugins/tcp/listen.h"
#include "../../plugins/tcp/reassembly.h"
#include "../../plugins/tcp/scoreboard.h"
#include "../../plugins/tcp/time_wait.h"
#include "flow.h"
#include "slot.h"
#include "sockets.h"
#include "stack.h"
#include "tenon/sim.h"
#include "tenon/tcp.h"

/* The fuzzer's instruments are for the stack: in this file's loops over octets they would take most of the time. */
#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("coverage"))), apply_to = function)
#endif

/* In every build, also where assert() is nothing. */
#define hold(condition) ((condition) ? (void)0 : broken(#condition, __LINE__))

#define LISTEN_PORT   7
#define RUNS_SEEN     4096
#define LEAST_PAYLOAD 52 /* 64 less timestamps */

static const uint8_t own[4] = {10, 0, 7, 7}, other[4] = {10, 0, 7, 1};

static struct {
    struct tn_sim *sim;
    struct tn_stack *stack;
    struct tn_usage start;
    int listener;
    /* this input's connection */
    int fd;
    uint16_t port, peer_port;
    uint32_t isn; /* the peer's */
    uint32_t iss; /* the stack's, from its SYN */
    bool iss_known;
    uint32_t written, read;
    uint32_t read_next; /* sequence number */
    bool discards;
    uint32_t edge; /* conn->rcv_adv at the last look */
    uint32_t id;   /* of the socket it was seen at */
    uint32_t ts_heard;
    bool timestamps;
} f;

static void broken(const char *condition, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, line, condition);
    abort();
}

/* ---- The input ---- */

struct input {
    const uint8_t *at, *end;
};

static uint8_t byte(struct input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static uint16_t word(struct input *in)
{
    uint8_t high = byte(in);
    return (uint16_t)(high << 8 | byte(in));
}

/* Mostly small, sometimes far off. */
static uint32_t offset(struct input *in)
{
    uint8_t kind = byte(in);
    if (kind < 0x80)
        return (uint32_t)(int8_t)(kind << 1) / 2;
    if (kind < 0xf0)
        return (uint32_t)(int32_t)(int16_t)word(in);
    return (uint32_t)word(in) << 16 | word(in);
}

/* ---- Octets ---- */

static uint8_t octet(uint32_t n)
{
    return (uint8_t)(n * 31 + (n >> 8) * 7 + (n >> 16));
}

/* ---- What always holds ---- */

static void check_runs(const struct tcp_conn *conn)
{
    static const struct tcp_flight none;
    const struct tcp_flight *flight = conn->flight ? conn->flight : &none;
    uint32_t at = conn->snd_una, sacked = 0, lost = 0, count = 0, moving = 0;
    const struct tcp_run *prev = NULL;
    for (const struct tcp_run *run = flight->head; run; prev = run, run = run->next) {
        hold(run->start == at && tcp_lt(run->start, run->end) && run->prev == prev);
        sacked += run->fate == TCP_FATE_SACKED ? run->end - run->start : 0;
        lost += run->fate == TCP_FATE_LOST ? run->end - run->start : 0;
        moving += run->fate == TCP_FATE_SENT || run->fate == TCP_FATE_RESENT;
        at = run->end;
        count++;
    }
    hold(flight->tail == prev && count == flight->run_count && count <= RUNS_SEEN);
    hold(flight->lost == lost);
    hold(sacked == 0 || flight->sacked == sacked);
    if (flight->head || conn->snd_una == conn->snd_nxt)
        hold(at == conn->snd_nxt);
    hold(flight->sacked + flight->lost <= conn->snd_nxt - conn->snd_una);
    prev = NULL;
    for (const struct tcp_run *run = flight->earliest; run; prev = run, run = run->later, moving--) {
        hold(run->earlier == prev && (run->fate == TCP_FATE_SENT || run->fate == TCP_FATE_RESENT));
        hold(!prev || prev->sent <= run->sent);
    }
    hold(flight->latest == prev && moving == 0);
}

/* In order in the tree, a heap by priority; how many there are. */
static uint32_t check_tree(const struct tcp_block *b, const struct tcp_block *low,
                           const struct tcp_block *high)
{
    if (!b)
        return 0;
    hold((!low || tcp_lt(low->start, b->start)) && (!high || tcp_lt(b->start, high->start)));
    hold(!b->left || b->left->priority <= b->priority);
    hold(!b->right || b->right->priority <= b->priority);
    return 1 + check_tree(b->left, low, b) + check_tree(b->right, b, high);
}

static void check_block(const struct tcp_conn *conn, const struct tcp_block *b, uint32_t *held)
{
    uint32_t at = b->start;
    hold(tcp_lt(conn->rcv_nxt, b->start) && (!b->prev || tcp_lt(b->prev->end, b->start)));
    hold(tcp_le(b->end, conn->rcv_adv));
    for (const struct tn_packet *p = b->head; p; p = p->next, ++*held) {
        hold(p->scratch[0] == at && p->total == p->len && p->len > 0);
        at += p->total;
        hold(p->next || p == b->tail);
    }
    hold(at == b->end);
}

static void check_blocks(const struct tcp_conn *conn)
{
    const struct tcp_reassembly *r = conn->reassembly;
    uint32_t count = 0, held = 0, newest = 0;
    if (!r)
        return;
    hold(r->first);
    for (const struct tcp_block *b = r->first; b; b = b->next, count++) {
        check_block(conn, b, &held);
        hold(b->next ? b->next->prev == b : b == r->last);
    }
    for (const struct tcp_block *b = r->newest; b; b = b->older, newest++)
        hold(b->newer ? b->newer->older == b : b == r->newest);
    hold(held == r->held && newest == count && check_tree(r->root, NULL, NULL) == count);
}

static void check_queue(const struct tn_packet_queue *queue)
{
    uint32_t bytes = 0, packets = 0;
    for (const struct tn_packet *p = queue->head; p; p = p->next, packets++)
        bytes += p->total;
    hold(bytes == queue->bytes && packets == queue->packets);
}

static void check_sending(struct tcp_conn *conn)
{
    const struct tn_socket *sock = tcp_socket(conn);
    uint32_t flight = conn->snd_nxt - conn->snd_una;
    uint32_t fin = conn->flags & TCP_FIN_SENT && flight > 0;
    hold(tcp_le(conn->snd_una, conn->snd_nxt));
    hold(flight - fin <= sock->tx.bytes);
    hold(!fin || flight - 1 == sock->tx.bytes);
    hold(conn->cwnd >= conn->mss && conn->ssthresh >= 2u * LEAST_PAYLOAD && conn->mss > 0);
    /* Something waits for an answer, or for a window: then a timer runs. */
    bool waits = flight > 0 || sock->tx.bytes > 0;
    hold(!waits || conn->retransmit_at != TN_NEVER || conn->state == TCP_ST_TIME_WAIT);
    check_runs(conn);
}

static void check_conn(void *context, struct tn_socket *sock)
{
    struct tcp_conn *conn = tn_socket_state(sock);
    check_queue(&sock->rx);
    check_queue(&sock->tx);
    if (conn->state <= TCP_ST_LISTEN)
        return;
    hold(!conn->link.next); /* all was looked at */
    tn_time first = tn_min(conn->retransmit_at, tn_min(conn->ack_at, conn->wait_at));
    hold(first == TN_NEVER ||
         (tn_timer_running(&conn->timer) && tn_timer_due(&conn->timer) < first + TN_TIMER_TICK));
    if (conn->state < TCP_ST_ESTABLISHED)
        return;
    check_blocks(conn);
    if (conn->state < TCP_ST_TIME_WAIT)
        check_sending(conn);
    if (f.id == sock->id)
        hold(tcp_le(f.edge, conn->rcv_adv));
    if (sock->remote_port == f.peer_port) {
        f.id = sock->id;
        f.edge = conn->rcv_adv;
    }
}

/* ---- Connections without a socket ---- */

static struct tn_self *tcp_self(void)
{
    return &tn_slot_by_name(f.stack, "tcp")->self;
}

struct flow_counts {
    unsigned half_open, waiting;
};

static bool check_flow(void *context, struct tn_slot *transport, struct tn_flow *flow)
{
    struct flow_counts *counts = context;
    const struct tcp_state *state = transport->self.state;
    if (flow->kind == state->time_wait_kind) {
        uint32_t now = (uint32_t)(f.stack->now / TN_MSEC);
        hold(flow->held && (int32_t)(flow->time - now) <= 1000);
        counts->waiting++;
        return true;
    }
    const struct tcp_half_open *half = (const void *)flow;
    const struct tcp_conn *listener = tn_socket_state(half->listener);
    hold(flow->kind == state->half_open_kind && !flow->held && tn_timer_running(&half->timer));
    hold(listener->state == TCP_ST_LISTEN && *half->link == half);
    hold(half->next ? half->next->link == &half->next : listener->half_open_end == &half->next);
    counts->half_open++;
    return true;
}

/* The queue in order of age holds all in TIME-WAIT, and those that were replaced. */
static void check_time_wait_queue(unsigned waiting)
{
    struct tn_self *self = tcp_self();
    const struct tcp_state *state = self->state;
    unsigned found = 0, count = 0;
    for (uint32_t number = state->time_wait_oldest; number; count++) {
        const struct tn_flow *flow = self->core->flow_numbered(self, state->time_wait_kind, number - 1);
        const struct tcp_time_wait *record = (const void *)flow;
        found += flow->found;
        hold(record->younger != 0 || number == state->time_wait_youngest);
        number = record->younger;
    }
    hold(found == waiting);
    hold(count == 0 || tn_timer_running(&state->time_wait_timer));
}

static void check_listener(void *context, struct tn_socket *sock)
{
    const struct tcp_conn *conn = tn_socket_state(sock);
    if (conn->state == TCP_ST_LISTEN)
        *(unsigned *)context += conn->half_open_count;
}

static void check_flows(void)
{
    struct flow_counts counts = {0};
    unsigned queued = 0;
    tn_flows_each_while(f.stack, check_flow, &counts);
    tn_sockets_each(f.stack, check_listener, &queued);
    hold(queued == counts.half_open && counts.half_open <= (unsigned)tcp_options(tcp_self())->syn_backlog);
    check_time_wait_queue(counts.waiting);
}

/* ---- Packets ---- */

static uint32_t sum(uint32_t s, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        s += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
    return s;
}

static uint16_t fold(uint32_t s)
{
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return (uint16_t)~s;
}

static struct tcp_conn *found;

static void match(void *context, struct tn_socket *sock)
{
    struct tcp_conn *conn = tn_socket_state(sock);
    if (sock->remote_port == f.peer_port && conn->state > TCP_ST_LISTEN)
        found = conn;
}

/* Of the last SYN there may have been several, answered with cookies: the connection knows which of them was meant. */
static void check_octets(const uint8_t *octets, size_t len, uint32_t seq)
{
    found = NULL;
    tn_sockets_each(f.stack, match, NULL);
    uint32_t iss = found ? found->iss : f.iss;
    for (size_t i = 0; i < len; i++)
        hold(octets[i] == octet(seq - iss + (uint32_t)i));
}

static void check_segment(const uint8_t *p, size_t len)
{
    const uint8_t *t = p + 20;
    size_t n = len - 20;
    hold(n >= 20 && (size_t)(t[12] >> 4) * 4 <= n);
    hold(fold(sum(sum(sum(6 + (uint32_t)n, p + 12, 8), t, n), t, 0)) == 0);
    if (tn_load16(t + 2) != f.peer_port)
        return;
    size_t header = (size_t)(t[12] >> 4) * 4;
    uint32_t seq = tn_load32(t + 4);
    if (t[13] & TN_TCP_SYN) {
        f.iss = seq;
        f.iss_known = true;
        f.port = tn_load16(t);
    }
    for (size_t i = 20; i + 10 <= header && t[i] == 1; i++)
        if (t[i + 1] == TN_TCP_OPT_TIMESTAMPS)
            f.ts_heard = tn_load32(t + i + 3);
    if (f.iss_known && n > header)
        check_octets(t + header, n - header, seq);
}

/* Lets the stack come to rest, looks at all that it says, and at what it is. */
static void look(void)
{
    static uint8_t packet[70000];
    ssize_t n;
    tn_sim_settle(f.sim);
    while ((n = tn_host_receive(f.stack, "h0", packet, sizeof(packet))) > 0)
        if (packet[9] == 6)
            check_segment(packet, (size_t)n);
    tn_sockets_each(f.stack, check_conn, NULL);
    check_flows();
}

static void hand_over(uint8_t *packet, size_t len, uint8_t protocol)
{
    memset(packet, 0, 20);
    packet[0] = 0x45;
    tn_store16(packet + 2, (uint16_t)(20 + len));
    packet[8] = 64;
    packet[9] = protocol;
    memcpy(packet + 12, other, 4);
    memcpy(packet + 16, own, 4);
    tn_store16(packet + 10, fold(sum(0, packet, 20)));
    tn_host_send(f.stack, "h0", packet, 20 + len);
}

struct say {
    uint32_t seq, ack;
    uint16_t window, len;
    uint8_t flags, options_len;
    uint8_t options[40];
};

static void say(const struct say *s)
{
    static uint8_t packet[70000];
    uint8_t *t = packet + 20;
    size_t options = (s->options_len + 3u) & ~3u, header = 20 + options, len = header + s->len;
    memset(t, 0, header);
    tn_store16(t, f.peer_port);
    tn_store16(t + 2, f.port);
    tn_store32(t + 4, s->seq);
    tn_store32(t + 8, s->ack);
    t[12] = (uint8_t)(header / 4 << 4);
    t[13] = s->flags;
    tn_store16(t + 14, s->window);
    memcpy(t + 20, s->options, s->options_len);
    for (uint32_t i = 0; i < s->len; i++)
        t[header + i] = octet(s->seq + (s->flags >> 1 & 1) + i); /* data follows the SYN */
    uint32_t pseudo = sum(sum(6 + (uint32_t)len, other, 4), own, 4);
    tn_store16(t + 16, fold(sum(pseudo, t, len)));
    hand_over(packet, len, 6);
}

static void add_timestamps(struct say *s)
{
    if (!f.timestamps)
        return;
    uint8_t *o = s->options;
    o[0] = o[1] = TN_TCP_OPT_NOP;
    o[2] = TN_TCP_OPT_TIMESTAMPS;
    o[3] = 10;
    tn_store32(o + 4, (uint32_t)(tn_sim_now(f.sim) / TN_MSEC));
    tn_store32(o + 8, f.ts_heard);
    s->options_len = 12;
}

/* ---- Steps ---- */

/* The numbers of a connection that has no socket, in a record that has no other; zeros if there is none. */
static const struct tcp_conn *without_socket(void)
{
    static struct tcp_conn conn;
    struct tn_self *self = tcp_self();
    const struct tn_addr local = tn_addr_from(own, 4), remote = tn_addr_from(other, 4);
    const struct tn_flow *flow =
        tn_core_flow_find_tuple(self, AF_INET, 0, &local, f.port, &remote, f.peer_port);
    conn = (struct tcp_conn){0};
    if (flow && flow->kind == ((struct tcp_state *)self->state)->time_wait_kind) {
        const struct tcp_time_wait *record = (const void *)flow;
        conn.rcv_nxt = record->rcv_nxt;
        conn.snd_una = conn.snd_nxt = record->snd_nxt;
    } else if (flow) {
        const struct tcp_half_open *half = (const void *)flow;
        conn.rcv_nxt = half->irs + 1;
        conn.snd_una = half->iss;
        conn.snd_nxt = half->iss + 1;
    } else if (f.iss_known) { /* perhaps a cookie is out */
        conn.rcv_nxt = f.isn + 1;
        conn.snd_una = f.iss;
        conn.snd_nxt = f.iss + 1;
    }
    return &conn;
}

/* The record of this input's connection. */
static const struct tcp_conn *current(void)
{
    found = NULL;
    tn_sockets_each(f.stack, match, NULL);
    return found ? found : without_socket();
}

static void add_sack(struct input *in, struct say *s)
{
    const struct tcp_conn *conn = current();
    unsigned blocks = byte(in) & 3;
    uint8_t *o = s->options + s->options_len;
    if (blocks == 0)
        return;
    o[0] = o[1] = TN_TCP_OPT_NOP;
    o[2] = TN_TCP_OPT_SACK;
    o[3] = (uint8_t)(2 + blocks * 8);
    for (unsigned i = 0; i < blocks; i++) {
        uint32_t start = conn->snd_una + word(in) % 20000;
        tn_store32(o + 4 + i * 8, start);
        tn_store32(o + 8 + i * 8, start + word(in) % 6000);
    }
    s->options_len = (uint8_t)(s->options_len + 4 + blocks * 8);
}

static void add_user_timeout(struct input *in, struct say *s)
{
    uint8_t *o = s->options + s->options_len;
    o[0] = TN_TCP_OPT_USER_TIMEOUT;
    o[1] = TN_TCP_OPTLEN_USER_TIMEOUT;
    tn_store16(o + 2, word(in));
    s->options_len += 4;
}

/* A segment near what would be right. */
static void step_segment(struct input *in)
{
    const struct tcp_conn *conn = current();
    uint8_t flags = byte(in);
    struct say s = {
        .flags = flags & 0x3f,
        .seq = conn->rcv_nxt + offset(in),
        .ack = (flags & 0x40 ? conn->snd_nxt : conn->snd_una) + offset(in),
        .window = word(in),
        .len = word(in) % 3000,
    };
    if (flags & 0x80) {
        s.options_len = byte(in) % 41;
        for (unsigned i = 0; i < s.options_len; i++)
            s.options[i] = byte(in);
    } else {
        add_timestamps(&s);
        add_sack(in, &s);
    }
    say(&s);
}

/* What a good peer would say: acknowledges all, with data. */
static void step_good(struct input *in)
{
    const struct tcp_conn *conn = current();
    uint8_t what = byte(in);
    struct say s = {
        .flags = TN_TCP_ACK | (what & 1 ? TN_TCP_FIN : 0),
        .seq = conn->rcv_nxt,
        .ack = what & 2 ? conn->snd_nxt : conn->snd_una + (conn->snd_nxt - conn->snd_una) / 2,
        .window = what & 4 ? 65535 : (uint16_t)(what << 4),
        .len = what & 8 ? word(in) % 3000 : 0,
    };
    add_timestamps(&s);
    if (what & 16)
        add_sack(in, &s);
    else if (what & 32)
        add_user_timeout(in, &s);
    say(&s);
}

static void step_icmp(struct input *in)
{
    uint8_t packet[128] = {0}, *message = packet + 20, *quote = message + 8;
    message[0] = byte(in) & 1 ? 3 : 11;
    message[1] = byte(in) % 6;
    tn_store16(message + 6, word(in));
    quote[0] = 0x45;
    quote[8] = 60;
    quote[9] = 6;
    tn_store16(quote + 2, 40);
    memcpy(quote + 12, own, 4);
    memcpy(quote + 16, other, 4);
    tn_store16(quote + 10, fold(sum(0, quote, 20)));
    tn_store16(quote + 20, f.port);
    tn_store16(quote + 22, f.peer_port);
    tn_store32(quote + 24, current()->snd_una + offset(in));
    tn_store16(message + 2, fold(sum(0, message, 36)));
    hand_over(packet, 36, 1);
}

static void step_write(struct input *in)
{
    static uint8_t bytes[65536];
    size_t len = word(in);
    for (size_t i = 0; i < len; i++)
        bytes[i] = octet(1 + f.written + (uint32_t)i);
    ssize_t n = f.fd >= 0 ? tn_send(f.stack, f.fd, bytes, len, 0) : 0;
    if (n > 0)
        f.written += (uint32_t)n;
}

static struct tn_socket *mine;

static void match_fd(void *context, struct tn_socket *sock)
{
    if (sock->fd == f.fd)
        mine = sock;
}

/* The sequence number of the octet that the user would read next. */
static uint32_t next_to_read(struct tn_socket *sock)
{
    const struct tcp_conn *conn = tn_socket_state(sock);
    bool fin = conn->state > TCP_ST_FIN_WAIT_2; /* the peer's was received */
    return conn->rcv_nxt - fin - sock->rx.bytes;
}

static void step_read(struct input *in)
{
    static uint8_t bytes[65536];
    mine = NULL;
    if (f.fd >= 0)
        tn_sockets_each(f.stack, match_fd, NULL);
    size_t len = word(in);
    if (!mine)
        return;
    uint32_t seq = next_to_read(mine);
    bool open = ((struct tcp_conn *)tn_socket_state(mine))->state > TCP_ST_LISTEN;
    int at_mark = 0;
    tn_ioctl(f.stack, f.fd, SIOCATMARK, &at_mark);
    hold(f.read == 0 || !open || f.discards || seq == f.read_next);
    ssize_t n = tn_recv(f.stack, f.fd, bytes, len, 0);
    if (!open || f.discards)
        return;
    f.read_next = next_to_read(mine);
    if (n <= 0)
        return;
    seq += at_mark; /* the read passes over the urgent octet */
    hold(f.read_next == seq + (uint32_t)n);
    for (ssize_t i = 0; i < n; i++)
        hold(bytes[i] == octet(seq + (uint32_t)i));
    f.read += (uint32_t)n;
}

static void shut_down(int how)
{
    if (tn_shutdown(f.stack, f.fd, how) == 0 && how != SHUT_WR)
        f.discards = true; /* what comes is not kept */
}

static void step_user(struct input *in)
{
    if (f.fd < 0)
        return;
    int one = 1;
    switch (byte(in) % 8) {
    case 0:
        shut_down(byte(in) % 3);
        break;
    case 1:
        tn_close(f.stack, f.fd);
        f.fd = -1;
        break;
    case 2:
        tn_setsockopt(f.stack, f.fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
        break;
    case 4:
        one = byte(in) & 1;
        tn_setsockopt(f.stack, f.fd, IPPROTO_TCP, TN_TCP_UTO, &one, sizeof(one));
        break;
    case 5:
        one = byte(in) * 100;
        tn_setsockopt(f.stack, f.fd, IPPROTO_TCP, TN_TCP_UTO_ADVERTISED, &one, sizeof(one));
        break;
    case 6:
        one = byte(in) & 1;
        tn_setsockopt(f.stack, f.fd, IPPROTO_TCP, 3 /* TCP_CORK */, &one, sizeof(one));
        break;
    default:
        tn_setsockopt(f.stack, f.fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof(one));
        break;
    }
}

static void step_time(struct input *in)
{
    tn_time until = tn_sim_now(f.sim) + ((tn_time)1 << (byte(in) % 16)) * TN_MSEC;
    while (tn_sim_advance(f.sim, until))
        look();
}

static void accept_one(void)
{
    int fd = tn_accept(f.stack, f.listener, NULL, NULL);
    if (fd < 0)
        return;
    if (f.fd >= 0) {
        tn_close(f.stack, fd);
        return;
    }
    f.fd = fd;
    f.written = f.read = 0; /* TIME-WAIT may have ended in a new connection */
}

static void step(struct input *in)
{
    switch (byte(in) % 10) {
    case 0:
    case 1:
    case 2:
        step_segment(in);
        break;
    case 3:
    case 4:
        step_good(in);
        break;
    case 5:
        step_write(in);
        break;
    case 6:
        step_read(in);
        break;
    case 7:
        step_time(in);
        break;
    case 8:
        step_user(in);
        break;
    default:
        step_icmp(in);
        break;
    }
    if (byte(in) & 1)
        return; /* the next one in the same batch */
    look();
    accept_one();
}

/* ---- The whole ---- */

static void no_log(void *context, enum tn_level level, const char *who, const char *text)
{
}

static void start(void)
{
    struct tn_error error;
    f.sim = tn_sim_create(1);
    tn_sim_plugin_path(f.sim, TN_TEST_PLUGIN_DIR);
    tn_sim_log(f.sim, no_log, NULL);
    if (tn_sim_add(f.sim,
                   "stack: { name: fuzz }\n"
                   "interfaces: { h0: { driver: host, mode: ip, addresses: [10.0.7.7/24] } }\n"
                   "protocols:\n"
                   "  rawip: {}\n"
                   "  ipv4: {}\n"
                   "  icmp: {}\n"
                   "  tcp: { receive-buffer: 20000, send-buffer: 100000, time-wait: 1s, fin-wait: 1s,\n"
                   "         user-timeout: 20s, user-timeout-least: 1s, user-timeout-most: 100s, "
                   "syn-timeout: 20s, keepalive-time: 2s, keepalive-interval: 1s,\n"
                   "         keepalive-probes: 3, reassembly-limit: 30 }\n",
                   &f.stack, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    tn_stack_observe(f.stack, NULL, NULL); /* nobody asks for the hash of all frames */
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(LISTEN_PORT)};
    f.listener = tn_socket(f.stack, AF_INET, SOCK_STREAM, 0);
    if (tn_bind(f.stack, f.listener, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
        tn_listen(f.stack, f.listener, 100) < 0)
        abort();
    tn_sim_run(f.sim, TN_SEC);
    tn_stack_usage(f.stack, &f.start);
}

/* Options as no reload would be quick enough to set them. */
static void set_limits(uint8_t how)
{
    struct tcp_options *options = tn_slot_by_name(f.stack, "tcp")->options;
    options->syn_cookies = how & 32 ? TCP_COOKIES_ALWAYS : how & 64 ? TCP_COOKIES_NEVER : TCP_COOKIES_AUTO;
    options->syn_backlog = how & 128 ? 1 : 100;
}

/* The handshake, as `how` says: who begins, with which options, with which limits, and whether the rest of it
 * is left to the steps. */
static void open_connection(uint8_t how)
{
    struct say syn = {.flags = TN_TCP_SYN, .seq = f.isn, .window = 65535};
    static const uint8_t options[] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 2};
    f.timestamps = how & 4;
    set_limits(how);
    syn.options_len = how & 4 ? 20 : how & 2 ? 6 : 4;
    memcpy(syn.options, options, syn.options_len);
    if (how & 1) {
        struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(f.peer_port)};
        memcpy(&sa.sin_addr, other, 4);
        f.fd = tn_socket(f.stack, AF_INET, SOCK_STREAM, 0);
        tn_connect(f.stack, f.fd, (struct sockaddr *)&sa, sizeof(sa));
        look();
        if (how & 8)
            return;
        syn.flags |= TN_TCP_ACK;
        syn.ack = f.iss + 1;
        say(&syn);
    } else {
        if (how & 8)
            return;
        say(&syn);
        look();
        if (how & 16)
            return; /* half open, or a cookie */
        struct say ack = {.flags = TN_TCP_ACK, .seq = f.isn + 1, .ack = f.iss + 1, .window = 65535};
        add_timestamps(&ack);
        say(&ack);
    }
    look();
    accept_one();
}

static void close_all(void)
{
    int fd;
    look();
    if (f.fd >= 0)
        tn_close(f.stack, f.fd);
    while ((fd = tn_accept(f.stack, f.listener, NULL, NULL)) >= 0)
        tn_close(f.stack, fd);
    for (tn_time until = tn_sim_now(f.sim) + 60 * TN_SEC; tn_sim_advance(f.sim, until);)
        look();
    while ((fd = tn_accept(f.stack, f.listener, NULL, NULL)) >= 0)
        tn_close(f.stack, fd);
    tn_sim_run(f.sim, 11 * 60 * TN_SEC); /* path MTUs are forgotten after ten minutes */
    look();
    struct tn_usage end;
    tn_stack_usage(f.stack, &end);
    hold(end.packets == f.start.packets && end.buffers == f.start.buffers);
    hold(end.sockets == f.start.sockets && end.timers == f.start.timers);
    hold(end.plugin_bytes == f.start.plugin_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {.at = data, .end = data + size};
    if (!f.sim)
        start();
    uint8_t how = byte(&in);
    f.fd = -1;
    f.peer_port = 40000;
    f.port = LISTEN_PORT;
    f.isn = 0xfffff000u; /* soon wraps */
    f.iss_known = false;
    f.written = f.read = 0;
    f.discards = false;
    f.id = 0;
    open_connection(how);
    while (in.at < in.end)
        step(&in);
    close_all();
    return 0;
}

#ifdef __clang__
#pragma clang attribute pop
#endif
