/* What the loader refuses, and with which words; and that the stack which was asked to swap runs on. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tenon/sim.h"

#define PLUGINS TN_TEST_PLUGINS
#define PATH    PLUGINS "/first:" TN_TEST_PLUGIN_DIR

static const char stack_yaml[] = "interfaces:\n"
                                 "  h0: { driver: host, mode: ip, addresses: [10.0.0.1/24] }\n"
                                 "protocols: { rawip: {}, ipv4: {}, tcp: {} }\n"
                                 "services:\n"
                                 "  probe: { listen: [tcp/7] }\n";

struct fixture {
    struct tn_sim *sim;
    struct tn_stack *stack;
    struct tn_error error;
    char dir[64];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->sim = tn_sim_create(1);
    tn_sim_plugin_path(f->sim, PATH);
    if (tn_sim_add(f->sim, stack_yaml, &f->stack, &f->error) < 0)
        fail_msg("%s", f->error.text);
    strcpy(f->dir, "/tmp/tenon-loader-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char file[96];
    snprintf(file, sizeof(file), "%s/probe.so", f->dir);
    (void)unlink(file);
    (void)rmdir(f->dir);
    tn_sim_destroy(f->sim);
    free(f);
    return 0;
}

/* The swap fails, the reason holds `text`, and the running build is the old one and still counts seconds. */
static void assert_refused(struct fixture *f, const char *path, const char *text)
{
    char before[80];
    strcpy(before, tn_stack_build_id(f->stack, "probe"));
    f->error.text[0] = '\0';
    assert_true(tn_stack_swap(f->stack, "probe", path, &f->error) < 0);
    if (!strstr(f->error.text, text))
        fail_msg("expected '%s' in: %s", text, f->error.text);
    assert_string_equal(tn_stack_build_id(f->stack, "probe"), before);
    uint64_t seconds = tn_stack_counter(f->stack, "probe", "seconds");
    tn_sim_run(f->sim, 2 * TN_SEC);
    assert_int_equal(tn_stack_counter(f->stack, "probe", "seconds"), seconds + 2);
}

static void read_good(uint8_t **bytes, size_t *len)
{
    FILE *file = fopen(PLUGINS "/first/probe.so", "rb");
    assert_non_null(file);
    *bytes = malloc(1 << 20);
    *len = fread(*bytes, 1, 1 << 20, file);
    fclose(file);
    assert_true(*len > 4096 && *len < 1 << 20);
}

static const char *write_file(struct fixture *f, const void *bytes, size_t len)
{
    static char path[96];
    snprintf(path, sizeof(path), "%s/probe.so", f->dir);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    fclose(file);
    return path;
}

#define REFUSES_VARIANT(test, variant, text)                           \
    static void test(void **state)                                     \
    {                                                                  \
        assert_refused(*state, PLUGINS "/" variant "/probe.so", text); \
    }

REFUSES_VARIANT(missing_file, "nowhere", "cannot be opened: No such file")
REFUSES_VARIANT(wrong_magic, "wrong_magic", "wrong magic number 0x12345678")
REFUSES_VARIANT(next_abi_major, "next_major", "was built for plugin ABI 2.0; this is ABI 1.0")
REFUSES_VARIANT(newer_abi_minor, "next_minor", "needs plugin ABI 1.1 or newer; this is ABI 1.0")
REFUSES_VARIANT(name_is_not_the_manifests, "other_name", "is a build of 'sonde', not of 'probe'")
REFUSES_VARIANT(version_is_not_the_manifests, "other_version", "version is '9.9' in the code")
REFUSES_VARIANT(options_are_not_the_manifests, "no_option", "disagrees with its manifest")
REFUSES_VARIANT(undefined_symbol, "undefined", "probe_nobody_defines_this")
REFUSES_VARIANT(crash_while_loading, "crashes", "ended a trial process with signal")
REFUSES_VARIANT(no_entry, "no_entry", "has no function tn_plugin_entry()")
REFUSES_VARIANT(no_descriptor, "no_descriptor", "gives no descriptor")
REFUSES_VARIANT(other_schema, "other_schema",
                "keeps its state by schema 'probe/2', the running one by 'probe/1'")
REFUSES_VARIANT(other_state_size, "bigger_state", "differs in the size of its state")

static void directory(void **state)
{
    assert_refused(*state, "/tmp", "is not a file");
}

static void empty_file(void **state)
{
    assert_refused(*state, write_file(*state, "", 0), "it has 0 bytes");
}

static void text_file(void **state)
{
    assert_refused(*state, write_file(*state, "#!/bin/sh\nexit 0\n", 17), "is not an ELF file");
}

static void other_architecture(void **state)
{
    uint8_t *bytes;
    size_t len;
    read_good(&bytes, &len);
    bytes[18] ^= 0x55; /* e_machine */
    assert_refused(*state, write_file(*state, bytes, len), "is built for another architecture");
    free(bytes);
}

static void cut_short(void **state)
{
    uint8_t *bytes;
    size_t len;
    read_good(&bytes, &len);
    assert_refused(*state, write_file(*state, bytes, 40), "is cut short");
    assert_refused(*state, write_file(*state, bytes, 100), "is cut short");
    assert_refused(*state, write_file(*state, bytes, 3000), "is cut short");
    free(bytes);
}

/* Whatever is overwritten, the stack answers in words or with a working plugin; it never falls. */
static void damaged_anywhere(void **state)
{
    struct fixture *f = *state;
    uint8_t *bytes;
    size_t len;
    read_good(&bytes, &len);
    unsigned refused = 0;
    /* Debug information, which nobody loads, lies behind the first pages. */
    size_t end = len < 16384 ? len : 16384;
    for (size_t at = 0; at < end; at += 256) {
        uint8_t kept[64];
        size_t n = len - at < sizeof(kept) ? len - at : sizeof(kept);
        memcpy(kept, bytes + at, n);
        memset(bytes + at, 0xa5, n);
        if (tn_stack_swap(f->stack, "probe", write_file(f, bytes, len), &f->error) < 0) {
            refused++;
            assert_true(strlen(f->error.text) > 10);
        }
        memcpy(bytes + at, kept, n);
    }
    assert_true(refused > 3);
    free(bytes);
}

static void failing_start(void **state)
{
    struct fixture *f = *state;
    struct tn_stack *other;
    tn_sim_plugin_path(f->sim, PLUGINS "/fails:" TN_TEST_PLUGIN_DIR);
    assert_true(tn_sim_add(f->sim, stack_yaml, &other, &f->error) < 0);
    assert_non_null(strstr(f->error.text, "stack.yaml:5:3: probe: cannot start: it was built to fail"));
}

static void unknown_plugin(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(tn_stack_swap(f->stack, "nobody", NULL, &f->error), -ENOENT);
    assert_non_null(strstr(f->error.text, "there is no plugin 'nobody'"));
    assert_int_equal(tn_stack_swap(f->stack, "core", NULL, &f->error), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(missing_file),
        TEST(directory),
        TEST(empty_file),
        TEST(text_file),
        TEST(other_architecture),
        TEST(cut_short),
        TEST(damaged_anywhere),
        TEST(wrong_magic),
        TEST(next_abi_major),
        TEST(newer_abi_minor),
        TEST(name_is_not_the_manifests),
        TEST(version_is_not_the_manifests),
        TEST(options_are_not_the_manifests),
        TEST(undefined_symbol),
        TEST(crash_while_loading),
        TEST(no_entry),
        TEST(no_descriptor),
        TEST(other_schema),
        TEST(other_state_size),
        TEST(failing_start),
        TEST(unknown_plugin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
