/* test_log.c: levels, and the limit of a line a second for each place. */
#include "log.h"

#include <stdlib.h>

#include "cmocka_all.h"
#include "stack.h"

/* A stack that has what the log needs, and a sink that keeps the last line. */
struct fixture {
    struct tn_stack stack;
    struct tn_slot core;
    uint64_t counters[TN_CORE_COUNTER_COUNT];
    tn_time now;
    unsigned lines;
    enum tn_level level;
    char who[32];
    char text[2048];
};

static tn_time fixture_now(void *context)
{
    return ((struct fixture *)context)->now;
}

static void fixture_log(void *context, enum tn_level level, const char *who, const char *text)
{
    struct fixture *f = context;
    f->lines++;
    f->level = level;
    snprintf(f->who, sizeof(f->who), "%s", who);
    snprintf(f->text, sizeof(f->text), "%s", text);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f)
        return -1;
    f->stack.env = (struct tn_env){.context = f, .now = fixture_now, .log = fixture_log};
    f->stack.slots[TN_SLOT_CORE] = &f->core;
    f->core.self.counters = f->counters;
    f->now = 1000 * TN_SEC;
    *state = f;
    return tn_logger_init(&f->stack);
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    tn_logger_destroy(&f->stack);
    free(f);
    return 0;
}

static void a_line_reaches_the_sink(void **state)
{
    struct fixture *f = *state;
    tn_log(&f->stack, TN_LOG_WARNING, "arp", "%s has %d", "tap7", 5);
    assert_int_equal(f->lines, 1);
    assert_int_equal(f->level, TN_LOG_WARNING);
    assert_string_equal(f->who, "arp");
    assert_string_equal(f->text, "tap7 has 5");
}

static void debug_is_left_out_unless_asked_for(void **state)
{
    struct fixture *f = *state;
    struct tn_plan_log levels[] = {{.who = "tcp", .level = TN_LOG_DEBUG},
                                   {.who = "arp", .level = TN_LOG_ERROR}};
    struct tn_plan plan = {.logs = levels, .log_count = 2};
    tn_log(&f->stack, TN_LOG_DEBUG, "tcp", "one");
    assert_int_equal(f->lines, 0);
    tn_logger_configure(&f->stack, &plan);
    tn_log(&f->stack, TN_LOG_DEBUG, "tcp", "two");
    tn_log(&f->stack, TN_LOG_DEBUG, "udp", "three");
    tn_log(&f->stack, TN_LOG_WARNING, "arp", "four");
    assert_int_equal(f->lines, 1);
    assert_string_equal(f->text, "two");
    tn_log(&f->stack, TN_LOG_ERROR, "arp", "five");
    assert_int_equal(f->lines, 2);
}

static void the_default_level_is_for_those_who_have_none(void **state)
{
    struct fixture *f = *state;
    struct tn_plan_log levels[] = {{.who = "core", .level = TN_LOG_INFO}, {.who = "", .level = TN_LOG_ERROR}};
    struct tn_plan plan = {.logs = levels, .log_count = 2};
    tn_logger_configure(&f->stack, &plan);
    tn_log(&f->stack, TN_LOG_INFO, "core", "one");
    tn_log(&f->stack, TN_LOG_WARNING, "arp", "two");
    assert_int_equal(f->lines, 1);
}

static void a_new_configuration_replaces_the_old_one(void **state)
{
    struct fixture *f = *state;
    struct tn_plan_log levels[] = {{.who = "", .level = TN_LOG_ERROR}};
    struct tn_plan strict = {.logs = levels, .log_count = 1}, plain = {0};
    tn_logger_configure(&f->stack, &strict);
    tn_log(&f->stack, TN_LOG_INFO, "core", "one");
    tn_logger_configure(&f->stack, &plain);
    tn_log(&f->stack, TN_LOG_INFO, "core", "two");
    assert_int_equal(f->lines, 1);
    assert_string_equal(f->text, "two");
}

