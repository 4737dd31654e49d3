/* message.c: messages to servers (§4.4.1, table 5). */
#include "dhcp.h"

#define IAID_LEN    4
#define DUID_LL     3 /* RFC 8415 §11.4: the hardware type and the link address */
#define HW_ETHERNET 1

/* The same in every message (§4.4.1). 121 stands before 3, as RFC 3442 asks. */
static const uint8_t parameters[] = {TN_DHCP_MASK,   TN_DHCP_ROUTES, TN_DHCP_ROUTER, TN_DHCP_DNS,
                                     TN_DHCP_DOMAIN, TN_DHCP_MTU,    TN_DHCP_NTP,    TN_DHCP_LEASE,
                                     TN_DHCP_T1,     TN_DHCP_T2};

/* ---- Identity ---- */

struct tn_interface *dhcp_interface(struct tn_self *self, const struct dhcp_client *client)
{
    struct tn_interface *ifc = self->core->interface(self, client->ifindex);
    return ifc && strcmp(ifc->name, client->interface) == 0 ? ifc : NULL;
}

/* RFC 4361 §6.1: 255, an identifier of the interface, the DUID. Both are the same at every start: the first comes from the
 * interface's name, the second from its link address. */
void dhcp_identify(struct dhcp_client *client, const struct tn_interface *ifc)
{
    uint8_t *id = client->client_id;
    uint32_t iaid = 2166136261u;
    for (const char *c = client->interface; *c; c++)
        iaid = (iaid ^ (uint8_t)*c) * 16777619u;
    memcpy(client->lladdr, ifc->lladdr, sizeof(client->lladdr));
    id[0] = 255;
    tn_store32(id + 1, iaid);
    tn_store16(id + 1 + IAID_LEN, DUID_LL);
    tn_store16(id + 3 + IAID_LEN, HW_ETHERNET);
    memcpy(id + 5 + IAID_LEN, client->lladdr, sizeof(client->lladdr));
}

/* ---- Options ---- */

/* Where the next option goes. What is put always fits TN_DHCP_MESSAGE_MAX. */
static uint8_t *put(uint8_t *at, uint8_t code, const void *bytes, size_t len)
{
    at[0] = code;
    at[1] = (uint8_t)len;
    memcpy(at + 2, bytes, len);
    return at + 2 + len;
}

static uint8_t *put32(uint8_t *at, uint8_t code, uint32_t value)
{
    uint8_t bytes[4];
    tn_store32(bytes, value);
    return put(at, code, bytes, sizeof(bytes));
}

static uint8_t *put_text(uint8_t *at, uint8_t code, const char *text)
{
    return *text ? put(at, code, text, strlen(text)) : at;
}

/* The address that is asked for (or declined), and whose offer is meant: not from BOUND on (§4.3.6). */
static uint8_t *put_choice(uint8_t *at, const struct dhcp_client *client, enum tn_dhcp_type type)
{
    bool names_address = type == TN_DHCP_DECLINE || client->state == DHCP_ST_REQUESTING ||
                         client->state == DHCP_ST_REBOOTING || client->state == DHCP_ST_SELECTING;
    bool names_server =
        type == TN_DHCP_DECLINE || type == TN_DHCP_RELEASE || client->state == DHCP_ST_REQUESTING;
    if (names_address && type != TN_DHCP_RELEASE && !tn_addr_is_zero(&client->wanted))
        at = put(at, TN_DHCP_REQUESTED_ADDRESS, client->wanted.bytes, 4);
    if (names_server)
        at = put(at, TN_DHCP_SERVER_ID, client->server.bytes, 4);
    return at;
}

static uint8_t *put_wishes(struct tn_self *self, uint8_t *at, enum tn_dhcp_type type)
{
    const struct dhcp_options *options = dhcp_options(self);
    uint8_t size[2];
    tn_store16(size, TN_DHCP_MESSAGE_MAX);
    at = put(at, TN_DHCP_MAX_SIZE, size, sizeof(size));
    at = put(at, TN_DHCP_PARAMETERS, parameters, sizeof(parameters));
    if (options->lease && type != TN_DHCP_INFORM)
        at = put32(at, TN_DHCP_LEASE, (uint32_t)(options->lease / TN_SEC));
    at = put_text(at, TN_DHCP_VENDOR_CLASS, options->vendor_class);
    return put_text(at, TN_DHCP_HOST_NAME, options->hostname);
}

/* ---- The message ---- */

