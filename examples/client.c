/* client: a TCP client with a stack of its own, as nc is one with the kernel's: what comes on standard input goes to the peer,
 * what the peer sends goes to standard output.
 *
 *     cc -o client client.c $(pkg-config --cflags --libs tenon)
 *     echo hello | client stack.yaml 10.0.7.1 7
 *
 * (Run from the build tree, it finds the plugins by TENON_PLUGIN_PATH=build/release/plugins-out.)
 *
 * Its socket blocks: each call steps the stack until it is done. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tenon/stack.h>

/* Passes a result on, or ends the program if it is an error. */
static long must(long result, const char *what)
{
    if (result < 0) {
        fprintf(stderr, "client: %s: %s\n", what, strerror((int)-result));
        exit(1);
    }
    return result;
}

static void talk(struct tn_stack *stack, int fd)
{
    static char bytes[65536];
    ssize_t n;
    while ((n = read(0, bytes, sizeof(bytes))) > 0)
        must(tn_send(stack, fd, bytes, (size_t)n, 0), "send"); /* all of it: the socket blocks */
    must(tn_shutdown(stack, fd, SHUT_WR), "shutdown");
    while ((n = must(tn_recv(stack, fd, bytes, sizeof(bytes), 0), "recv")) > 0)
        if (write(1, bytes, (size_t)n) != n)
            exit(1);
}

int main(int argc, char **argv)
{
    struct sockaddr_in peer = {.sin_family = AF_INET};
    struct tn_stack *stack;
    struct tn_error error;
    if (argc != 4 || inet_pton(AF_INET, argv[2], &peer.sin_addr) != 1) {
        fprintf(stderr, "usage: client STACK.YAML ADDRESS PORT\n");
        return 2;
    }
    peer.sin_port = htons((uint16_t)atoi(argv[3]));
    if (tn_stack_create_file(tn_env_real(), argv[1], &stack, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    int fd = (int)must(tn_socket(stack, AF_INET, SOCK_STREAM, 0), "socket");
    must(tn_set_blocking(stack, fd, true), "blocking");
    must(tn_connect(stack, fd, (struct sockaddr *)&peer, sizeof(peer)), "connect");
    talk(stack, fd);
    /* What was sent is on its way or has arrived: the peer has closed after it. */
    must(tn_close(stack, fd), "close");
    while (tn_stack_step(stack))
        ;
    tn_stack_destroy(stack);
    return 0;
}
