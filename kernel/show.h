/* show.h: what the tables of `tenon show` are made with. */
#ifndef TENON_KERNEL_SHOW_H
#define TENON_KERNEL_SHOW_H

#include <jansson.h>

#include "stack.h"

/* The table as {"table", "rows", "total", …}; NULL with `error` if there is none such. `args` may be NULL: limit,
 * offset. */
json_t *tn_show(struct tn_stack *stack, const char *table, const json_t *args, struct tn_error *error);

/* Rows that the asker wants, of those that there are: from `offset` on, at most `limit`. */
struct tn_rows {
    struct tn_stack *stack;
    json_t *array;
    size_t limit, offset, total;
    json_t *row; /* of a plugin's table, being built */
};

/* Tables that plugins bring; NULL if nobody has this one. */
const struct tn_view *tn_view_find(struct tn_stack *stack, const char *name, struct tn_slot **slot);
/* The operations of struct tn_core by which their rows are built. */
void tn_core_row_text(struct tn_rows *rows, const char *key, const char *value);
void tn_core_row_number(struct tn_rows *rows, const char *key, int64_t value);
void tn_core_row_end(struct tn_rows *rows);

/* Counts a row; whether it is one of those wanted, and so worth making. */
bool tn_rows_want(struct tn_rows *rows);
/* Adds a row that is wanted (reference taken). */
void tn_rows_add(struct tn_rows *rows, json_t *row);

/* An address as a JSON string, with "/prefix" if `prefix` is not negative; "*" for the unspecified one. */
json_t *tn_json_address(uint8_t family, const struct tn_addr *addr, int prefix);
/* A link address; null if it has none. */
json_t *tn_json_lladdr(const uint8_t *lladdr, uint8_t len);
json_t *tn_json_number(uint64_t value);
/* The name of an interface. */
json_t *tn_json_interface(struct tn_stack *stack, uint16_t ifindex);

typedef void tn_table_fn(struct tn_rows *rows);
tn_table_fn tn_show_interfaces, tn_show_addresses, tn_show_routes, tn_show_neighbours, tn_show_sockets,
    tn_show_path_mtus, tn_show_groups;
tn_table_fn tn_show_plugins, tn_show_dispatch, tn_show_counters, tn_show_drops, tn_show_stack,
    tn_show_options, tn_show_commands;

#endif
