/* Ethernet framing: which frames are taken and what they carry, and what goes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "dispatch.h"
#include "frames.h"
#include "interface.h"
#include "tenon/proto/ether.h"
#include "trace.h"

static const uint8_t own[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t peer[6] = {2, 0, 0, 0, 0, 2};
static const uint8_t other[6] = {2, 0, 0, 0, 0, 3};
static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t group[6] = {1, 0, 0x5e, 0, 0, 1};
static const uint8_t snap_head[6] = {0xaa, 0xaa, 3, 0, 0, 0};

static struct tn_sim *sim;
static struct tn_stack *stack;
static struct probe probe;
static uint8_t frame[2048];
static size_t frame_len;

static int setup_on(const char *interface)
{
    char yaml[256];
    snprintf(yaml, sizeof(yaml),
             "stack: { name: ether }\n"
             "interfaces: { h0: { driver: host, mac: \"02:00:00:00:00:01\"%s } }\n"
             "protocols: { ether: {} }\n",
             interface);
    sim = frames_sim(1);
    stack = frames_stack(sim, yaml);
    probe_start(&probe, stack);
    return 0;
}

static int setup(void **state)
{
    return setup_on("");
}

static int setup_vlan(void **state)
{
    return setup_on(", vlan: 5");
}

static int teardown(void **state)
{
    struct tn_usage usage;
    tn_stack_usage(stack, &usage);
    assert_int_equal(usage.packets, 0);
    assert_int_equal(usage.buffers, 0);
    probe_stop(&probe);
    tn_sim_destroy(sim);
    return 0;
}

/* ---- Frames in ---- */

static void begin(const uint8_t *dst, const uint8_t *src, uint16_t type)
{
    memcpy(frame, dst, 6);
    memcpy(frame + 6, src, 6);
    tn_store16(frame + 12, type);
    frame_len = 14;
}

static void add(const void *bytes, size_t len)
{
    memcpy(frame + frame_len, bytes, len);
    frame_len += len;
}

static void add_fill(uint8_t value, size_t len)
{
    memset(frame + frame_len, value, len);
    frame_len += len;
}

static void receive(void)
{
    assert_int_equal(tn_host_send(stack, "h0", frame, frame_len), 0);
    tn_sim_settle(sim);
}

static void assert_dropped(const char *reason)
{
    assert_int_equal(probe.packets, 0);
    assert_int_equal(tn_stack_drops(stack, "ether", reason), 1);
}

/* conformance: 1122 2.3.3-receive */
static void own_address_is_taken_without_its_header(void **state)
{
    begin(own, peer, PROBE_ETHERTYPE);
    add("payload", 7);
    receive();
    assert_int_equal(probe.packets, 1);
    assert_int_equal(probe.len, 7);
    assert_memory_equal(probe.data, "payload", 7);
    assert_int_equal(probe.flags, 0);
    assert_int_equal(probe.header, 14);
    assert_int_equal(tn_stack_counter(stack, "ether", "frames-in"), 1);
}

/* RFC 1122 §2.4: the packet's link broadcast is told to the layer above. conformance: 1122 2.4-broadcast */
static void broadcast_is_taken_and_marked(void **state)
{
    begin(broadcast, peer, PROBE_ETHERTYPE);
    add_fill(1, 46);
    receive();
    assert_int_equal(probe.packets, 1);
    assert_int_equal(probe.flags, TN_PKT_LINK_BROADCAST);
    assert_int_equal(tn_stack_counter(stack, "ether", "broadcast-in"), 1);
}

static void multicast_is_taken_and_marked(void **state)
{
    begin(group, peer, PROBE_ETHERTYPE);
    add_fill(1, 46);
    receive();
    assert_int_equal(probe.packets, 1);
    assert_int_equal(probe.flags, TN_PKT_LINK_MULTICAST);
    assert_int_equal(tn_stack_counter(stack, "ether", "multicast-in"), 1);
}

