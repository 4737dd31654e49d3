#include "mock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#include "core.h"
#include "dispatch.h"
#include "socket_table.h"

/* ---- Transports ---- */

static struct mock_transport *transport_of(struct tn_self *self)
{
    return tn_container(self, struct mock_transport, slot.self);
}

static int mock_open(struct tn_self *self, struct tn_socket *sock)
{
    transport_of(self)->opens++;
    return 0;
}

static int mock_listen(struct tn_self *self, struct tn_socket *sock)
{
    transport_of(self)->listens++;
    return 0;
}

static int mock_connect(struct tn_self *self, struct tn_socket *sock)
{
    struct mock_transport *t = transport_of(self);
    t->connects++;
    t->last = sock;
    return t->connect_error;
}

static void mock_send_ready(struct tn_self *self, struct tn_socket *sock)
{
    transport_of(self)->sends++;
}

static void mock_received(struct tn_self *self, struct tn_socket *sock)
{
    transport_of(self)->received++;
}

static void mock_close(struct tn_self *self, struct tn_socket *sock, bool abort)
{
    struct mock_transport *t = transport_of(self);
    t->closes++;
    t->aborts += abort;
    if (!t->keeps || abort)
        self->core->socket_free(self, sock);
}

static int mock_send_datagram(struct tn_self *self, struct tn_socket *sock, struct tn_packet *packet,
                              const struct tn_path *path)
{
    struct mock_transport *t = transport_of(self);
    t->sends++;
    t->src = packet->src;
    t->dst = packet->dst;
    t->src_port = packet->src_port;
    t->dst_port = packet->dst_port;
    t->ttl = packet->ttl;
    t->len = packet->total;
    (void)tn_packet_read(packet, 0, t->data, tn_min(packet->total, sizeof(t->data)));
    self->core->packet_free(self, packet);
    return 0;
}

static void mock_input(struct tn_self *self, struct tn_packet *packet)
{
    self->core->packet_free(self, packet);
}

static tn_input_fn *const mock_inputs[] = {mock_input};
static const struct tn_transport_ops stream_ops = {
    .type = SOCK_STREAM,
    .header_size = 20,
    .socket_size = 40,
    .open = mock_open,
    .listen = mock_listen,
    .connect = mock_connect,
    .send_ready = mock_send_ready,
    .received = mock_received,
    .close = mock_close,
};
static const struct tn_transport_ops datagram_ops = {
    .type = SOCK_DGRAM,
    .header_size = 8,
    .open = mock_open,
    .received = mock_received,
    .send_datagram = mock_send_datagram,
    .close = mock_close,
};
static const struct tn_claim stream_claim = {.table = TN_TABLE_IPPROTO, .key = MOCK_STREAM};
static const struct tn_claim datagram_claim = {.table = TN_TABLE_IPPROTO, .key = MOCK_DATAGRAM};
static const struct tn_plugin stream_plugin = {
    TN_PLUGIN_HEADER, .name = "mock-stream", .kind = "transport", .claims = &stream_claim,
    .claim_count = 1, .inputs = mock_inputs, .input_count = 1,    .transport = &stream_ops,
};
static const struct tn_plugin datagram_plugin = {
    TN_PLUGIN_HEADER, .name = "mock-datagram", .kind = "transport", .claims = &datagram_claim,
    .claim_count = 1, .inputs = mock_inputs,   .input_count = 1,    .transport = &datagram_ops,
};

/* ---- Service ---- */

static struct mock_service *note_call(struct tn_self *self, struct tn_socket *sock, const char *call)
{
    struct mock_service *s = tn_container(self, struct mock_service, slot.self);
    s->last = sock;
    if (strlen(s->calls) + 1 < sizeof(s->calls))
        strcat(s->calls, call);
    return s;
}

static void service_accepted(struct tn_self *self, struct tn_socket *sock)
{
    struct mock_service *s = note_call(self, sock, "A");
    s->accepted++;
    if (s->on_accepted)
        s->on_accepted(self, sock);
}

static void service_readable(struct tn_self *self, struct tn_socket *sock)
{
    struct mock_service *s = note_call(self, sock, "R");
    s->readable++;
    if (s->on_readable)
        s->on_readable(self, sock);
}

static void service_writable(struct tn_self *self, struct tn_socket *sock)
{
    note_call(self, sock, "W")->writable++;
}

static void service_closed(struct tn_self *self, struct tn_socket *sock, int error)
{
    struct mock_service *s = note_call(self, sock, "C");
    s->closed++;
    s->error = error;
}

static const struct tn_service_ops service_ops = {
    .accepted = service_accepted,
    .readable = service_readable,
    .writable = service_writable,
    .closed = service_closed,
};
static const struct tn_plugin service_plugin = {TN_PLUGIN_HEADER, .name = "mock-service", .kind = "service",
                                                .service = &service_ops};

/* ---- The stack ---- */

