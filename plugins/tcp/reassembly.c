/* reassembly.c: data that came out of order.
 *
 * It is kept in blocks: octets without a gap, in one record with a queue of packets. Blocks neither overlap nor touch,
 * so they are what selective acknowledgements report (RFC 2018). What is already there is kept, what comes later is cut to
 * fit the gap.
 *
 * Blocks stand in three orders: by sequence number, in a list, whose places are found by a treap (a search tree on
 * sequence numbers that is a heap on random priorities, so that no order of arrival can make it deep); and by when they last
 * grew, the newest first, which is the order of reporting. A segment costs as many steps as the tree is deep, and one for
 * each block that it covers, which is then gone.
 *
 * Limits: the window bounds the octets, the option reassembly-limit the packets. A small segment is copied behind the one
 * before it where there is room, so that it does not hold a buffer of its own; and when packets run out, nothing is kept. */
#include "reassembly.h"

/* RFC 2883 §4: what came twice, to be reported once. */
static void note_duplicate(struct tcp_conn *conn, uint32_t start, uint32_t end)
{
    if (!(conn->flags & TCP_SACK))
        return;
    conn->dsack_start = start;
    conn->dsack_end = end;
    conn->flags |= TCP_DSACK;
}

/* ---- The tree ---- */

/* The last block that begins at `seq` or before; NULL if all begin later. */
static struct tcp_block *find_before(const struct tcp_reassembly *r, uint32_t seq)
{
    struct tcp_block *found = NULL;
    for (struct tcp_block *b = r->root; b;) {
        bool before = tcp_le(b->start, seq);
        found = before ? b : found;
        b = before ? b->right : b->left;
    }
    return found;
}

/* Those that begin before `at`, and the rest. */
static void tree_split(struct tcp_block *tree, uint32_t at, struct tcp_block **before,
                       struct tcp_block **rest)
{
    while (tree) {
        if (tcp_lt(tree->start, at)) {
            *before = tree;
            before = &tree->right;
            tree = tree->right;
        } else {
            *rest = tree;
            rest = &tree->left;
            tree = tree->left;
        }
    }
    *before = NULL;
    *rest = NULL;
}

static void tree_insert(struct tcp_reassembly *r, struct tcp_block *block)
{
    struct tcp_block **link = &r->root;
    while (*link && (*link)->priority >= block->priority)
        link = tcp_lt((*link)->start, block->start) ? &(*link)->right : &(*link)->left;
    tree_split(*link, block->start, &block->left, &block->right);
    *link = block;
}

/* Puts its two subtrees where the block was. */
static void tree_remove(struct tcp_reassembly *r, struct tcp_block *block)
{
    struct tcp_block **link = &r->root, *left = block->left, *right = block->right;
    while (*link != block)
        link = tcp_lt((*link)->start, block->start) ? &(*link)->right : &(*link)->left;
    while (left && right) {
        if (left->priority >= right->priority) {
            *link = left;
            link = &left->right;
            left = left->right;
        } else {
            *link = right;
            link = &right->left;
            right = right->left;
        }
    }
    *link = left ? left : right;
}

/* ---- The lists ---- */

static void list_insert(struct tcp_reassembly *r, struct tcp_block *before, struct tcp_block *block)
{
    block->prev = before;
    block->next = before ? before->next : r->first;
    *(block->prev ? &block->prev->next : &r->first) = block;
    *(block->next ? &block->next->prev : &r->last) = block;
}

static void list_remove(struct tcp_reassembly *r, struct tcp_block *block)
{
    *(block->prev ? &block->prev->next : &r->first) = block->next;
    *(block->next ? &block->next->prev : &r->last) = block->prev;
}

static void newest_remove(struct tcp_reassembly *r, struct tcp_block *block)
{
    *(block->newer ? &block->newer->older : &r->newest) = block->older;
    if (block->older)
        block->older->newer = block->newer;
}

static void newest_insert(struct tcp_reassembly *r, struct tcp_block *block)
{
    block->newer = NULL;
    block->older = r->newest;
    if (r->newest)
        r->newest->newer = block;
    r->newest = block;
}

/* ---- Records ---- */

/* The connection's; made with the first block, gone with the last. */
static struct tcp_reassembly *reassembly_of(struct tn_self *self, struct tcp_conn *conn)
{
    if (!conn->reassembly)
        conn->reassembly = self->core->slab_alloc(tcp_state(self)->reassemblies);
    return conn->reassembly;
}

static void put_if_empty(struct tn_self *self, struct tcp_conn *conn)
{
    if (!conn->reassembly || conn->reassembly->first)
        return;
    self->core->slab_free(tcp_state(self)->reassemblies, conn->reassembly);
    conn->reassembly = NULL;
}

static struct tcp_block *block_new(struct tn_self *self, struct tcp_conn *conn, struct tcp_block *before,
                                   uint32_t start)
{
    struct tcp_block *block = self->core->slab_alloc(tcp_state(self)->blocks);
    if (!block)
        return NULL;
    block->start = start;
    block->end = start;
    block->priority = (uint32_t)self->core->random(self);
    tree_insert(conn->reassembly, block);
    list_insert(conn->reassembly, before, block);
    newest_insert(conn->reassembly, block);
    return block;
}

