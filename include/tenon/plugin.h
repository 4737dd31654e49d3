/* plugin.h: the plugin ABI: what a plugin gives the core and what it gets.
 *
 * A plugin is a shared object that exports one function, tn_plugin_entry(), which returns a const descriptor
 * (struct tn_plugin). Everything that the plugin does, it does in functions named there; everything that it
 * needs, it takes from the table `self->core`. It keeps no mutable static data: its state lies in memory that
 * the core gives it and that outlives its code when the plugin is swapped. docs/plugins.md builds one step by
 * step.
 *
 * Rules, checked by machine: a plugin links to nothing but libc's pure functions; has no .data, .bss or TLS;
 * and never stores a pointer to its own functions or constants in anything that outlives a call (timers,
 * sockets and dispatch entries hold a slot number and an index instead).
 *
 * Threads: none. All of a stack's plugins are called from the thread that steps the stack. */
#ifndef TENON_PLUGIN_H
#define TENON_PLUGIN_H

#include <sys/socket.h>

#include "tenon/checksum.h"
#include "tenon/congestion.h"
#include "tenon/cursor.h"
#include "tenon/flow.h"
#include "tenon/io.h"
#include "tenon/packet.h"
#include "tenon/socket.h"
#include "tenon/text.h"
#include "tenon/timer.h"
#include "tenon/types.h"

/* "TENO". A loader refuses another magic, another major, and a minor newer than its own. */
#define TN_PLUGIN_MAGIC 0x54454e4fu
#define TN_ABI_MAJOR    1
#define TN_ABI_MINOR    0

#define TN_SLOT_NONE 0xffffu

struct tn_core;
struct tn_interface;
struct tn_slab;
struct tn_stack;
struct tn_job;
struct tn_rows;

/* What every function of a plugin is handed first. Its address and its members but `plugin` are the same for
 * as long as the plugin is enabled, across swaps. */
struct tn_self {
    const struct tn_core *core;      /* the functions of the core */
    struct tn_stack *stack;          /* for the core's use */
    void *state;                     /* the plugin's state: plugin->state_size bytes, zeroed before start() */
    const void *options;             /* plugin->options_size bytes, written by the core from stack.yaml */
    uint64_t *counters;              /* plugin->counter_count of them */
    uint64_t *drops;                 /* plugin->drop_count of them */
    const struct tn_plugin *plugin;  /* the code that runs now; the swap is one store to this */
    uint16_t slot;                   /* the number by which timers, sockets and tables know this plugin */
    const tn_time *now;              /* for tn_now() */
    const uint32_t *path_generation; /* for tn_path_valid() */
};

/* ---- Keys and claims ---- */

/* The dispatch tables of the core. */
enum tn_table {
    TN_TABLE_LINKTYPE,  /* link type -> framing (ether) */
    TN_TABLE_ETHERTYPE, /* ethertype -> input */
    TN_TABLE_FAMILY,    /* AF_… -> network */
    TN_TABLE_IPPROTO,   /* IP protocol number, for one family or (family 0) for all -> input, transport */
    TN_TABLE_RESOLVER,  /* AF_… -> who finds link addresses of neighbours (arp) */
    TN_TABLE_REPORTER,  /* AF_… -> who tells senders of errors (icmp) */
    TN_TABLE_COUNT,
};

/* Link types, key of TN_TABLE_LINKTYPE. */
#define TN_LINK_ETHERNET 1 /* frames with a link header and 6-byte addresses */
#define TN_LINK_IP       2 /* network packets alone */

/* "I take this key": entered into the table when the plugin is enabled. In the manifest, the same claims are
 * `provides = ethertype:0x0800 family:2` (and ipproto:1@2 for protocol 1 of family 2 alone). */
struct tn_claim {
    uint8_t table;  /* enum tn_table */
    uint8_t family; /* TN_TABLE_IPPROTO: AF_…, or 0 for every family */
    uint16_t input; /* which of plugin->inputs gets the packets (tables with an input) */
    uint32_t key;
};

/* ---- Options, counters, drops ---- */

enum tn_option_type {
    TN_OPTION_BOOL,     /* bool */
    TN_OPTION_INT,      /* int64_t */
    TN_OPTION_SIZE,     /* int64_t, bytes; written 64k, 16M, 1G */
    TN_OPTION_DURATION, /* tn_time; written 200ms, 5s, 2m, 2h */
    TN_OPTION_PERCENT,  /* double, 0 to 100; written 1%, 0.5% */
    TN_OPTION_RATE,     /* int64_t, bits a second; written 10M, 1G */
    TN_OPTION_STRING,   /* char[TN_OPTION_STRING_MAX] */
    TN_OPTION_CHOICE,   /* int64_t: index into the manifest's list of choices */
    TN_OPTION_PLUGIN, /* char[TN_OPTION_STRING_MAX]: name of a plugin of the manifest's `kind`, which is enabled, too */
    TN_OPTION_INTERFACES, /* char[TN_OPTION_STRING_MAX]: names of interfaces, all there, commas or blanks between */
};

#define TN_OPTION_STRING_MAX 108

/* Where the core writes the value of an option inside the options block. Type, default, range and help stand
 * in the manifest; name and type must agree with it. */
struct tn_option {
    const char *name;
    uint8_t type; /* enum tn_option_type */
    uint16_t offset;
};

/* Names one counter or drop reason; the index is its place in the list. Lists are X-macros:
 *     #define ARP_COUNTERS(X) X(REQUESTS_IN, "requests-in", "Requests received") … */
struct tn_name {
    const char *name; /* lower-case-with-hyphens */
    const char *help; /* one line */
};

/* ---- Addresses and neighbours ---- */

/* What kind of address an address is in general. */
enum tn_addr_class {
    TN_ADDR_UNICAST,
    TN_ADDR_UNSPECIFIED,
    TN_ADDR_BROADCAST,
    TN_ADDR_MULTICAST,
    TN_ADDR_LOOPBACK,
    TN_ADDR_INVALID, /* reserved; never a source or destination */
};

