/* arp: the Address Resolution Protocol for IPv4 (RFC 826).
 *
 * Takes ethertype 0x0806, and is the resolver of family 2 (AF_INET). What neighbours there are, in which
 * state, and which packets wait for them is the core's business (RFC 4861 §7.3 serves every family); arp only
 * speaks:
 *
 *     the core asks         solicit()  -> a request: by broadcast, or to one station, to see if it is still there
 *     somebody asks us      a request  -> a reply; the asker is learned, because we shall speak with him
 *     somebody answers us   a reply    -> what he says is learned, if there was a question
 *     anybody says anything            -> who is known already is brought up to date (RFC 826's merge)
 *
 * Nobody becomes known by what was not asked: only a request to us makes an entry. Addresses of this stack are looked for before
 * others can be hurt by them, and defended: conflict.c. */
#include "arp.h"

#include <errno.h>

/* ---- Out ---- */

/* The core wants to know. */
static void arp_solicit(struct tn_self *self, struct tn_interface *ifc, const struct tn_addr *target,
                        const struct tn_addr *source, const uint8_t *lladdr)
{
    if (ifc->lladdr_len != ARP_LLADDR_LEN)
        return;
    tn_count(self, lladdr ? ARP_PROBES_OUT : ARP_REQUESTS_OUT);
    arp_send(self, ifc, TN_ARP_REQUEST, lladdr ? lladdr : ifc->broadcast, source->bytes, arp_no_lladdr,
             target->bytes);
}

/* ---- In ---- */

/* What is wrong with the packet whatever it says, or ARP_OK. */
static int arp_check(struct tn_self *self, const struct tn_interface *ifc, const struct tn_arp_packet *arp)
{
    uint16_t hardware = tn_be16(arp->hardware);
    if ((hardware != TN_ARP_HARDWARE_ETHERNET && hardware != TN_ARP_HARDWARE_IEEE802) ||
        arp->hardware_len != ARP_LLADDR_LEN || ifc->lladdr_len != ARP_LLADDR_LEN)
        return ARP_DROP_BAD_HARDWARE;
    if (tn_be16(arp->protocol) != TN_ETHERTYPE_IPV4 || arp->protocol_len != TN_IPV4_ADDR_LEN)
        return ARP_DROP_BAD_PROTOCOL;
    if ((arp->sender_lladdr[0] & 1) || memcmp(arp->sender_lladdr, arp_no_lladdr, ARP_LLADDR_LEN) == 0)
        return ARP_DROP_BAD_SENDER_LLADDR;
    if (memcmp(arp->sender_lladdr, ifc->lladdr, ARP_LLADDR_LEN) == 0)
        return ARP_DROP_OWN_ECHO;
    struct tn_addr sender = tn_addr_from(arp->sender, TN_IPV4_ADDR_LEN);
    enum tn_addr_class class = self->core->address_class(self, AF_INET, &sender);
    if (class != TN_ADDR_UNICAST && class != TN_ADDR_UNSPECIFIED)
        return ARP_DROP_BAD_SENDER;
    if (self->core->address_kind(self, AF_INET, ifc, &sender, NULL) == TN_LOCAL_BROADCAST)
        return ARP_DROP_BAD_SENDER;
    uint16_t op = tn_be16(arp->op);
    return op == TN_ARP_REQUEST || op == TN_ARP_REPLY ? ARP_OK : ARP_DROP_BAD_OPERATION;
}

/* With detection switched off, another station that speaks with an address of ours is only told of. */
static bool arp_is_own_sender(struct tn_self *self, const struct tn_interface *ifc,
                              const struct tn_arp_packet *arp, const struct tn_addr *sender)
{
    if (self->core->address_kind(self, AF_INET, ifc, sender, NULL) != TN_LOCAL_UNICAST)
        return false;
    char text[64];
    struct tn_text t = tn_text_init(text, sizeof(text));
    tn_text_ipv4(&t, arp->sender);
    tn_text_add(&t, " is also used by ");
    tn_text_lladdr(&t, arp->sender_lladdr, ARP_LLADDR_LEN);
    tn_count(self, ARP_CONFLICTS);
    self->core->log(self, TN_LOG_WARNING, "%s: address conflict: %s", ifc->name, text);
    return true;
}

