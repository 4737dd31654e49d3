/* pmtu.c: the path's MTU (RFC 1191, RFC 4821): how it is lowered, and how it rises again.
 *
 * A connection believes its interface until somebody knows better: a router (tcp_pmtu_too_big), or silence: when full
 * segments are sent for the third time in vain, perhaps large packets vanish without a word (a black hole), and smaller ones
 * are tried. From then on the connection has a record (struct tcp_pmtu), and searches between `low`, which passes, and
 * `high`, which may: now and then one segment is larger than the others, with data as good as any. If it is acknowledged,
 * all may be as large; if it alone is lost, that is no sign of congestion. First `high` itself is tried, because the cause may
 * have been another or may have gone; then the search halves the rest. When nothing is left to find, it rests for 10 minutes,
 * and begins again with what the interface lets go.
 *
 * Probes need SACK, which says what was lost; and enough data behind them that says so in time. */
#include "pmtu.h"
#include "scoreboard.h"

/* RFC 4821 §7.2: what passes nearly everywhere; and §7.7 what is tried below it. IPv6 needs no search below its least. */
#define LOW_IPV4   1024u
#define LEAST_IPV4 296u
#define LEAST_IPV6 1280u

#define UNSUSPECTED 1280u /* packets up to this are lost for other reasons: links must carry them for IPv6 */

#define CONVERGED 8 /* octets that are not worth a probe */

/* RFC 1191 §3, in milliseconds */
#define AFTER_TOO_BIG (10u * 60 * 1000)
#define AFTER_SUCCESS (2u * 60 * 1000)

#define BLACK_HOLE 3 /* timeouts: R1 */

#define FOLLOWERS 3 /* segments that must follow a probe, to tell of its loss (RFC 4821 §7.4) */

static bool is_ipv4(struct tcp_conn *conn)
{
    return tcp_socket(conn)->family == AF_INET;
}

/* The largest MTU that is worth anything: of the interface, and of the peer's MSS. */
static uint32_t limit(struct tn_self *self, struct tcp_conn *conn)
{
    uint32_t header =
        self->core->header_size(self, tcp_socket(conn)->family) + (uint32_t)sizeof(struct tn_tcp_header);
    return tcp_min32(conn->mtu, conn->peer_mss + header);
}

/* The MTU that segments are made for. */
static uint32_t effective(struct tn_self *self, struct tcp_conn *conn)
{
    uint32_t most = limit(self, conn);
    return conn->path_mtu ? tcp_min32(conn->path_mtu, most) : most;
}

static struct tcp_pmtu *record(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_cc *cc = tcp_cc_record(self, conn);
    if (cc && !cc->pmtu)
        cc->pmtu = self->core->slab_alloc(tcp_state(self)->pmtu_records);
    return cc ? cc->pmtu : NULL;
}

static void set_mtu(struct tn_self *self, struct tcp_conn *conn, uint32_t mtu)
{
    conn->path_mtu = (uint16_t)mtu;
    tcp_update_mss(self, conn);
}

/* The next probe is of the largest size, not before `wait` milliseconds have passed. */
static void search(struct tn_self *self, struct tcp_conn *conn, uint32_t low, uint32_t wait)
{
    struct tcp_pmtu *p = record(self, conn);
    if (!p)
        return;
    p->low = (uint16_t)low;
    p->high = (uint16_t)limit(self, conn);
    p->probe = 0;
    p->whole = true;
    p->at = tcp_clock(self) + wait;
}

/* ---- Lower: routers ---- */

/* RFC 1191 §7: where the router does not say what would fit. */
static uint32_t next_plateau(uint32_t mtu)
{
    static const uint16_t plateaus[] = {65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68};
    for (size_t i = 0; i < TN_ARRAY_SIZE(plateaus); i++)
        if (plateaus[i] < mtu)
            return plateaus[i];
    return 68;
}

/* The router's word on a probe: it will be found lost soon. */
static bool is_of_probe(struct tn_self *self, struct tcp_conn *conn, uint32_t seq, uint32_t mtu)
{
    struct tcp_pmtu *p = tcp_pmtu(conn);
    if (!p || !p->probe || p->seq != seq || mtu < effective(self, conn))
        return false;
    p->high = (uint16_t)tcp_min32(mtu, p->probe - 1u);
    return true;
}

void tcp_pmtu_too_big(struct tn_self *self, struct tcp_conn *conn, uint32_t seq,
                      const struct tn_net_error *error)
{
    uint32_t mtu = error->mtu;
    uint32_t now = effective(self, conn);
    if (is_of_probe(self, conn, seq, mtu))
        return;
    if (mtu == 0)
        mtu = next_plateau(now);
    mtu = tcp_max32(mtu, is_ipv4(conn) ? 68 : LEAST_IPV6); /* RFC 1191 §3, RFC 8201 §4 */
    if (mtu >= now)
        return;
    tn_count(self, TCP_PATH_MTU_LOWERED);
    set_mtu(self, conn, mtu);
    search(self, conn, mtu, (uint32_t)(error->mtu_lifetime / TN_MSEC));
    tcp_runs_lose_all(self, conn); /* sent again at once: no sign of congestion (RFC 1191 §6.4) */
    if (conn->state < TCP_ST_ESTABLISHED)
        conn->flags |= TCP_SYN_DUE;
    tcp_schedule(self, conn);
}

