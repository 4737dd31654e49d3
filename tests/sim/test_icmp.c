/* ICMP on the wire: echo, errors in both directions, ping sockets and the command `ping`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

#include "net.h"

static struct net net;
static struct net_seen seen;
static struct net_frame frame;

static int setup(void **state)
{
    net_start(&net, NET_YAML("  ether: {}\n  arp: {}\n  ipv4: {}\n  icmp: {}\n"));
    net_meet(&net);
    return 0;
}

static int teardown(void **state)
{
    net_stop(&net);
    return 0;
}

/* ---- Helpers ---- */

static uint8_t message[65536];

/* An ICMP message from 10.0.7.1. */
static void send_icmp(uint8_t type, uint8_t code, uint32_t rest, const void *data, size_t len)
{
    size_t n = net_icmp(message, type, code, rest, data, len);
    net_build_ip(&(struct net_ip){.protocol = 1}, message, n, &frame);
    net_send_frame(&net, &frame);
}

static void expect_icmp(uint8_t type, uint8_t code)
{
    net_expect_ip(&net, &seen);
    assert_int_equal(seen.protocol, 1);
    assert_int_equal(seen.payload[0], type);
    assert_int_equal(seen.payload[1], code);
    assert_int_equal(net_sum(seen.payload, seen.len), 0);
}

static void assert_dropped(const char *reason, unsigned times)
{
    net_expect_nothing(&net);
    assert_int_equal(net_drops(&net, "icmp", reason), times);
}

/* A packet of a protocol that nobody takes, with `len` bytes, from 10.0.7.1 unless `ip` says otherwise. */
static void provoke(struct net_ip ip, size_t len)
{
    static uint8_t payload[2000];
    ip.protocol = 99;
    net_build_ip(&ip, payload, len, &frame);
    net_send_frame(&net, &frame);
}

static void assert_forbidden(void)
{
    net_expect_nothing(&net);
    assert_int_equal(net_counter(&net, "icmp", "errors-forbidden"), 1);
    assert_int_equal(net_counter(&net, "icmp", "errors-out"), 0);
}

/* ---- Echo: RFC 1122 §3.2.2.6 ---- */

/* conformance: 792 echo */
static void reply_has_the_requests_identifier_sequence_and_data(void **state)
{
    send_icmp(8, 0, 0xbeef0007, "penguins are birds", 18);
    expect_icmp(0, 0);
    assert_memory_equal(seen.payload + 4, "\xbe\xef\0\7penguins are birds", 22);
    assert_int_equal(seen.len, 26);
    assert_string_equal(seen.dst, "10.0.7.1");
    assert_int_equal(net_counter(&net, "icmp", "echos-in"), 1);
}

static void checksum_is_right_whatever_the_data(void **state)
{
    for (uint32_t rest = 0; rest < 70000; rest += 23) {
        uint8_t data[2] = {(uint8_t)rest, (uint8_t)(rest >> 8)};
        send_icmp(8, 0, rest * 2654435761u, data, rest % 3);
        expect_icmp(0, 0);
    }
    send_icmp(8, 0, 0xf7ffffff, NULL, 0);
    expect_icmp(0, 0);
}

/* conformance: 792 checksum */
static void wrong_checksum_is_dropped(void **state)
{
    size_t n = net_icmp(message, 8, 0, 1, "abc", 3);
    message[9] ^= 4;
    net_send_ip(&net, &(struct net_ip){.protocol = 1}, message, n);
    assert_dropped("bad-checksum", 1);
}

static void messages_cut_short_are_dropped(void **state)
{
    size_t n = net_icmp(message, 8, 0, 1, NULL, 0);
    for (size_t len = 0; len < n; len++)
        net_send_ip(&net, &(struct net_ip){.protocol = 1}, message, len);
    assert_dropped("truncated", 8);
}

