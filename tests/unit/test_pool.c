/* test_pool.c: packets and their buffers. Every test ends with nothing in use. */
#include "pool.h"

#include "cmocka_all.h"
#include "random.h"
#include "tenon/checksum.h"

#define SMALL_MAX  (512 - sizeof(struct tn_buffer) - TN_HEADROOM)
#define MEDIUM_MAX (2048 - sizeof(struct tn_buffer) - TN_HEADROOM)
#define LARGE_MAX  (66 * 1024 - sizeof(struct tn_buffer) - TN_HEADROOM)

static struct tn_pool pool;

static int setup(void **state)
{
    (void)state;
    return tn_pool_init(&pool, 64, 4);
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(tn_pool_packets_used(&pool), 0);
    for (unsigned i = 0; i < TN_POOL_COUNT; i++)
        assert_int_equal(tn_pool_buffers_used(&pool, i), 0);
    tn_pool_destroy(&pool);
    return 0;
}

static void drop(struct tn_packet *packet)
{
    tn_packet_free(&pool, packet);
}

/* A packet of one piece with the bytes first, first + 1, … */
static struct tn_packet *counting(size_t len, uint8_t first)
{
    struct tn_packet *packet = tn_packet_new(&pool, len);
    assert_non_null(packet);
    for (size_t i = 0; i < len; i++)
        packet->data[i] = (uint8_t)(first + i);
    return packet;
}

/* Appends the pieces of `tail` to `packet`. */
static void chain(struct tn_packet *packet, struct tn_packet *tail)
{
    packet->total += tail->total;
    while (packet->more)
        packet = packet->more;
    packet->more = tail;
}

static void assert_counts(const struct tn_packet *packet, uint8_t first, size_t len)
{
    uint8_t bytes[4096];
    assert_int_equal(packet->total, len);
    assert_int_equal(tn_packet_read(packet, 0, bytes, sizeof(bytes)), len);
    for (size_t i = 0; i < len; i++)
        assert_int_equal(bytes[i], (uint8_t)(first + i));
}

/* ---- New ---- */

static void new_packets_have_headroom_and_their_length(void **state)
{
    (void)state;
    static const size_t lengths[] = {
        0, 1, SMALL_MAX, SMALL_MAX + 1, 1514, MEDIUM_MAX, MEDIUM_MAX + 1, 65535, LARGE_MAX};
    for (unsigned i = 0; i < TN_ARRAY_SIZE(lengths); i++) {
        struct tn_packet *packet = tn_packet_new(&pool, lengths[i]);
        assert_non_null(packet);
        assert_int_equal(packet->len, lengths[i]);
        assert_int_equal(packet->total, lengths[i]);
        assert_int_equal(tn_packet_headroom(packet), TN_HEADROOM);
        assert_true(tn_packet_tailroom(packet) < packet->buffer->size);
        assert_true(tn_packet_writable(packet));
        memset(packet->data - TN_HEADROOM, 0xaa, TN_HEADROOM + lengths[i] + tn_packet_tailroom(packet));
        drop(packet);
    }
}

static void the_smallest_sufficient_size_is_taken(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        unsigned size;
    } cases[] = {
        {0, TN_POOL_SMALL},           {SMALL_MAX, TN_POOL_SMALL},      {SMALL_MAX + 1, TN_POOL_MEDIUM},
        {MEDIUM_MAX, TN_POOL_MEDIUM}, {MEDIUM_MAX + 1, TN_POOL_LARGE}, {LARGE_MAX, TN_POOL_LARGE},
    };
    for (unsigned i = 0; i < TN_ARRAY_SIZE(cases); i++) {
        struct tn_packet *packet = tn_packet_new(&pool, cases[i].len);
        assert_int_equal(tn_pool_buffers_used(&pool, cases[i].size), 1);
        drop(packet);
    }
    assert_null(tn_packet_new(&pool, LARGE_MAX + 1));
    assert_null(tn_packet_new(&pool, SIZE_MAX));
}

