"""The tenon command as people and scripts meet it: arguments, exit codes, help, tables, signals.

The stacks have a host interface, which needs no device. Where the machine lets us, the tests run in a mount namespace with an
empty /run of their own, so that stacks of others are neither seen nor disturbed.
"""

import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("TENON_BUILD_DIR", ROOT / "build" / "release")).resolve()
TENON = BUILD / "tools" / "tenon"
PLUGINS = BUILD / "plugins-out"
OWN_RUN = os.environ.get("TENON_CLI_OWN_RUN") == "1"

VERBS = ["run", "check", "show", "swap", "reload", "stop", "describe", "ping", "traceroute", "trace", "version"]
CLIENTS = {"show": [], "swap": ["ether"], "reload": [], "stop": [], "ping": ["10.0.7.7"], "trace": []}

CONFIG = """\
stack:
  name: NAME
interfaces:
  h0:
    driver: host
    addresses: [10.0.7.7/24]
protocols:
  ether: {}
  arp: {}
  ipv4: {}
  icmp: {}
"""

scratch = None


def tenon(*arguments, **kwargs):
    return subprocess.run([TENON, *map(str, arguments)], capture_output=True, text=True, timeout=60, **kwargs)


def wait_until(condition, what, timeout=20):
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.01)


class Case(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(dir=scratch))
        self.processes = []

    def tearDown(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdout.close()

    def config(self, name="cli", text=CONFIG):
        path = self.dir / f"{name}.yaml"
        path.write_text(text.replace("NAME", name))
        return path

    def start(self, name="cli", *options, control=True, text=CONFIG):
        """A running stack; returns its process, whose first line has been printed."""
        path = self.config(name, text)
        options = [*options, *(["--control", self.control(name)] if control else [])]
        errors = (self.dir / f"{name}.err").open("w")
        process = subprocess.Popen([TENON, "run", path, *map(str, options)], stdout=subprocess.PIPE, stderr=errors, text=True)
        errors.close()
        self.processes.append(process)
        process.announced = process.stdout.readline().strip()
        if not process.announced:
            self.fail(f"status {process.wait()}: {(self.dir / f'{name}.err').read_text()}")
        return process

    def control(self, name="cli"):
        return self.dir / f"{name}.sock"

    def log(self, name="cli"):
        return (self.dir / f"{name}.err").read_text()

    def ask(self, verb, *arguments, name="cli", status=0):
        done = tenon(verb, "--control", self.control(name), *arguments)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def assert_usage(self, done, *parts):
        self.assert_status(done, 2, *parts)

    def assert_status(self, done, status, *parts):
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        for part in parts:
            self.assertIn(part, done.stderr)


class Arguments(Case):
    def test_every_verb_has_help(self):
        for verb in VERBS:
            for arguments in ([verb, "--help"], [verb, "-h"], ["help", verb]):
                done = tenon(*arguments)
                self.assert_status(done, 0)
                self.assertTrue(done.stdout.startswith(f"tenon {verb}: "), done.stdout)
                for part in (f"usage: tenon {verb}", "Example", "Exit code", f"tenon {verb}"):
                    self.assertIn(part, done.stdout)

    def test_overview(self):
        for arguments in (["--help"], ["-h"], ["help"]):
            done = tenon(*arguments)
            self.assert_status(done, 0)
            for verb in VERBS:
                self.assertIn(f"\n  {verb} ", done.stdout)

    def test_nothing_is_wrong_usage(self):
        self.assert_usage(tenon(), "usage: tenon VERB")

    def test_misspelt_verb(self):
        self.assert_usage(tenon("chek"), "no verb 'chek'", "did you mean 'check'?")
        self.assert_usage(tenon("xyzzy"), "no verb 'xyzzy'")
        self.assert_usage(tenon("help", "pnig"), "did you mean 'ping'?")

    def test_misspelt_option(self):
        for verb in VERBS:
            self.assert_usage(tenon(verb, "--hlep"), f"tenon {verb}: unknown option '--hlep'", "did you mean '--help'?")
            self.assert_usage(tenon(verb, "-z"), "unknown option '-z'")

    def test_missing_and_needless_values(self):
        self.assert_usage(tenon("run", "--user"), "--user needs a value")
        self.assert_usage(tenon("ping", "-c"), "needs a value")
        self.assert_usage(tenon("show", "--json=5"), "--json takes no value")

    def test_wrong_values(self):
        self.assert_usage(tenon("ping", "-c", "0", "10.0.7.1"), "-c 0", "expected a number")
        self.assert_usage(tenon("ping", "-s", "70000", "10.0.7.1"), "-s 70000")
        self.assert_usage(tenon("ping", "-i", "soon", "10.0.7.1"), "-i soon")
        self.assert_usage(tenon("trace", "-c", "-1"), "-c -1")
        self.assert_usage(tenon("traceroute", "-m", "256", "10.0.7.1"), "-m 256", "from 1 to 255")
        self.assert_usage(tenon("show", "--limit", "many"), "--limit many")
        self.assert_usage(tenon("run", "--log", "loud", "x"), "--log loud", "debug")
        self.assert_usage(tenon("run", "--user", "no-such-user", "x"), "no such user")

    def test_number_of_arguments(self):
        for arguments in (["run"], ["run", "a", "b"], ["check"], ["swap"], ["swap", "a", "b", "c"], ["reload", "a", "b"],
                          ["stop", "a"], ["ping"], ["ping", "a", "b"], ["traceroute"], ["traceroute", "a", "b"], ["trace", "a"], ["version", "a"]):
            self.assert_usage(tenon(*arguments), f"'tenon {arguments[0]} --help'")

    def test_options_that_exclude_each_other(self):
        self.assert_usage(tenon("run", "--control", "x", "--no-control", "y"), "exclude")

    def test_version(self):
        done = tenon("version")
        self.assert_status(done, 0)
        self.assertRegex(done.stdout, r"^tenon \d+\.\d+\.\d+\n$")
        self.assertEqual(tenon("--version").stdout, done.stdout)
        self.assertEqual("tenon " + json.loads(tenon("version", "--json").stdout)["version"] + "\n", done.stdout)


class Check(Case):
    def test_right(self):
        path = self.config()
        done = tenon("check", path)
        self.assert_status(done, 0)
        self.assertEqual(done.stdout, f"{path}: right\n")

    def test_nothing_to_run_is_remarked(self):
        path = self.config(text="")
        done = tenon("check", path)
        self.assert_status(done, 0)
        self.assertEqual(done.stdout, f"{path}: right, but it has no interfaces\n")

    def test_wrong_is_said_with_its_place(self):
        path = self.config(text=CONFIG.replace("  icmp: {}", "  icpm: {}"))
        self.assert_usage(tenon("check", path), f"{path}:11:", "icpm", "icmp")

    def test_examples(self):
        for path in sorted((ROOT / "etc").glob("*.yaml")):
            done = tenon("check", path)
            self.assertEqual((done.returncode, done.stdout), (0, f"{path}: right\n"), done.stderr)

    def test_options_of_a_packet_interface(self):
        def said(*settings):
            more = "".join(f"    {s}\n" for s in settings)
            return tenon("check", "-", input=CONFIG.replace("    driver: host\n", "    driver: packet\n" + more))

        self.assert_status(said(), 0)  # the device is called as the interface
        self.assert_status(said("device: eth0", "receive-buffer: 1M", "checksum-offload: no", "vlan: 5"), 0)
        self.assert_usage(said("devise: eth0"), "standard input:6:", "devise", "device")
        self.assert_usage(said("receive-buffer: 1k"), "standard input:6:", "receive-buffer", "64k")
        self.assert_usage(said("checksum-offload: 7"), "standard input:6:", "checksum-offload")

    def test_standard_input(self):
        done = tenon("check", "-", input=CONFIG)
        self.assertEqual((done.returncode, done.stdout), (0, "standard input: right\n"))
        self.assert_usage(tenon("check", "-", input="interfaces: ["), "standard input:", "syntax error")

    def test_several_files(self):
        self.assert_usage(tenon("check", self.config("a", "x: y"), self.config("b")), "a.yaml:1:")

    def test_what_is_no_text(self):
        self.assert_usage(tenon("check", self.dir / "none.yaml"), "none.yaml", "No such file")
        self.assert_usage(tenon("check", self.dir), "Is a directory")
        (self.dir / "zero").write_bytes(b"a\0b")
        self.assert_usage(tenon("check", self.dir / "zero"), "zero byte")


class Describe(Case):
    def test_one(self):
        done = tenon("describe", "icmp")
        self.assert_status(done, 0)
        self.assertIn("icmp", done.stdout)

    def test_all(self):
        names = tenon("describe", "--list").stdout.split()
        for name in ("arp", "ether", "host", "icmp", "ipv4", "tap"):
            self.assertIn(name, names)
        table = tenon("describe").stdout
        for name in names:
            self.assertRegex(table, rf"(?m)^{name} ")

    def test_unknown(self):
        self.assert_status(tenon("describe", "icpm"), 1, "tenon: no plugin 'icpm' (no icpm.ini in ", "), did you mean 'icmp'?\n")
        self.assertNotIn("mean", tenon("describe", "xyzzy").stderr)

    def test_plugin_path(self):
        for arguments in (["describe"], ["describe", "icmp"]):
            self.assert_status(tenon(*arguments, "--plugin-path", self.dir), 1, f"tenon: there is no plugin in {self.dir}\n")
        path = self.config()
        self.assert_usage(tenon("check", path, "--plugin-path", "/nonexist"),
                          f"{path}:8:3: found the unknown plugin 'ether': there is no plugin in /nonexist; TENON_PLUGIN_PATH says where they are\n")
        self.assertEqual(tenon("describe", "--list", "--plugin-path", self.dir).stdout, "")


class WithoutAStack(Case):
    def test_no_stack_is_status_3(self):
        for verb, arguments in CLIENTS.items():
            self.assert_status(tenon(verb, "--control", self.dir / "none", *arguments), 3, "none: no stack answers there")

    def test_socket_of_a_dead_stack_is_status_3(self):
        process = self.start()
        process.kill()
        process.wait()
        self.assertTrue(self.control().exists())
        self.ask("show", status=3)

    def test_path_that_is_too_long_is_status_3(self):
        self.assert_status(tenon("show", "--control", "x" * 200), 3, "too long")


class Run(Case):
    def test_announces_itself_in_a_line(self):
        process = self.start()
        self.assertEqual(process.announced,
                         f"cli runs: h0 (host) 10.0.7.7/24; control {self.control()}; pid {process.pid}")

    def test_ends_at_stop(self):
        process = self.start()
        self.ask("stop")
        self.assertEqual(process.wait(20), 0, self.log())
        self.assertFalse(self.control().exists())

    def test_ends_at_signals(self):
        for signum in (signal.SIGTERM, signal.SIGINT):
            process = self.start()
            process.send_signal(signum)
            self.assertEqual(process.wait(20), 0, self.log())
            self.assertFalse(self.control().exists())

    def test_wrong_configuration_is_status_2(self):
        self.assert_usage(tenon("run", self.config(text="stack: 5\n")), ":1:")
        self.assert_usage(tenon("run", self.dir / "none.yaml"), "No such file")

    def test_control_socket_that_cannot_be_is_status_1(self):
        done = tenon("run", self.config(), "--control", "/nonexistent/x.sock")
        self.assert_status(done, 1, "/nonexistent/x.sock: cannot make the control socket")

    def test_second_stack_at_the_same_socket_is_refused(self):
        self.start()
        self.assert_status(tenon("run", self.config(), "--control", self.control()), 1, "a running stack answers there")
        self.ask("show")

    def test_stale_socket_is_replaced(self):
        process = self.start()
        process.kill()
        process.wait()
        self.start()
        self.ask("show")

    def test_control_path_of_the_configuration(self):
        path = self.dir / "own.sock"
        process = self.start(control=False, text=CONFIG.replace("name: NAME", f"name: NAME\n  control: {path}"))
        self.assertIn(f"control {path};", process.announced)

    def test_no_control(self):
        process = self.start("cli", "--no-control", control=False)
        self.assertIn("control none;", process.announced)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), 0)

    def test_announces_that_there_are_no_interfaces(self):
        process = self.start(text="stack: { name: NAME }\n")
        self.assertEqual(process.announced, f"cli runs: no interfaces; control {self.control()}; pid {process.pid}")

    def test_announces_an_interface_that_has_no_address_yet(self):
        process = self.start(text=CONFIG.replace("    addresses: [10.0.7.7/24]\n", ""))
        self.assertIn("cli runs: h0 (host) without an address; control", process.announced)

    def test_reload_is_logged_whoever_asks(self):
        process = self.start()
        path = self.config(text=CONFIG.replace("10.0.7.7/24", "10.0.7.7/24, 10.0.7.9/24, 10.0.7.10/24"))
        self.ask("reload")
        for address in ("10.0.7.9", "10.0.7.10"):
            self.assertEqual(self.log().count(f"added address {address}/24 to h0\n"), 1, self.log())
        path.write_text(CONFIG.replace("NAME", "other"))
        done = self.ask("reload", status=1)
        self.assertIn(f"{path}:2:3: stack: name cannot be changed while running (it is 'cli')\n", done.stderr)
        self.assertIn("name cannot be changed while running (it is 'cli')\n", self.log())
        self.assertIn("reload refused: nothing was changed\n", self.log())
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.log().count("reload refused: nothing was changed\n") == 2, "the refusal is in the log")

    def test_sighup_reloads(self):
        process = self.start()
        self.config(text=CONFIG.replace("10.0.7.7/24", "10.0.7.7/24, 10.0.7.9/24"))
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "10.0.7.9" in self.ask("show", "addresses").stdout, "the new address is there")
        self.config(text="nonsense")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: "nothing was changed" in self.log(), "the refusal is in the log")
        self.assertIn("10.0.7.9", self.ask("show", "addresses").stdout)
        self.ask("stop")
        self.assertEqual(process.wait(20), 0)

    def test_privileges_are_dropped(self):
        process = self.start()
        status = self.status_of(process)
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            self.assertEqual(int(status[name], 16), 0, name)
        self.assertEqual(status["NoNewPrivs"].strip(), "1")
        had = "dropped all capabilities( and the bounding set)?" if os.geteuid() == 0 else "had no capabilities to drop"
        self.assertRegex(self.log(), had + "; new privileges are ruled out\n")

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_privileges_can_be_kept(self):
        process = self.start("cli", "--keep-privileges")
        self.assertNotEqual(int(self.status_of(process)["CapEff"], 16), 0)

    @staticmethod
    def status_of(process):
        lines = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
        return dict(line.split(":\t", 1) for line in lines if ":\t" in line)

    def test_log_is_plain_in_a_file(self):
        self.start()
        for line in self.log().splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d{4} (error|warning|info|debug) [\w-]+: ")

    def test_log_level(self):
        self.start("cli", "--log", "error")
        self.assertEqual(self.log(), "")

    def test_trace(self):
        process = self.start("cli", "--trace")
        self.ask("ping", "-c", "1", "-W", "0.1", "10.0.7.99", status=1)
        line = process.stdout.readline()
        self.assertRegex(line, r"^\d\d:\d\d:\d\d\.\d{6} +out h0 +ether .* \| arp ")
        self.assertNotIn("\033", line)


