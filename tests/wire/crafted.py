"""Frames made by hand: a host on the TAP that is not the kernel, with its own address, that sends what scapy builds."""

import socket
import time

from scapy.all import ARP, Ether  # pylint: disable=no-name-in-module

import harness

ETH_P_ALL = 3


class Peer:
    """10.0.7.99. It answers ARP requests while it waits for something."""

    mac = "02:00:00:00:00:99"
    ip = "10.0.7.99"

    def __init__(self, device=harness.TAP):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((device, 0))

    def close(self):
        self.socket.close()

    def ether(self, dst=harness.MAC, **kwargs):
        return Ether(src=self.mac, dst=dst, **kwargs)

    def send(self, frame):
        """A scapy frame, or the bytes of one."""
        self.socket.send(bytes(frame))

    def introduce(self):
        """Asks for the stack, which so learns who this is."""
        self.send(self.ether("ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=self.mac, psrc=self.ip, pdst=harness.STACK))
        return self.expect(lambda f: ARP in f and f[ARP].op == 2 and f[ARP].psrc == harness.STACK, "an ARP reply")

    def frames(self, seconds):
        """The stack's frames of the next seconds, ARP requests for this host answered on the way."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                return
            frame = Ether(data)
            if frame.src != harness.MAC:
                continue
            if ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst == self.ip:
                self.send(self.ether(frame.src) / ARP(op=2, hwsrc=self.mac, psrc=self.ip, hwdst=frame.src, pdst=frame[ARP].psrc))
                continue
            yield frame

    def expect(self, wanted, what, timeout=2.0):
        """The first frame of the stack for which wanted(frame) holds."""
        seen = []
        for frame in self.frames(timeout):
            if wanted(frame):
                return frame
            seen.append(frame.summary())
        raise AssertionError(f"{what} was expected; what came: {seen or 'nothing'}")

    def answers(self, frame, seconds=0.15):
        """What the stack sends to this host because of `frame`."""
        for _ in self.frames(0.001):
            pass
        self.send(frame)
        return [f for f in self.frames(seconds) if f.dst in (self.mac, "ff:ff:ff:ff:ff:ff")]
