/* show_network.c: the tables of what the network is made of: interfaces, addresses, routes, neighbours,
 * sockets. */
#include <sys/socket.h>

#include "address.h"
#include "dispatch.h"
#include "flow.h"
#include "gateway.h"
#include "group.h"
#include "neighbour.h"
#include "pmtu.h"
#include "route.h"
#include "show.h"
#include "sockets.h"

/* ---- interfaces ---- */

struct address_list {
    json_t *texts;
    uint16_t ifindex;
};

/* At most this many addresses stand in an interface's row; the table of addresses has them all. */
#define ADDRESSES_IN_ROW 16

static void list_address(void *context, const struct tn_address *a)
{
    struct address_list *list = context;
    if (a->ifindex == list->ifindex && json_array_size(list->texts) < ADDRESSES_IN_ROW)
        json_array_append_new(list->texts, tn_json_address(a->family, &a->addr, a->prefix_len));
}

static json_t *interface_row(struct tn_stack *stack, const struct tn_ifc *ifc)
{
    const struct tn_interface *pub = &ifc->pub;
    const struct tn_slot *framing = tn_dispatch_find(stack, TN_TABLE_LINKTYPE, 0, pub->link_type)->slot;
    struct address_list list = {.texts = json_array(), .ifindex = pub->index};
    tn_address_each(stack, list_address, &list);
    json_t *row = json_pack("{s:s,s:i,s:s,s:s,s:b,s:i,s:o,s:o}", "name", pub->name, "index", pub->index,
                            "driver", ifc->driver->name, "framing", framing ? framing->name : "", "up",
                            pub->up, "mtu", (int)pub->mtu, "lladdr",
                            tn_json_lladdr(pub->lladdr, pub->lladdr_len), "addresses", list.texts);
    json_object_set_new(row, "vlan", pub->vlan ? json_integer(pub->vlan) : json_null());
    json_object_set_new(row, "rx-packets", tn_json_number(pub->rx_packets));
    json_object_set_new(row, "rx-bytes", tn_json_number(pub->rx_bytes));
    json_object_set_new(row, "tx-packets", tn_json_number(pub->tx_packets));
    json_object_set_new(row, "tx-bytes", tn_json_number(pub->tx_bytes));
    json_object_set_new(row, "tx-stalls", tn_json_number(pub->tx_stalls));
    json_object_set_new(row, "tx-queued", tn_json_number(ifc->out.packets));
    json_object_set_new(row, "gso-max", tn_json_number(pub->gso_max));
    json_object_set_new(row, "checksum-offload", json_boolean(pub->checksum_offload));
    return row;
}

void tn_show_interfaces(struct tn_rows *rows)
{
    for (uint16_t i = 1; i <= rows->stack->interface_count; i++) {
        const struct tn_ifc *ifc = tn_interface_at(rows->stack, i);
        if (ifc && tn_rows_want(rows))
            tn_rows_add(rows, interface_row(rows->stack, ifc));
    }
}

/* Who brought it. */
static json_t *origin(const struct tn_rows *rows, uint16_t owner)
{
    const struct tn_slot *slot = rows->stack->slots[owner];
    return json_string(owner == TN_SLOT_CORE || !slot ? "stack.yaml" : slot->name);
}

/* ---- addresses ---- */

static const char *const address_states[] = {
    [TN_ADDRESS_TENTATIVE] = "looked for", [TN_ADDRESS_IN_USE] = "in use", [TN_ADDRESS_LOST] = "conflict"};

static void add_address(void *context, const struct tn_address *a)
{
    struct tn_rows *rows = context;
    if (!tn_rows_want(rows))
        return;
    bool lost = a->state == TN_ADDRESS_LOST;
    tn_rows_add(rows,
                json_pack("{s:o,s:o,s:i,s:s,s:o,s:o}", "address",
                          tn_json_address(a->family, &a->addr, a->prefix_len), "interface",
                          tn_json_interface(rows->stack, a->ifindex), "vrf", a->vrf, "state",
                          address_states[a->state], "used-by",
                          lost ? tn_json_lladdr(a->other, 6) : json_null(), "from", origin(rows, a->owner)));
}

void tn_show_addresses(struct tn_rows *rows)
{
    tn_address_each(rows->stack, add_address, rows);
}

/* ---- routes ---- */

static void add_route(void *context, const struct tn_route *r)
{
    struct tn_rows *rows = context;
    if (!tn_rows_want(rows))
        return;
    bool everywhere = r->prefix_len == 0;
    json_t *to = everywhere ? json_string("default") : tn_json_address(r->family, &r->to, r->prefix_len);
    json_t *via = tn_addr_is_zero(&r->via) ? json_null() : tn_json_address(r->family, &r->via, -1);
    bool dead = r->gateway && r->gateway->dead;
    tn_rows_add(rows, json_pack("{s:o,s:o,s:o,s:I,s:b,s:i,s:o,s:b}", "to", to, "via", via, "interface",
                                tn_json_interface(rows->stack, r->ifindex), "metric", (json_int_t)r->metric,
                                "connected", r->connected, "vrf", r->vrf, "from", origin(rows, r->owner),
                                "dead", dead));
}

void tn_show_routes(struct tn_rows *rows)
{
    tn_route_each(rows->stack, add_route, rows);
}

/* ---- path-mtus ---- */

static void add_pmtu(void *context, const struct tn_pmtu_info *info)
{
    struct tn_rows *rows = context;
    tn_time now = rows->stack->now;
    if (tn_rows_want(rows))
        tn_rows_add(rows,
                    json_pack("{s:o,s:i,s:i,s:I}", "address", tn_json_address(info->family, &info->dst, -1),
                              "vrf", info->vrf, "mtu", info->mtu, "expires-s",
                              (json_int_t)(info->expires > now ? (info->expires - now) / TN_SEC : 0)));
}

