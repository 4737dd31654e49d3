/* tcp.h: TCP segments as they are on the wire (RFC 9293 §3.1, RFC 7323, RFC 2018). */
#ifndef TENON_PROTO_TCP_H
#define TENON_PROTO_TCP_H

#include "tenon/types.h"

struct tn_tcp_header {
    be16 src_port;
    be16 dst_port;
    be32 seq;
    be32 ack;
    uint8_t offset; /* upper four bits: length of header and options in 32-bit words */
    uint8_t flags;  /* TN_TCP_… */
    be16 window;    /* unsigned (MUST-1), scaled except in a SYN */
    be16 checksum;
    be16 urgent;
};

#define TN_TCP_FIN 0x01u
#define TN_TCP_SYN 0x02u
#define TN_TCP_RST 0x04u
#define TN_TCP_PSH 0x08u
#define TN_TCP_ACK 0x10u
#define TN_TCP_URG 0x20u
#define TN_TCP_ECE 0x40u
#define TN_TCP_CWR 0x80u

/* Bytes of the header with its options, as the field says: 0 to 60, less than 20 is wrong. */
static inline size_t tn_tcp_header_length(const struct tn_tcp_header *header)
{
    return (size_t)(header->offset >> 4) * 4;
}

#define TN_TCP_OPTIONS_MAX 40 /* bytes */

/* Option kinds, and the lengths of those that have a fixed one. */
#define TN_TCP_OPT_END            0
#define TN_TCP_OPT_NOP            1
#define TN_TCP_OPT_MSS            2  /* RFC 9293 §3.7.1 */
#define TN_TCP_OPT_WINDOW_SCALE   3  /* RFC 7323 §2.2 */
#define TN_TCP_OPT_SACK_PERMITTED 4  /* RFC 2018 §2 */
#define TN_TCP_OPT_SACK           5  /* RFC 2018 §3 */
#define TN_TCP_OPT_TIMESTAMPS     8  /* RFC 7323 §3.2 */
#define TN_TCP_OPT_USER_TIMEOUT   28 /* RFC 5482 §3.3 */

#define TN_TCP_OPTLEN_MSS            4
#define TN_TCP_OPTLEN_WINDOW_SCALE   3
#define TN_TCP_OPTLEN_SACK_PERMITTED 2
#define TN_TCP_OPTLEN_SACK_BLOCK     8
#define TN_TCP_OPTLEN_TIMESTAMPS     10
#define TN_TCP_OPTLEN_USER_TIMEOUT   4

#define TN_TCP_USER_TIMEOUT_MINUTES 0x8000u /* of the value: it is in minutes, not seconds */

#define TN_TCP_WINDOW_SCALE_MAX 14 /* RFC 7323 §2.3 */
#define TN_TCP_SACK_BLOCKS_MAX  4

#endif
