/* Path MTU discovery (RFC 1191): what routers say of the largest packet, and what becomes of datagrams then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "net.h"

#define FAR "192.0.2.9"
#define DF  0x4000
#define MF  0x2000

static struct net net;
static struct net_seen seen;
static int fd;

/* A UDP socket that is connected to FAR:4000. */
static int open_to(const char *far)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(4000)};
    assert_int_equal(inet_pton(AF_INET, far, &sa.sin_addr), 1);
    int s = tn_socket(net.stack, AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(tn_connect(net.stack, s, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return s;
}

static int setup(void **state)
{
    net_start(&net,
              "stack: { name: net, limits: { path-mtus: 2 } }\n"
              "interfaces: { h0: { driver: host, mac: \"02:00:00:00:07:07\", addresses: [10.0.7.7/24],\n"
              "                    routes: [{ to: default, via: 10.0.7.1 }] } }\n"
              "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {} }\n");
    net_meet(&net);
    fd = open_to(FAR);
    return 0;
}

static int teardown(void **state)
{
    tn_close(net.stack, fd);
    net_stop(&net);
    return 0;
}

static void discover(int mode)
{
    assert_int_equal(tn_setsockopt(net.stack, fd, IPPROTO_IP, IP_MTU_DISCOVER, &mode, sizeof(mode)), 0);
}

static ssize_t send_bytes(int s, size_t len)
{
    static uint8_t data[65507];
    ssize_t sent = tn_send(net.stack, s, data, len, 0);
    tn_sim_settle(net.sim);
    return sent;
}

/* Sends a datagram of `len` bytes, which goes in one packet. */
static void send_whole(int s, size_t len, uint16_t fragment)
{
    assert_int_equal(send_bytes(s, len), len);
    net_expect_ip(&net, &seen);
    assert_int_equal(seen.len, 8 + len);
    assert_int_equal(seen.fragment, fragment);
}

/* Sends one that goes in two fragments, the first of `first` bytes after the IP header. */
static void send_in_two(size_t len, size_t first)
{
    assert_int_equal(send_bytes(fd, len), len);
    net_expect_ip(&net, &seen);
    assert_int_equal(seen.len, first);
    assert_int_equal(seen.fragment, MF);
    net_expect_ip(&net, &seen);
    assert_int_equal(seen.len, 8 + len - first);
    assert_int_equal(seen.fragment, first / 8);
    net_expect_nothing(&net);
}

/* A router says of the packet in `seen` that only `mtu` bytes fit. */
static void too_big(uint16_t mtu)
{
    uint8_t message[64];
    size_t len = net_icmp(message, 3, 4, mtu, seen.frame.bytes + 14, 28);
    net_send_ip(&net, &(struct net_ip){.protocol = 1}, message, len);
}

static int int_option(int level, int name)
{
    int v = -1;
    socklen_t len = sizeof(v);
    int error = tn_getsockopt(net.stack, fd, level, name, &v, &len);
    return error < 0 ? error : v;
}

/* conformance: 1191 3-df; 1191 6.1; 1191 3-lower */
static void datagrams_are_fragmented_once_a_router_said_what_fits(void **state)
{
    send_whole(fd, 1472, DF);
    too_big(1400);
    send_in_two(1472, 1376);
    send_whole(fd, 1372, DF);
    assert_int_equal(int_option(SOL_SOCKET, SO_ERROR), 0);
    assert_int_equal(int_option(IPPROTO_IP, IP_MTU), 1400);
}

/* conformance: 1191 6.3 */
static void larger_ones_are_tried_again_after_ten_minutes(void **state)
{
    send_whole(fd, 1472, DF);
    too_big(1400);
    net_pass(&net, 599 * TN_SEC);
    (void)net_take_all(&net);
    net_meet(&net);
    send_in_two(1472, 1376);
    net_pass(&net, TN_SEC);
    send_whole(fd, 1472, DF);
}

/* conformance: 1191 3-raise */
static void a_router_never_raises_it(void **state)
{
    send_whole(fd, 1472, DF);
    too_big(1000);
    too_big(1400);
    send_in_two(1472, 976);
}

/* conformance: 1191 5 */
static void router_that_does_not_say_how_much_fits_is_guessed_at(void **state)
{
    send_whole(fd, 1472, DF);
    too_big(0);
    send_in_two(1472, 1472);
    send_whole(fd, 1464, DF); /* 1492 */
    too_big(0);
    assert_int_equal(int_option(IPPROTO_IP, IP_MTU), 1006);
}

/* A tiny MTU would have each datagram torn into fifty: 552 at least, but then routers may fragment, should it be true. */
static void claims_of_a_tiny_mtu_are_not_believed(void **state)
{
    send_whole(fd, 1472, DF);
    too_big(68);
    assert_int_equal(int_option(IPPROTO_IP, IP_MTU), 552);
    send_whole(fd, 524, 0);
}

static void claims_about_what_nobody_sent_are_not_believed(void **state)
{
    send_whole(fd, 1472, DF);
    tn_store16(seen.frame.bytes + 14 + 20, 99); /* from a port that nobody has */
    too_big(1000);
    send_whole(fd, 1472, DF);
    assert_int_equal(net_counter(&net, "udp", "errors-unmatched"), 1);
}

static void unconnected_sockets_datagrams_teach_too(void **state)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(4000)};
    assert_int_equal(inet_pton(AF_INET, FAR, &sa.sin_addr), 1);
    int other = tn_socket(net.stack, AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(tn_sendto(net.stack, other, "x", 1, 0, (struct sockaddr *)&sa, sizeof(sa)), 1);
    tn_sim_settle(net.sim);
    net_expect_ip(&net, &seen);
    too_big(1400);
    send_in_two(1472, 1376);
    tn_close(net.stack, other);
}

/* ---- IP_MTU_DISCOVER ---- */

static void do_refuses_what_does_not_fit(void **state)
{
    discover(IP_PMTUDISC_DO);
    assert_int_equal(send_bytes(fd, 1473), -EMSGSIZE);
    send_whole(fd, 1472, DF);
    too_big(1400);
    assert_int_equal(int_option(SOL_SOCKET, SO_ERROR), EMSGSIZE);
    assert_int_equal(send_bytes(fd, 1373), -EMSGSIZE);
    send_whole(fd, 1372, DF);
    net_expect_nothing(&net);
}

static void dont_lets_routers_fragment(void **state)
{
    discover(IP_PMTUDISC_DONT);
    send_whole(fd, 1472, 0);
    send_in_two(1473, 1480);
}

/* conformance: 4821 9 */
static void probe_heeds_the_interfaces_mtu_alone(void **state)
{
    discover(IP_PMTUDISC_PROBE);
    send_whole(fd, 1472, DF);
    too_big(1400);
    assert_int_equal(int_option(SOL_SOCKET, SO_ERROR), EMSGSIZE);
    send_whole(fd, 1472, DF);
    assert_int_equal(send_bytes(fd, 1473), -EMSGSIZE);
}

static void modes_are_told_as_they_were_set(void **state)
{
    int wrong = 9;
    assert_int_equal(int_option(IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_WANT);
    for (int mode = IP_PMTUDISC_DONT; mode <= IP_PMTUDISC_PROBE; mode++) {
        discover(mode);
        assert_int_equal(int_option(IPPROTO_IP, IP_MTU_DISCOVER), mode);
    }
    assert_int_equal(tn_setsockopt(net.stack, fd, IPPROTO_IP, IP_MTU_DISCOVER, &wrong, sizeof(wrong)),
                     -EINVAL);
}

/* ---- The table ---- */

static void oldest_destination_makes_room(void **state)
{
    int second = open_to("192.0.2.10"), third = open_to("192.0.2.11");
    const int fds[] = {fd, second, third};
    for (unsigned i = 0; i < 3; i++) {
        send_whole(fds[i], 1000, DF);
        too_big(900);
    }
    assert_int_equal(net_counter(&net, "core", "path-mtu-limit"), 1);
    send_whole(fd, 1472, DF); /* forgotten */
    assert_int_equal(send_bytes(third, 1000), 1000);
    assert_int_equal(net_take_all(&net), 2);
    tn_close(net.stack, second);
    tn_close(net.stack, third);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(datagrams_are_fragmented_once_a_router_said_what_fits),
        T(larger_ones_are_tried_again_after_ten_minutes),
        T(a_router_never_raises_it),
        T(router_that_does_not_say_how_much_fits_is_guessed_at),
        T(claims_of_a_tiny_mtu_are_not_believed),
        T(claims_about_what_nobody_sent_are_not_believed),
        T(unconnected_sockets_datagrams_teach_too),
        T(do_refuses_what_does_not_fit),
        T(dont_lets_routers_fragment),
        T(probe_heeds_the_interfaces_mtu_alone),
        T(modes_are_told_as_they_were_set),
        T(oldest_destination_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