static void a_place_logs_once_a_second_and_says_what_it_left_out(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 13; i++)
        tn_log(&f->stack, TN_LOG_INFO, "arp", "question %d", i);
    assert_int_equal(f->lines, 1);
    assert_string_equal(f->text, "question 0");
    assert_int_equal(f->counters[TN_CORE_LOG_SUPPRESSED], 12);
    f->now += TN_SEC;
    tn_log(&f->stack, TN_LOG_INFO, "arp", "question %d", 13);
    assert_string_equal(f->text, "question 13 (12 like it left out)");
    f->now += TN_SEC;
    tn_log(&f->stack, TN_LOG_INFO, "arp", "question %d", 14);
    assert_string_equal(f->text, "question 14");
    assert_int_equal(f->lines, 3);
}

static void places_are_told_apart_by_format_and_who(void **state)
{
    struct fixture *f = *state;
    tn_log(&f->stack, TN_LOG_INFO, "arp", "a %d", 1);
    tn_log(&f->stack, TN_LOG_INFO, "arp", "b %d", 1);
    tn_log(&f->stack, TN_LOG_INFO, "udp", "a %d", 1);
    assert_int_equal(f->lines, 3);
}

/* A plugin that was swapped has its formats elsewhere. */
static void the_same_format_at_another_address_is_the_same_place(void **state)
{
    struct fixture *f = *state;
    char first[] = "the same", second[] = "the same";
    tn_log(&f->stack, TN_LOG_INFO, "arp", first, 0);
    tn_log(&f->stack, TN_LOG_INFO, "arp", second, 0);
    assert_int_equal(f->lines, 1);
}

static void a_thousand_places_are_all_heard(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 1000; i++) {
        char who[16];
        snprintf(who, sizeof(who), "p%d", i);
        tn_log(&f->stack, TN_LOG_INFO, who, "hello");
    }
    assert_int_equal(f->lines, 1000);
}

static void a_line_that_is_left_out_for_its_level_does_not_count(void **state)
{
    struct fixture *f = *state;
    tn_log(&f->stack, TN_LOG_DEBUG, "arp", "same %d", 1);
    tn_log(&f->stack, TN_LOG_INFO, "arp", "same %d", 2);
    assert_string_equal(f->text, "same 2");
    assert_int_equal(f->counters[TN_CORE_LOG_SUPPRESSED], 0);
}

static void control_characters_do_not_pass(void **state)
{
    struct fixture *f = *state;
    tn_log(&f->stack, TN_LOG_INFO, "udp", "from %s", "\033[2Jevil\nline\t\x7f é");
    assert_string_equal(f->text, "from ?[2Jevil?line?? é");
}

static void a_long_line_is_cut(void **state)
{
    struct fixture *f = *state;
    tn_log(&f->stack, TN_LOG_INFO, "udp", "%5000d", 1);
    assert_int_equal(strlen(f->text), 1023);
}

static void without_a_logger_or_a_sink_nothing_breaks(void **state)
{
    struct fixture *f = *state;
    tn_logger_destroy(&f->stack);
    tn_log(&f->stack, TN_LOG_INFO, "core", "early");
    assert_int_equal(f->lines, 1);
    f->stack.env.log = NULL;
    tn_log(&f->stack, TN_LOG_INFO, "core", "nowhere");
    assert_int_equal(f->lines, 1);
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(a_line_reaches_the_sink),
        LOG_TEST(debug_is_left_out_unless_asked_for),
        LOG_TEST(the_default_level_is_for_those_who_have_none),
        LOG_TEST(a_new_configuration_replaces_the_old_one),
        LOG_TEST(a_place_logs_once_a_second_and_says_what_it_left_out),
        LOG_TEST(places_are_told_apart_by_format_and_who),
        LOG_TEST(the_same_format_at_another_address_is_the_same_place),
        LOG_TEST(a_thousand_places_are_all_heard),
        LOG_TEST(a_line_that_is_left_out_for_its_level_does_not_count),
        LOG_TEST(control_characters_do_not_pass),
        LOG_TEST(a_long_line_is_cut),
        LOG_TEST(without_a_logger_or_a_sink_nothing_breaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
