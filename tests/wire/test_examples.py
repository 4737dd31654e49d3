"""The programs of examples/: stacks of their own, which talk to the kernel over a TAP device by sockets that block."""

import os
import signal
import socket
import subprocess
import threading
import unittest

import harness

EXAMPLES = harness.BUILD / "examples"
YAML = harness.ROOT / "examples" / "stack.yaml"
ENVIRONMENT = {**os.environ, "TENON_PLUGIN_PATH": str(harness.PLUGINS)}


class Examples(unittest.TestCase):
    def setUp(self):
        harness.make_tap()
        self.addCleanup(harness.remove_tap)

    def test_client_talks_to_a_server_of_the_kernel(self):
        data = bytes(harness.pattern(5, 300_000))
        with socket.create_server((harness.KERNEL, 7007)) as listener:
            listener.settimeout(20)

            def echo():
                sock, _ = listener.accept()
                with sock:
                    sock.sendall(harness.receive_all(sock))

            server = threading.Thread(target=echo)
            server.start()
            done = subprocess.run([EXAMPLES / "client", YAML, harness.KERNEL, "7007"], input=data, capture_output=True, timeout=30,
                                  env=ENVIRONMENT, check=False)
            server.join()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, data)

    def test_client_says_why_it_cannot_connect(self):
        done = subprocess.run([EXAMPLES / "client", YAML, harness.KERNEL, "7008"], input=b"", capture_output=True, timeout=30,
                              env=ENVIRONMENT, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"client: connect: Connection refused\n", done.stderr)

    def test_server_answers_clients_of_the_kernel_until_it_is_told_to_end(self):
        server = subprocess.Popen([EXAMPLES / "server", YAML, "7007"], env=ENVIRONMENT, stdout=subprocess.PIPE)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        for text in (b"hello", b"once more"):
            sock = harness.wait_until(lambda: self.connection(), 20, "the server accepts")
            with sock:
                sock.sendall(text)
                sock.shutdown(socket.SHUT_WR)
                self.assertEqual(harness.receive_all(sock), text.upper())
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(20), 0)
        self.assertIn(b"10.0.7.1\n10.0.7.1\n", server.stdout.read())

    @staticmethod
    def connection():
        try:
            return harness.connect(port=7007)
        except OSError:
            return None


if __name__ == "__main__":
    harness.main()
