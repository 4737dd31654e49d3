/* udp.h: what the parts of the UDP plugin share. */
#ifndef TENON_UDP_PLUGIN_H
#define TENON_UDP_PLUGIN_H

#include "tenon/plugin.h"

#define UDP_COUNTERS(X)                                                                              \
    X(DATAGRAMS_IN, "datagrams-in", "Datagrams delivered to sockets")                                \
    X(DATAGRAMS_OUT, "datagrams-out", "Datagrams sent")                                              \
    X(JOINED_OUT, "joined-out", "Datagrams that left in the super-frame of another")                 \
    X(NO_CHECKSUM_IN, "no-checksum-in", "Datagrams received whose sender had made no checksum")      \
    X(ERRORS_HARD, "errors-hard", "Reports from the network that a datagram could not be delivered") \
    X(ERRORS_SOFT, "errors-soft", "Reports from the network of trouble that may pass")               \
    X(ERRORS_UNMATCHED, "errors-unmatched", "Reports from the network that belong to no socket")

#define UDP_DROPS(X)                                                                                \
    X(TRUNCATED, "truncated", "Shorter than a UDP header")                                          \
    X(BAD_LENGTH, "bad-length", "The length field disagrees with the packet's length")              \
    X(BAD_CHECKSUM, "bad-checksum", "The checksum is wrong")                                        \
    X(NO_CHECKSUM, "no-checksum", "There is no checksum, and this address family demands one")      \
    X(NO_SOCKET, "no-socket", "Nobody listens on that port")                                        \
    X(QUEUE_FULL, "queue-full", "The socket's receive queue was full")                              \
    X(NO_PATH, "no-path", "Out: there was no way to its destination any more when it was to leave") \
    X(NO_MEMORY, "no-memory", "There was no packet buffer to send from, or to cut a super-frame with")

#define UDP_COUNTER_ID(id, name, help) UDP_##id,
#define UDP_DROP_ID(id, name, help)    UDP_DROP_##id,
enum {
    UDP_COUNTERS(UDP_COUNTER_ID) UDP_COUNTER_COUNT
};
enum {
    UDP_DROPS(UDP_DROP_ID) UDP_DROP_COUNT,
    UDP_OK = -1 /* no reason to drop */
};

struct udp_options {
    int64_t receive_buffer;
};

/* Datagrams that are to leave as one super-frame (output.c). */
struct udp_state {
    struct tn_packet
        *held; /* the first of them, with the others behind it as further pieces; NULL: there is none */
    struct tn_packet *tail; /* its last piece */
    struct tn_path path;
    uint32_t size;  /* payload bytes of each but the last */
    uint32_t count; /* how many they are */
};

/* Sends the payload, whose addresses and ports are set, now or when the batch ends. Consumes it. 0 or a negative errno. */
int udp_output(struct tn_self *self, struct tn_packet *packet, const struct tn_path *path);

/* Sends what waits for more datagrams: plugin->flush(). */
void udp_send_held(struct tn_self *self);

/* Frees it: plugin->stop(). */
void udp_drop_held(struct tn_self *self);

#endif
