/* test_cubic.c: the window by RFC 9438 and RFC 9406, against the formulas of the RFCs in floating point. The plugin is compiled
 * into this file. */
#include <math.h>

#include "congestion.h"

#include "../../plugins/cubic/cubic.c"   /* NOLINT(bugprone-suspicious-include): see above */
#include "../../plugins/cubic/hystart.c" /* NOLINT(bugprone-suspicious-include) */

static const struct cubic_options standard = {.fast_convergence = true, .hystart = true};
static struct flow f;

static void start(uint32_t segments, uint32_t rtt)
{
    flow_start(&f, tn_plugin_entry(), &standard, segments, rtt);
}

/* ---- The formulas ---- */

static double cubic_of(double t, double k, double w_max)
{
    return 0.4 * (t - k) * (t - k) * (t - k) + w_max;
}

static double k_of(double w_max, double cwnd)
{
    return cbrt((w_max - cwnd) / 0.4);
}

static void assert_near(double value, double expected, double tolerance)
{
    if (fabs(value - expected) > tolerance)
        fail_msg("%.3f, expected %.3f", value, expected);
}

/* ---- The cubic function ---- */

/* conformance: 9438 4.2; 9438 4.4; 9438 4.5; 9438 4.6-beta */
static void window_follows_the_cubic_function(void **state)
{
    start(1000, 100); /* long enough a round trip for Reno to be far behind */
    flow_reduce(&f, TN_CONGESTION_LOSS);
    assert_int_equal(f.c.cwnd, 700 * MSS);
    double k = k_of(1000, 700);
    tn_time begin = f.c.now;
    for (unsigned round = 1; round <= 200; round++) { /* through the plateau at 9 s, up to 20 s */
        flow_round(&f);
        double t = (double)(f.c.now - begin) / (double)TN_SEC;
        /* The window is what the function says for the next round trip, which it approaches within one. */
        double now = cubic_of(t, k, 1000), next = cubic_of(t + 0.1, k, 1000);
        double slack = 0.75 + 0.6 * (next - now);
        assert_near(f.c.cwnd / 1000.0, (now + next) / 2, slack);
    }
    assert_true(f.c.cwnd > 1200 * MSS);
}

/* conformance: 9438 4.2-K */
static void window_comes_back_after_k(void **state)
{
    start(1000, 50);
    flow_reduce(&f, TN_CONGESTION_LOSS);
    tn_time begin = f.c.now;
    while (f.c.now - begin < (tn_time)(k_of(1000, 700) * 1e9))
        flow_round(&f);
    assert_near(f.c.cwnd / 1000.0, 1000, 1);
}

static void k_is_exact_to_a_millisecond(void **state)
{
    for (uint32_t w = 2; w < 1000000; w += w / 3 + 1) {
        uint64_t cube = (uint64_t)w * 2500000000ull;
        assert_near(cube_root(cube), cbrt((double)cube), 1.0);
    }
    assert_int_equal(cube_root(0), 0);
    assert_int_equal(cube_root(27), 3);
    assert_int_equal(cube_root(26), 2);
    assert_int_equal(cube_root(1000000000000000000ull), 1000000);
}

/* conformance: 9438 4.2-target */
static void window_grows_by_half_in_a_round_trip_at_most(void **state)
{
    start(100, 100);
    flow_reduce(&f, TN_CONGESTION_LOSS);
    flow_round(&f);
    f.c.now += 40 * TN_SEC; /* the function has run away */
    uint32_t before = f.c.cwnd;
    flow_acked(&f, before, before / MSS);
    assert_near(f.c.cwnd, before * 1.5, 1);
}

/* conformance: 9438 4.2-app-limited; 9438 5.8 */
static void time_without_use_of_the_window_does_not_count(void **state)
{
    start(1000, 100);
    flow_reduce(&f, TN_CONGESTION_LOSS);
    for (unsigned round = 0; round < 20; round++)
        flow_round(&f);
    uint32_t before = f.c.cwnd;
    f.limited = false;
    for (unsigned second = 0; second < 100; second++) {
        f.c.now += TN_SEC;
        flow_acked(&f, 10 * MSS, 10);
    }
    assert_int_equal(f.c.cwnd, before);
    f.limited = true;
    flow_round(&f);
    assert_near(f.c.cwnd, cubic_of(2.15, k_of(1000, 700), 1000) * 1000, 4000);
}

