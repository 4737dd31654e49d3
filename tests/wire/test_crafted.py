"""Frames that no well-behaved host sends, and those whose answer the kernel would not show: made with scapy."""

import logging
import random
import unittest

logging.getLogger("scapy").setLevel(logging.ERROR)
from scapy.all import ARP, ICMP, IP, TCP, UDP, Ether, Raw  # noqa: E402

import harness  # noqa: E402
from crafted import Peer  # noqa: E402

PEER = Peer.ip
STACK = harness.STACK


def ip(**kwargs):
    return IP(**{"src": PEER, "dst": STACK, "id": 1, **kwargs})


def cut(packet, length):
    return Raw(bytes(packet)[:length])


def patched(packet, **patches):
    """The packet's bytes with single ones replaced: at_3=0x45."""
    data = bytearray(bytes(packet))
    for where, value in patches.items():
        data[int(where.removeprefix("at_"))] = value
    return Raw(bytes(data))


class CraftedCase(harness.StackCase):
    # What the stack says of its own accord would be taken for an answer.
    config = harness.CONFIG.replace("arp: {{}}", "arp: {{ conflict-detection: off }}")

    def setUp(self):
        super().setUp()
        self.peer = Peer()
        self.addCleanup(self.peer.close)
        self.peer.introduce()


class Silent(CraftedCase):
    """Each of these is dropped without a word and counted once, under a reason."""

    def assert_silent(self, cases, layer):
        for name, packet in cases.items():
            with self.subTest(name):
                before = sum(self.stack.drops().values())
                frame = layer / packet
                self.assertEqual([f.summary() for f in self.peer.answers(frame)], [])
                self.assertEqual(sum(self.stack.drops().values()), before + 1, f"counted once: {self.stack.drops()}")

    def test_link_layer(self):
        self.assert_silent({
            "a type nobody takes": Raw(b"x" * 46),
        }, self.peer.ether(type=0x88B6))
        self.assert_silent({"an empty IPv4 frame": Raw(b"")}, self.peer.ether(type=0x0800))
        self.assert_silent({"an empty ARP frame": Raw(b"")}, self.peer.ether(type=0x0806))

    def test_frame_to_another_host(self):
        self.assertEqual(self.peer.answers(self.peer.ether("02:00:00:00:00:55") / ip() / ICMP()), [])

    def test_arp(self):
        request = ARP(op=1, hwsrc=self.peer.mac, psrc=PEER, pdst=STACK)
        self.assert_silent({
            "cut short": cut(request, 27),
            "of hardware 2": ARP(hwtype=2, op=1, hwsrc=self.peer.mac, psrc=PEER, pdst=STACK),
            "for another protocol": ARP(ptype=0x86DD, op=1, hwsrc=self.peer.mac, psrc=PEER, pdst=STACK),
            "with 8-byte link addresses": patched(request, at_4=8),
            "with 16-byte addresses": patched(request, at_5=16),
        }, self.peer.ether())

    def test_ipv4(self):
        good = ip() / ICMP()
        self.assert_silent({
            "cut in the header": cut(good, 19),
            "version 5": patched(good, at_0=0x55),
            "header length 16": patched(good, at_0=0x44),
            "header longer than the packet": patched(good, at_0=0x4F),
            "total length beyond the frame": ip(len=2000) / ICMP(),
            "total length less than the header": ip(len=19) / ICMP(),
            "wrong header checksum": ip(chksum=0x1234) / ICMP(),
            "to somebody else": ip(dst="10.0.7.55") / ICMP(),
            "from a multicast address": ip(src="224.0.0.5") / ICMP(),
            "from the broadcast address": ip(src="255.255.255.255") / ICMP(),
            "from the subnet's broadcast address": ip(src="10.0.7.255") / ICMP(),
            "from the loopback network": ip(src="127.0.0.1") / ICMP(),
            "from itself": ip(src=STACK) / ICMP(),
            "from 0.0.0.0": ip(src="0.0.0.0") / ICMP(),
            "to the loopback network": ip(dst="127.0.0.1") / ICMP(),
        }, self.peer.ether(type=0x0800))

    def test_icmp(self):
        self.assert_silent({
            "cut short": cut(ip(len=24) / ICMP(), 24),
            "wrong checksum": ip() / ICMP(chksum=0x1234) / Raw(b"ping"),
            "unknown type": ip() / ICMP(type=200),
        }, self.peer.ether(type=0x0800))

    def test_udp(self):
        self.assert_silent({
            "cut short": cut(ip(len=24) / UDP(sport=1000, dport=7), 24),
            "length 7": ip() / UDP(sport=1000, dport=7, len=7) / Raw(b"x"),
            "length beyond the packet": ip() / UDP(sport=1000, dport=7, len=100) / Raw(b"x"),
            "wrong checksum": ip() / UDP(sport=1000, dport=7, chksum=0x1234) / Raw(b"x"),
        }, self.peer.ether(type=0x0800))

    def test_tcp(self):
        syn = TCP(sport=1000, dport=7, flags="S", seq=1)
        self.assert_silent({
            "cut short": cut(ip(len=39) / syn, 39),
            "header length 16": ip() / TCP(sport=1000, dport=7, flags="S", dataofs=4),
            "header longer than the segment": ip() / TCP(sport=1000, dport=7, flags="S", dataofs=15),
            "wrong checksum": ip() / TCP(sport=1000, dport=7, flags="S", chksum=0x1234),
            "to the broadcast address": ip(dst="10.0.7.255") / syn,
        }, self.peer.ether(type=0x0800))
        # RFC 9293 MUST-57: also when only the frame was a broadcast.
        self.assert_silent({"in a broadcast frame": ip() / syn}, self.peer.ether("ff:ff:ff:ff:ff:ff", type=0x0800))


