/* redirect.c: redirects (RFC 792, RFC 1122 §3.2.2.2), where the configuration allows them.
 *
 * What is believed: the core sees to it that the sender is the gateway that the quoted packet's destination has, and that the better
 * one is a neighbour. All redirects are for one host: those for a network say nothing of its size. */
#include "icmp.h"

#define REDIRECT_CODES 4

static bool icmp_redirect_quote(const struct tn_packet *packet, struct tn_cursor *c, struct tn_addr *about)
{
    const struct tn_ipv4_header *quoted = tn_read_header(c, struct tn_ipv4_header);
    if (!quoted || tn_ipv4_version(quoted) != 4)
        return false;
    struct tn_addr src = tn_addr_from(quoted->src, TN_IPV4_ADDR_LEN);
    *about = tn_addr_from(quoted->dst, TN_IPV4_ADDR_LEN);
    return tn_addr_equal(&src, &packet->dst);
}

int icmp_redirect_input(struct tn_self *self, const struct tn_packet *packet)
{
    const struct icmp_options *options = icmp_options(self);
    struct tn_interface *ifc = self->core->interface(self, packet->ifindex);
    struct tn_cursor c = tn_packet_cursor(packet);
    const struct tn_icmp_header *header = tn_read_header(&c, struct tn_icmp_header);
    struct tn_addr about, via;
    if (!options->redirects)
        return ICMP_DROP_REDIRECT;
    if (packet->flags & (TN_PKT_BROADCAST | TN_PKT_MULTICAST))
        return ICMP_DROP_BROADCAST_ERROR;
    if (!header || !ifc || header->code >= REDIRECT_CODES)
        return ICMP_DROP_BAD_CODE;
    via = tn_addr_from((const uint8_t *)&header->rest, TN_IPV4_ADDR_LEN);
    if (!icmp_redirect_quote(packet, &c, &about))
        return ICMP_DROP_BAD_QUOTE;
    if (self->core->redirect(self, ifc, AF_INET, packet->vrf, &packet->src, &about, &via,
                             options->redirect_lifetime) < 0)
        return ICMP_DROP_REDIRECT;
    tn_count(self, ICMP_REDIRECTS_IN);
    return ICMP_OK;
}
