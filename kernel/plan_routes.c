/* routes: of one interface. */
#include <errno.h>
#include <stdlib.h>

#include "plan_read.h"
#include "prefix.h"
#include "suggest.h"

/* ---- One route ---- */

/* `default` is of the gateway's family, or without one of the interface's. */
static int read_default(struct tn_plan_reader *r, const struct tn_plan_interface *ifc,
                        struct tn_plan_route *route)
{
    for (size_t i = 0; i < ifc->address_count && !route->family; i++)
        if (ifc->addresses[i].vrf == route->vrf)
            route->family = ifc->addresses[i].family;
    if (route->family)
        return 0;
    return tn_plan_fail(r, route->at,
                        "to: found 'default' on an interface without addresses in vrf %u, expected "
                        "a prefix such as 0.0.0.0/0",
                        route->vrf);
}

static int read_to(struct tn_plan_reader *r, const struct tn_plan_interface *ifc,
                   const struct tn_yaml_node *node, struct tn_plan_route *route)
{
    char expected[128], quoted[TN_QUOTE_MAX];
    struct tn_text why = tn_text_init(expected, sizeof(expected));
    uint8_t family;
    const char *text = tn_plan_scalar(r, node, "'default' or ADDRESS/LENGTH, such as 10.1.0.0/16");
    if (!text)
        return -EINVAL;
    route->at = node->at;
    if (!strcmp(text, "default"))
        return read_default(r, ifc, route);
    tn_text_add(&why, "'default' or ");
    if (tn_plan_read_prefix(text, &family, &route->to, &route->prefix_len, &why)) {
        struct tn_suggestion suggestion = tn_suggest(text);
        tn_suggest_offer(&suggestion, "default");
        tn_suggest_text(&suggestion, &why);
        return tn_plan_fail(r, node->at, "to: found %s, expected %s", tn_quote(quoted, text), expected);
    }
    if (route->family && route->family != family)
        return tn_plan_fail(r, node->at, "to: found %s, expected a prefix of the same family as via", text);
    route->family = family;
    struct tn_addr whole = route->to;
    tn_prefix_mask(&route->to, route->prefix_len);
    if (tn_addr_equal(&whole, &route->to))
        return 0;
    why = tn_text_init(expected, sizeof(expected));
    tn_plan_address_text(&why, family, &route->to);
    return tn_plan_fail(r, node->at,
                        "to: found %s, expected no bits after the first %u, did you mean '%s/%u'?", text,
                        route->prefix_len, expected, route->prefix_len);
}

static int read_via(struct tn_plan_reader *r, const struct tn_yaml_node *node, struct tn_plan_route *route)
{
    static const char expected[] = "the address of a gateway, such as 10.0.7.1";
    char quoted[TN_QUOTE_MAX];
    const char *text = tn_plan_scalar(r, node, expected);
    if (!text)
        return -EINVAL;
    if (!tn_plan_read_address(text, &route->family, &route->via))
        return tn_plan_fail(r, node->at, "via: found %s, expected %s", tn_quote(quoted, text), expected);
    const char *what = tn_plan_not_a_host(route->family, &route->via, tn_plan_address_bits(route->family));
    return what ? tn_plan_fail(r, node->at, "via: found %s, %s, expected %s", text, what, expected) : 0;
}

static int read_route(struct tn_plan_reader *r, const struct tn_plan_interface *ifc,
                      const struct tn_yaml_node *item, struct tn_plan_route *route)
{
    static const char *const keys[] = {"to", "via", "metric", "vrf"};
    const struct tn_yaml_node *to = tn_plan_get(item, "to"), *via = tn_plan_get(item, "via"), *value;
    uint32_t vrf = 0;
    if (item->kind != TN_YAML_MAPPING)
        return tn_plan_fail(r, item->at, "found %s in routes, expected { to: PREFIX, via: GATEWAY }",
                            tn_yaml_kind_name(item));
    int err = tn_plan_check_keys(r, item, "a route", keys, TN_ARRAY_SIZE(keys));
    if (err)
        return err;
    if (!to)
        return tn_plan_fail(r, item->at, "found no 'to' in a route, expected 'to: default' or 'to: PREFIX'");
    if ((value = tn_plan_get(item, "vrf")))
        err = tn_plan_number(r, value, 0, TN_VRF_MAX, &vrf);
    route->vrf = (uint16_t)vrf;
    if (!err && (value = tn_plan_get(item, "metric")))
        err = tn_plan_number(r, value, 0, UINT32_MAX, &route->metric);
    if (!err && via)
        err = read_via(r, via, route);
    return err ? err : read_to(r, ifc, to, route);
}

/* ---- Gateways ---- */

/* Whether `via` is a host that the interface reaches without another gateway. */
static bool is_on_link(const struct tn_plan_interface *ifc, const struct tn_plan_route *route)
{
    bool connected = false;
    for (size_t i = 0; i < ifc->address_count; i++) {
        const struct tn_plan_address *a = &ifc->addresses[i];
        if (a->family != route->family || a->vrf != route->vrf ||
            !tn_prefix_holds(&a->addr, a->prefix_len, &route->via))
            continue;
        if (tn_plan_not_a_host(a->family, &route->via, a->prefix_len))
            return false;
        connected = true;
    }
    if (connected)
        return true;
    for (size_t i = 0; i < ifc->route_count; i++) {
        const struct tn_plan_route *other = &ifc->routes[i];
        if (tn_addr_is_zero(&other->via) && other->family == route->family && other->vrf == route->vrf &&
            tn_prefix_holds(&other->to, other->prefix_len, &route->via))
            return true;
    }
    return route->family == AF_INET6 && route->via.bytes[0] == 0xfe && (route->via.bytes[1] & 0xc0) == 0x80;
}

