/* address.c: the addresses of this stack's interfaces.
 *
 * On the packet path the question is "what is this address to us?": one look in a hash table, which holds
 * each address and, where the network protocol has such, its subnet's directed broadcast. Everything else
 * (which address to speak from, lists for people) walks the list of an interface's addresses. */
#include "address.h"

#include <errno.h>
#include <stdlib.h>

#include "dispatch.h"
#include "group.h"
#include "htab.h"
#include "prefix.h"
#include "route.h"
#include "solicit.h"
#include "stack.h"

/* What the table finds: an address of ours or a directed broadcast. */
struct local_node {
    struct tn_hnode node;
    struct tn_addr addr;
    enum tn_local kind;
    struct address_entry *entry;
};

struct address_entry {
    struct tn_address address;
    struct address_entry *next;  /* of the interface, in order of addition */
    struct local_node unicast;   /* in the table while the address is in use, as is the other */
    struct local_node broadcast; /* kind TN_LOCAL_NONE: the subnet has none */
};

/* What was looked for and found (or not) lately: most packets come from and go to the same few addresses. A stranger can make
 * it useless, but then there is still the table, whose hash is keyed. */
#define RECENT_MAX 64 /* a power of two */

struct recent {
    struct tn_addr addr;
    uint64_t changes; /* tn_addresses.changes when it was looked for; else it is out of date */
    uint64_t where;   /* family, VRF and interface */
    const struct local_node *found;
};

struct tn_addresses {
    struct tn_htab table;
    uint64_t changes; /* how often the table was changed, and 1 */
    struct recent recent[RECENT_MAX];
    struct address_entry *of[TN_INTERFACES_MAX + 1]; /* by interface index */
    uint32_t count;
};

static const struct tn_network_ops *network_of(const struct tn_stack *stack, uint8_t family,
                                               struct tn_self **self)
{
    const struct tn_dispatch_entry *entry = tn_dispatch_find(stack, TN_TABLE_FAMILY, 0, family);
    if (!entry->slot)
        return NULL;
    *self = &entry->slot->self;
    return entry->slot->self.plugin->network;
}

static uint32_t local_hash(const struct tn_stack *stack, uint8_t family, const struct tn_addr *addr)
{
    const uint64_t words[5] = {addr->half[0], addr->half[1], family};
    return (uint32_t)tn_siphash13_5(&stack->hash_key, words);
}

/* ---- Look-up ---- */

static bool node_matches(const struct local_node *n, uint8_t family, uint16_t ifindex,
                         const struct tn_addr *addr)
{
    const struct tn_address *a = &n->entry->address;
    return a->family == family && tn_addr_equal(&n->addr, addr) && (ifindex == 0 || a->ifindex == ifindex);
}

/* The entry that makes `addr` local on interface `ifindex` (0: any) in `vrf` (-1: any); own addresses before
 * broadcasts. */
static const struct local_node *find_in_table(const struct tn_stack *stack, uint8_t family, uint16_t ifindex,
                                              int vrf, const struct tn_addr *addr)
{
    const struct local_node *found = NULL;
    uint32_t hash = local_hash(stack, family, addr);
    for (struct tn_hnode *h = tn_htab_first(&stack->addresses->table, hash); h; h = h->next) {
        const struct local_node *n = tn_container(h, struct local_node, node);
        if (h->hash != hash || !node_matches(n, family, ifindex, addr))
            continue;
        if (vrf >= 0 && n->entry->address.vrf != vrf)
            continue;
        if (n->kind == TN_LOCAL_UNICAST)
            return n;
        found = n;
    }
    return found;
}

static const struct local_node *find_local(const struct tn_stack *stack, uint8_t family, uint16_t ifindex,
                                           int vrf, const struct tn_addr *addr)
{
    struct tn_addresses *a = stack->addresses;
    uint64_t where = (uint64_t)family << 32 | (uint32_t)(uint16_t)vrf << 16 | ifindex;
    uint64_t mixed = (addr->half[0] ^ addr->half[1] ^ ifindex) * 0x9e3779b97f4a7c15u;
    struct recent *r = &a->recent[mixed >> 58];
    static_assert(RECENT_MAX == 64, "six bits of the product");
    if (tn_likely(r->changes == a->changes && r->where == where && tn_addr_equal(&r->addr, addr)))
        return r->found;
    static_assert(TN_VRF_ANY == UINT16_MAX, "any VRF (-1) and one cannot be the same");
    *r = (struct recent){.addr = *addr, .changes = a->changes, .where = where};
    r->found = find_in_table(stack, family, ifindex, vrf, addr);
    return r->found;
}

