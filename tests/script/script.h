/* script.h: what a script says, once read. docs/scripts.md describes the language. */
#ifndef TENON_SCRIPT_SCRIPT_H
#define TENON_SCRIPT_SCRIPT_H

#include "segment.h"

#define SCRIPT_NAME_MAX  16
#define SCRIPT_TEXT_MAX  128
#define SCRIPT_TALKS_MAX 16
#define SCRIPT_STEPS_MAX 4096
#define SCRIPT_WITH_MAX  16
#define SCRIPT_MTU       1500

enum step_kind {
    STEP_SAY,      /* > SEGMENT, >& SEGMENT */
    STEP_HEAR,     /* < SEGMENT */
    STEP_ICMP,     /* icmp TYPE CODE [mtu N] SEGMENT */
    STEP_SILENT,   /* nothing is sent */
    STEP_ANYTHING, /* what is sent is not looked at */
    STEP_PEER,     /* addresses and ports of a talk */
    STEP_OWN,
    STEP_WINDOW, /* the window, the timestamp of what the peer says from now on */
    STEP_STAMP,
    STEP_LISTEN, /* socket calls */
    STEP_ACCEPT,
    STEP_BIND,
    STEP_CONNECT,
    STEP_WRITE,
    STEP_READ,
    STEP_SHUTDOWN,
    STEP_CLOSE,
    STEP_SET,
    STEP_GET,
    STEP_POLL,
    STEP_INFO, /* fields of TCP_INFO */
    STEP_COUNTER,
    STEP_DROPS,
    STEP_SWAP,
};

enum comparison {
    IS_EQUAL,
    IS_UNEQUAL,
    IS_LESS,
    IS_AT_MOST,
    IS_MORE,
    IS_AT_LEAST
};

/* When a step is: now, or between two times, after the step before it or on the script's clock. */
enum step_when {
    WHEN_NOW,
    WHEN_AFTER,
    WHEN_AT
};

struct step {
    uint8_t kind, when, comparison;
    uint8_t talk;  /* index in script.talks */
    bool together; /* say: the stack gets it with the next one */
    bool has_result;
    unsigned line;
    tn_time from, to;
    int64_t number; /* octets, port, backlog, … */
    int64_t result; /* expected; negative: an errno */
    int level, option, flags;
    struct in_addr address;
    uint8_t icmp_type, icmp_code;
    uint16_t port, mtu;
    char name[SCRIPT_TEXT_MAX]; /* option, field, plugin or its text value */
    char text[SCRIPT_TEXT_MAX]; /* counter, drop reason; text expected */
    struct segment segment;
};

struct script_with {
    char protocol[SCRIPT_NAME_MAX];
    char options[SCRIPT_TEXT_MAX]; /* "{ time-wait: 1s }" */
};

struct script {
    const char *name; /* of the file */
    struct script_with with[SCRIPT_WITH_MAX];
    size_t with_count;
    uint32_t mtu, seed;
    char addresses[SCRIPT_TEXT_MAX]; /* more than the usual one: ", 10.0.7.8/24" */
    char talks[SCRIPT_TALKS_MAX][SCRIPT_NAME_MAX];
    size_t talk_count;
    struct step *steps;
    size_t step_count;
};

/* Reads a script's text; `name` appears in errors. 0, or negative with a sentence in `why`. */
int script_read(const char *text, size_t len, const char *name, struct script *script, char *why,
                size_t size);
void script_free(struct script *script);

/* Runs it on a stack of its own with plugins from `plugin_path`; `trace`: says what happens. 0, or negative with what was
 * expected and what was seen in `why`. */
int script_run(const struct script *script, const char *plugin_path, bool trace, char *why, size_t size);

/* ---- Names ---- */

/* An errno by its name, "EAGAIN"; 0 if there is none such. */
int name_errno(const char *name);
const char *name_of_errno(int number);
/* A socket option by its name; false if there is none such. */
bool name_option(const char *name, int *level, int *option);
/* Options whose value is text (a congestion control's name), and SO_LINGER, whose value is seconds or -1 for off. */
bool name_option_is_text(int level, int option);
bool name_option_is_linger(int level, int option);
struct tcp_info;
/* A field of TCP_INFO; false if there is none such. */
bool name_field(const char *name);
int64_t name_field_value(const struct tcp_info *info, const char *name);
/* A state of TCP by its name as Linux numbers it, -1 if there is none such. */
int name_state(const char *name);
/* Events of poll: "in,out", "none"; -1 if one is unknown. */
int name_events(char *names);

#endif
