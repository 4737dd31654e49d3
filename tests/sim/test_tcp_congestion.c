/* TCP and its congestion control: which algorithm a connection has, and how it comes and goes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include "dialogue.h"

static struct dialogue d;

static int choose(int fd, const char *name)
{
    return tn_setsockopt(d.stack, fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name));
}

static const char *chosen(int fd)
{
    static char name[64];
    socklen_t len = sizeof(name);
    assert_int_equal(tn_getsockopt(d.stack, fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), 0);
    return name;
}

static void socket_has_the_algorithm_of_the_option(void **state)
{
    established(&d, "{ congestion: newreno }", "mss 1000");
    assert_string_equal(chosen(d.fd), "newreno");
    assert_string_equal(chosen(d.listener), "newreno");
    dialogue_stop(&d);
}

static void unknown_algorithm_is_not_there(void **state)
{
    established(&d, "{ congestion: newreno }", "mss 1000");
    assert_int_equal(choose(d.fd, "vegas"), -ENOENT);
    assert_int_equal(choose(d.fd, "tcp"), -ENOENT); /* a plugin, but not of this kind */
    assert_int_equal(tn_setsockopt(d.stack, d.fd, IPPROTO_TCP, TCP_CONGESTION, "", 0), -EINVAL);
    assert_int_equal(choose(d.fd, "newreno"), 0);
    assert_string_equal(chosen(d.fd), "newreno");
    dialogue_stop(&d);
}

static size_t plugin_bytes(void)
{
    struct tn_usage usage;
    tn_stack_usage(d.stack, &usage);
    return usage.plugin_bytes;
}

/* What congestion control remembers is not for idle connections. */
static void idle_connection_has_no_record(void **state)
{
    established(&d, "{ minimum-rto: 1s }", "mss 1000");
    size_t before = plugin_bytes();
    user_writes(&d, 1000);
    stack(&d, "P. 1:1001 ack 1");
    peer(&d, ". 1 ack 1001");
    assert_true(plugin_bytes() > before);
    tn_sim_run(d.sim, 2 * TN_SEC);
    assert_int_equal(plugin_bytes(), before);
    dialogue_stop(&d);
}

#define T(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(socket_has_the_algorithm_of_the_option),
        T(unknown_algorithm_is_not_there),
        T(idle_connection_has_no_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
