/* ARP on the wire: what is answered, what is learned and from whom, and how the stack asks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>

#include "net.h"

static struct net net;
static struct net_seen seen;

static int setup(void **state)
{
    net_start(&net, NET_YAML("  ether: {}\n  arp: {}\n  ipv4: {}\n  icmp: {}\n"));
    return 0;
}

static int teardown(void **state)
{
    net_stop(&net);
    return 0;
}

/* ---- Helpers ---- */

static struct net_arp request(const char *sha, const char *spa, const char *tpa)
{
    return (struct net_arp){
        .to = NET_ALL, .from = sha, .op = 1, .sha = sha, .spa = spa, .tha = NET_NONE, .tpa = tpa};
}

static struct net_arp reply(const char *from, const char *spa, const char *to, const char *tpa)
{
    return (struct net_arp){.to = to, .from = from, .op = 2, .sha = from, .spa = spa, .tha = to, .tpa = tpa};
}

static void send_request(const char *sha, const char *spa, const char *tpa)
{
    struct net_arp arp = request(sha, spa, tpa);
    net_send_arp(&net, &arp);
}

static void send_reply(const char *sha, const char *spa)
{
    struct net_arp arp = reply(sha, spa, NET_OWN, "10.0.7.7");
    net_send_arp(&net, &arp);
}

static void expect_question(const char *target)
{
    struct net_arp arp = request(NET_OWN, "10.0.7.7", target);
    net_expect_arp(&net, &arp);
}

/* The stack has an echo request for `dst`. */
static void ping(int fd, const char *dst, uint16_t seq)
{
    assert_int_equal(net_ping_to(&net, fd, dst, seq, 8), 16);
}

static void expect_ping(const char *lladdr, const char *dst, uint16_t seq)
{
    net_expect_ip(&net, &seen);
    assert_string_equal(seen.to, lladdr);
    assert_string_equal(seen.from, NET_OWN);
    assert_string_equal(seen.dst, dst);
    assert_int_equal(seen.protocol, 1);
    assert_int_equal(tn_load16(seen.payload + 6), seq);
}

static size_t neighbours(void)
{
    struct tn_usage usage;
    tn_stack_usage(net.stack, &usage);
    return usage.neighbours;
}

static void assert_dropped(const char *reason)
{
    net_expect_nothing(&net);
    assert_int_equal(net_drops(&net, "arp", reason), 1);
    assert_int_equal(neighbours(), 0);
}

/* ---- Answers ---- conformance: 826 reception-reply; 1122 2.3.2 */
static void request_for_own_address_gets_a_unicast_reply(void **state)
{
    net_meet(&net);
    net_expect_nothing(&net);
    assert_int_equal(net_counter(&net, "arp", "requests-in"), 1);
    assert_int_equal(net_counter(&net, "arp", "replies-out"), 1);
}

static void request_for_second_address_is_answered_with_it(void **state)
{
    send_request(NET_PEER, "10.0.7.1", "10.0.7.8");
    struct net_arp answer = reply(NET_OWN, "10.0.7.8", NET_PEER, "10.0.7.1");
    net_expect_arp(&net, &answer);
}

static void request_for_another_host_is_not_answered(void **state)
{
    send_request(NET_PEER, "10.0.7.1", "10.0.7.9");
    net_expect_nothing(&net);
    assert_int_equal(neighbours(), 0);
}

static void unicast_request_is_answered(void **state)
{
    struct net_arp arp = request(NET_PEER, "10.0.7.1", "10.0.7.7");
    arp.to = NET_OWN;
    net_send_arp(&net, &arp);
    struct net_arp answer = reply(NET_OWN, "10.0.7.7", NET_PEER, "10.0.7.1");
    net_expect_arp(&net, &answer);
}

/* RFC 5227 §2.1.1 */
static void probe_is_answered_and_nobody_is_learned(void **state)
{
    send_request(NET_PEER, "0.0.0.0", "10.0.7.7");
    struct net_arp answer = reply(NET_OWN, "10.0.7.7", NET_PEER, "0.0.0.0");
    net_expect_arp(&net, &answer);
    assert_int_equal(neighbours(), 0);
}

/* ---- Learning ---- conformance: 826 reception-add */
static void asker_is_known_and_not_asked_for(void **state)
{
    int fd = net_ping_socket(&net);
    net_meet(&net);
    ping(fd, "10.0.7.1", 1);
    expect_ping(NET_PEER, "10.0.7.1", 1);
    tn_close(net.stack, fd);
}

