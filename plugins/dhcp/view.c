/* view.c: `tenon show dhcp`: a row a client: its state, and what the network told. */
#include "dhcp.h"

static void put_address(struct tn_self *self, struct tn_rows *rows, const char *key,
                        const struct tn_addr *addr, int prefix_len)
{
    char text[TN_ADDR_TEXT];
    struct tn_text t = tn_text_init(text, sizeof(text));
    if (tn_addr_is_zero(addr))
        tn_text_add(&t, "-");
    else
        tn_text_ipv4(&t, addr->bytes);
    if (!tn_addr_is_zero(addr) && prefix_len > 0)
        tn_text_add(&t, "/%d", prefix_len);
    self->core->row_text(rows, key, text);
}

static void put_list(struct tn_self *self, struct tn_rows *rows, const char *key,
                     const struct dhcp_list *list)
{
    char text[DHCP_ADDRESSES_MAX * TN_ADDR_TEXT];
    struct tn_text t = tn_text_init(text, sizeof(text));
    for (size_t i = 0; i < list->count; i++) {
        tn_text_add(&t, i ? " " : "");
        tn_text_ipv4(&t, list->addr[i].bytes);
    }
    self->core->row_text(rows, key, list->count ? text : "-");
}

/* "default via 10.0.0.1, 10.1.0.0/16 via 10.0.0.2"; without option 121, what the routers make of it. */
static void put_routes(struct tn_self *self, struct tn_rows *rows, const struct dhcp_reply *lease)
{
    char text[DHCP_ROUTES_MAX * 44 + 1];
    struct tn_text t = tn_text_init(text, sizeof(text));
    for (size_t i = 0; i < lease->route_count; i++) {
        const struct dhcp_route *r = &lease->routes[i];
        tn_text_add(&t, i ? ", " : "");
        tn_text_ipv4(&t, r->to.bytes);
        tn_text_add(&t, "/%u", r->prefix_len);
        if (tn_addr_is_zero(&r->via))
            continue;
        tn_text_add(&t, " via ");
        tn_text_ipv4(&t, r->via.bytes);
    }
    self->core->row_text(rows, "routes", lease->route_count ? text : "-");
}

/* Seconds from now, "never", or "-" while there is no lease. */
static void put_time(struct tn_self *self, struct tn_rows *rows, const char *key, bool leased, tn_time at)
{
    tn_time now = self->core->now(self);
    if (!leased)
        self->core->row_text(rows, key, "-");
    else if (at == TN_NEVER)
        self->core->row_text(rows, key, "never");
    else
        self->core->row_number(rows, key, (int64_t)(at > now ? (at - now) / TN_SEC : 0));
}

static void put_client(struct tn_self *self, struct tn_rows *rows, const struct dhcp_client *client)
{
    const struct dhcp_reply *lease = &client->lease;
    const struct tn_addr none = {.half = {0, 0}};
    bool leased = client->applied;
    self->core->row_text(rows, "interface", client->interface);
    self->core->row_text(rows, "state", dhcp_state_name(client->state));
    put_address(self, rows, "address", leased ? &client->wanted : &none, lease->prefix_len);
    put_address(self, rows, "server", &client->server, 0);
    put_time(self, rows, "renews-in", leased, client->t1);
    put_time(self, rows, "rebinds-in", leased, client->t2);
    put_time(self, rows, "expires-in", leased, client->expires);
    put_list(self, rows, "routers", &lease->routers);
    put_routes(self, rows, lease);
    put_list(self, rows, "name-servers", &lease->dns);
    self->core->row_text(rows, "domain", lease->domain[0] ? lease->domain : "-");
    put_list(self, rows, "ntp-servers", &lease->ntp);
    self->core->row_number(rows, "mtu", lease->mtu);
    self->core->row_end(rows);
}

void dhcp_view(struct tn_self *self, struct tn_rows *rows)
{
    const struct dhcp_state *state = dhcp_state(self);
    for (size_t i = 0; i < DHCP_CLIENTS_MAX; i++)
        if (state->clients[i].state != DHCP_ST_NONE)
            put_client(self, rows, &state->clients[i]);
}