/* address_kind(): what an address is to this stack. */
enum tn_local {
    TN_LOCAL_NONE,      /* somebody else's */
    TN_LOCAL_UNICAST,   /* one of its own */
    TN_LOCAL_BROADCAST, /* directed broadcast of a connected subnet */
    TN_LOCAL_MULTICAST, /* a group that was joined */
};

/* What became of an address that a plugin brought (plugin->address_event). */
enum tn_address_event {
    TN_ADDRESS_USABLE,   /* nobody else was found to have it: it is in use from now on */
    TN_ADDRESS_CONFLICT, /* somebody else has it: it is gone, whether it was in use already or not */
};

/* neighbour_learn() */
#define TN_LEARN_CREATE    0x1u /* make an entry if there is none */
#define TN_LEARN_SOLICITED 0x2u /* the answer to a question: confirms reachability */
#define TN_LEARN_OVERRIDE  0x4u /* replaces another link address */

/* ---- Operations by kind ---- */

typedef void tn_input_fn(struct tn_self *self, struct tn_packet *packet);
typedef void tn_timer_fn(struct tn_self *self, struct tn_timer *timer);

/* An interface, as plugins see it. Made by the core from stack.yaml; `link` is the driver's. */
struct tn_interface {
    char name[16];
    uint16_t index;        /* 1.. */
    uint16_t link_type;    /* TN_LINK_…; a driver may set it in open() */
    uint32_t mtu;          /* largest network packet, bytes */
    uint32_t gso_max;      /* largest super-frame's network packet the device takes; 0: none */
    bool checksum_offload; /* the device completes TN_CHECKSUM_PARTIAL packets */
    bool up;
    uint8_t lladdr_len; /* 6, or 0 on a link without addresses */
    uint8_t lladdr[TN_LLADDR_MAX];
    uint8_t broadcast[TN_LLADDR_MAX];
    void *link;          /* the driver's record: plugin->link->interface_size bytes, zeroed before open() */
    const void *options; /* the driver's options for this interface: plugin->options_size bytes */
    uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
    uint64_t tx_stalls; /* times the device was full */
    uint32_t gso_kinds; /* super-frames that the device takes: 1 << TN_GSO_… */
    uint16_t vlan;      /* its frames carry this VLAN's tag (IEEE 802.1Q), 1 to 4094; 0: none */
    bool own_lladdr;    /* stack.yaml says lladdr; otherwise it is made up, and open() may set a better one */
};

/* A link driver: moves frames between an interface and a device. */
struct tn_link_ops {
    size_t interface_size; /* of the driver's record an interface */
    /* Opens the device for `ifc`. 0, or a negative errno with a sentence for people in `why` (without the
     * interface's name). May set ifc->link_type, lladdr, mtu, gso_max, gso_kinds,
     * checksum_offload. */
    int (*open)(struct tn_self *self, struct tn_interface *ifc, struct tn_text *why);
    void (*close)(struct tn_self *self, struct tn_interface *ifc);
    /* The device has frames (its descriptor is readable, or the port has some): reads at most `budget` and
     * hands each to core->input(). Returns how many it read; fewer than `budget` means there are no more. */
    unsigned (*receive)(struct tn_self *self, struct tn_interface *ifc, unsigned budget);
    /* Sends one frame. 0: taken (the packet is consumed). -EAGAIN: the device is full; the packet is NOT
     * consumed, the core keeps it and asks again when core->link_writable() or the descriptor says so. Another negative
     * errno: it could not be sent; the packet is consumed and the driver has counted why. */
    int (*transmit)(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet);
    /* Sends several frames, the first one first: results[i] becomes what transmit() would have returned for packets[i], and packets
     * are consumed as there; any of them may be -EAGAIN. May be NULL: transmit() is called for each. */
    void (*transmit_batch)(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *const *packets,
                           int *results, unsigned count);
};

/* What frames a link type: the header with the link addresses. Frames come in by the claim on
 * TN_TABLE_LINKTYPE. */
struct tn_framing_ops {
    /* Puts the link header before `packet` (towards `dst`: ifc->lladdr_len bytes) and hands it to
     * core->transmit(). Consumes it. */
    void (*output)(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet,
                   const uint8_t *dst, uint16_t ethertype);
};

/* A network protocol: one address family. */
struct tn_network_ops {
    uint16_t ethertype;   /* of its packets */
    uint8_t address_size; /* bytes of an address */
    uint8_t header_size;  /* bytes of its header without options */
    uint8_t default_ttl;
    bool subnet_broadcast; /* an address whose bits after the prefix are all ones is its subnet's broadcast */
    /* Sends `packet` (payload from the transport header on; src, dst, protocol, ttl, tos and flags set) along
     * `path`. Consumes it. 0 or a negative errno (-EMSGSIZE when it must not be fragmented and does not fit).
     */
    int (*output)(struct tn_self *self, struct tn_packet *packet, const struct tn_path *path);
    /* What kind of address `addr` is in general, without looking at interfaces' prefixes. */
    enum tn_addr_class (*classify)(struct tn_self *self, const struct tn_addr *addr);
    /* Link address for a multicast destination (RFC 1112 §6.4), ifc->lladdr_len bytes to `lladdr`. */
    void (*map_multicast)(struct tn_self *self, const struct tn_addr *group, uint8_t *lladdr);
    /* The address has been added to (or is being removed from) the interface. May be NULL. */
    void (*address_changed)(struct tn_self *self, struct tn_interface *ifc, const struct tn_addr *addr,
                            uint8_t prefix_len, bool added);
    /* `segment` (from the network header on) was cut from a super-frame as its `index`th, with a copy of the header: makes
     * length, identification and header checksum its own. May be NULL: super-frames then need a device that cuts them. */
    void (*fix_segment)(struct tn_self *self, struct tn_packet *segment, uint32_t index);
    /* Whether `addr` is of one link alone: packets from and to it are never sent to a router, and it is the last choice for a
     * source (RFC 3927 §2.6). May be NULL: none is. */
    bool (*link_local)(struct tn_self *self, const struct tn_addr *addr);
};

