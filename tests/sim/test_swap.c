/* Plugins replaced while connections are open, datagrams wait and timers run. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tenon/sim.h"

#define FIRST_PATH TN_TEST_PLUGINS "/first:" TN_TEST_PLUGIN_DIR

static const char yaml_form[] =
    "stack: { name: %s }\n"
    "interfaces:\n"
    "  w0: { driver: wire, delay: 5ms, mac: '02:00:00:00:00:0%d', addresses: [10.0.0.%d/24] }\n"
    "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {}, tcp: {} }\n"
    "services:\n"
    "  probe: { listen: [tcp/70] }\n"
    "  echo: { listen: [tcp/7, udp/7] }\n"
    "  discard: { listen: [tcp/9, udp/9] }\n"
    "  daytime: { listen: [tcp/13, udp/13] }\n"
    "  chargen: { listen: [tcp/19, udp/19] }\n";

/* Every plugin that a packet of these tests meets. */
static const char *const swapped[] = {"wire", "ether", "arp",  "ipv4",    "icmp",    "udp",
                                      "tcp",  "cubic", "echo", "discard", "daytime", "chargen"};

struct fixture {
    struct tn_sim *sim;
    struct tn_stack *client, *server;
    struct tn_error error;
    char dir[64]; /* other builds */
};

static struct tn_stack *add_stack(struct fixture *f, const char *name, int number)
{
    char yaml[2048];
    struct tn_stack *stack;
    snprintf(yaml, sizeof(yaml), yaml_form, name, number, number);
    if (tn_sim_add(f->sim, yaml, &stack, &f->error) < 0)
        fail_msg("%s", f->error.text);
    return stack;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->sim = tn_sim_create(7);
    tn_sim_plugin_path(f->sim, FIRST_PATH);
    f->client = add_stack(f, "client", 1);
    f->server = add_stack(f, "server", 2);
    assert_int_equal(tn_stack_join(f->client, "w0", f->server, "w0"), 0);
    strcpy(f->dir, "/tmp/tenon-swap-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < TN_ARRAY_SIZE(swapped); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s.so", f->dir, swapped[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(f->dir), 0);
    tn_sim_destroy(f->sim);
    free(f);
    return 0;
}

/* ---- Another build of a plugin: the same code with another build id ---- */

/* Its id is the one of the file on the plugin path with `mark` (not 0) in its first byte: returns that byte. */
static uint8_t make_other_build(struct fixture *f, const char *name, uint8_t mark, char *path, size_t size)
{
    static uint8_t bytes[4 << 20];
    snprintf(path, size, "%s/%s.so", TN_TEST_PLUGIN_DIR, name);
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    size_t len = fread(bytes, 1, sizeof(bytes), in);
    fclose(in);
    /* The note of the build id: sizes of name and id, type, "GNU\0", the id. */
    snprintf(path, size, "%s/%s.so", f->dir, name);
    bool found = false;
    for (size_t i = 0; i + 36 <= len && !found; i++)
        if (memcmp(bytes + i, "\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU", 16) == 0) {
            mark ^= bytes[i + 16];
            bytes[i + 16] = mark;
            found = true;
        }
    assert_true(found);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, len, out), len);
    fclose(out);
    return mark;
}

static void swap_to_other_build(struct fixture *f, struct tn_stack *stack, const char *name, uint8_t mark)
{
    char path[128], before[80], expected[3];
    strcpy(before, tn_stack_build_id(stack, name));
    uint8_t first = make_other_build(f, name, mark, path, sizeof(path));
    if (tn_stack_swap(stack, name, path, &f->error) < 0)
        fail_msg("%s", f->error.text);
    snprintf(expected, sizeof(expected), "%02x", first);
    assert_memory_equal(tn_stack_build_id(stack, name), expected, 2);
    assert_string_not_equal(tn_stack_build_id(stack, name), before);
}

static void swap_everything(struct fixture *f, uint8_t mark)
{
    for (size_t i = 0; i < TN_ARRAY_SIZE(swapped); i++) {
        swap_to_other_build(f, f->server, swapped[i], mark);
        swap_to_other_build(f, f->client, swapped[i], mark);
    }
}

/* ---- Sockets ---- */

static struct sockaddr_in to(int last, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(0x0a000000u | (unsigned)last);
    return a;
}

