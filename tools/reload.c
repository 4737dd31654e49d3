/* reload.c: `tenon reload`: applies an edited stack.yaml to the running stack. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static void print_changes(const json_t *answer)
{
    const json_t *changes = json_object_get(answer, "changes");
    for (size_t i = 0; i < json_array_size(changes); i++)
        puts(json_string_value(json_array_get(changes, i)));
    if (json_array_size(changes) == 0)
        puts("nothing had changed");
}

static int reload(int argc, char **argv)
{
    struct target target = {.control = NULL};
    char path[PATH_MAX];
    bool json = false;
    int done = read_target(&verb_reload, argc, argv, &target, &json);
    if (done >= 0)
        return done;
    if (argc - optind > 1)
        return usage(&verb_reload, "at most one file, please");
    json_t *request = json_pack("{s:s}", "cmd", "reload");
    if (optind < argc) {
        if (!realpath(argv[optind], path)) {
            json_decref(request);
            return fail(EXIT_USAGE, "%s: %s", argv[optind], strerror(errno));
        }
        json_object_set_new(request, "path", json_string(path));
    }
    return ask_and_print(&target, request, json, print_changes);
}

const struct verb verb_reload = {
    .name = "reload",
    .summary = "applies an edited stack.yaml to the running stack",
    .help = "usage: tenon reload [FILE] [OPTIONS]\n\n"
            "  --json           the answer as it came\n"
            "  --stack NAME     which stack, if several run\n"
            "  --control PATH   … by its control socket\n"
            "  -h, --help       this\n\n"
            "Without FILE: the one that the stack was started with. Only the difference is applied; what has "
            "not changed is\n"
            "not disturbed. If something can't be changed while running, or is wrong, nothing is changed.\n\n"
            "Examples:\n"
            "  tenon check etc/stack.yaml && tenon reload\n"
            "  tenon reload other.yaml --stack demo\n\n"
            "Exit codes: 0 applied, 1 refused (nothing was changed), 2 wrong usage, 3 no stack answers.\n",
    .run = reload,
};