/* Who finds neighbours' link addresses for a family (ARP, neighbour discovery). The state machine (RFC 4861
 * §7.3) is the core's; the resolver only asks, and reports answers by core->neighbour_learn(). */
struct tn_resolver_ops {
    /* Asks for `target` on `ifc`, as coming from `source`: by broadcast or multicast, or, if `lladdr` is not
     * NULL, of that link address alone (a probe). */
    void (*solicit)(struct tn_self *self, struct tn_interface *ifc, const struct tn_addr *target,
                    const struct tn_addr *source, const uint8_t *lladdr);
    /* The stack wants to use `addr` on `ifc`: looks whether another station has it, and defends it from then on (RFC 5227; for
     * IPv6, RFC 4862 §5.4). `brought`: by a plugin, which can choose another. Returns whether it may be used meanwhile; what
     * becomes of it, now and later, is told by core->address_verdict(). NULL: every address is free. */
    bool (*claim)(struct tn_self *self, struct tn_interface *ifc, const struct tn_addr *addr, bool brought);
    /* The stack uses it no more. May be NULL. */
    void (*release)(struct tn_self *self, struct tn_interface *ifc, const struct tn_addr *addr);
};

/* Why a packet is refused, for core->reject(). */
enum tn_reject {
    TN_REJECT_PORT,          /* nobody listens there */
    TN_REJECT_PROTOCOL,      /* no such transport */
    TN_REJECT_HOST,          /* the neighbour does not answer */
    TN_REJECT_FRAGMENTATION, /* too big and not to be fragmented; `info`: next-hop MTU */
    TN_REJECT_TIME,          /* reassembly took too long, or TTL ended (`info`: 1 / 0) */
    TN_REJECT_PARAMETER,     /* a header field is wrong; `info`: offset of the octet */
    TN_REJECT_NETWORK,       /* no route */
};

/* Who tells senders of errors for a family (ICMP). */
struct tn_reporter_ops {
    /* Tells the sender of `packet` (network header at packet->network) that it was refused. Does not consume
     * the packet. Applies the never-rules (RFC 1122 §3.2.2) and the rate limit. */
    void (*report)(struct tn_self *self, const struct tn_packet *packet, enum tn_reject why, uint32_t info);
};

/* News from the network about a packet that this stack sent, for transport->error(). */
struct tn_net_error {
    uint8_t family;
    uint8_t protocol;
    bool hard;      /* aborts what is being opened (RFC 1122 §4.2.3.9); soft otherwise */
    uint16_t error; /* errno: ECONNREFUSED, EHOSTUNREACH, … */
    uint32_t mtu;   /* with EMSGSIZE: what the next hop takes, or a guess; 0: nothing is known */
    uint16_t vrf;
    struct tn_addr src; /* of the packet that was sent: this stack's address */
    struct tn_addr dst;
    struct tn_cursor quote; /* its transport header, at least 8 bytes as a rule (RFC 792), perhaps more */
    uint32_t
        mtu_least; /* with EMSGSIZE: a lower one is not believed; what is longer goes in fragments then */
    tn_time mtu_lifetime; /* … how long to believe it */
    struct tn_addr from;  /* who says so */
    uint8_t type, code;   /* of the message, as its protocol numbers them */
};

/* How transport->urgent_take() takes an urgent octet. */
enum tn_urgent {
    TN_URGENT_TAKE,
    TN_URGENT_PEEK,
    TN_URGENT_PASS, /* it is next in the receive queue and about to be taken out: is kept for later */
};

/* A transport: gives sockets their meaning. Packets come in by its claims on TN_TABLE_IPPROTO, errors by
 * error(). The core keeps ports and queues, and looks sockets up. */
struct tn_transport_ops {
    uint8_t type;        /* SOCK_STREAM or SOCK_DGRAM: what sockets of this transport are */
    uint8_t header_size; /* bytes of its header without options */
    bool by_number_only; /* protocol 0 in socket() never means this transport, though the type fits */
    size_t socket_size;  /* of its record behind each socket */
    /* A socket was made. 0 or a negative errno. May be NULL. */
    int (*open)(struct tn_self *self, struct tn_socket *sock);
    /* The socket (bound, TN_SOCK_LISTENING set) accepts connections from now on. Streams only. */
    int (*listen)(struct tn_self *self, struct tn_socket *sock);
    /* remote, local, both ports and path are set and the socket is hashed: streams begin the handshake (0: on
     * its way); datagram transports just accept (NULL = always 0). */
    int (*connect)(struct tn_self *self, struct tn_socket *sock);
    /* Streams: bytes were appended to sock->tx, or TN_SOCK_SHUT_SEND was set: send what may be sent, at the
     * next flush (core->request_flush). */
    void (*send_ready)(struct tn_self *self, struct tn_socket *sock);
    /* Datagrams: sends `packet` (payload; src, dst and ports set; path found). Consumes it. 0 or -errno. */
    int (*send_datagram)(struct tn_self *self, struct tn_socket *sock, struct tn_packet *packet,
                         const struct tn_path *path);
    /* The user took bytes out of sock->rx (window updates). May be NULL. */
    void (*received)(struct tn_self *self, struct tn_socket *sock);
    /* The user closed the socket (TN_SOCK_CLOSED set; no events go to it any more), or aborts it (`abort`: do
     * not linger). The transport calls core->socket_free() when it needs it no longer: now or later. */
    void (*close)(struct tn_self *self, struct tn_socket *sock, bool abort);
    /* Level IPPROTO_<transport> options. -ENOPROTOOPT for what it does not know. May be NULL. */
    int (*set_option)(struct tn_self *self, struct tn_socket *sock, int name, const void *value,
                      socklen_t len);
    int (*get_option)(struct tn_self *self, struct tn_socket *sock, int name, void *value, socklen_t *len);
    /* News from the network about a packet of this transport. May be NULL. */
    void (*error)(struct tn_self *self, const struct tn_net_error *error);
    /* The socket's state in a word, for people ("ESTABLISHED"); NULL op: none. */
    const char *(*state_name)(struct tn_self *self, const struct tn_socket *sock);
    /* The same of a flow. May be NULL. */
    const char *(*flow_state_name)(struct tn_self *self, const struct tn_flow *flow);
    /* A socket wants to connect between the two ends that a flow has: whether it may, in which case connect() finds the
     * flow and takes its place. NULL: it may not. */
    bool (*flow_yields)(struct tn_self *self, const struct tn_flow *flow);
    /* Bytes of the transport header that the cursor begins with; 0 if it is none. */
    size_t (*header_length)(struct tn_self *self, struct tn_cursor header);
    /* `segment` (from the transport header on) was cut from a super-frame, with a copy of the header, and carries the payload
     * from `offset` on, to the end if `last`: makes the header's fields its own, the sum of the pseudo-header among them. Both
     * may be NULL, where a transport sends no super-frames. */
    void (*fix_segment)(struct tn_self *self, struct tn_packet *segment, uint32_t offset, bool last);
    /* The plugin in `slot`, which the transport may have found by core->plugin_find(), is about to be disabled: keep its number
     * no longer. May be NULL. */
    void (*forget)(struct tn_self *self, uint16_t slot);
    /* Adds fields of the transport's own to the socket's row of `tenon show sockets` (core->row_text, row_number). May be NULL. */
    void (*show)(struct tn_self *self, struct tn_socket *sock, struct tn_rows *rows);

