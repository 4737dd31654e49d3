#include "claim.h"

#include <errno.h>
#include <stdlib.h>

#include "suggest.h"
#include "tenon/text.h"

const char *const tn_table_names[TN_TABLE_COUNT] = {
    [TN_TABLE_LINKTYPE] = "linktype", [TN_TABLE_ETHERTYPE] = "ethertype", [TN_TABLE_FAMILY] = "family",
    [TN_TABLE_IPPROTO] = "ipproto",   [TN_TABLE_RESOLVER] = "resolver",   [TN_TABLE_REPORTER] = "reporter",
};

static const struct table {
    uint32_t min, max; /* of keys */
    const char *role;
} tables[TN_TABLE_COUNT] = {
    [TN_TABLE_LINKTYPE] = {1, 7, "a framing for this type of link"},
    [TN_TABLE_ETHERTYPE] = {0x0600, 0xffff, "a protocol with this ethertype"},
    [TN_TABLE_FAMILY] = {1, TN_FAMILY_MAX - 1, "a network protocol"},
    [TN_TABLE_IPPROTO] = {0, 255, "a protocol with this IP protocol number"},
    [TN_TABLE_RESOLVER] = {1, TN_FAMILY_MAX - 1, "a finder of neighbours' link addresses"},
    [TN_TABLE_REPORTER] = {1, TN_FAMILY_MAX - 1, "a reporter of errors to senders"},
};

const char *tn_table_role(uint8_t table)
{
    return tables[table].role;
}

static void key_text(struct tn_text *out, uint8_t table, uint32_t key)
{
    if (table == TN_TABLE_ETHERTYPE)
        tn_text_add(out, "0x%04x", (unsigned)key);
    else
        tn_text_add(out, "%u", (unsigned)key);
}

void tn_claim_text(struct tn_text *out, uint8_t table, uint8_t family, uint32_t key)
{
    tn_text_add(out, "%s:", tn_table_names[table]);
    key_text(out, table, key);
    if (family)
        tn_text_add(out, "@%u", (unsigned)family);
}

void tn_need_text(struct tn_text *out, const struct tn_need *need)
{
    if (need->any)
        tn_text_add(out, "%s:*", tn_table_names[need->table]);
    else
        tn_claim_text(out, need->table, need->family, need->key);
    if (need->when[0])
        tn_text_add(out, "?%s", need->when);
}

/* A number of decimal or 0x digits that ends at `end`, from min to max. */
static bool read_number(const char *text, const char *end, uint32_t min, uint32_t max, uint32_t *out)
{
    char *stop;
    if (text == end || *text < '0' || *text > '9')
        return false;
    unsigned long value = strtoul(text, &stop, end - text > 2 && text[1] == 'x' ? 16 : 10);
    *out = (uint32_t)value;
    return stop == end && value >= min && value <= max;
}

static int read_table(const char *token, size_t len, struct tn_text *why)
{
    char word[32];
    snprintf(word, sizeof(word), "%.*s", (int)tn_min(len, sizeof(word) - 1), token);
    struct tn_suggestion suggestion = tn_suggest(word);
    for (int i = 0; i < TN_TABLE_COUNT; i++) {
        if (!strcmp(word, tn_table_names[i]))
            return i;
        tn_suggest_offer(&suggestion, tn_table_names[i]);
    }
    tn_text_add(why, "TABLE:KEY with a table of");
    for (int i = 0; i < TN_TABLE_COUNT; i++)
        tn_text_add(why, "%s %s", i ? "," : "", tn_table_names[i]);
    tn_suggest_text(&suggestion, why);
    return -EINVAL;
}

/* The key behind "TABLE:", up to `end`. */
static bool read_key(const char *key, const char *end, struct tn_need *need)
{
    const struct table *table = &tables[need->table];
    uint32_t family = 0;
    if (end - key == 1 && *key == '*')
        return need->any = true;
    const char *at = need->table == TN_TABLE_IPPROTO ? memchr(key, '@', (size_t)(end - key)) : NULL;
    bool good = read_number(key, at ? at : end, table->min, table->max, &need->key) &&
                (!at || read_number(at + 1, end, 1, TN_FAMILY_MAX - 1, &family));
    need->family = (uint8_t)family;
    return good;
}

