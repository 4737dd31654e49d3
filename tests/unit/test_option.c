/* Values of options: what is read, what is refused and with which words, and values as text. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmocka_all.h"
#include "plan.h"
#include "suggest.h"
#include "tenon/text.h"

static char name[] = "x", red[] = "red", green[] = "green", blue[] = "blue";
static char *colours[] = {red, green, blue, NULL};

static struct tn_manifest_option of_type(uint8_t type)
{
    return (struct tn_manifest_option){.name = name, .type = type};
}

static struct tn_manifest_option ranged(uint8_t type, double min, double max)
{
    return (struct tn_manifest_option){.name = name, .type = type, .has_range = true, .min = min, .max = max};
}

static struct tn_value read(const struct tn_manifest_option *option, const char *text)
{
    char expected[256];
    struct tn_text why = tn_text_init(expected, sizeof(expected));
    struct tn_value value;
    int err = tn_value_parse(option, text, &value, &why);
    assert_string_equal(expected, "");
    assert_int_equal(err, 0);
    return value;
}

static void refuse(const struct tn_manifest_option *option, const char *text, int err, const char *words)
{
    char expected[256];
    struct tn_text why = tn_text_init(expected, sizeof(expected));
    struct tn_value value;
    assert_int_equal(tn_value_parse(option, text, &value, &why), err);
    assert_string_equal(expected, words);
}

static void assert_integer(uint8_t type, const char *text, int64_t expected)
{
    struct tn_manifest_option option = of_type(type);
    assert_int_equal(read(&option, text).integer, expected);
}

static void assert_text(const struct tn_manifest_option *option, const char *text, const char *expected)
{
    struct tn_value value = read(option, text);
    char buf[512];
    struct tn_text out = tn_text_init(buf, sizeof(buf));
    tn_value_text(option, &value, &out);
    assert_string_equal(buf, expected);
}

/* ---- Reading ---- */

static void bool_has_three_words_each_way(void **state)
{
    struct tn_manifest_option option = of_type(TN_OPTION_BOOL);
    assert_true(read(&option, "yes").boolean);
    assert_true(read(&option, "true").boolean);
    assert_true(read(&option, "On").boolean);
    assert_false(read(&option, "no").boolean);
    assert_false(read(&option, "False").boolean);
    assert_false(read(&option, "off").boolean);
    refuse(&option, "1", -EINVAL, "yes or no");
    refuse(&option, "", -EINVAL, "yes or no");
}

static void int_is_decimal(void **state)
{
    assert_integer(TN_OPTION_INT, "0", 0);
    assert_integer(TN_OPTION_INT, "-17", -17);
    assert_integer(TN_OPTION_INT, "9223372036854775807", INT64_MAX);
    struct tn_manifest_option option = of_type(TN_OPTION_INT);
    const char *wrong[] = {"",   "-",   "1x",  "0x10", "1.5", "1e3",  " 1",
                           "+1", "--1", "010", "09",   "-01", "1,000"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(wrong); i++)
        refuse(&option, wrong[i], -EINVAL, "a whole number");
}

static void number_beyond_64_bits_is_out_of_range(void **state)
{
    struct tn_manifest_option number = of_type(TN_OPTION_INT), size = of_type(TN_OPTION_SIZE);
    refuse(&number, "9223372036854775808", -ERANGE, "a whole number");
    refuse(&number, "99999999999999999999999999", -ERANGE, "a whole number");
    refuse(&size, "16777216T", -ERANGE, "a size such as 64k or 16M");
}

static void size_counts_in_powers_of_1024(void **state)
{
    assert_integer(TN_OPTION_SIZE, "17", 17);
    assert_integer(TN_OPTION_SIZE, "208k", 212992);
    assert_integer(TN_OPTION_SIZE, "208K", 212992);
    assert_integer(TN_OPTION_SIZE, "1.5M", 1572864);
    assert_integer(TN_OPTION_SIZE, "2G", 2147483648);
    assert_integer(TN_OPTION_SIZE, "1T", 1099511627776);
    struct tn_manifest_option option = of_type(TN_OPTION_SIZE);
    const char *wrong[] = {"-1", "k", "1 k", "1kb", "1.5", "0.3k", "1.", ".5k", "1.0000000001k", "12q"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(wrong); i++)
        refuse(&option, wrong[i], -EINVAL, "a size such as 64k or 16M");
}

