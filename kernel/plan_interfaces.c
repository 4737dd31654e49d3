/* interfaces: their driver with its options, and their addresses. */
#include <errno.h>
#include <stdlib.h>

#include "plan_read.h"
#include "stack.h"
#include "suggest.h"

static const char *const interface_keys[] = {"driver", "mac", "mtu", "vlan", "addresses", "routes"};

#define MTU_MIN 68 /* RFC 791 §3.2: what every network must carry */
#define MTU_MAX 65535

#define VLAN_MIN 1 /* IEEE 802.1Q table 9-2: 0 is no VLAN, 4095 is reserved */
#define VLAN_MAX 4094

/* ---- Addresses ---- */

static int read_vrf(struct tn_plan_reader *r, const struct tn_yaml_node *mapping, uint16_t *vrf)
{
    const struct tn_yaml_node *node = tn_plan_get(mapping, "vrf");
    uint32_t number = 0;
    int err = node ? tn_plan_number(r, node, 0, TN_VRF_MAX, &number) : 0;
    *vrf = (uint16_t)number;
    return err;
}

#define ADDRESS_EXAMPLE "ADDRESS/LENGTH, such as 10.0.7.7/24"

static int read_address_text(struct tn_plan_reader *r, const struct tn_yaml_node *node,
                             struct tn_plan_address *address)
{
    char expected[128], quoted[TN_QUOTE_MAX];
    struct tn_text why = tn_text_init(expected, sizeof(expected));
    const char *text = tn_plan_scalar(r, node, ADDRESS_EXAMPLE);
    if (!text)
        return -EINVAL;
    address->at = node->at;
    if (tn_plan_read_prefix(text, &address->family, &address->addr, &address->prefix_len, &why))
        return tn_plan_fail(r, node->at, "found %s, expected %s", tn_quote(quoted, text), expected);
    const char *not_a_host = tn_plan_not_a_host(address->family, &address->addr, address->prefix_len);
    if (not_a_host)
        return tn_plan_fail(r, node->at, "found %s, %s, expected the address of a host", text, not_a_host);
    if (address->prefix_len == 0)
        return tn_plan_fail(r, node->at, "found %s, expected a prefix length of 1 or more", text);
    return 0;
}

/* "10.0.7.7/24" or { address: 10.0.7.7/24, vrf: 1 }. */
static int read_address(struct tn_plan_reader *r, const struct tn_yaml_node *item,
                        struct tn_plan_address *address)
{
    static const char *const keys[] = {"address", "vrf"};
    if (item->kind != TN_YAML_MAPPING)
        return read_address_text(r, item, address);
    const struct tn_yaml_node *text = tn_plan_get(item, "address");
    int err = tn_plan_check_keys(r, item, "an address", keys, TN_ARRAY_SIZE(keys));
    if (!err)
        err = read_vrf(r, item, &address->vrf);
    if (err)
        return err;
    if (!text)
        return tn_plan_fail(r, item->at, "found no 'address', expected %s", ADDRESS_EXAMPLE);
    return read_address_text(r, text, address);
}

static int read_addresses(struct tn_plan_reader *r, struct tn_plan_interface *ifc,
                          const struct tn_yaml_node *node)
{
    int err = tn_plan_expect(r, node, TN_YAML_SEQUENCE, "a list, such as [10.0.7.7/24]");
    if (err)
        return err;
    ifc->addresses = calloc(node->count + 1, sizeof(ifc->addresses[0]));
    if (!ifc->addresses)
        return tn_plan_fail_memory(r);
    for (const struct tn_yaml_node *item = node->first; item && !err; item = item->next)
        err = read_address(r, item, &ifc->addresses[ifc->address_count++]);
    return err;
}

/* An address of some interface, to be sorted. */
struct owned {
    const struct tn_plan_address *address;
    const struct tn_plan_interface *ifc;
};

static int compare_addresses(const void *a, const void *b)
{
    const struct tn_plan_address *x = ((const struct owned *)a)->address,
                                 *y = ((const struct owned *)b)->address;
    int order = (x->vrf > y->vrf) - (x->vrf < y->vrf);
    if (!order)
        order = (x->family > y->family) - (x->family < y->family);
    if (!order)
        order = memcmp(x->addr.bytes, y->addr.bytes, sizeof(x->addr.bytes));
    if (!order)
        order = (x->at.line > y->at.line) - (x->at.line < y->at.line);
    return order ? order : (x->at.column > y->at.column) - (x->at.column < y->at.column);
}

static bool same_address(const struct tn_plan_address *a, const struct tn_plan_address *b)
{
    return a->vrf == b->vrf && a->family == b->family && tn_addr_equal(&a->addr, &b->addr);
}

/* Each address once in a VRF, whatever the interface. */
static int check_duplicates(struct tn_plan_reader *r)
{
    const struct tn_plan *plan = r->plan;
    size_t count = 0, n = 0;
    for (size_t i = 0; i < plan->interface_count; i++)
        count += plan->interfaces[i].address_count;
    struct owned *all = calloc(count + 1, sizeof(all[0]));
    if (!all)
        return tn_plan_fail_memory(r);
    for (size_t i = 0; i < plan->interface_count; i++)
        for (size_t k = 0; k < plan->interfaces[i].address_count; k++)
            all[n++] = (struct owned){&plan->interfaces[i].addresses[k], &plan->interfaces[i]};
    qsort(all, n, sizeof(all[0]), compare_addresses);
    int err = 0;
    for (size_t i = 1; i < n && !err; i++) {
        const struct tn_plan_address *first = all[i - 1].address, *second = all[i].address;
        char text[TN_ADDR_TEXT];
        struct tn_text out = tn_text_init(text, sizeof(text));
        if (!same_address(first, second))
            continue;
        tn_plan_address_text(&out, second->family, &second->addr);
        err = tn_plan_fail(r, second->at,
                           "found the address %s a second time, expected it once (first on %s at line %u)",
                           text, all[i - 1].ifc->name, first->at.line);
    }
    free(all);
    return err;
}

