/* plugin_path.c: where a stack looks for its plugins. */
#include "plugin_path.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "plan.h"

static bool find_beside_library(char room[PATH_MAX])
{
    Dl_info library;
    struct stat st;
    char place[PATH_MAX];
    if (!dladdr((void *)tn_plugin_path_find, &library) || !library.dli_fname)
        return false;
    const char *slash = strrchr(library.dli_fname, '/');
    int len = snprintf(place, sizeof(place), "%.*stenon/plugins",
                       slash ? (int)(slash - library.dli_fname + 1) : 0, library.dli_fname);
    return len < (int)sizeof(place) && stat(place, &st) == 0 && S_ISDIR(st.st_mode) && realpath(place, room);
}

const char *tn_plugin_path_find(const char *configured, char room[PATH_MAX])
{
    const char *set = getenv("TENON_PLUGIN_PATH");
    if (configured || (set && *set))
        return tn_plugin_path(configured);
    return find_beside_library(room) ? room : tn_plugin_path(NULL);
}
