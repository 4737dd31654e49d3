/* Link-local addresses (RFC 3927): when one is chosen and which, what happens when another station has it, and which way its packets
 * go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

#include "address.h"
#include "dhcp.h"
#include "net.h"
#include "route.h"
#include "stack.h"

#define YAML(mac, addresses, options)                                           \
    "stack: { name: net }\n"                                                    \
    "interfaces: { h0: { driver: host, mac: \"" mac "\"" addresses " } }\n"     \
    "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {}, tcp: {} }\n" \
    "services: { linklocal: { interface: h0" options " } }\n"
#define ROUTABLE ", addresses: [10.0.7.7/24], routes: [{ to: default, via: 10.0.7.1 }]"

static struct net net;

static void finish(void)
{
    tn_sim_destroy(net.sim);
}

/* ---- What is there ---- */

static char chosen[16]; /* the link-local address on h0, "" if there is none */
static enum tn_address_state chosen_state;

static void note_address(void *context, const struct tn_address *a)
{
    if (a->addr.bytes[0] != 169)
        return;
    inet_ntop(AF_INET, a->addr.bytes, chosen, sizeof(chosen));
    chosen_state = a->state;
}

static const char *look(void)
{
    chosen[0] = '\0';
    tn_address_each(net.stack, note_address, NULL);
    return chosen;
}

/* Lets the stack choose and use an address. */
static const char *acquire(tn_time span)
{
    net_pass(&net, span);
    assert_string_not_equal(look(), "");
    assert_int_equal(chosen_state, TN_ADDRESS_IN_USE);
    (void)net_take_all(&net);
    return chosen;
}

static struct net_arp arp_from(const char *lladdr, const char *sender, const char *target)
{
    return (struct net_arp){
        .to = NET_ALL, .from = lladdr, .op = 1, .sha = lladdr, .spa = sender, .tha = NET_NONE, .tpa = target};
}

static void say(const char *lladdr, const char *sender, const char *target)
{
    struct net_arp arp = arp_from(lladdr, sender, target);
    net_send_arp(&net, &arp);
}

static char source[16];

/* The next hop of the path to `dst`, from `src` ("": to be chosen); "" if there is none. */
static const char *hop_to(const char *src, const char *dst)
{
    static struct net_frame frame;
    static char hop[16];
    struct tn_addr s = {.half = {0, 0}}, d = {.half = {0, 0}};
    struct tn_path path = {.generation = 0};
    (void)tn_stack_step(net.stack); /* its clock is that of its last batch */
    if (src[0])
        inet_pton(AF_INET, src, s.bytes);
    inet_pton(AF_INET, dst, d.bytes);
    if (tn_core_path_find(tn_core_self(net.stack), AF_INET, 0, &s, &d, &path) < 0)
        return "";
    inet_ntop(AF_INET, s.bytes, source, sizeof(source));
    struct tn_packet *packet = tn_packet_new(&net.stack->pool, 20);
    memset(packet->data, 0, 20);
    packet->src = s;
    packet->family = AF_INET;
    (void)tn_core_path_output(tn_core_self(net.stack), packet, &path, 0x0800);
    tn_sim_settle(net.sim);
    if (!net_take_frame(&net, &frame) || tn_load16(frame.bytes + 12) != 0x0806)
        return "";
    inet_ntop(AF_INET, frame.bytes + 38, hop, sizeof(hop)); /* whom it asks for */
    return hop;
}

/* ---- Choosing ---- */

/* conformance: 3927 2.1 */
static void address_is_between_the_reserved_ones(void **state)
{
    net_begin(&net, YAML("02:00:00:00:07:07", "", ", mode: always"));
    net_pass(&net, TN_SEC);
    uint32_t host = 0, low = 65535, high = 0;
    for (int i = 0; i < 9; i++) { /* each is taken by another */
        uint8_t a[4];
        assert_int_equal(inet_pton(AF_INET, look(), a), 1);
        host = (uint32_t)a[2] << 8 | a[3];
        low = host < low ? host : low;
        high = host > high ? host : high;
        char taken[16];
        memcpy(taken, chosen, sizeof(taken));
        say(NET_OTHER, taken, taken);
        net_pass(&net, TN_MSEC);
        assert_string_not_equal(look(), taken);
    }
    assert_true(low >= 0x0100 && high <= 0xfeff);
    assert_true(high - low > 0x1000); /* not one after the other */
    finish();
}

