/* plan.h: what a stack.yaml says, checked against the manifests of the plugins that it names.
 *
 * A plan is pure data: reading one loads no plugin code and starts nothing. Every error names
 * file:line:column, what was found, what was expected and, for a misspelling, the nearest right word. Built
 * by yaml_tree.c (the text as a tree with positions), manifest.c (NAME.ini), option.c (typed values) and
 * plan.c (the rules). */
#ifndef TENON_KERNEL_PLAN_H
#define TENON_KERNEL_PLAN_H

#include "tenon/plugin.h"
#include "tenon/stack.h"

/* ---- Manifests ---- */

struct tn_manifest_option {
    char *name;
    uint8_t type; /* enum tn_option_type */
    bool live;    /* may be changed by a reload */
    bool has_range;
    double min,
        max; /* in the type's unit (bytes, nanoseconds, bits a second, percent); infinite: no such bound */
    char **choices;     /* TN_OPTION_CHOICE; NULL-terminated */
    char *kind;         /* TN_OPTION_PLUGIN: of the plugin that is named */
    char *default_text; /* NULL: none, the option must be given */
    char *help;
};

struct tn_need {
    uint8_t table;
    uint8_t family;
    bool any; /* family:* */
    uint32_t key;
    char when[48]; /* "mode=ip": only with this value of the plugin's option; "": always */
};

struct tn_manifest {
    char *path;    /* of the .ini */
    char *so_path; /* of the .so beside it (which need not exist) */
    char *name, *kind, *version, *summary, *schema;
    uint16_t abi_major, abi_minor;
    struct tn_claim *claims; /* `provides`; input is 0 in all */
    size_t claim_count;
    struct tn_need *needs;
    size_t need_count;
    struct tn_manifest_option *options;
    size_t option_count;
    bool listens;  /* a service that has sockets of its own and must be given `listen` */
    bool no_ports; /* a transport on which nothing can listen: `ports = no` */
};

/* Reads one manifest, whose [plugin] name must be that of the file. Any ABI version is fine here. 0 or a
 * negative errno with `error`. */
int tn_manifest_load(const char *ini_path, struct tn_manifest **out, struct tn_error *error);
/* From memory; `name` appears in errors. For fuzzing. */
int tn_manifest_parse(const char *text, size_t len, const char *name, struct tn_manifest **out,
                      struct tn_error *error);
/* `configured`, or if NULL $TENON_PLUGIN_PATH, or the path that was built in. A NULL plugin_path below means
 * the same. */
const char *tn_plugin_path(const char *configured);
/* Looks for NAME.ini in the directories of `plugin_path` ("a:b"), directly or in DIR/NAME/NAME.ini. -ENOENT
 * when there is none. */
int tn_manifest_find(const char *plugin_path, const char *name, struct tn_manifest **out,
                     struct tn_error *error);
void tn_manifest_free(struct tn_manifest *manifest);
/* Writes the names of all manifests on the path, sorted, each as a new string; returns how many. Free each
 * and the array. */
size_t tn_manifest_list(const char *plugin_path, char ***names);

/* "ethertype:0x0806", "ipproto:1@2"; a need can also be "family:*" or "linktype:2?mode=ip". */
void tn_claim_text(struct tn_text *out, uint8_t table, uint8_t family, uint32_t key);
void tn_need_text(struct tn_text *out, const struct tn_need *need);
/* Whether the claim answers the need. */
bool tn_need_met(const struct tn_need *need, const struct tn_claim *claim);
extern const char *const tn_table_names[TN_TABLE_COUNT];

/* ---- Values ---- */

struct tn_value {
    union {
        bool boolean;
        int64_t integer; /* INT, SIZE, RATE, CHOICE */
        tn_time duration;
        double percent;
        char string[TN_OPTION_STRING_MAX];
    };
};

/* Reads `text` as a value of the option: 0, or -EINVAL/-ERANGE with what was expected in `why`. */
int tn_value_parse(const struct tn_manifest_option *option, const char *text, struct tn_value *value,
                   struct tn_text *why);
/* "a size such as 64k or 16M, from 1k to 64M": what tn_value_parse() takes. */
void tn_value_expected(const struct tn_manifest_option *option, struct tn_text *out);
/* Writes a value as stack.yaml would have it. */
void tn_value_text(const struct tn_manifest_option *option, const struct tn_value *value,
                   struct tn_text *out);
bool tn_value_equal(const struct tn_manifest_option *option, const struct tn_value *a,
                    const struct tn_value *b);

/* ---- Plans ---- */

struct tn_position {
    uint32_t line, column; /* from 1 */
};

