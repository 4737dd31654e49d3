/* Plugins that a plan names, and their options. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "plan_read.h"
#include "stack.h"
#include "suggest.h"

struct tn_plan_plugin *tn_plan_plugin_find(const struct tn_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->plugin_count; i++)
        if (!strcmp(plan->plugins[i].name, name))
            return &plan->plugins[i];
    return NULL;
}

/* ---- Which plugin ---- */

static int fail_unknown(struct tn_plan_reader *r, const char *name, struct tn_position at)
{
    char quoted[TN_QUOTE_MAX], hint[64];
    struct tn_text out = tn_text_init(hint, sizeof(hint));
    struct tn_suggestion suggestion = tn_suggest(name);
    char **names;
    size_t count = tn_manifest_list(r->plugin_path, &names);
    if (!count)
        return tn_plan_fail(
            r, at,
            "found the unknown plugin %s: there is no plugin in %s; TENON_PLUGIN_PATH says where they are",
            tn_quote(quoted, name), tn_plugin_path(r->plugin_path));
    for (size_t i = 0; i < count; i++)
        tn_suggest_offer(&suggestion, names[i]);
    tn_suggest_text(&suggestion, &out);
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return tn_plan_fail(r, at, "found the unknown plugin %s, expected one of %s%s", tn_quote(quoted, name),
                        tn_plugin_path(r->plugin_path), hint);
}

static int find_manifest(struct tn_plan_reader *r, const char *name, struct tn_position at,
                         struct tn_manifest **out)
{
    struct tn_error error;
    int err = tn_manifest_find(r->plugin_path, name, out, &error);
    if (err == -ENOMEM)
        return tn_plan_fail_memory(r);
    if (err == -ENOENT)
        return fail_unknown(r, name, at);
    return err ? tn_plan_fail(r, at, "%s", error.text) : 0;
}

static enum tn_section section_of(const struct tn_manifest *manifest)
{
    if (!strcmp(manifest->kind, "link"))
        return TN_SECTION_DRIVER;
    return strcmp(manifest->kind, "service") == 0 ? TN_SECTION_SERVICE : TN_SECTION_PROTOCOL;
}

static int check_manifest(struct tn_plan_reader *r, const struct tn_manifest *m, enum tn_section section,
                          struct tn_position at)
{
    static const char *const places[] = {
        [TN_SECTION_DRIVER] = "as the driver of an interface",
        [TN_SECTION_PROTOCOL] = "under protocols",
        [TN_SECTION_SERVICE] = "under services",
    };
    if (section_of(m) != section)
        return tn_plan_fail(r, at, "found %s %s, expected it %s: it is of kind %s", m->name, places[section],
                            places[section_of(m)], m->kind);
    if (m->abi_major != TN_ABI_MAJOR || m->abi_minor > TN_ABI_MINOR)
        return tn_plan_fail(
            r, at, "found %s for ABI %u.%u (%s), expected %d.0 to %d.%d: build it for this version", m->name,
            m->abi_major, m->abi_minor, m->path, TN_ABI_MAJOR, TN_ABI_MAJOR, TN_ABI_MINOR);
    if (access(m->so_path, R_OK) < 0)
        return tn_plan_fail(
            r, at, "found the manifest of %s, but cannot read %s: %s; expected it beside the manifest",
            m->name, m->so_path, strerror(errno));
    return 0;
}

int tn_plan_plugin_add(struct tn_plan_reader *r, const char *name, enum tn_section section,
                       struct tn_position at, struct tn_plan_plugin **out)
{
    struct tn_plan *plan = r->plan;
    *out = tn_plan_plugin_find(plan, name);
    if (*out && (*out)->section == section) /* a driver of several interfaces */
        return 0;
    if (plan->plugin_count == TN_SLOTS_MAX - 1)
        return tn_plan_fail(r, at, "found another plugin, expected at most %d", TN_SLOTS_MAX - 1);
    struct tn_manifest *manifest;
    int err = find_manifest(r, name, at, &manifest);
    if (err)
        return err;
    err = check_manifest(r, manifest, section, at);
    if (err) {
        tn_manifest_free(manifest);
        return err;
    }
    *out = &plan->plugins[plan->plugin_count++];
    **out = (struct tn_plan_plugin){.section = section, .manifest = manifest, .at = at};
    snprintf((*out)->name, sizeof((*out)->name), "%s", name);
    return 0;
}

/* ---- Options ---- */

#define LISTED_MAX 12 /* options that a message lists */

