/* frames.h: for tests of links and framing: raw frames into and out of an interface, with the time of each,
 * and a protocol that keeps what it is given. */
#ifndef TENON_TESTS_FRAMES_H
#define TENON_TESTS_FRAMES_H

#include "stack.h"
#include "tenon/sim.h"

/* Frames that came in at a stack, in their order. */
#define FRAMES_MAX 20000
struct frame {
    tn_time time;
    size_t len;
    uint8_t head[64]; /* the first bytes */
    uint32_t hash;    /* of all of them */
};
struct frame_log {
    size_t count;
    struct frame *frames;
};

/* Notes every frame that `stack` receives from now on. Free with frame_log_free(). */
void frame_log_start(struct frame_log *log, struct tn_stack *stack);
void frame_log_free(struct frame_log *log);
uint32_t frame_hash(const void *bytes, size_t len);

/* A stack of these interfaces and protocols, on plugins of this build; fails the test with the reason if it
 * cannot be. */
struct tn_stack *frames_stack(struct tn_sim *sim, const char *yaml);
struct tn_sim *frames_sim(uint64_t seed);

/* Hands a finished frame to the interface's driver, at once. */
void frames_transmit(struct tn_stack *stack, const char *name, const void *bytes, size_t len);

/* A protocol that claims the local experimental ethertype (RFC 9542 §3) and keeps the last packet's
 * particulars. */
#define PROBE_ETHERTYPE 0x88b5
struct probe {
    struct tn_slot slot;
    struct tn_stack *stack;
    unsigned packets;
    uint16_t flags, ifindex;
    size_t header; /* bytes between packet->link and the data */
    size_t len;
    uint8_t data[2048];
};
void probe_start(struct probe *probe, struct tn_stack *stack);
void probe_stop(struct probe *probe);

#endif
