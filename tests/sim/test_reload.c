/* An edited stack.yaml applied to a running stack: what changes, what must not be disturbed, what is refused.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "show.h"
#include "tenon/sim.h"

#define PATH TN_TEST_PLUGINS "/first:" TN_TEST_PLUGIN_DIR

/* The server's configuration, in pieces that a test replaces. */
struct config {
    const char *stack, *link, *addresses, *routes, *protocols, *services;
};

static const struct config base = {
    .stack = "stack: { name: server }\n",
    .link = "driver: wire, delay: 1ms, mac: '02:00:00:00:00:02'",
    .addresses = "10.0.0.2/24",
    .routes = "",
    .protocols = "ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {}, tcp: {}",
    .services = "  echo: { listen: [tcp/7, udp/7] }\n",
};

static const char *text_of(const struct config *c)
{
    static char text[4096];
    snprintf(text, sizeof(text),
             "%sinterfaces:\n  w0: { %s, addresses: [%s], routes: [%s] }\nprotocols: { %s }\nservices:\n%s",
             c->stack, c->link, c->addresses, c->routes, c->protocols, c->services);
    return text;
}

struct fixture {
    struct tn_sim *sim;
    struct tn_stack *client, *server;
    struct tn_error error;
    char report[2048];
    int fd; /* a connection to echo that must survive everything */
};

static struct sockaddr_in to(int last, uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(0x0a000000u | (unsigned)last);
    return a;
}

static int start_connect(struct fixture *f, int last, uint16_t port)
{
    struct sockaddr_in a = to(last, port);
    int fd = tn_socket(f->client, AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(tn_connect(f->client, fd, (struct sockaddr *)&a, sizeof(a)), -EINPROGRESS);
    tn_sim_run(f->sim, 50 * TN_MSEC);
    return fd;
}

/* The answer to `text` on the connection; its length or what recv said. */
static ssize_t answer(struct fixture *f, int fd, const char *text)
{
    char got[64];
    if (tn_send(f->client, fd, text, strlen(text), 0) != (ssize_t)strlen(text))
        return -1;
    tn_sim_run(f->sim, 100 * TN_MSEC);
    return tn_recv(f->client, fd, got, sizeof(got), 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->sim = tn_sim_create(3);
    tn_sim_plugin_path(f->sim, PATH);
    struct config client = base;
    client.link = "driver: wire, delay: 1ms, mac: '02:00:00:00:00:01'";
    client.addresses = "10.0.0.1/24";
    if (tn_sim_add(f->sim, text_of(&client), &f->client, &f->error) < 0 ||
        tn_sim_add(f->sim, text_of(&base), &f->server, &f->error) < 0)
        fail_msg("%s", f->error.text);
    assert_int_equal(tn_stack_join(f->client, "w0", f->server, "w0"), 0);
    f->fd = start_connect(f, 2, 7);
    assert_int_equal(answer(f, f->fd, "first"), 5);
    *state = f;
    return 0;
}

/* Whatever was done: the first connection still echoes. */
static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->fd >= 0)
        assert_int_equal(answer(f, f->fd, "last"), 4);
    tn_sim_destroy(f->sim);
    free(f);
    return 0;
}

static void reload(struct fixture *f, const struct config *c)
{
    if (tn_stack_reload(f->server, text_of(c), "stack.yaml", &f->error, f->report, sizeof(f->report)) < 0)
        fail_msg("%s", f->error.text);
}

static void assert_reports(const struct fixture *f, const char *report)
{
    assert_string_equal(f->report, report);
}

static void assert_refused(struct fixture *f, const struct config *c, const char *text)
{
    assert_true(
        tn_stack_reload(f->server, text_of(c), "stack.yaml", &f->error, f->report, sizeof(f->report)) < 0);
    if (!strstr(f->error.text, text))
        fail_msg("expected '%s' in: %s", text, f->error.text);
}

