/* scoreboard.c: what is in flight, and what became of it.
 *
 * All octets from snd_una to snd_nxt lie in a list of runs. A run is octets that were sent at one time (in one batch)
 * and share one fate, so a connection without losses has a run a batch, not a segment. Selective acknowledgements split
 * runs; neighbours that can be told apart no longer are joined again. conn->sacked and conn->lost always are the sums
 * over runs of those fates (for a peer without SACK, conn->sacked is an estimate that recovery.c makes).
 *
 * A peer that acknowledges octets here and there could have the list grow: it is limited (RUNS_MAX), and a split that
 * would exceed the limit isn't made; the acknowledgement is then forgotten, as if it had been lost. */
#include "tcp.h"

#define RUNS_MAX 2048

#define DUP_THRESH 3 /* RFC 6675 §2 */

static uint32_t run_octets(const struct tcp_run *run)
{
    return run->end - run->start;
}

/* ---- Records ---- */

static struct tcp_run *run_new(struct tn_self *self, struct tcp_conn *conn, struct tcp_run *after)
{
    if (conn->run_count >= RUNS_MAX)
        return NULL;
    struct tcp_run *run = self->core->slab_alloc(tcp_state(self)->runs);
    if (!run)
        return NULL;
    conn->run_count++;
    run->prev = after;
    run->next = after ? after->next : conn->run_head;
    *(after ? &after->next : &conn->run_head) = run;
    *(run->next ? &run->next->prev : &conn->run_tail) = run;
    return run;
}

static void run_free(struct tn_self *self, struct tcp_conn *conn, struct tcp_run *run)
{
    *(run->prev ? &run->prev->next : &conn->run_head) = run->next;
    *(run->next ? &run->next->prev : &conn->run_tail) = run->prev;
    conn->run_count--;
    self->core->slab_free(tcp_state(self)->runs, run);
}

static void account(struct tcp_conn *conn, const struct tcp_run *run, uint32_t octets)
{
    if (run->fate == TCP_FATE_SACKED)
        conn->sacked += octets;
    else if (run->fate == TCP_FATE_LOST)
        conn->lost += octets;
}

static void set_fate(struct tcp_conn *conn, struct tcp_run *run, enum tcp_fate fate)
{
    account(conn, run, 0 - run_octets(run));
    run->fate = (uint8_t)fate;
    account(conn, run, run_octets(run));
}

/* Cuts the run before `at`, which lies inside it, and returns the second part; NULL: the limit. */
static struct tcp_run *split(struct tn_self *self, struct tcp_conn *conn, struct tcp_run *run, uint32_t at)
{
    struct tcp_run *rest = run_new(self, conn, run);
    if (!rest)
        return NULL;
    rest->sent = run->sent;
    rest->fate = run->fate;
    rest->repeated = run->repeated;
    rest->start = at;
    rest->end = run->end;
    run->end = at;
    return rest;
}

/* What waits to be sent again, and what need not, has no time that still matters. */
static bool joinable(const struct tcp_run *a, const struct tcp_run *b)
{
    if (a->fate != b->fate)
        return false;
    return a->fate == TCP_FATE_LOST || a->fate == TCP_FATE_SACKED ||
           (a->sent == b->sent && a->repeated == b->repeated);
}

static struct tcp_run *join(struct tn_self *self, struct tcp_conn *conn, struct tcp_run *run,
                            struct tcp_run *next)
{
    run->end = next->end;
    run->repeated = run->repeated || next->repeated || run->sent != next->sent;
    run->sent = tn_max(run->sent, next->sent);
    run_free(self, conn, next);
    return run;
}

/* Joins the run with its neighbours where that loses nothing; returns the run that it is in now. */
static struct tcp_run *join_around(struct tn_self *self, struct tcp_conn *conn, struct tcp_run *run)
{
    if (run->next && joinable(run, run->next))
        run = join(self, conn, run, run->next);
    if (run->prev && joinable(run->prev, run))
        run = join(self, conn, run->prev, run);
    return run;
}

/* ---- Sending ---- */

bool tcp_runs_append(struct tn_self *self, struct tcp_conn *conn, uint32_t end)
{
    tn_time now = self->core->now(self);
    struct tcp_run *tail = conn->run_tail;
    bool fresh = tail && tail->fate == TCP_FATE_SENT;
    if (fresh && tail->sent == now && !tail->repeated) {
        tail->end = end;
        return true;
    }
    struct tcp_run *run = run_new(self, conn, tail);
    if (run) {
        run->start = conn->snd_nxt;
        run->end = end;
        run->sent = now;
        return true;
    }
    if (!fresh)
        return false;
    tail->end = end;
    tail->sent = now;
    tail->repeated = true; /* its octets have no one time: not to be measured */
    return true;
}

struct tcp_run *tcp_runs_next_lost(struct tcp_run *run)
{
    while (run && run->fate != TCP_FATE_LOST)
        run = run->next;
    return run;
}

struct tcp_run *tcp_runs_resent(struct tn_self *self, struct tcp_conn *conn, struct tcp_run *run,
                                uint32_t octets)
{
    if (octets < run_octets(run))
        split(self, conn, run, run->start + octets); /* at the limit, all of it counts as sent */
    set_fate(conn, run, TCP_FATE_RESENT);
    run->sent = self->core->now(self);
    run->repeated = true;
    if (run->prev && joinable(run->prev, run))
        run = join(self, conn, run->prev, run);
    return run->next;
}

