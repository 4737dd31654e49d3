/* test_packet.c: pushing, pulling and queueing of packets, and the small types that go with them. */
#include "tenon/packet.h"

#include <stdlib.h>

#include "cmocka_all.h"

#define ROOM 300

/* A packet of one piece: 100 bytes of headroom, 50 of data. */
static int setup(void **state)
{
    struct tn_buffer *buffer = malloc(sizeof(*buffer) + ROOM);
    struct tn_packet *packet = calloc(1, sizeof(*packet));
    if (!buffer || !packet) {
        free(buffer);
        free(packet);
        return -1;
    }
    *buffer = (struct tn_buffer){.refs = 1, .size = ROOM};
    for (unsigned i = 0; i < ROOM; i++)
        buffer->bytes[i] = (uint8_t)i;
    packet->buffer = buffer;
    packet->data = buffer->bytes + 100;
    packet->len = packet->total = 50;
    *state = packet;
    return 0;
}

static int teardown(void **state)
{
    struct tn_packet *packet = *state;
    free(packet->buffer);
    free(packet);
    return 0;
}

static void assert_span(const struct tn_packet *packet, size_t headroom, size_t len)
{
    assert_int_equal(tn_packet_headroom(packet), headroom);
    assert_int_equal(packet->len, len);
    assert_int_equal(packet->total, len);
    assert_int_equal(tn_packet_tailroom(packet), ROOM - headroom - len);
    assert_int_equal(packet->data[0], (uint8_t)headroom);
}

static void push_lengthens_at_the_front(void **state)
{
    struct tn_packet *packet = *state;
    assert_ptr_equal(tn_packet_push(packet, 20), packet->buffer->bytes + 80);
    assert_span(packet, 80, 70);
    tn_packet_push(packet, 80);
    assert_span(packet, 0, 150);
}

static void pull_shortens_at_the_front(void **state)
{
    struct tn_packet *packet = *state;
    tn_packet_pull(packet, 20);
    assert_span(packet, 120, 30);
    tn_packet_pull(packet, 0);
    tn_packet_pull(packet, 30);
    assert_int_equal(packet->total, 0);
}

static void pull_undoes_push(void **state)
{
    struct tn_packet *packet = *state;
    tn_packet_push(packet, 14);
    tn_packet_pull(packet, 14);
    assert_span(packet, 100, 50);
}

static void put_lengthens_at_the_end(void **state)
{
    struct tn_packet *packet = *state;
    assert_ptr_equal(tn_packet_put(packet, 10), packet->buffer->bytes + 150);
    assert_span(packet, 100, 60);
    tn_packet_put(packet, 140);
    assert_int_equal(tn_packet_tailroom(packet), 0);
}

static void trim_cuts_and_never_lengthens(void **state)
{
    struct tn_packet *packet = *state;
    tn_packet_trim(packet, 51);
    assert_span(packet, 100, 50);
    tn_packet_trim(packet, 40);
    assert_span(packet, 100, 40);
    tn_packet_trim(packet, 0);
    assert_int_equal(packet->total, 0);
}

static void totals_of_a_chain_follow_the_first_piece(void **state)
{
    struct tn_packet *packet = *state;
    struct tn_packet more = {.len = 1000, .total = 1000};
    packet->more = &more;
    packet->total = 1050;
    tn_packet_push(packet, 20);
    assert_int_equal(packet->total, 1070);
    tn_packet_pull(packet, 30);
    assert_int_equal(packet->len, 40);
    assert_int_equal(packet->total, 1040);
}

static void only_the_sole_owner_may_write(void **state)
{
    struct tn_packet *packet = *state;
    assert_true(tn_packet_writable(packet));
    packet->buffer->refs = 2;
    assert_false(tn_packet_writable(packet));
}

static void a_cursor_sees_the_first_piece(void **state)
{
    struct tn_packet *packet = *state;
    struct tn_cursor c = tn_packet_cursor(packet);
    assert_int_equal(tn_left(&c), 50);
    assert_int_equal(tn_read8(&c), 100);
    tn_skip(&c, 48);
    assert_int_equal(tn_read8(&c), 149);
    assert_int_equal(tn_left(&c), 0);
}

