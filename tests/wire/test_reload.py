"""`tenon reload`: the difference between the running configuration and an edited stack.yaml, and nothing else."""

import unittest

import harness
from harness import CONFIG, connect, run


class Reload(harness.StackCase):
    def setUp(self):
        super().setUp()
        self.addCleanup(self.reload, CONFIG)
        # This connection is open through every reload.
        self.witness = connect()
        self.addCleanup(self.witness.close)

    def reload(self, config, **kwargs):
        self.stack.write(config)
        return self.stack.command("reload", **kwargs)

    def edited(self, *changes):
        config = CONFIG
        for old, new in changes:
            self.assertIn(old, config)
            config = config.replace(old, new)
        return config

    def refused(self, config):
        """Refused with a reason, the old configuration in force. Returns the reason."""
        before = {table: self.stack.rows(table) for table in ("addresses", "routes", "options", "dispatch")}
        plugins = [(row["name"], row["build-id"], row["generation"]) for row in self.stack.rows("plugins")]
        done = self.reload(config, check=False)
        self.assertNotEqual(done.returncode, 0, done.stdout)
        for table, rows in before.items():
            self.assertEqual(self.stack.rows(table), rows)
        self.assertEqual([(row["name"], row["build-id"], row["generation"]) for row in self.stack.rows("plugins")], plugins)
        self.echo_works(self.witness)
        return done.stdout + done.stderr

    def pings(self, address):
        run("ip", "neigh", "flush", "dev", harness.TAP)
        return run("ping", "-n", "-c", 1, "-W", 1, address, check=False).returncode == 0

    def test_address_added_and_removed(self):
        self.assertFalse(self.pings("10.0.7.9"))
        self.reload(self.edited(("10.0.7.8/24]", "10.0.7.8/24, 10.0.7.9/24]")))
        self.assertTrue(self.pings("10.0.7.9"))
        self.echo_works(self.witness)
        self.reload(CONFIG)
        self.assertFalse(self.pings("10.0.7.9"))
        self.assertTrue(self.pings(harness.SECOND))
        self.echo_works(self.witness)

    def test_first_address_replaced_keeps_the_second(self):
        with connect(harness.SECOND) as second:
            self.reload(self.edited(("10.0.7.7/24, ", "10.0.7.10/24, ")))
            self.assertTrue(self.pings("10.0.7.10"))
            self.assertFalse(self.pings(harness.STACK))
            self.echo_works(second)
            self.reload(CONFIG)
            self.echo_works(second)

    def test_route_added_and_removed(self):
        def destinations():
            return {row["to"] for row in self.stack.rows("routes")}

        self.reload(self.edited(("    routes:\n", "    routes:\n      - {{ to: 192.168.5.0/24, via: 10.0.7.1 }}\n")))
        self.assertIn("192.168.5.0/24", destinations())
        self.echo_works(self.witness)
        self.reload(CONFIG)
        self.assertNotIn("192.168.5.0/24", destinations())
        self.echo_works(self.witness)

    def test_new_route_is_used(self):
        run("ip", "addr", "add", "192.168.5.1/32", "dev", "lo")
        self.addCleanup(run, "ip", "addr", "del", "192.168.5.1/32", "dev", "lo")
        without_default = self.edited(("      - {{ to: default, via: 10.0.7.1 }}\n", ""), ("    routes:\n", ""))
        self.reload(without_default)
        self.assertNotEqual(run("ping", "-n", "-c", 1, "-W", 1, "-I", "192.168.5.1", harness.STACK, check=False).returncode, 0)
        self.reload(CONFIG)
        self.assertEqual(run("ping", "-n", "-c", 1, "-W", 2, "-I", "192.168.5.1", harness.STACK).returncode, 0)

    def test_listener_added_and_removed(self):
        self.reload(self.edited(("[tcp/7, udp/7]", "[tcp/7, udp/7, tcp/7007]")))
        with connect(port=7007) as sock:
            self.echo_works(sock)
            self.reload(CONFIG)
            # What is open stays; what is new is refused.
            self.echo_works(sock)
        with self.assertRaises(ConnectionRefusedError):
            connect(port=7007)
        self.echo_works(self.witness)

    def test_service_disabled_and_enabled(self):
        self.reload(self.edited(("  daytime: {{ listen: [tcp/13, udp/13] }}\n", "")))
        with self.assertRaises(ConnectionRefusedError):
            connect(port=harness.DAYTIME)
        self.assertNotIn("daytime", {row["name"] for row in self.stack.rows("plugins")})
        self.echo_works(self.witness)
        self.reload(CONFIG)
        with connect(port=harness.DAYTIME) as sock:
            self.assertTrue(harness.receive_all(sock))

    def test_protocol_disabled_and_enabled(self):
        services = self.edited(("[tcp/7, udp/7]", "[tcp/7]"), ("[tcp/9, udp/9]", "[tcp/9]"), ("[tcp/13, udp/13]", "[tcp/13]"),
                               ("[tcp/19, udp/19]", "[tcp/19]"), ("  udp: {{}}\n", ""))
        self.reload(services)
        self.assertNotIn("udp", {row["name"] for row in self.stack.rows("plugins")})
        self.echo_works(self.witness)
        self.reload(CONFIG)
        self.assertEqual(run("socat", "-t1", "-", f"udp:{harness.STACK}:7", input="back\n").stdout, "back\n")
        self.echo_works(self.witness)

    def test_option_changed(self):
        live = [row for row in self.stack.rows("options") if row["live"] and row["plugin"] == "udp"]
        self.assertTrue(live, "udp has an option that can be changed while it runs")
        option = next(row["option"] for row in live if row["option"] == "receive-buffer")
        self.reload(self.edited(("  udp: {{}}", f"  udp: {{{{ {option}: 100k }}}}")))
        now = next(row for row in self.stack.rows("options") if row["plugin"] == "udp" and row["option"] == option)
        self.assertEqual(now["value"].lower(), "100k")
        self.echo_works(self.witness)

    def test_nothing_changed(self):
        self.reload(CONFIG)
        self.echo_works(self.witness)

    def test_syntax_error_is_refused_with_its_place(self):
        self.assertRegex(self.refused(CONFIG + "nonsense: [\n"), r"stack\.yaml:\d+:\d+")

    def test_unknown_plugin_is_refused_with_the_nearest_name(self):
        why = self.refused(self.edited(("  echo:  ", "  ehco:  ")))
        self.assertRegex(why, r"stack\.yaml:\d+:\d+")
        self.assertIn("echo", why)

    def test_new_mac_is_refused(self):
        self.assertIn("mac", self.refused(self.edited(("02:00:00:00:07:07", "02:00:00:00:07:08"))).lower())

    def test_other_driver_is_refused(self):
        self.assertIn("tap7", self.refused(self.edited(("driver: tap", "driver: host"))))

    def test_option_that_is_not_live_is_refused(self):
        self.assertIn("device", self.refused(self.edited(("driver: tap\n", "driver: tap\n    device: tap9\n"))))

    def test_taken_port_is_refused(self):
        self.refused(self.edited(("[tcp/9, udp/9]", "[tcp/7, udp/9]")))

    def test_missing_file_is_refused(self):
        self.stack.yaml.unlink()
        done = self.stack.command("reload", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("No such file", done.stdout + done.stderr)
        self.echo_works(self.witness)


if __name__ == "__main__":
    harness.main()
