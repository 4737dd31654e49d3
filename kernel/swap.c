/* swap.c: other code for a plugin that runs.
 *
 * Everything that outlives a call (state, options, timers, sockets, dispatch entries, jobs) belongs to the
 * core and names the plugin by slot and index. So a build with the same state schema takes over by one store
 * to slot->self.plugin, between two batches when none of the old code is on the stack, in a time that does
 * not depend on the number of connections. Counters and drop reasons, which may have been added, are carried
 * over by name. Everything that can fail comes before that store. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lifecycle.h"
#include "log.h"
#include "plugin_path.h"

/* The manifest beside `path` if there is one, else the one on the plugin path. */
static int manifest_for(struct tn_stack *stack, const char *name, const char *path, struct tn_manifest **out,
                        struct tn_error *error)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    char beside[PATH_MAX], room[PATH_MAX];
    if (path) {
        snprintf(beside, sizeof(beside), "%.*s%s.ini", slash ? (int)(slash - path + 1) : 0, path, name);
        if (access(beside, R_OK) == 0)
            return tn_manifest_load(beside, out, error);
    }
    return tn_manifest_find(tn_plugin_path_find(stack->env.plugin_path, room), name, out, error);
}

/* The old counts under the new build's names; NULL without memory. */
static uint64_t *carry_counts(const struct tn_name *new_names, size_t new_count,
                              const struct tn_name *old_names, size_t old_count, const uint64_t *old)
{
    uint64_t *counts = calloc(new_count + 1, sizeof(*counts));
    for (size_t i = 0; counts && i < new_count; i++)
        for (size_t j = 0; j < old_count; j++)
            if (strcmp(new_names[i].name, old_names[j].name) == 0)
                counts[i] = old[j];
    return counts;
}

/* Numbers of the old build that records hold must mean something in the new one: the schema says so, and this
 * sees that at least the tables are long enough and the same operations are there. */
static int check_successor(const struct tn_slot *slot, const struct tn_plugin *new, struct tn_error *error)
{
    const struct tn_plugin *old = slot->self.plugin;
    const char *what = NULL;
    if (strcmp(old->schema, new->schema) != 0) {
        snprintf(error->text, sizeof(error->text),
                 "%s: the new build keeps its state by schema '%s', the running one by '%s': only builds of "
                 "the same schema "
                 "can be swapped while running; restart to use it",
                 slot->name, new->schema, old->schema);
        return -ESTALE;
    }
    if (old->state_size != new->state_size || old->options_size != new->options_size)
        what = "the size of its state or options";
    else if (new->timer_count < old->timer_count || new->input_count < old->input_count ||
             new->command_count < old->command_count)
        what = "the number of its timers, inputs or commands";
    else if (!old->link != !new->link || !old->framing != !new->framing || !old->network != !new->network ||
             !old->resolver != !new->resolver || !old->reporter != !new->reporter ||
             !old->transport != !new->transport || !old->service != !new->service ||
             !old->congestion != !new->congestion)
        what = "what kinds of operations it has";
    else if ((old->link && old->link->interface_size != new->link->interface_size) ||
             (old->transport && old->transport->socket_size != new->transport->socket_size) ||
             (old->congestion && old->congestion->record_size != new->congestion->record_size))
        what = "the size of its records";
    if (!what)
        return 0;
    snprintf(error->text, sizeof(error->text),
             "%s: the new build has the same schema '%s' but differs in %s; it needs a new "
             "schema",
             slot->name, new->schema, what);
    return -EINVAL;
}

/* The running configuration must fit the new build's options. Its manifest lists the same options as the code
 * (the loader has seen to it), and the block's layout is the schema's; what may differ is the order in the
 * manifest. */
