/* reassembly.c: datagrams from fragments (RFC 791 §3.2, RFC 815, RFC 1122 §3.3.2).
 *
 * A datagram that is being put together has a buffer in which every fragment's data is copied to its place,
 * and a bitmap of the blocks of 8 bytes that are there. So a fragment costs what its own length costs, in
 * whatever order fragments come and however many there are, and the result is one piece.
 *
 * A fragment that was there already is passed over; one that overlaps what is there in any other way makes
 * the datagram worthless (somebody is trying to show two receivers two different things, RFC 1858), and it is
 * dropped whole.
 *
 * Limits: datagrams, datagrams of one source, bytes; and while the stack's packets or buffers are scarce there is one
 * datagram. The oldest goes first. Time: as configured since the first fragment came, never prolonged. */
#include <errno.h>

#include "ipv4.h"

#define BLOCK       8
#define BITMAP_BITS 64
#define DATA_MAX    (TN_IPV4_TOTAL_MAX - sizeof(struct tn_ipv4_header))

/* What the fragments of a datagram have in common (RFC 791 §3.2), and where they arrived. */
struct ipv4_fragment_key {
    uint8_t src[TN_IPV4_ADDR_LEN];
    uint8_t dst[TN_IPV4_ADDR_LEN];
    uint16_t id;
    uint16_t ifindex;
    uint32_t protocol;
};

struct ipv4_datagram {
    struct ipv4_datagram *hash_next;
    struct ipv4_datagram *older, *newer;
    struct tn_timer timer;
    struct ipv4_fragment_key key;
    uint16_t bucket, source;  /* where it is entered and counted */
    struct tn_packet *packet; /* its data, from the first byte on; the header stands before it */
    uint32_t end;             /* one past the last byte that is there */
    uint32_t have;            /* bytes that are there */
    uint32_t total;           /* of the whole; 0: the last fragment has not come */
    uint32_t first_len;       /* bytes of the first fragment */
    uint8_t header_len;       /* of the first fragment; 0: it has not come */
    uint8_t ecn;              /* a bit for each ECN field seen */
    uint64_t blocks[(TN_IPV4_TOTAL_MAX / BLOCK + BITMAP_BITS) / BITMAP_BITS];
};

/* A fragment, as far as its header says. */
struct ipv4_fragment {
    const struct tn_packet *packet;
    const struct tn_ipv4_header *header;
    const uint8_t *data;
    uint32_t header_len;
    uint32_t offset, len, end;
    bool last;
};

/* ---- The table ---- */

static struct ipv4_reassembly *ipv4_reassembly(struct tn_self *self)
{
    return &ipv4_state(self)->reassembly;
}

static struct ipv4_fragment_key ipv4_key_of(const struct ipv4_fragment *f)
{
    struct ipv4_fragment_key key = {
        .id = tn_be16(f->header->id), .ifindex = f->packet->ifindex, .protocol = f->header->protocol};
    memcpy(key.src, f->header->src, TN_IPV4_ADDR_LEN);
    memcpy(key.dst, f->header->dst, TN_IPV4_ADDR_LEN);
    return key;
}

static uint16_t ipv4_bucket_of(struct tn_self *self, const struct ipv4_fragment_key *key)
{
    return (uint16_t)(self->core->keyed_hash(self, key, sizeof(*key)) % IPV4_REASSEMBLY_BUCKETS);
}

static struct ipv4_datagram *ipv4_find_datagram(struct tn_self *self, const struct ipv4_fragment_key *key,
                                                uint16_t bucket)
{
    struct ipv4_datagram *d = ipv4_reassembly(self)->buckets[bucket];
    while (d && memcmp(&d->key, key, sizeof(*key)) != 0)
        d = d->hash_next;
    return d;
}

/* Takes the datagram out of the table; its packet is the caller's. */
static struct tn_packet *ipv4_forget(struct tn_self *self, struct ipv4_datagram *d)
{
    struct ipv4_reassembly *r = ipv4_reassembly(self);
    struct tn_packet *packet = d->packet;
    struct ipv4_datagram **at = &r->buckets[d->bucket];
    while (*at != d)
        at = &(*at)->hash_next;
    *at = d->hash_next;
    *(d->older ? &d->older->newer : &r->oldest) = d->newer;
    *(d->newer ? &d->newer->older : &r->newest) = d->older;
    r->of_source[d->source]--;
    r->count--;
    r->bytes -= d->end;
    self->core->timer_stop(self, &d->timer);
    self->core->slab_free(r->slab, d);
    return packet;
}

