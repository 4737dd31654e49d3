/* test_lpm.c: longest-prefix match. The module is compiled into this file, so that it can be refused memory
 * and its nodes can be counted. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

static unsigned calloc_budget = UINT32_MAX; /* calls that succeed from now on */

static void *calloc_or_not(size_t count, size_t size)
{
    if (calloc_budget == 0)
        return NULL;
    calloc_budget--;
    return calloc(count, size);
}

#define calloc calloc_or_not
#include "lpm.c" /* NOLINT(bugprone-suspicious-include): see above */
#undef calloc

#include <arpa/inet.h>

#include "cmocka_all.h"
#include "random.h"

static struct tn_addr ip4(const char *text)
{
    uint8_t bytes[4];
    assert_int_equal(inet_pton(AF_INET, text, bytes), 1);
    return tn_addr_from(bytes, 4);
}

static struct tn_addr ip6(const char *text)
{
    uint8_t bytes[16];
    assert_int_equal(inet_pton(AF_INET6, text, bytes), 1);
    return tn_addr_from(bytes, 16);
}

static void add(struct tn_lpm *lpm, struct tn_addr addr, uint8_t len, const char *value)
{
    assert_int_equal(tn_lpm_insert(lpm, &addr, len, (void *)(uintptr_t)value, NULL), 0);
}

static const char *find(const struct tn_lpm *lpm, struct tn_addr addr)
{
    const char *value = tn_lpm_find(lpm, &addr);
    return value ? value : "none";
}

static size_t nodes_of(const struct tn_lpm_node *node)
{
    return node ? 1 + nodes_of(node->child[0]) + nodes_of(node->child[1]) : 0;
}

static void an_empty_trie_finds_nothing(void **state)
{
    (void)state;
    struct tn_lpm lpm = {0};
    struct tn_addr any = ip4("10.0.0.1");
    assert_null(tn_lpm_find(&lpm, &any));
    assert_null(tn_lpm_get(&lpm, &any, 32));
    assert_null(tn_lpm_remove(&lpm, &any, 32));
    tn_lpm_destroy(&lpm);
}

static void the_longest_prefix_wins(void **state)
{
    (void)state;
    struct tn_lpm lpm = {0};
    add(&lpm, ip4("10.1.0.0"), 16, "16");
    add(&lpm, ip4("0.0.0.0"), 0, "default");
    add(&lpm, ip4("10.1.2.3"), 32, "host");
    add(&lpm, ip4("10.0.0.0"), 8, "8");
    add(&lpm, ip4("10.1.2.0"), 24, "24");
    assert_string_equal(find(&lpm, ip4("10.1.2.3")), "host");
    assert_string_equal(find(&lpm, ip4("10.1.2.4")), "24");
    assert_string_equal(find(&lpm, ip4("10.1.3.4")), "16");
    assert_string_equal(find(&lpm, ip4("10.2.3.4")), "8");
    assert_string_equal(find(&lpm, ip4("192.0.2.1")), "default");
    assert_int_equal(lpm.count, 5);
    tn_lpm_destroy(&lpm);
}

static void without_a_default_others_find_nothing(void **state)
{
    (void)state;
    struct tn_lpm lpm = {0};
    add(&lpm, ip4("10.0.7.0"), 24, "a");
    add(&lpm, ip4("10.0.8.0"), 24, "b");
    assert_string_equal(find(&lpm, ip4("10.0.9.1")), "none");
    assert_string_equal(find(&lpm, ip4("10.0.7.255")), "a");
    assert_string_equal(find(&lpm, ip4("10.0.8.0")), "b");
    tn_lpm_destroy(&lpm);
}

