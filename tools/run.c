/* run.c: `tenon run`: a stack in this process, until a signal or `tenon stop` ends it. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool.h"

struct settings {
    const char *file;
    const char *control;
    const char *plugin_path;
    const char *state_directory;
    struct identity identity;
    bool trace;
    bool no_control;
    bool keep_privileges;
    uint8_t log_level; /* as in struct tn_env */
};

enum {
    OPTION_TRACE = OPTION_OWN,
    OPTION_NO_CONTROL,
    OPTION_LOG,
    OPTION_USER,
    OPTION_KEEP,
    OPTION_STATE
};

static const struct option options[] = {
    {"trace", no_argument, NULL, OPTION_TRACE},
    {"no-control", no_argument, NULL, OPTION_NO_CONTROL},
    {"control", required_argument, NULL, OPTION_CONTROL},
    {"plugin-path", required_argument, NULL, OPTION_PLUGIN_PATH},
    {"log", required_argument, NULL, OPTION_LOG},
    {"user", required_argument, NULL, OPTION_USER},
    {"state", required_argument, NULL, OPTION_STATE},
    {"keep-privileges", no_argument, NULL, OPTION_KEEP},
    {"help", no_argument, NULL, OPTION_HELP},
    {NULL, 0, NULL, 0},
};

/* ---- Arguments ---- */

static int set_option(struct settings *s, int option)
{
    int level;
    switch (option) {
    case OPTION_TRACE:
        s->trace = true;
        break;
    case OPTION_NO_CONTROL:
        s->no_control = true;
        break;
    case OPTION_CONTROL:
        s->control = optarg;
        break;
    case OPTION_PLUGIN_PATH:
        s->plugin_path = optarg;
        break;
    case OPTION_STATE:
        s->state_directory = optarg;
        break;
    case OPTION_KEEP:
        s->keep_privileges = true;
        break;
    case OPTION_LOG:
        level = log_level(optarg);
        if (level < 0)
            return usage(&verb_run, "--log %s: expected error, warning, info or debug", optarg);
        s->log_level = (uint8_t)(level + 1);
        log_limit((enum tn_level)level);
        break;
    case OPTION_USER:
        if (!find_identity(optarg, &s->identity))
            return usage(&verb_run, "--user %s: there is no such user", optarg);
        break;
    }
    return 0;
}

/* 0, or an exit code in *done's place: non-negative when there is nothing to run. */
static int read_arguments(int argc, char **argv, struct settings *s)
{
    int done, option;
    while ((option = next_option(&verb_run, argc, argv, "", options, &done)) >= 0) {
        int code = set_option(s, option);
        if (code)
            return code;
    }
    if (done >= 0)
        return done;
    if (argc - optind != 1)
        return usage(&verb_run, optind == argc ? "which stack.yaml?" : "one stack.yaml, please");
    if (s->control && s->no_control)
        return usage(&verb_run, "--control and --no-control exclude each other");
    s->file = argv[optind];
    return -1;
}

/* ---- Signals ---- */

static struct tn_stack *volatile running;
static volatile sig_atomic_t ending, reloading;

static void on_signal(int number)
{
    if (number == SIGHUP)
        reloading = 1;
    else
        ending = 1;
    if (running)
        tn_stack_stop(running);
}

static void catch_signals(void)
{
    struct sigaction once = {.sa_handler = on_signal,
                             .sa_flags = (int)SA_RESETHAND}; /* the second one kills */
    struct sigaction always = {.sa_handler = on_signal};
    sigaction(SIGTERM, &once, NULL);
    sigaction(SIGINT, &once, NULL);
    sigaction(SIGHUP, &always, NULL);
}

/* ---- Running ---- */

static void print_trace(void *context, const char *line)
{
    puts(line);
}

static bool colours_wanted(void)
{
    return isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
}

/* The rows of a table of the running stack; an empty array if that fails. */
static json_t *rows_of(struct tn_stack *stack, const char *table)
{
    struct tn_error error;
    char *text;
    if (tn_stack_show(stack, table, &text, &error) < 0)
        return json_array();
    json_t *object = json_loads(text, 0, NULL);
    json_t *rows = json_incref(json_object_get(object, "rows"));
    json_decref(object);
    free(text);
    return rows ? rows : json_array();
}

