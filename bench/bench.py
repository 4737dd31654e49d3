"""The benchmark (`./dev bench`): the same work done by Tenon, by kernel sockets and by lwIP, interleaved, in namespaces of its own.

The load comes from kernel sockets (bench/load) in a network namespace with a device to each subject:

    kernel      echo, discard, daytime and chargen on kernel sockets (bench/serve.c) at the far end of a veth pair
    tenon       `tenon run` on a TAP device
    tenon-plain the same on a TAP device without offloads
    tenon-one, tenon-plain-one  the same with a system call for each frame (io-uring: no); only where they are asked for by name
    tenon-packet  the same on the far end of a veth pair (driver: packet); only where it is asked for by name
    lwip        Debian's liblwip on a TAP device (bench/lwip.c), where it is installed
    reflect     no stack at all: datagrams go back on a TAP device (bench/reflect.c), read and written in batches; reflect-one:
                one by one. The floor; only where they are asked for by name, and for datagrams alone

A round does every kind of work with every subject, one after the other; figures are medians over the rounds, ratios are to the
kernel in the same run.

--write puts the table (with --profile: the profiles) and the picture into docs/performance.md, between the marks that are there for
them; the text around stays as it is.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import re
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "wire"))

import harness  # noqa: E402
import isolate  # noqa: E402
import picture  # noqa: E402
from harness import BUILD, ROOT, TENON, run  # noqa: E402

LOAD, SERVE, LWIP, REFLECT = (BUILD / "bench" / f"tenon-{name}" for name in ("load", "serve", "lwip", "reflect"))
SUBJECTS = ["kernel", "tenon", "tenon-plain", "tenon-one", "tenon-plain-one", "tenon-packet", "lwip", "reflect", "reflect-one"]
PLUGINS = f"{BUILD / 'plugins-out'}:{BUILD / 'bench-plugins'}"
MTU = 1500


class Work:
    """One kind of work: what the load generator is told, which of its figures counts, and the ratio that is aimed at."""

    def __init__(self, name, title, arguments, figure, unit, aim=None):
        self.name, self.title, self.arguments, self.figure, self.unit, self.aim = name, title, arguments, figure, unit, aim

    def value(self, result):
        return result[self.figure]


WORKS = [
    Work("bulk-in", "bulk to discard, 1 connection", ["bulk-in"], "gbit_per_second", "Gbit/s", 1.0),
    Work("bulk-out", "bulk from chargen, 1 connection", ["bulk-out"], "gbit_per_second", "Gbit/s", 1.0),
    Work("bulk-in-16", "bulk to discard, 16 connections", ["bulk-in", "-c", "16"], "gbit_per_second", "Gbit/s", 1.0),
    Work("bulk-out-16", "bulk from chargen, 16 connections", ["bulk-out", "-c", "16"], "gbit_per_second", "Gbit/s", 1.0),
    Work("bulk-both-16", "bulk, 16 connections, 8 each way", ["bulk-both", "-c", "16"], "gbit_per_second", "Gbit/s", 1.0),
    Work("echo", "64 B TCP echo, 1 connection", ["echo"], "per_second", "/s", 1.1),
    Work("echo-64", "64 B TCP echo, 64 connections", ["echo", "-c", "64"], "per_second", "/s", 1.3),
    Work("connect", "connect, daytime, close", ["connect"], "per_second", "/s", 1.7),
    Work("datagram", "64 B UDP echo, 1 in flight", ["datagram", "-c", "1"], "per_second", "/s"),
    Work("datagram-64", "64 B UDP echo, 64 in flight", ["datagram", "-c", "64"], "per_second", "/s", 1.6),
]

CONFIG = """\
stack:
  name: {name}
  control: {{control}}
{stack}interfaces:
  {device}:
    driver: {driver}
{options}    addresses: [{address}/24]
protocols:
  ether: {{{{}}}}
  arp: {{{{{arp}}}}}
  ipv4: {{{{}}}}
  icmp: {{{{}}}}
  udp: {{{{}}}}
  tcp: {{{{}}}}
