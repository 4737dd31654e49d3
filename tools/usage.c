/* usage.c: arguments: what is wrong with them, and --help. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

int fail(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fflush(stdout);
    fputs("tenon: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    return code;
}

int usage(const struct verb *verb, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fflush(stdout);
    fprintf(stderr, "tenon %s: ", verb->name);
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n'tenon %s --help' says more.\n", verb->name);
    va_end(ap);
    return EXIT_USAGE;
}

void print_help(const struct verb *verb)
{
    printf("tenon %s: %s\n\n%s", verb->name, verb->summary, verb->help);
}

static int unknown_option(const struct verb *verb, const char *word, const struct option *options)
{
    const char *names[32] = {NULL}, *near = NULL;
    char name[64];
    if (strncmp(word, "--", 2) == 0) {
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
        for (size_t i = 0; options[i].name && i + 1 < TN_ARRAY_SIZE(names); i++)
            names[i] = options[i].name;
        near = tn_nearest(name, names);
    }
    if (near)
        return usage(verb, "unknown option '%s', did you mean '--%s'?", word, near);
    return usage(verb, "unknown option '%s'", word);
}

static const struct option *option_of(const struct option *options, int value)
{
    for (; options->name; options++)
        if (options->val == value)
            return options;
    return NULL;
}

int next_option(const struct verb *verb, int argc, char **argv, const char *letters,
                const struct option *options, int *done)
{
    char all[64];
    snprintf(all, sizeof(all), ":h%s", letters);
    opterr = 0;
    int c = getopt_long(argc, argv, all, options, NULL);
    *done = -1;
    if (c == 'h' || c == OPTION_HELP) {
        print_help(verb);
        *done = EXIT_DONE;
    } else if (c == ':') {
        const struct option *o = option_of(options, optopt);
        *done = o ? usage(verb, "option --%s needs a value", o->name)
                  : usage(verb, "option -%c needs a value", optopt);
    } else if (c == '?') {
        const struct option *o = optopt ? option_of(options, optopt) : NULL;
        char letter[3] = {'-', (char)optopt, '\0'};
        if (o)
            *done = usage(verb, "option --%s takes no value", o->name);
        else
            *done = unknown_option(verb, optopt && optopt < 256 ? letter : argv[optind - 1], options);
    } else {
        return c;
    }
    return -1;
}

int read_number(const struct verb *verb, const char *name, double least, double most, double unit,
                json_int_t *out)
{
    char *end;
    double value = strtod(optarg, &end);
    if (end == optarg || *end || !(value >= least && value <= most))
        return usage(verb, "%s %s: expected a number from %.*f to %.0f", name, optarg,
                     least < 1 && least > 0 ? 2 : 0, least, most);
    *out = (json_int_t)(value * unit);
    return 0;
}
