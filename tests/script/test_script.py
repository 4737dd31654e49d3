"""What tenon_script says of scripts that are wrong, in themselves or about the stack."""

import os
import pathlib
import subprocess
import tempfile
import unittest

BUILD = pathlib.Path(os.environ["TENON_BUILD_DIR"])
SCRIPT = """listen 7
> S 0 <mss 1460>
< S. 0 ack 1 <mss 1460>
> . 1 ack 1
accept
> P. 1:101 ack 1
< . 1 ack 101
> P. 101:201 ack 1
+40ms < . 1 ack 201
read 200
"""


class Script(unittest.TestCase):
    def run_script(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".tns") as file:
            file.write(text)
            file.flush()
            done = subprocess.run([BUILD / "tests/script/tenon_script", "--plugin-path", BUILD / "plugins-out", file.name],
                                  capture_output=True, text=True, timeout=60)
            return done.returncode, done.stderr.replace(file.name, "FILE")

    def assert_said(self, text, *words):
        status, said = self.run_script(text)
        self.assertEqual(status, 1, said)
        for word in words:
            self.assertIn(word, said)

    def change(self, old, new, *words):
        self.assertIn(old, SCRIPT)
        self.assert_said(SCRIPT.replace(old, new), *words)

    def test_right_script_passes(self):
        self.assertEqual(self.run_script(SCRIPT)[0], 0)

    def test_wrong_number(self):
        self.change("< . 1 ack 101", "< . 1 ack 100", "FILE:7: at 0.000000 s", "expected: . 1 ack 100", "heard:    . 1 ack 101")

    def test_wrong_option(self):
        self.change("ack 1 <mss 1460>", "ack 1 <mss 1400>", "FILE:3:", "<mss 1400>", "<mss 1460>")

    def test_segment_that_does_not_come(self):
        self.change("read 200", "< . 1 ack 201", "FILE:10:", "sent nothing")

    def test_segment_that_comes_too_early(self):
        self.change("+40ms", "+41ms", "FILE:9: at 0.040000 s", "expected at 0.041000 s")

    def test_segment_that_comes_too_late(self):
        self.change("+40ms", "+39ms", "FILE:9:", "sent nothing")

    def test_segment_that_nobody_expected(self):
        self.change("< . 1 ack 101\n", "+1ms silent\n", "FILE:7:", "not expected: . 1 ack 101")

    def test_segment_left_at_the_end(self):
        self.change("+40ms < . 1 ack 201\nread 200\n", "+40ms > P. 201:301 ack 1\n", "not expected: . 1 ack 201")

    def test_segment_of_another_connection(self):
        self.change("< . 1 ack 101", "b: < . 1 ack 101", "FILE:7:", "the first talk", "not expected")

    def test_result_of_a_call(self):
        self.change("read 200", "read 201", "FILE:10:", "read: expected 201, got 200")
        self.change("accept", "accept = -EINVAL", "FILE:5:", "expected -EINVAL, got")
        self.change("read 200", "write 1 = -EPIPE", "FILE:10:", "expected -EPIPE, got 1")

    def test_field_of_tcp_info(self):
        self.change("read 200", "info unacked > 0", "FILE:10:", "unacked: expected > 0, got 0")

    def test_counter(self):
        self.change("read 200", "drops tcp bad-option = 1", "expected = 1, got 0")
        self.change("read 200", "counter tcp nonsense = 1", "tcp has no 'nonsense'")

    def test_octets(self):
        self.change("read 200", "read 200 at 2", "FILE:10:", "octet 2 is")

    def test_line_that_cannot_be_read(self):
        for line, words in (("hear S 0", "no verb 'hear'"), ("< X 0", "no flags"), ("< S", "a sequence number"),
                            ("+4 < S 0", "not a time"), ("> S 0 <mss>", "lacks a value"), ("> S 0 <mss 1460", "have no end"), ("> S 0 <abc 1>", "is no option"),
                            ("> S 0 ack", "a number"), ("> S 99999999999", "not a number"), ("> S 0:70000", "at most"),
                            ("get SO_X = 1", "no socket option"), ("info x = 1", "no field"), ("poll = over", "events are"),
                            ("listen 7\nmtu 1400", "before the first step"), ("close now", "what is 'now'"),
                            ("> S 0 !harm", "is no harm")):
            self.assert_said("\n" + line + "\n", "FILE:2:" if "\n" not in line else "FILE:3:", words)

    def test_stack_that_cannot_be(self):
        self.assert_said("with tcp { nonsense: 1 }\nlisten 7\n", "nonsense")


if __name__ == "__main__":
    unittest.main()
