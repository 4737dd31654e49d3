/* Dead gateways (RFC 1122 §3.3.1.4, §3.3.1.5; RFC 816): traffic moves to another gateway when one falls silent, and back when it
 * answers again. The test is both gateways: a gateway that is alive answers questions for its link address, and nothing
 * else shows that it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "dhcp.h"
#include "net.h"
#include "tenon/stack.h"

#define STEP (100 * TN_MSEC)

/* Gateways 10.0.7.1 (NET_PEER) and 10.0.7.2 (NET_OTHER). */
#define YAML(metric, more)                                                      \
    "stack: { name: gateways }\n"                                               \
    "interfaces:\n"                                                             \
    "  h0:\n"                                                                   \
    "    driver: host\n"                                                        \
    "    mac: \"02:00:00:00:07:07\"\n"                                          \
    "    addresses: [10.0.7.7/24]\n"                                            \
    "    routes:\n"                                                             \
    "      - { to: default, via: 10.0.7.1 }\n"                                  \
    "      - { to: default, via: 10.0.7.2, metric: " metric " }\n" more         \
    "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {}, tcp: {} }\n" \
    "services: { echo: { listen: [tcp/7] } }\n"

struct gateway {
    const char *mac, *addr;
    bool alive;
    unsigned packets;   /* that came to it */
    unsigned questions; /* for its link address */
    tn_time last;       /* packet */
};

static struct net net;
static struct gateway first, second;

static struct gateway *gateway_by_mac(const uint8_t *mac)
{
    uint8_t a[6], b[6];
    net_mac(first.mac, a);
    net_mac(second.mac, b);
    return memcmp(mac, a, 6) == 0 ? &first : memcmp(mac, b, 6) == 0 ? &second : NULL;
}

static struct gateway *gateway_by_addr(const uint8_t *addr)
{
    return addr[3] == 1 ? &first : addr[3] == 2 ? &second : NULL;
}

static void asked(struct gateway *g)
{
    g->questions++;
    if (g->alive)
        net_send_arp(&net, &(struct net_arp){NET_OWN, g->mac, 2, g->mac, g->addr, NET_OWN, "10.0.7.7"});
}

/* What the stack sent goes to its gateway. */
static void carry(void)
{
    static struct net_frame f;
    while (net_take_frame(&net, &f)) {
        uint16_t type = tn_load16(f.bytes + 12);
        struct gateway *to = type == 0x0806 ? gateway_by_addr(f.bytes + 38) : gateway_by_mac(f.bytes);
        if (to && type == 0x0806 && tn_load16(f.bytes + 20) == 1) {
            asked(to);
        } else if (to && type == 0x0800) {
            to->packets++;
            to->last = tn_stack_now(net.stack);
        }
    }
}

static void pass(tn_time span)
{
    for (tn_time t = 0; t < span; t += STEP) {
        net_pass(&net, STEP);
        carry();
    }
}

static void start(const char *yaml)
{
    net_start(&net, yaml);
    first = (struct gateway){.mac = NET_PEER, .addr = "10.0.7.1", .alive = true};
    second = (struct gateway){.mac = NET_OTHER, .addr = "10.0.7.2", .alive = true};
}

/* Both answer again, so that nobody asks for ever. */
static void finish(void)
{
    first.alive = second.alive = true;
    pass(70 * TN_SEC);
    net_stop(&net);
}

/* ---- A flow of datagrams, one each 500 ms ---- */

static int flow;

static void open_flow(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(4000)};
    assert_int_equal(inet_pton(AF_INET, "192.0.2.9", &sa.sin_addr), 1);
    flow = tn_socket(net.stack, AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(tn_connect(net.stack, flow, (struct sockaddr *)&sa, sizeof(sa)), 0);
}

static void flow_for(tn_time span)
{
    for (tn_time t = 0; t < span; t += 500 * TN_MSEC) {
        (void)tn_send(net.stack, flow, "x", 1, 0);
        pass(500 * TN_MSEC);
    }
}

/* How long the flow runs until a datagram goes by `g`. */
static tn_time flow_until(const struct gateway *g, tn_time limit)
{
    tn_time began = tn_stack_now(net.stack);
    unsigned before = g->packets;
    while (g->packets == before) {
        assert_true(tn_stack_now(net.stack) - began < limit);
        flow_for(500 * TN_MSEC);
    }
    return tn_stack_now(net.stack) - began;
}

static void forget_counts(void)
{
    first.packets = second.packets = first.questions = second.questions = 0;
}

