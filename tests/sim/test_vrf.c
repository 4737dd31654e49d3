/* VRFs: two addresses of one subnet, each with routes, a gateway and ports of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "net.h"
#include "tenon/stack.h"

/* 10.0.7.7 in VRF 0 with gateway 10.0.7.1, 10.0.7.8 in VRF 5 with gateway 10.0.7.2. */
#define YAML(services)                                                          \
    "stack: { name: vrf }\n"                                                    \
    "interfaces:\n"                                                             \
    "  h0:\n"                                                                   \
    "    driver: host\n"                                                        \
    "    mac: \"02:00:00:00:07:07\"\n"                                          \
    "    addresses: [10.0.7.7/24, { address: 10.0.7.8/24, vrf: 5 }]\n"          \
    "    routes:\n"                                                             \
    "      - { to: default, via: 10.0.7.1 }\n"                                  \
    "      - { to: default, via: 10.0.7.2, vrf: 5 }\n"                          \
    "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {}, tcp: {} }\n" \
    "services:\n" services

static struct net net;
static struct net_seen seen;

/* Both gateways are known, so that no question about them is in the way. */
static void start(const char *yaml)
{
    net_start(&net, yaml);
    net_send_arp(&net, &(struct net_arp){NET_OWN, NET_PEER, 1, NET_PEER, "10.0.7.1", NET_NONE, "10.0.7.7"});
    net_send_arp(&net, &(struct net_arp){NET_OWN, NET_OTHER, 1, NET_OTHER, "10.0.7.2", NET_NONE, "10.0.7.8"});
    assert_int_equal(net_take_all(&net), 2);
}

static void finish(void)
{
    (void)net_take_all(&net);
    net_stop(&net);
}

/* A datagram without a checksum from 192.0.2.9:4000. */
static void send_udp(const char *dst, uint16_t port, const char *text)
{
    uint8_t udp[64] = {0};
    size_t len = strlen(text);
    tn_store16(udp, 4000);
    tn_store16(udp + 2, port);
    tn_store16(udp + 4, (uint16_t)(8 + len));
    memcpy(udp + 8, text, len);
    net_send_ip(&net, &(struct net_ip){.src = "192.0.2.9", .dst = dst, .protocol = 17}, udp, 8 + len);
}

static void send_syn(const char *dst, uint16_t port)
{
    uint8_t tcp[20 + 12] = {0};
    tn_store16(tcp, 4000);
    tn_store16(tcp + 2, port);
    tn_store32(tcp + 4, 1000);
    tcp[12] = 5 << 4;
    tcp[13] = 0x02;
    tn_store16(tcp + 14, 65535);
    /* over the pseudo-header, which is laid behind the segment for the sum */
    assert_int_equal(inet_pton(AF_INET, "192.0.2.9", tcp + 20), 1);
    assert_int_equal(inet_pton(AF_INET, dst, tcp + 24), 1);
    tn_store16(tcp + 28, 6);
    tn_store16(tcp + 30, 20);
    tn_store16(tcp + 16, net_sum(tcp, sizeof(tcp)));
    net_send_ip(&net, &(struct net_ip){.src = "192.0.2.9", .dst = dst, .protocol = 6}, tcp, 20);
}

static void expect_from(const char *src, const char *gateway, uint8_t protocol)
{
    net_expect_ip(&net, &seen);
    assert_string_equal(seen.src, src);
    assert_string_equal(seen.dst, "192.0.2.9");
    assert_string_equal(seen.to, gateway);
    assert_int_equal(seen.protocol, protocol);
}

static int open_in(int vrf, int type)
{
    int fd = tn_socket(net.stack, AF_INET, type, 0);
    assert_true(fd >= 0);
    assert_int_equal(tn_setsockopt(net.stack, fd, SOL_SOCKET, TN_SO_VRF, &vrf, sizeof(vrf)), 0);
    return fd;
}

static int bind_port(int fd, const char *addr, uint16_t port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, addr, &sa.sin_addr), 1);
    return tn_bind(net.stack, fd, (struct sockaddr *)&sa, sizeof(sa));
}

static ssize_t send_to(int fd, const char *addr, uint16_t port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, addr, &sa.sin_addr), 1);
    ssize_t sent = tn_sendto(net.stack, fd, "x", 1, 0, (struct sockaddr *)&sa, sizeof(sa));
    tn_sim_settle(net.sim);
    return sent;
}

