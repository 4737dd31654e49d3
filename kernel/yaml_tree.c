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
    int err; /* of the first failure; nothing is read after it */
    struct tn_error *error;
};

static struct tn_position position(yaml_mark_t mark)
{
    return (struct tn_position){.line = (uint32_t)mark.line + 1, .column = (uint32_t)mark.column + 1};
}

int tn_yaml_fail(struct tn_error *error, const char *name, struct tn_position at, const char *text)
{
    struct tn_text out = tn_text_init(error->text, sizeof(error->text));
    tn_text_add(&out, "%s:%u:%u: %s", name, at.line, at.column, text);
    return -EINVAL;
}

TN_PRINTF(3, 4) static int fail(struct reader *r, struct tn_position at, const char *fmt, ...)
{
    char text[sizeof(r->error->text)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return r->err = tn_yaml_fail(r->error, r->name, at, text);
}

static int fail_memory(struct reader *r)
{
    snprintf(r->error->text, sizeof(r->error->text), "%s: out of memory", r->name);
    return r->err = -ENOMEM;
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

/* Whether a tab stands at the mark, and only blanks before it on its line. */
static bool is_indenting_tab(const struct reader *r, yaml_mark_t mark)
{
    size_t at = 0;
    for (size_t index = 0; at < r->len; at++) /* the mark counts characters */
        if (((unsigned char)r->text[at] & 0xc0) != 0x80 && index++ == mark.index)
            break;
    if (at == r->len || r->text[at] != '\t')
        return false;
    while (at > 0 && (r->text[at - 1] == ' ' || r->text[at - 1] == '\t'))
        at--;
    return begins_line(r->text, at);
}

/* Whether the mistake is where the context began: what was not closed there, or had no colon, is noticed only
 * some lines later. */
static bool is_mistake_at_context(const yaml_parser_t *p)
{
    static const char *const contexts[] = {"while scanning a simple key", "while scanning a quoted scalar",
                                           "while parsing a flow sequence", "while parsing a flow mapping"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(contexts); i++)
        if (strcmp(p->context, contexts[i]) == 0)
            return p->context_mark.line < p->problem_mark.line;
    return false;
}

static int fail_in_context(struct reader *r, const char *problem)
{
    const yaml_parser_t *p = &r->parser;
    struct tn_position at = position(p->problem_mark), began = position(p->context_mark);
    if (is_mistake_at_context(p))
        return fail(r, began, "syntax error: %s (%s that begins here; noticed at line %u, column %u)",
                    problem, p->context, at.line, at.column);
    bool indented = strcmp(problem, "did not find expected key") == 0 ||
                    strcmp(problem, "did not find expected '-' indicator") == 0;
    return fail(r, at, "syntax error: %s (%s that began at line %u, column %u)%s", problem, p->context,
                began.line, began.column,
                indented ? "; perhaps this line is indented differently from those above it" : "");
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
    if (is_indenting_tab(r, p->problem_mark))
        return fail(r, at, "found a tab, expected blanks: YAML does not allow tabs for indentation");
    return p->context ? fail_in_context(r, problem) : fail(r, at, "syntax error: %s", problem);
}

static int next_event(struct reader *r, yaml_event_t *event)
{
    return yaml_parser_parse(&r->parser, event) ? 0 : fail_syntax(r);
}

/* ---- Scalars ---- */

static struct tn_yaml_node *new_node(struct reader *r, enum tn_yaml_kind kind, const yaml_event_t *event)
{
    struct tn_position at = position(event->start_mark);
    if (++r->nodes > TN_YAML_NODES_MAX) {
        fail(r, at, "more than %d values, expected a smaller file", TN_YAML_NODES_MAX);
        return NULL;
    }
    struct tn_yaml_node *node = calloc(1, sizeof(*node));
    if (!node) {
        fail_memory(r);
        return NULL;
    }
    node->kind = kind;
    node->at = at;
    return node;
}

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
static char *scalar_text(struct reader *r, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    if (check_decoration(r, event, event->data.scalar.anchor, event->data.scalar.tag))
        return NULL;
    if (strlen(value) != event->data.scalar.length) {
        fail(r, position(event->start_mark), "found a NUL character, expected text without one");
        return NULL;
    }
    char *text = strdup(value);
    if (!text)
        fail_memory(r);
    return text;
}

static struct tn_yaml_node *build_scalar(struct reader *r, const yaml_event_t *event)
{
    char *text = scalar_text(r, event);
    struct tn_yaml_node *node =
        text ? new_node(r, is_null(event) ? TN_YAML_NULL : TN_YAML_SCALAR, event) : NULL;
    if (node)
        node->text = text;
    else
        free(text);
    return node;
}

/* ---- Sequences and mappings ---- */

static struct tn_yaml_node *build_node(struct reader *r, const yaml_event_t *event, unsigned depth);

static int build_sequence(struct reader *r, struct tn_yaml_node *node, unsigned depth)
{
    struct tn_yaml_node **tail = &node->first;
    for (;;) {
        yaml_event_t event;
        if (next_event(r, &event))
            return r->err;
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        struct tn_yaml_node *item = end ? NULL : build_node(r, &event, depth + 1);
        yaml_event_delete(&event);
        if (!item)
            return r->err;
        *tail = item;
        tail = &item->next;
        node->count++;
    }
}

static char *read_key(struct reader *r, const yaml_event_t *event)
{
    struct tn_position at = position(event->start_mark);
    if (event->type == YAML_ALIAS_EVENT) {
        fail(r, at, "found an alias (*), expected a key: aliases are not supported");
        return NULL;
    }
    if (event->type != YAML_SCALAR_EVENT) {
        fail(r, at, "found a %s as a key, expected a word",
             event->type == YAML_SEQUENCE_START_EVENT ? "list" : "mapping");
        return NULL;
    }
    char *key = scalar_text(r, event);
    if (key && !*key) {
        fail(r, at, "found an empty key, expected a word");
        free(key);
        return NULL;
    }
    return key;
}

/* The value that follows the key of `event`. */
static struct tn_yaml_node *build_pair(struct reader *r, const yaml_event_t *key_event, unsigned depth)
{
    yaml_event_t event;
    struct tn_yaml_node *value = NULL;
    char *key = read_key(r, key_event);
    if (key && next_event(r, &event) == 0) {
        value = build_node(r, &event, depth + 1);
        yaml_event_delete(&event);
    }
    if (!value) {
        free(key);
        return NULL;
    }
    value->key = key;
    value->key_at = position(key_event->start_mark);
    return value;
}

static int compare_keys(const void *a, const void *b)
{
    const struct tn_yaml_node *x = *(struct tn_yaml_node *const *)a, *y = *(struct tn_yaml_node *const *)b;
    int order = strcmp(x->key, y->key);
    if (!order)
        order = (x->key_at.line > y->key_at.line) - (x->key_at.line < y->key_at.line);
    return order ? order : (x->key_at.column > y->key_at.column) - (x->key_at.column < y->key_at.column);
}

/* Sorted, because a hostile mapping can have some hundred thousand keys. */
static int check_duplicates(struct reader *r, const struct tn_yaml_node *node)
{
    struct tn_yaml_node **sorted = calloc(node->count + 1, sizeof(struct tn_yaml_node *));
    if (!sorted)
        return fail_memory(r);
    size_t n = 0;
    for (struct tn_yaml_node *value = node->first; value; value = value->next)
        sorted[n++] = value;
    qsort(sorted, n, sizeof(struct tn_yaml_node *), compare_keys);
    for (size_t i = 1; i < n && !r->err; i++) {
        char quoted[TN_QUOTE_MAX];
        if (!strcmp(sorted[i - 1]->key, sorted[i]->key))
            fail(r, sorted[i]->key_at, "found the key %s a second time, expected it once (first at line %u)",
                 tn_quote(quoted, sorted[i]->key), sorted[i - 1]->key_at.line);
    }
    free(sorted);
    return r->err;
}

static int build_mapping(struct reader *r, struct tn_yaml_node *node, unsigned depth)
{
    struct tn_yaml_node **tail = &node->first;
    for (;;) {
        yaml_event_t event;
        if (next_event(r, &event))
            return r->err;
        bool end = event.type == YAML_MAPPING_END_EVENT;
        struct tn_yaml_node *value = end ? NULL : build_pair(r, &event, depth);
        yaml_event_delete(&event);
        if (end)
            return check_duplicates(r, node);
        if (!value)
            return r->err;
        *tail = value;
        tail = &value->next;
        node->count++;
    }
}

static struct tn_yaml_node *build_collection(struct reader *r, const yaml_event_t *event, unsigned depth)
{
    bool mapping = event->type == YAML_MAPPING_START_EVENT;
    const yaml_char_t *anchor =
        mapping ? event->data.mapping_start.anchor : event->data.sequence_start.anchor;
    const yaml_char_t *tag = mapping ? event->data.mapping_start.tag : event->data.sequence_start.tag;
    if (check_decoration(r, event, anchor, tag))
        return NULL;
    if (depth >= TN_YAML_DEPTH_MAX) {
        fail(r, position(event->start_mark), "nested more than %d deep, expected less", TN_YAML_DEPTH_MAX);
        return NULL;
    }
    struct tn_yaml_node *node = new_node(r, mapping ? TN_YAML_MAPPING : TN_YAML_SEQUENCE, event);
    if (node && (mapping ? build_mapping(r, node, depth) : build_sequence(r, node, depth))) {
        tn_yaml_free(node);
        return NULL;
    }
    return node;
}

/* The node that begins with the event; NULL after a failure. */
static struct tn_yaml_node *build_node(struct reader *r, const yaml_event_t *event, unsigned depth)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return build_scalar(r, event);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        return build_collection(r, event, depth);
    case YAML_ALIAS_EVENT:
        fail(r, position(event->start_mark),
             "found an alias (*), expected a value: aliases are not supported");
        return NULL;
    default:
        fail(r, position(event->start_mark), "syntax error: expected a value");
        return NULL;
    }
}

