/* show_plugins.c: the tables of what the stack is made of: plugins, their options, keys, counters and drop
 * reasons. */
#include <unistd.h>

#include "control_client.h"
#include "dispatch.h"
#include "io.h"
#include "loader.h"
#include "neighbour.h"
#include "show.h"
#include "sockets.h"

static struct tn_slot *next_slot(struct tn_stack *stack, const struct tn_slot *slot)
{
    for (size_t i = slot ? slot->self.slot + 1u : 0; i < TN_SLOTS_MAX; i++)
        if (stack->slots[i])
            return stack->slots[i];
    return NULL;
}

/* ---- stack ---- */

/* Under its name in stack.yaml, which has hyphens. */
static void put_limit(json_t *object, const char *field, uint32_t value)
{
    char name[64];
    snprintf(name, sizeof(name), "%s", field);
    for (char *c = name; *c; c++)
        *c = *c == '_' ? '-' : *c;
    json_object_set_new(object, name, tn_json_number(value));
}

static json_t *limits_of(const struct tn_limits *limits)
{
    json_t *object = json_object();
#define PUT_LIMIT(name, def, min, max, help) put_limit(object, #name, limits->name);
    TN_LIMITS(PUT_LIMIT)
#undef PUT_LIMIT
    return object;
}

static json_t *usage_of(struct tn_stack *stack)
{
    struct tn_usage u;
    tn_stack_usage(stack, &u);
    json_t *object = json_object();
    json_object_set_new(object, "packets", tn_json_number(u.packets));
    json_object_set_new(object, "buffers", tn_json_number(u.buffers));
    json_object_set_new(object, "sockets", tn_json_number(u.sockets));
    json_object_set_new(object, "timers", tn_json_number(u.timers));
    json_object_set_new(object, "neighbours", tn_json_number(u.neighbours));
    json_object_set_new(object, "plugin-bytes", tn_json_number(u.plugin_bytes));
    return object;
}

void tn_show_stack(struct tn_rows *rows)
{
    struct tn_stack *stack = rows->stack;
    if (!tn_rows_want(rows))
        return;
    const char *control = stack->plan->control;
    json_t *row = json_pack("{s:o,s:o,s:s,s:i}", "name", tn_json_text(stack->plan->name), "file",
                            tn_json_text(stack->plan->file), "version", tn_version(), "pid", (int)getpid());
    json_object_set_new(row, "control", control ? tn_json_text(control) : json_null());
    json_object_set_new(row, "io", json_string(tn_io_kind(stack)));
    json_object_set_new(row, "usage", usage_of(stack));
    json_object_set_new(row, "limits", limits_of(&stack->plan->limits));
    tn_rows_add(rows, row);
}

/* ---- plugins ---- */

static const char *section_name(const struct tn_slot *slot)
{
    static const char *const names[] = {
        [TN_SECTION_DRIVER] = "driver", [TN_SECTION_PROTOCOL] = "protocol", [TN_SECTION_SERVICE] = "service"};
    return names[slot->section];
}

static json_t *plugin_row(const struct tn_slot *slot)
{
    const struct tn_plugin *plugin = slot->self.plugin;
    const struct tn_library *library = slot->library;
    json_t *row = json_pack("{s:s,s:s,s:s,s:s,s:s}", "name", slot->name, "kind", plugin->kind, "version",
                            plugin->version, "schema", plugin->schema, "section", section_name(slot));
    json_object_set_new(row, "generation", tn_json_number(slot->generation));
    json_object_set_new(row, "build-id", tn_json_text(library ? library->build_id : ""));
    json_object_set_new(row, "path", tn_json_text(library && library->path ? library->path : ""));
    json_object_set_new(
        row, "summary",
        tn_json_text(slot->manifest && slot->manifest->summary ? slot->manifest->summary : ""));
    json_object_set_new(row, "bytes", tn_json_number(slot->allocated));
    return row;
}

void tn_show_plugins(struct tn_rows *rows)
{
    for (struct tn_slot *slot = next_slot(rows->stack, NULL); slot; slot = next_slot(rows->stack, slot))
        if (slot->self.slot != TN_SLOT_CORE && tn_rows_want(rows))
            tn_rows_add(rows, plugin_row(slot));
}

/* ---- options ---- */

/* The default as tn_value_text() writes it, so that it can be compared with the value. */
static void default_text(const struct tn_manifest_option *option, char *text, size_t size)
{
    char why[256];
    struct tn_value value;
    struct tn_text t = tn_text_init(text, size), reason = tn_text_init(why, sizeof(why));
    if (option->default_text && tn_value_parse(option, option->default_text, &value, &reason) == 0)
        tn_value_text(option, &value, &t);
}

