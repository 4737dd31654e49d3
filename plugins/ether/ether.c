/* ether: Ethernet framing (RFC 894, RFC 1122 §2.3.3).
 *
 * In: claims link type 1. A frame for this interface (its own address, broadcast, or any multicast: which
 * groups were joined is the network protocol's business) loses its header and goes to the owner of its
 * ethertype. IEEE 802.3 frames are taken when an ethertype follows in LLC/SNAP (RFC 1042); they are never
 * sent. Where the interface is in a VLAN, frames that carry its tag are taken and no others; where it is in none, frames
 * without a tag or with a mere priority (IEEE 802.1Q §6.9).
 *
 * Out: a packet gets an Ethernet II header, the tag of its VLAN and, where it is short, zeros up to the least length of a
 * frame: drivers of real devices may rely on it, and a TAP's reader sees what a wire would have carried.
 */
#include "tenon/proto/ether.h"
#include "tenon/plugin.h"

#define ETHER_COUNTERS(X)                                             \
    X(FRAMES_IN, "frames-in", "Frames for this stack")                \
    X(FRAMES_OUT, "frames-out", "Frames sent")                        \
    X(BROADCAST_IN, "broadcast-in", "Broadcast frames received")      \
    X(MULTICAST_IN, "multicast-in", "Multicast frames received")      \
    X(SNAP_IN, "snap-in", "IEEE 802.3 frames with LLC/SNAP received") \
    X(TAGGED_IN, "tagged-in", "Frames with a VLAN tag received")      \
    X(PADDED_OUT, "padded-out", "Frames sent that were filled up to 60 bytes")

#define ETHER_DROPS(X)                                                                                       \
    X(RUNT, "runt", "Shorter than an Ethernet header")                                                       \
    X(BAD_SOURCE, "bad-source", "The source is a multicast address")                                         \
    X(NOT_FOR_US, "not-for-us", "Sent to another station's address")                                         \
    X(BAD_LENGTH, "bad-length", "IEEE 802.3 length beyond the end of the frame, or neither length nor type") \
    X(UNKNOWN_LLC, "unknown-llc", "IEEE 802.3 frame without an ethertype in SNAP")                           \
    X(BAD_TAG, "bad-tag", "Cut short in the VLAN tag")                                                       \
    X(OTHER_VLAN, "other-vlan", "Of another VLAN than the interface, or of none")                            \
    X(UNKNOWN_ETHERTYPE, "unknown-ethertype", "No plugin takes this ethertype")                              \
    X(NO_MEMORY, "no-memory", "No packet for a copy with room for the header")

#define ETHER_COUNTER_ID(id, name, help) ETHER_##id,
#define ETHER_DROP_ID(id, name, help)    ETHER_DROP_##id,
enum {
    ETHER_COUNTERS(ETHER_COUNTER_ID) ETHER_COUNTER_COUNT
};
enum {
    ETHER_DROPS(ETHER_DROP_ID) ETHER_DROP_COUNT,
    ETHER_OK = -1 /* no reason to drop */
};

/* ---- In ---- */

/* Whether the frame is for this station, and how it was addressed. */
static int ether_check_addresses(struct tn_self *self, const struct tn_interface *ifc,
                                 const struct tn_ether_header *header, struct tn_packet *packet)
{
    if (tn_ether_is_group(header->src))
        return ETHER_DROP_BAD_SOURCE;
    if (memcmp(header->dst, ifc->lladdr, TN_ETHER_ADDR_LEN) == 0)
        return ETHER_OK;
    if (memcmp(header->dst, ifc->broadcast, TN_ETHER_ADDR_LEN) == 0) {
        packet->flags |= TN_PKT_LINK_BROADCAST;
        tn_count(self, ETHER_BROADCAST_IN);
        return ETHER_OK;
    }
    if (tn_ether_is_group(header->dst)) {
        packet->flags |= TN_PKT_LINK_MULTICAST;
        tn_count(self, ETHER_MULTICAST_IN);
        return ETHER_OK;
    }
    return ETHER_DROP_NOT_FOR_US;
}

/* The ethertype in LLC/SNAP at the cursor (RFC 1042), 0 if there is none. */
static uint16_t ether_snap_type(struct tn_cursor *c)
{
    const struct tn_ether_snap *snap = tn_read_header(c, struct tn_ether_snap);
    if (!snap || snap->dsap != TN_ETHER_SAP_SNAP || snap->ssap != TN_ETHER_SAP_SNAP ||
        snap->control != TN_ETHER_LLC_UI || snap->oui[0] | snap->oui[1] | snap->oui[2])
        return 0;
    uint16_t type = tn_be16(snap->type);
    return type >= TN_ETHER_TYPE_MIN ? type : 0;
}

