/* header.c: what stands in the header of a packet that is sent, and what its addresses mean. */
#include "ipv4.h"

enum tn_addr_class ipv4_classify(struct tn_self *self, const struct tn_addr *addr)
{
    const uint8_t *a = addr->bytes;
    switch (a[0]) {
    case 0: /* "this network": only 0.0.0.0 means something */
        return a[1] | a[2] | a[3] ? TN_ADDR_INVALID : TN_ADDR_UNSPECIFIED;
    case 127:
        return TN_ADDR_LOOPBACK;
    case 255:
        if ((a[1] & a[2] & a[3]) == 255)
            return TN_ADDR_BROADCAST;
        break;
    default:
        break;
    }
    if (a[0] < 224)
        return TN_ADDR_UNICAST;
    return a[0] < 240 ? TN_ADDR_MULTICAST : TN_ADDR_INVALID;
}

bool ipv4_link_local(struct tn_self *self, const struct tn_addr *addr)
{
    return tn_ipv4_is_link_local(addr->bytes);
}

tn_sum ipv4_long_header_sum(const struct tn_ipv4_header *header, size_t len)
{
    return tn_sum_add(0, header, len);
}

void ipv4_set_checksum(struct tn_ipv4_header *header, size_t len)
{
    header->checksum = (be16){{0, 0}};
    uint16_t sum = tn_sum_finish(ipv4_header_sum(header, len));
    memcpy(&header->checksum, &sum, sizeof(sum));
}

/* RFC 2113. */
tn_sum ipv4_put_router_alert(uint8_t *at)
{
    static const uint8_t option[IPV4_ROUTER_ALERT_LEN] = {TN_IPV4_OPTION_ROUTER_ALERT, 4, 0, 0};
    memcpy(at, option, sizeof(option));
    return tn_sum_load32(option);
}

uint16_t ipv4_next_id(struct tn_self *self, const struct tn_packet *packet)
{
    uint8_t key[2 * TN_IPV4_ADDR_LEN + 1];
    memcpy(key, packet->src.bytes, TN_IPV4_ADDR_LEN);
    memcpy(key + TN_IPV4_ADDR_LEN, packet->dst.bytes, TN_IPV4_ADDR_LEN);
    key[2 * TN_IPV4_ADDR_LEN] = packet->protocol;
    return ipv4_state(self)->ids[self->core->keyed_hash(self, key, sizeof(key)) % IPV4_IDS]++;
}

void ipv4_fix_segment(struct tn_self *self, struct tn_packet *segment, uint32_t index)
{
    struct tn_ipv4_header *header = (struct tn_ipv4_header *)(void *)segment->data;
    header->total_len = tn_to_be16((uint16_t)segment->total);
    if (!(tn_be16(header->fragment) & TN_IPV4_DF)) /* RFC 6864 §4.1: the others' means nothing */
        header->id = tn_to_be16((uint16_t)(tn_be16(header->id) + index));
    ipv4_set_checksum(header, tn_ipv4_header_len(header));
}
