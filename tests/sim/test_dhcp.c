/* dhcp: getting, keeping and losing an address (RFC 2131), in virtual time; the test is the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "dhcp.h"

static struct net net;
static struct dhcp_seen seen;
static struct dhcp_said said;

#define MILLI(at) ((at) / TN_MSEC)

/* Between `least` and `most` milliseconds. */
static void expect_span(tn_time span, uint64_t least, uint64_t most)
{
    if (MILLI(span) < least || MILLI(span) > most)
        fail_msg("%llu ms, expected %llu to %llu", (unsigned long long)MILLI(span), (unsigned long long)least,
                 (unsigned long long)most);
}

static void finish(void)
{
    tn_sim_destroy(net.sim);
}

/* ---- Asking ---- */

/* conformance: 2131 4.4.1 */
static void discover_is_a_broadcast_from_nowhere(void **state)
{
    size_t len;
    net_begin(&net, DHCP_YAML(""));
    tn_time start = tn_sim_now(net.sim);
    dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
    expect_span(seen.at - start, 1000, 10000);
    assert_string_equal(seen.to, NET_ALL);
    assert_string_equal(seen.src, "0.0.0.0");
    assert_string_equal(seen.dst, "255.255.255.255");
    assert_int_equal(seen.src_port, 68);
    assert_int_equal(seen.dst_port, 67);
    assert_string_equal(seen.ciaddr, "0.0.0.0");
    assert_int_equal(seen.flags, 0x8000); /* it cannot hear unicast yet */
    assert_null(dhcp_option(&seen, 50, &len));
    assert_null(dhcp_option(&seen, 54, &len));
    finish();
}

/* conformance: 2131 4.1 */
static void discover_is_repeated_after_4_8_16_32_64_seconds(void **state)
{
    static const unsigned seconds[] = {4, 8, 16, 32, 64, 64};
    net_begin(&net, DHCP_YAML(""));
    dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
    for (size_t i = 0; i < TN_ARRAY_SIZE(seconds); i++) {
        tn_time last = seen.at;
        uint32_t xid = seen.xid;
        dhcp_expect(&net, 70 * TN_SEC, DISCOVER, &seen);
        expect_span(seen.at - last, seconds[i] * 1000 - 1000, seconds[i] * 1000 + 1001);
        assert_int_equal(seen.xid, xid);
        assert_true(seen.secs > 0);
    }
    finish();
}

/* conformance: 4361 6.1; 2132 9.14 */
static void client_identifier_is_stable(void **state)
{
    static const uint8_t duid[] = {0, 3, 0, 1, 2, 0, 0, 0, 7, 7};
    uint8_t first[15];
    size_t len;
    for (int i = 0; i < 2; i++) {
        net_begin(&net, DHCP_YAML(""));
        dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
        const uint8_t *id = dhcp_option(&seen, 61, &len);
        assert_int_equal(len, 15);
        assert_int_equal(id[0], 255);
        assert_memory_equal(id + 5, duid, sizeof(duid));
        if (i == 0)
            memcpy(first, id, sizeof(first));
        assert_memory_equal(id, first, sizeof(first));
        finish();
    }
}

/* conformance: 2131 4.4.1-parameters; 3442 before-3 */
static void every_message_lists_the_same_parameters(void **state)
{
    static const uint8_t wanted[] = {1, 121, 3, 6, 15, 26, 42, 51, 58, 59};
    size_t len;
    net_begin(&net, DHCP_YAML(""));
    dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
    assert_memory_equal(dhcp_option(&seen, 55, &len), wanted, sizeof(wanted));
    assert_int_equal(len, sizeof(wanted));
    const uint8_t *size = dhcp_option(&seen, 57, &len);
    assert_int_equal(size[0] << 8 | size[1], 1472);
    dhcp_answer(&said, &seen, OFFER, "10.0.7.7");
    dhcp_add_usual(&said, 3600);
    dhcp_say(&net, &said);
    dhcp_expect(&net, 0, REQUEST, &seen);
    assert_memory_equal(dhcp_option(&seen, 55, &len), wanted, sizeof(wanted));
    finish();
}