static void an_exhausted_pool_gives_nothing_and_loses_nothing(void **state)
{
    (void)state;
    struct tn_packet *large[5], *small[64];
    for (unsigned i = 0; i < 5; i++)
        large[i] = tn_packet_new(&pool, 60000);
    assert_non_null(large[3]);
    assert_null(large[4]);
    for (unsigned i = 0; i < 60; i++)
        assert_non_null(small[i] = tn_packet_new(&pool, 10));
    assert_null(tn_packet_new(&pool, 10)); /* no record for the buffer */
    assert_int_equal(tn_pool_buffers_used(&pool, TN_POOL_SMALL), 60);
    assert_int_equal(pool.packets.failures, 1);
    for (unsigned i = 0; i < 60; i++)
        drop(small[i]);
    for (unsigned i = 0; i < 5; i++)
        drop(large[i]);
}

/* Freed packets are kept with their buffers for the next time, but not where somebody wants another size. */
static void what_is_kept_is_given_back_when_records_run_out(void **state)
{
    (void)state;
    static const size_t lengths[] = {10, 1000, 10};
    struct tn_packet *packets[64];
    for (unsigned round = 0; round < TN_ARRAY_SIZE(lengths); round++) {
        for (unsigned i = 0; i < 64; i++)
            assert_non_null(packets[i] = tn_packet_new(&pool, lengths[round]));
        assert_int_equal(tn_pool_packets_used(&pool), 64);
        assert_null(tn_packet_new(&pool, lengths[round]));
        for (unsigned i = 0; i < 64; i++)
            drop(packets[i]);
        assert_int_equal(tn_pool_packets_used(&pool), 0);
    }
    struct tn_packet *chain_of_all = counting(10, 0);
    for (unsigned i = 1; i < 32; i++)
        chain(chain_of_all, counting(10, 0));
    struct tn_packet *clone = tn_packet_clone(&pool, chain_of_all); /* needs the records of the other 32 */
    assert_non_null(clone);
    drop(chain_of_all);
    drop(clone);
}

static void metadata_of_a_reused_record_is_blank(void **state)
{
    (void)state;
    struct tn_packet *packet = tn_packet_new(&pool, 10);
    struct tn_buffer *buffer = packet->buffer;
    memset(packet, 0xff, sizeof(*packet));
    packet->buffer = buffer;
    packet->more = NULL;
    drop(packet);
    struct tn_packet *again = tn_packet_new(&pool, 10);
    assert_ptr_equal(again, packet);
    struct tn_packet blank = {.buffer = again->buffer, .data = again->data, .len = 10, .total = 10};
    assert_memory_equal(again, &blank, offsetof(struct tn_packet, scratch));
    drop(again);
}

/* ---- Clone ---- */

static void a_clone_shares_bytes_and_outlives_the_original(void **state)
{
    (void)state;
    struct tn_packet *packet = counting(100, 7);
    struct tn_packet *clone = tn_packet_clone(&pool, packet);
    assert_ptr_equal(clone->data, packet->data);
    assert_false(tn_packet_writable(packet));
    assert_false(tn_packet_writable(clone));
    drop(packet);
    assert_true(tn_packet_writable(clone));
    assert_counts(clone, 7, 100);
    drop(clone);
}

static void a_clone_shares_every_piece(void **state)
{
    (void)state;
    struct tn_packet *packet = counting(33, 0);
    chain(packet, counting(1, 33));
    chain(packet, counting(600, 34));
    struct tn_packet *clone = tn_packet_clone(&pool, packet);
    assert_int_equal(tn_pool_packets_used(&pool), 6);
    assert_int_equal(tn_pool_buffers_used(&pool, TN_POOL_SMALL), 2);
    assert_int_equal(tn_pool_buffers_used(&pool, TN_POOL_MEDIUM), 1);
    drop(packet);
    assert_int_equal(tn_pool_packets_used(&pool), 3);
    assert_counts(clone, 0, 634);
    drop(clone);
}

