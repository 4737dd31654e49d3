/* tool.h: what the verbs of the `tenon` command share. */
#ifndef TENON_TOOL_H
#define TENON_TOOL_H

#include <getopt.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/types.h>

#include "tenon/stack.h"
#include "tenon/text.h"

/* Exit codes. */
enum {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,   /* it was tried and did not work: no answer to a ping, a swap that was refused */
    EXIT_USAGE = 2,    /* wrong arguments, or a configuration that is wrong: nothing was tried */
    EXIT_NO_STACK = 3, /* no stack answers at the control socket */
};

/* ---- Verbs (one file each) ---- */

struct verb {
    const char *name;
    const char *summary;               /* one line */
    const char *help;                  /* what --help prints after the summary */
    int (*run)(int argc, char **argv); /* argv[0] is the verb */
};

extern const struct verb verb_run, verb_check, verb_show, verb_swap, verb_reload, verb_describe, verb_ping,
    verb_traceroute, verb_trace, verb_version, verb_stop;

/* ---- usage.c ---- */

/* Options that verbs share start here, so that they don't meet a verb's letters. */
enum {
    OPTION_HELP = 256,
    OPTION_CONTROL,
    OPTION_STACK,
    OPTION_JSON,
    OPTION_PLUGIN_PATH,
    OPTION_OWN, /* a verb's own long options count from here */
};

/* One line on standard error: "tenon: …". Returns `code`. */
TN_PRINTF(2, 3) int fail(int code, const char *fmt, ...);
/* The same with a pointer to --help. Returns EXIT_USAGE. */
TN_PRINTF(2, 3) int usage(const struct verb *verb, const char *fmt, ...);
void print_help(const struct verb *verb);

/* The argument of an option, a number between the bounds, times `unit`, to *out. 0, or EXIT_USAGE after saying what is wrong. */
int read_number(const struct verb *verb, const char *name, double least, double most, double unit,
                json_int_t *out);

/* The next option as getopt_long() gives it, or -1 at the end. --help is printed, and what is wrong said,
 * here: *done is then set to the exit code, which is negative before. */
int next_option(const struct verb *verb, int argc, char **argv, const char *letters,
                const struct option *options, int *done);

/* What every verb takes that talks to a stack, for its list of options. */
#define TARGET_OPTIONS                                                                                      \
    {"control", required_argument, NULL, OPTION_CONTROL}, {"stack", required_argument, NULL, OPTION_STACK}, \
    {                                                                                                       \
        "help", no_argument, NULL, OPTION_HELP                                                              \
    }

/* ---- file.c ---- */

/* The whole file ("-": standard input) as a string (free it); NULL when that was not possible, which is then
 * said. */
char *read_file(const char *path);

/* ---- places.c ---- */

/* Where plugins are: $TENON_PLUGIN_PATH, else beside this executable (a build tree, an installation), else
 * NULL: the built-in place. Kept in a static buffer. */
const char *find_plugin_path(void);
/* Makes the directory for control sockets, of `user` if not NULL, and writes the socket's path. False: said
 * why. */
bool make_control_path(const char *name, const char *user, char *path, size_t size);
/* Directories where control sockets of this user's stacks may be. Calls `each` with every socket file in
 * them. */
void each_control_path(void (*each)(void *context, const char *name, const char *path), void *context);

/* ---- client.c ---- */

/* Which stack to talk to, from the options --control and --stack. */
struct target {
    const char *control;
    const char *stack;
};

struct client;

/* Takes --control and --stack. False: another option. */
bool set_target(struct target *target, int option);
/* The arguments of a verb without options of its own, but --json where `json` is not NULL. Negative, or the exit code. */
int read_target(const struct verb *verb, int argc, char **argv, struct target *target, bool *json);

/* 0, or an exit code after saying what is wrong. */
int client_open(const struct target *target, struct client **client);
void client_close(struct client *client);
/* Sends a request (reference taken). False: the stack has gone. */
bool client_send(struct client *client, json_t *request);
/* The next answer (to be freed), waiting at most `milliseconds` (negative: for ever); NULL: none came. */
json_t *client_receive(struct client *client, int milliseconds);
/* One request, one answer. 0 with *answer, or an exit code after saying what is wrong. An "error" in the
 * answer is said and is EXIT_FAILED. */
int client_ask(struct client *client, json_t *request, json_t **answer);
/* client_open(), client_ask() and client_close() in one. */
int ask_stack(const struct target *target, json_t *request, json_t **answer);
/* ask_stack(), and what came of it: the answer as it came, or as `print` prints it. */
int ask_and_print(const struct target *target, json_t *request, bool json,
                  void (*print)(const json_t *answer));
/* Prints an object as one line. */
void print_json(const json_t *object);

/* ---- echo.c: echo requests ---- */

struct host {
    const char *name; /* as it was given */
    char address[INET6_ADDRSTRLEN];
};

/* Takes what is left of the arguments: one address or name. Negative, or the exit code after saying what is wrong. */
int read_host(const struct verb *verb, int argc, char **argv, struct host *host);
/* Ctrl-C ends what follows, not the program. */
void catch_interrupt(void);
bool interrupted(void);
/* Fills in the address: what was given, or what the stack's name servers say; `tell`: that is printed. EXIT_DONE, or the exit
 * code after saying what is wrong. */
int find_host(struct host *host, struct client *client, bool tell);
/* Has the stack send echo requests (reference to `args` taken), and calls `take` with what becomes of each. EXIT_DONE when all have
 * come or Ctrl-C was pressed, or the exit code after saying what is wrong. */
int ask_echoes(struct client *client, json_t *args, void (*take)(void *context, json_t *answer),
               void *context);

/* ---- table.c ---- */

enum align {
    LEFT,
    RIGHT
};

struct column {
    const char *title;
    enum align align;
    /* Writes the cell for a row. NULL: the row's member `key` as it is. */
    void (*cell)(const json_t *row, struct tn_text *out);
    const char *key;
};

/* Prints the rows under the titles, columns as wide as their widest cell. */
void print_table(const struct column *columns, size_t count, const json_t *rows);
/* A JSON value as people write it: text bare, true as yes, null as -, lists with commas. */
void add_value(struct tn_text *out, const json_t *value);

/* ---- log.c ---- */

/* Writes log lines to standard error: with colours and the time since the start on a terminal, else plain with
 * date and time. For struct tn_env: what is not to be logged does not come here. */
void log_line(void *context, enum tn_level level, const char *who, const char *text);
/* A line of this program's, if its level is within the limit (info at the start). */
void log_own(enum tn_level level, const char *text);
void log_limit(enum tn_level level);
/* -1: no such level. */
int log_level(const char *name);

/* ---- privileges.c ---- */

struct identity {
    const char *name; /* NULL: stay who we are */
    uid_t uid;
    gid_t gid;
};

/* Looks the user up. False: there is none. */
bool find_identity(const char *name, struct identity *identity);
/* Gives up all capabilities, the bounding set, and the chance of getting new ones; becomes `identity`. Writes
 * what was done to `done`. False: `done` says what went wrong. */
bool drop_privileges(const struct identity *identity, struct tn_text *done);

#endif
