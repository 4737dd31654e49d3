#include "dialogue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include "flow.h"
#include "slot.h"

#define PACKET_MAX 70000
#define TICK       (100 * TN_USEC) /* of the stack's timers */

/* ---- Segments ---- */

struct segment {
    uint8_t flags;
    uint32_t seq, ack; /* relative */
    uint32_t len;
    uint16_t window;
    uint16_t urgent; /* the field of the header */
    bool has_urgent;
    uint8_t ecn; /* field of the IP header */
    bool has_ecn;
    bool any_seq, any_ack, any_window;
    bool has_ack, has_window, has_options;
    char options[256];
    char harm[32];
    uint32_t harm_value;
};

static const char flag_letters[] = "FSRP.UEW";

/* Octet `n` of either stream. */
static uint8_t octet(uint32_t n)
{
    return (uint8_t)(n * 31 + (n >> 8) * 7 + (n >> 16));
}

static uint32_t number(const char *word, bool *any)
{
    *any = *word == '*';
    return *any ? 0 : (uint32_t)strtoll(word, NULL, 0);
}

static uint8_t parse_flags(const char *text, const char *letters)
{
    uint8_t flags = 0;
    for (const char *p = letters; *p; p++) {
        const char *at = strchr(flag_letters, *p);
        if (!at && *p != '-')
            fail_msg("%s: unknown flag %c", text, *p);
        if (at)
            flags |= (uint8_t)(1u << (at - flag_letters));
    }
    return flags;
}

/* Cuts <OPTIONS> out of `text`. */
static void parse_options(char *text, struct segment *s)
{
    char *open = strchr(text, '<'), *close = strchr(text, '>');
    if (!open || !close)
        return;
    *close = '\0';
    s->has_options = true;
    snprintf(s->options, sizeof(s->options), "%s", open + 1);
    memset(open, ' ', (size_t)(close - open) + 1);
}

static struct segment parse(const char *given)
{
    struct segment s = {.flags = 0};
    char text[512], *save = NULL;
    snprintf(text, sizeof(text), "%s", given);
    parse_options(text, &s);
    s.flags = parse_flags(given, strtok_r(text, " ", &save));
    char *word = strtok_r(NULL, " ", &save);
    bool any;
    if (word) {
        char *end = strchr(word, ':');
        s.seq = number(word, &s.any_seq);
        s.len = end ? number(end + 1, &any) - s.seq : 0;
    }
    while ((word = strtok_r(NULL, " ", &save))) {
        if (*word == '!') {
            snprintf(s.harm, sizeof(s.harm), "%s", word + 1);
            if (!strcmp(s.harm, "offset"))
                s.harm_value = number(strtok_r(NULL, " ", &save), &any);
        } else if (!strcmp(word, "ack")) {
            s.ack = number(strtok_r(NULL, " ", &save), &s.any_ack);
            s.has_ack = true;
        } else if (!strcmp(word, "win")) {
            s.window = (uint16_t)number(strtok_r(NULL, " ", &save), &s.any_window);
            s.has_window = true;
        } else if (!strcmp(word, "urg")) {
            s.urgent = (uint16_t)number(strtok_r(NULL, " ", &save), &any);
            s.has_urgent = true;
        } else if (!strcmp(word, "ecn")) {
            s.ecn = (uint8_t)number(strtok_r(NULL, " ", &save), &any);
            s.has_ecn = true;
        } else {
            fail_msg("%s: unknown word %s", given, word);
        }
    }
    return s;
}

/* ---- Options as bytes and as text ---- */

static size_t put_hex(uint8_t *out, const char *hex)
{
    size_t n = 0;
    for (; hex[0] && hex[1]; hex += 2) {
        unsigned byte;
        sscanf(hex, "%2x", &byte);
        out[n++] = (uint8_t)byte;
    }
    return n;
}

static size_t put_sack(struct dialogue *d, uint8_t *out, const char *blocks)
{
    size_t n = 2;
    unsigned start, end;
    int used;
    while (sscanf(blocks, " %u:%u%n", &start, &end, &used) == 2) {
        tn_store32(out + n, start + d->iss);
        tn_store32(out + n + 4, end + d->iss);
        n += 8;
        blocks += used;
    }
    out[0] = 5;
    out[1] = (uint8_t)n;
    return n;
}

