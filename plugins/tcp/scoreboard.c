/* scoreboard.c: what is in flight, and what became of it.
 *
 * All octets from snd_una to snd_nxt lie in a list of runs. A run is octets that were sent at one time (in one batch)
 * and share one fate, so a connection without losses has a run a batch, not a segment. Selective acknowledgements split
 * runs; neighbours that can be told apart no longer are joined again. flight->sacked and flight->lost always are the sums
 * over runs of those fates (for a peer without SACK, flight->sacked is an estimate that recovery.c makes).
 *
 * Runs that are on their way (TCP_FATE_SENT, TCP_FATE_RESENT) lie in a second list, in the order in which they were sent:
 * what is lost by time (rack.c) is at its beginning, and no other run need be looked at (RFC 8985 §6.2).
 *
 * A peer that acknowledges octets here and there could have the lists grow: they are limited (RUNS_MAX), and a split that
 * would exceed the limit isn't made; the acknowledgement is then forgotten, as if it had been lost. */
#include "scoreboard.h"

#define RUNS_MAX 2048

static uint32_t run_octets(const struct tcp_run *run)
{
    return run->end - run->start;
}

/* ---- The record of a flight ---- */

static void flight_init(struct tcp_flight *flight, const struct tcp_conn *conn)
{
    flight->timeout_at = TN_NEVER;
    flight->probe_at = TN_NEVER;
    flight->reorder_at = TN_NEVER;
    flight->highest = conn->snd_una;
}

struct tcp_flight *tcp_flight_get(struct tn_self *self, struct tcp_conn *conn)
{
    if (conn->flight)
        return conn->flight;
    struct tcp_flight *flight = self->core->slab_alloc(tcp_state(self)->flights);
    if (!flight)
        return NULL;
    flight_init(flight, conn);
    conn->flight = flight;
    return flight;
}

void tcp_flight_reset(struct tn_self *self, struct tcp_conn *conn)
{
    struct tcp_flight *flight = conn->flight;
    if (!flight || flight->undo)
        return;
    for (struct tcp_run *run = flight->head, *next; run; run = next) {
        next = run->next;
        if (run != &flight->own)
            self->core->slab_free(tcp_state(self)->runs, run);
    }
    memset(flight, 0, offsetof(struct tcp_flight, own)); /* which is written when it is used */
    flight_init(flight, conn);
}

/* ---- Runs by time ---- */

static bool on_its_way(const struct tcp_run *run)
{
    return run->fate == TCP_FATE_SENT || run->fate == TCP_FATE_RESENT;
}

/* Puts the run behind `after` (NULL: first). */
static void time_insert(struct tcp_flight *flight, struct tcp_run *run, struct tcp_run *after)
{
    run->earlier = after;
    run->later = after ? after->later : flight->earliest;
    *(after ? &after->later : &flight->earliest) = run;
    *(run->later ? &run->later->earlier : &flight->latest) = run;
}

static void time_remove(struct tcp_flight *flight, struct tcp_run *run)
{
    *(run->earlier ? &run->earlier->later : &flight->earliest) = run->later;
    *(run->later ? &run->later->earlier : &flight->latest) = run->earlier;
}

/* ---- Records ---- */

static struct tcp_run *run_new(struct tn_self *self, struct tcp_flight *flight, struct tcp_run *after)
{
    if (flight->run_count >= RUNS_MAX)
        return NULL;
    struct tcp_run *run = &flight->own;
    if (flight->own_in_use)
        run = self->core->slab_alloc(tcp_state(self)->runs);
    else
        *run = (struct tcp_run){.next = NULL};
    if (!run)
        return NULL;
    if (run == &flight->own)
        flight->own_in_use = true;
    flight->run_count++;
    run->prev = after;
    run->next = after ? after->next : flight->head;
    *(after ? &after->next : &flight->head) = run;
    *(run->next ? &run->next->prev : &flight->tail) = run;
    return run;
}

static void run_free(struct tn_self *self, struct tcp_flight *flight, struct tcp_run *run)
{
    if (on_its_way(run))
        time_remove(flight, run);
    *(run->prev ? &run->prev->next : &flight->head) = run->next;
    *(run->next ? &run->next->prev : &flight->tail) = run->prev;
    flight->run_count--;
    if (run == &flight->own)
        flight->own_in_use = false;
    else
        self->core->slab_free(tcp_state(self)->runs, run);
}

static void account(struct tcp_flight *flight, const struct tcp_run *run, uint32_t octets)
{
    if (run->fate == TCP_FATE_SACKED)
        flight->sacked += octets;
    else if (run->fate == TCP_FATE_LOST)
        flight->lost += octets;
}

/* A run that is on its way then was sent last of all. */
static void set_fate(struct tcp_flight *flight, struct tcp_run *run, enum tcp_fate fate)
{
    account(flight, run, 0 - run_octets(run));
    if (on_its_way(run))
        time_remove(flight, run);
    run->fate = (uint8_t)fate;
    if (on_its_way(run))
        time_insert(flight, run, flight->latest);
    account(flight, run, run_octets(run));
}

