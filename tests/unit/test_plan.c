/* Plans: the frame of the file, the section `stack`, plugins and their options. */
#include "plan_fixture.h"

/* ---- The whole ---- */

static void whole_file_becomes_a_plan(void **state)
{
    struct tn_plan *plan = plan_of("stack:\n"
                                   "  name: demo\n"
                                   "interfaces:\n"
                                   "  tap7:\n"
                                   "    driver: tap\n"
                                   "    mac: \"02:00:00:00:07:07\"\n"
                                   "    mtu: 1400\n"
                                   "    addresses: [10.0.7.7/24, 10.0.7.8/24]\n"
                                   "    routes:\n"
                                   "      - { to: default, via: 10.0.7.1 }\n"
                                   "protocols:\n"
                                   "  ether: {}\n"
                                   "  arp:\n"
                                   "  ipv4: {}\n"
                                   "  icmp: {}\n"
                                   "  udp: { receive-buffer: 64k }\n"
                                   "  tcp: {}\n"
                                   "services:\n"
                                   "  echo: { listen: [tcp/7, 'udp/10.0.7.8:7'] }\n");
    assert_string_equal(plan->file, "s.yaml");
    assert_string_equal(plan->name, "demo");
    assert_null(plan->control);

    assert_int_equal(plan->interface_count, 1);
    const struct tn_plan_interface *ifc = &plan->interfaces[0];
    assert_string_equal(ifc->name, "tap7");
    assert_string_equal(ifc->driver, "tap");
    assert_int_equal(ifc->plugin, 0);
    assert_int_equal(ifc->at.line, 4);
    assert_int_equal(ifc->at.column, 3);
    assert_string_equal(ifc->values[0].string, "");
    assert_int_equal(ifc->values[1].integer, -1);
    assert_true(ifc->has_mac);
    assert_memory_equal(ifc->mac, "\x02\0\0\0\x07\x07", 6);
    assert_int_equal(ifc->mtu, 1400);
    assert_int_equal(ifc->address_count, 2);
    assert_memory_equal(ifc->addresses[1].addr.bytes, "\x0a\0\x07\x08\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_int_equal(ifc->addresses[1].family, AF_INET);
    assert_int_equal(ifc->addresses[1].prefix_len, 24);
    assert_int_equal(ifc->addresses[1].vrf, 0);
    assert_int_equal(ifc->route_count, 1);
    assert_int_equal(ifc->routes[0].family, AF_INET);
    assert_int_equal(ifc->routes[0].prefix_len, 0);
    assert_true(tn_addr_is_zero(&ifc->routes[0].to));
    assert_memory_equal(ifc->routes[0].via.bytes, "\x0a\0\x07\x01", 4);

    assert_int_equal(plan->plugin_count, 8);
    const struct tn_plan_plugin *udp = &plan->plugins[5], *echo = &plan->plugins[7];
    assert_string_equal(udp->name, "udp");
    assert_int_equal(udp->section, TN_SECTION_PROTOCOL);
    assert_string_equal(udp->manifest->schema, "udp/1");
    assert_int_equal(udp->values[0].integer, 65536);
    assert_true(udp->values[1].boolean);
    assert_string_equal(echo->name, "echo");
    assert_int_equal(echo->section, TN_SECTION_SERVICE);
    assert_int_equal(echo->listen_count, 2);
    assert_string_equal(echo->listens[0].transport, "tcp");
    assert_int_equal(echo->listens[0].protocol, 6);
    assert_int_equal(echo->listens[0].port, 7);
    assert_int_equal(echo->listens[0].family, 0);
    assert_true(tn_addr_is_zero(&echo->listens[0].addr));
    assert_int_equal(echo->listens[1].protocol, 17);
    assert_int_equal(echo->listens[1].family, AF_INET);
    assert_memory_equal(echo->listens[1].addr.bytes, "\x0a\0\x07\x08", 4);
    assert_int_equal(echo->listens[1].at.line, 19);
    tn_plan_free(plan);
}

static void empty_file_is_an_empty_stack(void **state)
{
    const char *texts[] = {"", "# nothing\n", "stack:\ninterfaces:\nprotocols:\nservices:\n", "{}"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(texts); i++) {
        struct tn_plan *plan = plan_of(texts[i]);
        assert_string_equal(plan->name, "tenon");
        assert_int_equal(plan->plugin_count, 0);
        assert_int_equal(plan->interface_count, 0);
        assert_int_equal(plan->limits.sockets, 131072);
        assert_int_equal(plan->limits.neighbour_queue, 64);
        tn_plan_free(plan);
    }
}

static void syntax_error_has_its_place(void **state)
{
    refuse("stack: {name: x\n",
           "s.yaml:1:8: syntax error: did not find expected ',' or '}' (while parsing a flow "
           "mapping that begins here; noticed at line 2, column 1)");
}

static void unknown_section_is_refused_with_the_nearest(void **state)
{
    refuse(
        "interface:\n  a: {}\n",
        "s.yaml:1:1: found the unknown key 'interface' in the file, expected stack, interfaces, protocols or "
        "services, did you mean 'interfaces'?");
}

static void io_uring_is_yes_or_no(void **state)
{
    struct tn_plan *plan = plan_of("stack: { name: a }\n");
    assert_true(plan->io_uring);
    tn_plan_free(plan);
    plan = plan_of("stack: { io-uring: no }\n");
    assert_false(plan->io_uring);
    tn_plan_free(plan);
    refuse("stack: { io-uring: 3 }\n", "s.yaml:1:20: io-uring: found '3', expected yes or no");
}

static void busy_poll_is_a_short_duration(void **state)
{
    struct tn_plan *plan = plan_of("stack: { busy-poll: 50us }\n");
    assert_int_equal(plan->busy_poll, 50 * TN_USEC);
    tn_plan_free(plan);
    plan = plan_of("stack: { busy-poll: 0us }\n");
    assert_int_equal(plan->busy_poll, 0);
    tn_plan_free(plan);
    plan = plan_of("stack: {}\n");
    assert_int_equal(plan->busy_poll, 50 * TN_USEC);
    tn_plan_free(plan);
    refuse("stack: { busy-poll: 1s }\n",
           "s.yaml:1:21: busy-poll: found '1s', expected a duration such as 50us, 10ms at most");
    refuse("stack: { busy-poll: 50 }\n",
           "s.yaml:1:21: busy-poll: found '50', expected a duration such as 50us, 10ms at most");
}

static void section_given_twice_is_refused(void **state)
{
    refuse("stack: {}\nstack: {}\n",
           "s.yaml:2:1: found the key 'stack' a second time, expected it once (first at line 1)");
}

static void section_of_the_wrong_shape_is_refused(void **state)
{
    refuse("[]",
           "s.yaml:1:1: found a list, expected a mapping with stack, interfaces, protocols and services");
    refuse("stack: x\n", "s.yaml:1:8: stack: found 'x', expected a mapping with name, control, log, limits, "
                         "name-servers, domain, busy-poll or io-uring");
    refuse("interfaces: [a]\n", "s.yaml:1:13: interfaces: found a list, expected a mapping of interfaces");
    refuse("protocols: ipv4\n", "s.yaml:1:12: protocols: found 'ipv4', expected a mapping of protocols");
    refuse("services:\n- echo\n", "s.yaml:2:1: services: found a list, expected a mapping of services");
}

static void hostile_bytes_are_refused(void **state)
{
    refuse_bytes("stack:\n  name: a\0b\n", 19,
                 "s.yaml:2:10: found a byte that is not text (control characters are not "
                 "allowed), expected UTF-8");
    refuse("stack: {name: \xff}\n",
           "s.yaml:1:15: found a byte that is not text (invalid leading UTF-8 octet), expected UTF-8");
    refuse("stack: {name: !!binary eHg=}\n",
           "s.yaml:1:15: found the tag 'tag:yaml.org,2002:binary', expected a value: "
           "tags are not supported");
}

/* ---- stack: ---- */

static void unknown_key_of_stack_is_refused_with_the_nearest(void **state)
{
    refuse("stack:\n  nmae: x\n",
           "s.yaml:2:3: found the unknown key 'nmae' in stack, expected name, control, log, limits, "
           "name-servers, domain, busy-poll or io-uring, did you mean 'name'?");
}

static void bad_stack_name_is_refused(void **state)
{
    const char *words = "expected a name of letters, digits and . _ -, at most 63, not beginning with '.'";
    const char *wrong[] = {"a/b", ".x", "a b", "\"\""};
    const char *shown[] = {"'a/b'", "'.x'", "'a b'", "''"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(wrong); i++) {
        char text[64], expected[256];
        snprintf(text, sizeof(text), "stack: { name: %s }\n", wrong[i]);
        snprintf(expected, sizeof(expected), "s.yaml:1:16: name: found %s, %s", shown[i], words);
        refuse(text, expected);
    }
    refuse("stack: { name: }\n",
           "s.yaml:1:16: name: found nothing, expected a name of letters, digits and . _ -, at "
           "most 63, not beginning with '.'");
}

static void control_is_a_path(void **state)
{
    struct tn_plan *plan = plan_of("stack: { control: /run/t.sock }\n");
    assert_string_equal(plan->control, "/run/t.sock");
    tn_plan_free(plan);
    refuse("stack: { control: [x] }\n",
           "s.yaml:1:19: control: found a list, expected the path of a socket, at most 107 bytes");
    char text[256];
    snprintf(text, sizeof(text), "stack: { control: /%0107d }\n", 0);
    refuse(
        text,
        "s.yaml:1:19: control: found '/00000000000000000000000000000000000000000000000…', expected the path "
        "of a socket, at most 107 bytes");
}

static void limits_are_set_by_name(void **state)
{
    struct tn_plan *plan = plan_of("stack: { limits: { sockets: 64, large-buffers: 16 } }\n");
    assert_int_equal(plan->limits.sockets, 64);
    assert_int_equal(plan->limits.large_buffers, 16);
    assert_int_equal(plan->limits.packets, 65536);
    tn_plan_free(plan);
}

static void bad_limits_are_refused(void **state)
{
    refuse("stack: { limits: { socket: 64 } }\n",
           "s.yaml:1:20: found the unknown key 'socket' in limits, expected packets, large-buffers, sockets, "
           "neighbours, neighbour-queue, addresses, routes, path-mtus, memberships, transmit-queue, "
           "port-queue, backlog or "
           "control-clients, "
           "did you mean 'sockets'?");
    refuse("stack: { limits: { sockets: 1 } }\n",
           "s.yaml:1:29: sockets: found '1', expected a whole number, from 16 to 16777216");
    refuse("stack: { limits: { sockets: 99999999999 } }\n",
           "s.yaml:1:29: sockets: found '99999999999', expected a whole number, from 16 to 16777216");
    refuse("stack: { limits: { sockets: many } }\n",
           "s.yaml:1:29: sockets: found 'many', expected a whole number, from 16 to 16777216");
    refuse("stack: { limits: { sockets: } }\n",
           "s.yaml:1:29: sockets: found nothing, expected a whole number, from 16 to 16777216");
    refuse("stack: { limits: 7 }\n", "s.yaml:1:18: limits: found '7', expected a mapping of limits");
}

static void more_addresses_or_routes_than_the_limits_are_refused(void **state)
{
    refuse("stack: { limits: { addresses: 1 } }\n"
           "interfaces:\n"
           "  a: { driver: tap, addresses: [10.0.0.1/24, 10.0.1.1/24] }\n"
           "protocols: { ether: {}, ipv4: {} }\n",
           "s.yaml:3:46: found more addresses than limits: addresses allows (1)");
}

static void log_is_a_level_for_all(void **state)
{
    struct tn_plan *plan = plan_of("stack: { log: debug }\n");
    assert_int_equal(plan->log_count, 1);
    assert_string_equal(plan->logs[0].who, "");
    assert_int_equal(plan->logs[0].level, TN_LOG_DEBUG);
    tn_plan_free(plan);
}

static void log_is_a_level_for_each(void **state)
{
    struct tn_plan *plan = plan_of("stack: { log: { default: warning, core: error, ipv4: info } }\n"
                                   "protocols: { ipv4: {} }\n");
    assert_int_equal(plan->log_count, 3);
    assert_string_equal(plan->logs[0].who, "");
    assert_int_equal(plan->logs[0].level, TN_LOG_WARNING);
    assert_string_equal(plan->logs[1].who, "core");
    assert_int_equal(plan->logs[1].level, TN_LOG_ERROR);
    assert_string_equal(plan->logs[2].who, "ipv4");
    assert_int_equal(plan->logs[2].level, TN_LOG_INFO);
    tn_plan_free(plan);
}

static void bad_log_is_refused(void **state)
{
    refuse("stack: { log: debgu }\n",
           "s.yaml:1:15: log: found 'debgu', expected error, warning, info or debug, did you mean 'debug'?");
    refuse("stack: { log: [debug] }\n",
           "s.yaml:1:15: log: found a list, expected error, warning, info or debug");
    refuse("stack: { log: { ipv5: info } }\nprotocols: { ipv4: {} }\n",
           "s.yaml:1:17: found the unknown key 'ipv5' in log, expected default, core or ipv4, did you mean "
           "'ipv4'?");
}

/* ---- Which plugin ---- */

static void unknown_plugin_is_refused_with_the_nearest(void **state)
{
    refuse("protocols:\n  ipv5: {}\n",
           "s.yaml:2:3: found the unknown plugin 'ipv5', expected one of DIR, did you mean 'ipv4'?");
    refuse("services:\n  quote-of-the-day: {}\n",
           "s.yaml:2:3: found the unknown plugin 'quote-of-the-day', expected one of DIR");
    refuse("interfaces:\n  a: { driver: tpa }\n",
           "s.yaml:2:16: found the unknown plugin 'tpa', expected one of DIR, did you mean 'tap'?");
}

static void plugin_name_that_is_a_path_is_refused(void **state)
{
    refuse("protocols: { ../ipv4: {} }\n",
           "s.yaml:1:14: found '../ipv4' as the name of a plugin, expected a-z, 0-9 and -, at most 31");
}

static void plugin_in_the_wrong_section_is_refused(void **state)
{
    refuse("protocols: { echo: {} }\n",
           "s.yaml:1:14: found echo under protocols, expected it under services: it is of kind service");
    refuse("protocols: { tap: {} }\n",
           "s.yaml:1:14: found tap under protocols, expected it as the driver of an "
           "interface: it is of kind link");
    refuse("services: { ipv4: {} }\n",
           "s.yaml:1:13: found ipv4 under services, expected it under protocols: it is of kind network");
    refuse("interfaces: { a: { driver: ipv4 } }\n",
           "s.yaml:1:28: found ipv4 as the driver of an interface, expected it "
           "under protocols: it is of kind network");
}

static void broken_manifest_is_told_with_both_places(void **state)
{
    write_file("broken.ini", "[plugin]\nnaem = broken\n");
    refuse("protocols: { broken: {} }\n", "s.yaml:1:14: DIR/broken.ini:2: found the unknown key 'naem', "
                                          "expected name, kind, abi, version, summary, "
                                          "schema, provides, needs, listens or ports, did you mean 'name'?");
    remove_file("broken.ini");
}

static void plugin_for_another_abi_is_refused(void **state)
{
    const char *head =
        "[plugin]\nname = old\nkind = network\nversion = 1\nsummary = S\nschema = old/1\nabi = ";
    const char *versions[] = {"0.9", "2.0", "1.1"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(versions); i++) {
        char text[256], expected[256];
        snprintf(text, sizeof(text), "%s%s\n", head, versions[i]);
        write_file("old.ini", text);
        snprintf(
            expected, sizeof(expected),
            "s.yaml:1:14: found old for ABI %s (DIR/old.ini), expected 1.0 to 1.0: build it for this version",
            versions[i]);
        refuse("protocols: { old: {} }\n", expected);
    }
    remove_file("old.ini");
}

static void plugin_without_its_code_is_refused(void **state)
{
    add_plugin("bare", "network", "");
    remove_file("bare.so");
    refuse("protocols: { bare: {} }\n",
           "s.yaml:1:14: found the manifest of bare, but cannot read DIR/bare.so: No such "
           "file or directory; expected it beside the manifest");
    remove_file("bare.ini");
}

static void too_many_plugins_are_refused(void **state)
{
    char text[4096] = "protocols:\n", name[16];
    for (int i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "many%d", i);
        add_plugin(name, "protocol", "");
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "  %s: {}\n", name);
    }
    refuse(text, "s.yaml:65:3: found another plugin, expected at most 63");
    for (int i = 0; i < 64; i++) {
        snprintf(name, sizeof(name), "many%d", i);
        remove_plugin(name);
    }
}