/* Its packets are the caller's. */
static void block_free(struct tn_self *self, struct tcp_conn *conn, struct tcp_block *block)
{
    tree_remove(conn->reassembly, block);
    list_remove(conn->reassembly, block);
    newest_remove(conn->reassembly, block);
    self->core->slab_free(tcp_state(self)->blocks, block);
}

static void block_discard(struct tn_self *self, struct tcp_conn *conn, struct tcp_block *block)
{
    struct tn_packet *next;
    for (struct tn_packet *p = block->head; p; p = next) {
        next = p->next;
        conn->reassembly->held--;
        self->core->packet_free(self, p);
    }
    block_free(self, conn, block);
}

/* ---- Keeping ---- */

/* Whether the packet uses so little of its buffer that its octets are better moved behind those of `to`. */
static bool fits_behind(const struct tn_packet *to, const struct tn_packet *packet)
{
    return to && !to->more && !packet->more && packet->len < packet->buffer->size / 4 &&
           tn_packet_writable(to) && tn_packet_tailroom(to) >= packet->len;
}

static void block_append(struct tn_self *self, struct tcp_conn *conn, struct tcp_block *block,
                         struct tn_packet *packet)
{
    struct tn_packet *tail = block->tail;
    uint32_t start = block->end;
    block->end += packet->total;
    if (fits_behind(tail, packet)) {
        memcpy(tn_packet_put(tail, packet->len), packet->data, packet->len);
        self->core->packet_free(self, packet);
        return;
    }
    packet->scratch[0] = start;
    packet->next = NULL;
    *(tail ? &tail->next : &block->head) = packet;
    block->tail = packet;
    conn->reassembly->held++;
}

static bool refuse(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    put_if_empty(self, conn);
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
    block_free(self, conn, next);
}

/* Cuts off the packet, which is to be put behind `block`, what the blocks after it have; those that it covers go. */
static void make_fit(struct tn_self *self, struct tcp_conn *conn, const struct tcp_block *block,
                     struct tn_packet *packet)
{
    uint32_t end = block->end + packet->total;
    while (block->next && tcp_le(block->next->end, end))
        block_discard(self, conn, block->next);
    if (block->next && tcp_lt(block->next->start, end))
        tn_packet_trim(packet, block->next->start - block->end);
}

bool tcp_reassembly_keep(struct tn_self *self, struct tcp_conn *conn, struct tcp_segment *seg)
{
    struct tcp_reassembly *r = reassembly_of(self, conn);
    if (!r)
        return refuse(self, conn, seg);
    uint32_t end = seg->seq + seg->len;
    struct tcp_block *before = find_before(r, seg->seq);
    bool touches = before && tcp_le(seg->seq, before->end);
    if (touches && tcp_le(end, before->end)) {
        note_duplicate(conn, seg->seq, end);
        tn_drop(self, seg->packet, TCP_DROP_OLD_DATA);
        return false;
    }
    if (r->held >= tcp_options(self)->reassembly_limit || self->core->packets_scarce(self))
        return refuse(self, conn, seg);
    struct tcp_block *block = touches ? before : block_new(self, conn, before, seg->seq);
    if (!block)
        return refuse(self, conn, seg);
    tn_packet_pull(seg->packet, block->end - seg->seq);
    make_fit(self, conn, block, seg->packet);
    block_append(self, conn, block, seg->packet);
    newest_remove(r, block);
    newest_insert(r, block);
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

/* Octets of the packet may have come in order meanwhile. */
static void deliver_kept(struct tn_self *self, struct tcp_conn *conn, struct tn_packet *packet)
{
    uint32_t old = conn->rcv_nxt - packet->scratch[0];
    packet->next = NULL;
    conn->reassembly->held--;
    if (old >= packet->total) {
        self->core->packet_free(self, packet);
        return;
    }
    tn_packet_pull(packet, old);
    tcp_deliver(self, conn, packet);
}

TN_APART uint32_t tcp_reassembly_deliver(struct tn_self *self, struct tcp_conn *conn)
{
    uint32_t from = conn->rcv_nxt;
    struct tcp_block *block;
    while ((block = conn->reassembly->first) != NULL && tcp_le(block->start, conn->rcv_nxt)) {
        struct tn_packet *next;
        for (struct tn_packet *p = block->head; p; p = next) {
            next = p->next;
            deliver_kept(self, conn, p);
        }
        block_free(self, conn, block);
    }
    put_if_empty(self, conn);
    return conn->rcv_nxt - from;
}

/* ---- Reporting ---- */

size_t tcp_reassembly_blocks(const struct tcp_conn *conn, uint32_t (*blocks)[2], size_t max)
{
    size_t count = 0;
    if (conn->flags & TCP_DSACK) {
        blocks[count][0] = conn->dsack_start;
        blocks[count++][1] = conn->dsack_end;
    }
    const struct tcp_block *block = conn->reassembly ? conn->reassembly->newest : NULL;
    for (; block && count < max; block = block->older) {
        blocks[count][0] = block->start;
        blocks[count++][1] = block->end;
    }
    return count;
}

uint32_t tcp_reassembly_end(const struct tcp_conn *conn)
{
    return conn->reassembly ? conn->reassembly->last->end : conn->rcv_nxt;
}

void tcp_reassembly_free(struct tn_self *self, struct tcp_conn *conn)
{
    while (conn->reassembly && conn->reassembly->first)
        block_discard(self, conn, conn->reassembly->first);
    put_if_empty(self, conn);
}
