/* A plan is read section by section: protocols first, because services listen on them; then interfaces with
 * their drivers, services, and `stack`, which may name any of them. Then the whole is checked. The first
 * error ends it. */
#include "plan.h"

#include <errno.h>
#include <stdlib.h>

#include "option.h"
#include "plan_read.h"
#include "stack.h"
#include "suggest.h"

#define NAME_DEFAULT "tenon"
#define CONTROL_MAX  107 /* of a path in struct sockaddr_un */

/* ---- stack: ---- */

static int read_name(struct tn_plan_reader *r, const struct tn_yaml_node *node)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    static const char expected[] = "a name of letters, digits and . _ -, at most 63, not beginning with '.'";
    const char *text = tn_plan_scalar(r, node, expected);
    if (!text)
        return -EINVAL;
    size_t len = strlen(text);
    if (len == 0 || len >= sizeof(r->plan->name) || strspn(text, allowed) != len || text[0] == '.')
        return tn_plan_fail_kind(r, node, expected);
    memcpy(r->plan->name, text, len + 1);
    return 0;
}

static int read_control(struct tn_plan_reader *r, const struct tn_yaml_node *node)
{
    static const char expected[] = "the path of a socket, at most 107 bytes";
    const char *text = tn_plan_scalar(r, node, expected);
    if (!text)
        return -EINVAL;
    if (*text == '\0' || strlen(text) > CONTROL_MAX)
        return tn_plan_fail_kind(r, node, expected);
    r->plan->control = strdup(text);
    return r->plan->control ? 0 : tn_plan_fail_memory(r);
}

static int read_name_servers(struct tn_plan_reader *r, const struct tn_yaml_node *node)
{
    static const char expected[] = "a list of at most 4 IPv4 addresses, such as [10.0.7.53]";
    struct tn_plan *plan = r->plan;
    int err = tn_plan_expect(r, node, TN_YAML_SEQUENCE, expected);
    for (const struct tn_yaml_node *item = node->first; item && !err; item = item->next) {
        uint8_t family = 0;
        const char *text = tn_plan_scalar(r, item, expected);
        if (!text)
            return -EINVAL;
        if (plan->name_server_count == TN_ARRAY_SIZE(plan->name_servers) ||
            !tn_plan_read_address(text, &family, &plan->name_servers[plan->name_server_count]) ||
            family != AF_INET)
            return tn_plan_fail_kind(r, item, expected);
        plan->name_server_count++;
    }
    return err;
}

static int read_domain(struct tn_plan_reader *r, const struct tn_yaml_node *node)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    static const char expected[] = "a domain, such as example.org";
    const char *text = tn_plan_scalar(r, node, expected);
    if (!text)
        return -EINVAL;
    size_t len = strlen(text);
    if (len == 0 || len >= sizeof(r->plan->domain) || strspn(text, allowed) != len)
        return tn_plan_fail_kind(r, node, expected);
    memcpy(r->plan->domain, text, len + 1);
    return 0;
}

#define BUSY_POLL_DEFAULT (50 * TN_USEC)
#define BUSY_POLL_MAX     (10 * TN_MSEC)

/* "large_buffers" in C is "large-buffers" in the file. */
static void limit_name(char to[static 32], const char *field)
{
    size_t i = 0;
    for (; i < 31 && field[i]; i++)
        to[i] = field[i] == '_' ? '-' : field[i];
    to[i] = '\0';
}

static const struct limit {
    const char *field;
    uint32_t fallback, min, max;
    size_t offset;
} limits[] = {
#define LIMIT(name, def, min, max, help) {#name, def, min, max, offsetof(struct tn_limits, name)},
    TN_LIMITS(LIMIT)
#undef LIMIT
};

static uint32_t *limit_of(struct tn_plan *plan, const struct limit *limit)
{
    return (uint32_t *)(void *)((char *)&plan->limits + limit->offset);
}

static int read_limits(struct tn_plan_reader *r, const struct tn_yaml_node *node)
{
    char names[TN_ARRAY_SIZE(limits)][32];
    const char *words[TN_ARRAY_SIZE(limits)];
    for (size_t i = 0; i < TN_ARRAY_SIZE(limits); i++) {
        limit_name(names[i], limits[i].field);
        words[i] = names[i];
    }
    int err = tn_plan_expect(r, node, TN_YAML_MAPPING, "a mapping of limits");
    if (!err)
        err = tn_plan_check_keys(r, node, "limits", words, TN_ARRAY_SIZE(words));
    for (size_t i = 0; i < TN_ARRAY_SIZE(limits) && !err; i++) {
        const struct tn_yaml_node *value = tn_plan_get(node, names[i]);
        if (value)
            err = tn_plan_number(r, value, limits[i].min, limits[i].max, limit_of(r->plan, &limits[i]));
    }
    return err;
}

