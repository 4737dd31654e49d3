/* Manifests: finding them in a plugin path, and describing them for people. */
#include <errno.h>
#include <sys/stat.h>

#include "manifest.h"
#include "plan_fixture.h"

#define HEAD \
    "[plugin]\nname = x\nkind = service\nabi = 1.0\nversion = 0.1.0\nsummary = A service\nschema = x/1\n"

static struct tn_manifest *parse(const char *text)
{
    struct tn_error error = {""};
    struct tn_manifest *manifest = NULL;
    int err = tn_manifest_parse(text, strlen(text), "x.ini", &manifest, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(err, 0);
    return manifest;
}

/* ---- Files ---- */

static int load(const char *name, struct tn_manifest **out, struct tn_error *error)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return tn_manifest_load(path, out, error);
}

static void loading_tells_where_the_code_lies(void **state)
{
    struct tn_manifest *m;
    struct tn_error error;
    add_plugin("x", "service", "");
    assert_int_equal(load("x.ini", &m, &error), 0);
    assert_string_equal(without_directory(m->path), "DIR/x.ini");
    assert_string_equal(without_directory(m->so_path), "DIR/x.so");
    tn_manifest_free(m);
    remove_plugin("x");
}

static void missing_file_is_told(void **state)
{
    struct tn_manifest *m;
    struct tn_error error;
    assert_int_equal(load("none.ini", &m, &error), -ENOENT);
    assert_string_equal(without_directory(error.text),
                        "DIR/none.ini: cannot read it: No such file or directory");
    assert_null(m);
}

static void manifest_of_another_name_is_refused(void **state)
{
    struct tn_manifest *m;
    struct tn_error error;
    write_file("y.ini", HEAD);
    assert_int_equal(load("y.ini", &m, &error), -EINVAL);
    assert_string_equal(without_directory(error.text),
                        "DIR/y.ini: found the plugin 'x', expected the file's name to be 'x.ini'");
    remove_file("y.ini");
}

static void directory_and_fifo_are_refused(void **state)
{
    char path[256];
    struct tn_manifest *m;
    struct tn_error error;
    snprintf(path, sizeof(path), "%s/x.ini", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(load("x.ini", &m, &error), -EINVAL);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(load("x.ini", &m, &error), -EINVAL);
    assert_string_equal(without_directory(error.text), "DIR/x.ini: cannot read it: Invalid argument");
    assert_int_equal(unlink(path), 0);
}

static void finding_looks_in_each_directory_and_in_one_named_like_the_plugin(void **state)
{
    char path[256], sub[128];
    struct tn_manifest *m;
    struct tn_error error;
    snprintf(sub, sizeof(sub), "%s/x", dir);
    assert_int_equal(mkdir(sub, 0700), 0);
    write_file("x/x.ini", HEAD);
    snprintf(path, sizeof(path), "/nonexistent::%s", dir);
    assert_int_equal(tn_manifest_find(path, "x", &m, &error), 0);
    assert_string_equal(without_directory(m->path), "DIR/x/x.ini");
    tn_manifest_free(m);
    add_plugin("x", "service", "");
    assert_int_equal(tn_manifest_find(path, "x", &m, &error), 0);
    assert_string_equal(without_directory(m->path), "DIR/x.ini");
    tn_manifest_free(m);
    remove_plugin("x");
    remove_file("x/x.ini");
    assert_int_equal(rmdir(sub), 0);
}

static void finding_nothing_says_where_it_looked(void **state)
{
    struct tn_manifest *m;
    struct tn_error error;
    assert_int_equal(tn_manifest_find("/a:/b", "x", &m, &error), -ENOENT);
    assert_string_equal(error.text, "no plugin 'x' (no x.ini in /a:/b)");
}

static void finding_takes_no_paths(void **state)
{
    struct tn_manifest *m;
    struct tn_error error;
    const char *wrong[] = {
        "../x", "", "a/b", ".", "X", "a b", "-x", "0x", "abcdefghijklmnopqrstuvwxyzabcdef"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(wrong); i++)
        assert_int_equal(tn_manifest_find("/", wrong[i], &m, &error), -EINVAL);
    assert_string_equal(error.text,
                        "found 'abcdefghijklmnopqrstuvwxyzabcdef' as the name of a plugin, expected a-z, "
                        "0-9 and -, at most 31");
}

static void listing_is_sorted_and_without_doubles(void **state)
{
    char path[256], sub[128], **names;
    snprintf(sub, sizeof(sub), "%s/c", dir);
    assert_int_equal(mkdir(sub, 0700), 0);
    write_file("c/c.ini", "");
    write_file("b.ini", "");
    write_file("a.ini", "");
    write_file("Not-a-name.ini", "");
    write_file("d.txt", "");
    snprintf(path, sizeof(path), "%s:%s:/nonexistent", dir, dir);
    assert_int_equal(tn_manifest_list(path, &names), 3);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(names[i], ((const char *[]){"a", "b", "c"})[i]);
        free(names[i]);
    }
    free(names);
    remove_file("c/c.ini");
    assert_int_equal(rmdir(sub), 0);
    const char *files[] = {"a.ini", "b.ini", "Not-a-name.ini", "d.txt"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(files); i++)
        remove_file(files[i]);
}

