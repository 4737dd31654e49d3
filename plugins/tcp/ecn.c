/* ecn.c: explicit congestion notification (RFC 3168): routers mark packets instead of dropping them.
 *
 * Both sides say in the handshake that they can. New data is sent with ECT(0) in its IP header; nothing else is: not what
 * is sent again, window probes, acknowledgements. Who receives data that was marked (CE) says so in every acknowledgement
 * (ECE) until the sender answers that it has slowed down (CWR). The sender does so once in a round-trip time.
 *
 * Sections are RFC 3168's here. */
#include "congestion.h"
#include "segment.h"

#define ECN_MASK 3u
#define ECT0     2u
#define CE       3u

static const uint8_t both = TN_TCP_ECE | TN_TCP_CWR;

/* ---- The handshake (§6.1.1) ---- */

void tcp_ecn_begin(struct tn_self *self, struct tcp_conn *conn)
{
    if (tcp_options(self)->ecn == TCP_ECN_ON)
        conn->flags |= TCP_ECN;
}

uint32_t tcp_ecn_agree(struct tn_self *self, const struct tcp_segment *syn)
{
    return tcp_options(self)->ecn != TCP_ECN_OFF && (syn->flags & both) == both ? TCP_ECN : 0;
}

void tcp_ecn_take_syn(struct tcp_conn *conn, const struct tcp_segment *seg)
{
    /* An answer with both flags comes from who sends back what it does not know. */
    uint8_t expected = seg->flags & TN_TCP_ACK ? TN_TCP_ECE : both;
    if ((seg->flags & both) != expected)
        conn->flags &= ~TCP_ECN;
}

uint8_t tcp_ecn_syn_flags(struct tcp_conn *conn)
{
    bool answer = conn->state == TCP_ST_SYN_RECEIVED;
    if (!answer && conn->flags & TCP_SYN_REPEATED) /* §6.1.1.1: perhaps somebody on the way drops such SYNs */
        conn->flags &= ~TCP_ECN;
    if (!(conn->flags & TCP_ECN))
        return 0;
    return answer ? TN_TCP_ECE : both;
}

/* ---- The receiver (§6.1.3) ---- */

void tcp_ecn_receive(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg)
{
    if (!(conn->flags & TCP_ECN))
        return;
    if (seg->flags & TN_TCP_CWR)
        conn->flags &= ~TCP_ECN_ECHO;
    if (seg->len == 0 || (seg->packet->tos & ECN_MASK) != CE)
        return;
    tn_count(self, TCP_ECN_MARKS_IN);
    if (!(conn->flags & TCP_ECN_ECHO))
        tcp_ack_now(self, conn); /* the sender should know soon */
    conn->flags |= TCP_ECN_ECHO;
}

/* ---- The sender (§6.1.2) ---- */

void tcp_ecn_acknowledged(struct tn_self *self, struct tcp_conn *conn, const struct tcp_segment *seg)
{
    if (!(conn->flags & TCP_ECN) || !(seg->flags & TN_TCP_ECE) || conn->phase != TCP_PHASE_OPEN ||
        conn->snd_una == conn->snd_nxt)
        return;
    if (tcp_cc_marked(self, conn))
        tn_count(self, TCP_ECN_REDUCTIONS);
}

uint8_t tcp_ecn_send(struct tcp_conn *conn, uint32_t seq, uint32_t len, uint8_t *flags)
{
    if (!(conn->flags & TCP_ECN))
        return 0;
    if (conn->flags & TCP_ECN_ECHO)
        *flags |= TN_TCP_ECE;
    bool probe = !tcp_lt(seq, conn->snd_una + conn->snd_wnd); /* §6.1.6 */
    if (len == 0 || seq != conn->snd_nxt || probe)
        return 0;
    if (conn->flags & TCP_ECN_CWR)
        *flags |= TN_TCP_CWR;
    conn->flags &= ~TCP_ECN_CWR;
    return ECT0;
}
