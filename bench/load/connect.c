/* connect.c: connect, read what daytime says, close; one after the other. Each connection has the next port: the server keeps
 * those of before in TIME-WAIT, and not every one lets a new connection out of it. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load.h"

#define FIRST_PORT 10000

static int connect_from(const struct load *load, uint16_t *port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(LOAD_PORT_DAYTIME), .sin_addr = load->to};
    struct sockaddr_in from = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        load_die("socket");
    load_use_cubic(fd);
    do {
        *port = *port < FIRST_PORT ? FIRST_PORT : (uint16_t)(*port + 1);
        from.sin_port = htons(*port);
    } while (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        load_die("connect");
    return fd;
}

static void visit(const struct load *load, uint16_t *port)
{
    char line[256];
    size_t got = 0;
    int fd = connect_from(load, port);
    ssize_t n;
    while ((n = recv(fd, line, sizeof(line), 0)) > 0)
        got += (size_t)n;
    if (n < 0 || got < 10)
        load_die("daytime said nothing");
    close(fd);
}

void load_connects(const struct load *load, struct load_result *result)
{
    struct load_histogram *h = load_alloc(sizeof(*h));
    uint16_t port = (uint16_t)(load_now() / 1000000);
    int64_t end = load_now() + load->warm_up;
    while (load_now() < end)
        visit(load, &port);
    int64_t start = load_now(), now = start;
    while (now < start + load->duration) {
        int64_t began = now;
        visit(load, &port);
        now = load_now();
        load_histogram_add(h, now - began);
    }
    result->seconds = (double)(now - start) / 1e9;
    result->count = h->count;
    result->p50 = load_histogram_share(h, 0.50);
    result->p99 = load_histogram_share(h, 0.99);
    free(h);
}
