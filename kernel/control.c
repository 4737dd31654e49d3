/* control.c: the control socket and its clients.
 *
 * Everything is non-blocking and bounded. A client's bytes are gathered to lines (TN_CONTROL_LINE_MAX); each
 * line is worked on when it is complete, and when there is room for what it will answer. */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_client.h"
#include "stack.h"

/* ---- Input ---- */

/* The input buffer is full and holds no whole line: its bytes, and all up to the next newline, are passed
 * over. */
static void input_skip(struct tn_client *client)
{
    if (!client->skipping)
        tn_client_error(client, NULL, "the request is longer than %d bytes", TN_CONTROL_LINE_MAX);
    client->skipping = true;
    client->in_len = 0;
}

/* Works on the whole lines that have come, as long as their answers find room. */
static void input_work(struct tn_client *client)
{
    size_t at = 0;
    while (!client->broken && !tn_client_is_full(client)) {
        char *line = client->in + at;
        const char *newline = memchr(line, '\n', client->in_len - at);
        if (!newline)
            break;
        at += (size_t)(newline - line) + 1;
        if (!client->skipping)
            tn_control_request(client, line, (size_t)(newline - line));
        client->skipping = false;
    }
    client->in_len -= at;
    memmove(client->in, client->in + at, client->in_len);
    if (at == 0 && client->in_len == TN_CONTROL_INPUT_SIZE && !tn_client_is_full(client))
        input_skip(client);
}

void tn_client_input(struct tn_client *client, const char *bytes, size_t len)
{
    while (len && !client->broken && client->in_len < TN_CONTROL_INPUT_SIZE) {
        size_t piece = tn_min(len, TN_CONTROL_INPUT_SIZE - client->in_len);
        memcpy(client->in + client->in_len, bytes, piece);
        client->in_len += piece;
        bytes += piece;
        len -= piece;
        input_work(client);
    }
}

/* Reads what has come; false when the client is gone. One read a turn: other clients and the stack come
 * between. */
