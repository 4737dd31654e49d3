/* resolver.c: names to addresses, by c-ares over the stack's own sockets.
 *
 * c-ares makes and reads the DNS messages and knows when to ask the next server; it is handed this stack's socket calls in the place of
 * the system's, so its questions leave by the stack's interfaces. A channel lives as long as questions are open: it is made for the
 * first, with the servers known then (stack.yaml's, then those that plugins were told of), and ended after the last, so that
 * a change of servers needs no care.
 *
 * c-ares measures its time-outs by the machine's clock, whatever clock the stack has: in virtual time a question whose answer is lost is
 * not repeated. */
#include "resolver.h"

#include <ares.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>

#include "control.h"
#include "names.h"
#include "stack.h"

#define QUESTIONS_MAX 256 /* at a time */
#define SERVERS_MAX   8
#define TIMEOUT_MS    2000 /* of the first try; c-ares doubles it */
#define TRIES         3
#define READS_MAX     16 /* answers taken in a row, before others have their turn */

struct tn_resolver {
    struct tn_stack *stack;
    ares_channel channel; /* NULL: no question is open */
    unsigned questions;
    bool working; /* c-ares is on the stack: the channel must stay */
    struct tn_timer timer;
};

struct question {
    struct tn_resolver *resolver;
    tn_resolved_fn *fn;
    void *context;
};

/* ---- The stack's sockets for c-ares: errors by errno, as from the system's ---- */

static int as_errno(int result)
{
    if (result >= 0)
        return result;
    errno = -result;
    return -1;
}

static ares_socket_t open_socket(int domain, int type, int protocol, void *context)
{
    return as_errno(tn_socket(((struct tn_resolver *)context)->stack, domain, type, protocol));
}

static int close_socket(ares_socket_t fd, void *context)
{
    return as_errno(tn_close(((struct tn_resolver *)context)->stack, fd));
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *addr, ares_socklen_t len, void *context)
{
    return as_errno(tn_connect(((struct tn_resolver *)context)->stack, fd, addr, len));
}

static ares_ssize_t receive(ares_socket_t fd, void *bytes, size_t len, int flags, struct sockaddr *addr,
                            ares_socklen_t *addr_len, void *context)
{
    struct tn_stack *stack = ((struct tn_resolver *)context)->stack;
    ssize_t n = tn_recvfrom(stack, fd, bytes, len, flags, addr, addr_len);
    return n < 0 ? as_errno((int)n) : n;
}

/* A question is a few hundred bytes; over TCP, with its length before it. */
static ares_ssize_t send_pieces(ares_socket_t fd, const struct iovec *pieces, int count, void *context)
{
    struct tn_stack *stack = ((struct tn_resolver *)context)->stack;
    uint8_t bytes[1024];
    size_t len = 0;
    for (int i = 0; i < count; i++) {
        if (pieces[i].iov_len > sizeof(bytes) - len)
            return as_errno(-EMSGSIZE);
        memcpy(bytes + len, pieces[i].iov_base, pieces[i].iov_len);
        len += pieces[i].iov_len;
    }
    ssize_t n = tn_send(stack, fd, bytes, len, 0);
    return n < 0 ? as_errno((int)n) : n;
}

/* ---- Working ---- */

static void set_timer(struct tn_resolver *r)
{
    struct timeval left;
    if (r->channel && ares_timeout(r->channel, NULL, &left))
        tn_core_self(r->stack)->core->timer_start(tn_core_self(r->stack), &r->timer,
                                                  (tn_time)left.tv_sec * TN_SEC +
                                                      (tn_time)left.tv_usec * TN_USEC + TN_MSEC,
                                                  TN_CORE_TIMER_RESOLVER);
    else
        tn_core_self(r->stack)->core->timer_stop(tn_core_self(r->stack), &r->timer);
}

/* After c-ares has worked: without questions the channel goes, and its sockets with it. */
static void settle(struct tn_resolver *r)
{
    if (r->channel && r->questions == 0) {
        ares_channel channel = r->channel;
        r->channel = NULL;
        ares_destroy(channel);
    }
    set_timer(r);
}

static void process(struct tn_resolver *r, ares_socket_t readable, ares_socket_t writable)
{
    if (!r->channel || r->working)
        return;
    r->working = true;
    ares_process_fd(r->channel, readable, writable);
    r->working = false;
    settle(r);
}

