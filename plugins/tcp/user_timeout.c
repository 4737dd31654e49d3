/* user_timeout.c: the user timeout option (RFC 5482), off by default.
 *
 * Each end tells how long it would go on without an acknowledgement, and adopts the longer of the two times within its
 * limits, unless its user has said how long (tcp_adopted_timeout()). The option goes with the SYN and with the first
 * segment after it, and with the next one when the user changes what is told. It is advice: nothing is done where it gets
 * lost. A half-open connection does not remember what the SYN said; the peer says it again in its next segment (§3).
 *
 * Sections are RFC 5482's here. */
#include "user_timeout.h"
#include "tenon/tcp.h"

#include <netinet/tcp.h>

#define VALUE_MASK 0x7fffu

static bool is_enabled(struct tn_self *self, const struct tcp_conn *conn)
{
    uint8_t choice = tcp_rare_of(conn)->uto;
    return choice == TCP_CHOICE_NONE ? tcp_options(self)->user_timeout_option : choice == TCP_CHOICE_YES;
}

/* ---- On the wire (§3.3) ---- */

/* In seconds, or in minutes where that is too large; rounded up, so never the 0 that is reserved (§3.4). */
static uint16_t value_of(tn_time timeout)
{
    tn_time seconds = (timeout + TN_SEC - 1) / TN_SEC;
    if (seconds <= VALUE_MASK)
        return (uint16_t)seconds;
    return (uint16_t)(TN_TCP_USER_TIMEOUT_MINUTES | tn_min((seconds + 59) / 60, VALUE_MASK));
}

static uint32_t seconds_of(uint16_t value)
{
    return (value & VALUE_MASK) * (value & TN_TCP_USER_TIMEOUT_MINUTES ? 60 : 1);
}

static size_t write_option(struct tn_self *self, const struct tcp_conn *conn, uint8_t *to)
{
    to[0] = TN_TCP_OPT_USER_TIMEOUT;
    to[1] = TN_TCP_OPTLEN_USER_TIMEOUT;
    tn_store16(to + 2, value_of(tcp_advertised_timeout(self, conn)));
    return TN_TCP_OPTLEN_USER_TIMEOUT;
}

/* ---- Sending ---- */

size_t tcp_uto_write_syn(struct tn_self *self, const struct tcp_conn *conn, uint8_t *to)
{
    /* §4.1: perhaps somebody on the way drops such SYNs */
    if (conn->flags & TCP_SYN_REPEATED || !is_enabled(self, conn))
        return 0;
    return write_option(self, conn, to);
}

size_t tcp_uto_write(struct tn_self *self, struct tcp_conn *conn, uint8_t *to)
{
    if (!conn->rare->uto_due)
        return 0;
    conn->rare->uto_due = false;
    return write_option(self, conn, to);
}

/* §3: also when the SYN carried it, whose receiver may not have kept it. */
void tcp_uto_established(struct tn_self *self, struct tcp_conn *conn)
{
    if (is_enabled(self, conn) && tcp_rare(self, conn))
        conn->rare->uto_due = true;
}

/* ---- Receiving (§3.1) ---- */

void tcp_uto_received(struct tn_self *self, struct tcp_conn *conn, uint16_t value)
{
    uint32_t seconds = seconds_of(value);
    if (seconds > 0 && is_enabled(self, conn) && tcp_rare(self, conn))
        conn->rare->uto_received = seconds;
}

/* ---- The user ---- */

void tcp_uto_set(struct tn_self *self, struct tcp_conn *conn, int name, int n)
{
    struct tcp_rare *rare = conn->rare;
    switch (name) {
    case TN_TCP_UTO:
        rare->uto = n ? TCP_CHOICE_YES : TCP_CHOICE_NO;
        break;
    case TN_TCP_UTO_CHANGEABLE:
        rare->uto_changeable = n ? TCP_CHOICE_YES : TCP_CHOICE_NO;
        return;
    case TN_TCP_UTO_ADVERTISED:
        rare->uto_advertised = (uint32_t)n;
        break;
    default: /* TCP_USER_TIMEOUT */
        rare->user_timeout = (uint32_t)n;
        break;
    }
    if (!is_enabled(self, conn)) /* the flag counts for both directions */
        rare->uto_received = 0;
    rare->uto_due = is_enabled(self, conn) && conn->state >= TCP_ST_ESTABLISHED;
}

int tcp_uto_get(struct tn_self *self, const struct tcp_conn *conn, int name, int *n)
{
    const struct tcp_rare *rare = tcp_rare_of(conn);
    tn_time adopted = tcp_adopted_timeout(self, conn);
    switch (name) {
    case TCP_USER_TIMEOUT:
        *n = adopted ? (int)(adopted / TN_MSEC) : (int)rare->user_timeout;
        return 0;
    case TN_TCP_UTO:
        *n = is_enabled(self, conn);
        return 0;
    case TN_TCP_UTO_CHANGEABLE:
        *n = rare->uto_changeable ? rare->uto_changeable == TCP_CHOICE_YES : rare->user_timeout == 0;
        return 0;
    case TN_TCP_UTO_ADVERTISED:
        *n = (int)tn_min(tcp_advertised_timeout(self, conn) / TN_MSEC, INT32_MAX);
        return 0;
    case TN_TCP_UTO_RECEIVED:
        *n = (int)(rare->uto_received * 1000);
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}