static void all_128_bits_count(void **state)
{
    (void)state;
    struct tn_lpm lpm = {0};
    add(&lpm, ip6("2001:db8::"), 32, "32");
    add(&lpm, ip6("2001:db8::1"), 128, "one");
    add(&lpm, ip6("2001:db8::2"), 127, "two or three");
    add(&lpm, ip6("2001:db8:0:0:8000::"), 65, "upper half");
    assert_string_equal(find(&lpm, ip6("2001:db8::")), "32");
    assert_string_equal(find(&lpm, ip6("2001:db8::1")), "one");
    assert_string_equal(find(&lpm, ip6("2001:db8::3")), "two or three");
    assert_string_equal(find(&lpm, ip6("2001:db8::4")), "32");
    assert_string_equal(find(&lpm, ip6("2001:db8::ffff:0:0:0")), "upper half");
    assert_string_equal(find(&lpm, ip6("2001:db9::1")), "none");
    tn_lpm_destroy(&lpm);
}

static void host_bits_are_ignored(void **state)
{
    (void)state;
    struct tn_lpm lpm = {0};
    add(&lpm, ip4("10.0.7.99"), 21, "a");
    struct tn_addr other = ip4("10.0.0.1");
    assert_string_equal(tn_lpm_get(&lpm, &other, 21), "a");
    assert_string_equal(find(&lpm, ip4("10.0.3.3")), "a");
    assert_string_equal(tn_lpm_remove(&lpm, &other, 21), "a");
    assert_int_equal(lpm.count, 0);
    tn_lpm_destroy(&lpm);
}

static void a_second_value_replaces_the_first(void **state)
{
    (void)state;
    struct tn_lpm lpm = {0};
    char first[] = "first", second[] = "second";
    struct tn_addr net = ip4("10.0.7.0");
    void *old = first;
    assert_int_equal(tn_lpm_insert(&lpm, &net, 24, first, &old), 0);
    assert_null(old);
    assert_int_equal(tn_lpm_insert(&lpm, &net, 24, second, &old), 0);
    assert_ptr_equal(old, first);
    assert_int_equal(lpm.count, 1);
    assert_ptr_equal(tn_lpm_get(&lpm, &net, 24), second);
    tn_lpm_destroy(&lpm);
}

static void a_fork_is_not_a_prefix(void **state)
{
    (void)state;
    struct tn_lpm lpm = {0};
    add(&lpm, ip4("10.0.0.0"), 9, "low");
    add(&lpm, ip4("10.128.0.0"), 9, "high");
    struct tn_addr net = ip4("10.0.0.0");
    assert_int_equal(nodes_of(lpm.root), 3);
    assert_null(tn_lpm_get(&lpm, &net, 8));
    assert_null(tn_lpm_remove(&lpm, &net, 8));
    add(&lpm, net, 8, "fork");
    assert_int_equal(nodes_of(lpm.root), 3);
    assert_string_equal(tn_lpm_get(&lpm, &net, 8), "fork");
    assert_int_equal(lpm.count, 3);
    tn_lpm_destroy(&lpm);
}

static void removal_leaves_no_needless_nodes(void **state)
{
    (void)state;
    struct tn_lpm lpm = {0};
    struct tn_addr low = ip4("10.0.0.0"), high = ip4("10.128.0.0");
    add(&lpm, low, 9, "low");
    add(&lpm, high, 9, "high");
    add(&lpm, low, 8, "both");
    assert_string_equal(tn_lpm_remove(&lpm, &low, 8), "both");
    assert_int_equal(nodes_of(lpm.root), 3); /* still a fork */
    assert_string_equal(tn_lpm_remove(&lpm, &low, 9), "low");
    assert_int_equal(nodes_of(lpm.root), 1);
    assert_string_equal(tn_lpm_remove(&lpm, &high, 9), "high");
    assert_int_equal(nodes_of(lpm.root), 0);
    tn_lpm_destroy(&lpm);
}

static void out_of_memory_changes_nothing(void **state)
{
    (void)state;
    struct tn_lpm lpm = {0};
    char value[] = "value";
    struct tn_addr low = ip4("10.0.0.0"), high = ip4("10.128.0.0");
    calloc_budget = 0;
    assert_int_equal(tn_lpm_insert(&lpm, &low, 9, value, NULL), -ENOMEM);
    assert_null(lpm.root);
    calloc_budget = 2; /* the first, and the leaf, but not the fork */
    assert_int_equal(tn_lpm_insert(&lpm, &low, 9, value, NULL), 0);
    assert_int_equal(tn_lpm_insert(&lpm, &high, 9, value, NULL), -ENOMEM);
    calloc_budget = UINT32_MAX;
    assert_int_equal(lpm.count, 1);
    assert_int_equal(nodes_of(lpm.root), 1);
    assert_null(tn_lpm_find(&lpm, &high));
    assert_ptr_equal(tn_lpm_find(&lpm, &low), value);
    tn_lpm_destroy(&lpm);
}

