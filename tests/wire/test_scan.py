"""nmap looks at the stack in all its ways, and the stack is none the worse for it: services answer as before, every packet that was
dropped has its reason, nothing is left."""

import re
import shutil
import unittest

import harness
from harness import run

# Why packets of a scan are dropped: what nmap sends is odd on purpose, and so is how the kernel under it ends its connections: resets
# that are late, or pass the end of the other side.
EXPECTED = {
    ("tcp", "reset-out-of-window"), ("tcp", "reset-challenged"), ("tcp", "stray-reset"), ("tcp", "reset-in-time-wait"),
    ("tcp", "after-close"),
    ("tcp", "no-connection"), ("tcp", "listen-ack"), ("tcp", "listen-no-syn"), ("tcp", "listen-reset"), ("tcp", "bad-flags"),
    ("udp", "no-socket"), ("ipv4", "no-protocol"), ("ipv4", "fragment-tiny"), ("icmp", "no-socket"), ("icmp", "bad-code"),
    ("icmp", "unknown-type"),
}


class Scan(harness.StackCase):
    def setUp(self):
        super().setUp()
        if not shutil.which("nmap"):
            self.skipTest("nmap is not installed")

    def scan(self, *options):
        done = run("nmap", "-n", "-Pn", "--max-retries", "1", *options, harness.STACK, timeout=120)
        self.assertIn("1 IP address (1 host up) scanned", done.stdout)
        return dict((f"{port}/{protocol}", state) for port, protocol, state in re.findall(r"^(\d+)/(\w+)\s+(\S+)", done.stdout, re.M))

    def well(self):
        """As before the scan."""
        with harness.connect() as sock:
            self.echo_works(sock)
        run("ping", "-n", "-c", 1, "-W", 2, harness.STACK)

    def tearDown(self):
        self.well()
        self.assertLessEqual(set(self.stack.drops()), EXPECTED)
        super().tearDown()

    def test_connects(self):
        self.assertEqual(self.scan("-sT", "-p1-1000"), {"7/tcp": "open", "9/tcp": "open", "13/tcp": "open", "19/tcp": "open"})

    def test_syns(self):
        self.assertEqual(self.scan("-sS", "-p1-1000"), {"7/tcp": "open", "9/tcp": "open", "13/tcp": "open", "19/tcp": "open"})

    def test_odd_flags(self):
        for way in ("-sF", "-sN", "-sX", "-sA", "-sW", "-sM"):
            with self.subTest(way=way):
                self.scan(way, "-p7,9,13,19,20-40")

    def test_datagrams(self):
        states = self.scan("-sU", "-p7,9,13,19,53", "--max-rtt-timeout", "500ms")
        self.assertEqual(states["7/udp"], "open")
        self.assertEqual(states["13/udp"], "open")
        self.assertEqual(states["53/udp"], "closed")

    def test_protocols(self):
        self.scan("-sO", "-p1,2,6,17,41,47,50,132,253", "--max-rtt-timeout", "500ms")

    def test_operating_system(self):
        self.scan("-O", "--max-os-tries", "1", "-p1-30")

    def test_versions_and_scripts(self):
        self.scan("-sV", "--version-light", "-p7,13,19", "--script", "banner")

    def test_fragments_of_eight_bytes_are_refused(self):
        # RFC 3128: no honest host sends such, and filters are deceived by them.
        self.assertEqual(self.scan("-sS", "-f", "-p7")["7/tcp"], "filtered")
        self.assertGreater(self.stack.drops()["ipv4", "fragment-tiny"], 0)

    def test_larger_fragments_are_put_together(self):
        self.assertEqual(self.scan("-sS", "--mtu", "24", "-p7")["7/tcp"], "open")


if __name__ == "__main__":
    harness.main()
