/* The control socket: what it answers, what it refuses, and what it does with clients that misbehave. */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control_client.h"
#include "stack.h"

/* ---- A stack without interfaces, its socket in a directory of its own ---- */

struct fixture {
    char dir[64], path[80];
    struct tn_stack *stack;
    json_t *answer; /* the last one */
};

static void quiet(void *context, enum tn_level level, const char *who, const char *text)
{
}

static struct tn_stack *make_stack(const char *yaml)
{
    struct tn_env env = *tn_env_real();
    struct tn_stack *stack;
    struct tn_error error;
    env.log = quiet;
    env.plugin_path = TN_TEST_PLUGIN_DIR;
    if (tn_stack_create(&env, yaml, "test.yaml", &stack, &error) < 0)
        fail_msg("%s", error.text);
    return stack;
}

static void serve(struct fixture *f, const char *yaml)
{
    struct tn_error error;
    f->stack = make_stack(yaml);
    if (tn_stack_control(f->stack, f->path, &error) < 0)
        fail_msg("%s", error.text);
}

static int setup_bare(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    strcpy(f->dir, "/tmp/tenon-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/control", f->dir);
    *state = f;
    return 0;
}

static int setup(void **state)
{
    setup_bare(state);
    serve(*state, "stack: { name: test, limits: { control-clients: 3 } }\n");
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    tn_stack_destroy(f->stack);
    assert_int_equal(access(f->path, F_OK), -1); /* the socket is gone */
    json_decref(f->answer);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

/* ---- Talking to it ---- */

static int dial(const struct fixture *f)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    strcpy(addr.sun_path, f->path);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static void steps(const struct fixture *f)
{
    for (int i = 0; i < 10; i++)
        tn_stack_step(f->stack);
}

static void send_text(const struct fixture *f, int fd, const char *text)
{
    size_t len = strlen(text), at = 0;
    while (at < len) {
        ssize_t n = send(fd, text + at, len - at, MSG_NOSIGNAL);
        assert_true(n > 0 || errno == EAGAIN);
        at += n > 0 ? (size_t)n : 0;
        steps(f);
    }
}

/* The next line that has come, without its newline; "" if there is none, or the end. */
static const char *read_line(const struct fixture *f, int fd)
{
    static char line[1 << 20];
    size_t len = 0;
    steps(f);
    while (len < sizeof(line) - 1 && read(fd, line + len, 1) == 1 && line[len] != '\n')
        len++;
    line[len] = '\0';
    return line;
}

static json_t *receive(struct fixture *f, int fd)
{
    json_decref(f->answer);
    f->answer = json_loads(read_line(f, fd), 0, NULL);
    assert_non_null(f->answer);
    return f->answer;
}

static json_t *ask(struct fixture *f, int fd, const char *request)
{
    send_text(f, fd, request);
    send_text(f, fd, "\n");
    return receive(f, fd);
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* json_is_true() is a macro that looks twice at its argument. */
static bool is_true(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_true(value);
}

static void assert_error(const json_t *answer, const char *part)
{
    if (!strstr(text_of(answer, "error"), part))
        fail_msg("expected an error with \"%s\", got \"%s\"", part, text_of(answer, "error"));
}

static bool is_closed(const struct fixture *f, int fd)
{
    char byte;
    steps(f);
    return recv(fd, &byte, 1, MSG_PEEK) == 0;
}

/* ---- Requests ---- */

static void version_is_answered(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    const json_t *answer = ask(f, fd, "{\"cmd\":\"version\"}");
    assert_string_equal(text_of(answer, "version"), tn_version());
    assert_string_equal(text_of(answer, "name"), "test");
    assert_string_equal(text_of(answer, "abi"), "1.0");
    close(fd);
}

static void id_comes_back_with_answer_and_error(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    assert_int_equal(json_integer_value(json_object_get(ask(f, fd, "{\"cmd\":\"version\",\"id\":7}"), "id")),
                     7);
    const json_t *answer = ask(f, fd, "{\"cmd\":\"show\",\"what\":\"x\",\"id\":\"a\"}");
    assert_string_equal(text_of(answer, "id"), "a");
    assert_error(answer, "no table 'x'");
    close(fd);
}

static void bad_json_is_refused_and_the_connection_goes_on(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    assert_error(ask(f, fd, "this is not JSON"), "not JSON");
    assert_error(ask(f, fd, "{\"cmd\":"), "not JSON");
    assert_error(ask(f, fd, "{\"cmd\":\"version\",\"cmd\":\"stop\"}"), "not JSON");
    assert_error(ask(f, fd, "\xff\xfe\x01"), "not JSON");
    assert_string_equal(text_of(ask(f, fd, "{\"cmd\":\"version\"}"), "name"), "test");
    close(fd);
}

static void request_must_be_an_object_with_cmd(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    assert_error(ask(f, fd, "[1,2]"), "object");
    assert_error(ask(f, fd, "{}"), "\"cmd\"");
    assert_error(ask(f, fd, "{\"cmd\":5}"), "\"cmd\"");
    close(fd);
}

static void misspelt_words_get_a_suggestion(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    assert_error(ask(f, fd, "{\"cmd\":\"sohw\"}"), "did you mean 'show'");
    assert_error(ask(f, fd, "{\"cmd\":\"show\",\"what\":\"route\"}"), "did you mean 'routes'");
    close(fd);
}

static void requests_in_one_write_are_answered_in_order(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    send_text(
        f, fd,
        "{\"cmd\":\"version\",\"id\":1}\n\n  \r\n{\"cmd\":\"x\",\"id\":2}\n{\"cmd\":\"version\",\"id\":3}\n");
    for (int i = 1; i <= 3; i++)
        assert_int_equal(json_integer_value(json_object_get(receive(f, fd), "id")), i);
    assert_string_equal(read_line(f, fd), "");
    close(fd);
}

static void request_may_come_byte_by_byte(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    for (const char *c = "{\"cmd\":\"version\"}\n"; *c; c++)
        send_text(f, fd, (char[]){*c, '\0'});
    assert_string_equal(text_of(receive(f, fd), "name"), "test");
    close(fd);
}

static void last_line_needs_no_newline(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    send_text(f, fd, "{\"cmd\":\"version\"}");
    shutdown(fd, SHUT_WR);
    assert_string_equal(text_of(receive(f, fd), "name"), "test");
    assert_true(is_closed(f, fd));
    close(fd);
}

static void line_that_is_too_long_is_refused_once_and_passed_over(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    char *line = malloc(300001);
    memset(line, 'x', 300000);
    line[300000] = '\0';
    send_text(f, fd, line);
    free(line);
    assert_error(ask(f, fd, ""), "longer than 65536 bytes");
    assert_string_equal(text_of(ask(f, fd, "{\"cmd\":\"version\"}"), "name"), "test");
    close(fd);
}

static void longest_line_is_taken(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    char *line = malloc(TN_CONTROL_LINE_MAX + 1);
    memset(line, ' ', TN_CONTROL_LINE_MAX);
    line[TN_CONTROL_LINE_MAX] = '\0';
    memcpy(line, "{\"cmd\":\"version\"", 16);
    line[TN_CONTROL_LINE_MAX - 1] = '}';
    assert_string_equal(text_of(ask(f, fd, line), "name"), "test");
    free(line);
    close(fd);
}

static void deep_nesting_is_refused(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    char line[60001];
    memset(line, '[', 60000);
    line[60000] = '\0';
    assert_error(ask(f, fd, line), "not JSON");
    close(fd);
}

static void table_is_cut_at_limit_and_says_the_total(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    const json_t *answer = ask(f, fd, "{\"cmd\":\"show\",\"what\":\"counters\"}");
    json_int_t total = json_integer_value(json_object_get(answer, "total"));
    assert_true(total > 3);
    assert_int_equal(json_array_size(json_object_get(answer, "rows")), total);
    answer = ask(f, fd, "{\"cmd\":\"show\",\"what\":\"counters\",\"limit\":2,\"offset\":1}");
    const json_t *rows = json_object_get(answer, "rows");
    assert_int_equal(json_array_size(rows), 2);
    assert_string_equal(text_of(json_array_get(rows, 0), "counter"), "frames-out");
    assert_int_equal(json_integer_value(json_object_get(answer, "total")), total);
    answer = ask(f, fd, "{\"cmd\":\"show\",\"what\":\"counters\",\"offset\":9223372036854775807}");
    assert_int_equal(json_array_size(json_object_get(answer, "rows")), 0);
    close(fd);
}

static void every_table_can_be_shown(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    for (const char *const *table = tn_show_tables(); *table; table++) {
        char request[64];
        snprintf(request, sizeof(request), "{\"cmd\":\"show\",\"what\":\"%s\"}", *table);
        const json_t *answer = ask(f, fd, request);
        assert_string_equal(text_of(answer, "table"), *table);
        assert_true(json_is_array(json_object_get(answer, "rows")));
    }
    close(fd);
}

static void swap_of_what_does_not_run_is_refused(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    assert_error(ask(f, fd, "{\"cmd\":\"swap\"}"), "needs \"plugin\"");
    assert_error(ask(f, fd, "{\"cmd\":\"swap\",\"plugin\":\"nothing\"}"), "no plugin 'nothing'");
    assert_error(ask(f, fd, "{\"cmd\":\"swap\",\"plugin\":\"core\"}"), "no plugin 'core'");
    close(fd);
}

static void swap_tells_both_builds(void **state)
{
    struct fixture *f = *state;
    serve(f, "protocols: { ether: {} }\n");
    int fd = dial(f);
    assert_error(ask(f, fd, "{\"cmd\":\"swap\",\"plugin\":\"ether\",\"path\":\"ether.so\"}"), "absolute");
    const json_t *answer = ask(f, fd, "{\"cmd\":\"swap\",\"plugin\":\"ether\"}");
    const json_t *old = json_object_get(answer, "old"), *new = json_object_get(answer, "new");
    assert_int_equal(json_integer_value(json_object_get(old, "generation")), 1);
    assert_int_equal(json_integer_value(json_object_get(new, "generation")), 2);
    assert_string_equal(text_of(new, "build-id"), tn_stack_build_id(f->stack, "ether"));
    close(fd);
}

static void reload_that_is_wrong_changes_nothing(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    assert_error(ask(f, fd, "{\"cmd\":\"reload\"}"), "test.yaml: cannot read it");
    assert_error(ask(f, fd, "{\"cmd\":\"reload\",\"path\":\"/tmp\"}"), "not a regular file");
    assert_error(ask(f, fd, "{\"cmd\":\"reload\",\"text\":\"nonsense: 5\"}"), "nonsense");
    assert_error(ask(f, fd, "{\"cmd\":\"reload\",\"text\":\"a\\u0000b\"}"), "not JSON");
    close(fd);
}

static void reload_says_what_it_did(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    const json_t *answer =
        ask(f, fd,
            "{\"cmd\":\"reload\",\"text\":\"stack: { name: test, limits: { control-clients: 3 } }\\n"
            "protocols: { ether: {} }\\n\"}");
    assert_string_equal(text_of(answer, "error"), "");
    const json_t *changes = json_object_get(answer, "changes");
    assert_int_equal(json_array_size(changes), 1);
    assert_non_null(strstr(json_string_value(json_array_get(changes, 0)), "ether"));
    assert_non_null(tn_stack_build_id(f->stack, "ether"));
    close(fd);
}

static void stop_is_answered_before_the_end(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    assert_true(is_true(ask(f, fd, "{\"cmd\":\"stop\"}"), "stopping"));
    assert_true(f->stack->stop);
    close(fd);
}

/* ---- Clients ---- */

static void client_beyond_the_limit_is_told_so(void **state)
{
    struct fixture *f = *state;
    int fds[4];
    for (int i = 0; i < 4; i++)
        fds[i] = dial(f);
    assert_error(receive(f, fds[3]), "too many control clients (limit 3)");
    assert_true(is_closed(f, fds[3]));
    close(fds[0]);
    close(fds[3]);
    steps(f);
    int fd = dial(f);
    assert_string_equal(text_of(ask(f, fd, "{\"cmd\":\"version\"}"), "name"), "test");
    close(fd);
    close(fds[1]);
    close(fds[2]);
}

static void without_descriptors_a_client_is_turned_away_and_the_loop_does_not_spin(void **state)
{
    struct fixture *f = *state;
    struct rlimit old, none;
    struct pollfd loop = {.fd = tn_stack_fd(f->stack), .events = POLLIN};
    int fd = dial(f), next = dup(fd); /* the lowest number that is free */
    close(next);
    getrlimit(RLIMIT_NOFILE, &old);
    none = (struct rlimit){.rlim_cur = (rlim_t)next, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    steps(f);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_int_equal(poll(&loop, 1, 0), 0);
    assert_true(is_closed(f, fd));
    close(fd);
    fd = dial(f);
    assert_string_equal(text_of(ask(f, fd, "{\"cmd\":\"version\"}"), "name"), "test");
    close(fd);
}

static void request_of_a_client_that_left_at_once_is_done(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    assert_true(send(fd, "{\"cmd\":\"stop\"}\n", 15, 0) == 15);
    close(fd);
    steps(f);
    assert_true(f->stack->stop);
}

/* Many large answers are asked for and none is fetched: the requests wait, not the answers. */
static void client_that_does_not_fetch_is_not_read_from(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f), size = 4096;
    const char request[] = "{\"cmd\":\"show\",\"what\":\"counters\"}\n";
    unsigned sent = 0, received = 0;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    for (int idle = 0; idle < 20; steps(f)) {
        ssize_t n = send(fd, request, strlen(request), MSG_NOSIGNAL);
        assert_true(n < 0 || (size_t)n == strlen(request));
        sent += n > 0;
        idle = n > 0 ? 0 : idle + 1;
        assert_true(sent < 100000);
    }
    assert_true(sent > 100);
    while (*read_line(f, fd))
        received++;
    assert_int_equal(received, sent);
    close(fd);
}

/* ---- Trace ---- */

static void trace_event(struct tn_stack *stack, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    tn_trace_event(stack, "test", fmt, ap);
    va_end(ap);
}

static void trace_lines_come_until_switched_off(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    assert_true(is_true(ask(f, fd, "{\"cmd\":\"trace\",\"id\":5}"), "tracing"));
    trace_event(f->stack, "LISTEN -> %s", "SYN-RECEIVED");
    const json_t *line = receive(f, fd);
    assert_non_null(strstr(text_of(line, "line"), "test  LISTEN -> SYN-RECEIVED"));
    assert_int_equal(json_integer_value(json_object_get(line, "id")), 5);
    assert_true(json_is_true(json_object_get(line, "more")));
    assert_true(!is_true(ask(f, fd, "{\"cmd\":\"trace\",\"on\":false}"), "tracing"));
    assert_null(f->stack->trace);
    close(fd);
}

static void trace_ends_with_its_reader(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    ask(f, fd, "{\"cmd\":\"trace\"}");
    assert_non_null(f->stack->trace);
    close(fd);
    steps(f);
    assert_null(f->stack->trace);
}

static void slow_reader_of_a_trace_loses_lines_and_learns_how_many(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    unsigned lines = 0;
    json_int_t lost = 0;
    ask(f, fd, "{\"cmd\":\"trace\"}");
    for (int i = 0; i < 20000; i++)
        trace_event(f->stack, "line %d with some text after it, so that the buffer fills", i);
    while (*read_line(f, fd))
        lines++;
    assert_in_range(lines, 1000, 19000);
    trace_event(f->stack, "one more");
    lost = json_integer_value(json_object_get(receive(f, fd), "lost"));
    assert_int_equal(lines + lost, 20000);
    close(fd);
}

/* ---- The socket file ---- */

static void socket_is_its_users_alone(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void stale_socket_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(addr.sun_path, f->path);
    assert_int_equal(bind(dead, (struct sockaddr *)&addr, sizeof(addr)), 0);
    close(dead); /* the file stays */
    serve(f, "stack: { name: second }\n");
    int fd = dial(f);
    assert_string_equal(text_of(ask(f, fd, "{\"cmd\":\"version\"}"), "name"), "second");
    close(fd);
}

static void live_socket_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct tn_error error;
    struct tn_stack *second = make_stack("stack: { name: second }\n");
    assert_int_equal(tn_stack_control(second, f->path, &error), -EADDRINUSE);
    assert_non_null(strstr(error.text, "a running stack answers there"));
    tn_stack_destroy(second);
    int fd = dial(f);
    assert_string_equal(text_of(ask(f, fd, "{\"cmd\":\"version\"}"), "name"), "test");
    close(fd);
}

static void file_that_is_no_socket_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct tn_error error;
    f->stack = make_stack("stack: { name: test }\n");
    close(open(f->path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(tn_stack_control(f->stack, f->path, &error), -EEXIST);
    assert_non_null(strstr(error.text, "not a socket"));
    assert_int_equal(unlink(f->path), 0);
}

static void path_that_cannot_be_is_refused_with_a_reason(void **state)
{
    struct fixture *f = *state;
    struct tn_error error;
    char longer[200];
    f->stack = make_stack("stack: { name: test }\n");
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    assert_int_equal(tn_stack_control(f->stack, longer, &error), -ENAMETOOLONG);
    assert_int_equal(tn_stack_control(f->stack, "/nonexistent/dir/x.sock", &error), -ENOENT);
    assert_non_null(
        strstr(error.text, "/nonexistent/dir/x.sock: cannot make the control socket: No such file"));
}

static void socket_of_another_is_not_removed_at_the_end(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(unlink(f->path), 0);
    struct fixture other = *f;
    serve(&other, "stack: { name: other }\n");
    tn_control_close(f->stack);
    assert_int_equal(access(f->path, F_OK), 0);
    tn_stack_destroy(other.stack);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define BARE(name) cmocka_unit_test_setup_teardown(name, setup_bare, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(version_is_answered),
        TEST(id_comes_back_with_answer_and_error),
        TEST(bad_json_is_refused_and_the_connection_goes_on),
        TEST(request_must_be_an_object_with_cmd),
        TEST(misspelt_words_get_a_suggestion),
        TEST(requests_in_one_write_are_answered_in_order),
        TEST(request_may_come_byte_by_byte),
        TEST(last_line_needs_no_newline),
        TEST(line_that_is_too_long_is_refused_once_and_passed_over),
        TEST(longest_line_is_taken),
        TEST(deep_nesting_is_refused),
        TEST(table_is_cut_at_limit_and_says_the_total),
        TEST(every_table_can_be_shown),
        TEST(swap_of_what_does_not_run_is_refused),
        BARE(swap_tells_both_builds),
        TEST(reload_that_is_wrong_changes_nothing),
        TEST(reload_says_what_it_did),
        TEST(stop_is_answered_before_the_end),
        TEST(client_beyond_the_limit_is_told_so),
        TEST(without_descriptors_a_client_is_turned_away_and_the_loop_does_not_spin),
        TEST(request_of_a_client_that_left_at_once_is_done),
        TEST(client_that_does_not_fetch_is_not_read_from),
        TEST(trace_lines_come_until_switched_off),
        TEST(trace_ends_with_its_reader),
        TEST(slow_reader_of_a_trace_loses_lines_and_learns_how_many),
        TEST(socket_is_its_users_alone),
        BARE(stale_socket_is_replaced),
        TEST(live_socket_is_left_alone),
        BARE(file_that_is_no_socket_is_left_alone),
        BARE(path_that_cannot_be_is_refused_with_a_reason),
        TEST(socket_of_another_is_not_removed_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
