/* udp: the User Datagram Protocol (RFC 768, RFC 1122 §4.1, RFC 8200 §8.1).
 *
 * Takes IP protocol 17 of every address family.
 *     In: length and checksum are checked, the core finds the socket, and the payload joins its receive
 * queue. Where there is no socket, the sender is told "port unreachable". Out: eight bytes of header go
 * before the payload; the checksum is left to the device, or to the core (output.c). Errors: what the network says of a
 * datagram goes to the connected socket that sent it. Sockets have no state here beyond what the core keeps:
 * ports, addresses, queues. */
#include "tenon/proto/udp.h"

#include <errno.h>

#include "udp.h"

/* ---- In ---- */

static bool udp_checksum_right(const struct tn_packet *packet)
{
    tn_sum sum = tn_sum_pseudo(&packet->src, &packet->dst, TN_IPPROTO_UDP, packet->len);
    return tn_sum_finish(tn_sum_add(sum, packet->data, packet->len)) == 0;
}

static int udp_check_checksum(struct tn_self *self, const struct tn_packet *packet,
                              const struct tn_udp_header *udp)
{
    if (packet->checksum != TN_CHECKSUM_UNKNOWN)
        return UDP_OK; /* the device has checked it, or it never left this machine */
    if (tn_unlikely(tn_be16(udp->checksum) == 0)) {
        if (packet->family != AF_INET)
            return UDP_DROP_NO_CHECKSUM; /* RFC 8200 §8.1 */
        tn_count(self, UDP_NO_CHECKSUM_IN);
        return UDP_OK;
    }
    return udp_checksum_right(packet) ? UDP_OK : UDP_DROP_BAD_CHECKSUM;
}

/* Checks the header, cuts off what is behind the datagram, and notes the ports in the packet. */
static int udp_check(struct tn_self *self, struct tn_packet *packet)
{
    struct tn_cursor c = tn_packet_cursor(packet);
    const struct tn_udp_header *udp = tn_read_header(&c, struct tn_udp_header);
    if (!udp)
        return UDP_DROP_TRUNCATED;
    size_t len = tn_be16(udp->len);
    if (len < sizeof(*udp) || len > packet->len)
        return UDP_DROP_BAD_LENGTH;
    tn_packet_trim(packet, len);
    packet->src_port = tn_be16(udp->src_port);
    packet->dst_port = tn_be16(udp->dst_port);
    return udp_check_checksum(self, packet, udp);
}

/* RFC 1122 §4.1.3.1: port unreachable, unless it was sent to many (§3.2.2). */
TN_RARE static void udp_refuse(struct tn_self *self, struct tn_packet *packet)
{
    const uint16_t many = TN_PKT_BROADCAST | TN_PKT_MULTICAST | TN_PKT_LINK_BROADCAST | TN_PKT_LINK_MULTICAST;
    if (!(packet->flags & many))
        self->core->reject(self, packet, TN_REJECT_PORT, 0);
    tn_drop(self, packet, UDP_DROP_NO_SOCKET);
}

/* The datagram at [offset, offset + len) of a super-frame's payload, as a packet with the super-frame's header before it. */
static struct tn_packet *udp_cut(struct tn_self *self, const struct tn_packet *whole, size_t offset,
                                 size_t len)
{
    struct tn_packet *datagram = self->core->packet_new(self, sizeof(struct tn_udp_header) + len);
    if (!datagram)
        return NULL;
    datagram->time = whole->time;
    datagram->serial = whole->serial;
    datagram->ifindex = whole->ifindex;
    datagram->flags = whole->flags;
    datagram->src = whole->src;
    datagram->dst = whole->dst;
    datagram->vrf = whole->vrf;
    datagram->family = whole->family;
    datagram->protocol = whole->protocol;
    datagram->ttl = whole->ttl;
    datagram->tos = whole->tos;
    datagram->transport = tn_packet_offset(datagram);
    datagram->checksum = TN_CHECKSUM_VERIFIED; /* as that of the whole, from which it is not to be told */
    struct tn_udp_header *udp = (struct tn_udp_header *)(void *)datagram->data;
    memcpy(udp, whole->data, sizeof(*udp));
    udp->len = tn_to_be16((uint16_t)datagram->len);
    memcpy(udp + 1, whole->data + sizeof(*udp) + offset, len);
    return datagram;
}

static void udp_deliver(struct tn_self *self, struct tn_socket *sock, struct tn_packet *packet)
{
    if (self->core->socket_deliver(self, sock, packet))
        tn_count(self, UDP_DATAGRAMS_IN);
    else
        tn_drop(self, packet, UDP_DROP_QUEUE_FULL);
}

