/* step.c: what a stack does all day.
 *
 * One step is one batch: frames come in and are carried up to the sockets; timers fire; services and embedders are told and do
 * what they do; the transports decide once what is to be sent; what they sent goes to the devices. */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dispatch.h"
#include "sockets.h"
#include "stack.h"

/* Timers in one step; the rest fires in the next, after frames had their turn. */
#define TIMER_BUDGET 4096

static void fire_timer(void *context, struct tn_timer *timer)
{
    struct tn_stack *stack = context;
    struct tn_slot *slot = stack->slots[timer->slot];
    tn_core_self(stack)->counters[TN_CORE_TIMERS_FIRED]++;
    slot->self.plugin->timers[timer->handler](&slot->self, timer);
}

TN_APART static void flush_plugins(struct tn_stack *stack)
{
    static_assert(TN_SLOTS_MAX <= 64, "a bit a slot");
    uint64_t slots = stack->flush_slots;
    stack->flush_slots = 0;
    for (; slots; slots &= slots - 1) {
        struct tn_slot *slot = stack->slots[__builtin_ctzll(slots)];
        if (slot && slot->self.plugin->flush)
            slot->self.plugin->flush(&slot->self);
    }
}

/* Everything but looking at descriptors. */
static void work(struct tn_stack *stack)
{
    stack->stepping = true;
    stack->work_pending = false;
    stack->now = stack->env.now(stack->env.context);
    stack->trace_cause = 0;
    tn_interfaces_receive(stack);
    uint32_t cause = stack->trace_cause; /* of what the flush will send; not of what timers send */
    stack->trace_cause = 0;
    if (tn_wheel_turns(&stack->wheel, stack->now) &&
        tn_wheel_run(&stack->wheel, stack->now, TIMER_BUDGET, fire_timer, stack) == TIMER_BUDGET)
        stack->work_pending = true;
    stack->trace_cause = cause;
    tn_sockets_deliver_events(stack);
    if (stack->flush_slots)
        flush_plugins(stack);
    tn_interfaces_transmit(stack);
    if (stack->looped.head || stack->flush_slots || tn_sockets_pending(stack))
        stack->work_pending = true;
    stack->trace_cause = 0;
    stack->stepping = false;
}

bool tn_stack_step(struct tn_stack *stack)
{
    (void)tn_loop_wait(stack->loop, 0);
    work(stack);
    return stack->work_pending;
}

tn_time tn_stack_deadline(const struct tn_stack *stack)
{
    if (stack->work_pending || stack->flush_slots || stack->transmit_pending)
        return tn_stack_now(stack);
    return tn_wheel_deadline(&stack->wheel);
}

/* A descriptor that tn_stack_stop() makes readable, so that a stop in a signal handler just before the wait
 * is not lost. */
static void stop_ready(struct tn_watch *watch, uint32_t events)
{
    (void)events;
    uint64_t count;
    (void)!read(watch->fd, &count, sizeof(count));
}

/* From the first wait on, until the stack is destroyed. */
static int watch_stop(struct tn_stack *stack)
{
    struct tn_watch *watch = &stack->stop_watch;
    if (stack->stop_fd >= 0)
        return 0;
    *watch = (struct tn_watch){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = stop_ready};
    if (watch->fd < 0)
        return -errno;
    int err = tn_loop_add(stack->loop, watch, EPOLLIN);
    if (err < 0)
        close(watch->fd);
    else
        stack->stop_fd = watch->fd;
    return err;
}

/* ---- Busy polling ----
 *
 * A processor that is kept busy answers sooner than one that must be woken. So before it sleeps the stack looks at its devices for
 * a while. It does so by reading from those that had something since it slept, which is the system call that is needed if there
 * is something; descriptors in general are asked for now and then.
 *
 * But looking in vain is a waste, and where the other side needs the same processor, looking keeps it from what one waits for. So
 * doubts are counted: one more each time that something came soon after the stack had given up and slept, or while another process
 * ran; one less each time that looking was worth it. Where the doubts are many, it is tried once in so many waits. What is there
 * at the first look, or comes long after the last, says nothing. */
