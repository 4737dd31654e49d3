/* manifest.h: what the files that read manifests share: manifest.c (the lines), manifest_check.c (what they
 * say) and manifest_find.c (the files). */
#ifndef TENON_KERNEL_MANIFEST_H
#define TENON_KERNEL_MANIFEST_H

#include "plan.h"
#include "tenon/text.h"

#define TN_MANIFEST_SIZE_MAX    (64 * 1024) /* bytes of a file */
#define TN_MANIFEST_OPTIONS_MAX 64
#define TN_PLUGIN_NAME_MAX      31

/* [a-z][a-z0-9-]*, at most TN_PLUGIN_NAME_MAX long: names of plugins and options. */
bool tn_plugin_name_valid(const char *name);

enum tn_manifest_section {
    TN_MANIFEST_NOWHERE,
    TN_MANIFEST_PLUGIN,
    TN_MANIFEST_OPTION,
};

/* A value as it stands in the file. */
struct tn_draft_text {
    char *text; /* NULL: not given */
    unsigned line;
};

/* What an option's lines said, until all have been read. */
struct tn_option_draft {
    unsigned line;
    struct tn_draft_text type, fallback, range, choices, kind, live, help;
};

struct tn_manifest_reader {
    const char *text, *end; /* what has not been read yet */
    const char *name;       /* of the file, for errors */
    unsigned line;          /* being read, from 1 */
    enum tn_manifest_section section;
    bool plugin_seen;
    struct tn_draft_text plugin_name, kind, abi, version, summary, schema;
    struct tn_draft_text provides, needs, listens, ports;
    struct tn_option_draft drafts[TN_MANIFEST_OPTIONS_MAX]; /* one an option of the manifest */
    struct tn_manifest *manifest;
    int err;
    unsigned err_line;
    struct tn_error *error;
};

/* Writes "file:line: …" (line 0: of the whole file) and returns -EINVAL; or -ENOMEM. Both also set r->err. */
TN_PRINTF(3, 4) int tn_manifest_fail(struct tn_manifest_reader *r, unsigned line, const char *fmt, ...);
int tn_manifest_fail_memory(struct tn_manifest_reader *r);
/* Fills the manifest from the drafts. */
int tn_manifest_check(struct tn_manifest_reader *r);

#endif
