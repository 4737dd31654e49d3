"""The TCP services, asked by kernel sockets and by the usual tools."""

import os
import select
import socket
import struct
import threading
import time
import unittest

import harness
from harness import connect, run


class Tcp(harness.StackCase):
    def test_echo(self):
        self.echo_works(text=b"hello")

    def test_second_address(self):
        with connect(harness.SECOND) as sock:
            self.assertEqual(sock.getpeername()[0], harness.SECOND)
            self.echo_works(sock)

    def test_echo_of_10_megabytes(self):
        transfer = harness.EchoTransfer(10_000_000)
        harness.run_transfers([transfer])
        self.assertIsNone(transfer.problem)
        self.assertEqual(transfer.received, 10_000_000)
        transfer.close()

    def test_echo_of_every_small_size(self):
        with connect() as sock:
            for size in [*range(1, 40), 535, 536, 537, 1447, 1448, 1449, 1459, 1460, 1461, 2920, 65535]:
                data = bytes(harness.pattern(size, size))
                sock.sendall(data)
                self.assertEqual(harness.receive_exactly(sock, size), data)

    def test_half_close_brings_the_rest_and_then_the_end(self):
        data = bytes(harness.pattern(1, 300_000))
        with connect() as sock:
            writer = threading.Thread(target=lambda: (sock.sendall(data), sock.shutdown(socket.SHUT_WR)))
            writer.start()
            self.assertEqual(harness.receive_all(sock), data)
            writer.join()

    def test_daytime_is_one_line_and_then_the_end(self):
        with connect(port=harness.DAYTIME) as sock:
            self.assertRegex(harness.receive_all(sock).decode(), r"^[^\n]*\d\d:\d\d:\d\d[^\n]*\n$")

    def test_discard_takes_everything_and_says_nothing(self):
        with connect(port=harness.DISCARD) as sock:
            sock.sendall(bytes(5_000_000))
            sock.shutdown(socket.SHUT_WR)
            self.assertEqual(harness.receive_all(sock), b"")

    def test_chargen_goes_on_and_on(self):
        # RFC 864's recommended pattern: lines of 72 characters, each starting one character further.
        with connect(port=harness.CHARGEN) as sock:
            data = harness.receive_exactly(sock, 200_000)
        lines = data.split(b"\r\n")
        self.assertTrue(all(len(line) == 72 for line in lines[:-1]))
        self.assertEqual(lines[1][:-1], lines[0][1:])
        self.assertEqual(lines[0], lines[95])

    def test_slow_reader_gets_every_byte(self):
        """The window closes, stays closed, and opens again."""
        with connect(port=harness.CHARGEN) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            time.sleep(1.5)
            data = harness.receive_exactly(sock, 500_000)
        lines = data.split(b"\r\n")
        self.assertTrue(all(line == lines[i % 95] for i, line in enumerate(lines[:-1])))

    def test_echo_whose_answers_are_not_read_does_not_grow_without_end(self):
        with connect() as sock:
            sock.setblocking(False)
            sent, quiet = 0, 0
            while quiet < 10 and sent < 100_000_000:
                if select.select([], [sock], [], 0.1)[1]:
                    sent += sock.send(bytes(65536))
                    quiet = 0
                else:
                    quiet += 1
            self.assertLess(sent, 100_000_000)
            sock.setblocking(True)
            sock.settimeout(10)
            self.assertEqual(harness.receive_exactly(sock, sent), bytes(sent))
            self.echo_works(sock)
        self.echo_works()

    def test_closed_port_is_refused(self):
        with self.assertRaises(ConnectionRefusedError):
            connect(port=4)

    def test_many_short_connections(self):
        for _ in range(300):
            with connect(port=harness.DAYTIME) as sock:
                self.assertTrue(harness.receive_all(sock))

    def test_many_connections_at_a_time(self):
        transfers = [harness.EchoTransfer(50_000, start=i) for i in range(200)]
        harness.run_transfers(transfers)
        self.assertEqual([t.problem for t in transfers if t.problem], [])
        for transfer in transfers:
            transfer.close()

    def test_resets_leave_no_socket_behind(self):
        def sockets():
            return self.stack.usage()["sockets"]

        harness.wait_until(lambda: all(r["state"] in ("LISTEN", "TIME-WAIT", "BOUND") for r in self.stack.rows("sockets")), 10)
        before = sockets()
        for _ in range(50):
            sock = connect()
            sock.sendall(b"x" * 100)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        harness.wait_until(lambda: sockets() <= before, 5, "the sockets are gone")

    def test_close_by_the_client_leaves_no_socket_behind(self):
        before = self.stack.usage()["sockets"]
        for _ in range(50):
            with connect() as sock:
                sock.sendall(b"x")
                sock.recv(1)
        harness.wait_until(lambda: self.stack.usage()["sockets"] <= before, 5, "the sockets are gone")

    def test_socat(self):
        data = os.urandom(1_000_000).hex()
        self.assertEqual(run("socat", "-t10", "-", f"tcp:{harness.STACK}:7", input=data).stdout, data)

    def test_netcat(self):
        self.assertEqual(run("nc", "-N", harness.STACK, "7", input="by netcat\n").stdout, "by netcat\n")


class BadRoad(harness.StackCase):
    """Loss, duplication and reordering in the kernel's queue towards the stack."""

    def test_echo_over_loss_and_reordering(self):
        done = run("tc", "qdisc", "add", "dev", harness.TAP, "root", "netem", "delay", "2ms", "loss", "2%", "duplicate", "1%",
                   "reorder", "10%", check=False)
        if done.returncode != 0:
            self.skipTest("this kernel has no netem: " + done.stderr.strip())
        try:
            transfer = harness.EchoTransfer(2_000_000)
            harness.run_transfers([transfer], timeout=90)
            self.assertIsNone(transfer.problem)
            transfer.close()
        finally:
            run("tc", "qdisc", "del", "dev", harness.TAP, "root")


if __name__ == "__main__":
    harness.main()
