/* mock.h: for tests of the socket layer: a stack with a transport and a service whose every step is the test's.
 *
 * The transports (IP protocol 253 for streams, 254 for datagrams: RFC 3692) send nothing; they note what they are
 * asked for. The service notes its callbacks, and does in them what the test says. */
#ifndef TENON_TESTS_MOCK_H
#define TENON_TESTS_MOCK_H

#include "sockets.h"
#include "stack.h"
#include "tenon/sim.h"

#define MOCK_STREAM   253
#define MOCK_DATAGRAM 254

struct mock_transport {
    struct tn_slot slot;
    unsigned opens, listens, connects, sends, received, closes, aborts;
    bool keeps;             /* close() does not free: the transport has more to do */
    int connect_error;      /* what connect() gives */
    struct tn_socket *last; /* of the last connect or child */
    /* the last datagram sent */
    struct tn_addr src, dst;
    uint16_t src_port, dst_port;
    uint8_t ttl;
    size_t len;
    uint8_t data[256];
};

struct mock_service {
    struct tn_slot slot;
    unsigned accepted, readable, writable, closed;
    int error;              /* of the last closed() */
    struct tn_socket *last; /* of the last call */
    char calls[256];        /* "A", "R", "W", "C" in their order */
    /* what the service does in a callback; may be NULL */
    void (*on_accepted)(struct tn_self *self, struct tn_socket *sock);
    void (*on_readable)(struct tn_self *self, struct tn_socket *sock);
};

struct mock {
    struct tn_sim *sim;
    struct tn_stack *stack;
    struct mock_transport stream, datagram;
    struct mock_service service;
};

/* Addresses 10.0.0.1 and 10.0.0.2 on a link without neighbours. `limits`: of stack.yaml, "" for none. */
void mock_start(struct mock *mock, const char *limits);
/* Fails the test if anything is left. */
void mock_end(struct mock *mock);

/* A connection from 10.0.0.9:`port` to the listener, in its handshake; NULL if it is refused. */
struct tn_socket *mock_child(struct mock *mock, struct tn_socket *listener, uint16_t port);
/* Data comes in for a socket, in a buffer of an Ethernet frame's size. */
bool mock_deliver(struct mock *mock, struct tn_socket *sock, const void *bytes, size_t len);
struct tn_packet *mock_packet(struct mock *mock, const void *bytes, size_t len);

/* The socket behind a descriptor. */
struct tn_socket *mock_socket(struct mock *mock, int fd);
/* An embedder's stream socket whose connection stands. */
int mock_connected(struct mock *mock);
struct sockaddr_in mock_addr(const char *text, uint16_t port);

#endif
