"""Addresses on the link, against the kernel and arping: who has which, conflicts in both directions; VLANs."""

import socket
import struct
import time
import unittest

import harness
from harness import KERNEL, SECOND, STACK, TAP, run, wait_until

ETH_P_ALL, SOL_PACKET, PACKET_AUXDATA = 3, 263, 8  # <linux/if_ether.h>, <linux/if_packet.h>

# Conflict detection without the RFC's pauses, which are tested in virtual time.
QUICK = "probe-wait: 10ms, probe-min: 20ms, probe-max: 30ms, announce-wait: 50ms, announce-interval: 50ms"
CONFIG = harness.CONFIG.replace("arp: {{}}", "arp: {{ conflict-detection: %s, " + QUICK + " }}")


def kernel_lladdr():
    return harness.json.loads(run("ip", "-json", "link", "show", TAP).stdout)[0]["address"]


class Case(harness.StackCase):
    config = CONFIG % "optimistic"

    def state(self, address):
        """(state, whose it is) of an address of the stack."""
        row = next(row for row in self.stack.rows("addresses") if row["address"] == address + "/24")
        return row["state"], row["used-by"]

    def reaches(self, address):
        return run("ping", "-n", "-c", 1, "-W", 1, address, check=False).returncode == 0


class Detection(Case):
    def test_arping_finds_the_stacks_addresses_taken(self):
        for address in (STACK, SECOND):
            with self.subTest(address=address):
                done = run("arping", "-D", "-c", 1, "-w", 2, "-I", TAP, address, check=False)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn(harness.MAC.upper(), done.stdout.upper())

    def test_arping_finds_another_address_free(self):
        self.assertEqual(run("arping", "-D", "-c", 2, "-w", 1, "-I", TAP, "10.0.7.9").returncode, 0)

    def test_request_is_answered_to_the_asker(self):
        done = run("arping", "-c", 1, "-w", 2, "-I", TAP, STACK)
        self.assertIn(f"Unicast reply from {STACK} [{harness.MAC}]", done.stdout)


class Conflict(Case):
    # conformance: 5227 2.4-b
    def test_address_that_the_kernel_takes_is_defended_and_then_given_up(self):
        counters = lambda: {row["counter"]: row["value"] for row in self.stack.rows("counters") if row["plugin"] == "arp"}
        wait_until(lambda: counters()["announcements-out"] == 4, what="both addresses are announced")
        run("ip", "addr", "add", SECOND + "/32", "dev", TAP)
        run("arping", "-A", "-c", 1, "-I", TAP, "-s", SECOND, SECOND, check=False)
        wait_until(lambda: counters().get("defences"), what="it is defended")
        self.assertEqual(self.state(SECOND), ("in use", None))
        run("arping", "-A", "-c", 1, "-I", TAP, "-s", SECOND, SECOND, check=False)
        wait_until(lambda: self.state(SECOND) == ("conflict", kernel_lladdr()), what="it is given up")
        self.assertEqual(self.state(STACK), ("in use", None))
        self.assertTrue(self.reaches(STACK))
        self.assertIn(f"{SECOND} is also used by {kernel_lladdr()}", self.stack.log.read_text())


class Strict(unittest.TestCase):
    # conformance: 5227 2.1
    def test_address_that_the_kernel_has_is_not_used_and_the_other_is(self):
        harness.make_tap()
        self.addCleanup(harness.remove_tap)
        run("ip", "addr", "add", SECOND + "/32", "dev", TAP)
        stack = harness.Stack(CONFIG % "strict")
        self.addCleanup(stack.stop)
        states = lambda: {row["address"]: row["state"] for row in stack.rows("addresses")}
        wait_until(lambda: states() == {STACK + "/24": "in use", SECOND + "/24": "conflict"}, what="the states of both")
        self.assertEqual(run("ping", "-n", "-c", 1, "-W", 2, STACK, check=False).returncode, 0)