static int connect_to(struct fixture *f, uint16_t port)
{
    struct sockaddr_in a = to(2, port);
    int fd = tn_socket(f->client, AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(tn_connect(f->client, fd, (struct sockaddr *)&a, sizeof(a)), -EINPROGRESS);
    tn_sim_run(f->sim, 100 * TN_MSEC);
    struct tn_pollfd p = {.fd = fd, .events = POLLOUT};
    assert_int_equal(tn_poll(f->client, &p, 1), 1);
    return fd;
}

static void say(struct fixture *f, int fd, const char *text, const char *answer)
{
    char got[64] = "";
    assert_int_equal(tn_send(f->client, fd, text, strlen(text), 0), strlen(text));
    tn_sim_run(f->sim, 100 * TN_MSEC);
    ssize_t n = tn_recv(f->client, fd, got, sizeof(got) - 1, 0);
    assert_true(n > 0);
    got[n] = '\0';
    assert_string_equal(got, answer);
}

/* ---- The tests ---- */

/* The new build runs: it answers with its own word. What the old one kept for the connection is still there.
 */
static void new_code_takes_over_an_open_connection(void **state)
{
    struct fixture *f = *state;
    int fd = connect_to(f, 70);
    say(f, fd, "a", "one 1\n");
    say(f, fd, "b", "one 2\n");
    assert_int_equal(tn_stack_swap(f->server, "probe", TN_TEST_PLUGINS "/second/probe.so", &f->error), 0);
    say(f, fd, "c", "two 3\n");
    assert_int_equal(tn_stack_swap(f->server, "probe", TN_TEST_PLUGINS "/first/probe.so", &f->error), 0);
    say(f, fd, "d", "one 4\n");
    assert_int_equal(tn_stack_counter(f->server, "core", "swaps"), 2);
    assert_int_equal(tn_close(f->client, fd), 0);
    tn_sim_run(f->sim, 200 * TN_SEC);
}

/* The same timer goes on, at its time, and fires into the new code; counts are carried over by name. */
static void timers_and_counters_go_on(void **state)
{
    struct fixture *f = *state;
    tn_sim_run(f->sim, 3500 * TN_MSEC);
    assert_int_equal(tn_stack_counter(f->server, "probe", "seconds"), 3);
    assert_int_equal(tn_stack_swap(f->server, "probe", TN_TEST_PLUGINS "/second/probe.so", &f->error), 0);
    assert_int_equal(tn_stack_counter(f->server, "probe", "seconds"), 3);
    assert_int_equal(tn_stack_counter(f->server, "probe", "extra"), 0);
    tn_sim_run(f->sim, 400 * TN_MSEC);
    assert_int_equal(tn_stack_counter(f->server, "probe", "seconds"), 3);
    tn_sim_run(f->sim, 100 * TN_MSEC);
    assert_int_equal(tn_stack_counter(f->server, "probe", "seconds"), 1003);
}

static uint8_t pattern(size_t i)
{
    return (uint8_t)(i * 2654435761u >> 11);
}

/* A transfer through echo; every plugin of both stacks is replaced again and again under it. */
static void every_plugin_swaps_under_a_transfer(void **state)
{
    struct fixture *f = *state;
    static const size_t total = 2 << 20;
    int fd = connect_to(f, 7);
    size_t sent = 0, got = 0;
    unsigned rounds = 0;
    static uint8_t buffer[65536];
    while (got < total && rounds < 20000) {
        size_t n = tn_min(total - sent, sizeof(buffer));
        for (size_t i = 0; i < n; i++)
            buffer[i] = pattern(sent + i);
        ssize_t taken = n ? tn_send(f->client, fd, buffer, n, 0) : 0;
        if (taken > 0)
            sent += (size_t)taken;
        tn_sim_run(f->sim, TN_MSEC);
        ssize_t r = tn_recv(f->client, fd, buffer, sizeof(buffer), 0);
        assert_true(r > 0 || r == -EAGAIN);
        for (ssize_t i = 0; i < r; i++)
            if (buffer[i] != pattern(got + (size_t)i))
                fail_msg("byte %zu is wrong", got + (size_t)i);
        if (r > 0)
            got += (size_t)r;
        if (rounds == 20 || rounds == 40)
            swap_everything(f, (uint8_t)(0x10 + rounds));
        rounds++;
    }
    assert_int_equal(got, total);
    assert_true(rounds > 41);
    assert_int_equal(tn_close(f->client, fd), 0);
    tn_sim_run(f->sim, 200 * TN_SEC);
}

/* Datagrams that wait for their reader, and those under way, arrive. */
static void datagrams_wait_through_a_swap(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in a = to(2, 7);
    int fd = tn_socket(f->client, AF_INET, SOCK_DGRAM, 0);
    char got[32];
    for (char c = 'a'; c <= 'c'; c++)
        assert_int_equal(tn_sendto(f->client, fd, &c, 1, 0, (struct sockaddr *)&a, sizeof(a)), 1);
    tn_sim_run(f->sim, 100 * TN_MSEC);
    assert_int_equal(tn_sendto(f->client, fd, "d", 1, 0, (struct sockaddr *)&a, sizeof(a)), 1);
    tn_sim_run(f->sim, 2 * TN_MSEC); /* 'd' is on the wire */
    swap_everything(f, 0x77);
    tn_sim_run(f->sim, 100 * TN_MSEC);
    for (char c = 'a'; c <= 'd'; c++) {
        assert_int_equal(tn_recv(f->client, fd, got, sizeof(got), 0), 1);
        assert_int_equal(got[0], c);
    }
    assert_int_equal(tn_close(f->client, fd), 0);
}

/* A swap allocates and frees, but touches no record: what is in use stays the same. */
static void swap_leaks_nothing(void **state)
{
    struct fixture *f = *state;
    struct tn_usage before, after;
    int fd = connect_to(f, 7);
    tn_stack_usage(f->server, &before);
    for (uint8_t i = 1; i < 4; i++)
        swap_everything(f, i);
    tn_stack_usage(f->server, &after);
    assert_memory_equal(&before, &after, sizeof(before));
    say(f, fd, "still here", "still here");
    assert_int_equal(tn_close(f->client, fd), 0);
}

/* A service need not have every operation: one without accepted() has its connections all the same. */
static void service_without_accepted_keeps_its_connections(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(tn_stack_swap(f->server, "probe", TN_TEST_PLUGINS "/no_accepted/probe.so", &f->error),
                     0);
    int fd = connect_to(f, 70);
    struct tn_pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};
    assert_int_equal(tn_send(f->client, fd, "x", 1, 0), 1);
    tn_sim_run(f->sim, TN_SEC);
    assert_int_equal(tn_poll(f->client, &p, 1), 1);
    assert_int_equal(p.revents, POLLOUT);
    assert_int_equal(tn_close(f->client, fd), 0);
}

