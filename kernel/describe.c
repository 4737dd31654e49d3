/* describe.c: plugins that are on the plugin path, for people who choose among them; and the version of this
 * library. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "plan.h"
#include "tenon/stack.h"

static const char *path_of(const struct tn_env *env)
{
    if (env && env->plugin_path)
        return env->plugin_path;
    const char *path = getenv("TENON_PLUGIN_PATH");
    return path && *path ? path : TN_PLUGIN_PATH_DEFAULT;
}

TN_EXPORT int tn_describe(const struct tn_env *env, const char *name, char **text, struct tn_error *error)
{
    struct tn_manifest *manifest;
    int r = tn_manifest_find(path_of(env), name, &manifest, error);
    if (r < 0)
        return r;
    *text = tn_manifest_describe(manifest);
    tn_manifest_free(manifest);
    if (*text)
        return 0;
    snprintf(error->text, sizeof(error->text), "out of memory");
    return -ENOMEM;
}

static void add_line(FILE *out, const char *path, const char *name)
{
    struct tn_manifest *manifest;
    struct tn_error error;
    if (tn_manifest_find(path, name, &manifest, &error) < 0) {
        fprintf(out, "%s\t-\t%s\n", name, error.text);
        return;
    }
    fprintf(out, "%s\t%s\t%s\n", name, manifest->kind, manifest->summary ? manifest->summary : "");
    tn_manifest_free(manifest);
}

TN_EXPORT char *tn_describe_all(const struct tn_env *env)
{
    char *text = NULL, **names = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    size_t count = tn_manifest_list(path_of(env), &names);
    for (size_t i = 0; i < count; i++) {
        add_line(out, path_of(env), names[i]);
        free(names[i]);
    }
    free(names);
    fclose(out);
    return text;
}

TN_EXPORT const char *tn_version(void)
{
    return TN_VERSION;
}
