/* parse.c: a message from a server, taken apart.
 *
 * Options lie in the options field and, where option 52 says so, in `file` and then in `sname` (RFC 2132 §9.3). One that stands
 * there several times is one long option in pieces (RFC 3396 §5): the pieces are joined before anything is read. A message in which
 * an option overruns its field is refused whole. */
#include "dhcp.h"

#define OVERLOAD_FILE  1
#define OVERLOAD_SNAME 2

/* An option joined from its pieces. RFC 3396 sets no limit; what is cut here none of these options needs. */
struct option {
    size_t len;
    uint8_t bytes[512];
};

/* The fields that hold options, in the order in which they are read. */
struct fields {
    struct tn_cursor field[3];
    size_t count;
};

/* ---- Walking ---- */

/* The next option in the field: its code, its bytes. False at the end; c->failed if it overruns. */
static bool next_option(struct tn_cursor *c, uint8_t *code, struct tn_cursor *value)
{
    do {
        if (tn_left(c) == 0)
            return false;
        *code = tn_read8(c);
    } while (*code == TN_DHCP_PAD);
    if (*code == TN_DHCP_END)
        return false;
    uint8_t len = tn_read8(c);
    *value = tn_sub_cursor(c, len);
    return !c->failed;
}

/* Whether every option of the field lies within it; `overload`, if not NULL, gets option 52. */
static bool is_whole(struct tn_cursor c, uint8_t *overload)
{
    uint8_t code;
    struct tn_cursor value;
    while (next_option(&c, &code, &value))
        if (overload && code == TN_DHCP_OVERLOAD && tn_left(&value) == 1)
            *overload = tn_read8(&value);
    return !c.failed;
}

static bool add_field(struct fields *fields, const void *bytes, size_t len)
{
    struct tn_cursor c = tn_cursor(bytes, len);
    fields->field[fields->count++] = c;
    return is_whole(c, NULL);
}

static void join(const struct fields *fields, uint8_t wanted, struct option *option)
{
    option->len = 0;
    for (size_t i = 0; i < fields->count; i++) {
        struct tn_cursor c = fields->field[i], value;
        uint8_t code;
        while (next_option(&c, &code, &value)) {
            size_t len = tn_min(tn_left(&value), sizeof(option->bytes) - option->len);
            if (code != wanted || len == 0)
                continue;
            memcpy(option->bytes + option->len, value.at, len);
            option->len += len;
        }
    }
}

/* ---- Values ---- */

static uint32_t number32(const struct fields *fields, uint8_t code, bool *there)
{
    struct option option;
    join(fields, code, &option);
    *there = option.len == 4;
    return *there ? tn_load32(option.bytes) : 0;
}

/* The address of one host: nothing from 0/8, 127/8 and from 224 on. */
static bool is_host(const uint8_t *address)
{
    return address[0] != 0 && address[0] != 127 && address[0] < 224;
}

static struct tn_addr host(const uint8_t *address)
{
    return is_host(address) ? tn_addr_from(address, 4) : (struct tn_addr){.half = {0, 0}};
}

static void read_list(const struct fields *fields, uint8_t code, struct dhcp_list *list)
{
    struct option option;
    join(fields, code, &option);
    for (size_t at = 0; at + 4 <= option.len && list->count < DHCP_ADDRESSES_MAX; at += 4)
        if (is_host(option.bytes + at))
            list->addr[list->count++] = tn_addr_from(option.bytes + at, 4);
}

/* The prefix length of a mask; 0 if its ones do not all stand in front. */
static uint8_t prefix_of(uint32_t mask)
{
    uint8_t len = 0;
    while (len < 32 && mask & 0x80000000u >> len)
        len++;
    return len == 32 || mask << len == 0 ? len : 0;
}

/* Text of a server's is as hostile as the rest: only what is printable is taken. */
static void read_text(const struct fields *fields, uint8_t code, char to[DHCP_TEXT_MAX + 1])
{
    struct option option;
    size_t len = 0;
    join(fields, code, &option);
    for (size_t i = 0; i < option.len && len < DHCP_TEXT_MAX && option.bytes[i]; i++)
        to[len++] = option.bytes[i] > ' ' && option.bytes[i] < 0x7f ? (char)option.bytes[i] : ' ';
    while (len > 0 && to[len - 1] == ' ')
        len--;
    to[len] = '\0';
}

/* A domain is what a host name may be made of; anything else is none. */
static void read_domain(const struct fields *fields, char to[DHCP_TEXT_MAX + 1])
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
    read_text(fields, TN_DHCP_DOMAIN, to);
    if (strspn(to, allowed) != strlen(to))
        to[0] = '\0';
}