    /* Streams with urgent data (MSG_OOB); all three or none. urgent_sent: what the send queue ends with is urgent.
     * urgent_mark: octets in the receive queue before the last urgent one, which may still be on its way; negative: there is
     * none ahead. urgent_take: that octet; 1, 0 (the peer has sent its last), -EAGAIN (not come yet), -EINVAL (there is
     * none). */
    void (*urgent_sent)(struct tn_self *self, struct tn_socket *sock);
    int64_t (*urgent_mark)(struct tn_self *self, struct tn_socket *sock);
    int (*urgent_take)(struct tn_self *self, struct tn_socket *sock, enum tn_urgent how, uint8_t *octet);

    /* The device of interface `ifindex` (0: of paths to this stack itself), of which core->path_full() said that it was full, has
     * room. May be NULL, where path_full() is not asked. */
    void (*path_free)(struct tn_self *self, uint16_t ifindex);
};

/* A service: a program on sockets. The core opens its listeners as stack.yaml's `listen:` says. Each operation may
 * be NULL: nothing is done then (a connection is accepted all the same). */
struct tn_service_ops {
    /* A connection has come; it is the service's from now on. May set sock->user. Streams. */
    void (*accepted)(struct tn_self *self, struct tn_socket *sock);
    /* There is data, or the end of it (core->socket_receive gives 0). Streams and datagrams. */
    void (*readable)(struct tn_self *self, struct tn_socket *sock);
    /* There is room to send again, after the send queue was full. */
    void (*writable)(struct tn_self *self, struct tn_socket *sock);
    /* The connection was reset, timed out, or is fully closed (`error`: errno or 0). The service frees what
     * it holds; the socket is closed by the core after the call. */
    void (*closed)(struct tn_self *self, struct tn_socket *sock, int error);
};

/* What describe() found to follow its own header. */
struct tn_next {
    bool known;
    uint8_t table; /* enum tn_table: LINKTYPE, ETHERTYPE or IPPROTO */
    uint8_t family;
    uint32_t key;
};

/* A request by name from the control socket (`tenon ping`), answered by the plugin in one or more lines. */
struct tn_command {
    const char *name;
    const char *help; /* one line, with the arguments */
    /* Starts `job`; answers with core->job_…; the last answer ends it. 0 or -errno (with core->job_fail()).
     */
    int (*start)(struct tn_self *self, struct tn_job *job);
    /* The asker has gone, or the stack stops: forget the job. */
    void (*cancel)(struct tn_self *self, struct tn_job *job);
};

/* A table of the plugin's own for `tenon show NAME`. */
struct tn_view {
    const char *name; /* lower-case-with-hyphens; the core's tables come first */
    const char *help; /* one line */
    /* Puts the rows: each field by core->row_…, then core->row_end. Keys are the columns, in the order of the
     * first row. */
    void (*rows)(struct tn_self *self, struct tn_rows *rows);
};

/* ---- The descriptor ---- */

struct tn_plugin {
    uint32_t magic;     /* TN_PLUGIN_MAGIC */
    uint16_t abi_major; /* TN_ABI_MAJOR */
    uint16_t abi_minor; /* TN_ABI_MINOR */
    uint32_t size;      /* sizeof(struct tn_plugin) */
    const char *name;
    const char *version;
    const char
        *kind; /* as in the manifest: link, framing, protocol, network, congestion, transport, service */
    const char *schema; /* layout of state, options, socket and interface records, and numbering of timers,
                    inputs, counters and drops. A swap between equal schemas adopts everything in place. */
    size_t state_size;
    size_t options_size;

    const struct tn_claim *claims;
    const struct tn_option *options;
    const struct tn_name *counters;
    const struct tn_name *drops;
    const struct tn_command *commands;
    tn_input_fn *const *inputs;
    tn_timer_fn *const *timers;
    uint16_t claim_count;
    uint16_t option_count;
    uint16_t counter_count;
    uint16_t drop_count;
    uint16_t command_count;
    uint16_t input_count;
    uint16_t timer_count;

