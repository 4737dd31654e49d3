/* test_ports.c: who has which port: conflicts, sharing, ephemeral ports, and that nothing stays behind. */
#include <errno.h>
#include <stdlib.h>

#include "cmocka_all.h"
#include "random.h"
#include "socket_table.h"

static struct tn_stack stack;
static struct tn_plan plan;
static const struct tn_addr any = {{{0}}};
static const struct tn_addr one = {{{10, 0, 0, 1}}};
static const struct tn_addr two = {{{10, 0, 0, 2}}};
static const struct tn_addr far = {{{192, 0, 2, 1}}};

static int start(void **state)
{
    static const uint8_t seed[16] = {1, 2, 3};
    memset(&stack, 0, sizeof(stack));
    tn_rng_init(&stack.rng, seed);
    stack.hash_key = (struct tn_siphash_key){4, 5};
    plan.limits.sockets = 40000;
    stack.plan = &plan;
    return tn_sockets_init(&stack);
}

static int end(void **state)
{
    assert_int_equal(stack.sockets->port_slab.used, 0);
    assert_int_equal(stack.sockets->ports.count, 0);
    assert_int_equal(stack.sockets->connections.count, 0);
    tn_sockets_destroy(&stack);
    return 0;
}

static struct tn_socket *sock_new(uint32_t flags)
{
    struct tn_socket *sock = calloc(1, sizeof(*sock));
    sock->family = AF_INET;
    sock->type = SOCK_STREAM;
    sock->transport = 3;
    sock->flags = flags;
    return sock;
}

static void sock_free(struct tn_socket *sock)
{
    tn_tuple_remove(&stack, sock);
    tn_port_release(&stack, sock);
    free(sock);
}

static struct tn_socket *bound(uint32_t flags, const struct tn_addr *addr, uint16_t port)
{
    struct tn_socket *sock = sock_new(flags);
    assert_int_equal(tn_port_bind(&stack, sock, addr, port), 0);
    return sock;
}

static struct tn_socket *listening(uint32_t flags, const struct tn_addr *addr, uint16_t port)
{
    struct tn_socket *sock = bound(flags, addr, port);
    assert_int_equal(tn_port_listen(&stack, sock), 0);
    return sock;
}

/* A connection that came to a listener: it holds the port without having bound it. */
static struct tn_socket *child_of(const struct tn_socket *listener, const struct tn_addr *addr,
                                  uint16_t remote_port)
{
    struct tn_socket *sock = sock_new(listener->flags & TN_SOCK_REUSEADDR);
    sock->local = *addr;
    sock->local_port = listener->local_port;
    sock->remote = far;
    sock->remote_port = remote_port;
    assert_int_equal(tn_port_hold(&stack, sock), 0);
    tn_tuple_insert(&stack, sock);
    return sock;
}

/* What binding would give, without leaving a trace. */
static int try_bind(uint32_t flags, const struct tn_addr *addr, uint16_t port)
{
    struct tn_socket *sock = sock_new(flags);
    int result = tn_port_bind(&stack, sock, addr, port);
    if (result < 0) {
        assert_null(sock->port);
        assert_int_equal(sock->local_port, 0);
        assert_false(sock->flags & TN_SOCK_BOUND);
    }
    sock_free(sock);
    return result;
}

static struct tn_tuple to(const struct tn_addr *addr, uint16_t port)
{
    return (struct tn_tuple){.local = *addr, .local_port = port, .transport = 3, .family = AF_INET};
}

/* ---- Binding ---- */

static void bind_sets_address_and_port(void **state)
{
    struct tn_socket *s = bound(0, &one, 80);
    assert_int_equal(s->local_port, 80);
    assert_true(tn_addr_equal(&s->local, &one));
    assert_true(s->flags & TN_SOCK_BOUND);
    sock_free(s);
}

