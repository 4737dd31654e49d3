/* test_siphash.c: against published vectors, and vectors from other implementations. */
#include "siphash.h"

#include "cmocka_all.h"

/* SipHash-2-4 of the bytes 00, 00 01, 00 01 02 … under key 00..0f: the reference vectors, by length. */
static const uint64_t reference[64] = {
    0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d, 0xcf2794e0277187b7,
    0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462, 0x9e0082df0ba9e4b0,
    0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7, 0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee,
    0xa129ca6149be45e5, 0x3f2acc7f57c29bdb, 0x699ae9f52cbe4794, 0x4bc1b3f0968dd39c, 0xbb6dc91da77961bd,
    0xbed65cf21aa2ee98, 0xd0f2cbb02e3b67c7, 0x93536795e3a33e88, 0xa80c038ccd5ccec8, 0xb8ad50c6f649af94,
    0xbce192de8a85b8ea, 0x17d835b85bbb15f3, 0x2f2e6163076bcfad, 0xde4daaaca71dc9a5, 0xa6a2506687956571,
    0xad87a3535c49ef28, 0x32d892fad841c342, 0x7127512f72f27cce, 0xa7f32346f95978e3, 0x12e0b01abb051238,
    0x15e034d40fa197ae, 0x314dffbe0815a3b4, 0x027990f029623981, 0xcadcd4e59ef40c4d, 0x9abfd8766a33735c,
    0x0e3ea96b5304a7d0, 0xad0c42d6fc585992, 0x187306c89bc215a9, 0xd4a60abcf3792b95, 0xf935451de4f21df2,
    0xa9538f0419755787, 0xdb9acddff56ca510, 0xd06c98cd5c0975eb, 0xe612a3cb9ecba951, 0xc766e62cfcadaf96,
    0xee64435a9752fe72, 0xa192d576b245165a, 0x0a8787bf8ecb74b2, 0x81b3e73d20b49b6f, 0x7fa8220ba3b2ecea,
    0x245731c13ca42499, 0xb78dbfaf3a8d83bd, 0xea1ad565322a1a0b, 0x60e61c23a3795013, 0x6606d7e446282b93,
    0x6ca4ecb15c5f91e1, 0x9f626da15c9625f3, 0xe51b38608ef25f57, 0x958a324ceb064572,
};

static const struct tn_siphash_key reference_key = {0x0706050403020100, 0x0f0e0d0c0b0a0908};

static void siphash_gives_the_reference_vectors(void **state)
{
    (void)state;
    uint8_t bytes[64];
    for (unsigned len = 0; len < 64; len++) {
        bytes[len] = (uint8_t)len;
        assert_true(tn_siphash(&reference_key, bytes, len) == reference[len]);
    }
}

static void siphash_does_not_depend_on_alignment(void **state)
{
    (void)state;
    uint8_t bytes[64 + 8];
    for (unsigned shift = 0; shift < 8; shift++) {
        for (unsigned i = 0; i < 64; i++)
            bytes[shift + i] = (uint8_t)i;
        assert_true(tn_siphash(&reference_key, bytes + shift, 63) == reference[63]);
    }
}

static void siphash_depends_on_both_halves_of_the_key(void **state)
{
    (void)state;
    struct tn_siphash_key a = reference_key, b = reference_key;
    a.k0 ^= 1;
    b.k1 ^= 1;
    uint64_t plain = tn_siphash(&reference_key, "tenon", 5);
    assert_true(tn_siphash(&a, "tenon", 5) != plain);
    assert_true(tn_siphash(&b, "tenon", 5) != plain);
}

/* The values are CPython's hash() of the same 40 bytes with PYTHONHASHSEED=0, which is SipHash-1-3 under a
 * zero key. */
static void siphash13_of_five_words_agrees_with_another_implementation(void **state)
{
    (void)state;
    struct tn_siphash_key zero = {0, 0};
    uint64_t counted[5] = {0x0706050403020100, 0x0f0e0d0c0b0a0908, 0x1716151413121110, 0x1f1e1d1c1b1a1918,
                           0x2726252423222120};
    uint64_t zeros[5] = {0};
    assert_true(tn_siphash13_5(&zero, counted) == 0x95bc321ab41d8206);
    assert_true(tn_siphash13_5(&zero, zeros) == 0x8a0d55ebcf29c4b2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_gives_the_reference_vectors),
        cmocka_unit_test(siphash_does_not_depend_on_alignment),
        cmocka_unit_test(siphash_depends_on_both_halves_of_the_key),
        cmocka_unit_test(siphash13_of_five_words_agrees_with_another_implementation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