    /* Enabled: claims are in place, options are written. 0, or -errno with a sentence in `why`. May be NULL.
     */
    int (*start)(struct tn_self *self, struct tn_text *why);
    /* Disabled for good (not at a swap): release what start() took. Timers and slabs go by themselves. */
    void (*stop)(struct tn_self *self);
    /* Options were changed by a reload. 0, or -errno with `why`: the old values come back. NULL: nothing to
     * do. */
    int (*reconfigure)(struct tn_self *self, struct tn_text *why);
    /* Called once at the end of a batch in which the plugin called core->request_flush(). */
    void (*flush)(struct tn_self *self);
    /* Describes the header at the cursor in a few words ("10.0.7.1 > 10.0.7.7 ttl 64"), passes it, and says
     * what follows. Bytes are as hostile as on input. `packet` gives metadata (checksum state). May be NULL.
     */
    void (*describe)(const struct tn_packet *packet, struct tn_cursor *cursor, struct tn_text *out,
                     struct tn_next *next);

    const struct tn_link_ops *link;
    const struct tn_framing_ops *framing;
    const struct tn_network_ops *network;
    const struct tn_resolver_ops *resolver;
    const struct tn_reporter_ops *reporter;
    const struct tn_transport_ops *transport;
    const struct tn_service_ops *service;

    const struct tn_view *views;
    uint16_t view_count;

    const struct tn_congestion_ops *congestion;

    /* What became of an address that this plugin added by core->address_add(): told from within that call or later. May be
     * NULL. */
    void (*address_event)(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                          const struct tn_addr *addr, enum tn_address_event event);
    /* The first socket of this stack has joined the group on the interface, or the last one left. May be NULL. */
    void (*group_event)(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                        const struct tn_addr *group, bool joined);

    /* Other addresses of `ifc` are in use now, whoever brought them. Told in the middle of the change: whoever wants to change more
     * does it later (by a timer). May be NULL. */
    void (*addresses_changed)(struct tn_self *self, struct tn_interface *ifc, uint8_t family);
};

/* The one symbol that a plugin exports. */
TN_EXPORT const struct tn_plugin *tn_plugin_entry(void);

/* Opens a descriptor: struct tn_plugin p = { TN_PLUGIN_HEADER, .name = … }. */
#define TN_PLUGIN_HEADER                                                            \
    .magic = TN_PLUGIN_MAGIC, .abi_major = TN_ABI_MAJOR, .abi_minor = TN_ABI_MINOR, \
    .size = sizeof(struct tn_plugin)

/* An entry of a list of names that is written as an X-macro (see struct tn_name). */
#define TN_NAME_ENTRY(id, text, help) {text, help},

/* ---- What the core offers ---- */

/* Every function takes the caller's `self`. Errors are negative errno values. Grown only at its end. */
struct tn_core {
    uint32_t size; /* sizeof(struct tn_core) of the running core */

    /* Time and chance. now: monotonic, the time of the current batch (on the path: tn_now()). wall: nanoseconds since 1970. */
    tn_time (*now)(struct tn_self *self);
    int64_t (*wall)(struct tn_self *self);
    uint64_t (*random)(struct tn_self *self);
    /* A keyed hash (SipHash) of `len` bytes under a secret of this stack's: for tables and sequence numbers.
     */
    uint64_t (*keyed_hash)(struct tn_self *self, const void *bytes, size_t len);

    /* Memory. alloc: zeroed, not for the packet path, freed by free or when the plugin is disabled; NULL when
     * there is none. Slabs: records of one size, O(1), no system call on the path, NULL beyond `limit`
     * records. */
    void *(*alloc)(struct tn_self *self, size_t size);
    void (*free)(struct tn_self *self, void *memory);
    struct tn_slab *(*slab_create)(struct tn_self *self, const char *name, size_t size, size_t limit);
    void *(*slab_alloc)(struct tn_slab *slab); /* zeroed */
    void (*slab_free)(struct tn_slab *slab, void *record);

    /* Timers. `handler` is an index into plugin->timers. Starting a running timer moves it. */
    void (*timer_start)(struct tn_self *self, struct tn_timer *timer, tn_time delay, uint16_t handler);
    void (*timer_stop)(struct tn_self *self, struct tn_timer *timer);

    /* Packets. packet_new: one piece, TN_HEADROOM before `len` uninitialised bytes of data; NULL when the
     * pool is exhausted. clone: another view of the same bytes (all pieces). copy: one writable piece with
     * TN_HEADROOM. */
    struct tn_packet *(*packet_new)(struct tn_self *self, size_t len);
    struct tn_packet *(*packet_clone)(struct tn_self *self, const struct tn_packet *packet);
    struct tn_packet *(*packet_copy)(struct tn_self *self, const struct tn_packet *packet);
    void (*packet_free)(struct tn_self *self, struct tn_packet *packet);
    /* Copies bytes [offset, offset+len) of a packet of any number of pieces; returns how many there were. */
    size_t (*packet_read)(const struct tn_packet *packet, size_t offset, void *to, size_t len);
    /* Completes a TN_CHECKSUM_PARTIAL checksum in software (before fragmenting, say). */
    void (*packet_checksum)(struct tn_packet *packet);
    /* Frees the packet and counts reason `drop` of this plugin. */
    void (*drop)(struct tn_self *self, struct tn_packet *packet, unsigned drop);

    /* The way in. input: a frame from a link driver. dispatch: to the owner of `key` in `table`; false
     * (packet untouched) if there is none. A packet that is not for any table: drop it. */
    void (*input)(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet);
    bool (*dispatch)(struct tn_self *self, enum tn_table table, uint32_t key, struct tn_packet *packet);
    /* Tells the sender of `packet` why it was refused, through the family's reporter, if there is one. */
    void (*reject)(struct tn_self *self, const struct tn_packet *packet, enum tn_reject why, uint32_t info);
    /* News about a sent packet, for the transport that owns error->protocol. */
    void (*net_error)(struct tn_self *self, const struct tn_net_error *error);

