/* message.c: what all that send messages share. */
#include "icmp.h"

void icmp_set_checksum(struct tn_packet *packet)
{
    struct tn_icmp_header *header = (struct tn_icmp_header *)(void *)packet->data;
    header->checksum = (be16){{0, 0}};
    uint16_t sum = tn_sum_finish(tn_sum_add(0, packet->data, packet->len));
    memcpy(&header->checksum, &sum, sizeof(sum));
    packet->checksum = TN_CHECKSUM_UNKNOWN;
}

void icmp_send_answer(struct tn_self *self, struct tn_packet *packet)
{
    struct tn_path path = {0};
    if (self->core->path_find(self, AF_INET, packet->vrf, &packet->src, &packet->dst, &path) < 0) {
        tn_drop(self, packet, ICMP_DROP_NO_PATH);
        return;
    }
    (void)self->core->network_output(self, packet, &path);
}
