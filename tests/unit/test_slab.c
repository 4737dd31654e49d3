/* test_slab.c: records of one size. Deaths (a second free, a foreign pointer) happen in a child process. */
#include "slab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"
#include "random.h"

#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#endif
#endif

static void limit_is_kept_and_refusals_are_counted(void **state)
{
    (void)state;
    struct tn_slab slab;
    assert_int_equal(tn_slab_init(&slab, "records", 40, 3), 0);
    void *a = tn_slab_alloc(&slab), *b = tn_slab_alloc(&slab), *c = tn_slab_alloc(&slab);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    assert_int_equal(slab.used, 3);
    assert_null(tn_slab_alloc(&slab));
    assert_null(tn_slab_alloc_raw(&slab));
    assert_int_equal(slab.failures, 2);
    tn_slab_free(&slab, b);
    assert_ptr_equal(tn_slab_alloc(&slab), b);
    tn_slab_destroy(&slab);
}

static void last_freed_is_used_first(void **state)
{
    (void)state;
    struct tn_slab slab;
    assert_int_equal(tn_slab_init(&slab, "records", 64, 10), 0);
    void *a = tn_slab_alloc(&slab), *b = tn_slab_alloc(&slab);
    tn_slab_free(&slab, a);
    tn_slab_free(&slab, b);
    assert_ptr_equal(tn_slab_alloc(&slab), b);
    assert_ptr_equal(tn_slab_alloc(&slab), a);
    tn_slab_destroy(&slab);
}

static void records_are_zero_again_after_reuse(void **state)
{
    (void)state;
    static const uint8_t zeros[100];
    struct tn_slab slab;
    assert_int_equal(tn_slab_init(&slab, "records", sizeof(zeros), 10), 0);
    void *a = tn_slab_alloc(&slab);
    assert_memory_equal(a, zeros, sizeof(zeros));
    memset(a, 0xff, sizeof(zeros));
    tn_slab_free(&slab, a);
    assert_ptr_equal(tn_slab_alloc(&slab), a);
    assert_memory_equal(a, zeros, sizeof(zeros));
    tn_slab_destroy(&slab);
}

static void records_are_aligned_and_apart(void **state)
{
    (void)state;
    struct tn_slab slab;
    assert_int_equal(tn_slab_init(&slab, "records", 1, 100), 0);
    uint8_t *before = NULL;
    for (unsigned i = 0; i < 100; i++) {
        uint8_t *record = tn_slab_alloc_raw(&slab);
        assert_int_equal((uintptr_t)record % 8, 0);
        assert_true(!before || record == before + slab.size);
        before = record;
    }
    tn_slab_destroy(&slab);
}

static void nothing_is_touched_before_it_is_used(void **state)
{
    (void)state;
    struct tn_slab slab;
    /* 64 GiB: could not be had if it were taken. */
    assert_int_equal(tn_slab_init(&slab, "large", 64 * 1024, 1024 * 1024), 0);
    assert_non_null(tn_slab_alloc(&slab));
    unsigned char resident[1024];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    assert_int_equal(mincore(slab.base + 64 * 1024 * 1024, sizeof(resident) * page, resident), 0);
    for (unsigned i = 0; i < sizeof(resident); i++)
        assert_int_equal(resident[i] & 1, 0);
    tn_slab_destroy(&slab);
}

static void sizes_beyond_all_memory_are_refused(void **state)
{
    (void)state;
    struct tn_slab slab;
    assert_int_equal(tn_slab_init(&slab, "huge", SIZE_MAX, 1), -ENOMEM);
    assert_int_equal(tn_slab_init(&slab, "huge", UINT32_MAX - 1, 1), -ENOMEM);
    assert_int_equal(tn_slab_init(&slab, "huge", 1u << 31, UINT32_MAX), -ENOMEM);
    assert_int_equal(tn_slab_init(&slab, "huge", 16, SIZE_MAX), -ENOMEM);
    tn_slab_destroy(&slab);
}

static void long_names_are_cut(void **state)
{
    (void)state;
    struct tn_slab slab;
    assert_int_equal(tn_slab_init(&slab, "a name that is longer than the room there is for it", 16, 1), 0);
    assert_string_equal(slab.name, "a name that is longer than the ");
    tn_slab_destroy(&slab);
}

static void next_walks_records_in_use_by_address(void **state)
{
    (void)state;
    struct tn_slab slab;
    void *records[300];
    assert_int_equal(tn_slab_init(&slab, "records", 16, 300), 0);
    assert_null(tn_slab_next(&slab, NULL));
    for (unsigned i = 0; i < 300; i++)
        records[i] = tn_slab_alloc(&slab);
    for (unsigned i = 0; i < 300; i++)
        if (i % 7 != 3)
            tn_slab_free(&slab, records[i]);
    unsigned i = 3;
    for (void *at = tn_slab_next(&slab, NULL); at; at = tn_slab_next(&slab, at), i += 7)
        assert_ptr_equal(at, records[i]);
    assert_int_equal(i, 3 + 7 * 43);
    tn_slab_destroy(&slab);
}

