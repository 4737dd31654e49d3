/* test_vnet.c: the virtio-net header before a device's frames, read and written. */
#include "cmocka_all.h"
#include "pool.h"
#include "tenon/vnet.h"

#define ETHER 14
#define IP    20
#define TCP   32 /* with timestamps */

static struct tn_pool pool;

static int setup(void **state)
{
    (void)state;
    return tn_pool_init(&pool, 16, 4);
}

static int teardown(void **state)
{
    (void)state;
    assert_int_equal(tn_pool_packets_used(&pool), 0);
    tn_pool_destroy(&pool);
    return 0;
}

/* A TCP segment over IPv4 with so many bytes of payload. */
static struct tn_packet *tcp_frame(size_t payload)
{
    struct tn_packet *p = tn_packet_new(&pool, ETHER + IP + TCP + payload);
    memset(p->data, 0, p->len);
    tn_store16(p->data + 12, 0x0800);
    p->data[ETHER] = 0x45;
    tn_store16(p->data + ETHER + 2, (uint16_t)(p->len - ETHER));
    p->data[ETHER + 9] = 6;
    p->data[ETHER + IP + 12] = TCP / 4 << 4;
    p->data[ETHER + IP + 13] = TN_TCP_ACK;
    return p;
}

static const struct tn_vnet_header tso4 = {1, 1, ETHER + IP + TCP, 1000, ETHER + IP, 16};

static enum tn_vnet_fault read_with(struct tn_vnet_header header, struct tn_packet *packet)
{
    return tn_vnet_read(&header, packet);
}

static void refuses(struct tn_vnet_header f, struct tn_packet *packet, enum tn_vnet_fault fault)
{
    assert_int_equal(read_with(f, packet), fault);
    assert_int_equal(packet->gso, TN_GSO_NONE);
    tn_packet_free(&pool, packet);
}

static void a_header_of_zeros_says_nothing(void **state)
{
    struct tn_packet *p = tcp_frame(100);
    assert_int_equal(read_with((struct tn_vnet_header){0}, p), TN_VNET_OK);
    assert_int_equal(p->checksum, TN_CHECKSUM_UNKNOWN);
    assert_int_equal(p->gso, TN_GSO_NONE);
    tn_packet_free(&pool, p);
}

static void a_checked_frame_is_verified(void **state)
{
    struct tn_packet *p = tcp_frame(100);
    assert_int_equal(read_with((struct tn_vnet_header){.flags = 2}, p), TN_VNET_OK);
    assert_int_equal(p->checksum, TN_CHECKSUM_VERIFIED);
    tn_packet_free(&pool, p);
}

static void a_checksum_left_undone_is_noted_with_its_place(void **state)
{
    struct tn_packet *p = tcp_frame(100);
    assert_int_equal(
        read_with((struct tn_vnet_header){.flags = 1, .csum_start = ETHER + IP, .csum_offset = 16}, p),
        TN_VNET_OK);
    assert_int_equal(p->checksum, TN_CHECKSUM_PARTIAL);
    assert_ptr_equal(p->buffer->bytes + p->csum_start, p->data + ETHER + IP);
    assert_int_equal(p->csum_offset, 16);
    tn_packet_free(&pool, p);
}

static void a_checksum_outside_of_the_frame_is_refused(void **state)
{
    uint16_t len = ETHER + IP + TCP;
    refuses((struct tn_vnet_header){.flags = 1, .csum_start = len, .csum_offset = 0}, tcp_frame(0),
            TN_VNET_BAD_CHECKSUM);
    refuses((struct tn_vnet_header){.flags = 1, .csum_start = len - 17, .csum_offset = 16}, tcp_frame(0),
            TN_VNET_BAD_CHECKSUM);
    refuses((struct tn_vnet_header){.flags = 1, .csum_start = 65535, .csum_offset = 65535}, tcp_frame(0),
            TN_VNET_BAD_CHECKSUM);
    struct tn_packet *p = tcp_frame(0);
    assert_int_equal(
        read_with((struct tn_vnet_header){.flags = 1, .csum_start = len - 18, .csum_offset = 16}, p),
        TN_VNET_OK);
    tn_packet_free(&pool, p);
}

