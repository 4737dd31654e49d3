/* conflict.c: own addresses: looked for, announced, defended (RFC 5227).
 *
 * The core claims an address before it uses it. A claim goes through these phases, and has one timer:
 *
 *     LOOKING     probes are sent; an answer, or another station's probe for it, says that it is taken
 *     ANNOUNCING  it is ours: the link is told, twice
 *     HELD        it is in use; who else speaks with it is told off, or the address is given up
 *     TAKEN       detection is off: it is in use, and nobody was asked
 *     LOST        another station has it. An address that a plugin brought is released by the core; one of stack.yaml is looked for again
 *                 after a while, because nobody else can choose another in its place
 *
 * The core uses the address when LOOKING is over; an address of stack.yaml, which worked yesterday, also before, unless detection is
 * strict: so a host answers at once when it is started, and a conflict is found a moment later instead of not at all.
 *
 * After max-conflicts conflicts on an interface, each look waits for rate-limit-interval (§2.1.1), until there was none for ten
 * times as long: hosts run for years, and a conflict a year is no storm. */
#include "arp.h"

/* ---- Records ---- */

static struct arp_claim **bucket_of(struct tn_self *self, const uint8_t *addr)
{
    return &arp_state(self)->bucket[addr[3] % ARP_BUCKETS];
}

static struct arp_claim *find(struct tn_self *self, uint16_t ifindex, const uint8_t *addr)
{
    struct arp_claim *c = *bucket_of(self, addr);
    while (c && (c->ifindex != ifindex || memcmp(c->addr.bytes, addr, TN_IPV4_ADDR_LEN) != 0))
        c = c->next;
    return c;
}

/* How many conflicts there were lately: after ten times the interval without one, they are forgotten. */
static uint16_t *conflicts_on(struct tn_self *self, uint16_t ifindex)
{
    struct arp_trouble *t = &arp_state(self)->trouble[tn_min(ifindex, ARP_INTERFACES_MAX)];
    if (self->core->now(self) - t->last >= 10 * arp_options(self)->rate_limit_interval)
        t->conflicts = 0;
    return &t->conflicts;
}

static void count_conflict(struct tn_self *self, uint16_t ifindex)
{
    uint16_t *conflicts = conflicts_on(self, ifindex);
    tn_count(self, ARP_CONFLICTS);
    if (*conflicts < UINT16_MAX)
        ++*conflicts;
    arp_state(self)->trouble[tn_min(ifindex, ARP_INTERFACES_MAX)].last = self->core->now(self);
}

/* ---- Times ---- */

static tn_time random_between(struct tn_self *self, tn_time least, tn_time most)
{
    return most > least ? least + self->core->random(self) % (most - least + 1) : least;
}

static void wake_in(struct tn_self *self, struct arp_claim *claim, tn_time delay)
{
    self->core->timer_start(self, &claim->timer, delay, ARP_TIMER_CLAIM);
}

static void set_phase(struct arp_claim *claim, enum arp_phase phase)
{
    claim->phase = (uint8_t)phase;
    claim->sent = 0;
}

/* ---- Looking ---- */

/* §2.1.1: probe-num probes, probe-min to probe-max apart; then announce-wait. */
static void look(struct tn_self *self, struct tn_interface *ifc, struct arp_claim *claim)
{
    const struct arp_options *o = arp_options(self);
    arp_send_probe(self, ifc, &claim->addr);
    claim->sent++;
    if (claim->sent < o->probe_num)
        wake_in(self, claim, random_between(self, o->probe_min, o->probe_max));
    else
        wake_in(self, claim, o->announce_wait);
}

static void begin_looking(struct tn_self *self, struct arp_claim *claim)
{
    const struct arp_options *o = arp_options(self);
    tn_time delay = random_between(self, 0, o->probe_wait);
    set_phase(claim, ARP_LOOKING);
    if (*conflicts_on(self, claim->ifindex) >= o->max_conflicts)
        delay += o->rate_limit_interval;
    wake_in(self, claim, delay);
}