/* ---- Options ---- */

static void unknown_option_is_refused_with_the_nearest(void **state)
{
    refuse("protocols:\n  udp: { recieve-buffer: 1M }\n",
           "s.yaml:2:10: found the unknown option 'recieve-buffer' of udp, expected receive-buffer or "
           "checksum, did "
           "you mean 'receive-buffer'?");
    refuse("protocols:\n  ipv4: { ttl: 1 }\n",
           "s.yaml:2:11: found the unknown option 'ttl' of ipv4, expected none: it has no options");
    refuse("services:\n  echo: { lisen: [] }\n",
           "s.yaml:2:11: found the unknown option 'lisen' of echo, expected listen, did you mean 'listen'?");
    refuse("interfaces:\n  a: { driver: tap, devcie: x }\n",
           "s.yaml:2:21: found the unknown option 'devcie' of tap, expected driver, mac, mtu, vlan, "
           "addresses, routes, device "
           "or fd, did you mean 'device'?");
}

static void listen_of_a_service_that_does_not_listen_is_refused(void **state)
{
    refuse("services:\n  probe: { listen: [udp/7] }\n",
           "s.yaml:2:12: found the unknown option 'listen' of probe, "
           "expected target or every");
}

static void options_of_a_long_list_are_left_to_describe(void **state)
{
    char rest[1024] = "";
    for (int i = 0; i < 13; i++)
        snprintf(rest + strlen(rest), sizeof(rest) - strlen(rest),
                 "[option o%d]\ntype = int\ndefault = 0\nhelp = O\n", i);
    add_plugin("long", "network", rest);
    refuse("protocols: { long: { q0: 1 } }\n",
           "s.yaml:1:22: found the unknown option 'q0' of long, expected one of "
           "those that 'tenon describe long' lists, did you mean 'o0'?");
    remove_plugin("long");
}

