/* report.c: what is sent (RFC 3376 §4.2, §4.2.14; RFC 2236 §2; RFC 1112). Time to live 1, router alert. */
#include "igmp.h"

/* Bytes of a report: what is left of the smallest MTU that multicast is used on. */
#define REPORT_MAX 1400

static const uint8_t igmp_v3_routers[] = {224, 0, 0, 22};
static const uint8_t igmp_all_routers[] = {224, 0, 0, 2};

static void igmp_send(struct tn_self *self, uint16_t ifindex, struct tn_packet *packet, const uint8_t *dst)
{
    struct tn_interface *ifc = self->core->interface(self, ifindex);
    struct tn_igmp_header *header = (struct tn_igmp_header *)(void *)packet->data;
    struct tn_path path;
    header->checksum = (be16){{0, 0}};
    uint16_t sum = tn_sum_finish(tn_sum_add(0, packet->data, packet->len));
    memcpy(&header->checksum, &sum, sizeof(sum));
    if (!ifc || self->core->path_broadcast(self, ifc, &path) < 0) {
        self->core->packet_free(self, packet);
        return;
    }
    path.kind = TN_PATH_MULTICAST;
    packet->family = AF_INET;
    packet->protocol = TN_IPPROTO_IGMP;
    packet->ttl = 1;
    packet->tos = 0xc0; /* RFC 3376 §4: internetwork control */
    packet->flags = TN_PKT_ROUTER_ALERT | TN_PKT_NO_LOOP;
    packet->dst = tn_addr_from(dst, TN_IPV4_ADDR_LEN);
    /* Without an address yet: 0.0.0.0 (§4.2.13). */
    (void)self->core->address_of(self, AF_INET, ifc, NULL, &packet->src);
    (void)self->core->network_output(self, packet, &path);
}

void igmp_send_old(struct tn_self *self, const struct igmp_group *group, enum tn_igmp_type type)
{
    const struct tn_igmp_header header = {.type = (uint8_t)type};
    struct tn_packet *packet = self->core->packet_new(self, sizeof(header));
    if (!packet) {
        self->drops[IGMP_DROP_NO_MEMORY]++;
        return;
    }
    memcpy(packet->data, &header, sizeof(header));
    memcpy(packet->data + offsetof(struct tn_igmp_header, group), group->addr.bytes, TN_IPV4_ADDR_LEN);
    tn_count(self, type == TN_IGMP_V2_LEAVE ? IGMP_LEAVES_OUT : IGMP_REPORTS_OUT);
    igmp_send(self, group->ifindex, packet, type == TN_IGMP_V2_LEAVE ? igmp_all_routers : group->addr.bytes);
}

/* ---- Version 3 ---- */

/* A report without records yet. */
static struct tn_packet *igmp_begin_report(struct tn_self *self)
{
    const struct tn_igmp_report report = {.type = TN_IGMP_V3_REPORT};
    struct tn_packet *packet = self->core->packet_new(self, REPORT_MAX);
    if (!packet) {
        self->drops[IGMP_DROP_NO_MEMORY]++;
        return NULL;
    }
    tn_packet_trim(packet, sizeof(report));
    memcpy(packet->data, &report, sizeof(report));
    return packet;
}

static void igmp_add_record(struct tn_packet *packet, const struct igmp_group *group,
                            enum tn_igmp_record_type type)
{
    struct tn_igmp_report *report = (struct tn_igmp_report *)(void *)packet->data;
    uint8_t sources = type == TN_IGMP_IS_INCLUDE ? group->source_count : 0;
    struct tn_igmp_record record = {.type = (uint8_t)type, .sources = tn_to_be16(sources)};
    memcpy(record.group, group->addr.bytes, TN_IPV4_ADDR_LEN);
    memcpy(tn_packet_put(packet, sizeof(record)), &record, sizeof(record));
    memcpy(tn_packet_put(packet, sources * (size_t)TN_IPV4_ADDR_LEN), group->sources,
           sources * (size_t)TN_IPV4_ADDR_LEN);
    report->records = tn_to_be16((uint16_t)(tn_be16(report->records) + 1));
}

static void igmp_end_report(struct tn_self *self, uint16_t ifindex, struct tn_packet *packet)
{
    tn_count(self, IGMP_REPORTS_OUT);
    igmp_send(self, ifindex, packet, igmp_v3_routers);
}

void igmp_send_record(struct tn_self *self, const struct igmp_group *group, enum tn_igmp_record_type type)
{
    struct tn_packet *packet = igmp_begin_report(self);
    if (!packet)
        return;
    igmp_add_record(packet, group, type);
    igmp_end_report(self, group->ifindex, packet);
}

void igmp_send_all(struct tn_self *self, const struct igmp_link *link)
{
    struct tn_packet *packet = NULL;
    for (const struct igmp_group *g = igmp_state(self)->groups; g; g = g->next) {
        if (g->ifindex != link->ifindex || !g->joined)
            continue;
        if (packet && packet->len + sizeof(struct tn_igmp_record) > REPORT_MAX) {
            igmp_end_report(self, link->ifindex, packet);
            packet = NULL;
        }
        if (!packet && !(packet = igmp_begin_report(self)))
            return;
        igmp_add_record(packet, g, TN_IGMP_IS_EXCLUDE);
    }
    if (packet)
        igmp_end_report(self, link->ifindex, packet);
}