static void plugin_path_is_given_or_set_or_built_in(void **state)
{
    assert_int_equal(unsetenv("TENON_PLUGIN_PATH"), 0);
    assert_string_equal(tn_plugin_path("/x"), "/x");
    const char *built_in = tn_plugin_path(NULL);
    assert_true(built_in[0] == '/');
    assert_int_equal(setenv("TENON_PLUGIN_PATH", "/y:/z", 1), 0);
    assert_string_equal(tn_plugin_path(NULL), "/y:/z");
    assert_string_equal(tn_plugin_path("/x"), "/x");
    assert_int_equal(setenv("TENON_PLUGIN_PATH", "", 1), 0);
    assert_string_equal(tn_plugin_path(NULL), built_in);
    assert_int_equal(unsetenv("TENON_PLUGIN_PATH"), 0);
}

/* ---- For people ---- */

static void description_shows_everything(void **state)
{
    struct tn_manifest *m =
        parse("[plugin]\nname = udp\nkind = transport\nabi = 1.0\nversion = 0.1.0\n"
              "summary = Datagrams\nschema = udp/1\nprovides = ipproto:17\nneeds = family:*\n"
              "[option receive-buffer]\ntype = size\ndefault = 212992\nrange = 1k..64M\nlive = yes\n"
              "help = Its limit\n"
              "[option mode]\ntype = choice\nchoices = fast, slow\nhelp = How\n"
              "[option who]\ntype = string\ndefault =\nhelp = Whom\n");
    char *text = tn_manifest_describe(m);
    assert_string_equal(text, "udp: Datagrams\n"
                              "\n"
                              "kind      transport\n"
                              "version   0.1.0\n"
                              "ABI       1.0\n"
                              "schema    udp/1\n"
                              "provides  ipproto:17\n"
                              "needs     family:*\n"
                              "\n"
                              "OPTION          TYPE    DEFAULT     RANGE           LIVE\n"
                              "receive-buffer  size    208k        from 1k to 64M  yes\n"
                              "    Its limit\n"
                              "mode            choice  (required)  fast, slow      no\n"
                              "    How\n"
                              "who             string  \"\"                          no\n"
                              "    Whom\n"
                              "\n"
                              "LIVE: a reload can change it while the plugin runs.\n");
    free(text);
    tn_manifest_free(m);
}

static void description_of_a_plain_service(void **state)
{
    struct tn_manifest *m = parse(HEAD "listens = yes\n");
    char *text = tn_manifest_describe(m);
    assert_string_equal(text,
                        "x: A service\n\nkind      service\nversion   0.1.0\nABI       1.0\nschema    x/1\n"
                        "provides  -\nneeds     -\nlistens   yes (give it 'listen: [TRANSPORT/PORT]')\n"
                        "\nIt has no options.\n");
    free(text);
    tn_manifest_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loading_tells_where_the_code_lies),
        cmocka_unit_test(missing_file_is_told),
        cmocka_unit_test(manifest_of_another_name_is_refused),
        cmocka_unit_test(directory_and_fifo_are_refused),
        cmocka_unit_test(finding_looks_in_each_directory_and_in_one_named_like_the_plugin),
        cmocka_unit_test(finding_nothing_says_where_it_looked),
        cmocka_unit_test(finding_takes_no_paths),
        cmocka_unit_test(listing_is_sorted_and_without_doubles),
        cmocka_unit_test(plugin_path_is_given_or_set_or_built_in),
        cmocka_unit_test(description_shows_everything),
        cmocka_unit_test(description_of_a_plain_service),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
