/* Plans: interfaces, addresses and routes. */
#include "plan_fixture.h"

#define PROTOCOLS "protocols: { ether: {}, arp: {}, ipv4: {} }\n"

/* An interface `a` of driver tap with these keys; they begin at 1:31. */
static void refuse_keys(const char *keys, const char *expected)
{
    char text[2048];
    snprintf(text, sizeof(text), "interfaces: { a: { driver: tap, %s } }\n" PROTOCOLS, keys);
    refuse(text, expected);
}

static struct tn_plan *plan_with(const char *keys)
{
    char text[2048];
    snprintf(text, sizeof(text), "interfaces: { a: { driver: tap, %s } }\n" PROTOCOLS, keys);
    return plan_of(text);
}

/* ---- The interface ---- */

static void interface_without_a_driver_is_refused(void **state)
{
    refuse("interfaces:\n  a:\n", "s.yaml:2:3: found no 'driver' in a, expected 'driver: NAME'");
    refuse("interfaces:\n  a: { mtu: 1500 }\n",
           "s.yaml:2:3: found no 'driver' in a, expected 'driver: NAME'");
    refuse("interfaces:\n  a: { driver: }\n",
           "s.yaml:2:16: driver: found nothing, expected the name of a link driver");
    refuse("interfaces:\n  a: tap\n",
           "s.yaml:2:6: a: found 'tap', expected a mapping with at least 'driver: NAME'");
}

static void interface_given_twice_is_refused(void **state)
{
    refuse("interfaces:\n  a: { driver: tap }\n  a: { driver: tap }\n",
           "s.yaml:3:3: found the key 'a' a second time, expected it once (first at line 2)");
}

static void bad_interface_name_is_refused(void **state)
{
    const char *wrong[] = {"a/b", "'a b'", "-a", "sixteen-letters-", ".", "'..'", "ä"};
    const char *shown[] = {"a/b", "a b", "-a", "sixteen-letters-", ".", "..", "ä"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(wrong); i++) {
        char text[128], expected[256];
        snprintf(text, sizeof(text), "interfaces:\n  %s: { driver: tap }\n", wrong[i]);
        snprintf(expected, sizeof(expected),
                 "s.yaml:2:3: found '%s' as the name of an interface, expected letters, "
                 "digits and . _ -, at most 15",
                 shown[i]);
        refuse(text, expected);
    }
}

static void too_many_interfaces_are_refused(void **state)
{
    char text[16384] = "interfaces:\n";
    for (int i = 0; i < 257; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "  i%d: { driver: tap }\n", i);
    refuse(text, "s.yaml:2:3: found 257 interfaces, expected at most 256");
}

static void mac_is_six_bytes_of_a_host(void **state)
{
    struct tn_plan *plan = plan_with("mac: \"0A:1b:2C:3d:4e:FF\"");
    assert_memory_equal(plan->interfaces[0].mac, "\x0a\x1b\x2c\x3d\x4e\xff", 6);
    tn_plan_free(plan);
    const char *words = "expected the link address of a host, such as \"02:00:00:00:07:07\"";
    const char *wrong[] = {"02:00:00:00:07", "02:00:00:00:07:0", "02-00-00-00-07-07", "02:00:00:00:07:0g",
                           "x"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(wrong); i++) {
        char keys[64], expected[256];
        snprintf(keys, sizeof(keys), "mac: '%s'", wrong[i]);
        snprintf(expected, sizeof(expected), "s.yaml:1:38: mac: found '%s', %s", wrong[i], words);
        refuse_keys(keys, expected);
    }
    refuse_keys("mac: '01:00:5e:00:00:01'",
                "s.yaml:1:38: mac: found 01:00:5e:00:00:01, a group address, expected the "
                "link address of a host, such as \"02:00:00:00:07:07\"");
    refuse_keys("mac: '00:00:00:00:00:00'",
                "s.yaml:1:38: mac: found 00:00:00:00:00:00, all zero, expected the link "
                "address of a host, such as \"02:00:00:00:07:07\"");
}

static void vlan_is_from_1_to_4094(void **state)
{
    struct tn_plan *plan = plan_with("vlan: 4094");
    assert_int_equal(plan->interfaces[0].vlan, 4094);
    tn_plan_free(plan);
    refuse_keys("vlan: 0", "s.yaml:1:39: vlan: found '0', expected a whole number, from 1 to 4094");
    refuse_keys("vlan: 4095", "s.yaml:1:39: vlan: found '4095', expected a whole number, from 1 to 4094");
}

