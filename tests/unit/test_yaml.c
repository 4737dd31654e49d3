/* The YAML tree: kinds, positions and what is refused. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cmocka_all.h"
#include "yaml_tree.h"

static struct tn_yaml_node *parse(const char *text)
{
    struct tn_error error = {""};
    struct tn_yaml_node *root = NULL;
    int err = tn_yaml_parse(text, strlen(text), "f.yaml", &root, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(err, 0);
    return root;
}

static void refuse_bytes(const char *text, size_t len, const char *expected)
{
    struct tn_error error = {""};
    struct tn_yaml_node *root = NULL;
    assert_int_equal(tn_yaml_parse(text, len, "f.yaml", &root, &error), -EINVAL);
    assert_string_equal(error.text, expected);
    assert_null(root);
}

static void refuse(const char *text, const char *expected)
{
    refuse_bytes(text, strlen(text), expected);
}

static void assert_at(struct tn_position at, unsigned line, unsigned column)
{
    assert_int_equal(at.line, line);
    assert_int_equal(at.column, column);
}

/* ---- What is read ---- */

static void mapping_has_keys_and_values_with_positions(void **state)
{
    struct tn_yaml_node *root = parse("a: 1\nbb:\n  c: x\n");
    assert_int_equal(root->kind, TN_YAML_MAPPING);
    assert_int_equal(root->count, 2);
    struct tn_yaml_node *a = root->first, *b = a->next;
    assert_string_equal(a->key, "a");
    assert_at(a->key_at, 1, 1);
    assert_string_equal(a->text, "1");
    assert_at(a->at, 1, 4);
    assert_string_equal(b->key, "bb");
    assert_at(b->key_at, 2, 1);
    assert_at(b->at, 3, 3);
    assert_string_equal(b->first->key, "c");
    assert_null(b->next);
    tn_yaml_free(root);
}

static void sequence_keeps_its_order(void **state)
{
    struct tn_yaml_node *root = parse("[x, y, z]");
    assert_int_equal(root->kind, TN_YAML_SEQUENCE);
    assert_int_equal(root->count, 3);
    assert_string_equal(root->first->text, "x");
    assert_string_equal(root->first->next->text, "y");
    assert_string_equal(root->first->next->next->text, "z");
    assert_at(root->first->next->at, 1, 5);
    tn_yaml_free(root);
}

static void columns_count_characters_not_bytes(void **state)
{
    struct tn_yaml_node *root = parse("{ä: 1, ö: 2}");
    assert_at(root->first->next->key_at, 1, 8);
    tn_yaml_free(root);
}

static void plain_nothing_is_null(void **state)
{
    struct tn_yaml_node *root = parse("a:\nb: ~\nc: null\nd: Null\ne: NULL\n");
    for (struct tn_yaml_node *value = root->first; value; value = value->next)
        assert_int_equal(value->kind, TN_YAML_NULL);
    tn_yaml_free(root);
}

static void quoted_nothing_is_a_scalar(void **state)
{
    struct tn_yaml_node *root = parse("a: \"\"\nb: '~'\nc: \"null\"\n");
    for (struct tn_yaml_node *value = root->first; value; value = value->next)
        assert_int_equal(value->kind, TN_YAML_SCALAR);
    tn_yaml_free(root);
}

static void empty_text_is_null(void **state)
{
    struct tn_yaml_node *root = parse("");
    assert_int_equal(root->kind, TN_YAML_NULL);
    tn_yaml_free(root);
    root = parse("# only a comment\n");
    assert_int_equal(root->kind, TN_YAML_NULL);
    tn_yaml_free(root);
}

static void byte_order_mark_is_passed_over(void **state)
{
    struct tn_yaml_node *root = parse("\xef\xbb\xbf"
                                      "a: 1\n");
    assert_string_equal(root->first->key, "a");
    tn_yaml_free(root);
}

static void kinds_have_names(void **state)
{
    struct tn_yaml_node *root = parse("- x\n- [y]\n- {z: 1}\n-\n");
    assert_string_equal(tn_yaml_kind_name(root->first), "a value");
    assert_string_equal(tn_yaml_kind_name(root->first->next), "a list");
    assert_string_equal(tn_yaml_kind_name(root->first->next->next), "a mapping");
    assert_string_equal(tn_yaml_kind_name(root->first->next->next->next), "nothing");
    tn_yaml_free(root);
}

/* ---- What is refused ---- */

static void syntax_error_has_its_place_and_context(void **state)
{
    refuse("a: [1 {2}]\n", "f.yaml:1:7: syntax error: did not find expected ',' or ']' "
                           "(while parsing a flow sequence that began at line 1, column 4)");
}

