/* TCP under attack: half-open connections and their limits, SYN cookies (RFC 4987), the accept queue, TIME-WAIT in great number
 * (RFC 6191, RFC 1337). */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <netinet/in.h>

#include "dialogue.h"
#include "flow.h"

static struct dialogue d;

static void listening(const char *tcp)
{
    dialogue_start(&d, tcp);
    user_listens(&d);
}

/* From now on the peer speaks from another port. */
static void next_peer(void)
{
    d.peer_port++;
    d.iss_known = false;
}

static size_t half_open(void)
{
    return tn_flows_count(d.stack);
}

/* ---- Records ---- */

/* conformance: 4987 3.4 small */
static void half_open_connection_is_no_socket(void **state)
{
    listening("{}");
    size_t sockets = tn_sockets_count(d.stack);
    struct tn_usage before, after;
    tn_stack_usage(d.stack, &before);
    peer(&d, "S 0 <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>");
    stack(&d, "S. 0 ack 1");
    tn_stack_usage(d.stack, &after);
    assert_int_equal(tn_sockets_count(d.stack), sockets);
    assert_string_equal(stack_state(&d), "SYN-RECEIVED");
    size_t bytes = after.plugin_bytes - before.plugin_bytes + sizeof(void *); /* and a bucket of the table */
    assert_in_range(bytes, 60, 128);
    dialogue_stop(&d);
}

static void time_wait_is_64_bytes(void **state)
{
    struct tn_usage before, after;
    listening("{}");
    d.ts_said = 1;
    peer(&d, "S 0 <mss 1460,nop,nop,TS val 1 ecr 0>");
    stack(&d, "S. 0 ack 1");
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
    user_closes(&d);
    stack(&d, "F. 1 ack 1");
    tn_stack_usage(d.stack, &before);
    peer(&d, "F. 1 ack 2");
    stack(&d, ". 2 ack 2");
    tn_stack_usage(d.stack, &after);
    assert_string_equal(stack_state(&d), "TIME-WAIT");
    assert_int_equal(after.sockets, before.sockets - 1);
    assert_in_range(tn_flows_bytes(d.stack) + sizeof(void *), 40, 64);
    dialogue_stop(&d);
}

/* What was agreed in the handshake is carried from the record to the connection. */
static void options_survive_being_half_open(void **state)
{
    listening("{}");
    d.ts_said = 100;
    peer(&d, "S 0 win 1000 <mss 700,sackOK,TS val 100 ecr 0,nop,wscale 7>");
    stack(&d, "S. 0 ack 1 win 65535 <mss 1460,sackOK,TS val * ecr 100,nop,wscale 9>");
    d.window = 10; /* 1280 octets */
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
    user_writes(&d, 3000);
    stack(&d, ". 1:689 ack 1 <nop,nop,TS val * ecr 100>"); /* 700 less timestamps */
    (void)stack_said(&d);
    peer(&d, "P. 11:21 ack 1");
    stack(&d, ". * ack 1 <nop,nop,TS val * ecr *,nop,nop,sack 11:21>");
    dialogue_stop(&d);
}

/* conformance: 9293 MUST-11; 9293 3.10.7.4 second */
static void reset_returns_half_open_to_listen_in_silence(void **state)
{
    listening("{}");
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    peer(&d, "R 1");
    stack_silent_for(&d, 5 * TN_SEC);
    assert_int_equal(half_open(), 0);
    next_peer();
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    dialogue_stop(&d);
}

/* conformance: 5961 3.2 window; 5961 3.2 outside */
static void reset_inside_the_window_does_not_end_half_open(void **state)
{
    listening("{}");
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    peer(&d, "R 2");
    stack(&d, ". 1 ack 1");
    peer(&d, "R 70000");
    stack_silent(&d);
    assert_int_equal(half_open(), 1);
    assert_int_equal(tcp_drops(&d, "reset-challenged"), 1);
    assert_int_equal(tcp_drops(&d, "reset-out-of-window"), 1);
    dialogue_stop(&d);
}