/* conformance: 1122 3.3.1.4; 1122 3.3.1.5 */
static void datagrams_move_to_the_second_gateway_when_the_first_falls_silent(void **state)
{
    start(YAML("10", ""));
    open_flow();
    flow_for(20 * TN_SEC);
    assert_int_equal(first.packets, 40);
    first.alive = false;
    /* at most 45 s reachable, 5 s of patience, 3 questions a second apart */
    tn_time took = flow_until(&second, 60 * TN_SEC);
    assert_true(took <= 54 * TN_SEC);
    forget_counts();
    flow_for(30 * TN_SEC);
    assert_int_equal(first.packets, 0);
    assert_int_equal(second.packets, 60);
    assert_int_equal(net_counter(&net, "core", "gateways-dead"), 1);
    tn_close(net.stack, flow);
    finish();
}

static void gateway_that_never_answered_costs_three_seconds(void **state)
{
    start(YAML("10", ""));
    first.alive = false;
    open_flow();
    tn_time took = flow_until(&second, 10 * TN_SEC);
    assert_true(took <= 4 * TN_SEC);
    tn_close(net.stack, flow);
    finish();
}

static void gateways_of_equal_metric_replace_each_other(void **state)
{
    start(YAML("0", ""));
    first.alive = false;
    open_flow();
    flow_until(&second, 10 * TN_SEC);
    first.alive = true;
    flow_until(&first, 70 * TN_SEC);
    tn_close(net.stack, flow);
    finish();
}

/* conformance: 1122 3.3.1.4-ping */
static void traffic_moves_back_when_the_first_gateway_answers_again(void **state)
{
    start(YAML("10", ""));
    first.alive = false;
    open_flow();
    flow_until(&second, 10 * TN_SEC);
    forget_counts();
    flow_for(600 * TN_SEC);
    assert_int_equal(first.packets, 0);
    /* asked thrice each time: after 10, 20, 40 and then each 60 s */
    assert_in_range(first.questions, 24, 36);
    first.alive = true;
    assert_true(flow_until(&first, 70 * TN_SEC) <= 61 * TN_SEC);
    forget_counts();
    flow_for(10 * TN_SEC);
    assert_int_equal(first.packets, 20);
    assert_int_equal(second.packets, 0);
    tn_close(net.stack, flow);
    finish();
}

/* What it says unasked shows that it can speak, not that it hears. */
static void gateway_that_speaks_is_asked_before_it_is_believed(void **state)
{
    start(YAML("10", ""));
    first.alive = false;
    open_flow();
    flow_until(&second, 10 * TN_SEC);
    net_send_arp(&net, &(struct net_arp){NET_ALL, NET_PEER, 1, NET_PEER, "10.0.7.1", NET_NONE, "10.0.7.7"});
    forget_counts();
    flow_for(5 * TN_SEC);
    assert_int_equal(first.packets, 0);
    tn_close(net.stack, flow);
    finish();
}

static void only_gateway_is_used_however_dead(void **state)
{
    start(NET_YAML("  { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {}, tcp: {} }\n"));
    first.alive = false;
    open_flow();
    flow_for(10 * TN_SEC);
    assert_int_equal(first.packets, 0);
    first.alive = true;
    assert_true(flow_until(&first, 10 * TN_SEC) <= 3 * TN_SEC);
    tn_close(net.stack, flow);
    finish();
}

static void when_both_are_dead_the_one_that_answers_is_used(void **state)
{
    start(YAML("10", ""));
    first.alive = second.alive = false;
    open_flow();
    flow_for(30 * TN_SEC);
    assert_int_equal(first.packets + second.packets, 0);
    second.alive = true;
    assert_true(flow_until(&second, 70 * TN_SEC) <= 61 * TN_SEC);
    tn_close(net.stack, flow);
    finish();
}

/* A shorter prefix is another way, which was not meant for these packets. */
static void dead_gateway_of_a_prefix_is_not_replaced_by_the_default_one(void **state)
{
    start(YAML("10", "      - { to: 192.0.2.0/24, via: 10.0.7.3 }\n"));
    open_flow();
    flow_for(10 * TN_SEC);
    assert_int_equal(first.packets + second.packets, 0);
    tn_close(net.stack, flow);
    finish();
}

static void dead_gateway_is_shown(void **state)
{
    start(YAML("10", ""));
    first.alive = false;
    open_flow();
    flow_until(&second, 10 * TN_SEC);
    assert_true(dhcp_table_has(&net, "routes",
                               "\"via\":\"10.0.7.1\",\"interface\":\"h0\",\"metric\":0,"
                               "\"connected\":false,\"vrf\":0,\"from\":\"stack.yaml\",\"dead\":true"));
    assert_true(dhcp_table_has(&net, "routes",
                               "\"via\":\"10.0.7.2\",\"interface\":\"h0\",\"metric\":10,"
                               "\"connected\":false,\"vrf\":0,\"from\":\"stack.yaml\",\"dead\":false"));
    tn_close(net.stack, flow);
    finish();
}

/* ---- A connection ---- */

