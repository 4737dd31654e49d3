/* stack.c: a stack from its making to its end, and what can be seen of it. */
#include "stack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "address.h"
#include "control.h"
#include "flow.h"
#include "group.h"
#include "io.h"
#include "lifecycle.h"
#include "log.h"
#include "names.h"
#include "neighbour.h"
#include "plugin_path.h"
#include "pmtu.h"
#include "redirect.h"
#include "resolver.h"
#include "route.h"
#include "sockets.h"
#include "trace.h"

/* Longest stack.yaml. */
#define TEXT_MAX (1u << 20)

/* ---- Making ---- */

static int init_parts(struct tn_stack *stack)
{
    uint8_t seed[32];
    stack->env.random(stack->env.context, seed, sizeof(seed));
    tn_rng_init(&stack->rng, seed);
    memcpy(&stack->hash_key, seed + 16, sizeof(stack->hash_key));
    stack->now = stack->env.now(stack->env.context);
    stack->path_generation = 1;
    stack->stop_fd = -1;
    tn_wheel_init(&stack->wheel, stack->now);
    int err = tn_loop_create(&stack->loop);
    if (err == 0)
        err = tn_logger_init(stack);
    if (err == 0)
        err = tn_pool_init(&stack->pool, stack->plan->limits.packets, stack->plan->limits.large_buffers);
    if (err == 0)
        err = tn_slot_create_core(stack);
    if (err == 0)
        err = tn_addresses_init(stack);
    if (err == 0)
        err = tn_routes_init(stack);
    if (err == 0)
        err = tn_redirects_init(stack);
    if (err == 0)
        err = tn_pmtus_init(stack);
    if (err == 0)
        err = tn_groups_init(stack);
    if (err == 0)
        err = tn_neighbours_init(stack);
    if (err == 0)
        err = tn_sockets_init(stack);
    if (err == 0)
        tn_logger_configure(stack, stack->plan);
    return err;
}

/* Frames that the stack sent to itself and has not worked on. */
static void drop_looped(struct tn_stack *stack)
{
    struct tn_packet *packet;
    while ((packet = tn_queue_take(&stack->looped)))
        tn_packet_free(&stack->pool, packet);
}

static void destroy_parts(struct tn_stack *stack)
{
    tn_resolver_destroy(stack);
    tn_trace_destroy(stack);
    tn_sockets_destroy(stack);
    tn_wheel_stop_slot(&stack->wheel, TN_SLOT_CORE); /* timers of the core lie in what goes now */
    tn_neighbours_destroy(stack);
    tn_groups_destroy(stack);
    tn_pmtus_destroy(stack);
    tn_redirects_destroy(stack);
    tn_routes_destroy(stack);
    tn_addresses_destroy(stack);
    drop_looped(stack);
    if (stack->slots[TN_SLOT_CORE])
        tn_slot_destroy(stack, stack->slots[TN_SLOT_CORE]);
    tn_name_servers_destroy(stack);
    tn_pool_destroy(&stack->pool);
    tn_logger_destroy(stack);
    if (stack->stop_fd >= 0)
        close(stack->stop_fd);
    tn_io_close(stack);
    tn_loop_destroy(stack->loop);
    tn_plan_free(stack->plan);
    free(stack);
}

int tn_stack_create(const struct tn_env *env, const char *yaml, const char *name, struct tn_stack **out,
                    struct tn_error *error)
{
    struct tn_plan *plan;
    char room[PATH_MAX];
    const char *plugin_path = tn_plugin_path_find(env->plugin_path, room);
    int err = tn_plan_parse(yaml, strlen(yaml), name, plugin_path, &plan, error);
    if (err < 0)
        return err;
    struct tn_stack *stack = calloc(1, sizeof(*stack));
    if (!stack) {
        tn_plan_free(plan);
        snprintf(error->text, sizeof(error->text), "%s: no memory for a stack", name);
        return -ENOMEM;
    }
    stack->env = *env;
    stack->plan = plan;
    err = init_parts(stack);
    if (err < 0)
        snprintf(error->text, sizeof(error->text), "%s: no memory for the stack's tables (see 'limits'): %s",
                 name, strerror(-err));
    else
        err = tn_plan_start(stack, plan, error);
    if (err < 0) {
        destroy_parts(stack);
        return err;
    }
    *out = stack;
    return 0;
}

