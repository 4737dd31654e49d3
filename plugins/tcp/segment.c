/* segment.c: making segments and sending them.
 *
 * A segment is a small packet with the header, followed by views (clones) of the pieces of the send queue that hold its
 * octets, so data is copied once, by the user's send. Little data is copied into the header's packet instead, which is
 * cheaper than a view. The checksum is left for the device or the core to complete, and so is the cutting of a super-frame:
 * a packet with the payload of many segments (TN_GSO_TCP4). */
#include "congestion.h"
#include "output.h"
#include "reassembly.h"
#include "urgent.h"
#include "user_timeout.h"
#include "window.h"

#define COPY_MAX 256 /* header, options and this fit a small buffer */

/* ---- Payload ---- */

/* The packet of the send queue that holds octet `seq`, and where in it; NULL if there is none. New data is looked for
 * from where the last was found, not from the head of the queue. */
static struct tn_packet *locate(struct tcp_conn *conn, uint32_t seq, uint32_t *offset)
{
    struct tn_packet *p = conn->tx_packet;
    uint32_t start = conn->tx_seq;
    /* What lies before snd_una may have been freed. */
    if (!p || tcp_lt(start, conn->snd_una) || tcp_lt(seq, start)) {
        p = tcp_socket(conn)->tx.head;
        start = conn->snd_una;
    }
    while (p && seq - start >= p->total) {
        start += p->total;
        p = p->next;
    }
    if (p && !tcp_lt(seq, conn->snd_nxt)) {
        conn->tx_packet = p;
        conn->tx_seq = start;
    }
    *offset = seq - start;
    return p;
}

static struct tn_packet *view(struct tn_self *self, struct tn_packet *of, uint32_t offset, uint32_t len)
{
    struct tn_packet *clone = self->core->packet_clone(self, of);
    if (clone) {
        tn_packet_pull(clone, offset);
        tn_packet_trim(clone, len);
    }
    return clone;
}

/* Hangs views of the octets behind `packet`; false if there was no memory. */
static bool add_views(struct tn_self *self, struct tcp_conn *conn, struct tn_packet *packet, uint32_t seq,
                      uint32_t len)
{
    uint32_t offset;
    struct tn_packet *from = locate(conn, seq, &offset);
    struct tn_packet **link = &packet->more;
    while (len > 0) {
        assert(from);
        uint32_t n = tcp_min32(len, from->total - offset);
        *link = view(self, from, offset, n);
        if (!*link)
            return false;
        link = &(*link)->more;
        packet->total += n;
        len -= n;
        offset = 0;
        from = from->next;
    }
    return true;
}

static void copy_octets(struct tn_self *self, struct tcp_conn *conn, uint8_t *to, uint32_t seq, uint32_t len)
{
    uint32_t offset;
    struct tn_packet *from = locate(conn, seq, &offset);
    while (len > 0) {
        assert(from);
        uint32_t n = tcp_min32(len, from->total - offset);
        if (tn_likely(!from->more))
            memcpy(to, from->data + offset, n);
        else
            self->core->packet_read(from, offset, to, n);
        to += n;
        len -= n;
        offset = 0;
        from = from->next;
    }
}

/* A packet that holds (or leads) the octets; NULL if there was no memory. */
static struct tn_packet *payload(struct tn_self *self, struct tcp_conn *conn, uint32_t seq, uint32_t len)
{
    bool small = len <= COPY_MAX;
    struct tn_packet *packet = self->core->packet_new(self, small ? len : 0);
    if (!packet)
        return NULL;
    if (small) {
        copy_octets(self, conn, packet->data, seq, len);
    } else if (!add_views(self, conn, packet, seq, len)) {
        self->core->packet_free(self, packet);
        return NULL;
    }
    return packet;
}

/* ---- Header ---- */

static inline void push_header(struct tn_packet *packet, const struct tcp_header *from)
{
    size_t len = sizeof(struct tn_tcp_header) + from->options_len;
    struct tn_tcp_header *header = tn_packet_push(packet, len);
    header->src_port = tn_to_be16(packet->src_port);
    header->dst_port = tn_to_be16(packet->dst_port);
    header->seq = tn_to_be32(from->seq);
    header->ack = tn_to_be32(from->ack);
    header->offset = (uint8_t)(len / 4 << 4);
    header->flags = from->flags;
    header->window = tn_to_be16(from->window);
    header->urgent = tn_to_be16(from->urgent);
    if (from->options_len)
        memcpy(header + 1, from->options, from->options_len);

    packet->protocol = IPPROTO_TCP;
    packet->transport = tn_packet_offset(packet);
    packet->checksum = TN_CHECKSUM_PARTIAL;
    packet->csum_start = packet->transport;
    packet->csum_offset = offsetof(struct tn_tcp_header, checksum);
    uint16_t pseudo = tn_sum_fold(tn_sum_pseudo(&packet->src, &packet->dst, IPPROTO_TCP, packet->total));
    memcpy(&header->checksum, &pseudo, sizeof(pseudo));
}