/* A pause in which nothing was in flight, short of a timeout. */
static void time_of_a_pause_does_not_count(void **state)
{
    start(1000, 100);
    flow_reduce(&f, TN_CONGESTION_LOSS);
    for (unsigned round = 0; round < 20; round++)
        flow_round(&f);
    f.c.now += 100 * TN_MSEC;
    flow_acked(&f, f.c.flight, 700); /* all of it */
    for (unsigned pause = 0; pause < 30; pause++) {
        f.c.now += 400 * TN_MSEC; /* 300 of them idle */
        flow_acked(&f, f.c.flight, 700);
    }
    assert_near(f.c.cwnd, cubic_of(2.1 + 3 + 0.1, k_of(1000, 700), 1000) * 1000, 5000);
}

/* ---- The Reno-friendly region ---- */

/* conformance: 9438 4.3 */
static void short_round_trips_are_as_good_as_reno(void **state)
{
    start(20, 10);
    flow_reduce(&f, TN_CONGESTION_LOSS);
    double w_est = 14, alpha = 3 * 0.3 / 1.7;
    for (unsigned round = 0; round < 30; round++) {
        unsigned segments = f.c.cwnd / MSS;
        for (unsigned i = 0; i < segments; i++) {
            w_est += (w_est >= 20 ? 1 : alpha) / (f.c.cwnd / 1000.0);
            f.c.now += f.c.srtt * TN_USEC / segments;
            flow_acked(&f, MSS, 1);
            assert_near(f.c.cwnd / 1000.0, w_est, 0.1);
        }
    }
    assert_true(f.c.cwnd > 30 * MSS); /* with a slope of 1 beyond 20 */
}

/* ---- Congestion ---- */

/* conformance: 9438 4.7 */
static void shrinking_window_gives_up_more(void **state)
{
    start(1000, 100);
    flow_reduce(&f, TN_CONGESTION_LOSS);
    flow_round(&f);
    double cwnd = f.c.cwnd / 1000.0;
    flow_reduce(&f, TN_CONGESTION_LOSS); /* below 1000 */
    flow_round(&f);
    double w_max = cwnd * 1.7 / 2, k = k_of(w_max, cwnd * 0.7);
    assert_near(f.c.cwnd / 1000.0, cubic_of(0.15, k, w_max), 3);
    const struct cubic *q = f.c.record;
    assert_near(q->w_max, w_max * 1000, 2);

    struct cubic_options alone = {.fast_convergence = false};
    flow_start(&f, tn_plugin_entry(), &alone, 1000, 100);
    flow_reduce(&f, TN_CONGESTION_LOSS);
    flow_round(&f);
    uint32_t window = f.c.cwnd;
    flow_reduce(&f, TN_CONGESTION_LOSS);
    assert_int_equal(q->w_max, window);
}

/* conformance: 9438 4.6-flight; 7661 4.4.1 */
static void reduction_is_of_what_is_in_flight(void **state)
{
    start(100, 100);
    f.c.flight = 50 * MSS;
    flow_reduce(&f, TN_CONGESTION_ECN);
    assert_int_equal(f.c.ssthresh, 35 * MSS);
    start(100, 100);
    f.c.flight = 102 * MSS; /* limited transmit */
    flow_reduce(&f, TN_CONGESTION_LOSS);
    assert_int_equal(f.c.ssthresh, 70 * MSS);
    start(2, 100);
    flow_reduce(&f, TN_CONGESTION_LOSS);
    assert_int_equal(f.c.ssthresh, 2 * MSS);
}

