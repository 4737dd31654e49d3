/* linklocal: dynamic configuration of IPv4 link-local addresses (RFC 3927).
 *
 * On each interface that the option `interface` names, an address between 169.254.1.0 and 169.254.254.255 is chosen, by a
 * generator that begins with the interface's link address, so that a station has the same address each time and two
 * stations have different ones. The core and the resolver do the rest: they look for it on the link before it is used, and defend
 * it. If another station has it, the next one is tried; how fast, the resolver limits.
 *
 *     LOOKING --no address, in need of one--> WAITING --wait--> CLAIMING --nobody has it--> USED
 *        ^------------ the interface has one ----+                 |                          |
 *        +------------------------- another station has it --------+--------------------------+
 *
 * With `fallback` an address is chosen only where there is none. One that is there stays when a routable one comes, for the sake of
 * the connections that use it (§1.9); new ones prefer the routable address. */
#include <errno.h>

#include "tenon/plugin.h"
#include "tenon/proto/ipv4.h"

#define LINKLOCAL_COUNTERS(X)                        \
    X(CLAIMS, "claims", "Addresses that were tried") \
    X(CONFLICTS, "conflicts", "Another station had it, or took it later")

#define LINKLOCAL_COUNTER_ID(id, name, help) LINKLOCAL_##id,
enum {
    LINKLOCAL_COUNTERS(LINKLOCAL_COUNTER_ID) LINKLOCAL_COUNTER_COUNT
};

#define PORTS_MAX   16
#define PREFIX_LEN  16
#define FIRST       256u   /* §2.1: the first and the last 256 addresses of the prefix are reserved */
#define CHOICES     65024u /* 169.254.1.0 to 169.254.254.255 */
#define LOOK_AGAIN  TN_SEC /* for an interface that is not there */
#define TRY_AGAIN   (60 * TN_SEC)
#define CHECK_AGAIN (5 * TN_SEC)

enum linklocal_state {
    LINKLOCAL_NONE, /* no such port */
    LINKLOCAL_LOOKING,
    LINKLOCAL_WAITING,
    LINKLOCAL_CLAIMING,
    LINKLOCAL_USED,
};

enum {
    LINKLOCAL_FALLBACK,
    LINKLOCAL_ALWAYS
};
enum {
    LINKLOCAL_TIMER_PORT
};

struct linklocal_options {
    char interface[TN_OPTION_STRING_MAX];
    int64_t mode;
    tn_time wait;
};

struct linklocal_port {
    char interface[16];
    struct tn_timer timer;
    struct tn_addr addr;
    uint64_t generator; /* of the next choice; meaningful once `seeded` */
    uint16_t ifindex;
    uint8_t state; /* enum linklocal_state */
    bool seeded;
    bool hurry; /* an address was lost: the next one is chosen at once (§2.5) */
};

struct linklocal_state_block {
    struct linklocal_port ports[PORTS_MAX];
};

static struct linklocal_port *port_at(struct tn_self *self, size_t i)
{
    return &((struct linklocal_state_block *)self->state)->ports[i];
}

static const struct linklocal_options *linklocal_options(const struct tn_self *self)
{
    return self->options;
}

static void wake_in(struct tn_self *self, struct linklocal_port *port, enum linklocal_state state,
                    tn_time delay)
{
    port->state = (uint8_t)state;
    self->core->timer_start(self, &port->timer, delay, LINKLOCAL_TIMER_PORT);
}

/* ---- Choosing ---- */

/* §2.1: the same link address, the same sequence of choices (SplitMix64). */
static struct tn_addr choose(struct linklocal_port *port)
{
    uint64_t z = port->generator += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    z ^= z >> 31;
    uint32_t host = FIRST + (uint32_t)(z % CHOICES);
    const uint8_t bytes[TN_IPV4_ADDR_LEN] = {169, 254, (uint8_t)(host >> 8), (uint8_t)host};
    return tn_addr_from(bytes, sizeof(bytes));
}

static bool is_choice(const uint8_t *a)
{
    return a[0] == 169 && a[1] == 254 && a[2] >= 1 && a[2] <= 254;
}