void tcp_push_header(struct tn_packet *packet, const struct tcp_header *from)
{
    push_header(packet, from);
}

/* Sends the packet, whose data is the payload, as a segment of the connection. Inline, for it is what each segment that is sent
 * goes through. */
static inline void emit(struct tn_self *self, struct tcp_conn *conn, struct tn_packet *packet,
                        const struct tcp_header *header)
{
    const struct tn_socket *sock = tcp_socket(conn);
    packet->src = sock->local;
    packet->dst = sock->remote;
    packet->src_port = sock->local_port;
    packet->dst_port = sock->remote_port;
    packet->vrf = sock->vrf;
    packet->family = sock->family;
    packet->ttl = sock->ttl;
    packet->tos = sock->tos | header->ecn; /* whose last two bits are 0 in a stream's socket */
    packet->flags |= TN_PKT_DONT_FRAGMENT; /* RFC 1191 §3 */
    packet->serial = conn->cause;
    push_header(packet, header);
    tn_count(self, TCP_SEGMENTS_OUT);
    self->core->network_output(self, packet, &sock->path); /* what it refuses is lost, and sent again */
}

/* ---- Super-frames ---- */

size_t tcp_header_length(struct tn_self *self, struct tn_cursor header)
{
    const struct tn_tcp_header *tcp = tn_read_header(&header, struct tn_tcp_header);
    size_t len = tcp ? tn_tcp_header_length(tcp) : 0;
    return len >= sizeof(*tcp) && len <= tn_left(&header) + sizeof(*tcp) ? len : 0;
}

void tcp_fix_segment(struct tn_self *self, struct tn_packet *segment, uint32_t offset, bool last)
{
    struct tn_tcp_header *header = (struct tn_tcp_header *)(void *)segment->data;
    header->seq = tn_to_be32(tn_be32(header->seq) + offset);
    if (!last)
        header->flags &= (uint8_t) ~(TN_TCP_FIN | TN_TCP_PSH);
    if (offset > 0)
        header->flags &= (uint8_t)~TN_TCP_CWR; /* once a window (RFC 3168 §6.1.2) */
    uint16_t pseudo = tn_sum_fold(tn_sum_pseudo(&segment->src, &segment->dst, IPPROTO_TCP, segment->total));
    memcpy(&header->checksum, &pseudo, sizeof(pseudo));
}

/* ---- Segments of a connection ---- */

static uint32_t timestamp(struct tn_self *self, const struct tcp_conn *conn)
{
    return tcp_clock(self) + conn->ts_offset;
}

/* Every segment but a SYN-SENT's SYN carries an acknowledgement: none is due any more. */
static void note_ack_sent(struct tcp_conn *conn)
{
    conn->flags &= ~(TCP_ACK_NOW | TCP_ACK_LATER);
    conn->ack_at = TN_NEVER;
    conn->unacked = 0;
    conn->dup_acks_due = 0;
    conn->last_ack_sent = conn->rcv_nxt;
}

/* Timestamps, and what few connections have. */
static size_t write_options(struct tn_self *self, struct tcp_conn *conn, uint8_t *options)
{
    size_t len = 0;
    if (conn->flags & TCP_TIMESTAMPS)
        len = tcp_write_timestamps(options, timestamp(self, conn), conn->ts_recent);
    return conn->rare ? len + tcp_uto_write(self, conn, options + len) : len;
}

/* A full segment leaves no room for the option: it goes ahead, alone (RFC 5482 §3: in the next segment). */
static void send_what_does_not_fit(struct tn_self *self, struct tcp_conn *conn, uint32_t len)
{
    if (conn->rare->uto_due && len + TN_TCP_OPTLEN_USER_TIMEOUT > conn->mss)
        tcp_send_ack(self, conn);
}

bool tcp_send_segment(struct tn_self *self, struct tcp_conn *conn, uint32_t seq, uint32_t len, uint8_t flags)
{
    if (conn->rare)
        send_what_does_not_fit(self, conn, len);
    struct tn_packet *packet = payload(self, conn, seq, len);
    if (!packet)
        return false;
    if (len > 0 && seq + len == tcp_data_end(conn)) /* MUST-61 */
        flags |= TN_TCP_PSH;
    uint8_t options[TN_TCP_OPTIONS_MAX];
    struct tcp_header header = {
        .seq = seq,
        .ack = conn->rcv_nxt,
        .window = tcp_window_offer(self, conn, false),
        .flags = flags | TN_TCP_ACK,
        .options = options,
    };
    header.ecn = tcp_ecn_send(conn, seq, len, &header.flags);
    if (conn->rare)
        tcp_urgent_send(conn, &header);
    header.options_len = write_options(self, conn, options);
    note_ack_sent(conn);
    if (len > conn->mss) {
        packet->gso = tcp_socket(conn)->family == AF_INET ? TN_GSO_TCP4 : TN_GSO_TCP6;
        packet->gso_size = conn->mss;
        tn_count(self, TCP_SUPER_FRAMES_OUT);
        tn_count_add(self, TCP_SEGMENTS_OUT, (len - 1) / conn->mss);
    }
    emit(self, conn, packet, &header);
    return true;
}