/* conformance: 9438 4.8 */
static void stage_after_a_timeout_begins_flat(void **state)
{
    start(1000, 100);
    flow_reduce(&f, TN_CONGESTION_TIMEOUT);
    assert_int_equal(f.c.ssthresh, 700 * MSS);
    assert_int_equal(f.c.cwnd, MSS);
    while (f.c.cwnd < f.c.ssthresh)
        flow_round(&f);
    tn_time begin = f.c.now;
    double start_window = f.c.cwnd / 1000.0;
    for (unsigned round = 0; round < 40; round++)
        flow_round(&f);
    double t = (double)(f.c.now - begin) / (double)TN_SEC;
    assert_near(f.c.cwnd / 1000.0, cubic_of(t, 0, start_window), 15); /* and not 1000: K is 0 */
}

/* ---- HyStart++ ---- */

static const struct cubic_hystart *hystart(void)
{
    return &((const struct cubic *)f.c.record)->hystart;
}

/* All that is in flight is acknowledged in one batch. */
static void round_at_once(void)
{
    flow_acked(&f, f.c.flight, f.c.flight / MSS);
}

/* conformance: 9406 4.2-L */
static void hystart_grows_by_eight_segments_an_acknowledgement(void **state)
{
    start(20, 100);
    flow_acked(&f, 20 * MSS, 1);
    assert_int_equal(f.c.cwnd, 28 * MSS);
    flow_acked(&f, 20 * MSS, 4);
    assert_int_equal(f.c.cwnd, 48 * MSS);
}

/* conformance: 9406 4.2; 9406 4.3 */
static void longer_round_trips_slow_the_first_slow_start_and_end_it(void **state)
{
    start(10, 100);
    round_at_once(); /* 20, 100 ms each */
    round_at_once(); /* 40 */
    assert_int_equal(f.c.cwnd, 40 * MSS);
    f.rtt = 112499; /* an eighth more is 112.5 ms */
    round_at_once();
    assert_int_equal(f.c.cwnd, 80 * MSS);
    f.rtt = 126561; /* an eighth more */
    for (unsigned i = 0; i < 7; i++)
        flow_acked(&f, MSS, 1);
    assert_int_equal(hystart()->baseline, 0); /* seven samples are too few */
    flow_acked(&f, MSS, 1);
    assert_int_equal(hystart()->baseline, 126561);
    assert_int_equal(f.c.cwnd, 88 * MSS);
    for (unsigned i = 0; i < 72; i++) /* the rest of this round, at a quarter */
        flow_acked(&f, MSS, 1);
    assert_int_equal(f.c.cwnd, (88 + 18) * MSS);
    for (unsigned round = 2; round <= 5; round++) {
        assert_int_equal(f.c.ssthresh, TN_CONGESTION_WINDOW_MAX);
        f.una += f.c.cwnd;    /* all that was in flight … */
        flow_acked(&f, 0, 0); /* … is acknowledged */
    }
    assert_int_equal(f.c.ssthresh, f.c.cwnd); /* five rounds: congestion avoidance */
    assert_int_equal(f.c.cwnd, 106 * MSS);
}

/* conformance: 9406 4.2-resume */
static void slow_start_goes_on_if_the_round_trip_time_falls_again(void **state)
{
    start(16, 100);
    flow_round(&f);
    f.rtt = 120000;
    flow_round(&f);
    assert_int_equal(hystart()->baseline, 120000);
    f.rtt = 119000;
    flow_round(&f);
    assert_int_equal(hystart()->baseline, 0);
    uint32_t before = f.c.cwnd;
    flow_acked(&f, MSS, 1);
    assert_int_equal(f.c.cwnd, before + MSS);
}

static void threshold_is_from_4_to_16_milliseconds(void **state)
{
    static const struct {
        uint32_t rtt, ends; /* microseconds */
    } cases[] = {{1000, 5000}, {40000, 45000}, {80000, 90000}, {1000000, 1016000}};
    for (size_t i = 0; i < TN_ARRAY_SIZE(cases); i++) {
        for (uint32_t less = 0; less <= 1; less++) {
            start(16, cases[i].rtt / 1000);
            flow_round(&f);
            f.rtt = cases[i].ends - less;
            flow_acked(&f, 16 * MSS, 16);
            assert_int_equal(hystart()->baseline, less ? 0 : cases[i].ends);
        }
    }
}

