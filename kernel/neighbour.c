/* neighbour.c: link addresses of neighbours.
 *
 * The state machine of RFC 4861 §7.3.2 serves every family; who asks, and in what words, is the family's
 * resolver.
 *
 *     INCOMPLETE --answer--> REACHABLE --time--> STALE --packet sent--> DELAY --time--> PROBE --answer-->
 * REACHABLE |                                                                              |
 *          +--3 questions without an answer--> FAILED <-----------------------------------+
 *
 * Packets wait in INCOMPLETE; in all states after it they go out at once to the link address that is known. Where entries are
 * kept, and which of them go when there is no room, is neighbour_table.c's business. */
#include "neighbour.h"

#include <errno.h>

#include "address.h"
#include "dispatch.h"
#include "gateway.h"
#include "neighbour_table.h"
#include "route.h"
#include "solicit.h"
#include "stack.h"

/* RFC 4861 §10. */
#define REACHABLE_TIME    (30 * TN_SEC)
#define RETRANS_TIME      (1 * TN_SEC)
#define DELAY_FIRST_PROBE (5 * TN_SEC)
#define MAX_SOLICITS      3

#define FAILED_HOLD TN_SEC         /* RFC 1122 §2.3.2.1: at most one question a second */
#define IDLE_TIME   (600 * TN_SEC) /* an entry that nobody uses is forgotten */
#define FAILED_TIME (60 * TN_SEC)

/* ---- Asking ---- */

static bool is_own(struct tn_stack *stack, const struct tn_neighbour *n, const struct tn_interface *ifc)
{
    return tn_core_address_kind(tn_core_self(stack), n->family, ifc, &n->source, NULL) == TN_LOCAL_UNICAST;
}

/* From the address that the packet comes from, if it is one of this interface, else from one near the target; an interface
 * without addresses asks with another's, as it speaks. False: there is none (any more), and a question from nobody would
 * say that this station wants to have the target's address (RFC 5227 §2.1.1). */
static bool question_source(struct tn_stack *stack, const struct tn_neighbour *n, struct tn_interface *ifc,
                            struct tn_addr *source)
{
    *source = n->source;
    return is_own(stack, n, ifc) || tn_address_source(stack, n->family, -1, n->ifindex, &n->addr, source) ||
           is_own(stack, n, NULL);
}

static void ask(struct tn_stack *stack, struct tn_neighbour *n)
{
    struct tn_ifc *ifc = tn_interface_at(stack, n->ifindex);
    n->solicits++;
    n->asked = true;
    tn_neighbour_start_timer(stack, n, RETRANS_TIME);
    struct tn_addr source;
    if (!ifc || !question_source(stack, n, &ifc->pub, &source))
        return;
    tn_core_self(stack)->counters[TN_CORE_NEIGHBOUR_SOLICITS]++;
    tn_solicit(stack, n->ifindex, n->family, &n->addr, &source, n->lladdr_len ? n->lladdr : NULL);
}

/* ---- States ---- */

/* RFC 4861 §6.3.2: uniformly between 0.5 and 1.5 times the base, so that hosts do not ask in step. */
static void become_reachable(struct tn_stack *stack, struct tn_neighbour *n)
{
    n->asked = false;
    n->used = true;
    n->confirmed = stack->now;
    n->reachable = REACHABLE_TIME / 2 + tn_rng_next(&stack->rng) % REACHABLE_TIME;
    tn_neighbour_enter_state(stack, n, TN_NEIGHBOUR_REACHABLE);
    tn_neighbour_start_timer(stack, n, n->reachable);
    tn_gateway_heard(stack, n->ifindex, n->family, &n->addr);
}

static void become_stale(struct tn_stack *stack, struct tn_neighbour *n)
{
    tn_neighbour_enter_state(stack, n, TN_NEIGHBOUR_STALE);
    tn_neighbour_start_timer(stack, n, IDLE_TIME);
}

static void become_incomplete(struct tn_stack *stack, struct tn_neighbour *n)
{
    tn_neighbour_enter_state(stack, n, TN_NEIGHBOUR_INCOMPLETE);
    ask(stack, n);
}

