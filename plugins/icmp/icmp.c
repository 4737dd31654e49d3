/* icmp: the Internet Control Message Protocol (RFC 792, RFC 1122 §3.2.2).
 *
 * Takes protocol 1 of family 2 (AF_INET), and is that family's reporter:
 *
 *     echo request        -> echo reply, the same data back
 *     timestamp request   -> timestamp reply (timestamp.c)
 *     echo reply          -> to the `ping` command (ping.c) or ping socket (socket.c) whose identifier it carries
 *     error message       -> to the transport that sent the packet that it quotes (error.c)
 *     redirect            -> to the core's routes, if that is allowed (redirect.c)
 *     a refused packet    -> an error message to its sender, where that is allowed (report.c) and not too often (limit.c)
 *
 * What it does not know it drops without a word (§3.2.2). */
#include "icmp.h"

/* ---- Echo ---- */

/* The request itself becomes the reply (RFC 1122 §3.2.2.6: same data, from the address that was asked). Only
 * the type changes, so the checksum is adjusted, not computed. */
static void icmp_make_reply(struct tn_packet *packet)
{
    struct tn_icmp_header *header = (struct tn_icmp_header *)(void *)packet->data;
    uint16_t old_word, new_word, sum;
    memcpy(&old_word, header, sizeof(old_word));
    header->type = TN_ICMP_ECHO_REPLY;
    memcpy(&new_word, header, sizeof(new_word));
    memcpy(&sum, &header->checksum, sizeof(sum));
    sum = tn_sum_update(sum, old_word, new_word);
    if (sum == 0) /* the other zero is right even where all other bytes are zero (RFC 1624 §3) */
        sum = 0xffff;
    memcpy(&header->checksum, &sum, sizeof(sum));

    struct tn_addr asked = packet->dst;
    packet->dst = packet->src;
    packet->src = asked;
    packet->flags = 0;
    packet->ttl = 0;
    packet->tos &= 0xfc; /* the same service, but not the same congestion */
    packet->checksum = TN_CHECKSUM_UNKNOWN;
}

static void icmp_echo_input(struct tn_self *self, struct tn_packet *packet)
{
    /* RFC 1122 §3.2.2.6 allows silence to broadcasts, which would answer with a storm. */
    if (packet->flags & (TN_PKT_BROADCAST | TN_PKT_MULTICAST)) {
        tn_drop(self, packet, ICMP_DROP_BROADCAST_ECHO);
        return;
    }
    if (!tn_packet_writable(packet)) {
        struct tn_packet *copy = self->core->packet_copy(self, packet);
        if (!copy) {
            tn_drop(self, packet, ICMP_DROP_NO_MEMORY);
            return;
        }
        self->core->packet_free(self, packet);
        packet = copy;
    }
    tn_count(self, ICMP_ECHOS_IN);
    icmp_make_reply(packet);
    icmp_send_answer(self, packet);
}

static void icmp_reply_input(struct tn_self *self, struct tn_packet *packet,
                             const struct tn_icmp_header *header)
{
    tn_count(self, ICMP_ECHO_REPLIES_IN);
    if (icmp_ping_reply(self, packet, header))
        self->core->packet_free(self, packet);
    else
        icmp_socket_input(self, packet, tn_be16(header->echo.id));
}

/* ---- In ---- */

/* The header, or NULL with the reason in *drop. */
static const struct tn_icmp_header *icmp_check(const struct tn_packet *packet, int *drop)
{
    struct tn_cursor c = tn_packet_cursor(packet);
    const struct tn_icmp_header *header = tn_read_header(&c, struct tn_icmp_header);
    *drop = ICMP_DROP_TRUNCATED;
    if (!header)
        return NULL;
    *drop = ICMP_DROP_BAD_CHECKSUM;
    if (packet->checksum == TN_CHECKSUM_UNKNOWN &&
        tn_sum_finish(tn_sum_add(0, packet->data, packet->len)) != 0)
        return NULL;
    return header;
}