static int fail_option(struct tn_plan_reader *r, const struct tn_yaml_node *value,
                       const struct tn_manifest *m, const char *const *reserved, size_t reserved_count)
{
    char expected[512], quoted[TN_QUOTE_MAX];
    struct tn_text out = tn_text_init(expected, sizeof(expected));
    struct tn_suggestion suggestion = tn_suggest(value->key);
    size_t count = reserved_count + m->option_count;
    if (count > LISTED_MAX)
        tn_text_add(&out, "one of those that 'tenon describe %s' lists", m->name);
    else if (count == 0)
        tn_text_add(&out, "none: it has no options");
    for (size_t i = 0; i < count; i++) {
        const char *word = i < reserved_count ? reserved[i] : m->options[i - reserved_count].name;
        tn_suggest_offer(&suggestion, word);
        if (count <= LISTED_MAX)
            tn_text_add(&out, "%s%s", i == 0 ? "" : i + 1 < count ? ", " : " or ", word);
    }
    tn_suggest_text(&suggestion, &out);
    return tn_plan_fail(r, value->key_at, "found the unknown option %s of %s, expected %s",
                        tn_quote(quoted, value->key), m->name, expected);
}

/* Plugins of that kind on the path: "cubic or newreno". */
static void list_kind(struct tn_plan_reader *r, const char *kind, const char *found, struct tn_text *out)
{
    const char *fitting[TN_SLOTS_MAX];
    struct tn_suggestion suggestion = tn_suggest(found);
    char **names;
    size_t count = tn_manifest_list(r->plugin_path, &names), fit = 0;
    for (size_t i = 0; i < count && fit < TN_ARRAY_SIZE(fitting); i++) {
        struct tn_manifest *manifest;
        struct tn_error ignored;
        if (tn_manifest_find(r->plugin_path, names[i], &manifest, &ignored))
            continue;
        if (!strcmp(manifest->kind, kind)) {
            fitting[fit++] = names[i];
            tn_suggest_offer(&suggestion, names[i]);
        }
        tn_manifest_free(manifest);
    }
    if (!fit)
        tn_text_add(out, "; there is none in %s", tn_plugin_path(r->plugin_path));
    for (size_t i = 0; i < fit; i++)
        tn_text_add(out, "%s%s", i == 0 ? ": " : i + 1 < fit ? ", " : " or ", fitting[i]);
    tn_suggest_text(&suggestion, out);
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

/* The plugin that an option names must be there, and of the kind that the option wants. */
static int check_named(struct tn_plan_reader *r, const struct tn_manifest_option *option, const char *name,
                       struct tn_position at)
{
    char expected[512], quoted[TN_QUOTE_MAX];
    struct tn_text out = tn_text_init(expected, sizeof(expected));
    struct tn_manifest *manifest = NULL;
    struct tn_error error;
    int err = tn_manifest_find(r->plugin_path, name, &manifest, &error);
    bool fits = !err && !strcmp(manifest->kind, option->kind);
    tn_manifest_free(manifest);
    if (fits)
        return 0;
    if (err && err != -ENOENT)
        return err == -ENOMEM ? tn_plan_fail_memory(r) : tn_plan_fail(r, at, "%s", error.text);
    tn_value_expected(option, &out);
    list_kind(r, option->kind, name, &out);
    return tn_plan_fail(r, at, "%s: found %s, expected %s", option->name, tn_quote(quoted, name), expected);
}

/* The names of interfaces that an option may have: ": tap7 or tap8". */
static void list_interfaces(const struct tn_plan_reader *r, const char *found, struct tn_text *out)
{
    struct tn_suggestion suggestion = tn_suggest(found);
    size_t count = 0;
    for (const struct tn_yaml_node *ifc = r->interfaces->first; ifc; ifc = ifc->next, count++) {
        tn_suggest_offer(&suggestion, ifc->key);
        if (count < LISTED_MAX)
            tn_text_add(out, "%s%s", count == 0 ? ": " : ifc->next ? ", " : " or ", ifc->key);
    }
    tn_text_add(out, count == 0 ? "; there is none" : count > LISTED_MAX ? " …" : "");
    tn_suggest_text(&suggestion, out);
}

static int check_interfaces(struct tn_plan_reader *r, const struct tn_manifest_option *option,
                            const char *names, struct tn_position at)
{
    char name[TN_OPTION_STRING_MAX], expected[512], quoted[TN_QUOTE_MAX];
    struct tn_text out = tn_text_init(expected, sizeof(expected));
    for (names += strspn(names, ", "); *names; names += strspn(names, ", ")) {
        size_t len = strcspn(names, ", ");
        snprintf(name, sizeof(name), "%.*s", (int)len, names);
        bool section = r->interfaces->kind == TN_YAML_MAPPING || r->interfaces->kind == TN_YAML_NULL;
        if (section && !tn_plan_get(r->interfaces, name)) { /* else that is told when it is read */
            list_interfaces(r, name, &out);
            return tn_plan_fail(r, at, "%s: found %s, expected the name of an interface%s", option->name,
                                tn_quote(quoted, name), expected);
        }
        names += len;
    }
    return 0;
}

/* A value of the right form: is there what it names? */
static int check_value(struct tn_plan_reader *r, const struct tn_manifest_option *option,
                       const struct tn_value *value, struct tn_position at)
{
    return option->type == TN_OPTION_PLUGIN       ? check_named(r, option, value->string, at)
           : option->type == TN_OPTION_INTERFACES ? check_interfaces(r, option, value->string, at)
                                                  : 0;
}

static int read_option(struct tn_plan_reader *r, const struct tn_yaml_node *node,
                       const struct tn_manifest_option *option, struct tn_value *value)
{
    char expected[512], quoted[TN_QUOTE_MAX];
    struct tn_text why = tn_text_init(expected, sizeof(expected));
    const char *text = node->kind == TN_YAML_SCALAR ? node->text : "";
    if (node->kind == TN_YAML_SCALAR && !tn_value_parse(option, text, value, &why))
        return check_value(r, option, value, node->at);
    if (node->kind == TN_YAML_SCALAR)
        tn_quote(quoted, text);
    else {
        tn_value_expected(option, &why);
        snprintf(quoted, sizeof(quoted), "%s", tn_yaml_kind_name(node));
    }
    return tn_plan_fail(r, node->at, "%s: found %s, expected %s", option->name, quoted, expected);
}

/* The default of an option that the file leaves out. */
static int read_default(struct tn_plan_reader *r, const struct tn_manifest *m,
                        const struct tn_manifest_option *option, struct tn_position at,
                        struct tn_value *value)
{
    char ignored[8];
    struct tn_text why = tn_text_init(ignored, sizeof(ignored));
    if (option->default_text && !tn_value_parse(option, option->default_text, value, &why))
        return check_value(r, option, value, at);
    return tn_plan_fail(r, at, "found no '%s', which %s must be given: %s", option->name, m->name,
                        option->help);
}

static bool is_reserved(const char *key, const char *const *reserved, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(reserved[i], key))
            return true;
    return false;
}

