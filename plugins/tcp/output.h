/* output.h: sending (segment.c, output.c). */
#ifndef TENON_TCP_OUTPUT_H
#define TENON_TCP_OUTPUT_H

#include "connection.h"

/* ---- segment.c ---- */

#define TCP_SUPER_OCTETS \
    (65535 - 120) /* of a network packet, less the longest headers of network and transport */

/* Most octets that one packet carries: a super-frame's, whole segments all. */
static inline uint32_t tcp_super_max(const struct tcp_conn *conn)
{
    return tcp_max32(TCP_SUPER_OCTETS / conn->mss, 1) * conn->mss; /* of the largest segments one is all */
}
/* transport->header_length, fix_segment */
size_t tcp_header_length(struct tn_self *self, struct tn_cursor header);
void tcp_fix_segment(struct tn_self *self, struct tn_packet *segment, uint32_t offset, bool last);
/* Sends octets [seq, seq + len) of the stream with `flags`; ACK is added. With more than a segment's octets (at most
 * tcp_super_max()) it is a super-frame. False if there was no packet to be had. */
bool tcp_send_segment(struct tn_self *self, struct tcp_conn *conn, uint32_t seq, uint32_t len, uint8_t flags);
/* Sends <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, with what there is to report. */
void tcp_send_ack(struct tn_self *self, struct tcp_conn *conn);
/* The same at a sequence number of the past (a keep-alive). */
void tcp_send_ack_at(struct tn_self *self, struct tcp_conn *conn, uint32_t seq);
/* Sends the SYN, or in SYN-RECEIVED the SYN-ACK. */
void tcp_send_syn(struct tn_self *self, struct tcp_conn *conn);
/* Sends <SEQ=SND.NXT><CTL=RST,ACK>. */
void tcp_send_reset(struct tn_self *self, struct tcp_conn *conn);
/* The MSS that this side tells to who is reached by this path (§3.7.1). */
uint16_t tcp_path_mss(struct tn_self *self, uint8_t family, const struct tn_path *path);

/* ---- output.c ---- */

/* Sends what may be sent now, and the acknowledgement if one is due. */
void tcp_output(struct tn_self *self, struct tcp_conn *conn);
/* The persist timer ran out: probes the window, or overrides silly-window avoidance. */
void tcp_output_probe(struct tn_self *self, struct tcp_conn *conn);

/* The time for a tail probe has come: sends the next new segment whatever cwnd says, or else the last one again. */
void tcp_output_tail(struct tn_self *self, struct tcp_conn *conn);

#endif
