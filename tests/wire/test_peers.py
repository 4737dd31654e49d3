"""Everyday peers: curl, wrk and kernel sockets in number, whatever the kernel's congestion control is."""

import os
import re
import resource
import shutil
import socket
import subprocess
import threading
import unittest

import harness
from harness import BUILD, run

PLUGINS = f"{harness.PLUGINS}:{BUILD / 'test-plugins' / 'http'}:{BUILD / 'bench-plugins'}"
CONFIG = harness.CONFIG.replace("services:\n", "services:\n  http: {{ listen: [tcp/80] }}\n  digest: {{ listen: [tcp/1009] }}\n")
SANITIZED = harness.cache_variable("TENON_SANITIZE") == "ON"
BODY = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n"


def expected_body(size):
    return (BODY * (size // len(BODY) + 1))[:4096 * (size // 4096 + 1)][:size]


def algorithms():
    return harness.pathlib.Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text().split()


class PeersCase(harness.StackCase):
    config = CONFIG

    @classmethod
    def setUpClass(cls):
        harness.make_tap()
        cls.addClassCleanup(harness.remove_tap)
        cls.stack = harness.Stack(cls.config, plugin_path=PLUGINS)
        cls.addClassCleanup(cls.finish)
        cls.idle_sockets = cls.stack.usage()["sockets"]


class Http(PeersCase):
    def test_curl(self):
        for size in (0, 1, 1000, 4096, 5_000_000):
            with self.subTest(size=size):
                done = harness.subprocess.run(["curl", "-sS", "-m", "20", f"http://{harness.STACK}/{size}"], capture_output=True, timeout=30)
                self.assertEqual(done.returncode, 0, done.stderr)
                self.assertEqual(len(done.stdout), size)
                self.assertEqual(done.stdout[:4096], expected_body(min(size, 4096)))

    def test_wrk(self):
        if not shutil.which("wrk"):
            self.skipTest("wrk is not installed")
        done = run("wrk", "-t", "2", "-c", "100", "-d", "3", f"http://{harness.STACK}/1000", timeout=60)
        requests = int(re.search(r"(\d+) requests in", done.stdout).group(1))
        self.assertGreater(requests, 100, done.stdout)
        self.assertNotIn("Non-2xx", done.stdout)
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", done.stdout)
        self.assertTrue(not errors or set(errors.groups()) == {"0"}, done.stdout)


class Number(PeersCase):
    def setUp(self):
        super().setUp()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))

    def test_ten_thousand_one_after_the_other(self):
        count = 1000 if SANITIZED else 10_000
        before = self.stack.counter("tcp", "passive-opens")
        for i in range(count):
            with harness.connect(port=harness.DAYTIME) as sock:
                self.assertRegex(harness.receive_all(sock).decode(), r"\d\d:\d\d:\d\d")
        self.assertEqual(self.stack.counter("tcp", "passive-opens") - before, count)
        harness.wait_until(lambda: self.stack.usage()["sockets"] == self.idle_sockets, 5, "no socket is left")

    def test_a_thousand_at_once(self):
        count, each = 1000, 20_000
        transfers = [harness.EchoTransfer(each, start=i * 101) for i in range(count)]
        try:
            harness.run_transfers(transfers, timeout=120)
            self.assertEqual([t.problem for t in transfers if t.problem], [])
        finally:
            for transfer in transfers:
                transfer.close()


class Control(PeersCase):
    """The kernel's side with each congestion control that it has."""

    def test_kernel_as_client(self):
        for name in algorithms():
            with self.subTest(name):
                transfer = harness.EchoTransfer(3_000_000 if SANITIZED else 20_000_000)
                transfer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
                harness.run_transfers([transfer], timeout=60)
                self.assertIsNone(transfer.problem)
                transfer.close()


class Server(unittest.TestCase):
    """Tenon connects to the kernel, pours, and is poured upon, by each congestion control that the kernel has."""

    SIZE = 3_000_000 if SANITIZED else 20_000_000

    def setUp(self):
        harness.make_tap()
        self.addCleanup(harness.remove_tap)

    def send_back(self, listener, name, problems):
        try:
            sock, _ = listener.accept()
            with sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
                sock.settimeout(60)
                sock.sendall(harness.receive_all(sock))
        except OSError as e:
            problems.append(e)

    def talk(self, name, data):
        problems = []
        with socket.create_server((harness.KERNEL, 7007)) as listener:
            listener.settimeout(20)
            server = threading.Thread(target=self.send_back, args=(listener, name, problems))
            server.start()
            done = subprocess.run([BUILD / "examples" / "client", harness.ROOT / "examples" / "stack.yaml", harness.KERNEL, "7007"],
                                  input=data, capture_output=True, timeout=120, check=False,
                                  env={**os.environ, "TENON_PLUGIN_PATH": str(harness.PLUGINS)})
            server.join()
        self.assertEqual((done.returncode, problems), (0, []), done.stderr)
        self.assertTrue(done.stdout == data, f"{len(done.stdout)} of {len(data)} octets, or others")

    def test_kernel_as_server(self):
        data, there = bytes(harness.pattern(3, harness.PATTERN_SIZE)) * (self.SIZE // harness.PATTERN_SIZE + 1), algorithms()
        for name in sorted({"cubic", "bbr", *there}):
            with self.subTest(name):
                if name not in there:
                    self.skipTest(f"this kernel has no {name}")
                self.talk(name, data[:self.SIZE])


class Wrap(PeersCase):
    """More bytes than there are sequence numbers, both ways, every byte compared."""

    def load(self, mode, size):
        return run(BUILD / "bench" / "tenon-load", "-b", size, mode, harness.STACK, timeout=280)

    @unittest.skipIf(SANITIZED, "takes too long under a sanitizer")
    def test_in(self):
        self.load("verify-in", (1 << 32) + (1 << 26))

    @unittest.skipIf(SANITIZED, "takes too long under a sanitizer")
    def test_out(self):
        self.load("verify-out", (1 << 32) + (1 << 26))


if __name__ == "__main__":
    harness.main()