    /* The way out. path_find: route, interface and next hop from *src (all zero: chosen and written) to
     * `dst`; -ENETUNREACH, -EHOSTUNREACH, -EADDRNOTAVAIL. A path that is still valid returns 0 at once.
     * network_output: to the family's network protocol. path_output: from there to the neighbour (the packet
     * waits if it must be resolved). transmit: a finished frame to the interface. All consume the packet. */
    int (*path_find)(struct tn_self *self, uint8_t family, uint16_t vrf, struct tn_addr *src,
                     const struct tn_addr *dst, struct tn_path *path);
    int (*network_output)(struct tn_self *self, struct tn_packet *packet, const struct tn_path *path);
    int (*path_output)(struct tn_self *self, struct tn_packet *packet, const struct tn_path *path,
                       uint16_t ethertype);
    void (*frame_output)(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet,
                         const uint8_t *dst, uint16_t ethertype); /* to the framing of the link */
    void (*transmit)(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet);
    /* Have plugin->flush called once when this batch ends. */
    void (*request_flush)(struct tn_self *self);

    /* Interfaces, addresses. interface: by index, NULL if there is none. address_kind: what `addr` is to this
     * stack on `ifc` (any interface if NULL): one of its own, a broadcast of a connected subnet, … */
    struct tn_interface *(*interface)(struct tn_self *self, uint16_t index);
    enum tn_local (*address_kind)(struct tn_self *self, uint8_t family, const struct tn_interface *ifc,
                                  const struct tn_addr *addr, uint16_t *vrf);
    /* An address of the interface in this family to speak from (the first one, or the one whose prefix holds
     * `near` if not NULL); false if it has none. */
    bool (*address_of)(struct tn_self *self, uint8_t family, const struct tn_interface *ifc,
                       const struct tn_addr *near, struct tn_addr *out);
    enum tn_addr_class (*address_class)(struct tn_self *self, uint8_t family, const struct tn_addr *addr);
    uint8_t (*header_size)(struct tn_self *self, uint8_t family); /* of the family's network header */

    /* Neighbours. learn: `addr` has link address `lladdr` (flags TN_LEARN_…). confirm: a transport has seen
     * that its packets arrive (RFC 4861 §7.3.1). known: whether there is an entry. */
    void (*neighbour_learn)(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                            const struct tn_addr *addr, const uint8_t *lladdr, unsigned flags);
    void (*neighbour_confirm)(struct tn_self *self, struct tn_path *path);
    bool (*neighbour_known)(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                            const struct tn_addr *addr);

    /* Sockets, for transports. lookup: connected socket first, then the best bound one; NULL if none.
     * child: a new connected socket of a listener (hashed; from the packet's addresses), whose handshake
     * is complete: it waits in the accept queue; NULL if that is full, or at another limit. deliver: appends to rx and tells the
     * user; false (packet untouched) if a datagram does not fit. eof, fail (`error`: errno; the connection is
     * gone), connected, acked (frees `bytes` from the front of tx) tell the user. free: the transport is done
     * with it. */
    struct tn_socket *(*socket_lookup)(struct tn_self *self, const struct tn_packet *packet);
    struct tn_socket *(*socket_lookup_tuple)(struct tn_self *self, uint8_t family, uint16_t vrf,
                                             const struct tn_addr *local, uint16_t local_port,
                                             const struct tn_addr *remote, uint16_t remote_port);
    struct tn_socket *(*socket_child)(struct tn_self *self, struct tn_socket *listener,
                                      const struct tn_packet *packet);
    bool (*socket_deliver)(struct tn_self *self, struct tn_socket *sock, struct tn_packet *packet);
    void (*socket_eof)(struct tn_self *self, struct tn_socket *sock);
    void (*socket_fail)(struct tn_self *self, struct tn_socket *sock, int error);
    void (*socket_soft_error)(struct tn_self *self, struct tn_socket *sock, int error);
    void (*socket_connected)(struct tn_self *self, struct tn_socket *sock);
    void (*socket_acked)(struct tn_self *self, struct tn_socket *sock, uint32_t bytes);
    void (*socket_free)(struct tn_self *self, struct tn_socket *sock);
    /* Calls `each` for every socket of this transport; it may free the socket it is given. For tables and
     * stop(), not for the packet path. */
    void (*socket_each)(struct tn_self *self,
                        void (*each)(struct tn_self *self, struct tn_socket *sock, void *arg), void *arg);

    /* Sockets, for services (and for plugins that speak themselves). open: `transport` is an IP protocol
     * number. receive: bytes taken, 0 at the end of data, -EAGAIN. send: bytes taken, -EAGAIN when full,
     * -EPIPE, … take / give: whole packets without copying: take returns NULL when there are none (or at the
     * end: see TN_SOCK_EOF), give consumes (-EAGAIN: NOT consumed; see
     * socket_room()). For datagrams src/src_port of a taken packet is the sender, and reply() sends `packet`
     * back from where `to` was received. */
    struct tn_socket *(*socket_open)(struct tn_self *self, uint8_t family, uint8_t type, uint8_t protocol);
    int (*socket_bind)(struct tn_self *self, struct tn_socket *sock, const struct tn_addr *addr,
                       uint16_t port);
    int (*socket_connect)(struct tn_self *self, struct tn_socket *sock, const struct tn_addr *addr,
                          uint16_t port);
    ssize_t (*socket_receive)(struct tn_self *self, struct tn_socket *sock, void *bytes, size_t len);
    ssize_t (*socket_send)(struct tn_self *self, struct tn_socket *sock, const void *bytes, size_t len);
    struct tn_packet *(*socket_take)(struct tn_self *self, struct tn_socket *sock);
    int (*socket_give)(struct tn_self *self, struct tn_socket *sock, struct tn_packet *packet);
    int (*socket_reply)(struct tn_self *self, struct tn_socket *sock, const struct tn_packet *to,
                        struct tn_packet *packet);
    int (*socket_shutdown)(struct tn_self *self, struct tn_socket *sock, int how);
    void (*socket_close)(struct tn_self *self, struct tn_socket *sock);