/* A text of the one row of table "stack", as a new string; NULL if there is none. */
static char *about_stack(struct tn_stack *stack, const char *what)
{
    json_t *rows = rows_of(stack, "stack");
    const char *value = json_string_value(json_object_get(json_array_get(rows, 0), what));
    char *copy = value ? strdup(value) : NULL;
    json_decref(rows);
    return copy;
}

/* "demo runs: tap7 (tap) 10.0.7.7/24, 10.0.7.8/24; services echo, discard; control /run/tenon/demo.sock; pid
 * 4711" */
static void announce(struct tn_stack *stack, const char *control)
{
    char text[4096];
    struct tn_text t = tn_text_init(text, sizeof(text));
    char *name = about_stack(stack, "name");
    json_t *interfaces = rows_of(stack, "interfaces"), *plugins = rows_of(stack, "plugins"), *row;
    size_t i, services = 0;
    tn_text_add(&t, "%s runs:", name ? name : "stack");
    if (!json_array_size(interfaces))
        tn_text_add(&t, " no interfaces");
    json_array_foreach(interfaces, i, row)
    {
        tn_text_add(&t, "%s %s (%s) ", i ? ";" : "", json_string_value(json_object_get(row, "name")),
                    json_string_value(json_object_get(row, "driver")));
        const json_t *addresses = json_object_get(row, "addresses");
        if (json_array_size(addresses))
            add_value(&t, addresses);
        else
            tn_text_add(&t, "without an address");
    }
    json_array_foreach(plugins, i, row)
    {
        const char *section = json_string_value(json_object_get(row, "section"));
        if (section && strcmp(section, "service") == 0)
            tn_text_add(&t, "%s %s", services++ ? "," : "; services",
                        json_string_value(json_object_get(row, "name")));
    }
    tn_text_add(&t, "; control %s; pid %d", control ? control : "none", (int)getpid());
    puts(text);
    fflush(stdout);
    json_decref(interfaces);
    json_decref(plugins);
    free(name);
}

static void reload(struct tn_stack *stack, const char *file)
{
    struct tn_error error;
    struct stat st;
    if (stat(file, &st) == 0 && !S_ISREG(st.st_mode)) { /* reading a pipe would hold up the stack */
        log_own(TN_LOG_ERROR, "reload refused: the configuration is no longer a file");
        return;
    }
    char *text = read_file(file);
    if (!text)
        return;
    (void)tn_stack_reload(stack, text, file, &error, NULL, 0); /* it logs what came of it */
    free(text);
}

static int run_until_ended(struct tn_stack *stack, const char *file)
{
    int err = 0;
    while (!ending && err == 0) {
        err = tn_stack_run(stack);
        if (err < 0)
            return fail(EXIT_FAILED, "the event loop failed: %s", strerror(-err));
        if (!reloading) /* `tenon stop`, or a signal to end */
            break;
        reloading = 0;
        reload(stack, file);
    }
    return EXIT_DONE;
}

/* Where the control socket goes: --control, else what stack.yaml says, else the usual place. Made while still
 * privileged. */
static bool choose_control(const struct settings *s, struct tn_stack *stack, char *path, size_t size)
{
    char *configured = s->control ? strdup(s->control) : about_stack(stack, "control");
    if (configured) {
        snprintf(path, size, "%s", configured);
        free(configured);
        return true;
    }
    char *name = about_stack(stack, "name");
    bool made = name && make_control_path(name, s->identity.name, path, size);
    free(name);
    return made;
}

static bool lose_privileges(const struct settings *s)
{
    char text[512];
    struct tn_text t = tn_text_init(text, sizeof(text));
    if (s->keep_privileges)
        return true;
    bool done = drop_privileges(&s->identity, &t);
    log_own(done ? TN_LOG_INFO : TN_LOG_ERROR, text);
    return done;
}