static void same_address_and_port_is_refused(void **state)
{
    struct tn_socket *s = bound(0, &one, 80);
    assert_int_equal(try_bind(0, &one, 80), -EADDRINUSE);
    sock_free(s);
    assert_int_equal(try_bind(0, &one, 80), 0);
}

static void other_address_or_port_is_free(void **state)
{
    struct tn_socket *s = bound(0, &one, 80);
    assert_int_equal(try_bind(0, &two, 80), 0);
    assert_int_equal(try_bind(0, &one, 81), 0);
    sock_free(s);
}

static void all_addresses_and_one_conflict_both_ways(void **state)
{
    struct tn_socket *s = bound(0, &one, 80);
    assert_int_equal(try_bind(0, &any, 80), -EADDRINUSE);
    sock_free(s);
    s = bound(0, &any, 80);
    assert_int_equal(try_bind(0, &one, 80), -EADDRINUSE);
    assert_int_equal(try_bind(0, &any, 80), -EADDRINUSE);
    sock_free(s);
}

static void families_transports_and_vrfs_are_apart(void **state)
{
    struct tn_socket *s = bound(0, &any, 80);
    struct tn_socket *t = sock_new(0), *u = sock_new(0), *v = sock_new(0);
    t->transport = 4;
    u->family = AF_INET6;
    v->vrf = 1;
    assert_int_equal(tn_port_bind(&stack, t, &any, 80), 0);
    assert_int_equal(tn_port_bind(&stack, u, &any, 80), 0);
    assert_int_equal(tn_port_bind(&stack, v, &any, 80), 0);
    sock_free(s);
    sock_free(t);
    sock_free(u);
    sock_free(v);
}

static void reuse_needs_both_to_agree(void **state)
{
    struct tn_socket *s = bound(TN_SOCK_REUSEADDR, &any, 80);
    assert_int_equal(try_bind(0, &any, 80), -EADDRINUSE);
    assert_int_equal(try_bind(TN_SOCK_REUSEADDR, &any, 80), 0);
    sock_free(s);
    s = bound(0, &any, 80);
    assert_int_equal(try_bind(TN_SOCK_REUSEADDR, &any, 80), -EADDRINUSE);
    sock_free(s);
}

static void reuse_does_not_share_with_a_listener(void **state)
{
    struct tn_socket *s = listening(TN_SOCK_REUSEADDR, &any, 80);
    assert_int_equal(try_bind(TN_SOCK_REUSEADDR, &any, 80), -EADDRINUSE);
    assert_int_equal(try_bind(TN_SOCK_REUSEADDR, &one, 80), -EADDRINUSE);
    sock_free(s);
}

static void reuse_can_be_changed_while_bound(void **state)
{
    struct tn_socket *s = bound(0, &any, 80);
    tn_port_share(s, true);
    tn_port_share(s, true);
    assert_int_equal(try_bind(TN_SOCK_REUSEADDR, &any, 80), 0);
    tn_port_share(s, false);
    assert_int_equal(try_bind(TN_SOCK_REUSEADDR, &any, 80), -EADDRINUSE);
    sock_free(s);
}

static void leftover_connection_lets_the_server_start_again_with_reuse(void **state)
{
    struct tn_socket *listener = listening(TN_SOCK_REUSEADDR, &any, 80);
    struct tn_socket *child = child_of(listener, &one, 5000); /* stays in TIME-WAIT, say */
    sock_free(listener);
    assert_int_equal(try_bind(0, &any, 80), -EADDRINUSE);
    struct tn_socket *again = listening(TN_SOCK_REUSEADDR, &any, 80);
    sock_free(again);
    sock_free(child);
}

/* ---- Listening ---- */