static void ipv4_drop_datagram(struct tn_self *self, struct ipv4_datagram *d, unsigned reason)
{
    tn_drop(self, ipv4_forget(self, d), reason);
}

static void ipv4_enter(struct tn_self *self, struct ipv4_datagram *d)
{
    struct ipv4_reassembly *r = ipv4_reassembly(self);
    d->hash_next = r->buckets[d->bucket];
    r->buckets[d->bucket] = d;
    d->older = r->newest;
    *(r->newest ? &r->newest->newer : &r->oldest) = d;
    r->newest = d;
    r->of_source[d->source]++;
    r->count++;
    self->core->timer_start(self, &d->timer, ipv4_options(self)->reassembly_timeout, IPV4_TIMER_REASSEMBLY);
}

/* A new datagram for the fragment; otherwise the reason why there is none, in *drop. */
static struct ipv4_datagram *ipv4_new_datagram(struct tn_self *self, const struct ipv4_fragment *f,
                                               const struct ipv4_fragment_key *key, uint16_t bucket,
                                               int *drop)
{
    struct ipv4_reassembly *r = ipv4_reassembly(self);
    const struct ipv4_options *options = ipv4_options(self);
    uint16_t source =
        (uint16_t)(self->core->keyed_hash(self, key->src, sizeof(key->src)) % IPV4_REASSEMBLY_SOURCES);
    *drop = IPV4_DROP_REASSEMBLY_SOURCE_LIMIT;
    if (r->of_source[source] >= options->reassembly_per_source)
        return NULL;
    while (r->count >= options->reassembly_datagrams || (r->oldest && self->core->packets_scarce(self)))
        ipv4_drop_datagram(self, r->oldest, IPV4_DROP_REASSEMBLY_LIMIT);

    *drop = IPV4_DROP_NO_MEMORY;
    struct tn_packet *packet = self->core->packet_new(self, DATA_MAX);
    struct ipv4_datagram *d = packet ? self->core->slab_alloc(r->slab) : NULL;
    if (!d) {
        if (packet)
            self->core->packet_free(self, packet);
        return NULL;
    }
    packet->ifindex = f->packet->ifindex;
    packet->vrf = f->packet->vrf;
    packet->family = f->packet->family;
    packet->protocol = f->packet->protocol;
    packet->src = f->packet->src;
    packet->dst = f->packet->dst;
    d->packet = packet;
    d->key = *key;
    d->bucket = bucket;
    d->source = source;
    ipv4_enter(self, d);
    return d;
}

/* ---- The blocks ---- */

/* The bits of word `word` that stand for blocks [from, to). */
static uint64_t ipv4_block_mask(uint32_t word, uint32_t from, uint32_t to)
{
    uint32_t start = word * BITMAP_BITS;
    uint64_t mask = UINT64_MAX;
    if (from > start)
        mask &= UINT64_MAX << (from - start);
    if (to < start + BITMAP_BITS)
        mask &= UINT64_MAX >> (start + BITMAP_BITS - to);
    return mask;
}

enum ipv4_cover {
    IPV4_COVER_NONE,
    IPV4_COVER_SOME,
    IPV4_COVER_ALL,
};

/* How much of the fragment's blocks is there already. */
static enum ipv4_cover ipv4_covered(const struct ipv4_datagram *d, const struct ipv4_fragment *f)
{
    uint32_t from = f->offset / BLOCK;
    uint32_t to = (f->end + BLOCK - 1) / BLOCK;
    bool some = false, all = true;
    for (uint32_t w = from / BITMAP_BITS; w * BITMAP_BITS < to; w++) {
        uint64_t mask = ipv4_block_mask(w, from, to);
        some |= (d->blocks[w] & mask) != 0;
        all &= (d->blocks[w] & mask) == mask;
    }
    if (!some)
        return IPV4_COVER_NONE;
    return all ? IPV4_COVER_ALL : IPV4_COVER_SOME;
}