static void reply_that_nobody_asked_for_makes_no_entry(void **state)
{
    send_reply(NET_PEER, "10.0.7.1");
    assert_int_equal(neighbours(), 0);
    net_expect_nothing(&net);
}

static void announcement_makes_no_entry(void **state)
{
    send_request(NET_PEER, "10.0.7.1", "10.0.7.1");
    assert_int_equal(neighbours(), 0);
    net_expect_nothing(&net);
    assert_int_equal(net_counter(&net, "arp", "announcements-in"), 1);
}

/* RFC 826: the merge comes first, whoever is asked. conformance: 826 reception-merge */
static void known_sender_is_updated_though_another_is_asked(void **state)
{
    int fd = net_ping_socket(&net);
    net_meet(&net);
    send_request(NET_OTHER, "10.0.7.1", "10.0.7.9");
    ping(fd, "10.0.7.1", 1);
    expect_ping(NET_OTHER, "10.0.7.1", 1);
    tn_close(net.stack, fd);
}

static void announcement_updates_who_is_known(void **state)
{
    int fd = net_ping_socket(&net);
    net_meet(&net);
    send_request(NET_OTHER, "10.0.7.1", "10.0.7.1");
    ping(fd, "10.0.7.1", 1);
    expect_ping(NET_OTHER, "10.0.7.1", 1);
    tn_close(net.stack, fd);
}

/* ---- Questions ---- conformance: 826 generation; 1122 2.3.2.2 */
static void packet_waits_for_the_answer(void **state)
{
    int fd = net_ping_socket(&net);
    ping(fd, "10.0.7.1", 1);
    expect_question("10.0.7.1");
    net_expect_nothing(&net);
    send_reply(NET_PEER, "10.0.7.1");
    expect_ping(NET_PEER, "10.0.7.1", 1);
    ping(fd, "10.0.7.1", 2);
    expect_ping(NET_PEER, "10.0.7.1", 2);
    net_expect_nothing(&net);
    tn_close(net.stack, fd);
}

static void question_comes_from_the_packets_own_address(void **state)
{
    int fd = net_ping_socket(&net);
    struct sockaddr_in second = {.sin_family = AF_INET};
    memcpy(&second.sin_addr, "\x0a\x00\x07\x08", 4);
    assert_int_equal(tn_bind(net.stack, fd, (struct sockaddr *)&second, sizeof(second)), 0);
    ping(fd, "10.0.7.1", 1);
    struct net_arp question = request(NET_OWN, "10.0.7.8", "10.0.7.1");
    net_expect_arp(&net, &question);
    tn_close(net.stack, fd);
}

static void destination_behind_the_gateway_asks_for_the_gateway(void **state)
{
    int fd = net_ping_socket(&net);
    ping(fd, "192.0.2.1", 1);
    expect_question("10.0.7.1");
    send_reply(NET_PEER, "10.0.7.1");
    expect_ping(NET_PEER, "192.0.2.1", 1);
    tn_close(net.stack, fd);
}

static void waiting_packets_go_out_in_order(void **state)
{
    int fd = net_ping_socket(&net);
    for (uint16_t seq = 1; seq <= 5; seq++)
        ping(fd, "10.0.7.1", seq);
    expect_question("10.0.7.1");
    net_expect_nothing(&net);
    send_reply(NET_PEER, "10.0.7.1");
    for (uint16_t seq = 1; seq <= 5; seq++)
        expect_ping(NET_PEER, "10.0.7.1", seq);
    net_expect_nothing(&net);
    tn_close(net.stack, fd);
}

/* RFC 4861 §7.2.2 conformance: 1122 2.3.2.2-latest */
static void newest_packet_replaces_the_oldest_that_waits(void **state)
{
    int fd = net_ping_socket(&net);
    unsigned sent = 0;
    while (net_drops(&net, "core", "neighbour-queue-full") == 0 && sent < 2000)
        ping(fd, "10.0.7.1", (uint16_t)++sent);
    expect_question("10.0.7.1");
    send_reply(NET_PEER, "10.0.7.1");
    for (uint16_t seq = 2; seq <= sent; seq++)
        expect_ping(NET_PEER, "10.0.7.1", seq);
    net_expect_nothing(&net);
    tn_close(net.stack, fd);
}

