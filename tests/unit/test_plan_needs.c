/* Plans: what services listen on, claims, needs and the starting order. */
#include "plan_fixture.h"

#define TRANSPORTS                                                    \
    "protocols: { ether: {}, arp: {}, ipv4: {}, udp: {}, tcp: {} }\n" \
    "interfaces: { a: { driver: tap, addresses: [10.0.7.7/24, 10.0.7.8/24] } }\n"

/* The names in starting order. */
static void assert_order(const char *yaml, const char *expected)
{
    struct tn_plan *plan = plan_of(yaml);
    char names[512];
    struct tn_text out = tn_text_init(names, sizeof(names));
    for (size_t i = 0; i < plan->plugin_count; i++)
        tn_text_add(&out, "%s%s", i ? " " : "", plan->plugins[i].name);
    for (size_t i = 0; i < plan->interface_count; i++)
        assert_string_equal(plan->plugins[plan->interfaces[i].plugin].name, plan->interfaces[i].driver);
    tn_plan_free(plan);
    assert_string_equal(names, expected);
}

/* ---- listen: ---- */

static void refuse_listen(const char *listen, const char *expected)
{
    char text[512];
    snprintf(text, sizeof(text), TRANSPORTS "services: { echo: { listen: %s } }\n", listen);
    refuse(text, expected);
}

static void service_that_listens_must_be_told_where(void **state)
{
    refuse(TRANSPORTS "services:\n  echo: {}\n",
           "s.yaml:4:3: found no 'listen' in echo, expected 'listen: [TRANSPORT/PORT]'");
    refuse_listen("[]", "s.yaml:3:29: listen: found an empty list, expected a list of TRANSPORT/PORT or "
                        "TRANSPORT/ADDRESS:PORT, such as [tcp/7, 'udp/10.0.7.7:7']");
    refuse_listen("tcp/7", "s.yaml:3:29: listen: found 'tcp/7', expected a list of TRANSPORT/PORT or "
                           "TRANSPORT/ADDRESS:PORT, such as [tcp/7, 'udp/10.0.7.7:7']");
}

static void listen_of_the_wrong_form_is_refused(void **state)
{
    const char *wrong[] = {"7", "tcp", "/7", "tcp:7"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(wrong); i++) {
        char listen[32], expected[256];
        snprintf(listen, sizeof(listen), "['%s']", wrong[i]);
        snprintf(expected, sizeof(expected),
                 "s.yaml:3:30: listen: found '%s', expected TRANSPORT/PORT or TRANSPORT/ADDRESS:PORT",
                 wrong[i]);
        refuse_listen(listen, expected);
    }
    refuse_listen("[{}]",
                  "s.yaml:3:30: listen: found a mapping, expected TRANSPORT/PORT or TRANSPORT/ADDRESS:PORT");
}

static void bad_port_is_refused(void **state)
{
    const char *wrong[] = {"0", "65536", "x", "", "-1", "007", "123456"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(wrong); i++) {
        char listen[32], expected[256];
        snprintf(listen, sizeof(listen), "['tcp/%s']", wrong[i]);
        snprintf(expected, sizeof(expected),
                 "s.yaml:3:30: listen: found '%s' as the port, expected a number from 1 to 65535", wrong[i]);
        refuse_listen(listen, expected);
    }
    refuse_listen("['tcp/10.0.7.7']",
                  "s.yaml:3:30: listen: found '10.0.7.7' as the port, expected a number from 1 to "
                  "65535");
}

static void transport_that_is_not_there_is_refused(void **state)
{
    refuse_listen("[tpc/7]",
                  "s.yaml:3:30: listen: found 'tpc', which is no transport under protocols, expected udp or "
                  "tcp, did you mean 'tcp'?");
    refuse_listen(
        "[ipv4/7]",
        "s.yaml:3:30: listen: found 'ipv4', which is no transport under protocols, expected udp or tcp");
    refuse("services: { echo: { listen: [tcp/7] } }\n",
           "s.yaml:1:30: listen: found 'tcp', which is no transport under protocols, expected a transport, "
           "and there is none under protocols; add 'tcp: {}' under protocols:");
    refuse("protocols: { ipv4: {}, tcp: {} }\nservices: { echo: { listen: [udp/7] } }\n",
           "s.yaml:2:30: listen: found 'udp', which is no transport under protocols, expected tcp; add "
           "'udp: {}' under protocols:");
}