static const struct tn_plan_address *own_address(const struct tn_plan_interface *ifc,
                                                 const struct tn_plan_route *route)
{
    for (size_t i = 0; i < ifc->address_count; i++)
        if (ifc->addresses[i].vrf == route->vrf && ifc->addresses[i].family == route->family &&
            tn_addr_equal(&ifc->addresses[i].addr, &route->via))
            return &ifc->addresses[i];
    return NULL;
}

static int fail_gateway(struct tn_plan_reader *r, const struct tn_plan_interface *ifc,
                        const struct tn_plan_route *route, struct tn_position at)
{
    char via[TN_ADDR_TEXT], expected[256];
    struct tn_text out = tn_text_init(via, sizeof(via));
    tn_plan_address_text(&out, route->family, &route->via);
    if (own_address(ifc, route))
        return tn_plan_fail(r, at, "via: found %s, expected a gateway, not an address of this stack", via);
    out = tn_text_init(expected, sizeof(expected));
    size_t listed = 0;
    for (size_t i = 0; i < ifc->address_count && listed < 4; i++) {
        const struct tn_plan_address *a = &ifc->addresses[i];
        if (a->family != route->family || a->vrf != route->vrf)
            continue;
        tn_text_add(&out, "%s", listed++ ? ", " : "");
        tn_plan_address_text(&out, a->family, &a->addr);
        tn_text_add(&out, "/%u", a->prefix_len);
    }
    if (!listed)
        tn_text_add(&out, "it has no address in vrf %u", route->vrf);
    return tn_plan_fail(r, at, "via: found %s, expected a host in a subnet of %s (%s)", via, ifc->name,
                        expected);
}

static int check_gateways(struct tn_plan_reader *r, const struct tn_plan_interface *ifc,
                          const struct tn_yaml_node *node)
{
    const struct tn_plan_route *route = ifc->routes;
    for (const struct tn_yaml_node *item = node->first; item; item = item->next, route++) {
        const struct tn_yaml_node *via = tn_plan_get(item, "via");
        if (via && (own_address(ifc, route) || !is_on_link(ifc, route)))
            return fail_gateway(r, ifc, route, via->at);
    }
    return 0;
}

/* ---- Duplicates ---- */

static int compare_ways(const struct tn_plan_route *x, const struct tn_plan_route *y)
{
    int order = (x->vrf > y->vrf) - (x->vrf < y->vrf);
    if (!order)
        order = (x->family > y->family) - (x->family < y->family);
    if (!order)
        order = (x->prefix_len > y->prefix_len) - (x->prefix_len < y->prefix_len);
    if (!order)
        order = (x->metric > y->metric) - (x->metric < y->metric);
    if (!order)
        order = memcmp(x->to.bytes, y->to.bytes, sizeof(x->to.bytes));
    return order ? order : memcmp(x->via.bytes, y->via.bytes, sizeof(x->via.bytes));
}

static int compare_routes(const void *a, const void *b)
{
    const struct tn_plan_route *x = *(const struct tn_plan_route *const *)a;
    const struct tn_plan_route *y = *(const struct tn_plan_route *const *)b;
    int order = compare_ways(x, y);
    if (!order)
        order = (x->at.line > y->at.line) - (x->at.line < y->at.line);
    return order ? order : (x->at.column > y->at.column) - (x->at.column < y->at.column);
}

static int check_duplicates(struct tn_plan_reader *r, const struct tn_plan_interface *ifc)
{
    const struct tn_plan_route **sorted = calloc(ifc->route_count + 1, sizeof(struct tn_plan_route *));
    if (!sorted)
        return tn_plan_fail_memory(r);
    for (size_t i = 0; i < ifc->route_count; i++)
        sorted[i] = &ifc->routes[i];
    qsort(sorted, ifc->route_count, sizeof(struct tn_plan_route *), compare_routes);
    int err = 0;
    for (size_t i = 1; i < ifc->route_count && !err; i++) {
        char to[TN_ADDR_TEXT];
        struct tn_text out = tn_text_init(to, sizeof(to));
        if (compare_ways(sorted[i - 1], sorted[i]) != 0)
            continue;
        tn_plan_address_text(&out, sorted[i]->family, &sorted[i]->to);
        err = tn_plan_fail(r, sorted[i]->at,
                           "found the route to %s/%u a second time, expected it once (first at line %u)", to,
                           sorted[i]->prefix_len, sorted[i - 1]->at.line);
    }
    free(sorted);
    return err;
}

int tn_plan_read_routes(struct tn_plan_reader *r, struct tn_plan_interface *ifc,
                        const struct tn_yaml_node *node)
{
    int err = tn_plan_expect(r, node, TN_YAML_SEQUENCE, "a list, such as [{ to: default, via: 10.0.7.1 }]");
    if (err)
        return err;
    ifc->routes = calloc(node->count + 1, sizeof(ifc->routes[0]));
    if (!ifc->routes)
        return tn_plan_fail_memory(r);
    for (const struct tn_yaml_node *item = node->first; item && !err; item = item->next)
        err = read_route(r, ifc, item, &ifc->routes[ifc->route_count++]);
    if (!err)
        err = check_gateways(r, ifc, node);
    return err ? err : check_duplicates(r, ifc);
}
