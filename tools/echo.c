/* echo.c: what `tenon ping` and `tenon traceroute` share: whom to ask, and the plugin that asks (the command "ping"). */
#include <arpa/inet.h>
#include <signal.h>
#include <string.h>

#include "tool.h"

/* ---- Ctrl-C ---- */

static volatile sig_atomic_t signalled;

static void on_interrupt(int number)
{
    signalled = number;
}

void catch_interrupt(void)
{
    struct sigaction interrupt = {.sa_handler = on_interrupt};
    sigaction(SIGINT, &interrupt, NULL);
}

bool interrupted(void)
{
    return signalled;
}

/* ---- Whom to ask ---- */

static bool is_address(const char *text)
{
    uint8_t bytes[16];
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

/* What cannot be an address or a name is told at once; what looks like an address is not to be asked for as a name. */
int read_host(const struct verb *verb, int argc, char **argv, struct host *host)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    if (argc - optind != 1)
        return usage(verb, optind == argc ? "which address?" : "one address, please");
    const char *text = argv[optind];
    bool digits = strspn(text, "0123456789.") == strlen(text);
    host->name = text;
    if (is_address(text) || (*text && !digits && strspn(text, letters) == strlen(text)))
        return -1;
    return usage(verb, "found '%s', expected an IPv4 address or a name", text);
}

/* The first address that the stack's name servers know of. */
static int resolve(struct host *host, struct client *client)
{
    json_t *request = json_pack("{s:s,s:s,s:s,s:{s:s}}", "cmd", "call", "plugin", "core", "command",
                                "resolve", "args", "name", host->name);
    if (!client_send(client, request))
        return fail(EXIT_NO_STACK, "the stack does not answer");
    for (bool more = true; more;) {
        json_t *answer = client_receive(client, -1); /* name servers may take their time */
        if (!answer)
            return interrupted() ? EXIT_FAILED : fail(EXIT_NO_STACK, "the stack has ended");
        const char *error = json_string_value(json_object_get(answer, "error"));
        const char *address = json_string_value(json_object_get(answer, "address"));
        if (error)
            fail(EXIT_FAILED, "%s", error);
        if (address && !*host->address)
            snprintf(host->address, sizeof(host->address), "%s", address);
        more = json_is_true(json_object_get(answer, "more"));
        json_decref(answer);
    }
    return *host->address ? EXIT_DONE : EXIT_FAILED;
}

int find_host(struct host *host, struct client *client, bool tell)
{
    if (is_address(host->name)) {
        snprintf(host->address, sizeof(host->address), "%s", host->name);
        return EXIT_DONE;
    }
    int code = resolve(host, client);
    if (code == EXIT_DONE && tell)
        printf("%s is %s\n", host->name, host->address);
    return code;
}

/* ---- Echo requests ---- */

int ask_echoes(struct client *client, json_t *args, void (*take)(void *context, json_t *answer),
               void *context)
{
    if (!client_send(client, json_pack("{s:s,s:s,s:o}", "cmd", "call", "command", "ping", "args", args)))
        return fail(EXIT_NO_STACK, "the stack does not answer");
    for (bool more = true; more && !interrupted();) {
        json_t *answer = client_receive(client, -1);
        if (!answer)
            return interrupted() ? EXIT_DONE : fail(EXIT_NO_STACK, "the stack has ended");
        more = json_is_true(json_object_get(answer, "more"));
        const char *error = json_string_value(json_object_get(answer, "error"));
        int code = error && !more ? fail(EXIT_FAILED, "%s", error) : EXIT_DONE;
        if (code == EXIT_DONE)
            take(context, answer);
        json_decref(answer);
        if (code != EXIT_DONE)
            return code;
    }
    return EXIT_DONE;
}