/* ---- The document ---- */

/* The first document's root; an empty stream is a null. */
static struct tn_yaml_node *build_document(struct reader *r)
{
    yaml_event_t event;
    if (next_event(r, &event))
        return NULL;
    bool empty = event.type == YAML_STREAM_END_EVENT;
    struct tn_yaml_node *root = empty ? new_node(r, TN_YAML_NULL, &event) : NULL;
    yaml_event_delete(&event);
    if (empty || next_event(r, &event)) /* after the document's start */
        return root;
    root = build_node(r, &event, 0);
    yaml_event_delete(&event);
    return root;
}

/* After the first document: its end, then the end of the stream and nothing else. */
static int expect_end(struct reader *r)
{
    for (;;) {
        yaml_event_t event;
        if (next_event(r, &event))
            return r->err;
        yaml_event_type_t type = event.type;
        struct tn_position at = position(event.start_mark);
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT || type == YAML_NO_EVENT)
            return 0;
        if (type == YAML_DOCUMENT_START_EVENT)
            return fail(r, at, "found a second document, expected one");
    }
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

static struct tn_yaml_node *parse_stream(struct reader *r)
{
    yaml_event_t event;
    if (next_event(r, &event)) /* the stream's start */
        return NULL;
    yaml_event_delete(&event);
    struct tn_yaml_node *root = build_document(r);
    if (root && expect_end(r)) {
        tn_yaml_free(root);
        return NULL;
    }
    return root;
}

int tn_yaml_parse(const char *text, size_t len, const char *name, struct tn_yaml_node **root,
                  struct tn_error *error)
{
    struct reader r = {.text = text, .len = len, .name = name, .error = error};
    *root = NULL;
    if (len > TN_YAML_SIZE_MAX)
        return fail(&r, (struct tn_position){1, 1}, "the file has %zu bytes, expected at most %d", len,
                    TN_YAML_SIZE_MAX);
    if (check_directives(&r))
        return r.err;
    if (!yaml_parser_initialize(&r.parser))
        return fail_memory(&r);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    *root = parse_stream(&r);
    yaml_parser_delete(&r.parser);
    return r.err;
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