/* ---- Acknowledgements ---- */

/* `octets` of the run have arrived at the peer. */
static void note_delivery(struct tn_self *self, struct tcp_conn *conn, const struct tcp_run *run,
                          uint32_t octets, struct tcp_delivery *delivery)
{
    if (run->fate == TCP_FATE_SACKED)
        return; /* was noted then */
    delivery->octets += octets;
    tn_time *latest = run->repeated ? &delivery->resent : &delivery->sent;
    *latest = tn_max(*latest, run->sent);
    /* RFC 8985 §6.2 step 2: an answer too early for the second copy is to the first. */
    tn_time age = self->core->now(self) - run->sent;
    if (!run->repeated || age >= conn->srtt * TN_USEC / 2)
        conn->delivered = tn_max(conn->delivered, run->sent);
}

void tcp_runs_acked(struct tn_self *self, struct tcp_conn *conn, uint32_t ack, struct tcp_delivery *delivery)
{
    struct tcp_run *run;
    while ((run = conn->run_head) != NULL && tcp_lt(run->start, ack)) {
        uint32_t octets = tcp_seq_min(run->end, ack) - run->start;
        note_delivery(self, conn, run, octets, delivery);
        account(conn, run, 0 - octets);
        run->start += octets;
        if (run->start == run->end)
            run_free(self, conn, run);
    }
}

/* The part of the run that lies in [start, end), cut out; NULL: the limit. */
static struct tcp_run *cut_out(struct tn_self *self, struct tcp_conn *conn, struct tcp_run *run,
                               uint32_t start, uint32_t end)
{
    if (tcp_lt(run->start, start))
        run = split(self, conn, run, start);
    if (run && tcp_lt(end, run->end) && !split(self, conn, run, end))
        return NULL;
    return run;
}

void tcp_runs_sacked(struct tn_self *self, struct tcp_conn *conn, uint32_t start, uint32_t end,
                     struct tcp_delivery *delivery)
{
    struct tcp_run *run = conn->run_head;
    while (run && tcp_le(run->end, start))
        run = run->next;
    while (run && tcp_lt(run->start, end)) {
        if (run->fate != TCP_FATE_SACKED) {
            run = cut_out(self, conn, run, start, end);
            if (!run)
                return;
            note_delivery(self, conn, run, run_octets(run), delivery);
            set_fate(conn, run, TCP_FATE_SACKED);
            run = join_around(self, conn, run);
        }
        run = run->next;
    }
}

void tcp_runs_forget_sacks(struct tcp_conn *conn)
{
    for (struct tcp_run *run = conn->run_head; run; run = run->next) {
        if (run->fate == TCP_FATE_SACKED) {
            set_fate(conn, run, TCP_FATE_SENT);
            run->repeated = true;
        }
    }
}

/* ---- Loss ---- */

/* RFC 6675 §4, IsLost(): enough has arrived of what was sent after it. */
static bool overtaken(const struct tcp_conn *conn, uint32_t octets_above, uint32_t pieces_above)
{
    return pieces_above >= DUP_THRESH || octets_above > (DUP_THRESH - 1) * (uint32_t)conn->mss;
}

bool tcp_runs_find_lost(struct tn_self *self, struct tcp_conn *conn, tn_time reordering)
{
    uint32_t octets = 0, pieces = 0; /* above the run, at the peer */
    bool again = false;
    struct tcp_run *prev;
    for (struct tcp_run *run = conn->run_tail; run; run = prev) {
        prev = run->prev;
        if (run->fate == TCP_FATE_SACKED) {
            octets += run_octets(run);
            pieces++;
            continue;
        }
        bool resent_lost = run->fate == TCP_FATE_RESENT && run->sent + reordering < conn->delivered;
        again = again || resent_lost;
        if (resent_lost || (run->fate == TCP_FATE_SENT && overtaken(conn, octets, pieces))) {
            set_fate(conn, run, TCP_FATE_LOST);
            if (run->next && joinable(run, run->next))
                join(self, conn, run, run->next);
        }
    }
    return again;
}

void tcp_runs_lose_first(struct tn_self *self, struct tcp_conn *conn, uint32_t octets)
{
    struct tcp_run *run = conn->run_head;
    if (!run || run->fate != TCP_FATE_SENT)
        return;
    if (octets < run_octets(run))
        split(self, conn, run, run->start + octets);
    set_fate(conn, run, TCP_FATE_LOST);
    join_around(self, conn, run);
}

void tcp_runs_lose_all(struct tn_self *self, struct tcp_conn *conn)
{
    for (struct tcp_run *run = conn->run_head; run; run = run->next) {
        if (run->fate != TCP_FATE_SACKED) {
            set_fate(conn, run, TCP_FATE_LOST);
            if (run->prev && joinable(run->prev, run))
                run = join(self, conn, run->prev, run);
        }
    }
}

void tcp_runs_free(struct tn_self *self, struct tcp_conn *conn)
{
    while (conn->run_head)
        run_free(self, conn, conn->run_head);
    conn->sacked = 0;
    conn->lost = 0;
}