static void become_probed(struct tn_stack *stack, struct tn_neighbour *n)
{
    tn_neighbour_enter_state(stack, n, TN_NEIGHBOUR_PROBE);
    ask(stack, n);
}

static void become_delayed(struct tn_stack *stack, struct tn_neighbour *n, const struct tn_packet *packet)
{
    n->source = packet->src;
    n->used = true;
    tn_neighbour_enter_state(stack, n, TN_NEIGHBOUR_DELAY);
    tn_neighbour_start_timer(stack, n, DELAY_FIRST_PROBE);
}

/* Whether the next packet to the same destination goes by another neighbour, which a dead gateway's packets do. */
static bool has_other_way(struct tn_stack *stack, const struct tn_packet *packet)
{
    const struct tn_route *route = tn_route_find(stack, packet->family, packet->vrf, &packet->dst, 0);
    return route && route->gateway && !route->gateway->dead;
}

static bool comes_from_here(struct tn_stack *stack, const struct tn_packet *packet)
{
    return tn_core_address_kind(tn_core_self(stack), packet->family, NULL, &packet->src, NULL) ==
           TN_LOCAL_UNICAST;
}

/* A packet that will never arrive: its transport is told, with the packet's own transport header for a quote.
 * The link itself said so, not some stranger's message, so what is being opened may give up (hard), unless it may be sent again
 * another way. */
static void tell_sender(struct tn_stack *stack, const struct tn_packet *packet)
{
    if (!comes_from_here(stack, packet)) { /* RFC 1812 §5.2.7.1 */
        tn_core_reject(tn_core_self(stack), packet, TN_REJECT_HOST, 0);
        return;
    }
    size_t end = tn_packet_headroom(packet) + packet->len;
    if (packet->transport == 0 || packet->transport > end || packet->transport < tn_packet_headroom(packet))
        return;
    struct tn_net_error error = {
        .family = packet->family,
        .protocol = packet->protocol,
        .hard = !has_other_way(stack, packet),
        .error = EHOSTUNREACH,
        .vrf = packet->vrf,
        .src = packet->src,
        .dst = packet->dst,
        .quote = tn_cursor(packet->buffer->bytes + packet->transport, end - packet->transport),
    };
    tn_core_net_error(tn_core_self(stack), &error);
}

/* Transports that are told may send, and so change this table: the entry is not touched after its queue was
 * taken. */
static void become_failed(struct tn_stack *stack, struct tn_neighbour *n)
{
    struct tn_packet_queue waiting = tn_neighbour_take_waiting(stack, n);
    n->lladdr_len = 0;
    n->retry = stack->now + FAILED_HOLD;
    tn_neighbour_enter_state(stack, n, TN_NEIGHBOUR_FAILED);
    tn_neighbour_start_timer(stack, n, FAILED_TIME);
    tn_gateway_silent(stack, n->ifindex, n->family, &n->addr);
    struct tn_packet *packet;
    while ((packet = tn_queue_take(&waiting))) {
        tell_sender(stack, packet);
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_NEIGHBOUR_UNREACHABLE);
    }
}

static void ask_again(struct tn_stack *stack, struct tn_neighbour *n)
{
    if (n->solicits < MAX_SOLICITS)
        ask(stack, n);
    else
        become_failed(stack, n);
}

static void reachable_timer(struct tn_stack *stack, struct tn_neighbour *n)
{
    tn_time until = n->confirmed + n->reachable;
    if (until > stack->now)
        tn_neighbour_start_timer(stack, n, until - stack->now);
    else
        become_stale(stack, n);
}