void tn_show_path_mtus(struct tn_rows *rows)
{
    tn_pmtu_each(rows->stack, add_pmtu, rows);
}

/* ---- neighbours ---- */

static void add_neighbour(void *context, const struct tn_neighbour_info *n)
{
    struct tn_rows *rows = context;
    if (tn_rows_want(rows))
        tn_rows_add(rows,
                    json_pack("{s:o,s:o,s:o,s:s,s:i}", "address", tn_json_address(n->family, &n->addr, -1),
                              "interface", tn_json_interface(rows->stack, n->ifindex), "lladdr",
                              tn_json_lladdr(n->lladdr, n->lladdr_len), "state",
                              tn_neighbour_state_name(n->state), "waiting", (int)n->waiting));
}

void tn_show_neighbours(struct tn_rows *rows)
{
    tn_neighbour_each(rows->stack, add_neighbour, rows);
}

/* ---- groups ---- */

static void add_group(void *context, const struct tn_group_info *info)
{
    struct tn_rows *rows = context;
    if (tn_rows_want(rows))
        tn_rows_add(rows, json_pack("{s:o,s:o,s:I}", "group", tn_json_address(info->family, &info->addr, -1),
                                    "interface", tn_json_interface(rows->stack, info->ifindex), "members",
                                    (json_int_t)info->members));
}

void tn_show_groups(struct tn_rows *rows)
{
    tn_group_each(rows->stack, add_group, rows);
}

/* ---- sockets ---- */

static const char *socket_state(struct tn_slot *transport, const struct tn_socket *sock)
{
    const struct tn_transport_ops *ops = transport ? transport->self.plugin->transport : NULL;
    const char *name = ops && ops->state_name ? ops->state_name(&transport->self, sock) : NULL;
    return name ? name : "";
}

static struct tn_slot *slot_at(struct tn_stack *stack, uint16_t slot)
{
    return slot < TN_SLOTS_MAX ? stack->slots[slot] : NULL;
}

static void add_row_of_socket(struct tn_rows *rows, struct tn_socket *s)
{
    struct tn_slot *transport = slot_at(rows->stack, s->transport);
    const struct tn_slot *owner = s->owner == TN_SLOT_NONE ? NULL : slot_at(rows->stack, s->owner);
    json_t *row = json_pack("{s:I,s:s,s:s,s:o,s:i,s:o,s:i,s:s}", "id", (json_int_t)s->id, "transport",
                            transport ? transport->name : "", "state", socket_state(transport, s), "local",
                            tn_json_address(s->family, &s->local, -1), "local-port", s->local_port, "remote",
                            tn_json_address(s->family, &s->remote, -1), "remote-port", s->remote_port,
                            "owner", owner ? owner->name : "");
    json_object_set_new(row, "vrf", s->vrf == TN_VRF_ANY ? json_null() : json_integer(s->vrf));
    json_object_set_new(row, "receive-queue", tn_json_number(s->rx.bytes));
    json_object_set_new(row, "send-queue", tn_json_number(s->tx.bytes));
    json_object_set_new(row, "listening", json_boolean(s->flags & TN_SOCK_LISTENING));
    json_object_set_new(row, "closed", json_boolean(s->flags & TN_SOCK_CLOSED));
    if (s->flags & TN_SOCK_LISTENING)
        json_object_set_new(row, "waiting", tn_json_number(s->accepts->count));
    const struct tn_transport_ops *ops = transport ? transport->self.plugin->transport : NULL;
    rows->row = row;
    if (ops && ops->show)
        ops->show(&transport->self, s, rows);
    rows->row = NULL;
    tn_rows_add(rows, row);
}

/* Stops at the last row that is wanted. */
static bool add_socket(void *context, struct tn_socket *s)
{
    struct tn_rows *rows = context;
    if (tn_rows_want(rows))
        add_row_of_socket(rows, s);
    return rows->total < rows->offset || rows->total - rows->offset <= rows->limit;
}

static void add_row_of_flow(struct tn_rows *rows, struct tn_slot *transport, const struct tn_flow *flow)
{
    const struct tn_tuple t = tn_flow_tuple(rows->stack, flow);
    const struct tn_transport_ops *ops = transport->self.plugin->transport;
    const char *state = ops->flow_state_name ? ops->flow_state_name(&transport->self, flow) : "";
    tn_rows_add(rows,
                json_pack("{s:i,s:s,s:s,s:o,s:i,s:o,s:i,s:s,s:i,s:i,s:i,s:b,s:b}", "id", 0, "transport",
                          transport->name, "state", state, "local", tn_json_address(t.family, &t.local, -1),
                          "local-port", t.local_port, "remote", tn_json_address(t.family, &t.remote, -1),
                          "remote-port", t.remote_port, "owner", "", "vrf", t.vrf, "receive-queue", 0,
                          "send-queue", 0, "listening", 0, "closed", 1));
}

static bool add_flow(void *context, struct tn_slot *transport, struct tn_flow *flow)
{
    struct tn_rows *rows = context;
    if (tn_rows_want(rows))
        add_row_of_flow(rows, transport, flow);
    return rows->total < rows->offset || rows->total - rows->offset <= rows->limit;
}

/* Sockets, and then the flows: connections that are not yet, or no longer, anybody's. */
void tn_show_sockets(struct tn_rows *rows)
{
    tn_sockets_each_while(rows->stack, add_socket, rows);
    tn_flows_each_while(rows->stack, add_flow, rows);
    rows->total = tn_max(rows->total, tn_sockets_count(rows->stack) + tn_flows_count(rows->stack));
}
