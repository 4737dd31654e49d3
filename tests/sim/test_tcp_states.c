/* TCP: every combination of flags in every state, before, at, in and beyond the window, with every kind of acknowledgement:
 * what RFC 9293 §3.10.7 says (with RFC 5961, RFC 6191 and RFC 1337) is worked out here once more, straight from the text, and
 * compared with what the stack answers, the state that it is in then, and whether it has counted a drop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dialogue.h"
#include "slot.h"

#define FIN 1
#define SYN 2
#define RST 4
#define PSH 8
#define ACK 16
#define URG 32

static struct dialogue d;

/* ---- What should be ---- */

/* A state as it is reached here, and its variables relative to the initial sequence numbers. */
struct situation {
    const char *state;
    void (*reach)(void);
    int32_t rcv_nxt, snd_una, snd_nxt;
};

struct segment {
    unsigned flags;
    int32_t seq, ack;
};

struct outcome {
    const char *answer; /* "", "ack", "reset", "syn-ack" */
    const char *state;  /* "": CLOSED, or LISTEN */
    bool dropped;       /* for a reason that is counted */
};

#define WINDOW 65000 /* all offered windows are at least this, and less than 70000 */

static struct outcome refused(const struct situation *at, const char *answer)
{
    return (struct outcome){answer, at->state, true};
}

/* Table 6. The segments carry no data. */
static bool acceptable(const struct situation *at, const struct segment *s)
{
    int32_t len = (s->flags & SYN ? 1 : 0) + (s->flags & FIN ? 1 : 0);
    int32_t first = s->seq - at->rcv_nxt, last = first + len - 1;
    bool starts_inside = first >= 0 && first < WINDOW;
    return len == 0 ? starts_inside : starts_inside || (last >= 0 && last < WINDOW);
}

/* §3.10.7.1 */
static struct outcome in_closed(const struct situation *at, const struct segment *s)
{
    return refused(at, s->flags & RST ? "" : "reset");
}

/* §3.10.7.2 */
static struct outcome in_listen(const struct situation *at, const struct segment *s)
{
    if (s->flags & RST)
        return refused(at, "");
    if (s->flags & ACK)
        return refused(at, "reset");
    if (s->flags & SYN)
        return (struct outcome){"syn-ack", "SYN-RECEIVED", false};
    return refused(at, "");
}

/* §3.10.7.3 */
static struct outcome in_syn_sent(const struct situation *at, const struct segment *s)
{
    bool has_ack = s->flags & ACK, good = has_ack && s->ack == at->snd_nxt;
    if (has_ack && !good)
        return refused(at, s->flags & RST ? "" : "reset");
    if (s->flags & RST)
        return good ? (struct outcome){"", "", false} : refused(at, "");
    if (!(s->flags & SYN))
        return refused(at, "");
    if (!good)
        return (struct outcome){"syn-ack", "SYN-RECEIVED", false};
    return (struct outcome){"ack", s->flags & FIN ? "CLOSE-WAIT" : "ESTABLISHED", false};
}

/* §3.10.7.4, eighth. `state` is the one after the acknowledgement. */
static struct outcome take_fin(const struct situation *at, const struct segment *s, const char *state)
{
    bool takes = strcmp(state, "ESTABLISHED") == 0 || strncmp(state, "FIN-WAIT", 8) == 0;
    if (!(s->flags & FIN) || !takes)
        return (struct outcome){"", state, false};
    if (s->seq != at->rcv_nxt) /* before its time: remembered, and answered by what is expected */
        return (struct outcome){"ack", state, false};
    if (strcmp(state, "ESTABLISHED") == 0)
        return (struct outcome){"ack", "CLOSE-WAIT", false};
    return (struct outcome){"ack", strcmp(state, "FIN-WAIT-1") == 0 ? "CLOSING" : "TIME-WAIT", false};
}

static bool is_syn_received(const struct situation *at)
{
    return strcmp(at->state, "SYN-RECEIVED") == 0;
}

/* §3.10.7.4, fifth; RFC 5961 §5 */
static struct outcome take_ack(const struct situation *at, const struct segment *s)
{
    const char *state = at->state;
    bool all = s->ack == at->snd_nxt;
    if (is_syn_received(at))
        return all ? take_fin(at, s, "ESTABLISHED") : refused(at, "reset");
    if (s->ack > at->snd_nxt || s->ack < at->snd_una - 65535)
        return refused(at, "ack");
    if (all && strcmp(state, "LAST-ACK") == 0)
        return (struct outcome){"", "", false};
    if (all && strcmp(state, "CLOSING") == 0)
        return (struct outcome){"", "TIME-WAIT", false};
    if (all && strcmp(state, "FIN-WAIT-1") == 0)
        state = "FIN-WAIT-2";
    return take_fin(at, s, state);
}

