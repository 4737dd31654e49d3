/* Manifests: what is read, and what is refused with which words. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmocka_all.h"
#include "manifest.h"

#define HEAD \
    "[plugin]\nname = x\nkind = service\nabi = 1.0\nversion = 0.1.0\nsummary = A service\nschema = x/1\n"

static struct tn_manifest *parse(const char *text)
{
    struct tn_error error = {""};
    struct tn_manifest *manifest = NULL;
    int err = tn_manifest_parse(text, strlen(text), "x.ini", &manifest, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(err, 0);
    return manifest;
}

static void refuse_text(const char *text, size_t len, const char *expected)
{
    struct tn_error error = {""};
    struct tn_manifest *manifest = NULL;
    assert_int_equal(tn_manifest_parse(text, len, "x.ini", &manifest, &error), -EINVAL);
    assert_string_equal(error.text, expected);
    assert_null(manifest);
}

/* HEAD (7 lines) with more lines below is refused. */
static void refuse_with(const char *lines, const char *expected)
{
    char text[1024];
    snprintf(text, sizeof(text), HEAD "%s", lines);
    refuse_text(text, strlen(text), expected);
}

static void refuse_all(const char *text, const char *expected)
{
    refuse_text(text, strlen(text), expected);
}

/* ---- What is read ---- */

static void plugin_section_fills_the_manifest(void **state)
{
    struct tn_manifest *m =
        parse("[plugin]\nname = udp\nkind = transport\nabi = 1.7\nversion = 0.1.0\n"
              "summary = User Datagram Protocol (RFC 768)\nschema = udp/1\n"
              "provides = ipproto:17 ethertype:0x0806 ipproto:1@2\nneeds = family:* family:2\n");
    assert_string_equal(m->name, "udp");
    assert_string_equal(m->kind, "transport");
    assert_string_equal(m->version, "0.1.0");
    assert_string_equal(m->summary, "User Datagram Protocol (RFC 768)");
    assert_string_equal(m->schema, "udp/1");
    assert_int_equal(m->abi_major, 1);
    assert_int_equal(m->abi_minor, 7);
    assert_false(m->listens);
    assert_int_equal(m->claim_count, 3);
    assert_int_equal(m->claims[0].table, TN_TABLE_IPPROTO);
    assert_int_equal(m->claims[0].key, 17);
    assert_int_equal(m->claims[0].family, 0);
    assert_int_equal(m->claims[1].table, TN_TABLE_ETHERTYPE);
    assert_int_equal(m->claims[1].key, 0x0806);
    assert_int_equal(m->claims[2].family, 2);
    assert_int_equal(m->need_count, 2);
    assert_true(m->needs[0].any);
    assert_int_equal(m->needs[0].table, TN_TABLE_FAMILY);
    assert_false(m->needs[1].any);
    assert_int_equal(m->needs[1].key, 2);
    tn_manifest_free(m);
}

static void option_sections_become_options(void **state)
{
    struct tn_manifest *m =
        parse(HEAD "[option receive-buffer]\ndefault = 208k\ntype = size\nrange = 1k..64M\n"
                   "live = yes\nhelp = Its limit\n"
                   "[option mode]\ntype = choice\nchoices = fast, slow\ndefault = slow\n"
                   "help = How\n[option who]\ntype = string\nhelp = Whom\n");
    assert_int_equal(m->option_count, 3);
    const struct tn_manifest_option *o = &m->options[0];
    assert_string_equal(o->name, "receive-buffer");
    assert_int_equal(o->type, TN_OPTION_SIZE);
    assert_true(o->live);
    assert_true(o->has_range);
    assert_int_equal((int64_t)o->min, 1024);
    assert_int_equal((int64_t)o->max, 64 << 20);
    assert_string_equal(o->default_text, "208k");
    assert_string_equal(o->help, "Its limit");
    assert_string_equal(m->options[1].choices[0], "fast");
    assert_string_equal(m->options[1].choices[1], "slow");
    assert_null(m->options[1].choices[2]);
    assert_false(m->options[1].live);
    assert_null(m->options[2].default_text);
    assert_false(m->options[2].has_range);
    tn_manifest_free(m);
}

