/* udp on real stacks: two over a wire, and one that is handed IP packets byte by byte. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mock.h"
#include "tenon/checksum.h"
#include "tenon/proto/icmp.h"
#include "tenon/proto/ipv4.h"
#include "tenon/proto/udp.h"

#define PROTOCOLS_ETHERNET "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {} }\n"

static struct tn_sim *sim;
static struct tn_stack *a, *b; /* 10.0.0.1, and 10.0.0.2 with 10.0.0.3 */

static struct tn_stack *add(const char *yaml)
{
    struct tn_stack *stack;
    struct tn_error error;
    if (tn_sim_add(sim, yaml, &stack, &error) < 0)
        fail_msg("%s", error.text);
    return stack;
}

static int start(void **state)
{
    sim = tn_sim_create(7);
    tn_sim_plugin_path(sim, TN_TEST_PLUGIN_DIR);
    a = add("stack: { name: a }\n"
            "interfaces: { w0: { driver: wire, delay: 1ms, mtu: 1500, addresses: [10.0.0.1/24] } "
            "}\n" PROTOCOLS_ETHERNET);
    b = add("stack: { name: b }\n"
            "interfaces: { w0: { driver: wire, delay: 1ms, mtu: 1500, addresses: [10.0.0.2/24, 10.0.0.3/24] "
            "} }\n" PROTOCOLS_ETHERNET);
    assert_int_equal(tn_stack_join(a, "w0", b, "w0"), 0);
    return 0;
}

static void expect_nothing_left(const struct tn_stack *stack)
{
    struct tn_usage usage;
    tn_stack_usage(stack, &usage);
    assert_int_equal(usage.sockets, 0);
    assert_int_equal(usage.packets, 0);
    assert_int_equal(usage.buffers, 0);
}

static int end(void **state)
{
    tn_sim_run(sim, 10 * TN_SEC);
    expect_nothing_left(a);
    if (b)
        expect_nothing_left(b);
    tn_sim_destroy(sim);
    return 0;
}

/* ---- Words for the dialogues ---- */

