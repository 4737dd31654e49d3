/* client.c: the states of a client (figure 5) and their times. */
#include <errno.h>

#include "dhcp.h"

#define START_DELAY_LEAST TN_SEC         /* §4.4.1 */
#define FIRST_WAIT        (4 * TN_SEC)   /* §4.1: 4, 8, 16, 32, 64 seconds */
#define LONGEST_WAIT      (64 * TN_SEC)  /* … each a second more or less */
#define LOOK_AGAIN        TN_SEC         /* for an interface that is not there */
#define INFORM_AGAIN      (300 * TN_SEC) /* when nobody has answered */

const char *dhcp_state_name(uint8_t state)
{
    static const char names[][12] = {
        [DHCP_ST_NONE] = "NONE",
        [DHCP_ST_WAITING] = "INIT",
        [DHCP_ST_REBOOTING] = "REBOOTING",
        [DHCP_ST_SELECTING] = "SELECTING",
        [DHCP_ST_REQUESTING] = "REQUESTING",
        [DHCP_ST_CHECKING] = "CHECKING",
        [DHCP_ST_BOUND] = "BOUND",
        [DHCP_ST_RENEWING] = "RENEWING",
        [DHCP_ST_REBINDING] = "REBINDING",
        [DHCP_ST_DECLINED] = "DECLINED",
        [DHCP_ST_INFORMING] = "INFORMING",
        [DHCP_ST_INFORMED] = "INFORMED",
    };
    return names[state];
}

/* ---- Times ---- */

static tn_time random_below(struct tn_self *self, tn_time span)
{
    return span ? self->core->random(self) % span : 0;
}

static void wake_in(struct tn_self *self, struct dhcp_client *client, tn_time delay)
{
    self->core->timer_start(self, &client->timer, delay, DHCP_TIMER_CLIENT);
}

static void wake_at(struct tn_self *self, struct dhcp_client *client, tn_time at)
{
    tn_time now = self->core->now(self);
    if (at == TN_NEVER)
        self->core->timer_stop(self, &client->timer);
    else
        wake_in(self, client, at > now ? at - now : 0);
}

/* The answer to what was just sent is waited for so long; the next one twice as long. */
static void wait_for_answer(struct tn_self *self, struct dhcp_client *client)
{
    client->tries++;
    wake_in(self, client, client->retry - TN_SEC + random_below(self, 2 * TN_SEC));
    client->retry = tn_min(2 * client->retry, LONGEST_WAIT);
}

static void set_state(struct tn_self *self, struct dhcp_client *client, enum dhcp_client_state state)
{
    self->core->trace(self, "%s %s -> %s", client->interface, dhcp_state_name(client->state),
                      dhcp_state_name((uint8_t)state));
    client->state = (uint8_t)state;
    client->tries = 0;
    client->retry = FIRST_WAIT;
}

/* ---- Asking ---- */

/* A new exchange: a new transaction identifier. */
static void begin_exchange(struct tn_self *self, struct dhcp_client *client)
{
    client->xid = (uint32_t)self->core->random(self);
    client->started = client->sent = self->core->now(self);
}

static void discover(struct tn_self *self, struct dhcp_client *client)
{
    begin_exchange(self, client);
    set_state(self, client, DHCP_ST_SELECTING);
    dhcp_send(self, client, TN_DHCP_DISCOVER, false);
    wait_for_answer(self, client);
}

/* The address of the offer, or, when rebooting, of the lease on disk. */
static void request(struct tn_self *self, struct dhcp_client *client, enum dhcp_client_state state)
{
    set_state(self, client, state);
    client->sent = self->core->now(self);
    dhcp_send(self, client, TN_DHCP_REQUEST, false);
    wait_for_answer(self, client);
}

static void inform(struct tn_self *self, struct dhcp_client *client)
{
    begin_exchange(self, client);
    set_state(self, client, DHCP_ST_INFORMING);
    dhcp_send(self, client, TN_DHCP_INFORM, false);
    wait_for_answer(self, client);
}