static size_t put_option(struct dialogue *d, uint8_t *out, const char *text)
{
    unsigned value, echo;
    char hex[128];
    if (sscanf(text, "mss %u", &value) == 1) {
        out[0] = 2;
        out[1] = 4;
        tn_store16(out + 2, (uint16_t)value);
        return 4;
    }
    if (sscanf(text, "wscale %u", &value) == 1) {
        out[0] = 3;
        out[1] = 3;
        out[2] = (uint8_t)value;
        return 3;
    }
    if (!strncmp(text, "TS val ", 7)) {
        int got = sscanf(text, "TS val %u ecr %u", &value, &echo);
        out[0] = 8;
        out[1] = 10;
        tn_store32(out + 2, value);
        tn_store32(out + 6, got == 2 ? echo : d->ts_heard);
        return 10;
    }
    if (sscanf(text, "hex %127s", hex) == 1)
        return put_hex(out, hex);
    if (!strncmp(text, "sack ", 5))
        return put_sack(d, out, text + 5);
    if (!strcmp(text, "sackOK")) {
        out[0] = 4;
        out[1] = 2;
        return 2;
    }
    out[0] = !strcmp(text, "nop");
    return 1;
}

static size_t put_options(struct dialogue *d, uint8_t *out, const char *text)
{
    char copy[256], *save = NULL;
    size_t n = 0;
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save))
        n += put_option(d, out + n, word);
    while (n % 4)
        out[n++] = 0;
    assert_true(n <= 40);
    return n;
}

static int get_option(struct dialogue *d, const uint8_t *in, char *out, size_t size)
{
    switch (in[0]) {
    case 2:
        return snprintf(out, size, "mss %u", tn_load16(in + 2));
    case 3:
        return snprintf(out, size, "wscale %u", in[2]);
    case 4:
        return snprintf(out, size, "sackOK");
    case 5: {
        int n = snprintf(out, size, "sack");
        for (size_t i = 2; i + 8 <= in[1]; i += 8)
            n += snprintf(out + n, size - (size_t)n, " %u:%u", tn_load32(in + i) - d->isn,
                          tn_load32(in + i + 4) - d->isn);
        return n;
    }
    case 8:
        d->ts_heard = tn_load32(in + 2);
        return snprintf(out, size, "TS val %u ecr %u", tn_load32(in + 2), tn_load32(in + 6));
    default:
        return snprintf(out, size, "opt-%u", in[0]);
    }
}

/* MUST-68, MUST-69: every option but NOP and EOL has a length, which fits; zeros follow EOL. */
static void get_options(struct dialogue *d, const uint8_t *in, size_t len, char *out, size_t size)
{
    int n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < len;) {
        const char *separator = n ? "," : "";
        n += snprintf(out + n, size - (size_t)n, "%s", separator);
        if (in[i] == 1) {
            n += snprintf(out + n, size - (size_t)n, "nop");
            i++;
        } else if (in[i] == 0) {
            n += snprintf(out + n, size - (size_t)n, "eol");
            for (; i < len; i++)
                assert_int_equal(in[i], 0);
        } else {
            assert_true(i + 1 < len && in[i + 1] >= 2 && i + in[i + 1] <= len);
            n += get_option(d, in + i, out + n, size - (size_t)n);
            i += in[i + 1];
        }
    }
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

/* Over the pseudo-header and the segment; 0 if the segment carries the right one. */
static uint16_t tcp_sum(const uint8_t *src, const uint8_t *dst, const uint8_t *segment, size_t len)
{
    uint32_t s = sum(sum(0, src, 4), dst, 4) + 6 + (uint32_t)len;
    return fold(sum(s, segment, len));
}

static size_t ip_header(struct dialogue *d, uint8_t *p, uint8_t tos, uint8_t protocol, size_t len)
{
    memset(p, 0, 20);
    p[0] = 0x45;
    p[1] = tos;
    tn_store16(p + 2, (uint16_t)(20 + len));
    p[6] = 0x40;
    p[8] = 64;
    p[9] = protocol;
    memcpy(p + 12, d->other, 4);
    memcpy(p + 16, d->own, 4);
    tn_store16(p + 10, fold(sum(0, p, 20)));
    return 20 + len;
}

