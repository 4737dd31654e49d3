/* segment_wire.c: segments as bytes. */
#include <netinet/in.h>

#include "segment.h"

#define IP_HEADER  20
#define TCP_HEADER 20

#define UTO_MINUTES 0x8000u /* RFC 5482 §3.3: the bit G */

uint8_t segment_octet(uint32_t n)
{
    return (uint8_t)(n * 31 + (n >> 8) * 7 + (n >> 16));
}

/* ---- Checksums ---- */

static uint32_t add(uint32_t sum, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* With the pseudo-header of the IPv4 header at `ip`; 0 if the segment carries the right sum. */
static uint16_t tcp_sum(const uint8_t *ip, const uint8_t *segment, size_t len)
{
    return fold(add(add(0, ip + 12, 8) + IPPROTO_TCP + (uint32_t)len, segment, len));
}

/* ---- Options ---- */

static size_t put_option(const struct segment_ends *ends, const struct segment_option *o, uint8_t *out)
{
    static const uint8_t lengths[] = {
        [OPTION_MSS] = 4, [OPTION_WSCALE] = 3, [OPTION_SACK_OK] = 2, [OPTION_TS] = 10, [OPTION_UTO] = 4};
    if (o->kind == OPTION_RAW) {
        memcpy(out, o->raw, o->count);
        return o->count;
    }
    if (o->kind == OPTION_UTO_MINUTES) {
        tn_store32(out, OPTION_UTO << 24 | 4 << 16 | UTO_MINUTES | o->value[0]);
        return 4;
    }
    out[0] = (uint8_t)o->kind;
    if (o->kind <= OPTION_NOP)
        return 1;
    out[1] = o->kind == OPTION_SACK ? (uint8_t)(2 + o->count * 4) : lengths[o->kind];
    if (o->kind == OPTION_MSS || o->kind == OPTION_UTO)
        tn_store16(out + 2, (uint16_t)o->value[0]);
    else if (o->kind == OPTION_WSCALE)
        out[2] = (uint8_t)o->value[0];
    else
        for (size_t i = 0; i < o->count; i++)
            tn_store32(out + 2 + 4 * i, o->value[i] + (o->kind == OPTION_SACK ? ends->iss : 0));
    if (o->kind == OPTION_TS && o->count == 1)
        tn_store32(out + 6, 0);
    return out[1];
}

/* At most 40 octets, padded with zeros; what does not fit is left out. */
static size_t put_options(const struct segment_ends *ends, const struct segment *s, uint8_t *out)
{
    uint8_t one[64];
    size_t n = 0;
    for (size_t i = 0; i < s->option_count; i++) {
        size_t len = put_option(ends, &s->options[i], one);
        if (n + len > 40)
            break;
        memcpy(out + n, one, len);
        n += len;
    }
    while (n % 4)
        out[n++] = 0;
    return n;
}

/* The value fields of the option at `in`, whose length is right for its kind. */
static void get_values(const struct segment_ends *ends, const uint8_t *in, struct segment_option *o)
{
    if (o->kind == OPTION_UTO && tn_load16(in + 2) & UTO_MINUTES) {
        o->kind = OPTION_UTO_MINUTES;
        o->value[0] = tn_load16(in + 2) & ~UTO_MINUTES;
        o->count = 1;
        return;
    }
    if (o->kind == OPTION_MSS || o->kind == OPTION_WSCALE || o->kind == OPTION_UTO) {
        o->value[0] = o->kind == OPTION_WSCALE ? in[2] : tn_load16(in + 2);
        o->count = 1;
        return;
    }
    for (size_t i = 2; i + 4 <= in[1]; i += 4)
        o->value[o->count++] = tn_load32(in + i) - (o->kind == OPTION_SACK ? ends->isn : 0);
}

static bool length_is_right(uint8_t kind, uint8_t len)
{
    switch (kind) {
    case OPTION_MSS:
    case OPTION_UTO:
        return len == 4;
    case OPTION_WSCALE:
        return len == 3;
    case OPTION_SACK_OK:
        return len == 2;
    case OPTION_TS:
        return len == 10;
    case OPTION_SACK:
        return len % 8 == 2 && len <= 34;
    default:
        return false;
    }
}

/* RFC 9293 §3.1: every option but NOP and EOL has a length, which fits; zeros follow EOL. */
static const char *get_options(const struct segment_ends *ends, const uint8_t *in, size_t len,
                               struct segment *s)
{
    for (size_t i = 0; i < len;) {
        struct segment_option *o = &s->options[s->option_count++];
        memset(o, 0, sizeof(*o));
        o->kind = in[i];
        if (in[i] == OPTION_EOL) {
            for (; i < len; i++)
                if (in[i])
                    return "what follows the end of the options is not zero";
        } else if (in[i] == OPTION_NOP) {
            i++;
        } else {
            if (i + 1 >= len || in[i + 1] < 2 || i + in[i + 1] > len)
                return "an option's length is wrong";
            if (length_is_right(in[i], in[i + 1])) {
                get_values(ends, in + i, o);
            } else {
                o->kind = OPTION_RAW;
                o->count = in[i + 1];
                memcpy(o->raw, in + i, o->count);
            }
            i += in[i + 1];
        }
    }
    return NULL;
}

/* ---- Building ---- */

/* Returns the header's length; `len` is that of what follows. */
static size_t put_ip(const struct segment_ends *ends, const struct segment *s, uint8_t protocol, uint8_t *p)
{
    size_t header = IP_HEADER + (size_t)s->ip_options_len;
    memset(p, 0, IP_HEADER);
    p[0] = (uint8_t)(0x40 | header / 4);
    p[1] = s->tos;
    p[6] = 0x40; /* DF */
    p[8] = s->has & HAS_TTL ? s->ttl : 64;
    p[9] = protocol;
    memcpy(p + 12, &ends->other, 4);
    memcpy(p + 16, &ends->own, 4);
    memcpy(p + IP_HEADER, s->ip_options, s->ip_options_len);
    return header;
}

static size_t finish_ip(uint8_t *p, size_t header, size_t len)
{
    tn_store16(p + 2, (uint16_t)(header + len));
    tn_store16(p + 10, fold(add(0, p, header)));
    return header + len;
}

size_t segment_build(const struct segment_ends *ends, const struct segment *s, uint8_t *packet)
{
    size_t ip = put_ip(ends, s, IPPROTO_TCP, packet);
    uint8_t *p = packet + ip;
    memset(p, 0, TCP_HEADER);
    size_t header = TCP_HEADER + put_options(ends, s, p + TCP_HEADER);
    tn_store16(p, ends->peer_port);
    tn_store16(p + 2, ends->own_port);
    tn_store32(p + 4, s->seq + ends->isn);
    tn_store32(p + 8, s->has & HAS_ACK ? s->ack + ends->iss : 0);
    p[12] = (uint8_t)((s->harm == HARM_OFFSET ? s->harm_value : header / 4) << 4);
    p[13] = s->flags;
    tn_store16(p + 14, s->win);
    tn_store16(p + 18, s->urg);
    for (uint32_t i = 0; i < s->len; i++) /* data follows the SYN */
        p[header + i] = segment_octet(s->seq + (s->flags & SEGMENT_SYN ? 1 : 0) + i);
    size_t len = s->harm == HARM_SHORT ? TCP_HEADER - 1 : header + s->len;
    tn_store16(p + 16, tcp_sum(packet, p, len));
    if (s->harm == HARM_CHECKSUM)
        p[17] ^= 0x10;
    return finish_ip(packet, ip, len);
}

size_t segment_build_icmp(const struct segment_ends *ends, uint8_t type, uint8_t code, uint16_t mtu,
                          const struct segment *s, uint8_t *packet)
{
    static const struct segment plain;
    size_t ip = put_ip(ends, &plain, IPPROTO_ICMP, packet), len = 8 + IP_HEADER + 8;
    uint8_t *message = packet + ip, *quote = message + 8;
    struct segment_ends reversed = {.own = ends->other, .other = ends->own};
    memset(message, 0, len);
    put_ip(&reversed, &plain, IPPROTO_TCP, quote);
    finish_ip(quote, IP_HEADER, TCP_HEADER + s->len);
    tn_store16(quote + 20, ends->own_port);
    tn_store16(quote + 22, ends->peer_port);
    tn_store32(quote + 24, s->seq + ends->iss);
    message[0] = type;
    message[1] = code;
    tn_store16(message + 6, mtu);
    tn_store16(message + 2, fold(add(0, message, len)));
    return finish_ip(packet, ip, len);
}

/* ---- Reading ---- */

static const char *check_ip(const uint8_t *p, size_t len)
{
    if (len < IP_HEADER + TCP_HEADER || p[0] != 0x45 || p[9] != IPPROTO_TCP)
        return "it is no TCP over IPv4 without options";
    if (tn_load16(p + 2) != len)
        return "its IP length is wrong";
    if (fold(add(0, p, IP_HEADER)) != 0)
        return "its IP checksum is wrong";
    if (tcp_sum(p, p + IP_HEADER, len - IP_HEADER) != 0)
        return "its TCP checksum is wrong";
    size_t header = (size_t)(p[IP_HEADER + 12] >> 4) * 4;
    return header < TCP_HEADER || IP_HEADER + header > len ? "its TCP data offset is wrong" : NULL;
}

/* Data follows the SYN. */
static const char *check_data(const struct segment *s, const uint8_t *data)
{
    uint32_t first = s->seq + (s->flags & SEGMENT_SYN ? 1 : 0);
    for (uint32_t i = 0; i < s->len; i++)
        if (data[i] != segment_octet(first + i))
            return "its data is not what was written";
    return NULL;
}

bool segment_is_of(const struct segment_ends *ends, const uint8_t *p, size_t len)
{
    if (len < IP_HEADER + TCP_HEADER)
        return false;
    uint16_t from = tn_load16(p + 20), to = tn_load16(p + 22);
    return !memcmp(p + 12, &ends->own, 4) && !memcmp(p + 16, &ends->other, 4) && to == ends->peer_port &&
           (from == ends->own_port || ends->own_port == 0);
}

const char *segment_read(struct segment_ends *ends, const uint8_t *packet, size_t len, struct segment *s)
{
    const uint8_t *p = packet + IP_HEADER;
    const char *wrong = check_ip(packet, len);
    memset(s, 0, sizeof(*s));
    if (wrong)
        return wrong;
    size_t header = (size_t)(p[12] >> 4) * 4;
    s->has = HAS_SEQ | HAS_ACK | HAS_WIN | HAS_URG | HAS_TTL | HAS_TOS | HAS_OPTIONS;
    s->flags = p[13];
    if (ends->own_port == 0)
        ends->own_port = tn_load16(p);
    if ((s->flags & SEGMENT_SYN) && !ends->iss_known) {
        ends->iss = tn_load32(p + 4);
        ends->iss_known = true;
    }
    s->seq = tn_load32(p + 4) - ends->iss;
    s->ack = tn_load32(p + 8) - (s->flags & SEGMENT_ACK ? ends->isn : 0);
    s->len = (uint32_t)(len - IP_HEADER - header);
    s->win = tn_load16(p + 14);
    s->urg = tn_load16(p + 18);
    s->ttl = packet[8];
    s->tos = packet[1];
    wrong = get_options(ends, p + TCP_HEADER, header - TCP_HEADER, s);
    return wrong ? wrong : check_data(s, p + header);
}
