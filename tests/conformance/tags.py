"""Finds conformance tags in the tests: comments right above a test, such as

    /* conformance: 9293 MUST-12; 5961 3.2 */        C: the test function that follows, in tests/sim and tests/unit
    # conformance: 9293 MUST-12                      Python: the test method that follows, in tests/wire and tests/cli
    # conformance: 9293 MUST-12                      a script, tests/script/NAME.tns: the whole of it, anywhere in it

In tests/fuzz a C tag stands anywhere in the target: its replayed corpus is the test. An RFC's number, a space, a label of a
row in rfcNUMBER.tsv; several are separated by semicolons and may go on in the next line of the comment.
"""

import collections
import re

Tag = collections.namedtuple("Tag", "rfc label path line test")

REFERENCE = re.compile(r"(\d+) (\S.*)")
C_TAG = re.compile(r"/\*(?:(?!\*/).)*?\bconformance:((?:(?!\*/).)*)\*/", re.S)
C_FUNCTION = re.compile(r"(?:\s|/\*.*?\*/)*static void (\w+)\(void \*\*", re.S)
# cmocka_unit_test(name), and a file's own T(name), TEST(name), WORDS_TEST(name) …
C_REGISTERED = re.compile(r"\b(?:cmocka_unit_test\w*|\w*TEST|T)\(\s*(\w+)")
PYTHON_TAG = re.compile(r"^ *# conformance:(.*(?:\n *#(?! conformance:).*)*)", re.M)
PYTHON_TEST = re.compile(r"(?:\s*#.*\n|\s*@.*\n|\s*\n)*\s*def (test_\w+)\(")
PYTHON_CLASS = re.compile(r"^class (\w+)", re.M)
SCRIPT_TAG = re.compile(r"^# conformance:(.*)", re.M)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def references(words):
    """[(rfc, label)] of "9293 MUST-12; 5961 3.2"; None for what cannot be read."""
    words = re.sub(r"\n\s*[*#]?", " ", words)
    parts = [" ".join(part.split()) for part in words.split(";")]
    found = [REFERENCE.fullmatch(part) for part in parts if part]
    return [match.groups() if match else None for match in found] or [None]


def c_tags(path, text):
    registered = set(C_REGISTERED.findall(text))
    for match in C_TAG.finditer(text):
        function = C_FUNCTION.match(text, match.end())
        if not function:
            yield match, None, "there is no test function right below"
        elif function[1] not in registered:
            yield match, None, f"{function[1]} is not in the file's list of tests"
        else:
            yield match, function[1], None


def fuzz_tags(path, text):
    for match in C_TAG.finditer(text):
        yield match, path.stem, None


def python_tags(path, text):
    for match in PYTHON_TAG.finditer(text):
        test = PYTHON_TEST.match(text, match.end())
        classes = PYTHON_CLASS.findall(text, 0, match.start())
        if test and classes:
            yield match, f"{classes[-1]}.{test[1]}", None
        else:
            yield match, None, "there is no test method right below"


def script_tags(path, text):
    for match in SCRIPT_TAG.finditer(text):
        yield match, path.stem, None


KINDS = (("sim", "test_*.c", c_tags), ("unit", "test_*.c", c_tags), ("fuzz", "fuzz_*.c", fuzz_tags),
         ("wire", "test_*.py", python_tags), ("cli", "test_*.py", python_tags), ("script", "*.tns", script_tags))


def find(root):
    """([Tag], [problem]) of every test below `root`."""
    tags, problems = [], []
    for directory, pattern, read in KINDS:
        for path in sorted((root / "tests" / directory).glob(pattern)):
            text = path.read_text()
            where = path.relative_to(root)
            for match, test, problem in read(path, text):
                line = line_of(text, match.start(1))
                if problem:
                    problems.append(f"{where}:{line}: a conformance tag, but {problem}")
                    continue
                for reference in references(match[1]):
                    if reference:
                        tags.append(Tag(*reference, str(where), line, test))
                    else:
                        problems.append(f"{where}:{line}: a conformance tag is 'RFC LABEL; RFC LABEL', as '9293 MUST-12'")
    return tags, problems
