"""Everyday traffic as tshark judges it: no malformed packet, no wrong checksum."""

import signal
import socket
import subprocess
import time
import unittest

import harness
import isolate
from harness import connect, run

# Type 13, identifier 1, sequence number 2, sent at 3 ms after midnight.
TIMESTAMP_REQUEST = bytes.fromhex("0d00 f2f9 0001 0002 00000003 00000000 00000000")


class Capture(harness.StackCase):
    # What the kernel would leave undone of its checksums, and the stack of its own, a capture shows as wrong; test_offload.py
    # looks at those where they are complete.
    config = harness.CONFIG.replace("driver: tap", "driver: tap\n    checksum-offload: off")

    def capture(self, traffic):
        path = isolate.scratch_directory("capture") / "pcap"
        # (tcpdump would change its user, which cannot be done in a user namespace of one.)
        dumpcap = subprocess.Popen(["dumpcap", "-q", "-P", "-B", "16", "-i", harness.TAP, "-w", path], stderr=subprocess.PIPE, text=True)
        try:
            said = dumpcap.stderr.readline()
            self.assertIn("Capturing on", said)
            harness.wait_until(path.exists)
            traffic()
            time.sleep(0.5)
            dumpcap.send_signal(signal.SIGINT)
            said += dumpcap.communicate(timeout=10)[1]
            self.assertRegex(said, r"dropped on interface.*: \d+/0 ")
        finally:
            dumpcap.kill()
            dumpcap.wait()
        return path

    def frames(self, path, condition):
        """What tshark says of the stack's own frames under the condition, checksums checked."""
        done = run("tshark", "-n", "-r", path, "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE",
                   "-o", "udp.check_checksum:TRUE", "-Y", f"eth.src == {harness.MAC} && ({condition})", timeout=60)
        return done.stdout.strip().splitlines()

    def everyday_traffic(self):
        run("ip", "neigh", "flush", "dev", harness.TAP)
        run("ping", "-n", "-c", 2, "-i", "0.1", "-W", 2, harness.STACK)
        run("ping", "-n", "-c", 1, "-W", 2, "-s", 1472, harness.SECOND)
        run("socat", "-t1", "-", f"udp:{harness.STACK}:7", input="datagram\n")
        run("nc", "-u", "-w", "1", harness.STACK, "4", input="nobody\n", check=False)
        transfer = harness.EchoTransfer(300_001)
        harness.run_transfers([transfer])
        transfer.close()
        with connect(port=harness.DAYTIME) as sock:
            harness.receive_all(sock)
        with self.assertRaises(ConnectionRefusedError):
            connect(port=4)
        self.odd_traffic()

    def odd_traffic(self):
        """Fragments, errors, timestamps, what asks for them, and what the stack asks itself."""
        run("ping", "-n", "-c", 1, "-W", 2, "-s", 65507, harness.STACK)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(2)
            sock.connect((harness.STACK, harness.ECHO))
            sock.send(bytes(4096))
            self.assertEqual(sock.recv(65536), bytes(4096))
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, 253) as sock:
            sock.sendto(b"protocol of nobody", (harness.STACK, 0))
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
            sock.sendto(TIMESTAMP_REQUEST, (harness.STACK, 0))
        run("arping", "-D", "-c", 1, "-w", 2, "-I", harness.TAP, harness.STACK, check=False)
        self.stack.command("ping", "-c", 1, "-s", 4000, harness.KERNEL)
        self.stack.command("traceroute", "-q", 1, harness.KERNEL)

    def test_nothing_is_malformed(self):
        path = self.capture(self.everyday_traffic)
        self.assertGreater(len(self.frames(path, "tcp")), 100)
        self.assertGreater(len(self.frames(path, "arp.opcode == 2")), 0)
        for kind in ("icmp.type == 0", "icmp.type == 3 && icmp.code == 2", "icmp.type == 3 && icmp.code == 3", "icmp.type == 8",
                     "icmp.type == 14", "ip.flags.mf == 1"):
            self.assertGreater(len(self.frames(path, kind)), 0, kind)
        bad = "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 || " \
              "icmp.checksum.status == 0 || _ws.expert.severity == 8388608"
        self.assertEqual(self.frames(path, bad), [])

    def test_nothing_is_sent_twice_on_a_clean_road(self):
        path = self.capture(self.everyday_traffic)
        self.assertEqual(self.frames(path, "tcp.analysis.retransmission || tcp.analysis.lost_segment"), [])


if __name__ == "__main__":
    harness.main()
