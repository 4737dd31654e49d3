"""The packet driver: a stack on one end of a veth pair, and the kernel on the other.

    kernel, 10.0.7.1 on k0 == veth == s0, without an address <- packet socket - stack, 10.0.7.7
"""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import unittest

import harness
from harness import KERNEL, MAC, STACK, run

KERNEL_END, STACK_END = "k0", "s0"

CONFIG = """\
stack:
  name: wire
  control: {{control}}
interfaces:
  s0:
    driver: packet
    addresses: [10.0.7.7/24, 10.0.7.8/24]{more}
protocols:
  ether: {{{{}}}}
  arp: {{{{}}}}
  ipv4: {{{{}}}}
  icmp: {{{{}}}}
  igmp: {{{{}}}}
  udp: {{{{}}}}
  tcp: {{{{}}}}
services:
  echo:    {{{{ listen: [tcp/7, udp/7] }}}}
  discard: {{{{ listen: [tcp/9, udp/9] }}}}
  chargen: {{{{ listen: [tcp/19, udp/19] }}}}
"""

NO_OFFLOADS = ("checksum-offload: off",)


def config(*settings):
    """The stack, whose s0 has these further settings ("mtu: 1400")."""
    return CONFIG.format(more="".join("\n    " + s for s in settings))


def make_veth(address=KERNEL + "/24"):
    run("ip", "link", "add", KERNEL_END, "type", "veth", "peer", "name", STACK_END)
    for name in (KERNEL_END, STACK_END):
        path = pathlib.Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6")
        if path.exists():
            path.write_text("1")
        run("ip", "link", "set", name, "up")
    if address:
        run("ip", "addr", "add", address, "dev", KERNEL_END)
    # Until the kernel has noticed that there is a carrier, up to a second after the last change of any, what is sent is dropped.
    for name in (KERNEL_END, STACK_END):
        harness.wait_until(lambda name=name: "state UP" in run("ip", "link", "show", name).stdout)


def remove_veth():
    run("ip", "link", "del", KERNEL_END, check=False)


def lladdr(device):
    return re.search(r"link/ether (\S+)", run("ip", "link", "show", device).stdout)[1]


def ping(*arguments, address=STACK, check=True):
    return run("ping", "-n", "-c", "1", "-W", "2", *arguments, address, check=check).returncode == 0


class PacketCase(unittest.TestCase):
    def setUp(self):
        make_veth()
        self.addCleanup(remove_veth)

    def start(self, *settings):
        self.stack = harness.Stack(config(*settings))
        self.addCleanup(self.end, self.stack)
        return self.stack

    def end(self, stack):
        status = stack.stop()
        self.assertIn(status, (0, None), stack.log.read_text()[-4000:])

    def refused(self, *settings, prefix=()):
        """What a stack says that does not start."""
        stack = harness.Stack(config(*settings), start=False)
        done = subprocess.run([*prefix, str(harness.TENON), "run", str(stack.yaml)], env=stack.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=30)
        self.assertNotIn(done.returncode, (0, -6, -11))
        return done.stdout + done.stderr

    def driver_drops(self):
        return {reason: count for (plugin, reason), count in self.stack.drops().items() if plugin == "packet"}


class Traffic:
    """What must pass whatever the settings; the subclasses make them."""

    bulk = 100_000_000

    def check_traffic(self, address=STACK, bulk=None):
        for size in (0, 1, 17, 18, 19, 1471, 1472, 1473, 20000):
            self.assertTrue(ping("-s", str(size), "-W", "5", address=address))
        self.assertIn("1 sent, 1 received", self.stack.command("ping", "--count", "1", KERNEL).stdout)
        transfer = harness.EchoTransfer(bulk or self.bulk, address)
        self.addCleanup(transfer.close)
        harness.run_transfers([transfer], timeout=100)
        self.assertIsNone(transfer.problem)
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(datagrams.close)
        datagrams.settimeout(5)
        datagrams.connect((address, harness.ECHO))
        for size in (1, 17, 500, 1472, 9000):
            datagrams.send(bytes(size))
            self.assertEqual(datagrams.recv(10000), bytes(size))
        datagrams.setsockopt(17, 103, 500)  # UDP_SEGMENT
        datagrams.send(bytes(2100))
        self.assertEqual(sorted(len(datagrams.recv(2000)) for _ in range(5)), [100, 500, 500, 500, 500])
        self.assertEqual(self.driver_drops(), {})
        self.assertEqual([reason for (_, reason) in self.stack.drops() if "checksum" in reason], [])


