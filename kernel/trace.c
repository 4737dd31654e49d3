/* trace.c: what passes, a line a frame.
 *
 *     09:12:01.204118    #17 in  tap7  ether 02:…:01 > 02:…:07 0x0800 | … | … request id 7 seq 1
 *     09:12:01.204141    #17 out tap7  ether 02:…:07 > 02:…:01 0x0800 | … | … reply id 7 seq 1 +23 us
 *     09:12:01.310004    #18 --- tcp   10.0.7.7:7 < 10.0.7.1:40112 SYN-RECEIVED -> ESTABLISHED
 *
 * The number is that of the received frame; what it caused carries the same number, and the time since its
 * receipt. The core knows no header: it finds the plugin that takes the link type in the dispatch table, lets
 * it describe its header, and goes on with the key that the plugin says comes next. */
#include "trace.h"

#include <stdlib.h>
#include <time.h>

#include "dispatch.h"
#include "stack.h"

/* Headers in a frame that are described; more are a tunnel in a tunnel, or a plugin that does not move on. */
#define LAYERS_MAX 8
#define LINE_MAX   1024
#define FRAME_MAX  (TN_HEADROOM + 65536)

/* Terminal colours. */
#define COLOUR_NONE  "\033[0m"
#define COLOUR_DIM   "\033[2m"
#define COLOUR_BOLD  "\033[1m"
#define COLOUR_IN    "\033[36m"
#define COLOUR_OUT   "\033[33m"
#define COLOUR_EVENT "\033[35m"

static void paint(struct tn_text *t, bool colour, const char *code)
{
    if (colour)
        tn_text_add(t, "%s", code);
}

/* ---- Layers ---- */

static void describe_unclaimed(const struct tn_next *at, const struct tn_cursor *c, struct tn_text *t)
{
    switch (at->table) {
    case TN_TABLE_LINKTYPE:
        tn_text_add(t, "link type %u", (unsigned)at->key);
        break;
    case TN_TABLE_ETHERTYPE:
        tn_text_add(t, "ethertype 0x%04x", (unsigned)at->key);
        break;
    case TN_TABLE_IPPROTO:
        tn_text_add(t, "protocol %u", (unsigned)at->key);
        break;
    default:
        tn_text_add(t, "key %u", (unsigned)at->key);
        break;
    }
    tn_text_add(t, " (no plugin takes it), %zu bytes", tn_left(c));
}

/* Control characters out of a frame must not reach a terminal. */
static void make_printable(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '.';
}

static void describe_layers(struct tn_stack *stack, struct tn_next at, const struct tn_packet *packet,
                            struct tn_cursor *cursor, struct tn_text *t, bool colour)
{
    for (int layer = 0; at.known && layer < LAYERS_MAX; layer++) {
        if (layer)
            tn_text_add(t, " | ");
        const struct tn_dispatch_entry *entry = tn_dispatch_find(stack, at.table, at.family, at.key);
        const struct tn_slot *slot = entry ? entry->slot : NULL;
        if (!slot) {
            describe_unclaimed(&at, cursor, t);
            return;
        }
        paint(t, colour, COLOUR_BOLD);
        tn_text_add(t, "%s", slot->name);
        paint(t, colour, COLOUR_NONE);
        struct tn_next next = {.known = false};
        if (slot->self.plugin->describe) {
            tn_text_add(t, " ");
            char *from = t->at;
            slot->self.plugin->describe(packet, cursor, t, &next);
            make_printable(from);
        }
        at = next;
    }
}

static struct tn_next first_layer(uint16_t link_type)
{
    return (struct tn_next){.known = true, .table = TN_TABLE_LINKTYPE, .key = link_type};
}

void tn_trace_describe(struct tn_stack *stack, uint16_t link_type, const struct tn_packet *packet,
                       struct tn_cursor *cursor, struct tn_text *out)
{
    describe_layers(stack, first_layer(link_type), packet, cursor, out, false);
}

/* ---- Lines ---- */

/* Time of day, as packet sniffers show it, so that two traces can be laid side by side. */
static void add_time(int64_t wall, struct tn_text *t)
{
    time_t seconds = (time_t)(wall / (int64_t)TN_SEC);
    struct tm tm = {.tm_sec = 0};
    localtime_r(&seconds, &tm);
    tn_text_add(t, "%02d:%02d:%02d.%06u ", tm.tm_hour, tm.tm_min, tm.tm_sec,
                (unsigned)(wall % (int64_t)TN_SEC / 1000));
}

static int64_t wall_now(const struct tn_stack *stack)
{
    return stack->env.wall(stack->env.context);
}

static void add_head(int64_t wall, struct tn_text *t, bool colour, uint32_t serial, const char *direction,
                     const char *direction_colour, const char *who)
{
    char number[16] = "";
    if (serial)
        snprintf(number, sizeof(number), "#%u", serial);
    paint(t, colour, COLOUR_DIM);
    add_time(wall, t);
    tn_text_add(t, "%6s ", number);
    paint(t, colour, COLOUR_NONE);
    paint(t, colour, direction_colour);
    tn_text_add(t, "%-3s %-5s ", direction, who);
    paint(t, colour, COLOUR_NONE);
}

/* "+23 us": since the frame that caused this one was received, if that is still known. */
static void add_delay(struct tn_stack *stack, struct tn_text *t, bool colour, uint32_t cause, tn_time now)
{
    tn_time received = stack->trace_times[cause % TN_TRACE_TIMES];
    if (!cause || stack->serial - cause >= TN_TRACE_TIMES || !received || now < received)
        return;
    paint(t, colour, COLOUR_DIM);
    tn_time span = now - received;
    if (span < 10 * TN_MSEC)
        tn_text_add(t, " +%u us", (unsigned)(span / TN_USEC));
    else
        tn_text_add(t, " +%u ms", (unsigned)(span / TN_MSEC));
    paint(t, colour, COLOUR_NONE);
}

