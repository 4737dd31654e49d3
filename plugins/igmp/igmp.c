/* igmp: the Internet Group Management Protocol, host side (RFC 3376; RFC 2236 and RFC 1112 with older routers).
 *
 * Takes protocol 2 of family 2 (AF_INET). The core says which groups the stack's sockets join and leave (group_event);
 * routers are told:
 *
 *     a group is joined or left   -> at once, and again within a second or so, as often as `robustness` says (here)
 *     a router asks               -> after a random time within what it grants (query.c)
 *
 * Version 3 reports go to 224.0.0.22; a router of version 1 or 2 is spoken to in its own version until it has been silent
 * for long. What is sent is written in report.c. 224.0.0.1 is never reported (RFC 3376 §6). */
#include "igmp.h"

#include <errno.h>

static const struct tn_addr igmp_all_hosts = {{{224, 0, 0, 1}}};

/* ---- Reports ---- */

static enum tn_igmp_type igmp_old_report(unsigned version)
{
    return version == 1 ? TN_IGMP_V1_REPORT : TN_IGMP_V2_REPORT;
}

/* One report of the change, and when the next is due. */
static void igmp_report_change(struct tn_self *self, struct igmp_link *link, struct igmp_group *group)
{
    unsigned version = igmp_version(self, link);
    if (version == 3) {
        igmp_send_record(self, group, group->joined ? TN_IGMP_TO_EXCLUDE : TN_IGMP_TO_INCLUDE);
    } else if (group->joined) {
        igmp_send_old(self, group, igmp_old_report(version));
        group->reporter = true;
    } else {
        group->changes = 1;
        if (version == 2 && group->reporter) /* RFC 2236 §3 */
            igmp_send_old(self, group, TN_IGMP_V2_LEAVE);
    }
    group->changes--;
    group->change_due =
        self->core->now(self) + igmp_within(self, igmp_options(self)->unsolicited_report_interval);
}

static void igmp_answer(struct tn_self *self, const struct igmp_link *link, struct igmp_group *group)
{
    unsigned version = igmp_version(self, link);
    group->answer_due = TN_NEVER;
    if (version == 3) {
        igmp_send_record(self, group, group->source_count ? TN_IGMP_IS_INCLUDE : TN_IGMP_IS_EXCLUDE);
    } else {
        igmp_send_old(self, group, igmp_old_report(version));
        group->reporter = true;
    }
    group->source_count = 0;
}

static void igmp_group_timer(struct tn_self *self, struct tn_timer *timer)
{
    struct igmp_group *group = tn_container(timer, struct igmp_group, timer);
    struct igmp_link *link = igmp_link_of(self, group->ifindex);
    tn_time now = self->core->now(self);
    if (link && group->changes > 0 && group->change_due <= now)
        igmp_report_change(self, link, group);
    if (link && group->joined && group->answer_due <= now)
        igmp_answer(self, link, group);
    if (!group->joined && group->changes == 0)
        igmp_group_free(self, group);
    else
        igmp_group_schedule(self, group);
}

static void igmp_link_timer(struct tn_self *self, struct tn_timer *timer)
{
    struct igmp_link *link = tn_container(timer, struct igmp_link, timer);
    link->answer_due = TN_NEVER;
    igmp_send_all(self, link);
}

/* ---- Changes ---- */

/* RFC 3376 §5.1: at once, and again; a later change takes the place of what was still to be said of an earlier one. */
static void igmp_group_event(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                             const struct tn_addr *addr, bool joined)
{
    if (family != AF_INET || tn_addr_equal(addr, &igmp_all_hosts))
        return;
    struct igmp_link *link = igmp_link_of(self, ifc->index);
    struct igmp_group *group = igmp_group_find(self, ifc->index, addr);
    if (!link || (!group && !(joined && (group = igmp_group_make(self, ifc->index, addr)))))
        return;
    group->joined = joined;
    group->answer_due = TN_NEVER;
    group->source_count = 0;
    group->changes = igmp_robustness(self, link);
    igmp_report_change(self, link, group);
    if (!group->joined && group->changes == 0)
        igmp_group_free(self, group);
    else
        igmp_group_schedule(self, group);
}

static void igmp_join_again(struct tn_self *self, struct tn_interface *ifc, const struct tn_addr *group)
{
    igmp_group_event(self, ifc, AF_INET, group, true);
}

/* ---- In ---- */

static int igmp_check(const struct tn_packet *packet)
{
    if (packet->len < sizeof(struct tn_igmp_header))
        return IGMP_DROP_TRUNCATED;
    if (tn_sum_finish(tn_sum_add(0, packet->data, packet->len)) != 0)
        return IGMP_DROP_BAD_CHECKSUM;
    return packet->ttl == 1 ? IGMP_OK : IGMP_DROP_BAD_TTL; /* §9: it has not come from beyond the link */
}

