#include "net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

/* ---- Stacks ---- */

static void keep_log(void *context, enum tn_level level, const char *who, const char *text)
{
    struct net *net = context;
    size_t used = strlen(net->log);
    snprintf(net->log + used, sizeof(net->log) - used, "%s: %s\n", who, text);
}

/* Takes the frames off all links. */
static void drain(struct net *net)
{
    static const char *const links[] = {"h0", "h1", "h2"};
    static uint8_t frame[NET_FRAME_MAX];
    for (unsigned i = 0; i < TN_ARRAY_SIZE(links); i++)
        while (tn_host_receive(net->stack, links[i], frame, sizeof(frame)) > 0)
            ;
}

void net_begin(struct net *net, const char *yaml)
{
    struct tn_error error;
    *net = (struct net){.sim = tn_sim_create(7)};
    assert_non_null(net->sim);
    tn_sim_plugin_path(net->sim, TN_TEST_PLUGIN_DIR);
    tn_sim_log(net->sim, keep_log, net);
    if (tn_sim_add(net->sim, yaml, &net->stack, &error) < 0)
        fail_msg("%s", error.text);
    tn_stack_usage(net->stack, &net->start);
}

void net_start(struct net *net, const char *yaml)
{
    net_begin(net, yaml);
    tn_sim_run(net->sim, 10 * TN_SEC);
    drain(net);
    tn_stack_usage(net->stack, &net->start);
}

void net_stop(struct net *net)
{
    struct tn_usage end;
    for (unsigned minute = 0; minute < 20; minute++) {
        net_pass(net, 60 * TN_SEC);
        drain(net);
    }
    tn_stack_usage(net->stack, &end);
    assert_int_equal(end.packets, net->start.packets);
    assert_int_equal(end.buffers, net->start.buffers);
    assert_int_equal(end.sockets, net->start.sockets);
    assert_int_equal(end.timers, net->start.timers);
    assert_int_equal(end.neighbours, net->start.neighbours);
    assert_int_equal(end.plugin_bytes, net->start.plugin_bytes);
    tn_sim_destroy(net->sim);
}

void net_pass(struct net *net, tn_time span)
{
    tn_sim_run(net->sim, span);
}

uint64_t net_counter(const struct net *net, const char *plugin, const char *counter)
{
    uint64_t n = tn_stack_counter(net->stack, plugin, counter);
    if (n == UINT64_MAX)
        fail_msg("%s has no counter %s", plugin, counter);
    return n;
}

uint64_t net_drops(const struct net *net, const char *plugin, const char *reason)
{
    uint64_t n = tn_stack_drops(net->stack, plugin, reason);
    if (n == UINT64_MAX)
        fail_msg("%s has no drop reason %s", plugin, reason);
    return n;
}

/* ---- Frames ---- */

void net_mac(const char *text, uint8_t mac[6])
{
    unsigned b[6];
    assert_int_equal(sscanf(text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]), 6);
    for (unsigned i = 0; i < 6; i++)
        mac[i] = (uint8_t)b[i];
}