/* ---- Options that name plugins ---- */

static int add_steering(void **state)
{
    add_plugin("calm", "congestion", "[option gain]\ntype = int\ndefault = 7\nhelp = How calm\n");
    add_plugin("bold", "congestion", "");
    add_plugin("steered", "transport",
               "provides = ipproto:99\nneeds = family:*\n"
               "[option by]\ntype = plugin\nkind = congestion\ndefault = bold\nhelp = By whom\n");
    return 0;
}

static int remove_steering(void **state)
{
    remove_plugin("calm");
    remove_plugin("bold");
    remove_plugin("steered");
    return 0;
}

static void plugin_named_by_an_option_comes_with_it(void **state)
{
    struct tn_plan *plan = plan_of("protocols: { steered: { by: calm }, ipv4: {} }\n");
    assert_int_equal(plan->plugin_count, 3);
    assert_string_equal(plan->plugins[1].name, "calm"); /* before who works with it */
    assert_int_equal(plan->plugins[1].values[0].integer, 7);
    assert_string_equal(plan->plugins[2].name, "steered");
    assert_string_equal(plan->plugins[2].values[0].string, "calm");
    tn_plan_free(plan);
    plan = plan_of("protocols: { steered: {}, ipv4: {} }\n");
    assert_int_equal(plan->plugin_count, 3);
    assert_string_equal(plan->plugins[1].name, "bold");
    tn_plan_free(plan);
}

