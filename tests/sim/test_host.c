/* Host links: what an embedding program hands over and takes, as Ethernet frames and as IP packets. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dispatch.h"
#include "frames.h"
#include "interface.h"

static struct tn_sim *sim;
static struct tn_stack *stack;

static void make(const char *yaml)
{
    sim = frames_sim(1);
    stack = frames_stack(sim, yaml);
}

static int end(void **state)
{
    tn_sim_destroy(sim);
    return 0;
}

static void make_ethernet(void)
{
    make("stack: { name: host }\n"
         "interfaces: { h0: { driver: host, mac: \"02:00:00:00:00:01\" } }\n"
         "protocols: { ether: {} }\n");
}

static void make_ip(void)
{
    make("stack: { name: host }\n"
         "interfaces: { h0: { driver: host, mode: ip, mtu: 1400 } }\n"
         "protocols: { rawip: {} }\n");
}

static const struct tn_interface *h0(void)
{
    return &tn_interface_by_name(stack, "h0")->pub;
}

static void transmit(uint16_t ethertype, const char *text)
{
    struct tn_ifc *ifc = tn_interface_by_name(stack, "h0");
    struct tn_packet *packet = tn_packet_new(&stack->pool, strlen(text));
    memcpy(packet->data, text, strlen(text));
    tn_core_frame_output(tn_core_self(stack), &ifc->pub, packet, ifc->pub.broadcast, ethertype);
    tn_sim_settle(sim);
}

static void ethernet_is_the_default(void **state)
{
    make_ethernet();
    assert_int_equal(h0()->link_type, TN_LINK_ETHERNET);
    assert_int_equal(h0()->lladdr_len, 6);
    assert_int_equal(h0()->mtu, 1500);
}

static void frame_handed_over_reaches_its_protocol(void **state)
{
    make_ethernet();
    struct probe probe;
    probe_start(&probe, stack);
    static const uint8_t frame[20] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5, 'h', 'i'};
    assert_int_equal(tn_host_send(stack, "h0", frame, sizeof(frame)), 0);
    assert_int_equal(probe.packets, 0); /* worked on in the next step */
    tn_sim_settle(sim);
    assert_int_equal(probe.packets, 1);
    assert_int_equal(probe.len, 6);
    assert_memory_equal(probe.data, "hi", 2);
    assert_int_equal(h0()->rx_packets, 1);
    assert_int_equal(h0()->rx_bytes, 20);
    probe_stop(&probe);
}

static void sent_frames_are_taken_in_order_and_once(void **state)
{
    uint8_t frame[100];
    make_ethernet();
    transmit(0x88b5, "one");
    transmit(0x88b5, "two");
    assert_int_equal(tn_host_receive(stack, "h0", frame, sizeof(frame)), 60);
    assert_memory_equal(frame + 14, "one", 3);
    assert_int_equal(tn_host_receive(stack, "h0", frame, 17), 60); /* cut, but its length is told */
    assert_memory_equal(frame + 14, "two", 3);
    assert_int_equal(tn_host_receive(stack, "h0", frame, sizeof(frame)), -EAGAIN);
    assert_int_equal(h0()->tx_packets, 2);
}

static void more_frames_than_the_budget_of_a_step_all_arrive(void **state)
{
    make_ethernet();
    struct probe probe;
    probe_start(&probe, stack);
    static const uint8_t frame[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};
    for (int i = 0; i < 1000; i++)
        assert_int_equal(tn_host_send(stack, "h0", frame, sizeof(frame)), 0);
    tn_sim_settle(sim);
    assert_int_equal(probe.packets, 1000);
    probe_stop(&probe);
}

static void ip_mode_has_no_link_addresses(void **state)
{
    make_ip();
    assert_int_equal(h0()->link_type, TN_LINK_IP);
    assert_int_equal(h0()->lladdr_len, 0);
    assert_int_equal(h0()->mtu, 1400);
}

static void ip_mode_sends_packets_as_they_are(void **state)
{
    uint8_t frame[100];
    make_ip();
    transmit(0x0800, "E: a packet");
    assert_int_equal(tn_host_receive(stack, "h0", frame, sizeof(frame)), 11);
    assert_memory_equal(frame, "E: a packet", 11);
}

static void receive_version(unsigned version)
{
    uint8_t packet[20] = {(uint8_t)(version << 4)};
    assert_int_equal(tn_host_send(stack, "h0", packet, sizeof(packet)), 0);
    tn_sim_settle(sim);
}

/* Nobody serves IP in this stack: the reasons tell how far each packet came. */
static void ip_mode_tells_versions_apart(void **state)
{
    make_ip();
    receive_version(4);
    assert_int_equal(tn_stack_drops(stack, "rawip", "no-network"), 1);
    receive_version(6);
    assert_int_equal(tn_stack_drops(stack, "rawip", "no-network"), 2);
    for (unsigned version = 0; version < 16; version++)
        if (version != 4 && version != 6)
            receive_version(version);
    assert_int_equal(tn_stack_drops(stack, "rawip", "bad-version"), 14);
    assert_int_equal(tn_stack_drops(stack, "rawip", "no-network"), 2);
}

static void ip_mode_drops_an_empty_packet(void **state)
{
    make_ip();
    assert_int_equal(tn_host_send(stack, "h0", "", 0), 0);
    tn_sim_settle(sim);
    assert_int_equal(tn_stack_drops(stack, "rawip", "empty"), 1);
    struct tn_usage usage;
    tn_stack_usage(stack, &usage);
    assert_int_equal(usage.packets, 0);
}

static void ip_mode_without_rawip_is_refused(void **state)
{
    struct tn_error error;
    sim = frames_sim(1);
    assert_true(tn_sim_add(sim,
                           "stack: { name: host }\n"
                           "interfaces: { h0: { driver: host, mode: ip } }\n"
                           "protocols: { ether: {} }\n",
                           &stack, &error) < 0);
    assert_non_null(strstr(error.text, "h0: "));
    assert_non_null(strstr(error.text, "linktype:2"));
}

#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(ethernet_is_the_default),
        TEST(frame_handed_over_reaches_its_protocol),
        TEST(sent_frames_are_taken_in_order_and_once),
        TEST(more_frames_than_the_budget_of_a_step_all_arrive),
        TEST(ip_mode_has_no_link_addresses),
        TEST(ip_mode_sends_packets_as_they_are),
        TEST(ip_mode_tells_versions_apart),
        TEST(ip_mode_drops_an_empty_packet),
        TEST(ip_mode_without_rawip_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
