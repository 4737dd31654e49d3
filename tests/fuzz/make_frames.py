"""Writes the seeds of fuzz_frames (see there for the format): everyday conversations, made with scapy.

    /usr/bin/python3 tests/fuzz/make_frames.py
"""

import pathlib
import struct

from scapy.all import ARP, ICMP, IP, TCP, UDP, Ether, Raw, fragment

HERE = pathlib.Path(__file__).resolve().parent / "corpus" / "frames"
STACK, PEER, MAC, PEER_MAC = "10.0.7.7", "10.0.7.1", "02:00:00:00:07:07", "02:00:00:00:07:01"
AS_IT_IS, CHECKSUMS, ACKNOWLEDGED, TIME = range(4)


def record(what, frame):
    data = bytes(frame)
    return struct.pack(">BH", what, len(data)) + data


def wait(milliseconds):
    return struct.pack(">BH", TIME, milliseconds)


def ether(dst=MAC):
    return Ether(src=PEER_MAC, dst=dst)


def ip(**kwargs):
    return ether() / IP(src=PEER, dst=STACK, **kwargs)


def arp(op, dst="ff:ff:ff:ff:ff:ff"):
    return record(AS_IT_IS, ether(dst) / ARP(op=op, hwsrc=PEER_MAC, psrc=PEER, hwdst=MAC, pdst=STACK))


def tcp(flags, seq, data=b"", port=7, options=(), window=65535, what=ACKNOWLEDGED):
    segment = TCP(sport=1000, dport=port, flags=flags, seq=seq, window=window, options=list(options))
    return record(what, ip() / segment / Raw(data))


def igmp(dst, message):
    """With the router alert option (RFC 2113), to the group's link address."""
    mac = "01:00:5e:%02x:%02x:%02x" % tuple(int(n) & (0x7f if i == 0 else 0xff) for i, n in enumerate(dst.split(".")[1:]))
    return record(CHECKSUMS, Ether(src=PEER_MAC, dst=mac) / IP(src=PEER, dst=dst, ttl=1, proto=2, options=[b"\x94\x04\x00\x00"])
                  / Raw(bytes.fromhex(message)))


OPTIONS = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 0)), ("NOP", None), ("WScale", 7)]
OPEN = arp(1) + tcp("S", 100, options=OPTIONS, what=CHECKSUMS) + tcp("A", 101)

