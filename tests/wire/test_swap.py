"""Every plugin is replaced by a new build while connections are open and data is on its way."""

import socket
import threading
import unittest

import harness
from harness import connect, run


class Swap(harness.StackCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.plugins = [row["name"] for row in cls.stack.rows("plugins") if row["name"] != "core"]
        cls.fresh = harness.build_afresh(*cls.plugins)

    def swap(self, plugin, directory=None):
        """Swaps to the build in `directory`; the build id that runs must then be another."""
        before = self.stack.build_id(plugin)
        self.stack.command("swap", plugin, (directory or self.fresh) / f"{plugin}.so")
        after = self.stack.build_id(plugin)
        self.assertTrue(before and after)
        self.assertNotEqual(after, before)

    def swap_there_and_back(self, plugin):
        self.swap(plugin)
        self.swap(plugin, harness.PLUGINS)

    def test_every_plugin_under_open_connections(self):
        connections = [connect() for _ in range(5)]
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.settimeout(5)
        datagrams.connect((harness.STACK, harness.ECHO))
        for plugin in self.plugins:
            with self.subTest(plugin):
                self.swap_there_and_back(plugin)
                for sock in connections:
                    self.echo_works(sock)
                datagrams.send(plugin.encode())
                self.assertEqual(datagrams.recv(100).decode(), plugin)
                run("ping", "-n", "-c", 1, "-W", 2, harness.STACK)
                self.echo_works()
        for sock in [*connections, datagrams]:
            sock.close()

    def test_every_plugin_during_transfers(self):
        """All are swapped, again and again, while 20 connections transfer: every byte comes back."""
        transfers = [harness.EchoTransfer(3_000_000, start=i) for i in range(20)]
        stop, problems, swaps = threading.Event(), [], []

        def swapper():
            try:
                while not stop.is_set():
                    for plugin in self.plugins:
                        self.swap_there_and_back(plugin)
                        swaps.append(plugin)
                        if stop.is_set():
                            break
            except Exception as e:  # of another thread: handed over
                problems.append(e)

        thread = threading.Thread(target=swapper)
        thread.start()
        try:
            harness.run_transfers(transfers, timeout=120)
        finally:
            stop.set()
            thread.join()
        self.assertEqual(problems, [])
        self.assertGreater(len(swaps), 0)
        self.assertEqual([t.problem for t in transfers if t.problem], [])
        for transfer in transfers:
            transfer.close()

    def test_retransmission_survives_a_swap(self):
        """A connection whose peer has gone quiet keeps its timers through a swap of tcp."""
        with connect(port=harness.CHARGEN) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            harness.receive_exactly(sock, 1000)
            self.swap_there_and_back("tcp")
            self.assertEqual(len(harness.receive_exactly(sock, 300_000)), 300_000)

    def test_handshake_and_close_around_a_swap(self):
        for _ in range(20):
            sock = connect()
            self.swap("tcp")
            sock.sendall(b"across")
            sock.shutdown(socket.SHUT_WR)
            self.swap("tcp", harness.PLUGINS)
            self.assertEqual(harness.receive_all(sock), b"across")
            sock.close()

    def test_swap_without_a_path_takes_the_plugin_paths_build(self):
        self.swap("echo")
        self.stack.command("swap", "echo")
        self.assertEqual(self.stack.build_id("echo"), self.original("echo"))
        self.echo_works()

    def original(self, plugin):
        notes = run("readelf", "-n", harness.PLUGINS / f"{plugin}.so").stdout
        return notes.split("Build ID:")[1].split()[0]

    def test_replaced_file_is_really_loaded(self):
        """The file of the running build is overwritten by the new one: what dlopen would answer with the old code."""
        import shutil
        path = self.stack.directory / "echo.so"
        shutil.copy(harness.PLUGINS / "echo.so", path)
        shutil.copy(harness.PLUGINS / "echo.ini", self.stack.directory / "echo.ini")
        self.swap("echo")
        self.stack.command("swap", "echo", path)
        self.assertEqual(self.stack.build_id("echo"), self.original("echo"))
        with connect() as sock:
            shutil.copy(self.fresh / "echo.so", path)
            self.echo_works(sock)
            self.stack.command("swap", "echo", path)
            self.assertNotEqual(self.stack.build_id("echo"), self.original("echo"))
            path.write_bytes(b"")
            self.echo_works(sock)
        self.stack.command("swap", "echo")

    def test_generations_are_counted(self):
        def generation():
            return next(row["generation"] for row in self.stack.rows("plugins") if row["name"] == "discard")

        before = int(generation())
        self.swap_there_and_back("discard")
        self.assertEqual(int(generation()), before + 2)


if __name__ == "__main__":
    harness.main()
