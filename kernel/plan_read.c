/* plan_read.c: reading nodes of a stack.yaml, and saying what is wrong with them, by file, line and column. */
#include "plan_read.h"

#include <errno.h>
#include <stdlib.h>

#include "option.h"
#include "suggest.h"

int tn_plan_fail(struct tn_plan_reader *r, struct tn_position at, const char *fmt, ...)
{
    char text[sizeof(r->error->text)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return tn_yaml_fail(r->error, r->plan->file, at, text);
}

int tn_plan_fail_memory(struct tn_plan_reader *r)
{
    snprintf(r->error->text, sizeof(r->error->text), "%s: out of memory", r->plan->file);
    return -ENOMEM;
}

/* ---- Nodes ---- */

int tn_plan_fail_kind(struct tn_plan_reader *r, const struct tn_yaml_node *node, const char *what)
{
    char quoted[TN_QUOTE_MAX], key[TN_QUOTE_MAX + 2] = "";
    const char *found = node->kind == TN_YAML_SCALAR ? tn_quote(quoted, node->text) : tn_yaml_kind_name(node);
    if (node->key)
        snprintf(key, sizeof(key), "%.60s: ", node->key);
    return tn_plan_fail(r, node->at, "%sfound %s, expected %s", key, found, what);
}

int tn_plan_expect(struct tn_plan_reader *r, const struct tn_yaml_node *node, enum tn_yaml_kind kind,
                   const char *what)
{
    return node->kind == kind || node->kind == TN_YAML_NULL ? 0 : tn_plan_fail_kind(r, node, what);
}

const char *tn_plan_scalar(struct tn_plan_reader *r, const struct tn_yaml_node *node, const char *what)
{
    if (node->kind == TN_YAML_SCALAR)
        return node->text;
    tn_plan_fail_kind(r, node, what);
    return NULL;
}

int tn_plan_number(struct tn_plan_reader *r, const struct tn_yaml_node *node, uint32_t min, uint32_t max,
                   uint32_t *out)
{
    const struct tn_manifest_option number = {
        .type = TN_OPTION_INT, .has_range = true, .min = min, .max = max};
    char expected[128];
    struct tn_text why = tn_text_init(expected, sizeof(expected));
    struct tn_value value;
    tn_text_add(&why, "a whole number");
    tn_option_range_text(&number, &why);
    const char *text = tn_plan_scalar(r, node, expected);
    if (!text)
        return -EINVAL;
    why = tn_text_init(expected, sizeof(expected));
    if (tn_value_parse(&number, text, &value, &why))
        return tn_plan_fail_kind(r, node, expected);
    *out = (uint32_t)value.integer;
    return 0;
}

const struct tn_yaml_node *tn_plan_get(const struct tn_yaml_node *mapping, const char *key)
{
    if (mapping->kind != TN_YAML_MAPPING)
        return NULL;
    for (const struct tn_yaml_node *value = mapping->first; value; value = value->next)
        if (!strcmp(value->key, key))
            return value;
    return NULL;
}

static int fail_key(struct tn_plan_reader *r, const struct tn_yaml_node *value, const char *where,
                    const char *const *words, size_t count)
{
    char expected[512], quoted[TN_QUOTE_MAX];
    struct tn_text out = tn_text_init(expected, sizeof(expected));
    struct tn_suggestion suggestion = tn_suggest(value->key);
    for (size_t i = 0; i < count; i++) {
        tn_text_add(&out, "%s%s", i == 0 ? "" : i + 1 < count ? ", " : " or ", words[i]);
        tn_suggest_offer(&suggestion, words[i]);
    }
    tn_suggest_text(&suggestion, &out);
    return tn_plan_fail(r, value->key_at, "found the unknown key %s in %s, expected %s",
                        tn_quote(quoted, value->key), where, expected);
}

int tn_plan_check_keys(struct tn_plan_reader *r, const struct tn_yaml_node *mapping, const char *where,
                       const char *const *words, size_t count)
{
    if (mapping->kind != TN_YAML_MAPPING)
        return 0;
    for (const struct tn_yaml_node *value = mapping->first; value; value = value->next) {
        size_t i = 0;
        while (i < count && strcmp(words[i], value->key) != 0)
            i++;
        if (i == count)
            return fail_key(r, value, where, words, count);
    }
    return 0;
}