/* A path whose file has been replaced gives the new code: the private copy sees to it (design rule 8). */
static void replaced_file_gives_the_new_build(void **state)
{
    struct fixture *f = *state;
    for (uint8_t mark = 0x21; mark < 0x26; mark++)
        swap_to_other_build(f, f->server, "echo", mark);
    int fd = connect_to(f, 7);
    say(f, fd, "x", "x");
    assert_int_equal(tn_close(f->client, fd), 0);
}

/* The code of a generation that was replaced is mapped no more. */
static void old_code_is_gone(void **state)
{
    struct fixture *f = *state;
    unsigned maps[2] = {0};
    for (unsigned round = 0; round < 2; round++) {
        for (uint8_t i = 0; i < 8; i++)
            swap_to_other_build(f, f->server, "echo", (uint8_t)(0x40 + 16 * round + i));
        FILE *file = fopen("/proc/self/maps", "re");
        char line[512];
        while (fgets(line, sizeof(line), file))
            maps[round] += strstr(line, "memfd:echo") != NULL;
        fclose(file);
    }
    assert_true(maps[0] > 0);
    assert_int_equal(maps[0], maps[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(new_code_takes_over_an_open_connection),
        TEST(timers_and_counters_go_on),
        TEST(every_plugin_swaps_under_a_transfer),
        TEST(datagrams_wait_through_a_swap),
        TEST(swap_leaks_nothing),
        TEST(replaced_file_gives_the_new_build),
        TEST(old_code_is_gone),
        TEST(service_without_accepted_keeps_its_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
