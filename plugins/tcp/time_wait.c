/* time_wait.c: connections in TIME-WAIT (§3.6, §3.10.7.4), kept as records of 40 bytes.
 *
 * Nobody sends or receives by such a connection: it only has to answer what comes late, and to keep a new connection between
 * the same two ends from taking it for its own. Its socket goes as soon as TIME-WAIT begins; the record is a flow of the
 * core (flow.h), which holds the local port.
 *
 * All stay equally long, so the records form a queue, oldest first, with one timer for its head. A FIN that came again
 * only moves the time at which its record ends: the queue finds that out at its head, and puts the record at its end. One that
 * a new connection has replaced can be found no more, and is freed there, too. When the table is full, the oldest goes.
 *
 * What may begin a new connection early: RFC 6191. Resets do not end the state (RFC 1337, fix F1): a stray one of the
 * old connection would open the way for other strays. */
#include "time_wait.h"
#include "output.h"
#include "reply.h"

#define ANSWERS_MAX 100 /* acknowledgements that one record may be made to send */

static struct tcp_time_wait *record_at(struct tn_self *self, uint32_t number)
{
    struct tn_flow *flow = self->core->flow_numbered(self, tcp_state(self)->time_wait_kind, number - 1);
    return (struct tcp_time_wait *)(void *)flow;
}

/* ---- The queue ---- */

static void start_timer(struct tn_self *self)
{
    struct tcp_state *state = tcp_state(self);
    if (!state->time_wait_oldest || tn_timer_running(&state->time_wait_timer))
        return;
    int32_t left = (int32_t)(record_at(self, state->time_wait_oldest)->flow.time - tcp_clock(self));
    self->core->timer_start(self, &state->time_wait_timer, left > 0 ? (uint32_t)left * TN_MSEC : 0,
                            TCP_TIMER_TIME_WAIT);
}

static void queue_append(struct tn_self *self, struct tcp_time_wait *record)
{
    struct tcp_state *state = tcp_state(self);
    uint32_t number = self->core->flow_number(self, &record->flow) + 1;
    record->younger = 0;
    if (state->time_wait_oldest)
        record_at(self, state->time_wait_youngest)->younger = number & TCP_TIME_WAIT_NUMBER_MASK;
    else
        state->time_wait_oldest = number;
    state->time_wait_youngest = number;
}

static struct tcp_time_wait *queue_take(struct tn_self *self)
{
    struct tcp_state *state = tcp_state(self);
    struct tcp_time_wait *record = record_at(self, state->time_wait_oldest);
    state->time_wait_oldest = record->younger;
    return record;
}

void tcp_time_wait_timer(struct tn_self *self, struct tn_timer *timer)
{
    (void)timer;
    uint32_t now = tcp_clock(self);
    unsigned budget = 1000; /* the rest with the next firing */
    while (tcp_state(self)->time_wait_oldest && budget-- > 0) {
        struct tcp_time_wait *record = record_at(self, tcp_state(self)->time_wait_oldest);
        bool over = tcp_le(record->flow.time, now);
        if (!over && record->flow.found && !record->renewed)
            break;
        (void)queue_take(self);
        if (!over && record->flow.found) {
            record->renewed = 0;
            queue_append(self, record);
        } else {
            self->core->flow_free(self, &record->flow);
        }
    }
    start_timer(self);
}

/* ---- Beginning ---- */

static struct tcp_time_wait *new_record(struct tn_self *self, struct tn_socket *sock)
{
    unsigned kind = tcp_state(self)->time_wait_kind;
    struct tn_flow *flow = self->core->flow_of_socket(self, kind, sock);
    if (!flow && tcp_state(self)->time_wait_oldest) {
        tn_count(self, TCP_TIME_WAITS_EVICTED);
        self->core->flow_free(self, &queue_take(self)->flow);
        flow = self->core->flow_of_socket(self, kind, sock);
    }
    return (struct tcp_time_wait *)(void *)flow;
}

static uint32_t end_of_wait(struct tn_self *self)
{
    return tcp_clock(self) + (uint32_t)(tcp_options(self)->time_wait / TN_MSEC);
}

