/* main.c: the `tenon` command: finds the verb. */
#include <signal.h>
#include <string.h>

#include "tool.h"

static const struct verb *const verbs[] = {
    &verb_run,      &verb_check, &verb_show,       &verb_swap,  &verb_reload,  &verb_stop,
    &verb_describe, &verb_ping,  &verb_traceroute, &verb_trace, &verb_version,
};

static int print_overview(FILE *out)
{
    fputs("Tenon: a TCP/IP stack whose protocols are plugins.\n\nusage: tenon VERB [OPTIONS] [ARGUMENTS]\n\n",
          out);
    for (size_t i = 0; i < TN_ARRAY_SIZE(verbs); i++)
        fprintf(out, "  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
    fputs("\n'tenon VERB --help' says more, with examples. Exit codes: 0 done, 1 it did not work,\n"
          "2 wrong usage or configuration, 3 no stack answers.\n",
          out);
    return EXIT_DONE;
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < TN_ARRAY_SIZE(verbs); i++)
        if (strcmp(verbs[i]->name, name) == 0)
            return verbs[i];
    return NULL;
}

static int unknown_verb(const char *name)
{
    const char *names[TN_ARRAY_SIZE(verbs) + 1] = {NULL};
    for (size_t i = 0; i < TN_ARRAY_SIZE(verbs); i++)
        names[i] = verbs[i]->name;
    const char *near = tn_nearest(name, names);
    if (near)
        return fail(EXIT_USAGE, "there is no verb '%s', did you mean '%s'? 'tenon --help' lists the verbs.",
                    name, near);
    return fail(EXIT_USAGE, "there is no verb '%s'. 'tenon --help' lists the verbs.", name);
}

static int help_about(int argc, char **argv)
{
    if (argc < 3)
        return print_overview(stdout);
    const struct verb *verb = find_verb(argv[2]);
    if (!verb)
        return unknown_verb(argv[2]);
    print_help(verb);
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) {
        print_overview(stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0)
        return help_about(argc, argv);
    if (strcmp(name, "--version") == 0)
        name = "version";
    const struct verb *verb = find_verb(name);
    return verb ? verb->run(argc - 1, argv + 1) : unknown_verb(name);
}
