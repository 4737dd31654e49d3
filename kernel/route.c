/* route.c: the routing table.
 *
 * A trie for each family and VRF; a prefix in it holds the list of its routes, best first (metric, then order
 * of addition). A route whose interface is down is passed over: for the next one of its prefix, and then for
 * a shorter prefix. One whose gateway is dead is passed over for the next one of its prefix only, since a shorter prefix may be
 * quite another way, which was not meant for these packets; if all are dead, the best one is taken as if it were not. */
#include "route.h"

#include <errno.h>
#include <stdlib.h>

#include "gateway.h"
#include "lpm.h"
#include "prefix.h"
#include "stack.h"

struct route_entry {
    struct tn_route route;
    struct route_entry *next;  /* of the prefix, best first */
    struct route_entry *older; /* of all, in order of addition */
    struct route_entry *newer;
};

/* Tries by VRF number; as long as the highest VRF with a route. */
struct vrf_tables {
    struct tn_lpm *by_vrf;
    size_t count;
};

struct tn_routes {
    struct vrf_tables family[TN_FAMILY_MAX];
    struct route_entry *oldest;
    struct route_entry *newest;
    uint32_t count;
};

/* ---- Look-up ---- */

static struct tn_lpm *table_of(const struct tn_routes *routes, uint8_t family, uint16_t vrf)
{
    if (family >= TN_FAMILY_MAX || vrf >= routes->family[family].count)
        return NULL;
    return &routes->family[family].by_vrf[vrf];
}

static bool is_usable(struct tn_stack *stack, const struct tn_route *route)
{
    const struct tn_ifc *ifc = tn_interface_at(stack, route->ifindex);
    return ifc && ifc->pub.up;
}

static bool is_dead(const struct tn_route *route)
{
    return route->gateway && route->gateway->dead;
}

/* Dead or alive. */
static const struct tn_route *best_of_all(struct tn_stack *stack, const struct route_entry *list,
                                          uint16_t prefer, bool dead_too)
{
    const struct tn_route *best = NULL;
    for (const struct route_entry *e = list; e; e = e->next) {
        if (best && e->route.metric > best->metric)
            break;
        if (!is_usable(stack, &e->route) || (!dead_too && is_dead(&e->route)))
            continue;
        if (!best || (e->route.ifindex == prefer && best->ifindex != prefer))
            best = &e->route;
    }
    return best;
}

static const struct tn_route *best_of(struct tn_stack *stack, const struct route_entry *list, uint16_t prefer)
{
    const struct tn_route *best = best_of_all(stack, list, prefer, true);
    if (tn_likely(!best || !is_dead(best)))
        return best;
    const struct tn_route *alive = best_of_all(stack, list, prefer, false);
    if (alive)
        best = alive;
    for (const struct route_entry *e = list; e; e = e->next)
        if (&e->route != best && is_dead(&e->route))
            tn_gateway_miss(stack, e->route.gateway);
    return best;
}

const struct tn_route *tn_route_find(struct tn_stack *stack, uint8_t family, uint16_t vrf,
                                     const struct tn_addr *to, uint16_t prefer)
{
    const struct tn_lpm *table = table_of(stack->routes, family, vrf);
    if (!table)
        return NULL;
    const struct route_entry *list = tn_lpm_find(table, to);
    while (list) {
        const struct tn_route *route = best_of(stack, list, prefer);
        if (route && !(route->redirected && is_dead(route)))
            return route;
        unsigned len = list->route.prefix_len;
        for (list = NULL; len > 0 && !list;)
            list = tn_lpm_get(table, to, (uint8_t)--len);
    }
    return NULL;
}

void tn_route_each(struct tn_stack *stack, void (*each)(void *context, const struct tn_route *route),
                   void *context)
{
    for (const struct route_entry *e = stack->routes->oldest; e; e = e->newer)
        each(context, &e->route);
}

/* ---- Changes ---- */

static struct tn_lpm *make_table(struct tn_routes *routes, uint8_t family, uint16_t vrf)
{
    struct vrf_tables *t = &routes->family[family];
    if (vrf >= t->count) {
        struct tn_lpm *grown = realloc(t->by_vrf, (vrf + 1u) * sizeof(*grown));
        if (!grown)
            return NULL;
        memset(grown + t->count, 0, (vrf + 1u - t->count) * sizeof(*grown));
        t->by_vrf = grown;
        t->count = vrf + 1u;
    }
    return &t->by_vrf[vrf];
}

static bool same_way(const struct tn_route *a, const struct tn_route *b)
{
    return a->ifindex == b->ifindex && a->metric == b->metric && tn_addr_equal(&a->via, &b->via);
}