void tcp_enter_time_wait(struct tn_self *self, struct tcp_conn *conn)
{
    if (conn->flags & (TCP_ACK_NOW | TCP_ACK_LATER) && tcp_find_path(self, conn) == 0)
        tcp_send_ack(self, conn);
    tn_count(self, TCP_TIME_WAITS);
    tcp_set_state(self, conn, TCP_ST_TIME_WAIT);
    struct tcp_time_wait *record = new_record(self, tcp_socket(conn));
    if (record) {
        record->flow.mark = (conn->flags & TCP_TIMESTAMPS) != 0;
        record->flow.time = end_of_wait(self);
        record->rcv_nxt = conn->rcv_nxt;
        record->snd_nxt = conn->snd_nxt;
        record->ts_recent = conn->ts_recent;
        queue_append(self, record);
        start_timer(self);
    }
    tcp_release(self, conn);
}

/* ---- A segment ---- */

static void answer(struct tn_self *self, struct tcp_time_wait *record, struct tcp_segment *seg,
                   enum tcp_drop reason)
{
    if (record->answers < ANSWERS_MAX) {
        record->answers++;
        struct tcp_header header = {.seq = record->snd_nxt, .ack = record->rcv_nxt};
        tcp_reply_ack(self, seg, &header, record->flow.mark, record->ts_recent);
    } else {
        tn_count(self, TCP_ACKS_LIMITED);
    }
    tn_drop(self, seg->packet, reason);
}

/* The peer will say nothing new, so what is not an acknowledgement of our FIN has come before, or is a stray. */
void tcp_input_time_wait(struct tn_self *self, struct tcp_time_wait *record, struct tcp_segment *seg)
{
    if (seg->flags & TN_TCP_RST) {
        tn_drop(self, seg->packet, TCP_DROP_RESET_IN_TIME_WAIT);
        return;
    }
    if (record->flow.mark && seg->has_timestamps && tcp_lt(seg->ts_value, record->ts_recent)) {
        answer(self, record, seg, TCP_DROP_PAWS);
        return;
    }
    if (seg->flags & TN_TCP_SYN) {
        answer(self, record, seg, TCP_DROP_SYN_CHALLENGED); /* RFC 5961 §4 */
        return;
    }
    if (tcp_segment_end(seg) != seg->seq || seg->seq != record->rcv_nxt) {
        if (seg->flags & TN_TCP_FIN && tcp_segment_end(seg) == record->rcv_nxt) { /* again: 2 MSL from now */
            record->flow.time = end_of_wait(self);
            record->renewed = 1;
        }
        answer(self, record, seg, seg->len > 0 ? TCP_DROP_OLD_DATA : TCP_DROP_OUT_OF_WINDOW);
        return;
    }
    if (!(seg->flags & TN_TCP_ACK))
        tn_drop(self, seg->packet, TCP_DROP_NO_ACK);
    else if (tcp_lt(record->snd_nxt, seg->ack))
        answer(self, record, seg, TCP_DROP_ACK_OUT_OF_RANGE); /* RFC 5961 §5 */
    else
        self->core->packet_free(self, seg->packet);
}

/* ---- A new connection instead ---- */

bool tcp_time_wait_begins_anew(struct tn_self *self, const struct tcp_time_wait *record,
                               const struct tcp_segment *seg)
{
    if ((seg->flags & (TN_TCP_SYN | TN_TCP_ACK | TN_TCP_RST)) != TN_TCP_SYN)
        return false;
    bool later = tcp_le(record->rcv_nxt, seg->seq); /* beyond the FIN */
    bool had = record->flow.mark;
    bool will = seg->has_timestamps && tcp_options(self)->timestamps;
    if (had && will && seg->ts_value != record->ts_recent)
        return tcp_lt(record->ts_recent, seg->ts_value);
    return later || (!had && will);
}

uint32_t tcp_time_wait_replace(struct tn_self *self, struct tcp_time_wait *record)
{
    tn_count(self, TCP_TIME_WAITS_REUSED);
    self->core->flow_hide(self, &record->flow);
    /* Beyond all that the old connection has sent, whatever window its peer had (RFC 1122 §4.2.2.13 (1)). */
    return record->snd_nxt + UINT16_MAX + 2;
}

/* Timestamps tell the old segments from the new ones, once their clock has moved on well. */
bool tcp_time_wait_yields(struct tn_self *self, const struct tcp_time_wait *record)
{
    uint32_t left = record->flow.time - tcp_clock(self);
    return record->flow.mark && left + 1000 <= tcp_options(self)->time_wait / TN_MSEC;
}