class Passes(PacketCase, Traffic):
    def test_with_the_devices_own_address(self):
        self.start()
        self.check_traffic()
        self.assertEqual(harness.neighbour()[0], lladdr(STACK_END))
        self.assertGreater(self.stack.counter("tcp", "super-frames-out"), 100)
        # One by one the segments in would be 100 MB / 1448.
        self.assertLess(self.stack.counter("tcp", "segments-in"), 100_000_000 / 1448 / 2)

    def test_with_an_address_of_its_own(self):
        self.start(f'mac: "{MAC}"')
        self.check_traffic()
        self.assertEqual(harness.neighbour()[0], MAC)
        self.assertNotEqual(lladdr(STACK_END), MAC)

    def test_without_offloads_of_the_stack(self):
        self.start(*NO_OFFLOADS)
        self.assertFalse(self.stack.rows("interfaces")[0]["checksum-offload"])
        self.check_traffic()
        self.assertGreater(int(self.stack.rows("interfaces")[0]["tx-packets"]), self.bulk / 1448)

    def test_segments_of_the_stacks_own_with_checksums_left_to_the_device(self):
        self.start("segmentation-offload: off", "datagram-offload: off")
        self.assertEqual(self.stack.rows("interfaces")[0]["gso-max"], 0)
        self.check_traffic(bulk=20_000_000)

    def test_what_is_left_to_a_device_without_offloads_is_completed_by_the_kernel(self):
        """And what comes is whole: the receiving kernel checks every segment's checksum."""
        harness.switch_off_offloads(STACK_END)
        harness.switch_off_offloads(KERNEL_END)
        self.start()
        self.check_traffic()
        self.assertGreater(self.stack.counter("tcp", "super-frames-out"), 100)

    def test_what_the_device_puts_together(self):
        """As a network adapter does (GRO): segments come one by one, and are read as super-frames."""
        harness.switch_off_offloads(KERNEL_END)
        harness.switch_on_gro(STACK_END)
        self.start()
        self.check_traffic()
        self.assertLess(self.stack.counter("tcp", "segments-in"), self.bulk / 1448 / 2)

    def test_device_on_top_of_another(self):
        """A macvlan interface has a link address of its own, which the stack may take."""
        run("ip", "link", "add", "link", STACK_END, "name", "m0", "type", "macvlan", "mode", "bridge")
        run("ip", "link", "set", "m0", "up")
        self.start("device: m0")
        self.check_traffic(bulk=20_000_000)
        self.assertEqual(harness.neighbour()[0], lladdr("m0"))

    def test_jumbo_frames(self):
        for name in (KERNEL_END, STACK_END):
            run("ip", "link", "set", name, "mtu", "9000")
        self.start()
        self.assertEqual(self.stack.rows("interfaces")[0]["mtu"], 9000)
        self.assertTrue(ping("-s", "8972", "-M", "do"))
        self.check_traffic(bulk=20_000_000)


class Tagged(PacketCase, Traffic):
    """The kernel takes the tag of a VLAN off what the socket gets, and the driver puts it back. Since not every kernel has VLANs
    of its own, the traffic comes through another stack, a router:

        kernel, 10.0.7.1 on tap7 -- router == VLAN 5 on k0 == veth == s0, VLAN 5 == stack, 10.0.5.7"""

    ROUTER = """\
stack:
  name: router
  control: {control}
interfaces:
  tap7:
    driver: tap
    addresses: [10.0.7.254/24]
  k0:
    driver: packet
    vlan: 5
    addresses: [10.0.5.254/24]
protocols:
  ether: {{}}
  arp: {{}}
  ipv4: {{ forward: yes }}
  icmp: {{}}
"""

    def setUp(self):
        make_veth(address=None)
        self.addCleanup(remove_veth)
        harness.make_tap()
        self.addCleanup(harness.remove_tap)
        run("ip", "route", "add", "10.0.5.0/24", "via", "10.0.7.254")
        self.router = harness.Stack(self.ROUTER)
        self.addCleanup(self.end, self.router)

    def start(self, vlan):
        self.stack = harness.Stack(config(f"vlan: {vlan}", "routes: [{{ to: default, via: 10.0.5.254 }}]")
                                   .replace("10.0.7.", "10.0.5."))
        self.addCleanup(self.end, self.stack)

    def test_traffic(self):
        self.start(5)
        self.check_traffic("10.0.5.7")
        self.assertGreater(self.stack.counter("packet", "tags-in"), 100)
        self.assertEqual(self.stack.counter("packet", "tags-in"), self.stack.counter("ether", "tagged-in"))
        self.assertEqual(self.router.counter("packet", "tags-in"), self.router.counter("ether", "tagged-in"))
        self.assertGreater(self.stack.counter("tcp", "super-frames-out"), 100)
        self.assertLess(self.stack.counter("tcp", "segments-in"), self.bulk / 1448 / 2)
        self.assertEqual([drop for drop in self.router.drops() if drop[0] in ("packet", "tap")], [])

    def test_another_vlan(self):
        self.start(6)
        self.assertFalse(ping(address="10.0.5.7", check=False))
        self.assertGreater(self.stack.drops()[("ether", "other-vlan")], 0)