/* §3.10.7.4 */
static struct outcome in_others(const struct situation *at, const struct segment *s, bool passive)
{
    if (!acceptable(at, s))
        return refused(at, s->flags & RST ? "" : "ack");
    if (s->flags & RST) /* RFC 5961 §3 */
        return s->seq == at->rcv_nxt ? (struct outcome){"", "", false} : refused(at, "ack");
    if (s->flags & SYN) /* RFC 5961 §4 */
        return passive ? (struct outcome){"", "", true} : refused(at, "ack");
    if (!(s->flags & ACK))
        return refused(at, "");
    return take_ack(at, s);
}

static struct outcome in_synchronized(const struct situation *at, const struct segment *s)
{
    return in_others(at, s, false);
}

static struct outcome in_passive_syn_received(const struct situation *at, const struct segment *s)
{
    return in_others(at, s, true);
}

static struct outcome in_time_wait(const struct situation *at, const struct segment *s)
{
    if (s->flags & RST) /* RFC 1337 */
        return refused(at, "");
    if ((s->flags & (SYN | ACK)) == SYN && s->seq >= at->rcv_nxt) /* RFC 6191 */
        return (struct outcome){"syn-ack", "SYN-RECEIVED", false};
    if (s->flags & (SYN | FIN) || s->seq != at->rcv_nxt)
        return refused(at, "ack");
    if (!(s->flags & ACK))
        return refused(at, "");
    return s->ack > at->snd_nxt ? refused(at, "ack") : (struct outcome){"", at->state, false};
}

/* ---- Reaching states ---- */

static void reach_nothing(void)
{
}

static void reach_established(void)
{
    peer(&d, "S 0 win 65535 <mss 1460>");
    stack(&d, "S. 0 ack 1");
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
}

static void reach_fin_wait_1(void)
{
    reach_established();
    user_shuts_down(&d);
    stack(&d, "F. 1 ack 1");
}

static void reach_fin_wait_2(void)
{
    reach_fin_wait_1();
    peer(&d, ". 1 ack 2");
}

static void reach_close_wait(void)
{
    reach_established();
    peer(&d, "F. 1 ack 1");
    stack(&d, ". 1 ack 2");
}

static void reach_closing(void)
{
    reach_fin_wait_1();
    peer(&d, "F. 1 ack 1");
    stack(&d, ". 2 ack 2");
}

static void reach_last_ack(void)
{
    reach_close_wait();
    user_shuts_down(&d);
    stack(&d, "F. 1 ack 2");
}

static void reach_time_wait(void)
{
    reach_fin_wait_2();
    peer(&d, "F. 1 ack 2");
    stack(&d, ". 2 ack 2");
}

static void reach_half_open(void)
{
    peer(&d, "S 0 win 65535 <mss 1460>");
    stack(&d, "S. 0 ack 1");
}

static void reach_syn_sent(void)
{
    d.port = 0; /* it will be heard */
    user_connects(&d);
    stack(&d, "S 0");
}

static void reach_simultaneous_open(void)
{
    reach_syn_sent();
    peer(&d, "S 0 win 65535 <mss 1460>");
    stack(&d, "S. 0 ack 1");
}

/* ---- What is ---- */

static const char *words(const struct segment *s)
{
    static char text[64];
    char flags[8] = "", *f = flags;
    static const char letters[] = "FSRP.U";
    for (unsigned i = 0; i < 6; i++)
        if (s->flags >> i & 1)
            *f++ = letters[i];
    *f = '\0';
    if (s->flags & ACK)
        snprintf(text, sizeof(text), "%s %d ack %d win 65535", flags, s->seq, s->ack);
    else
        snprintf(text, sizeof(text), "%s %d win 65535", *flags ? flags : "-", s->seq);
    return text;
}

static uint64_t all_drops(void)
{
    const struct tn_self *tcp = &tn_slot_by_name(d.stack, "tcp")->self;
    uint64_t sum = 0;
    for (unsigned i = 0; i < tcp->plugin->drop_count; i++)
        sum += tcp->drops[i];
    return sum;
}

static const char *kind_of(const char *said)
{
    if (!said)
        return "";
    size_t len = strcspn(said, " ");
    if (memchr(said, 'R', len))
        return "reset";
    if (memchr(said, 'S', len))
        return "syn-ack";
    return "ack";
}

