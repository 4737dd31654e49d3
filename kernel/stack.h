/* stack.h (private): the stack itself, and where each part of it is kept. Every part has a header of its own;
 * this one ties them together and is included by the parts' .c files. */
#ifndef TENON_KERNEL_STACK_H
#define TENON_KERNEL_STACK_H

#include "loop.h"
#include "plan.h"
#include "pool.h"
#include "rng.h"
#include "siphash.h"
#include "slab.h"
#include "tenon/plugin.h"
#include "tenon/stack.h"
#include "trace.h"
#include "wheel.h"

#define TN_SLOTS_MAX      64
#define TN_INTERFACES_MAX 256

/* Slot 0 is the core itself: a plugin in form (descriptor in core.c), so that its timers, counters and drop
 * reasons work like everybody's. */
#define TN_SLOT_CORE 0

/* Counters and drop reasons of the core. */
#define TN_CORE_COUNTERS(X)                                                                          \
    X(FRAMES_IN, "frames-in", "Frames received on all interfaces")                                   \
    X(FRAMES_OUT, "frames-out", "Frames sent on all interfaces")                                     \
    X(TIMERS_FIRED, "timers-fired", "Timers that came due")                                          \
    X(PATH_LOOKUPS, "path-lookups", "Route look-ups that no remembered path could save")             \
    X(NEIGHBOUR_SOLICITS, "neighbour-solicits", "Questions sent for a neighbour's link address")     \
    X(NEIGHBOUR_LIMIT, "neighbour-limit",                                                            \
      "Neighbour entries refused or replaced because the table was full")                            \
    X(SOCKET_LIMIT, "socket-limit", "Sockets refused because the table was full")                    \
    X(BACKLOG_LIMIT, "backlog-limit", "Connections refused because a listener's queue was full")     \
    X(LOG_SUPPRESSED, "log-suppressed", "Log lines left out because the same place had just logged") \
    X(GATEWAYS_DEAD, "gateways-dead", "Times a gateway was found to be dead")                        \
    X(SWAPS, "swaps", "Plugins replaced while running")                                              \
    X(PATH_MTU_LOWERED, "path-mtu-lowered",                                                          \
      "Times the network said that a destination takes smaller packets only")                        \
    X(PATH_MTU_LIMIT, "path-mtu-limit", "Path MTUs forgotten early because the table was full")

#define TN_CORE_DROPS(X)                                                                      \
    X(NO_FRAMING, "no-framing", "No plugin takes frames of this interface's link type")       \
    X(INTERFACE_DOWN, "interface-down", "The interface is down")                              \
    X(FRAME_TOO_LONG, "frame-too-long", "Longer than the link's MTU allows")                  \
    X(NO_MEMORY, "no-memory", "The packet pool was exhausted")                                \
    X(NO_NETWORK, "no-network", "No plugin serves this address family")                       \
    X(NO_RESOLVER, "no-resolver", "No plugin can find link addresses for this family")        \
    X(NO_PATH, "no-path", "The path was no longer valid")                                     \
    X(NEIGHBOUR_QUEUE_FULL, "neighbour-queue-full",                                           \
      "Too many packets waited for this neighbour's link address")                            \
    X(NEIGHBOUR_UNREACHABLE, "neighbour-unreachable", "The neighbour did not answer")         \
    X(NEIGHBOUR_TABLE_FULL, "neighbour-table-full", "No room for another neighbour entry")    \
    X(TRANSMIT_QUEUE_FULL, "transmit-queue-full", "The device was full and so was its queue") \
    X(TRANSMIT_FAILED, "transmit-failed", "The device refused the frame")                     \
    X(PORT_FULL, "port-full", "Nobody took the frames of this host or wire interface")        \
    X(SOCKET_FULL, "socket-full", "The socket's receive queue was full")                      \
    X(PLUGIN_REMOVED, "plugin-removed", "The plugin was being disabled")                      \
    X(NO_SEGMENTER, "no-segmenter", "A super-frame that neither the device nor its protocols can cut")