static void mtu_is_from_68_to_65535(void **state)
{
    struct tn_plan *plan = plan_with("mtu: 68");
    assert_int_equal(plan->interfaces[0].mtu, 68);
    tn_plan_free(plan);
    refuse_keys("mtu: 67", "s.yaml:1:38: mtu: found '67', expected a whole number, from 68 to 65535");
    refuse_keys("mtu: 65536", "s.yaml:1:38: mtu: found '65536', expected a whole number, from 68 to 65535");
}

/* ---- Addresses ---- */

static void address_can_be_in_a_vrf(void **state)
{
    struct tn_plan *plan = plan_with("addresses: [{ address: 10.0.7.7/24, vrf: 3 }, 10.0.7.7/24]");
    assert_int_equal(plan->interfaces[0].addresses[0].vrf, 3);
    assert_int_equal(plan->interfaces[0].addresses[1].vrf, 0);
    tn_plan_free(plan);
}

static void address_that_is_none_is_refused(void **state)
{
    const char *wrong[] = {"10.0.7",
                           "10.0.7.256/24",
                           "10.0.7.07/24",
                           "host/24",
                           "/24",
                           "10.0.7.7.7/24",
                           "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(wrong); i++) {
        char keys[128], expected[256];
        snprintf(keys, sizeof(keys), "addresses: [%s]", wrong[i]);
        snprintf(expected, sizeof(expected),
                 "s.yaml:1:45: found '%s', expected ADDRESS/LENGTH, such as 10.0.7.7/24", wrong[i]);
        refuse_keys(keys, expected);
    }
    refuse_keys("addresses: [[]]", "s.yaml:1:45: found a list, expected ADDRESS/LENGTH, such as 10.0.7.7/24");
    refuse_keys("addresses: 10.0.7.7/24",
                "s.yaml:1:44: addresses: found '10.0.7.7/24', expected a list, such as [10.0.7.7/24]");
}

static void bad_prefix_length_is_refused(void **state)
{
    refuse_keys("addresses: [10.0.7.7]",
                "s.yaml:1:45: found '10.0.7.7', expected a prefix length too, such as 10.0.7.7/24");
    refuse_keys("addresses: ['fd00::7']",
                "s.yaml:1:45: found 'fd00::7', expected a prefix length too, such as fd00::7/64");
    const char *wrong[] = {"10.0.7.7/33",   "10.0.7.7/",   "10.0.7.7/x",
                           "10.0.7.7/024",  "10.0.7.7/-1", "10.0.7.7/99999999999",
                           "10.0.7.7/24/24"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(wrong); i++) {
        char keys[128], expected[256];
        snprintf(keys, sizeof(keys), "addresses: [%s]", wrong[i]);
        snprintf(expected, sizeof(expected),
                 "s.yaml:1:45: found '%s', expected a prefix length from 0 to 32 after the "
                 "slash",
                 wrong[i]);
        refuse_keys(keys, expected);
    }
    refuse_keys("addresses: ['fd00::7/129']",
                "s.yaml:1:45: found 'fd00::7/129', expected a prefix length from 0 to 128 after the slash");
    refuse_keys("addresses: [10.0.7.7/0]",
                "s.yaml:1:45: found 10.0.7.7/0, expected a prefix length of 1 or more");
}

