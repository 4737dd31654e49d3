/* port.c: the outside end of interfaces without a device: frames to and from the embedding program, or
 * another stack in the same thread. */
#include <errno.h>

#include "dispatch.h"
#include "interface.h"

int tn_port_enter(struct tn_stack *stack, struct tn_ifc *ifc, struct tn_packet *packet)
{
    if (ifc->port_in.packets >= stack->plan->limits.port_queue) {
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_PORT_FULL);
        return -ENOBUFS;
    }
    tn_queue_append(&ifc->port_in, packet);
    ifc->readable = true;
    stack->work_pending = true;
    return 0;
}

/* What is said of a frame's bytes goes with them; `from` and `to` differ in headroom. */
static void copy_offloads(struct tn_packet *to, const struct tn_packet *from)
{
    ptrdiff_t moved = (ptrdiff_t)tn_packet_headroom(to) - (ptrdiff_t)tn_packet_headroom(from);
    if (from->checksum != TN_CHECKSUM_PARTIAL)
        return;
    to->checksum = TN_CHECKSUM_PARTIAL;
    to->csum_start = (uint16_t)(from->csum_start + moved);
    to->csum_offset = from->csum_offset;
    to->gso = from->gso;
    to->gso_size = from->gso_size;
}

/* To the joined stack, whose packets come from a pool of its own: the bytes are copied. */
TN_APART static void port_cross(struct tn_stack *stack, const struct tn_ifc *ifc, struct tn_packet *packet)
{
    struct tn_stack *peer = ifc->peer;
    struct tn_packet *copy = tn_packet_new(&peer->pool, packet->total);
    if (copy) {
        (void)tn_packet_read(packet, 0, copy->data, packet->total);
        copy_offloads(copy, packet);
        (void)tn_port_enter(peer, peer->interfaces[ifc->peer_index], copy);
    } else {
        tn_core_self(peer)->drops[TN_CORE_DROP_NO_MEMORY]++;
    }
    tn_packet_free(&stack->pool, packet);
}

void tn_core_port_give(struct tn_self *self, struct tn_interface *public_ifc, struct tn_packet *packet)
{
    struct tn_stack *stack = self->stack;
    struct tn_ifc *ifc = tn_ifc_of(public_ifc);
    if (ifc->peer)
        port_cross(stack, ifc, packet);
    else if (ifc->port_out.packets >= stack->plan->limits.port_queue)
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_PORT_FULL);
    else
        tn_queue_append(&ifc->port_out, packet);
}

bool tn_core_port_full(struct tn_self *self, struct tn_interface *public_ifc)
{
    const struct tn_ifc *ifc = tn_ifc_of(public_ifc);
    return !ifc->peer && ifc->port_out.packets >= self->stack->plan->limits.port_queue;
}

struct tn_packet *tn_core_port_take(struct tn_self *self, struct tn_interface *ifc)
{
    return tn_queue_take(&tn_ifc_of(ifc)->port_in);
}

static void free_queue(struct tn_stack *stack, struct tn_packet_queue *queue)
{
    struct tn_packet *packet;
    while ((packet = tn_queue_take(queue)))
        tn_packet_free(&stack->pool, packet);
}

void tn_port_close(struct tn_stack *stack, struct tn_ifc *ifc)
{
    free_queue(stack, &ifc->port_in);
    free_queue(stack, &ifc->port_out);
    if (ifc->peer) {
        struct tn_ifc *other = ifc->peer->interfaces[ifc->peer_index];
        if (other)
            other->peer = NULL;
        ifc->peer = NULL;
    }
}
