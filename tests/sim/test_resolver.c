/* tn_resolve(): names to addresses over the stack's own sockets; the test is the name server 10.0.7.1. */
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "net.h"

#define YAML                                                                                       \
    "stack: { name: net, name-servers: [10.0.7.1], domain: example.org }\n"                        \
    "interfaces: { h0: { driver: host, mac: \"02:00:00:00:07:07\", addresses: [10.0.7.7/24] } }\n" \
    "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {}, tcp: {} }\n"

enum {
    DNS_HEADER = 12,
    NO_SUCH_NAME = 3,
};

static struct net net;

struct heard {
    int calls, error;
    size_t count;
    struct tn_resolved first;
};

static void hear(void *context, int error, const struct tn_resolved *found, size_t count)
{
    struct heard *h = context;
    h->calls++;
    h->error = error;
    h->count = count;
    if (count > 0)
        h->first = found[0];
}

/* The question that the stack has just sent: its message, and the name that it asks for. */
static void expect_question(struct net_seen *seen, const char *name)
{
    char asked[256];
    size_t len = 0;
    net_expect_ip(&net, seen);
    assert_int_equal(seen->protocol, 17);
    assert_int_equal(seen->payload[2] << 8 | seen->payload[3], 53);
    const uint8_t *at = seen->payload + 8 + DNS_HEADER;
    while (*at) {
        len += (size_t)snprintf(asked + len, sizeof(asked) - len, "%s%.*s", len ? "." : "", *at,
                                (const char *)at + 1);
        at += *at + 1;
    }
    assert_string_equal(asked, name);
}

/* The answer: `code`, and if that is 0 the address 192.0.2.7. */
static void answer(const struct net_seen *question, uint8_t code)
{
    static const uint8_t record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7};
    uint8_t udp[600] = {0, 53, question->payload[0], question->payload[1]};
    uint8_t *dns = udp + 8;
    size_t len = question->len - 8;
    memcpy(dns, question->payload + 8, len);
    dns[2] = 0x81;
    dns[3] = (uint8_t)(0x80 | code);
    dns[7] = code == 0;
    if (code == 0) {
        memcpy(dns + len, record, sizeof(record));
        len += sizeof(record);
    }
    udp[4] = (uint8_t)((len + 8) >> 8);
    udp[5] = (uint8_t)(len + 8);
    net_send_ip(&net, &(struct net_ip){.protocol = 17, .ttl = 64}, udp, len + 8);
    tn_sim_settle(net.sim);
}

static void name_is_asked_for_and_found(void **state)
{
    struct heard heard = {0};
    struct net_seen seen;
    net_start(&net, YAML);
    net_meet(&net);
    assert_int_equal(tn_resolve(net.stack, "host.example.org", AF_INET, hear, &heard), 0);
    tn_sim_settle(net.sim);
    expect_question(&seen, "host.example.org");
    assert_string_equal(seen.dst, "10.0.7.1");
    assert_int_equal(heard.calls, 0);
    answer(&seen, 0);
    assert_int_equal(heard.calls, 1);
    assert_int_equal(heard.error, 0);
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.first.family, AF_INET);
    assert_memory_equal(heard.first.bytes, "\xc0\x00\x02\x07", 4);
    net_stop(&net); /* no socket is left */
}

static void name_without_a_dot_is_looked_for_in_the_domain(void **state)
{
    struct heard heard = {0};
    struct net_seen seen;
    net_start(&net, YAML);
    net_meet(&net);
    assert_int_equal(tn_resolve(net.stack, "host", AF_INET, hear, &heard), 0);
    tn_sim_settle(net.sim);
    expect_question(&seen, "host.example.org");
    answer(&seen, 0);
    assert_int_equal(heard.error, 0);
    net_stop(&net);
}

static void name_that_is_not_there_is_enoent(void **state)
{
    struct heard heard = {0};
    struct net_seen seen;
    net_start(&net, YAML);
    net_meet(&net);
    assert_int_equal(tn_resolve(net.stack, "nobody.example.org", AF_INET, hear, &heard), 0);
    tn_sim_settle(net.sim);
    expect_question(&seen, "nobody.example.org");
    answer(&seen, NO_SUCH_NAME);
    while (heard.calls == 0) { /* … in the domain, too */
        net_expect_ip(&net, &seen);
        answer(&seen, NO_SUCH_NAME);
    }
    assert_int_equal(heard.error, -ENOENT);
    net_stop(&net);
}

static void address_needs_no_question(void **state)
{
    struct heard heard = {0};
    net_start(&net, YAML);
    assert_int_equal(tn_resolve(net.stack, "192.0.2.9", AF_INET, hear, &heard), 0);
    tn_sim_settle(net.sim);
    assert_int_equal(heard.calls, 1);
    assert_memory_equal(heard.first.bytes, "\xc0\x00\x02\x09", 4);
    net_expect_nothing(&net);
    net_stop(&net);
}

static void without_name_servers_is_edestaddrreq(void **state)
{
    struct heard heard = {0};
    net_start(&net, NET_YAML("  ether: {}\n  arp: {}\n  ipv4: {}\n  icmp: {}\n  udp: {}\n"));
    assert_int_equal(tn_resolve(net.stack, "host", AF_INET, hear, &heard), -EDESTADDRREQ);
    assert_int_equal(tn_resolve(net.stack, "host", AF_INET6, hear, &heard), -EAFNOSUPPORT);
    assert_int_equal(heard.calls, 0);
    net_stop(&net);
}

static void end_of_the_stack_cancels(void **state)
{
    struct heard heard = {0};
    net_start(&net, YAML);
    net_meet(&net);
    assert_int_equal(tn_resolve(net.stack, "host", AF_INET, hear, &heard), 0);
    tn_sim_settle(net.sim);
    tn_sim_destroy(net.sim);
    assert_int_equal(heard.calls, 1);
    assert_int_equal(heard.error, -ECANCELED);
}

static void garbage_is_no_answer(void **state)
{
    struct heard heard = {0};
    struct net_seen seen;
    net_start(&net, YAML);
    net_meet(&net);
    assert_int_equal(tn_resolve(net.stack, "host", AF_INET, hear, &heard), 0);
    tn_sim_settle(net.sim);
    expect_question(&seen, "host.example.org");
    for (uint8_t len = 0; len < 40; len++) {
        uint8_t udp[48] = {0, 53, seen.payload[0], seen.payload[1], 0, (uint8_t)(8 + len)};
        memset(udp + 8, len, len);
        net_send_ip(&net, &(struct net_ip){.protocol = 17, .ttl = 64}, udp, 8u + len);
        tn_sim_settle(net.sim);
    }
    assert_int_equal(heard.calls, 0);
    answer(&seen, 0);
    assert_int_equal(heard.error, 0);
    net_stop(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name_is_asked_for_and_found),
        cmocka_unit_test(name_without_a_dot_is_looked_for_in_the_domain),
        cmocka_unit_test(name_that_is_not_there_is_enoent),
        cmocka_unit_test(address_needs_no_question),
        cmocka_unit_test(without_name_servers_is_edestaddrreq),
        cmocka_unit_test(end_of_the_stack_cancels),
        cmocka_unit_test(garbage_is_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
