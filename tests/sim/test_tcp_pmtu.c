/* TCP and the path's MTU: routers that tell (RFC 1191), black holes that do not (RFC 4821), and larger segments again. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "dialogue.h"

#define MINUTE (60 * TN_SEC)

static struct dialogue d;
static uint32_t acked;       /* all before it */
static uint8_t got[4000000]; /* which octets the peer has … */
static uint32_t received;    /* … up to this one */

static struct tcp_info info(void)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    assert_int_equal(tn_getsockopt(d.stack, d.fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return info;
}

static void start(const char *tcp)
{
    established(&d, tcp, "mss 1460,nop,nop,sackOK");
    acked = 1;
    received = 1;
    memset(got, 0, sizeof(got));
}

static void hear(uint32_t len)
{
    char text[80];
    snprintf(text, sizeof(text), "* %u:%u ack 1", acked, acked + len);
    text[0] = '.';
    stack(&d, text);
    acked += len;
}

static void acknowledge(void)
{
    char text[80];
    snprintf(text, sizeof(text), ". 1 ack %u", acked);
    peer(&d, text);
}

/* A router on the way lets packets of `mtu` through; four segments were lost and came again. */
static void lowered_to(uint16_t mtu)
{
    user_writes(&d, 1460 * 3);
    for (int i = 0; i < 2; i++)
        hear(1460);
    stack(&d, "P. 2921:4381 ack 1");
    acked = 1;
    icmp(&d, 3, 4, mtu, ". 1:1461");
    (void)stack_said(&d);
    acked = 4381;
    acknowledge();
    assert_int_equal(info().tcpi_snd_mss, mtu - 40);
    (void)stack_said(&d);
}

/* ---- RFC 1191 ---- */

/* conformance: 1191 6.3; 4821 7.4; 4821 4-bytes */
static void larger_segment_is_tried_after_ten_minutes(void **state)
{
    start("{}");
    lowered_to(1000);
    tn_sim_run(d.sim, 10 * MINUTE - TN_SEC);
    user_writes(&d, 960 * 10);
    for (int i = 0; i < 9; i++)
        hear(960);
    stack(&d, "P. 13021:13981 ack 1");
    acked = 13981;
    acknowledge();
    tn_sim_run(d.sim, 2 * TN_SEC);
    user_writes(&d, 1460 + 960 * 9);
    hear(1460); /* the first of them is a probe */
    for (int i = 0; i < 7; i++)
        hear(960);
    uint32_t rest = acked;
    hear(960);
    stack_silent(&d);
    acked = rest;
    uint32_t before = info().tcpi_snd_cwnd * 960;
    acknowledge();
    assert_int_equal(info().tcpi_snd_mss, 1460);
    assert_true(info().tcpi_snd_cwnd * 1460 <= before * 2 + 1460); /* slow start, but no more: in octets */
    assert_int_equal(tcp_counter(&d, "path-mtu-raised"), 1);
    dialogue_stop(&d);
}

/* conformance: 1191 3-raise; 1191 3-least */
static void estimate_is_never_raised_by_a_message_and_never_below_68(void **state)
{
    start("{}");
    lowered_to(1000);
    user_writes(&d, 960);
    stack(&d, "P. 4381:5341 ack 1");
    icmp(&d, 3, 4, 1400, ". 4381:5341");
    assert_int_equal(info().tcpi_snd_mss, 960);
    stack_silent(&d);
    icmp(&d, 3, 4, 20, ". 4381:5341");
    assert_int_equal(info().tcpi_pmtu, 68);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* conformance: 1191 5 */
static void router_that_does_not_say_what_fits_gets_the_next_plateau(void **state)
{
    start("{}");
    user_writes(&d, 1460);
    stack(&d, "P. 1:1461 ack 1");
    icmp(&d, 3, 4, 0, ". 1:1461");
    assert_int_equal(info().tcpi_pmtu, 1492);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* ---- RFC 4821 ---- */

/* Full segments vanish: from the third timeout on, smaller ones are sent. */
static void black_hole(void)
{
    start("{ minimum-rto: 1s }");
    user_writes(&d, 1460 * 30);
    for (int i = 0; i < 10; i++)
        hear(1460);
    acked = 1;
    stack_after(&d, 2 * TN_MSEC, ". 14601:16061 ack 1"); /* a tail loss probe */
    stack_after(&d, 1 * TN_SEC, ". 1:1461 ack 1");
    stack_after(&d, 2 * TN_SEC, ". 1:1461 ack 1");
    stack_after(&d, 4 * TN_SEC, ". 1:985 ack 1");
    assert_int_equal(tcp_counter(&d, "black-holes"), 1);
}

/* conformance: 4821 7.7 */
static void black_hole_is_found_by_timeouts_of_full_segments(void **state)
{
    black_hole();
    assert_int_equal(info().tcpi_snd_mss, 984);
    acked = 985;
    acknowledge();
    stack(&d, ". 16061:17045 ack 1"); /* new data first (RFC 5682) */
    stack(&d, ". 17045:18029 ack 1");
    dialogue_stop(&d);
}

/* conformance: 4821 7.7 */
static void silence_beyond_halves_the_segments(void **state)
{
    black_hole();
    stack_after(&d, 8 * TN_SEC, ". 1:473 ack 1");  /* 512 */
    stack_after(&d, 16 * TN_SEC, ". 1:257 ack 1"); /* 296 */
    stack_after(&d, 32 * TN_SEC, ". 1:257 ack 1");
    dialogue_stop(&d);
}

static void small_segments_are_not_suspected(void **state)
{
    start("{ minimum-rto: 1s }");
    user_writes(&d, 1000);
    for (unsigned rto = 1; rto <= 16; rto *= 2) {
        (void)stack_said(&d);
        tn_sim_run(d.sim, rto * TN_SEC);
    }
    assert_int_equal(info().tcpi_snd_mss, 1460);
    (void)stack_said(&d);
    dialogue_stop(&d);
}

/* The peer gets segments of `mtu` and less, so many of them, and acknowledges each: with SACK, those beyond the first that is
 * missing. */
static void path(uint32_t mtu, unsigned segments)
{
    static uint8_t p[70000];
    uint32_t next = acked, highest = received;
    for (unsigned i = 0; i < segments; i++) {
        ssize_t n = tn_host_receive(d.stack, "h0", p, sizeof(p));
        if (n <= 0)
            break;
        uint32_t seq = tn_load32(p + 24) - d.iss, end = seq + (uint32_t)n - 20 - (p[32] >> 4) * 4u;
        if ((uint32_t)n > mtu || end == seq)
            continue;
        memset(got + seq, 1, end - seq);
        highest = end > highest ? end : highest;
        received = highest;
        while (got[next])
            next++;
        char text[120];
        if (next == highest)
            snprintf(text, sizeof(text), ". 1 ack %u", next);
        else {
            uint32_t gap = next;
            while (!got[gap])
                gap++;
            snprintf(text, sizeof(text), ". 1 ack %u <nop,nop,sack %u:%u>", next, gap, highest);
        }
        tn_sim_run(d.sim, TN_MSEC);
        peer(&d, text);
    }
    acked = next;
}

/* conformance: 4821 7.6.1; 4821 7.5 */
static void search_finds_the_interface_right_again(void **state)
{
    black_hole();
    acked = 985;
    acknowledge();
    path(1500, 100);
    assert_int_equal(tcp_counter(&d, "mtu-probes"), 1);
    assert_int_equal(tcp_counter(&d, "path-mtu-raised"), 1);
    assert_int_equal(info().tcpi_snd_mss, 1460);
    assert_int_equal(info().tcpi_pmtu, 1500);
    dialogue_stop(&d);
}

/* The path takes 1400 octets, and nobody says so: the search comes near, and no probe that is lost lowers the window. */
/* conformance: 4821 7.6.2; 4821 7.3 */
static void search_converges_and_lost_probes_are_no_congestion(void **state)
{
    black_hole();
    acked = 985;
    acknowledge();
    path(1400, 100);
    uint32_t ssthresh = info().tcpi_snd_ssthresh * 984;
    uint64_t recoveries = tcp_counter(&d, "fast-recoveries");
    for (unsigned round = 0; round < 40; round++) {
        user_writes(&d, 10000);
        path(1400, 100);
        tn_sim_run(d.sim, 5 * TN_SEC);
    }
    assert_in_range(info().tcpi_pmtu, 1400 - 8, 1400);
    assert_true(tcp_counter(&d, "mtu-probes-lost") >= 3);
    assert_true(tcp_counter(&d, "path-mtu-raised") >= 3);
    assert_int_equal(tcp_counter(&d, "fast-recoveries"), recoveries);
    assert_int_equal(tcp_counter(&d, "retransmit-timeouts"), 3);
    assert_in_range(info().tcpi_snd_ssthresh * info().tcpi_snd_mss, ssthresh - 1500, ssthresh + 1500);
    dialogue_stop(&d);
}

/* conformance: 4821 7.6.3 */
static void probe_that_a_timeout_finds_lost_makes_the_next_one_wait(void **state)
{
    black_hole();
    acked = 985;
    acknowledge();
    memset(got, 1, 985);
    received = 985;
    for (unsigned i = 0; tcp_counter(&d, "mtu-probes") == 0; i++) {
        assert_true(i < 10000);
        path(1400, 1);
        tn_sim_run(d.sim, TN_MSEC);
    }
    uint64_t timeouts = tcp_counter(&d, "retransmit-timeouts");
    for (unsigned i = 0; tcp_counter(&d, "retransmit-timeouts") == timeouts;
         i++) { /* nothing arrives any more */
        assert_true(i < 1000);
        (void)stack_said(&d);
        tn_sim_run(d.sim, 10 * TN_MSEC);
    }
    assert_int_equal(tcp_counter(&d, "mtu-probes-lost"), 1);
    tn_time since = tn_sim_now(d.sim);
    while (tcp_counter(&d, "mtu-probes") == 1) {
        user_writes(&d, 10000);
        path(1400, 100);
        tn_sim_run(d.sim, 50 * TN_MSEC);
        assert_true(tn_sim_now(d.sim) < since + 60 * TN_SEC);
    }
    assert_true(tn_sim_now(d.sim) >= since + 5 * TN_SEC); /* five times the least interval */
    dialogue_stop(&d);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(larger_segment_is_tried_after_ten_minutes),
        T(estimate_is_never_raised_by_a_message_and_never_below_68),
        T(router_that_does_not_say_what_fits_gets_the_next_plateau),
        T(black_hole_is_found_by_timeouts_of_full_segments),
        T(silence_beyond_halves_the_segments),
        T(small_segments_are_not_suspected),
        T(search_finds_the_interface_right_again),
        T(search_converges_and_lost_probes_are_no_congestion),
        T(probe_that_a_timeout_finds_lost_makes_the_next_one_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
