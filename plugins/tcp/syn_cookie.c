/* syn_cookie.c: answering a SYN without remembering it (RFC 4987 §3.6).
 *
 * The initial sequence number of the SYN-ACK is the cookie: the last ACK of the handshake brings it back, and nobody can
 * make one without having received it. It holds
 *
 *     29 bits   SipHash of both ends, the peer's ISN, the minute and the three bits that follow
 *      3 bits   the peer's MSS, rounded down to one of eight
 *
 * A cookie is good in the minute in which it was made and in the next. Of the other options, what was agreed goes into the
 * lowest bits of the timestamp of the SYN-ACK, which the ACK echoes: a peer without timestamps gets neither window scaling
 * nor selective acknowledgements nor ECN. The timestamp is moved back by less than 64 ms for that, never forward. */
#include "listen.h"

#define MINUTE (60 * TN_SEC)

#define MSS_BITS 3
#define MSS_MASK ((1u << MSS_BITS) - 1)

/* Sizes that are common: the least, the defaults, and Ethernet less the headers of various tunnels. */
static const uint16_t mss_table[1u << MSS_BITS] = {64, 536, 1220, 1360, 1400, 1440, 1460, 8960};

/* In the timestamp */
#define STAMP_BITS    0x3fu
#define STAMP_SCALE   0x0fu /* the peer's shift, */
#define STAMP_NOSCALE 0x0fu /* or this: no scaling */
#define STAMP_SACK    0x10u
#define STAMP_ECN     0x20u

struct secret {
    struct tn_addr local;
    struct tn_addr remote;
    uint16_t local_port;
    uint16_t remote_port;
    uint16_t vrf;
    uint16_t mss;
    uint32_t irs;
    uint32_t minute;
    uint64_t use; /* no other number is made of the same bytes */
};

static uint32_t cookie_of(struct tn_self *self, const struct tcp_ends *ends, uint32_t irs, uint32_t minute,
                          unsigned mss)
{
    const struct secret secret = {
        .local = ends->local,
        .remote = ends->remote,
        .local_port = ends->local_port,
        .remote_port = ends->remote_port,
        .vrf = ends->vrf,
        .mss = (uint16_t)mss,
        .irs = irs,
        .minute = minute,
        .use = 0x636f6f6b6965, /* "cookie" */
    };
    return (uint32_t)self->core->keyed_hash(self, &secret, sizeof(secret)) << MSS_BITS | mss;
}

static uint32_t minute(struct tn_self *self)
{
    return (uint32_t)(tn_now(self) / MINUTE);
}

uint32_t tcp_cookie_make(struct tn_self *self, const struct tcp_ends *ends, uint32_t irs, uint16_t mss)
{
    unsigned index = MSS_MASK;
    while (index > 0 && mss_table[index] > mss)
        index--;
    return cookie_of(self, ends, irs, minute(self), index);
}

uint16_t tcp_cookie_check(struct tn_self *self, const struct tcp_ends *ends, uint32_t irs, uint32_t cookie)
{
    unsigned index = cookie & MSS_MASK;
    for (uint32_t age = 0; age <= 1; age++)
        if (cookie_of(self, ends, irs, minute(self) - age, index) == cookie)
            return mss_table[index];
    return 0;
}

uint32_t tcp_cookie_stamp(struct tn_self *self, uint32_t flags, uint8_t snd_scale)
{
    uint32_t now = tcp_clock(self);
    uint32_t bits = flags & TCP_SCALE ? snd_scale : STAMP_NOSCALE;
    if (flags & TCP_SACK)
        bits |= STAMP_SACK;
    if (flags & TCP_ECN)
        bits |= STAMP_ECN;
    uint32_t stamp = (now & ~STAMP_BITS) | bits;
    return tcp_lt(now, stamp) ? stamp - STAMP_BITS - 1 : stamp;
}

uint32_t tcp_cookie_flags(uint32_t stamp, uint8_t *snd_scale)
{
    uint32_t flags = TCP_TIMESTAMPS;
    *snd_scale = 0;
    if ((stamp & STAMP_SCALE) != STAMP_NOSCALE) {
        flags |= TCP_SCALE;
        *snd_scale = stamp & STAMP_SCALE;
    }
    return flags | (stamp & STAMP_SACK ? TCP_SACK : 0) | (stamp & STAMP_ECN ? TCP_ECN : 0);
}
