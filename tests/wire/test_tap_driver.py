"""The TAP driver: every way to come by a device, what it says when it cannot have one, and what it does when the device goes down,
goes away or misbehaves."""

import ctypes
import fcntl
import os
import re
import resource
import signal
import stat
import struct
import subprocess
import time
import unittest

import harness
import isolate
from harness import KERNEL, MAC, STACK, TAP, run

IFF_TUN, IFF_TAP, IFF_MULTI_QUEUE, IFF_NO_PI, IFF_VNET_HDR = 1, 2, 0x100, 0x1000, 0x4000
TUNSETIFF, TUNSETOFFLOAD, TUNATTACHFILTER = 0x400454CA, 0x400454D0, 0x401054D5
TUNSETVNETHDRSZ, TUNSETVNETLE = 0x400454D8, 0x400454DC

SMALL = """\
stack:
  name: wire
  control: {{control}}
interfaces:
  tap7:
    driver: tap
    mac: "{mac}"
    addresses: [10.0.7.7/24]{more}
protocols:
  ether: {{{{}}}}
  arp: {{{{}}}}
  ipv4: {{{{}}}}
  icmp: {{{{}}}}
"""


def config(*settings, mac=MAC):
    """A small stack whose tap7 has these further settings ("mtu: 1400")."""
    return SMALL.format(mac=mac, more="".join("\n    " + s for s in settings))


def open_tun(name=None, flags=IFF_TAP | IFF_NO_PI):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    if name is not None:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    return fd


def device(name=TAP):
    """What `ip link` says of it, in one line."""
    return run("ip", "-details", "-oneline", "link", "show", name).stdout


def ping(*arguments, address=STACK, check=True):
    return run("ping", "-n", "-c", "1", "-W", "2", *arguments, address, check=check).returncode == 0


class TapStack(harness.Stack):
    """A stack that may inherit descriptors."""

    def __init__(self, yaml, inherit=(), **kwargs):
        self.inherit = inherit
        for fd in inherit:
            os.set_inheritable(fd, True)
        super().__init__(yaml, **kwargs)

    def start(self):
        with self.log.open("a") as log:
            self.process = subprocess.Popen(self.command_line(), env=self.environment, stdin=subprocess.DEVNULL,
                                            pass_fds=self.inherit, stdout=log, stderr=subprocess.STDOUT)
        harness.wait_until(self.answers, 20, "the stack answers on its control socket")

    def command_line(self):
        return [str(harness.TENON), "run", str(self.yaml)]

    def refused(self):
        """Starts it, expects that it ends by itself, and returns what it said."""
        done = subprocess.run(self.command_line(), env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=30, pass_fds=self.inherit)
        said = done.stdout + done.stderr
        assert done.returncode not in (0, -6, -11), f"status {done.returncode}: {said}"
        return said


class UserStack(TapStack):
    """Run by an ordinary user, for whom anybody may open /dev/net/tun, as in Debian."""

    UID = 65534

    def __init__(self, *args, **kwargs):
        os.chmod(isolate.scratch_root, 0o755)
        super().__init__(*args, user=self.UID, **kwargs)

    def command_line(self):
        as_user = f"setpriv --reuid={self.UID} --regid={self.UID} --clear-groups --inh-caps=-all -- \"$@\""
        if os.stat("/dev/net/tun").st_mode & 0o006 == 0o006:
            return ["sh", "-c", f"exec {as_user}", "sh", *super().command_line()]
        node = isolate.scratch_directory("node") / "tun"
        os.mknod(node, stat.S_IFCHR | 0o666, os.makedev(10, 200))
        os.chmod(node, 0o666)
        return ["unshare", "-m", "sh", "-c", f"mount --bind {node} /dev/net/tun && exec {as_user}", "sh", *super().command_line()]


# Runs a program to which io_uring_setup() is forbidden, as it is in most containers: a seccomp filter says EPERM.
FORBID_IO_URING = """
import ctypes, os, struct, sys
IO_URING_SETUP, EPERM = 425, 1
program = b"".join((struct.pack("HBBI", 0x20, 0, 0, 0),                     # the system call's number
                    struct.pack("HBBI", 0x15, 0, 1, IO_URING_SETUP),
                    struct.pack("HBBI", 0x06, 0, 0, 0x00050000 | EPERM),    # SECCOMP_RET_ERRNO
                    struct.pack("HBBI", 0x06, 0, 0, 0x7fff0000)))           # SECCOMP_RET_ALLOW
filter = ctypes.create_string_buffer(program, len(program))
libc = ctypes.CDLL(None, use_errno=True)
assert libc.prctl(38, 1, 0, 0, 0) == 0                                      # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, struct.pack("H6xP", 4, ctypes.addressof(filter)), 0, 0) == 0, ctypes.get_errno()
os.execvp(sys.argv[1], sys.argv[1:])
"""


