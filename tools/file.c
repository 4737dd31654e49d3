/* file.c: reading a file whole. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

#define FILE_MAX (1024 * 1024)

static char *read_stream(FILE *in, const char *path)
{
    char *text = malloc(FILE_MAX + 2);
    size_t len = text ? fread(text, 1, FILE_MAX + 1, in) : 0;
    const char *wrong = NULL;
    if (!text || ferror(in))
        wrong = strerror(errno);
    else if (len > FILE_MAX)
        wrong = "it is larger than 1 MiB";
    else if (memchr(text, '\0', len))
        wrong = "it is not text: it has a zero byte";
    if (!wrong) {
        text[len] = '\0';
        return text;
    }
    fail(EXIT_USAGE, "%s: cannot read it: %s", path, wrong);
    free(text);
    return NULL;
}

char *read_file(const char *path)
{
    if (strcmp(path, "-") == 0)
        return read_stream(stdin, "standard input");
    FILE *in = fopen(path, "re");
    if (!in) {
        fail(EXIT_USAGE, "%s: cannot read it: %s", path, strerror(errno));
        return NULL;
    }
    char *text = read_stream(in, path);
    fclose(in);
    return text;
}
