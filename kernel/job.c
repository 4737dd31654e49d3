/* job.c: requests from the control socket that a plugin answers.
 *
 * A job belongs to the client that asked and names the plugin's slot, so that it outlives a swap of the code.
 * It ends in one of three ways: the plugin ends or fails it, the asker goes, or the plugin is disabled; in
 * the last two the plugin's cancel() is called, after which neither side refers to it any more. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "control_client.h"
#include "stack.h"

struct tn_job {
    struct tn_job *next; /* of the client */
    struct tn_client *client;
    struct tn_slot *slot;
    char *command;
    json_t *args;
    json_t *id;
    json_t *reply; /* being built */
    void *data;
    bool starting; /* within the plugin's start(): freed after it */
    bool ended;
};

static void job_free(struct tn_job *job)
{
    for (struct tn_job **link = &job->client->jobs; *link; link = &(*link)->next)
        if (*link == job) {
            *link = job->next;
            job->client->job_count--;
            break;
        }
    json_decref(job->args);
    json_decref(job->id);
    json_decref(job->reply);
    free(job->command);
    free(job);
}

static void job_finish(struct tn_job *job)
{
    job->ended = true;
    if (!job->starting)
        job_free(job);
}

/* The command's entry in the code that runs now; NULL if a swap has taken it away. */
static const struct tn_command *find_command(const struct tn_slot *slot, const char *name)
{
    const struct tn_plugin *plugin = slot->self.plugin;
    for (size_t i = 0; i < plugin->command_count; i++)
        if (strcmp(plugin->commands[i].name, name) == 0)
            return &plugin->commands[i];
    return NULL;
}

static struct tn_job *job_create(struct tn_client *client, struct tn_slot *slot, const char *command,
                                 json_t *args, const json_t *id)
{
    struct tn_job *job = calloc(1, sizeof(*job));
    if (!job)
        return NULL;
    job->client = client;
    job->slot = slot;
    job->command = strdup(command);
    job->args = args ? json_incref(args) : json_object();
    job->id = id ? json_deep_copy(id) : NULL;
    job->reply = json_object();
    job->next = client->jobs;
    client->jobs = job;
    client->job_count++;
    if (job->command && job->args && job->reply)
        return job;
    job_free(job);
    return NULL;
}

void tn_job_start(struct tn_client *client, struct tn_slot *slot, const char *command, json_t *args,
                  const json_t *id)
{
    const struct tn_command *entry = find_command(slot, command);
    if (!entry) {
        tn_client_error(client, id, "plugin '%s' has no command '%s'", slot->name, command);
        return;
    }
    if (client->job_count >= TN_CONTROL_JOBS_MAX) {
        tn_client_error(client, id, "too many commands at a time (limit %d)", TN_CONTROL_JOBS_MAX);
        return;
    }
    struct tn_job *job = job_create(client, slot, command, args, id);
    if (!job) {
        tn_client_error(client, id, "out of memory");
        return;
    }
    job->starting = true;
    int r = entry->start(&slot->self, job);
    job->starting = false;
    if (r < 0 && !job->ended)
        tn_core_job_fail(job, "%s", strerror(-r));
    else if (job->ended)
        job_free(job);
}

void tn_jobs_cancel(struct tn_client *client, const struct tn_slot *slot, const char *why)
{
    struct tn_job *job = client->jobs;
    while (job) {
        struct tn_job *next = job->next;
        if (!slot || job->slot == slot) {
            const struct tn_command *entry = find_command(job->slot, job->command);
            job->ended = true; /* an answer that cancel() may still give goes nowhere */
            if (entry && entry->cancel)
                entry->cancel(&job->slot->self, job);
            if (why)
                tn_client_error(client, job->id, "%s: %s", job->slot->name, why);
            job_free(job);
        }
        job = next;
    }
}

void tn_control_cancel_jobs(struct tn_stack *stack, struct tn_slot *slot)
{
    if (!stack->control)
        return;
    for (struct tn_client *client = stack->control->clients; client; client = client->next)
        tn_jobs_cancel(client, slot, "the plugin was disabled");
}

/* ---- For plugins ---- */

const char *tn_core_job_text(struct tn_job *job, const char *name)
{
    return json_string_value(json_object_get(job->args, name));
}

/* Numbers may come as text, as a command line has them. */
int64_t tn_core_job_number(struct tn_job *job, const char *name, int64_t otherwise)
{
    const json_t *value = json_object_get(job->args, name);
    if (json_is_integer(value))
        return json_integer_value(value);
    if (json_is_boolean(value))
        return json_is_true(value);
    if (!json_is_string(value))
        return otherwise;
    char *end;
    const char *text = json_string_value(value);
    errno = 0;
    long long number = strtoll(text, &end, 10);
    return *text && !*end && !errno ? number : otherwise;
}

bool tn_core_job_address(struct tn_job *job, const char *name, uint8_t *family, struct tn_addr *out)
{
    const char *text = tn_core_job_text(job, name);
    *out = (struct tn_addr){.half = {0, 0}};
    if (text && inet_pton(AF_INET, text, out->bytes) == 1) {
        *family = AF_INET;
        return true;
    }
    if (text && inet_pton(AF_INET6, text, out->bytes) == 1) {
        *family = AF_INET6;
        return true;
    }
    return false;
}

void tn_core_job_put_text(struct tn_job *job, const char *name, const char *value)
{
    json_object_set_new(job->reply, name, tn_json_text(value));
}

void tn_core_job_put_number(struct tn_job *job, const char *name, int64_t value)
{
    json_object_set_new(job->reply, name, json_integer(value));
}

void tn_core_job_end(struct tn_job *job, bool last)
{
    if (job->ended)
        return;
    json_t *reply = job->reply;
    job->reply = json_object();
    if (!last)
        json_object_set_new(reply, "more", json_true());
    tn_client_reply(job->client, job->id, reply);
    if (last)
        job_finish(job);
}

void tn_core_job_fail(struct tn_job *job, const char *fmt, ...)
{
    if (job->ended)
        return;
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    tn_client_error(job->client, job->id, "%s", text);
    job_finish(job);
}

void **tn_core_job_data(struct tn_job *job)
{
    return &job->data;
}
