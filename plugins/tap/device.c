/* device.c: getting hold of a TAP device, and telling people why it did not work.
 *
 * Attaching by name makes the device where there is none, which takes CAP_NET_ADMIN; a device that exists may
 * be attached to by the user it was made for. What the kernel answers when it refuses is short ("EINVAL"), so
 * the reason is looked for: does the device exist, what is it? Such questions go by name through a socket, to
 * the network namespace of this process; an inherited descriptor may belong to a device of another one.
 *
 * A device that somebody else made keeps its state, MTU and addresses; only a device made here is brought up.
 *
 * Offloads: with IFF_VNET_HDR a virtio-net header stands before each frame, and says what was left undone of it
 * (tenon/vnet.h). Then the stack may leave things to the kernel at once; what the kernel may leave to the stack is said by
 * TUNSETOFFLOAD, and kernels that do not know an offload refuse the call. */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tenon/vnet.h"

#define TAP_CLONE_DEVICE "/dev/net/tun"

/* A request about an interface (SIOC…) by name. 0 or -errno. */
static int tap_ask(unsigned long request, struct ifreq *ifr)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int err = ioctl(fd, request, ifr) < 0 ? -errno : 0;
    close(fd);
    return err;
}

static struct ifreq tap_request(const char *name)
{
    struct ifreq ifr;
    memset(&ifr, 0, sizeof(ifr));
    memcpy(ifr.ifr_name, name, strlen(name));
    return ifr;
}

static bool tap_exists(const char *name)
{
    struct ifreq ifr = tap_request(name);
    return tap_ask(SIOCGIFINDEX, &ifr) == 0;
}

/* The sentence for people ends with what the errno means. */
static void tap_add_error(struct tn_text *why, int err)
{
    errno = -err;
    tn_text_add(why, ": %m. ");
}

/* ---- What is attached to a descriptor ---- */

/* What the kernel says of the device. Its address is asked of the descriptor and of the name: only where both
 * answers are the same is the device that is called so here the one behind the descriptor. */
static int tap_inspect(struct tap_device *device)
{
    struct ifreq own = tap_request(device->name);
    if (ioctl(device->fd, SIOCGIFHWADDR, &own) < 0)
        return -errno;
    memcpy(device->lladdr, own.ifr_hwaddr.sa_data, sizeof(device->lladdr));

    struct ifreq ifr = tap_request(device->name);
    device->visible = tap_ask(SIOCGIFHWADDR, &ifr) == 0 &&
                      memcmp(ifr.ifr_hwaddr.sa_data, device->lladdr, sizeof(device->lladdr)) == 0;
    if (!device->visible)
        return 0;
    if (tap_ask(SIOCGIFMTU, &ifr) == 0)
        device->mtu = (uint32_t)ifr.ifr_mtu;
    device->up = tap_ask(SIOCGIFFLAGS, &ifr) == 0 && (ifr.ifr_flags & IFF_UP);
    return 0;
}

/* Since Linux 6.2. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/* The kernel's words for offloads. */
static unsigned long tap_features(unsigned offloads)
{
    unsigned long features = 0;
    if (offloads & TAP_OFFLOAD_CHECKSUM)
        features |= TUN_F_CSUM;
    if (offloads & TAP_OFFLOAD_SEGMENTS)
        features |= TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    if (offloads & TAP_OFFLOAD_DATAGRAMS)
        features |= TUN_F_USO4 | TUN_F_USO6;
    return features;
}

/* Has the device leave undone as much of `offloads` as it can, the last of them being the first to be given up. What its
 * last user left behind is undone in any case: without `offloads`, frames come whole and with complete checksums. */
static int tap_set_offloads(struct tap_device *device, unsigned offloads)
{
    unsigned without[] = {0, TAP_OFFLOAD_DATAGRAMS, TAP_OFFLOAD_DATAGRAMS | TAP_OFFLOAD_SEGMENTS, ~0u};
    if (!device->vnet || !(offloads & TAP_OFFLOAD_CHECKSUM))
        offloads = 0;
    for (size_t i = 0; i < TN_ARRAY_SIZE(without); i++) {
        device->offloads = offloads & ~without[i];
        if (ioctl(device->fd, TUNSETOFFLOAD, tap_features(device->offloads)) == 0)
            return 0;
    }
    return -errno;
}

