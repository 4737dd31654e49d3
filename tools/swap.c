/* swap.c: `tenon swap`: other code for a plugin of a running stack. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static void print_build(const char *title, const json_t *build)
{
    const char *id = json_string_value(json_object_get(build, "build-id"));
    printf("  %s  build %.16s  generation %" JSON_INTEGER_FORMAT "  version %s  %s\n", title,
           id && *id ? id : "-", json_integer_value(json_object_get(build, "generation")),
           json_string_value(json_object_get(build, "version")),
           json_string_value(json_object_get(build, "path")));
}

static void print_swap(const json_t *answer)
{
    const json_t *old = json_object_get(answer, "old"), *new = json_object_get(answer, "new");
    bool same = json_equal(json_object_get(old, "build-id"), json_object_get(new, "build-id"));
    printf("%s swapped%s\n", json_string_value(json_object_get(answer, "plugin")),
           same ? " (to another copy of the same build)" : "");
    print_build("old", old);
    print_build("new", new);
}

static int swap(int argc, char **argv)
{
    struct target target = {.control = NULL};
    char path[PATH_MAX];
    bool json = false;
    int done = read_target(&verb_swap, argc, argv, &target, &json);
    if (done >= 0)
        return done;
    if (argc - optind < 1 || argc - optind > 2)
        return usage(&verb_swap,
                     argc == optind ? "which plugin?" : "a plugin's name and at most one file, please");
    json_t *request = json_pack("{s:s,s:s}", "cmd", "swap", "plugin", argv[optind]);
    if (argc - optind == 2) {
        if (!realpath(argv[optind + 1], path)) {
            json_decref(request);
            return fail(EXIT_FAILED, "%s: %s", argv[optind + 1], strerror(errno));
        }
        json_object_set_new(request, "path", json_string(path));
    }
    return ask_and_print(&target, request, json, print_swap);
}

const struct verb verb_swap = {
    .name = "swap",
    .summary = "replaces the code of a plugin while it runs",
    .help = "usage: tenon swap NAME [FILE.so] [OPTIONS]\n\n"
            "  --json           the answer as it came\n"
            "  --stack NAME     which stack, if several run\n"
            "  --control PATH   … by its control socket\n"
            "  -h, --help       this\n\n"
            "Without FILE.so the build on the stack's plugin path is taken, as it now is. Connections, "
            "queues and timers\n"
            "stay; if anything about the new build is wrong, the old one goes on and the reason is said.\n\n"
            "Examples:\n"
            "  tenon swap echo\n"
            "  tenon swap tcp build/release/plugins-out/tcp.so\n\n"
            "Exit codes: 0 swapped, 1 refused (the old code runs on), 2 wrong usage, 3 no stack answers.\n",
    .run = swap,
};
