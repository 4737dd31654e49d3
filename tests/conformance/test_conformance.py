"""The conformance check itself: each planted fault is seen, and a clean case passes."""

import contextlib
import io
import pathlib
import shutil
import tempfile
import unittest

import conformance

C_TEST = """
static void a_works(void **state)
{
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_works),
        cmocka_unit_test_setup_teardown(
            b_works, start, end),
    };
}
"""


class Conformance(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="tenon-conformance-"))
        self.addCleanup(shutil.rmtree, self.root)
        self.write("tests/conformance/rfc1.tsv", "# First\nMUST-1\tdo it\tmet\n")
        self.write("tests/sim/test_a.c", "/* conformance: 1 MUST-1 */" + C_TEST)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def rows(self, text):
        self.write("tests/conformance/rfc1.tsv", text)

    def run_check(self):
        """(exit status, what it printed, the document)"""
        out, document = io.StringIO(), self.root / "out.md"
        with contextlib.redirect_stdout(out):
            status = conformance.run_check(self.root, document)
        return status, out.getvalue(), document.read_text() if document.exists() else ""

    def assert_passes(self):
        status, printed, document = self.run_check()
        self.assertEqual(status, 0, printed)
        return document

    def assert_fails(self, *words):
        status, printed, _ = self.run_check()
        self.assertEqual(status, 1, printed)
        for word in words:
            self.assertIn(word, printed)

    def test_clean_case_passes_and_names_its_test(self):
        document = self.assert_passes()
        self.assertIn("| MUST-1 | do it | met | [sim/a](../tests/sim/test_a.c): a_works |", document)
        self.assertIn("| [1](#rfc-1) | First | 1 | 1 | 0 | 0 | 0 |", document)

    def test_row_without_a_test_is_seen(self):
        self.rows("MUST-1\tdo it\tmet\nMUST-2\tdo that\tmet\n")
        self.assert_fails("MUST-2", "no test")

    def test_open_row_is_listed(self):
        self.rows("MUST-1\tdo it\tmet\nMUST-2\tdo that\topen\n")
        self.assert_passes()
        self.assertIn("open: RFC 1 MUST-2: do that", self.run_check()[1])

    def test_open_row_with_a_test_is_met(self):
        self.rows("MUST-1\tdo it\topen\n")
        self.assertIn("| met |", self.assert_passes())

    def test_deviation_needs_a_reason(self):
        self.rows("MUST-1\tdo it\tdeviation\n")
        self.assert_fails("MUST-1", "no reason")
        self.rows("MUST-1\tdo it\tdeviation\tbetter so\n")
        self.assertIn("| deviation: better so |", self.assert_passes())

    def test_obligation_of_programs_needs_a_document(self):
        self.rows("MUST-1\tdo it\tprogram\n")
        self.assert_fails("MUST-1", "no reason")

    def test_unknown_verdict_is_seen(self):
        self.rows("MUST-1\tdo it\tmaybe\n")
        self.assert_fails("maybe")

    def test_second_row_of_a_label_is_seen(self):
        self.rows("MUST-1\tdo it\tmet\nMUST-1\tdo it\tmet\n")
        self.assert_fails("rfc1.tsv:2", "already")

    def test_tag_without_a_row_is_seen(self):
        self.write("tests/sim/test_a.c", "/* conformance: 1 MUST-1; 1 MUST-7 */" + C_TEST)
        self.assert_fails("tests/sim/test_a.c:1", "MUST-7")

    def test_tag_of_an_rfc_without_rows_is_seen(self):
        self.write("tests/sim/test_a.c", "/* conformance: 1 MUST-1; 2 MUST-1 */" + C_TEST)
        self.assert_fails("RFC 2")

    def test_tag_that_cannot_be_read_is_seen(self):
        self.write("tests/sim/test_a.c", "/* conformance: MUST-1 */" + C_TEST)
        self.assert_fails("tests/sim/test_a.c:1", "9293 MUST-12")

    def test_test_that_is_not_in_the_list_is_seen(self):
        self.write("tests/sim/test_a.c", "/* conformance: 1 MUST-1 */" + C_TEST.replace("unit_test(a_works)", "unit_test(c)"))
        self.assert_fails("a_works", "list of tests")

    def test_tag_above_something_else_is_seen(self):
        self.write("tests/sim/test_a.c", "/* conformance: 1 MUST-1 */\nint x;" + C_TEST)
        self.assert_fails("no test function")

    def test_other_comments_may_stand_around_a_tag(self):
        self.write("tests/sim/test_a.c", "/* Well:\n * conformance: 1 MUST-1;\n *     1 MUST-2 */\n/* so */" + C_TEST)
        self.rows("MUST-1\tdo it\tmet\nMUST-2\tdo that\tmet\n")
        self.assert_passes()

    def test_list_of_tests_may_break_its_lines(self):
        self.write("tests/sim/test_a.c", "/* conformance: 1 MUST-1 */" + C_TEST.replace("void a_works", "void b_works"))
        self.assert_passes()

    def test_python_script_and_fuzz_tags(self):
        self.write("tests/wire/test_b.py", "class Tcp(X):\n    # conformance: 1 MUST-2\n    @skip\n    def test_it(self):\n")
        self.write("tests/script/c.tns", "# Words.\n# conformance: 1 MUST-3\n")
        self.write("tests/fuzz/fuzz_d.c", "/* conformance: 1 MUST-4 */\n")
        self.rows("".join(f"MUST-{n}\tdo it\tmet\n" for n in (1, 2, 3, 4)))
        document = self.assert_passes()
        for shown in ("[wire/b](../tests/wire/test_b.py): Tcp.test_it", "[script/c](../tests/script/c.tns): c",
                      "[fuzz/fuzz_d](../tests/fuzz/fuzz_d.c): fuzz_d"):
            self.assertIn(shown, document)

    def test_python_tag_above_something_else_is_seen(self):
        self.write("tests/wire/test_b.py", "class Tcp(X):\n    # conformance: 1 MUST-1\n    x = 1\n")
        self.assert_fails("tests/wire/test_b.py:2", "no test method")

    def test_committed_document_must_be_up_to_date(self):
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(conformance.run_committed(self.root), 1)
            self.write("docs/conformance.md", self.assert_passes())
            self.assertEqual(conformance.run_committed(self.root), 0)


if __name__ == "__main__":
    unittest.main()
