/* The services echo, discard, daytime and chargen (RFC 862, 863, 867, 864), asked from another stack. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "mock.h"
#include "slot.h"

static struct tn_sim *sim;
static struct tn_stack *a, *b; /* who asks; who answers */

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
            "interfaces: { w0: { driver: wire, delay: 1ms, addresses: [10.0.0.1/24] } }\n"
            "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {}, tcp: { receive-buffer: 200k, "
            "send-buffer: 200k } }\n");
    b = add("stack: { name: b }\n"
            "interfaces: { w0: { driver: wire, delay: 1ms, addresses: [10.0.0.2/24] } }\n"
            "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {}, tcp: { receive-buffer: 200k, "
            "send-buffer: 200k } }\n"
            "services:\n"
            "  echo:    { listen: [tcp/7, udp/7] }\n"
            "  discard: { listen: [tcp/9, udp/9] }\n"
            "  daytime: { listen: [tcp/13, udp/13] }\n"
            "  chargen: { listen: [tcp/19, udp/19], connections: 3 }\n");
    assert_int_equal(tn_stack_join(a, "w0", b, "w0"), 0);
    return 0;
}

/* Nothing is left but the eight listeners and, for a while, connections in TIME-WAIT. */
static int end(void **state)
{
    struct tn_usage usage;
    tn_sim_run(sim, 300 * TN_SEC);
    tn_stack_usage(a, &usage);
    assert_int_equal(usage.sockets, 0);
    assert_int_equal(usage.packets, 0);
    assert_int_equal(usage.buffers, 0);
    tn_stack_usage(b, &usage);
    assert_int_equal(usage.sockets, 8);
    assert_int_equal(usage.packets, 1); /* chargen's pattern */
    assert_int_equal(usage.buffers, 1);
    const struct tn_slot *chargen = tn_slot_by_name(b, "chargen");
    assert_int_equal(chargen->slabs->used, 0);
    tn_sim_destroy(sim);
    return 0;
}

/* ---- Words for the dialogues ---- */

static void pass(void)
{
    tn_sim_run(sim, 100 * TN_MSEC);
}

