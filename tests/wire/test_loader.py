"""What the loader refuses: each with a reason, and with the stack, its connections and the old build running on."""

import os
import pathlib
import shutil
import struct
import unittest

import harness
import isolate
from harness import CONFIG, run

SOURCE = """\
#include "tenon/plugin.h"
#include <errno.h>

#ifndef MAGIC
#define MAGIC TN_PLUGIN_MAGIC
#endif
#ifndef MAJOR
#define MAJOR TN_ABI_MAJOR
#endif
#ifndef MINOR
#define MINOR TN_ABI_MINOR
#endif
#ifndef SIZE
#define SIZE sizeof(struct tn_plugin)
#endif
#ifndef NAME
#define NAME "sample"
#endif
#ifndef KIND
#define KIND "protocol"
#endif
#ifndef SCHEMA
#define SCHEMA "sample/1"
#endif
#ifndef KEY
#define KEY 0x88b6
#endif
#ifndef ENTRY
#define ENTRY tn_plugin_entry
#endif

enum { SAMPLE_IGNORED };
static const struct tn_name drops[] = {{"ignored", "Not wanted"}};

static void input(struct tn_self *self, struct tn_packet *packet)
{
    tn_drop(self, packet, SAMPLE_IGNORED);
}

static int start(struct tn_self *self, struct tn_text *why)
{
#ifdef FAIL
    tn_text_add(why, "the sample does not feel like it");
    return -EPERM;
#endif
#ifdef MISSING
    extern int a_function_that_nobody_has(void);
    return a_function_that_nobody_has();
#endif
    return 0;
}

static tn_input_fn *const inputs[] = {input};
static const struct tn_claim claims[] = {{.table = TN_TABLE_ETHERTYPE, .key = KEY}};
#ifdef OPTION
static const struct tn_option options[] = {{"colour", TN_OPTION_BOOL, 0}};
#endif

static const struct tn_plugin plugin = {
    .magic = MAGIC, .abi_major = MAJOR, .abi_minor = MINOR, .size = SIZE,
    .name = NAME, .version = "1", .kind = KIND, .schema = SCHEMA,
    .claims = claims, .claim_count = 1, .inputs = inputs, .input_count = 1,
    .drops = drops, .drop_count = 1, .start = start,
#ifdef OPTION
    .options = options, .option_count = 1, .options_size = sizeof(bool),
#endif
};

TN_EXPORT const struct tn_plugin *ENTRY(void);

const struct tn_plugin *ENTRY(void)
{
#ifdef NOTHING
    return 0;
#endif
    return &plugin;
}
"""

MANIFEST = """\
[plugin]
name = sample
kind = protocol
abi = 1.0
version = 1
summary = Takes frames of a type of its own and forgets them
schema = sample/1
provides = ethertype:0x88b6
"""

WITH_SAMPLE = CONFIG.replace("protocols:\n", "protocols:\n  sample: {{}}\n")


def compile_sample(directory, name="sample", **definitions):
    directory.mkdir(exist_ok=True)
    source = directory / "sample.c"
    source.write_text(SOURCE)
    (directory / "sample.ini").write_text(MANIFEST)
    so = directory / f"{name}.so"
    flags = [f"-D{key}" if value is True else f"-D{key}={value}" for key, value in definitions.items()]
    run(os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", "-g", "-nostartfiles", "-fvisibility=hidden", "-Wl,--build-id=sha1",
        "-I", harness.ROOT / "include", "-o", so, source, *flags)
    return so


class LoaderCase(harness.StackCase):
    config = WITH_SAMPLE

    @classmethod
    def setUpClass(cls):
        cls.plugins = isolate.scratch_directory("plugins")
        compile_sample(cls.plugins)
        cls.bad = isolate.scratch_directory("bad")
        os.environ["TENON_PLUGIN_PATH"] = f"{cls.plugins}:{harness.PLUGINS}"
        harness.make_tap()
        cls.addClassCleanup(harness.remove_tap)
        cls.stack = harness.Stack(cls.config, plugin_path=os.environ["TENON_PLUGIN_PATH"])
        cls.addClassCleanup(cls.finish)