/* The header is the short one, and in the machine's byte order, whoever attached the descriptor. */
static int tap_set_header(struct tap_device *device)
{
    int len = sizeof(struct tn_vnet_header), little_endian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
    if (!device->vnet)
        return 0;
    return ioctl(device->fd, TUNSETVNETHDRSZ, &len) < 0 || ioctl(device->fd, TUNSETVNETLE, &little_endian) < 0
               ? -errno
               : 0;
}

static int tap_prepare(struct tap_device *device, unsigned offloads, struct tn_text *why)
{
    int err = tap_set_header(device);
    if (err == 0)
        err = tap_set_offloads(device, offloads);
    if (err == 0)
        err = tap_inspect(device);
    if (err < 0) {
        tn_text_add(why, "cannot set up the TAP device %s", device->name);
        tap_add_error(why, err);
    }
    return err;
}

/* ---- By name ---- */

static void tap_explain_open(struct tn_text *why, int err, const char *name)
{
    tn_text_add(why, "cannot open " TAP_CLONE_DEVICE);
    tap_add_error(why, err);
    if (err == -EACCES || err == -EPERM)
        tn_text_add(why,
                    "Run as root, or have the administrator allow it (chmod 0666 " TAP_CLONE_DEVICE
                    ") and make the device: ip tuntap add dev %s mode tap user $USER",
                    name);
    else
        tn_text_add(why, "The kernel's TUN/TAP driver is not there; load it with: modprobe tun");
}

static void tap_explain_invalid(struct tn_text *why, const char *name)
{
    struct ifreq ifr = tap_request(name);
    if (tap_ask(SIOCGIFHWADDR, &ifr) < 0)
        tn_text_add(why, "'%s' is not a name that a device can have", name);
    else if (ifr.ifr_hwaddr.sa_family == ARPHRD_NONE)
        tn_text_add(why,
                    "%s is a TUN device, not a TAP device. Make one with: ip tuntap add dev NAME mode tap",
                    name);
    else
        tn_text_add(why, "%s exists and is not a TAP device. Choose another name with the option device",
                    name);
}

static void tap_explain_attach(struct tn_text *why, int err, const char *name)
{
    if (err == -EINVAL) {
        tap_explain_invalid(why, name);
        return;
    }
    tn_text_add(why, "cannot open the TAP device %s", name);
    tap_add_error(why, err);
    if (err == -EBUSY)
        tn_text_add(why, "Another program uses it");
    else if (err == -EPERM && tap_exists(name))
        tn_text_add(
            why,
            "It was made for another user. Run as root, or make it anew with: ip tuntap add dev %s mode "
            "tap user $USER",
            name);
    else if (err == -EPERM)
        tn_text_add(why,
                    "Run as root, or make the device first with: ip tuntap add dev %s mode tap user $USER. A "
                    "program that gave up its capabilities after the start has to be started with "
                    "--keep-privileges, or to find the device made",
                    name);
}

/* Attaches fd to the device, as a single queue or, where the device was made for several, as one of them. */
static int tap_set_interface(int fd, const char *name, short flags, struct ifreq *ifr)
{
    *ifr = tap_request(name);
    ifr->ifr_flags = flags;
    if (ioctl(fd, TUNSETIFF, ifr) == 0)
        return 0;
    if (errno != EINVAL)
        return -errno;
    *ifr = tap_request(name);
    ifr->ifr_flags = (short)(flags | IFF_MULTI_QUEUE);
    return ioctl(fd, TUNSETIFF, ifr) < 0 ? -errno : 0;
}