static bool serves(struct fixture *f, int last, uint16_t port)
{
    int fd = start_connect(f, last, port);
    struct tn_pollfd p = {.fd = fd, .events = 4 /* POLLOUT */};
    bool up = tn_poll(f->client, &p, 1) == 1 && !(p.revents & 8 /* POLLERR */);
    assert_int_equal(tn_close(f->client, fd), 0);
    tn_sim_run(f->sim, 100 * TN_MSEC);
    return up;
}

static void nothing_changed_does_nothing(void **state)
{
    struct fixture *f = *state;
    reload(f, &base);
    assert_reports(f, "");
}

static void section_stack_is_applied_and_told(void **state)
{
    struct fixture *f = *state;
    struct config c = base;
    c.stack = "stack: { name: server, log: { tcp: debug }, name-servers: [10.0.0.1], domain: example.org, "
              "busy-poll: 20us, io-uring: no }\n";
    reload(f, &c);
    assert_reports(
        f,
        "changed log levels\nchanged name servers\nchanged domain\nchanged busy polling\nchanged io-uring\n");
    reload(f, &c);
    assert_reports(f, "");
    c.stack = "stack: { name: server, log: { tcp: info }, name-servers: [10.0.0.3], domain: example.org, "
              "busy-poll: 20us, io-uring: no }\n";
    reload(f, &c);
    assert_reports(f, "changed log levels\nchanged name servers\n");
}

static void address_is_added_and_removed(void **state)
{
    struct fixture *f = *state;
    struct config c = base;
    assert_false(serves(f, 3, 7));
    c.addresses = "10.0.0.2/24, 10.0.0.3/24";
    reload(f, &c);
    assert_reports(f, "added address 10.0.0.3/24 to w0\n");
    tn_sim_run(f->sim, 2 * TN_SEC); /* the client's failed question is forgotten */
    assert_true(serves(f, 3, 7));
    reload(f, &base);
    assert_reports(f, "removed address 10.0.0.3/24 from w0\n");
    assert_false(serves(f, 3, 7));
}

/* ---- Connections from an address that goes ---- */

static int take_echo_connection(struct fixture *f, int last)
{
    struct config c = base;
    c.addresses = "10.0.0.2/24, 10.0.0.3/24";
    reload(f, &c);
    tn_sim_run(f->sim, 2 * TN_SEC);
    int fd = start_connect(f, last, 7);
    assert_int_equal(answer(f, fd, "there"), 5);
    return fd;
}

static void peer_is_told_when_the_address_of_its_connection_is_removed(void **state)
{
    struct fixture *f = *state;
    struct tn_usage before, after;
    char byte;
    tn_stack_usage(f->server, &before);
    int fd = take_echo_connection(f, 3);
    reload(f, &base);
    tn_sim_run(f->sim, 10 * TN_MSEC);
    assert_int_equal(tn_recv(f->client, fd, &byte, 1, 0), -ECONNRESET);
    tn_stack_usage(f->server, &after);
    assert_int_equal(after.sockets, before.sockets);
    assert_int_equal(tn_close(f->client, fd), 0);
    tn_sim_run(f->sim, 200 * TN_SEC);
}