/* §4.4.5: half of what is left until `end`, but a minute at least. */
static void extend(struct tn_self *self, struct dhcp_client *client, tn_time end)
{
    tn_time now = self->core->now(self), left = end > now ? end - now : 0;
    if (client->tries == 0)
        begin_exchange(self, client);
    client->tries++;
    dhcp_send(self, client, TN_DHCP_REQUEST, client->state == DHCP_ST_RENEWING);
    wake_in(self, client, tn_min(left, tn_max(left / 2, dhcp_options(self)->renew_least)));
}

/* ---- The lease ---- */

/* T1 and T2 of the server, if they are in order; else a half and seven eighths, each a little earlier, so that hosts that
 * started together do not renew together. The lease was asked for `age` ago. */
static void set_times(struct tn_self *self, struct dhcp_client *client, tn_time age)
{
    const struct dhcp_reply *lease = &client->lease;
    tn_time now = self->core->now(self), span = lease->lease * TN_SEC;
    tn_time t1 = lease->t1 * TN_SEC, t2 = lease->t2 * TN_SEC;
    if (lease->lease == TN_DHCP_FOREVER) {
        client->t1 = client->t2 = client->expires = TN_NEVER;
        return;
    }
    if (t1 == 0 || t1 >= t2 || t2 >= span) {
        t1 = span / 2;
        t2 = span / 8 * 7;
    }
    t1 -= random_below(self, t1 / 32);
    t2 -= random_below(self, (t2 - t1) / 32);
    client->t1 = now + (t1 > age ? t1 - age : 0);
    client->t2 = now + (t2 > age ? t2 - age : 0);
    client->expires = now + (span > age ? span - age : 0);
}

static tn_time since_asked(struct tn_self *self, const struct dhcp_client *client)
{
    return self->core->now(self) - client->sent;
}

static void become_bound(struct tn_self *self, struct dhcp_client *client)
{
    set_state(self, client, DHCP_ST_BOUND);
    wake_at(self, client, client->t1);
}

/* All begins again after `delay`. */
static void restart(struct tn_self *self, struct dhcp_client *client, tn_time delay)
{
    dhcp_withdraw(self, client);
    set_state(self, client, DHCP_ST_WAITING);
    client->wanted = client->server = (struct tn_addr){.half = {0, 0}};
    wake_in(self, client, delay);
}

/* The granted address is looked for on the link before it is used; dhcp_client_address() is told what was found. */
static void check_address(struct tn_self *self, struct dhcp_client *client)
{
    set_state(self, client, DHCP_ST_CHECKING);
    self->core->timer_stop(self, &client->timer);
    int error = dhcp_apply_address(self, client);
    if (error == 0)
        return;
    self->core->log(self, TN_LOG_ERROR, "%s: the address that was leased cannot be taken (errno %d)",
                    client->interface, -error);
    restart(self, client, LONGEST_WAIT);
}

static void log_lease(struct tn_self *self, const struct dhcp_client *client)
{
    const uint8_t *a = client->wanted.bytes, *s = client->server.bytes;
    char span[32] = "for ever";
    if (client->lease.lease != TN_DHCP_FOREVER)
        snprintf(span, sizeof(span), "for %u s", client->lease.lease);
    self->core->log(self, TN_LOG_INFO, "%s: leased %u.%u.%u.%u/%u from %u.%u.%u.%u %s", client->interface,
                    a[0], a[1], a[2], a[3], client->lease.prefix_len, s[0], s[1], s[2], s[3], span);
}

static void address_usable(struct tn_self *self, struct dhcp_client *client)
{
    client->applied = true;
    tn_count(self, DHCP_LEASES);
    dhcp_apply_rest(self, client);
    log_lease(self, client);
    become_bound(self, client);
}

