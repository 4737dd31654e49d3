/* describe.c: plugins that are on the plugin path, for people who choose among them; and small things that every user of this
 * library can use. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "plan.h"
#include "plugin_path.h"
#include "suggest.h"
#include "tenon/stack.h"

int tn_describe(const struct tn_env *env, const char *name, char **text, struct tn_error *error)
{
    char room[PATH_MAX];
    struct tn_manifest *manifest;
    int r = tn_manifest_find(tn_plugin_path_find(env->plugin_path, room), name, &manifest, error);
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

char *tn_describe_all(const struct tn_env *env)
{
    char room[PATH_MAX], *text = NULL, **names = NULL;
    const char *path = tn_plugin_path_find(env->plugin_path, room);
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (!out)
        return NULL;
    size_t count = tn_manifest_list(path, &names);
    for (size_t i = 0; i < count; i++) {
        add_line(out, path, names[i]);
        free(names[i]);
    }
    free(names);
    fclose(out);
    return text;
}

const char *tn_version(void)
{
    return TN_VERSION;
}

const char *tn_nearest(const char *word, const char *const *words)
{
    struct tn_suggestion near = tn_suggest(word);
    for (; *words; words++)
        tn_suggest_offer(&near, *words);
    return near.best;
}