static void user_is_told_when_the_address_of_its_connection_is_removed(void **state)
{
    struct fixture *f = *state;
    struct config c = base;
    struct sockaddr_in own = to(3, 0), peer = to(1, 7);
    char byte;
    c.addresses = "10.0.0.2/24, 10.0.0.3/24";
    reload(f, &c);
    int fd = tn_socket(f->server, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(tn_bind(f->server, fd, (struct sockaddr *)&own, sizeof(own)), 0);
    assert_int_equal(tn_connect(f->server, fd, (struct sockaddr *)&peer, sizeof(peer)), -EINPROGRESS);
    tn_sim_run(f->sim, 2 * TN_SEC);
    assert_int_equal(tn_send(f->server, fd, "x", 1, 0), 1);
    reload(f, &base);
    struct tn_pollfd p = {.fd = fd, .events = 1 /* POLLIN */};
    assert_int_equal(tn_poll(f->server, &p, 1), 1);
    assert_int_equal(tn_recv(f->server, fd, &byte, 1, 0), -ECONNABORTED);
    assert_int_equal(tn_close(f->server, fd), 0);
    tn_sim_run(f->sim, 200 * TN_SEC);
}

static void connection_outlives_a_change_of_its_addresses_prefix(void **state)
{
    struct fixture *f = *state;
    struct config c = base;
    int fd = take_echo_connection(f, 3);
    c.addresses = "10.0.0.2/24, 10.0.0.3/16";
    reload(f, &c);
    assert_int_equal(answer(f, fd, "still"), 5);
    assert_int_equal(tn_close(f->client, fd), 0);
    tn_sim_run(f->sim, 200 * TN_SEC);
    reload(f, &base);
}

static void connection_outlives_a_reload_that_fails(void **state)
{
    struct fixture *f = *state;
    struct config c = base;
    int fd = take_echo_connection(f, 3);
    int in_the_way = tn_socket(f->server, AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = to(2, 99);
    assert_int_equal(tn_bind(f->server, in_the_way, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(tn_listen(f->server, in_the_way, 1), 0);
    c.services = "  echo: { listen: [tcp/7, udp/7] }\n  daytime: { listen: [tcp/99] }\n";
    assert_refused(f, &c, "Address already in use");
    assert_int_equal(answer(f, fd, "still"), 5);
    assert_int_equal(tn_close(f->server, in_the_way), 0);
    assert_int_equal(tn_close(f->client, fd), 0);
    tn_sim_run(f->sim, 200 * TN_SEC);
    reload(f, &base);
}

static void route_is_added_and_removed(void **state)
{
    struct fixture *f = *state;
    struct config c = base;
    c.routes = "{ to: default, via: 10.0.0.1 }";
    reload(f, &c);
    assert_reports(f, "added route 0.0.0.0/0 on w0\n");
    reload(f, &base);
    assert_reports(f, "removed route 0.0.0.0/0 on w0\n");
}

static void service_is_enabled_and_disabled(void **state)
{
    struct fixture *f = *state;
    struct config c = base;
    c.services = "  echo: { listen: [tcp/7, udp/7] }\n  daytime: { listen: [tcp/13] }\n";
    assert_false(serves(f, 2, 13));
    reload(f, &c);
    assert_reports(f, "enabled daytime\nlistening on tcp/13 for daytime\n");
    assert_true(serves(f, 2, 13));
    reload(f, &base);
    assert_false(serves(f, 2, 13));
    assert_null(tn_stack_build_id(f->server, "daytime"));
}

static void listener_moves_to_another_port(void **state)
{
    struct fixture *f = *state;
    struct config c = base;
    c.services = "  echo: { listen: [tcp/77, udp/7] }\n";
    reload(f, &c);
    assert_reports(f, "stopped listening on tcp/7 for echo\nlistening on tcp/77 for echo\n");
    assert_true(serves(f, 2, 77));
    assert_false(serves(f, 2, 7));
}

static void port_passes_from_one_service_to_another(void **state)
{
    struct fixture *f = *state;
    struct config c = base;
    c.services = "  echo: { listen: [udp/7] }\n  discard: { listen: [tcp/7] }\n";
    reload(f, &c);
    assert_true(serves(f, 2, 7));
}

/* "congestion" of the open connection, as `tenon show sockets` has it. */
static const char *algorithm(struct fixture *f)
{
    static char name[32];
    json_t *table = tn_show(f->server, "sockets", NULL, &f->error), *row;
    size_t i;
    name[0] = '\0';
    json_array_foreach(json_object_get(table, "rows"), i, row)
    {
        const char *value = json_string_value(json_object_get(row, "congestion"));
        if (value)
            snprintf(name, sizeof(name), "%s", value);
    }
    json_decref(table);
    return name;
}

/* What only an option names, comes and goes with it; connections that had it go on with what the option names now. */
static void congestion_control_is_changed_under_a_connection(void **state)
{
    struct fixture *f = *state;
    struct config c = base;
    assert_string_equal(algorithm(f), "cubic");
    c.protocols = "ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {}, tcp: { congestion: newreno }";
    reload(f, &c);
    assert_reports(f, "disabled cubic\nenabled newreno\nchanged options of tcp\n");
    assert_null(tn_stack_build_id(f->server, "cubic"));
    assert_string_equal(algorithm(f), "newreno");
    assert_int_equal(answer(f, f->fd, "more"), 4);
    c.protocols = "ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {}, tcp: {}, newreno: {}"; /* both */
    reload(f, &c);
    assert_string_equal(algorithm(f), "newreno"); /* it is still there */
    assert_true(serves(f, 2, 7));
    reload(f, &base);
    assert_string_equal(algorithm(f), "cubic");
}

static void protocol_is_disabled_and_enabled(void **state)
{
    struct fixture *f = *state;
    struct config c = base;
    c.protocols = "ether: {}, arp: {}, ipv4: {}, udp: {}, tcp: {}";
    reload(f, &c);
    assert_reports(f, "disabled icmp\n");
    assert_null(tn_stack_build_id(f->server, "icmp"));
    reload(f, &base);
    assert_reports(f, "enabled icmp\n");
    assert_non_null(tn_stack_build_id(f->server, "icmp"));
}

/* Its connections end: the peer gets resets or silence, the stack has nothing left of them. */
static void transport_is_disabled(void **state)
{
    struct fixture *f = *state;
    struct config c = base;
    struct tn_usage usage;
    c.protocols = "ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {}";
    c.services = "  echo: { listen: [udp/7] }\n";
    reload(f, &c);
    assert_null(tn_stack_build_id(f->server, "tcp"));
    tn_sim_settle(f->sim); /* echo is told */
    tn_stack_usage(f->server, &usage);
    assert_int_equal(usage.sockets, 1); /* echo's UDP socket */
    assert_int_equal(tn_close(f->client, f->fd), 0);
    f->fd = -1;
    tn_sim_run(f->sim, 10 * TN_SEC);
}

static void live_option_is_changed(void **state)
{
    struct fixture *f = *state;
    struct config c = base;
    c.services = "  echo: { listen: [tcp/7, udp/7] }\n  probe: { listen: [tcp/70], limit: 8 }\n";
    reload(f, &c);
    c.services = "  echo: { listen: [tcp/7, udp/7] }\n  probe: { listen: [tcp/70], limit: 9 }\n";
    reload(f, &c);
    assert_reports(f, "changed options of probe\n");
}

static void link_option_is_changed(void **state)
{
    struct fixture *f = *state;
    struct config c = base;
    c.link = "driver: wire, delay: 7ms, mac: '02:00:00:00:00:02'";
    reload(f, &c);
    assert_reports(f, "changed options of w0\n");
}

static void refuses_what_cannot_be_changed(void **state)
{
    struct fixture *f = *state;
    struct config c = base;
    c.stack = "stack: { name: other }\n";
    assert_refused(f, &c, "stack: name cannot be changed while running (it is 'server')");
    c.stack = "stack: { name: server, limits: { sockets: 77 } }\n";
    assert_refused(f, &c, "stack: limits cannot be changed while running");
    c = base;
    c.link = "driver: wire, delay: 1ms, mac: '02:00:00:00:00:99'";
    assert_refused(f, &c, "w0: mac cannot be changed while running");
    c.link = "driver: host, mac: '02:00:00:00:00:02'";
    assert_refused(f, &c, "w0: driver cannot be changed while running (it is wire)");
    c.link = "driver: wire, delay: 1ms, mac: '02:00:00:00:00:02', mtu: 1400";
    assert_refused(f, &c, "w0: mtu cannot be changed while running");
}

static void refuses_what_is_wrong(void **state)
{
    struct fixture *f = *state;
    struct config c = base;
    c.protocols = "ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {}, tpc: {}";
    assert_refused(f, &c, "did you mean 'tcp'");
}

/* The plan is fine, but a step fails half-way: everything that was done before is undone. */
static void failed_step_leaves_the_old_configuration(void **state)
{
    struct fixture *f = *state;
    struct config c = base;
    struct tn_usage before, after;
    tn_sim_run(f->sim, 2 * TN_SEC); /* the open connection is idle: it holds nothing */
    tn_stack_usage(f->server, &before);
    int fd = tn_socket(f->server, AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in a = to(2, 99);
    assert_int_equal(tn_bind(f->server, fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(tn_listen(f->server, fd, 1), 0);
    c.addresses = "10.0.0.2/24, 10.0.0.3/24";
    c.routes = "{ to: default, via: 10.0.0.1 }";
    c.services = "  echo: { listen: [udp/7] }\n  daytime: { listen: [tcp/13, tcp/99] }\n";
    assert_refused(f, &c, "daytime: cannot listen on tcp/99: Address already in use");
    assert_int_equal(tn_close(f->server, fd), 0);
    assert_null(tn_stack_build_id(f->server, "daytime"));
    assert_true(serves(f, 2, 7));
    assert_false(serves(f, 3, 7));
    assert_false(serves(f, 2, 13));
    tn_sim_run(f->sim, 200 * TN_SEC);
    tn_stack_usage(f->server, &after);
    assert_int_equal(after.sockets, before.sockets);
    assert_int_equal(after.plugin_bytes, before.plugin_bytes);
    reload(f, &base);
    assert_reports(f, "");
}

static void interface_is_added_and_removed(void **state)
{
    struct fixture *f = *state;
    char text[4096];
    snprintf(text, sizeof(text), "%s", text_of(&base));
    char *at = strstr(text, "protocols:");
    char rest[4096];
    snprintf(rest, sizeof(rest), "%s", at);
    snprintf(at, sizeof(text) - (size_t)(at - text), "  h1: { driver: host, addresses: [10.1.0.1/24] }\n%s",
             rest);
    assert_int_equal(tn_stack_reload(f->server, text, "stack.yaml", &f->error, f->report, sizeof(f->report)),
                     0);
    assert_reports(f, "enabled host\nopened interface h1\nadded address 10.1.0.1/24 to h1\n");
    assert_int_equal(tn_host_send(f->server, "h1", "x", 1), 0);
    reload(f, &base);
    assert_reports(f, "disabled host\nremoved address 10.1.0.1/24 from h1\nclosed interface h1\n");
    assert_int_equal(tn_host_send(f->server, "h1", "x", 1), -ENODEV);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_changed_does_nothing),
        TEST(section_stack_is_applied_and_told),
        TEST(address_is_added_and_removed),
        TEST(peer_is_told_when_the_address_of_its_connection_is_removed),
        TEST(user_is_told_when_the_address_of_its_connection_is_removed),
        TEST(connection_outlives_a_change_of_its_addresses_prefix),
        TEST(connection_outlives_a_reload_that_fails),
        TEST(route_is_added_and_removed),
        TEST(service_is_enabled_and_disabled),
        TEST(listener_moves_to_another_port),
        TEST(port_passes_from_one_service_to_another),
        TEST(congestion_control_is_changed_under_a_connection),
        TEST(protocol_is_disabled_and_enabled),
        TEST(transport_is_disabled),
        TEST(live_option_is_changed),
        TEST(link_option_is_changed),
        TEST(refuses_what_cannot_be_changed),
        TEST(refuses_what_is_wrong),
        TEST(failed_step_leaves_the_old_configuration),
        TEST(interface_is_added_and_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
