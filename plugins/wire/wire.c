/* wire: a simulated link. What one end transmits arrives at the other end later, or not at all, or
 * differently.
 *
 * The other end is whatever the interface was joined to (tn_stack_join), or the embedding program. Harm is
 * done on the way out, by the options of the sending interface; a wire with different options at its two ends
 * is asymmetric. A frame meets, in this order:
 *
 *     path-mtu    if it is longer, it ends here
 *     loss        so it does by chance
 *     duplicate   a clone follows it, which meets all that is below by itself
 *     corrupt     one bit of it, on a copy: a clone's bytes belong to others too
 *     rate        it waits until the line is free, then occupies it for its length in bits
 *     delay       arrival = when its last bit left + delay + chance * jitter
 *     reorder     arrival = when its last bit left
 *
 * Two queues hold frames on their way: `late` those with the delay, `early` the reordered ones. A queue gives
 * its frames away in the order in which they were sent: one that jitter would let arrive before the one in
 * front of it arrives together with that. So each queue needs one timer, for its head, and frames change
 * places only between the queues. The arrival time is kept in packet->time, which has no other meaning on the
 * way out.
 *
 * With the option gso, super-frames cross the wire as one frame, which is lost, late or twice as a whole, and checksums are
 * left uncompleted: what two stacks are to each other on one machine.
 *
 * Chance comes from a generator in the interface's record: the same seed and the same frames meet the same
 * fate. An option that is zero takes nothing from the generator. */
#include <errno.h>

#include "tenon/plugin.h"
#include "tenon/proto/ether.h"

#define WIRE_COUNTERS(X)                                             \
    X(DUPLICATED, "duplicated", "Frames that were sent twice")       \
    X(REORDERED, "reordered", "Frames that travelled without delay") \
    X(CORRUPTED, "corrupted", "Frames of which one bit was flipped")

#define WIRE_DROPS(X)                                                                          \
    X(LOST, "lost", "Lost by chance, as the option loss says")                                 \
    X(TOO_LONG, "too-long", "Longer than the option path-mtu says")                            \
    X(QUEUE_FULL, "queue-full", "As many frames were on their way as the option queue allows") \
    X(NO_MEMORY, "no-memory", "No packet for a copy to corrupt")

#define WIRE_COUNTER_ID(id, name, help) WIRE_##id,
#define WIRE_DROP_ID(id, name, help)    WIRE_DROP_##id,
enum {
    WIRE_COUNTERS(WIRE_COUNTER_ID) WIRE_COUNTER_COUNT
};
enum {
    WIRE_DROPS(WIRE_DROP_ID) WIRE_DROP_COUNT
};

enum wire_timer {
    WIRE_TIMER_ARRIVAL,
};

struct wire_options {
    tn_time delay;
    tn_time jitter;
    double loss;
    double duplicate;
    double reorder;
    double corrupt;
    int64_t path_mtu;
    int64_t rate;
    int64_t queue;
    int64_t seed;
    bool gso;
};

/* Frames on their way, in the order of their arrival. */
struct wire_queue {
    struct tn_timer timer; /* the head's arrival */
    struct tn_packet_queue frames;
    uint16_t ifindex;
};

/* The driver's record of an interface. */
struct wire_link {
    struct wire_queue late;
    struct wire_queue early;
    tn_time line_free; /* when the last bit of the last frame has left */
    uint64_t random;   /* the generator's state */
};

/* ---- Chance ---- */

