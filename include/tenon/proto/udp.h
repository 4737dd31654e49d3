/* udp.h: the User Datagram Protocol, as it is on the wire (RFC 768). */
#ifndef TENON_PROTO_UDP_H
#define TENON_PROTO_UDP_H

#include "tenon/types.h"

#define TN_IPPROTO_UDP 17

struct tn_udp_header {
    be16 src_port; /* 0: no reply is wanted */
    be16 dst_port;
    be16 len;      /* of header and data */
    be16 checksum; /* over pseudo-header, header and data; 0: the sender made none (IPv4 only) */
};

#endif