services:
  echo:    {{{{ listen: [tcp/7, udp/7] }}}}
  discard: {{{{ listen: [tcp/9, udp/9] }}}}
  daytime: {{{{ listen: [tcp/13, udp/13] }}}}
  chargen: {{{{ listen: [tcp/19, udp/19] }}}}
  digest:  {{{{ listen: [tcp/1009] }}}}
"""


# ---- Subjects --------------------------------------------------------------------------------------------------------


class Subject:
    """Who does the work: its process, and the address it is reached at."""

    def __init__(self, name, address):
        self.name, self.address = name, address
        self.process = None

    def spawn(self, *command):
        """Starts a program that says "ready" on a line of its own."""
        self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "ready":
            raise AssertionError(f"{self.name}: {command[0]} did not start")

    def prepare(self, work):
        """Before each run."""

    def pid(self):
        return self.process.pid

    def cpu_seconds(self):
        """Processor time of the process so far; 0 where /proc is another's."""
        try:
            fields = pathlib.Path(f"/proc/{self.pid()}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return 0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Kernel(Subject):
    """At the far end of a veth pair, in a network namespace that lives as long as its process."""

    def start(self):
        reader, writer = os.pipe()
        self.process = subprocess.Popen(
            ["unshare", "--net", "--", "sh", "-c",
             f'echo ready; read device; ip link set lo up; ip addr add {self.address}/24 dev "$device"; '
             f'ip link set "$device" up; exec {SERVE}'],
            stdin=reader, stdout=subprocess.PIPE, text=True)
        os.close(reader)
        if self.process.stdout.readline().strip() != "ready":
            raise AssertionError("kernel: unshare --net failed")
        run("ip", "link", "add", "veth7", "mtu", MTU, "type", "veth", "peer", "name", "far7", "mtu", MTU, "netns", self.pid())
        harness.configure_tap("veth7", near_address(self.address) + "/24")
        os.write(writer, b"far7\n")
        os.close(writer)
        if self.process.stdout.readline().strip() != "ready":
            raise AssertionError("kernel: tenon-serve did not start")


class Tenon(Subject):
    driver = "tap"

    def __init__(self, name, address, device, options="", stack=""):
        super().__init__(name, address)
        self.device, self.options, self.section = device, options, stack

    def start(self):
        config = CONFIG.format(name=self.name, device=self.device, options=self.options, stack=self.section,
                               address=self.address, arp="", driver=self.driver)
        self.stack = harness.Stack(config, plugin_path=PLUGINS)
        self.process = self.stack.process
        harness.configure_tap(self.near_device(), near_address(self.address) + "/24")
        wait_for_ping(self.address)

    def near_device(self):
        """The load's end of the link."""
        return self.device

    def stop(self):
        self.stack.stop()


class TenonOnVeth(Tenon):
    driver = "packet"

    def start(self):
        run("ip", "link", "add", self.near_device(), "mtu", MTU, "type", "veth", "peer", "name", self.device, "mtu", MTU)
        run("ip", "link", "set", self.device, "up")
        super().start()

    def near_device(self):
        return "near-" + self.device


class Lwip(Subject):
    def start(self):
        harness.make_tap("tap9", near_address(self.address) + "/24")
        self.restart()

    def restart(self):
        self.spawn(LWIP, "tap9", self.address)
        wait_for_ping(self.address)

    def prepare(self, work):
        """Its TIME-WAIT lets no port be used again for two minutes."""
        if work.name == "connect":
            self.stop()
            self.restart()


class Reflector(Subject):
    def __init__(self, name, address, device, *arguments):
        super().__init__(name, address)
        self.device, self.arguments = device, arguments

    def start(self):
        harness.make_tap(self.device, near_address(self.address) + "/24")
        self.spawn(REFLECT, self.device, *self.arguments)

    def prepare(self, work):
        if not work.name.startswith("datagram"):
            sys.exit(f"{self.name} answers datagrams alone: --works datagram datagram-64")


def near_address(address):
    """The load's own in the subject's subnet."""
    return address.rsplit(".", 1)[0] + ".1"


def wait_for_ping(address):
    harness.wait_until(lambda: run("ping", "-c", "1", "-W", "1", address, check=False).returncode == 0, 15, f"{address} answers")


ONE_BY_ONE = "  io-uring: no\n"
PLAIN = "".join(f"    {name}: off\n" for name in ("checksum-offload", "segmentation-offload"))


def subjects(wanted):
    every = [Kernel("kernel", "10.7.1.2"), Tenon("tenon", "10.7.2.2", "tap7")]
    if "offload" in run(TENON, "describe", "tap", env={**os.environ, "TENON_PLUGIN_PATH": PLUGINS}).stdout:
        every.append(Tenon("tenon-plain", "10.7.3.2", "tap8", PLAIN))
    if wanted and "tenon-one" in wanted:
        every.append(Tenon("tenon-one", "10.7.8.2", "tap12", stack=ONE_BY_ONE))
    if wanted and "tenon-plain-one" in wanted:
        every.append(Tenon("tenon-plain-one", "10.7.9.2", "tap13", PLAIN, ONE_BY_ONE))
    if wanted and "tenon-packet" in wanted:
        every.append(TenonOnVeth("tenon-packet", "10.7.5.2", "veth8"))
    for name, address, device, *arguments in (("reflect", "10.7.6.2", "tap10"), ("reflect-one", "10.7.7.2", "tap11", "one-by-one")):
        if wanted and name in wanted:
            every.append(Reflector(name, address, device, *arguments))
    if LWIP.exists():
        every.append(Lwip("lwip", "10.7.4.2"))
    elif not wanted or "lwip" in wanted:
        print("lwip is left out: liblwip-dev was not installed when this was built")
    return [s for s in every if not wanted or s.name in wanted]


# ---- Measuring -------------------------------------------------------------------------------------------------------


def load(subject, arguments, seconds, warm_up=0.2):
    cpu = subject.cpu_seconds()
    mode, *rest = arguments
    done = run(LOAD, *rest, "-t", seconds, "-w", warm_up, mode, subject.address, timeout=seconds + 20)
    result = json.loads(done.stdout)
    result["cpu_seconds"] = round(subject.cpu_seconds() - cpu, 3)
    return result


def load_or_again(subject, work, seconds):
    """lwIP now and then answers a connection no more. The others must not, so they have no second try."""
    try:
        return load(subject, work.arguments, seconds)
    except subprocess.TimeoutExpired:
        if not isinstance(subject, Lwip):
            raise
        subject.stop()
        subject.restart()
        return load(subject, work.arguments, seconds)


class Progress:
    """A line that is written over, on a terminal."""

    def __init__(self, total):
        self.total, self.done, self.began = total, 0, time.monotonic()
        self.terminal = sys.stderr.isatty()

    def show(self, text):
        if self.terminal:
            passed = time.monotonic() - self.began
            left = passed / self.done * (self.total - self.done) if self.done else 0
            print(f"\r\033[K{self.done}/{self.total}  {text}  ({left:.0f} s left)", end="", file=sys.stderr, flush=True)
        self.done += 1

    def end(self):
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def measure(works, everyone, rounds, seconds):
    """{work: {subject: [result of each round]}}"""
    results = {w.name: {s.name: [] for s in everyone} for w in works}
    progress = Progress(len(works) * len(everyone) * rounds)
    for number in range(rounds):
        for work in works:
            for subject in everyone:
                progress.show(f"round {number + 1}: {work.title}, {subject.name}")
                subject.prepare(work)
                results[work.name][subject.name].append(load_or_again(subject, work, seconds))
    progress.end()
    return results


# ---- Telling ---------------------------------------------------------------------------------------------------------


def summary(works, everyone, results):
    """Rows of {work, subject, median, least, most, ratio, p50, p99}: figures of the rounds, ratio to the kernel's median."""
    rows = []
    for work in works:
        medians = {s.name: statistics.median(map(work.value, results[work.name][s.name])) for s in everyone}
        for subject in everyone:
            runs = results[work.name][subject.name]
            values = [work.value(r) for r in runs]
            rows.append({
                "work": work.name, "title": work.title, "unit": work.unit, "subject": subject.name, "aim": work.aim,
                "median": medians[subject.name], "least": min(values), "most": max(values),
                "ratio": medians[subject.name] / medians["kernel"] if medians.get("kernel") else None,
                "p50_us": statistics.median(r["p50_us"] for r in runs), "p99_us": statistics.median(r["p99_us"] for r in runs),
                "cpu": statistics.median(r["cpu_seconds"] / r["seconds"] for r in runs)})
    return rows


def number(value):
    for limit, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= limit * 10:
            return f"{value / limit:.0f} {suffix}"
        if value >= limit:
            return f"{value / limit:.1f} {suffix}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def cell(row):
    latency = f", p99 {row['p99_us']:.0f} us" if row["p99_us"] and row["subject"] else ""
    return f"{number(row['median'])} ({number(row['least'])} to {number(row['most'])}){latency}"


def table(works, everyone, rows):
    """Markdown."""
    by = {(r["work"], r["subject"]): r for r in rows}
    names = [s.name for s in everyone]
    others = [n for n in names if n != "kernel"] if "kernel" in names else []
    lines = ["| work | " + " | ".join(names) + "".join(f" | {n} : kernel" for n in others) + " | aim |",
             "|---" * (2 + len(names) + len(others)) + "|"]
    for work in works:
        cells = [f"{work.title}, {work.unit}"] + [cell(by[work.name, n]) for n in names]
        cells += [f"{by[work.name, n]['ratio']:.2f}" for n in others] + [f"{work.aim:g}" if work.aim else ""]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def machine():
    model = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} x {model}, Linux {platform.release()}"


