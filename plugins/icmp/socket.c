/* socket.c: ping sockets: SOCK_DGRAM with protocol 1, as Linux has them.
 *
 * The local port is the identifier. What is sent is a whole echo request; identifier and checksum are set
 * here, whatever the sender wrote there. What is received are the replies to it, from the ICMP header on. */
#include <errno.h>

#include "icmp.h"

void icmp_socket_input(struct tn_self *self, struct tn_packet *packet, uint16_t id)
{
    packet->src_port = 0;
    packet->dst_port = id;
    struct tn_socket *sock = self->core->socket_lookup(self, packet);
    if (!sock)
        tn_drop(self, packet, ICMP_DROP_NO_SOCKET);
    else if (!self->core->socket_deliver(self, sock, packet))
        tn_drop(self, packet, ICMP_DROP_SOCKET_FULL);
}

/* The message as one writable piece; NULL when there is no memory, and the packet is dropped. */
static struct tn_packet *icmp_own_bytes(struct tn_self *self, struct tn_packet *packet)
{
    if (!packet->more && tn_packet_writable(packet))
        return packet;
    struct tn_packet *copy = self->core->packet_copy(self, packet);
    if (!copy) {
        tn_drop(self, packet, ICMP_DROP_NO_MEMORY);
        return NULL;
    }
    self->core->packet_free(self, packet);
    return copy;
}

int icmp_send_datagram(struct tn_self *self, struct tn_socket *sock, struct tn_packet *packet,
                       const struct tn_path *path)
{
    packet = icmp_own_bytes(self, packet);
    if (!packet)
        return -ENOBUFS;
    struct tn_icmp_header *header = (struct tn_icmp_header *)(void *)packet->data;
    if (packet->len < sizeof(*header) || header->type != TN_ICMP_ECHO || header->code != 0) {
        tn_drop(self, packet, ICMP_DROP_BAD_REQUEST);
        return -EINVAL;
    }
    header->echo.id = tn_to_be16(sock->local_port);
    icmp_set_checksum(packet);
    packet->protocol = TN_IPPROTO_ICMP;
    packet->family = AF_INET;
    tn_count(self, ICMP_ECHOS_OUT);
    return self->core->network_output(self, packet, path);
}

void icmp_close(struct tn_self *self, struct tn_socket *sock, bool abort)
{
    self->core->socket_free(self, sock);
}

void icmp_net_error(struct tn_self *self, const struct tn_net_error *error)
{
    struct tn_cursor c = error->quote;
    const struct tn_icmp_header *header = tn_read_header(&c, struct tn_icmp_header);
    if (!header || header->type != TN_ICMP_ECHO)
        return;
    uint16_t id = tn_be16(header->echo.id);
    if (icmp_ping_error(self, error, id, tn_be16(header->echo.seq))) {
        if (error->error == EMSGSIZE)
            self->core->path_mtu(self, error);
        return;
    }
    /* The socket that would get the reply. */
    const struct tn_packet reply = {
        .src = error->dst, .dst = error->src, .dst_port = id, .vrf = error->vrf, .family = AF_INET};
    struct tn_socket *sock = self->core->socket_lookup(self, &reply);
    if (!sock)
        return;
    if (error->error == EMSGSIZE)
        self->core->path_mtu(self, error);
    if (error->error != EMSGSIZE || sock->mtu_discover >= TN_MTU_DO)
        self->core->socket_soft_error(self, sock, error->error);
}
