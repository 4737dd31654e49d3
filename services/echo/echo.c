/* echo: sends back what it receives (RFC 862).
 *
 * A service is called by the core when something has happened on one of its sockets; the listeners themselves
 * are opened by the core, as stack.yaml's `listen:` says. Echo needs two of the calls:
 *     readable   there is data, or the end of it: move what came from the receive queue to the send queue
 *     writable   the send queue was full and has room again: go on
 * Whole packets are moved, so the bytes are not copied. When the send queue is full, what came stays in the
 * receive queue, which fills in turn, and the peer's window closes: a peer that sends without reading is
 * stopped and costs no more than two full queues. A peer that has finished sending (TN_SOCK_EOF) still gets
 * the rest; then the connection is closed.
 *
 * Echo remembers nothing about a connection, so it has no state, and a swap has nothing to hand over. */
#include "tenon/plugin.h"
#include "tenon/proto/services.h"

#define ECHO_COUNTERS(X)                                  \
    X(CONNECTIONS, "connections", "Connections accepted") \
    X(BYTES, "bytes", "Bytes sent back on connections")   \
    X(DATAGRAMS, "datagrams", "Datagrams sent back")

#define ECHO_DROPS(X) \
    X(NO_ANSWER, "no-answer", "A datagram that must not be answered: from another service, or to everybody")

#define ECHO_COUNTER_ID(id, name, help) ECHO_##id,
#define ECHO_DROP_ID(id, name, help)    ECHO_DROP_##id,
enum {
    ECHO_COUNTERS(ECHO_COUNTER_ID) ECHO_COUNTER_COUNT
};
enum {
    ECHO_DROPS(ECHO_DROP_ID) ECHO_DROP_COUNT
};

static void echo_accepted(struct tn_self *self, struct tn_socket *sock)
{
    tn_count(self, ECHO_CONNECTIONS);
}

/* Moves what there is and what there is room for. */
static void echo_stream(struct tn_self *self, struct tn_socket *sock)
{
    struct tn_packet *packet;
    while (sock->rx.packets > 0 && self->core->socket_room(self, sock) > 0) {
        packet = self->core->socket_take(self, sock);
        tn_count_add(self, ECHO_BYTES, packet->total);
        self->core->socket_give(self, sock, packet);
    }
    if ((sock->flags & TN_SOCK_EOF) && sock->rx.packets == 0)
        self->core->socket_close(self, sock); /* after what is still in the send queue */
}

static void echo_datagrams(struct tn_self *self, struct tn_socket *sock)
{
    while (sock->rx.packets > 0) {
        struct tn_packet *packet = self->core->socket_take(self, sock);
        if (tn_unlikely(tn_must_not_answer(sock, packet))) {
            tn_drop(self, packet, ECHO_DROP_NO_ANSWER);
        } else {
            tn_count(self, ECHO_DATAGRAMS);
            self->core->socket_reply(self, sock, packet, packet);
        }
    }
}

static void echo_readable(struct tn_self *self, struct tn_socket *sock)
{
    if (sock->type == SOCK_STREAM)
        echo_stream(self, sock);
    else
        echo_datagrams(self, sock);
}

static const struct tn_name echo_counters[] = {ECHO_COUNTERS(TN_NAME_ENTRY)};
static const struct tn_name echo_drops[] = {ECHO_DROPS(TN_NAME_ENTRY)};
static const struct tn_service_ops echo_service = {
    .accepted = echo_accepted,
    .readable = echo_readable,
    .writable = echo_stream,
};

static const struct tn_plugin echo_plugin = {
    TN_PLUGIN_HEADER,
    .name = "echo",
    .version = "0.1.0",
    .kind = "service",
    .schema = "echo/1",
    .counters = echo_counters,
    .counter_count = TN_ARRAY_SIZE(echo_counters),
    .drops = echo_drops,
    .drop_count = TN_ARRAY_SIZE(echo_drops),
    .service = &echo_service,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &echo_plugin;
}