#define TN_ENUM_COUNTER(id, name, help) TN_CORE_##id,
enum {
    TN_CORE_COUNTERS(TN_ENUM_COUNTER) TN_CORE_COUNTER_COUNT
};
#undef TN_ENUM_COUNTER
#define TN_ENUM_DROP(id, name, help) TN_CORE_DROP_##id,
enum {
    TN_CORE_DROPS(TN_ENUM_DROP) TN_CORE_DROP_COUNT
};
#undef TN_ENUM_DROP

/* Timers of the core: index into the core descriptor's timer table (core.c). */
enum tn_core_timer {
    TN_CORE_TIMER_NEIGHBOUR, /* neighbour.c: tn_neighbour_timer() */
    TN_CORE_TIMER_RESOLVER,  /* resolver.c: tn_resolver_timer() */
    TN_CORE_TIMER_PMTU,      /* pmtu.c: tn_pmtu_timer() */
    TN_CORE_TIMER_GATEWAY,   /* gateway_probe.c: tn_gateway_timer() */
    TN_CORE_TIMER_REDIRECT,  /* redirect.c: tn_redirect_timer() */
    TN_CORE_TIMER_COUNT,
};

/* What a plugin took by core->alloc(): a header before the memory. */
struct tn_allocation {
    struct tn_allocation *next, **link;
    size_t size;
};

/* One enabled plugin. */
struct tn_slot {
    struct tn_self self; /* first: a tn_self is its slot */
    char name[32];
    enum tn_section section;
    bool started;
    struct tn_manifest *manifest; /* own copy by tn_manifest_load; NULL for the core */
    struct tn_value *values;      /* the options as configured */
    void *options;                /* the block behind self.options */
    struct tn_library *library;   /* the code in use (loader.c) */
    unsigned generation;          /* 1, and one more a swap */
    struct tn_allocation *allocations;
    size_t allocated;
    struct tn_slab *slabs; /* list through ->next */
};

static inline struct tn_slot *tn_slot_of(struct tn_self *self)
{
    return (struct tn_slot *)(void *)self;
}

/* Where a key leads. */
struct tn_dispatch_entry {
    struct tn_slot *slot; /* NULL: nobody */
    uint16_t input;
};

#define TN_ETHERTYPES_MAX 64

struct tn_dispatch {
    struct tn_dispatch_entry linktype[8];
    struct tn_dispatch_entry family[TN_FAMILY_MAX];
    struct tn_dispatch_entry resolver[TN_FAMILY_MAX];
    struct tn_dispatch_entry reporter[TN_FAMILY_MAX];
    struct tn_dispatch_entry ipproto[TN_FAMILY_MAX][256]; /* a claim for every family is entered in each */
    struct {
        uint16_t key; /* with slot == NULL: free */
        struct tn_dispatch_entry entry;
    } ethertype[TN_ETHERTYPES_MAX]; /* open addressing */
};

/* An interface of the stack: the public part and the core's. */
struct tn_ifc {
    struct tn_interface pub; /* first */
    struct tn_stack *stack;
    struct tn_slot *driver;
    struct tn_value *values; /* driver options as configured */
    void *options;
    uint32_t own_mtu;           /* as configured or as the driver found it; pub.mtu may be less */
    struct tn_watch watch;      /* on the device's descriptor; fd -1: none */
    bool readable;              /* has frames to read */
    bool lively;                /* had some since the stack slept: busy polling looks here */
    bool blocked;               /* the device is full: wait for writable */
    struct tn_packet_queue out; /* waits for the device */
    uint64_t waiters;           /* a bit a slot: transports that go on when the queue is shorter */
    /* port (host, wire): frames from outside, frames to outside, and who is joined */
    struct tn_packet_queue port_in;
    struct tn_packet_queue port_out;
    struct tn_stack *peer;
    uint16_t peer_index;
};

static inline struct tn_ifc *tn_ifc_of(struct tn_interface *ifc)
{
    return (struct tn_ifc *)(void *)ifc;
}

