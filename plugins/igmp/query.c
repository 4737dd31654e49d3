/* query.c: what routers ask and other hosts report (RFC 3376 §5.2, §7.2, §9.1; RFC 2236 §3). */
#include "igmp.h"

static const struct tn_addr igmp_all_hosts = {{{224, 0, 0, 1}}};

/* A query of whatever version. */
struct igmp_query {
    unsigned version;
    struct tn_addr group; /* all zero: all of them */
    tn_time within;       /* what to answer in */
    uint8_t robustness;
    tn_time interval;
    unsigned source_count;
    const uint8_t *sources;
};

/* Whether the IP header carries the router alert option (RFC 2113). */
static bool igmp_has_alert(const struct tn_packet *packet)
{
    const uint8_t *start = packet->buffer->bytes + packet->network;
    struct tn_cursor c = tn_cursor(start, (size_t)(packet->data - start));
    tn_skip(&c, sizeof(struct tn_ipv4_header));
    while (tn_left(&c) > 0) {
        uint8_t type = tn_read8(&c);
        if (type == TN_IPV4_OPTION_ROUTER_ALERT)
            return true;
        if (type == TN_IPV4_OPTION_END)
            break;
        if (type == TN_IPV4_OPTION_NOP)
            continue;
        uint8_t len = tn_read8(&c);
        if (c.failed || len < 2)
            break;
        tn_skip(&c, len - 2u);
    }
    return false;
}

/* §7.1: the length and the response time tell the version. */
static int igmp_read_query(const struct tn_packet *packet, struct igmp_query *q)
{
    struct tn_cursor c = tn_packet_cursor(packet);
    const struct tn_igmp_header *header = tn_read_header(&c, struct tn_igmp_header);
    *q = (struct igmp_query){.version = header->max_response ? 2 : 1};
    q->group = tn_addr_from(header->group, TN_IPV4_ADDR_LEN);
    q->within = (header->max_response ? header->max_response : 100u) * (TN_SEC / 10);
    if (packet->len == sizeof(*header))
        return IGMP_OK;
    const struct tn_igmp_query *rest = tn_read_header(&c, struct tn_igmp_query);
    if (!rest || tn_left(&c) < tn_be16(rest->sources) * (size_t)TN_IPV4_ADDR_LEN)
        return IGMP_DROP_BAD_LENGTH;
    q->version = 3;
    q->within = tn_igmp_code(header->max_response) * (TN_SEC / 10);
    q->robustness = rest->robustness & 7;
    q->interval = tn_igmp_code(rest->interval) * TN_SEC;
    q->source_count = tn_be16(rest->sources);
    q->sources = c.at;
    return IGMP_OK;
}

/* §9.1, §4.1.12 */
static int igmp_check_query(const struct tn_packet *packet, const struct igmp_query *q)
{
    if (q->version > 1 && !igmp_has_alert(packet))
        return IGMP_DROP_NO_ALERT;
    if (tn_addr_is_zero(&q->group))
        return tn_addr_equal(&packet->dst, &igmp_all_hosts) ? IGMP_OK : IGMP_DROP_BAD_GROUP;
    return tn_addr_equal(&packet->dst, &q->group) || tn_addr_equal(&packet->dst, &igmp_all_hosts)
               ? IGMP_OK
               : IGMP_DROP_BAD_GROUP;
}

/* §7.2.1: older routers are spoken to in their own words, until they have been silent for long. Whoever asks decides the
 * constants; a change of version cancels what was to be said in the other one. */
static void igmp_note_router(struct tn_self *self, struct igmp_link *link, const struct igmp_query *q)
{
    const struct igmp_options *options = igmp_options(self);
    unsigned before = igmp_version(self, link);
    tn_time interval = link->query_interval ? link->query_interval : options->query_interval;
    tn_time until = self->core->now(self) + igmp_robustness(self, link) * interval +
                    (q->version < 3 ? options->query_response_interval : 0);
    if (q->version == 1) {
        link->v1_until = until;
    } else if (q->version == 2) {
        link->v2_until = until;
    } else {
        link->robustness = q->robustness;
        link->query_interval = q->interval;
    }
    if (igmp_version(self, link) == before)
        return;
    link->answer_due = TN_NEVER;
    self->core->timer_stop(self, &link->timer);
    for (struct igmp_group *g = igmp_state(self)->groups; g; g = g->next)
        if (g->ifindex == link->ifindex)
            g->answer_due = TN_NEVER;
}

