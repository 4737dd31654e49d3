"""Through a router, which is the kernel: two stacks on two TAP devices of different MTU. Hops, path MTU, fragments."""

import json
import random
import select
import socket
import subprocess
import threading
import unittest

import harness
import isolate
from harness import run

FAR = "10.0.8.8"
FAR_CONFIG = """\
stack: {{ name: far, control: {control} }}
interfaces:
  tap8: {{ driver: tap, addresses: [10.0.8.8/24], routes: [{{ to: default, via: 10.0.8.1 }}] }}
protocols: {{ ether: {{}}, arp: {{}}, ipv4: {{}}, icmp: {{}}, udp: {{}} }}
services: {{ echo: {{ listen: [udp/7] }} }}
"""


class Routed(harness.StackCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        harness.make_tap("tap8", "10.0.8.1/24")
        cls.addClassCleanup(harness.remove_tap, "tap8")
        run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        far = harness.Stack(FAR_CONFIG)
        cls.addClassCleanup(far.stop)
        cls.far = far
        run("ip", "link", "set", "tap8", "mtu", 1400)

    def test_traceroute_shows_the_router_and_the_end(self):
        done = self.stack.command("traceroute", "--json", "-q", 1, FAR)
        hops = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([hop["answers"][0]["from"] for hop in hops], [harness.KERNEL, FAR])
        self.assertEqual(hops[0]["answers"][0]["error"], "time to live exceeded")
        self.assertGreater(hops[1]["answers"][0]["rtt-ns"], 0)

    def test_traceroute_for_people(self):
        done = self.stack.command("traceroute", "-q", 2, FAR)
        self.assertRegex(done.stdout, r"\n 1  10\.0\.7\.1 \d+\.\d{3} ms \d+\.\d{3} ms\n 2  10\.0\.8\.8 \d+\.\d{3} ms \d+\.\d{3} ms\n")

    def test_traceroute_to_nowhere_says_so(self):
        run("ip", "route", "add", "unreachable", "10.0.9.0/24")
        done = self.stack.command("traceroute", "-q", 1, "10.0.9.9", check=False)
        self.assertIn("!H", done.stdout)

    def test_path_mtu_is_learnt_and_then_heeded(self):
        first = self.stack.command("ping", "-c", 1, "--df", "-s", 1472, FAR, check=False)
        self.assertIn("too long to be sent unfragmented", first.stdout)
        self.assertIn({"address": FAR, "mtu": 1400}, [{k: row[k] for k in ("address", "mtu")} for row in self.stack.rows("path-mtus")])
        # Now in fragments, and through.
        self.assertIn("1 received", self.stack.command("ping", "-c", 1, "-s", 1472, FAR).stdout)
        self.assertIn("1 received", self.stack.command("ping", "-c", 1, "--df", "-s", 1372, FAR).stdout)


class Fragments(harness.StackCase):
    """Between the stack and the kernel; what passes is captured and read by tshark."""

    def setUp(self):
        super().setUp()
        self.file = isolate.scratch_directory("capture") / "all.pcap"
        self.capture = subprocess.Popen(["tcpdump", "-i", harness.TAP, "--immediate-mode", "-U", "-w", str(self.file)], stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.capture.stderr.close)
        self.capture.stderr.readline()  # "listening on"

    def tearDown(self):
        self.capture.terminate()
        self.capture.wait(10)
        self.assertGreater(len(run("tshark", "-r", self.file, "-Y", "ip.flags.mf == 1").stdout.splitlines()), 3, "nothing was captured")
        malformed = run("tshark", "-r", self.file, "-Y", "_ws.malformed || ip.checksum.status == Bad || icmp.checksum.status == Bad",
                        "-o", "ip.check_checksum:TRUE")
        self.assertEqual(malformed.stdout, "")
        super().tearDown()

    def test_ping_of_every_size(self):
        for size in (0, 1, 1472, 1473, 1480, 1481, 2952, 2953, 8192, 32767, 65507):
            with self.subTest(size=size):
                done = run("ping", "-n", "-c", 1, "-W", 2, "-M", "dont", "-s", size, harness.STACK)
                self.assertIn("1 received", done.stdout)
                self.assertNotIn("wrong data", done.stdout)

    def test_stack_pings_with_every_size(self):
        for size in (0, 1473, 2953, 65507):
            with self.subTest(size=size):
                self.assertIn("1 received", self.stack.command("ping", "-c", 1, "-s", size, harness.KERNEL).stdout)

    def test_datagram_of_4_kilobytes_goes_and_comes_in_fragments(self):
        data = bytes(harness.pattern(4, 4096))
        before = self.stack.counter("ipv4", "reassembled"), self.stack.counter("ipv4", "fragments-out")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(2)
            sock.connect((harness.STACK, harness.ECHO))
            sock.send(data)
            self.assertEqual(sock.recv(65536), data)
        self.assertEqual(self.stack.counter("ipv4", "reassembled"), before[0] + 1)
        self.assertEqual(self.stack.counter("ipv4", "fragments-out"), before[1] + 3)


class Shuffled(harness.StackCase):
    """Between the kernel (on a veth pair) and the stack (on its TAP) stands a wire that has no order: frames that come close to one
    another go on in any order, and every fourth twice."""

    SEED = 4
    disorder = 0  # how often frames went on in another order

    @classmethod
    def setUpClass(cls):
        run("ip", "link", "add", "k0", "type", "veth", "peer", "name", "w0")
        cls.addClassCleanup(run, "ip", "link", "del", "k0", check=False)
        harness.configure_tap("k0")
        run("ip", "link", "set", "w0", "up")
        run("ip", "tuntap", "add", "dev", harness.TAP, "mode", "tap")
        cls.addClassCleanup(harness.remove_tap)
        run("ip", "link", "set", harness.TAP, "up")
        cls.stack = harness.Stack(cls.config)
        cls.addClassCleanup(cls.finish)
        cls.running = True
        ends = [cls.end("w0"), cls.end(harness.TAP)]
        for i in (0, 1):
            thread = threading.Thread(target=cls.carry, args=(ends[i], ends[1 - i], random.Random(cls.SEED + i)))
            thread.start()
            cls.addClassCleanup(thread.join)
        cls.addClassCleanup(setattr, cls, "running", False)

    @classmethod
    def end(cls, device):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        cls.addClassCleanup(sock.close)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sock.bind((device, 0))
        return sock

    @classmethod
    def carry(cls, source, target, rng):
        while cls.running:
            frames = []
            while select.select([source], [], [], 0.2 if not frames else 0.003)[0]:
                frame, address = source.recvfrom(65536)
                if address[2] != socket.PACKET_OUTGOING:
                    frames += [(len(frames), frame)] * rng.choice((1, 1, 1, 2))
            rng.shuffle(frames)
            cls.disorder += frames != sorted(frames)
            for _, frame in frames:
                target.send(frame)

    def test_ping_of_every_size(self):
        before = self.stack.counter("ipv4", "reassembled")
        for size in (0, 1472, 1473, 2953, 8192, 65507):
            with self.subTest(size=size):
                done = run("ping", "-n", "-c", 2, "-i", "0.1", "-W", 2, "-s", size, harness.STACK)
                self.assertIn("2 received", done.stdout)
                self.assertNotIn("wrong data", done.stdout)
        self.assertGreaterEqual(self.stack.counter("ipv4", "reassembled"), before + 8)
        self.assertGreater(self.disorder, 10)

    def test_stack_pings_with_every_size(self):
        for size in (0, 1472, 1473, 8192, 65507):
            with self.subTest(size=size):
                self.assertIn("2 received", self.stack.command("ping", "-c", 2, "-i", "0.1", "-s", size, harness.KERNEL).stdout)

    def test_datagrams_of_every_size(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(2)
            sock.connect((harness.STACK, harness.ECHO))
            for size in (1473, 4096, 9001, 32768, 65507):
                data = bytes(harness.pattern(size, size))
                sock.send(data)
                # A datagram that was fragmented arrives once, however often its fragments do; a small one may arrive twice.
                self.assertEqual(sock.recv(65536), data)


if __name__ == "__main__":
    harness.main()
