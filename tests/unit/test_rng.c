/* test_rng.c: the seeded generator. */
#include "rng.h"

#include "cmocka_all.h"

static const uint8_t seed_a[16] = {1, 2, 3};
static const uint8_t seed_b[16] = {1, 2, 3, [15] = 1};

static void same_seed_gives_the_same_numbers(void **state)
{
    (void)state;
    struct tn_rng x, y;
    tn_rng_init(&x, seed_a);
    tn_rng_init(&y, seed_a);
    for (unsigned i = 0; i < 1000; i++)
        assert_true(tn_rng_next(&x) == tn_rng_next(&y));
}

static void another_seed_gives_other_numbers(void **state)
{
    (void)state;
    struct tn_rng x, y;
    tn_rng_init(&x, seed_a);
    tn_rng_init(&y, seed_b);
    for (unsigned i = 0; i < 1000; i++)
        assert_true(tn_rng_next(&x) != tn_rng_next(&y));
}

/* 64 000 fair coins a bit: 1000 from the mean is nearly eight standard deviations. */
static void every_bit_is_set_about_half_the_time(void **state)
{
    (void)state;
    struct tn_rng rng;
    unsigned set[64] = {0};
    tn_rng_init(&rng, seed_a);
    for (unsigned i = 0; i < 64000; i++) {
        uint64_t number = tn_rng_next(&rng);
        for (unsigned bit = 0; bit < 64; bit++)
            set[bit] += number >> bit & 1;
    }
    for (unsigned bit = 0; bit < 64; bit++)
        assert_in_range(set[bit], 31000, 33000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_gives_the_same_numbers),
        cmocka_unit_test(another_seed_gives_other_numbers),
        cmocka_unit_test(every_bit_is_set_about_half_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
