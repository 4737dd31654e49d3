/* report.c: error messages to the senders of packets that were refused (RFC 792, RFC 1122 §3.2.2, RFC 1812
 * §4.3.2). */
#include "icmp.h"

#define REPORT_MAX 576 /* RFC 1812 §4.3.2.3: the message, its IP header included */

/* The refused packet from its network header on. */
static struct tn_cursor icmp_refused(const struct tn_packet *packet)
{
    const uint8_t *start = packet->buffer->bytes + packet->network;
    const uint8_t *end = packet->data + packet->len;
    return tn_cursor(start, end > start ? (size_t)(end - start) : 0);
}

/* RFC 1122 §3.2.2: no error about a broadcast, about anything from no single host, about any but the first
 * fragment, and about an error. A type that is not known might be one. */
static bool icmp_may_report(struct tn_self *self, const struct tn_packet *packet)
{
    if (packet->flags & (TN_PKT_LINK_BROADCAST | TN_PKT_LINK_MULTICAST | TN_PKT_BROADCAST | TN_PKT_MULTICAST))
        return false;
    enum tn_addr_class source = self->core->address_class(self, AF_INET, &packet->src);
    if (source != TN_ADDR_UNICAST && source != TN_ADDR_LOOPBACK)
        return false;
    struct tn_cursor c = icmp_refused(packet);
    struct tn_cursor whole = c;
    const struct tn_ipv4_header *header = tn_read_header(&c, struct tn_ipv4_header);
    if (!header || tn_ipv4_fragment_offset(header) != 0)
        return false;
    if (header->protocol != TN_IPPROTO_ICMP)
        return true;
    tn_skip(&whole, tn_ipv4_header_len(header));
    uint8_t type = tn_read8(&whole);
    return !whole.failed && (type == TN_ICMP_ECHO || type == TN_ICMP_ECHO_REPLY ||
                             type == TN_ICMP_TIMESTAMP || type == TN_ICMP_TIMESTAMP_REPLY);
}

static struct tn_icmp_header icmp_error_header(enum tn_reject why, uint32_t info)
{
    struct tn_icmp_header h = {.type = TN_ICMP_UNREACHABLE};
    switch (why) {
    case TN_REJECT_PORT:
        h.code = TN_ICMP_PORT_UNREACHABLE;
        break;
    case TN_REJECT_PROTOCOL:
        h.code = TN_ICMP_PROTOCOL_UNREACHABLE;
        break;
    case TN_REJECT_NETWORK:
        h.code = TN_ICMP_NET_UNREACHABLE;
        break;
    case TN_REJECT_HOST:
        h.code = TN_ICMP_HOST_UNREACHABLE;
        break;
    case TN_REJECT_FRAGMENTATION:
        h.code = TN_ICMP_FRAGMENTATION_NEEDED;
        h.fragmentation.mtu = tn_to_be16((uint16_t)tn_min(info, UINT16_MAX));
        break;
    case TN_REJECT_TIME:
        h.type = TN_ICMP_TIME_EXCEEDED;
        h.code = info ? TN_ICMP_REASSEMBLY_TIME_EXCEEDED : TN_ICMP_TTL_EXCEEDED;
        break;
    case TN_REJECT_PARAMETER:
        h.type = TN_ICMP_PARAMETER_PROBLEM;
        h.parameter.pointer = (uint8_t)tn_min(info, UINT8_MAX);
        break;
    }
    return h;
}

static void icmp_send_error(struct tn_self *self, const struct tn_packet *about, struct tn_icmp_header header)
{
    struct tn_cursor c = icmp_refused(about);
    size_t quote_len = tn_min(tn_left(&c), REPORT_MAX - sizeof(struct tn_ipv4_header) - sizeof(header));
    struct tn_packet *packet = self->core->packet_new(self, sizeof(header) + quote_len);
    if (!packet)
        return;
    memcpy(packet->data, &header, sizeof(header));
    memcpy(packet->data + sizeof(header), c.at, quote_len);
    icmp_set_checksum(packet);
    packet->serial = about->serial;
    packet->family = AF_INET;
    packet->protocol = TN_IPPROTO_ICMP;
    packet->vrf = about->vrf;
    /* About a packet for somebody else (RFC 1812 §4.3.2.4): from the address that the route back chooses. */
    enum tn_addr_class meant = self->core->address_class(self, AF_INET, &about->dst);
    if (meant == TN_ADDR_LOOPBACK ||
        self->core->address_kind(self, AF_INET, NULL, &about->dst, NULL) == TN_LOCAL_UNICAST)
        packet->src = about->dst;
    packet->dst = about->src;
    tn_count(self, ICMP_ERRORS_OUT);
    icmp_send_answer(self, packet);
}

void icmp_report(struct tn_self *self, const struct tn_packet *packet, enum tn_reject why, uint32_t info)
{
    if (!icmp_may_report(self, packet)) {
        tn_count(self, ICMP_ERRORS_FORBIDDEN);
        return;
    }
    /* Packets within this stack cost nobody's bandwidth. */
    if (!(packet->flags & TN_PKT_LOOPED) && !icmp_may_tell(self, &packet->src)) {
        tn_count(self, ICMP_ERRORS_LIMITED);
        return;
    }
    icmp_send_error(self, packet, icmp_error_header(why, info));
}
