/* stack.h: the embedding API: a whole TCP/IP stack inside a program.
 *
 *     struct tn_stack *stack;
 *     struct tn_error error;
 *     if (tn_stack_create(tn_env_real(), yaml_text, "stack.yaml", &stack, &error) < 0)
 *         die(error.text);
 *     tn_stack_run(stack);         // or: poll tn_stack_fd() until tn_stack_deadline(), call tn_stack_step()
 *     tn_stack_destroy(stack);
 *
 * One stack is used from one thread at a time. Many stacks may live in a process; they share nothing.
 * Functions return 0 (or a count) or a negative errno, unless they say otherwise. This header and sim.h are
 * for C and C++; what plugins include is for C only. */
#ifndef TENON_STACK_H
#define TENON_STACK_H

#include <sys/socket.h>
#include <sys/types.h>

#include "tenon/types.h"

/* libtenon is built with hidden visibility: what this header declares is what it exports. */
#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

struct tn_stack;

/* A sentence for people: what was wrong, where, and what was expected. */
struct tn_error {
    char text[1024];
};

/* What a stack takes from its creator. `context` is handed to every function.
 *
 * The clock may be the creator's own, one that moves only when it says so (sim.h makes one; a variable will do). Nothing
 * happens then but in tn_stack_step(), at the time that now() returns: to let time pass, set the clock to
 * tn_stack_deadline(), which is the next point at which anything is due, and step until it lies beyond now. With a `host`
 * link, a program so drives a stack packet by packet with exact times (docs/scripts.md). */
struct tn_env {
    void *context;
    tn_time (*now)(void *context);                          /* monotonic */
    int64_t (*wall)(void *context);                         /* nanoseconds since 1970 */
    void (*random)(void *context, void *bytes, size_t len); /* seeds keys and the generator, at creation */
    void (*log)(void *context, enum tn_level level, const char *who, const char *text);
    /* Where plugins lie, "dir:dir". NULL: $TENON_PLUGIN_PATH, then tenon/plugins beside the library, then the
     * built-in place. Kept by reference. */
    const char *plugin_path;
    uint8_t log_level; /* of plugins that stack.yaml names no level for: enum tn_level + 1; 0: as it says */
    /* Where plugins keep what is to outlive the process (leases); made when something is first kept. NULL: nothing is kept.
     * By reference. */
    const char *state_directory;
    bool real_time; /* now() is CLOCK_MONOTONIC: calls may wait (tn_stack_wait(), tn_set_blocking()) */
};

/* CLOCK_MONOTONIC, getrandom, a log on stderr. */
const struct tn_env *tn_env_real(void);

/* Makes a stack from the text of a stack.yaml (`name` appears in errors as the file's name) and starts its
 * plugins and interfaces. On failure nothing is left behind and `error` says why. The env is copied. */
int tn_stack_create(const struct tn_env *env, const char *yaml, const char *name, struct tn_stack **stack,
                    struct tn_error *error);
int tn_stack_create_file(const struct tn_env *env, const char *path, struct tn_stack **stack,
                         struct tn_error *error);

/* Ends it: resets connections, closes devices, unloads plugins, frees all memory. NULL is allowed. */
void tn_stack_destroy(struct tn_stack *stack);

/* Checks the text as tn_stack_create does before it starts anything. When it is right, `error` holds a remark
 * about it, such as "it has no interfaces", or an empty text. */
int tn_stack_check(const struct tn_env *env, const char *yaml, const char *name, struct tn_error *error);

/* What plugin `name` on the env's plugin path is, as `tenon describe NAME` prints it; free() it. */
int tn_describe(const struct tn_env *env, const char *name, char **text, struct tn_error *error);
/* Every plugin on the path: a line each, "name<tab>kind<tab>summary"; free() it. NULL: no memory. */
char *tn_describe_all(const struct tn_env *env);

/* "0.1.0" */
const char *tn_version(void);
/* The word of the list (NULL-terminated) that `word` is most likely a misspelling of; NULL: none is near. */
const char *tn_nearest(const char *word, const char *const *words);

/* Runs until tn_stack_stop() (which may be called from a signal handler). */
int tn_stack_run(struct tn_stack *stack);
void tn_stack_stop(struct tn_stack *stack);

/* Does what is to do now, without waiting: frames in, timers, socket events, frames out. Returns whether
 * there is more to do at once. */
bool tn_stack_step(struct tn_stack *stack);
/* Waits until a device has something, a timer is due or `until` has come (a time on the stack's clock, TN_NEVER: as long as it
 * takes), and does what tn_stack_step() does. 0; -EINTR: a signal came, or tn_stack_stop() was called; -EOPNOTSUPP: the
 * stack's clock is not the real one, or this is a callback from a step. */
