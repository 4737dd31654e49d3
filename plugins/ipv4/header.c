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

/* RFC 1112 §6.1: multicasts stay on the link unless their sender says otherwise. */
static uint8_t ipv4_ttl(struct tn_self *self, const struct tn_packet *packet)
{
    if (packet->ttl)
        return packet->ttl;
    return tn_ipv4_is_multicast(packet->dst.bytes) ? 1 : (uint8_t)ipv4_options(self)->ttl;
}

/* Puts one of the five words of 32 bits that a header is made of, and adds it to the sum. */
static void ipv4_put_word(uint8_t *at, uint32_t word, tn_sum *sum)
{
    memcpy(at, &word, sizeof(word));
    *sum += word;
}

/* RFC 2113. */
TN_RARE static void ipv4_put_router_alert(uint8_t *at, tn_sum *sum)
{
    ipv4_put_word(at, tn_swap32((uint32_t)TN_IPV4_OPTION_ROUTER_ALERT << 24 | IPV4_ROUTER_ALERT_LEN << 16),
                  sum);
}

/* The sum is that of words which are at hand: reading the header again, in other pieces than it was just written in, would take
 * longer than all of this. */
void ipv4_push_header(struct tn_self *self, struct tn_packet *packet, uint16_t id, uint16_t fragment)
{
    size_t len = ipv4_header_len_out(packet);
    uint8_t *at = tn_packet_push(packet, len);
    tn_sum sum = 0;
    if (tn_unlikely(len > sizeof(struct tn_ipv4_header)))
        ipv4_put_router_alert(at + sizeof(struct tn_ipv4_header), &sum);
    ipv4_put_word(
        at,
        tn_swap32(4u << 28 | (uint32_t)len / 4 << 24 | (uint32_t)packet->tos << 16 | (uint16_t)packet->total),
        &sum);
    ipv4_put_word(at + 4, tn_swap32((uint32_t)id << 16 | fragment), &sum);
    ipv4_put_word(at + 8,
                  tn_swap32((uint32_t)ipv4_ttl(self, packet) << 24 | (uint32_t)packet->protocol << 16), &sum);
    ipv4_put_word(at + 12, tn_sum_load32(packet->src.bytes), &sum);
    ipv4_put_word(at + 16, tn_sum_load32(packet->dst.bytes), &sum);
    uint16_t check = tn_sum_finish(sum);
    memcpy(at + offsetof(struct tn_ipv4_header, checksum), &check, sizeof(check));
    packet->network = tn_packet_offset(packet);
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
