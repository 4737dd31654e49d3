"""The DHCP client against real servers (dnsmasq, Kea, busybox's udhcpd), and against one that misbehaves."""

import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
import unittest

import harness
import isolate
from harness import KERNEL, TAP, run, wait_until

# Start-up and conflict detection without the RFCs' pauses: those are tested in virtual time.
# The stack sends UDP checksums as they go on the wire, so that a capture can be judged.
CONFIG = """\
stack:
  name: dhcp
  control: {control}
interfaces:
  tap7:
    driver: tap
    mac: "02:00:00:00:07:07"
    checksum-offload: off
protocols:
  ether: {{}}
  arp: {{ probe-wait: 10ms, probe-min: 10ms, probe-max: 20ms, announce-wait: 50ms }}
  ipv4: {{}}
  icmp: {{}}
  udp: {{}}
  tcp: {{}}
services:
  dhcp: {{ interface: tap7, start-delay: 0, renew-least: 1s, host-name: tenon }}
  echo: {{ listen: [tcp/7, udp/7] }}
"""


class Server:
    """A server's process, in the kernel's end of the network."""

    def __init__(self, *command, env=None):
        self.directory = isolate.scratch_directory("server")
        self.log = self.directory / "log"
        self.command = [str(c) for c in command]
        self.env = {**os.environ, **(env or {})}
        self.process = None

    def file(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return path

    def start(self):
        with self.log.open("a") as log:
            self.process = subprocess.Popen(self.command, env=self.env, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


class Dnsmasq(Server):
    def __init__(self):
        super().__init__()
        self.command = ["dnsmasq", "--keep-in-foreground", "--log-facility=-", "--port=0", f"--interface={TAP}", "--bind-interfaces",
                        "--conf-file=/dev/null", "--user=root", f"--dhcp-leasefile={self.directory / 'leases'}", "--pid-file=",
                        "--dhcp-range=10.0.7.100,10.0.7.120,255.255.255.0,120", "--dhcp-option=option:router,10.0.7.1",
                        "--dhcp-option=option:dns-server,10.0.7.53,10.0.7.54", "--dhcp-option=option:domain-name,dnsmasq.example",
                        "--dhcp-option=option:classless-static-route,0.0.0.0/0,10.0.7.1,10.16.0.0/12,10.0.7.2",
                        "--dhcp-option=option:mtu,1400", "--dhcp-authoritative", "--no-ping"]


class Kea(Server):
    def __init__(self):
        super().__init__()
        config = self.file("kea.json", json.dumps({"Dhcp4": {
            "interfaces-config": {"interfaces": [TAP], "dhcp-socket-type": "raw"},
            "lease-database": {"type": "memfile", "persist": False},
            "valid-lifetime": 6, "min-valid-lifetime": 6, "max-valid-lifetime": 6, "renew-timer": 2, "rebind-timer": 4,
            "subnet4": [{"subnet": "10.0.7.0/24", "pools": [{"pool": "10.0.7.100 - 10.0.7.120"}], "option-data": [
                {"name": "routers", "data": "10.0.7.1"}, {"name": "domain-name-servers", "data": "10.0.7.53"},
                {"name": "domain-name", "data": "kea.example"}]}],
            "loggers": [{"name": "kea-dhcp4", "output_options": [{"output": "stdout"}], "severity": "WARN"}]}}))
        self.command = ["kea-dhcp4", "-c", str(config)]
        self.env |= {"KEA_LOCKFILE_DIR": str(self.directory), "KEA_PIDFILE_DIR": str(self.directory)}


class Udhcpd(Server):
    def __init__(self):
        super().__init__()
        leases = self.file("leases", "")
        config = self.file("udhcpd.conf", f"start 10.0.7.100\nend 10.0.7.120\ninterface {TAP}\nmin_lease 6\nlease_file {leases}\n"
                           f"pidfile {self.directory / 'pid'}\n"
                           "option subnet 255.255.255.0\noption router 10.0.7.1\noption dns 10.0.7.53\noption domain udhcpd.example\n"
                           "option lease 10\n")
        self.command = ["udhcpd", "-f", str(config)]


def need(program):
    if not shutil.which(program):
        raise unittest.SkipTest(f"{program} is not installed")


class DhcpCase(unittest.TestCase):
    def setUp(self):
        harness.make_tap()
        self.addCleanup(harness.remove_tap)
        self.state = isolate.scratch_directory("state")
        self.stack = None
        self.capture = harness.Capture()
        self.addCleanup(self.nothing_is_malformed)

    def nothing_is_malformed(self):
        """Whatever the server said."""
        self.capture.stop()
        self.assertGreater(len(self.capture.frames("dhcp || arp")), 0)
        self.assertEqual(self.capture.frames(self.capture.MALFORMED), [])

    def serve(self, server):
        server.start()
        self.addCleanup(server.stop)
        return server

    def run_stack(self, config=CONFIG):
        self.stack = harness.Stack(config, ["--state", str(self.state)])
        self.addCleanup(self.stack.stop)

    def lease(self):
        return self.stack.rows("dhcp")[0]

    def wait_for(self, state, timeout=15, server=None):
        wait_until(lambda: self.lease()["state"] == state, timeout,
                   f"{state}; it is {self.lease()}\n{self.stack.log.read_text()}\n{server.log.read_text() if server else ''}")
        return self.lease()

    def counter(self, name):
        return self.stack.counter("dhcp", name)

    def answers_ping(self, address):
        return run("ping", "-c", "1", "-W", "1", address, check=False).returncode == 0


class Servers(DhcpCase):
    def lease_works(self, server, domain):
        lease = self.wait_for("BOUND", server=server)
        address = lease["address"].split("/")[0]
        self.assertRegex(lease["address"], r"^10\.0\.7\.1[012]\d/24$")
        self.assertEqual(lease["server"], KERNEL)
        self.assertEqual(lease["domain"], domain)
        self.assertIn("10.0.7.53", lease["name-servers"])
        self.assertTrue(self.answers_ping(address))
        self.assertIn("default", [r["to"] for r in self.stack.rows("routes")])
        with socket.create_connection((address, 7), 5) as sock:
            sock.sendall(b"leased")
            self.assertEqual(sock.recv(10), b"leased")
        return address

    # conformance: 2131 4.4.1-bound; 3442 routes; 2132 5.1
    def test_dnsmasq(self):
        need("dnsmasq")
        server = self.serve(Dnsmasq())
        self.run_stack()
        address = self.lease_works(server, "dnsmasq.example")
        lease = self.lease()
        self.assertIn("10.16.0.0/12 via 10.0.7.2", lease["routes"])
        self.assertEqual(lease["mtu"], 1400)
        self.assertEqual([r["mtu"] for r in self.stack.rows("interfaces")], [1400])
        self.assertEqual(self.stack.stop(), 0)
        wait_until(lambda: f"DHCPRELEASE({TAP}) {address}" in server.log.read_text(), 3, "the address is released")

    # conformance: 2131 4.4.5
    def test_kea_renews_rebinds_and_loses(self):
        need("kea-dhcp4")
        self.run_stack()  # Kea wants an interface with somebody at the other end
        server = self.serve(Kea())
        address = self.lease_works(server, "kea.example")
        wait_until(lambda: self.counter("renewals") >= 2, 15, "two renewals")
        self.assertEqual(self.lease()["address"].split("/")[0], address)
        server.stop()
        self.wait_for("REBINDING", 10)
        self.wait_for("SELECTING", 10)
        self.assertFalse(self.answers_ping(address))
        self.assertEqual(self.counter("expired"), 1)
        self.serve(Kea())
        self.wait_for("BOUND", 30)

    def test_udhcpd(self):
        need("udhcpd")
        server = self.serve(Udhcpd())
        self.run_stack()
        self.lease_works(server, "udhcpd.example")
        wait_until(lambda: self.counter("renewals") >= 1, 15, "a renewal")

    # conformance: 2131 4.4.2
    def test_lease_on_disk_is_asked_for_after_kill_9(self):
        need("dnsmasq")
        self.serve(Dnsmasq())
        self.run_stack()
        address = self.wait_for("BOUND")["address"]
        self.stack.process.kill()
        self.stack.process.wait()
        self.stack.process = None
        self.stack.start()
        self.assertEqual(self.wait_for("BOUND")["address"], address)
        self.assertEqual(self.counter("discovers"), 0)

    def test_nobody_answers(self):
        self.run_stack()
        wait_until(lambda: self.counter("discovers") >= 2, 10, "asked again")
        self.assertEqual(self.lease()["state"], "SELECTING")
        self.assertIn("SELECTING", self.stack.command("show", "dhcp").stdout)


class Liar(threading.Thread):
    """A server that answers each message as `answer` says: a list of messages."""

    def __init__(self, answer):
        super().__init__(daemon=True)
        self.answer, self.heard, self.ending = answer, [], False
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, TAP.encode())
        self.socket.bind(("", 67))
        self.socket.settimeout(0.1)

    def run(self):
        while not self.ending:
            try:
                message = self.socket.recv(2000)
            except TimeoutError:
                continue
            self.heard.append(message)
            for reply in self.answer(message):
                self.socket.sendto(reply, ("255.255.255.255", 68))

    def stop(self):
        self.ending = True
        self.join()
        self.socket.close()


DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK = range(1, 7)


def type_of(message):
    return message[message.index(b"\x35\x01", 240) + 2]


def reply(to, kind, address="10.0.7.77", options=b"", xid=None):
    header = struct.pack("!BBBB4sHH4s4s4s4s", 2, 1, 6, 0, xid or to[4:8], 0, 0, bytes(4), socket.inet_aton(address), bytes(4), bytes(4))
    usual = bytes([53, 1, kind, 54, 4]) + socket.inet_aton(KERNEL) + bytes([1, 4, 255, 255, 255, 0, 51, 4, 0, 0, 0, 60])
    return header + to[28:44] + bytes(192) + b"\x63\x82\x53\x63" + usual + options + b"\xff"


class Lies(DhcpCase):
    def lie(self, answer):
        liar = Liar(answer)
        liar.start()
        self.addCleanup(liar.stop)
        self.run_stack()
        return liar

    def test_wrong_xid_and_overflow_and_then_a_right_one(self):
        def answer(message):
            kind = OFFER if type_of(message) == DISCOVER else ACK
            return [reply(message, kind, xid=b"\0\0\0\0"), reply(message, kind)[:241], reply(message, kind, options=b"\x0f\xff")[:-1],
                    os.urandom(1400), reply(message, kind, "255.255.255.255"), reply(message, kind)]
        self.lie(answer)
        self.assertEqual(self.wait_for("BOUND")["address"], "10.0.7.77/24")
        drops = self.stack.drops()
        for reason in ("not-ours", "malformed", "bad-offer"):
            self.assertGreater(drops.get(("dhcp", reason), 0), 0, drops)

    # conformance: 2131 3.1-nak
    def test_always_nak(self):
        liar = self.lie(lambda m: [reply(m, OFFER)] if type_of(m) == DISCOVER else [reply(m, NAK, "0.0.0.0")])
        wait_until(lambda: self.counter("naks") >= 2, 10, "two NAKs")
        self.assertLess(len(liar.heard), 20)  # it is not hurried
        self.assertEqual(self.stack.rows("addresses"), [])

    def test_read_only_disk_is_told_of(self):
        MS_RDONLY = 1
        if not isolate.own_proc or isolate.libc.mount(b"none", str(self.state).encode(), b"tmpfs", MS_RDONLY, None) != 0:
            self.skipTest("nothing can be mounted here")
        self.addCleanup(isolate.libc.umount, str(self.state).encode())
        self.lie(lambda m: [reply(m, OFFER if type_of(m) == DISCOVER else ACK)])
        self.wait_for("BOUND")
        self.assertIn(f"cannot keep tap7 in {self.state}: Read-only file system", self.stack.log.read_text())

    def test_flood_of_offers_and_nothing_else(self):
        self.lie(lambda m: [reply(m, OFFER) for _ in range(200)])
        wait_until(lambda: self.counter("requests") >= 2, 15, "asked for one of them, twice")
        self.assertGreater(self.stack.drops()[("dhcp", "unexpected")], 100)
        self.assertLessEqual(self.stack.usage()["packets"], 32)  # the driver keeps spare ones


if __name__ == "__main__":
    harness.main()
