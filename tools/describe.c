/* describe.c: `tenon describe`: what a plugin is and which options it takes, out of its manifest. */
#include <stdlib.h>
#include <string.h>

#include "tool.h"

enum {
    OPTION_LIST = OPTION_OWN
};

static const struct option options[] = {
    {"list", no_argument, NULL, OPTION_LIST},
    {"plugin-path", required_argument, NULL, OPTION_PLUGIN_PATH},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

/* One line of tn_describe_all(): name, kind and summary with tabs between. */
static json_t *row_of(char *line)
{
    char *name = strsep(&line, "\t"), *kind = strsep(&line, "\t");
    return json_pack("{s:s,s:s,s:s}", "name", name, "kind", kind ? kind : "", "summary", line ? line : "");
}

static json_t *all_plugins(const struct tn_env *env)
{
    json_t *rows = json_array();
    char *text = tn_describe_all(env), *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));)
        if (*line)
            json_array_append_new(rows, row_of(line));
    free(text);
    return rows;
}

static int list_names(const json_t *rows)
{
    for (size_t i = 0; i < json_array_size(rows); i++)
        puts(json_string_value(json_object_get(json_array_get(rows, i), "name")));
    return EXIT_DONE;
}

static int list_plugins(const struct tn_env *env, const json_t *rows)
{
    static const struct column columns[] = {
        {"NAME", LEFT, NULL, "name"}, {"KIND", LEFT, NULL, "kind"}, {"WHAT IT IS", LEFT, NULL, "summary"}};
    if (json_array_size(rows) == 0)
        return fail(EXIT_FAILED, "there is no plugin in %s",
                    env->plugin_path ? env->plugin_path : "the built-in place");
    print_table(columns, TN_ARRAY_SIZE(columns), rows);
    return EXIT_DONE;
}

/* There is no such plugin: which could have been meant? */
static int fail_unknown(const struct tn_env *env, const char *name, const char *why)
{
    json_t *rows = all_plugins(env);
    size_t count = json_array_size(rows);
    const char **names = calloc(count + 1, sizeof(*names));
    for (size_t i = 0; names && i < count; i++)
        names[i] = json_string_value(json_object_get(json_array_get(rows, i), "name"));
    const char *path = env->plugin_path ? env->plugin_path : "the built-in place";
    const char *near = names ? tn_nearest(name, names) : NULL;
    if (!count)
        fail(EXIT_FAILED, "there is no plugin in %s", path);
    else if (near && strcmp(near, name) != 0)
        fail(EXIT_FAILED, "%s, did you mean '%s'?", why, near);
    else
        fail(EXIT_FAILED, "%s", why);
    free(names);
    json_decref(rows);
    return EXIT_FAILED;
}

static int describe_one(const struct tn_env *env, const char *name)
{
    struct tn_error error;
    char *text;
    if (tn_describe(env, name, &text, &error) < 0)
        return fail_unknown(env, name, error.text);
    fputs(text, stdout);
    free(text);
    return EXIT_DONE;
}

static int describe(int argc, char **argv)
{
    struct tn_env env = *tn_env_real();
    env.plugin_path = find_plugin_path();
    bool names_only = false;
    int done, option, code = EXIT_DONE;
    while ((option = next_option(&verb_describe, argc, argv, "", options, &done)) >= 0) {
        if (option == OPTION_PLUGIN_PATH)
            env.plugin_path = optarg;
        else
            names_only = true;
    }
    if (done >= 0)
        return done;
    if (names_only || optind == argc) {
        json_t *rows = all_plugins(&env);
        code = names_only ? list_names(rows) : list_plugins(&env, rows);
        json_decref(rows);
        return code;
    }
    for (; optind < argc && code == EXIT_DONE; optind++)
        code = describe_one(&env, argv[optind]);
    return code;
}

const struct verb verb_describe = {
    .name = "describe",
    .summary = "says what a plugin is, and its options",
    .help = "usage: tenon describe [NAME...] [OPTIONS]\n\n"
            "  --list               only the names of all plugins, a line each\n"
            "  --plugin-path PATH   where plugins are, DIR:DIR\n"
            "  -h, --help           this\n\n"
            "Without NAME: all plugins that there are. No stack need run.\n\n"
            "Examples:\n"
            "  tenon describe\n"
            "  tenon describe tcp\n\n"
            "Exit codes: 0 done, 1 no such plugin.\n",
    .run = describe,
};
