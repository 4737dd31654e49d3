/* core.c: the table that plugins are handed (struct tn_core), with those of its functions that are only a
 * step to the part that does the work. */
#include "core.h"

#include <errno.h>
#include <stdlib.h>

#include "address.h"
#include "brought.h"
#include "control.h"
#include "dispatch.h"
#include "flow.h"
#include "gateway_probe.h"
#include "group.h"
#include "io.h"
#include "log.h"
#include "names.h"
#include "neighbour.h"
#include "pmtu.h"
#include "redirect.h"
#include "resolver.h"
#include "route.h"
#include "segment.h"
#include "show.h"
#include "sockets.h"
#include "stack.h"
#include "store.h"
#include "trace.h"

/* ---- Time and chance ---- */

static tn_time core_now(struct tn_self *self)
{
    return self->stack->now;
}

static int64_t core_wall(struct tn_self *self)
{
    return self->stack->env.wall(self->stack->env.context);
}

static uint64_t core_random(struct tn_self *self)
{
    return tn_rng_next(&self->stack->rng);
}

static uint64_t core_keyed_hash(struct tn_self *self, const void *bytes, size_t len)
{
    return tn_siphash(&self->stack->hash_key, bytes, len);
}

/* ---- Memory: every allocation is kept on its slot's list, so that disabling a plugin frees all of it ----
 */

static void *core_alloc(struct tn_self *self, size_t size)
{
    struct tn_slot *slot = tn_slot_of(self);
    if (size > SIZE_MAX - sizeof(struct tn_allocation))
        return NULL;
    struct tn_allocation *a = calloc(1, sizeof(*a) + size);
    if (!a)
        return NULL;
    a->size = size;
    a->next = slot->allocations;
    a->link = &slot->allocations;
    if (a->next)
        a->next->link = &a->next;
    slot->allocations = a;
    slot->allocated += size;
    return a + 1;
}

static void core_free(struct tn_self *self, void *memory)
{
    if (!memory)
        return;
    struct tn_allocation *a = (struct tn_allocation *)memory - 1;
    tn_slot_of(self)->allocated -= a->size;
    *a->link = a->next;
    if (a->next)
        a->next->link = a->link;
    free(a);
}

static struct tn_slab *core_slab_create(struct tn_self *self, const char *name, size_t size, size_t limit)
{
    struct tn_slot *slot = tn_slot_of(self);
    struct tn_slab *slab = calloc(1, sizeof(*slab));
    if (!slab)
        return NULL;
    if (tn_slab_init(slab, name, size, limit) < 0) {
        free(slab);
        return NULL;
    }
    slab->next = slot->slabs;
    slot->slabs = slab;
    return slab;
}

/* ---- Timers ---- */

static void core_timer_start(struct tn_self *self, struct tn_timer *timer, tn_time delay, uint16_t handler)
{
    assert(handler < self->plugin->timer_count);
    struct tn_stack *stack = self->stack;
    tn_time at = delay < TN_NEVER - stack->now ? stack->now + delay : TN_NEVER;
    timer->slot = self->slot;
    timer->handler = handler;
    tn_wheel_start(&stack->wheel, timer, at);
}

static void core_timer_stop(struct tn_self *self, struct tn_timer *timer)
{
    tn_wheel_stop(&self->stack->wheel, timer);
}

/* ---- Packets ---- */

static struct tn_packet *core_packet_new(struct tn_self *self, size_t len)
{
    struct tn_stack *stack = self->stack;
    struct tn_packet *packet = tn_packet_new(&stack->pool, len);
    if (packet) {
        packet->time = stack->now;
        packet->serial = stack->trace_cause;
    }
    return packet;
}

static struct tn_packet *core_packet_clone(struct tn_self *self, const struct tn_packet *packet)
{
    return tn_packet_clone(&self->stack->pool, packet);
}

static struct tn_packet *core_packet_copy(struct tn_self *self, const struct tn_packet *packet)
{
    return tn_packet_copy(&self->stack->pool, packet);
}

static bool core_packets_pressed(struct tn_self *self)
{
    return tn_pool_beyond(&self->stack->pool, 2);
}

static bool core_packets_scarce(struct tn_self *self)
{
    return tn_pool_beyond(&self->stack->pool, 3);
}

static void core_packet_free(struct tn_self *self, struct tn_packet *packet)
{
    tn_packet_free(&self->stack->pool, packet);
}

