/* test_cursor.c: a cursor never leaves its bytes. The bytes lie in memory of their exact size, so that a
 * sanitizer would see a read past them. */
#include "tenon/cursor.h"

#include <stdlib.h>

#include "cmocka_all.h"
#include "random.h"

struct wire_header {
    be16 port;
    be32 sequence;
    uint8_t flags;
};

static const uint8_t nine[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

static void reads_in_network_order(void **state)
{
    (void)state;
    struct tn_cursor c = tn_cursor(nine, 9);
    assert_int_equal(tn_read8(&c), 0x01);
    assert_int_equal(tn_read16(&c), 0x0203);
    assert_int_equal(tn_read32(&c), 0x04050607);
    assert_int_equal(tn_left(&c), 2);
    assert_false(c.failed);
}

static void a_read_that_does_not_fit_gives_zero_and_ends_the_cursor(void **state)
{
    (void)state;
    struct tn_cursor c = tn_cursor(nine, 3);
    assert_int_equal(tn_read32(&c), 0);
    assert_true(c.failed);
    assert_int_equal(tn_left(&c), 0);
    assert_int_equal(tn_read8(&c), 0);
    assert_true(c.failed);
}

static void failure_is_remembered_after_reads_that_would_fit(void **state)
{
    (void)state;
    struct tn_cursor c = tn_cursor(nine, 9);
    tn_skip(&c, 10);
    tn_skip(&c, 0);
    assert_true(c.failed);
}

static void the_last_byte_can_be_read(void **state)
{
    (void)state;
    struct tn_cursor c = tn_cursor(nine, 9);
    tn_skip(&c, 8);
    assert_int_equal(tn_read8(&c), 9);
    assert_false(c.failed);
    assert_int_equal(tn_left(&c), 0);
    tn_skip(&c, 0);
    assert_false(c.failed);
    tn_skip(&c, 1);
    assert_true(c.failed);
}

static void a_length_that_would_wrap_is_too_long(void **state)
{
    (void)state;
    struct tn_cursor c = tn_cursor(nine, 9);
    assert_null(tn_read_bytes(&c, SIZE_MAX));
    assert_true(c.failed);
}

static void a_header_is_whole_or_absent(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct wire_header), 7);
    struct tn_cursor c = tn_cursor(nine, 9);
    const struct wire_header *header = tn_read_header(&c, struct wire_header);
    assert_non_null(header);
    assert_int_equal(tn_be16(header->port), 0x0102);
    assert_int_equal(tn_be32(header->sequence), 0x03040506);
    assert_int_equal(header->flags, 7);
    assert_null(tn_read_header(&c, struct wire_header));
    assert_true(c.failed);
}

static void a_sub_cursor_is_shut_in_its_part(void **state)
{
    (void)state;
    struct tn_cursor c = tn_cursor(nine, 9);
    tn_skip(&c, 2);
    struct tn_cursor sub = tn_sub_cursor(&c, 3);
    assert_int_equal(tn_left(&sub), 3);
    assert_int_equal(tn_left(&c), 4);
    assert_int_equal(tn_read32(&sub), 0);
    assert_true(sub.failed);
    assert_false(c.failed);
    assert_int_equal(tn_read8(&c), 6);
}

static void a_sub_cursor_that_is_too_long_fails_both(void **state)
{
    (void)state;
    struct tn_cursor c = tn_cursor(nine, 9);
    struct tn_cursor sub = tn_sub_cursor(&c, 10);
    assert_true(sub.failed);
    assert_true(c.failed);
    assert_int_equal(tn_left(&sub), 0);
    assert_int_equal(tn_read8(&sub), 0);
}

static void a_cursor_over_nothing_is_at_its_end(void **state)
{
    (void)state;
    struct tn_cursor c = tn_cursor(NULL, 0);
    tn_skip(&c, 0);
    assert_int_equal(tn_left(&c), 0);
    assert_false(c.failed);
    assert_int_equal(tn_read16(&c), 0);
    assert_true(c.failed);
    struct tn_cursor zero = {0};
    assert_int_equal(tn_read8(&zero), 0);
    assert_true(zero.failed);
}

static void random_reads_stay_inside(void **state)
{
    (void)state;
    struct tn_rng rng = random_start("cursor");
    for (unsigned round = 0; round < 2000; round++) {
        size_t len = random_below(&rng, 40);
        uint8_t *bytes = malloc(len ? len : 1);
        assert_non_null(bytes);
        random_fill(&rng, bytes, len);
        struct tn_cursor c = tn_cursor(bytes, len);
        size_t at = 0;
        bool failed = false;
        while (!failed) {
            static const size_t sizes[] = {1, 2, 4};
            size_t size = sizes[random_below(&rng, 3)];
            uint32_t expected = 0;
            failed = len - at < size;
            for (size_t i = 0; i < size && !failed; i++)
                expected = expected << 8 | bytes[at++];
            uint32_t value = size == 1 ? tn_read8(&c) : size == 2 ? tn_read16(&c) : tn_read32(&c);
            assert_int_equal(value, expected);
            assert_int_equal(c.failed, failed);
        }
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_in_network_order),
        cmocka_unit_test(a_read_that_does_not_fit_gives_zero_and_ends_the_cursor),
        cmocka_unit_test(failure_is_remembered_after_reads_that_would_fit),
        cmocka_unit_test(the_last_byte_can_be_read),
        cmocka_unit_test(a_length_that_would_wrap_is_too_long),
        cmocka_unit_test(a_header_is_whole_or_absent),
        cmocka_unit_test(a_sub_cursor_is_shut_in_its_part),
        cmocka_unit_test(a_sub_cursor_that_is_too_long_fails_both),
        cmocka_unit_test(a_cursor_over_nothing_is_at_its_end),
        cmocka_unit_test(random_reads_stay_inside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