class ConfinedStack(TapStack):
    def command_line(self):
        return ["python3", "-c", FORBID_IO_URING, *super().command_line()]


class TapCase(unittest.TestCase):
    def setUp(self):
        self.addCleanup(harness.remove_tap)

    def start(self, yaml, kind=TapStack, **kwargs):
        stack = kind(yaml, **kwargs)
        self.addCleanup(stack.stop)
        return stack

    def end(self, stack):
        status = stack.stop()
        self.assertEqual(status, 0, stack.log.read_text()[-4000:])

    def refuses(self, yaml, *expected, kind=TapStack, **kwargs):
        said = kind(yaml, start=False, **kwargs).refused()
        for text in expected:
            self.assertIn(text, said)
        self.assertIn("tap7", said)

    def open_tun(self, *arguments):
        fd = open_tun(*arguments)
        self.addCleanup(self.close, fd)
        return fd

    @staticmethod
    def close(fd):
        try:
            os.close(fd)
        except OSError:
            pass


class ByName(TapCase):
    def test_device_is_made_brought_up_and_gone_in_the_end(self):
        stack = self.start(config())
        self.assertIn("UP", device())
        run("ip", "addr", "add", KERNEL + "/24", "dev", TAP)
        self.assertTrue(ping())
        self.end(stack)
        self.assertFalse(harness.tap_exists())

    def many_pings(self, stack, kind):
        """A hundred at once, each of two frames."""
        run("ip", "addr", "add", KERNEL + "/24", "dev", TAP)
        run("ping", "-n", "-q", "-c", "100", "-l", "100", "-i", "0.01", "-s", "2000", "-W", "2", STACK)
        self.assertEqual(stack.rows("stack")[0]["io"], kind)
        self.end(stack)

    def test_frames_go_in_batches(self):
        self.many_pings(self.start(config()), "io_uring")

    def test_io_uring_is_forbidden(self):
        stack = self.start(config(), ConfinedStack)
        self.many_pings(stack, "read and write")
        self.assertIn("io_uring cannot be used", stack.log.read_text())

    def test_kernel_keeps_an_address_of_its_own(self):
        self.start(config())
        self.assertNotIn(MAC, device())

    def test_mtu_of_the_interface_is_given_to_a_device_that_is_made(self):
        stack = self.start(config("mtu: 1400"))
        self.assertIn("mtu 1400", device())
        self.assertEqual(stack.rows("interfaces")[0]["mtu"], 1400)

    def test_largest_mtu(self):
        stack = self.start(config("mtu: 65521"))
        run("ip", "addr", "add", KERNEL + "/24", "dev", TAP)
        self.assertEqual(stack.rows("interfaces")[0]["mtu"], 65521)
        self.assertTrue(ping("-s", "60000", "-M", "do"))

    def test_impossible_mtu_is_refused(self):
        self.refuses(config("mtu: 65530"), "cannot give the TAP device tap7 the MTU 65530: ")
        self.assertFalse(harness.tap_exists())

    def test_prepared_device_keeps_its_state_and_gives_its_mtu(self):
        harness.make_tap()
        run("ip", "link", "set", TAP, "mtu", "1300")
        before = re.sub(r"<.*?>|state \w+|qdisc.*?group|queuelen.*|mode.*?group", "", device())
        stack = self.start(config())
        self.assertEqual(stack.rows("interfaces")[0]["mtu"], 1300)
        self.assertTrue(ping())
        self.end(stack)
        self.assertTrue(harness.tap_exists())
        self.assertIn("mtu 1300", device())
        self.assertIn(re.search(r"link/ether (\S+)", before)[1], device())

    def test_another_device_than_the_interfaces_name(self):
        harness.make_tap("other0")
        self.addCleanup(harness.remove_tap, "other0")
        self.start(config("device: other0"))
        self.assertTrue(ping())
        self.assertFalse(harness.tap_exists("tap7"))

    def test_device_of_several_queues(self):
        run("ip", "tuntap", "add", "dev", TAP, "mode", "tap", "multi_queue")
        harness.configure_tap()
        self.start(config())
        self.assertTrue(ping())

    def test_device_left_with_offloads(self):
        """Its last user left it with virtio-net headers and offloads: the kernel would send super-frames without checksums."""
        harness.make_tap()
        fd = open_tun(TAP, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)
        fcntl.ioctl(fd, TUNSETOFFLOAD, 0x07)  # checksums, TSO4, TSO6
        os.close(fd)
        stack = self.start(harness.CONFIG)
        transfer = harness.EchoTransfer(500_000)
        self.addCleanup(transfer.close)
        harness.run_transfers([transfer])
        self.assertIsNone(transfer.problem)
        self.assertEqual(stack.drops(), {})

    def test_down_device_is_left_down_with_a_hint(self):
        harness.make_tap()
        run("ip", "link", "set", TAP, "down")
        stack = self.start(config())
        self.assertNotIn(",UP", device())
        self.assertIn("is down; bring it up with: ip link set dev tap7 up", stack.log.read_text())
        run("ip", "link", "set", TAP, "up")
        self.assertTrue(ping())

    def test_busy_device(self):
        self.open_tun(TAP)
        self.refuses(config(), "cannot open the TAP device tap7: Device or resource busy. Another program uses it")

    def test_tun_device(self):
        run("ip", "tuntap", "add", "dev", TAP, "mode", "tun")
        self.refuses(config(), "tap7 is a TUN device, not a TAP device")

    def test_device_of_another_kind(self):
        self.refuses(config("device: lo"), "lo exists and is not a TAP device")

    def test_long_name(self):
        self.refuses(config("device: a-name-of-over-15"), "'a-name-of-over-15' is longer than 15 characters")

    def test_impossible_name(self):
        self.refuses(config("device: a/b"), "'a/b' is not a name that a device can have")

    def test_kernels_own_link_address(self):
        harness.make_tap()
        kernel = re.search(r"link/ether (\S+)", device())[1]
        self.refuses(config(mac=kernel), f"the kernel has the link address {kernel} on tap7 already")


