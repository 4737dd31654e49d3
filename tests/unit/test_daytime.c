/* test_daytime.c: the calendar of the service daytime, which may not use libc's. The service is compiled into this file. */
#include <time.h>

#include "cmocka_all.h"
#include "random.h"

#include "../../services/daytime/daytime.c" /* NOLINT(bugprone-suspicious-include): see above */

static void expect_line(int64_t seconds, const char *text)
{
    struct daytime_state now;
    daytime_write(&now, daytime_second(seconds * (int64_t)TN_SEC));
    assert_string_equal(now.line, text);
    assert_int_equal(now.len, strlen(text));
}

static void known_days_are_right(void **state)
{
    expect_line(0, "Thursday, January 1, 1970 00:00:00-UTC\r\n");
    expect_line(-1, "Thursday, January 1, 1970 00:00:00-UTC\r\n");
    expect_line(86399, "Thursday, January 1, 1970 23:59:59-UTC\r\n");
    expect_line(86400, "Friday, January 2, 1970 00:00:00-UTC\r\n");
    expect_line(951782400,
                "Tuesday, February 29, 2000 00:00:00-UTC\r\n"); /* a leap year of the fourth rule */
    expect_line(951868800, "Wednesday, March 1, 2000 00:00:00-UTC\r\n");
    expect_line(1709251199, "Thursday, February 29, 2024 23:59:59-UTC\r\n");
    expect_line(4107542400, "Monday, March 1, 2100 00:00:00-UTC\r\n"); /* no leap year */
    expect_line(4102444799, "Thursday, December 31, 2099 23:59:59-UTC\r\n");
    expect_line(382556263, "Sunday, February 14, 1982 17:37:43-UTC\r\n");
}

/* Every day of four centuries, and random seconds, as libc has them. */
static void calendar_agrees_with_libc(void **state)
{
    struct tn_rng rng = random_start("calendar_agrees_with_libc");
    struct daytime_state now;
    char expected[LINE_MAX];
    for (int64_t day = 0; day < 100000; day++) {
        time_t t = (time_t)(day * 86400 + (int64_t)random_below(&rng, 86400));
        struct tm tm;
        gmtime_r(&t, &tm);
        strftime(expected, sizeof(expected), "%A, %B %-d, %Y %H:%M:%S-UTC\r\n", &tm);
        daytime_write(&now, (uint64_t)t);
        assert_string_equal(now.line, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_days_are_right),
        cmocka_unit_test(calendar_agrees_with_libc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
