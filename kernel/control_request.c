/* control_request.c: what a line on the control socket asks for (docs/control.md).
 *
 * Requests are worked on by the event loop between batches, so that no code of a plugin is on the stack when
 * a swap or a reload exchanges it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control_client.h"
#include "loader.h"
#include "show.h"
#include "slot.h"
#include "stack.h"
#include "suggest.h"

/* Largest stack.yaml that a reload reads. */
#define CONFIG_MAX (1024 * 1024)

struct request {
    struct tn_client *client;
    struct tn_stack *stack;
    json_t *object;
    const json_t *id;
};

static const char *text_of(const struct request *q, const char *name)
{
    return json_string_value(json_object_get(q->object, name));
}

static void refuse(const struct request *q, const struct tn_error *error)
{
    tn_client_error(q->client, q->id, "%s", error->text);
}

/* ---- show, version, stop, trace ---- */

static void do_show(const struct request *q)
{
    struct tn_error error;
    const char *what = text_of(q, "what");
    json_t *table = tn_show(q->stack, what ? what : "stack", q->object, &error);
    if (table)
        tn_client_reply(q->client, q->id, table);
    else
        refuse(q, &error);
}

static void do_version(const struct request *q)
{
    char abi[16];
    snprintf(abi, sizeof(abi), "%d.%d", TN_ABI_MAJOR, TN_ABI_MINOR);
    tn_client_reply(q->client, q->id,
                    json_pack("{s:s,s:s,s:o,s:i}", "version", tn_version(), "abi", abi, "name",
                              tn_json_text(q->stack->plan->name), "pid", (int)getpid()));
}

static void do_stop(const struct request *q)
{
    tn_client_reply(q->client, q->id, json_pack("{s:b}", "stopping", 1));
    tn_stack_stop(q->stack);
}

static void do_trace(const struct request *q)
{
    const json_t *on = json_object_get(q->object, "on");
    tn_client_trace(q->client, q->id, !json_is_false(on), json_is_true(json_object_get(q->object, "colour")));
}

/* ---- swap ---- */

static json_t *build_of(const struct tn_slot *slot)
{
    const struct tn_library *library = slot->library;
    return json_pack("{s:o,s:i,s:s,s:o}", "build-id", tn_json_text(library ? library->build_id : ""),
                     "generation", (int)slot->generation, "version", slot->self.plugin->version, "path",
                     tn_json_text(library && library->path ? library->path : ""));
}

static void no_such_plugin(const struct request *q, const char *name)
{
    char quoted[TN_QUOTE_MAX], text[256];
    struct tn_suggestion near = tn_suggest(name);
    for (size_t i = 1; i < TN_SLOTS_MAX; i++)
        if (q->stack->slots[i])
            tn_suggest_offer(&near, q->stack->slots[i]->name);
    struct tn_text t = tn_text_init(text, sizeof(text));
    tn_text_add(&t, "no plugin %s runs here", tn_quote(quoted, name));
    tn_suggest_text(&near, &t);
    tn_client_error(q->client, q->id, "%s", text);
}

static void do_swap(const struct request *q)
{
    const char *name = text_of(q, "plugin"), *path = text_of(q, "path");
    if (!name) {
        tn_client_error(q->client, q->id, "swap needs \"plugin\", a name");
        return;
    }
    struct tn_slot *slot = tn_slot_by_name(q->stack, name);
    if (!slot || slot->self.slot == TN_SLOT_CORE) {
        no_such_plugin(q, name);
        return;
    }
    if (path && path[0] != '/') {
        tn_client_error(q->client, q->id,
                        "\"path\" must be absolute: the stack runs in a directory of its own");
        return;
    }
    struct tn_error error;
    json_t *old = build_of(slot);
    if (tn_stack_swap(q->stack, name, path, &error) < 0) {
        json_decref(old);
        refuse(q, &error);
        return;
    }
    tn_client_reply(q->client, q->id,
                    json_pack("{s:s,s:o,s:o}", "plugin", slot->name, "old", old, "new", build_of(slot)));
}

/* ---- reload ---- */

/* The whole file as a string (free it); NULL with `error`. Opened without waiting, so that a FIFO can't stop
 * the stack. */