/* §5.2: of what is to be said twice, the sooner is said. */
static void igmp_answer_later(struct tn_self *self, struct igmp_group *group, const struct igmp_query *q)
{
    tn_time now = self->core->now(self);
    tn_time due = now + igmp_within(self, q->within);
    bool pending = group->answer_due != TN_NEVER;
    if (q->source_count == 0 || (pending && group->source_count == 0) ||
        group->source_count + q->source_count > IGMP_SOURCES_MAX) {
        group->source_count = 0;
    } else {
        if (!pending)
            group->source_count = 0;
        memcpy(group->sources[group->source_count], q->sources, q->source_count * (size_t)TN_IPV4_ADDR_LEN);
        group->source_count = (uint8_t)(group->source_count + q->source_count);
    }
    group->answer_due = pending && group->answer_due < due ? group->answer_due : due;
    igmp_group_schedule(self, group);
}

static void igmp_general_query(struct tn_self *self, struct igmp_link *link, const struct igmp_query *q)
{
    tn_time now = self->core->now(self);
    if (igmp_version(self, link) < 3) { /* a timer a group: another host may report it first */
        for (struct igmp_group *g = igmp_state(self)->groups; g; g = g->next)
            if (g->ifindex == link->ifindex && g->joined)
                igmp_answer_later(self, g, q);
        return;
    }
    tn_time due = now + igmp_within(self, q->within);
    if (due >= link->answer_due)
        return;
    link->answer_due = due;
    self->core->timer_start(self, &link->timer, due - now, IGMP_TIMER_LINK);
}

int igmp_query_input(struct tn_self *self, const struct tn_packet *packet)
{
    struct igmp_query q;
    int drop = igmp_read_query(packet, &q);
    if (drop == IGMP_OK)
        drop = igmp_check_query(packet, &q);
    if (drop != IGMP_OK)
        return drop;
    struct igmp_link *link = igmp_link_of(self, packet->ifindex);
    if (!link)
        return IGMP_DROP_NO_MEMORY;
    tn_count(self, IGMP_QUERIES_IN);
    igmp_note_router(self, link, &q);
    if (tn_addr_is_zero(&q.group)) {
        igmp_general_query(self, link, &q);
        return IGMP_OK;
    }
    struct igmp_group *group = igmp_group_find(self, packet->ifindex, &q.group);
    if (!group || !group->joined)
        return IGMP_DROP_NO_GROUP;
    if (link->answer_due == TN_NEVER || igmp_version(self, link) < 3)
        igmp_answer_later(self, group, &q);
    else if (self->core->now(self) + q.within < link->answer_due)
        igmp_answer_later(self, group, &q);
    return IGMP_OK;
}

/* RFC 2236 §3: another host has said what was to be said. */
int igmp_report_input(struct tn_self *self, const struct tn_packet *packet)
{
    struct tn_cursor c = tn_packet_cursor(packet);
    const struct tn_igmp_header *header = tn_read_header(&c, struct tn_igmp_header);
    if (!header)
        return IGMP_DROP_TRUNCATED;
    const struct tn_addr addr = tn_addr_from(header->group, TN_IPV4_ADDR_LEN);
    struct igmp_link *link = igmp_link_of(self, packet->ifindex);
    struct igmp_group *group = igmp_group_find(self, packet->ifindex, &addr);
    tn_count(self, IGMP_REPORTS_IN);
    if (!group || !group->joined)
        return IGMP_DROP_NO_GROUP;
    if (!link || igmp_version(self, link) == 3)
        return IGMP_OK;
    group->reporter = false;
    if (group->answer_due != TN_NEVER || group->changes > 0) {
        tn_count(self, IGMP_SUPPRESSED);
        group->answer_due = TN_NEVER;
        group->changes = 0;
        igmp_group_schedule(self, group);
    }
    return IGMP_OK;
}
