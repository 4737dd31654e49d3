#include "suggest.h"

#define WORD_MAX 63

static size_t least(size_t a, size_t b, size_t c)
{
    return tn_min(a, tn_min(b, c));
}

size_t tn_edit_distance(const char *a, const char *b)
{
    size_t la = strnlen(a, WORD_MAX + 1), lb = strnlen(b, WORD_MAX + 1);
    if (la > WORD_MAX || lb > WORD_MAX)
        return SIZE_MAX;
    size_t rows[3][WORD_MAX + 1]; /* row i lies in rows[i % 3] */
    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            row[j] = least(above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = tn_min(row[j], two_above[j - 2] + 1);
        }
    }
    return rows[la % 3][lb];
}

void tn_suggest_offer(struct tn_suggestion *s, const char *candidate)
{
    /* A word is near when at most a third of it is wrong, and never when all of it is. */
    size_t longer = tn_max(strlen(s->word), strlen(candidate));
    size_t limit = tn_max(longer / 3, longer > 1 ? 1 : 0);
    size_t distance = tn_edit_distance(s->word, candidate), len = strlen(s->word);
    if (distance > 1 && len >= 2 && strncmp(s->word, candidate, len) == 0)
        distance = limit = 1; /* its beginning: an abbreviation */
    if (distance <= limit && distance < s->distance) {
        s->best = candidate;
        s->distance = distance;
    }
}

void tn_suggest_text(const struct tn_suggestion *s, struct tn_text *out)
{
    if (s->best)
        tn_text_add(out, ", did you mean '%s'?", s->best);
}

const char *tn_quote(char buf[static TN_QUOTE_MAX], const char *text)
{
    const size_t shown = 48; /* bytes of the text, at \xNN leaving room for the rest */
    struct tn_text out = tn_text_init(buf, TN_QUOTE_MAX);
    tn_text_add(&out, "'");
    size_t used = 0;
    while (*text) {
        unsigned char c = (unsigned char)*text;
        size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
        if (used + (c < 0x20 || c == 0x7f ? 4 : len) > shown || strnlen(text, len) < len) {
            tn_text_add(&out, "…");
            break;
        }
        if (c < 0x20 || c == 0x7f)
            tn_text_add(&out, "\\x%02x", c);
        else
            tn_text_add(&out, "%.*s", (int)len, text);
        used += c < 0x20 || c == 0x7f ? 4 : len;
        text += len;
    }
    tn_text_add(&out, "'");
    return buf;
}
