/* reload.c: from the running configuration to an edited one.
 *
 * The difference of the two plans becomes a list of steps, each with an opposite. Steps are done in an order
 * in which every new thing finds what it needs (old listeners, routes and addresses go first, so that others
 * may take their place; then plugins, options, interfaces, addresses, routes, listeners come). If one fails,
 * those done are undone, last first. Only when all are done, what is no longer wanted is ended, which can't
 * fail: also the addresses that are nowhere in the new configuration, since connections from them are reset, which cannot be
 * undone. What a running stack cannot change at all is refused before the first step. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "dispatch.h"
#include "lifecycle.h"
#include "log.h"
#include "plugin_path.h"

enum step_kind {
    STEP_UNLISTEN,
    STEP_REMOVE_ROUTE,
    STEP_REMOVE_ADDRESS,
    STEP_RELEASE_CLAIMS,
    STEP_START_PLUGIN,
    STEP_OPTIONS,
    STEP_LINK_OPTIONS,
    STEP_OPEN_INTERFACE,
    STEP_ADD_ADDRESS,
    STEP_ADD_ROUTE,
    STEP_LISTEN,
};

struct step {
    enum step_kind kind;
    const struct tn_plan_plugin *plugin;
    const struct tn_plan_interface *ifc;
    const void *item;              /* the address, route or listen */
    const struct tn_value *values; /* options: the new ones */
    const struct tn_value *before; /* … and the old ones */
};

struct reload {
    struct tn_stack *stack;
    const struct tn_plan *old, *new;
    struct tn_error *error;
    struct tn_text report;
    struct step *steps;
    size_t count, room;
    bool failed; /* no memory for a step */
};

static void add_step(struct reload *r, struct step step)
{
    if (r->count == r->room) {
        size_t room = r->room ? r->room * 2 : 64;
        struct step *steps = realloc(r->steps, room * sizeof(*steps));
        if (!steps) {
            r->failed = true;
            return;
        }
        r->steps = steps;
        r->room = room;
    }
    r->steps[r->count++] = step;
}

TN_PRINTF(3, 4) static int refuse(struct reload *r, struct tn_position at, const char *fmt, ...)
{
    struct tn_text t = tn_text_init(r->error->text, sizeof(r->error->text));
    tn_text_add(&t, "%s:%u:%u: ", r->new->file, at.line, at.column);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t.at, t.room + 1, fmt, ap);
    va_end(ap);
    return -EBUSY;
}

/* ---- What is the same ---- */

static const struct tn_plan_plugin *find_plugin(const struct tn_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->plugin_count; i++)
        if (strcmp(plan->plugins[i].name, name) == 0)
            return &plan->plugins[i];
    return NULL;
}

static const struct tn_plan_interface *find_interface(const struct tn_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->interface_count; i++)
        if (strcmp(plan->interfaces[i].name, name) == 0)
            return &plan->interfaces[i];
    return NULL;
}

static bool has_address(const struct tn_plan_interface *ifc, const struct tn_plan_address *a)
{
    for (size_t i = 0; ifc && i < ifc->address_count; i++) {
        const struct tn_plan_address *b = &ifc->addresses[i];
        if (a->family == b->family && a->prefix_len == b->prefix_len && a->vrf == b->vrf &&
            tn_addr_equal(&a->addr, &b->addr))
            return true;
    }
    return false;
}

/* Anywhere: connections from it go on. */
static bool plan_has_address(const struct tn_plan *plan, const struct tn_plan_address *a)
{
    for (size_t i = 0; i < plan->interface_count; i++)
        for (size_t j = 0; j < plan->interfaces[i].address_count; j++) {
            const struct tn_plan_address *b = &plan->interfaces[i].addresses[j];
            if (a->family == b->family && a->vrf == b->vrf && tn_addr_equal(&a->addr, &b->addr))
                return true;
        }
    return false;
}

