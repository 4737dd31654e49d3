/* embed_message.c: sending and receiving (tenon/stack.h). All calls are made of sendmsg and recvmsg, whose arguments are checked
 * as Linux does. */
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>

#include "address.h"
#include "embed.h"

#define PIECES_MAX 1024 /* Linux: UIO_MAXIOV */

#define SEND_FLAGS (MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_OOB | MSG_EOR | MSG_CONFIRM)
#define RECV_FLAGS \
    (MSG_DONTWAIT | MSG_NOSIGNAL | MSG_PEEK | MSG_TRUNC | MSG_WAITALL | MSG_OOB | MSG_CMSG_CLOEXEC)

/* ---- The message ---- */

/* `may_be_null`: bytes are only counted. */
static int read_pieces(const struct msghdr *msg, bool may_be_null, struct tn_pieces *out)
{
    size_t total = 0;
    if (msg->msg_iovlen > PIECES_MAX)
        return -EMSGSIZE;
    if (!msg->msg_iov && msg->msg_iovlen > 0)
        return -EFAULT;
    for (size_t i = 0; i < msg->msg_iovlen; i++) {
        const struct iovec *piece = &msg->msg_iov[i];
        if (!piece->iov_base && piece->iov_len > 0 && !may_be_null)
            return -EFAULT;
        if (piece->iov_len > SSIZE_MAX - total)
            return -EINVAL;
        total += piece->iov_len;
    }
    *out = (struct tn_pieces){.next = msg->msg_iov, .left = total};
    return 0;
}

/* ---- Sending ---- */

/* IP_PKTINFO: the address to send from. */
static int read_pktinfo(struct tn_stack *stack, const struct tn_socket *sock, const void *data,
                        struct tn_departure *departure)
{
    struct in_pktinfo info;
    uint16_t ifindex;
    memcpy(&info, data, sizeof(info));
    if (info.ipi_ifindex < 0 || info.ipi_ifindex > UINT16_MAX ||
        (info.ipi_ifindex > 0 && !tn_interface_at(stack, (uint16_t)info.ipi_ifindex)))
        return -ENODEV;
    departure->src = tn_addr_from(&info.ipi_spec_dst, sizeof(info.ipi_spec_dst));
    if (tn_addr_is_zero(&departure->src))
        return 0;
    enum tn_local kind =
        tn_address_kind_in(stack, sock->family, tn_socket_vrf(sock), &departure->src, &ifindex);
    return kind == TN_LOCAL_UNICAST ? 0 : -EINVAL;
}

static int read_control_item(struct tn_stack *stack, const struct tn_socket *sock,
                             const struct cmsghdr *control, struct tn_departure *departure)
{
    size_t len = control->cmsg_len - CMSG_LEN(0);
    int value = 0;
    if (control->cmsg_level == SOL_SOCKET)
        return -EINVAL;
    if (sock->family != AF_INET || control->cmsg_level != IPPROTO_IP)
        return 0; /* another protocol's */
    if (control->cmsg_type == IP_PKTINFO)
        return len == sizeof(struct in_pktinfo) ? read_pktinfo(stack, sock, CMSG_DATA(control), departure)
                                                : -EINVAL;
    if (len == sizeof(value))
        memcpy(&value, CMSG_DATA(control), sizeof(value));
    else if (len == 1)
        value = *CMSG_DATA(control);
    else
        return -EINVAL;
    if (control->cmsg_type == IP_TTL && value >= 1 && value <= 255) {
        departure->ttl = (uint8_t)value;
    } else if (control->cmsg_type == IP_TOS && value >= 0 && value <= 255) {
        departure->tos = (uint8_t)value;
        departure->has_tos = true;
    } else {
        return -EINVAL;
    }
    return 0;
}

static int read_control(struct tn_stack *stack, const struct tn_socket *sock, const struct msghdr *msg,
                        struct tn_departure *departure)
{
    if (msg->msg_controllen > 0 && !msg->msg_control)
        return -EFAULT;
    size_t left = msg->msg_controllen;
    const char *at = msg->msg_control;
    while (left >= sizeof(struct cmsghdr)) {
        const struct cmsghdr *control = (const void *)at;
        if (control->cmsg_len < CMSG_LEN(0) || control->cmsg_len > left)
            return -EINVAL;
        int error = read_control_item(stack, sock, control, departure);
        if (error < 0)
            return error;
        size_t step = CMSG_ALIGN(control->cmsg_len);
        if (step >= left)
            break;
        at += step;
        left -= step;
    }
    return 0;
}