static void address_no_host_can_have_is_refused(void **state)
{
    const char *cases[][2] = {
        {"10.0.7.0/24", "the network address of its subnet"},
        {"10.0.7.255/24", "the broadcast address of its subnet"},
        {"10.0.7.12/30", "the network address of its subnet"},
        {"10.0.7.15/30", "the broadcast address of its subnet"},
        {"10.0.1.255/23", "the broadcast address of its subnet"},
        {"0.0.0.0/24", "in 0.0.0.0/8, which means 'this network'"},
        {"127.0.0.1/8", "a loopback address"},
        {"224.0.0.1/24", "a multicast address"},
        {"239.255.255.255/8", "a multicast address"},
        {"240.0.0.1/24", "a reserved address"},
        {"255.255.255.255/32", "the broadcast address"},
        {"'::/64'", "the unspecified address"},
        {"'::1/128'", "the loopback address"},
        {"'ff02::1/64'", "a multicast address"},
        {"'::ffff:10.0.0.1/96'", "an address of another family"},
        {"'fd00::/64'", "the anycast address of its subnet's routers"},
    };
    for (size_t i = 0; i < TN_ARRAY_SIZE(cases); i++) {
        char keys[128], expected[256], bare[64];
        size_t quote = cases[i][0][0] == '\'';
        snprintf(bare, sizeof(bare), "%.*s", (int)(strlen(cases[i][0]) - 2 * quote), cases[i][0] + quote);
        snprintf(keys, sizeof(keys), "addresses: [%s]", cases[i][0]);
        snprintf(expected, sizeof(expected), "s.yaml:1:45: found %s, %s, expected the address of a host",
                 bare, cases[i][1]);
        refuse_keys(keys, expected);
    }
}

static void subnets_of_two_and_one_have_no_addresses_of_their_own(void **state)
{
    tn_plan_free(plan_with("addresses: [10.0.7.0/31, 10.0.7.1/31, 10.0.8.0/32, 10.0.9.255/32, 10.0.1.0/23]"));
}

static void duplicate_address_is_refused_wherever_it_is(void **state)
{
    refuse_keys("addresses: [10.0.7.7/24, 10.0.7.7/16]",
                "s.yaml:1:58: found the address 10.0.7.7 a second time, expected "
                "it once (first on a at line 1)");
    refuse("interfaces:\n"
           "  a: { driver: tap, addresses: [10.0.7.7/24] }\n"
           "  b: { driver: tap, addresses: [10.0.8.7/24, 10.0.7.7/24] }\n" PROTOCOLS,
           "s.yaml:3:46: found the address 10.0.7.7 a second time, expected it once (first on a at line 2)");
    refuse("interfaces:\n"
           "  a: { driver: tap, addresses: [{ address: 10.0.7.7/24, vrf: 2 }] }\n"
           "  b: { driver: tap, addresses: [{ address: 10.0.7.7/24, vrf: 2 }] }\n" PROTOCOLS,
           "s.yaml:3:44: found the address 10.0.7.7 a second time, expected it once (first on a at line 2)");
}

static void bad_keys_of_an_address_are_refused(void **state)
{
    refuse_keys("addresses: [{ adress: 10.0.7.7/24 }]",
                "s.yaml:1:47: found the unknown key 'adress' in an address, "
                "expected address or vrf, did you mean 'address'?");
    refuse_keys("addresses: [{ vrf: 1 }]",
                "s.yaml:1:45: found no 'address', expected ADDRESS/LENGTH, such as 10.0.7.7/24");
    refuse_keys("addresses: [{ address: 10.0.7.7/24, vrf: 65535 }]",
                "s.yaml:1:74: vrf: found '65535', expected a whole number, from 0 to 65534");
}

/* ---- Routes ---- */

static void routes_have_gateway_metric_and_vrf(void **state)
{
    struct tn_plan *plan =
        plan_with("addresses: [{ address: 10.0.7.7/24, vrf: 5 }], routes: [{ to: 10.1.0.0/16, via: "
                  "10.0.7.1, metric: 100, vrf: 5 }, { to: 10.2.0.0/15, vrf: 5 }]");
    const struct tn_plan_route *route = plan->interfaces[0].routes;
    assert_int_equal(route[0].prefix_len, 16);
    assert_int_equal(route[0].metric, 100);
    assert_int_equal(route[0].vrf, 5);
    assert_memory_equal(route[0].to.bytes, "\x0a\x01\0\0", 4);
    assert_memory_equal(route[0].via.bytes, "\x0a\0\x07\x01", 4);
    assert_true(tn_addr_is_zero(&route[1].via));
    assert_int_equal(route[1].prefix_len, 15);
    tn_plan_free(plan);
}

static void default_without_a_gateway_has_the_interfaces_family(void **state)
{
    struct tn_plan *plan = plan_with("addresses: [10.0.7.7/24], routes: [{ to: default }]");
    assert_int_equal(plan->interfaces[0].routes[0].family, AF_INET);
    tn_plan_free(plan);
    refuse_keys("routes: [{ to: default }]",
                "s.yaml:1:48: to: found 'default' on an interface without addresses in vrf "
                "0, expected a prefix such as 0.0.0.0/0");
}

