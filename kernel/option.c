/* Values of options as people write them. Sizes are powers of 1024 (64k is 65536 bytes), rates powers of 1000
 * (10M is ten million bits a second). A fraction is taken when the result is whole: 1.5M, 0.5s. */
#include "option.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "suggest.h"
#include "tenon/text.h"

struct unit {
    const char *suffix;
    uint64_t factor;
};

/* From the largest to the smallest: the text of a value uses the first that divides it. */
static const struct unit size_units[] = {
    {"T", 1ull << 40}, {"G", 1ull << 30}, {"M", 1ull << 20}, {"k", 1ull << 10},
    {"K", 1ull << 10}, {"", 1},           {NULL, 0},
};
static const struct unit rate_units[] = {
    {"T", 1000000000000}, {"G", 1000000000}, {"M", 1000000}, {"k", 1000}, {"K", 1000}, {"", 1}, {NULL, 0},
};
static const struct unit duration_units[] = {
    {"d", 86400 * TN_SEC}, {"h", 3600 * TN_SEC}, {"m", 60 * TN_SEC}, {"s", TN_SEC},
    {"ms", TN_MSEC},       {"us", TN_USEC},      {"ns", 1},          {NULL, 0},
};

static const struct type {
    const char *name;
    const char *expected;
    const struct unit *units;
} types[] = {
    [TN_OPTION_BOOL] = {"bool", "yes or no", NULL},
    [TN_OPTION_INT] = {"int", "a whole number", NULL},
    [TN_OPTION_SIZE] = {"size", "a size such as 64k or 16M", size_units},
    [TN_OPTION_DURATION] = {"duration", "a duration with a unit, such as 200ms, 5s or 2m", duration_units},
    [TN_OPTION_PERCENT] = {"percent", "a percentage such as 1% or 0.5%", NULL},
    [TN_OPTION_RATE] = {"rate", "a rate in bits a second such as 10M or 1G", rate_units},
    [TN_OPTION_STRING] = {"string", "a text", NULL},
    [TN_OPTION_CHOICE] = {"choice", "one of ", NULL},
    [TN_OPTION_PLUGIN] = {"plugin", "the name of a plugin", NULL},
    [TN_OPTION_INTERFACES] = {"interfaces", "the names of interfaces, with commas between", NULL},
};

int tn_option_type_find(const char *name)
{
    for (size_t i = 0; i < TN_ARRAY_SIZE(types); i++)
        if (!strcmp(types[i].name, name))
            return (int)i;
    return -1;
}

const char *tn_option_type_name(uint8_t type)
{
    return types[type].name;
}

bool tn_option_type_ordered(uint8_t type)
{
    return type == TN_OPTION_INT || type == TN_OPTION_SIZE || type == TN_OPTION_DURATION ||
           type == TN_OPTION_PERCENT || type == TN_OPTION_RATE;
}

/* ---- Numbers ---- */

#define FRACTION_DIGITS 9

/* "12.5" at *text as whole = 12, fraction = 5, scale = 10, and *text moved behind it. 0, -EINVAL or -ERANGE.
 */
static int read_decimal(const char **text, uint64_t *whole, uint64_t *fraction, uint64_t *scale)
{
    const char *at = *text;
    if (*at < '0' || *at > '9' || (at[0] == '0' && at[1] >= '0' && at[1] <= '9'))
        return -EINVAL; /* 010 is 8 to some readers and 10 to others */
    *whole = *fraction = 0;
    *scale = 1;
    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(*whole, 10u, whole) ||
            __builtin_add_overflow(*whole, (uint64_t)(*at - '0'), whole))
            return -ERANGE;
    if (*at == '.') {
        const char *start = ++at;
        for (; *at >= '0' && *at <= '9'; at++) {
            if (at - start >= FRACTION_DIGITS)
                return -EINVAL;
            *fraction = *fraction * 10 + (uint64_t)(*at - '0');
            *scale *= 10;
        }
        if (at == start)
            return -EINVAL;
    }
    *text = at;
    return 0;
}

/* A number with a unit of the list, which gives a whole result up to `max`. */
static int read_scaled(const char *text, const struct unit *units, uint64_t max, uint64_t *out)
{
    uint64_t whole, fraction, scale;
    int err = read_decimal(&text, &whole, &fraction, &scale);
    if (err)
        return err;
    while (units->suffix && strcmp(units->suffix, text) != 0)
        units++;
    if (!units->suffix)
        return -EINVAL;
    unsigned __int128 part = (unsigned __int128)fraction * units->factor;
    if (part % scale)
        return -EINVAL;
    unsigned __int128 value = (unsigned __int128)whole * units->factor + part / scale;
    if (value > max)
        return -ERANGE;
    *out = (uint64_t)value;
    return 0;
}