static void a_clone_pulls_and_trims_for_itself(void **state)
{
    (void)state;
    struct tn_packet *packet = counting(100, 0);
    struct tn_packet *clone = tn_packet_clone(&pool, packet);
    tn_packet_pull(clone, 20);
    tn_packet_trim(clone, 30);
    assert_counts(clone, 20, 30);
    assert_counts(packet, 0, 100);
    drop(packet);
    drop(clone);
}

/* Sets every metadata field to a value of its own. */
static void fill_metadata(struct tn_packet *packet)
{
    packet->time = 0x1122334455667788;
    packet->serial = 42;
    packet->ifindex = 3;
    packet->flags = TN_PKT_DONT_FRAGMENT | TN_PKT_LOOPED;
    packet->link = TN_HEADROOM - 14;
    packet->network = TN_HEADROOM;
    packet->transport = TN_HEADROOM + 20;
    packet->checksum = TN_CHECKSUM_PARTIAL;
    packet->gso = TN_GSO_TCP4;
    packet->gso_size = 1448;
    packet->csum_start = TN_HEADROOM + 20;
    packet->csum_offset = 16;
    packet->src = tn_addr_from("\x0a\x00\x07\x01", 4);
    packet->dst = tn_addr_from("\x0a\x00\x07\x07", 4);
    packet->src_port = 1234;
    packet->dst_port = 7;
    packet->vrf = 5;
    packet->family = 2;
    packet->protocol = 6;
    packet->ttl = 63;
    packet->tos = 0xb8;
    for (uint32_t i = 0; i < 4; i++)
        packet->scratch[i] = 100 + i;
}

static void assert_same_metadata(const struct tn_packet *a, const struct tn_packet *b)
{
    /* From `time` to the end there are only metadata. */
    size_t from = offsetof(struct tn_packet, time);
    size_t to = offsetof(struct tn_packet, scratch) + sizeof(a->scratch);
    assert_memory_equal((const uint8_t *)a + from, (const uint8_t *)b + from, to - from);
}

static void a_clone_keeps_all_metadata_but_links(void **state)
{
    (void)state;
    struct tn_packet *packet = counting(100, 0);
    struct tn_packet_queue queue = {0};
    fill_metadata(packet);
    tn_queue_append(&queue, packet);
    tn_queue_append(&queue, counting(1, 0));
    struct tn_packet *clone = tn_packet_clone(&pool, packet);
    assert_same_metadata(clone, packet);
    assert_null(clone->next);
    drop(clone);
    drop(tn_queue_take(&queue));
    drop(tn_queue_take(&queue));
}

static void a_clone_that_fails_halfway_leaves_nothing(void **state)
{
    (void)state;
    struct tn_packet *packet = counting(10, 0);
    for (unsigned i = 1; i < 33; i++)
        chain(packet, counting(10, (uint8_t)(10 * i)));
    assert_null(tn_packet_clone(&pool, packet)); /* 33 + 33 > 64 */
    assert_int_equal(tn_pool_packets_used(&pool), 33);
    assert_true(tn_packet_writable(packet));
    assert_null(tn_packet_clone_range(&pool, packet, 0, 330));
    assert_int_equal(tn_pool_packets_used(&pool), 33);
    assert_true(tn_packet_writable(packet));
    drop(packet);
}

/* ---- Ranges ---- */

static void a_range_of_one_piece_is_one_piece(void **state)
{
    (void)state;
    struct tn_packet *packet = counting(100, 0);
    struct tn_packet *range = tn_packet_clone_range(&pool, packet, 10, 50);
    drop(packet);
    assert_null(range->more);
    assert_counts(range, 10, 50);
    drop(range);
}