/* The address of last time, if it was kept, comes first. */
static void seed(struct tn_self *self, struct linklocal_port *port, const struct tn_interface *ifc)
{
    uint8_t kept[TN_IPV4_ADDR_LEN];
    port->generator = 0;
    memcpy(&port->generator, ifc->lladdr, tn_min(ifc->lladdr_len, sizeof(port->generator)));
    port->addr = choose(port);
    port->seeded = true;
    if (self->core->store_read(self, port->interface, kept, sizeof(kept)) == (ssize_t)sizeof(kept) &&
        is_choice(kept))
        port->addr = tn_addr_from(kept, sizeof(kept));
}

/* ---- From looking to using ---- */

static struct tn_interface *find_interface(struct tn_self *self, const struct linklocal_port *port)
{
    for (uint16_t i = 1; i <= 256; i++) {
        struct tn_interface *ifc = self->core->interface(self, i);
        if (ifc && strcmp(ifc->name, port->interface) == 0)
            return ifc->up && ifc->lladdr_len > 0 ? ifc : NULL;
    }
    return NULL;
}

static void claim(struct tn_self *self, struct linklocal_port *port, struct tn_interface *ifc)
{
    port->hurry = false;
    if (!port->seeded)
        seed(self, port, ifc);
    tn_count(self, LINKLOCAL_CLAIMS);
    wake_in(self, port, LINKLOCAL_CLAIMING, CHECK_AGAIN); /* first: the answer may come from within */
    int error = self->core->address_add(self, ifc, AF_INET, &port->addr, PREFIX_LEN);
    if (error == 0)
        return;
    self->core->log(self, TN_LOG_WARNING, "%s: a link-local address cannot be taken (errno %d)", ifc->name,
                    -error);
    if (error == -EEXIST)
        port->addr = choose(port);
    wake_in(self, port, LINKLOCAL_LOOKING, error == -EEXIST ? LOOK_AGAIN : TRY_AGAIN);
}

static bool is_needed(struct tn_self *self, const struct tn_interface *ifc)
{
    struct tn_addr other;
    return linklocal_options(self)->mode == LINKLOCAL_ALWAYS ||
           !self->core->address_of(self, AF_INET, ifc, NULL, &other);
}

/* Until the interface is there; then until it is without an address. */
static void look(struct tn_self *self, struct linklocal_port *port, bool waited)
{
    struct tn_interface *ifc = find_interface(self, port);
    tn_time wait = linklocal_options(self)->mode == LINKLOCAL_ALWAYS ? 0 : linklocal_options(self)->wait;
    if (!ifc) {
        wake_in(self, port, LINKLOCAL_LOOKING, LOOK_AGAIN);
        return;
    }
    port->ifindex = ifc->index;
    if (!is_needed(self, ifc))
        port->state = LINKLOCAL_LOOKING; /* addresses_changed() will say more */
    else if (waited || port->hurry || wait == 0)
        claim(self, port, ifc);
    else
        wake_in(self, port, LINKLOCAL_WAITING, wait);
}

static void linklocal_timer(struct tn_self *self, struct tn_timer *timer)
{
    struct linklocal_port *port = tn_container(timer, struct linklocal_port, timer);
    if (port->state != LINKLOCAL_CLAIMING) {
        look(self, port, port->state == LINKLOCAL_WAITING);
        return;
    }
    /* The interface may have gone, and the address with it. */
    const struct tn_interface *ifc = find_interface(self, port);
    bool there = ifc && ifc->index == port->ifindex;
    wake_in(self, port, there ? LINKLOCAL_CLAIMING : LINKLOCAL_LOOKING, there ? CHECK_AGAIN : 0);
}

/* ---- News ---- */

static struct linklocal_port *port_on(struct tn_self *self, const struct tn_interface *ifc)
{
    for (size_t i = 0; i < PORTS_MAX; i++)
        if (port_at(self, i)->state != LINKLOCAL_NONE && strcmp(port_at(self, i)->interface, ifc->name) == 0)
            return port_at(self, i);
    return NULL;
}