static void several_gateways_to_one_prefix_are_fine(void **state)
{
    tn_plan_free(
        plan_with("addresses: [10.0.7.7/24], routes: [{ to: default, via: 10.0.7.1 }, { to: default, via: "
                  "10.0.7.2 }, { to: default, via: 10.0.7.1, metric: 5 }]"));
}

static void bad_route_is_refused(void **state)
{
    refuse_keys("routes: [default]",
                "s.yaml:1:42: found a value in routes, expected { to: PREFIX, via: GATEWAY }");
    refuse_keys(
        "routes: default",
        "s.yaml:1:41: routes: found 'default', expected a list, such as [{ to: default, via: 10.0.7.1 }]");
    refuse_keys("routes: [{ via: 10.0.7.1 }]",
                "s.yaml:1:42: found no 'to' in a route, expected 'to: default' or 'to: PREFIX'");
    refuse_keys("routes: [{ to: default, gateway: 10.0.7.1 }]",
                "s.yaml:1:57: found the unknown key 'gateway' in a route, expected to, via, metric or vrf");
    refuse_keys("routes: [{ to: 10.0.0.0/8, metric: -1 }]",
                "s.yaml:1:68: metric: found '-1', expected a whole number, from 0 to 4294967295");
}

static void bad_destination_is_refused(void **state)
{
    refuse_keys("routes: [{ to: defualt }]",
                "s.yaml:1:48: to: found 'defualt', expected 'default' or ADDRESS/LENGTH, "
                "such as 10.0.7.7/24, did you mean 'default'?");
    refuse_keys("routes: [{ to: 10.0.0.0 }]",
                "s.yaml:1:48: to: found '10.0.0.0', expected 'default' or a prefix length "
                "too, such as 10.0.0.0/24");
    refuse_keys("routes: [{ to: 10.1.2.3/16 }]", "s.yaml:1:48: to: found 10.1.2.3/16, expected no bits after "
                                                 "the first 16, did you mean '10.1.0.0/16'?");
    refuse_keys("addresses: [10.0.7.7/24], routes: [{ to: 'fd00::/8', via: 10.0.7.1 }]",
                "s.yaml:1:74: to: found fd00::/8, expected a prefix of the same family as via");
}

static void bad_gateway_is_refused(void **state)
{
    refuse_keys("routes: [{ to: default, via: 10.0.7 }]",
                "s.yaml:1:62: via: found '10.0.7', expected the address of a gateway, such as 10.0.7.1");
    refuse_keys(
        "routes: [{ to: default, via: 224.0.0.1 }]",
        "s.yaml:1:62: via: found 224.0.0.1, a multicast address, expected the address of a gateway, such as "
        "10.0.7.1");
    refuse_keys("routes: [{ to: default, via: 0.0.0.0 }]",
                "s.yaml:1:62: via: found 0.0.0.0, in 0.0.0.0/8, which means 'this network', expected the "
                "address of a "
                "gateway, such as 10.0.7.1");
}

static void gateway_off_the_interfaces_subnets_is_refused(void **state)
{
    refuse_keys(
        "addresses: [10.0.7.7/24, 10.1.0.1/16], routes: [{ to: default, via: 10.0.8.1 }]",
        "s.yaml:1:101: via: found 10.0.8.1, expected a host in a subnet of a (10.0.7.7/24, 10.1.0.1/16)");
    refuse_keys("addresses: [10.0.7.7/24], routes: [{ to: default, via: 10.0.7.255 }]",
                "s.yaml:1:88: via: found 10.0.7.255, expected a host in a subnet of a (10.0.7.7/24)");
    refuse_keys("addresses: [10.0.7.7/24], routes: [{ to: default, via: 10.0.7.7 }]",
                "s.yaml:1:88: via: found 10.0.7.7, expected a gateway, not an address of this stack");
    refuse_keys(
        "addresses: [10.0.7.7/24], routes: [{ to: default, via: 10.0.7.1, vrf: 1 }]",
        "s.yaml:1:88: via: found 10.0.7.1, expected a host in a subnet of a (it has no address in vrf 1)");
    refuse("interfaces:\n"
           "  a: { driver: tap, addresses: [10.0.7.7/24] }\n"
           "  b: { driver: tap, addresses: [10.0.8.7/24], routes: [{ to: default, via: 10.0.7.1 }] "
           "}\n" PROTOCOLS,
           "s.yaml:3:76: via: found 10.0.7.1, expected a host in a subnet of b (10.0.8.7/24)");
}