static void host_name_and_lease_time_are_asked_for(void **state)
{
    size_t len;
    net_begin(&net, DHCP_YAML(", host-name: tenon, vendor-class: test, lease: 2h"));
    dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
    assert_memory_equal(dhcp_option(&seen, 12, &len), "tenon", 5);
    assert_memory_equal(dhcp_option(&seen, 60, &len), "test", 4);
    assert_memory_equal(dhcp_option(&seen, 51, &len), "\0\0\x1c\x20", 4);
    finish();
}

/* ---- Offers ---- */

/* conformance: 2131 4.4.1-xid */
static void offer_to_somebody_else_is_dropped(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
    dhcp_answer(&said, &seen, OFFER, "10.0.7.7");
    dhcp_add_usual(&said, 3600);
    said.bytes[4] ^= 1; /* another xid */
    dhcp_say(&net, &said);
    said.bytes[4] ^= 1;
    said.bytes[28] ^= 1; /* another link address */
    dhcp_say_raw(&net, said.bytes, said.len);
    assert_int_equal(net_drops(&net, "dhcp", "not-ours"), 2);
    assert_string_equal(dhcp_shown(&net, "state"), "SELECTING");
    finish();
}

/* conformance: 6842 3 */
static void offer_for_another_client_identifier_is_dropped(void **state)
{
    static const uint8_t other[] = {1, 2, 0, 0, 0, 9, 9};
    size_t len;
    net_begin(&net, DHCP_YAML(""));
    dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
    dhcp_answer(&said, &seen, OFFER, "10.0.7.7");
    dhcp_add_usual(&said, 3600);
    dhcp_add(&said, 61, other, sizeof(other));
    dhcp_say(&net, &said);
    assert_int_equal(net_drops(&net, "dhcp", "not-ours"), 1);
    dhcp_answer(&said, &seen, OFFER, "10.0.7.7");
    dhcp_add_usual(&said, 3600);
    dhcp_add(&said, 61, dhcp_option(&seen, 61, &len), 15); /* its own: fine */
    dhcp_say(&net, &said);
    dhcp_expect(&net, 0, REQUEST, &seen);
    finish();
}

static void offer_that_lies_is_dropped(void **state)
{
    static const char *const addresses[] = {"0.0.0.0", "255.255.255.255", "224.0.0.1", "127.0.0.1",
                                            "0.1.2.3", "10.0.7.0",        "10.0.7.255"};
    net_begin(&net, DHCP_YAML(""));
    dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
    for (size_t i = 0; i < TN_ARRAY_SIZE(addresses); i++) {
        dhcp_answer(&said, &seen, OFFER, addresses[i]);
        dhcp_add_usual(&said, 3600);
        dhcp_say(&net, &said);
    }
    dhcp_answer(&said, &seen, OFFER, "10.0.7.7");
    dhcp_add_usual(&said, 0); /* a lease that is over */
    dhcp_say(&net, &said);
    assert_int_equal(net_drops(&net, "dhcp", "bad-offer"), TN_ARRAY_SIZE(addresses) + 1);
    assert_string_equal(dhcp_shown(&net, "state"), "SELECTING");
    finish();
}

/* conformance: 2131 4.4.1-ack */
static void ack_is_dropped_while_selecting(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
    dhcp_answer(&said, &seen, ACK, "10.0.7.7");
    dhcp_add_usual(&said, 3600);
    dhcp_say(&net, &said);
    assert_int_equal(net_drops(&net, "dhcp", "unexpected"), 1);
    finish();
}

/* ---- Requests ---- */

/* conformance: 2131 4.3.2 */
static void request_names_address_and_server(void **state)
{
    struct dhcp_seen request;
    net_begin(&net, DHCP_YAML(""));
    dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
    dhcp_answer(&said, &seen, OFFER, "10.0.7.7");
    dhcp_add_usual(&said, 3600);
    dhcp_say(&net, &said);
    dhcp_expect(&net, 0, REQUEST, &request);
    assert_int_equal(request.xid, seen.xid);
    assert_string_equal(request.dst, "255.255.255.255");
    assert_string_equal(request.ciaddr, "0.0.0.0");
    assert_string_equal(dhcp_option_addr(&request, 50), "10.0.7.7");
    assert_string_equal(dhcp_option_addr(&request, 54), DHCP_SERVER);
    finish();
}

