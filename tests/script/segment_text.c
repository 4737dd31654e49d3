/* segment_text.c: segments as text, and whether two are the same. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "segment.h"

static const char flag_letters[] = "FSRP.UEW";

/* ---- Options ---- */

static const struct {
    const char *name;
    uint16_t kind;
    uint8_t least, most; /* values */
} option_names[] = {
    {"eol", OPTION_EOL, 0, 0},        {"nop", OPTION_NOP, 0, 0},
    {"mss", OPTION_MSS, 1, 1},        {"wscale", OPTION_WSCALE, 1, 1},
    {"sackOK", OPTION_SACK_OK, 0, 0}, {"sack", OPTION_SACK, 0, 8},
    {"TS", OPTION_TS, 1, 2},          {"hex", OPTION_RAW, 0, UINT8_MAX},
    {"uto", OPTION_UTO, 1, 1},        {"uto-minutes", OPTION_UTO_MINUTES, 1, 1},
};

/* "1460", "*", or for blocks "1:11" and for timestamps "val 1 ecr 2": values, and words and signs to be passed over. */
static bool parse_values(struct words *words, char *text, struct segment_option *o, size_t most)
{
    char *save = NULL;
    for (char *word = strtok_r(text, " :", &save); word; word = strtok_r(NULL, " :", &save)) {
        if (!strcmp(word, "val") || !strcmp(word, "ecr"))
            continue;
        if (o->count == most)
            return words_fail(words, "'%s': one value too many for this option", word);
        if (!strcmp(word, "*"))
            o->any |= (uint8_t)(1u << o->count);
        else if (!words_number(words, word, UINT32_MAX, &o->value[o->count]))
            return false;
        o->count++;
    }
    return true;
}

/* One option; `text` is changed. */
static bool parse_option(struct words *words, char *text, struct segment_option *o)
{
    text += strspn(text, " ");
    size_t len = strcspn(text, " ");
    for (size_t i = 0; i < TN_ARRAY_SIZE(option_names); i++) {
        if (strlen(option_names[i].name) != len || memcmp(option_names[i].name, text, len) != 0)
            continue;
        o->kind = option_names[i].kind;
        text += len;
        if (o->kind == OPTION_RAW)
            return words_hex(words, text + strspn(text, " "), o->raw, sizeof(o->raw), &o->count);
        if (!parse_values(words, text, o, option_names[i].most))
            return false;
        if (o->count < option_names[i].least || (o->kind == OPTION_SACK && o->count % 2))
            return words_fail(words, "the option %s lacks a value", option_names[i].name);
        return true;
    }
    return words_fail(
        words, "'%s' is no option; mss, wscale, sackOK, sack, TS, uto, uto-minutes, nop, eol and hex are",
        text);
}

/* "<mss 1460,nop>", which is words->word. */
static bool parse_options(struct words *words, struct segment *s)
{
    char text[WORD_MAX], *save = NULL;
    size_t len = strlen(words->word);
    if (words->word[len - 1] != '>')
        return words_fail(words, "the options '%s' have no end", words->word);
    snprintf(text, sizeof(text), "%.*s", (int)len - 2, words->word + 1);
    s->has |= HAS_OPTIONS;
    s->option_count = 0;
    for (char *one = strtok_r(text, ",", &save); one; one = strtok_r(NULL, ",", &save)) {
        if (s->option_count == SEGMENT_OPTIONS_MAX)
            return words_fail(words, "more than %d options", SEGMENT_OPTIONS_MAX);
        memset(&s->options[s->option_count], 0, sizeof(s->options[0]));
        if (!parse_option(words, one, &s->options[s->option_count++]))
            return false;
    }
    return true;
}

/* ---- Segments ---- */

static bool parse_flags(struct words *words, struct segment *s)
{
    if (!words_need(words, "the flags of a segment"))
        return false;
    for (const char *p = words->word; *p; p++) {
        const char *at = strchr(flag_letters, *p);
        if (!at && strcmp(words->word, "-") != 0)
            return words_fail(words, "'%s' are no flags; letters of %s are, or - for none", words->word,
                              flag_letters);
        if (at)
            s->flags |= (uint8_t)(1u << (at - flag_letters));
    }
    return true;
}

