/* device.c: getting hold of a packet socket on a network interface, and telling people why it did not work.
 *
 * Opening the socket takes CAP_NET_RAW; everything after that is anybody's right, so that a stack that has dropped its
 * capabilities can attach to an interface that was made anew.
 *
 * The kernel hands out every frame that passes the interface, and takes it apart on the way. Hence:
 *   - a filter lets pass what a station hears: its own address, everybody's, groups'; not what this machine sends itself.
 *   - the device is told of the station's address, if that is not its own, and to hear all groups. A device that cannot tell
 *     addresses apart goes into promiscuous mode by itself.
 *   - the tag of a VLAN is taken off before; it comes beside the frame, as auxiliary data. */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define ETHERTYPE_ALL 0x0003 /* ETH_P_ALL */

/* A request about an interface (SIOC…) by name. 0 or -errno. */
static int packet_ask(int fd, unsigned long request, const char *name, struct ifreq *ifr)
{
    memset(ifr, 0, sizeof(*ifr));
    memcpy(ifr->ifr_name, name, strlen(name));
    return ioctl(fd, request, ifr) < 0 ? -errno : 0;
}

/* The sentence for people ends with what the errno means. */
static void packet_add_error(struct tn_text *why, int err)
{
    errno = -err;
    tn_text_add(why, ": %m. ");
}

static int packet_set(int fd, int level, int name, const void *value, socklen_t len)
{
    return setsockopt(fd, level, name, value, len) < 0 ? -errno : 0;
}

static int packet_set_int(int fd, int level, int name, int value)
{
    return packet_set(fd, level, name, &value, sizeof(value));
}

/* ---- The socket ---- */

static void packet_explain_open(struct tn_text *why, int err)
{
    tn_text_add(why, "cannot open a packet socket");
    packet_add_error(why, err);
    if (err == -EPERM || err == -EACCES)
        tn_text_add(
            why, "It takes the capability CAP_NET_RAW: run as root, or give it to the program with: setcap "
                 "cap_net_raw+ep FILE. A program that gave up its capabilities after the start has to be "
                 "started with --keep-privileges");
    else if (err == -EAFNOSUPPORT)
        tn_text_add(why, "The kernel has no packet sockets; load them with: modprobe af_packet");
}

int packet_socket_open(int64_t receive_buffer, struct tn_text *why)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int err = fd < 0 ? -errno : 0;
    if (err < 0) {
        packet_explain_open(why, err);
        return err;
    }
    if (packet_set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, (int)receive_buffer) < 0)
        (void)packet_set_int(fd, SOL_SOCKET, SO_RCVBUF, (int)receive_buffer);
    (void)packet_set_int(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1); /* the filter does it, too, at a price */
    if ((err = packet_set_int(fd, SOL_PACKET, PACKET_VNET_HDR, 1)) == 0 &&
        (err = packet_set_int(fd, SOL_PACKET, PACKET_AUXDATA, 1)) == 0)
        return fd;
    tn_text_add(why, "cannot set up a packet socket");
    packet_add_error(why, err);
    close(fd);
    return err;
}

int64_t packet_receive_buffer(int fd)
{
    int size = 0;
    socklen_t len = sizeof(size);
    (void)getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, &len);
    return size / 2; /* the kernel doubles what it is asked for, for what frames take beside their bytes */
}

uint32_t packet_device_lost(int fd)
{
    struct tpacket_stats stats = {0};
    socklen_t len = sizeof(stats);
    return getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) < 0 ? 0 : stats.tp_drops;
}

/* ---- The interface ---- */

int packet_device_find(int fd, const char *name, struct packet_device *device, struct tn_text *why)
{
    struct ifreq ifr;
    memset(device, 0, sizeof(*device));
    if (strlen(name) >= IFNAMSIZ) {
        tn_text_add(why, "the device name '%s' is longer than %d characters", name, IFNAMSIZ - 1);
        return -ENAMETOOLONG;
    }
    memcpy(device->name, name, strlen(name));
    int err = packet_ask(fd, SIOCGIFINDEX, name, &ifr);
    if (err < 0) {
        tn_text_add(
            why,
            "there is no network interface %s. Name one of those that 'ip link' shows with the option device",
            name);
        return err;
    }
    device->index = ifr.ifr_ifindex;
    if ((err = packet_ask(fd, SIOCGIFHWADDR, name, &ifr)) == 0) {
        memcpy(device->lladdr, ifr.ifr_hwaddr.sa_data, sizeof(device->lladdr));
        if (ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
            tn_text_add(why, "%s is not an Ethernet interface. Choose another one with the option device",
                        name);
            return -EINVAL;
        }
    }
    if (err == 0 && (err = packet_ask(fd, SIOCGIFMTU, name, &ifr)) == 0)
        device->mtu = (uint32_t)ifr.ifr_mtu;
    if (err == 0 && (err = packet_ask(fd, SIOCGIFFLAGS, name, &ifr)) == 0)
        device->up = ifr.ifr_flags & IFF_UP;
    if (err < 0) {
        tn_text_add(why, "cannot look at the network interface %s", name);
        packet_add_error(why, err);
    }
    return err;
}

bool packet_device_forwards(const char *name)
{
    char path[64 + IFNAMSIZ], digit = '0';
    snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/forwarding", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, &digit, 1);
    close(fd);
    return n == 1 && digit == '1';
}

/* ---- Attaching ---- */

/* What the station with this address hears. */
static int packet_set_filter(int fd, const uint8_t lladdr[PACKET_LLADDR_LEN])
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 7, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 1, 4, 0), /* everybody, or a group */
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, tn_load32(lladdr), 0, 3),
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, tn_load16(lladdr + 4), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    struct sock_fprog program = {.len = TN_ARRAY_SIZE(code), .filter = code};
    return packet_set(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

static int packet_join(int fd, int ifindex, uint16_t what, const uint8_t *lladdr)
{
    struct packet_mreq mreq = {.mr_ifindex = ifindex, .mr_type = what};
    if (lladdr) {
        mreq.mr_alen = PACKET_LLADDR_LEN;
        memcpy(mreq.mr_address, lladdr, PACKET_LLADDR_LEN);
    }
    return packet_set(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof(mreq));
}

int packet_device_attach(int fd, const struct packet_device *device, const uint8_t lladdr[PACKET_LLADDR_LEN],
                         struct tn_text *why)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = device->index};
    be16 every = tn_to_be16(ETHERTYPE_ALL);
    memcpy(&at.sll_protocol, &every, sizeof(every));
    int err = packet_set_filter(fd, lladdr); /* before anything can come */
    if (err == 0 && bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
        err = -errno;
    if (err == 0)
        err = packet_join(fd, device->index, PACKET_MR_ALLMULTI, NULL);
    if (err == 0 && memcmp(lladdr, device->lladdr, PACKET_LLADDR_LEN) != 0)
        err = packet_join(fd, device->index, PACKET_MR_UNICAST, lladdr);
    if (err < 0) {
        tn_text_add(why, "cannot attach to the network interface %s", device->name);
        packet_add_error(why, err);
    }
    return err;
}

bool packet_device_there(int fd)
{
    struct sockaddr_ll at = {.sll_ifindex = 0};
    socklen_t len = sizeof(at);
    return getsockname(fd, (struct sockaddr *)&at, &len) == 0 && at.sll_ifindex > 0;
}
