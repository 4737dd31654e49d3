/* ping.c: the command `ping`: echo requests to a host, an answer for each, and a summary.
 *
 * A ping keeps its last PROBES_MAX requests; those that wait for a reply lie in [oldest, next). One timer
 * serves both the next request and the oldest one's timeout. The identifier's low bits are the place in the
 * table of pings, so a reply finds its ping without a search. */
#include <errno.h>

#include "icmp.h"

#define PROBES_MAX    64
#define SIZE_MAX_DATA (TN_IPV4_TOTAL_MAX - sizeof(struct tn_ipv4_header) - sizeof(struct tn_icmp_header))

struct icmp_probe {
    tn_time sent;
    bool waiting;
};

struct icmp_ping {
    struct tn_timer timer;
    struct tn_job *job;
    struct tn_addr dst, src;
    struct tn_path path;
    uint16_t id;
    uint16_t vrf;
    bool dont_fragment;
    uint8_t ttl;     /* of requests; 0: the default */
    uint32_t size;   /* bytes of data */
    uint32_t count;  /* requests to send; 0: until cancelled */
    uint32_t next;   /* sequence number of the next request; the first is 1 */
    uint32_t oldest; /* of the oldest request that may still be answered */
    tn_time interval, timeout, next_send;
    uint32_t sent, received;
    tn_time min, max, sum; /* round trips */
    struct icmp_probe probes[PROBES_MAX];
};

int icmp_ping_init(struct tn_self *self)
{
    struct icmp_state *state = icmp_state(self);
    state->ping_slab = self->core->slab_create(self, "pings", sizeof(struct icmp_ping), ICMP_PINGS_MAX);
    return state->ping_slab ? 0 : -ENOMEM;
}

/* ---- Answers ---- */

static void icmp_ping_free(struct tn_self *self, struct icmp_ping *p)
{
    struct icmp_state *state = icmp_state(self);
    state->pings[p->id % ICMP_PINGS_MAX] = NULL;
    self->core->timer_stop(self, &p->timer);
    self->core->slab_free(state->ping_slab, p);
}

static void icmp_answer_error(struct tn_self *self, struct icmp_ping *p, uint32_t seq, const char *text)
{
    self->core->job_put_number(p->job, "seq", seq);
    self->core->job_put_text(p->job, "error", text);
    self->core->job_end(p->job, false);
}

static void icmp_answer_reply(struct tn_self *self, struct icmp_ping *p, uint32_t seq,
                              const struct tn_packet *packet, tn_time rtt)
{
    char from[TN_ADDR_TEXT];
    struct tn_text t = tn_text_init(from, sizeof(from));
    tn_text_ipv4(&t, packet->src.bytes);
    self->core->job_put_number(p->job, "seq", seq);
    self->core->job_put_text(p->job, "from", from);
    self->core->job_put_number(p->job, "ttl", packet->ttl);
    self->core->job_put_number(p->job, "bytes", packet->len);
    self->core->job_put_number(p->job, "rtt-ns", (int64_t)rtt);
    self->core->job_end(p->job, false);
}

/* The last answer; the ping is gone after it. */
static void icmp_answer_summary(struct tn_self *self, struct icmp_ping *p)
{
    struct tn_job *job = p->job;
    self->core->job_put_number(job, "sent", p->sent);
    self->core->job_put_number(job, "received", p->received);
    if (p->received) {
        self->core->job_put_number(job, "min-ns", (int64_t)p->min);
        self->core->job_put_number(job, "avg-ns", (int64_t)(p->sum / p->received));
        self->core->job_put_number(job, "max-ns", (int64_t)p->max);
    }
    icmp_ping_free(self, p);
    self->core->job_end(job, true);
}

static const char *icmp_error_text(int error)
{
    switch (error) {
    case EADDRNOTAVAIL:
        return "no address to send from";
    case ECONNREFUSED:
        return "port unreachable";
    case EHOSTUNREACH:
        return "host unreachable";
    case EMSGSIZE:
        return "too long to be sent unfragmented";
    case ENETUNREACH:
        return "network unreachable";
    case ENOBUFS:
        return "out of memory";
    case ENOPROTOOPT:
        return "protocol unreachable";
    default:
        return "refused by the network";
    }
}

/* ---- Requests ---- */

/* Data that shows in a capture where it was cut or mixed up. */
static void icmp_fill(uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)i;
}

static int icmp_send_request(struct tn_self *self, struct icmp_ping *p, uint32_t seq)
{
    int err = self->core->path_find(self, AF_INET, p->vrf, &p->src, &p->dst, &p->path);
    if (err < 0)
        return err;
    struct tn_icmp_header header = {.type = TN_ICMP_ECHO};
    struct tn_packet *packet = self->core->packet_new(self, sizeof(header) + p->size);
    if (!packet)
        return -ENOBUFS;
    header.echo.id = tn_to_be16(p->id);
    header.echo.seq = tn_to_be16((uint16_t)seq);
    memcpy(packet->data, &header, sizeof(header));
    icmp_fill(packet->data + sizeof(header), p->size);
    icmp_set_checksum(packet);
    packet->family = AF_INET;
    packet->protocol = TN_IPPROTO_ICMP;
    packet->vrf = p->vrf;
    packet->src = p->src;
    packet->dst = p->dst;
    packet->flags = p->dont_fragment ? TN_PKT_DONT_FRAGMENT : 0;
    packet->ttl = p->ttl;
    tn_count(self, ICMP_ECHOS_OUT);
    return self->core->network_output(self, packet, &p->path);
}