static void one_end_of_a_range_can_be_left_out(void **state)
{
    struct tn_manifest *m = parse(HEAD "[option a]\ntype = int\nrange = 3..\nhelp = A\n"
                                       "[option b]\ntype = percent\nrange = ..50%\nhelp = B\n");
    assert_int_equal((int64_t)m->options[0].min, 3);
    assert_true(isinf(m->options[0].max));
    assert_true(isinf(m->options[1].min));
    assert_int_equal((int64_t)m->options[1].max, 50);
    tn_manifest_free(m);
}

static void limits_themselves_are_allowed(void **state)
{
    size_t size = TN_MANIFEST_SIZE_MAX;
    char *text = malloc(size + 1);
    assert_non_null(text);
    int used = snprintf(text, size,
                        HEAD "[option abcdefghijklmnopqrstuvwxyzabcde]\ntype = int\nrange = 3..3\n"
                             "default = 3\nhelp = Thirty-one letters, and one value\n");
    memset(text + used, '\n', size - (size_t)used);
    text[size] = '\0';
    struct tn_manifest *m = parse(text);
    assert_int_equal(strlen(m->options[0].name), 31);
    assert_int_equal((int64_t)m->options[0].min, 3);
    tn_manifest_free(m);
    free(text);
}

static void comments_blank_lines_and_dos_line_ends_are_fine(void **state)
{
    struct tn_manifest *m =
        parse("; a comment\r\n# another\r\n\r\n" HEAD "  # indented\nlistens = yes ; why\r\n");
    assert_true(m->listens);
    tn_manifest_free(m);
}

static void needs_can_depend_on_an_option(void **state)
{
    struct tn_manifest *m =
        parse(HEAD "needs = linktype:2?mode=ip\n"
                   "[option mode]\ntype = choice\nchoices = ip, frames\ndefault = ip\nhelp = M\n");
    char text[64];
    struct tn_text out = tn_text_init(text, sizeof(text));
    tn_need_text(&out, &m->needs[0]);
    assert_string_equal(text, "linktype:2?mode=ip");
    assert_string_equal(m->needs[0].when, "mode=ip");
    tn_manifest_free(m);
}

static void keys_are_written_as_in_manifests(void **state)
{
    char text[128];
    struct tn_text out = tn_text_init(text, sizeof(text));
    tn_claim_text(&out, TN_TABLE_ETHERTYPE, 0, 0x0806);
    tn_text_add(&out, " ");
    tn_claim_text(&out, TN_TABLE_IPPROTO, 2, 1);
    tn_text_add(&out, " ");
    tn_need_text(&out, &(struct tn_need){.table = TN_TABLE_FAMILY, .any = true});
    assert_string_equal(text, "ethertype:0x0806 ipproto:1@2 family:*");
}

/* ---- Lines that are refused ---- */

static void unknown_section_is_refused(void **state)
{
    refuse_with("[options]\n", "x.ini:8: found section 'options', expected [plugin] or [option NAME]");
}

static void broken_section_header_is_refused(void **state)
{
    refuse_with("[option x\n", "x.ini:8: found a broken section header, expected [plugin] or [option NAME]");
    refuse_with("[option x] y\n",
                "x.ini:8: found a broken section header, expected [plugin] or [option NAME]");
}

static void bad_option_name_is_refused(void **state)
{
    refuse_with("[option]\n",
                "x.ini:8: found '' as the name of an option, expected a-z, 0-9 and -, at most 31");
    refuse_with("[option A]\n",
                "x.ini:8: found 'A' as the name of an option, expected a-z, 0-9 and -, at most 31");
}

