"""How the stack stands floods: of SYNs from addresses that nobody has, and of what attackers send to any host."""

import random
import socket
import struct
import unittest

import harness
from test_process import process_status

FLOOD = 6000  # well beyond syn-backlog


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def syn(source, port, destination=harness.STACK):
    """A SYN with its IP header; the kernel fills in that header's checksum."""
    source, destination = source.to_bytes(4, "big"), socket.inet_aton(destination)
    tcp = bytearray(struct.pack(">HHIIBBHHHBBH", port, harness.ECHO, random.getrandbits(32), 0, 6 << 4, 2, 65535, 0, 0, 2, 4, 1460))
    tcp[16:18] = struct.pack(">H", checksum(source + destination + struct.pack(">HH", 6, len(tcp)) + tcp))
    return struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, source, destination) + tcp


class Attack(harness.StackCase):
    # conformance: 4987 3.6 cookie; 4987 3.6 overflow
    def test_flood_of_syns_does_not_keep_anybody_out(self):
        flood = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        with flood:
            for i in range(FLOOD):
                flood.sendto(syn(0xC6120000 + i, 1024 + i), (harness.STACK, 0))  # 198.18.0.0/15 is for benchmarks
        harness.wait_until(lambda: self.stack.counter("tcp", "syn-cookies-sent") > 0, 10, "the SYN queue overflows")
        half_open = [r for r in self.stack.rows("sockets") if r["state"] == "SYN-RECEIVED"]
        self.assertLessEqual(len(half_open), 1024)
        taken = self.stack.counter("tcp", "syn-cookies-taken")
        for _ in range(5):
            with harness.connect() as sock:
                sock.sendall(bytes(300_000))
                self.assertEqual(harness.receive_exactly(sock, 300_000), bytes(300_000))
        self.assertEqual(self.stack.counter("tcp", "syn-cookies-taken") - taken, 5)


class Floods(harness.StackCase):
    """Of everything that is not TCP, from addresses that nobody has: the others' traffic goes on meanwhile, memory is bounded,
    and every packet that was dropped has its reason."""

    COUNT = 10_000

    def setUp(self):
        super().setUp()
        self.link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        self.addCleanup(self.link.close)
        self.link.bind((harness.TAP, 0))
        self.rng = random.Random(11)

    def resident(self):
        return int(process_status(self.stack.yaml)["VmRSS"].split()[0])

    def ether(self, kind, payload):
        stranger = b"\2" + self.rng.randbytes(5)
        return bytes.fromhex(harness.MAC.replace(":", "")) + stranger + struct.pack(">H", kind) + payload

    def ip(self, protocol, payload, fragment=0):
        header = bytearray(struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), self.rng.getrandbits(16), fragment, 64, protocol, 0,
                                       b"\xc6\x12" + self.rng.randbytes(2), socket.inet_aton(harness.STACK)))
        header[10:12] = struct.pack(">H", checksum(header))
        return self.ether(0x0800, bytes(header) + payload)

    def arp(self):
        return self.ether(0x0806, struct.pack(">HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, b"\2" + self.rng.randbytes(5),
                                              bytes((10, 0, 7, self.rng.randrange(20, 255))), bytes(6), socket.inet_aton(harness.STACK)))

    def fragment(self):
        return self.ip(17, self.rng.randbytes(8 * self.rng.randrange(1, 180)), 0x2000 | self.rng.randrange(0, 8000))

    def unreachable(self):
        quote = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 1500, 0, 0x4000, 64, 6, 0, socket.inet_aton(harness.STACK), b"\xc6\x12" + self.rng.randbytes(2))
        message = bytearray(struct.pack(">BBHHH", 3, self.rng.randrange(16), 0, 0, 600) + quote + self.rng.randbytes(8))
        message[2:4] = struct.pack(">H", checksum(message))
        return self.ip(1, bytes(message))

    def datagram(self):
        return self.ip(17, struct.pack(">HHHH", 1000, 4, 16, 0) + bytes(8))

    def flood(self, make):
        frames = [make() for _ in range(2000)]
        before = self.resident()
        transfer = harness.EchoTransfer(2_000_000)
        for i in range(self.COUNT):
            self.link.send(frames[i % len(frames)])
            if i % 1000 == 0:
                with harness.connect() as sock:
                    self.echo_works(sock)
        harness.run_transfers([transfer])
        transfer.close()
        self.assertEqual({row["state"] for row in self.stack.rows("addresses")}, {"in use"})
        if harness.cache_variable("TENON_SANITIZE") != "ON":
            self.assertLess(self.resident() - before, 32 * 1024)

    def test_requests_of_strangers(self):
        self.flood(self.arp)

    def test_fragments_of_nothing(self):
        self.flood(self.fragment)
        self.assertGreater(self.stack.drops()["ipv4", "reassembly-limit"], self.COUNT // 2)

    def test_unreachables_about_nothing(self):
        self.flood(self.unreachable)
        self.assertEqual(self.stack.rows("path-mtus"), [])

    def test_datagrams_to_nobody(self):
        before = self.stack.counter("icmp", "errors-out")
        self.flood(self.datagram)
        self.assertLess(self.stack.counter("icmp", "errors-out") - before, 5000)
        self.assertGreater(self.stack.counter("icmp", "errors-limited"), self.COUNT // 2)


if __name__ == "__main__":
    harness.main()
