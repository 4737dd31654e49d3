#include "dhcp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <jansson.h>
#include <netinet/in.h>

enum {
    ETHER = 14,
    HEADERS = ETHER + 20 + 8,
    OPTIONS = 240, /* in the message */
    COOKIE = 0x63825363,
};

static uint16_t load16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t load32(const uint8_t *at)
{
    return (uint32_t)load16(at) << 16 | load16(at + 2);
}

static void store32(uint8_t *at, uint32_t value)
{
    for (int i = 3; i >= 0; i--, value >>= 8)
        at[i] = (uint8_t)value;
}

/* ---- What the client says ---- */

static void answer_arp(struct net *net, const struct net_frame *frame)
{
    static const uint8_t server[] = {10, 0, 7, 1}, nobody[4];
    const uint8_t *arp = frame->bytes + ETHER;
    if (load16(arp + 6) != 1 || memcmp(arp + 24, server, 4) != 0 || memcmp(arp + 14, nobody, 4) == 0)
        return;
    char asker[16];
    inet_ntop(AF_INET, arp + 14, asker, sizeof(asker));
    net_send_arp(net, &(struct net_arp){.to = NET_OWN,
                                        .from = NET_PEER,
                                        .op = 2,
                                        .sha = NET_PEER,
                                        .spa = DHCP_SERVER,
                                        .tha = NET_OWN,
                                        .tpa = asker});
}

static bool is_dhcp(const struct net_frame *frame)
{
    const uint8_t *ip = frame->bytes + ETHER;
    return frame->len >= HEADERS + OPTIONS && load16(frame->bytes + 12) == 0x0800 && ip[0] == 0x45 &&
           ip[9] == 17 && load16(ip + 22) == 67;
}

static void take_apart(const struct net_frame *frame, struct dhcp_seen *seen)
{
    const uint8_t *ip = frame->bytes + ETHER, *udp = ip + 20, *m = udp + 8;
    const uint8_t *mac = frame->bytes;
    size_t len;
    snprintf(seen->to, sizeof(seen->to), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
             mac[4], mac[5]);
    inet_ntop(AF_INET, ip + 12, seen->src, sizeof(seen->src));
    inet_ntop(AF_INET, ip + 16, seen->dst, sizeof(seen->dst));
    seen->src_port = load16(udp);
    seen->dst_port = load16(udp + 2);
    seen->len = load16(udp + 4) - 8u;
    assert_true(seen->len <= frame->len - HEADERS);
    memcpy(seen->bytes, m, seen->len);
    assert_int_equal(m[0], 1); /* a request, by Ethernet */
    assert_int_equal(m[1], 1);
    assert_int_equal(m[2], 6);
    assert_int_equal(load32(m + 236), COOKIE);
    seen->xid = load32(m + 4);
    seen->secs = load16(m + 8);
    seen->flags = load16(m + 10);
    inet_ntop(AF_INET, m + 12, seen->ciaddr, sizeof(seen->ciaddr));
    inet_ntop(AF_INET, m + 16, seen->yiaddr, sizeof(seen->yiaddr));
    const uint8_t *type = dhcp_option(seen, 53, &len);
    assert_non_null(type);
    assert_int_equal(len, 1);
    seen->type = *type;
}

static bool hear(struct net *net, tn_time most, struct dhcp_seen *seen)
{
    tn_time end = tn_sim_now(net->sim) + most;
    static struct net_frame frame;
    for (bool more = true; more;) {
        tn_sim_settle(net->sim);
        while (net_take_frame(net, &frame)) {
            if (is_dhcp(&frame)) {
                seen->at = tn_sim_now(net->sim);
                take_apart(&frame, seen);
                return true;
            }
            if (load16(frame.bytes + 12) == 0x0806)
                answer_arp(net, &frame);
            tn_sim_settle(net->sim);
        }
        more = tn_sim_advance(net->sim, end);
    }
    return false;
}

void dhcp_hear(struct net *net, tn_time most, struct dhcp_seen *seen)
{
    if (!hear(net, most, seen))
        fail_msg("the client said nothing within %llu ms; its log:\n%s", (unsigned long long)(most / TN_MSEC),
                 net->log);
}

void dhcp_expect(struct net *net, tn_time most, uint8_t type, struct dhcp_seen *seen)
{
    dhcp_hear(net, most, seen);
    assert_int_equal(seen->type, type);
}

void dhcp_silent_for(struct net *net, tn_time span)
{
    struct dhcp_seen seen;
    if (hear(net, span, &seen))
        fail_msg("the client said a message of type %u", seen.type);
}

const uint8_t *dhcp_option(const struct dhcp_seen *seen, uint8_t code, size_t *len)
{
    for (size_t at = OPTIONS; at + 1 < seen->len && seen->bytes[at] != 255;) {
        if (seen->bytes[at] == 0) {
            at++;
            continue;
        }
        assert_true(at + 2 + seen->bytes[at + 1] <= seen->len);
        *len = seen->bytes[at + 1];
        if (seen->bytes[at] == code)
            return seen->bytes + at + 2;
        at += 2 + *len;
    }
    *len = 0;
    return NULL;
}