static void every_range_of_a_chain_has_the_right_bytes(void **state)
{
    (void)state;
    struct tn_packet *packet = counting(5, 0);
    chain(packet, counting(1, 5));
    chain(packet, tn_packet_new(&pool, 0));
    chain(packet, counting(7, 6));
    for (size_t offset = 0; offset <= 13; offset++) {
        for (size_t len = 0; len <= 13 - offset; len++) {
            struct tn_packet *range = tn_packet_clone_range(&pool, packet, offset, len);
            assert_non_null(range);
            assert_counts(range, (uint8_t)offset, len);
            for (const struct tn_packet *piece = range; piece; piece = piece->more)
                assert_true(piece->len > 0 || len == 0);
            drop(range);
        }
    }
    drop(packet);
}

static void a_range_beyond_the_end_is_refused(void **state)
{
    (void)state;
    struct tn_packet *packet = counting(100, 0);
    assert_null(tn_packet_clone_range(&pool, packet, 0, 101));
    assert_null(tn_packet_clone_range(&pool, packet, 100, 1));
    assert_null(tn_packet_clone_range(&pool, packet, 101, 0));
    assert_null(tn_packet_clone_range(&pool, packet, SIZE_MAX, 2));
    drop(packet);
}

static void a_range_carries_no_metadata(void **state)
{
    (void)state;
    struct tn_packet *packet = counting(100, 0);
    struct tn_packet *plain = counting(100, 0);
    fill_metadata(packet);
    struct tn_packet *range = tn_packet_clone_range(&pool, packet, 1, 2);
    assert_same_metadata(range, plain);
    drop(packet);
    drop(plain);
    drop(range);
}

/* ---- Copy ---- */

static void a_copy_is_one_writable_piece_with_headroom(void **state)
{
    (void)state;
    struct tn_packet *packet = counting(100, 0);
    chain(packet, counting(1500, 100));
    struct tn_packet *copy = tn_packet_copy(&pool, packet);
    assert_null(copy->more);
    assert_true(tn_packet_writable(copy));
    assert_int_equal(tn_packet_headroom(copy), TN_HEADROOM);
    memset(packet->data, 0, 100);
    drop(packet);
    assert_int_equal(copy->len, 1600);
    assert_counts(copy, 0, 1600);
    drop(copy);
}

static void a_copy_keeps_metadata_and_moves_offsets(void **state)
{
    (void)state;
    struct tn_packet *packet = counting(100, 0);
    fill_metadata(packet);
    /* As after the network layer: data is the transport header, 34 bytes of headers lie before it. */
    tn_packet_push(packet, 14);
    memset(packet->data, 0xee, 14);
    tn_packet_pull(packet, 34);
    struct tn_packet *copy = tn_packet_copy(&pool, packet);
    assert_int_equal(copy->transport, TN_HEADROOM);
    assert_int_equal(copy->csum_start, TN_HEADROOM);
    assert_int_equal(copy->network, TN_HEADROOM - 20);
    assert_int_equal(copy->link, TN_HEADROOM - 34);
    assert_memory_equal(copy->buffer->bytes + copy->link, packet->buffer->bytes + packet->link, 114);
    packet->link = copy->link;
    packet->network = copy->network;
    packet->transport = copy->transport;
    packet->csum_start = copy->csum_start;
    assert_same_metadata(copy, packet);
    drop(packet);
    drop(copy);
}

static void a_copy_moves_offsets_up_when_headers_were_pushed(void **state)
{
    (void)state;
    struct tn_packet *packet = counting(100, 0);
    fill_metadata(packet);
    tn_packet_push(packet, 14);
    memset(packet->data, 0xee, 14);
    struct tn_packet *copy = tn_packet_copy(&pool, packet);
    assert_int_equal(copy->link, TN_HEADROOM);
    assert_int_equal(copy->network, TN_HEADROOM + 14);
    assert_int_equal(copy->transport, TN_HEADROOM + 34);
    drop(packet);
    drop(copy);
}

