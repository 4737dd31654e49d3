/* Multicast: who hears what, what leaves by which interface, and what routers are told (RFC 1112, RFC 2236, RFC 3376). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "net.h"

#define GROUP "239.1.2.3"
#define MAC   "01:00:5e:01:02:03"
#define V3    "224.0.0.22"

static struct net net;
static struct net_seen seen;

static int setup(void **state)
{
    net_start(&net, "stack: { name: net }\n"
                    "interfaces: { h0: { driver: host, mac: \"02:00:00:00:07:07\", addresses: [10.0.7.7/24, "
                    "10.0.7.8/24],\n"
                    "                    routes: [{ to: default, via: 10.0.7.1 }] } }\n"
                    "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, igmp: {}, udp: {} }\n");
    return 0;
}

static int teardown(void **state)
{
    (void)net_take_all(&net);
    net_stop(&net);
    return 0;
}

/* ---- Sockets ---- */

static int listener(uint16_t port)
{
    int fd = tn_socket(net.stack, AF_INET, SOCK_DGRAM, 0), on = 1;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(tn_setsockopt(net.stack, fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
    assert_int_equal(tn_bind(net.stack, fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

static int membership(int fd, int name, const char *group, const char *interface)
{
    struct ip_mreq m;
    assert_int_equal(inet_pton(AF_INET, group, &m.imr_multiaddr), 1);
    assert_int_equal(inet_pton(AF_INET, interface, &m.imr_interface), 1);
    int error = tn_setsockopt(net.stack, fd, IPPROTO_IP, name, &m, sizeof(m));
    tn_sim_settle(net.sim);
    return error;
}

static void join(int fd)
{
    assert_int_equal(membership(fd, IP_ADD_MEMBERSHIP, GROUP, "10.0.7.7"), 0);
}

static void leave(int fd)
{
    assert_int_equal(membership(fd, IP_DROP_MEMBERSHIP, GROUP, "10.0.7.7"), 0);
}

static void send_to(int fd, const char *dst, uint16_t port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, dst, &sa.sin_addr), 1);
    assert_int_equal(tn_sendto(net.stack, fd, "hello", 5, 0, (struct sockaddr *)&sa, sizeof(sa)), 5);
    tn_sim_settle(net.sim);
}

static bool hears(int fd)
{
    char text[16];
    ssize_t len = tn_recv(net.stack, fd, text, sizeof(text), 0);
    assert_true(len == 5 || len == -EAGAIN);
    return len == 5;
}

/* 10.0.7.1:4000 sends "hello" to the group's port. */
static void somebody_sends(const char *group, const char *mac, uint16_t port)
{
    uint8_t udp[13] = {0};
    tn_store16(udp, 4000);
    tn_store16(udp + 2, port);
    tn_store16(udp + 4, sizeof(udp));
    memcpy(udp + 8, "hello", 5);
    net_send_ip(&net, &(struct net_ip){.to = mac, .dst = group, .protocol = 17, .ttl = 1}, udp, sizeof(udp));
}

/* ---- IGMP ---- */

static const uint8_t alert[] = {148, 4, 0, 0};

static void send_igmp(const char *dst, const uint8_t *message, size_t len)
{
    uint8_t copy[64];
    memcpy(copy, message, len);
    copy[2] = copy[3] = 0;
    tn_store16(copy + 2, net_sum(copy, len));
    net_send_ip(&net,
                &(struct net_ip){.to = "01:00:5e:00:00:01",
                                 .dst = dst,
                                 .protocol = 2,
                                 .ttl = 1,
                                 .options = alert,
                                 .options_len = sizeof(alert)},
                copy, len);
}

/* The next packet is IGMP to `dst`, with time to live 1 and the router alert. */
static void expect_igmp(const char *dst)
{
    net_expect_ip(&net, &seen);
    assert_int_equal(seen.protocol, 2);
    assert_string_equal(seen.dst, dst);
    assert_string_equal(seen.src, "10.0.7.7");
    assert_int_equal(seen.ttl, 1);
    assert_int_equal(seen.header_len, 24);
    assert_memory_equal(seen.payload - 4, alert, 4);
    assert_int_equal(net_sum(seen.payload, seen.len), 0);
}

/* The next is a version 3 report with this one record about GROUP. */
static void expect_record(uint8_t type, unsigned sources)
{
    static const uint8_t group[] = {239, 1, 2, 3};
    expect_igmp(V3);
    assert_int_equal(seen.payload[0], 0x22);
    assert_int_equal(tn_load16(seen.payload + 6), 1);
    assert_int_equal(seen.payload[8], type);
    assert_int_equal(tn_load16(seen.payload + 10), sources);
    assert_memory_equal(seen.payload + 12, group, 4);
    assert_int_equal(seen.len, 16 + 4 * sources);
}

/* Joins, and lets the reports of it go by. */
static int joined(void)
{
    int fd = listener(5000);
    join(fd);
    net_pass(&net, 2 * TN_SEC);
    assert_int_equal(net_take_all(&net), 2);
    return fd;
}

static const uint8_t general_v3[] = {0x11, 20, 0, 0, 0, 0, 0, 0, 2, 125, 0, 0};    /* within 2 s */
static const uint8_t specific_v3[] = {0x11, 10, 0, 0, 239, 1, 2, 3, 2, 125, 0, 0}; /* within 1 s */
static const uint8_t sources_v3[] = {0x11, 10, 0, 0, 239, 1, 2, 3, 2, 125, 0, 2, 192, 0, 2, 1, 192, 0, 2, 2};
static const uint8_t general_v2[] = {0x11, 20, 0, 0, 0, 0, 0, 0};
static const uint8_t general_v1[] = {0x11, 0, 0, 0, 0, 0, 0, 0};

/* conformance: 3376 5.1; 3376 4; 1112 7.2 */
static void joining_is_reported_at_once_and_again_within_a_second(void **state)
{
    int fd = listener(5000);
    join(fd);
    expect_record(4, 0); /* TO_EX {} */
    net_expect_nothing(&net);
    net_pass(&net, TN_SEC);
    expect_record(4, 0);
    net_pass(&net, 60 * TN_SEC);
    net_expect_nothing(&net);
    tn_close(net.stack, fd);
}

/* conformance: 3376 5.1 */
static void leaving_is_reported_when_the_last_socket_leaves(void **state)
{
    int fd = joined(), other = listener(5000);
    join(other);
    leave(fd);
    net_expect_nothing(&net);
    tn_close(net.stack, other);
    tn_sim_settle(net.sim);
    expect_record(3, 0); /* TO_IN {} */
    net_pass(&net, TN_SEC);
    expect_record(3, 0);
    tn_close(net.stack, fd);
}

/* conformance: 3376 5.2-general */
static void general_query_is_answered_within_its_time(void **state)
{
    int fd = joined();
    send_igmp("224.0.0.1", general_v3, sizeof(general_v3));
    net_expect_nothing(&net);
    net_pass(&net, 2 * TN_SEC);
    expect_record(2, 0); /* IS_EX {} */
    net_expect_nothing(&net);
    tn_close(net.stack, fd);
}

/* conformance: 3376 5.2-group */
static void query_about_a_group_is_answered_by_its_members(void **state)
{
    int fd = joined();
    static const uint8_t other[] = {0x11, 10, 0, 0, 239, 9, 9, 9, 2, 125, 0, 0};
    send_igmp(GROUP, specific_v3, sizeof(specific_v3));
    net_pass(&net, TN_SEC);
    expect_record(2, 0);
    send_igmp("224.0.0.1", other, sizeof(other));
    net_pass(&net, 10 * TN_SEC);
    net_expect_nothing(&net);
    tn_close(net.stack, fd);
}

/* conformance: 3376 5.2-sources */
static void query_about_sources_is_answered_with_those_that_are_wanted(void **state)
{
    int fd = joined();
    send_igmp(GROUP, sources_v3, sizeof(sources_v3));
    net_pass(&net, TN_SEC);
    expect_record(1, 2); /* IS_IN {both} */
    tn_close(net.stack, fd);
}

/* conformance: 3376 9.1; 3376 4.1 */
static void queries_that_cannot_be_are_dropped(void **state)
{
    int fd = joined();
    uint8_t message[12];
    memcpy(message, general_v3, sizeof(message));
    tn_store16(message + 2, net_sum(message, sizeof(message)));
    net_send_ip(&net,
                &(struct net_ip){.to = "01:00:5e:00:00:01", .dst = "224.0.0.1", .protocol = 2, .ttl = 1},
                message, 12);
    assert_int_equal(net_drops(&net, "igmp", "no-alert"), 1);
    net_send_ip(&net,
                &(struct net_ip){.to = "01:00:5e:00:00:01", .dst = "224.0.0.1", .protocol = 2, .ttl = 2},
                message, 12);
    assert_int_equal(net_drops(&net, "igmp", "bad-ttl"), 1);
    message[5] = 1;
    net_send_ip(&net,
                &(struct net_ip){.to = "01:00:5e:00:00:01", .dst = "224.0.0.1", .protocol = 2, .ttl = 1},
                message, 12);
    assert_int_equal(net_drops(&net, "igmp", "bad-checksum"), 1);
    send_igmp("224.0.0.1", sources_v3, 16); /* a source is missing */
    assert_int_equal(net_drops(&net, "igmp", "bad-length"), 1);
    send_igmp("224.0.0.1", general_v3, 7);
    assert_int_equal(net_drops(&net, "igmp", "truncated"), 1);
    net_pass(&net, 20 * TN_SEC);
    net_expect_nothing(&net);
    tn_close(net.stack, fd);
}

/* ---- Older routers ---- */

/* conformance: 3376 7.2.1; 3376 7.2.1-timeout */
static void router_of_version_2_is_spoken_to_in_version_2_until_it_is_silent(void **state)
{
    int fd = joined();
    send_igmp("224.0.0.1", general_v2, sizeof(general_v2));
    net_pass(&net, 2 * TN_SEC);
    expect_igmp(GROUP);
    assert_int_equal(seen.payload[0], 0x16);
    assert_int_equal(seen.len, 8);
    assert_string_equal(seen.to, MAC);
    leave(fd);
    expect_igmp("224.0.0.2");
    assert_int_equal(seen.payload[0], 0x17);
    net_pass(&net, 259 * TN_SEC); /* 2 * 125 s + 10 s in all */
    net_expect_nothing(&net);
    join(fd);
    expect_record(4, 0);
    tn_close(net.stack, fd);
}

/* conformance: 3376 7.2.1 */
static void router_of_version_1_gets_no_leave_message(void **state)
{
    int fd = joined();
    send_igmp("224.0.0.1", general_v1, sizeof(general_v1));
    net_pass(&net, 10 * TN_SEC);
    expect_igmp(GROUP);
    assert_int_equal(seen.payload[0], 0x12);
    leave(fd);
    net_pass(&net, 10 * TN_SEC);
    net_expect_nothing(&net);
    tn_close(net.stack, fd);
}

/* conformance: 3376 7.2.2 */
static void report_of_another_host_suppresses_ours_in_version_2(void **state)
{
    static const uint8_t report[] = {0x16, 0, 0, 0, 239, 1, 2, 3};
    int fd = joined();
    send_igmp("224.0.0.1", general_v2, sizeof(general_v2));
    send_igmp(GROUP, report, sizeof(report));
    net_pass(&net, 10 * TN_SEC);
    net_expect_nothing(&net);
    assert_int_equal(net_counter(&net, "igmp", "suppressed"), 1);
    leave(fd); /* and the other one is to say so */
    net_expect_nothing(&net);
    tn_close(net.stack, fd);
}

/* ---- Who hears ---- */

/* conformance: 1112 7.1*/
/* conformance: 1122 3.3.7 */
static void only_groups_that_were_joined_are_heard(void **state)
{
    int fd = listener(5000);
    somebody_sends(GROUP, MAC, 5000);
    assert_int_equal(net_drops(&net, "ipv4", "not-joined"), 1);
    join(fd);
    somebody_sends(GROUP, MAC, 5000);
    assert_true(hears(fd));
    leave(fd);
    somebody_sends(GROUP, MAC, 5000);
    assert_false(hears(fd));
    tn_close(net.stack, fd);
}

/* conformance: 1112 7.1 */
static void every_member_hears_and_nobody_else(void **state)
{
    int first = listener(5000), second = listener(5000), stranger = listener(5000),
        elsewhere = listener(5001);
    join(first);
    join(second);
    join(elsewhere);
    somebody_sends(GROUP, MAC, 5000);
    assert_true(hears(first));
    assert_true(hears(second));
    assert_false(hears(stranger));
    assert_false(hears(elsewhere));
    tn_close(net.stack, first);
    tn_close(net.stack, second);
    tn_close(net.stack, stranger);
    tn_close(net.stack, elsewhere);
}

/* RFC 1122 §4.1.3.5 */
/* conformance: 1122 4.1.3.5-many */
static void every_socket_hears_a_broadcast(void **state)
{
    int first = listener(5000), second = listener(5000);
    somebody_sends("10.0.7.255", NET_ALL, 5000);
    assert_true(hears(first));
    assert_true(hears(second));
    tn_close(net.stack, first);
    tn_close(net.stack, second);
}

static void memberships_have_their_errors(void **state)
{
    int fd = listener(5000);
    join(fd);
    assert_int_equal(membership(fd, IP_ADD_MEMBERSHIP, GROUP, "0.0.0.0"), -EADDRINUSE);
    assert_int_equal(membership(fd, IP_DROP_MEMBERSHIP, "239.9.9.9", "0.0.0.0"), -EADDRNOTAVAIL);
    assert_int_equal(membership(fd, IP_ADD_MEMBERSHIP, "10.0.7.9", "0.0.0.0"), -EINVAL);
    assert_int_equal(membership(fd, IP_ADD_MEMBERSHIP, GROUP, "10.0.9.9"), -ENODEV);
    for (unsigned i = 0; i < 19; i++) {
        char group[16];
        snprintf(group, sizeof(group), "239.2.0.%u", i);
        assert_int_equal(membership(fd, IP_ADD_MEMBERSHIP, group, "0.0.0.0"), 0);
    }
    assert_int_equal(membership(fd, IP_ADD_MEMBERSHIP, "239.3.0.0", "0.0.0.0"), -ENOBUFS);
    tn_close(net.stack, fd);
}

/* ---- Sending ---- */

/* conformance: 1112 6.1; 1112 6.4 */
static void members_here_hear_what_is_sent_unless_it_is_switched_off(void **state)
{
    int fd = joined(), off = 0;
    send_to(fd, GROUP, 5000);
    net_expect_ip(&net, &seen);
    assert_int_equal(seen.ttl, 1);
    assert_string_equal(seen.to, MAC);
    assert_true(hears(fd));
    assert_false(hears(fd));
    assert_int_equal(tn_setsockopt(net.stack, fd, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof(off)), 0);
    send_to(fd, GROUP, 5000);
    net_expect_ip(&net, &seen);
    assert_false(hears(fd));
    tn_close(net.stack, fd);
}

/* conformance: 1112 6.1 */
static void time_to_live_and_interface_are_the_senders_choice(void **state)
{
    int fd = listener(5000), ttl = 9;
    struct in_addr second;
    assert_int_equal(inet_pton(AF_INET, "10.0.7.8", &second), 1);
    assert_int_equal(tn_setsockopt(net.stack, fd, IPPROTO_IP, IP_MULTICAST_TTL, &ttl, sizeof(ttl)), 0);
    assert_int_equal(tn_setsockopt(net.stack, fd, IPPROTO_IP, IP_MULTICAST_IF, &second, sizeof(second)), 0);
    send_to(fd, GROUP, 5000);
    net_expect_ip(&net, &seen);
    assert_int_equal(seen.ttl, 9);
    assert_int_equal(tn_load16(seen.payload), 5000);
    tn_close(net.stack, fd);
}

static void service_that_listens_on_a_group_joins_it(void **state)
{
    struct net other;
    net_start(&other,
              "stack: { name: net }\n"
              "interfaces: { h0: { driver: host, mac: \"02:00:00:00:07:07\", addresses: [10.0.7.7/24] } }\n"
              "protocols: { ether: {}, arp: {}, ipv4: {}, igmp: {}, udp: {} }\n"
              "services: { discard: { listen: ['udp/239.1.2.3:9'] } }\n");
    uint8_t udp[8] = {0x0f, 0xa0, 0, 9, 0, 8, 0, 0};
    net_send_ip(&other, &(struct net_ip){.to = MAC, .dst = GROUP, .protocol = 17, .ttl = 1}, udp,
                sizeof(udp));
    assert_int_equal(net_counter(&other, "udp", "datagrams-in"), 1);
    assert_true(net_counter(&other, "igmp", "reports-out") >= 1);
    net_stop(&other);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(joining_is_reported_at_once_and_again_within_a_second),
        T(leaving_is_reported_when_the_last_socket_leaves),
        T(general_query_is_answered_within_its_time),
        T(query_about_a_group_is_answered_by_its_members),
        T(query_about_sources_is_answered_with_those_that_are_wanted),
        T(queries_that_cannot_be_are_dropped),
        T(router_of_version_2_is_spoken_to_in_version_2_until_it_is_silent),
        T(router_of_version_1_gets_no_leave_message),
        T(report_of_another_host_suppresses_ours_in_version_2),
        T(only_groups_that_were_joined_are_heard),
        T(every_member_hears_and_nobody_else),
        T(every_socket_hears_a_broadcast),
        T(memberships_have_their_errors),
        T(members_here_hear_what_is_sent_unless_it_is_switched_off),
        T(time_to_live_and_interface_are_the_senders_choice),
        cmocka_unit_test(service_that_listens_on_a_group_joins_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