static char *read_config(const char *path, struct tn_error *error)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0) {
        snprintf(error->text, sizeof(error->text), "%s: cannot read it: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    bool fits = S_ISREG(st.st_mode) && st.st_size <= CONFIG_MAX;
    char *text = fits ? malloc((size_t)st.st_size + 1) : NULL;
    ssize_t n = text ? read(fd, text, (size_t)st.st_size) : -1;
    close(fd);
    if (n < 0) {
        snprintf(error->text, sizeof(error->text), "%s: %s", path,
                 fits ? "cannot read it" : "not a regular file of at most 1 MiB");
        free(text);
        return NULL;
    }
    text[n] = '\0';
    if (strlen(text) == (size_t)n)
        return text;
    snprintf(error->text, sizeof(error->text), "%s: is not text: it has a zero byte", path);
    free(text);
    return NULL;
}

/* The report as an array of its lines. */
static json_t *lines_of(char *report)
{
    json_t *lines = json_array();
    char *rest = report;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
        if (*line)
            json_array_append_new(lines, tn_json_text(line));
    return lines;
}

static void do_reload(const struct request *q)
{
    const char *path = text_of(q, "path"), *text = text_of(q, "text");
    if (text && strlen(text) != json_string_length(json_object_get(q->object, "text"))) {
        tn_client_error(q->client, q->id, "\"text\" holds a zero byte");
        return;
    }
    struct tn_error error = {.text = ""};
    char *read = NULL;
    if (!text) {
        path = path ? path : q->stack->plan->file;
        text = read = read_config(path, &error);
    }
    static const size_t report_size = 32 * 1024;
    char *report = text ? calloc(1, report_size) : NULL;
    if (!report || tn_stack_reload(q->stack, text, path ? path : "text", &error, report, report_size) < 0)
        tn_client_error(q->client, q->id, "%s", error.text[0] ? error.text : "out of memory");
    else
        tn_client_reply(q->client, q->id, json_pack("{s:o}", "changes", lines_of(report)));
    free(report);
    free(read);
}

/* ---- call ---- */

/* Who has the command, the core or a plugin, when the asker does not say. */
static struct tn_slot *slot_with_command(struct tn_stack *stack, const char *command)
{
    for (size_t i = TN_SLOT_CORE; i < TN_SLOTS_MAX; i++) {
        struct tn_slot *slot = stack->slots[i];
        bool runs = slot && (i == TN_SLOT_CORE || slot->started);
        for (size_t c = 0; runs && c < slot->self.plugin->command_count; c++)
            if (strcmp(slot->self.plugin->commands[c].name, command) == 0)
                return slot;
    }
    return NULL;
}

static void do_call(const struct request *q)
{
    const char *plugin = text_of(q, "plugin"), *command = text_of(q, "command");
    json_t *args = json_object_get(q->object, "args");
    if (!command || (args && !json_is_object(args))) {
        tn_client_error(q->client, q->id,
                        "call needs \"command\", a name, and takes \"plugin\" and \"args\", an object");
        return;
    }
    struct tn_slot *slot = plugin ? tn_slot_by_name(q->stack, plugin) : slot_with_command(q->stack, command);
    if (slot)
        tn_job_start(q->client, slot, command, args, q->id);
    else if (plugin)
        no_such_plugin(q, plugin);
    else
        tn_client_error(q->client, q->id, "no plugin that runs here has a command '%s'", command);
}

/* ---- Lines ---- */

static const struct {
    const char *name;
    void (*run)(const struct request *q);
} requests[] = {
    {"show", do_show},   {"swap", do_swap},       {"reload", do_reload}, {"call", do_call},
    {"trace", do_trace}, {"version", do_version}, {"stop", do_stop},
};

static void request_run(const struct request *q)
{
    const char *name = text_of(q, "cmd");
    if (!name) {
        tn_client_error(q->client, q->id, "a request is an object with \"cmd\"");
        return;
    }
    struct tn_suggestion near = tn_suggest(name);
    for (size_t i = 0; i < TN_ARRAY_SIZE(requests); i++) {
        if (strcmp(requests[i].name, name) == 0) {
            requests[i].run(q);
            return;
        }
        tn_suggest_offer(&near, requests[i].name);
    }
    char quoted[TN_QUOTE_MAX], text[256];
    struct tn_text t = tn_text_init(text, sizeof(text));
    tn_text_add(&t, "unknown command %s", tn_quote(quoted, name));
    tn_suggest_text(&near, &t);
    tn_client_error(q->client, q->id, "%s", text);
}

static bool is_blank(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!strchr(" \t\r", line[i]) || !line[i])
            return false;
    return true;
}

void tn_control_request(struct tn_client *client, const char *line, size_t len)
{
    if (is_blank(line, len))
        return;
    json_error_t error;
    json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
    if (!object) {
        tn_client_error(client, NULL, "not JSON: %s (column %d)", error.text, error.column);
        return;
    }
    if (json_is_object(object)) {
        struct request q = {.client = client, .stack = client->stack, .object = object};
        q.id = json_object_get(object, "id");
        request_run(&q);
    } else {
        tn_client_error(client, NULL, "a request is an object with \"cmd\"");
    }
    json_decref(object);
}
