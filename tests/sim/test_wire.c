/* The simulated link: every impairment alone, exact where it is exact and within bounds where it is chance.
 * The bounds are five standard deviations of the binomial distribution; the seed is printed, and TENON_SEED=…
 * repeats a run. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dispatch.h"
#include "frames.h"
#include "interface.h"

#define FRAMES 4000

static uint64_t seed;
static struct tn_sim *sim;
static struct tn_stack *a, *b;
static struct frame_log in;

/* The stack that sends. */
static const char *yaml_of_a(const char *options)
{
    static char yaml[1024];
    snprintf(yaml, sizeof(yaml),
             "stack: { name: a }\ninterfaces: { w0: { driver: wire%s%s } }\nprotocols: { ether: {} }\n",
             *options ? ", " : "", options);
    return yaml;
}

/* Two stacks with a wire between them; `options` are those of the end that sends. */
static void make_seeded(const char *options, uint64_t with_seed)
{
    sim = frames_sim(with_seed);
    a = frames_stack(sim, yaml_of_a(options));
    b = frames_stack(sim, "stack: { name: b, limits: { port-queue: 20000 } }\n"
                          "interfaces: { w0: { driver: wire } }\nprotocols: { ether: {} }\n");
    assert_int_equal(tn_stack_join(a, "w0", b, "w0"), 0);
    frame_log_start(&in, b);
}

static void make(const char *options)
{
    make_seeded(options, seed);
}

static int end(void **state)
{
    struct tn_usage usage;
    tn_stack_usage(a, &usage);
    assert_int_equal(usage.packets, 0);
    assert_int_equal(usage.timers, 0);
    tn_stack_usage(b, &usage);
    assert_int_equal(usage.packets, 0);
    frame_log_free(&in);
    tn_sim_destroy(sim);
    return 0;
}

/* A frame of `len` bytes with its number in front. */
static void transmit(uint32_t number, size_t len)
{
    uint8_t frame[2048] = {0};
    tn_store32(frame, number);
    frames_transmit(a, "w0", frame, len);
}

static uint32_t number_of(const struct frame *f)
{
    return tn_load32(f->head);
}

static void send_many(uint32_t count, tn_time gap)
{
    for (uint32_t i = 0; i < count; i++) {
        transmit(i, 100);
        if (gap)
            tn_sim_run(sim, gap);
    }
}

static uint64_t counter(const char *name)
{
    return tn_stack_counter(a, "wire", name);
}

static uint64_t drops(const char *name)
{
    return tn_stack_drops(a, "wire", name);
}

/* That `hits` of `count` chances at `percent` is no wonder. */
static void assert_binomial(uint64_t hits, uint64_t count, double percent)
{
    double p = percent / 100, mean = (double)count * p, sigma = sqrt(mean * (1 - p));
    if (fabs((double)hits - mean) > 5 * sigma)
        fail_msg("%llu of %llu, expected %.0f +- %.0f (seed %llu)", (unsigned long long)hits,
                 (unsigned long long)count, mean, 5 * sigma, (unsigned long long)seed);
}

/* ---- Nothing ---- */

static void plain_wire_delivers_at_once_and_in_order(void **state)
{
    make("");
    tn_time start = tn_sim_now(sim);
    send_many(1000, 0);
    tn_sim_settle(sim);
    assert_int_equal(in.count, 1000);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(number_of(&in.frames[i]), i);
        assert_int_equal(in.frames[i].time, start);
        assert_int_equal(in.frames[i].len, 100);
    }
}

static void bytes_arrive_as_they_were_sent(void **state)
{
    uint8_t frame[1514];
    for (size_t i = 0; i < sizeof(frame); i++)
        frame[i] = (uint8_t)(i * 31);
    make("delay: 1ms");
    frames_transmit(a, "w0", frame, sizeof(frame));
    tn_sim_run(sim, TN_SEC);
    assert_int_equal(in.count, 1);
    assert_int_equal(in.frames[0].len, sizeof(frame));
    assert_int_equal(in.frames[0].hash, frame_hash(frame, sizeof(frame)));
}

static void other_direction_has_its_own_options(void **state)
{
    struct frame_log back;
    uint8_t frame[60] = {0};
    make("delay: 50ms");
    frame_log_start(&back, a);
    tn_time start = tn_sim_now(sim);
    frames_transmit(b, "w0", frame, sizeof(frame));
    tn_sim_settle(sim);
    assert_int_equal(back.count, 1);
    assert_int_equal(back.frames[0].time, start);
    frame_log_free(&back);
}

/* ---- Delay and jitter ---- */