/* conformance: 1122 3.2.2-unknown */
static void unknown_types_are_dropped_in_silence(void **state)
{
    for (unsigned type = 0; type < 256; type++)
        if (type > 18 || type == 1 || type == 2 || type == 6 || type == 7)
            send_icmp((uint8_t)type, 0, 0, "12345678", 8);
    assert_dropped("unknown-type", 256 - 19 + 4);
}

/* RFC 6633 */
/* conformance: 6633 4 */
static void source_quench_is_ignored(void **state)
{
    send_icmp(4, 0, 0, "12345678901234567890123456789", 28);
    assert_dropped("source-quench", 1);
}

/* ---- Timestamps ---- */

/* conformance: 1122 3.2.2.8 */
static void timestamp_request_is_answered_with_times_that_say_they_are_no_utc(void **state)
{
    static const uint8_t times[12] = {1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0};
    send_icmp(13, 0, 0x00070009, times, 12);
    expect_icmp(14, 0);
    assert_int_equal(seen.len, 20);
    assert_int_equal(tn_load32(seen.payload + 4), 0x00070009);
    assert_memory_equal(seen.payload + 8, times, 4);
    uint32_t received = tn_load32(seen.payload + 12);
    assert_int_equal(received >> 31, 1);
    assert_int_equal(tn_load32(seen.payload + 16), received);
    net_pass(&net, 1500 * TN_MSEC);
    send_icmp(13, 0, 0x00070009, times, 12);
    expect_icmp(14, 0);
    assert_int_equal(tn_load32(seen.payload + 12) - received, 1500);
}

static void timestamp_request_cut_short_is_dropped(void **state)
{
    for (size_t len = 0; len < 12; len++)
        send_icmp(13, 0, 0, "123456789012", len);
    assert_dropped("truncated", 12);
}

/* conformance: 1122 3.2.2.8 */
static void timestamp_request_to_everybody_is_not_answered(void **state)
{
    size_t n = net_icmp(message, 13, 0, 0, "123456789012", 12);
    net_send_ip(&net, &(struct net_ip){.protocol = 1, .dst = "10.0.7.255"}, message, n);
    assert_dropped("broadcast-echo", 1);
}

/* ---- Errors out: RFC 1122 §3.2.2 ---- */

/* RFC 1812 §4.3.2.3 */
/* conformance: 792 errors */
static void error_quotes_as_much_as_fits_576_bytes(void **state)
{
    provoke((struct net_ip){0}, 1400);
    expect_icmp(3, 2);
    assert_int_equal(seen.len, 576 - 20);
    assert_memory_equal(seen.payload + 8, frame.bytes + 14, 576 - 28);
}

/* conformance: 792 errors */
static void error_quotes_no_more_than_there_was(void **state)
{
    provoke((struct net_ip){0}, 3);
    expect_icmp(3, 2);
    assert_int_equal(seen.len, 8 + 20 + 3);
}

static void error_comes_from_the_address_that_was_meant(void **state)
{
    provoke((struct net_ip){.dst = "10.0.7.8"}, 20);
    expect_icmp(3, 2);
    assert_string_equal(seen.src, "10.0.7.8");
    assert_string_equal(seen.dst, "10.0.7.1");
}

/* conformance: 1122 3.2.2 */
static void no_error_about_a_network_broadcast(void **state)
{
    provoke((struct net_ip){.dst = "10.0.7.255"}, 20);
    assert_forbidden();
}

/* conformance: 1122 3.2.2 */
static void no_error_about_a_link_broadcast(void **state)
{
    provoke((struct net_ip){.to = NET_ALL, .dst = "255.255.255.255"}, 20);
    assert_forbidden();
}

/* conformance: 1122 3.2.2 */
static void no_error_about_a_multicast(void **state)
{
    provoke((struct net_ip){.to = "01:00:5e:00:00:01", .dst = "224.0.0.1"}, 20);
    assert_forbidden();
}

