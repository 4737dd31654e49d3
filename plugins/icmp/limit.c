/* limit.c: how many error messages are sent (RFC 1812 §4.3.2.8): so many to all, and so many to each destination.
 *
 * A token bucket is kept as a time: every error costs 1/rate seconds, and at most `burst` of them may be spent ahead of the clock.
 * Destinations have one of 256 buckets each, by a keyed hash: who floods with one address uses up its own errors, not everybody's.
 *
 * From the bucket of all, an error takes nothing, one or two tokens by chance, one in the mean. Otherwise a stranger could tell
 * by errors to himself whether one was sent to somebody else, in whose name he had asked: so are the ports of resolvers found
 * out (CVE-2020-25705). */
#include "icmp.h"

/* What `until` becomes when `tokens` are taken; 0: there are none. */
static tn_time icmp_take(tn_time until, tn_time now, int64_t rate, int64_t burst, unsigned tokens)
{
    tn_time cost = TN_SEC / (tn_time)rate;
    until = until > now ? until : now;
    return until - now > cost * (tn_time)(burst - 1) ? 0 : until + cost * tokens;
}

static tn_time *icmp_bucket_of(struct icmp_state *state, const struct tn_addr *dst)
{
    uint64_t mixed = (dst->half[0] ^ dst->half[1] ^ state->salt) * 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 32) * (state->salt | 1);
    return &state->told_until[mixed >> 56];
}

bool icmp_may_tell(struct tn_self *self, const struct tn_addr *dst)
{
    static_assert(ICMP_BUCKETS == 256, "eight bits of the product");
    const struct icmp_options *o = icmp_options(self);
    struct icmp_state *state = icmp_state(self);
    tn_time now = self->core->now(self), *told = icmp_bucket_of(state, dst);
    if (o->rate <= 0 || o->rate_each <= 0)
        return false;
    tn_time each = icmp_take(*told, now, o->rate_each, o->burst_each, 1);
    tn_time all = icmp_take(state->reported_until, now, o->rate, o->burst, self->core->random(self) % 3);
    if (each == 0 || all == 0)
        return false;
    *told = each;
    state->reported_until = all;
    return true;
}
