/* The tree is built from libyaml's events, one function call a level, so that the limits on depth and nodes
 * stop a hostile text before it has cost memory. libyaml counts lines and columns (characters, not bytes)
 * from 0, we from 1. */
#include "yaml_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <yaml.h>

#include "suggest.h"

struct reader {
    yaml_parser_t parser;
    const char *text;
    size_t len;
    const char *name;
    size_t nodes;
    struct tn_error *error;
};

static struct tn_position position(yaml_mark_t mark)
{
    return (struct tn_position){.line = (uint32_t)mark.line + 1, .column = (uint32_t)mark.column + 1};
}

TN_PRINTF(3, 4) static int fail(struct reader *r, struct tn_position at, const char *fmt, ...)
{
    struct tn_text out = tn_text_init(r->error->text, sizeof(r->error->text));
    tn_text_add(&out, "%s:%u:%u: ", r->name, at.line, at.column);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(out.at, out.room + 1, fmt, ap);
    va_end(ap);
    return -EINVAL;
}

static int fail_memory(struct reader *r)
{
    snprintf(r->error->text, sizeof(r->error->text), "%s: out of memory", r->name);
    return -ENOMEM;
}

/* libyaml gives a byte offset, and no mark, for bytes that are not text. */
static struct tn_position position_of_offset(const struct reader *r, size_t offset)
{
    struct tn_position at = {1, 1};
    for (size_t i = 0; i < offset && i < r->len; i++) {
        unsigned char c = (unsigned char)r->text[i];
        if (c == '\n') {
            at.line++;
            at.column = 1;
        } else if ((c & 0xc0) != 0x80) {
            at.column++;
        }
    }
    return at;
}

static int fail_syntax(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return fail_memory(r);
    if (p->error == YAML_READER_ERROR)
        return fail(r, position_of_offset(r, p->problem_offset),
                    "found a byte that is not text (%s), expected UTF-8",
                    p->problem ? p->problem : "unreadable");
    struct tn_position at = position(p->problem_mark);
    const char *problem = p->problem ? p->problem : "unreadable";
    if (!p->context)
        return fail(r, at, "syntax error: %s", problem);
    return fail(r, at, "syntax error: %s (%s that began at line %u, column %u)", problem, p->context,
                (unsigned)p->context_mark.line + 1, (unsigned)p->context_mark.column + 1);
}

static int next_event(struct reader *r, yaml_event_t *event)
{
    return yaml_parser_parse(&r->parser, event) ? 0 : fail_syntax(r);
}

static struct tn_yaml_node *new_node(struct reader *r, enum tn_yaml_kind kind, const yaml_event_t *event,
                                     int *err)
{
    struct tn_position at = position(event->start_mark);
    if (++r->nodes > TN_YAML_NODES_MAX) {
        *err = fail(r, at, "more than %d values, expected a smaller file", TN_YAML_NODES_MAX);
        return NULL;
    }
    struct tn_yaml_node *node = calloc(1, sizeof(*node));
    if (!node) {
        *err = fail_memory(r);
        return NULL;
    }
    node->kind = kind;
    node->at = at;
    return node;
}

/* ---- Scalars ---- */

static int check_decoration(struct reader *r, const yaml_event_t *event, const yaml_char_t *anchor,
                            const yaml_char_t *tag)
{
    char quoted[TN_QUOTE_MAX];
    if (anchor)
        return fail(r, position(event->start_mark),
                    "found an anchor (&), expected a value: anchors are not supported");
    if (tag)
        return fail(r, position(event->start_mark),
                    "found the tag %s, expected a value: tags are not supported",
                    tn_quote(quoted, (const char *)tag));
    return 0;
}

static bool is_null(const yaml_event_t *event)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < TN_ARRAY_SIZE(words); i++)
        if (!strcmp((const char *)event->data.scalar.value, words[i]))
            return true;
    return false;
}

/* The event's text as a string of its own. */
static char *scalar_text(struct reader *r, const yaml_event_t *event, int *err)
{
    const char *value = (const char *)event->data.scalar.value;
    *err = check_decoration(r, event, event->data.scalar.anchor, event->data.scalar.tag);
    if (*err)
        return NULL;
    if (strlen(value) != event->data.scalar.length) {
        *err = fail(r, position(event->start_mark), "found a NUL character, expected text without one");
        return NULL;
    }
    char *text = strdup(value);
    if (!text)
        *err = fail_memory(r);
    return text;
}

static int build_scalar(struct reader *r, const yaml_event_t *event, struct tn_yaml_node **out)
{
    int err = 0;
    char *text = scalar_text(r, event, &err);
    if (!text)
        return err;
    struct tn_yaml_node *node = new_node(r, is_null(event) ? TN_YAML_NULL : TN_YAML_SCALAR, event, &err);
    if (!node) {
        free(text);
        return err;
    }
    node->text = text;
    *out = node;
    return 0;
}

