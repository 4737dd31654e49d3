/* describe.c: a segment as people read it:
 * "43120 > 7 [S] seq 1234 ack 0 win 65535 <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7> len 0". */
#include "segment.h"

static void describe_flags(struct tn_text *out, uint8_t flags)
{
    static const char letters[] = "FSRP.UEW"; /* as tcpdump has them; '.' is ACK */
    char text[sizeof(letters)] = "";
    size_t n = 0;
    for (size_t i = 0; i < sizeof(letters) - 1; i++) {
        if (flags & 1u << i)
            text[n++] = letters[i];
    }
    text[n] = '\0';
    tn_text_add(out, " [%s]", n ? text : "none");
}

static void describe_sack(struct tn_text *out, struct tn_cursor *body)
{
    tn_text_add(out, "sack");
    while (tn_left(body) >= TN_TCP_OPTLEN_SACK_BLOCK) {
        uint32_t start = tn_read32(body);
        uint32_t end = tn_read32(body);
        tn_text_add(out, " %u:%u", start, end);
    }
}

static void describe_option(struct tn_text *out, uint8_t kind, struct tn_cursor *body)
{
    switch (kind) {
    case TN_TCP_OPT_MSS:
        tn_text_add(out, "mss %u", tn_read16(body));
        break;
    case TN_TCP_OPT_WINDOW_SCALE:
        tn_text_add(out, "wscale %u", tn_read8(body));
        break;
    case TN_TCP_OPT_SACK_PERMITTED:
        tn_text_add(out, "sackOK");
        break;
    case TN_TCP_OPT_SACK:
        describe_sack(out, body);
        break;
    case TN_TCP_OPT_TIMESTAMPS: {
        uint32_t value = tn_read32(body);
        uint32_t echo = tn_read32(body);
        tn_text_add(out, "TS val %u ecr %u", value, echo);
        break;
    }
    default:
        tn_text_add(out, "opt-%u", kind);
    }
}

static void describe_options(struct tn_text *out, struct tn_cursor *options)
{
    const char *separator = " <";
    if (tn_left(options) == 0)
        return;
    while (tn_left(options) > 0) {
        uint8_t kind = tn_read8(options);
        tn_text_add(out, "%s", separator);
        separator = ",";
        if (kind == TN_TCP_OPT_END) {
            tn_text_add(out, "eol");
            break;
        }
        if (kind == TN_TCP_OPT_NOP) {
            tn_text_add(out, "nop");
            continue;
        }
        uint8_t len = tn_read8(options);
        struct tn_cursor body = tn_sub_cursor(options, len - 2u);
        if (len < 2 || body.failed) {
            tn_text_add(out, "bad length %u of option %u", len, kind);
            break;
        }
        describe_option(out, kind, &body);
    }
    tn_text_add(out, ">");
}

void tcp_describe(const struct tn_packet *packet, struct tn_cursor *cursor, struct tn_text *out,
                  struct tn_next *next)
{
    const struct tn_tcp_header *header = tn_read_header(cursor, struct tn_tcp_header);
    if (!header) {
        tn_text_add(out, "[cut short]");
        return;
    }
    size_t length = tn_tcp_header_length(header);
    tn_text_add(out, "%u > %u", tn_be16(header->src_port), tn_be16(header->dst_port));
    describe_flags(out, header->flags);
    tn_text_add(out, " seq %u ack %u win %u", tn_be32(header->seq), tn_be32(header->ack),
                tn_be16(header->window));
    if (header->flags & TN_TCP_URG)
        tn_text_add(out, " urg %u", tn_be16(header->urgent));
    struct tn_cursor options = tn_sub_cursor(cursor, length - sizeof(*header));
    if (length < sizeof(*header) || options.failed) {
        tn_text_add(out, " [bad header length %zu]", length);
        return;
    }
    describe_options(out, &options);
    tn_text_add(out, " len %zu", tn_left(cursor));
}