static int serve(const struct settings *s, struct tn_stack *stack, const char *file)
{
    char control[PATH_MAX] = "";
    struct tn_error error;
    if (!s->no_control && !choose_control(s, stack, control, sizeof(control)))
        return EXIT_FAILED;
    if (!lose_privileges(s))
        return EXIT_FAILED;
    if (!s->no_control && tn_stack_control(stack, control, &error) < 0)
        return fail(EXIT_FAILED, "%s", error.text);
    if (s->trace)
        tn_stack_trace(stack, print_trace, NULL, colours_wanted());
    announce(stack, s->no_control ? NULL : control);
    return run_until_ended(stack, file);
}

/* Where what is to outlive the process is kept, when nobody says; NULL: nowhere. */
static const char *default_state_directory(char room[PATH_MAX])
{
    const char *given = getenv("STATE_DIRECTORY"); /* systemd's StateDirectory= */
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    if (given && *given)
        return given;
    if (geteuid() == 0)
        return "/var/lib/tenon";
    if (state && *state)
        snprintf(room, PATH_MAX, "%s/tenon", state);
    else if (home && *home)
        snprintf(room, PATH_MAX, "%s/.local/state/tenon", home);
    else
        return NULL;
    return room;
}

static int run_file(const struct settings *s, const char *file)
{
    char state_room[PATH_MAX];
    struct tn_env env = *tn_env_real();
    env.log = log_line;
    env.log_level = s->log_level;
    env.plugin_path = s->plugin_path ? s->plugin_path : find_plugin_path();
    env.state_directory = s->state_directory ? s->state_directory : default_state_directory(state_room);
    char *text = read_file(file);
    if (!text)
        return EXIT_USAGE;
    struct tn_error error;
    struct tn_stack *stack;
    int err = tn_stack_check(&env, text, file, &error);
    free(text);
    if (err < 0)
        return fail(EXIT_USAGE, "%s", error.text);
    if (tn_stack_create_file(&env, file, &stack, &error) < 0)
        return fail(EXIT_FAILED, "%s", error.text);
    running = stack;
    int code = serve(s, stack, file);
    running = NULL;
    tn_stack_destroy(stack);
    return code;
}

static int run(int argc, char **argv)
{
    struct settings s = {.file = NULL};
    char file[PATH_MAX];
    int code = read_arguments(argc, argv, &s);
    if (code >= 0)
        return code;
    if (!realpath(s.file, file))
        return fail(EXIT_USAGE, "%s: cannot read it: %s", s.file, strerror(errno));
    setvbuf(stdout, NULL, _IOLBF, 0);
    catch_signals();
    return run_file(&s, file);
}

const struct verb verb_run = {
    .name = "run",
    .summary = "runs the stack that a stack.yaml describes",
    .help =
        "usage: tenon run FILE [OPTIONS]\n\n"
        "  --trace              print what passes, a line a packet\n"
        "  --log LEVEL          error, warning, info (the default) or debug\n"
        "  --user NAME          become this user once everything is open\n"
        "  --keep-privileges    drop nothing, so that a reload may open further devices\n"
        "  --control PATH       where the control socket is made\n"
        "  --no-control         no control socket\n"
        "  --plugin-path PATH   where plugins are, DIR:DIR\n"
        "  --state DIR          where leases and the like are kept ($STATE_DIRECTORY, /var/lib/tenon)\n"
        "  -h, --help           this\n\n"
        "Runs until SIGTERM, Ctrl-C or 'tenon stop'; SIGHUP reads FILE again and applies the difference.\n"
        "Opening a TAP device takes CAP_NET_ADMIN, the driver packet CAP_NET_RAW; once all is open, all "
        "capabilities\n"
        "are dropped.\n\n"
        "Examples:\n"
        "  sudo tenon run etc/stack.yaml\n"
        "  sudo tenon run --trace --user nobody etc/stack.yaml\n"
        "  sudo ip tuntap add tap7 mode tap user $USER && sudo ip link set tap7 up && tenon run "
        "etc/stack.yaml\n\n"
        "Exit codes: 0 ended as asked, 1 it could not start or failed, 2 wrong usage or configuration.\n",
    .run = run,
};