class Show(Case):
    def test_every_table(self):
        self.start()
        tables = re.search(r"Tables: ([^.]*)\.", tenon("show", "--help").stdout).group(1).replace("\n", " ").split(", ")
        self.assertEqual(len(tables), 14)
        for table in tables:
            self.assertTrue(self.ask("show", table).stdout.strip(), table)
            answer = json.loads(self.ask("show", table, "--json").stdout)
            self.assertEqual(answer["table"], table)
            self.assertEqual(answer["total"], len(answer["rows"]))

    def test_groups(self):
        self.start(text=CONFIG + "  udp: {}\nservices:\n  echo: { listen: ['udp/239.1.2.3:7'] }\n")
        self.assertEqual(self.ask("show", "groups").stdout.split("\n")[1].split(), ["239.1.2.3", "h0", "1"])

    def test_tables_are_aligned(self):
        self.start()
        lines = self.ask("show", "routes").stdout.splitlines()
        self.assertEqual(lines[0].split(), ["TO", "VIA", "INTERFACE", "METRIC", "VRF", "FROM"])
        self.assertEqual(lines[1].split(), ["10.0.7.0/24", "connected", "h0", "0", "0", "stack.yaml"])
        for word, cell in (("VIA", "connected"), ("INTERFACE", "h0")):
            self.assertEqual(lines[0].index(word), lines[1].index(cell))

    def test_no_line_ends_in_blanks(self):
        self.start()
        for line in self.ask("show", "options").stdout.splitlines():
            self.assertEqual(line, line.rstrip())

    def test_sockets_are_sorted(self):
        text = CONFIG + "  tcp: {}\nservices:\n  echo: { listen: [tcp/7, tcp/70, tcp/71, tcp/72] }\n"
        self.start(text=text)
        ids = [int(line.split()[0]) for line in self.ask("show", "sockets").stdout.splitlines()[1:]]
        self.assertEqual(len(ids), 4)
        self.assertEqual(ids, sorted(ids))

    def test_overview(self):
        self.start()
        text = self.ask("show").stdout
        for part in ("interfaces\n", "routes\n", "neighbours\n", "sockets\n", "drops\n", "10.0.7.7/24"):
            self.assertIn(part, text)

    def test_zeros_are_for_those_who_want_them(self):
        self.start()
        self.assertEqual(self.ask("show", "drops").stdout, "nothing was dropped\n")
        self.assertIn("no-framing", self.ask("show", "drops", "--all").stdout)

    def test_limit(self):
        self.start()
        text = self.ask("show", "counters", "--all", "--limit", "2", "--offset", "1").stdout
        self.assertRegex(text, r"\(2 of \d+ rows, from 1 on")
        self.assertEqual(len(text.splitlines()), 4)

    def test_misspelt_table(self):
        self.assert_usage(tenon("show", "route"), "no table 'route'", "did you mean 'routes'?")
        self.assert_usage(tenon("show", "neigh"), "no table 'neigh'", "did you mean 'neighbours'?")


