/* embed.h: what the files of the embedding API share.
 *
 * They stand in this order, each calling only those before it:
 *     embed_ready.c    descriptors; what a socket is ready for: tn_poll() and its kin, callbacks
 *     embed_wait.c     calls that wait
 *     embed_address.c  struct sockaddr
 *     embed_message.c  sending and receiving
 *     embed_option.c   options, ioctl()
 *     embed.c          all other calls on sockets
 *     embed_link.c     frames of host links */
#ifndef TENON_KERNEL_EMBED_H
#define TENON_KERNEL_EMBED_H

#include "socket_table.h"

/* ---- embed_ready.c ---- */

/* The descriptor, if it is open; NULL. */
struct tn_descriptor *tn_embed_find(const struct tn_stack *stack, int fd);
/* The same for a call. A call may come long after the last batch: it and the timers that it starts live in the present. */
struct tn_descriptor *tn_embed_enter(struct tn_stack *stack, int fd);
/* After a call that may have given plugins, interfaces or users something to do. */
static inline void tn_embed_wake(struct tn_stack *stack)
{
    stack->work_pending = true;
}
/* What the socket is ready for: POLL… */
short tn_embed_ready(const struct tn_stack *stack, const struct tn_socket *sock);

/* ---- embed_wait.c ---- */

/* Until when a call with `flags` (MSG_DONTWAIT) may wait, given the socket's timeout in milliseconds (0: for ever); 0: it may
 * not wait at all. */
tn_time tn_embed_patience(struct tn_stack *stack, const struct tn_descriptor *d, int flags, uint32_t timeout);
/* Steps the stack until the socket of `fd` is ready for one of `events`. 0; -EAGAIN: not until then; -EINTR; -EBADF: it was
 * closed meanwhile. */
int tn_embed_wait(struct tn_stack *stack, int fd, short events, tn_time until);
/* Before an orderly close: SO_LINGER lets it wait for what was sent to arrive. */
void tn_embed_linger(struct tn_stack *stack, int fd);

/* ---- embed_address.c ---- */

/* Reads an address of the socket's family. 0, -EFAULT, -EINVAL, -EAFNOSUPPORT. */
int tn_embed_read_address(const struct tn_socket *sock, const struct sockaddr *sa, socklen_t len,
                          struct tn_origin *out);
/* Writes an address, cut at *len; *len becomes its whole length. */
int tn_embed_write_address(uint8_t family, const struct tn_addr *addr, uint16_t port, struct sockaddr *sa,
                           socklen_t *len);
/* The same for an address that the caller may not want (NULL). */
int tn_embed_write_address_if(uint8_t family, const struct tn_addr *addr, uint16_t port, struct sockaddr *sa,
                              socklen_t *len);

#endif
