/* trouble.c: reads and writes that fail.
 *
 * What can happen to the device while it is in use:
 *     it is down         writes fail (EIO), reads find nothing; frames are dropped until it is up again
 *     it is deleted      the descriptor is dead (EBADFD) and always readable: it is watched no more
 *     a read fails       for any other reason: the descriptor rests for a second, or the stack would spin
 *     no packet is free  the frame is read and forgotten, or the stack would spin */
#include <errno.h>

#include "link.h"

#define TAP_REST TN_SEC

/* The device was deleted: nothing comes and nothing can be sent any more. */
static void tap_gone(struct tn_self *self, struct tn_interface *ifc)
{
    struct tap_link *link = ifc->link;
    if (link->gone)
        return;
    link->gone = true;
    (void)self->core->watch(self, ifc, -1);
    self->core->link_writable(self, ifc); /* what waits for the device is not to wait for ever */
    self->core->log(self, TN_LOG_ERROR, "%s: the TAP device %s has gone", ifc->name, link->device);
}

static bool tap_means_gone(int err)
{
    return err == EBADFD || err == EBADF || err == ENODEV;
}

void tap_read_failed(struct tn_self *self, struct tn_interface *ifc, int err)
{
    struct tap_link *link = ifc->link;
    if (err == EAGAIN || err == EINTR)
        return;
    if (tap_means_gone(err)) {
        tap_gone(self, ifc);
        return;
    }
    tn_count(self, TAP_READ_ERRORS);
    self->core->log(self, TN_LOG_WARNING, "%s: cannot read from the TAP device %s (errno %d)", ifc->name,
                    link->device, err);
    (void)self->core->watch(self, ifc, -1);
    self->core->timer_start(self, &link->rest, TAP_REST, TAP_TIMER_REST);
}

void tap_rest_timer(struct tn_self *self, struct tn_timer *timer)
{
    struct tap_link *link = tn_container(timer, struct tap_link, rest);
    struct tn_interface *ifc = self->core->interface(self, link->ifindex);
    if (self->core->watch(self, ifc, link->fd) < 0)
        self->core->timer_start(self, timer, TAP_REST, TAP_TIMER_REST);
    else
        self->core->link_writable(self, ifc);
}

unsigned tap_write_failed(struct tn_self *self, struct tn_interface *ifc, int err)
{
    struct tap_link *link = ifc->link;
    if (tap_means_gone(err)) {
        tap_gone(self, ifc);
        return TAP_DROP_DEVICE_GONE;
    }
    if (err == EIO || err == ENETDOWN) {
        if (!link->down)
            self->core->log(self, TN_LOG_WARNING, "%s: the TAP device %s is down", ifc->name, link->device);
        link->down = true;
        return TAP_DROP_DEVICE_DOWN;
    }
    return err == ENOMEM ? TAP_DROP_NO_MEMORY : TAP_DROP_REFUSED;
}

void tap_write_done(struct tn_self *self, struct tn_interface *ifc)
{
    struct tap_link *link = ifc->link;
    if (tn_likely(!link->down))
        return;
    link->down = false;
    self->core->log(self, TN_LOG_INFO, "%s: the TAP device %s is up again", ifc->name, link->device);
}