class Answered(CraftedCase):
    def icmp_error(self, frame):
        self.peer.send(frame)
        return self.peer.expect(lambda f: ICMP in f and f[ICMP].type == 3, "an ICMP unreachable")

    def test_unknown_protocol_is_unreachable(self):
        sent = ip(proto=253) / Raw(b"12345678")
        error = self.icmp_error(self.peer.ether() / sent)
        self.assertEqual((error[ICMP].code, error[IP].src, error[IP].dst), (2, STACK, PEER))
        # RFC 792: the IP header and at least 8 bytes of what was refused.
        self.assertIn(bytes(sent)[12:28], bytes(error[ICMP].payload))

    def test_unknown_port_is_unreachable(self):
        error = self.icmp_error(self.peer.ether() / ip() / UDP(sport=1000, dport=4) / Raw(b"anybody?"))
        self.assertEqual(error[ICMP].code, 3)

    def test_no_error_for_what_was_broadcast(self):
        for dst, frame_dst in (("10.0.7.255", "ff:ff:ff:ff:ff:ff"), (STACK, "ff:ff:ff:ff:ff:ff")):
            packet = self.peer.ether(frame_dst) / ip(dst=dst) / UDP(sport=1000, dport=4) / Raw(b"anybody?")
            self.assertEqual([f.summary() for f in self.peer.answers(packet)], [])

    def test_no_error_for_a_fragment_that_is_not_the_first(self):
        packet = self.peer.ether() / ip(proto=253, frag=100) / Raw(b"12345678")
        self.assertEqual([f.summary() for f in self.peer.answers(packet)], [])

    def test_no_error_about_an_error(self):
        quoted = ip(src=STACK, dst=PEER, proto=253) / Raw(b"12345678")
        packet = self.peer.ether() / ip() / ICMP(type=3, code=2) / quoted
        self.assertEqual([f.summary() for f in self.peer.answers(packet)], [])

    def test_errors_are_limited(self):
        """A flood of refused datagrams does not become a flood of errors (RFC 1812 §4.3.2.8)."""
        for i in range(300):
            self.peer.send(self.peer.ether() / ip(id=i) / UDP(sport=1000, dport=4) / Raw(b"anybody?"))
        errors = [f for f in self.peer.frames(0.5) if ICMP in f and f[ICMP].type == 3]
        self.assertLess(len(errors), 150)

    def test_echo_reply_carries_identifier_sequence_and_data(self):
        self.peer.send(self.peer.ether() / ip() / ICMP(id=0x1234, seq=7) / Raw(b"the same bytes"))
        reply = self.peer.expect(lambda f: ICMP in f and f[ICMP].type == 0, "an echo reply")
        self.assertEqual((reply[ICMP].id, reply[ICMP].seq, bytes(reply[ICMP].payload)[:14]), (0x1234, 7, b"the same bytes"))

    def test_link_padding_is_not_data(self):
        self.peer.send(bytes(self.peer.ether() / ip() / UDP(sport=1000, dport=7) / Raw(b"abc")) + b"\xff" * 15)
        reply = self.peer.expect(lambda f: UDP in f, "a datagram")
        self.assertEqual(reply[UDP].len, 11)

    def test_syn_to_a_closed_port_is_reset(self):
        self.peer.send(self.peer.ether() / ip() / TCP(sport=1000, dport=4, flags="S", seq=100))
        reply = self.peer.expect(lambda f: TCP in f, "a reset")
        # RFC 9293 §3.10.7.1: sequence 0, acknowledging the SYN.
        self.assertEqual((str(reply[TCP].flags), reply[TCP].seq, reply[TCP].ack), ("RA", 0, 101))

    def test_ack_to_a_closed_port_is_reset_at_its_number(self):
        self.peer.send(self.peer.ether() / ip() / TCP(sport=1000, dport=4, flags="A", seq=100, ack=5000))
        reply = self.peer.expect(lambda f: TCP in f, "a reset")
        self.assertEqual((str(reply[TCP].flags), reply[TCP].seq), ("R", 5000))

    def test_handshake_with_odd_options(self):
        options = [("NOP", None), (200, b"abcd"), ("MSS", 700), ("EOL", None)]
        self.peer.send(self.peer.ether() / ip() / TCP(sport=1001, dport=7, flags="S", seq=100, options=options))
        reply = self.peer.expect(lambda f: TCP in f, "a SYN-ACK")
        self.assertEqual((str(reply[TCP].flags), reply[TCP].ack), ("SA", 101))
        self.assertIn("MSS", dict(o for o in reply[TCP].options if isinstance(o, tuple)))
        self.peer.send(self.peer.ether() / ip() / TCP(sport=1001, dport=7, flags="R", seq=101))


