#!/usr/bin/python3
"""What a TCP connection carries over a path that loses and delays: Tenon against the kernel, on the same path.

    goodput.py [--seconds N] [--losses L,...] [--rtts MS,...] [--rate MBIT] [--seed N]

Both use CUBIC. The sender is Tenon's chargen or a program on the kernel's sockets, the receiver a program on the kernel's sockets, and between
them is tests/goodput/relay.c. All of it is in network namespaces of its own."""

import argparse
import os
import pathlib
import platform
import signal
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/wire"))
import isolate  # noqa: E402

BUILD = pathlib.Path(os.environ.get("TENON_BUILD_DIR", ROOT / "build/release"))
KERNEL, TENON, RECEIVER = "10.9.0.1", "10.9.0.3", "10.9.0.2"
PORT = 19

STACK = """
stack: {{ name: goodput, control: {control} }}
interfaces:
  ten0: {{ driver: tap, addresses: [{address}/24] }}
protocols: {{ ether: {{}}, arp: {{}}, ipv4: {{}}, icmp: {{}}, tcp: {{}} }}
services: {{ chargen: {{ listen: [tcp/{port}] }} }}
"""


def run(*command, inside=None):
    if inside:
        command = ("nsenter", "-t", str(inside), "-n", *command)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def serve_kernel():
    """The kernel's sender: to each who connects, octets without end."""
    listener = socket.create_server((KERNEL, PORT))
    block = bytes(1 << 16)
    while True:
        peer, _ = listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
        try:
            while True:
                peer.sendall(block)
        except OSError:
            peer.close()


def receive(address, seconds):
    """Octets a second that come from there."""
    with socket.create_connection((address, PORT), timeout=60) as s:
        start, total = time.monotonic(), 0
        while time.monotonic() < start + seconds:
            s.settimeout(max(0.01, start + seconds - time.monotonic()))
            try:
                total += len(s.recv(1 << 18))
            except TimeoutError:
                break
        return total / seconds


def in_namespace(pid, function, *arguments):
    """Its result, from a process in the namespace."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with open(f"/proc/{pid}/ns/net") as namespace:
                isolate.libc.setns(namespace.fileno(), 0x40000000)
            os.write(into, repr(function(*arguments)).encode())
        except OSError as e:
            os.write(into, repr(str(e)).encode())
        os._exit(0)
    os.close(into)
    os.waitpid(child, 0)
    with os.fdopen(out) as f:
        return f.read()


class Path:
    """Sender's side: br0 with the kernel's address, Tenon's TAP and the relay's. Receiver's side: a namespace of its own."""

    def __init__(self, arguments, rtt, loss):
        self.far = subprocess.Popen(["unshare", "-n", "sleep", "100000"])
        self.relay = subprocess.Popen([BUILD / "tests/relay", "near0", "far0", str(rtt / 2), str(loss), str(arguments.rate),
                                       "1000", str(arguments.seed)], stdout=subprocess.PIPE)
        self.relay.stdout.readline()
        time.sleep(0.2)
        run("ip", "link", "set", "far0", "netns", str(self.far.pid))
        run("ip", "addr", "add", RECEIVER + "/24", "dev", "far0", inside=self.far.pid)
        run("ip", "link", "set", "far0", "up", "txqueuelen", "10000", inside=self.far.pid)
        run("ip", "link", "set", "near0", "master", "br0", "up", "txqueuelen", "10000")
        time.sleep(0.3)

    def measure(self, address, seconds):
        return float(in_namespace(self.far.pid, receive, address, seconds))

    def close(self):
        for process in (self.relay, self.far):
            process.kill()
            process.wait()


def start_tenon():
    directory = isolate.scratch_directory("goodput")
    config = directory / "stack.yaml"
    config.write_text(STACK.format(control=directory / "control", address=TENON, port=PORT))
    run("ip", "tuntap", "add", "ten0", "mode", "tap")
    run("ip", "link", "set", "ten0", "master", "br0", "up", "txqueuelen", "10000")
    log = (directory / "log").open("w")
    stack = subprocess.Popen([BUILD / "tools/tenon", "run", config], stdout=log, stderr=subprocess.STDOUT,
                             env={**os.environ, "TENON_PLUGIN_PATH": str(BUILD / "plugins-out")})
    time.sleep(2)
    if stack.poll() is not None:
        raise isolate.Unavailable((directory / "log").read_text())
    return stack


def measure_all(arguments):
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "br0", "type", "bridge")
    run("ip", "addr", "add", KERNEL + "/24", "dev", "br0")
    run("ip", "link", "set", "br0", "up")
    server = os.fork()
    if server == 0:
        serve_kernel()
    start_tenon()
    print(f"Linux {platform.release()}, {time.strftime('%Y-%m-%d')}; a line of {arguments.rate} Mbit/s with a queue of 1000 "
          f"frames, loss both ways; {arguments.seconds} s each, Mbit/s\n")
    print("| loss | round trip | kernel | Tenon | Tenon / kernel |\n|---:|---:|---:|---:|---:|", flush=True)
    for loss in arguments.losses:
        for rtt in arguments.rtts:
            path = Path(arguments, rtt, loss)
            kernel = path.measure(KERNEL, arguments.seconds) * 8 / 1e6
            tenon = path.measure(TENON, arguments.seconds) * 8 / 1e6
            path.close()
            print(f"| {loss:g} % | {rtt:g} ms | {kernel:.2f} | {tenon:.2f} | {100 * tenon / max(kernel, 1e-9):.0f} % |", flush=True)
    os.kill(server, signal.SIGKILL)


def numbers(text):
    return [float(word) for word in text.split(",")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--losses", type=numbers, default=[0, 0.1, 1, 3, 10])
    parser.add_argument("--rtts", type=numbers, default=[1, 10, 50, 200])
    parser.add_argument("--rate", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    isolate.isolated(lambda: measure_all(arguments))


main()
