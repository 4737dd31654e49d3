/* The example stacks of etc/ are right, with the plugins of this build. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmocka_all.h"
#include "plan.h"

static void check_example(const char *path)
{
    static char text[65536];
    struct tn_error error = {""};
    struct tn_plan *plan = NULL;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof(text), file);
    fclose(file);
    assert_in_range(len, 1, sizeof(text) - 1);
    int err = tn_plan_parse(text, len, path, TN_TEST_PLUGIN_DIR, &plan, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(err, 0);
    tn_plan_free(plan);
}

static void every_example_is_right(void **state)
{
    glob_t found;
    assert_int_equal(glob(TN_TEST_SOURCE_DIR "/etc/*.yaml", 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= 5);
    for (size_t i = 0; i < found.gl_pathc; i++)
        check_example(found.gl_pathv[i]);
    globfree(&found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_example_is_right)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