static void what_is_not_closed_is_shown_where_it_began(void **state)
{
    refuse("a: [1, 2\nb: 3\n",
           "f.yaml:1:4: syntax error: did not find expected ',' or ']' "
           "(while parsing a flow sequence that begins here; noticed at line 2, column 2)");
    refuse("x: 1\na: { b: 2\nc: 3\n",
           "f.yaml:2:4: syntax error: did not find expected ',' or '}' "
           "(while parsing a flow mapping that begins here; noticed at line 3, column 2)");
    refuse("x: 1\na: \"b\nc: 3\n",
           "f.yaml:2:4: syntax error: found unexpected end of stream "
           "(while scanning a quoted scalar that begins here; noticed at line 4, column 1)");
}

static void key_without_colon_is_shown_where_it_is(void **state)
{
    refuse("a: 1\nbb\nc: 3\n", "f.yaml:2:1: syntax error: could not find expected ':' "
                               "(while scanning a simple key that begins here; noticed at line 3, column 1)");
}

static void line_that_is_indented_otherwise_is_said_to_be(void **state)
{
    refuse("a:\n    b: 1\n  c: 2\n",
           "f.yaml:3:3: syntax error: did not find expected key (while parsing a block mapping that began at "
           "line 1, column 1); perhaps this line is indented differently from those above it");
    refuse("a:\n  - 1\n  b: 2\n",
           "f.yaml:3:3: syntax error: did not find expected '-' indicator (while parsing a block collection "
           "that began at line 2, column 3); perhaps this line is indented differently from those above it");
}

static void tab_as_indentation_is_refused(void **state)
{
    static const char expected[] = "found a tab, expected blanks: YAML does not allow tabs for indentation";
    char text[160];
    snprintf(text, sizeof(text), "f.yaml:2:1: %s", expected);
    refuse("a:\n\tb: 1\n", text);
    refuse("ä:\r\n\tb: 1\r\n", text);
    snprintf(text, sizeof(text), "f.yaml:3:1: %s", expected);
    refuse("a:\n  b: 1\n\tc: 2\n", text);
    snprintf(text, sizeof(text), "f.yaml:2:3: %s", expected);
    refuse("a:\n  \tb: 1\n", text);
}

static void duplicate_key_names_the_first(void **state)
{
    refuse("a: 1\nb: 2\na: 3\n",
           "f.yaml:3:1: found the key 'a' a second time, expected it once (first at line 1)");
}

static void duplicate_key_is_found_when_nested(void **state)
{
    refuse("x:\n  - {a: 1, b: 2, b: 3}\n",
           "f.yaml:2:18: found the key 'b' a second time, expected it once (first at line 2)");
}

static void same_key_in_different_mappings_is_fine(void **state)
{
    tn_yaml_free(parse("x: {a: 1}\ny: {a: 1}\n"));
}

static void anchor_is_refused(void **state)
{
    refuse("a: &x 1\n", "f.yaml:1:4: found an anchor (&), expected a value: anchors are not supported");
    refuse("a: &x [1]\n", "f.yaml:1:4: found an anchor (&), expected a value: anchors are not supported");
}

static void alias_is_refused(void **state)
{
    refuse("a: *x\n", "f.yaml:1:4: found an alias (*), expected a value: aliases are not supported");
    refuse("*x : 1\n", "f.yaml:1:1: found an alias (*), expected a key: aliases are not supported");
}

static void tag_is_refused(void **state)
{
    refuse("a: !!binary aGk=\n",
           "f.yaml:1:4: found the tag 'tag:yaml.org,2002:binary', expected a value: tags are not "
           "supported");
    refuse("a: !x {}\n", "f.yaml:1:4: found the tag '!x', expected a value: tags are not supported");
}

static void directive_is_refused(void **state)
{
    const char *words = "found a line that begins with %, expected none: directives are not supported";
    char expected[128];
    snprintf(expected, sizeof(expected), "f.yaml:1:1: %s", words);
    refuse("%YAML 1.2\n---\na: 1\n", expected);
    snprintf(expected, sizeof(expected), "f.yaml:2:1: %s", words);
    refuse("# x\n%TAG ! a\n---\na: 1\n", expected);
}

static void percent_within_a_line_is_fine(void **state)
{
    struct tn_yaml_node *root = parse("é%: 50%\n");
    assert_string_equal(root->first->text, "50%");
    tn_yaml_free(root);
}

static void second_document_is_refused(void **state)
{
    refuse("a: 1\n---\nb: 2\n", "f.yaml:2:1: found a second document, expected one");
}

static void list_as_key_is_refused(void **state)
{
    refuse("? [a]\n: 1\n", "f.yaml:1:3: found a list as a key, expected a word");
    refuse("? {a: 1}\n: 1\n", "f.yaml:1:3: found a mapping as a key, expected a word");
}

static void empty_key_is_refused(void **state)
{
    refuse("\"\": 1\n", "f.yaml:1:1: found an empty key, expected a word");
}

