/* services: and what each listens on: TRANSPORT/PORT or TRANSPORT/ADDRESS:PORT, in every VRF or (@VRF) in one. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "plan_read.h"
#include "stack.h"
#include "suggest.h"

/* ---- One listen ---- */

static int fail_listen(struct tn_plan_reader *r, const struct tn_yaml_node *item)
{
    char quoted[TN_QUOTE_MAX];
    return tn_plan_fail(r, item->at, "listen: found %s, expected TRANSPORT/PORT or TRANSPORT/ADDRESS:PORT",
                        item->kind == TN_YAML_SCALAR ? tn_quote(quoted, item->text)
                                                     : tn_yaml_kind_name(item));
}

static bool has_ports(const struct tn_manifest *manifest)
{
    return strcmp(manifest->kind, "transport") == 0 && !manifest->no_ports;
}

/* "; add 'udp: {}' under protocols:" when there is such a transport on the plugin path. */
static void advise(struct tn_plan_reader *r, const char *name, struct tn_text *out)
{
    struct tn_manifest *manifest;
    struct tn_error ignored;
    if (tn_plan_plugin_find(r->plan, name) || tn_manifest_find(r->plugin_path, name, &manifest, &ignored))
        return;
    if (has_ports(manifest))
        tn_text_add(out, "; add '%s: {}' under protocols:", name);
    tn_manifest_free(manifest);
}

/* `expected`: the transports under protocols on which one can listen, and what is to be done otherwise. */
static void expect_transport(struct tn_plan_reader *r, const char *name, struct tn_text *expected)
{
    const char *words[TN_SLOTS_MAX];
    struct tn_suggestion suggestion = tn_suggest(name);
    size_t count = 0;
    for (size_t i = 0; i < r->plan->plugin_count; i++)
        if (has_ports(r->plan->plugins[i].manifest))
            words[count++] = r->plan->plugins[i].name;
    for (size_t i = 0; i < count; i++) {
        tn_text_add(expected, "%s%s", i == 0 ? "" : i + 1 < count ? ", " : " or ", words[i]);
        tn_suggest_offer(&suggestion, words[i]);
    }
    if (!count)
        tn_text_add(expected, "a transport, and there is none under protocols");
    tn_suggest_text(&suggestion, expected);
    advise(r, name, expected);
}

static int fail_transport(struct tn_plan_reader *r, const char *name, struct tn_position at)
{
    char expected[512], quoted[TN_QUOTE_MAX];
    struct tn_text out = tn_text_init(expected, sizeof(expected));
    const struct tn_plan_plugin *plugin = tn_plan_plugin_find(r->plan, name);
    expect_transport(r, name, &out);
    if (plugin && plugin->manifest->no_ports)
        return tn_plan_fail(r, at, "listen: found '%s', which has no ports, expected %s", name, expected);
    return tn_plan_fail(r, at, "listen: found %s, which is no transport under protocols, expected %s",
                        tn_quote(quoted, name), expected);
}

static int find_transport(struct tn_plan_reader *r, const char *name, struct tn_plan_listen *listen)
{
    const struct tn_plan_plugin *plugin = tn_plan_plugin_find(r->plan, name);
    if (!plugin || !has_ports(plugin->manifest))
        return fail_transport(r, name, listen->at);
    snprintf(listen->transport, sizeof(listen->transport), "%s", plugin->name);
    for (size_t i = 0; i < plugin->manifest->claim_count; i++) {
        const struct tn_claim *claim = &plugin->manifest->claims[i];
        if (claim->table == TN_TABLE_IPPROTO) {
            listen->protocol = (uint8_t)claim->key;
            return 0;
        }
    }
    return tn_plan_fail(r, listen->at,
                        "listen: found %s, which provides no ipproto:NUMBER, expected a transport that does",
                        name);
}

static bool read_port(const char *text, uint16_t *port)
{
    size_t digits = strspn(text, "0123456789");
    unsigned value = 0;
    if (digits == 0 || digits > 5 || text[digits] != '\0' || text[0] == '0')
        return false;
    for (; *text; text++)
        value = value * 10 + (unsigned)(*text - '0');
    *port = (uint16_t)value;
    return value <= UINT16_MAX;
}

/* The address before the port, of a family that needs brackets for it or not. */
static int read_listen_address(struct tn_plan_reader *r, char *text, struct tn_plan_listen *listen)
{
    static const char expected[] = "an address, such as 10.0.7.7 or [fd00::7]";
    char quoted[TN_QUOTE_MAX], *address = text;
    size_t len = strlen(text);
    bool brackets = len > 2 && text[0] == '[' && text[len - 1] == ']';
    tn_quote(quoted, text);
    if (brackets) {
        text[len - 1] = '\0';
        address = text + 1;
    }
    if (!tn_plan_read_address(address, &listen->family, &listen->addr) ||
        brackets != (listen->family == AF_INET6))
        return tn_plan_fail(r, listen->at, "listen: found %s, expected %s", quoted, expected);
    if (tn_addr_is_zero(&listen->addr))
        return tn_plan_fail(r, listen->at, "listen: found %s, expected %s, or none to listen on all", quoted,
                            expected);
    return 0;
}