static int read_level(struct tn_plan_reader *r, const struct tn_yaml_node *node, const char *who)
{
    static const char *const levels[] = {[TN_LOG_ERROR] = "error",
                                         [TN_LOG_WARNING] = "warning",
                                         [TN_LOG_INFO] = "info",
                                         [TN_LOG_DEBUG] = "debug"};
    char expected[128] = "error, warning, info or debug";
    const char *text = tn_plan_scalar(r, node, expected);
    if (!text)
        return -EINVAL;
    struct tn_suggestion suggestion = tn_suggest(text);
    struct tn_plan_log *log = &r->plan->logs[r->plan->log_count];
    for (size_t i = 0; i < TN_ARRAY_SIZE(levels); i++) {
        tn_suggest_offer(&suggestion, levels[i]);
        if (strcmp(levels[i], text) != 0)
            continue;
        log->level = (enum tn_level)i;
        snprintf(log->who, sizeof(log->who), "%s", who);
        r->plan->log_count++;
        return 0;
    }
    struct tn_text out = {.at = expected + strlen(expected), .room = sizeof(expected) - strlen(expected) - 1};
    tn_suggest_text(&suggestion, &out);
    return tn_plan_fail_kind(r, node, expected);
}

/* A mapping of levels: of the core, of the plugins, and of all others. */
static int read_levels(struct tn_plan_reader *r, const struct tn_yaml_node *node)
{
    const char *words[2 + TN_SLOTS_MAX] = {"default", "core"};
    size_t count = 2;
    for (size_t i = 0; i < r->plan->plugin_count; i++)
        words[count++] = r->plan->plugins[i].name;
    int err = tn_plan_check_keys(r, node, "log", words, count);
    for (const struct tn_yaml_node *value = node->first; value && !err; value = value->next)
        err = read_level(r, value, strcmp(value->key, "default") == 0 ? "" : value->key);
    return err;
}

static int read_log(struct tn_plan_reader *r, const struct tn_yaml_node *node)
{
    r->plan->logs = calloc(node->count + 1, sizeof(r->plan->logs[0]));
    if (!r->plan->logs)
        return tn_plan_fail_memory(r);
    if (node->kind == TN_YAML_MAPPING)
        return read_levels(r, node);
    return read_level(r, node, "");
}

/* A value of the kind that an option would be of; `expected` says what was. */
static int read_value(struct tn_plan_reader *r, const struct tn_yaml_node *node,
                      const struct tn_manifest_option *kind, const char *expected, struct tn_value *value)
{
    const char *text = tn_plan_scalar(r, node, expected);
    char room[128];
    struct tn_text why = tn_text_init(room, sizeof(room));
    if (!text)
        return -EINVAL;
    return tn_value_parse(kind, text, value, &why) ? tn_plan_fail_kind(r, node, expected) : 0;
}

static int read_busy_poll(struct tn_plan_reader *r, const struct tn_yaml_node *node)
{
    const struct tn_manifest_option duration = {
        .type = TN_OPTION_DURATION, .has_range = true, .min = 0, .max = BUSY_POLL_MAX};
    struct tn_value value;
    int err = read_value(r, node, &duration, "a duration such as 50us, 10ms at most", &value);
    if (err == 0)
        r->plan->busy_poll = value.duration;
    return err;
}

static int read_io_uring(struct tn_plan_reader *r, const struct tn_yaml_node *node)
{
    const struct tn_manifest_option yes_or_no = {.type = TN_OPTION_BOOL};
    struct tn_value value;
    int err = read_value(r, node, &yes_or_no, "yes or no", &value);
    if (err == 0)
        r->plan->io_uring = value.boolean;
    return err;
}

static void remember_places(struct tn_plan *plan, const struct tn_yaml_node *stack)
{
    const struct {
        const char *key;
        struct tn_position *at;
    } places[] = {{"name", &plan->name_at}, {"control", &plan->control_at}, {"limits", &plan->limits_at}};
    for (size_t i = 0; i < TN_ARRAY_SIZE(places); i++) {
        const struct tn_yaml_node *value = tn_plan_get(stack, places[i].key);
        *places[i].at = value ? value->key_at : (struct tn_position){1, 1};
    }
}

static int read_stack(struct tn_plan_reader *r, const struct tn_yaml_node *node)
{
    static const char *const words[] = {"name",         "control", "log",       "limits",
                                        "name-servers", "domain",  "busy-poll", "io-uring"};
    const struct tn_yaml_node *value;
    remember_places(r->plan, node);
    int err = tn_plan_expect(
        r, node, TN_YAML_MAPPING,
        "a mapping with name, control, log, limits, name-servers, domain, busy-poll or io-uring");
    if (!err)
        err = tn_plan_check_keys(r, node, "stack", words, TN_ARRAY_SIZE(words));
    if (!err && (value = tn_plan_get(node, "name")))
        err = read_name(r, value);
    if (!err && (value = tn_plan_get(node, "control")))
        err = read_control(r, value);
    if (!err && (value = tn_plan_get(node, "log")))
        err = read_log(r, value);
    if (!err && (value = tn_plan_get(node, "limits")))
        err = read_limits(r, value);
    if (!err && (value = tn_plan_get(node, "name-servers")))
        err = read_name_servers(r, value);
    if (!err && (value = tn_plan_get(node, "domain")))
        err = read_domain(r, value);
    if (!err && (value = tn_plan_get(node, "busy-poll")))
        err = read_busy_poll(r, value);
    if (!err && (value = tn_plan_get(node, "io-uring")))
        err = read_io_uring(r, value);
    return err;
}