static void nul_byte_is_refused(void **state)
{
    refuse_bytes(
        "ab: 1\nc\0d: 2\n", 13,
        "f.yaml:2:2: found a byte that is not text (control characters are not allowed), expected UTF-8");
}

static void nul_escape_is_refused(void **state)
{
    refuse("a: \"x\\0y\"\n", "f.yaml:1:4: found a NUL character, expected text without one");
}

static void invalid_utf8_is_refused(void **state)
{
    refuse("a: \xff\n",
           "f.yaml:1:4: found a byte that is not text (invalid leading UTF-8 octet), expected UTF-8");
    refuse("a: \xc3(\n",
           "f.yaml:1:5: found a byte that is not text (invalid trailing UTF-8 octet), expected UTF-8");
}

static void utf16_is_refused(void **state)
{
    refuse_bytes("\xff\xfe"
                 "a\0:\0 \0001\0",
                 10,
                 "f.yaml:1:1: found a byte that is not text (invalid leading UTF-8 octet), expected UTF-8");
}

static void long_text_is_refused(void **state)
{
    size_t len = TN_YAML_SIZE_MAX + 1;
    char *text = malloc(len);
    assert_non_null(text);
    memset(text, '\n', len);
    refuse_bytes(text, len, "f.yaml:1:1: the file has 1048577 bytes, expected at most 1048576");
    free(text);
}

static void deep_nesting_is_refused(void **state)
{
    char text[64];
    memset(text, '[', 16);
    memset(text + 16, ']', 16);
    text[32] = '\0';
    tn_yaml_free(parse(text));
    memset(text, '[', 40);
    text[40] = '\0';
    refuse(text, "f.yaml:1:17: nested more than 16 deep, expected less");
}

static void many_values_are_refused(void **state)
{
    size_t len = 2 * (TN_YAML_NODES_MAX + 1) + 2, used = 0;
    char *text = malloc(len);
    assert_non_null(text);
    text[used++] = '[';
    while (used + 3 < len) {
        text[used++] = '1';
        text[used++] = ',';
    }
    text[used++] = ']';
    struct tn_error error = {""};
    struct tn_yaml_node *root = NULL;
    assert_int_equal(tn_yaml_parse(text, used, "f.yaml", &root, &error), -EINVAL);
    assert_non_null(strstr(error.text, "more than 262144 values, expected a smaller file"));
    free(text);
}

static void a_million_bytes_of_keys_are_read(void **state)
{
    size_t size = TN_YAML_SIZE_MAX, used = 0;
    char *text = malloc(size + 1);
    assert_non_null(text);
    size_t keys = 0;
    while (used + 16 < size)
        used += (size_t)snprintf(text + used, size - used, "k%zu:\n", keys++);
    struct tn_error error = {""};
    struct tn_yaml_node *root = NULL;
    assert_int_equal(tn_yaml_parse(text, used, "f.yaml", &root, &error), 0);
    assert_int_equal(root->count, keys);
    tn_yaml_free(root);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mapping_has_keys_and_values_with_positions),
        cmocka_unit_test(sequence_keeps_its_order),
        cmocka_unit_test(columns_count_characters_not_bytes),
        cmocka_unit_test(plain_nothing_is_null),
        cmocka_unit_test(quoted_nothing_is_a_scalar),
        cmocka_unit_test(empty_text_is_null),
        cmocka_unit_test(byte_order_mark_is_passed_over),
        cmocka_unit_test(kinds_have_names),
        cmocka_unit_test(syntax_error_has_its_place_and_context),
        cmocka_unit_test(what_is_not_closed_is_shown_where_it_began),
        cmocka_unit_test(key_without_colon_is_shown_where_it_is),
        cmocka_unit_test(line_that_is_indented_otherwise_is_said_to_be),
        cmocka_unit_test(tab_as_indentation_is_refused),
        cmocka_unit_test(duplicate_key_names_the_first),
        cmocka_unit_test(duplicate_key_is_found_when_nested),
        cmocka_unit_test(same_key_in_different_mappings_is_fine),
        cmocka_unit_test(anchor_is_refused),
        cmocka_unit_test(alias_is_refused),
        cmocka_unit_test(tag_is_refused),
        cmocka_unit_test(directive_is_refused),
        cmocka_unit_test(percent_within_a_line_is_fine),
        cmocka_unit_test(second_document_is_refused),
        cmocka_unit_test(list_as_key_is_refused),
        cmocka_unit_test(empty_key_is_refused),
        cmocka_unit_test(nul_byte_is_refused),
        cmocka_unit_test(nul_escape_is_refused),
        cmocka_unit_test(invalid_utf8_is_refused),
        cmocka_unit_test(utf16_is_refused),
        cmocka_unit_test(long_text_is_refused),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(many_values_are_refused),
        cmocka_unit_test(a_million_bytes_of_keys_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
