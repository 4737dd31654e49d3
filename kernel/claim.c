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

int tn_need_parse(const char *token, struct tn_need *need, struct tn_text *why)
{
    const char *key = strchr(token, ':');
    int table = read_table(token, key ? (size_t)(key - token) : strlen(token), why);
    if (table < 0 || !key) {
        if (table >= 0)
            tn_text_add(why, "%s:KEY", tn_table_names[table]);
        return -EINVAL;
    }
    *need = (struct tn_need){.table = (uint8_t)table};
    if (!strcmp(++key, "*")) {
        need->any = true;
        return 0;
    }
    const char *end = key + strlen(key), *at = table == TN_TABLE_IPPROTO ? strchr(key, '@') : NULL;
    uint32_t family = 0;
    if (read_number(key, at ? at : end, tables[table].min, tables[table].max, &need->key) &&
        (!at || read_number(at + 1, end, 1, TN_FAMILY_MAX - 1, &family))) {
        need->family = (uint8_t)family;
        return 0;
    }
    tn_text_add(why, "%s:KEY with a key from ", tn_table_names[table]);
    key_text(why, (uint8_t)table, tables[table].min);
    tn_text_add(why, " to ");
    key_text(why, (uint8_t)table, tables[table].max);
    if (at)
        tn_text_add(why, " and, behind @, a family from 1 to %d", TN_FAMILY_MAX - 1);
    return -EINVAL;
}

int tn_claim_parse(const char *token, struct tn_claim *claim, struct tn_text *why)
{
    struct tn_need need;
    int err = tn_need_parse(token, &need, why);
    if (err)
        return err;
    if (need.any) {
        tn_text_add(why, "one key, not *");
        return -EINVAL;
    }
    *claim = (struct tn_claim){.table = need.table, .family = need.family, .key = need.key};
    return 0;
}

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
