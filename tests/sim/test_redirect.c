/* Redirects (RFC 792, RFC 1122 §3.2.2.2): ignored, unless the configuration says otherwise; then believed only of the gateway that is
 * used, about a neighbour, and for a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "dhcp.h"
#include "net.h"
#include "tenon/stack.h"

#define PROTOCOLS(icmp) "  ether: {}\n  arp: {}\n  ipv4: {}\n  icmp: " icmp "\n  udp: {}\n"
#define FAR             "192.0.2.9"

static struct net net;
static int flow;

static void know(const char *mac, const char *addr)
{
    net_send_arp(&net, &(struct net_arp){NET_OWN, mac, 1, mac, addr, NET_NONE, "10.0.7.7"});
    assert_int_equal(net_take_all(&net), 1);
}

static void start(const char *yaml)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(4000)};
    assert_int_equal(inet_pton(AF_INET, FAR, &sa.sin_addr), 1);
    net_start(&net, yaml);
    know(NET_PEER, "10.0.7.1");
    know(NET_OTHER, "10.0.7.2");
    flow = tn_socket(net.stack, AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(tn_connect(net.stack, flow, (struct sockaddr *)&sa, sizeof(sa)), 0);
}

static void finish(void)
{
    tn_close(net.stack, flow);
    (void)net_take_all(&net);
    net_stop(&net);
}

static void expect_by(const char *gateway)
{
    struct net_seen seen;
    assert_int_equal(tn_send(net.stack, flow, "x", 1, 0), 1);
    tn_sim_settle(net.sim);
    net_expect_ip(&net, &seen);
    assert_string_equal(seen.to, gateway);
    assert_string_equal(seen.dst, FAR);
}

struct redirect {
    const char *from;              /* NULL: 10.0.7.1 */
    const char *to;                /* NULL: 10.0.7.7 */
    const char *via;               /* NULL: 10.0.7.2 */
    const char *sent_from, *about; /* of the quoted packet; NULL: 10.0.7.7, FAR */
    uint8_t code;
};

static void say(struct redirect r)
{
    uint8_t quote[28] = {0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17}, message[64];
    struct in_addr via;
    assert_int_equal(inet_pton(AF_INET, r.sent_from ? r.sent_from : "10.0.7.7", quote + 12), 1);
    assert_int_equal(inet_pton(AF_INET, r.about ? r.about : FAR, quote + 16), 1);
    assert_int_equal(inet_pton(AF_INET, r.via ? r.via : "10.0.7.2", &via), 1);
    size_t n = net_icmp(message, 5, r.code, ntohl(via.s_addr), quote, sizeof(quote));
    net_send_ip(&net, &(struct net_ip){.src = r.from, .dst = r.to, .protocol = 1}, message, n);
}

/* conformance: 1122 3.2.2.2 */
static void redirect_is_ignored_by_default(void **state)
{
    start(NET_YAML(PROTOCOLS("{}")));
    say((struct redirect){.code = 1});
    expect_by(NET_PEER);
    assert_int_equal(net_drops(&net, "icmp", "redirect"), 1);
    finish();
}

/* conformance: 1122 3.2.2.2-allowed */
static void redirect_is_followed_for_its_time_where_allowed(void **state)
{
    for (uint8_t code = 0; code < 4; code++) {
        start(NET_YAML(PROTOCOLS("{ redirects: yes, redirect-lifetime: 30s }")));
        expect_by(NET_PEER);
        say((struct redirect){.code = code});
        expect_by(NET_OTHER);
        assert_int_equal(net_counter(&net, "icmp", "redirects-in"), 1);
        assert_true(dhcp_table_has(&net, "routes", FAR "/32"));
        net_pass(&net, 29 * TN_SEC);
        assert_true(dhcp_table_has(&net, "routes", FAR "/32"));
        net_pass(&net, 2 * TN_SEC);
        assert_false(dhcp_table_has(&net, "routes", FAR "/32"));
        (void)net_take_all(&net);
        finish();
    }
}

