/* fuzz_link.c: what other stations on the link may say: Ethernet, IEEE 802.3 with SNAP, VLAN tags and ARP, to a stack with addresses of
 * its own that it defends, a link-local one that it chooses, and an interface in a VLAN.
 *
 * An input is a list of records; the first byte of each says what follows:
 *
 *     0, 1   a length byte and as many bytes of a frame, to the interface without a VLAN or the one in VLAN 5
 *     2      an ARP packet of 5 bytes: operation, station, last byte of the sender's address, of the target's, and how it is framed
 *            (bit 0: SNAP, bit 1: a tag of VLAN 0, bit 2: a link-local sender, bit 3: from 0.0.0.0, bit 4: by unicast)
 *     3      two bytes: so many milliseconds pass
 *
 * Whatever is said, every frame that the stack sends must be whole and its own: at least 60 bytes, from its own link address, with the
 * tag of its VLAN or none; an ARP packet speaks from an address that it has or from none. Its tables keep their limits, and no packet is
 * in use after a while of silence. */
#include <stdio.h>
#include <stdlib.h>

#include "tenon/cursor.h"
#include "tenon/proto/arp.h"
#include "tenon/proto/ether.h"
#include "tenon/sim.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NEIGHBOURS 32

static const char yaml[] =
    "stack: { name: fuzz, limits: { neighbours: 32 } }\n"
    "interfaces:\n"
    "  h0: { driver: host, mac: \"02:00:00:00:07:07\", addresses: [10.0.7.7/24, 10.0.7.8/24] }\n"
    "  h5: { driver: host, mac: \"02:00:00:00:05:07\", vlan: 5, addresses: [10.0.5.7/24] }\n"
    "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {} }\n"
    "services: { linklocal: { interface: h0, mode: always } }\n";
static const uint8_t own[2][6] = {{2, 0, 0, 0, 7, 7}, {2, 0, 0, 0, 5, 7}};
static const char *const links[2] = {"h0", "h5"};

static struct tn_sim *sim;
static struct tn_stack *stack;

static void forget(void *context, const char *line)
{
}

static void forget_log(void *context, enum tn_level level, const char *who, const char *text)
{
}

static void start(void)
{
    struct tn_error error;
    sim = tn_sim_create(1);
    tn_sim_plugin_path(sim, TN_TEST_PLUGIN_DIR);
    tn_sim_log(sim, forget_log, NULL);
    if (tn_sim_add(sim, yaml, &stack, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    tn_stack_trace(stack, forget, NULL, false);
}

/* ---- What the stack says ---- */

static void insist(bool right, const char *what)
{
    if (right)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static bool is_own_address(const uint8_t *a, unsigned link)
{
    static const uint8_t nobody[4] = {0};
    if (memcmp(a, nobody, 4) == 0)
        return true;
    if (link == 1)
        return memcmp(a, "\x0a\0\5\7", 4) == 0;
    return (a[0] == 169 && a[1] == 254) || memcmp(a, "\x0a\0\7\7", 4) == 0 ||
           memcmp(a, "\x0a\0\7\x08", 4) == 0;
}

static void check_frame(const uint8_t *frame, size_t len, unsigned link)
{
    size_t at = link == 1 ? 16 : 12;
    insist(len >= TN_ETHER_FRAME_MIN, "a frame that is too short");
    insist(memcmp(frame + 6, own[link], 6) == 0, "a frame from another station");
    insist(link == 0 || (tn_load16(frame + 12) == TN_ETHERTYPE_VLAN && tn_load16(frame + 14) == 5),
           "a frame without the tag of its VLAN");
    if (tn_load16(frame + at) != TN_ETHERTYPE_ARP)
        return;
    const struct tn_arp_packet *arp = (const void *)(frame + at + 2);
    insist(memcmp(arp->sender_lladdr, own[link], 6) == 0, "an ARP packet for another station");
    insist(is_own_address(arp->sender, link), "an ARP packet from another's address");
    bool link_local = arp->sender[0] == 169;
    insist(!link_local || memcmp(frame, "\xff\xff\xff\xff\xff\xff", 6) == 0,
           "an ARP packet from a link-local address that was not broadcast");
}

static void take_frames(void)
{
    static uint8_t frame[2000];
    ssize_t len;
    for (unsigned link = 0; link < 2; link++)
        while ((len = tn_host_receive(stack, links[link], frame, sizeof(frame))) >= 0)
            check_frame(frame, (size_t)len, link);
}

static void say(const uint8_t *frame, size_t len, unsigned link)
{
    struct tn_usage usage;
    tn_host_send(stack, links[link], frame, len);
    tn_sim_settle(sim);
    take_frames();
    tn_stack_usage(stack, &usage);
    insist(usage.neighbours <= NEIGHBOURS, "more neighbours than their limit");
}

static void pass(tn_time span)
{
    tn_sim_run(sim, span);
    take_frames();
}

/* ---- What others say ---- */

static void say_arp(const uint8_t *what)
{
    uint8_t frame[64] = {0}, *at = frame + 12;
    unsigned how = what[4];
    memcpy(frame, how & 16 ? own[0] : (const uint8_t *)"\xff\xff\xff\xff\xff\xff", 6);
    memcpy(frame + 6, (const uint8_t[]){2, 0, 0, 0, 7, what[1]}, 6);
    if (how & 2) {
        tn_store16(at, TN_ETHERTYPE_VLAN);
        at += 4;
    }
    if (how & 1) {
        tn_store16(at, sizeof(struct tn_ether_snap) + sizeof(struct tn_arp_packet));
        memcpy(at + 2, "\xaa\xaa\3\0\0\0", 6);
        at += 8;
    }
    tn_store16(at, TN_ETHERTYPE_ARP);
    struct tn_arp_packet *arp = (void *)(at + 2);
    arp->hardware = tn_to_be16(TN_ARP_HARDWARE_ETHERNET);
    arp->protocol = tn_to_be16(0x0800);
    arp->hardware_len = 6;
    arp->protocol_len = 4;
    arp->op = tn_to_be16(what[0] & 3);
    memcpy(arp->sender_lladdr, frame + 6, 6);
    if (!(how & 8))
        memcpy(arp->sender,
               how & 4 ? (const uint8_t[]){169, 254, what[0], what[2]} : (const uint8_t[]){10, 0, 7, what[2]},
               4);
    memcpy(arp->target, (const uint8_t[]){10, 0, 7, what[3]}, 4);
    say(frame, (size_t)(at + 2 - frame) + sizeof(*arp), 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tn_usage usage;
    if (!sim)
        start();
    struct tn_cursor c = tn_cursor(data, size);
    while (tn_left(&c) > 0) {
        unsigned what = tn_read8(&c) & 3;
        if (what == 3) {
            pass(tn_read16(&c) * TN_MSEC);
        } else if (what == 2) {
            const uint8_t *arp = tn_read_bytes(&c, 5);
            if (arp)
                say_arp(arp);
        } else {
            size_t len = tn_min(tn_read8(&c), tn_left(&c));
            say(tn_read_bytes(&c, len), len, what);
        }
    }
    pass(3600 * TN_SEC); /* addresses that were lost come back, neighbours are forgotten */
    tn_stack_usage(stack, &usage);
    insist(usage.packets == 0 && usage.neighbours == 0, "something is in use after an hour of silence");
    return 0;
}