/* ---- Sequences and mappings ---- */

static int build_node(struct reader *r, const yaml_event_t *event, unsigned depth, struct tn_yaml_node **out);

static int build_sequence(struct reader *r, struct tn_yaml_node *node, unsigned depth)
{
    struct tn_yaml_node **tail = &node->first;
    for (;;) {
        yaml_event_t event;
        int err = next_event(r, &event);
        if (err)
            return err;
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        if (!end)
            err = build_node(r, &event, depth + 1, tail);
        yaml_event_delete(&event);
        if (end || err)
            return err;
        tail = &(*tail)->next;
        node->count++;
    }
}

static int read_key(struct reader *r, const yaml_event_t *event, char **key, struct tn_position *at)
{
    int err = 0;
    *at = position(event->start_mark);
    if (event->type == YAML_ALIAS_EVENT)
        return fail(r, *at, "found an alias (*), expected a key: aliases are not supported");
    if (event->type != YAML_SCALAR_EVENT)
        return fail(r, *at, "found a %s as a key, expected a word",
                    event->type == YAML_SEQUENCE_START_EVENT ? "list" : "mapping");
    *key = scalar_text(r, event, &err);
    if (*key && !**key)
        err = fail(r, *at, "found an empty key, expected a word");
    return err;
}

static int build_pair(struct reader *r, char *key, struct tn_position key_at, unsigned depth,
                      struct tn_yaml_node **out)
{
    yaml_event_t event;
    int err = next_event(r, &event);
    if (!err) {
        err = build_node(r, &event, depth + 1, out);
        yaml_event_delete(&event);
    }
    if (err) {
        free(key);
        return err;
    }
    (*out)->key = key;
    (*out)->key_at = key_at;
    return 0;
}

static int compare_keys(const void *a, const void *b)
{
    const struct tn_yaml_node *x = *(struct tn_yaml_node *const *)a, *y = *(struct tn_yaml_node *const *)b;
    int order = strcmp(x->key, y->key);
    if (order)
        return order;
    if (x->key_at.line != y->key_at.line)
        return x->key_at.line < y->key_at.line ? -1 : 1;
    return x->key_at.column < y->key_at.column ? -1 : x->key_at.column > y->key_at.column;
}

/* Sorted, because a hostile mapping can have some hundred thousand keys. */
static int check_duplicates(struct reader *r, const struct tn_yaml_node *node)
{
    if (node->count < 2)
        return 0;
    struct tn_yaml_node **sorted = calloc(node->count, sizeof(struct tn_yaml_node *));
    if (!sorted)
        return fail_memory(r);
    size_t n = 0;
    for (struct tn_yaml_node *value = node->first; value; value = value->next)
        sorted[n++] = value;
    qsort(sorted, n, sizeof(sorted[0]), compare_keys);
    int err = 0;
    for (size_t i = 1; i < n && !err; i++) {
        char quoted[TN_QUOTE_MAX];
        if (!strcmp(sorted[i - 1]->key, sorted[i]->key))
            err = fail(r, sorted[i]->key_at,
                       "found the key %s a second time, expected it once (first at line %u)",
                       tn_quote(quoted, sorted[i]->key), sorted[i - 1]->key_at.line);
    }
    free(sorted);
    return err;
}

static int build_mapping(struct reader *r, struct tn_yaml_node *node, unsigned depth)
{
    struct tn_yaml_node **tail = &node->first;
    for (;;) {
        yaml_event_t event;
        char *key = NULL;
        struct tn_position key_at;
        int err = next_event(r, &event);
        if (err)
            return err;
        bool end = event.type == YAML_MAPPING_END_EVENT;
        if (!end)
            err = read_key(r, &event, &key, &key_at);
        yaml_event_delete(&event);
        if (end)
            return check_duplicates(r, node);
        if (err) {
            free(key);
            return err;
        }
        err = build_pair(r, key, key_at, depth, tail);
        if (err)
            return err;
        tail = &(*tail)->next;
        node->count++;
    }
}

static int build_collection(struct reader *r, const yaml_event_t *event, unsigned depth,
                            struct tn_yaml_node **out)
{
    bool mapping = event->type == YAML_MAPPING_START_EVENT;
    int err =
        mapping
            ? check_decoration(r, event, event->data.mapping_start.anchor, event->data.mapping_start.tag)
            : check_decoration(r, event, event->data.sequence_start.anchor, event->data.sequence_start.tag);
    if (err)
        return err;
    if (depth >= TN_YAML_DEPTH_MAX)
        return fail(r, position(event->start_mark), "nested more than %d deep, expected less",
                    TN_YAML_DEPTH_MAX);
    struct tn_yaml_node *node = new_node(r, mapping ? TN_YAML_MAPPING : TN_YAML_SEQUENCE, event, &err);
    if (!node)
        return err;
    err = mapping ? build_mapping(r, node, depth) : build_sequence(r, node, depth);
    if (err) {
        tn_yaml_free(node);
        return err;
    }
    *out = node;
    return 0;
}