static bool has_route(const struct tn_plan_interface *ifc, const struct tn_plan_route *a)
{
    for (size_t i = 0; ifc && i < ifc->route_count; i++) {
        const struct tn_plan_route *b = &ifc->routes[i];
        if (a->family == b->family && a->prefix_len == b->prefix_len && a->vrf == b->vrf &&
            a->metric == b->metric && tn_addr_equal(&a->to, &b->to) && tn_addr_equal(&a->via, &b->via))
            return true;
    }
    return false;
}

static bool has_listen(const struct tn_plan_plugin *plugin, const struct tn_plan_listen *a)
{
    for (size_t i = 0; plugin && i < plugin->listen_count; i++) {
        const struct tn_plan_listen *b = &plugin->listens[i];
        if (a->port == b->port && a->protocol == b->protocol && a->family == b->family && a->vrf == b->vrf &&
            strcmp(a->transport, b->transport) == 0 && tn_addr_equal(&a->addr, &b->addr))
            return true;
    }
    return false;
}

/* ---- What can't be changed ---- */

static int check_stack_section(struct reload *r)
{
    if (strcmp(r->old->name, r->new->name) != 0)
        return refuse(r, r->new->name_at, "stack: name cannot be changed while running (it is '%s')",
                      r->old->name);
    if ((r->old->control || r->new->control) &&
        (!r->old->control || !r->new->control || strcmp(r->old->control, r->new->control) != 0))
        return refuse(r, r->new->control_at, "stack: control cannot be changed while running");
    if (memcmp(&r->old->limits, &r->new->limits, sizeof(r->old->limits)) != 0)
        return refuse(
            r, r->new->limits_at,
            "stack: limits cannot be changed while running: the tables have their size from the start");
    return 0;
}

/* Compares values by name, because the manifests may list them in different order; the first difference that
 * is not `live` is refused. Returns 1 if there is a difference, 0 if not, or the refusal. */
static int compare_values(struct reload *r, const char *what, struct tn_position at,
                          const struct tn_manifest *old_manifest, const struct tn_value *old,
                          const struct tn_manifest *new_manifest, const struct tn_value *new)
{
    int changed = 0;
    if (strcmp(old_manifest->schema, new_manifest->schema) != 0 ||
        old_manifest->option_count != new_manifest->option_count)
        return refuse(r, at,
                      "%s: the installed build has schema '%s', the running one '%s': restart to use it",
                      what, new_manifest->schema, old_manifest->schema);
    for (size_t i = 0; i < new_manifest->option_count; i++) {
        const struct tn_manifest_option *option = &new_manifest->options[i];
        if (strcmp(option->name, old_manifest->options[i].name) != 0)
            return refuse(
                r, at,
                "%s: the installed manifest lists other options than the running one: restart to use it",
                what);
        if (tn_value_equal(option, &old[i], &new[i]))
            continue;
        if (!option->live)
            return refuse(
                r, at, "%s: option '%s' cannot be changed while running; disable and enable it, or restart",
                what, option->name);
        changed = 1;
    }
    return changed;
}

static int check_interface(struct reload *r, const struct tn_plan_interface *old,
                           const struct tn_plan_interface *new)
{
    if (strcmp(old->driver, new->driver) != 0)
        return refuse(r, new->at,
                      "%s: driver cannot be changed while running (it is %s); remove the interface first",
                      new->name, old->driver);
    if (old->has_mac != new->has_mac || memcmp(old->mac, new->mac, sizeof(old->mac)) != 0)
        return refuse(r, new->at, "%s: mac cannot be changed while running", new->name);
    if (old->mtu != new->mtu)
        return refuse(r, new->at, "%s: mtu cannot be changed while running", new->name);
    if (old->vlan != new->vlan)
        return refuse(r, new->at, "%s: vlan cannot be changed while running", new->name);
    return 0;
}

/* ---- The difference as steps ---- */