static void add_options(struct tn_rows *rows, const struct tn_slot *slot, const char *interface,
                        const struct tn_value *values)
{
    const struct tn_manifest *manifest = slot->manifest;
    for (size_t i = 0; manifest && values && i < manifest->option_count; i++) {
        char value[TN_OPTION_STRING_MAX + 32], otherwise[TN_OPTION_STRING_MAX + 32];
        struct tn_text t = tn_text_init(value, sizeof(value));
        if (!tn_rows_want(rows))
            continue;
        tn_value_text(&manifest->options[i], &values[i], &t);
        default_text(&manifest->options[i], otherwise, sizeof(otherwise));
        tn_rows_add(rows, json_pack("{s:s,s:s,s:s,s:o,s:o,s:b}", "plugin", slot->name, "interface", interface,
                                    "option", manifest->options[i].name, "value", tn_json_text(value),
                                    "default", tn_json_text(otherwise), "live", manifest->options[i].live));
    }
}

void tn_show_options(struct tn_rows *rows)
{
    struct tn_stack *stack = rows->stack;
    for (struct tn_slot *slot = next_slot(stack, NULL); slot; slot = next_slot(stack, slot))
        if (slot->section != TN_SECTION_DRIVER)
            add_options(rows, slot, "", slot->values);
    for (uint16_t i = 1; i <= stack->interface_count; i++) {
        const struct tn_ifc *ifc = tn_interface_at(stack, i);
        if (ifc)
            add_options(rows, ifc->driver, ifc->pub.name, ifc->values);
    }
}

/* ---- commands ---- */

void tn_show_commands(struct tn_rows *rows)
{
    for (struct tn_slot *slot = next_slot(rows->stack, NULL); slot; slot = next_slot(rows->stack, slot)) {
        const struct tn_plugin *plugin = slot->self.plugin;
        for (size_t i = 0; i < plugin->command_count; i++)
            if (tn_rows_want(rows))
                tn_rows_add(rows, json_pack("{s:s,s:s,s:s}", "plugin", slot->name, "command",
                                            plugin->commands[i].name, "help", plugin->commands[i].help));
    }
}

/* ---- dispatch ---- */

void tn_show_dispatch(struct tn_rows *rows)
{
    for (int table = 0; table < TN_TABLE_COUNT; table++)
        for (struct tn_slot *slot = next_slot(rows->stack, NULL); slot; slot = next_slot(rows->stack, slot))
            for (size_t i = 0; i < slot->self.plugin->claim_count; i++) {
                const struct tn_claim *claim = &slot->self.plugin->claims[i];
                char key[48];
                struct tn_text t = tn_text_init(key, sizeof(key));
                if (claim->table != table ||
                    tn_dispatch_find(rows->stack, claim->table, claim->family, claim->key)->slot != slot ||
                    !tn_rows_want(rows))
                    continue;
                tn_claim_text(&t, claim->table, claim->family, claim->key);
                tn_rows_add(rows, json_pack("{s:s,s:s,s:s,s:i}", "table", tn_table_names[table], "key", key,
                                            "plugin", slot->name, "input", claim->input));
            }
}

/* ---- counters, drops ---- */

static void add_named(struct tn_rows *rows, const char *plugin, const struct tn_name *name, const char *what,
                      uint64_t value)
{
    if (tn_rows_want(rows))
        tn_rows_add(rows, json_pack("{s:s,s:s,s:o,s:s}", "plugin", plugin, what, name->name, "value",
                                    tn_json_number(value), "help", name->help));
}

void tn_show_counters(struct tn_rows *rows)
{
    for (struct tn_slot *slot = next_slot(rows->stack, NULL); slot; slot = next_slot(rows->stack, slot)) {
        const struct tn_plugin *plugin = slot->self.plugin;
        for (size_t i = 0; i < plugin->counter_count; i++)
            add_named(rows, slot->name, &plugin->counters[i], "counter", slot->self.counters[i]);
    }
}

void tn_show_drops(struct tn_rows *rows)
{
    for (struct tn_slot *slot = next_slot(rows->stack, NULL); slot; slot = next_slot(rows->stack, slot)) {
        const struct tn_plugin *plugin = slot->self.plugin;
        for (size_t i = 0; i < plugin->drop_count; i++)
            add_named(rows, slot->name, &plugin->drops[i], "reason", slot->self.drops[i]);
    }
}
