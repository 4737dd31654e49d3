/* socket_table.c: the table of four-tuples, in which packets of connections find their socket. */
#include "socket_table.h"

static_assert(offsetof(struct tn_socket, node_next) == offsetof(struct tn_hnode, next),
              "a tn_socket begins as a tn_hnode");
static_assert(offsetof(struct tn_socket, node_hash) == offsetof(struct tn_hnode, hash),
              "a tn_socket begins as a tn_hnode");

static struct tn_hnode *node_of(struct tn_socket *sock)
{
    return (struct tn_hnode *)(void *)sock;
}

static struct tn_socket *socket_of(struct tn_hnode *node)
{
    return (struct tn_socket *)(void *)node;
}

struct tn_tuple tn_socket_tuple(const struct tn_socket *sock)
{
    return (struct tn_tuple){
        .local = sock->local,
        .remote = sock->remote,
        .local_port = sock->local_port,
        .remote_port = sock->remote_port,
        .vrf = sock->vrf,
        .transport = sock->transport,
        .family = sock->family,
    };
}

/* Whether the address lies in the half word that it begins with, as those of four bytes do. */
static bool is_short(const struct tn_addr *a)
{
    static const struct tn_addr mask = {.bytes = {0, 0, 0, 0, 255, 255, 255, 255}};
    return ((a->half[0] & mask.half[0]) | a->half[1]) == 0;
}

/* Keyed: the remote end of a connection is the other side's choice. Short addresses take fewer words. While a connection is made
 * and ended its tuple is hashed again and again, so that the last hash is kept. */
uint32_t tn_tuple_hash(const struct tn_stack *stack, const struct tn_tuple *t)
{
    const uint64_t words[5] = {
        (uint64_t)t->local_port << 48 | (uint64_t)t->remote_port << 32 | (uint64_t)t->vrf << 16 |
            (uint64_t)(t->transport & 0xff) << 8 | t->family,
        t->local.half[0],
        t->remote.half[0],
        t->local.half[1],
        t->remote.half[1],
    };
    struct tn_hashed_tuple *last = &stack->sockets->last_hashed;
    uint64_t difference = 0;
    for (unsigned i = 0; i < TN_ARRAY_SIZE(words); i++)
        difference |= words[i] ^ last->words[i];
    if (difference == 0) /* none is all zero: it would have no family */
        return last->hash;
    memcpy(last->words, words, sizeof(words));
    last->hash =
        (uint32_t)(is_short(&t->local) && is_short(&t->remote) ? tn_siphash13_3(&stack->hash_key, words)
                                                               : tn_siphash13_5(&stack->hash_key, words));
    return last->hash;
}

static bool tuple_matches(const struct tn_tuple *t, const struct tn_socket *sock)
{
    return sock->remote_port == t->remote_port && sock->local_port == t->local_port &&
           tn_addr_equal(&sock->remote, &t->remote) && tn_addr_equal(&sock->local, &t->local) &&
           sock->transport == t->transport && sock->family == t->family && sock->vrf == t->vrf;
}

/* Packets of one connection often come in a row. */
struct tn_socket *tn_tuple_find(const struct tn_stack *stack, const struct tn_tuple *tuple)
{
    struct tn_sockets *sockets = stack->sockets;
    if (sockets->tuples[tuple->transport] == 0)
        return NULL;
    if (sockets->recent && tuple_matches(tuple, sockets->recent))
        return sockets->recent;
    uint32_t hash = tn_tuple_hash(stack, tuple);
    for (struct tn_hnode *n = tn_htab_first(&sockets->connections, hash); n; n = n->next) {
        struct tn_socket *sock = socket_of(n);
        if (n->hash == hash && tuple_matches(tuple, sock))
            return sockets->recent = sock;
    }
    return NULL;
}

void tn_tuple_insert(struct tn_stack *stack, struct tn_socket *sock)
{
    struct tn_tuple tuple = tn_socket_tuple(sock);
    tn_htab_insert(&stack->sockets->connections, node_of(sock), tn_tuple_hash(stack, &tuple));
    stack->sockets->tuples[tuple.transport]++;
    sock->flags |= TN_SOCK_HASHED;
}

void tn_tuple_remove(struct tn_stack *stack, struct tn_socket *sock)
{
    if (!(sock->flags & TN_SOCK_HASHED))
        return;
    tn_htab_remove(&stack->sockets->connections, node_of(sock));
    stack->sockets->tuples[sock->transport]--; /* which it has until it is freed */
    if (stack->sockets->recent == sock)
        stack->sockets->recent = NULL;
    sock->flags &= ~TN_SOCK_HASHED;
}