/* A whole file of text into `buffer`, of TEXT_MAX + 2 bytes. 0 or -errno. */
static int read_file(FILE *file, char *buffer)
{
    size_t len = fread(buffer, 1, TEXT_MAX + 1, file);
    if (ferror(file))
        return -EIO;
    if (len > TEXT_MAX)
        return -EFBIG;
    buffer[len] = '\0';
    return strlen(buffer) == len ? 0 : -EILSEQ; /* text has no NUL bytes */
}

static int read_text(const char *path, char **text, struct tn_error *error)
{
    char *buffer = malloc(TEXT_MAX + 2);
    FILE *file = buffer ? fopen(path, "re") : NULL;
    int err = buffer ? -errno : -ENOMEM;
    if (file) {
        err = read_file(file, buffer);
        fclose(file);
    }
    if (err < 0) {
        snprintf(error->text, sizeof(error->text), "%s: cannot be read: %s", path, strerror(-err));
        free(buffer);
        return err;
    }
    *text = buffer;
    return 0;
}

int tn_stack_create_file(const struct tn_env *env, const char *path, struct tn_stack **stack,
                         struct tn_error *error)
{
    char *text;
    int err = read_text(path, &text, error);
    if (err < 0)
        return err;
    err = tn_stack_create(env, text, path, stack, error);
    free(text);
    return err;
}

int tn_stack_check(const struct tn_env *env, const char *yaml, const char *name, struct tn_error *error)
{
    struct tn_plan *plan;
    char room[PATH_MAX];
    const char *plugin_path = tn_plugin_path_find(env->plugin_path, room);
    int err = tn_plan_parse(yaml, strlen(yaml), name, plugin_path, &plan, error);
    if (err < 0)
        return err;
    snprintf(error->text, sizeof(error->text), "%s", plan->interface_count ? "" : "it has no interfaces");
    tn_plan_free(plan);
    return 0;
}

void tn_stack_destroy(struct tn_stack *stack)
{
    if (!stack)
        return;
    tn_control_close(stack);
    tn_plan_stop(stack);
    destroy_parts(stack);
}

/* ---- Looking ---- */

static uint64_t named(const struct tn_name *names, size_t count, const uint64_t *values, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i].name, name) == 0)
            return values[i];
    return UINT64_MAX;
}

uint64_t tn_stack_counter(const struct tn_stack *stack, const char *plugin, const char *counter)
{
    const struct tn_slot *slot = tn_slot_by_name(stack, plugin);
    if (!slot)
        return UINT64_MAX;
    return named(slot->self.plugin->counters, slot->self.plugin->counter_count, slot->self.counters, counter);
}

uint64_t tn_stack_drops(const struct tn_stack *stack, const char *plugin, const char *reason)
{
    const struct tn_slot *slot = tn_slot_by_name(stack, plugin);
    if (!slot)
        return UINT64_MAX;
    return named(slot->self.plugin->drops, slot->self.plugin->drop_count, slot->self.drops, reason);
}

const char *tn_stack_build_id(const struct tn_stack *stack, const char *name)
{
    const struct tn_slot *slot = tn_slot_by_name(stack, name);
    return slot && slot->library ? slot->library->build_id : NULL;
}

void tn_stack_usage(const struct tn_stack *stack, struct tn_usage *usage)
{
    *usage = (struct tn_usage){.packets = tn_pool_packets_used(&stack->pool),
                               .sockets = tn_sockets_count(stack),
                               .timers = stack->wheel.running,
                               .neighbours = tn_neighbour_count(stack)};
    for (unsigned i = 0; i < TN_POOL_COUNT; i++)
        usage->buffers += tn_pool_buffers_used(&stack->pool, i);
    for (unsigned i = 0; i < TN_SLOTS_MAX; i++) {
        const struct tn_slot *slot = stack->slots[i];
        if (!slot)
            continue;
        usage->plugin_bytes += slot->allocated;
        for (const struct tn_slab *slab = slot->slabs; slab; slab = slab->next)
            usage->plugin_bytes += (size_t)slab->used * slab->size;
    }
    usage->plugin_bytes += tn_flows_bytes(stack);
}