static void icmp_give_up(struct tn_self *self, struct icmp_ping *p, uint32_t seq, const char *why)
{
    p->probes[seq % PROBES_MAX].waiting = false;
    icmp_answer_error(self, p, seq, why);
}

static void icmp_send_next(struct tn_self *self, struct icmp_ping *p, tn_time now)
{
    uint32_t seq = p->next++;
    if (seq - p->oldest >= PROBES_MAX) {
        if (p->probes[p->oldest % PROBES_MAX].waiting)
            icmp_give_up(self, p, p->oldest, "timeout");
        p->oldest++;
    }
    p->probes[seq % PROBES_MAX] = (struct icmp_probe){.sent = now, .waiting = true};
    p->next_send = now + p->interval;
    int err = icmp_send_request(self, p, seq);
    if (err < 0)
        icmp_give_up(self, p, seq, icmp_error_text(-err));
    else
        p->sent++;
}

/* Passes over what was answered, and gives up what waited too long. */
static void icmp_expire(struct tn_self *self, struct icmp_ping *p, tn_time now)
{
    for (; p->oldest < p->next; p->oldest++) {
        const struct icmp_probe *probe = &p->probes[p->oldest % PROBES_MAX];
        if (!probe->waiting)
            continue;
        if (now < probe->sent + p->timeout)
            break;
        icmp_give_up(self, p, p->oldest, "timeout");
    }
}

/* Does what is due, and sets the timer for what is due next; or ends. The ping may be gone after it. */
static void icmp_ping_step(struct tn_self *self, struct icmp_ping *p)
{
    tn_time now = self->core->now(self);
    bool more = p->count == 0 || p->next <= p->count;
    icmp_expire(self, p, now);
    if (more && now >= p->next_send) {
        icmp_send_next(self, p, now);
        icmp_expire(self, p, now);
        more = p->count == 0 || p->next <= p->count;
    }
    bool waiting = p->oldest < p->next;
    if (!more && !waiting) {
        icmp_answer_summary(self, p);
        return;
    }
    tn_time due = more ? p->next_send : TN_NEVER;
    if (waiting)
        due = tn_min(due, p->probes[p->oldest % PROBES_MAX].sent + p->timeout);
    self->core->timer_start(self, &p->timer, due > now ? due - now : 0, ICMP_TIMER_PING);
}

void icmp_ping_timer(struct tn_self *self, struct tn_timer *timer)
{
    icmp_ping_step(self, tn_container(timer, struct icmp_ping, timer));
}

/* ---- Replies ---- */

/* The ping with this identifier and its waiting request with this sequence number; NULL: there is none. */
static struct icmp_ping *icmp_ping_find(struct tn_self *self, uint16_t id, uint16_t wire_seq, uint32_t *seq)
{
    struct icmp_ping *p = icmp_state(self)->pings[id % ICMP_PINGS_MAX];
    if (!p || p->id != id)
        return NULL;
    *seq = p->oldest + (uint16_t)(wire_seq - (uint16_t)p->oldest);
    bool waits = *seq < p->next && p->probes[*seq % PROBES_MAX].waiting;
    return waits ? p : NULL;
}

bool icmp_ping_reply(struct tn_self *self, const struct tn_packet *packet,
                     const struct tn_icmp_header *header)
{
    uint32_t seq;
    struct icmp_ping *p = icmp_ping_find(self, tn_be16(header->echo.id), tn_be16(header->echo.seq), &seq);
    if (!p || packet->vrf != p->vrf || !tn_addr_equal(&packet->src, &p->dst))
        return false;
    struct icmp_probe *probe = &p->probes[seq % PROBES_MAX];
    tn_time rtt = packet->time > probe->sent ? packet->time - probe->sent : 0;
    probe->waiting = false;
    p->min = p->received == 0 || rtt < p->min ? rtt : p->min;
    p->max = rtt > p->max ? rtt : p->max;
    p->sum += rtt;
    p->received++;
    icmp_answer_reply(self, p, seq, packet, rtt);
    icmp_ping_step(self, p);
    return true;
}

/* Who said that a request did not arrive, and how long after it was sent. */
static void icmp_put_reporter(struct tn_self *self, struct icmp_ping *p, const struct tn_net_error *error,
                              tn_time after)
{
    char from[TN_ADDR_TEXT];
    struct tn_text t = tn_text_init(from, sizeof(from));
    tn_text_ipv4(&t, error->from.bytes);
    self->core->job_put_text(p->job, "from", from);
    self->core->job_put_number(p->job, "type", error->type);
    self->core->job_put_number(p->job, "code", error->code);
    self->core->job_put_number(p->job, "after-ns", (int64_t)after);
    if (error->error == EMSGSIZE)
        self->core->job_put_number(p->job, "mtu", error->mtu);
}