/* An error message with a wrong option could only be answered with an error about an error. */
/* conformance: 792 no-error-about-error; 1122 3.2.2 */
static void no_error_about_an_error(void **state)
{
    static const uint8_t bad_option[] = {7, 40, 0, 0};
    size_t n = net_icmp(message, 3, 3, 0, "12345678901234567890123456789", 28);
    net_send_ip(&net,
                &(struct net_ip){.protocol = 1, .options = bad_option, .options_len = sizeof(bad_option)},
                message, n);
    assert_forbidden();
}

static void errors_to_one_are_limited_to_ten_at_once_and_ten_a_second(void **state)
{
    for (unsigned i = 0; i < 100; i++)
        provoke((struct net_ip){0}, 20);
    assert_int_equal(net_take_all(&net), 10);
    assert_int_equal(net_counter(&net, "icmp", "errors-limited"), 90);
    for (unsigned ms = 0; ms < 4000; ms += 20) {
        net_pass(&net, 20 * TN_MSEC);
        provoke((struct net_ip){0}, 20);
    }
    assert_in_range(net_take_all(&net), 39, 41);
}

static void who_uses_up_its_errors_leaves_others_theirs(void **state)
{
    for (unsigned i = 0; i < 100; i++)
        provoke((struct net_ip){.src = "192.0.2.1"}, 20);
    assert_int_equal(net_take_all(&net), 10);
    provoke((struct net_ip){.src = "192.0.2.2"}, 20);
    assert_int_equal(net_take_all(&net), 1);
}

/* 300 senders at once: 50 are told in the mean, and how many exactly cannot be foreseen. */
static void errors_to_all_are_limited_by_chance(void **state)
{
    char src[16];
    unsigned least = 1000, most = 0;
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 300; i++) {
            snprintf(src, sizeof(src), "192.0.%u.%u", i / 200, 1 + i % 200);
            provoke((struct net_ip){.src = src}, 20);
        }
        unsigned told = net_take_all(&net);
        least = tn_min(least, told);
        most = tn_max(most, told);
        net_pass(&net, 10 * TN_SEC);
        (void)net_take_all(&net);
        net_meet(&net);
    }
    assert_in_range(least, 25, 49);
    assert_in_range(most, 51, 100);
}

static void limit_is_an_option(void **state)
{
    struct net none;
    net_start(&none, NET_YAML("  ether: {}\n  arp: {}\n  ipv4: {}\n  icmp: { rate: 0 }\n"));
    net_meet(&none);
    net_send_ip(&none, &(struct net_ip){.protocol = 99}, message, 20);
    net_expect_nothing(&none);
    assert_int_equal(net_counter(&none, "icmp", "errors-limited"), 1);
    net_stop(&none);
}

/* ---- Ping sockets ---- */

static int fd;

static int setup_socket(void **state)
{
    setup(state);
    fd = net_ping_socket(&net);
    assert_int_equal(net_ping_to(&net, fd, "10.0.7.1", 9, 20), 28);
    expect_icmp(8, 0);
    return 0;
}

static int teardown_socket(void **state)
{
    assert_int_equal(tn_close(net.stack, fd), 0);
    return teardown(state);
}

/* The reply to the request in `seen`. */
static void send_reply(const char *src)
{
    uint32_t rest = tn_load32(seen.payload + 4);
    size_t n = net_icmp(message, 0, 0, rest, seen.payload + 8, seen.len - 8);
    net_send_ip(&net, &(struct net_ip){.protocol = 1, .src = src}, message, n);
}

static void socket_sends_its_own_identifier_with_a_right_checksum(void **state)
{
    struct sockaddr_in own;
    socklen_t len = sizeof(own);
    assert_int_equal(tn_getsockname(net.stack, fd, (struct sockaddr *)&own, &len), 0);
    assert_int_not_equal(own.sin_port, 0);
    assert_int_equal(tn_load16(seen.payload + 4), ntohs(own.sin_port));
    assert_int_equal(tn_load16(seen.payload + 6), 9);
    assert_int_equal(seen.len, 28);
}

