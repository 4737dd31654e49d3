"""What the rules ask of built objects: plugins (rules 1 and 2) and the calls between the files of one part.

Everything is read with binutils' readelf and nm. Each check returns a list of sentences, one a violation; an empty list is a pass.
"""

import configparser
import pathlib
import re
import subprocess

# Writable sections that a plugin may have: all of them are read-only once the loader has relocated it (full RELRO).
RELOCATED = re.compile(r"\.(dynamic|got|got\.plt|data\.rel\.ro.*)$")

# Relocations that a direct call or tail call leaves in an object: x86-64, AArch64, RISC-V, 32-bit ARM.
CALLS = re.compile(r"R_(X86_64_PLT32|AARCH64_(CALL|JUMP)26|RISCV_CALL(_PLT)?|ARM_(CALL|JUMP24))$")

ENTRY = "tn_plugin_entry"


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def read_symbol_list(path):
    """The sections of plugin-symbols.txt: {"any": {...}, "link": {...}}."""
    lists = {}
    for line in pathlib.Path(path).read_text().splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("["):
            current = lists.setdefault(line.strip("[]"), set())
        elif line:
            current.add(line)
    return lists


def plugin_kind(so):
    """`kind` of the manifest that lies beside the plugin."""
    manifest = configparser.ConfigParser(interpolation=None, strict=False)
    manifest.read(pathlib.Path(so).with_suffix(".ini"))
    return manifest.get("plugin", "kind", fallback="")


def dynamic_symbols(so, which):
    names = set()
    for line in output_of("nm", "-D", which, str(so)).splitlines():
        names.add(line.split()[-1].split("@")[0])
    return names


def check_imports(so, allowed):
    """Rule 1: nothing but libc's pure functions (and, for link drivers, their device's)."""
    kind = plugin_kind(so)
    permitted = allowed["any"] | (allowed["link"] if kind == "link" else set())
    return [
        f"{so.name}: uses {name}(), which no plugin of kind {kind or 'unknown'} may (tests/rules/plugin-symbols.txt)"
        for name in sorted(dynamic_symbols(so, "--undefined-only") - permitted)
    ]


def check_exports(so):
    """One exported symbol, the entry."""
    exported = dynamic_symbols(so, "--defined-only")
    if exported == {ENTRY}:
        return []
    return [f"{so.name}: exports {', '.join(sorted(exported)) or 'nothing'}; expected {ENTRY} alone"]


def sections(so):
    """(name, type, size, flags) of every section."""
    for line in output_of("readelf", "-SW", str(so)).splitlines():
        match = re.match(r"\s*\[\s*\d+\]\s+(\S+)\s+(\S+)\s+[0-9a-f]+\s+[0-9a-f]+\s+([0-9a-f]+)\s+[0-9a-f]+\s+([A-Z]*)", line)
        if match:
            name, kind, size, flags = match.groups()
            yield name, kind, int(size, 16), flags


def check_sections(so):
    """Rule 2: no mutable static data, no thread-local data, nothing that runs at load or unload."""
    problems = []
    for name, kind, size, flags in sections(so):
        if kind in ("INIT_ARRAY", "FINI_ARRAY", "PREINIT_ARRAY") or name in (".init", ".fini", ".ctors", ".dtors"):
            problems.append(f"{so.name}: section {name}: code that runs when the plugin is loaded or unloaded")
        elif "W" in flags and size > 0 and not RELOCATED.match(name):
            what = "thread-local data" if "T" in flags else "mutable static data"
            problems.append(f"{so.name}: section {name} has {size} bytes: {what}")
    return problems


def check_relro(so):
    """The relocated constants of a plugin become read-only: RELRO, and all symbols bound at load."""
    headers, dynamic = output_of("readelf", "-lW", str(so)), output_of("readelf", "-dW", str(so))
    if "GNU_RELRO" in headers and re.search(r"BIND_NOW|FLAGS.*\bNOW\b", dynamic):
        return []
    return [f"{so.name}: is not linked with -z relro -z now"]


def check_plugin(so, allowed):
    so = pathlib.Path(so)
    return check_imports(so, allowed) + check_exports(so) + check_sections(so) + check_relro(so)


def called_symbols(obj):
    """Global functions that the object calls (an address in a table is not a call)."""
    calls = set()
    for line in output_of("readelf", "-rW", str(obj)).splitlines():
        fields = line.split()
        if len(fields) >= 5 and CALLS.match(fields[2]):
            calls.add(fields[4].split("@")[0])
    return calls


def defined_symbols(obj):
    names = set()
    for line in output_of("nm", "--defined-only", "--extern-only", str(obj)).splitlines():
        names.add(line.split()[-1])
    return names


def source_name(obj):
    """"loop.c" of ".../loop.c.o"."""
    return pathlib.Path(obj).name.removesuffix(".o")


def call_graph(objects):
    """{file: {called file: {functions}}} of one part's objects."""
    home = {symbol: source_name(obj) for obj in objects for symbol in defined_symbols(obj)}
    graph = {}
    for obj in objects:
        here = graph.setdefault(source_name(obj), {})
        for symbol in called_symbols(obj):
            there = home.get(symbol)
            if there and there != source_name(obj):
                here.setdefault(there, set()).add(symbol)
    return graph


def find_circles(graph):
    """The strongly connected components of more than one node (Tarjan), each a sorted list."""
    index, low, stack, circles = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for successor in graph.get(node, ()):
            if successor not in index:
                visit(successor)
                low[node] = min(low[node], low[successor])
            elif successor in stack:
                low[node] = min(low[node], index[successor])
        if low[node] == index[node]:
            component = stack[stack.index(node):]
            del stack[stack.index(node):]
            if len(component) > 1 or node in graph.get(node, ()):
                circles.append(sorted(component))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return circles


def check_calls(part, objects):
    """No circle of calls between the files of one part."""
    graph = call_graph(objects)
    problems = []
    for circle in find_circles(graph):
        edges = [
            f"    {a} -> {b}: {', '.join(sorted(graph[a][b]))}"
            for a in circle for b in circle if b in graph[a]
        ]
        problems.append(f"{part}: a circle of calls between {', '.join(circle)}\n" + "\n".join(edges))
    return problems