/* conformance: 2131 4.4.1-tries */
static void four_requests_without_an_answer_begin_anew(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
    uint32_t xid = seen.xid;
    dhcp_answer(&said, &seen, OFFER, "10.0.7.7");
    dhcp_add_usual(&said, 3600);
    dhcp_say(&net, &said);
    for (int i = 0; i < 4; i++)
        dhcp_expect(&net, 40 * TN_SEC, REQUEST, &seen);
    dhcp_expect(&net, 40 * TN_SEC, DISCOVER, &seen);
    assert_int_not_equal(seen.xid, xid);
    finish();
}

/* conformance: 2131 3.1-nak */
static void nak_begins_anew(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
    dhcp_answer(&said, &seen, OFFER, "10.0.7.7");
    dhcp_add_usual(&said, 3600);
    dhcp_say(&net, &said);
    dhcp_expect(&net, 0, REQUEST, &seen);
    dhcp_answer(&said, &seen, NAK, "0.0.0.0");
    dhcp_add(&said, 56, "no more", 7);
    dhcp_say(&net, &said);
    assert_non_null(strstr(net.log, "no more"));
    dhcp_expect(&net, 2 * TN_SEC, DISCOVER, &seen);
    finish();
}

static void ack_of_another_server_or_address_is_dropped(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
    dhcp_answer(&said, &seen, OFFER, "10.0.7.7");
    dhcp_add_usual(&said, 3600);
    dhcp_say(&net, &said);
    dhcp_expect(&net, 0, REQUEST, &seen);
    dhcp_answer(&said, &seen, ACK, "10.0.7.9");
    dhcp_add_usual(&said, 3600);
    dhcp_say(&net, &said);
    assert_int_equal(net_drops(&net, "dhcp", "bad-offer"), 1);
    dhcp_answer(&said, &seen, ACK, "10.0.7.7");
    said.bytes[240 + 3 + 5] ^= 3; /* the server identifier's last octet */
    dhcp_add_usual(&said, 3600);
    dhcp_say(&net, &said);
    assert_int_equal(net_drops(&net, "dhcp", "no-server"), 1);
    assert_string_equal(dhcp_shown(&net, "state"), "REQUESTING");
    finish();
}

/* ---- Bound ---- */

/* conformance: 2131 4.4.1-bound; 2132 3.3 */
static void lease_brings_address_route_and_name_server(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    dhcp_bind(&net, "10.0.7.7", 3600, &seen);
    assert_true(dhcp_table_has(&net, "addresses", "10.0.7.7/24"));
    assert_true(dhcp_table_has(&net, "routes", "\"via\":\"10.0.7.1\""));
    assert_string_equal(dhcp_shown(&net, "address"), "10.0.7.7/24");
    assert_string_equal(dhcp_shown(&net, "routers"), "10.0.7.1");
    assert_string_equal(dhcp_shown(&net, "name-servers"), "10.0.7.53");
    finish();
}

/* conformance: 2131 2.2-decline; 2131 3.1-decline */
static void address_in_use_is_declined(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    dhcp_grant(&net, "10.0.7.7", 3600, &seen);
    net_pass(&net, TN_SEC);
    net_send_arp(&net, &(struct net_arp){.to = NET_ALL,
                                         .from = NET_OTHER,
                                         .op = 1,
                                         .sha = NET_OTHER,
                                         .spa = "10.0.7.7",
                                         .tha = NET_NONE,
                                         .tpa = "10.0.7.7"});
    dhcp_expect(&net, TN_SEC, DECLINE, &seen);
    assert_string_equal(seen.src, "0.0.0.0");
    assert_string_equal(seen.dst, "255.255.255.255");
    assert_string_equal(seen.ciaddr, "0.0.0.0");
    assert_string_equal(dhcp_option_addr(&seen, 50), "10.0.7.7");
    assert_string_equal(dhcp_option_addr(&seen, 54), DHCP_SERVER);
    assert_false(dhcp_table_has(&net, "addresses", "10.0.7.7"));
    tn_time declined = seen.at;
    dhcp_expect(&net, 30 * TN_SEC, DISCOVER, &seen);
    expect_span(seen.at - declined, 10000, 10100);
    finish();
}

