/* Any bytes as a script (docs/scripts.md): steps, or an error with its line; and as a packet that a script hears. */
#include <stdlib.h>

#include "script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* What is printed of a segment asks for that segment; and it fits where it is built. */
static void check_segment(const struct segment *s)
{
    static uint8_t packet[SEGMENT_LEN_MAX + 120];
    char text[1024];
    struct words words = {.at = text};
    struct segment again;
    const struct segment_ends ends = {.isn = 5000};
    segment_print(s, text, sizeof(text));
    if (strlen(text) < WORD_MAX) /* otherwise the options may be too long for a word */
        require(segment_parse(&words, &again) && segment_matches(&again, s));
    require(segment_build(&ends, s, packet) <= sizeof(packet));
}

static void check_script(const char *text, size_t size)
{
    struct script script;
    char why[1024];
    if (script_read(text, size, "fuzz.tns", &script, why, sizeof(why)) < 0) {
        require(strncmp(why, "fuzz.tns:", 9) == 0);
        return;
    }
    for (size_t i = 0; i < script.step_count; i++) {
        require(script.steps[i].talk < script.talk_count);
        if (script.steps[i].kind == STEP_SAY || script.steps[i].kind == STEP_HEAR)
            check_segment(&script.steps[i].segment);
    }
    script_free(&script);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct segment_ends ends = {.isn = 5000};
    struct segment s;
    /* A block of exactly this size, and no '\0' behind it. */
    char *text = malloc(size ? size : 1);
    require(text != NULL);
    memcpy(text, data, size);
    check_script(text, size);
    (void)segment_is_of(&ends, (const uint8_t *)text, size);
    (void)segment_read(&ends, (const uint8_t *)text, size, &s);
    free(text);
    return 0;
}