/* What was sent to many is for every socket that hears it (RFC 1122 §4.1.3.5, RFC 1112 §7.1); each has a view of the
 * same bytes. */
TN_APART static void udp_deliver_to_many(struct tn_self *self, struct tn_packet *packet)
{
    struct tn_socket *sock = self->core->socket_next(self, packet, NULL);
    if (!sock) {
        udp_refuse(self, packet);
        return;
    }
    tn_packet_pull(packet, sizeof(struct tn_udp_header));
    for (struct tn_socket *next; (next = self->core->socket_next(self, packet, sock)); sock = next) {
        struct tn_packet *clone = self->core->packet_clone(self, packet);
        if (clone)
            udp_deliver(self, sock, clone);
    }
    udp_deliver(self, sock, packet);
}

static void udp_input(struct tn_self *self, struct tn_packet *packet);

/* A super-frame: as many datagrams as its sender wrote. */
TN_APART static void udp_input_many(struct tn_self *self, struct tn_packet *packet)
{
    size_t payload = packet->len - tn_min(packet->len, sizeof(struct tn_udp_header));
    for (size_t offset = 0; offset < payload; offset += packet->gso_size) {
        struct tn_packet *datagram =
            udp_cut(self, packet, offset, tn_min(packet->gso_size, payload - offset));
        if (!datagram) {
            tn_drop(self, packet, UDP_DROP_NO_MEMORY);
            return;
        }
        udp_input(self, datagram);
    }
    self->core->packet_free(self, packet);
}

static void udp_input(struct tn_self *self, struct tn_packet *packet)
{
    if (tn_unlikely(packet->gso != TN_GSO_NONE)) {
        udp_input_many(self, packet);
        return;
    }
    int drop = udp_check(self, packet);
    if (tn_unlikely(drop != UDP_OK)) {
        tn_drop(self, packet, (unsigned)drop);
        return;
    }
    if (tn_unlikely(packet->flags & (TN_PKT_BROADCAST | TN_PKT_MULTICAST))) {
        udp_deliver_to_many(self, packet);
        return;
    }
    struct tn_socket *sock = self->core->socket_lookup(self, packet);
    if (!sock) {
        udp_refuse(self, packet);
        return;
    }
    tn_packet_pull(packet, sizeof(struct tn_udp_header));
    udp_deliver(self, sock, packet);
}

/* Something smaller fits. It is believed if a socket speaks from there; that one may be told: whoever has datagrams in
 * fragments rather than lost has nothing to do. */
static void udp_path_mtu(struct tn_self *self, const struct tn_net_error *error, uint16_t src_port,
                         uint16_t dst_port, struct tn_socket *connected)
{
    const struct tn_packet answer = {.src = error->dst,
                                     .dst = error->src,
                                     .src_port = dst_port,
                                     .dst_port = src_port,
                                     .vrf = error->vrf,
                                     .family = error->family};
    if (!connected && !self->core->socket_lookup(self, &answer)) {
        tn_count(self, UDP_ERRORS_UNMATCHED);
        return;
    }
    tn_count(self, UDP_ERRORS_SOFT);
    self->core->path_mtu(self, error);
    if (connected && connected->mtu_discover >= TN_MTU_DO)
        self->core->socket_soft_error(self, connected, EMSGSIZE);
}

/* News about a datagram that was sent. A hard error (nobody listens there) is the socket's next result; of a
 * soft one it only takes note (RFC 1122 §4.1.3.3). Sockets that are not connected have no use for either:
 * they could not tell which of their datagrams is meant. */
static void udp_error(struct tn_self *self, const struct tn_net_error *error)
{
    struct tn_cursor c = error->quote;
    uint16_t src_port = tn_read16(&c), dst_port = tn_read16(&c);
    struct tn_socket *sock = NULL;
    if (!c.failed)
        sock = self->core->socket_lookup_tuple(self, error->family, error->vrf, &error->src, src_port,
                                               &error->dst, dst_port);
    if (error->error == EMSGSIZE && !c.failed) {
        udp_path_mtu(self, error, src_port, dst_port, sock);
        return;
    }
    if (!sock) {
        tn_count(self, UDP_ERRORS_UNMATCHED);
    } else if (error->hard) {
        tn_count(self, UDP_ERRORS_HARD);
        self->core->socket_soft_error(self, sock, error->error);
    } else {
        tn_count(self, UDP_ERRORS_SOFT);
        sock->soft_error = error->error;
    }
}

/* ---- Out ---- */

static size_t udp_header_length(struct tn_self *self, struct tn_cursor header)
{
    return tn_left(&header) < sizeof(struct tn_udp_header) ? 0 : sizeof(struct tn_udp_header);
}

