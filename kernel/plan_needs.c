/* Whether the plugins fit together: no key claimed twice, every need met, no circle; and the order in which
 * they start: drivers first, then each plugin after those that provide what it needs, in the order of their
 * kinds and of the file. */
#include <errno.h>
#include <stdlib.h>

#include "claim.h"
#include "plan_read.h"
#include "stack.h"

static bool provides(const struct tn_manifest *m, const struct tn_need *need)
{
    for (size_t i = 0; i < m->claim_count; i++)
        if (tn_need_met(need, &m->claims[i]))
            return true;
    return false;
}

/* ---- Claims ---- */

static int check_pair(struct tn_plan_reader *r, const struct tn_plan_plugin *a,
                      const struct tn_plan_plugin *b)
{
    for (size_t i = 0; i < a->manifest->claim_count; i++) {
        for (size_t k = 0; k < b->manifest->claim_count; k++) {
            const struct tn_claim *x = &a->manifest->claims[i], *y = &b->manifest->claims[k];
            if (!tn_claims_collide(x, y))
                continue;
            char key[64];
            struct tn_text out = tn_text_init(key, sizeof(key));
            tn_claim_text(&out, x->table, x->family ? x->family : y->family, x->key);
            return tn_plan_fail(r, b->at, "found %s and %s, which both provide %s, expected one of them",
                                a->name, b->name, key);
        }
    }
    return 0;
}

static int check_claims(struct tn_plan_reader *r)
{
    const struct tn_plan *plan = r->plan;
    int err = 0;
    for (size_t i = 0; i < plan->plugin_count && !err; i++)
        for (size_t k = 0; k < i && !err; k++)
            err = check_pair(r, &plan->plugins[k], &plan->plugins[i]);
    return err;
}

/* ---- Needs ---- */

/* Plugins on the path that would meet the need: "add 'x: {}' or 'y: {}' under protocols:". */
static void advise(struct tn_plan_reader *r, const struct tn_need *need, struct tn_text *out)
{
    char **names;
    size_t count = tn_manifest_list(r->plugin_path, &names), found = 0;
    for (size_t i = 0; i < count; i++) {
        struct tn_manifest *manifest;
        struct tn_error ignored;
        if (found < 4 && !tn_manifest_find(r->plugin_path, names[i], &manifest, &ignored)) {
            if (provides(manifest, need))
                tn_text_add(out, "%s'%s: {}'", found++ ? " or " : "add ", names[i]);
            tn_manifest_free(manifest);
        }
        free(names[i]);
    }
    free(names);
    if (found)
        tn_text_add(out, " under protocols:");
    else
        tn_text_add(out, "no plugin in %s provides it", tn_plugin_path(r->plugin_path));
}

static int check_need(struct tn_plan_reader *r, const struct tn_need *need, const char *who,
                      struct tn_position at)
{
    char text[64], advice[512];
    struct tn_text out = tn_text_init(text, sizeof(text));
    for (size_t i = 0; i < r->plan->plugin_count; i++)
        if (provides(r->plan->plugins[i].manifest, need))
            return 0;
    tn_need_text(&out, need);
    out = tn_text_init(advice, sizeof(advice));
    advise(r, need, &out);
    return tn_plan_fail(r, at, "%s needs %s, %s; %s", who, text, tn_table_role(need->table), advice);
}

static int check_needs_of(struct tn_plan_reader *r, const struct tn_manifest *m,
                          const struct tn_value *values, const char *who, struct tn_position at)
{
    int err = 0;
    for (size_t i = 0; i < m->need_count && !err; i++)
        if (tn_need_applies(m, &m->needs[i], values))
            err = check_need(r, &m->needs[i], who, at);
    return err;
}

/* A driver has options, and so perhaps needs, for each of its interfaces. */
static int check_all_needs(struct tn_plan_reader *r)
{
    int err = 0;
    for (size_t i = 0; i < r->plan->interface_count && !err; i++) {
        const struct tn_plan_interface *ifc = &r->plan->interfaces[i];
        char who[64];
        snprintf(who, sizeof(who), "%s: %s", ifc->name, ifc->driver);
        err = check_needs_of(r, r->plan->plugins[ifc->plugin].manifest, ifc->values, who, ifc->at);
    }
    for (size_t i = 0; i < r->plan->plugin_count && !err; i++) {
        const struct tn_plan_plugin *plugin = &r->plan->plugins[i];
        if (plugin->section != TN_SECTION_DRIVER)
            err = check_needs_of(r, plugin->manifest, plugin->values, plugin->name, plugin->at);
    }
    return err;
}

/* What an address or route of a family needs in a table, by which it is named with `where` behind it. */
static int check_family(struct tn_plan_reader *r, enum tn_table table, uint8_t family,
                        const struct tn_addr *addr, uint8_t prefix_len, const char *where,
                        struct tn_position at)
{
    const struct tn_need need = {.table = (uint8_t)table, .key = family};
    char who[TN_ADDR_TEXT + 32];
    struct tn_text out = tn_text_init(who, sizeof(who));
    tn_plan_address_text(&out, family, addr);
    tn_text_add(&out, "/%u%s", prefix_len, where);
    return check_need(r, &need, who, at);
}

/* Whether the interface's link has addresses of its own, which must be found out to reach a neighbour. */
static bool is_ethernet(const struct tn_plan_reader *r, const struct tn_plan_interface *ifc)
{
    static const struct tn_claim ethernet = {.table = TN_TABLE_LINKTYPE, .key = TN_LINK_ETHERNET};
    const struct tn_manifest *m = r->plan->plugins[ifc->plugin].manifest;
    for (size_t i = 0; i < m->need_count; i++)
        if (tn_need_met(&m->needs[i], &ethernet) && tn_need_applies(m, &m->needs[i], ifc->values))
            return true;
    return false;
}