static void transport_without_ports_cannot_be_listened_on(void **state)
{
    refuse("protocols: { ping: {}, ipv4: {}, tcp: {}, udp: {} }\nservices: { echo: { listen: [ping/7] } }\n",
           "s.yaml:2:30: listen: found 'ping', which has no ports, expected tcp or udp");
    refuse("protocols: { ping: {} }\nservices: { echo: { listen: [ping/7] } }\n",
           "s.yaml:2:30: listen: found 'ping', which has no ports, expected a transport, and there is none "
           "under protocols");
}

static void several_transports_are_listed(void **state)
{
    add_plugin("quick", "transport", "provides = ipproto:253\n");
    refuse("protocols: { quick: {}, ipv4: {}, tcp: {}, udp: {} }\nservices: { echo: { listen: [sctp/7] } }\n",
           "s.yaml:2:30: listen: found 'sctp', which is no transport under protocols, expected quick, tcp or "
           "udp");
    remove_plugin("quick");
}

static void transport_without_a_number_is_refused(void **state)
{
    add_plugin("odd", "transport", "");
    refuse(
        "protocols: { odd: {} }\nservices: { echo: { listen: [odd/7] } }\n",
        "s.yaml:2:30: listen: found odd, which provides no ipproto:NUMBER, expected a transport that does");
    remove_plugin("odd");
}

static void bad_listen_address_is_refused(void **state)
{
    const char *wrong[] = {"10.0.7", "[10.0.7.7]", "fd00::7", "[]", "[fd00::7", "host"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(wrong); i++) {
        char listen[64], expected[256];
        snprintf(listen, sizeof(listen), "['tcp/%s:7']", wrong[i]);
        snprintf(expected, sizeof(expected),
                 "s.yaml:3:30: listen: found '%s', expected an address, such as 10.0.7.7 or [fd00::7]",
                 wrong[i]);
        refuse_listen(listen, expected);
    }
    refuse_listen("['tcp/0.0.0.0:7']",
                  "s.yaml:3:30: listen: found '0.0.0.0', expected an address, such as 10.0.7.7 or "
                  "[fd00::7], or none to listen on all");
}

static void listen_address_of_nobody_is_refused(void **state)
{
    refuse_listen(
        "['tcp/10.0.7.9:7']",
        "s.yaml:3:30: listen: found 10.0.7.9, which no interface has, expected an address of this stack");
    refuse_listen(
        "['tcp/[fd00::7]:7']",
        "s.yaml:3:30: listen: found fd00::7, which no interface has, expected an address of this stack");
}

static void listen_in_one_vrf_names_it_after_an_at(void **state)
{
    struct tn_plan *plan =
        plan_of(TRANSPORTS "services: { echo: { listen: [tcp/7@5, 'udp/10.0.7.7:7@0', tcp/8] } }\n");
    const struct tn_plan_listen *l = plan->plugins[plan->plugin_count - 1].listens;
    assert_int_equal(l[0].vrf, 5);
    assert_int_equal(l[0].port, 7);
    assert_int_equal(l[1].vrf, 0);
    assert_int_equal(l[1].family, AF_INET);
    assert_int_equal(l[2].vrf, TN_VRF_ANY);
    tn_plan_free(plan);
}

static void bad_vrf_of_a_listen_is_refused(void **state)
{
    const char *wrong[] = {"", "red", "-1", "65535", "5x"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(wrong); i++) {
        char listen[64], expected[256];
        snprintf(listen, sizeof(listen), "['tcp/7@%s']", wrong[i]);
        snprintf(expected, sizeof(expected),
                 "s.yaml:3:30: listen: found '%s' as the VRF, expected a number from 0 to 65534", wrong[i]);
        refuse_listen(listen, expected);
    }
    refuse_listen("['tcp/10.0.7.7:7@5']",
                  "s.yaml:3:30: listen: found 10.0.7.7, which no interface has in that VRF, "
                  "expected an address of it");
}