/* A message that is done with, or refused for the reason. */
static void icmp_end(struct tn_self *self, struct tn_packet *packet, int drop)
{
    if (drop != ICMP_OK)
        tn_drop(self, packet, (unsigned)drop);
    else
        self->core->packet_free(self, packet);
}

static void icmp_input(struct tn_self *self, struct tn_packet *packet)
{
    int drop;
    const struct tn_icmp_header *header = icmp_check(packet, &drop);
    if (!header) {
        tn_drop(self, packet, (unsigned)drop);
        return;
    }
    tn_count(self, ICMP_MESSAGES_IN);
    switch (header->type) {
    case TN_ICMP_ECHO:
        icmp_echo_input(self, packet);
        break;
    case TN_ICMP_ECHO_REPLY:
        icmp_reply_input(self, packet, header);
        break;
    case TN_ICMP_UNREACHABLE:
    case TN_ICMP_TIME_EXCEEDED:
    case TN_ICMP_PARAMETER_PROBLEM:
        icmp_end(self, packet, icmp_error_input(self, packet));
        break;
    case TN_ICMP_SOURCE_QUENCH:
        tn_drop(self, packet, ICMP_DROP_SOURCE_QUENCH);
        break;
    case TN_ICMP_REDIRECT:
        icmp_end(self, packet, icmp_redirect_input(self, packet));
        break;
    case TN_ICMP_TIMESTAMP:
        icmp_end(self, packet,
                 icmp_options(self)->timestamps ? icmp_timestamp_input(self, packet)
                                                : ICMP_DROP_UNKNOWN_TYPE);
        break;
    default:
        tn_drop(self, packet, ICMP_DROP_UNKNOWN_TYPE);
        break;
    }
}

/* ---- For people ---- */

static const char *icmp_unreachable_name(uint8_t code)
{
    static const char names[][16] = {"net", "host", "protocol", "port", "frag-needed", "source-route"};
    return code < TN_ARRAY_SIZE(names) ? names[code] : "other";
}

/* " about 10.0.7.7 > 10.0.7.1 protocol 17" */
static void icmp_describe_quote(struct tn_cursor *cursor, struct tn_text *out)
{
    const struct tn_ipv4_header *quoted = tn_read_header(cursor, struct tn_ipv4_header);
    if (!quoted) {
        tn_text_add(out, " quote cut short");
        return;
    }
    tn_text_add(out, " about ");
    tn_text_ipv4(out, quoted->src);
    tn_text_add(out, " > ");
    tn_text_ipv4(out, quoted->dst);
    tn_text_add(out, " protocol %u", quoted->protocol);
}

/* "echo request id 1 seq 2", "unreachable port about 10.0.7.7 > 10.0.7.1 protocol 17" */
static void icmp_describe(const struct tn_packet *packet, struct tn_cursor *cursor, struct tn_text *out,
                          struct tn_next *next)
{
    const struct tn_icmp_header *header = tn_read_header(cursor, struct tn_icmp_header);
    if (!header) {
        tn_text_add(out, "truncated");
        return;
    }
    switch (header->type) {
    case TN_ICMP_ECHO:
    case TN_ICMP_ECHO_REPLY:
        tn_text_add(out, "echo %s id %u seq %u", header->type == TN_ICMP_ECHO ? "request" : "reply",
                    tn_be16(header->echo.id), tn_be16(header->echo.seq));
        return;
    case TN_ICMP_UNREACHABLE:
        tn_text_add(out, "unreachable %s", icmp_unreachable_name(header->code));
        if (header->code == TN_ICMP_FRAGMENTATION_NEEDED)
            tn_text_add(out, " mtu %u", tn_be16(header->fragmentation.mtu));
        break;
    case TN_ICMP_TIME_EXCEEDED:
        tn_text_add(out, "time exceeded %s", header->code == TN_ICMP_TTL_EXCEEDED ? "ttl" : "reassembly");
        break;
    case TN_ICMP_PARAMETER_PROBLEM:
        tn_text_add(out, "parameter problem octet %u", header->parameter.pointer);
        break;
    default:
        tn_text_add(out, "type %u code %u", header->type, header->code);
        return;
    }
    icmp_describe_quote(cursor, out);
}