static void another_stations_frame_is_dropped(void **state)
{
    begin(other, peer, PROBE_ETHERTYPE);
    add_fill(1, 46);
    receive();
    assert_dropped("not-for-us");
}

static void group_source_is_refused(void **state)
{
    begin(own, group, PROBE_ETHERTYPE);
    add_fill(1, 46);
    receive();
    assert_dropped("bad-source");
}

static void runts_of_every_length_are_dropped(void **state)
{
    begin(own, peer, PROBE_ETHERTYPE);
    for (frame_len = 0; frame_len < 14; frame_len++)
        receive();
    assert_int_equal(probe.packets, 0);
    assert_int_equal(tn_stack_drops(stack, "ether", "runt"), 14);
}

static void header_alone_is_an_empty_packet(void **state)
{
    begin(own, peer, PROBE_ETHERTYPE);
    receive();
    assert_int_equal(probe.packets, 1);
    assert_int_equal(probe.len, 0);
}

static void unknown_ethertype_is_dropped(void **state)
{
    begin(own, peer, 0x9999);
    add_fill(1, 46);
    receive();
    assert_dropped("unknown-ethertype");
}

/* RFC 1042, RFC 1122 §2.3.3: SHOULD be able to receive. The length says where padding begins. conformance: 1042 header; 1042 padding; 1122 2.3.3-802 */
static void snap_frame_is_taken_and_trimmed(void **state)
{
    begin(own, peer, 8 + 5);
    add(snap_head, 6);
    add((uint8_t[]){0x88, 0xb5}, 2);
    add("hello", 5);
    add_fill(0, 33);
    receive();
    assert_int_equal(probe.packets, 1);
    assert_int_equal(probe.len, 5);
    assert_memory_equal(probe.data, "hello", 5);
    assert_int_equal(probe.header, 22);
    assert_int_equal(tn_stack_counter(stack, "ether", "snap-in"), 1);
}

static void snap_frame_shorter_than_its_length_is_dropped(void **state)
{
    begin(own, peer, 47);
    add(snap_head, 6);
    add((uint8_t[]){0x88, 0xb5}, 2);
    add_fill(0, 38);
    receive();
    assert_dropped("bad-length");
}

static void snap_header_beyond_the_length_is_dropped(void **state)
{
    begin(own, peer, 7);
    add(snap_head, 6);
    add((uint8_t[]){0x88, 0xb5}, 2);
    add_fill(0, 38);
    receive();
    assert_dropped("unknown-llc");
}

static void largest_802_3_length_is_taken(void **state)
{
    begin(own, peer, 1500);
    add(snap_head, 6);
    add((uint8_t[]){0x88, 0xb5}, 2);
    add_fill(7, 1492);
    receive();
    assert_int_equal(probe.packets, 1);
    assert_int_equal(probe.len, 1492);
}

/* IEEE 802.3 §3.2.6: values from 1501 to 1535 are neither a length nor a type. */
static void neither_length_nor_type_is_dropped(void **state)
{
    begin(own, peer, 1501);
    add_fill(0xaa, 1501);
    receive();
    begin(own, peer, 0x05ff);
    add_fill(0xaa, 1535);
    receive();
    assert_int_equal(probe.packets, 0);
    assert_int_equal(tn_stack_drops(stack, "ether", "bad-length"), 2);
}

/* The first octets that differ from SNAP's (a spanning tree frame, an OUI of a vendor, control not UI …). conformance: 1042 header */
static void other_llc_is_dropped(void **state)
{
    for (size_t i = 0; i < sizeof(snap_head); i++) {
        uint8_t head[6];
        memcpy(head, snap_head, 6);
        head[i] ^= 0x42;
        begin(own, peer, 46);
        add(head, 6);
        add((uint8_t[]){0x88, 0xb5}, 2);
        add_fill(0, 38);
        receive();
    }
    assert_int_equal(probe.packets, 0);
    assert_int_equal(tn_stack_drops(stack, "ether", "unknown-llc"), 6);
}

