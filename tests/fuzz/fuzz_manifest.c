/* Any bytes as a plugin's manifest: a sound manifest that can be described, or an error with its place. */
#include <stdlib.h>

#include "plan.h"
#include "tenon/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_option(const struct tn_manifest_option *option)
{
    char text[1024];
    struct tn_text why = tn_text_init(text, sizeof(text));
    struct tn_value value;
    require(option->name && option->help && option->type <= TN_OPTION_CHOICE);
    require((option->choices != NULL) == (option->type == TN_OPTION_CHOICE));
    require(!option->has_range || option->min <= option->max);
    if (option->default_text)
        require(tn_value_parse(option, option->default_text, &value, &why) == 0);
}

static void check_manifest(const struct tn_manifest *m)
{
    require(m->name && m->kind && m->version && m->summary && m->schema);
    for (size_t i = 0; i < m->claim_count; i++)
        require(m->claims[i].table < TN_TABLE_COUNT && m->claims[i].family < TN_FAMILY_MAX);
    for (size_t i = 0; i < m->need_count; i++)
        require(m->needs[i].table < TN_TABLE_COUNT && m->needs[i].family < TN_FAMILY_MAX);
    for (size_t i = 0; i < m->option_count; i++)
        check_option(&m->options[i]);
    char *description = tn_manifest_describe(m);
    require(description != NULL);
    free(description);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tn_manifest *manifest;
    struct tn_error error = {""};
    /* A block of exactly this size, and no '\0' behind it. */
    char *text = malloc(size ? size : 1);
    require(text != NULL);
    memcpy(text, data, size);
    int err = tn_manifest_parse(text, size, "fuzz.ini", &manifest, &error);
    free(text);
    require((err == 0) == (manifest != NULL));
    if (err)
        require(strncmp(error.text, "fuzz.ini:", 9) == 0);
    else
        check_manifest(manifest);
    tn_manifest_free(manifest);
    return 0;
}