static void plugin_named_by_an_option_can_be_listed_itself(void **state)
{
    struct tn_plan *plan = plan_of("protocols: { steered: { by: calm }, ipv4: {}, calm: { gain: 9 } }\n");
    assert_int_equal(plan->plugin_count, 3);
    assert_int_equal(plan->plugins[1].values[0].integer, 9);
    tn_plan_free(plan);
}

static void option_names_interfaces_that_are_there(void **state)
{
    add_plugin("homely", "service", "needs = family:2\n[option at]\ntype = interfaces\nhelp = Where\n");
    tn_plan_free(plan_of("interfaces: { tap7: { driver: tap }, tap8: { driver: tap } }\n"
                         "protocols: { ether: {}, ipv4: {} }\n"
                         "services: { homely: { at: 'tap8, tap7' } }\n"));
    refuse("interfaces: { tap7: { driver: tap }, lan0: { driver: tap } }\n"
           "protocols: { ether: {}, ipv4: {} }\n"
           "services: { homely: { at: tap7 tpa7 } }\n",
           "s.yaml:3:27: at: found 'tpa7', expected the name of an interface: tap7 or lan0, did you mean "
           "'tap7'?");
    refuse("protocols: { ipv4: {} }\nservices: { homely: { at: tap7 } }\n",
           "s.yaml:2:27: at: found 'tap7', expected the name of an interface; there is none");
    refuse("interfaces: [tap7]\nprotocols: { ipv4: {} }\nservices: { homely: { at: tap7 } }\n",
           "s.yaml:1:13: interfaces: found a list, expected a mapping of interfaces");
    remove_plugin("homely");
}

