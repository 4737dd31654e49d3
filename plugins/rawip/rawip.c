/* rawip: links that carry IP packets and nothing before them.
 *
 * Claims link type 2. There is no header to say which protocol a packet is, so its version field does, which
 * every IP version has in the same place: the packet goes to the owner of that version's ethertype. There are
 * no link addresses, so out goes what comes. */
#include "tenon/plugin.h"

#define RAWIP_DROPS(X)                                          \
    X(EMPTY, "empty", "A packet of no bytes")                   \
    X(BAD_VERSION, "bad-version", "Neither IP version 4 nor 6") \
    X(NO_NETWORK, "no-network", "No plugin takes this version of IP")

#define RAWIP_DROP_ID(id, name, help) RAWIP_DROP_##id,
enum {
    RAWIP_DROPS(RAWIP_DROP_ID) RAWIP_DROP_COUNT
};

#define RAWIP_ETHERTYPE_V4 0x0800
#define RAWIP_ETHERTYPE_V6 0x86dd

/* The ethertype that a packet with this first octet would have in an Ethernet frame, 0 for none. */
static uint16_t rawip_ethertype(uint8_t first)
{
    switch (first >> 4) {
    case 4:
        return RAWIP_ETHERTYPE_V4;
    case 6:
        return RAWIP_ETHERTYPE_V6;
    default:
        return 0;
    }
}

static void rawip_input(struct tn_self *self, struct tn_packet *packet)
{
    if (packet->len == 0) {
        tn_drop(self, packet, RAWIP_DROP_EMPTY);
        return;
    }
    uint16_t type = rawip_ethertype(packet->data[0]);
    if (type == 0)
        tn_drop(self, packet, RAWIP_DROP_BAD_VERSION);
    else if (!self->core->dispatch(self, TN_TABLE_ETHERTYPE, type, packet))
        tn_drop(self, packet, RAWIP_DROP_NO_NETWORK);
}

static void rawip_output(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet,
                         const uint8_t *dst, uint16_t ethertype)
{
    self->core->transmit(self, ifc, packet);
}

/* Says nothing and passes nothing: the network protocol describes the first header. */
static void rawip_describe(const struct tn_packet *packet, struct tn_cursor *cursor, struct tn_text *out,
                           struct tn_next *next)
{
    struct tn_cursor ahead = *cursor;
    uint16_t type = rawip_ethertype(tn_read8(&ahead));
    if (type)
        *next = (struct tn_next){.known = true, .table = TN_TABLE_ETHERTYPE, .key = type};
}

static const struct tn_claim rawip_claims[] = {
    {.table = TN_TABLE_LINKTYPE, .key = TN_LINK_IP, .input = 0},
};
static tn_input_fn *const rawip_inputs[] = {rawip_input};
static const struct tn_name rawip_drops[] = {RAWIP_DROPS(TN_NAME_ENTRY)};
static const struct tn_framing_ops rawip_framing = {.output = rawip_output};

static const struct tn_plugin rawip_plugin = {
    TN_PLUGIN_HEADER,
    .name = "rawip",
    .version = "0.1.0",
    .kind = "framing",
    .schema = "rawip/1",
    .claims = rawip_claims,
    .claim_count = TN_ARRAY_SIZE(rawip_claims),
    .inputs = rawip_inputs,
    .input_count = TN_ARRAY_SIZE(rawip_inputs),
    .drops = rawip_drops,
    .drop_count = TN_ARRAY_SIZE(rawip_drops),
    .describe = rawip_describe,
    .framing = &rawip_framing,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &rawip_plugin;
}