#define DOUBTS_MOST 8
#define TRY_AGAIN   64            /* waits */
#define SOON        20            /* times busy_poll */
#define LOOK_MOST   (4 * TN_USEC) /* a look that takes longer was interrupted */
#define LOOK_AT_ALL 8             /* looks: one of so many is at all descriptors */

static bool polling_helps(struct tn_stack *stack)
{
    return stack->poll_doubts < DOUBTS_MOST || ++stack->waits_unpolled % TRY_AGAIN == 0;
}

static void judge_polling(struct tn_stack *stack, bool helped)
{
    if (helped && stack->poll_doubts > 0)
        stack->poll_doubts--;
    else if (!helped && stack->poll_doubts < DOUBTS_MOST)
        stack->poll_doubts++;
}

/* A batch of what is there without waiting. Whether there was something, or a negative errno. */
static int look(struct tn_stack *stack)
{
    uint32_t before = stack->serial;
    int ready = 0;
    if (++stack->looks % LOOK_AT_ALL == 0)
        ready = tn_loop_wait(stack->loop, 0);
    else
        tn_interfaces_look(stack);
    if (ready < 0)
        return ready;
    work(stack);
    return ready > 0 || stack->serial != before || stack->work_pending;
}

/* Looks until there is something, at most until `end`. Whether there was, or a negative errno. */
static int poll_busily(struct tn_stack *stack, tn_time end)
{
    int found = look(stack);
    if (found != 0)
        return found;
    tn_time last = stack->now;
    while (found == 0 && !stack->stop && stack->now < end) {
        last = stack->now;
        found = look(stack);
    }
    if (found > 0)
        judge_polling(stack, stack->now - last <= LOOK_MOST);
    return found;
}

static int sleep_and_work(struct tn_stack *stack, tn_time deadline, tn_time now)
{
    int ready = tn_loop_wait(stack->loop, deadline == TN_NEVER ? TN_NEVER
                                          : deadline > now     ? deadline - now
                                                               : 0);
    if (ready >= 0 || ready == -EINTR)
        work(stack);
    return ready;
}

/* Waits until a device has something, a timer is due or `until` has come, and does what there is to do. 0 or a negative errno. */
static int wait_and_work(struct tn_stack *stack, tn_time until)
{
    tn_time deadline = tn_min(tn_stack_deadline(stack), until);
    tn_time now = tn_stack_now(stack), most = stack->plan->busy_poll;
    if (most == 0 || deadline <= now || !polling_helps(stack))
        return tn_min(sleep_and_work(stack, deadline, now), 0);
    int found = poll_busily(stack, tn_min(deadline, now + most));
    if (found != 0)
        return tn_min(found, 0);
    if (stack->now >= deadline)
        return 0; /* it came while the stack looked, and what a timer did may be what the caller waits for */
    now = tn_stack_now(stack);
    tn_interfaces_calm(stack);
    found = sleep_and_work(stack, tn_min(tn_stack_deadline(stack), until), now);
    if (found > 0 && stack->now - now < SOON * most)
        judge_polling(stack, false);
    return tn_min(found, 0);
}

int tn_stack_wait(struct tn_stack *stack, tn_time until)
{
    if (!stack->env.real_time || stack->stepping)
        return -EOPNOTSUPP;
    int err = watch_stop(stack);
    if (err == 0 && !stack->stop)
        err = wait_and_work(stack, until);
    if (err == 0 && stack->stop)
        err = -EINTR;
    if (err == -EINTR)
        stack->stop = false;
    return err;
}

int tn_stack_run(struct tn_stack *stack)
{
    int err = watch_stop(stack);
    while (err == 0 && !stack->stop) {
        err = wait_and_work(stack, TN_NEVER);
        if (err == -EINTR)
            err = 0;
    }
    stack->stop = false;
    return err;
}

void tn_stack_stop(struct tn_stack *stack)
{
    static const uint64_t one = 1;
    stack->stop = true;
    if (stack->stop_fd >= 0)
        (void)!write(stack->stop_fd, &one, sizeof(one));
}

int tn_stack_fd(const struct tn_stack *stack)
{
    return tn_loop_fd(stack->loop);
}

tn_time tn_stack_now(const struct tn_stack *stack)
{
    return stack->env.now(stack->env.context);
}
