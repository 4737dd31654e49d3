/* test_htab.c: linear hashing. The module is compiled into this file, so that it can be refused memory. */
#include <errno.h>
#include <stdlib.h>

static unsigned refuse_calloc; /* calls that fail from now on */

static void *calloc_or_not(size_t count, size_t size)
{
    if (refuse_calloc > 0) {
        refuse_calloc--;
        return NULL;
    }
    return calloc(count, size);
}

#define calloc calloc_or_not
#include "htab.c" /* NOLINT(bugprone-suspicious-include): see above */
#undef calloc

#include "cmocka_all.h"
#include "random.h"
#include "tenon/types.h"

struct entry {
    struct tn_hnode node;
    uint32_t key;
    bool in;
};

/* Spreads keys as a keyed hash would. */
static uint32_t hash_of(uint32_t key)
{
    struct tn_siphash_key secret = {1, 2};
    return (uint32_t)tn_siphash(&secret, &key, sizeof(key));
}

static struct entry *find(const struct tn_htab *table, uint32_t key)
{
    uint32_t hash = hash_of(key);
    for (struct tn_hnode *n = tn_htab_first(table, hash); n; n = n->next) {
        struct entry *entry = tn_container(n, struct entry, node);
        if (n->hash == hash && entry->key == key)
            return entry;
    }
    return NULL;
}

static struct entry *entries_new(uint32_t count)
{
    struct entry *entries = calloc(count, sizeof(*entries));
    assert_non_null(entries);
    for (uint32_t i = 0; i < count; i++)
        entries[i].key = i;
    return entries;
}

static uint32_t longest_chain(const struct tn_htab *table)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < table->buckets; i++) {
        uint32_t length = 0;
        for (struct tn_hnode *n = *bucket_at(table, i); n; n = n->next)
            length++;
        longest = length > longest ? length : longest;
    }
    return longest;
}

static void an_empty_table_has_nothing(void **state)
{
    (void)state;
    struct tn_htab table;
    assert_int_equal(tn_htab_init(&table), 0);
    for (uint32_t hash = 0; hash < 100; hash++)
        assert_null(tn_htab_first(&table, hash));
    tn_htab_destroy(&table);
}

static void all_are_found_while_the_table_grows_and_shrinks(void **state)
{
    (void)state;
    enum {
        COUNT = 20000
    };
    struct tn_htab table;
    struct entry *entries = entries_new(COUNT);
    assert_int_equal(tn_htab_init(&table), 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        tn_htab_insert(&table, &entries[i].node, hash_of(i));
        assert_ptr_equal(find(&table, i), &entries[i]);
        assert_ptr_equal(find(&table, i / 2), &entries[i / 2]);
    }
    assert_true(table.buckets >= COUNT - 1);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_ptr_equal(find(&table, i), &entries[i]);
    assert_null(find(&table, COUNT));
    for (uint32_t i = 0; i < COUNT; i++) {
        tn_htab_remove(&table, &entries[i].node);
        assert_null(find(&table, i));
        assert_true(i + 1 == COUNT || find(&table, COUNT - 1) == &entries[COUNT - 1]);
    }
    assert_int_equal(table.count, 0);
    assert_int_equal(table.buckets, FIRST_BUCKETS);
    tn_htab_destroy(&table);
    free(entries);
}

/* With a load of one, twelve in a bucket is rarer than one in 10^9. */
static void chains_stay_short(void **state)
{
    (void)state;
    enum {
        COUNT = 100000
    };
    struct tn_htab table;
    struct entry *entries = entries_new(COUNT);
    assert_int_equal(tn_htab_init(&table), 0);
    for (uint32_t i = 0; i < COUNT; i++)
        tn_htab_insert(&table, &entries[i].node, hash_of(i));
    assert_in_range(longest_chain(&table), 1, 14);
    tn_htab_destroy(&table);
    free(entries);
}

static void one_insertion_adds_at_most_one_bucket(void **state)
{
    (void)state;
    enum {
        COUNT = 5000
    };
    struct tn_htab table;
    struct entry *entries = entries_new(COUNT);
    assert_int_equal(tn_htab_init(&table), 0);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t before = table.buckets;
        tn_htab_insert(&table, &entries[i].node, hash_of(i));
        assert_in_range(table.buckets, before, before + 1);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t before = table.buckets;
        tn_htab_remove(&table, &entries[i].node);
        assert_in_range(table.buckets, before - MERGES_PER_REMOVAL, before);
    }
    tn_htab_destroy(&table);
    free(entries);
}