static void delay_is_exact(void **state)
{
    make("delay: 50ms");
    for (uint32_t i = 0; i < 20; i++) {
        tn_time sent = tn_sim_now(sim);
        transmit(i, 100);
        tn_sim_run(sim, 50 * TN_MSEC - TN_TIMER_TICK);
        assert_int_equal(in.count, i);
        tn_sim_run(sim, TN_TIMER_TICK);
        assert_int_equal(in.count, i + 1);
        assert_int_equal(in.frames[i].time, sent + 50 * TN_MSEC);
    }
}

static void delayed_frames_keep_their_distances(void **state)
{
    make("delay: 50ms");
    tn_time start = tn_sim_now(sim);
    send_many(100, 3 * TN_MSEC);
    tn_sim_run(sim, TN_SEC);
    assert_int_equal(in.count, 100);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(number_of(&in.frames[i]), i);
        assert_int_equal(in.frames[i].time, start + i * 3 * TN_MSEC + 50 * TN_MSEC);
    }
}

static void jitter_stays_in_its_range_and_spreads(void **state)
{
    tn_time least = TN_NEVER, most = 0;
    make("delay: 10ms, jitter: 10ms");
    tn_time start = tn_sim_now(sim);
    send_many(500, 100 * TN_MSEC);
    assert_int_equal(in.count, 500);
    for (uint32_t i = 0; i < 500; i++) {
        tn_time took = in.frames[i].time - (start + i * 100 * TN_MSEC);
        least = took < least ? took : least;
        most = took > most ? took : most;
    }
    assert_in_range(least, 10 * TN_MSEC, 11 * TN_MSEC);
    assert_in_range(most, 19 * TN_MSEC, 20 * TN_MSEC + TN_TIMER_TICK);
}

static void jitter_does_not_reorder(void **state)
{
    make("delay: 10ms, jitter: 50ms");
    send_many(FRAMES, TN_MSEC);
    tn_sim_run(sim, TN_SEC);
    assert_int_equal(in.count, FRAMES);
    for (uint32_t i = 0; i < FRAMES; i++)
        assert_int_equal(number_of(&in.frames[i]), i);
}

/* ---- Loss, duplication, reordering, corruption ---- */

static void loss_is_as_frequent_as_configured(void **state)
{
    make("loss: 10%");
    send_many(FRAMES, 0);
    tn_sim_settle(sim);
    assert_int_equal(in.count + drops("lost"), FRAMES);
    assert_binomial(drops("lost"), FRAMES, 10);
}

static void fractions_of_a_percent_count(void **state)
{
    make("loss: 0.5%");
    send_many(FRAMES, 0);
    tn_sim_settle(sim);
    assert_true(drops("lost") > 0);
    assert_binomial(drops("lost"), FRAMES, 0.5);
}

static void all_or_nothing_is_exact(void **state)
{
    make("loss: 100%");
    send_many(FRAMES, 0);
    tn_sim_settle(sim);
    assert_int_equal(in.count, 0);
    assert_int_equal(drops("lost"), FRAMES);
}

static void duplicate_follows_its_original(void **state)
{
    make("duplicate: 20%, delay: 5ms");
    send_many(FRAMES, 0);
    tn_sim_run(sim, TN_SEC);
    assert_int_equal(in.count, FRAMES + counter("duplicated"));
    assert_binomial(counter("duplicated"), FRAMES, 20);
    uint64_t seen = 0;
    for (uint32_t i = 1; i < in.count; i++)
        seen += number_of(&in.frames[i]) == number_of(&in.frames[i - 1]);
    assert_int_equal(seen, counter("duplicated"));
}

static void reordered_frame_overtakes_those_on_their_way(void **state)
{
    make("delay: 50ms, reorder: 5%");
    tn_time start = tn_sim_now(sim);
    send_many(FRAMES, TN_MSEC);
    tn_sim_run(sim, TN_SEC);
    assert_int_equal(in.count, FRAMES);
    assert_binomial(counter("reordered"), FRAMES, 5);
    uint64_t early = 0;
    for (uint32_t i = 0; i < FRAMES; i++) {
        tn_time took = in.frames[i].time - (start + number_of(&in.frames[i]) * TN_MSEC);
        assert_true(took == 0 || took == 50 * TN_MSEC);
        early += took == 0;
    }
    assert_int_equal(early, counter("reordered"));
}

static void reorder_without_delay_is_refused(void **state)
{
    struct tn_error error;
    struct tn_stack *c;
    make("");
    assert_true(tn_sim_add(sim,
                           "stack: { name: c }\ninterfaces: { w0: { driver: wire, reorder: 5% } }\n"
                           "protocols: { ether: {} }\n",
                           &c, &error) < 0);
    assert_non_null(strstr(error.text, "w0: the option reorder needs a delay"));
}

