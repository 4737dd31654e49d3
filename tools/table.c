/* table.c: rows of JSON as a table for people. */
#include <stdlib.h>
#include <string.h>

#include "tool.h"

#define CELL_MAX    160
#define COLUMNS_MAX 16

void add_value(struct tn_text *out, const json_t *value)
{
    const json_t *element;
    size_t i;
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_STRING:
        tn_text_add(out, "%s", *json_string_value(value) ? json_string_value(value) : "-");
        break;
    case JSON_INTEGER:
        tn_text_add(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        tn_text_add(out, "%g", json_real_value(value));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        tn_text_add(out, json_is_true(value) ? "yes" : "no");
        break;
    case JSON_ARRAY:
        if (json_array_size(value) == 0)
            tn_text_add(out, "-");
        for (i = 0; i < json_array_size(value); i++) {
            element = json_array_get(value, i);
            tn_text_add(out, i ? ", " : "");
            add_value(out, element);
        }
        break;
    default:
        tn_text_add(out, "-");
        break;
    }
}

static void make_cell(const struct column *column, const json_t *row, char text[CELL_MAX])
{
    struct tn_text t = tn_text_init(text, CELL_MAX);
    if (column->cell)
        column->cell(row, &t);
    else
        add_value(&t, json_object_get(row, column->key));
}

/* A line of cells; NULL: the titles. No blanks at its end, even where the last cells are empty. */
static void print_line(const struct column *columns, size_t count, const size_t *widths, const json_t *row)
{
    size_t blanks = 0; /* before the next text */
    for (size_t c = 0; c < count; c++) {
        char text[CELL_MAX];
        if (row)
            make_cell(&columns[c], row, text);
        else
            snprintf(text, sizeof(text), "%s", columns[c].title);
        size_t len = strlen(text), rest = widths[c] - len;
        if (columns[c].align == RIGHT)
            blanks += rest;
        if (len)
            printf("%*s%s", (int)blanks, "", text);
        blanks = (len ? 0 : blanks) + (columns[c].align == RIGHT ? 0 : rest) + 2;
    }
    putchar('\n');
}

void print_table(const struct column *columns, size_t count, const json_t *rows)
{
    size_t widths[COLUMNS_MAX];
    char text[CELL_MAX];
    for (size_t c = 0; c < count; c++) {
        widths[c] = strlen(columns[c].title);
        for (size_t r = 0; r < json_array_size(rows); r++) {
            make_cell(&columns[c], json_array_get(rows, r), text);
            widths[c] = tn_max(widths[c], strlen(text));
        }
    }
    print_line(columns, count, widths, NULL);
    for (size_t r = 0; r < json_array_size(rows); r++)
        print_line(columns, count, widths, json_array_get(rows, r));
}
