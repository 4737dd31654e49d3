"""What the wire tests (and the demo) stand on: a TAP device, a stack on it, its control socket, and traffic that is checked.

A test module ends with `harness.main()`, which runs it in namespaces of its own (isolate.py). The build under test is that of
TENON_BUILD_DIR, by default build/release.
"""

import ctypes
import fcntl
import json
import os
import pathlib
import random
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import isolate

# Where tc lies is not on every user's path.
os.environ["PATH"] += ":/usr/sbin:/sbin"

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("TENON_BUILD_DIR", ROOT / "build" / "release")).resolve()
TENON = BUILD / "tools" / "tenon"
PLUGINS = BUILD / "plugins-out"

TAP = "tap7"
KERNEL = "10.0.7.1"
STACK = "10.0.7.7"
SECOND = "10.0.7.8"
MAC = "02:00:00:00:07:07"

CONFIG = """\
stack:
  name: wire
  control: {control}
interfaces:
  tap7:
    driver: tap
    mac: "02:00:00:00:07:07"
    addresses: [10.0.7.7/24, 10.0.7.8/24]
    routes:
      - {{ to: default, via: 10.0.7.1 }}
protocols:
  ether: {{}}
  arp: {{}}
  ipv4: {{}}
  icmp: {{}}
  udp: {{}}
  tcp: {{}}
services:
  echo:    {{ listen: [tcp/7, udp/7] }}
  discard: {{ listen: [tcp/9, udp/9] }}
  daytime: {{ listen: [tcp/13, udp/13] }}
  chargen: {{ listen: [tcp/19, udp/19] }}
"""

ECHO, DISCARD, DAYTIME, CHARGEN = 7, 9, 13, 19


def run(*command, timeout=30, check=True, **kwargs):
    """Runs a program; its CompletedProcess with text output. A failure shows what it printed."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=timeout, **kwargs)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def wait_until(condition, timeout=5.0, what=None):
    """Asks `condition` until it holds and returns its value; fails after `timeout` seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what or condition}")
        time.sleep(0.01)


# ---- The kernel's side -----------------------------------------------------------------------------------------------------------


def make_tap(name=TAP, address=KERNEL + "/24", user=None):
    """A TAP device that is there before the stack (and after it), with the kernel's address on it."""
    run("ip", "tuntap", "add", "dev", name, "mode", "tap", *(["user", user] if user is not None else []))
    configure_tap(name, address)


def configure_tap(name=TAP, address=KERNEL + "/24"):
    # No router solicitations and the like of the kernel's own accord.
    path = pathlib.Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6")
    if path.exists():
        path.write_text("1")
    run("ip", "addr", "add", address, "dev", name)
    run("ip", "link", "set", name, "up")


def remove_tap(name=TAP):
    run("ip", "link", "del", name, check=False)


def tap_exists(name=TAP):
    return run("ip", "link", "show", name, check=False).returncode == 0


def ethtool(device, command, value):
    """Sets one of the values that ethtool -K does: ETHTOOL_S…"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        data = ctypes.create_string_buffer(struct.pack("II", command, value))
        fcntl.ioctl(sock, 0x8946, struct.pack("16sP", device.encode(), ctypes.addressof(data)))  # SIOCETHTOOL


def switch_off_offloads(device):
    """The device wants its frames whole, with complete checksums."""
    ethtool(device, 0x17, 0)  # ETHTOOL_STXCSUM
    ethtool(device, 0x24, 0)  # ETHTOOL_SGSO


def switch_on_gro(device):
    """The device puts the segments that it receives together."""
    ethtool(device, 0x2C, 1)  # ETHTOOL_SGRO


def neighbour(address=STACK):
    """The kernel's neighbour entry: (link address, state), or None."""
    for entry in json.loads(run("ip", "-json", "neigh", "show", address).stdout or "[]"):
        return entry.get("lladdr"), entry["state"][0]
    return None