/* On failure *out is NULL or as it was: the callers' lists stay whole. */
static int build_node(struct reader *r, const yaml_event_t *event, unsigned depth, struct tn_yaml_node **out)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return build_scalar(r, event, out);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return build_collection(r, event, depth, out);
    case YAML_ALIAS_EVENT:
        return fail(r, position(event->start_mark),
                    "found an alias (*), expected a value: aliases are not supported");
    default:
        return fail(r, position(event->start_mark), "syntax error: expected a value");
    }
}

/* ---- The document ---- */

static int build_document(struct reader *r, struct tn_yaml_node **root)
{
    yaml_event_t event;
    int err = next_event(r, &event);
    if (err)
        return err;
    bool empty = event.type == YAML_STREAM_END_EVENT;
    if (empty) {
        *root = new_node(r, TN_YAML_NULL, &event, &err);
    } else if (event.type == YAML_DOCUMENT_START_EVENT) {
        yaml_event_delete(&event);
        err = next_event(r, &event);
        if (err)
            return err;
        err = build_node(r, &event, 0, root);
    }
    yaml_event_delete(&event);
    return err;
}

/* After the first document: its end, then the end of the stream and nothing else. */
static int expect_end(struct reader *r)
{
    for (;;) {
        yaml_event_t event;
        int err = next_event(r, &event);
        if (err)
            return err;
        yaml_event_type_t type = event.type;
        struct tn_position at = position(event.start_mark);
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT || type == YAML_NO_EVENT)
            return 0;
        if (type == YAML_DOCUMENT_START_EVENT)
            return fail(r, at, "found a second document, expected one");
    }
}

/* Whether a line begins at `at`: after any of the line breaks that libyaml knows. */
static bool begins_line(const char *text, size_t at)
{
    static const char *const breaks[] = {"\n",           "\r",           "\xc2\x85",
                                         "\xe2\x80\xa8", "\xe2\x80\xa9", "\xef\xbb\xbf"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(breaks); i++) {
        size_t len = strlen(breaks[i]);
        if (at >= len && memcmp(text + at - len, breaks[i], len) == 0)
            return true;
    }
    return at == 0;
}

/* Directives (%TAG) have no use here, and libyaml takes time in the square of their number. */
static int check_directives(struct reader *r)
{
    const char *end = r->text + r->len;
    for (const char *at = r->text; at < end && (at = memchr(at, '%', (size_t)(end - at))); at++) {
        size_t offset = (size_t)(at - r->text);
        if (begins_line(r->text, offset))
            return fail(r, position_of_offset(r, offset),
                        "found a line that begins with %%, expected none: directives are not supported");
    }
    return 0;
}

static int parse_stream(struct reader *r, struct tn_yaml_node **root)
{
    yaml_event_t event;
    int err = next_event(r, &event);
    if (err)
        return err;
    yaml_event_delete(&event); /* the start of the stream */
    err = build_document(r, root);
    return err ? err : expect_end(r);
}

int tn_yaml_parse(const char *text, size_t len, const char *name, struct tn_yaml_node **out,
                  struct tn_error *error)
{
    struct reader r = {.text = text, .len = len, .name = name, .error = error};
    struct tn_yaml_node *root = NULL;
    *out = NULL;
    if (len > TN_YAML_SIZE_MAX)
        return fail(&r, (struct tn_position){1, 1}, "the file has %zu bytes, expected at most %d", len,
                    TN_YAML_SIZE_MAX);
    int err = check_directives(&r);
    if (err)
        return err;
    if (!yaml_parser_initialize(&r.parser))
        return fail_memory(&r);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    err = parse_stream(&r, &root);
    yaml_parser_delete(&r.parser);
    if (err) {
        tn_yaml_free(root);
        return err;
    }
    *out = root;
    return 0;
}

void tn_yaml_free(struct tn_yaml_node *root)
{
    while (root) {
        struct tn_yaml_node *next = root->next;
        tn_yaml_free(root->first);
        free(root->text);
        free(root->key);
        free(root);
        root = next;
    }
}

const char *tn_yaml_kind_name(const struct tn_yaml_node *node)
{
    static const char *const names[] = {
        [TN_YAML_NULL] = "nothing",
        [TN_YAML_SCALAR] = "a value",
        [TN_YAML_SEQUENCE] = "a list",
        [TN_YAML_MAPPING] = "a mapping",
    };
    return names[node->kind];
}
