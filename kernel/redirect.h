/* redirect.h: routes to single hosts that gateways have told of (RFC 1122 §3.2.2.2; the same rules serve RFC 4861 §8.3). */
#ifndef TENON_KERNEL_REDIRECT_H
#define TENON_KERNEL_REDIRECT_H

#include "tenon/plugin.h"

struct tn_stack;

int tn_redirects_init(struct tn_stack *stack);
void tn_redirects_destroy(struct tn_stack *stack);
/* TN_CORE_TIMER_REDIRECT */
void tn_redirect_timer(struct tn_self *core, struct tn_timer *timer);

/* ABI function (plugin.h). */
int tn_core_redirect(struct tn_self *self, struct tn_interface *ifc, uint8_t family, uint16_t vrf,
                     const struct tn_addr *from, const struct tn_addr *to, const struct tn_addr *via,
                     tn_time lifetime);

#endif