static void mac_text(const uint8_t *mac, char text[18])
{
    snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

static void addr_bytes(const char *text, uint8_t *bytes)
{
    assert_int_equal(inet_pton(AF_INET, text, bytes), 1);
}

void net_send_frame(struct net *net, const struct net_frame *frame)
{
    assert_int_equal(tn_host_send(net->stack, "h0", frame->bytes, frame->len), 0);
    tn_sim_settle(net->sim);
}

bool net_take_frame(struct net *net, struct net_frame *frame)
{
    ssize_t n = tn_host_receive(net->stack, "h0", frame->bytes, sizeof(frame->bytes));
    frame->len = n > 0 ? (size_t)n : 0;
    return n > 0;
}

unsigned net_take_all(struct net *net)
{
    static struct net_frame frame;
    unsigned n = 0;
    for (;; n++)
        if (!net_take_frame(net, &frame)) {
            tn_sim_settle(net->sim); /* there may be more behind a full port */
            if (!net_take_frame(net, &frame))
                return n;
        }
}

void net_expect_nothing(struct net *net)
{
    static struct net_frame frame;
    if (net_take_frame(net, &frame))
        fail_msg("a frame of %zu bytes, type %02x%02x", frame.len, frame.bytes[12], frame.bytes[13]);
}

static void build_ether(struct net_frame *frame, const char *to, const char *from, uint16_t type)
{
    net_mac(to, frame->bytes);
    net_mac(from, frame->bytes + 6);
    tn_store16(frame->bytes + 12, type);
    frame->len = 14;
}

/* ---- ARP ---- */

void net_build_arp(const struct net_arp *arp, struct net_frame *frame)
{
    static const uint8_t ethernet_ipv4[] = {0, 1, 8, 0, 6, 4};
    memset(frame->bytes, 0, 60);
    build_ether(frame, arp->to, arp->from, 0x0806);
    uint8_t *p = frame->bytes + 14;
    memcpy(p, ethernet_ipv4, sizeof(ethernet_ipv4));
    tn_store16(p + 6, arp->op);
    net_mac(arp->sha, p + 8);
    addr_bytes(arp->spa, p + 14);
    net_mac(arp->tha, p + 18);
    addr_bytes(arp->tpa, p + 24);
    frame->len = 60;
}

void net_send_arp(struct net *net, const struct net_arp *arp)
{
    static struct net_frame frame;
    net_build_arp(arp, &frame);
    net_send_frame(net, &frame);
}

void net_expect_arp(struct net *net, const struct net_arp *arp)
{
    static struct net_frame expected, frame;
    net_build_arp(arp, &expected);
    assert_true(net_take_frame(net, &frame));
    assert_int_equal(frame.len, expected.len);
    assert_memory_equal(frame.bytes, expected.bytes, expected.len);
}

void net_meet(struct net *net)
{
    net_send_arp(net, &(struct net_arp){.to = NET_ALL,
                                        .from = NET_PEER,
                                        .op = 1,
                                        .sha = NET_PEER,
                                        .spa = "10.0.7.1",
                                        .tha = NET_NONE,
                                        .tpa = "10.0.7.7"});
    net_expect_arp(net, &(struct net_arp){.to = NET_PEER,
                                          .from = NET_OWN,
                                          .op = 2,
                                          .sha = NET_OWN,
                                          .spa = "10.0.7.7",
                                          .tha = NET_PEER,
                                          .tpa = "10.0.7.1"});
}

/* ---- IPv4 ---- */

uint16_t net_sum(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    uint64_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += (uint64_t)p[i] << (i % 2 ? 0 : 8);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

void net_fix_ip(struct net_frame *frame)
{
    uint8_t *p = frame->bytes + 14;
    tn_store16(p + 10, 0);
    tn_store16(p + 10, net_sum(p, (size_t)(p[0] & 15) * 4));
}

void net_build_ip(const struct net_ip *ip, const void *payload, size_t len, struct net_frame *frame)
{
    assert_int_equal(ip->options_len % 4, 0);
    build_ether(frame, ip->to ? ip->to : NET_OWN, ip->from ? ip->from : NET_PEER, 0x0800);
    uint8_t *p = frame->bytes + 14;
    size_t header_len = 20 + ip->options_len;
    p[0] = (uint8_t)(0x40 | header_len / 4);
    p[1] = ip->tos;
    tn_store16(p + 2, (uint16_t)(header_len + len));
    tn_store16(p + 4, ip->id);
    tn_store16(p + 6, ip->fragment);
    p[8] = ip->ttl ? ip->ttl : 64;
    p[9] = ip->protocol;
    addr_bytes(ip->src ? ip->src : "10.0.7.1", p + 12);
    addr_bytes(ip->dst ? ip->dst : "10.0.7.7", p + 16);
    if (ip->options_len)
        memcpy(p + 20, ip->options, ip->options_len);
    memcpy(p + header_len, payload, len);
    frame->len = 14 + header_len + len;
    net_fix_ip(frame);
}

void net_send_ip(struct net *net, const struct net_ip *ip, const void *payload, size_t len)
{
    static struct net_frame frame;
    net_build_ip(ip, payload, len, &frame);
    net_send_frame(net, &frame);
}

void net_expect_ip(struct net *net, struct net_seen *seen)
{
    if (!net_take_frame(net, &seen->frame))
        fail_msg("no frame where an IPv4 packet was expected");
    const uint8_t *e = seen->frame.bytes;
    const uint8_t *p = e + 14;
    assert_true(seen->frame.len >= 60);
    assert_int_equal(tn_load16(e + 12), 0x0800);
    mac_text(e, seen->to);
    mac_text(e + 6, seen->from);
    assert_int_equal(p[0] >> 4, 4);
    seen->header_len = (size_t)(p[0] & 15) * 4;
    size_t total = tn_load16(p + 2);
    assert_true(seen->header_len >= 20 && total >= seen->header_len && 14 + total <= seen->frame.len);
    assert_int_equal(net_sum(p, seen->header_len), 0);
    for (size_t i = 14 + total; i < seen->frame.len; i++)
        assert_int_equal(e[i], 0); /* padding */
    seen->tos = p[1];
    seen->id = tn_load16(p + 4);
    seen->fragment = tn_load16(p + 6);
    seen->ttl = p[8];
    seen->protocol = p[9];
    inet_ntop(AF_INET, p + 12, seen->src, sizeof(seen->src));
    inet_ntop(AF_INET, p + 16, seen->dst, sizeof(seen->dst));
    seen->payload = p + seen->header_len;
    seen->len = total - seen->header_len;
}

/* ---- ICMP ---- */

size_t net_icmp(uint8_t *out, uint8_t type, uint8_t code, uint32_t rest, const void *data, size_t len)
{
    out[0] = type;
    out[1] = code;
    tn_store16(out + 2, 0);
    tn_store32(out + 4, rest);
    if (len)
        memcpy(out + 8, data, len);
    tn_store16(out + 2, net_sum(out, 8 + len));
    return 8 + len;
}

int net_ping_socket(struct net *net)
{
    int fd = tn_socket(net->stack, AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    assert_true(fd >= 0);
    return fd;
}

ssize_t net_ping_to(struct net *net, int fd, const char *dst, uint16_t seq, size_t len)
{
    static uint8_t message[65536];
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(1)};
    addr_bytes(dst, (uint8_t *)&to.sin_addr);
    for (size_t i = 0; i < len; i++)
        message[8 + i] = (uint8_t)(i * 7 + seq);
    memset(message, 0, 8);
    message[0] = 8;
    tn_store16(message + 6, seq);
    ssize_t n = tn_sendto(net->stack, fd, message, 8 + len, 0, (struct sockaddr *)&to, sizeof(to));
    tn_sim_settle(net->sim);
    return n;
}
