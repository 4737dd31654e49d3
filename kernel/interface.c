/* interface.c: interfaces and the frames that wait at them.
 *
 * In: a driver's receive() reads a budget of frames, each of which enters by tn_core_input() and is carried
 * up at once. Out: tn_core_transmit() queues a finished frame; at the end of the batch
 * tn_interfaces_transmit() hands the queues to the drivers. A device that is full keeps its queue waiting
 * (the stack never drops what it has queued itself, short of the queue's limit) until the descriptor is
 * writable again.
 *
 * Whoever can wait does before the queue is full: a transport asks core->path_full() before it makes data into a segment, and is
 * told by path_free() when the queue is shorter. The rest of the queue is for what cannot wait: acknowledgements, answers,
 * datagrams. */
#include "interface.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "dispatch.h"
#include "log.h"
#include "segment.h"
#include "trace.h"
#include "values.h"

#define RECEIVE_BUDGET 64
#define TRANSMIT_BATCH \
    32 /* frames that are handed to the device before the batch ends, while they are in the cache */

/* ---- Back-pressure ---- */

/* What may wait for a device before those who can wait are asked to: half of what there is room for, and no more octets than
 * a device of 1 Gbit/s sends in 32 ms. */
#define QUEUE_LONG_BYTES (4u * 1024 * 1024)

static bool is_long(const struct tn_stack *stack, const struct tn_packet_queue *queue)
{
    return queue->packets >= stack->plan->limits.transmit_queue / 2 || queue->bytes >= QUEUE_LONG_BYTES;
}

TN_APART static void tell_waiters(struct tn_stack *stack, uint64_t *waiters, uint16_t ifindex)
{
    uint64_t slots = *waiters;
    *waiters = 0;
    for (; slots; slots &= slots - 1) {
        struct tn_slot *slot = stack->slots[__builtin_ctzll(slots)];
        const struct tn_transport_ops *ops = slot ? slot->self.plugin->transport : NULL;
        if (ops && ops->path_free)
            ops->path_free(&slot->self, ifindex);
    }
}

/* ---- Making and closing ---- */

/* Random but stable for the stack's and the interface's names; locally administered, unicast (IEEE 802). */
static void derive_lladdr(const struct tn_stack *stack, const char *name, uint8_t lladdr[6])
{
    static const struct tn_siphash_key key = {0x74656e6f6e206d61, 0x6320616464726573};
    char text[128];
    struct tn_text t = tn_text_init(text, sizeof(text));
    tn_text_add(&t, "%s/%s", stack->plan->name, name);
    uint64_t h = tn_siphash(&key, text, strlen(text));
    memcpy(lladdr, &h, 6);
    lladdr[0] = (uint8_t)((lladdr[0] & 0xfc) | 0x02);
}

static void watch_ready(struct tn_watch *watch, uint32_t events)
{
    struct tn_ifc *ifc = tn_container(watch, struct tn_ifc, watch);
    if (events & ~(uint32_t)EPOLLOUT)
        ifc->readable = ifc->lively = true;
    if (events & EPOLLOUT)
        tn_core_link_writable(&ifc->driver->self, &ifc->pub);
}

