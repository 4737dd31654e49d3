/* Any bytes as a stack.yaml: a sound plan or an error with its place, nothing else. Plugins are those of the build, or
 * of $TENON_PLUGIN_PATH. */
#include <stdlib.h>

#include "plan.h"
#include "tenon/text.h"

#ifdef TN_TEST_PLUGIN_DIR
#define PLUGIN_PATH TN_TEST_PLUGIN_DIR
#else
#define PLUGIN_PATH NULL
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Values of the right number, written and read again. */
static void check_values(const struct tn_manifest *manifest, const struct tn_value *values)
{
    for (size_t i = 0; i < manifest->option_count; i++) {
        const struct tn_manifest_option *option = &manifest->options[i];
        char text[1024], why[1024];
        struct tn_text out = tn_text_init(text, sizeof(text)), ignored = tn_text_init(why, sizeof(why));
        struct tn_value again;
        tn_value_text(option, &values[i], &out);
        if (option->type != TN_OPTION_STRING && option->type != TN_OPTION_INTERFACES)
            require(tn_value_parse(option, text, &again, &ignored) == 0 &&
                    tn_value_equal(option, &values[i], &again));
    }
}

static void check_plan(const struct tn_plan *plan)
{
    for (size_t i = 0; i < plan->plugin_count; i++) {
        const struct tn_plan_plugin *plugin = &plan->plugins[i];
        require(strcmp(plugin->name, plugin->manifest->name) == 0);
        require((plugin->section == TN_SECTION_DRIVER) == (plugin->values == NULL));
        if (plugin->values)
            check_values(plugin->manifest, plugin->values);
        for (size_t k = 0; k < plugin->listen_count; k++)
            require(plugin->listens[k].port != 0 && plugin->listens[k].transport[0]);
    }
    for (size_t i = 0; i < plan->interface_count; i++) {
        const struct tn_plan_interface *ifc = &plan->interfaces[i];
        require(ifc->name[0] && ifc->plugin < plan->plugin_count);
        require(strcmp(plan->plugins[ifc->plugin].name, ifc->driver) == 0);
        check_values(plan->plugins[ifc->plugin].manifest, ifc->values);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tn_plan *plan;
    struct tn_error error = {""};
    /* A block of exactly this size, and no '\0' behind it. */
    char *text = malloc(size ? size : 1);
    require(text != NULL);
    memcpy(text, data, size);
    int err = tn_plan_parse(text, size, "fuzz.yaml", PLUGIN_PATH, &plan, &error);
    free(text);
    require((err == 0) == (plan != NULL));
    if (err)
        require(strncmp(error.text, "fuzz.yaml:", 10) == 0);
    else
        check_plan(plan);
    tn_plan_free(plan);
    return 0;
}