static void only_one_listens(void **state)
{
    struct tn_socket *s = bound(TN_SOCK_REUSEADDR, &any, 80), *t = bound(TN_SOCK_REUSEADDR, &one, 80);
    assert_int_equal(tn_port_listen(&stack, s), 0);
    assert_int_equal(tn_port_listen(&stack, t), -EADDRINUSE);
    tn_port_unlisten(&stack, s);
    assert_int_equal(tn_port_listen(&stack, t), 0);
    assert_int_equal(tn_port_listen(&stack, s), -EADDRINUSE);
    sock_free(s);
    sock_free(t);
}

static void taker_of_the_exact_address_comes_first(void **state)
{
    struct tn_socket *s = bound(TN_SOCK_REUSEADDR, &any, 53), *t = bound(TN_SOCK_REUSEADDR, &one, 53);
    tn_port_take(&stack, s);
    tn_port_take(&stack, t);
    struct tn_tuple at_one = to(&one, 53), at_two = to(&two, 53), elsewhere = to(&one, 54);
    assert_ptr_equal(tn_port_taker(&stack, &at_one, 1), t);
    assert_ptr_equal(tn_port_taker(&stack, &at_two, 1), s);
    assert_null(tn_port_taker(&stack, &elsewhere, 1));
    tn_port_untake(&stack, t);
    assert_ptr_equal(tn_port_taker(&stack, &at_one, 1), s);
    sock_free(s);
    assert_null(tn_port_taker(&stack, &at_one, 1));
    sock_free(t);
}

static void taker_of_the_interface_comes_first(void **state)
{
    struct tn_socket *s = bound(TN_SOCK_REUSEADDR, &any, 68), *t = bound(TN_SOCK_REUSEADDR, &any, 68);
    s->ifindex = 2;
    tn_port_take(&stack, s);
    tn_port_take(&stack, t);
    struct tn_tuple tuple = to(&one, 68);
    assert_ptr_equal(tn_port_taker(&stack, &tuple, 2), s);
    assert_ptr_equal(tn_port_taker(&stack, &tuple, 1), t);
    sock_free(t);
    assert_null(tn_port_taker(&stack, &tuple, 1));
    sock_free(s);
}

static void moving_a_taker_keeps_it_taking(void **state)
{
    struct tn_socket *s = bound(0, &any, 53);
    tn_port_take(&stack, s);
    assert_int_equal(tn_port_move(&stack, s, &one), 0);
    struct tn_tuple at_one = to(&one, 53), at_two = to(&two, 53);
    assert_ptr_equal(tn_port_taker(&stack, &at_one, 1), s);
    assert_null(tn_port_taker(&stack, &at_two, 1));
    assert_int_equal(try_bind(0, &two, 53), 0);
    assert_int_equal(try_bind(0, &one, 53), -EADDRINUSE);
    sock_free(s);
}

/* ---- VRFs ---- */

static struct tn_socket *bound_in(uint16_t vrf, const struct tn_addr *addr, uint16_t port)
{
    struct tn_socket *sock = sock_new(0);
    sock->vrf = vrf;
    assert_int_equal(tn_port_bind(&stack, sock, addr, port), 0);
    return sock;
}

static int try_bind_in(uint16_t vrf, const struct tn_addr *addr, uint16_t port)
{
    struct tn_socket *sock = sock_new(0);
    sock->vrf = vrf;
    int error = tn_port_bind(&stack, sock, addr, port);
    sock_free(sock);
    return error;
}

static void port_taken_in_every_vrf_is_taken_in_each(void **state)
{
    struct tn_socket *s = bound_in(TN_VRF_ANY, &any, 7);
    assert_int_equal(try_bind_in(0, &one, 7), -EADDRINUSE);
    assert_int_equal(try_bind_in(5, &any, 7), -EADDRINUSE);
    assert_int_equal(try_bind_in(TN_VRF_ANY, &one, 7), -EADDRINUSE);
    assert_int_equal(try_bind_in(5, &any, 8), 0);
    sock_free(s);
    assert_int_equal(try_bind_in(5, &any, 7), 0);
}