static void snap_with_a_length_for_a_type_is_dropped(void **state)
{
    begin(own, peer, 46);
    add(snap_head, 6);
    add((uint8_t[]){0x05, 0xff}, 2);
    add_fill(0, 38);
    receive();
    assert_dropped("unknown-llc");
}

/* ---- VLANs ---- */

/* The header up to the ethertype that follows the tag. */
static void begin_tagged(uint16_t tci, uint16_t type)
{
    begin(own, peer, TN_ETHERTYPE_VLAN);
    tn_store16(frame + 14, tci);
    tn_store16(frame + 16, type);
    frame_len = 18;
}

static void priority_tag_is_taken_off(void **state)
{
    begin_tagged(0xe000, PROBE_ETHERTYPE); /* priority 7 of no VLAN */
    add("payload", 7);
    receive();
    assert_int_equal(probe.packets, 1);
    assert_int_equal(probe.len, 7);
    assert_memory_equal(probe.data, "payload", 7);
    assert_int_equal(probe.header, 18);
    assert_int_equal(tn_stack_counter(stack, "ether", "tagged-in"), 1);
}

static void tagged_snap_frame_is_taken(void **state)
{
    begin_tagged(0, 8 + 5);
    add(snap_head, 6);
    add((uint8_t[]){0x88, 0xb5}, 2);
    add("hello", 5);
    add_fill(0, 33);
    receive();
    assert_int_equal(probe.packets, 1);
    assert_int_equal(probe.len, 5);
    assert_memory_equal(probe.data, "hello", 5);
}

static void frame_of_a_vlan_is_dropped_where_there_is_none(void **state)
{
    begin_tagged(5, PROBE_ETHERTYPE);
    add_fill(1, 46);
    receive();
    assert_dropped("other-vlan");
}

static void tag_within_a_tag_is_dropped(void **state)
{
    begin_tagged(0, TN_ETHERTYPE_VLAN);
    add_fill(0, 46);
    receive();
    assert_dropped("unknown-ethertype");
}

static void tag_cut_short_anywhere_is_dropped(void **state)
{
    begin_tagged(0, PROBE_ETHERTYPE);
    for (frame_len = 14; frame_len < 18; frame_len++)
        receive();
    assert_int_equal(probe.packets, 0);
    assert_int_equal(tn_stack_drops(stack, "ether", "bad-tag"), 4);
}

static void frame_of_the_own_vlan_is_taken(void **state)
{
    begin_tagged(0x6005, PROBE_ETHERTYPE); /* priority 3 */
    add("payload", 7);
    receive();
    assert_int_equal(probe.packets, 1);
    assert_memory_equal(probe.data, "payload", 7);
}

static void other_frames_are_dropped_in_a_vlan(void **state)
{
    begin_tagged(6, PROBE_ETHERTYPE);
    receive();
    begin_tagged(0, PROBE_ETHERTYPE);
    receive();
    begin(own, peer, PROBE_ETHERTYPE);
    receive();
    assert_int_equal(probe.packets, 0);
    assert_int_equal(tn_stack_drops(stack, "ether", "other-vlan"), 3);
}

/* ---- Frames out ---- */

static struct tn_packet *packet_of(const void *bytes, size_t len)
{
    struct tn_packet *packet = tn_packet_new(&stack->pool, len);
    assert_non_null(packet);
    memcpy(packet->data, bytes, len);
    return packet;
}

static void transmit(struct tn_packet *packet)
{
    struct tn_ifc *ifc = tn_interface_by_name(stack, "h0");
    tn_core_frame_output(tn_core_self(stack), &ifc->pub, packet, peer, PROBE_ETHERTYPE);
    tn_sim_settle(sim);
}

static void take_sent(size_t len)
{
    memset(frame, 0xee, sizeof(frame));
    assert_int_equal(tn_host_receive(stack, "h0", frame, sizeof(frame)), len);
    frame_len = len;
}