/* Ends the connection at once. */
static void reset(void)
{
    const struct linger at_once = {.l_onoff = 1};
    if (d.fd >= 0) {
        (void)tn_setsockopt(d.stack, d.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        tn_close(d.stack, d.fd);
        d.fd = -1;
    }
    tn_sim_settle(d.sim);
    (void)stack_said(&d);
}

static void try(const struct situation *at, const struct segment *s,
                struct outcome (*should)(const struct situation *, const struct segment *))
{
    d.peer_port++;
    d.iss_known = false;
    at->reach();
    assert_string_equal(stack_state(&d), at->state);
    struct outcome expected = should(at, s);
    uint64_t drops = all_drops();
    if (strcmp(at->state, "TIME-WAIT") == 0)
        d.iss_known = strcmp(expected.answer, "syn-ack") != 0; /* it begins anew */
    peer(&d, words(s));
    if (d.fd < 0 && d.listener >= 0)
        d.fd = tn_accept(d.stack, d.listener, NULL, NULL);
    const char *answer = kind_of(stack_says(&d)), *more = kind_of(stack_says(&d));
    const char *state = stack_state(&d);
    bool dropped = all_drops() - drops == 1;
    if (strcmp(answer, expected.answer) != 0 || *more || strcmp(state, expected.state) != 0 ||
        dropped != expected.dropped)
        fail_msg("%s, \"%s\": expected answer \"%s\", state \"%s\", %s; got \"%s\"%s%s, \"%s\", %s",
                 at->state, words(s), expected.answer, expected.state,
                 expected.dropped ? "a drop" : "no drop", answer, *more ? " and " : "", more, state,
                 dropped ? "a drop" : "no drop");
    reset();
}

/* All flags, four places, three acknowledgements. */
static void try_all(const struct situation *at,
                    struct outcome (*should)(const struct situation *, const struct segment *), bool listens)
{
    const int32_t places[] = {-100, 0, 100, 70000};
    const int32_t acks[] = {at->snd_nxt, at->snd_nxt + 1000, at->snd_una - 100000};
    dialogue_start(&d, "{ syn-backlog: 100000, time-wait-limit: 100000 }");
    uint16_t port = d.port;
    if (listens)
        user_listens(&d);
    for (unsigned flags = 0; flags < 64; flags++)
        for (size_t place = 0; place < TN_ARRAY_SIZE(places); place++)
            for (size_t ack = 0; ack < (flags & ACK ? TN_ARRAY_SIZE(acks) : 1); ack++) {
                d.port = port;
                const struct segment s = {flags, at->rcv_nxt + places[place], acks[ack]};
                try(at, &s, should);
            }
    tn_sim_destroy(d.sim); /* with all that is open */
}

/* conformance: 9293 3.10.7.1 reset; 9293 3.10.7.1 silence */
static void closed(void **state)
{
    try_all(&(struct situation){"", reach_nothing, 0, 0, 0}, in_closed, false);
}

/* conformance: 9293 3.10.7.2 RST; 9293 3.10.7.2 ACK; 9293 3.10.7.2 SYN; 9293 3.10.7.2 other */
static void listening(void **state)
{
    try_all(&(struct situation){"", reach_nothing, 0, 0, 0}, in_listen, true);
}

/* conformance: 9293 3.10.7.3 ACK; 9293 3.10.7.3 RST; 9293 3.10.7.3 SYN; 9293 3.10.7.3 other */
static void syn_sent(void **state)
{
    try_all(&(struct situation){"SYN-SENT", reach_syn_sent, 0, 0, 1}, in_syn_sent, false);
}

/* conformance: 9293 3.10.7.4 first; 9293 3.10.7.4 second; 9293 3.10.7.4 fourth; 9293 3.10.7.4 fifth SYN-RECEIVED */
static void syn_received_from_listen(void **state)
{
    try_all(&(struct situation){"SYN-RECEIVED", reach_half_open, 1, 0, 1}, in_passive_syn_received, true);
}

/* conformance: 9293 MUST-10; 9293 3.10.7.4 second; 9293 3.10.7.4 fourth; 9293 3.10.7.4 fifth SYN-RECEIVED */
static void syn_received_from_syn_sent(void **state)
{
    try_all(&(struct situation){"SYN-RECEIVED", reach_simultaneous_open, 1, 0, 1}, in_synchronized, false);
}

/* conformance: 9293 3.10.7.4 first; 9293 3.10.7.4 second; 9293 3.10.7.4 fourth; 9293 3.10.7.4 fifth; 5961 3.2 exact; 5961 3.2 window; 5961 4.2; 5961 5.2 */
static void synchronized_states(void **state)
{
    static const struct situation situations[] = {
        {"ESTABLISHED", reach_established, 1, 1, 1}, {"FIN-WAIT-1", reach_fin_wait_1, 1, 1, 2},
        {"FIN-WAIT-2", reach_fin_wait_2, 1, 2, 2},   {"CLOSE-WAIT", reach_close_wait, 2, 1, 1},
        {"CLOSING", reach_closing, 2, 1, 2},         {"LAST-ACK", reach_last_ack, 2, 1, 2},
    };
    for (size_t i = 0; i < TN_ARRAY_SIZE(situations); i++)
        try_all(&situations[i], in_synchronized, true);
}

/* conformance: 1337 3 F1; 6191 2 no timestamps */
static void time_wait(void **state)
{
    try_all(&(struct situation){"TIME-WAIT", reach_time_wait, 2, 2, 2}, in_time_wait, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed),
        cmocka_unit_test(listening),
        cmocka_unit_test(syn_sent),
        cmocka_unit_test(syn_received_from_listen),
        cmocka_unit_test(syn_received_from_syn_sent),
        cmocka_unit_test(synchronized_states),
        cmocka_unit_test(time_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