static void port_is_taken_once_in_a_vrf(void **state)
{
    tn_plan_free(
        plan_of(TRANSPORTS "services: { echo: { listen: [tcp/7@5, tcp/7@6, 'tcp/10.0.7.7:7@0'] } }\n"));
    tn_plan_free(
        plan_of(TRANSPORTS "services: { echo: { listen: ['tcp/10.0.7.8:7', 'tcp/10.0.7.7:7@0'] } }\n"));
    refuse_listen("[tcp/7@5, tcp/7@6, tcp/7@5]",
                  "s.yaml:3:48: found port 7 of tcp for echo, expected another: echo has it at line 3");
    refuse_listen("[tcp/7@5, tcp/7]",
                  "s.yaml:3:39: found port 7 of tcp for echo, expected another: echo has it at line 3");
    refuse_listen("['tcp/10.0.7.7:7', 'tcp/10.0.7.7:7@0']",
                  "s.yaml:3:48: found port 7 of tcp for echo, expected another: echo has it at line 3");
    refuse_listen("[tcp/7@0, 'tcp/10.0.7.7:7']",
                  "s.yaml:3:39: found port 7 of tcp for echo, expected another: echo has it at line 3");
}

static void group_address_can_be_listened_on(void **state)
{
    struct tn_plan *plan = plan_of(TRANSPORTS "services: { echo: { listen: ['udp/224.0.0.251:5353'] } }\n");
    tn_plan_free(plan);
}

static void port_taken_twice_is_refused(void **state)
{
    refuse(TRANSPORTS
           "services:\n  echo: { listen: [tcp/7, udp/7] }\n  discard: { listen: [udp/9, tcp/7] }\n",
           "s.yaml:5:30: found port 7 of tcp for discard, expected another: echo has it at line 4");
    refuse_listen("[tcp/7, tcp/7]",
                  "s.yaml:3:37: found port 7 of tcp for echo, expected another: echo has it at line 3");
}

static void port_on_all_addresses_takes_it_on_each(void **state)
{
    refuse(TRANSPORTS "services:\n  echo: { listen: ['tcp/10.0.7.7:7'] }\n  discard: { listen: [tcp/7] }\n",
           "s.yaml:5:23: found port 7 of tcp for discard, expected another: echo has it at line 4");
    refuse(TRANSPORTS "services:\n  echo: { listen: [tcp/7] }\n  discard: { listen: ['tcp/10.0.7.8:7'] }\n",
           "s.yaml:5:23: found port 7 of tcp for discard, expected another: echo has it at line 4");
    refuse(TRANSPORTS
           "services:\n  echo: { listen: ['tcp/10.0.7.8:7'] }\n  discard: { listen: ['tcp/10.0.7.8:7'] }\n",
           "s.yaml:5:23: found port 7 of tcp for discard, expected another: echo has it at line 4");
}

static void one_port_on_different_addresses_is_fine(void **state)
{
    tn_plan_free(plan_of(TRANSPORTS "services:\n  echo: { listen: ['tcp/10.0.7.7:7', 'udp/10.0.7.7:7'] }\n"
                                    "  discard: { listen: ['tcp/10.0.7.8:7'] }\n"));
}

/* ---- Claims ---- */

static void two_plugins_for_one_key_are_refused(void **state)
{
    add_plugin("rogue", "network", "provides = family:10 ethertype:0x0800\n");
    refuse("protocols:\n  ipv4: {}\n  rogue: {}\n",
           "s.yaml:3:3: found ipv4 and rogue, which both provide ethertype:0x0800, expected one of them");
    remove_plugin("rogue");
}

static void key_for_every_family_collides_with_that_for_one(void **state)
{
    add_plugin("rogue", "transport", "provides = ipproto:1\n");
    refuse("protocols:\n  rogue: {}\n  ipv4: {}\n  icmp: {}\n",
           "s.yaml:4:3: found rogue and icmp, which both provide ipproto:1@2, expected one of them");
    remove_plugin("rogue");
    add_plugin("rogue", "transport", "provides = ipproto:1@10\n");
    tn_plan_free(plan_of("protocols:\n  rogue: {}\n  ipv4: {}\n  icmp: {}\n"));
    remove_plugin("rogue");
}

/* ---- Needs ---- */