static void igmp_input(struct tn_self *self, struct tn_packet *packet)
{
    int drop = igmp_check(packet);
    tn_count(self, IGMP_MESSAGES_IN);
    if (drop == IGMP_OK) {
        switch (packet->data[0]) {
        case TN_IGMP_QUERY:
            drop = igmp_query_input(self, packet);
            break;
        case TN_IGMP_V1_REPORT:
        case TN_IGMP_V2_REPORT:
            drop = igmp_report_input(self, packet);
            break;
        case TN_IGMP_V2_LEAVE:
        case TN_IGMP_V3_REPORT:
            drop = IGMP_DROP_FOR_ROUTERS;
            break;
        default:
            drop = IGMP_DROP_UNKNOWN_TYPE;
            break;
        }
    }
    if (drop == IGMP_OK)
        self->core->packet_free(self, packet);
    else
        tn_drop(self, packet, (unsigned)drop);
}

/* ---- For people ---- */

/* "query 239.1.2.3", "v3 report 2 records" */
static void igmp_describe(const struct tn_packet *packet, struct tn_cursor *cursor, struct tn_text *out,
                          struct tn_next *next)
{
    const struct tn_igmp_header *header = tn_read_header(cursor, struct tn_igmp_header);
    if (!header) {
        tn_text_add(out, "truncated");
        return;
    }
    switch (header->type) {
    case TN_IGMP_QUERY:
        tn_text_add(out, "query ");
        break;
    case TN_IGMP_V1_REPORT:
    case TN_IGMP_V2_REPORT:
        tn_text_add(out, "v%d report ", header->type == TN_IGMP_V1_REPORT ? 1 : 2);
        break;
    case TN_IGMP_V2_LEAVE:
        tn_text_add(out, "leave ");
        break;
    case TN_IGMP_V3_REPORT:
        tn_text_add(out, "v3 report %u records", tn_load16(header->group + 2));
        return;
    default:
        tn_text_add(out, "type %u", header->type);
        return;
    }
    tn_text_ipv4(out, header->group);
}

/* ---- The plugin ---- */

static int igmp_start(struct tn_self *self, struct tn_text *why)
{
    struct igmp_state *state = igmp_state(self);
    state->group_slab = self->core->slab_create(self, "groups", sizeof(struct igmp_group), IGMP_GROUPS_MAX);
    if (!state->group_slab) {
        tn_text_add(why, "no memory for groups");
        return -ENOMEM;
    }
    for (uint16_t i = 0; i <= IGMP_LINKS_MAX; i++) {
        state->links[i].ifindex = i;
        state->links[i].answer_due = TN_NEVER;
    }
    self->core->group_each(self, AF_INET, igmp_join_again); /* those that were joined before */
    return 0;
}

static const struct tn_claim igmp_claims[] = {
    {.table = TN_TABLE_IPPROTO, .family = AF_INET, .key = TN_IPPROTO_IGMP, .input = 0},
};
static const struct tn_option igmp_option_list[] = {
    {"robustness", TN_OPTION_INT, offsetof(struct igmp_options, robustness)},
    {"unsolicited-report-interval", TN_OPTION_DURATION,
     offsetof(struct igmp_options, unsolicited_report_interval)},
    {"query-interval", TN_OPTION_DURATION, offsetof(struct igmp_options, query_interval)},
    {"query-response-interval", TN_OPTION_DURATION, offsetof(struct igmp_options, query_response_interval)},
};
static tn_input_fn *const igmp_inputs[] = {igmp_input};
static tn_timer_fn *const igmp_timers[] = {
    [IGMP_TIMER_GROUP] = igmp_group_timer, [IGMP_TIMER_LINK] = igmp_link_timer};
static const struct tn_name igmp_counters[] = {IGMP_COUNTERS(TN_NAME_ENTRY)};
static const struct tn_name igmp_drops[] = {IGMP_DROPS(TN_NAME_ENTRY)};

static const struct tn_plugin igmp_plugin = {
    TN_PLUGIN_HEADER,
    .name = "igmp",
    .version = "0.1.0",
    .kind = "protocol",
    .schema = "igmp/1",
    .state_size = sizeof(struct igmp_state),
    .options_size = sizeof(struct igmp_options),
    .claims = igmp_claims,
    .claim_count = TN_ARRAY_SIZE(igmp_claims),
    .options = igmp_option_list,
    .option_count = TN_ARRAY_SIZE(igmp_option_list),
    .inputs = igmp_inputs,
    .input_count = TN_ARRAY_SIZE(igmp_inputs),
    .timers = igmp_timers,
    .timer_count = TN_ARRAY_SIZE(igmp_timers),
    .counters = igmp_counters,
    .counter_count = TN_ARRAY_SIZE(igmp_counters),
    .drops = igmp_drops,
    .drop_count = TN_ARRAY_SIZE(igmp_drops),
    .start = igmp_start,
    .describe = igmp_describe,
    .group_event = igmp_group_event,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &igmp_plugin;
}
