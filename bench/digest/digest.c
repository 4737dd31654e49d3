/* digest: answers each connection, when the peer has finished sending, with the FNV-1a hash of what it sent, as 16
 * hexadecimal digits. So `./dev bench --verify` knows that what was fast was right, too. */
#include <errno.h>

#include "hash.h"
#include "tenon/plugin.h"

struct digest_state {
    struct tn_slab *hashes; /* of uint64_t, one a connection: sock->user */
};

static int digest_start(struct tn_self *self, struct tn_text *why)
{
    struct digest_state *state = self->state;
    state->hashes = self->core->slab_create(self, "hashes", sizeof(uint64_t), 1000);
    if (state->hashes)
        return 0;
    tn_text_add(why, "no memory");
    return -ENOMEM;
}

static void digest_accepted(struct tn_self *self, struct tn_socket *sock)
{
    const struct digest_state *state = self->state;
    uint64_t *hash = self->core->slab_alloc(state->hashes);
    sock->user = hash;
    if (hash)
        *hash = HASH_START;
    else
        self->core->socket_close(self, sock);
}

static void digest_answer(struct tn_self *self, struct tn_socket *sock, uint64_t hash)
{
    char text[17];
    struct tn_text t = tn_text_init(text, sizeof(text));
    tn_text_add(&t, "%016llx", (unsigned long long)hash);
    (void)self->core->socket_send(self, sock, text, 16);
    self->core->socket_shutdown(self, sock, SHUT_WR);
}

static void digest_readable(struct tn_self *self, struct tn_socket *sock)
{
    uint64_t *hash = sock->user;
    struct tn_packet *packet;
    while ((packet = self->core->socket_take(self, sock))) {
        for (const struct tn_packet *piece = packet; piece && hash; piece = piece->more)
            *hash = hash_add(*hash, piece->data, piece->len);
        self->core->packet_free(self, packet);
    }
    if (hash && sock->flags & TN_SOCK_EOF)
        digest_answer(self, sock, *hash);
}

static void digest_closed(struct tn_self *self, struct tn_socket *sock, int error)
{
    const struct digest_state *state = self->state;
    if (sock->user)
        self->core->slab_free(state->hashes, sock->user);
    sock->user = NULL;
}

static const struct tn_service_ops digest_service = {
    .accepted = digest_accepted,
    .readable = digest_readable,
    .closed = digest_closed,
};

static const struct tn_plugin digest_plugin = {
    TN_PLUGIN_HEADER,      .name = "digest",           .version = "0.1.0",
    .kind = "service",     .schema = "digest/1",       .state_size = sizeof(struct digest_state),
    .start = digest_start, .service = &digest_service,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &digest_plugin;
}