static void linklocal_event(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                            const struct tn_addr *addr, enum tn_address_event event)
{
    struct linklocal_port *port = port_on(self, ifc);
    if (!port || !tn_addr_equal(addr, &port->addr))
        return;
    if (event == TN_ADDRESS_CONFLICT) {
        tn_count(self, LINKLOCAL_CONFLICTS);
        port->addr = choose(port);
        port->hurry = true;
        wake_in(self, port, LINKLOCAL_LOOKING, 0);
        return;
    }
    self->core->timer_stop(self, &port->timer);
    port->state = LINKLOCAL_USED;
    self->core->log(self, TN_LOG_INFO, "%s: link-local address 169.254.%u.%u", ifc->name, addr->bytes[2],
                    addr->bytes[3]);
    (void)self->core->store_write(self, port->interface, addr->bytes, TN_IPV4_ADDR_LEN);
}

static void linklocal_changed(struct tn_self *self, struct tn_interface *ifc, uint8_t family)
{
    struct linklocal_port *port = port_on(self, ifc);
    if (!port || family != AF_INET || port->state == LINKLOCAL_CLAIMING || port->hurry)
        return;
    if (port->state != LINKLOCAL_USED ||
        self->core->address_kind(self, AF_INET, ifc, &port->addr, NULL) != TN_LOCAL_UNICAST)
        wake_in(self, port, LINKLOCAL_LOOKING, 0);
}

/* ---- For people ---- */

static void linklocal_view(struct tn_self *self, struct tn_rows *rows)
{
    static const char *const states[] = {"", "looking", "waiting", "claiming", "used"};
    for (size_t i = 0; i < PORTS_MAX && port_at(self, i)->state != LINKLOCAL_NONE; i++) {
        const struct linklocal_port *port = port_at(self, i);
        char text[TN_ADDR_TEXT];
        struct tn_text t = tn_text_init(text, sizeof(text));
        if (port->state >= LINKLOCAL_CLAIMING)
            tn_text_ipv4(&t, port->addr.bytes);
        self->core->row_text(rows, "interface", port->interface);
        self->core->row_text(rows, "state", states[port->state]);
        self->core->row_text(rows, "address", text[0] ? text : "-");
        self->core->row_end(rows);
    }
}

/* ---- The plugin ---- */

/* The names in the option, separated by blanks or commas. */
static int linklocal_start(struct tn_self *self, struct tn_text *why)
{
    const char *at = linklocal_options(self)->interface;
    size_t n = 0;
    for (; *(at += strspn(at, ", ")); n++) {
        size_t len = strcspn(at, ", ");
        if (n == PORTS_MAX || len >= sizeof(port_at(self, 0)->interface))
            break;
        memcpy(port_at(self, n)->interface, at, len);
        wake_in(self, port_at(self, n), LINKLOCAL_LOOKING, 0);
        at += len;
    }
    if (n > 0 && !*at)
        return 0;
    tn_text_add(why, "interface: expected 1 to %d names of interfaces", PORTS_MAX);
    return -EINVAL;
}

static const struct tn_option linklocal_option_list[] = {
    {"interface", TN_OPTION_INTERFACES, offsetof(struct linklocal_options, interface)},
    {"mode", TN_OPTION_CHOICE, offsetof(struct linklocal_options, mode)},
    {"wait", TN_OPTION_DURATION, offsetof(struct linklocal_options, wait)},
};
static tn_timer_fn *const linklocal_timers[] = {[LINKLOCAL_TIMER_PORT] = linklocal_timer};
static const struct tn_name linklocal_counters[] = {LINKLOCAL_COUNTERS(TN_NAME_ENTRY)};
static const struct tn_view linklocal_views[] = {
    {"link-local", "Link-local addresses, and where one is being chosen", linklocal_view}};

static const struct tn_plugin linklocal_plugin = {
    TN_PLUGIN_HEADER,
    .name = "linklocal",
    .version = "0.1.0",
    .kind = "service",
    .schema = "linklocal/1",
    .state_size = sizeof(struct linklocal_state_block),
    .options_size = sizeof(struct linklocal_options),
    .options = linklocal_option_list,
    .option_count = TN_ARRAY_SIZE(linklocal_option_list),
    .timers = linklocal_timers,
    .timer_count = TN_ARRAY_SIZE(linklocal_timers),
    .counters = linklocal_counters,
    .counter_count = TN_ARRAY_SIZE(linklocal_counters),
    .views = linklocal_views,
    .view_count = TN_ARRAY_SIZE(linklocal_views),
    .start = linklocal_start,
    .address_event = linklocal_event,
    .addresses_changed = linklocal_changed,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &linklocal_plugin;
}
