/* words.h: the words of a line. */
#ifndef TENON_SCRIPT_WORDS_H
#define TENON_SCRIPT_WORDS_H

#include <netinet/in.h>

#include "tenon/types.h"

#define WORD_MAX 256

struct words {
    const char *at;      /* what is left of the line */
    char word[WORD_MAX]; /* the one that was read last */
    char why[512];       /* what is wrong, once something is */
};

/* Says what is wrong; the first that is said stays. Always false. */
__attribute__((format(printf, 2, 3))) bool words_fail(struct words *words, const char *format, ...);

/* Reads the next word; false at the end of the line, or if it is too long (then `why` says so). Options, from '<' to '>',
 * are one word. */
bool words_next(struct words *words);
/* The same, where there must be one: `what` it should be. */
bool words_need(struct words *words, const char *what);
/* Whether the next word is this one; reads it if it is. */
bool words_accept(struct words *words, const char *word);
/* The whole rest of the line. */
const char *words_rest(struct words *words);
bool words_at_end(struct words *words);

/* A number of at most `max` in decimal or with 0x, negative ones wrapped to 32 bits where `max` allows. */
bool words_number(struct words *words, const char *text, uint32_t max, uint32_t *out);
/* The next word as a number. */
bool words_need_number(struct words *words, const char *what, uint32_t max, uint32_t *out);
/* "40ms", "1.5s", "2m", "250us", "10ns" */
bool words_time(struct words *words, const char *text, tn_time *out);
/* "0a0b0c"; at most `max` octets. */
bool words_hex(struct words *words, const char *text, uint8_t *out, size_t max, uint8_t *count);
bool words_address(struct words *words, struct in_addr *out);

#endif