/* ---- The plugin ---- */

static int icmp_start(struct tn_self *self, struct tn_text *why)
{
    icmp_state(self)->salt = self->core->random(self);
    int err = icmp_ping_init(self);
    if (err < 0)
        tn_text_add(why, "no memory for ping");
    return err;
}

static const struct tn_claim icmp_claims[] = {
    {.table = TN_TABLE_IPPROTO, .family = AF_INET, .key = TN_IPPROTO_ICMP, .input = 0},
    {.table = TN_TABLE_REPORTER, .key = AF_INET},
};
static const struct tn_option icmp_option_list[] = {
    {"rate", TN_OPTION_INT, offsetof(struct icmp_options, rate)},
    {"burst", TN_OPTION_INT, offsetof(struct icmp_options, burst)},
    {"rate-each", TN_OPTION_INT, offsetof(struct icmp_options, rate_each)},
    {"burst-each", TN_OPTION_INT, offsetof(struct icmp_options, burst_each)},
    {"path-mtu-least", TN_OPTION_INT, offsetof(struct icmp_options, path_mtu_least)},
    {"path-mtu-lifetime", TN_OPTION_DURATION, offsetof(struct icmp_options, path_mtu_lifetime)},
    {"redirects", TN_OPTION_BOOL, offsetof(struct icmp_options, redirects)},
    {"redirect-lifetime", TN_OPTION_DURATION, offsetof(struct icmp_options, redirect_lifetime)},
    {"timestamps", TN_OPTION_BOOL, offsetof(struct icmp_options, timestamps)},
};
static const struct tn_command icmp_commands[] = {
    {
        .name = "ping",
        .help = "to=ADDRESS [count=4] [interval=1000 ms] [size=56] [timeout=1000 ms] [df=0] [ttl=0] [vrf=0]: "
                "sends "
                "echo requests",
        .start = icmp_ping_start,
        .cancel = icmp_ping_cancel,
    },
};
static tn_input_fn *const icmp_inputs[] = {icmp_input};
static tn_timer_fn *const icmp_timers[] = {[ICMP_TIMER_PING] = icmp_ping_timer};
static const struct tn_name icmp_counters[] = {ICMP_COUNTERS(TN_NAME_ENTRY)};
static const struct tn_name icmp_drops[] = {ICMP_DROPS(TN_NAME_ENTRY)};

static const struct tn_reporter_ops icmp_reporter = {.report = icmp_report};
static const struct tn_transport_ops icmp_transport = {
    .type = SOCK_DGRAM,
    .header_size = 0, /* whoever sends writes it: see socket.c */
    .by_number_only = true,
    .send_datagram = icmp_send_datagram,
    .close = icmp_close,
    .error = icmp_net_error,
};

static const struct tn_plugin icmp_plugin = {
    TN_PLUGIN_HEADER,
    .name = "icmp",
    .version = "0.1.0",
    .kind = "transport",
    .schema = "icmp/3",
    .state_size = sizeof(struct icmp_state),
    .options_size = sizeof(struct icmp_options),
    .claims = icmp_claims,
    .claim_count = TN_ARRAY_SIZE(icmp_claims),
    .options = icmp_option_list,
    .option_count = TN_ARRAY_SIZE(icmp_option_list),
    .commands = icmp_commands,
    .command_count = TN_ARRAY_SIZE(icmp_commands),
    .inputs = icmp_inputs,
    .input_count = TN_ARRAY_SIZE(icmp_inputs),
    .timers = icmp_timers,
    .timer_count = TN_ARRAY_SIZE(icmp_timers),
    .counters = icmp_counters,
    .counter_count = TN_ARRAY_SIZE(icmp_counters),
    .drops = icmp_drops,
    .drop_count = TN_ARRAY_SIZE(icmp_drops),
    .start = icmp_start,
    .describe = icmp_describe,
    .reporter = &icmp_reporter,
    .transport = &icmp_transport,
};

const struct tn_plugin *tn_plugin_entry(void)
{
    return &icmp_plugin;
}
