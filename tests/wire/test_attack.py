"""What a stack takes when it is idle, and how it stands a flood of SYNs from addresses that nobody has."""

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


class Idle(harness.StackCase):
    def test_idle_stack_takes_less_than_8_megabytes(self):
        if harness.cache_variable("TENON_SANITIZE") == "ON":
            self.skipTest("sanitizers take more")
        resident = int(process_status(self.stack.yaml)["VmRSS"].split()[0])
        self.assertLess(resident, 8 * 1024)


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


if __name__ == "__main__":
    harness.main()
