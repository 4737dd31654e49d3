"""The rule checks themselves: each is shown a planted violation and must see it, and a clean case and must pass it."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import check
import objects
import sources

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COMPILER = os.environ.get("CC", "cc")
ALLOWED = objects.read_symbol_list(HERE / "plugin-symbols.txt")

CLEAN = """
#include "tenon/plugin.h"
static const char *const words[] = {"relocated", "constants"};
static const struct tn_plugin plugin = {TN_PLUGIN_HEADER, .name = "sample"};
const struct tn_plugin *tn_plugin_entry(void) { return words[0] ? &plugin : NULL; }
"""


class Scratch(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tenon-rules-"))
        self.addCleanup(shutil.rmtree, self.dir)

    def write(self, name, text):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def assert_one(self, problems, *words):
        self.assertEqual(len(problems), 1, problems)
        for word in words:
            self.assertIn(word, problems[0])


class PluginObjects(Scratch):
    def build(self, extra="", kind="protocol", flags=()):
        source = self.write("sample.c", CLEAN + extra)
        self.write("sample.ini", f"[plugin]\nname = sample\nkind = {kind}\n")
        so = self.dir / "sample.so"
        subprocess.run(
            [COMPILER, "-shared", "-fPIC", "-O1", "-nostartfiles", "-fvisibility=hidden", "-w", "-D_GNU_SOURCE",
             "-Wl,-z,now", "-Wl,-z,relro", f"-I{ROOT}/include", "-o", so, source, *flags],
            check=True,
        )
        return so

    def problems(self, *args, **kwargs):
        return objects.check_plugin(self.build(*args, **kwargs), ALLOWED)

    def test_clean_plugin_passes(self):
        self.assertEqual(self.problems(), [])

    def test_clock_is_seen(self):
        self.assert_one(self.problems("#include <time.h>\n__attribute__((used)) static long f(void) { return time(NULL); }"),
                        "time()")

    def test_allocation_is_seen(self):
        self.assert_one(self.problems("#include <stdlib.h>\n__attribute__((used)) static void *f(void) { return malloc(1); }"),
                        "malloc()")

    def test_device_io_is_the_link_drivers_alone(self):
        code = "#include <unistd.h>\n__attribute__((used)) static long f(char *b) { return read(0, b, 1); }"
        self.assert_one(self.problems(code), "read()")
        self.assertEqual(self.problems(code, kind="link"), [])

    def test_link_driver_may_not_use_threads(self):
        code = "#include <pthread.h>\n__attribute__((used)) static unsigned long f(void) { return pthread_self(); }"
        self.assert_one(self.problems(code, kind="link"), "pthread_self()")

    def test_bss_is_seen(self):
        self.assert_one(self.problems("__attribute__((used)) static int count;"), ".bss", "mutable")

    def test_data_is_seen(self):
        self.assert_one(self.problems("__attribute__((used)) static int count = 7;"), ".data", "mutable")

    def test_data_in_a_section_of_its_own_is_seen(self):
        self.assert_one(self.problems('__attribute__((used, section("mine"))) static int count = 7;'), "mine")

    def test_thread_local_data_is_seen(self):
        problems = self.problems("__attribute__((used)) static _Thread_local int a = 7;"
                                 "__attribute__((used)) static _Thread_local int b;")
        self.assertEqual(len([p for p in problems if "thread-local" in p]), 2, problems)

    def test_constructor_and_destructor_are_seen(self):
        problems = self.problems("__attribute__((constructor)) static void up(void) { __builtin_trap(); }"
                                 "__attribute__((destructor)) static void down(void) { __builtin_trap(); }")
        self.assertEqual(len(problems), 2, problems)
        self.assertIn(".init_array", problems[0])

    def test_start_files_are_seen(self):
        so = self.build()
        subprocess.run([COMPILER, "-shared", "-fPIC", "-w", "-fvisibility=hidden", "-Wl,-z,now", f"-I{ROOT}/include", "-o", so,
                        self.dir / "sample.c"], check=True)
        self.assertTrue(objects.check_plugin(so, ALLOWED))

    def test_second_export_is_seen(self):
        self.assert_one(self.problems("TN_EXPORT int spare(void); int spare(void) { return 1; }"), "spare", "alone")

    def test_missing_relro_is_seen(self):
        self.assert_one(self.problems(flags=["-Wl,-z,lazy"]), "-z now")


class Calls(Scratch):
    def objects(self, **files):
        for name, text in files.items():
            source = self.write(f"{name}.c", text)
            subprocess.run([COMPILER, "-c", "-O2", "-fPIC", "-w", "-o", self.dir / f"{name}.c.o", source], check=True)
        return sorted(self.dir.glob("*.o"))

    def test_one_way_passes(self):
        found = self.objects(a="int b(void); int a(void) { return b() + 1; }", b="int b(void) { return 1; }")
        self.assertEqual(objects.check_calls("part", found), [])
        self.assertEqual(objects.call_graph(found)["a.c"], {"b.c": {"b"}})

    def test_circle_of_three_is_seen(self):
        found = self.objects(a="int b(void); int a(void) { return b() + 1; }", b="int c(void); int b(void) { return c(); }",
                             c="int a(void); int c(void) { return a() + 2; }")
        self.assert_one(objects.check_calls("part", found), "a.c, b.c, c.c", "c.c -> a.c: a")

    def test_address_in_a_table_is_not_a_call(self):
        found = self.objects(a="int b(void); int (*const table[])(void) = {b}; int a(void) { return 1; }",
                             b="int a(void); int b(void) { return a() + 1; }")
        self.assertEqual(objects.check_calls("part", found), [])

    def test_parts_are_found_in_a_build_directory(self):
        self.write("kernel/CMakeFiles/tenon.dir/x.c.o", "")
        self.write("kernel/CMakeFiles/tenon_private.dir/x.c.o", "")
        self.write("plugins/arp/CMakeFiles/plugin_arp.dir/arp.c.o", "")
        self.assertEqual(list(check.parts_of(self.dir)),
                         ["kernel/CMakeFiles/tenon.dir", "plugins/arp/CMakeFiles/plugin_arp.dir"])


class Names(Scratch):
    def problems(self, code):
        self.write("kernel/x.c", code)
        return sources.check_protocol_names(self.dir)

    def test_identifier_is_seen(self):
        self.assert_one(self.problems("int x;\nvoid tn_tcp_start(void);\n"), "kernel/x.c:2", "tn_tcp_start")

    def test_protocol_number_is_seen(self):
        self.assert_one(self.problems("int x = IPPROTO_ICMP;"), "IPPROTO_ICMP")

    def test_whole_string_is_seen(self):
        self.assert_one(self.problems('int x = strcmp(y, "arp");'), '"arp"')

    def test_listen_string_is_seen(self):
        self.assert_one(self.problems('const char *x = "tcp/7";'), "tcp/7")

    def test_ethertype_is_seen(self):
        self.assert_one(self.problems("if (type == 0x0800) go();"), "0x0800")

    def test_comments_tables_and_families_pass(self):
        self.assertEqual(self.problems("/* tcp needs ipv4 */ // arp\n"
                                       "int x = TN_TABLE_ETHERTYPE + TN_TABLE_IPPROTO + AF_INET + TN_LINK_ETHERNET;"), [])

    def test_levels_of_socket_options_pass(self):
        self.assertEqual(self.problems("if (level == IPPROTO_IP && name == IP_TTL) go();"), [])


class Includes(Scratch):
    def setUp(self):
        super().setUp()
        self.write("include/tenon/plugin.h", '#include "tenon/types.h"\n')
        self.write("include/tenon/types.h", "#include <stdint.h>\n")
        self.write("include/tenon/proto/arp.h", '#include "tenon/types.h"\n')
        self.write("kernel/stack.h", '#include "tenon/plugin.h"\n')
        self.write("plugins/arp/arp.h", "")
        self.write("plugins/arp/arp.c", '#include "arp.h"\n#include "tenon/proto/arp.h"\n#include <string.h>\n')

    def test_downward_arrows_pass(self):
        self.write("tools/tenon.c", '#include <unistd.h>\n#include "tenon/stack.h"\n')
        self.write("include/tenon/stack.h", "")
        self.assertEqual(sources.check_sources(self.dir), [])

    def test_plugin_that_includes_another_is_seen(self):
        self.write("plugins/tcp/tcp.c", '#include "../arp/arp.h"\n')
        self.assert_one(sources.check_includes(self.dir), "plugins/tcp/tcp.c:1", "another part")

    def test_plugin_that_includes_the_core_is_seen(self):
        self.write("services/echo/echo.c", '#include "../../kernel/stack.h"\n')
        self.assert_one(sources.check_includes(self.dir), "services/echo/echo.c:1")

    def test_tool_that_includes_the_core_is_seen(self):
        self.write("tools/tenon.c", '#include "../kernel/stack.h"\n')
        self.assert_one(sources.check_includes(self.dir), "tools/tenon.c:1")

    def test_core_that_includes_a_protocol_is_seen(self):
        self.write("kernel/x.c", '\n#include "tenon/proto/arp.h"\n')
        self.assert_one(sources.check_includes(self.dir), "kernel/x.c:2", "no protocol")

    def test_plugin_with_a_clock_header_is_seen(self):
        self.write("plugins/arp/x.c", "#include <time.h>\n")
        self.assert_one(sources.check_includes(self.dir), "time.h")

    def test_device_headers_are_the_link_drivers_alone(self):
        self.write("plugins/tap/tap.c", "#include <fcntl.h>\n")
        self.assert_one(sources.check_includes(self.dir), "fcntl.h")
        self.write("plugins/tap/tap.ini", "[plugin]\nkind = link\n")
        self.assertEqual(sources.check_includes(self.dir), [])

    def test_missing_public_header_is_seen(self):
        self.write("kernel/x.c", '#include "tenon/nothing.h"\n')
        self.assert_one(sources.check_includes(self.dir), "no such public header")

    def test_include_in_a_comment_is_not_one(self):
        self.write("kernel/x.c", '/*\n#include "tenon/nothing.h"\n*/\n')
        self.assertEqual(sources.check_includes(self.dir), [])

    def test_circle_is_seen(self):
        self.write("kernel/a.h", '#include "b.h"\n')
        self.write("kernel/b.h", '#include "a.h"\n')
        self.assert_one(sources.check_include_circles(self.dir), "kernel/a.h, kernel/b.h")


if __name__ == "__main__":
    unittest.main()