class SwapAndReload(Case):
    def test_swap(self):
        self.start()
        copy = self.dir / "ether.so"
        shutil.copy(PLUGINS / "ether.so", copy)
        text = self.ask("swap", "ether", copy).stdout
        self.assertIn("generation 1", text)
        self.assertIn("generation 2", text)
        answer = json.loads(self.ask("swap", "ether", "--json").stdout)
        self.assertEqual(answer["new"]["generation"], 3)
        self.assertEqual(answer["old"]["path"], str(copy))

    def test_swap_that_is_refused_is_status_1(self):
        self.start()
        (self.dir / "no.so").write_text("no ELF file")
        self.assert_status(self.ask("swap", "ether", self.dir / "no.so", status=1), 1, "ELF")
        self.assert_status(self.ask("swap", "ether", self.dir / "none.so", status=1), 1, "No such file")
        self.assert_status(self.ask("swap", "ehter", status=1), 1, "did you mean 'ether'?")
        shutil.copy(PLUGINS / "arp.so", self.dir / "arp.so")
        self.assert_status(self.ask("swap", "ether", self.dir / "arp.so", status=1), 1,
                           f"{self.dir}/arp.so: is a build of 'arp', not of 'ether'\n")
        self.assertIn("ether", self.ask("show", "plugins").stdout)

    def test_reload(self):
        self.start()
        self.assertEqual(self.ask("reload").stdout, "nothing had changed\n")
        self.config(text=CONFIG.replace("10.0.7.7/24", "10.0.7.7/24, 10.0.7.9/24"))
        self.assertIn("10.0.7.9", self.ask("reload").stdout)
        self.assertIn("10.0.7.9/24", self.ask("show", "addresses").stdout)
        old = self.dir / "old.yaml"
        old.write_text(CONFIG.replace("NAME", "cli"))
        self.assertIn("10.0.7.9", json.loads(self.ask("reload", old, "--json").stdout)["changes"][0])
        self.assertNotIn("10.0.7.9/24", self.ask("show", "addresses").stdout)

    def test_device_that_cannot_be_opened_has_its_place(self):
        self.start()
        text = CONFIG.replace("NAME", "cli").replace("protocols:", "  t0:\n    driver: tap\n    device: lo\nprotocols:")
        path = self.config("tap", text)
        self.assert_status(self.ask("reload", path, status=1), 1, f"tenon: {path}:7:3: t0: ")

    def test_reload_that_is_refused_is_status_1(self):
        self.start()
        path = self.config("wrong", CONFIG.replace("  ether: {}", "  ehter: {}"))
        self.assert_status(self.ask("reload", path, status=1), 1, f"{path}:8:", "ether")
        self.assert_usage(self.ask("reload", self.dir / "none.yaml", status=2), "No such file")
        self.assertIn("ether", self.ask("show", "plugins").stdout)


