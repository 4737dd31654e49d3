/* group.h: multicast groups: who of this stack's sockets is in which, on which interface (RFC 1112 §7.1). */
#ifndef TENON_KERNEL_GROUP_H
#define TENON_KERNEL_GROUP_H

#include "tenon/plugin.h"

struct tn_stack;

struct tn_group_info {
    struct tn_addr addr;
    uint16_t ifindex;
    uint8_t family;
    uint32_t members; /* sockets */
};

int tn_groups_init(struct tn_stack *stack);
void tn_groups_destroy(struct tn_stack *stack);
/* Has the socket hear the group on interface `ifindex`. `group` is one (the caller has looked). -EADDRINUSE: it
 * does already; -ENOBUFS: a limit; -EINVAL: no datagram socket; -ENODEV. */
int tn_group_join(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *group,
                  uint16_t ifindex);
/* -EADDRNOTAVAIL: the socket is not in the group. */
int tn_group_leave(struct tn_stack *stack, struct tn_socket *sock, const struct tn_addr *group,
                   uint16_t ifindex);
/* The socket leaves all its groups. */
void tn_group_leave_all(struct tn_stack *stack, struct tn_socket *sock);
/* The interface goes: nobody hears anything there any more. */
void tn_groups_flush(struct tn_stack *stack, uint16_t ifindex);
/* Whether anybody is in the group on the interface (0: on any); whether the socket is. */
bool tn_group_joined(const struct tn_stack *stack, uint8_t family, uint16_t ifindex,
                     const struct tn_addr *group);
bool tn_group_has(const struct tn_socket *sock, uint16_t ifindex, const struct tn_addr *group);
void tn_group_each(struct tn_stack *stack, void (*each)(void *context, const struct tn_group_info *info),
                   void *context);

/* ABI function (plugin.h). */
void tn_core_group_each(struct tn_self *self, uint8_t family,
                        void (*each)(struct tn_self *self, struct tn_interface *ifc,
                                     const struct tn_addr *group));

#endif
