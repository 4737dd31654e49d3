#include "words.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool words_fail(struct words *words, const char *format, ...)
{
    va_list args;
    if (words->why[0])
        return false;
    va_start(args, format);
    vsnprintf(words->why, sizeof(words->why), format, args);
    va_end(args);
    return false;
}

static void skip_blanks(struct words *words)
{
    words->at += strspn(words->at, " \t");
}

bool words_at_end(struct words *words)
{
    skip_blanks(words);
    return *words->at == '\0';
}

/* How long the word is that begins here. "<" alone, "<=" and the like are no options. */
static size_t word_length(const char *at)
{
    const char *close = *at == '<' ? strchr(at, '>') : NULL;
    if (close && strcspn(at + 1, " \t=<") > 0)
        return (size_t)(close - at) + 1;
    return strcspn(at, " \t");
}

bool words_next(struct words *words)
{
    if (words_at_end(words))
        return false;
    size_t len = word_length(words->at);
    if (len >= sizeof(words->word))
        return words_fail(words, "a word of more than %d characters", WORD_MAX - 1);
    memcpy(words->word, words->at, len);
    words->word[len] = '\0';
    words->at += len;
    return true;
}

bool words_need(struct words *words, const char *what)
{
    return words_next(words) || words_fail(words, "the line ends where %s should be", what);
}

bool words_accept(struct words *words, const char *word)
{
    skip_blanks(words);
    size_t len = strlen(word);
    if (word_length(words->at) != len || memcmp(words->at, word, len) != 0)
        return false;
    words->at += len;
    return true;
}

const char *words_rest(struct words *words)
{
    skip_blanks(words);
    const char *rest = words->at;
    words->at += strlen(words->at);
    return rest;
}

bool words_number(struct words *words, const char *text, uint32_t max, uint32_t *out)
{
    char *end;
    long long n = strtoll(text, &end, 0);
    bool right = end != text && *end == '\0' && n <= (long long)max;
    if (!right || (n < 0 && (max != UINT32_MAX || n < INT32_MIN)))
        return words_fail(words, "'%s' is not a number of at most %u", text, max);
    *out = (uint32_t)n;
    return true;
}

bool words_need_number(struct words *words, const char *what, uint32_t max, uint32_t *out)
{
    return words_need(words, what) && words_number(words, words->word, max, out);
}

bool words_time(struct words *words, const char *text, tn_time *out)
{
    static const struct {
        const char *name;
        double size;
    } units[] = {{"ns", 1}, {"us", TN_USEC}, {"ms", TN_MSEC}, {"s", TN_SEC}, {"m", 60e9}, {"h", 3600e9}};
    char *unit;
    double n = strtod(text, &unit);
    for (size_t i = 0; i < TN_ARRAY_SIZE(units); i++) {
        if (strcmp(unit, units[i].name) != 0 || unit == text)
            continue;
        if (!(n >= 0 && n * units[i].size < 1e17))
            break;
        *out = (tn_time)(n * units[i].size + 0.5);
        return true;
    }
    return words_fail(words, "'%s' is not a time, such as 40ms or 1.5s", text);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool words_hex(struct words *words, const char *text, uint8_t *out, size_t max, uint8_t *count)
{
    size_t n = 0;
    for (const char *p = text; *p; p += 2) {
        int high = hex_digit(p[0]), low = high < 0 ? -1 : hex_digit(p[1]);
        if (low < 0 || n == max)
            return words_fail(words, "'%s' is not at most %zu octets as 0a0b0c", text, max);
        out[n++] = (uint8_t)(high << 4 | low);
    }
    *count = (uint8_t)n;
    return true;
}

bool words_address(struct words *words, struct in_addr *out)
{
    if (!words_need(words, "an address"))
        return false;
    return inet_pton(AF_INET, words->word, out) == 1 ||
           words_fail(words, "'%s' is not an address, such as 10.0.7.1", words->word);
}