static void plan_removals(struct reload *r)
{
    for (size_t i = 0; i < r->old->plugin_count; i++) {
        const struct tn_plan_plugin *old = &r->old->plugins[i], *new = find_plugin(r->new, old->name);
        for (size_t j = 0; j < old->listen_count; j++)
            if (!has_listen(new, &old->listens[j]))
                add_step(r, (struct step){.kind = STEP_UNLISTEN, .plugin = old, .item = &old->listens[j]});
    }
    for (size_t i = 0; i < r->old->interface_count; i++) {
        const struct tn_plan_interface *old = &r->old->interfaces[i],
                                       *new = find_interface(r->new, old->name);
        for (size_t j = 0; j < old->route_count; j++)
            if (!has_route(new, &old->routes[j]))
                add_step(r, (struct step){.kind = STEP_REMOVE_ROUTE, .ifc = old, .item = &old->routes[j]});
        for (size_t j = 0; j < old->address_count; j++)
            if (!has_address(new, &old->addresses[j]) && plan_has_address(r->new, &old->addresses[j]))
                add_step(r,
                         (struct step){.kind = STEP_REMOVE_ADDRESS, .ifc = old, .item = &old->addresses[j]});
    }
    for (size_t i = 0; i < r->old->plugin_count; i++)
        if (!find_plugin(r->new, r->old->plugins[i].name))
            add_step(r, (struct step){.kind = STEP_RELEASE_CLAIMS, .plugin = &r->old->plugins[i]});
}

static int plan_plugins(struct reload *r)
{
    for (size_t i = 0; i < r->new->plugin_count; i++) {
        const struct tn_plan_plugin *new = &r->new->plugins[i], *old = find_plugin(r->old, new->name);
        if (!old) {
            add_step(r, (struct step){.kind = STEP_START_PLUGIN, .plugin = new});
            continue;
        }
        if (old->section != new->section)
            return refuse(r, new->at, "%s: cannot move between sections while running", new->name);
        if (!new->values || !old->values)
            continue;
        const struct tn_slot *slot = tn_slot_by_name(r->stack, new->name);
        int changed =
            compare_values(r, new->name, new->at, slot->manifest, slot->values, new->manifest, new->values);
        if (changed < 0)
            return changed;
        if (changed)
            add_step(r,
                     (struct step){
                         .kind = STEP_OPTIONS, .plugin = new, .values = new->values, .before = slot->values});
    }
    return 0;
}

static int plan_interfaces(struct reload *r)
{
    for (size_t i = 0; i < r->new->interface_count; i++) {
        const struct tn_plan_interface *new = &r->new->interfaces[i],
                                       *old = find_interface(r->old, new->name);
        if (!old) {
            add_step(r, (struct step){.kind = STEP_OPEN_INTERFACE, .ifc = new});
            continue;
        }
        const struct tn_slot *driver = tn_slot_by_name(r->stack, old->driver);
        int changed = check_interface(r, old, new);
        if (changed == 0)
            changed = compare_values(r, new->name, new->at, driver->manifest,
                                     tn_interface_by_name(r->stack, new->name)->values,
                                     r->new->plugins[new->plugin].manifest, new->values);
        if (changed < 0)
            return changed;
        if (changed)
            add_step(
                r, (struct step){
                       .kind = STEP_LINK_OPTIONS, .ifc = new, .values = new->values, .before = old->values});
    }
    return 0;
}

static void plan_additions(struct reload *r)
{
    for (size_t i = 0; i < r->new->interface_count; i++) {
        const struct tn_plan_interface *new = &r->new->interfaces[i],
                                       *old = find_interface(r->old, new->name);
        for (size_t j = 0; j < new->address_count; j++)
            if (!has_address(old, &new->addresses[j]))
                add_step(r, (struct step){.kind = STEP_ADD_ADDRESS, .ifc = new, .item = &new->addresses[j]});
    }
    for (size_t i = 0; i < r->new->interface_count; i++) {
        const struct tn_plan_interface *new = &r->new->interfaces[i],
                                       *old = find_interface(r->old, new->name);
        for (size_t j = 0; j < new->route_count; j++)
            if (!has_route(old, &new->routes[j]))
                add_step(r, (struct step){.kind = STEP_ADD_ROUTE, .ifc = new, .item = &new->routes[j]});
    }
    for (size_t i = 0; i < r->new->plugin_count; i++) {
        const struct tn_plan_plugin *new = &r->new->plugins[i], *old = find_plugin(r->old, new->name);
        for (size_t j = 0; j < new->listen_count; j++)
            if (!has_listen(old, &new->listens[j]))
                add_step(r, (struct step){.kind = STEP_LISTEN, .plugin = new, .item = &new->listens[j]});
    }
}