/* "1", "1:11" or "*"; what the data's end is written behind '*' is its length: "*:10". */
static bool parse_numbers(struct words *words, struct segment *s)
{
    if (!words_need(words, "a sequence number"))
        return false;
    uint32_t end = 0;
    char *colon = strchr(words->word, ':');
    if (colon)
        *colon = '\0';
    s->has |= HAS_SEQ;
    if (!strcmp(words->word, "*"))
        s->any |= HAS_SEQ;
    else if (!words_number(words, words->word, UINT32_MAX, &s->seq))
        return false;
    if (colon && !words_number(words, colon + 1, UINT32_MAX, &end))
        return false;
    s->len = colon ? end - s->seq : 0;
    return s->len <= SEGMENT_LEN_MAX ||
           words_fail(words, "a segment of %u octets; at most %d", s->len, SEGMENT_LEN_MAX);
}

/* The number of a field, or '*'. */
static bool parse_field(struct words *words, struct segment *s, uint16_t has, uint32_t max, uint32_t *out)
{
    s->has |= has;
    if (!words_need(words, "a number"))
        return false;
    if (strcmp(words->word, "*") != 0)
        return words_number(words, words->word, max, out);
    s->any |= has;
    return true;
}

static bool parse_harm(struct words *words, struct segment *s)
{
    uint32_t n = 0;
    if (!strcmp(words->word, "!checksum"))
        s->harm = HARM_CHECKSUM;
    else if (!strcmp(words->word, "!short"))
        s->harm = HARM_SHORT;
    else if (!strcmp(words->word, "!offset"))
        s->harm = HARM_OFFSET;
    else
        return words_fail(words, "'%s' is no harm; !checksum, !short and !offset N are", words->word);
    if (s->harm == HARM_OFFSET && !words_need_number(words, "the offset", 15, &n))
        return false;
    s->harm_value = (uint8_t)n;
    return true;
}

/* A word behind the numbers, in words->word. */
static bool parse_word(struct words *words, struct segment *s)
{
    uint32_t n = 0;
    const char *w = words->word;
    if (*w == '<')
        return parse_options(words, s);
    if (*w == '!')
        return parse_harm(words, s);
    if (!strcmp(w, "ack"))
        return parse_field(words, s, HAS_ACK, UINT32_MAX, &s->ack);
    bool done = false;
    if (!strcmp(w, "win") && (done = parse_field(words, s, HAS_WIN, UINT16_MAX, &n)))
        s->win = (uint16_t)n;
    else if (!strcmp(w, "urg") && (done = parse_field(words, s, HAS_URG, UINT16_MAX, &n)))
        s->urg = (uint16_t)n;
    else if (!strcmp(w, "ttl") && (done = parse_field(words, s, HAS_TTL, UINT8_MAX, &n)))
        s->ttl = (uint8_t)n;
    else if (!strcmp(w, "tos") && (done = parse_field(words, s, HAS_TOS, UINT8_MAX, &n)))
        s->tos = (uint8_t)n;
    else if (!strcmp(w, "ipopt"))
        return words_need(words, "IP options in hex") &&
               words_hex(words, words->word, s->ip_options, sizeof(s->ip_options), &s->ip_options_len);
    return done || words_fail(words, "'%s' is nothing that belongs to a segment", w);
}

bool segment_parse(struct words *words, struct segment *s)
{
    memset(s, 0, sizeof(*s));
    if (!parse_flags(words, s) || !parse_numbers(words, s))
        return false;
    while (words_next(words))
        if (!parse_word(words, s))
            return false;
    if (s->ip_options_len % 4)
        return words_fail(words, "IP options are a multiple of 4 octets");
    return !words->why[0];
}

/* ---- Printing ---- */

struct printed {
    char *at;
    size_t left;
};

