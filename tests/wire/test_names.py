"""Names, asked for at a real name server (dnsmasq) over the stack's own sockets."""

import shutil
import socket
import subprocess
import unittest

import harness
import isolate
from harness import KERNEL, TAP, wait_until

CONFIG = harness.CONFIG.replace("  name: wire\n", f"  name: wire\n  name-servers: [{KERNEL}]\n  domain: wire.example\n")
MANY = 60  # addresses of one name: more than fit a datagram of 512 bytes


class Names(harness.StackCase):
    config = CONFIG

    def setUp(self):
        super().setUp()
        if not shutil.which("dnsmasq"):
            self.skipTest("dnsmasq is not installed")
        hosts = isolate.scratch_directory("dns") / "hosts"
        many = "".join(f"10.0.9.{i} many.wire.example\n" for i in range(1, MANY + 1))
        hosts.write_text(f"{KERNEL} gate.wire.example\n{many}")
        log = (hosts.parent / "log").open("w")
        server = subprocess.Popen(["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", f"--addn-hosts={hosts}",
                                   f"--interface={TAP}", "--bind-interfaces", "--conf-file=/dev/null", "--user=root", "--pid-file=",
                                   "--local=/example/", "--log-facility=-"], stdout=log, stderr=subprocess.STDOUT)
        self.addCleanup(lambda: (server.kill(), server.wait()))
        wait_until(self.listens, 5, "dnsmasq listens")

    @staticmethod
    def listens():
        try:
            socket.create_connection((KERNEL, 53), 1).close()
            return True
        except OSError:
            return False

    def resolve(self, name):
        control = self.stack.control()
        try:
            answers = [control.ask("call", plugin="core", command="resolve", args={"name": name})]
            while answers[-1].get("more"):
                answers.append(harness.json.loads(control.lines.readline()))
            return [a["address"] for a in answers]
        finally:
            control.close()

    def test_ping_by_name(self):
        done = self.stack.command("ping", "-c", "1", "gate.wire.example")
        self.assertIn(f"gate.wire.example is {KERNEL}", done.stdout)
        self.assertIn("1 received", done.stdout)

    def test_traceroute_by_name(self):
        done = self.stack.command("traceroute", "-q", 1, "gate.wire.example")
        self.assertRegex(done.stdout, rf"^gate\.wire\.example is {KERNEL}\nthe way to {KERNEL}, .*\n 1  {KERNEL} \d")

    def test_short_name(self):
        self.assertEqual(self.resolve("gate"), [KERNEL])

    def test_long_answer_comes_over_tcp(self):
        before = self.stack.counter("tcp", "active-opens")
        self.assertEqual(len(self.resolve("many.wire.example")), 16)  # TN_RESOLVED_MAX
        self.assertEqual(self.stack.counter("tcp", "active-opens"), before + 1)

    def test_no_such_name(self):
        for verb in ("ping", "traceroute"):
            done = self.stack.command(verb, "nobody.wire.example", check=False)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("there is no such name", done.stderr)


if __name__ == "__main__":
    harness.main()