static struct tn_ifc *new_interface(struct tn_stack *stack, const struct tn_plan_interface *plan,
                                    struct tn_slot *driver)
{
    const struct tn_plugin *plugin = driver->self.plugin;
    uint16_t index = 1;
    while (index <= TN_INTERFACES_MAX && stack->interfaces[index])
        index++;
    if (index > TN_INTERFACES_MAX)
        return NULL;
    struct tn_ifc *ifc = calloc(1, sizeof(*ifc));
    if (!ifc)
        return NULL;
    ifc->pub.link = calloc(1, plugin->link->interface_size + 1);
    ifc->options = calloc(1, plugin->options_size + 1);
    ifc->values = tn_values_copy(driver->manifest, plan->values);
    if (!ifc->pub.link || !ifc->options || !ifc->values) {
        free(ifc->pub.link);
        free(ifc->options);
        free(ifc->values);
        free(ifc);
        return NULL;
    }
    tn_values_write(driver->manifest, ifc->values, plugin, ifc->options);
    ifc->pub.options = ifc->options;
    ifc->pub.index = index;
    ifc->pub.mtu = plan->mtu;
    ifc->pub.vlan = (uint16_t)plan->vlan;
    ifc->pub.link_type = TN_LINK_ETHERNET;
    ifc->pub.lladdr_len = 6;
    memset(ifc->pub.broadcast, 0xff, 6);
    memcpy(ifc->pub.name, plan->name, sizeof(ifc->pub.name));
    ifc->pub.own_lladdr = plan->has_mac;
    if (plan->has_mac)
        memcpy(ifc->pub.lladdr, plan->mac, 6);
    else
        derive_lladdr(stack, plan->name, ifc->pub.lladdr);
    ifc->stack = stack;
    ifc->driver = driver;
    ifc->watch.fd = -1;
    ifc->watch.ready = watch_ready;
    stack->interfaces[index] = ifc;
    if (index > stack->interface_count)
        stack->interface_count = index;
    return ifc;
}

static void free_interface(struct tn_stack *stack, struct tn_ifc *ifc)
{
    (void)tn_core_watch(&ifc->driver->self, &ifc->pub, -1);
    tn_port_close(stack, ifc);
    struct tn_packet *packet;
    while ((packet = tn_queue_take(&ifc->out)))
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_INTERFACE_DOWN);
    stack->interfaces[ifc->pub.index] = NULL;
    while (stack->interface_count && !stack->interfaces[stack->interface_count])
        stack->interface_count--;
    free(ifc->pub.link);
    free(ifc->options);
    free(ifc->values);
    free(ifc);
    tn_paths_changed(stack);
}

int tn_interface_open(struct tn_stack *stack, const struct tn_plan_interface *plan, struct tn_slot *driver,
                      struct tn_error *error)
{
    struct tn_text why = tn_text_init(error->text, sizeof(error->text));
    tn_text_add(&why, "%s: ", plan->name);
    struct tn_ifc *ifc = new_interface(stack, plan, driver);
    if (!ifc) {
        tn_text_add(&why, "no memory for another interface");
        return -ENOMEM;
    }
    int err = driver->self.plugin->link->open(&driver->self, &ifc->pub, &why);
    if (err == 0 && !tn_dispatch_find(stack, TN_TABLE_LINKTYPE, 0, ifc->pub.link_type)->slot) {
        tn_text_add(&why, "no protocol frames its link type (");
        tn_claim_text(&why, TN_TABLE_LINKTYPE, 0, ifc->pub.link_type);
        tn_text_add(&why, "); enable one under protocols");
        driver->self.plugin->link->close(&driver->self, &ifc->pub);
        err = -EPROTONOSUPPORT;
    }
    if (err < 0) {
        free_interface(stack, ifc);
        return err;
    }
    if (!ifc->pub.mtu)
        ifc->pub.mtu = 1500;
    ifc->own_mtu = ifc->pub.mtu;
    ifc->pub.up = true;
    tn_paths_changed(stack);
    return 0;
}

void tn_interface_close(struct tn_stack *stack, struct tn_ifc *ifc)
{
    ifc->pub.up = false;
    ifc->driver->self.plugin->link->close(&ifc->driver->self, &ifc->pub);
    uint64_t waiters = ifc->waiters;
    uint16_t index = ifc->pub.index;
    free_interface(stack, ifc);
    tell_waiters(stack, &waiters, index); /* they have other paths now, or none */
}

struct tn_ifc *tn_interface_by_name(struct tn_stack *stack, const char *name)
{
    for (uint16_t i = 1; i <= stack->interface_count; i++)
        if (stack->interfaces[i] && strcmp(stack->interfaces[i]->pub.name, name) == 0)
            return stack->interfaces[i];
    return NULL;
}