static void section_given_twice_is_refused(void **state)
{
    refuse_with("[plugin]\n", "x.ini:8: found [plugin] a second time, expected it once");
    refuse_with("[option a]\ntype = int\nhelp = A\n[option a]\n",
                "x.ini:11: found [option a] a second time, expected it once (first at line 8)");
}

static void unknown_key_is_refused_with_the_nearest(void **state)
{
    refuse_with("provide = family:2\n", "x.ini:8: found the unknown key 'provide', expected name, kind, abi, "
                                        "version, summary, schema, provides, "
                                        "needs, listens or ports, did you mean 'provides'?");
    refuse_with("[option a]\ntyp = int\n",
                "x.ini:9: found the unknown key 'typ', expected type, default, range, choices, "
                "kind, live or help, did you mean 'type'?");
}

static void key_given_twice_is_refused(void **state)
{
    refuse_with("name = y\n", "x.ini:8: found 'name' a second time, expected it once (first at line 2)");
}

static void key_before_any_section_is_refused(void **state)
{
    refuse_all("name = x\n" HEAD, "x.ini:1: found the key 'name' before any section, expected [plugin]");
}

static void line_without_an_assignment_is_refused(void **state)
{
    refuse_with("listens\n",
                "x.ini:8: found a line that is neither section nor assignment, expected 'key = value'");
}

static void ports_are_a_transports_and_there_unless_denied(void **state)
{
    struct tn_manifest *m = parse(HEAD);
    assert_false(m->no_ports);
    tn_manifest_free(m);
    m = parse("[plugin]\nname = x\nkind = transport\nabi = 1.0\nversion = 1\nsummary = X\nschema = x/1\n"
              "ports = no\n");
    assert_true(m->no_ports);
    tn_manifest_free(m);
    refuse_with("ports = no\n", "x.ini:8: found 'ports' in a service, expected it in a transport only");
}

static void first_of_two_errors_is_told(void **state)
{
    refuse_with("listens\nbogus = 1\n",
                "x.ini:8: found a line that is neither section nor assignment, expected 'key = value'");
}

static void indented_line_is_refused(void **state)
{
    refuse_with("  needs = family:2\n",
                "x.ini:8: found an indented line, expected 'key = value' at its beginning");
}

static void long_line_is_refused(void **state)
{
    char text[1024];
    snprintf(text, sizeof(text), HEAD "needs = %0300d\n", 1);
    refuse_all(text, "x.ini:8: found a line of 308 bytes, expected at most 197");
}

static void longest_line_is_read_whole(void **state)
{
    char text[1024], help[200];
    memset(help, 'h', 190);
    help[190] = '\0';
    snprintf(text, sizeof(text), HEAD "[option a]\ntype = int\nhelp = %s\n", help);
    struct tn_manifest *m = parse(text);
    assert_string_equal(m->options[0].help, help);
    tn_manifest_free(m);
}

static void bytes_that_are_no_text_are_refused(void **state)
{
    refuse_text("[plugin]\nna\0me = x\n", 18, "x.ini:2: found the control character \\x00, expected text");
    refuse_with("needs = \x1b\n", "x.ini:8: found the control character \\x1b, expected text");
    refuse_with("needs = \xff\n", "x.ini:8: found bytes that are not UTF-8, expected text");
    refuse_with("needs = \xc3\n", "x.ini:8: found bytes that are not UTF-8, expected text");
}

static void large_file_is_refused(void **state)
{
    char *text = malloc(TN_MANIFEST_SIZE_MAX + 1);
    assert_non_null(text);
    memset(text, '\n', TN_MANIFEST_SIZE_MAX + 1);
    refuse_text(text, TN_MANIFEST_SIZE_MAX + 1, "x.ini: found 65537 bytes, expected at most 65536");
    free(text);
}

/* ---- Values that are refused ---- */