static void a_copy_forgets_headers_that_lie_too_far_back(void **state)
{
    (void)state;
    struct tn_packet *packet = counting(1000, 0);
    packet->network = TN_HEADROOM;
    packet->transport = TN_HEADROOM + 800;
    tn_packet_pull(packet, 900);
    struct tn_packet *copy = tn_packet_copy(&pool, packet);
    assert_int_equal(copy->network, 0);
    assert_int_equal(copy->transport, TN_HEADROOM - 100);
    assert_int_equal(copy->buffer->bytes[copy->transport], (uint8_t)800);
    drop(packet);
    drop(copy);
}

static void unknown_offsets_stay_unknown_in_a_copy(void **state)
{
    (void)state;
    struct tn_packet *packet = counting(100, 0);
    tn_packet_push(packet, 20);
    memset(packet->data, 0, 20);
    struct tn_packet *copy = tn_packet_copy(&pool, packet);
    assert_int_equal(copy->link, 0);
    assert_int_equal(copy->network, 0);
    assert_int_equal(copy->transport, 0);
    drop(packet);
    drop(copy);
}

/* ---- Read ---- */

static void read_says_how_many_bytes_there_were(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct tn_packet *packet = counting(10, 0);
    chain(packet, counting(3, 10));
    assert_int_equal(tn_packet_read(packet, 0, bytes, 5), 5);
    assert_int_equal(tn_packet_read(packet, 8, bytes, 4), 4);
    assert_memory_equal(bytes, "\x08\x09\x0a\x0b", 4);
    assert_int_equal(tn_packet_read(packet, 12, bytes, 64), 1);
    assert_int_equal(bytes[0], 12);
    assert_int_equal(tn_packet_read(packet, 13, bytes, 64), 0);
    assert_int_equal(tn_packet_read(packet, SIZE_MAX, bytes, 64), 0);
    drop(packet);
}

/* ---- Checksum ---- */

