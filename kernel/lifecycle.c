/* lifecycle.c: from a plan to running plugins, and the single steps by which a running stack is changed. */
#include "lifecycle.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "address.h"
#include "brought.h"
#include "dispatch.h"
#include "group.h"
#include "neighbour.h"
#include "route.h"
#include "sockets.h"

/* Puts "stack.yaml:3:5: " before what went wrong there. */
static int at_position(struct tn_stack *stack, struct tn_position at, int err, struct tn_error *error)
{
    struct tn_error inner = *error;
    struct tn_text t = tn_text_init(error->text, sizeof(error->text));
    tn_text_add(&t, "%s:%u:%u: %s", stack->plan->file, at.line, at.column, inner.text);
    return err;
}

/* ---- Steps ---- */

int tn_start_plugin(struct tn_stack *stack, const struct tn_plan_plugin *plugin, struct tn_error *error)
{
    struct tn_slot *slot;
    int err = tn_slot_create(stack, plugin, &slot, error);
    if (err < 0)
        return at_position(stack, plugin->at, err, error);
    err = tn_slot_start(stack, slot, error);
    if (err < 0) {
        tn_slot_destroy(stack, slot);
        return at_position(stack, plugin->at, err, error);
    }
    return 0;
}

int tn_start_interface(struct tn_stack *stack, const struct tn_plan_interface *ifc, struct tn_error *error)
{
    int err = tn_interface_open(stack, ifc, tn_slot_by_name(stack, ifc->driver), error);
    return err < 0 ? at_position(stack, ifc->at, err, error) : 0;
}

void tn_stop_interface(struct tn_stack *stack, struct tn_ifc *ifc)
{
    tn_brought_forget(stack, TN_SLOT_CORE, ifc->pub.index);
    tn_groups_flush(stack, ifc->pub.index);
    tn_neighbours_flush(stack, ifc->pub.index);
    tn_interface_close(stack, ifc);
}

static void address_text(uint8_t family, const struct tn_addr *addr, uint8_t prefix_len, struct tn_text *out)
{
    char text[TN_ADDR_TEXT];
    tn_text_add(out, "%s/%u", inet_ntop(family, addr->bytes, text, sizeof(text)) ? text : "?", prefix_len);
}

static struct tn_address address_of(struct tn_stack *stack, const struct tn_plan_interface *ifc,
                                    const struct tn_plan_address *a)
{
    const struct tn_ifc *found = tn_interface_by_name(stack, ifc->name);
    return (struct tn_address){.addr = a->addr,
                               .ifindex = found ? found->pub.index : 0,
                               .vrf = a->vrf,
                               .family = a->family,
                               .prefix_len = a->prefix_len};
}

int tn_start_address(struct tn_stack *stack, const struct tn_plan_interface *ifc,
                     const struct tn_plan_address *plan, struct tn_error *error)
{
    struct tn_address address = address_of(stack, ifc, plan);
    int err = tn_address_add(stack, &address);
    if (err < 0) {
        struct tn_text why = tn_text_init(error->text, sizeof(error->text));
        tn_text_add(&why, "%s: cannot take address ", ifc->name);
        address_text(plan->family, &plan->addr, plan->prefix_len, &why);
        tn_text_add(&why, ": %s", err == -ENOSPC ? "the limit 'addresses' is reached" : strerror(-err));
        return at_position(stack, plan->at, err, error);
    }
    return 0;
}

void tn_stop_address(struct tn_stack *stack, const struct tn_plan_interface *ifc,
                     const struct tn_plan_address *plan)
{
    struct tn_address address = address_of(stack, ifc, plan);
    (void)tn_address_remove(stack, &address);
}

void tn_end_address(struct tn_stack *stack, const struct tn_plan_interface *ifc,
                    const struct tn_plan_address *plan)
{
    tn_sockets_abort_local(stack, plan->family, plan->vrf, &plan->addr);
    tn_stop_address(stack, ifc, plan);
}

static struct tn_route route_of(struct tn_stack *stack, const struct tn_plan_interface *ifc,
                                const struct tn_plan_route *r)
{
    const struct tn_ifc *found = tn_interface_by_name(stack, ifc->name);
    return (struct tn_route){.to = r->to,
                             .via = r->via,
                             .metric = r->metric,
                             .ifindex = found ? found->pub.index : 0,
                             .vrf = r->vrf,
                             .family = r->family,
                             .prefix_len = r->prefix_len};
}