static int check_option_names(struct tn_plan_reader *r, const struct tn_yaml_node *node,
                              const struct tn_manifest *m, const char *const *reserved, size_t reserved_count)
{
    for (const struct tn_yaml_node *value = node->first; value; value = value->next) {
        size_t i = 0;
        while (i < m->option_count && strcmp(m->options[i].name, value->key) != 0)
            i++;
        if (i == m->option_count && !is_reserved(value->key, reserved, reserved_count))
            return fail_option(r, value, m, reserved, reserved_count);
    }
    return 0;
}

int tn_plan_read_options(struct tn_plan_reader *r, const struct tn_yaml_node *node,
                         const struct tn_manifest *manifest, struct tn_position at,
                         const char *const *reserved, size_t reserved_count, struct tn_value **out)
{
    int err = tn_plan_expect(r, node, TN_YAML_MAPPING, "a mapping of options, such as {}");
    if (!err)
        err = check_option_names(r, node, manifest, reserved, reserved_count);
    if (err)
        return err;
    *out = calloc(manifest->option_count + 1, sizeof(**out));
    if (!*out)
        return tn_plan_fail_memory(r);
    for (size_t i = 0; i < manifest->option_count && !err; i++) {
        const struct tn_manifest_option *option = &manifest->options[i];
        const struct tn_yaml_node *value = tn_plan_get(node, option->name);
        err = value ? read_option(r, value, option, &(*out)[i])
                    : read_default(r, manifest, option, at, &(*out)[i]);
    }
    return err;
}

/* ---- Plugins that options name ---- */

static int add_named(struct tn_plan_reader *r, const struct tn_manifest *m, const struct tn_value *values,
                     struct tn_position at)
{
    static const struct tn_yaml_node nothing = {.kind = TN_YAML_NULL};
    int err = 0;
    for (size_t i = 0; values && i < m->option_count && !err; i++) {
        struct tn_plan_plugin *plugin;
        if (m->options[i].type != TN_OPTION_PLUGIN)
            continue;
        err = tn_plan_plugin_add(r, values[i].string, TN_SECTION_PROTOCOL, at, &plugin);
        if (!err && !plugin->values)
            err = tn_plan_read_options(r, &nothing, plugin->manifest, at, NULL, 0, &plugin->values);
    }
    return err;
}

int tn_plan_add_named(struct tn_plan_reader *r)
{
    int err = 0;
    for (size_t i = 0; i < r->plan->interface_count && !err; i++) {
        const struct tn_plan_interface *ifc = &r->plan->interfaces[i];
        err = add_named(r, r->plan->plugins[ifc->plugin].manifest, ifc->values, ifc->at);
    }
    for (size_t i = 0; i < r->plan->plugin_count && !err;
         i++) { /* which those that are added are among, too */
        const struct tn_plan_plugin *plugin = &r->plan->plugins[i];
        err = add_named(r, plugin->manifest, plugin->values, plugin->at);
    }
    return err;
}

/* ---- protocols: ---- */

int tn_plan_read_protocols(struct tn_plan_reader *r, const struct tn_yaml_node *node)
{
    int err = tn_plan_expect(r, node, TN_YAML_MAPPING, "a mapping of protocols");
    for (const struct tn_yaml_node *value = node->first; value && !err; value = value->next) {
        struct tn_plan_plugin *plugin;
        err = tn_plan_plugin_add(r, value->key, TN_SECTION_PROTOCOL, value->key_at, &plugin);
        if (!err)
            err = tn_plan_read_options(r, value, plugin->manifest, value->key_at, NULL, 0, &plugin->values);
    }
    return err;
}