static void core_drop(struct tn_self *self, struct tn_packet *packet, unsigned reason)
{
    assert(reason < self->plugin->drop_count);
    self->drops[reason]++;
    tn_trace_drop(self, packet, reason);
    tn_packet_free(&self->stack->pool, packet);
}

void tn_core_drop_packet(struct tn_stack *stack, struct tn_packet *packet, unsigned reason)
{
    core_drop(tn_core_self(stack), packet, reason);
}

/* ---- Interfaces, families ---- */

static struct tn_interface *core_interface(struct tn_self *self, uint16_t index)
{
    struct tn_ifc *ifc = tn_interface_at(self->stack, index);
    return ifc ? &ifc->pub : NULL;
}

static uint8_t core_header_size(struct tn_self *self, uint8_t family)
{
    const struct tn_dispatch_entry *entry = tn_dispatch_find(self->stack, TN_TABLE_FAMILY, 0, family);
    return entry->slot ? entry->slot->self.plugin->network->header_size : 0;
}

static void core_request_flush(struct tn_self *self)
{
    self->stack->flush_slots |= (uint64_t)1 << self->slot;
}

/* ---- Plugins for plugins ---- */

static uint16_t core_plugin_find(struct tn_self *self, const char *kind, const char *name)
{
    for (uint16_t i = 0; i < TN_SLOTS_MAX; i++) {
        const struct tn_slot *slot = self->stack->slots[i];
        if (slot && slot->started && strcmp(slot->self.plugin->kind, kind) == 0 &&
            strcmp(slot->name, name) == 0)
            return i;
    }
    return TN_SLOT_NONE;
}

static struct tn_self *core_plugin_at(struct tn_self *self, uint16_t slot)
{
    return &self->stack->slots[slot]->self;
}

/* ---- Telling people ---- */

TN_PRINTF(3, 4) static void core_log(struct tn_self *self, enum tn_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    tn_vlog(self->stack, level, tn_slot_of(self)->name, fmt, ap);
    va_end(ap);
}

TN_PRINTF(2, 3) static void core_trace(struct tn_self *self, const char *fmt, ...)
{
    if (!self->stack->trace)
        return;
    va_list ap;
    va_start(ap, fmt);
    tn_trace_event(self->stack, tn_slot_of(self)->name, fmt, ap);
    va_end(ap);
}