/* RFC 3442: the width, as many octets of the destination as that needs, the router. */
static void read_routes(const struct fields *fields, struct dhcp_reply *reply)
{
    struct option option;
    join(fields, TN_DHCP_ROUTES, &option);
    struct tn_cursor c = tn_cursor(option.bytes, option.len);
    reply->has_routes = option.len > 0;
    while (tn_left(&c) > 0 && reply->route_count < DHCP_ROUTES_MAX) {
        uint8_t width = tn_read8(&c), to[4] = {0};
        const uint8_t *octets = width <= 32 ? tn_read_bytes(&c, (width + 7u) / 8) : NULL;
        const uint8_t *via = tn_read_bytes(&c, 4);
        if (!octets || !via)
            return;
        memcpy(to, octets, (width + 7u) / 8);
        if (width % 8)
            to[width / 8] &= (uint8_t)(0xff00u >> width % 8); /* bits beyond the width do not count */
        reply->routes[reply->route_count++] =
            (struct dhcp_route){.to = tn_addr_from(to, 4), .via = host(via), .prefix_len = width};
    }
}

static void read_client_id(const struct fields *fields, struct dhcp_reply *reply)
{
    struct option option;
    join(fields, TN_DHCP_CLIENT_ID, &option);
    reply->has_client_id = option.len > 0;
    reply->client_id_len = (uint8_t)tn_min(option.len, sizeof(reply->client_id));
    memcpy(reply->client_id, option.bytes, reply->client_id_len);
}

static void read_options(const struct fields *fields, struct dhcp_reply *reply)
{
    struct option option;
    bool there;
    join(fields, TN_DHCP_TYPE, &option);
    reply->type = option.len == 1 ? option.bytes[0] : 0;
    join(fields, TN_DHCP_SERVER_ID, &option);
    if (option.len == 4)
        reply->server = host(option.bytes);
    reply->prefix_len = prefix_of(number32(fields, TN_DHCP_MASK, &there));
    reply->lease = number32(fields, TN_DHCP_LEASE, &reply->has_lease);
    reply->t1 = number32(fields, TN_DHCP_T1, &there);
    reply->t2 = number32(fields, TN_DHCP_T2, &there);
    join(fields, TN_DHCP_MTU, &option);
    reply->mtu = option.len == 2 ? tn_load16(option.bytes) : 0;
    read_list(fields, TN_DHCP_ROUTER, &reply->routers);
    read_list(fields, TN_DHCP_DNS, &reply->dns);
    read_list(fields, TN_DHCP_NTP, &reply->ntp);
    read_routes(fields, reply);
    read_client_id(fields, reply);
    read_domain(fields, reply->domain);
    read_text(fields, TN_DHCP_TEXT, reply->text);
}

int dhcp_parse(const uint8_t *bytes, size_t len, struct dhcp_reply *reply)
{
    struct tn_cursor c = tn_cursor(bytes, len);
    const struct tn_dhcp_header *header = tn_read_header(&c, struct tn_dhcp_header);
    struct fields fields = {.count = 0};
    uint8_t overload = 0;
    *reply = (struct dhcp_reply){.type = 0};
    if (!header || tn_be32(header->cookie) != TN_DHCP_COOKIE || !is_whole(c, &overload))
        return DHCP_DROP_MALFORMED;
    if (header->op != TN_DHCP_REPLY_OP)
        return DHCP_DROP_NOT_A_REPLY;
    fields.field[fields.count++] = c;
    if (overload & OVERLOAD_FILE && !add_field(&fields, header->file, sizeof(header->file)))
        return DHCP_DROP_MALFORMED;
    if (overload & OVERLOAD_SNAME && !add_field(&fields, header->sname, sizeof(header->sname)))
        return DHCP_DROP_MALFORMED;
    reply->xid = tn_be32(header->xid);
    memcpy(reply->chaddr, header->chaddr, sizeof(reply->chaddr));
    reply->address = host(header->yiaddr);
    read_options(&fields, reply);
    /* A server that does not send the mask means the class of the address (RFC 950 §2). */
    uint8_t first = reply->address.bytes[0];
    if (reply->prefix_len == 0)
        reply->prefix_len = first < 128 ? 8 : first < 192 ? 16 : 24;
    return DHCP_OK;
}

/* The first and the last address of a subnet are no host's, but for subnets of one or two (RFC 1122 §3.2.1.3, RFC 3021). */
static bool names_a_subnet(const struct dhcp_reply *reply)
{
    uint32_t rest = reply->prefix_len < 31 ? UINT32_MAX >> reply->prefix_len : 0;
    uint32_t number = tn_load32(reply->address.bytes) & rest;
    return rest && (number == 0 || number == rest);
}

bool dhcp_is_usable(const struct dhcp_reply *reply)
{
    return !tn_addr_is_zero(&reply->address) && !names_a_subnet(reply) && reply->has_lease &&
           reply->lease > 0;
}