/* RFC 791: every host takes 576 bytes; less from the network would be an attack on everything else. */
#define MTU_LEAST 576

int tn_core_interface_mtu(struct tn_self *self, struct tn_interface *public_ifc, uint32_t mtu)
{
    const struct tn_ifc *ifc = tn_ifc_of(public_ifc);
    if (mtu == 0)
        mtu = ifc->own_mtu;
    if (mtu < tn_min(MTU_LEAST, ifc->own_mtu) || mtu > ifc->own_mtu)
        return -EINVAL;
    if (public_ifc->mtu != mtu) {
        public_ifc->mtu = mtu;
        tn_paths_changed(self->stack);
    }
    return 0;
}

int tn_core_watch(struct tn_self *self, struct tn_interface *public_ifc, int fd)
{
    struct tn_ifc *ifc = tn_ifc_of(public_ifc);
    if (ifc->watch.fd >= 0)
        tn_loop_remove(self->stack->loop, &ifc->watch);
    ifc->watch.fd = fd;
    int err = fd >= 0 ? tn_loop_add(self->stack->loop, &ifc->watch, EPOLLIN) : 0;
    if (err < 0)
        ifc->watch.fd = -1;
    return err;
}

/* ---- In ---- */

void tn_core_input(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet)
{
    struct tn_stack *stack = self->stack;
    packet->time = stack->now;
    packet->serial = stack->trace_cause = ++stack->serial;
    packet->ifindex = ifc->index;
    packet->link = tn_packet_offset(packet);
    ifc->rx_packets++;
    ifc->rx_bytes += packet->total;
    tn_core_self(stack)->counters[TN_CORE_FRAMES_IN]++;
    if (tn_unlikely(stack->watched))
        tn_trace_frame(stack, ifc, packet, false);
    if (!tn_core_dispatch(self, TN_TABLE_LINKTYPE, ifc->link_type, packet))
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_NO_FRAMING);
}

TN_APART static void receive_looped(struct tn_stack *stack)
{
    struct tn_packet_queue batch = stack->looped;
    stack->looped = (struct tn_packet_queue){0};
    struct tn_packet *packet;
    while ((packet = tn_queue_take(&batch)))
        if (!tn_core_dispatch(tn_core_self(stack), TN_TABLE_ETHERTYPE, packet->scratch[3], packet))
            tn_core_drop_packet(stack, packet, TN_CORE_DROP_NO_NETWORK);
    if (tn_unlikely(stack->looped_waiters != 0))
        tell_waiters(stack, &stack->looped_waiters, 0);
}

void tn_interfaces_look(struct tn_stack *stack)
{
    for (uint16_t i = 1; i <= stack->interface_count; i++) {
        struct tn_ifc *ifc = stack->interfaces[i];
        if (ifc && ifc->lively && ifc->watch.fd >= 0)
            ifc->readable = true;
    }
}

void tn_interfaces_calm(struct tn_stack *stack)
{
    for (uint16_t i = 1; i <= stack->interface_count; i++)
        if (stack->interfaces[i])
            stack->interfaces[i]->lively = false;
}

void tn_interfaces_receive(struct tn_stack *stack)
{
    uint32_t first = stack->serial;
    if (stack->looped.head)
        receive_looped(stack);
    for (uint16_t i = 1; i <= stack->interface_count; i++) {
        struct tn_ifc *ifc = stack->interfaces[i];
        if (!ifc || !ifc->readable)
            continue;
        ifc->readable = false;
        struct tn_self *driver = &ifc->driver->self;
        if (driver->plugin->link->receive(driver, &ifc->pub, RECEIVE_BUDGET) >= RECEIVE_BUDGET)
            ifc->readable = stack->work_pending = true;
    }
    /* What is sent when the batch ends answers one frame for certain only if there was just one. */
    if (stack->serial - first > 1)
        stack->trace_cause = 0;
}

