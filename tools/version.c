/* version.c: `tenon version`. */
#include "tool.h"

static const struct option options[] = {
    {"json", no_argument, NULL, OPTION_JSON},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

static int version(int argc, char **argv)
{
    int done, option;
    bool json = false;
    while ((option = next_option(&verb_version, argc, argv, "", options, &done)) >= 0)
        json = option == OPTION_JSON;
    if (done >= 0)
        return done;
    if (optind < argc)
        return usage(&verb_version, "no arguments, please");
    printf(json ? "{\"version\":\"%s\"}\n" : "tenon %s\n", tn_version());
    return EXIT_DONE;
}

const struct verb verb_version = {
    .name = "version",
    .summary = "says the version of this program",
    .help = "usage: tenon version [OPTIONS]\n\n"
            "  --json       as an object\n"
            "  -h, --help   this\n\n"
            "The version of a running stack is in 'tenon show stack'.\n\n"
            "Example:\n"
            "  tenon version\n\n"
            "Exit code: 0.\n",
    .run = version,
};
