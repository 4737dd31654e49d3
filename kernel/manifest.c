/* Reading NAME.ini. inih splits the lines; this file is strict about them. inih reports a section only with
 * its first key, gives its handler no line numbers and joins indented lines to the value above; so the reader
 * that feeds it counts the lines, sees the section headers itself, and refuses what inih would change
 * silently (long lines, indented lines).
 *
 * The lines become drafts, which are checked when all have been read, because `type` may stand below
 * `default`. */
#include "manifest.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>

#include "suggest.h"

/* ---- Sections ---- */

static int begin_option(struct tn_manifest_reader *r, const char *name)
{
    struct tn_manifest *m = r->manifest;
    char quoted[TN_QUOTE_MAX];
    if (!tn_plugin_name_valid(name))
        return tn_manifest_fail(r, r->line,
                                "found %s as the name of an option, expected a-z, 0-9 and -, at most %d",
                                tn_quote(quoted, name), TN_PLUGIN_NAME_MAX);
    if (m->option_count == TN_MANIFEST_OPTIONS_MAX)
        return tn_manifest_fail(r, r->line, "found another option, expected at most %d",
                                TN_MANIFEST_OPTIONS_MAX);
    for (size_t i = 0; i < m->option_count; i++)
        if (!strcmp(m->options[i].name, name))
            return tn_manifest_fail(r, r->line,
                                    "found [option %s] a second time, expected it once (first at line %u)",
                                    name, r->drafts[i].line);
    m->options[m->option_count].name = strdup(name);
    if (!m->options[m->option_count].name)
        return tn_manifest_fail_memory(r);
    r->drafts[m->option_count++].line = r->line;
    r->section = TN_MANIFEST_OPTION;
    return 0;
}

static int begin_section(struct tn_manifest_reader *r, const char *name)
{
    if (!strcmp(name, "plugin")) {
        if (r->plugin_seen)
            return tn_manifest_fail(r, r->line, "found [plugin] a second time, expected it once");
        r->plugin_seen = true;
        r->section = TN_MANIFEST_PLUGIN;
        return 0;
    }
    if (!strncmp(name, "option", 6) && (name[6] == ' ' || name[6] == '\0'))
        return begin_option(r, name + 6 + strspn(name + 6, " "));
    char quoted[TN_QUOTE_MAX];
    return tn_manifest_fail(r, r->line, "found section %s, expected [plugin] or [option NAME]",
                            tn_quote(quoted, name));
}

/* ---- Lines, as inih's reader wants them ---- */

static bool is_utf8(const char *text, size_t len)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0; i < len;) {
        size_t n = s[i] < 0x80 ? 1 : s[i] < 0xe0 ? 2 : s[i] < 0xf0 ? 3 : 4;
        if (s[i] >= 0xf5 || (s[i] >= 0x80 && s[i] < 0xc2) || n > len - i)
            return false;
        for (size_t k = 1; k < n; k++)
            if ((s[i + k] & 0xc0) != 0x80)
                return false;
        i += n;
    }
    return true;
}

static int check_line(struct tn_manifest_reader *r, const char *line, size_t len, size_t max)
{
    if (len > max)
        return tn_manifest_fail(r, r->line, "found a line of %zu bytes, expected at most %zu", len, max);
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)line[i] < 0x20 && line[i] != '\t') || line[i] == 0x7f)
            return tn_manifest_fail(r, r->line, "found the control character \\x%02x, expected text",
                                    (unsigned char)line[i]);
    if (!is_utf8(line, len))
        return tn_manifest_fail(r, r->line, "found bytes that are not UTF-8, expected text");
    size_t blanks = strspn(line, " \t");
    if (blanks > 0 && blanks < len && !strchr(";#", line[blanks]))
        return tn_manifest_fail(r, r->line,
                                "found an indented line, expected 'key = value' at its beginning");
    return 0;
}