static void ipv4_mark(struct ipv4_datagram *d, const struct ipv4_fragment *f)
{
    uint32_t from = f->offset / BLOCK;
    uint32_t to = (f->end + BLOCK - 1) / BLOCK;
    for (uint32_t w = from / BITMAP_BITS; w * BITMAP_BITS < to; w++)
        d->blocks[w] |= ipv4_block_mask(w, from, to);
}

/* ---- Fragments ---- */

/* Whether the fragments would hide a TCP header's flags from those on the way who look at the first one only (RFC 1858
 * §3.2.1, RFC 3128 §4): no network makes such fragments, whose MTU is 68 at least. */
static bool ipv4_is_tiny(const struct ipv4_fragment *f)
{
    const uint8_t tcp = 6;
    const uint32_t flags_end = 16;
    if (f->header->protocol != tcp)
        return false;
    return f->offset == 0 ? f->len < flags_end : f->offset < flags_end;
}

/* What is wrong with the fragment alone. */
static int ipv4_read_fragment(const struct tn_packet *packet, struct ipv4_fragment *f)
{
    f->packet = packet;
    f->header = (const struct tn_ipv4_header *)(const void *)packet->data;
    f->header_len = (uint32_t)tn_ipv4_header_len(f->header);
    f->data = packet->data + f->header_len;
    f->offset = tn_ipv4_fragment_offset(f->header);
    f->len = packet->len - f->header_len;
    f->end = f->offset + f->len;
    f->last = !(tn_be16(f->header->fragment) & TN_IPV4_MF);
    if (f->len == 0 || (!f->last && f->len % BLOCK != 0))
        return IPV4_DROP_FRAGMENT_LENGTH;
    if (ipv4_is_tiny(f))
        return IPV4_DROP_FRAGMENT_TINY;
    /* The whole would have a total length that its field cannot hold ("ping of death"). */
    return f->end > DATA_MAX ? IPV4_DROP_FRAGMENT_TOO_LONG : IPV4_OK;
}

/* What is wrong with it beside the others. */
static int ipv4_check_fit(const struct ipv4_datagram *d, const struct ipv4_fragment *f)
{
    if (f->last && (d->total ? d->total != f->end : f->end < d->end))
        return IPV4_DROP_FRAGMENT_OVERLAP;
    if (!f->last && d->total && f->end > d->total)
        return IPV4_DROP_FRAGMENT_OVERLAP;
    return IPV4_OK;
}

/* The first fragment's header becomes the datagram's; its options go with it. */
static void ipv4_take_header(struct ipv4_datagram *d, const struct ipv4_fragment *f)
{
    d->header_len = (uint8_t)f->header_len;
    d->first_len = f->len;
    memcpy(d->packet->data - f->header_len, f->header, f->header_len);
    d->packet->network = (uint16_t)(tn_packet_offset(d->packet) - f->header_len);
    d->packet->ttl = f->packet->ttl;
    d->packet->tos = f->packet->tos;
    d->packet->serial = f->packet->serial;
}

static int ipv4_add_fragment(struct tn_self *self, struct ipv4_datagram *d, const struct ipv4_fragment *f)
{
    int drop = ipv4_check_fit(d, f);
    if (drop != IPV4_OK)
        return drop;
    switch (ipv4_covered(d, f)) {
    case IPV4_COVER_ALL:
        if (memcmp(d->packet->data + f->offset, f->data, f->len) != 0)
            return IPV4_DROP_FRAGMENT_OVERLAP;
        tn_count(self, IPV4_FRAGMENT_DUPLICATES);
        return IPV4_OK;
    case IPV4_COVER_SOME:
        return IPV4_DROP_FRAGMENT_OVERLAP;
    case IPV4_COVER_NONE:
        break;
    }
    memcpy(d->packet->data + f->offset, f->data, f->len);
    ipv4_mark(d, f);
    d->have += f->len;
    d->ecn |= (uint8_t)(1u << (f->packet->tos & 3));
    d->packet->flags |= f->packet->flags | TN_PKT_FRAGMENT;
    d->packet->time = f->packet->time;
    if (f->offset == 0)
        ipv4_take_header(d, f);
    if (f->last)
        d->total = f->end;
    if (f->end > d->end) {
        ipv4_reassembly(self)->bytes += f->end - d->end;
        d->end = f->end;
    }
    return IPV4_OK;
}

