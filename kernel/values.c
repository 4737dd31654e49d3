/* values.c: from option values, as configured, to the options block that a plugin reads. */
#include "values.h"

#include <stdlib.h>

struct tn_value *tn_values_copy(const struct tn_manifest *manifest, const struct tn_value *values)
{
    struct tn_value *copy = calloc(manifest->option_count + 1, sizeof(*copy));
    if (copy && manifest->option_count)
        memcpy(copy, values, manifest->option_count * sizeof(*copy));
    return copy;
}

static const struct tn_value *value_of(const struct tn_manifest *manifest, const struct tn_value *values,
                                       const char *name)
{
    for (size_t i = 0; i < manifest->option_count; i++)
        if (strcmp(manifest->options[i].name, name) == 0)
            return &values[i];
    return NULL;
}

static void write_value(uint8_t *at, uint8_t type, const struct tn_value *value)
{
    switch (type) {
    case TN_OPTION_BOOL:
        memcpy(at, &value->boolean, sizeof(value->boolean));
        break;
    case TN_OPTION_DURATION:
        memcpy(at, &value->duration, sizeof(value->duration));
        break;
    case TN_OPTION_PERCENT:
        memcpy(at, &value->percent, sizeof(value->percent));
        break;
    case TN_OPTION_STRING:
    case TN_OPTION_PLUGIN:
    case TN_OPTION_INTERFACES:
        memcpy(at, value->string, sizeof(value->string));
        break;
    default: /* INT, SIZE, RATE, CHOICE */
        memcpy(at, &value->integer, sizeof(value->integer));
    }
}

void tn_values_write(const struct tn_manifest *manifest, const struct tn_value *values,
                     const struct tn_plugin *plugin, void *block)
{
    for (size_t i = 0; i < plugin->option_count; i++) {
        const struct tn_option *option = &plugin->options[i];
        const struct tn_value *value = value_of(manifest, values, option->name);
        if (value) /* the loader has seen that there is one */
            write_value((uint8_t *)block + option->offset, option->type, value);
    }
}
