/* sockets.h: the socket table: ports, look-up by four-tuple, queues, events to users.
 *
 * sockets.c: life of sockets and look-up. ports.c: who has which port. socket_transport.c: the ABI for
 * transports. socket_user.c: what users do (services and embedders alike). socket_events.c: what users are
 * told. embed.c and socket_option.c: tn_socket() and friends (tenon/stack.h). socket_table.h: what these
 * share. */
#ifndef TENON_KERNEL_SOCKETS_H
#define TENON_KERNEL_SOCKETS_H

#include "plan.h"
#include "tenon/plugin.h"

struct tn_stack;
struct tn_slot;

int tn_sockets_init(struct tn_stack *stack);
void tn_sockets_destroy(struct tn_stack *stack);

/* Opens a listener (streams) or a bound socket (datagrams) for a service. 0 or -errno. */
int tn_service_listen(struct tn_stack *stack, struct tn_slot *service, const struct tn_plan_listen *listen);
/* Closes that listener or bound socket; connections that it accepted stay. -ENOENT. */
int tn_service_unlisten(struct tn_stack *stack, struct tn_slot *service, const struct tn_plan_listen *listen);
/* Closes every socket of a service (abortively), for when it is disabled. */
void tn_sockets_close_owner(struct tn_stack *stack, struct tn_slot *service);
/* Ends every socket of a transport that is being disabled; its users are told ENETDOWN. */
void tn_sockets_close_transport(struct tn_stack *stack, struct tn_slot *transport);

/* The stack has lost `local` in `vrf`: connections from it are reset, and their users told ECONNABORTED. */
void tn_sockets_abort_local(struct tn_stack *stack, uint8_t family, uint16_t vrf,
                            const struct tn_addr *local);

/* Tells users what happened since the last call. */
void tn_sockets_deliver_events(struct tn_stack *stack);
/* Whether there is more to tell. */
bool tn_sockets_pending(const struct tn_stack *stack);

/* Rows for people and for tests. */
void tn_sockets_each(struct tn_stack *stack, void (*each)(void *context, struct tn_socket *sock),
                     void *context);
/* The same until `each` returns false: there may be a million. */
void tn_sockets_each_while(struct tn_stack *stack, bool (*each)(void *context, struct tn_socket *sock),
                           void *context);
size_t tn_sockets_count(const struct tn_stack *stack);

/* ABI functions (plugin.h). */
struct tn_socket *tn_core_socket_lookup(struct tn_self *self, const struct tn_packet *packet);
struct tn_socket *tn_core_socket_lookup_tuple(struct tn_self *self, uint8_t family, uint16_t vrf,
                                              const struct tn_addr *local, uint16_t local_port,
                                              const struct tn_addr *remote, uint16_t remote_port);
struct tn_socket *tn_core_socket_child(struct tn_self *self, struct tn_socket *listener,
                                       const struct tn_packet *packet);
bool tn_core_socket_deliver(struct tn_self *self, struct tn_socket *sock, struct tn_packet *packet);
void tn_core_socket_eof(struct tn_self *self, struct tn_socket *sock);
void tn_core_socket_fail(struct tn_self *self, struct tn_socket *sock, int error);
void tn_core_socket_soft_error(struct tn_self *self, struct tn_socket *sock, int error);
void tn_core_socket_urgent(struct tn_self *self, struct tn_socket *sock);
void tn_core_socket_connected(struct tn_self *self, struct tn_socket *sock);
void tn_core_socket_acked(struct tn_self *self, struct tn_socket *sock, uint32_t bytes);
void tn_core_socket_free(struct tn_self *self, struct tn_socket *sock);
void tn_core_socket_each(struct tn_self *self,
                         void (*each)(struct tn_self *self, struct tn_socket *sock, void *arg), void *arg);
struct tn_socket *tn_core_socket_open(struct tn_self *self, uint8_t family, uint8_t type, uint8_t protocol);
int tn_core_socket_bind(struct tn_self *self, struct tn_socket *sock, const struct tn_addr *addr,
                        uint16_t port);
int tn_core_socket_connect(struct tn_self *self, struct tn_socket *sock, const struct tn_addr *addr,
                           uint16_t port);
ssize_t tn_core_socket_receive(struct tn_self *self, struct tn_socket *sock, void *bytes, size_t len);
ssize_t tn_core_socket_send(struct tn_self *self, struct tn_socket *sock, const void *bytes, size_t len);
struct tn_packet *tn_core_socket_take(struct tn_self *self, struct tn_socket *sock);
uint32_t tn_core_socket_room(struct tn_self *self, struct tn_socket *sock);
int tn_core_socket_give(struct tn_self *self, struct tn_socket *sock, struct tn_packet *packet);
int tn_core_socket_send_along(struct tn_self *self, struct tn_socket *sock, struct tn_packet *packet,
                              const struct tn_addr *src, const struct tn_addr *dst, uint16_t port,
                              const struct tn_path *path);
int tn_core_socket_reply(struct tn_self *self, struct tn_socket *sock, const struct tn_packet *to,
                         struct tn_packet *packet);
int tn_core_socket_shutdown(struct tn_self *self, struct tn_socket *sock, int how);
void tn_core_socket_close(struct tn_self *self, struct tn_socket *sock);

/* ABI function (plugin.h); in socket_multicast.c. */
struct tn_socket *tn_core_socket_next(struct tn_self *self, const struct tn_packet *packet,
                                      struct tn_socket *after);

#endif
