/* stop.c: `tenon stop`: ends a running stack. */
#include "tool.h"

/* The stack closes the connection as the last thing but freeing its memory. */
static int wait_for_end(struct client *client)
{
    json_t *more = client_receive(client, 10000);
    json_decref(more);
    return EXIT_DONE;
}

static int stop(int argc, char **argv)
{
    struct target target = {.control = NULL};
    struct client *client;
    json_t *answer;
    int done = read_target(&verb_stop, argc, argv, &target, NULL);
    if (done >= 0)
        return done;
    if (optind < argc)
        return usage(&verb_stop, "no arguments, please; --stack NAME says which");
    int code = client_open(&target, &client);
    if (code)
        return code;
    code = client_ask(client, json_pack("{s:s}", "cmd", "stop"), &answer);
    if (code == EXIT_DONE) {
        json_decref(answer);
        code = wait_for_end(client);
    }
    client_close(client);
    return code;
}

const struct verb verb_stop = {
    .name = "stop",
    .summary = "ends a running stack",
    .help = "usage: tenon stop [OPTIONS]\n\n"
            "  --stack NAME     which one, if several run\n"
            "  --control PATH   … by its control socket\n"
            "  -h, --help       this\n\n"
            "Connections are reset, devices closed. Returns when the control socket is gone.\n\n"
            "Example:\n"
            "  tenon stop --stack demo\n\n"
            "Exit codes: 0 done, 2 wrong usage, 3 no stack answers.\n",
    .run = stop,
};
