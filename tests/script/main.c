/* main.c: runs scripts: tenon_script [--plugin-path PATH] [--trace] FILE... */
#include <stdio.h>
#include <stdlib.h>

#include "script.h"

#define FILE_MAX (1u << 20)

static int run_text(const char *text, size_t len, const char *name, const char *plugin_path, bool trace)
{
    char why[4096];
    struct script script;
    int error = script_read(text, len, name, &script, why, sizeof(why));
    if (error == 0) {
        error = script_run(&script, plugin_path, trace, why, sizeof(why));
        script_free(&script);
    }
    if (error < 0)
        fprintf(stderr, "%s\n", why);
    else
        printf("%s: as expected\n", name);
    return error < 0 ? 1 : 0;
}

static int run_file(const char *path, const char *plugin_path, bool trace)
{
    FILE *file = fopen(path, "r");
    char *text = malloc(FILE_MAX);
    size_t len = file && text ? fread(text, 1, FILE_MAX, file) : 0;
    int result = 1;
    if (!file || !text || len == FILE_MAX)
        fprintf(stderr, "%s: it cannot be read, or is larger than %u bytes\n", path, FILE_MAX);
    else
        result = run_text(text, len, path, plugin_path, trace);
    free(text);
    if (file)
        fclose(file);
    return result;
}

int main(int argc, char **argv)
{
    const char *plugin_path = NULL;
    bool trace = false;
    int failed = 0, i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        if (!strcmp(argv[i], "--trace")) {
            trace = true;
        } else if (!strcmp(argv[i], "--plugin-path") && i + 1 < argc) {
            plugin_path = argv[++i];
        } else {
            break;
        }
    }
    if (i == argc || argv[i][0] == '-') {
        fprintf(stderr, "usage: tenon_script [--plugin-path PATH] [--trace] FILE...\n");
        return 2;
    }
    for (; i < argc; i++)
        failed |= run_file(argv[i], plugin_path, trace);
    return failed;
}