static ssize_t send_datagram(struct tn_stack *stack, struct tn_socket *sock, const struct msghdr *msg,
                             struct tn_pieces *from, int flags)
{
    struct tn_departure departure = {.named = msg->msg_name && msg->msg_namelen > 0};
    if (flags & (MSG_MORE | MSG_OOB)) /* with MSG_MORE Linux would join the pieces to one datagram */
        return -EOPNOTSUPP;
    int error = 0;
    if (departure.named)
        error = tn_embed_read_address(sock, msg->msg_name, msg->msg_namelen, &departure.to);
    if (error == 0)
        error = read_control(stack, sock, msg, &departure);
    return error < 0 ? error : tn_socket_send_to(stack, sock, from, &departure);
}

/* Sends all of it, as far as the call may wait; what was taken until then. An address is ignored (send(2)). */
static ssize_t send_stream(struct tn_stack *stack, int fd, struct tn_pieces *from, int flags)
{
    const struct tn_descriptor *d = tn_embed_find(stack, fd);
    const struct tn_self *transport = tn_socket_transport(stack, d->sock);
    if ((flags & MSG_OOB) && transport && !transport->plugin->transport->urgent_sent)
        return -EOPNOTSUPP;
    tn_time until = tn_embed_patience(stack, d, flags, d->send_timeout);
    size_t whole = from->left;
    ssize_t result;
    do {
        struct tn_socket *sock = tn_embed_find(stack, fd)->sock;
        result = tn_socket_send_stream(stack, sock, from, flags);
        bool more = result == -EAGAIN || (result > 0 && from->left > 0);
        if (!more || !until)
            break;
        result = tn_embed_wait(stack, fd, POLLOUT | POLLERR | POLLHUP, until);
    } while (result == 0);
    size_t done = whole - from->left;
    return done > 0 ? (ssize_t)done : result;
}

ssize_t tn_sendmsg(struct tn_stack *stack, int fd, const struct msghdr *msg, int flags)
{
    const struct tn_descriptor *d = tn_embed_enter(stack, fd);
    struct tn_pieces from;
    if (!d)
        return -EBADF;
    if (!msg)
        return -EFAULT;
    if (flags & ~SEND_FLAGS)
        return -EOPNOTSUPP;
    int error = read_pieces(msg, false, &from);
    if (error < 0)
        return error;
    tn_embed_wake(stack);
    if (d->sock->type == SOCK_DGRAM)
        return send_datagram(stack, d->sock, msg, &from, flags);
    return send_stream(stack, fd, &from, flags);
}

ssize_t tn_sendto(struct tn_stack *stack, int fd, const void *bytes, size_t len, int flags,
                  const struct sockaddr *addr, socklen_t addr_len)
{
    struct iovec piece = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = tn_min(len, INT_MAX)};
    const struct msghdr msg = {
        .msg_name = (void *)(uintptr_t)addr, .msg_namelen = addr_len, .msg_iov = &piece, .msg_iovlen = 1};
    if (addr && addr_len == 0 && tn_embed_find(stack, fd) &&
        tn_embed_find(stack, fd)->sock->type == SOCK_DGRAM)
        return -EINVAL;
    return tn_sendmsg(stack, fd, &msg, flags);
}

ssize_t tn_send(struct tn_stack *stack, int fd, const void *bytes, size_t len, int flags)
{
    return tn_sendto(stack, fd, bytes, len, flags, NULL, 0);
}

/* ---- Receiving ---- */

/* Adds an item to the control data at msg->msg_control, of which `used` bytes are filled; cut, if it does not fit. */
static void put_control(struct msghdr *msg, size_t *used, int type, const void *data, size_t len)
{
    struct cmsghdr header = {.cmsg_level = IPPROTO_IP, .cmsg_type = type, .cmsg_len = CMSG_LEN(len)};
    size_t room = msg->msg_controllen - *used;
    if (!msg->msg_control || room < sizeof(header)) {
        msg->msg_flags |= MSG_CTRUNC;
        return;
    }
    if (room < header.cmsg_len) {
        msg->msg_flags |= MSG_CTRUNC;
        header.cmsg_len = room;
    }
    char *at = (char *)msg->msg_control + *used;
    memcpy(at, &header, sizeof(header));
    memcpy(at + CMSG_LEN(0), data, header.cmsg_len - CMSG_LEN(0));
    *used += tn_min(room, CMSG_SPACE(len));
}

