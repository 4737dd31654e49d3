"""docs/performance.md: `./dev bench --write` finds its places in it, and leaves the rest as it is."""

import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "bench"))

import bench  # noqa: E402


class Performance(unittest.TestCase):
    def test_sections_are_replaced_and_nothing_else(self):
        text = bench.DOCUMENT.read_text()
        for name in ("figures", "profiles"):
            before, rest = text.split(f"<!-- {name} -->\n")
            after = rest.split(f"<!-- /{name} -->", 1)[1]
            once = bench.replace_section(text, name, r"| new \1 |")
            self.assertEqual(once, f"{before}<!-- {name} -->\n| new \\1 |\n<!-- /{name} -->{after}")
            self.assertEqual(bench.replace_section(once, name, r"| new \1 |"), once)

    def test_section_that_is_not_there_is_told(self):
        with self.assertRaisesRegex(AssertionError, "does not have <!-- other -->"):
            bench.replace_section(bench.DOCUMENT.read_text(), "other", "")


if __name__ == "__main__":
    unittest.main()
