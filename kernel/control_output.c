/* control_output.c: what a client of the control socket is sent: answers and trace lines.
 *
 * Answers are put into the client's buffer, which the loop writes when the socket takes it: neither a request nor
 * a trace line costs a system call within a batch. A client that can't be kept is not freed here (this may be
 * in the middle of a plugin's call) but shut down: the loop then reports it as hung up, and control.c frees it. */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "control_client.h"
#include "log.h"
#include "stack.h"

bool tn_client_is_full(const struct tn_client *client)
{
    return client->out_len - client->out_at > TN_CONTROL_TRACE_MAX;
}

/* ---- Output ---- */

static void client_break(struct tn_client *client)
{
    client->broken = true;
    client->out_len = client->out_at = 0;
    if (client->watch.fd >= 0)
        shutdown(client->watch.fd, SHUT_RDWR);
}

void tn_client_watch(struct tn_client *client)
{
    bool reads = !client->ended && client->in_len < TN_CONTROL_INPUT_SIZE;
    bool writes = client->out_len > client->out_at;
    uint32_t events = (reads ? (uint32_t)EPOLLIN : 0u) | (writes ? (uint32_t)EPOLLOUT : 0u);
    if (client->watch.fd >= 0 && client->watch.events != events)
        tn_loop_change(client->stack->loop, &client->watch, events);
}

/* Room for `len` more bytes: moves what waits to the front, or takes a larger buffer. */
static bool output_reserve(struct tn_client *client, size_t len)
{
    size_t waiting = client->out_len - client->out_at;
    if (waiting + len > TN_CONTROL_OUTPUT_MAX)
        return false;
    if (client->out_len + len <= client->out_size)
        return true;
    if (client->out_at) {
        memmove(client->out, client->out + client->out_at, waiting);
        client->out_at = 0;
        client->out_len = waiting;
    }
    if (waiting + len <= client->out_size)
        return true;
    size_t size = tn_max(4096, (waiting + len) * 2);
    char *out = realloc(client->out, size);
    if (!out)
        return false;
    client->out = out;
    client->out_size = size;
    return true;
}

static void output_append(struct tn_client *client, const char *line, size_t len)
{
    if (client->broken)
        return;
    if (!output_reserve(client, len + 1)) {
        tn_log(client->stack, TN_LOG_WARNING, "core",
               "a control client does not fetch its replies: disconnected");
        client_break(client);
        return;
    }
    memcpy(client->out + client->out_len, line, len);
    client->out[client->out_len + len] = '\n';
    client->out_len += len + 1;
    tn_client_watch(client);
}

bool tn_client_write(struct tn_client *client)
{
    while (client->out_at < client->out_len) {
        ssize_t n = send(client->watch.fd, client->out + client->out_at, client->out_len - client->out_at,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        client->out_at += (size_t)n;
    }
    client->out_at = client->out_len = 0;
    if (client->out_size > TN_CONTROL_TRACE_MAX) { /* after a large table */
        free(client->out);
        client->out = NULL;
        client->out_size = 0;
    }
    return true;
}

void tn_client_reply(struct tn_client *client, const json_t *id, json_t *reply)
{
    if (reply && id)
        json_object_set_new(reply, "id", json_deep_copy(id));
    char *line = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
    if (line)
        output_append(client, line, strlen(line));
    else
        client_break(client);
    free(line);
    json_decref(reply);
}

void tn_client_error(struct tn_client *client, const json_t *id, const char *fmt, ...)
{
    char text[1200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    tn_client_reply(client, id, json_pack("{s:o}", "error", tn_json_text(text)));
}

json_t *tn_json_text(const char *text)
{
    json_t *value = json_string(text);
    if (value || !text)
        return value;
    char *copy = strdup(text);
    for (char *c = copy; c && *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    value = copy ? json_string(copy) : NULL;
    free(copy);
    return value;
}

/* ---- Trace ---- */

static void trace_line(void *context, const char *line)
{
    struct tn_client *client = context;
    if (client->broken)
        return;
    if (client->out_len - client->out_at > TN_CONTROL_TRACE_MAX) {
        client->trace_lost++;
        return;
    }
    json_t *reply = json_pack("{s:o,s:b}", "line", tn_json_text(line), "more", 1);
    if (client->trace_lost) {
        json_object_set_new(reply, "lost", json_integer((json_int_t)client->trace_lost));
        client->trace_lost = 0;
    }
    tn_client_reply(client, client->trace_id, reply);
}

void tn_client_trace(struct tn_client *client, const json_t *id, bool on, bool colour)
{
    if (client->tracing) {
        tn_trace_remove(client->stack, &client->trace);
        tn_client_reply(client, client->trace_id, json_pack("{s:b}", "tracing", 0));
        json_decref(client->trace_id);
    }
    client->trace_id = on && id ? json_deep_copy(id) : NULL;
    if (on) {
        tn_client_reply(client, id, json_pack("{s:b,s:b}", "tracing", 1, "more", 1));
        client->trace = (struct tn_trace_sink){.fn = trace_line, .context = client, .colour = colour};
        tn_trace_add(client->stack, &client->trace);
    } else if (!client->tracing) {
        tn_client_reply(client, id, json_pack("{s:b}", "tracing", 0));
    }
    client->tracing = on;
}