static void gateway_must_be_a_host_of_every_subnet_that_holds_it(void **state)
{
    tn_plan_free(plan_with("addresses: [10.0.7.1/30, 10.1.0.1/8], routes: [{ to: default, via: 10.0.7.2 }]"));
    refuse_keys(
        "addresses: [10.1.0.1/8, 10.0.7.1/30], routes: [{ to: default, via: 10.0.7.3 }]",
        "s.yaml:1:100: via: found 10.0.7.3, expected a host in a subnet of a (10.1.0.1/8, 10.0.7.1/30)");
}

static void link_local_gateway_is_on_every_link(void **state)
{
    add_plugin("six", "network", "provides = family:10 resolver:10\n");
    tn_plan_free(plan_of("interfaces: { a: { driver: tap, addresses: ['fd00::7/64'], routes: [{ to: default, "
                         "via: 'fe80::1' }] } }\nprotocols: { ether: {}, six: {} }\n"));
    refuse("interfaces: { a: { driver: tap, addresses: ['fd00::7/64'], routes: [{ to: default, "
           "via: 'fd01::1' }] } }\nprotocols: { ether: {}, six: {} }\n",
           "s.yaml:1:89: via: found fd01::1, expected a host in a subnet of a (fd00::7/64)");
    remove_plugin("six");
}

static void gateway_on_an_on_link_route_is_fine(void **state)
{
    tn_plan_free(
        plan_with("addresses: [10.0.7.7/32], routes: [{ to: default, via: 10.0.8.1 }, { to: 10.0.8.1/32 }]"));
}

static void duplicate_route_is_refused(void **state)
{
    refuse("interfaces:\n"
           "  a:\n"
           "    driver: tap\n"
           "    addresses: [10.0.7.7/24]\n"
           "    routes:\n"
           "      - { to: 0.0.0.0/0, via: 10.0.7.1 }\n"
           "      - { to: 10.1.0.0/16, via: 10.0.7.1 }\n"
           "      - { to: default, via: 10.0.7.1 }\n" PROTOCOLS,
           "s.yaml:8:15: found the route to 0.0.0.0/0 a second time, expected it once (first at line 6)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interface_without_a_driver_is_refused),
        cmocka_unit_test(interface_given_twice_is_refused),
        cmocka_unit_test(bad_interface_name_is_refused),
        cmocka_unit_test(too_many_interfaces_are_refused),
        cmocka_unit_test(mac_is_six_bytes_of_a_host),
        cmocka_unit_test(vlan_is_from_1_to_4094),
        cmocka_unit_test(mtu_is_from_68_to_65535),
        cmocka_unit_test(address_can_be_in_a_vrf),
        cmocka_unit_test(address_that_is_none_is_refused),
        cmocka_unit_test(bad_prefix_length_is_refused),
        cmocka_unit_test(address_no_host_can_have_is_refused),
        cmocka_unit_test(subnets_of_two_and_one_have_no_addresses_of_their_own),
        cmocka_unit_test(duplicate_address_is_refused_wherever_it_is),
        cmocka_unit_test(bad_keys_of_an_address_are_refused),
        cmocka_unit_test(routes_have_gateway_metric_and_vrf),
        cmocka_unit_test(default_without_a_gateway_has_the_interfaces_family),
        cmocka_unit_test(several_gateways_to_one_prefix_are_fine),
        cmocka_unit_test(bad_route_is_refused),
        cmocka_unit_test(bad_destination_is_refused),
        cmocka_unit_test(bad_gateway_is_refused),
        cmocka_unit_test(gateway_off_the_interfaces_subnets_is_refused),
        cmocka_unit_test(gateway_must_be_a_host_of_every_subnet_that_holds_it),
        cmocka_unit_test(link_local_gateway_is_on_every_link),
        cmocka_unit_test(gateway_on_an_on_link_route_is_fine),
        cmocka_unit_test(duplicate_route_is_refused),
    };
    return cmocka_run_group_tests(tests, make_plugins, remove_directory);
}