int tn_stack_wait(struct tn_stack *stack, tn_time until);
/* When tn_stack_step() must be called next if nothing comes in before: a time on the stack's clock, TN_NEVER
 * if there is nothing to wait for. */
tn_time tn_stack_deadline(const struct tn_stack *stack);
/* A descriptor that is readable when a device has something (an epoll descriptor). */
int tn_stack_fd(const struct tn_stack *stack);
tn_time tn_stack_now(const struct tn_stack *stack);

/* Applies the difference between the running configuration and `yaml`. All or nothing: on failure the old
 * configuration stays and `error` says why. `report`, if not NULL, gets what was done, a line each. */
int tn_stack_reload(struct tn_stack *stack, const char *yaml, const char *name, struct tn_error *error,
                    char *report, size_t report_size);

/* Replaces the code of plugin `name` by the build at `path` (NULL: the plugin path's). The old code stays if
 * anything fails. */
int tn_stack_swap(struct tn_stack *stack, const char *name, const char *path, struct tn_error *error);
/* Build id (hex) of the code that runs as `name`; NULL if there is none. Valid until the next swap of it. */
const char *tn_stack_build_id(const struct tn_stack *stack, const char *name);

/* A counter ("tcp", "segments-in"), also "drops" of a plugin by reason; UINT64_MAX if there is none such. */
uint64_t tn_stack_counter(const struct tn_stack *stack, const char *plugin, const char *counter);
uint64_t tn_stack_drops(const struct tn_stack *stack, const char *plugin, const char *reason);

/* What is in use, for tests that nothing leaked. */
struct tn_usage {
    size_t packets; /* packet records */
    size_t buffers;
    size_t sockets;
    size_t timers;
    size_t neighbours;
    size_t plugin_bytes; /* alloc() of plugins, and slab records */
};
void tn_stack_usage(const struct tn_stack *stack, struct tn_usage *usage);

/* Serves the control protocol (one JSON object a line) on a Unix socket at `path`. */
int tn_stack_control(struct tn_stack *stack, const char *path, struct tn_error *error);

/* A table as `tenon show TABLE --json` prints it, by tn_show_tables(); free() it. -ENOENT. */
int tn_stack_show(struct tn_stack *stack, const char *table, char **json, struct tn_error *error);
/* Names of the tables, NULL-terminated. */
const char *const *tn_show_tables(void);

/* Every frame that passes, as one line of text, while `fn` is not NULL. `colour`: with terminal colours. */
typedef void tn_trace_fn(void *context, const char *line);
void tn_stack_trace(struct tn_stack *stack, tn_trace_fn *fn, void *context, bool colour);

/* Every frame that passes, raw: `out` says which way. For captures and for hashing runs. */
typedef void tn_frame_fn(void *context, tn_time now, const char *interface, bool out, const void *frame,
                         size_t len);
void tn_stack_observe(struct tn_stack *stack, tn_frame_fn *fn, void *context);

/* ---- Host links: frames handed over by the program ---- */

/* Hands a frame (Ethernet, or an IP packet where the interface says `mode: ip`) to interface `name`, whose
 * driver is `host`; it is worked on in the next step. The bytes are copied. -ENODEV, -EMSGSIZE, -ENOBUFS. */
int tn_host_send(struct tn_stack *stack, const char *name, const void *frame, size_t len);
/* The next frame that the stack sent on `name`, copied to `frame` (cut at `size`); its whole length, or
 * -EAGAIN. */
ssize_t tn_host_receive(struct tn_stack *stack, const char *name, void *frame, size_t size);
/* Joins two interfaces of different stacks of one thread, both of driver `wire` or `host`: what one sends the
 * other receives. Until one of the stacks is destroyed. */
int tn_stack_join(struct tn_stack *a, const char *name_a, struct tn_stack *b, const char *name_b);

/* ---- Sockets ---- */

/* As in POSIX, with a stack before the descriptor and negative errno values instead of errno; docs/sockets.md lists calls,
 * options, flags and errors. A new socket does not block: -EAGAIN, -EINPROGRESS, and the step that makes progress is the
 * caller's. tn_set_blocking() has its calls wait; connections that a blocking listener accepts block, too. */
int tn_socket(struct tn_stack *stack, int domain, int type, int protocol);
int tn_bind(struct tn_stack *stack, int fd, const struct sockaddr *addr, socklen_t len);
int tn_listen(struct tn_stack *stack, int fd, int backlog);
int tn_accept(struct tn_stack *stack, int fd, struct sockaddr *addr, socklen_t *len);
int tn_connect(struct tn_stack *stack, int fd, const struct sockaddr *addr, socklen_t len);
ssize_t tn_send(struct tn_stack *stack, int fd, const void *bytes, size_t len, int flags);
ssize_t tn_sendto(struct tn_stack *stack, int fd, const void *bytes, size_t len, int flags,
                  const struct sockaddr *addr, socklen_t addr_len);