/* ---- The whole ---- */

/* What the file has must fit into what it allows. */
static int check_limits(struct tn_plan_reader *r)
{
    size_t addresses = 0, routes = 0;
    for (size_t i = 0; i < r->plan->interface_count; i++) {
        const struct tn_plan_interface *ifc = &r->plan->interfaces[i];
        for (size_t k = 0; k < ifc->address_count; k++)
            if (++addresses > r->plan->limits.addresses)
                return tn_plan_fail(r, ifc->addresses[k].at,
                                    "found more addresses than limits: addresses allows (%u)",
                                    r->plan->limits.addresses);
        for (size_t k = 0; k < ifc->route_count; k++)
            if (++routes > r->plan->limits.routes)
                return tn_plan_fail(r, ifc->routes[k].at, "found more routes than limits: routes allows (%u)",
                                    r->plan->limits.routes);
    }
    return 0;
}

static int read_root(struct tn_plan_reader *r, const struct tn_yaml_node *root)
{
    static const char *const words[] = {"stack", "interfaces", "protocols", "services"};
    static const struct tn_yaml_node nothing = {.kind = TN_YAML_NULL};
    const struct tn_yaml_node *sections[TN_ARRAY_SIZE(words)];
    int err =
        tn_plan_expect(r, root, TN_YAML_MAPPING, "a mapping with stack, interfaces, protocols and services");
    if (!err)
        err = tn_plan_check_keys(r, root, "the file", words, TN_ARRAY_SIZE(words));
    for (size_t i = 0; i < TN_ARRAY_SIZE(words); i++) {
        sections[i] = tn_plan_get(root, words[i]);
        if (!sections[i])
            sections[i] = &nothing;
    }
    r->interfaces = sections[1];
    if (!err)
        err = tn_plan_read_protocols(r, sections[2]);
    if (!err)
        err = tn_plan_read_interfaces(r, sections[1]);
    if (!err)
        err = tn_plan_read_services(r, sections[3]);
    if (!err)
        err = tn_plan_add_named(r);
    if (!err)
        err = read_stack(r, sections[0]);
    if (!err)
        err = check_limits(r);
    return err ? err : tn_plan_check_needs(r);
}

static struct tn_plan *new_plan(const char *name)
{
    struct tn_plan *plan = calloc(1, sizeof(*plan));
    if (!plan)
        return NULL;
    plan->busy_poll = BUSY_POLL_DEFAULT;
    plan->io_uring = true;
    plan->file = strdup(name);
    plan->plugins = calloc(TN_SLOTS_MAX, sizeof(plan->plugins[0]));
    if (!plan->file || !plan->plugins) {
        tn_plan_free(plan);
        return NULL;
    }
    memcpy(plan->name, NAME_DEFAULT, sizeof(NAME_DEFAULT));
    for (size_t i = 0; i < TN_ARRAY_SIZE(limits); i++)
        *limit_of(plan, &limits[i]) = limits[i].fallback;
    return plan;
}

int tn_plan_parse(const char *yaml, size_t len, const char *name, const char *plugin_path,
                  struct tn_plan **out, struct tn_error *error)
{
    struct tn_plan_reader r = {.plan = new_plan(name), .plugin_path = plugin_path, .error = error};
    struct tn_yaml_node *root;
    *out = NULL;
    if (!r.plan) {
        snprintf(error->text, sizeof(error->text), "%s: out of memory", name);
        return -ENOMEM;
    }
    int err = tn_yaml_parse(yaml, len, name, &root, error);
    if (!err) {
        err = read_root(&r, root);
        tn_yaml_free(root);
    }
    if (err)
        tn_plan_free(r.plan);
    else
        *out = r.plan;
    return err;
}

void tn_plan_free(struct tn_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; i < plan->plugin_count; i++) {
        tn_manifest_free(plan->plugins[i].manifest);
        free(plan->plugins[i].values);
        free(plan->plugins[i].listens);
    }
    for (size_t i = 0; i < plan->interface_count; i++) {
        free(plan->interfaces[i].values);
        free(plan->interfaces[i].addresses);
        free(plan->interfaces[i].routes);
    }
    free(plan->plugins);
    free(plan->interfaces);
    free(plan->logs);
    free(plan->control);
    free(plan->file);
    free(plan);
}
