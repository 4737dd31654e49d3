/* device.h: the network interface as the driver sees it: device.c gets a packet socket on it, packet.c moves frames. */
#ifndef TENON_PACKET_DEVICE_H
#define TENON_PACKET_DEVICE_H

#include <net/if.h>

#include "tenon/text.h"

#define PACKET_LLADDR_LEN 6

/* A network interface of the kernel, as it was found by name. */
struct packet_device {
    char name[IFNAMSIZ];
    int index;
    uint32_t mtu;
    bool up;
    uint8_t lladdr[PACKET_LLADDR_LEN];
};

/* Opens a packet socket that receives nothing yet: non-blocking, closed on exec, with a virtio-net header before each frame, and
 * at least asked for `receive_buffer` bytes. The descriptor, or a negative errno with a sentence for people. */
int packet_socket_open(int64_t receive_buffer, struct tn_text *why);

/* What the kernel says of the interface `name`, asked in the network namespace of the socket. 0, or a negative errno with a
 * sentence: -ENODEV when there is none. */
int packet_device_find(int fd, const char *name, struct packet_device *device, struct tn_text *why);

/* Has the socket send and receive on the interface, as the station `lladdr`: what comes for it, for everybody and for groups.
 * Needs no rights. 0, or a negative errno with a sentence. */
int packet_device_attach(int fd, const struct packet_device *device, const uint8_t lladdr[PACKET_LLADDR_LEN],
                         struct tn_text *why);

/* Whether the interface that the socket was attached to is still there. */
bool packet_device_there(int fd);

/* How large the socket's receive buffer is, as one asks for it. */
int64_t packet_receive_buffer(int fd);

/* Frames that were lost since the last call because the receive buffer was full. */
uint32_t packet_device_lost(int fd);

/* Whether the kernel forwards IPv4 packets that come in by the interface. */
bool packet_device_forwards(const char *name);

#endif