/* Cuts the run before `at`, which lies inside it, and returns the second part; NULL: the limit. */
static struct tcp_run *split(struct tn_self *self, struct tcp_flight *flight, struct tcp_run *run,
                             uint32_t at)
{
    struct tcp_run *rest = run_new(self, flight, run);
    if (!rest)
        return NULL;
    rest->sent = run->sent;
    rest->fate = run->fate;
    rest->repeated = run->repeated;
    rest->start = at;
    rest->end = run->end;
    run->end = at;
    if (on_its_way(rest))
        time_insert(flight, rest, run);
    return rest;
}

/* What need not be sent again has no time that still matters, and of what waits to be sent again only whether it had one. */
static bool joinable(const struct tcp_run *a, const struct tcp_run *b)
{
    if (a->fate != b->fate)
        return false;
    return a->fate == TCP_FATE_SACKED ||
           (a->repeated == b->repeated && (a->fate == TCP_FATE_LOST || a->sent == b->sent));
}

static struct tcp_run *join(struct tn_self *self, struct tcp_flight *flight, struct tcp_run *run,
                            struct tcp_run *next)
{
    run->end = next->end;
    run->sent = tn_max(run->sent, next->sent);
    run_free(self, flight, next);
    return run;
}

/* Joins the run with its neighbours where that loses nothing; returns the run that it is in now. */
static struct tcp_run *join_around(struct tn_self *self, struct tcp_flight *flight, struct tcp_run *run)
{
    if (run->next && joinable(run, run->next))
        run = join(self, flight, run, run->next);
    if (run->prev && joinable(run->prev, run))
        run = join(self, flight, run->prev, run);
    return run;
}

/* ---- Sending ---- */

bool tcp_runs_append(struct tn_self *self, struct tcp_conn *conn, uint32_t end)
{
    struct tcp_flight *flight = tcp_flight_get(self, conn);
    if (!flight)
        return false;
    tn_time now = tn_now(self);
    struct tcp_run *tail = flight->tail;
    bool fresh = tail && tail->fate == TCP_FATE_SENT;
    if (fresh && tail->sent == now && !tail->repeated) {
        tail->end = end;
        return true;
    }
    if (!tail) { /* before all others comes its own */
        flight->own = (struct tcp_run){.sent = now, .start = conn->snd_nxt, .end = end};
        flight->head = flight->tail = flight->earliest = flight->latest = &flight->own;
        flight->own_in_use = true;
        flight->run_count = 1;
        return true;
    }
    struct tcp_run *run = run_new(self, flight, tail);
    if (run) {
        run->start = conn->snd_nxt;
        run->end = end;
        run->sent = now;
        time_insert(flight, run, flight->latest);
        return true;
    }
    if (!fresh) {
        tcp_flight_release(self, conn, false);
        return false;
    }
    tail->end = end;
    tail->sent = now;
    tail->repeated = true; /* its octets have no one time: not to be measured */
    set_fate(flight, tail, TCP_FATE_SENT);
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
    struct tcp_flight *flight = conn->flight;
    if (octets < run_octets(run))
        split(self, flight, run, run->start + octets); /* at the limit, all of it counts as sent */
    set_fate(flight, run, TCP_FATE_RESENT);
    run->sent = tn_now(self);
    run->repeated = true;
    if (run->prev && joinable(run->prev, run))
        run = join(self, flight, run->prev, run);
    return run->next;
}

struct tcp_run *tcp_runs_last(struct tn_self *self, struct tcp_conn *conn, uint32_t octets)
{
    struct tcp_run *run = conn->flight->tail;
    if (!run || run_octets(run) <= octets)
        return run;
    return split(self, conn->flight, run, run->end - octets);
}

/* ---- Acknowledgements ---- */

/* RFC 8985 §6.2 step 2: whether it is this copy of the run that has arrived, not one before it. */
static bool is_answer_to_last(struct tn_self *self, const struct tcp_conn *conn, const struct tcp_run *run,
                              const struct tcp_delivery *delivery)
{
    if (!run->repeated)
        return true;
    uint32_t stamp = (uint32_t)(run->sent / TN_MSEC) + conn->ts_offset;
    if (delivery->has_echo && tcp_lt(delivery->echo, stamp))
        return false;
    return tn_now(self) - run->sent >= conn->min_rtt * TN_USEC;
}

static void note_sent(struct tcp_delivery *delivery, tn_time sent, uint32_t end)
{
    if (sent < delivery->rack_sent || (sent == delivery->rack_sent && tcp_lt(end, delivery->rack_end)))
        return;
    delivery->rack_sent = sent;
    delivery->rack_end = end;
}

