/* lwip.c: tenon-lwip DEVICE ADDRESS: the same services on Debian's liblwip over a TAP device, as one more measure for
 * `./dev bench`. One thread around the raw API: frames are read from the device and handed to the stack, what it sends is
 * written to the device, and its timers are asked when the device is idle; no thread of the library's is started. Says
 * "ready" when it listens. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <lwip/etharp.h>
#include <lwip/init.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>
#include <lwip/udp.h>
#include <netif/ethernet.h>

#define FRAME_MAX 1518
#define BATCH     64

static int device = -1;
static char pattern[64 * 1024];

_Noreturn static void die(const char *what)
{
    fprintf(stderr, "tenon-lwip: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- The device ---- */

static void open_device(const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
    device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (device < 0 || ioctl(device, TUNSETIFF, &request) < 0)
        die(name);
}

static err_t output(struct netif *netif, struct pbuf *p)
{
    char frame[FRAME_MAX];
    u16_t len = pbuf_copy_partial(p, frame, sizeof(frame), 0);
    return write(device, frame, len) < 0 ? ERR_IF : ERR_OK;
}

static err_t set_up(struct netif *netif)
{
    static const u8_t lladdr[6] = {2, 0, 0, 0, 7, 9};
    netif->name[0] = 't';
    netif->name[1] = 'p';
    netif->output = etharp_output;
    netif->linkoutput = output;
    netif->mtu = 1500;
    netif->hwaddr_len = 6;
    memcpy(netif->hwaddr, lladdr, 6);
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static bool receive(struct netif *netif)
{
    char frame[FRAME_MAX];
    ssize_t n = read(device, frame, sizeof(frame));
    if (n <= 0)
        return false;
    struct pbuf *p = pbuf_alloc(PBUF_RAW, (u16_t)n, PBUF_RAM); /* its pool has smaller ones than it thinks */
    if (!p)
        return true;
    pbuf_take(p, frame, (u16_t)n);
    if (netif->input(p, netif) != ERR_OK)
        pbuf_free(p);
    return true;
}

/* ---- Streams ---- */

/* What an echo could not send yet hangs at its connection. */
static void echo_pump(struct tcp_pcb *pcb, struct pbuf *held)
{
    while (held && tcp_write(pcb, held->payload, held->len, TCP_WRITE_FLAG_COPY) == ERR_OK) {
        struct pbuf *next = held->next;
        tcp_recved(pcb, held->len);
        if (next)
            pbuf_ref(next);
        pbuf_free(held);
        held = next;
    }
    tcp_arg(pcb, held);
    tcp_output(pcb);
}

static err_t end(struct tcp_pcb *pcb)
{
    tcp_arg(pcb, NULL);
    tcp_recv(pcb, NULL);
    tcp_sent(pcb, NULL);
    tcp_err(pcb, NULL);
    if (tcp_close(pcb) == ERR_OK)
        return ERR_OK;
    tcp_abort(pcb);
    return ERR_ABRT;
}

static err_t echo_recv(void *held, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    if (!p)
        return end(pcb);
    if (held)
        pbuf_cat(held, p);
    echo_pump(pcb, held ? held : p);
    return ERR_OK;
}

static err_t echo_sent(void *held, struct tcp_pcb *pcb, u16_t len)
{
    if (held)
        echo_pump(pcb, held);
    return ERR_OK;
}

static void echo_gone(void *held, err_t error)
{
    if (held)
        pbuf_free(held);
}

static err_t discard_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error)
{
    if (!p)
        return end(pcb);
    tcp_recved(pcb, p->tot_len);
    pbuf_free(p);
    return ERR_OK;
}

static err_t chargen_sent(void *arg, struct tcp_pcb *pcb, u16_t len)
{
    u16_t room;
    while ((room = tcp_sndbuf(pcb)) > 0 && tcp_write(pcb, pattern, LWIP_MIN(room, 16 * 1024), 0) == ERR_OK)
        ;
    tcp_output(pcb);
    return ERR_OK;
}

static err_t accept_echo(void *arg, struct tcp_pcb *pcb, err_t error)
{
    tcp_nagle_disable(pcb);
    tcp_recv(pcb, echo_recv);
    tcp_sent(pcb, echo_sent);
    tcp_err(pcb, echo_gone);
    return ERR_OK;
}

static err_t accept_discard(void *arg, struct tcp_pcb *pcb, err_t error)
{
    tcp_recv(pcb, discard_recv);
    return ERR_OK;
}

static err_t accept_chargen(void *arg, struct tcp_pcb *pcb, err_t error)
{
    tcp_recv(pcb, discard_recv);
    tcp_sent(pcb, chargen_sent);
    return chargen_sent(NULL, pcb, 0);
}

static err_t accept_daytime(void *arg, struct tcp_pcb *pcb, err_t error)
{
    char line[64];
    time_t now = time(NULL);
    struct tm tm;
    size_t len = strftime(line, sizeof(line), "%A, %B %d, %Y %H:%M:%S-UTC\r\n", gmtime_r(&now, &tm));
    tcp_write(pcb, line, (u16_t)len, TCP_WRITE_FLAG_COPY);
    return end(pcb);
}

static void listen_on(u16_t port, tcp_accept_fn accepted)
{
    struct tcp_pcb *pcb = tcp_new();
    if (!pcb || tcp_bind(pcb, IP_ADDR_ANY, port) != ERR_OK || !(pcb = tcp_listen_with_backlog(pcb, 255)))
        die("listen");
    tcp_accept(pcb, accepted);
}

/* ---- Datagrams ---- */

static void echo_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port)
{
    udp_sendto(pcb, p, from, port);
    pbuf_free(p);
}

/* ---- All ---- */

int main(int argc, char **argv)
{
    struct netif netif = {0};
    ip4_addr_t address, mask, gateway = {0};
    if (argc != 3 || !ip4addr_aton(argv[2], &address)) {
        fputs("usage: tenon-lwip DEVICE ADDRESS\n", stderr);
        return 2;
    }
    IP4_ADDR(&mask, 255, 255, 255, 0);
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (char)(' ' + i % 95);
    open_device(argv[1]);
    lwip_init();
    netif_add(&netif, &address, &mask, &gateway, NULL, set_up, ethernet_input);
    netif_set_default(&netif);
    netif_set_up(&netif);
    listen_on(7, accept_echo);
    listen_on(9, accept_discard);
    listen_on(13, accept_daytime);
    listen_on(19, accept_chargen);
    struct udp_pcb *udp = udp_new();
    udp_bind(udp, IP_ADDR_ANY, 7);
    udp_recv(udp, echo_datagram, NULL);
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct pollfd p = {.fd = device, .events = POLLIN};
        poll(&p, 1, (int)LWIP_MIN(sys_timeouts_sleeptime(), 250));
        for (int i = 0; i < BATCH && receive(&netif); i++)
            ;
        sys_check_timeouts();
    }
}