static void missing_plugin_section_is_refused(void **state)
{
    refuse_all("", "x.ini: found no [plugin] section, expected one");
    refuse_all("[option a]\ntype = int\nhelp = A\n", "x.ini: found no [plugin] section, expected one");
}

static void missing_or_empty_key_is_refused(void **state)
{
    refuse_all("[plugin]\nname = x\nkind = service\nabi = 1.0\nversion = 1\nsummary = S\n",
               "x.ini: found no 'schema' in [plugin], expected 'schema = …'");
    refuse_all("[plugin]\nname = x\nkind = service\nabi = 1.0\nversion =\nsummary = S\nschema = x/1\n",
               "x.ini:5: version: found nothing, expected 'version = …'");
}

static void bad_plugin_name_is_refused(void **state)
{
    refuse_all("[plugin]\nname = ../x\nkind = service\nabi = 1.0\nversion = 1\nsummary = S\nschema = x/1\n",
               "x.ini:2: name: found '../x', expected a-z, 0-9 and -, at most 31");
}

static void unknown_kind_is_refused_with_the_nearest(void **state)
{
    refuse_all(
        "[plugin]\nname = x\nkind = sevice\nabi = 1.0\nversion = 1\nsummary = S\nschema = x/1\n",
        "x.ini:3: kind: found 'sevice', expected link, framing, protocol, network, congestion, transport or "
        "service, did you "
        "mean 'service'?");
}

static void bad_abi_is_refused(void **state)
{
    const char *wrong[] = {"1", "1.", ".1", "1.0.0", "a.b", "65536.0", "1.0x", "-1.0"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(wrong); i++) {
        char text[256], expected[128];
        snprintf(text, sizeof(text),
                 "[plugin]\nname = x\nkind = service\nabi = %s\nversion = 1\nsummary = S\nschema = x/1\n",
                 wrong[i]);
        snprintf(expected, sizeof(expected), "x.ini:4: abi: found '%s', expected MAJOR.MINOR, such as 1.0",
                 wrong[i]);
        refuse_all(text, expected);
    }
}

static void unknown_table_is_refused_with_the_nearest(void **state)
{
    refuse_with(
        "provides = ethertyp:0x0800\n",
        "x.ini:8: provides: found 'ethertyp:0x0800', expected TABLE:KEY with a table of linktype, ethertype, "
        "family, ipproto, resolver, reporter, did you mean 'ethertype'?");
}

static void bad_key_is_refused(void **state)
{
    const char *words = "expected ipproto:KEY with a key from 0 to 255 and perhaps @FAMILY from 1 to 15";
    const char *wrong[] = {"ipproto",      "ipproto:",    "ipproto:256",  "ipproto:-1",
                           "ipproto:1@",   "ipproto:1@0", "ipproto:1@16", "ipproto:99999999999999999999",
                           "ipproto:0x1g", "ipproto:x"};
    for (size_t i = 0; i < TN_ARRAY_SIZE(wrong); i++) {
        char line[64], expected[256];
        snprintf(line, sizeof(line), "provides = %s\n", wrong[i]);
        snprintf(expected, sizeof(expected), "x.ini:8: provides: found '%s', %s", wrong[i], words);
        refuse_with(line, expected);
    }
    refuse_with(
        "needs = ethertype:0x10\n",
        "x.ini:8: needs: found 'ethertype:0x10', expected ethertype:KEY with a key from 0x0600 to 0xffff");
}

static void claim_of_any_key_is_refused(void **state)
{
    refuse_with("provides = family:*\n", "x.ini:8: provides: found 'family:*', expected one key, always");
    refuse_with("provides = family:2?a=b\n",
                "x.ini:8: provides: found 'family:2?a=b', expected one key, always");
}

static void condition_must_name_an_option_and_its_value(void **state)
{
    refuse_with("needs = family:2?mode\n",
                "x.ini:8: needs: found 'family:2?mode', expected OPTION=VALUE after the question mark");
    refuse_with("needs = family:2?mode=ip\n",
                "x.ini:8: needs: found 'mode=ip', expected an option of this plugin after the question mark");
    refuse_with("needs = family:2?on=maybe\n[option on]\ntype = bool\nhelp = O\n",
                "x.ini:8: needs: found 'on=maybe', expected yes or no");
}