enum tn_local tn_core_address_kind(struct tn_self *self, uint8_t family, const struct tn_interface *ifc,
                                   const struct tn_addr *addr, uint16_t *vrf)
{
    const struct local_node *n = find_local(self->stack, family, ifc ? ifc->index : 0, -1, addr);
    if (!n)
        return tn_group_joined(self->stack, family, ifc ? ifc->index : 0, addr) ? TN_LOCAL_MULTICAST
                                                                                : TN_LOCAL_NONE;
    if (vrf)
        *vrf = n->entry->address.vrf;
    return n->kind;
}

enum tn_local tn_address_kind_in(const struct tn_stack *stack, uint8_t family, uint16_t vrf,
                                 const struct tn_addr *addr, uint16_t *ifindex)
{
    const struct local_node *n = find_local(stack, family, 0, vrf == TN_VRF_ANY ? -1 : vrf, addr);
    if (!n)
        return TN_LOCAL_NONE;
    *ifindex = n->entry->address.ifindex;
    return n->kind;
}

bool tn_address_is_link_local(const struct tn_stack *stack, uint8_t family, const struct tn_addr *addr)
{
    struct tn_self *network;
    const struct tn_network_ops *ops = network_of(stack, family, &network);
    return ops && ops->link_local && ops->link_local(network, addr);
}

/* RFC 1122 §3.3.4.3: the address whose subnet holds the next hop, else the interface's first; one of the link alone only if there
 * is no other (RFC 3927 §2.6.1). */
bool tn_address_source(const struct tn_stack *stack, uint8_t family, int vrf, uint16_t ifindex,
                       const struct tn_addr *near, struct tn_addr *out)
{
    const struct tn_address *best = NULL;
    bool best_is_last_choice = false;
    for (const struct address_entry *e = stack->addresses->of[ifindex]; e; e = e->next) {
        const struct tn_address *a = &e->address;
        if (a->family != family || (vrf >= 0 && a->vrf != vrf) || a->state != TN_ADDRESS_IN_USE)
            continue;
        bool holds = near && tn_prefix_holds(&a->addr, a->prefix_len, near);
        bool last_choice = tn_address_is_link_local(stack, family, &a->addr);
        if (!best || holds || (best_is_last_choice && !last_choice)) {
            best = a;
            best_is_last_choice = last_choice;
        }
        if (holds || (!near && !last_choice))
            break;
    }
    if (best)
        *out = best->addr;
    return best != NULL;
}

bool tn_core_address_of(struct tn_self *self, uint8_t family, const struct tn_interface *ifc,
                        const struct tn_addr *near, struct tn_addr *out)
{
    return ifc && tn_address_source(self->stack, family, -1, ifc->index, near, out);
}

uint16_t tn_address_first_interface(struct tn_stack *stack, uint8_t family, uint16_t vrf)
{
    struct tn_addr unused;
    for (uint16_t i = 1; i <= stack->interface_count; i++)
        if (stack->interfaces[i] && stack->interfaces[i]->pub.up &&
            tn_address_source(stack, family, vrf, i, NULL, &unused))
            return i;
    return 0;
}

enum tn_addr_class tn_core_address_class(struct tn_self *self, uint8_t family, const struct tn_addr *addr)
{
    struct tn_self *network;
    const struct tn_network_ops *ops = network_of(self->stack, family, &network);
    return ops ? ops->classify(network, addr) : TN_ADDR_INVALID;
}

void tn_address_each(struct tn_stack *stack, void (*each)(void *context, const struct tn_address *address),
                     void *context)
{
    for (uint16_t i = 1; i <= TN_INTERFACES_MAX; i++)
        for (const struct address_entry *e = stack->addresses->of[i]; e; e = e->next)
            each(context, &e->address);
}

/* ---- Changes ---- */

static bool same_address(const struct tn_address *a, const struct tn_address *b)
{
    return a->family == b->family && tn_addr_equal(&a->addr, &b->addr) &&
           (a->vrf == b->vrf || a->ifindex == b->ifindex);
}

static struct address_entry **find_entry(struct tn_stack *stack, const struct tn_address *address)
{
    for (struct address_entry **at = &stack->addresses->of[address->ifindex]; *at; at = &(*at)->next)
        if (same_address(&(*at)->address, address))
            return at;
    return NULL;
}

