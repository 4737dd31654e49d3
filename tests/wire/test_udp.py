"""The UDP services, asked by kernel sockets and by the usual tools."""

import re
import socket
import unittest

import harness
from harness import run


def udp(port, address=harness.STACK, timeout=2):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(timeout)
    sock.connect((address, port))
    return sock


class Udp(harness.StackCase):
    def ask(self, port, data, **kwargs):
        with udp(port, **kwargs) as sock:
            sock.send(data)
            return sock.recv(65536)

    def test_echo(self):
        self.assertEqual(self.ask(harness.ECHO, b"hello"), b"hello")

    def test_echo_of_every_size(self):
        for size in (0, 1, 2, 17, 511, 1024, 1471, 1472):
            with self.subTest(size=size):
                data = bytes(harness.pattern(size, size))
                self.assertEqual(self.ask(harness.ECHO, data), data)

    def test_echo_from_the_address_that_was_asked(self):
        # connect() makes the kernel refuse an answer from another address.
        self.assertEqual(self.ask(harness.ECHO, b"second", address=harness.SECOND), b"second")

    def test_echo_of_many_in_order(self):
        with udp(harness.ECHO) as sock:
            for i in range(500):
                sock.send(b"%d" % i)
                self.assertEqual(sock.recv(100), b"%d" % i)

    def test_echo_of_a_burst(self):
        with udp(harness.ECHO) as sock:
            for i in range(64):
                sock.send(b"%d" % i)
            self.assertEqual([sock.recv(100) for _ in range(64)], [b"%d" % i for i in range(64)])

    def test_checksum_can_be_left_out(self):
        # RFC 768: a sender may send none over IPv4.
        with udp(harness.ECHO) as sock:
            so_no_check = 11
            sock.setsockopt(socket.SOL_SOCKET, so_no_check, 1)
            sock.send(b"unchecked")
            self.assertEqual(sock.recv(100), b"unchecked")

    def test_discard_answers_nothing(self):
        with udp(harness.DISCARD, timeout=0.3) as sock:
            sock.send(b"into the void")
            with self.assertRaises(TimeoutError):
                sock.recv(100)

    def test_daytime(self):
        self.assertRegex(self.ask(harness.DAYTIME, b"?").decode(), r"\d\d:\d\d:\d\d")

    def test_chargen_has_at_most_512_bytes(self):
        # RFC 864: 0 to 512 characters.
        answer = self.ask(harness.CHARGEN, b"?")
        self.assertLessEqual(len(answer), 512)

    def test_closed_port_is_refused(self):
        with udp(4) as sock:
            sock.send(b"anybody?")
            with self.assertRaises(ConnectionRefusedError):
                sock.recv(100)

    def test_socat(self):
        done = run("socat", "-t1", "-", f"udp:{harness.STACK}:7", input="by socat\n")
        self.assertEqual(done.stdout, "by socat\n")

    def test_netcat(self):
        done = run("nc", "-u", "-w", "1", harness.STACK, "7", input="by netcat\n")
        self.assertEqual(done.stdout, "by netcat\n")


if __name__ == "__main__":
    harness.main()
