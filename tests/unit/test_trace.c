/* The trace: known frames as the lines that people read. */
#include "cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "stack.h"
#include "trace.h"

/* ---- A stack on a host link whose clock is a variable ---- */

struct fixture {
    struct tn_stack *stack;
    tn_time now;
    char lines[8][512];
    unsigned count;
};

static tn_time fixture_now(void *context)
{
    return ((struct fixture *)context)->now;
}

/* 09:12:01.000000 UTC when the clock is at 1 s. */
static int64_t fixture_wall(void *context)
{
    return 33120 * (int64_t)TN_SEC + (int64_t)((struct fixture *)context)->now;
}

static void fixture_random(void *context, void *bytes, size_t len)
{
    memset(bytes, 7, len);
}

static void fixture_log(void *context, enum tn_level level, const char *who, const char *text)
{
}

static void keep_line(void *context, const char *line)
{
    struct fixture *f = context;
    if (f->count < TN_ARRAY_SIZE(f->lines))
        snprintf(f->lines[f->count++], sizeof(f->lines[0]), "%s", line);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct tn_env env = {.context = f,
                         .now = fixture_now,
                         .wall = fixture_wall,
                         .random = fixture_random,
                         .log = fixture_log,
                         .plugin_path = TN_TEST_PLUGIN_DIR};
    struct tn_error error;
    setenv("TZ", "UTC", 1);
    f->now = TN_SEC;
    if (tn_stack_create(&env,
                        "interfaces:\n"
                        "  h0: { driver: host, mac: \"02:00:00:00:07:07\", addresses: [10.0.7.7/24] }\n"
                        "protocols: { ether: {}, arp: {}, ipv4: {} }\n",
                        "test.yaml", &f->stack, &error) < 0)
        fail_msg("%s", error.text);
    for (int i = 0; i < 5; i++)
        tn_stack_step(f->stack);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    tn_stack_destroy(f->stack);
    free(f);
    return 0;
}

static const uint8_t arp_request[60] = {
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2,  0, 0, 0, 7, 1, 8, 6,              /* ether */
    0,    1,    8,    0,    6,    4,    0,  1, 2, 0, 0, 0, 7, 1, 10, 0, 7, 1, /* who is at … says 10.0.7.1 */
    0,    0,    0,    0,    0,    0,    10, 0, 7, 7,
};

static void hand_in(struct fixture *f, const void *frame, size_t len)
{
    assert_int_equal(tn_host_send(f->stack, "h0", frame, len), 0);
    for (int i = 0; i < 5; i++)
        tn_stack_step(f->stack);
}

/* ---- Tests ---- */

static void request_and_reply_share_a_number(void **state)
{
    struct fixture *f = *state;
    tn_stack_trace(f->stack, keep_line, f, false);
    hand_in(f, arp_request, sizeof(arp_request));
    assert_int_equal(f->count, 2);
    const char in[] = "09:12:01.000000     #1 in  h0    ether 02:00:00:00:07:01 > ff:ff:ff:ff:ff:ff";
    const char out[] = "09:12:01.000000     #1 out h0    ether 02:00:00:00:07:07 > 02:00:00:00:07:01";
    assert_memory_equal(f->lines[0], in, sizeof(in) - 1);
    assert_memory_equal(f->lines[1], out, sizeof(out) - 1);
    assert_non_null(strstr(f->lines[0], " | arp "));
    assert_non_null(strstr(f->lines[0], "10.0.7.7"));
    assert_non_null(strstr(f->lines[1], " +0 us"));
    assert_null(strchr(f->lines[0], '\033'));
}

static void each_received_frame_has_the_next_number(void **state)
{
    struct fixture *f = *state;
    tn_stack_trace(f->stack, keep_line, f, false);
    hand_in(f, arp_request, sizeof(arp_request));
    f->now += 1234567;
    hand_in(f, arp_request, sizeof(arp_request));
    assert_memory_equal(f->lines[2], "09:12:01.001234     #2 in ", 26);
}

