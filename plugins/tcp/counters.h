/* counters.h: what is counted, and why segments are dropped. */
#ifndef TENON_TCP_COUNTERS_H
#define TENON_TCP_COUNTERS_H

#define TCP_COUNTERS(X)                                                                                   \
    X(SEGMENTS_IN, "segments-in", "Segments received")                                                    \
    X(SEGMENTS_OUT, "segments-out", "Segments sent")                                                      \
    X(SUPER_FRAMES_OUT, "super-frames-out", "Packets of several segments, cut by the device or the core") \
    X(HELD_BACK, "held-back", "Times that data waited because the device was full")                       \
    X(DATA_IN, "data-bytes-in", "Bytes received in order and handed to sockets")                          \
    X(DATA_OUT, "data-bytes-out", "Bytes of new data sent")                                               \
    X(ACTIVE_OPENS, "active-opens", "Connections begun by this side")                                     \
    X(PASSIVE_OPENS, "passive-opens", "Connections begun by the other side")                              \
    X(HANDSHAKES, "handshakes", "Handshakes completed")                                                   \
    X(RESETS_IN, "resets-in", "Connections ended by the peer's reset")                                    \
    X(RESETS_OUT, "resets-out", "Resets sent")                                                            \
    X(TIMEOUTS, "timeouts", "Connections given up because nothing was heard")                             \
    X(RETRANSMITS, "retransmits", "Segments sent again")                                                  \
    X(RETRANSMIT_TIMEOUTS, "retransmit-timeouts", "Retransmission timeouts")                              \
    X(FAST_RECOVERIES, "fast-recoveries", "Losses found by acknowledgements, without a timeout")          \
    X(LOST_RETRANSMITS, "lost-retransmits", "Retransmissions found to be lost themselves")                \
    X(TAIL_PROBES, "tail-probes", "Segments sent to find out whether the last one was lost (RFC 8985)")   \
    X(TAIL_LOSSES, "tail-losses", "Losses that a tail probe has repaired")                                \
    X(SPURIOUS_RECOVERIES, "spurious-recoveries", "Fast recoveries that were not needed, and undone")     \
    X(SPURIOUS_TIMEOUTS, "spurious-timeouts", "Retransmission timeouts that were not needed, and undone") \
    X(DSACKS_IN, "dsacks-in", "Reports by the peer that something came twice (RFC 2883)")                 \
    X(SACK_RENEGED, "sack-reneged", "Times the peer discarded data that it had selectively acknowledged") \
    X(DUPLICATE_ACKS_IN, "duplicate-acks-in", "Duplicate acknowledgements received")                      \
    X(ACKS_OUT, "acks-out", "Acknowledgements without data sent")                                         \
    X(DELAYED_ACKS, "delayed-acks", "Acknowledgements sent because the delay ended")                      \
    X(CHALLENGE_ACKS, "challenge-acks", "Challenge acknowledgements sent (RFC 5961)")                     \
    X(ACKS_LIMITED, "acks-limited", "Acknowledgements of refused segments left out: too many")            \
    X(URGENT_IN, "urgent-in", "Times that a peer told of urgent data, or of more")                        \
    X(OUT_OF_ORDER, "out-of-order", "Segments received out of order and kept")                            \
    X(WINDOW_PROBES, "window-probes", "Probes of a closed window sent")                                   \
    X(KEEPALIVES, "keepalives", "Keep-alive probes sent")                                                 \
    X(TIME_WAITS, "time-waits", "Connections that went through TIME-WAIT")                                \
    X(TIME_WAITS_EVICTED, "time-waits-evicted", "TIME-WAITs ended early because there were too many")     \
    X(HALF_OPEN_EVICTED, "half-open-evicted",                                                             \
      "Half-open connections ended early because there were too many")                                    \
    X(COOKIES_SENT, "syn-cookies-sent", "SYNs answered with a cookie (RFC 4987)")                         \
    X(COOKIES_TAKEN, "syn-cookies-taken", "Connections established by a cookie that came back")           \
    X(COOKIES_WRONG, "syn-cookies-wrong", "Acknowledgements to a listener that brought no cookie back")   \
    X(TIME_WAITS_REUSED, "time-waits-reused", "TIME-WAITs ended by a new connection (RFC 6191)")          \
    X(SYN_DATA, "syn-data", "SYNs with data, which is not taken before the handshake is complete")        \
    X(SOFT_ERRORS, "soft-errors", "Errors of the network that end nothing")                               \
    X(PATH_MTU_LOWERED, "path-mtu-lowered", "Times the network said that segments are too large")         \
    X(ECN_MARKS_IN, "ecn-marks-in", "Segments with data that a router had marked (RFC 3168)")             \
    X(ECN_REDUCTIONS, "ecn-reductions", "Windows lowered because a router had marked what was sent")      \
    X(BLACK_HOLES, "black-holes", "Times large segments seemed to vanish, and smaller ones were sent")    \
    X(MTU_PROBES, "mtu-probes", "Larger segments sent to see whether they pass (RFC 4821)")               \
    X(MTU_PROBES_LOST, "mtu-probes-lost", "… that did not")                                               \
    X(PATH_MTU_RAISED, "path-mtu-raised", "… that did")

