/* Datagrams that leave in one super-frame (plugins/udp/output.c): which do, and that they arrive as they were sent. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "../unit/random.h"
#include "mock.h"

#define PORT 4000

static struct tn_sim *sim;
static struct tn_stack *a, *b; /* who sends; who receives */
static int from, to;           /* their sockets */

static struct tn_stack *add(const char *name, const char *address, const char *gso)
{
    struct tn_stack *stack;
    struct tn_error error;
    char yaml[400];
    snprintf(yaml, sizeof(yaml),
             "stack: { name: %s }\n"
             "interfaces: { w0: { driver: wire, delay: 1ms, gso: %s, addresses: [%s/24] } }\n"
             "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {} }\n",
             name, gso, address);
    if (tn_sim_add(sim, yaml, &stack, &error) < 0)
        fail_msg("%s", error.text);
    return stack;
}

static int socket_at(struct tn_stack *stack, uint16_t port)
{
    struct sockaddr_in sa = mock_addr("0.0.0.0", port);
    int fd = tn_socket(stack, AF_INET, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(tn_bind(stack, fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

/* Sends without a step of the stack. */
static void post_to(const char *addr, uint16_t port, const void *bytes, size_t len)
{
    struct sockaddr_in sa = mock_addr(addr, port);
    assert_int_equal(tn_sendto(a, from, bytes, len, 0, (struct sockaddr *)&sa, sizeof(sa)), len);
}

/* `len` bytes that all are `mark`. */
static void post(uint8_t mark, size_t len)
{
    uint8_t bytes[2000];
    memset(bytes, mark, sizeof(bytes));
    post_to("10.0.0.2", PORT, bytes, len);
}

static void pass(void)
{
    tn_sim_run(sim, 100 * TN_MSEC);
}

static void expect(uint8_t mark, size_t len)
{
    uint8_t bytes[2000], expected[2000];
    memset(expected, mark, sizeof(expected));
    assert_int_equal(tn_recv(b, to, bytes, sizeof(bytes), 0), len);
    assert_memory_equal(bytes, expected, len);
}

static void expect_no_more(void)
{
    char c;
    assert_int_equal(tn_recv(b, to, &c, 1, 0), -EAGAIN);
}

static uint64_t joined(void)
{
    return tn_stack_counter(a, "udp", "joined-out");
}

static void start_with(const char *gso)
{
    sim = tn_sim_create(7);
    tn_sim_plugin_path(sim, TN_TEST_PLUGIN_DIR);
    a = add("a", "10.0.0.1", gso);
    b = add("b", "10.0.0.2", "on");
    assert_int_equal(tn_stack_join(a, "w0", b, "w0"), 0);
    tn_sim_run(sim, 20 * TN_SEC);
    from = socket_at(a, PORT);
    to = socket_at(b, PORT);
    post(1, 10); /* the neighbours meet */
    pass();
    expect(1, 10);
}

static int start(void **state)
{
    start_with("on");
    return 0;
}

static int start_without(void **state)
{
    start_with("off");
    return 0;
}

static int end(void **state)
{
    struct tn_usage usage;
    tn_close(a, from);
    tn_close(b, to);
    tn_sim_run(sim, 300 * TN_SEC);
    tn_stack_usage(a, &usage);
    assert_int_equal(usage.packets, 0);
    assert_int_equal(usage.buffers, 0);
    tn_sim_destroy(sim);
    return 0;
}

/* ---- Tests ---- */

static void equal_ones_leave_sixteen_at_a_time(void **state)
{
    uint64_t frames = tn_stack_counter(a, "core", "frames-out");
    for (uint8_t i = 0; i < 40; i++)
        post(i, 64);
    pass();
    for (uint8_t i = 0; i < 40; i++)
        expect(i, 64);
    expect_no_more();
    assert_int_equal(joined(), 37);
    assert_int_equal(tn_stack_counter(a, "core", "frames-out") - frames, 3);
    assert_int_equal(tn_stack_counter(a, "udp", "datagrams-out"), 41);
}

static void shorter_one_is_the_last(void **state)
{
    const size_t lens[] = {100, 100, 7, 100, 200, 200, 0, 200};
    for (size_t i = 0; i < TN_ARRAY_SIZE(lens); i++)
        post((uint8_t)i, lens[i]);
    pass();
    for (size_t i = 0; i < TN_ARRAY_SIZE(lens); i++)
        expect((uint8_t)i, lens[i]);
    assert_int_equal(joined(), 2 + 1); /* [100 100 7] [100] [200 200] [] [200] */
}

static void whole_frames_are_joined_up_to_an_ip_packet(void **state)
{
    for (uint8_t i = 0; i < 60; i++)
        post(i, 1472);
    pass();
    for (uint8_t i = 0; i < 60; i++)
        expect(i, 1472);
    assert_int_equal(joined(), 56);
}

/* A fragment is nothing that could be joined. */
static void too_long_ones_are_fragmented_each(void **state)
{
    for (uint8_t i = 0; i < 4; i++)
        post(i, 1600);
    pass();
    for (uint8_t i = 0; i < 4; i++)
        expect(i, 1600);
    assert_int_equal(joined(), 0);
}

static void what_goes_elsewhere_is_not_joined_and_keeps_its_place(void **state)
{
    int other = socket_at(b, PORT + 1);
    char c;
    post(1, 10);
    post_to("10.0.0.2", PORT + 1, "x", 1);
    post(2, 10);
    pass();
    expect(1, 10);
    expect(2, 10);
    assert_int_equal(tn_recv(b, other, &c, 1, 0), 1);
    assert_int_equal(joined(), 0);
    tn_close(b, other);
}

static void other_type_of_service_is_not_joined(void **state)
{
    int tos = 0x20;
    post(1, 10);
    assert_int_equal(tn_setsockopt(a, from, IPPROTO_IP, IP_TOS, &tos, sizeof(tos)), 0);
    post(2, 10);
    post(3, 10);
    pass();
    for (uint8_t i = 1; i <= 3; i++)
        expect(i, 10);
    assert_int_equal(joined(), 1);
}

static void link_that_cuts_none_gets_each_alone(void **state)
{
    for (uint8_t i = 0; i < 20; i++)
        post(i, 64);
    pass();
    for (uint8_t i = 0; i < 20; i++)
        expect(i, 64);
    assert_int_equal(joined(), 0);
}

/* Held, and then its source address is taken away. */
static void held_one_without_a_way_is_dropped(void **state)
{
    struct tn_error error;
    post(1, 10);
    post(2, 10);
    static const char without[] = "stack: { name: a }\n"
                                  "interfaces: { w0: { driver: wire, delay: 1ms, gso: on } }\n"
                                  "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {} }\n";
    assert_int_equal(tn_stack_reload(a, without, "a.yaml", &error, NULL, 0), 0);
    pass();
    expect_no_more();
    assert_int_equal(tn_stack_drops(a, "udp", "no-path"), 1);
}

/* The end of the protocol with something held: nothing leaks (end). */
static void held_one_goes_with_the_protocol(void **state)
{
    struct tn_error error;
    post(1, 10);
    static const char without[] =
        "stack: { name: a }\n"
        "interfaces: { w0: { driver: wire, delay: 1ms, gso: on, addresses: [10.0.0.1/24] } }\n"
        "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {} }\n";
    if (tn_stack_reload(a, without, "a.yaml", &error, NULL, 0) < 0)
        fail_msg("%s", error.text);
    pass();
    expect_no_more();
}

static void swap_keeps_what_is_held(void **state)
{
    struct tn_error error;
    post(1, 10);
    assert_int_equal(tn_stack_swap(a, "udp", NULL, &error), 0);
    post(2, 10);
    pass();
    expect(1, 10);
    expect(2, 10);
}

static void random_sizes_arrive_as_they_were_sent(void **state)
{
    struct tn_rng rng = random_start("random_sizes_arrive_as_they_were_sent");
    for (unsigned round = 0; round < 200; round++) {
        size_t lens[30];
        size_t count = 1 + random_below(&rng, TN_ARRAY_SIZE(lens)), size = random_below(&rng, 1600);
        for (size_t i = 0; i < count; i++) {
            lens[i] = random_below(&rng, 4) ? size : random_below(&rng, 1600);
            post((uint8_t)i, lens[i]);
        }
        pass();
        for (size_t i = 0; i < count; i++)
            expect((uint8_t)i, lens[i]);
        expect_no_more();
    }
    assert_true(joined() > 100);
}

#define JOINING(test) cmocka_unit_test_setup_teardown(test, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOINING(equal_ones_leave_sixteen_at_a_time),
        JOINING(shorter_one_is_the_last),
        JOINING(whole_frames_are_joined_up_to_an_ip_packet),
        JOINING(too_long_ones_are_fragmented_each),
        JOINING(what_goes_elsewhere_is_not_joined_and_keeps_its_place),
        JOINING(other_type_of_service_is_not_joined),
        cmocka_unit_test_setup_teardown(link_that_cuts_none_gets_each_alone, start_without, end),
        JOINING(held_one_without_a_way_is_dropped),
        JOINING(held_one_goes_with_the_protocol),
        JOINING(swap_keeps_what_is_held),
        JOINING(random_sizes_arrive_as_they_were_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
