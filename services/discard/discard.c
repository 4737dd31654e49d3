/* discard: throws away what it receives (RFC 863), and closes when the peer has finished sending.
 *
 * The shortest useful service: one function. */
#include "tenon/plugin.h"

#define DISCARD_COUNTERS(X)                               \
    X(CONNECTIONS, "connections", "Connections accepted") \
    X(BYTES, "bytes", "Bytes thrown away, from connections and datagrams")

#define DISCARD_COUNTER_ID(id, name, help) DISCARD_##id,
enum {
    DISCARD_COUNTERS(DISCARD_COUNTER_ID) DISCARD_COUNTER_COUNT
};

static void discard_accepted(struct tn_self *self, struct tn_socket *sock)
{
    tn_count(self, DISCARD_CONNECTIONS);
}

static void discard_readable(struct tn_self *self, struct tn_socket *sock)
{
    struct tn_packet *packet;
    while ((packet = self->core->socket_take(self, sock))) {
        tn_count_add(self, DISCARD_BYTES, packet->total);
        self->core->packet_free(self, packet);
    }
    if (sock->flags & TN_SOCK_EOF)
        self->core->socket_close(self, sock);
}

static const struct tn_name discard_counters[] = {DISCARD_COUNTERS(TN_NAME_ENTRY)};
static const struct tn_service_ops discard_service = {
    .accepted = discard_accepted,
    .readable = discard_readable,
};

static const struct tn_plugin discard_plugin = {
    TN_PLUGIN_HEADER,
    .name = "discard",
    .version = "0.1.0",
    .kind = "service",
    .schema = "discard/1",
    .counters = discard_counters,
    .counter_count = TN_ARRAY_SIZE(discard_counters),
    .service = &discard_service,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &discard_plugin;
}