/* conformance: 2131 4.4.5 */
static void lease_is_renewed_by_unicast_at_half_its_time(void **state)
{
    struct dhcp_seen request;
    size_t len;
    net_begin(&net, DHCP_YAML(""));
    dhcp_bind(&net, "10.0.7.7", 1000, &request);
    dhcp_expect(&net, 1000 * TN_SEC, REQUEST, &seen);
    expect_span(seen.at - request.at, 480000, 500100); /* from when it was asked for */
    assert_string_equal(seen.to, NET_PEER);
    assert_string_equal(seen.src, "10.0.7.7");
    assert_string_equal(seen.dst, DHCP_SERVER);
    assert_string_equal(seen.ciaddr, "10.0.7.7");
    assert_int_equal(seen.flags, 0);
    assert_null(dhcp_option(&seen, 50, &len));
    assert_null(dhcp_option(&seen, 54, &len));
    dhcp_answer(&said, &seen, ACK, "10.0.7.7");
    dhcp_add_usual(&said, 1000);
    dhcp_say(&net, &said);
    assert_string_equal(dhcp_shown(&net, "state"), "BOUND");
    tn_time renewed = seen.at;
    dhcp_expect(&net, 1000 * TN_SEC, REQUEST, &seen);
    expect_span(seen.at - renewed, 480000, 500100);
    finish();
}

/* conformance: 2131 4.4.5-half; 2131 4.4.5-rebinding; 2131 4.4.5-expired */
static void lease_is_asked_for_until_it_ends(void **state)
{
    struct dhcp_seen request;
    tn_time renewals[32];
    size_t count = 0, broadcasts = 0;
    net_begin(&net, DHCP_YAML(""));
    dhcp_bind(&net, "10.0.7.7", 1000, &request);
    for (;;) {
        dhcp_hear(&net, 1000 * TN_SEC, &seen);
        if (seen.type != REQUEST)
            break;
        assert_string_equal(seen.ciaddr, "10.0.7.7");
        broadcasts += strcmp(seen.dst, "255.255.255.255") == 0;
        if (count > 0)
            assert_true(seen.at - renewals[count - 1] >= 60 * TN_SEC || broadcasts == 1);
        renewals[count++] = seen.at;
    }
    expect_span(renewals[1] - renewals[0], 185000, 205000); /* half of what was left until T2 */
    assert_true(broadcasts >= 1);
    assert_int_equal(seen.type, DISCOVER);
    expect_span(seen.at - request.at, 1000000, 1000100);
    assert_false(dhcp_table_has(&net, "addresses", "10.0.7.7"));
    assert_false(dhcp_table_has(&net, "routes", "10.0.7.1"));
    assert_int_equal(net_counter(&net, "dhcp", "expired"), 1);
    finish();
}

/* conformance: 2131 4.4.5-t1t2 */
static void times_of_the_server_are_kept(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    struct dhcp_seen request;
    dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
    dhcp_answer(&said, &seen, OFFER, "10.0.7.7");
    dhcp_add_usual(&said, 1000);
    dhcp_say(&net, &said);
    dhcp_expect(&net, 0, REQUEST, &request);
    dhcp_answer(&said, &request, ACK, "10.0.7.7");
    dhcp_add_usual(&said, 1000);
    dhcp_add32(&said, 58, 100);
    dhcp_add32(&said, 59, 200);
    dhcp_say(&net, &said);
    dhcp_expect(&net, 110 * TN_SEC, REQUEST, &seen);
    expect_span(seen.at - request.at, 96000, 100100);
    assert_string_equal(seen.dst, DHCP_SERVER);
    dhcp_hear(&net, 61 * TN_SEC, &seen); /* not before a minute */
    dhcp_expect(&net, 61 * TN_SEC, REQUEST, &seen);
    expect_span(seen.at - request.at, 196000, 200100);
    assert_string_equal(seen.dst, "255.255.255.255");
    finish();
}

/* conformance: 2131 3.3-infinite */
static void lease_without_end_is_never_renewed(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    dhcp_bind(&net, "10.0.7.7", 0xffffffff, &seen);
    assert_string_equal(dhcp_shown(&net, "expires-in"), "never");
    dhcp_silent_for(&net, 30 * 86400 * TN_SEC);
    assert_string_equal(dhcp_shown(&net, "state"), "BOUND");
    finish();
}

