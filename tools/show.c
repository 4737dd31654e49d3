/* show.c: `tenon show`: the tables of a running stack. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

/* Of a plugin's table. */
#define COLUMNS_MAX 24

struct settings {
    struct target target;
    bool json;
    bool all;
    json_int_t limit, offset; /* negative: as the stack likes */
};

/* ---- Cells ---- */

static const char *text_of(const json_t *row, const char *key)
{
    const char *text = json_string_value(json_object_get(row, key));
    return text ? text : "";
}

static json_int_t number_of(const json_t *row, const char *key)
{
    return json_integer_value(json_object_get(row, key));
}

/* "10.0.7.7:80", "*:80", "[2001:db8::1]:80", "-" */
static void add_endpoint(const json_t *row, const char *address, const char *port, struct tn_text *out)
{
    const char *a = text_of(row, address);
    if (!number_of(row, port) && strcmp(a, "*") == 0)
        tn_text_add(out, "-");
    else
        tn_text_add(out, strchr(a, ':') ? "[%s]:%d" : "%s:%d", a, (int)number_of(row, port));
}

static void local_cell(const json_t *row, struct tn_text *out)
{
    add_endpoint(row, "local", "local-port", out);
    if (number_of(row, "vrf") > 0)
        tn_text_add(out, "@%d", (int)number_of(row, "vrf"));
}

static void remote_cell(const json_t *row, struct tn_text *out)
{
    add_endpoint(row, "remote", "remote-port", out);
}

static void state_cell(const json_t *row, struct tn_text *out)
{
    const char *state = text_of(row, "state");
    tn_text_add(out, "%s", *state ? state : json_is_true(json_object_get(row, "listening")) ? "LISTEN" : "-");
}

static void owner_cell(const json_t *row, struct tn_text *out)
{
    const char *owner = text_of(row, "owner");
    tn_text_add(out, "%s", *owner ? owner : json_is_true(json_object_get(row, "closed")) ? "(closed)" : "-");
}

static void up_cell(const json_t *row, struct tn_text *out)
{
    tn_text_add(out, "%s", json_is_true(json_object_get(row, "up")) ? "up" : "down");
}

static void via_cell(const json_t *row, struct tn_text *out)
{
    const json_t *via = json_object_get(row, "via");
    if (json_is_string(via))
        add_value(out, via);
    else
        tn_text_add(out, json_is_true(json_object_get(row, "connected")) ? "connected" : "on link");
    if (json_is_true(json_object_get(row, "dead")))
        tn_text_add(out, " (dead)");
}

static void build_cell(const json_t *row, struct tn_text *out)
{
    const char *id = text_of(row, "build-id");
    tn_text_add(out, "%.12s", *id ? id : "-");
}

static void default_cell(const json_t *row, struct tn_text *out)
{
    const char *value = text_of(row, "value"), *otherwise = text_of(row, "default");
    if (strcmp(value, otherwise) != 0)
        tn_text_add(out, "(default %s)", *otherwise ? otherwise : "-");
}

static void scope_cell(const json_t *row, struct tn_text *out)
{
    const char *interface = text_of(row, "interface");
    tn_text_add(out, "%s%s%s", text_of(row, "plugin"), *interface ? "@" : "", interface);
}

static void live_cell(const json_t *row, struct tn_text *out)
{
    tn_text_add(out, "%s", json_is_true(json_object_get(row, "live")) ? "live" : "at start");
}

/* ---- Tables ---- */

static const struct column interfaces[] = {
    {"NAME", LEFT, NULL, "name"},           {"DRIVER", LEFT, NULL, "driver"},
    {"STATE", LEFT, up_cell, NULL},         {"MTU", RIGHT, NULL, "mtu"},
    {"LINK ADDRESS", LEFT, NULL, "lladdr"}, {"RX PACKETS", RIGHT, NULL, "rx-packets"},
    {"RX BYTES", RIGHT, NULL, "rx-bytes"},  {"TX PACKETS", RIGHT, NULL, "tx-packets"},
    {"TX BYTES", RIGHT, NULL, "tx-bytes"},  {"STALLS", RIGHT, NULL, "tx-stalls"},
    {"ADDRESSES", LEFT, NULL, "addresses"},
};
static const struct column addresses[] = {
    {"ADDRESS", LEFT, NULL, "address"}, {"INTERFACE", LEFT, NULL, "interface"}, {"VRF", RIGHT, NULL, "vrf"},
    {"STATE", LEFT, NULL, "state"},     {"USED BY", LEFT, NULL, "used-by"},     {"FROM", LEFT, NULL, "from"}};