/* ---- Services ---- */

/* conformance: 1122 4.1.3.5 */
static void service_hears_in_every_vrf_and_answers_by_the_one_it_was_asked_in(void **state)
{
    start(YAML("  echo: { listen: [tcp/7, udp/7] }\n"));
    send_udp("10.0.7.7", 7, "zero");
    expect_from("10.0.7.7", NET_PEER, 17);
    send_udp("10.0.7.8", 7, "five");
    expect_from("10.0.7.8", NET_OTHER, 17);
    assert_memory_equal(seen.payload + 8, "five", 4);
    send_udp("10.0.7.7", 7, "zero again");
    expect_from("10.0.7.7", NET_PEER, 17);
    send_syn("10.0.7.8", 7);
    expect_from("10.0.7.8", NET_OTHER, 6);
    assert_int_equal(seen.payload[13], 0x12); /* SYN, ACK */
    send_syn("10.0.7.7", 7);
    expect_from("10.0.7.7", NET_PEER, 6);
    assert_int_equal(seen.payload[13], 0x12);
    finish();
}

static void service_told_a_vrf_hears_in_that_one_alone(void **state)
{
    start(YAML("  echo: { listen: [tcp/7@5, udp/7@5] }\n"));
    send_udp("10.0.7.8", 7, "five");
    expect_from("10.0.7.8", NET_OTHER, 17);
    send_udp("10.0.7.7", 7, "zero");
    expect_from("10.0.7.7", NET_PEER, 1); /* port unreachable */
    assert_int_equal(seen.payload[0], 3);
    assert_int_equal(seen.payload[1], 3);
    send_syn("10.0.7.7", 7);
    expect_from("10.0.7.7", NET_PEER, 6);
    assert_int_equal(seen.payload[13], 0x14); /* RST, ACK */
    finish();
}

static void two_services_share_a_port_in_different_vrfs(void **state)
{
    start(YAML("  echo: { listen: [udp/7@0] }\n  discard: { listen: [udp/7@5] }\n"));
    send_udp("10.0.7.7", 7, "zero");
    expect_from("10.0.7.7", NET_PEER, 17);
    send_udp("10.0.7.8", 7, "five");
    net_expect_nothing(&net);
    finish();
}

/* ---- Programs ---- */

static void program_speaks_by_its_vrfs_address_and_gateway(void **state)
{
    start(YAML("  echo: { listen: [udp/7] }\n"));
    int zero = tn_socket(net.stack, AF_INET, SOCK_DGRAM, 0), five = open_in(5, SOCK_DGRAM);
    assert_int_equal(send_to(zero, "192.0.2.9", 4000), 1);
    expect_from("10.0.7.7", NET_PEER, 17);
    assert_int_equal(send_to(five, "192.0.2.9", 4000), 1);
    expect_from("10.0.7.8", NET_OTHER, 17);
    tn_close(net.stack, zero);
    tn_close(net.stack, five);
    finish();
}

static void program_hears_only_its_vrf(void **state)
{
    char text[16];
    start(YAML("  echo: { listen: [udp/7] }\n"));
    int five = open_in(5, SOCK_DGRAM);
    assert_int_equal(bind_port(five, "0.0.0.0", 100), 0);
    send_udp("10.0.7.7", 100, "zero");
    expect_from("10.0.7.7", NET_PEER, 1);
    send_udp("10.0.7.8", 100, "five");
    assert_int_equal(tn_recv(net.stack, five, text, sizeof(text), 0), 4);
    assert_memory_equal(text, "five", 4);
    tn_close(net.stack, five);
    finish();
}

static void program_may_hear_in_every_vrf(void **state)
{
    char text[16];
    start(YAML("  echo: { listen: [udp/7] }\n"));
    int all = open_in(TN_VRF_ANY, SOCK_DGRAM);
    assert_int_equal(bind_port(all, "0.0.0.0", 100), 0);
    send_udp("10.0.7.7", 100, "zero");
    send_udp("10.0.7.8", 100, "five");
    assert_int_equal(tn_recv(net.stack, all, text, sizeof(text), 0), 4);
    assert_int_equal(tn_recv(net.stack, all, text, sizeof(text), 0), 4);
    assert_memory_equal(text, "five", 4);
    /* what is no answer goes by VRF 0 */
    assert_int_equal(send_to(all, "192.0.2.9", 4000), 1);
    expect_from("10.0.7.7", NET_PEER, 17);
    tn_close(net.stack, all);
    finish();
}