# ---- The stack -------------------------------------------------------------------------------------------------------------------


class ControlError(Exception):
    """What the stack answered instead."""


class Control:
    """A client of the control socket: one JSON object a line."""

    def __init__(self, path, timeout=10):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.lines = self.socket.makefile("r")

    def ask(self, cmd, **arguments):
        self.socket.sendall((json.dumps({"cmd": cmd, **arguments}) + "\n").encode())
        line = self.lines.readline()
        if not line:
            raise ControlError("the control socket was closed")
        reply = json.loads(line)
        if "error" in reply:
            raise ControlError(reply["error"])
        return reply

    def rows(self, table, **arguments):
        return self.ask("show", what=table, **arguments)["rows"]

    def close(self):
        self.lines.close()
        self.socket.close()


class Stack:
    """A `tenon run` process. The configuration's {control} becomes the path of its control socket."""

    def __init__(self, config=CONFIG, arguments=(), start=True, user=None, plugin_path=PLUGINS):
        self.directory = isolate.scratch_directory("stack")
        self.directory.chmod(0o755 if user is None else 0o777)
        self.control_path = self.directory / "control"
        self.yaml = self.directory / "stack.yaml"
        self.log = self.directory / "log"
        self.arguments = arguments
        self.user = user
        self.environment = {**os.environ, "TENON_PLUGIN_PATH": str(plugin_path)}
        self.process = None
        self.write(config)
        if start:
            self.start()

    def write(self, config):
        self.yaml.write_text(config.format(control=self.control_path))

    def start(self):
        command = [str(TENON), "run", str(self.yaml), *self.arguments]
        if self.user is not None:
            command = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", "--"] + command
        with self.log.open("a") as log:
            self.process = subprocess.Popen(command, env=self.environment, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=subprocess.STDOUT)
        wait_until(self.answers, 20, "the stack answers on its control socket")

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"tenon run ended with status {self.process.returncode}:\n{self.log.read_text()}")
        try:
            Control(self.control_path).close()
            return True
        except OSError:
            return False

    def control(self):
        return Control(self.control_path)

    def rows(self, table, **arguments):
        control = self.control()
        try:
            return control.rows(table, **arguments)
        finally:
            control.close()

    def command(self, *arguments, **kwargs):
        """The `tenon` command on this stack."""
        verb, *rest = arguments
        return run(TENON, verb, "--control", self.control_path, *rest, env=self.environment, **kwargs)

    def counter(self, plugin, name):
        return next(int(r["value"]) for r in self.rows("counters") if r["plugin"] == plugin and r["counter"] == name)

    def drops(self):
        """{(plugin, reason): number} of all that are not 0."""
        return {(r["plugin"], r["reason"]): int(r["value"]) for r in self.rows("drops") if int(r["value"])}

    def build_id(self, plugin):
        return next(r["build-id"] for r in self.rows("plugins") if r["name"] == plugin)

    def usage(self):
        return self.rows("stack")[0]["usage"]

    def stop(self, signum=signal.SIGTERM, timeout=20):
        """Ends it; the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signum)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"tenon run was still there {timeout} s after {signum.name}:\n{self.log.read_text()}") from None
        self.process = None
        return status


def cache_variable(name):
    """Of the build under test."""
    for line in (BUILD / "CMakeCache.txt").read_text().splitlines():
        if line.startswith(name + ":"):
            return line.split("=", 1)[1]
    return ""


def build_afresh(*plugins):
    """Compiles plugins again in a new directory, as the build under test was. Another directory is another build id (the debug
    information names it). Returns the directory with the new .so files and manifests."""
    directory = isolate.scratch_directory("fresh")
    settings = [f"-D{name}={cache_variable(name)}" for name in ("CMAKE_BUILD_TYPE", "CMAKE_C_COMPILER", "TENON_SANITIZE")]
    run("cmake", "-S", ROOT, "-B", directory, "-G", "Ninja", "-DTENON_TESTS=OFF", *settings, timeout=120)
    run("ninja", "-C", directory, *(f"plugin_{name}" for name in plugins), timeout=300)
    return directory / "plugins-out"


class Capture:
    """What passes on a device, from now until stop(), as tshark judges it."""

    def __init__(self, device=TAP):
        self.file = isolate.scratch_directory("capture") / "all.pcap"
        self.tcpdump = subprocess.Popen(["tcpdump", "-i", device, "--immediate-mode", "-U", "-w", str(self.file)], stderr=subprocess.PIPE,
                                        text=True)
        self.tcpdump.stderr.readline()  # "listening on"

    def stop(self):
        if self.tcpdump.poll() is None:
            self.tcpdump.terminate()
            self.tcpdump.wait(10)
        self.tcpdump.stderr.close()

    def frames(self, condition, mac=MAC):
        """The stack's own frames under the condition, a line each, checksums checked."""
        return run("tshark", "-n", "-r", self.file, "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
                   "-Y", f"eth.src == {mac} && ({condition})", timeout=60).stdout.splitlines()

    MALFORMED = "_ws.malformed || ip.checksum.status == 0 || icmp.checksum.status == 0 || igmp.checksum.status == 0 || " \
                "udp.checksum.status == 0"


