"""Two addresses of one subnet in different VRFs, with different gateways: each one's traffic goes its own way."""

import socket

import harness
from harness import run

CONFIG = harness.CONFIG.replace(
    "    addresses: [10.0.7.7/24, 10.0.7.8/24]\n",
    "    addresses: [10.0.7.7/24, {{ address: 10.0.7.8/24, vrf: 5 }}]\n").replace(
    "      - {{ to: default, via: 10.0.7.1 }}\n",
    "      - {{ to: default, via: 10.0.7.1 }}\n      - {{ to: default, via: 10.0.7.2, vrf: 5 }}\n")

FAR = "192.0.2.9"
GATEWAYS = {harness.STACK: "02:00:00:00:01:01", harness.SECOND: "02:00:00:00:02:02"}


class Vrf(harness.StackCase):
    """The kernel is the far host. Two MAC VLANs on the TAP are the gateways 10.0.7.1 and 10.0.7.2; what the stack sends to each
    is counted there."""

    config = CONFIG

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        run("ip", "addr", "flush", "dev", harness.TAP)
        for name, address in (("gw1", harness.STACK), ("gw2", harness.SECOND)):
            run("ip", "link", "add", name, "link", harness.TAP, "type", "macvlan", "mode", "bridge")
            cls.addClassCleanup(run, "ip", "link", "del", name, check=False)
            run("ip", "link", "set", name, "address", GATEWAYS[address], "up")
        run("ip", "addr", "add", "10.0.7.1/24", "dev", "gw1")
        run("ip", "addr", "add", "10.0.7.2/24", "dev", "gw2")
        run("ip", "addr", "add", FAR + "/32", "dev", "lo")
        run("ip", "route", "replace", harness.STACK + "/32", "dev", "gw1", "src", FAR)
        run("ip", "route", "replace", harness.SECOND + "/32", "dev", "gw2", "src", FAR)
        # Each gateway answers for its own address only, and takes what comes by it.
        for name in ("all", "gw1", "gw2"):
            run("sysctl", "-qw", f"net.ipv4.conf.{name}.arp_ignore=1", f"net.ipv4.conf.{name}.arp_announce=2",
                f"net.ipv4.conf.{name}.rp_filter=0")

    def destinations(self, action):
        """The link addresses to which the stack sent IPv4 packets for the far host while `action` ran, by source address."""
        seen = {}
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as sniffer:
            sniffer.bind((harness.TAP, 0))
            action()
            sniffer.settimeout(0.2)
            try:
                while True:
                    frame = sniffer.recv(65536)
                    if frame[12:14] == b"\x08\x00" and frame[6:12].hex(":") == harness.MAC and \
                            frame[30:34] == socket.inet_aton(FAR):
                        seen.setdefault(socket.inet_ntoa(frame[26:30]), set()).add(frame[0:6].hex(":"))
            except TimeoutError:
                return seen

    def ask(self, address):
        with harness.connect(address, source_address=(FAR, 0)) as sock:
            self.echo_works(sock)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(2)
            sock.bind((FAR, 0))
            sock.connect((address, harness.ECHO))
            sock.send(b"datagram")
            self.assertEqual(sock.recv(100), b"datagram")
        run("ping", "-n", "-c", 1, "-W", 2, "-I", FAR, address)

    def test_answers_leave_by_the_vrf_they_came_in(self):
        for address, gateway in GATEWAYS.items():
            with self.subTest(address=address):
                self.assertEqual(self.destinations(lambda address=address: self.ask(address)), {address: {gateway}})

    def test_ping_command_goes_by_the_gateway_of_its_vrf(self):
        for address, vrf in ((harness.STACK, 0), (harness.SECOND, 5)):
            with self.subTest(vrf=vrf):
                seen = self.destinations(lambda vrf=vrf: self.stack.command("ping", "-c", 1, "--vrf", vrf, FAR))
                self.assertEqual(seen, {address: {GATEWAYS[address]}})


if __name__ == "__main__":
    harness.main()