/* conformance: 9293 3.10.7.4 first; 9293 3.10.7.4 fifth */
static void half_open_answers_what_is_outside_the_window(void **state)
{
    listening("{}");
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    peer(&d, ". 70000:70010 ack 1");
    stack(&d, ". 1 ack 1 win 65535");
    peer(&d, "- 1:11");
    stack_silent(&d);
    assert_int_equal(tcp_drops(&d, "out-of-window"), 1);
    assert_int_equal(tcp_drops(&d, "no-ack"), 1);
    assert_int_equal(half_open(), 1);
    dialogue_stop(&d);
}

static void half_open_refuses_old_timestamps(void **state)
{
    listening("{}");
    peer(&d, "S 0 <mss 1460,nop,nop,TS val 100 ecr 0>");
    stack(&d, "S. 0 ack 1");
    peer(&d, ". 1 ack 1 <nop,nop,TS val 99 ecr 0>");
    stack(&d, ". 1 ack 1 <nop,nop,TS val * ecr 100>");
    peer(&d, ". 1 ack 1 <nop>");
    stack_silent(&d);
    assert_int_equal(tcp_drops(&d, "paws"), 1);
    assert_int_equal(tcp_drops(&d, "no-timestamp"), 1);
    assert_int_equal(half_open(), 1);
    dialogue_stop(&d);
}

/* conformance: 5961 7 */
static void half_open_answers_only_so_often(void **state)
{
    listening("{ challenge-limit: 3 }");
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    for (int i = 0; i < 20; i++)
        peer(&d, i % 2 ? "S 0" : "R 2");
    assert_int_equal(stack_said(&d), 3);
    assert_int_equal(tcp_counter(&d, "acks-limited"), 17);
    dialogue_stop(&d);
}

/* A hard error about our SYN-ACK ends it; one with another number is a forgery. */
/* conformance: 5927 4.1 */
static void icmp_ends_half_open_only_with_its_number(void **state)
{
    listening("{}");
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    icmp(&d, 3, 3, 0, "S. 1 ack 1");
    assert_int_equal(half_open(), 1);
    icmp(&d, 3, 3, 0, "S. 0 ack 1");
    assert_int_equal(half_open(), 0);
    stack_silent_for(&d, 10 * TN_SEC);
    dialogue_stop(&d);
}

static void half_open_ends_after_three_minutes(void **state)
{
    listening("{}");
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    tn_sim_run(d.sim, 179 * TN_SEC);
    assert_int_equal(half_open(), 1);
    tn_sim_run(d.sim, 2 * TN_SEC);
    assert_int_equal(half_open(), 0);
    assert_in_range(stack_said(&d), 7, 8);
    dialogue_stop(&d);
}

static void closing_the_listener_ends_what_is_half_open(void **state)
{
    listening("{}");
    for (int i = 0; i < 5; i++, next_peer()) {
        peer(&d, "S 0");
        stack(&d, "S. 0 ack 1");
    }
    tn_close(d.stack, d.listener);
    d.listener = -1;
    assert_int_equal(half_open(), 0);
    stack_silent_for(&d, 10 * TN_SEC);
    dialogue_stop(&d);
}

/* ---- The SYN queue ---- */

/* conformance: 4987 3.5 oldest */
static void full_queue_without_cookies_lets_the_oldest_go_after_a_second(void **state)
{
    listening("{ syn-backlog: 3, syn-cookies: never }");
    uint16_t first = d.peer_port;
    for (int i = 0; i < 3; i++, next_peer())
        peer(&d, "S 0");
    (void)stack_said(&d);
    peer(&d, "S 0"); /* all are young */
    stack_silent(&d);
    assert_int_equal(tcp_drops(&d, "syn-queue-full"), 1);
    tn_sim_run(d.sim, TN_SEC);
    (void)stack_said(&d);
    d.iss_known = false;
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    assert_int_equal(half_open(), 3);
    assert_int_equal(tcp_counter(&d, "half-open-evicted"), 1);
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
    d.peer_port = first;
    assert_string_equal(stack_state(&d), "ESTABLISHED");
    dialogue_stop(&d);
}

/* A queue in which most are old leaves room for young ones. */
static void crowded_queue_sheds_those_that_do_not_answer(void **state)
{
    listening("{ syn-backlog: 8 }");
    for (int i = 0; i < 8; i++, next_peer())
        peer(&d, "S 0");
    tn_sim_run(d.sim, 20 * TN_SEC);
    (void)stack_said(&d);
    assert_int_equal(half_open(), 6);
    assert_int_equal(tcp_counter(&d, "half-open-evicted"), 2);
    dialogue_stop(&d);
}