/* ---- The rest of an interface ---- */

static int read_mac(struct tn_plan_reader *r, struct tn_plan_interface *ifc, const struct tn_yaml_node *node)
{
    static const char expected[] = "the link address of a host, such as \"02:00:00:00:07:07\"";
    char quoted[TN_QUOTE_MAX];
    const char *text = tn_plan_scalar(r, node, expected);
    if (!text)
        return -EINVAL;
    uint8_t any = 0;
    bool good = strlen(text) == 17;
    for (size_t i = 0; good && i < 6; i++) {
        static const char hex[] = "0123456789abcdef0123456789ABCDEF";
        const char *high = strchr(hex, text[3 * i]), *low = strchr(hex, text[3 * i + 1]);
        good = high && low && text[3 * i + 2] == (i < 5 ? ':' : '\0');
        if (good)
            ifc->mac[i] = (uint8_t)(((high - hex) % 16) << 4 | ((low - hex) % 16));
        any |= ifc->mac[i];
    }
    if (!good)
        return tn_plan_fail(r, node->at, "mac: found %s, expected %s", tn_quote(quoted, text), expected);
    if ((ifc->mac[0] & 1) || !any)
        return tn_plan_fail(r, node->at, "mac: found %s, %s, expected %s", text,
                            any ? "a group address" : "all zero", expected);
    ifc->has_mac = true;
    return 0;
}

static int read_interface_name(struct tn_plan_reader *r, struct tn_plan_interface *ifc,
                               const struct tn_yaml_node *node)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    char quoted[TN_QUOTE_MAX];
    size_t len = strlen(node->key);
    if (len >= sizeof(ifc->name) || strspn(node->key, allowed) != len || strchr("._-", node->key[0]))
        return tn_plan_fail(
            r, node->key_at,
            "found %s as the name of an interface, expected letters, digits and . _ -, at most %zu",
            tn_quote(quoted, node->key), sizeof(ifc->name) - 1);
    memcpy(ifc->name, node->key, len + 1);
    return 0;
}

static int read_driver(struct tn_plan_reader *r, struct tn_plan_interface *ifc,
                       const struct tn_yaml_node *node)
{
    const struct tn_yaml_node *driver = tn_plan_get(node, "driver");
    struct tn_plan_plugin *plugin;
    if (!driver)
        return tn_plan_fail(r, node->key_at, "found no 'driver' in %s, expected 'driver: NAME'", ifc->name);
    const char *name = tn_plan_scalar(r, driver, "the name of a link driver");
    if (!name)
        return -EINVAL;
    int err = tn_plan_plugin_add(r, name, TN_SECTION_DRIVER, driver->at, &plugin);
    if (err)
        return err;
    memcpy(ifc->driver, plugin->name, sizeof(ifc->driver));
    ifc->plugin = (size_t)(plugin - r->plan->plugins);
    return tn_plan_read_options(r, node, plugin->manifest, node->key_at, interface_keys,
                                TN_ARRAY_SIZE(interface_keys), &ifc->values);
}

static int read_interface(struct tn_plan_reader *r, const struct tn_yaml_node *node,
                          struct tn_plan_interface *ifc)
{
    const struct tn_yaml_node *value;
    ifc->at = node->key_at;
    int err = read_interface_name(r, ifc, node);
    if (!err)
        err = tn_plan_expect(r, node, TN_YAML_MAPPING, "a mapping with at least 'driver: NAME'");
    if (!err)
        err = read_driver(r, ifc, node);
    if (!err && (value = tn_plan_get(node, "mac")))
        err = read_mac(r, ifc, value);
    if (!err && (value = tn_plan_get(node, "mtu")))
        err = tn_plan_number(r, value, MTU_MIN, MTU_MAX, &ifc->mtu);
    if (!err && (value = tn_plan_get(node, "vlan")))
        err = tn_plan_number(r, value, VLAN_MIN, VLAN_MAX, &ifc->vlan);
    if (!err && (value = tn_plan_get(node, "addresses")))
        err = read_addresses(r, ifc, value);
    if (!err && (value = tn_plan_get(node, "routes")))
        err = tn_plan_read_routes(r, ifc, value);
    return err;
}

int tn_plan_read_interfaces(struct tn_plan_reader *r, const struct tn_yaml_node *node)
{
    struct tn_plan *plan = r->plan;
    int err = tn_plan_expect(r, node, TN_YAML_MAPPING, "a mapping of interfaces");
    if (err)
        return err;
    if (node->count > TN_INTERFACES_MAX)
        return tn_plan_fail(r, node->at, "found %zu interfaces, expected at most %d", node->count,
                            TN_INTERFACES_MAX);
    plan->interfaces = calloc(node->count + 1, sizeof(plan->interfaces[0]));
    if (!plan->interfaces)
        return tn_plan_fail_memory(r);
    for (const struct tn_yaml_node *value = node->first; value && !err; value = value->next)
        err = read_interface(r, value, &plan->interfaces[plan->interface_count++]);
    return err ? err : check_duplicates(r);
}
