/* icmp.h: the Internet Control Message Protocol, as it is on the wire (RFC 792). */
#ifndef TENON_PROTO_ICMP_H
#define TENON_PROTO_ICMP_H

#include "tenon/types.h"

#define TN_IPPROTO_ICMP 1

enum tn_icmp_type {
    TN_ICMP_ECHO_REPLY = 0,
    TN_ICMP_UNREACHABLE = 3,
    TN_ICMP_SOURCE_QUENCH = 4,
    TN_ICMP_REDIRECT = 5,
    TN_ICMP_ECHO = 8,
    TN_ICMP_TIME_EXCEEDED = 11,
    TN_ICMP_PARAMETER_PROBLEM = 12,
    TN_ICMP_TIMESTAMP = 13,
    TN_ICMP_TIMESTAMP_REPLY = 14,
};

/* Codes of TN_ICMP_UNREACHABLE (RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1). */
enum tn_icmp_unreachable {
    TN_ICMP_NET_UNREACHABLE = 0,
    TN_ICMP_HOST_UNREACHABLE = 1,
    TN_ICMP_PROTOCOL_UNREACHABLE = 2,
    TN_ICMP_PORT_UNREACHABLE = 3,
    TN_ICMP_FRAGMENTATION_NEEDED = 4,
    TN_ICMP_SOURCE_ROUTE_FAILED = 5,
    TN_ICMP_NET_UNKNOWN = 6,
    TN_ICMP_HOST_UNKNOWN = 7,
    TN_ICMP_HOST_ISOLATED = 8,
    TN_ICMP_NET_PROHIBITED = 9,
    TN_ICMP_HOST_PROHIBITED = 10,
    TN_ICMP_NET_UNREACHABLE_TOS = 11,
    TN_ICMP_HOST_UNREACHABLE_TOS = 12,
    TN_ICMP_ADMIN_PROHIBITED = 13,
    TN_ICMP_PRECEDENCE_VIOLATION = 14,
    TN_ICMP_PRECEDENCE_CUTOFF = 15,
};

/* Codes of TN_ICMP_TIME_EXCEEDED. */
enum tn_icmp_time_exceeded {
    TN_ICMP_TTL_EXCEEDED = 0,
    TN_ICMP_REASSEMBLY_TIME_EXCEEDED = 1,
};

struct tn_icmp_header {
    uint8_t type;
    uint8_t code;
    be16 checksum;
    union {
        struct {
            be16 id;
            be16 seq;
        } echo;
        struct {
            be16 unused;
            be16 mtu; /* of the next hop (RFC 1191 §4) */
        } fragmentation;
        struct {
            uint8_t pointer; /* octet of the header where the error is */
            uint8_t unused[3];
        } parameter;
        be32 rest;
    };
};

/* An error message quotes the header of the packet that it is about, and some of its data (RFC 792). */
static inline bool tn_icmp_is_error(uint8_t type)
{
    return type == TN_ICMP_UNREACHABLE || type == TN_ICMP_SOURCE_QUENCH || type == TN_ICMP_REDIRECT ||
           type == TN_ICMP_TIME_EXCEEDED || type == TN_ICMP_PARAMETER_PROBLEM;
}

#endif