struct tn_plan_listen {
    char transport[32]; /* name of the transport plugin */
    uint8_t protocol;   /* its IP protocol number */
    uint8_t family;     /* of addr; 0 when addr is unspecified */
    struct tn_addr addr;
    uint16_t port;
    uint16_t vrf; /* TN_VRF_ANY: all */
    struct tn_position at;
};

enum tn_section {
    TN_SECTION_DRIVER, /* a link driver that some interface uses; listed once */
    TN_SECTION_PROTOCOL,
    TN_SECTION_SERVICE,
};

struct tn_plan_plugin {
    char name[32];
    enum tn_section section;
    struct tn_manifest *manifest; /* the plan's */
    struct tn_value
        *values; /* one an option of the manifest, defaults filled in (drivers: NULL, see interfaces) */
    struct tn_plan_listen *listens;
    size_t listen_count;
    struct tn_position at;
};

struct tn_plan_address {
    uint8_t family;
    uint8_t prefix_len;
    uint16_t vrf;
    struct tn_addr addr;
    struct tn_position at;
};

struct tn_plan_route {
    uint8_t family;
    uint8_t prefix_len; /* of `to`; 0 with a zero address is "default" */
    uint16_t vrf;
    uint32_t metric;
    struct tn_addr to;
    struct tn_addr via; /* all zero: on-link */
    struct tn_position at;
};

struct tn_plan_interface {
    char name[16];
    char driver[32];
    size_t plugin;           /* index into plan->plugins of the driver */
    struct tn_value *values; /* the driver's options for this interface */
    bool has_mac;
    uint8_t mac[6];
    uint32_t mtu;  /* 0: the driver's */
    uint32_t vlan; /* 0: none */
    struct tn_plan_address *addresses;
    size_t address_count;
    struct tn_plan_route *routes;
    size_t route_count;
    struct tn_position at;
};

/* Limits of the core's tables; `stack: limits: { sockets: 65536 }`. The names are these, with hyphens. */
#define TN_LIMITS(X)                                                                          \
    X(packets, 65536, 64, 16777216, "packet records, and as many small and medium buffers")   \
    X(large_buffers, 4096, 16, 1048576, "buffers for super-frames and reassembled datagrams") \
    X(sockets, 131072, 16, 16777216, "sockets, connections included")                         \
    X(neighbours, 4096, 16, 1048576, "neighbour (ARP) entries")                               \
    X(neighbour_queue, 64, 1, 1024, "packets that wait for one neighbour's address")          \
    X(addresses, 1024, 1, 65536, "addresses of all interfaces")                               \
    X(routes, 65536, 16, 1048576, "routes")                                                   \
    X(path_mtus, 4096, 1, 1048576, "destinations whose path MTU is remembered")               \
    X(memberships, 1024, 1, 1048576, "memberships of sockets in multicast groups")            \
    X(transmit_queue, 4096, 16, 1048576, "frames that wait for a full device, an interface")  \
    X(port_queue, 4096, 16, 1048576, "frames that wait at a host or wire interface")          \
    X(backlog, 4096, 1, 65536, "connections that wait to be accepted, a listener")            \
    X(control_clients, 32, 1, 1024, "clients of the control socket at a time")

struct tn_limits {
#define TN_LIMIT_FIELD(name, def, min, max, help) uint32_t name;
    TN_LIMITS(TN_LIMIT_FIELD)
#undef TN_LIMIT_FIELD
};

struct tn_plan_log {
    char who[32]; /* "" = default, "core" or a plugin's name */
    enum tn_level level;
};

struct tn_plan {
    char *file;    /* its name, for messages */
    char name[64]; /* stack: name */
    char *control; /* stack: control (path of the control socket), or NULL: the default */
    struct tn_position name_at, control_at, limits_at; /* of these keys; 1:1 where they are left out */
    struct tn_limits limits;
    struct tn_addr name_servers[4]; /* stack: name-servers */
    size_t name_server_count;
    char domain[256]; /* stack: domain; "": none */
    tn_time
        busy_poll; /* stack: busy-poll: so long the devices are looked at again and again before the stack sleeps */
    bool io_uring; /* stack: io-uring: frames may be read and written many at a time (io.h) */
    struct tn_plan_log *logs;
    size_t log_count;
    struct tn_plan_plugin
        *plugins; /* in starting order: drivers, framing, network, protocol, transport, service */
    size_t plugin_count;
    struct tn_plan_interface *interfaces;
    size_t interface_count;
};

/* Reads and checks. 0, or a negative errno with `error`. */
int tn_plan_parse(const char *yaml, size_t len, const char *name, const char *plugin_path,
                  struct tn_plan **out, struct tn_error *error);
void tn_plan_free(struct tn_plan *plan);

/* Prints a manifest for people, as `tenon describe` does. Returns a new string. */
char *tn_manifest_describe(const struct tn_manifest *manifest);

#endif