class Hearing(PacketCase):
    def test_what_the_device_hears_for_others_does_not_come_up(self):
        self.start(f'mac: "{MAC}"')
        for number, other in enumerate(("06", "02:01", "02:00:00:00:07:08", "02:00:00:00:06:07"), 90):
            # The beginning of an address, or all of it.
            station = other + MAC[len(other):]
            run("ip", "neigh", "replace", f"10.0.7.{number}", "lladdr", station, "dev", KERNEL_END)
            ping("-W", "0.1", address=f"10.0.7.{number}", check=False)
        self.assertNotIn(("ether", "not-for-us"), self.stack.drops())
        self.assertTrue(ping())

    def test_what_the_kernel_sends_by_the_device_does_not_come_up(self):
        run("ip", "addr", "add", "10.0.9.1/24", "dev", STACK_END)
        self.start()
        before = self.stack.counter("ether", "frames-in")
        ping(address="10.0.9.2", check=False)  # asks everybody by ARP
        self.assertEqual(self.stack.counter("ether", "frames-in"), before)

    def test_device_is_told_of_another_address_and_of_groups_for_as_long_as_the_stack_runs(self):
        stack = self.start(f'mac: "{MAC}"')
        details = run("ip", "-details", "link", "show", STACK_END).stdout
        self.assertIn("allmulti 1", details)
        self.assertIn("promiscuity 1", details)  # veth has no list of addresses
        self.end(stack)
        details = run("ip", "-details", "link", "show", STACK_END).stdout
        self.assertIn("allmulti 0", details)
        self.assertIn("promiscuity 0", details)

    def test_device_with_the_same_address_is_not_promiscuous(self):
        self.start()
        self.assertIn("promiscuity 0", run("ip", "-details", "link", "show", STACK_END).stdout)

    def test_groups_are_heard(self):
        self.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(KERNEL))
            before = self.stack.counter("ether", "multicast-in")
            sock.sendto(b"all", ("224.0.0.1", 9))
            harness.wait_until(lambda: self.stack.counter("ether", "multicast-in") > before)

    def test_kernel_that_would_forward_the_stacks_packets_is_mentioned(self):
        forwarding = pathlib.Path(f"/proc/sys/net/ipv4/conf/{STACK_END}/forwarding")
        forwarding.write_text("1")
        self.start(f'mac: "{MAC}"')
        self.assertNotIn("forwards", self.stack.log.read_text())
        self.end(self.stack)
        self.start()
        self.assertIn("s0: the kernel forwards what comes in by s0", self.stack.log.read_text())

    def test_frames_that_the_stack_did_not_take_in_time_are_counted(self):
        self.start("receive-buffer: 64k")
        self.assertTrue(ping())
        self.stack.process.send_signal(signal.SIGSTOP)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((STACK, harness.DISCARD))
            for _ in range(1000):
                sock.send(bytes(1000))
        self.stack.process.send_signal(signal.SIGCONT)
        harness.wait_until(lambda: self.driver_drops().get("buffer-full", 0) > 500)
        self.assertTrue(ping())


class Opening(PacketCase):
    def test_no_such_device(self):
        self.assertIn("s0: there is no network interface nothing0. Name one of those that 'ip link' shows with the option device",
                      self.refused("device: nothing0"))

    def test_device_of_another_kind(self):
        self.assertIn("s0: lo is not an Ethernet interface", self.refused("device: lo"))

    def test_long_name(self):
        self.assertIn("'a-name-of-over-15' is longer than 15 characters", self.refused("device: a-name-of-over-15"))

    def test_without_the_right(self):
        said = self.refused(prefix=("setpriv", "--inh-caps=-all", "--bounding-set=-all", "--"))
        self.assertIn("s0: cannot open a packet socket: Operation not permitted. It takes the capability CAP_NET_RAW: run as root", said)

    def test_with_that_right_alone_and_none_afterwards(self):
        self.start()
        status = pathlib.Path(f"/proc/{self.stack.process.pid}/status").read_text()
        self.assertRegex(status, r"CapEff:\s+0+\n")
        self.assertTrue(ping())

    def test_mtu_above_the_devices_is_mentioned(self):
        self.start("mtu: 2000")
        self.assertIn("the MTU of s0 is 1500, that of the interface 2000", self.stack.log.read_text())

    def test_another_device_than_the_interfaces_name(self):
        remove_veth()
        make_veth()
        run("ip", "link", "set", STACK_END, "down")
        run("ip", "link", "set", STACK_END, "name", "other0")
        run("ip", "link", "set", "other0", "up")
        self.start("device: other0")
        self.assertTrue(ping())