static void equal_hashes_share_a_chain(void **state)
{
    (void)state;
    enum {
        COUNT = 100
    };
    struct tn_htab table;
    struct entry *entries = entries_new(COUNT);
    assert_int_equal(tn_htab_init(&table), 0);
    for (uint32_t i = 0; i < COUNT; i++)
        tn_htab_insert(&table, &entries[i].node, 0xffffffff);
    unsigned length = 0;
    for (struct tn_hnode *n = tn_htab_first(&table, 0xffffffff); n; n = n->next)
        length++;
    assert_int_equal(length, COUNT);
    for (uint32_t i = 0; i < COUNT; i++)
        tn_htab_remove(&table, &entries[(i * 37) % COUNT].node);
    assert_null(tn_htab_first(&table, 0xffffffff));
    tn_htab_destroy(&table);
    free(entries);
}

static void without_memory_chains_grow_and_later_shorten(void **state)
{
    (void)state;
    enum {
        COUNT = 4000
    };
    struct tn_htab table;
    struct entry *entries = entries_new(COUNT);
    refuse_calloc = 1;
    assert_int_equal(tn_htab_init(&table), -ENOMEM);
    assert_int_equal(tn_htab_init(&table), 0);
    refuse_calloc = COUNT;
    for (uint32_t i = 0; i < COUNT / 2; i++)
        tn_htab_insert(&table, &entries[i].node, hash_of(i));
    assert_int_equal(table.buckets, FIRST_BUCKETS);
    refuse_calloc = 0;
    for (uint32_t i = COUNT / 2; i < COUNT; i++)
        tn_htab_insert(&table, &entries[i].node, hash_of(i));
    assert_int_equal(table.buckets, FIRST_BUCKETS + COUNT / 2);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_ptr_equal(find(&table, i), &entries[i]);
    tn_htab_destroy(&table);
    free(entries);
}

static unsigned segments_held(const struct tn_htab *table)
{
    unsigned held = 0;
    for (unsigned i = 0; i < TN_HTAB_SEGMENTS; i++)
        held += table->segments[i] != NULL;
    return held;
}

static void memory_of_a_shrunk_table_is_given_back(void **state)
{
    (void)state;
    enum {
        COUNT = 10000
    };
    struct tn_htab table;
    struct entry *entries = entries_new(COUNT);
    assert_int_equal(tn_htab_init(&table), 0);
    for (uint32_t i = 0; i < COUNT; i++)
        tn_htab_insert(&table, &entries[i].node, hash_of(i));
    assert_int_equal(segments_held(&table), 11); /* 16 << 10 buckets hold 10000 */
    for (uint32_t i = 0; i < COUNT; i++)
        tn_htab_remove(&table, &entries[i].node);
    assert_int_equal(segments_held(&table), 2); /* one in reserve */
    tn_htab_destroy(&table);
    free(entries);
}

static void random_use_agrees_with_a_plain_array(void **state)
{
    (void)state;
    enum {
        COUNT = 3000
    };
    struct tn_rng rng = random_start("htab");
    struct tn_htab table;
    struct entry *entries = entries_new(COUNT);
    uint32_t in = 0;
    assert_int_equal(tn_htab_init(&table), 0);
    for (unsigned step = 0; step < 300000; step++) {
        /* Phases of mostly inserting and mostly removing. */
        struct entry *entry = &entries[random_below(&rng, COUNT)];
        bool insert = random_below(&rng, 10) < (step / 20000 % 2 ? 1 : 9);
        assert_ptr_equal(find(&table, entry->key), entry->in ? entry : NULL);
        if (insert && !entry->in)
            tn_htab_insert(&table, &entry->node, hash_of(entry->key));
        else if (!insert && entry->in)
            tn_htab_remove(&table, &entry->node);
        in += insert - entry->in;
        entry->in = insert;
        assert_int_equal(table.count, in);
    }
    for (uint32_t i = 0; i < COUNT; i++)
        assert_ptr_equal(find(&table, i), entries[i].in ? &entries[i] : NULL);
    tn_htab_destroy(&table);
    free(entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_has_nothing),
        cmocka_unit_test(all_are_found_while_the_table_grows_and_shrinks),
        cmocka_unit_test(chains_stay_short),
        cmocka_unit_test(one_insertion_adds_at_most_one_bucket),
        cmocka_unit_test(equal_hashes_share_a_chain),
        cmocka_unit_test(without_memory_chains_grow_and_later_shorten),
        cmocka_unit_test(memory_of_a_shrunk_table_is_given_back),
        cmocka_unit_test(random_use_agrees_with_a_plain_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