static int read_header(struct tn_manifest_reader *r, const char *line)
{
    const char *end = strchr(line, ']');
    const char *rest = end ? end + 1 + strspn(end + 1, " \t") : "";
    char name[256];
    if (!end || (*rest && *rest != ';') || (size_t)(end - line) > sizeof(name))
        return tn_manifest_fail(r, r->line,
                                "found a broken section header, expected [plugin] or [option NAME]");
    size_t len = (size_t)(end - line - 1);
    memcpy(name, line + 1, len);
    name[len] = '\0';
    return begin_section(r, name);
}

/* ini_reader: the next line to buf, NULL at the end or after an error. */
static char *read_line(char *buf, int size, void *stream)
{
    struct tn_manifest_reader *r = stream;
    if (r->err || r->text == r->end)
        return NULL;
    r->line++;
    const char *newline = memchr(r->text, '\n', (size_t)(r->end - r->text));
    size_t len = (size_t)((newline ? newline : r->end) - r->text);
    size_t taken = len + (newline ? 1 : 0);
    if (len > 0 && newline && r->text[len - 1] == '\r')
        len--;
    size_t copied = tn_min(len, (size_t)size - 1);
    memcpy(buf, r->text, copied);
    buf[copied] = '\0';
    if (check_line(r, buf, len, (size_t)size - 3)) /* inih wants room for "\r\n" */
        return NULL;
    if (buf[0] == '[' && read_header(r, buf))
        return NULL;
    r->text += taken;
    return buf;
}

/* ---- Keys ---- */

/* One key of a section and where its value goes. */
struct key {
    const char *name;
    struct tn_draft_text *draft;
};

static int fail_key(struct tn_manifest_reader *r, const struct key *keys, size_t count, const char *name)
{
    char words[256], quoted[TN_QUOTE_MAX];
    struct tn_text expected = tn_text_init(words, sizeof(words));
    struct tn_suggestion suggestion = tn_suggest(name);
    for (size_t i = 0; i < count; i++) {
        tn_text_add(&expected, "%s%s", i == 0 ? "" : i + 1 < count ? ", " : " or ", keys[i].name);
        tn_suggest_offer(&suggestion, keys[i].name);
    }
    tn_suggest_text(&suggestion, &expected);
    return tn_manifest_fail(r, r->line, "found the unknown key %s, expected %s", tn_quote(quoted, name),
                            words);
}

static int set_key(struct tn_manifest_reader *r, const struct key *keys, size_t count, const char *name,
                   const char *value)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(keys[i].name, name) != 0)
            continue;
        if (keys[i].draft->text)
            return tn_manifest_fail(r, r->line,
                                    "found '%s' a second time, expected it once (first at line %u)", name,
                                    keys[i].draft->line);
        keys[i].draft->text = strdup(value);
        keys[i].draft->line = r->line;
        return keys[i].draft->text ? 0 : tn_manifest_fail_memory(r);
    }
    return fail_key(r, keys, count, name);
}

static int set_plugin_key(struct tn_manifest_reader *r, const char *name, const char *value)
{
    const struct key keys[] = {
        {"name", &r->plugin_name},  {"kind", &r->kind},       {"abi", &r->abi},
        {"version", &r->version},   {"summary", &r->summary}, {"schema", &r->schema},
        {"provides", &r->provides}, {"needs", &r->needs},     {"listens", &r->listens},
        {"ports", &r->ports},
    };
    return set_key(r, keys, TN_ARRAY_SIZE(keys), name, value);
}

static int set_option_key(struct tn_manifest_reader *r, const char *name, const char *value)
{
    struct tn_option_draft *draft = &r->drafts[r->manifest->option_count - 1];
    const struct key keys[] = {
        {"type", &draft->type},       {"default", &draft->fallback}, {"range", &draft->range},
        {"choices", &draft->choices}, {"kind", &draft->kind},        {"live", &draft->live},
        {"help", &draft->help},
    };
    return set_key(r, keys, TN_ARRAY_SIZE(keys), name, value);
}