static const struct column routes[] = {
    {"TO", LEFT, NULL, "to"},          {"VIA", LEFT, via_cell, NULL}, {"INTERFACE", LEFT, NULL, "interface"},
    {"METRIC", RIGHT, NULL, "metric"}, {"VRF", RIGHT, NULL, "vrf"},   {"FROM", LEFT, NULL, "from"}};
static const struct column path_mtus[] = {{"ADDRESS", LEFT, NULL, "address"},
                                          {"VRF", RIGHT, NULL, "vrf"},
                                          {"MTU", RIGHT, NULL, "mtu"},
                                          {"EXPIRES IN S", RIGHT, NULL, "expires-s"}};
static const struct column neighbours[] = {{"ADDRESS", LEFT, NULL, "address"},
                                           {"INTERFACE", LEFT, NULL, "interface"},
                                           {"LINK ADDRESS", LEFT, NULL, "lladdr"},
                                           {"STATE", LEFT, NULL, "state"},
                                           {"WAITING", RIGHT, NULL, "waiting"}};
static const struct column groups[] = {{"GROUP", LEFT, NULL, "group"},
                                       {"INTERFACE", LEFT, NULL, "interface"},
                                       {"SOCKETS", RIGHT, NULL, "members"}};
static const struct column sockets[] = {{"ID", RIGHT, NULL, "id"},
                                        {"TRANSPORT", LEFT, NULL, "transport"},
                                        {"STATE", LEFT, state_cell, NULL},
                                        {"LOCAL", LEFT, local_cell, NULL},
                                        {"REMOTE", LEFT, remote_cell, NULL},
                                        {"RECV-Q", RIGHT, NULL, "receive-queue"},
                                        {"SEND-Q", RIGHT, NULL, "send-queue"},
                                        {"CONGESTION", LEFT, NULL, "congestion"},
                                        {"OWNER", LEFT, owner_cell, NULL}};
static const struct column plugins[] = {
    {"NAME", LEFT, NULL, "name"},         {"KIND", LEFT, NULL, "kind"},
    {"VERSION", LEFT, NULL, "version"},   {"GENERATION", RIGHT, NULL, "generation"},
    {"BUILD", LEFT, build_cell, NULL},    {"SCHEMA", LEFT, NULL, "schema"},
    {"WHAT IT IS", LEFT, NULL, "summary"}};
static const struct column options_table[] = {{"PLUGIN", LEFT, scope_cell, NULL},
                                              {"OPTION", LEFT, NULL, "option"},
                                              {"VALUE", RIGHT, NULL, "value"},
                                              {"CHANGES", LEFT, live_cell, NULL},
                                              {"", LEFT, default_cell, NULL}};
static const struct column commands[] = {{"PLUGIN", LEFT, NULL, "plugin"},
                                         {"COMMAND", LEFT, NULL, "command"},
                                         {"WHAT IT DOES", LEFT, NULL, "help"}};
static const struct column dispatch[] = {
    {"TABLE", LEFT, NULL, "table"}, {"KEY", LEFT, NULL, "key"}, {"PLUGIN", LEFT, NULL, "plugin"}};
static const struct column counters[] = {{"PLUGIN", LEFT, NULL, "plugin"},
                                         {"COUNTER", LEFT, NULL, "counter"},
                                         {"VALUE", RIGHT, NULL, "value"},
                                         {"WHAT IT COUNTS", LEFT, NULL, "help"}};
static const struct column drops[] = {{"PLUGIN", LEFT, NULL, "plugin"},
                                      {"REASON", LEFT, NULL, "reason"},
                                      {"PACKETS", RIGHT, NULL, "value"},
                                      {"WHY", LEFT, NULL, "help"}};

static const struct view {
    const char *table;
    const struct column *columns;
    size_t count;
    bool counts; /* rows of value 0 are left out without --all */
} views[] = {
    {"interfaces", interfaces, TN_ARRAY_SIZE(interfaces), false},
    {"addresses", addresses, TN_ARRAY_SIZE(addresses), false},
    {"routes", routes, TN_ARRAY_SIZE(routes), false},
    {"path-mtus", path_mtus, TN_ARRAY_SIZE(path_mtus), false},
    {"neighbours", neighbours, TN_ARRAY_SIZE(neighbours), false},
    {"groups", groups, TN_ARRAY_SIZE(groups), false},
    {"sockets", sockets, TN_ARRAY_SIZE(sockets), false},
    {"plugins", plugins, TN_ARRAY_SIZE(plugins), false},
    {"options", options_table, TN_ARRAY_SIZE(options_table), false},
    {"commands", commands, TN_ARRAY_SIZE(commands), false},
    {"dispatch", dispatch, TN_ARRAY_SIZE(dispatch), false},
    {"counters", counters, TN_ARRAY_SIZE(counters), true},
    {"drops", drops, TN_ARRAY_SIZE(drops), true},
};