/* §4.4.1: the server is told, and after a pause all begins again. The same if somebody takes the address later. */
static void address_lost(struct tn_self *self, struct dhcp_client *client)
{
    const uint8_t *a = client->wanted.bytes;
    tn_count(self, DHCP_CONFLICTS);
    self->core->log(self, TN_LOG_WARNING, "%s: %u.%u.%u.%u was leased, but somebody else uses it",
                    client->interface, a[0], a[1], a[2], a[3]);
    client->applied = false; /* it is not spoken from any more */
    begin_exchange(self, client);
    dhcp_send(self, client, TN_DHCP_DECLINE, false);
    dhcp_forget(self, client);
    restart(self, client, dhcp_options(self)->decline_delay);
    client->state = DHCP_ST_DECLINED;
}

/* ---- What comes ---- */

static int take_offer(struct tn_self *self, struct dhcp_client *client, const struct dhcp_reply *reply)
{
    if (tn_addr_is_zero(&reply->server))
        return DHCP_DROP_NO_SERVER;
    if (!dhcp_is_usable(reply))
        return DHCP_DROP_BAD_OFFER;
    tn_count(self, DHCP_OFFERS);
    client->wanted = reply->address;
    client->server = reply->server;
    request(self, client, DHCP_ST_REQUESTING);
    return DHCP_OK;
}

static void renew(struct tn_self *self, struct dhcp_client *client, const struct dhcp_reply *reply,
                  const struct tn_packet *packet)
{
    tn_count(self, DHCP_RENEWALS);
    dhcp_update(self, client, reply);
    set_times(self, client, since_asked(self, client));
    dhcp_keep(self, client, packet);
    become_bound(self, client);
}

/* A new lease, whose address is yet to be looked for. */
static void take_lease(struct tn_self *self, struct dhcp_client *client, const struct dhcp_reply *reply,
                       const struct tn_packet *packet)
{
    dhcp_withdraw(self, client);
    client->lease = *reply;
    client->wanted = reply->address;
    set_times(self, client, since_asked(self, client));
    dhcp_keep(self, client, packet);
    check_address(self, client);
}

static int take_ack(struct tn_self *self, struct dhcp_client *client, const struct dhcp_reply *reply,
                    const struct tn_packet *packet)
{
    bool chosen = client->state == DHCP_ST_REQUESTING;
    bool extends = client->state == DHCP_ST_RENEWING || client->state == DHCP_ST_REBINDING;
    if (tn_addr_is_zero(&reply->server) || (chosen && !tn_addr_equal(&reply->server, &client->server)))
        return DHCP_DROP_NO_SERVER;
    if (!dhcp_is_usable(reply) || (!extends && !tn_addr_equal(&reply->address, &client->wanted)))
        return DHCP_DROP_BAD_OFFER;
    tn_count(self, DHCP_ACKS);
    client->server = reply->server;
    /* A server may change what comes with a lease, even the address. */
    if (extends && tn_addr_equal(&reply->address, &client->wanted) &&
        reply->prefix_len == client->lease.prefix_len)
        renew(self, client, reply, packet);
    else
        take_lease(self, client, reply, packet);
    return DHCP_OK;
}

static int take_nak(struct tn_self *self, struct dhcp_client *client, const struct dhcp_reply *reply)
{
    if (tn_addr_is_zero(&reply->server) ||
        (client->state == DHCP_ST_REQUESTING && !tn_addr_equal(&reply->server, &client->server)))
        return DHCP_DROP_NO_SERVER;
    tn_count(self, DHCP_NAKS);
    self->core->log(self, TN_LOG_WARNING, "%s: the server refuses the address%s%s", client->interface,
                    reply->text[0] ? ": " : "", reply->text);
    bool again = client->state == DHCP_ST_REQUESTING;
    dhcp_forget(self, client);
    restart(self, client,
            again ? START_DELAY_LEAST : 0); /* a server that offers and refuses is not to be hurried */
    return DHCP_OK;
}

static int take_information(struct tn_self *self, struct dhcp_client *client, const struct dhcp_reply *reply)
{
    tn_count(self, DHCP_ACKS);
    client->lease = *reply;
    client->server = reply->server;
    set_state(self, client, DHCP_ST_INFORMED);
    self->core->timer_stop(self, &client->timer);
    dhcp_apply_rest(self, client);
    return DHCP_OK;
}