const char *dhcp_option_addr(const struct dhcp_seen *seen, uint8_t code)
{
    static char text[16];
    size_t len;
    const uint8_t *bytes = dhcp_option(seen, code, &len);
    if (!bytes)
        return "";
    assert_int_equal(len, 4);
    return inet_ntop(AF_INET, bytes, text, sizeof(text));
}

/* ---- What the server says ---- */

void dhcp_add(struct dhcp_said *said, uint8_t code, const void *bytes, size_t len)
{
    assert_true(said->len + 2 + len <= sizeof(said->bytes));
    said->bytes[said->len++] = code;
    said->bytes[said->len++] = (uint8_t)len;
    memcpy(said->bytes + said->len, bytes, len);
    said->len += len;
}

void dhcp_add_addr(struct dhcp_said *said, uint8_t code, const char *address)
{
    struct in_addr in;
    assert_int_equal(inet_pton(AF_INET, address, &in), 1);
    dhcp_add(said, code, &in, sizeof(in));
}

void dhcp_add32(struct dhcp_said *said, uint8_t code, uint32_t value)
{
    uint8_t bytes[4];
    store32(bytes, value);
    dhcp_add(said, code, bytes, sizeof(bytes));
}

void dhcp_answer(struct dhcp_said *said, const struct dhcp_seen *to, uint8_t type, const char *address)
{
    *said = (struct dhcp_said){.len = OPTIONS};
    said->bytes[0] = 2;
    said->bytes[1] = 1;
    said->bytes[2] = 6;
    store32(said->bytes + 4, to->xid);
    assert_int_equal(inet_pton(AF_INET, address, said->bytes + 16), 1);
    memcpy(said->bytes + 28, to->bytes + 28, 16);
    store32(said->bytes + 236, COOKIE);
    dhcp_add(said, 53, &type, 1);
    dhcp_add_addr(said, 54, DHCP_SERVER);
}

void dhcp_add_usual(struct dhcp_said *said, uint32_t lease)
{
    dhcp_add_addr(said, 1, "255.255.255.0");
    dhcp_add_addr(said, 3, "10.0.7.1");
    dhcp_add_addr(said, 6, "10.0.7.53");
    dhcp_add32(said, 51, lease);
}

void dhcp_say_raw(struct net *net, const void *bytes, size_t len)
{
    uint8_t udp[8 + 1472] = {0, 67, 0, 68, (uint8_t)((len + 8) >> 8), (uint8_t)(len + 8)};
    memcpy(udp + 8, bytes, len);
    net_send_ip(net,
                &(struct net_ip){.to = NET_ALL,
                                 .from = NET_PEER,
                                 .src = DHCP_SERVER,
                                 .dst = "255.255.255.255",
                                 .protocol = 17,
                                 .ttl = 64},
                udp, len + 8);
    tn_sim_settle(net->sim);
}

void dhcp_say(struct net *net, struct dhcp_said *said)
{
    said->bytes[said->len++] = 255;
    dhcp_say_raw(net, said->bytes, said->len);
}

/* ---- Both ---- */

void dhcp_grant(struct net *net, const char *address, uint32_t lease, struct dhcp_seen *request)
{
    struct dhcp_seen discover;
    struct dhcp_said said;
    dhcp_expect(net, 11 * TN_SEC, DISCOVER, &discover);
    dhcp_answer(&said, &discover, OFFER, address);
    dhcp_add_usual(&said, lease);
    dhcp_say(net, &said);
    dhcp_expect(net, 0, REQUEST, request);
    dhcp_answer(&said, request, ACK, address);
    dhcp_add_usual(&said, lease);
    dhcp_say(net, &said);
}

void dhcp_bind(struct net *net, const char *address, uint32_t lease, struct dhcp_seen *request)
{
    dhcp_grant(net, address, lease, request);
    dhcp_silent_for(net, 9 * TN_SEC); /* it is looked for, and announced (RFC 5227) */
    assert_string_equal(dhcp_shown(net, "state"), "BOUND");
}

static json_t *table(struct net *net, const char *name)
{
    char *text;
    struct tn_error error;
    if (tn_stack_show(net->stack, name, &text, &error) < 0)
        fail_msg("%s", error.text);
    json_t *json = json_loads(text, 0, NULL);
    free(text);
    assert_non_null(json);
    return json;
}

const char *dhcp_shown(struct net *net, const char *field)
{
    static char text[600];
    json_t *json = table(net, "dhcp");
    const json_t *value = json_object_get(json_array_get(json_object_get(json, "rows"), 0), field);
    assert_non_null(value);
    if (json_is_string(value))
        snprintf(text, sizeof(text), "%s", json_string_value(value));
    else
        snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
    json_decref(json);
    return text;
}

bool dhcp_table_has(struct net *net, const char *name, const char *wanted)
{
    char *text;
    struct tn_error error;
    if (tn_stack_show(net->stack, name, &text, &error) < 0)
        fail_msg("%s", error.text);
    bool has = strstr(text, wanted) != NULL;
    free(text);
    return has;
}