static void socket_receives_the_reply_from_its_header_on(void **state)
{
    uint8_t got[100];
    struct sockaddr_in from;
    socklen_t len = sizeof(from);
    send_reply("10.0.7.1");
    assert_int_equal(tn_recvfrom(net.stack, fd, got, sizeof(got), 0, (struct sockaddr *)&from, &len), 28);
    assert_int_equal(got[0], 0);
    assert_memory_equal(got + 4, seen.payload + 4, 24);
    assert_int_equal(from.sin_addr.s_addr, htonl(0x0a000701));
    assert_int_equal(tn_recv(net.stack, fd, got, sizeof(got), 0), -EAGAIN);
}

static void each_socket_receives_its_own_replies(void **state)
{
    uint8_t got[100];
    int other = net_ping_socket(&net);
    assert_int_equal(net_ping_to(&net, other, "10.0.7.1", 1, 0), 8);
    send_reply("10.0.7.1");
    assert_int_equal(tn_recv(net.stack, other, got, sizeof(got), 0), -EAGAIN);
    expect_icmp(8, 0);
    send_reply("10.0.7.1");
    assert_int_equal(tn_recv(net.stack, other, got, sizeof(got), 0), 8);
    tn_close(net.stack, other);
}

static void reply_that_nobody_waits_for_is_dropped(void **state)
{
    send_icmp(0, 0, (uint32_t)(uint16_t)(tn_load16(seen.payload + 4) + 1) << 16, NULL, 0);
    assert_dropped("no-socket", 1);
}

static ssize_t send_raw(const void *bytes, size_t len)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(1)};
    to.sin_addr.s_addr = htonl(0x0a000701);
    ssize_t n = tn_sendto(net.stack, fd, bytes, len, 0, (struct sockaddr *)&to, sizeof(to));
    tn_sim_settle(net.sim);
    return n;
}

static void socket_sends_nothing_but_echo_requests(void **state)
{
    assert_int_equal(send_raw("\3\1\0\0\0\0\0\0", 8), -EINVAL);
    assert_int_equal(send_raw("\0\0\0\0\0\0\0\0", 8), -EINVAL);
    assert_int_equal(send_raw("\10\1\0\0\0\0\0\0", 8), -EINVAL);
    assert_int_equal(send_raw("\10\0\0\0\0\0\0", 7), -EINVAL);
    assert_dropped("bad-request", 4);
}

static void destination_port_means_nothing(void **state)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    to.sin_addr.s_addr = htonl(0x0a000701);
    assert_int_equal(tn_sendto(net.stack, fd, "\10\0\0\0\0\0\0\1", 8, 0, (struct sockaddr *)&to, sizeof(to)),
                     8);
    tn_sim_settle(net.sim);
    expect_icmp(8, 0);
}

/* ---- Errors in ---- */

