"""The demonstration (`./dev demo`): a stack on a TAP device talks with Linux, one line a step with what was measured.

Everything happens in network and PID namespaces of its own (tests/wire/isolate.py), so that nothing is left behind however it
ends. A step that fails says what was expected and what came, and the demo ends with status 1. --keep leaves the stack up.
"""

import argparse
import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "wire"))

import harness  # noqa: E402
import isolate  # noqa: E402
from harness import KERNEL, MAC, SECOND, STACK, TAP, TENON, run  # noqa: E402

ETH_P_ALL = 3  # with another type, what the kernel sends is not seen
STACK_YAML = "etc/stack.yaml"
MEGABYTE = 1_000_000
ECHO_BYTES = 10 * MEGABYTE
DISCARD_BYTES = 50 * MEGABYTE
SWAP_CONNECTIONS = 100
SWAP_BYTES_EACH = 500_000


class Failure(Exception):
    """A step did not do what it should: what was expected, and what came."""

    def __init__(self, expected, came):
        super().__init__(f"expected: {expected}\ncame:     {came}")


def expect(condition, expected, came):
    if not condition:
        raise Failure(expected, came)


def rate(count, seconds):
    return f"{count * 8 / seconds / 1e6:,.0f} Mbit/s"


def micros(seconds):
    return f"{seconds * 1e6:.0f} µs"


