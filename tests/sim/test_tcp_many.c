/* TCP: connections of a stack to itself, many connections at once, and what becomes of them when the stack ends. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tenon/sim.h"

#define MANY 500

static struct tn_sim *sim;

static struct tn_stack *add(const char *mac, const char *address)
{
    char yaml[512];
    struct tn_error error;
    struct tn_stack *stack;
    snprintf(yaml, sizeof(yaml),
             "stack: { name: many }\n"
             "interfaces: { w0: { driver: wire, delay: 1ms, mac: \"%s\", addresses: [%s/24] } }\n"
             "protocols: { ether: {}, arp: {}, ipv4: {}, tcp: { time-wait: 1s } }\n"
             "services: { echo: { listen: [tcp/7] } }\n",
             mac, address);
    if (tn_sim_add(sim, yaml, &stack, &error) < 0)
        fail_msg("%s", error.text);
    return stack;
}

static void start(void)
{
    sim = tn_sim_create(1);
    tn_sim_plugin_path(sim, TN_TEST_PLUGIN_DIR);
}

static int begin(struct tn_stack *stack, const char *address, uint16_t port)
{
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(address)};
    int fd = tn_socket(stack, AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(tn_connect(stack, fd, (struct sockaddr *)&sa, sizeof(sa)), -EINPROGRESS);
    return fd;
}

/* Sends `len` octets to an echo and takes them back, within 10 s. */
static void echoes(struct tn_stack *stack, int fd, size_t len)
{
    uint8_t *out = malloc(len), *in = malloc(len);
    size_t sent = 0, got = 0;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)(i * 7 + (i >> 8));
    tn_time until = tn_sim_now(sim) + 10 * TN_SEC;
    do {
        ssize_t n;
        while (sent < len && (n = tn_send(stack, fd, out + sent, len - sent, 0)) > 0)
            sent += (size_t)n;
        while (got < len && (n = tn_recv(stack, fd, in + got, len - got, 0)) > 0)
            got += (size_t)n;
        tn_sim_settle(sim);
    } while (got < len && tn_sim_advance(sim, until));
    assert_int_equal(got, len);
    assert_memory_equal(in, out, len);
    free(out);
    free(in);
}

static void connection_of_a_stack_to_itself(void **state)
{
    static const char *const addresses[] = {"10.0.7.7", "127.0.0.1"};
    start();
    struct tn_stack *stack = add("02:00:00:00:07:07", "10.0.7.7");
    tn_sim_run(sim, 20 * TN_SEC);
    struct tn_usage before, after;
    tn_stack_usage(stack, &before);
    for (size_t i = 0; i < TN_ARRAY_SIZE(addresses); i++) {
        int fd = begin(stack, addresses[i], 7);
        tn_sim_settle(sim);
        echoes(stack, fd, 3000000);
        assert_int_equal(tn_close(stack, fd), 0);
    }
    tn_sim_run(sim, 5 * TN_SEC);
    tn_stack_usage(stack, &after);
    assert_int_equal(after.packets, before.packets);
    assert_int_equal(after.sockets, before.sockets);
    assert_int_equal(after.plugin_bytes, before.plugin_bytes);
    /* Nothing gets lost. But a window of two segments, the second of them small, may wait for a delayed acknowledgement for longer
     * than twice a round-trip time of nothing: then its tail is sent again. */
    assert_int_equal(tn_stack_counter(stack, "tcp", "retransmits"),
                     tn_stack_counter(stack, "tcp", "tail-probes"));
    tn_sim_destroy(sim);
}

static void nobody_listens_on_the_stack_itself(void **state)
{
    start();
    struct tn_stack *stack = add("02:00:00:00:07:07", "10.0.7.7");
    int fd = begin(stack, "10.0.7.7", 8);
    tn_sim_settle(sim);
    assert_int_equal(tn_send(stack, fd, "x", 1, 0), -ECONNREFUSED);
    tn_sim_destroy(sim);
}

static void many_connections_at_once(void **state)
{
    int fds[MANY];
    start();
    struct tn_stack *a = add("02:00:00:00:07:01", "10.0.7.1"), *b = add("02:00:00:00:07:07", "10.0.7.7");
    assert_int_equal(tn_stack_join(a, "w0", b, "w0"), 0);
    tn_sim_run(sim, 20 * TN_SEC);
    struct tn_usage before_a, before_b, after;
    tn_stack_usage(a, &before_a);
    tn_stack_usage(b, &before_b);
    for (int i = 0; i < MANY; i++)
        fds[i] = begin(a, "10.0.7.7", 7);
    tn_sim_run(sim, TN_SEC);
    for (int i = 0; i < MANY; i++)
        echoes(a, fds[i], 1000);
    assert_int_equal(tn_stack_counter(b, "tcp", "handshakes"), MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(tn_close(a, fds[i]), 0);
    tn_sim_run(sim, 120 * TN_SEC);
    tn_stack_usage(a, &after);
    assert_int_equal(after.sockets, before_a.sockets);
    assert_int_equal(after.packets, before_a.packets);
    tn_stack_usage(b, &after);
    assert_int_equal(after.sockets, before_b.sockets);
    assert_int_equal(after.packets, before_b.packets);
    assert_int_equal(after.plugin_bytes, before_b.plugin_bytes);
    tn_sim_destroy(sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connection_of_a_stack_to_itself),
        cmocka_unit_test(nobody_listens_on_the_stack_itself),
        cmocka_unit_test(many_connections_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