static int socket_error(void)
{
    int error = -1;
    socklen_t len = sizeof(error);
    assert_int_equal(tn_getsockopt(net.stack, fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
    return error;
}

/* An error about the request in `seen`, of which `quoted` bytes are quoted. */
static void send_error(uint8_t type, uint8_t code, uint32_t rest, size_t quoted)
{
    uint8_t quote[1500];
    memcpy(quote, seen.frame.bytes + 14, quoted);
    send_icmp(type, code, rest, quote, quoted);
}

/* conformance: 1122 3.2.2.1-up; 1122 3.2.2.4 */
static void errors_reach_the_socket_as_errno(void **state)
{
    static const struct {
        uint8_t type, code;
        int error;
    } errors[] = {
        {3, 0, ENETUNREACH},
        {3, 1, EHOSTUNREACH},
        {3, 2, ENOPROTOOPT},
        {3, 3, ECONNREFUSED},
        {3, 4, 0},
        {3, 5, EOPNOTSUPP},
        {3, 6, ENETUNREACH},
        {3, 7, EHOSTDOWN},
        {3, 8, ENONET},
        {3, 9, ENETUNREACH},
        {3, 10, EHOSTUNREACH},
        {3, 13, EHOSTUNREACH},
        {11, 0, EHOSTUNREACH},
        {11, 1, EHOSTUNREACH},
        {12, 0, EPROTO},
    };
    for (unsigned i = 0; i < TN_ARRAY_SIZE(errors); i++) {
        send_error(errors[i].type, errors[i].code, 0, 28);
        assert_int_equal(socket_error(), errors[i].error);
    }
    assert_int_equal(net_counter(&net, "icmp", "errors-in"), TN_ARRAY_SIZE(errors));
    net_expect_nothing(&net);
}

static void code_that_means_nothing_is_dropped(void **state)
{
    send_error(3, 16, 0, 28);
    send_error(11, 2, 0, 28);
    assert_dropped("bad-code", 2);
    assert_int_equal(socket_error(), 0);
}

static void quotes_cut_short_anywhere_are_dropped(void **state)
{
    for (size_t len = 0; len < 28; len++)
        send_error(3, 1, 0, len);
    assert_dropped("bad-quote", 28);
    assert_int_equal(socket_error(), 0);
}

static void error_with(size_t offset, uint8_t value)
{
    uint8_t quote[28];
    memcpy(quote, seen.frame.bytes + 14, sizeof(quote));
    quote[offset] = value;
    send_icmp(3, 1, 0, quote, sizeof(quote));
    net_expect_nothing(&net);
    assert_int_equal(socket_error(), 0);
}

static void quote_must_be_a_packet_of_ours(void **state)
{
    error_with(0, 0x65);
    error_with(0, 0x44);
    error_with(0, 0x46);
    error_with(3, 27);
    error_with(7, 1); /* a later fragment */
    assert_int_equal(net_drops(&net, "icmp", "bad-quote"), 5);
    error_with(15, 9);
    error_with(15, 8); /* ours, but not the address to which the error came */
    assert_int_equal(net_drops(&net, "icmp", "not-ours"), 2);
    error_with(20, 0); /* a reply, not a request */
    error_with(24, (uint8_t)(seen.payload[4] + 1));
    assert_int_equal(net_counter(&net, "icmp", "errors-in"), 2);
}

static void error_to_a_broadcast_is_dropped(void **state)
{
    size_t n = net_icmp(message, 3, 1, 0, seen.frame.bytes + 14, 28);
    net_send_ip(&net, &(struct net_ip){.to = NET_ALL, .dst = "10.0.7.255", .protocol = 1}, message, n);
    assert_dropped("broadcast-error", 1);
    assert_int_equal(socket_error(), 0);
}

/* ---- The command `ping` ---- */

static int client;
static char path[64];
static char input[65536];

/* Has the stack look at its descriptors, which virtual time alone does not. */
static void look(void)
{
    (void)tn_stack_step(net.stack);
    (void)tn_stack_step(net.stack);
    tn_sim_settle(net.sim);
}

static int setup_command(void **state)
{
    struct tn_error error;
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    setup(state);
    snprintf(path, sizeof(path), "/tmp/tenon-test-icmp-%d", (int)getpid());
    if (tn_stack_control(net.stack, path, &error) < 0)
        fail_msg("%s", error.text);
    client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    strcpy(to.sun_path, path);
    assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
    input[0] = '\0';
    return 0;
}

static int teardown_command(void **state)
{
    if (client >= 0)
        close(client);
    look();
    return teardown(state);
}

static void ask(const char *args)
{
    char line[512];
    int n = snprintf(line, sizeof(line),
                     "{\"cmd\":\"call\",\"plugin\":\"icmp\",\"command\":\"ping\",\"args\":%s}\n", args);
    assert_int_equal(write(client, line, (size_t)n), n);
    look();
}

/* The next answer; the caller frees it. */
static json_t *answer(void)
{
    look();
    size_t used = strlen(input);
    ssize_t n = read(client, input + used, sizeof(input) - 1 - used);
    if (n > 0)
        input[used + (size_t)n] = '\0';
    char *end = strchr(input, '\n');
    if (!end)
        return NULL;
    *end = '\0';
    json_t *json = json_loads(input, 0, NULL);
    assert_non_null(json);
    memmove(input, end + 1, strlen(end + 1) + 1);
    return json;
}

static void expect_number(const json_t *json, const char *name, int64_t value)
{
    const json_t *field = json_object_get(json, name);
    if (!json_is_integer(field))
        fail_msg("no %s", name);
    assert_int_equal(json_integer_value(field), value);
}

static void expect_failure(unsigned seq, const char *text)
{
    json_t *json = answer();
    assert_non_null(json);
    expect_number(json, "seq", seq);
    assert_string_equal(json_string_value(json_object_get(json, "error")), text);
    json_decref(json);
}

static void expect_summary(unsigned sent, unsigned received)
{
    json_t *json = answer();
    assert_non_null(json);
    expect_number(json, "sent", sent);
    expect_number(json, "received", received);
    assert_int_equal(json_object_get(json, "min-ns") != NULL, received != 0);
    assert_false(json_is_true(json_object_get(json, "more")));
    json_decref(json);
}

static void ping_reports_each_reply_and_a_summary(void **state)
{
    ask("{\"to\":\"10.0.7.1\",\"count\":3,\"size\":100}");
    for (unsigned seq = 1; seq <= 3; seq++) {
        expect_icmp(8, 0);
        assert_int_equal(seen.len, 108);
        assert_int_equal(tn_load16(seen.payload + 6), seq);
        assert_null(answer());
        net_pass(&net, 10 * TN_MSEC);
        send_reply("10.0.7.1");
        json_t *json = answer();
        assert_non_null(json);
        expect_number(json, "seq", seq);
        expect_number(json, "ttl", 64);
        expect_number(json, "bytes", 108);
        expect_number(json, "rtt-ns", 10 * TN_MSEC);
        assert_string_equal(json_string_value(json_object_get(json, "from")), "10.0.7.1");
        json_decref(json);
        if (seq < 3)
            net_pass(&net, TN_SEC - 10 * TN_MSEC);
    }
    expect_summary(3, 3);
    net_expect_nothing(&net);
}

static void ping_sends_once_an_interval(void **state)
{
    ask("{\"to\":\"10.0.7.1\",\"count\":5,\"interval\":200,\"timeout\":3000}");
    for (unsigned seq = 1; seq <= 5; seq++) {
        assert_int_equal(net_take_all(&net), 1);
        net_pass(&net, 200 * TN_MSEC);
    }
    assert_int_equal(net_take_all(&net), 0);
    assert_null(answer());
    net_pass(&net, 4 * TN_SEC);
    for (unsigned seq = 1; seq <= 5; seq++)
        expect_failure(seq, "timeout");
    expect_summary(5, 0);
}

static void replies_out_of_order_find_their_requests(void **state)
{
    struct net_seen first;
    ask("{\"to\":\"10.0.7.1\",\"count\":2,\"interval\":100}");
    expect_icmp(8, 0);
    first = seen;
    net_pass(&net, 100 * TN_MSEC);
    expect_icmp(8, 0);
    send_reply("10.0.7.1");
    seen = first;
    send_reply("10.0.7.1");
    send_reply("10.0.7.1"); /* a duplicate is nobody's */
    net_pass(&net, TN_MSEC);
    json_t *json = answer();
    expect_number(json, "seq", 2);
    json_decref(json);
    json = answer();
    expect_number(json, "seq", 1);
    json_decref(json);
    expect_summary(2, 2);
    assert_int_equal(net_drops(&net, "icmp", "no-socket"), 1);
}

static void ping_goes_on_across_a_swap(void **state)
{
    struct tn_error error;
    ask("{\"to\":\"10.0.7.1\",\"count\":2,\"interval\":100}");
    expect_icmp(8, 0);
    assert_int_equal(tn_stack_swap(net.stack, "icmp", NULL, &error), 0);
    send_reply("10.0.7.1");
    net_pass(&net, 100 * TN_MSEC);
    expect_icmp(8, 0);
    send_reply("10.0.7.1");
    for (unsigned seq = 1; seq <= 2; seq++) {
        json_t *json = answer();
        assert_non_null(json);
        expect_number(json, "seq", seq);
        expect_number(json, "rtt-ns", 0);
        json_decref(json);
    }
    expect_summary(2, 2);
}

static void reply_from_another_host_is_not_taken(void **state)
{
    ask("{\"to\":\"10.0.7.1\",\"count\":1}");
    expect_icmp(8, 0);
    send_reply("10.0.7.2");
    net_pass(&net, 2 * TN_SEC);
    expect_failure(1, "timeout");
    expect_summary(1, 0);
}

static void time_to_live_ends_at_a_router_that_says_so(void **state)
{
    ask("{\"to\":\"10.0.7.1\",\"count\":1,\"ttl\":3}");
    expect_icmp(8, 0);
    assert_int_equal(seen.ttl, 3);
    send_error(11, 0, 0, 28);
    net_pass(&net, TN_MSEC);
    expect_failure(1, "time to live exceeded");
    expect_summary(1, 0);
}

static void error_about_a_request_is_its_answer(void **state)
{
    ask("{\"to\":\"10.0.7.1\",\"count\":1}");
    expect_icmp(8, 0);
    send_error(3, 1, 0, 28);
    net_pass(&net, TN_MSEC);
    expect_failure(1, "host unreachable");
    expect_summary(1, 0);
}

static void silent_neighbour_is_reported_before_the_timeout(void **state)
{
    ask("{\"to\":\"10.0.7.3\",\"count\":1,\"timeout\":9000}");
    net_pass(&net, 3 * TN_SEC);
    expect_failure(1, "host unreachable");
    expect_summary(1, 0);
    assert_int_equal(net_take_all(&net), 3);
}

static void ping_that_does_not_fit_and_must_not_be_fragmented_says_so(void **state)
{
    ask("{\"to\":\"10.0.7.1\",\"count\":1,\"size\":1473,\"df\":true}");
    expect_failure(1, "too long to be sent unfragmented");
    expect_summary(0, 0);
    ask("{\"to\":\"10.0.7.1\",\"count\":1,\"size\":1472,\"df\":true}");
    expect_icmp(8, 0);
    assert_int_equal(seen.fragment, 0x4000);
    net_pass(&net, 2 * TN_SEC);
}

static void ping_of_this_stack_itself_is_answered(void **state)
{
    ask("{\"to\":\"10.0.7.7\",\"count\":1}");
    json_t *json = answer();
    assert_non_null(json);
    expect_number(json, "seq", 1);
    expect_number(json, "bytes", 64);
    json_decref(json);
    expect_summary(1, 1);
    net_expect_nothing(&net);
}

static void expect_refusal(const char *args, const char *text)
{
    ask(args);
    json_t *json = answer();
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "error")), text);
    json_decref(json);
    net_expect_nothing(&net);
}

