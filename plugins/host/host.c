/* host: a link whose other end is the program that embeds the stack, or another stack of it.
 *
 * The core keeps a port for the interface: the program puts frames into it (tn_host_send) and takes them out
 * (tn_host_receive). This driver only carries them between the port and the stack. With `mode: ip` there is
 * no Ethernet: what passes are IP packets, there are no link addresses, and nothing has to be resolved. A program that does not
 * take its frames is like a device that is full. */
#include <errno.h>

#include "tenon/plugin.h"

enum host_mode {
    HOST_MODE_ETHERNET, /* order of the manifest's choices */
    HOST_MODE_IP,
};

struct host_options {
    int64_t mode;
};

static int host_open(struct tn_self *self, struct tn_interface *ifc, struct tn_text *why)
{
    const struct host_options *options = ifc->options;
    if (options->mode == HOST_MODE_IP) {
        ifc->link_type = TN_LINK_IP;
        ifc->lladdr_len = 0;
    }
    return 0;
}

static void host_close(struct tn_self *self, struct tn_interface *ifc)
{
}

static unsigned host_receive(struct tn_self *self, struct tn_interface *ifc, unsigned budget)
{
    unsigned count = 0;
    struct tn_packet *packet;
    while (count < budget && (packet = self->core->port_take(self, ifc)) != NULL) {
        self->core->input(self, ifc, packet);
        count++;
    }
    return count;
}

static int host_transmit(struct tn_self *self, struct tn_interface *ifc, struct tn_packet *packet)
{
    if (self->core->port_full(self, ifc))
        return -EAGAIN;
    self->core->port_give(self, ifc, packet);
    return 0;
}

static const struct tn_option host_options[] = {
    {"mode", TN_OPTION_CHOICE, offsetof(struct host_options, mode)},
};

static const struct tn_link_ops host_link = {
    .open = host_open,
    .close = host_close,
    .receive = host_receive,
    .transmit = host_transmit,
};

static const struct tn_plugin host_plugin = {
    TN_PLUGIN_HEADER,        .name = "host",
    .version = "0.1.0",      .kind = "link",
    .schema = "host/1",      .options_size = sizeof(struct host_options),
    .options = host_options, .option_count = TN_ARRAY_SIZE(host_options),
    .link = &host_link,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &host_plugin;
}