/* The packet, an IEEE 802.3 frame without its header, is cut to `length` and loses LLC/SNAP; *type is what it
 * said. */
static int ether_strip_snap(struct tn_self *self, struct tn_packet *packet, uint16_t length, uint16_t *type)
{
    if (length > TN_ETHER_LENGTH_MAX || length > packet->len)
        return ETHER_DROP_BAD_LENGTH;
    tn_packet_trim(packet, length);
    struct tn_cursor c = tn_packet_cursor(packet);
    *type = ether_snap_type(&c);
    if (*type == 0)
        return ETHER_DROP_UNKNOWN_LLC;
    tn_packet_pull(packet, sizeof(struct tn_ether_snap));
    tn_count(self, ETHER_SNAP_IN);
    return ETHER_OK;
}

/* Takes off the tag, if there is one, whose type becomes *type. */
static int ether_strip_tag(struct tn_self *self, const struct tn_interface *ifc, struct tn_packet *packet,
                           uint16_t *type)
{
    unsigned vlan = 0;
    if (*type == TN_ETHERTYPE_VLAN) {
        struct tn_cursor c = tn_packet_cursor(packet);
        const struct tn_ether_tag *tag = tn_read_header(&c, struct tn_ether_tag);
        if (!tag)
            return ETHER_DROP_BAD_TAG;
        vlan = tn_be16(tag->tci) & TN_ETHER_VLAN_MASK;
        *type = tn_be16(tag->type);
        tn_packet_pull(packet, sizeof(*tag));
        tn_count(self, ETHER_TAGGED_IN);
    }
    return vlan == ifc->vlan ? ETHER_OK : ETHER_DROP_OTHER_VLAN;
}

/* What stands between the header and the packet, if it is no usual frame. */
TN_APART static int ether_strip(struct tn_self *self, const struct tn_interface *ifc,
                                struct tn_packet *packet, uint16_t *type)
{
    int drop = ETHER_OK;
    if (*type == TN_ETHERTYPE_VLAN || ifc->vlan)
        drop = ether_strip_tag(self, ifc, packet, type);
    if (drop == ETHER_OK && *type < TN_ETHER_TYPE_MIN)
        drop = ether_strip_snap(self, packet, *type, type);
    return drop;
}

static void ether_input(struct tn_self *self, struct tn_packet *packet)
{
    const struct tn_interface *ifc = self->core->interface(self, packet->ifindex);
    struct tn_cursor c = tn_packet_cursor(packet);
    const struct tn_ether_header *header = tn_read_header(&c, struct tn_ether_header);
    if (tn_unlikely(!header || !ifc)) {
        tn_drop(self, packet, ETHER_DROP_RUNT);
        return;
    }
    int drop = ether_check_addresses(self, ifc, header, packet);
    uint16_t type = tn_be16(header->type);
    tn_packet_pull(packet, sizeof(*header));
    if (drop == ETHER_OK && tn_unlikely(type == TN_ETHERTYPE_VLAN || ifc->vlan || type < TN_ETHER_TYPE_MIN)) {
        uint16_t inner = type;
        drop = ether_strip(self, ifc, packet, &inner);
        type = inner;
    }
    if (tn_unlikely(drop != ETHER_OK)) {
        tn_drop(self, packet, (unsigned)drop);
        return;
    }
    tn_count(self, ETHER_FRAMES_IN);
    if (!self->core->dispatch(self, TN_TABLE_ETHERTYPE, type, packet))
        tn_drop(self, packet, ETHER_DROP_UNKNOWN_ETHERTYPE);
}

/* ---- Out ---- */

/* Whether a header of `front` bytes and padding of `back` can be put around the packet where it lies. */
static bool ether_has_room(const struct tn_packet *packet, size_t front, size_t back)
{
    return tn_packet_writable(packet) && tn_packet_headroom(packet) >= front &&
           (back == 0 || (tn_packet_tailroom(packet) >= back && !packet->more));
}

/* A copy of the packet in its stead. NULL: there was no memory, and the packet is dropped. */
static struct tn_packet *ether_make_room(struct tn_self *self, struct tn_packet *packet)
{
    struct tn_packet *copy = self->core->packet_copy(self, packet);
    if (!copy) {
        tn_drop(self, packet, ETHER_DROP_NO_MEMORY);
        return NULL;
    }
    self->core->packet_free(self, packet);
    return copy;
}

static void ether_push_tag(const struct tn_interface *ifc, struct tn_packet *packet, uint16_t ethertype)
{
    struct tn_ether_tag *tag = tn_packet_push(packet, sizeof(*tag));
    tag->tci = tn_to_be16(ifc->vlan);
    tag->type = tn_to_be16(ethertype);
}