    /* For link drivers. watch: calls receive() when `fd` is readable, and transmits again when it is writable
     * (-1: stop watching). port_…: the interface's outside end in memory, for links without a device: give
     * hands a frame to the embedder or to the joined stack (consumes it), take is the next frame from there
     * or NULL. link_writable: transmit() may be tried again. */
    int (*watch)(struct tn_self *self, struct tn_interface *ifc, int fd);
    void (*port_give)(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet);
    struct tn_packet *(*port_take)(struct tn_self *self, struct tn_interface *ifc);
    void (*link_writable)(struct tn_self *self, struct tn_interface *ifc);

    /* Jobs: requests from the control socket. Arguments by name; NULL or `otherwise` if absent. Answers are
     * JSON objects built field by field; end sends it (`last`: and ends the job). fail ends it with a
     * sentence. data is a pointer of the plugin's to find its record by. */
    const char *(*job_text)(struct tn_job *job, const char *name);
    int64_t (*job_number)(struct tn_job *job, const char *name, int64_t otherwise);
    bool (*job_address)(struct tn_job *job, const char *name, uint8_t *family, struct tn_addr *out);
    void (*job_put_text)(struct tn_job *job, const char *name, const char *value);
    void (*job_put_number)(struct tn_job *job, const char *name, int64_t value);
    void (*job_end)(struct tn_job *job, bool last);
    TN_PRINTF(2, 3) void (*job_fail)(struct tn_job *job, const char *fmt, ...);
    void **(*job_data)(struct tn_job *job);

    /* Telling people. log: once a second at most for the same place in the code. trace: a line in the packet
     * trace (state changes), cheap when nobody traces. */
    TN_PRINTF(3, 4) void (*log)(struct tn_self *self, enum tn_level level, const char *fmt, ...);
    TN_PRINTF(2, 3) void (*trace)(struct tn_self *self, const char *fmt, ...);

    /* Whether packets are running out: less than a quarter is left, which is for packets that pass. What would wait in a
     * queue should be refused then, except where a queue is empty. */
    bool (*packets_scarce)(struct tn_self *self);

    /* Bytes from the transport header (packet->transport) to the end of what goes on the wire at once: a super-frame's longest
     * segment, or all of any other packet. This, not its own length, must fit the path. */
    size_t (*packet_segment)(struct tn_self *self, const struct tn_packet *packet);

    /* Flows (flow.h), for transports. flows_create: a kind of records of `size` bytes, struct tn_flow included, at most
     * `limit` of them; returns its number, for the others' `kind`, or -ENOMEM. find: of what a packet that was received,
     * or a segment that was sent, belongs to; NULL if there is none. new: for the sender of `packet`; of_socket: in the
     * place of `sock`, whose local port it holds; NULL at the limit. hide: it is found no more. free: the same, and the
     * record goes. ends: its addresses. number, numbered: a number for the record, and the record of it. */
    int (*flows_create)(struct tn_self *self, const char *name, size_t size, size_t limit);
    struct tn_flow *(*flow_find)(struct tn_self *self, const struct tn_packet *packet);
    struct tn_flow *(*flow_find_tuple)(struct tn_self *self, uint8_t family, uint16_t vrf,
                                       const struct tn_addr *local, uint16_t local_port,
                                       const struct tn_addr *remote, uint16_t remote_port);
    struct tn_flow *(*flow_new)(struct tn_self *self, unsigned kind, const struct tn_packet *packet);
    struct tn_flow *(*flow_of_socket)(struct tn_self *self, unsigned kind, struct tn_socket *sock);
    void (*flow_hide)(struct tn_self *self, struct tn_flow *flow);
    void (*flow_free)(struct tn_self *self, struct tn_flow *flow);
    void (*flow_ends)(struct tn_self *self, const struct tn_flow *flow, struct tn_addr *local,
                      struct tn_addr *remote);
    uint32_t (*flow_number)(struct tn_self *self, const struct tn_flow *flow);
    struct tn_flow *(*flow_numbered)(struct tn_self *self, unsigned kind, uint32_t number);

    /* Rows of a plugin's table (struct tn_view), field by field. */
    void (*row_text)(struct tn_rows *rows, const char *key, const char *value);
    void (*row_number)(struct tn_rows *rows, const char *key, int64_t value);
    void (*row_end)(struct tn_rows *rows);

    /* What is to outlive the process: a few bytes (TN_STORE_MAX at most) by name (letters, digits, '-', '.'), kept in the
     * environment's state directory under the stack's and the plugin's name. store_write replaces all of it or nothing;
     * `len` 0 removes it. store_read: how many bytes there are (more than `size`: cut), -ENOENT. Both: -EROFS when the
     * environment keeps nothing. They wait for the disk: not for the packet path. */
    int (*store_write)(struct tn_self *self, const char *name, const void *bytes, size_t len);
    ssize_t (*store_read)(struct tn_self *self, const char *name, void *bytes, size_t size);

    /* Speaking on an interface that has no address yet (DHCP). path_broadcast: the way to everybody on `ifc`; -ENETDOWN.
     * socket_send_along: sends a datagram from `src` to `dst` and `port` along a path that the caller has found. Consumes
     * it. 0 or -errno. */
    int (*path_broadcast)(struct tn_self *self, struct tn_interface *ifc, struct tn_path *path);
    int (*socket_send_along)(struct tn_self *self, struct tn_socket *sock, struct tn_packet *packet,
                             const struct tn_addr *src, const struct tn_addr *dst, uint16_t port,
                             const struct tn_path *path);

    /* What the network told about itself. interface_mtu: packets on `ifc` are to be no longer than `mtu` bytes (0: its
     * own MTU again); -EINVAL beyond that or below 576. name_servers: who answers DNS queries, for as long as the plugin
     * runs or until it says otherwise (`count` 0: nobody); `domain` may be "". */
    int (*interface_mtu)(struct tn_self *self, struct tn_interface *ifc, uint32_t mtu);
    int (*name_servers)(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                        const struct tn_addr *servers, size_t count, const char *domain);

