/* run_calls.c: what the user of the stack does: socket calls, with the results that they should have. */
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "run.h"

/* "-EAGAIN", "10" */
static const char *result_text(int64_t result, char *text, size_t size)
{
    if (result < 0)
        snprintf(text, size, "-%s", name_of_errno((int)-result));
    else
        snprintf(text, size, "%lld", (long long)result);
    return text;
}

static bool expect(struct run *run, const char *what, int64_t expected, int64_t got)
{
    char e[32], g[32];
    return expected == got || run_fail(run, "%s: expected %s, got %s", what,
                                       result_text(expected, e, sizeof(e)), result_text(got, g, sizeof(g)));
}

/* The step's own result, or what it usually is. */
static bool expect_result(struct run *run, const char *what, int64_t usual, int64_t got)
{
    return expect(run, what, run->step->has_result ? run->step->result : usual, got);
}

static bool compare(struct run *run, const char *what, int64_t got)
{
    static const char *const signs[] = {"=", "!=", "<", "<=", ">", ">="};
    const struct step *step = run->step;
    int64_t than = step->result;
    const bool holds[] = {got == than, got != than, got<than, got <= than, got> than, got >= than};
    return holds[step->comparison] || run_fail(run, "%s: expected %s %lld, got %lld", what,
                                               signs[step->comparison], (long long)than, (long long)got);
}

static struct sockaddr_in socket_address(struct in_addr address, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = address};
}

/* The talk's socket, made if there is none yet. */
static int own_socket(struct run *run)
{
    struct talk *talk = run_talk(run);
    if (talk->fd < 0)
        talk->fd = tn_socket(run->stack, AF_INET, SOCK_STREAM, 0);
    return talk->fd;
}

/* ---- Opening ---- */

static int bind_talk(struct run *run, struct in_addr address, uint16_t port)
{
    struct talk *talk = run_talk(run);
    struct sockaddr_in sa = socket_address(address, port);
    int result = tn_bind(run->stack, own_socket(run), (struct sockaddr *)&sa, sizeof(sa));
    if (result == 0) {
        talk->bound = true;
        talk->ends.own_port = port;
    }
    return result;
}

static bool do_bind(struct run *run)
{
    return expect_result(run, "bind", 0, bind_talk(run, run->step->address, run->step->port));
}

/* The listener is no talk's any more; those who accept from it find it by its port. */
static bool do_listen(struct run *run)
{
    const struct step *step = run->step;
    struct talk *talk = run_talk(run);
    int result = 0;
    if (run->listener_count == RUN_LISTENERS)
        return run_fail(run, "more than %d listeners", RUN_LISTENERS);
    if (!talk->bound)
        result = bind_talk(run, (struct in_addr){.s_addr = INADDR_ANY}, step->port);
    if (result == 0)
        result = tn_listen(run->stack, talk->fd, (int)step->number);
    if (result == 0) {
        run->listeners[run->listener_count].fd = talk->fd;
        run->listeners[run->listener_count++].port = step->port;
        talk->fd = -1;
        talk->bound = false;
    }
    return expect_result(run, "listen", 0, result);
}

static bool do_accept(struct run *run)
{
    struct talk *talk = run_talk(run);
    for (size_t i = 0; i < run->listener_count; i++) {
        if (run->listeners[i].port != talk->ends.own_port)
            continue;
        int fd = tn_accept(run->stack, run->listeners[i].fd, NULL, NULL);
        if (fd >= 0)
            talk->fd = fd;
        return (fd >= 0 && !run->step->has_result) || expect_result(run, "accept", 0, fd);
    }
    return run_fail(run, "nobody listens at port %u", talk->ends.own_port);
}