struct tn_addresses;  /* address.h */
struct tn_routes;     /* route.h */
struct tn_gateways;   /* gateway.h */
struct tn_redirects;  /* redirect.h */
struct tn_neighbours; /* neighbour.h */
struct tn_pmtus;      /* pmtu.h */
struct tn_groups;     /* group.h */
struct tn_sockets;    /* sockets.h */
struct tn_control;    /* control.h */
struct tn_loop;       /* loop.h */
struct tn_ring;       /* io.c */
struct tn_logger;     /* log.h */
struct tn_names;      /* names.h */
struct tn_resolver;   /* resolver.h */

struct tn_stack {
    struct tn_env env;
    struct tn_plan *plan; /* what is configured now */
    struct tn_loop *loop;
    struct tn_ring *ring; /* io.c; NULL: none yet, or none at all */
    bool ring_refused;    /* there is none to have */
    tn_time now;          /* of this batch */
    struct tn_rng rng;
    struct tn_siphash_key hash_key;
    struct tn_wheel wheel;
    struct tn_pool pool;
    struct tn_dispatch dispatch;
    struct tn_slot *slots[TN_SLOTS_MAX];
    struct tn_ifc *interfaces[TN_INTERFACES_MAX + 1]; /* by index; 0 is unused */
    uint16_t interface_count;                         /* highest index in use */
    struct tn_addresses *addresses;
    struct tn_routes *routes;
    struct tn_gateways *gateways;
    struct tn_redirects *redirects;
    struct tn_neighbours *neighbours;
    struct tn_pmtus *pmtus;
    struct tn_groups *groups;
    struct tn_sockets *sockets;
    struct tn_control *control;
    struct tn_logger *logger;
    struct tn_names *names;       /* names.h; NULL: nobody has told any */
    struct tn_resolver *resolver; /* resolver.h; NULL: nothing was asked yet */
    uint32_t path_generation;     /* raised whenever a remembered path may have become wrong; never 0 */

    /* the batch */
    uint32_t serial;               /* frames received so far */
    struct tn_packet_queue looped; /* sent to this stack itself; worked on in the next batch */
    uint64_t looped_waiters;       /* as those of an interface */
    bool work_pending;             /* another step is needed at once */
    bool transmit_pending;         /* some interface has frames to send and is not blocked */
    uint64_t flush_slots;          /* a bit for each slot that wants to be flushed when the batch ends */
    volatile bool stop;
    volatile int stop_fd;       /* wakes tn_stack_run() and tn_stack_wait(); -1 before the first of them */
    struct tn_watch stop_watch; /* on it */
    uint8_t poll_doubts;        /* whether busy polling helps (step.c) */
    uint32_t waits_unpolled;    /* since it did not */
    uint32_t looks;             /* of busy polling, so far */
    bool stepping;              /* a batch is being worked on: nothing may wait */

    /* observers */
    bool watched;                        /* there are some */
    struct tn_trace_sink *trace;         /* who reads the trace (trace.h); NULL: nobody */
    struct tn_trace_sink trace_public;   /* the one of tn_stack_trace() */
    tn_time trace_times[TN_TRACE_TIMES]; /* env time of receipt of frame n, at n % TN_TRACE_TIMES */
    uint32_t trace_cause;                /* serial of the frame being worked on, 0: none */
    tn_frame_fn *observe;
    void *observe_context;
    uint8_t *observe_buffer; /* a frame of several pieces in one; trace.c */
};

static inline struct tn_self *tn_core_self(struct tn_stack *stack)
{
    return &stack->slots[TN_SLOT_CORE]->self;
}

static inline struct tn_ifc *tn_interface_at(struct tn_stack *stack, uint16_t index)
{
    return index <= stack->interface_count ? stack->interfaces[index] : NULL;
}

/* core.c. Refuses a packet in the core's name. */
TN_RARE void tn_core_drop_packet(struct tn_stack *stack, struct tn_packet *packet, unsigned reason);

static inline void tn_paths_changed(struct tn_stack *stack)
{
    if (++stack->path_generation == 0)
        stack->path_generation = 1;
}

#endif