static void frame_of_a_vlan_carries_its_tag_and_is_padded(void **state)
{
    transmit(packet_of("payload", 7));
    take_sent(60);
    assert_int_equal(tn_load16(frame + 12), 0x8100);
    assert_int_equal(tn_load16(frame + 14), 5);
    assert_int_equal(tn_load16(frame + 16), PROBE_ETHERTYPE);
    assert_memory_equal(frame + 18, "payload", 7);
}

/* Buffers that were used before hold what was in them. */
static void leave_dirty_buffers(void)
{
    struct tn_packet *packets[8];
    for (int i = 0; i < 8; i++) {
        packets[i] = packet_of("", 0);
        size_t room = tn_packet_tailroom(packets[i]);
        memset(tn_packet_put(packets[i], room), 0xdd, room);
    }
    for (int i = 0; i < 8; i++)
        tn_packet_free(&stack->pool, packets[i]);
}

static void assert_zeros(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        assert_int_equal(frame[i], 0);
}

/* conformance: 894 frame; 1122 2.3.3-send */
static void header_is_put_before_the_packet(void **state)
{
    uint8_t payload[100];
    memset(payload, 'x', sizeof(payload));
    transmit(packet_of(payload, sizeof(payload)));
    take_sent(114);
    assert_memory_equal(frame, peer, 6);
    assert_memory_equal(frame + 6, own, 6);
    assert_int_equal(tn_load16(frame + 12), PROBE_ETHERTYPE);
    assert_memory_equal(frame + 14, payload, 100);
    assert_int_equal(tn_stack_counter(stack, "ether", "frames-out"), 1);
    assert_int_equal(tn_stack_counter(stack, "ether", "padded-out"), 0);
}

/* RFC 894: at least 46 octets of data, padded with zeros. conformance: 894 padding */
static void short_packet_is_padded_with_zeros(void **state)
{
    leave_dirty_buffers();
    transmit(packet_of("hello", 5));
    take_sent(60);
    assert_memory_equal(frame + 14, "hello", 5);
    assert_zeros(19, 60);
    assert_int_equal(tn_stack_counter(stack, "ether", "padded-out"), 1);
}

static void packet_of_46_bytes_is_not_padded(void **state)
{
    uint8_t payload[46];
    memset(payload, 'x', sizeof(payload));
    transmit(packet_of(payload, 45));
    take_sent(60);
    assert_zeros(59, 60);
    transmit(packet_of(payload, 46));
    take_sent(60);
    assert_int_equal(frame[59], 'x');
    assert_int_equal(tn_stack_counter(stack, "ether", "padded-out"), 1);
}

static void short_chain_is_padded(void **state)
{
    leave_dirty_buffers();
    struct tn_packet *packet = packet_of("first", 5);
    packet->more = packet_of("second", 6);
    packet->total = 11;
    transmit(packet);
    take_sent(60);
    assert_memory_equal(frame + 14, "firstsecond", 11);
    assert_zeros(25, 60);
}

static void long_chain_is_sent_whole(void **state)
{
    uint8_t payload[500];
    memset(payload, 'y', sizeof(payload));
    struct tn_packet *packet = packet_of("first", 5);
    packet->more = packet_of(payload, sizeof(payload));
    packet->total = 505;
    transmit(packet);
    take_sent(519);
    assert_memory_equal(frame + 14, "first", 5);
    assert_memory_equal(frame + 19, payload, 500);
}

/* A clone shares the bytes before its data too: a header there must not be seen by the other. */
static void shared_bytes_are_not_written(void **state)
{
    struct tn_packet *packet = packet_of("0123456789", 10);
    uint8_t *before = packet->data - 14;
    memset(before, 0x55, 14);
    struct tn_packet *clone = tn_packet_clone(&stack->pool, packet);
    transmit(clone);
    take_sent(60);
    assert_memory_equal(frame + 14, "0123456789", 10);
    for (int i = 0; i < 14; i++)
        assert_int_equal(before[i], 0x55);
    tn_packet_free(&stack->pool, packet);
}

