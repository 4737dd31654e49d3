/* traceroute.c: `tenon traceroute`: the routers on the way to an address.
 *
 * The plugin that has the command "ping" is asked for echo requests with a time to live of 1, 2, and so on. The router at
 * which that ends says so, and thereby who it is (RFC 792). */
#include <string.h>

#include "tool.h"

struct settings {
    struct target target;
    json_int_t max_hops, queries, timeout_ms, size, vrf;
    bool json;
    struct host host;
};

/* What came of one hop's requests. */
struct hop {
    const char *address; /* that is looked for */
    bool reached;        /* the address itself has answered, or somebody said that nobody else will */
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
    TARGET_OPTIONS,
    {NULL, 0, NULL, 0},
};

/* ---- Arguments ---- */

static int set_option(struct settings *s, int option)
{
    switch (option) {
    case 'm':
        return read_number(&verb_traceroute, "-m", 1, 255, 1, &s->max_hops);
    case 'q':
        return read_number(&verb_traceroute, "-q", 1, 10, 1, &s->queries);
    case 'w':
        return read_number(&verb_traceroute, "-w", 0.01, 60, 1000, &s->timeout_ms);
    case 's':
        return read_number(&verb_traceroute, "-s", 0, 65507, 1, &s->size);
    case OPTION_VRF:
        return read_number(&verb_traceroute, "--vrf", 0, TN_VRF_MAX, 1, &s->vrf);
    case OPTION_JSON:
        s->json = true;
        break;
    default:
        set_target(&s->target, option);
    }
    return 0;
}

static int read_arguments(int argc, char **argv, struct settings *s)
{
    int done, option;
    while ((option = next_option(&verb_traceroute, argc, argv, "m:q:w:s:", options, &done)) >= 0) {
        int code = set_option(s, option);
        if (code)
            return code;
    }
    if (done >= 0)
        return done;
    return read_host(&verb_traceroute, argc, argv, &s->host);
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

static void take_answer(void *context, json_t *answer)
{
    struct hop *hop = context;
    if (!json_object_get(answer, "seq"))
        return;
    if (strcmp(text_of(answer, "from"), hop->address) == 0 || *mark_of(answer))
        hop->reached = true;
    json_object_del(answer, "more");
    json_array_append(hop->answers, answer);
}

static int ask_hop(const struct settings *s, struct client *client, json_int_t ttl, struct hop *hop)
{
    json_t *args =
        json_pack("{s:s,s:I,s:i,s:I,s:I,s:I,s:I}", "to", s->host.address, "count", s->queries, "interval", 20,
                  "size", s->size, "timeout", s->timeout_ms, "ttl", ttl, "vrf", s->vrf);
    int code = ask_echoes(client, args, take_answer, hop);
    return code == EXIT_DONE && interrupted() ? EXIT_FAILED : code;
}

static int follow(const struct settings *s, struct client *client)
{
    struct hop hop = {.address = s->host.address};
    if (!s->json)
        printf("the way to %s, at most %" JSON_INTEGER_FORMAT " hops, %" JSON_INTEGER_FORMAT
               " bytes of data\n",
               s->host.address, s->max_hops, s->size);
    for (json_int_t ttl = 1; ttl <= s->max_hops && !hop.reached; ttl++) {
        hop.answers = json_array();
        int code = ask_hop(s, client, ttl, &hop);
        if (code == EXIT_DONE && s->json) {
            json_t *line = json_pack("{s:I,s:O}", "hop", ttl, "answers", hop.answers);
            print_json(line);
            json_decref(line);
        } else if (code == EXIT_DONE) {
            print_hop(ttl, hop.answers);
        }
        fflush(stdout);
        json_decref(hop.answers);
        if (code != EXIT_DONE)
            return code;
    }
    return hop.reached ? EXIT_DONE : EXIT_FAILED;
}

static int traceroute(int argc, char **argv)
{
    struct settings s = {.max_hops = 30, .queries = 3, .timeout_ms = 1000, .size = 32};
    struct client *client;
    int code = read_arguments(argc, argv, &s);
    if (code >= 0)
        return code;
    code = client_open(&s.target, &client);
    if (code)
        return code;
    catch_interrupt();
    code = find_host(&s.host, client, !s.json);
    if (code == EXIT_DONE)
        code = follow(&s, client);
    client_close(client);
    return code;
}

const struct verb verb_traceroute = {
    .name = "traceroute",
    .summary = "finds the routers on the way to an address or a name",
    .help = "usage: tenon traceroute ADDRESS|NAME [OPTIONS]\n\n"
            "A NAME is asked for at the stack's name servers (stack.yaml, DHCP).\n\n"
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