static bool has_data(struct tn_stack *stack, int fd)
{
    struct tn_pollfd p = {.fd = fd, .events = POLLIN};
    return tn_poll(stack, &p, 1) > 0 && p.revents & POLLIN;
}

/* Readiness is told once; over TCP c-ares reads once, so what is left is asked for here. */
static void socket_ready(void *context, int fd, short events)
{
    struct tn_resolver *r = context;
    bool writable = (events & POLLOUT) != 0;
    for (int i = 0; i < READS_MAX && r->channel; i++) {
        process(r, fd, writable ? fd : ARES_SOCKET_BAD);
        writable = false;
        if (!r->channel || !has_data(r->stack, fd))
            break;
    }
}

static void socket_wanted(void *context, ares_socket_t fd, int readable, int writable)
{
    struct tn_resolver *r = context;
    bool wanted = readable || writable;
    (void)tn_on_ready(r->stack, fd, wanted ? socket_ready : NULL, r);
}

void tn_resolver_timer(struct tn_self *self, struct tn_timer *timer)
{
    process(tn_container(timer, struct tn_resolver, timer), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* ---- Servers ---- */

struct servers {
    struct ares_addr_node node[SERVERS_MAX];
    size_t count;
    const char *domain;
};

static void add_servers(struct servers *s, const struct tn_addr *addr, size_t count)
{
    for (size_t i = 0; i < count && s->count < SERVERS_MAX; i++) {
        struct ares_addr_node *node = &s->node[s->count];
        *node = (struct ares_addr_node){.family = AF_INET};
        memcpy(&node->addr.addr4, addr[i].bytes, sizeof(node->addr.addr4));
        if (s->count++ > 0)
            node[-1].next = node;
    }
}

static void find_servers(const struct tn_stack *stack, struct servers *s)
{
    const struct tn_name_servers *told;
    add_servers(s, stack->plan->name_servers, stack->plan->name_server_count);
    s->domain = stack->plan->domain;
    for (size_t i = 0; (told = tn_name_servers_at(stack, i)); i++) {
        if (told->family != AF_INET)
            continue;
        add_servers(s, told->servers, told->count);
        if (!*s->domain)
            s->domain = told->domain;
    }
}

/* 0 or -errno. */
static int open_channel(struct tn_resolver *r)
{
    static const struct ares_socket_functions sockets = {
        .asocket = open_socket,
        .aclose = close_socket,
        .aconnect = connect_socket,
        .arecvfrom = receive,
        .asendv = send_pieces,
    };
    struct servers servers = {.count = 0};
    find_servers(r->stack, &servers);
    if (servers.count == 0)
        return -EDESTADDRREQ;
    char lookups[] = "b", nowhere[] = "/dev/null", *domains[] = {(char *)servers.domain};
    struct ares_options options = {.timeout = TIMEOUT_MS,
                                   .tries = TRIES,
                                   .lookups = lookups,
                                   .domains = domains,
                                   .ndomains = *servers.domain ? 1 : 0,
                                   .resolvconf_path = nowhere,
                                   .sock_state_cb = socket_wanted,
                                   .sock_state_cb_data = r};
    int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS |
               ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB;
    if (ares_init_options(&r->channel, &options, mask) != ARES_SUCCESS) {
        r->channel = NULL;
        return -ENOMEM;
    }
    ares_set_socket_functions(r->channel, &sockets, r);
    if (ares_set_servers(r->channel, servers.node) == ARES_SUCCESS)
        return 0;
    settle(r);
    return -ENOMEM;
}

static struct tn_resolver *resolver_of(struct tn_stack *stack)
{
    if (!stack->resolver) {
        stack->resolver = calloc(1, sizeof(*stack->resolver));
        if (stack->resolver)
            stack->resolver->stack = stack;
    }
    return stack->resolver;
}

/* ---- Asking ---- */

static int error_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return 0;
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_EBADNAME:
        return -ENOENT;
    case ARES_ETIMEOUT:
        return -ETIMEDOUT;
    case ARES_ECONNREFUSED:
    case ARES_EREFUSED:
        return -ECONNREFUSED;
    case ARES_ENOMEM:
        return -ENOMEM;
    case ARES_EDESTRUCTION:
    case ARES_ECANCELLED:
        return -ECANCELED;
    default:
        return -EIO; /* the servers' answers made no sense, or they failed */
    }
}