void tn_neighbour_timer(struct tn_self *core, struct tn_timer *timer)
{
    struct tn_stack *stack = core->stack;
    struct tn_neighbour *n = tn_container(timer, struct tn_neighbour, timer);
    switch ((enum tn_neighbour_state)n->state) {
    case TN_NEIGHBOUR_INCOMPLETE:
        if (n->solicits == 0)
            tn_neighbour_retire(stack, n, TN_CORE_DROP_NEIGHBOUR_UNREACHABLE);
        else
            ask_again(stack, n);
        break;
    case TN_NEIGHBOUR_REACHABLE:
        reachable_timer(stack, n);
        break;
    case TN_NEIGHBOUR_DELAY:
        become_probed(stack, n);
        break;
    case TN_NEIGHBOUR_PROBE:
        ask_again(stack, n);
        break;
    case TN_NEIGHBOUR_STALE:
    case TN_NEIGHBOUR_FAILED:
        tn_neighbour_retire(stack, n, TN_CORE_DROP_NEIGHBOUR_UNREACHABLE);
        break;
    }
}

/* ---- Sending ---- */

static void send_now(struct tn_stack *stack, const struct tn_neighbour *n, struct tn_packet *packet,
                     uint16_t ethertype)
{
    struct tn_ifc *ifc = stack->interfaces[n->ifindex];
    if (tn_unlikely(!ifc)) {
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_INTERFACE_DOWN);
        return;
    }
    tn_core_frame_output(tn_core_self(stack), &ifc->pub, packet, n->lladdr, ethertype);
}

static int wait_for_answer(struct tn_stack *stack, struct tn_neighbour *n, struct tn_packet *packet,
                           uint16_t ethertype)
{
    if (!tn_solicit_possible(stack, n->family)) {
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_NO_RESOLVER);
        return -EHOSTUNREACH;
    }
    n->source = packet->src;
    n->ethertype = ethertype;
    tn_neighbour_wait(stack, n, packet);
    if (n->state != TN_NEIGHBOUR_INCOMPLETE || n->solicits == 0)
        become_incomplete(stack, n);
    return 0;
}

TN_APART static int send_by_state(struct tn_stack *stack, struct tn_neighbour *n, struct tn_packet *packet,
                                  uint16_t ethertype)
{
    switch (n->state) {
    case TN_NEIGHBOUR_STALE:
        become_delayed(stack, n, packet);
        send_now(stack, n, packet, ethertype);
        return 0;
    case TN_NEIGHBOUR_DELAY:
    case TN_NEIGHBOUR_PROBE:
        send_now(stack, n, packet, ethertype);
        return 0;
    case TN_NEIGHBOUR_FAILED:
        if (stack->now < n->retry) {
            tn_core_drop_packet(stack, packet, TN_CORE_DROP_NEIGHBOUR_UNREACHABLE);
            return -EHOSTUNREACH;
        }
        return wait_for_answer(stack, n, packet, ethertype);
    case TN_NEIGHBOUR_INCOMPLETE:
        return wait_for_answer(stack, n, packet, ethertype);
    default: /* retired: the next look-up of the path makes a new one */
        tn_paths_changed(stack);
        tn_core_drop_packet(stack, packet, TN_CORE_DROP_NO_PATH);
        return -ENETUNREACH;
    }
}

int tn_neighbour_output(struct tn_stack *stack, struct tn_neighbour *n, struct tn_packet *packet,
                        uint16_t ethertype)
{
    if (tn_unlikely(n->state != TN_NEIGHBOUR_REACHABLE))
        return send_by_state(stack, n, packet, ethertype);
    send_now(stack, n, packet, ethertype);
    return 0;
}

static void send_waiting(struct tn_stack *stack, struct tn_neighbour *n)
{
    struct tn_packet_queue waiting = tn_neighbour_take_waiting(stack, n);
    struct tn_packet *packet;
    while ((packet = tn_queue_take(&waiting)))
        (void)tn_neighbour_output(stack, n, packet, n->ethertype);
}

/* ---- Learning ---- */

static void set_lladdr(struct tn_neighbour *n, const struct tn_interface *ifc, const uint8_t *lladdr)
{
    n->lladdr_len = ifc->lladdr_len;
    memcpy(n->lladdr, lladdr, ifc->lladdr_len);
}

