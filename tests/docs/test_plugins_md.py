"""docs/plugins.md: its plugin is built, run and swapped as it says there. With a TAP device the document's Python greets the stack
over it, too."""

import pathlib
import socket
import subprocess
import sys
import unittest

import document
from document import ROOT

sys.path.insert(0, str(ROOT / "tests" / "wire"))

import isolate  # noqa: E402


class PluginsDocument(document.DocumentTest):
    document = "plugins.md"

    def test_document_has_its_blocks(self):
        files = {path.name for path in self.work.iterdir()}
        self.assertLessEqual({"greet.c", "greet.ini", "CMakeLists.txt", "stack.yaml", "try_greet.c", "hello.py", "polo.c", "polo.ini", "qotd.c", "qotd.ini", "more.yaml"}, files)
        self.assertIn("cmake --build", self.script)

    def test_every_command_succeeds_and_the_greeting_is_answered(self):
        self.assertEqual(self.done.returncode, 0, self.done.stdout + self.done.stderr)
        self.assertIn("Hello Linus, you are guest 1. I am Tenon.", self.done.stdout)
        self.assertIn("Hello Linus, you are guest 2. I am Tenon.", self.done.stdout)

    def test_compiler_has_nothing_to_say(self):
        self.assertNotIn("warning", self.done.stdout)

    def test_package_file_names_the_prefix_that_was_installed_to(self):
        plugins = pathlib.Path(self.ask_pkg_config("--variable=plugindir"))
        self.assertEqual(plugins.resolve(), next(self.prefix.rglob("echo.so")).parent.resolve())
        include = pathlib.Path(self.ask_pkg_config("--cflags").removeprefix("-I"))
        self.assertEqual(include.resolve(), (self.prefix / "include").resolve())

    def test_description_has_the_manifests_words(self):
        for word in ("Answers greetings", "What the stack calls itself", "0x88b5"):
            self.assertIn(word, self.done.stdout)

    def test_only_installed_headers_were_used(self):
        dependencies = subprocess.run(["ninja", "-C", self.work / "build", "-t", "deps"], capture_output=True, text=True, check=True)
        self.assertIn(str(self.prefix / "include" / "tenon" / "plugin.h"), dependencies.stdout)
        self.assertNotIn(str(ROOT / "include"), dependencies.stdout)
        self.assertNotIn(str(ROOT / "kernel"), dependencies.stdout)

    def test_plugin_keeps_the_rules(self):
        sys.path.insert(0, str(ROOT / "tests" / "rules"))
        import objects
        allowed = objects.read_symbol_list(ROOT / "tests" / "rules" / "plugin-symbols.txt")
        for name in ("greet", "polo", "qotd"):
            self.assertEqual(objects.check_plugin(self.work / "build" / f"{name}.so", allowed), [], name)

    def over_a_tap_device(self, file, ask):
        """What `ask` returns while a stack of that file runs on tap7."""
        def body():
            path = self.ask_pkg_config("--variable=plugindir")
            environment = self.environment | {"TENON_PLUGIN_PATH": f"{self.work}/build:{path}"}
            stack = subprocess.Popen(["tenon", "run", file, "--control", self.directory / "control"], cwd=self.work,
                                     env=environment, stdout=subprocess.PIPE, text=True)
            stack.stdout.readline()
            subprocess.run(["ip", "link", "set", "tap7", "up"], check=True)
            subprocess.run(["ip", "address", "add", "10.0.7.1/24", "dev", "tap7"], check=True)
            right = ask()
            stack.stdout.close()
            stack.terminate()
            return 0 if right and stack.wait() == 0 else 1

        try:
            self.assertEqual(isolate.isolated(body), 0)
        except isolate.Unavailable as e:
            self.skipTest(str(e))

    def test_greeting_over_a_tap_device(self):
        def ask():
            hello = subprocess.run([sys.executable, "hello.py"], cwd=self.work, capture_output=True, text=True, timeout=20)
            return hello.stdout.strip() == "Hello Linus, you are guest 1. I am Tenon."

        self.over_a_tap_device("stack.yaml", ask)

    def test_protocol_on_ip_and_service_answer(self):
        def ask():
            with socket.socket(socket.AF_INET, socket.SOCK_RAW, 253) as raw:
                raw.settimeout(10)
                raw.sendto(b"marco", ("10.0.7.7", 0))
                echo = raw.recv(100)[20:]
            with socket.create_connection(("10.0.7.7", 17), 10) as connection:
                quote = connection.makefile("rb").read()
            return (echo, quote) == (b"marco", b"Less is more.\r\n")

        self.over_a_tap_device("more.yaml", ask)


if __name__ == "__main__":
    unittest.main()
