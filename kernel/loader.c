/* loader.c: from a file to code that may be called.
 *
 * The whole file is read into memory, so that nothing which happens to it afterwards matters. elf.c looks at
 * its headers; then a child process loads it first, so that a file which crashes the dynamic linker, or runs
 * code that it must not have, is refused and not felt. Only then it is loaded here, from an anonymous memory
 * file: a path that no other generation has, and that leaves nothing behind. The descriptor stays open for as
 * long as the code is in use, because glibc takes two libraries of the same path (/proc/self/fd/N) for the
 * same.
 *
 * For debuggers and profilers, which look for files by name: with TENON_PLUGIN_COPIES=DIR in the environment
 * the copies are kept in that directory. */
#include "loader.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "elf_file.h"

#define PLUGIN_FILE_MAX (64u << 20)

TN_PRINTF(2, 3) static void complain(struct tn_error *error, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(error->text, sizeof(error->text), fmt, ap);
    va_end(ap);
}

/* ---- The file ---- */

static int read_all(int fd, uint8_t *bytes, size_t size)
{
    size_t have = 0;
    while (have < size) {
        ssize_t n = pread(fd, bytes + have, size - have, (off_t)have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        have += (size_t)n;
    }
    return 0;
}

/* Reads the file behind `fd` into new memory. 0, or -errno with the reason. */
static int read_open_file(int fd, const char *path, uint8_t **bytes, size_t *size, struct tn_error *error)
{
    struct stat st = {0};
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        complain(error, "%s: is not a file", path);
        return -EINVAL;
    }
    if (st.st_size <= 0 || st.st_size > PLUGIN_FILE_MAX) {
        complain(error, "%s: is not an ELF file of a plugin: it has %lld bytes", path, (long long)st.st_size);
        return -ENOEXEC;
    }
    *size = (size_t)st.st_size;
    *bytes = malloc(*size);
    int err = *bytes ? read_all(fd, *bytes, *size) : -ENOMEM;
    if (err < 0) {
        complain(error, "%s: cannot be read: %s", path, strerror(-err));
        free(*bytes);
        *bytes = NULL;
    }
    return err;
}

