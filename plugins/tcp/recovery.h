/* recovery.h: loss: finding it, repairing it, and finding that there was none. */
#ifndef TENON_TCP_RECOVERY_H
#define TENON_TCP_RECOVERY_H

#include "scoreboard.h"

/* ---- rack.c ---- */

/* Takes an acknowledgement into account, before anything is found lost by it. */
void tcp_rack_acked(struct tn_self *self, struct tcp_conn *conn, const struct tcp_delivery *delivery);
/* Marks as lost what was overtaken long enough ago, and has the timer run for what will be. Returns whether a
 * retransmission was lost. */
bool tcp_rack_find_lost(struct tn_self *self, struct tcp_conn *conn);
/* The retransmission timer ran out: marks the first segment as lost, and all that was sent a round trip ago. */
void tcp_rack_timeout(struct tn_self *self, struct tcp_conn *conn);
/* A recovery is over. */
void tcp_rack_recovered(struct tcp_conn *conn);

/* ---- prr.c ---- */

/* Fast recovery begins, by an acknowledgement that delivered `octets` (0: by a timer); ssthresh is set. */
void tcp_prr_begin(struct tcp_conn *conn, uint32_t octets);
/* `octets` more were delivered in fast recovery: sets cwnd. `safe`: snd_una has moved and nothing more was lost. */
void tcp_prr_delivered(struct tcp_conn *conn, uint32_t octets, bool safe);
/* So many octets are being sent. */
void tcp_prr_sent(struct tcp_conn *conn, uint32_t octets);

/* ---- spurious.c ---- */

/* A recovery begins: from here on it can be undone. Before anything is lowered. */
void tcp_spurious_begin(struct tn_self *self, struct tcp_conn *conn, bool timeout);
/* The retransmission timer ran out: the next acknowledgements will tell whether it was too early, unless other data was
 * sent again before (`fresh`: it was not). */
void tcp_spurious_timeout(struct tcp_conn *conn, bool fresh);
/* [start, end) is being sent again. */
void tcp_spurious_resent(struct tn_self *self, struct tcp_conn *conn, uint32_t start, uint32_t end);
/* Whether the acknowledgement shows that recovery was not needed. */
bool tcp_spurious_acked(struct tcp_conn *conn, const struct tcp_delivery *delivery);
/* The two segments of new data of TCP_FRTO_NEW were sent, or there were none. */
void tcp_spurious_sent_new(struct tcp_conn *conn, bool sent);

/* ---- tail.c ---- */

/* A tail probe was sent; `again`: it was a retransmission. */
void tcp_tail_sent(struct tn_self *self, struct tcp_conn *conn, bool again);
/* Whether the acknowledgement shows that a probe has repaired a loss. */
bool tcp_tail_acked(struct tcp_conn *conn, const struct tcp_delivery *delivery);

/* ---- recovery.c ---- */

/* An acknowledgement told something; the scoreboard and snd_una are up to date. Returns whether the retransmission timer
 * starts again. */
bool tcp_recovery_acked(struct tn_self *self, struct tcp_conn *conn, struct tcp_delivery *delivery);
/* The reordering timer ran out. */
void tcp_recovery_reordered(struct tn_self *self, struct tcp_conn *conn);
/* The retransmission timer ran out with data in flight. */
void tcp_recovery_timeout(struct tn_self *self, struct tcp_conn *conn);

#endif
