/* slot.c: slots: where enabled plugins live, and what they own. */
#include "slot.h"

#include <errno.h>
#include <stdlib.h>

#include "brought.h"
#include "control.h"
#include "core.h"
#include "dispatch.h"
#include "flow.h"
#include "names.h"
#include "sockets.h"

/* ---- Making ---- */

static struct tn_slot *new_slot(struct tn_stack *stack, const char *name, const struct tn_plugin *plugin)
{
    uint16_t number = 0;
    while (number < TN_SLOTS_MAX && stack->slots[number])
        number++;
    struct tn_slot *slot = number < TN_SLOTS_MAX ? calloc(1, sizeof(*slot)) : NULL;
    if (!slot)
        return NULL;
    slot->self = (struct tn_self){
        .core = &tn_core_table,
        .stack = stack,
        .state = calloc(1, plugin->state_size + 1),
        .counters = calloc(plugin->counter_count + 1u, sizeof(uint64_t)),
        .drops = calloc(plugin->drop_count + 1u, sizeof(uint64_t)),
        .plugin = plugin,
        .slot = number,
        .now = &stack->now,
        .path_generation = &stack->path_generation,
    };
    slot->options = calloc(1, plugin->options_size + 1);
    slot->self.options = slot->options;
    slot->generation = 1;
    struct tn_text t = tn_text_init(slot->name, sizeof(slot->name));
    tn_text_add(&t, "%s", name);
    stack->slots[number] = slot;
    if (slot->self.state && slot->self.counters && slot->self.drops && slot->options)
        return slot;
    tn_slot_destroy(stack, slot);
    return NULL;
}

int tn_slot_create_core(struct tn_stack *stack)
{
    return new_slot(stack, tn_core_plugin.name, &tn_core_plugin) ? 0 : -ENOMEM;
}

int tn_slot_create(struct tn_stack *stack, const struct tn_plan_plugin *plan, struct tn_slot **out,
                   struct tn_error *error)
{
    struct tn_manifest *manifest;
    struct tn_library *library;
    int err = tn_manifest_load(plan->manifest->path, &manifest, error);
    if (err < 0)
        return err;
    err = tn_library_open(manifest->so_path, manifest, &library, error);
    if (err < 0) {
        tn_manifest_free(manifest);
        return err;
    }
    struct tn_slot *slot = new_slot(stack, plan->name, library->plugin);
    struct tn_value *values = slot && plan->values ? tn_values_copy(manifest, plan->values) : NULL;
    if (!slot || (plan->values && !values)) {
        struct tn_text why = tn_text_init(error->text, sizeof(error->text));
        tn_text_add(&why, "%s: no memory or no free slot (there are %d)", plan->name, TN_SLOTS_MAX);
        if (slot)
            tn_slot_destroy(stack, slot);
        tn_library_close(library);
        tn_manifest_free(manifest);
        return -ENOMEM;
    }
    slot->section = plan->section;
    slot->manifest = manifest;
    slot->library = library;
    slot->values = values;
    if (values)
        tn_values_write(manifest, values, library->plugin, slot->options);
    *out = slot;
    return 0;
}

int tn_slot_start(struct tn_stack *stack, struct tn_slot *slot, struct tn_error *error)
{
    struct tn_text why = tn_text_init(error->text, sizeof(error->text));
    int err = tn_dispatch_claim(stack, slot, &why);
    if (err < 0)
        return err;
    tn_text_add(&why, "%s: cannot start: ", slot->name);
    const char *reason = why.at;
    err = slot->self.plugin->start ? slot->self.plugin->start(&slot->self, &why) : 0;
    if (err == 0) {
        slot->started = true;
        return 0;
    }
    if (why.at == reason)
        tn_text_add(&why, "%s", strerror(-err));
    tn_dispatch_release(stack, slot);
    return err;
}

/* ---- Ending ---- */

static void free_memory(struct tn_slot *slot)
{
    while (slot->allocations)
        tn_core_table.free(&slot->self, slot->allocations + 1);
    while (slot->slabs) {
        struct tn_slab *slab = slot->slabs;
        slot->slabs = slab->next;
        tn_slab_destroy(slab);
        free(slab);
    }
    free(slot->self.state);
    free(slot->self.counters);
    free(slot->self.drops);
    free(slot->options);
    free(slot->values);
}

/* Transports may work with the plugin, and have its number in their records. */
static void tell_transports(struct tn_stack *stack, struct tn_slot *slot)
{
    for (unsigned i = 0; i < TN_SLOTS_MAX; i++) {
        struct tn_slot *other = stack->slots[i];
        const struct tn_transport_ops *transport = other ? other->self.plugin->transport : NULL;
        if (other != slot && transport && transport->forget && other->started)
            transport->forget(&other->self, slot->self.slot);
    }
}

void tn_slot_destroy(struct tn_stack *stack, struct tn_slot *slot)
{
    if (slot->started) {
        tell_transports(stack, slot);
        tn_control_cancel_jobs(stack, slot);
        /* A plugin's last words go out by its own sockets; a transport's sockets end while it still runs. */
        if (slot->self.plugin->transport)
            tn_sockets_close_transport(stack, slot);
        if (slot->self.plugin->stop)
            slot->self.plugin->stop(&slot->self);
        tn_sockets_close_owner(stack, slot);
        tn_name_servers_forget(stack, slot);
        tn_brought_forget(stack, slot->self.slot, 0);
        tn_dispatch_release(stack, slot);
    }
    tn_wheel_stop_slot(&stack->wheel, slot->self.slot); /* they may lie in memory that goes now */
    tn_flows_close_transport(stack, slot);
    stack->slots[slot->self.slot] = NULL;
    free_memory(slot);
    if (slot->library)
        tn_library_close(slot->library);
    if (slot->manifest)
        tn_manifest_free(slot->manifest);
    free(slot);
}

struct tn_slot *tn_slot_by_name(const struct tn_stack *stack, const char *name)
{
    for (unsigned i = 0; i < TN_SLOTS_MAX; i++)
        if (stack->slots[i] && strcmp(stack->slots[i]->name, name) == 0)
            return stack->slots[i];
    return NULL;
}

int tn_slot_reconfigure(struct tn_stack *stack, struct tn_slot *slot, const struct tn_value *values,
                        struct tn_error *error)
{
    const struct tn_plugin *plugin = slot->self.plugin;
    struct tn_value *old = slot->values;
    struct tn_value *copy = tn_values_copy(slot->manifest, values);
    struct tn_text why = tn_text_init(error->text, sizeof(error->text));
    tn_text_add(&why, "%s: ", slot->name);
    if (!copy) {
        tn_text_add(&why, "no memory");
        return -ENOMEM;
    }
    slot->values = copy;
    tn_values_write(slot->manifest, copy, plugin, slot->options);
    int err = plugin->reconfigure ? plugin->reconfigure(&slot->self, &why) : 0;
    if (err == 0) {
        free(old);
        return 0;
    }
    slot->values = old;
    tn_values_write(slot->manifest, old, plugin, slot->options);
    free(copy);
    return err;
}
