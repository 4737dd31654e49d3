/* dhcp: a client of the Dynamic Host Configuration Protocol (RFC 2131, RFC 2132, RFC 3396, RFC 3442, RFC 4361, RFC 6842).
 *
 * A client runs on each interface that the option `interface` names. It asks for an address by broadcast from 0.0.0.0, has the
 * core look for the granted address on the link before it is used (RFC 5227), and then puts it, the routes, the MTU and the name
 * servers that came with it on the interface; it renews the lease, and takes all of it off when the lease ends.
 *
 *     WAITING -> SELECTING -> REQUESTING -> CHECKING -> BOUND -> RENEWING -> REBINDING -> WAITING
 *             -> REBOOTING (there is a lease on disk) -^    ^------/------------/
 *
 * A client has one timer: the state says what it means. What a lease said is kept as the server's own message, in memory and on
 * disk, and read anew by the same parser.
 *
 * Before it has an address the stack takes no packet that is addressed to one, so servers are asked to answer by broadcast. */
#include "dhcp.h"

#include <errno.h>

/* The clients of the names in the option, separated by blanks or commas. 0 or -errno with `why`. */
static int dhcp_add_clients(struct tn_self *self, struct tn_text *why)
{
    struct dhcp_state *state = dhcp_state(self);
    const char *at = dhcp_options(self)->interface;
    for (size_t n = 0; *(at += strspn(at, ", ")); n++) {
        size_t len = strcspn(at, ", ");
        if (n == DHCP_CLIENTS_MAX || len >= sizeof(state->clients[n].interface)) {
            tn_text_add(why, "interface: expected at most %d names of interfaces", DHCP_CLIENTS_MAX);
            return -EINVAL;
        }
        memcpy(state->clients[n].interface, at, len);
        dhcp_client_start(self, &state->clients[n]);
        at += len;
    }
    if (state->clients[0].state != DHCP_ST_NONE)
        return 0;
    tn_text_add(why, "interface: expected the name of an interface");
    return -EINVAL;
}

static int dhcp_start(struct tn_self *self, struct tn_text *why)
{
    struct dhcp_state *state = dhcp_state(self);
    state->socket = self->core->socket_open(self, AF_INET, SOCK_DGRAM, IPPROTO_UDP);
    if (!state->socket) {
        tn_text_add(why, "no UDP socket; enable udp under protocols");
        return -EPROTONOSUPPORT;
    }
    int error = self->core->socket_bind(self, state->socket, NULL, TN_DHCP_CLIENT_PORT);
    if (error < 0)
        tn_text_add(why, "port %d is taken", TN_DHCP_CLIENT_PORT);
    else
        error = dhcp_add_clients(self, why);
    if (error < 0)
        self->core->socket_close(self, state->socket);
    return error;
}

static void dhcp_stop(struct tn_self *self)
{
    struct dhcp_state *state = dhcp_state(self);
    for (size_t i = 0; i < DHCP_CLIENTS_MAX; i++)
        if (state->clients[i].state != DHCP_ST_NONE)
            dhcp_client_stop(self, &state->clients[i]);
}

static void dhcp_readable(struct tn_self *self, struct tn_socket *sock)
{
    struct tn_packet *packet;
    while ((packet = self->core->socket_take(self, sock)))
        dhcp_client_input(self, packet);
}

/* ---- The plugin ---- */

static const struct tn_option dhcp_option_list[] = {
    {"interface", TN_OPTION_INTERFACES, offsetof(struct dhcp_options, interface)},
    {"mode", TN_OPTION_CHOICE, offsetof(struct dhcp_options, mode)},
    {"host-name", TN_OPTION_STRING, offsetof(struct dhcp_options, hostname)},
    {"vendor-class", TN_OPTION_STRING, offsetof(struct dhcp_options, vendor_class)},
    {"lease", TN_OPTION_DURATION, offsetof(struct dhcp_options, lease)},
    {"routes", TN_OPTION_BOOL, offsetof(struct dhcp_options, routes)},
    {"metric", TN_OPTION_INT, offsetof(struct dhcp_options, metric)},
    {"mtu", TN_OPTION_BOOL, offsetof(struct dhcp_options, mtu)},
    {"release", TN_OPTION_BOOL, offsetof(struct dhcp_options, release)},
    {"start-delay", TN_OPTION_DURATION, offsetof(struct dhcp_options, start_delay)},
    {"decline-delay", TN_OPTION_DURATION, offsetof(struct dhcp_options, decline_delay)},
    {"renew-least", TN_OPTION_DURATION, offsetof(struct dhcp_options, renew_least)},
};
static tn_timer_fn *const dhcp_timers[] = {[DHCP_TIMER_CLIENT] = dhcp_client_timer};
static const struct tn_name dhcp_counters[] = {DHCP_COUNTERS(TN_NAME_ENTRY)};
static const struct tn_name dhcp_drops[] = {DHCP_DROPS(TN_NAME_ENTRY)};
static const struct tn_view dhcp_views[] = {{"dhcp", "Leases, and what came with them", dhcp_view}};
static const struct tn_service_ops dhcp_service = {.readable = dhcp_readable};

static const struct tn_plugin dhcp_plugin = {
    TN_PLUGIN_HEADER,
    .name = "dhcp",
    .version = "0.1.0",
    .kind = "service",
    .schema = "dhcp/1",
    .state_size = sizeof(struct dhcp_state),
    .options_size = sizeof(struct dhcp_options),
    .options = dhcp_option_list,
    .option_count = TN_ARRAY_SIZE(dhcp_option_list),
    .timers = dhcp_timers,
    .timer_count = TN_ARRAY_SIZE(dhcp_timers),
    .counters = dhcp_counters,
    .counter_count = TN_ARRAY_SIZE(dhcp_counters),
    .drops = dhcp_drops,
    .drop_count = TN_ARRAY_SIZE(dhcp_drops),
    .views = dhcp_views,
    .view_count = TN_ARRAY_SIZE(dhcp_views),
    .start = dhcp_start,
    .stop = dhcp_stop,
    .address_event = dhcp_client_address,
    .service = &dhcp_service,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &dhcp_plugin;
}