static void wrong_arguments_are_refused(void **state)
{
    expect_refusal("{}", "to: expected an IPv4 address");
    expect_refusal("{\"to\":\"penguin\"}", "to: expected an IPv4 address");
    expect_refusal("{\"to\":\"::1\"}", "to: expected an IPv4 address");
    expect_refusal("{\"to\":\"224.0.0.1\"}", "to: found 224.0.0.1, expected the address of one host");
    expect_refusal("{\"to\":\"10.0.7.255\"}", "to: found 10.0.7.255, expected the address of one host");
    expect_refusal("{\"to\":\"10.0.7.1\",\"size\":65508}", "size: 65508 is not between 0 and 65507");
    expect_refusal("{\"to\":\"10.0.7.1\",\"interval\":0}", "interval: 0 is not between 1 and 3600000");
    expect_refusal("{\"to\":\"10.0.7.1\",\"count\":-1}", "count: -1 is not between 0 and 1000000000");
}

static void ping_ends_when_its_asker_goes(void **state)
{
    ask("{\"to\":\"10.0.7.1\",\"count\":0,\"interval\":100}");
    net_pass(&net, TN_SEC);
    assert_in_range(net_take_all(&net), 10, 11);
    close(client);
    client = -1;
    look();
    (void)net_take_all(&net);
    net_pass(&net, 2 * TN_SEC);
    net_expect_nothing(&net);
}

