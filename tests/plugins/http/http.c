/* http: an HTTP/1.0 responder for tests (RFC 1945): GET /N is answered with N bytes, and the connection closed, so that everyday
 * clients (curl, wrk) can be let loose on the stack. Requests are read a byte at a time as far as they matter: the number after
 * the first blank and slash, and the empty line that ends the head. */
#include <errno.h>

#include "tenon/plugin.h"

#define CONNECTIONS_MAX 20000

enum http_part {
    HTTP_METHOD, /* up to the slash */
    HTTP_SIZE,   /* the number */
    HTTP_HEAD,   /* up to the empty line */
    HTTP_BODY,   /* answering */
};

struct http_request {
    uint8_t part;     /* enum http_part */
    uint8_t newlines; /* of those in a row that end the head */
    uint64_t size;    /* of the body; then what is left of it */
};

struct http_state {
    struct tn_slab *requests;
};

static int http_start(struct tn_self *self, struct tn_text *why)
{
    struct http_state *state = self->state;
    state->requests = self->core->slab_create(self, "requests", sizeof(struct http_request), CONNECTIONS_MAX);
    if (state->requests)
        return 0;
    tn_text_add(why, "no memory");
    return -ENOMEM;
}

static void http_accepted(struct tn_self *self, struct tn_socket *sock)
{
    const struct http_state *state = self->state;
    sock->user = self->core->slab_alloc(state->requests);
    if (!sock->user)
        self->core->socket_close(self, sock);
}

static void http_done(struct tn_self *self, struct tn_socket *sock)
{
    const struct http_state *state = self->state;
    if (sock->user)
        self->core->slab_free(state->requests, sock->user);
    sock->user = NULL;
    self->core->socket_close(self, sock);
}

static void http_send_body(struct tn_self *self, struct tn_socket *sock, struct http_request *request)
{
    static const char body[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n";
    char piece[4096];
    for (size_t i = 0; i < sizeof(piece); i++)
        piece[i] = body[i % (sizeof(body) - 1)];
    while (request->size > 0) {
        ssize_t n = self->core->socket_send(self, sock, piece, tn_min(request->size, sizeof(piece)));
        if (n == -EAGAIN)
            return; /* writable() goes on */
        if (n <= 0)
            break;
        request->size -= (uint64_t)n;
    }
    http_done(self, sock);
}

static void http_answer(struct tn_self *self, struct tn_socket *sock, struct http_request *request)
{
    char head[128];
    struct tn_text t = tn_text_init(head, sizeof(head));
    tn_text_add(&t, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %llu\r\n\r\n",
                (unsigned long long)request->size);
    (void)self->core->socket_send(self, sock, head, strlen(head));
    http_send_body(self, sock, request);
}

/* True when the head is complete. */
static bool http_take(struct http_request *request, char c)
{
    switch (request->part) {
    case HTTP_METHOD:
        request->part = c == '/' ? HTTP_SIZE : HTTP_METHOD;
        return false;
    case HTTP_SIZE:
        if (c >= '0' && c <= '9' && request->size < 1000000000)
            request->size = request->size * 10 + (uint64_t)(c - '0');
        else
            request->part = HTTP_HEAD;
        return false;
    default:
        if (c != '\r')
            request->newlines = c == '\n' ? request->newlines + 1 : 0;
        return request->newlines == 2;
    }
}

static void http_readable(struct tn_self *self, struct tn_socket *sock)
{
    struct http_request *request = sock->user;
    char bytes[512];
    ssize_t n;
    while (request && request->part != HTTP_BODY &&
           (n = self->core->socket_receive(self, sock, bytes, sizeof(bytes))) != -EAGAIN) {
        if (n <= 0) {
            http_done(self, sock);
            return;
        }
        for (ssize_t i = 0; i < n && request->part != HTTP_BODY; i++)
            if (http_take(request, bytes[i]))
                request->part = HTTP_BODY;
    }
    if (request && request->part == HTTP_BODY)
        http_answer(self, sock, request);
}

static void http_writable(struct tn_self *self, struct tn_socket *sock)
{
    struct http_request *request = sock->user;
    if (request && request->part == HTTP_BODY)
        http_send_body(self, sock, request);
}

static void http_closed(struct tn_self *self, struct tn_socket *sock, int error)
{
    const struct http_state *state = self->state;
    if (sock->user)
        self->core->slab_free(state->requests, sock->user);
    sock->user = NULL;
}

static const struct tn_service_ops http_service = {
    .accepted = http_accepted,
    .readable = http_readable,
    .writable = http_writable,
    .closed = http_closed,
};

static const struct tn_plugin http_plugin = {
    TN_PLUGIN_HEADER,    .name = "http",           .version = "0.1.0",
    .kind = "service",   .schema = "http/1",       .state_size = sizeof(struct http_state),
    .start = http_start, .service = &http_service,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &http_plugin;
}