/* ---- Announcing ---- */

static void announce(struct tn_self *self, struct tn_interface *ifc, struct arp_claim *claim)
{
    const struct arp_options *o = arp_options(self);
    arp_send_announcement(self, ifc, &claim->addr);
    claim->sent++;
    if (claim->sent < o->announce_num)
        wake_in(self, claim, o->announce_interval);
    else
        set_phase(claim, ARP_HELD);
}

/* Nobody has it. The announcement goes first: what the core's users then send comes from an address that is told. */
static void take(struct tn_self *self, struct tn_interface *ifc, struct arp_claim *claim)
{
    const struct tn_addr addr = claim->addr;
    set_phase(claim, ARP_ANNOUNCING);
    claim->used = true;
    announce(self, ifc, claim);
    self->core->address_verdict(self, ifc, AF_INET, &addr, TN_ADDRESS_USABLE, NULL);
}

void arp_claim_timer(struct tn_self *self, struct tn_timer *timer)
{
    struct arp_claim *claim = tn_container(timer, struct arp_claim, timer);
    struct tn_interface *ifc = self->core->interface(self, claim->ifindex);
    if (!ifc)
        return;
    if (claim->phase == ARP_LOST)
        begin_looking(self, claim);
    else if (claim->phase == ARP_ANNOUNCING)
        announce(self, ifc, claim);
    else if (claim->phase == ARP_LOOKING && claim->sent < arp_options(self)->probe_num)
        look(self, ifc, claim);
    else if (claim->phase == ARP_LOOKING)
        take(self, ifc, claim);
}

/* ---- Claims ---- */

bool arp_claim(struct tn_self *self, struct tn_interface *ifc, const struct tn_addr *addr, bool brought)
{
    const struct arp_options *o = arp_options(self);
    struct arp_claim *claim;
    bool link_local = tn_ipv4_is_link_local(addr->bytes); /* RFC 3927 §2.2: always looked for first */
    if (ifc->lladdr_len != ARP_LLADDR_LEN)
        return true;
    claim = self->core->slab_alloc(arp_state(self)->claims);
    if (!claim) {
        arp_send_announcement(self, ifc, addr);
        return true;
    }
    struct arp_claim **bucket = bucket_of(self, addr->bytes);
    claim->addr = *addr;
    claim->ifindex = ifc->index;
    claim->next = *bucket;
    *bucket = claim;
    if (o->detection == ARP_DETECTION_OFF && !link_local) {
        set_phase(claim, ARP_TAKEN);
        claim->used = true;
        arp_send_announcement(self, ifc, addr);
        return true;
    }
    begin_looking(self, claim);
    claim->used = o->detection == ARP_DETECTION_OPTIMISTIC && !brought && !link_local;
    return claim->used;
}

/* Detection may have been switched on: addresses that were taken without a look are looked for, while they are used. */
void arp_look_for_taken(struct tn_self *self)
{
    if (arp_options(self)->detection == ARP_DETECTION_OFF)
        return;
    for (unsigned i = 0; i < ARP_BUCKETS; i++)
        for (struct arp_claim *c = arp_state(self)->bucket[i]; c; c = c->next)
            if (c->phase == ARP_TAKEN)
                begin_looking(self, c);
}

void arp_release(struct tn_self *self, struct tn_interface *ifc, const struct tn_addr *addr)
{
    struct arp_claim **at = bucket_of(self, addr->bytes), *claim = find(self, ifc->index, addr->bytes);
    if (!claim)
        return;
    while (*at != claim)
        at = &(*at)->next;
    *at = claim->next;
    self->core->timer_stop(self, &claim->timer);
    self->core->slab_free(arp_state(self)->claims, claim);
}

/* ---- Conflicts ---- */