/* conformance: 4987 3.4 limit */
static void all_listeners_share_a_limit(void **state)
{
    listening("{ half-open-limit: 4, syn-cookies: never }");
    for (int i = 0; i < 6; i++, next_peer())
        peer(&d, "S 0");
    assert_int_equal(stack_said(&d), 4);
    assert_int_equal(half_open(), 4);
    assert_int_equal(tcp_drops(&d, "syn-queue-full"), 2);
    dialogue_stop(&d);
}

/* ---- Cookies ---- */

/* conformance: 4987 3.6 cookie; 4987 3.6 overflow */
static void overflow_is_answered_with_cookies_and_nothing_is_kept(void **state)
{
    listening("{ syn-backlog: 2 }");
    for (int i = 0; i < 2; i++, next_peer())
        peer(&d, "S 0");
    (void)stack_said(&d);
    peer(&d, "S 0 <mss 1460>");
    stack(&d, "S. 0 ack 1 win 65535 <mss 1460>");
    assert_int_equal(half_open(), 2);
    assert_int_equal(tcp_counter(&d, "syn-cookies-sent"), 1);
    tn_sim_run(d.sim, 500 * TN_MSEC);
    peer(&d, "P. 1:11 ack 1"); /* with data at once */
    assert_int_equal(tcp_counter(&d, "syn-cookies-taken"), 1);
    user_accepts(&d);
    assert_string_equal(stack_state(&d), "ESTABLISHED");
    user_reads(&d, 10);
    stack(&d, ". 1 ack 11");
    user_writes(&d, 3000);
    stack(&d, ". 1:1461 ack 11"); /* the MSS came back in the cookie */
    dialogue_stop(&d);
}

/* conformance: 4987 3.6 options */
static void cookie_carries_options_in_the_timestamp(void **state)
{
    listening("{ syn-cookies: always }");
    d.ts_said = 100;
    peer(&d, "S 0 win 1000 <mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>");
    stack(&d, "S. 0 ack 1 <mss 1460,sackOK,TS val * ecr 100,nop,wscale 9>");
    assert_int_equal(half_open(), 0);
    uint32_t stamp = d.ts_heard;
    d.window = 40; /* 5120 octets: three segments and a half */
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
    user_writes(&d, 10000);
    stack(&d, ". 1:1449 ack 1 <nop,nop,TS val * ecr 100>");
    assert_in_range(d.ts_heard - stamp, 0, 63); /* never back */
    stack(&d, ". 1449:2897 ack 1");
    stack(&d, ". 2897:4345 ack 1");
    stack_silent(&d);
    peer(&d, "P. 11:21 ack 1");
    stack(&d, ". 4345 ack 1 <nop,nop,TS val * ecr *,nop,nop,sack 11:21>");
    dialogue_stop(&d);
}

/* conformance: 4987 3.6 options */
static void cookie_without_timestamps_offers_only_the_mss(void **state)
{
    listening("{ syn-cookies: always }");
    peer(&d, "S 0 <mss 1460,nop,nop,sackOK,nop,wscale 7>");
    stack(&d, "S. 0 ack 1 <mss 1460>");
    peer(&d, ". 1 ack 1 win 100");
    user_accepts(&d);
    user_writes(&d, 1000);
    stack(&d, ". 1:101 ack 1"); /* the window is not scaled */
    dialogue_stop(&d);
}

/* The MSS is rounded down to one that the cookie can carry. */
static void cookie_rounds_the_mss_down(void **state)
{
    static const unsigned told[][2] = {{30, 64},     {536, 536},   {1459, 1440},
                                       {1460, 1460}, {1500, 1460}, {9000, 1460}};
    listening("{ syn-cookies: always }");
    for (size_t i = 0; i < TN_ARRAY_SIZE(told); i++, next_peer()) {
        char text[64];
        snprintf(text, sizeof(text), "S 0 <mss %u>", told[i][0]);
        peer(&d, text);
        stack(&d, "S. 0 ack 1");
        peer(&d, ". 1 ack 1");
        user_accepts(&d);
        user_writes(&d, told[i][1] + 1);
        snprintf(text, sizeof(text), ". 1:%u ack 1", told[i][1] + 1);
        stack(&d, text);
        tn_close(d.stack, d.fd);
        d.fd = -1;
        (void)stack_said(&d);
        peer(&d, "R 1");
        d.written = 0;
    }
    dialogue_stop(&d);
}