static struct tn_value *carry_values(const struct tn_slot *slot, const struct tn_manifest *to,
                                     const struct tn_value *values)
{
    struct tn_value *carried = calloc(to->option_count + 1, sizeof(*carried));
    for (size_t i = 0; carried && i < to->option_count; i++) {
        bool found = false;
        for (size_t j = 0; j < slot->manifest->option_count && !found; j++)
            if (strcmp(to->options[i].name, slot->manifest->options[j].name) == 0) {
                carried[i] = values[j];
                found = true;
            }
        char why[256];
        struct tn_text t = tn_text_init(why, sizeof(why));
        if (!found && to->options[i].default_text)
            (void)tn_value_parse(&to->options[i], to->options[i].default_text, &carried[i], &t);
    }
    return carried;
}

struct successor {
    struct tn_library *library;
    struct tn_manifest *manifest;
    uint64_t *counters;
    uint64_t *drops;
    struct tn_value *values; /* NULL for drivers */
};

static int prepare(struct tn_stack *stack, struct tn_slot *slot, const char *path, struct successor *s,
                   struct tn_error *error)
{
    int err = manifest_for(stack, slot->name, path, &s->manifest, error);
    if (err == 0)
        err = tn_library_open(path ? path : s->manifest->so_path, s->manifest, &s->library, error);
    if (err == 0)
        err = check_successor(slot, s->library->plugin, error);
    if (err < 0)
        return err;
    const struct tn_plugin *old = slot->self.plugin, *new = s->library->plugin;
    s->counters = carry_counts(new->counters, new->counter_count, old->counters, old->counter_count,
                               slot->self.counters);
    s->drops = carry_counts(new->drops, new->drop_count, old->drops, old->drop_count, slot->self.drops);
    s->values = slot->values ? carry_values(slot, s->manifest, slot->values) : NULL;
    if (s->counters && s->drops && (s->values || !slot->values))
        return 0;
    snprintf(error->text, sizeof(error->text), "%s: no memory", slot->name);
    return -ENOMEM;
}

/* Frees what `s` holds: the new build's if the swap failed, the old one's if it was done. */
static void discard(struct successor *s)
{
    free(s->counters);
    free(s->drops);
    free(s->values);
    tn_library_close(s->library);
    if (s->manifest)
        tn_manifest_free(s->manifest);
}

static void exchange(struct tn_slot *slot, struct successor *s)
{
    struct successor old = {slot->library, slot->manifest, slot->self.counters, slot->self.drops,
                            slot->values};
    slot->self.counters = s->counters;
    slot->self.drops = s->drops;
    slot->manifest = s->manifest;
    slot->values = s->values;
    slot->library = s->library;
    slot->self.plugin = s->library->plugin; /* from here on the new code runs */
    slot->generation++;
    *s = old;
}

/* Interfaces remember their options in the order of the driver's manifest. */
static int carry_interfaces(struct tn_stack *stack, struct tn_slot *slot, const struct tn_manifest *to)
{
    for (uint16_t i = 1; i <= stack->interface_count; i++) {
        struct tn_ifc *ifc = stack->interfaces[i];
        if (!ifc || ifc->driver != slot)
            continue;
        struct tn_value *values = carry_values(slot, to, ifc->values);
        if (!values)
            return -ENOMEM;
        free(ifc->values);
        ifc->values = values;
    }
    return 0;
}

int tn_stack_swap(struct tn_stack *stack, const char *name, const char *path, struct tn_error *error)
{
    struct tn_slot *slot = tn_slot_by_name(stack, name);
    if (!slot || slot->self.slot == TN_SLOT_CORE) {
        snprintf(error->text, sizeof(error->text),
                 "there is no plugin '%s' in this stack; 'tenon show plugins' lists them", name);
        return -ENOENT;
    }
    struct successor s = {0};
    int err = prepare(stack, slot, path, &s, error);
    if (err == 0 && (err = carry_interfaces(stack, slot, s.manifest)) < 0)
        snprintf(error->text, sizeof(error->text), "%s: no memory", name);
    if (err == 0) {
        exchange(slot, &s);
        tn_core_self(stack)->counters[TN_CORE_SWAPS]++;
        tn_log(stack, TN_LOG_INFO, name, "swapped: build %s, generation %u", slot->library->build_id,
               slot->generation);
    }
    discard(&s);
    return err;
}
