/* million.c: what very many idle connections cost, in virtual time.
 *
 *     million [COUNT] [--check]
 *
 * The program is the other side: it says SYN and ACK from as many addresses and ports as it takes to a stack's echo service,
 * and prints for each tenth of COUNT (1000000) what one connection occupies and what opening it took: bytes that are resident
 * (all of the process: the stack's tables and slabs too), bytes of the records that are accounted for, and processor time.
 * At the end it says what 64 bytes through an echo cost beside them. --check: exits with 1 if a connection takes more than
 * 512 bytes. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "socket_table.h"
#include "tenon/proto/tcp.h"
#include "tenon/sim.h"

#define BYTES_MOST 512
#define ECHOES     20000

static struct tn_sim *sim;
static struct tn_stack *stack;

/* ---- Measuring ---- */

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static size_t resident_bytes(void)
{
    char line[128] = "";
    FILE *f = fopen("/proc/self/statm", "r");
    const char *second =
        f && fgets(line, sizeof(line), f) ? strchr(line, ' ') : NULL; /* pages: all, resident … */
    if (!second)
        exit(2);
    fclose(f);
    return strtoul(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

/* Of one connection: its record, a bit that says it is in use, and a bucket of the table. What a plugin keeps besides is told
 * by tn_stack_usage(). */
static double accounted_bytes(size_t connections, size_t plugin_bytes_before)
{
    struct tn_usage usage;
    tn_stack_usage(stack, &usage);
    const struct tn_slab *slab = &stack->sockets->slabs->slab;
    double table = (double)stack->sockets->connections.buckets * sizeof(void *) / (double)connections;
    double plugins = (double)(usage.plugin_bytes - plugin_bytes_before) / (double)connections;
    return slab->size + 1.0 / 8 + table + plugins;
}

/* ---- The other side ---- */

struct peer {
    uint32_t number;
    uint32_t seq, ack;
};

static uint32_t sum_of(uint32_t sum, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sum += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
    return sum;
}

static uint16_t folded(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static const uint8_t own[4] = {10, 0, 0, 1};

static void say(const struct peer *peer, uint8_t flags, const void *data, size_t len)
{
    uint8_t p[256] = {0x45}, *t = p + 20;
    bool syn = flags & TN_TCP_SYN;
    size_t header = syn ? 24 : 20;
    tn_store16(p + 2, (uint16_t)(20 + header + len));
    p[8] = 64;
    p[9] = IPPROTO_TCP;
    tn_store32(p + 12, 0x0a010000u + peer->number / 50000);
    memcpy(p + 16, own, 4);
    tn_store16(p + 10, folded(sum_of(0, p, 20)));
    tn_store16(t, (uint16_t)(10000 + peer->number % 50000));
    tn_store16(t + 2, 7);
    tn_store32(t + 4, peer->seq);
    tn_store32(t + 8, peer->ack);
    t[12] = (uint8_t)(header / 4 << 4);
    t[13] = flags;
    tn_store16(t + 14, 65535);
    if (syn)
        memcpy(t + 20, (const uint8_t[]){TN_TCP_OPT_MSS, 4, 0x05, 0xb4}, 4);
    if (len)
        memcpy(t + header, data, len);
    uint32_t pseudo = sum_of((uint32_t)(IPPROTO_TCP + header + len), p + 12, 8);
    tn_store16(t + 16, folded(sum_of(pseudo, t, header + len)));
    if (tn_host_send(stack, "h0", p, 20 + header + len) < 0)
        exit(2);
}

/* The next segment of the stack's; its length, 0: none. */
static size_t hear(uint8_t *packet, size_t size)
{
    tn_sim_settle(sim);
    ssize_t n = tn_host_receive(stack, "h0", packet, size);
    return n > 0 ? (size_t)n : 0;
}

static void establish(struct peer *peer, uint32_t number)
{
    uint8_t packet[256];
    *peer = (struct peer){.number = number, .seq = number * 7919u};
    say(peer, TN_TCP_SYN, NULL, 0);
    if (hear(packet, sizeof(packet)) < 40 || packet[33] != (TN_TCP_SYN | TN_TCP_ACK)) {
        fprintf(stderr, "connection %u: no SYN-ACK\n", number);
        exit(1);
    }
    peer->seq++;
    peer->ack = tn_load32(packet + 24) + 1;
    say(peer, TN_TCP_ACK, NULL, 0);
    tn_sim_settle(sim);
}

/* Microseconds for 64 bytes there and back. */
static double echo_cost(struct peer *peer)
{
    uint8_t data[64] = {1}, packet[256];
    double start = processor_seconds();
    for (unsigned i = 0; i < ECHOES; i++) {
        say(peer, TN_TCP_ACK | TN_TCP_PSH, data, sizeof(data));
        peer->seq += sizeof(data);
        for (size_t n; (n = hear(packet, sizeof(packet))) > 0;)
            peer->ack += (uint32_t)n - 20 - (size_t)(packet[32] >> 4) * 4;
    }
    say(peer, TN_TCP_ACK, NULL, 0);
    tn_sim_settle(sim);
    return (processor_seconds() - start) * 1e6 / ECHOES;
}

/* ---- The whole ---- */

static void start(size_t count)
{
    char yaml[512];
    struct tn_error error;
    sim = tn_sim_create(1);
    tn_sim_plugin_path(sim, TN_TEST_PLUGIN_DIR);
    snprintf(yaml, sizeof(yaml),
             "stack: { name: million, limits: { sockets: %zu } }\n"
             "interfaces: { h0: { driver: host, mode: ip, addresses: [10.0.0.1/8] } }\n"
             "protocols: { rawip: {}, ipv4: {}, tcp: {} }\n"
             "services: { echo: { listen: [tcp/7] } }\n",
             count + 16);
    if (tn_sim_add(sim, yaml, &stack, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        exit(2);
    }
    tn_sim_settle(sim);
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    bool check = argc > 2 && strcmp(argv[2], "--check") == 0;
    count = tn_max(count / 10 * 10, 10);
    start(count);
    struct peer first, peer;
    establish(&first, 0);
    double echo_alone = echo_cost(&first);
    struct tn_usage before;
    tn_stack_usage(stack, &before);
    size_t resident = resident_bytes();
    double accounted = 0;
    printf("%12s %18s %18s %14s\n", "connections", "bytes resident", "bytes accounted", "us to open");
    for (size_t tenth = 1; tenth <= 10; tenth++) {
        size_t step = count / 10, open = tenth * step;
        double begin = processor_seconds();
        for (size_t i = open - step + 1; i <= open; i++)
            establish(&peer, (uint32_t)i);
        double spent = (processor_seconds() - begin) * 1e6 / (double)step;
        accounted = accounted_bytes(open, before.plugin_bytes);
        printf("%12zu %18.1f %18.1f %14.2f\n", open, (double)(resident_bytes() - resident) / (double)open,
               accounted, spent);
        fflush(stdout);
    }
    printf("whole process: %.1f MB resident\n", (double)resident_bytes() / 1e6);
    printf("64 bytes echoed: %.2f us alone, %.2f us beside %zu idle connections\n", echo_alone,
           echo_cost(&first), count);
    tn_sim_destroy(sim);
    return check && accounted > BYTES_MOST;
}