/* conformance: 4987 3.6 forged */
static void forged_and_stale_cookies_are_reset(void **state)
{
    listening("{ syn-cookies: always }");
    peer(&d, "S 0 <mss 1460>");
    stack(&d, "S. 0 ack 1");
    peer(&d, ". 1 ack 2"); /* another MSS or another cookie: wrong */
    stack(&d, "R 2");
    peer(&d, ". 2 ack 1"); /* another ISN of the peer */
    stack(&d, "R 1");
    d.peer_port++; /* another peer */
    peer(&d, ". 1 ack 1");
    stack(&d, "R 1");
    d.peer_port--;
    assert_int_equal(tcp_counter(&d, "syn-cookies-wrong"), 3);
    tn_sim_run(d.sim, 121 * TN_SEC);
    uint32_t iss = d.iss;
    d.peer_port += 2; /* a new one is out, so that cookies are looked for */
    d.iss_known = false;
    peer(&d, "S 0 <mss 1460>");
    stack(&d, "S. 0 ack 1");
    d.peer_port -= 2;
    d.iss = iss;
    peer(&d, ". 1 ack 1");
    stack(&d, "R 1");
    assert_int_equal(tcp_counter(&d, "syn-cookies-wrong"), 4);
    assert_int_equal(tcp_counter(&d, "syn-cookies-taken"), 0);
    dialogue_stop(&d);
}

/* Without an overflow nobody may guess cookies. */
/* conformance: 4987 3.6 overflow */
static void cookies_are_taken_only_when_some_were_sent(void **state)
{
    listening("{}");
    peer(&d, ". 1 ack 1");
    stack(&d, "R 1");
    assert_int_equal(tcp_counter(&d, "syn-cookies-wrong"), 0);
    dialogue_stop(&d);
}

/* ---- The accept queue ---- */

/* listen(2), Linux: backlog 5 means 6. */
static void full_accept_queue_drops_syns(void **state)
{
    listening("{}");
    for (int i = 0; i < 6; i++, next_peer()) {
        peer(&d, "S 0");
        stack(&d, "S. 0 ack 1");
        peer(&d, ". 1 ack 1");
    }
    peer(&d, "S 0");
    stack_silent(&d);
    assert_int_equal(tcp_drops(&d, "backlog-full"), 1);
    assert_true(tn_accept(d.stack, d.listener, NULL, NULL) >= 0);
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    tn_sim_destroy(d.sim); /* with what is open */
}

/* Handshakes are not limited by the backlog, but the last ACK is dropped until there is room. */
static void last_ack_waits_for_room_in_the_accept_queue(void **state)
{
    uint32_t iss[7];
    listening("{}");
    const uint16_t first = d.peer_port;
    for (int i = 0; i < 7; i++, next_peer()) {
        peer(&d, "S 0");
        stack(&d, "S. 0 ack 1");
        iss[i] = d.iss;
    }
    for (uint16_t i = 0; i < 7; i++) {
        d.peer_port = (uint16_t)(first + i);
        d.iss = iss[i];
        d.iss_known = true;
        peer(&d, ". 1 ack 1");
    }
    assert_int_equal(tcp_counter(&d, "handshakes"), 6);
    assert_int_equal(half_open(), 1);
    assert_int_equal(tcp_drops(&d, "backlog-full"), 1);
    stack_silent(&d);
    stack_after(&d, TN_SEC, "S. 0 ack 1");
    peer(&d, ". 1 ack 1"); /* still full */
    d.peer_port = first;
    user_accepts(&d);
    tn_close(d.stack, d.fd);
    (void)stack_said(&d);
    d.iss = iss[0];
    peer(&d, "R 1");
    d.peer_port = (uint16_t)(first + 6);
    d.iss = iss[6];
    stack_after(&d, 2 * TN_SEC, "S. 0 ack 1");
    peer(&d, "P. 1:11 ack 1");
    assert_int_equal(tcp_counter(&d, "handshakes"), 7);
    for (uint16_t i = 1; i < 7; i++) {
        d.peer_port = (uint16_t)(first + i);
        tn_close(d.stack, d.fd);
        user_accepts(&d);
    }
    user_reads(&d, 10);
    dialogue_stop(&d);
}

