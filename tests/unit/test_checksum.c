/* test_checksum.c: the Internet checksum against the RFCs' examples and a naive sum. */
#include "tenon/checksum.h"

#include "cmocka_all.h"
#include "random.h"

/* RFC 1071 as it is written: 16-bit words in network order, an odd last byte padded with zero. In memory
 * order. */
static uint16_t naive_fold(const uint8_t *bytes, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    uint16_t memory;
    tn_store16(&memory, (uint16_t)sum);
    return memory;
}

/* A sum in memory order as the number that it is in network order. */
static uint16_t number(uint16_t memory)
{
    return tn_load16(&memory);
}

static uint16_t memory(uint16_t number)
{
    uint16_t value;
    tn_store16(&value, number);
    return value;
}

/* RFC 1071 §3: 00 01 f2 03 f4 f5 f6 f7 sums to ddf2. */
static void rfc1071_example_sums_to_ddf2(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    tn_sum sum = tn_sum_add(0, bytes, sizeof(bytes));
    assert_int_equal(number(tn_sum_fold(sum)), 0xddf2);
    assert_int_equal(number(tn_sum_finish(sum)), 0x220d);
}

/* A header as it was seen on a wire: 192.168.0.1 > 192.168.0.199, UDP, 115 bytes. */
static void an_ipv4_header_verifies_and_a_changed_one_does_not(void **state)
{
    (void)state;
    uint8_t header[] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                        0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};
    assert_int_equal(tn_sum_finish(tn_sum_add(0, header, sizeof(header))), 0);
    header[10] = header[11] = 0;
    assert_int_equal(number(tn_sum_finish(tn_sum_add(0, header, sizeof(header)))), 0xb861);
    header[8]--;
    assert_int_not_equal(number(tn_sum_finish(tn_sum_add(0, header, sizeof(header)))), 0xb861);
}

static void nothing_sums_to_zero(void **state)
{
    (void)state;
    assert_int_equal(tn_sum_fold(tn_sum_add(0, "", 0)), 0);
    assert_int_equal(tn_sum_finish(0), 0xffff);
}

static void every_length_and_alignment_agrees_with_the_naive_sum(void **state)
{
    (void)state;
    struct tn_rng rng = random_start("checksum");
    uint8_t bytes[160];
    random_fill(&rng, bytes, sizeof(bytes));
    for (size_t shift = 0; shift < 16; shift++)
        for (size_t len = 0; len <= sizeof(bytes) - shift; len++)
            assert_int_equal(tn_sum_fold(tn_sum_add(0, bytes + shift, len)), naive_fold(bytes + shift, len));
}

static void no_carry_is_lost_in_64_kib_of_ones(void **state)
{
    (void)state;
    static uint8_t bytes[65535];
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(tn_sum_fold(tn_sum_add(0, bytes, sizeof(bytes))), naive_fold(bytes, sizeof(bytes)));
    /* From a sum that is full already. */
    assert_int_equal(tn_sum_fold(tn_sum_add(UINT64_MAX, bytes, 8)), 0xffff);
    assert_int_equal(number(tn_sum_fold(tn_sum_add(UINT64_MAX, "\0\1", 2))), 1);
}

static void pieces_of_even_length_sum_as_the_whole(void **state)
{
    (void)state;
    struct tn_rng rng = random_start("checksum");
    uint8_t bytes[301];
    random_fill(&rng, bytes, sizeof(bytes));
    for (unsigned round = 0; round < 1000; round++) {
        tn_sum sum = 0;
        size_t at = 0;
        while (sizeof(bytes) - at > 1) {
            size_t len = tn_min(2 * random_below(&rng, 40), sizeof(bytes) - at - 1);
            sum = tn_sum_add(sum, bytes + at, len);
            at += len;
        }
        sum = tn_sum_add(sum, bytes + at, sizeof(bytes) - at);
        assert_int_equal(tn_sum_fold(sum), naive_fold(bytes, sizeof(bytes)));
    }
}

static void random_bytes_agree_with_the_naive_sum(void **state)
{
    (void)state;
    struct tn_rng rng = random_start("checksum");
    static uint8_t bytes[2048];
    for (unsigned round = 0; round < 500; round++) {
        size_t len = random_below(&rng, sizeof(bytes) + 1);
        random_fill(&rng, bytes, len);
        assert_int_equal(tn_sum_fold(tn_sum_add(0, bytes, len)), naive_fold(bytes, len));
    }
}