/* conformance: 3927 2.1-seed */
static void choice_is_the_same_each_time_and_another_for_another_station(void **state)
{
    char first[16], second[16];
    net_begin(&net, YAML("02:00:00:00:07:07", "", ", mode: always"));
    snprintf(first, sizeof(first), "%s", acquire(10 * TN_SEC));
    finish();
    net_begin(&net, YAML("02:00:00:00:07:07", "", ", mode: always"));
    snprintf(second, sizeof(second), "%s", acquire(10 * TN_SEC));
    finish();
    assert_string_equal(first, second);
    net_begin(&net, YAML("02:00:00:00:07:08", "", ", mode: always"));
    assert_string_not_equal(acquire(10 * TN_SEC), first);
    finish();
}

/* ---- The address of last time ---- */

static char directory[64];

/* A stack that finds in its directory what the one before has left there. */
static void begin_with_state(const char *yaml)
{
    struct tn_error error;
    net = (struct net){.sim = tn_sim_create(7)};
    tn_sim_plugin_path(net.sim, TN_TEST_PLUGIN_DIR);
    tn_sim_state_directory(net.sim, directory);
    if (tn_sim_add(net.sim, yaml, &net.stack, &error) < 0)
        fail_msg("%s", error.text);
}

static void make_directory(void)
{
    snprintf(directory, sizeof(directory), "/tmp/tenon-linklocal-XXXXXX");
    assert_non_null(mkdtemp(directory));
}

static const char *kept_file(void)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/net.linklocal.h0", directory);
    return path;
}

