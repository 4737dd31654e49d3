/* manifest_error.c: what is wrong with a manifest, by file and line. */
#include "manifest.h"

#include <errno.h>

int tn_manifest_fail(struct tn_manifest_reader *r, unsigned line, const char *fmt, ...)
{
    char text[sizeof(r->error->text)];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    struct tn_text out = tn_text_init(r->error->text, sizeof(r->error->text));
    if (line)
        tn_text_add(&out, "%s:%u: %s", r->name, line, text);
    else
        tn_text_add(&out, "%s: %s", r->name, text);
    r->err_line = line;
    return r->err = -EINVAL;
}

int tn_manifest_fail_memory(struct tn_manifest_reader *r)
{
    tn_manifest_fail(r, 0, "out of memory");
    return r->err = -ENOMEM;
}