static json_t *without_zeros(const json_t *rows)
{
    json_t *kept = json_array();
    for (size_t i = 0; i < json_array_size(rows); i++)
        if (number_of(json_array_get(rows, i), "value"))
            json_array_append(kept, json_array_get(rows, i));
    return kept;
}

/* Nested objects as "name key: value" lines: the table of the stack itself. */
static void print_record(const char *prefix, const json_t *record)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)record, key, value)
    {
        char name[80], text[4096];
        struct tn_text t = tn_text_init(text, sizeof(text));
        snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? " " : "", key);
        if (json_is_object(value)) {
            print_record(name, value);
            continue;
        }
        add_value(&t, value);
        printf("%-24s %s\n", name, text);
    }
}

static int compare_ids(const void *a, const void *b)
{
    json_int_t x = number_of(*(json_t *const *)a, "id"), y = number_of(*(json_t *const *)b, "id");
    return (x > y) - (x < y);
}

/* The stack lists its sockets as they come; people look for a number. */
static json_t *sorted_by_id(const json_t *rows)
{
    size_t count = json_array_size(rows);
    json_t **list = calloc(count + 1, sizeof(json_t *)), *sorted = json_array();
    for (size_t i = 0; list && i < count; i++)
        list[i] = json_array_get(rows, i);
    if (list)
        qsort(list, count, sizeof(json_t *), compare_ids);
    for (size_t i = 0; list && i < count; i++)
        json_array_append(sorted, list[i]);
    free(list);
    return sorted;
}

static void print_rows(const struct view *view, const json_t *rows, bool all)
{
    json_t *shown = view->counts && !all                  ? without_zeros(rows)
                    : strcmp(view->table, "sockets") == 0 ? sorted_by_id(rows)
                                                          : json_incref((json_t *)rows);
    if (view->counts && !json_array_size(shown))
        puts(strcmp(view->table, "drops") == 0 ? "nothing was dropped" : "nothing was counted");
    else
        print_table(view->columns, view->count, shown);
    json_decref(shown);
}

/* A plugin's own table: its columns are the fields of the first row. */
static void print_plain(const json_t *rows)
{
    struct column columns[COLUMNS_MAX];
    char titles[COLUMNS_MAX][40];
    size_t count = 0;
    const char *key;
    json_t *value;
    json_object_foreach(json_array_get(rows, 0), key, value)
    {
        if (count == COLUMNS_MAX)
            break;
        snprintf(titles[count], sizeof(titles[count]), "%s", key);
        for (char *c = titles[count]; *c; c++)
            *c = *c == '-' ? ' ' : (char)toupper((unsigned char)*c);
        columns[count] = (struct column){titles[count], json_is_number(value) ? RIGHT : LEFT, NULL, key};
        count++;
    }
    if (count)
        print_table(columns, count, rows);
    else
        puts("nothing");
}

static void print_answer(const json_t *answer, bool all)
{
    const char *table = text_of(answer, "table");
    const json_t *rows = json_object_get(answer, "rows");
    const struct view *view = NULL;
    for (size_t i = 0; i < TN_ARRAY_SIZE(views); i++)
        if (strcmp(views[i].table, table) == 0)
            view = &views[i];
    if (view)
        print_rows(view, rows, all);
    else if (strcmp(table, "stack") != 0)
        print_plain(rows);
    else
        for (size_t i = 0; i < json_array_size(rows); i++)
            print_record("", json_array_get(rows, i));
    json_int_t total = number_of(answer, "total"), shown = (json_int_t)json_array_size(rows);
    if (shown < total)
        printf("(%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " rows, from %" JSON_INTEGER_FORMAT
               " on; --limit and --offset show others)\n",
               shown, total, number_of(answer, "offset"));
}

/* ---- The verb ---- */

enum {
    OPTION_ALL = OPTION_OWN,
    OPTION_LIMIT,
    OPTION_OFFSET
};