static void each_vrf_has_ports_of_its_own(void **state)
{
    start(YAML("  echo: { listen: [udp/7] }\n"));
    int zero = open_in(0, SOCK_STREAM), five = open_in(5, SOCK_STREAM), again = open_in(5, SOCK_STREAM);
    assert_int_equal(bind_port(zero, "0.0.0.0", 80), 0);
    assert_int_equal(bind_port(five, "0.0.0.0", 80), 0);
    assert_int_equal(bind_port(again, "0.0.0.0", 80), -EADDRINUSE);
    tn_close(net.stack, zero);
    tn_close(net.stack, five);
    tn_close(net.stack, again);
    finish();
}

static void service_that_hears_everywhere_has_its_port_everywhere(void **state)
{
    start(YAML("  echo: { listen: [udp/7] }\n"));
    int five = open_in(5, SOCK_DGRAM);
    assert_int_equal(bind_port(five, "10.0.7.8", 7), -EADDRINUSE);
    tn_close(net.stack, five);
    finish();
}

static void address_of_another_vrf_cannot_be_bound(void **state)
{
    start(YAML("  echo: { listen: [udp/7] }\n"));
    int five = open_in(5, SOCK_DGRAM);
    assert_int_equal(bind_port(five, "10.0.7.7", 100), -EADDRNOTAVAIL);
    assert_int_equal(bind_port(five, "10.0.7.8", 100), 0);
    tn_close(net.stack, five);
    finish();
}

static void vrf_is_chosen_before_the_port(void **state)
{
    int vrf = 5;
    socklen_t len = sizeof(vrf);
    start(YAML("  echo: { listen: [udp/7] }\n"));
    int fd = open_in(5, SOCK_DGRAM);
    assert_int_equal(tn_getsockopt(net.stack, fd, SOL_SOCKET, TN_SO_VRF, &vrf, &len), 0);
    assert_int_equal(vrf, 5);
    assert_int_equal(bind_port(fd, "0.0.0.0", 100), 0);
    assert_int_equal(tn_setsockopt(net.stack, fd, SOL_SOCKET, TN_SO_VRF, &vrf, sizeof(vrf)), -EINVAL);
    vrf = 65536;
    int other = tn_socket(net.stack, AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(tn_setsockopt(net.stack, other, SOL_SOCKET, TN_SO_VRF, &vrf, sizeof(vrf)), -EINVAL);
    tn_close(net.stack, fd);
    tn_close(net.stack, other);
    finish();
}

static void connection_is_in_one_vrf(void **state)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(4000)};
    assert_int_equal(inet_pton(AF_INET, "192.0.2.9", &sa.sin_addr), 1);
    start(YAML("  echo: { listen: [udp/7] }\n"));
    int five = open_in(5, SOCK_STREAM);
    assert_int_equal(tn_connect(net.stack, five, (struct sockaddr *)&sa, sizeof(sa)), -EINPROGRESS);
    tn_sim_settle(net.sim);
    expect_from("10.0.7.8", NET_OTHER, 6);
    int all = open_in(TN_VRF_ANY, SOCK_DGRAM);
    assert_int_equal(bind_port(all, "0.0.0.0", 100), 0);
    assert_int_equal(tn_connect(net.stack, all, (struct sockaddr *)&sa, sizeof(sa)), -EINVAL);
    tn_close(net.stack, five);
    tn_close(net.stack, all);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(service_hears_in_every_vrf_and_answers_by_the_one_it_was_asked_in),
        cmocka_unit_test(service_told_a_vrf_hears_in_that_one_alone),
        cmocka_unit_test(two_services_share_a_port_in_different_vrfs),
        cmocka_unit_test(program_speaks_by_its_vrfs_address_and_gateway),
        cmocka_unit_test(program_hears_only_its_vrf),
        cmocka_unit_test(program_may_hear_in_every_vrf),
        cmocka_unit_test(each_vrf_has_ports_of_its_own),
        cmocka_unit_test(service_that_hears_everywhere_has_its_port_everywhere),
        cmocka_unit_test(address_of_another_vrf_cannot_be_bound),
        cmocka_unit_test(vrf_is_chosen_before_the_port),
        cmocka_unit_test(connection_is_in_one_vrf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
