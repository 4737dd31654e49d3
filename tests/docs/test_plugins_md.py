"""docs/plugins.md, taken at its word: installs Tenon to a prefix, cuts the blocks out of the document, and does what it says.

A fenced block whose info string is `LANGUAGE FILE` belongs to FILE, one after the other; `sh run` blocks are run in order, in one
shell, with PATH and the like as for an installed Tenon. With a TAP device the document's Python greets the stack over it, too.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("TENON_BUILD_DIR", ROOT / "build" / "release"))
sys.path.insert(0, str(ROOT / "tests" / "wire"))

import isolate  # noqa: E402

BLOCK = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document):
    """(language, file or "run", text) of every labelled block."""
    return [match.groups() for match in BLOCK.finditer(document.read_text())]


class PluginsDocument(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="tenon-docs-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.prefix = cls.directory / "prefix"
        subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.prefix], check=True, stdout=subprocess.DEVNULL)
        cls.environment = {key: value for key, value in os.environ.items() if not key.startswith("TENON_")} | {
            "CMAKE_PREFIX_PATH": str(cls.prefix),
            "PKG_CONFIG_PATH": f"{cls.prefix}/lib/pkgconfig",
            "PATH": f"{cls.prefix}/bin:{os.environ['PATH']}",
            "LD_LIBRARY_PATH": f"{cls.prefix}/lib",
        }
        # The prefix that the package file names is the one it was configured for.
        package = cls.prefix / "lib" / "pkgconfig" / "tenon.pc"
        package.write_text(re.sub(r"^prefix=.*$", f"prefix={cls.prefix}", package.read_text(), flags=re.MULTILINE))

        cls.work = cls.directory / "greet"
        cls.work.mkdir()
        cls.script = "set -eux\n"
        for language, name, text in blocks(ROOT / "docs" / "plugins.md"):
            if name == "run":
                cls.script += text
            else:
                with (cls.work / name).open("a") as file:
                    file.write(text)
        cls.done = subprocess.run(["bash", "-c", cls.script], cwd=cls.work, env=cls.environment, capture_output=True, text=True,
                                  timeout=300)

    def test_document_has_its_blocks(self):
        files = {path.name for path in self.work.iterdir()}
        self.assertLessEqual({"greet.c", "greet.ini", "CMakeLists.txt", "stack.yaml", "try_greet.c", "hello.py"}, files)
        self.assertIn("cmake --build", self.script)

    def test_every_command_succeeds_and_the_greeting_is_answered(self):
        self.assertEqual(self.done.returncode, 0, self.done.stdout + self.done.stderr)
        self.assertIn("Hello Linus, you are guest 1. I am Tenon.", self.done.stdout)
        self.assertIn("Hello Linus, you are guest 2. I am Tenon.", self.done.stdout)

    def test_compiler_has_nothing_to_say(self):
        self.assertNotIn("warning", self.done.stdout)

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
        self.assertEqual(objects.check_plugin(self.work / "build" / "greet.so", allowed), [])

    def test_greeting_over_a_tap_device(self):
        def body():
            path = subprocess.run(["pkg-config", "--variable=plugindir", "tenon"], env=self.environment, check=True,
                                  capture_output=True, text=True).stdout.strip()
            environment = self.environment | {"TENON_PLUGIN_PATH": f"{self.work}/build:{path}"}
            stack = subprocess.Popen(["tenon", "run", "stack.yaml", "--control", self.directory / "control"], cwd=self.work,
                                     env=environment, stdout=subprocess.PIPE, text=True)
            stack.stdout.readline()
            subprocess.run(["ip", "link", "set", "tap7", "up"], check=True)
            hello = subprocess.run([sys.executable, "hello.py"], cwd=self.work, capture_output=True, text=True, timeout=20)
            stack.stdout.close()
            stack.terminate()
            answer = hello.stdout.strip()
            return 0 if (answer, stack.wait()) == ("Hello Linus, you are guest 1. I am Tenon.", 0) else 1

        try:
            self.assertEqual(isolate.isolated(body), 0)
        except isolate.Unavailable as e:
            self.skipTest(str(e))


if __name__ == "__main__":
    unittest.main()