/* ---- Lower: silence ---- */

/* Round trips that a window of segments would take to meet congestion (RFC 4821 §7.6.2), in milliseconds. */
static uint32_t interval(const struct tcp_conn *conn)
{
    uint64_t span = (uint64_t)conn->srtt / 1000 * (conn->cwnd / conn->mss);
    return (uint32_t)tn_min(tn_max(span, 1000), AFTER_TOO_BIG);
}

static void probe_failed(struct tn_self *self, struct tcp_conn *conn, uint32_t wait)
{
    struct tcp_pmtu *p = tcp_pmtu(conn);
    tn_count(self, TCP_MTU_PROBES_LOST);
    p->high = (uint16_t)tcp_min32(p->high, p->probe - 1u);
    p->probe = 0;
    p->whole = false;
    p->at = tcp_clock(self) + wait;
}

void tcp_pmtu_timeout(struct tn_self *self, struct tcp_conn *conn, uint32_t len)
{
    struct tcp_pmtu *p = tcp_pmtu(conn);
    if (p && p->probe)
        probe_failed(self, conn, 5 * interval(conn)); /* RFC 4821 §7.6.3 */
    if (conn->backoff + 1 < BLACK_HOLE || len < conn->mss)
        return;
    uint32_t now = effective(self, conn);
    if (!p && now <= UNSUSPECTED)
        return;
    uint32_t low = p ? p->low : LOW_IPV4;
    uint32_t least = is_ipv4(conn) ? LEAST_IPV4 : LEAST_IPV6;
    uint32_t mtu = tcp_max32(now > low ? low : now / 2, least); /* RFC 4821 §7.7 */
    if (mtu >= now)
        return;
    tn_count(self, TCP_BLACK_HOLES);
    set_mtu(self, conn, mtu);
    search(self, conn, mtu, 0);
}

bool tcp_pmtu_probe_lost(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_pmtu *p = tcp_pmtu(conn);
    if (!p || !p->probe)
        return false;
    const struct tcp_run *run = tcp_runs_next_lost(conn->flight->head);
    if (run && run->start == p->seq && conn->flight->lost == p->end - p->seq) {
        probe_failed(self, conn, interval(conn));
        return true;
    }
    p->probe = 0; /* inconclusive (RFC 4821 §7.6.4): again, when all is well */
    p->at = tcp_clock(self) + conn->srtt / 1000;
    return false;
}

/* ---- Higher ---- */

void tcp_pmtu_acked(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_pmtu *p = tcp_pmtu(conn);
    if (!p->probe || tcp_lt(conn->snd_una, p->end))
        return;
    tn_count(self, TCP_PATH_MTU_RAISED);
    p->low = p->probe;
    set_mtu(self, conn, p->probe);
    p->at = tcp_clock(self) + (p->whole ? AFTER_SUCCESS : 0);
    p->probe = 0;
    p->whole = false;
    if (p->low < limit(self, conn))
        return;
    conn->path_mtu = 0; /* the interface is right again */
    tcp_pmtu_free(self, conn);
}

/* Nothing is left to find: rests. */
static bool converged(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_pmtu *p = tcp_pmtu(conn);
    if (p->whole || p->high >= p->low + CONVERGED)
        return false;
    search(self, conn, p->low, AFTER_TOO_BIG);
    return true;
}

uint32_t tcp_pmtu_probe_due(struct tn_self *self, struct tcp_conn *conn, uint32_t queued, uint32_t window)
{
    struct tcp_pmtu *p = tcp_pmtu(conn);
    if (!p || p->probe || (int32_t)(tcp_clock(self) - p->at) < 0)
        return 0;
    const struct tcp_flight *flight = conn->flight;
    bool trouble = conn->phase != TCP_PHASE_OPEN || (flight && (flight->lost || flight->sacked));
    if (trouble || !(conn->flags & TCP_SACK))
        return 0;
    if (converged(self, conn))
        return 0;
    uint32_t now = effective(self, conn);
    if (p->whole)
        p->high = (uint16_t)limit(self, conn); /* the path may have another interface now */
    uint32_t size = p->whole ? p->high : (p->low + p->high + 1u) / 2;
    uint32_t len = conn->mss + size - now;
    uint32_t needed = len + FOLLOWERS * conn->mss;
    if (size <= now || tcp_min32(queued, window) < needed || conn->cwnd < needed)
        return 0;
    p->size = (uint16_t)size;
    return len;
}

void tcp_pmtu_probe_sent(struct tn_self *self, struct tcp_conn *conn, uint32_t seq, uint32_t end)
{
    struct tcp_pmtu *p = tcp_pmtu(conn);
    tn_count(self, TCP_MTU_PROBES);
    p->probe = p->size;
    p->seq = seq;
    p->end = end;
}