# ---- Traffic ---------------------------------------------------------------------------------------------------------------------

# Bytes that no offset, no lost and no doubled piece leaves unnoticed.
PATTERN_SIZE = (1 << 20) - 3
PATTERN = memoryview(random.Random(7).randbytes(PATTERN_SIZE) * 2)


def pattern(offset, length):
    """`length` bytes (at most PATTERN_SIZE) of the endless pattern, from `offset` on."""
    start = offset % PATTERN_SIZE
    return PATTERN[start:start + min(length, PATTERN_SIZE)]


def connect(address=STACK, port=ECHO, timeout=10, **kwargs):
    return socket.create_connection((address, port), timeout, **kwargs)


def receive_all(sock):
    """Until the end of data."""
    pieces = []
    while piece := sock.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def receive_exactly(sock, length):
    data = b""
    while len(data) < length:
        piece = sock.recv(length - len(data))
        if not piece:
            raise AssertionError(f"the connection ended after {len(data)} of {length} bytes")
        data += piece
    return data


class EchoTransfer:
    """Sends `total` bytes of the pattern to an echo service and compares what comes back, as it comes."""

    CHUNK = 1 << 16

    def __init__(self, total, address=STACK, port=ECHO, start=0, source=None):
        self.total, self.start = total, start
        self.sent = self.received = 0
        self.problem = None
        self.socket = connect(address, port, source_address=source)
        self.socket.setblocking(False)

    @property
    def done(self):
        return self.problem is not None or self.received == self.total

    def events(self):
        writing = selectors.EVENT_WRITE if self.sent < self.total else 0
        return selectors.EVENT_READ | writing

    def work(self, events):
        try:
            if events & selectors.EVENT_WRITE:
                self.sent += self.socket.send(pattern(self.start + self.sent, min(self.CHUNK, self.total - self.sent)))
            if events & selectors.EVENT_READ:
                self.take(self.socket.recv(self.CHUNK))
        except BlockingIOError:
            pass
        except OSError as e:
            self.problem = f"{e.strerror} after {self.received} of {self.total} bytes"

    def take(self, data):
        if not data:
            self.problem = f"the connection ended after {self.received} of {self.total} bytes"
        elif data != pattern(self.start + self.received, len(data)):
            self.problem = f"wrong bytes among those from {self.received} to {self.received + len(data)}"
        self.received += len(data)

    def close(self):
        self.socket.close()


