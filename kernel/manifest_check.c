/* What the lines of a manifest say: from drafts to the finished struct tn_manifest. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "claim.h"
#include "manifest.h"
#include "option.h"
#include "suggest.h"

#define TOKENS_MAX 32 /* of provides, needs, choices */

bool tn_plugin_name_valid(const char *name)
{
    size_t len = strnlen(name, TN_PLUGIN_NAME_MAX + 1);
    if (len == 0 || len > TN_PLUGIN_NAME_MAX || name[0] < 'a' || name[0] > 'z')
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static char *move(struct tn_draft_text *draft)
{
    char *text = draft->text;
    draft->text = NULL;
    return text;
}

/* ---- [plugin] ---- */

static int check_required(struct tn_manifest_reader *r)
{
    const struct {
        const char *name;
        const struct tn_draft_text *draft;
    } keys[] = {
        {"name", &r->plugin_name}, {"kind", &r->kind},       {"abi", &r->abi},
        {"version", &r->version},  {"summary", &r->summary}, {"schema", &r->schema},
    };
    if (!r->plugin_seen)
        return tn_manifest_fail(r, 0, "found no [plugin] section, expected one");
    for (size_t i = 0; i < TN_ARRAY_SIZE(keys); i++) {
        if (!keys[i].draft->text)
            return tn_manifest_fail(r, 0, "found no '%s' in [plugin], expected '%s = …'", keys[i].name,
                                    keys[i].name);
        if (!*keys[i].draft->text)
            return tn_manifest_fail(r, keys[i].draft->line, "%s: found nothing, expected '%s = …'",
                                    keys[i].name, keys[i].name);
    }
    return 0;
}

static int check_name(struct tn_manifest_reader *r)
{
    char quoted[TN_QUOTE_MAX];
    if (tn_plugin_name_valid(r->plugin_name.text))
        return 0;
    return tn_manifest_fail(r, r->plugin_name.line, "name: found %s, expected a-z, 0-9 and -, at most %d",
                            tn_quote(quoted, r->plugin_name.text), TN_PLUGIN_NAME_MAX);
}

/* Kinds of plugins: those from PROTOCOLS to PROTOCOLS_END stand under `protocols:` in stack.yaml. */
static const char *const kinds[] = {"link",       "framing",   "protocol", "network",
                                    "congestion", "transport", "service"};
enum {
    PROTOCOLS = 1,
    PROTOCOLS_END = TN_ARRAY_SIZE(kinds) - 1
};

static int check_kind_of(struct tn_manifest_reader *r, const struct tn_draft_text *kind, size_t first,
                         size_t end)
{
    char quoted[TN_QUOTE_MAX], text[256];
    struct tn_suggestion suggestion = tn_suggest(kind->text);
    struct tn_text expected = tn_text_init(text, sizeof(text));
    for (size_t i = first; i < end; i++) {
        if (!strcmp(kinds[i], kind->text))
            return 0;
        tn_suggest_offer(&suggestion, kinds[i]);
        tn_text_add(&expected, "%s%s", i == first ? "" : i + 1 < end ? ", " : " or ", kinds[i]);
    }
    tn_suggest_text(&suggestion, &expected);
    return tn_manifest_fail(r, kind->line, "kind: found %s, expected %s", tn_quote(quoted, kind->text), text);
}

static int check_kind(struct tn_manifest_reader *r)
{
    return check_kind_of(r, &r->kind, 0, TN_ARRAY_SIZE(kinds));
}

static bool read_version(const char **text, uint16_t *out)
{
    unsigned value = 0;
    const char *at = *text;
    for (; *at >= '0' && *at <= '9' && value <= UINT16_MAX; at++)
        value = value * 10 + (unsigned)(*at - '0');
    bool good = at > *text && value <= UINT16_MAX;
    *out = (uint16_t)value;
    *text = at;
    return good;
}

static int check_abi(struct tn_manifest_reader *r)
{
    char quoted[TN_QUOTE_MAX];
    const char *at = r->abi.text;
    if (read_version(&at, &r->manifest->abi_major) && *at++ == '.' &&
        read_version(&at, &r->manifest->abi_minor) && *at == '\0')
        return 0;
    return tn_manifest_fail(r, r->abi.line, "abi: found %s, expected MAJOR.MINOR, such as %d.%d",
                            tn_quote(quoted, r->abi.text), TN_ABI_MAJOR, TN_ABI_MINOR);
}

static int check_yes_no(struct tn_manifest_reader *r, const char *key, const struct tn_draft_text *draft,
                        bool *out)
{
    char quoted[TN_QUOTE_MAX];
    *out = draft->text && !strcmp(draft->text, "yes");
    if (!draft->text || *out || !strcmp(draft->text, "no"))
        return 0;
    return tn_manifest_fail(r, draft->line, "%s: found %s, expected yes or no", key,
                            tn_quote(quoted, draft->text));
}

typedef int token_fn(void *into, const char *token, struct tn_text *why);

/* Cuts the list at `separators` and hands each token to `add`, which says what it expected. */
static int each_token(struct tn_manifest_reader *r, const char *key, const struct tn_draft_text *list,
                      const char *separators, token_fn *add, void *into)
{
    char *rest = list->text;
    unsigned count = 0;
    for (char *token = NULL; rest && (token = strtok_r(rest, separators, &rest));) {
        char expected[256], quoted[TN_QUOTE_MAX];
        struct tn_text why = tn_text_init(expected, sizeof(expected));
        if (++count > TOKENS_MAX)
            return tn_manifest_fail(r, list->line, "%s: found more than %d words, expected fewer", key,
                                    TOKENS_MAX);
        int err = add(into, token, &why);
        if (err == -ENOMEM)
            return tn_manifest_fail_memory(r);
        if (err)
            return tn_manifest_fail(r, list->line, "%s: found %s, expected %s", key, tn_quote(quoted, token),
                                    expected);
    }
    return 0;
}

static int add_claim(void *into, const char *token, struct tn_text *why)
{
    struct tn_manifest *m = into;
    int err = tn_claim_parse(token, &m->claims[m->claim_count], why);
    m->claim_count += !err;
    return err;
}

static int add_need(void *into, const char *token, struct tn_text *why)
{
    struct tn_manifest *m = into;
    int err = tn_need_parse(token, &m->needs[m->need_count], why);
    m->need_count += !err;
    return err;
}

/* Keys that only plugins of one kind have. */
static int check_kinds_keys(struct tn_manifest_reader *r)
{
    bool ports = false;
    if (r->listens.text && strcmp(r->kind.text, "service") != 0)
        return tn_manifest_fail(r, r->listens.line, "found 'listens' in a %s, expected it in a service only",
                                r->kind.text);
    if (r->ports.text && strcmp(r->kind.text, "transport") != 0)
        return tn_manifest_fail(r, r->ports.line, "found 'ports' in a %s, expected it in a transport only",
                                r->kind.text);
    int err = check_yes_no(r, "listens", &r->listens, &r->manifest->listens);
    if (!err)
        err = check_yes_no(r, "ports", &r->ports, &ports);
    r->manifest->no_ports = r->ports.text && !ports;
    return err;
}

static int check_keys(struct tn_manifest_reader *r)
{
    struct tn_manifest *m = r->manifest;
    m->claims = calloc(TOKENS_MAX, sizeof(m->claims[0]));
    m->needs = calloc(TOKENS_MAX, sizeof(m->needs[0]));
    if (!m->claims || !m->needs)
        return tn_manifest_fail_memory(r);
    int err = each_token(r, "provides", &r->provides, " \t", add_claim, m);
    if (!err)
        err = each_token(r, "needs", &r->needs, " \t", add_need, m);
    return err ? err : check_kinds_keys(r);
}

/* ---- [option NAME] ---- */

static int check_type(struct tn_manifest_reader *r, struct tn_manifest_option *option,
                      struct tn_option_draft *draft)
{
    char quoted[TN_QUOTE_MAX];
    if (!draft->type.text)
        return tn_manifest_fail(r, draft->line, "option %s: found no 'type', expected one", option->name);
    int type = tn_option_type_find(draft->type.text);
    if (type < 0)
        return tn_manifest_fail(r, draft->type.line,
                                "type: found %s, expected bool, int, size, duration, percent, rate, string, "
                                "choice, plugin or interfaces",
                                tn_quote(quoted, draft->type.text));
    if (!draft->help.text || !*draft->help.text)
        return tn_manifest_fail(r, draft->line, "option %s: found no 'help', expected a line of it",
                                option->name);
    option->type = (uint8_t)type;
    return check_yes_no(r, "live", &draft->live, &option->live);
}

static int add_choice(void *into, const char *token, struct tn_text *why)
{
    struct tn_manifest_option *option = into;
    size_t count = 0;
    for (; option->choices[count]; count++) {
        if (!strcmp(option->choices[count], token)) {
            tn_text_add(why, "it once");
            return -EEXIST;
        }
    }
    option->choices[count] = strdup(token);
    return option->choices[count] ? 0 : -ENOMEM;
}

static int check_choices(struct tn_manifest_reader *r, struct tn_manifest_option *option,
                         const struct tn_option_draft *draft)
{
    if (option->type != TN_OPTION_CHOICE && draft->choices.text)
        return tn_manifest_fail(r, draft->choices.line,
                                "found 'choices' for type %s, expected it for type choice only",
                                tn_option_type_name(option->type));
    if (option->type != TN_OPTION_CHOICE)
        return 0;
    option->choices = calloc(TOKENS_MAX + 1, sizeof(option->choices[0]));
    if (!option->choices)
        return tn_manifest_fail_memory(r);
    int err = each_token(r, "choices", &draft->choices, ", \t", add_choice, option);
    if (!err && !option->choices[0])
        err = tn_manifest_fail(r, draft->line, "option %s: found no 'choices', expected 'choices = a, b, c'",
                               option->name);
    return err;
}

static int check_named_kind(struct tn_manifest_reader *r, struct tn_manifest_option *option,
                            struct tn_option_draft *draft)
{
    if (option->type != TN_OPTION_PLUGIN && draft->kind.text)
        return tn_manifest_fail(r, draft->kind.line,
                                "found 'kind' for type %s, expected it for type plugin only",
                                tn_option_type_name(option->type));
    if (option->type != TN_OPTION_PLUGIN)
        return 0;
    if (!draft->kind.text)
        return tn_manifest_fail(r, draft->line, "option %s: found no 'kind', expected 'kind = KIND'",
                                option->name);
    int err = check_kind_of(r, &draft->kind, PROTOCOLS, PROTOCOLS_END);
    if (!err)
        option->kind = move(&draft->kind);
    return err;
}

/* One side of a range; nothing there is no bound. */
static int read_bound(struct tn_manifest_reader *r, const struct tn_manifest_option *option, const char *text,
                      unsigned line, double none, double *out)
{
    char expected[256], quoted[TN_QUOTE_MAX];
    struct tn_text why = tn_text_init(expected, sizeof(expected));
    struct tn_value value;
    *out = none;
    if (!*text)
        return 0;
    if (tn_value_parse(option, text, &value, &why))
        return tn_manifest_fail(r, line, "range: found %s, expected %s", tn_quote(quoted, text), expected);
    *out = tn_value_number(option, &value);
    return 0;
}

static int check_range(struct tn_manifest_reader *r, struct tn_manifest_option *option,
                       const struct tn_draft_text *range)
{
    char quoted[TN_QUOTE_MAX];
    double min, max;
    if (!range->text)
        return 0;
    tn_quote(quoted, range->text);
    if (!tn_option_type_ordered(option->type))
        return tn_manifest_fail(r, range->line, "found 'range' for type %s, expected it for numbers only",
                                tn_option_type_name(option->type));
    char *dots = strstr(range->text, "..");
    if (!dots)
        return tn_manifest_fail(r, range->line, "range: found %s, expected MIN..MAX", quoted);
    *dots = '\0';
    if (read_bound(r, option, range->text, range->line, -INFINITY, &min) ||
        read_bound(r, option, dots + 2, range->line, INFINITY, &max))
        return r->err;
    if (min > max || (isinf(min) && isinf(max)))
        return tn_manifest_fail(r, range->line, "range: found %s, expected MIN..MAX with MIN below MAX",
                                quoted);
    option->min = min;
    option->max = max;
    option->has_range = true;
    return 0;
}

static int check_default(struct tn_manifest_reader *r, const struct tn_manifest_option *option,
                         const struct tn_draft_text *fallback)
{
    char expected[512], quoted[TN_QUOTE_MAX];
    struct tn_text why = tn_text_init(expected, sizeof(expected));
    struct tn_value value;
    if (!fallback->text || !tn_value_parse(option, fallback->text, &value, &why))
        return 0;
    return tn_manifest_fail(r, fallback->line, "default: found %s, expected %s",
                            tn_quote(quoted, fallback->text), expected);
}

/* An option must not have the name of a key that every interface or service has. */
static int check_reserved(struct tn_manifest_reader *r, const struct tn_manifest_option *option,
                          unsigned line)
{
    static const struct {
        const char *kind, *owner, *name;
    } reserved[] = {
        {"link", "interface", "driver"},  {"link", "interface", "mac"},       {"link", "interface", "mtu"},
        {"link", "interface", "vlan"},    {"link", "interface", "addresses"}, {"link", "interface", "routes"},
        {"service", "service", "listen"},
    };
    for (size_t i = 0; i < TN_ARRAY_SIZE(reserved); i++)
        if (!strcmp(reserved[i].kind, r->kind.text) && !strcmp(reserved[i].name, option->name))
            return tn_manifest_fail(r, line,
                                    "found an option '%s', expected another name: every %s has this key",
                                    option->name, reserved[i].owner);
    return 0;
}

static int check_option(struct tn_manifest_reader *r, struct tn_manifest_option *option,
                        struct tn_option_draft *draft)
{
    int err = check_type(r, option, draft);
    if (!err)
        err = check_choices(r, option, draft);
    if (!err)
        err = check_named_kind(r, option, draft);
    if (!err)
        err = check_range(r, option, &draft->range);
    if (!err)
        err = check_default(r, option, &draft->fallback);
    if (!err)
        err = check_reserved(r, option, draft->line);
    if (err)
        return err;
    option->default_text = move(&draft->fallback);
    option->help = move(&draft->help);
    return 0;
}

/* Needs that depend on options. */
static int check_conditions(struct tn_manifest_reader *r)
{
    for (size_t i = 0; i < r->manifest->need_count; i++) {
        const struct tn_need *need = &r->manifest->needs[i];
        char expected[256], quoted[TN_QUOTE_MAX];
        struct tn_text why = tn_text_init(expected, sizeof(expected));
        if (tn_need_check_condition(r->manifest, need, &why))
            return tn_manifest_fail(r, r->needs.line, "needs: found %s, expected %s",
                                    tn_quote(quoted, need->when), expected);
    }
    return 0;
}

int tn_manifest_check(struct tn_manifest_reader *r)
{
    struct tn_manifest *m = r->manifest;
    int err = check_required(r);
    if (!err)
        err = check_name(r);
    if (!err)
        err = check_kind(r);
    if (!err)
        err = check_abi(r);
    if (!err)
        err = check_keys(r);
    for (size_t i = 0; i < m->option_count && !err; i++)
        err = check_option(r, &m->options[i], &r->drafts[i]);
    if (!err)
        err = check_conditions(r);
    if (err)
        return err;
    m->name = move(&r->plugin_name);
    m->kind = move(&r->kind);
    m->version = move(&r->version);
    m->summary = move(&r->summary);
    m->schema = move(&r->schema);
    return 0;
}