/* RFC 3168 §5.3: congestion met by one fragment was met by the datagram; a mixture with fragments that are
 * not ECN-capable cannot be. */
static int ipv4_merge_ecn(struct ipv4_datagram *d)
{
    if (!(d->ecn & 1u << 3))
        return IPV4_OK;
    if (d->ecn & 1u << 0)
        return IPV4_DROP_FRAGMENT_ECN;
    d->packet->tos |= 3;
    return IPV4_OK;
}

/* All is there: the datagram as if it had come in one piece. */
static struct tn_packet *ipv4_finish(struct tn_self *self, struct ipv4_datagram *d)
{
    size_t header_len = d->header_len;
    size_t total = d->total;
    int drop = ipv4_merge_ecn(d);
    struct tn_packet *packet = ipv4_forget(self, d);
    if (drop == IPV4_OK && header_len + total > TN_IPV4_TOTAL_MAX)
        drop = IPV4_DROP_FRAGMENT_TOO_LONG;
    if (drop != IPV4_OK) {
        tn_drop(self, packet, (unsigned)drop);
        return NULL;
    }
    tn_packet_trim(packet, total);
    struct tn_ipv4_header *header = tn_packet_push(packet, header_len);
    header->tos = packet->tos;
    header->total_len = tn_to_be16((uint16_t)(header_len + total));
    header->fragment = tn_to_be16(0);
    ipv4_set_checksum(header, header_len);
    tn_count(self, IPV4_REASSEMBLED);
    return packet;
}

static void ipv4_keep_bytes_limit(struct tn_self *self)
{
    struct ipv4_reassembly *r = ipv4_reassembly(self);
    while (r->bytes > (uint64_t)ipv4_options(self)->reassembly_memory && r->oldest)
        ipv4_drop_datagram(self, r->oldest, IPV4_DROP_REASSEMBLY_LIMIT);
}

struct tn_packet *ipv4_reassemble(struct tn_self *self, struct tn_packet *packet)
{
    struct ipv4_fragment f;
    tn_count(self, IPV4_FRAGMENTS_IN);
    int drop = ipv4_read_fragment(packet, &f);
    if (drop != IPV4_OK) {
        tn_drop(self, packet, (unsigned)drop);
        return NULL;
    }
    struct ipv4_fragment_key key = ipv4_key_of(&f);
    uint16_t bucket = ipv4_bucket_of(self, &key);
    struct ipv4_datagram *d = ipv4_find_datagram(self, &key, bucket);
    if (!d && !(d = ipv4_new_datagram(self, &f, &key, bucket, &drop))) {
        tn_drop(self, packet, (unsigned)drop);
        return NULL;
    }
    drop = ipv4_add_fragment(self, d, &f);
    self->core->packet_free(self, packet);
    if (drop != IPV4_OK) {
        ipv4_drop_datagram(self, d, (unsigned)drop);
        return NULL;
    }
    if (d->header_len && d->total && d->have == d->total)
        return ipv4_finish(self, d);
    ipv4_keep_bytes_limit(self);
    return NULL;
}

/* RFC 1122 §3.3.2: the sender is told if the first fragment is there, which says who he is and what he sent.
 */
void ipv4_reassembly_timer(struct tn_self *self, struct tn_timer *timer)
{
    struct ipv4_datagram *d = tn_container(timer, struct ipv4_datagram, timer);
    size_t header_len = d->header_len;
    size_t first_len = d->first_len;
    struct tn_packet *packet = ipv4_forget(self, d);
    if (header_len) {
        tn_packet_trim(packet, first_len);
        self->core->reject(self, packet, TN_REJECT_TIME, 1);
    }
    tn_drop(self, packet, IPV4_DROP_REASSEMBLY_TIMEOUT);
}

int ipv4_reassembly_start(struct tn_self *self)
{
    struct ipv4_reassembly *r = ipv4_reassembly(self);
    r->slab = self->core->slab_create(self, "datagrams", sizeof(struct ipv4_datagram), IPV4_REASSEMBLY_MAX);
    return r->slab ? 0 : -ENOMEM;
}

void ipv4_reassembly_stop(struct tn_self *self)
{
    struct ipv4_reassembly *r = ipv4_reassembly(self);
    while (r->oldest)
        self->core->packet_free(self, ipv4_forget(self, r->oldest));
}