class AsOrdinaryUser(TapCase):
    @classmethod
    def setUpClass(cls):
        harness.need_other_users()
        super().setUpClass()

    def test_prepared_device(self):
        harness.make_tap(user=UserStack.UID)
        self.start(config(), UserStack)
        self.assertTrue(ping())

    def test_no_device(self):
        self.refuses(config(), "cannot open the TAP device tap7: Operation not permitted. Run as root, or make the device first "
                     "with: ip tuntap add dev tap7 mode tap user $USER. A program that gave up its capabilities after the start has to be "
                     "started with --keep-privileges, or to find the device made", kind=UserStack)

    def test_device_of_another_user(self):
        harness.make_tap(user=UserStack.UID - 1)
        self.refuses(config(), "It was made for another user", kind=UserStack)

    def test_inherited_descriptor_needs_no_right(self):
        fd = self.open_tun(TAP)
        harness.configure_tap()
        self.start(config(f"fd: {fd}"), UserStack, inherit=(fd,))
        self.assertTrue(ping())


class ByDescriptor(TapCase):
    def test_attached_descriptor(self):
        fd = self.open_tun(TAP)
        harness.configure_tap()
        run("ip", "link", "set", TAP, "mtu", "1200")
        stack = self.start(config(f"fd: {fd}"), inherit=(fd,))
        os.close(fd)
        self.assertEqual(stack.rows("interfaces")[0]["mtu"], 1200)
        self.assertTrue(ping())
        self.end(stack)
        self.assertFalse(harness.tap_exists())

    def test_descriptor_with_a_filter_that_cuts_frames(self):
        fd = self.open_tun(TAP)
        cut = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 20))  # ret #20
        fcntl.ioctl(fd, TUNATTACHFILTER, struct.pack("H6xP", 1, ctypes.addressof(cut)))
        harness.configure_tap()
        self.start(config(f"fd: {fd}"), inherit=(fd,))
        self.assertTrue(ping())

    def test_device_in_another_network_namespace(self):
        fd = self.open_tun(TAP)
        harness.configure_tap()

        class Elsewhere(TapStack):
            def command_line(self):
                return ["unshare", "-n", *super().command_line()]

        stack = self.start(config(f"fd: {fd}"), Elsewhere, inherit=(fd,))
        self.assertEqual(stack.rows("interfaces")[0]["mtu"], 1500)
        self.assertTrue(ping())

    def test_closed_descriptor(self):
        self.refuses(config("fd: 777"), "descriptor 777 is not open")

    def test_descriptor_of_a_file(self):
        fd = os.open("/dev/null", os.O_RDWR)
        self.addCleanup(os.close, fd)
        self.refuses(config(f"fd: {fd}"), f"descriptor {fd} is not that of a TAP device", inherit=(fd,))

    def test_unattached_descriptor(self):
        fd = self.open_tun()
        self.refuses(config(f"fd: {fd}"), f"descriptor {fd} is not attached to a device yet", inherit=(fd,))

    def test_tun_descriptor(self):
        fd = self.open_tun(TAP, IFF_TUN | IFF_NO_PI)
        self.refuses(config(f"fd: {fd}"), f"descriptor {fd} belongs to the TUN device tap7", inherit=(fd,))

    def test_descriptor_with_packet_information(self):
        fd = self.open_tun(TAP, IFF_TAP)
        self.refuses(config(f"fd: {fd}"), "attached without IFF_NO_PI", inherit=(fd,))

    def test_descriptor_with_virtio_net_headers(self):
        """Whatever the length and order of bytes that its owner left."""
        for length, little in ((12, 0), (10, 1)):
            with self.subTest(length=length):
                fd = self.open_tun(TAP, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)
                fcntl.ioctl(fd, TUNSETVNETHDRSZ, struct.pack("i", length))
                fcntl.ioctl(fd, TUNSETVNETLE, struct.pack("i", little))
                harness.configure_tap()
                stack = self.start(config(f"fd: {fd}"), inherit=(fd,))
                self.assertTrue(ping())
                self.assertTrue(stack.rows("interfaces")[0]["checksum-offload"])
                self.assertEqual(stack.rows("interfaces")[0]["gso-max"], 65535)
                stack.stop()
                self.close(fd)

    def test_descriptor_without_virtio_net_headers_does_without_offloads(self):
        fd = self.open_tun(TAP)
        harness.configure_tap()
        stack = self.start(config(f"fd: {fd}"), inherit=(fd,))
        self.assertTrue(ping())
        self.assertFalse(stack.rows("interfaces")[0]["checksum-offload"])
        self.assertIn("does without: checksum-offload segmentation-offload datagram-offload", stack.log.read_text())

    def test_descriptor_of_another_device(self):
        fd = self.open_tun(TAP)
        self.refuses(config(f"fd: {fd}", "device: tap8"), f"descriptor {fd} belongs to the device tap7, but the option device says "
                     "tap8", inherit=(fd,))