/* ---- Doing and undoing ---- */

static void write_link_options(struct tn_stack *stack, const struct tn_plan_interface *plan,
                               const struct tn_value *values)
{
    struct tn_ifc *ifc = tn_interface_by_name(stack, plan->name);
    const struct tn_manifest *manifest = ifc->driver->manifest;
    memcpy(ifc->values, values, manifest->option_count * sizeof(*values));
    tn_values_write(manifest, values, ifc->driver->self.plugin, ifc->options);
}

static int do_step(struct tn_stack *stack, const struct step *s, struct tn_error *error)
{
    switch (s->kind) {
    case STEP_UNLISTEN:
        tn_stop_listen(stack, s->plugin, s->item);
        return 0;
    case STEP_REMOVE_ROUTE:
        tn_stop_route(stack, s->ifc, s->item);
        return 0;
    case STEP_REMOVE_ADDRESS:
        tn_stop_address(stack, s->ifc, s->item);
        return 0;
    case STEP_RELEASE_CLAIMS:
        tn_dispatch_release(stack, tn_slot_by_name(stack, s->plugin->name));
        return 0;
    case STEP_START_PLUGIN:
        return tn_start_plugin(stack, s->plugin, error);
    case STEP_OPTIONS:
        return tn_slot_reconfigure(stack, tn_slot_by_name(stack, s->plugin->name), s->values, error);
    case STEP_LINK_OPTIONS:
        write_link_options(stack, s->ifc, s->values);
        return 0;
    case STEP_OPEN_INTERFACE:
        return tn_start_interface(stack, s->ifc, error);
    case STEP_ADD_ADDRESS:
        return tn_start_address(stack, s->ifc, s->item, error);
    case STEP_ADD_ROUTE:
        return tn_start_route(stack, s->ifc, s->item, error);
    case STEP_LISTEN:
        return tn_start_listen(stack, s->plugin, s->item, error);
    }
    return -EINVAL;
}

static void undo_step(struct tn_stack *stack, const struct step *s)
{
    struct tn_error ignored;
    struct tn_text why = tn_text_init(ignored.text, sizeof(ignored.text));
    switch (s->kind) {
    case STEP_UNLISTEN:
        (void)tn_start_listen(stack, s->plugin, s->item, &ignored);
        break;
    case STEP_REMOVE_ROUTE:
        (void)tn_start_route(stack, s->ifc, s->item, &ignored);
        break;
    case STEP_REMOVE_ADDRESS:
        (void)tn_start_address(stack, s->ifc, s->item, &ignored);
        break;
    case STEP_RELEASE_CLAIMS:
        (void)tn_dispatch_claim(stack, tn_slot_by_name(stack, s->plugin->name), &why);
        break;
    case STEP_START_PLUGIN:
        tn_slot_destroy(stack, tn_slot_by_name(stack, s->plugin->name));
        break;
    case STEP_OPTIONS:
        (void)tn_slot_reconfigure(stack, tn_slot_by_name(stack, s->plugin->name), s->before, &ignored);
        break;
    case STEP_LINK_OPTIONS:
        write_link_options(stack, s->ifc, s->before);
        break;
    case STEP_OPEN_INTERFACE:
        tn_stop_interface(stack, tn_interface_by_name(stack, s->ifc->name));
        break;
    case STEP_ADD_ADDRESS:
        tn_stop_address(stack, s->ifc, s->item);
        break;
    case STEP_ADD_ROUTE:
        tn_stop_route(stack, s->ifc, s->item);
        break;
    case STEP_LISTEN:
        tn_stop_listen(stack, s->plugin, s->item);
        break;
    }
}

/* ---- The report ---- */

static void report_prefix(struct tn_text *out, uint8_t family, const struct tn_addr *addr, uint8_t prefix_len)
{
    char text[TN_ADDR_TEXT];
    tn_text_add(out, "%s/%u", inet_ntop(family, addr->bytes, text, sizeof(text)) ? text : "?", prefix_len);
}