static void write_control(struct msghdr *msg, const struct tn_descriptor *d, const struct tn_arrival *arrival)
{
    size_t used = 0;
    if (d->tell_address) {
        struct in_pktinfo info = {.ipi_ifindex = arrival->ifindex};
        memcpy(&info.ipi_addr, arrival->to.bytes, sizeof(info.ipi_addr));
        memcpy(&info.ipi_spec_dst, arrival->to.bytes, sizeof(info.ipi_spec_dst));
        put_control(msg, &used, IP_PKTINFO, &info, sizeof(info));
    }
    if (d->tell_ttl)
        put_control(msg, &used, IP_TTL, &(const int){arrival->ttl}, sizeof(int));
    if (d->tell_tos)
        put_control(msg, &used, IP_TOS, &arrival->tos, 1);
    msg->msg_controllen = used;
}

/* Reads until something came, or with MSG_WAITALL until `to` is full, as far as the call may wait. */
static ssize_t receive(struct tn_stack *stack, int fd, struct tn_pieces *to, int flags,
                       struct tn_arrival *arrival)
{
    const struct tn_descriptor *d = tn_embed_find(stack, fd);
    tn_time until = tn_embed_patience(stack, d, flags, d->receive_timeout);
    if (flags & MSG_OOB)
        until = 0; /* it never waits, as everywhere */
    bool all = d->sock->type == SOCK_STREAM && (flags & (MSG_WAITALL | MSG_PEEK)) == MSG_WAITALL;
    size_t whole = to->left;
    ssize_t result;
    do {
        struct tn_socket *sock = tn_embed_find(stack, fd)->sock;
        result = tn_socket_read(stack, sock, to, flags, arrival);
        bool more = result == -EAGAIN || (all && result > 0 && to->left > 0);
        if (!more || !until)
            break;
        result = tn_embed_wait(stack, fd, POLLIN | POLLERR | POLLHUP, until);
    } while (result == 0);
    bool peeks = flags & MSG_PEEK;
    size_t done = peeks ? 0 : whole - to->left;
    return done > 0 ? (ssize_t)done : result;
}

/* What is to be told with a datagram. */
static int describe_datagram(const struct tn_descriptor *d, struct msghdr *msg,
                             const struct tn_arrival *arrival, size_t part)
{
    if (part < arrival->whole)
        msg->msg_flags |= MSG_TRUNC;
    write_control(msg, d, arrival);
    return tn_embed_write_address_if(d->sock->family, &arrival->from.addr, arrival->from.port, msg->msg_name,
                                     &msg->msg_namelen);
}

ssize_t tn_recvmsg(struct tn_stack *stack, int fd, struct msghdr *msg, int flags)
{
    const struct tn_descriptor *d = tn_embed_enter(stack, fd);
    struct tn_pieces to;
    struct tn_arrival arrival = {.whole = 0};
    if (!d)
        return -EBADF;
    if (!msg)
        return -EFAULT;
    if (flags & ~RECV_FLAGS)
        return -EOPNOTSUPP;
    bool stream = d->sock->type == SOCK_STREAM;
    if (!stream && (flags & MSG_OOB))
        return -EOPNOTSUPP;
    int error = read_pieces(msg, stream && (flags & MSG_TRUNC), &to);
    if (error < 0)
        return error;
    msg->msg_flags = 0;
    ssize_t done = receive(stack, fd, &to, flags, &arrival);
    if (done < 0)
        return done;
    tn_embed_wake(stack);
    if (stream) { /* no address is written for streams (recv(2)) */
        msg->msg_namelen = 0;
        msg->msg_controllen = 0;
        return done;
    }
    error = describe_datagram(d, msg, &arrival, (size_t)done);
    if (error < 0)
        return error;
    return flags & MSG_TRUNC ? (ssize_t)arrival.whole : done;
}

ssize_t tn_recvfrom(struct tn_stack *stack, int fd, void *bytes, size_t len, int flags, struct sockaddr *addr,
                    socklen_t *addr_len)
{
    struct iovec piece = {.iov_base = bytes, .iov_len = tn_min(len, INT_MAX)};
    struct msghdr msg = {.msg_name = addr,
                         .msg_namelen = addr && addr_len ? *addr_len : 0,
                         .msg_iov = &piece,
                         .msg_iovlen = 1};
    if (addr && !addr_len)
        return tn_embed_find(stack, fd) ? -EFAULT : -EBADF;
    ssize_t done = tn_recvmsg(stack, fd, &msg, flags);
    if (done >= 0 && addr)
        *addr_len = msg.msg_namelen;
    return done;
}

ssize_t tn_recv(struct tn_stack *stack, int fd, void *bytes, size_t len, int flags)
{
    return tn_recvfrom(stack, fd, bytes, len, flags, NULL, NULL);
}