static int fail_key(uint8_t table, struct tn_text *why)
{
    tn_text_add(why, "%s:KEY with a key from ", tn_table_names[table]);
    key_text(why, table, tables[table].min);
    tn_text_add(why, " to ");
    key_text(why, table, tables[table].max);
    if (table == TN_TABLE_IPPROTO)
        tn_text_add(why, " and perhaps @FAMILY from 1 to %d", TN_FAMILY_MAX - 1);
    return -EINVAL;
}

int tn_need_parse(const char *token, struct tn_need *need, struct tn_text *why)
{
    const char *end = strchr(token, '?'), *when = end ? end + 1 : "";
    if (!end)
        end = token + strlen(token);
    const char *colon = memchr(token, ':', (size_t)(end - token));
    int table = read_table(token, (size_t)((colon ? colon : end) - token), why);
    if (table < 0)
        return table;
    *need = (struct tn_need){.table = (uint8_t)table};
    if (!colon || !read_key(colon + 1, end, need))
        return fail_key((uint8_t)table, why);
    if (*end && (!strchr(when, '=') || strlen(when) >= sizeof(need->when))) {
        tn_text_add(why, "OPTION=VALUE after the question mark");
        return -EINVAL;
    }
    memcpy(need->when, when, strlen(when) + 1);
    return 0;
}

/* ---- Conditions ---- */

/* The option that the condition names, or NULL, and the value that it wants. */
static const struct tn_manifest_option *condition(const struct tn_manifest *m, const struct tn_need *need,
                                                  size_t *index, const char **value)
{
    size_t len = strcspn(need->when, "=");
    *value = need->when + len + (need->when[len] == '=');
    for (*index = 0; *index < m->option_count; ++*index)
        if (strlen(m->options[*index].name) == len && !strncmp(m->options[*index].name, need->when, len))
            return &m->options[*index];
    return NULL;
}

int tn_need_check_condition(const struct tn_manifest *m, const struct tn_need *need, struct tn_text *why)
{
    struct tn_value value;
    const char *text;
    size_t index;
    if (!need->when[0])
        return 0;
    const struct tn_manifest_option *option = condition(m, need, &index, &text);
    if (option)
        return tn_value_parse(option, text, &value, why) ? -EINVAL : 0;
    tn_text_add(why, "an option of this plugin after the question mark");
    return -EINVAL;
}

bool tn_need_applies(const struct tn_manifest *m, const struct tn_need *need, const struct tn_value *values)
{
    char ignored[8];
    struct tn_text why = tn_text_init(ignored, sizeof(ignored));
    struct tn_value wanted;
    const char *text;
    size_t index;
    if (!need->when[0])
        return true;
    const struct tn_manifest_option *option = condition(m, need, &index, &text);
    return option && values && !tn_value_parse(option, text, &wanted, &why) &&
           tn_value_equal(option, &wanted, &values[index]);
}

int tn_claim_parse(const char *token, struct tn_claim *claim, struct tn_text *why)
{
    struct tn_need need;
    int err = tn_need_parse(token, &need, why);
    if (err)
        return err;
    if (need.any || need.when[0]) {
        tn_text_add(why, "one key, always");
        return -EINVAL;
    }
    *claim = (struct tn_claim){.table = need.table, .family = need.family, .key = need.key};
    return 0;
}

/* ---- Claims and needs ---- */

static bool families_meet(uint8_t a, uint8_t b)
{
    return a == 0 || b == 0 || a == b;
}

bool tn_need_met(const struct tn_need *need, const struct tn_claim *claim)
{
    return need->table == claim->table &&
           (need->any || (need->key == claim->key && families_meet(need->family, claim->family)));
}

bool tn_claims_collide(const struct tn_claim *a, const struct tn_claim *b)
{
    return a->table == b->table && a->key == b->key && families_meet(a->family, b->family);
}
