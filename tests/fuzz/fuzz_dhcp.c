/* fuzz_dhcp.c: a hostile DHCP server: messages in any order, at any time, to a client in any state, in virtual time.
 *
 * An input is a list of records: one byte of what to do, two of length (big-endian), and as many bytes:
 *
 *     0  a message as it is
 *     1  options alone: before them comes the header of an answer to what the client said last
 *     2  the same, but the first byte is the last octet of the address that is given
 *     3  so many seconds pass (the length says it; no bytes)
 *
 * After each input the clock runs until every lease that can end has ended; then no packet may be in use, and the client must be in a
 * state of those it has. One stack serves all inputs: a fuzzer cannot bear that code which it has counted is unloaded. */
#include <stdio.h>
#include <stdlib.h>

#include "tenon/cursor.h"
#include "tenon/proto/dhcp.h"
#include "tenon/proto/ether.h"
#include "tenon/proto/ipv4.h"
#include "tenon/proto/udp.h"
#include "tenon/sim.h"

#include "tenon/checksum.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    FRAME_MAX = 1514,
    HEADERS = 14 + 20 + 8,
    MESSAGE_MAX = FRAME_MAX - HEADERS,
};

static const char yaml[] = "stack: { name: fuzz }\n"
                           "interfaces: { h0: { driver: host, mac: \"02:00:00:00:07:07\" } }\n"
                           "protocols: { ether: {}, arp: {}, ipv4: {}, icmp: {}, udp: {} }\n"
                           "services: { dhcp: { interface: h0, start-delay: 0 } }\n";

static struct tn_sim *sim;
static struct tn_stack *stack;
static struct tn_dhcp_header last; /* what the client said last */

static void forget(void *context, enum tn_level level, const char *who, const char *text)
{
}

static void take_answers(void)
{
    static uint8_t frame[FRAME_MAX];
    ssize_t len;
    while ((len = tn_host_receive(stack, "h0", frame, sizeof(frame))) >= 0)
        if ((size_t)len >= HEADERS + sizeof(last) && tn_load16(frame + HEADERS - 6) == TN_DHCP_SERVER_PORT)
            memcpy(&last, frame + HEADERS, sizeof(last));
}

static void start(void)
{
    struct tn_error error;
    sim = tn_sim_create(1);
    tn_sim_plugin_path(sim, TN_TEST_PLUGIN_DIR);
    tn_sim_log(sim, forget, NULL);
    if (tn_sim_add(sim, yaml, &stack, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    tn_sim_run(sim, TN_SEC);
    take_answers();
}

/* By broadcast, from 10.0.7.1. */
static void send_message(const uint8_t *message, size_t len)
{
    uint8_t frame[FRAME_MAX] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 7, 1, 8, 0, 0x45};
    uint8_t *ip = frame + 14, *udp = ip + 20;
    static const uint8_t addresses[] = {10, 0, 7, 1, 255, 255, 255, 255};
    tn_store16(ip + 2, (uint16_t)(28 + len));
    ip[8] = 64;
    ip[9] = 17;
    memcpy(ip + 12, addresses, sizeof(addresses));
    uint16_t check = tn_sum_finish(tn_sum_add(0, ip, 20));
    memcpy(ip + 10, &check, sizeof(check));
    tn_store16(udp, TN_DHCP_SERVER_PORT);
    tn_store16(udp + 2, TN_DHCP_CLIENT_PORT);
    tn_store16(udp + 4, (uint16_t)(8 + len)); /* without a checksum */
    memcpy(udp + 8, message, len);
    tn_host_send(stack, "h0", frame, HEADERS + len);
    tn_sim_settle(sim);
    take_answers();
}

static void send_options(const uint8_t *options, size_t len, uint8_t address)
{
    uint8_t message[MESSAGE_MAX] = {0};
    struct tn_dhcp_header *header = (void *)message;
    len = tn_min(len, MESSAGE_MAX - sizeof(*header));
    *header = last;
    header->op = TN_DHCP_REPLY_OP;
    header->yiaddr[0] = 10;
    header->yiaddr[2] = 7;
    header->yiaddr[3] = address;
    memcpy(message + sizeof(*header), options, len);
    send_message(message, sizeof(*header) + len);
}

static void pass(unsigned seconds)
{
    for (unsigned i = 0; i < 64 && seconds > 0; i++) {
        unsigned step = i < 63 ? tn_min(seconds, 10u) : seconds;
        tn_sim_run(sim, step * TN_SEC);
        take_answers();
        seconds -= step;
    }
}

static void expect_nothing_held(void)
{
    struct tn_usage usage;
    tn_stack_usage(stack, &usage);
    if (usage.packets == 0 && usage.sockets == 1)
        return;
    fprintf(stderr, "in use: %zu packets, %zu sockets\n", usage.packets, usage.sockets);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!sim)
        start();
    struct tn_cursor c = tn_cursor(data, size);
    while (tn_left(&c) >= 3) {
        unsigned what = tn_read8(&c) & 3;
        size_t len = tn_read16(&c);
        if (what == 3) {
            pass((unsigned)len);
            continue;
        }
        len = tn_min(tn_min(len, tn_left(&c)), MESSAGE_MAX);
        const uint8_t *bytes = tn_read_bytes(&c, len);
        if (what == 0)
            send_message(bytes, len);
        else if (what == 1 || len == 0)
            send_options(bytes, len, 7);
        else
            send_options(bytes + 1, len - 1, bytes[0]);
    }
    pass(600);
    expect_nothing_held();
    return 0;
}