static int read_int(const char *text, int64_t *out)
{
    static const struct unit none[] = {{"", 1}, {NULL, 0}};
    bool negative = *text == '-';
    uint64_t value;
    int err = read_scaled(text + negative, none, (uint64_t)INT64_MAX, &value);
    if (!err)
        *out = negative ? -(int64_t)value : (int64_t)value;
    return err;
}

static int read_duration(const char *text, tn_time *out)
{
    if (!strcmp(text, "0")) {
        *out = 0;
        return 0;
    }
    return read_scaled(text, duration_units, (uint64_t)INT64_MAX, out);
}

static int read_percent(const char *text, double *out)
{
    uint64_t whole, fraction, scale;
    int err = read_decimal(&text, &whole, &fraction, &scale);
    if (err)
        return err;
    if (strcmp(text, "%") != 0 && !(*text == '\0' && whole == 0 && fraction == 0))
        return -EINVAL;
    *out = (double)whole + (double)fraction / (double)scale;
    return *out > 100 ? -ERANGE : 0;
}

static int read_bool(const char *text, bool *out)
{
    static const char *const yes[] = {"yes", "true", "on"}, *const no[] = {"no", "false", "off"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(yes); i++) {
        *out = !strcasecmp(text, yes[i]);
        if (*out || !strcasecmp(text, no[i]))
            return 0;
    }
    return -EINVAL;
}

static int read_choice(const struct tn_manifest_option *option, const char *text, int64_t *out)
{
    for (int64_t i = 0; option->choices && option->choices[i]; i++) {
        if (!strcmp(option->choices[i], text)) {
            *out = i;
            return 0;
        }
    }
    return -EINVAL;
}

static int read_string(const char *text, char *out)
{
    size_t len = strlen(text);
    if (len >= TN_OPTION_STRING_MAX)
        return -ERANGE;
    memcpy(out, text, len + 1);
    return 0;
}

static int read_value(const struct tn_manifest_option *option, const char *text, struct tn_value *value)
{
    switch (option->type) {
    case TN_OPTION_BOOL:
        return read_bool(text, &value->boolean);
    case TN_OPTION_INT:
        return read_int(text, &value->integer);
    case TN_OPTION_SIZE:
    case TN_OPTION_RATE: {
        uint64_t number = 0;
        int err = read_scaled(text, types[option->type].units, (uint64_t)INT64_MAX, &number);
        value->integer = (int64_t)number;
        return err;
    }
    case TN_OPTION_DURATION:
        return read_duration(text, &value->duration);
    case TN_OPTION_PERCENT:
        return read_percent(text, &value->percent);
    case TN_OPTION_STRING:
    case TN_OPTION_PLUGIN:
    case TN_OPTION_INTERFACES:
        return read_string(text, value->string);
    case TN_OPTION_CHOICE:
        return read_choice(option, text, &value->integer);
    default:
        return -EINVAL;
    }
}

/* ---- Ranges and what is expected ---- */

double tn_value_number(const struct tn_manifest_option *option, const struct tn_value *value)
{
    switch (option->type) {
    case TN_OPTION_DURATION:
        return (double)value->duration;
    case TN_OPTION_PERCENT:
        return value->percent;
    default:
        return (double)value->integer;
    }
}

static void bound_text(const struct tn_manifest_option *option, double bound, struct tn_text *out)
{
    struct tn_value value = {0};
    if (option->type == TN_OPTION_PERCENT)
        value.percent = bound;
    else
        value.integer = bound >= 0x1p63 ? INT64_MAX : (int64_t)bound;
    if (option->type == TN_OPTION_DURATION)
        value.duration = (tn_time)value.integer;
    tn_value_text(option, &value, out);
}

void tn_option_range_text(const struct tn_manifest_option *option, struct tn_text *out)
{
    if (!option->has_range)
        return;
    bool low = isfinite(option->min), high = isfinite(option->max);
    if (low) {
        tn_text_add(out, high ? ", from " : ", at least ");
        bound_text(option, option->min, out);
    }
    if (high) {
        tn_text_add(out, low ? " to " : ", at most ");
        bound_text(option, option->max, out);
    }
}

