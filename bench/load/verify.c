/* verify.c: bytes that are known, so that fast and wrong is told from fast. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hash.h"
#include "load.h"

#define CHUNK (256 * 1024)

/* RFC 864: lines of 72 of the 95 printable characters, each beginning one further. */
#define PRINTABLE  95
#define LINE_CHARS 72
#define LINE_BYTES (LINE_CHARS + 2)

_Noreturn static void wrong(const char *what, uint64_t at)
{
    fprintf(stderr, "tenon-load: %s, after %llu bytes\n", what, (unsigned long long)at);
    exit(1);
}

/* Pseudo-random bytes, the same in every run. */
static void fill(uint64_t *state, void *bytes, size_t len)
{
    uint64_t *words = bytes;
    for (size_t i = 0; i < len / 8; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        words[i] = *state ^ *state >> 29;
    }
}

static void finish(const struct load *load, struct load_result *result, int64_t start)
{
    result->bytes = load->bytes;
    result->seconds = (double)(load_now() - start) / 1e9;
}

void load_verify_in(const struct load *load, struct load_result *result)
{
    uint64_t state = 7, hash = HASH_START, *chunk = load_alloc(CHUNK);
    char answer[17] = {0}, expected[17];
    int fd = load_connect(load, LOAD_PORT_DIGEST, false);
    int64_t start = load_now();
    for (uint64_t done = 0; done < load->bytes;) {
        size_t len = load->bytes - done < CHUNK ? (size_t)(load->bytes - done) : CHUNK;
        fill(&state, chunk, CHUNK);
        hash = hash_add(hash, chunk, len);
        for (size_t sent = 0; sent < len;) {
            ssize_t n = send(fd, (char *)chunk + sent, len - sent, 0);
            if (n <= 0)
                load_die("send");
            sent += (size_t)n;
        }
        done += len;
    }
    shutdown(fd, SHUT_WR);
    if (recv(fd, answer, 16, MSG_WAITALL) != 16)
        load_die("the digest did not answer");
    finish(load, result, start);
    snprintf(expected, sizeof(expected), "%016llx", (unsigned long long)hash);
    if (strcmp(answer, expected) != 0)
        wrong("the digest is another", load->bytes);
    close(fd);
    free(chunk);
}

void load_verify_out(const struct load *load, struct load_result *result)
{
    static const struct linger reset = {.l_onoff = 1};
    uint32_t line = 0, column = 0;
    char *chunk = load_alloc(CHUNK);
    int fd = load_connect(load, LOAD_PORT_CHARGEN, false);
    int64_t start = load_now();
    for (uint64_t done = 0; done < load->bytes;) {
        ssize_t n = recv(fd, chunk, CHUNK, 0);
        if (n <= 0)
            load_die("the connection ended");
        for (ssize_t i = 0; i < n; i++) {
            char c = column < LINE_CHARS    ? (char)(' ' + (line + column) % PRINTABLE)
                     : column == LINE_CHARS ? '\r'
                                            : '\n';
            if (chunk[i] != c)
                wrong("chargen's pattern is broken", done + (uint64_t)i);
            if (++column == LINE_BYTES) {
                column = 0;
                line = (line + 1) % PRINTABLE;
            }
        }
        done += (uint64_t)n;
    }
    finish(load, result, start);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    free(chunk);
}

/* One side of an echo: what was sent and what came back. */
struct exchange {
    int fd;
    uint64_t state;
    uint64_t sent, received;
    uint64_t sent_hash, received_hash;
    size_t offset; /* of the chunk, already sent */
    char *out, *in;
};

static void send_more(struct exchange *x, uint64_t total)
{
    size_t left = CHUNK - x->offset;
    size_t len = total - x->sent < left ? (size_t)(total - x->sent) : left;
    ssize_t n = send(x->fd, x->out + x->offset, len, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        load_die("send");
    x->sent_hash = hash_add(x->sent_hash, x->out + x->offset, (size_t)n);
    x->sent += (uint64_t)n;
    x->offset += (size_t)n;
    if (x->offset == CHUNK) {
        fill(&x->state, x->out, CHUNK);
        x->offset = 0;
    }
}

static void receive_more(struct exchange *x)
{
    ssize_t n = recv(x->fd, x->in, CHUNK, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        load_die("the connection ended");
    x->received_hash = hash_add(x->received_hash, x->in, (size_t)n);
    x->received += (uint64_t)n;
}

void load_verify_both(const struct load *load, struct load_result *result)
{
    struct exchange x = {.state = 7, .sent_hash = HASH_START, .received_hash = HASH_START};
    x.out = load_alloc(CHUNK);
    x.in = load_alloc(CHUNK);
    x.fd = load_connect(load, LOAD_PORT_ECHO, true);
    fill(&x.state, x.out, CHUNK);
    int64_t start = load_now();
    while (x.received < load->bytes) {
        struct pollfd p = {.fd = x.fd, .events = (short)(POLLIN | (x.sent < load->bytes ? POLLOUT : 0))};
        if (poll(&p, 1, 10000) <= 0)
            wrong("nothing moved for 10 s", x.received);
        if (p.revents & POLLOUT)
            send_more(&x, load->bytes);
        if (p.revents & ~POLLOUT)
            receive_more(&x);
    }
    finish(load, result, start);
    if (x.sent_hash != x.received_hash)
        wrong("what came back is not what was sent", x.received);
    close(x.fd);
    free(x.out);
    free(x.in);
}
