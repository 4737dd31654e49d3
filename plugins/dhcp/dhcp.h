/* dhcp.h: what the files of the plugin share.
 *
 * The files stand in this order, each calling only those before it:
 *     parse.c    a message from a server, taken apart (hostile bytes)
 *     message.c  messages to servers
 *     lease.c    what a lease brings to the interface: address, routes, MTU, name servers; and the lease on disk
 *     client.c   the states of RFC 2131 §4.4 and their times
 *     view.c     `tenon show dhcp`
 *     dhcp.c     theory of operation, and the descriptor
 * Sections without the number of an RFC are RFC 2131's. */
#ifndef TENON_DHCP_H
#define TENON_DHCP_H

#include <netinet/in.h>

#include "tenon/plugin.h"
#include "tenon/proto/dhcp.h"

/* ---- Counters, drops ---- */

#define DHCP_COUNTERS(X)                                                        \
    X(DISCOVERS, "discovers", "DHCPDISCOVER sent")                              \
    X(REQUESTS, "requests", "DHCPREQUEST sent")                                 \
    X(DECLINES, "declines", "DHCPDECLINE sent: the address was in use")         \
    X(RELEASES, "releases", "DHCPRELEASE sent")                                 \
    X(INFORMS, "informs", "DHCPINFORM sent")                                    \
    X(OFFERS, "offers", "DHCPOFFER received and fit to be taken")               \
    X(ACKS, "acks", "DHCPACK received and taken")                               \
    X(NAKS, "naks", "DHCPNAK received and heeded")                              \
    X(LEASES, "leases", "Leases that came into use")                            \
    X(RENEWALS, "renewals", "Leases that were extended")                        \
    X(EXPIRED, "expired", "Leases that ran out")                                \
    X(CONFLICTS, "conflicts", "Addresses that somebody else turned out to use") \
    X(SEND_FAILURES, "send-failures", "Messages that could not be sent; tried again")

#define DHCP_DROPS(X)                                                                              \
    X(OTHER_INTERFACE, "other-interface", "Came in where no client runs")                          \
    X(MALFORMED, "malformed", "No DHCP message: cut short, no cookie, or an option that overruns") \
    X(NOT_A_REPLY, "not-a-reply", "Not from a server")                                             \
    X(NOT_OURS, "not-ours", "Another xid, hardware address or client identifier")                  \
    X(UNEXPECTED, "unexpected", "Of a type that this state does not wait for")                     \
    X(NO_SERVER, "no-server", "Without a server identifier, or from another server")               \
    X(BAD_OFFER, "bad-offer", "Offers what cannot be used: the address, its mask or its lease")

#define DHCP_COUNTER_ID(id, name, help) DHCP_##id,
#define DHCP_DROP_ID(id, name, help)    DHCP_DROP_##id,
enum {
    DHCP_COUNTERS(DHCP_COUNTER_ID) DHCP_COUNTER_COUNT
};
enum {
    DHCP_DROPS(DHCP_DROP_ID) DHCP_DROP_COUNT,
    DHCP_OK = -1 /* no reason to drop */
};

/* ---- Options ---- */

enum dhcp_mode {
    DHCP_MODE_LEASE,
    DHCP_MODE_INFORM,
};

struct dhcp_options {
    char interface[TN_OPTION_STRING_MAX];
    char hostname[TN_OPTION_STRING_MAX];
    char vendor_class[TN_OPTION_STRING_MAX];
    int64_t mode; /* enum dhcp_mode */
    int64_t metric;
    tn_time lease; /* asked for; 0: the server's choice */
    tn_time start_delay;
    tn_time decline_delay;
    tn_time renew_least;
    bool release;
    bool routes;
    bool mtu;
};

static inline const struct dhcp_options *dhcp_options(const struct tn_self *self)
{
    return self->options;
}

/* ---- parse.c: a server's message ---- */

#define DHCP_ADDRESSES_MAX 4
#define DHCP_ROUTES_MAX    24
#define DHCP_TEXT_MAX      255

struct dhcp_route {
    struct tn_addr to;  /* masked */
    struct tn_addr via; /* all zero: on the link (RFC 3442) */
    uint8_t prefix_len;
};

struct dhcp_list {
    uint8_t count;
    struct tn_addr addr[DHCP_ADDRESSES_MAX];
};

/* What a message says; what it does not say is 0. Addresses of hosts are unicast addresses. */
struct dhcp_reply {
    uint8_t type; /* enum tn_dhcp_type */
    uint32_t xid;
    uint8_t chaddr[6];
    struct tn_addr address; /* yiaddr */
    struct tn_addr server;  /* the server identifier */
    uint8_t prefix_len;     /* of the mask; 0: none or not contiguous */
    bool has_lease;
    uint32_t lease, t1, t2; /* seconds */
    uint16_t mtu;
    struct dhcp_list routers, dns, ntp;
    struct dhcp_route routes[DHCP_ROUTES_MAX];
    uint8_t route_count;
    bool has_routes; /* option 121 is there: routers do not count (RFC 3442) */
    bool has_client_id;
    uint8_t client_id_len;
    uint8_t client_id[DHCP_TEXT_MAX];
    char domain[DHCP_TEXT_MAX + 1];
    char text[DHCP_TEXT_MAX + 1]; /* the server's explanation, for people: printable */
};

