"""`tenon run` as a process: how it begins, what it may do, how it ends."""

import ctypes
import os
import pathlib
import signal
import stat
import subprocess
import unittest

import harness
import isolate
from harness import CONFIG, Stack, run, wait_until

CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x00020000, 4096, 16384, 1 << 18
USER = 1234


def process_status(yaml):
    """/proc/…/status of the `tenon run` on this file, as a dictionary. (/proc may number processes as outside.)"""
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if str(yaml) in (entry / "cmdline").read_text() and (entry / "comm").read_text().strip() == "tenon":
                lines = (entry / "status").read_text().splitlines()
                return dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        except OSError:
            continue
    raise AssertionError("no such process")


class Life(unittest.TestCase):
    def setUp(self):
        self.addCleanup(harness.remove_tap)

    def started(self, config=CONFIG, **kwargs):
        stack = Stack(config, **kwargs)
        self.addCleanup(lambda: stack.process and (stack.process.kill(), stack.process.wait()))
        return stack

    def assert_answers(self):
        self.assertIn("1 received", run("ping", "-n", "-c", 1, "-W", 2, harness.STACK).stdout)

    def ends_cleanly(self, signum):
        stack = self.started()
        self.assertTrue(harness.tap_exists())
        harness.configure_tap()
        self.assert_answers()
        sock = harness.connect()
        self.assertEqual(stack.stop(signum), 0, stack.log.read_text())
        self.assertFalse(harness.tap_exists())
        self.assertFalse(stack.control_path.exists())
        sock.close()

    def test_sigterm(self):
        self.ends_cleanly(signal.SIGTERM)

    def test_ctrl_c(self):
        self.ends_cleanly(signal.SIGINT)

    def test_peers_are_told_at_the_end(self):
        """Open connections are reset, not left hanging."""
        harness.make_tap()
        stack = self.started()
        sock = harness.connect()
        sock.sendall(b"x")
        sock.recv(1)
        self.assertEqual(stack.stop(), 0)
        with self.assertRaises(ConnectionResetError):
            sock.recv(1)
        sock.close()

    def test_many_connections_at_the_end(self):
        harness.make_tap()
        stack = self.started()
        transfers = [harness.EchoTransfer(10_000_000) for _ in range(50)]
        harness.run_transfers(transfers, until=lambda: transfers[0].received > 100_000)
        self.assertEqual(stack.stop(), 0, stack.log.read_text())
        for transfer in transfers:
            transfer.close()

    def test_kill_and_restart(self):
        stack = self.started()
        stack.stop(signal.SIGKILL)
        wait_until(lambda: not harness.tap_exists(), 5, "the TAP went with its process")
        self.assertTrue(stack.control_path.exists())
        stack.start()
        harness.configure_tap()
        self.assert_answers()
        self.assertEqual(stack.stop(), 0)

    def test_second_stack_on_the_same_tap_is_refused(self):
        stack = self.started()
        path = isolate.scratch_directory("second") / "stack.yaml"
        path.write_text(CONFIG.format(control=path.parent / "control"))
        done = run(harness.TENON, "run", path, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("tap7", done.stderr)
        harness.configure_tap()
        self.assert_answers()
        stack.stop()

    def test_second_stack_on_the_same_control_socket_is_refused(self):
        stack = self.started()
        path = isolate.scratch_directory("second") / "stack.yaml"
        path.write_text(CONFIG.replace("tap7:", "tap8:").format(control=stack.control_path))
        done = run(harness.TENON, "run", path, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(str(stack.control_path), done.stderr)
        stack.command("show", "plugins")
        stack.stop()

    def test_persistent_tap_stays(self):
        harness.make_tap()
        stack = self.started()
        self.assert_answers()
        self.assertEqual(stack.stop(), 0)
        self.assertTrue(harness.tap_exists())
        stack.start()
        self.assert_answers()
        stack.stop()

    def test_privileges_are_given_up(self):
        stack = self.started()
        status = process_status(stack.yaml)
        self.assertEqual(int(status["CapEff"], 16), 0)
        self.assertEqual(int(status["CapPrm"], 16), 0)
        self.assertEqual(status["NoNewPrivs"], "1")
        stack.stop()

    def test_device_that_is_taken_away(self):
        """The TAP is deleted under the stack: it says so and either ends with an error or stays in control."""
        harness.make_tap()
        stack = self.started()
        self.assert_answers()
        harness.remove_tap()
        try:
            wait_until(lambda: stack.process.poll() is not None or "tap7" in stack.log.read_text(), 5, "a word about tap7")
        finally:
            stack.process.poll()
        self.assertIn("tap7", stack.log.read_text())
        if stack.process.poll() is None:
            stack.command("show", "interfaces")
            stack.stop()
        else:
            self.assertGreater(stack.process.returncode, 0)

    def test_trace_prints_a_line_a_packet(self):
        harness.make_tap()
        stack = self.started(arguments=["--trace"])
        self.assert_answers()
        harness.connect().close()
        wait_until(lambda: "echo" in stack.log.read_text().lower(), 3, "the echo request in the trace")
        self.assertEqual(stack.stop(), 0)
        log = stack.log.read_text()
        for word in ("10.0.7.1", "10.0.7.7", "arp", "icmp", "tcp"):
            self.assertIn(word, log.lower())
        self.assertNotIn("\033[", log)


class OrdinaryUser(unittest.TestCase):
    """A TAP that root has prepared is enough."""

    @classmethod
    def setUpClass(cls):
        harness.need_other_users()
        if not os.stat("/dev/net/tun").st_mode & stat.S_IWOTH:
            cls.open_tun_for_all()

    @staticmethod
    def open_tun_for_all():
        """As Debian has it; in a mount namespace, so that the machine stays as it is."""
        libc = ctypes.CDLL(None, use_errno=True)
        node = isolate.scratch_directory("tun") / "tun"
        os.mknod(node, stat.S_IFCHR | 0o666, os.stat("/dev/net/tun").st_rdev)
        os.chmod(node, 0o666)
        if libc.unshare(CLONE_NEWNS) or libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None) or \
                libc.mount(bytes(node), b"/dev/net/tun", None, MS_BIND, None):
            raise unittest.SkipTest("/dev/net/tun is not open to all here: " + os.strerror(ctypes.get_errno()))

    def setUp(self):
        for directory in (isolate.scratch_root, harness.BUILD):
            os.chmod(directory, os.stat(directory).st_mode | 0o755)
        self.addCleanup(harness.remove_tap)

    def test_prepared_tap(self):
        harness.make_tap(user=str(USER))
        stack = Stack(user=USER)
        self.addCleanup(stack.stop)
        status = process_status(stack.yaml)
        self.assertEqual(status["Uid"].split()[0], str(USER))
        self.assertEqual(int(status["CapEff"], 16), 0)
        self.assertIn("1 received", run("ping", "-n", "-c", 1, "-W", 2, harness.STACK).stdout)
        transfer = harness.EchoTransfer(1_000_000)
        harness.run_transfers([transfer])
        self.assertIsNone(transfer.problem)
        transfer.close()
        self.assertEqual(stack.stop(), 0)

    def test_without_a_prepared_tap_the_error_says_what_to_do(self):
        stack = Stack(start=False, user=USER)
        done = subprocess.run(["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--", str(harness.TENON), "run",
                               str(stack.yaml)], capture_output=True, text=True, timeout=20)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("tap7", done.stderr)
        self.assertRegex(done.stderr, "Operation not permitted|Permission denied")
        self.assertRegex(done.stderr, "root|ip tuntap")


if __name__ == "__main__":
    harness.main()