static bool do_connect(struct run *run)
{
    const struct step *step = run->step;
    struct talk *talk = run_talk(run);
    if (step->port)
        talk->ends.other = step->address;
    if (step->port || !talk->has_peer)
        talk->ends.peer_port = step->port ? step->port : 80;
    if (!talk->bound)
        talk->ends.own_port = 0; /* learnt from the SYN */
    talk->ends.iss_known = false;
    struct sockaddr_in sa = socket_address(talk->ends.other, talk->ends.peer_port);
    int result = tn_connect(run->stack, own_socket(run), (struct sockaddr *)&sa, sizeof(sa));
    return expect_result(run, "connect", -EINPROGRESS, result);
}

/* ---- Data ---- */

static bool do_write(struct run *run)
{
    const struct step *step = run->step;
    struct talk *talk = run_talk(run);
    uint8_t *bytes = malloc((size_t)step->number + 1);
    if (!bytes)
        return run_fail(run, "out of memory");
    for (int64_t i = 0; i < step->number; i++)
        bytes[i] = segment_octet(1 + talk->written + (uint32_t)i);
    ssize_t n = tn_send(run->stack, talk->fd, bytes, (size_t)step->number, step->flags);
    free(bytes);
    if (n > 0)
        talk->written += (uint32_t)n;
    return expect_result(run, "write", step->number, n);
}

/* Octets of the stream must be the next ones; urgent data stands outside of it. */
static bool check_read(struct run *run, const uint8_t *bytes, size_t len)
{
    struct talk *talk = run_talk(run);
    if (run->step->flags & MSG_OOB)
        return true;
    for (size_t i = 0; i < len; i++)
        if (bytes[i] != segment_octet(1 + talk->read + (uint32_t)i))
            return run_fail(run, "octet %zu is %02x, expected %02x", talk->read + i + 1, bytes[i],
                            segment_octet(1 + talk->read + (uint32_t)i));
    if (!(run->step->flags & MSG_PEEK))
        talk->read += (uint32_t)len;
    return true;
}

/* One call if its result is given, otherwise as many as it takes. */
static ssize_t receive(struct run *run, uint8_t *bytes)
{
    const struct step *step = run->step;
    size_t want = (size_t)step->number, got = 0;
    ssize_t n;
    do {
        n = tn_recv(run->stack, run_talk(run)->fd, bytes + got, want - got, step->flags);
        got += n > 0 ? (size_t)n : 0;
    } while (n > 0 && got < want && !step->has_result);
    return got ? (ssize_t)got : n;
}

static bool do_read(struct run *run)
{
    const struct step *step = run->step;
    uint8_t *bytes = malloc((size_t)step->number + 1);
    if (!bytes)
        return run_fail(run, "out of memory");
    if (step->option)
        run_talk(run)->read = (uint32_t)step->option - 1;
    ssize_t n = receive(run, bytes);
    bool right = expect_result(run, "read", step->number, n) &&
                 (n <= 0 || check_read(run, bytes, tn_min((size_t)n, (size_t)step->number)));
    free(bytes);
    return right;
}

/* ---- Closing ---- */

static bool do_shutdown(struct run *run)
{
    return expect_result(run, "shutdown", 0, tn_shutdown(run->stack, run_talk(run)->fd, run->step->option));
}

static bool do_close(struct run *run)
{
    struct talk *talk = run_talk(run);
    int result = tn_close(run->stack, talk->fd);
    talk->fd = -1;
    return expect_result(run, "close", 0, result);
}

/* ---- Options ---- */

static bool do_set(struct run *run)
{
    const struct step *step = run->step;
    int value = (int)step->number, result;
    struct linger linger = {.l_onoff = value >= 0, .l_linger = value};
    if (name_option_is_linger(step->level, step->option))
        result =
            tn_setsockopt(run->stack, own_socket(run), step->level, step->option, &linger, sizeof(linger));
    else if (name_option_is_text(step->level, step->option))
        result = tn_setsockopt(run->stack, own_socket(run), step->level, step->option, step->text,
                               (socklen_t)strlen(step->text));
    else
        result = tn_setsockopt(run->stack, own_socket(run), step->level, step->option, &value, sizeof(value));
    return expect_result(run, step->name, 0, result);
}