static void plug(struct mock *mock, struct tn_slot *slot, const struct tn_plugin *plugin, uint16_t number)
{
    char text[128];
    struct tn_text why = tn_text_init(text, sizeof(text));
    strcpy(slot->name, plugin->name);
    slot->self =
        (struct tn_self){.core = &tn_core_table, .stack = mock->stack, .plugin = plugin, .slot = number};
    assert_int_equal(tn_dispatch_claim(mock->stack, slot, &why), 0);
    assert_null(mock->stack->slots[number]);
    mock->stack->slots[number] = slot;
}

void mock_start(struct mock *mock, const char *limits)
{
    char yaml[1024];
    struct tn_error error;
    snprintf(yaml, sizeof(yaml),
             "stack: { name: mock%s%s }\n"
             "interfaces: { h0: { driver: host, mode: ip, addresses: [10.0.0.1/24, 10.0.0.2/24] } }\n"
             "protocols: { rawip: {}, ipv4: {} }\n",
             *limits ? ", limits: " : "", limits);
    memset(mock, 0, sizeof(*mock));
    mock->sim = tn_sim_create(1);
    tn_sim_plugin_path(mock->sim, TN_TEST_PLUGIN_DIR);
    if (tn_sim_add(mock->sim, yaml, &mock->stack, &error) < 0)
        fail_msg("%s", error.text);
    plug(mock, &mock->stream.slot, &stream_plugin, TN_SLOTS_MAX - 1);
    plug(mock, &mock->datagram.slot, &datagram_plugin, TN_SLOTS_MAX - 2);
    plug(mock, &mock->service.slot, &service_plugin, TN_SLOTS_MAX - 3);
}

static void unplug(struct mock *mock, struct tn_slot *slot)
{
    tn_dispatch_release(mock->stack, slot);
    mock->stack->slots[slot->self.slot] = NULL;
}

void mock_end(struct mock *mock)
{
    struct tn_usage usage;
    tn_sim_settle(mock->sim);
    tn_stack_usage(mock->stack, &usage);
    assert_int_equal(usage.sockets, 0);
    assert_int_equal(usage.packets, 0);
    assert_int_equal(usage.buffers, 0);
    assert_int_equal(usage.timers, 0);
    assert_int_equal(mock->stack->sockets->port_slab.used, 0);
    assert_int_equal(mock->stack->sockets->connections.count, 0);
    unplug(mock, &mock->stream.slot);
    unplug(mock, &mock->datagram.slot);
    unplug(mock, &mock->service.slot);
    tn_sim_destroy(mock->sim);
}

/* ---- Helpers ---- */

static struct tn_addr addr_of(const char *text)
{
    struct in_addr in;
    assert_int_equal(inet_pton(AF_INET, text, &in), 1);
    return tn_addr_from(&in, sizeof(in));
}

struct sockaddr_in mock_addr(const char *text, uint16_t port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    assert_int_equal(inet_pton(AF_INET, text, &sa.sin_addr), 1);
    return sa;
}

struct tn_packet *mock_packet(struct mock *mock, const void *bytes, size_t len)
{
    struct tn_packet *packet = tn_packet_new(&mock->stack->pool, 1500);
    assert_non_null(packet);
    memcpy(packet->data, bytes, len);
    tn_packet_trim(packet, len);
    packet->family = AF_INET;
    packet->ifindex = 1;
    packet->src = addr_of("10.0.0.9");
    packet->dst = addr_of("10.0.0.1");
    packet->src_port = 999;
    return packet;
}

struct tn_socket *mock_child(struct mock *mock, struct tn_socket *listener, uint16_t port)
{
    const struct tn_packet syn = {.family = AF_INET,
                                  .src = addr_of("10.0.0.9"),
                                  .dst = addr_of("10.0.0.1"),
                                  .src_port = port,
                                  .dst_port = listener->local_port};
    return tn_core_socket_child(&mock->stream.slot.self, listener, &syn);
}

bool mock_deliver(struct mock *mock, struct tn_socket *sock, const void *bytes, size_t len)
{
    struct mock_transport *t = sock->type == SOCK_STREAM ? &mock->stream : &mock->datagram;
    struct tn_packet *packet = mock_packet(mock, bytes, len);
    bool taken = tn_core_socket_deliver(&t->slot.self, sock, packet);
    if (!taken)
        tn_packet_free(&mock->stack->pool, packet);
    return taken;
}

struct tn_socket *mock_socket(struct mock *mock, int fd)
{
    assert_true(fd >= 0);
    assert_non_null(mock->stack->sockets->fds[fd].sock);
    return mock->stack->sockets->fds[fd].sock;
}

int mock_connected(struct mock *mock)
{
    struct sockaddr_in to = mock_addr("10.0.0.9", 80);
    int fd = tn_socket(mock->stack, AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(tn_connect(mock->stack, fd, (struct sockaddr *)&to, sizeof(to)), -EINPROGRESS);
    tn_core_socket_connected(&mock->stream.slot.self, mock_socket(mock, fd));
    return fd;
}