const struct tn_core tn_core_table = {
    .size = sizeof(struct tn_core),

    .now = core_now,
    .wall = core_wall,
    .random = core_random,
    .keyed_hash = core_keyed_hash,

    .alloc = core_alloc,
    .free = core_free,
    .slab_create = core_slab_create,
    .slab_alloc = tn_slab_alloc,
    .slab_free = tn_slab_free,

    .timer_start = core_timer_start,
    .timer_stop = core_timer_stop,

    .packet_new = core_packet_new,
    .packet_clone = core_packet_clone,
    .packet_copy = core_packet_copy,
    .packet_free = core_packet_free,
    .packet_read = tn_packet_read,
    .packet_checksum = tn_packet_complete_checksum,
    .drop = core_drop,

    .input = tn_core_input,
    .dispatch = tn_core_dispatch,
    .reject = tn_core_reject,
    .net_error = tn_core_net_error,

    .path_find = tn_core_path_find,
    .network_output = tn_core_network_output,
    .path_output = tn_core_path_output,
    .frame_output = tn_core_frame_output,
    .transmit = tn_core_transmit,
    .request_flush = core_request_flush,

    .interface = core_interface,
    .address_kind = tn_core_address_kind,
    .address_of = tn_core_address_of,
    .address_class = tn_core_address_class,
    .header_size = core_header_size,

    .neighbour_learn = tn_core_neighbour_learn,
    .neighbour_confirm = tn_core_neighbour_confirm,
    .neighbour_known = tn_core_neighbour_known,
    .neighbour_doubt = tn_core_neighbour_doubt,
    .redirect = tn_core_redirect,

    .socket_lookup = tn_core_socket_lookup,
    .socket_lookup_tuple = tn_core_socket_lookup_tuple,
    .socket_child = tn_core_socket_child,
    .socket_deliver = tn_core_socket_deliver,
    .socket_eof = tn_core_socket_eof,
    .socket_fail = tn_core_socket_fail,
    .socket_soft_error = tn_core_socket_soft_error,
    .socket_connected = tn_core_socket_connected,
    .socket_acked = tn_core_socket_acked,
    .socket_free = tn_core_socket_free,
    .socket_each = tn_core_socket_each,

    .socket_open = tn_core_socket_open,
    .socket_bind = tn_core_socket_bind,
    .socket_connect = tn_core_socket_connect,
    .socket_receive = tn_core_socket_receive,
    .socket_send = tn_core_socket_send,
    .socket_take = tn_core_socket_take,
    .socket_give = tn_core_socket_give,
    .socket_reply = tn_core_socket_reply,
    .socket_shutdown = tn_core_socket_shutdown,
    .socket_close = tn_core_socket_close,

    .watch = tn_core_watch,
    .port_give = tn_core_port_give,
    .port_take = tn_core_port_take,
    .port_full = tn_core_port_full,
    .path_full = tn_core_path_full,
    .link_writable = tn_core_link_writable,

    .job_text = tn_core_job_text,
    .job_number = tn_core_job_number,
    .job_address = tn_core_job_address,
    .job_put_text = tn_core_job_put_text,
    .job_put_number = tn_core_job_put_number,
    .job_end = tn_core_job_end,
    .job_fail = tn_core_job_fail,
    .job_data = tn_core_job_data,

    .log = core_log,
    .trace = core_trace,
    .packets_scarce = core_packets_scarce,
    .path_mtu = tn_core_path_mtu,
    .group_each = tn_core_group_each,
    .socket_next = tn_core_socket_next,
    .packet_segment = tn_core_packet_segment,

    .flows_create = tn_core_flows_create,
    .flow_find = tn_core_flow_find,
    .flow_find_tuple = tn_core_flow_find_tuple,
    .flow_new = tn_core_flow_new,
    .flow_of_socket = tn_core_flow_of_socket,
    .flow_hide = tn_core_flow_hide,
    .flow_free = tn_core_flow_free,
    .flow_ends = tn_core_flow_ends,
    .flow_number = tn_core_flow_number,
    .flow_numbered = tn_core_flow_numbered,
    .row_text = tn_core_row_text,
    .row_number = tn_core_row_number,
    .row_end = tn_core_row_end,
    .store_write = tn_core_store_write,
    .store_read = tn_core_store_read,
    .path_broadcast = tn_core_path_broadcast,
    .socket_send_along = tn_core_socket_send_along,
    .interface_mtu = tn_core_interface_mtu,
    .name_servers = tn_core_name_servers,
    .plugin_find = core_plugin_find,
    .plugin_at = core_plugin_at,
    .address_add = tn_core_address_add,
    .address_remove = tn_core_address_remove,
    .route_add = tn_core_route_add,
    .route_remove = tn_core_route_remove,
    .address_verdict = tn_core_address_verdict,
    .packets_pressed = core_packets_pressed,
    .socket_urgent = tn_core_socket_urgent,
    .socket_room = tn_core_socket_room,
    .io = tn_core_io,
};

static const struct tn_name core_counters[] = {TN_CORE_COUNTERS(TN_NAME_ENTRY)};
static const struct tn_name core_drops[] = {TN_CORE_DROPS(TN_NAME_ENTRY)};
static tn_timer_fn *const core_timers[] = {[TN_CORE_TIMER_NEIGHBOUR] = tn_neighbour_timer,
                                           [TN_CORE_TIMER_RESOLVER] = tn_resolver_timer,
                                           [TN_CORE_TIMER_PMTU] = tn_pmtu_timer,
                                           [TN_CORE_TIMER_GATEWAY] = tn_gateway_timer,
                                           [TN_CORE_TIMER_REDIRECT] = tn_redirect_timer};
static const struct tn_command core_commands[] = {
    {"resolve", "Addresses of a name: name", tn_resolve_command_start, tn_resolve_command_cancel}};

const struct tn_plugin tn_core_plugin = {
    TN_PLUGIN_HEADER,
    .name = "core",
    .version = TN_VERSION,
    .kind = "core",
    .schema = "core/1",
    .counters = core_counters,
    .counter_count = TN_ARRAY_SIZE(core_counters),
    .drops = core_drops,
    .drop_count = TN_ARRAY_SIZE(core_drops),
    .commands = core_commands,
    .command_count = TN_ARRAY_SIZE(core_commands),
    .timers = core_timers,
    .timer_count = TN_ARRAY_SIZE(core_timers),
};