static void an_offset_finds_the_layer_again(void **state)
{
    struct tn_packet *packet = *state;
    packet->network = tn_packet_offset(packet);
    tn_packet_pull(packet, 20);
    packet->transport = tn_packet_offset(packet);
    assert_int_equal(packet->network, 100);
    assert_int_equal(packet->transport, 120);
    assert_ptr_equal(packet->buffer->bytes + packet->transport, packet->data);
}

static void a_queue_gives_first_what_came_first(void **state)
{
    (void)state;
    struct tn_packet_queue queue = {0};
    struct tn_packet a = {.total = 10}, b = {.total = 20}, c = {.total = 30};
    assert_null(tn_queue_take(&queue));
    tn_queue_append(&queue, &a);
    tn_queue_append(&queue, &b);
    assert_ptr_equal(tn_queue_take(&queue), &a);
    tn_queue_append(&queue, &c);
    assert_ptr_equal(tn_queue_take(&queue), &b);
    assert_ptr_equal(tn_queue_take(&queue), &c);
    assert_null(tn_queue_take(&queue));
    assert_null(queue.tail);
    tn_queue_append(&queue, &a);
    assert_ptr_equal(tn_queue_take(&queue), &a);
}

static void a_queue_counts_packets_and_bytes(void **state)
{
    (void)state;
    struct tn_packet_queue queue = {0};
    struct tn_packet a = {.total = 10}, b = {.total = 20};
    tn_queue_append(&queue, &a);
    tn_queue_append(&queue, &b);
    assert_int_equal(queue.packets, 2);
    assert_int_equal(queue.bytes, 30);
    tn_queue_take(&queue);
    assert_int_equal(queue.packets, 1);
    assert_int_equal(queue.bytes, 20);
    assert_null(a.next);
    tn_queue_take(&queue);
    assert_int_equal(queue.bytes, 0);
}

static void wire_values_go_out_in_network_order(void **state)
{
    (void)state;
    uint8_t bytes[5] = {0};
    tn_store32(bytes + 1, 0x89abcdef); /* unaligned */
    assert_memory_equal(bytes, "\x00\x89\xab\xcd\xef", 5);
    assert_true(tn_load32(bytes + 1) == 0x89abcdef);
    tn_store16(bytes + 1, 0xfedc);
    assert_memory_equal(bytes, "\x00\xfe\xdc\xcd\xef", 5);
    assert_int_equal(tn_be16(tn_to_be16(0xfedc)), 0xfedc);
    assert_true(tn_be32(tn_to_be32(0x89abcdef)) == 0x89abcdef);
}

static void addresses_are_left_aligned_and_padded(void **state)
{
    (void)state;
    struct tn_addr four = tn_addr_from("\x0a\x00\x07\x07", 4);
    assert_memory_equal(four.bytes, "\x0a\x00\x07\x07\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    struct tn_addr other = four;
    assert_true(tn_addr_equal(&four, &other));
    other.bytes[15] = 1;
    assert_false(tn_addr_equal(&four, &other));
    struct tn_addr none = {0};
    assert_true(tn_addr_is_zero(&none));
    assert_false(tn_addr_is_zero(&four));
    none.bytes[15] = 1;
    assert_false(tn_addr_is_zero(&none));
    /* More bytes than an address has are cut. */
    struct tn_addr cut = tn_addr_from("0123456789abcdef0123", 20);
    assert_memory_equal(cut.bytes, "0123456789abcdef", 16);
}

#define PACKET_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PACKET_TEST(push_lengthens_at_the_front),
        PACKET_TEST(pull_shortens_at_the_front),
        PACKET_TEST(pull_undoes_push),
        PACKET_TEST(put_lengthens_at_the_end),
        PACKET_TEST(trim_cuts_and_never_lengthens),
        PACKET_TEST(totals_of_a_chain_follow_the_first_piece),
        PACKET_TEST(only_the_sole_owner_may_write),
        PACKET_TEST(a_cursor_sees_the_first_piece),
        PACKET_TEST(an_offset_finds_the_layer_again),
        cmocka_unit_test(a_queue_gives_first_what_came_first),
        cmocka_unit_test(a_queue_counts_packets_and_bytes),
        cmocka_unit_test(wire_values_go_out_in_network_order),
        cmocka_unit_test(addresses_are_left_aligned_and_padded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