/* conformance: 9406 4.3-initial */
static void only_the_first_slow_start_has_hystart(void **state)
{
    start(100, 100);
    flow_reduce(&f, TN_CONGESTION_TIMEOUT);
    for (unsigned round = 0; round < 4; round++) {
        f.rtt += 50000;
        flow_round(&f);
    }
    assert_int_equal(f.c.cwnd, 16 * MSS);
}

/* conformance: 9438 4.10 */
static void stage_after_hystart_begins_flat(void **state)
{
    start(100, 100);
    f.c.ssthresh = f.c.cwnd; /* as it leaves it */
    tn_time begin = f.c.now;
    for (unsigned round = 0; round < 100; round++)
        flow_round(&f);
    double t = (double)(f.c.now - begin) / (double)TN_SEC;
    assert_near(f.c.cwnd / 1000.0, cubic_of(t, 0, 100), 15);
}

/* conformance: 9438 4.9.2 */
static void record_restored_goes_on_as_if_nothing_had_been(void **state)
{
    uint64_t saved[TN_CONGESTION_RECORD / 8];
    start(1000, 100);
    flow_reduce(&f, TN_CONGESTION_LOSS);
    for (unsigned round = 0; round < 10; round++)
        flow_round(&f);
    struct tn_congestion before = f.c;
    memcpy(saved, f.record, sizeof(saved));
    flow_reduce(&f, TN_CONGESTION_LOSS);
    memcpy(f.record, saved, sizeof(saved)); /* what the transport does */
    f.c.cwnd = before.cwnd;
    f.c.ssthresh = before.ssthresh;
    f.c.flight = before.flight;
    flow_round(&f);
    assert_near(f.c.cwnd / 1000.0, cubic_of(1.15, k_of(1000, 700), 1000), 5);
}

static void window_never_overflows(void **state)
{
    start(1000000, 1000);
    flow_reduce(&f, TN_CONGESTION_LOSS);
    for (unsigned i = 0; i < 10000; i++) {
        f.c.now += 10 * TN_SEC;
        flow_acked(&f, f.c.flight, 1000);
        assert_true(f.c.cwnd <= TN_CONGESTION_WINDOW_MAX);
    }
    assert_int_equal(f.c.cwnd, TN_CONGESTION_WINDOW_MAX);
    start(1, 1);
    f.c.mss = 65535;
    f.c.ssthresh = MSS;
    flow_acked(&f, UINT32_MAX, UINT32_MAX);
    assert_true(f.c.cwnd <= TN_CONGESTION_WINDOW_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_follows_the_cubic_function),
        cmocka_unit_test(window_comes_back_after_k),
        cmocka_unit_test(k_is_exact_to_a_millisecond),
        cmocka_unit_test(window_grows_by_half_in_a_round_trip_at_most),
        cmocka_unit_test(time_without_use_of_the_window_does_not_count),
        cmocka_unit_test(time_of_a_pause_does_not_count),
        cmocka_unit_test(short_round_trips_are_as_good_as_reno),
        cmocka_unit_test(shrinking_window_gives_up_more),
        cmocka_unit_test(reduction_is_of_what_is_in_flight),
        cmocka_unit_test(stage_after_a_timeout_begins_flat),
        cmocka_unit_test(hystart_grows_by_eight_segments_an_acknowledgement),
        cmocka_unit_test(longer_round_trips_slow_the_first_slow_start_and_end_it),
        cmocka_unit_test(slow_start_goes_on_if_the_round_trip_time_falls_again),
        cmocka_unit_test(threshold_is_from_4_to_16_milliseconds),
        cmocka_unit_test(only_the_first_slow_start_has_hystart),
        cmocka_unit_test(stage_after_hystart_begins_flat),
        cmocka_unit_test(record_restored_goes_on_as_if_nothing_had_been),
        cmocka_unit_test(window_never_overflows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