static int read_file(const char *path, uint8_t **bytes, size_t *size, struct tn_error *error)
{
    /* O_NONBLOCK: a FIFO must not hang the stack. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        int err = -errno;
        complain(error, "%s: cannot be opened: %s", path, strerror(-err));
        return err;
    }
    int err = read_open_file(fd, path, bytes, size, error);
    close(fd);
    return err;
}

static int write_all(int fd, const uint8_t *bytes, size_t size)
{
    while (size) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        bytes += n;
        size -= (size_t)n;
    }
    return 0;
}

/* A private copy under a name that nothing else has: its descriptor, and its path in `path`. */
static int private_copy(const char *name, const uint8_t *bytes, size_t size, char *path, size_t path_size)
{
    const char *keep = getenv("TENON_PLUGIN_COPIES");
    int fd;
    if (keep) {
        snprintf(path, path_size, "%s/%s.XXXXXX", keep, name);
        fd = mkostemp(path, O_CLOEXEC);
    } else {
        fd = memfd_create(name, MFD_CLOEXEC);
        snprintf(path, path_size, "/proc/self/fd/%d", fd);
    }
    if (fd < 0)
        return -errno;
    int err = write_all(fd, bytes, size);
    if (err < 0) {
        close(fd);
        return err;
    }
    return fd;
}

/* ---- The descriptor ---- */

static bool claims_hold(const struct tn_claim *claims, size_t count, const struct tn_claim *claim)
{
    for (size_t i = 0; i < count; i++)
        if (claims[i].table == claim->table && claims[i].family == claim->family &&
            claims[i].key == claim->key)
            return true;
    return false;
}

/* The first of `a` that `b` lacks, to `out`. Manifests say nothing of inputs. */
static bool find_missing_claim(const struct tn_claim *a, size_t a_count, const struct tn_claim *b,
                               size_t b_count, struct tn_text *out)
{
    for (size_t i = 0; i < a_count; i++)
        if (!claims_hold(b, b_count, &a[i])) {
            tn_claim_text(out, a[i].table, a[i].family, a[i].key);
            return true;
        }
    return false;
}

static bool claims_differ(const struct tn_plugin *p, const struct tn_manifest *m, struct tn_text *out)
{
    return find_missing_claim(p->claims, p->claim_count, m->claims, m->claim_count, out) ||
           find_missing_claim(m->claims, m->claim_count, p->claims, p->claim_count, out);
}

static bool same_option(const struct tn_option *a, const struct tn_manifest_option *b)
{
    return strcmp(a->name, b->name) == 0 && a->type == b->type;
}

/* The first option that only one of them has, or has by another type. */
static const char *find_differing_option(const struct tn_plugin *p, const struct tn_manifest *m)
{
    for (size_t i = 0; i < p->option_count; i++) {
        bool found = false;
        for (size_t j = 0; j < m->option_count; j++)
            found |= same_option(&p->options[i], &m->options[j]);
        if (!found)
            return p->options[i].name;
    }
    for (size_t j = 0; j < m->option_count; j++) {
        bool found = false;
        for (size_t i = 0; i < p->option_count; i++)
            found |= same_option(&p->options[i], &m->options[j]);
        if (!found)
            return m->options[j].name;
    }
    return NULL;
}

static bool claims_have_operations(const struct tn_plugin *p)
{
    for (size_t i = 0; i < p->claim_count; i++) {
        const struct tn_claim *c = &p->claims[i];
        bool fine = c->table == TN_TABLE_FAMILY     ? p->network != NULL
                    : c->table == TN_TABLE_RESOLVER ? p->resolver != NULL
                    : c->table == TN_TABLE_REPORTER ? p->reporter != NULL
                                                    : c->input < p->input_count && p->inputs[c->input];
        if (!fine || (c->table == TN_TABLE_LINKTYPE && !p->framing))
            return false;
    }
    return true;
}

static bool kind_has_operations(const struct tn_plugin *p)
{
    const struct tn_congestion_ops *congestion = p->congestion;
    bool is_congestion = strcmp(p->kind, "congestion") == 0;
    return is_congestion == (congestion != NULL) &&
           (!congestion ||
            (congestion->record_size <= TN_CONGESTION_RECORD && congestion->acked && congestion->reduce));
}

static bool lists_are_there(const struct tn_plugin *p)
{
    return p->name && p->version && p->kind && p->schema && (p->claims || !p->claim_count) &&
           (p->options || !p->option_count) && (p->counters || !p->counter_count) &&
           (p->drops || !p->drop_count) && (p->commands || !p->command_count) &&
           (p->inputs || !p->input_count) && (p->timers || !p->timer_count);
}

static int check_abi(const struct tn_plugin *p, const char *path, struct tn_error *error)
{
    if (p->magic != TN_PLUGIN_MAGIC)
        complain(error,
                 "%s: its descriptor has the wrong magic number 0x%08x, expected 0x%08x: not a Tenon plugin",
                 path, p->magic, TN_PLUGIN_MAGIC);
    else if (p->abi_major != TN_ABI_MAJOR)
        complain(error,
                 "%s: was built for plugin ABI %u.%u; this is ABI %u.%u: build it anew against these headers",
                 path, p->abi_major, p->abi_minor, TN_ABI_MAJOR, TN_ABI_MINOR);
    else if (p->abi_minor > TN_ABI_MINOR)
        complain(error, "%s: needs plugin ABI %u.%u or newer; this is ABI %u.%u: update Tenon", path,
                 p->abi_major, p->abi_minor, TN_ABI_MAJOR, TN_ABI_MINOR);
    else if (p->size != sizeof(*p))
        complain(error, "%s: the size of its descriptor is %u bytes, expected %zu", path, p->size,
                 sizeof(*p));
    else
        return 0;
    return -ENOEXEC;
}

/* Says what the manifest and the descriptor disagree about. */
static int check_manifest(const struct tn_plugin *p, const struct tn_manifest *m, const char *path,
                          struct tn_error *error)
{
    const struct {
        const char *what, *manifest, *code;
    } texts[] = {
        {"kind", m->kind, p->kind},
        {"version", m->version, p->version},
        {"schema", m->schema, p->schema},
    };
    if (strcmp(m->name, p->name) != 0) {
        complain(error, "%s: is a build of '%s', not of '%s'", path, p->name, m->name);
        return -EINVAL;
    }
    for (size_t i = 0; i < TN_ARRAY_SIZE(texts); i++)
        if (!texts[i].manifest || strcmp(texts[i].manifest, texts[i].code) != 0) {
            complain(error,
                     "%s: disagrees with its manifest %s: %s is '%s' in the code and '%s' in the manifest",
                     path, m->path, texts[i].what, texts[i].code, texts[i].manifest ? texts[i].manifest : "");
            return -EINVAL;
        }
    char claim[64];
    struct tn_text t = tn_text_init(claim, sizeof(claim));
    const char *option = find_differing_option(p, m);
    if (claims_differ(p, m, &t))
        complain(error, "%s: disagrees with its manifest %s: only one of them provides %s", path, m->path,
                 claim);
    else if (option)
        complain(error, "%s: disagrees with its manifest %s about the option '%s'", path, m->path, option);
    else
        return 0;
    return -EINVAL;
}

static int check_plugin(const struct tn_plugin *p, const struct tn_manifest *m, const char *path,
                        struct tn_error *error)
{
    if (!p) {
        complain(error, "%s: tn_plugin_entry() gives no descriptor", path);
        return -ENOEXEC;
    }
    int err = check_abi(p, path, error);
    if (err == 0 && (!lists_are_there(p) || !claims_have_operations(p) || !kind_has_operations(p))) {
        complain(
            error,
            "%s: its descriptor is incomplete: a list or an operation that it counts or claims is missing",
            path);
        err = -ENOEXEC;
    }
    return err < 0 ? err : check_manifest(p, m, path, error);
}

/* ---- Loading ---- */

/* Loads the copy and checks what it says of itself. */
static int load(struct tn_library *library, const char *copy, const struct tn_manifest *manifest,
                struct tn_error *error)
{
    library->handle = dlopen(copy, RTLD_NOW | RTLD_LOCAL);
    if (!library->handle) {
        const char *reason = dlerror();
        /* The linker names the copy; people know the file. */
        size_t prefix = reason && strncmp(reason, copy, strlen(copy)) == 0 ? strlen(copy) + 2 : 0;
        complain(error, "%s: cannot be loaded: %s", library->path,
                 reason ? reason + prefix : "no reason given");
        return -ENOEXEC;
    }
    const struct tn_plugin *(*entry)(void);
    *(void **)&entry = dlsym(library->handle, "tn_plugin_entry");
    if (!entry) {
        complain(error, "%s: has no function tn_plugin_entry(): not a Tenon plugin", library->path);
        return -ENOEXEC;
    }
    library->plugin = entry();
    int err = check_plugin(library->plugin, manifest, library->path, error);
    if (err < 0)
        return err;
    char mapped_id[65];
    tn_elf_mapped_build_id((const void *)library->plugin, mapped_id);
    if (strcmp(mapped_id, library->build_id) != 0) {
        complain(error,
                 "%s: the loaded code has build id '%s', the file '%s': an older build is still in use",
                 library->path, mapped_id, library->build_id);
        return -EBUSY;
    }
    return 0;
}

/* In the child: loads, and tells the parent why it can't be. */
static void try_in_child(struct tn_library *library, const char *copy, const struct tn_manifest *manifest,
                         int pipe_fd)
{
    struct tn_error error = {{0}};
    alarm(10);
    for (int sig = 1; sig < NSIG; sig++)
        signal(sig, sig == SIGPIPE ? SIG_IGN : SIG_DFL);
    int null = open("/dev/null", O_RDWR);
    if (null >= 0) {
        dup2(null, 1);
        dup2(null, 2);
    }
    int err = load(library, copy, manifest, &error);
    if (err < 0)
        (void)!write(pipe_fd, error.text, sizeof(error.text));
    else
        dlclose(library->handle); /* which must not fall either, when its time comes */
    _exit(err < 0 ? 1 : 0);
}

/* Whether a child process can load the copy and lives. */
static int trial(struct tn_library *library, const char *copy, const struct tn_manifest *manifest,
                 struct tn_error *error)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0) {
        int err = -errno;
        complain(error, "%s: no pipe to a process to try it in: %s", library->path, strerror(-err));
        return err;
    }
    pid_t pid = fork();
    if (pid == 0)
        try_in_child(library, copy, manifest, fds[1]);
    close(fds[1]);
    int status = 0;
    ssize_t n = 0;
    if (pid > 0) {
        while ((n = read(fds[0], error->text, sizeof(error->text))) < 0 && errno == EINTR)
            ;
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    close(fds[0]);
    error->text[sizeof(error->text) - 1] = '\0';
    if (pid < 0) {
        complain(error, "%s: no process to try it in: %s", library->path, strerror(errno));
        return -EAGAIN;
    }
    if (WIFSIGNALED(status)) {
        complain(
            error,
            "%s: is damaged, or does what it must not: loading it ended a trial process with signal %d (%s)",
            library->path, WTERMSIG(status), strsignal(WTERMSIG(status)));
        return -ENOEXEC;
    }
    if (WEXITSTATUS(status) == 0)
        return 0;
    if (n <= 0)
        complain(error, "%s: ended the trial process that loaded it", library->path);
    return -ENOEXEC;
}

int tn_library_open(const char *path, const struct tn_manifest *manifest, struct tn_library **out,
                    struct tn_error *error)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    int err = read_file(path, &bytes, &size, error);
    if (err < 0)
        return err;
    struct tn_library *library = calloc(1, sizeof(*library));
    char copy[4096] = "";
    if (!library || !(library->path = strdup(path))) {
        complain(error, "%s: no memory", path);
        err = -ENOMEM;
    } else {
        library->fd = -1;
        err = tn_elf_check(bytes, size, path, library->build_id, error);
    }
    if (err == 0 && (library->fd = private_copy(manifest->name, bytes, size, copy, sizeof(copy))) < 0) {
        err = library->fd;
        complain(error, "%s: no private copy can be made (%s): %s", path, copy, strerror(-err));
    }
    free(bytes);
    if (err == 0)
        err = trial(library, copy, manifest, error);
    if (err == 0)
        err = load(library, copy, manifest, error);
    if (err < 0) {
        tn_library_close(library);
        return err;
    }
    *out = library;
    return 0;
}

void tn_library_close(struct tn_library *library)
{
    if (!library)
        return;
    if (library->handle)
        dlclose(library->handle);
    if (library->fd >= 0)
        close(library->fd);
    free(library->path);
    free(library);
}