static void listens_is_for_services(void **state)
{
    refuse_with("listens = true\n", "x.ini:8: listens: found 'true', expected yes or no");
    refuse_all("[plugin]\nname = x\nkind = network\nabi = 1.0\nversion = 1\nsummary = S\nschema = "
               "x/1\nlistens = yes\n",
               "x.ini:8: found 'listens' in a network, expected it in a service only");
}

static void option_without_type_or_help_is_refused(void **state)
{
    refuse_with("[option a]\nhelp = A\n", "x.ini:8: option a: found no 'type', expected one");
    refuse_with("[option a]\ntype = int\n", "x.ini:8: option a: found no 'help', expected a line of it");
}

static void unknown_type_is_refused(void **state)
{
    refuse_with("[option a]\ntype = number\nhelp = A\n",
                "x.ini:9: type: found 'number', expected bool, int, size, duration, percent, rate, string, "
                "choice, plugin or interfaces");
}

static void bad_live_is_refused(void **state)
{
    refuse_with("[option a]\ntype = int\nlive = maybe\nhelp = A\n",
                "x.ini:10: live: found 'maybe', expected yes or no");
}

static void choices_are_for_a_choice(void **state)
{
    refuse_with("[option a]\ntype = int\nchoices = a, b\nhelp = A\n",
                "x.ini:10: found 'choices' for type int, expected it for type choice only");
    refuse_with("[option a]\ntype = choice\nhelp = A\n",
                "x.ini:8: option a: found no 'choices', expected 'choices = a, b, c'");
    refuse_with("[option a]\ntype = choice\nchoices = a, b, a\nhelp = A\n",
                "x.ini:10: choices: found 'a', expected it once");
}

static void bad_range_is_refused(void **state)
{
    refuse_with("[option a]\ntype = string\nrange = 1..2\nhelp = A\n",
                "x.ini:10: found 'range' for type string, expected it for numbers only");
    refuse_with("[option a]\ntype = int\nrange = 5\nhelp = A\n",
                "x.ini:10: range: found '5', expected MIN..MAX");
    refuse_with("[option a]\ntype = int\nrange = 5..3\nhelp = A\n",
                "x.ini:10: range: found '5..3', expected MIN..MAX with MIN below MAX");
    refuse_with("[option a]\ntype = int\nrange = ..\nhelp = A\n",
                "x.ini:10: range: found '..', expected MIN..MAX with MIN below MAX");
    refuse_with("[option a]\ntype = size\nrange = 1q..3\nhelp = A\n",
                "x.ini:10: range: found '1q', expected a size such as 64k or 16M");
}

static void default_must_be_a_value_of_the_option(void **state)
{
    refuse_with("[option a]\ntype = int\ndefault = x\nhelp = A\n",
                "x.ini:10: default: found 'x', expected a whole number");
    refuse_with("[option a]\ntype = int\ndefault = 9\nrange = 1..8\nhelp = A\n",
                "x.ini:10: default: found '9', expected a whole number, from 1 to 8");
}

static void option_with_a_key_that_services_have_is_refused(void **state)
{
    refuse_with("[option listen]\ntype = int\nhelp = A\n",
                "x.ini:8: found an option 'listen', expected another name: every service has this key");
}

static void too_many_options_are_refused(void **state)
{
    char text[8192] = HEAD;
    size_t used = strlen(text);
    for (int i = 0; i < 65; i++)
        used += (size_t)snprintf(text + used, sizeof(text) - used, "[option o%d]\ntype = int\nhelp = A\n", i);
    refuse_all(text, "x.ini:200: found another option, expected at most 64");
}