class PingAndTrace(Case):
    def test_answered(self):
        self.start()
        text = self.ask("ping", "-c", "3", "-i", "0.05", "10.0.7.7").stdout
        self.assertEqual(len(re.findall(r"(?m)^\d+ bytes from 10\.0\.7\.7: seq=\d ttl=\d+ time=\d+\.\d{3} ms$", text)), 3)
        self.assertIn("10.0.7.7: 3 sent, 3 received, 0 % lost", text)
        self.assertIn("round trip min/avg/max", text)

    def test_unanswered_is_status_1(self):
        self.start()
        text = self.ask("ping", "-c", "2", "-i", "0.05", "-W", "0.1", "10.0.7.99", status=1).stdout
        self.assertIn("2 sent, 0 received, 100 % lost", text)

    def test_what_is_no_address_is_wrong_usage(self):
        self.start()
        for verb in ("ping", "traceroute"):
            for word in ("10.0.7", "a b", ""):
                self.assert_usage(self.ask(verb, word, status=2), f"tenon {verb}: found '{word}', expected an IPv4 address or a name")

    def test_numbers_are_within_bounds(self):
        self.assert_usage(tenon("ping", "-c", "0", "10.0.7.7"), "-c 0: expected a number from 1 to 1000000000\n")
        self.assert_usage(tenon("ping", "-i", "0", "10.0.7.7"), "-i 0: expected a number from 0.01 to 3600\n")

    def test_json(self):
        self.start()
        lines = [json.loads(line) for line in self.ask("ping", "-c", "1", "--json", "10.0.7.7").stdout.splitlines()]
        self.assertEqual(lines[0]["seq"], 1)
        self.assertEqual(lines[-1]["received"], 1)

    def test_ctrl_c_sums_up(self):
        self.start()
        ping = subprocess.Popen([TENON, "ping", "--control", self.control(), "-i", "0.02", "10.0.7.7"],
                                stdout=subprocess.PIPE, text=True)
        self.addCleanup(ping.kill)
        self.assertIn("bytes from", ping.stdout.readline())
        ping.send_signal(signal.SIGINT)
        text = ping.communicate(timeout=20)[0]
        self.assertEqual(ping.returncode, 0)
        self.assertIn("0 % lost", text)

    def test_traceroute(self):
        self.start()
        text = self.ask("traceroute", "-q", "2", "10.0.7.7").stdout
        self.assertRegex(text, r"\n 1  10\.0\.7\.7 \d+\.\d{3} ms \d+\.\d{3} ms\n$")
        text = self.ask("traceroute", "-q", "1", "-m", "2", "-w", "0.05", "10.0.7.99", status=1).stdout
        self.assertTrue(text.endswith("\n 1  *\n 2  *\n"), text)

    def test_ctrl_c_ends_traceroute(self):
        self.start()
        trace = subprocess.Popen([TENON, "traceroute", "--control", self.control(), "-w", "60", "10.0.7.99"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(trace.kill)
        wait_until(lambda: self.waits(trace.pid), "it waits for an answer")
        trace.send_signal(signal.SIGINT)
        self.assertEqual(trace.communicate(timeout=20)[1], "")
        self.assertEqual(trace.returncode, 1)

    @staticmethod
    def waits(pid):
        """It catches SIGINT and sleeps."""
        status = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
        return status["State"].startswith("S") and int(status["SigCgt"], 16) & 1 << signal.SIGINT - 1

    def test_ping_without_its_plugin_is_status_1(self):
        self.start(text=CONFIG.replace("  icmp: {}\n", ""))
        self.assert_status(self.ask("ping", "-c", "1", "10.0.7.7", status=1), 1, "has a command 'ping'")

    def test_trace(self):
        self.start()
        trace = subprocess.Popen([TENON, "trace", "--control", self.control(), "-c", "10"], stdout=subprocess.PIPE, text=True)
        end = time.monotonic() + 20
        while trace.poll() is None and time.monotonic() < end:
            self.ask("ping", "-c", "1", "-W", "0.05", "10.0.7.99", status=1)
        self.assertEqual(trace.returncode, 0)
        self.assertRegex(trace.communicate()[0], r"out h0 +ether .* \| arp .*10\.0\.7\.99")

    def test_trace_ends_with_the_stack(self):
        process = self.start()
        trace = subprocess.Popen([TENON, "trace", "--control", self.control()], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        wait_until(lambda: len(os.listdir(f"/proc/{process.pid}/fd")) > 0, "it runs")
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        process.wait(20)
        self.assertIn("ended", trace.communicate(timeout=20)[1])
        self.assertEqual(trace.returncode, 3)


@unittest.skipUnless(OWN_RUN, "needs a /run of its own (a mount namespace)")
class WhichStack(Case):
    def setUp(self):
        super().setUp()
        os.environ["XDG_RUNTIME_DIR"] = str(self.dir)

    def tearDown(self):
        super().tearDown()
        del os.environ["XDG_RUNTIME_DIR"]
        shutil.rmtree("/run/tenon", ignore_errors=True)

    def test_the_one_that_runs_is_found(self):
        process = self.start("one", control=False)
        self.assertIn("control /run/tenon/one.sock;", process.announced)
        self.assertEqual(os.stat("/run/tenon").st_mode & 0o777, 0o700)
        self.assertEqual(os.stat("/run/tenon/one.sock").st_mode & 0o777, 0o600)
        self.assert_status(tenon("show", "stack"), 0)

    def test_none(self):
        self.assert_status(tenon("show"), 3, "no stack runs here")
        self.start("one", control=False)
        self.assert_status(tenon("show", "--stack", "two"), 3, "no stack named 'two'")

    def test_several(self):
        self.start("one", control=False)
        second = self.start("two", control=False)
        self.assert_usage(tenon("show"), "several stacks run here", "one", "/run/tenon/two.sock")
        self.assertIn("two", tenon("show", "stack", "--stack", "two").stdout)
        self.assert_status(tenon("stop", "--stack", "two"), 0)
        self.assertEqual(second.wait(20), 0)
        self.assert_status(tenon("show"), 0)

    def test_dead_ones_are_passed_over(self):
        first = self.start("one", control=False)
        first.kill()
        first.wait()
        self.start("two", control=False)
        self.assertIn("two", tenon("show", "stack").stdout)

    def test_same_name_twice_is_refused(self):
        self.start("one", control=False)
        self.assert_status(tenon("run", self.config("one")), 1, "/run/tenon/one.sock: a running stack answers there")

    def test_directory_that_others_can_write_to_is_not_used(self):
        os.mkdir("/run/tenon")
        os.chmod("/run/tenon", 0o777)
        process = self.start("one", control=False)
        self.assertIn(f"control {self.dir}/tenon/one.sock;", process.announced)
        self.assert_status(tenon("show", "stack"), 0)

    @unittest.skipUnless(os.environ.get("TENON_CLI_REAL_ROOT") == "1", "needs root")
    def test_other_user(self):
        os.chmod(self.dir, 0o755)
        process = self.start("one", "--user", "nobody", control=False)
        nobody = pwd.getpwnam("nobody")
        self.assertIn("control /run/tenon/nobody/one.sock;", process.announced)
        status = Run.status_of(process)
        self.assertEqual(status["Uid"].split(), [str(nobody.pw_uid)] * 4)
        self.assertEqual(status["Gid"].split(), [str(nobody.pw_gid)] * 4)
        self.assertEqual(int(status["CapPrm"], 16), 0)
        self.assertEqual(os.stat("/run/tenon/nobody/one.sock").st_uid, nobody.pw_uid)
        self.assert_status(tenon("show", "stack"), 0)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), 0)
        self.assertEqual(os.listdir("/run/tenon/nobody"), [])


class Papers(Case):
    """The man page and the completion know what --help knows."""

    def options(self, verb):
        return set(re.findall(r"(?m)^ +(?:-\w, )?(--[a-z-]+)", tenon(verb, "--help").stdout))

    def test_man_page_has_every_verb_and_option(self):
        text = (ROOT / "tools" / "tenon.1").read_text().replace("\\-", "-")
        for verb in VERBS:
            self.assertIn(f".SS tenon {verb}", text)
            for option in self.options(verb) - {"--help"}:
                self.assertIn(option, text, f"{verb} {option}")

    def test_control_document_has_every_member_of_a_row(self):
        text = (ROOT / "docs" / "control.md").read_text().split("### show")[1].split("### ")[0]
        documented = {name: set(re.findall(r"`([a-z-]+)`", rest)) for name, rest in re.findall(r"(?m)^\| `([a-z-]+)` \| (.*) \|$", text)}
        self.start()
        for table in re.search(r"(?s)Tables: (.*?)\.", tenon("show", "--help").stdout)[1].replace("\n", " ").split(", "):
            for row in json.loads(self.ask("show", "--json", "--all", table).stdout)["rows"]:
                self.assertLessEqual(set(row), documented[table], table)

    @unittest.skipUnless(shutil.which("man"), "there is no man(1)")
    def test_man_pages_are_well_formed(self):
        for page in ("tools/tenon.1", "docs/stack.yaml.5"):
            done = subprocess.run(["man", "--warnings", "-l", ROOT / page], capture_output=True, text=True,
                                  env={**os.environ, "MANROFFSEQ": "", "LC_ALL": "C.UTF-8", "PAGER": "cat"}, timeout=60)
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def complete(self, *words):
        script = f"""
            source {ROOT}/tools/tenon.bash-completion
            PATH={TENON.parent}:$PATH
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            compopt() {{ :; }}
            _tenon
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        done = subprocess.run(["bash", "--norc", "-c", script, "bash", "tenon", *words], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stderr, "")
        return set(done.stdout.split())

    def test_completion_of_verbs(self):
        self.assertEqual(self.complete(""), {*VERBS, "help", "--help", "--version"})
        self.assertEqual(self.complete("re"), {"reload"})

    def test_completion_of_options(self):
        for verb in VERBS:
            self.assertEqual(self.complete(verb, "--"), self.options(verb), verb)

    def test_completion_of_tables_and_plugins(self):
        self.assertEqual(self.complete("show", "rou"), {"routes"})
        self.assertEqual(self.complete("describe", "ic"), {"icmp"})
        self.assertIn("tap", self.complete("swap", ""))

    def test_completion_of_running_plugins(self):
        self.start()
        self.assertEqual(self.complete("swap", "--control", str(self.control()), ""), {"host", "ether", "arp", "ipv4", "icmp"})
        self.assertEqual(self.complete("run", "--log", "w"), {"warning"})


def enter_own_run():
    """Starts this program again in a mount namespace whose /run is empty, if that is possible."""
    unshare = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
    inner = "mount -t tmpfs tmpfs /run"
    if subprocess.run([*unshare, "sh", "-c", inner], capture_output=True).returncode != 0:
        return
    os.environ["TENON_CLI_OWN_RUN"] = "1"
    os.environ["TENON_CLI_REAL_ROOT"] = "1" if os.geteuid() == 0 else "0"
    os.execvp(unshare[0], [*unshare, "sh", "-c", inner + ' && exec "$0" "$@"', sys.executable, *sys.argv])


if __name__ == "__main__":
    if not TENON.exists():
        print(f"{TENON} is not built")
        sys.exit(2)
    if not OWN_RUN:
        enter_own_run()
    os.environ.pop("TENON_PLUGIN_PATH", None)
    scratch = tempfile.mkdtemp(prefix="tenon-cli-")
    try:
        program = unittest.main(exit=False, verbosity=2)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    sys.exit(0 if program.result.wasSuccessful() else 1)