static void add16_is_two_bytes_in_network_order(void **state)
{
    (void)state;
    assert_int_equal(number(tn_sum_fold(tn_sum_add16(0, 0x1234))), 0x1234);
    assert_int_equal(number(tn_sum_fold(tn_sum_add16(tn_sum_add16(0, 0xffff), 2))), 2);
}

/* RFC 9293 §3.1: source, destination, zero, protocol, length. */
static void pseudo_header_of_ipv4(void **state)
{
    (void)state;
    static const uint8_t header[] = {10, 0, 7, 1, 10, 0, 7, 7, 0, 6, 0x05, 0xdc};
    struct tn_addr src = tn_addr_from(header, 4), dst = tn_addr_from(header + 4, 4);
    assert_int_equal(tn_sum_fold(tn_sum_pseudo(&src, &dst, 6, 1500)), naive_fold(header, sizeof(header)));
}

/* RFC 8200 §8.1: the length has 32 bits. */
static void pseudo_header_of_ipv6_with_a_jumbo_length(void **state)
{
    (void)state;
    uint8_t header[40] = {0x20,     0x01,        0x0d, 0xb8, [15] = 1, [16] = 0xfe, 0x80,
                          [31] = 2, [32] = 0x00, 0x01, 0x86, 0xa0,     [39] = 17};
    struct tn_addr src = tn_addr_from(header, 16), dst = tn_addr_from(header + 16, 16);
    assert_int_equal(tn_sum_fold(tn_sum_pseudo(&src, &dst, 17, 100000)), naive_fold(header, sizeof(header)));
}

/* RFC 1624 §4: HC = dd2f, m = 5555, m' = 3285 gives 0000 and not ffff. */
static void rfc1624_example_gives_zero(void **state)
{
    (void)state;
    assert_int_equal(tn_sum_update(memory(0xdd2f), memory(0x5555), memory(0x3285)), 0x0000);
}

static void an_unchanged_word_keeps_the_checksum(void **state)
{
    (void)state;
    static const uint16_t words[] = {0, 1, 0x8000, 0xfffe, 0xffff};
    static const uint16_t checks[] = {0, 1, 0x1234, 0xfffe};
    for (unsigned w = 0; w < TN_ARRAY_SIZE(words); w++)
        for (unsigned c = 0; c < TN_ARRAY_SIZE(checks); c++)
            assert_int_equal(tn_sum_update(checks[c], words[w], words[w]), checks[c]);
}

/* All values of word and new word out of the corners, in data that is otherwise zero, too. */
static void an_updated_checksum_verifies(void **state)
{
    (void)state;
    struct tn_rng rng = random_start("checksum");
    static const uint16_t corner[] = {0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff};
    for (unsigned round = 0; round < 5000; round++) {
        uint8_t data[22] = {0x45}; /* a header is never all zero: its sum is not 0 */
        if (random_below(&rng, 2))
            random_fill(&rng, data + 1, 19);
        size_t at = 2 + 2 * random_below(&rng, 9);
        uint16_t old = corner[random_below(&rng, TN_ARRAY_SIZE(corner))];
        uint16_t new = corner[random_below(&rng, TN_ARRAY_SIZE(corner))];
        memcpy(data + at, &old, 2);
        uint16_t check = tn_sum_finish(tn_sum_add(0, data, 20));
        memcpy(data + at, &new, 2);
        check = tn_sum_update(check, old, new);
        memcpy(data + 20, &check, 2);
        assert_int_equal(tn_sum_finish(tn_sum_add(0, data, 22)), 0);
        assert_int_equal(check, tn_sum_finish(tn_sum_add(0, data, 20)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc1071_example_sums_to_ddf2),
        cmocka_unit_test(an_ipv4_header_verifies_and_a_changed_one_does_not),
        cmocka_unit_test(nothing_sums_to_zero),
        cmocka_unit_test(every_length_and_alignment_agrees_with_the_naive_sum),
        cmocka_unit_test(no_carry_is_lost_in_64_kib_of_ones),
        cmocka_unit_test(pieces_of_even_length_sum_as_the_whole),
        cmocka_unit_test(random_bytes_agree_with_the_naive_sum),
        cmocka_unit_test(add16_is_two_bytes_in_network_order),
        cmocka_unit_test(pseudo_header_of_ipv4),
        cmocka_unit_test(pseudo_header_of_ipv6_with_a_jumbo_length),
        cmocka_unit_test(rfc1624_example_gives_zero),
        cmocka_unit_test(an_unchanged_word_keeps_the_checksum),
        cmocka_unit_test(an_updated_checksum_verifies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
