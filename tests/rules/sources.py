"""What the rules ask of the source text: who may include what, no include circles, and no protocol named by the core (rule 4).

Each check takes the root of a source tree and returns a list of sentences, one a violation.
"""

import pathlib
import re

from objects import find_circles

# Words that would make the core know a protocol by name. Ethertype and ipproto are names of tables, the AF_ families those of
# POSIX, Ethernet that of a link type of the ABI.
PROTOCOLS = {
    "arp", "bootp", "dhcp", "dhcp4", "dhcp6", "dhcpv6", "dns", "ether", "icmp", "icmp4", "icmp6", "icmpv6", "igmp", "ip4", "ip6",
    "ipv4", "ipv6", "mld", "ndp", "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "udplite", "sctp",
}
# Levels and names of the families' socket options, as POSIX and Linux have them: what an embedding program says.
SOCKET_OPTIONS = {"IPPROTO_IP", "IPPROTO_IPV6", "IPV6_UNICAST_HOPS", "IPV6_TCLASS", "IPV6_V6ONLY", "IPV6_RECVERR", "IPV6_MTU_DISCOVER", "IPV6_MTU",
                  "IPV6_PMTUDISC_DONT", "IPV6_PMTUDISC_PROBE"}
# Numbers that stand for a protocol: ethertypes.
NUMBERS = {"0x0800", "0x800", "0x0806", "0x806", "0x86dd"}

# Headers of the C library that give types, constants and pure functions.
PURE_HEADERS = {
    "assert.h", "errno.h", "inttypes.h", "limits.h", "stdalign.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h",
    "stdlib.h", "string.h", "strings.h", "sys/socket.h", "sys/types.h", "netinet/in.h", "netinet/tcp.h", "netinet/udp.h",
    "poll.h",
}
DEVICE_HEADERS = {"fcntl.h", "sys/ioctl.h", "sys/stat.h", "sys/uio.h", "unistd.h", "net/if.h", "linux/if.h", "linux/if_arp.h",
                  "linux/if_tun.h", "linux/if_packet.h", "linux/filter.h"}

TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
      | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
      | (?P<number>\b0[xX][0-9a-fA-F]+)
      | (?P<identifier>\b[A-Za-z_]\w*)""",
    re.VERBOSE | re.DOTALL,
)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def c_files(directory, *patterns):
    return sorted(p for pattern in patterns or ("*.c", "*.h") for p in pathlib.Path(directory).rglob(pattern))


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def without_comments(text):
    """The text with comments blanked out, line for line."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group()) if match.lastgroup == "comment" else match.group()
    return TOKEN.sub(blank, text)


def protocol_words(text):
    """(line, what) of every place that names a protocol: in an identifier, as a whole string, as a number."""
    for match in TOKEN.finditer(text):
        token = match.group()
        if match.lastgroup == "identifier" and token not in SOCKET_OPTIONS:
            named = PROTOCOLS & set(token.lower().split("_"))
            # IPPROTO_TCP, ETH_P_IP and their like are numbers of protocols whatever they name; SOCK_ and AF_ are not.
            found = bool(named) or re.match(r"(IPPROTO|ETH_P|ETHERTYPE)_[A-Z0-9]", token)
        elif match.lastgroup == "string":
            found = re.split(r"[/:]", token.strip("\"'").lower())[0] in PROTOCOLS
        else:
            found = match.lastgroup == "number" and token.lower() in NUMBERS
        if found:
            yield line_of(text, match.start()), token


def check_protocol_names(root):
    """Rule 4: the core never names a protocol."""
    problems = []
    for path in c_files(root / "kernel"):
        for line, token in protocol_words(path.read_text()):
            problems.append(f"{path.relative_to(root)}:{line}: the core names a protocol: {token}")
    return problems


def includes_of(path):
    """(line, header, quoted) of every #include."""
    text = without_comments(path.read_text())
    for match in INCLUDE.finditer(text):
        yield line_of(text, match.start()), match.group(1) or match.group(2), match.group(1) is not None


def public_header(root, name):
    return (root / "include" / name).is_file()


def include_problem(root, path, part, name, quoted):
    """Why file `path` of `part` must not include `name`; None if it may."""
    if name.startswith("tenon/"):
        if not public_header(root, name):
            return "there is no such public header"
        if name.startswith("tenon/proto/") and part == "kernel":
            return "the core knows no protocol"
        return None
    if quoted:
        target = (path.parent / name).resolve()
        home = root / "/".join(path.relative_to(root).parts[: 1 if part in ("kernel", "tools", "include") else 2])
        if part == "include":
            return 'public headers are named from the top: "tenon/…"'
        if not target.is_relative_to(home.resolve()):
            return "it lies in another part"
        return None if target.is_file() else "there is no such file"
    if part in ("plugins", "services", "include") and name not in PURE_HEADERS:
        if not (part == "plugins" and name in DEVICE_HEADERS and is_link_driver(path.parent)):
            return "a header of libc's pure functions or of tenon/ was expected"
    return None


def is_link_driver(directory):
    manifest = directory / f"{directory.name}.ini"
    return manifest.is_file() and re.search(r"^\s*kind\s*=\s*link\s*$", manifest.read_text(), re.MULTILINE) is not None


def check_includes(root):
    """Arrows point down: tools and kernel to include/, plugins and services to include/ and never to one another."""
    problems = []
    for part in ("include", "kernel", "plugins", "services", "tools"):
        for path in c_files(root / part):
            for line, name, quoted in includes_of(path):
                why = include_problem(root, path, part, name, quoted)
                if why:
                    problems.append(f"{path.relative_to(root)}:{line}: must not include {name}: {why}")
    return problems


def include_graph(root):
    graph = {}
    for path in (p for part in ("include", "kernel", "plugins", "services", "tools") for p in c_files(root / part)):
        here = graph.setdefault(str(path.relative_to(root)), set())
        for _, name, _ in includes_of(path):
            for target in (path.parent / name, root / "include" / name):
                if target.is_file():
                    here.add(str(target.resolve().relative_to(root.resolve())))
                    break
    return graph


def check_include_circles(root):
    return [f"a circle of #include: {', '.join(circle)}" for circle in find_circles(include_graph(root))]


def check_sources(root):
    root = pathlib.Path(root)
    return check_protocol_names(root) + check_includes(root) + check_include_circles(root)
