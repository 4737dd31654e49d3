/* tcp.h: socket options at level IPPROTO_TCP that Linux has not: the user timeout option (RFC 5482 §3.1).
 *
 * With it the two ends of a connection tell each other how long they would go on without an acknowledgement, and each adopts
 * the longer of the two times, within the limits of its stack (`user-timeout-least`, `user-timeout-most`). It is advice: a
 * program that sets TCP_USER_TIMEOUT keeps its own. All are an int; set for a listener, they hold for its connections. */
#ifndef TENON_TCP_OPTIONS_H
#define TENON_TCP_OPTIONS_H

/* ENABLED: whether the option is sent and heeded. Without it: as `user-timeout-option` of the stack says. Best set before
 * the connection begins, so that the SYN carries it. */
#define TN_TCP_UTO 0x544e01

/* ADV_UTO: the timeout that is told, in milliseconds (sent in seconds, or in minutes from 9 hours on, rounded up). 0: that
 * of TCP_USER_TIMEOUT, or else the stack's. */
#define TN_TCP_UTO_ADVERTISED 0x544e02

/* CHANGEABLE: whether the peer's advice is adopted. Without it: yes, unless TCP_USER_TIMEOUT is set. */
#define TN_TCP_UTO_CHANGEABLE 0x544e03

/* Only to be read: what the peer advised last, in milliseconds, whether it was adopted or not; 0: nothing. */
#define TN_TCP_UTO_RECEIVED 0x544e04

#endif
