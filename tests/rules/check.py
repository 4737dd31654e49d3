"""Checks the rules of the architecture (docs/architecture.md, "Rules") that a machine can see.

    check.py sources SOURCE_DIR     who includes what, no include circles, no protocol named by the core
    check.py plugins PLUGIN_DIR     what built plugins import, export and hold (a build without sanitizers)
    check.py calls BUILD_DIR        no circle of calls between the files of the core, a plugin, the command

Prints a line a violation; exit status 0 if there is none, 1 if there is, 2 if there was nothing to look at.
"""

import pathlib
import sys

import objects
import sources

HERE = pathlib.Path(__file__).resolve().parent


def parts_of(build_dir):
    """{part: its objects}: one library, plugin or executable of CMake's each."""
    parts = {}
    for area in ("kernel", "plugins", "services", "tools"):
        for target in sorted((pathlib.Path(build_dir) / area).rglob("CMakeFiles/*.dir")):
            found = sorted(target.rglob("*.o"))
            if found and target.name != "tenon_private.dir":
                parts[str(target.relative_to(build_dir))] = found
    return parts


def check_plugins(directory):
    built = sorted(pathlib.Path(directory).glob("*.so"))
    allowed = objects.read_symbol_list(HERE / "plugin-symbols.txt")
    return len(built), [problem for so in built for problem in objects.check_plugin(so, allowed)]


def check_calls(build_dir):
    parts = parts_of(build_dir)
    return len(parts), [p for part, found in parts.items() for p in objects.check_calls(part, found)]


def check_sources(root):
    return len(sources.c_files(root)), sources.check_sources(root)


CHECKS = {"sources": (check_sources, "source files"), "plugins": (check_plugins, "plugins"), "calls": (check_calls, "parts")}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in CHECKS:
        print(__doc__, file=sys.stderr)
        return 2
    check, what = CHECKS[sys.argv[1]]
    count, problems = check(sys.argv[2])
    for problem in problems:
        print(problem)
    print(f"{count} {what}, {len(problems)} violations")
    if count == 0:
        print(f"{sys.argv[2]}: nothing to check", file=sys.stderr)
        return 2
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