/* The next 64 random bits: a counter through a mixing function (SplitMix64). */
static uint64_t wire_random(struct wire_link *link)
{
    uint64_t z = link->random += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* A number from 0 to below `limit`. */
static uint64_t wire_random_below(struct wire_link *link, uint64_t limit)
{
    return (uint64_t)((unsigned __int128)wire_random(link) * limit >> 64);
}

static bool wire_happens(struct wire_link *link, double percent)
{
    if (percent <= 0)
        return false;
    double unit = (double)(wire_random(link) >> 11) * 0x1p-53; /* 0 to below 1 */
    return unit * 100 < percent;
}

/* ---- Out ---- */

/* The packet with one bit flipped; NULL if there was no memory (the packet is dropped). */
static struct tn_packet *wire_corrupt(struct tn_self *self, struct wire_link *link, struct tn_packet *packet)
{
    struct tn_packet *copy = self->core->packet_copy(self, packet);
    if (!copy) {
        tn_drop(self, packet, WIRE_DROP_NO_MEMORY);
        return NULL;
    }
    self->core->packet_free(self, packet);
    self->core->packet_checksum(copy); /* or nobody would notice */
    uint64_t bit = wire_random_below(link, (uint64_t)copy->len * 8);
    copy->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    tn_count(self, WIRE_CORRUPTED);
    return copy;
}

/* When the last bit of a frame of `len` bytes leaves that is sent now. */
static tn_time wire_serialise(struct wire_link *link, const struct wire_options *options, tn_time now,
                              size_t len)
{
    if (options->rate == 0)
        return now;
    tn_time start = link->line_free > now ? link->line_free : now;
    tn_time span = (tn_time)((unsigned __int128)len * 8 * TN_SEC / (uint64_t)options->rate);
    link->line_free = start + span;
    return link->line_free;
}

static void wire_start_timer(struct tn_self *self, struct wire_queue *queue)
{
    tn_time now = self->core->now(self);
    tn_time due = queue->frames.head->time;
    self->core->timer_start(self, &queue->timer, due > now ? due - now : 0, WIRE_TIMER_ARRIVAL);
}

/* Lets the packet arrive at `arrival`, but not before those that are in the queue already. */
static void wire_enqueue(struct tn_self *self, struct tn_interface *ifc, struct wire_queue *queue,
                         struct tn_packet *packet, tn_time arrival)
{
    if (!queue->frames.head && arrival <= self->core->now(self)) {
        self->core->port_give(self, ifc, packet);
        return;
    }
    packet->time = arrival;
    tn_queue_append(&queue->frames, packet);
    if (queue->frames.head == packet)
        wire_start_timer(self, queue);
}

/* One frame, which is not lost, on its way. */
static void wire_send(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet)
{
    const struct wire_options *options = ifc->options;
    struct wire_link *link = ifc->link;
    if (link->late.frames.packets + link->early.frames.packets >= options->queue) {
        tn_drop(self, packet, WIRE_DROP_QUEUE_FULL);
        return;
    }
    if (wire_happens(link, options->corrupt) && !(packet = wire_corrupt(self, link, packet)))
        return;
    tn_time sent = wire_serialise(link, options, self->core->now(self), packet->total);
    if (wire_happens(link, options->reorder)) {
        tn_count(self, WIRE_REORDERED);
        wire_enqueue(self, ifc, &link->early, packet, sent);
        return;
    }
    tn_time jitter = options->jitter ? wire_random_below(link, options->jitter + 1) : 0;
    wire_enqueue(self, ifc, &link->late, packet, sent + options->delay + jitter);
}

/* Longer than the path takes; of a super-frame, each of its segments. */
static bool wire_is_too_long(struct tn_self *self, const struct wire_options *options,
                             const struct tn_packet *packet)
{
    if (options->path_mtu == 0)
        return false;
    size_t len = packet->total - sizeof(struct tn_ether_header);
    if (packet->gso != TN_GSO_NONE)
        len = (size_t)(packet->transport - packet->network) + self->core->packet_segment(self, packet);
    return len > (size_t)options->path_mtu;
}

static int wire_transmit(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet)
{
    const struct wire_options *options = ifc->options;
    struct wire_link *link = ifc->link;
    if (wire_is_too_long(self, options, packet)) {
        tn_drop(self, packet, WIRE_DROP_TOO_LONG);
        return 0;
    }
    if (wire_happens(link, options->loss)) {
        tn_drop(self, packet, WIRE_DROP_LOST);
        return 0;
    }
    struct tn_packet *second = NULL;
    if (wire_happens(link, options->duplicate))
        second = self->core->packet_clone(self, packet);
    wire_send(self, ifc, packet);
    if (second) {
        tn_count(self, WIRE_DUPLICATED);
        wire_send(self, ifc, second);
    }
    return 0;
}

/* ---- Arrival ---- */

/* The head of a queue is due, and perhaps frames behind it. */
static void wire_arrival_timer(struct tn_self *self, struct tn_timer *timer)
{
    struct wire_queue *queue = tn_container(timer, struct wire_queue, timer);
    struct tn_interface *ifc = self->core->interface(self, queue->ifindex);
    tn_time now = self->core->now(self);
    while (queue->frames.head && queue->frames.head->time <= now)
        self->core->port_give(self, ifc, tn_queue_take(&queue->frames));
    if (queue->frames.head)
        wire_start_timer(self, queue);
}

static unsigned wire_receive(struct tn_self *self, struct tn_interface *ifc, unsigned budget)
{
    unsigned count = 0;
    struct tn_packet *packet;
    while (count < budget && (packet = self->core->port_take(self, ifc)) != NULL) {
        self->core->input(self, ifc, packet);
        count++;
    }
    return count;
}

/* ---- Life of an interface ---- */

static int wire_open(struct tn_self *self, struct tn_interface *ifc, struct tn_text *why)
{
    const struct wire_options *options = ifc->options;
    struct wire_link *link = ifc->link;
    if (options->reorder > 0 && options->delay == 0) {
        tn_text_add(why,
                    "the option reorder needs a delay: a reordered frame is one that travels without it");
        return -EINVAL;
    }
    if (options->gso) {
        ifc->checksum_offload = true;
        ifc->gso_max = 65535;
        ifc->gso_kinds = 1u << TN_GSO_TCP4 | 1u << TN_GSO_TCP6 | 1u << TN_GSO_UDP;
    }
    link->random = options->seed ? (uint64_t)options->seed : self->core->random(self);
    link->late.ifindex = ifc->index;
    link->early.ifindex = ifc->index;
    return 0;
}

static void wire_empty(struct tn_self *self, struct wire_queue *queue)
{
    struct tn_packet *packet;
    self->core->timer_stop(self, &queue->timer);
    while ((packet = tn_queue_take(&queue->frames)) != NULL)
        self->core->packet_free(self, packet);
}

static void wire_close(struct tn_self *self, struct tn_interface *ifc)
{
    struct wire_link *link = ifc->link;
    wire_empty(self, &link->late);
    wire_empty(self, &link->early);
}

/* ---- The plugin ---- */

static const struct tn_option wire_options[] = {
    {"delay", TN_OPTION_DURATION, offsetof(struct wire_options, delay)},
    {"jitter", TN_OPTION_DURATION, offsetof(struct wire_options, jitter)},
    {"loss", TN_OPTION_PERCENT, offsetof(struct wire_options, loss)},
    {"duplicate", TN_OPTION_PERCENT, offsetof(struct wire_options, duplicate)},
    {"reorder", TN_OPTION_PERCENT, offsetof(struct wire_options, reorder)},
    {"corrupt", TN_OPTION_PERCENT, offsetof(struct wire_options, corrupt)},
    {"path-mtu", TN_OPTION_SIZE, offsetof(struct wire_options, path_mtu)},
    {"rate", TN_OPTION_RATE, offsetof(struct wire_options, rate)},
    {"queue", TN_OPTION_INT, offsetof(struct wire_options, queue)},
    {"seed", TN_OPTION_INT, offsetof(struct wire_options, seed)},
    {"gso", TN_OPTION_BOOL, offsetof(struct wire_options, gso)},
};
static tn_timer_fn *const wire_timers[] = {
    [WIRE_TIMER_ARRIVAL] = wire_arrival_timer,
};
static const struct tn_name wire_counters[] = {WIRE_COUNTERS(TN_NAME_ENTRY)};
static const struct tn_name wire_drops[] = {WIRE_DROPS(TN_NAME_ENTRY)};

static const struct tn_link_ops wire_link = {
    .interface_size = sizeof(struct wire_link),
    .open = wire_open,
    .close = wire_close,
    .receive = wire_receive,
    .transmit = wire_transmit,
};

static const struct tn_plugin wire_plugin = {
    TN_PLUGIN_HEADER,          .name = "wire",
    .version = "0.1.0",        .kind = "link",
    .schema = "wire/2",        .options_size = sizeof(struct wire_options),
    .options = wire_options,   .option_count = TN_ARRAY_SIZE(wire_options),
    .timers = wire_timers,     .timer_count = TN_ARRAY_SIZE(wire_timers),
    .counters = wire_counters, .counter_count = TN_ARRAY_SIZE(wire_counters),
    .drops = wire_drops,       .drop_count = TN_ARRAY_SIZE(wire_drops),
    .link = &wire_link,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &wire_plugin;
}