/* RFC 826, "Packet Reception": merge first, whoever is asked; then, if we are the target, learn; the
 * operation is looked at last. A sender of 0.0.0.0 only wants to know whether an address is free (RFC 5227
 * §2.1.1). */
static void arp_learn(struct tn_self *self, struct tn_interface *ifc, const struct tn_arp_packet *arp,
                      const struct tn_addr *sender, bool for_us)
{
    if (tn_addr_is_zero(sender))
        return;
    unsigned flags = TN_LEARN_OVERRIDE;
    if (for_us)
        flags |= tn_be16(arp->op) == TN_ARP_REQUEST ? TN_LEARN_CREATE : TN_LEARN_SOLICITED;
    self->core->neighbour_learn(self, ifc, AF_INET, sender, arp->sender_lladdr, flags);
}

static void arp_count_in(struct tn_self *self, const struct tn_arp_packet *arp)
{
    if (memcmp(arp->sender, arp->target, TN_IPV4_ADDR_LEN) == 0)
        tn_count(self, ARP_ANNOUNCEMENTS_IN);
    else
        tn_count(self, tn_be16(arp->op) == TN_ARP_REQUEST ? ARP_REQUESTS_IN : ARP_REPLIES_IN);
}

static void arp_input(struct tn_self *self, struct tn_packet *packet)
{
    struct tn_interface *ifc = self->core->interface(self, packet->ifindex);
    packet->network = tn_packet_offset(packet);
    struct tn_cursor c = tn_packet_cursor(packet);
    const struct tn_arp_packet *arp = tn_read_header(&c, struct tn_arp_packet);
    if (!arp || !ifc) {
        tn_drop(self, packet, ARP_DROP_TRUNCATED);
        return;
    }
    int drop = arp_check(self, ifc, arp);
    if (drop != ARP_OK) {
        tn_drop(self, packet, (unsigned)drop);
        return;
    }
    arp_count_in(self, arp);
    struct tn_addr sender = tn_addr_from(arp->sender, TN_IPV4_ADDR_LEN);
    struct tn_addr target = tn_addr_from(arp->target, TN_IPV4_ADDR_LEN);
    if (!arp_conflict(self, ifc, arp) && !arp_is_own_sender(self, ifc, arp, &sender)) {
        bool for_us = self->core->address_kind(self, AF_INET, ifc, &target, NULL) == TN_LOCAL_UNICAST;
        arp_learn(self, ifc, arp, &sender, for_us);
        if (for_us && tn_be16(arp->op) == TN_ARP_REQUEST) {
            tn_count(self, ARP_REPLIES_OUT);
            arp_send(self, ifc, TN_ARP_REPLY, arp->sender_lladdr, arp->target, arp->sender_lladdr,
                     arp->sender);
        }
    }
    self->core->packet_free(self, packet);
}

/* ---- For people ---- */

/* "request who-has 10.0.7.7 tell 10.0.7.1", "reply 10.0.7.7 is-at 02:00:00:00:07:07", "announcement 10.0.7.7"
 */
static void arp_describe(const struct tn_packet *packet, struct tn_cursor *cursor, struct tn_text *out,
                         struct tn_next *next)
{
    const struct tn_arp_packet *arp = tn_read_header(cursor, struct tn_arp_packet);
    if (!arp) {
        tn_text_add(out, "truncated");
        return;
    }
    uint16_t op = tn_be16(arp->op);
    if (tn_be16(arp->protocol) != TN_ETHERTYPE_IPV4 || (op != TN_ARP_REQUEST && op != TN_ARP_REPLY)) {
        tn_text_add(out, "operation %u for protocol 0x%04x", op, tn_be16(arp->protocol));
    } else if (memcmp(arp->sender, arp->target, TN_IPV4_ADDR_LEN) == 0) {
        tn_text_add(out, "announcement ");
        tn_text_ipv4(out, arp->sender);
    } else if (op == TN_ARP_REQUEST) {
        tn_text_add(out, "request who-has ");
        tn_text_ipv4(out, arp->target);
        tn_text_add(out, " tell ");
        tn_text_ipv4(out, arp->sender);
    } else {
        tn_text_add(out, "reply ");
        tn_text_ipv4(out, arp->sender);
        tn_text_add(out, " is-at ");
        tn_text_lladdr(out, arp->sender_lladdr, ARP_LLADDR_LEN);
    }
}

