"""Documents taken at their word: Tenon is installed to a prefix that it was not configured for, the blocks are cut out of the
document, and what it says is done, with no more in the environment than the document tells its readers to put there.

A fenced block whose info string is `LANGUAGE FILE` belongs to FILE, one after the other; `sh run` blocks are run in order, in one
shell. Of the `sh install` block only the environment is taken."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("TENON_BUILD_DIR", ROOT / "build" / "release"))

BLOCK = re.compile(r"^```(\w+) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document):
    """(language, file or "run", text) of every labelled block."""
    return [match.groups() for match in BLOCK.finditer(document.read_text())]


def installed_environment(home):
    """The environment that docs/plugins.md has its readers set, who install to ~/tenon."""
    (install,) = [text for _, name, text in blocks(ROOT / "docs" / "plugins.md") if name == "install"]
    exports = [line for line in install.splitlines() if line.startswith("export ")]
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("TENON_", "CMAKE_", "PKG_", "LD_"))}
    done = subprocess.run(["bash", "-euc", "\n".join([*exports, "env -0"])], env=kept | {"HOME": str(home)}, check=True,
                          capture_output=True, text=True)
    return dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry)


class DocumentTest(unittest.TestCase):
    document = None  # its name in docs/

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="tenon-docs-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.prefix = cls.directory / "tenon"
        subprocess.run(["cmake", "--install", BUILD, "--prefix", cls.prefix], check=True, stdout=subprocess.DEVNULL)
        cls.environment = installed_environment(cls.directory)
        cls.work = cls.directory / "work"
        cls.work.mkdir()
        cls.script = "set -eux\n"
        for _, name, text in blocks(ROOT / "docs" / cls.document):
            if name == "run":
                cls.script += text
            elif name != "install":
                with (cls.work / name).open("a") as file:
                    file.write(text)
        cls.done = subprocess.run(["bash", "-c", cls.script], cwd=cls.work, env=cls.environment, capture_output=True, text=True,
                                  timeout=300)

    def ask_pkg_config(self, *arguments):
        done = subprocess.run(["pkg-config", *arguments, "tenon"], env=self.environment, check=True, capture_output=True, text=True)
        return done.stdout.strip()
