/* Manifests as files: where they lie and which there are. A plugin path is "dir:dir"; in each directory a
 * plugin is NAME.ini with NAME.so beside it, or NAME/NAME.ini. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "manifest.h"
#include "suggest.h"

const char *tn_plugin_path(const char *configured)
{
    const char *set = configured ? NULL : getenv("TENON_PLUGIN_PATH");
    return configured ? configured : set && *set ? set : TN_PLUGIN_PATH_DEFAULT;
}

/* ---- Loading ---- */

static int fail_file(struct tn_error *error, const char *path, int err)
{
    snprintf(error->text, sizeof(error->text), "%s: cannot read it: %s", path, strerror(-err));
    return err;
}

/* At most size bytes; the count or a negative errno. O_NONBLOCK, so that a FIFO cannot hold us up. */
static ssize_t read_file(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    struct stat st;
    ssize_t got = 0;
    size_t len = 0;
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        got = -1, errno = EINVAL;
    while (got >= 0 && len < size && (got = read(fd, to + len, size - len)) > 0)
        len += (size_t)got;
    int err = errno;
    close(fd);
    return got < 0 ? -err : (ssize_t)len;
}

/* "/x/echo.ini" must hold the plugin echo, whose code is /x/echo.so. */
static int set_paths(struct tn_manifest *m, const char *path, struct tn_error *error)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t len = strlen(base);
    if (len < 4 || strcmp(base + len - 4, ".ini") != 0 || strlen(m->name) != len - 4 ||
        strncmp(base, m->name, len - 4) != 0) {
        snprintf(error->text, sizeof(error->text),
                 "%s: found the plugin '%s', expected the file's name to be '%s.ini'", path, m->name,
                 m->name);
        return -EINVAL;
    }
    m->path = strdup(path);
    if (!m->path || asprintf(&m->so_path, "%.*s.so", (int)(strlen(path) - 4), path) < 0) {
        m->so_path = NULL;
        return fail_file(error, path, -ENOMEM);
    }
    return 0;
}

int tn_manifest_load(const char *ini_path, struct tn_manifest **out, struct tn_error *error)
{
    char *text = malloc(TN_MANIFEST_SIZE_MAX + 1);
    *out = NULL;
    if (!text)
        return fail_file(error, ini_path, -ENOMEM);
    ssize_t len = read_file(ini_path, text, TN_MANIFEST_SIZE_MAX + 1);
    int err = len < 0 ? fail_file(error, ini_path, (int)len)
                      : tn_manifest_parse(text, (size_t)len, ini_path, out, error);
    free(text);
    if (err)
        return err;
    err = set_paths(*out, ini_path, error);
    if (err) {
        tn_manifest_free(*out);
        *out = NULL;
    }
    return err;
}

/* ---- Finding ---- */

/* The next directory of the path, as a length at *dir; false at the end. Empty ones are passed over. */
static bool next_directory(const char **path, const char **dir, int *len)
{
    *path += strspn(*path, ":");
    *dir = *path;
    *len = (int)strcspn(*path, ":");
    *path += *len;
    return *len > 0;
}

static bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

static int find_in(const char *dir, int len, const char *name, struct tn_manifest **out,
                   struct tn_error *error)
{
    int err = -ENOENT;
    for (int own_directory = 0; own_directory <= 1 && err == -ENOENT; own_directory++) {
        char *path;
        int n = own_directory ? asprintf(&path, "%.*s/%s/%s.ini", len, dir, name, name)
                              : asprintf(&path, "%.*s/%s.ini", len, dir, name);
        if (n < 0)
            return fail_file(error, name, -ENOMEM);
        if (file_exists(path))
            err = tn_manifest_load(path, out, error);
        free(path);
    }
    return err;
}

int tn_manifest_find(const char *plugin_path, const char *name, struct tn_manifest **out,
                     struct tn_error *error)
{
    char quoted[TN_QUOTE_MAX];
    const char *path = tn_plugin_path(plugin_path), *rest = path, *dir;
    int len;
    *out = NULL;
    if (!tn_plugin_name_valid(name)) {
        snprintf(error->text, sizeof(error->text),
                 "found %s as the name of a plugin, expected a-z, 0-9 and -, at most %d",
                 tn_quote(quoted, name), TN_PLUGIN_NAME_MAX);
        return -EINVAL;
    }
    while (next_directory(&rest, &dir, &len)) {
        int err = find_in(dir, len, name, out, error);
        if (err != -ENOENT)
            return err;
    }
    snprintf(error->text, sizeof(error->text), "no plugin '%s' (no %s.ini in %s)", name, name, path);
    return -ENOENT;
}

/* ---- Listing ---- */

struct names {
    char **list;
    size_t count;
};

static void add_name(struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (!strcmp(names->list[i], name))
            return;
    char **grown = reallocarray(names->list, names->count + 1, sizeof(names->list[0]));
    if (!grown)
        return;
    names->list = grown;
    names->list[names->count] = strdup(name);
    names->count += names->list[names->count] != NULL;
}

/* An entry "echo.ini", or "echo" when there is an echo/echo.ini. */
static void list_entry(struct names *names, const char *dir, const char *entry)
{
    char name[TN_PLUGIN_NAME_MAX + 5], *path;
    size_t len = strnlen(entry, sizeof(name));
    if (len == sizeof(name))
        return;
    memcpy(name, entry, len + 1);
    bool ini = len > 4 && !strcmp(name + len - 4, ".ini");
    if (ini)
        name[len - 4] = '\0';
    if (!tn_plugin_name_valid(name))
        return;
    if (!ini) {
        if (asprintf(&path, "%s/%s/%s.ini", dir, name, name) < 0)
            return;
        bool exists = file_exists(path);
        free(path);
        if (!exists)
            return;
    }
    add_name(names, name);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

size_t tn_manifest_list(const char *plugin_path, char ***out)
{
    struct names names = {NULL, 0};
    const char *rest = tn_plugin_path(plugin_path), *start;
    int len;
    while (next_directory(&rest, &start, &len)) {
        char *path = strndup(start, (size_t)len);
        DIR *dir = path ? opendir(path) : NULL;
        for (struct dirent *entry; dir && (entry = readdir(dir));)
            list_entry(&names, path, entry->d_name);
        if (dir)
            closedir(dir);
        free(path);
    }
    if (names.count)
        qsort(names.list, names.count, sizeof(names.list[0]), compare_names);
    *out = names.list;
    return names.count;
}