class Trouble(PacketCase):
    def processor_time(self):
        fields = pathlib.Path(f"/proc/{self.stack.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def says(self, text):
        harness.wait_until(lambda: text in self.stack.log.read_text())

    def rests(self):
        """It does not use the processor all the time."""
        before = self.processor_time()
        time.sleep(2)
        self.assertLess(self.processor_time() - before, 0.2)

    def test_device_that_is_down_at_the_start(self):
        run("ip", "link", "set", STACK_END, "down")
        self.start()
        self.assertIn("s0 is down; bring it up with: ip link set dev s0 up", self.stack.log.read_text())
        self.rests()
        run("ip", "link", "set", STACK_END, "up")
        self.says("s0 is up again")
        self.assertTrue(ping())

    def test_device_that_goes_down_and_up_again(self):
        self.start()
        self.assertTrue(ping())
        run("ip", "link", "set", STACK_END, "down")
        self.says("s0: s0 is down")
        self.stack.command("ping", "--count", "1", KERNEL, check=False)
        self.assertGreater(self.driver_drops()["device-down"], 0)
        self.rests()
        run("ip", "link", "set", STACK_END, "up")
        self.says("s0: s0 is up again")
        self.assertTrue(ping())

    def check_deleted_device(self, *settings):
        self.start(*settings)
        self.assertTrue(ping())
        station = harness.neighbour()[0]
        transfer = harness.EchoTransfer(50_000_000)
        self.addCleanup(transfer.close)
        harness.run_transfers([transfer], until=lambda: transfer.received > 100_000)
        remove_veth()
        self.says("s0: s0 has gone")
        self.stack.command("ping", "--count", "1", KERNEL, check=False)
        self.assertGreater(self.driver_drops()["device-gone"], 0)
        self.rests()
        make_veth()
        self.says("s0: s0 is there again")
        self.assertTrue(ping())
        self.assertEqual(harness.neighbour()[0], station)

    def test_device_that_is_deleted_and_comes_again_with_another_address(self):
        """The stack keeps that which it took from the first one: others know it by that."""
        self.check_deleted_device()
        self.assertNotEqual(lladdr(STACK_END), harness.neighbour()[0])

    def test_device_that_is_deleted_and_comes_again_for_a_stack_with_an_address_of_its_own(self):
        self.check_deleted_device(f'mac: "{MAC}"')

    def test_no_packet_is_free(self):
        harness.check_scarce_packets(self, config(), "packet")

    def test_device_whose_mtu_shrinks(self):
        self.start()
        run("ip", "link", "set", STACK_END, "mtu", "1000")
        self.stack.command("ping", "--count", "1", "--size", "1400", KERNEL, check=False)
        self.assertGreater(self.driver_drops()["refused"], 0)
        self.assertTrue(ping("-s", "100"))

    def test_queue_of_the_device_that_drops_frames(self):
        """They are counted, and lost to nobody who sends them again."""
        run("tc", "qdisc", "add", "dev", STACK_END, "root", "tbf", "rate", "100mbit", "burst", "20k", "limit", "40k")
        self.start("segmentation-offload: off")
        with harness.connect(port=harness.CHARGEN) as sock:
            harness.receive_exactly(sock, 5_000_000)
        self.assertGreater(self.driver_drops()["queue-full"], 0)

    def test_queue_of_the_device_is_waited_for(self):
        """A slow device: the socket is full before the device's queue is."""
        run("tc", "qdisc", "add", "dev", STACK_END, "root", "tbf", "rate", "100mbit", "burst", "200k", "limit", "20M")
        self.start()
        with harness.connect(port=harness.CHARGEN) as sock:
            harness.receive_exactly(sock, 10_000_000)
        self.assertGreater(int(self.stack.rows("interfaces")[0]["tx-stalls"]), 0)
        self.assertEqual(self.driver_drops(), {})


class Swap(PacketCase):
    def test_under_an_open_connection(self):
        self.start()
        first = self.stack.build_id("packet")
        directory = harness.build_afresh("packet")
        transfer = harness.EchoTransfer(50_000_000)
        self.addCleanup(transfer.close)
        harness.run_transfers([transfer], until=lambda: transfer.received > 5_000_000)
        self.stack.command("swap", "packet", directory / "packet.so")
        self.assertNotEqual(self.stack.build_id("packet"), first)
        harness.run_transfers([transfer])
        self.assertIsNone(transfer.problem)


if __name__ == "__main__":
    harness.main()
