/* igmp.h: the Internet Group Management Protocol, as it is on the wire (RFC 1112, RFC 2236, RFC 3376). */
#ifndef TENON_PROTO_IGMP_H
#define TENON_PROTO_IGMP_H

#include "tenon/types.h"

#define TN_IPPROTO_IGMP 2

enum tn_igmp_type {
    TN_IGMP_QUERY = 0x11,
    TN_IGMP_V1_REPORT = 0x12,
    TN_IGMP_V2_REPORT = 0x16,
    TN_IGMP_V2_LEAVE = 0x17,
    TN_IGMP_V3_REPORT = 0x22,
};

/* Versions 1 and 2; the first 8 octets of a version 3 query. */
struct tn_igmp_header {
    uint8_t type;
    uint8_t max_response; /* tenths of a second; version 1: 0; version 3: a code, RFC 3376 §4.1.1 */
    be16 checksum;
    uint8_t group[4]; /* 0.0.0.0: a general query */
};

/* What follows in a version 3 query; then the sources. */
struct tn_igmp_query {
    uint8_t robustness; /* low 3 bits, QRV; the next one is S */
    uint8_t interval;   /* QQIC, seconds, coded as max_response is */
    be16 sources;
};

struct tn_igmp_report {
    uint8_t type;
    uint8_t reserved;
    be16 checksum;
    be16 reserved2;
    be16 records;
};

enum tn_igmp_record_type {
    TN_IGMP_IS_INCLUDE = 1,
    TN_IGMP_IS_EXCLUDE = 2,
    TN_IGMP_TO_INCLUDE = 3,
    TN_IGMP_TO_EXCLUDE = 4,
};

struct tn_igmp_record {
    uint8_t type;
    uint8_t aux_len; /* in 32-bit words */
    be16 sources;
    uint8_t group[4];
};

/* A time or interval of version 3 (§4.1.1): below 128 itself, else mantissa and exponent. */
static inline uint32_t tn_igmp_code(uint8_t code)
{
    return code < 128 ? code : (uint32_t)((code & 0x0f) | 0x10) << (((code >> 4) & 7) + 3);
}

#endif