def moment():
    """Which machine, when, and how much else it had to do."""
    return f"{machine()}, load {os.getloadavg()[0]:.1f} before; {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC"


def perf(*arguments):
    done = run("perf", *arguments, check=False, timeout=120)
    if done.returncode != 0:
        raise AssertionError(f"perf {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def shares(data, key):
    """[(percent, the key's fields)] of a recording, most first."""
    rows = []
    for line in perf("report", "-i", data, "--stdio", "--no-children", "-s", key).splitlines():
        fields = line.split(None, 1)
        if len(fields) == 2 and fields[0].endswith("%"):
            rows.append((float(fields[0][:-1]), fields[1].strip()))
    return rows


def place(dso):
    """Which part of it all an object is."""
    if dso.startswith("[kernel"):
        return "kernel"
    if dso.startswith("memfd:"):
        return "plugins"
    return "core" if dso.startswith("libtenon") else "libc and others"


def record(subject, work, seconds):
    """Samples of the subject's process during that work."""
    data = isolate.scratch_directory("perf") / "data"
    recorder = subprocess.Popen(["perf", "record", "-q", "-e", "cpu-clock", "-F", "4999", "-o", str(data), "-p", str(subject.pid())],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    load(subject, work.arguments, seconds)
    recorder.send_signal(signal.SIGINT)
    recorder.wait(30)
    return data


def profile(subject, work, seconds, lines):
    """Where the subject's process spends its time during that work: shares of the parts, and of the first functions."""
    data = record(subject, work, seconds)
    parts = dict.fromkeys(("kernel", "libc and others", "core", "plugins"), 0.0)
    for percent, dso in shares(data, "dso"):
        parts[place(dso)] += percent
    rows = [(percent, *where.split(None, 1)) for percent, where in shares(data, "dso,sym")]
    return parts, [(percent, dso, symbol.removeprefix("[k] ").removeprefix("[.] ")) for percent, dso, symbol in rows[:lines]]


def profiles(everyone, works, seconds):
    """A table for each kind of work, of Tenon's process alone. Markdown."""
    lines = []
    for subject in everyone:
        if not isinstance(subject, Tenon):
            continue
        for work in works:
            parts, rows = profile(subject, work, seconds, 8)
            lines += [f"### {work.title} ({subject.name})", "",
                      ", ".join(f"{name} {percent:.0f} %" for name, percent in parts.items()), "",
                      "| share | where | symbol |", "|---:|---|---|",
                      *(f"| {percent:.1f} % | {where} | `{symbol}` |" for percent, where, symbol in rows), ""]
    return "\n".join(lines)


def verify(everyone, size):
    """Bytes that are known, all ways; the load generator ends with an error if one is wrong."""
    for subject in everyone:
        if not isinstance(subject, Tenon):
            continue
        for mode in ("verify-in", "verify-out", "verify-both"):
            done = run(LOAD, "-b", size, mode, subject.address, timeout=600)
            result = json.loads(done.stdout)
            print(f"{subject.name:<12} {mode:<12} {result['bytes'] / 1e6:,.0f} MB right, {result['gbit_per_second']:.2f} Gbit/s")


# ---- The document ----------------------------------------------------------------------------------------------------

DOCUMENT = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "performance.svg"


def replace_section(text, name, content):
    """`text` with what stands between <!-- NAME --> and <!-- /NAME --> replaced."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if len(pattern.findall(text)) != 1:
        raise AssertionError(f"{DOCUMENT} does not have {begin.strip()} and {end}, once")
    return pattern.sub(lambda _: begin + content.rstrip("\n") + "\n" + end, text)


def write_document(name, content):
    DOCUMENT.write_text(replace_section(DOCUMENT.read_text(), name, content))
    print(f"written: {DOCUMENT} ({name})")


# ---- The program -----------------------------------------------------------------------------------------------------


def body(options):
    began = moment()
    run("ip", "link", "set", "lo", "up")
    everyone = subjects(options.subjects)
    try:
        for subject in everyone:
            subject.start()
        if options.verify:
            verify(everyone, options.verify_bytes)
            return
        works = [w for w in WORKS if not options.works or w.name in options.works]
        if options.profile:
            text = profiles(everyone, works, options.seconds)
            print(text)
            if options.write:
                write_document("profiles", f"{began}; {options.seconds:g} s each\n\n{text}")
            return
        results = measure(works, everyone, options.rounds, options.seconds)
    finally:
        for subject in everyone:
            if subject.process:
                subject.stop()
    rows = summary(works, everyone, results)
    about = f"{began}; median of {options.rounds} rounds of {options.seconds:g} s (least to most)"
    text = f"{about}\n\n{table(works, everyone, rows)}"
    print(text)
    if options.json:
        options.json.write_text(json.dumps({"about": about, "machine": machine(), "rounds": options.rounds,
                                            "seconds": options.seconds, "rows": rows, "runs": results}, indent=1) + "\n")
        print(f"\nwritten: {options.json}")
    if options.svg:
        options.svg.write_text(picture.draw(rows, [s.name for s in everyone], about))
        print(f"written: {options.svg}")
    if options.write:
        PICTURE.write_text(picture.draw(rows, [s.name for s in everyone], about))
        print(f"written: {PICTURE}")
        write_document("figures", text)


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="one short round: under two minutes")
    parser.add_argument("--rounds", type=int, help="how often (5)")
    parser.add_argument("--seconds", type=float, help="of measuring, each (2)")
    parser.add_argument("--works", nargs="+", choices=[w.name for w in WORKS], metavar="WORK",
                        help="only these: " + ", ".join(w.name for w in WORKS))
    parser.add_argument("--subjects", nargs="+", choices=SUBJECTS, metavar="SUBJECT",
                        help="only these: " + ", ".join(SUBJECTS))
    parser.add_argument("--verify", action="store_true", help="no figures that count, but every byte of bulk transfers is compared")
    parser.add_argument("--verify-bytes", type=int, default=1 << 28, help="how many, each way (256 MiB)")
    parser.add_argument("--profile", action="store_true",
                        help="no comparison, but where Tenon's process spends its time (perf)")
    parser.add_argument("--write", action="store_true",
                        help="put the table and the picture, or with --profile the profiles, into docs/performance.md")
    parser.add_argument("--json", type=pathlib.Path, default=BUILD / "bench.json", help="where all figures are written (%(default)s)")
    parser.add_argument("--svg", type=pathlib.Path, default=BUILD / "bench.svg", help="where the comparison is drawn (%(default)s)")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.seconds = options.seconds or (1.0 if options.quick else 2.0)
    return options


def main():
    options = arguments()
    for path in (TENON, LOAD, SERVE):
        if not path.exists():
            sys.exit(f"{path} is not built; ./dev bench builds it")
    try:
        return isolate.isolated(lambda: body(options), prefix="tenon-bench-")
    except isolate.Unavailable as e:
        print(f"the benchmark cannot be run here: {e}", file=sys.stderr)
        return isolate.SKIPPED


if __name__ == "__main__":
    sys.exit(main())