static void the_current_record_may_be_freed_while_walking(void **state)
{
    (void)state;
    struct tn_slab slab;
    assert_int_equal(tn_slab_init(&slab, "records", 16, 200), 0);
    for (unsigned i = 0; i < 200; i++)
        tn_slab_alloc(&slab);
    unsigned walked = 0;
    for (void *at = tn_slab_next(&slab, NULL); at; at = tn_slab_next(&slab, at), walked++)
        tn_slab_free(&slab, at);
    assert_int_equal(walked, 200);
    assert_int_equal(slab.used, 0);
    tn_slab_destroy(&slab);
}

static void random_use_never_hands_out_a_record_twice(void **state)
{
    (void)state;
    enum {
        LIMIT = 257
    };
    struct tn_rng rng = random_start("slab");
    struct tn_slab slab;
    uint64_t *held[LIMIT];
    unsigned count = 0;
    assert_int_equal(tn_slab_init(&slab, "records", 48, LIMIT), 0);
    for (unsigned step = 0; step < 100000; step++) {
        if (random_below(&rng, 2) && count < LIMIT) {
            uint64_t *record = tn_slab_alloc(&slab);
            assert_true(record[0] == 0 && record[5] == 0);
            record[0] = record[5] = (uint64_t)(uintptr_t)record;
            held[count++] = record;
        } else if (count > 0) {
            unsigned i = (unsigned)random_below(&rng, count);
            assert_true(held[i][0] == (uint64_t)(uintptr_t)held[i] && held[i][5] == held[i][0]);
            tn_slab_free(&slab, held[i]);
            held[i] = held[--count];
        }
        assert_int_equal(slab.used, count);
    }
    tn_slab_destroy(&slab);
}

/* Whether `what` kills the process that does it. */
static bool dies(void (*what)(struct tn_slab *slab, uint8_t *record))
{
    struct tn_slab slab;
    if (tn_slab_init(&slab, "records", 64, 10) < 0)
        return false;
    uint8_t *record = tn_slab_alloc(&slab);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        fclose(stderr);
        close(STDERR_FILENO);
        what(&slab, record);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    tn_slab_destroy(&slab);
    return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void free_twice(struct tn_slab *slab, uint8_t *record)
{
    tn_slab_free(slab, record);
    tn_slab_free(slab, record);
}

static void free_the_middle(struct tn_slab *slab, uint8_t *record)
{
    tn_slab_free(slab, record + 16);
}

static void free_an_unused_one(struct tn_slab *slab, uint8_t *record)
{
    tn_slab_free(slab, record + 64);
}

static void free_a_foreign_one(struct tn_slab *slab, uint8_t *record)
{
    uint64_t foreign[8];
    (void)record;
    tn_slab_free(slab, foreign);
}

static void wrong_frees_abort(void **state)
{
    (void)state;
    assert_true(dies(free_twice));
    assert_true(dies(free_the_middle));
    assert_true(dies(free_an_unused_one));
    assert_true(dies(free_a_foreign_one));
}

#ifdef WITH_ASAN
static void write_after_free(struct tn_slab *slab, uint8_t *record)
{
    tn_slab_free(slab, record);
    *(volatile uint8_t *)(record + 32) = 1;
}

static void write_past_the_end(struct tn_slab *slab, uint8_t *record)
{
    (void)slab;
    *(volatile uint8_t *)(record + 64) = 1;
}

static void address_sanitizer_sees_wrong_writes(void **state)
{
    (void)state;
    assert_true(dies(write_after_free));
    assert_true(dies(write_past_the_end));
}
#endif

static void memory_is_usable_again_after_destroy(void **state)
{
    (void)state;
    struct tn_slab slab;
    assert_int_equal(tn_slab_init(&slab, "records", 4096, 4), 0);
    uint8_t *base = slab.base;
    tn_slab_free(&slab, tn_slab_alloc(&slab));
    tn_slab_destroy(&slab);
    /* The same addresses again, for somebody else. */
    uint8_t *again = mmap(base, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(again, MAP_FAILED);
    memset(again, 1, 4 * 4096);
    munmap(again, 4 * 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limit_is_kept_and_refusals_are_counted),
        cmocka_unit_test(last_freed_is_used_first),
        cmocka_unit_test(records_are_zero_again_after_reuse),
        cmocka_unit_test(records_are_aligned_and_apart),
        cmocka_unit_test(nothing_is_touched_before_it_is_used),
        cmocka_unit_test(sizes_beyond_all_memory_are_refused),
        cmocka_unit_test(long_names_are_cut),
        cmocka_unit_test(next_walks_records_in_use_by_address),
        cmocka_unit_test(the_current_record_may_be_freed_while_walking),
        cmocka_unit_test(random_use_never_hands_out_a_record_twice),
        cmocka_unit_test(wrong_frees_abort),
#ifdef WITH_ASAN
        cmocka_unit_test(address_sanitizer_sees_wrong_writes),
#endif
        cmocka_unit_test(memory_is_usable_again_after_destroy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