/* ---- TIME-WAIT ---- */

/* A connection from `port` of the peer goes to TIME-WAIT. */
static void wait_with(const char *options)
{
    char text[128];
    d.iss_known = false;
    snprintf(text, sizeof(text), "S 0 <%s>", options);
    peer(&d, text);
    stack(&d, "S. 0 ack 1");
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
    user_closes(&d);
    stack(&d, "F. 1 ack 1");
    peer(&d, "F. 1 ack 2");
    stack(&d, ". 2 ack 2");
}

static void full_table_lets_the_oldest_go(void **state)
{
    listening("{ time-wait-limit: 3 }");
    uint16_t first = d.peer_port;
    for (int i = 0; i < 5; i++, next_peer())
        wait_with("mss 1460");
    assert_int_equal(tn_flows_count(d.stack), 3);
    assert_int_equal(tcp_counter(&d, "time-waits-evicted"), 2);
    d.peer_port = (uint16_t)(first + 1);
    assert_string_equal(stack_state(&d), "");
    d.peer_port = (uint16_t)(first + 2);
    assert_string_equal(stack_state(&d), "TIME-WAIT");
    dialogue_stop(&d);
}

static void each_waits_its_own_time(void **state)
{
    listening("{ time-wait: 10s }");
    uint16_t first = d.peer_port;
    for (int i = 0; i < 3; i++, next_peer()) {
        wait_with("mss 1460");
        tn_sim_run(d.sim, 3 * TN_SEC);
    }
    /* 9 s: the FIN of the first comes again, so it stays till 19 s; the second ends at 13, the third at 16. */
    d.peer_port = first;
    peer(&d, "F. 1 ack *");
    assert_int_equal(stack_said(&d), 1);
    assert_int_equal(tn_flows_count(d.stack), 3);
    tn_sim_run(d.sim, 5 * TN_SEC);
    assert_int_equal(tn_flows_count(d.stack), 2);
    tn_sim_run(d.sim, 3 * TN_SEC);
    assert_int_equal(tn_flows_count(d.stack), 1);
    assert_string_equal(stack_state(&d), "TIME-WAIT");
    tn_sim_run(d.sim, 3 * TN_SEC);
    assert_int_equal(tn_flows_count(d.stack), 0);
    dialogue_stop(&d);
}

/* conformance: 6191 2 ISN; 6191 2 no timestamps */
static void new_connection_in_time_wait_begins_beyond_the_old(void **state)
{
    listening("{}");
    wait_with("mss 1460");
    uint32_t old = d.iss;
    d.iss_known = false;
    peer(&d, "S 100000 <mss 1460>");
    stack(&d, "S. 0 ack 100001");
    assert_true((int32_t)(d.iss - (old + 2 + 65535)) >= 0);
    assert_int_equal(tcp_counter(&d, "time-waits-reused"), 1);
    dialogue_stop(&d);
}

/* conformance: 1337 3 F1; 1337 2 old */
static void resets_and_old_segments_do_not_end_time_wait(void **state)
{
    listening("{}");
    wait_with("mss 1460");
    for (int seq = 0; seq < 5; seq++) {
        char text[32];
        snprintf(text, sizeof(text), "R %d", seq);
        peer(&d, text);
    }
    stack_silent(&d);
    assert_string_equal(stack_state(&d), "TIME-WAIT");
    assert_int_equal(tcp_drops(&d, "reset-in-time-wait"), 5);
    peer(&d, "P. 1:11 ack 2");
    stack(&d, ". 2 ack 2");
    dialogue_stop(&d);
}

static void time_wait_answers_only_so_often(void **state)
{
    listening("{}");
    wait_with("mss 1460");
    for (int i = 0; i < 150; i++)
        peer(&d, "P. 1:11 ack 2");
    assert_int_equal(stack_said(&d), 100);
    assert_int_equal(tcp_counter(&d, "acks-limited"), 50);
    dialogue_stop(&d);
}

