#include "frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core.h"
#include "dispatch.h"
#include "interface.h"

/* ---- Stacks ---- */

struct tn_sim *frames_sim(uint64_t seed)
{
    struct tn_sim *sim = tn_sim_create(seed);
    assert_non_null(sim);
    tn_sim_plugin_path(sim, TN_TEST_PLUGIN_DIR);
    return sim;
}

struct tn_stack *frames_stack(struct tn_sim *sim, const char *yaml)
{
    struct tn_stack *stack;
    struct tn_error error;
    if (tn_sim_add(sim, yaml, &stack, &error) < 0)
        fail_msg("%s", error.text);
    return stack;
}

void frames_transmit(struct tn_stack *stack, const char *name, const void *bytes, size_t len)
{
    struct tn_ifc *ifc = tn_interface_by_name(stack, name);
    assert_non_null(ifc);
    struct tn_packet *packet = tn_packet_new(&stack->pool, len);
    assert_non_null(packet);
    memcpy(packet->data, bytes, len);
    tn_core_transmit(tn_core_self(stack), &ifc->pub, packet);
    (void)tn_stack_step(stack);
}

/* ---- What comes in ---- */

uint32_t frame_hash(const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 16777619u;
    return h;
}

static void note_frame(void *context, tn_time now, const char *interface, bool out, const void *bytes,
                       size_t len)
{
    struct frame_log *log = context;
    if (out)
        return;
    assert_true(log->count < FRAMES_MAX);
    struct frame *f = &log->frames[log->count++];
    f->time = now;
    f->len = len;
    f->hash = frame_hash(bytes, len);
    memcpy(f->head, bytes, tn_min(len, sizeof(f->head)));
}

void frame_log_start(struct frame_log *log, struct tn_stack *stack)
{
    log->count = 0;
    log->frames = calloc(FRAMES_MAX, sizeof(*log->frames));
    assert_non_null(log->frames);
    tn_stack_observe(stack, note_frame, log);
}

void frame_log_free(struct frame_log *log)
{
    free(log->frames);
}

/* ---- The probe ---- */

static void probe_input(struct tn_self *self, struct tn_packet *packet)
{
    struct probe *probe = tn_container(self, struct probe, slot.self);
    probe->packets++;
    probe->flags = packet->flags;
    probe->ifindex = packet->ifindex;
    probe->header = (size_t)(packet->data - packet->buffer->bytes) - packet->link;
    probe->len = packet->total;
    (void)tn_packet_read(packet, 0, probe->data, tn_min(packet->total, sizeof(probe->data)));
    tn_packet_free(&probe->stack->pool, packet);
}

static tn_input_fn *const probe_inputs[] = {probe_input};
static const struct tn_claim probe_claims[] = {{.table = TN_TABLE_ETHERTYPE, .key = PROBE_ETHERTYPE}};
static const struct tn_plugin probe_plugin = {
    TN_PLUGIN_HEADER, .name = "probe",        .inputs = probe_inputs,
    .input_count = 1, .claims = probe_claims, .claim_count = 1,
};

void probe_start(struct probe *probe, struct tn_stack *stack)
{
    char text[128];
    struct tn_text why = tn_text_init(text, sizeof(text));
    memset(probe, 0, sizeof(*probe));
    probe->stack = stack;
    strcpy(probe->slot.name, "probe");
    probe->slot.self = (struct tn_self){
        .core = &tn_core_table, .stack = stack, .plugin = &probe_plugin, .slot = TN_SLOTS_MAX - 1};
    assert_int_equal(tn_dispatch_claim(stack, &probe->slot, &why), 0);
}

void probe_stop(struct probe *probe)
{
    tn_dispatch_release(probe->stack, &probe->slot);
}
