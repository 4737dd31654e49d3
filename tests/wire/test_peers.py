"""Everyday peers: curl, wrk and kernel sockets in number, whatever the kernel's congestion control is."""

import re
import resource
import shutil
import socket
import unittest

import harness
from harness import BUILD, run

PLUGINS = f"{harness.PLUGINS}:{BUILD / 'test-plugins' / 'http'}:{BUILD / 'bench-plugins'}"
CONFIG = harness.CONFIG.replace("services:\n", "services:\n  http: {{ listen: [tcp/80] }}\n  digest: {{ listen: [tcp/1009] }}\n")
SANITIZED = harness.cache_variable("TENON_SANITIZE") == "ON"
BODY = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n"


def expected_body(size):
    return (BODY * (size // len(BODY) + 1))[:4096 * (size // 4096 + 1)][:size]


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

    def algorithms(self):
        text = harness.pathlib.Path("/proc/sys/net/ipv4/tcp_available_congestion_control").read_text()
        return text.split()

    def test_kernel_as_client(self):
        for name in self.algorithms():
            with self.subTest(name):
                transfer = harness.EchoTransfer(3_000_000 if SANITIZED else 20_000_000)
                transfer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
                harness.run_transfers([transfer], timeout=60)
                self.assertIsNone(transfer.problem)
                transfer.close()


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