static int read_listen_vrf(struct tn_plan_reader *r, const char *text, struct tn_plan_listen *listen)
{
    char quoted[TN_QUOTE_MAX];
    size_t digits = strspn(text, "0123456789");
    unsigned long vrf = digits > 0 && digits <= 5 ? strtoul(text, NULL, 10) : ULONG_MAX;
    if (text[digits] != '\0' || vrf > TN_VRF_MAX)
        return tn_plan_fail(r, listen->at, "listen: found %s as the VRF, expected a number from 0 to %u",
                            tn_quote(quoted, text), TN_VRF_MAX);
    listen->vrf = (uint16_t)vrf;
    return 0;
}

static bool in_vrf(const struct tn_plan_listen *listen, uint16_t vrf)
{
    return listen->vrf == TN_VRF_ANY || listen->vrf == vrf;
}

/* A unicast address must be this stack's own: binding to another would fail when the stack starts. */
static int check_local(struct tn_plan_reader *r, const struct tn_plan_listen *listen)
{
    char text[TN_ADDR_TEXT];
    struct tn_text out = tn_text_init(text, sizeof(text));
    if (!listen->family ||
        tn_plan_not_a_host(listen->family, &listen->addr, tn_plan_address_bits(listen->family)))
        return 0;
    for (size_t i = 0; i < r->plan->interface_count; i++) {
        const struct tn_plan_interface *ifc = &r->plan->interfaces[i];
        for (size_t k = 0; k < ifc->address_count; k++)
            if (ifc->addresses[k].family == listen->family && in_vrf(listen, ifc->addresses[k].vrf) &&
                tn_addr_equal(&ifc->addresses[k].addr, &listen->addr))
                return 0;
    }
    tn_plan_address_text(&out, listen->family, &listen->addr);
    return tn_plan_fail(
        r, listen->at,
        listen->vrf == TN_VRF_ANY
            ? "listen: found %s, which no interface has, expected an address of this stack"
            : "listen: found %s, which no interface has in that VRF, expected an address of it",
        text);
}

/* Cuts `text` into transport, address, port and VRF. */
static int read_listen(struct tn_plan_reader *r, const struct tn_yaml_node *item, char *text,
                       struct tn_plan_listen *listen)
{
    char quoted[TN_QUOTE_MAX];
    listen->at = item->at;
    char *rest = strchr(text, '/');
    if (!rest || rest == text)
        return fail_listen(r, item);
    *rest++ = '\0';
    char *at = strrchr(rest, '@');
    if (at)
        *at = '\0';
    char *colon = strrchr(rest, ':'), *port = colon ? colon + 1 : rest;
    listen->vrf = TN_VRF_ANY;
    int err = find_transport(r, text, listen);
    if (!err && at)
        err = read_listen_vrf(r, at + 1, listen);
    if (err)
        return err;
    if (!read_port(port, &listen->port))
        return tn_plan_fail(r, item->at, "listen: found %s as the port, expected a number from 1 to 65535",
                            tn_quote(quoted, port));
    if (colon) {
        *colon = '\0';
        err = read_listen_address(r, rest, listen);
    }
    return err ? err : check_local(r, listen);
}

static int read_listens(struct tn_plan_reader *r, struct tn_plan_plugin *plugin,
                        const struct tn_yaml_node *node)
{
    static const char expected[] =
        "a list of TRANSPORT/PORT or TRANSPORT/ADDRESS:PORT, such as [tcp/7, 'udp/10.0.7.7:7']";
    if (node->kind != TN_YAML_SEQUENCE)
        return tn_plan_fail_kind(r, node, expected);
    if (node->count == 0)
        return tn_plan_fail(r, node->at, "listen: found an empty list, expected %s", expected);
    plugin->listens = calloc(node->count, sizeof(plugin->listens[0]));
    if (!plugin->listens)
        return tn_plan_fail_memory(r);
    int err = 0;
    for (const struct tn_yaml_node *item = node->first; item && !err; item = item->next) {
        if (item->kind != TN_YAML_SCALAR)
            return fail_listen(r, item);
        char *text = strdup(item->text);
        err = text ? read_listen(r, item, text, &plugin->listens[plugin->listen_count++])
                   : tn_plan_fail_memory(r);
        free(text);
    }
    return err;
}

/* ---- Ports taken twice ---- */

struct owned {
    const struct tn_plan_listen *listen;
    const struct tn_plan_plugin *plugin;
};

static bool is_before(struct tn_position a, struct tn_position b)
{
    return a.line < b.line || (a.line == b.line && a.column < b.column);
}

