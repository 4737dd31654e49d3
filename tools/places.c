/* places.c: where things are: plugins, and the control sockets of running stacks.
 *
 * A control socket NAME.sock lies in the first of these directories that its user can have:
 *     /run/tenon/              root
 *     /run/tenon/USER/         root, for the user that `tenon run --user` becomes
 *     $XDG_RUNTIME_DIR/tenon/  anybody with a session
 *     /tmp/tenon-UID/          anybody else; only if it is a directory of theirs that nobody else may enter
 * A client looks into all of them that may be its user's. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool.h"

#define RUN_DIR "/run/tenon"

/* ---- Plugins ---- */

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

const char *find_plugin_path(void)
{
    static const char *const beside[] = {"../plugins-out", "../" TN_PLUGIN_LIBDIR, "../lib/tenon/plugins"};
    static char path[PATH_MAX];
    const char *configured = getenv("TENON_PLUGIN_PATH");
    if (configured && *configured)
        return configured;
    char self[PATH_MAX], place[PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n < 0)
        return NULL;
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    for (size_t i = 0; i < TN_ARRAY_SIZE(beside); i++) {
        snprintf(place, sizeof(place), "%s/%s", self, beside[i]);
        if (is_directory(place) && realpath(place, path))
            return path;
    }
    return NULL;
}

/* ---- Control sockets: making ---- */

/* Makes the directory, if need be, and sees that it is `owner`'s and that nobody else can put files into it.
 * The first thing wrong is written to `why`. */
static bool make_directory(const char *path, uid_t owner, mode_t mode, struct tn_text *why)
{
    struct stat st;
    bool made = mkdir(path, mode) == 0;
    if (!made && errno != EEXIST) {
        tn_text_add(why, "%s: %s", path, strerror(errno));
        return false;
    }
    if (made && (chown(path, owner, (gid_t)-1) < 0 || chmod(path, mode) < 0)) {
        tn_text_add(why, "%s: %s", path, strerror(errno));
        return false;
    }
    if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != owner || (st.st_mode & 022)) {
        tn_text_add(why, "%s: is not a directory that only user %u can write to", path, (unsigned)owner);
        return false;
    }
    if (access(path, W_OK | X_OK) < 0) {
        tn_text_add(why, "%s: %s", path, strerror(errno));
        return false;
    }
    return true;
}

static bool runtime_directory(char *dir, size_t size)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (!runtime || runtime[0] != '/')
        return false;
    snprintf(dir, size, "%s/tenon", runtime);
    return true;
}

static bool choose_directory(const char *user, char *dir, size_t size, struct tn_text *why)
{
    if (user) {
        struct identity identity;
        snprintf(dir, size, RUN_DIR "/%s", user);
        return find_identity(user, &identity) && make_directory(RUN_DIR, geteuid(), 0711, why) &&
               chmod(RUN_DIR, 0711) == 0 && make_directory(dir, identity.uid, 0700, why);
    }
    snprintf(dir, size, RUN_DIR);
    if (geteuid() == 0 && make_directory(dir, 0, 0700, why))
        return true;
    tn_text_add(why, "%s", geteuid() == 0 ? "; " : "");
    if (runtime_directory(dir, size) && make_directory(dir, geteuid(), 0700, why))
        return true;
    tn_text_add(why, "%s", getenv("XDG_RUNTIME_DIR") ? "; " : "");
    snprintf(dir, size, "/tmp/tenon-%u", (unsigned)geteuid());
    return make_directory(dir, geteuid(), 0700, why);
}

bool make_control_path(const char *name, const char *user, char *path, size_t size)
{
    char dir[PATH_MAX], why[512];
    struct tn_text t = tn_text_init(why, sizeof(why));
    if (!name[0] || name[0] == '.' || strchr(name, '/')) {
        fail(EXIT_USAGE,
             "a stack named '%s' needs a path for its control socket: use --control PATH or --no-control",
             name);
        return false;
    }
    if (!choose_directory(user, dir, sizeof(dir), &t)) {
        fail(EXIT_FAILED, "no directory for the control socket (%s); use --control PATH or --no-control",
             why);
        return false;
    }
    if ((size_t)snprintf(path, size, "%s/%s.sock", dir, name) >= size) {
        fail(EXIT_FAILED, "%s/%s.sock: too long for a socket; use --control PATH", dir, name);
        return false;
    }
    return true;
}

/* ---- Control sockets: finding ---- */

typedef void each_fn(void *context, const char *name, const char *path);

static void scan(const char *dir, bool deeper, each_fn *each, void *context)
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[PATH_MAX];
        size_t len = strlen(e->d_name);
        struct stat st;
        if (e->d_name[0] == '.' ||
            (size_t)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) >= sizeof(path) ||
            lstat(path, &st) < 0)
            continue;
        if (deeper && S_ISDIR(st.st_mode))
            scan(path, false, each, context);
        if (!S_ISSOCK(st.st_mode) || len <= 5 || strcmp(e->d_name + len - 5, ".sock") != 0)
            continue;
        char name[NAME_MAX + 1];
        snprintf(name, sizeof(name), "%.*s", (int)(len - 5), e->d_name);
        each(context, name, path);
    }
    if (d)
        closedir(d);
}

/* A directory in which others could have put a socket of their own is not looked into. */
static bool is_trusted(const char *dir)
{
    struct stat st;
    return lstat(dir, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_uid == geteuid() || st.st_uid == 0) &&
           !(st.st_mode & 022);
}

void each_control_path(void (*each)(void *context, const char *name, const char *path), void *context)
{
    char dir[PATH_MAX];
    const struct passwd *me = getpwuid(geteuid());
    if (is_trusted(RUN_DIR))
        scan(RUN_DIR, true, each, context);
    if (geteuid() != 0 && me) { /* RUN_DIR may let us through without letting us read it */
        snprintf(dir, sizeof(dir), RUN_DIR "/%s", me->pw_name);
        if (access(RUN_DIR, R_OK) < 0 && is_trusted(dir))
            scan(dir, false, each, context);
    }
    if (runtime_directory(dir, sizeof(dir)) && is_trusted(dir))
        scan(dir, false, each, context);
    snprintf(dir, sizeof(dir), "/tmp/tenon-%u", (unsigned)geteuid());
    if (is_trusted(dir))
        scan(dir, false, each, context);
}
