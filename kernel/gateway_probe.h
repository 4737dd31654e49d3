/* gateway_probe.h: asks whether dead gateways are back. */
#ifndef TENON_KERNEL_GATEWAY_PROBE_H
#define TENON_KERNEL_GATEWAY_PROBE_H

#include "tenon/plugin.h"

/* TN_CORE_TIMER_GATEWAY */
void tn_gateway_timer(struct tn_self *core, struct tn_timer *timer);

#endif