/* ---- Out ---- */

void tn_core_frame_output(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet,
                          const uint8_t *dst, uint16_t ethertype)
{
    struct tn_stack *stack = self->stack;
    const struct tn_dispatch_entry *entry = tn_dispatch_find(stack, TN_TABLE_LINKTYPE, 0, ifc->link_type);
    if (!entry->slot) {
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_NO_FRAMING);
        return;
    }
    struct tn_self *framing = &entry->slot->self;
    framing->plugin->framing->output(framing, ifc, packet, dst, ethertype);
}

/* Whether the device takes it as one frame: it is no super-frame, or the device cuts those. */
static bool takes_whole(const struct tn_interface *ifc, const struct tn_packet *packet)
{
    size_t link = packet->network - tn_packet_headroom(packet);
    return packet->gso == TN_GSO_NONE ||
           (ifc->gso_kinds & 1u << packet->gso && packet->total - link <= ifc->gso_max);
}

TN_RARE static void block(struct tn_stack *stack, struct tn_ifc *ifc)
{
    ifc->pub.tx_stalls++;
    ifc->blocked = true;
    if (ifc->watch.fd >= 0)
        (void)tn_loop_change(stack->loop, &ifc->watch, EPOLLIN | EPOLLOUT);
}

static void count_sent(struct tn_stack *stack, struct tn_ifc *ifc, uint32_t bytes)
{
    ifc->pub.tx_packets++;
    ifc->pub.tx_bytes += bytes;
    tn_core_self(stack)->counters[TN_CORE_FRAMES_OUT]++;
}

/* Hands the frame to the device; false: it is full, and the frame still the caller's. */
static bool transmit_one(struct tn_stack *stack, struct tn_ifc *ifc, struct tn_packet *packet)
{
    struct tn_self *driver = &ifc->driver->self;
    uint32_t bytes = packet->total;
    int err = driver->plugin->link->transmit(driver, &ifc->pub, packet);
    if (tn_unlikely(err == -EAGAIN)) {
        tn_queue_put_back(&ifc->out, packet);
        block(stack, ifc);
        return false;
    }
    if (err == 0)
        count_sent(stack, ifc, bytes);
    return true;
}

/* The same for as many as wait, TRANSMIT_BATCH at most. */
TN_APART static bool transmit_many(struct tn_stack *stack, struct tn_ifc *ifc)
{
    struct tn_self *driver = &ifc->driver->self;
    struct tn_packet *packets[TRANSMIT_BATCH];
    uint32_t bytes[TRANSMIT_BATCH];
    int results[TRANSMIT_BATCH];
    unsigned count = 0;
    while (count < TRANSMIT_BATCH && (packets[count] = tn_queue_take(&ifc->out))) {
        bytes[count] = packets[count]->total;
        count++;
    }
    driver->plugin->link->transmit_batch(driver, &ifc->pub, packets, results, count);
    bool full = false;
    for (unsigned i = count; i-- > 0;) {
        if (results[i] == 0)
            count_sent(stack, ifc, bytes[i]);
        else if (results[i] == -EAGAIN) {
            tn_queue_put_back(&ifc->out, packets[i]);
            full = true;
        }
    }
    if (full)
        block(stack, ifc);
    return !full;
}

TN_APART static void transmit_several(struct tn_stack *stack, struct tn_ifc *ifc)
{
    bool batches = ifc->driver->self.plugin->link->transmit_batch;
    bool more = ifc->out.head;
    while (more) {
        if (batches && ifc->out.packets > 1)
            more = transmit_many(stack, ifc);
        else
            more = transmit_one(stack, ifc, tn_queue_take(&ifc->out));
        more = more && ifc->out.head;
    }
}