    /* Plugins that others work with. plugin_find: the slot of the enabled plugin of that kind and name; TN_SLOT_NONE if there is
     * none. plugin_at: the plugin in a slot found so, to be called with what this returns and not kept (the code may be swapped
     * between two batches). */
    uint16_t (*plugin_find)(struct tn_self *self, const char *kind, const char *name);
    struct tn_self *(*plugin_at)(struct tn_self *self, uint16_t slot);

    /* Addresses and routes that a plugin brings to an interface, in VRF 0. They go when it removes them, when it is disabled
     * and with the interface; a swap and a reload leave them alone. address_add: with its connected route; it is used when
     * plugin->address_event() has said so. -EEXIST, -ENOSPC (limits), -EINVAL. address_remove: -ENOENT. route_add: `via` all zero:
     * on the link. -EEXIST, -ENOSPC, -EINVAL. route_remove: -ENOENT. */
    int (*address_add)(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                       const struct tn_addr *addr, uint8_t prefix_len);
    int (*address_remove)(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                          const struct tn_addr *addr);
    int (*route_add)(struct tn_self *self, struct tn_interface *ifc, uint8_t family, const struct tn_addr *to,
                     uint8_t prefix_len, const struct tn_addr *via, uint32_t metric);
    int (*route_remove)(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                        const struct tn_addr *to, uint8_t prefix_len, const struct tn_addr *via,
                        uint32_t metric);

    /* For resolvers: what became of an address that resolver->claim() was asked for. TN_ADDRESS_CONFLICT: station `lladdr` has it,
     * and it is not used any more: connections from it are reset; one that a plugin brought is removed (and release()
     * called), one of stack.yaml stays known, and may become usable later. */
    void (*address_verdict)(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                            const struct tn_addr *addr, enum tn_address_event event, const uint8_t *lladdr);

    /* The news (error EMSGSIZE) is about a packet that was sent indeed, as far as can be seen: packets to its destination
     * are no longer than error->mtu from now on, whoever sends them. */
    void (*path_mtu)(struct tn_self *self, const struct tn_net_error *error);

    /* Whether half of the packets or more is in use: what may grow should rather shrink. */
    bool (*packets_pressed)(struct tn_self *self);

    /* Multicast. group_each: every group that sockets here have joined, interface by interface. socket_next: the sockets that
     * take a packet that was sent to many (TN_PKT_BROADCAST, TN_PKT_MULTICAST), one by one: the first for NULL, then the one
     * after `after`; NULL at the end. */
    void (*group_each)(struct tn_self *self, uint8_t family,
                       void (*each)(struct tn_self *self, struct tn_interface *ifc,
                                    const struct tn_addr *group));
    struct tn_socket *(*socket_next)(struct tn_self *self, const struct tn_packet *packet,
                                     struct tn_socket *after);

    /* Urgent data lies ahead in a stream, or more of it: tells the user. */
    void (*socket_urgent)(struct tn_self *self, struct tn_socket *sock);

    /* For transports: so much waits for the device of the path that what can wait had better; transport->path_free says when
     * to go on. What is sent all the same is queued as long as there is room. */
    bool (*path_full)(struct tn_self *self, const struct tn_path *path);

    /* For links of a port: port_give would find the port full, and drop the frame. A driver says -EAGAIN instead, and is asked
     * again when the other end has taken frames. */
    bool (*port_full)(struct tn_self *self, struct tn_interface *ifc);

    /* The opposite of neighbour_confirm: nothing that was sent along the path seems to arrive (RFC 1122 §3.3.1.4). Its neighbour is
     * asked at once whether it is there, but for one that has just shown it. If it is a gateway and does not answer, paths that
     * are found after that lead by another. */
    void (*neighbour_doubt)(struct tn_self *self, struct tn_path *path);

    /* Gateway `from` said on `ifc` that host `to` is better reached by `via`, in `vrf`: for `lifetime` it is, if `from` is the gateway
     * by which it is reached now and `via` is a neighbour there (RFC 1122 §3.2.2.2); -EPERM if not, -ENOSPC (limits). */
    int (*redirect)(struct tn_self *self, struct tn_interface *ifc, uint8_t family, uint16_t vrf,
                    const struct tn_addr *from, const struct tn_addr *to, const struct tn_addr *via,
                    tn_time lifetime);

    /* How many bytes a stream's send queue takes now, which may be less than tn_socket_tx_room(): while packets are short a
     * queue grows only from nothing. 0: none; writable() will be called. Whoever takes packets to give them asks before. */
    uint32_t (*socket_room)(struct tn_self *self, struct tn_socket *sock);

    /* For link drivers: does these reads and writes (io.h), in this order, and fills in their results. Of two or more, with one
     * system call where the kernel can. */
    void (*io)(struct tn_self *self, struct tn_io *ios, unsigned count);
};

#define TN_STORE_MAX        4096
#define TN_NAME_SERVERS_MAX 4 /* more are not remembered */

/* What core->now() tells, inline because it is on the path. */
static inline tn_time tn_now(const struct tn_self *self)
{
    return *self->now;
}

/* Whether core->path_find() would leave the path as it is. */
static inline bool tn_path_valid(const struct tn_self *self, const struct tn_path *path)
{
    return path->generation == *self->path_generation && path->kind != TN_PATH_NONE;
}

/* Counting, inline because it is on the path. */
static inline void tn_count(struct tn_self *self, unsigned counter)
{
    self->counters[counter]++;
}

static inline void tn_count_add(struct tn_self *self, unsigned counter, uint64_t n)
{
    self->counters[counter] += n;
}

/* Refuses a packet: frees it and counts why. */
static inline void tn_drop(struct tn_self *self, struct tn_packet *packet, unsigned reason)
{
    self->core->drop(self, packet, reason);
}

#endif