static void port_taken_in_one_vrf_is_not_free_in_all(void **state)
{
    struct tn_socket *s = bound_in(5, &one, 7);
    assert_int_equal(try_bind_in(TN_VRF_ANY, &any, 7), -EADDRINUSE);
    assert_int_equal(try_bind_in(TN_VRF_ANY, &one, 7), -EADDRINUSE);
    assert_int_equal(try_bind_in(TN_VRF_ANY, &two, 7), 0);
    assert_int_equal(try_bind_in(4, &any, 7), 0);
    sock_free(s);
}

static void taker_in_every_vrf_hears_in_each(void **state)
{
    struct tn_socket *s = bound_in(TN_VRF_ANY, &any, 53), *t = bound_in(5, &any, 54);
    tn_port_take(&stack, s);
    tn_port_take(&stack, t);
    struct tn_tuple tuple = to(&one, 53);
    tuple.vrf = 9;
    assert_ptr_equal(tn_port_taker(&stack, &tuple, 1), s);
    tuple.vrf = 0;
    assert_ptr_equal(tn_port_taker(&stack, &tuple, 1), s);
    tuple.local_port = 54;
    assert_null(tn_port_taker(&stack, &tuple, 1));
    tuple.vrf = 5;
    assert_ptr_equal(tn_port_taker(&stack, &tuple, 1), t);
    sock_free(s);
    sock_free(t);
    assert_int_equal(stack.sockets->takers_in_any + stack.sockets->takers_in_one, 0);
}

/* ---- Ephemeral ports (RFC 6056) ---- */

static struct tn_socket *connecting(const struct tn_addr *remote, uint16_t remote_port)
{
    struct tn_socket *sock = sock_new(0);
    sock->remote = *remote;
    sock->remote_port = remote_port;
    if (tn_port_connect(&stack, sock, &one) < 0) {
        free(sock);
        return NULL;
    }
    tn_tuple_insert(&stack, sock);
    return sock;
}

/* conformance: 6056 3.2 */
static void ephemeral_ports_are_in_range_and_differ(void **state)
{
    struct tn_socket *socks[100];
    for (unsigned i = 0; i < 100; i++) {
        socks[i] = connecting(&far, 80);
        assert_in_range(socks[i]->local_port, 32768, 60999);
        for (unsigned j = 0; j < i; j++)
            assert_int_not_equal(socks[i]->local_port, socks[j]->local_port);
    }
    for (unsigned i = 0; i < 100; i++)
        sock_free(socks[i]);
}

/* conformance: 6056 3.1 */
static void ephemeral_port_is_not_used_again_at_once(void **state)
{
    struct tn_socket *s = connecting(&far, 80);
    uint16_t port = s->local_port;
    sock_free(s);
    s = connecting(&far, 80);
    assert_int_not_equal(s->local_port, port);
    sock_free(s);
}

/* RFC 6056 §3.3.3: what one destination sees says nothing about the next port for another. */
/* conformance: 6056 3.3.3 */
static void ephemeral_ports_of_destinations_are_unrelated(void **state)
{
    unsigned near = 0;
    uint16_t last = 0;
    for (uint8_t i = 0; i < 100; i++) {
        struct tn_addr remote = {{{198, 51, 100, i}}};
        struct tn_socket *s = connecting(&remote, 80);
        near += abs((int)s->local_port - (int)last) < 100;
        last = s->local_port;
        sock_free(s);
    }
    assert_in_range(near, 0, 5); /* 0.7 are expected of chance */
}

static void ephemeral_bind_avoids_taken_ports(void **state)
{
    struct tn_socket *s = bound(0, &any, 0), *t = bound(0, &any, 0);
    assert_in_range(s->local_port, 32768, 60999);
    assert_int_not_equal(s->local_port, t->local_port);
    sock_free(s);
    sock_free(t);
}

