/* ping.c: `tenon ping`: echo requests from a running stack.
 *
 * Not this program sends them but the plugin of the stack that has the command "ping"; here the answers are
 * printed as they come, and summed up. */
#include "tool.h"

struct sums {
    unsigned sent, received;
    double least, most, total; /* milliseconds */
};

struct settings {
    struct target target;
    json_int_t count; /* 0: until Ctrl-C */
    json_int_t interval_ms, timeout_ms, size, vrf;
    bool df, json;
    struct host host;
    struct sums sums;
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
    TARGET_OPTIONS,
    {NULL, 0, NULL, 0},
};

/* ---- Arguments ---- */

static int set_option(struct settings *s, int option)
{
    switch (option) {
    case 'c':
        return read_number(&verb_ping, "-c", 1, 1e9, 1, &s->count);
    case 'i':
        return read_number(&verb_ping, "-i", 0.01, 3600, 1000, &s->interval_ms);
    case 's':
        return read_number(&verb_ping, "-s", 0, 65507, 1, &s->size);
    case 'W':
        return read_number(&verb_ping, "-W", 0.01, 3600, 1000, &s->timeout_ms);
    case OPTION_VRF:
        return read_number(&verb_ping, "--vrf", 0, TN_VRF_MAX, 1, &s->vrf);
    case OPTION_DF:
        s->df = true;
        break;
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
    while ((option = next_option(&verb_ping, argc, argv, "c:i:s:W:", options, &done)) >= 0) {
        int code = set_option(s, option);
        if (code)
            return code;
    }
    if (done >= 0)
        return done;
    return read_host(&verb_ping, argc, argv, &s->host);
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
static void take_answer(void *context, json_t *answer)
{
    struct settings *s = context;
    if (s->json)
        print_json(answer);
    if (json_object_get(answer, "seq")) {
        s->sums.sent++;
        if (json_object_get(answer, "rtt-ns"))
            add_time(&s->sums, milliseconds_of(answer, "rtt-ns"));
        if (!s->json)
            print_answer(answer);
    }
    fflush(stdout);
}

static int sum_up(const struct settings *s)
{
    const struct sums *sums = &s->sums;
    if (!s->json) {
        double lost = sums->sent ? 100.0 * (sums->sent - sums->received) / sums->sent : 0;
        printf("\n%s: %u sent, %u received, %.3g %% lost\n", s->host.name, sums->sent, sums->received, lost);
        if (sums->received)
            printf("round trip min/avg/max %.3f/%.3f/%.3f ms\n", sums->least, sums->total / sums->received,
                   sums->most);
    }
    return sums->received ? EXIT_DONE : EXIT_FAILED;
}

static json_t *make_arguments(const struct settings *s)
{
    return json_pack("{s:s,s:I,s:I,s:I,s:I,s:b,s:I}", "to", s->host.address, "count", s->count, "interval",
                     s->interval_ms, "size", s->size, "timeout", s->timeout_ms, "df", s->df, "vrf", s->vrf);
}

static int ping(int argc, char **argv)
{
    struct settings s = {.interval_ms = 1000, .timeout_ms = 1000, .size = 56};
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
        code = ask_echoes(client, make_arguments(&s), take_answer, &s);
    client_close(client);
    return code == EXIT_DONE ? sum_up(&s) : code;
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