/* The segment's bytes at `p`; returns their number. */
static size_t build(struct dialogue *d, const struct segment *s, uint8_t *p)
{
    char usual[64];
    const char *options = s->options;
    if (!s->has_options && d->ts_said) {
        snprintf(usual, sizeof(usual), "nop,nop,TS val %u ecr %u", d->ts_said, d->ts_heard);
        options = usual;
    }
    size_t header = 20 + put_options(d, p + 20, options);
    tn_store16(p, d->peer_port);
    tn_store16(p + 2, d->port);
    tn_store32(p + 4, s->seq + d->isn);
    tn_store32(p + 8, s->has_ack ? s->ack + d->iss : 0);
    p[12] = (uint8_t)(header / 4 << 4);
    p[13] = s->flags;
    tn_store16(p + 14, s->has_window ? s->window : d->window);
    tn_store16(p + 16, 0);
    tn_store16(p + 18, s->urgent);
    for (uint32_t i = 0; i < s->len; i++)
        p[header + i] = octet(s->seq + (s->flags >> 1 & 1) + i); /* data follows the SYN */
    size_t len = header + s->len;
    if (!strcmp(s->harm, "offset"))
        p[12] = (uint8_t)(s->harm_value << 4);
    if (!strcmp(s->harm, "short"))
        len = 19;
    tn_store16(p + 16, tcp_sum(d->other, d->own, p, len));
    if (!strcmp(s->harm, "checksum"))
        p[17] ^= 0x10;
    return len;
}

void peer_at_once(struct dialogue *d, const char *text)
{
    static uint8_t packet[PACKET_MAX];
    struct segment s = parse(text);
    size_t len = ip_header(d, packet, s.ecn, 6, build(d, &s, packet + 20));
    assert_int_equal(tn_host_send(d->stack, "h0", packet, len), 0);
}

void peer(struct dialogue *d, const char *text)
{
    peer_at_once(d, text);
    tn_sim_settle(d->sim);
}

void icmp(struct dialogue *d, uint8_t type, uint8_t code, uint16_t mtu, const char *text)
{
    uint8_t packet[128] = {0}, *message = packet + 20, *quote = message + 8;
    struct segment s = parse(text);
    quote[0] = 0x45;
    tn_store16(quote + 2, (uint16_t)(40 + s.len));
    quote[8] = 60;
    quote[9] = 6;
    memcpy(quote + 12, d->own, 4);
    memcpy(quote + 16, d->other, 4);
    tn_store16(quote + 10, fold(sum(0, quote, 20)));
    tn_store16(quote + 20, d->port);
    tn_store16(quote + 22, d->peer_port);
    tn_store32(quote + 24, s.seq + d->iss);
    message[0] = type;
    message[1] = code;
    tn_store16(message + 6, mtu);
    tn_store16(message + 2, fold(sum(0, message, 36)));
    size_t len = ip_header(d, packet, 0, 1, 36);
    assert_int_equal(tn_host_send(d->stack, "h0", packet, len), 0);
    tn_sim_settle(d->sim);
}

/* ---- Hearing ---- */

struct heard {
    struct segment s;
    char text[512];
};

static void check_payload(struct dialogue *d, const struct segment *s, const uint8_t *data)
{
    for (uint32_t i = 0; i < s->len; i++)
        if (data[i] != octet(s->seq + i))
            fail_msg("octet %u of the stack's data is %02x, expected %02x", s->seq + i, data[i],
                     octet(s->seq + i));
}

static void read_header(struct dialogue *d, const uint8_t *p, size_t len, struct segment *s)
{
    size_t header = (size_t)(p[12] >> 4) * 4;
    assert_true(header >= 20 && header <= len);
    if ((p[13] & 2) && !d->iss_known) {
        d->iss = tn_load32(p + 4);
        d->iss_known = true;
    }
    s->flags = p[13];
    s->seq = tn_load32(p + 4) - d->iss;
    s->ack = tn_load32(p + 8) - (s->flags & 0x10 ? d->isn : 0);
    s->len = (uint32_t)(len - header);
    s->window = tn_load16(p + 14);
    s->urgent = tn_load16(p + 18);
    get_options(d, p + 20, header - 20, s->options, sizeof(s->options));
    check_payload(d, s, p + header);
}

