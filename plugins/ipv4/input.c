/* input.c: a packet from the link, checked and handed to its transport (RFC 1122 §3.2.1, §3.2.1.3, §3.3.6).
 */
#include "ipv4.h"
#include "tenon/proto/igmp.h"

/* 224.0.0.1, which every host is in (RFC 1112 §4). */
static const uint8_t ipv4_all_hosts[] = {224, 0, 0, 1};

/* ---- The header ---- */

/* Version and length of a header that is not the usual one. */
TN_RARE static int ipv4_check_unusual(const struct tn_ipv4_header *header, size_t packet_len)
{
    size_t len = tn_ipv4_header_len(header);
    if (tn_ipv4_version(header) != 4)
        return IPV4_DROP_BAD_VERSION;
    return len < sizeof(*header) || len > packet_len ? IPV4_DROP_BAD_HEADER_LENGTH : IPV4_OK;
}

/* Checks the header, cuts off what the link padded, and notes in the packet what it says. */
static int ipv4_check_header(struct tn_packet *packet)
{
    struct tn_cursor c = tn_packet_cursor(packet);
    const struct tn_ipv4_header *header = tn_read_header(&c, struct tn_ipv4_header);
    if (!header)
        return IPV4_DROP_TRUNCATED;
    if (tn_unlikely(header->version_ihl != TN_IPV4_PLAIN)) {
        int drop = ipv4_check_unusual(header, packet->len);
        if (drop != IPV4_OK)
            return drop;
    }
    size_t len = tn_ipv4_header_len(header);
    size_t total = tn_be16(header->total_len);
    if (total < len || total > packet->len)
        return IPV4_DROP_BAD_LENGTH;
    if (tn_sum_finish(ipv4_header_sum(header, len)) != 0)
        return IPV4_DROP_BAD_CHECKSUM;

    tn_packet_trim(packet, total);
    packet->family = AF_INET;
    packet->protocol = header->protocol;
    packet->ttl = header->ttl;
    packet->tos = header->tos;
    packet->src = tn_addr_from4(header->src);
    packet->dst = tn_addr_from4(header->dst);
    return IPV4_OK;
}

/* ---- Addresses ---- */

static int ipv4_check_unicast(struct tn_self *self, struct tn_packet *packet, const struct tn_interface *ifc)
{
    switch (self->core->address_kind(self, AF_INET, ifc, &packet->dst, &packet->vrf)) {
    case TN_LOCAL_UNICAST:
        /* RFC 1122 §3.3.6: a link broadcast must be a network broadcast too. */
        if (packet->flags & (TN_PKT_LINK_BROADCAST | TN_PKT_LINK_MULTICAST))
            return IPV4_DROP_LINK_BROADCAST;
        return IPV4_OK;
    case TN_LOCAL_BROADCAST:
        packet->flags |= TN_PKT_BROADCAST;
        tn_count(self, IPV4_BROADCASTS_IN);
        return IPV4_OK;
    case TN_LOCAL_MULTICAST:
    case TN_LOCAL_NONE:
        break;
    }
    return IPV4_DROP_NOT_FOR_US;
}

/* What is sent to everybody belongs to the VRF of the interface's first address. */
static void ipv4_set_vrf(struct tn_self *self, struct tn_packet *packet, const struct tn_interface *ifc)
{
    struct tn_addr own;
    if (self->core->address_of(self, AF_INET, ifc, NULL, &own))
        (void)self->core->address_kind(self, AF_INET, ifc, &own, &packet->vrf);
}

static int ipv4_check_destination(struct tn_self *self, struct tn_packet *packet,
                                  const struct tn_interface *ifc)
{
    packet->vrf = 0;
    switch (ipv4_classify(self, &packet->dst)) {
    case TN_ADDR_UNICAST:
        return ipv4_check_unicast(self, packet, ifc);
    case TN_ADDR_BROADCAST:
        packet->flags |= TN_PKT_BROADCAST;
        tn_count(self, IPV4_BROADCASTS_IN);
        ipv4_set_vrf(self, packet, ifc);
        return IPV4_OK;
    case TN_ADDR_MULTICAST:
        if (memcmp(packet->dst.bytes, ipv4_all_hosts, sizeof(ipv4_all_hosts)) != 0 &&
            self->core->address_kind(self, AF_INET, ifc, &packet->dst, NULL) != TN_LOCAL_MULTICAST)
            return IPV4_DROP_NOT_JOINED;
        packet->flags |= TN_PKT_MULTICAST;
        tn_count(self, IPV4_MULTICASTS_IN);
        ipv4_set_vrf(self, packet, ifc);
        return IPV4_OK;
    case TN_ADDR_LOOPBACK: /* RFC 1122 §3.2.1.3 (g): never from outside */
        if (packet->flags & TN_PKT_LOOPED)
            return IPV4_OK;
        break;
    case TN_ADDR_UNSPECIFIED:
    case TN_ADDR_INVALID:
        break;
    }
    return IPV4_DROP_BAD_DESTINATION;
}