static void rate_counts_in_powers_of_1000(void **state)
{
    assert_integer(TN_OPTION_RATE, "10M", 10000000);
    assert_integer(TN_OPTION_RATE, "2.5G", 2500000000);
    assert_integer(TN_OPTION_RATE, "64k", 64000);
    struct tn_manifest_option option = of_type(TN_OPTION_RATE);
    refuse(&option, "fast", -EINVAL, "a rate in bits a second such as 10M or 1G");
}

static void duration_needs_a_unit(void **state)
{
    struct tn_manifest_option option = of_type(TN_OPTION_DURATION);
    assert_int_equal(read(&option, "200ms").duration, 200 * TN_MSEC);
    assert_int_equal(read(&option, "0.5s").duration, 500 * TN_MSEC);
    assert_int_equal(read(&option, "2m").duration, 120 * TN_SEC);
    assert_int_equal(read(&option, "2h").duration, 7200 * TN_SEC);
    assert_int_equal(read(&option, "1d").duration, 86400 * TN_SEC);
    assert_int_equal(read(&option, "7us").duration, 7 * TN_USEC);
    assert_int_equal(read(&option, "9ns").duration, 9);
    assert_int_equal(read(&option, "0").duration, 0);
    refuse(&option, "5", -EINVAL, "a duration with a unit, such as 200ms, 5s or 2m");
    refuse(&option, "5 s", -EINVAL, "a duration with a unit, such as 200ms, 5s or 2m");
    refuse(&option, "0.5ns", -EINVAL, "a duration with a unit, such as 200ms, 5s or 2m");
    refuse(&option, "1000000d", -ERANGE, "a duration with a unit, such as 200ms, 5s or 2m");
}

static void percent_is_from_0_to_100(void **state)
{
    struct tn_manifest_option option = of_type(TN_OPTION_PERCENT);
    assert_true(fabs(read(&option, "0.5%").percent - 0.5) < 1e-12);
    assert_true(fabs(read(&option, "100%").percent - 100) < 1e-12);
    assert_true(fabs(read(&option, "0").percent) < 1e-12);
    refuse(&option, "100.1%", -ERANGE, "a percentage such as 1% or 0.5%");
    refuse(&option, "10", -EINVAL, "a percentage such as 1% or 0.5%");
    refuse(&option, "-1%", -EINVAL, "a percentage such as 1% or 0.5%");
    refuse(&option, "nan%", -EINVAL, "a percentage such as 1% or 0.5%");
}

static void string_has_at_most_107_bytes(void **state)
{
    struct tn_manifest_option option = of_type(TN_OPTION_STRING);
    char text[109];
    memset(text, 'x', 108);
    text[107] = '\0';
    assert_string_equal(read(&option, text).string, text);
    assert_string_equal(read(&option, "").string, "");
    text[107] = 'x';
    text[108] = '\0';
    refuse(&option, text, -ERANGE, "a text of at most 107 bytes");
}

static void choice_is_an_index_and_suggests(void **state)
{
    struct tn_manifest_option option = {.name = name, .type = TN_OPTION_CHOICE, .choices = colours};
    assert_int_equal(read(&option, "red").integer, 0);
    assert_int_equal(read(&option, "blue").integer, 2);
    refuse(&option, "gren", -EINVAL, "one of red, green, blue, did you mean 'green'?");
    refuse(&option, "yellow", -EINVAL, "one of red, green, blue");
}

/* ---- Ranges ---- */

static void range_ends_belong_to_it(void **state)
{
    struct tn_manifest_option option = ranged(TN_OPTION_SIZE, 1024, 65536);
    assert_int_equal(read(&option, "1k").integer, 1024);
    assert_int_equal(read(&option, "64k").integer, 65536);
    refuse(&option, "1023", -ERANGE, "a size such as 64k or 16M, from 1k to 64k");
    refuse(&option, "65537", -ERANGE, "a size such as 64k or 16M, from 1k to 64k");
    refuse(&option, "x", -EINVAL, "a size such as 64k or 16M, from 1k to 64k");
}

