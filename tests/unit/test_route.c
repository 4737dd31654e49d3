/* The routing table: longest prefix, then lowest metric, through interfaces that are up; by family and VRF. */
#include "cmocka_all.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "prefix.h"
#include "random.h"
#include "route.h"
#include "stack.h"

static struct tn_stack stack;
static struct tn_plan plan;
static struct tn_ifc ifcs[4];

static int setup(void **state)
{
    memset(&stack, 0, sizeof(stack));
    memset(ifcs, 0, sizeof(ifcs));
    plan.limits.routes = 1000;
    stack.plan = &plan;
    stack.interface_count = 3;
    for (uint16_t i = 1; i <= 3; i++) {
        ifcs[i].pub.up = true;
        stack.interfaces[i] = &ifcs[i];
    }
    return tn_routes_init(&stack);
}

static int teardown(void **state)
{
    tn_routes_destroy(&stack);
    return 0;
}

/* ---- Helpers ---- */

static struct tn_addr addr(const char *text)
{
    struct tn_addr a = {.half = {0, 0}};
    assert_int_equal(inet_pton(AF_INET, text, a.bytes), 1);
    return a;
}

static struct tn_route route(const char *to, uint8_t len, uint16_t ifindex, uint32_t metric)
{
    return (struct tn_route){
        .to = addr(to), .prefix_len = len, .ifindex = ifindex, .metric = metric, .family = AF_INET};
}

static int add(const char *to, uint8_t len, uint16_t ifindex, uint32_t metric)
{
    struct tn_route r = route(to, len, ifindex, metric);
    return tn_route_add(&stack, &r);
}

static int del(const char *to, uint8_t len, uint16_t ifindex, uint32_t metric)
{
    struct tn_route r = route(to, len, ifindex, metric);
    return tn_route_remove(&stack, &r);
}

/* By which interface a packet to `to` goes; 0: none. */
static uint16_t way(const char *to)
{
    struct tn_addr a = addr(to);
    const struct tn_route *r = tn_route_find(&stack, AF_INET, 0, &a, 0);
    return r ? r->ifindex : 0;
}

static void count_route(void *context, const struct tn_route *r)
{
    ++*(unsigned *)context;
}

static unsigned count(void)
{
    unsigned n = 0;
    tn_route_each(&stack, count_route, &n);
    return n;
}

/* ---- Choosing ---- */

static void longest_prefix_wins(void **state)
{
    add("0.0.0.0", 0, 1, 0);
    add("10.0.0.0", 8, 2, 0);
    add("10.1.0.0", 16, 3, 100);
    assert_int_equal(way("192.0.2.1"), 1);
    assert_int_equal(way("10.2.0.1"), 2);
    assert_int_equal(way("10.1.0.1"), 3);
}

static void lowest_metric_wins_among_equal_prefixes(void **state)
{
    add("10.0.0.0", 8, 1, 20);
    add("10.0.0.0", 8, 2, 10);
    add("10.0.0.0", 8, 3, 30);
    assert_int_equal(way("10.0.0.1"), 2);
}

static void first_added_wins_among_equal_metrics(void **state)
{
    add("10.0.0.0", 8, 2, 10);
    add("10.0.0.0", 8, 1, 10);
    assert_int_equal(way("10.0.0.1"), 2);
}

static void preferred_interface_wins_among_equal_metrics_only(void **state)
{
    struct tn_addr to = addr("10.0.0.1");
    add("10.0.0.0", 8, 2, 10);
    add("10.0.0.0", 8, 1, 10);
    add("10.0.0.0", 8, 3, 20);
    assert_int_equal(tn_route_find(&stack, AF_INET, 0, &to, 1)->ifindex, 1);
    assert_int_equal(tn_route_find(&stack, AF_INET, 0, &to, 2)->ifindex, 2);
    assert_int_equal(tn_route_find(&stack, AF_INET, 0, &to, 3)->ifindex, 2);
}

static void route_of_an_interface_that_is_down_is_passed_over(void **state)
{
    add("0.0.0.0", 0, 1, 0);
    add("10.0.0.0", 8, 2, 0);
    add("10.0.0.0", 8, 3, 5);
    ifcs[2].pub.up = false;
    assert_int_equal(way("10.0.0.1"), 3);
    ifcs[3].pub.up = false;
    assert_int_equal(way("10.0.0.1"), 1);
    ifcs[1].pub.up = false;
    assert_int_equal(way("10.0.0.1"), 0);
}

static void each_vrf_has_its_own_routes(void **state)
{
    struct tn_addr to = addr("10.0.0.1");
    struct tn_route r = route("10.0.0.0", 8, 3, 0);
    r.vrf = 500;
    add("10.0.0.0", 8, 1, 0);
    assert_int_equal(tn_route_add(&stack, &r), 0);
    assert_int_equal(way("10.0.0.1"), 1);
    assert_int_equal(tn_route_find(&stack, AF_INET, 500, &to, 0)->ifindex, 3);
    assert_null(tn_route_find(&stack, AF_INET, 499, &to, 0));
    assert_null(tn_route_find(&stack, AF_INET, 501, &to, 0));
    assert_null(tn_route_find(&stack, AF_INET6, 0, &to, 0));
}

/* ---- Changing ---- */