SEEDS = {
    "arp-request": arp(1),
    "arp-reply": arp(2, MAC),
    "ping": arp(1) + record(CHECKSUMS, ip() / ICMP() / Raw(b"ping" * 14)),
    "icmp-port-unreachable": record(CHECKSUMS, ip() / ICMP(type=3, code=3) / IP(src=STACK, dst=PEER) / UDP(sport=7, dport=9)),
    "icmp-too-big": record(CHECKSUMS, ip() / ICMP(type=3, code=4, nexthopmtu=600) / IP(src=STACK, dst=PEER) / TCP(sport=7)),
    "icmp-timestamp": arp(1) + record(CHECKSUMS, ip() / ICMP(type=13, id=3, seq=4, ts_ori=5)),
    "icmp-redirect": arp(1) + record(CHECKSUMS, ip() / ICMP(type=5, code=1, gw="10.0.7.2") / IP(src=STACK, dst="192.0.2.9") / UDP(sport=7, dport=9)),
    "igmp-query-3": arp(1) + igmp("224.0.0.1", "11 64 0000 00000000 02 7d 0000") + wait(12000),
    "igmp-query-3-group": arp(1) + igmp("239.1.2.3", "11 05 0000 ef010203 02 7d 0001 c0000201") + wait(2000),
    "igmp-query-2": arp(1) + igmp("224.0.0.1", "11 64 0000 00000000") + wait(12000),
    "igmp-query-1": arp(1) + igmp("224.0.0.1", "11 00 0000 00000000") + wait(12000),
    "igmp-report-2": arp(1) + igmp("224.0.0.1", "11 64 0000 00000000") + igmp("239.1.2.3", "16 00 0000 ef010203") + wait(12000),
    "forwarded": arp(1) + record(CHECKSUMS, ether() / IP(src=PEER, dst="192.0.2.9", ttl=9) / UDP(sport=1000, dport=7) / Raw(b"on"))
                 + wait(5000),
    "forwarded-to-its-end": arp(1) + record(CHECKSUMS, ether() / IP(src=PEER, dst="192.0.2.9", ttl=1) / UDP(sport=1000, dport=7)),
    "source-route": arp(1) + record(CHECKSUMS, ip(options=[b"\x83\x07\x04\x0a\x00\x07\x02\x00"]) / ICMP()),
    "udp-echo": arp(1) + record(CHECKSUMS, ip() / UDP(sport=1000, dport=7) / Raw(b"hello")),
    "udp-daytime": arp(1) + record(CHECKSUMS, ip() / UDP(sport=1000, dport=13)),
    "udp-chargen": arp(1) + record(CHECKSUMS, ip() / UDP(sport=1000, dport=19)),
    "udp-closed": arp(1) + record(CHECKSUMS, ip() / UDP(sport=1000, dport=4) / Raw(b"x")),
    "udp-fragments": arp(1) + b"".join(record(CHECKSUMS, ether() / f) for f in fragment(
        IP(src=PEER, dst=STACK, id=5) / UDP(sport=1000, dport=7) / Raw(b"x" * 3000), 1000)),
    "ip-options": arp(1) + record(CHECKSUMS, ip(options=[b"\x94\x04\x00\x00"]) / ICMP()),
    "ip-unknown-protocol": arp(1) + record(CHECKSUMS, ip(proto=200) / Raw(b"x" * 20)),
    "snap": record(AS_IT_IS, Raw(bytes.fromhex("020000000707020000000701") + b"\x00\x20\xaa\xaa\x03\x00\x00\x00\x08\x00" + b"x" * 24)),
    "tcp-open-close": OPEN + tcp("FA", 101) + tcp("A", 102),
    "tcp-echo": OPEN + tcp("PA", 101, b"hello") + tcp("A", 106) + tcp("FA", 106) + tcp("A", 107),
    "tcp-out-of-order": OPEN + tcp("PA", 106, b"world") + tcp("PA", 101, b"hello") + tcp("A", 111),
    "tcp-reset": OPEN + tcp("PA", 101, b"hello") + tcp("R", 106),
    "tcp-timeouts": OPEN + tcp("PA", 101, b"hello") + wait(5000) + wait(60000),
    "tcp-zero-window": arp(1) + tcp("S", 100, port=19, options=OPTIONS, what=CHECKSUMS) + tcp("A", 101, port=19, window=0) +
    wait(3000) + tcp("A", 101, port=19, window=3000) + wait(1000),
    "tcp-sack": arp(1) + tcp("S", 100, port=19, options=OPTIONS, what=CHECKSUMS) + tcp("A", 101, port=19) + tcp(
        "A", 101, port=19, options=[("NOP", None), ("NOP", None), ("SAck", (5, 10))], what=CHECKSUMS),
    "tcp-daytime": arp(1) + tcp("S", 100, port=13, what=CHECKSUMS) + tcp("A", 101, port=13) + tcp("FA", 101, port=13),
    "tcp-closed-port": arp(1) + tcp("S", 100, port=4, what=CHECKSUMS),
    "tcp-simultaneous-fin": OPEN + tcp("FPA", 101, b"bye") + wait(500),
}


def main():
    HERE.mkdir(parents=True, exist_ok=True)
    for name, data in SEEDS.items():
        (HERE / name).write_bytes(data)
    print(f"{len(SEEDS)} seeds in {HERE}")


if __name__ == "__main__":
    main()
