/* The first bits of an address. */
#include "cmocka_all.h"

#include "prefix.h"

static struct tn_addr ones(void)
{
    struct tn_addr a;
    memset(a.bytes, 0xff, sizeof(a.bytes));
    return a;
}

static void mask_clears_all_after_its_length(void **state)
{
    for (unsigned len = 0; len <= 128; len++) {
        struct tn_addr a = ones();
        tn_prefix_mask(&a, len);
        for (unsigned bit = 0; bit < 128; bit++)
            assert_int_equal(a.bytes[bit / 8] >> (7 - bit % 8) & 1, bit < len);
    }
}

static void prefix_holds_what_differs_only_after_it(void **state)
{
    for (unsigned len = 0; len <= 128; len++)
        for (unsigned bit = 0; bit < 128; bit++) {
            struct tn_addr a = ones(), b = ones();
            b.bytes[bit / 8] ^= (uint8_t)(0x80 >> bit % 8);
            assert_int_equal(tn_prefix_holds(&a, len, &b), bit >= len);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mask_clears_all_after_its_length),
        cmocka_unit_test(prefix_holds_what_differs_only_after_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