class Trouble(TapCase):
    def setUp(self):
        super().setUp()
        harness.make_tap()
        self.stack = self.start(config())
        self.assertTrue(ping())

    def test_device_that_goes_down_and_up_again(self):
        run("ip", "link", "set", TAP, "down")
        self.stack.command("ping", "--count", "1", KERNEL, check=False)
        self.assertGreater(self.stack.drops().get(("tap", "device-down"), 0), 0)
        self.assertIn("the TAP device tap7 is down", self.stack.log.read_text())
        run("ip", "link", "set", TAP, "up")
        self.assertTrue(ping())
        self.assertIn("the TAP device tap7 is up again", self.stack.log.read_text())

    def test_device_that_is_deleted(self):
        run("ip", "link", "del", TAP)
        harness.wait_until(lambda: "the TAP device tap7 has gone" in self.stack.log.read_text())
        self.stack.command("ping", "--count", "1", KERNEL, check=False)
        self.assertGreater(self.stack.drops().get(("tap", "device-gone"), 0), 0)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        time.sleep(3)
        self.end(self.stack)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        self.assertLess(used, 0.6, "it used the processor all the time")

    def test_frames_over_the_mtu_are_counted(self):
        run("ip", "link", "set", TAP, "mtu", "9000")
        self.assertFalse(ping("-s", "4000", "-M", "do", check=False))
        self.assertEqual(self.stack.drops()[("tap", "too-long")], 1)
        self.assertTrue(ping("-s", "1472", "-M", "do"))

    def test_frames_that_find_no_packet_free_are_passed_over(self):
        """The device does not rest because of them: it is they that are too many, and the next finds room."""
        self.end(self.stack)
        run("ip", "link", "set", TAP, "mtu", "9000")
        stack = self.start(config("mtu: 9000").replace("stack:\n", "stack:\n  limits: {{ large-buffers: 16 }}\n"))
        self.assertTrue(ping())
        stack.process.send_signal(signal.SIGSTOP)
        with subprocess.Popen(["ping", "-n", "-q", "-s", "4000", "-l", "100", "-c", "100", "-W", "1", STACK], stdout=subprocess.DEVNULL) as flood:
            time.sleep(0.5)
            stack.process.send_signal(signal.SIGCONT)
            flood.wait()
        self.assertGreater(stack.drops().get(("tap", "no-memory"), 0), 0)
        self.assertEqual(stack.counter("tap", "read-errors"), 0, stack.log.read_text())

    def test_frames_of_many_sizes_come_back_whole(self):
        for size in (0, 1, 17, 18, 19, 100, 1471, 1472):
            self.assertTrue(ping("-s", str(size), "-M", "do"))


class Memory(TapCase):
    def test_no_packet_is_free(self):
        harness.make_tap()
        harness.check_scarce_packets(self, harness.CONFIG, "tap")


if __name__ == "__main__":
    harness.main()