static void range_can_be_open(void **state)
{
    struct tn_manifest_option low = ranged(TN_OPTION_INT, -5, INFINITY),
                              high = ranged(TN_OPTION_INT, -INFINITY, 7);
    refuse(&low, "-6", -ERANGE, "a whole number, at least -5");
    assert_int_equal(read(&low, "9223372036854775807").integer, INT64_MAX);
    refuse(&high, "8", -ERANGE, "a whole number, at most 7");
}

static void range_is_told_in_the_options_units(void **state)
{
    struct tn_manifest_option duration =
        ranged(TN_OPTION_DURATION, (double)(200 * TN_MSEC), (double)(60 * TN_SEC));
    struct tn_manifest_option percent = ranged(TN_OPTION_PERCENT, 0.5, 50);
    refuse(&duration, "1ms", -ERANGE, "a duration with a unit, such as 200ms, 5s or 2m, from 200ms to 1m");
    refuse(&percent, "51%", -ERANGE, "a percentage such as 1% or 0.5%, from 0.5% to 50%");
}

/* ---- Writing ---- */

static void values_are_written_with_the_largest_whole_unit(void **state)
{
    struct tn_manifest_option size = of_type(TN_OPTION_SIZE), rate = of_type(TN_OPTION_RATE);
    struct tn_manifest_option duration = of_type(TN_OPTION_DURATION), percent = of_type(TN_OPTION_PERCENT);
    assert_text(&size, "212992", "208k");
    assert_text(&size, "1025", "1025");
    assert_text(&size, "0", "0");
    assert_text(&size, "1024G", "1T");
    assert_text(&rate, "10000k", "10M");
    assert_text(&duration, "7200s", "2h");
    assert_text(&duration, "1500ms", "1500ms");
    assert_text(&duration, "0", "0");
    assert_text(&percent, "0.50%", "0.5%");
    assert_text(&percent, "100%", "100%");
    assert_text(&percent, "0", "0%");
}

static void words_are_written_as_they_are_read(void **state)
{
    struct tn_manifest_option boolean = of_type(TN_OPTION_BOOL), integer = of_type(TN_OPTION_INT);
    struct tn_manifest_option choice = {.name = name, .type = TN_OPTION_CHOICE, .choices = colours};
    assert_text(&boolean, "on", "yes");
    assert_text(&boolean, "false", "no");
    assert_text(&integer, "-17", "-17");
    assert_text(&choice, "green", "green");
}

static void strings_are_quoted_where_yaml_needs_it(void **state)
{
    struct tn_manifest_option option = of_type(TN_OPTION_STRING);
    assert_text(&option, "tap7", "tap7");
    assert_text(&option, "/run/x.sock", "/run/x.sock");
    assert_text(&option, "", "\"\"");
    assert_text(&option, "null", "\"null\"");
    assert_text(&option, "-", "\"-\"");
    assert_text(&option, "a b", "\"a b\"");
    assert_text(&option, "say \"x\\y\"\n", "\"say \\\"x\\\\y\\\"\\x0a\"");
}

static void equality_compares_what_the_type_holds(void **state)
{
    struct tn_manifest_option size = of_type(TN_OPTION_SIZE), string = of_type(TN_OPTION_STRING);
    struct tn_manifest_option duration = of_type(TN_OPTION_DURATION), percent = of_type(TN_OPTION_PERCENT);
    struct tn_manifest_option boolean = of_type(TN_OPTION_BOOL);
    struct tn_value a = read(&size, "1k"), b = read(&size, "1024"), c = read(&size, "1025");
    assert_true(tn_value_equal(&size, &a, &b));
    assert_false(tn_value_equal(&size, &a, &c));
    a = read(&string, "x"), b = read(&string, "y");
    assert_false(tn_value_equal(&string, &a, &b));
    a = read(&duration, "60s"), b = read(&duration, "1m");
    assert_true(tn_value_equal(&duration, &a, &b));
    a = read(&percent, "1%"), b = read(&percent, "1.5%");
    assert_false(tn_value_equal(&percent, &a, &b));
    a = read(&boolean, "yes"), b = read(&boolean, "on");
    assert_true(tn_value_equal(&boolean, &a, &b));
}