static bool do_get(struct run *run)
{
    const struct step *step = run->step;
    union {
        char text[SCRIPT_TEXT_MAX];
        int number;
        struct linger linger;
    } value = {""};
    socklen_t len = sizeof(value.text) - 1;
    int result = tn_getsockopt(run->stack, own_socket(run), step->level, step->option, &value, &len);
    if (step->has_result || result < 0)
        return expect_result(run, step->name, 0, result);
    if (name_option_is_text(step->level, step->option))
        return !strcmp(value.text, step->text) ||
               run_fail(run, "%s: expected %s, got %s", step->name, step->text, value.text);
    if (name_option_is_linger(step->level, step->option))
        value.number = value.linger.l_onoff ? value.linger.l_linger : -1;
    return compare(run, step->name, value.number);
}

static bool do_poll(struct run *run)
{
    const struct step *step = run->step;
    struct tn_pollfd p = {.fd = run_talk(run)->fd,
                          .events = (short)(POLLIN | POLLOUT | POLLPRI | (step->number & POLLRDHUP))};
    tn_poll(run->stack, &p, 1);
    return p.revents == step->number || run_fail(run, "poll: expected events %#llx, got %#x",
                                                 (long long)step->number, (unsigned)p.revents);
}

static bool do_info(struct run *run)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);
    memset(&info, 0, sizeof(info));
    int result = tn_getsockopt(run->stack, run_talk(run)->fd, IPPROTO_TCP, TCP_INFO, &info, &len);
    return result < 0 ? expect(run, "TCP_INFO", 0, result)
                      : compare(run, run->step->name, name_field_value(&info, run->step->name));
}

/* ---- The stack's own ---- */

static bool do_counter(struct run *run)
{
    const struct step *step = run->step;
    uint64_t got = step->kind == STEP_DROPS ? tn_stack_drops(run->stack, step->name, step->text)
                                            : tn_stack_counter(run->stack, step->name, step->text);
    if (got == UINT64_MAX)
        return run_fail(run, "%s has no '%s'", step->name, step->text);
    return compare(run, step->text, (int64_t)got);
}

static bool do_swap(struct run *run)
{
    struct tn_error error;
    return tn_stack_swap(run->stack, run->step->name, NULL, &error) == 0 || run_fail(run, "%s", error.text);
}

/* ---- The peer's own ---- */

static bool set_end(struct run *run)
{
    struct segment_ends *ends = &run_talk(run)->ends;
    bool peer = run->step->kind == STEP_PEER;
    *(peer ? &ends->other : &ends->own) = run->step->address;
    if (run->step->port)
        *(peer ? &ends->peer_port : &ends->own_port) = run->step->port;
    run_talk(run)->has_peer |= peer;
    ends->iss_known = false; /* another connection */
    return true;
}

static bool set_window(struct run *run)
{
    run_talk(run)->window = (uint32_t)run->step->number;
    return true;
}

static bool set_stamp(struct run *run)
{
    run_talk(run)->stamp = (uint32_t)run->step->number;
    return true;
}

bool run_call(struct run *run)
{
    static bool (*const calls[])(struct run *) = {
        [STEP_PEER] = set_end,    [STEP_OWN] = set_end,          [STEP_WINDOW] = set_window,
        [STEP_STAMP] = set_stamp, [STEP_LISTEN] = do_listen,     [STEP_ACCEPT] = do_accept,
        [STEP_BIND] = do_bind,    [STEP_CONNECT] = do_connect,   [STEP_WRITE] = do_write,
        [STEP_READ] = do_read,    [STEP_SHUTDOWN] = do_shutdown, [STEP_CLOSE] = do_close,
        [STEP_SET] = do_set,      [STEP_GET] = do_get,           [STEP_POLL] = do_poll,
        [STEP_INFO] = do_info,    [STEP_COUNTER] = do_counter,   [STEP_DROPS] = do_counter,
        [STEP_SWAP] = do_swap,
    };
    bool done = calls[run->step->kind](run);
    run_settle(run);
    return done;
}