static void unmet_need_is_refused_with_who_would_meet_it(void **state)
{
    refuse("protocols:\n  tcp: {}\n",
           "s.yaml:2:3: tcp needs family:*, a network protocol; add 'ipv4: {}' under protocols:");
    refuse("protocols:\n  arp: {}\n",
           "s.yaml:2:3: arp needs family:2, a network protocol; add 'ipv4: {}' under protocols:");
    refuse("services:\n  probe: { target: x }\n",
           "s.yaml:2:3: probe needs ipproto:17, a protocol with this IP protocol "
           "number; add 'udp: {}' under protocols:");
}

static void several_who_would_meet_it_are_all_named(void **state)
{
    add_plugin("ipv6", "network", "provides = ethertype:0x86dd family:10\n");
    refuse(
        "protocols:\n  tcp: {}\n",
        "s.yaml:2:3: tcp needs family:*, a network protocol; add 'ipv4: {}' or 'ipv6: {}' under protocols:");
    remove_plugin("ipv6");
}

static void need_that_nobody_meets_is_refused(void **state)
{
    add_plugin("lonely", "protocol", "needs = ethertype:0x88b5\n");
    refuse("protocols:\n  lonely: {}\n",
           "s.yaml:2:3: lonely needs ethertype:0x88b5, a protocol with this ethertype; no "
           "plugin in DIR provides it");
    remove_plugin("lonely");
}

static void interface_needs_the_framing_of_its_link(void **state)
{
    refuse("interfaces:\n  a: { driver: tap }\n", "s.yaml:2:3: a: tap needs linktype:1, a framing for this "
                                                  "type of link; add 'ether: {}' under protocols:");
}

static void need_of_an_interface_depends_on_its_options(void **state)
{
    refuse("interfaces:\n  a: { driver: host }\n  b: { driver: host, mode: ip }\nprotocols: { ether: {} }\n",
           "s.yaml:3:3: b: host needs linktype:2?mode=ip, a framing for this type of link; add 'rawip: {}' "
           "under "
           "protocols:");
    refuse("interfaces:\n  a: { driver: host }\n  b: { driver: host, mode: ip }\nprotocols: { rawip: {} }\n",
           "s.yaml:2:3: a: host needs linktype:1?mode=ethernet, a framing for this type of link; add "
           "'ether: {}' under "
           "protocols:");
    tn_plan_free(plan_of("interfaces:\n  b: { driver: host, mode: ip }\nprotocols: { rawip: {} }\n"));
}

static void address_needs_its_family(void **state)
{
    refuse("interfaces:\n  a: { driver: tap, addresses: [10.0.7.7/24] }\nprotocols: { ether: {} }\n",
           "s.yaml:2:33: 10.0.7.7/24 needs family:2, a network protocol; add 'ipv4: {}' under protocols:");
    refuse(
        "interfaces:\n  a: { driver: tap, addresses: ['fd00::7/64'] }\nprotocols: { ether: {}, ipv4: {} }\n",
        "s.yaml:2:33: fd00::7/64 needs family:10, a network protocol; no plugin in DIR provides it");
    refuse("interfaces:\n  a: { driver: tap, routes: [{ to: 10.0.0.0/8 }] }\nprotocols: { ether: {} }\n",
           "s.yaml:2:36: 10.0.0.0/8 needs family:2, a network protocol; add 'ipv4: {}' under protocols:");
}

static void address_on_ethernet_needs_who_finds_its_neighbours(void **state)
{
    refuse(
        "interfaces:\n  a: { driver: tap, addresses: [10.0.7.7/24] }\nprotocols: { ether: {}, ipv4: {} }\n",
        "s.yaml:2:33: 10.0.7.7/24 on an Ethernet link needs resolver:2, a finder of neighbours' link "
        "addresses; add 'arp: {}' under protocols:");
    tn_plan_free(plan_of("interfaces:\n  a: { driver: host, mode: ip, addresses: [10.0.7.7/24] }\n"
                         "protocols: { rawip: {}, ipv4: {} }\n"));
}

static void plugin_can_meet_its_own_need(void **state)
{
    add_plugin("own", "network", "provides = family:9\nneeds = family:*\n");
    tn_plan_free(plan_of("protocols: { own: {} }\n"));
    remove_plugin("own");
}

