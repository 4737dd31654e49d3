/* store.c: what plugins keep beyond the life of the process: a file each, STACK.PLUGIN.NAME in the environment's state
 * directory, written beside its place and renamed onto it, so that it is whole whenever the process or the machine ends. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

static bool good_name(const char *name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    size_t len = strlen(name);
    return len > 0 && len <= 64 && strspn(name, allowed) == len;
}

/* Writes the path of what is kept by this name, with `suffix`. */
static int path_of(struct tn_self *self, const char *name, const char *suffix, char path[PATH_MAX])
{
    const struct tn_stack *stack = self->stack;
    if (!stack->env.state_directory)
        return -EROFS;
    if (!good_name(name))
        return -EINVAL;
    int n = snprintf(path, PATH_MAX, "%s/%s.%s.%s%s", stack->env.state_directory, stack->plan->name,
                     tn_slot_of(self)->name, name, suffix);
    return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int write_whole(int fd, const void *bytes, size_t len)
{
    ssize_t n = write(fd, bytes, len);
    if (n < 0)
        return -errno;
    if ((size_t)n < len)
        return -ENOSPC;
    return fsync(fd) < 0 ? -errno : 0;
}

static int write_file(const char *path, const void *bytes, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int error = write_whole(fd, bytes, len);
    if (close(fd) < 0 && error == 0)
        error = -errno;
    return error;
}

static int replace(struct tn_self *self, const char *name, const void *bytes, size_t len)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    int error = path_of(self, name, "", path);
    if (error == 0)
        error = path_of(self, name, ".new", fresh);
    if (error < 0)
        return error;
    if (len == 0)
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
    (void)mkdir(self->stack->env.state_directory, 0755); /* its parent is the administrator's */
    error = write_file(fresh, bytes, len);
    if (error == 0 && rename(fresh, path) < 0)
        error = -errno;
    if (error < 0)
        (void)unlink(fresh);
    return error;
}

int tn_core_store_write(struct tn_self *self, const char *name, const void *bytes, size_t len)
{
    int error = len > TN_STORE_MAX ? -EFBIG : replace(self, name, bytes, len);
    if (error < 0 && self->stack->env.state_directory)
        tn_log(self->stack, TN_LOG_WARNING, tn_slot_of(self)->name, "cannot keep %s in %s: %s", name,
               self->stack->env.state_directory, strerror(-error));
    return error;
}

ssize_t tn_core_store_read(struct tn_self *self, const char *name, void *bytes, size_t size)
{
    char path[PATH_MAX];
    struct stat st;
    int error = path_of(self, name, "", path);
    if (error < 0)
        return error;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    ssize_t n = fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ? -1 : read(fd, bytes, size);
    close(fd);
    if (n < 0)
        return -EIO;
    return st.st_size > n ? (ssize_t)st.st_size : n;
}