static void option_that_names_no_such_plugin_is_refused(void **state)
{
    refuse("protocols: { steered: { by: clam }, ipv4: {} }\n",
           "s.yaml:1:29: by: found 'clam', expected the name of a plugin of kind congestion: bold or calm, "
           "did you "
           "mean 'calm'?");
    refuse("protocols: { steered: { by: ipv4 }, ipv4: {} }\n",
           "s.yaml:1:29: by: found 'ipv4', expected the name of a plugin of kind congestion: bold or calm");
    refuse("protocols: { steered: { by: ../x }, ipv4: {} }\n",
           "s.yaml:1:29: found '../x' as the name of a plugin, expected a-z, 0-9 and -, at most 31");
    remove_plugin("bold");
    refuse("protocols: { steered: {}, ipv4: {} }\n",
           "s.yaml:1:14: by: found 'bold', expected the name of a plugin of kind congestion: calm");
    remove_plugin("calm");
    refuse("protocols: { steered: {}, ipv4: {} }\n", "s.yaml:1:14: by: found 'bold', expected the name of a "
                                                     "plugin of kind congestion; there is none in DIR");
    add_plugin("calm", "congestion", "");
    add_plugin("bold", "congestion", "");
}

static void ill_typed_option_is_refused(void **state)
{
    refuse("protocols:\n  udp: { receive-buffer: big }\n",
           "s.yaml:2:26: receive-buffer: found 'big', expected a size such as 64k or 16M, from 1k to 64M");
    refuse("protocols:\n  udp: { checksum: 1 }\n", "s.yaml:2:20: checksum: found '1', expected yes or no");
    refuse("protocols:\n  udp: { receive-buffer: [1k] }\n",
           "s.yaml:2:26: receive-buffer: found a list, expected a size such as 64k or 16M, from 1k to 64M");
    refuse("protocols:\n  udp: { receive-buffer: }\n",
           "s.yaml:2:26: receive-buffer: found nothing, expected a size such as 64k or 16M, from 1k to 64M");
    refuse("interfaces:\n  a: { driver: host, mode: IP }\n",
           "s.yaml:2:28: mode: found 'IP', expected one of ethernet, ip");
    refuse("protocols:\n  udp: yes\n",
           "s.yaml:2:8: udp: found 'yes', expected a mapping of options, such as {}");
}