static void corruption_flips_one_bit(void **state)
{
    uint8_t frame[64] = {0};
    unsigned places[64] = {0};
    make("corrupt: 100%");
    for (int i = 0; i < FRAMES; i++)
        frames_transmit(a, "w0", frame, sizeof(frame));
    tn_sim_settle(sim);
    assert_int_equal(in.count, FRAMES);
    assert_int_equal(counter("corrupted"), FRAMES);
    for (int i = 0; i < FRAMES; i++) {
        int bits = 0;
        for (int j = 0; j < 64; j++) {
            bits += __builtin_popcount(in.frames[i].head[j]);
            places[j] += in.frames[i].head[j] != 0;
        }
        assert_int_equal(bits, 1);
    }
    for (int j = 0; j < 64; j++)
        assert_binomial(places[j], FRAMES, 100.0 / 64);
}

/* The sender may keep clones of what it sends (a retransmission queue): those must stay as they are. */
static void corruption_spares_the_senders_bytes(void **state)
{
    make("corrupt: 100%, delay: 1ms");
    struct tn_ifc *ifc = tn_interface_by_name(a, "w0");
    struct tn_packet *packet = tn_packet_new(&a->pool, 100);
    memset(packet->data, 0, 100);
    tn_core_transmit(tn_core_self(a), &ifc->pub, tn_packet_clone(&a->pool, packet));
    tn_sim_run(sim, TN_SEC);
    assert_int_equal(in.count, 1);
    assert_int_equal(counter("corrupted"), 1);
    for (int i = 0; i < 100; i++)
        assert_int_equal(packet->data[i], 0);
    tn_packet_free(&a->pool, packet);
}

/* ---- Rate and queue ---- */

/* 1250 bytes are 10000 bits: 10 ms at 1 Mbit/s. */
static void rate_gives_the_serialisation_time(void **state)
{
    make("rate: 1M");
    tn_time start = tn_sim_now(sim);
    for (uint32_t i = 0; i < 10; i++)
        transmit(i, 1250);
    tn_sim_run(sim, TN_SEC);
    assert_int_equal(in.count, 10);
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(number_of(&in.frames[i]), i);
        assert_int_equal(in.frames[i].time, start + (i + 1) * 10 * TN_MSEC);
    }
}

static void delay_comes_on_top_of_the_rate(void **state)
{
    make("rate: 1M, delay: 50ms");
    tn_time start = tn_sim_now(sim);
    transmit(0, 1250);
    tn_sim_run(sim, TN_SEC);
    assert_int_equal(in.frames[0].time, start + 60 * TN_MSEC);
}

static void idle_line_saves_nothing_up(void **state)
{
    make("rate: 1M");
    tn_sim_run(sim, 10 * TN_SEC);
    tn_time start = tn_sim_now(sim);
    transmit(0, 1250);
    transmit(1, 1250);
    tn_sim_run(sim, TN_SEC);
    assert_int_equal(in.frames[0].time, start + 10 * TN_MSEC);
    assert_int_equal(in.frames[1].time, start + 20 * TN_MSEC);
}

static void long_run_keeps_the_rate_exactly(void **state)
{
    make("rate: 3M");
    tn_time start = tn_sim_now(sim);
    for (uint32_t i = 0; i < 3000; i++)
        transmit(i, 1000);
    tn_sim_run(sim, 20 * TN_SEC);
    assert_int_equal(in.count, 3000);
    /* 24 Mbit at 3 Mbit/s; each frame's time is cut to a nanosecond and the last arrival rounded up to a
     * tick. */
    assert_in_range(in.frames[2999].time, start + 8 * TN_SEC - 3000, start + 8 * TN_SEC + TN_TIMER_TICK);
}

static void frames_over_the_queue_limit_are_dropped_and_counted(void **state)
{
    make("delay: 10ms, queue: 8");
    send_many(20, 0);
    tn_sim_run(sim, 20 * TN_MSEC);
    assert_int_equal(in.count, 8);
    assert_int_equal(drops("queue-full"), 12);
    transmit(8, 100);
    tn_sim_run(sim, 20 * TN_MSEC);
    assert_int_equal(in.count, 9);
}

/* ---- Seeds ---- */

#define EVERYTHING "delay: 20ms, jitter: 5ms, loss: 5%, duplicate: 2%, reorder: 5%, corrupt: 3%, rate: 10M"