ssize_t tn_recv(struct tn_stack *stack, int fd, void *bytes, size_t len, int flags);
ssize_t tn_recvfrom(struct tn_stack *stack, int fd, void *bytes, size_t len, int flags, struct sockaddr *addr,
                    socklen_t *addr_len);
/* With struct msghdr: data in pieces; ancillary data IP_PKTINFO, IP_TTL and IP_TOS; msg_flags MSG_TRUNC, MSG_CTRUNC. */
ssize_t tn_sendmsg(struct tn_stack *stack, int fd, const struct msghdr *msg, int flags);
ssize_t tn_recvmsg(struct tn_stack *stack, int fd, struct msghdr *msg, int flags);
/* FIONREAD, SIOCOUTQ, SIOCATMARK, FIONBIO. */
int tn_ioctl(struct tn_stack *stack, int fd, unsigned long request, int *value);
/* Has tn_accept(), tn_connect(), tn_send…() and tn_recv…() wait on this socket, by stepping the stack until they are done, the
 * time of SO_RCVTIMEO or SO_SNDTIMEO is over (-EAGAIN; tn_connect(): -EINPROGRESS) or a signal comes (-EINTR). In a callback
 * from a step they do not wait. -EOPNOTSUPP where the stack's clock is not the real one (tn_env.real_time). */
int tn_set_blocking(struct tn_stack *stack, int fd, bool on);
int tn_shutdown(struct tn_stack *stack, int fd, int how);
int tn_close(struct tn_stack *stack, int fd);
int tn_getsockname(struct tn_stack *stack, int fd, struct sockaddr *addr, socklen_t *len);
int tn_getpeername(struct tn_stack *stack, int fd, struct sockaddr *addr, socklen_t *len);
int tn_setsockopt(struct tn_stack *stack, int fd, int level, int name, const void *value, socklen_t len);
int tn_getsockopt(struct tn_stack *stack, int fd, int level, int name, void *value, socklen_t *len);

/* Options of level SOL_SOCKET that Linux has not. TN_SO_VRF (int): the VRF that the socket is in (0), or TN_VRF_ANY: it
 * takes what comes in any VRF that has no socket of its own for it; connections that it accepts are in the VRF in which
 * they came. Set it before the socket has a port (-EINVAL after). */
#define TN_SO_VRF 0x544e01

/* ---- Names ---- */

/* An address that a name has, in network order. */
struct tn_resolved {
    sa_family_t family;
    unsigned char bytes[16]; /* AF_INET: the first 4 */
};
#define TN_RESOLVED_MAX 16 /* more are left out */

/* What was found. `error`: 0; -ENOENT: there is no such name; -ETIMEDOUT, -ECONNREFUSED, -EIO: of the name servers;
 * -ECANCELED: the stack ends. `found` is valid during the call. */
typedef void tn_resolved_fn(void *context, int error, const struct tn_resolved *found, size_t count);
/* Asks the name servers (of stack.yaml, and those that DHCP told) for the addresses of `name`, over this stack's own
 * sockets in VRF 0. `fn` is called once: from a later tn_stack_step(), or before this returns. `family`: AF_INET. 0, or a
 * negative errno and `fn` is not called: -EDESTADDRREQ: no name server is known; -EAGAIN: too many questions are open.
 * Unanswered questions are repeated by the machine's clock, also in a stack whose own clock is virtual. */
int tn_resolve(struct tn_stack *stack, const char *name, int family, tn_resolved_fn *fn, void *context);

/* Like poll(): events and revents are POLLIN, POLLOUT, POLLPRI, POLLERR, POLLHUP. Looks once, does not wait. tn_poll_wait() waits for
 * `timeout` at most (TN_NEVER: as long as it takes), stepping the stack: -EINTR; -EOPNOTSUPP as tn_stack_wait(). */
struct tn_pollfd {
    int fd;
    short events;
    short revents;
};
int tn_poll(struct tn_stack *stack, struct tn_pollfd *fds, size_t count);
int tn_poll_wait(struct tn_stack *stack, struct tn_pollfd *fds, size_t count, tn_time timeout);

/* Calls `fn` from tn_stack_step() whenever something new happened to `fd` (`events`: POLL…). NULL: no more.
 */
typedef void tn_ready_fn(void *context, int fd, short events);
int tn_on_ready(struct tn_stack *stack, int fd, tn_ready_fn *fn, void *context);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop

#endif
