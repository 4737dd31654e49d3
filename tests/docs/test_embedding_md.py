"""docs/embedding.md: its programs are built with what pkg-config says, and run. And the API's headers serve C++."""

import pathlib
import shutil
import subprocess
import unittest

import document

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent / "script"
CXX = shutil.which("g++") or shutil.which("clang++")

PROGRAM = """
#include <tenon/sim.h>
int main()
{
    struct tn_sim *sim = tn_sim_create(1);
    bool right = tn_sim_now(sim) == TN_SEC && tn_version()[0] != '\\0' && tn_be16(tn_to_be16(258)) == 258;
    tn_sim_destroy(sim);
    return right ? 0 : 1;
}
"""


class EmbeddingDocument(document.DocumentTest):
    document = "embedding.md"

    def test_programs_are_built_and_run(self):
        self.assertEqual(self.done.returncode, 0, self.done.stdout + self.done.stderr)
        self.assertIn("the server received: a datagram\nthe client received: a stream\nthe server sees the end\n", self.done.stdout)
        self.assertIn("the answer: a word\n", self.done.stdout)

    def test_compiler_has_nothing_to_say(self):
        self.assertNotIn("warning", self.done.stderr)

    def test_same_seed_gives_the_same_run(self):
        runs = {subprocess.run(["./two"], cwd=self.work, env=self.environment, check=True, capture_output=True).stdout for _ in "12"}
        self.assertEqual(len(runs), 1)
        self.assertTrue(self.done.stdout.encode().startswith(runs.pop()))

    def test_scripts_are_run_by_an_outside_program(self):
        """tests/script from the installed headers and library alone."""
        flags = self.ask_pkg_config("--cflags", "--libs").split()
        sources = sorted(str(path) for path in SCRIPTS.glob("*.c"))
        subprocess.run(["gcc", "-D_GNU_SOURCE", "-O1", "-o", "tenon_script", *sources, *flags], cwd=self.work, check=True)
        done = subprocess.run(["./tenon_script", SCRIPTS / "passive_open.tns"], cwd=self.work, env=self.environment,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    @unittest.skipUnless(CXX, "there is no C++ compiler")
    def test_headers_serve_cxx(self):
        (self.work / "program.cc").write_text(PROGRAM)
        flags = self.ask_pkg_config("--cflags", "--libs").split()
        subprocess.run([CXX, "-std=c++11", "-Wall", "-Wextra", "-Werror", "-o", "program", "program.cc", *flags], cwd=self.work,
                       check=True)
        subprocess.run(["./program"], cwd=self.work, env=self.environment, check=True)


if __name__ == "__main__":
    unittest.main()