static void flags_text(uint8_t flags, char *text)
{
    for (size_t i = 0; i < 8; i++)
        if (flags & 1u << i)
            *text++ = flag_letters[i];
    *text = '\0';
}

/* The next segment that the stack sent; false if there is none. */
static bool hear(struct dialogue *d, struct heard *h)
{
    static uint8_t p[PACKET_MAX];
    ssize_t n = tn_host_receive(d->stack, "h0", p, sizeof(p));
    if (n <= 0)
        return false;
    memset(h, 0, sizeof(*h));
    assert_true(n >= 40 && p[0] == 0x45 && p[9] == 6);
    assert_int_equal(tn_load16(p + 2), n);
    assert_int_equal(fold(sum(0, p, 20)), 0);
    assert_memory_equal(p + 12, d->own, 4);
    assert_memory_equal(p + 16, d->other, 4);
    assert_int_equal(tcp_sum(p + 12, p + 16, p + 20, (size_t)n - 20), 0); /* MUST-2 */
    if (d->port == 0)
        d->port = tn_load16(p + 20);
    assert_int_equal(tn_load16(p + 20), d->port);
    assert_int_equal(tn_load16(p + 22), d->peer_port);
    read_header(d, p + 20, (size_t)n - 20, &h->s);
    h->s.ecn = p[1] & 3;
    char flags[9];
    flags_text(h->s.flags, flags);
    snprintf(h->text, sizeof(h->text), "%s %u:%u ack %u win %u urg %u ecn %u <%s>", flags, h->s.seq,
             h->s.seq + h->s.len, h->s.ack, h->s.window, h->s.urgent, h->s.ecn, h->s.options);
    d->heard_at = tn_sim_now(d->sim);
    return true;
}

/* Whether the words are the same; '*' of `expected` is any. */
static bool same_words(const char *expected, const char *got)
{
    while (*expected && *got) {
        if (*expected == '*') {
            expected++;
            got += strcspn(got, " ,");
        } else if (*expected++ != *got++) {
            return false;
        }
    }
    return *expected == *got;
}

static bool same(const struct segment *e, const struct segment *s)
{
    return e->flags == s->flags && (e->any_seq || e->seq == s->seq) && e->len == s->len &&
           (!e->has_ack || e->any_ack || e->ack == s->ack) &&
           (!e->has_window || e->any_window || e->window == s->window) && (!e->has_ecn || e->ecn == s->ecn) &&
           (!e->has_urgent || e->urgent == s->urgent) &&
           (!e->has_options || same_words(e->options, s->options));
}

static void check(struct dialogue *d, const char *text, const struct heard *h)
{
    struct segment e = parse(text);
    if (!same(&e, &h->s))
        fail_msg("expected \"%s\", heard \"%s\"", text, h->text);
}

void stack(struct dialogue *d, const char *text)
{
    struct heard h;
    if (!hear(d, &h))
        fail_msg("expected \"%s\", heard nothing", text);
    check(d, text, &h);
}

void stack_silent(struct dialogue *d)
{
    struct heard h;
    if (hear(d, &h))
        fail_msg("expected nothing, heard \"%s\"", h.text);
}

void stack_silent_for(struct dialogue *d, tn_time span)
{
    tn_time from = tn_sim_now(d->sim);
    struct heard h;
    do {
        if (hear(d, &h))
            fail_msg("expected nothing, heard \"%s\" after %.4f s", h.text,
                     (double)(tn_sim_now(d->sim) - from) / 1e9);
    } while (tn_sim_advance(d->sim, from + span));
    stack_silent(d);
}

void stack_after(struct dialogue *d, tn_time span, const char *text)
{
    tn_time due = tn_sim_now(d->sim) + span;
    struct heard h;
    if (span > 0)
        stack_silent_for(d, span - 1);
    bool more = true;
    while (!hear(d, &h)) {
        if (!more)
            fail_msg("expected \"%s\" after %.4f s, heard nothing", text, (double)span / 1e9);
        more = tn_sim_advance(d->sim, due + TICK);
    }
    check(d, text, &h);
}

const char *stack_says(struct dialogue *d)
{
    static struct heard h;
    return hear(d, &h) ? h.text : NULL;
}