/* RFC 1122 §3.2.1.3: a source is one host; and what comes from outside was not sent by us. */
static int ipv4_check_source(struct tn_self *self, const struct tn_packet *packet)
{
    bool looped = packet->flags & TN_PKT_LOOPED;
    enum tn_addr_class class = ipv4_classify(self, &packet->src);
    if (class == TN_ADDR_LOOPBACK && looped)
        return IPV4_OK;
    /* RFC 3376 §4.2.13, RFC 4541 §2.1.1: switches that ask for groups have no address. */
    if (class == TN_ADDR_UNSPECIFIED && packet->protocol == TN_IPPROTO_IGMP &&
        (packet->flags & TN_PKT_MULTICAST))
        return IPV4_OK;
    if (class != TN_ADDR_UNICAST)
        return IPV4_DROP_BAD_SOURCE;
    uint16_t vrf = 0;
    switch (self->core->address_kind(self, AF_INET, NULL, &packet->src, &vrf)) {
    case TN_LOCAL_UNICAST: /* an address in another VRF may well reach us from outside */
        return looped || vrf != packet->vrf ? IPV4_OK : IPV4_DROP_OWN_SOURCE;
    case TN_LOCAL_BROADCAST:
        return vrf == packet->vrf ? IPV4_DROP_BAD_SOURCE : IPV4_OK;
    case TN_LOCAL_MULTICAST:
    case TN_LOCAL_NONE:
        break;
    }
    return IPV4_OK;
}

/* ---- Addresses that passed lately ----
 *
 * Most packets come from and go to the same few addresses, and what those are changes only when an address of this stack does:
 * then all is forgotten. Remembered is who sent to an address of this stack, and nothing that a flag had a say in. A stranger
 * with many addresses can make this useless, but then there are still the checks. */

static struct ipv4_recent *ipv4_recent_place(struct tn_self *self, const struct tn_packet *packet,
                                             uint64_t *pair)
{
    static_assert(offsetof(struct tn_ipv4_header, dst) == offsetof(struct tn_ipv4_header, src) + 4,
                  "one word holds both");
    static_assert(IPV4_RECENT_MAX == 256, "eight bits of the product");
    memcpy(pair, packet->data + offsetof(struct tn_ipv4_header, src), sizeof(*pair));
    return &ipv4_state(self)->recent[(*pair ^ packet->ifindex) * 0x9e3779b97f4a7c15u >> 56];
}

/* Whether the packet's addresses passed before; its VRF is set then. */
static bool ipv4_passed_before(struct tn_self *self, struct tn_packet *packet)
{
    uint64_t pair;
    const struct ipv4_recent *recent = ipv4_recent_place(self, packet, &pair);
    packet->vrf = recent->vrf;
    return recent->pair == pair && recent->ifindex == packet->ifindex && packet->flags == 0;
}

static void ipv4_remember(struct tn_self *self, const struct tn_packet *packet)
{
    uint64_t pair;
    struct ipv4_recent *recent = ipv4_recent_place(self, packet, &pair);
    if (packet->flags == 0)
        *recent = (struct ipv4_recent){.pair = pair, .ifindex = packet->ifindex, .vrf = packet->vrf};
}

void ipv4_forget_recent(struct tn_self *self, struct tn_interface *ifc, uint8_t family)
{
    memset(ipv4_state(self)->recent, 0, sizeof(ipv4_state(self)->recent));
}

/* ---- Options ---- */

/* RFC 1122 §3.2.1.8: options that mean nothing here are passed over, wrong ones refused. Source routes are
 * refused too: nobody uses them but to get where he should not (RFC 7126 §4.3). */