class TwoStacks(unittest.TestCase):
    """Two stacks that are told to have the same address, on the TAP devices of one bridge, on which the kernel is the third host."""

    # A bridge's port may take a moment to pass frames on.
    QUICK = "probe-wait: 10ms, probe-min: 200ms, probe-max: 300ms, announce-wait: 50ms, announce-interval: 200ms"
    FIGHT = """\
stack: {{ name: %(name)s, control: {control} }}
interfaces:
  %(name)s: {{ driver: tap, mac: "%(mac)s", addresses: [10.0.7.7/24, %(own)s/24] }}
protocols: {{ ether: {{}}, arp: {{ conflict-detection: %(detection)s, defend: %(defend)s, %(quick)s }}, ipv4: {{}}, icmp: {{}} }}
"""

    def setUp(self):
        run("ip", "link", "add", "br0", "type", "bridge")
        self.addCleanup(run, "ip", "link", "del", "br0", check=False)
        harness.configure_tap("br0")
        for name in ("ta", "tb"):
            run("ip", "tuntap", "add", "dev", name, "mode", "tap")
            self.addCleanup(harness.remove_tap, name)
            run("ip", "link", "set", name, "master", "br0", "up")

    def stack(self, name, **options):
        values = {"name": name, "mac": f"02:00:00:00:00:{name[1] * 2}", "own": {"ta": "10.0.7.8", "tb": "10.0.7.9"}[name],
                  "detection": "strict", "defend": "once", "quick": self.QUICK, **options}
        stack = harness.Stack(self.FIGHT % values)
        self.addCleanup(stack.stop)
        return stack

    @staticmethod
    def states(stack):
        return [row["state"] for row in stack.rows("addresses")]

    def owner(self):
        """The link address that answers the kernel for 10.0.7.7."""
        run("ip", "neigh", "flush", "dev", "br0")
        run("ping", "-n", "-c", 1, "-W", 2, STACK)
        return harness.neighbour()[0]

    def test_who_comes_second_does_not_get_it(self):
        first = self.stack("ta")
        wait_until(lambda: self.states(first) == ["in use", "in use"], what="the first has both")
        second = self.stack("tb")
        wait_until(lambda: self.states(second) == ["conflict", "in use"], what="the second has its own alone")
        self.assertEqual(self.states(first), ["in use", "in use"])
        self.assertEqual(self.owner(), "02:00:00:00:00:aa")
        for address in (SECOND, "10.0.7.9"):
            run("ping", "-n", "-c", 1, "-W", 2, address)
        self.assertIn("10.0.7.7 is also used by 02:00:00:00:00:aa", second.log.read_text())

    def test_who_asks_nobody_is_told_off_by_who_never_gives_up(self):
        first = self.stack("ta", defend="always")
        wait_until(lambda: self.states(first) == ["in use", "in use"], what="the first has both")
        second = self.stack("tb", detection="'off'")
        second.command("ping", "-c", 1, KERNEL, check=False)  # it speaks as 10.0.7.7
        wait_until(lambda: first.counter("arp", "defences") >= 1, what="it defends it")
        self.assertEqual(self.states(first), ["in use", "in use"])

    def test_of_two_that_start_at_once_one_at_most_has_it(self):
        both = [self.stack("ta"), self.stack("tb")]
        wait_until(lambda: all("looked for" not in self.states(s) for s in both), what="both have decided")
        states = sorted(self.states(s)[0] for s in both)
        self.assertIn(states, (["conflict", "in use"], ["conflict", "conflict"]))
        self.assertEqual([self.states(s)[1] for s in both], ["in use", "in use"])


class Vlan(harness.StackCase):
    config = harness.CONFIG.replace("    driver: tap\n", "    driver: tap\n    vlan: 5\n")

    def setUp(self):
        super().setUp()
        self.link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.addCleanup(self.link.close)
        self.link.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.link.bind((TAP, 0))
        self.mac = bytes.fromhex(kernel_lladdr().replace(":", ""))

    def ask(self, tag):
        """A request for the stack's address, with these bytes between the addresses and the ethertype."""
        arp = struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, self.mac, socket.inet_aton(KERNEL), bytes(6), socket.inet_aton(STACK))
        self.link.send(b"\xff" * 6 + self.mac + tag + struct.pack("!H", 0x0806) + arp)

    def answer(self, timeout=0.5):
        """The VLAN of the answer (the kernel takes the tag off and tells it beside the frame); None if there is none."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            self.link.settimeout(left)
            try:
                frame, beside, _, _ = self.link.recvmsg(2000, 100)
            except TimeoutError:
                return None
            if frame[6:12] == bytes.fromhex(harness.MAC.replace(":", "")) and frame[20:22] == b"\0\2":
                return struct.unpack_from("=IIIHHHH", beside[0][2])[5] & 0xfff
        return None

    def test_request_in_the_vlan_is_answered_in_it(self):
        self.ask(struct.pack("!HH", 0x8100, 5))
        self.assertEqual(self.answer(5), 5)

    def test_requests_out_of_the_vlan_are_not_answered(self):
        self.ask(b"")
        self.ask(struct.pack("!HH", 0x8100, 6))
        self.assertIsNone(self.answer())
        drops = {row["reason"]: row["value"] for row in self.stack.rows("drops") if row["plugin"] == "ether"}
        self.assertGreaterEqual(drops["other-vlan"], 2)


if __name__ == "__main__":
    harness.main()