/* That it is lost is another line than that it is defended: a line of the same place is left out within a second. */
static void tell(struct tn_self *self, const struct tn_interface *ifc, const struct arp_claim *claim,
                 const uint8_t *lladdr, bool lost)
{
    char text[64];
    struct tn_text t = tn_text_init(text, sizeof(text));
    tn_text_ipv4(&t, claim->addr.bytes);
    tn_text_add(&t, " is also used by ");
    tn_text_lladdr(&t, lladdr, ARP_LLADDR_LEN);
    if (lost)
        self->core->log(self, TN_LOG_WARNING, "%s: address conflict: %s; it is not used any more", ifc->name,
                        text);
    else
        self->core->log(self, TN_LOG_WARNING, "%s: address conflict: %s; it is defended", ifc->name, text);
}

static void lose(struct tn_self *self, struct tn_interface *ifc, struct arp_claim *claim,
                 const uint8_t *lladdr)
{
    const struct tn_addr addr = claim->addr;
    tell(self, ifc, claim, lladdr, true);
    tn_count(self, ARP_LOST_ADDRESSES);
    set_phase(claim, ARP_LOST);
    claim->used = false;
    wake_in(self, claim, arp_options(self)->rate_limit_interval);
    /* The claim may be gone after this. */
    self->core->address_verdict(self, ifc, AF_INET, &addr, TN_ADDRESS_CONFLICT, lladdr);
}

/* §2.4 (b) and (c): one announcement an interval. */
static void defend(struct tn_self *self, struct tn_interface *ifc, struct arp_claim *claim,
                   const uint8_t *lladdr)
{
    const struct arp_options *o = arp_options(self);
    tn_time now = self->core->now(self);
    bool again = claim->defended && now - claim->defended < o->defend_interval;
    if (again && o->defence == ARP_DEFENCE_ONCE) {
        lose(self, ifc, claim, lladdr);
        return;
    }
    tell(self, ifc, claim, lladdr, false);
    if (again)
        return;
    claim->defended = now;
    tn_count(self, ARP_DEFENCES);
    arp_send_announcement(self, ifc, &claim->addr);
}

/* A station of this stack's on another interface is no other station (§2.1.1). */
static bool is_own_lladdr(struct tn_self *self, const uint8_t *lladdr)
{
    for (uint16_t i = 1; i <= ARP_INTERFACES_MAX; i++) {
        const struct tn_interface *ifc = self->core->interface(self, i);
        if (ifc && ifc->lladdr_len == ARP_LLADDR_LEN && memcmp(ifc->lladdr, lladdr, ARP_LLADDR_LEN) == 0)
            return true;
    }
    return false;
}

/* The claim that the packet disputes: it is spoken with, or, while it is looked for, another looks for it too; who does that with one
 * that is in use already gets an answer instead. */
static struct arp_claim *disputed(struct tn_self *self, const struct tn_interface *ifc,
                                  const struct tn_arp_packet *arp)
{
    static const uint8_t nobody[TN_IPV4_ADDR_LEN] = {0};
    bool probe = memcmp(arp->sender, nobody, sizeof(nobody)) == 0;
    if (!probe)
        return find(self, ifc->index, arp->sender);
    struct arp_claim *claim = tn_be16(arp->op) == TN_ARP_REQUEST ? find(self, ifc->index, arp->target) : NULL;
    return claim && claim->phase == ARP_LOOKING && !claim->used ? claim : NULL;
}

bool arp_conflict(struct tn_self *self, struct tn_interface *ifc, const struct tn_arp_packet *arp)
{
    struct arp_claim *claim = disputed(self, ifc, arp);
    if (!claim || claim->phase == ARP_LOST || claim->phase == ARP_TAKEN ||
        is_own_lladdr(self, arp->sender_lladdr))
        return false;
    count_conflict(self, ifc->index);
    if (claim->phase == ARP_LOOKING || arp_options(self)->defence == ARP_DEFENCE_NEVER)
        lose(self, ifc, claim, arp->sender_lladdr);
    else
        defend(self, ifc, claim, arp->sender_lladdr);
    return true;
}