class Garbage(CraftedCase):
    """Random damage. The seed is printed by the failure; TENON_SEED repeats it."""

    def samples(self):
        return [bytes(frame) for frame in (
            self.peer.ether() / ARP(op=1, hwsrc=self.peer.mac, psrc=PEER, pdst=STACK),
            self.peer.ether() / ip() / ICMP() / Raw(b"ping" * 10),
            self.peer.ether() / ip() / ICMP(type=3, code=3) / ip(src=STACK, dst=PEER) / UDP(sport=7, dport=9) / Raw(b"x" * 20),
            self.peer.ether() / ip() / UDP(sport=1000, dport=7) / Raw(b"datagram"),
            self.peer.ether() / ip(options=[]) / TCP(sport=1000, dport=7, flags="S", options=[("MSS", 1460), ("WScale", 7)]),
            self.peer.ether() / ip() / TCP(sport=1000, dport=7, flags="PA", seq=5, ack=9) / Raw(b"data" * 50),
            self.peer.ether() / ip(flags="MF", frag=3) / Raw(b"fragment" * 4),
        )]

    def damage(self, rng, frame):
        data = bytearray(frame)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(12, len(data))] = rng.randrange(256)
        if rng.random() < 0.3:
            data = data[:rng.randint(14, len(data))]
        if rng.random() < 0.1:
            data += rng.randbytes(rng.randint(1, 200))
        return bytes(data)

    def test_stack_survives_damaged_frames(self):
        import os
        seed = int(os.environ.get("TENON_SEED", random.randrange(1 << 32)))
        rng = random.Random(seed)
        samples = self.samples()
        with self.subTest(seed=seed), harness.connect() as sock:
            for i in range(5000):
                self.peer.send(self.damage(rng, rng.choice(samples)))
                if i % 500 == 0:
                    self.echo_works(sock)
            self.echo_works(sock)
            self.echo_works()


if __name__ == "__main__":
    harness.main()