static int take_reply(struct tn_self *self, struct dhcp_client *client, const struct dhcp_reply *reply,
                      const struct tn_packet *packet)
{
    bool waits_for_ack = client->state == DHCP_ST_REQUESTING || client->state == DHCP_ST_REBOOTING ||
                         client->state == DHCP_ST_RENEWING || client->state == DHCP_ST_REBINDING;
    switch (reply->type) {
    case TN_DHCP_OFFER:
        if (client->state == DHCP_ST_SELECTING)
            return take_offer(self, client, reply);
        break;
    case TN_DHCP_ACK:
        if (waits_for_ack)
            return take_ack(self, client, reply, packet);
        if (client->state == DHCP_ST_INFORMING)
            return take_information(self, client, reply);
        break;
    case TN_DHCP_NAK:
        if (waits_for_ack)
            return take_nak(self, client, reply);
        break;
    default:
        break;
    }
    return DHCP_DROP_UNEXPECTED;
}

static struct dhcp_client *client_on(struct tn_self *self, uint16_t ifindex)
{
    struct dhcp_state *state = dhcp_state(self);
    for (size_t i = 0; i < DHCP_CLIENTS_MAX; i++)
        if (state->clients[i].state != DHCP_ST_NONE && state->clients[i].ifindex == ifindex)
            return &state->clients[i];
    return NULL;
}

void dhcp_client_address(struct tn_self *self, struct tn_interface *ifc, uint8_t family,
                         const struct tn_addr *addr, enum tn_address_event event)
{
    struct dhcp_client *client = client_on(self, ifc->index);
    if (!client || !client->added || family != AF_INET || !tn_addr_equal(addr, &client->wanted))
        return;
    if (event == TN_ADDRESS_CONFLICT)
        address_lost(self, client);
    else if (client->state == DHCP_ST_CHECKING)
        address_usable(self, client);
}

/* RFC 6842 §3: a server that says for whom its message is must mean this client. */
static bool is_for(const struct dhcp_client *client, const struct dhcp_reply *reply)
{
    if (reply->xid != client->xid || memcmp(reply->chaddr, client->lladdr, sizeof(client->lladdr)) != 0)
        return false;
    return !reply->has_client_id || (reply->client_id_len == DHCP_ID_LEN &&
                                     memcmp(reply->client_id, client->client_id, DHCP_ID_LEN) == 0);
}

static int input(struct tn_self *self, const struct tn_packet *packet)
{
    struct dhcp_reply reply;
    struct dhcp_client *client = client_on(self, packet->ifindex);
    if (!client)
        return DHCP_DROP_OTHER_INTERFACE;
    int drop = dhcp_parse(packet->data, packet->len, &reply);
    if (drop != DHCP_OK)
        return drop;
    if (!is_for(client, &reply))
        return DHCP_DROP_NOT_OURS;
    return take_reply(self, client, &reply, packet);
}

void dhcp_client_input(struct tn_self *self, struct tn_packet *packet)
{
    int drop = input(self, packet);
    if (drop == DHCP_OK)
        self->core->packet_free(self, packet);
    else
        tn_drop(self, packet, (unsigned)drop);
}

/* ---- When nothing comes ---- */

/* Finds the interface by its name: it may have been opened after this plugin was started. */
static struct tn_interface *find_interface(struct tn_self *self, struct dhcp_client *client)
{
    for (uint16_t i = 1; i <= DHCP_INTERFACES_MAX; i++) {
        struct tn_interface *ifc = self->core->interface(self, i);
        if (ifc && strcmp(ifc->name, client->interface) == 0) {
            client->ifindex = i;
            return ifc;
        }
    }
    return NULL;
}

static void begin(struct tn_self *self, struct dhcp_client *client)
{
    struct tn_interface *ifc = find_interface(self, client);
    if (!ifc || !ifc->up || ifc->lladdr_len != sizeof(client->lladdr)) {
        wake_in(self, client, LOOK_AGAIN);
        return;
    }
    dhcp_identify(client, ifc);
    if (dhcp_options(self)->mode == DHCP_MODE_INFORM) {
        if (self->core->address_of(self, AF_INET, ifc, NULL, &client->wanted))
            inform(self, client);
        else
            wake_in(self, client, LOOK_AGAIN);
        return;
    }
    begin_exchange(self, client);
    if (dhcp_recall(self, client))
        request(self, client, DHCP_ST_REBOOTING);
    else
        discover(self, client);
}