static void trace_bytes(struct tn_stack *stack, const struct tn_interface *ifc,
                        const struct tn_packet *packet, struct tn_cursor bytes, bool out)
{
    tn_time now = stack->env.now(stack->env.context);
    int64_t wall = wall_now(stack); /* the same for every reader */
    uint32_t serial = packet->serial;
    if (!out)
        stack->trace_times[serial % TN_TRACE_TIMES] = now;
    else if (!serial)
        serial = stack->trace_cause;

    for (struct tn_trace_sink *sink = stack->trace; sink; sink = sink->next) {
        char line[LINE_MAX];
        struct tn_text t = tn_text_init(line, sizeof(line));
        add_head(wall, &t, sink->colour, serial, out ? "out" : "in", out ? COLOUR_OUT : COLOUR_IN, ifc->name);
        struct tn_cursor cursor = bytes;
        describe_layers(stack, first_layer(ifc->link_type), packet, &cursor, &t, sink->colour);
        if (out)
            add_delay(stack, &t, sink->colour, serial, now);
        sink->fn(sink->context, line);
    }
}

/* A packet of many pieces is described as what it is on the wire: one. */
static void trace_pieces(struct tn_stack *stack, const struct tn_interface *ifc,
                         const struct tn_packet *packet, bool out)
{
    uint8_t frame[FRAME_MAX];
    size_t len = tn_packet_read(packet, 0, frame, sizeof(frame));
    trace_bytes(stack, ifc, packet, tn_cursor(frame, len), out);
}

static void trace_packet(struct tn_stack *stack, const struct tn_interface *ifc,
                         const struct tn_packet *packet, bool out)
{
    if (packet->more)
        trace_pieces(stack, ifc, packet, out);
    else
        trace_bytes(stack, ifc, packet, tn_packet_cursor(packet), out);
}

static void observe_packet(struct tn_stack *stack, const struct tn_interface *ifc,
                           const struct tn_packet *packet, bool out)
{
    const uint8_t *bytes = packet->data;
    size_t len = packet->len;
    if (packet->more) {
        len = tn_packet_read(packet, 0, stack->observe_buffer, tn_min(packet->total, FRAME_MAX));
        bytes = stack->observe_buffer;
    }
    stack->observe(stack->observe_context, stack->env.now(stack->env.context), ifc->name, out, bytes, len);
}

void tn_trace_frame(struct tn_stack *stack, const struct tn_interface *ifc, const struct tn_packet *packet,
                    bool out)
{
    if (stack->observe)
        observe_packet(stack, ifc, packet, out);
    if (stack->trace)
        trace_packet(stack, ifc, packet, out);
}

/* A line that is no frame. */
static void trace_line(struct tn_stack *stack, uint32_t serial, const char *who, const char *text)
{
    int64_t wall = wall_now(stack);
    for (struct tn_trace_sink *sink = stack->trace; sink; sink = sink->next) {
        char line[LINE_MAX];
        struct tn_text t = tn_text_init(line, sizeof(line));
        add_head(wall, &t, sink->colour, serial, "---", COLOUR_EVENT, who);
        tn_text_add(&t, "%s", text);
        sink->fn(sink->context, line);
    }
}

void tn_trace_event(struct tn_stack *stack, const char *who, const char *fmt, va_list ap)
{
    if (tn_likely(!stack->trace))
        return;
    char text[512];
    vsnprintf(text, sizeof(text), fmt, ap);
    trace_line(stack, stack->trace_cause, who, text);
}

void tn_trace_drop(struct tn_self *self, const struct tn_packet *packet, unsigned reason)
{
    struct tn_stack *stack = self->stack;
    if (tn_likely(!stack->trace))
        return;
    const struct tn_name *name = &self->plugin->drops[reason];
    char text[256];
    snprintf(text, sizeof(text), "dropped: %s (%s)", name->name, name->help);
    trace_line(stack, packet->serial ? packet->serial : stack->trace_cause, tn_slot_of(self)->name, text);
}

/* ---- Who reads ---- */

static void note_watchers(struct tn_stack *stack)
{
    stack->watched = stack->observe || stack->trace;
}

void tn_trace_add(struct tn_stack *stack, struct tn_trace_sink *sink)
{
    tn_trace_remove(stack, sink);
    sink->next = stack->trace;
    stack->trace = sink;
    note_watchers(stack);
}

void tn_trace_remove(struct tn_stack *stack, struct tn_trace_sink *sink)
{
    for (struct tn_trace_sink **link = &stack->trace; *link; link = &(*link)->next)
        if (*link == sink) {
            *link = sink->next;
            break;
        }
    note_watchers(stack);
}

void tn_trace_destroy(struct tn_stack *stack)
{
    free(stack->observe_buffer);
    stack->observe_buffer = NULL;
    stack->observe = NULL;
    stack->trace = NULL;
    note_watchers(stack);
}

void tn_stack_trace(struct tn_stack *stack, tn_trace_fn *fn, void *context, bool colour)
{
    tn_trace_remove(stack, &stack->trace_public);
    if (!fn)
        return;
    stack->trace_public = (struct tn_trace_sink){.fn = fn, .context = context, .colour = colour};
    tn_trace_add(stack, &stack->trace_public);
}

void tn_stack_observe(struct tn_stack *stack, tn_frame_fn *fn, void *context)
{
    if (fn && !stack->observe_buffer)
        stack->observe_buffer = malloc(FRAME_MAX);
    stack->observe = stack->observe_buffer ? fn : NULL;
    stack->observe_context = context;
    note_watchers(stack);
}
