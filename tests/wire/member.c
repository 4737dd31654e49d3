/* member: a stack of its own that has joined a group, for test_multicast.py: sends each datagram that comes for the group back to
 * the group, at the port that it came from, with the sender's address before it.
 *
 *     member STACK.YAML GROUP PORT
 *
 * SIGTERM ends it: the group is left. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tenon/stack.h"

static struct tn_stack *stack;

static void stop(int signum)
{
    (void)signum;
    tn_stack_stop(stack);
}

static void must(long result, const char *what)
{
    if (result >= 0)
        return;
    fprintf(stderr, "member: %s: %s\n", what, strerror((int)-result));
    exit(1);
}

static void answer(int fd, const struct sockaddr_in *group)
{
    char text[2048];
    struct sockaddr_in from, to = *group;
    socklen_t len = sizeof(from);
    ssize_t n;
    while ((n = tn_recvfrom(stack, fd, text + INET_ADDRSTRLEN, sizeof(text) - INET_ADDRSTRLEN, 0,
                            (struct sockaddr *)&from, &len)) != -EINTR) {
        must(n, "receive");
        inet_ntop(AF_INET, &from.sin_addr, text, INET_ADDRSTRLEN);
        size_t used = strlen(text);
        memmove(text + used + 1, text + INET_ADDRSTRLEN, (size_t)n);
        text[used] = ' ';
        to.sin_port = from.sin_port;
        must(tn_sendto(stack, fd, text, used + 1 + (size_t)n, 0, (struct sockaddr *)&to, sizeof(to)), "send");
        len = sizeof(from);
    }
}

int main(int argc, char **argv)
{
    struct sockaddr_in group = {.sin_family = AF_INET};
    struct ip_mreq membership = {.imr_interface.s_addr = htonl(INADDR_ANY)};
    struct tn_error error;
    if (argc != 4 || inet_pton(AF_INET, argv[2], &group.sin_addr) != 1)
        return 2;
    group.sin_port = htons((uint16_t)atoi(argv[3]));
    membership.imr_multiaddr = group.sin_addr;
    if (tn_stack_create_file(tn_env_real(), argv[1], &stack, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        return 1;
    }
    signal(SIGTERM, stop);
    int fd = tn_socket(stack, AF_INET, SOCK_DGRAM, 0), no = 0;
    must(fd, "socket");
    must(tn_set_blocking(stack, fd, true), "blocking");
    must(tn_bind(stack, fd, (struct sockaddr *)&group, sizeof(group)), "bind");
    must(tn_setsockopt(stack, fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof(membership)), "join");
    must(tn_setsockopt(stack, fd, IPPROTO_IP, IP_MULTICAST_LOOP, &no, sizeof(no)), "loop");
    answer(fd, &group);
    must(tn_close(stack, fd), "close");
    (void)tn_stack_step(stack); /* what is said in leaving */
    tn_stack_destroy(stack);
    return 0;
}