/* An address must be the only one of its kind in its VRF, and on its interface, also while it is not in use. */
static bool is_taken(struct tn_stack *stack, const struct tn_address *address)
{
    const struct local_node *n = find_local(stack, address->family, 0, address->vrf, &address->addr);
    if ((n && n->kind == TN_LOCAL_UNICAST) || find_entry(stack, address))
        return true;
    for (uint16_t i = 1; i <= TN_INTERFACES_MAX; i++)
        for (const struct address_entry *e = stack->addresses->of[i]; e; e = e->next)
            if (e->address.state != TN_ADDRESS_IN_USE && e->address.vrf == address->vrf &&
                e->address.family == address->family && tn_addr_equal(&e->address.addr, &address->addr))
                return true;
    return false;
}

static void enter_node(struct tn_stack *stack, struct address_entry *e, struct local_node *n,
                       enum tn_local kind, const struct tn_addr *addr)
{
    n->kind = kind;
    n->addr = *addr;
    n->entry = e;
    stack->addresses->changes++;
    tn_htab_insert(&stack->addresses->table, &n->node, local_hash(stack, e->address.family, addr));
}

/* RFC 919; the subnets of RFC 3021 (/31) and single addresses have no broadcast. */
static void enter_broadcast(struct tn_stack *stack, struct address_entry *e, const struct tn_network_ops *ops)
{
    unsigned bits = ops->address_size * 8u;
    if (!ops->subnet_broadcast || e->address.prefix_len + 1u >= bits)
        return;
    struct tn_addr all_ones = e->address.addr;
    for (unsigned bit = e->address.prefix_len; bit < bits; bit++)
        all_ones.bytes[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
    enter_node(stack, e, &e->broadcast, TN_LOCAL_BROADCAST, &all_ones);
}

static struct tn_route connected_route(const struct tn_address *a)
{
    struct tn_route route = {.to = a->addr,
                             .ifindex = a->ifindex,
                             .vrf = a->vrf,
                             .family = a->family,
                             .prefix_len = a->prefix_len,
                             .connected = true};
    tn_prefix_mask(&route.to, a->prefix_len);
    return route;
}

/* Whether another address of the interface is in the same subnet and so needs the same connected route. */
static bool subnet_is_shared(struct tn_stack *stack, const struct address_entry *mine)
{
    const struct tn_address *a = &mine->address;
    for (const struct address_entry *e = stack->addresses->of[a->ifindex]; e; e = e->next)
        if (e != mine && e->address.state == TN_ADDRESS_IN_USE && e->address.family == a->family &&
            e->address.vrf == a->vrf && e->address.prefix_len == a->prefix_len &&
            tn_prefix_holds(&a->addr, a->prefix_len, &e->address.addr))
            return true;
    return false;
}

static void tell_network(struct tn_stack *stack, const struct tn_address *a, bool added)
{
    struct tn_self *network;
    const struct tn_network_ops *ops = network_of(stack, a->family, &network);
    struct tn_ifc *ifc = tn_interface_at(stack, a->ifindex);
    if (ops && ops->address_changed && ifc)
        ops->address_changed(network, &ifc->pub, &a->addr, a->prefix_len, added);
}

static void tell_plugins(struct tn_stack *stack, const struct tn_address *a)
{
    struct tn_ifc *ifc = tn_interface_at(stack, a->ifindex);
    for (unsigned i = 0; ifc && i < TN_SLOTS_MAX; i++) {
        struct tn_slot *slot = stack->slots[i];
        if (slot && slot->started && slot->self.plugin->addresses_changed)
            slot->self.plugin->addresses_changed(&slot->self, &ifc->pub, a->family);
    }
}

/* ---- In use, or not ---- */

static int use(struct tn_stack *stack, struct address_entry *e)
{
    struct tn_address *a = &e->address;
    struct tn_route route = connected_route(a);
    int err = tn_route_add(stack, &route);
    if (err < 0 && err != -EEXIST)
        return err;
    enter_node(stack, e, &e->unicast, TN_LOCAL_UNICAST, &a->addr);
    struct tn_self *network;
    const struct tn_network_ops *ops = network_of(stack, a->family, &network);
    if (ops)
        enter_broadcast(stack, e, ops);
    a->state = TN_ADDRESS_IN_USE;
    tn_paths_changed(stack);
    tell_network(stack, a, true);
    tell_plugins(stack, a);
    return 0;
}

static void use_no_more(struct tn_stack *stack, struct address_entry *e)
{
    if (e->address.state != TN_ADDRESS_IN_USE)
        return;
    tell_network(stack, &e->address, false);
    if (!subnet_is_shared(stack, e)) {
        struct tn_route route = connected_route(&e->address);
        (void)tn_route_remove(stack, &route);
    }
    stack->addresses->changes++;
    tn_htab_remove(&stack->addresses->table, &e->unicast.node);
    if (e->broadcast.kind != TN_LOCAL_NONE)
        tn_htab_remove(&stack->addresses->table, &e->broadcast.node);
    e->broadcast.kind = TN_LOCAL_NONE;
    e->address.state = TN_ADDRESS_TENTATIVE;
    tn_paths_changed(stack);
    tell_plugins(stack, &e->address);
}

/* ---- Adding, removing ---- */

static struct address_entry *new_entry(struct tn_stack *stack, const struct tn_address *address)
{
    struct tn_addresses *t = stack->addresses;
    struct address_entry *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->address = *address;
    e->address.state = TN_ADDRESS_TENTATIVE;
    e->broadcast.kind = TN_LOCAL_NONE;
    struct address_entry **last = &t->of[address->ifindex];
    while (*last)
        last = &(*last)->next;
    *last = e;
    t->count++;
    return e;
}

static void free_entry(struct tn_stack *stack, struct address_entry **at)
{
    struct address_entry *e = *at;
    *at = e->next;
    stack->addresses->count--;
    free(e);
}

int tn_address_add(struct tn_stack *stack, const struct tn_address *address)
{
    assert(address->ifindex >= 1 && address->ifindex <= TN_INTERFACES_MAX);
    if (is_taken(stack, address))
        return -EEXIST;
    if (stack->addresses->count >= stack->plan->limits.addresses)
        return -ENOSPC;
    struct address_entry *e = new_entry(stack, address);
    if (!e)
        return -ENOMEM;
    bool brought = address->owner != TN_SLOT_CORE;
    if (!tn_solicit_claim(stack, address->ifindex, address->family, &address->addr, brought))
        return 0;
    int err = use(stack, e);
    if (err < 0)
        (void)tn_address_remove(stack, address);
    return err;
}

int tn_address_remove(struct tn_stack *stack, const struct tn_address *address)
{
    struct address_entry **at = find_entry(stack, address);
    if (!at || (*at)->address.owner != address->owner)
        return -ENOENT;
    use_no_more(stack, *at);
    free_entry(stack, at);
    tn_solicit_release(stack, address->ifindex, address->family, &address->addr);
    return 0;
}

/* ---- What the resolver found ---- */

bool tn_address_find(struct tn_stack *stack, uint16_t ifindex, uint8_t family, const struct tn_addr *addr,
                     struct tn_address *out)
{
    for (const struct address_entry *e = stack->addresses->of[ifindex]; e; e = e->next)
        if (e->address.family == family && tn_addr_equal(&e->address.addr, addr)) {
            *out = e->address;
            return true;
        }
    return false;
}

int tn_address_use(struct tn_stack *stack, const struct tn_address *address)
{
    struct address_entry **at = find_entry(stack, address);
    if (!at)
        return -ENOENT;
    return (*at)->address.state == TN_ADDRESS_IN_USE ? 0 : use(stack, *at);
}

void tn_address_lose(struct tn_stack *stack, const struct tn_address *address, const uint8_t *lladdr,
                     size_t len)
{
    struct address_entry **at = find_entry(stack, address);
    if (!at)
        return;
    use_no_more(stack, *at);
    (*at)->address.state = TN_ADDRESS_LOST;
    memcpy((*at)->address.other, lladdr, tn_min(len, sizeof((*at)->address.other)));
}

/* ---- All ---- */

int tn_addresses_init(struct tn_stack *stack)
{
    stack->addresses = calloc(1, sizeof(*stack->addresses));
    if (!stack->addresses)
        return -ENOMEM;
    stack->addresses->changes = 1;
    int err = tn_htab_init(&stack->addresses->table);
    if (err < 0) {
        free(stack->addresses);
        stack->addresses = NULL;
    }
    return err;
}

void tn_addresses_destroy(struct tn_stack *stack)
{
    struct tn_addresses *t = stack->addresses;
    if (!t)
        return;
    for (uint16_t i = 1; i <= TN_INTERFACES_MAX; i++)
        while (t->of[i])
            free_entry(stack, &t->of[i]);
    tn_htab_destroy(&t->table);
    free(t);
    stack->addresses = NULL;
}