static const struct option options[] = {
    {"json", no_argument, NULL, OPTION_JSON},
    {"all", no_argument, NULL, OPTION_ALL},
    {"limit", required_argument, NULL, OPTION_LIMIT},
    {"offset", required_argument, NULL, OPTION_OFFSET},
    TARGET_OPTIONS,
    {NULL, 0, NULL, 0},
};

static int set_option(struct settings *s, int option)
{
    switch (option) {
    case OPTION_JSON:
        s->json = true;
        break;
    case OPTION_ALL:
        s->all = true;
        break;
    case OPTION_LIMIT:
        return read_number(&verb_show, "--limit", 0, 1e9, 1, &s->limit);
    case OPTION_OFFSET:
        return read_number(&verb_show, "--offset", 0, 1e9, 1, &s->offset);
    default:
        set_target(&s->target, option);
    }
    return 0;
}

static int show_table(const struct settings *s, struct client *client, const char *table)
{
    json_t *answer, *request = json_pack("{s:s,s:s}", "cmd", "show", "what", table);
    if (s->limit >= 0)
        json_object_set_new(request, "limit", json_integer(s->limit));
    if (s->offset >= 0)
        json_object_set_new(request, "offset", json_integer(s->offset));
    int code = client_ask(client, request, &answer);
    if (code)
        return code;
    if (s->json)
        print_json(answer);
    else
        print_answer(answer, s->all);
    json_decref(answer);
    return EXIT_DONE;
}

/* What is asked for; without a table, what one looks at first. */
static int show_tables(const struct settings *s, struct client *client, char **tables, int count)
{
    static const char *const first[] = {"interfaces", "routes", "neighbours", "sockets", "drops"};
    const char *const *names = count ? (const char *const *)tables : first;
    size_t n = count ? (size_t)count : TN_ARRAY_SIZE(first);
    int code = EXIT_DONE;
    for (size_t i = 0; i < n && code == EXIT_DONE; i++) {
        if (n > 1 && !s->json)
            printf("%s%s\n", i ? "\n" : "", names[i]);
        code = show_table(s, client, names[i]);
    }
    return code;
}

/* What is no table of the core's may be a plugin's: the stack knows. */
static int check_tables(char **tables, int count)
{
    for (int i = 0; i < count; i++) {
        bool known = false;
        for (const char *const *name = tn_show_tables(); *name; name++)
            known |= strcmp(*name, tables[i]) == 0;
        const char *near = known ? NULL : tn_nearest(tables[i], tn_show_tables());
        if (near)
            return usage(&verb_show, "there is no table '%s', did you mean '%s'?", tables[i], near);
    }
    return EXIT_DONE;
}

static int show(int argc, char **argv)
{
    struct settings s = {.limit = -1, .offset = -1};
    int done, option;
    while ((option = next_option(&verb_show, argc, argv, "", options, &done)) >= 0) {
        int code = set_option(&s, option);
        if (code)
            return code;
    }
    if (done >= 0)
        return done;
    struct client *client;
    int code = check_tables(argv + optind, argc - optind);
    if (code == EXIT_DONE)
        code = client_open(&s.target, &client);
    if (code != EXIT_DONE)
        return code;
    code = show_tables(&s, client, argv + optind, argc - optind);
    client_close(client);
    return code;
}

const struct verb verb_show = {
    .name = "show",
    .summary = "shows a running stack: its tables",
    .help = "usage: tenon show [TABLE...] [OPTIONS]\n\n"
            "Tables: stack, interfaces, addresses, routes, path-mtus, neighbours, groups, sockets, plugins, "
            "options,\n"
            "commands, dispatch, counters, drops. Plugins bring more, such as dhcp. Without TABLE: what one "
            "looks at first.\n\n"
            "  --json           the tables as they came, a JSON object a line\n"
            "  --all            counters and drops that are zero, too\n"
            "  --limit N        at most N rows (1000; 10000 at most)\n"
            "  --offset N       from row N on\n"
            "  --stack NAME     which stack, if several run\n"
            "  --control PATH   … by its control socket\n"
            "  -h, --help       this\n\n"
            "Examples:\n"
            "  tenon show\n"
            "  tenon show sockets\n"
            "  tenon show counters --json | jq '.rows[] | select(.plugin == \"tcp\")'\n\n"
            "Exit codes: 0 done, 1 refused, 2 wrong usage, 3 no stack answers.\n",
    .run = show,
};