/* ---- Suggestions ---- */

static void edit_distance_counts_single_mistakes(void **state)
{
    assert_int_equal(tn_edit_distance("", ""), 0);
    assert_int_equal(tn_edit_distance("", "abc"), 3);
    assert_int_equal(tn_edit_distance("echo", "echo"), 0);
    assert_int_equal(tn_edit_distance("ehco", "echo"), 1);
    assert_int_equal(tn_edit_distance("eco", "echo"), 1);
    assert_int_equal(tn_edit_distance("eecho", "echo"), 1);
    assert_int_equal(tn_edit_distance("kitten", "sitting"), 3);
}

static void edit_distance_gives_up_on_long_words(void **state)
{
    char text[65];
    memset(text, 'x', 64);
    text[64] = '\0';
    assert_true(tn_edit_distance(text, "x") == SIZE_MAX);
    text[63] = '\0';
    assert_int_equal(tn_edit_distance(text, "x"), 62);
}

static void suggestion_is_the_nearest_and_near(void **state)
{
    struct tn_suggestion s = tn_suggest("addrsses");
    tn_suggest_offer(&s, "routes");
    assert_null(s.best);
    tn_suggest_offer(&s, "addrs");
    assert_null(s.best);
    tn_suggest_offer(&s, "address");
    assert_string_equal(s.best, "address");
    tn_suggest_offer(&s, "addresses");
    assert_string_equal(s.best, "addresses");
    struct tn_suggestion t = tn_suggest("x");
    tn_suggest_offer(&t, "y");
    tn_suggest_offer(&t, "xyz");
    assert_null(t.best);
    struct tn_suggestion u = tn_suggest("neigh");
    tn_suggest_offer(&u, "routes");
    tn_suggest_offer(&u, "neighbours"); /* an abbreviation */
    assert_string_equal(u.best, "neighbours");
    tn_suggest_offer(&u, "neighbourhood");
    assert_string_equal(u.best, "neighbours"); /* the first of equals */
    tn_suggest_offer(&u, "neigh");
    assert_string_equal(u.best, "neigh");
}

static void quoting_cuts_and_escapes(void **state)
{
    char buf[TN_QUOTE_MAX];
    assert_string_equal(tn_quote(buf, "a b"), "'a b'");
    assert_string_equal(tn_quote(buf, "a\nb\x7f"), "'a\\x0ab\\x7f'");
    assert_string_equal(tn_quote(buf, "0123456789012345678901234567890123456789012345678"),
                        "'012345678901234567890123456789012345678901234567…'");
    assert_string_equal(tn_quote(buf, "01234567890123456789012345678901234567890123456ä"),
                        "'01234567890123456789012345678901234567890123456…'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bool_has_three_words_each_way),
        cmocka_unit_test(int_is_decimal),
        cmocka_unit_test(number_beyond_64_bits_is_out_of_range),
        cmocka_unit_test(size_counts_in_powers_of_1024),
        cmocka_unit_test(rate_counts_in_powers_of_1000),
        cmocka_unit_test(duration_needs_a_unit),
        cmocka_unit_test(percent_is_from_0_to_100),
        cmocka_unit_test(string_has_at_most_107_bytes),
        cmocka_unit_test(choice_is_an_index_and_suggests),
        cmocka_unit_test(range_ends_belong_to_it),
        cmocka_unit_test(range_can_be_open),
        cmocka_unit_test(range_is_told_in_the_options_units),
        cmocka_unit_test(values_are_written_with_the_largest_whole_unit),
        cmocka_unit_test(words_are_written_as_they_are_read),
        cmocka_unit_test(strings_are_quoted_where_yaml_needs_it),
        cmocka_unit_test(equality_compares_what_the_type_holds),
        cmocka_unit_test(edit_distance_counts_single_mistakes),
        cmocka_unit_test(edit_distance_gives_up_on_long_words),
        cmocka_unit_test(suggestion_is_the_nearest_and_near),
        cmocka_unit_test(quoting_cuts_and_escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