/* conformance: 1122 3.2.2.2-allowed */
static void redirect_that_breaks_a_rule_is_ignored(void **state)
{
    static const struct redirect wrong[] = {
        {.from = "10.0.7.3"},            /* not the gateway */
        {.from = "192.0.2.1"},           /* nor a neighbour */
        {.from = "10.0.7.2"},            /* it does not send packets here itself yet */
        {.via = "192.0.2.77"},           /* no neighbour */
        {.via = "10.0.7.7"},             /* this host */
        {.via = "10.0.7.8"},             /* … by another name */
        {.via = "10.0.7.255"},           /* everybody */
        {.via = "224.0.0.1"},            /* a group */
        {.via = "0.0.0.0"},              /* nobody */
        {.via = "10.0.7.1"},             /* the sender */
        {.about = "10.0.7.9"},           /* a neighbour needs no gateway */
        {.about = "10.0.7.7"},           /* nor does this host */
        {.about = "224.0.0.9"},          /* nor do groups */
        {.sent_from = "10.0.7.99"},      /* a packet that is not from here */
        {.to = "10.0.7.255", .code = 1}, /* to everybody */
        {.code = 4},                     /* no such code */
    };
    start(NET_YAML(PROTOCOLS("{ redirects: yes }")));
    for (size_t i = 0; i < TN_ARRAY_SIZE(wrong); i++) {
        say(wrong[i]);
        if (net_counter(&net, "icmp", "redirects-in") != 0)
            fail_msg("redirect %zu was followed", i);
    }
    expect_by(NET_PEER);
    finish();
}

static void redirect_cut_short_is_dropped(void **state)
{
    uint8_t message[64], quote[28] = {0x45};
    start(NET_YAML(PROTOCOLS("{ redirects: yes }")));
    for (size_t len = 0; len < 20; len++) {
        size_t n = net_icmp(message, 5, 1, 0x0a000702, quote, len);
        net_send_ip(&net, &(struct net_ip){.protocol = 1}, message, n);
    }
    assert_int_equal(net_drops(&net, "icmp", "bad-quote"), 20);
    finish();
}

static void second_redirect_replaces_the_first(void **state)
{
    start(NET_YAML(PROTOCOLS("{ redirects: yes }")));
    say((struct redirect){0});
    expect_by(NET_OTHER);
    say((struct redirect){.from = "10.0.7.2", .via = "10.0.7.1"});
    expect_by(NET_PEER);
    assert_int_equal(net_counter(&net, "icmp", "redirects-in"), 2);
    finish();
}

static void redirect_to_a_gateway_that_does_not_answer_is_forgotten_meanwhile(void **state)
{
    start(NET_YAML(PROTOCOLS("{ redirects: yes }")));
    say((struct redirect){.via = "10.0.7.3"});
    for (unsigned i = 0; i < 5; i++) {
        (void)tn_send(net.stack, flow, "x", 1, 0);
        net_pass(&net, TN_SEC);
    }
    (void)net_take_all(&net);
    expect_by(NET_PEER);
    finish();
}

static void flood_of_redirects_keeps_the_last_256(void **state)
{
    char about[16];
    start(NET_YAML(PROTOCOLS("{ redirects: yes }")));
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(about, sizeof(about), "198.51.%u.%u", i / 250, 1 + i % 250);
        say((struct redirect){.about = about});
    }
    assert_int_equal(net_counter(&net, "icmp", "redirects-in"), 2000);
    assert_false(dhcp_table_has(&net, "routes", "\"198.51.6.243/32\"")); /* number 1742 */
    assert_true(dhcp_table_has(&net, "routes", "\"198.51.6.245/32\""));  /* number 1744, of 0 to 1999 */
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redirect_is_ignored_by_default),
        cmocka_unit_test(redirect_is_followed_for_its_time_where_allowed),
        cmocka_unit_test(redirect_that_breaks_a_rule_is_ignored),
        cmocka_unit_test(redirect_cut_short_is_dropped),
        cmocka_unit_test(second_redirect_replaces_the_first),
        cmocka_unit_test(redirect_to_a_gateway_that_does_not_answer_is_forgotten_meanwhile),
        cmocka_unit_test(flood_of_redirects_keeps_the_last_256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