/* A connection of this side's own to the peer's port 9, from this port, which is then closed by this side. */
static int connect_from(uint16_t port, int expected)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(d.peer_port)};
    memcpy(&from.sin_addr, d.own, 4);
    memcpy(&to.sin_addr, d.other, 4);
    int fd = tn_socket(d.stack, AF_INET, SOCK_STREAM, 0), one = 1;
    assert_int_equal(tn_setsockopt(d.stack, fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)), 0);
    assert_int_equal(tn_bind(d.stack, fd, (struct sockaddr *)&from, sizeof(from)), 0);
    int result = tn_connect(d.stack, fd, (struct sockaddr *)&to, sizeof(to));
    assert_int_equal(result, expected);
    tn_sim_settle(d.sim);
    return fd;
}

static void own_connection_in_time_wait(const char *options)
{
    char text[128];
    dialogue_start(&d, "{}");
    d.port = 5000;
    d.fd = connect_from(5000, -EINPROGRESS);
    d.ts_said = strstr(options, "TS") ? 7 : 0;
    stack(&d, "S 0");
    snprintf(text, sizeof(text), "S. 0 ack 1 <%s>", options);
    peer(&d, text);
    stack(&d, ". 1 ack 1");
    user_closes(&d);
    stack(&d, "F. 1 ack 1");
    peer(&d, "F. 1 ack 2");
    stack(&d, ". 2 ack 2");
    assert_string_equal(stack_state(&d), "TIME-WAIT");
}

/* conformance: 6191 3 active */
static void own_end_is_used_again_once_timestamps_have_moved_on(void **state)
{
    own_connection_in_time_wait("mss 1460,nop,nop,TS val 7 ecr *");
    uint32_t old = d.iss;
    tn_close(d.stack, connect_from(5000, -EADDRNOTAVAIL));
    tn_sim_run(d.sim, TN_SEC);
    d.iss_known = false;
    d.fd = connect_from(5000, -EINPROGRESS);
    stack(&d, "S 0");
    assert_true((int32_t)(d.iss - (old + 2 + 65535)) >= 0);
    assert_int_equal(tcp_counter(&d, "time-waits-reused"), 1);
    dialogue_stop(&d);
}

/* conformance: 6191 3 active */
static void own_end_is_not_used_again_without_timestamps(void **state)
{
    own_connection_in_time_wait("mss 1460");
    tn_sim_run(d.sim, 30 * TN_SEC);
    tn_close(d.stack, connect_from(5000, -EADDRNOTAVAIL));
    tn_sim_run(d.sim, 31 * TN_SEC);
    d.iss_known = false;
    d.fd = connect_from(5000, -EINPROGRESS);
    stack(&d, "S 0");
    dialogue_stop(&d);
}

