/* The dispatch tables: claims, conflicts, releases. */
#include "cmocka_all.h"
#include <errno.h>
#include <stdlib.h>

#include "dispatch.h"
#include "stack.h"

static unsigned first_calls, second_calls;

static void first_input(struct tn_self *self, struct tn_packet *packet)
{
    (void)self;
    (void)packet;
    first_calls++;
}

static void second_input(struct tn_self *self, struct tn_packet *packet)
{
    (void)self;
    (void)packet;
    second_calls++;
}

static tn_input_fn *const inputs[] = {first_input, second_input};

/* A slot whose plugin makes these claims. */
struct claimer {
    struct tn_slot slot;
    struct tn_plugin plugin;
};

static void claimer_init(struct claimer *c, struct tn_stack *stack, const char *name,
                         const struct tn_claim *claims, uint16_t count)
{
    *c = (struct claimer){
        .plugin = {.claims = claims, .claim_count = count, .inputs = inputs, .input_count = 2}};
    c->slot.self.plugin = &c->plugin;
    c->slot.self.stack = stack;
    strcpy(c->slot.name, name);
}

static int setup(void **state)
{
    first_calls = second_calls = 0;
    *state = calloc(1, sizeof(struct tn_stack));
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static int claim(struct tn_stack *stack, struct claimer *c, char *why, size_t size)
{
    struct tn_text text = tn_text_init(why, size);
    return tn_dispatch_claim(stack, &c->slot, &text);
}

static bool dispatched(struct tn_stack *stack, enum tn_table table, uint8_t family, uint32_t key)
{
    struct tn_self self = {.stack = stack};
    struct tn_packet packet = {.family = family};
    return tn_core_dispatch(&self, table, key, &packet);
}

static void key_leads_to_the_input_that_the_claim_names(void **state)
{
    static const struct tn_claim claims[] = {{.table = TN_TABLE_ETHERTYPE, .key = 0x88b5, .input = 0},
                                             {.table = TN_TABLE_ETHERTYPE, .key = 0x88b6, .input = 1}};
    struct claimer c;
    char why[128];
    claimer_init(&c, *state, "probe", claims, 2);
    assert_false(dispatched(*state, TN_TABLE_ETHERTYPE, 0, 0x88b5));
    assert_int_equal(claim(*state, &c, why, sizeof(why)), 0);
    assert_true(dispatched(*state, TN_TABLE_ETHERTYPE, 0, 0x88b5));
    assert_true(dispatched(*state, TN_TABLE_ETHERTYPE, 0, 0x88b6));
    assert_true(dispatched(*state, TN_TABLE_ETHERTYPE, 0, 0x88b6));
    assert_false(dispatched(*state, TN_TABLE_ETHERTYPE, 0, 0x88b7));
    assert_int_equal(first_calls, 1);
    assert_int_equal(second_calls, 2);
}

static void second_claim_names_both_plugins_and_changes_nothing(void **state)
{
    static const struct tn_claim one[] = {{.table = TN_TABLE_ETHERTYPE, .key = 0x88b5}};
    static const struct tn_claim two[] = {{.table = TN_TABLE_ETHERTYPE, .key = 0x88b6},
                                          {.table = TN_TABLE_ETHERTYPE, .key = 0x88b5}};
    struct claimer a, b;
    char why[128];
    claimer_init(&a, *state, "alpha", one, 1);
    claimer_init(&b, *state, "beta", two, 2);
    assert_int_equal(claim(*state, &a, why, sizeof(why)), 0);
    assert_int_equal(claim(*state, &b, why, sizeof(why)), -EEXIST);
    assert_string_equal(why, "alpha and beta both claim ethertype:0x88b5");
    assert_false(dispatched(*state, TN_TABLE_ETHERTYPE, 0, 0x88b6));
    assert_ptr_equal(tn_dispatch_find(*state, TN_TABLE_ETHERTYPE, 0, 0x88b5)->slot, &a.slot);
}

static void protocol_number_for_one_family_is_not_there_for_another(void **state)
{
    static const struct tn_claim claims[] = {{.table = TN_TABLE_IPPROTO, .family = 2, .key = 200},
                                             {.table = TN_TABLE_IPPROTO, .family = 0, .key = 201}};
    struct claimer c;
    char why[128];
    claimer_init(&c, *state, "probe", claims, 2);
    assert_int_equal(claim(*state, &c, why, sizeof(why)), 0);
    assert_true(dispatched(*state, TN_TABLE_IPPROTO, 2, 200));
    assert_false(dispatched(*state, TN_TABLE_IPPROTO, 10, 200));
    assert_true(dispatched(*state, TN_TABLE_IPPROTO, 2, 201));
    assert_true(dispatched(*state, TN_TABLE_IPPROTO, 10, 201));
}

/* Claims for all families and for one of them meet. */
static void family_claim_meets_a_claim_for_all(void **state)
{
    static const struct tn_claim all[] = {{.table = TN_TABLE_IPPROTO, .family = 0, .key = 200}};
    static const struct tn_claim one[] = {{.table = TN_TABLE_IPPROTO, .family = 2, .key = 200}};
    struct claimer a, b;
    char why[128];
    claimer_init(&a, *state, "alpha", all, 1);
    claimer_init(&b, *state, "beta", one, 1);
    assert_int_equal(claim(*state, &b, why, sizeof(why)), 0);
    assert_int_equal(claim(*state, &a, why, sizeof(why)), -EEXIST);
    assert_false(dispatched(*state, TN_TABLE_IPPROTO, 10, 200));
}

/* Many ethertypes, some of which collide in the table; after a release those of the others are still found. */
static void release_leaves_the_others_in_place(void **state)
{
    enum {
        EACH = 30
    };
    struct tn_claim mine[EACH], others[EACH];
    struct claimer a, b;
    char why[128];
    for (unsigned i = 0; i < EACH; i++) {
        mine[i] = (struct tn_claim){.table = TN_TABLE_ETHERTYPE, .key = 0x6000 + i * 64};
        others[i] = (struct tn_claim){.table = TN_TABLE_ETHERTYPE, .key = 0x6001 + i * 64};
    }
    claimer_init(&a, *state, "alpha", mine, EACH);
    claimer_init(&b, *state, "beta", others, EACH);
    assert_int_equal(claim(*state, &a, why, sizeof(why)), 0);
    assert_int_equal(claim(*state, &b, why, sizeof(why)), 0);
    tn_dispatch_release(*state, &a.slot);
    for (unsigned i = 0; i < EACH; i++) {
        assert_null(tn_dispatch_find(*state, TN_TABLE_ETHERTYPE, 0, mine[i].key)->slot);
        assert_ptr_equal(tn_dispatch_find(*state, TN_TABLE_ETHERTYPE, 0, others[i].key)->slot, &b.slot);
    }
}

static void full_ethertype_table_refuses_and_keeps_what_was_there(void **state)
{
    struct tn_claim claims[TN_ETHERTYPES_MAX + 1];
    struct claimer c;
    char why[128];
    for (unsigned i = 0; i <= TN_ETHERTYPES_MAX; i++)
        claims[i] = (struct tn_claim){.table = TN_TABLE_ETHERTYPE, .key = 0x6000 + i};
    claimer_init(&c, *state, "greedy", claims, TN_ETHERTYPES_MAX + 1);
    assert_int_equal(claim(*state, &c, why, sizeof(why)), -ENOSPC);
    assert_string_equal(why, "the dispatch table has no room for ethertype:0x6040");
    assert_null(tn_dispatch_find(*state, TN_TABLE_ETHERTYPE, 0, 0x6000)->slot);
}

static void keys_out_of_range_are_nobodys(void **state)
{
    assert_null(tn_dispatch_find(*state, TN_TABLE_LINKTYPE, 0, 99)->slot);
    assert_null(tn_dispatch_find(*state, TN_TABLE_ETHERTYPE, 0, 0x10000)->slot);
    assert_null(tn_dispatch_find(*state, TN_TABLE_FAMILY, 0, 16)->slot);
    assert_null(tn_dispatch_find(*state, TN_TABLE_IPPROTO, 255, 6)->slot);
    assert_null(tn_dispatch_find(*state, TN_TABLE_IPPROTO, 2, 256)->slot);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(key_leads_to_the_input_that_the_claim_names),
        TEST(second_claim_names_both_plugins_and_changes_nothing),
        TEST(protocol_number_for_one_family_is_not_there_for_another),
        TEST(family_claim_meets_a_claim_for_all),
        TEST(release_leaves_the_others_in_place),
        TEST(full_ethertype_table_refuses_and_keeps_what_was_there),
        TEST(keys_out_of_range_are_nobodys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
