/* embed_link.c: interfaces whose frames the embedding program hands over (tn_host_send() and its kin of tenon/stack.h). */
#include <errno.h>

#include "dispatch.h"
#include "interface.h"

int tn_host_send(struct tn_stack *stack, const char *name, const void *frame, size_t len)
{
    struct tn_ifc *ifc = tn_interface_by_name(stack, name);
    if (!ifc)
        return -ENODEV;
    if (!frame || len > 65535)
        return -EMSGSIZE;
    struct tn_packet *packet = tn_packet_new(&stack->pool, len);
    if (!packet) {
        tn_core_self(stack)->drops[TN_CORE_DROP_NO_MEMORY]++;
        return -ENOBUFS;
    }
    memcpy(packet->data, frame, len);
    return tn_port_enter(stack, ifc, packet);
}

ssize_t tn_host_receive(struct tn_stack *stack, const char *name, void *frame, size_t size)
{
    struct tn_ifc *ifc = tn_interface_by_name(stack, name);
    if (!ifc)
        return -ENODEV;
    struct tn_packet *packet = tn_queue_take(&ifc->port_out);
    if (!packet)
        return -EAGAIN;
    ssize_t len = packet->total;
    (void)tn_packet_read(packet, 0, frame, size);
    tn_packet_free(&stack->pool, packet);
    if (ifc->blocked)
        tn_core_link_writable(&ifc->driver->self, &ifc->pub);
    return len;
}

int tn_stack_join(struct tn_stack *a, const char *name_a, struct tn_stack *b, const char *name_b)
{
    struct tn_ifc *end_a = tn_interface_by_name(a, name_a);
    struct tn_ifc *end_b = tn_interface_by_name(b, name_b);
    if (!end_a || !end_b)
        return -ENODEV;
    if (end_a->peer || end_b->peer || end_a->watch.fd >= 0 || end_b->watch.fd >= 0 || end_a == end_b)
        return -EBUSY;
    end_a->peer = b;
    end_a->peer_index = end_b->pub.index;
    end_b->peer = a;
    end_b->peer_index = end_a->pub.index;
    return 0;
}