/* RFC 4861 §7.2.2, RFC 1122 §2.3.2.1 */
static void question_is_asked_three_times_a_second_apart(void **state)
{
    int fd = net_ping_socket(&net);
    ping(fd, "10.0.7.1", 1);
    expect_question("10.0.7.1");
    for (unsigned again = 0; again < 2; again++) {
        net_pass(&net, 999 * TN_MSEC);
        net_expect_nothing(&net);
        net_pass(&net, TN_MSEC);
        expect_question("10.0.7.1");
    }
    net_pass(&net, 10 * TN_SEC);
    net_expect_nothing(&net);
    assert_int_equal(net_drops(&net, "core", "neighbour-unreachable"), 1);
    tn_close(net.stack, fd);
}

/* conformance: 1122 2.4-unreachable */
static void silence_is_reported_to_the_sender(void **state)
{
    int fd = net_ping_socket(&net);
    ping(fd, "10.0.7.1", 1);
    net_pass(&net, 2999 * TN_MSEC);
    int error = -1;
    socklen_t len = sizeof(error);
    assert_int_equal(tn_getsockopt(net.stack, fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
    assert_int_equal(error, 0);
    net_pass(&net, TN_MSEC);
    assert_int_equal(tn_getsockopt(net.stack, fd, SOL_SOCKET, SO_ERROR, &error, &len), 0);
    assert_int_equal(error, EHOSTUNREACH);
    (void)net_take_all(&net);
    tn_close(net.stack, fd);
}

/* RFC 1122 §2.3.2.1: a flood of packets is not a flood of questions. conformance: 1122 2.3.2.1-flood */
static void at_most_one_question_a_second_for_a_silent_host(void **state)
{
    int fd = net_ping_socket(&net);
    unsigned questions = 0;
    for (unsigned ms = 0; ms < 20000; ms += 10) {
        (void)net_ping_to(&net, fd, "10.0.7.1", (uint16_t)ms, 8);
        int error;
        socklen_t len = sizeof(error);
        (void)tn_getsockopt(net.stack, fd, SOL_SOCKET, SO_ERROR, &error, &len);
        questions += net_take_all(&net);
        net_pass(&net, 10 * TN_MSEC);
    }
    assert_in_range(questions, 10, 21);
    tn_close(net.stack, fd);
}

static void late_answer_is_welcome(void **state)
{
    int fd = net_ping_socket(&net);
    ping(fd, "10.0.7.1", 1);
    net_pass(&net, 5 * TN_SEC);
    (void)net_take_all(&net);
    send_reply(NET_PEER, "10.0.7.1");
    int error;
    socklen_t len = sizeof(error);
    (void)tn_getsockopt(net.stack, fd, SOL_SOCKET, SO_ERROR, &error, &len);
    ping(fd, "10.0.7.1", 2);
    expect_ping(NET_PEER, "10.0.7.1", 2);
    net_expect_nothing(&net);
    tn_close(net.stack, fd);
}

static void swap_of_the_resolver_loses_no_question(void **state)
{
    struct tn_error error;
    int fd = net_ping_socket(&net);
    ping(fd, "10.0.7.1", 1);
    expect_question("10.0.7.1");
    assert_int_equal(tn_stack_swap(net.stack, "arp", NULL, &error), 0);
    net_pass(&net, TN_SEC);
    expect_question("10.0.7.1");
    send_reply(NET_PEER, "10.0.7.1");
    expect_ping(NET_PEER, "10.0.7.1", 1);
    tn_close(net.stack, fd);
}

/* A datagram of 64 KiB comes as 45 packets. */
static void all_fragments_of_a_datagram_wait(void **state)
{
    int fd = net_ping_socket(&net);
    assert_int_equal(net_ping_to(&net, fd, "10.0.7.1", 1, 65507), 65515);
    expect_question("10.0.7.1");
    send_reply(NET_PEER, "10.0.7.1");
    assert_int_equal(net_take_all(&net), 45);
    tn_close(net.stack, fd);
}

/* ---- Doubt: RFC 4861 §7.3.3 ---- */

static void expect_unicast_question(void)
{
    struct net_arp arp = request(NET_OWN, "10.0.7.7", "10.0.7.1");
    arp.to = NET_PEER;
    net_expect_arp(&net, &arp);
}

/* conformance: 1122 2.3.2.1-poll */
static void hearsay_is_checked_by_unicast_five_seconds_after_use(void **state)
{
    int fd = net_ping_socket(&net);
    net_meet(&net);
    ping(fd, "10.0.7.1", 1);
    expect_ping(NET_PEER, "10.0.7.1", 1);
    net_pass(&net, 4999 * TN_MSEC);
    net_expect_nothing(&net);
    net_pass(&net, TN_MSEC);
    expect_unicast_question();
    send_reply(NET_PEER, "10.0.7.1");
    net_pass(&net, 14 * TN_SEC);
    net_expect_nothing(&net);
    tn_close(net.stack, fd);
}

/* conformance: 1122 2.3.2.1 */
static void neighbour_that_left_is_asked_for_by_broadcast_again(void **state)
{
    int fd = net_ping_socket(&net);
    net_meet(&net);
    ping(fd, "10.0.7.1", 1);
    expect_ping(NET_PEER, "10.0.7.1", 1);
    net_pass(&net, 5 * TN_SEC);
    expect_unicast_question();
    net_pass(&net, TN_SEC);
    expect_unicast_question();
    net_pass(&net, TN_SEC);
    expect_unicast_question();
    net_pass(&net, 2 * TN_SEC);
    net_expect_nothing(&net);
    ping(fd, "10.0.7.1", 2);
    expect_question("10.0.7.1");
    send_reply(NET_OTHER, "10.0.7.1");
    expect_ping(NET_OTHER, "10.0.7.1", 2);
    tn_close(net.stack, fd);
}

static void answer_is_good_for_15_to_45_seconds(void **state)
{
    int fd = net_ping_socket(&net);
    ping(fd, "10.0.7.1", 1);
    expect_question("10.0.7.1");
    send_reply(NET_PEER, "10.0.7.1");
    expect_ping(NET_PEER, "10.0.7.1", 1);
    unsigned seconds = 0;
    for (uint16_t seq = 2; seconds < 60; seconds++, seq++) {
        net_pass(&net, TN_SEC);
        if (net_counter(&net, "arp", "probes-out"))
            break;
        ping(fd, "10.0.7.1", seq);
        expect_ping(NET_PEER, "10.0.7.1", seq);
    }
    expect_unicast_question();
    assert_in_range(seconds, 15 + 4, 45 + 6);
    tn_close(net.stack, fd);
}

/* ---- Noise ---- */

static void flood_of_askers_does_not_push_out_who_answered(void **state)
{
    int fd = net_ping_socket(&net);
    ping(fd, "10.0.7.1", 1);
    expect_question("10.0.7.1");
    send_reply(NET_PEER, "10.0.7.1");
    expect_ping(NET_PEER, "10.0.7.1", 1);
    for (unsigned i = 0; i < 6000; i++) {
        char spa[16];
        snprintf(spa, sizeof(spa), "10.0.%u.%u", 8 + i / 250, 1 + i % 250);
        send_request(NET_OTHER, spa, "10.0.7.7");
    }
    (void)net_take_all(&net);
    assert_int_equal(neighbours(), 4096);
    assert_in_range(net_counter(&net, "core", "neighbour-limit"), 1900, 1910);
    ping(fd, "10.0.7.1", 2);
    expect_ping(NET_PEER, "10.0.7.1", 2);
    net_expect_nothing(&net);
    tn_close(net.stack, fd);
}

/* ---- What is refused ---- */

static void frame_with(size_t offset, const void *bytes, size_t len)
{
    static struct net_frame frame;
    struct net_arp arp = request(NET_PEER, "10.0.7.1", "10.0.7.7");
    net_build_arp(&arp, &frame);
    memcpy(frame.bytes + 14 + offset, bytes, len);
    net_send_frame(&net, &frame);
}

static void packets_cut_short_anywhere_are_dropped(void **state)
{
    static struct net_frame frame;
    struct net_arp arp = request(NET_PEER, "10.0.7.1", "10.0.7.7");
    for (size_t len = 14; len < 14 + 28; len++) {
        net_build_arp(&arp, &frame);
        frame.len = len;
        net_send_frame(&net, &frame);
    }
    net_expect_nothing(&net);
    assert_int_equal(net_drops(&net, "arp", "truncated"), 28);
}

/* The addresses are the same by another number. conformance: 1042 arp-hardware */
static void ieee_802_hardware_is_answered(void **state)
{
    static struct net_frame frame;
    struct net_arp ask = request(NET_PEER, "10.0.7.1", "10.0.7.7");
    struct net_arp answer = reply(NET_OWN, "10.0.7.7", NET_PEER, "10.0.7.1");
    net_build_arp(&ask, &frame);
    frame.bytes[14 + 1] = 6;
    net_send_frame(&net, &frame);
    net_expect_arp(&net, &answer);
}

/* conformance: 826 reception-hardware */
static void other_hardware_is_dropped(void **state)
{
    frame_with(0, "\0\7", 2);
    assert_dropped("bad-hardware");
}

/* conformance: 826 reception-hardware */
static void other_hardware_length_is_dropped(void **state)
{
    frame_with(4, "\10", 1);
    assert_dropped("bad-hardware");
}

/* conformance: 826 reception-protocol */
static void other_protocol_is_dropped(void **state)
{
    frame_with(2, "\x86\xdd", 2);
    assert_dropped("bad-protocol");
}

/* conformance: 826 reception-protocol */
static void other_protocol_length_is_dropped(void **state)
{
    frame_with(5, "\x10", 1);
    assert_dropped("bad-protocol");
}

static void other_operation_is_dropped(void **state)
{
    frame_with(6, "\0\3", 2);
    assert_dropped("bad-operation");
}

static void sender_with_a_group_address_is_dropped(void **state)
{
    frame_with(8, "\xff\xff\xff\xff\xff\xff", 6);
    assert_dropped("bad-sender-lladdr");
}

static void sender_with_a_zero_link_address_is_dropped(void **state)
{
    frame_with(8, "\0\0\0\0\0\0", 6);
    assert_dropped("bad-sender-lladdr");
}

static void own_echo_is_dropped(void **state)
{
    frame_with(8, "\x02\0\0\0\7\7", 6);
    assert_dropped("own-echo");
}

static void multicast_sender_is_dropped(void **state)
{
    frame_with(14, "\xe0\0\0\1", 4);
    assert_dropped("bad-sender");
}

static void broadcast_sender_is_dropped(void **state)
{
    frame_with(14, "\x0a\0\7\xff", 4);
    assert_dropped("bad-sender");
}

static void who_uses_our_address_is_logged_and_not_learned(void **state)
{
    send_request(NET_OTHER, "10.0.7.7", "10.0.7.7");
    struct net_arp defence = request(NET_OWN, "10.0.7.7", "10.0.7.7");
    net_expect_arp(&net, &defence);
    net_expect_nothing(&net);
    assert_int_equal(neighbours(), 0);
    assert_int_equal(net_counter(&net, "arp", "conflicts"), 1);
    assert_non_null(strstr(net.log, "10.0.7.7 is also used by 02:00:00:00:07:02"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(request_for_own_address_gets_a_unicast_reply),
        T(request_for_second_address_is_answered_with_it),
        T(request_for_another_host_is_not_answered),
        T(unicast_request_is_answered),
        T(probe_is_answered_and_nobody_is_learned),
        T(asker_is_known_and_not_asked_for),
        T(reply_that_nobody_asked_for_makes_no_entry),
        T(announcement_makes_no_entry),
        T(known_sender_is_updated_though_another_is_asked),
        T(announcement_updates_who_is_known),
        T(packet_waits_for_the_answer),
        T(question_comes_from_the_packets_own_address),
        T(destination_behind_the_gateway_asks_for_the_gateway),
        T(waiting_packets_go_out_in_order),
        T(newest_packet_replaces_the_oldest_that_waits),
        T(question_is_asked_three_times_a_second_apart),
        T(silence_is_reported_to_the_sender),
        T(at_most_one_question_a_second_for_a_silent_host),
        T(late_answer_is_welcome),
        T(swap_of_the_resolver_loses_no_question),
        T(all_fragments_of_a_datagram_wait),
        T(hearsay_is_checked_by_unicast_five_seconds_after_use),
        T(neighbour_that_left_is_asked_for_by_broadcast_again),
        T(answer_is_good_for_15_to_45_seconds),
        T(flood_of_askers_does_not_push_out_who_answered),
        T(packets_cut_short_anywhere_are_dropped),
        T(ieee_802_hardware_is_answered),
        T(other_hardware_is_dropped),
        T(other_hardware_length_is_dropped),
        T(other_protocol_is_dropped),
        T(other_protocol_length_is_dropped),
        T(other_operation_is_dropped),
        T(sender_with_a_group_address_is_dropped),
        T(sender_with_a_zero_link_address_is_dropped),
        T(own_echo_is_dropped),
        T(multicast_sender_is_dropped),
        T(broadcast_sender_is_dropped),
        T(who_uses_our_address_is_logged_and_not_learned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
