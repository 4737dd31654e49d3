/* show.c: the tables of `tenon show`: which there are, and what their rows are made with.
 *
 * A table is an object: its name, its rows, how many rows there are in all. Work is bounded: tables may be
 * long (a million sockets), so a request gets at most `limit` rows, from `offset` on; only those are made,
 * the others are counted. */
#include "show.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "control_client.h"
#include "suggest.h"

#define ROWS_DEFAULT 1000
#define ROWS_MAX     10000

static const struct {
    const char *name;
    tn_table_fn *show;
} tables[] = {
    {"stack", tn_show_stack},         {"interfaces", tn_show_interfaces}, {"addresses", tn_show_addresses},
    {"routes", tn_show_routes},       {"neighbours", tn_show_neighbours}, {"sockets", tn_show_sockets},
    {"plugins", tn_show_plugins},     {"options", tn_show_options},       {"commands", tn_show_commands},
    {"path-mtus", tn_show_path_mtus}, {"dispatch", tn_show_dispatch},     {"counters", tn_show_counters},
    {"drops", tn_show_drops},         {"groups", tn_show_groups},
};

bool tn_rows_want(struct tn_rows *rows)
{
    size_t at = rows->total++;
    return at >= rows->offset && at - rows->offset < rows->limit;
}

void tn_rows_add(struct tn_rows *rows, json_t *row)
{
    json_array_append_new(rows->array, row);
}

json_t *tn_json_address(uint8_t family, const struct tn_addr *addr, int prefix)
{
    char text[TN_ADDR_TEXT];
    if (tn_addr_is_zero(addr) && prefix < 0)
        return json_string("*");
    if (!inet_ntop(family, addr->bytes, text, sizeof(text)))
        snprintf(text, sizeof(text), "family-%u", family);
    return prefix < 0 ? json_string(text) : json_sprintf("%s/%d", text, prefix);
}

json_t *tn_json_lladdr(const uint8_t *lladdr, uint8_t len)
{
    char text[3 * TN_LLADDR_MAX + 1];
    struct tn_text t = tn_text_init(text, sizeof(text));
    tn_text_lladdr(&t, lladdr, tn_min(len, TN_LLADDR_MAX));
    return len ? json_string(text) : json_null();
}

json_t *tn_json_number(uint64_t value)
{
    return json_integer((json_int_t)tn_min(value, INT64_MAX));
}

json_t *tn_json_interface(struct tn_stack *stack, uint16_t ifindex)
{
    const struct tn_ifc *ifc = tn_interface_at(stack, ifindex);
    return json_string(ifc ? ifc->pub.name : "");
}

/* A number of the request's, at most `most`; `otherwise` if it is not there. */
static size_t argument(const json_t *args, const char *name, size_t otherwise, size_t most)
{
    const json_t *value = json_object_get(args, name);
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return otherwise;
    return tn_min((size_t)json_integer_value(value), most);
}

/* ---- Tables of plugins ---- */

/* The view at place `n` of all that plugins bring; NULL beyond the last. */
static const struct tn_view *view_at(struct tn_stack *stack, size_t n, struct tn_slot **slot)
{
    for (unsigned i = 0; i < TN_SLOTS_MAX; i++) {
        const struct tn_plugin *plugin = stack->slots[i] ? stack->slots[i]->self.plugin : NULL;
        size_t count = plugin ? plugin->view_count : 0;
        *slot = stack->slots[i];
        if (n < count)
            return &plugin->views[n];
        n -= count;
    }
    return NULL;
}

const struct tn_view *tn_view_find(struct tn_stack *stack, const char *name, struct tn_slot **slot)
{
    const struct tn_view *view;
    for (size_t i = 0; (view = view_at(stack, i, slot)); i++)
        if (strcmp(view->name, name) == 0)
            break;
    return view;
}

static json_t *row_of(struct tn_rows *rows)
{
    if (!rows->row)
        rows->row = json_object();
    return rows->row;
}

void tn_core_row_text(struct tn_rows *rows, const char *key, const char *value)
{
    json_object_set_new(row_of(rows), key, tn_json_text(value));
}

void tn_core_row_number(struct tn_rows *rows, const char *key, int64_t value)
{
    json_object_set_new(row_of(rows), key, json_integer(value));
}

void tn_core_row_end(struct tn_rows *rows)
{
    json_t *row = row_of(rows);
    rows->row = NULL;
    if (tn_rows_want(rows))
        tn_rows_add(rows, row);
    else
        json_decref(row);
}

/* ---- Asking for one ---- */

static void unknown_table(struct tn_stack *stack, const char *table, struct tn_error *error)
{
    char quoted[TN_QUOTE_MAX];
    struct tn_slot *slot;
    const struct tn_view *view;
    struct tn_suggestion near = tn_suggest(table);
    struct tn_text t = tn_text_init(error->text, sizeof(error->text));
    for (size_t i = 0; i < TN_ARRAY_SIZE(tables); i++)
        tn_suggest_offer(&near, tables[i].name);
    for (size_t i = 0; (view = view_at(stack, i, &slot)); i++)
        tn_suggest_offer(&near, view->name);
    tn_text_add(&t, "there is no table %s", tn_quote(quoted, table));
    tn_suggest_text(&near, &t);
    tn_text_add(&t, " (tables: ");
    for (size_t i = 0; i < TN_ARRAY_SIZE(tables); i++)
        tn_text_add(&t, "%s%s", i ? ", " : "", tables[i].name);
    for (size_t i = 0; (view = view_at(stack, i, &slot)); i++)
        tn_text_add(&t, ", %s", view->name);
    tn_text_add(&t, ")");
}

static bool make_rows(struct tn_rows *rows, const char *table)
{
    struct tn_slot *slot;
    for (size_t i = 0; i < TN_ARRAY_SIZE(tables); i++)
        if (strcmp(tables[i].name, table) == 0) {
            tables[i].show(rows);
            return true;
        }
    const struct tn_view *view = tn_view_find(rows->stack, table, &slot);
    if (view)
        view->rows(&slot->self, rows);
    json_decref(rows->row); /* one that was not ended */
    return view != NULL;
}

json_t *tn_show(struct tn_stack *stack, const char *table, const json_t *args, struct tn_error *error)
{
    struct tn_rows rows = {.stack = stack, .array = json_array()};
    rows.limit = argument(args, "limit", ROWS_DEFAULT, ROWS_MAX);
    rows.offset = argument(args, "offset", 0, SIZE_MAX);
    if (!make_rows(&rows, table)) {
        json_decref(rows.array);
        unknown_table(stack, table, error);
        return NULL;
    }
    snprintf(error->text, sizeof(error->text), "out of memory");
    return json_pack("{s:s,s:o,s:o,s:o}", "table", table, "rows", rows.array, "offset",
                     tn_json_number(rows.offset), "total", tn_json_number(rows.total));
}

int tn_stack_show(struct tn_stack *stack, const char *table, char **json, struct tn_error *error)
{
    json_t *object = tn_show(stack, table, NULL, error);
    *json = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return *json ? 0 : -ENOENT;
}

const char *const *tn_show_tables(void)
{
    static const char *const names[] = {"stack",    "interfaces", "addresses", "routes",   "neighbours",
                                        "sockets",  "plugins",    "options",   "commands", "path-mtus",
                                        "dispatch", "counters",   "drops",     "groups",   NULL};
    static_assert(TN_ARRAY_SIZE(names) == TN_ARRAY_SIZE(tables) + 1, "a name a table");
    return names;
}
