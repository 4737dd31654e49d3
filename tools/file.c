/* file.c: reading a file whole. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

#define FILE_MAX (1024 * 1024)

/* Why the text that was read can't be used; NULL if it can. */
static const char *what_is_wrong(FILE *in, const char *text, size_t len)
{
    if (ferror(in))
        return strerror(errno);
    if (len > FILE_MAX)
        return "it is larger than 1 MiB";
    return memchr(text, '\0', len) ? "it is not text: it has a zero byte" : NULL;
}

static char *read_stream(FILE *in, const char *path)
{
    char *text = malloc(FILE_MAX + 2);
    if (!text) {
        fail(EXIT_FAILED, "out of memory");
        return NULL;
    }
    size_t len = fread(text, 1, FILE_MAX + 1, in);
    const char *wrong = what_is_wrong(in, text, len);
    text[len] = '\0';
    if (!wrong)
        return text;
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
