/* test_newreno.c: the window by RFC 5681 and RFC 3465. The plugin is compiled into this file. */
#include "congestion.h"

#include "../../plugins/newreno/newreno.c" /* NOLINT(bugprone-suspicious-include): see above */

static struct flow f;

/* conformance: 5681 3.1-slow-start; 3465 2.1 */
static void slow_start_grows_by_what_is_acknowledged(void **state)
{
    flow_start(&f, tn_plugin_entry(), NULL, 4, 100);
    flow_acked(&f, MSS, 1);
    assert_int_equal(f.c.cwnd, 5 * MSS);
    flow_acked(&f, 700, 1); /* octets, not acknowledgements */
    assert_int_equal(f.c.cwnd, 5700);
    flow_start(&f, tn_plugin_entry(), NULL, 4, 100);
    for (unsigned round = 1; round <= 6; round++) {
        flow_round(&f);
        assert_int_equal(f.c.cwnd, (4u << round) * MSS); /* doubled */
    }
}

/* conformance: 3465 2.2 */
static void stretched_acknowledgement_grows_slow_start_by_two_segments(void **state)
{
    flow_start(&f, tn_plugin_entry(), NULL, 10, 100);
    flow_acked(&f, 6 * MSS, 1);
    assert_int_equal(f.c.cwnd, 12 * MSS);
    flow_acked(&f, 6 * MSS, 3); /* in one batch, but three */
    assert_int_equal(f.c.cwnd, 18 * MSS);
}

/* conformance: 3465 2.3 */
static void slow_start_after_a_timeout_grows_by_one_segment_an_acknowledgement(void **state)
{
    flow_start(&f, tn_plugin_entry(), NULL, 40, 100);
    flow_reduce(&f, TN_CONGESTION_TIMEOUT);
    assert_int_equal(f.c.ssthresh, 20 * MSS);
    struct tn_congestion_ack ack = {.octets = 3 * MSS, .count = 1, .limited = true, .after_timeout = true};
    f.ops->acked(&f.self, &f.c, &ack);
    assert_int_equal(f.c.cwnd, 2 * MSS);
}

/* conformance: 5681 3.1-avoidance; 3465 2.1 */
static void congestion_avoidance_grows_by_one_segment_a_window(void **state)
{
    flow_start(&f, tn_plugin_entry(), NULL, 10, 100);
    f.c.ssthresh = f.c.cwnd;
    for (unsigned i = 0; i < 9; i++)
        flow_acked(&f, MSS, 1);
    assert_int_equal(f.c.cwnd, 10 * MSS);
    flow_acked(&f, MSS, 1);
    assert_int_equal(f.c.cwnd, 11 * MSS);
    flow_acked(&f, 11 * MSS, 11); /* a batch counts like its acknowledgements */
    assert_int_equal(f.c.cwnd, 12 * MSS);
}

static void slow_start_ends_at_the_threshold_within_a_batch(void **state)
{
    flow_start(&f, tn_plugin_entry(), NULL, 10, 100);
    f.c.ssthresh = 12 * MSS;
    flow_acked(&f, 10 * MSS, 10); /* two to the threshold, eight of twelve for the next */
    assert_int_equal(f.c.cwnd, 12 * MSS);
    flow_acked(&f, 4 * MSS, 4);
    assert_int_equal(f.c.cwnd, 13 * MSS);
}

/* conformance: 5681 3.1-eq4 */
static void congestion_halves_what_is_in_flight(void **state)
{
    flow_start(&f, tn_plugin_entry(), NULL, 20, 100);
    f.c.flight = 14 * MSS;
    flow_reduce(&f, TN_CONGESTION_LOSS);
    assert_int_equal(f.c.ssthresh, 7 * MSS);
    flow_start(&f, tn_plugin_entry(), NULL, 3, 100);
    flow_reduce(&f, TN_CONGESTION_LOSS);
    assert_int_equal(f.c.ssthresh, 2 * MSS);
}

/* conformance: 5681 3.2-limited-transmit */
static void what_limited_transmit_sent_does_not_count_as_in_flight(void **state)
{
    flow_start(&f, tn_plugin_entry(), NULL, 20, 100);
    f.c.flight = 22 * MSS;
    flow_reduce(&f, TN_CONGESTION_LOSS);
    assert_int_equal(f.c.ssthresh, 10 * MSS);
}

static void window_that_is_not_used_does_not_grow(void **state)
{
    flow_start(&f, tn_plugin_entry(), NULL, 20, 100);
    f.limited = false;
    flow_acked(&f, 5 * MSS, 5);
    assert_int_equal(f.c.cwnd, 20 * MSS);
    f.c.ssthresh = 10 * MSS;
    flow_acked(&f, 50 * MSS, 50);
    assert_int_equal(f.c.cwnd, 20 * MSS);
}

static void window_does_not_overflow(void **state)
{
    flow_start(&f, tn_plugin_entry(), NULL, 1, 100);
    f.c.cwnd = TN_CONGESTION_WINDOW_MAX - MSS / 2;
    flow_acked(&f, 10 * MSS, 10);
    assert_int_equal(f.c.cwnd, TN_CONGESTION_WINDOW_MAX);
    f.c.ssthresh = MSS;
    flow_acked(&f, UINT32_MAX, 1);
    assert_int_equal(f.c.cwnd, TN_CONGESTION_WINDOW_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_start_grows_by_what_is_acknowledged),
        cmocka_unit_test(stretched_acknowledgement_grows_slow_start_by_two_segments),
        cmocka_unit_test(slow_start_after_a_timeout_grows_by_one_segment_an_acknowledgement),
        cmocka_unit_test(congestion_avoidance_grows_by_one_segment_a_window),
        cmocka_unit_test(slow_start_ends_at_the_threshold_within_a_batch),
        cmocka_unit_test(congestion_halves_what_is_in_flight),
        cmocka_unit_test(what_limited_transmit_sent_does_not_count_as_in_flight),
        cmocka_unit_test(window_that_is_not_used_does_not_grow),
        cmocka_unit_test(window_does_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