/* ini_handler: one key = value. */
static int handle(void *user, const char *section, const char *name, const char *value)
{
    struct tn_manifest_reader *r = user;
    char quoted[TN_QUOTE_MAX];
    if (r->err)
        return 0;
    if (r->section == TN_MANIFEST_NOWHERE)
        tn_manifest_fail(r, r->line, "found the key %s before any section, expected [plugin]",
                         tn_quote(quoted, name));
    else if (r->section == TN_MANIFEST_PLUGIN)
        set_plugin_key(r, name, value);
    else
        set_option_key(r, name, value);
    return !r->err;
}

/* ---- The text ---- */

static int read_lines(struct tn_manifest_reader *r)
{
    r->manifest->options = calloc(TN_MANIFEST_OPTIONS_MAX, sizeof(r->manifest->options[0]));
    if (!r->manifest->options)
        return tn_manifest_fail_memory(r);
    if (r->end - r->text >= 3 && !memcmp(r->text, "\xef\xbb\xbf", 3))
        r->text += 3;
    int line = ini_parse_stream(read_line, r, handle, r);
    if (line < 0)
        return tn_manifest_fail_memory(r);
    if (line > 0 && (!r->err || (unsigned)line < r->err_line))
        return tn_manifest_fail(
            r, (unsigned)line, "found a line that is neither section nor assignment, expected 'key = value'");
    return r->err;
}

static void free_drafts(struct tn_manifest_reader *r)
{
    struct tn_draft_text *plugin[] = {&r->plugin_name, &r->kind,     &r->abi,   &r->version, &r->summary,
                                      &r->schema,      &r->provides, &r->needs, &r->listens, &r->ports};
    for (size_t i = 0; i < TN_ARRAY_SIZE(plugin); i++)
        free(plugin[i]->text);
    for (size_t i = 0; i < r->manifest->option_count; i++) {
        struct tn_option_draft *d = &r->drafts[i];
        struct tn_draft_text *option[] = {&d->type, &d->fallback, &d->range, &d->choices,
                                          &d->kind, &d->live,     &d->help};
        for (size_t k = 0; k < TN_ARRAY_SIZE(option); k++)
            free(option[k]->text);
    }
}

int tn_manifest_parse(const char *text, size_t len, const char *name, struct tn_manifest **out,
                      struct tn_error *error)
{
    struct tn_manifest_reader *r = calloc(1, sizeof(*r));
    struct tn_manifest *manifest = calloc(1, sizeof(*manifest));
    *out = NULL;
    if (!r || !manifest) {
        snprintf(error->text, sizeof(error->text), "%s: out of memory", name);
        free(r);
        free(manifest);
        return -ENOMEM;
    }
    *r = (struct tn_manifest_reader){
        .text = text, .end = text + len, .name = name, .manifest = manifest, .error = error};
    int err = len > TN_MANIFEST_SIZE_MAX
                  ? tn_manifest_fail(r, 0, "found %zu bytes, expected at most %d", len, TN_MANIFEST_SIZE_MAX)
                  : read_lines(r);
    if (!err)
        err = tn_manifest_check(r);
    free_drafts(r);
    free(r);
    if (err)
        tn_manifest_free(manifest);
    else
        *out = manifest;
    return err;
}

static void free_option(struct tn_manifest_option *option)
{
    for (size_t i = 0; option->choices && option->choices[i]; i++)
        free(option->choices[i]);
    free(option->choices);
    free(option->name);
    free(option->kind);
    free(option->default_text);
    free(option->help);
}

void tn_manifest_free(struct tn_manifest *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->option_count; i++)
        free_option(&m->options[i]);
    free(m->options);
    free(m->claims);
    free(m->needs);
    free(m->path);
    free(m->so_path);
    free(m->name);
    free(m->kind);
    free(m->version);
    free(m->summary);
    free(m->schema);
    free(m);
}