static inline void transmit_queue(struct tn_stack *stack, struct tn_ifc *ifc)
{
    if (ifc->out.packets == 1)
        (void)transmit_one(stack, ifc, tn_queue_take(&ifc->out));
    else
        transmit_several(stack, ifc);
}

static void enqueue(struct tn_stack *stack, struct tn_ifc *ifc, struct tn_packet *packet)
{
    if (packet->checksum == TN_CHECKSUM_PARTIAL && !ifc->pub.checksum_offload)
        tn_packet_complete_checksum(packet);
    if (tn_unlikely(stack->watched))
        tn_trace_frame(stack, &ifc->pub, packet, true);
    tn_queue_append(&ifc->out, packet);
    stack->transmit_pending = true;
    if (tn_unlikely(ifc->out.packets >= TRANSMIT_BATCH) && stack->stepping && !ifc->blocked)
        transmit_several(stack, ifc);
}

bool tn_core_path_full(struct tn_self *self, const struct tn_path *path)
{
    struct tn_stack *stack = self->stack;
    bool local = path->kind == TN_PATH_LOCAL;
    struct tn_ifc *ifc = local ? NULL : tn_interface_at(stack, path->ifindex);
    if (!local && !ifc)
        return false;
    const struct tn_packet_queue *queue = local ? &stack->looped : &ifc->out;
    if (tn_likely(!is_long(stack, queue)))
        return false;
    if (ifc && !ifc->blocked) { /* it may just not have been asked yet */
        transmit_several(stack, ifc);
        if (!is_long(stack, queue))
            return false;
    }
    *(local ? &stack->looped_waiters : &ifc->waiters) |= (uint64_t)1 << self->slot;
    return true;
}

/* A super-frame that the device does not cut. */
TN_APART static void transmit_segments(struct tn_stack *stack, struct tn_ifc *ifc, struct tn_packet *packet)
{
    struct tn_packet_queue segments = {0};
    int err = tn_segment(stack, packet, &segments);
    if (err < 0)
        tn_core_self(stack)->drops[err == -ENOBUFS ? TN_CORE_DROP_NO_MEMORY : TN_CORE_DROP_NO_SEGMENTER]++;
    while ((packet = tn_queue_take(&segments)))
        enqueue(stack, ifc, packet);
}

void tn_core_transmit(struct tn_self *self, struct tn_interface *public_ifc, struct tn_packet *packet)
{
    struct tn_stack *stack = self->stack;
    struct tn_ifc *ifc = tn_ifc_of(public_ifc);
    if (tn_unlikely(!public_ifc->up))
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_INTERFACE_DOWN);
    else if (tn_unlikely(ifc->out.packets >= stack->plan->limits.transmit_queue))
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_TRANSMIT_QUEUE_FULL);
    else if (tn_likely(takes_whole(public_ifc, packet)))
        enqueue(stack, ifc, packet);
    else
        transmit_segments(stack, ifc, packet);
}

void tn_interfaces_transmit(struct tn_stack *stack)
{
    if (!stack->transmit_pending)
        return;
    stack->transmit_pending = false;
    for (uint16_t i = 1; i <= stack->interface_count; i++) {
        struct tn_ifc *ifc = stack->interfaces[i];
        if (!ifc)
            continue;
        if (ifc->out.head && !ifc->blocked)
            transmit_queue(stack, ifc);
        if (tn_unlikely(ifc->waiters != 0) && !is_long(stack, &ifc->out))
            tell_waiters(stack, &ifc->waiters, i);
    }
}

void tn_core_link_writable(struct tn_self *self, struct tn_interface *public_ifc)
{
    struct tn_ifc *ifc = tn_ifc_of(public_ifc);
    ifc->blocked = false;
    if (ifc->watch.fd >= 0)
        (void)tn_loop_change(self->stack->loop, &ifc->watch, EPOLLIN);
    if (ifc->out.head)
        self->stack->transmit_pending = true;
}