/* ---- The plugin ---- */

static int arp_start(struct tn_self *self, struct tn_text *why)
{
    struct arp_state *state = arp_state(self);
    state->claims = self->core->slab_create(self, "claims", sizeof(struct arp_claim), ARP_CLAIMS_MAX);
    if (state->claims)
        return 0;
    tn_text_add(why, "no memory");
    return -ENOMEM;
}

static int arp_reconfigure(struct tn_self *self, struct tn_text *why)
{
    arp_look_for_taken(self);
    return 0;
}

static const struct tn_option arp_option_list[] = {
    {"conflict-detection", TN_OPTION_CHOICE, offsetof(struct arp_options, detection)},
    {"defend", TN_OPTION_CHOICE, offsetof(struct arp_options, defence)},
    {"probe-wait", TN_OPTION_DURATION, offsetof(struct arp_options, probe_wait)},
    {"probe-num", TN_OPTION_INT, offsetof(struct arp_options, probe_num)},
    {"probe-min", TN_OPTION_DURATION, offsetof(struct arp_options, probe_min)},
    {"probe-max", TN_OPTION_DURATION, offsetof(struct arp_options, probe_max)},
    {"announce-wait", TN_OPTION_DURATION, offsetof(struct arp_options, announce_wait)},
    {"announce-num", TN_OPTION_INT, offsetof(struct arp_options, announce_num)},
    {"announce-interval", TN_OPTION_DURATION, offsetof(struct arp_options, announce_interval)},
    {"max-conflicts", TN_OPTION_INT, offsetof(struct arp_options, max_conflicts)},
    {"rate-limit-interval", TN_OPTION_DURATION, offsetof(struct arp_options, rate_limit_interval)},
    {"defend-interval", TN_OPTION_DURATION, offsetof(struct arp_options, defend_interval)},
};
static tn_timer_fn *const arp_timers[] = {[ARP_TIMER_CLAIM] = arp_claim_timer};

static const struct tn_claim arp_claims[] = {
    {.table = TN_TABLE_ETHERTYPE, .key = TN_ETHERTYPE_ARP, .input = 0},
    {.table = TN_TABLE_RESOLVER, .key = AF_INET},
};
static tn_input_fn *const arp_inputs[] = {arp_input};
static const struct tn_name arp_counters[] = {ARP_COUNTERS(TN_NAME_ENTRY)};
static const struct tn_name arp_drops[] = {ARP_DROPS(TN_NAME_ENTRY)};
static const struct tn_resolver_ops arp_resolver = {
    .solicit = arp_solicit, .claim = arp_claim, .release = arp_release};

static const struct tn_plugin arp_plugin = {
    TN_PLUGIN_HEADER,
    .name = "arp",
    .version = "0.1.0",
    .kind = "protocol",
    .schema = "arp/3",
    .state_size = sizeof(struct arp_state),
    .options_size = sizeof(struct arp_options),
    .options = arp_option_list,
    .option_count = TN_ARRAY_SIZE(arp_option_list),
    .timers = arp_timers,
    .timer_count = TN_ARRAY_SIZE(arp_timers),
    .start = arp_start,
    .reconfigure = arp_reconfigure,
    .claims = arp_claims,
    .claim_count = TN_ARRAY_SIZE(arp_claims),
    .inputs = arp_inputs,
    .input_count = TN_ARRAY_SIZE(arp_inputs),
    .counters = arp_counters,
    .counter_count = TN_ARRAY_SIZE(arp_counters),
    .drops = arp_drops,
    .drop_count = TN_ARRAY_SIZE(arp_drops),
    .describe = arp_describe,
    .resolver = &arp_resolver,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &arp_plugin;
}
