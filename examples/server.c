/* server: a TCP server with a stack of its own: sends back what it receives, in capitals. One connection after the other, as
 * in a textbook; each call steps the stack until it is done, and the next connections wait in the accept queue.
 *
 *     cc -o server server.c $(pkg-config --cflags --libs tenon)
 *     server stack.yaml 7007
 *
 * SIGINT and SIGTERM end it. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include <tenon/stack.h>

static struct tn_stack *stack;

static void stop(int signum)
{
    (void)signum;
    tn_stack_stop(stack); /* the call that waits returns -EINTR */
}

/* Passes a result on, or ends the program if it is an error. */
static long must(long result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "server: %s: %s\n", what, strerror((int)-result));
        exit(1);
    }
    return result;
}

/* Until the peer has sent its last; its troubles are no reason to end. -EINTR: the server is to stop. */
static ssize_t serve(int fd)
{
    char bytes[4096];
    ssize_t n;
    struct timeval patience = {.tv_sec = 30}; /* others wait */
    tn_setsockopt(stack, fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    tn_setsockopt(stack, fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    while ((n = tn_recv(stack, fd, bytes, sizeof(bytes), 0)) > 0) {
        for (ssize_t i = 0; i < n; i++)
            bytes[i] = (char)toupper((unsigned char)bytes[i]);
        n = tn_send(stack, fd, bytes, (size_t)n, 0);
        if (n < 0)
            break;
    }
    return n;
}

static void serve_all(int listener)
{
    for (;;) {
        struct sockaddr_in peer;
        socklen_t len = sizeof(peer);
        int fd = tn_accept(stack, listener, (struct sockaddr *)&peer, &len);
        if (fd == -EINTR)
            return;
        must(fd, "accept");
        char text[INET_ADDRSTRLEN];
        printf("%s\n", inet_ntop(AF_INET, &peer.sin_addr, text, sizeof(text)));
        fflush(stdout);
        ssize_t result = serve(fd);
        tn_close(stack, fd);
        if (result == -EINTR)
            return;
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in here = {.sin_family = AF_INET};
    struct tn_error error;
    if (argc != 3) {
        fprintf(stderr, "usage: server STACK.YAML PORT\n");
        return 2;
    }
    here.sin_port = htons((uint16_t)atoi(argv[2]));
    if (tn_stack_create_file(tn_env_real(), argv[1], &stack, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    int listener = (int)must(tn_socket(stack, AF_INET, SOCK_STREAM, 0), "socket");
    must(tn_set_blocking(stack, listener, true), "blocking");
    must(tn_bind(stack, listener, (struct sockaddr *)&here, sizeof(here)), "bind");
    must(tn_listen(stack, listener, 16), "listen");
    serve_all(listener);
    tn_stack_destroy(stack);
    return 0;
}