static void packet_without_headroom_is_copied(void **state)
{
    struct tn_packet *packet = packet_of("", 0);
    tn_packet_push(packet, tn_packet_headroom(packet));
    size_t len = packet->len;
    memset(packet->data, 'z', len);
    transmit(packet);
    take_sent(len + 14);
    assert_int_equal(frame[14], 'z');
}

/* ---- For people ---- */

static void describe(char *text, size_t size)
{
    struct tn_text t = tn_text_init(text, size);
    struct tn_packet *packet = packet_of(frame, frame_len);
    struct tn_cursor c = tn_packet_cursor(packet);
    tn_trace_describe(stack, TN_LINK_ETHERNET, packet, &c, &t);
    tn_packet_free(&stack->pool, packet);
}

static void description_names_both_stations(void **state)
{
    char text[256];
    begin(own, peer, PROBE_ETHERTYPE);
    describe(text, sizeof(text));
    assert_string_equal(text, "ether 02:00:00:00:00:02 > 02:00:00:00:00:01 0x88b5 | probe");
    begin(own, peer, 8);
    add(snap_head, 6);
    add((uint8_t[]){0x88, 0xb5}, 2);
    describe(text, sizeof(text));
    assert_string_equal(text,
                        "ether 02:00:00:00:00:02 > 02:00:00:00:00:01 802.3 length 8 snap 0x88b5 | probe");
    begin_tagged(0x6005, PROBE_ETHERTYPE);
    describe(text, sizeof(text));
    assert_string_equal(text, "ether 02:00:00:00:00:02 > 02:00:00:00:00:01 vlan 5 0x88b5 | probe");
}

static void description_of_a_runt_is_short(void **state)
{
    char text[256];
    begin(own, peer, PROBE_ETHERTYPE);
    frame_len = 13;
    describe(text, sizeof(text));
    assert_string_equal(text, "ether runt");
}

#define TEST(name)      cmocka_unit_test_setup_teardown(name, setup, teardown)
#define VLAN_TEST(name) cmocka_unit_test_setup_teardown(name, setup_vlan, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(own_address_is_taken_without_its_header),
        TEST(broadcast_is_taken_and_marked),
        TEST(multicast_is_taken_and_marked),
        TEST(another_stations_frame_is_dropped),
        TEST(group_source_is_refused),
        TEST(runts_of_every_length_are_dropped),
        TEST(header_alone_is_an_empty_packet),
        TEST(unknown_ethertype_is_dropped),
        TEST(snap_frame_is_taken_and_trimmed),
        TEST(snap_frame_shorter_than_its_length_is_dropped),
        TEST(snap_header_beyond_the_length_is_dropped),
        TEST(largest_802_3_length_is_taken),
        TEST(neither_length_nor_type_is_dropped),
        TEST(other_llc_is_dropped),
        TEST(snap_with_a_length_for_a_type_is_dropped),
        TEST(priority_tag_is_taken_off),
        TEST(tagged_snap_frame_is_taken),
        TEST(frame_of_a_vlan_is_dropped_where_there_is_none),
        TEST(tag_within_a_tag_is_dropped),
        TEST(tag_cut_short_anywhere_is_dropped),
        VLAN_TEST(frame_of_the_own_vlan_is_taken),
        VLAN_TEST(other_frames_are_dropped_in_a_vlan),
        VLAN_TEST(frame_of_a_vlan_carries_its_tag_and_is_padded),
        TEST(header_is_put_before_the_packet),
        TEST(short_packet_is_padded_with_zeros),
        TEST(packet_of_46_bytes_is_not_padded),
        TEST(short_chain_is_padded),
        TEST(long_chain_is_sent_whole),
        TEST(shared_bytes_are_not_written),
        TEST(packet_without_headroom_is_copied),
        TEST(description_names_both_stations),
        TEST(description_of_a_runt_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