void tn_value_expected(const struct tn_manifest_option *option, struct tn_text *out)
{
    tn_text_add(out, "%s", types[option->type].expected);
    if (option->type == TN_OPTION_STRING)
        tn_text_add(out, " of at most %d bytes", TN_OPTION_STRING_MAX - 1);
    for (size_t i = 0; option->choices && option->choices[i]; i++)
        tn_text_add(out, "%s%s", i ? ", " : "", option->choices[i]);
    if (option->kind)
        tn_text_add(out, " of kind %s", option->kind);
    tn_option_range_text(option, out);
}

static void suggest_choice(const struct tn_manifest_option *option, const char *found, struct tn_text *out)
{
    struct tn_suggestion suggestion = tn_suggest(found);
    for (size_t i = 0; option->choices && option->choices[i]; i++)
        tn_suggest_offer(&suggestion, option->choices[i]);
    tn_suggest_text(&suggestion, out);
}

int tn_value_parse(const struct tn_manifest_option *option, const char *text, struct tn_value *value,
                   struct tn_text *why)
{
    memset(value, 0, sizeof(*value));
    int err = read_value(option, text, value);
    if (!err && option->has_range) {
        double number = tn_value_number(option, value);
        if (number < option->min || number > option->max)
            err = -ERANGE;
    }
    if (err) {
        tn_value_expected(option, why);
        suggest_choice(option, text, why);
    }
    return err;
}

/* ---- Values as text ---- */

static void scaled_text(uint64_t value, const struct unit *units, struct tn_text *out)
{
    if (value == 0) {
        tn_text_add(out, "0");
        return;
    }
    while (value % units->factor)
        units++;
    tn_text_add(out, "%llu%s", (unsigned long long)(value / units->factor), units->suffix);
}

static void percent_text(double value, struct tn_text *out)
{
    char digits[32];
    int n = snprintf(digits, sizeof(digits), "%.*f", FRACTION_DIGITS, value);
    while (n > 1 && digits[n - 1] == '0')
        n--;
    if (n > 1 && digits[n - 1] == '.')
        n--;
    tn_text_add(out, "%.*s%%", n, digits);
}

/* Whether YAML would read the plain word as this very string. */
static bool is_plain(const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(nulls); i++)
        if (!strcmp(text, nulls[i]))
            return false;
    if (*text == '-')
        return false;
    for (; *text; text++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./+", *text))
            return false;
    return true;
}

static void string_text(const char *text, struct tn_text *out)
{
    if (is_plain(text)) {
        tn_text_add(out, "%s", text);
        return;
    }
    tn_text_add(out, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            tn_text_add(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            tn_text_add(out, "\\x%02x", c);
        else
            tn_text_add(out, "%c", c);
    }
    tn_text_add(out, "\"");
}

void tn_value_text(const struct tn_manifest_option *option, const struct tn_value *value, struct tn_text *out)
{
    switch (option->type) {
    case TN_OPTION_BOOL:
        tn_text_add(out, "%s", value->boolean ? "yes" : "no");
        break;
    case TN_OPTION_INT:
        tn_text_add(out, "%lld", (long long)value->integer);
        break;
    case TN_OPTION_SIZE:
    case TN_OPTION_RATE:
        scaled_text((uint64_t)value->integer, types[option->type].units, out);
        break;
    case TN_OPTION_DURATION:
        scaled_text(value->duration, duration_units, out);
        break;
    case TN_OPTION_PERCENT:
        percent_text(value->percent, out);
        break;
    case TN_OPTION_STRING:
    case TN_OPTION_PLUGIN:
    case TN_OPTION_INTERFACES:
        string_text(value->string, out);
        break;
    case TN_OPTION_CHOICE:
        tn_text_add(out, "%s", option->choices[value->integer]);
        break;
    }
}

bool tn_value_equal(const struct tn_manifest_option *option, const struct tn_value *a,
                    const struct tn_value *b)
{
    switch (option->type) {
    case TN_OPTION_BOOL:
        return a->boolean == b->boolean;
    case TN_OPTION_DURATION:
        return a->duration == b->duration;
    case TN_OPTION_PERCENT:
        return !(a->percent < b->percent || a->percent > b->percent);
    case TN_OPTION_STRING:
    case TN_OPTION_PLUGIN:
    case TN_OPTION_INTERFACES:
        return !strcmp(a->string, b->string);
    default:
        return a->integer == b->integer;
    }
}