static void enter_entry(struct tn_routes *routes, struct route_entry *e)
{
    e->older = routes->newest;
    if (routes->newest)
        routes->newest->newer = e;
    else
        routes->oldest = e;
    routes->newest = e;
    routes->count++;
}

static void free_entry(struct tn_routes *routes, struct route_entry *e)
{
    if (e->older)
        e->older->newer = e->newer;
    else
        routes->oldest = e->newer;
    if (e->newer)
        e->newer->older = e->older;
    else
        routes->newest = e->older;
    routes->count--;
    free(e);
}

/* With the route in the table: whose gateway it is. False: no memory. */
static bool find_gateway(struct tn_stack *stack, struct tn_route *route)
{
    route->gateway = NULL;
    if (tn_addr_is_zero(&route->via))
        return true;
    route->gateway = tn_gateway_use(stack, route->ifindex, route->family, &route->via);
    return route->gateway != NULL;
}

/* The prefix's list becomes `list`: changed in place where the trie allows it. */
static int set_list(struct tn_lpm *table, const struct tn_route *route, struct route_entry *list)
{
    if (list)
        return tn_lpm_insert(table, &route->to, route->prefix_len, list, NULL);
    (void)tn_lpm_remove(table, &route->to, route->prefix_len);
    return 0;
}

int tn_route_add(struct tn_stack *stack, const struct tn_route *route)
{
    struct tn_routes *routes = stack->routes;
    if (route->family >= TN_FAMILY_MAX || route->prefix_len > 128)
        return -EINVAL;
    struct tn_lpm *table = make_table(routes, route->family, route->vrf);
    if (!table)
        return -ENOMEM;
    struct tn_addr to = route->to;
    tn_prefix_mask(&to, route->prefix_len);

    struct route_entry *list = tn_lpm_get(table, &to, route->prefix_len);
    struct route_entry **at = &list;
    for (const struct route_entry *e = list; e; e = e->next)
        if (same_way(&e->route, route))
            return -EEXIST;
    while (*at && (*at)->route.metric <= route->metric)
        at = &(*at)->next;
    if (routes->count >= stack->plan->limits.routes)
        return -ENOSPC;
    struct route_entry *e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    e->route = *route;
    e->route.to = to;
    e->next = *at;
    bool first = at == &list;
    if (!find_gateway(stack, &e->route) || (first && set_list(table, &e->route, e) < 0)) {
        tn_gateway_release(stack, e->route.gateway);
        free(e);
        return -ENOMEM;
    }
    if (!first)
        *at = e;
    enter_entry(routes, e);
    tn_paths_changed(stack);
    return 0;
}

int tn_route_remove(struct tn_stack *stack, const struct tn_route *route)
{
    struct tn_routes *routes = stack->routes;
    struct tn_lpm *table = table_of(routes, route->family, route->vrf);
    if (!table || route->prefix_len > 128)
        return -ENOENT;
    struct route_entry *list = tn_lpm_get(table, &route->to, route->prefix_len);
    struct route_entry **at = &list;
    while (*at && !(same_way(&(*at)->route, route) && (*at)->route.connected == route->connected &&
                    (*at)->route.owner == route->owner))
        at = &(*at)->next;
    struct route_entry *e = *at;
    if (!e)
        return -ENOENT;
    if (at != &list)
        *at = e->next;
    else
        (void)set_list(table, &e->route, e->next); /* takes no memory: the prefix is there, or goes */
    tn_gateway_release(stack, e->route.gateway);
    free_entry(routes, e);
    tn_paths_changed(stack);
    return 0;
}

int tn_routes_init(struct tn_stack *stack)
{
    int err = tn_gateways_init(stack);
    if (err < 0)
        return err;
    stack->routes = calloc(1, sizeof(*stack->routes));
    if (!stack->routes)
        tn_gateways_destroy(stack);
    return stack->routes ? 0 : -ENOMEM;
}

void tn_routes_destroy(struct tn_stack *stack)
{
    struct tn_routes *routes = stack->routes;
    if (!routes)
        return;
    for (struct route_entry *e = routes->oldest, *newer; e; e = newer) {
        newer = e->newer;
        tn_gateway_release(stack, e->route.gateway);
        free(e);
    }
    for (unsigned f = 0; f < TN_FAMILY_MAX; f++) {
        for (size_t v = 0; v < routes->family[f].count; v++)
            tn_lpm_destroy(&routes->family[f].by_vrf[v]);
        free(routes->family[f].by_vrf);
    }
    free(routes);
    stack->routes = NULL;
    tn_gateways_destroy(stack);
}