class Refusals(LoaderCase):
    def refused(self, path, *words):
        """A swap to `path` fails, says each of the words, and changes nothing."""
        before = self.stack.build_id("sample")
        with harness.connect() as sock:
            done = self.stack.command("swap", "sample", path, check=False)
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            for word in words:
                self.assertIn(word.lower(), done.stderr.lower())
            self.assertEqual(self.stack.build_id("sample"), before)
            self.echo_works(sock)

    def sample(self, **definitions):
        return compile_sample(self.bad, **definitions)

    def test_missing_file(self):
        self.refused("/nowhere/sample.so", "/nowhere/sample.so", "No such file")

    def test_directory(self):
        self.refused(self.bad, str(self.bad))

    def test_text_file(self):
        path = self.bad / "text.so"
        path.write_text("This is not a plugin.\n" * 100)
        self.refused(path, "ELF")

    def test_empty_file(self):
        path = self.bad / "empty.so"
        path.write_bytes(b"")
        self.refused(path, "ELF")

    def test_device_that_never_ends(self):
        self.refused("/dev/zero", "/dev/zero")

    def test_fifo_that_nobody_writes(self):
        path = self.bad / "fifo.so"
        os.mkfifo(path)
        self.refused(path, "fifo.so")

    def test_other_architecture(self):
        data = bytearray(self.sample().read_bytes())
        data[18:20] = struct.pack("<H", 183 if data[18] != 183 else 62)
        path = self.bad / "other.so"
        path.write_bytes(data)
        self.refused(path, "architecture")

    def test_32_bits(self):
        data = bytearray(self.sample().read_bytes())
        data[4] = 1
        path = self.bad / "bits.so"
        path.write_bytes(data)
        self.refused(path, "32")

    def test_program_instead_of_a_shared_object(self):
        self.refused(harness.TENON)

    def test_object_file(self):
        path = self.bad / "sample.o"
        run("cc", "-c", "-I", harness.ROOT / "include", "-o", path, self.sample().with_suffix(".c"))
        self.refused(path)

    def test_truncated_at_any_place(self):
        data = self.sample().read_bytes()
        path = self.bad / "cut.so"
        for length in [1, 15, 16, 40, 63, 64, 65, 200, 600, *range(1000, len(data), len(data) // 12), len(data) - 1]:
            with self.subTest(length=length, whole=len(data)):
                path.write_bytes(data[:length])
                # Cut behind what is loaded (sections, debug information) it may still do.
                done = self.stack.command("swap", "sample", path, check=False)
                self.assertIn(done.returncode, (0, 1))
                if done.returncode == 1:
                    self.assertGreater(len(done.stderr), 20)
                self.echo_works()
        self.stack.command("swap", "sample")

    def test_damaged_headers(self):
        """Every byte of the ELF header and the program headers, one at a time, set to something else."""
        data = self.sample().read_bytes()
        path = self.bad / "damaged.so"
        for at in range(0, 64 + 56 * 3):
            damaged = bytearray(data)
            damaged[at] ^= 0x55
            path.write_bytes(damaged)
            done = self.stack.command("swap", "sample", path, check=False)
            self.assertIn(done.returncode, (0, 1), f"byte {at}: {done.stderr}")
        self.echo_works()
        self.stack.command("swap", "sample")

    def test_wrong_magic(self):
        self.refused(self.sample(MAGIC="0x12345678"), "magic")

    def test_other_major(self):
        self.refused(self.sample(MAJOR="TN_ABI_MAJOR+1"), "ABI", "2")

    def test_newer_minor(self):
        self.refused(self.sample(MINOR="TN_ABI_MINOR+1"), "ABI", "1.1")

    def test_descriptor_too_small(self):
        self.refused(self.sample(SIZE="16"), "size")

    def test_other_name_than_the_manifest(self):
        self.refused(self.sample(NAME='"other"'), "is a build of 'other', not of 'sample'")

    def test_other_kind_than_the_manifest(self):
        self.refused(self.sample(KIND='"service"'), "kind", "service")

    def test_other_claims_than_the_manifest(self):
        self.refused(self.sample(KEY="0x88b7"), "88b7")

    def test_option_that_the_manifest_lacks(self):
        self.refused(self.sample(OPTION=True), "option", "colour")

    def test_undefined_symbol(self):
        self.refused(self.sample(MISSING=True), "a_function_that_nobody_has")

    def test_no_entry(self):
        self.refused(self.sample(ENTRY="some_other_entry"), "tn_plugin_entry")

    def test_entry_that_gives_nothing(self):
        self.refused(self.sample(NOTHING=True))

    def test_another_plugin(self):
        self.refused(harness.PLUGINS / "echo.so", "echo")

    def test_a_plugin_that_does_not_run_here(self):
        done = self.stack.command("swap", "smaple", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("sample", done.stderr)

    def test_good_build_is_taken_after_all_that(self):
        self.stack.command("swap", "sample", self.sample(DIFFERENT=True, NOTE="1"))
        self.echo_works()


class Starting(LoaderCase):
    """The same at `tenon run` and at a reload."""

    config = CONFIG

    def plugin_path(self, **definitions):
        directory = isolate.scratch_directory("path")
        compile_sample(directory, **definitions)
        return directory

    def run_fails(self, directory, *words):
        path = isolate.scratch_directory("run") / "stack.yaml"
        path.write_text(WITH_SAMPLE.replace("tap7:", "tap8:").format(control=path.parent / "control"))
        environment = {**os.environ, "TENON_PLUGIN_PATH": f"{directory}:{harness.PLUGINS}"}
        done = run(harness.TENON, "run", path, check=False, env=environment)
        self.assertNotEqual(done.returncode, 0)
        for word in words:
            self.assertIn(word.lower(), done.stderr.lower())
        self.assertFalse(harness.tap_exists("tap8"))
        self.assertFalse((path.parent / "control").exists())

    def test_failing_start(self):
        self.run_fails(self.plugin_path(FAIL=True), "sample", "the sample does not feel like it")

    def test_undefined_symbol(self):
        self.run_fails(self.plugin_path(MISSING=True), "a_function_that_nobody_has")

    def test_missing_object(self):
        directory = self.plugin_path()
        (directory / "sample.so").unlink()
        self.run_fails(directory, "sample.so", "No such file")

    def test_missing_manifest(self):
        self.run_fails(isolate.scratch_directory("empty"), "sample")

    def test_two_plugins_for_one_key(self):
        """Found in the manifests, before any code is loaded; both are named."""
        directory = self.plugin_path()
        twin = compile_sample(directory / "twin", NAME='"twin"').with_name("sample.ini")
        shutil.move(twin.with_suffix(".so"), directory / "twin.so")
        (directory / "twin.ini").write_text(MANIFEST.replace("sample", "twin"))
        path = pathlib.Path(isolate.scratch_directory("run")) / "stack.yaml"
        path.write_text(WITH_SAMPLE.replace("  sample:", "  twin: {{}}\n  sample:").format(control=path.parent / "control"))
        environment = {**os.environ, "TENON_PLUGIN_PATH": f"{directory}:{harness.PLUGINS}"}
        done = run(harness.TENON, "check", path, check=False, env=environment)
        self.assertNotEqual(done.returncode, 0)
        for word in ("sample", "twin", "0x88b6"):
            self.assertIn(word, done.stderr)

    def test_failing_start_at_a_reload_keeps_the_old_configuration(self):
        shutil.copy(self.plugin_path(FAIL=True) / "sample.so", self.plugins / "sample.so")
        with harness.connect() as sock:
            self.stack.write(WITH_SAMPLE)
            done = self.stack.command("reload", check=False)
            self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
            self.assertIn("the sample does not feel like it", done.stderr)
            self.assertNotIn("sample", {row["name"] for row in self.stack.rows("plugins")})
            self.echo_works(sock)
            compile_sample(self.plugins)
            self.stack.command("reload")
            self.assertIn("sample", {row["name"] for row in self.stack.rows("plugins")})
            self.echo_works(sock)


if __name__ == "__main__":
    harness.main()
