"""Super-frames and checksums that are left undone between stack and kernel: what the kernel makes of them when it sends them on.

    client (a namespace of its own) -- veth, without offloads -- here, a router -- TAP with offloads -- stack

The kernel here completes the checksums of the stack's frames and cuts its super-frames, by what the virtio-net header said; a
capture at the client sees the result. The client's own super-frames are forwarded to the stack whole."""

import pathlib
import signal
import subprocess
import time
import unittest

import harness
import isolate
from harness import run

CLIENT, ROUTER = "10.9.0.2", "10.9.0.1"

# Sends a pattern of its own to echo and compares; to chargen it listens for a while.
POUR = """
import socket, sys
sock = socket.create_connection((sys.argv[1], 9), timeout=20)
sock.sendall(bytes(int(sys.argv[2])))
sock.shutdown(socket.SHUT_WR)
assert sock.recv(1) == b""
"""

TALK = """
import socket, sys, threading
sent = bytes((7 * i + i // 251) % 256 for i in range(500_000))
sock = socket.create_connection((sys.argv[1], 7), timeout=20)
threading.Thread(target=lambda: (sock.sendall(sent), sock.shutdown(socket.SHUT_WR))).start()
got = b"".join(iter(lambda: sock.recv(1 << 20), b""))
assert got == sent, (len(got), len(sent))
sock = socket.create_connection((sys.argv[1], 19), timeout=20)
left = 500_000
while left > 0:
    left -= len(sock.recv(1 << 16))
sock.close()
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.settimeout(5)
datagrams.connect((sys.argv[1], 7))
for size in (1, 17, 500, 1472):
    datagrams.send(bytes(size))
    assert datagrams.recv(2000) == bytes(size)
datagrams.setsockopt(17, 103, 500)  # UDP_SEGMENT
datagrams.send(bytes(2100))
assert sorted(len(datagrams.recv(2000)) for _ in range(5)) == [100, 500, 500, 500, 500]
"""


class Router(harness.StackCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = subprocess.Popen(["unshare", "--net", "sleep", "300"])
        cls.addClassCleanup(cls.client.kill)
        harness.wait_until(lambda: pathlib.Path(f"/proc/{cls.client.pid}/ns/net").readlink() !=
                           pathlib.Path("/proc/self/ns/net").readlink())
        run("ip", "link", "add", "r0", "type", "veth", "peer", "name", "c0", "netns", cls.client.pid)
        run("ip", "addr", "add", ROUTER + "/24", "dev", "r0")
        run("ip", "link", "set", "r0", "up")
        cls.at_client("ip", "addr", "add", CLIENT + "/24", "dev", "c0")
        cls.at_client("ip", "link", "set", "c0", "up")
        cls.at_client("ip", "route", "add", "default", "via", ROUTER)
        pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        harness.switch_off_offloads("r0")

    @classmethod
    def at_client(cls, *command, **kwargs):
        return run("nsenter", "--net", "-t", cls.client.pid, *command, **kwargs)

    def talk(self):
        self.at_client("python3", "-c", TALK, harness.STACK, timeout=60)

    def capture(self, traffic):
        """What the client sees while `traffic` passes."""
        path = isolate.scratch_directory("capture") / "pcap"
        dumpcap = subprocess.Popen(["nsenter", "--net", "-t", str(self.client.pid), "dumpcap", "-q", "-P", "-B", "32", "-i", "c0", "-w", path],
                                   stderr=subprocess.PIPE, text=True)
        self.addCleanup(dumpcap.kill)
        self.assertIn("Capturing on", dumpcap.stderr.readline())
        harness.wait_until(path.exists)
        traffic()
        time.sleep(0.3)
        dumpcap.send_signal(signal.SIGINT)
        self.assertRegex(dumpcap.communicate(timeout=10)[1], r"dropped on interface.*: \d+/0 ")
        return path

    def frames(self, path, condition):
        """What tshark says of the stack's frames under the condition, checksums checked."""
        return run("tshark", "-n", "-r", path, "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o",
                   "udp.check_checksum:TRUE", "-Y", f"ip.src == {harness.STACK} && ({condition})", timeout=60).stdout.splitlines()

    def test_what_is_left_to_the_kernel_is_right_on_the_wire(self):
        path = self.capture(self.talk)
        self.assertGreater(self.stack.counter("tcp", "super-frames-out"), 10)
        self.assertGreater(len(self.frames(path, "tcp.len == 1448")), 500)
        self.assertGreater(len(self.frames(path, "udp")), 8)
        self.assertGreaterEqual(self.stack.counter("udp", "joined-out"), 4)
        self.assertEqual(len(self.frames(path, "udp.length == 508")), 4 + 1)
        self.assertEqual(self.frames(path, "frame.len > 1514"), [])
        self.assertEqual(self.frames(path, "ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0"), [])
        self.assertEqual(self.frames(path, "tcp.analysis.retransmission || tcp.analysis.lost_segment"), [])

    def test_super_frames_come_in_whole(self):
        before, size = self.stack.counter("tcp", "segments-in"), 5_000_000
        self.at_client("python3", "-c", POUR, harness.STACK, str(size), timeout=60)
        # One by one they would be size / 1448.
        self.assertLess(self.stack.counter("tcp", "segments-in") - before, size / 1448 / 2)
        self.assertEqual([drop for drop in self.stack.drops() if drop[0] == "tap"], [])


class RouterOneByOne(Router):
    """The same with a system call for each frame."""

    config = harness.CONFIG.replace("  name: wire\n", "  name: wire\n  io-uring: no\n")

    def test_it_is_one_by_one(self):
        self.talk()
        self.assertEqual(self.stack.rows("stack")[0]["io"], "read and write")


if __name__ == "__main__":
    harness.main()
