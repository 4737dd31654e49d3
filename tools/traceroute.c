/* traceroute.c: `tenon traceroute`: the routers on the way to an address.
 *
 * The plugin that has the command "ping" is asked for echo requests with a time to live of 1, 2, and so on. The router at
 * which that ends says so, and thereby who it is (RFC 792). */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

struct settings {
    struct target target;
    json_int_t max_hops, queries, timeout_ms, size, vrf;
    bool json;
    const char *address;
};

/* What came of one hop's requests. */
struct hop {
    bool reached; /* the address itself has answered, or somebody said that nobody else will */
    json_t *answers;
};

enum {
    OPTION_VRF = OPTION_OWN
};

static const struct option options[] = {
    {"max-hops", required_argument, NULL, 'm'},
    {"queries", required_argument, NULL, 'q'},
    {"timeout", required_argument, NULL, 'w'},
    {"size", required_argument, NULL, 's'},
    {"vrf", required_argument, NULL, OPTION_VRF},
    {"json", no_argument, NULL, OPTION_JSON},
    {"control", required_argument, NULL, OPTION_CONTROL},
    {"stack", required_argument, NULL, OPTION_STACK},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

/* ---- Arguments ---- */

static int read_number(const char *name, double least, double most, double unit, json_int_t *out)
{
    char *end;
    double value = strtod(optarg, &end);
    if (end == optarg || *end || !(value >= least && value <= most))
        return usage(&verb_traceroute, "%s %s: expected a number from %.*f to %.0f", name, optarg,
                     least < 1 && least > 0 ? 2 : 0, least, most);
    *out = (json_int_t)(value * unit);
    return 0;
}

static int set_option(struct settings *s, int option)
{
    switch (option) {
    case 'm':
        return read_number("-m", 1, 255, 1, &s->max_hops);
    case 'q':
        return read_number("-q", 1, 10, 1, &s->queries);
    case 'w':
        return read_number("-w", 0.01, 60, 1000, &s->timeout_ms);
    case 's':
        return read_number("-s", 0, 65507, 1, &s->size);
    case OPTION_VRF:
        return read_number("--vrf", 0, TN_VRF_MAX, 1, &s->vrf);
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

static int read_arguments(int argc, char **argv, struct settings *s)
{
    int done, option;
    uint8_t bytes[4];
    while ((option = next_option(&verb_traceroute, argc, argv, "m:q:w:s:", options, &done)) >= 0) {
        int code = set_option(s, option);
        if (code)
            return code;
    }
    if (done >= 0)
        return done;
    if (argc - optind != 1)
        return usage(&verb_traceroute, optind == argc ? "which address?" : "one address, please");
    s->address = argv[optind];
    if (inet_pton(AF_INET, s->address, bytes) != 1)
        return usage(&verb_traceroute, "found '%s', expected an IPv4 address", s->address);
    return -1;
}

/* ---- Hops ---- */

static const char *text_of(const json_t *answer, const char *name)
{
    const char *text = json_string_value(json_object_get(answer, name));
    return text ? text : "";
}

/* The round trip, of a reply or of a router's message; negative: there was neither. */
static double milliseconds_of(const json_t *answer)
{
    const json_t *time = json_object_get(answer, "rtt-ns");
    if (!time)
        time = json_object_get(answer, "after-ns");
    return time ? json_number_value(time) / 1e6 : -1;
}

/* "!H" and its like, for what ends the way without being its end. */
static const char *mark_of(const json_t *answer)
{
    const char *error = text_of(answer, "error");
    if (!*text_of(answer, "from") || !*error || strcmp(error, "time to live exceeded") == 0)
        return "";
    return strstr(error, "network")    ? " !N"
           : strstr(error, "host")     ? " !H"
           : strstr(error, "protocol") ? " !P"
                                       : " !X";
}

static void print_hop(json_int_t ttl, const json_t *answers)
{
    const char *last = "";
    const json_t *answer;
    size_t i;
    printf("%2" JSON_INTEGER_FORMAT " ", ttl);
    json_array_foreach(answers, i, answer)
    {
        const char *from = text_of(answer, "from");
        if (!*from) {
            printf(" *");
            continue;
        }
        if (strcmp(from, last) != 0)
            printf(" %s", from);
        last = from;
        printf(" %.3f ms%s", milliseconds_of(answer), mark_of(answer));
    }
    printf("\n");
}

static void take_answer(const struct settings *s, struct hop *hop, json_t *answer)
{
    if (!json_object_get(answer, "seq"))
        return;
    const char *from = text_of(answer, "from");
    if (strcmp(from, s->address) == 0 || *mark_of(answer))
        hop->reached = true;
    json_object_del(answer, "more");
    json_array_append(hop->answers, answer);
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    interrupted = number;
}

/* -1, or the exit code with which it ends. */
static int ask_hop(const struct settings *s, struct client *client, json_int_t ttl, struct hop *hop)
{
    json_t *args =
        json_pack("{s:s,s:I,s:i,s:I,s:I,s:I,s:I}", "to", s->address, "count", s->queries, "interval", 20,
                  "size", s->size, "timeout", s->timeout_ms, "ttl", ttl, "vrf", s->vrf);
    if (!client_send(client, json_pack("{s:s,s:s,s:o}", "cmd", "call", "command", "ping", "args", args)))
        return fail(EXIT_NO_STACK, "the stack does not answer");
    for (bool more = true; more;) {
        json_t *answer = client_receive(client, -1);
        if (!answer)
            return interrupted ? EXIT_FAILED : fail(EXIT_NO_STACK, "the stack has ended");
        more = json_is_true(json_object_get(answer, "more"));
        const char *error = json_string_value(json_object_get(answer, "error"));
        if (error && !more) {
            fail(EXIT_FAILED, "%s", error);
            json_decref(answer);
            return EXIT_FAILED;
        }
        take_answer(s, hop, answer);
        json_decref(answer);
    }
    return -1;
}

static int follow(const struct settings *s, struct client *client)
{
    struct hop hop = {.reached = false};
    if (!s->json)
        printf("the way to %s, at most %" JSON_INTEGER_FORMAT " hops, %" JSON_INTEGER_FORMAT
               " bytes of data\n",
               s->address, s->max_hops, s->size);
    for (json_int_t ttl = 1; ttl <= s->max_hops && !hop.reached && !interrupted; ttl++) {
        hop.answers = json_array();
        int code = ask_hop(s, client, ttl, &hop);
        if (code < 0 && s->json) {
            json_t *line = json_pack("{s:I,s:O}", "hop", ttl, "answers", hop.answers);
            print_json(line);
            json_decref(line);
        } else if (code < 0) {
            print_hop(ttl, hop.answers);
        }
        fflush(stdout);
        json_decref(hop.answers);
        if (code >= 0)
            return code;
    }
    return hop.reached ? EXIT_DONE : EXIT_FAILED;
}

static int traceroute(int argc, char **argv)
{
    struct settings s = {.address = "", .max_hops = 30, .queries = 3, .timeout_ms = 1000, .size = 32};
    struct sigaction interrupt = {.sa_handler = on_interrupt};
    struct client *client;
    int code = read_arguments(argc, argv, &s);
    if (code >= 0)
        return code;
    code = client_open(&s.target, &client);
    if (code)
        return code;
    sigaction(SIGINT, &interrupt, NULL);
    code = follow(&s, client);
    client_close(client);
    return code;
}

const struct verb verb_traceroute = {
    .name = "traceroute",
    .summary = "finds the routers on the way to an address",
    .help = "usage: tenon traceroute ADDRESS [OPTIONS]\n\n"
            "  -m, --max-hops N     give up after N hops (30)\n"
            "  -q, --queries N      requests a hop (3)\n"
            "  -w, --timeout SECS   to wait for an answer (1)\n"
            "  -s, --size BYTES     of data in a request (32)\n"
            "      --vrf N          in this VRF (0)\n"
            "      --json           a JSON object a hop\n"
            "      --stack NAME     which stack, if several run\n"
            "      --control PATH   … by its control socket\n"
            "  -h, --help           this\n\n"
            "Behind a time: !N, !H, !P network, host, protocol unreachable; !X another refusal.\n\n"
            "Examples:\n"
            "  tenon traceroute 192.0.2.1\n"
            "  tenon traceroute -q 1 -w 0.5 192.0.2.1\n\n"
            "Exit codes: 0 the address was reached, 1 it was not, 2 wrong usage, 3 no stack answers.\n",
    .run = traceroute,
};