/* A packet that needs more than a header: room for it, padding, a tag. The packet, or a copy in its stead; NULL: dropped. */
TN_APART static struct tn_packet *ether_prepare(struct tn_self *self, const struct tn_interface *ifc,
                                                struct tn_packet *packet, uint16_t ethertype)
{
    size_t front = sizeof(struct tn_ether_header) + (ifc->vlan ? sizeof(struct tn_ether_tag) : 0);
    size_t len = packet->total + front;
    size_t padding = len < TN_ETHER_FRAME_MIN ? TN_ETHER_FRAME_MIN - len : 0;
    if (!ether_has_room(packet, front, padding)) {
        packet = ether_make_room(self, packet);
        if (!packet)
            return NULL;
    }
    /* RFC 894: short datagrams are padded with octets of zero. */
    if (padding) {
        memset(tn_packet_put(packet, padding), 0, padding);
        tn_count(self, ETHER_PADDED_OUT);
    }
    if (ifc->vlan)
        ether_push_tag(ifc, packet, ethertype);
    return packet;
}

static void ether_output(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet,
                         const uint8_t *dst, uint16_t ethertype)
{
    const size_t least = TN_ETHER_FRAME_MIN - sizeof(struct tn_ether_header);
    if (tn_unlikely(ifc->vlan || packet->total < least ||
                    !ether_has_room(packet, sizeof(struct tn_ether_header), 0))) {
        packet = ether_prepare(self, ifc, packet, ethertype);
        if (!packet)
            return;
    }
    struct tn_ether_header *header = tn_packet_push(packet, sizeof(*header));
    memcpy(header->dst, dst, TN_ETHER_ADDR_LEN);
    memcpy(header->src, ifc->lladdr, TN_ETHER_ADDR_LEN);
    header->type = tn_to_be16(ifc->vlan ? TN_ETHERTYPE_VLAN : ethertype);
    packet->link = tn_packet_offset(packet);
    tn_count(self, ETHER_FRAMES_OUT);
    self->core->transmit(self, ifc, packet);
}

/* ---- For people ---- */

/* "02:00:00:00:07:01 > 02:00:00:00:07:07 0x0800" */
static void ether_describe(const struct tn_packet *packet, struct tn_cursor *cursor, struct tn_text *out,
                           struct tn_next *next)
{
    const struct tn_ether_header *header = tn_read_header(cursor, struct tn_ether_header);
    if (!header) {
        tn_text_add(out, "runt");
        return;
    }
    tn_text_lladdr(out, header->src, TN_ETHER_ADDR_LEN);
    tn_text_add(out, " > ");
    tn_text_lladdr(out, header->dst, TN_ETHER_ADDR_LEN);
    uint16_t type = tn_be16(header->type);
    if (type == TN_ETHERTYPE_VLAN) {
        const struct tn_ether_tag *tag = tn_read_header(cursor, struct tn_ether_tag);
        if (!tag) {
            tn_text_add(out, " tag cut short");
            return;
        }
        tn_text_add(out, " vlan %u", tn_be16(tag->tci) & TN_ETHER_VLAN_MASK);
        type = tn_be16(tag->type);
    }
    if (type < TN_ETHER_TYPE_MIN) {
        tn_text_add(out, " 802.3 length %u", type);
        type = ether_snap_type(cursor);
        if (type == 0)
            return;
        tn_text_add(out, " snap");
    }
    tn_text_add(out, " 0x%04x", type);
    *next = (struct tn_next){.known = true, .table = TN_TABLE_ETHERTYPE, .key = type};
}

/* ---- The plugin ---- */

static const struct tn_claim ether_claims[] = {
    {.table = TN_TABLE_LINKTYPE, .key = TN_LINK_ETHERNET, .input = 0},
};
static tn_input_fn *const ether_inputs[] = {ether_input};
static const struct tn_name ether_counters[] = {ETHER_COUNTERS(TN_NAME_ENTRY)};
static const struct tn_name ether_drops[] = {ETHER_DROPS(TN_NAME_ENTRY)};
static const struct tn_framing_ops ether_framing = {.output = ether_output};

static const struct tn_plugin ether_plugin = {
    TN_PLUGIN_HEADER,
    .name = "ether",
    .version = "0.1.0",
    .kind = "framing",
    .schema = "ether/2",
    .claims = ether_claims,
    .claim_count = TN_ARRAY_SIZE(ether_claims),
    .inputs = ether_inputs,
    .input_count = TN_ARRAY_SIZE(ether_inputs),
    .counters = ether_counters,
    .counter_count = TN_ARRAY_SIZE(ether_counters),
    .drops = ether_drops,
    .drop_count = TN_ARRAY_SIZE(ether_drops),
    .describe = ether_describe,
    .framing = &ether_framing,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &ether_plugin;
}