static bool input_read(struct tn_client *client)
{
    size_t room = TN_CONTROL_INPUT_SIZE - client->in_len;
    if (!room)
        return true;
    ssize_t n = recv(client->watch.fd, client->in + client->in_len, room, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    client->in_len += (size_t)n;
    client->ended = n == 0;
    if (client->ended && client->in_len) /* the last line may lack its newline */
        client->in[client->in_len++] = '\n';
    return true;
}

/* ---- Clients ---- */

static void client_ready(struct tn_watch *watch, uint32_t events)
{
    struct tn_client *client = tn_container(watch, struct tn_client, watch);
    bool alive = !client->broken;
    client->stack->now =
        client->stack->env.now(client->stack->env.context); /* requests come between batches */
    if (alive && (events & EPOLLIN))
        alive = input_read(client);
    if (alive && client->out_at < client->out_len)
        alive = tn_client_write(client);
    if (alive)
        input_work(client);
    if (events & (EPOLLERR | EPOLLHUP)) /* the requests that it left behind have been worked on */
        alive = false;
    bool done = client->ended && client->out_at == client->out_len && !client->jobs && !client->tracing;
    if (!alive || client->broken || done)
        tn_client_destroy(client);
    else
        tn_client_watch(client);
}

struct tn_client *tn_client_create(struct tn_stack *stack, int fd)
{
    struct tn_client *client = calloc(1, sizeof(*client));
    char *in = malloc(TN_CONTROL_INPUT_SIZE);
    if (!client || !in) {
        free(client);
        free(in);
        return NULL;
    }
    client->stack = stack;
    client->in = in;
    client->watch = (struct tn_watch){.fd = fd, .ready = client_ready};
    if (fd >= 0 && tn_loop_add(stack->loop, &client->watch, EPOLLIN) < 0) {
        free(in);
        free(client);
        return NULL;
    }
    return client;
}

static void client_unlink(struct tn_control *control, struct tn_client *client)
{
    for (struct tn_client **link = &control->clients; *link; link = &(*link)->next)
        if (*link == client) {
            *link = client->next;
            control->count--;
            return;
        }
}

void tn_client_destroy(struct tn_client *client)
{
    client->broken = true; /* nothing more is sent to it */
    tn_jobs_cancel(client, NULL, NULL);
    if (client->tracing)
        tn_trace_remove(client->stack, &client->trace);
    if (client->stack->control)
        client_unlink(client->stack->control, client);
    if (client->watch.fd >= 0) {
        tn_loop_remove(client->stack->loop, &client->watch);
        close(client->watch.fd);
    }
    json_decref(client->trace_id);
    free(client->in);
    free(client->out);
    free(client);
}

static void refuse_client(int fd, unsigned limit)
{
    char line[128];
    int n = snprintf(line, sizeof(line), "{\"error\":\"too many control clients (limit %u)\"}\n", limit);
    send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

/* No descriptor is left for the client that waits. It would keep the loop from ever waiting: it is turned away. */
static void turn_away(struct tn_control *control)
{
    close(control->spare);
    int fd = accept4(control->listener.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    control->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void listener_ready(struct tn_watch *watch, uint32_t events)
{
    struct tn_control *control = tn_container(watch, struct tn_control, listener);
    int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE))
        turn_away(control);
    if (fd < 0)
        return;
    unsigned limit = control->stack->plan->limits.control_clients;
    if (control->count >= limit) {
        refuse_client(fd, limit);
        return;
    }
    struct tn_client *client = tn_client_create(control->stack, fd);
    if (!client) {
        close(fd);
        return;
    }
    client->next = control->clients;
    control->clients = client;
    control->count++;
}

/* ---- The socket ---- */

/* Whether a process answers at the socket file. */
static bool socket_is_live(const struct sockaddr_un *addr)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true;
    int r = connect(fd, (const struct sockaddr *)addr, sizeof(*addr));
    bool live = r == 0 || errno != ECONNREFUSED;
    close(fd);
    return live;
}

/* Something is at the path already: clears it away if it is the socket of a process that is gone. */
static int clear_stale(const struct sockaddr_un *addr, struct tn_error *error)
{
    struct stat st;
    if (lstat(addr->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode)) {
        snprintf(error->text, sizeof(error->text),
                 "%s: exists and is not a socket; remove it or choose another path", addr->sun_path);
        return -EEXIST;
    }
    if (socket_is_live(addr)) {
        snprintf(error->text, sizeof(error->text),
                 "%s: a running stack answers there already; stop it, or give this one another name or "
                 "control path",
                 addr->sun_path);
        return -EADDRINUSE;
    }
    return unlink(addr->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

static int listen_at(struct tn_control *control, struct tn_error *error)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    memcpy(addr.sun_path, control->path, sizeof(addr.sun_path));
    int r = clear_stale(&addr, error);
    if (r < 0)
        return r;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    control->listener = (struct tn_watch){.fd = fd, .ready = listener_ready};
    /* The mode of the socket is that of the file which bind() makes: never open to others, not even for a
     * moment. */
    struct stat st;
    if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
        return -errno;
    if (lstat(control->path, &st) == 0) {
        control->device = st.st_dev;
        control->inode = st.st_ino;
    }
    if (listen(fd, 64) < 0)
        return -errno;
    return tn_loop_add(control->stack->loop, &control->listener, EPOLLIN);
}

int tn_stack_control(struct tn_stack *stack, const char *path, struct tn_error *error)
{
    error->text[0] = '\0';
    if (stack->control) {
        snprintf(error->text, sizeof(error->text), "the stack has a control socket already: %s",
                 stack->control->path);
        return -EALREADY;
    }
    struct tn_control *control = calloc(1, sizeof(*control));
    if (!control)
        return -ENOMEM;
    control->stack = stack;
    control->listener.fd = -1;
    control->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int r = -ENAMETOOLONG;
    if (strlen(path) < sizeof(control->path)) {
        memcpy(control->path, path, strlen(path) + 1);
        r = listen_at(control, error);
    }
    if (r == 0) {
        stack->control = control;
        return 0;
    }
    if (!error->text[0])
        snprintf(error->text, sizeof(error->text), "%s: cannot make the control socket: %s", path,
                 strerror(-r));
    if (control->listener.fd >= 0)
        close(control->listener.fd);
    if (control->spare >= 0)
        close(control->spare);
    if (control->inode)
        unlink(control->path);
    free(control);
    return r;
}

void tn_control_close(struct tn_stack *stack)
{
    struct tn_control *control = stack->control;
    if (!control)
        return;
    for (struct tn_client *client; (client = control->clients);) {
        control->clients = client->next;
        tn_jobs_cancel(client, NULL, "the stack stops");
        if (!client->broken)
            tn_client_write(client);
        tn_client_destroy(client);
    }
    tn_loop_remove(stack->loop, &control->listener);
    close(control->listener.fd);
    close(control->spare);
    struct stat st;
    if (lstat(control->path, &st) == 0 && st.st_dev == control->device && st.st_ino == control->inode)
        unlink(control->path);
    stack->control = NULL;
    free(control);
}
