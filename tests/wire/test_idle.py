"""What a stack takes while nothing happens, and how it waits: by sleeping, or with busy-poll by looking."""

import os
import pathlib
import socket
import time
import unittest

import harness

REQUESTS = 200
PAUSE = 0.0005  # between requests: much less than the stack looks for
RESIDENT_MOST = 8 << 20  # octets of an idle stack


def status(process, name):
    """A number in /proc/PID/status."""
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise AssertionError(f"/proc/PID/status has no {name}")


class Idle(unittest.TestCase):
    def setUp(self):
        self.processors = os.sched_getaffinity(0)
        self.addCleanup(os.sched_setaffinity, 0, self.processors)

    def start(self, stack_options=""):
        config = harness.CONFIG.replace("stack:\n", "stack:\n" + stack_options, 1)
        self.assertIn(stack_options, config)
        harness.make_tap()
        self.addCleanup(harness.remove_tap)
        stack = harness.Stack(config)
        self.addCleanup(stack.stop)
        return stack

    def share(self, stack, same):
        """Has the stack run on the same processor as this program, or on another."""
        here, *others = sorted(self.processors)
        os.sched_setaffinity(0, {here})
        os.sched_setaffinity(stack.process.pid, {here if same else others[0]})

    def ask_often(self, stack):
        """How often the stack slept while it was asked, again and again."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.connect((harness.STACK, harness.ECHO))
            sock.send(b"first")
            sock.recv(100)
            before = status(stack.process, "voluntary_ctxt_switches")
            for i in range(REQUESTS):
                sock.send(b"%d" % i)
                self.assertEqual(sock.recv(100), b"%d" % i)
                time.sleep(PAUSE)
            return status(stack.process, "voluntary_ctxt_switches") - before

    def test_without_busy_poll_it_sleeps_between_requests(self):
        self.assertGreater(self.ask_often(self.start("  busy-poll: 0us\n")), REQUESTS * 3 // 4)

    def test_busy_poll_is_given_up_where_the_other_side_needs_the_processor(self):
        stack = self.start("  busy-poll: 10ms\n")
        self.share(stack, same=True)
        self.assertGreater(self.ask_often(stack), REQUESTS // 2)

    def test_with_busy_poll_it_does_not(self):
        if len(self.processors) < 2:
            self.skipTest("there is one processor only")
        stack = self.start("  busy-poll: 10ms\n")
        self.share(stack, same=False)
        self.assertLess(self.ask_often(stack), REQUESTS // 2)
        # When nothing comes it sleeps, and it ends when it is told.
        time.sleep(0.1)
        before = status(stack.process, "nonvoluntary_ctxt_switches") + status(stack.process, "voluntary_ctxt_switches")
        time.sleep(0.5)
        after = status(stack.process, "nonvoluntary_ctxt_switches") + status(stack.process, "voluntary_ctxt_switches")
        self.assertLess(after - before, 100)
        self.assertEqual(stack.stop(), 0)

    def test_idle_stack_is_small(self):
        if harness.cache_variable("TENON_SANITIZE") == "ON":
            self.skipTest("sanitizers take more")
        self.assertLess(status(self.start().process, "VmRSS") * 1024, RESIDENT_MOST)


if __name__ == "__main__":
    harness.main()