static void answered(void *context, int status, int timeouts, struct hostent *host)
{
    struct question q = *(struct question *)context;
    struct tn_resolved found[TN_RESOLVED_MAX];
    size_t count = 0;
    free(context);
    q.resolver->questions--;
    for (char **a = host ? host->h_addr_list : NULL; a && *a && count < TN_RESOLVED_MAX; a++) {
        found[count] = (struct tn_resolved){.family = (sa_family_t)host->h_addrtype};
        memcpy(found[count++].bytes, *a, tn_min((size_t)host->h_length, sizeof(found[0].bytes)));
    }
    int error = error_of(status);
    q.fn(q.context, error == 0 && count == 0 ? -ENOENT : error, found, count);
}

int tn_resolve(struct tn_stack *stack, const char *name, int family, tn_resolved_fn *fn, void *context)
{
    struct tn_resolver *r = resolver_of(stack);
    struct question *q = malloc(sizeof(*q));
    if (!r || !q || family != AF_INET) {
        free(q);
        return family == AF_INET ? -ENOMEM : -EAFNOSUPPORT;
    }
    int error = r->questions >= QUESTIONS_MAX ? -EAGAIN : r->channel ? 0 : open_channel(r);
    if (error < 0) {
        free(q);
        return error;
    }
    *q = (struct question){.resolver = r, .fn = fn, .context = context};
    r->questions++;
    bool within = r->working;
    r->working = true;
    ares_gethostbyname(r->channel, name, family, answered, q);
    r->working = within;
    if (!within)
        settle(r);
    stack->work_pending = true;
    return 0;
}

void tn_resolver_destroy(struct tn_stack *stack)
{
    struct tn_resolver *r = stack->resolver;
    if (!r)
        return;
    ares_channel channel = r->channel;
    r->channel = NULL;
    r->working = true;
    if (channel)
        ares_destroy(channel);
    tn_core_self(stack)->core->timer_stop(tn_core_self(stack), &r->timer);
    free(r);
    stack->resolver = NULL;
}

/* ---- The command ---- */

/* A job that goes before its answer leaves its record behind, which the answer then frees. */
struct lookup {
    struct tn_job *job;
};

static const char *error_text(int error)
{
    switch (error) {
    case -ENOENT:
        return "there is no such name";
    case -ETIMEDOUT:
        return "the name servers do not answer";
    case -EDESTADDRREQ:
        return "no name server is known (stack: name-servers, or from DHCP)";
    case -ECONNREFUSED:
        return "the name servers refuse to answer";
    case -EIO:
        return "the name servers failed";
    default:
        return strerror(-error);
    }
}

static void lookup_answered(void *context, int error, const struct tn_resolved *found, size_t count)
{
    struct lookup *lookup = context;
    struct tn_job *job = lookup->job;
    char text[INET6_ADDRSTRLEN];
    free(lookup);
    if (!job)
        return;
    if (error < 0) {
        tn_core_job_fail(job, "%s: %s", tn_core_job_text(job, "name"), error_text(error));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        tn_core_job_put_text(job, "address", inet_ntop(found[i].family, found[i].bytes, text, sizeof(text)));
        tn_core_job_end(job, i + 1 == count);
    }
}

int tn_resolve_command_start(struct tn_self *self, struct tn_job *job)
{
    const char *name = tn_core_job_text(job, "name");
    struct lookup *lookup = name ? malloc(sizeof(*lookup)) : NULL;
    if (!lookup) {
        tn_core_job_fail(job, name ? "out of memory" : "resolve needs \"name\"");
        return 0;
    }
    lookup->job = job;
    *tn_core_job_data(job) = lookup;
    int error = tn_resolve(self->stack, name, AF_INET, lookup_answered, lookup);
    if (error < 0) {
        free(lookup);
        tn_core_job_fail(job, "%s: %s", name, error_text(error));
    }
    return 0;
}

void tn_resolve_command_cancel(struct tn_self *self, struct tn_job *job)
{
    struct lookup *lookup = *tn_core_job_data(job);
    lookup->job = NULL;
}