/* What the field must hold: over all bytes in one piece, with the pseudo-header's sum in the field. */
static uint16_t expected_check(const struct tn_packet *packet, size_t start)
{
    uint8_t bytes[4096];
    uint32_t sum = 0;
    size_t len = tn_packet_read(packet, start, bytes, sizeof(bytes) - 1);
    bytes[len] = 0;
    for (size_t i = 0; i < len; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    uint16_t check = (uint16_t)~sum;
    return check ? check : 0xffff;
}

static void make_partial(struct tn_packet *packet, uint16_t start, uint16_t offset)
{
    packet->checksum = TN_CHECKSUM_PARTIAL;
    packet->csum_start = (uint16_t)(tn_packet_offset(packet) + start);
    packet->csum_offset = offset;
}

static void a_checksum_is_completed_in_one_piece(void **state)
{
    (void)state;
    struct tn_packet *packet = counting(55, 3);
    make_partial(packet, 20, 6);
    uint16_t expected = expected_check(packet, 20);
    tn_packet_complete_checksum(packet);
    assert_int_equal(packet->checksum, TN_CHECKSUM_UNKNOWN);
    assert_int_equal(tn_load16(packet->data + 26), expected);
    drop(packet);
}

static void a_checksum_is_completed_over_odd_pieces(void **state)
{
    (void)state;
    struct tn_rng rng = random_start("pool");
    for (unsigned round = 0; round < 300; round++) {
        struct tn_packet *packet = tn_packet_new(&pool, 20 + 8 + random_below(&rng, 40));
        random_fill(&rng, packet->data, packet->len);
        for (uint64_t pieces = random_below(&rng, 6); pieces > 0; pieces--) {
            struct tn_packet *piece = tn_packet_new(&pool, random_below(&rng, 50));
            random_fill(&rng, piece->data, piece->len);
            chain(packet, piece);
        }
        make_partial(packet, 20, 6);
        uint16_t expected = expected_check(packet, 20);
        tn_packet_complete_checksum(packet);
        assert_int_equal(tn_load16(packet->data + 26), expected);
        drop(packet);
    }
}

/* RFC 768: 0 says that there is no checksum, so a computed 0 goes as all ones. */
static void a_sum_of_zero_is_stored_as_all_ones(void **state)
{
    (void)state;
    struct tn_packet *packet = tn_packet_new(&pool, 8);
    memcpy(packet->data, "\xff\xff\0\0\0\0\0\0", 8);
    make_partial(packet, 0, 6);
    tn_packet_complete_checksum(packet);
    assert_int_equal(tn_load16(packet->data + 6), 0xffff);
    drop(packet);
}

static void other_packets_are_left_alone(void **state)
{
    (void)state;
    struct tn_packet *packet = counting(40, 0);
    make_partial(packet, 0, 6);
    packet->checksum = TN_CHECKSUM_VERIFIED;
    tn_packet_complete_checksum(packet);
    assert_int_equal(packet->checksum, TN_CHECKSUM_VERIFIED);
    assert_counts(packet, 0, 40);
    drop(packet);
}

/* What the wire needs: summed as it was received, the result is all ones. */
static void a_completed_udp_checksum_verifies(void **state)
{
    (void)state;
    struct tn_addr src = tn_addr_from("\x0a\x00\x07\x01", 4), dst = tn_addr_from("\x0a\x00\x07\x07", 4);
    struct tn_packet *packet = counting(8, 1);
    chain(packet, counting(101, 9));
    uint16_t pseudo = tn_sum_fold(tn_sum_pseudo(&src, &dst, 17, 109));
    memcpy(packet->data + 6, &pseudo, 2);
    make_partial(packet, 0, 6);
    tn_packet_complete_checksum(packet);
    uint8_t bytes[109];
    tn_packet_read(packet, 0, bytes, sizeof(bytes));
    tn_sum sum = tn_sum_add(tn_sum_pseudo(&src, &dst, 17, 109), bytes, sizeof(bytes));
    assert_int_equal(tn_sum_finish(sum), 0);
    drop(packet);
}

static void freeing_nothing_is_allowed(void **state)
{
    (void)state;
    tn_packet_free(&pool, NULL);
}

#define POOL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(new_packets_have_headroom_and_their_length),
        POOL_TEST(the_smallest_sufficient_size_is_taken),
        POOL_TEST(an_exhausted_pool_gives_nothing_and_loses_nothing),
        POOL_TEST(what_is_kept_is_given_back_when_records_run_out),
        POOL_TEST(metadata_of_a_reused_record_is_blank),
        POOL_TEST(a_clone_shares_bytes_and_outlives_the_original),
        POOL_TEST(a_clone_shares_every_piece),
        POOL_TEST(a_clone_pulls_and_trims_for_itself),
        POOL_TEST(a_clone_keeps_all_metadata_but_links),
        POOL_TEST(a_clone_that_fails_halfway_leaves_nothing),
        POOL_TEST(a_range_of_one_piece_is_one_piece),
        POOL_TEST(every_range_of_a_chain_has_the_right_bytes),
        POOL_TEST(a_range_beyond_the_end_is_refused),
        POOL_TEST(a_range_carries_no_metadata),
        POOL_TEST(a_copy_is_one_writable_piece_with_headroom),
        POOL_TEST(a_copy_keeps_metadata_and_moves_offsets),
        POOL_TEST(a_copy_moves_offsets_up_when_headers_were_pushed),
        POOL_TEST(a_copy_forgets_headers_that_lie_too_far_back),
        POOL_TEST(unknown_offsets_stay_unknown_in_a_copy),
        POOL_TEST(read_says_how_many_bytes_there_were),
        POOL_TEST(a_checksum_is_completed_in_one_piece),
        POOL_TEST(a_checksum_is_completed_over_odd_pieces),
        POOL_TEST(a_sum_of_zero_is_stored_as_all_ones),
        POOL_TEST(other_packets_are_left_alone),
        POOL_TEST(a_completed_udp_checksum_verifies),
        POOL_TEST(freeing_nothing_is_allowed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
