/* tail.c: probes for a lost tail (RFC 8985 §7). When the last segments of a flight are lost, nothing comes back that could
 * tell of it. So after two round-trip times of silence one segment is sent, new or the last again; what it brings back lets
 * RACK find what was lost, without a timeout. */
#include "recovery.h"

/* §7.3: no other goes until this one is accounted for and a round-trip time was measured. */
void tcp_tail_sent(struct tn_self *self, struct tcp_conn *conn, bool again)
{
    tn_count(self, TCP_TAIL_PROBES);
    conn->flags |= TCP_PROBE_OUT | TCP_PROBE_SPENT;
    conn->flags &= ~TCP_PROBE_AGAIN;
    conn->flags |= again ? TCP_PROBE_AGAIN : 0;
    conn->probe_end = conn->snd_nxt;
}

/* §7.4.2, TLP_process_ack() */
bool tcp_tail_acked(struct tcp_conn *conn, const struct tcp_delivery *delivery)
{
    if (!(conn->flags & TCP_PROBE_OUT) || tcp_lt(conn->snd_una, conn->probe_end))
        return false;
    bool again = conn->flags & TCP_PROBE_AGAIN;
    bool twice = delivery->has_dsack && delivery->dsack_end == conn->probe_end;
    bool beyond = tcp_lt(conn->probe_end, conn->snd_una);
    if (again && !twice && !beyond && !delivery->plain)
        return false; /* not known yet */
    conn->flags &= ~TCP_PROBE_OUT;
    return again && !twice && beyond;
}