def run_transfers(transfers, timeout=60, until=None):
    """Works on all of them until they are done, or `until()` holds. Fails when nothing moves any more, or after `timeout`."""
    end = time.monotonic() + timeout
    with selectors.DefaultSelector() as selector:
        for transfer in transfers:
            if not transfer.done:
                selector.register(transfer.socket, transfer.events(), transfer)
        while selector.get_map() and not (until and until()):
            if time.monotonic() > end:
                left = [t for t in transfers if not t.done]
                raise AssertionError(f"{len(left)} of {len(transfers)} transfers were not through after {timeout} s; "
                                     f"the first stood at {left[0].received} of {left[0].total} bytes")
            for key, events in selector.select(0.1):
                transfer = key.data
                transfer.work(events)
                if transfer.done:
                    selector.unregister(transfer.socket)
                elif transfer.events() != key.events:
                    selector.modify(transfer.socket, transfer.events(), transfer)


def check_scarce_packets(case, config, driver):
    """Large buffers are held by what waits to be read at echo's clients: frames are read and forgotten meanwhile, but not
    acknowledgements, or none would ever be free again; and no byte of a connection is lost."""
    stack = Stack(config.replace("stack:", "stack:\n  limits: {{ large-buffers: 16 }}", 1))
    case.addCleanup(stack.stop)
    transfers = [EchoTransfer(100_000) for _ in range(20)]
    for transfer in transfers:
        case.addCleanup(transfer.close)
        transfer.work(selectors.EVENT_WRITE)
    time.sleep(0.5)
    run_transfers(transfers, timeout=60)
    case.assertEqual([t.problem for t in transfers if t.problem], [])
    case.assertGreater(stack.drops()[driver, "no-memory"], 0)
    stack.command("ping", "--count", "1", KERNEL)


# ---- Test cases ------------------------------------------------------------------------------------------------------------------


def need_other_users():
    """Skips where this process can become nobody else (called when the tests run, not when the module is read)."""
    if pathlib.Path("/proc/self/uid_map").read_text().split()[2] == "1":
        raise unittest.SkipTest("needs a second user, which a user namespace of one has not")


class StackCase(unittest.TestCase):
    """One stack on tap7 for all tests of the class; each finds it alive and leaves it alive."""

    config = CONFIG
    arguments = ()

    @classmethod
    def setUpClass(cls):
        make_tap()
        cls.addClassCleanup(remove_tap)
        cls.stack = Stack(cls.config, cls.arguments)
        cls.addClassCleanup(cls.finish)

    @classmethod
    def finish(cls):
        status = cls.stack.stop()
        if status not in (0, None):
            raise AssertionError(f"tenon run ended with status {status}:\n{cls.stack.log.read_text()[-4000:]}")

    def setUp(self):
        self.assertIsNone(self.stack.process.poll(), "the stack has ended")

    def tearDown(self):
        self.assertIsNone(self.stack.process.poll(), f"the stack has ended:\n{self.stack.log.read_text()[-4000:]}")

    def echo_works(self, sock=None, text=b"still here?"):
        """A round trip, on `sock` or on a new connection."""
        own = sock is None
        sock = sock or connect()
        sock.sendall(text)
        self.assertEqual(receive_exactly(sock, len(text)), text)
        if own:
            sock.close()


def main():
    """The test program: this module's tests in namespaces of their own."""
    def body():
        tempfile.tempdir = str(isolate.scratch_root)
        if not isolate.own_proc:
            os.environ["ASAN_OPTIONS"] = "detect_leaks=0"  # the leak checker reads /proc
        run("ip", "link", "set", "lo", "up")
        program = unittest.main(module="__main__", exit=False, verbosity=2)
        return 0 if program.result.wasSuccessful() else 1

    if not TENON.exists():
        print(f"{TENON} is not built")
        sys.exit(2)
    try:
        sys.exit(isolate.isolated(body))
    except isolate.Unavailable as e:
        print(f"SKIPPED: {e}")
        sys.exit(isolate.SKIPPED)
