/* trace.c: `tenon trace`: the packets of a running stack as they pass. */
#include <stdlib.h>
#include <unistd.h>

#include "tool.h"

static const struct option options[] = {
    {"count", required_argument, NULL, 'c'},
    {"json", no_argument, NULL, OPTION_JSON},
    TARGET_OPTIONS,
    {NULL, 0, NULL, 0},
};

struct settings {
    struct target target;
    json_int_t count; /* lines; 0: no end */
    bool json;
};

static void print_line(const struct settings *s, const json_t *answer)
{
    const json_t *lost = json_object_get(answer, "lost");
    if (s->json) {
        print_json(answer);
        return;
    }
    if (lost)
        printf("(%" JSON_INTEGER_FORMAT " lines lost: this reader is too slow)\n", json_integer_value(lost));
    puts(json_string_value(json_object_get(answer, "line")));
}

static int follow(const struct settings *s, struct client *client)
{
    json_t *answer;
    json_int_t lines = 0;
    while ((answer = client_receive(client, -1))) {
        bool is_line = json_is_string(json_object_get(answer, "line"));
        if (is_line)
            print_line(s, answer);
        json_decref(answer);
        if (fflush(stdout) != 0) /* nobody reads any more */
            return EXIT_DONE;
        if (is_line && ++lines == s->count)
            return EXIT_DONE;
    }
    return fail(EXIT_NO_STACK, "the stack has ended");
}

static int set_option(struct settings *s, int option)
{
    switch (option) {
    case OPTION_JSON:
        s->json = true;
        break;
    case 'c':
        return read_number(&verb_trace, "-c", 1, 1e9, 1, &s->count);
    default:
        set_target(&s->target, option);
    }
    return 0;
}

static int trace(int argc, char **argv)
{
    struct settings s = {.count = 0};
    int done, option;
    while ((option = next_option(&verb_trace, argc, argv, "c:", options, &done)) >= 0) {
        int code = set_option(&s, option);
        if (code)
            return code;
    }
    if (done >= 0)
        return done;
    if (optind < argc)
        return usage(&verb_trace, "no arguments, please");
    bool colour = !s.json && isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
    struct client *client;
    json_t *answer;
    int code = client_open(&s.target, &client);
    if (code)
        return code;
    code = client_ask(client, json_pack("{s:s,s:b,s:b}", "cmd", "trace", "on", 1, "colour", colour), &answer);
    if (code == EXIT_DONE) {
        json_decref(answer);
        code = follow(&s, client);
    }
    client_close(client);
    return code;
}

const struct verb verb_trace = {
    .name = "trace",
    .summary = "shows the packets of a running stack as they pass",
    .help = "usage: tenon trace [OPTIONS]\n\n"
            "  -c, --count N    end after N lines\n"
            "  --json           a JSON object a line\n"
            "  --stack NAME     which stack, if several run\n"
            "  --control PATH   … by its control socket\n"
            "  -h, --help       this\n\n"
            "A line a packet: time of day, number of the received frame, in or out, interface, the layers as "
            "their plugins\n"
            "describe them. What a frame caused carries its number, and the time since its receipt. Lines "
            "with --- are changes\n"
            "of state. Ctrl-C ends it.\n\n"
            "Examples:\n"
            "  tenon trace\n"
            "  tenon trace -c 100 > packets.txt\n\n"
            "Exit codes: 0 done, 2 wrong usage, 3 no stack answers.\n",
    .run = trace,
};
