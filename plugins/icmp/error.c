/* error.c: error messages about packets that this stack sent (RFC 1122 §3.2.2, §4.2.3.9).
 *
 * An error is believed only as far as its quote goes: it must show a packet from the address to which the
 * message came. Whether such a packet was really sent is for the transport to judge, which knows its ports
 * and sequence numbers (RFC 5927). */
#include <errno.h>

#include "icmp.h"

/* What a code means to a socket. Hard: what is being opened is given up (RFC 1122 §4.2.3.9: codes 2 to 4, of
 * which 4 is path MTU discovery's). */
struct icmp_meaning {
    uint8_t error; /* errno */
    bool hard;
};

static int icmp_unreachable_meaning(uint8_t code, struct icmp_meaning *meaning)
{
    static const struct icmp_meaning meanings[] = {
        [TN_ICMP_NET_UNREACHABLE] = {ENETUNREACH, false},
        [TN_ICMP_HOST_UNREACHABLE] = {EHOSTUNREACH, false},
        [TN_ICMP_PROTOCOL_UNREACHABLE] = {ENOPROTOOPT, true},
        [TN_ICMP_PORT_UNREACHABLE] = {ECONNREFUSED, true},
        [TN_ICMP_FRAGMENTATION_NEEDED] = {EMSGSIZE, false},
        [TN_ICMP_SOURCE_ROUTE_FAILED] = {EOPNOTSUPP, false},
        [TN_ICMP_NET_UNKNOWN] = {ENETUNREACH, false},
        [TN_ICMP_HOST_UNKNOWN] = {EHOSTDOWN, false},
        [TN_ICMP_HOST_ISOLATED] = {ENONET, false},
        [TN_ICMP_NET_PROHIBITED] = {ENETUNREACH, false},
        [TN_ICMP_HOST_PROHIBITED] = {EHOSTUNREACH, false},
        [TN_ICMP_NET_UNREACHABLE_TOS] = {ENETUNREACH, false},
        [TN_ICMP_HOST_UNREACHABLE_TOS] = {EHOSTUNREACH, false},
        [TN_ICMP_ADMIN_PROHIBITED] = {EHOSTUNREACH, false},
        [TN_ICMP_PRECEDENCE_VIOLATION] = {EHOSTUNREACH, false},
        [TN_ICMP_PRECEDENCE_CUTOFF] = {EHOSTUNREACH, false},
    };
    if (code >= TN_ARRAY_SIZE(meanings))
        return -EINVAL;
    *meaning = meanings[code];
    return 0;
}

static int icmp_meaning_of(const struct tn_icmp_header *header, struct icmp_meaning *meaning)
{
    switch (header->type) {
    case TN_ICMP_UNREACHABLE:
        return icmp_unreachable_meaning(header->code, meaning);
    case TN_ICMP_TIME_EXCEEDED:
        *meaning = (struct icmp_meaning){EHOSTUNREACH, false};
        return header->code <= TN_ICMP_REASSEMBLY_TIME_EXCEEDED ? 0 : -EINVAL;
    default:
        *meaning = (struct icmp_meaning){EPROTO, false};
        return 0;
    }
}

/* RFC 1191 §5, §7: of routers that do not say what would fit, the next smaller size that is common. */
static uint32_t icmp_plateau_below(uint32_t total)
{
    static const uint16_t plateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296};
    for (size_t i = 0; i < TN_ARRAY_SIZE(plateaus); i++)
        if (plateaus[i] < total)
            return plateaus[i];
    return 68;
}

static void icmp_read_mtu(struct tn_self *self, const struct tn_icmp_header *header, uint32_t total,
                          struct tn_net_error *error)
{
    const struct icmp_options *options = icmp_options(self);
    error->mtu = tn_be16(header->fragmentation.mtu);
    if (error->mtu == 0)
        error->mtu = icmp_plateau_below(total);
    error->mtu_least = (uint32_t)options->path_mtu_least;
    error->mtu_lifetime = options->path_mtu_lifetime;
}

/* Reads the quoted packet: its addresses and protocol, and a cursor on its transport header. */
static int icmp_read_quote(struct tn_cursor *c, struct tn_net_error *error, uint32_t *quoted_total)
{
    const struct tn_ipv4_header *quoted = tn_read_header(c, struct tn_ipv4_header);
    if (!quoted || tn_ipv4_version(quoted) != 4)
        return ICMP_DROP_BAD_QUOTE;
    size_t len = tn_ipv4_header_len(quoted);
    size_t total = tn_be16(quoted->total_len);
    if (len < sizeof(*quoted) || total < len)
        return ICMP_DROP_BAD_QUOTE;
    tn_skip(c, len - sizeof(*quoted));
    /* RFC 792: 64 bits of the data at least; those of a later fragment name nobody. */
    size_t quoted_data = tn_min(tn_left(c), total - len);
    if (c->failed || quoted_data < 8 || tn_ipv4_fragment_offset(quoted) != 0)
        return ICMP_DROP_BAD_QUOTE;
    *quoted_total = (uint32_t)total;
    error->protocol = quoted->protocol;
    error->src = tn_addr_from(quoted->src, TN_IPV4_ADDR_LEN);
    error->dst = tn_addr_from(quoted->dst, TN_IPV4_ADDR_LEN);
    error->quote = tn_sub_cursor(c, quoted_data);
    return ICMP_OK;
}

int icmp_error_input(struct tn_self *self, const struct tn_packet *packet)
{
    struct tn_cursor c = tn_packet_cursor(packet);
    const struct tn_icmp_header *header = tn_read_header(&c, struct tn_icmp_header);
    if (!header)
        return ICMP_DROP_TRUNCATED;
    if (packet->flags & (TN_PKT_BROADCAST | TN_PKT_MULTICAST))
        return ICMP_DROP_BROADCAST_ERROR;
    struct icmp_meaning meaning;
    if (icmp_meaning_of(header, &meaning) < 0)
        return ICMP_DROP_BAD_CODE;
    struct tn_net_error error = {.family = AF_INET,
                                 .vrf = packet->vrf,
                                 .hard = meaning.hard,
                                 .error = meaning.error,
                                 .from = packet->src,
                                 .type = header->type,
                                 .code = header->code};
    uint32_t total;
    int drop = icmp_read_quote(&c, &error, &total);
    if (drop != ICMP_OK)
        return drop;
    if (!tn_addr_equal(&error.src, &packet->dst))
        return ICMP_DROP_NOT_OURS;
    if (meaning.error == EMSGSIZE)
        icmp_read_mtu(self, header, total, &error);
    tn_count(self, ICMP_ERRORS_IN);
    self->core->net_error(self, &error);
    return ICMP_OK;
}
