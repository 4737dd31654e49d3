"""Idle connections of the kernel's own to a stack on a TAP device, in great number: `./dev million --tap [COUNT]`.

Prints for each tenth how many are established, what the stack's process occupies for each, and how long opening took (the
kernel's side included, which takes most of it)."""

import multiprocessing
import pathlib
import resource
import socket
import sys
import time
import unittest

import harness
from harness import run

IP_BIND_ADDRESS_NO_PORT = 24  # connect() chooses the port, for its destination
PORTS = 25000  # of one source address, to one destination: with more than half of its range the kernel searches long
COUNT = 50000


def resident(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


def open_some(number, count, told, may_end):
    """In a process of its own, since one may have only so many descriptors: opens connections, says so, and holds them."""
    socks = []
    for i in range(number * count, (number + 1) * count):
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((f"10.0.7.{100 + i // PORTS}", 0))
        sock.settimeout(10)
        sock.connect((harness.STACK, harness.ECHO))
        socks.append(sock)
    for sock in (socks[0], socks[-1]):
        sock.sendall(b"still here?")
        if harness.receive_exactly(sock, 11) != b"still here?":
            raise AssertionError("the echo is wrong")
    told.set()
    may_end.wait()
    for sock in socks:
        sock.close()


class Many(harness.StackCase):
    def test_many(self):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        run("sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=1025 65000")
        for i in range(COUNT // PORTS + 1):
            run("ip", "address", "add", f"10.0.7.{100 + i}/24", "dev", harness.TAP)
        pid = self.stack.process.pid
        before, may_end, children = resident(pid), multiprocessing.Event(), []
        self.addCleanup(lambda: (may_end.set(), [child.join() for child in children]))
        print(f"{'connections':>12} {'bytes resident':>16} {'us to open':>12}")
        for tenth in range(10):
            start, told = time.monotonic(), multiprocessing.Event()
            children.append(multiprocessing.Process(target=open_some, args=(tenth, COUNT // 10, told, may_end)))
            children[-1].start()
            self.assertTrue(told.wait(120), "they are not open after two minutes")
            spent, count = time.monotonic() - start, (tenth + 1) * (COUNT // 10)
            print(f"{count:12} {(resident(pid) - before) / count:16.1f} {spent * 1e6 / (COUNT // 10):12.2f}", flush=True)
        self.assertGreaterEqual(self.stack.usage()["sockets"], COUNT)
        self.echo_works()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        COUNT = int(sys.argv.pop(1))
    harness.main()