static void connection_avoids_bound_ports(void **state)
{
    /* All ports but one are somebody's. */
    struct tn_socket *socks[28232];
    unsigned count = 0;
    for (uint16_t port = 32768; port <= 60999; port++)
        if (port != 40000)
            socks[count++] = bound(0, &any, port);
    struct tn_socket *s = connecting(&far, 80);
    assert_non_null(s);
    assert_int_equal(s->local_port, 40000);
    /* The same port serves for another destination, but not twice for one. */
    struct tn_socket *t = connecting(&far, 81);
    assert_non_null(t);
    assert_int_equal(t->local_port, 40000);
    assert_null(connecting(&far, 80));
    sock_free(s);
    sock_free(t);
    while (count > 0)
        sock_free(socks[--count]);
}

/* ---- A model ---- */

/* Every rule again, by a scan over all sockets as a person would write it. */
static bool model_conflicts(struct tn_socket **socks, unsigned count, uint32_t flags,
                            const struct tn_addr *addr, uint16_t port)
{
    for (unsigned i = 0; i < count; i++) {
        const struct tn_socket *s = socks[i];
        bool overlap = tn_addr_is_zero(addr) || tn_addr_is_zero(&s->local) || tn_addr_equal(addr, &s->local);
        bool share = (flags & s->flags & TN_SOCK_REUSEADDR) && !(s->flags & TN_SOCK_LISTENING);
        if (s->local_port == port && overlap && !share)
            return true;
    }
    return false;
}

static void random_binds_agree_with_a_scan(void **state)
{
    static const struct tn_addr *const addrs[] = {&any, &one, &two};
    struct tn_rng rng = random_start("random_binds_agree_with_a_scan");
    struct tn_socket *socks[64];
    unsigned count = 0;
    for (unsigned round = 0; round < 20000; round++) {
        if (count == 64 || (count > 0 && random_below(&rng, 3) == 0)) {
            unsigned victim = (unsigned)random_below(&rng, count);
            sock_free(socks[victim]);
            socks[victim] = socks[--count];
            continue;
        }
        uint32_t flags = random_below(&rng, 2) ? TN_SOCK_REUSEADDR : 0;
        const struct tn_addr *addr = addrs[random_below(&rng, 3)];
        uint16_t port = (uint16_t)(1 + random_below(&rng, 12));
        bool conflict = model_conflicts(socks, count, flags, addr, port);
        struct tn_socket *s = sock_new(flags);
        assert_int_equal(tn_port_bind(&stack, s, addr, port), conflict ? -EADDRINUSE : 0);
        if (conflict) {
            free(s);
            continue;
        }
        socks[count++] = s;
        if (random_below(&rng, 4) == 0)
            (void)tn_port_listen(&stack, s);
    }
    while (count > 0)
        sock_free(socks[--count]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bind_sets_address_and_port),
        TEST(same_address_and_port_is_refused),
        TEST(other_address_or_port_is_free),
        TEST(all_addresses_and_one_conflict_both_ways),
        TEST(families_transports_and_vrfs_are_apart),
        TEST(reuse_needs_both_to_agree),
        TEST(reuse_does_not_share_with_a_listener),
        TEST(reuse_can_be_changed_while_bound),
        TEST(leftover_connection_lets_the_server_start_again_with_reuse),
        TEST(only_one_listens),
        TEST(taker_of_the_exact_address_comes_first),
        TEST(taker_of_the_interface_comes_first),
        TEST(moving_a_taker_keeps_it_taking),
        TEST(port_taken_in_every_vrf_is_taken_in_each),
        TEST(port_taken_in_one_vrf_is_not_free_in_all),
        TEST(taker_in_every_vrf_hears_in_each),
        TEST(ephemeral_ports_are_in_range_and_differ),
        TEST(ephemeral_port_is_not_used_again_at_once),
        TEST(ephemeral_ports_of_destinations_are_unrelated),
        TEST(ephemeral_bind_avoids_taken_ports),
        TEST(connection_avoids_bound_ports),
        TEST(random_binds_agree_with_a_scan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
