/* A manifest for people. */
#include <stdlib.h>

#include "option.h"
#include "plan.h"
#include "tenon/text.h"

#define CELL 256 /* bytes of text of a cell */

enum column {
    COLUMN_NAME,
    COLUMN_TYPE,
    COLUMN_DEFAULT,
    COLUMN_RANGE,
    COLUMN_COUNT,
};

/* ---- The table of options ---- */

static void default_text(const struct tn_manifest_option *option, struct tn_text *out)
{
    struct tn_value value;
    char ignored[8];
    struct tn_text why = tn_text_init(ignored, sizeof(ignored));
    if (option->default_text && tn_value_parse(option, option->default_text, &value, &why) == 0)
        tn_value_text(option, &value, out);
    else
        tn_text_add(out, "(required)");
}

static void range_text(const struct tn_manifest_option *option, struct tn_text *out)
{
    char text[CELL];
    struct tn_text range = tn_text_init(text, sizeof(text));
    for (size_t i = 0; option->choices && option->choices[i]; i++)
        tn_text_add(out, "%s%s", i ? ", " : "", option->choices[i]);
    tn_option_range_text(option, &range);
    if (text[0])
        tn_text_add(out, "%s", text + 2); /* behind ", " */
}

static void cell_text(const struct tn_manifest_option *option, enum column column, char cell[static CELL])
{
    struct tn_text out = tn_text_init(cell, CELL);
    if (column == COLUMN_NAME)
        tn_text_add(&out, "%s", option->name);
    else if (column == COLUMN_TYPE)
        tn_text_add(&out, "%s", tn_option_type_name(option->type));
    else if (column == COLUMN_DEFAULT)
        default_text(option, &out);
    else
        range_text(option, &out);
}

static void describe_options(const struct tn_manifest *m, FILE *out)
{
    static const char *const titles[COLUMN_COUNT] = {"OPTION", "TYPE", "DEFAULT", "RANGE"};
    size_t widths[COLUMN_COUNT];
    char cell[CELL];
    for (int c = 0; c < COLUMN_COUNT; c++) {
        widths[c] = strlen(titles[c]);
        for (size_t i = 0; i < m->option_count; i++) {
            cell_text(&m->options[i], (enum column)c, cell);
            widths[c] = tn_max(widths[c], strlen(cell));
        }
    }
    fputc('\n', out);
    for (int c = 0; c < COLUMN_COUNT; c++)
        fprintf(out, "%-*s  ", (int)widths[c], titles[c]);
    fputs("LIVE\n", out);
    for (size_t i = 0; i < m->option_count; i++) {
        for (int c = 0; c < COLUMN_COUNT; c++) {
            cell_text(&m->options[i], (enum column)c, cell);
            fprintf(out, "%-*s  ", (int)widths[c], cell);
        }
        fprintf(out, "%s\n    %s\n", m->options[i].live ? "yes" : "no", m->options[i].help);
    }
    fputs("\nLIVE: a reload can change it while the plugin runs.\n", out);
}

/* ---- The whole ---- */

static void describe_keys(const struct tn_manifest *m, FILE *out)
{
    char text[1024];
    struct tn_text line = tn_text_init(text, sizeof(text));
    for (size_t i = 0; i < m->claim_count; i++) {
        tn_text_add(&line, "%s", i ? " " : "");
        tn_claim_text(&line, m->claims[i].table, m->claims[i].family, m->claims[i].key);
    }
    fprintf(out, "provides  %s\n", m->claim_count ? text : "-");
    line = tn_text_init(text, sizeof(text));
    for (size_t i = 0; i < m->need_count; i++) {
        tn_text_add(&line, "%s", i ? " " : "");
        tn_need_text(&line, &m->needs[i]);
    }
    fprintf(out, "needs     %s\n", m->need_count ? text : "-");
}

char *tn_manifest_describe(const struct tn_manifest *m)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    fprintf(out, "%s: %s\n\n", m->name, m->summary);
    fprintf(out, "kind      %s\nversion   %s\nABI       %u.%u\nschema    %s\n", m->kind, m->version,
            m->abi_major, m->abi_minor, m->schema);
    describe_keys(m, out);
    if (m->listens)
        fputs("listens   yes (give it 'listen: [TRANSPORT/PORT]')\n", out);
    if (m->no_ports)
        fputs("ports     no (no service can listen on it)\n", out);
    if (m->path)
        fprintf(out, "manifest  %s\n", m->path);
    if (m->option_count)
        describe_options(m, out);
    else
        fputs("\nIt has no options.\n", out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
