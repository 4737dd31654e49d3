/* ping.c: `tenon ping`: echo requests from a running stack.
 *
 * Not this program sends them but the plugin of the stack that has the command "ping"; here the answers are
 * printed as they come, and summed up. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

struct settings {
    struct target target;
    json_int_t count; /* 0: until Ctrl-C */
    json_int_t interval_ms, timeout_ms, size, vrf;
    bool df, json;
    const char *host; /* as it was given */
    char address[INET6_ADDRSTRLEN];
};

struct sums {
    unsigned sent, received;
    double least, most, total; /* milliseconds */
};

enum {
    OPTION_DF = OPTION_OWN,
    OPTION_VRF,
};

static const struct option options[] = {
    {"count", required_argument, NULL, 'c'},
    {"interval", required_argument, NULL, 'i'},
    {"size", required_argument, NULL, 's'},
    {"timeout", required_argument, NULL, 'W'},
    {"df", no_argument, NULL, OPTION_DF},
    {"vrf", required_argument, NULL, OPTION_VRF},
    {"json", no_argument, NULL, OPTION_JSON},
    {"control", required_argument, NULL, OPTION_CONTROL},
    {"stack", required_argument, NULL, OPTION_STACK},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

/* ---- Arguments ---- */

/* A number between the bounds, times `unit`, to *out. */
static int read_number(const char *name, double least, double most, double unit, json_int_t *out)
{
    char *end;
    double value = strtod(optarg, &end);
    if (end == optarg || *end || !(value >= least && value <= most))
        return usage(&verb_ping, "%s %s: expected a number from %.*f to %.0f", name, optarg,
                     least < 1 && least > 0 ? 2 : 0, least, most);
    *out = (json_int_t)(value * unit);
    return 0;
}

static int set_option(struct settings *s, int option)
{
    switch (option) {
    case 'c':
        return read_number("-c", 1, 1e9, 1, &s->count);
    case 'i':
        return read_number("-i", 0.01, 3600, 1000, &s->interval_ms);
    case 's':
        return read_number("-s", 0, 65507, 1, &s->size);
    case 'W':
        return read_number("-W", 0.01, 3600, 1000, &s->timeout_ms);
    case OPTION_VRF:
        return read_number("--vrf", 0, TN_VRF_MAX, 1, &s->vrf);
    case OPTION_DF:
        s->df = true;
        break;
    case OPTION_JSON:
        s->json = true;
        break;
    case OPTION_CONTROL:
        s->target.control = optarg;
        break;
    case OPTION_STACK:
        s->target.stack = optarg;
        break;
    }
    return 0;
}

/* What cannot be an address or a name is told at once; what looks like an address is not to be asked for as a name. */
static int check_host(const char *text)
{
    static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    uint8_t bytes[16];
    bool address = inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
    bool digits = strspn(text, "0123456789.") == strlen(text);
    if (address || (*text && !digits && strspn(text, name) == strlen(text)))
        return -1;
    return usage(&verb_ping, "found '%s', expected an IPv4 address or a name", text);
}

static int read_arguments(int argc, char **argv, struct settings *s)
{
    int done, option;
    while ((option = next_option(&verb_ping, argc, argv, "c:i:s:W:", options, &done)) >= 0) {
        int code = set_option(s, option);
        if (code)
            return code;
    }
    if (done >= 0)
        return done;
    if (argc - optind != 1)
        return usage(&verb_ping, optind == argc ? "which address?" : "one address, please");
    s->host = argv[optind];
    return check_host(s->host);
}

/* ---- Answers ---- */

static double milliseconds_of(const json_t *answer, const char *name)
{
    return json_number_value(json_object_get(answer, name)) / 1e6;
}

static void add_time(struct sums *sums, double ms)
{
    sums->least = sums->received == 0 || ms < sums->least ? ms : sums->least;
    sums->most = ms > sums->most ? ms : sums->most;
    sums->total += ms;
    sums->received++;
}

static void print_answer(const json_t *answer)
{
    const char *from = json_string_value(json_object_get(answer, "from"));
    const char *error = json_string_value(json_object_get(answer, "error"));
    json_int_t seq = json_integer_value(json_object_get(answer, "seq"));
    if (error)
        printf("%s%sseq=%" JSON_INTEGER_FORMAT " %s\n", from ? from : "", from ? ": " : "", seq, error);
    else
        printf("%" JSON_INTEGER_FORMAT " bytes from %s: seq=%" JSON_INTEGER_FORMAT
               " ttl=%" JSON_INTEGER_FORMAT " time=%.3f ms\n",
               json_integer_value(json_object_get(answer, "bytes")), from ? from : "?", seq,
               json_integer_value(json_object_get(answer, "ttl")), milliseconds_of(answer, "rtt-ns"));
}

/* What came of one request ("seq"): a reply with its time, or an error. The plugin's own summary is not needed: after Ctrl-C
 * there is none. */
static void take_answer(struct sums *sums, const json_t *answer, bool json)
{
    if (json)
        print_json(answer);
    if (!json_object_get(answer, "seq"))
        return;
    sums->sent++;
    if (json_object_get(answer, "rtt-ns"))
        add_time(sums, milliseconds_of(answer, "rtt-ns"));
    if (!json)
        print_answer(answer);
}

static int sum_up(const struct settings *s, const struct sums *sums)
{
    if (!s->json) {
        double lost = sums->sent ? 100.0 * (sums->sent - sums->received) / sums->sent : 0;
        printf("\n%s: %u sent, %u received, %.3g %% lost\n", s->host, sums->sent, sums->received, lost);
        if (sums->received)
            printf("round trip min/avg/max %.3f/%.3f/%.3f ms\n", sums->least, sums->total / sums->received,
                   sums->most);
    }
    return sums->received ? EXIT_DONE : EXIT_FAILED;
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    interrupted = number;
}

static json_t *make_request(const struct settings *s)
{
    json_t *args =
        json_pack("{s:s,s:I,s:I,s:I,s:I,s:b,s:I}", "to", s->address, "count", s->count, "interval",
                  s->interval_ms, "size", s->size, "timeout", s->timeout_ms, "df", s->df, "vrf", s->vrf);
    return json_pack("{s:s,s:s,s:o}", "cmd", "call", "command", "ping", "args", args);
}

static int follow(const struct settings *s, struct client *client)
{
    struct sums sums = {.sent = 0};
    bool more = true;
    while (more && !interrupted) {
        json_t *answer = client_receive(client, -1);
        if (!answer && interrupted)
            break;
        if (!answer)
            return fail(EXIT_NO_STACK, "the stack has ended");
        more = json_is_true(json_object_get(answer, "more"));
        const char *error = json_string_value(json_object_get(answer, "error"));
        if (error && !more) {
            fail(EXIT_FAILED, "%s", error);
            json_decref(answer);
            return EXIT_FAILED;
        }
        take_answer(&sums, answer, s->json);
        fflush(stdout);
        json_decref(answer);
    }
    return sum_up(s, &sums);
}

/* The address that pings go to: what was given, or what the stack's name servers say that it is. */
static int find_address(struct settings *s, struct client *client)
{
    uint8_t bytes[16];
    if (inet_pton(AF_INET, s->host, bytes) == 1 || inet_pton(AF_INET6, s->host, bytes) == 1) {
        snprintf(s->address, sizeof(s->address), "%s", s->host);
        return EXIT_DONE;
    }
    json_t *answer;
    json_t *request = json_pack("{s:s,s:s,s:s,s:{s:s}}", "cmd", "call", "plugin", "core", "command",
                                "resolve", "args", "name", s->host);
    if (!client_send(client, request))
        return fail(EXIT_NO_STACK, "the stack does not answer");
    for (bool more = true; more;) {
        answer = client_receive(client, -1); /* name servers may take their time */
        if (!answer)
            return interrupted ? EXIT_FAILED : fail(EXIT_NO_STACK, "the stack has ended");
        const char *error = json_string_value(json_object_get(answer, "error"));
        const char *address = json_string_value(json_object_get(answer, "address"));
        if (error)
            fail(EXIT_FAILED, "%s", error);
        if (address && !*s->address)
            snprintf(s->address, sizeof(s->address), "%s", address);
        more = json_is_true(json_object_get(answer, "more"));
        json_decref(answer);
    }
    if (!*s->address)
        return EXIT_FAILED;
    if (!s->json)
        printf("%s is %s\n", s->host, s->address);
    return EXIT_DONE;
}

static int ping(int argc, char **argv)
{
    struct settings s = {.interval_ms = 1000, .timeout_ms = 1000, .size = 56};
    struct sigaction interrupt = {.sa_handler = on_interrupt};
    struct client *client;
    int code = read_arguments(argc, argv, &s);
    if (code >= 0)
        return code;
    code = client_open(&s.target, &client);
    if (code)
        return code;
    sigaction(SIGINT, &interrupt, NULL);
    code = find_address(&s, client);
    if (code == EXIT_DONE)
        code = client_send(client, make_request(&s)) ? follow(&s, client)
                                                     : fail(EXIT_NO_STACK, "the stack does not answer");
    client_close(client);
    return code;
}

const struct verb verb_ping = {
    .name = "ping",
    .summary = "pings an address or a name from a running stack",
    .help = "usage: tenon ping ADDRESS|NAME [OPTIONS]\n\n"
            "A NAME is asked for at the stack's name servers (stack.yaml, DHCP).\n\n"
            "  -c, --count N        end after N requests (else at Ctrl-C)\n"
            "  -i, --interval SECS  between requests (1)\n"
            "  -s, --size BYTES     of data in a request (56)\n"
            "  -W, --timeout SECS   to wait for an answer (1)\n"
            "      --df             requests must not be fragmented\n"
            "      --vrf N          in this VRF (0)\n"
            "      --json           a JSON object an answer\n"
            "      --stack NAME     which stack, if several run\n"
            "      --control PATH   … by its control socket\n"
            "  -h, --help           this\n\n"
            "Examples:\n"
            "  tenon ping 10.0.7.1\n"
            "  tenon ping -c 3 -i 0.2 -s 1472 --df 10.0.7.1\n\n"
            "Exit codes: 0 something answered, 1 nothing did, 2 wrong usage, 3 no stack answers.\n",
    .run = ping,
};