static void what_no_plugin_takes_is_named_by_its_key(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[60];
    memcpy(frame, arp_request, sizeof(frame));
    frame[12] = 0x88;
    frame[13] = 0xb5;
    tn_stack_trace(f->stack, keep_line, f, false);
    hand_in(f, frame, sizeof(frame));
    assert_int_equal(f->count, 2);
    assert_non_null(strstr(f->lines[0], " | ethertype 0x88b5 (no plugin takes it), 46 bytes"));
    assert_string_equal(
        f->lines[1],
        "09:12:01.000000     #1 --- ether dropped: unknown-ethertype (No plugin takes this ethertype)");
}

static void cut_frames_are_described_as_far_as_they_go(void **state)
{
    struct fixture *f = *state;
    for (size_t len = 1; len < 42; len++) {
        f->count = 0;
        tn_stack_trace(f->stack, keep_line, f, false);
        uint8_t *frame = malloc(len);
        memcpy(frame, arp_request, len);
        hand_in(f, frame, len);
        free(frame);
        assert_int_equal(f->count, 2);
        assert_non_null(strstr(f->lines[0], " in  h0    ether"));
        assert_non_null(strstr(f->lines[1], " dropped: "));
    }
}

static void state_changes_are_lines_too(void **state)
{
    struct fixture *f = *state;
    tn_stack_trace(f->stack, keep_line, f, false);
    const struct tn_core *core = tn_core_self(f->stack)->core;
    core->trace(tn_core_self(f->stack), "%s -> %s", "CLOSED", "LISTEN");
    assert_string_equal(f->lines[0], "09:12:01.000000        --- core  CLOSED -> LISTEN");
}

static void colours_are_for_those_who_want_them(void **state)
{
    struct fixture *f = *state;
    tn_stack_trace(f->stack, keep_line, f, true);
    hand_in(f, arp_request, sizeof(arp_request));
    assert_non_null(strstr(f->lines[0], "\033[1mether\033[0m"));
    assert_non_null(strstr(f->lines[0], "\033[1marp\033[0m"));
}

static void several_can_read_at_once_and_leave(void **state)
{
    struct fixture *f = *state, other = {.count = 0};
    struct tn_trace_sink sink = {.fn = keep_line, .context = &other};
    tn_stack_trace(f->stack, keep_line, f, false);
    tn_trace_add(f->stack, &sink);
    hand_in(f, arp_request, sizeof(arp_request));
    assert_int_equal(f->count, 2);
    assert_int_equal(other.count, 2);
    assert_string_equal(f->lines[0], other.lines[0]);
    tn_stack_trace(f->stack, NULL, NULL, false);
    hand_in(f, arp_request, sizeof(arp_request));
    assert_int_equal(f->count, 2);
    assert_int_equal(other.count, 4);
    tn_trace_remove(f->stack, &sink);
    assert_null(f->stack->trace);
}

static size_t observed[2], observed_len;

static void observe(void *context, tn_time now, const char *interface, bool out, const void *frame,
                    size_t len)
{
    assert_string_equal(interface, "h0");
    observed[out]++;
    observed_len = len;
    if (!out)
        assert_memory_equal(frame, arp_request, len);
}

static void observer_gets_every_frame_as_it_is(void **state)
{
    struct fixture *f = *state;
    tn_stack_observe(f->stack, observe, NULL);
    hand_in(f, arp_request, sizeof(arp_request));
    assert_int_equal(observed[0], 1);
    assert_int_equal(observed[1], 1);
    assert_int_equal(observed_len, 60);
    tn_stack_observe(f->stack, NULL, NULL);
    hand_in(f, arp_request, sizeof(arp_request));
    assert_int_equal(observed[0], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(request_and_reply_share_a_number),
        TEST(each_received_frame_has_the_next_number),
        TEST(what_no_plugin_takes_is_named_by_its_key),
        TEST(cut_frames_are_described_as_far_as_they_go),
        TEST(state_changes_are_lines_too),
        TEST(colours_are_for_those_who_want_them),
        TEST(several_can_read_at_once_and_leave),
        TEST(observer_gets_every_frame_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