bool icmp_ping_error(struct tn_self *self, const struct tn_net_error *error, uint16_t id, uint16_t wire_seq)
{
    uint32_t seq;
    struct icmp_ping *p = icmp_ping_find(self, id, wire_seq, &seq);
    if (!p || error->vrf != p->vrf || !tn_addr_equal(&error->dst, &p->dst))
        return false;
    icmp_put_reporter(self, p, error, self->core->now(self) - p->probes[seq % PROBES_MAX].sent);
    bool expired = error->type == TN_ICMP_TIME_EXCEEDED && error->code == TN_ICMP_TTL_EXCEEDED;
    icmp_give_up(self, p, seq, expired ? "time to live exceeded" : icmp_error_text(error->error));
    icmp_ping_step(self, p);
    return true;
}

/* ---- The command ---- */

/* A number of the job's in [min, max]; false and the job has failed otherwise. */
static bool icmp_argument(struct tn_self *self, struct tn_job *job, const char *name, int64_t otherwise,
                          int64_t min, int64_t max, int64_t *value)
{
    *value = self->core->job_number(job, name, otherwise);
    if (*value >= min && *value <= max)
        return true;
    self->core->job_fail(job, "%s: %lld is not between %lld and %lld", name, (long long)*value,
                         (long long)min, (long long)max);
    return false;
}

static bool icmp_ping_arguments(struct tn_self *self, struct tn_job *job, struct icmp_ping *p)
{
    uint8_t family;
    if (!self->core->job_address(job, "to", &family, &p->dst) || family != AF_INET) {
        self->core->job_fail(job, "to: expected an IPv4 address");
        return false;
    }
    if (self->core->address_class(self, AF_INET, &p->dst) == TN_ADDR_MULTICAST ||
        self->core->address_class(self, AF_INET, &p->dst) == TN_ADDR_BROADCAST ||
        self->core->address_kind(self, AF_INET, NULL, &p->dst, NULL) == TN_LOCAL_BROADCAST) {
        self->core->job_fail(job, "to: found %.15s, expected the address of one host",
                             self->core->job_text(job, "to"));
        return false;
    }
    int64_t count, interval, size, timeout, vrf, ttl;
    if (!icmp_argument(self, job, "count", 4, 0, 1000000000, &count) ||
        !icmp_argument(self, job, "interval", 1000, 1, 3600000, &interval) ||
        !icmp_argument(self, job, "size", 56, 0, SIZE_MAX_DATA, &size) ||
        !icmp_argument(self, job, "timeout", 1000, 1, 3600000, &timeout) ||
        !icmp_argument(self, job, "vrf", 0, 0, TN_VRF_MAX, &vrf) ||
        !icmp_argument(self, job, "ttl", 0, 0, UINT8_MAX, &ttl))
        return false;
    p->count = (uint32_t)count;
    p->interval = (tn_time)interval * TN_MSEC;
    p->size = (uint32_t)size;
    p->timeout = (tn_time)timeout * TN_MSEC;
    p->vrf = (uint16_t)vrf;
    p->ttl = (uint8_t)ttl;
    p->dont_fragment = self->core->job_number(job, "df", 0) != 0;
    return true;
}

/* A free place in the table and an identifier that belongs to it; false: all are taken. */
static bool icmp_ping_enter(struct tn_self *self, struct icmp_ping *p)
{
    struct icmp_state *state = icmp_state(self);
    for (unsigned i = 0; i < ICMP_PINGS_MAX; i++) {
        if (state->pings[i])
            continue;
        p->id = (uint16_t)((self->core->random(self) & ~(uint64_t)(ICMP_PINGS_MAX - 1)) | i);
        state->pings[i] = p;
        return true;
    }
    return false;
}

int icmp_ping_start(struct tn_self *self, struct tn_job *job)
{
    struct icmp_state *state = icmp_state(self);
    struct icmp_ping arguments = {.job = job, .next = 1, .oldest = 1};
    if (!icmp_ping_arguments(self, job, &arguments))
        return -EINVAL;
    struct icmp_ping *p = self->core->slab_alloc(state->ping_slab);
    if (!p) {
        self->core->job_fail(job, "%d pings are on their way already; wait for one to end", ICMP_PINGS_MAX);
        return -EBUSY;
    }
    *p = arguments;
    (void)icmp_ping_enter(self, p); /* there are as many places as records */
    *self->core->job_data(job) = p;
    p->next_send = self->core->now(self);
    icmp_ping_step(self, p);
    return 0;
}

void icmp_ping_cancel(struct tn_self *self, struct tn_job *job)
{
    struct icmp_ping *p = *self->core->job_data(job);
    if (p)
        icmp_ping_free(self, p);
}