static void report_step(struct tn_text *out, const struct step *s)
{
    static const char *const texts[] = {
        [STEP_UNLISTEN] = "stopped listening",
        [STEP_REMOVE_ROUTE] = "removed route",
        [STEP_REMOVE_ADDRESS] = "removed address",
        [STEP_RELEASE_CLAIMS] = "disabled",
        [STEP_START_PLUGIN] = "enabled",
        [STEP_OPTIONS] = "changed options of",
        [STEP_LINK_OPTIONS] = "changed options of",
        [STEP_OPEN_INTERFACE] = "opened interface",
        [STEP_ADD_ADDRESS] = "added address",
        [STEP_ADD_ROUTE] = "added route",
        [STEP_LISTEN] = "listening",
    };
    tn_text_add(out, "%s ", texts[s->kind]);
    if (s->kind == STEP_ADD_ADDRESS || s->kind == STEP_REMOVE_ADDRESS) {
        const struct tn_plan_address *a = s->item;
        report_prefix(out, a->family, &a->addr, a->prefix_len);
        tn_text_add(out, " %s %s\n", s->kind == STEP_ADD_ADDRESS ? "to" : "from", s->ifc->name);
    } else if (s->kind == STEP_ADD_ROUTE || s->kind == STEP_REMOVE_ROUTE) {
        const struct tn_plan_route *route = s->item;
        report_prefix(out, route->family, &route->to, route->prefix_len);
        tn_text_add(out, " on %s\n", s->ifc->name);
    } else if (s->kind == STEP_LISTEN || s->kind == STEP_UNLISTEN) {
        const struct tn_plan_listen *listen = s->item;
        tn_text_add(out, "on %s/%u for %s\n", listen->transport, listen->port, s->plugin->name);
    } else {
        tn_text_add(out, "%s\n", s->ifc ? s->ifc->name : s->plugin->name);
    }
}

static bool logs_equal(const struct tn_plan *a, const struct tn_plan *b)
{
    bool same = a->log_count == b->log_count;
    for (size_t i = 0; i < a->log_count && same; i++)
        same = a->logs[i].level == b->logs[i].level && strcmp(a->logs[i].who, b->logs[i].who) == 0;
    return same;
}

/* What of the section `stack` holds from now on because the new plan says so. */
static void report_stack_section(struct reload *r)
{
    const struct tn_plan *old = r->old, *new = r->new;
    if (!logs_equal(old, new))
        tn_text_add(&r->report, "changed log levels\n");
    if (old->name_server_count != new->name_server_count ||
        memcmp(old->name_servers, new->name_servers, sizeof(old->name_servers)) != 0)
        tn_text_add(&r->report, "changed name servers\n");
    if (strcmp(old->domain, new->domain) != 0)
        tn_text_add(&r->report, "changed domain\n");
    if (old->busy_poll != new->busy_poll)
        tn_text_add(&r->report, "changed busy polling\n");
    if (old->io_uring != new->io_uring)
        tn_text_add(&r->report, "changed io-uring\n");
}

/* ---- The whole ---- */

static void end_addresses(struct reload *r)
{
    for (size_t i = 0; i < r->old->interface_count; i++) {
        const struct tn_plan_interface *old = &r->old->interfaces[i];
        for (size_t j = 0; j < old->address_count; j++) {
            if (plan_has_address(r->new, &old->addresses[j]))
                continue;
            tn_end_address(r->stack, old, &old->addresses[j]);
            report_step(&r->report,
                        &(struct step){.kind = STEP_REMOVE_ADDRESS, .ifc = old, .item = &old->addresses[j]});
        }
    }
}

