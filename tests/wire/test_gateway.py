"""Two gateways, of which one falls silent under an open connection, and comes back."""

import socket
import time

import harness
from harness import run

CONFIG = harness.CONFIG.replace(
    "      - {{ to: default, via: 10.0.7.1 }}\n",
    "      - {{ to: default, via: 10.0.7.1 }}\n      - {{ to: default, via: 10.0.7.2, metric: 10 }}\n")

FAR = "192.0.2.9"
GATEWAYS = {"gw1": ("10.0.7.1", "02:00:00:00:01:01"), "gw2": ("10.0.7.2", "02:00:00:00:02:02")}


class Gateways(harness.StackCase):
    """The kernel is the far host; two MAC VLANs on the TAP are the gateways."""

    config = CONFIG

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        run("ip", "addr", "flush", "dev", harness.TAP)
        run("ip", "addr", "add", FAR + "/32", "dev", "lo")
        for name, (address, mac) in GATEWAYS.items():
            run("ip", "link", "add", name, "link", harness.TAP, "type", "macvlan", "mode", "bridge")
            cls.addClassCleanup(run, "ip", "link", "del", name, check=False)
            run("ip", "link", "set", name, "address", mac)
            run("sysctl", "-qw", f"net.ipv4.conf.{name}.arp_ignore=1", f"net.ipv4.conf.{name}.arp_announce=2",
                f"net.ipv4.conf.{name}.rp_filter=0")
            run("ip", "addr", "add", address + "/32", "dev", name)
            cls.bring_up(name)
        run("sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1", "net.ipv4.conf.all.arp_announce=2", "net.ipv4.conf.all.rp_filter=0")

    @staticmethod
    def bring_up(name):
        run("ip", "link", "set", name, "up")
        run("ip", "route", "add", harness.STACK + "/32", "dev", name, "src", FAR, "metric", name[2])

    def dead(self):
        return [row["via"] for row in self.stack.rows("routes") if row["dead"]]

    # conformance: 1122 3.3.1.4
    # conformance: 1122 3.3.1.5
    def test_connection_goes_on_by_the_second_gateway_and_comes_back(self):
        with harness.connect(harness.STACK, source_address=(FAR, 0), timeout=20) as sock:
            self.echo_works(sock)
            run("ip", "link", "set", "gw1", "down")
            began = time.monotonic()
            self.echo_works(sock)
            self.assertLess(time.monotonic() - began, 10)
            self.assertEqual(self.dead(), ["10.0.7.1"])
            self.bring_up("gw1")
            harness.wait_until(lambda: self.dead() == [], 30, "the first gateway is alive")
            self.echo_works(sock)
        self.assertIn(("10.0.7.1", "REACHABLE"), [(row["address"], row["state"]) for row in self.stack.rows("neighbours")])


if __name__ == "__main__":
    harness.main()