/* As many as there is room for (RFC 2018 §3). */
static size_t write_sack_blocks(struct tcp_conn *conn, uint8_t *options, size_t len)
{
    if (!(conn->flags & TCP_SACK) || (!conn->reassembly && !(conn->flags & TCP_DSACK)))
        return 0;
    uint32_t blocks[TN_TCP_SACK_BLOCKS_MAX][2];
    size_t max = tn_min((TN_TCP_OPTIONS_MAX - len - 4) / TN_TCP_OPTLEN_SACK_BLOCK, TN_TCP_SACK_BLOCKS_MAX);
    size_t count = tcp_reassembly_blocks(conn, blocks, max);
    conn->flags &= ~TCP_DSACK;
    return tcp_write_sack(options + len, (const uint32_t(*)[2])blocks, count);
}

void tcp_send_ack_at(struct tn_self *self, struct tcp_conn *conn, uint32_t seq)
{
    struct tn_packet *packet = self->core->packet_new(self, 0);
    if (!packet)
        return;
    uint8_t options[TN_TCP_OPTIONS_MAX];
    size_t len = write_options(self, conn, options);
    len += write_sack_blocks(conn, options, len);
    struct tcp_header header = {
        .seq = seq,
        .ack = conn->rcv_nxt,
        .window = tcp_window_offer(self, conn, false),
        .flags = TN_TCP_ACK,
        .options = options,
        .options_len = len,
    };
    header.ecn = tcp_ecn_send(conn, seq, 0, &header.flags);
    if (conn->rare)
        tcp_urgent_send(conn, &header);
    note_ack_sent(conn);
    tn_count(self, TCP_ACKS_OUT);
    emit(self, conn, packet, &header);
}

void tcp_send_ack(struct tn_self *self, struct tcp_conn *conn)
{
    tcp_send_ack_at(self, conn, conn->snd_nxt);
}

uint16_t tcp_path_mss(struct tn_self *self, uint8_t family, const struct tn_path *path)
{
    const struct tn_interface *ifc = self->core->interface(self, path->ifindex);
    uint32_t mtu = ifc && path->kind != TN_PATH_LOCAL ? ifc->mtu : path->mtu;
    /* MUST-67: MMS_R - 20, whatever options are sent */
    uint32_t header = self->core->header_size(self, family) + (uint32_t)sizeof(struct tn_tcp_header);
    return (uint16_t)(tcp_min32(mtu, UINT16_MAX) - tcp_min32(mtu, header));
}

void tcp_send_syn(struct tn_self *self, struct tcp_conn *conn)
{
    struct tn_packet *packet = self->core->packet_new(self, 0);
    if (!packet)
        return;
    bool answer = conn->state == TCP_ST_SYN_RECEIVED;
    const struct tn_socket *sock = tcp_socket(conn);
    uint8_t options[TN_TCP_OPTIONS_MAX];
    uint16_t mss = tcp_path_mss(self, sock->family, &sock->path);
    if (tcp_rare_of(conn)->max_segment)
        mss = (uint16_t)tcp_min32(mss, tcp_rare_of(conn)->max_segment);
    size_t len = tcp_write_syn_options(options, conn->flags, mss, conn->rcv_scale, timestamp(self, conn),
                                       answer ? conn->ts_recent : 0);
    len += tcp_uto_write_syn(self, conn, options + len);
    struct tcp_header header = {
        .seq = conn->iss,
        .ack = answer ? conn->rcv_nxt : 0,
        .window = tcp_window_offer(self, conn, true),
        .flags = (answer ? TN_TCP_SYN | TN_TCP_ACK : TN_TCP_SYN) | tcp_ecn_syn_flags(conn),
        .options = options,
        .options_len = len,
    };
    if (answer)
        note_ack_sent(conn);
    emit(self, conn, packet, &header);
}

/* ---- Resets ---- */

void tcp_send_reset(struct tn_self *self, struct tcp_conn *conn)
{
    struct tn_packet *packet = self->core->packet_new(self, 0);
    if (!packet)
        return;
    if (tcp_find_path(self, conn) < 0) {
        self->core->packet_free(self, packet);
        return;
    }
    struct tcp_header header = {
        .seq = conn->snd_nxt,
        .ack = conn->rcv_nxt,
        .flags = TN_TCP_RST | TN_TCP_ACK,
    };
    tn_count(self, TCP_RESETS_OUT);
    emit(self, conn, packet, &header);
}
