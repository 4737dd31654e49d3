/* A device that is full: nothing of the stack's own is thrown away, data waits where it is, and nobody is starved. The device is a
 * host link from which the test takes frames as slowly as it likes, and carries them to another stack. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "stack.h"
#include "tenon/sim.h"

#define GENERATORS 20
/* A turn of each generator, of one packet of at most 45 segments, and a full queue. */
#define MOST_ROUNDS (GENERATORS * 45 + 64 + 16)
#define ROUND       (100 * TN_USEC)

static struct tn_sim *sim;
static struct tn_stack *server, *client;

static struct tn_stack *add(const char *name, const char *mac, const char *address, const char *limits)
{
    char yaml[700];
    struct tn_error error;
    struct tn_stack *stack;
    snprintf(yaml, sizeof(yaml),
             "stack: { name: %s, limits: { %s } }\n"
             "interfaces: { h0: { driver: host, mac: \"%s\", addresses: [%s/24] } }\n"
             "protocols: { ether: {}, arp: {}, ipv4: {}, udp: {}, tcp: {} }\n"
             "services: { echo: { listen: [tcp/7, udp/7] }, chargen: { listen: [tcp/19] } }\n",
             name, limits, mac, address);
    if (tn_sim_add(sim, yaml, &stack, &error) < 0)
        fail_msg("%s", error.text);
    return stack;
}

/* Carries at most `most` frames over; how many there were. */
static unsigned carry(struct tn_stack *from, struct tn_stack *to, unsigned most)
{
    static uint8_t frame[70000];
    unsigned count = 0;
    ssize_t len;
    while (count < most && (len = tn_host_receive(from, "h0", frame, sizeof(frame))) > 0) {
        assert_int_equal(tn_host_send(to, "h0", frame, (size_t)len), 0);
        tn_sim_settle(sim);
        count++;
    }
    return count;
}

/* The server's device takes `most` frames a round; the client's all. */
static void pass(unsigned rounds, unsigned most)
{
    for (unsigned i = 0; i < rounds; i++) {
        carry(server, client, most);
        carry(client, server, 10000);
        tn_sim_run(sim, ROUND);
    }
}

static void start(const char *limits)
{
    sim = tn_sim_create(1);
    tn_sim_plugin_path(sim, TN_TEST_PLUGIN_DIR);
    server = add("server", "02:00:00:00:07:07", "10.0.7.7", limits);
    client = add("client", "02:00:00:00:07:01", "10.0.7.1", "");
    for (int i = 0; i < 100; i++) { /* announcements */
        pass(1, 10000);
        tn_sim_run(sim, 200 * TN_MSEC);
    }
}

static int open_to(int type, uint16_t port)
{
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr("10.0.7.7")};
    int fd = tn_socket(client, AF_INET, type, 0);
    assert_true(fd >= 0);
    int error = tn_connect(client, fd, (struct sockaddr *)&sa, sizeof(sa));
    assert_true(error == 0 || error == -EINPROGRESS);
    return fd;
}

/* Reads all there is; how much. */
static uint64_t drain(int fd)
{
    static uint8_t bytes[65536];
    uint64_t total = 0;
    ssize_t n;
    while ((n = tn_recv(client, fd, bytes, sizeof(bytes), 0)) > 0)
        total += (uint64_t)n;
    assert_int_equal(n, -EAGAIN);
    return total;
}

static void nothing_was_thrown_away(void)
{
    static const char *const reasons[] = {"transmit-queue-full", "port-full"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(reasons); i++)
        assert_int_equal(tn_stack_drops(server, "core", reasons[i]), 0);
    assert_int_equal(tn_stack_counter(client, "tcp", "out-of-order"), 0);
}