static int ipv4_check_options(struct tn_self *self, const struct tn_packet *packet, size_t header_len)
{
    tn_count(self, IPV4_OPTIONS_IN);
    struct tn_cursor c = tn_cursor(packet->data, header_len);
    tn_skip(&c, sizeof(struct tn_ipv4_header));
    while (tn_left(&c) > 0) {
        size_t at = header_len - tn_left(&c);
        uint8_t type = tn_read8(&c);
        if (type == TN_IPV4_OPTION_END)
            break;
        if (type == TN_IPV4_OPTION_NOP)
            continue;
        if (type == TN_IPV4_OPTION_LOOSE_ROUTE || type == TN_IPV4_OPTION_STRICT_ROUTE)
            return IPV4_DROP_SOURCE_ROUTE;
        uint8_t len = tn_read8(&c);
        if (!c.failed && len >= 2)
            tn_skip(&c, len - 2u);
        if (c.failed || len < 2) {
            self->core->reject(self, packet, TN_REJECT_PARAMETER, (uint32_t)at);
            return IPV4_DROP_BAD_OPTION;
        }
    }
    return IPV4_OK;
}

/* ---- The way up ---- */

TN_RARE static void ipv4_refuse_protocol(struct tn_self *self, struct tn_packet *packet)
{
    self->core->reject(self, packet, TN_REJECT_PROTOCOL, 0);
    tn_drop(self, packet, IPV4_DROP_NO_PROTOCOL);
}

/* A whole datagram, header (of `header_len` bytes) first, that passed all checks: to its transport. */
static void ipv4_deliver(struct tn_self *self, struct tn_packet *packet, size_t header_len)
{
    tn_packet_pull(packet, header_len);
    packet->transport = tn_packet_offset(packet);
    if (tn_likely(self->core->dispatch(self, TN_TABLE_IPPROTO, packet->protocol, packet)))
        tn_count(self, IPV4_DELIVERED);
    else
        ipv4_refuse_protocol(self, packet);
}

/* The addresses. *forward: it is for somebody else, to whom it is to be passed on. */
static int ipv4_check_addresses(struct tn_self *self, struct tn_packet *packet, bool *forward)
{
    const struct tn_interface *ifc = self->core->interface(self, packet->ifindex);
    int drop = ipv4_check_destination(self, packet, ifc);
    *forward = drop == IPV4_DROP_NOT_FOR_US && ipv4_options(self)->forward;
    if (*forward) {
        ipv4_set_vrf(self, packet, ifc);
        drop = IPV4_OK;
    }
    if (drop == IPV4_OK)
        drop = ipv4_check_source(self, packet);
    if (drop == IPV4_OK && !*forward)
        ipv4_remember(self, packet);
    return drop;
}

/* A packet with a good header that needs a closer look: new addresses, options, a fragment. */
TN_APART static void ipv4_input_closely(struct tn_self *self, struct tn_packet *packet)
{
    const struct tn_ipv4_header *header = (const struct tn_ipv4_header *)(const void *)packet->data;
    bool forward = false;
    int drop = ipv4_check_addresses(self, packet, &forward);
    size_t len = tn_ipv4_header_len(header);
    if (drop == IPV4_OK && len > sizeof(*header))
        drop = ipv4_check_options(self, packet, len);
    if (drop != IPV4_OK) {
        tn_drop(self, packet, (unsigned)drop);
        return;
    }
    if (forward && ipv4_forward(self, packet))
        return;
    header = (const struct tn_ipv4_header *)(const void *)packet->data;
    if (tn_be16(header->fragment) & (TN_IPV4_MF | TN_IPV4_OFFSET)) {
        packet = ipv4_reassemble(self, packet);
        if (!packet)
            return;
    }
    header = (const struct tn_ipv4_header *)(const void *)packet->data;
    ipv4_deliver(self, packet, tn_ipv4_header_len(header));
}

/* Neither options nor a fragment. */
static bool ipv4_is_plain(const struct tn_packet *packet)
{
    const struct tn_ipv4_header *header = (const struct tn_ipv4_header *)(const void *)packet->data;
    return header->version_ihl == TN_IPV4_PLAIN &&
           !(tn_be16(header->fragment) & (TN_IPV4_MF | TN_IPV4_OFFSET));
}

void ipv4_input(struct tn_self *self, struct tn_packet *packet)
{
    tn_count(self, IPV4_PACKETS_IN);
    packet->network = tn_packet_offset(packet);
    int drop = ipv4_check_header(packet);
    if (tn_unlikely(drop != IPV4_OK))
        tn_drop(self, packet, (unsigned)drop);
    else if (tn_likely(ipv4_is_plain(packet) && ipv4_passed_before(self, packet)))
        ipv4_deliver(self, packet, sizeof(struct tn_ipv4_header));
    else
        ipv4_input_closely(self, packet);
}