int tap_device_attach(struct tap_device *device, const char *name, unsigned offloads, struct tn_text *why)
{
    if (strlen(name) >= IFNAMSIZ) {
        tn_text_add(why, "the device name '%s' is longer than %d characters", name, IFNAMSIZ - 1);
        return -ENAMETOOLONG;
    }
    memset(device, 0, sizeof(*device));
    device->fd = open(TAP_CLONE_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (device->fd < 0) {
        int err = -errno;
        tap_explain_open(why, err, name);
        return err;
    }
    struct ifreq ifr;
    device->created = !tap_exists(name);
    device->vnet = offloads != 0;
    int err =
        tap_set_interface(device->fd, name, IFF_TAP | IFF_NO_PI | (device->vnet ? IFF_VNET_HDR : 0), &ifr);
    if (err < 0) {
        tap_explain_attach(why, err, name);
    } else {
        memcpy(device->name, ifr.ifr_name, IFNAMSIZ);
        err = tap_prepare(device, offloads, why);
    }
    if (err < 0)
        close(device->fd);
    return err;
}

/* ---- By descriptor ---- */

/* Whether frames of this TAP descriptor start with packet information (struct tun_pi). TUNGETIFF has one bit for "no
 * packet information" and for "no filter", so the question is asked with a filter, which lets all pass. It replaces one
 * that was there, and leaves none. */
static bool tap_has_packet_info(int fd)
{
    struct sock_filter pass = {.code = BPF_RET | BPF_K, .k = UINT32_MAX};
    struct sock_fprog program = {.len = 1, .filter = &pass};
    struct ifreq ifr;
    memset(&ifr, 0, sizeof(ifr));
    bool known = ioctl(fd, TUNATTACHFILTER, &program) == 0 && ioctl(fd, TUNGETIFF, &ifr) == 0;
    (void)ioctl(fd, TUNDETACHFILTER, 0);
    return known && !(ifr.ifr_flags & IFF_NO_PI);
}

/* Whether the descriptor is attached to a device that this driver understands, and to the one called `name`. */
static int tap_check_inherited(int fd, const char *name, struct ifreq *ifr, struct tn_text *why)
{
    memset(ifr, 0, sizeof(*ifr));
    if (ioctl(fd, TUNGETIFF, ifr) < 0) {
        int err = -errno;
        if (err == -EBADFD)
            tn_text_add(why, "descriptor %d is not attached to a device yet (TUNSETIFF)", fd);
        else if (err == -EBADF)
            tn_text_add(why, "descriptor %d is not open", fd);
        else
            tn_text_add(why, "descriptor %d is not that of a TAP device", fd);
        return err;
    }
    if ((ifr->ifr_flags & (IFF_TUN | IFF_TAP)) != IFF_TAP)
        tn_text_add(why, "descriptor %d belongs to the TUN device %.15s, not to a TAP device", fd,
                    ifr->ifr_name);
    else if (tap_has_packet_info(fd))
        tn_text_add(
            why, "descriptor %d was attached without IFF_NO_PI: frames would start with packet information",
            fd);
    else if (*name && strncmp(name, ifr->ifr_name, IFNAMSIZ) != 0)
        tn_text_add(why, "descriptor %d belongs to the device %.15s, but the option device says %s", fd,
                    ifr->ifr_name, name);
    else
        return 0;
    return -EINVAL;
}

int tap_device_inherit(struct tap_device *device, int fd, const char *name, unsigned offloads,
                       struct tn_text *why)
{
    struct ifreq ifr;
    memset(device, 0, sizeof(*device));
    int err = tap_check_inherited(fd, name, &ifr, why);
    if (err < 0)
        return err;
    memcpy(device->name, ifr.ifr_name, IFNAMSIZ);
    device->vnet = ifr.ifr_flags & IFF_VNET_HDR;
    device->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    int flags = device->fd < 0 ? -1 : fcntl(device->fd, F_GETFL);
    if (flags < 0 || fcntl(device->fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        err = -errno;
        tn_text_add(why, "cannot duplicate descriptor %d", fd);
        tap_add_error(why, err);
    } else {
        err = tap_prepare(device, offloads, why);
    }
    if (err < 0 && device->fd >= 0)
        close(device->fd);
    return err;
}

/* ---- Settings ---- */

int tap_device_bring_up(struct tap_device *device, uint32_t mtu, struct tn_text *why)
{
    struct ifreq ifr = tap_request(device->name);
    if (mtu && mtu != device->mtu) {
        ifr.ifr_mtu = (int)mtu;
        int err = tap_ask(SIOCSIFMTU, &ifr);
        if (err < 0) {
            tn_text_add(why, "cannot give the TAP device %s the MTU %u", device->name, mtu);
            tap_add_error(why, err);
            return err;
        }
        device->mtu = mtu;
    }
    int err = tap_ask(SIOCGIFFLAGS, &ifr);
    if (err == 0) {
        ifr.ifr_flags |= IFF_UP;
        err = tap_ask(SIOCSIFFLAGS, &ifr);
    }
    if (err < 0) {
        tn_text_add(why, "cannot bring up the TAP device %s", device->name);
        tap_add_error(why, err);
        return err;
    }
    device->up = true;
    return 0;
}
