/* loader.h: from a file to code that may be called.
 *
 * A plugin's file is checked (ELF, architecture, build id) before any of it is mapped, copied to a private
 * file of a fresh name and loaded from there: glibc gives back the old library for a path that is still open,
 * and a mapped file that is truncated kills the process (design rule 8). */
#ifndef TENON_KERNEL_LOADER_H
#define TENON_KERNEL_LOADER_H

#include "plan.h"
#include "tenon/plugin.h"
#include "tenon/stack.h"

struct tn_library {
    void *handle; /* dlopen's */
    const struct tn_plugin *plugin;
    char *path;        /* where it came from */
    int fd;            /* of the private copy */
    char build_id[65]; /* hex; "" if the file has none */
};

/* Loads the build at `path`, which must be what `manifest` says. 0, or a negative errno with a reason in
 * `error`. */
int tn_library_open(const char *path, const struct tn_manifest *manifest, struct tn_library **out,
                    struct tn_error *error);
void tn_library_close(struct tn_library *library);

#endif