static void data_waits_while_the_device_is_full(void **state)
{
    uint64_t got[GENERATORS] = {0}, least = UINT64_MAX, most = 0;
    int fds[GENERATORS];
    start("transmit-queue: 64, port-queue: 16");
    for (int i = 0; i < GENERATORS; i++)
        fds[i] = open_to(SOCK_STREAM, 19);
    for (unsigned round = 0; round < 20000; round++) {
        pass(1, 1);
        for (int i = 0; i < GENERATORS; i++)
            got[i] += drain(fds[i]);
    }
    nothing_was_thrown_away();
    assert_true(tn_stack_counter(server, "tcp", "held-back") > 100);
    for (int i = 0; i < GENERATORS; i++) {
        least = tn_min(least, got[i]);
        most = tn_max(most, got[i]);
    }
    assert_true(least > 0);
    assert_true(most < 4 * least);
    /* Every frame that the device took but the handshakes' carried data of one or another. */
    uint64_t total = 0;
    for (int i = 0; i < GENERATORS; i++)
        total += got[i];
    assert_true(total > (uint64_t)(20000 - 3 * GENERATORS) * 1400);
    tn_sim_destroy(sim);
}

static void others_go_on_while_the_device_is_full(void **state)
{
    char reply[8];
    start("transmit-queue: 64, port-queue: 16");
    int echo = open_to(SOCK_STREAM, 7), datagrams = open_to(SOCK_DGRAM, 7);
    pass(10, 100);
    int generators[GENERATORS];
    for (int i = 0; i < GENERATORS; i++)
        generators[i] = open_to(SOCK_STREAM, 19);
    for (unsigned round = 0; round < 10; round++) {
        assert_int_equal(tn_send(client, echo, "stream", 6, 0), 6);
        assert_int_equal(tn_send(client, datagrams, "single", 6, 0), 6);
        unsigned waited = 0;
        size_t answers = 0;
        for (; answers < 2 && waited < MOST_ROUNDS; waited++) {
            pass(1, 1);
            for (int i = 0; i < GENERATORS; i++)
                (void)drain(generators[i]);
            answers += tn_recv(client, echo, reply, sizeof(reply), 0) == 6;
            answers += tn_recv(client, datagrams, reply, sizeof(reply), 0) == 6;
        }
        assert_int_equal(answers, 2);
    }
    nothing_was_thrown_away();
    tn_sim_destroy(sim);
}

/* It takes nothing for a while, less than a retransmission timeout, and then all. */
static void device_that_stalls_is_gone_on_with(void **state)
{
    start("transmit-queue: 64, port-queue: 16");
    int fd = open_to(SOCK_STREAM, 19);
    pass(20, 100);
    for (unsigned turn = 0; turn < 20; turn++) {
        pass(1000, 0); /* 100 ms */
        uint64_t got = 0;
        for (unsigned round = 0; round < 100; round++) {
            pass(1, 100);
            got += drain(fd);
        }
        assert_true(got > 100000);
    }
    nothing_was_thrown_away();
    tn_sim_destroy(sim);
}

/* A stack that talks to itself has no device, but a queue all the same. */
static void loopback_waits_too(void **state)
{
    start("transmit-queue: 64");
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(19), .sin_addr.s_addr = inet_addr("127.0.0.1")};
    int fds[GENERATORS];
    uint8_t bytes[65536];
    for (int i = 0; i < GENERATORS; i++) {
        fds[i] = tn_socket(server, AF_INET, SOCK_STREAM, 0);
        assert_int_equal(tn_connect(server, fds[i], (struct sockaddr *)&sa, sizeof(sa)), -EINPROGRESS);
        tn_sim_settle(sim);
    }
    for (unsigned round = 0; round < 300; round++) {
        for (int i = 0; i < GENERATORS; i++)
            while (tn_recv(server, fds[i], bytes, sizeof(bytes), 0) > 0)
                ;
        tn_sim_run(sim, ROUND);
    }
    nothing_was_thrown_away();
    assert_true(tn_stack_counter(server, "tcp", "held-back") > 0);
    tn_sim_destroy(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_waits_while_the_device_is_full),
        cmocka_unit_test(others_go_on_while_the_device_is_full),
        cmocka_unit_test(device_that_stalls_is_gone_on_with),
        cmocka_unit_test(loopback_waits_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