static bool has_address(const struct dhcp_client *client, enum tn_dhcp_type type)
{
    return type == TN_DHCP_RELEASE || type == TN_DHCP_INFORM || client->state == DHCP_ST_RENEWING ||
           client->state == DHCP_ST_REBINDING;
}

static void write_header(struct tn_self *self, const struct dhcp_client *client, enum tn_dhcp_type type,
                         struct tn_dhcp_header *header)
{
    bool last = type == TN_DHCP_DECLINE || type == TN_DHCP_RELEASE; /* nothing is answered */
    bool addressed = has_address(client, type);
    tn_time passed = (self->core->now(self) - client->started) / TN_SEC;
    *header = (struct tn_dhcp_header){
        .op = TN_DHCP_REQUEST_OP, .htype = HW_ETHERNET, .hlen = sizeof(client->lladdr)};
    header->xid = tn_to_be32(client->xid);
    header->secs = tn_to_be16(last ? 0 : (uint16_t)tn_min(passed, UINT16_MAX));
    /* Before it has an address, the stack takes no packet to one (§4.1). */
    header->flags = tn_to_be16(last || addressed ? 0 : TN_DHCP_BROADCAST);
    header->cookie = tn_to_be32(TN_DHCP_COOKIE);
    memcpy(header->chaddr, client->lladdr, sizeof(client->lladdr));
    if (addressed)
        memcpy(header->ciaddr, client->wanted.bytes, 4);
}

static size_t write_message(struct tn_self *self, const struct dhcp_client *client, enum tn_dhcp_type type,
                            uint8_t *bytes)
{
    static const char in_use[] = "the address is in use";
    const uint8_t type_byte = (uint8_t)type;
    write_header(self, client, type, (struct tn_dhcp_header *)(void *)bytes);
    uint8_t *at = bytes + sizeof(struct tn_dhcp_header);
    at = put(at, TN_DHCP_TYPE, &type_byte, 1);
    at = put(at, TN_DHCP_CLIENT_ID, client->client_id, DHCP_ID_LEN);
    at = put_choice(at, client, type);
    if (type == TN_DHCP_DECLINE)
        at = put(at, TN_DHCP_TEXT, in_use, sizeof(in_use) - 1);
    else if (type != TN_DHCP_RELEASE)
        at = put_wishes(self, at, type);
    *at++ = TN_DHCP_END;
    return tn_max((size_t)(at - bytes),
                  TN_DHCP_MESSAGE_MIN); /* some servers and relays want BOOTP's length */
}

static int send_packet(struct tn_self *self, struct dhcp_client *client, struct tn_packet *packet,
                       bool unicast)
{
    static const struct tn_addr everybody = {.bytes = {255, 255, 255, 255}};
    struct tn_interface *ifc = dhcp_interface(self, client);
    struct tn_path path = {.kind = TN_PATH_NONE};
    /* §4.1: from 0.0.0.0 until the address is in use. */
    struct tn_addr src = client->applied ? client->wanted : (struct tn_addr){.half = {0, 0}};
    struct tn_addr dst = unicast ? client->server : everybody;
    int error;
    if (unicast)
        error = self->core->path_find(self, AF_INET, 0, &src, &dst, &path);
    else
        error = ifc ? self->core->path_broadcast(self, ifc, &path) : -1;
    if (error < 0 || !ifc) {
        self->core->packet_free(self, packet);
        return error;
    }
    return self->core->socket_send_along(self, dhcp_state(self)->socket, packet, &src, &dst,
                                         TN_DHCP_SERVER_PORT, &path);
}

static unsigned counter_of(enum tn_dhcp_type type)
{
    switch (type) {
    case TN_DHCP_DISCOVER:
        return DHCP_DISCOVERS;
    case TN_DHCP_DECLINE:
        return DHCP_DECLINES;
    case TN_DHCP_RELEASE:
        return DHCP_RELEASES;
    case TN_DHCP_INFORM:
        return DHCP_INFORMS;
    default:
        return DHCP_REQUESTS;
    }
}

void dhcp_send(struct tn_self *self, struct dhcp_client *client, enum tn_dhcp_type type, bool unicast)
{
    struct tn_packet *packet = self->core->packet_new(self, TN_DHCP_MESSAGE_MAX);
    if (!packet) {
        tn_count(self, DHCP_SEND_FAILURES);
        return;
    }
    memset(packet->data, 0, packet->len);
    tn_packet_trim(packet, write_message(self, client, type, packet->data));
    if (send_packet(self, client, packet, unicast) < 0)
        tn_count(self, DHCP_SEND_FAILURES);
    else
        tn_count(self, counter_of(type));
}