/* ---- Against a list ---- */

#define MODEL_MAX 400

struct model_prefix {
    struct tn_addr addr;
    uint8_t len;
    bool in;
};

static bool model_holds(const struct model_prefix *prefix, const struct tn_addr *addr)
{
    for (unsigned bit = 0; bit < prefix->len; bit++)
        if (bit_at(&prefix->addr, bit) != bit_at(addr, bit))
            return false;
    return true;
}

static void *model_find(struct model_prefix *model, const struct tn_addr *addr)
{
    struct model_prefix *best = NULL;
    for (unsigned i = 0; i < MODEL_MAX; i++)
        if (model[i].in && (!best || model[i].len > best->len) && model_holds(&model[i], addr))
            best = &model[i];
    return best;
}

/* Addresses out of few, so that prefixes nest and share bits. */
static struct tn_addr random_addr(struct tn_rng *rng, size_t size)
{
    uint8_t bytes[16] = {10};
    for (size_t i = 1; i < size; i++)
        bytes[i] = (uint8_t)(random_below(rng, 4) ? random_below(rng, 2) * 0xff : tn_rng_next(rng));
    return tn_addr_from(bytes, size);
}

static bool model_has(const struct model_prefix *model, const struct model_prefix *prefix)
{
    for (unsigned i = 0; i < MODEL_MAX; i++)
        if (model[i].in && model[i].len == prefix->len && model_holds(&model[i], &prefix->addr))
            return true;
    return false;
}

static void agree_with_list(struct tn_rng *rng, size_t size)
{
    static struct model_prefix model[MODEL_MAX];
    memset(model, 0, sizeof(model));
    struct tn_lpm lpm = {0};
    size_t count = 0;
    for (unsigned step = 0; step < 8000; step++) {
        struct model_prefix *prefix = &model[random_below(rng, MODEL_MAX)];
        if (prefix->in) {
            assert_ptr_equal(tn_lpm_remove(&lpm, &prefix->addr, prefix->len), prefix);
            prefix->in = false;
            count--;
        } else {
            prefix->addr = random_addr(rng, size);
            prefix->len = (uint8_t)random_below(rng, size * 8 + 1);
            if (model_has(model, prefix))
                continue;
            assert_int_equal(tn_lpm_insert(&lpm, &prefix->addr, prefix->len, prefix, NULL), 0);
            prefix->in = true;
            count++;
        }
        assert_int_equal(lpm.count, count);
        assert_true(nodes_of(lpm.root) < 2 * count + 1);
        struct tn_addr addr = random_addr(rng, size);
        assert_ptr_equal(tn_lpm_find(&lpm, &addr), model_find(model, &addr));
    }
    tn_lpm_destroy(&lpm);
}

static void random_prefixes_agree_with_a_list(void **state)
{
    (void)state;
    struct tn_rng rng = random_start("lpm");
    agree_with_list(&rng, 4);
    agree_with_list(&rng, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_trie_finds_nothing),
        cmocka_unit_test(the_longest_prefix_wins),
        cmocka_unit_test(without_a_default_others_find_nothing),
        cmocka_unit_test(all_128_bits_count),
        cmocka_unit_test(host_bits_are_ignored),
        cmocka_unit_test(a_second_value_replaces_the_first),
        cmocka_unit_test(a_fork_is_not_a_prefix),
        cmocka_unit_test(removal_leaves_no_needless_nodes),
        cmocka_unit_test(out_of_memory_changes_nothing),
        cmocka_unit_test(random_prefixes_agree_with_a_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