/* RFC 4861 §7.2.5, for an entry that has a link address. */
static void learn_more(struct tn_stack *stack, struct tn_neighbour *n, const struct tn_interface *ifc,
                       const uint8_t *lladdr, unsigned flags, bool answer)
{
    bool same = memcmp(n->lladdr, lladdr, ifc->lladdr_len) == 0;
    if (!same && !(flags & TN_LEARN_OVERRIDE)) {
        if (n->state == TN_NEIGHBOUR_REACHABLE)
            become_stale(stack, n);
        return;
    }
    set_lladdr(n, ifc, lladdr);
    if (answer)
        become_reachable(stack, n);
    else if (!same)
        become_stale(stack, n);
}

void tn_core_neighbour_learn(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                             const struct tn_addr *addr, const uint8_t *lladdr, unsigned flags)
{
    struct tn_stack *stack = self->stack;
    struct tn_neighbour *n = tn_neighbour_find(stack, ifc->index, family, addr);
    if (!n && (flags & TN_LEARN_CREATE))
        n = tn_neighbour_make(stack, ifc->index, family, addr);
    if (!n)
        return;
    /* What claims to be an answer is one only while a question is out. */
    bool answer = (flags & TN_LEARN_SOLICITED) && n->asked;
    if (n->lladdr_len) {
        learn_more(stack, n, ifc, lladdr, flags, answer);
        return;
    }
    set_lladdr(n, ifc, lladdr);
    if (answer)
        become_reachable(stack, n);
    else
        become_stale(stack, n);
    send_waiting(stack, n);
}

void tn_core_neighbour_confirm(struct tn_self *self, struct tn_path *path)
{
    struct tn_stack *stack = self->stack;
    struct tn_neighbour *n = path->neighbour;
    if (!n || path->generation != stack->path_generation)
        return;
    if (tn_likely(n->state == TN_NEIGHBOUR_REACHABLE))
        n->confirmed = stack->now;
    else if (n->lladdr_len && n->state != TN_NEIGHBOUR_RETIRED)
        become_reachable(stack, n);
}

/* ---- Asking without a packet ---- */

static void question(struct tn_stack *stack, struct tn_neighbour *n)
{
    switch (n->state) {
    case TN_NEIGHBOUR_REACHABLE: /* RFC 1122 §2.3.2.1: at most one question a second */
        if (stack->now - n->confirmed >= RETRANS_TIME)
            become_probed(stack, n);
        break;
    case TN_NEIGHBOUR_STALE:
    case TN_NEIGHBOUR_DELAY:
        become_probed(stack, n);
        break;
    case TN_NEIGHBOUR_FAILED:
        if (stack->now >= n->retry)
            become_incomplete(stack, n);
        break;
    case TN_NEIGHBOUR_INCOMPLETE:
        if (n->solicits == 0)
            become_incomplete(stack, n);
        break;
    default: /* it is being asked, or retired */
        break;
    }
}

void tn_neighbour_question(struct tn_stack *stack, uint16_t ifindex, uint8_t family,
                           const struct tn_addr *addr)
{
    struct tn_neighbour *n = tn_neighbour_get(stack, ifindex, family, addr);
    if (n && tn_solicit_possible(stack, family))
        question(stack, n);
}

void tn_core_neighbour_doubt(struct tn_self *self, struct tn_path *path)
{
    if (path->neighbour && path->generation == self->stack->path_generation)
        question(self->stack, path->neighbour);
}

bool tn_core_neighbour_known(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                             const struct tn_addr *addr)
{
    return tn_neighbour_find(self->stack, ifc->index, family, addr) != NULL;
}

/* ---- For people ---- */

const char *tn_neighbour_state_name(enum tn_neighbour_state state)
{
    static const char *const names[] = {
        [TN_NEIGHBOUR_INCOMPLETE] = "INCOMPLETE", [TN_NEIGHBOUR_REACHABLE] = "REACHABLE",
        [TN_NEIGHBOUR_STALE] = "STALE",           [TN_NEIGHBOUR_DELAY] = "DELAY",
        [TN_NEIGHBOUR_PROBE] = "PROBE",           [TN_NEIGHBOUR_FAILED] = "FAILED",
    };
    return state < TN_ARRAY_SIZE(names) ? names[state] : "?";
}