/* By port and VRF; of these those on all addresses first, then by address. */
static int compare_listens(const void *a, const void *b)
{
    const struct tn_plan_listen *x = ((const struct owned *)a)->listen,
                                *y = ((const struct owned *)b)->listen;
    int order = x->protocol - y->protocol;
    if (!order)
        order = x->port - y->port;
    if (!order)
        order = x->vrf - y->vrf;
    if (!order)
        order = x->family - y->family;
    if (!order)
        order = memcmp(x->addr.bytes, y->addr.bytes, sizeof(x->addr.bytes));
    return order ? order : is_before(x->at, y->at) ? -1 : is_before(y->at, x->at);
}

static int fail_taken(struct tn_plan_reader *r, const struct owned *a, const struct owned *b)
{
    const struct owned *first = is_before(a->listen->at, b->listen->at) ? a : b, *second = first == a ? b : a;
    return tn_plan_fail(r, second->listen->at,
                        "found port %u of %s for %s, expected another: %s has it at line %u",
                        second->listen->port, second->listen->transport, second->plugin->name,
                        first->plugin->name, first->listen->at.line);
}

/* Whether two listens on the same port in the same VRF are for the same packets. */
static bool same_end(const struct tn_plan_listen *a, const struct tn_plan_listen *b)
{
    return !a->family || !b->family || (a->family == b->family && tn_addr_equal(&a->addr, &b->addr));
}

/* Of [from, to), all on one port in one VRF, two that clash. */
static int check_group(struct tn_plan_reader *r, const struct owned *sorted, size_t from, size_t to)
{
    for (size_t i = from + 1; i < to; i++) {
        if (!sorted[from].listen->family) /* on all addresses */
            return fail_taken(r, &sorted[from], &sorted[i]);
        if (same_end(sorted[i - 1].listen, sorted[i].listen))
            return fail_taken(r, &sorted[i - 1], &sorted[i]);
    }
    return 0;
}

/* Of [from, to), all on one port, those in every VRF (from `any` on) that clash with one in a single VRF. */
static int check_everywhere(struct tn_plan_reader *r, const struct owned *sorted, size_t from, size_t any,
                            size_t to)
{
    for (size_t i = from; i < any; i++)
        for (size_t k = any; k < to; k++)
            if (same_end(sorted[i].listen, sorted[k].listen))
                return fail_taken(r, &sorted[i], &sorted[k]);
    return 0;
}

static bool same_port(const struct tn_plan_listen *a, const struct tn_plan_listen *b)
{
    return a->protocol == b->protocol && a->port == b->port;
}

static int check_ports(struct tn_plan_reader *r, const struct owned *sorted, size_t count)
{
    int err = 0;
    for (size_t from = 0, to; from < count && !err; from = to) {
        size_t group = from; /* the first of the same VRF; TN_VRF_ANY is the last one */
        for (to = from + 1; to < count && same_port(sorted[from].listen, sorted[to].listen) && !err; to++) {
            if (sorted[to].listen->vrf == sorted[group].listen->vrf)
                continue;
            err = check_group(r, sorted, group, to);
            group = to;
        }
        if (!err)
            err = check_group(r, sorted, group, to);
        if (!err && sorted[group].listen->vrf == TN_VRF_ANY)
            err = check_everywhere(r, sorted, from, group, to);
    }
    return err;
}

static int check_all_ports(struct tn_plan_reader *r)
{
    size_t count = 0, n = 0;
    for (size_t i = 0; i < r->plan->plugin_count; i++)
        count += r->plan->plugins[i].listen_count;
    struct owned *all = calloc(count + 1, sizeof(all[0]));
    if (!all)
        return tn_plan_fail_memory(r);
    for (size_t i = 0; i < r->plan->plugin_count; i++)
        for (size_t k = 0; k < r->plan->plugins[i].listen_count; k++)
            all[n++] = (struct owned){&r->plan->plugins[i].listens[k], &r->plan->plugins[i]};
    qsort(all, n, sizeof(all[0]), compare_listens);
    int err = check_ports(r, all, n);
    free(all);
    return err;
}

/* ---- services: ---- */

static int read_service(struct tn_plan_reader *r, const struct tn_yaml_node *node)
{
    static const char *const keys[] = {"listen"};
    struct tn_plan_plugin *plugin;
    int err = tn_plan_plugin_add(r, node->key, TN_SECTION_SERVICE, node->key_at, &plugin);
    if (err)
        return err;
    bool listens = plugin->manifest->listens;
    const struct tn_yaml_node *listen = tn_plan_get(node, "listen");
    err = tn_plan_read_options(r, node, plugin->manifest, node->key_at, keys, listens, &plugin->values);
    if (err || !listens)
        return err;
    if (!listen)
        return tn_plan_fail(r, node->key_at, "found no 'listen' in %s, expected 'listen: [TRANSPORT/PORT]'",
                            plugin->name);
    return read_listens(r, plugin, listen);
}

int tn_plan_read_services(struct tn_plan_reader *r, const struct tn_yaml_node *node)
{
    int err = tn_plan_expect(r, node, TN_YAML_MAPPING, "a mapping of services");
    for (const struct tn_yaml_node *value = node->first; value && !err; value = value->next)
        err = read_service(r, value);
    return err ? err : check_all_ports(r);
}