static void say_segment(uint32_t seq, uint32_t ack, uint8_t flags, const char *text)
{
    uint8_t tcp[64] = {0};
    size_t len = 20 + strlen(text);
    tn_store16(tcp, 4000);
    tn_store16(tcp + 2, 7);
    tn_store32(tcp + 4, seq);
    tn_store32(tcp + 8, ack);
    tcp[12] = 5 << 4;
    tcp[13] = flags;
    tn_store16(tcp + 14, 65535);
    memcpy(tcp + 20, text, strlen(text));
    uint8_t whole[64 + 12] = {192, 0, 2, 9, 10, 0, 7, 7, 0, 6, 0, (uint8_t)len};
    memcpy(whole + 12, tcp, len);
    tn_store16(tcp + 16, net_sum(whole, 12 + len));
    net_send_ip(&net, &(struct net_ip){.src = "192.0.2.9", .protocol = 6, .ttl = 64}, tcp, len);
}

/* Connects 192.0.2.9 to echo; what the stack sends next has this number. */
static uint32_t connect_by_first(void)
{
    struct net_seen seen;
    net_send_arp(&net, &(struct net_arp){NET_OWN, NET_PEER, 1, NET_PEER, "10.0.7.1", NET_NONE, "10.0.7.7"});
    (void)net_take_all(&net);
    say_segment(100, 0, 0x02, "");
    net_expect_ip(&net, &seen);
    assert_string_equal(seen.to, NET_PEER);
    assert_int_equal(seen.payload[13], 0x12);
    uint32_t next = tn_load32(seen.payload + 4) + 1;
    say_segment(101, next, 0x10, "");
    pass(TN_SEC);
    return next;
}

/* conformance: 1122 3.3.1.4-advice */
static void open_connection_moves_to_the_second_gateway_within_seconds(void **state)
{
    start(YAML("10", ""));
    uint32_t next = connect_by_first();
    say_segment(101, next, 0x18, "a");
    pass(STEP);
    say_segment(102, next + 1, 0x10, "");
    pass(5 * TN_SEC);
    first.alive = false;
    forget_counts();
    say_segment(102, next + 1, 0x18, "b");
    tn_time began = tn_stack_now(net.stack);
    pass(10 * TN_SEC);
    assert_true(first.packets >= 3);
    assert_true(second.packets >= 1);
    /* the third retransmission asks; three seconds later the gateway is dead, and the next one goes by the other */
    assert_true(first.last - began <= 5 * TN_SEC);
    say_segment(103, next + 2, 0x10, "");
    forget_counts();
    say_segment(103, next + 2, 0x18, "c");
    pass(STEP);
    assert_int_equal(first.packets, 0);
    assert_int_equal(second.packets, 1);
    say_segment(104, next + 3, 0x14, "");
    finish();
}

/* Questions about a gateway that is there: one when a connection does not get on, not one for each. */
static void gateway_that_answers_keeps_the_connections_that_do_not_get_on(void **state)
{
    start(YAML("10", ""));
    uint32_t next = connect_by_first();
    say_segment(101, next, 0x18, "a");
    forget_counts();
    pass(20 * TN_SEC);
    assert_true(first.packets >= 4);
    assert_int_equal(second.packets, 0);
    assert_in_range(first.questions, 1, 2);
    say_segment(102, next, 0x14, "");
    finish();
}

static void opening_goes_on_by_the_second_gateway(void **state)
{
    start(YAML("10", ""));
    first.alive = false;
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(80)};
    assert_int_equal(inet_pton(AF_INET, "192.0.2.9", &sa.sin_addr), 1);
    int fd = tn_socket(net.stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(tn_connect(net.stack, fd, (struct sockaddr *)&sa, sizeof(sa)), -EINPROGRESS);
    pass(10 * TN_SEC);
    int error = -1;
    socklen_t len = sizeof(error);
    assert_int_equal(tn_getsockopt(net.stack, fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
    assert_int_equal(error, 0);
    assert_true(second.packets >= 1);
    tn_close(net.stack, fd);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams_move_to_the_second_gateway_when_the_first_falls_silent),
        cmocka_unit_test(gateway_that_never_answered_costs_three_seconds),
        cmocka_unit_test(gateways_of_equal_metric_replace_each_other),
        cmocka_unit_test(traffic_moves_back_when_the_first_gateway_answers_again),
        cmocka_unit_test(gateway_that_speaks_is_asked_before_it_is_believed),
        cmocka_unit_test(only_gateway_is_used_however_dead),
        cmocka_unit_test(when_both_are_dead_the_one_that_answers_is_used),
        cmocka_unit_test(dead_gateway_of_a_prefix_is_not_replaced_by_the_default_one),
        cmocka_unit_test(dead_gateway_is_shown),
        cmocka_unit_test(open_connection_moves_to_the_second_gateway_within_seconds),
        cmocka_unit_test(gateway_that_answers_keeps_the_connections_that_do_not_get_on),
        cmocka_unit_test(opening_goes_on_by_the_second_gateway),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
