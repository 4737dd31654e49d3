"""Congestion control beside the kernel's, over a path with a narrow line (tests/goodput/relay.c):

    here: stack on a TAP - bridge - relay - peer: kernel sockets in a namespace of their own

Which algorithm is at work shows in what a loss does to the window. Routers that mark (ECN, RFC 3168) instead of dropping are heeded in
both directions, as far as either side wants it."""

import pathlib
import statistics
import struct
import subprocess
import time
import unittest

import harness
from harness import run

PEER = "10.0.7.2"
ECN_OFF, ECN_ON = 0, 1
TCPI_OPT_ECN = 8

# Takes octets from chargen or gives them to discard, for a while; prints what the kernel knows of the connection then.
TALK = """
import socket, sys, time
address, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
sock = socket.create_connection((address, port), timeout=10)
end, octets = time.monotonic() + seconds, 0
while time.monotonic() < end:
    octets += sock.send(bytes(1 << 16)) if port == 9 else len(sock.recv(1 << 16))
print(octets, sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256).hex())
"""


class Information:
    """struct tcp_info of linux/tcp.h."""

    def __init__(self, data):
        self.ecn = bool(data[5] & TCPI_OPT_ECN)
        self.retransmits = struct.unpack_from("I", data, 100)[0]
        self.marks_heard = struct.unpack_from("I", data, 196)[0]  # tcpi_delivered_ce


class PathCase(unittest.TestCase):
    def begin(self, tcp="{}", delay=5, rate=20, queue=40, mark=0, kernel_ecn=ECN_OFF):
        """A stack whose tcp has these options, a line of `rate` Mbit/s with that queue and delay (ms) in each direction."""
        self.peer = self.child(["unshare", "--net", "sleep", "300"])
        harness.wait_until(lambda: pathlib.Path(f"/proc/{self.peer.pid}/ns/net").readlink() !=
                           pathlib.Path("/proc/self/ns/net").readlink())
        relay = self.child([harness.BUILD / "tests" / "relay", "near0", "far0", str(delay), "0", str(rate), str(queue), "1", str(mark)],
                           stdout=subprocess.PIPE)
        self.addCleanup(relay.stdout.close)
        self.assertEqual(relay.stdout.readline(), b"ready\n")
        run("ip", "link", "set", "far0", "netns", self.peer.pid)
        self.inside("ip", "address", "add", PEER + "/24", "dev", "far0")
        self.inside("ip", "link", "set", "far0", "up", "txqueuelen", "10000")
        self.inside("sysctl", "-q", "-w", f"net.ipv4.tcp_ecn={kernel_ecn}")
        harness.make_tap()
        self.addCleanup(harness.remove_tap)
        run("ip", "link", "add", "br0", "type", "bridge")
        self.addCleanup(run, "ip", "link", "del", "br0", check=False)
        for device in (harness.TAP, "near0"):
            run("ip", "link", "set", device, "master", "br0", "up")
        run("ip", "link", "set", "br0", "up")
        self.stack = harness.Stack(harness.CONFIG.replace("tcp: {{}}", "tcp: " + tcp.replace("{", "{{").replace("}", "}}")))
        self.addCleanup(self.stack.stop)

    def child(self, command, **kwargs):
        process = subprocess.Popen(command, **kwargs)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def inside(self, *command):
        return run("nsenter", "-t", self.peer.pid, "-n", *command)

    def start(self, port, seconds):
        return self.child(["nsenter", "-t", str(self.peer.pid), "-n", "/usr/bin/python3", "-c", TALK, harness.STACK, str(port), str(seconds)],
                          stdout=subprocess.PIPE, text=True)

    def end(self, talk):
        octets, information = talk.communicate(timeout=60)[0].split()
        self.assertGreater(int(octets), 100_000)
        return Information(bytes.fromhex(information))

    def talk(self, port, seconds=1.5):
        return self.end(self.start(port, seconds))

    def connection(self):
        return next((r for r in self.stack.rows("sockets") if "cwnd" in r), None)


class Window(PathCase):
    def reductions(self, algorithm):
        """What is left of the window, as a part of it, at each loss that the narrow line's queue leads to."""
        self.begin(f"{{ congestion: {algorithm}, ecn: off }}", delay=10, rate=20, queue=30)
        talk = self.start(harness.CHARGEN, 5)
        harness.wait_until(self.connection, 5)
        before, parts = None, []
        while talk.poll() is None:
            now = self.connection()
            if now is None:
                break
            self.assertEqual(now["congestion"], algorithm)
            if before and "ssthresh" in before and now["ssthresh"] < before["cwnd"] and now["ssthresh"] != before["ssthresh"]:
                parts.append(int(now["ssthresh"]) / int(before["cwnd"]))
            before = now
            time.sleep(0.005)
        self.end(talk)
        self.assertGreater(self.stack.counter("tcp", "fast-recoveries"), 2)
        return parts

    def test_cubic_keeps_seven_tenths(self):
        """RFC 9438 §4.6"""
        parts = self.reductions("cubic")
        self.assertAlmostEqual(statistics.median(parts), 0.7, delta=0.06, msg=parts)

    def test_newreno_keeps_half(self):
        """RFC 5681 §3.1"""
        parts = self.reductions("newreno")
        self.assertAlmostEqual(statistics.median(parts), 0.5, delta=0.06, msg=parts)

    def test_cubic_fills_the_line(self):
        self.begin(delay=10, rate=20, queue=60)
        octets = int(self.start(harness.CHARGEN, 3).communicate(timeout=30)[0].split()[0])
        self.assertGreater(octets * 8 / 3, 20e6 * 0.8)


class Marks(PathCase):
    def test_marks_slow_the_stack_down_without_a_loss(self):
        self.begin("{ ecn: on }", mark=2, queue=1000, kernel_ecn=ECN_ON)
        information = self.talk(harness.CHARGEN)
        self.assertTrue(information.ecn)
        self.assertGreater(self.stack.counter("tcp", "ecn-reductions"), 2)
        self.assertEqual(self.stack.counter("tcp", "retransmits"), 0)

    def test_the_kernel_hears_of_marks_on_what_it_sends(self):
        self.begin("{ ecn: passive }", mark=2, queue=1000, kernel_ecn=ECN_ON)
        information = self.talk(harness.DISCARD)
        self.assertTrue(information.ecn)
        self.assertGreater(self.stack.counter("tcp", "ecn-marks-in"), 2)
        self.assertGreater(information.marks_heard, 0)
        self.assertEqual(information.retransmits, 0)

    def test_by_default_nothing_is_marked(self):
        self.begin(mark=100, queue=1000, kernel_ecn=ECN_ON)
        self.assertFalse(self.talk(harness.CHARGEN).ecn)
        self.assertEqual(self.stack.counter("tcp", "ecn-reductions"), 0)

    def test_a_kernel_that_does_not_want_it_gets_none(self):
        self.begin("{ ecn: on }", mark=100, queue=1000, kernel_ecn=ECN_OFF)
        self.assertFalse(self.talk(harness.CHARGEN).ecn)
        self.assertEqual(self.stack.counter("tcp", "ecn-reductions"), 0)


if __name__ == "__main__":
    harness.main()
