/* lease.c: what a lease brings to the interface, and the lease on disk.
 *
 * On disk a lease is the wall-clock time at which it was asked for, in seconds since 1970 (8 bytes, network order), and the server's
 * message as it came: it is read by the parser that reads messages, and not trusted more than they are. */
#include <errno.h>

#include "dhcp.h"

#define STAMP 8

static const struct tn_addr nowhere;

/* ---- Address ---- */

int dhcp_apply_address(struct tn_self *self, struct dhcp_client *client)
{
    struct tn_interface *ifc = dhcp_interface(self, client);
    if (!ifc)
        return -ENODEV;
    client->added = true;
    int error = self->core->address_add(self, ifc, AF_INET, &client->wanted, client->lease.prefix_len);
    if (error < 0)
        client->added = false;
    return error;
}

/* ---- Routes ---- */

/* The routes that a lease means: those of option 121, else the first router that is on the link as the default (RFC 3442). */
static size_t routes_of(const struct dhcp_reply *lease, struct dhcp_route routes[DHCP_ROUTES_MAX])
{
    if (lease->has_routes) {
        memcpy(routes, lease->routes, lease->route_count * sizeof(routes[0]));
        return lease->route_count;
    }
    if (lease->routers.count == 0)
        return 0;
    routes[0] = (struct dhcp_route){.via = lease->routers.addr[0]};
    return 1;
}

static void apply_routes(struct tn_self *self, struct tn_interface *ifc, const struct dhcp_reply *lease)
{
    struct dhcp_route routes[DHCP_ROUTES_MAX];
    size_t count = dhcp_options(self)->routes ? routes_of(lease, routes) : 0;
    for (size_t i = 0; i < count; i++) {
        const struct dhcp_route *r = &routes[i];
        int error = self->core->route_add(self, ifc, AF_INET, &r->to, r->prefix_len, &r->via,
                                          (uint32_t)dhcp_options(self)->metric);
        if (error < 0 && error != -EEXIST)
            self->core->log(self, TN_LOG_WARNING, "%s: a route of the lease cannot be taken (errno %d)",
                            ifc->name, -error);
    }
}

static void withdraw_routes(struct tn_self *self, struct tn_interface *ifc, const struct dhcp_reply *lease)
{
    struct dhcp_route routes[DHCP_ROUTES_MAX];
    size_t count = dhcp_options(self)->routes ? routes_of(lease, routes) : 0;
    for (size_t i = 0; i < count; i++)
        (void)self->core->route_remove(self, ifc, AF_INET, &routes[i].to, routes[i].prefix_len,
                                       &routes[i].via, (uint32_t)dhcp_options(self)->metric);
}

/* ---- All of it ---- */

void dhcp_apply_rest(struct tn_self *self, struct dhcp_client *client)
{
    const struct dhcp_reply *lease = &client->lease;
    struct tn_interface *ifc = dhcp_interface(self, client);
    if (!ifc)
        return;
    if (client->applied)
        apply_routes(self, ifc, lease);
    if (dhcp_options(self)->mtu && lease->mtu && self->core->interface_mtu(self, ifc, lease->mtu) < 0)
        self->core->log(self, TN_LOG_WARNING, "%s: the lease's MTU of %u is not used", ifc->name, lease->mtu);
    (void)self->core->name_servers(self, ifc, AF_INET, lease->dns.addr, lease->dns.count, lease->domain);
}

void dhcp_withdraw(struct tn_self *self, struct dhcp_client *client)
{
    struct tn_interface *ifc = dhcp_interface(self, client);
    if (ifc && client->added) {
        withdraw_routes(self, ifc, &client->lease);
        (void)self->core->address_remove(self, ifc, AF_INET, &client->wanted);
        (void)self->core->interface_mtu(self, ifc, 0);
    }
    if (ifc)
        (void)self->core->name_servers(self, ifc, AF_INET, &nowhere, 0, "");
    client->added = client->applied = false;
    client->lease = (struct dhcp_reply){.type = 0};
}

void dhcp_update(struct tn_self *self, struct dhcp_client *client, const struct dhcp_reply *lease)
{
    struct tn_interface *ifc = dhcp_interface(self, client);
    if (ifc) {
        withdraw_routes(self, ifc, &client->lease);
        if (lease->mtu != client->lease.mtu)
            (void)self->core->interface_mtu(self, ifc, 0);
    }
    client->lease = *lease;
    dhcp_apply_rest(self, client);
}

/* ---- On disk ---- */

static void store64(uint8_t *at, uint64_t value)
{
    tn_store32(at, (uint32_t)(value >> 32));
    tn_store32(at + 4, (uint32_t)value);
}

static uint64_t load64(const uint8_t *at)
{
    return (uint64_t)tn_load32(at) << 32 | tn_load32(at + 4);
}

static uint64_t wall_seconds(struct tn_self *self)
{
    int64_t wall = self->core->wall(self);
    return wall > 0 ? (uint64_t)wall / TN_SEC : 0;
}

void dhcp_keep(struct tn_self *self, struct dhcp_client *client, const struct tn_packet *ack)
{
    uint8_t bytes[STAMP + TN_DHCP_MESSAGE_MAX];
    tn_time age = self->core->now(self) - client->sent;
    if (ack->total > TN_DHCP_MESSAGE_MAX)
        return;
    store64(bytes, wall_seconds(self) - age / TN_SEC);
    size_t len = self->core->packet_read(ack, 0, bytes + STAMP, ack->total);
    (void)self->core->store_write(self, client->interface, bytes, STAMP + len);
}

void dhcp_forget(struct tn_self *self, struct dhcp_client *client)
{
    (void)self->core->store_write(self, client->interface, NULL, 0);
}

/* Whether what was kept is a lease of this client's that has not run out; `age`: seconds since it was asked for. */
static bool is_good(struct tn_self *self, const struct dhcp_client *client, const uint8_t *bytes, ssize_t len,
                    struct dhcp_reply *lease, uint64_t *age)
{
    if (len < STAMP || dhcp_parse(bytes + STAMP, (size_t)len - STAMP, lease) != DHCP_OK)
        return false;
    uint64_t asked = load64(bytes), now = wall_seconds(self);
    *age = now - asked;
    return lease->type == TN_DHCP_ACK && now >= asked && dhcp_is_usable(lease) &&
           memcmp(lease->chaddr, client->lladdr, sizeof(client->lladdr)) == 0 &&
           (lease->lease == TN_DHCP_FOREVER || *age < lease->lease);
}

bool dhcp_recall(struct tn_self *self, struct dhcp_client *client)
{
    uint8_t bytes[STAMP + TN_DHCP_MESSAGE_MAX];
    struct dhcp_reply lease;
    uint64_t age;
    ssize_t len = self->core->store_read(self, client->interface, bytes, sizeof(bytes));
    if (len > (ssize_t)sizeof(bytes) || !is_good(self, client, bytes, len, &lease, &age))
        return false;
    client->lease = lease;
    client->wanted = lease.address;
    client->server = lease.server;
    client->recalled_age = (uint32_t)tn_min(age, UINT32_MAX);
    return true;
}