/* Takes a message apart. DHCP_OK or a drop reason. */
int dhcp_parse(const uint8_t *bytes, size_t len, struct dhcp_reply *reply);
/* Whether it is a lease that can be used: an address of a host, with a mask and a time. */
bool dhcp_is_usable(const struct dhcp_reply *reply);

/* ---- A client: one an interface ---- */

enum dhcp_client_state {
    DHCP_ST_NONE,       /* the place in the table is free */
    DHCP_ST_WAITING,    /* no such interface, or the pause before the first message */
    DHCP_ST_REBOOTING,  /* asked for the address of the lease on disk */
    DHCP_ST_SELECTING,  /* asked who has an address */
    DHCP_ST_REQUESTING, /* asked for the one that was offered */
    DHCP_ST_CHECKING,   /* granted; being looked for on the link (RFC 5227) */
    DHCP_ST_BOUND,
    DHCP_ST_RENEWING,
    DHCP_ST_REBINDING,
    DHCP_ST_DECLINED, /* the address was in use; a pause */
    DHCP_ST_INFORMING,
    DHCP_ST_INFORMED,
};

#define DHCP_CLIENTS_MAX    8
#define DHCP_INTERFACES_MAX 64 /* indexes at which a name is looked for */
#define DHCP_TRIES          4  /* §4.1: of a request, then all begins again */
#define DHCP_ID_LEN         15 /* RFC 4361: 255, IAID, DUID-LL */

struct dhcp_client {
    struct tn_timer timer;
    char interface[16];
    uint8_t state; /* enum dhcp_client_state */
    uint8_t tries; /* messages sent in this state */
    uint16_t ifindex;
    uint8_t lladdr[6];
    uint32_t xid;
    uint8_t client_id[DHCP_ID_LEN];
    tn_time started;         /* when this exchange began: the field `secs` */
    tn_time sent;            /* when the request was first sent: the lease counts from there */
    tn_time retry;           /* how long to wait for the answer to the next message */
    tn_time t1, t2, expires; /* TN_NEVER: never */
    struct tn_addr wanted;   /* offered, or on disk */
    struct tn_addr server;
    uint32_t recalled_age;   /* seconds since the lease on disk was asked for */
    bool added;              /* the address is on the interface, perhaps still being looked for */
    bool applied;            /* address, routes and so on are on the interface */
    struct dhcp_reply lease; /* the last ACK */
};

struct dhcp_state {
    struct tn_socket *socket; /* port 68, for all clients */
    struct dhcp_client clients[DHCP_CLIENTS_MAX];
};

static inline struct dhcp_state *dhcp_state(struct tn_self *self)
{
    return self->state;
}

enum dhcp_timer {
    DHCP_TIMER_CLIENT,
};

/* ---- message.c ---- */

/* The interface; NULL if it is not there (any more). */
struct tn_interface *dhcp_interface(struct tn_self *self, const struct dhcp_client *client);

/* Notes the interface's link address and what identifies the client (RFC 4361, RFC 6842). */
void dhcp_identify(struct dhcp_client *client, const struct tn_interface *ifc);
/* Sends a message of this type: to everybody, or, with `unicast`, from the leased address to the server's. What belongs into
 * it follows from the type and the client's state (table 5). */
void dhcp_send(struct tn_self *self, struct dhcp_client *client, enum tn_dhcp_type type, bool unicast);

/* ---- lease.c ---- */

/* Puts what client->lease says on the interface: the address is looked for first, and dhcp_client_address() tells what became
 * of it. 0 or -errno. */
int dhcp_apply_address(struct tn_self *self, struct dhcp_client *client);
/* The rest, when the address is in use: routes, MTU, name servers. */
void dhcp_apply_rest(struct tn_self *self, struct dhcp_client *client);
/* The lease goes on under the same address, and is now this one. */
void dhcp_update(struct tn_self *self, struct dhcp_client *client, const struct dhcp_reply *lease);
/* Takes all of it off. */
void dhcp_withdraw(struct tn_self *self, struct dhcp_client *client);
/* The lease on disk: written when it is granted, removed when it is given up; read into client->lease, wanted and server:
 * false if there is none that is still good. */
void dhcp_keep(struct tn_self *self, struct dhcp_client *client, const struct tn_packet *ack);
void dhcp_forget(struct tn_self *self, struct dhcp_client *client);
bool dhcp_recall(struct tn_self *self, struct dhcp_client *client);

/* ---- client.c ---- */

const char *dhcp_state_name(uint8_t state);
void dhcp_client_start(struct tn_self *self, struct dhcp_client *client);
void dhcp_client_stop(struct tn_self *self, struct dhcp_client *client);
void dhcp_client_timer(struct tn_self *self, struct tn_timer *timer);
/* What became of the address that a client had looked for. */
void dhcp_client_address(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                         const struct tn_addr *addr, enum tn_address_event event);
/* A datagram to port 68. Consumes it. */
void dhcp_client_input(struct tn_self *self, struct tn_packet *packet);

/* ---- view.c ---- */

void dhcp_view(struct tn_self *self, struct tn_rows *rows);

#endif