/* conformance: 2131 4.4.5-nak */
static void nak_while_renewing_takes_the_address_away(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    dhcp_bind(&net, "10.0.7.7", 1000, &seen);
    dhcp_expect(&net, 1000 * TN_SEC, REQUEST, &seen);
    dhcp_answer(&said, &seen, NAK, "0.0.0.0");
    dhcp_say(&net, &said);
    assert_false(dhcp_table_has(&net, "addresses", "10.0.7.7"));
    dhcp_expect(&net, TN_SEC, DISCOVER, &seen);
    assert_string_equal(seen.src, "0.0.0.0");
    finish();
}

static void renewal_with_another_address_moves(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    dhcp_bind(&net, "10.0.7.7", 1000, &seen);
    dhcp_expect(&net, 1000 * TN_SEC, REQUEST, &seen);
    dhcp_answer(&said, &seen, ACK, "10.0.7.8");
    dhcp_add_usual(&said, 1000);
    dhcp_say(&net, &said);
    net_pass(&net, 10 * TN_SEC);
    assert_false(dhcp_table_has(&net, "addresses", "10.0.7.7/24"));
    assert_true(dhcp_table_has(&net, "addresses", "10.0.7.8/24"));
    finish();
}

/* conformance: 2131 4.4.6 */
static void address_is_released_at_the_end(void **state)
{
    char report[1000];
    struct tn_error error;
    size_t len;
    net_begin(&net, DHCP_YAML(""));
    dhcp_bind(&net, "10.0.7.7", 1000, &seen);
    dhcp_expect(&net, 1000 * TN_SEC, REQUEST, &seen); /* so it knows the server's link address */
    dhcp_answer(&said, &seen, ACK, "10.0.7.7");
    dhcp_add_usual(&said, 1000);
    dhcp_say(&net, &said);
    static const char without[] = "stack: { name: net }\n"
                                  "interfaces: { h0: { driver: host, mac: \"02:00:00:00:07:07\" } }\n"
                                  "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {}, tcp: {} }\n";
    assert_int_equal(tn_stack_reload(net.stack, without, "w", &error, report, sizeof(report)), 0);
    dhcp_expect(&net, 0, RELEASE, &seen);
    assert_string_equal(seen.dst, DHCP_SERVER);
    assert_string_equal(seen.src, "10.0.7.7");
    assert_string_equal(seen.ciaddr, "10.0.7.7");
    assert_string_equal(dhcp_option_addr(&seen, 54), DHCP_SERVER);
    assert_null(dhcp_option(&seen, 50, &len));
    assert_null(dhcp_option(&seen, 55, &len));
    assert_false(dhcp_table_has(&net, "addresses", "10.0.7.7"));
    finish();
}