static void fast_ping_to_a_silent_host_forgets_the_oldest(void **state)
{
    ask("{\"to\":\"10.0.7.1\",\"count\":200,\"interval\":1,\"timeout\":5000}");
    net_pass(&net, 300 * TN_MSEC);
    for (unsigned seq = 1; seq <= 200 - 64; seq++)
        expect_failure(seq, "timeout");
    assert_null(answer());
    net_pass(&net, 6 * TN_SEC);
    for (unsigned seq = 200 - 63; seq <= 200; seq++)
        expect_failure(seq, "timeout");
    expect_summary(200, 0);
    (void)net_take_all(&net);
}

#define T(f)            cmocka_unit_test_setup_teardown(f, setup, teardown)
#define SOCKET_TEST(f)  cmocka_unit_test_setup_teardown(f, setup_socket, teardown_socket)
#define COMMAND_TEST(f) cmocka_unit_test_setup_teardown(f, setup_command, teardown_command)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(reply_has_the_requests_identifier_sequence_and_data),
        T(checksum_is_right_whatever_the_data),
        T(wrong_checksum_is_dropped),
        T(messages_cut_short_are_dropped),
        T(unknown_types_are_dropped_in_silence),
        T(source_quench_is_ignored),
        T(timestamp_request_is_answered_with_times_that_say_they_are_no_utc),
        T(timestamp_request_cut_short_is_dropped),
        T(timestamp_request_to_everybody_is_not_answered),
        T(error_quotes_as_much_as_fits_576_bytes),
        T(error_quotes_no_more_than_there_was),
        T(error_comes_from_the_address_that_was_meant),
        T(no_error_about_a_network_broadcast),
        T(no_error_about_a_link_broadcast),
        T(no_error_about_a_multicast),
        T(no_error_about_an_error),
        T(errors_to_one_are_limited_to_ten_at_once_and_ten_a_second),
        T(who_uses_up_its_errors_leaves_others_theirs),
        T(errors_to_all_are_limited_by_chance),
        T(limit_is_an_option),
        SOCKET_TEST(socket_sends_its_own_identifier_with_a_right_checksum),
        SOCKET_TEST(socket_receives_the_reply_from_its_header_on),
        SOCKET_TEST(each_socket_receives_its_own_replies),
        SOCKET_TEST(reply_that_nobody_waits_for_is_dropped),
        SOCKET_TEST(socket_sends_nothing_but_echo_requests),
        SOCKET_TEST(destination_port_means_nothing),
        SOCKET_TEST(errors_reach_the_socket_as_errno),
        SOCKET_TEST(code_that_means_nothing_is_dropped),
        SOCKET_TEST(quotes_cut_short_anywhere_are_dropped),
        SOCKET_TEST(quote_must_be_a_packet_of_ours),
        SOCKET_TEST(error_to_a_broadcast_is_dropped),
        COMMAND_TEST(ping_reports_each_reply_and_a_summary),
        COMMAND_TEST(ping_sends_once_an_interval),
        COMMAND_TEST(replies_out_of_order_find_their_requests),
        COMMAND_TEST(ping_goes_on_across_a_swap),
        COMMAND_TEST(reply_from_another_host_is_not_taken),
        COMMAND_TEST(time_to_live_ends_at_a_router_that_says_so),
        COMMAND_TEST(error_about_a_request_is_its_answer),
        COMMAND_TEST(silent_neighbour_is_reported_before_the_timeout),
        COMMAND_TEST(ping_that_does_not_fit_and_must_not_be_fragmented_says_so),
        COMMAND_TEST(ping_of_this_stack_itself_is_answered),
        COMMAND_TEST(wrong_arguments_are_refused),
        COMMAND_TEST(ping_ends_when_its_asker_goes),
        COMMAND_TEST(fast_ping_to_a_silent_host_forgets_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
