/* suggest.h: the nearest right word to a wrong one, and quoting what somebody wrote. */
#ifndef TENON_KERNEL_SUGGEST_H
#define TENON_KERNEL_SUGGEST_H

#include "tenon/text.h"
#include "tenon/types.h"

/* Looks for the candidate with the smallest edit distance to `word`, which is 1 from what it abbreviates; the first of equals. */
struct tn_suggestion {
    const char *word; /* as given */
    const char *best; /* the candidate's own pointer, or NULL: nothing is near enough */
    size_t distance;
};

static inline struct tn_suggestion tn_suggest(const char *word)
{
    return (struct tn_suggestion){.word = word, .best = NULL, .distance = SIZE_MAX};
}

void tn_suggest_offer(struct tn_suggestion *s, const char *candidate);
/* ", did you mean 'x'?", or nothing. */
void tn_suggest_text(const struct tn_suggestion *s, struct tn_text *out);

/* Insertions, deletions, changes and swaps of neighbours that make `b` of `a` (optimal string alignment).
 * Words of more than 63 bytes are SIZE_MAX away from everything. */
size_t tn_edit_distance(const char *a, const char *b);

/* Room for any quoted text, with its '\0'. */
#define TN_QUOTE_MAX 72

/* 'text' for a message: cut when long, control characters as \xNN. Returns buf. */
const char *tn_quote(char buf[static TN_QUOTE_MAX], const char *text);

#endif
