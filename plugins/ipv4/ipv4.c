/* ipv4: the Internet Protocol, version 4 (RFC 791, RFC 1122 §3, RFC 6864).
 *
 * In (input.c): takes ethertype 0x0800, checks header and addresses, puts fragments together (reassembly.c)
 * and hands the datagram to the owner of its protocol number. Out (output.c): serves family 2 (AF_INET): puts
 * the header before a packet, cuts it into fragments if it must and may (fragment.c), and sends it along its
 * path. Routes, addresses and neighbours are the core's. Nothing is forwarded,
 * unless the option `forward` says so (forward.c). */
#include "ipv4.h"

/* RFC 1112 §6.4: the low 23 bits of the group. */
static void ipv4_map_multicast(struct tn_self *self, const struct tn_addr *group, uint8_t *lladdr)
{
    lladdr[0] = 0x01;
    lladdr[1] = 0x00;
    lladdr[2] = 0x5e;
    lladdr[3] = group->bytes[1] & 0x7f;
    lladdr[4] = group->bytes[2];
    lladdr[5] = group->bytes[3];
}

/* ---- For people ---- */

static void ipv4_describe_fragment(const struct tn_ipv4_header *header, struct tn_text *out)
{
    uint16_t fragment = tn_be16(header->fragment);
    if ((fragment & (TN_IPV4_MF | TN_IPV4_OFFSET)) == 0)
        return;
    tn_text_add(out, " fragment id %u offset %u%s", tn_be16(header->id), tn_ipv4_fragment_offset(header),
                fragment & TN_IPV4_MF ? " more" : " last");
}

/* "10.0.7.1 > 10.0.7.7 ttl 64 len 84", "… fragment id 4711 offset 1480 more" */
static void ipv4_describe(const struct tn_packet *packet, struct tn_cursor *cursor, struct tn_text *out,
                          struct tn_next *next)
{
    struct tn_cursor whole = *cursor;
    const struct tn_ipv4_header *header = tn_read_header(cursor, struct tn_ipv4_header);
    if (!header) {
        tn_text_add(out, "truncated");
        return;
    }
    size_t len = tn_ipv4_header_len(header);
    size_t total = tn_be16(header->total_len);
    tn_text_ipv4(out, header->src);
    tn_text_add(out, " > ");
    tn_text_ipv4(out, header->dst);
    tn_text_add(out, " ttl %u len %zu", header->ttl, total);
    ipv4_describe_fragment(header, out);
    if (tn_ipv4_version(header) != 4 || len < sizeof(*header) || total < len || total > tn_left(&whole)) {
        tn_text_add(out, " malformed");
        return;
    }
    *cursor = tn_sub_cursor(&whole, total); /* link padding is nobody's */
    tn_skip(cursor, len);
    if (tn_ipv4_fragment_offset(header) == 0)
        *next = (struct tn_next){
            .known = true, .table = TN_TABLE_IPPROTO, .family = AF_INET, .key = header->protocol};
}

/* ---- The plugin ---- */

/* RFC 7739 §5.3: identifications start anywhere. */
static int ipv4_start(struct tn_self *self, struct tn_text *why)
{
    struct ipv4_state *state = ipv4_state(self);
    for (size_t i = 0; i < IPV4_IDS; i++)
        state->ids[i] = (uint16_t)self->core->random(self);
    int err = ipv4_reassembly_start(self);
    if (err < 0)
        tn_text_add(why, "no memory for reassembly");
    return err;
}

static const struct tn_claim ipv4_claims[] = {
    {.table = TN_TABLE_ETHERTYPE, .key = TN_ETHERTYPE_IPV4, .input = 0},
    {.table = TN_TABLE_FAMILY, .key = AF_INET},
};
static const struct tn_option ipv4_option_list[] = {
    {"ttl", TN_OPTION_INT, offsetof(struct ipv4_options, ttl)},
    {"reassembly-timeout", TN_OPTION_DURATION, offsetof(struct ipv4_options, reassembly_timeout)},
    {"reassembly-memory", TN_OPTION_SIZE, offsetof(struct ipv4_options, reassembly_memory)},
    {"reassembly-datagrams", TN_OPTION_INT, offsetof(struct ipv4_options, reassembly_datagrams)},
    {"reassembly-per-source", TN_OPTION_INT, offsetof(struct ipv4_options, reassembly_per_source)},
    {"forward", TN_OPTION_BOOL, offsetof(struct ipv4_options, forward)},
};
static tn_input_fn *const ipv4_inputs[] = {ipv4_input};
static tn_timer_fn *const ipv4_timers[] = {[IPV4_TIMER_REASSEMBLY] = ipv4_reassembly_timer};
static const struct tn_name ipv4_counters[] = {IPV4_COUNTERS(TN_NAME_ENTRY)};
static const struct tn_name ipv4_drops[] = {IPV4_DROPS(TN_NAME_ENTRY)};

static const struct tn_network_ops ipv4_network = {
    .ethertype = TN_ETHERTYPE_IPV4,
    .address_size = TN_IPV4_ADDR_LEN,
    .header_size = sizeof(struct tn_ipv4_header),
    .default_ttl = 64,
    .subnet_broadcast = true,
    .output = ipv4_output,
    .classify = ipv4_classify,
    .link_local = ipv4_link_local,
    .map_multicast = ipv4_map_multicast,
    .fix_segment = ipv4_fix_segment,
};

static const struct tn_plugin ipv4_plugin = {
    TN_PLUGIN_HEADER,
    .name = "ipv4",
    .version = "0.1.0",
    .kind = "network",
    .schema = "ipv4/3",
    .state_size = sizeof(struct ipv4_state),
    .options_size = sizeof(struct ipv4_options),
    .claims = ipv4_claims,
    .claim_count = TN_ARRAY_SIZE(ipv4_claims),
    .options = ipv4_option_list,
    .option_count = TN_ARRAY_SIZE(ipv4_option_list),
    .inputs = ipv4_inputs,
    .input_count = TN_ARRAY_SIZE(ipv4_inputs),
    .timers = ipv4_timers,
    .timer_count = TN_ARRAY_SIZE(ipv4_timers),
    .counters = ipv4_counters,
    .counter_count = TN_ARRAY_SIZE(ipv4_counters),
    .drops = ipv4_drops,
    .drop_count = TN_ARRAY_SIZE(ipv4_drops),
    .start = ipv4_start,
    .stop = ipv4_reassembly_stop,
    .describe = ipv4_describe,
    .network = &ipv4_network,
    .addresses_changed = ipv4_forget_recent,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &ipv4_plugin;
}