static void plugin_options_say_which_kind(void **state)
{
    struct tn_error error;
    struct tn_manifest *m;
    const char text[] = HEAD "[option a]\ntype = plugin\nkind = congestion\ndefault = x\nhelp = A\n";
    assert_int_equal(tn_manifest_parse(text, strlen(text), "x.ini", &m, &error), 0);
    assert_int_equal(m->options[0].type, TN_OPTION_PLUGIN);
    assert_string_equal(m->options[0].kind, "congestion");
    tn_manifest_free(m);
    refuse_with("[option a]\ntype = plugin\nhelp = A\n",
                "x.ini:8: option a: found no 'kind', expected 'kind = KIND'");
    refuse_with("[option a]\ntype = string\nkind = congestion\nhelp = A\n",
                "x.ini:10: found 'kind' for type string, expected it for type plugin only");
    refuse_with(
        "[option a]\ntype = plugin\nkind = service\nhelp = A\n",
        "x.ini:10: kind: found 'service', expected framing, protocol, network, congestion or transport");
}

static void too_many_choices_are_refused(void **state)
{
    char text[1024] = HEAD "[option a]\ntype = choice\nhelp = A\nchoices =";
    for (int i = 0; i < 33; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), " c%d", i);
    refuse_all(text, "x.ini:11: choices: found more than 32 words, expected fewer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plugin_section_fills_the_manifest),
        cmocka_unit_test(option_sections_become_options),
        cmocka_unit_test(one_end_of_a_range_can_be_left_out),
        cmocka_unit_test(limits_themselves_are_allowed),
        cmocka_unit_test(comments_blank_lines_and_dos_line_ends_are_fine),
        cmocka_unit_test(needs_can_depend_on_an_option),
        cmocka_unit_test(keys_are_written_as_in_manifests),
        cmocka_unit_test(unknown_section_is_refused),
        cmocka_unit_test(broken_section_header_is_refused),
        cmocka_unit_test(bad_option_name_is_refused),
        cmocka_unit_test(section_given_twice_is_refused),
        cmocka_unit_test(unknown_key_is_refused_with_the_nearest),
        cmocka_unit_test(key_given_twice_is_refused),
        cmocka_unit_test(key_before_any_section_is_refused),
        cmocka_unit_test(line_without_an_assignment_is_refused),
        cmocka_unit_test(ports_are_a_transports_and_there_unless_denied),
        cmocka_unit_test(first_of_two_errors_is_told),
        cmocka_unit_test(indented_line_is_refused),
        cmocka_unit_test(long_line_is_refused),
        cmocka_unit_test(longest_line_is_read_whole),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(large_file_is_refused),
        cmocka_unit_test(missing_plugin_section_is_refused),
        cmocka_unit_test(missing_or_empty_key_is_refused),
        cmocka_unit_test(bad_plugin_name_is_refused),
        cmocka_unit_test(unknown_kind_is_refused_with_the_nearest),
        cmocka_unit_test(bad_abi_is_refused),
        cmocka_unit_test(unknown_table_is_refused_with_the_nearest),
        cmocka_unit_test(bad_key_is_refused),
        cmocka_unit_test(claim_of_any_key_is_refused),
        cmocka_unit_test(condition_must_name_an_option_and_its_value),
        cmocka_unit_test(listens_is_for_services),
        cmocka_unit_test(option_without_type_or_help_is_refused),
        cmocka_unit_test(unknown_type_is_refused),
        cmocka_unit_test(bad_live_is_refused),
        cmocka_unit_test(choices_are_for_a_choice),
        cmocka_unit_test(bad_range_is_refused),
        cmocka_unit_test(default_must_be_a_value_of_the_option),
        cmocka_unit_test(option_with_a_key_that_services_have_is_refused),
        cmocka_unit_test(too_many_options_are_refused),
        cmocka_unit_test(plugin_options_say_which_kind),
        cmocka_unit_test(too_many_choices_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
