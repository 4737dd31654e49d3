"""Multicast: a stack that has joined a group, the kernel as another member, and the test as the router that asks who is there
(IGMP)."""

import signal
import socket
import struct
import subprocess
import time

from scapy.all import IP, Ether, Raw  # pylint: disable=no-name-in-module

import harness
import isolate
from crafted import Peer
from harness import BUILD, run

GROUP, PORT = "239.1.2.3", 4040
CONFIG = """\
stack: {{ name: member, control: {control} }}
interfaces: {{ tap7: {{ driver: tap, checksum-offload: off, mac: "02:00:00:00:07:07", addresses: [10.0.7.7/24] }} }}
protocols: {{ ether: {{}}, arp: {{}}, ipv4: {{}}, icmp: {{}}, igmp: {{}}, udp: {{}} }}
"""
QUERY_3 = bytes.fromhex("11 0a 0000 00000000 02 7d 0000")  # answers within a second
QUERY_2 = bytes.fromhex("11 0a 0000 00000000")


class Multicast(harness.unittest.TestCase):
    def setUp(self):
        harness.make_tap()
        self.addCleanup(harness.remove_tap)
        directory = isolate.scratch_directory("member")
        (directory / "stack.yaml").write_text(CONFIG.format(control=directory / "control"))
        self.peer = Peer()
        self.addCleanup(self.peer.close)
        self.capture = harness.Capture()
        self.addCleanup(self.capture.stop)
        self.member = subprocess.Popen([BUILD / "tests" / "wire" / "wire_member", directory / "stack.yaml", GROUP, str(PORT)],
                                       env={**harness.os.environ, "TENON_PLUGIN_PATH": str(harness.PLUGINS)})
        self.addCleanup(self.end)

    def end(self):
        if self.member.poll() is None:
            self.member.send_signal(signal.SIGTERM)
            self.assertEqual(self.member.wait(10), 0)

    def nothing_is_malformed(self):
        self.end()
        time.sleep(0.2)
        self.capture.stop()
        self.assertGreater(len(self.capture.frames("igmp")), 1)
        self.assertEqual(self.capture.frames(self.capture.MALFORMED), [])

    def expect_igmp(self, kind, dst, timeout=3):
        """The next message of this type, which goes to `dst`, with time to live 1 and router alert (RFC 3376 §4)."""
        frame = self.peer.expect(lambda f: IP in f and f[IP].proto == 2 and bytes(f[IP].payload)[0] == kind, f"IGMP {kind:#x}", timeout)
        self.assertEqual((frame[IP].dst, frame[IP].ttl, frame[IP].ihl), (dst, 1, 6))
        return bytes(frame[IP].payload)

    def query(self, message):
        whole = bytearray(message)
        total = sum(struct.unpack(f"!{len(whole) // 2}H", whole))
        whole[2:4] = struct.pack("!H", ~((total >> 16) + total) & 0xffff)
        self.peer.send(Ether(src=self.peer.mac, dst="01:00:5e:00:00:01") /
                       IP(src=self.peer.ip, dst="224.0.0.1", ttl=1, proto=2, options=[b"\x94\x04\x00\x00"]) / Raw(bytes(whole)))

    def test_group_is_told_to_routers_of_both_versions_and_left(self):
        report = self.expect_igmp(0x22, "224.0.0.22", 10)
        self.assertEqual(report[6:8] + report[8:9] + report[12:16], b"\0\1" + b"\4" + socket.inet_aton(GROUP))  # to exclude nobody
        self.expect_igmp(0x22, "224.0.0.22")  # said twice
        self.query(QUERY_3)
        report = self.expect_igmp(0x22, "224.0.0.22")
        self.assertEqual((report[8], report[12:16]), (2, socket.inet_aton(GROUP)))
        self.query(QUERY_2)
        self.assertEqual(self.expect_igmp(0x16, GROUP)[4:8], socket.inet_aton(GROUP))
        self.member.send_signal(signal.SIGTERM)
        self.assertEqual(self.expect_igmp(0x17, "224.0.0.2")[4:8], socket.inet_aton(GROUP))
        self.nothing_is_malformed()

    def test_datagrams_go_to_the_group_and_come_from_it(self):
        self.expect_igmp(0x22, "224.0.0.22", 10)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(2)
            sock.bind(("", 0))
            mine = socket.inet_aton(harness.KERNEL)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, mine)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + mine)
            for text in (b"", b"hello", bytes(harness.pattern(0, 1400))):
                sock.sendto(text, (GROUP, PORT))
                data, sender = sock.recvfrom(2048)
                self.assertEqual((data, sender[0]), (harness.KERNEL.encode() + b" " + text, harness.STACK))
        self.nothing_is_malformed()


if __name__ == "__main__":
    harness.main()