static int open_at(struct tn_stack *stack, const char *addr, uint16_t port)
{
    struct sockaddr_in sa = mock_addr(addr, port);
    int fd = tn_socket(stack, AF_INET, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(tn_bind(stack, fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

static int connect_to(struct tn_stack *stack, int fd, const char *addr, uint16_t port)
{
    struct sockaddr_in sa = mock_addr(addr, port);
    return tn_connect(stack, fd, (struct sockaddr *)&sa, sizeof(sa));
}

static ssize_t send_to(struct tn_stack *stack, int fd, const void *bytes, size_t len, const char *addr,
                       uint16_t port)
{
    struct sockaddr_in sa = mock_addr(addr, port);
    return tn_sendto(stack, fd, bytes, len, 0, (struct sockaddr *)&sa, sizeof(sa));
}

static void pass(void)
{
    tn_sim_run(sim, 100 * TN_MSEC);
}

/* The next datagram at `fd` is `text` from addr:port. */
static void expect_from(struct tn_stack *stack, int fd, const char *text, const char *addr, uint16_t port)
{
    char buf[2048] = {0}, from[INET_ADDRSTRLEN];
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    assert_int_equal(tn_recvfrom(stack, fd, buf, sizeof(buf), 0, (struct sockaddr *)&sa, &len), strlen(text));
    assert_string_equal(buf, text);
    assert_string_equal(inet_ntop(AF_INET, &sa.sin_addr, from, sizeof(from)), addr);
    assert_int_equal(ntohs(sa.sin_port), port);
}

static void expect_none(struct tn_stack *stack, int fd)
{
    char c;
    assert_int_equal(tn_recv(stack, fd, &c, 1, 0), -EAGAIN);
}

/* ---- Between stacks ---- */

static void datagrams_go_both_ways(void **state)
{
    int x = open_at(a, "0.0.0.0", 1000), y = open_at(b, "0.0.0.0", 2000);
    assert_int_equal(send_to(a, x, "question", 8, "10.0.0.2", 2000), 8);
    pass();
    expect_from(b, y, "question", "10.0.0.1", 1000);
    assert_int_equal(send_to(b, y, "answer", 6, "10.0.0.1", 1000), 6);
    pass();
    expect_from(a, x, "answer", "10.0.0.2", 2000);
    assert_int_equal(tn_stack_counter(a, "udp", "datagrams-out"), 1);
    assert_int_equal(tn_stack_counter(a, "udp", "datagrams-in"), 1);
    tn_close(a, x);
    tn_close(b, y);
}

static void empty_datagram_arrives(void **state)
{
    char c;
    int x = open_at(a, "0.0.0.0", 1000), y = open_at(b, "0.0.0.0", 2000);
    assert_int_equal(send_to(a, x, "", 0, "10.0.0.2", 2000), 0);
    pass();
    assert_int_equal(tn_recv(b, y, &c, 1, 0), 0);
    expect_none(b, y);
    tn_close(a, x);
    tn_close(b, y);
}

/* All lengths, odd ones too, up to the longest there is, which travels in fragments. */
/* conformance: 768 length */
static void every_length_arrives_whole(void **state)
{
    static char out[65507], in[65507];
    static const size_t lengths[] = {1,    2,    3,    17,   330,  331,   1471, 1472,
                                     1473, 2959, 2960, 2961, 9000, 65506, 65507};
    int x = open_at(a, "0.0.0.0", 1000), y = open_at(b, "0.0.0.0", 2000);
    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = (char)(i * 7 + i / 251);
    for (unsigned i = 0; i < TN_ARRAY_SIZE(lengths); i++) {
        assert_int_equal(send_to(a, x, out, lengths[i], "10.0.0.2", 2000), lengths[i]);
        pass();
        memset(in, 0, sizeof(in));
        assert_int_equal(tn_recv(b, y, in, sizeof(in), 0), lengths[i]);
        assert_memory_equal(in, out, lengths[i]);
    }
    tn_close(a, x);
    tn_close(b, y);
}

static void second_address_is_another_place(void **state)
{
    int x = open_at(a, "0.0.0.0", 1000), y = open_at(b, "10.0.0.2", 2000), z = open_at(b, "10.0.0.3", 2000);
    send_to(a, x, "two", 3, "10.0.0.2", 2000);
    send_to(a, x, "three", 5, "10.0.0.3", 2000);
    pass();
    expect_from(b, y, "two", "10.0.0.1", 1000);
    expect_from(b, z, "three", "10.0.0.1", 1000);
    send_to(b, z, "from three", 10, "10.0.0.1", 1000);
    pass();
    expect_from(a, x, "from three", "10.0.0.3", 2000);
    tn_close(a, x);
    tn_close(b, y);
    tn_close(b, z);
}

/* The socket that was found last is not taken for the one that is to be found. */
static void socket_of_the_address_comes_before_that_of_all(void **state)
{
    int x = open_at(a, "0.0.0.0", 1000), all = open_at(b, "0.0.0.0", 2000);
    send_to(a, x, "all", 3, "10.0.0.3", 2000);
    pass();
    expect_from(b, all, "all", "10.0.0.1", 1000);
    tn_close(b, all);
    int y = open_at(b, "10.0.0.3", 2000);
    send_to(a, x, "one", 3, "10.0.0.3", 2000);
    pass();
    expect_from(b, y, "one", "10.0.0.1", 1000);
    send_to(a, x, "other", 5, "10.0.0.2", 2000);
    pass();
    expect_none(b, y);
    tn_close(b, y);
    tn_close(a, x);
}

/* RFC 1122 §4.1.3.1, §4.1.3.3 */
/* conformance: 1122 3.2.2.1-port; 1122 4.1.3.3 */
static void port_unreachable_reaches_the_connected_sender(void **state)
{
    char c;
    int x = tn_socket(a, AF_INET, SOCK_DGRAM, IPPROTO_UDP), other = open_at(a, "0.0.0.0", 1000);
    assert_int_equal(connect_to(a, x, "10.0.0.2", 2000), 0);
    assert_int_equal(tn_send(a, x, "anybody?", 8, 0), 8);
    send_to(a, other, "anybody?", 8, "10.0.0.2", 2000);
    pass();
    assert_int_equal(tn_stack_drops(b, "udp", "no-socket"), 2);
    assert_int_equal(tn_recv(a, x, &c, 1, 0), -ECONNREFUSED);
    expect_none(a, x);
    expect_none(a, other); /* not connected: it could not know whom this is about */
    assert_int_equal(tn_stack_counter(a, "udp", "errors-hard"), 1);
    assert_int_equal(tn_stack_counter(a, "udp", "errors-unmatched"), 1);
    assert_int_equal(tn_send(a, x, "again", 5, 0), 5);
    pass();
    struct tn_pollfd p = {.fd = x, .events = POLLIN};
    assert_int_equal(tn_poll(a, &p, 1), 1);
    assert_int_equal(p.revents, POLLERR);
    tn_close(a, x);
    tn_close(a, other);
}

static void broadcast_reaches_the_other_stack(void **state)
{
    int x = open_at(a, "0.0.0.0", 1000), y = open_at(b, "0.0.0.0", 2000), on = 1;
    assert_int_equal(send_to(a, x, "all", 3, "10.0.0.255", 2000), -EACCES);
    assert_int_equal(tn_setsockopt(a, x, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)), 0);
    assert_int_equal(send_to(a, x, "subnet", 6, "10.0.0.255", 2000), 6);
    assert_int_equal(send_to(a, x, "link", 4, "255.255.255.255", 2000), 4);
    assert_int_equal(send_to(a, x, "nobody", 6, "255.255.255.255", 2001), 6);
    pass();
    expect_from(b, y, "subnet", "10.0.0.1", 1000);
    expect_from(b, y, "link", "10.0.0.1", 1000);
    assert_int_equal(tn_stack_drops(b, "udp", "no-socket"), 1);
    assert_int_equal(tn_stack_counter(a, "udp", "errors-unmatched"), 0); /* and it said nothing */
    tn_close(a, x);
    tn_close(b, y);
}

static void own_address_is_reached_inside(void **state)
{
    int x = open_at(a, "0.0.0.0", 1000), y = open_at(a, "0.0.0.0", 2000);
    tn_sim_run(sim, 10 * TN_SEC); /* the address has been announced */
    uint64_t frames = tn_stack_counter(a, "core", "frames-out");
    assert_int_equal(send_to(a, x, "self", 4, "10.0.0.1", 2000), 4);
    pass();
    expect_from(a, y, "self", "10.0.0.1", 1000);
    assert_int_equal(tn_stack_counter(a, "core", "frames-out"), frames);
    tn_close(a, x);
    tn_close(a, y);
}

static void full_receive_queue_drops_and_counts(void **state)
{
    static char big[1400];
    int x = open_at(a, "0.0.0.0", 1000), y = open_at(b, "0.0.0.0", 2000), limit = 20000;
    assert_int_equal(tn_setsockopt(b, y, SOL_SOCKET, SO_RCVBUF, &limit, sizeof(limit)), 0);
    for (int i = 0; i < 100; i++) {
        send_to(a, x, big, sizeof(big), "10.0.0.2", 2000);
        tn_sim_run(sim, TN_MSEC);
    }
    pass();
    uint64_t in = tn_stack_counter(b, "udp", "datagrams-in"),
             dropped = tn_stack_drops(b, "udp", "queue-full");
    assert_int_equal(in + dropped, 100);
    assert_in_range(in, 8, 12);
    for (uint64_t i = 0; i < in; i++)
        assert_int_equal(tn_recv(b, y, big, sizeof(big), 0), sizeof(big));
    expect_none(b, y);
    tn_close(a, x);
    tn_close(b, y);
}

static void swap_keeps_sockets_and_what_waits_in_them(void **state)
{
    struct tn_error error;
    int x = open_at(a, "0.0.0.0", 1000), y = open_at(b, "0.0.0.0", 2000);
    send_to(a, x, "before", 6, "10.0.0.2", 2000);
    pass();
    if (tn_stack_swap(b, "udp", NULL, &error) < 0)
        fail_msg("%s", error.text);
    send_to(a, x, "after", 5, "10.0.0.2", 2000);
    pass();
    expect_from(b, y, "before", "10.0.0.1", 1000);
    expect_from(b, y, "after", "10.0.0.1", 1000);
    tn_close(a, x);
    tn_close(b, y);
}

/* ---- Byte by byte: a stack at 10.0.0.1 that is handed IP packets ---- */

static int start_raw(void **state)
{
    sim = tn_sim_create(7);
    tn_sim_plugin_path(sim, TN_TEST_PLUGIN_DIR);
    a = add("stack: { name: a }\n"
            "interfaces: { h0: { driver: host, mode: ip, addresses: [10.0.0.1/24] } }\n"
            "protocols: { rawip: {}, ipv4: {}, icmp: {}, udp: {} }\n");
    b = NULL;
    return 0;
}

struct wire_datagram {
    struct tn_ipv4_header ip;
    struct tn_udp_header udp;
    uint8_t data[1000];
};

static void sum_ip(struct wire_datagram *d)
{
    d->ip.checksum = (be16){{0, 0}};
    uint16_t sum = tn_sum_finish(tn_sum_add(0, &d->ip, sizeof(d->ip)));
    memcpy(&d->ip.checksum, &sum, 2);
}

static uint16_t udp_sum(const struct wire_datagram *d, size_t udp_len)
{
    struct tn_addr src = tn_addr_from(d->ip.src, 4), dst = tn_addr_from(d->ip.dst, 4);
    tn_sum sum = tn_sum_pseudo(&src, &dst, TN_IPPROTO_UDP, (uint32_t)udp_len);
    return tn_sum_finish(tn_sum_add(sum, &d->udp, udp_len));
}

/* From 10.0.0.9:`src_port` to 10.0.0.1:5000, right in every respect. */
static struct wire_datagram datagram(uint16_t src_port, const char *text)
{
    size_t len = sizeof(struct tn_udp_header) + strlen(text);
    struct wire_datagram d = {.ip = {.version_ihl = 0x45, .ttl = 64, .protocol = TN_IPPROTO_UDP}};
    d.ip.total_len = tn_to_be16((uint16_t)(sizeof(d.ip) + len));
    memcpy(d.ip.src, (uint8_t[]){10, 0, 0, 9}, 4);
    memcpy(d.ip.dst, (uint8_t[]){10, 0, 0, 1}, 4);
    d.udp.src_port = tn_to_be16(src_port);
    d.udp.dst_port = tn_to_be16(5000);
    d.udp.len = tn_to_be16((uint16_t)len);
    memcpy(d.data, text, strlen(text));
    uint16_t sum = udp_sum(&d, len);
    memcpy(&d.udp.checksum, &sum, 2);
    sum_ip(&d);
    return d;
}

static void receive(const struct wire_datagram *d)
{
    assert_int_equal(tn_host_send(a, "h0", d, tn_be16(d->ip.total_len)), 0);
    pass();
}

static void expect_silence(void)
{
    char frame[2048];
    assert_int_equal(tn_host_receive(a, "h0", frame, sizeof(frame)), -EAGAIN);
}

static void right_datagram_is_delivered(void **state)
{
    int fd = open_at(a, "0.0.0.0", 5000);
    struct wire_datagram d = datagram(4000, "hello");
    receive(&d);
    expect_from(a, fd, "hello", "10.0.0.9", 4000);
    tn_close(a, fd);
}

/* conformance: 768 checksum; 1122 4.1.3.4 */
static void bad_checksum_is_silence(void **state)
{
    int fd = open_at(a, "0.0.0.0", 5000);
    struct wire_datagram d = datagram(4000, "hello");
    d.data[2] ^= 1;
    receive(&d);
    d = datagram(4000, "hello");
    d.udp.src_port.b[0] ^= 1;
    receive(&d);
    expect_none(a, fd);
    expect_silence();
    assert_int_equal(tn_stack_drops(a, "udp", "bad-checksum"), 2);
    tn_close(a, fd);
}

/* The checksum covers the addresses too. */
/* conformance: 768 checksum */
static void datagram_for_somebody_else_is_a_bad_checksum(void **state)
{
    int fd = open_at(a, "0.0.0.0", 5000);
    struct wire_datagram d = datagram(4000, "hello");
    d.ip.src[3] = 10;
    sum_ip(&d);
    receive(&d);
    expect_none(a, fd);
    assert_int_equal(tn_stack_drops(a, "udp", "bad-checksum"), 1);
    tn_close(a, fd);
}

/* RFC 768: the sender made none. */
/* conformance: 768 zero */
static void zero_checksum_is_accepted(void **state)
{
    int fd = open_at(a, "0.0.0.0", 5000);
    struct wire_datagram d = datagram(4000, "hello");
    d.udp.checksum = (be16){{0, 0}};
    receive(&d);
    expect_from(a, fd, "hello", "10.0.0.9", 4000);
    assert_int_equal(tn_stack_counter(a, "udp", "no-checksum-in"), 1);
    tn_close(a, fd);
}

/* RFC 768: a sum of zero is sent as all ones. The payload is searched so that the sum is zero. */
/* conformance: 768 zero */
static void computed_zero_is_sent_as_ones(void **state)
{
    struct wire_datagram d;
    int fd = open_at(a, "0.0.0.0", 5000);
    bool seen = false;
    for (uint32_t i = 0; i < 0x10000 && !seen; i++) {
        uint8_t payload[2] = {(uint8_t)(i >> 8), (uint8_t)i};
        assert_int_equal(send_to(a, fd, payload, 2, "10.0.0.9", 4000), 2);
        tn_sim_settle(sim);
        assert_int_equal(tn_host_receive(a, "h0", &d, sizeof(d)), 30);
        assert_int_not_equal(tn_be16(d.udp.checksum), 0);
        assert_int_equal(udp_sum(&d, 10), 0);
        seen = tn_be16(d.udp.checksum) == 0xffff;
    }
    assert_true(seen);
    tn_close(a, fd);
}

/* conformance: 768 length */
static void lengths_that_lie_are_dropped(void **state)
{
    int fd = open_at(a, "0.0.0.0", 5000);
    static const uint16_t lies[] = {0, 1, 7, 14, 1000, 65535};
    for (unsigned i = 0; i < TN_ARRAY_SIZE(lies); i++) {
        struct wire_datagram d = datagram(4000, "hello");
        d.udp.len = tn_to_be16(lies[i]);
        receive(&d);
    }
    assert_int_equal(tn_stack_drops(a, "udp", "bad-length"), TN_ARRAY_SIZE(lies));
    struct wire_datagram d = datagram(4000, "");
    for (uint16_t len = 0; len < 8; len++) {
        d.ip.total_len = tn_to_be16((uint16_t)(sizeof(d.ip) + len));
        sum_ip(&d);
        receive(&d);
    }
    assert_int_equal(tn_stack_drops(a, "udp", "truncated"), 8);
    expect_none(a, fd);
    expect_silence();
    tn_close(a, fd);
}

/* What is behind the datagram inside the IP packet is not data. */
/* conformance: 768 length */
static void bytes_behind_the_datagram_are_cut_off(void **state)
{
    int fd = open_at(a, "0.0.0.0", 5000);
    struct wire_datagram d = datagram(4000, "hello");
    d.ip.total_len = tn_to_be16(tn_be16(d.ip.total_len) + 20);
    sum_ip(&d);
    receive(&d);
    expect_from(a, fd, "hello", "10.0.0.9", 4000);
    tn_close(a, fd);
}

/* RFC 768: the source port is optional. */
/* conformance: 768 source-port */
static void source_port_0_is_legal(void **state)
{
    int fd = open_at(a, "0.0.0.0", 5000);
    struct wire_datagram d = datagram(0, "no reply");
    receive(&d);
    expect_from(a, fd, "no reply", "10.0.0.9", 0);
    assert_int_equal(send_to(a, fd, "x", 1, "10.0.0.9", 0), -EINVAL);
    tn_close(a, fd);
}

/* conformance: 1122 4.1.3.1 */
static void unreachable_quotes_the_datagram(void **state)
{
    struct {
        struct tn_ipv4_header ip;
        struct tn_icmp_header icmp;
        struct wire_datagram quoted;
    } answer;
    struct wire_datagram d = datagram(4000, "hello");
    receive(&d);
    ssize_t len = tn_host_receive(a, "h0", &answer, sizeof(answer));
    assert_int_equal(len, 20 + 8 + 33);
    assert_int_equal(answer.icmp.type, TN_ICMP_UNREACHABLE);
    assert_int_equal(answer.icmp.code, TN_ICMP_PORT_UNREACHABLE);
    assert_memory_equal(&answer.quoted, &d, 33);
    expect_silence();
}

/* conformance: 768 checksum; 1122 4.1.3.4 */
static void sent_header_is_right(void **state)
{
    struct wire_datagram d;
    int fd = open_at(a, "0.0.0.0", 5000), ttl = 7, tos = 0xb8;
    tn_setsockopt(a, fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
    tn_setsockopt(a, fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
    assert_int_equal(send_to(a, fd, "hello", 5, "10.0.0.9", 4000), 5);
    pass();
    assert_int_equal(tn_host_receive(a, "h0", &d, sizeof(d)), 33);
    assert_int_equal(d.ip.ttl, 7);
    assert_int_equal(d.ip.tos, 0xb8);
    assert_int_equal(tn_be16(d.udp.src_port), 5000);
    assert_int_equal(tn_be16(d.udp.dst_port), 4000);
    assert_int_equal(tn_be16(d.udp.len), 13);
    assert_memory_equal(d.data, "hello", 5);
    assert_int_equal(udp_sum(&d, 13), 0);
    tn_close(a, fd);
}

static char traced[4096];

static void keep_trace(void *context, const char *line)
{
    strncat(traced, line, sizeof(traced) - strlen(traced) - 1);
}

static void trace_shows_ports_and_length(void **state)
{
    int fd = open_at(a, "0.0.0.0", 5000);
    traced[0] = '\0';
    tn_stack_trace(a, keep_trace, NULL, false);
    struct wire_datagram d = datagram(4000, "hello");
    receive(&d);
    tn_stack_trace(a, NULL, NULL, false);
    assert_non_null(strstr(traced, "udp 4000 > 5000 len 5"));
    char buf[8];
    tn_recv(a, fd, buf, sizeof(buf), 0);
    tn_close(a, fd);
}

#define TEST(name)     cmocka_unit_test_setup_teardown(name, start, end)
#define RAW_TEST(name) cmocka_unit_test_setup_teardown(name, start_raw, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(datagrams_go_both_ways),
        TEST(empty_datagram_arrives),
        TEST(every_length_arrives_whole),
        TEST(second_address_is_another_place),
        TEST(socket_of_the_address_comes_before_that_of_all),
        TEST(port_unreachable_reaches_the_connected_sender),
        TEST(broadcast_reaches_the_other_stack),
        TEST(own_address_is_reached_inside),
        TEST(full_receive_queue_drops_and_counts),
        TEST(swap_keeps_sockets_and_what_waits_in_them),
        RAW_TEST(right_datagram_is_delivered),
        RAW_TEST(bad_checksum_is_silence),
        RAW_TEST(datagram_for_somebody_else_is_a_bad_checksum),
        RAW_TEST(zero_checksum_is_accepted),
        RAW_TEST(computed_zero_is_sent_as_ones),
        RAW_TEST(lengths_that_lie_are_dropped),
        RAW_TEST(bytes_behind_the_datagram_are_cut_off),
        RAW_TEST(source_port_0_is_legal),
        RAW_TEST(unreachable_quotes_the_datagram),
        RAW_TEST(sent_header_is_right),
        RAW_TEST(trace_shows_ports_and_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