/* Places in a packet are 16 bits from the start of its buffer. */
static void a_checksum_too_far_behind_to_be_noted_is_refused(void **state)
{
    (void)state;
    struct tn_packet *p = tcp_frame(65400 - ETHER - IP - TCP);
    refuses((struct tn_vnet_header){.flags = 1, .csum_start = 65376}, p, TN_VNET_BAD_CHECKSUM);
    p = tcp_frame(65400 - ETHER - IP - TCP);
    assert_int_equal(read_with((struct tn_vnet_header){.flags = 1, .csum_start = 65375}, p), TN_VNET_OK);
    assert_ptr_equal(p->buffer->bytes + p->csum_start, p->data + 65375);
    tn_packet_free(&pool, p);
}

static void a_super_frame_is_noted_with_its_size(void **state)
{
    struct tn_packet *p = tcp_frame(30000);
    assert_int_equal(read_with(tso4, p), TN_VNET_OK);
    assert_int_equal(p->gso, TN_GSO_TCP4);
    assert_int_equal(p->gso_size, 1000);
    tn_packet_free(&pool, p);
}

static void a_super_frame_of_one_segment_is_an_ordinary_frame(void **state)
{
    struct tn_packet *p = tcp_frame(1000);
    assert_int_equal(read_with(tso4, p), TN_VNET_OK);
    assert_int_equal(p->gso, TN_GSO_NONE);
    tn_packet_free(&pool, p);
}

/* As from a network adapter that puts segments together itself (LRO). */
static void a_super_frame_that_was_checked_gets_its_checksum_undone(void **state)
{
    (void)state;
    const struct tn_vnet_header checked = {.flags = 2, .gso_type = 1, .gso_size = 1000};
    struct tn_packet *p = tcp_frame(30000);
    tn_store32(p->data + ETHER + 12, 0x0a000001);
    tn_store32(p->data + ETHER + 16, 0x0a000002);
    tn_store16(p->data + ETHER + IP + 16, 0x1234); /* over all of it */
    assert_int_equal(read_with(checked, p), TN_VNET_OK);
    assert_int_equal(p->gso, TN_GSO_TCP4);
    assert_int_equal(p->checksum, TN_CHECKSUM_PARTIAL);
    assert_ptr_equal(p->buffer->bytes + p->csum_start, p->data + ETHER + IP);
    assert_int_equal(p->csum_offset, 16);
    assert_int_equal(tn_load16(p->data + ETHER + IP + 16), 2 * 0x0a00 + 1 + 2 + 6 + TCP + 30000);
    tn_packet_free(&pool, p);

    p = tcp_frame(1000); /* one segment: right as it is */
    tn_store16(p->data + ETHER + IP + 16, 0x1234);
    assert_int_equal(read_with(checked, p), TN_VNET_OK);
    assert_int_equal(p->checksum, TN_CHECKSUM_VERIFIED);
    assert_int_equal(tn_load16(p->data + ETHER + IP + 16), 0x1234);
    tn_packet_free(&pool, p);
}

/* … over IPv6, whose addresses lie elsewhere. */
static void a_super_frame_over_ipv6_that_was_checked_gets_its_checksum_undone(void **state)
{
    (void)state;
    struct tn_packet *p = tn_packet_new(&pool, ETHER + 40 + TCP + 30000);
    memset(p->data, 0, p->len);
    tn_store16(p->data + 12, 0x86dd);
    p->data[ETHER] = 0x60;
    p->data[ETHER + 6] = 6;
    tn_store16(p->data + ETHER + 8, 0x2001);
    tn_store16(p->data + ETHER + 38, 0x0002);
    p->data[ETHER + 40 + 12] = TCP / 4 << 4;
    assert_int_equal(read_with((struct tn_vnet_header){.flags = 2, .gso_type = 4, .gso_size = 1000}, p),
                     TN_VNET_OK);
    assert_int_equal(p->gso, TN_GSO_TCP6);
    assert_int_equal(tn_load16(p->data + ETHER + 40 + 16), 0x2001 + 2 + 6 + TCP + 30000);
    tn_packet_free(&pool, p);
}