unsigned stack_said(struct dialogue *d)
{
    static uint8_t packet[PACKET_MAX];
    unsigned n = 0;
    while (tn_host_receive(d->stack, "h0", packet, sizeof(packet)) > 0)
        n++;
    return n;
}

/* Of a connection that has no socket. */
static const char *state_of_flow(struct dialogue *d)
{
    struct tn_slot *tcp = tn_slot_by_name(d->stack, "tcp");
    const struct tn_tuple tuple = {
        .local = tn_addr_from(d->own, 4),
        .remote = tn_addr_from(d->other, 4),
        .local_port = d->port,
        .remote_port = d->peer_port,
        .transport = tcp->self.slot,
        .family = AF_INET,
    };
    const struct tn_flow *flow = tn_flow_find(d->stack, &tuple);
    return flow ? tcp->self.plugin->transport->flow_state_name(&tcp->self, flow) : "";
}

const char *stack_state(struct dialogue *d)
{
    static const char *const names[] = {
        "",          "ESTABLISHED", "SYN-SENT",   "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2",
        "TIME-WAIT", "CLOSED",      "CLOSE-WAIT", "LAST-ACK",     "LISTEN",     "CLOSING",
    };
    struct tcp_info info;
    socklen_t len = sizeof(info);
    if (d->fd < 0 || tn_getsockopt(d->stack, d->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
        return state_of_flow(d);
    return names[info.tcpi_state];
}

uint64_t tcp_counter(struct dialogue *d, const char *name)
{
    uint64_t n = tn_stack_counter(d->stack, "tcp", name);
    if (n == UINT64_MAX)
        fail_msg("tcp has no counter %s", name);
    return n;
}

uint64_t tcp_drops(struct dialogue *d, const char *reason)
{
    uint64_t n = tn_stack_drops(d->stack, "tcp", reason);
    if (n == UINT64_MAX)
        fail_msg("tcp has no drop reason %s", reason);
    return n;
}

/* ---- The user ---- */

static struct sockaddr_in address(const uint8_t *addr, uint16_t port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    memcpy(&sa.sin_addr, addr, 4);
    return sa;
}

void user_listens(struct dialogue *d)
{
    d->listener = tn_socket(d->stack, AF_INET, SOCK_STREAM, 0);
    assert_true(d->listener >= 0);
    struct sockaddr_in sa = address((const uint8_t[4]){0}, d->port);
    assert_int_equal(tn_bind(d->stack, d->listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(tn_listen(d->stack, d->listener, 5), 0);
}

void user_accepts(struct dialogue *d)
{
    d->fd = tn_accept(d->stack, d->listener, NULL, NULL);
    if (d->fd < 0)
        fail_msg("accept: %s", strerror(-d->fd));
}

void user_connects(struct dialogue *d)
{
    d->port = 0; /* learnt from the SYN */
    d->peer_port = 80;
    d->fd = tn_socket(d->stack, AF_INET, SOCK_STREAM, 0);
    assert_true(d->fd >= 0);
    struct sockaddr_in sa = address(d->other, d->peer_port);
    assert_int_equal(tn_connect(d->stack, d->fd, (struct sockaddr *)&sa, sizeof(sa)), -EINPROGRESS);
    tn_sim_settle(d->sim);
}

void user_sends(struct dialogue *d, size_t octets, int flags)
{
    uint8_t *bytes = malloc(octets + 1);
    for (size_t i = 0; i < octets; i++)
        bytes[i] = octet(1 + d->written + (uint32_t)i);
    ssize_t n = tn_send(d->stack, d->fd, bytes, octets, flags);
    free(bytes);
    assert_int_equal(n, octets);
    d->written += (uint32_t)octets;
    tn_sim_settle(d->sim);
}

void user_writes(struct dialogue *d, size_t octets)
{
    user_sends(d, octets, 0);
}

void user_reads(struct dialogue *d, size_t octets)
{
    uint8_t *bytes = malloc(octets + 1);
    size_t got = 0;
    ssize_t n = 0;
    while (got < octets && (n = tn_recv(d->stack, d->fd, bytes + got, octets - got, 0)) > 0)
        got += (size_t)n;
    if (got < octets)
        fail_msg("expected to read %zu octets, got %zu and then %zd", octets, got, n);
    for (size_t i = 0; i < octets; i++)
        if (bytes[i] != octet(1 + d->read + (uint32_t)i))
            fail_msg("octet %zu read is %02x", d->read + i, bytes[i]);
    free(bytes);
    d->read += (uint32_t)octets;
    tn_sim_settle(d->sim);
}

void user_reads_nothing(struct dialogue *d, int result)
{
    uint8_t byte;
    assert_int_equal(tn_recv(d->stack, d->fd, &byte, 1, 0), result);
}

void user_shuts_down(struct dialogue *d)
{
    assert_int_equal(tn_shutdown(d->stack, d->fd, SHUT_WR), 0);
    tn_sim_settle(d->sim);
}

void user_closes(struct dialogue *d)
{
    assert_int_equal(tn_close(d->stack, d->fd), 0);
    d->fd = -1;
    tn_sim_settle(d->sim);
}

int user_error(struct dialogue *d)
{
    int error;
    socklen_t len = sizeof(error);
    assert_int_equal(tn_getsockopt(d->stack, d->fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
    return error;
}

void user_sets(struct dialogue *d, int level, int name, int value)
{
    assert_int_equal(tn_setsockopt(d->stack, d->fd, level, name, &value, sizeof(value)), 0);
    tn_sim_settle(d->sim);
}

/* ---- Beginning and end ---- */

void dialogue_start(struct dialogue *d, const char *tcp)
{
    char yaml[1024];
    struct tn_error error;
    *d = (struct dialogue){
        .sim = tn_sim_create(1),
        .listener = -1,
        .fd = -1,
        .port = 7,
        .peer_port = 40000,
        .isn = 5000,
        .window = 65535,
        .own = {10, 0, 7, 7},
        .other = {10, 0, 7, 1},
    };
    tn_sim_plugin_path(d->sim, TN_TEST_PLUGIN_DIR);
    snprintf(yaml, sizeof(yaml),
             "stack: { name: dialogue }\n"
             "interfaces:\n"
             "  h0: { driver: host, mode: ip, addresses: [10.0.7.7/24], routes: [{ to: default, via: "
             "10.0.7.1 }] }\n"
             "protocols: { rawip: {}, ipv4: {}, icmp: {}, tcp: %s }\n",
             tcp);
    if (tn_sim_add(d->sim, yaml, &d->stack, &error) < 0)
        fail_msg("%s", error.text);
    tn_sim_settle(d->sim);
    tn_stack_usage(d->stack, &d->start);
}

void dialogue_stop(struct dialogue *d)
{
    if (d->fd >= 0)
        tn_close(d->stack, d->fd);
    if (d->listener >= 0)
        tn_close(d->stack, d->listener);
    for (int minute = 0; minute < 30; minute++) { /* longer than any timeout */
        tn_sim_run(d->sim, 60 * TN_SEC);
        (void)stack_said(d);
    }
    struct tn_usage end;
    tn_stack_usage(d->stack, &end);
    assert_int_equal(end.packets, d->start.packets);
    assert_int_equal(end.buffers, d->start.buffers);
    assert_int_equal(end.sockets, d->start.sockets);
    assert_int_equal(end.timers, d->start.timers);
    assert_int_equal(end.plugin_bytes, d->start.plugin_bytes);
    tn_sim_destroy(d->sim);
}

void established(struct dialogue *d, const char *tcp, const char *options)
{
    char text[300];
    dialogue_start(d, tcp);
    user_listens(d);
    snprintf(text, sizeof(text), "S 0 <%s>", options);
    peer(d, text);
    stack(d, "S. 0 ack 1");
    peer(d, ". 1 ack 1");
    stack_silent(d);
    user_accepts(d);
    assert_string_equal(stack_state(d), "ESTABLISHED");
}

void connected(struct dialogue *d, const char *tcp, const char *options)
{
    char text[300];
    dialogue_start(d, tcp);
    user_connects(d);
    stack(d, "S 0");
    snprintf(text, sizeof(text), "S. 0 ack 1 <%s>", options);
    peer(d, text);
    stack(d, ". 1 ack 1");
    assert_string_equal(stack_state(d), "ESTABLISHED");
}