/* `octets` of the run have arrived at the peer. */
static void note_delivery(struct tn_self *self, struct tcp_conn *conn, const struct tcp_run *run,
                          uint32_t octets, struct tcp_delivery *delivery)
{
    if (run->fate == TCP_FATE_SACKED)
        return; /* was noted then */
    uint32_t end = run->start + octets;
    delivery->highest = delivery->octets ? tcp_seq_max(delivery->highest, end) : end;
    delivery->octets += octets;
    if (run->repeated) {
        delivery->resent = tn_max(delivery->resent, run->sent);
    } else {
        delivery->sent = tn_max(delivery->sent, run->sent);
        delivery->reordered = delivery->reordered || tcp_lt(end, conn->flight->highest);
        if (tcp_le(end, conn->recover))
            delivery->once += octets;
    }
    if (is_answer_to_last(self, conn, run, delivery))
        note_sent(delivery, run->sent, end);
}

void tcp_runs_acked(struct tn_self *self, struct tcp_conn *conn, uint32_t ack, struct tcp_delivery *delivery)
{
    struct tcp_flight *flight = conn->flight;
    struct tcp_run *run;
    while (flight && (run = flight->head) != NULL && tcp_lt(run->start, ack)) {
        uint32_t octets = tcp_seq_min(run->end, ack) - run->start;
        note_delivery(self, conn, run, octets, delivery);
        account(flight, run, 0 - octets);
        run->start += octets;
        if (run->start == run->end)
            run_free(self, flight, run);
    }
}

/* The part of the run that lies in [start, end), cut out; NULL: the limit. */
static struct tcp_run *cut_out(struct tn_self *self, struct tcp_flight *flight, struct tcp_run *run,
                               uint32_t start, uint32_t end)
{
    if (tcp_lt(run->start, start))
        run = split(self, flight, run, start);
    if (run && tcp_lt(end, run->end) && !split(self, flight, run, end))
        return NULL;
    return run;
}

void tcp_runs_sacked(struct tn_self *self, struct tcp_conn *conn, uint32_t start, uint32_t end,
                     struct tcp_delivery *delivery)
{
    struct tcp_flight *flight = conn->flight;
    struct tcp_run *run = flight->head;
    while (run && tcp_le(run->end, start))
        run = run->next;
    while (run && tcp_lt(run->start, end)) {
        if (run->fate != TCP_FATE_SACKED) {
            run = cut_out(self, flight, run, start, end);
            if (!run)
                return;
            note_delivery(self, conn, run, run_octets(run), delivery);
            set_fate(flight, run, TCP_FATE_SACKED);
            run = join_around(self, flight, run);
        }
        run = run->next;
    }
}

void tcp_runs_forget_sacks(struct tn_self *self, struct tcp_conn *conn)
{
    for (struct tcp_run *run = conn->flight->head; run; run = run->next) {
        if (run->fate == TCP_FATE_SACKED) {
            run->repeated = true;
            run->sent = tn_now(self);
            set_fate(conn->flight, run, TCP_FATE_SENT);
        }
    }
}

/* ---- Loss ---- */

void tcp_runs_lose(struct tn_self *self, struct tcp_conn *conn, struct tcp_run *run)
{
    set_fate(conn->flight, run, TCP_FATE_LOST);
    join_around(self, conn->flight, run);
}

void tcp_runs_lose_first(struct tn_self *self, struct tcp_conn *conn, uint32_t octets, bool again)
{
    struct tcp_run *run = conn->flight->head;
    if (!run || !(run->fate == TCP_FATE_SENT || (again && run->fate == TCP_FATE_RESENT)))
        return;
    if (octets < run_octets(run))
        split(self, conn->flight, run, run->start + octets);
    tcp_runs_lose(self, conn, run);
}

void tcp_runs_lose_all(struct tn_self *self, struct tcp_conn *conn)
{
    for (struct tcp_run *run = conn->flight ? conn->flight->head : NULL; run; run = run->next) {
        if (run->fate != TCP_FATE_SACKED) {
            set_fate(conn->flight, run, TCP_FATE_LOST);
            if (run->prev && joinable(run->prev, run))
                run = join(self, conn->flight, run->prev, run);
        }
    }
}

void tcp_runs_lose_none(struct tn_self *self, struct tcp_conn *conn)
{
    for (struct tcp_run *run = conn->flight->head; run; run = run->next) {
        if (run->fate == TCP_FATE_LOST) {
            run->sent = tn_now(self); /* what overtakes it from now on tells of a loss */
            set_fate(conn->flight, run, run->repeated ? TCP_FATE_RESENT : TCP_FATE_SENT);
            run->repeated = true;
        }
    }
}

/* ---- The end ---- */

void tcp_flight_release(struct tn_self *self, struct tcp_conn *conn, bool all)
{
    struct tcp_flight *flight = conn->flight;
    if (!flight || (!all && (flight->head || flight->undo)))
        return;
    while (flight->head)
        run_free(self, flight, flight->head);
    self->core->slab_free(tcp_state(self)->flights, flight);
    conn->flight = NULL;
}