/* As on Linux: the port counts as taken. */
static void port_in_time_wait_is_bound_only_by_who_says_so(void **state)
{
    own_connection_in_time_wait("mss 1460");
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(5000)};
    int fd = tn_socket(d.stack, AF_INET, SOCK_STREAM, 0), one = 1;
    assert_int_equal(tn_bind(d.stack, fd, (struct sockaddr *)&from, sizeof(from)), -EADDRINUSE);
    tn_setsockopt(d.stack, fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    assert_int_equal(tn_bind(d.stack, fd, (struct sockaddr *)&from, sizeof(from)), 0);
    tn_close(d.stack, fd);
    tn_sim_run(d.sim, 61 * TN_SEC);
    fd = tn_socket(d.stack, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(tn_bind(d.stack, fd, (struct sockaddr *)&from, sizeof(from)), 0);
    tn_close(d.stack, fd);
    dialogue_stop(&d);
}

/* What was received can still be read when the connection is in TIME-WAIT. */
static void user_reads_on_in_time_wait(void **state)
{
    established(&d, "{}", "mss 1460");
    user_shuts_down(&d);
    stack(&d, "F. 1 ack 1");
    peer(&d, "FP. 1:11 ack 2");
    stack(&d, ". 2 ack 12");
    assert_string_equal(stack_state(&d), "TIME-WAIT");
    user_reads(&d, 10);
    user_reads_nothing(&d, 0);
    dialogue_stop(&d);
}

/* ---- Swap ---- */

static void swap_tcp(void)
{
    struct tn_error error;
    if (tn_stack_swap(d.stack, "tcp", NULL, &error) < 0)
        fail_msg("%s", error.text);
    tn_sim_settle(d.sim);
}

static void half_open_survives_a_swap(void **state)
{
    listening("{}");
    peer(&d, "S 0 <mss 700>");
    stack(&d, "S. 0 ack 1");
    swap_tcp();
    stack_after(&d, TN_SEC, "S. 0 ack 1"); /* its timer too */
    swap_tcp();
    peer(&d, "P. 1:11 ack 1");
    user_accepts(&d);
    user_reads(&d, 10);
    user_writes(&d, 1000);
    (void)stack_said(&d);
    peer(&d, ". 11 ack 1001");
    dialogue_stop(&d);
}

static void cookie_survives_a_swap(void **state)
{
    listening("{ syn-cookies: always }");
    peer(&d, "S 0 <mss 700>");
    stack(&d, "S. 0 ack 1");
    swap_tcp();
    peer(&d, ". 1 ack 1");
    user_accepts(&d);
    assert_int_equal(tcp_counter(&d, "syn-cookies-taken"), 1);
    dialogue_stop(&d);
}

static void time_wait_survives_a_swap(void **state)
{
    listening("{ time-wait: 10s }");
    wait_with("mss 1460");
    swap_tcp();
    assert_string_equal(stack_state(&d), "TIME-WAIT");
    peer(&d, "F. 1 ack 2");
    stack(&d, ". 2 ack 2");
    swap_tcp();
    tn_sim_run(d.sim, 11 * TN_SEC);
    assert_string_equal(stack_state(&d), "");
    dialogue_stop(&d);
}

/* Nothing is left of them when tcp goes. */
static void disabled_tcp_leaves_no_flows(void **state)
{
    struct tn_error error;
    listening("{}");
    wait_with("mss 1460");
    next_peer();
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    assert_int_equal(tn_flows_count(d.stack), 2);
    static const char without[] = "stack: { name: dialogue }\n"
                                  "interfaces: { h0: { driver: host, mode: ip, addresses: [10.0.7.7/24] } }\n"
                                  "protocols: { rawip: {}, ipv4: {}, icmp: {} }\n";
    if (tn_stack_reload(d.stack, without, "without", &error, NULL, 0) < 0)
        fail_msg("%s", error.text);
    tn_sim_settle(d.sim);
    assert_int_equal(tn_flows_count(d.stack), 0);
    struct tn_usage usage;
    tn_stack_usage(d.stack, &usage);
    assert_int_equal(usage.plugin_bytes, 0);
    tn_sim_destroy(d.sim);
}

/* ---- Out of order ---- */

/* Gaps as many as the limit lets, in an order that would make a plain search tree deep, then in one that jumps about. */
static void gaps_in_great_number_are_kept_up_to_the_limit(void **state)
{
    enum {
        GAPS = 600,
        LIMIT = 500
    };
    static const unsigned steps[] = {1, 7, GAPS - 1}; /* all prime to GAPS */
    for (size_t way = 0; way < TN_ARRAY_SIZE(steps); way++) {
        established(&d, "{ reassembly-limit: 500 }", "mss 1460");
        for (unsigned i = 0; i < GAPS; i++) {
            char text[64];
            unsigned at = 2 + 2 * (i * steps[way] % GAPS);
            snprintf(text, sizeof(text), ". %u:%u ack 1", at, at + 1);
            peer(&d, text);
        }
        assert_int_equal(tcp_drops(&d, "reassembly-full"), GAPS - LIMIT);
        assert_int_equal(tcp_counter(&d, "out-of-order"), LIMIT);
        assert_int_equal(stack_said(&d), GAPS); /* each is answered: a gap (RFC 5681 §4.2) */
        for (unsigned at = 1; at < 1 + 2 * GAPS; at++) {
            char text[64];
            snprintf(text, sizeof(text), ". %u:%u ack 1", at, at + 1);
            peer(&d, text);
        }
        user_reads(&d, 2 * GAPS);
        dialogue_stop(&d);
    }
}

/* Segments of a few octets would each hold a buffer of their own. */
static void small_segments_out_of_order_share_a_buffer(void **state)
{
    struct tn_usage before, after;
    established(&d, "{}", "mss 1460");
    tn_stack_usage(d.stack, &before);
    for (unsigned at = 2; at < 1002; at += 10) {
        char text[64];
        snprintf(text, sizeof(text), ". %u:%u ack 1", at, at + 10);
        peer(&d, text);
    }
    (void)stack_said(&d);
    tn_stack_usage(d.stack, &after);
    assert_in_range(after.packets - before.packets, 1, 10); /* of 100 */
    peer(&d, ". 1:2 ack 1");
    user_reads(&d, 1001);
    dialogue_stop(&d);
}

/* ---- Numbers ---- */

/* The stack's initial sequence number for a connection from this port, now. */
static uint32_t isn_for(uint16_t port)
{
    d.peer_port = port;
    d.iss_known = false;
    peer(&d, "S 0");
    stack(&d, "S. 0 ack 1");
    peer(&d, "R 1");
    return d.iss;
}

/* conformance: 6528 3 clock; 6528 3 hash; 9293 MUST-8; 9293 MUST-9 */
static void initial_sequence_numbers_follow_a_clock_that_differs_for_all(void **state)
{
    listening("{}");
    uint32_t first = isn_for(2000), other = isn_for(2001);
    assert_int_equal(isn_for(2000), first);
    tn_sim_run(d.sim, TN_SEC);
    assert_int_equal(isn_for(2000) - first, 250000);
    assert_int_equal(isn_for(2001) - other, 250000);
    assert_true(first - other > 1000 && other - first > 1000);
    dialogue_stop(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_open_connection_is_no_socket),
        cmocka_unit_test(time_wait_is_64_bytes),
        cmocka_unit_test(options_survive_being_half_open),
        cmocka_unit_test(reset_returns_half_open_to_listen_in_silence),
        cmocka_unit_test(reset_inside_the_window_does_not_end_half_open),
        cmocka_unit_test(half_open_answers_what_is_outside_the_window),
        cmocka_unit_test(half_open_refuses_old_timestamps),
        cmocka_unit_test(half_open_answers_only_so_often),
        cmocka_unit_test(icmp_ends_half_open_only_with_its_number),
        cmocka_unit_test(half_open_ends_after_three_minutes),
        cmocka_unit_test(closing_the_listener_ends_what_is_half_open),
        cmocka_unit_test(full_queue_without_cookies_lets_the_oldest_go_after_a_second),
        cmocka_unit_test(crowded_queue_sheds_those_that_do_not_answer),
        cmocka_unit_test(all_listeners_share_a_limit),
        cmocka_unit_test(overflow_is_answered_with_cookies_and_nothing_is_kept),
        cmocka_unit_test(cookie_carries_options_in_the_timestamp),
        cmocka_unit_test(cookie_without_timestamps_offers_only_the_mss),
        cmocka_unit_test(cookie_rounds_the_mss_down),
        cmocka_unit_test(forged_and_stale_cookies_are_reset),
        cmocka_unit_test(cookies_are_taken_only_when_some_were_sent),
        cmocka_unit_test(full_accept_queue_drops_syns),
        cmocka_unit_test(last_ack_waits_for_room_in_the_accept_queue),
        cmocka_unit_test(full_table_lets_the_oldest_go),
        cmocka_unit_test(each_waits_its_own_time),
        cmocka_unit_test(new_connection_in_time_wait_begins_beyond_the_old),
        cmocka_unit_test(resets_and_old_segments_do_not_end_time_wait),
        cmocka_unit_test(time_wait_answers_only_so_often),
        cmocka_unit_test(own_end_is_used_again_once_timestamps_have_moved_on),
        cmocka_unit_test(own_end_is_not_used_again_without_timestamps),
        cmocka_unit_test(port_in_time_wait_is_bound_only_by_who_says_so),
        cmocka_unit_test(user_reads_on_in_time_wait),
        cmocka_unit_test(half_open_survives_a_swap),
        cmocka_unit_test(cookie_survives_a_swap),
        cmocka_unit_test(time_wait_survives_a_swap),
        cmocka_unit_test(disabled_tcp_leaves_no_flows),
        cmocka_unit_test(gaps_in_great_number_are_kept_up_to_the_limit),
        cmocka_unit_test(small_segments_out_of_order_share_a_buffer),
        cmocka_unit_test(initial_sequence_numbers_follow_a_clock_that_differs_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