static void connection_ends_with_the_address_that_it_comes_from(void **state)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct tn_error why;
    int error = 0;
    socklen_t len = sizeof(error);
    assert_int_equal(inet_pton(AF_INET, DHCP_SERVER, &sa.sin_addr), 1);
    net_begin(&net, DHCP_YAML(""));
    dhcp_bind(&net, "10.0.7.7", 3600, &seen);
    int fd = tn_socket(net.stack, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(tn_connect(net.stack, fd, (struct sockaddr *)&sa, sizeof(sa)), -EINPROGRESS);
    net_pass(&net, TN_MSEC);
    static const char without[] = "stack: { name: net }\n"
                                  "interfaces: { h0: { driver: host, mac: \"02:00:00:00:07:07\" } }\n"
                                  "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {}, tcp: {} }\n";
    if (tn_stack_reload(net.stack, without, "stack.yaml", &why, NULL, 0) < 0)
        fail_msg("%s", why.text);
    assert_int_equal(tn_getsockopt(net.stack, fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
    assert_int_equal(error, ECONNABORTED);
    assert_int_equal(tn_close(net.stack, fd), 0);
    finish();
}

/* ---- The lease on disk ---- */

static char directory[64];

static void start_with_state(const char *yaml)
{
    struct tn_error error;
    net = (struct net){.sim = tn_sim_create(7)};
    tn_sim_plugin_path(net.sim, TN_TEST_PLUGIN_DIR);
    tn_sim_state_directory(net.sim, directory);
    if (tn_sim_add(net.sim, yaml, &net.stack, &error) < 0)
        fail_msg("%s", error.text);
}

static void leave_a_lease(uint32_t lease)
{
    snprintf(directory, sizeof(directory), "/tmp/tenon-dhcp-XXXXXX");
    assert_non_null(mkdtemp(directory));
    start_with_state(DHCP_YAML(", release: no"));
    dhcp_bind(&net, "10.0.7.7", lease, &seen);
    finish();
    start_with_state(DHCP_YAML(", release: no"));
}

static void remove_leases(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/net.dhcp.h0", directory);
    (void)unlink(path);
    assert_int_equal(rmdir(directory), 0);
}

/* conformance: 2131 4.4.2 */
static void lease_on_disk_is_asked_for_again(void **state)
{
    size_t len;
    leave_a_lease(3600);
    dhcp_expect(&net, 11 * TN_SEC, REQUEST, &seen);
    assert_string_equal(seen.dst, "255.255.255.255");
    assert_string_equal(seen.ciaddr, "0.0.0.0");
    assert_string_equal(dhcp_option_addr(&seen, 50), "10.0.7.7");
    assert_null(dhcp_option(&seen, 54, &len));
    dhcp_answer(&said, &seen, ACK, "10.0.7.7");
    dhcp_add_usual(&said, 3600);
    dhcp_say(&net, &said);
    dhcp_silent_for(&net, 9 * TN_SEC);
    assert_string_equal(dhcp_shown(&net, "state"), "BOUND");
    finish();
    remove_leases();
}

/* conformance: 2131 3.2-nak */
static void lease_on_disk_that_is_refused_is_forgotten(void **state)
{
    leave_a_lease(3600);
    dhcp_expect(&net, 11 * TN_SEC, REQUEST, &seen);
    dhcp_answer(&said, &seen, NAK, "0.0.0.0");
    dhcp_say(&net, &said);
    dhcp_expect(&net, TN_SEC, DISCOVER, &seen);
    finish();
    assert_int_equal(rmdir(directory), 0); /* nothing is left in it */
}

/* conformance: 2131 3.2-silence */
static void lease_on_disk_is_used_when_no_server_answers(void **state)
{
    leave_a_lease(3600);
    for (int i = 0; i < 4; i++)
        dhcp_expect(&net, 40 * TN_SEC, REQUEST, &seen);
    dhcp_silent_for(&net, 45 * TN_SEC);
    assert_string_equal(dhcp_shown(&net, "state"), "BOUND");
    assert_true(dhcp_table_has(&net, "addresses", "10.0.7.7/24"));
    assert_true(strtol(dhcp_shown(&net, "expires-in"), NULL, 10) < 3600);
    finish();
    remove_leases();
}

static void lease_on_disk_that_is_damaged_is_ignored(void **state)
{
    char path[128];
    leave_a_lease(3600);
    snprintf(path, sizeof(path), "%s/net.dhcp.h0", directory);
    assert_int_equal(truncate(path, 100), 0);
    dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
    finish();
    remove_leases();
}

/* ---- Inform ---- */

/* conformance: 2131 3.4; 2131 4.4.3 */
static void inform_asks_for_everything_but_an_address(void **state)
{
    size_t len;
    net_begin(&net,
              "stack: { name: net }\n"
              "interfaces: { h0: { driver: host, mac: \"02:00:00:00:07:07\", addresses: [10.0.7.9/24] } }\n"
              "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {} }\n"
              "services: { dhcp: { interface: h0, mode: inform } }\n");
    dhcp_expect(&net, 11 * TN_SEC, INFORM, &seen);
    assert_string_equal(seen.ciaddr, "10.0.7.9");
    assert_null(dhcp_option(&seen, 51, &len));
    assert_null(dhcp_option(&seen, 50, &len));
    dhcp_answer(&said, &seen, ACK, "0.0.0.0");
    dhcp_add_addr(&said, 6, "10.0.7.53");
    dhcp_add(&said, 15, "example.org", 11);
    dhcp_say(&net, &said);
    assert_string_equal(dhcp_shown(&net, "state"), "INFORMED");
    assert_string_equal(dhcp_shown(&net, "name-servers"), "10.0.7.53");
    assert_string_equal(dhcp_shown(&net, "domain"), "example.org");
    assert_true(dhcp_table_has(&net, "addresses", "10.0.7.9/24"));
    finish();
}

/* ---- Options ---- */

/* Answers the REQUEST that comes with an ACK whose further options `add` puts, and waits until the address is in use. */
static void bind_with(void (*add)(void))
{
    dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
    dhcp_answer(&said, &seen, OFFER, "10.0.7.7");
    dhcp_add_usual(&said, 3600);
    dhcp_say(&net, &said);
    dhcp_expect(&net, 0, REQUEST, &seen);
    dhcp_answer(&said, &seen, ACK, "10.0.7.7");
    dhcp_add_usual(&said, 3600);
    add();
    dhcp_say(&net, &said);
    dhcp_silent_for(&net, 9 * TN_SEC);
    assert_string_equal(dhcp_shown(&net, "state"), "BOUND");
}

static void put_overload(void)
{
    static const uint8_t both = 3, file[] = {15, 4, 'f', 'i', 'l', 'e', 255},
                         sname[] = {42, 4, 10, 0, 7, 99, 255};
    dhcp_add(&said, 52, &both, 1);
    memcpy(said.bytes + 108, file, sizeof(file));
    memcpy(said.bytes + 44, sname, sizeof(sname));
}

/* conformance: 2132 9.3 */
static void options_lie_in_file_and_sname_too(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    bind_with(put_overload);
    assert_string_equal(dhcp_shown(&net, "domain"), "file");
    assert_string_equal(dhcp_shown(&net, "ntp-servers"), "10.0.7.99");
    finish();
}

static void put_pieces(void)
{
    dhcp_add(&said, 15, "exam", 4);
    dhcp_add(&said, 42, "\x0a\x00", 2);
    dhcp_add(&said, 15, "ple.org", 7);
    dhcp_add(&said, 42, "\x07\x63", 2);
}

/* conformance: 3396 5 */
static void option_in_pieces_is_joined(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    bind_with(put_pieces);
    assert_string_equal(dhcp_shown(&net, "domain"), "example.org");
    assert_string_equal(dhcp_shown(&net, "ntp-servers"), "10.0.7.99");
    finish();
}

static void put_routes(void)
{
    static const uint8_t routes[] = {0,  10, 0,  7,  2,       /* default */
                                     12, 10, 31, 10, 0, 7, 3, /* 10.16.0.0/12: four bits too many are given */
                                     24, 10, 9,  9,  0, 0, 0, 0 /* on the link */};
    dhcp_add(&said, 121, routes, sizeof(routes));
}

/* conformance: 3442 routes; 3442 ignore-3; 3442 mask; 3442 on-link */
static void classless_routes_stand_in_place_of_routers(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    bind_with(put_routes);
    assert_string_equal(dhcp_shown(&net, "routes"),
                        "0.0.0.0/0 via 10.0.7.2, 10.16.0.0/12 via 10.0.7.3, 10.9.9.0/24");
    assert_true(dhcp_table_has(&net, "routes", "\"via\":\"10.0.7.2\""));
    assert_true(dhcp_table_has(&net, "routes", "10.16.0.0/12"));
    assert_true(dhcp_table_has(&net, "routes", "10.9.9.0/24"));
    assert_false(dhcp_table_has(&net, "routes", "\"via\":\"10.0.7.1\""));
    finish();
}

static void put_mtu(void)
{
    dhcp_add(&said, 26, "\x05\x14", 2);
}

/* conformance: 2132 5.1 */
static void mtu_of_the_lease_is_used_while_it_lasts(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    bind_with(put_mtu);
    assert_true(dhcp_table_has(&net, "interfaces", "\"mtu\":1300"));
    dhcp_expect(&net, 3600 * TN_SEC, REQUEST, &seen);
    dhcp_answer(&said, &seen, NAK, "0.0.0.0");
    dhcp_say(&net, &said);
    assert_true(dhcp_table_has(&net, "interfaces", "\"mtu\":1500"));
    finish();
}

static void put_tiny_mtu(void)
{
    dhcp_add(&said, 26, "\x00\x44", 2);
}

static void mtu_that_would_cripple_is_not_used(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    bind_with(put_tiny_mtu);
    assert_true(dhcp_table_has(&net, "interfaces", "\"mtu\":1500"));
    finish();
}

/* ---- Bad input ---- */

static void message_cut_anywhere_is_dropped(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
    dhcp_answer(&said, &seen, OFFER, "10.0.7.7");
    dhcp_add_usual(&said, 3600);
    for (size_t len = 0; len < said.len; len++) {
        if (len >= 240 + 3 + 6) /* type and server are there, and perhaps no more: an offer without a lease */
            continue;
        dhcp_say_raw(&net, said.bytes, len);
    }
    assert_string_equal(dhcp_shown(&net, "state"), "SELECTING");
    assert_true(net_drops(&net, "dhcp", "malformed") >= 240);
    finish();
}

static void option_that_overruns_makes_the_message_void(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
    dhcp_answer(&said, &seen, OFFER, "10.0.7.7");
    dhcp_add_usual(&said, 3600);
    said.bytes[said.len++] = 15;
    said.bytes[said.len++] = 200;
    dhcp_say_raw(&net, said.bytes, said.len);
    assert_int_equal(net_drops(&net, "dhcp", "malformed"), 1);
    assert_string_equal(dhcp_shown(&net, "state"), "SELECTING");
    finish();
}

static void text_of_the_server_is_made_printable(void **state)
{
    net_begin(&net, DHCP_YAML(""));
    dhcp_expect(&net, 11 * TN_SEC, DISCOVER, &seen);
    dhcp_answer(&said, &seen, OFFER, "10.0.7.7");
    dhcp_add_usual(&said, 3600);
    dhcp_say(&net, &said);
    dhcp_expect(&net, 0, REQUEST, &seen);
    dhcp_answer(&said, &seen, NAK, "0.0.0.0");
    dhcp_add(&said, 56, "\x1b[31mred\n", 9);
    dhcp_say(&net, &said);
    assert_null(strchr(net.log, '\x1b'));
    assert_non_null(strstr(net.log, "[31mred"));
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(discover_is_a_broadcast_from_nowhere),
        cmocka_unit_test(discover_is_repeated_after_4_8_16_32_64_seconds),
        cmocka_unit_test(client_identifier_is_stable),
        cmocka_unit_test(every_message_lists_the_same_parameters),
        cmocka_unit_test(host_name_and_lease_time_are_asked_for),
        cmocka_unit_test(offer_to_somebody_else_is_dropped),
        cmocka_unit_test(offer_for_another_client_identifier_is_dropped),
        cmocka_unit_test(offer_that_lies_is_dropped),
        cmocka_unit_test(ack_is_dropped_while_selecting),
        cmocka_unit_test(request_names_address_and_server),
        cmocka_unit_test(four_requests_without_an_answer_begin_anew),
        cmocka_unit_test(nak_begins_anew),
        cmocka_unit_test(ack_of_another_server_or_address_is_dropped),
        cmocka_unit_test(lease_brings_address_route_and_name_server),
        cmocka_unit_test(address_in_use_is_declined),
        cmocka_unit_test(lease_is_renewed_by_unicast_at_half_its_time),
        cmocka_unit_test(lease_is_asked_for_until_it_ends),
        cmocka_unit_test(times_of_the_server_are_kept),
        cmocka_unit_test(lease_without_end_is_never_renewed),
        cmocka_unit_test(nak_while_renewing_takes_the_address_away),
        cmocka_unit_test(renewal_with_another_address_moves),
        cmocka_unit_test(address_is_released_at_the_end),
        cmocka_unit_test(connection_ends_with_the_address_that_it_comes_from),
        cmocka_unit_test(lease_on_disk_is_asked_for_again),
        cmocka_unit_test(lease_on_disk_that_is_refused_is_forgotten),
        cmocka_unit_test(lease_on_disk_is_used_when_no_server_answers),
        cmocka_unit_test(lease_on_disk_that_is_damaged_is_ignored),
        cmocka_unit_test(inform_asks_for_everything_but_an_address),
        cmocka_unit_test(options_lie_in_file_and_sname_too),
        cmocka_unit_test(option_in_pieces_is_joined),
        cmocka_unit_test(classless_routes_stand_in_place_of_routers),
        cmocka_unit_test(mtu_of_the_lease_is_used_while_it_lasts),
        cmocka_unit_test(mtu_that_would_cripple_is_not_used),
        cmocka_unit_test(message_cut_anywhere_is_dropped),
        cmocka_unit_test(option_that_overruns_makes_the_message_void),
        cmocka_unit_test(text_of_the_server_is_made_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