/* An address needs its family's network protocol, and on Ethernet who finds its neighbours. */
static int check_address(struct tn_plan_reader *r, const struct tn_plan_interface *ifc,
                         const struct tn_plan_address *a)
{
    int err = check_family(r, TN_TABLE_FAMILY, a->family, &a->addr, a->prefix_len, "", a->at);
    if (!err && is_ethernet(r, ifc))
        err = check_family(r, TN_TABLE_RESOLVER, a->family, &a->addr, a->prefix_len, " on an Ethernet link",
                           a->at);
    return err;
}

static int check_families(struct tn_plan_reader *r)
{
    int err = 0;
    for (size_t i = 0; i < r->plan->interface_count && !err; i++) {
        const struct tn_plan_interface *ifc = &r->plan->interfaces[i];
        for (size_t k = 0; k < ifc->address_count && !err; k++)
            err = check_address(r, ifc, &ifc->addresses[k]);
        for (size_t k = 0; k < ifc->route_count && !err; k++) {
            const struct tn_plan_route *route = &ifc->routes[k];
            err =
                check_family(r, TN_TABLE_FAMILY, route->family, &route->to, route->prefix_len, "", route->at);
        }
    }
    return err;
}

/* ---- Order ---- */

static unsigned rank(const struct tn_plan_plugin *plugin)
{
    static const char *const kinds[] = {"link",       "framing",   "network", "protocol",
                                        "congestion", "transport", "service"};
    unsigned i = 0;
    while (i < TN_ARRAY_SIZE(kinds) && strcmp(kinds[i], plugin->manifest->kind) != 0)
        i++;
    return i;
}

/* Whether `plugin` starts after `other` because it needs something of it. A driver's needs are not for its
 * start. */
static bool depends_on(const struct tn_plan_plugin *plugin, const struct tn_plan_plugin *other)
{
    if (plugin == other || plugin->section == TN_SECTION_DRIVER)
        return false;
    for (size_t i = 0; i < plugin->manifest->need_count; i++) {
        const struct tn_need *need = &plugin->manifest->needs[i];
        if (tn_need_applies(plugin->manifest, need, plugin->values) && provides(other->manifest, need) &&
            !provides(plugin->manifest, need))
            return true;
    }
    return false;
}

/* A plugin that `plugin` depends on and that has no place yet; plugin_count if there is none. */
static size_t waits_for(const struct tn_plan *plan, const bool *placed, size_t plugin)
{
    size_t i = 0;
    while (i < plan->plugin_count && (placed[i] || !depends_on(&plan->plugins[plugin], &plan->plugins[i])))
        i++;
    return i;
}

/* The plugin that starts next: the lowest rank, then the first in the file, of those that wait for nobody. */
static size_t next_plugin(const struct tn_plan *plan, const bool *placed)
{
    size_t best = plan->plugin_count;
    for (size_t i = 0; i < plan->plugin_count; i++) {
        if (placed[i] || waits_for(plan, placed, i) < plan->plugin_count)
            continue;
        if (best == plan->plugin_count || rank(&plan->plugins[i]) < rank(&plan->plugins[best]))
            best = i;
    }
    return best;
}

/* Nobody can be placed: from any plugin, whoever it waits for waits for another, until one comes again. */
static int fail_circle(struct tn_plan_reader *r, const bool *placed)
{
    const struct tn_plan *plan = r->plan;
    bool seen[TN_SLOTS_MAX] = {false};
    char circle[512];
    struct tn_text out = tn_text_init(circle, sizeof(circle));
    size_t i = 0;
    while (placed[i])
        i++;
    for (; !seen[i]; i = waits_for(plan, placed, i))
        seen[i] = true;
    const struct tn_plan_plugin *first = &plan->plugins[i];
    size_t start = i;
    do {
        i = waits_for(plan, placed, i);
        tn_text_add(&out, " needs %s", plan->plugins[i].name);
    } while (i != start);
    return tn_plan_fail(r, first->at, "found needs that go in a circle (%s%s), expected one without",
                        first->name, circle);
}

static void apply_order(struct tn_plan *plan, const size_t *order, struct tn_plan_plugin *to)
{
    for (size_t i = 0; i < plan->plugin_count; i++)
        to[i] = plan->plugins[order[i]];
    free(plan->plugins);
    plan->plugins = to;
    for (size_t i = 0; i < plan->interface_count; i++) {
        struct tn_plan_interface *ifc = &plan->interfaces[i];
        ifc->plugin = (size_t)(tn_plan_plugin_find(plan, ifc->driver) - plan->plugins);
    }
}

static int sort_plugins(struct tn_plan_reader *r)
{
    struct tn_plan *plan = r->plan;
    bool placed[TN_SLOTS_MAX] = {false};
    size_t order[TN_SLOTS_MAX];
    for (size_t n = 0; n < plan->plugin_count; n++) {
        order[n] = next_plugin(plan, placed);
        if (order[n] == plan->plugin_count)
            return fail_circle(r, placed);
        placed[order[n]] = true;
    }
    struct tn_plan_plugin *sorted = calloc(TN_SLOTS_MAX, sizeof(sorted[0]));
    if (!sorted)
        return tn_plan_fail_memory(r);
    apply_order(plan, order, sorted);
    return 0;
}

int tn_plan_check_needs(struct tn_plan_reader *r)
{
    int err = check_claims(r);
    if (!err)
        err = check_all_needs(r);
    if (!err)
        err = check_families(r);
    return err ? err : sort_plugins(r);
}
