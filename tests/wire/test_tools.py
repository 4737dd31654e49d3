"""Everyday traffic as tshark judges it: no malformed packet, no wrong checksum."""

import signal
import subprocess
import time
import unittest

import harness
import isolate
from harness import connect, run


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

    def test_nothing_is_malformed(self):
        path = self.capture(self.everyday_traffic)
        self.assertGreater(len(self.frames(path, "tcp")), 100)
        self.assertGreater(len(self.frames(path, "arp.opcode == 2")), 0)
        self.assertGreater(len(self.frames(path, "icmp.type == 3")), 0)
        bad = "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0 || " \
              "icmp.checksum.status == 0 || _ws.expert.severity == 8388608"
        self.assertEqual(self.frames(path, bad), [])

    def test_nothing_is_sent_twice_on_a_clean_road(self):
        path = self.capture(self.everyday_traffic)
        self.assertEqual(self.frames(path, "tcp.analysis.retransmission || tcp.analysis.lost_segment"), [])


if __name__ == "__main__":
    harness.main()