static void option_out_of_range_is_refused(void **state)
{
    refuse("protocols:\n  udp: { receive-buffer: 65M }\n",
           "s.yaml:2:26: receive-buffer: found '65M', expected a size such as 64k or 16M, from 1k to 64M");
    refuse("interfaces:\n  a: { driver: tap, fd: -2 }\n",
           "s.yaml:2:25: fd: found '-2', expected a whole number, from -1 to 1000");
}

static void option_without_a_default_must_be_given(void **state)
{
    refuse("protocols: { ipv4: {}, udp: {} }\nservices:\n  probe: {}\n",
           "s.yaml:3:3: found no 'target', which probe must be given: Whom to ask");
    struct tn_plan *plan = plan_of("protocols: { ipv4: {}, udp: {} }\nservices:\n  probe: { target: x }\n");
    assert_string_equal(plan->plugins[2].values[0].string, "x");
    assert_int_equal(plan->plugins[2].values[1].duration, 5 * TN_SEC);
    tn_plan_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_file_becomes_a_plan),
        cmocka_unit_test(empty_file_is_an_empty_stack),
        cmocka_unit_test(syntax_error_has_its_place),
        cmocka_unit_test(unknown_section_is_refused_with_the_nearest),
        cmocka_unit_test(busy_poll_is_a_short_duration),
        cmocka_unit_test(io_uring_is_yes_or_no),
        cmocka_unit_test(section_given_twice_is_refused),
        cmocka_unit_test(section_of_the_wrong_shape_is_refused),
        cmocka_unit_test(hostile_bytes_are_refused),
        cmocka_unit_test(unknown_key_of_stack_is_refused_with_the_nearest),
        cmocka_unit_test(bad_stack_name_is_refused),
        cmocka_unit_test(control_is_a_path),
        cmocka_unit_test(limits_are_set_by_name),
        cmocka_unit_test(bad_limits_are_refused),
        cmocka_unit_test(more_addresses_or_routes_than_the_limits_are_refused),
        cmocka_unit_test(log_is_a_level_for_all),
        cmocka_unit_test(log_is_a_level_for_each),
        cmocka_unit_test(bad_log_is_refused),
        cmocka_unit_test(unknown_plugin_is_refused_with_the_nearest),
        cmocka_unit_test(plugin_name_that_is_a_path_is_refused),
        cmocka_unit_test(plugin_in_the_wrong_section_is_refused),
        cmocka_unit_test(broken_manifest_is_told_with_both_places),
        cmocka_unit_test(plugin_for_another_abi_is_refused),
        cmocka_unit_test(plugin_without_its_code_is_refused),
        cmocka_unit_test(too_many_plugins_are_refused),
        cmocka_unit_test(unknown_option_is_refused_with_the_nearest),
        cmocka_unit_test(listen_of_a_service_that_does_not_listen_is_refused),
        cmocka_unit_test(options_of_a_long_list_are_left_to_describe),
        cmocka_unit_test_setup_teardown(plugin_named_by_an_option_comes_with_it, add_steering,
                                        remove_steering),
        cmocka_unit_test(option_names_interfaces_that_are_there),
        cmocka_unit_test_setup_teardown(plugin_named_by_an_option_can_be_listed_itself, add_steering,
                                        remove_steering),
        cmocka_unit_test_setup_teardown(option_that_names_no_such_plugin_is_refused, add_steering,
                                        remove_steering),
        cmocka_unit_test(ill_typed_option_is_refused),
        cmocka_unit_test(option_out_of_range_is_refused),
        cmocka_unit_test(option_without_a_default_must_be_given),
    };
    return cmocka_run_group_tests(tests, make_plugins, remove_directory);
}