static void udp_fix_segment(struct tn_self *self, struct tn_packet *segment, uint32_t offset, bool last)
{
    struct tn_udp_header *udp = (struct tn_udp_header *)(void *)segment->data;
    udp->len = tn_to_be16((uint16_t)segment->total);
    uint16_t sum = tn_sum_fold(tn_sum_pseudo(&segment->src, &segment->dst, TN_IPPROTO_UDP, segment->total));
    memcpy(&udp->checksum, &sum, sizeof(sum));
}

TN_RARE static int udp_refuse_to_send(struct tn_self *self, struct tn_packet *packet, int err)
{
    self->core->packet_free(self, packet);
    return err;
}

static int udp_send(struct tn_self *self, struct tn_socket *sock, struct tn_packet *packet,
                    const struct tn_path *path)
{
    bool too_long = packet->total > UINT16_MAX - sizeof(struct tn_udp_header);
    if (tn_unlikely(too_long || packet->dst_port == 0)) /* as source, port 0 is legal; nobody can be there */
        return udp_refuse_to_send(self, packet, too_long ? -EMSGSIZE : -EINVAL);
    return udp_output(self, packet, path);
}

/* ---- Sockets ---- */

static int udp_open(struct tn_self *self, struct tn_socket *sock)
{
    const struct udp_options *options = self->options;
    sock->rcvbuf = (uint32_t)options->receive_buffer;
    return 0;
}

static void udp_close(struct tn_self *self, struct tn_socket *sock, bool abort)
{
    self->core->socket_free(self, sock); /* there is nothing to wait for */
}

static const char *udp_state_name(struct tn_self *self, const struct tn_socket *sock)
{
    return sock->flags & TN_SOCK_CONNECTED ? "CONNECTED" : sock->port ? "BOUND" : "UNBOUND";
}

/* ---- For people ---- */

/* "53 > 40123 len 120" */
static void udp_describe(const struct tn_packet *packet, struct tn_cursor *cursor, struct tn_text *out,
                         struct tn_next *next)
{
    const struct tn_udp_header *udp = tn_read_header(cursor, struct tn_udp_header);
    if (!udp) {
        tn_text_add(out, "truncated");
        return;
    }
    size_t len = tn_be16(udp->len);
    tn_text_add(out, "%u > %u", tn_be16(udp->src_port), tn_be16(udp->dst_port));
    if (len < sizeof(*udp))
        tn_text_add(out, " bad length %zu", len);
    else
        tn_text_add(out, " len %zu", len - sizeof(*udp));
    if (tn_be16(udp->checksum) == 0 && packet->checksum != TN_CHECKSUM_PARTIAL)
        tn_text_add(out, " no checksum");
}

/* ---- The plugin ---- */

static const struct tn_claim udp_claims[] = {
    {.table = TN_TABLE_IPPROTO, .key = TN_IPPROTO_UDP, .input = 0},
};
static tn_input_fn *const udp_inputs[] = {udp_input};
static const struct tn_option udp_option_list[] = {
    {"receive-buffer", TN_OPTION_SIZE, offsetof(struct udp_options, receive_buffer)},
};
static const struct tn_name udp_counters[] = {UDP_COUNTERS(TN_NAME_ENTRY)};
static const struct tn_name udp_drops[] = {UDP_DROPS(TN_NAME_ENTRY)};
static const struct tn_transport_ops udp_transport = {
    .type = SOCK_DGRAM,
    .header_size = sizeof(struct tn_udp_header),
    .open = udp_open,
    .send_datagram = udp_send,
    .close = udp_close,
    .error = udp_error,
    .state_name = udp_state_name,
    .header_length = udp_header_length,
    .fix_segment = udp_fix_segment,
};

static const struct tn_plugin udp_plugin = {
    TN_PLUGIN_HEADER,
    .name = "udp",
    .version = "0.1.0",
    .kind = "transport",
    .schema = "udp/2",
    .state_size = sizeof(struct udp_state),
    .options_size = sizeof(struct udp_options),
    .claims = udp_claims,
    .claim_count = TN_ARRAY_SIZE(udp_claims),
    .options = udp_option_list,
    .option_count = TN_ARRAY_SIZE(udp_option_list),
    .inputs = udp_inputs,
    .input_count = TN_ARRAY_SIZE(udp_inputs),
    .counters = udp_counters,
    .counter_count = TN_ARRAY_SIZE(udp_counters),
    .drops = udp_drops,
    .drop_count = TN_ARRAY_SIZE(udp_drops),
    .describe = udp_describe,
    .transport = &udp_transport,
    .flush = udp_send_held,
    .stop = udp_drop_held,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &udp_plugin;
}
