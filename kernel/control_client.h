/* control_client.h: the inside of the control socket.
 *
 * control.c: the socket, its clients and their input. control_request.c: what a line asks for. job.c: requests that a
 * plugin answers. show.c and its like: the tables. control_output.c, on which all of these stand: answers. */
#ifndef TENON_KERNEL_CONTROL_CLIENT_H
#define TENON_KERNEL_CONTROL_CLIENT_H

#include <jansson.h>
#include <sys/types.h>
#include <sys/un.h>

#include "control.h"
#include "loop.h"
#include "trace.h"

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

struct tn_control {
    struct tn_stack *stack;
    struct tn_watch listener;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    dev_t device; /* of the socket file, so that only our own is removed */
    ino_t inode;
    struct tn_client *clients;
    unsigned count;
    int spare; /* a descriptor to give up when there are no more, so that a client can be turned away */
};

/* ---- control.c ---- */

/* A client on a connected socket (taken over), or without one (-1). NULL: no memory. */
struct tn_client *tn_client_create(struct tn_stack *stack, int fd);
/* Cancels its jobs and closes it. */
void tn_client_destroy(struct tn_client *client);
/* Bytes from the client: whole lines are worked on, the rest is kept. */
void tn_client_input(struct tn_client *client, const char *bytes, size_t len);

/* ---- control_request.c ---- */

/* One request (without its newline). */
void tn_control_request(struct tn_client *client, const char *line, size_t len);

/* ---- job.c ---- */

/* Starts command `command` of the slot's plugin. */
void tn_job_start(struct tn_client *client, struct tn_slot *slot, const char *command, json_t *args,
                  const json_t *id);
/* Ends all jobs of a client (of one slot, if not NULL), telling the plugins, and the client too if `why` is not
 * NULL. */
void tn_jobs_cancel(struct tn_client *client, const struct tn_slot *slot, const char *why);

/* ---- control_output.c ---- */

/* Sends an object (reference taken) as one line, with the request's id (may be NULL; borrowed). */
void tn_client_reply(struct tn_client *client, const json_t *id, json_t *reply);
TN_PRINTF(3, 4) void tn_client_error(struct tn_client *client, const json_t *id, const char *fmt, ...);
/* Starts (colour or not) and stops the trace lines. */
void tn_client_trace(struct tn_client *client, const json_t *id, bool on, bool colour);
/* Requests wait while the answers to earlier ones do: a client that only writes can't fill the memory. */
bool tn_client_is_full(const struct tn_client *client);
/* Has the loop wait for what the client waits for. */
void tn_client_watch(struct tn_client *client);
/* Writes what the socket takes; false when the client is gone. */
bool tn_client_write(struct tn_client *client);
/* A JSON string of any bytes: what is not UTF-8 is shown as '?'. */
json_t *tn_json_text(const char *text);

#endif