/* Ends what the new plan no longer has; claims and listeners are gone already. */
static void end_the_rest(struct reload *r)
{
    end_addresses(r);
    for (size_t i = r->old->plugin_count; i-- > 0;)
        if (r->old->plugins[i].section != TN_SECTION_DRIVER && !find_plugin(r->new, r->old->plugins[i].name))
            tn_slot_destroy(r->stack, tn_slot_by_name(r->stack, r->old->plugins[i].name));
    for (size_t i = r->old->interface_count; i-- > 0;)
        if (!find_interface(r->new, r->old->interfaces[i].name)) {
            tn_text_add(&r->report, "closed interface %s\n", r->old->interfaces[i].name);
            tn_stop_interface(r->stack, tn_interface_by_name(r->stack, r->old->interfaces[i].name));
        }
    for (size_t i = r->old->plugin_count; i-- > 0;)
        if (r->old->plugins[i].section == TN_SECTION_DRIVER && !find_plugin(r->new, r->old->plugins[i].name))
            tn_slot_destroy(r->stack, tn_slot_by_name(r->stack, r->old->plugins[i].name));
}

static int make_steps(struct reload *r)
{
    int err = check_stack_section(r);
    if (err < 0)
        return err;
    plan_removals(r);
    err = plan_plugins(r);
    if (err == 0)
        err = plan_interfaces(r);
    if (err < 0)
        return err;
    plan_additions(r);
    if (!r->failed)
        return 0;
    snprintf(r->error->text, sizeof(r->error->text), "no memory for the change");
    return -ENOMEM;
}

/* Old option values must outlive the step that replaces them, for its undoing. */
static int keep_old_values(struct reload *r)
{
    for (size_t i = 0; i < r->count; i++) {
        struct step *s = &r->steps[i];
        if (s->kind != STEP_OPTIONS && s->kind != STEP_LINK_OPTIONS)
            continue;
        const struct tn_slot *slot = tn_slot_by_name(r->stack, s->ifc ? s->ifc->driver : s->plugin->name);
        s->before = tn_values_copy(slot->manifest, s->before);
        if (!s->before)
            r->failed = true;
    }
    return r->failed ? -ENOMEM : 0;
}

static void free_steps(struct reload *r)
{
    for (size_t i = 0; i < r->count; i++)
        free((void *)r->steps[i].before);
    free(r->steps);
}

static int do_steps(struct reload *r)
{
    for (size_t i = 0; i < r->count; i++) {
        int err = do_step(r->stack, &r->steps[i], r->error);
        if (err < 0) {
            while (i-- > 0)
                undo_step(r->stack, &r->steps[i]);
            return err;
        }
        report_step(&r->report, &r->steps[i]);
    }
    return 0;
}

static int apply(struct tn_stack *stack, const char *yaml, const char *name, struct tn_error *error,
                 char *report, size_t report_size)
{
    char room[PATH_MAX];
    struct tn_plan *old = stack->plan, *new;
    const char *plugin_path = tn_plugin_path_find(stack->env.plugin_path, room);
    int err = tn_plan_parse(yaml, strlen(yaml), name, plugin_path, &new, error);
    if (err < 0)
        return err;
    struct reload r = {.stack = stack, .old = old, .new = new, .error = error};
    r.report = tn_text_init(report, report_size);
    err = make_steps(&r);
    if (err == 0)
        err = keep_old_values(&r);
    else
        r.count = 0; /* nothing was copied yet */
    if (err == 0) {
        stack->plan = new; /* whose file and positions errors name */
        err = do_steps(&r);
    }
    if (err == 0) {
        end_the_rest(&r);
        report_stack_section(&r);
        tn_logger_configure(stack, new);
        tn_paths_changed(stack);
    } else {
        stack->plan = old;
    }
    free_steps(&r);
    tn_plan_free(err == 0 ? old : new);
    return err;
}

int tn_stack_reload(struct tn_stack *stack, const char *yaml, const char *name, struct tn_error *error,
                    char *report, size_t report_size)
{
    char own[4096];
    bool wanted = report && report_size > 0;
    char *text = wanted ? report : own;
    text[0] = '\0';
    int err = apply(stack, yaml, name, error, text, wanted ? report_size : sizeof(own));
    if (err < 0) {
        tn_log_lines(stack, TN_LOG_ERROR, "core", error->text);
        tn_log_lines(stack, TN_LOG_ERROR, "core", "reload refused: nothing was changed");
    } else {
        tn_log_lines(stack, TN_LOG_INFO, "core", text[0] ? text : "reload: nothing had changed");
    }
    return err;
}
