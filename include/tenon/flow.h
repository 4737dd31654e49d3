/* flow.h: what is left, or not yet more, of a connection than its four-tuple and a few numbers.
 *
 * A handshake that is not complete and a connection that only waits for stray segments need no socket: nobody sends or
 * receives by them, and there may be very many. A transport keeps such a thing in a record of its own that begins with a
 * struct tn_flow. The core finds it by the addresses and ports of a packet, after the sockets, and counts its local port
 * as taken.
 *
 * Kinds of records are made once, by core->flows_create(). The two addresses lie behind the record, as long as those of the
 * family are, which is why a record for IPv4 is 24 bytes shorter than one for IPv6. Records do not move. They belong to the
 * core and outlive the code that uses them. */
#ifndef TENON_FLOW_H
#define TENON_FLOW_H

#include "tenon/types.h"

struct tn_flow {
    void *next; /* the core's: in the table */
    uint32_t hash;
    uint16_t local_port;
    uint16_t remote_port;
    uint16_t vrf;
    uint8_t family : 4;
    uint8_t found : 1;  /* the core's: is in the table */
    uint8_t held : 1;   /* … and holds its local port */
    uint8_t shared : 1; /* … which its socket was ready to share (SO_REUSEADDR) */
    uint8_t mark : 1;   /* the transport's own */
    uint8_t kind;       /* as core->flows_create() said */
    uint32_t time;      /* the transport's own, too */
};

#endif
