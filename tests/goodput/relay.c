/* relay: a path between two TAP devices, which it makes: what the kernel sends on one comes out of the other later, or not at
 * all. It knows nothing of what it carries, so it treats all alike, whoever sends.
 *
 *     relay TAP TAP DELAY_MS LOSS_PERCENT RATE_MBIT QUEUE SEED [MARK_PERCENT]
 *
 * Each direction has a line of that rate with a queue of so many frames before it. Of IPv4 packets that say that they may be marked
 * (RFC 3168), so many are marked as a router does that is congested. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#define FRAME_MAX 2048
#define RING      65536u /* frames on their way in one direction, a power of two */

struct frame {
    uint64_t arrival; /* nanoseconds */
    uint16_t len;
    uint8_t bytes[FRAME_MAX];
};

struct direction {
    int from, to;
    struct frame *ring;
    uint32_t head, tail;
    uint64_t line_free; /* when the line has sent all that was given to it */
};

static uint64_t delay, bits_per_second, queue_span, random_state;
static double loss, mark;

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool happens(double chance)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53 < chance;
}

static int open_tap(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) {
        fprintf(stderr, "relay: %s: %s\n", name, strerror(errno));
        exit(1);
    }
    return fd;
}

/* ECT becomes CE, and the header's checksum follows (RFC 1624). */
static void mark_frame(struct frame *f)
{
    uint8_t *ip = f->bytes + 14;
    if (f->len < 34 || f->bytes[12] != 8 || f->bytes[13] != 0 || (ip[1] & 3) == 0 || (ip[1] & 3) == 3 ||
        !happens(mark))
        return;
    uint32_t was = (uint32_t)ip[0] << 8 | ip[1], sum = (uint32_t)ip[10] << 8 | ip[11];
    ip[1] |= 3;
    sum = (~sum & 0xffff) + (~was & 0xffff) + (was | 3);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~(sum + (sum >> 16));
    ip[10] = (uint8_t)(sum >> 8);
    ip[11] = (uint8_t)sum;
}

/* One frame into the direction; false: there is none. */
static bool take(struct direction *d, uint64_t at)
{
    struct frame *f = &d->ring[d->tail % RING];
    ssize_t n = read(d->from, f->bytes, FRAME_MAX);
    if (n <= 0)
        return false;
    uint64_t start = d->line_free > at ? d->line_free : at;
    if (start - at > queue_span || d->tail - d->head == RING - 1 || happens(loss))
        return true;
    d->line_free = start + (uint64_t)n * 8 * 1000000000u / bits_per_second;
    f->arrival = d->line_free + delay;
    f->len = (uint16_t)n;
    mark_frame(f);
    d->tail++;
    return true;
}

static void give(struct direction *d, uint64_t at)
{
    while (d->head != d->tail && d->ring[d->head % RING].arrival <= at) {
        struct frame *f = &d->ring[d->head++ % RING];
        if (write(d->to, f->bytes, f->len) < 0)
            continue; /* the device is down */
    }
}

static uint64_t earliest(const struct direction *d)
{
    return d->head == d->tail ? UINT64_MAX : d->ring[d->head % RING].arrival;
}

static void wait_for(struct pollfd *fds, uint64_t until)
{
    uint64_t at = now(), span = until > at ? until - at : 0;
    struct timespec t = {.tv_sec = (time_t)(span / 1000000000u), .tv_nsec = (long)(span % 1000000000u)};
    ppoll(fds, 2, until == UINT64_MAX ? NULL : &t, NULL);
}

int main(int argc, char **argv)
{
    if (argc != 8 && argc != 9) {
        fprintf(stderr, "usage: relay TAP TAP DELAY_MS LOSS_PERCENT RATE_MBIT QUEUE SEED [MARK_PERCENT]\n");
        return 2;
    }
    int a = open_tap(argv[1]), b = open_tap(argv[2]);
    delay = (uint64_t)(strtod(argv[3], NULL) * 1e6);
    loss = strtod(argv[4], NULL) / 100;
    bits_per_second = strtoull(argv[5], NULL, 0) * 1000000u;
    queue_span = strtoull(argv[6], NULL, 0) * 1514 * 8 * 1000000000u / bits_per_second;
    mark = argc == 9 ? strtod(argv[8], NULL) / 100 : 0;
    random_state = strtoull(argv[7], NULL, 0);
    struct direction ways[2] = {{.from = a, .to = b}, {.from = b, .to = a}};
    for (int i = 0; i < 2; i++)
        ways[i].ring = malloc(sizeof(struct frame) * RING);
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct pollfd fds[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
        uint64_t first = earliest(&ways[0]), second = earliest(&ways[1]);
        wait_for(fds, first < second ? first : second);
        for (int i = 0; i < 2; i++) {
            for (int n = 0; n < 64 && take(&ways[i], now()); n++)
                ;
            give(&ways[i], now());
        }
    }
}