static void keep_bytes(const void *bytes, size_t len)
{
    FILE *file = fopen(kept_file(), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static void remove_directory(void)
{
    assert_int_equal(unlink(kept_file()), 0);
    assert_int_equal(rmdir(directory), 0);
}

/* conformance: 3927 2.1-kept */
static void address_of_last_time_is_tried_first(void **state)
{
    char first[16], second[16];
    make_directory();
    begin_with_state(YAML("02:00:00:00:07:07", "", ", mode: always"));
    net_pass(&net, 2 * TN_SEC);
    snprintf(first, sizeof(first), "%s", look());
    say(NET_OTHER, first, first); /* another has the first choice, this time */
    snprintf(second, sizeof(second), "%s", acquire(10 * TN_SEC));
    assert_string_not_equal(first, second);
    finish();
    begin_with_state(YAML("02:00:00:00:07:07", "", ", mode: always"));
    assert_string_equal(acquire(10 * TN_SEC), second);
    finish();
    remove_directory();
}

/* conformance: 3927 2.1-kept */
static void address_of_last_time_is_given_up_for_another_if_it_is_taken_now(void **state)
{
    static const uint8_t kept[] = {169, 254, 77, 88};
    make_directory();
    keep_bytes(kept, sizeof(kept));
    begin_with_state(YAML("02:00:00:00:07:07", "", ", mode: always"));
    net_pass(&net, 2 * TN_SEC);
    assert_string_equal(look(), "169.254.77.88");
    say(NET_OTHER, "169.254.77.88", "169.254.77.88");
    assert_string_not_equal(acquire(10 * TN_SEC), "169.254.77.88");
    finish();
    remove_directory();
}

static void kept_address_that_cannot_be_one_is_ignored(void **state)
{
    static const struct {
        uint8_t bytes[5];
        uint8_t len;
    } bad[] = {{{10, 0, 7, 7}, 4}, {{169, 254, 0, 9}, 4},    {{169, 254, 255, 9}, 4},  {{169, 254, 1}, 3},
               {{0}, 0},           {{169, 254, 1, 1, 1}, 5}, {{255, 255, 255, 255}, 4}};
    char expected[16];
    net_begin(&net, YAML("02:00:00:00:07:07", "", ", mode: always"));
    snprintf(expected, sizeof(expected), "%s", acquire(10 * TN_SEC));
    finish();
    for (size_t i = 0; i < TN_ARRAY_SIZE(bad); i++) {
        make_directory();
        keep_bytes(bad[i].bytes, bad[i].len);
        begin_with_state(YAML("02:00:00:00:07:07", "", ", mode: always"));
        assert_string_equal(acquire(10 * TN_SEC), expected);
        finish();
        remove_directory();
    }
}

/* conformance: 3927 2.2; 3927 2.4 */
static void address_is_probed_before_and_announced(void **state)
{
    static struct net_frame expected, frame;
    unsigned probes = 0, announcements = 0;
    net_begin(&net, YAML("02:00:00:00:07:07", "", ", mode: always"));
    net_pass(&net, 3 * TN_SEC);
    assert_string_not_equal(look(), "");
    assert_int_equal(chosen_state, TN_ADDRESS_TENTATIVE);
    net_pass(&net, 10 * TN_SEC);
    look();
    assert_int_equal(chosen_state, TN_ADDRESS_IN_USE);
    while (net_take_frame(&net, &frame)) {
        struct net_arp probe = arp_from(NET_OWN, "0.0.0.0", chosen), told = arp_from(NET_OWN, chosen, chosen);
        net_build_arp(&probe, &expected);
        probes += memcmp(frame.bytes, expected.bytes, expected.len) == 0;
        net_build_arp(&told, &expected);
        announcements += memcmp(frame.bytes, expected.bytes, expected.len) == 0;
    }
    assert_int_equal(probes, 3);
    assert_int_equal(announcements, 2);
    finish();
}

/* ---- Fallback ---- */

static void nothing_is_chosen_where_there_is_an_address(void **state)
{
    net_begin(&net, YAML("02:00:00:00:07:07", ROUTABLE, ""));
    net_pass(&net, 60 * TN_SEC);
    assert_string_equal(look(), "");
    finish();
}

static void an_address_is_chosen_after_ten_seconds_without_one(void **state)
{
    net_begin(&net, YAML("02:00:00:00:07:07", "", ""));
    net_pass(&net, 9900 * TN_MSEC);
    assert_string_equal(look(), "");
    (void)acquire(10 * TN_SEC);
    finish();
}

/* conformance: 3927 1.9-lost */
static void an_address_is_chosen_when_the_last_one_is_lost(void **state)
{
    net_begin(&net, YAML("02:00:00:00:07:07", ROUTABLE, ""));
    net_pass(&net, 60 * TN_SEC);
    say(NET_OTHER, "10.0.7.7", "10.0.7.7");
    say(NET_OTHER, "10.0.7.7", "10.0.7.7");
    net_pass(&net, 9900 * TN_MSEC);
    assert_string_equal(look(), "");
    (void)acquire(10 * TN_SEC);
    finish();
}

/* conformance: 3927 1.9-retain */
static void chosen_address_stays_when_a_routable_one_comes(void **state)
{
    net_begin(&net, YAML("02:00:00:00:07:07", "", ""));
    (void)acquire(20 * TN_SEC);
    struct tn_address a = {.ifindex = 1, .family = AF_INET, .prefix_len = 24};
    assert_int_equal(inet_pton(AF_INET, "10.0.7.7", a.addr.bytes), 1);
    assert_int_equal(tn_address_add(net.stack, &a), 0);
    (void)acquire(60 * TN_SEC);
    finish();
}

/* conformance: 3927 1.9-dhcp */
static void dhcp_goes_on_and_its_address_is_preferred(void **state)
{
    static struct dhcp_seen seen;
    static struct dhcp_said said;
    net_begin(&net, "stack: { name: net }\n"
                    "interfaces: { h0: { driver: host, mac: \"02:00:00:00:07:07\" } }\n"
                    "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {}, tcp: {} }\n"
                    "services: { dhcp: { interface: h0 }, linklocal: { interface: h0 } }\n");
    char own[16];
    snprintf(own, sizeof(own), "%s", acquire(30 * TN_SEC)); /* no server answers */
    dhcp_expect(&net, 70 * TN_SEC, DISCOVER, &seen);
    assert_string_equal(seen.src, "0.0.0.0");
    dhcp_answer(&said, &seen, OFFER, "10.0.7.7");
    dhcp_add_usual(&said, 3600);
    dhcp_say(&net, &said);
    dhcp_expect(&net, TN_SEC, REQUEST, &seen);
    dhcp_answer(&said, &seen, ACK, "10.0.7.7");
    dhcp_add_usual(&said, 3600);
    dhcp_say(&net, &said);
    assert_string_equal(acquire(30 * TN_SEC), own);
    assert_string_equal(hop_to("", "10.0.7.2"), "10.0.7.2");
    assert_string_equal(source, "10.0.7.7");
    finish();
}

/* ---- Conflicts ---- */

/* conformance: 3927 2.2.1-new */
static void another_is_chosen_when_a_probe_is_answered(void **state)
{
    char first[16];
    net_begin(&net, YAML("02:00:00:00:07:07", "", ", mode: always"));
    net_pass(&net, 2 * TN_SEC);
    snprintf(first, sizeof(first), "%s", look());
    say(NET_OTHER, first, "169.254.1.1");
    assert_string_not_equal(acquire(10 * TN_SEC), first);
    finish();
}

/* conformance: 3927 2.2.1-rate */
static void choices_are_a_minute_apart_after_ten_conflicts(void **state)
{
    char first[16];
    net_begin(&net, YAML("02:00:00:00:07:07", "", ", mode: always"));
    net_pass(&net, TN_MSEC);
    for (int i = 0; i < 10; i++) {
        say(NET_OTHER, look(), "169.254.1.1");
        net_pass(&net, TN_MSEC);
    }
    (void)net_take_all(&net);
    snprintf(first, sizeof(first), "%s", look());
    net_pass(&net, 59 * TN_SEC);
    net_expect_nothing(&net); /* no probe of the eleventh */
    assert_string_equal(acquire(10 * TN_SEC), first);
    finish();
}

/* conformance: 3927 2.5 */
static void address_is_defended_once_then_another_is_chosen_at_once(void **state)
{
    char first[16];
    net_begin(&net, YAML("02:00:00:00:07:07", "", ""));
    snprintf(first, sizeof(first), "%s", acquire(30 * TN_SEC));
    say(NET_OTHER, first, first);
    struct net_arp defence = arp_from(NET_OWN, first, first);
    net_expect_arp(&net, &defence);
    assert_string_equal(look(), first);
    say(NET_OTHER, first, first);
    assert_string_not_equal(acquire(8 * TN_SEC), first);
    finish();
}

/* conformance: 3927 2.5-broadcast */
static void arp_from_it_goes_to_everybody(void **state)
{
    net_begin(&net, YAML("02:00:00:00:07:07", "", ""));
    const char *own = acquire(30 * TN_SEC);
    say(NET_PEER, "169.254.3.3", own);
    net_expect_arp(&net, &(struct net_arp){.to = NET_ALL,
                                           .from = NET_OWN,
                                           .op = 2,
                                           .sha = NET_OWN,
                                           .spa = own,
                                           .tha = NET_PEER,
                                           .tpa = "169.254.3.3"});
    finish();
}

/* ---- Which way ---- */

/* conformance: 3927 2.6.1; 3927 2.6.2; 3927 2.7 */
static void packets_of_a_link_local_address_never_go_to_a_router(void **state)
{
    net_begin(&net, YAML("02:00:00:00:07:07", ROUTABLE, ", mode: always"));
    char own[16];
    snprintf(own, sizeof(own), "%s", acquire(30 * TN_SEC));
    assert_string_equal(hop_to("", "192.0.2.1"), "10.0.7.1"); /* the router, from the routable address */
    assert_string_equal(source, "10.0.7.7");
    assert_string_equal(hop_to(own, "192.0.2.2"), "192.0.2.2");
    assert_string_equal(hop_to("", "169.254.9.9"), "169.254.9.9");
    assert_string_equal(source, own);
    assert_string_equal(hop_to("10.0.7.7", "169.254.9.8"), "169.254.9.8");
    finish();
}

/* conformance: 3927 2.6.2-routable */
static void link_local_destinations_are_on_the_link_without_such_an_address(void **state)
{
    net_start(&net, YAML("02:00:00:00:07:07", ROUTABLE, ""));
    assert_string_equal(hop_to("", "169.254.9.9"), "169.254.9.9"); /* though there is a default route */
    assert_string_equal(source, "10.0.7.7");
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(address_is_between_the_reserved_ones),
        cmocka_unit_test(choice_is_the_same_each_time_and_another_for_another_station),
        cmocka_unit_test(address_of_last_time_is_tried_first),
        cmocka_unit_test(address_of_last_time_is_given_up_for_another_if_it_is_taken_now),
        cmocka_unit_test(kept_address_that_cannot_be_one_is_ignored),
        cmocka_unit_test(address_is_probed_before_and_announced),
        cmocka_unit_test(nothing_is_chosen_where_there_is_an_address),
        cmocka_unit_test(an_address_is_chosen_after_ten_seconds_without_one),
        cmocka_unit_test(an_address_is_chosen_when_the_last_one_is_lost),
        cmocka_unit_test(chosen_address_stays_when_a_routable_one_comes),
        cmocka_unit_test(dhcp_goes_on_and_its_address_is_preferred),
        cmocka_unit_test(another_is_chosen_when_a_probe_is_answered),
        cmocka_unit_test(choices_are_a_minute_apart_after_ten_conflicts),
        cmocka_unit_test(address_is_defended_once_then_another_is_chosen_at_once),
        cmocka_unit_test(arp_from_it_goes_to_everybody),
        cmocka_unit_test(packets_of_a_link_local_address_never_go_to_a_router),
        cmocka_unit_test(link_local_destinations_are_on_the_link_without_such_an_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