static int ask_from(uint16_t port)
{
    struct sockaddr_in sa = mock_addr("0.0.0.0", port);
    int fd = tn_socket(a, AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(tn_bind(a, fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

static void send_to(int fd, const char *addr, uint16_t port, const char *text)
{
    struct sockaddr_in sa = mock_addr(addr, port);
    assert_int_equal(tn_sendto(a, fd, text, strlen(text), 0, (struct sockaddr *)&sa, sizeof(sa)),
                     strlen(text));
    pass();
}

static int call(uint16_t port)
{
    struct sockaddr_in sa = mock_addr("10.0.0.2", port);
    int fd = tn_socket(a, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(tn_connect(a, fd, (struct sockaddr *)&sa, sizeof(sa)), -EINPROGRESS);
    pass();
    struct tn_pollfd p = {.fd = fd, .events = POLLOUT};
    assert_int_equal(tn_poll(a, &p, 1), 1);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(tn_send(a, fd, text, strlen(text), 0), strlen(text));
    pass();
}

static ssize_t hear(int fd, char *buf, size_t size)
{
    memset(buf, 0, size);
    return tn_recv(a, fd, buf, size - 1, 0);
}

static void expect_end(int fd)
{
    char c;
    assert_int_equal(tn_recv(a, fd, &c, 1, 0), 0);
}

/* "Monday, February 22, 1982 17:37:43-UTC" and the simulation's wall clock agree. */
static void expect_daytime(const char *line, size_t len)
{
    char weekday[16], month[16];
    int day, year, h, m, s;
    assert_int_equal(
        sscanf(line, "%15[A-Z a-z], %15s %d, %d %d:%d:%d-UTC\r\n", weekday, month, &day, &year, &h, &m, &s),
        7);
    assert_memory_equal(line + len - 6, "-UTC\r\n", 6);
    int64_t wall = b->env.wall(b->env.context) / (int64_t)TN_SEC;
    time_t now = (time_t)wall;
    struct tm tm;
    char expected[64];
    gmtime_r(&now, &tm);
    strftime(expected, sizeof(expected), "%A, %B ", &tm);
    assert_memory_equal(line, expected, strlen(expected));
    assert_int_equal(day, tm.tm_mday);
    assert_int_equal(year, tm.tm_year + 1900);
    assert_int_equal(h, tm.tm_hour);
    assert_in_range(abs(m * 60 + s - tm.tm_min * 60 - tm.tm_sec), 0, 2);
}

/* The pattern of RFC 864, written once more. */
static char pattern_at(size_t at)
{
    size_t line = at / 74, column = at % 74;
    return column == 72 ? '\r' : column == 73 ? '\n' : (char)(32 + (line + column) % 95);
}

static void expect_pattern(const char *bytes, size_t len, size_t at)
{
    for (size_t i = 0; i < len; i++)
        assert_int_equal(bytes[i], pattern_at(at + i));
}

/* ---- Datagrams ---- */

/* conformance: 862 udp */
static void echo_sends_datagrams_back(void **state)
{
    char buf[64];
    int fd = ask_from(4000);
    send_to(fd, "10.0.0.2", 7, "hello");
    assert_int_equal(hear(fd, buf, sizeof(buf)), 5);
    assert_string_equal(buf, "hello");
    send_to(fd, "10.0.0.2", 7, "");
    assert_int_equal(hear(fd, buf, sizeof(buf)), 0);
    assert_int_equal(tn_stack_counter(b, "echo", "datagrams"), 2);
    tn_close(a, fd);
}

/* conformance: 863 discard */
static void discard_says_nothing(void **state)
{
    char buf[64];
    int fd = ask_from(4000);
    send_to(fd, "10.0.0.2", 9, "hello");
    assert_int_equal(hear(fd, buf, sizeof(buf)), -EAGAIN);
    assert_int_equal(tn_stack_counter(b, "discard", "bytes"), 5);
    tn_close(a, fd);
}

static void daytime_answers_any_datagram(void **state)
{
    char buf[128];
    int fd = ask_from(4000);
    for (unsigned i = 0; i < 4; i++) { /* several times a second, and in another one */
        send_to(fd, "10.0.0.2", 13, "whatever");
        ssize_t len = hear(fd, buf, sizeof(buf));
        assert_true(len > 0);
        expect_daytime(buf, (size_t)len);
        tn_sim_run(sim, i * TN_SEC / 2);
    }
    tn_close(a, fd);
}

/* RFC 864: "a random number (between 0 and 512) of characters" */
/* conformance: 864 udp */
static void chargen_answers_with_up_to_512_characters(void **state)
{
    char buf[1024];
    bool differ = false;
    ssize_t first = -1;
    int fd = ask_from(4000);
    for (int i = 0; i < 20; i++) {
        send_to(fd, "10.0.0.2", 19, "?");
        ssize_t len = hear(fd, buf, sizeof(buf));
        assert_in_range(len, 0, 512);
        expect_pattern(buf, (size_t)len, 0);
        differ |= first >= 0 && len != first;
        first = len;
    }
    assert_true(differ);
    tn_close(a, fd);
}

/* One forged datagram from one such service to another would keep both busy for ever. */
static void services_do_not_answer_services(void **state)
{
    static const uint16_t ports[] = {7, 13, 17, 19, 37};
    static const char *const services[] = {"echo", "daytime", "chargen"};
    static const uint16_t service_ports[] = {7, 13, 19};
    for (unsigned i = 0; i < TN_ARRAY_SIZE(ports); i++) {
        char buf[64];
        int fd = ask_from(ports[i]);
        for (unsigned j = 0; j < TN_ARRAY_SIZE(services); j++) {
            send_to(fd, "10.0.0.2", service_ports[j], "x");
            assert_int_equal(hear(fd, buf, sizeof(buf)), -EAGAIN);
            assert_int_equal(tn_stack_drops(b, services[j], "no-answer"), i + 1);
        }
        tn_close(a, fd);
    }
}

static void services_do_not_answer_broadcasts(void **state)
{
    char buf[64];
    int fd = ask_from(4000), on = 1;
    assert_int_equal(tn_setsockopt(a, fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)), 0);
    send_to(fd, "10.0.0.255", 7, "x");
    send_to(fd, "255.255.255.255", 19, "x");
    assert_int_equal(hear(fd, buf, sizeof(buf)), -EAGAIN);
    assert_int_equal(tn_stack_drops(b, "echo", "no-answer"), 1);
    assert_int_equal(tn_stack_drops(b, "chargen", "no-answer"), 1);
    tn_close(a, fd);
}

/* ---- Streams ---- */

/* conformance: 862 tcp */
static void echo_sends_bytes_back(void **state)
{
    char buf[64];
    int fd = call(7);
    say(fd, "hello");
    assert_int_equal(hear(fd, buf, sizeof(buf)), 5);
    assert_string_equal(buf, "hello");
    say(fd, "again");
    assert_int_equal(hear(fd, buf, sizeof(buf)), 5);
    assert_string_equal(buf, "again");
    tn_close(a, fd);
}

/* Others hold more than half of the packets, so that send queues may not grow: what came waits in the receive queue, and nothing
 * of it is lost. */
static void echo_loses_nothing_while_packets_are_short(void **state)
{
    enum {
        HELD = 40000,
        SENT = 50000,
    };
    static struct tn_packet *held[HELD];
    static char sent[SENT], back[SENT];
    for (size_t i = 0; i < HELD; i++)
        held[i] = tn_packet_new(&b->pool, 1);
    for (size_t i = 0; i < SENT; i++)
        sent[i] = (char)(i * 7 + i / 256);
    int fd = call(7);
    assert_int_equal(tn_send(a, fd, sent, SENT, 0), SENT);
    size_t got = 0;
    for (int i = 0; i < 600 && got < SENT; i++) {
        pass();
        ssize_t n = tn_recv(a, fd, back + got, SENT - got, 0);
        got += n > 0 ? (size_t)n : 0;
    }
    assert_int_equal(got, SENT);
    assert_memory_equal(back, sent, SENT);
    for (size_t i = 0; i < HELD; i++)
        tn_packet_free(&b->pool, held[i]);
    tn_close(a, fd);
}

/* The client has finished sending; the rest still comes, and then the end. */
static void echo_answers_a_half_closed_connection(void **state)
{
    static char out[50000], in[50001];
    int fd = call(7);
    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = (char)(i * 31 + i / 256);
    assert_int_equal(tn_send(a, fd, out, sizeof(out), 0), sizeof(out));
    assert_int_equal(tn_shutdown(a, fd, SHUT_WR), 0);
    tn_sim_run(sim, 5 * TN_SEC);
    assert_int_equal(tn_recv(a, fd, in, sizeof(in), 0), sizeof(out));
    assert_memory_equal(in, out, sizeof(out));
    expect_end(fd);
    tn_close(a, fd);
}

/* A client that sends and does not read is stopped; when it reads, all comes, and nothing was lost. */
static void echo_stops_who_does_not_read(void **state)
{
    static char chunk[4096];
    int fd = call(7);
    size_t sent = 0, received = 0;
    for (int idle = 0; idle < 20;) {
        for (size_t i = 0; i < sizeof(chunk); i++)
            chunk[i] = (char)((sent + i) % 251);
        ssize_t n = tn_send(a, fd, chunk, sizeof(chunk), 0);
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        tn_sim_run(sim, n > 0 ? 10 * TN_MSEC : TN_SEC);
        assert_true(sent < 16 * 1024 * 1024);
    }
    struct tn_usage usage;
    tn_stack_usage(b, &usage);
    assert_true(usage.buffers < 500); /* two queues of 200 KiB hold 280 full segments */
    while (received < sent) {
        ssize_t n = tn_recv(a, fd, chunk, sizeof(chunk), 0);
        if (n == -EAGAIN) {
            tn_sim_run(sim, 100 * TN_MSEC);
            continue;
        }
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++)
            assert_int_equal((uint8_t)chunk[i], (received + (size_t)i) % 251);
        received += (size_t)n;
    }
    assert_int_equal(tn_stack_counter(b, "echo", "bytes"), sent);
    tn_close(a, fd);
}

/* conformance: 863 discard */
static void discard_takes_all_and_closes(void **state)
{
    int fd = call(9);
    say(fd, "hello");
    say(fd, "world");
    assert_int_equal(tn_stack_counter(b, "discard", "bytes"), 10);
    assert_int_equal(tn_shutdown(a, fd, SHUT_WR), 0);
    pass();
    expect_end(fd);
    tn_close(a, fd);
}

static void daytime_tells_and_closes(void **state)
{
    char buf[128];
    int fd = call(13);
    ssize_t len = hear(fd, buf, sizeof(buf));
    assert_true(len > 0);
    expect_daytime(buf, (size_t)len);
    expect_end(fd);
    say(fd, "thanks"); /* is thrown away, not answered by a reset */
    assert_int_equal(tn_shutdown(a, fd, SHUT_WR), 0);
    pass();
    expect_end(fd);
    assert_int_equal(tn_stack_counter(b, "daytime", "connections"), 1);
    tn_close(a, fd);
}

/* conformance: 864 tcp */
static void chargen_goes_on_while_it_is_read(void **state)
{
    static char buf[8000];
    size_t at = 0;
    int fd = call(19);
    while (at < 500000) {
        ssize_t n = tn_recv(a, fd, buf, sizeof(buf), 0);
        if (n == -EAGAIN) {
            pass();
            continue;
        }
        assert_true(n > 0);
        expect_pattern(buf, (size_t)n, at);
        at += (size_t)n;
    }
    say(fd, "is thrown away");
    tn_close(a, fd);
    tn_sim_run(sim, 5 * TN_SEC);
    assert_in_range(tn_stack_counter(b, "chargen", "bytes"), 500000, 2000000);
}

static void chargen_resets_more_connections_than_allowed(void **state)
{
    int fds[4];
    char c;
    for (int i = 0; i < 4; i++)
        fds[i] = call(19);
    for (int i = 0; i < 3; i++)
        assert_int_equal(tn_recv(a, fds[i], &c, 1, 0), 1);
    assert_int_equal(tn_recv(a, fds[3], &c, 1, 0), -ECONNRESET);
    assert_int_equal(tn_stack_counter(b, "chargen", "connection-limit"), 1);
    for (int i = 0; i < 4; i++)
        tn_close(a, fds[i]);
    tn_sim_run(sim, 10 * TN_SEC);
    int fd = call(19); /* there is room again */
    assert_int_equal(tn_recv(a, fd, &c, 1, 0), 1);
    tn_close(a, fd);
}

/* ---- Swap and reload ---- */

static void swapped_services_keep_their_connections(void **state)
{
    static const char *const services[] = {"echo", "discard", "daytime", "chargen"};
    struct tn_error error;
    char buf[2000];
    int echo = call(7), chargen = call(19);
    say(echo, "before");
    for (unsigned i = 0; i < TN_ARRAY_SIZE(services); i++)
        if (tn_stack_swap(b, services[i], NULL, &error) < 0)
            fail_msg("%s", error.text);
    say(echo, "after");
    assert_int_equal(hear(echo, buf, sizeof(buf)), 11);
    assert_string_equal(buf, "beforeafter");
    size_t at = 0;
    while (at < 300000) {
        ssize_t n = tn_recv(a, chargen, buf, sizeof(buf), 0);
        if (n > 0) {
            expect_pattern(buf, (size_t)n, at);
            at += (size_t)n;
        } else {
            pass();
        }
    }
    tn_close(a, echo);
    tn_close(a, chargen);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(echo_sends_datagrams_back),
        TEST(discard_says_nothing),
        TEST(daytime_answers_any_datagram),
        TEST(chargen_answers_with_up_to_512_characters),
        TEST(services_do_not_answer_services),
        TEST(services_do_not_answer_broadcasts),
        TEST(echo_sends_bytes_back),
        TEST(echo_loses_nothing_while_packets_are_short),
        TEST(echo_answers_a_half_closed_connection),
        TEST(echo_stops_who_does_not_read),
        TEST(discard_takes_all_and_closes),
        TEST(daytime_tells_and_closes),
        TEST(chargen_goes_on_while_it_is_read),
        TEST(chargen_resets_more_connections_than_allowed),
        TEST(swapped_services_keep_their_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