static void same_route_twice_is_refused(void **state)
{
    assert_int_equal(add("10.0.0.0", 8, 1, 0), 0);
    assert_int_equal(add("10.0.0.0", 8, 1, 0), -EEXIST);
    assert_int_equal(add("10.9.9.9", 8, 1, 0), -EEXIST); /* host bits mean nothing */
    assert_int_equal(add("10.0.0.0", 8, 1, 1), 0);
    assert_int_equal(add("10.0.0.0", 8, 2, 0), 0);
    assert_int_equal(count(), 3);
}

static void limit_is_kept(void **state)
{
    plan.limits.routes = 2;
    assert_int_equal(add("10.0.0.0", 8, 1, 0), 0);
    assert_int_equal(add("11.0.0.0", 8, 1, 0), 0);
    assert_int_equal(add("12.0.0.0", 8, 1, 0), -ENOSPC);
    assert_int_equal(del("10.0.0.0", 8, 1, 0), 0);
    assert_int_equal(add("12.0.0.0", 8, 1, 0), 0);
}

static void removed_route_is_used_no_more(void **state)
{
    add("10.0.0.0", 8, 1, 0);
    add("10.0.0.0", 8, 2, 1);
    add("10.0.0.0", 8, 3, 2);
    assert_int_equal(del("10.0.0.0", 8, 2, 1), 0);
    assert_int_equal(way("10.0.0.1"), 1);
    assert_int_equal(del("10.0.0.0", 8, 1, 0), 0);
    assert_int_equal(way("10.0.0.1"), 3);
    assert_int_equal(del("10.0.0.0", 8, 3, 2), 0);
    assert_int_equal(way("10.0.0.1"), 0);
    assert_int_equal(del("10.0.0.0", 8, 3, 2), -ENOENT);
    assert_int_equal(count(), 0);
}

static void connected_route_does_not_go_in_a_configured_ones_name(void **state)
{
    struct tn_route r = route("10.0.0.0", 8, 1, 0);
    add("10.0.0.0", 8, 1, 0);
    r.connected = true;
    assert_int_equal(tn_route_remove(&stack, &r), -ENOENT);
    assert_int_equal(way("10.0.0.1"), 1);
}

static void every_change_makes_remembered_paths_invalid(void **state)
{
    uint32_t before = stack.path_generation;
    add("10.0.0.0", 8, 1, 0);
    assert_int_not_equal(stack.path_generation, before);
    before = stack.path_generation;
    del("10.0.0.0", 8, 1, 0);
    assert_int_not_equal(stack.path_generation, before);
}

/* ---- Against a list that is searched from end to end ---- */

#define MODEL_MAX 300

static struct tn_route model[MODEL_MAX];
static unsigned model_count;

static const struct tn_route *model_find(const struct tn_addr *to)
{
    const struct tn_route *best = NULL;
    for (unsigned i = 0; i < model_count; i++) {
        const struct tn_route *r = &model[i];
        if (!tn_prefix_holds(&r->to, r->prefix_len, to) || !ifcs[r->ifindex].pub.up)
            continue;
        if (!best || r->prefix_len > best->prefix_len ||
            (r->prefix_len == best->prefix_len && r->metric < best->metric))
            best = r;
    }
    return best;
}

static struct tn_addr random_addr(struct tn_rng *rng)
{
    struct tn_addr a = {.half = {0, 0}};
    tn_store32(a.bytes, (uint32_t)tn_rng_next(rng) & 0x0f0f0fff);
    return a;
}

static void model_change(struct tn_rng *rng)
{
    if (model_count && random_below(rng, 3) == 0) {
        unsigned i = (unsigned)random_below(rng, model_count);
        assert_int_equal(tn_route_remove(&stack, &model[i]), 0);
        memmove(&model[i], &model[i + 1], (--model_count - i) * sizeof(model[0]));
        return;
    }
    struct tn_route r = {.to = random_addr(rng),
                         .prefix_len = (uint8_t)random_below(rng, 33),
                         .metric = (uint32_t)random_below(rng, 3),
                         .ifindex = (uint16_t)(1 + random_below(rng, 3)),
                         .family = AF_INET};
    if (model_count < MODEL_MAX && tn_route_add(&stack, &r) == 0)
        model[model_count++] = r;
}

static void random_tables_agree_with_a_linear_search(void **state)
{
    struct tn_rng rng = random_start("random_tables_agree_with_a_linear_search");
    model_count = 0;
    for (unsigned round = 0; round < 5000; round++) {
        model_change(&rng);
        ifcs[1].pub.up = random_below(&rng, 4) != 0;
        for (unsigned probe = 0; probe < 4; probe++) {
            struct tn_addr to = random_addr(&rng);
            const struct tn_route *expected = model_find(&to);
            const struct tn_route *found = tn_route_find(&stack, AF_INET, 0, &to, 0);
            assert_int_equal(found != NULL, expected != NULL);
            if (!found)
                continue;
            assert_int_equal(found->prefix_len, expected->prefix_len);
            assert_int_equal(found->metric, expected->metric);
            assert_int_equal(found->ifindex, expected->ifindex);
        }
    }
    assert_int_equal(count(), model_count);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(longest_prefix_wins),
        T(lowest_metric_wins_among_equal_prefixes),
        T(first_added_wins_among_equal_metrics),
        T(preferred_interface_wins_among_equal_metrics_only),
        T(route_of_an_interface_that_is_down_is_passed_over),
        T(each_vrf_has_its_own_routes),
        T(same_route_twice_is_refused),
        T(limit_is_kept),
        T(removed_route_is_used_no_more),
        T(connected_route_does_not_go_in_a_configured_ones_name),
        T(every_change_makes_remembered_paths_invalid),
        T(random_tables_agree_with_a_linear_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