#define TCP_DROPS(X)                                                                                       \
    X(TOO_SHORT, "too-short", "Shorter than a header")                                                     \
    X(BAD_OFFSET, "bad-offset", "The header's length is less than 20 or beyond the end")                   \
    X(BAD_CHECKSUM, "bad-checksum", "Wrong checksum")                                                      \
    X(BAD_OPTION, "bad-option", "The length of an option is wrong (§3.1)")                                 \
    X(BAD_PORT, "bad-port", "Port 0")                                                                      \
    X(NOT_UNICAST, "not-unicast", "Sent to a broadcast or multicast address (§3.9.2.3)")                   \
    X(BAD_SOURCE, "bad-source", "From an address that cannot be a source (§3.9.2.3)")                      \
    X(NO_CONNECTION, "no-connection", "For no connection and no listener; answered with a reset")          \
    X(STRAY_RESET, "stray-reset", "A reset for no connection")                                             \
    X(LISTEN_RESET, "listen-reset", "A reset to a listener")                                               \
    X(LISTEN_ACK, "listen-ack", "An acknowledgement to a listener; answered with a reset")                 \
    X(LISTEN_NO_SYN, "listen-no-syn", "Neither SYN nor ACK nor RST to a listener")                         \
    X(BACKLOG_FULL, "backlog-full",                                                                        \
      "A SYN, or the last ACK of a handshake: the listener's accept queue is full")                        \
    X(SYN_QUEUE_FULL, "syn-queue-full", "A SYN that found the listener's SYN queue full, without cookies") \
    X(SYN_SENT_ACK, "syn-sent-ack", "An acknowledgement of what was not sent, in SYN-SENT; reset")         \
    X(SYN_SENT_RESET, "syn-sent-reset", "A reset that acknowledges no SYN of this side's")                 \
    X(SYN_SENT_NO_SYN, "syn-sent-no-syn", "Neither SYN nor RST in SYN-SENT")                               \
    X(SYN_RECEIVED_ACK, "syn-received-ack", "A wrong acknowledgement in SYN-RECEIVED; reset")              \
    X(ACCEPT_DEFERRED, "accept-deferred",                                                                  \
      "The end of a handshake, whose listener waits for data (TCP_DEFER_ACCEPT)")                          \
    X(SYN_RECEIVED_SYN, "syn-received-syn", "A new SYN in SYN-RECEIVED: back to LISTEN")                   \
    X(SYN_AGAIN, "syn-again", "The SYN again; answered with the SYN-ACK again")                            \
    X(PAWS, "paws", "An old timestamp (RFC 7323 §5)")                                                      \
    X(NO_TIMESTAMP, "no-timestamp", "Without the timestamp that was agreed (RFC 7323 §3.2)")               \
    X(OLD_DATA, "old-data", "Only data that had already come")                                             \
    X(OUT_OF_WINDOW, "out-of-window", "Outside the receive window")                                        \
    X(RESET_OUT_OF_WINDOW, "reset-out-of-window", "A reset outside the receive window")                    \
    X(RESET_CHALLENGED, "reset-challenged", "A reset in the window, but not at its edge (RFC 5961 §3)")    \
    X(RESET_IN_TIME_WAIT, "reset-in-time-wait", "A reset in TIME-WAIT (RFC 1337)")                         \
    X(SYN_CHALLENGED, "syn-challenged", "A SYN in an open connection (RFC 5961 §4)")                       \
    X(NO_ACK, "no-ack", "Without ACK")                                                                     \
    X(ACK_OUT_OF_RANGE, "ack-out-of-range", "Acknowledges what was not sent, or long ago (RFC 5961 §5)")   \
    X(BEYOND_FIN, "beyond-fin", "Data after the peer's FIN")                                               \
    X(AFTER_CLOSE, "after-close", "Data for a user who has closed; answered with a reset")                 \
    X(NO_PACKETS, "no-packets", "In order, but packets are scarce and the user does not read")             \
    X(REASSEMBLY_FULL, "reassembly-full", "Out of order, and no room to keep it")

#define TCP_ENUM_COUNTER(id, name, help) TCP_##id,
enum tcp_counter {
    TCP_COUNTERS(TCP_ENUM_COUNTER) TCP_COUNTER_COUNT
};
#undef TCP_ENUM_COUNTER
#define TCP_ENUM_DROP(id, name, help) TCP_DROP_##id,
enum tcp_drop {
    TCP_DROPS(TCP_ENUM_DROP) TCP_DROP_COUNT
};
#undef TCP_ENUM_DROP

#endif
