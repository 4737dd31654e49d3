/* segment.h: TCP segments as a script writes them, and as bytes of an IPv4 packet.
 *
 *     FLAGS SEQ[:END] [ack N] [win N] [urg N] [ttl N] [tos N] [ipopt HEX] [<OPTIONS>] [!WHAT]
 *
 * docs/scripts.md describes it. Sequence numbers are relative: 0 is the SYN. */
#ifndef TENON_SCRIPT_SEGMENT_H
#define TENON_SCRIPT_SEGMENT_H

#include <netinet/in.h>

#include "tenon/types.h"
#include "words.h"

#define SEGMENT_OPTIONS_MAX 40
#define SEGMENT_LEN_MAX     65000

#define SEGMENT_SYN 0x02
#define SEGMENT_ACK 0x10

/* Kinds of TCP options; what has no kind of its own here is OPTION_RAW: bytes as they are. */
enum {
    OPTION_EOL = 0,
    OPTION_NOP = 1,
    OPTION_MSS = 2,
    OPTION_WSCALE = 3,
    OPTION_SACK_OK = 4,
    OPTION_SACK = 5,
    OPTION_TS = 8,
    OPTION_UTO = 28,
    OPTION_RAW = 256,
    OPTION_UTO_MINUTES, /* OPTION_UTO with the bit that says so */
};

struct segment_option {
    uint16_t kind;
    uint8_t count; /* of value; of octets in raw */
    uint8_t any;   /* bits of values that were written as '*' */
    union {
        uint32_t value[8]; /* SACK blocks relative, as everything else */
        uint8_t raw[40];
    };
};

/* Fields that were written; what was not is as usual in a segment that is sent, and not looked at in one expected. */
enum {
    HAS_SEQ = 1 << 0,
    HAS_ACK = 1 << 1,
    HAS_WIN = 1 << 2,
    HAS_URG = 1 << 3,
    HAS_TTL = 1 << 4,
    HAS_TOS = 1 << 5,
    HAS_OPTIONS = 1 << 6,
};

enum segment_harm {
    HARM_NONE,
    HARM_CHECKSUM, /* one that is wrong */
    HARM_SHORT,    /* cut within the header */
    HARM_OFFSET,   /* a data offset that lies */
};

struct segment {
    uint16_t has; /* HAS_… */
    uint16_t any; /* … that were written as '*' */
    uint8_t flags;
    uint8_t ttl, tos;
    uint8_t harm, harm_value;
    uint16_t win, urg;
    uint32_t seq, ack, len;
    uint8_t ip_options[40];
    uint8_t ip_options_len;
    uint8_t option_count;
    struct segment_option options[SEGMENT_OPTIONS_MAX];
};

/* Who talks: addresses, ports and the numbers to which those of segments are relative. */
struct segment_ends {
    struct in_addr own, other;    /* the stack's, the peer's */
    uint16_t own_port, peer_port; /* 0: not yet known */
    uint32_t iss, isn;            /* the stack's, the peer's */
    bool iss_known;
};

/* From the words of a line; false with a reason in `words`. */
bool segment_parse(struct words *words, struct segment *s);
/* The text of a segment, as one would write it. */
void segment_print(const struct segment *s, char *out, size_t size);
/* Whether `got` is what `expected` asks for. */
bool segment_matches(const struct segment *expected, const struct segment *got);

/* The packet from the peer to the stack at `packet` (of SEGMENT_LEN_MAX + 120 octets); returns its length. */
size_t segment_build(const struct segment_ends *ends, const struct segment *s, uint8_t *packet);
/* The same for an ICMP message about a segment `s` of the stack. */
size_t segment_build_icmp(const struct segment_ends *ends, uint8_t type, uint8_t code, uint16_t mtu,
                          const struct segment *s, uint8_t *packet);
/* Reads a packet of the stack's and checks all that must be right in any: lengths, checksums, options, contents. NULL, or
 * what is wrong. A SYN tells `ends` the stack's initial sequence number if it isn't known. */
const char *segment_read(struct segment_ends *ends, const uint8_t *packet, size_t len, struct segment *s);
/* Whose packet it is: its four-tuple in `ends`, as far as known, is this one. */
bool segment_is_of(const struct segment_ends *ends, const uint8_t *packet, size_t len);

/* Octet `n` (1: the first behind the SYN) of either stream. */
uint8_t segment_octet(uint32_t n);

#endif
