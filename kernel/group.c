/* group.c: multicast groups: who of this stack's sockets is in which, on which interface (RFC 1112 §7.1).
 *
 * A membership is a socket's in a group on an interface. A group is there as long as it has members; plugins that tell
 * routers of it (plugin->group_event) hear of its first member and of its last one. */
#include "group.h"

#include <errno.h>
#include <stdlib.h>

#include "htab.h"
#include "socket_table.h"

/* Of one socket (as Linux's igmp_max_memberships): they are looked through for each packet to a group. */
#define MEMBERSHIPS_OF_SOCKET 20

struct group {
    struct tn_hnode node;
    struct tn_group_info info;
    struct tn_membership *members;
    struct group *next, **link; /* all of them */
};

struct tn_membership {
    struct group *group;
    struct tn_socket *sock;
    struct tn_membership *of_socket;        /* the socket's next */
    struct tn_membership *of_group, **link; /* the group's next */
};

struct tn_groups {
    struct tn_htab table;
    struct tn_slab groups, memberships;
    struct group *first, **end;
};

/* Keyed: the other side chooses what it sends to. */
static uint32_t hash_of(const struct tn_stack *stack, uint8_t family, uint16_t ifindex,
                        const struct tn_addr *addr)
{
    const uint64_t words[5] = {addr->half[0], addr->half[1], (uint64_t)ifindex << 8 | family};
    return (uint32_t)tn_siphash13_5(&stack->hash_key, words);
}

static struct group *find(const struct tn_stack *stack, uint8_t family, uint16_t ifindex,
                          const struct tn_addr *addr)
{
    uint32_t hash = hash_of(stack, family, ifindex, addr);
    for (struct tn_hnode *n = tn_htab_first(&stack->groups->table, hash); n; n = n->next) {
        struct group *g = tn_container(n, struct group, node);
        if (n->hash == hash && g->info.family == family && g->info.ifindex == ifindex &&
            tn_addr_equal(&g->info.addr, addr))
            return g;
    }
    return NULL;
}

bool tn_group_joined(const struct tn_stack *stack, uint8_t family, uint16_t ifindex,
                     const struct tn_addr *group)
{
    const struct tn_groups *groups = stack->groups;
    if (!groups->first)
        return false;
    if (ifindex != 0)
        return find(stack, family, ifindex, group) != NULL;
    for (const struct group *g = groups->first; g; g = g->next)
        if (g->info.family == family && tn_addr_equal(&g->info.addr, group))
            return true;
    return false;
}

bool tn_group_has(const struct tn_socket *sock, uint16_t ifindex, const struct tn_addr *group)
{
    for (const struct tn_membership *m = tn_socket_memberships(sock); m; m = m->of_socket)
        if (m->group->info.ifindex == ifindex && tn_addr_equal(&m->group->info.addr, group))
            return true;
    return false;
}

/* ---- Changes ---- */

static void tell_plugins(struct tn_stack *stack, const struct tn_group_info *info, bool joined)
{
    struct tn_ifc *ifc = tn_interface_at(stack, info->ifindex);
    for (unsigned i = 1; ifc && i < TN_SLOTS_MAX; i++) {
        struct tn_slot *slot = stack->slots[i];
        if (slot && slot->started && slot->self.plugin->group_event)
            slot->self.plugin->group_event(&slot->self, &ifc->pub, info->family, &info->addr, joined);
    }
}

static struct group *make(struct tn_stack *stack, uint8_t family, uint16_t ifindex,
                          const struct tn_addr *addr)
{
    struct tn_groups *groups = stack->groups;
    struct group *g = tn_slab_alloc(&groups->groups);
    if (!g)
        return NULL;
    g->info = (struct tn_group_info){.addr = *addr, .ifindex = ifindex, .family = family};
    tn_htab_insert(&groups->table, &g->node, hash_of(stack, family, ifindex, addr));
    g->next = groups->first;
    g->link = &groups->first;
    if (g->next)
        g->next->link = &g->next;
    groups->first = g;
    return g;
}

static void put(struct tn_stack *stack, struct group *g)
{
    struct tn_groups *groups = stack->groups;
    if (g->members)
        return;
    tell_plugins(stack, &g->info, false);
    *g->link = g->next;
    if (g->next)
        g->next->link = g->link;
    tn_htab_remove(&groups->table, &g->node);
    tn_slab_free(&groups->groups, g);
}