/* §4.4.2: nobody answered for the lease on disk, and it is still good: it is used for what is left of it (§3.2). */
static void use_recalled(struct tn_self *self, struct dhcp_client *client)
{
    self->core->log(self, TN_LOG_INFO, "%s: no server answers; the lease of before is still good",
                    client->interface);
    set_times(self, client, client->recalled_age * TN_SEC + (self->core->now(self) - client->started));
    if (client->expires > self->core->now(self))
        check_address(self, client);
    else
        restart(self, client, 0);
}

static void ask_again(struct tn_self *self, struct dhcp_client *client)
{
    if (client->state == DHCP_ST_SELECTING) {
        dhcp_send(self, client, TN_DHCP_DISCOVER, false); /* as long as it takes */
        wait_for_answer(self, client);
    } else if (client->tries < DHCP_TRIES) {
        dhcp_send(self, client, client->state == DHCP_ST_INFORMING ? TN_DHCP_INFORM : TN_DHCP_REQUEST, false);
        wait_for_answer(self, client);
    } else if (client->state == DHCP_ST_REBOOTING) {
        use_recalled(self, client);
    } else if (client->state == DHCP_ST_INFORMING) {
        set_state(self, client, DHCP_ST_WAITING);
        wake_in(self, client, INFORM_AGAIN);
    } else {
        restart(self, client, 0);
    }
}

static void expire(struct tn_self *self, struct dhcp_client *client)
{
    tn_count(self, DHCP_EXPIRED);
    self->core->log(self, TN_LOG_WARNING, "%s: the lease has run out; its address is not used any more",
                    client->interface);
    dhcp_forget(self, client);
    restart(self, client, 0);
}

/* A time of the lease has come: T1, T2, its end, or that of asking again. */
static void go_on(struct tn_self *self, struct dhcp_client *client)
{
    tn_time now = self->core->now(self);
    if (now >= client->expires) {
        expire(self, client);
        return;
    }
    enum dhcp_client_state due = now >= client->t2 ? DHCP_ST_REBINDING : DHCP_ST_RENEWING;
    if (client->state != due)
        set_state(self, client, due);
    extend(self, client, due == DHCP_ST_REBINDING ? client->expires : client->t2);
}

void dhcp_client_timer(struct tn_self *self, struct tn_timer *timer)
{
    struct dhcp_client *client = tn_container(timer, struct dhcp_client, timer);
    switch (client->state) {
    case DHCP_ST_WAITING:
    case DHCP_ST_DECLINED:
        client->state = DHCP_ST_WAITING;
        begin(self, client);
        break;
    case DHCP_ST_BOUND:
    case DHCP_ST_RENEWING:
    case DHCP_ST_REBINDING:
        if (dhcp_interface(self, client))
            go_on(self, client);
        else
            restart(self, client, LOOK_AGAIN);
        break;
    default:
        ask_again(self, client);
        break;
    }
}

/* ---- Life ---- */

void dhcp_client_start(struct tn_self *self, struct dhcp_client *client)
{
    tn_time most = dhcp_options(self)->start_delay;
    tn_time least = tn_min(most, START_DELAY_LEAST);
    client->state = DHCP_ST_WAITING;
    wake_in(self, client, least + random_below(self, most - least));
}

void dhcp_client_stop(struct tn_self *self, struct dhcp_client *client)
{
    bool leased = client->state >= DHCP_ST_BOUND && client->state <= DHCP_ST_REBINDING;
    if (leased && dhcp_options(self)->release) {
        begin_exchange(self, client);
        dhcp_send(self, client, TN_DHCP_RELEASE, true);
        dhcp_forget(self, client);
    }
    dhcp_withdraw(self, client);
    self->core->timer_stop(self, &client->timer);
    client->state = DHCP_ST_NONE;
}
