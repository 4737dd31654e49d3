#include "path.h"

#include <stdlib.h>
#include <string.h>

#include "tenon/types.h"

#define PACKET_MAX 65536

struct packet {
    struct packet *next;
    tn_time arrival;
    struct tn_stack *to;
    size_t len;
    uint8_t bytes[];
};

struct path {
    struct tn_sim *sim;
    struct tn_stack *ends[2];
    struct path_harm harm;
    struct packet *packets; /* by arrival */
    tn_time last[2];        /* arrival of the last packet in each direction that nothing overtook */
    uint64_t random;
};

uint64_t path_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static bool happens(struct path *path, unsigned per_mille)
{
    return path_random(&path->random) % 1000 < per_mille;
}

static tn_time up_to(struct path *path, tn_time most)
{
    return most ? path_random(&path->random) % most : 0;
}

struct path *path_create(struct tn_sim *sim, struct tn_stack *a, struct tn_stack *b,
                         const struct path_harm *harm, uint64_t seed)
{
    struct path *path = calloc(1, sizeof(*path));
    *path = (struct path){.sim = sim, .ends = {a, b}, .harm = *harm, .random = seed};
    return path;
}

void path_destroy(struct path *path)
{
    while (path->packets) {
        struct packet *next = path->packets->next;
        free(path->packets);
        path->packets = next;
    }
    free(path);
}

/* ---- Harm ---- */

static uint16_t sum_without(uint16_t sum, uint16_t was, uint16_t is)
{
    uint32_t s = (uint16_t)~sum + (uint32_t)(uint16_t)~was + is; /* RFC 1624 eqn. 3 */
    s = (s & 0xffff) + (s >> 16);
    s = (s & 0xffff) + (s >> 16);
    return (uint16_t)~s;
}

/* As a peer would that takes back what it had offered. */
static void shrink_window(struct path *path, uint8_t *ip, size_t len)
{
    if (path->harm.shrink == 0 || tn_sim_now(path->sim) / path->harm.shrink % 3 != 2)
        return;
    size_t header = (size_t)(ip[0] & 15) * 4;
    uint8_t *tcp = ip + header;
    if (ip[9] != 6 || header + 20 > len || tcp[13] & 2)
        return;
    uint16_t window = tn_load16(tcp + 14),
             less = path->harm.shrink_by >= 16 ? 0 : window >> path->harm.shrink_by;
    tn_store16(tcp + 14, less);
    tn_store16(tcp + 16, sum_without(tn_load16(tcp + 16), window, less));
}

static tn_time arrival(struct path *path, unsigned from)
{
    const struct path_harm *harm = &path->harm;
    tn_time at = tn_sim_now(path->sim) + harm->delay + up_to(path, harm->jitter);
    if (happens(path, harm->reorder))
        return at + up_to(path, harm->delay);
    path->last[from] = tn_max(path->last[from], at);
    return path->last[from];
}

static void enqueue(struct path *path, unsigned from, const uint8_t *bytes, size_t len)
{
    struct packet *p = malloc(sizeof(*p) + len), **link = &path->packets;
    p->arrival = arrival(path, from);
    p->to = path->ends[!from];
    p->len = len;
    memcpy(p->bytes, bytes, len);
    if (len > 0 && happens(path, path->harm.corrupt)) {
        uint64_t bit = path_random(&path->random) % (len * 8);
        p->bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    while (*link && (*link)->arrival <= p->arrival)
        link = &(*link)->next;
    p->next = *link;
    *link = p;
}

/* ---- Travelling ---- */

void path_take(struct path *path)
{
    static uint8_t bytes[PACKET_MAX];
    for (unsigned from = 0; from < 2; from++) {
        ssize_t len;
        while ((len = tn_host_receive(path->ends[from], "h0", bytes, sizeof(bytes))) > 0) {
            if (happens(path, path->harm.loss))
                continue;
            shrink_window(path, bytes, (size_t)len);
            enqueue(path, from, bytes, (size_t)len);
            if (happens(path, path->harm.duplicate))
                enqueue(path, from, bytes, (size_t)len);
        }
    }
}

tn_time path_due(const struct path *path)
{
    return path->packets ? path->packets->arrival : TN_NEVER;
}

void path_deliver(struct path *path)
{
    while (path->packets && path->packets->arrival <= tn_sim_now(path->sim)) {
        struct packet *p = path->packets;
        path->packets = p->next;
        tn_host_send(p->to, "h0", p->bytes, p->len);
        free(p);
    }
}
