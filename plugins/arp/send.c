/* send.c: packets to the link. */
#include "arp.h"

const uint8_t arp_no_lladdr[ARP_LLADDR_LEN];

void arp_send(struct tn_self *self, struct tn_interface *ifc, enum tn_arp_op op, const uint8_t *to,
              const uint8_t *sender, const uint8_t *target_lladdr, const uint8_t *target)
{
    struct tn_packet *packet = self->core->packet_new(self, sizeof(struct tn_arp_packet));
    if (!packet)
        return; /* counted by the pool; the question will be asked again */
    struct tn_arp_packet *arp = (struct tn_arp_packet *)(void *)packet->data;
    arp->hardware = tn_to_be16(TN_ARP_HARDWARE_ETHERNET);
    arp->protocol = tn_to_be16(TN_ETHERTYPE_IPV4);
    arp->hardware_len = ARP_LLADDR_LEN;
    arp->protocol_len = TN_IPV4_ADDR_LEN;
    arp->op = tn_to_be16((uint16_t)op);
    memcpy(arp->sender_lladdr, ifc->lladdr, ARP_LLADDR_LEN);
    memcpy(arp->sender, sender, TN_IPV4_ADDR_LEN);
    memcpy(arp->target_lladdr, target_lladdr, ARP_LLADDR_LEN);
    memcpy(arp->target, target, TN_IPV4_ADDR_LEN);
    packet->network = tn_packet_offset(packet);
    /* RFC 3927 §2.5: so that two stations with the same link-local address soon notice. */
    bool everybody = tn_ipv4_is_link_local(sender);
    self->core->frame_output(self, ifc, packet, everybody ? ifc->broadcast : to, TN_ETHERTYPE_ARP);
}

void arp_send_probe(struct tn_self *self, struct tn_interface *ifc, const struct tn_addr *addr)
{
    static const uint8_t nobody[TN_IPV4_ADDR_LEN] = {0};
    tn_count(self, ARP_LOOKS_OUT);
    arp_send(self, ifc, TN_ARP_REQUEST, ifc->broadcast, nobody, arp_no_lladdr, addr->bytes);
}

void arp_send_announcement(struct tn_self *self, struct tn_interface *ifc, const struct tn_addr *addr)
{
    tn_count(self, ARP_ANNOUNCEMENTS_OUT);
    arp_send(self, ifc, TN_ARP_REQUEST, ifc->broadcast, addr->bytes, arp_no_lladdr, addr->bytes);
}
