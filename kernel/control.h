/* control.h: the control socket: one JSON object a line in, one or more out (docs/control.md).
 *
 * control.c: the socket, its clients and their buffers. control_request.c: what a line asks for. job.c:
 * requests that a plugin answers. show.c, show_tables.c: the tables. */
#ifndef TENON_KERNEL_CONTROL_H
#define TENON_KERNEL_CONTROL_H

#include <jansson.h>

#include "loop.h"
#include "tenon/plugin.h"
#include "tenon/stack.h"
#include "trace.h"

struct tn_slot;

/* Longest request, the newline not counted. */
#define TN_CONTROL_LINE_MAX   (64 * 1024)
#define TN_CONTROL_INPUT_SIZE (TN_CONTROL_LINE_MAX + 1)
/* Bytes that may wait for a client. Trace lines are left out (and counted) beyond the first; a client that
 * does not fetch its replies is disconnected at the second. */
#define TN_CONTROL_TRACE_MAX  (256 * 1024)
#define TN_CONTROL_OUTPUT_MAX (32 * 1024 * 1024)
/* Jobs of one client at a time. */
#define TN_CONTROL_JOBS_MAX 64

struct tn_client {
    struct tn_client *next;
    struct tn_stack *stack;
    struct tn_watch watch; /* fd -1: no socket; replies stay in the buffer (tests) */
    char *in;              /* TN_CONTROL_INPUT_SIZE bytes */
    size_t in_len;
    bool skipping; /* the line was too long: ignored up to its end */
    bool ended;    /* the asker will send no more */
    bool broken;   /* its replies can't be kept: about to be disconnected */
    char *out;
    size_t out_at, out_len, out_size;
    struct tn_trace_sink trace; /* added while `tracing` */
    bool tracing;
    json_t *trace_id;
    uint64_t trace_lost;
    struct tn_job *jobs;
    unsigned job_count;
};

/* tn_stack_control() of tenon/stack.h is here. Closes clients and the socket, and removes it from the file
 * system. */
void tn_control_close(struct tn_stack *stack);
/* The plugin is being disabled: its jobs are cancelled and their clients told. */
void tn_control_cancel_jobs(struct tn_stack *stack, struct tn_slot *slot);

/* A client on a connected socket (taken over), or without one (-1). NULL: no memory. */
struct tn_client *tn_client_create(struct tn_stack *stack, int fd);
/* Cancels its jobs and closes it. */
void tn_client_destroy(struct tn_client *client);
/* Bytes from the client: whole lines are worked on, the rest is kept. */
void tn_client_input(struct tn_client *client, const char *bytes, size_t len);
/* Sends an object (reference taken) as one line, with the request's id (may be NULL; borrowed). */
void tn_client_reply(struct tn_client *client, const json_t *id, json_t *reply);
TN_PRINTF(3, 4) void tn_client_error(struct tn_client *client, const json_t *id, const char *fmt, ...);
/* Starts (colour or not) and stops the trace lines. */
void tn_client_trace(struct tn_client *client, const json_t *id, bool on, bool colour);

/* control_request.c: one request (without its newline). */
void tn_control_request(struct tn_client *client, const char *line, size_t len);

/* job.c: starts command `command` of the slot's plugin. */
void tn_job_start(struct tn_client *client, struct tn_slot *slot, const char *command, json_t *args,
                  const json_t *id);
/* Ends all jobs of a client (of one slot, if not NULL), telling the plugins, and the client too if `why` is
 * not NULL. */
void tn_jobs_cancel(struct tn_client *client, const struct tn_slot *slot, const char *why);

/* show.c: the table as {"table", "rows", "total", …}; NULL with `error` if there is none such. `args` may be
 * NULL: limit, offset. */
json_t *tn_show(struct tn_stack *stack, const char *table, const json_t *args, struct tn_error *error);

/* A JSON string of any bytes: what is not UTF-8 is shown as '?'. */
json_t *tn_json_text(const char *text);

/* ABI functions (plugin.h); job.c. */
const char *tn_core_job_text(struct tn_job *job, const char *name);
int64_t tn_core_job_number(struct tn_job *job, const char *name, int64_t otherwise);
bool tn_core_job_address(struct tn_job *job, const char *name, uint8_t *family, struct tn_addr *out);
void tn_core_job_put_text(struct tn_job *job, const char *name, const char *value);
void tn_core_job_put_number(struct tn_job *job, const char *name, int64_t value);
void tn_core_job_end(struct tn_job *job, bool last);
TN_PRINTF(2, 3) void tn_core_job_fail(struct tn_job *job, const char *fmt, ...);
void **tn_core_job_data(struct tn_job *job);

#endif
