/* reassembly.c: data that came out of order.
 *
 * It is kept in blocks: octets without a gap, in one record with a queue of packets. Blocks neither overlap nor touch,
 * so they are what selective acknowledgements report (RFC 2018), and a segment is found its place by passing blocks, not
 * packets. What is already there is kept, what comes later is cut to fit the gap.
 *
 * Limits: the window bounds the octets, the option reassembly-limit the packets, BLOCKS_MAX the gaps, and with them the
 * work that a hostile peer can cause with one segment. */
#include "tcp.h"

#define BLOCKS_MAX 128

/* RFC 2883 §4: what came twice, to be reported once. */
static void note_duplicate(struct tcp_conn *conn, uint32_t start, uint32_t end)
{
    if (!(conn->flags & TCP_SACK))
        return;
    conn->dsack_start = start;
    conn->dsack_end = end;
    conn->flags |= TCP_DSACK;
}

/* ---- Records ---- */

static struct tcp_block *block_new(struct tn_self *self, struct tcp_conn *conn)
{
    if (conn->block_count >= BLOCKS_MAX)
        return NULL;
    struct tcp_block *block = self->core->slab_alloc(tcp_state(self)->blocks);
    if (block)
        conn->block_count++;
    return block;
}

static void block_append(struct tcp_block *block, struct tn_packet *packet, uint32_t start)
{
    packet->scratch[0] = start;
    packet->next = NULL;
    if (block->tail)
        block->tail->next = packet;
    else
        block->head = packet;
    block->tail = packet;
    block->end = start + packet->total;
}

/* Takes the block at *link out of the list and frees its record; its packets are the caller's. */
static void block_unlink(struct tn_self *self, struct tcp_conn *conn, struct tcp_block **link)
{
    struct tcp_block *block = *link;
    *link = block->next;
    conn->block_count--;
    self->core->slab_free(tcp_state(self)->blocks, block);
}

static void block_free(struct tn_self *self, struct tcp_conn *conn, struct tcp_block **link)
{
    struct tn_packet *next;
    for (struct tn_packet *p = (*link)->head; p; p = next) {
        next = p->next;
        conn->held--;
        self->core->packet_free(self, p);
    }
    block_unlink(self, conn, link);
}

/* ---- Keeping ---- */

static bool refuse(struct tn_self *self, struct tcp_segment *seg)
{
    tn_drop(self, seg->packet, TCP_DROP_REASSEMBLY_FULL);
    return false;
}

/* The block that goes on where `block` ends joins it. */
static void join_next(struct tn_self *self, struct tcp_conn *conn, struct tcp_block *block)
{
    struct tcp_block *next = block->next;
    if (!next || next->start != block->end)
        return;
    block->tail->next = next->head;
    block->tail = next->tail;
    block->end = next->end;
    block_unlink(self, conn, &block->next);
}

/* Cuts what overlaps the blocks at *link and after off the packet, which begins at `start`. */
static void make_fit(struct tn_self *self, struct tcp_conn *conn, struct tcp_block **link, uint32_t start,
                     struct tn_packet *packet)
{
    uint32_t end = start + packet->total;
    while (*link && tcp_le((*link)->end, end))
        block_free(self, conn, link);
    if (*link && tcp_lt((*link)->start, end))
        tn_packet_trim(packet, (*link)->start - start);
}

bool tcp_reassembly_keep(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    uint32_t start = seg->seq;
    struct tcp_block **link = &conn->blocks;
    while (*link && tcp_lt((*link)->end, start))
        link = &(*link)->next;
    struct tcp_block *block = *link && tcp_le((*link)->start, start) ? *link : NULL;
    if (block && tcp_le(start + seg->len, block->end)) {
        note_duplicate(conn, start, start + seg->len);
        tn_drop(self, seg->packet, TCP_DROP_OLD_DATA);
        return false;
    }
    if (conn->held >= tcp_options(self)->reassembly_limit || self->core->packets_scarce(self))
        return refuse(self, seg);
    if (block) {
        tn_packet_pull(seg->packet, block->end - start);
        start = block->end;
        make_fit(self, conn, &block->next, start, seg->packet);
    } else {
        block = block_new(self, conn);
        if (!block)
            return refuse(self, seg);
        make_fit(self, conn, link, start, seg->packet);
        block->start = start;
        block->next = *link;
        *link = block;
    }
    block_append(block, seg->packet, start);
    block->stamp = ++conn->stamp;
    conn->held++;
    join_next(self, conn, block);
    return true;
}

/* ---- Delivering ---- */

void tcp_deliver(struct tn_self *self, struct tcp_conn *conn, struct tn_packet *packet)
{
    uint32_t octets = packet->total;
    conn->rcv_nxt += octets;
    tn_count_add(self, TCP_DATA_IN, octets);
    if (!self->core->socket_deliver(self, tcp_socket(conn), packet))
        self->core->packet_free(self, packet);
}

uint32_t tcp_reassembly_deliver(struct tn_self *self, struct tcp_conn *conn)
{
    uint32_t from = conn->rcv_nxt;
    while (conn->blocks && tcp_le(conn->blocks->start, conn->rcv_nxt)) {
        struct tcp_block *block = conn->blocks;
        struct tn_packet *next;
        for (struct tn_packet *p = block->head; p; p = next) {
            next = p->next;
            p->next = NULL;
            conn->held--;
            uint32_t old = conn->rcv_nxt - p->scratch[0]; /* octets that came in order meanwhile */
            if (old >= p->total) {
                self->core->packet_free(self, p);
                continue;
            }
            tn_packet_pull(p, old);
            tcp_deliver(self, conn, p);
        }
        block_unlink(self, conn, &conn->blocks);
    }
    return conn->rcv_nxt - from;
}

/* ---- Reporting ---- */

static const struct tcp_block *newest_before(const struct tcp_conn *conn, uint32_t stamp)
{
    const struct tcp_block *newest = NULL;
    for (const struct tcp_block *b = conn->blocks; b; b = b->next)
        if (tcp_lt(b->stamp, stamp) && (!newest || tcp_lt(newest->stamp, b->stamp)))
            newest = b;
    return newest;
}

size_t tcp_reassembly_blocks(const struct tcp_conn *conn, uint32_t (*blocks)[2], size_t max)
{
    size_t count = 0;
    if (conn->flags & TCP_DSACK) {
        blocks[count][0] = conn->dsack_start;
        blocks[count++][1] = conn->dsack_end;
    }
    uint32_t stamp = conn->stamp + 1;
    const struct tcp_block *block;
    while (count < max && (block = newest_before(conn, stamp)) != NULL) {
        blocks[count][0] = block->start;
        blocks[count++][1] = block->end;
        stamp = block->stamp;
    }
    return count;
}

void tcp_reassembly_free(struct tn_self *self, struct tcp_conn *conn)
{
    while (conn->blocks)
        block_free(self, conn, &conn->blocks);
}
