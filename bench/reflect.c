/* reflect.c: tenon-reflect DEVICE [one-by-one]: the least that a program can do on a TAP device, as the floor of what a stack there
 * could reach. Datagrams (UDP over IPv4, for whatever address and port) go back with addresses and ports swapped, which leaves
 * their checksums right; questions of ARP are answered for whatever address; all else is thrown away. Frames are read and written
 * in batches by io_uring, or one by one. Says "ready" when it is attached. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FRAME_MAX 1518
#define BATCH     64
#define LOOKS     50 /* in vain, before it sleeps */

struct frame {
    uint8_t bytes[FRAME_MAX];
    int len; /* 0: nothing to send */
};

static int device = -1;
static bool one_by_one;
static struct io_uring ring;

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "tenon-reflect: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- Frames ---- */

static void swap(uint8_t *a, uint8_t *b, size_t len)
{
    uint8_t kept[6];
    memcpy(kept, a, len);
    memcpy(a, b, len);
    memcpy(b, kept, len);
}

/* Makes a question an answer. False: it is none that is answered. */
static bool reflect(uint8_t *f, int len)
{
    static const uint8_t own[6] = {2, 0, 0, 0, 7, 9};
    if (len >= 42 && f[12] == 8 && f[13] == 6 && f[21] == 1) { /* ARP, request */
        f[21] = 2;
        swap(f + 22, f + 32, 6); /* hardware addresses */
        swap(f + 28, f + 38, 4); /* protocol addresses */
        memcpy(f + 22, own, 6);
    } else if (len >= 42 && f[12] == 8 && f[13] == 0 && f[14] == 0x45 &&
               f[23] == 17) { /* IPv4 without options, UDP */
        swap(f + 26, f + 30, 4);
        swap(f + 34, f + 36, 2);
    } else {
        return false;
    }
    memcpy(f, f + 6, 6);
    memcpy(f + 6, own, 6);
    return true;
}

/* ---- The device ---- */

static void open_device(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (device < 0 || ioctl(device, TUNSETIFF, &request) < 0)
        die(name);
    int err = one_by_one ? 0 : io_uring_queue_init(BATCH, &ring, 0);
    if (err < 0) {
        errno = -err;
        die("io_uring");
    }
}

/* Does what was prepared in the ring; frames[user data]->len becomes the result. */
static void submit(struct frame *frames, unsigned count)
{
    struct io_uring_cqe *cqe;
    unsigned head, done = 0;
    if (io_uring_submit_and_wait(&ring, count) < 0)
        die("io_uring");
    io_uring_for_each_cqe(&ring, head, cqe)
    {
        frames[io_uring_cqe_get_data64(cqe)].len = cqe->res;
        done++;
    }
    io_uring_cq_advance(&ring, done);
}

static void send_all(struct frame *frames, unsigned count)
{
    unsigned prepared = 0;
    for (unsigned i = 0; i < count; i++) {
        if (frames[i].len <= 0)
            continue;
        if (one_by_one) {
            if (write(device, frames[i].bytes, (size_t)frames[i].len) < 0)
                die("write");
            continue;
        }
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
        io_uring_prep_write(sqe, device, frames[i].bytes, (unsigned)frames[i].len, 0);
        io_uring_sqe_set_data64(sqe, i);
        prepared++;
    }
    if (prepared > 0)
        submit(frames, prepared);
}

/* Reads up to `count` frames; those that were not there have no length. How many were. */
static unsigned receive(struct frame *frames, unsigned count)
{
    unsigned found = 0;
    for (unsigned i = 0; i < count; i++) {
        if (one_by_one) {
            frames[i].len = (int)read(device, frames[i].bytes, FRAME_MAX);
            continue;
        }
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
        io_uring_prep_read(sqe, device, frames[i].bytes, FRAME_MAX, 0);
        sqe->rw_flags = RWF_NOWAIT;
        io_uring_sqe_set_data64(sqe, i);
    }
    if (!one_by_one)
        submit(frames, count);
    for (unsigned i = 0; i < count; i++)
        found += frames[i].len > 0;
    return found;
}

int main(int argc, char **argv)
{
    static struct frame frames[BATCH];
    if (argc < 2)
        return fprintf(stderr, "usage: tenon-reflect DEVICE [one-by-one]\n"), 2;
    one_by_one = argc > 2 && strcmp(argv[2], "one-by-one") == 0;
    open_device(argv[1]);
    puts("ready");
    fflush(stdout);
    unsigned window = 1, vain = 0;
    for (;;) {
        unsigned found = receive(frames, window);
        for (unsigned i = 0; i < window; i++)
            if (frames[i].len > 0 && !reflect(frames[i].bytes, frames[i].len))
                frames[i].len = 0;
        send_all(frames, window);
        /* As many as there were and one more; alone, a read that finds nothing costs as much as any. */
        window = found == window ? 2 * window : found + 1;
        if (window > BATCH)
            window = BATCH;
        vain = found ? 0 : vain + 1;
        struct pollfd ready = {.fd = device, .events = POLLIN};
        if (vain > LOOKS && poll(&ready, 1, -1) < 0 && errno != EINTR)
            die("poll");
    }
}
