/* run_segments.c: what the peer says and hears. */
#include <stdio.h>

#include "run.h"

static void trace(struct run *run, const char *way, const struct segment *s)
{
    char text[1024];
    if (!run->trace)
        return;
    segment_print(s, text, sizeof(text));
    printf("%10.6f %s%s %s\n", run_seconds(run, run->now),
           run->script->talks[run->step ? run->step->talk : 0], way, text);
}

/* ---- Saying ---- */

/* What the step doesn't say is as usual in this talk. */
static void complete(const struct talk *talk, struct segment *s)
{
    if (!(s->has & HAS_WIN)) {
        s->has |= HAS_WIN;
        s->win = (uint16_t)talk->window;
    }
    if (!(s->has & HAS_OPTIONS) && talk->stamp) {
        s->has |= HAS_OPTIONS;
        s->options[0].kind = s->options[1].kind = OPTION_NOP;
        s->options[2] = (struct segment_option){.kind = OPTION_TS, .count = 1, .value = {talk->stamp}};
        s->option_count = 3;
    }
    for (size_t i = 0; i < s->option_count; i++) {
        struct segment_option *o = &s->options[i];
        if (o->kind == OPTION_TS && o->count == 1) {
            o->value[1] = talk->stamp_heard;
            o->count = 2;
        }
    }
}

static bool hand_in(struct run *run, const uint8_t *packet, size_t len)
{
    int error = tn_host_send(run->stack, RUN_INTERFACE, packet, len);
    return error == 0 || run_fail(run, "the stack does not take the packet: %s", name_of_errno(-error));
}

bool run_say(struct run *run)
{
    uint8_t packet[RUN_PACKET];
    struct talk *talk = run_talk(run);
    struct segment s = run->step->segment;
    complete(talk, &s);
    trace(run, ">", &s);
    if (!hand_in(run, packet, segment_build(&talk->ends, &s, packet)))
        return false;
    if (!run->step->together)
        run_settle(run);
    return true;
}

bool run_icmp(struct run *run)
{
    uint8_t packet[RUN_PACKET];
    const struct step *step = run->step;
    size_t len = segment_build_icmp(&run_talk(run)->ends, step->icmp_type, step->icmp_code, step->mtu,
                                    &step->segment, packet);
    if (!hand_in(run, packet, len))
        return false;
    run_settle(run);
    return true;
}

/* ---- Hearing ---- */

/* Reads the packet that waits, of the talk that it belongs to. */
static bool read_pending(struct run *run, struct talk *talk, struct segment *got)
{
    const char *wrong = segment_read(&talk->ends, run->packet, run->packet_len, got);
    for (size_t i = 0; i < got->option_count; i++)
        if (got->options[i].kind == OPTION_TS && got->options[i].count)
            talk->stamp_heard = got->options[i].value[0];
    return !wrong || run_fail(run, "of what the stack sent, %s", wrong);
}

static const char *talk_name(const struct run *run, size_t i)
{
    return i ? run->script->talks[i] : "the first talk";
}

bool run_unexpected(struct run *run)
{
    char text[1024];
    struct segment got;
    for (size_t i = 0; i < run->script->talk_count; i++) {
        struct talk *talk = &run->talks[i];
        if (!segment_is_of(&talk->ends, run->packet, run->packet_len))
            continue;
        if (!read_pending(run, talk, &got))
            return false;
        segment_print(&got, text, sizeof(text));
        return run_fail(run, "the stack sent in %s, and it was not expected: %s", talk_name(run, i), text);
    }
    return run_fail(run, "the stack sent %zu octets of protocol %u that belong to no talk", run->packet_len,
                    run->packet_len > 9 ? run->packet[9] : 0);
}

static bool check(struct run *run, struct talk *talk)
{
    char expected[1024], heard[1024];
    struct segment got;
    if (!segment_is_of(&talk->ends, run->packet, run->packet_len))
        return run_unexpected(run);
    if (!read_pending(run, talk, &got))
        return false;
    run->packet_len = 0;
    trace(run, "<", &got);
    if (segment_matches(&run->step->segment, &got))
        return true;
    segment_print(&run->step->segment, expected, sizeof(expected));
    segment_print(&got, heard, sizeof(heard));
    return run_fail(run, "wrong segment\n    expected: %s\n    heard:    %s", expected, heard);
}

/* The next segment must come between the two times. */
bool run_hear(struct run *run, tn_time from, tn_time to)
{
    tn_time last = from == to ? to + RUN_TICK : to;
    char expected[1024];
    if (run->now < from && run_pending(run))
        return run_unexpected(run);
    run_advance(run, run->step->when == WHEN_NOW ? run->now : last);
    segment_print(&run->step->segment, expected, sizeof(expected));
    if (!run_pending(run))
        return run_fail(run, "the stack has sent nothing; expected: %s", expected);
    if (run->now >= from)
        return check(run, run_talk(run));
    run_fail(run, "the stack sent something at %.6f s; expected at %.6f s: %s", run_seconds(run, run->now),
             run_seconds(run, from), expected);
    return false;
}