class Demo:
    def __init__(self, keep, outer):
        self.keep, self.outer = keep, outer
        self.directory = isolate.scratch_directory("demo")
        self.control_path = self.directory / "control"
        self.log = self.directory / "log"
        self.stack = None
        self.fresh = None
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    # ---- Telling -----------------------------------------------------------------------------------------------------

    def step(self, title, expected, body):
        """One line: what `body` measured, or what was expected in its place and what came."""
        print(f"  {title:<22}", end="", flush=True)
        try:
            print(f"{self.green('ok')}  {body()}", flush=True)
        except Exception as e:
            print(self.red("FAILED"))
            failure = e if isinstance(e, Failure) else Failure(expected, f"{type(e).__name__}: {e}")
            print("\n".join("      " + line for line in str(failure).splitlines()))
            self.show_log()
            raise SystemExit(1) from e

    def show_log(self):
        if self.log.exists():
            lines = self.log.read_text().splitlines()[-20:]
            print("      the stack's last words:", *lines, sep="\n        ")

    def green(self, text):
        return f"\033[32m{text}\033[0m" if self.colour else text

    def red(self, text):
        return f"\033[31m{text}\033[0m" if self.colour else text

    # ---- The stack ---------------------------------------------------------------------------------------------------

    def tenon(self, verb, *arguments):
        done = run(TENON, verb, "--control", self.control_path, *arguments, check=False)
        expect(done.returncode == 0, f"tenon {verb} ends with 0", f"{done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def rows(self, table):
        return json.loads(self.tenon("show", table, "--json"))["rows"]

    def build_id(self, plugin):
        return next(row["build-id"] for row in self.rows("plugins") if row["name"] == plugin)

    def start(self):
        started = time.monotonic()
        self.stack = subprocess.Popen([TENON, "run", "--control", self.control_path, STACK_YAML], cwd=harness.ROOT,
                                      stdin=subprocess.DEVNULL, stdout=self.log.open("w"), stderr=subprocess.STDOUT)
        harness.wait_until(self.is_ready, 10, f"`tenon run {STACK_YAML}` answers on its control socket")
        took = time.monotonic() - started
        harness.configure_tap()
        return f"tenon run {STACK_YAML}: {len(self.rows('plugins'))} plugins, up after {took * 1000:.0f} ms"

    def is_ready(self):
        expect(self.stack.poll() is None, "tenon run goes on", f"it ended with status {self.stack.poll()}")
        try:
            harness.Control(self.control_path).close()
            return True
        except OSError:
            return False

    def stop(self):
        self.stack.send_signal(signal.SIGTERM)
        try:
            status = self.stack.wait(10)
        except subprocess.TimeoutExpired:
            raise Failure("tenon run ends after SIGTERM", "it was still there 10 s later") from None
        expect(status == 0, "exit status 0 after SIGTERM", status)
        expect(not harness.tap_exists(), f"{TAP} gone", f"{TAP} still there")
        expect(not self.control_path.exists(), "the control socket gone", f"{self.control_path} still there")
        return f"SIGTERM: exit status 0, {TAP} and the control socket are gone"

    def end(self):
        self.step("end", "a clean end: status 0, no device, no socket", self.stop)

    # ---- Steps -------------------------------------------------------------------------------------------------------

    def arp(self):
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as wire:
            wire.bind((TAP, 0))
            wire.settimeout(3)
            run("ip", "neigh", "flush", "dev", TAP)  # the stack's own announcement may have told the kernel already
            ping = subprocess.Popen(["ping", "-n", "-q", "-c", "1", "-W", "3", STACK], stdout=subprocess.DEVNULL)
            try:
                asked = self.arp_frame(wire, 1, STACK)
                answered = self.arp_frame(wire, 2, KERNEL)
            finally:
                ping.wait()
        lladdr, state = harness.neighbour() or (None, None)
        expect(lladdr == MAC, f"the kernel learns {MAC}", lladdr)
        known = {row["address"]: row["lladdr"] for row in self.rows("neighbours")}
        expect(KERNEL in known, f"the stack knows {KERNEL}", known)
        return f"who has {STACK}? is at {lladdr}, after {micros(answered - asked)}; kernel: {state}, stack: {KERNEL} at {known[KERNEL]}"

    @staticmethod
    def arp_frame(wire, operation, target):
        """When the next ARP frame of this kind for this target passed."""
        while True:
            try:
                frame = wire.recv(2000)
            except TimeoutError:
                raise Failure(f"an ARP {'request' if operation == 1 else 'reply'} for {target}", "nothing in 3 s") from None
            if frame[12:14] == b"\x08\x06" and frame[20:22] == struct.pack(">H", operation) and \
                    frame[38:42] == socket.inet_aton(target):
                return time.monotonic()

    @staticmethod
    def ping(address):
        done = run("ping", "-n", "-q", "-c", 20, "-i", "0.01", "-W", 2, address, check=False)
        lines = done.stdout.strip().splitlines()
        expect("20 received" in done.stdout, "20 of 20 answered", lines[-2] if len(lines) > 1 else done.stderr)
        minimum, average, maximum = lines[-1].split(" = ")[1].split("/")[:3]
        return f"20 of 20 answered, min/avg/max {minimum}/{average}/{maximum} ms"

    @staticmethod
    def udp(port):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(2)
        sock.connect((STACK, port))
        return sock

    def udp_echo(self):
        times, sizes = [], [0, 1, 64, 512, 1472] * 40
        with self.udp(harness.ECHO) as sock:
            for i, size in enumerate(sizes):
                data = bytes(harness.pattern(i, size))
                started = time.monotonic()
                sock.send(data)
                answer = sock.recv(65536)
                times.append(time.monotonic() - started)
                expect(answer == data, f"the same {size} bytes", f"{len(answer)} bytes, different ones")
        return f"{len(sizes)} datagrams of 0 to 1472 bytes, all the same; {micros(sum(times) / len(times))} each on average"

    def udp_discard(self):
        def datagrams_in():
            return sum(int(row["value"]) for row in self.rows("counters")
                       if row["plugin"] == "udp" and row["counter"] == "datagrams-in")

        before = datagrams_in()
        with self.udp(harness.DISCARD) as sock:
            for _ in range(100):
                sock.send(b"into the void")
            sock.settimeout(0.2)
            try:
                raise Failure("no answer", sock.recv(2000))
            except TimeoutError:
                pass
        taken = datagrams_in() - before
        expect(taken == 100, "100 datagrams counted", taken)
        return "100 datagrams taken, none answered"

    def udp_daytime(self):
        with self.udp(harness.DAYTIME) as sock:
            sock.send(b"")
            text = sock.recv(2000).decode().strip()
        expect(":" in text, "a date and a time", repr(text))
        return text

    @staticmethod
    def finish(transfers, **kwargs):
        """Works until they are done; every byte must have come back. Seconds."""
        started = time.monotonic()
        harness.run_transfers(transfers, **kwargs)
        took = time.monotonic() - started
        problems = [t.problem for t in transfers if t.problem]
        expect(not problems, "every byte back, the same", f"{len(problems)} of {len(transfers)}: {problems[:1]}")
        return took

    def tcp_echo(self, address=STACK, count=ECHO_BYTES):
        transfer = harness.EchoTransfer(count, address)
        took = self.finish([transfer])
        transfer.close()
        return f"{count // MEGABYTE} MB there and back in {took:.2f} s ({rate(count, took)} each way), the same byte for byte"

    @staticmethod
    def tcp_discard():
        started = time.monotonic()
        with harness.connect(port=harness.DISCARD, timeout=30) as sock:
            for offset in range(0, DISCARD_BYTES, MEGABYTE):
                sock.sendall(harness.pattern(offset, MEGABYTE))
            sock.shutdown(socket.SHUT_WR)
            rest = sock.recv(100)
        took = time.monotonic() - started
        expect(rest == b"", "no data, then the end", rest)
        return f"{DISCARD_BYTES // MEGABYTE} MB taken in {took:.2f} s ({rate(DISCARD_BYTES, took)}), none sent back"

    @staticmethod
    def tcp_daytime():
        with harness.connect(port=harness.DAYTIME) as sock:
            text = harness.receive_all(sock).decode().strip()
        expect(":" in text, "a date and a time", repr(text))
        return text

    def second_address(self):
        return f"{SECOND}: {self.ping(SECOND)}; {self.tcp_echo(SECOND, MEGABYTE)}"

    def build_afresh(self):
        started = time.monotonic()
        self.fresh = harness.build_afresh("echo", "tcp")
        return f"echo and tcp compiled again, in {time.monotonic() - started:.1f} s"

    def swap(self, plugin):
        """Swaps to the fresh build; (old build id, new build id, seconds)."""
        before = self.build_id(plugin)
        started = time.monotonic()
        self.tenon("swap", plugin, self.fresh / f"{plugin}.so")
        took = time.monotonic() - started
        after = self.build_id(plugin)
        expect(after != before, f"another build id than {before}", after)
        return before, after, took

    def swap_echo(self):
        transfer = harness.EchoTransfer(ECHO_BYTES)
        self.finish([transfer], until=lambda: transfer.received > ECHO_BYTES // 4)
        at = transfer.received
        old, new, took = self.swap("echo")
        self.finish([transfer])
        transfer.close()
        return (f"build {old[:8]} to {new[:8]} in {took * 1000:.0f} ms, {at / MEGABYTE:.1f} MB into a connection, which echoed on to "
                f"{transfer.total // MEGABYTE} MB without an error")

    def swap_tcp(self):
        total = SWAP_CONNECTIONS * SWAP_BYTES_EACH
        transfers = [harness.EchoTransfer(SWAP_BYTES_EACH, start=i) for i in range(SWAP_CONNECTIONS)]
        started = time.monotonic()
        self.finish(transfers, until=lambda: sum(t.received for t in transfers) > total // 10)
        result = []
        thread = threading.Thread(target=lambda: result.append(self.attempt(lambda: self.swap("tcp"))))
        thread.start()
        self.finish(transfers, until=lambda: bool(result))
        thread.join()
        open_then = sum(1 for t in transfers if not t.done)
        if isinstance(result[0], Exception):
            raise result[0]
        old, new, took = result[0]
        expect(open_then > 0, "connections still transferring when the swap was done", "all were through already")
        self.finish(transfers)
        seconds = time.monotonic() - started
        for transfer in transfers:
            transfer.close()
        return (f"build {old[:8]} to {new[:8]} in {took * 1000:.0f} ms under {open_then} open transfers; {SWAP_CONNECTIONS} "
                f"connections, {total // MEGABYTE} MB there and back in {seconds:.1f} s, none reset, every byte right")

    @staticmethod
    def attempt(body):
        try:
            return body()
        except Exception as e:
            return e

    def counters(self):
        rows = [(row["plugin"], row["counter"], int(row["value"])) for row in self.rows("counters") if int(row["value"])]
        drops = [(row["plugin"], row["reason"], int(row["value"])) for row in self.rows("drops") if int(row["value"])]
        expect(rows, "counters that count", "none")
        lines = []
        for plugin in dict.fromkeys(row[0] for row in rows):
            counts = ", ".join(f"{name} {value:,}" for owner, name, value in rows if owner == plugin)
            lines.append(f"    {plugin:<10}{counts}")
        for plugin, reason, value in drops:
            lines.append(f"    dropped by {plugin}: {reason} {value:,}")
        return "what the plugins counted:\n" + "\n".join(lines)

    # ---- The whole ---------------------------------------------------------------------------------------------------

    def run(self):
        who = "root" if os.environ.get("TENON_DEMO_UID", "0") == "0" else "an ordinary user, root in a user namespace"
        print(f"Tenon demo: {STACK_YAML} on {TAP} in a network namespace of its own ({who})")
        run("ip", "link", "set", "lo", "up")
        started = time.monotonic()
        for title, expected, body in (
            ("start", "a stack that answers on its control socket", self.start),
            ("ARP exchange", "a question, an answer, and both sides knowing each other", self.arp),
            ("ping", "20 answers", lambda: self.ping(STACK)),
            ("UDP echo", "the same datagrams back", self.udp_echo),
            ("UDP discard", "datagrams taken without an answer", self.udp_discard),
            ("UDP daytime", "a datagram with date and time", self.udp_daytime),
            ("TCP echo", "the same bytes back", self.tcp_echo),
            ("TCP discard", "bytes taken, and nothing but the end of the connection back", self.tcp_discard),
            ("TCP daytime", "a line with date and time, and the end of the connection", self.tcp_daytime),
            ("second address", f"answers from {SECOND}", self.second_address),
            ("fresh builds", "echo and tcp compiled", self.build_afresh),
            ("tenon swap echo", "another build, and a connection that goes on", self.swap_echo),
            ("tenon swap tcp", f"another build, and {SWAP_CONNECTIONS} connections that go on", self.swap_tcp),
            ("counters", "what the plugins counted", self.counters),
        ):
            self.step(title, expected, body)
        if self.keep:
            self.stay()
        else:
            self.end()
        print(f"All steps done in {time.monotonic() - started:.1f} s.")

    def stay(self):
        tool = TENON.relative_to(harness.ROOT) if TENON.is_relative_to(harness.ROOT) else TENON
        user = "-U --preserve-credentials " if os.environ.get("TENON_DEMO_UID", "0") != "0" else ""
        enter = f"nsenter {user}-n -t {isolate.outer_pid}"
        print(f"""
The stack stays up. From another terminal, in {harness.ROOT}:
    {enter} ping {STACK}
    {enter} bash -c 'cat < /dev/tcp/{STACK}/13'
    {tool} show --control {self.control_path} plugins
    {tool} trace --control {self.control_path}
To stop it: Ctrl-C here, or kill {self.outer}""", flush=True)
        try:
            status = self.stack.wait()
            raise Failure("the stack stays up", f"it ended with status {status}")
        except (KeyboardInterrupt, SystemExit):
            print()
            if self.stack.poll() is None:
                self.end()


def main():
    parser = argparse.ArgumentParser(prog="./dev demo", description="Shows the stack at work on a TAP device.")
    parser.add_argument("--keep", action="store_true", help="leave the stack up and say how to reach it")
    arguments = parser.parse_args()
    outer = os.getpid()
    os.environ["TENON_DEMO_UID"] = str(os.getuid())

    def body():
        tempfile.tempdir = str(isolate.scratch_root)
        Demo(arguments.keep, outer).run()

    try:
        sys.exit(isolate.isolated(body, "tenon-demo-"))
    except isolate.Unavailable as e:
        sys.exit(f"The demo cannot run here: {e}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