static void wrong_fields_of_segmentation_are_refused(void **state)
{
    struct tn_vnet_header f = tso4;
    f.gso_size = 0;
    refuses(f, tcp_frame(3000), TN_VNET_BAD_GSO);
    f = tso4;
    f.gso_type = 4; /* TCP over IPv6 */
    refuses(f, tcp_frame(3000), TN_VNET_BAD_GSO);
    f.gso_type = 5; /* UDP */
    refuses(f, tcp_frame(3000), TN_VNET_BAD_GSO);
    f.gso_type = 3; /* UFO, which is not asked for */
    refuses(f, tcp_frame(3000), TN_VNET_BAD_GSO);
    f.gso_type = 0x7f;
    refuses(f, tcp_frame(3000), TN_VNET_BAD_GSO);
    f = tso4;
    f.flags = 0; /* no checksum to be completed in the segments */
    refuses(f, tcp_frame(3000), TN_VNET_BAD_GSO);
    f = tso4;
    f.csum_start = ETHER; /* not at the TCP header */
    refuses(f, tcp_frame(3000), TN_VNET_BAD_GSO);
    f = tso4;
    f.csum_offset = 6;
    refuses(f, tcp_frame(3000), TN_VNET_BAD_GSO);
}

static void headers_that_do_not_fit_a_super_frame_are_refused(void **state)
{
    struct tn_packet *p = tcp_frame(3000);
    tn_store16(p->data + 12, 0x0806);
    refuses(tso4, p, TN_VNET_BAD_GSO);
    p = tcp_frame(3000);
    p->data[ETHER] = 0x44; /* header length below 20 */
    refuses(tso4, p, TN_VNET_BAD_GSO);
    p = tcp_frame(3000);
    p->data[ETHER + 9] = 17;
    refuses(tso4, p, TN_VNET_BAD_GSO);
    p = tcp_frame(3000);
    tn_store16(p->data + ETHER + 6, TN_IPV4_MF);
    refuses(tso4, p, TN_VNET_BAD_GSO);
    p = tcp_frame(3000);
    p->data[ETHER + IP + 12] = 0x40; /* TCP header length below 20 */
    refuses(tso4, p, TN_VNET_BAD_GSO);
    p = tcp_frame(0);
    p->data[ETHER + IP + 12] = 0xf0; /* … beyond the frame */
    refuses(tso4, p, TN_VNET_BAD_GSO);
}

static void ecn_in_a_super_frame_is_no_fault(void **state)
{
    struct tn_vnet_header f = tso4;
    struct tn_packet *p = tcp_frame(3000);
    f.gso_type |= 0x80;
    assert_int_equal(read_with(f, p), TN_VNET_OK);
    assert_int_equal(p->gso, TN_GSO_TCP4);
    tn_packet_free(&pool, p);
}

/* What is written is what would be read. */
static void writing_says_what_reading_noted(void **state)
{
    struct tn_packet *p = tcp_frame(30000);
    struct tn_vnet_header header;
    assert_int_equal(read_with(tso4, p), TN_VNET_OK);
    tn_vnet_write(&header, p);
    assert_memory_equal(&header, &tso4, sizeof(header));
    p->data[ETHER + IP + 13] |= TN_TCP_CWR;
    tn_vnet_write(&header, p);
    assert_int_equal(header.gso_type, 0x81);
    p->checksum = TN_CHECKSUM_UNKNOWN;
    p->gso = TN_GSO_NONE;
    tn_vnet_write(&header, p);
    assert_memory_equal(&header, &(struct tn_vnet_header){0}, sizeof(header));
    tn_packet_free(&pool, p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_header_of_zeros_says_nothing),
        TEST(a_checked_frame_is_verified),
        TEST(a_checksum_left_undone_is_noted_with_its_place),
        TEST(a_checksum_outside_of_the_frame_is_refused),
        TEST(a_checksum_too_far_behind_to_be_noted_is_refused),
        TEST(a_super_frame_is_noted_with_its_size),
        TEST(a_super_frame_of_one_segment_is_an_ordinary_frame),
        TEST(a_super_frame_that_was_checked_gets_its_checksum_undone),
        TEST(a_super_frame_over_ipv6_that_was_checked_gets_its_checksum_undone),
        TEST(wrong_fields_of_segmentation_are_refused),
        TEST(headers_that_do_not_fit_a_super_frame_are_refused),
        TEST(ecn_in_a_super_frame_is_no_fault),
        TEST(writing_says_what_reading_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