static void needs_in_a_circle_are_refused(void **state)
{
    add_plugin("hen", "protocol", "provides = ethertype:0x0601\nneeds = ethertype:0x0602\n");
    add_plugin("egg", "protocol", "provides = ethertype:0x0602\nneeds = ethertype:0x0601\n");
    add_plugin("farm", "protocol", "needs = ethertype:0x0601\n");
    refuse("protocols:\n  farm: {}\n  egg: {}\n  hen: {}\n",
           "s.yaml:4:3: found needs that go in a circle (hen needs egg needs hen), expected one without");
    remove_plugin("hen");
    remove_plugin("egg");
    remove_plugin("farm");
}

/* ---- Order ---- */

static void drivers_come_first_and_services_last(void **state)
{
    assert_order("services: { echo: { listen: [tcp/7] } }\n"
                 "protocols: { tcp: {}, udp: {}, icmp: {}, arp: {}, ipv4: {}, rawip: {}, ether: {} }\n"
                 "interfaces: { a: { driver: tap }, b: { driver: host }, c: { driver: tap } }\n",
                 "tap host rawip ether ipv4 icmp arp tcp udp echo");
}

static void order_within_a_kind_is_that_of_the_file(void **state)
{
    assert_order("protocols: { ipv4: {}, udp: {}, tcp: {} }\n", "ipv4 udp tcp");
    assert_order("protocols: { tcp: {}, udp: {}, ipv4: {} }\n", "ipv4 tcp udp");
}

static void provider_comes_before_who_needs_it(void **state)
{
    add_plugin("upper", "framing", "needs = ethertype:0x0601\n");
    add_plugin("lower", "transport", "provides = ethertype:0x0601\nneeds = family:*\n");
    assert_order("protocols: { upper: {}, lower: {}, ipv4: {} }\n", "ipv4 lower upper");
    remove_plugin("upper");
    remove_plugin("lower");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(service_that_listens_must_be_told_where),
        cmocka_unit_test(listen_of_the_wrong_form_is_refused),
        cmocka_unit_test(bad_port_is_refused),
        cmocka_unit_test(transport_that_is_not_there_is_refused),
        cmocka_unit_test(transport_without_ports_cannot_be_listened_on),
        cmocka_unit_test(several_transports_are_listed),
        cmocka_unit_test(transport_without_a_number_is_refused),
        cmocka_unit_test(bad_listen_address_is_refused),
        cmocka_unit_test(listen_address_of_nobody_is_refused),
        cmocka_unit_test(listen_in_one_vrf_names_it_after_an_at),
        cmocka_unit_test(bad_vrf_of_a_listen_is_refused),
        cmocka_unit_test(port_is_taken_once_in_a_vrf),
        cmocka_unit_test(group_address_can_be_listened_on),
        cmocka_unit_test(port_taken_twice_is_refused),
        cmocka_unit_test(port_on_all_addresses_takes_it_on_each),
        cmocka_unit_test(one_port_on_different_addresses_is_fine),
        cmocka_unit_test(two_plugins_for_one_key_are_refused),
        cmocka_unit_test(key_for_every_family_collides_with_that_for_one),
        cmocka_unit_test(unmet_need_is_refused_with_who_would_meet_it),
        cmocka_unit_test(several_who_would_meet_it_are_all_named),
        cmocka_unit_test(need_that_nobody_meets_is_refused),
        cmocka_unit_test(interface_needs_the_framing_of_its_link),
        cmocka_unit_test(need_of_an_interface_depends_on_its_options),
        cmocka_unit_test(address_needs_its_family),
        cmocka_unit_test(address_on_ethernet_needs_who_finds_its_neighbours),
        cmocka_unit_test(plugin_can_meet_its_own_need),
        cmocka_unit_test(needs_in_a_circle_are_refused),
        cmocka_unit_test(drivers_come_first_and_services_last),
        cmocka_unit_test(order_within_a_kind_is_that_of_the_file),
        cmocka_unit_test(provider_comes_before_who_needs_it),
    };
    return cmocka_run_group_tests(tests, make_plugins, remove_directory);
}
