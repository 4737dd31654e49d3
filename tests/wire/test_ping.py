"""Ping and neighbours: what the kernel's tools see of the lower layers."""

import re
import unittest

import harness
from harness import run


class Ping(harness.StackCase):
    def ping(self, address=harness.STACK, *options, count=1):
        return run("ping", "-n", "-c", count, "-W", 2, *options, address)

    def test_answers(self):
        self.assertIn("5 received, 0% packet loss", self.ping("10.0.7.7", "-i", "0.01", count=5).stdout)

    def test_second_address_answers(self):
        self.assertIn("bytes from 10.0.7.8", self.ping(harness.SECOND).stdout)

    def test_every_size_up_to_the_mtu(self):
        for size in (0, 1, 15, 16, 17, 55, 56, 511, 1000, 1471, 1472):
            with self.subTest(size=size):
                self.assertIn("1 received", self.ping(harness.STACK, "-M", "do", "-s", size).stdout)

    def test_other_payloads_come_back_unchanged(self):
        # ping compares the bytes and says so when they differ.
        for payload in ("00", "ff", "a55a"):
            self.assertNotIn("wrong data", self.ping(harness.STACK, "-p", payload, "-s", "999").stdout)

    def test_flood_loses_nothing(self):
        done = run("ping", "-n", "-q", "-f", "-c", 2000, "-W", 2, harness.STACK, timeout=60)
        self.assertIn("2000 received, 0% packet loss", done.stdout)

    def test_other_addresses_of_the_subnet_are_silent(self):
        done = run("ping", "-n", "-c", 1, "-W", 1, "10.0.7.9", check=False)
        self.assertEqual(done.returncode, 1)

    def test_broadcast_ping_is_not_answered(self):
        # RFC 1122 §3.2.2.6: may be dropped, and is, so that nobody can be flooded with the answers.
        done = run("ping", "-n", "-b", "-c", 1, "-W", 1, "10.0.7.255", check=False)
        self.assertIn("0 received", done.stdout)

    def test_stack_pings_the_kernel(self):
        done = self.stack.command("ping", "-c", 3, "-i", "0.1", harness.KERNEL)
        self.assertIn("3 received", done.stdout)


class Neighbours(harness.StackCase):
    def test_kernel_learns_the_stack(self):
        run("ping", "-n", "-c", 1, "-W", 2, harness.STACK)
        lladdr, state = harness.neighbour()
        self.assertEqual(lladdr, harness.MAC)
        self.assertIn(state, ("REACHABLE", "DELAY", "PROBE"))

    def test_stack_learns_the_kernel(self):
        run("ping", "-n", "-c", 1, "-W", 2, harness.STACK)
        kernel_mac = re.search(r"link/ether (\S+)", run("ip", "link", "show", harness.TAP).stdout).group(1)
        rows = {row["address"]: row for row in self.stack.rows("neighbours")}
        self.assertEqual(rows[harness.KERNEL]["lladdr"], kernel_mac)

    def test_kernel_probes_are_confirmed(self):
        """A kernel entry that is sent to by unicast probe stays with the same address."""
        run("ping", "-n", "-c", 1, "-W", 2, harness.STACK)
        run("ip", "neigh", "change", harness.STACK, "lladdr", harness.MAC, "dev", harness.TAP, "nud", "probe")
        harness.wait_until(lambda: harness.neighbour()[1] == "REACHABLE", 5, "the probe was answered")

    def test_stack_follows_a_new_kernel_address(self):
        """The kernel's MAC changes: its next ARP request overwrites what the stack had (RFC 826)."""
        run("ping", "-n", "-c", 1, "-W", 2, harness.STACK)
        new = "02:00:00:00:00:aa"
        run("ip", "link", "set", harness.TAP, "down")
        run("ip", "link", "set", harness.TAP, "address", new)
        run("ip", "link", "set", harness.TAP, "up")
        run("ip", "neigh", "flush", "dev", harness.TAP)
        self.assertIn("1 received", run("ping", "-n", "-c", 1, "-W", 3, harness.STACK).stdout)
        rows = {row["address"]: row for row in self.stack.rows("neighbours")}
        self.assertEqual(rows[harness.KERNEL]["lladdr"], new)


class Silence(harness.StackCase):
    def test_stack_gives_up_on_a_neighbour_that_does_not_answer(self):
        done = self.stack.command("ping", "-c", 2, "10.0.7.77", check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)


if __name__ == "__main__":
    harness.main()
