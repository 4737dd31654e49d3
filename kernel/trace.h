/* trace.h: frames as people read them: each layer's plugin describes its own header (plugin->describe). */
#ifndef TENON_KERNEL_TRACE_H
#define TENON_KERNEL_TRACE_H

#include <stdarg.h>

#include "tenon/plugin.h"
#include "tenon/stack.h"

struct tn_stack;

/* Of so many received frames the time is remembered, to say how long a reply took. */
#define TN_TRACE_TIMES 256

/* A reader of the trace; embedded in its owner. `fn` must not add or remove sinks. */
struct tn_trace_sink {
    struct tn_trace_sink *next;
    tn_trace_fn *fn;
    void *context;
    bool colour;
};

void tn_trace_add(struct tn_stack *stack, struct tn_trace_sink *sink);
/* A sink that was not added is no error. */
void tn_trace_remove(struct tn_stack *stack, struct tn_trace_sink *sink);
/* Frees what observers needed; the stack ends. */
void tn_trace_destroy(struct tn_stack *stack);

/* A frame passes (`out`: is being sent): for observers and for the trace. Called only if there are such (tn_stack.watched). */
TN_RARE void tn_trace_frame(struct tn_stack *stack, const struct tn_interface *ifc,
                            const struct tn_packet *packet, bool out);
/* The plugin refuses the packet (its drop reason `reason`). Cheap when nobody traces. */
void tn_trace_drop(struct tn_self *self, const struct tn_packet *packet, unsigned reason);
/* A line about something else (a state change), in `who`'s name. */
void tn_trace_event(struct tn_stack *stack, const char *who, const char *fmt, va_list ap);
/* Describes the frame at `cursor` from link type `link_type` on. */
void tn_trace_describe(struct tn_stack *stack, uint16_t link_type, const struct tn_packet *packet,
                       struct tn_cursor *cursor, struct tn_text *out);

#endif
