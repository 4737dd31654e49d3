/* client.c: talking to a running stack by its control socket. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tool.h"

/* A stack answers at once; one that doesn't in this time hangs. */
#define ANSWER_MS 30000

struct client {
    int fd;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    char *in;
    size_t in_len, in_size;
    size_t line_len; /* of the line that was handed out last, to be passed over */
};

/* ---- Arguments ---- */

bool set_target(struct target *target, int option)
{
    if (option == OPTION_CONTROL)
        target->control = optarg;
    else if (option == OPTION_STACK)
        target->stack = optarg;
    else
        return false;
    return true;
}

int read_target(const struct verb *verb, int argc, char **argv, struct target *target, bool *json)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, OPTION_JSON},
        TARGET_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    int done, option;
    while ((option = next_option(verb, argc, argv, "", json ? options : options + 1, &done)) >= 0)
        if (!set_target(target, option) && json)
            *json = true;
    return done;
}

/* ---- Connecting ---- */

/* A descriptor, or a negative errno. */
static int connect_to(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(addr.sun_path))
        return -ENAMETOOLONG;
    memcpy(addr.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
        return fd;
    int error = errno;
    close(fd);
    return -error;
}

struct found {
    const char *wanted; /* a name, or NULL: any */
    int fd;             /* of the first that answers; -1: none */
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    unsigned count;
    char list[512]; /* all that answer, for people */
    struct tn_text text;
};

static void try_path(void *context, const char *name, const char *path)
{
    struct found *found = context;
    if (found->wanted && strcmp(found->wanted, name) != 0)
        return;
    int fd = connect_to(path);
    if (fd < 0)
        return;
    tn_text_add(&found->text, "\n    %-12s %s", name, path);
    if (found->count++ == 0) {
        found->fd = fd;
        snprintf(found->path, sizeof(found->path), "%s", path);
    } else {
        close(fd);
    }
}

static int find_stack(const struct target *target, struct found *found)
{
    *found = (struct found){.wanted = target->stack, .fd = -1};
    found->text = tn_text_init(found->list, sizeof(found->list));
    each_control_path(try_path, found);
    if (found->count == 1)
        return 0;
    if (found->count == 0 && target->stack)
        return fail(
            EXIT_NO_STACK,
            "no stack named '%s' runs here (or it is another user's). --control PATH names its socket.",
            target->stack);
    if (found->count == 0)
        return fail(
            EXIT_NO_STACK,
            "no stack runs here (or it is another user's). 'tenon run FILE' starts one; --control PATH "
            "names the socket of one elsewhere.");
    close(found->fd);
    return fail(EXIT_USAGE, "several stacks run here; say which with --stack NAME or --control PATH:%s",
                found->list);
}

static int reach(const struct target *target, struct found *found)
{
    if (!target->control)
        return find_stack(target, found);
    found->fd = connect_to(target->control);
    if (found->fd >= 0) {
        snprintf(found->path, sizeof(found->path), "%s", target->control);
        return 0;
    }
    return fail(EXIT_NO_STACK, "%s: no stack answers there: %s", target->control, strerror(-found->fd));
}

int client_open(const struct target *target, struct client **out)
{
    struct found found;
    int code = reach(target, &found);
    if (code)
        return code;
    struct client *client = calloc(1, sizeof(*client));
    if (!client) {
        close(found.fd);
        fail(EXIT_FAILED, "out of memory");
        return EXIT_FAILED;
    }
    client->fd = found.fd;
    snprintf(client->path, sizeof(client->path), "%s", found.path);
    *out = client;
    return 0;
}

void client_close(struct client *client)
{
    close(client->fd);
    free(client->in);
    free(client);
}

/* ---- Talking ---- */

bool client_send(struct client *client, json_t *request)
{
    char *line = json_dumps(request, JSON_COMPACT);
    size_t len = line ? strlen(line) : 0, at = 0;
    json_decref(request);
    if (!line)
        return false;
    line[len++] = '\n'; /* in the place of the '\0' */
    while (at < len) {
        ssize_t n = send(client->fd, line + at, len - at, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            break;
        at += n > 0 ? (size_t)n : 0;
    }
    free(line);
    return at == len;
}

static int64_t milliseconds_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Reads more; false when there is none (in time). A signal that interrupts the waiting ends it too. */
static bool read_more(struct client *client, int64_t until)
{
    int64_t left = until < 0 ? -1 : until - milliseconds_now();
    struct pollfd poll_fd = {.fd = client->fd, .events = POLLIN};
    if (until >= 0 && left < 0)
        left = 0;
    if (poll(&poll_fd, 1, (int)left) <= 0)
        return false;
    if (client->in_size - client->in_len < 4096) {
        size_t size = client->in_size * 2 + 65536;
        char *in = realloc(client->in, size);
        if (!in)
            return false;
        client->in = in;
        client->in_size = size;
    }
    ssize_t n = recv(client->fd, client->in + client->in_len, client->in_size - client->in_len, 0);
    client->in_len += n > 0 ? (size_t)n : 0;
    return n > 0;
}

json_t *client_receive(struct client *client, int milliseconds)
{
    int64_t until = milliseconds < 0 ? -1 : milliseconds_now() + milliseconds;
    size_t looked = 0;
    const char *newline = NULL;
    client->in_len -= client->line_len;
    if (client->line_len)
        memmove(client->in, client->in + client->line_len, client->in_len);
    client->line_len = 0;
    while (!newline) {
        if (looked == client->in_len && !read_more(client, until))
            return NULL;
        newline = memchr(client->in + looked, '\n', client->in_len - looked);
        looked = client->in_len;
    }
    client->line_len = (size_t)(newline - client->in) + 1;
    return json_loadb(client->in, client->line_len - 1, 0, NULL);
}

int client_ask(struct client *client, json_t *request, json_t **answer)
{
    *answer = client_send(client, request) ? client_receive(client, ANSWER_MS) : NULL;
    if (!*answer)
        return fail(EXIT_NO_STACK, "%s: the stack does not answer", client->path);
    const char *error = json_string_value(json_object_get(*answer, "error"));
    if (!error)
        return 0;
    fail(EXIT_FAILED, "%s", error);
    json_decref(*answer);
    *answer = NULL;
    return EXIT_FAILED;
}

int ask_stack(const struct target *target, json_t *request, json_t **answer)
{
    struct client *client;
    int code = client_open(target, &client);
    if (code) {
        json_decref(request);
        return code;
    }
    code = client_ask(client, request, answer);
    client_close(client);
    return code;
}

int ask_and_print(const struct target *target, json_t *request, bool json,
                  void (*print)(const json_t *answer))
{
    json_t *answer;
    int code = ask_stack(target, request, &answer);
    if (code)
        return code;
    if (json)
        print_json(answer);
    else
        print(answer);
    json_decref(answer);
    return EXIT_DONE;
}

void print_json(const json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT);
    puts(text ? text : "null");
    free(text);
}