__attribute__((format(printf, 2, 3))) static void put(struct printed *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(out->at, out->left, format, args);
    va_end(args);
    size_t used = tn_min(n > 0 ? (size_t)n : 0, out->left ? out->left - 1 : 0);
    out->at += used;
    out->left -= used;
}

static void print_option(struct printed *out, const struct segment_option *o)
{
    if (o->kind == OPTION_RAW) {
        put(out, "hex ");
        for (size_t i = 0; i < o->count; i++)
            put(out, "%02x", o->raw[i]);
        return;
    }
    for (size_t i = 0; i < TN_ARRAY_SIZE(option_names); i++)
        if (option_names[i].kind == o->kind)
            put(out, "%s", option_names[i].name);
    for (size_t i = 0; i < o->count; i++) {
        if (o->kind == OPTION_TS)
            put(out, i ? " ecr" : " val");
        put(out, o->kind == OPTION_SACK && i % 2 ? ":" : " ");
        if (o->any & 1u << i)
            put(out, "*");
        else
            put(out, "%u", o->value[i]);
    }
}

static void print_field(struct printed *out, const struct segment *s, uint16_t has, const char *name,
                        uint32_t value)
{
    if (s->any & has)
        put(out, " %s *", name);
    else if (s->has & has)
        put(out, " %s %u", name, value);
}

void segment_print(const struct segment *s, char *text, size_t size)
{
    struct printed out = {text, size};
    for (size_t i = 0; i < 8; i++)
        if (s->flags & 1u << i)
            put(&out, "%c", flag_letters[i]);
    put(&out, s->flags ? " " : "- ");
    if (s->any & HAS_SEQ)
        put(&out, s->len ? "*:%u" : "*", s->len);
    else
        put(&out, s->len ? "%u:%u" : "%u", s->seq, s->seq + s->len);
    print_field(&out, s, HAS_ACK, "ack", s->ack);
    print_field(&out, s, HAS_WIN, "win", s->win);
    if (s->urg || s->any & HAS_URG)
        print_field(&out, s, HAS_URG, "urg", s->urg);
    if (s->ttl != 64)
        print_field(&out, s, HAS_TTL, "ttl", s->ttl);
    if (s->tos || s->any & HAS_TOS)
        print_field(&out, s, HAS_TOS, "tos", s->tos);
    if (s->has & HAS_OPTIONS) {
        put(&out, " <");
        for (size_t i = 0; i < s->option_count; i++) {
            put(&out, i ? "," : "");
            print_option(&out, &s->options[i]);
        }
        put(&out, ">");
    }
}

/* ---- Comparing ---- */

static bool same_option(const struct segment_option *expected, const struct segment_option *got)
{
    if (expected->kind != got->kind || expected->count != got->count)
        return false;
    if (expected->kind == OPTION_RAW)
        return memcmp(expected->raw, got->raw, got->count) == 0;
    for (size_t i = 0; i < got->count; i++)
        if (!(expected->any & 1u << i) && expected->value[i] != got->value[i])
            return false;
    return true;
}

static bool same_options(const struct segment *expected, const struct segment *got)
{
    if (expected->option_count != got->option_count)
        return false;
    for (size_t i = 0; i < got->option_count; i++)
        if (!same_option(&expected->options[i], &got->options[i]))
            return false;
    return true;
}

bool segment_matches(const struct segment *e, const struct segment *got)
{
    uint16_t asked = (uint16_t)(e->has & ~e->any);
    return e->flags == got->flags && e->len == got->len && (!(asked & HAS_SEQ) || e->seq == got->seq) &&
           (!(asked & HAS_ACK) || e->ack == got->ack) && (!(asked & HAS_WIN) || e->win == got->win) &&
           (!(asked & HAS_URG) || e->urg == got->urg) && (!(asked & HAS_TTL) || e->ttl == got->ttl) &&
           (!(asked & HAS_TOS) || e->tos == got->tos) && (!(asked & HAS_OPTIONS) || same_options(e, got));
}