static void end_membership(struct tn_stack *stack, struct tn_membership *m)
{
    struct tn_membership **at = &tn_socket_datagram(m->sock)->memberships;
    while (*at != m)
        at = &(*at)->of_socket;
    *at = m->of_socket;
    *m->link = m->of_group;
    if (m->of_group)
        m->of_group->link = m->link;
    struct group *g = m->group;
    g->info.members--;
    tn_slab_free(&stack->groups->memberships, m);
    put(stack, g);
}

static void begin_membership(struct tn_membership *m, struct group *g, struct tn_socket *sock)
{
    struct tn_membership **of_socket = &tn_socket_datagram(sock)->memberships;
    m->group = g;
    m->sock = sock;
    m->of_socket = *of_socket;
    *of_socket = m;
    m->of_group = g->members;
    m->link = &g->members;
    if (m->of_group)
        m->of_group->link = &m->of_group;
    g->members = m;
    g->info.members++;
}

int tn_group_join(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *addr,
                  uint16_t ifindex)
{
    const struct tn_membership *mine = tn_socket_memberships(sock);
    unsigned count = 0;
    if (sock->type != SOCK_DGRAM)
        return -EINVAL;
    if (!tn_interface_at(stack, ifindex))
        return -ENODEV;
    for (; mine; mine = mine->of_socket, count++)
        if (mine->group->info.ifindex == ifindex && tn_addr_equal(&mine->group->info.addr, addr))
            return -EADDRINUSE;
    struct tn_membership *m =
        count < MEMBERSHIPS_OF_SOCKET ? tn_slab_alloc(&stack->groups->memberships) : NULL;
    if (!m)
        return -ENOBUFS;
    struct group *g = find(stack, sock->family, ifindex, addr);
    bool first = g == NULL;
    if (first && !(g = make(stack, sock->family, ifindex, addr))) {
        tn_slab_free(&stack->groups->memberships, m);
        return -ENOBUFS;
    }
    begin_membership(m, g, sock);
    if (first)
        tell_plugins(stack, &g->info, true);
    return 0;
}

int tn_group_leave(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *addr,
                   uint16_t ifindex)
{
    struct tn_membership *m = tn_socket_memberships(sock);
    while (m && !(m->group->info.ifindex == ifindex && tn_addr_equal(&m->group->info.addr, addr)))
        m = m->of_socket;
    if (!m)
        return -EADDRNOTAVAIL;
    end_membership(stack, m);
    return 0;
}

void tn_group_leave_all(struct tn_stack *stack, struct tn_socket *sock)
{
    struct tn_membership *m;
    while ((m = tn_socket_memberships(sock)))
        end_membership(stack, m);
}

void tn_groups_flush(struct tn_stack *stack, uint16_t ifindex)
{
    for (struct group *g = stack->groups->first, *next; g; g = next) {
        next = g->next;
        if (g->info.ifindex != ifindex)
            continue;
        for (struct tn_membership *m = g->members, *more; m;
             m = more) { /* the last one takes the group along */
            more = m->of_group;
            end_membership(stack, m);
        }
    }
}

/* ---- All of them ---- */

void tn_group_each(struct tn_stack *stack, void (*each)(void *context, const struct tn_group_info *info),
                   void *context)
{
    for (const struct group *g = stack->groups->first; g; g = g->next)
        each(context, &g->info);
}

void tn_core_group_each(struct tn_self *self, uint8_t family,
                        void (*each)(struct tn_self *self, struct tn_interface *ifc,
                                     const struct tn_addr *group))
{
    struct tn_stack *stack = self->stack;
    for (const struct group *g = stack->groups->first; g; g = g->next) {
        struct tn_ifc *ifc = tn_interface_at(stack, g->info.ifindex);
        if (ifc && g->info.family == family)
            each(self, &ifc->pub, &g->info.addr);
    }
}

int tn_groups_init(struct tn_stack *stack)
{
    struct tn_groups *groups = calloc(1, sizeof(*groups));
    size_t limit = stack->plan->limits.memberships;
    if (!groups)
        return -ENOMEM;
    int error = tn_htab_init(&groups->table);
    if (error == 0)
        error = tn_slab_init(&groups->groups, "groups", sizeof(struct group), limit);
    if (error == 0)
        error = tn_slab_init(&groups->memberships, "memberships", sizeof(struct tn_membership), limit);
    stack->groups = groups;
    return error;
}

void tn_groups_destroy(struct tn_stack *stack)
{
    if (!stack->groups)
        return;
    tn_slab_destroy(&stack->groups->memberships);
    tn_slab_destroy(&stack->groups->groups);
    tn_htab_destroy(&stack->groups->table);
    free(stack->groups);
    stack->groups = NULL;
}
