"""Socket calls of a stack and of the kernel, side by side (compare.c)."""

import unittest

import harness
from harness import run


class Sockets(unittest.TestCase):
    def test_calls_return_what_the_kernels_do(self):
        run(harness.BUILD / "tests" / "compare")


if __name__ == "__main__":
    harness.main()
