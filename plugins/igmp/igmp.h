/* igmp.h (private): what the parts of the igmp plugin share. */
#ifndef IGMP_H
#define IGMP_H

#include "tenon/plugin.h"
#include "tenon/proto/igmp.h"
#include "tenon/proto/ipv4.h"

#define IGMP_COUNTERS(X)                                                                              \
    X(MESSAGES_IN, "messages-in", "Messages received")                                                \
    X(QUERIES_IN, "queries-in", "Queries of routers received")                                        \
    X(REPORTS_IN, "reports-in", "Reports of other hosts received")                                    \
    X(REPORTS_OUT, "reports-out", "Reports sent, of changes and in answer to queries")                \
    X(LEAVES_OUT, "leaves-out", "Leave messages of version 2 sent")                                   \
    X(SUPPRESSED, "suppressed", "Reports not sent because another host reported the group meanwhile") \
    X(GROUP_LIMIT, "group-limit", "Groups that routers are not told of because the table was full")

#define IGMP_DROPS(X)                                                                        \
    X(TRUNCATED, "truncated", "Shorter than an IGMP message")                                \
    X(BAD_CHECKSUM, "bad-checksum", "The checksum is wrong")                                 \
    X(BAD_TTL, "bad-ttl", "The time to live is not 1")                                       \
    X(BAD_LENGTH, "bad-length", "A query with fewer sources than it says, or of no version") \
    X(NO_ALERT, "no-alert", "A query without the router alert option (RFC 3376 §9.1)")       \
    X(BAD_GROUP, "bad-group", "A query that was sent elsewhere than its group says")         \
    X(NO_GROUP, "no-group", "About a group that nobody here is in")                          \
    X(FOR_ROUTERS, "for-routers", "A message that only routers care for")                    \
    X(UNKNOWN_TYPE, "unknown-type", "A type that means nothing here")                        \
    X(NO_MEMORY, "no-memory", "The packet pool was exhausted")

#define IGMP_COUNTER_ID(id, name, help) IGMP_##id,
#define IGMP_DROP_ID(id, name, help)    IGMP_DROP_##id,
enum {
    IGMP_COUNTERS(IGMP_COUNTER_ID) IGMP_COUNTER_COUNT
};
enum {
    IGMP_DROPS(IGMP_DROP_ID) IGMP_DROP_COUNT,
    IGMP_OK = -1 /* no reason to drop */
};

/* Index into the plugin's timers. */
enum {
    IGMP_TIMER_GROUP,
    IGMP_TIMER_LINK,
    IGMP_TIMER_COUNT,
};

struct igmp_options {
    int64_t robustness;
    tn_time unsolicited_report_interval;
    tn_time query_interval;
    tn_time query_response_interval;
};

#define IGMP_GROUPS_MAX 1024
#define IGMP_LINKS_MAX  256
#define IGMP_SOURCES_MAX \
    16 /* of a query that are answered one by one; more, and the group is reported whole */

/* A group on an interface that was joined, or that was left and is to be reported once more. All are joined with
 * "exclude, no sources": sockets cannot choose sources. */
struct igmp_group {
    struct igmp_group *next;
    struct tn_timer timer; /* the next report of the change, or the answer to a query, whichever is sooner */
    struct tn_addr addr;
    uint16_t ifindex;
    bool joined;
    bool reporter;        /* versions 1 and 2: the last report was ours */
    uint8_t changes;      /* reports of the change yet to be sent */
    tn_time change_due;   /* when the next of them is */
    tn_time answer_due;   /* of a query about this group; TN_NEVER: none */
    uint8_t source_count; /* that was asked for; 0: the group itself */
    uint8_t sources[IGMP_SOURCES_MAX][TN_IPV4_ADDR_LEN];
};

/* What is known of the routers on an interface. */
struct igmp_link {
    struct tn_timer timer; /* the answer to a general query */
    uint16_t ifindex;
    tn_time answer_due;     /* TN_NEVER: none */
    tn_time v1_until;       /* a router of version 1 is there until then */
    tn_time v2_until;       /* … of version 2 */
    uint8_t robustness;     /* as the router said; 0: it did not */
    tn_time query_interval; /* the same */
};

struct igmp_state {
    struct tn_slab *group_slab;
    struct igmp_group *groups;
    struct igmp_link links[IGMP_LINKS_MAX + 1]; /* by interface */
};

static inline struct igmp_state *igmp_state(struct tn_self *self)
{
    return self->state;
}

static inline const struct igmp_options *igmp_options(const struct tn_self *self)
{
    return self->options;
}

/* group.c */
/* NULL: there are no interfaces of that number. */
struct igmp_link *igmp_link_of(struct tn_self *self, uint16_t ifindex);
/* NULL at the limit (counted). */
struct igmp_group *igmp_group_make(struct tn_self *self, uint16_t ifindex, const struct tn_addr *addr);
void igmp_group_free(struct tn_self *self, struct igmp_group *group);
struct igmp_group *igmp_group_find(struct tn_self *self, uint16_t ifindex, const struct tn_addr *addr);
/* The version that the interface's routers speak (RFC 3376 §7.2.1). */
unsigned igmp_version(struct tn_self *self, const struct igmp_link *link);
uint8_t igmp_robustness(const struct tn_self *self, const struct igmp_link *link);
/* A random time within `most`. */
tn_time igmp_within(struct tn_self *self, tn_time most);
/* Sets the group's timer for what is due next. */
void igmp_group_schedule(struct tn_self *self, struct igmp_group *group);

/* query.c. A message of a router or another host. What is wrong with it, or IGMP_OK; does not consume it. */
int igmp_query_input(struct tn_self *self, const struct tn_packet *packet);
int igmp_report_input(struct tn_self *self, const struct tn_packet *packet);

/* report.c */
void igmp_send_record(struct tn_self *self, const struct igmp_group *group, enum tn_igmp_record_type type);
/* Every group of the interface in as few reports as hold them. */
void igmp_send_all(struct tn_self *self, const struct igmp_link *link);
/* A message of version 1 or 2. */
void igmp_send_old(struct tn_self *self, const struct igmp_group *group, enum tn_igmp_type type);

#endif
