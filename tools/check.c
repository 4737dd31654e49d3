/* check.c: `tenon check`: is a stack.yaml right? */
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const struct option options[] = {
    {"plugin-path", required_argument, NULL, OPTION_PLUGIN_PATH},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static int check_file(const struct tn_env *env, const char *file)
{
    struct tn_error error;
    const char *name = strcmp(file, "-") == 0 ? "standard input" : file;
    char *text = read_file(file);
    if (!text)
        return EXIT_USAGE;
    int err = tn_stack_check(env, text, name, &error);
    free(text);
    if (err < 0)
        return fail(EXIT_USAGE, "%s", error.text);
    printf("%s: right%s%s\n", name, error.text[0] ? ", but " : "", error.text);
    return EXIT_DONE;
}

static int check(int argc, char **argv)
{
    struct tn_env env = *tn_env_real();
    env.plugin_path = find_plugin_path();
    int done, option;
    while ((option = next_option(&verb_check, argc, argv, "", options, &done)) >= 0)
        if (option == OPTION_PLUGIN_PATH)
            env.plugin_path = optarg;
    if (done >= 0)
        return done;
    if (optind == argc)
        return usage(&verb_check, "which stack.yaml?");
    int code = EXIT_DONE;
    for (; optind < argc; optind++)
        code = tn_max((size_t)code, (size_t)check_file(&env, argv[optind]));
    return code;
}

const struct verb verb_check = {
    .name = "check",
    .summary = "checks a stack.yaml without starting anything",
    .help = "usage: tenon check FILE... [OPTIONS]\n\n"
            "  --plugin-path PATH   where plugins are, DIR:DIR\n"
            "  -h, --help           this\n\n"
            "FILE is '-' for standard input. The first error is said as FILE:LINE:COLUMN, with what was "
            "expected.\n\n"
            "Examples:\n"
            "  tenon check etc/stack.yaml\n"
            "  sed s/10.0.7/10.1.7/ etc/stack.yaml | tenon check -\n\n"
            "Exit codes: 0 right, 2 wrong.\n",
    .run = check,
};