/* What arrives, and when, as one number. */
static uint64_t run_of_everything(const char *options, uint64_t with_seed)
{
    uint64_t h = 0;
    make_seeded(options, with_seed);
    send_many(1000, TN_MSEC);
    tn_sim_run(sim, TN_SEC);
    for (size_t i = 0; i < in.count; i++)
        h = (h ^ in.frames[i].hash ^ in.frames[i].time) * 0x100000001b3u;
    end(NULL);
    return h;
}

static void same_seed_gives_the_same_frames_at_the_same_times(void **state)
{
    uint64_t first = run_of_everything(EVERYTHING, 7);
    assert_int_equal(run_of_everything(EVERYTHING, 7), first);
    assert_int_not_equal(run_of_everything(EVERYTHING, 8), first);
}

static void seed_of_the_interface_overrides_the_stacks(void **state)
{
    uint64_t first = run_of_everything(EVERYTHING ", seed: 5", 7);
    assert_int_equal(run_of_everything(EVERYTHING ", seed: 5", 8), first);
    assert_int_not_equal(run_of_everything(EVERYTHING ", seed: 6", 7), first);
}

/* ---- Change while frames are on their way ---- */

static void set_options(const char *options)
{
    struct tn_error error;
    char report[1024];
    if (tn_stack_reload(a, yaml_of_a(options), "stack.yaml", &error, report, sizeof(report)) < 0)
        fail_msg("%s", error.text);
}

static void shorter_delay_lets_nobody_overtake(void **state)
{
    make("delay: 50ms");
    tn_time start = tn_sim_now(sim);
    transmit(0, 100);
    tn_sim_run(sim, 10 * TN_MSEC);
    set_options("delay: 0s");
    transmit(1, 100);
    tn_sim_run(sim, TN_SEC);
    transmit(2, 100);
    tn_sim_settle(sim);
    assert_int_equal(in.count, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(number_of(&in.frames[i]), i);
    assert_int_equal(in.frames[0].time, start + 50 * TN_MSEC);
    assert_int_equal(in.frames[1].time, start + 50 * TN_MSEC);
    assert_int_equal(in.frames[2].time, tn_sim_now(sim));
}

static void new_code_delivers_what_the_old_has_taken(void **state)
{
    struct tn_error error;
    make("delay: 50ms");
    tn_time start = tn_sim_now(sim);
    send_many(5, 0);
    if (tn_stack_swap(a, "wire", NULL, &error) < 0)
        fail_msg("%s", error.text);
    tn_sim_run(sim, TN_SEC);
    assert_int_equal(in.count, 5);
    assert_int_equal(in.frames[4].time, start + 50 * TN_MSEC);
}

/* ---- End ---- */

static void frames_on_their_way_end_with_the_stack(void **state)
{
    make("delay: 1h");
    send_many(10, 0);
    struct tn_usage usage;
    tn_stack_usage(a, &usage);
    assert_int_equal(usage.packets, 10);
    assert_int_equal(usage.timers, 1);
    frame_log_free(&in);
    tn_sim_destroy(sim); /* the sanitizer tells what is left */
}

#define TEST(name) cmocka_unit_test_teardown(name, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(plain_wire_delivers_at_once_and_in_order),
        TEST(bytes_arrive_as_they_were_sent),
        TEST(other_direction_has_its_own_options),
        TEST(delay_is_exact),
        TEST(delayed_frames_keep_their_distances),
        TEST(jitter_stays_in_its_range_and_spreads),
        TEST(jitter_does_not_reorder),
        TEST(loss_is_as_frequent_as_configured),
        TEST(fractions_of_a_percent_count),
        TEST(all_or_nothing_is_exact),
        TEST(duplicate_follows_its_original),
        TEST(reordered_frame_overtakes_those_on_their_way),
        TEST(reorder_without_delay_is_refused),
        TEST(corruption_flips_one_bit),
        TEST(corruption_spares_the_senders_bytes),
        TEST(rate_gives_the_serialisation_time),
        TEST(delay_comes_on_top_of_the_rate),
        TEST(idle_line_saves_nothing_up),
        TEST(long_run_keeps_the_rate_exactly),
        TEST(frames_over_the_queue_limit_are_dropped_and_counted),
        TEST(shorter_delay_lets_nobody_overtake),
        TEST(new_code_delivers_what_the_old_has_taken),
        cmocka_unit_test(same_seed_gives_the_same_frames_at_the_same_times),
        cmocka_unit_test(seed_of_the_interface_overrides_the_stacks),
        cmocka_unit_test(frames_on_their_way_end_with_the_stack),
    };
    const char *given = getenv("TENON_SEED");
    seed = given ? strtoull(given, NULL, 0) : 20240607;
    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