int tn_start_route(struct tn_stack *stack, const struct tn_plan_interface *ifc,
                   const struct tn_plan_route *plan, struct tn_error *error)
{
    struct tn_route route = route_of(stack, ifc, plan);
    int err = tn_route_add(stack, &route);
    if (err < 0) {
        struct tn_text why = tn_text_init(error->text, sizeof(error->text));
        tn_text_add(&why, "%s: cannot take the route to ", ifc->name);
        address_text(plan->family, &plan->to, plan->prefix_len, &why);
        tn_text_add(&why, ": %s", err == -ENOSPC ? "the limit 'routes' is reached" : strerror(-err));
        return at_position(stack, plan->at, err, error);
    }
    return 0;
}

void tn_stop_route(struct tn_stack *stack, const struct tn_plan_interface *ifc,
                   const struct tn_plan_route *plan)
{
    struct tn_route route = route_of(stack, ifc, plan);
    (void)tn_route_remove(stack, &route);
}

int tn_start_listen(struct tn_stack *stack, const struct tn_plan_plugin *service,
                    const struct tn_plan_listen *listen, struct tn_error *error)
{
    struct tn_slot *slot = tn_slot_by_name(stack, service->name);
    int err = slot ? tn_service_listen(stack, slot, listen) : -ENOENT;
    if (err < 0) {
        struct tn_text why = tn_text_init(error->text, sizeof(error->text));
        tn_text_add(&why, "%s: cannot listen on %s/%u: %s", service->name, listen->transport, listen->port,
                    strerror(-err));
        return at_position(stack, listen->at, err, error);
    }
    return 0;
}

void tn_stop_listen(struct tn_stack *stack, const struct tn_plan_plugin *service,
                    const struct tn_plan_listen *listen)
{
    struct tn_slot *slot = tn_slot_by_name(stack, service->name);
    if (slot)
        (void)tn_service_unlisten(stack, slot, listen);
}

/* ---- The whole ---- */

static int start_interfaces(struct tn_stack *stack, const struct tn_plan *plan, struct tn_error *error)
{
    int err = 0;
    for (size_t i = 0; err == 0 && i < plan->interface_count; i++) {
        const struct tn_plan_interface *ifc = &plan->interfaces[i];
        err = tn_start_interface(stack, ifc, error);
        for (size_t j = 0; err == 0 && j < ifc->address_count; j++)
            err = tn_start_address(stack, ifc, &ifc->addresses[j], error);
    }
    for (size_t i = 0; err == 0 && i < plan->interface_count; i++)
        for (size_t j = 0; err == 0 && j < plan->interfaces[i].route_count; j++)
            err = tn_start_route(stack, &plan->interfaces[i], &plan->interfaces[i].routes[j], error);
    return err;
}

int tn_plan_start(struct tn_stack *stack, const struct tn_plan *plan, struct tn_error *error)
{
    int err = 0;
    for (size_t i = 0; err == 0 && i < plan->plugin_count; i++)
        err = tn_start_plugin(stack, &plan->plugins[i], error);
    if (err == 0)
        err = start_interfaces(stack, plan, error);
    for (size_t i = 0; err == 0 && i < plan->plugin_count; i++)
        for (size_t j = 0; err == 0 && j < plan->plugins[i].listen_count; j++)
            err = tn_start_listen(stack, &plan->plugins[i], &plan->plugins[i].listens[j], error);
    if (err < 0)
        tn_plan_stop(stack);
    return err;
}

static void stop_slots(struct tn_stack *stack, bool (*which)(const struct tn_slot *slot))
{
    for (unsigned i = TN_SLOTS_MAX - 1; i > TN_SLOT_CORE; i--)
        if (stack->slots[i] && which(stack->slots[i]))
            tn_slot_destroy(stack, stack->slots[i]);
}

static bool is_service(const struct tn_slot *slot)
{
    return slot->section == TN_SECTION_SERVICE;
}

static bool is_transport(const struct tn_slot *slot)
{
    return slot->self.plugin->transport != NULL;
}

static bool is_anything(const struct tn_slot *slot)
{
    (void)slot;
    return true;
}

/* From the top of the stack down: services, transports (whose last segments still go out), interfaces, the
 * rest. */
void tn_plan_stop(struct tn_stack *stack)
{
    stop_slots(stack, is_service);
    stop_slots(stack, is_transport);
    tn_interfaces_transmit(stack);
    for (uint16_t i = stack->interface_count; i > 0; i--)
        if (stack->interfaces[i])
            tn_stop_interface(stack, stack->interfaces[i]);
    stop_slots(stack, is_anything);
}
