"""Takes behaviour out, one piece at a time, and sees that the tests that show it fail.

    mutants.py ROOT [LABEL...]      all of tests/conformance/mutants.txt, or those of labels that begin so ("9293 MUST-1")

A mutant is a line of code and what stands in its place:

    @ 9293 MUST-3; 9293 MUST-2         the labels whose obligation is gone then
    plugins/tcp/input.c
    - if (!checksum_right(packet))     a piece of one line that is in the file once
    + if (false)

Several pieces, each with its file, are one mutant where a second line of defence would hide that the first is gone.

The tests with these tags (tags.py) are built and run in build/mutants, on a copy of the source. At least one must fail for each
label. In the end, tests are listed that failed for none of the mutants of a label: what they show was not taken out, or they
do not show it. Exit status 1 if a mutant survives for a label, or cannot be made.
"""

import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys

import tags

Edit = collections.namedtuple("Edit", "path old new")
Mutant = collections.namedtuple("Mutant", "labels edits line")
FAILED = re.compile(r"\[  FAILED  \] (\w+)$", re.M)
TIMEOUT = 60


def read_mutants(path):
    mutants = []
    for block in re.split(r"^@ ", path.read_text(), flags=re.M)[1:]:
        lines = [line for line in block.splitlines() if line.strip() and not line.startswith("#")]
        edits = []
        for line in lines[1:]:
            if line.startswith("- "):
                edits.append(Edit(name, line[2:].strip(), ""))
            elif line.startswith("+"):
                edits[-1] = edits[-1]._replace(new=line[1:].strip())
            else:
                name = line.strip()
        mutants.append(Mutant(tuple(tags.references(lines[0])), edits, lines[0]))
    return mutants


def copy_source(root, copy):
    """Only what has changed, so that the copy's build stays incremental."""
    files = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, files):
        source, target = root / name, copy / name
        if not source.is_file():
            continue
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def build(copy, binary):
    done = subprocess.run(["cmake", "--build", binary], cwd=copy, capture_output=True, text=True)
    return done.returncode == 0, done.stdout[-2000:]


def command_of(tag, binary):
    name = pathlib.Path(tag.path).stem.removeprefix("test_")
    if tag.path.endswith(".tns"):
        return [binary / "tests/script/tenon_script", "--plugin-path", binary / "plugins-out", tag.path]
    kind = pathlib.Path(tag.path).parent.name
    return [binary / f"tests/{kind}_{name}"] if kind in ("sim", "unit") else None


def failures(tag, copy, binary):
    """The tests of the tag's file that fail: None for all (it crashed or hung)."""
    try:
        done = subprocess.run(command_of(tag, binary), cwd=copy, capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return None
    if tag.path.endswith(".tns"):
        return {tag.test} if done.returncode else set()
    failed = set(FAILED.findall(done.stdout + done.stderr))
    return failed if failed or done.returncode == 0 else None


def apply(mutant, copy):
    """What is wrong, or None."""
    for edit in mutant.edits:
        path = copy / edit.path
        text = path.read_text() if path.exists() else ""
        if text.count(edit.old) != 1:
            return f"'{edit.old}' is not in {edit.path}, or more than once"
        path.write_text(text.replace(edit.old, edit.new))
    return None


def run_tests(mutant, by_label, copy, binary, seen):
    """Labels for which nothing failed."""
    results, survived = {}, []
    for label in mutant.labels:
        killed = False
        for tag in by_label[label]:
            if not command_of(tag, binary):
                continue
            if tag.path not in results:
                results[tag.path] = failures(tag, copy, binary)
            if results[tag.path] is None or tag.test in results[tag.path]:
                seen[label].add((tag.path, tag.test))
                killed = True
        if not killed:
            survived.append(" ".join(label))
    return survived


def try_mutant(mutant, by_label, copy, binary, seen):
    """What is wrong with it; None if all is right."""
    before = {edit.path: (copy / edit.path).read_text() for edit in mutant.edits if (copy / edit.path).exists()}
    try:
        problem = apply(mutant, copy)
        if problem:
            return problem
        built, said = build(copy, binary)
        if not built:
            return "it does not build:\n" + said
        survived = run_tests(mutant, by_label, copy, binary, seen)
        return f"no test fails for {', '.join(survived)}" if survived else None
    finally:
        for name, text in before.items():
            (copy / name).write_text(text)


def main():
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    root, wanted = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2:]
    copy, binary = root / "build/mutants/source", root / "build/mutants/build"
    copy_source(root, copy)
    os.environ.update(CCACHE_BASEDIR=str(copy), CCACHE_NOHASHDIR="1")
    if not (binary / "build.ninja").exists():
        # Without the short way of the usual segment (plugins/tcp/tcp.h), which would hide what is gone from the long one.
        subprocess.run(["cmake", "-G", "Ninja", "-S", copy, "-B", binary, "-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DTENON_TESTS=ON",
                        "-DCMAKE_C_FLAGS=-DTCP_GENERAL_ONLY"],
                       check=True, stdout=subprocess.DEVNULL)
    by_label, seen, wrong = collections.defaultdict(list), collections.defaultdict(set), 0
    for tag in tags.find(root)[0]:
        by_label[tag.rfc, tag.label].append(tag)
    mutants = [m for m in read_mutants(root / "tests/conformance/mutants.txt")
               if not wanted or any(" ".join(label).startswith(tuple(wanted)) for label in m.labels)]
    for mutant in mutants:
        problem = try_mutant(mutant, by_label, copy, binary, seen)
        wrong += problem is not None
        print(f"{'SURVIVES' if problem else 'seen'}: {mutant.line}{': ' + problem if problem else ''}", flush=True)
    for label, shown in sorted(seen.items()):
        for tag in by_label[label]:
            if (tag.path, tag.test) not in shown and command_of(tag, binary):
                print(f"not seen to fail for {' '.join(label)}: {tag.path}: {tag.test}")
    print(f"{len(mutants)} mutants, {wrong} wrong; {sum(map(len, seen.values()))} tests of {len(seen)} labels seen to fail")
    return 1 if wrong else 0


if __name__ == "__main__":
    os.environ.setdefault("CMAKE_C_COMPILER_LAUNCHER", "ccache" if shutil.which("ccache") else "")
    sys.exit(main())
